"""Pictures of a training run; matplotlib is imported when one is drawn.

Every function draws on the `ax` it is given and returns it. Without one it makes a figure of
its own, outside of pyplot: no window, no display, nothing left behind. ``ax.figure`` is
that figure, and `save` writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autograd import DataError, ShapeError
from nn.data.checks import as_array, as_rows, class_indices
from nn.module import require_callable, require_kind, whole_number
from nn.training import History

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

__all__ = ["plot_boundary", "plot_confusion", "plot_loss", "save"]

# Okabe and Ito's colours, which people with colour-blindness tell apart.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")


def plot_loss(history: History, ax: Axes | None = None) -> Axes:
    """Draw the loss by epoch and, where there is one, the accuracy on a second axis.

    Lines are of the training data; those of the validation data, where there are any, are
    dashed. The loss axis is logarithmic when the losses span more than a decade.

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
    >>> from nn.training import History
    >>> ax = plot_loss(History(loss=[1.0, 0.1, 0.01], accuracy=[0.3, 0.9, 0.97]))
    >>> ax.get_yscale()
    'log'
    """
    require_kind("history", history, History)
    if not history.loss:
        raise ValueError("the history has no epochs: nothing was trained, so there is no plot")
    ax = _axes(ax, 6.4, 4.0)
    from matplotlib.ticker import LogLocator, MaxNLocator, PercentFormatter, StrMethodFormatter

    losses = {"training loss": history.loss, "validation loss": history.validation_loss}
    lines = _draw_epochs(ax, losses, _COLORS[0])
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
    accuracies = {
        "training accuracy": history.accuracy,
        "validation accuracy": history.validation_accuracy,
    }
    lines += _draw_epochs(right, accuracies, _COLORS[1])
    if right.lines:
        right.set_ylabel("accuracy")
        right.yaxis.set_major_formatter(PercentFormatter(xmax=1, symbol=" %"))
    else:
        right.remove()
    _legend_above(ax, lines, columns=2)
    return ax


def plot_confusion(
    matrix: ArrayLike, class_names: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw a confusion matrix with its counts: what was right in blue, mistakes in orange.

    A cell is the darker the larger its share of its row; orange is scaled to the
    most frequent mistake, so that rare mistakes show as well.

    Parameters
    ----------
    matrix : array_like of int, shape (classes, classes)
        As `nn.metrics.confusion_matrix` counts it: true classes down, predicted across.
    class_names : sequence of str, optional
        One name a class; the numbers 0, 1, 2, ... if not given.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if not given.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ShapeError
        If the matrix is not square, or the names are not as many as the classes.
    DataError
        If the matrix does not hold numbers, or another argument is of the wrong kind.
    ValueError
        If a count is negative.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> ax = plot_confusion([[5, 0], [1, 4]], ["cat", "dog"])
    >>> ax.get_title()
    '9 of 10 right (90.0 %)'
    """
    counts = as_array("matrix", matrix)
    k = len(counts) if counts.ndim else 0
    if k == 0 or counts.shape != (k, k):
        raise ShapeError(f"matrix must be square, one row and column a class, got {counts.shape}")
    if counts.min() < 0:
        raise ValueError(f"matrix must hold counts, got {counts.min()}")
    names = [str(i) for i in range(k)] if class_names is None else _names(class_names)
    if len(names) != k:
        raise ShapeError(f"class_names needs one name for each of {k} classes, got {len(names)}")

    side = min(2.0 + 0.45 * k, 12.0)
    ax = _axes(ax, side, side)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    right = np.eye(k, dtype=bool)
    worst = share[~right].max(initial=0) or 1
    strength = np.where(right, share, 0.75 * share / worst)
    blue, orange = _shades(_COLORS[0], strength), _shades(_COLORS[1], strength)
    ax.imshow(np.where(right[:, :, None], blue, orange), interpolation="nearest")
    if k <= 40:  # beyond, no number can be read
        size = min(10.0, 180 / k)
        for (i, j), count in np.ndenumerate(counts):
            ink = "white" if strength[i, j] > 0.6 else "black" if count else "#bbbbbb"
            ax.text(j, i, f"{count:.10g}", ha="center", va="center", color=ink, fontsize=size)
    shown = slice(None, None, 1 + k // 40)
    ax.set_xticks(range(k)[shown], names[shown])
    ax.set_yticks(range(k)[shown], names[shown])
    if max(map(len, names)) > 3:
        ax.tick_params(axis="x", rotation=90)
    ax.tick_params(length=0)
    total, hits = counts.sum(), np.trace(counts)
    ax.set(
        xlabel="predicted class",
        ylabel="true class",
        title=f"{hits:.10g} of {total:.10g} right ({100 * hits / max(total, 1):.1f} %)",
    )
    return ax


def plot_boundary(
    predict: Callable[[NDArray[np.float64]], Any],
    x: ArrayLike,
    y: ArrayLike,
    ax: Axes | None = None,
    *,
    class_names: Sequence[str] | None = None,
    resolution: int = 150,
) -> Axes:
    """Draw what a classifier of points in the plane decides where, and the points on top.

    Each region has the colour of its class, darker by the margin: the score of the class
    minus the best of the others. The line is where the margin is 0.

    Parameters
    ----------
    predict : callable
        Maps an array of points, shape (m, 2), to scores: shape (m,) or (m, 1), positive
        for class 1, or (m, classes), the largest wins. Arrays or nodes.
    x : array_like, shape (n, 2)
        The points.
    y : array_like of int, shape (n,)
        Their classes.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if not given.
    class_names : sequence of str, optional
        One name a class for the legend; "class 0", "class 1", ... if not given.
    resolution : int
        Points a side of the grid on which `predict` is called, once for all of them.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ShapeError
        If `x` is not of shape (n, 2), or scores or names do not fit.
    DataError
        If `x`, `y` or the scores do not hold numbers, or another argument is of the wrong kind.
    ValueError
        If `y` does not hold classes, or a point or a score is not finite.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> from nn.data import moons
    >>> ax = plot_boundary(lambda points: points @ [1.0, -2.0], *moons(100))
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('x0', 'x1')
    """
    points, _ = as_rows(x, y)
    labels = class_indices("y", y)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ShapeError(f"x must hold points of the plane, shape (n, 2), got {points.shape}")
    if not np.isfinite(points).all():
        raise ValueError("x must be finite, but it holds nan or inf")
    require_callable("predict", predict, "predict(points)")
    side = whole_number("resolution", resolution, 2, 10_000)
    ax = _axes(ax, 6.4, 4.8)
    across, up = (_axis_range(column, side) for column in points.T)
    grid = np.stack(np.meshgrid(across, up), axis=-1)
    margins = _margins(predict(grid.reshape(-1, 2)), side**2).reshape(side, side, -1)
    classes = max(margins.shape[-1], int(labels.max()) + 1)
    names = [f"class {k}" for k in range(classes)] if class_names is None else _names(class_names)
    if len(names) < classes:
        raise ShapeError(f"class_names needs {classes} names, got {len(names)}")

    _fill_regions(ax, across, up, margins)
    dots = []
    for k in np.unique(labels):
        px, py = points[labels == k].T
        color, name = _COLORS[k % len(_COLORS)], names[k]
        dots.append(ax.scatter(px, py, 24, color, label=name, edgecolors="white", zorder=3))
    _legend_above(ax, dots, columns=5)
    ax.set(xlabel="x0", ylabel="x1", xlim=across[[0, -1]], ylim=up[[0, -1]])
    return ax


def save(ax: Axes, path: str | PathLike[str]) -> Path:
    """Write the figure of `ax` to a file; the same picture gives the same bytes.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        What one of the plot functions returned.
    path : str or path
        Where to; ending in ``.png``, ``.svg`` or ``.pdf``.

    Returns
    -------
    pathlib.Path
        The path written to.

    Raises
    ------
    DataError
        If `ax` is no axes.
    ValueError
        If the path has another ending.
    OSError
        If the file cannot be written.
    """
    from matplotlib import rc_context
    from matplotlib.axes import Axes

    _checked_axes(ax, Axes)
    path = Path(path)
    kind = path.suffix.lower().removeprefix(".")
    # What matplotlib writes in by default: its version, and the time.
    metadata: dict[str, dict[str, Any]] = {
        "png": {"Software": None},
        "svg": {"Date": None, "Creator": None},
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    }
    if kind not in metadata:
        raise ValueError(f"a plot is saved as .png, .svg or .pdf, got {path.name!r}")
    figure = ax.get_figure(root=True)
    if figure is None:
        raise ValueError("ax belongs to no figure: it was removed from it")
    with rc_context({"svg.hashsalt": "autograd-nn"}):  # else element ids are random
        figure.savefig(path, dpi=150, format=kind, metadata=metadata[kind])
    return path


def _axes(ax: Axes | None, width: float, height: float) -> Axes:
    """`ax`, or axes of a new figure that pyplot does not know of; sizes in inches."""
    try:
        from matplotlib.axes import Axes
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('plots need matplotlib: pip install "autograd-nn[plots]"') from error
    if ax is not None:
        return _checked_axes(ax, Axes)
    return Figure(figsize=(width, height), layout="constrained").subplots()


def _checked_axes(ax: Axes, kind: type[Axes]) -> Axes:
    if not isinstance(ax, kind):
        hint = ": pass one of them, such as ax[0]" if isinstance(ax, np.ndarray) else ""
        raise DataError(f"ax must be matplotlib axes, got {type(ax).__name__}{hint}")
    return ax


def _names(class_names: Sequence[str]) -> list[str]:
    if isinstance(class_names, str) or not isinstance(class_names, Iterable):
        raise DataError(f"class_names must be a list of names, got {class_names!r}")
    return list(map(str, class_names))


def _fill_regions(
    ax: Axes, across: NDArray[Any], up: NDArray[Any], margins: NDArray[np.float64]
) -> None:
    """Fill where each margin is positive, in seven steps common to all, and outline it."""
    levels = np.linspace(0, margins.max(), 8)
    strengths = np.linspace(0.12, 0.6, 7)
    for k, margin in enumerate(np.moveaxis(margins, -1, 0)):
        if margin.max() > 0:
            shades = list(_shades(_COLORS[k % len(_COLORS)], strengths))
            ax.contourf(across, up, margin, levels=levels, colors=shades)
        if margin.min() < 0 < margin.max():
            ax.contour(across, up, margin, levels=[0], colors="black", linewidths=1)


def _legend_above(ax: Axes, handles: Sequence[Artist], columns: int) -> None:
    """Put the legend outside, where it covers no data."""
    ax.legend(
        handles=handles, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=columns, frameon=False
    )


def _draw_epochs(ax: Axes, curves: dict[str, list[float]], color: str) -> list[Line2D]:
    """Draw the curves that have a number, the first solid and the second dashed."""
    lines = []
    for (name, curve), dashes in zip(curves.items(), ("-", "--"), strict=True):
        if np.isfinite(curve).any():
            epochs = np.arange(1, len(curve) + 1)
            marker = "o" if len(curve) == 1 else ""  # a line through one point is invisible
            lines += ax.plot(epochs, curve, dashes, color=color, marker=marker, label=name)
    return lines


def _shades(color: str, strength: NDArray[Any]) -> NDArray[np.float64]:
    """Mix `color` into white: RGB, shape (..., 3), white at strength 0, the colour at 1."""
    from matplotlib.colors import to_rgb

    ink = 1 - np.array(to_rgb(color), dtype=np.float64)
    return np.asarray(1 - strength[..., None] * ink)


def _axis_range(values: NDArray[Any], steps: int) -> NDArray[np.float64]:
    """Even steps over the range of `values` and a tenth more on either side."""
    low, high = float(values.min()), float(values.max())
    room = 0.1 * (high - low) or 1.0
    return np.linspace(low - room, high + room, steps)


def _margins(scores: Any, points: int) -> NDArray[np.float64]:
    """Each class's score minus the best of the others, shape (points, classes)."""
    values = as_array("the scores of predict", scores).astype(np.float64)
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2 or len(values) != points or values.shape[1] == 0:
        raise ShapeError(
            f"predict must return shape ({points},) or ({points}, classes) "
            f"for {points} points, got {values.shape}"
        )
    if not np.isfinite(values).all():
        raise ValueError("predict returned scores that are nan or inf: has training diverged?")
    if values.shape[1] == 1:
        return np.hstack([-values, values])
    ranked = np.sort(values, axis=1)
    best, second = ranked[:, -1:], ranked[:, -2:-1]
    return values - np.where(values == best, second, best)
