"""Schedules of the learning rate: functions of the step, and what sets an optimizer by them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from autograd import DataError
from nn.module import (
    finite_number,
    require_callable,
    require_kind,
    require_names,
    whole_number,
)
from nn.optim import Optimizer

__all__ = [
    "Chained",
    "CosineDecay",
    "ExponentialDecay",
    "OneCycle",
    "Plateau",
    "ReduceOnPlateau",
    "Schedule",
    "Scheduler",
    "StepDecay",
    "WarmUp",
]

Schedule = Callable[[int], float]
"""From the steps taken so far to the factor of the first learning rate; any function will do."""


@dataclass(frozen=True)
class StepDecay:
    """``factor ** (step // every)``: constant, and lower by `factor` after each `every` steps.

    The values are those of ``torch.optim.lr_scheduler.StepLR``.

    Parameters
    ----------
    every : int
        Steps from one change to the next.
    factor : float
        At least 0.

    Raises
    ------
    ValueError, DataError
        If a number is out of range.

    Examples
    --------
    >>> [StepDecay(2, factor=0.5)(step) for step in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        whole_number("every", self.every, 1)
        finite_number("factor", self.factor, minimum=0)

    def __call__(self, step: int) -> float:
        return float(self.factor ** (step // self.every))


@dataclass(frozen=True)
class ExponentialDecay:
    """``factor ** step``, as in ``torch.optim.lr_scheduler.ExponentialLR``.

    Parameters
    ----------
    factor : float
        At least 0.

    Raises
    ------
    ValueError, DataError
        If it is out of range.

    Examples
    --------
    >>> [ExponentialDecay(0.5)(step) for step in range(4)]
    [1.0, 0.5, 0.25, 0.125]
    """

    factor: float

    def __post_init__(self) -> None:
        finite_number("factor", self.factor, minimum=0)

    def __call__(self, step: int) -> float:
        return float(self.factor**step)


@dataclass(frozen=True)
class CosineDecay:
    """From 1 to `floor` in half a wave of the cosine, once or again and again.

    Loshchilov & Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017,
    equation 5. The values are those of ``torch.optim.lr_scheduler.CosineAnnealingLR``, but
    that those after `steps` stay at the floor instead of rising again; with restarts, those of
    ``CosineAnnealingWarmRestarts``.

    Parameters
    ----------
    steps : int
        From the top to the floor.
    floor : float
        The lowest factor, at least 0.
    restarts : int or None
        None ends at the floor. A number begins again at 1, each wave so many times as long as
        the one before it.

    Raises
    ------
    ValueError, DataError
        If a number is out of range.

    Examples
    --------
    >>> [round(CosineDecay(2)(step), 3) for step in range(5)]
    [1.0, 0.5, 0.0, 0.0, 0.0]
    >>> [round(CosineDecay(2, restarts=1)(step), 3) for step in range(5)]
    [1.0, 0.5, 1.0, 0.5, 1.0]
    """

    steps: int
    floor: float = 0.0
    restarts: int | None = None

    def __post_init__(self) -> None:
        whole_number("steps", self.steps, 1)
        finite_number("floor", self.floor, minimum=0)
        if self.restarts is not None:
            whole_number("restarts", self.restarts, 1)

    def __call__(self, step: int) -> float:
        length = self.steps
        if self.restarts == 1:
            step %= length
        while self.restarts is not None and step >= length:
            step, length = step - length, length * self.restarts
        return _between(1.0, self.floor, _cosine(min(step / length, 1.0)))


@dataclass(frozen=True)
class WarmUp:
    """From `start` to 1 in equal steps, then as another schedule from its own beginning.

    The values are those of ``torch.optim.lr_scheduler.LinearLR``, or with `then` those of
    ``SequentialLR`` of the two.

    Parameters
    ----------
    steps : int
        From `start` to 1.
    then : callable, optional
        A schedule; if not given, the factor stays at 1.
    start : float
        The first factor, at least 0.

    Raises
    ------
    ValueError, DataError
        If a number is out of range, or `then` is not a function.

    Examples
    --------
    >>> [WarmUp(2, ExponentialDecay(0.5), start=0.5)(step) for step in range(5)]
    [0.5, 0.75, 1.0, 0.5, 0.25]
    """

    steps: int
    then: Schedule | None = None
    start: float = 1 / 3

    def __post_init__(self) -> None:
        whole_number("steps", self.steps, 1)
        finite_number("start", self.start, minimum=0)
        if self.then is not None:
            require_callable("then", self.then, "then(step)")

    def __call__(self, step: int) -> float:
        if step < self.steps:
            return _between(self.start, 1.0, step / self.steps)
        return 1.0 if self.then is None else self.then(step - self.steps)


@dataclass(frozen=True)
class OneCycle:
    """From `start` up to 1 and down to `end`, each in half a wave of the cosine or linearly.

    Smith & Topin, "Super-convergence: very fast training of neural networks using large learning
    rates", 2019. The values are those of ``torch.optim.lr_scheduler.OneCycleLR``, whose
    ``max_lr`` is the optimizer's `lr`; the momentum is left alone.

    Parameters
    ----------
    steps : int
        Of the whole cycle, at least 2; after it the factor stays at `end`.
    peak : float
        Where the top is, as a part of the steps, between 0 and 1.
    start, end : float
        The first and the last factor, at least 0.
    linear : bool
        Whether to rise and fall linearly.

    Raises
    ------
    ValueError, DataError
        If a number is out of range.

    Examples
    --------
    >>> cycle = OneCycle(6, peak=0.5, start=0.5, end=0.0, linear=True)
    >>> [round(cycle(step), 3) for step in range(7)]
    [0.5, 0.75, 1.0, 0.667, 0.333, 0.0, 0.0]
    """

    steps: int
    peak: float = 0.3
    start: float = 1 / 25
    end: float = 1 / 25e4
    linear: bool = False

    def __post_init__(self) -> None:
        whole_number("steps", self.steps, 2)
        finite_number("start", self.start, minimum=0)
        finite_number("end", self.end, minimum=0)
        if not 0 < finite_number("peak", self.peak) < 1:
            raise ValueError(f"peak is a part of the steps, between 0 and 1, got {self.peak}")

    def __call__(self, step: int) -> float:
        shape = _straight if self.linear else _cosine
        top, last = self.peak * self.steps - 1, self.steps - 1
        if step < top:
            return _between(self.start, 1.0, shape(step / top))
        return _between(1.0, self.end, shape(min((step - top) / (last - top), 1.0)))


class Chained:
    """Several schedules at once: the product of their factors.

    As ``torch.optim.lr_scheduler.ChainedScheduler`` of schedules that multiply.

    Parameters
    ----------
    *schedules : callable

    Raises
    ------
    DataError
        If one is not a function.

    Examples
    --------
    >>> both = Chained(WarmUp(2, start=0.5), ExponentialDecay(0.5))
    >>> [both(step) for step in range(4)]
    [0.5, 0.375, 0.25, 0.125]
    """

    def __init__(self, *schedules: Schedule) -> None:
        for index, schedule in enumerate(schedules):
            require_callable(f"schedule {index} of Chained", schedule, "schedule(step)")
        self.schedules = schedules

    def __call__(self, step: int) -> float:
        return math.prod(schedule(step) for schedule in self.schedules)

    def __repr__(self) -> str:
        return f"Chained({', '.join(map(repr, self.schedules))})"


class Plateau(NamedTuple):
    """What `ReduceOnPlateau` remembers.

    Attributes
    ----------
    factor : float
        Of the first learning rate.
    best : float
        The lowest loss that counted.
    waited : int
        Losses since then, or since the last reduction.
    cooling : int
        Losses that will not be counted.

    Examples
    --------
    >>> Plateau()
    Plateau(factor=1.0, best=inf, waited=0, cooling=0)
    """

    factor: float = 1.0
    best: float = math.inf
    waited: int = 0
    cooling: int = 0


@dataclass(frozen=True)
class ReduceOnPlateau:
    """Lower by `factor` whenever the loss has not improved for more than `patience` steps.

    Not a function of the step but of the losses: `after` is its pure function. The values are
    those of ``torch.optim.lr_scheduler.ReduceLROnPlateau`` in mode "min", whose ``min_lr`` is
    `floor` times the first learning rate.

    Parameters
    ----------
    factor : float
        At least 0 and below 1.
    patience : int
        Losses to wait, at least 0.
    threshold : float
        By which part of the best loss a loss must be lower to count as improved, at least 0.
    cooldown : int
        Losses after a reduction that are not waited for, at least 0.
    floor : float
        The lowest factor, at least 0.

    Raises
    ------
    ValueError, DataError
        If a number is out of range.

    Examples
    --------
    >>> schedule, state = ReduceOnPlateau(0.5, patience=1), Plateau()
    >>> for loss in [4.0, 3.0, 3.0, 3.0]:
    ...     state = schedule.after(state, loss)
    >>> state.factor
    0.5
    """

    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    cooldown: int = 0
    floor: float = 0.0

    def __post_init__(self) -> None:
        if finite_number("factor", self.factor, minimum=0) >= 1:
            raise ValueError(f"factor must be at least 0 and below 1, got {self.factor}")
        whole_number("patience", self.patience, 0)
        finite_number("threshold", self.threshold, minimum=0)
        whole_number("cooldown", self.cooldown, 0)
        finite_number("floor", self.floor, minimum=0)

    def after(self, state: Plateau, loss: float) -> Plateau:
        """Return the state after one more loss; a nan is no improvement."""
        factor, best, waited, cooling = state
        margin = self.threshold * abs(best) if math.isfinite(best) else 0.0
        improved = loss < best - margin
        best, waited = (loss, 0) if improved else (best, waited + 1)
        if cooling:
            cooling, waited = cooling - 1, 0
        if waited > self.patience:
            lower = max(factor * self.factor, self.floor)
            return Plateau(min(factor, lower), best, 0, self.cooldown)
        return Plateau(factor, best, waited, cooling)


class Scheduler:
    """Sets an optimizer's learning rates, of all groups, by a schedule.

    Each is its first learning rate, at the time when the scheduler is made, times the factor.
    Call `step` after the optimizer's, once a batch or once an epoch, as the schedule counts.

    Parameters
    ----------
    optimizer : Optimizer
        One with an `lr`. Its rates are those of step 0 from now on.
    schedule : callable or ReduceOnPlateau
        ``schedule(step)`` returns the factor after so many steps.

    Attributes
    ----------
    taken : int
        How many steps.
    factor : float
        The present one.

    Raises
    ------
    DataError
        If an argument is of another kind, or the optimizer has no `lr`.
    ValueError
        If a factor is not a finite number of at least 0.

    Examples
    --------
    >>> from autograd import Value
    >>> from nn import SGD
    >>> optimizer = SGD([Value(1.0)], lr=0.8)
    >>> scheduler = Scheduler(optimizer, ExponentialDecay(0.5))
    >>> scheduler.step()
    >>> optimizer.lr
    0.4
    """

    def __init__(self, optimizer: Optimizer, schedule: Schedule | ReduceOnPlateau) -> None:
        require_kind("optimizer", optimizer, Optimizer)
        if not isinstance(schedule, ReduceOnPlateau):
            require_callable("schedule", schedule, "schedule(step)")
        if any("lr" not in group for group in optimizer.groups):
            raise DataError(f"{optimizer!r} has no lr that a schedule could set")
        self.optimizer = optimizer
        self.schedule = schedule
        self.taken = 0
        self._rates = [finite_number("lr", group["lr"], 0) for group in optimizer.groups]
        self._plateau = Plateau()
        self._set(1.0 if isinstance(schedule, ReduceOnPlateau) else schedule(0))

    def step(self, loss: float | None = None) -> None:
        """Count one step and set the learning rates for what follows.

        Parameters
        ----------
        loss : float, optional
            Only `ReduceOnPlateau` asks for it.

        Raises
        ------
        DataError
            If it does, and there is none.
        """
        if isinstance(self.schedule, ReduceOnPlateau):
            if loss is None:
                raise DataError("ReduceOnPlateau needs the loss: scheduler.step(loss)")
            self._plateau = self.schedule.after(self._plateau, float(loss))
            self._set(self._plateau.factor)
        else:
            self._set(self.schedule(self.taken + 1))
        self.taken += 1

    def reset(self) -> None:
        """Set the learning rates back to what they were when the scheduler was made."""
        self._set(1.0)

    def state_dict(self) -> dict[str, Any]:
        """Copy what later steps depend on besides the schedule, as `nn.checkpoint` writes it.

        >>> from autograd import Value
        >>> from nn import SGD
        >>> Scheduler(SGD([Value(1.0)], lr=0.8), ExponentialDecay(0.5)).state_dict()
        {'taken': 0, 'factor': 1.0, 'rates': [0.8], 'plateau': \
{'factor': 1.0, 'best': inf, 'waited': 0, 'cooling': 0}}
        """
        return {
            "taken": self.taken,
            "factor": self.factor,
            "rates": list(self._rates),
            "plateau": self._plateau._asdict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`, as `state_dict` returns it, and set the learning rates by it.

        On an error nothing is changed. To resume a run, make the optimizer and the scheduler as
        at its start, then load the scheduler's state, then the optimizer's.

        Raises
        ------
        ValueError, DataError
            If a name is missing or unexpected, or a number out of range.
        """
        what = "the state does not fit this Scheduler"
        require_names(what, self.state_dict(), state)
        require_names(f"{what}: plateau", self._plateau._asdict(), state["plateau"])
        rates = state["rates"]
        if not isinstance(rates, list) or len(rates) != len(self._rates):
            raise ValueError(f"{what}: it does not have {len(self._rates)} first rates")
        taken = whole_number(f"{what}: taken", state["taken"], 0)
        factor = finite_number(f"{what}: factor", state["factor"], 0)
        rates = [finite_number(f"{what}: a first rate", rate, 0) for rate in rates]
        plateau = _plateau_of(what, **state["plateau"])
        self.taken, self._rates, self._plateau = taken, rates, plateau
        self._set(factor)

    def _set(self, factor: float) -> None:
        self.factor = finite_number("the factor of a schedule", factor, minimum=0)
        for group, rate in zip(self.optimizer.groups, self._rates, strict=True):
            group["lr"] = rate * self.factor


def _plateau_of(what: str, factor: Any, best: Any, waited: Any, cooling: Any) -> Plateau:
    is_first = isinstance(best, float) and best == math.inf  # no loss has come yet
    return Plateau(
        finite_number(f"{what}: factor", factor, 0),
        best if is_first else finite_number(f"{what}: best", best),
        whole_number(f"{what}: waited", waited, 0),
        whole_number(f"{what}: cooling", cooling, 0),
    )


def _between(first: float, last: float, part: float) -> float:
    return first + (last - first) * part


def _straight(part: float) -> float:
    return part


def _cosine(part: float) -> float:
    """Go from 0 to 1, slowly at both ends.

    >>> [round(_cosine(part), 3) for part in (0, 0.25, 0.5, 1)]
    [0.0, 0.146, 0.5, 1.0]
    """
    return (1 - math.cos(math.pi * part)) / 2
