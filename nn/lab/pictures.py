"""Pictures of a `RateComparison`: the loss curves and the paths, at rest and moving."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autograd import DataError
from nn.lab.comparison import RateComparison, Run
from nn.lab.plane import Pair, Plane, chosen_plane, plane_of_all, plane_of_paths
from nn.lab.terrain import draw_contours, draw_curve, is_3d, mark_point
from nn.module import require_kind, whole_number
from nn.plots.figure import COLORS, MARKERS, figure_of, new_axes

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

__all__ = ["animate_comparison", "plot_comparison", "plot_losses", "plot_paths"]

Array = NDArray[Any]

FAR = 1e100
"""Where a number is drawn that is farther away."""


def plot_losses(comparison: RateComparison, ax: Axes | None = None) -> Axes:
    """Draw the loss at each step of each run, and at the right what became of it.

    The picture ends twice as far above the lowest loss as the start; a run that goes higher for
    good leaves it at a triangle. The axis of the loss is logarithmic if losses are positive and
    span more than a decade.

    Parameters
    ----------
    comparison : RateComparison
        As `compare_learning_rates` returns it.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if not given.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        If `comparison` is no RateComparison, or `ax` no axes.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> from nn import Linear, mse_loss
    >>> from nn.lab import compare_learning_rates
    >>> line = ([[-1.0], [0.0], [1.0]], [-1.0, 1.0, 3.0])
    >>> comparison = compare_learning_rates(Linear(1, 1, rng=0), mse_loss, line, [0.01, 0.3])
    >>> [text.get_text() for text in plot_losses(comparison).texts]
    ['0.01 converges', '0.3 converges']
    """
    require_kind("comparison", comparison, RateComparison)
    ax = _flat_axes(ax, 6.4, 4.4)
    _show(_loss_tracks(comparison, ax))
    return ax


def plot_paths(
    comparison: RateComparison,
    ax: Axes | None = None,
    *,
    plane: Pair | None = None,
    resolution: int = 60,
) -> Axes:
    """Draw the path of each run on a contour of the loss.

    The contour is the loss on a plane through the lowest point that any run came to. A path
    beside the plane is drawn where the plane is nearest, so its loss need not be that of the
    contour below it. The picture holds every point not more than twice as far above the lowest
    loss as the start; a path that goes farther for good leaves it at a triangle. Between contours
    the height above the lowest grows by the same factor. Of a model of one number, the loss is
    drawn as a curve.

    Parameters
    ----------
    comparison : RateComparison
        As `compare_learning_rates` returns it.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if not given.
    plane : pair of str, optional
        Two numbers of the model, by names as in "layers.0.weight[0, 1]". If not given, the two
        that there are, or the first two principal directions of the paths.
    resolution : int
        Points a side of the grid on which the loss is computed, one after the other.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError, ValueError
        If an argument is of the wrong kind or out of range, or there is no number of that name.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> from nn import Linear, mse_loss
    >>> from nn.lab import compare_learning_rates
    >>> line = ([[-1.0], [0.0], [1.0]], [-1.0, 1.0, 3.0])
    >>> comparison = compare_learning_rates(Linear(1, 1, rng=0), mse_loss, line, [0.01, 0.3])
    >>> ax = plot_paths(comparison, resolution=20)
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('weight', 'bias')
    """
    require_kind("comparison", comparison, RateComparison)
    resolution = whole_number("resolution", resolution, 2, 1000)
    found = _plane_of(comparison, plane)
    ax = _flat_axes(ax, 6.4, 5.2)
    tracks = _path_tracks(comparison, found, ax, resolution)
    _show(tracks)
    _label_tracks(ax, comparison, tracks)
    return ax


def plot_comparison(
    comparison: RateComparison, *, plane: Pair | None = None, resolution: int = 60
) -> tuple[Axes, Axes]:
    """Draw the loss curves and, beside them, the paths, in a new figure.

    Parameters and errors are those of `plot_losses` and `plot_paths`, whose axes are returned.

    >>> from nn import Linear, mse_loss
    >>> from nn.lab import compare_learning_rates
    >>> line = ([[-1.0], [0.0], [1.0]], [-1.0, 1.0, 3.0])
    >>> comparison = compare_learning_rates(Linear(1, 1, rng=0), mse_loss, line, [0.01, 0.3])
    >>> left, right = plot_comparison(comparison, resolution=20)
    >>> left.figure is right.figure
    True
    """
    left, right = _two_axes()
    plot_losses(comparison, left)
    plot_paths(comparison, right, plane=plane, resolution=resolution)
    return left, right


def animate_comparison(
    comparison: RateComparison,
    *,
    plane: Pair | None = None,
    resolution: int = 60,
    frames: int = 60,
) -> FuncAnimation:
    """Let the loss curves and the paths grow step by step, side by side in a new figure.

    Parameters
    ----------
    comparison, plane, resolution
        As for `plot_paths`.
    frames : int
        At most so many pictures, at even distances from the first step to the last.

    Returns
    -------
    matplotlib.animation.FuncAnimation
        `nn.plots.save_animation` writes it to a file.

    Raises
    ------
    DataError, ValueError
        As `plot_paths`, or if there are no frames.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> from nn import Linear, mse_loss
    >>> from nn.lab import compare_learning_rates
    >>> line = ([[-1.0], [0.0], [1.0]], [-1.0, 1.0, 3.0])
    >>> comparison = compare_learning_rates(Linear(1, 1, rng=0), mse_loss, line, [0.01, 0.3])
    >>> animation = animate_comparison(comparison, resolution=20, frames=2)
    >>> animation.to_jshtml().count("data:image/png")
    2
    """
    require_kind("comparison", comparison, RateComparison)
    frames = whole_number("frames", frames, 2)
    resolution = whole_number("resolution", resolution, 2, 1000)
    found = _plane_of(comparison, plane)
    left, right = _two_axes()
    tracks = _loss_tracks(comparison, left) + _path_tracks(comparison, found, right, resolution)
    last = max(len(run.losses) for run in comparison.runs) - 1
    from matplotlib.animation import FuncAnimation

    def draw(step: int) -> list[Line2D]:
        right.set_title(f"step {step}")
        return _show(tracks, step)

    steps = sorted({round(step) for step in np.linspace(0, last, frames)})
    figure = figure_of(left)
    draw(last)
    figure.draw_without_rendering()  # lays it out
    figure.set_layout_engine("none")  # and not again for each frame
    return FuncAnimation(figure, draw, frames=steps, interval=100)


def _flat_axes(ax: Axes | None, width: float, height: float) -> Axes:
    ax = new_axes(ax, width, height)
    if is_3d(ax):
        raise DataError("ax must be flat, got three-dimensional axes: only landscape takes those")
    return ax


def _two_axes() -> tuple[Axes, Axes]:
    """Return axes side by side, of a new figure, with room for labels between them."""
    left = new_axes(None, 12.0, 4.8)
    figure = figure_of(left)
    left.remove()
    left, right = figure.subplots(1, 2)
    return left, right


def _plane_of(comparison: RateComparison, names: Pair | None) -> Plane:
    """Return the plane on which to draw the paths."""
    surface, best = comparison.surface, comparison.best
    end = best.weights[best.best_step]
    if names is not None:
        return chosen_plane(surface, names, end)
    if surface.size <= 2:
        return plane_of_all(surface)
    points = [_weights(run)[_in_sight(run, _ceiling(comparison))] for run in comparison.runs]
    return plane_of_paths(np.concatenate(points), end)


# --------------------------------------------------------------------------- what is in sight


def _ceiling(comparison: RateComparison) -> float:
    """Return the loss up to which a picture goes: twice as far above the lowest as the start."""
    first = comparison.runs[0].losses[0]
    nexts = [run.losses[1] for run in comparison.runs]
    upwards = float(np.min(nexts)) - first  # if all went up at once, the smallest step is shown
    reach = first - comparison.lowest or upwards or abs(first) or 1.0
    return float(first + (reach if np.isfinite(reach) else abs(first) or 1.0))


def _in_sight(run: Run, ceiling: float) -> NDArray[np.bool_]:
    """Return which points of a run the picture of the paths must hold."""
    low = (run.losses <= ceiling) & np.isfinite(run.weights).all(axis=1)
    return np.logical_and.accumulate(low) if run.verdict == "diverges" else low


def _weights(run: Run) -> Array:
    """Return the points of a run, where their squares would overflow brought closer."""
    return np.nan_to_num(run.weights.astype(np.float64), nan=FAR).clip(-FAR, FAR)


def _losses(run: Run) -> Array:
    """Return the losses of a run, with a number far away for what is not finite."""
    return np.nan_to_num(run.losses, nan=FAR).clip(-FAR, FAR)


def _window(points: Array) -> tuple[Array, Array]:
    """Return the lower left and the upper right corner of a picture of some points."""
    low, high = points.min(axis=0), points.max(axis=0)
    extent = high - low
    extent[extent <= 1e-6 * extent.max()] = extent.max() or 1.0
    middle = (low + high) / 2
    return middle - 0.62 * extent, middle + 0.62 * extent


# --------------------------------------------------------------------------- runs


class _Track(NamedTuple):
    """A run in a picture: its points there, the line through them, and the marker at its head."""

    points: Array
    line: Line2D
    head: Line2D


def _show(tracks: Iterable[_Track], step: int | None = None) -> list[Line2D]:
    """Let the tracks go as far as a step, or to their ends."""
    for points, line, head in tracks:
        shown = points if step is None else points[: step + 1]
        line.set_data(*shown.T)
        head.set_data(*shown[-1:].T)
    return [artist for track in tracks for artist in track[1:]]


def _tracks(ax: Axes, paths: Sequence[Array], dots: float) -> list[_Track]:
    """Make what will show the paths; the limits of the axes are set."""
    tracks = []
    for i, (path, color) in enumerate(zip(paths, _colors(len(paths)), strict=True)):
        points, angle = _up_to_exit(path, _fractions(ax))
        marker: Any = MARKERS[i % len(MARKERS)] if angle is None else (3, 0, angle - 90)
        (line,) = ax.plot([], [], "-", marker="o", ms=dots, lw=1.6, color=color, zorder=3)
        (head,) = ax.plot([], [], marker=marker, ms=9, mec="white", color=color, zorder=5)
        head.set_clip_on(False)
        tracks.append(_Track(points, line, head))
    return tracks


def _colors(count: int) -> Sequence[Any]:
    if count < len(COLORS):  # the last one, yellow, is hard to see on white
        return COLORS[:count]
    from matplotlib import colormaps

    return [*colormaps["viridis"](np.linspace(0, 0.9, count))]


def _fractions(ax: Axes) -> Any:
    """Return the transform from data to fractions of the axes; their limits are set."""
    return ax.transScale + ax.transLimits


def _up_to_exit(path: Array, fractions: Any) -> tuple[Array, float | None]:
    """Cut a path where it leaves the axes for good, and return its direction there in degrees."""
    points = fractions.transform(path)
    inside = np.flatnonzero(((points >= 0) & (points <= 1)).all(axis=1))
    if not len(inside) or inside[-1] == len(points) - 1:
        return path, None
    here, there = points[inside[-1]], points[inside[-1] + 1]
    step = (there - here) / np.abs(there - here).max()
    room = np.where(step > 0, 1 - here, here)
    moving = step != 0
    place = here + (room[moving] / np.abs(step[moving])).min() * step
    cut = np.vstack([path[: inside[-1] + 1], fractions.inverted().transform(place)])
    return cut, float(np.degrees(np.arctan2(step[1], step[0])))


def _loss_tracks(comparison: RateComparison, ax: Axes) -> list[_Track]:
    """Set up the axes of the losses, the labels included, and return the tracks."""
    from matplotlib.ticker import MaxNLocator

    lowest, ceiling = comparison.lowest, _ceiling(comparison)
    curves = [np.column_stack([np.arange(len(r.losses)), _losses(r)]) for r in comparison.runs]
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if 0 < 10 * lowest < ceiling:
        ax.set(yscale="log", ylim=(lowest / 1.5, ceiling))
        ax.yaxis.set_major_formatter("{x:g}")
    else:
        ax.set_ylim(lowest - 0.05 * (ceiling - lowest), ceiling)
    ax.set(xlim=(0, max(map(len, curves)) - 1), xlabel="step", ylabel="loss")
    ax.grid(alpha=0.3)
    ax.set_title(f"curvature at the start allows rates up to {comparison.limit:.3g}")
    tracks = _tracks(ax, curves, dots=0)
    _label_ends(ax, comparison, tracks)
    return tracks


def _label_ends(ax: Axes, comparison: RateComparison, tracks: Sequence[_Track]) -> None:
    """Write at the right of the axes what each track is, at its height as far as there is room."""
    ends = [_fractions(ax).transform(track.points[-1]) for track in tracks]
    heights = _spread(np.clip([end[1] for end in ends], 0, 1), gap=0.07)
    for run, (_, line, head), end, height in zip(
        comparison.runs, tracks, ends, heights, strict=True
    ):
        style: dict[str, Any] = {"transform": ax.transAxes, "clip_on": False}
        if end[0] >= 1:
            ax.plot([1, 1.06], [end[1], height], color=line.get_color(), lw=1, **style)
        else:
            marker = head.get_marker()
            ax.plot([1.045], [height], marker=marker, ms=9, color=line.get_color(), **style)
        ax.text(1.075, height, f"{run.rate:g} {run.verdict}", va="center_baseline", **style)


def _spread(heights: Array, gap: float) -> Array:
    """Move heights between 0 and 1 apart, in their order, to distances of at least `gap`."""
    order = np.argsort(heights, kind="stable")
    gap = min(gap, 1 / max(len(heights) - 1, 1))
    floors = gap * np.arange(len(heights))
    moved = np.maximum.accumulate(heights[order] - floors)
    spread = np.empty(len(heights))
    spread[order] = np.minimum(moved, 1 - floors[-1]) + floors
    return spread


def _path_tracks(
    comparison: RateComparison, plane: Plane, ax: Axes, resolution: int
) -> list[_Track]:
    """Draw the loss on the plane and the start, and return the tracks."""
    lowest, ceiling = comparison.lowest, _ceiling(comparison)
    paths, seen = [], []
    for run in comparison.runs:
        path = plane.coordinates(_weights(run))
        if len(plane.directions) == 1:
            path = np.column_stack([path, _losses(run)])
        paths.append(path)
        seen.append(path[_in_sight(run, ceiling)])
    low, high = _window(np.concatenate(seen))
    axes = [np.linspace(*ends, resolution) for ends in zip(low, high, strict=True)]
    axes = axes[: len(plane.directions)]
    heights = plane.heights(comparison.surface, *axes)
    if len(axes) == 1:
        draw_curve(ax, plane, axes[0], heights)
    else:
        draw_contours(ax, plane, axes, heights, (lowest, ceiling))
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    ax.set_title("paths from the same start")
    mark_point(ax, *paths[0][0])
    return _tracks(ax, paths, dots=3)


def _label_tracks(ax: Axes, comparison: RateComparison, tracks: Sequence[_Track]) -> None:
    """Write the rate of each track close to it, where there is most room, and mark the start."""
    from matplotlib.patheffects import withStroke

    start = _fractions(ax).transform(tracks[0].points[:1])
    lines = [start, *(_thinned(_fractions(ax).transform(track.points)) for track in tracks)]
    texts = ["start", *(f"{run.rate:g}" for run in comparison.runs)]
    colors = ["black", *(track.line.get_color() for track in tracks)]
    labels = np.array([[9.0, 9.0]])  # far away, so that there is one to keep away from
    for i, (line, text, color) in enumerate(zip(lines, texts, colors, strict=True)):
        spots = _around(line)
        room = [
            _distances(spots, np.concatenate(lines[:i] + lines[i + 1 :])),
            3 * _distances(spots, line),
            0.4 * _distances(spots, labels),  # from middle to middle
        ]
        if len(spots):
            x, y = spots[np.min(room, axis=0).argmax()]
            labels = np.vstack([labels, [x, y]])
            words = ax.text(x, y, text, color=color, transform=ax.transAxes, zorder=7)
            words.set(weight="bold", ha="center", va="center")
            words.set_path_effects([withStroke(linewidth=3, foreground="white", alpha=0.8)])


def _around(line: Array) -> Array:
    """Return spots beside a line that are well inside the axes, in fractions of them."""
    angles = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    aside = np.column_stack([0.075 * np.cos(angles), 0.05 * np.sin(angles)])  # words are wide
    spots: Array = line[:, None] + aside
    inside = (abs(spots - 0.5) < [0.42, 0.45]).all(axis=-1)
    return spots[inside]


def _distances(points: Array, others: Array) -> Array:
    """Return how far each point is from the nearest of others."""
    apart = np.hypot(*(points[:, None] - others).transpose(2, 0, 1))
    return np.asarray(apart.min(axis=1))


def _thinned(points: Array, count: int = 150) -> Array:
    """Return so many points at even distances along a path."""
    lengths = np.append(0, np.cumsum(np.hypot(*np.diff(points, axis=0).T)))
    places = np.linspace(0, lengths[-1], count)
    return np.column_stack([np.interp(places, lengths, column) for column in points.T])
