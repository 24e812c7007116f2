"""`compare_learning_rates`: gradient descent from one start at several rates, in numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd import DataError, NonFiniteError
from nn.lab.surface import LossSurface
from nn.module import Module, finite_number, whole_number
from nn.steps import Data, Loss

__all__ = ["RateComparison", "Run", "compare_learning_rates", "verdict"]

Array = NDArray[Any]

FEWEST_STEPS = 4
"""Below, there is no last quarter of the steps to look at."""


@dataclass(frozen=True, eq=False)
class Run:
    """Gradient descent at one learning rate.

    Attributes
    ----------
    rate : float
    losses : array of float64, shape (steps + 1,)
        At the start and after each step; shorter, and the last one not finite, where the run
        overflowed.
    weights : array, shape (steps + 1, size)
        All parameters at these points, in the order of `LossSurface`.
    curvature : float
        The largest one at the end; nan where that is not finite.
    verdict : str
        "crawls", "converges", "oscillates" or "diverges": see `verdict`.

    Examples
    --------
    >>> run = Run(0.5, np.array([2.0, 0.5]), np.array([[2.0], [1.0]]), 1.0, "converges")
    >>> run.limit, run.best_step
    (2.0, 1)
    """

    rate: float
    losses: NDArray[np.float64]
    weights: Array
    curvature: float
    verdict: str

    @property
    def limit(self) -> float:
        """The largest learning rate that the curvature at the end allows: 2 / curvature."""
        return _limit(self.curvature)

    @property
    def best_step(self) -> int:
        """The step after which the loss was lowest."""
        return int(np.where(np.isfinite(self.losses), self.losses, np.inf).argmin())


@dataclass(frozen=True, eq=False, repr=False)
class RateComparison:
    """Runs of gradient descent from one start, one for each learning rate.

    Printed, it is a table. `plot_comparison` and `animate_comparison` draw it.

    Attributes
    ----------
    surface : LossSurface
        What was descended.
    runs : tuple of Run
        In the order in which the rates were given.
    curvature : float
        The largest one at the start.

    Examples
    --------
    >>> from nn import Linear, mse_loss
    >>> line = ([[-1.0], [0.0], [1.0]], [-1.0, 1.0, 3.0])
    >>> model = Linear(1, 1, rng=0)
    >>> comparison = compare_learning_rates(model, mse_loss, line, [0.01, 0.3, 0.9, 1.1], steps=30)
    >>> [run.verdict for run in comparison.runs]
    ['crawls', 'converges', 'oscillates', 'diverges']
    >>> round(comparison.limit, 6)
    1.0
    >>> comparison.best.rate
    0.3
    """

    surface: LossSurface
    runs: tuple[Run, ...]
    curvature: float

    @property
    def limit(self) -> float:
        """The largest learning rate that the curvature at the start allows: 2 / curvature."""
        return _limit(self.curvature)

    @property
    def best(self) -> Run:
        """The run that came to the lowest loss; of equals the first."""
        return min(self.runs, key=lambda run: run.losses[run.best_step])

    @property
    def lowest(self) -> float:
        """The lowest loss that any run came to."""
        return float(self.best.losses[self.best.best_step])

    def __repr__(self) -> str:
        """Show a row a run, and the limits."""
        first = self.runs[0].losses[0]
        lines = [
            f"Gradient descent from a loss of {first:.4g}, "
            f"where the curvature allows rates up to {self.limit:.4g}:",
            "",
            f"{'rate':>10}  {'verdict':<10}  {'loss':>10}  after steps  limit there",
        ]
        lines += [
            f"{run.rate:>10g}  {run.verdict:<10}  {run.losses[-1]:>10.4g}  "
            f"{len(run.losses) - 1:>11}  {run.limit:>11.4g}"
            for run in self.runs
        ]
        return "\n".join(lines)


def compare_learning_rates(
    model: Module, loss: Loss, data: Data, rates: Iterable[float], *, steps: int = 100
) -> RateComparison:
    """Descend from the weights that a model has, at several learning rates, and compare the runs.

    Plain gradient descent, ``W_new = W_old - lr * gradient``, with all rows as one batch, since it
    is for this that the limit ``2 / curvature`` holds. The model is left as it was.

    Parameters
    ----------
    model : Module
        Of Tensors or Values. In `eval` mode meanwhile: without dropout.
    loss : callable
        ``loss(prediction, y)`` returns one number as a node, such as `cross_entropy`.
    data : (x, y) of array_like
        One row a sample.
    rates : sequence of float
        Above 0, all different.
    steps : int
        At each rate, at least 4. A run ends earlier where its loss is no longer finite.

    Returns
    -------
    RateComparison
        It holds all weights of each step: ``len(rates) * (steps + 1) * size`` numbers.

    Raises
    ------
    NonFiniteError
        If the data hold a nan or an infinity, or the loss or a gradient at the start is one.
    ShapeError, DataError, ValueError
        If the data do not fit, or an argument is of the wrong kind or out of range.

    Examples
    --------
    >>> from nn import Linear, mse_loss
    >>> line = ([[-1.0], [0.0], [1.0]], [-1.0, 1.0, 3.0])
    >>> print(compare_learning_rates(Linear(1, 1, rng=0), mse_loss, line, [0.01, 0.9], steps=30))
    Gradient descent from a loss of 3.684, where the curvature allows rates up to 1:
    <BLANKLINE>
          rate  verdict           loss  after steps  limit there
          0.01  crawls           1.328           30            1
           0.9  oscillates   3.269e-06           30            1
    """
    chosen = _checked_rates(rates)
    steps = whole_number("steps", steps, FEWEST_STEPS)
    surface = LossSurface(model, loss, data)
    start = surface.weights
    first, gradient = surface.loss_and_gradient(start)
    if not (np.isfinite(first) and np.isfinite(gradient).all()):
        what = "gradient at the start is not finite" if np.isfinite(first) else f"loss is {first}"
        raise NonFiniteError(f"the {what} before any step: other weights or scaled inputs may help")
    paths = [_descend(surface, start, rate, steps) for rate in chosen]
    lowest = min(float(losses[np.isfinite(losses)].min()) for losses, _ in paths)
    resolution = float(np.sqrt(np.finfo(surface.dtype).eps)) * abs(first)
    runs = [
        Run(
            rate,
            losses,
            weights,
            float(surface.curvatures(weights[-1])[0][0]) if np.isfinite(losses[-1]) else np.nan,
            verdict(losses, weights, lowest, resolution),
        )
        for rate, (losses, weights) in zip(chosen, paths, strict=True)
    ]
    (curvature,), _ = surface.curvatures(start)
    return RateComparison(surface, tuple(runs), float(curvature))


def verdict(losses: Array, weights: Array, lowest: float, resolution: float = 0.0) -> str:
    """Say in a word how a run of gradient descent went.

    The first that holds of:

    - It *diverges* if a loss is not finite; if it ends above where it started; or if it was
      thrown above the start and came back less than half of the way down. The end is the mean of
      the last tenth of the losses, and the way down goes to `lowest`.
    - It *oscillates* if more of its steps turn back than go on: the sum of the scalar products
      of successive steps is negative, by a hundredth of the sum of their squares. Or if the
      loss rises in more than a tenth of the steps, each time by a thousandth of the way down.
    - It *crawls* if it is still falling, the last quarter of the steps making up more than a
      tenth of its fall; or if it came less than four fifths of the way down.
    - It *converges* otherwise.

    Where the loss is quadratic, of curvature c at most, this is what theory says: below 1 / c no
    run oscillates, between 1 / c and 2 / c each swings across the sharpest direction, and it
    oscillates if it starts far enough out in that; beyond 2 / c it diverges, given steps enough.

    Parameters
    ----------
    losses : array, shape (steps + 1,)
    weights : array, shape (steps + 1, size)
    lowest : float
        The lowest loss known, such as of all runs.
    resolution : float
        Differences of the loss up to this are rounding; steps that make no more are none.

    Examples
    --------
    >>> def descend(rate):                            # on w**2 / 2, of curvature 1
    ...     w = (1 - rate) ** np.arange(21.0)
    ...     return verdict(w**2 / 2, w[:, None], lowest=0.0)
    >>> [descend(rate) for rate in (0.01, 0.5, 1.5, 2.5)]
    ['crawls', 'converges', 'oscillates', 'diverges']
    """
    if not (np.isfinite(losses).all() and np.isfinite(weights).all()):
        return "diverges"
    first, count = losses[0], len(losses) - 1
    way, fall = first - lowest, first - losses[-max(1, count // 10) :].mean()
    thrown = losses.max() > first + resolution
    if fall < -resolution or (thrown and fall < 0.5 * way):
        return "diverges"
    rises = np.mean(np.diff(losses) > 0.001 * way + resolution)
    swings = np.ptp(losses) > resolution and _turning(weights) < -0.01
    if swings or rises > 0.1:
        return "oscillates"
    still_falling = losses[-1 - count // 4] - losses[-1] > 0.1 * fall + resolution
    is_far = fall < 0.8 * way - resolution
    return "crawls" if still_falling or is_far else "converges"


def _turning(weights: Array) -> float:
    """Return how far each step goes on as the one before, from 1 to -1 where it turns back.

    The autocorrelation of the steps at lag one; 0 where there are none.
    """
    steps = np.diff(weights.astype(np.float64), axis=0)
    steps = steps / (np.abs(steps).max(initial=0) or 1)  # or their squares may overflow
    square = float((steps**2).sum())
    return float((steps[1:] * steps[:-1]).sum()) / square if square else 0.0


def _descend(surface: LossSurface, start: Array, rate: float, steps: int) -> tuple[Array, Array]:
    """Return the losses and the weights of gradient descent, until one is not finite."""
    point = start
    losses: list[float] = []
    weights: list[Array] = []
    while True:
        loss, gradient = surface.loss_and_gradient(point)
        losses.append(loss)
        weights.append(point)
        if len(losses) > steps or not (np.isfinite(loss) and np.isfinite(gradient).all()):
            return np.array(losses), np.array(weights)
        with np.errstate(over="ignore"):
            point = point - rate * gradient


def _limit(curvature: float) -> float:
    return np.inf if curvature <= 0 else 2 / curvature


def _checked_rates(rates: Iterable[float]) -> list[float]:
    if isinstance(rates, str) or not isinstance(rates, Iterable):
        raise DataError(f"rates must be a list of learning rates, such as [0.1, 1], got {rates!r}")
    chosen = [finite_number(f"rates[{i}]", rate) for i, rate in enumerate(rates)]
    if not chosen or min(chosen) <= 0:
        got = f"got {min(chosen)}" if chosen else "got none"
        raise ValueError(f"rates must hold learning rates above 0, {got}")
    if len(set(chosen)) < len(chosen):
        raise ValueError(f"rates must all be different, got {chosen}")
    return chosen
