"""A training step of an MLP 784-128-10, batch 128, float32: where the arithmetic decides."""

from __future__ import annotations

from benchmarks.harness import Case, Figures, Row, main, seconds_per_call
from benchmarks.training_step import make_step


def measure(contender: str) -> Figures:
    step = make_step(contender, batch=128, features=784, hidden=128, classes=10)
    return {"step": seconds_per_call(step, budget=2.0)}


WHAT = "training step, MLP 784-128-10, batch 128"
CASE = Case(
    rows=(
        Row(WHAT, "step", "us", "autograd", "numpy", 1.2),
        Row(WHAT, "step", "us", "autograd", "torch"),
        Row(WHAT, "step", "us", "jit loss", "torch", 1.0),
        Row(WHAT, "step", "us", "jit loss", "numpy out", 1.15),
        Row(WHAT, "step", "us", "jit step", "torch", 1.0),
        Row(WHAT, "step", "us", "jit step", "numpy out", 1.15),
        Row(WHAT, "step", "us", "jit step", "JAX"),
    ),
    measure=measure,
)

if __name__ == "__main__":
    main(CASE)
