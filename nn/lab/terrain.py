"""The loss as a landscape: around the weights that a model has, and below paths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autograd import NonFiniteError
from nn.lab.plane import (
    Pair,
    Plane,
    chosen_plane,
    plane_of_all,
    random_plane,
    sharpest_plane,
)
from nn.lab.surface import LossSurface
from nn.module import Module, finite_number, whole_number
from nn.plots.figure import figure_of, new_axes, shades
from nn.steps import Data, Loss

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_contours", "draw_curve", "draw_surface", "is_3d", "landscape", "mark_point"]

Array = NDArray[Any]

STRENGTHS = (0.02, 0.45)
"""Of the colour of the lowest and of the highest contour."""


def landscape(
    model: Module,
    loss: Loss,
    data: Data,
    ax: Axes | None = None,
    *,
    plane: str | Pair = "random",
    span: float = 1.0,
    resolution: int = 60,
    seed: int = 0,
) -> Axes:
    """Draw the loss around the weights that a model has, on a plane through them.

    Contours, or a surface if `ax` is three-dimensional. The model is left as it was.

    Parameters
    ----------
    model, loss, data
        As for `compare_learning_rates`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if not given. For a surface, one made by
        ``figure.add_subplot(projection="3d")``.
    plane : str or pair of str
        "random": two random directions, each filter of which is as long as that of the weights
        (Li, Xu, Taylor, Studer & Goldstein, "Visualizing the loss landscape of neural nets",
        NeurIPS 2018, section 4). "sharpest": the two directions of largest curvature. Or two
        numbers of the model, by names as in "layers.0.weight[0, 1]". Of a model of one number,
        the loss is drawn as a curve.
    span : float
        How far the picture goes to either side, in lengths of the directions: 1 changes random
        directions by as much as the weights are long, a chosen number by 1.
    resolution : int
        Points a side of the grid on which the loss is computed, one after the other.
    seed : int
        Of the random directions.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError, ShapeError, ValueError, NonFiniteError
        If the data do not fit, or an argument is of the wrong kind or out of range.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> from nn import MLP, mse_loss
    >>> ax = landscape(MLP(1, [4, 1], rng=0), mse_loss, ([[1.0]], [1.0]), resolution=10)
    >>> ax.get_xlabel()
    'random direction 1'
    """
    surface = LossSurface(model, loss, data)
    if not finite_number("span", span) > 0:
        raise ValueError(f"span must be above 0, got {span}")
    resolution = whole_number("resolution", resolution, 2, 1000)
    seed = whole_number("seed", seed, 0)
    found = _plane_at(surface, plane, seed)
    ax = new_axes(ax, 6.4, 5.2)
    (here,) = found.coordinates([surface.weights])
    axes = [np.linspace(x - span, x + span, resolution) for x in here]
    heights = found.heights(surface, *axes)
    seen = heights[np.isfinite(heights)]
    if not seen.size:
        raise NonFiniteError("the loss is not finite anywhere in the picture: take a smaller span")
    (now,) = surface.losses([surface.weights])
    if len(axes) == 1:
        draw_curve(ax, found, axes[0], heights)
    elif is_3d(ax):
        draw_surface(ax, found, axes, heights)
    else:
        draw_contours(ax, found, axes, heights, (float(seen.min()), float(seen.max())))
    mark_point(ax, *here, *([now] if len(axes) == 1 or is_3d(ax) else []))
    ax.set_title(f"loss around the present weights, where it is {now:.3g}")
    return ax


def _plane_at(surface: LossSurface, plane: str | Pair, seed: int) -> Plane:
    """Return the plane of a landscape, by its name or the names of two numbers."""
    here = surface.weights
    if not isinstance(plane, str):
        return chosen_plane(surface, plane, here)
    if plane not in ("random", "sharpest"):
        raise ValueError(
            f"plane must be 'random', 'sharpest' or two names of parameters, got {plane!r}"
        )
    if surface.size == 1:
        return plane_of_all(surface)
    return (
        sharpest_plane(surface, here) if plane == "sharpest" else random_plane(surface, here, seed)
    )


def draw_curve(ax: Axes, plane: Plane, across: Array, heights: Array) -> None:
    """Draw the loss of a model of one number.

    >>> ax, line = new_axes(None, 4, 3), Plane(np.zeros(1), np.eye(1), ("w",))
    >>> draw_curve(ax, line, np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    >>> ax.get_xlabel()
    'w'
    """
    ax.plot(across, heights, color="#888888", lw=2)
    ax.set(xlabel=plane.labels[0], ylabel="loss")


def draw_contours(
    ax: Axes, plane: Plane, axes: Sequence[Array], heights: Array, ends: tuple[float, float]
) -> None:
    """Draw contours from the lowest loss to the highest that matters; nan looks like beyond it.

    >>> ax, plane = new_axes(None, 4, 3), Plane(np.zeros(2), np.eye(2), ("a", "b"))
    >>> ends = np.array([0.0, 1.0])
    >>> draw_contours(ax, plane, [ends, ends], np.eye(2), (0.0, 1.0))
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('a', 'b')
    """
    low, high = float(heights[np.isfinite(heights)].min(initial=ends[0])), ends[1]
    if not high > low:
        high = low + (abs(low) or 1.0)  # flat: one colour
    beyond = high + 9 * (high - low)
    heights = np.clip(np.nan_to_num(heights, nan=beyond, posinf=beyond), low, beyond)
    levels = np.append(low, low + (high - low) * np.geomspace(1e-3, 1, 13))
    colors = list(shades("#4c5b7a", np.linspace(*STRENGTHS, len(levels))))
    extend: Any = "max" if heights.max() > high else "neither"
    filled = ax.contourf(*axes, heights, levels=levels, colors=colors, extend=extend)
    ax.contour(*axes, heights, levels=levels[1:], colors="white", linewidths=0.8)
    bar = figure_of(ax).colorbar(filled, ax=ax, ticks=[low, *levels[1::3]], format="%.2g")
    bar.set_label("loss")
    ax.set(xlabel=plane.labels[0], ylabel=plane.labels[1])


def draw_surface(ax: Any, plane: Plane, axes: Sequence[Array], heights: Array) -> None:
    """Draw the loss as a surface, on three-dimensional axes.

    >>> from matplotlib.figure import Figure
    >>> ax, plane = Figure().add_subplot(projection="3d"), Plane(np.zeros(2), np.eye(2), ("a", "b"))
    >>> ends = np.array([0.0, 1.0])
    >>> draw_surface(ax, plane, [ends, ends], np.eye(2))
    >>> ax.get_zlabel()
    'loss'
    """
    side = len(heights)
    ax.plot_surface(*np.meshgrid(*axes), heights, cmap="viridis", rcount=side, ccount=side)
    ax.set(xlabel=plane.labels[0], ylabel=plane.labels[1], zlabel="loss")


def is_3d(ax: Axes) -> bool:
    """Tell whether axes are three-dimensional.

    >>> is_3d(new_axes(None, 4, 3))
    False
    """
    return ax.name == "3d"


def mark_point(ax: Axes, *place: float) -> None:
    """Mark a point with a ring.

    >>> ax = new_axes(None, 4, 3)
    >>> mark_point(ax, 1.0, 2.0)
    >>> ax.lines[0].get_xydata()
    array([[1., 2.]])
    """
    ax.plot(*[[x] for x in place], "o", ms=10, mfc="none", mec="black", mew=2, zorder=6)
