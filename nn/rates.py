"""A learning rate found by trying: the loss while the rate rises from batch to batch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd import DataError, NonFiniteError
from nn.data import batches
from nn.module import Module, finite_number, require_callable, require_kind, whole_number
from nn.optim import Optimizer
from nn.steps import Data, Loss, checked_data, descend, eager, mode_kept

__all__ = ["RateSearch", "find_learning_rate"]

Array = NDArray[Any]

_WIDTH = 0.25  # of the smoothing, in decades of the rate
_BELOW_LOWEST = 3.0  # by how much the suggestion is below the rate of the lowest loss


@dataclass(frozen=True, eq=False, repr=False)
class RateSearch:
    """Losses by learning rate, as `find_learning_rate` met them.

    Attributes
    ----------
    rates : ndarray of float, shape (steps,)
        Rising.
    losses : ndarray of float, shape (steps,)
        Of the batch that was trained with each rate, before its update.

    Examples
    --------
    >>> RateSearch(np.array([0.1, 1.0, 10.0]), np.array([3.0, 1.0, 2.0]))
    RateSearch(3 rates from 0.1 to 10, suggestion=0.33)
    """

    rates: Array
    losses: Array

    @property
    def smoothed(self) -> Array:
        """The losses averaged with their neighbours, shape (steps,).

        The weights are a Gaussian of the distance on the logarithmic axis, with a standard
        deviation of a quarter of a decade; unlike a running mean it does not lag behind.
        """
        place = np.log10(self.rates)
        weights = np.exp(-0.5 * ((place[:, None] - place) / _WIDTH) ** 2)
        smoothed: Array = weights @ self.losses / weights.sum(axis=1)
        return smoothed

    @property
    def suggestion(self) -> float:
        """A third of the rate at which the smoothed loss is lowest, to two digits."""
        lowest = self.rates[np.argmin(self.smoothed)]
        return float(f"{lowest / _BELOW_LOWEST:.2g}")

    def __repr__(self) -> str:
        low, high = self.rates[0], self.rates[-1]
        return (
            f"RateSearch({len(self.rates)} rates from {low:.2g} to {high:.2g}, "
            f"suggestion={self.suggestion:g})"
        )


def find_learning_rate(
    model: Module,
    loss: Loss,
    optimizer: Optimizer,
    data: Data,
    *,
    lowest: float = 1e-5,
    highest: float = 10.0,
    steps: int = 200,
    batch_size: int = 32,
    seed: int = 0,
) -> RateSearch:
    """Train for some batches with a rising learning rate, and suggest one; then undo it all.

    The learning rate range test of Smith, "Cyclical learning rates for training neural networks",
    WACV 2017, section 3.3, with a rate that rises by one factor from batch to batch. While it is
    too low, the loss hardly falls; then it falls; and where the rate is too high, it rises. It
    ends early where the mean of the last five losses is twice that of the first five.

    The suggestion is a third of the rate of the lowest smoothed loss. Where the smoothed loss
    falls most steeply is another rule in use; over small nets on the shipped data, with `SGD`
    with and without momentum and with `Adam`, its rates scatter more and train worse.

    Parameters
    ----------
    model, loss, optimizer, data, batch_size, seed
        As for `fit`. All groups of the optimizer get the same rate.
    lowest, highest : float
        The first rate, above 0, and the last, above the first.
    steps : int
        Batches, at least 10; the data are gone through as often as it takes.

    Returns
    -------
    RateSearch
        With the `rates`, the `losses` and a `suggestion`. Model, optimizer, gradients and the
        random state of modules are as they were before.

    Raises
    ------
    NonFiniteError
        If already the first loss or gradient is not finite, or the data are not.
    ValueError, DataError, ShapeError
        If an argument is out of range or of another kind, or the optimizer has no `lr`.

    Examples
    --------
    >>> from nn import MLP, SGD, cross_entropy
    >>> from nn.data import load
    >>> model = MLP(64, [32, 10], rng=0)
    >>> search = find_learning_rate(model, cross_entropy, SGD(model, lr=0.1), load("digits"))
    >>> 0.03 < search.suggestion < 0.5
    True
    """
    require_kind("model", model, Module)
    require_kind("optimizer", optimizer, Optimizer)
    require_callable("loss", loss, "loss(prediction, y_batch)")
    if any("lr" not in group for group in optimizer.groups):
        raise DataError(f"{optimizer!r} has no lr to search for")
    rates = _rising(lowest, highest, whole_number("steps", steps, 10))
    batch_size = whole_number("batch_size", batch_size, 1)
    rng = np.random.default_rng(whole_number("seed", seed, 0))
    x, y = checked_data("data", data, model)
    losses: list[float] = []
    compute = eager(model, loss)
    with mode_kept(model), _undone(model, optimizer):
        model.train()
        for rate, (x_batch, y_batch) in zip(rates, _again(x, y, batch_size, rng), strict=False):
            for group in optimizer.groups:
                group["lr"] = rate
            where = f"with a learning rate of {rate:.2g}"
            try:
                step = descend(compute, optimizer, x_batch, y_batch, len(x_batch), where)
            except NonFiniteError:
                if not losses:
                    raise
                break
            losses.append(step.loss)
            if not math.isfinite(step.loss) or _has_blown_up(losses):
                break
    return _searched(rates, losses)


def _rising(lowest: float, highest: float, steps: int) -> list[float]:
    """Return rates that rise by one factor."""
    lowest, highest = finite_number("lowest", lowest), finite_number("highest", highest)
    if not 0 < lowest < highest:
        raise ValueError(f"rates rise from above 0: got lowest={lowest:g}, highest={highest:g}")
    rates: list[float] = np.geomspace(lowest, highest, steps).tolist()
    return rates


def _again(
    x: Array, y: Array, batch_size: int, rng: np.random.Generator
) -> Iterator[tuple[Array, Array]]:
    """Yield batches, epoch after epoch, without an end."""
    while True:
        yield from batches(x, y, batch_size, rng=rng)


def _has_blown_up(losses: list[float], few: int = 5) -> bool:
    first, last = sum(losses[:few]), sum(losses[-few:])
    return len(losses) > 2 * few and last > first + abs(first)


def _searched(rates: list[float], losses: list[float]) -> RateSearch:
    """Return the finite losses with their rates."""
    finite = [loss for loss in losses if math.isfinite(loss)]
    if not finite:
        raise NonFiniteError(f"the loss is {losses[0]} with a learning rate of {rates[0]:.2g}")
    return RateSearch(np.array(rates[: len(finite)]), np.array(finite))


@contextmanager
def _undone(model: Module, optimizer: Optimizer) -> Iterator[None]:
    """Set weights, gradients, the optimizer and the modules' random state back afterwards."""
    parameters = [*model.parameters(), *optimizer.parameters.values()]
    numbers = [(np.array(p.numpy()), p.grad) for p in parameters]
    options, random = optimizer.state_dict(), model.random_state()
    try:
        yield
    finally:
        for parameter, (data, gradient) in zip(parameters, numbers, strict=True):
            parameter.data, parameter.grad = data, gradient
        optimizer.load_state_dict(options)
        model.set_random_state(random)
