"""The decision boundary of a classifier of points in the plane, at rest and while it learns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autograd import ShapeError, no_grad
from nn.data.checks import as_array, as_rows, class_indices
from nn.history import Epoch
from nn.module import Module, finite_number, require_callable, require_kind, whole_number
from nn.plots.figure import COLORS, MARKERS, figure_of, legend_above, names_of, new_axes, shades
from nn.steps import checked_data, forward, mode_kept

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

__all__ = ["BoundaryFrames", "Frame", "animate_boundary", "plot_boundary"]

_PLATE = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "boxstyle": "round"}


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
    plane = _Plane(x, y, resolution)
    require_callable("predict", predict, "predict(points)")
    ax = new_axes(ax, 6.4, 4.8)
    margins = plane.margins(predict(plane.grid))
    plane.draw_points(ax, margins.shape[-1], class_names)
    plane.fill_regions(ax, margins, margins.max())
    return ax


class Frame(NamedTuple):
    """What a classifier decided where, after an epoch.

    Attributes
    ----------
    epoch : int
    margins : ndarray of float32, shape (resolution, resolution, classes)
        Each class's score minus the best of the others, at the points of the grid.

    Examples
    --------
    >>> Frame(3, np.zeros((80, 80, 2), np.float32)).epoch
    3
    """

    epoch: int
    margins: NDArray[np.float32]


class BoundaryFrames:
    """A callback of `fit` that remembers how the decision boundary moves, for an animation.

    After each epoch it runs the model on a grid, in `eval` mode, and leaves the model as it was.
    When there are `most` frames, it drops every other one and from then on keeps half as
    many; those it keeps are evenly spaced, and the newest one is always there.

    Parameters
    ----------
    x : array_like, shape (n, 2)
        The points that the model learns, or others: they are drawn on top.
    y : array_like of int, shape (n,)
        Their classes.
    resolution : int
        Points a side of the grid. A net of Values is slow: 30 will do for one.
    most : int
        Frames to keep, at least 2; each takes ``4 * resolution**2 * classes`` bytes.

    Raises
    ------
    ShapeError, DataError, ValueError
        As for `plot_boundary`.

    Examples
    --------
    ``fit(..., callbacks=[frames])`` adds a frame an epoch; here it is done by hand.

    >>> from nn import MLP
    >>> from nn.data import moons
    >>> frames = BoundaryFrames(*moons(100), most=4)
    >>> for epoch in range(10):
    ...     frames.add(epoch, MLP(2, [8, 2], rng=epoch))
    >>> [frame.epoch for frame in frames]
    [0, 4, 8, 9]
    """

    def __init__(self, x: ArrayLike, y: ArrayLike, *, resolution: int = 80, most: int = 60) -> None:
        self._plane = _Plane(x, y, resolution)
        self._most = whole_number("most", most, 2)
        self._kept: list[Frame] = []
        self._newest: list[Frame] = []  # one, or none at the start
        self._added = 0
        self._stride = 1

    def __call__(self, epoch: Epoch) -> None:
        """Add the frame of an epoch, as `fit` calls it."""
        require_kind("epoch", epoch, Epoch)
        self.add(epoch.number, epoch.model)

    def add(self, epoch: int, model: Module) -> None:
        """Add a frame: what `model` decides now, after `epoch` epochs; 0 is the untrained one.

        Raises
        ------
        ValueError
            If the epoch is not after the newest one, or a score is not finite.
        ShapeError
            If the model does not take points of the plane, or does not return scores.
        DataError
            If an argument is of the wrong kind.
        """
        require_kind("model", model, Module)
        epoch = whole_number("epoch", epoch, 0)
        if self._newest and epoch <= self._newest[0].epoch:
            raise ValueError(
                f"epoch {epoch} comes after epoch {self._newest[0].epoch}: "
                "another training needs BoundaryFrames of its own"
            )
        self._newest = [Frame(epoch, self._margins(model))]
        if self._added % self._stride == 0:
            self._kept += self._newest
        if len(self._kept) == self._most:
            del self._kept[1::2]
            self._stride *= 2
        self._added += 1

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames in order, the newest last."""
        yield from self._kept
        yield from (frame for frame in self._newest if frame is not self._kept[-1])

    def _margins(self, model: Module) -> NDArray[np.float32]:
        points, _ = checked_data("data", (self._plane.grid, self._plane.grid), model)
        with mode_kept(model), no_grad():
            scores = forward(model.eval(), points)
        most = np.finfo(np.float32).max
        return np.clip(self._plane.margins(scores), -most, most).astype(np.float32)


def animate_boundary(
    frames: BoundaryFrames,
    ax: Axes | None = None,
    *,
    class_names: Sequence[str] | None = None,
    seconds: float = 6.0,
) -> FuncAnimation:
    """Return the decision boundary as it moved during training, as an animation.

    Pictures are those of `plot_boundary`, with one scale of margins for all of them, so that
    colours darken as the classifier becomes sure. The last one stays for a sixth of the time.
    `nn.plots.save_animation` writes a GIF; in a notebook,
    ``IPython.display.HTML(animation.to_jshtml())`` shows it with controls.

    Parameters
    ----------
    frames : BoundaryFrames
        After a training with it as a callback.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if not given.
    class_names : sequence of str, optional
        One name a class for the legend; "class 0", "class 1", ... if not given.
    seconds : float
        How long it takes, 0.1 to 600.

    Returns
    -------
    matplotlib.animation.FuncAnimation

    Raises
    ------
    DataError
        If an argument is of the wrong kind.
    ValueError
        If there are no frames, or `seconds` is out of range.
    ShapeError
        If there are not enough names, or models with different numbers of classes.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from nn import MLP, SGD, cross_entropy, fit
    >>> from nn.data import moons
    >>> from nn.plots import save_animation
    >>> data, model = moons(100), MLP(2, [8, 2], rng=0)
    >>> frames = BoundaryFrames(*data)
    >>> optimizer = SGD(model, lr=0.1)
    >>> _ = fit(model, cross_entropy, optimizer, data, 3, callbacks=[frames], progress=False)
    >>> with TemporaryDirectory() as folder:
    ...     save_animation(animate_boundary(frames), Path(folder) / "boundary.gif").name
    'boundary.gif'
    """
    require_kind("frames", frames, BoundaryFrames)
    pictures = list(frames)
    if not pictures:
        raise ValueError(
            "there are no frames: pass the BoundaryFrames to fit(..., callbacks=[frames]) first"
        )
    if len({frame.margins.shape for frame in pictures}) > 1:
        raise ShapeError("the frames are of models with different numbers of classes")
    if finite_number("seconds", seconds, minimum=0.1) > 600:
        raise ValueError(f"seconds must be at most 600, got {seconds}")
    ax = new_axes(ax, 6.4, 4.8)
    from matplotlib.animation import FuncAnimation

    largest = max(float(frame.margins.max()) for frame in pictures)
    frames._plane.draw_points(ax, pictures[0].margins.shape[-1], class_names)
    corner = ax.text(0.02, 0.97, "", va="top", transform=ax.transAxes, bbox=_PLATE)
    regions: list[Artist] = []

    def show(frame: Frame) -> list[Artist]:
        while regions:
            regions.pop().remove()
        regions.extend(frames._plane.fill_regions(ax, frame.margins, largest))
        corner.set_text(f"epoch {frame.epoch}")
        return [*regions, corner]

    pictures += [pictures[-1]] * (len(pictures) // 5)
    return FuncAnimation(
        figure_of(ax),
        show,
        pictures,
        interval=1000 * seconds / len(pictures),
        init_func=lambda: [corner],
    )


class _Plane:
    """Points of the plane with their classes, and a grid around them."""

    def __init__(self, x: ArrayLike, y: ArrayLike, resolution: int) -> None:
        self.points, _ = as_rows(x, y)
        self.labels = class_indices("y", y)
        shape = self.points.shape
        if len(shape) != 2 or shape[1] != 2:
            raise ShapeError(f"x must hold points of the plane, shape (n, 2), got {shape}")
        if not np.isfinite(self.points).all():
            raise ValueError("x must be finite, but it holds nan or inf")
        self.side = whole_number("resolution", resolution, 2, 10_000)
        self.across, self.up = (_axis_range(column, self.side) for column in self.points.T)

    @property
    def grid(self) -> NDArray[np.float64]:
        """The points of the grid, shape (side^2, 2), row by row."""
        return np.stack(np.meshgrid(self.across, self.up), axis=-1).reshape(-1, 2)

    def margins(self, scores: Any) -> NDArray[np.float64]:
        """Each class's score minus the best of the others, shape (side, side, classes)."""
        return _margins(scores, self.side**2).reshape(self.side, self.side, -1)

    def draw_points(self, ax: Axes, classes: int, class_names: Sequence[str] | None) -> None:
        """Draw the points by class, with a legend, and the limits of the grid."""
        classes = max(classes, int(self.labels.max()) + 1)
        names = names_of(class_names, classes, "class {}")
        dots = []
        for k in np.unique(self.labels):
            px, py = self.points[self.labels == k].T
            look: dict[str, Any] = {
                "color": COLORS[k % len(COLORS)],
                "marker": MARKERS[k % len(MARKERS)],
            }
            dots.append(
                ax.scatter(px, py, 24, label=names[k], edgecolors="white", zorder=3, **look)
            )
        legend_above(ax, dots, columns=5)
        ax.set(xlabel="x0", ylabel="x1", xlim=self.across[[0, -1]], ylim=self.up[[0, -1]])

    def fill_regions(self, ax: Axes, margins: NDArray[Any], largest: float) -> list[Artist]:
        """Fill where each margin is positive, in seven steps to the largest, and outline it."""
        levels = np.linspace(0, largest, 8)
        strengths = np.linspace(0.12, 0.6, 7)
        drawn: list[Artist] = []
        for k, margin in enumerate(np.moveaxis(margins, -1, 0)):
            if margin.max() > 0:
                colors = list(shades(COLORS[k % len(COLORS)], strengths))
                drawn.append(
                    ax.contourf(self.across, self.up, margin, levels=levels, colors=colors)
                )
            if margin.min() < 0 < margin.max():
                drawn.append(
                    ax.contour(
                        self.across, self.up, margin, levels=[0], colors="black", linewidths=1
                    )
                )
        return drawn


def _axis_range(values: NDArray[Any], steps: int) -> NDArray[np.float64]:
    """Even steps over the range of `values` and a tenth more on either side."""
    low, high = float(values.min()), float(values.max())
    room = 0.1 * (high - low) or 1.0
    return np.linspace(low - room, high + room, steps)


def _margins(scores: Any, points: int) -> NDArray[np.float64]:
    """Each class's score minus the best of the others, shape (points, classes)."""
    values = as_array("the scores", scores).astype(np.float64)
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2 or len(values) != points or values.shape[1] == 0:
        raise ShapeError(
            f"a classifier must return shape ({points},) or ({points}, classes) "
            f"for {points} points, got {values.shape}"
        )
    if not np.isfinite(values).all():
        raise ValueError("there are scores that are nan or inf: has training diverged?")
    if values.shape[1] == 1:
        return np.hstack([-values, values])
    ranked = np.sort(values, axis=1)
    best, second = ranked[:, -1:], ranked[:, -2:-1]
    return values - np.where(values == best, second, best)
