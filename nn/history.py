"""What training looks like: its numbers by epoch, as lists, as a table, and as they come."""

from __future__ import annotations

import html
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autograd import DataError, ShapeError
from nn.data.checks import as_array
from nn.module import Module, whole_number
from nn.optim import Optimizer

__all__ = ["Epoch", "History", "print_epochs"]

NUMBERS = (
    "loss",
    "accuracy",
    "validation_loss",
    "validation_accuracy",
    "gradient_norm",
    "learning_rate",
    "seconds",
)
"""The lists that every history has."""


@dataclass(repr=False)
class History:
    """What training looked like, one entry an epoch in each list; nan where there is no number.

    In a notebook it shows itself as a table.

    Attributes
    ----------
    loss : list of float
        Mean over the epoch's batches, each as it was before its update.
    accuracy : list of float
        The metric of the same predictions; nan for regression.
    validation_loss, validation_accuracy : list of float
        The same of the validation data after the epoch; nan without.
    gradient_norm : list of float
        Mean over the updates of the Euclidean norm of all gradients together.
    learning_rate : list of float
        The optimizer's, that of its first group, in the epoch.
    seconds : list of float
        Duration of the epoch.
    metrics : dict of str to list of float
        The metrics that were given names: "f1" of the training data, and "validation f1".
    best_epoch : int or None
        That of the lowest validation loss, counted from 1; None without validation data.
    stopped : str
        What ended the training, in words.

    Examples
    --------
    >>> history = History()
    >>> len(history), history.stopped
    (0, 'not started')
    """

    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    validation_accuracy: list[float] = field(default_factory=list)
    gradient_norm: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    metrics: dict[str, list[float]] = field(default_factory=dict)
    best_epoch: int | None = None
    stopped: str = "not started"

    def columns(self) -> dict[str, list[float]]:
        """Return the lists by name, those of `metrics` last.

        >>> sorted(History().columns())[:2]
        ['accuracy', 'gradient_norm']
        """
        return {name: getattr(self, name) for name in NUMBERS} | self.metrics

    def append(self, **epoch: float) -> None:
        """Add an epoch's numbers; those not given are nan, and a new name is a new metric.

        >>> history = History()
        >>> history.append(loss=0.5, seconds=1.0)
        >>> history.loss, history.accuracy
        ([0.5], [nan])
        """
        for name in epoch.keys() - self.columns().keys():
            self.metrics[name] = [math.nan] * len(self)
        for name, column in self.columns().items():
            column.append(epoch.get(name, math.nan))

    def trim(self) -> None:
        """Cut the lists to the shortest, should an interrupt have come between two of them."""
        columns = self.columns().values()
        epochs = min(map(len, columns))
        for column in columns:
            del column[epochs:]

    def state_dict(self) -> dict[str, Any]:
        """Return everything as arrays, numbers and text, for a checkpoint.

        >>> History(loss=[0.5]).state_dict()["numbers"]["loss"]
        array([0.5])
        """
        return {
            "numbers": {name: np.array(getattr(self, name), dtype=float) for name in NUMBERS},
            "metrics": {name: np.array(column) for name, column in self.metrics.items()},
            "best_epoch": self.best_epoch,
            "stopped": self.stopped,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set everything from what `state_dict` returned; all of it, or on an error nothing.

        Raises
        ------
        DataError, ShapeError, ValueError
            If something is missing, of another kind, or the lists are not equally long.

        Examples
        --------
        >>> history = History()
        >>> history.load_state_dict(History(loss=[]).state_dict())
        >>> len(history)
        0
        """
        numbers, metrics = _lists(state, "numbers"), _lists(state, "metrics")
        if numbers.keys() != set(NUMBERS) or not metrics.keys().isdisjoint(NUMBERS):
            raise ValueError(f"a history has the lists {', '.join(NUMBERS)}; got {list(numbers)}")
        lengths = {len(column) for column in [*numbers.values(), *metrics.values()]}
        if len(lengths) > 1:
            raise ShapeError(f"the lists of a history differ in length: {sorted(lengths)}")
        best, stopped = state.get("best_epoch"), state.get("stopped")
        if best is not None:
            best = whole_number("best_epoch", best, 1, lengths.pop())
        if not isinstance(stopped, str):
            raise DataError(f"a history has stopped for a reason in words, got {stopped!r}")
        vars(self).update(numbers, metrics=metrics, best_epoch=best, stopped=stopped)

    def __len__(self) -> int:
        return len(self.loss)

    def __repr__(self) -> str:
        """Show each list's first and last number, and why training stopped."""
        lines = [self._summary()]
        for name, column in self.columns().items():
            if name != "seconds" and column and not math.isnan(column[-1]):
                lines.append(f"  {name:<20}{column[0]:>10.4g} -> {column[-1]:.4g}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Show the first and the last epochs as a table, the best one in bold."""
        columns = {name: c for name, c in self.columns().items() if not all(map(math.isnan, c))}
        rows = [_html_row("th", ["epoch", *(name.replace("_", " ") for name in columns)])]
        epochs = range(1, len(self) + 1)
        for number in epochs if len(self) <= 10 else [*epochs[:5], 0, *epochs[-5:]]:
            cells = [
                _cell(name, column[number - 1]) if number else ""
                for name, column in columns.items()
            ]
            bold = number == self.best_epoch
            rows.append(_html_row("td", [str(number or "…"), *cells], bold))
        caption = f"<caption>{html.escape(self._summary())}</caption>"
        return f"<table>{caption}{''.join(rows)}</table>"

    def _summary(self) -> str:
        epochs = f"{len(self)} epoch{'s' * (len(self) != 1)}"
        return f"History: {epochs} in {sum(self.seconds):.3g} s; stopped: {self.stopped}"


@dataclass(frozen=True, eq=False)
class Epoch:
    """A completed epoch, as a callback of `fit` gets it.

    Attributes
    ----------
    number : int
        Counted from 1.
    model : Module
        In `eval` mode, with the weights after the epoch.
    optimizer : Optimizer
    history : History
        Of this epoch and all before it; the same object in each epoch, which goes on growing.
    numbers : dict of str to float
        Those of this epoch, by the names of ``history.columns()``.
    first : int
        Number of the first epoch that the callbacks got from this call of `fit`: 1, unless it
        resumed.

    Examples
    --------
    >>> import numpy as np
    >>> from nn import MLP, SGD, fit, mse_loss
    >>> def enough(epoch):
    ...     if epoch.numbers["loss"] < 0.1:
    ...         return "the loss is below 0.1"
    >>> x, model = np.linspace(-1, 1, 64)[:, None], MLP(1, [16, 1], rng=0)
    >>> optimizer = SGD(model, lr=0.1)
    >>> fit(model, mse_loss, optimizer, (x, x), 99, callbacks=[enough], progress=False).stopped
    'the loss is below 0.1'
    """

    number: int
    model: Module
    optimizer: Optimizer
    history: History
    numbers: Mapping[str, float]
    first: int = 1


def print_epochs(epoch: Epoch) -> None:
    """Print an epoch's row of a table: a callback of `fit`, ``callbacks=[print_epochs]``.

    The headings come before the first row, of what has a number in it. A progress bar stays
    below the table.

    >>> import numpy as np
    >>> from nn import SGD, Linear, fit, mse_loss
    >>> x, model = np.ones((4, 1)), Linear(1, 1, rng=0)
    >>> history = fit(
    ...     model, mse_loss, SGD(model, 0.1), (x, x), 2, callbacks=[print_epochs], progress=False
    ... )  # doctest: +ELLIPSIS
                       gradient   learning
    epoch       loss       norm       rate seconds
        1 ...
        2 ...
    """
    columns = epoch.history.columns().items()
    shown = [name for name, column in columns if not math.isnan(column[epoch.first - 1])]
    widths = [_width(name) for name in shown]
    if epoch.number == epoch.first:
        over, under = zip(("", "epoch"), *map(_heading, shown), strict=True)
        _say(_line(over, widths))
        _say(_line(under, widths))
    _say(_line([str(epoch.number), *(_cell(name, epoch.numbers[name]) for name in shown)], widths))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    pairs = zip(cells, (5, *widths), strict=True)
    return " ".join(f"{cell:>{width}}" for cell, width in pairs).rstrip()


def _width(name: str) -> int:
    """Return how wide a column is; all that `fit` measures by itself are 79 characters."""
    return max(7 if name == "seconds" else 10, *map(len, _heading(name)))


def _say(line: str) -> None:
    """Print a line, above the progress bar if there is one."""
    tqdm = sys.modules.get("tqdm")
    write = print if tqdm is None else tqdm.tqdm.write
    write(line)


def _heading(name: str) -> tuple[str, str]:
    """Return a name in two lines.

    >>> _heading("validation_loss"), _heading("loss")
    (('validation', 'loss'), ('', 'loss'))
    """
    over, _, under = name.replace("_", " ").rpartition(" ")
    return over, under


def _cell(name: str, number: float) -> str:
    digits = 2 if name == "seconds" else 4
    return "" if math.isnan(number) else f"{number:.{digits}g}"


def _html_row(tag: str, cells: Iterable[str], bold: bool = False) -> str:
    style = ' style="font-weight: bold"' if bold else ""
    return f"<tr{style}>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"


def _lists(state: Mapping[str, Any], part: str) -> dict[str, list[float]]:
    """Return the arrays in a part of a history's state as lists."""
    arrays = state.get(part) if isinstance(state, Mapping) else None
    if not isinstance(arrays, Mapping):
        raise DataError(f"the {part} of a history are lists by name, got {type(arrays).__name__}")
    lists = {name: as_array(f"{name} of a history", array) for name, array in arrays.items()}
    wrong = [name for name, array in lists.items() if array.ndim != 1]
    if wrong:
        raise ShapeError(f"a history has one number an epoch, but more of {', '.join(wrong)}")
    return {name: array.astype(float).tolist() for name, array in lists.items()}
