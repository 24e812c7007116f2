"""micrograd's demo with 10 and 100 times the samples: what an instruction of a replay costs."""

from __future__ import annotations

import ctypes
import gc
import math
import os
import sys
from pathlib import Path

from benchmarks.harness import Case, Figures, Row, main, seconds_per_call
from benchmarks.micrograd_demo import first_parameters, moons, scalar_loss

FEW, MORE, MOST = 100, 1_000, 10_000


def resident_bytes() -> float:
    """What this process holds in memory now; Linux only."""
    if not sys.platform.startswith("linux"):
        return math.nan
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return float(pages * os.sysconf("SC_PAGE_SIZE"))


def measure(contender: str) -> Figures:
    from autograd import jit, relu, value_and_grad

    executor, samples = contender.split()[1:]
    points, labels = moons(int(samples))
    parameters = first_parameters()
    jit(value_and_grad(scalar_loss(relu, points[:1], labels[:1])), executor=executor)(parameters)
    before = resident_bytes()
    both = jit(value_and_grad(scalar_loss(relu, points, labels)), executor=executor)
    both(parameters)
    held = resident_bytes() - before
    count = both.program.instructions
    return {
        "instruction": seconds_per_call(lambda: both(parameters), budget=2.0) / count,
        "bytes": both.program.nbytes / count,
        "held": held / count,
    }


def rows(executor: str, samples: int) -> tuple[Row, ...]:
    what = f"an instruction of the demo with {samples:,} samples"
    ours, first = f"jit {executor} {samples}", f"jit {executor} {FEW}"
    return (
        Row(f"{what}, beside {FEW}", "instruction", "ns", ours, first, 1.5),
        Row(f"{what}: program.nbytes", "bytes", "B", ours, None, 40.0),
        Row(f"{what}: memory held", "held", "B", ours, None, 40.0),
    )


CASE = Case(
    rows=rows("numpy", MORE) + rows("numba", MORE),
    full_rows=rows("numpy", MOST) + rows("numba", MOST),
    measure=measure,
    rounds=3,
    environments={f"jit numba {samples}": "numba" for samples in (FEW, MORE, MOST)},
)

if __name__ == "__main__":
    main(CASE)
