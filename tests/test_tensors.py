"""`Tensor`: arrays, held against NumPy forward and against differences backward."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from strategies import PRIMITIVES, ulps

import autograd as ag
from autograd import DataError, Tensor, Value, check_grads, gradients

A23 = np.array([[0.3, -1.2, 2.0], [1.5, 0.7, -0.4]])
A234 = np.sin(np.arange(24.0)).reshape(2, 3, 4)
V3 = np.array([0.3, -1.2, 2.0])

# --------------------------------------------------------------------------- construction


@pytest.mark.parametrize(
    ("data", "dtype", "constant"),
    [
        ([1.0, 2.0], "float64", False),
        ([1, 2.0], "float64", False),
        ([1, 2], "int64", True),
        ([True, False], "bool", True),
        (np.ones(2, "f4"), "float32", False),
        (np.ones(2, "f2"), "float16", False),
        (np.ones(2, "i2"), "int16", True),
        (2.5, "float64", False),
        (((1.0, 2.0), [3.0, 4.0]), "float64", False),
        ([np.float32(1.0), np.float32(2.0)], "float32", False),
        ([], "float64", False),
        (np.ones((2, 0)), "float64", False),
    ],
    ids=str,
)
def test_dtype_is_kept(data: Any, dtype: str, constant: bool) -> None:
    t = Tensor(data)
    assert t.dtype == np.dtype(dtype)
    assert t.is_constant is constant
    assert t.shape == np.shape(data)
    assert (t.ndim, t.size) == (np.ndim(data), np.size(data))


def test_dtype_can_be_asked_for() -> None:
    assert Tensor([1, 2], dtype=float).dtype == np.float64
    assert not Tensor([1, 2], dtype="float32").is_constant
    assert Tensor([1.0], dtype=np.float32).dtype == np.float32
    assert Tensor([1.0, 0.0], dtype=bool).is_constant


def test_length_iteration_and_conversion() -> None:
    t = Tensor(A23)
    assert len(t) == 2
    assert [row.shape for row in t] == [(3,), (3,)]
    a, b, c = Tensor(V3)
    assert (float(a), float(b), float(c)) == tuple(V3)
    assert Tensor([[2.5]]).item() == 2.5
    assert float(Tensor([2.5])) == 2.5
    assert bool(Tensor([1.0]))
    assert f"{Tensor(2.5):.2f}" == "2.50"


def test_gradients_flow_through_iteration() -> None:
    t = Tensor(A23)
    total = sum((row * float(i) for i, row in enumerate(t, 1)), Value(0.0))
    assert gradients(total.sum(), t).tolist() == [[1.0] * 3, [2.0] * 3]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Tensor([1.0, 2.0]), "Tensor([1., 2.], shape=(2,))"),
        (lambda: Tensor([1, 2]), "Tensor([1, 2], shape=(2,), dtype=int64, constant)"),
        (lambda: Tensor([1.0], label="w"), "Tensor([1.], shape=(1,), label='w')"),
        (lambda: Tensor(1.0) * 2.0, "Tensor(2., shape=(), primitive=mul)"),
        (lambda: Tensor(np.ones(1, "f4")), "Tensor([1.], shape=(1,), dtype=float32)"),
    ],
)
def test_repr(make: Callable[[], Tensor], text: str) -> None:
    assert repr(make()) == text


def test_repr_of_a_large_tensor_is_short() -> None:
    assert len(repr(Tensor(np.ones((1000, 1000))))) < 500


def test_data_is_written_to_and_replaced() -> None:
    t = Tensor([1.0, 2.0])
    t.data[0] = 5.0
    assert (t * 1.0).numpy().tolist() == [5.0, 2.0]
    t.data = [3, 4]
    assert t.data.dtype == np.float64
    t.data = Tensor([7.0, 8.0])
    t.data *= 2.0
    assert t.numpy().tolist() == [14.0, 16.0]
    small = Tensor(np.ones(2, "f4"))
    small.data = np.array([1.5, 2.5])
    assert small.data.dtype == np.float32


# --------------------------------------------------------------------------- operators

BINARY = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]


@pytest.mark.parametrize("op", BINARY, ids=lambda f: f.__name__)
@pytest.mark.parametrize(
    "other", [2, 2.0, np.float32(2), [[2.0]], np.full((2, 1), 2.0), Value(2.0)], ids=str
)
def test_operators_with_everything_on_either_side(op: Callable[..., Any], other: Any) -> None:
    t = Tensor(np.abs(A23))
    plain = 2.0 if isinstance(other, Value) else np.asarray(other)
    for result, expected in (
        (op(t, other), op(np.abs(A23), plain)),
        (op(other, t), op(plain, np.abs(A23))),
    ):
        assert type(result) is Tensor
        np.testing.assert_allclose(result.numpy(), expected, rtol=1e-15)
        assert gradients(result.sum(), t).shape == (2, 3)


def test_reflected_matmul() -> None:
    t = Tensor(A23)
    left, right = A23[:, :2], np.ones((3, 2))
    assert type(left @ t) is Tensor
    np.testing.assert_allclose((left @ t).numpy(), left @ A23)
    np.testing.assert_allclose((t @ right).numpy(), A23 @ right)
    np.testing.assert_allclose(gradients((left @ t).sum(), t), left.T @ np.ones((2, 3)))
    np.testing.assert_allclose((V3.tolist() @ t.T).numpy(), V3 @ A23.T)


@pytest.mark.parametrize(
    "compare", [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne]
)
def test_comparisons_give_arrays_of_bools(compare: Callable[..., Any]) -> None:
    t = Tensor(A23)
    for other, plain in ((0.3, 0.3), (A23.T[:, :1].T, A23.T[:, :1].T), (Tensor(V3), V3)):
        result = compare(t, other)
        assert type(result) is np.ndarray
        assert result.dtype == bool
        np.testing.assert_array_equal(result, compare(A23, plain))
        np.testing.assert_array_equal(compare(other, t), compare(plain, A23))


# --------------------------------------------------------------------------- functions

Function = Callable[[Any, Any], Any]

# Both sides of each line are the same text, run with our functions and with NumPy's. The array
# functions of the issue in every form that NumPy has; x is 2 x 3, or as the line reshapes it.
FORMS: dict[str, tuple[Function, Function]] = {
    **{
        f"{name} {options}": (
            lambda m, x, name=name, options=options: getattr(m, name)(x, **options),
            lambda m, x, name=name, options=options: getattr(m, name)(x, **options),
        )
        for name in ("sum", "mean", "max", "min", "prod", "var", "std")
        for options in (
            {},
            {"axis": 0},
            {"axis": -1},
            {"axis": (0, 1)},
            {"axis": (-1, 0), "keepdims": True},
            {"axis": 1, "keepdims": True},
            {"axis": (1,)},
            {"keepdims": True},
            {"axis": ()},
        )
        if not (name == "std" and options == {"axis": ()})  # slope of a single number: a convention
    },
    "var ddof": (lambda m, x: m.var(x, axis=1, ddof=1),) * 2,
    "std ddof": (lambda m, x: m.std(x, ddof=1, keepdims=True),) * 2,
    "norm": (lambda m, x: m.norm(x), lambda m, x: np.linalg.norm(x)),
    "norm axis": (lambda m, x: m.norm(x, axis=1), lambda m, x: np.linalg.norm(x, axis=1)),
    "norm keepdims": (
        lambda m, x: m.norm(x, axis=(0, 1), keepdims=True),
        lambda m, x: np.linalg.norm(x, keepdims=True),
    ),
    "logsumexp": (lambda m, x: m.logsumexp(x), lambda m, x: np.log(np.exp(x).sum())),
    "logsumexp axes": (
        lambda m, x: m.logsumexp(x, axis=(0, -1), keepdims=True),
        lambda m, x: np.log(np.exp(x).sum(keepdims=True)),
    ),
    "softmax": (
        lambda m, x: m.softmax(x, axis=0),
        lambda m, x: np.exp(x) / np.exp(x).sum(axis=0),
    ),
    "log_softmax": (
        lambda m, x: m.log_softmax(x),
        lambda m, x: x - np.log(np.exp(x).sum(axis=-1, keepdims=True)),
    ),
    "cumsum": (lambda m, x: m.cumsum(x),) * 2,
    "cumsum axis": (lambda m, x: m.cumsum(x, axis=-2),) * 2,
    "sort": (lambda m, x: m.sort(x),) * 2,
    "sort axis": (lambda m, x: m.sort(x, axis=0),) * 2,
    "sort flat": (lambda m, x: m.sort(x, axis=None),) * 2,
    "reshape": (lambda m, x: m.reshape(x, (3, -1)),) * 2,
    "reshape flat": (lambda m, x: m.reshape(x, -1),) * 2,
    "transpose": (lambda m, x: m.transpose(x),) * 2,
    "transpose axes": (lambda m, x: m.transpose(x.reshape(1, 2, 3), (2, 0, 1)),) * 2,
    "transpose negative": (lambda m, x: m.transpose(x.reshape(1, 2, 3), (-1, 0, -2)),) * 2,
    "swapaxes": (lambda m, x: m.swapaxes(x.reshape(1, 2, 3), 0, -1),) * 2,
    "moveaxis": (lambda m, x: m.moveaxis(x.reshape(1, 2, 3), 0, -1),) * 2,
    "moveaxis several": (lambda m, x: m.moveaxis(x.reshape(1, 2, 3), (0, 2), (1, 0)),) * 2,
    "expand_dims": (lambda m, x: m.expand_dims(x, 1),) * 2,
    "expand_dims several": (lambda m, x: m.expand_dims(x, (0, -1)),) * 2,
    "squeeze": (lambda m, x: m.squeeze(x.reshape(1, 2, 1, 3)),) * 2,
    "squeeze axis": (lambda m, x: m.squeeze(x.reshape(1, 2, 1, 3), -2),) * 2,
    "squeeze axes": (lambda m, x: m.squeeze(x.reshape(1, 2, 1, 3), (0, 2)),) * 2,
    "broadcast_to": (lambda m, x: m.broadcast_to(x, (4, 2, 3)),) * 2,
    "broadcast_to from one": (lambda m, x: m.broadcast_to(x.reshape(2, 1, 3), (2, 4, 3)),) * 2,
    "flip": (lambda m, x: m.flip(x),) * 2,
    "flip axis": (lambda m, x: m.flip(x, -1),) * 2,
    "flip axes": (lambda m, x: m.flip(x, (0, 1)),) * 2,
    "concatenate": (lambda m, x: m.concatenate([x, x * 2.0, x[:1]]),) * 2,
    "concatenate axis": (lambda m, x: m.concatenate([x, x[:, :1]], axis=-1),) * 2,
    "stack": (lambda m, x: m.stack([x, x * x]),) * 2,
    "stack axis": (lambda m, x: m.stack([x, x * x, x], axis=-1),) * 2,
    "split": (lambda m, x: m.split(x, 3, axis=1)[1],) * 2,
    "split at": (lambda m, x: m.split(x, [1, 2], axis=-1)[2],) * 2,
    "split negative": (lambda m, x: m.split(x, [-1], axis=1)[0],) * 2,
    "pad": (lambda m, x: m.pad(x, 1), lambda m, x: np.pad(x, 1)),
    "pad value": (
        lambda m, x: m.pad(x, (1, 2), value=5.0),
        lambda m, x: np.pad(x, (1, 2), constant_values=5.0),
    ),
    **{
        f"pad {mode}": (lambda m, x, mode=mode: m.pad(x, ((0, 1), (2, 1)), mode=mode),) * 2
        for mode in ("edge", "reflect", "symmetric", "wrap")
    },
    "tile": (lambda m, x: m.tile(x, 2),) * 2,
    "tile several": (lambda m, x: m.tile(x, (2, 1, 3)),) * 2,
    "tile fewer": (lambda m, x: m.tile(x, (2,)),) * 2,
    "repeat": (lambda m, x: m.repeat(x, 2),) * 2,
    "repeat axis": (lambda m, x: m.repeat(x, 3, axis=0),) * 2,
    "repeat counts": (lambda m, x: m.repeat(x, [0, 2, 1], axis=-1),) * 2,
    "matmul": (lambda m, x: m.matmul(x, x.T),) * 2,
    "dot": (lambda m, x: m.dot(x, x[0]),) * 2,
    "dot of vectors": (lambda m, x: m.dot(x[0], x[1]),) * 2,
    "dot with a number": (lambda m, x: m.dot(x, x.dtype.type(3.0)),) * 2,
    "dot of cubes": (lambda m, x: m.dot(x.reshape(1, 2, 3), x.reshape(2, 3, 1)),) * 2,
    "outer": (lambda m, x: m.outer(x, x[0]),) * 2,
    "trace": (lambda m, x: m.trace(x),) * 2,
    "trace offset": (lambda m, x: m.trace(x, offset=1),) * 2,
    "trace of a cube": (lambda m, x: m.trace(x.reshape(2, 1, 3), -1, 0, 2),) * 2,
    "diagonal": (lambda m, x: m.diagonal(x),) * 2,
    "diagonal offset": (lambda m, x: m.diagonal(x, -1),) * 2,
    "diagonal of a cube": (lambda m, x: m.diagonal(x.reshape(3, 1, 2), 0, axis1=2, axis2=0),) * 2,
    "diagonal outside": (lambda m, x: m.diagonal(x, 7),) * 2,
    "where": (lambda m, x: m.where(x > 0, x, x[0] * x),) * 2,
    "clip": (lambda m, x: m.clip(x, -1.0, 1.0),) * 2,
    "clip by arrays": (lambda m, x: m.clip(x, np.array([-1.0, 0.0, 1.0]), 1.8),) * 2,
    "maximum": (lambda m, x: m.maximum(x, x[:, :1] - 0.1),) * 2,
    "expm1": (lambda m, x: m.expm1(x),) * 2,
    "square": (lambda m, x: m.square(x),) * 2,
    "reciprocal": (lambda m, x: m.reciprocal(x),) * 2,
}


@pytest.mark.parametrize(("ours", "theirs"), FORMS.values(), ids=FORMS)
def test_function_as_in_numpy(ours: Function, theirs: Function) -> None:
    expected = np.asarray(theirs(np, A23))
    result = ours(ag, Tensor(A23))
    assert type(result) is Tensor
    assert result.shape == expected.shape
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-14, atol=1e-15)
    plain = ours(ag, A23)
    assert not isinstance(plain, ag.Node)
    np.testing.assert_allclose(plain, expected, rtol=1e-14, atol=1e-15)
    small = A23.astype("f4")
    assert ours(ag, Tensor(small)).dtype == np.asarray(theirs(np, small)).dtype
    if expected.size:
        assert check_grads(lambda x: ours(ag, x), A23, order=2) == []


def test_functions_take_lists() -> None:
    assert ag.sum([1.0, 2.0]) == 3.0
    assert ag.exp([0.0, 0.0]).tolist() == [1.0, 1.0]
    assert ag.add([1.0, 2.0], 1.0).tolist() == [2.0, 3.0]
    assert (Tensor([1.0, 2.0]) * [1.0, 2.0]).numpy().tolist() == [1.0, 4.0]


METHODS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "T": (lambda x: x.T, lambda x: ag.transpose(x)),
    "reshape": (lambda x: x.reshape(3, 2), lambda x: ag.reshape(x, (3, 2))),
    "reshape tuple": (lambda x: x.reshape((3, -1)), lambda x: ag.reshape(x, (3, 2))),
    "transpose": (lambda x: x.transpose(1, 0), lambda x: ag.transpose(x)),
    "transpose tuple": (lambda x: x.transpose((1, 0)), lambda x: ag.transpose(x)),
    "transpose none": (lambda x: x.transpose(), lambda x: ag.transpose(x)),
    "flatten": (lambda x: x.flatten(), lambda x: ag.reshape(x, -1)),
    "ravel": (lambda x: x.ravel(), lambda x: ag.reshape(x, -1)),
    "swapaxes": (lambda x: x.swapaxes(0, 1), lambda x: ag.transpose(x)),
    "squeeze": (lambda x: x[:, :1].squeeze(1), lambda x: x[:, 0]),
    "repeat": (lambda x: x.repeat(2, axis=1), lambda x: ag.repeat(x, 2, 1)),
    "clip": (lambda x: x.clip(-1, 1), lambda x: ag.clip(x, -1.0, 1.0)),
    "dot": (lambda x: x.dot(x.T), lambda x: ag.matmul(x, x.T)),
    "sum": (lambda x: x.sum(0), lambda x: ag.sum(x, axis=0)),
    "var": (lambda x: x.var(axis=1, ddof=1), lambda x: ag.var(x, 1, 1)),
    "exp": (lambda x: x.exp(), ag.exp),
    "sort": (lambda x: x.sort(axis=0), lambda x: ag.sort(x, 0)),
}


@pytest.mark.parametrize(("method", "function"), METHODS.values(), ids=METHODS)
def test_methods_equal_functions(
    method: Callable[[Any], Any], function: Callable[[Any], Any]
) -> None:
    x = Tensor(A23)
    assert ulps(method(x).numpy(), function(x).numpy()) == 0
    assert ulps(gradients(method(x).sum(), x), gradients(function(x).sum(), x)) == 0


# --------------------------------------------------------------------------- products

RANKS = [(3,), (2, 3), (2, 2, 3), (2, 1, 2, 3)]
OTHERS = [(3,), (3, 2), (2, 3, 2), (1, 2, 3, 2)]


@pytest.mark.parametrize(("a", "b"), [*itertools.product(RANKS, OTHERS)], ids=str)
def test_matmul_of_every_pair_of_ranks(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    x, y = (np.sin(np.arange(np.prod(s)) + i).reshape(s) for i, s in enumerate((a, b)))
    result = Tensor(x) @ Tensor(y)
    np.testing.assert_allclose(result.numpy(), x @ y, rtol=1e-13, atol=1e-15)
    assert check_grads(ag.matmul, x, y, order=1) == []
    p, q = Tensor(x), Tensor(y)
    slope = gradients((p @ q).square().sum(), p, differentiable=True)
    assert gradients(slope.sum(), q).shape == b
    np.testing.assert_allclose(
        ag.dot(Tensor(x), Tensor(y)).numpy(), np.dot(x, y), rtol=1e-13, atol=1e-15
    )


EINSUMS: dict[str, tuple[tuple[int, ...], ...]] = {
    "ij,jk->ik": ((2, 3), (3, 2)),
    "ij,jk": ((2, 3), (3, 2)),
    "ij->ji": ((2, 3),),
    "ji": ((2, 3),),
    "ij->": ((2, 3),),
    "ii": ((3, 3),),
    "ii->i": ((3, 3),),
    "iij->j": ((2, 2, 3),),
    "iii->i": ((2, 2, 2),),
    "i,i->": ((3,), (3,)),
    "i,j->ij": ((2,), (3,)),
    "i,i,i->i": ((3,), (3,), (3,)),
    "bij,bjk->bik": ((2, 2, 3), (2, 3, 2)),
    "...ij,...jk->...ik": ((2, 2, 3), (3, 2)),
    "...i,...i": ((2, 3), (3,)),
    "i...->...": ((2, 3),),
    "...": ((2, 3),),
    "ij,jk,kl->il": ((2, 3), (3, 2), (2, 2)),
    "ij,ij->i": ((2, 3), (2, 3)),
    "ii,jj->": ((2, 2), (3, 3)),
    "ab , bc -> ca": ((2, 3), (3, 2)),
    ",i->i": ((), (3,)),
    "ij,ij->": ((1, 3), (2, 3)),
    "ij,kj->k": ((2, 1), (2, 3)),
}


@pytest.mark.parametrize(("subscripts", "shapes"), EINSUMS.items(), ids=EINSUMS)
def test_einsum(subscripts: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    arrays = [np.cos(np.arange(np.prod(s)) + i).reshape(s) for i, s in enumerate(shapes)]
    result = ag.einsum(subscripts, *map(Tensor, arrays))
    expected = np.einsum(subscripts, *arrays)
    assert result.shape == np.shape(expected)
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(ag.einsum(subscripts, *arrays), expected, rtol=1e-13, atol=1e-15)
    assert check_grads(lambda *xs: ag.einsum(subscripts, *xs), *arrays, order=2) == []


def test_einsum_of_one_operand_twice_and_with_lists() -> None:
    x = Tensor(A23)
    assert check_grads(lambda x: ag.einsum("ij,kj->ik", x, x), A23) == []
    np.testing.assert_allclose(ag.einsum(x, [0, 1], x, [2, 1], [0, 2]).numpy(), A23 @ A23.T)
    np.testing.assert_allclose(ag.einsum(x, [0, 1]).numpy(), A23)


# --------------------------------------------------------------------------- indexing

INDICES: dict[str, Any] = {
    "int": 1,
    "negative": -1,
    "numpy int": np.int64(1),
    "slice": slice(None, None, 2),
    "reversed": (slice(None), slice(None, None, -1)),
    "ellipsis": (..., 0),
    "new axis": (None, slice(1, None), None),
    "pair": (1, 2),
    "empty slice": slice(5, 9),
    "list": [1, 0, 1],
    "empty list": [],
    "array": np.array([[0, 1], [1, 1]]),
    "two arrays": (np.array([0, 1, 0]), np.array([2, 0, 2])),
    "mask": A23 > 0,
    "row mask": np.array([True, False]),
    "mask and int": (np.array([True, True]), 1),
    "arrays apart": (np.array([0, 1]), None, np.array([1, 2])),
    "slice and array": (slice(None), np.array([0, 0, 2])),
    "ix_": np.ix_([1, 0], [2, 0]),
    "tuple of nothing": (),
    "bool": True,
}


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
def test_indexing_as_in_numpy(index: Any) -> None:
    x = Tensor(A23)
    expected = np.asarray(A23[index])
    np.testing.assert_array_equal(x[index].numpy(), expected)
    assert x[index].shape == expected.shape
    counts = np.zeros((2, 3))
    np.add.at(counts, index, 1.0)
    np.testing.assert_array_equal(gradients(x[index].sum(), x), counts)
    if expected.size:
        assert check_grads(lambda x: x[index].square(), A23) == []


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
def test_set_and_add_as_in_numpy(index: Any) -> None:
    x = Tensor(A23)
    taken = np.asarray(A23[index])
    value = np.cos(np.arange(taken.size)).reshape(taken.shape) + 2.0
    expected = A23.copy()
    expected[index] = value
    np.testing.assert_array_equal(x.at[index].set(value).numpy(), expected)
    added = A23.copy()
    np.add.at(added, index, value)
    np.testing.assert_allclose(x.at[index].add(value).numpy(), added)
    np.testing.assert_array_equal(x.numpy(), A23)  # functional: the original stays
    if taken.size:
        assert check_grads(lambda x, v: x.at[index].set(v).square(), A23, value) == []
        assert check_grads(lambda x, v: x.at[index].add(v).square(), A23, value) == []


def test_set_and_add_broadcast_numbers_and_values() -> None:
    x, v = Tensor(A23), Value(5.0)
    for value in (5, 5.0, v, [5.0], np.float32(5)):
        assert x.at[:, 0].set(value).numpy()[:, 0].tolist() == [5.0, 5.0]
        np.testing.assert_allclose(x.at[0].add(value).numpy()[0], A23[0] + 5.0)
    assert gradients(x.at[:, 0].set(v).sum(), v) == 2.0
    assert gradients(x.at[[0, 0]].add(v).sum(), v) == 6.0


def test_set_and_add_keep_float32() -> None:
    x = Tensor(A23.astype("f4"))
    for value in (1, 2.5, np.float64(2.5), np.ones(3), Value(1.0), Tensor(np.ones(3, "f4"))):
        assert x.at[0].set(value).dtype == np.float32
        assert x.at[0].add(value).dtype == np.float32


def test_index_by_a_tensor() -> None:
    x = Tensor(A23)
    assert x[Tensor([1, 0])].numpy().tolist() == A23[[1, 0]].tolist()
    assert x[Tensor(A23 > 0)].shape == (int((A23 > 0).sum()),)


@given(data=st.data())
@settings(max_examples=60)
def test_any_index_hypothesis_can_think_of(data: st.DataObject) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=3))
    index = data.draw(
        hnp.basic_indices(shape, allow_newaxis=True) | hnp.integer_array_indices(shape)
    )
    array = np.arange(float(np.prod(shape))).reshape(shape)
    x = Tensor(array)
    np.testing.assert_array_equal(x[index].numpy(), array[index])
    counts = np.zeros(shape)
    np.add.at(counts, index, 1.0)
    np.testing.assert_array_equal(
        gradients(x[index], x, cotangent=np.ones(np.shape(array[index]))), counts
    )


def test_item_assignment_names_the_way_out() -> None:
    x = Tensor([1.0])
    with pytest.raises(DataError, match=r"at\[index\]\.set"):
        x[0] = 2.0


# --------------------------------------------------------------------------- numpy protocols


@pytest.mark.parametrize(
    "call",
    [
        lambda t: np.asarray(t),
        lambda t: np.array([t, t]),
        lambda t: np.frexp(t),
        lambda t: np.ones(2).__iadd__(t),
        lambda t: np.full(2, t),
    ],
)
@pytest.mark.parametrize("kind", ["tensor", "value"])
def test_numpy_refuses_nodes_instead_of_losing_their_gradients(
    call: Callable[[Any], Any], kind: str
) -> None:
    with pytest.raises(TypeError):
        call(Tensor([1.0, 2.0]) if kind == "tensor" else Value(1.0))


# --------------------------------------------------------------------------- odd shapes


@pytest.mark.parametrize(
    "primitive", [p for p in PRIMITIVES if p.elementwise and not p.examples], ids=lambda p: p.name
)
def test_empty_arrays(primitive: Any) -> None:
    leaves = [Tensor(np.ones((0, 2))) for _ in primitive.domain]
    output = primitive(*leaves)
    assert output.shape == (0, 2)
    assert all(g.shape == (0, 2) for g in gradients(output.sum(), leaves))


def test_reductions_of_empty_arrays() -> None:
    x = Tensor(np.ones((0, 3)))
    assert x.sum().item() == 0.0
    assert x.sum(axis=0).numpy().tolist() == [0.0, 0.0, 0.0]
    assert x.prod(axis=0).numpy().tolist() == [1.0, 1.0, 1.0]
    assert x.norm().item() == 0.0
    for output in (x.sum(), x.prod(), x.norm(), x.cumsum(axis=0).sum(), x.sort(axis=0).sum()):
        assert gradients(output, x).shape == (0, 3)
    assert gradients(ag.concatenate([x, Tensor(np.ones((1, 3)))]).sum(), x).shape == (0, 3)


@pytest.mark.parametrize("length", [1, 2, 3, 5, 8, 13])
def test_products_of_any_length(length: int) -> None:
    array = np.linspace(0.5, 1.5, length)
    x = Tensor(array)
    np.testing.assert_allclose(gradients(x.prod(), x), array.prod() / array, rtol=1e-13)
    array[length // 2] = 0.0
    x.data = array
    expected = np.zeros(length)
    expected[length // 2] = np.delete(array, length // 2).prod()
    np.testing.assert_allclose(gradients(x.prod(), x), expected, rtol=1e-13)


@pytest.mark.parametrize("name", ["sum", "max", "min", "prod", "norm", "logsumexp", "cumsum"])
@pytest.mark.parametrize("axis", [0, -1])
def test_reductions_of_a_number_along_the_axis_that_numpy_grants_it(name: str, axis: int) -> None:
    x = Tensor(3.0)
    output = getattr(x, name)(axis=axis)
    assert output.item() == 3.0
    assert gradients(output.sum(), x) == 1.0


def test_functions_of_integers() -> None:
    for name in ("softmax", "log_softmax", "logsumexp", "mean", "std", "norm", "sigmoid", "erf"):
        function = getattr(ag, name)
        floats = function(np.array([1.0, 2.0, 3.0]))
        np.testing.assert_allclose(function([1, 2, 3]), floats, rtol=1e-15)
        np.testing.assert_allclose(function(Tensor([1, 2, 3])).numpy(), floats, rtol=1e-15)


def test_spread_of_too_few_elements_is_nan_without_a_warning() -> None:
    assert np.isnan(Tensor([1.0]).var(ddof=1).item())
    assert np.isnan(Tensor([1.0]).std(ddof=1).item())
    assert np.isnan(Tensor(np.zeros(0)).mean().item())


def test_value_clipped_by_arrays() -> None:
    v = Value(0.5)
    clipped = v.clip(np.array([0.0, 1.0]), 2.0)
    assert clipped.numpy().tolist() == [0.5, 1.0]
    assert gradients(clipped.sum(), v) == 1.0


def test_clip_by_nodes() -> None:
    x, low, high = Tensor([-2.0, 0.0, 5.0]), Value(-1.0), Tensor(2.0)
    clipped = x.clip(low, high)
    assert clipped.numpy().tolist() == [-1.0, 0.0, 2.0]
    gx, gl, gh = gradients(clipped.sum(), [x, low, high])
    assert (gx.tolist(), gl, gh) == ([0.0, 1.0, 0.0], 1.0, 1.0)


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_subclasses_of_arrays_are_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((2, 3)))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    x = Tensor(np.ones(3))
    assert (mapped @ x).numpy().tolist() == [3.0, 3.0]
    assert gradients((mapped @ x).sum(), x).tolist() == [2.0, 2.0, 2.0]
    assert type((np.matrix([[1.0, 2.0, 3.0]]) * x).data) is np.ndarray
    assert type(Tensor(np.matrix([[1.0, 2.0]])).numpy()) is np.ndarray


def test_memory_order_and_strides_do_not_matter() -> None:
    base = np.arange(24.0).reshape(4, 6)
    for view in (base.T, base[::2, ::-1], np.asfortranarray(base), base[:, ::3]):
        x = Tensor(view)
        np.testing.assert_array_equal(gradients((x * x).sum(), x), 2 * view)
        np.testing.assert_array_equal(gradients((x.T.reshape(-1) ** 2).sum(), x), 2 * view)


def test_attention_by_hand() -> None:
    """A program of many primitives, of the kind that people write."""

    def attention(x: Any, q: Any, k: Any, v: Any) -> Any:
        scores = ag.einsum("id,jd->ij", x @ q, x @ k) / 2.0
        mask = np.tril(np.ones((3, 3), dtype=bool))
        weights = ag.softmax(ag.where(mask, scores, -np.inf), axis=1)
        return ag.log_softmax(weights @ (x @ v))[np.arange(3), [0, 1, 0]].mean()

    rng = np.random.default_rng(0)
    x, q, k, v = rng.normal(size=(3, 2)), *rng.normal(size=(3, 2, 2))
    assert check_grads(attention, x, q, k, v, order=2) == []


# --------------------------------------------------------------------------- odd kinds of numbers


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp", "sigmoid", "silu"])
def test_functions_of_differences_do_not_wrap_on_unsigned_integers(name: str) -> None:
    small = np.array([1, 3], np.uint8)
    expected = getattr(ag, name)(small.astype(float))
    np.testing.assert_array_equal(getattr(ag, name)(small), expected)
    np.testing.assert_array_equal(getattr(Tensor(small), name)().numpy(), expected)


def test_mean_of_many_half_precision_numbers() -> None:
    x = Tensor(np.ones(100_000, np.float16))
    x.mean().backward()
    assert x.mean().item() == 1.0
    assert x.grad.dtype == np.float16
    assert x.grad[0] == np.float16(1e-5)
    assert x.var().item() == 0.0


def test_powers_of_integers() -> None:
    p = Value(2.0)
    assert gradients((Tensor([1, 2]) ** p).sum(), p) == pytest.approx(4 * math.log(2))
    assert (np.array([200], np.uint8) ** p).item() == 40_000
    assert (Tensor([2**40]) ** 2.0).item() == 2.0**80
    assert (Tensor([1, 2]) ** -1).data.tolist() == [1.0, 0.5]
    assert (Tensor(-np.inf) ** 0.5).item() == (Value(-np.inf) ** 0.5).data == np.inf


def test_an_array_that_is_taken_over_becomes_read_only() -> None:
    taken = np.ones(3)
    Tensor(taken, copy=False)
    with pytest.raises(ValueError, match="read-only"):
        taken[0] = 9.0


def test_gradients_in_between_show_nothing_where_nothing_came() -> None:
    x = Tensor([-1.0, 2.0])
    h = ag.relu(x)
    y = ag.where(np.array([False, True]), ag.sqrt(h), 0.0).sum()
    y.backward()
    np.testing.assert_array_equal(h.grad, gradients(y, h))
