"""Moving numbers without changing them: reshape, transpose, broadcast, join, split, pad, repeat."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import DataError, ShapeError
from ..graph import Node
from ..notation import SAME, Binds, Form, Notation
from ..primitive import (
    REAL,
    Primitive,
    Together,
    as_data,
    describe,
    example,
    fixed_number,
    publish,
)
from .indexing import getitem

__all__ = [
    "append",
    "array_split",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "block",
    "broadcast_arrays",
    "broadcast_to",
    "column_stack",
    "concatenate",
    "dsplit",
    "dstack",
    "expand_dims",
    "flip",
    "fliplr",
    "flipud",
    "hsplit",
    "hstack",
    "meshgrid",
    "moveaxis",
    "pad",
    "ravel",
    "repeat",
    "reshape",
    "roll",
    "rollaxis",
    "rot90",
    "split",
    "squeeze",
    "stack",
    "swapaxes",
    "tile",
    "transpose",
    "vsplit",
    "vstack",
]


def shape_of(x: Any) -> tuple[int, ...]:
    """The shape of a node, an array or a number."""
    shape: tuple[int, ...] | None = getattr(x, "shape", None)
    return np.shape(x) if shape is None else shape


def operand(x: Any, who: str) -> Any:
    """A node that holds an array, or an array: what methods and indexing work on alike."""
    if isinstance(x, Node):
        return reshape(x, ()) if type(x._raw) is float else x
    return np.asarray(as_data(x, who))


def floating(x: Any, who: str) -> Any:
    """As `operand`, with integers and bools as floats."""
    x = operand(x, who)
    return x if x.dtype.kind == "f" else x.astype(float)


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


def _lengths_of(shape: Any, what: str = "a shape is a tuple of") -> tuple[int, ...]:
    """Check a shape and return it as a tuple; a number stands for one axis."""
    try:
        if isinstance(shape, (list, tuple)):
            return tuple([operator.index(n) for n in shape])
        return (operator.index(shape),)
    except TypeError:
        raise DataError(f"{what} integers, got {describe(shape)}") from None


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
    notation=Notation(odd=True),
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
    notation=Notation(
        latex=Form(r"$0^{\top«\,($:axes)»}", Binds.POWER, (Binds.ATOM,)),
        odd=True,
        usual={"axes": (None, (1, 0))},
    ),
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
    notation=Notation(odd=True, implicit=True),
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


def _pull_concatenate(g: Any, out: Any, *xs: Any, axis: int) -> list[Any]:
    along = (slice(None),) * (axis % len(shape_of(out)))
    ends = itertools.accumulate(shape_of(x)[axis] for x in xs)
    cuts = itertools.pairwise([0, *ends])
    return [getitem(g, (*along, slice(start, end))) for start, end in cuts]


_concatenate = Primitive(
    "concatenate",
    "concatenate",
    None,
    lambda *xs, axis: np.concatenate(xs, axis=axis),
    Together(_pull_concatenate),
    domain=[REAL],
    examples=[
        example((2, 3), (1, 3), axis=0),
        example((2, 1), (2, 3), (2, 2), axis=-1),
        example((3,), axis=0),
    ],
    structural=True,
    notation=Notation(
        Form("concatenate([$*]$**)"),
        Form(r"\left[$*\right]«_{\mathrm{axis}\,$:axis}»"),
        usual={"axis": (0,)},
    ),
)


def _parts(xs: Any, who: str) -> list[Any]:
    """The arrays of a list to be joined; a Tensor stands for its rows."""
    if isinstance(xs, (str, Mapping, set)) or not isinstance(xs, Iterable):
        raise DataError(f"{who} takes a list of arrays, got {describe(xs)}")
    parts = list(xs)
    if not parts:
        raise ShapeError(f"{who} needs at least one array, got an empty list")
    return parts


def concatenate(xs: Sequence[Any], axis: int | None = 0) -> Any:
    """Join arrays along an axis that they have; with None, flattened.

    >>> concatenate([[1.0, 2.0], [3.0]])
    array([1., 2., 3.])
    """
    parts = _parts(xs, "concatenate")
    if axis is None:
        parts, axis = [reshape(x, -1) for x in parts], 0
    return _concatenate(*parts, axis=axes_of(axis))


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
    notation=Notation(Form("pad($0, $widths, value=$value)")),
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
        raise ShapeError(
            f"pad takes the modes constant, edge, reflect, symmetric and wrap, got {mode!r}: "
            "build others with concatenate"
        )
    if 0 in shape_of(x):
        raise ShapeError(f"pad: mode {mode!r} has no elements of shape {shape_of(x)} to repeat")
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
    notation=SAME,
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
    notation=SAME,
)

# --------------------------------------------------------------------------- made of them


def axis_in(axis: Any, ndim: int, what: str) -> int:
    """Check that an axis exists in so many dimensions and return it counted from the first."""
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
    i, j = (axis_in(axis, len(axes), "swapaxes") for axis in (axis1, axis2))
    axes[i], axes[j] = axes[j], axes[i]
    return transpose(x, axes)


def moveaxis(x: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Any:
    """Move axes to new positions; the others keep their order.

    >>> moveaxis(reshape([1.0, 2.0], (1, 2, 1)), 1, 0).shape
    (2, 1, 1)
    """
    ndim = len(shape_of(x))
    sources, targets = (
        [axis_in(a, ndim, "moveaxis") for a in _listed(axes)] for axes in (source, destination)
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
    new = {axis_in(a, ndim, "expand_dims") for a in axes}
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
    axes = {axis_in(a, len(shape), "squeeze") for a in _listed(axis)}
    if any(shape[a] != 1 for a in axes):
        raise ShapeError(f"squeeze: axis {axis} of shape {shape} does not have length 1")
    return reshape(x, [n for i, n in enumerate(shape) if i not in axes])


def flip(x: Any, axis: int | Sequence[int] | None = None) -> Any:
    """Reverse the order of elements along all axes, or along those named.

    >>> flip([1.0, 2.0, 3.0])
    array([3., 2., 1.])
    """
    ndim = len(shape_of(x))
    axes = {axis_in(a, ndim, "flip") for a in (range(ndim) if axis is None else _listed(axis))}
    return getitem(x, tuple(slice(None, None, -1 if i in axes else 1) for i in range(ndim)))


def stack(xs: Sequence[Any], axis: int = 0) -> Any:
    """Join arrays of one shape along a new axis; numbers and `Value`s become a vector.

    >>> from autograd import Value
    >>> stack([Value(1.0), Value(2.0)]).shape
    (2,)
    """
    parts = _parts(xs, "stack")
    shapes = {shape_of(x) for x in parts}
    if len(shapes) != 1:
        given = ", ".join(map(str, sorted(shapes)))
        raise ShapeError(f"stack needs arrays of one and the same shape, got {given}")
    return concatenate([expand_dims(x, axis) for x in parts], axis=axis)


def split(x: Any, sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """Cut `x` along an axis into equal parts, or before the given positions.

    >>> [part.tolist() for part in split([1.0, 2.0, 3.0, 4.0], 2)]
    [[1.0, 2.0], [3.0, 4.0]]
    """
    shape = shape_of(x)
    axis = axis_in(axis, len(shape), "split")
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
    counts = list(_lengths_of(repetitions, "the repetitions of tile are"))
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
    axis = axis_in(axis, len(shape_of(x)), "repeat")
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


# --------------------------------------------------------------------------- NumPy's other names


def ravel(a: Any, order: str = "C") -> Any:
    """Reshape to one axis: the last index runs fastest, or with ``order="F"`` the first.

    >>> ravel([[1.0, 2.0], [3.0, 4.0]], order="F")
    array([1., 3., 2., 4.])
    """
    if order not in ("C", "F"):
        raise ShapeError(f"ravel: order {order!r} depends on how memory is laid out: give C or F")
    return reshape(transpose(a) if order == "F" else a, math.prod(shape_of(a)))


def fliplr(m: Any) -> Any:
    """Reverse the order of columns, along the second axis.

    >>> fliplr([[1.0, 2.0]])
    array([[2., 1.]])
    """
    return flip(m, 1)


def flipud(m: Any) -> Any:
    """Reverse the order of rows, along the first axis.

    >>> flipud([1.0, 2.0])
    array([2., 1.])
    """
    return flip(m, 0)


def rot90(m: Any, k: int = 1, axes: Sequence[int] = (0, 1)) -> Any:
    """Turn by 90 degrees `k` times in the plane of two axes, from the first to the second.

    >>> rot90([[1.0, 2.0], [3.0, 4.0]])
    array([[2., 4.],
           [1., 3.]])
    """
    ndim = len(shape_of(m))
    first, second = _two_axes(axes, ndim)
    turns = operator.index(k) % 4
    if turns == 1:
        return swapaxes(flip(m, second), first, second)
    if turns == 2:
        return flip(m, (first, second))
    return flip(swapaxes(m, first, second), second) if turns else flip(m, ())


def _two_axes(axes: Sequence[int], ndim: int) -> tuple[int, int]:
    both = [axis_in(axis, ndim, "rot90") for axis in axes]
    if len(both) != 2 or both[0] == both[1]:
        raise ShapeError(f"rot90: a plane is given by two different axes, got {axes}")
    return both[0], both[1]


def roll(a: Any, shift: int | Sequence[int], axis: int | Sequence[int] | None = None) -> Any:
    """Move elements along axes; those that leave at the end come in at the start.

    Without an axis the flattened array is rolled. Several shifts go with several axes.

    >>> roll([1.0, 2.0, 3.0], 1)
    array([3., 1., 2.])
    """
    shape = shape_of(a)
    if axis is None:
        return reshape(roll(reshape(a, math.prod(shape)), shift, 0), shape)
    try:
        pairs = list(np.broadcast(axes_of(shift), axes_of(axis)))
    except ValueError:
        raise ShapeError(f"roll: shifts {shift} do not go with axes {axis}") from None
    rolled = a if isinstance(a, Node) else np.array(as_data(a, "roll"))
    for step, i in pairs:
        rolled = _rolled(rolled, int(step), axis_in(i, len(shape), "roll"))
    return rolled


def _rolled(x: Any, shift: int, axis: int) -> Any:
    length = shape_of(x)[axis]
    along = (slice(None),) * axis
    cut = -shift % length if length else 0
    if not cut:
        return x
    parts = getitem(x, (*along, slice(cut, None))), getitem(x, (*along, slice(cut)))
    return concatenate(parts, axis=axis)


def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """Move an axis back until it stands before the one at `start`; `moveaxis` is clearer.

    >>> rollaxis(reshape([1.0, 2.0], (1, 1, 2)), 2).shape
    (2, 1, 1)
    """
    ndim = len(shape_of(a))
    axis = axis_in(axis, ndim, "rollaxis")
    start = start + ndim if start < 0 else start
    if not 0 <= start <= ndim:
        raise ShapeError(f"rollaxis: start {start} is not between 0 and {ndim}")
    return moveaxis(a, axis, start - (axis < start))


# --------------------------------------------------------------------------- more axes


def _at_least(arrays: Sequence[Any], place: Any) -> Any:
    """Each array with axes of length 1 added where `place` says, a single one by itself."""
    grown = tuple([reshape(x, place(shape_of(x))) for x in arrays])
    return grown[0] if len(grown) == 1 else grown


def atleast_1d(*arys: Any) -> Any:
    """Give numbers one axis; a single array is returned by itself, several as a tuple.

    >>> atleast_1d(1.0)
    array([1.])
    """
    return _at_least(arys, lambda shape: shape or (1,))


def atleast_2d(*arys: Any) -> Any:
    """Give arrays two axes at least, new ones first.

    >>> atleast_2d([1.0, 2.0])
    array([[1., 2.]])
    """
    return _at_least(arys, lambda shape: (1,) * (2 - len(shape)) + shape)


def atleast_3d(*arys: Any) -> Any:
    """Give arrays three axes at least: a vector lies along the second, a matrix along the first.

    >>> atleast_3d([1.0, 2.0]).shape
    (1, 2, 1)
    """

    def place(shape: tuple[int, ...]) -> tuple[int, ...]:
        return {0: (1, 1, 1), 1: (1, *shape, 1), 2: (*shape, 1)}.get(len(shape), shape)

    return _at_least(arys, place)


# --------------------------------------------------------------------------- joining, cutting


def vstack(tup: Sequence[Any]) -> Any:
    """Join along the first axis; vectors are rows.

    >>> vstack([[1.0, 2.0], [3.0, 4.0]]).shape
    (2, 2)
    """
    return concatenate([atleast_2d(x) for x in _parts(tup, "vstack")])


def hstack(tup: Sequence[Any]) -> Any:
    """Join along the second axis, vectors along their only one.

    >>> hstack([[1.0, 2.0], [3.0]])
    array([1., 2., 3.])
    """
    parts = [atleast_1d(x) for x in _parts(tup, "hstack")]
    return concatenate(parts, axis=0 if parts and len(shape_of(parts[0])) == 1 else 1)


def dstack(tup: Sequence[Any]) -> Any:
    """Join along the third axis.

    >>> dstack([[1.0, 2.0], [3.0, 4.0]]).shape
    (1, 2, 2)
    """
    return concatenate([atleast_3d(x) for x in _parts(tup, "dstack")], axis=2)


def column_stack(tup: Sequence[Any]) -> Any:
    """Join vectors as the columns of a matrix, and matrices along the second axis.

    >>> column_stack([[1.0, 2.0], [3.0, 4.0]])
    array([[1., 3.],
           [2., 4.]])
    """
    parts = _parts(tup, "column_stack")
    columns = [x if len(shape_of(x)) > 1 else reshape(x, (-1, 1)) for x in parts]
    return concatenate(columns, axis=1)


def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """Join `values` to the end of `arr` along an axis; without one, both flattened.

    >>> append([1.0, 2.0], [[3.0]])
    array([1., 2., 3.])
    """
    if axis is None:
        return concatenate([ravel(arr), ravel(values)])
    return concatenate([arr, values], axis=axis)


def block(arrays: Any) -> Any:
    """Join blocks given as nested lists: the innermost lists along the last axis, and so on.

    >>> block([[np.eye(2), np.zeros((2, 1))], [np.ones((1, 2)), 5.0]])
    array([[1., 0., 0.],
           [0., 1., 0.],
           [1., 1., 5.]])
    """
    depth = _depth(arrays)
    if not depth:
        return operand(arrays, "block")
    ndim = max(depth, *(len(shape_of(x)) for x in _leaves(arrays)))
    return _joined(arrays, ndim, -depth)


def _leaves(arrays: Any) -> list[Any]:
    return [leaf for x in arrays for leaf in _leaves(x)] if isinstance(arrays, list) else [arrays]


def _depth(arrays: Any) -> int:
    if not isinstance(arrays, list):
        return 0
    depths = {_depth(x) for x in arrays}
    if len(depths) != 1:
        why = "lists are nested to different depths" if depths else "a list is empty"
        raise ShapeError(f"block: {why}")
    return 1 + depths.pop()


def _joined(arrays: Any, ndim: int, axis: int) -> Any:
    if isinstance(arrays, list):
        return concatenate([_joined(x, ndim, axis + 1) for x in arrays], axis=axis)
    return reshape(arrays, (1,) * (ndim - len(shape_of(arrays))) + shape_of(arrays))


def array_split(ary: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """Cut along an axis before the given positions, or into parts as equal as can be.

    >>> [part.tolist() for part in array_split([1.0, 2.0, 3.0], 2)]
    [[1.0, 2.0], [3.0]]
    """
    if isinstance(indices_or_sections, (list, tuple, np.ndarray)):
        return split(ary, indices_or_sections, axis)
    count: int = axes_of(indices_or_sections)
    if count < 1:
        raise ShapeError(f"array_split: the number of parts must be positive, got {count}")
    length = shape_of(ary)[axis_in(axis, len(shape_of(ary)), "array_split")]
    sizes = [length // count + (i < length % count) for i in range(count)]
    return split(ary, [sum(sizes[:i]) for i in range(1, count)], axis)


def vsplit(ary: Any, indices_or_sections: int | Sequence[int]) -> list[Any]:
    """Cut along the first axis of a matrix or more.

    >>> [part.shape for part in vsplit([[1.0], [2.0]], 2)]
    [(1, 1), (1, 1)]
    """
    return split(_with_axes(ary, 2, "vsplit"), indices_or_sections, 0)


def hsplit(ary: Any, indices_or_sections: int | Sequence[int]) -> list[Any]:
    """Cut along the second axis, a vector along its only one.

    >>> [part.tolist() for part in hsplit([1.0, 2.0], 2)]
    [[1.0], [2.0]]
    """
    ary = _with_axes(ary, 1, "hsplit")
    return split(ary, indices_or_sections, min(len(shape_of(ary)) - 1, 1))


def dsplit(ary: Any, indices_or_sections: int | Sequence[int]) -> list[Any]:
    """Cut along the third axis.

    >>> [part.shape for part in dsplit([[[1.0, 2.0]]], 2)]
    [(1, 1, 1), (1, 1, 1)]
    """
    return split(_with_axes(ary, 3, "dsplit"), indices_or_sections, 2)


def _with_axes(x: Any, ndim: int, who: str) -> Any:
    if len(shape_of(x)) < ndim:
        raise ShapeError(f"{who} needs {ndim} dimensions or more, got shape {shape_of(x)}")
    return x


# --------------------------------------------------------------------------- broadcasting


def broadcast_arrays(*args: Any) -> tuple[Any, ...]:
    """Repeat arrays to their common shape.

    >>> [x.shape for x in broadcast_arrays([1.0, 2.0], [[3.0]])]
    [(1, 2), (1, 2)]
    """
    shapes = [shape_of(x) for x in args]
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        given = ", ".join(map(str, shapes))
        raise ShapeError(f"broadcast_arrays: shapes {given} have no common one") from None
    return tuple([broadcast_to(x, shape) for x in args])


def meshgrid(*xi: Any, sparse: bool = False, indexing: str = "xy") -> tuple[Any, ...]:
    """Spread vectors of coordinates to the grid that they span, an array for each.

    With "xy" the first runs along columns, with "ij" along rows; `sparse` leaves out repetition.

    >>> meshgrid([1.0, 2.0], [3.0])
    (array([[1., 2.]]), array([[3., 3.]]))
    """
    if indexing not in ("xy", "ij"):
        raise ShapeError(f"meshgrid: indexing {indexing!r} is unknown: xy, ij")
    count = len(xi)
    order = [1, 0, *range(2, count)] if indexing == "xy" and count > 1 else range(count)
    grids = [
        reshape(x, [-1 if axis == place else 1 for axis in range(count)])
        for x, place in zip(xi, order, strict=True)
    ]
    return tuple(grids) if sparse else broadcast_arrays(*grids)
