"""How cost grows: a node of a scalar graph, and a parameter of a net, from 10^2 to 10^7 of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.harness import Case, Figures, Row, main, seconds_per_call
from benchmarks.training_step import make_step

SIZES = [10**k for k in range(2, 8)]
QUICK = 10**5
"""Larger graphs of scalars take long to record, and gigabytes."""

ENGINES = ("autograd", "jit numpy", "jit numba")
STEPS = ("autograd", "jit loss", "jit step")
OPERATIONS = 6
"""A sample's share of the graph."""


def curve_fit(nodes: int) -> Callable[[Any, Any], Any]:
    """The squared error of tanh(w * x + b), of so many samples as it takes to have the nodes."""
    from autograd import tanh

    x = np.linspace(-1.0, 1.0, nodes // OPERATIONS).tolist()

    def loss(w: Any, b: Any) -> Any:
        total = 0.0
        for number in x:
            error = tanh(w * number + b) - number
            total = total + error * error
        return total

    return loss


def node_seconds(engine: str, nodes: int) -> float:
    from autograd import jit, value_and_grad

    both = value_and_grad(curve_fit(nodes), argnums=(0, 1))
    if engine != "autograd":
        both = jit(both, executor=engine.removeprefix("jit "))
    return seconds_per_call(lambda: both(0.5, 0.1), budget=1.0) / nodes


def parameter_seconds(engine: str, parameters: int) -> float:
    """Of a training step of a net n-n-10, batch 32, float32."""
    n = round((30.25 + parameters - 10) ** 0.5 - 5.5)  # n (n + 1) + 10 (n + 1) parameters
    step = make_step(engine, batch=32, features=n, hidden=n, classes=10)
    return seconds_per_call(step, budget=1.0) / (n * (n + 1) + 10 * (n + 1))


def measure(contender: str) -> Figures:
    what, engine, size = contender.split(", ")
    seconds = node_seconds if what == "node" else parameter_seconds
    return {what: seconds(engine, int(size))}


def node_rows(size: int) -> tuple[Row, ...]:
    what = f"a node of {size:,}, value and gradient"
    eager, *replays = (f"node, {engine}, {size}" for engine in ENGINES)
    return tuple(Row(what, "node", "ns", replay, eager) for replay in replays)


def parameter_rows(size: int) -> tuple[Row, ...]:
    what = f"a parameter of {size:,}, a training step"
    eager, *replays = (f"parameter, {engine}, {size}" for engine in STEPS)
    return tuple(Row(what, "parameter", "ns", replay, eager) for replay in replays)


CASE = Case(
    rows=tuple(row for n in SIZES if n <= QUICK for row in node_rows(n))
    + tuple(row for n in SIZES for row in parameter_rows(n)),
    full_rows=tuple(row for n in SIZES if n > QUICK for row in node_rows(n)),
    measure=measure,
    rounds=3,
    environments={f"node, jit numba, {size}": "numba" for size in SIZES},
)

if __name__ == "__main__":
    main(CASE)
