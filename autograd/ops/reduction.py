"""Many numbers to fewer, along axes: sum, mean, extremes, spread, norm, softmax, running sums.

Each takes `axis`: None for all elements, one axis, or several; negative ones count from the end.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..notation import FUNCTION, Binds, Form, Notation
from ..primitive import REAL, Example, Function, Interval, Primitive, example, of_floats, publish
from .comparison import where
from .elementary import exp, sigmoid
from .shape import axes_of, broadcast_to, concatenate, flip, moveaxis, reshape, shape_of, stack

__all__ = [
    "cumprod",
    "cumsum",
    "log_softmax",
    "logcumsumexp",
    "logsumexp",
    "max",
    "mean",
    "min",
    "prod",
    "softmax",
    "std",
    "sum",
    "var",
]

Axis = int | Sequence[int] | None

# What np.sum and np.max come down to, in half their time on small arrays.
add_up: Function = np.add.reduce
largest_of: Function = np.maximum.reduce

EXAMPLES = (
    example((), axis=None, keepdims=False),
    example((3,), axis=0, keepdims=False),
    example((2, 3), axis=None, keepdims=True),
    example((2, 3), axis=-1, keepdims=False),
    example((2, 3, 2), axis=(0, -1), keepdims=False),
    example((2, 3, 2), axis=(2, 1), keepdims=True),
)
"""The calls that every reduction is tested with."""


def kept_shape(shape: tuple[int, ...], axis: Axis) -> tuple[int, ...]:
    """The shape of a reduction's result with the reduced axes kept at length 1."""
    if axis is None:
        return (1,) * len(shape)
    if type(axis) is int and shape:
        i = axis % len(shape)
        return (*shape[:i], 1, *shape[i + 1 :])
    ndim = len(shape) or 1  # NumPy takes axis 0 of a single number, too
    axes = {a % ndim for a in ((axis,) if isinstance(axis, int) else axis)}
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def _count(shape: tuple[int, ...], axis: Axis) -> int:
    """How many elements each element of the result is made of."""
    size = math.prod(shape)
    return size // math.prod(kept_shape(shape, axis)) if size and axis is not None else size


def _kept_dims(y: Any, x: Any, axis: Axis) -> Any:
    """A reduction's result, or its cotangent, shaped to broadcast against its operand."""
    return y.reshape(kept_shape(shape_of(x), axis))


def _expand(y: Any, x: Any, axis: Axis) -> Any:
    """A reduction's result, or its cotangent, repeated to the shape of its operand."""
    return broadcast_to(y if axis is None else _kept_dims(y, x, axis), shape_of(x))


def _reduction(
    name: str,
    label: str,
    array: Function,
    pullback: Function,
    *,
    domain: Interval = REAL,
    examples: Sequence[Example] = EXAMPLES,
    structural: bool = False,
    notation: Notation = FUNCTION,
) -> Primitive:
    return Primitive(
        name,
        label,
        None,
        array,
        (pullback,),
        [domain],
        examples,
        structural=structural,
        notation=notation,
    )


# --------------------------------------------------------------------------- sums

_sum = _reduction(
    "sum",
    "Σ",
    add_up,
    lambda g, out, x, axis, keepdims: _expand(g, x, axis),
    structural=True,
    notation=Notation(
        latex=Form(r"\sum«_{\mathrm{axis}\,$:axis}» $0", Binds.SERIES, (Binds.SERIES,)), odd=True
    ),
)


def sum(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Sum the elements.

    >>> sum([[1.0, 2.0], [3.0, 4.0]], axis=0)
    array([4., 6.])
    """
    return _sum(x, axis=axes_of(axis), keepdims=keepdims)


publish(sum, _sum)


def _share(count: int) -> float:
    return 1.0 / count if count else math.nan


def _mean_array(x: Any, axis: Axis, keepdims: bool) -> Any:
    # np.mean and np.var warn of empty slices, which no error state silences.
    return _average(np.asarray(x), axis, keepdims, float(_count(np.shape(x), axis)))


def _average(x: Any, axis: Axis, keepdims: bool, count: float) -> Any:
    if x.dtype == np.float16:  # which ends at 65,504
        return _average(x.astype(np.float32), axis, keepdims, count).astype(np.float16)
    return np.true_divide(add_up(x, axis=axis, keepdims=keepdims), count)


_mean = _reduction(
    "mean",
    "mean",
    _mean_array,
    lambda g, out, x, axis, keepdims: _expand(g * _share(_count(shape_of(x), axis)), x, axis),
    structural=True,
    notation=Notation(odd=True),
)


def mean(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Average the elements.

    >>> float(mean([1.0, 2.0, 6.0]))
    3.0
    """
    return _mean(x, axis=axes_of(axis), keepdims=keepdims)


publish(mean, _mean)


def _divisor(shape: tuple[int, ...], axis: Axis, ddof: int) -> Any:
    return np.float64(builtins.max(_count(shape, axis) - ddof, 0))


def _var_array(x: Any, axis: Axis, keepdims: bool, ddof: int) -> Any:
    squares = np.square(x - _mean_array(x, axis, True))
    return _average(squares, axis, keepdims, float(_divisor(np.shape(x), axis, ddof)))


def _std_array(x: Any, axis: Axis, keepdims: bool, ddof: int) -> Any:
    return np.sqrt(_var_array(x, axis, keepdims, ddof))


def _pull_var(g: Any, out: Any, x: Any, axis: Axis, keepdims: bool, ddof: int) -> Any:
    scale = 2.0 / _divisor(shape_of(x), axis, ddof)
    return _expand(g * scale, x, axis) * (x - mean(x, axis, keepdims=True))


def _pull_std(g: Any, out: Any, x: Any, axis: Axis, keepdims: bool, ddof: int) -> Any:
    scale = 1.0 / _divisor(shape_of(x), axis, ddof)
    spread = _expand(out, x, axis)
    deviation = x - mean(x, axis, keepdims=True)
    return where(spread == 0, 0.0, _expand(g * scale, x, axis) * (deviation / spread))


SPREAD_EXAMPLES = (
    example((3,), axis=0, keepdims=False, ddof=0),
    example((2, 3), axis=None, keepdims=True, ddof=1),
    example((2, 3, 2), axis=(0, -1), keepdims=False, ddof=1),
)

_var = _reduction("var", "var", _var_array, _pull_var, examples=SPREAD_EXAMPLES)
_std = _reduction("std", "std", _std_array, _pull_std, examples=SPREAD_EXAMPLES)


def var(x: Any, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """Average the squared deviations from the mean; the divisor is n - `ddof`.

    >>> float(var([1.0, 3.0]))
    1.0
    """
    return _var(x, axis=axes_of(axis), keepdims=keepdims, ddof=ddof)


publish(var, _var)


def std(x: Any, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """Take the square root of `var`; its slope where all elements are equal is 0.

    >>> float(std([1.0, 3.0]))
    1.0
    """
    return _std(x, axis=axes_of(axis), keepdims=keepdims, ddof=ddof)


publish(std, _std)

# --------------------------------------------------------------------------- extremes


def _pull_extreme(g: Any, out: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    extreme = (x == _expand(out, x, axis)) | (x != x)  # a nan is the extreme of its slice
    ties = add_up(extreme, axis=axis, keepdims=True)
    return where(extreme, _kept_dims(g, x, axis) / ties, 0.0)


_max = _reduction(
    "max",
    "max",
    largest_of,
    _pull_extreme,
    structural=True,
    notation=Notation(latex=Form(r"\max«_{\mathrm{axis}\,$:axis}»($0)")),
)
_min = _reduction(
    "min",
    "min",
    np.minimum.reduce,
    _pull_extreme,
    structural=True,
    notation=Notation(latex=Form(r"\min«_{\mathrm{axis}\,$:axis}»($0)")),
)


def max(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Take the largest element; equal ones share the cotangent evenly.

    >>> float(max([1.0, 5.0, 2.0]))
    5.0
    """
    return _max(x, axis=axes_of(axis), keepdims=keepdims)


publish(max, _max)


def min(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Take the smallest element; equal ones share the cotangent evenly.

    >>> float(min([4.0, 1.0, 2.0]))
    1.0
    """
    return _min(x, axis=axes_of(axis), keepdims=keepdims)


publish(min, _min)

# --------------------------------------------------------------------------- products


def products_of_others(x: Any) -> Any:
    """For each element along the last axis the product of all the others, without division.

    Up and down a binary tree: a pair's product is known, so each half of a pair has the
    product of what is outside the pair times its sibling.
    """
    pairs = []
    while x.shape[-1] > 1:
        if x.shape[-1] % 2:
            x = concatenate([x, np.ones((*x.shape[:-1], 1))], axis=-1)
        left, right = x[..., 0::2], x[..., 1::2]
        pairs.append((left, right))
        x = left * right
    outside: Any = np.ones(x.shape)
    for left, right in reversed(pairs):
        outside = outside[..., : left.shape[-1]]
        both = stack([outside * right, outside * left], axis=-1)
        outside = both.reshape((*left.shape[:-1], 2 * left.shape[-1]))
    return outside


def _pull_prod(g: Any, out: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    shape = shape_of(x)
    if math.prod(shape) == 0 or not shape:
        return _expand(g, x, axis)
    kept = kept_shape(shape, axis)
    reduced = [i for i, n in enumerate(kept) if n != shape[i] or n == 1]
    last = range(len(shape) - len(reduced), len(shape))
    moved = moveaxis(x, reduced, last)
    rest = moved.shape[: len(shape) - len(reduced)]
    flat = moved.reshape((*rest, -1))
    others = products_of_others(flat)[..., : flat.shape[-1]].reshape(moved.shape)
    return _expand(g, x, axis) * moveaxis(others, last, reduced)


_prod = _reduction(
    "prod",
    "Π",
    np.prod,
    _pull_prod,
    notation=Notation(
        latex=Form(r"\prod«_{\mathrm{axis}\,$:axis}» $0", Binds.SERIES, (Binds.POWER,))
    ),
)


def prod(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Multiply the elements; the derivative is right where some of them are 0.

    >>> float(prod([2.0, 3.0, 4.0]))
    24.0
    """
    return _prod(x, axis=axes_of(axis), keepdims=keepdims)


publish(prod, _prod)

# --------------------------------------------------------------------------- norm, softmax


def _norm_array(x: Any, axis: Axis, keepdims: bool) -> Any:
    largest = np.max(np.abs(x), axis=axis, keepdims=True, initial=0.0)
    scale = np.where((largest > 0) & np.isfinite(largest), largest, 1.0).astype(np.asarray(x).dtype)
    root = np.sqrt(add_up(np.square(x / scale), axis=axis, keepdims=True)) * scale
    return root if keepdims else add_up(root, axis=axis)


def _pull_norm(g: Any, out: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    length = _expand(out, x, axis)
    return where(length == 0, 0.0, _expand(g, x, axis) * (x / length))


# Its public function, with norms of every other order, is in decomposition.py.
euclidean = _reduction(
    "norm",
    "‖ ‖",
    _norm_array,
    _pull_norm,
    notation=Notation(latex=Form(r"\left\|$0\right\|«_{\mathrm{axis}\,$:axis}»")),
)


def _logsumexp_array(x: Any, axis: Axis, keepdims: bool) -> Any:
    x = of_floats(x)
    largest = largest_of(x, axis=axis, keepdims=True)
    shift = np.where(np.isfinite(largest), largest, np.zeros_like(largest))
    total = np.log(add_up(np.exp(x - shift), axis=axis, keepdims=True)) + shift
    return total if keepdims else add_up(total, axis=axis)


_logsumexp = _reduction(
    "logsumexp",
    "logsumexp",
    _logsumexp_array,
    lambda g, out, x, axis, keepdims: _expand(g, x, axis) * _softmax(x, axis=axis),
)


def logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Compute ``log(sum(exp(x)))``, stable at any magnitude.

    >>> float(logsumexp([1000.0, -1000.0]))
    1000.0
    """
    return _logsumexp(x, axis=axes_of(axis), keepdims=keepdims)


publish(logsumexp, _logsumexp)


def _softmax_array(x: Any, axis: int) -> Any:
    x = of_floats(x)
    weights = np.exp(x - largest_of(x, axis=axis, keepdims=True))
    weights /= add_up(weights, axis=axis, keepdims=True)
    return weights


ALONG_EXAMPLES = (example((3,), axis=-1), example((2, 3), axis=0), example((2, 3, 2), axis=1))

_softmax: Primitive = _reduction(
    "softmax",
    "softmax",
    _softmax_array,
    lambda g, out, x, axis: out * (g - (g * out).sum(axis=axis, keepdims=True)),
    examples=ALONG_EXAMPLES,
    notation=Notation(usual={"axis": (-1,)}),
)


def softmax(x: Any, axis: int = -1) -> Any:
    """Normalise ``exp(x)`` to sum to 1 along an axis, stable at any magnitude.

    >>> softmax([1000.0, 1000.0])
    array([0.5, 0.5])
    """
    return _softmax(x, axis=axes_of(axis))


publish(softmax, _softmax)


def _log_softmax_array(x: Any, axis: int) -> Any:
    x = of_floats(x)
    shifted = x - largest_of(x, axis=axis, keepdims=True)
    return shifted - np.log(add_up(np.exp(shifted), axis=axis, keepdims=True))


_log_softmax = _reduction(
    "log_softmax",
    "log softmax",
    _log_softmax_array,
    lambda g, out, x, axis: g - exp(out) * g.sum(axis=axis, keepdims=True),
    examples=ALONG_EXAMPLES,
    notation=Notation(usual={"axis": (-1,)}),
)


def log_softmax(x: Any, axis: int = -1) -> Any:
    """Compute ``log(softmax(x))`` along an axis, stable at any magnitude.

    >>> log_softmax([0.0, -1000.0])
    array([    0., -1000.])
    """
    return _log_softmax(x, axis=axes_of(axis))


publish(log_softmax, _log_softmax)


_cumsum = _reduction(
    "cumsum",
    "cumulative Σ",
    np.cumsum,
    lambda g, out, x, axis: flip(cumsum(flip(g, axis), axis), axis),
    examples=ALONG_EXAMPLES,
    structural=True,
    notation=Notation(odd=True),
)


def cumsum(x: Any, axis: int | None = None) -> Any:
    """Sum running along an axis; without one, over the flattened array.

    >>> cumsum([1.0, 2.0, 3.0])
    array([1., 3., 6.])
    """
    if axis is None:
        x, axis = reshape(x, -1), 0
    return _cumsum(x, axis=axes_of(axis))


publish(cumsum, _cumsum)

# --------------------------------------------------------------------------- running products


def _recurrence_array(a: Any, b: Any) -> np.ndarray:
    out = np.array(b)
    if out.shape[-1] > 1:  # pairs of steps are steps of a recurrence of half the length
        odd, even = a[..., 1::2], a[..., 0 : out.shape[-1] // 2 * 2 : 2]
        added = b[..., 1::2] + odd * b[..., 0 : out.shape[-1] // 2 * 2 : 2]
        out[..., 1::2] = _recurrence_array(odd * even, added)
        out[..., 2::2] += a[..., 2::2] * out[..., 1:-1:2]
    return out


def _behind(first: float, x: Any) -> Any:
    """The elements with another one before them along the last axis."""
    head = np.full((*x.shape[:-1], 1), first, dtype=x.dtype)
    return concatenate([head, x], axis=-1)


def _backwards(a: Any, b: Any) -> Any:
    """Run the recurrence from the end: ``out[i] = b[i] + a[i] * out[i + 1]``."""
    return flip(_recurrence(_behind(0.0, flip(a, -1)), flip(b, -1)), -1)


# A primitive for speed: n steps in log2(n) calls of NumPy, and without division by elements.
_recurrence: Primitive = Primitive(
    "recurrence",
    "recurrence",
    None,
    _recurrence_array,
    (
        lambda g, out, a, b: _backwards(a[..., 1:], g) * _behind(0.0, out[..., :-1]),
        lambda g, out, a, b: _backwards(a[..., 1:], g),
    ),
    domain=[REAL, REAL],
    examples=[example((4,), (4,)), example((2, 5), (2, 5))],
)


def _pull_cumprod(g: Any, out: Any, x: Any, axis: int) -> Any:
    g, out, x = (moveaxis(y, axis, -1) for y in (g, out, x))
    return moveaxis(_backwards(x[..., 1:], g) * _behind(1.0, out[..., :-1]), -1, axis)


_cumprod = _reduction("cumprod", "cumulative Π", np.cumprod, _pull_cumprod, examples=ALONG_EXAMPLES)


def cumprod(a: Any, axis: int | None = None) -> Any:
    """Multiply running along an axis; without one, over the flattened array.

    The derivative is right where some elements are 0.

    >>> cumprod([1.0, 2.0, 3.0])
    array([1., 2., 6.])
    """
    if axis is None:
        a, axis = reshape(a, -1), 0
    return _cumprod(a, axis=axes_of(axis))


publish(cumprod, _cumprod)


def _pull_logcumsumexp(g: Any, out: Any, x: Any, axis: int) -> Any:
    g, out, x = (moveaxis(y, axis, -1) for y in (g, out, x))
    # How each element weighs against those before it together: shares that add up to 1.
    later = x[..., 1:]
    gap = where(later == -np.inf, -np.inf, later - out[..., :-1])
    return moveaxis(_backwards(sigmoid(-gap), g) * _behind(1.0, sigmoid(gap)), -1, axis)


_logcumsumexp = _reduction(
    "logcumsumexp",
    "cumulative logsumexp",
    lambda x, axis: np.logaddexp.accumulate(of_floats(x), axis=axis),
    _pull_logcumsumexp,
    examples=ALONG_EXAMPLES,
)


def logcumsumexp(x: Any, axis: int | None = None) -> Any:
    """Compute ``log(cumsum(exp(x)))``, stable at any magnitude, as `numpy.logaddexp.accumulate`.

    >>> logcumsumexp([1000.0, -1000.0])
    array([1000., 1000.])
    """
    if axis is None:
        x, axis = reshape(x, -1), 0
    return _logcumsumexp(x, axis=axes_of(axis))


publish(logcumsumexp, _logcumsumexp)
