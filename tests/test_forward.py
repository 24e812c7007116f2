"""Forward mode: for every primitive of the registry the transpose of reverse mode, at any order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import CASES, Call, calls

import autograd as ag
from autograd import Primitive, ShapeError, Tensor, Value, grad, hvp, jacobian, jvp, vjp
from autograd.primitive import Example

each_case = pytest.mark.parametrize(("primitive", "example"), CASES.values(), ids=CASES)

# --------------------------------------------------------------------------- every primitive


def along(call: Call, operands: list[Any]) -> Callable[..., Any]:
    """The call as a function of those of its operands that have a gradient."""

    def function(*variables: Any) -> Any:
        inputs = list(operands)
        for i, x in zip(call.variables, variables, strict=True):
            inputs[i] = x
        return call(*inputs)

    return function


def direction(x: Any, seed: int) -> Any:
    """A tangent or cotangent: fixed, none of its elements 0 or 1."""
    numbers = np.random.default_rng(seed).uniform(0.5, 1.5, np.shape(x))
    return float(numbers) if isinstance(x, float) else numbers


def inner(a: Any, b: Any) -> Any:
    return sum((np.sum(x * y) for x, y in zip(a, b, strict=True)), 0.0)


@each_case
@given(data=st.data())
@settings(max_examples=2)
def test_tangent_is_the_transpose_of_the_cotangent(
    primitive: Primitive, example: Example | None, data: st.DataObject
) -> None:
    call = data.draw(calls(primitive, example))
    f = along(call, list(call.operands))
    primals = [call.operands[i] for i in call.variables]
    tangents = [direction(x, i) for i, x in enumerate(primals)]
    value, moved = jvp(f, primals, tangents)
    assert (np.shape(moved), np.asarray(moved).dtype) == (np.shape(value), np.asarray(value).dtype)
    value, pullback = vjp(f, *primals)
    w = direction(value, 9)
    forward, backward = inner([w], [moved]), inner(pullback(w), tangents)
    np.testing.assert_allclose(forward, backward, rtol=1e-8, atol=1e-9)


@each_case
@given(data=st.data())
@settings(max_examples=1)
def test_tangent_equals_differences(
    primitive: Primitive, example: Example | None, data: st.DataObject
) -> None:
    call = data.draw(calls(primitive, example))
    if call.params.get("dtype", "float64") != "float64":
        return  # differences of rounded numbers
    f = along(call, list(call.operands))
    primals = [call.operands[i] for i in call.variables]
    tangents = [direction(x, i) for i, x in enumerate(primals)]
    h = 2.0**-18
    after, before = (
        f(*[x + s * t for x, t in zip(primals, tangents, strict=True)]) for s in (h, -h)
    )
    expected = (np.asarray(after) - before) / (2 * h)
    scale = np.abs(expected).max(initial=1.0)
    moved = jvp(f, primals, tangents)[1]
    np.testing.assert_allclose(moved / scale, expected / scale, rtol=1e-4, atol=1e-5)


@each_case
@given(data=st.data())
@settings(max_examples=1)
def test_tangent_is_differentiable(
    primitive: Primitive, example: Example | None, data: st.DataObject
) -> None:
    call = data.draw(calls(primitive, example))
    f = along(call, list(call.operands))
    primals = tuple(call.operands[i] for i in call.variables)
    tangents = [direction(x, i) for i, x in enumerate(primals)]
    w = direction(call(), 9)
    every = tuple(range(len(primals)))
    pushed = grad(lambda *xs: np.sum(w * jvp(f, xs, tangents)[1]), every)(*primals)
    pulled = hvp(lambda *xs: np.sum(w * f(*xs)), every)(*primals, tangents)
    for a, b in zip(pushed, pulled, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-8)


@each_case
@given(data=st.data())
@settings(max_examples=1)
def test_tangent_of_values(
    primitive: Primitive, example: Example | None, data: st.DataObject
) -> None:
    if primitive.scalar is None:
        return  # makes sense for arrays only
    scalars = Example(((),) * len(primitive.domain), example.params if example else {})
    call = data.draw(calls(primitive, scalars))
    f = along(call, [x.item() for x in call.operands])
    primals = [call.operands[i].item() for i in call.variables]
    tangents = [direction(x, i) for i, x in enumerate(primals)]
    value, moved = jvp(f, primals, tangents)
    assert type(value) is type(moved) is float
    expected = inner(vjp(f, *primals)[1](1.0), tangents)
    np.testing.assert_allclose(moved, expected, rtol=1e-12, atol=1e-12)
    second = jvp(lambda *xs: jvp(f, xs, tangents)[1], primals, tangents)[1]
    every = tuple(range(len(primals)))
    expected = inner(hvp(f, every)(*primals, tangents), tangents)
    np.testing.assert_allclose(second, expected, rtol=1e-9, atol=1e-9)


# --------------------------------------------------------------------------- jvp


def test_value_and_tangent() -> None:
    x, t = np.array([1.0, 2.0]), np.array([0.5, -1.0])
    value, moved = jvp(np.square, (x,), (t,))
    assert value.tolist() == [1.0, 4.0]
    assert moved.tolist() == [1.0, -4.0]
    assert jvp(lambda a, b: a * b, (2.0, 3.0), (1.0, 10.0)) == (6.0, 23.0)


def test_tangents_nest_like_arguments_and_results() -> None:
    def f(p: Any, q: Any) -> Any:
        return {"sum": p["a"] + q[0], "rest": [p["b"] * 2.0, None, 7]}

    p, q = {"a": 1.0, "b": np.ones(2)}, (3.0, [])
    dp, dq = {"b": np.array([1.0, 2.0]), "a": 0.5}, [0.25, ()]  # in another order, and kind
    value, moved = jvp(f, (p, q), (dp, dq))
    assert value["sum"] == 4.0
    assert moved["sum"] == 0.75
    assert moved["rest"][0].tolist() == [2.0, 4.0]
    assert value["rest"][1:] == [None, 7]
    assert moved["rest"][1:] == [None, 0.0]


@pytest.mark.parametrize("argnums", [1, -1])
def test_one_argument_moves(argnums: int) -> None:
    assert jvp(lambda a, b: a * b, (2.0, 3.0), 10.0, argnums=argnums) == (6.0, 20.0)


def test_some_arguments_move() -> None:
    def f(a: Any, n: int, b: Any) -> Any:
        return a * n + b, "aux"

    found = jvp(f, (2.0, 3, 1.0), (1.0, 10.0), argnums=(0, 2), has_aux=True)
    assert found == (7.0, 13.0, "aux")


def test_what_does_not_move_has_tangent_zero() -> None:
    x = np.ones(2)
    assert jvp(lambda x: 5.0, (1.0,), (1.0,)) == (5.0, 0.0)
    value, moved = jvp(lambda x: (np.zeros(3, np.float32), x.detach(), 2), (x,), (x,))
    assert [np.shape(m) for m in moved] == [(3,), (2,), ()]
    assert moved[0].dtype == np.float32
    assert not any(np.any(m) for m in moved)
    assert value[2] == 2


def test_the_argument_itself_and_twice() -> None:
    x, t = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    value, (first, second) = jvp(lambda x: (x, x), (x,), (t,))
    assert first.tolist() == second.tolist() == [3.0, 4.0]
    first[0] = 9.0
    assert second[0] == t[0] == 3.0
    value[0][0] = 9.0
    assert x[0] == 1.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_of_a_tangent_is_that_of_the_value(dtype: Any) -> None:
    x = np.ones(3, dtype)
    value, moved = jvp(lambda x: np.sin(x) @ x, (x,), (np.ones(3),))
    assert value.dtype == moved.dtype == dtype
    value, moved = jvp(np.sin, (dtype(1.0),), (1.0,))
    assert np.asarray(value).dtype == np.asarray(moved).dtype == dtype


# --------------------------------------------------------------------------- nothing there


def test_branch_not_taken_gives_no_nan() -> None:
    x = np.array([0.0, 4.0])

    def f(x: Any) -> Any:
        return np.where(x > 0, np.sqrt(x), 0.0)

    for t in (np.ones(2), np.zeros(2), np.array([1.0, 0.0])):
        assert np.isfinite(jvp(f, (x,), (t,))[1]).all()
        assert np.isfinite(jvp(lambda x: f(x) @ np.ones(2), (x,), (t,))[1])
    assert jvp(f, (x,), (np.ones(2),))[1].tolist() == [0.0, 0.25]
    assert jvp(lambda x: ag.where(x > 0, ag.log(x), 1.0), (0.0,), (1.0,)) == (1.0, 0.0)
    second = jvp(lambda x: jvp(f, (x,), (np.ones(2),))[1], (x,), (np.ones(2),))[1]
    assert second.tolist() == [0.0, -1 / 32]


def test_branch_not_taken_gives_no_nan_in_a_jacobian_by_columns() -> None:
    def f(x: Any) -> Any:
        safe = ag.where(x > 0, ag.log(x), 0.0)
        return ag.stack([safe, safe, x, x])

    assert jacobian(f)(np.array(0.0)).tolist() == [0.0, 0.0, 1.0, 1.0]


def test_largest_element_and_order_of_elements_move() -> None:
    x, t = np.array([2.0, 3.0, 1.0]), np.array([10.0, 20.0, 30.0])
    assert jvp(np.max, (x,), (t,))[1] == 20.0
    assert jvp(np.sort, (x,), (t,))[1].tolist() == [30.0, 10.0, 20.0]


# --------------------------------------------------------------------------- nodes


@pytest.mark.parametrize("kind", [Value, Tensor])
def test_nodes_in_give_nodes_out(kind: Any) -> None:
    x, t = kind(2.0), kind(3.0)
    value, moved = jvp(lambda x: x**3, (x,), (t,))
    assert type(value) is type(moved) is kind
    assert (float(value), float(moved)) == (8.0, 36.0)
    assert ag.gradients(moved, [x, t]) == [36.0, 12.0]


def test_tangent_may_be_a_node_where_the_argument_is_none() -> None:
    t = Tensor(3.0)
    _, moved = jvp(lambda x: x**3, (2.0,), (t,))
    assert float(moved) == 36.0
    assert ag.gradients(moved, t) == 12.0
    assert jvp(lambda x: x**3, (2.0,), (3.0,))[1] == 36.0
    with ag.no_grad():
        assert jvp(lambda x: x**3, (2.0,), (t,)) == (8.0, 36.0)


def test_deep_chain_is_pushed_without_recursion_and_in_linear_time() -> None:
    def chain(x: Any) -> Any:
        for _ in range(3000):
            x = ag.reshape(x * 1.0, -1)
        return x

    x = np.ones(1)
    assert jvp(chain, (x,), (x,))[1].tolist() == [1.0]
    moved = jvp(lambda y: jvp(chain, (y,), (x,))[1], (x,), (x,))[1]
    assert moved.tolist() == [0.0]


# --------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("tangents", "message"),
    [
        ((np.ones(3),), r"a tangent has the shape.*expected \(2,\), got \(3,\)"),
        ((1.0,), r"expected \(2,\), got \(\)"),
        ((), r"expected a tuple of 1 items, got the tuple \(\)"),
        (np.ones(2), "expected a tuple of 1 items, got an array"),
        (("text",), "a tangent takes real numbers, got the str 'text'"),
        ((None,), "a tangent takes real numbers, got None"),
    ],
)
def test_tangent_that_does_not_fit(tangents: Any, message: str) -> None:
    with pytest.raises((ShapeError, ag.DataError), match=message):
        jvp(np.sin, (np.ones(2),), tangents)


def test_arguments_come_in_a_tuple() -> None:
    with pytest.raises(ag.DataError, match="jvp takes a tuple of arguments, got the float"):
        jvp(np.sin, 1.0, 1.0)  # type: ignore[arg-type]
