"""Sampled functions: interpolation, differences, integrals, convolution, polynomials."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import DataError, ShapeError
from ..graph import Node
from ..notation import Binds, Form, Notation
from ..primitive import REAL, Primitive, as_data, example, fixed_number, publish
from .comparison import plain, where
from .elementary import remainder
from .indexing import getitem
from .reduction import sum
from .shape import (
    axes_of,
    axis_in,
    broadcast_to,
    concatenate,
    flip,
    floating,
    moveaxis,
    operand,
    ravel,
    reshape,
    shape_of,
)

__all__ = [
    "convolve",
    "correlate",
    "diff",
    "ediff1d",
    "gradient",
    "interp",
    "polyval",
    "trapezoid",
    "unwrap",
]


# --------------------------------------------------------------------------- convolution


def _full(a: Any, v: Any) -> Any:
    return _convolve(a, v) if isinstance(a, Node) or isinstance(v, Node) else np.convolve(a, v)


def _pull_convolve(g: Any, other: Any, own: Any) -> Any:
    start = other.shape[0] - 1
    return getitem(_full(g, flip(other)), slice(start, start + own.shape[0]))


# A primitive for speed: NumPy's loop in C, and no matrix of shifted copies.
_convolve = Primitive(
    "convolve",
    "convolve",
    None,
    lambda a, v: np.convolve(a, v),
    (
        lambda g, out, a, v: _pull_convolve(g, v, a),
        lambda g, out, a, v: _pull_convolve(g, a, v),
    ),
    domain=[REAL, REAL],
    examples=[example((4,), (3,)), example((2,), (5,)), example((1,), (1,))],
    notation=Notation(latex=Form(r"$0 \ast $1", Binds.MATRIX, (Binds.MATRIX,)), odd=True),
)


def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """Slide one vector, reversed, over another and sum the products at each place.

    Mode "full" gives every place where they overlap, "same" as many as the longer one has, from
    the middle, "valid" those where they overlap entirely.

    >>> convolve([1.0, 2.0, 3.0], [1.0, 1.0])
    array([1., 3., 5., 3.])
    """
    a, v = _vectors("convolve", a, v)
    long, short = sorted((a.shape[0], v.shape[0]), reverse=True)
    return getitem(_full(a, v), _places("convolve", mode, long, short, (short - 1) // 2))


publish(convolve, _convolve)


def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """Slide one vector over another and sum the products at each place; modes as in `convolve`.

    >>> correlate([1.0, 2.0, 3.0], [0.0, 1.0])
    array([2., 3.])
    """
    a, v = _vectors("correlate", a, v)
    long, short = sorted((a.shape[0], v.shape[0]), reverse=True)
    middle = short // 2 if a.shape[0] < v.shape[0] else (short - 1) // 2
    return getitem(_full(a, flip(v)), _places("correlate", mode, long, short, middle))


def _vectors(who: str, a: Any, v: Any) -> tuple[Any, Any]:
    a, v = (reshape(x, -1) if not shape_of(x) else operand(x, who) for x in (a, v))
    if len(a.shape) != 1 or len(v.shape) != 1 or 0 in (a.shape[0], v.shape[0]):
        raise ShapeError(f"{who} takes two vectors with elements, got {a.shape} and {v.shape}")
    return a, v


def _places(who: str, mode: str, long: int, short: int, middle: int) -> slice:
    start = {"full": 0, "same": middle, "valid": short - 1}.get(mode)
    if start is None:
        raise ShapeError(f"{who}: mode {mode!r} is unknown: full, same, valid")
    length = {"full": long + short - 1, "same": long, "valid": long - short + 1}[mode]
    return slice(start, start + length)


# --------------------------------------------------------------------------- differences


def _cut(x: Any, axis: int, start: int | None, stop: int | None) -> Any:
    return getitem(
        x, ((slice(None),) * axis + (slice(start, stop),)) if axis else slice(start, stop)
    )


def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Subtract each element from the next along an axis, `n` times.

    >>> diff([1.0, 4.0, 9.0])
    array([3., 5.])
    """
    a = operand(a, "diff")
    axis = axis_in(axis, len(a.shape), "diff")
    if n < 0:
        raise ShapeError(f"diff: n is how often to subtract, not negative, got {n}")
    if a.dtype == bool:
        raise DataError("diff takes numbers, got bools: convert them with astype first")
    parts = [_edge(x, a.shape, axis) for x in (prepend, append)]
    parts = [x for x in (parts[0], a, parts[1]) if x is not None]
    joined = concatenate(parts, axis=axis) if len(parts) > 1 else a
    for _ in range(n):
        joined = _cut(joined, axis, 1, None) - _cut(joined, axis, None, -1)
    return joined


def _edge(x: Any, shape: tuple[int, ...], axis: int) -> Any:
    if x is None or shape_of(x):
        return x
    return broadcast_to(x, (*shape[:axis], 1, *shape[axis + 1 :]))


def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """Subtract each element of the flattened array from the next; join numbers to the ends.

    >>> ediff1d([[1.0, 4.0], [9.0, 16.0]], to_begin=0.0)
    array([0., 3., 5., 7.])
    """
    between = diff(ravel(ary))
    ends = [None if x is None else _end(x, between.dtype) for x in (to_begin, to_end)]
    joined = [x for x in (ends[0], between, ends[1]) if x is not None]
    return concatenate(joined) if len(joined) > 1 else between


def _end(x: Any, dtype: np.dtype) -> Any:
    """Numbers to join, in the dtype of what they are joined to, if that has floats: as NumPy."""
    x = ravel(x)
    return x.astype(dtype) if dtype.kind == "f" and not isinstance(x, Node) else x


def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Estimate slopes of a sampled function: by differences of both neighbours, one at the ends.

    Parameters
    ----------
    f : Tensor or array
    *varargs : number, or Tensor or array of coordinates, for all axes or each
        The distance between samples, 1 by default, or where they are.
    axis : int or sequence of ints, optional
        All by default; for several the result is a tuple.
    edge_order : int
        1, or 2 to take two neighbours at the ends.

    Examples
    --------
    >>> gradient([1.0, 4.0, 9.0], 0.5)
    array([ 6.,  8., 10.])
    """
    f = floating(f, "gradient")
    listed = range(len(f.shape)) if axis is None else axes_of(axis)
    axes = [axis_in(i, len(f.shape), "gradient") for i in np.atleast_1d(listed)]
    spacings = [*varargs] * len(axes) if len(varargs) == 1 else [*varargs] or [1.0] * len(axes)
    if len(spacings) != len(axes):
        raise ShapeError(f"gradient: {len(spacings)} spacings do not go with {len(axes)} axes")
    if edge_order not in (1, 2):
        raise ShapeError(f"gradient: edge_order is 1 or 2, got {edge_order!r}")
    slopes = tuple([_slopes(f, h, i, edge_order) for h, i in zip(spacings, axes, strict=True)])
    return slopes[0] if len(slopes) == 1 else slopes


def _slopes(f: Any, spacing: Any, axis: int, edge_order: int) -> Any:
    """Slopes along an axis: Fornberg 1988, Generation of finite difference formulas."""
    f = moveaxis(f, axis, -1)
    count = f.shape[-1]
    if count <= edge_order:
        raise ShapeError(
            f"gradient needs {edge_order + 1} samples or more along axis {axis}, got {count}"
        )
    h = _steps(spacing, count, f.dtype)
    rise = diff(f) / h
    before, after = h[:-1], h[1:]
    middle = (after * rise[..., :-1] + before * rise[..., 1:]) / (before + after)
    first, last = rise[..., :1], rise[..., -1:]
    if edge_order == 2:
        bend = (rise[..., 1:] - rise[..., :-1]) / (before + after)
        first, last = first - h[:1] * bend[..., :1], last + h[-1:] * bend[..., -1:]
    return moveaxis(concatenate([first, middle, last], axis=-1), -1, axis)


def _steps(spacing: Any, count: int, dtype: np.dtype) -> Any:
    spacing = spacing if isinstance(spacing, Node) else np.asarray(as_data(spacing), dtype=dtype)
    if not spacing.shape:
        return broadcast_to(spacing, (count - 1,))
    if spacing.shape != (count,):
        raise ShapeError(f"gradient: {count} samples need {count} coordinates, got {spacing.shape}")
    return diff(spacing)


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """Integrate a sampled function along an axis, by straight lines between the samples.

    Parameters
    ----------
    y : Tensor or array
    x : Tensor or array, optional
        Where the samples are: a vector, or of the shape of `y`.
    dx : number
        The distance between samples where `x` is not given.
    axis : int

    Examples
    --------
    >>> float(trapezoid([1.0, 2.0, 3.0], dx=0.5))
    2.0
    """
    y = floating(y, "trapezoid")
    axis = axis_in(axis, len(y.shape), "trapezoid")
    if x is None:
        steps: Any = dx if isinstance(dx, Node) else as_data(dx, "trapezoid")
    else:
        x = operand(x, "trapezoid")
        steps = diff(x, axis=axis if len(x.shape) > 1 else 0)
        if len(x.shape) == 1:
            steps = reshape(steps, [-1 if i == axis else 1 for i in range(len(y.shape))])
    return sum(0.5 * steps * (_cut(y, axis, 1, None) + _cut(y, axis, None, -1)), axis)


# --------------------------------------------------------------------------- interpolation


def interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Any:
    """Interpolate between points by straight lines; each operand gets a gradient.

    The slope at a point is that of the line to its right, at the last that of the line to its
    left, and 0 outside.

    Parameters
    ----------
    x : Value, Tensor, array or number
    xp, fp : Tensor or array, 1-D
        The coordinates of the points, ascending, and the values there.
    left, right : number or Value, optional
        The values before the first point and after the last, by default theirs.
    period : number, optional
        Coordinates are taken modulo this; `left` and `right` are then not used.

    Examples
    --------
    >>> interp([1.5, 9.0], [1.0, 2.0], [10.0, 20.0])
    array([15., 20.])
    """
    x, xp, fp = (floating(y, "interp") for y in (x, xp, fp))
    if len(xp.shape) != 1 or xp.shape != fp.shape or not xp.shape[0]:
        raise ShapeError(f"interp needs as many xp as fp, in vectors, got {xp.shape}, {fp.shape}")
    if period is not None:
        x, xp, fp = _unrolled(x, xp, fp, abs(fixed_number(period, "period")))
        left = right = None
    left, right = (fp[i] if y is None else y for y, i in ((left, 0), (right, -1)))
    inside = _on_lines(x, xp, fp) if xp.shape[0] > 1 else fp[0]
    return where(x < xp[0], left, where(x > xp[-1], right, inside))


def _on_lines(x: Any, xp: Any, fp: Any) -> Any:
    i = np.searchsorted(plain(xp), plain(x), side="right").clip(1, xp.shape[0] - 1)
    gap = getitem(xp, i) - getitem(xp, i - 1)
    start, end = getitem(fp, i - 1), getitem(fp, i)
    safe = where(gap == 0, 1.0, gap)
    on_line = start + (x - getitem(xp, i - 1)) * ((end - start) / safe)
    return where(gap == 0, end, on_line)


def _unrolled(x: Any, xp: Any, fp: Any, period: float) -> tuple[Any, Any, Any]:
    if not period:
        raise ShapeError("interp: period is a length, not 0")
    x, xp = remainder(x, period), remainder(xp, period)
    order = np.argsort(plain(xp), kind="stable")
    xp, fp = getitem(xp, order), getitem(fp, order)
    xp = concatenate([xp[-1:] - period, xp, xp[:1] + period])
    return x, xp, concatenate([fp[-1:], fp, fp[:1]])


# --------------------------------------------------------------------------- angles, polynomials


def unwrap(
    p: Any, discont: float | None = None, axis: int = -1, *, period: float = 2.0 * math.pi
) -> Any:
    """Add whole periods along an axis, so that no step is longer than half a period.

    The gradient passes as it is.

    >>> unwrap([0.0, 3.0, 5.0, 1.0], period=4.0)
    array([ 0., -1.,  1.,  1.])
    """
    p = floating(p, "unwrap")
    axis = axis_in(axis, len(p.shape), "unwrap")
    numbers = plain(p)
    moved = np.unwrap(numbers, discont, axis, period=fixed_number(period, "period"))
    return p + (np.rint((moved - numbers) / period) * period).astype(p.dtype)


def polyval(p: Any, x: Any) -> Any:
    """Evaluate the polynomial with coefficients `p`, the highest power first, by Horner's rule.

    >>> float(polyval([1.0, 0.0, 2.0], 3.0))
    11.0
    """
    p = operand(p, "polyval")
    x = x if isinstance(x, Node) else np.asarray(as_data(x, "polyval"))
    if len(p.shape) != 1:
        raise ShapeError(f"polyval: coefficients are a vector, got shape {p.shape}")
    result: Any = np.zeros_like(plain(x)) if p.shape[0] else 0 * x
    for i in range(p.shape[0]):
        result = result * x + getitem(p, i)
    return result
