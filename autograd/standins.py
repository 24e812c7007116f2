"""Functions of NumPy that are no operation of the package: composites that stand in for them.

Each has NumPy's name and arguments. `protocol` calls them with nodes; they are not public.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from .errors import DataError, ShapeError
from .graph import Node
from .ops import (
    arithmetic,
    comparison,
    decomposition,
    elementary,
    indexing,
    linalg,
    reduction,
    selection,
    signal,
)
from .ops.comparison import plain
from .ops.shape import (
    axis_in,
    broadcast_to,
    concatenate,
    expand_dims,
    moveaxis,
    operand,
    reshape,
    roll,
    shape_of,
    stack,
    swapaxes,
)
from .ops.shape import pad as pad_shape
from .primitive import constant, describe
from .structure import flatten

__all__ = [
    *("apply_along_axis", "apply_over_axes", "astype", "bincount", "clip", "cumulative_prod"),
    *("cumulative_sum", "divmod", "fftshift", "full_like", "geomspace", "ifftshift"),
    *(
        "intersect1d",
        "heaviside",
        "ldexp",
        "linspace",
        "logspace",
        "lstsq",
        "matrix_transpose",
        "matvec",
        "modf",
        "pad",
    ),
    *("piecewise", "poly", "polyadd", "polyder", "polydiv", "polyfit"),
    *(
        "polyint",
        "polymul",
        "polysub",
        "real_if_close",
        "setdiff1d",
        "setxor1d",
        "trim_zeros",
        "union1d",
    ),
    *(
        "unique_all",
        "unique_counts",
        "unique_inverse",
        "unique_values",
        "unstack",
        "vecmat",
        "where",
    ),
]

Function = Callable[..., Any]

# --------------------------------------------------------------------------- lists with nodes


def holds_node(x: Any) -> bool:
    """Tell whether something is a node, or a list or tuple with one inside."""
    if isinstance(x, (list, tuple)):
        return any(isinstance(leaf, Node) for leaf in flatten(x)[0])
    return isinstance(x, Node)


def joined(x: Any) -> Any:
    """Nested lists as one node; numbers and arrays inside count as constants."""
    if isinstance(x, Node):
        return reshape(x, x.shape)
    if not holds_node(x):
        return np.asarray(x)
    parts = [joined(item) for item in x]
    shapes = {shape_of(part) for part in parts}
    if len(shapes) > 1:
        raise ShapeError(
            f"array: the items of a list must have one shape, got {sorted(shapes)} in {describe(x)}"
        )
    if any(not isinstance(part, Node) and part.dtype.kind not in "fiub" for part in parts):
        raise DataError(f"array takes real numbers and nodes, got {describe(x)}")
    return stack(parts)


def _vector(x: Any) -> Any:
    """A node or array with at least one axis."""
    x = operand(x, "NumPy")
    return x if x.shape else reshape(x, (1,))


# --------------------------------------------------------------------------- ufuncs


def ldexp(x1: Any, x2: Any) -> Any:
    """Multiply by a power of 2, in two steps: the power alone may be too large for a float."""
    exponents = np.asarray(plain(x2))
    half = exponents // 2
    return x1 * np.ldexp(1.0, half) * np.ldexp(1.0, exponents - half)


def heaviside(x1: Any, x2: Any) -> Any:
    """The step at 0, where it is `x2`; constant between."""
    place = plain(x1)
    at_zero = x2 if isinstance(x2, Node) else constant(x2)
    return comparison.where(place == 0, at_zero, np.heaviside(place, 0.0))


def modf(x: Any) -> tuple[Any, Any]:
    """Split off the whole part, which is constant between steps."""
    whole = np.trunc(plain(x))
    return comparison.where(np.isinf(whole), 0.0, x - whole), whole


def divmod(x1: Any, x2: Any) -> tuple[Any, Any]:
    """Floor quotient, constant between steps, and remainder."""
    return np.floor_divide(plain(x1), plain(x2)), elementary.remainder(x1, x2)


def matvec(x1: Any, x2: Any) -> Any:
    """Multiply matrices by vectors, batched."""
    return linalg.matmul(x1, expand_dims(x2, -1))[..., 0]


def vecmat(x1: Any, x2: Any) -> Any:
    """Multiply vectors by matrices, batched."""
    return linalg.matmul(expand_dims(x1, -2), x2)[..., 0, :]


# --------------------------------------------------------------------------- ours, otherwise called


def clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """`comparison.clip`, by any of the names that bounds have."""
    return comparison.clip(a, a_min if min is None else min, a_max if max is None else max)


def where(condition: Any, *branches: Any) -> Any:
    """`comparison.where`; without branches the places of what is true."""
    if not branches:
        return np.nonzero(plain(condition))
    return comparison.where(condition, *branches)


def pad(array: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0.0) -> Any:
    """`shape.pad`."""
    return pad_shape(array, pad_width, mode, constant_values)


def matrix_transpose(x: Any) -> Any:
    """Swap the last two axes."""
    return swapaxes(x, -1, -2)


def astype(x: Any, dtype: Any, /, *, copy: bool = True) -> Any:
    """Convert to another dtype; integers are a constant."""
    return operand(x, "astype").astype(dtype)


def real_if_close(a: Any, tol: float = 100) -> Any:
    """Nodes are real."""
    return arithmetic.identity(a)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """Take apart along an axis."""
    return tuple(moveaxis(x, axis, 0))


def fftshift(x: Any, axes: Any = None) -> Any:
    """Move the first element of each axis to its middle."""
    shape = shape_of(x)
    listed = [*range(len(shape))] if axes is None else [*np.atleast_1d(axes)]
    return roll(x, [shape[i] // 2 for i in listed], listed)


def ifftshift(x: Any, axes: Any = None) -> Any:
    """Undo `fftshift`."""
    shape = shape_of(x)
    listed = [*range(len(shape))] if axes is None else [*np.atleast_1d(axes)]
    return roll(x, [-(shape[i] // 2) for i in listed], listed)


# --------------------------------------------------------------------------- ranges


def full_like(a: Any, fill_value: Any, shape: Any = None) -> Any:
    """A node repeated in the shape of another array, or in `shape`."""
    filled = shape_of(a) if shape is None else shape
    if not isinstance(fill_value, Node):
        return np.full(filled, fill_value, np.asarray(plain(a)).dtype)
    return broadcast_to(fill_value, filled)


def _shares(start: Any, stop: Any, num: int, endpoint: bool) -> Any:
    """How far each sample is along the way, to broadcast against both ends."""
    ndim = max(len(shape_of(start)), len(shape_of(stop)))
    return np.linspace(0.0, 1.0, num, endpoint=endpoint).reshape((num,) + (1,) * ndim)


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    axis: int = 0,
) -> Any:
    """Evenly spaced numbers, each end exactly."""
    dtype = np.result_type(
        *[
            0.0 if isinstance(x, (float, int)) else np.asarray(plain(x)).dtype
            for x in (start, stop)
        ],
        0.0,
    )
    start, stop = operand(start, "linspace"), operand(stop, "linspace")
    along = _shares(start, stop, num, endpoint).astype(dtype)
    start, stop = (x if isinstance(x, Node) else x.astype(dtype) for x in (start, stop))
    line = moveaxis((1.0 - along) * start + along * stop, 0, axis)
    steps = num - 1 if endpoint else num
    return (line, (stop - start) / (steps or math.nan)) if retstep else line


def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    axis: int = 0,
) -> Any:
    """Powers of `base` with evenly spaced exponents."""
    return moveaxis(elementary.pow(base, linspace(start, stop, num, endpoint)), 0, axis)


def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, axis: int = 0) -> Any:
    """Numbers of which each is the same multiple of the one before."""
    start, stop = operand(start, "geomspace"), operand(stop, "geomspace")
    along = _shares(start, stop, num, endpoint)
    return moveaxis(start * elementary.pow(stop / start, along), 0, axis)


# --------------------------------------------------------------------------- running sums, counts


def _cumulative(
    running: Function, first: float, x: Any, /, *, axis: Any = None, include_initial: bool = False
) -> Any:
    x = _vector(x)
    if axis is None and len(x.shape) > 1:
        raise ShapeError(f"a running sum or product of shape {x.shape} needs an axis")
    axis = axis_in(0 if axis is None else axis, len(x.shape), "a running sum or product")
    result = running(x, axis)
    if not include_initial:
        return result
    start = np.full((*x.shape[:axis], 1, *x.shape[axis + 1 :]), first, x.dtype)
    return concatenate([start, result], axis)


cumulative_sum = partial(_cumulative, reduction.cumsum, 0.0)
cumulative_prod = partial(_cumulative, reduction.cumprod, 1.0)


def bincount(x: Any, weights: Any = None, minlength: int = 0) -> Any:
    """Count whole numbers, or sum the weights of each."""
    places = np.asarray(plain(x))
    counts = np.bincount(places, None, minlength)
    if not isinstance(weights, Node):
        return np.bincount(places, weights, minlength)
    if shape_of(weights) != places.shape:
        raise ShapeError(f"bincount: {places.size} numbers need as many weights, got {weights!r}")
    return indexing.scatter(weights, places, counts.shape)


# --------------------------------------------------------------------------- a function in pieces


def apply_along_axis(func1d: Function, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """Apply a function to each line along an axis; its results take the place of the line."""
    arr = _vector(arr)
    axis = axis_in(axis, len(arr.shape), "apply_along_axis")
    lines = moveaxis(arr, axis, -1)
    outer = lines.shape[:-1]
    results = [func1d(lines[i], *args, **kwargs) for i in np.ndindex(*outer)]
    if not results:
        raise ShapeError(f"apply_along_axis: no line along axis {axis} of shape {arr.shape}")
    inner = shape_of(results[0])
    table = reshape(joined(results), outer + inner)
    ends = range(len(outer), len(outer) + len(inner))
    return moveaxis(table, tuple(ends), tuple(range(axis, axis + len(inner))))


def apply_over_axes(func: Function, a: Any, axes: Any) -> Any:
    """Apply a function of an array and an axis for one axis after another."""
    ndim = len(shape_of(a))
    for axis in np.atleast_1d(axes):
        axis = axis_in(axis, ndim, "apply_over_axes")
        result = func(a, axis)
        a = result if len(shape_of(result)) == ndim else expand_dims(result, axis)
    return a


def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    """Choose elementwise among functions, each called with its elements only."""
    x = operand(x, "piecewise")
    several = isinstance(condlist, (list, tuple)) and any(map(np.ndim, map(plain, condlist)))
    masks = [plain(c) for c in condlist] if several or not x.shape else [plain(condlist)]
    masks = [np.asarray(mask, dtype=bool) for mask in masks]
    if len(funclist) == len(masks) + 1:
        masks = [*masks, ~np.any(masks, axis=0)]
    if len(funclist) != len(masks):
        raise ShapeError(f"piecewise: {len(masks)} conditions, but {len(funclist)} functions")
    result: Any = np.zeros(x.shape, x.dtype)
    for mask, function in zip(masks, funclist, strict=True):
        if mask.any():
            piece = function(x[mask], *args, **kw) if callable(function) else function
            result = indexing.At(result)[mask].set(piece)
    return result


# --------------------------------------------------------------------------- sets


def _unique_tuple(theirs: Function, x: Any) -> Any:
    """The numbers once each, as a node among the plain places and counts."""
    return theirs(plain(x))._replace(values=selection.unique(x, equal_nan=False))


def unique_values(x: Any) -> Any:
    """Each number once."""
    return selection.unique(x, equal_nan=False)


unique_all = partial(_unique_tuple, np.unique_all)
unique_counts = partial(_unique_tuple, np.unique_counts)
unique_inverse = partial(_unique_tuple, np.unique_inverse)


def union1d(ar1: Any, ar2: Any) -> Any:
    """Numbers of either."""
    return selection.unique(concatenate([ar1, ar2], axis=None))


def intersect1d(ar1: Any, ar2: Any) -> Any:
    """Numbers of both; the gradient goes to the first."""
    once = selection.unique(ar1)
    return once[np.isin(plain(once), plain(ar2))]


def setdiff1d(ar1: Any, ar2: Any) -> Any:
    """Numbers of the first alone."""
    once = selection.unique(ar1)
    return once[~np.isin(plain(once), plain(ar2))]


def setxor1d(ar1: Any, ar2: Any) -> Any:
    """Numbers of one alone."""
    return indexing.sort(concatenate([setdiff1d(ar1, ar2), setdiff1d(ar2, ar1)]))


def trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    """Cut off zeros at the ends of each axis."""
    filt = _vector(filt)
    places = np.nonzero(plain(filt))
    axes = range(filt.ndim) if axis is None else np.atleast_1d(axis) % filt.ndim
    index = [slice(None)] * filt.ndim
    for i in axes:
        found = [int(places[i].min()), int(places[i].max()) + 1] if len(places[i]) else [0, 0]
        index[i] = slice(
            found[0] if "f" in trim.lower() or not len(places[i]) else None,
            found[1] if "b" in trim.lower() or not len(places[i]) else None,
        )
    return filt[tuple(index)]


# --------------------------------------------------------------------------- least squares


def lstsq(a: Any, b: Any, rcond: Any = None) -> tuple[Any, Any, int, Any]:
    """Solution, sums of squared residuals, rank and singular values."""
    a, b = operand(a, "lstsq"), operand(b, "lstsq")
    x = decomposition.lstsq(a, b, rcond)
    _, sums, rank, _ = np.linalg.lstsq(plain(a), plain(b), rcond)
    if sums.size:
        sums = reduction.sum(elementary.square(linalg.matmul(a, x) - b), axis=0)
        sums = reshape(sums, -1)
    return x, sums, int(rank), decomposition.svdvals(a)


# --------------------------------------------------------------------------- polynomials


def _polynomial(p: Any) -> Any:
    """Coefficients without zeros in front, as `numpy.poly1d` keeps them."""
    p = _vector(p)
    places = np.flatnonzero(plain(p))
    return p[places[0] :] if len(places) else p[-1:]


def _same_length(a: Any, b: Any) -> list[Any]:
    a, b = _vector(a), _vector(b)
    length = max(a.shape[0], b.shape[0])
    return [pad_shape(x, (length - x.shape[0], 0)) for x in (a, b)]


def poly(seq_of_zeros: Any) -> Any:
    """Coefficients of the polynomial with given roots."""
    roots = _vector(seq_of_zeros)
    if len(roots.shape) != 1:
        raise DataError(
            "np.poly of a matrix takes its eigenvalues, which may be complex: give the roots, "
            "for a symmetric matrix eigvalsh(a)"
        )
    return _product_of_lines(roots)


def _product_of_lines(roots: Any) -> Any:
    product: Any = np.ones(1, roots.dtype)
    for root in roots:
        product = signal.convolve(product, stack([np.ones((), roots.dtype), -root]))
    return product


def polyadd(a1: Any, a2: Any) -> Any:
    """Add polynomials."""
    a, b = _same_length(a1, a2)
    return a + b


def polysub(a1: Any, a2: Any) -> Any:
    """Subtract polynomials."""
    a, b = _same_length(a1, a2)
    return a - b


def polymul(a1: Any, a2: Any) -> Any:
    """Multiply polynomials."""
    return signal.convolve(_polynomial(a1), _polynomial(a2))


def polyder(p: Any, m: int = 1) -> Any:
    """Differentiate a polynomial."""
    p = _vector(p)
    for _ in range(m):
        p = p[:-1] * np.arange(p.shape[0] - 1, 0, -1)
    return p


def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """Integrate a polynomial, with constants `k`."""
    p = _vector(p)
    constants = broadcast_to(_vector(0.0 if k is None else k), (m,))
    for i in range(m):
        p = concatenate([p / np.arange(p.shape[0], 0, -1), constants[i : i + 1]])
    return p


def polydiv(u: Any, v: Any) -> tuple[Any, Any]:
    """Divide polynomials: quotient and remainder."""
    u, v = _vector(u) + 0.0, _vector(v) + 0.0
    steps = u.shape[0] - v.shape[0] + 1
    quotient = []
    for k in range(steps):
        quotient.append(u[k] / v[0])
        u = indexing.At(u)[k : k + v.shape[0]].add(-quotient[-1] * v)
    while u.shape[0] > 1 and np.allclose(plain(u)[0], 0.0, rtol=1e-14):
        u = u[1:]
    return (joined(quotient) if quotient else np.zeros(1)), u


def polyfit(x: Any, y: Any, deg: int, rcond: Any = None, full: bool = False, w: Any = None) -> Any:
    """Fit a polynomial by least squares, columns scaled as NumPy does."""
    if full:
        raise DataError("np.polyfit: full=True is not supported for nodes: leave it out")
    x, y = operand(x, "polyfit"), operand(y, "polyfit")
    powers = linalg.vander(x, deg + 1)
    if w is not None:
        powers = powers * reshape(w, (-1, 1))
        y = y * reshape(w, (-1,) + (1,) * (len(y.shape) - 1))
    scale = elementary.sqrt(reduction.sum(elementary.square(powers), axis=0))
    cut = len(plain(x)) * np.finfo(x.dtype).eps if rcond is None else rcond
    fitted = decomposition.lstsq(powers / scale, y, cut)
    return fitted / reshape(scale, (-1,) + (1,) * (len(y.shape) - 1))


# --------------------------------------------------------------------------- np.r_ and np.c_


def concatenated(builder: Any, key: Any) -> Any:
    """What `numpy.r_` or `numpy.c_` builds, of nodes too: places first, then what is there."""
    items = key if isinstance(key, tuple) else (key,)
    if not any(map(holds_node, items)):
        return builder[key]
    text = [item for item in items if isinstance(item, str)]
    parts = [
        np.r_[item] if isinstance(item, slice) else joined(item)
        for item in items
        if not isinstance(item, str)
    ]
    ends = list(itertools.accumulate([0, *(math.prod(shape_of(part)) for part in parts)]))
    places = [
        np.arange(start, stop).reshape(shape_of(part))
        for start, stop, part in zip(ends, ends[1:], parts, strict=False)
    ]
    return indexing.getitem(concatenate(parts, axis=None), np.asarray(builder[*text, *places]))
