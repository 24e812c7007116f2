"""Memory and time of a deep function whose inside is kept, or computed again in backward."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks.harness import Case, Figures, Row, main
from benchmarks.scalar_chain import peak_bytes

BLOCKS, DEPTH, SIZE = 20, 20, 200_000


def measure(contender: str) -> Figures:
    from autograd import checkpoint, grad

    def block(x: Any) -> Any:
        for _ in range(DEPTH):
            x = np.sin(x)
        return x

    inside = checkpoint(block) if contender == "checkpoint" else block

    def deep(x: Any) -> Any:
        for _ in range(BLOCKS):
            x = inside(x)
        return np.sum(x)

    slope = grad(deep)
    slope(np.ones(10))
    x = np.ones(SIZE)
    before = peak_bytes()
    start = time.perf_counter()
    slope(x)
    return {"seconds": time.perf_counter() - start, "bytes": peak_bytes() - before}


WHAT = f"{BLOCKS} blocks of {DEPTH} sines of {SIZE:,} numbers"
CASE = Case(
    rows=(
        Row(f"{WHAT}, peak memory", "bytes", "MB", "checkpoint", "kept", 0.15),
        Row(f"{WHAT}, time", "seconds", "ms", "checkpoint", "kept"),
    ),
    measure=measure,
    rounds=3,
)

if __name__ == "__main__":
    main(CASE)
