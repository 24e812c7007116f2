"""One training step of an MLP (forward, cross-entropy, backward, SGD), float32, three ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

LEARNING_RATE = 0.01


def batch_of(size: int, features: int, classes: int) -> tuple[Any, Any]:
    """A made-up batch: inputs of float32, labels."""
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(size, features)).astype(np.float32)
    return inputs, rng.integers(0, classes, size)


def autograd_step(inputs: Any, labels: Any, features: int, hidden: int, classes: int) -> Any:
    import nn
    from autograd import Tensor

    model = nn.MLP(features, [hidden, classes], rng=0, dtype=np.float32)
    optimizer = nn.SGD(model.parameters(), lr=LEARNING_RATE)

    x = Tensor(inputs).detach()

    def step() -> None:
        optimizer.zero_grad()
        loss = nn.cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()

    return step


def torch_step(inputs: Any, labels: Any, features: int, hidden: int, classes: int) -> Any:
    import torch
    from torch import nn
    from torch.nn.functional import cross_entropy

    torch.set_num_threads(1)
    model = nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, classes))
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)
    x, y = torch.from_numpy(inputs), torch.from_numpy(labels)

    def step() -> None:
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()

    return step


def numpy_step(inputs: Any, labels: Any, features: int, hidden: int, classes: int) -> Any:
    """The same by hand: every derivative worked out on paper."""
    rng = np.random.default_rng(1)
    w1 = (rng.normal(size=(hidden, features)) / np.sqrt(features)).astype(np.float32)
    w2 = (rng.normal(size=(classes, hidden)) / np.sqrt(hidden)).astype(np.float32)
    b1, b2 = np.zeros(hidden, np.float32), np.zeros(classes, np.float32)
    x, size = inputs, len(inputs)
    picked = (np.arange(size), labels)

    def step() -> float:
        h = np.maximum(x @ w1.T + b1, 0)
        logits = h @ w2.T + b2
        logits -= logits.max(axis=1, keepdims=True)
        exps = np.exp(logits)
        sums = exps.sum(axis=1, keepdims=True)
        loss = (np.log(sums[:, 0]) - logits[picked]).mean()

        d_logits = exps / sums
        d_logits[picked] -= 1
        d_logits /= size
        d_h = d_logits @ w2
        d_h *= h > 0
        for parameter, gradient in (
            (w1, d_h.T @ x),
            (b1, d_h.sum(axis=0)),
            (w2, d_logits.T @ h),
            (b2, d_logits.sum(axis=0)),
        ):
            gradient *= LEARNING_RATE
            parameter -= gradient
        return float(loss)

    return step


STEPS: dict[str, Callable[..., Callable[[], object]]] = {
    "autograd": autograd_step,
    "torch": torch_step,
    "numpy": numpy_step,
}


def make_step(contender: str, batch: int, features: int, hidden: int, classes: int) -> Any:
    """The contender's training step, ready to call."""
    inputs, labels = batch_of(batch, features, classes)
    return STEPS[contender](inputs, labels, features, hidden, classes)
