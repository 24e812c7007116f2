"""Moving numbers without changing them: reshape, transpose, broadcast, join, split, pad, repeat."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import DataError, ShapeError
from ..graph import Node
from ..primitive import (
    REAL,
    EachOperand,
    Primitive,
    as_data,
    describe,
    example,
    fixed_number,
    publish,
)
from .indexing import getitem

__all__ = [
    "broadcast_to",
    "concatenate",
    "expand_dims",
    "flip",
    "moveaxis",
    "pad",
    "repeat",
    "reshape",
    "split",
    "squeeze",
    "stack",
    "swapaxes",
    "tile",
    "transpose",
]


def shape_of(x: Any) -> tuple[int, ...]:
    """The shape of a node, an array or a number."""
    return x.shape if isinstance(x, Node) else np.shape(x)


def axes_of(axis: Any) -> Any:
    """Check an axis, or several, and return it as an int or a tuple of ints; None stays None."""
    try:
        if axis is None:
            return None
        if isinstance(axis, (list, tuple)):
            return tuple([operator.index(a) for a in axis])
        return operator.index(axis)
    except TypeError:
        raise DataError(
            f"an axis is an integer, or a tuple of them, got {describe(axis)}"
        ) from None


def _lengths_of(shape: Any) -> tuple[int, ...]:
    """Check a shape and return it as a tuple; a number stands for one axis."""
    try:
        if isinstance(shape, (list, tuple)):
            return tuple([operator.index(n) for n in shape])
        return (operator.index(shape),)
    except TypeError:
        raise DataError(f"a shape is a tuple of integers, got {describe(shape)}") from None


# --------------------------------------------------------------------------- the primitives

_reshape = Primitive(
    "reshape",
    "reshape",
    None,
    lambda x, shape: np.reshape(x, shape),
    (lambda g, out, x, shape: g.reshape(shape_of(x)),),
    domain=[REAL],
    examples=[example((2, 3), shape=(3, 2)), example((4,), shape=(2, -1)), example((), shape=(1,))],
    structural=True,
)


def reshape(x: Any, shape: int | Sequence[int]) -> Any:
    """Give `x` another shape of as many elements; one -1 stands for what is left.

    >>> reshape([1.0, 2.0, 3.0, 4.0], (2, -1))
    array([[1., 2.],
           [3., 4.]])
    """
    return _reshape(x, shape=_lengths_of(shape))


publish(reshape, _reshape)

_transpose = Primitive(
    "transpose",
    "transpose",
    None,
    lambda x, axes: np.transpose(x, axes),
    (lambda g, out, x, axes: g.transpose(None if axes is None else _inverse(axes)),),
    domain=[REAL],
    examples=[example((2, 3), axes=None), example((2, 3, 4), axes=(2, 0, 1))],
    structural=True,
)


def _inverse(axes: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argsort([axis % len(axes) for axis in axes]))


def transpose(x: Any, axes: Sequence[int] | None = None) -> Any:
    """Permute the axes of `x`: reversed, or in the order that `axes` gives.

    >>> transpose([[1.0, 2.0]])
    array([[1.],
           [2.]])
    """
    return _transpose(x, axes=axes_of(axes))


publish(transpose, _transpose)


def _broadcast(x: Any, shape: Any) -> np.ndarray:
    # Filling a new array takes a tenth of the time of np.broadcast_to, and can be written to.
    x = np.asarray(x)
    out = np.empty(shape, x.dtype)
    out[...] = x
    return out


_broadcast_to = Primitive(
    "broadcast_to",
    "broadcast",
    None,
    _broadcast,
    (lambda g, out, x, shape: g,),  # un-broadcasting sums it
    domain=[REAL],
    examples=[example((), shape=(3,)), example((2, 1), shape=(2, 3)), example((3,), shape=(2, 3))],
    structural=True,
)


def broadcast_to(x: Any, shape: int | Sequence[int]) -> Any:
    """Repeat `x` along new axes and axes of length 1, up to `shape`.

    >>> broadcast_to(1.0, (3,))
    array([1., 1., 1.])
    """
    if type(x) is np.ndarray:
        return _broadcast(x, shape)
    return _broadcast_to(x, shape=_lengths_of(shape))


publish(broadcast_to, _broadcast_to)


def _pull_concatenate(index: int, g: Any, out: Any, *xs: Any, axis: int) -> Any:
    lengths = [shape_of(x)[axis] for x in xs[: index + 1]]
    start = sum(lengths[:-1])
    along = (slice(None),) * (axis % len(shape_of(out)))
    return getitem(g, (*along, slice(start, start + lengths[-1])))


_concatenate = Primitive(
    "concatenate",
    "concatenate",
    None,
    lambda *xs, axis: np.concatenate(xs, axis=axis),
    EachOperand(_pull_concatenate),
    domain=[REAL],
    examples=[
        example((2, 3), (1, 3), axis=0),
        example((2, 1), (2, 3), (2, 2), axis=-1),
        example((3,), axis=0),
    ],
    structural=True,
)


def concatenate(xs: Sequence[Any], axis: int = 0) -> Any:
    """Join arrays along an axis that they have.

    >>> concatenate([[1.0, 2.0], [3.0]])
    array([1., 2., 3.])
    """
    parts = tuple(xs)
    if not parts:
        raise ShapeError("concatenate needs at least one array, got an empty list")
    return _concatenate(*parts, axis=axis)


publish(concatenate, _concatenate)


def _widths(pad_width: Any, ndim: int) -> tuple[tuple[int, int], ...]:
    given = np.asarray(as_data(pad_width, "pad_width"))
    if given.dtype.kind not in "iu":
        raise ValueError("not whole numbers")
    pairs = np.broadcast_to(given, (ndim, 2))
    return tuple((int(before), int(after)) for before, after in pairs)


def _pull_pad(g: Any, out: Any, x: Any, widths: Any, value: float) -> Any:
    inside = [
        slice(before, before + length)
        for (before, _), length in zip(widths, shape_of(x), strict=True)
    ]
    return getitem(g, tuple(inside))


_pad = Primitive(
    "pad",
    "pad",
    None,
    lambda x, widths, value: np.pad(x, widths, constant_values=value),
    (_pull_pad,),
    domain=[REAL],
    examples=[
        example((3,), widths=((1, 2),), value=0.0),
        example((2, 3), widths=((0, 1), (2, 0)), value=5.0),
    ],
    structural=True,
)


def pad(x: Any, pad_width: Any, mode: str = "constant", value: float = 0.0) -> Any:
    """Extend `x` at the ends of its axes.

    Parameters
    ----------
    x : Tensor or array
    pad_width : int, pair or sequence of pairs
        Elements before and after, for all axes or for each, as in `numpy.pad`.
    mode : str
        "constant" fills with `value`; "edge", "reflect", "symmetric" and "wrap" repeat elements
        of `x`, whose gradients add up.
    value : float

    Examples
    --------
    >>> pad([1.0, 2.0], 1)
    array([0., 1., 2., 0.])
    """
    try:
        widths = _widths(pad_width, len(shape_of(x)))
    except ValueError:
        raise ShapeError(
            f"pad_width {pad_width!r} does not give whole numbers (before, after) for each of the "
            f"{len(shape_of(x))} axes of shape {shape_of(x)}"
        ) from None
    if mode == "constant":
        return _pad(x, widths=widths, value=fixed_number(value, "value"))
    if mode not in ("edge", "reflect", "symmetric", "wrap"):
        raise ShapeError(f"pad mode {mode!r} is unknown: constant, edge, reflect, symmetric, wrap")
    where_from = [
        np.pad(np.arange(length), width, mode=mode)  # type: ignore[call-overload]
        for length, width in zip(shape_of(x), widths, strict=True)
    ]
    return getitem(x, np.ix_(*where_from))


publish(pad, _pad)

# --------------------------------------------------------------------------- changes of kind

astype = Primitive(
    "astype",
    "as type",
    None,
    lambda x, dtype: np.array(x, dtype=dtype),
    (lambda g, out, x, dtype: g,),  # a cotangent takes its node's dtype in any case
    domain=[REAL],
    examples=[example((2,), dtype="float64"), example((), dtype="float64")],
    elementwise=True,
)

as_value = Primitive(
    "as_value",
    "value",
    None,
    lambda x: float(x.item()),
    (lambda g, out, x: broadcast_to(g, shape_of(x)),),
    domain=[REAL],
    examples=[example(()), example((1,))],
    structural=True,
)

# --------------------------------------------------------------------------- made of them


def _axis(axis: Any, ndim: int, what: str) -> int:
    number: int = axes_of(axis)
    if not -ndim <= number < ndim:
        raise ShapeError(f"{what}: axis {axis} does not exist in {ndim} dimensions")
    return number % ndim


def _listed(axis: Any) -> list[Any]:
    return list(axis) if isinstance(axis, (list, tuple, range)) else [axis]


def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Exchange two axes.

    >>> swapaxes([[1.0, 2.0]], 0, 1)
    array([[1.],
           [2.]])
    """
    axes = list(range(len(shape_of(x))))
    i, j = (_axis(axis, len(axes), "swapaxes") for axis in (axis1, axis2))
    axes[i], axes[j] = axes[j], axes[i]
    return transpose(x, axes)


def moveaxis(x: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Any:
    """Move axes to new positions; the others keep their order.

    >>> moveaxis(reshape([1.0, 2.0], (1, 2, 1)), 1, 0).shape
    (2, 1, 1)
    """
    ndim = len(shape_of(x))
    sources, targets = (
        [_axis(a, ndim, "moveaxis") for a in _listed(axes)] for axes in (source, destination)
    )
    if not len(sources) == len(targets) == len({*sources}) == len({*targets}):
        raise ShapeError(f"moveaxis: source {source} and destination {destination} do not pair up")
    order = [axis for axis in range(ndim) if axis not in sources]
    for target, axis in sorted(zip(targets, sources, strict=True)):
        order.insert(target, axis)
    return transpose(x, order)


def expand_dims(x: Any, axis: int | Sequence[int]) -> Any:
    """Insert axes of length 1 at the given positions of the result.

    >>> expand_dims([1.0, 2.0], 1)
    array([[1.],
           [2.]])
    """
    axes = _listed(axis)
    ndim = len(shape_of(x)) + len(axes)
    new = {_axis(a, ndim, "expand_dims") for a in axes}
    if len(new) != len(axes):
        raise ShapeError(f"expand_dims: axis {axis} names a position twice")
    lengths = iter(shape_of(x))
    return reshape(x, [1 if i in new else next(lengths) for i in range(ndim)])


def squeeze(x: Any, axis: int | Sequence[int] | None = None) -> Any:
    """Drop axes of length 1: all, or those named.

    >>> squeeze([[1.0, 2.0]])
    array([1., 2.])
    """
    shape = shape_of(x)
    if axis is None:
        return reshape(x, [n for n in shape if n != 1])
    axes = {_axis(a, len(shape), "squeeze") for a in _listed(axis)}
    if any(shape[a] != 1 for a in axes):
        raise ShapeError(f"squeeze: axis {axis} of shape {shape} does not have length 1")
    return reshape(x, [n for i, n in enumerate(shape) if i not in axes])


def flip(x: Any, axis: int | Sequence[int] | None = None) -> Any:
    """Reverse the order of elements along all axes, or along those named.

    >>> flip([1.0, 2.0, 3.0])
    array([3., 2., 1.])
    """
    ndim = len(shape_of(x))
    axes = {_axis(a, ndim, "flip") for a in (range(ndim) if axis is None else _listed(axis))}
    return getitem(x, tuple(slice(None, None, -1 if i in axes else 1) for i in range(ndim)))


def stack(xs: Sequence[Any], axis: int = 0) -> Any:
    """Join arrays of one shape along a new axis; numbers and `Value`s become a vector.

    >>> from autograd import Value
    >>> stack([Value(1.0), Value(2.0)]).shape
    (2,)
    """
    parts = list(xs)
    shapes = {shape_of(x) for x in parts}
    if len(shapes) != 1:
        given = ", ".join(map(str, sorted(shapes))) or "none"
        raise ShapeError(f"stack needs arrays of one and the same shape, got {given}")
    return concatenate([expand_dims(x, axis) for x in parts], axis=axis)


def split(x: Any, sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """Cut `x` along an axis into equal parts, or before the given positions.

    >>> [part.tolist() for part in split([1.0, 2.0, 3.0, 4.0], 2)]
    [[1.0, 2.0], [3.0, 4.0]]
    """
    shape = shape_of(x)
    axis = _axis(axis, len(shape), "split")
    length = shape[axis]
    if not isinstance(sections, (list, tuple, np.ndarray)):
        parts: int = axes_of(sections)
        if parts < 1 or length % parts:
            raise ShapeError(
                f"split: {length} elements along axis {axis} of shape {shape} "
                f"do not divide into {parts} equal parts"
            )
        step = length // parts
        sections = [step * i for i in range(1, parts)]
    starts, stops = [0, *sections], [*sections, length]
    along = (slice(None),) * axis
    return [
        getitem(x, (*along, slice(start, stop))) for start, stop in zip(starts, stops, strict=True)
    ]


def tile(x: Any, repetitions: int | Sequence[int]) -> Any:
    """Lay copies of the whole of `x` side by side along each axis.

    >>> tile([1.0, 2.0], 2)
    array([1., 2., 1., 2.])
    """
    counts = [repetitions] if isinstance(repetitions, int) else list(repetitions)
    shape = list(shape_of(x))
    ndim = max(len(counts), len(shape))
    counts = [1] * (ndim - len(counts)) + counts
    shape = [1] * (ndim - len(shape)) + shape
    if any(n < 0 for n in counts):
        raise ShapeError(f"tile: repetitions {repetitions} must not be negative")
    apart = [n for length in shape for n in (1, length)]
    repeated = [n for pair in zip(counts, shape, strict=True) for n in pair]
    joined = [n * length for n, length in zip(counts, shape, strict=True)]
    return reshape(broadcast_to(reshape(x, apart), repeated), joined)


def repeat(x: Any, repeats: int | Sequence[int], axis: int | None = None) -> Any:
    """Repeat each element in place, along an axis or of the flattened array.

    `repeats` may give a number for each element along the axis.

    >>> repeat([1.0, 2.0], 2)
    array([1., 1., 2., 2.])
    """
    if axis is None:
        x, axis = reshape(x, math.prod(shape_of(x))), 0
    axis = _axis(axis, len(shape_of(x)), "repeat")
    counts = np.asarray(as_data(repeats, "repeat"))
    if (
        counts.dtype.kind not in "iu"
        or np.size(counts) not in (1, shape_of(x)[axis])
        or np.any(np.less(counts, 0))
    ):
        raise ShapeError(
            f"repeat: repeats {repeats!r} must be one whole number, or one for each of the "
            f"{shape_of(x)[axis]} elements along axis {axis}, and not negative"
        )
    where_from = np.repeat(np.arange(shape_of(x)[axis]), counts)
    return getitem(x, (slice(None),) * axis + (where_from,))
