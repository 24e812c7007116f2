"""The functions of `numpy.linalg`: their values are NumPy's, their derivatives PyTorch's, and both
hold where matrices are singular or have equal eigenvalues, or say that they do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import (
    DataError,
    ShapeError,
    SingularMatrixError,
    Tensor,
    check_grads,
    gradients,
)
from autograd.ops import decomposition

try:  # not in the test that needs it: the import draws from NumPy's global random state
    import jax
except ImportError:
    jax = None

# --------------------------------------------------------------------------- matrices


def general(*shape: int) -> np.ndarray:
    """Random matrices, moved away from singular ones."""
    random = np.random.default_rng(sum(shape)).normal(size=shape)
    return random + 2.0 * np.eye(*shape[-2:])


def definite(*shape: int) -> np.ndarray:
    """Symmetric, positive definite matrices."""
    b = general(*shape)
    return np.asarray(b @ b.swapaxes(-1, -2) + np.eye(shape[-1]))


def deficient(*shape: int, rank: int) -> np.ndarray:
    """Matrices of less than full rank, not of whole numbers."""
    u, s, vh = np.linalg.svd(general(*shape), full_matrices=False)
    s[..., rank:] = 0.0
    return np.asarray((u * s[..., None, :]) @ vh)


def symmetric(x: Any) -> Any:
    """The symmetric part: what a function of symmetric matrices is a function of."""
    return (x + x.swapaxes(-1, -2)) / 2.0


def parts(result: Any) -> list[Any]:
    return list(result) if isinstance(result, tuple) else [result]


def numbers(x: Any) -> np.ndarray:
    return np.asarray(x.numpy() if isinstance(x, ag.Node) else x)


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (2, 5), (5, 2), (2, 40, 40)])
def test_sampled_numbers_make_valid_operands(shape: tuple[int, ...]) -> None:
    """Which the tests of all primitives take for granted, and backward where a branch is not."""
    for x in (np.random.default_rng(0).uniform(-1.5, 1.5, shape), np.ones(shape)):
        s = np.linalg.svd(decomposition.REGULAR.prepare(x), compute_uv=False)
        assert s.min() > 0.5
        assert np.all(s[..., :-1] - s[..., 1:] > 0.1)
        if shape[-1] == shape[-2]:
            a = decomposition.DEFINITE.prepare(x)
            np.testing.assert_array_equal(a, a.swapaxes(-1, -2))
            w = np.linalg.eigvalsh(a)
            assert w.min() > 0.5
            assert np.all(np.diff(w) > 0.1)


# --------------------------------------------------------------------------- every function

Case = tuple[Callable[..., Any], list[np.ndarray]]
"""A function that takes a namespace in front, and what to call it on."""

VECTOR_ORDERS = (None, 0, 1, 2, 3, 2.5, 0.5, -1, -2, np.inf, -np.inf)
MATRIX_ORDERS = (None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)

CASES: dict[str, Case] = {
    "inv": (lambda m, a: m.inv(a), [general(3, 3)]),
    "inv batch": (lambda m, a: m.inv(a), [general(2, 2, 2)]),
    "det": (lambda m, a: m.det(a), [general(4, 4)]),
    "det batch": (lambda m, a: m.det(a), [general(2, 2, 3, 3)]),
    "slogdet": (lambda m, a: m.slogdet(a), [general(3, 3) - 3.0 * np.eye(3)]),
    "slogdet batch": (lambda m, a: m.slogdet(a), [general(2, 3, 3)]),
    "solve": (lambda m, a, b: m.solve(a, b), [general(3, 3), general(3, 2)]),
    "solve vector": (lambda m, a, b: m.solve(a, b), [general(2, 3, 3), general(1, 3)[0]]),
    "solve broadcast": (lambda m, a, b: m.solve(a, b), [general(2, 1, 2, 2), general(3, 2, 2)]),
    "cholesky": (lambda m, a: m.cholesky(symmetric(a)), [definite(3, 3)]),
    "cholesky batch": (lambda m, a: m.cholesky(symmetric(a)), [definite(2, 2, 2)]),
    "cholesky upper": (lambda m, a: m.cholesky(symmetric(a), upper=True), [definite(3, 3)]),
    "qr": (lambda m, a: m.qr(a), [general(3, 3)]),
    "qr tall": (lambda m, a: m.qr(a), [general(2, 4, 2)]),
    "qr wide": (lambda m, a: m.qr(a), [general(2, 2, 4)]),
    "qr complete": (lambda m, a: m.qr(a, "complete"), [general(2, 3)]),
    "qr r": (lambda m, a: m.qr(a, mode="r"), [general(4, 2)]),
    "eigh": (lambda m, a: m.eigh(symmetric(a)), [definite(3, 3)]),
    "eigh batch": (lambda m, a: m.eigh(symmetric(a), UPLO="U"), [definite(2, 2, 2)]),
    "eigvalsh": (lambda m, a: m.eigvalsh(symmetric(a)), [definite(2, 3, 3)]),
    "svd": (lambda m, a: m.svd(a), [general(3, 3)]),
    "svd tall": (lambda m, a: m.svd(a, full_matrices=False), [general(2, 4, 2)]),
    "svd wide": (lambda m, a: m.svd(a, full_matrices=False), [general(2, 4)]),
    "svd values": (lambda m, a: m.svd(a, compute_uv=False), [general(3, 4)]),
    "svd hermitian": (
        lambda m, a: m.svd(symmetric(a), hermitian=True),
        [definite(2, 3, 3) - 5.0 * np.eye(3)],
    ),
    "svdvals": (lambda m, a: m.svdvals(a), [general(2, 3, 2)]),
    "pinv": (lambda m, a: m.pinv(a), [general(3, 3)]),
    "pinv tall": (lambda m, a: m.pinv(a), [general(2, 4, 2)]),
    "pinv wide": (lambda m, a: m.pinv(a, rtol=1e-10), [general(2, 4)]),
    "pinv symmetric": (lambda m, a: m.pinv(symmetric(a), hermitian=True), [definite(3, 3)]),
    **{
        f"norm {p} of a vector": (lambda m, x, p=p: m.norm(x, p), [np.array([1.5, -2.0, 0.7])])
        for p in VECTOR_ORDERS
    },
    **{
        f"norm {p} of vectors": (
            lambda m, x, p=p: m.norm(x, ord=p, axis=1, keepdims=True),
            [general(2, 3, 2)],
        )
        for p in VECTOR_ORDERS
    },
    **{
        f"norm {p} of a matrix": (lambda m, x, p=p: m.norm(x, p), [general(3, 2)])
        for p in MATRIX_ORDERS
    },
    **{
        f"norm {p} of matrices": (
            lambda m, x, p=p: m.norm(x, p, axis=(2, 0), keepdims=True),
            [general(3, 2, 3)],
        )
        for p in MATRIX_ORDERS
    },
    "norm without axes": (lambda m, x: m.norm(x, keepdims=True), [general(2, 3, 2)]),
    "vector_norm": (lambda m, x: m.vector_norm(x), [general(2, 3)]),
    "vector_norm axes": (
        lambda m, x: m.vector_norm(x, axis=(0, 2), ord=3, keepdims=True),
        [general(2, 3, 2)],
    ),
    "matrix_norm": (lambda m, x: m.matrix_norm(x), [general(2, 3, 2)]),
    "matrix_norm nuc": (lambda m, x: m.matrix_norm(x, ord="nuc", keepdims=True), [general(2, 3)]),
    **{
        f"cond {p}": (lambda m, x, p=p: m.cond(x, p), [general(2, 3, 3)])
        for p in (None, 2, -2, 1, -1, np.inf, "fro", "nuc")
    },
    "cond wide": (lambda m, x: m.cond(x), [general(2, 3)]),
    **{
        f"matrix_power {n}": (lambda m, a, n=n: m.matrix_power(a, n), [general(2, 2, 2)])
        for n in (-3, -1, 0, 1, 2, 5)
    },
    "multi_dot": (
        lambda m, *xs: m.multi_dot(xs),
        [general(2, 5), general(5, 3), general(3, 4), general(4, 1)],
    ),
    "multi_dot of vectors": (
        lambda m, *xs: m.multi_dot(xs),
        [general(1, 3)[0], general(3, 2), general(1, 2)[0]],
    ),
    "multi_dot of two": (lambda m, *xs: m.multi_dot(xs), [general(2, 3), general(3, 2)]),
    "vecdot": (lambda m, x, y: m.vecdot(x, y), [general(2, 3), general(1, 3)[0]]),
    "vecdot axis": (lambda m, x, y: m.vecdot(x, y, axis=0), [general(3, 2), general(3, 1)]),
    "tensorinv": (lambda m, a: m.tensorinv(a), [general(6, 6).reshape(2, 3, 3, 2)]),
    "tensorinv 1": (lambda m, a: m.tensorinv(a, ind=1), [general(4, 4).reshape(4, 2, 2)]),
    "tensorsolve": (
        lambda m, a, b: m.tensorsolve(a, b),
        [general(6, 6).reshape(2, 3, 6), general(2, 3)],
    ),
    "tensorsolve axes": (
        lambda m, a, b: m.tensorsolve(a, b, axes=(1, 0)),
        [general(4, 4).reshape(2, 2, 4), general(1, 4)[0]],
    ),
}
LSTSQ: dict[str, list[np.ndarray]] = {
    "tall": [general(4, 2), general(4, 3)],
    "square": [general(3, 3), general(1, 3)[0]],
    "wide": [general(2, 4), general(1, 2)[0]],
}

each_case = pytest.mark.parametrize(("function", "arrays"), CASES.values(), ids=CASES)


@each_case
def test_values_are_those_of_numpy(function: Callable[..., Any], arrays: list[np.ndarray]) -> None:
    expected = function(np.linalg, *arrays)
    for leaves in (arrays, [Tensor(x) for x in arrays]):
        got = function(ag, *leaves)
        if isinstance(expected, tuple):
            assert got._fields == expected._fields
        for x, y in zip(parts(got), parts(expected), strict=True):
            assert np.shape(numbers(x)) == np.shape(y)
            np.testing.assert_allclose(numbers(x), y, rtol=1e-9, atol=1e-10)
    assert not any(isinstance(x, ag.Node) for x in parts(function(ag, *arrays)))


@each_case
def test_derivatives_agree_with_finite_differences(
    function: Callable[..., Any], arrays: list[np.ndarray]
) -> None:
    def nodes(*leaves: Tensor) -> list[Tensor]:
        return [x for x in parts(function(ag, *leaves)) if isinstance(x, ag.Node)]

    assert {d.verdict for d in check_grads(nodes, *arrays, order=2)} <= {"imprecise"}


@each_case
def test_float32_stays_float32(function: Callable[..., Any], arrays: list[np.ndarray]) -> None:
    small = [Tensor(x, dtype=np.float32) for x in arrays]
    outputs = [x for x in parts(function(ag, *small)) if isinstance(x, ag.Node)]
    assert {x.dtype for x in outputs} == {np.dtype(np.float32)}
    exact = [Tensor(x) for x in arrays]
    expected = [x for x in parts(function(ag, *exact)) if isinstance(x, ag.Node)]
    for x, y in zip(outputs, expected, strict=True):
        weights = np.linspace(0.5, 1.5, x.size).reshape(x.shape)
        found = gradients(x, small, cotangent=weights.astype(np.float32), differentiable=True)
        for g, h in zip(found, gradients(y, exact, cotangent=weights), strict=True):
            assert g.dtype == np.float32
            np.testing.assert_allclose(g.numpy(), h, rtol=2e-3, atol=2e-3 * np.abs(h).max())


@each_case
def test_lists_and_constants_are_operands_too(
    function: Callable[..., Any], arrays: list[np.ndarray]
) -> None:
    output = function(ag, *[Tensor(x).detach() for x in arrays])
    assert all(x.is_constant for x in parts(output) if isinstance(x, ag.Node))
    if "symmetric" not in function.__code__.co_names:
        lists = function(ag, *[x.tolist() for x in arrays])
        for x, y in zip(parts(lists), parts(output), strict=True):
            np.testing.assert_allclose(numbers(x), numbers(y), rtol=1e-12)


@pytest.mark.parametrize("arrays", LSTSQ.values(), ids=LSTSQ)
def test_lstsq_is_the_solution_of_numpy(arrays: list[np.ndarray]) -> None:
    expected = np.linalg.lstsq(*arrays, rcond=None)[0]
    np.testing.assert_allclose(ag.lstsq(*arrays), expected, rtol=1e-10)
    assert check_grads(ag.lstsq, *arrays) == []


def test_lstsq_takes_batches() -> None:
    a, b = general(3, 4, 2), general(3, 4, 1)
    expected = [np.linalg.lstsq(x, y, rcond=None)[0] for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(ag.lstsq(a, b), expected, rtol=1e-10)
    assert {d.verdict for d in check_grads(ag.lstsq, a, b)} <= {"imprecise"}


def test_matrix_rank_is_plain_numbers() -> None:
    a = np.stack([general(3, 3), deficient(3, 3, rank=2)])
    for x in (a, Tensor(a)):
        assert ag.matrix_rank(x).tolist() == [3, 2]
    assert ag.matrix_rank(Tensor(a), tol=1e9).tolist() == [0, 0]
    assert ag.matrix_rank(definite(3, 3), hermitian=True) == 3
    assert ag.matrix_rank(a, rtol=10.0).tolist() == [0, 0]


def test_integers_are_measured_as_floats() -> None:
    for p in VECTOR_ORDERS:
        ours, theirs = ag.norm([3, -4], p), np.linalg.norm([3, -4], p)
        np.testing.assert_allclose(ours, theirs)
        assert np.asarray(ours).dtype == np.asarray(theirs).dtype
    assert ag.matrix_power(np.array([[1, 1], [0, 1]]), 4).tolist() == [[1, 4], [0, 1]]


def test_multi_dot_takes_the_cheapest_order() -> None:
    a, b, c = (Tensor(np.ones(shape)) for shape in [(2, 50), (50, 3), (3, 1)])
    right_first = ag.multi_dot([a, b, c])
    assert right_first.inputs[0] is a
    left_first = ag.multi_dot([c.T, b.T, a.T])
    assert left_first.inputs[0].shape == (1, 50)


# --------------------------------------------------------------------------- against PyTorch


def torch_name(torch: Any) -> dict[str, Callable[..., Any]]:
    """The cases, written with PyTorch."""
    linalg = torch.linalg
    names: dict[str, Callable[..., Any]] = {
        "inv": linalg.inv,
        "inv batch": linalg.inv,
        "det": linalg.det,
        "det batch": linalg.det,
        "slogdet": lambda a: linalg.slogdet(a)[1],
        "slogdet batch": lambda a: linalg.slogdet(a)[1],
        "solve": linalg.solve,
        "solve broadcast": linalg.solve,
        "solve vector": lambda a, b: linalg.solve(a, b.expand(2, 3)),
        "cholesky": lambda a: linalg.cholesky(symmetric(a)),
        "cholesky batch": lambda a: linalg.cholesky(symmetric(a)),
        "cholesky upper": lambda a: linalg.cholesky(symmetric(a), upper=True),
        "qr": linalg.qr,
        "qr tall": linalg.qr,
        "eigh": lambda a: linalg.eigh(symmetric(a)),
        "eigh batch": lambda a: linalg.eigh(symmetric(a), UPLO="U"),
        "eigvalsh": lambda a: linalg.eigvalsh(symmetric(a)),
        "svd": linalg.svd,
        "svd tall": lambda a: linalg.svd(a, full_matrices=False),
        "svd wide": lambda a: linalg.svd(a, full_matrices=False),
        "svd values": linalg.svdvals,
        "svdvals": linalg.svdvals,
        "pinv": linalg.pinv,
        "pinv tall": linalg.pinv,
        "pinv wide": linalg.pinv,
        "pinv symmetric": lambda a: linalg.pinv(symmetric(a), hermitian=True),
        "vector_norm": linalg.vector_norm,
        "vector_norm axes": lambda x: linalg.vector_norm(x, 3, dim=(0, 2), keepdim=True),
        "matrix_norm": linalg.matrix_norm,
        "matrix_norm nuc": lambda x: linalg.matrix_norm(x, "nuc", keepdim=True),
        "cond wide": linalg.cond,
        "multi_dot": lambda *xs: linalg.multi_dot(xs),
        "multi_dot of vectors": lambda *xs: linalg.multi_dot(xs),
        "multi_dot of two": lambda *xs: linalg.multi_dot(xs),
        "vecdot": linalg.vecdot,
        "vecdot axis": lambda x, y: linalg.vecdot(x, y, dim=0),
        "tensorinv": linalg.tensorinv,
        "tensorinv 1": lambda a: linalg.tensorinv(a, 1),
        "tensorsolve": linalg.tensorsolve,
        "tensorsolve axes": lambda a, b: linalg.tensorsolve(a, b, dims=(1, 0)),
    }
    for p in VECTOR_ORDERS:
        names[f"norm {p} of a vector"] = lambda x, p=p: linalg.norm(x, p)
        names[f"norm {p} of vectors"] = lambda x, p=p: linalg.norm(x, p, dim=1, keepdim=True)
    for p in MATRIX_ORDERS:
        names[f"norm {p} of a matrix"] = lambda x, p=p: linalg.norm(x, p)
        names[f"norm {p} of matrices"] = lambda x, p=p: linalg.norm(x, p, dim=(2, 0), keepdim=True)
    for p in (None, 2, -2):
        names[f"cond {p}"] = lambda x, p=p: linalg.cond(x, p)
    for p in (1, -1, np.inf, "fro", "nuc"):  # whose own backward fails
        names[f"cond {p}"] = lambda x, p=p: (
            linalg.matrix_norm(x, p) * linalg.matrix_norm(linalg.inv(x), p)
        )
    for n in (-3, -1, 1, 2, 5):
        names[f"matrix_power {n}"] = lambda a, n=n: linalg.matrix_power(a, n)
    return names


def invariant(outputs: list[Any]) -> Any:
    """A smooth number of outputs that does not depend on the signs of vectors, which differ."""
    total = 0.0
    for i, x in enumerate(outputs):
        weights = np.cos(np.arange(np.prod(tuple(x.shape), dtype=int)) + i).reshape(tuple(x.shape))
        total = total + (x * x * type_of(x)(weights)).sum()
    return total


def type_of(x: Any) -> Callable[[np.ndarray], Any]:
    if isinstance(x, ag.Node):
        return lambda w: w
    return lambda w: x.new_tensor(w)


@each_case
def test_gradients_and_hessian_products_are_those_of_torch(
    function: Callable[..., Any], arrays: list[np.ndarray]
) -> None:
    torch = pytest.importorskip("torch")
    name = next(name for name, case in CASES.items() if case[0] is function)
    theirs = torch_name(torch).get(name)
    if theirs is None:
        return  # not in PyTorch, or without a derivative there
    leaves = [Tensor(x) for x in arrays]
    outputs = [x for x in parts(function(ag, *leaves)) if isinstance(x, ag.Node)]
    first = gradients(invariant(outputs), leaves, differentiable=True)
    second = gradients(invariant(first), leaves)
    points = [torch.tensor(x, requires_grad=True) for x in arrays]
    results = theirs(*points)
    results = list(results) if isinstance(results, tuple) else [results]
    slopes = torch.autograd.grad(invariant(results), points, create_graph=True, allow_unused=True)
    slopes = [torch.zeros_like(x) if g is None else g for g, x in zip(slopes, points, strict=True)]
    for g, h in zip(first, slopes, strict=True):
        np.testing.assert_allclose(g.numpy(), h.detach().numpy(), rtol=1e-7, atol=1e-9)
    total = invariant(slopes)
    if not total.requires_grad:
        assert not any(np.any(g) for g in second)
        return
    for g, h in zip(second, torch.autograd.grad(total, points, allow_unused=True), strict=True):
        want = np.zeros(g.shape) if h is None else h.numpy()
        np.testing.assert_allclose(g, want, rtol=1e-6, atol=1e-7 * max(1.0, np.abs(want).max()))


@pytest.mark.parametrize("name", ["cholesky", "eigh", "eigvalsh"])
def test_gradients_are_symmetric_as_in_torch_and_jax(name: str) -> None:
    """Of what reads one triangle only, asked for without taking the symmetric part first."""
    torch = pytest.importorskip("torch")
    if jax is None:
        pytest.skip("needs JAX")
    a, weights = definite(3, 3), general(3, 3)

    def loss(m: Any, x: Any, w: Any) -> Any:
        result = getattr(m, name)(x)
        last = result[-1] if isinstance(result, tuple) else result
        return (last * last * (w if len(last.shape) == 2 else w[0])).sum()

    x = Tensor(a)
    loss(ag, x, weights).backward()
    point = torch.tensor(a, requires_grad=True)
    loss(torch.linalg, point, torch.tensor(weights)).backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad, x.grad.T)
    np.testing.assert_allclose(x.grad, point.grad.numpy(), rtol=1e-9, atol=1e-11)
    with jax.enable_x64(True):
        in_jax = jax.grad(lambda y: loss(jax.numpy.linalg, y, weights))(jax.numpy.array(a))
    np.testing.assert_allclose(x.grad, np.asarray(in_jax), rtol=1e-9, atol=1e-11)


def test_the_gradient_of_pinv_of_a_symmetric_matrix_is_symmetric() -> None:
    """At both orders, as PyTorch's is once the symmetric part is taken first."""
    torch = pytest.importorskip("torch")
    a = definite(3, 3)
    x, point = Tensor(a), torch.tensor(a, requires_grad=True)
    out, weights = ag.pinv(x, hermitian=True), general(3, 3)
    theirs = torch.linalg.pinv(symmetric(point), hermitian=True)
    slope = gradients(out, x, cotangent=weights, differentiable=True)
    expected = torch.autograd.grad(theirs, point, torch.tensor(weights), create_graph=True)[0]
    np.testing.assert_array_equal(slope.numpy(), slope.numpy().T)
    np.testing.assert_allclose(slope.numpy(), expected.detach().numpy(), rtol=1e-9, atol=1e-11)
    second = gradients(slope, x, cotangent=weights)
    wanted = torch.autograd.grad(expected, point, torch.tensor(weights))[0].numpy()
    np.testing.assert_allclose(second, second.T, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(second, wanted, rtol=1e-9, atol=1e-11)


def test_one_triangle_is_read() -> None:
    a = definite(3, 3)
    lower, upper = np.tril(a), np.triu(a)
    for x in (lower, Tensor(lower)):
        np.testing.assert_allclose(numbers(ag.cholesky(x)), np.linalg.cholesky(a))
        np.testing.assert_allclose(numbers(ag.eigvalsh(x)), np.linalg.eigvalsh(a))
    np.testing.assert_allclose(ag.eigvalsh(upper, "u"), np.linalg.eigvalsh(a))
    np.testing.assert_allclose(ag.cholesky(upper, upper=True), np.linalg.cholesky(a).T)


# --------------------------------------------------------------------------- degenerate matrices


def cofactors(a: np.ndarray) -> np.ndarray:
    """By determinants of what is left without a row and a column."""
    n = len(a)
    out = np.empty((n, n))
    for i, j in np.ndindex(n, n):
        minor = np.delete(np.delete(a, i, 0), j, 1)
        out[i, j] = (-1) ** (i + j) * np.linalg.det(minor)
    return out


DETERMINANTS = {
    **{f"rank {rank}": deficient(4, 4, rank=rank) for rank in range(5)},
    "identity": np.eye(3),
    "one singular value 0, the others equal": np.diag([1.0, 1.0, 0.0]),
    "two singular values 0": np.diag([2.0, 0.0, 0.0]),
    "zeros": np.zeros((3, 3)),
    "ones": np.ones((3, 3)),
    "one number": np.zeros((1, 1)),
}


@pytest.mark.parametrize("a", DETERMINANTS.values(), ids=DETERMINANTS)
def test_derivatives_of_det_of_any_matrix(a: np.ndarray) -> None:
    """At all ranks, with the cofactors and the differences of these."""
    x, direction, h = Tensor(a), general(*a.shape), 1e-4
    slope = gradients(ag.det(x), x, differentiable=True)
    np.testing.assert_allclose(slope.numpy(), cofactors(a), rtol=1e-8, atol=1e-12)
    curvature = (cofactors(a + h * direction) - cofactors(a - h * direction)) / (2 * h)
    second = gradients((slope * direction).sum(), x)
    np.testing.assert_allclose(second, curvature, rtol=1e-6, atol=1e-6)


def test_third_derivative_of_det() -> None:
    assert check_grads(ag.det, general(3, 3), order=3) == []
    assert check_grads(ag.det, np.eye(3), order=3) == []


def test_a_singular_matrix_in_a_batch_does_not_spoil_the_others() -> None:
    a = np.stack([general(3, 3), deficient(3, 3, rank=2)])
    assert {d.verdict for d in check_grads(ag.det, a, order=2)} <= {"imprecise"}


def test_equal_eigenvalues() -> None:
    """Functions of eigenvalues have a first derivative; what needs eigenvectors has none."""
    for a in (np.eye(3), np.diag([1.0, 2.0, 2.0]), np.zeros((2, 2))):
        x = Tensor(a)
        g = gradients(ag.eigvalsh(x).square().sum(), x, differentiable=True)
        np.testing.assert_allclose(g.numpy(), 2.0 * a, atol=1e-12)
        assert np.isnan(gradients(g.sum(), x)).any()
        vectors = ag.eigh(x).eigenvectors
        assert np.isnan(gradients((vectors * general(*a.shape)).sum(), x)).all()


@pytest.mark.parametrize("a", [np.eye(3), np.eye(3, 2), np.zeros((2, 3)), np.zeros((2, 2))])
def test_equal_singular_values(a: np.ndarray) -> None:
    x = Tensor(a)
    g = gradients(ag.svdvals(x).square().sum(), x, differentiable=True)
    np.testing.assert_allclose(g.numpy(), 2.0 * a, atol=1e-12)
    assert np.isnan(gradients((g * g).sum() + g.sum(), x)).any()
    for vectors in (ag.svd(x, full_matrices=False).U, ag.svd(x, full_matrices=False).Vh):
        weights = general(*vectors.shape)
        assert np.isnan(gradients((vectors * weights).sum(), x)).all()


def test_other_matrices_of_a_batch_are_not_spoiled() -> None:
    a = np.stack([definite(3, 3), np.eye(3)])
    x = Tensor(a)
    g = gradients((ag.eigh(x).eigenvectors[:, 0] ** 2)[:, 0].sum(), x)
    assert np.isfinite(g[0]).all()
    assert np.isnan(g[1]).all()


def test_pinv_of_less_than_full_rank() -> None:
    """Along changes that keep the rank, as products of two thin matrices do."""
    b, c = general(4, 2), general(2, 3)
    assert {d.verdict for d in check_grads(lambda x, y: ag.pinv(x @ y), b, c)} <= {"imprecise"}


def test_lstsq_of_less_than_full_rank_has_the_shortest_solution() -> None:
    a, b = deficient(4, 3, rank=2), general(1, 4)[0]
    np.testing.assert_allclose(ag.lstsq(a, b), np.linalg.lstsq(a, b, rcond=None)[0])


def test_norms_at_zero() -> None:
    for p in (None, 1, 2, 3, 1.5, np.inf):
        x = Tensor(np.zeros(3))
        np.testing.assert_array_equal(gradients(ag.norm(x, p), x), np.zeros(3))
    for p in (1, 1.5, 2, 3, 0.5):
        x = Tensor([0.0, 2.0])
        g = gradients(ag.norm(x, p), x, differentiable=True)
        np.testing.assert_allclose(g.numpy(), [0.0, 1.0])
        assert np.isfinite(gradients(g.sum(), x)).all()
    x = Tensor([2.0, -2.0])
    assert gradients(ag.norm(x, np.inf), x).tolist() == [0.5, -0.5]
    assert ag.norm([0.0, 2.0], -1) == 0.0


def test_norm_without_order_is_scaled() -> None:
    for size in (1e-200, 1e200):
        assert float(ag.norm([3.0 * size, 4.0 * size])) == pytest.approx(5.0 * size)
        assert Tensor([3.0 * size, 4.0 * size]).norm().item() == pytest.approx(5.0 * size)


def test_condition_of_a_singular_matrix() -> None:
    assert float(ag.cond(np.diag([1.0, 0.0]))) == np.inf
    assert ag.cond(Tensor(np.zeros((2, 2)))).item() == np.inf


@pytest.mark.parametrize("p", [1, -1, np.inf, -np.inf, "fro", "nuc"])
def test_condition_of_a_singular_matrix_in_other_norms(p: Any) -> None:
    a = np.stack([np.ones((2, 2)), general(2, 2), 1e-200 * general(2, 2)])
    x, regular = Tensor(a), Tensor(a[1:])
    number = np.linalg.cond(a[1], p)
    np.testing.assert_allclose(ag.cond(a, p), [np.inf, number, number])
    assert float(ag.cond(np.ones((2, 2), dtype=int), p)) == np.inf
    assert ag.cond(Tensor(a[0], dtype=np.float32), p).dtype == np.float32
    g = gradients(ag.cond(x, p).sum(), x)
    assert not g[0].any()
    np.testing.assert_allclose(g[1:], gradients(ag.cond(regular, p).sum(), regular))


def test_slogdet_of_a_singular_matrix() -> None:
    x = Tensor(np.stack([np.zeros((2, 2)), general(2, 2)]))
    sign, logabsdet = ag.slogdet(x)
    assert (float(sign[0]), logabsdet[0].item()) == (0.0, -np.inf)
    g = gradients(logabsdet.sum(), x)
    assert np.isnan(g[0]).all()
    np.testing.assert_allclose(g[1], np.linalg.inv(general(2, 2)).T)


def test_qr_of_dependent_columns_has_no_derivative() -> None:
    x = Tensor(np.stack([np.ones((3, 2)) * [1.0, 0.0], general(3, 2)]))
    g = gradients(ag.qr(x).R.sum(), x)
    assert np.isnan(g[0]).all()
    assert np.isfinite(g[1]).all()


def test_det_of_what_is_not_finite() -> None:
    x = Tensor(np.stack([np.full((2, 2), np.nan), general(2, 2)]))
    g = gradients(ag.det(x).sum(), x, differentiable=True)
    assert np.isnan(g.numpy()[0]).all()
    second = gradients(g.sum(), x)
    assert np.isnan(second[0]).all()
    assert np.isfinite(second[1]).all()


@pytest.mark.parametrize("name", ["inv", "det", "cholesky", "slogdet", "eigh", "svd", "qr"])
def test_a_branch_that_is_not_taken_contributes_nothing(name: str) -> None:
    """Which asks the primitive what its elements reach, on numbers of its own."""
    a = definite(2, 3, 3)
    x = Tensor(a)
    result = parts(getattr(ag, name)(x))[-1]
    taken = np.array([True, False]).reshape((2,) + (1,) * (result.ndim - 1))
    g = gradients(ag.where(taken, ag.where(taken, result, 0.0), ag.sqrt(0.0)).sum(), x)
    assert np.isfinite(g).all()
    assert not g[1].any()
    alone = Tensor(a[:1])
    np.testing.assert_allclose(
        g[:1], gradients(parts(getattr(ag, name)(alone))[-1].sum(), alone), rtol=1e-10, atol=1e-12
    )


def test_a_singular_matrix_whose_determinant_is_not_chosen() -> None:
    x = Tensor(np.stack([general(2, 2), np.zeros((2, 2))]))
    logabsdet = ag.slogdet(x).logabsdet
    g = gradients(ag.where([True, False], logabsdet, 0.0).sum(), x)
    np.testing.assert_allclose(g[0], np.linalg.inv(general(2, 2)).T)
    assert not g[1].any()


EMPTY: dict[str, tuple[Callable[..., Any], tuple[int, ...]]] = {
    **{
        name: (getattr(ag, name), (2, 0, 0))
        for name in ("inv", "det", "slogdet", "cholesky", "eigh", "svd", "qr", "pinv", "svdvals")
    },
    **{
        f"{name} batch": (getattr(ag, name), (0, 3, 3))
        for name in ("inv", "det", "slogdet", "cholesky", "eigh", "svd", "qr", "pinv", "svdvals")
    },
    "qr tall": (ag.qr, (3, 0)),
    "qr wide": (ag.qr, (0, 3)),
    "svd wide": (lambda x: ag.svd(x, False), (0, 3)),
    "pinv tall": (ag.pinv, (3, 0)),
    "power": (lambda x: ag.matrix_power(x, 3), (0, 0)),
    "solve": (lambda x: ag.solve(x, x), (2, 0, 0)),
    "solve batch": (lambda x: ag.solve(x, x), (0, 2, 2)),
    "nuclear": (lambda x: ag.norm(x, "nuc"), (0, 3)),
    "hermitian": (lambda x: ag.svd(x, hermitian=True), (0, 3, 3)),
}


@pytest.mark.parametrize(("function", "shape"), EMPTY.values(), ids=EMPTY)
def test_empty_matrices_and_batches(function: Callable[..., Any], shape: tuple[int, ...]) -> None:
    x = Tensor(np.zeros(shape))
    function(np.zeros(shape))
    for output in parts(function(x)):
        if isinstance(output, ag.Node):
            g = gradients(output.sum(), x, differentiable=True)
            assert g.shape == shape
            assert gradients((g * g).sum(), x).shape == shape


# --------------------------------------------------------------------------- what is refused

SQUARE = ("inv", "det", "slogdet", "cholesky", "eigh", "eigvalsh")


@pytest.mark.parametrize("name", SQUARE)
def test_square_matrices_are_asked_for(name: str) -> None:
    for x in (np.ones((2, 3)), Tensor(np.ones((2, 3)))):
        with pytest.raises(ShapeError, match=rf"{name} takes square matrices, got .*\(2, 3\)"):
            getattr(ag, name)(x)


@pytest.mark.parametrize("name", [*SQUARE, "svd", "svdvals", "qr", "pinv", "matrix_norm", "cond"])
def test_matrices_are_asked_for(name: str) -> None:
    for x in ([1.0, 2.0], Tensor([1.0, 2.0]), ag.Value(1.0)):
        with pytest.raises(ShapeError, match=f"{name} takes matrices"):
            getattr(ag, name)(x)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: ag.inv(Tensor(np.ones((2, 2)))), SingularMatrixError, r"inv .*\(2, 2\).*Singular"),
        (lambda: ag.solve(np.zeros((1, 1)), [1.0]), SingularMatrixError, "solve .*Singular"),
        (lambda: ag.cholesky(Tensor(-np.eye(2))), SingularMatrixError, "not positive definite"),
        (lambda: ag.svd(Tensor(np.full((2, 2), np.nan))), SingularMatrixError, "not converge"),
        (lambda: ag.svd(Tensor(np.ones((2, 3)))), ShapeError, "full_matrices=False"),
        (lambda: ag.qr(Tensor(np.ones((3, 2))), "complete"), ShapeError, "mode='reduced'"),
        (lambda: ag.qr(np.eye(2), "raw"), ShapeError, "mode 'raw'"),
        (lambda: ag.eigh(np.eye(2), "X"), ShapeError, "UPLO"),
        (lambda: ag.solve(np.eye(2), np.ones(3)), ShapeError, r"\(2, 2\) and \(3,\)"),
        (lambda: ag.solve(np.eye(2), 1.0), ShapeError, "solve takes"),
        (lambda: ag.lstsq(np.eye(2), np.ones(3)), ShapeError, "lstsq takes"),
        (lambda: ag.lstsq(np.eye(2), 1.0), ShapeError, "lstsq takes"),
        (lambda: ag.pinv(np.eye(2), rcond=1.0, rtol=1.0), DataError, "one of them"),
        (lambda: ag.pinv(np.eye(2), rcond=Tensor(1.0)), DataError, "fixed number"),
        (lambda: ag.norm(np.ones((2, 2, 2)), 1), ShapeError, "norm of order 1"),
        (lambda: ag.norm(np.ones((2, 2)), 3), ShapeError, "order 'fro'"),
        (lambda: ag.norm(np.ones((2, 2)), [2]), ShapeError, "order 'fro'"),
        (lambda: ag.norm(Tensor(np.ones((2, 2))), ag.Value(2.0)), ShapeError, "order 'fro'"),
        (lambda: ag.norm(np.ones(2), "fro"), DataError, "ord"),
        (lambda: ag.norm(Tensor([1.0]), ag.Value(2.0)), DataError, "fixed number"),
        (lambda: ag.matrix_power(np.eye(2), 0.5), DataError, "whole number"),
        (lambda: ag.matrix_power(np.zeros((2, 2)), -1), SingularMatrixError, "Singular"),
        (lambda: ag.multi_dot([np.eye(2)]), ShapeError, "at least two"),
        (lambda: ag.multi_dot([np.eye(2), np.ones(2), np.eye(2)]), ShapeError, "at the ends"),
        (lambda: ag.vecdot([1.0], [1.0, 2.0]), ShapeError, "one length, got 1 and 2"),
        (lambda: ag.tensorinv(np.eye(2), 0), ShapeError, "at least 1"),
        (lambda: ag.tensorinv(np.eye(2), 1.5), DataError, "whole number"),
        (lambda: ag.tensorsolve(np.eye(2), np.ones(2), (5,)), ShapeError, "axis 5"),
        (lambda: ag.cond(np.eye(0)), ShapeError, "not empty"),
        (lambda: ag.tensorsolve(np.ones((2, 3)), np.ones(2)), ShapeError, "as many equations"),
        (lambda: ag.inv([[1j]]), DataError, "real numbers"),
        (lambda: ag.svd([["a"]]), DataError, "real numbers"),
    ],
)
def test_refused(call: Callable[[], Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()


def test_a_singular_matrix_is_an_error_of_numpy_too() -> None:
    with pytest.raises(np.linalg.LinAlgError):
        ag.inv(np.zeros((2, 2)))


@pytest.mark.parametrize("size", [1e-180, 1e180])
def test_vectors_do_not_depend_on_the_size_of_a_matrix(size: float) -> None:
    a = general(3, 2)
    x, scaled = Tensor(a), Tensor(a * size)
    expected, got = (
        gradients((ag.svd(y, full_matrices=False).U ** 2)[0].sum(), y) for y in (x, scaled)
    )
    np.testing.assert_allclose(got * size, expected, rtol=1e-9)
