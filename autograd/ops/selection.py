"""NumPy's ways of picking elements and putting them elsewhere, all made of indexing and joining.

The places come from NumPy's own function, applied to the numbers of the places.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import OutOfRangeError, ShapeError
from ..graph import Node
from ..primitive import Function, as_data, describe
from .comparison import plain, where
from .indexing import getitem, plain_index, scatter
from .linalg import diagonal
from .shape import (
    axes_of,
    axis_in,
    broadcast_arrays,
    broadcast_to,
    concatenate,
    moveaxis,
    operand,
    ravel,
    reshape,
    shape_of,
    stack,
)

__all__ = [
    "choose",
    "compress",
    "delete",
    "diag",
    "diagflat",
    "extract",
    "insert",
    "partition",
    "resize",
    "select",
    "take",
    "take_along_axis",
    "tril",
    "triu",
    "unique",
]


def _flat_unless(x: Any, axis: int | None, who: str) -> tuple[Any, int]:
    """The array and the axis to work along: of the flattened array where none is given."""
    x = operand(x, who)
    return (ravel(x), 0) if axis is None else (x, axis_in(axis, len(shape_of(x)), who))


def _along(x: Any, places: Any, axis: int) -> Any:
    return getitem(x, ((slice(None),) * axis + (places,)) if axis else places)


def _numpy_says(who: str, x: Any, function: Function, *args: Any, **options: Any) -> Any:
    """What NumPy's function gives for places; its complaint as one of the package."""
    try:
        return function(*args, **options)
    except IndexError as error:
        raise OutOfRangeError(f"{who} does not fit shape {shape_of(x)}: {error}") from None
    except (ValueError, TypeError) as error:
        raise ShapeError(f"{who} does not fit shape {shape_of(x)}: {error}") from None


# --------------------------------------------------------------------------- taking


def take(a: Any, indices: Any, axis: int | None = None, mode: str = "raise") -> Any:
    """Take the elements, or the slices along an axis, at `indices`.

    Without an axis from the flattened array. Indices beyond the end are an error, or with `mode`
    "wrap" count on from the start, with "clip" stand for the last.

    >>> take([1.0, 2.0, 3.0], [2, 0])
    array([3., 1.])
    """
    a, axis = _flat_unless(a, axis, "take")
    indices = plain_index(indices)
    if mode == "raise":
        return _along(a, indices, axis)
    every = np.arange(shape_of(a)[axis])
    return _along(a, _numpy_says("take", a, np.take, every, indices, mode=mode), axis)


def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    """Take along an axis at an index for each of the other places, such as `argsort` gives.

    >>> take_along_axis([[1.0, 2.0], [3.0, 4.0]], [[1], [0]], axis=1)
    array([[2.],
           [3.]])
    """
    arr, axis = _flat_unless(arr, axis, "take_along_axis")
    indices = np.asarray(plain_index(indices))
    if indices.ndim != len(shape_of(arr)):
        raise ShapeError(
            f"take_along_axis needs indices of {len(shape_of(arr))} dimensions for shape "
            f"{shape_of(arr)}, got shape {indices.shape}"
        )
    index: list[Any] = list(np.indices(shape_of(arr), sparse=True))
    index[axis] = indices
    return getitem(arr, tuple(index))


def compress(condition: Any, a: Any, axis: int | None = None) -> Any:
    """Take the slices along an axis where a vector of bools holds.

    >>> compress([True, False, True], [1.0, 2.0, 3.0])
    array([1., 3.])
    """
    a, axis = _flat_unless(a, axis, "compress")
    condition = np.asarray(plain(condition))
    if condition.ndim != 1:
        raise ShapeError(f"compress: the condition is a vector, got shape {condition.shape}")
    return _along(a, np.flatnonzero(condition), axis)


def extract(condition: Any, arr: Any) -> Any:
    """Take the elements where a condition holds, in one vector.

    >>> extract([[True], [False]], [[1.0], [2.0]])
    array([1.])
    """
    return take(arr, np.flatnonzero(np.asarray(plain(condition))))


def delete(arr: Any, obj: Any, axis: int | None = None) -> Any:
    """Take all but the elements, or the slices along an axis, that an index names.

    >>> delete([1.0, 2.0, 3.0], 1)
    array([1., 3.])
    """
    arr, axis = _flat_unless(arr, axis, "delete")
    every = np.arange(shape_of(arr)[axis])
    return _along(arr, _numpy_says("delete", arr, np.delete, every, plain_index(obj)), axis)


def partition(a: Any, kth: int | Sequence[int], axis: int | None = -1) -> Any:
    """Put the element of rank `kth` where sorting would, with smaller ones before it.

    The gradient goes back along the permutation.

    >>> float(partition([3.0, 1.0, 2.0], 0)[0])
    1.0
    """
    a, axis = _flat_unless(a, axis, "partition")
    order = _numpy_says("partition", a, np.argpartition, plain(a), axes_of(kth), axis=axis)
    return take_along_axis(a, order, axis)


def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    *,
    equal_nan: bool = True,
) -> Any:
    """Take each number once, in ascending order; of equal ones the gradient goes to the first.

    What else is asked for follows as plain arrays of integers.

    >>> unique([2.0, 1.0, 2.0])
    array([1., 2.])
    """
    flat, along = _flat_unless(ar, axis, "unique")
    given = plain(flat) if axis is not None else plain(operand(ar, "unique"))
    options = {"axis": axis, "equal_nan": equal_nan}
    found = _numpy_says("unique", ar, np.unique, given, True, return_inverse, True, **options)
    taken = _along(flat, found[1], along)
    more = [*found[1:2] * return_index, *found[2:-1], *found[-1:] * return_counts]
    return (taken, *more) if more else taken


# --------------------------------------------------------------------------- choosing


def choose(a: Any, choices: Sequence[Any], mode: str = "raise") -> Any:
    """Build an array from those in `choices`: each element of `a` says from which.

    >>> choose([1, 0], [[1.0, 2.0], [3.0, 4.0]])
    array([3., 2.])
    """
    a = np.asarray(plain(a))
    *parts, _ = broadcast_arrays(*choices, a)
    which = _numpy_says("choose", a, np.choose, a, [*range(len(parts))], mode=mode)
    joined = stack(parts)
    which = np.broadcast_to(which, shape_of(joined)[1:])
    return getitem(joined, (which, *np.indices(which.shape, sparse=True)))


def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0.0) -> Any:
    """Choose elementwise by the first condition that holds, else `default`.

    Choices that are not taken contribute nothing to a gradient, as in `where`.

    >>> select([np.array([True, False])], [np.array([1.0, 2.0])], default=5.0)
    array([1., 5.])
    """
    if len(condlist) != len(choicelist) or not condlist:
        raise ShapeError(
            f"select needs as many conditions as choices, at least one, got {len(condlist)} "
            f"and {len(choicelist)}"
        )
    chosen = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        mask = np.asarray(plain(condition))
        if mask.dtype != bool:
            raise ShapeError(f"select: a condition holds bools, got {describe(mask)}")
        choice, chosen = (x if isinstance(x, Node) else as_data(x) for x in (choice, chosen))
        chosen = where(mask, choice, chosen)
    return chosen


# --------------------------------------------------------------------------- putting elsewhere


def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    """Put `values` before the elements, or the slices along an axis, that an index names.

    >>> insert([1.0, 2.0], 1, 5.0)
    array([1., 5., 2.])
    """
    arr, axis = _flat_unless(arr, axis, "insert")
    shape = shape_of(arr)
    values, obj = operand(values, "insert"), plain_index(obj)
    if not isinstance(values, Node) and arr.dtype.kind == "f":
        values = values.astype(arr.dtype)  # as NumPy does, so that float32 stays float32
    missing = len(shape) - len(shape_of(values))
    values = reshape(values, (1,) * max(missing, 0) + shape_of(values))
    if isinstance(obj, int):  # then the first axis of the values lies along the axis
        values = moveaxis(values, 0, axis)
        added = shape_of(values)[axis]
    else:
        added = len(np.arange(shape[axis])[obj]) if isinstance(obj, slice) else _how_many(obj)
    every, new = np.arange(shape[axis]), np.arange(added) + shape[axis]
    order = _numpy_says("insert", arr, np.insert, every, obj, new)
    room = (*shape[:axis], added, *shape[axis + 1 :])
    if len(shape_of(values)) > len(room) or any(
        n not in (1, m) for n, m in zip(shape_of(values), room, strict=True)
    ):
        raise ShapeError(f"insert: values of shape {shape_of(values)} do not broadcast to {room}")
    values = broadcast_to(values, room)
    return _along(concatenate([arr, values], axis=axis), order, axis)


def _how_many(places: np.ndarray) -> int:
    return int(np.count_nonzero(places) if places.dtype == bool else places.size)


def resize(a: Any, new_shape: int | Sequence[int]) -> Any:
    """Fill another shape with the elements of `a`, repeated or cut off; zeros if it has none.

    >>> resize([1.0, 2.0], (2, 2))
    array([[1., 2.],
           [1., 2.]])
    """
    flat = ravel(operand(a, "resize"))
    shape = axes_of(new_shape)
    if shape_of(flat) == (0,):
        return broadcast_to(concatenate([flat, np.zeros(1, flat.dtype)]), shape)
    return getitem(flat, _numpy_says("resize", a, np.resize, np.arange(len(flat)), shape))


def tril(m: Any, k: int = 0) -> Any:
    """Keep the lower triangle of each matrix, up to the `k`-th diagonal; 0 elsewhere.

    >>> tril([[1.0, 2.0], [3.0, 4.0]])
    array([[1., 0.],
           [3., 4.]])
    """
    m = operand(m, "tril")
    return where(_triangle(m, k, "tril"), m, np.zeros((), m.dtype))


def triu(m: Any, k: int = 0) -> Any:
    """Keep the upper triangle of each matrix, from the `k`-th diagonal on; 0 elsewhere.

    >>> triu([[1.0, 2.0], [3.0, 4.0]])
    array([[1., 2.],
           [0., 4.]])
    """
    m = operand(m, "triu")
    return where(_triangle(m, k - 1, "triu"), np.zeros((), m.dtype), m)


def _triangle(m: Any, k: int, who: str) -> Any:
    if not shape_of(m):
        raise ShapeError(f"{who} needs a matrix, or several, got shape ()")
    rows, columns = (shape_of(m) * 2)[-2:]  # a vector stands for each row of a square
    return np.tri(rows, columns, k, dtype=bool)


def diag(v: Any, k: int = 0) -> Any:
    """Take the `k`-th diagonal of a matrix, or make a matrix with a vector on it.

    >>> diag([1.0, 2.0])
    array([[1., 0.],
           [0., 2.]])
    """
    v = operand(v, "diag")
    shape = shape_of(v)
    if len(shape) == 2:
        return diagonal(v, k)
    if len(shape) != 1:
        raise ShapeError(f"diag takes a vector or a matrix, got shape {shape}")
    n = shape[0] + abs(k)
    i = np.arange(shape[0])
    return scatter(v, (i + max(-k, 0), i + max(k, 0)), (n, n))


def diagflat(v: Any, k: int = 0) -> Any:
    """Make a matrix with the elements of an array of any shape on the `k`-th diagonal.

    >>> diagflat([[3.0]], 1)
    array([[0., 3.],
           [0., 0.]])
    """
    return diag(reshape(v, math.prod(shape_of(v))), k)
