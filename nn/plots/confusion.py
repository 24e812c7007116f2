"""The confusion matrix as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from autograd import ShapeError
from nn.data.checks import as_array
from nn.plots.figure import COLORS, names_of, new_axes, shades

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_confusion"]


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
    names = names_of(class_names, k)
    if len(names) > k:
        raise ShapeError(f"class_names has {len(names)} names, but there are {k} classes")

    side = min(2.0 + 0.45 * k, 12.0)
    ax = new_axes(ax, side, side)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    right = np.eye(k, dtype=bool)
    worst = share[~right].max(initial=0) or 1
    strength = np.where(right, share, 0.75 * share / worst)
    blue, orange = shades(COLORS[0], strength), shades(COLORS[1], strength)
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
    ax.grid(False)  # which a style sheet may have on
    total, hits = counts.sum(), np.trace(counts)
    ax.set(
        xlabel="predicted class",
        ylabel="true class",
        title=f"{hits:.10g} of {total:.10g} right ({100 * hits / max(total, 1):.1f} %)",
    )
    return ax
