"""One neuron, tanh(w . x + b): what a call of a replay costs, and from which size on it pays."""

from __future__ import annotations

from typing import Any

from benchmarks.harness import Case, Figures, Row, main, seconds_per_call

SIZES = [1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32, 64]


def neuron(w: list[Any], b: Any, x: list[float]) -> Any:
    """2 * len(w) + 1 operations."""
    from autograd import tanh

    return tanh(sum((w_i * x_i for w_i, x_i in zip(w, x, strict=True)), b))


def seconds(call: Any, size: int) -> float:
    """The time of a call, from many calls at once: the clock itself takes a tenth of one."""
    w, b, x = [0.1] * size, 0.3, [0.5] * size

    def calls() -> None:
        for _ in range(100):
            call(w, b, x)

    return seconds_per_call(calls, budget=0.3) / 100


def three(w1: Any, w2: Any, x: Any) -> Any:
    return w1 * x + w2


def flat_seconds(call: Any) -> float:
    def calls() -> None:
        for _ in range(100):
            call(0.1, 0.2, 0.5)

    return seconds_per_call(calls, budget=0.3) / 100


def measure(contender: str) -> Figures:
    from autograd import jit, value_and_grad

    slopes = value_and_grad(neuron, argnums=(0, 1))
    if contender == "autograd":
        return {"gradient": seconds(slopes, 2)}
    executor = contender.removeprefix("jit ")
    replayed = jit(slopes, executor=executor)
    faster = [n for n in SIZES if seconds(replayed, n) < seconds(slopes, n)]
    return {
        "call": flat_seconds(jit(three, executor=executor)) - flat_seconds(three),
        "gradient": seconds(replayed, 2),
        "pays": 2 * faster[0] + 1 if faster else float("inf"),
    }


CALL = "a call of a function of three numbers under jit, beyond the function itself"
GRADIENT = "a neuron of two inputs, value and gradient"
CASE = Case(
    rows=(
        Row(CALL, "call", "us", "jit numpy"),
        Row(CALL, "call", "us", "jit numba", None, 5.0),
        Row(GRADIENT, "gradient", "us", "jit numpy", "autograd"),
        Row(GRADIENT, "gradient", "us", "jit numba", "autograd"),
        Row("a neuron's operations from which on jit is faster", "pays", "", "jit numpy"),
        Row("a neuron's operations from which on jit is faster", "pays", "", "jit numba"),
    ),
    measure=measure,
    environments={"jit numba": "numba"},
)

if __name__ == "__main__":
    main(CASE)
