"""Differential tests against PyTorch and JAX: every primitive, and thousands of random programs.

For every primitive a table says how each library writes it; values, gradients and products with
Hessians then agree to rounding. The programs are written once, for whatever is passed in as
`np`: differentiated by us with `autograd.numpy`, and by JAX with `jax.numpy`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from strategies import CASES, PRIMITIVES

import autograd as ag
import autograd.numpy as anp
from autograd import Example, Interval, Primitive

torch = pytest.importorskip("torch")
jax = pytest.importorskip("jax")
jnp = pytest.importorskip("jax.numpy")

from test_torch import BINARY, UNARY  # noqa: E402 (skips where PyTorch is absent)

F = torch.nn.functional
Function = Callable[..., Any]


@pytest.fixture(autouse=True)
def double_precision() -> Any:
    with jax.enable_x64(True):
        yield


# --------------------------------------------------------------------------- every primitive


def axes(x: Any, axis: Any) -> Any:
    """All axes for None; PyTorch takes no () for those of one number."""
    chosen = range(x.ndim) if axis is None else [axis] if isinstance(axis, int) else axis
    return tuple(chosen) or None


def torch_product(x: Any, axis: Any, keepdims: bool) -> Any:
    for i in sorted((i % x.ndim for i in axes(x, axis) or ()), reverse=True):
        x = torch.prod(x, i, keepdim=keepdims)
    return x


def reduced(f: Function) -> Function:
    return lambda x, axis, keepdims: f(x, axes(x, axis), keepdims) if x.ndim else f(x, (), False)


def places(shape: Sequence[int], index: Any) -> np.ndarray:
    """Where in the flattened array the elements of an index are."""
    return np.asarray(np.arange(np.prod(shape)).reshape(shape)[index])


def torch_added(x: Any, y: Any, index: Any) -> Any:
    where = places(x.shape, index)
    added = y.broadcast_to(where.shape).reshape(-1)
    return x.reshape(-1).index_add(0, torch.tensor(where.ravel()), added).reshape(x.shape)


def last_written(shape: Sequence[int], index: Any) -> np.ndarray:
    """For each element which number of those assigned it gets; -1 where it keeps its own."""
    where = places(shape, index)
    source = np.full(np.prod(shape), -1)
    source[where.ravel()] = np.arange(where.size)
    return source.reshape(shape)


def torch_set(x: Any, y: Any, index: Any) -> Any:
    source = torch.tensor(last_written(x.shape, index))
    new = y.broadcast_to(places(x.shape, index).shape).reshape(-1)
    return torch.where(source >= 0, new[source], x)


def torch_index(index: Any) -> Any:
    parts = index if isinstance(index, tuple) else (index,)
    return tuple(torch.tensor(i) if isinstance(i, np.ndarray) else i for i in parts)


def recurrence(stack: Function) -> Function:
    def compute(a: Any, b: Any) -> Any:
        out = [b[..., 0]]
        for i in range(1, b.shape[-1]):
            out.append(b[..., i] + a[..., i] * out[-1])
        return stack(out, -1)

    return compute


def ordered(x: Any, key: Any, axis: int) -> Any:
    return torch.take_along_dim(x, torch.argsort(key, axis), axis)


def symmetric(x: Any) -> Any:
    return (x + x.swapaxes(-1, -2)) / 2.0


def torch_packed_qr(x: Any) -> Any:
    q, r = torch.linalg.qr(x)
    return torch.cat([q.mT, r], -1)


def torch_packed_eigh(x: Any, **lower: Any) -> Any:
    w, v = torch.linalg.eigh(symmetric(x))
    return torch.cat([w[..., None], v], -1)


def torch_packed_svd(x: Any) -> Any:
    u, s, vh = torch.linalg.svd(x, full_matrices=False)
    return torch.cat([u.mT, s[..., None], vh], -1)


def jax_packed_qr(x: Any) -> Any:
    q, r = jnp.linalg.qr(x)
    return jnp.concatenate([q.mT, r], -1)


def jax_packed_eigh(x: Any, **lower: Any) -> Any:
    w, v = jnp.linalg.eigh(symmetric(x))
    return jnp.concatenate([w[..., None], v], -1)


def jax_packed_svd(x: Any) -> Any:
    u, s, vh = jnp.linalg.svd(x, full_matrices=False)
    return jnp.concatenate([u.mT, s[..., None], vh], -1)


def bessel(i0: Function, i1: Function) -> Function:
    def compute(x: Any, n: int) -> Any:
        return {0: lambda: i0(x), 1: lambda: i1(x), 2: lambda: i0(x) - 2.0 / x * i1(x)}[n]()

    return compute


TORCH: dict[str, Function] = {
    **UNARY,
    **BINARY,
    "add_at": torch_added,
    "as_value": lambda x: x.reshape(()),
    "astype": lambda x, dtype: x.to(getattr(torch, dtype)),
    "broadcast_to": lambda x, shape: x.broadcast_to(shape),
    "cbrt": lambda x: x ** (1.0 / 3.0),
    "cholesky": lambda x: torch.linalg.cholesky(symmetric(x)),
    "clip": lambda x, low, high: torch.clamp(x, low, high),
    "cofactor": lambda x: torch.linalg.det(x)[..., None, None] * torch.linalg.inv(x).mT,
    "concatenate": lambda *xs, axis: torch.cat(xs, axis),
    "convolve": lambda x, y: F.conv1d(
        x[None, None], y.flip(0)[None, None], padding=len(y) - 1
    ).reshape(-1),
    "cross_entropy": lambda x, y: F.cross_entropy(x, y, reduction="none"),
    "cumprod": lambda x, axis: torch.cumprod(x, axis),
    "cumsum": lambda x, axis: torch.cumsum(x, axis),
    "det": torch.linalg.det,
    "eigh": torch_packed_eigh,
    "eigvalsh": lambda x, UPLO: torch.linalg.eigvalsh(symmetric(x)),
    "einsum": lambda *xs, subscripts: torch.einsum(subscripts, *xs),
    "elu": lambda x, alpha: F.elu(x, alpha),
    "erfc": torch.erfc,
    "getitem": lambda x, index: x[torch_index(index)],
    "inv": torch.linalg.inv,
    "leaky_relu": lambda x, slope: F.leaky_relu(x, slope),
    "linear": F.linear,
    "log_softmax": lambda x, axis: torch.log_softmax(x, axis),
    "logcumsumexp": lambda x, axis: torch.logcumsumexp(x, axis),
    "logsumexp": reduced(torch.logsumexp),
    "matmul": torch.matmul,
    "max": reduced(torch.amax),
    "mean": reduced(torch.mean),
    "mean_cross_entropy": F.cross_entropy,
    "min": reduced(torch.amin),
    "modified_bessel": bessel(torch.special.i0, torch.special.i1),
    "norm": reduced(lambda x, dim, keepdim: torch.linalg.vector_norm(x, 2, dim or None, keepdim)),
    "pad": lambda x, widths, value: F.pad(x, sum(reversed(widths), ()), value=value),
    "pinv": lambda x, rcond, hermitian: torch.linalg.pinv(x, rtol=rcond),
    "prod": torch_product,
    "qr": torch_packed_qr,
    "recurrence": recurrence(torch.stack),
    "reshape": lambda x, shape: x.reshape(shape),
    "scatter": lambda x, index, shape: torch_added(torch.zeros(shape).double(), x, index),
    "set_at": torch_set,
    "slogdet": lambda x: torch.linalg.slogdet(x).logabsdet,
    "softmax": lambda x, axis: torch.softmax(x, axis),
    "solve": torch.linalg.solve,
    "sort": lambda x, axis: torch.sort(x, axis).values,
    "sort_like": ordered,
    "std": lambda x, axis, keepdims, ddof: torch.std(
        x, axes(x, axis), correction=ddof, keepdim=keepdims
    ),
    "sum": reduced(torch.sum),
    "svd": torch_packed_svd,
    "svdvals": torch.linalg.svdvals,
    "transpose": lambda x, axes: x.permute(axes or tuple(reversed(range(x.ndim)))),
    "unsort_like": lambda x, key, axis: ordered(x, torch.argsort(key, axis), axis),
    "var": lambda x, axis, keepdims, ddof: torch.var(
        x, axes(x, axis), correction=ddof, keepdim=keepdims
    ),
    "where": torch.where,
}

NUMPY_NAMES = """
    abs add atan2 broadcast_to cbrt copysign cos cosh cumprod cumsum degrees exp exp2 expm1 fmod
    hypot i0 log log10 log1p log2 logaddexp logaddexp2 matmul max maximum mean min minimum pow prod
    radians reciprocal remainder reshape sign sin sinc sinh sort sqrt square std sum tan tanh
    transpose var where acos acosh asin asinh atan atanh
"""

# What JAX calls as NumPy does, under our name or NumPy's.
JAX: dict[str, Function] = {
    **{name: getattr(jnp, name) for name in NUMPY_NAMES.split()},
    **{name: getattr(jnp.linalg, name) for name in ("cholesky", "det", "inv", "svdvals")},
    **{name: getattr(jax.nn, name) for name in ("log_softmax", "relu", "sigmoid", "silu", "elu")},
    "add_at": lambda x, y, index: x.at[index].add(y),
    "as_value": lambda x: x.reshape(()),
    "astype": lambda x, dtype: x.astype(dtype),
    "cholesky": lambda x: jnp.linalg.cholesky(symmetric(x)),
    "clip": lambda x, low, high: jnp.clip(x, low, high),
    "cofactor": lambda x: jnp.linalg.det(x)[..., None, None] * jnp.linalg.inv(x).mT,
    "concatenate": lambda *xs, axis: jnp.concatenate(xs, axis),
    "convolve": jnp.convolve,
    "cross_entropy": lambda x, y: (
        -jnp.take_along_axis(jax.nn.log_softmax(x), jnp.asarray(y)[..., None], -1)[..., 0]
    ),
    "mean_cross_entropy": lambda x, y: (
        -jnp.take_along_axis(jax.nn.log_softmax(x), jnp.asarray(y)[..., None], -1).mean()
    ),
    "div": jnp.divide,
    "eigh": jax_packed_eigh,
    "eigvalsh": lambda x, UPLO: jnp.linalg.eigvalsh(symmetric(x)),
    "einsum": lambda *xs, subscripts: jnp.einsum(subscripts, *xs),
    "erf": jax.scipy.special.erf,
    "erfc": jax.scipy.special.erfc,
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "getitem": lambda x, index: x[index],
    "identity": jnp.positive,
    "leaky_relu": lambda x, slope: jax.nn.leaky_relu(x, slope),
    "linear": lambda x, w, b=0.0: x @ w.T + b,
    "logcumsumexp": lambda x, axis: jax.lax.cumlogsumexp(x, axis % x.ndim),
    "logsumexp": lambda x, axis, keepdims: jax.scipy.special.logsumexp(x, axis, keepdims=keepdims),
    "modified_bessel": bessel(jax.scipy.special.i0, jax.scipy.special.i1),
    "mul": jnp.multiply,
    "neg": jnp.negative,
    "norm": lambda x, axis, keepdims: jnp.sqrt(jnp.sum(x * x, axis, keepdims=keepdims)),
    "pad": lambda x, widths, value: jnp.pad(x, widths, constant_values=value),
    "pinv": lambda x, rcond, hermitian: jnp.linalg.pinv(x, rcond, hermitian),
    "qr": jax_packed_qr,
    "recurrence": recurrence(jnp.stack),
    "scatter": lambda x, index, shape: jnp.zeros(shape).at[index].add(x),
    "set_at": lambda x, y, index: jnp.where(
        last_written(x.shape, index) >= 0,
        jnp.broadcast_to(y, places(x.shape, index).shape).ravel()[last_written(x.shape, index)],
        x,
    ),
    "slogdet": lambda x: jnp.linalg.slogdet(x)[1],
    "softmax": lambda x, axis: jax.nn.softmax(x, axis),
    "softplus": jax.nn.softplus,
    "solve": jnp.linalg.solve,
    "sort_like": lambda x, key, axis: jnp.take_along_axis(x, jnp.argsort(key, axis), axis),
    "sub": jnp.subtract,
    "svd": jax_packed_svd,
    "unsort_like": lambda x, key, axis: jnp.take_along_axis(
        x, jnp.argsort(jnp.argsort(key, axis), axis), axis
    ),
}

WITHOUT_TORCH: dict[str, str] = {
    "checkpoint": "calls a function of the user's",
    "custom": "calls a function of the user's",
    "spherical_bessel": "only of order 0, as sinc, and its derivatives lose digits near 0",
}
WITHOUT_JAX: dict[str, str] = {
    "checkpoint": "calls a function of the user's",
    "custom": "calls a function of the user's",
    "spherical_bessel": "only of order 0, as sinc",
}


def sampled(primitive: Primitive, case: Example | None) -> tuple[list[np.ndarray], dict[str, Any]]:
    """Operands as the domains say: for a primitive without examples two shapes that broadcast."""
    random = np.random.default_rng(len(primitive.name))
    shapes = ((2, 3), (3,))[: len(primitive.domain)] if case is None else case.shapes
    operands = [
        draw(random, shape, primitive.domain_of(i), primitive.name == "where" and i == 0)
        for i, shape in enumerate(shapes)
    ]
    return primitive.prepared(operands), {} if case is None else case.params


def draw(random: Any, shape: tuple[int, ...], interval: Interval, gate: bool) -> np.ndarray:
    if gate:
        return np.asarray(random.uniform(size=shape) > 0.5)
    if interval.whole:
        return np.asarray(random.integers(int(interval.low), int(interval.high) + 1, shape))
    x = np.asarray(random.uniform(interval.low, interval.high, shape))
    near = np.any([np.abs(x - kink) < 1e-2 for kink in (*interval.kinks, 0.0)], axis=0)
    return np.where(near & (x + 0.05 < interval.high), x + 0.05, x)


Derivatives = tuple[Any, Sequence[Any], Sequence[Any]]


def by_us(f: Function, xs: list[Any], at: tuple[int, ...], vs: list[Any]) -> Derivatives:
    value, slopes = ag.value_and_grad(f, at)(*xs)
    return value, slopes, ag.hvp(f, at)(*xs, tuple(vs))


def by_torch(f: Function, xs: list[Any], at: tuple[int, ...], vs: list[Any]) -> Derivatives:
    ts = [torch.tensor(x) for x in xs]
    moving = [ts[i].requires_grad_() for i in at]
    value = f(*ts)
    kept = {"materialize_grads": True, "allow_unused": True}
    slopes = torch.autograd.grad(value, moving, create_graph=True, **kept)
    along = sum((g * torch.tensor(v)).sum() for g, v in zip(slopes, vs, strict=True))
    if not along.requires_grad:
        return value.item(), [g.detach() for g in slopes], [np.zeros(np.shape(v)) for v in vs]
    products = torch.autograd.grad(along, moving, **kept)
    return value.item(), [g.detach() for g in slopes], products


def by_jax(f: Function, xs: list[Any], at: tuple[int, ...], vs: list[Any]) -> Derivatives:
    directions = tuple(map(jnp.asarray, vs))

    def of_moving(*moving: Any) -> Any:
        replaced = dict(zip(at, moving, strict=True))
        return jax.value_and_grad(f, at)(*[replaced.get(i, x) for i, x in enumerate(xs)])

    points = tuple(jnp.asarray(xs[i]) for i in at)
    compiled = jax.jit(lambda *p: jax.jvp(of_moving, p, directions))  # at once, not by operation
    (value, slopes), (_, products) = compiled(*points)
    return value, slopes, products


def assert_agree(got: Derivatives, wanted: Derivatives, tolerance: float) -> None:
    for what, ours, theirs in zip(("value", "gradient", "HVP"), got, wanted, strict=True):
        both = [ours], [theirs]
        for a, b in zip(*(both if what == "value" else (ours, theirs)), strict=True):
            a, b = np.asarray(a), np.asarray(b)
            scale = 1.0 + np.abs(b).max(initial=0.0)
            np.testing.assert_allclose(a, b, rtol=0.0, atol=tolerance * scale, err_msg=what)


PEERS = {"torch": (TORCH, by_torch), "jax": (JAX, by_jax)}
SYMMETRIC = ("cholesky", "eigh", "eigvalsh")  # functions of symmetric matrices
OF_EITHER_SIGN = ("eigh", "svd")  # their vectors, which a loss of squares does not see


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("case", CASES)
def test_primitive(case: str, peer: str) -> None:
    primitive, example = CASES[case]
    table, differentiated = PEERS[peer]
    if primitive.name not in table:
        pytest.skip("no such function there")
    xs, params = sampled(primitive, example)
    out = np.asarray(primitive(*xs, **params))
    weights = np.linspace(0.6, 1.4, out.size).reshape(out.shape)

    def loss_of(compute: Function, constant: Function) -> Function:
        def loss(*operands: Any) -> Any:
            y = compute(*operands, **params)
            w = constant(weights) if out.ndim else 0.6
            terms = (w * y if primitive.name in OF_EITHER_SIGN else w + y) * y
            return terms.sum() if out.ndim else terms

        return loss

    rules = zip(xs, primitive.pullbacks, strict=False)
    at = tuple(i for i, (_, rule) in enumerate(rules) if rule is not None)
    random = np.random.default_rng(1)
    vs = [random.normal(size=xs[i].shape) for i in at]
    if primitive.name in SYMMETRIC:
        vs = [symmetric(v) for v in vs]
    constant = torch.tensor if peer == "torch" else jnp.asarray
    ours = by_us(loss_of(primitive, np.asarray), xs, at, vs)
    theirs = differentiated(loss_of(table[primitive.name], constant), xs, at, vs)
    assert_agree(ours, theirs, 1e-11)


def test_every_primitive_has_a_peer_or_a_reason() -> None:
    # Those of a recording of jit stand for others.
    names = {primitive.name for primitive in PRIMITIVES} - {"unread", "gather", "spread"}
    for table, reasons in ((TORCH, WITHOUT_TORCH), (JAX, WITHOUT_JAX)):
        assert names - table.keys() == reasons.keys()
        assert not table.keys() & reasons.keys()


# --------------------------------------------------------------------------- random programs

SHAPE = (2, 3)
OFFSET = np.array([[0.31, -1.27, 0.83], [1.91, -0.47, 2.39]])  # so that nothing ties or vanishes
SYSTEM = np.array([[3.0, 0.5], [-0.4, 2.5]])
KNOTS = np.array([-9.0, -1.0, 0.5, 9.0])
MASK = np.array([[True, False, True], [False, True, True]])

# Programs are made of these: from one or two arrays of a shape, one of that shape. Numbers stay
# moderate, and away from where a function has no derivative or NumPy and JAX mean different ones.
ONE: dict[str, Function] = {
    "sin": lambda np, x: np.sin(x),
    "cos": lambda np, x: np.cos(x),
    "tan": lambda np, x: np.tan(0.3 * np.sin(x)),
    "arcsin": lambda np, x: np.arcsin(0.9 * np.sin(x)),
    "arccos": lambda np, x: np.arccos(0.9 * np.cos(x + OFFSET)),
    "arctan": lambda np, x: np.arctan(x),
    "sinh": lambda np, x: np.sinh(np.sin(x)),
    "cosh": lambda np, x: np.cosh(np.sin(x)),
    "tanh": lambda np, x: np.tanh(x),
    "arcsinh": lambda np, x: np.arcsinh(x),
    "arccosh": lambda np, x: np.arccosh(x * x + 1.5),
    "arctanh": lambda np, x: np.arctanh(0.9 * np.sin(x)),
    "exp": lambda np, x: np.exp(-x * x),
    "exp2": lambda np, x: np.exp2(np.sin(x)),
    "expm1": lambda np, x: np.expm1(np.cos(x)),
    "log": lambda np, x: np.log(x * x + 0.5),
    "log1p": lambda np, x: np.log1p(x**2),
    "log2": lambda np, x: np.log2(x**2 + 0.5),
    "log10": lambda np, x: np.log10(x * x + 0.5),
    "sqrt": lambda np, x: np.sqrt(x * x + 0.3),
    "cbrt": lambda np, x: np.cbrt(x * x + 0.3),
    "square": lambda np, x: np.square(x) / 4.0,
    "power": lambda np, x: np.power(x * x + 0.5, 0.7),
    "float_power": lambda np, x: np.float_power(x * x + 0.5, np.sin(x)),
    "reciprocal": lambda np, x: np.reciprocal(1.0 + x * x),
    "absolute": lambda np, x: np.abs(x + OFFSET),
    "sign": lambda np, x: x * np.sign(x + OFFSET),
    "deg2rad": lambda np, x: np.deg2rad(60.0 * x) + np.rad2deg(x) / 60.0,
    "sinc": lambda np, x: np.sinc(x + OFFSET),
    "i0": lambda np, x: np.i0(np.sin(x) + 1.5),
    "clip": lambda np, x: np.clip(x + OFFSET, -1.0, 1.5),
    "nan_to_num": lambda np, x: np.nan_to_num(x),
    "where": lambda np, x: np.where(MASK, x, x * x / 4.0),
    "select": lambda np, x: np.select([MASK, x > 0.1], [x, 2.0 * x], 0.5),
    "floor": lambda np, x: x - np.floor(x + OFFSET) / 8.0,
    "transpose": lambda np, x: np.transpose(np.reshape(x, (3, 2))),
    "T": lambda np, x: (x.T * np.arange(3.0)[:, None]).T,
    "reshape": lambda np, x: np.reshape(np.ravel(x) * np.linspace(0.5, 1.5, 6), SHAPE),
    "flip": lambda np, x: np.flip(x, 1),
    "flipud": lambda np, x: np.fliplr(np.flipud(x)),
    "roll": lambda np, x: np.roll(x, 1, axis=1),
    "rot90": lambda np, x: np.rot90(np.rot90(x)),
    "moveaxis": lambda np, x: np.moveaxis(x[None], 0, 2)[:, :, 0],
    "swapaxes": lambda np, x: np.swapaxes(np.swapaxes(x, 0, 1) * 1.1, 0, 1),
    "squeeze": lambda np, x: np.squeeze(np.expand_dims(x, 1), 1),
    "atleast_3d": lambda np, x: np.atleast_3d(x)[..., 0],
    "broadcast_to": lambda np, x: np.broadcast_to(x[:, :1], SHAPE) + x,
    "concatenate": lambda np, x: np.concatenate([x[1:], x[:1] * 0.5]),
    "stack": lambda np, x: np.stack([x[:, 2], x[:, 0], x[:, 1]], axis=-1),
    "vstack": lambda np, x: np.vstack([x[1], x[0] * x[1] / 4.0]),
    "hstack": lambda np, x: np.hstack([x[:, 1:], x[:, :1]]),
    "column_stack": lambda np, x: np.column_stack([x[:, 0], x[:, 2], x[:, 1]]),
    "array": lambda np, x: np.array([[x[0, 0], 1.0, x[1, 2]], [x[0, 1], x[1, 1], 0.5]]),
    "split": lambda np, x: np.concatenate(np.split(x, 3, axis=1)[::-1], axis=1),
    "append": lambda np, x: np.append(x[:, :2], x[:, 1:2] ** 2 / 4.0, axis=1),
    "delete": lambda np, x: np.insert(np.delete(x, 1, axis=1), 0, x[:, 2], axis=1),
    "tile": lambda np, x: np.tile(x, (2, 1))[1:3],
    "repeat": lambda np, x: np.repeat(x, 2, axis=1)[:, 1:4],
    "pad": lambda np, x: np.pad(x, ((0, 1), (1, 0)))[1:, :3] + x,
    "tril": lambda np, x: np.tril(x) + np.triu(x, 1) / 2.0,
    "take": lambda np, x: np.take(x, np.array([2, 0, 0]), axis=1),
    "take_along_axis": lambda np, x: np.take_along_axis(x, np.argsort(OFFSET, axis=1), axis=1),
    "indexing": lambda np, x: x[::-1, [2, 1, 1]],
    "diagonal": lambda np, x: x + np.diagonal(x)[:, None] / 2.0,
    "diag": lambda np, x: np.diag(x[0, :2]) @ x,
    "trace": lambda np, x: x + np.trace(x) / 4.0,
    "sum": lambda np, x: x - np.sum(x, axis=0) / 4.0,
    "mean": lambda np, x: x - np.mean(x, axis=1, keepdims=True),
    "prod": lambda np, x: x + np.prod(np.sin(x), axis=1, keepdims=True),
    "cumsum": lambda np, x: np.cumsum(x, axis=1) / 3.0,
    "cumprod": lambda np, x: np.cumprod(np.sin(x), axis=1),
    "var": lambda np, x: x / (1.0 + np.var(x, axis=0)),
    "std": lambda np, x: x / (1.0 + np.std(x + OFFSET, axis=1, keepdims=True)),
    "max": lambda np, x: x - np.max(x + OFFSET, axis=0) / 2.0,
    "min": lambda np, x: x * np.min(x + OFFSET) / 4.0,
    "ptp": lambda np, x: x / (1.0 + np.ptp(x + OFFSET, axis=1, keepdims=True)),
    "average": lambda np, x: x - np.average(x, axis=1, weights=np.arange(1.0, 4.0))[:, None],
    "median": lambda np, x: x - np.median(x + OFFSET, axis=1, keepdims=True) / 2.0,
    "quantile": lambda np, x: x - np.quantile(x + OFFSET, 0.3, axis=1, keepdims=True) / 2.0,
    "percentile": lambda np, x: x - np.percentile(x + OFFSET, 70.0) / 2.0,
    "nansum": lambda np, x: x - np.nansum(x, axis=0) / 4.0 + np.nanmean(x),
    "sort": lambda np, x: np.sort(x + OFFSET, axis=1) / 2.0,
    "diff": lambda np, x: np.concatenate([x[:, :1], np.diff(x, axis=1) / 2.0], axis=1),
    "ediff1d": lambda np, x: x + np.sum(np.ediff1d(x) ** 2) / 20.0,
    "gradient": lambda np, x: np.gradient(x, axis=1),
    "trapezoid": lambda np, x: x - np.trapezoid(x, axis=1)[:, None] / 4.0,
    "interp": lambda np, x: np.interp(4.0 * np.sin(x) + 0.1, KNOTS, np.cos(KNOTS)),
    "polyval": lambda np, x: np.polyval(np.array([0.1, -0.4, 0.3]), x),
    "convolve": lambda np, x: x + np.convolve(x[0], x[1])[1:4] / 4.0,
    "correlate": lambda np, x: x - np.correlate(x[1], x[0], "same") / 4.0,
    "cov": lambda np, x: np.cov(x) @ x / 4.0,
    "corrcoef": lambda np, x: np.corrcoef(np.sin(x) / 4.0 + OFFSET) @ x / 2.0,
    "norm": lambda np, x: x / (1.0 + np.linalg.norm(x + OFFSET, axis=1, keepdims=True)),
    "solve": lambda np, x: np.linalg.solve(SYSTEM + 0.5 * np.sin(x[:, :2]), x),
    "inv": lambda np, x: np.linalg.inv(SYSTEM + 0.5 * np.cos(x[:, 1:])) @ x,
    "det": lambda np, x: x + np.linalg.det(SYSTEM + 0.5 * np.sin(x[:, :2])) / 4.0,
    "slogdet": lambda np, x: x + np.linalg.slogdet(SYSTEM + 0.5 * np.sin(x[:, :2]))[1],
    "cholesky": lambda np, x: np.linalg.cholesky(SYSTEM @ SYSTEM.T + gram(np, x)) @ x / 3.0,
    "eigvalsh": lambda np, x: x / np.linalg.eigvalsh(SYSTEM @ SYSTEM.T + gram(np, x))[:, None],
    "svd": lambda np, x: x / (1.0 + np.linalg.svd(np.sin(x) + OFFSET, compute_uv=False)[1]),
    "pinv": lambda np, x: np.linalg.pinv(np.sin(x) / 4.0 + OFFSET).T,
    "qr": lambda np, x: np.abs(np.linalg.qr((np.sin(x) / 4.0 + OFFSET).T)[1]) @ x / 4.0,
    "matrix_power": lambda np, x: np.linalg.matrix_power(np.sin(x[:, :2]), 3) @ x,
    "multi_dot": lambda np, x: np.linalg.multi_dot([x, np.cos(x).T, np.sin(x)]) / 4.0,
}
BOTH: dict[str, Function] = {
    "add": lambda np, x, y: x + 0.5 * y,
    "subtract": lambda np, x, y: x - 0.5 * y,
    "multiply": lambda np, x, y: x * y / 2.0,
    "divide": lambda np, x, y: x / (1.0 + y * y),
    "maximum": lambda np, x, y: np.maximum(x, y + OFFSET),
    "minimum": lambda np, x, y: np.minimum(x, y + OFFSET),
    "fmax": lambda np, x, y: np.fmax(x, y + OFFSET) - np.fmin(y, x + OFFSET) / 2.0,
    "hypot": lambda np, x, y: np.hypot(x, y * y + 1.0),
    "arctan2": lambda np, x, y: np.arctan2(x, y * y + 1.0),
    "logaddexp": lambda np, x, y: np.logaddexp(x, y) - np.logaddexp2(y, -x),
    "copysign": lambda np, x, y: np.copysign(x + OFFSET, y + OFFSET),
    "remainder": lambda np, x, y: np.remainder(x + OFFSET, 4.0 + np.sin(y)),
    "where2": lambda np, x, y: np.where(x > y + OFFSET, x, y * y / 4.0),
    "broadcast": lambda np, x, y: x + y[:, :1] * y[0] / 4.0,
    "matmul": lambda np, x, y: x @ y.T @ x / 9.0,
    "dot": lambda np, x, y: np.dot(np.dot(x, y.T), y) / 9.0,
    "einsum": lambda np, x, y: np.einsum("ij,kj,kl->il", x, y, y) / 9.0,
    "tensordot": lambda np, x, y: np.tensordot(x, y.T, 1) @ x / 9.0,
    "inner": lambda np, x, y: np.inner(x, y) @ x / 9.0,
    "vdot": lambda np, x, y: x * np.vdot(x, y) / 20.0,
    "outer": lambda np, x, y: np.outer(x[:, 0], y[1]) / 2.0,
    "kron": lambda np, x, y: np.kron(x[:, :1], y[:1]) / 2.0 + x,
    "cross": lambda np, x, y: np.cross(x, y) / 4.0,
}


def gram(np: Any, x: Any) -> Any:
    """A positive definite matrix whose eigenvalues stay apart when it is added to another's."""
    rows = np.sin(x) / 4.0
    return rows @ rows.T


Step = tuple[str, int, int]


def random_program(seed: int) -> tuple[list[Step], np.ndarray, np.ndarray]:
    """Two to seven steps, each with the numbers of earlier results; a point and a direction."""
    random = np.random.default_rng(seed)
    names = [*ONE, *BOTH]
    steps = [
        (names[random.integers(len(names))], int(random.integers(99)), int(random.integers(99)))
        for _ in range(random.integers(2, 8))
    ]
    return steps, random.uniform(-1.5, 1.5, SHAPE), random.normal(size=SHAPE)


def run(np: Any, steps: Sequence[Step], x: Any) -> Any:
    """The program: a number from an array, by the functions of `np`."""
    results = [x, np.sin(x) + OFFSET]
    for name, i, j in steps:
        a, b = results[-1 - i % 2], results[j % len(results)]
        results.append(ONE[name](np, a) if name in ONE else BOTH[name](np, a, b))
    return np.sum(np.tanh(results[-1]) * OFFSET) + np.mean(results[-2] ** 2)


def disagreement(steps: Sequence[Step], x: np.ndarray, v: np.ndarray) -> str:
    """What differs between us and JAX; "" if nothing does."""
    (value, slope), (moved, product) = jax.jvp(
        jax.value_and_grad(lambda x: run(jnp, steps, x)), (x,), (v,)
    )

    def ours(x: Any) -> Any:
        return run(anp, steps, x)

    got = {
        "value": (ours(x), value),
        "gradient": (ag.grad(ours)(x), slope),
        "jvp": (ag.jvp(ours, (x,), (v,))[1], moved),
        "HVP": (ag.hvp(ours)(x, v), product),
    }
    for what, (a, b) in got.items():
        a, b = np.asarray(a), np.asarray(b)
        scale = 1.0 + np.abs(b).max()
        if a.shape != b.shape or not np.allclose(a / scale, b / scale, rtol=0.0, atol=1e-9):
            return f"{what} of {steps} at {x.tolist()}: {b} expected, {a} got"
    return ""


@pytest.mark.parametrize("name", [*ONE, *BOTH])
def test_step(name: str) -> None:
    """Each function alone, so that a disagreement is named by it."""
    _, x, v = random_program(1)
    assert not disagreement([(name, 1, 0)], x, v)
    assert not disagreement([(name, 0, 0)], x, v)


@pytest.mark.parametrize("block", range(20))
def test_random_programs(block: int) -> None:
    found = [disagreement(*random_program(1000 * block + i)) for i in range(100)]
    assert not any(found), "\n".join(filter(None, found))
