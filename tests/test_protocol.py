"""NumPy's own functions on nodes: each is differentiated, plain, or refused, and none else."""

from __future__ import annotations

import inspect
import math
import operator
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import autograd as ag
import autograd.numpy as anp
from autograd import DataError, Node, ShapeError, Tensor, Value, check_grads, grad, protocol
from autograd.structure import flatten

V = np.array([0.3, -1.2, 2.5, 0.9])
W = np.array([1.1, 0.4, 0.7])
UP = np.array([0.5, 1.1, 2.3, 2.9])
A = np.array([[0.3, -1.2, 2.5], [0.9, -0.4, 1.7]])
B = np.array([[1.4, 0.6, -0.8], [0.2, 1.9, -1.1]])
S = np.array([[2.3, -1.2, 0.5], [0.9, -1.4, 0.7], [-0.2, 1.3, 1.6]])
SYMMETRIC = S + S.T
DEFINITE = S @ S.T + np.eye(3)
C = np.linspace(-1.9, 2.3, 12).reshape(2, 3, 2) ** 3
P = np.abs(A) + 0.3
GAPS = np.array([[0.3, np.nan, 2.5], [0.9, -0.4, np.nan]])
ONE = np.array(1.3)
MASK = np.array([[True, False, True], [False, True, True]])

# --------------------------------------------------------------------------- every derivative

Row = tuple[str, tuple[Any, ...], dict[str, Any]]


def row(name: str, *args: Any, **options: Any) -> Row:
    return name, args, options


def rows(names: str, *args: Any, **options: Any) -> list[Row]:
    return [(name, args, options) for name in names.split()]


def definite(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function of symmetric matrices, as a function of any: `check_grads` moves each element."""
    return lambda x, *args, **options: f((x + np.swapaxes(x, -1, -2)) / 2.0, *args, **options)


def with_common_numbers(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function of two sets, both of which get the first, so that what they share may move."""
    return lambda x, y, z: f(np.concatenate([x, y]), np.concatenate([x, z]))


def between_zeros(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function of a vector, as one of what stands between zeros that do not move."""
    return lambda x, *args: f(np.concatenate([np.zeros(2), x, np.zeros(1)]), *args)


# Functions that make sense for some numbers only, as functions of any.
OF_ANY = {
    **dict.fromkeys(("linalg.cholesky", "linalg.eigh", "linalg.eigvalsh"), definite),
    "intersect1d": with_common_numbers,
    "trim_zeros": between_zeros,
}

# Every array of floats, in lists too, is a variable.
ROWS: list[Row] = [
    # ufuncs
    *rows("absolute fabs arctan arcsinh cbrt conjugate cos cosh exp exp2 expm1 sign sin sinh", A),
    *rows("square tan tanh negative positive deg2rad degrees rad2deg radians modf", A),
    *rows("log log10 log1p log2 sqrt reciprocal", P),
    *rows("arccos arcsin arctanh", A / 3.0),
    row("arccosh", P + 1.0),
    *rows("add subtract multiply divide arctan2 hypot logaddexp logaddexp2 maximum minimum", A, B),
    *rows("fmax fmin fmod remainder divmod copysign", A, B + 0.07),
    *rows("power float_power", P, B),
    row("power", A, 3),
    row("ldexp", A, np.array([1, -3, 60])),
    row("heaviside", np.array([0, 1, 0]), A),
    row("matmul", A, S),
    row("matvec", C.swapaxes(1, 2), W),
    row("vecmat", W, C),
    row("vecdot", A, B),
    row("vecdot", A, B, axis=0),
    row("linalg.vecdot", A, B),
    # one number for each
    *rows("i0 sinc nan_to_num real real_if_close copy", A),
    row("nan_to_num", GAPS, nan=2.0),
    row("clip", A, -1.0, ONE),
    row("clip", A, min=-1.0, max=2.0),
    row("clip", A, a_min=-1.0, a_max=None),
    row("where", MASK, A, B),
    row("astype", A, np.float64),
    row("unwrap", A * 4.0),
    row("interp", UP + 0.1, UP, V),
    row("polyval", W, A),
    row("select", [MASK, A > 1.0], [A, B], 0.5),
    row("choose", np.array([0, 1, 1]), [A, B]),
    row("piecewise", A, [A < 0.0, A > 1.0], [np.sin, np.square]),
    row("piecewise", V, [V < 0.0], [lambda x: -x, lambda x: x**3]),
    row("piecewise", ONE, [True, False], [np.exp, 0.0]),
    # reductions
    *rows("sum prod max min amax amin mean std var ptp median", A),
    *rows("sum prod max min amax amin mean std var ptp median", A, 1, keepdims=True),
    *rows("std var", A, axis=0, ddof=1),
    *rows("nansum nanprod nanmax nanmin nanmean nanmedian nanstd nanvar", GAPS, axis=1),
    *rows("nancumsum nancumprod", GAPS, axis=1),
    *rows("quantile nanquantile", A, 0.3, axis=1),
    *rows("percentile nanpercentile", A, [20.0, 70.0], 1, method="hazen"),
    row("average", A, 1, W),
    row("average", A, weights=P, returned=True),
    *rows("cumsum cumprod", A),
    *rows("cumsum cumprod", A, axis=1),
    *rows("cumulative_sum cumulative_prod", A, axis=1, include_initial=True),
    *rows("cumulative_sum cumulative_prod", V),
    *rows("cov corrcoef", S),
    row("trapezoid", A, W),
    row("linalg.norm", A),
    row("linalg.norm", A, ord=1, axis=1),
    row("linalg.vector_norm", A, axis=1, ord=3),
    row("linalg.matrix_norm", C),
    row("bincount", np.array([1, 3, 1, 0]), V, minlength=6),
    row("bincount", np.array([1, 3, 1, 0]), weights=V),
    row("apply_along_axis", lambda x: x * np.sum(x), 0, A),
    row("apply_along_axis", np.outer, 1, A, W),
    row("apply_over_axes", np.sum, C, [0, 2]),
    # shapes
    *rows(
        "ravel transpose permute_dims squeeze flip fliplr flipud rot90 diagonal matrix_transpose", A
    ),
    *rows("linalg.diagonal linalg.matrix_transpose", C),
    row("transpose", C, (2, 0, 1)),
    *rows("atleast_1d atleast_2d atleast_3d", V),
    row("atleast_2d", V, ONE),
    row("reshape", A, (3, 2)),
    row("broadcast_to", W, (2, 3)),
    row("broadcast_arrays", A, W),
    row("meshgrid", V, W, indexing="ij"),
    row("expand_dims", A, 1),
    *rows("swapaxes moveaxis rollaxis", C, 2, 0),
    row("roll", A, 2, axis=1),
    row("tile", A, 2),
    row("repeat", A, 2, axis=1),
    row("resize", A, (2, 4)),
    *rows("pad", A, 1),
    row("pad", A, 1, mode="edge"),
    row("pad", A, 1, constant_values=3.0),
    *rows("concatenate stack vstack hstack dstack column_stack", [A, B]),
    *rows("concatenate stack", [A, B], axis=1),
    row("concatenate", (A, B), None),
    row("block", [[A, B], [B, A]]),
    row("append", A, B, axis=0),
    row("append", A, 1.0),
    *rows("split array_split hsplit", A, 3, axis=1)[:2],
    row("hsplit", A, 3),
    row("vsplit", A, 2),
    row("dsplit", C, [1]),
    row("unstack", C, axis=1),
    row("full_like", A, ONE),
    row("linspace", ONE, 3.0, 5),
    row("linspace", W, A, num=4, endpoint=False, axis=1),
    row("linspace", ONE, 3.0, 5, retstep=True),
    row("logspace", W, 2.0, 4, base=2.0),
    row("logspace", ONE, 2.0, 4, axis=-1),
    row("geomspace", W, 9.0, 4),
    row("geomspace", -W, np.array(-9.0), num=4, axis=1),
    *rows("fft.fftshift fft.ifftshift", C),
    *rows("fft.fftshift fft.ifftshift", C, axes=1),
    # elements
    *rows("tril triu diag diagflat", A, 1),
    row("take", A, [2, 0], axis=1),
    row("take_along_axis", A, np.argsort(B, axis=1), 1),
    row("compress", [True, False, True], A, axis=1),
    row("extract", MASK, A),
    row("delete", V, [0, 2]),
    row("insert", V, 1, ONE),
    *rows("sort unique unique_values unique_all unique_counts unique_inverse", V),
    row("sort", A, axis=0, kind="stable"),
    row("partition", V, 1),
    row("intersect1d", V, W + 0.05, UP),
    *rows("setdiff1d setxor1d union1d", V, UP),
    *rows("trim_zeros", V, "fb"),
    *rows("trim_zeros", V, "f"),
    *rows("trim_zeros", V, "b"),
    # products
    *rows("dot vdot inner", V, UP),
    row("dot", A, S),
    *rows("outer linalg.outer", V, W),
    *rows("kron", A, W),
    *rows("tensordot linalg.tensordot", A, C, axes=([1], [1])),
    *rows("cross linalg.cross", A, B),
    row("linalg.matmul", A, S),
    row("einsum", "ij,kj->ik", A, B),
    row("einsum", A, [0, 1], W, [1], [0]),
    *rows("trace", S, offset=1),
    row("linalg.trace", C),
    row("vander", W, 4),
    # signals
    *rows("convolve correlate", V, W, mode="same"),
    row("diff", A, prepend=0.5),
    row("ediff1d", V, to_end=ONE),
    row("gradient", A, axis=1),
    row("gradient", A, 0.5),
    row("gradient", V, UP, edge_order=2),
    # polynomials
    *rows("poly polyder polyint", V),
    row("polyder", V, 2),
    row("polyint", V, m=2, k=np.array([1.5, 0.3])),
    *rows("polyadd polysub polymul polydiv", V, W),
    *rows("polyadd polydiv", W, V),
    row("polymul", [0.0, 1.0, 2.0], W),
    row("polyfit", UP, V, 2),
    row("polyfit", UP, np.stack([V, UP**2], axis=1), 1, w=[1.0, 2.0, 1.0, 0.5]),
    # matrices
    *rows("linalg.inv linalg.det linalg.slogdet linalg.cond linalg.svdvals linalg.pinv", S),
    *rows("linalg.svd", S, compute_uv=False),
    row("linalg.qr", S, mode="r"),
    row("linalg.solve", S, A.T),
    row("linalg.lstsq", S, W, None),
    row("linalg.tensorinv", S.reshape(3, 3), ind=1),
    row("linalg.tensorsolve", S, W),
    row("linalg.matrix_power", S, -2),
    row("linalg.multi_dot", [A, S, W]),
    row("linalg.cholesky", DEFINITE),
    row("linalg.cholesky", DEFINITE, upper=True),
    row("linalg.eigh", SYMMETRIC),
    row("linalg.eigvalsh", SYMMETRIC, UPLO="U"),
]

KNOWN = [r for r in ROWS if protocol.numpy_function(r[0]) is not None]  # to this NumPy


def numbered(table: Iterable[Row]) -> Iterator[Any]:
    seen: Counter[str] = Counter()
    for name, args, options in table:
        seen[name] += 1
        yield pytest.param(name, args, options, id=f"{name}-{seen[name]}")


def is_variable(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def leaves(result: Any) -> list[Any]:
    return flatten(result)[0]


def test_every_differentiable_function_is_in_the_table() -> None:
    named = {protocol.numpy_function(name) for name, _, _ in KNOWN}
    assert {f.__name__ for f in protocol.differentiable().keys() ^ named} == set()


@pytest.mark.parametrize(("name", "args", "options"), [*numbered(KNOWN)])
def test_values_are_those_of_numpy_and_derivatives_those_of_differences(
    name: str, args: tuple[Any, ...], options: dict[str, Any]
) -> None:
    function = protocol.numpy_function(name)
    if name in OF_ANY:
        function = OF_ANY[name](function)
    given, structure = flatten((args, options))
    places = [i for i, x in enumerate(given) if is_variable(x)]

    def call(*variables: Any) -> list[Any]:
        filled = list(given)
        for place, x in zip(places, variables, strict=True):
            missing = np.isnan(given[place])
            filled[place] = np.where(missing, np.nan, x) if missing.any() else x
        inner, keywords = structure.rebuild(filled)
        return leaves(function(*inner, **keywords))

    def nodes(*variables: Any) -> list[Any]:
        return [x for x in call(*variables) if isinstance(x, Node)]

    points = [np.nan_to_num(given[place]) for place in places]
    got = call(*map(Tensor, points))
    expected = call(*points)
    assert any(isinstance(x, Node) for x in got)
    assert len(got) == len(expected)
    for ours, theirs in zip(got, expected, strict=True):
        numbers = ours.numpy() if isinstance(ours, Tensor) else ours
        assert np.shape(numbers) == np.shape(theirs)
        np.testing.assert_allclose(numbers, theirs, rtol=1e-12, atol=1e-13)
    check_grads(nodes, *points, order=2)


UFUNCS = {
    name: args
    for name, args, options in reversed(KNOWN)
    if isinstance(protocol.numpy_function(name), np.ufunc) and not options
}
SCALAR = sorted(UFUNCS.keys() - {"matmul", "matvec", "vecmat", "vecdot"})


@pytest.mark.parametrize("name", SCALAR)
def test_ufuncs_on_values_and_with_either_operand_plain(name: str) -> None:
    ufunc = protocol.numpy_function(name)
    numbers = [np.ravel(x)[1].item() for x in UFUNCS[name]]
    expected = leaves(ufunc(*numbers))
    for which in range(len(numbers)):
        if (name, which) in {("ldexp", 1), ("heaviside", 0)}:  # constant between steps
            continue
        for kind in (Value, Tensor):
            operands = [kind(x) if i == which else x for i, x in enumerate(numbers)]
            got = leaves(ufunc(*operands))
            assert any(isinstance(x, Node) for x in got)
            for ours, theirs in zip(got, expected, strict=True):
                assert float(ours) == pytest.approx(float(theirs), rel=1e-14)


# --------------------------------------------------------------------------- a walk through NumPy

MODULES = {"": np, "linalg.": np.linalg, "fft.": np.fft}
EVERYTHING = {
    prefix + name: getattr(module, name)
    for prefix, module in MODULES.items()
    for name in module.__all__
    if callable(getattr(module, name))
}
CLASSES = {name for name, x in EVERYTHING.items() if inspect.isclass(x)}

# Not called: they print, run NumPy's tests, read files, or change settings.
NOT_CALLED = [
    *("info", "test", "show_config", "show_runtime", "get_include"),
    *("set_printoptions", "printoptions", "setbufsize", "seterr", "seterrcall"),
    *("fromfile", "fromregex", "genfromtxt", "load", "loadtxt"),
    *("array_repr", "array_str", "array2string", "save", "savez", "savez_compressed", "savetxt"),
]

# Parameters that say which, how many, how large, of what kind, or whether.
SWITCHES = [
    *("assume_unique", "axis", "bias", "copy", "deg", "discont", "dtype", "dx", "full"),
    *("full_matrices", "gdict", "increasing", "k", "ldict", "m", "n", "ndmax", "range", "rcond"),
    *("requirements", "return_index", "return_inverse", "rowvar", "shape", "subok", "tol"),
]

# Such arguments of some functions.
CHOOSING: dict[str, set[int]] = {
    **{name: {0} for name in ("choose", "compress", "extract", "where")},
    **{name: {0} for name in ("piecewise", "select", "full_like")},
    **{name: {1} for name in ("take", "take_along_axis")},
    **{name: {1} for name in ("intersect1d", "setdiff1d")},  # values are taken from the first
    **{name: {0, 1, 2} for name in ("tri", "tril_indices", "triu_indices")},
    "nan_to_num": {2},  # where no nan is
    "polydiv": {1},  # of higher degree
    "setxor1d": {0, 1},  # where nothing is left
    "fromiter": {0},  # takes elements by float(x): autograd.numpy.fromiter does not
}


def patterns() -> Iterator[tuple[Any, ...]]:
    """Arguments in which at least one is or holds a node; what is no node cannot be written to."""
    value = Value(0.7)
    vector, mask = V.copy(), V > 0.5
    function: Callable[..., Any] = np.sum
    mask.flags.writeable = False
    for array in (vector, S.copy(), np.array(0.4), C.copy()):
        array.flags.writeable = False
        node = Tensor(array) if array.ndim else value
        yield from [(node,), (node, node), (node, array), (array, node), (node, 2.0), (2.0, node)]
        yield from [(node, 1), (1, node), (node, 0, 1), (node, (2, 2)), (node, [1, 0])]
        yield from [([node, node],), ([node, array],), ([array, node],), ((node, node), 0)]
        yield from [(node, [0, 1], [0, 1]), (node, array, array), (array, node, array)]
        yield from [(array, array, node), (node, node, node), (1.0, 2.0, node), (array, 1, node)]
        yield from [(mask, node), (mask, node, node), (node, mask), (array, mask, node)]
        yield from [([mask], [node]), (node, [mask], [function]), (node, "fb"), ("i->i", node)]
        yield from [(function, 0, node), (function, node, [0]), (node, "f8"), (np.array([0]), node)]
        yield from [(np.array([0, 1, 0, 2]), node), (node, np.array([0, 1, 0, 2])), ([[node]],)]
    yield from [([value, 1.0],), ([1.0, value], 2.0), (value, vector), (vector, value)]
    yield from [(vector, [value, 1.0]), (vector, [0], [value]), (vector, mask, value)]
    yield from [(vector, 0, value), (value, 3.0, 5)]


PATTERNS = list(patterns())


def holds_node(result: Any) -> bool:
    return any(isinstance(leaf, Node) for leaf in leaves(result))


@contextmanager
def quiet() -> Iterator[None]:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def outcomes(function: Callable[..., Any]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """What a function gives for every pattern: a result, or an exception."""
    with quiet():
        for args in PATTERNS:
            try:
                yield args, function(*args)
            except Exception as error:
                yield args, error


def is_numbers(result: Any) -> bool:
    """Whether numbers are, or are among, a result: not words, kinds or yes and no."""
    return any(
        isinstance(x, (np.ndarray, np.number, float, int)) and not isinstance(x, bool)
        for x in leaves(result)
    )


def switches(name: str, function: Callable[..., Any]) -> set[int]:
    """The places of arguments of which a result may depend without a derivative."""
    try:
        parameters = list(inspect.signature(function).parameters)
    except ValueError:
        parameters = ["object", "dtype", "dtype"]
    named = {i for i, parameter in enumerate(parameters) if parameter in SWITCHES}
    return named | CHOOSING.get(name, set())


def losses(name: str, function: Callable[..., Any]) -> list[str]:
    """What of a function's results are numbers that were nodes, and refusals that do not help."""
    found = []
    places = switches(name, function)
    for args, result in outcomes(function):
        if isinstance(result, DataError) and "is not differentiated" in str(result):
            found += [] if "x.numpy()" in str(result) else [str(result)]
        elif is_numbers(result) and not holds_node(result):
            lost = [x for i, x in enumerate(args) if i not in places and holds_node(x)]
            found += [f"{name}{args} lost {x}: {result!r}" for x in lost]
    return found


def is_ufunc(x: Any) -> bool:
    return isinstance(x, np.ufunc)


def test_the_lists_name_what_there_is() -> None:
    assert [name for name in [*NOT_CALLED, *CHOOSING] if name not in EVERYTHING] == []
    assert [name for name in protocol.PLAIN.split() if protocol.numpy_function(name) is None] == []


@pytest.mark.parametrize("name", sorted(EVERYTHING.keys() - CLASSES - {*NOT_CALLED}))
def test_no_function_of_numpy_loses_a_gradient(name: str) -> None:
    function = EVERYTHING[name]
    if function in protocol.without_derivative():
        assert not any(holds_node(result) for _, result in outcomes(function))
    else:
        assert losses(name, function) == []


@pytest.mark.parametrize("name", sorted(EVERYTHING.keys() - CLASSES - {*NOT_CALLED}))
def test_a_refused_function_is_refused_by_a_type_error(name: str) -> None:
    function = EVERYTHING[name]
    if not hasattr(function, "_implementation") and not isinstance(function, np.ufunc):
        return
    if function not in protocol.differentiable() and function not in protocol.without_derivative():
        for node in (Tensor(V), Value(0.5)):
            with pytest.raises(TypeError, match=r"not differentiated.*x\.numpy|argument|iterable"):
                function(node)


@pytest.mark.parametrize(
    "name", sorted(n for n, f in EVERYTHING.items() if isinstance(f, np.ufunc))
)
@pytest.mark.parametrize("method", ["reduce", "accumulate", "outer", "at", "reduceat"])
def test_no_method_of_a_ufunc_loses_a_gradient(name: str, method: str) -> None:
    ufunc = EVERYTHING[name]
    if ufunc in protocol.without_derivative() and method != "at":
        assert not any(holds_node(result) for _, result in outcomes(getattr(ufunc, method)))
        return
    for args, result in outcomes(getattr(ufunc, method)):
        if isinstance(result, Exception) or holds_node(result) or not is_numbers(result):
            continue
        assert not any(map(holds_node, args[:2])), (name, args, result)  # the third is a dtype


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_types_are_made_of_numbers_only_where_one_asks_for_numbers(name: str) -> None:
    """``np.float64(x)`` is as ``float(x)``; arrays and matrices are not made of nodes."""
    kind = EVERYTHING[name]
    if name in ("memmap", "vectorize", "nditer", "errstate"):
        return
    with quiet():
        for args in ((Tensor(V),), (Tensor(S),), ([Value(1.0), 2.0],), ([Tensor(V)],)):
            try:
                result = kind(*args)
            except Exception:
                continue
            is_plain = isinstance(result, (np.ndarray, np.number)) and result.dtype.kind in "fc"
            assert not is_plain or issubclass(kind, np.generic), (name, args, result)


# --------------------------------------------------------------------------- methods of ufuncs


@pytest.mark.parametrize(
    ("ufunc", "options"),
    [
        *((f, o) for f in protocol.REDUCE for o in ({}, {"axis": 1}, {"axis": None})),
        (np.add, {"axis": (0, 1)}),
        (np.maximum, {"axis": 1, "keepdims": True}),
    ],
)
def test_reduce_is_numpys(ufunc: np.ufunc, options: dict[str, Any]) -> None:
    got = ufunc.reduce(Tensor(A), **options)
    np.testing.assert_allclose(got.numpy(), ufunc.reduce(A, **options), rtol=1e-14)
    check_grads(lambda x: ufunc.reduce(x, **options), A)


@pytest.mark.parametrize("ufunc", [*protocol.ACCUMULATE])
@pytest.mark.parametrize("options", [{}, {"axis": 1}])
def test_accumulate_is_numpys(ufunc: np.ufunc, options: dict[str, Any]) -> None:
    got = ufunc.accumulate(Tensor(A), **options)
    np.testing.assert_allclose(got.numpy(), ufunc.accumulate(A, **options), rtol=1e-14)
    check_grads(lambda x: ufunc.accumulate(x, **options), A)


def test_outer_pairs_all_with_all() -> None:
    got = np.subtract.outer(Tensor(A), W)
    np.testing.assert_array_equal(got.numpy(), np.subtract.outer(A, W))
    check_grads(np.hypot.outer, A, W)
    assert type(np.less.outer(Tensor(V), W)) is np.ndarray


# --------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda x: np.add(x, 1.0, out=np.zeros(4)),
            "np.add cannot write into an array .*: x = x . y",
        ),
        (lambda x: np.sum(x, out=np.zeros(())), "np.sum cannot write into an array"),
        (lambda x: np.sin(V, out=x), "np.sin cannot write into an array"),
        (lambda x: operator.iadd(V.copy(), x), "operator such as .=.*Assign it to a name"),
        (lambda x: operator.imul(V.copy(), x), "np.multiply cannot write"),
        (lambda x: operator.imatmul(S.copy(), x[:3]), "np.matmul cannot write"),
        (lambda x: np.add(x, 1.0, where=V > 0), "np.add: where= is not taken .*np.where first"),
        (lambda x: np.sum(x, where=V > 0), "np.sum: where= is not taken"),
        (lambda x: np.sum(x, initial=2.0), "np.sum: initial= is not taken .*combine it"),
        (lambda x: np.sum(x, dtype=np.float32), "np.sum: dtype= is not taken .*astype"),
        (lambda x: np.exp(x, dtype=np.float32), "np.exp: dtype= is not taken .*astype"),
        (lambda x: np.add.reduce(x, dtype=np.float32), "np.add.reduce: dtype= is not taken"),
        (lambda x: np.add.reduceat(x, [0, 2]), "np.add.reduceat is not differentiated"),
        (lambda x: np.add.at(np.zeros(4), [0], x), r"x.at\[i\].add\(y\)"),
        (lambda x: np.add.at(x, [0], 1.0), r"x.at\[i\].add\(y\)"),
        (lambda x: np.maximum.accumulate(x), r"np.max of x\[: i \+ 1\]"),
        (lambda x: np.hypot.reduce(x), "np.hypot.reduce is not differentiated"),
        (lambda x: np.frexp(x), "np.frexp is not differentiated.*np.log2"),
        (lambda x: np.nextafter(x, V), "use x"),
        (lambda x: np.put(x, [0], 1.0), r"x.at\[index\].set"),
        (lambda x: np.copyto(np.zeros(4), x), r"x.at\[index\].set"),
        (lambda x: np.histogram(x), "np.digitize"),
        (lambda x: np.roots(x), "complex"),
        (lambda x: np.fft.rfft(x), "complex"),
        (lambda x: np.linalg.eigvals(np.outer(x, x)), "eigvalsh"),
        (lambda x: np.poly(np.outer(x, x)), "eigvalsh"),
        (lambda x: np.polyfit(x, V, 1, full=True), "full=True"),
        (lambda x: np.vectorize(math.sin)(x), "np.array of autograd.numpy"),
        (lambda x: np.frompyfunc(abs, 1, 1)(x), "is not differentiated"),
        (lambda x: np.array([x, x]), "np.array of autograd.numpy"),
        (lambda x: np.add(x, "text"), "takes real numbers"),
        (lambda x: np.add(x, None), "takes real numbers, got None"),
        (lambda x: np.add(x, V + 1j), "takes real numbers, got an array of dtype complex"),
        (lambda x: V.astype(object) * x, "takes real numbers, got an array of dtype object"),
    ],
)
def test_refusals_say_what_to_do(call: Callable[[Any], Any], text: str) -> None:
    with pytest.raises(DataError, match=text):
        call(Tensor(V))


def test_options_that_change_nothing_are_taken() -> None:
    x = Tensor(A)
    assert np.sum(x, None, None, None).shape == ()
    assert np.add(x, x, where=True).shape == (2, 3)
    assert np.sort(x, kind="stable").shape == (2, 3)
    assert np.copy(x, order="K").shape == (2, 3)
    assert np.einsum("ij->i", x, optimize=True).shape == (2,)


def test_wrong_arguments_stay_errors() -> None:
    with pytest.raises(ShapeError, match="needs an axis"):
        np.cumulative_sum(Tensor(A))
    with pytest.raises(ShapeError, match="as many weights"):
        np.bincount([0, 1], Tensor(V))
    with pytest.raises(ShapeError, match="2 conditions, but 1 functions"):
        np.piecewise(Tensor(V), [V < 0.0, V > 1.0], [np.sin])
    with pytest.raises(ShapeError, match="no line"):
        np.apply_along_axis(np.sum, 0, Tensor(np.zeros((2, 0))))


class Foreign:
    """An array of another library, which knows of no nodes but says so itself."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **options: Any) -> str:
        return f"{ufunc.__name__} of another library"

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> str:
        return f"{function.__name__} of another library"


def test_arrays_of_other_libraries_answer_for_themselves() -> None:
    assert np.add(Tensor(V), Foreign()) == "add of another library"
    assert np.add(Foreign(), Tensor(V)) == "add of another library"
    assert np.concatenate([Tensor(V), Foreign()]) == "concatenate of another library"


class Unit:
    """What NumPy's arrays leave an operator to: it opts out of ufuncs and has reflected methods."""

    __array_ufunc__ = None

    def reflected(self, other: Any) -> Any:
        return self, other

    __radd__ = __rsub__ = __rmul__ = __rtruediv__ = __rpow__ = __rmod__ = __rmatmul__ = reflected


class Scalable:
    """What has a reflected method, but does not say that it takes arrays."""

    def __rmul__(self, other: Any) -> float:
        return float(other)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv", "pow", "mod", "matmul"])
@pytest.mark.parametrize("node", [Tensor(V), Value(2.0), Tensor(V).detach()], ids=repr)
def test_operators_leave_to_others_what_arrays_leave_to_them(name: str, node: Any) -> None:
    op, unit = getattr(operator, name), Unit()
    assert op(V, unit)[0] is unit
    taken, given = op(node, unit)
    assert taken is unit
    assert given is node  # itself: no gradient is lost
    with pytest.raises(TypeError, match="takes real numbers, got the Unit"):
        op(unit, node)


def test_operators_refuse_what_would_only_take_the_number() -> None:
    for node in (Tensor([2.0]), Value(2.0)):
        with pytest.raises(TypeError, match="mul takes real numbers, got the Scalable"):
            node * Scalable()
    for function in (ag.mul, ag.add, ag.matmul):  # as functions they leave nothing to anybody
        with pytest.raises(TypeError, match="takes real numbers, got the Unit"):
            function(Tensor(V), Unit())


# --------------------------------------------------------------------------- operators


@pytest.mark.parametrize(
    "op",
    [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.mod],
)
@pytest.mark.parametrize("left", [np.float64(2.5), np.float32(2.5), np.int64(3), UP, 2.5, 3])
def test_operators_with_numpy_on_the_left_and_right(op: Callable[..., Any], left: Any) -> None:
    for node in (Tensor(UP), Value(1.7)):
        numbers = node.data
        got = op(left, node)
        assert isinstance(got, Node)
        np.testing.assert_allclose(np.asarray(got.data), op(left, numbers), rtol=1e-7)
        np.testing.assert_allclose(np.asarray(op(node, left).data), op(numbers, left), rtol=1e-7)
    check_grads(lambda x: op(left, x), UP + 0.13)


def test_matmul_with_an_array_on_the_left() -> None:
    check_grads(lambda x: S @ x, W)
    assert isinstance(S @ Tensor(W), Tensor)


@pytest.mark.parametrize("op", [operator.lt, operator.le, operator.gt, operator.ge, operator.eq])
def test_comparisons_are_plain(op: Callable[..., Any]) -> None:
    for left, right in ((V, Tensor(UP)), (Tensor(V), UP), (np.float64(0.5), Tensor(UP))):
        plain = [x.numpy() if isinstance(x, Node) else x for x in (left, right)]
        got = op(left, right)
        assert type(got) is np.ndarray
        np.testing.assert_array_equal(got, op(*plain))
    assert op(np.float64(1.0), Value(2.0)) == op(1.0, 2.0)
    assert np.argmax(Tensor(V)) == 2
    assert np.shape(Tensor(A)) == (2, 3)
    assert np.allclose(Tensor(A), A)


def test_steps_have_slope_zero() -> None:
    slope = grad(lambda x: np.sum(x * np.floor(x) + np.sign(x) + np.round(x)))
    np.testing.assert_array_equal(slope(V), np.floor(V))


# --------------------------------------------------------------------------- autograd.numpy


def test_it_has_every_name_of_numpy() -> None:
    assert {*dir(np)} <= {*dir(anp)}
    assert {*np.linalg.__all__} <= {*dir(anp.linalg)}
    assert anp.pi == np.pi
    assert anp.sin is np.sin


@pytest.mark.parametrize(
    "call",
    [
        lambda m, x, y: m.array([x, y]),
        lambda m, x, y: m.array([[x, 1.0], [y, x]]),
        lambda m, x, y: m.array(x, ndmin=2),
        lambda m, x, y: m.asarray([x, 2, y]),
        lambda m, x, y: m.asfortranarray([x, y]),
        lambda m, x, y: m.full((2, 2), x),
        lambda m, x, y: m.fromiter((a for a in (x, y)), float, 1),
        lambda m, x, y: m.mean([x, y]),
        lambda m, x, y: m.sum([[x, y], [1.0, 2.0]], axis=0),
        lambda m, x, y: m.var(a=[x, y]),
        lambda m, x, y: m.vstack([[x, y], [1.0, x]]),
        lambda m, x, y: m.concatenate([[x], V, [y]]),
        lambda m, x, y: m.append(V, [x, y]),
        lambda m, x, y: m.dot([x, y], [y, 2.0]),
        lambda m, x, y: m.linalg.norm([x, y]),
        lambda m, x, y: m.r_[x, V, y, 1:4, 0:1:3j],
        lambda m, x, y: m.r_["0,2", [x, y], V[:2]],
        lambda m, x, y: m.c_[V[:2], [x, y]],
        lambda m, x, y: m.r_[V, 2.0] * x,
    ],
)
def test_lists_with_nodes_inside(call: Callable[..., Any]) -> None:
    got = call(anp, Value(1.5), Tensor(0.5))
    np.testing.assert_allclose(got.numpy(), call(np, 1.5, 0.5), rtol=1e-15)
    check_grads(lambda x, y: call(anp, x, y), 1.5, np.array(0.5))


def test_without_nodes_it_is_numpy() -> None:
    assert type(anp.array([1.0, 2.0])) is np.ndarray
    assert type(anp.fromiter(range(3), float)) is np.ndarray
    assert type(anp.full(2, 3.0)) is np.ndarray
    assert anp.r_[1:3, 0].tolist() == [1, 2, 0]
    with pytest.raises(TypeError):
        anp.sum("text", axis="no axis")


def test_lists_that_make_no_array_are_refused() -> None:
    with pytest.raises(ShapeError, match="one shape"):
        anp.array([Tensor(V), Value(1.0)])
    with pytest.raises(DataError, match="real numbers and nodes"):
        anp.array([Value(1.0), "text"])
