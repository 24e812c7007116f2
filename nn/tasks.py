"""What a net is to predict, a class or a number: the loss to train by, and what is reported."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nn.losses import cross_entropy, mse_loss
from nn.metrics import accuracy, confusion_matrix, predicted_classes
from nn.plots import plot_confusion
from nn.plots.figure import COLORS, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Classification", "Regression", "Task", "text_table"]

Array = NDArray[Any]

MOST_IN_TEXT = 20
"""A confusion matrix of more classes is wider than a terminal."""


@dataclass(frozen=True)
class Classification:
    """One of several classes; the net gives a score for each.

    >>> task = Classification(("no", "yes"))
    >>> task.measure(np.array([[2.0, 0.0], [0.0, 1.0]]), np.array([0, 0]))["accuracy"]
    0.5
    """

    class_names: tuple[str, ...]
    goal: ClassVar[str] = "accuracy"
    picture_name: ClassVar[str] = "confusion.png"

    @property
    def outputs(self) -> int:
        """How many numbers the net gives for a row."""
        return len(self.class_names)

    @property
    def loss(self) -> Callable[[Any, Any], Any]:
        """What is minimised."""
        return cross_entropy

    def measure(self, scores: Array, y: Array) -> dict[str, float]:
        """Return by name how good scores are, the name as it is printed."""
        return {"loss": float(cross_entropy(scores, y)), "accuracy": accuracy(scores, y)}

    def rank(self, measured: dict[str, float]) -> tuple[float, ...]:
        """Return what sorts measurements, the best first: by accuracy, equals by loss."""
        return -measured["accuracy"], measured["loss"]

    def show(self, name: str, number: float) -> str:
        """Return a number of `measure` as text."""
        return f"{number:.2%}" if name == "accuracy" else f"{number:.4g}"

    def in_text(self, scores: Array, y: Array) -> str:
        """Return the confusion matrix as a table: true classes down, predicted across.

        >>> task = Classification(("no", "yes"))
        >>> print(task.in_text(np.array([[2.0, 0.0], [0.0, 1.0]]), np.array([0, 0])))
        true \\ predicted  no  yes
        no                 1    1
        yes                0    0
        """
        if self.outputs > MOST_IN_TEXT:
            return f"(a confusion matrix of {self.outputs} classes is too wide for text)"
        counts = confusion_matrix(scores, y, classes=self.outputs)
        names = self._short_names()
        rows = [[name, *map(str, row)] for name, row in zip(names, counts, strict=True)]
        return text_table(["true \\ predicted", *names], rows)

    def picture(self, scores: Array, y: Array) -> Axes:
        """Draw the confusion matrix."""
        counts = confusion_matrix(scores, y, classes=self.outputs)
        return plot_confusion(counts, self._short_names())

    def _short_names(self) -> list[str]:
        lines = (" ".join(name.split()) for name in self.class_names)
        return [line if len(line) <= 16 else f"{line[:15]}…" for line in lines]

    def predictions(self, scores: Array) -> dict[str, Sequence[object]]:
        """Return the columns of a table of predictions: the class, and how probable each is.

        >>> task = Classification(("no", "yes"))
        >>> task.predictions(np.array([[0.0, 0.0]]))
        {'prediction': ['no'], 'p(no)': [0.5], 'p(yes)': [0.5]}
        """
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares = odds / odds.sum(axis=1, keepdims=True)
        names = [self.class_names[k] for k in predicted_classes(scores)]
        columns = zip(self.class_names, shares.round(6).T.tolist(), strict=True)
        return {"prediction": names} | {f"p({name})": share for name, share in columns}


@dataclass(frozen=True)
class Regression:
    """A number; the net learns it with mean 0 and standard deviation 1.

    Parameters
    ----------
    target : str
        Its name.
    mean, scale : float
        What the net gives, times `scale` and plus `mean`, is in the target's own units.

    Examples
    --------
    >>> task = Regression("price", mean=100.0, scale=10.0)
    >>> task.measure(np.array([[1.0], [0.0]]), np.array([0.0, 0.0]))["RMSE"]
    7.0710678118654755
    """

    target: str
    mean: float = 0.0
    scale: float = 1.0
    goal: ClassVar[str] = "RMSE"
    picture_name: ClassVar[str] = "predicted.png"
    outputs: ClassVar[int] = 1

    @property
    def loss(self) -> Callable[[Any, Any], Any]:
        """What is minimised."""
        return mse_loss

    def own_units(self, scaled: Array) -> Array:
        """Return numbers of the net's, or of the training data, in units of the target.

        >>> Regression("price", mean=100.0, scale=10.0).own_units(np.array([[1.0], [-1.0]]))
        array([110.,  90.])
        """
        return np.asarray(scaled.reshape(-1) * self.scale + self.mean)

    def measure(self, scores: Array, y: Array) -> dict[str, float]:
        """Return by name how good scores are: the loss is of scaled numbers, the rest is not.

        RMSE is the root of the mean squared error, MAE the mean absolute error, and R² the
        share of the target's variance that is explained, nan for a constant target.
        """
        error = self.own_units(scores) - self.own_units(y)
        mean_square = float(np.mean(error**2))
        variance = float(np.var(self.own_units(y)))
        return {
            "loss": float(np.mean((scores.reshape(-1) - y.reshape(-1)) ** 2)),
            "RMSE": math.sqrt(mean_square),
            "MAE": float(np.mean(np.abs(error))),
            "R²": 1 - mean_square / variance if variance else math.nan,
        }

    def rank(self, measured: dict[str, float]) -> tuple[float, ...]:
        """Return what sorts measurements, the best first: the loss."""
        return (measured["loss"],)

    def show(self, name: str, number: float) -> str:
        """Return a number of `measure` as text."""
        return f"{number:.4g}" if abs(number) < 10_000 else f"{number:.0f}"

    def in_text(self, scores: Array, y: Array) -> str:
        """Return how the target and its predictions are spread.

        >>> print(Regression("price").in_text(np.array([[1.0], [3.0]]), np.array([1.0, 5.0])))
        price      least  mean  most
        true           1     3     5
        predicted      1     2     3
        """
        columns = {"true": self.own_units(y), "predicted": self.own_units(scores)}
        rows = [
            [name, *(self.show(name, n) for n in (part.min(), part.mean(), part.max()))]
            for name, part in columns.items()
        ]
        return text_table([self.target, "least", "mean", "most"], rows)

    def picture(self, scores: Array, y: Array) -> Axes:
        """Draw the predicted number over the true one; what is right lies on the line."""
        truth, predicted = self.own_units(y), self.own_units(scores)
        ax = new_axes(None, 4.8, 4.8)
        ends = [min(truth.min(), predicted.min()), max(truth.max(), predicted.max())]
        ax.plot(ends, ends, color="#888888", linewidth=1)
        ax.scatter(truth, predicted, 14, COLORS[0], alpha=0.6, edgecolors="none")
        measured, name = self.measure(scores, y), self.target.replace("$", r"\$")
        ax.set(
            xlabel=f"true {name}",
            ylabel=f"predicted {name}",
            title=", ".join(f"{key} {self.show(key, measured[key])}" for key in ("R²", "RMSE")),
        )
        ax.grid(alpha=0.3)
        return ax

    def predictions(self, scores: Array) -> dict[str, Sequence[object]]:
        """Return the column of a table of predictions, in the target's own units.

        >>> Regression("price", mean=100.0).predictions(np.array([[1.0]]))
        {'prediction': [101.0]}
        """
        return {"prediction": self.own_units(scores).tolist()}


Task = Classification | Regression


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows of text in columns, flush right but for the first and for one without a name.

    >>> print(text_table(["lr", "loss"], [["0.1", "2"], ["0.01", "10"]]))
    lr    loss
    0.1      2
    0.01    10
    """
    columns = list(zip(header, *rows, strict=True))
    is_left = [i == 0 or not name for i, name in enumerate(header)]
    widths = [max(map(len, column)) for column in columns]
    padded = [
        [text.ljust(width) if left else text.rjust(width) for text in column]
        for column, width, left in zip(columns, widths, is_left, strict=True)
    ]
    return "\n".join("  ".join(line).rstrip() for line in zip(*padded, strict=True))
