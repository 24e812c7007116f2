"""Order statistics, weighted means, covariance, and reductions that leave nan out.

All are made of sums, sorting and `where`: an element that is left out gets no cotangent at all,
so that nothing comes back to whatever made it nan.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import DataError, ShapeError
from ..graph import Node
from ..primitive import as_data, describe, is_tracing
from .comparison import plain, where
from .elementary import sign, sqrt
from .indexing import getitem, sort
from .linalg import diagonal, matmul
from .reduction import (
    Axis,
    cumprod,
    cumsum,
    kept_shape,
    max,
    mean,
    min,
    prod,
    sum,
)
from .selection import take_along_axis
from .shape import (
    atleast_2d,
    axes_of,
    axis_in,
    broadcast_to,
    concatenate,
    floating,
    operand,
    reshape,
    shape_of,
    transpose,
)

__all__ = [
    "average",
    "corrcoef",
    "cov",
    "median",
    "nancumprod",
    "nancumsum",
    "nanmax",
    "nanmean",
    "nanmedian",
    "nanmin",
    "nanpercentile",
    "nanprod",
    "nanquantile",
    "nanstd",
    "nansum",
    "nanvar",
    "percentile",
    "ptp",
    "quantile",
]


# --------------------------------------------------------------------------- order statistics


def _last(x: Any, axis: Axis, who: str) -> Any:
    """The axes that a reduction takes, flattened and moved to the end."""
    ndim = len(x.shape)
    listed = [axis] if isinstance(axis, int) else range(ndim) if axis is None else axis
    taken = sorted({axis_in(i, ndim, who) for i in listed})
    rest = [i for i in range(ndim) if i not in taken]
    lengths = [x.shape[i] for i in rest]
    return reshape(transpose(x, rest + taken), (*lengths, math.prod(x.shape[i] for i in taken)))


def _positions(q: np.ndarray, counts: np.ndarray, method: str) -> np.ndarray:
    """Where quantiles lie among so many sorted elements: what NumPy finds for 0, 1, 2, ..."""
    found = np.zeros(q.shape + counts.shape)
    for n in np.unique(counts[counts > 0]):
        try:
            places = np.quantile(np.arange(float(n)), q, method=method)  # type: ignore[call-overload]
        except ValueError as error:
            raise ShapeError(f"cannot take a quantile {q}: {error}") from None
        found[..., counts == n] = np.asarray(places)[..., None]
    return found


def _between(ordered: Any, positions: np.ndarray) -> Any:
    """Elements along the last axis at positions that may lie between two of them."""
    low = np.floor(positions).astype(int)
    share = (positions - low).astype(ordered.dtype)
    rest = np.indices(ordered.shape[:-1], sparse=True)
    lower = getitem(ordered, (*rest, low))
    if not share.any():
        return lower
    upper = getitem(ordered, (*rest, low + (share > 0)))
    return where(share > 0, (1.0 - share) * lower + share * upper, lower)


def _quantile(
    who: str, a: Any, q: Any, axis: Axis, method: str, keepdims: bool, skip: bool = False
) -> Any:
    a, axis = floating(a, who), axes_of(axis)
    if isinstance(q, Node):
        raise DataError(f"{who}: q is fixed, without a gradient, got {describe(q)}")
    fractions = np.asarray(as_data(q, who))
    slices = _last(a, axis, who)
    if not slices.shape[-1]:
        raise ShapeError(f"{who} of no elements: shape {a.shape} along axis {axis}")
    missing = np.isnan(slices)
    counts = np.sum(~missing if skip else np.ones_like(missing), axis=-1)
    # A nan that is skipped sorts to the end as inf; one that counts is the result, as in `max`.
    ordered = sort(where(missing, np.inf, slices) if skip else slices)
    result = _between(ordered, _positions(fractions, counts, method))
    lost = np.asarray(counts == 0 if skip else missing.any(axis=-1))
    if lost.any():
        result = where(lost, np.nan if skip else ordered[..., -1], result)
    return reshape(result, fractions.shape + kept_shape(a.shape, axis)) if keepdims else result


def quantile(
    a: Any, q: Any, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Any:
    """Find the numbers below which given fractions of the elements lie.

    A quantile between two elements shares the cotangent between them; a nan makes it nan.

    Parameters
    ----------
    a : Tensor or array
    q : number or array
        Fractions from 0 to 1; not differentiated. The axes of an array come first in the result.
    axis : int or sequence of ints, optional
    method : str
        Any of `numpy.quantile`.
    keepdims : bool

    Examples
    --------
    >>> quantile([1.0, 2.0, 4.0], [0.25, 1.0])
    array([1.5, 4. ])
    """
    return _quantile("quantile", a, q, axis, method, keepdims)


def percentile(
    a: Any, q: Any, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Any:
    """Find the numbers below which given percentages of the elements lie, as `quantile` does.

    >>> float(percentile([1.0, 2.0, 4.0], 25))
    1.5
    """
    return _quantile("percentile", a, _hundredth(q), axis, method, keepdims)


def _hundredth(q: Any) -> Any:
    return q if isinstance(q, Node) else np.true_divide(as_data(q, "percentile"), 100.0)


def median(a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Find the middle number; of an even count the mean of both, which share the cotangent.

    >>> float(median([3.0, 1.0, 7.0, 2.0]))
    2.5
    """
    return _middle("median", a, axis, keepdims)


def _middle(who: str, a: Any, axis: Axis, keepdims: bool, skip: bool = False) -> Any:
    a = floating(a, who)
    if 0 in a.shape:
        return mean(a, axis, keepdims)  # nan, where there is a result at all
    slices = _last(a, axes_of(axis), who)
    # A replay is for other numbers, whose places only a sort finds.
    places = None if is_tracing() else _middle_places(plain(slices))
    if places is None:
        return _quantile(who, a, 0.5, axis, "linear", keepdims, skip)
    result = mean(take_along_axis(slices, places), -1)
    return reshape(result, kept_shape(a.shape, axes_of(axis))) if keepdims else result


def _middle_places(slices: np.ndarray) -> np.ndarray | None:
    """Where the one or two middle numbers along the last axis are, found without sorting.

    None where nan, or numbers equal to them, leave a choice that is for the stable sort.
    """
    count = slices.shape[-1]
    middle = [*range((count - 1) // 2, count // 2 + 1)]
    found = np.partition(slices, middle, axis=-1)[..., middle]
    alike = [slices == found[..., [i]] for i in range(len(middle))]
    if any(np.count_nonzero(same) != found[..., 0].size for same in alike):
        return None
    return None if np.isnan(slices).any() else np.stack([s.argmax(axis=-1) for s in alike], -1)


def ptp(a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Take the largest element less the smallest; equal ones share the cotangent evenly.

    >>> float(ptp([1.0, 5.0, 2.0]))
    4.0
    """
    return max(a, axis, keepdims) - min(a, axis, keepdims)


# --------------------------------------------------------------------------- weighted means


def average(
    a: Any, axis: Axis = None, weights: Any = None, returned: bool = False, keepdims: bool = False
) -> Any:
    """Average the elements, each counted with a weight, which may be a node too.

    Parameters
    ----------
    a : Tensor or array
    axis : int or sequence of ints, optional
    weights : Tensor or array, optional
        Of the shape of `a`, or with a length for each axis. If they add up to 0, the result is
        inf or nan.
    returned : bool
        Give a pair of the average and the sum of the weights.
    keepdims : bool

    Examples
    --------
    >>> float(average([1.0, 4.0], weights=[2.0, 1.0]))
    2.0
    """
    a, axis = floating(a, "average"), axes_of(axis)
    shape = kept_shape(a.shape, axis)
    if weights is None:
        count = math.prod(a.shape) // math.prod(shape) if a.shape else 1
        result, total = mean(a, axis, keepdims), np.asarray(float(count), dtype=a.dtype)
    else:
        weights = _weights_along(floating(weights, "average"), a.shape, axis)
        total = sum(broadcast_to(weights, a.shape), axis, keepdims)
        result = sum(a * weights, axis, keepdims) / total
    return (result, broadcast_to(total, shape_of(result))) if returned else result


def _weights_along(weights: Any, shape: tuple[int, ...], axis: Axis) -> Any:
    if weights.shape == shape:
        return weights
    axes = [axis] if isinstance(axis, int) else list(axis or ())
    places = [axis_in(i, len(shape), "average") for i in axes]
    if weights.shape != tuple(shape[i] for i in places) or not places:
        raise ShapeError(
            f"average: weights of shape {weights.shape} need the shape {shape} of the array, or "
            f"a length for each axis given, got axis {axis}"
        )
    along = transpose(weights, [int(i) for i in np.argsort(places)])
    return reshape(along, [n if i in places else 1 for i, n in enumerate(shape)])


def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
) -> Any:
    """Estimate the covariances of variables from observations of them.

    Parameters
    ----------
    m : Tensor or array
        A variable in each row, with an observation in each column; or one variable.
    y : Tensor or array, optional
        More variables.
    rowvar : bool
        False: variables are in columns.
    bias : bool
        Divide by the number of observations instead of one less.
    ddof : int, optional
        What is subtracted from the number of observations; overrides `bias`.
    fweights, aweights : array, optional
        How often an observation was made, and how much it counts; not differentiated.

    Examples
    --------
    >>> cov([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    rows = _variables(m, rowvar)
    if y is not None:
        rows = concatenate([rows, _variables(y, rowvar)])
    importance = _observed("aweights", aweights, rows.shape[1])
    weights = _observed("fweights", fweights, rows.shape[1]) * importance
    total = float(weights.sum())
    if not total:
        raise ShapeError(f"cov of no observations: shape {shape_of(m)}, weights that add up to 0")
    lack = (0 if bias else 1) if ddof is None else ddof
    divisor = total - lack * float((weights * importance).sum()) / total
    weights = weights.astype(rows.dtype)
    centred = rows - sum(rows * (weights / total), 1, keepdims=True)
    products = matmul(centred, transpose(centred * weights))
    products = products / (divisor if divisor > 0 else 0.0)
    return reshape(products, [n for n in products.shape if n != 1])


def _variables(m: Any, rowvar: bool) -> Any:
    m = floating(m, "cov")
    if len(m.shape) > 2:
        raise ShapeError(f"cov takes a matrix, or one variable, got shape {m.shape}")
    rows = atleast_2d(m)
    return rows if rowvar or len(m.shape) < 2 else transpose(rows)


def _observed(name: str, weights: Any, count: int) -> np.ndarray:
    if isinstance(weights, Node):
        raise DataError(f"cov: {name} are fixed, without a gradient: got {describe(weights)}")
    given = np.ones(count) if weights is None else np.asarray(as_data(weights, name), dtype=float)
    if given.shape != (count,) or np.any(given < 0):
        raise ShapeError(
            f"cov: {name} are {count} numbers, one for each observation, none negative, "
            f"got shape {given.shape}"
        )
    return given


def corrcoef(x: Any, y: Any = None, rowvar: bool = True) -> Any:
    """Estimate the correlation coefficients of variables, as `cov` does covariances.

    >>> corrcoef([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    c = cov(x, y, rowvar)
    if not shape_of(c):
        return c / c
    scale = sqrt(diagonal(c))
    r = c / reshape(scale, (-1, 1)) / scale
    return where(abs(r) > 1.0, sign(r), r)  # by rounding


# --------------------------------------------------------------------------- without nan


def _filled(a: Any, number: float, who: str) -> tuple[Any, np.ndarray]:
    """An array with a number in place of nan, and where that was."""
    a = operand(a, who)
    missing = np.isnan(a)
    return (where(missing, number, a) if missing.any() else a), missing


def nansum(a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Sum the elements that are not nan.

    >>> float(nansum([1.0, np.nan]))
    1.0
    """
    return sum(_filled(a, 0.0, "nansum")[0], axis, keepdims)


def nanprod(a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Multiply the elements that are not nan.

    >>> float(nanprod([2.0, np.nan]))
    2.0
    """
    return prod(_filled(a, 1.0, "nanprod")[0], axis, keepdims)


def nancumsum(a: Any, axis: int | None = None) -> Any:
    """Sum running along an axis, with 0 in place of nan.

    >>> nancumsum([1.0, np.nan, 2.0])
    array([1., 1., 3.])
    """
    return cumsum(_filled(a, 0.0, "nancumsum")[0], axis)


def nancumprod(a: Any, axis: int | None = None) -> Any:
    """Multiply running along an axis, with 1 in place of nan.

    >>> nancumprod([2.0, np.nan, 3.0])
    array([2., 2., 6.])
    """
    return cumprod(_filled(a, 1.0, "nancumprod")[0], axis)


def _numbers(missing: np.ndarray, axis: Axis, dtype: np.dtype) -> Any:
    return np.sum(~missing, axis=axis, keepdims=True).astype(dtype)


def nanmean(a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Average the elements that are not nan; nan where there are none.

    >>> float(nanmean([1.0, np.nan, 2.0]))
    1.5
    """
    filled, missing = _filled(a, 0.0, "nanmean")
    axis = axes_of(axis)
    result = sum(filled, axis, keepdims=True) / _numbers(missing, axis, filled.dtype)
    return result if keepdims else sum(result, axis)


def nanvar(a: Any, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """Average the squared deviations of the elements that are not nan from their mean.

    The divisor is their number - `ddof`; nan where that is not positive.

    >>> float(nanvar([1.0, np.nan, 3.0]))
    1.0
    """
    a, axis = floating(a, "nanvar"), axes_of(axis)
    missing = np.isnan(a)
    deviations = where(missing, 0.0, a - nanmean(a, axis, keepdims=True))
    divisor = _numbers(missing, axis, a.dtype) - float(ddof)
    divisor[divisor <= 0] = np.nan
    result = sum(deviations * deviations, axis, keepdims=True) / divisor
    return result if keepdims else sum(result, axis)


def nanstd(a: Any, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """Take the square root of `nanvar`; its slope where all elements are equal is 0.

    >>> float(nanstd([1.0, np.nan, 3.0]))
    1.0
    """
    variance = nanvar(a, axis, ddof, keepdims)
    return where(variance == 0, 0.0, sqrt(variance))


def nanmax(a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Take the largest element that is not nan; equal ones share the cotangent evenly.

    >>> float(nanmax([1.0, np.nan]))
    1.0
    """
    return _nan_extreme("nanmax", max, -np.inf, a, axis, keepdims)


def nanmin(a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Take the smallest element that is not nan; equal ones share the cotangent evenly.

    >>> float(nanmin([1.0, np.nan]))
    1.0
    """
    return _nan_extreme("nanmin", min, np.inf, a, axis, keepdims)


def _nan_extreme(who: str, extreme: Any, worst: float, a: Any, axis: Axis, keepdims: bool) -> Any:
    found = extreme(_filled(a, worst, who)[0], axis, keepdims)
    # Where all that is there is as bad as what stands for nan, or nothing is.
    empty = np.asarray(plain(found)) == worst
    return where(empty, nanmean(a, axis, keepdims), found) if empty.any() else found


def nanmedian(a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Find the middle one of the numbers that are not nan, as `median` does.

    >>> float(nanmedian([3.0, np.nan, 1.0, 2.0]))
    2.0
    """
    return _middle("nanmedian", a, axis, keepdims, skip=True)


def nanquantile(
    a: Any, q: Any, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Any:
    """Find the quantiles of the numbers that are not nan, as `quantile` does.

    >>> float(nanquantile([1.0, np.nan, 2.0], 0.5))
    1.5
    """
    return _quantile("nanquantile", a, q, axis, method, keepdims, skip=True)


def nanpercentile(
    a: Any, q: Any, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Any:
    """Find the percentiles of the numbers that are not nan, as `percentile` does.

    >>> float(nanpercentile([1.0, np.nan, 2.0], 50))
    1.5
    """
    return _quantile("nanpercentile", a, _hundredth(q), axis, method, keepdims, skip=True)
