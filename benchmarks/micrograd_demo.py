"""micrograd's own demo: two moons, 100 points, MLP 2-16-16-1, max-margin loss plus L2; the
forward and backward pass of one full-batch step, on scalars, each engine with its own `MLP`."""

from __future__ import annotations

import random
from typing import Any

from benchmarks.harness import Case, Figures, Row, main, seconds_per_call


def moons(count: int = 100, noise: float = 0.1) -> tuple[list[list[float]], list[int]]:
    """Two interleaving half circles, labelled -1 and 1."""
    import numpy as np

    rng = np.random.default_rng(1)
    angles = np.linspace(0.0, np.pi, count // 2)
    upper = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points = np.concatenate([upper, [1.0, 0.5] - upper]) + rng.normal(0.0, noise, (count, 2))
    return points.tolist(), [-1] * (count // 2) + [1] * (count // 2)


def demo_loss(value: Any, model: Any, points: list[list[float]], labels: list[int]) -> Any:
    """The loss as the demo writes it, with either engine's `Value`."""
    scores = [model([value(number) for number in point]) for point in points]
    losses = [(1 + -label * score).relu() for label, score in zip(labels, scores, strict=True)]
    data_loss = sum(losses) * (1.0 / len(losses))
    return data_loss + 1e-4 * sum(p * p for p in model.parameters())


def measure(contender: str) -> Figures:
    random.seed(1337)
    if contender == "micrograd":
        from micrograd.engine import Value
        from micrograd.nn import MLP

        model = MLP(2, [16, 16, 1])
    else:
        import nn
        from autograd import Value

        model = nn.MLP(2, [16, 16, 1], node=Value)
    points, labels = moons()

    def step() -> None:
        loss = demo_loss(Value, model, points, labels)
        model.zero_grad()
        loss.backward()

    return {"step": seconds_per_call(step, budget=5.0)}


CASE = Case(
    rows=(
        Row("micrograd's demo, forward and backward", "step", "ms", "autograd", "micrograd", 0.1),
    ),
    measure=measure,
)

if __name__ == "__main__":
    main(CASE)
