"""`Plane`: which two directions in the space of all parameters a picture shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd import DataError
from nn.lab.surface import LossSurface

__all__ = [
    "Pair",
    "Plane",
    "chosen_plane",
    "filter_directions",
    "plane_of_all",
    "plane_of_paths",
    "random_plane",
    "sharpest_plane",
]

Array = NDArray[Any]
Pair = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Plane:
    """A plane in the space of all parameters; a line, for a model of one number.

    Attributes
    ----------
    origin : array, shape (size,)
    directions : array, shape (2, size) or (1, size)
    labels : tuple of str
        What to write at the axes.

    Examples
    --------
    >>> plane = Plane(np.zeros(3), np.eye(3)[:2], ("a", "b"))
    >>> plane.coordinates([[1.0, 2.0, 5.0]])
    array([[1., 2.]])
    >>> [point.tolist() for point in plane.points([[1.0, 2.0]])]
    [[1.0, 2.0, 0.0]]
    """

    origin: Array
    directions: Array
    labels: tuple[str, ...]

    def coordinates(self, points: Any) -> NDArray[np.float64]:
        """Return where the plane is nearest to each of some points, shape (n, 2)."""
        away = np.asarray(points, np.float64) - self.origin
        return np.asarray(away @ np.linalg.pinv(self.directions))

    def points(self, coordinates: Any) -> Iterator[Array]:
        """Yield the points of the plane that have some coordinates, shape (n, 2)."""
        return (self.origin + where @ self.directions for where in np.asarray(coordinates))

    def heights(self, surface: LossSurface, *axes: Array) -> NDArray[np.float64]:
        """Return the loss on a grid, given the coordinates along each direction.

        Of shape (rows, columns), the first direction across: as matplotlib draws it.
        """
        grid = np.stack(np.meshgrid(*axes), axis=-1)
        losses = surface.losses(self.points(grid.reshape(-1, len(axes))))
        return losses.reshape(grid.shape[:-1])


def chosen_plane(surface: LossSurface, names: Sequence[str], origin: Array) -> Plane:
    """Return the plane of two numbers of the model, the others as they are at `origin`.

    Raises
    ------
    DataError
        If `names` is no pair of names.
    ValueError
        If they are the same, or there is none of that name.

    Examples
    --------
    >>> from nn import Linear, mse_loss
    >>> surface = LossSurface(Linear(2, 1), mse_loss, ([[1.0, 1.0]], [1.0]))
    >>> chosen_plane(surface, ("weight[0, 1]", "bias"), np.array([7.0, 8.0, 9.0]))
    Plane(origin=array([7., 0., 0.]), directions=array([[0., 1., 0.],
           [0., 0., 1.]]), labels=('weight[0, 1]', 'bias'))
    """
    if isinstance(names, str) or not isinstance(names, Sequence) or len(names) != 2:
        raise DataError(
            f"a plane is chosen by two names, such as ('weight', 'bias'), got {names!r}"
        )
    if names[0] == names[1]:
        raise ValueError(f"a plane needs two different parameters, got {names[0]!r} twice")
    positions = [_position(surface, name) for name in names]
    origin = np.array(origin, np.float64)
    origin[positions] = 0
    directions = np.zeros((2, surface.size))
    directions[[0, 1], positions] = 1
    return Plane(origin, directions, tuple(names))


def plane_of_all(surface: LossSurface) -> Plane:
    """Return the plane of the two numbers that a model has, or the line of its one.

    >>> from nn import Linear, mse_loss
    >>> plane_of_all(LossSurface(Linear(1, 1), mse_loss, ([[1.0]], [1.0]))).labels
    ('weight', 'bias')
    """
    return Plane(np.zeros(surface.size), np.eye(surface.size), tuple(surface.names))


def plane_of_paths(points: Array, end: Array) -> Plane:
    """Return the plane through the end of a path that is nearest to its points.

    Its directions are the first two principal directions of the points, seen from the end: Li,
    Xu, Taylor, Studer & Goldstein, "Visualizing the loss landscape of neural nets", NeurIPS 2018,
    section 7. The labels say which share of the squared distances from the end lies in each.

    >>> path = np.array([[4.0, 0.0, 1.0], [2.0, 1.0, 1.0], [0.0, 0.0, 1.0]])
    >>> plane_of_paths(path, path[-1]).labels
    ('principal direction 1 (96 % of the paths)', 'principal direction 2 (4 % of the paths)')
    """
    away = np.asarray([*points, end] - end, np.float64)  # two rows at least
    _, spreads, directions = np.linalg.svd(away, full_matrices=False)
    shares = 100 * spreads**2 / ((spreads**2).sum() or 1)
    start = directions[:2] @ away[0]
    signs = np.where(start > 0, -1.0, 1.0)  # the start is at the lower left
    labels = [f"principal direction {i + 1} ({shares[i]:.0f} % of the paths)" for i in range(2)]
    return Plane(np.asarray(end, np.float64), signs[:, None] * directions[:2], tuple(labels))


def sharpest_plane(surface: LossSurface, origin: Array) -> Plane:
    """Return the plane of the two directions in which the loss is curved most, of length 1.

    Raises
    ------
    ValueError
        If a second derivative is not finite.

    Examples
    --------
    >>> from nn import Linear, mse_loss
    >>> surface = LossSurface(Linear(1, 1), mse_loss, ([[0.0], [2.0]], [1.0, 1.0]))
    >>> sharpest_plane(surface, np.zeros(2)).labels
    ('direction of curvature 5.24', 'direction of curvature 0.764')
    """
    values, directions = surface.curvatures(origin, count=2)
    if not np.isfinite(values).all():
        raise ValueError("a second derivative of the loss is not finite: choose another plane")
    labels = [f"direction of curvature {value:.3g}" for value in values]
    return Plane(np.asarray(origin, np.float64), directions, tuple(labels))


def random_plane(surface: LossSurface, origin: Array, seed: int) -> Plane:
    """Return the plane of two random directions of `filter_directions`.

    >>> from nn import Linear, mse_loss
    >>> surface = LossSurface(Linear(2, 1), mse_loss, ([[1.0, 1.0]], [1.0]))
    >>> random_plane(surface, np.ones(3), seed=0).directions.shape
    (2, 3)
    """
    directions = filter_directions(surface, origin, seed)
    return Plane(
        np.asarray(origin, np.float64), directions, ("random direction 1", "random direction 2")
    )


def filter_directions(surface: LossSurface, weights: Array, seed: int) -> NDArray[np.float64]:
    """Draw two random directions, each filter of which has the length of the weights' own.

    Step 1 along it changes each filter by as much as it is long, so that nets of which one has
    larger weights than the other, to the same effect, look alike: Li et al., section 4. A filter
    is what one neuron multiplies its inputs with, a row of a matrix; and a vector, or a list of
    Values, as a whole.

    Raises
    ------
    ValueError
        If all weights are 0.

    Examples
    --------
    >>> from nn import Linear, mse_loss
    >>> surface = LossSurface(Linear(2, 2), mse_loss, ([[1.0, 1.0]], [[1.0, 1.0]]))
    >>> drawn = filter_directions(surface, np.array([3.0, 4.0, 0.0, 0.0, 1.0, 0.0]), seed=0)
    >>> np.linalg.norm(drawn.reshape(2, 3, 2), axis=-1).round(6)
    array([[5., 0., 1.],
           [5., 0., 1.]])
    """
    drawn = np.random.default_rng(seed).normal(size=(2, surface.size))
    for part in _filters(surface):
        length = np.linalg.norm(weights[part])
        drawn[:, part] *= length / np.linalg.norm(drawn[:, part], axis=1, keepdims=True)
    if not drawn.any():
        raise ValueError("all weights are 0, and so are directions of their length: choose others")
    return drawn


def _filters(surface: LossSurface) -> Iterator[slice]:
    """Yield which numbers of the vector make up each filter.

    Their names have the same beginning: "weight[2, ", "bias[", "w." before a number.
    """
    stop = 0
    for _, names in groupby(surface.names, key=_filter_name):
        start, stop = stop, stop + len(list(names))
        yield slice(start, stop)


def _filter_name(name: str) -> str:
    row, comma, _ = name.partition(", ")
    array, bracket, _ = name.partition("[")
    stem, _, last = name.rpartition(".")
    return row if comma else array if bracket else stem if last.isdigit() else name


def _position(surface: LossSurface, name: str) -> int:
    try:
        return surface.names.index(name)
    except ValueError:
        parts = [f"{name} {p.shape or ''}".rstrip() for name, p in surface.parameters.items()]
        known = ", ".join(parts[:8]) + ", ..." * (len(parts) > 8)
        example = surface.names[0]
        raise ValueError(
            f"no number of the model is called {name!r}, of {known}: name one like {example!r}"
        ) from None
