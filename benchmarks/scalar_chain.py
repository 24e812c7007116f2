"""A chain of scalars, forward and backward: does a node cost the same among ten million?"""

from __future__ import annotations

import resource
import sys
import time
from typing import Any

from benchmarks.harness import Case, Figures, Row, main, seconds_per_call

SHORT, LONG = 10_000, 10_000_000


def peak_bytes() -> int:
    """The most memory that this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def measure(contender: str) -> Figures:
    from autograd import Value, sin

    form, _, length = contender.partition(" ")
    nodes = LONG if length == "long" else SHORT

    def run() -> None:
        x = y = Value(1e-7)
        if form == "add":
            for _ in range(nodes):
                y = y + x
        else:
            for _ in range(nodes):
                y = sin(y)
        y.backward()

    if nodes == SHORT:
        return {"node": seconds_per_call(run, budget=2.0) / nodes}
    before = peak_bytes()
    start = time.perf_counter()
    run()
    elapsed = time.perf_counter() - start
    return {"node": elapsed / nodes, "bytes": (peak_bytes() - before) / nodes}


def rows(form: str, code: str) -> tuple[Any, ...]:
    long, short = f"{form} long", f"{form} short"
    return (
        Row(f"{code}: a node of 10,000,000 beside 10,000", "node", "ns", long, short, 2.0),
        Row(f"{code}: memory a node of 10,000,000", "bytes", "B", long, None, 400.0),
    )


CASE = Case(rows=rows("add", "y = y + x") + rows("sin", "y = sin(y)"), measure=measure, rounds=3)

if __name__ == "__main__":
    main(CASE)
