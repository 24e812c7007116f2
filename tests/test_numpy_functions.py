"""Functions of NumPy's, one table: the values are NumPy's, the derivatives those of differences.

Every array of floats among a row's arguments, in lists and tuples too, is a variable.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Node, OutOfRangeError, ShapeError, Tensor, Value, check_grads, gradients

nan, inf = np.nan, np.inf

V = np.array([0.3, -1.2, 2.5, 0.9, -0.4])
W = np.array([1.1, 0.4, 0.7])
UP = np.array([0.5, 1.1, 2.3, 2.9, 4.0])
A = np.array([[0.3, -1.2, 2.5], [0.9, -0.4, 1.7]])
B = np.array([[1.4, 0.6, -0.8], [0.2, 1.9, -1.1]])
S = np.array([[0.3, -1.2, 2.5], [0.9, -0.4, 1.7], [-2.2, 1.3, 0.6]])
C = np.linspace(-1.9, 2.3, 24).reshape(2, 3, 4) ** 3
P = np.abs(A) + 0.3
GAPS = np.array([[0.3, nan, 2.5, -1.1], [0.9, -0.4, nan, 1.7]])
ONE = np.array(1.3)
EMPTY = np.zeros((0, 3))
MASK = np.array([[True, False, True], [False, True, True]])
METHODS = ["inverted_cdf", "averaged_inverted_cdf", "hazen", "weibull", "median_unbiased"]
METHODS += ["normal_unbiased", "interpolated_inverted_cdf", "lower", "higher", "midpoint"]

Row = tuple[str, Callable[..., Any], tuple[Any, ...], dict[str, Any]]


def row(name: str, *args: Any, numpy: Callable[..., Any] | None = None, **options: Any) -> Row:
    return name, numpy or getattr(np, name), args, options


def nan_methods() -> list[Row]:
    return [
        row(name, GAPS, *args, **options)
        for name, args in [
            *((f"nan{f}", ()) for f in ("sum", "mean", "prod", "max", "min", "var", "std")),
            ("nanmedian", ()),
            ("nanquantile", (0.3,)),
            ("nanpercentile", ([20.0, 75.0],)),
        ]
        for options in ({}, {"axis": 0}, {"axis": -1, "keepdims": True}, {"axis": (0, 1)})
        if name not in ("nanvar", "nanstd") or options.get("axis") != 0
    ]


ROWS: list[Row] = [
    # Elementwise.
    *(row(name, A) for name in ("exp2", "cbrt", "degrees", "radians", "sinc", "i0", "fabs")),
    *(row(name, P) for name in ("log2", "log10")),
    *(row(name, A, numpy=getattr(np, f"arc{name[1:]}")) for name in ("asinh",)),
    row("acosh", P + 1.0, numpy=np.arccosh),
    row("atanh", A / 3.0, numpy=np.arctanh),
    row("sinc", np.array([0.0, 1e-9, -1e-3, 0.3, 1.0, 2.5, 30.25])),
    row("identity", A, numpy=np.positive),
    *(row(name, A, B) for name in ("hypot", "logaddexp", "logaddexp2", "fmax", "fmin")),
    *(row(name, A, B + 0.07) for name in ("remainder", "fmod", "copysign")),
    *(row(name, A, ONE) for name in ("hypot", "logaddexp2", "fmax", "remainder", "copysign")),
    row("float_power", P, B, numpy=np.power),
    row("fmax", GAPS, GAPS[::-1].copy()),
    row("nan_to_num", np.array([0.5, nan, inf, -inf]), nan=1.5, posinf=7.0),
    row("nan_to_num", np.array([0.5, nan, 2.0])),
    # Order statistics, means, covariance.
    *(row("median", x, **o) for x in (V, A, C) for o in ({}, {"axis": -1}, {"keepdims": True})),
    row("median", C, axis=(0, 2), keepdims=True),
    row("median", ONE),
    row("median", EMPTY, axis=0),
    row("median", EMPTY, axis=1),
    row("nansum", np.array([[3, 1], [2, 4]]), axis=0),
    row("median", np.array([[1.0, nan, 2.0], [3.0, 5.0, 4.0]]), axis=1),
    row("quantile", V, 0.3),
    row("quantile", A, [[0.0, 0.25], [0.6, 1.0]], axis=1),
    row("quantile", C, [0.1, 0.77], axis=(2, 0), keepdims=True),
    *(row("quantile", V, [0.13, 0.5, 0.91], method=method) for method in METHODS),
    row("percentile", A, [12.0, 50.0], axis=0),
    row("ptp", A),
    row("ptp", A, axis=1, keepdims=True),
    row("average", A),
    row("average", A, axis=1, weights=W),
    row("average", A, axis=0, weights=P, returned=True),
    row("average", A, returned=True, axis=1, keepdims=True),
    row("average", C, axis=(2, 0), weights=P[:, :2].repeat(2, axis=1).T + 0.1),
    row("cov", A),
    row("cov", V),
    row("cov", A, B, rowvar=False, bias=True),
    row("cov", S, ddof=0, fweights=np.array([1, 3, 2]), aweights=[0.5, 1.0, 2.0]),
    row("corrcoef", S),
    row("corrcoef", V, UP),
    *nan_methods(),
    row("nancumsum", GAPS),
    row("nancumsum", GAPS, axis=1),
    row("nancumprod", GAPS),
    row("nancumprod", GAPS, axis=0),
    row("nanmax", np.array([[nan, -inf], [nan, nan], [1.0, -inf]]), axis=1),
    # Running products.
    row("cumprod", A),
    row("cumprod", C, axis=1),
    row("cumprod", np.array([1.0, 0.0, 2.0, 0.0, 3.0])),
    row("cumprod", EMPTY, axis=0),
    row("logcumsumexp", A, numpy=lambda x: np.logaddexp.accumulate(x.ravel())),
    row("logcumsumexp", A, axis=1, numpy=lambda x, axis: np.logaddexp.accumulate(x, axis)),
    # Shapes.
    row("roll", A, 2),
    row("roll", A, -4, axis=1),
    row("roll", C, (1, -2), axis=(0, 2)),
    row("roll", C, 1, axis=(0, 2)),
    row("roll", EMPTY, 1, axis=1),
    *(row("rot90", A, k) for k in range(-1, 5)),
    row("rot90", C, 1, axes=(2, 0)),
    row("fliplr", A),
    row("flipud", V),
    row("ravel", C),
    row("ravel", C, order="F"),
    *(row(f"atleast_{n}d", x) for n in (1, 2, 3) for x in (ONE, V, A, C)),
    row("atleast_2d", V, ONE),
    *(row(f"{name}stack", [x, x]) for name in "vhd" for x in (ONE, V, A, C)),
    row("column_stack", [V, UP]),
    row("column_stack", (V, np.outer(UP, W))),
    row("append", A, V),
    row("append", A, B, axis=1),
    row("block", [[A, B], [B, A]]),
    row("block", [V, UP]),
    row("block", [[C], [C]]),
    row("array_split", V, 3),
    row("array_split", A, [1, 2], axis=1),
    row("vsplit", A, 2),
    row("hsplit", A, [1]),
    row("hsplit", V, [2, 3]),
    row("dsplit", C, 2),
    row("rollaxis", C, 2),
    row("rollaxis", C, 0, 2),
    row("broadcast_arrays", V, UP.reshape(5, 1)),
    row("meshgrid", V, W),
    row("meshgrid", V, W, indexing="ij"),
    row("meshgrid", V, W, UP, sparse=True),
    row("meshgrid", ONE, W),
    # Elements.
    row("take", A, [4, 0, 0]),
    row("take", C, [[1, -1], [0, 0]], axis=1),
    row("take", A, [7, -9], mode="wrap"),
    row("take", A, [7, -9], mode="clip"),
    row("take", A, 2),
    row("take_along_axis", A, np.argsort(A, axis=1), axis=1),
    row("take_along_axis", A, np.array([2, 0]), axis=None),
    row("compress", [True, False, True], A, axis=1),
    row("compress", [False, True], V),
    row("extract", MASK, A),
    row("choose", np.array([1, 0, 1]), [W, W * 2.0]),
    row("choose", np.array([[3], [-1]]), [W, V[:3]], mode="wrap"),
    row("choose", np.array([[3], [-1]]), [W, V[:3]], mode="clip"),
    row("select", [A > 1.0, A > 0.0], [A, A * A]),
    row("select", [V > 1.0, V > 0.0], [V, ONE], default=-2.0),
    row("delete", A, 1, axis=1),
    row("delete", V, [0, 3, -1]),
    row("delete", V, slice(1, 4, 2)),
    row("delete", A, np.array([True, False]), axis=0),
    row("insert", V, 2, ONE),
    row("insert", V, [3, 0, 3], W),
    row("insert", A, 1, V[:2], axis=1),
    row("insert", A, [0, 2], A[:, :2], axis=1),
    row("insert", A, -1, W, axis=0),
    row("insert", V, slice(0, 4, 2), W[:2]),
    row("insert", V, [], np.zeros(0)),
    row("resize", A, (3, 4)),
    row("resize", A, 2),
    row("resize", EMPTY, (2, 2)),
    *(row(name, x, k) for name in ("tril", "triu") for x in (S, C) for k in (-1, 0, 1)),
    row("tril", W),
    *(row("diag", x, k) for x in (W, S, A) for k in (-1, 0, 2)),
    row("diagflat", A, -1),
    row("partition", A, 1),
    row("partition", V, (1, 3)),
    row("partition", A, 2, axis=None),
    row("unique", np.array([2.0, 1.0, 3.5])),
    row("unique", A, return_index=True, return_inverse=True, return_counts=True),
    row("unique", A, axis=0),
    # Products.
    row("inner", A, B),
    row("inner", V, UP),
    row("inner", V, ONE),
    row("vdot", A, B),
    row("tensordot", A, B, axes=2),
    row("tensordot", A, W, axes=1),
    row("tensordot", C, A, axes=([1, 0], [1, 0])),
    row("tensordot", V, W, axes=0),
    row("tensordot", C, S, axes=(1, -1)),
    row("kron", A, B),
    row("kron", V, A),
    row("kron", ONE, W),
    row("kron", W, C),
    row("cross", W, V[:3]),
    row("cross", A, B),
    row("cross", A.T, B, axisa=0),
    row("cross", A.T, B.T, axis=0),
    row("vander", W),
    row("vander", W, 5, increasing=True),
    row("vander", np.array([0.0, 2.0]), 4),
    # Signals.
    *(row("convolve", a, v, mode=m) for m in ("full", "same", "valid") for a, v in [(V, W)]),
    *(row("correlate", a, v, mode=m) for m in ("full", "same", "valid") for a, v in [(W, V)]),
    *(row("convolve", W, V[:4], mode=m) for m in ("full", "same", "valid")),
    *(row("correlate", V, UP[:4], mode=m) for m in ("full", "same", "valid")),
    *(row("correlate", V[:4], UP, mode=m) for m in ("full", "same", "valid")),
    row("convolve", V, ONE),
    row("gradient", V),
    row("gradient", V, 0.5, edge_order=2),
    row("gradient", V, UP),
    row("gradient", V, UP, edge_order=2),
    row("gradient", A, edge_order=1),
    row("gradient", A, UP[:2], 0.3),
    row("gradient", C, 2.0, axis=(0, 2)),
    row("gradient", C, axis=-1, edge_order=2),
    row("diff", V),
    row("diff", A, 2),
    row("diff", A, axis=0),
    row("diff", A, prepend=ONE, append=A[:, :1]),
    row("diff", V, 0),
    row("diff", V, 9),
    row("ediff1d", A),
    row("ediff1d", V, to_end=W, to_begin=ONE),
    row("unwrap", np.array([0.0, 3.0, 5.0, -3.0, 2.0])),
    row("unwrap", C, axis=1, period=3.0),
    row("unwrap", V, 2.0, period=1.5),
    row("polyval", W, A),
    row("polyval", V, ONE),
    row("polyval", np.zeros(0), W),
    row("trapezoid", V),
    row("trapezoid", A, dx=0.5, axis=0),
    row("trapezoid", V, UP),
    row("trapezoid", A, W.cumsum()),
    row("trapezoid", C, np.sort(C, axis=1), axis=1),
    row("interp", V, UP, UP * UP),
    row("interp", UP + 0.13, UP, V),
    row("interp", np.array([[0.7], [9.0]]), UP, V, left=-3.0, right=7.0),
    row("interp", np.array([-9.0, 0.2, 3.3, 5.7]), UP, V, period=4.4),
    row("interp", ONE, UP, V),
    row("interp", V, np.array([0.5]), np.array([2.0])),
    row("interp", np.array([0.7, 1.3]), np.array([0.0, 1.0, 1.0, 2.0]), W[[0, 1, 2, 0]]),
]


def identified(rows: list[Row]) -> list[str]:
    return [f"{name}-{i}" for i, (name, *_) in enumerate(rows)]


each_row = pytest.mark.parametrize(("name", "numpy", "args", "options"), ROWS, ids=identified(ROWS))


def variables(x: Any) -> Iterator[np.ndarray]:
    if isinstance(x, np.ndarray) and x.dtype.kind == "f":
        yield x
    elif isinstance(x, (list, tuple)):
        for item in x:
            yield from variables(item)
    elif isinstance(x, dict):
        yield from variables(list(x.values()))


def filled(x: Any, given: Iterator[Any]) -> Any:
    """The same arguments with other things in place of the variables, in order."""
    if isinstance(x, np.ndarray) and x.dtype.kind == "f":
        return next(given)
    if isinstance(x, (list, tuple)):
        return type(x)(filled(item, given) for item in x)
    return {k: filled(v, given) for k, v in x.items()} if isinstance(x, dict) else x


def outputs(result: Any) -> list[Any]:
    return list(result) if isinstance(result, (list, tuple)) else [result]


@contextmanager
def quiet() -> Iterator[None]:
    """NumPy warns of what the nan functions leave out, and of results that are nan."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


def called(name: str, args: Any, options: Any, given: list[Any]) -> list[Any]:
    supply = iter(given)
    positional = filled(args, supply)
    return outputs(getattr(ag, name)(*positional, **filled(options, supply)))


@each_row
def test_values_on_arrays_are_those_of_numpy(
    name: str, numpy: Any, args: Any, options: Any
) -> None:
    with quiet():
        expected = outputs(numpy(*args, **options))
        got = called(name, args, options, list(variables((args, options))))
    assert len(got) == len(expected)
    for ours, theirs in zip(got, expected, strict=True):
        assert not isinstance(ours, Node)
        assert np.shape(ours) == np.shape(theirs)
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


@each_row
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_values_on_tensors_are_those_of_numpy(
    name: str, numpy: Any, args: Any, options: Any, dtype: Any
) -> None:
    given = [x.astype(dtype) for x in variables((args, options))]
    leaves = [Tensor(x) for x in given]
    supply = iter(given)
    with quiet():
        expected = outputs(numpy(*filled(args, supply), **filled(options, supply)))
    got = called(name, args, options, list(leaves))
    assert isinstance(got[0], Node) or not leaves
    assert len(got) == len(expected)
    close = {"rtol": 1e-12, "atol": 1e-14} if dtype is np.float64 else {"rtol": 1e-4, "atol": 1e-4}
    for ours, theirs in zip(got, expected, strict=True):
        assert np.shape(ours) == np.shape(theirs)
        if isinstance(ours, Tensor):
            assert ours.dtype == dtype
        np.testing.assert_allclose(
            ours.numpy() if isinstance(ours, Node) else ours, theirs, **close
        )


@each_row
def test_derivatives(name: str, numpy: Any, args: Any, options: Any) -> None:
    given = list(variables((args, options)))
    if not all(np.isfinite(x).all() for x in given):
        return  # in a test of its own

    def function(*leaves: Any) -> list[Any]:
        return [y for y in called(name, args, options, list(leaves)) if isinstance(y, Node)]

    assert check_grads(function, *given) == []


# --------------------------------------------------------------------------- nan left out


@pytest.mark.parametrize(
    ("name", "numpy", "args", "options"), nan_methods(), ids=identified(nan_methods())
)
def test_nothing_comes_back_to_what_is_nan(name: str, numpy: Any, args: Any, options: Any) -> None:
    """The slope of log is infinite, or nan, where its value is left out."""

    def total(x: Any, function: Any = ag) -> Any:
        return sum(((y * y).sum() for y in [getattr(ag, name)(x, *args[1:], **options)]), 0.0)

    start = np.exp(GAPS)
    x, safe = Tensor(np.where(np.isnan(start), -1.0, start)), Tensor(start)
    first, expected = (
        gradients(total(y), leaf, differentiable=True)
        for y, leaf in ((ag.log(x), x), (ag.log(safe), safe))
    )
    there = ~np.isnan(GAPS)
    assert np.all(first.numpy()[~there] == 0.0)
    assert np.isfinite(first.numpy()).all()
    np.testing.assert_array_equal(first.numpy()[there], expected.numpy()[there])
    second = gradients((first * first).sum(), x)
    assert np.all(second[~there] == 0.0)

    def smooth(numbers: Any) -> Any:
        return total(Tensor(GAPS).at[there].set(ag.log(numbers)))

    assert {d.verdict for d in check_grads(smooth, start[there])} <= {"imprecise"}
    small = Tensor(start[there])
    slope = gradients(smooth(small), small, differentiable=True)
    np.testing.assert_allclose(slope.numpy(), first.numpy()[there], rtol=1e-12)
    np.testing.assert_allclose(
        gradients((slope * slope).sum(), small), second[there], rtol=1e-10, atol=1e-12
    )


# --------------------------------------------------------------------------- what is refused

Z = Tensor(A)

REFUSED: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: ag.quantile(Z, 1.5), ShapeError, "range"),
    (lambda: ag.quantile(Z, 0.5, method="best"), ShapeError, "not a valid method"),
    (lambda: ag.quantile(Z, Value(0.5)), TypeError, "q is fixed"),
    (lambda: ag.quantile(Z, 0.5, axis=2), ShapeError, "axis 2 does not exist"),
    (lambda: ag.quantile(Tensor(EMPTY), 0.5), ShapeError, "no elements"),
    (lambda: ag.average(Z, weights=W), ShapeError, "weights of shape"),
    (lambda: ag.cov(Tensor(C)), ShapeError, "matrix"),
    (lambda: ag.cov(Z, aweights=Tensor(W)), TypeError, "fixed"),
    (lambda: ag.cov(Z, fweights=[1, 2]), ShapeError, "3 numbers"),
    (lambda: ag.cov(Tensor(np.zeros((2, 0)))), ShapeError, "no observations"),
    (lambda: ag.ravel(Z, order="K"), ShapeError, "C or F"),
    (lambda: ag.rot90(Z, axes=(0, 0)), ShapeError, "different axes"),
    (lambda: ag.rot90(Tensor(V)), ShapeError, "axis 1 does not exist"),
    (lambda: ag.roll(Z, (1, 2, 3), axis=(0, 1)), ShapeError, "do not go with"),
    (lambda: ag.roll(Z, 1, axis=5), ShapeError, "axis 5 does not exist"),
    (lambda: ag.rollaxis(Z, 0, 7), ShapeError, "start 7"),
    (lambda: ag.fliplr(Tensor(V)), ShapeError, "axis 1 does not exist"),
    (lambda: ag.vstack(Value(1.0)), TypeError, "list of arrays"),
    (lambda: ag.vstack([Z, Tensor(V)]), ShapeError, "concatenate"),
    (lambda: ag.block([[Z], Z]), ShapeError, "different depths"),
    (lambda: ag.block([[], []]), ShapeError, "empty"),
    (lambda: ag.array_split(Z, 0), ShapeError, "positive"),
    (lambda: ag.hsplit(Value(1.0), 1), ShapeError, "1 dimensions"),
    (lambda: ag.dsplit(Z, 1), ShapeError, "3 dimensions"),
    (lambda: ag.broadcast_arrays(Z, Tensor(V)), ShapeError, "no common one"),
    (lambda: ag.meshgrid(Z, indexing="yx"), ShapeError, "indexing 'yx'"),
    (lambda: ag.take(Z, 9), OutOfRangeError, "out of bounds"),
    (lambda: ag.take(Z, 1.5), TypeError, "index"),
    (lambda: ag.take(Z, 1, mode="x"), ShapeError, "mode"),
    (lambda: ag.take_along_axis(Z, [1]), ShapeError, "indices of 2 dimensions"),
    (lambda: ag.compress([[True]], Z), ShapeError, "vector"),
    (lambda: ag.delete(Z, 9, axis=0), OutOfRangeError, "out of bounds"),
    (lambda: ag.insert(Z, 9, 0.0, axis=0), OutOfRangeError, "out of bounds"),
    (lambda: ag.insert(Z, 0, W[:2], axis=0), ShapeError, "broadcast"),
    (lambda: ag.partition(Z, 9), ShapeError, "kth"),
    (lambda: ag.choose([3], [Z, Z]), ShapeError, "choose"),
    (lambda: ag.select([A > 0], [Z, Z]), ShapeError, "as many conditions"),
    (lambda: ag.select([A], [Z]), ShapeError, "bools"),
    (lambda: ag.tril(Value(1.0)), ShapeError, "matrix"),
    (lambda: ag.diag(Tensor(C)), ShapeError, "vector or a matrix"),
    (lambda: ag.resize(Z, -1), ShapeError, "negative"),
    (lambda: ag.tensordot(Z, Z, axes=1), ShapeError, "do not pair"),
    (lambda: ag.inner(Z, Tensor(V)), ShapeError, "do not pair"),
    (lambda: ag.vdot(Z, Tensor(V)), ShapeError, "matmul"),
    (lambda: ag.cross(Z, Tensor(V)), ShapeError, "vectors of 3"),
    (lambda: ag.vander(Z), ShapeError, "vector"),
    (lambda: ag.convolve(Z, Z), ShapeError, "two vectors"),
    (lambda: ag.convolve(Tensor([]), W), ShapeError, "with elements"),
    (lambda: ag.convolve(Tensor(V), W, "middle"), ShapeError, "mode 'middle'"),
    (lambda: ag.gradient(Z, edge_order=3), ShapeError, "edge_order"),
    (lambda: ag.gradient(Z, 1.0, 2.0, 3.0), ShapeError, "do not go with"),
    (lambda: ag.gradient(Z, W, axis=0), ShapeError, "2 samples need 2 coordinates"),
    (lambda: ag.gradient(Tensor([1.0])), ShapeError, "2 samples or more"),
    (lambda: ag.diff(Z, -1), ShapeError, "not negative"),
    (lambda: ag.diff(Value(1.0)), ShapeError, "axis -1 does not exist"),
    (lambda: ag.diff(Tensor([True, False])), TypeError, "bools"),
    (lambda: ag.interp(1.0, Z, Z), ShapeError, "vectors"),
    (lambda: ag.interp(Tensor(V), UP, UP, period=0.0), ShapeError, "period"),
    (lambda: ag.interp(Tensor(V), UP, UP, period=Value(1.0)), TypeError, "fixed number"),
    (lambda: ag.polyval(Z, 1.0), ShapeError, "vector"),
    (lambda: ag.trapezoid(Value(1.0)), ShapeError, "axis -1 does not exist"),
    (lambda: ag.nan_to_num(Z, copy=False), TypeError, "copy=True"),
    (lambda: ag.nan_to_num(Z, nan=Value(0.0)), TypeError, "fixed number"),
    (lambda: ag.median("abc"), TypeError, "real numbers"),
    (lambda: ag.cumprod(Z, axis=2), ShapeError, "cumprod"),
]


@pytest.mark.parametrize(
    ("call", "kind", "said"), REFUSED, ids=[f"{i}" for i in range(len(REFUSED))]
)
def test_bad_input_is_an_error_of_the_package(call: Any, kind: Any, said: str) -> None:
    with pytest.raises(kind, match=said) as caught:
        call()
    assert isinstance(caught.value, ag.AutogradError)


# --------------------------------------------------------------------------- Values, methods


@pytest.mark.parametrize(
    "f",
    [
        lambda v: ag.interp(v, UP, UP * UP),
        lambda v: ag.interp(1.7, UP, ag.stack([v, v * v, 1.0, 2.0, 3.0])),
        lambda v: ag.median(ag.stack([v, v * v, 1.0, 2.0])),
        lambda v: ag.polyval(W, v),
        lambda v: ag.nansum(v) + ag.nanmedian(v) + ag.average(v) + ag.ptp(v),
        lambda v: ag.append(v, v).sum() + ag.insert(W, 1, v).prod() + ag.diagflat(v).sum(),
        lambda v: ag.gradient(V, v).sum() + ag.trapezoid(V, dx=v),
        lambda v: ag.interp(V, UP, UP, left=v, right=v * v).sum(),
        lambda v: ag.select([np.array([True, False])], [v], default=v * v).sum(),
        lambda v: ag.fmax(v, 1.0) + ag.fmin(v, nan) + ag.nan_to_num(v),
        lambda v: ag.cumprod(v).sum() + ag.ravel(v).sum() + ag.atleast_2d(v).sum(),
        lambda v: ag.roll(ag.stack([v, 1.0]), 1)[0] + ag.unwrap(ag.stack([1.0, v * 9.0]))[1],
        lambda v: ag.kron(v, W).sum() + ag.inner(v, 2.0) + ag.vdot(v, v),
    ],
)
def test_values_are_taken_where_arrays_are(f: Any) -> None:
    assert {d.verdict for d in check_grads(f, 1.7)} <= {"imprecise"}


def test_methods_that_give_plain_results() -> None:
    x = Tensor(A)
    for name in ("argmax", "argmin", "any", "all"):
        np.testing.assert_array_equal(getattr(x, name)(axis=1), getattr(A, name)(axis=1))
        np.testing.assert_array_equal(getattr(x, name)(), getattr(A, name)())
    np.testing.assert_array_equal(x.argsort(axis=0), A.argsort(axis=0))
    np.testing.assert_array_equal(x.round(1), A.round(1))
    assert x.tolist() == A.tolist()
    assert all((a == b).all() for a, b in zip(x.nonzero(), A.nonzero(), strict=True))
    np.testing.assert_array_equal(
        Tensor(UP).searchsorted(Tensor(V), side="right"), UP.searchsorted(V)
    )


def test_methods_that_give_nodes() -> None:
    x = Tensor(A)
    np.testing.assert_array_equal(x.cumprod(axis=1).numpy(), A.cumprod(axis=1))
    np.testing.assert_array_equal(x.take([1, 5]).numpy(), A.take([1, 5]))
    np.testing.assert_array_equal(x.compress([True, False], axis=0).numpy(), A[:1])
    np.testing.assert_array_equal(Tensor([1, 0]).choose([x[0, :2], x[1, :2]]).numpy(), [0.9, -1.2])
    copy = x.copy()
    assert copy.inputs == (x,)
    np.testing.assert_array_equal(gradients(copy.sum(), x), np.ones_like(A))


def test_python_numbers_do_not_widen_float32() -> None:
    x, s = Tensor(np.float32([1.0, 2.0])), Tensor(np.float32(1.0))
    for result in (np.insert(x, 1, 5.0), np.linspace(s, 2.0, 3), np.linspace(x, 2, 3)):
        assert result.dtype == np.float32
    assert np.ediff1d(x, to_begin=0.0, to_end=[1.0, 2.0]).dtype == np.float32


def test_what_is_not_differentiated_does_not_widen_float32() -> None:
    x = Tensor(np.float32([[1.0, 2.0, 4.0], [3.0, 0.0, 1.0]]))
    results = (
        np.quantile(x, [0.2, 0.7], axis=1),
        np.percentile(x, np.array([20.0, 70.0])),
        np.nanquantile(x, [0.2, 0.7]),
        np.median(x, axis=1),
        np.cov(x, aweights=[0.5, 1.0, 2.0]),
        np.corrcoef(x),
        np.vander(x[0], 4),
    )
    for result in results:
        assert result.dtype == np.float32
        assert gradients(result.sum(), x).dtype == np.float32


@pytest.mark.parametrize("shape", [(1,), (2,), (7,), (8,), (3, 5), (4, 6), (2, 3, 4)])
@pytest.mark.parametrize("draw", ["distinct", "ties", "nan", "inf"])
def test_a_median_is_the_middle_of_a_stable_sort(shape: tuple[int, ...], draw: str) -> None:
    rng = np.random.default_rng(len(shape) + shape[0])
    x = rng.permutation(np.prod(shape)).reshape(shape) - 2.0
    if draw == "ties":
        x = np.floor(x / 3.0)
    elif draw != "distinct":
        x[rng.uniform(size=shape) < 0.3] = float(draw)
    for axis in (None, 0, -1):
        for ours, theirs, sorted_ in (
            (ag.median, np.median, ag.quantile),
            (ag.nanmedian, np.nanmedian, ag.nanquantile),
        ):
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")  # NumPy warns of slices of nothing but nan
                numbers = theirs(x, axis=axis)
                np.testing.assert_array_equal(ours(x, axis), numbers)
                node = Tensor(x)
                slope = gradients(ours(node, axis).sum(), node)
                expected = gradients(sorted_(node, 0.5, axis).sum(), node)
            np.testing.assert_array_equal(slope, expected)
