"""Small two-dimensional data sets that no straight line separates, drawn from a seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nn.data.dataset import Dataset
from nn.module import MOST, finite_number, whole_number

__all__ = ["circles", "moons", "spirals"]


def moons(n: int, noise: float = 0.1, seed: int = 0) -> Dataset:
    """Draw two half circles, each reaching into the other.

    Class 0 is the upper half of the unit circle, class 1 the lower half of the unit circle
    about (1, 1/2).

    Parameters
    ----------
    n : int
        How many points, at least 2; the classes have n/2 each (class 0 one more if n is odd).
    noise : float
        Standard deviation of the normal noise that is added to both coordinates.
    seed : int
        Of the noise and of the order of the rows.

    Returns
    -------
    Dataset
        `x` of shape (n, 2), `y` of shape (n,), in random order.

    Raises
    ------
    DataError
        If an argument is not a number.
    ValueError
        If `n`, `noise` or `seed` is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from nn.data import moons
    >>> x, y = moons(100, noise=0)
    >>> bool(np.allclose(np.linalg.norm(x[y == 0], axis=1), 1))
    True
    """
    y, t = _along_curves(n, classes=2)
    angle = np.pi * t
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    lower = np.stack([1 - np.cos(angle), 0.5 - np.sin(angle)], axis=1)
    return _noisy("moons", np.where(y[:, None] == 0, upper, lower), y, noise, seed)


def circles(n: int, noise: float = 0.1, seed: int = 0, *, factor: float = 0.5) -> Dataset:
    """Draw a circle around a smaller circle.

    Class 0 is the unit circle, class 1 the circle of radius `factor` inside it.

    Parameters
    ----------
    n : int
        How many points, at least 2; the classes have n/2 each (class 0 one more if n is odd).
    noise : float
        Standard deviation of the normal noise that is added to both coordinates.
    seed : int
        Of the noise and of the order of the rows.
    factor : float
        Radius of the inner circle, between 0 and 1.

    Returns
    -------
    Dataset
        `x` of shape (n, 2), `y` of shape (n,), in random order.

    Raises
    ------
    DataError
        If an argument is not a number.
    ValueError
        If `n`, `noise`, `seed` or `factor` is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from nn.data import circles
    >>> x, y = circles(100, noise=0)
    >>> bool(np.allclose(np.linalg.norm(x[y == 1], axis=1), 0.5))
    True
    """
    factor = finite_number("factor", factor)
    if not 0 < factor < 1:
        raise ValueError(f"factor must be between 0 and 1, both excluded, got {factor}")
    y, t = _along_curves(n, classes=2, closed=True)
    angle, radius = 2 * np.pi * t, np.where(y == 0, 1.0, factor)
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return _noisy("circles", points, y, noise, seed)


def spirals(
    n: int, noise: float = 0.03, seed: int = 0, *, classes: int = 2, turns: float = 1.0
) -> Dataset:
    """Draw the arms of a spiral, one a class, from near the origin out to radius 1.

    The arms are Archimedean: the angle grows in proportion to the radius.

    Parameters
    ----------
    n : int
        How many points, at least one a class; class sizes differ by at most one.
    noise : float
        Standard deviation of the normal noise that is added to both coordinates. Arms are
        ``1 / (classes * turns)`` apart.
    seed : int
        Of the noise and of the order of the rows.
    classes : int
        How many arms, at least 2.
    turns : float
        How often an arm winds around the origin; negative winds clockwise.

    Returns
    -------
    Dataset
        `x` of shape (n, 2), `y` of shape (n,), in random order.

    Raises
    ------
    DataError
        If an argument is not a number.
    ValueError
        If `n`, `noise`, `seed`, `classes` or `turns` is out of range.

    Examples
    --------
    >>> from nn.data import spirals
    >>> spirals(300, classes=3)
    Dataset('spirals': 300 rows, 2 features, 3 classes)
    """
    classes = whole_number("classes", classes, 2, MOST)
    y, t = _along_curves(n, classes)
    radius = 0.1 + 0.9 * t  # not from 0, where all arms would share a point
    angle = 2 * np.pi * (finite_number("turns", turns) * radius + y / classes)
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return _noisy("spirals", points, y, noise, seed)


def _along_curves(
    n: int, classes: int, *, closed: bool = False
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Deal `n` points to `classes` curves: the class of each and its place in 0..1, even steps.

    A closed curve leaves out 1, which is where it started.
    """
    y = np.arange(whole_number("n", n, classes, MOST)) % classes
    places = [np.linspace(0, 1, count, endpoint=not closed) for count in np.bincount(y)]
    t = np.empty(n)
    for k, place in enumerate(places):
        t[y == k] = place
    return y, t


def _noisy(
    name: str, points: NDArray[np.float64], y: NDArray[np.int64], noise: float, seed: int
) -> Dataset:
    """Add the noise, shuffle the rows and wrap them up."""
    noise = finite_number("noise", noise, minimum=0)
    rng = np.random.default_rng(whole_number("seed", seed, 0))
    x = points + rng.normal(scale=noise, size=points.shape)
    rows = rng.permutation(len(y))
    classes = int(y.max()) + 1
    return Dataset(
        x=x[rows],
        y=y[rows],
        feature_names=("x0", "x1"),
        class_names=tuple(map(str, range(classes))),
        name=name,
        source=f"generated: nn.data.{name}, n={len(y)}, noise={noise:g}, seed={seed}",
    )
