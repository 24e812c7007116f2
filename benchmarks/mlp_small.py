"""A training step of an MLP 64-32-10, batch 32, float32: where the cost of a call decides."""

from __future__ import annotations

from benchmarks.harness import Case, Figures, Row, main, seconds_per_call
from benchmarks.training_step import ENVIRONMENTS, make_step


def measure(contender: str) -> Figures:
    step = make_step(contender, batch=32, features=64, hidden=32, classes=10)
    return {"step": seconds_per_call(step, budget=2.0)}


WHAT = "training step, MLP 64-32-10, batch 32"
CASE = Case(
    rows=(
        Row(WHAT, "step", "us", "autograd", "torch", 0.8),
        Row(WHAT, "step", "us", "autograd", "numpy"),
        Row(WHAT, "step", "us", "autograd", "HIPS"),
        Row(WHAT, "step", "us", "autograd", "MyGrad"),
        Row(WHAT, "step", "us", "autograd", "tinygrad"),
        Row(WHAT, "step", "us", "jit loss", "torch"),
        Row(WHAT, "step", "us", "jit loss", "torch.compile", 1.0),
        Row(WHAT, "step", "us", "jit loss", "JAX", 1.0),
        Row(WHAT, "step", "us", "jit step", "torch.compile", 1.0),
        Row(WHAT, "step", "us", "jit step", "JAX", 1.0),
        Row(WHAT, "step", "us", "jit step", "numpy out"),
    ),
    measure=measure,
    environments=ENVIRONMENTS,
)

if __name__ == "__main__":
    main(CASE)
