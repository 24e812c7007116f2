"""Recording and scheduling micrograd's demo, loss and gradient, in steps without `jit`; beside it
what JAX takes to compile the same scalar code, for a tenth of the samples."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

from benchmarks.harness import Case, Figures, Row, main, seconds_per_call
from benchmarks.micrograd_demo import (
    demo_loss,
    eager_step,
    first_parameters,
    model_and_value,
    moons,
    scalar_loss,
)

FEWER = 10


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def kernel_seconds() -> float:
    """What compiling the kernel takes where it is not on disk yet."""
    from autograd.replay.compiled import kernel

    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        return seconds(kernel)


def measure_jit(executor: str) -> Figures:
    from autograd import jit

    figures = {}
    if executor == "numba":
        figures["kernel"] = kernel_seconds()
    model, value = model_and_value("autograd")
    step = eager_step("autograd")

    def record(count: int) -> float:
        points, labels = moons(count)
        return seconds(jit(lambda: demo_loss(value, model, points, labels), executor=executor))

    record(FEWER)
    step()
    pairs = [(record(100), seconds(step)) for _ in range(5)]
    figures["record"] = statistics.median(first for first, _ in pairs)
    figures["steps"] = statistics.median(first / second for first, second in pairs)
    figures["tenth"] = statistics.median(record(FEWER) for _ in range(5))
    return figures


def measure_jax() -> Figures:
    import jax

    jax.config.update("jax_enable_x64", True)
    both = jax.jit(jax.value_and_grad(scalar_loss(lambda x: jax.lax.max(x, 0.0), *moons(FEWER))))
    parameters = first_parameters()
    compiled: Any = None

    def compile_it() -> None:
        nonlocal compiled
        compiled = both.lower(parameters).compile()

    figures = {"tenth": seconds(compile_it)}
    figures["step"] = seconds_per_call(lambda: jax.block_until_ready(compiled(parameters)))
    return figures


def measure(contender: str) -> Figures:
    return measure_jax() if contender == "JAX" else measure_jit(contender.removeprefix("jit "))


WHAT = "recording and scheduling micrograd's demo"
CASE = Case(
    rows=(
        Row(f"{WHAT}, in eager steps", "steps", "steps", "jit numpy", None, 5.0),
        Row(f"{WHAT}, in eager steps", "steps", "steps", "jit numba", None, 5.0),
        Row(WHAT, "record", "s", "jit numpy"),
        Row("the same with a tenth of the samples", "tenth", "s", "jit numpy", "JAX"),
        Row("compiling numba's kernel, once on a machine", "kernel", "s", "jit numba"),
    ),
    measure=measure,
    rounds=2,
    environments={"jit numba": "numba"},
)

if __name__ == "__main__":
    main(CASE)
