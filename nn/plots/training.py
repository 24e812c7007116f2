"""Pictures of how training went: the loss by epoch, and the search for a learning rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nn.history import History
from nn.module import require_kind
from nn.plots.figure import COLORS, legend_above, new_axes
from nn.rates import RateSearch

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

__all__ = ["plot_loss", "plot_rate_search"]


def plot_loss(history: History, ax: Axes | None = None) -> Axes:
    """Draw the loss by epoch and, where there is one, the accuracy on a second axis.

    Lines are of the training data; those of the validation data, where there are any, are
    dashed; where there are, a dotted line is at the best epoch, whose weights the model has. The
    loss axis is logarithmic when the losses span more than a decade.

    Parameters
    ----------
    history : History
        As `nn.fit` returns it; a nan leaves a gap.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if not given.

    Returns
    -------
    matplotlib.axes.Axes
        The axes of the loss.

    Raises
    ------
    DataError
        If `history` is no History, or `ax` no axes.
    ValueError
        If the history has no epochs.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> from nn.history import History
    >>> ax = plot_loss(History(loss=[1.0, 0.1, 0.01], accuracy=[0.3, 0.9, 0.97]))
    >>> ax.get_yscale()
    'log'
    """
    require_kind("history", history, History)
    if not history.loss:
        raise ValueError("the history has no epochs: nothing was trained, so there is no plot")
    ax = new_axes(ax, 6.4, 4.0)
    from matplotlib.ticker import LogLocator, MaxNLocator, PercentFormatter, StrMethodFormatter

    losses = {"training loss": history.loss, "validation loss": history.validation_loss}
    lines = _draw_epochs(ax, losses, COLORS[0])
    ax.set(xlabel="epoch", ylabel="loss")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    ax.grid(alpha=0.3)
    numbers = np.concatenate([line.get_ydata() for line in lines] or [np.ones(1)])
    low, high = np.nanmin(numbers), np.nanmax(numbers)
    if low > 0 and 10 * low < high < np.inf:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 1000 * low else (1,)))
        ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.yaxis.set_minor_formatter("")
    right = ax.twinx()
    right.grid(False)  # one is enough where a style sheet has it on
    accuracies = {
        "training accuracy": history.accuracy,
        "validation accuracy": history.validation_accuracy,
    }
    lines += _draw_epochs(right, accuracies, COLORS[1])
    if right.lines:
        right.set_ylabel("accuracy")
        right.yaxis.set_major_formatter(PercentFormatter(xmax=1, symbol=" %"))
    else:
        right.remove()
    if history.best_epoch is not None:
        label = f"best epoch: {history.best_epoch}"
        lines.append(ax.axvline(history.best_epoch, color="gray", linestyle=":", label=label))
    legend_above(ax, lines, columns=(len(lines) + 1) // 2)
    return ax


def plot_rate_search(search: RateSearch, ax: Axes | None = None) -> Axes:
    """Draw the loss by learning rate, as it was and smoothed, and mark the suggested rate.

    The axis of the loss ends a little above the largest one met before the lowest, so that a loss
    which blows up leaves through the top.

    Parameters
    ----------
    search : RateSearch
        As `nn.find_learning_rate` returns it.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if not given.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        If `search` is no RateSearch, or `ax` no axes.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> from nn.rates import RateSearch
    >>> search = RateSearch(np.array([0.1, 1.0, 10.0]), np.array([3.0, 1.0, 2.0]))
    >>> ax = plot_rate_search(search)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['loss of a batch', 'smoothed', 'suggestion: 0.33']
    """
    require_kind("search", search, RateSearch)
    ax = new_axes(ax, 6.4, 4.0)
    rates, losses, smoothed = search.rates, search.losses, search.smoothed
    (raw,) = ax.plot(rates, losses, color=COLORS[5], linewidth=0.8, label="loss of a batch")
    (smooth,) = ax.plot(rates, smoothed, color=COLORS[0], linewidth=2.0, label="smoothed")
    label = f"suggestion: {search.suggestion:g}"
    mark = ax.axvline(search.suggestion, color=COLORS[1], linestyle="--", label=label)
    lowest = int(np.argmin(smoothed))
    falling = np.concatenate([losses[: lowest + 1], smoothed[: lowest + 1]])
    low, high = min(losses.min(), smoothed.min()), falling.max()
    room = 0.15 * (high - low) or 1.0
    ax.set(xscale="log", xlabel="learning rate", ylabel="loss", ylim=(low - room, high + room))
    ax.grid(alpha=0.3)
    legend_above(ax, [raw, smooth, mark], columns=3)
    return ax


def _draw_epochs(ax: Axes, curves: dict[str, list[float]], color: str) -> list[Line2D]:
    """Draw the curves that have a number, the first solid and the second dashed."""
    lines = []
    for (name, curve), dashes in zip(curves.items(), ("-", "--"), strict=True):
        if np.isfinite(curve).any():
            epochs = np.arange(1, len(curve) + 1)
            marker = "o" if len(curve) == 1 else ""  # a line through one point is invisible
            lines += ax.plot(epochs, curve, dashes, color=color, marker=marker, label=name)
    return lines
