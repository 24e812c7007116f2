"""Rows of numbers as small pictures side by side: weights, and examples that were mistaken."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autograd import DataError, ShapeError
from nn.data.checks import as_array, as_rows, class_indices
from nn.layers import Layer
from nn.metrics import predicted_classes
from nn.module import Module, whole_number
from nn.plots.figure import COLORS, figure_of, names_of, new_axes
from nn.plots.recording import layers_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

__all__ = ["plot_mistakes", "plot_weights"]

Array = NDArray[Any]


def plot_weights(
    weights: Module | ArrayLike,
    shape: tuple[int, int] | None = None,
    ax: Axes | None = None,
    *,
    layer: str | None = None,
    most: int = 100,
) -> Axes:
    """Draw each row of a matrix of weights as a small picture: what each unit looks for.

    Weights above 0 are orange, below 0 blue, and white is 0, on one scale for all. Rows come as
    one reads, with their numbers above if there are not more than 40.

    Parameters
    ----------
    weights : Module or array_like, shape (units, inputs)
        A model, or the matrix itself.
    shape : (int, int), optional
        Rows and columns of a picture; a square if not given.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if not given.
    layer : str, optional
        Name of the model's layer, such as "layers.0"; the first with a matrix if not given.
    most : int
        Draw at most so many rows, the first ones.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ShapeError
        If the weights are no matrix, or the rows do not have the shape.
    DataError
        If the weights are not numbers, or another argument is of the wrong kind.
    ValueError
        If a weight is not finite, or the model has no such layer.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> from nn import MLP
    >>> ax = plot_weights(MLP(64, [16, 10]), (8, 8))
    >>> ax.get_title()
    'layers.0: 16 × 64 weights'
    """
    name, matrix = _matrix(weights, layer)
    shown = matrix[: whole_number("most", most, 1)]
    pictures = shown.reshape(-1, *_picture_shape("weights", matrix.shape[1], shape))
    largest = float(np.abs(shown).max()) or 1.0
    captions = [str(i) for i in range(len(shown))] if len(shown) <= 40 else []
    ax, image = _draw(pictures, captions, ax)
    from matplotlib.colors import LinearSegmentedColormap

    image.set_cmap(LinearSegmentedColormap.from_list("", [COLORS[0], "white", COLORS[1]]))
    image.set_clim(-largest, largest)
    beside = ax.inset_axes((1.03, 0.0, 0.03, 1.0))  # as high as the pictures, whatever their shape
    figure_of(ax).colorbar(image, cax=beside, label="weight")
    size = f"{len(matrix)} × {matrix.shape[1]} weights"
    rest = f", the first {len(shown)} rows" * (len(shown) < len(matrix))
    ax.set_title(f"{name}: {size}{rest}" if name else size + rest)
    return ax


def plot_mistakes(
    predicted: Any,
    x: ArrayLike,
    y: ArrayLike,
    class_names: Sequence[str] | None = None,
    shape: tuple[int, int] | None = None,
    ax: Axes | None = None,
    *,
    most: int = 25,
) -> Axes:
    """Draw the rows of which a wrong class was predicted as pictures, the surest mistake first.

    How sure is the score of the predicted class minus that of the true one; of a binary
    classifier the size of the score. Large numbers are dark. If nothing is wrong, the picture
    says so.

    Parameters
    ----------
    predicted : array_like or node
        Scores or classes, read as `nn.metrics.predicted_classes` reads them; classes alone do
        not say how sure, so mistakes come in the order of the rows.
    x : array_like, shape (n, rows, columns) or (n, rows * columns)
        The pictures.
    y : array_like of int, shape (n,)
        The true classes.
    class_names : sequence of str, optional
        One name a class; the numbers 0, 1, 2, ... if not given.
    shape : (int, int), optional
        Rows and columns of a picture; those of `x` or a square if not given.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if not given.
    most : int
        Draw at most so many.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ShapeError
        If shapes do not fit, there are no rows, or there are not enough names.
    DataError
        If an argument does not hold numbers, or is of the wrong kind.
    ValueError
        If `y` does not hold classes or one that has no score, or a number is not finite.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> ax = plot_mistakes([[2.0, 0.0], [1.0, 0.0]], np.eye(2, 4), [0, 1], ["cat", "dog"])
    >>> ax.get_title(), [text.get_text() for text in ax.texts]
    ('1 of 2 wrong (50.0 %)', ['dog → cat'])
    """
    rows, _ = as_rows(x, y)
    truth = class_indices("y", y)
    guesses, sure = _decisions(predicted, truth)
    names = names_of(class_names, 1 + int(max(guesses.max(), truth.max())))
    if not rows.size:
        raise ShapeError(f"x has no numbers, shape {rows.shape}, so there are no pictures")
    flat = rows.reshape(len(rows), -1)
    size = rows.shape[1:] if rows.ndim == 3 and shape is None else shape
    pictures = flat.reshape(-1, *_picture_shape("x", flat.shape[1], size))
    if not np.isfinite(pictures).all():
        raise ValueError("x must be finite, but it holds nan or inf")
    wrong = np.flatnonzero(guesses != truth)
    first = wrong[np.argsort(-sure[wrong], kind="stable")][: whole_number("most", most, 1)]
    if not len(first):
        return _none_wrong(len(rows), ax)

    captions = [f"{names[truth[i]]} → {names[guesses[i]]}" for i in first]
    ax, image = _draw(pictures[first], captions, ax)
    image.set_cmap("gray_r")
    share = f"{len(wrong)} of {len(rows)} wrong ({100 * len(wrong) / len(rows):.1f} %)"
    rest = f", the surest {len(first)}" * (len(first) < len(wrong))
    ax.set(title=share + rest, xlabel="true class → predicted class")
    return ax


def _matrix(weights: Module | ArrayLike, layer: str | None) -> tuple[str, Array]:
    """Return the matrix to draw and its name."""
    if isinstance(weights, Module):
        name, matrix = _matrix_of(weights, layer)
    elif layer is None:
        name, matrix = "", as_array("weights", weights)
    else:
        raise DataError(f"layer {layer!r} is of a model, but weights is no Module")
    if matrix.ndim != 2 or not matrix.size:
        raise ShapeError(f"weights must be a matrix, one row a unit, got shape {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ValueError("a weight is nan or infinite: has training diverged?")
    return name, matrix


def _matrix_of(model: Module, layer: str | None) -> tuple[str, Array]:
    """Return the name and the weights of the layer, or of the first that has a matrix."""
    found = {
        name: np.array([[w.data for w in neuron.w] for neuron in part.neurons])
        for name, part in layers_of(model)
        if isinstance(part, Layer)
    }
    for name, parameter in model.named_parameters():
        if len(parameter.shape) == 2:
            found[name.removesuffix(".weight")] = np.asarray(parameter.numpy())
    if not found:
        raise ValueError(f"{model.describe()} has no layer with a matrix of weights")
    if layer is None:
        return next(iter(found.items()))
    if layer not in found:
        known = ", ".join(f"{name!r} {matrix.shape}" for name, matrix in found.items())
        raise ValueError(f"no matrix of weights is named {layer!r}: there are {known}")
    return layer, found[layer]


def _decisions(predicted: Any, truth: NDArray[np.int64]) -> tuple[NDArray[np.int64], Array]:
    """Return the predicted classes, and for each row how sure a mistake is."""
    guesses, scores = predicted_classes(predicted), as_array("predicted", predicted)
    if len(guesses) != len(truth):
        raise ShapeError(
            f"predicted needs one row a sample, got {len(guesses)} for {len(truth)} classes in y"
        )
    if guesses.min() < 0:
        raise ValueError(
            f"row {np.argmin(guesses)} of predicted has a nan score, so no predicted class"
        )
    if scores.ndim == 2 and scores.shape[1] > 1:
        if truth.max() >= scores.shape[1]:
            raise ValueError(f"y has class {truth.max()}, but there are {scores.shape[1]} scores")
        rows = np.arange(len(truth))
        with np.errstate(invalid="ignore"):  # of two infinite scores
            return guesses, 1.0 * scores[rows, guesses] - scores[rows, truth]
    sure = np.abs(scores).reshape(-1) if scores.dtype.kind == "f" else np.zeros(len(truth))
    return guesses, sure


def _picture_shape(name: str, width: int, shape: Any) -> tuple[int, int]:
    """Return the rows and columns of a picture of `width` numbers."""
    if shape is None:
        side = math.isqrt(width)
        if side**2 != width:
            raise ShapeError(
                f"{name} has {width} numbers a row, which is no square: pass shape=(rows, columns)"
            )
        return side, side
    try:
        height, across = shape
    except (TypeError, ValueError):
        raise DataError(f"shape must be a pair (rows, columns), got {shape!r}") from None
    height = whole_number("the rows of shape", height, 1)
    across = whole_number("the columns of shape", across, 1)
    if height * across != width:
        raise ShapeError(
            f"{name} has {width} numbers a row, but a picture of shape ({height}, {across}) "
            f"has {height * across}"
        )
    return height, across


def _draw(pictures: Array, captions: list[str], ax: Axes | None) -> tuple[Axes, AxesImage]:
    """Draw equal pictures side by side in one image, each with its caption above."""
    if any(len(caption) > 10 for caption in captions):
        captions = [caption.replace(" → ", " →\n") for caption in captions]
    lines = [line for caption in captions for line in caption.split("\n")]
    _, height, width = pictures.shape
    canvas, corners = _mosaic(pictures, len(lines) // max(1, len(captions)))
    ax = new_axes(ax, 6.4, min(0.8 + 5.6 * canvas.shape[0] / canvas.shape[1], 12.0))
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    image = ax.imshow(canvas, interpolation="nearest")
    ax.set(xticks=[], yticks=[], frame_on=False)
    outlines = [Rectangle((left - 0.5, top - 0.5), width, height) for top, left in corners]
    look: dict[str, Any] = {"facecolor": "none", "edgecolor": "#bbbbbb", "linewidth": 0.5}
    ax.add_collection(PatchCollection(outlines, clip_on=False, **look))
    pixel = ax.get_window_extent().width / figure_of(ax).dpi * 72 / canvas.shape[1]
    size = 1.1 * width * pixel / (0.6 * max(map(len, lines), default=1))  # a letter is 0.6 wide
    for caption, (top, left) in zip(captions, corners, strict=False):
        place = (left + (width - 1) / 2, top - 0.5)
        ax.annotate(
            caption,
            place,
            (0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=min(max(size, 4.0), 9.0),
        )
    return ax, image


def _mosaic(pictures: Array, lines: int) -> tuple[Array, list[tuple[int, int]]]:
    """Return one array with all pictures, nan between them, and where each has its corner.

    There is room for so many lines of text above each. All together are somewhat wider than high.
    """
    n, height, width = pictures.shape
    gap = max(1, width // 8)
    above = gap + lines * max(1, round(0.2 * height))
    tall, wide = above + height, width + gap
    rows = max(1, round(math.sqrt(n * wide / (1.3 * tall))))
    columns = -(-n // rows)
    corners = [(above + tall * (i // columns), wide * (i % columns)) for i in range(n)]
    canvas = np.full((tall * rows, wide * columns - gap), np.nan)
    for picture, (top, left) in zip(pictures, corners, strict=True):
        canvas[top : top + height, left : left + width] = picture
    return canvas, corners


def _none_wrong(rows: int, ax: Axes | None) -> Axes:
    ax = new_axes(ax, 6.4, 2.0)
    ax.set(xticks=[], yticks=[], frame_on=False, title=f"0 of {rows} wrong (0.0 %)")
    text = "no row is mistaken: there is no picture to show"
    ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes)
    return ax
