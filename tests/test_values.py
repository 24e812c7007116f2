"""`Value`: one number with operators, mixed with numbers, arrays and Tensors."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import PRIMITIVES

import autograd as ag
from autograd import Tensor, Value, gradients

OPERATORS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
}
each_operator = pytest.mark.parametrize("op", OPERATORS.values(), ids=OPERATORS)
positive = st.floats(0.1, 10.0)


# --------------------------------------------------------------------------- operators


@each_operator
@given(x=positive, y=positive)
@settings(max_examples=25)
def test_operators_with_numbers_on_either_side(op: Callable[..., Any], x: float, y: float) -> None:
    a, b = Value(x), Value(y)
    assert op(a, b).data == op(a, y).data == op(x, b).data == op(x, y)
    ga, gb = gradients(op(a, b), [a, b])
    assert gradients(op(a, y), a) == ga
    assert gradients(op(x, b), b) == gb


@each_operator
@pytest.mark.parametrize(
    "number",
    [2, True, 2.0, np.float64(2), np.float32(2), np.int64(2), np.bool_(True), Fraction(5, 2)],
    ids=lambda x: type(x).__name__,
)
def test_operators_with_every_kind_of_number(op: Callable[..., Any], number: Any) -> None:
    a = Value(1.5)
    for result, expected in (
        (op(a, number), op(1.5, float(number))),
        (op(number, a), op(float(number), 1.5)),
    ):
        assert type(result) is Value
        assert type(result.data) is float
        assert result.data == expected
        assert type(gradients(result, a)) is float


@each_operator
@pytest.mark.parametrize(
    "other", [np.array([[1.0, 2.0]]), Tensor([[1.0, 2.0]])], ids=["array", "tensor"]
)
def test_operators_with_arrays_make_tensors(op: Callable[..., Any], other: Any) -> None:
    a = Value(1.5)
    array = other if isinstance(other, np.ndarray) else other.numpy()
    for result, expected in ((op(a, other), op(1.5, array)), (op(other, a), op(array, 1.5))):
        assert type(result) is Tensor
        np.testing.assert_allclose(result.numpy(), expected, rtol=1e-15)
        result.sum().backward()
    assert type(a.grad) is float


def test_reflected_subtraction_and_division_have_the_right_sign() -> None:
    """What others got wrong: ndarray - node."""
    a = Value(2.0)
    assert gradients((np.array([5.0]) - a).sum(), a) == -1.0
    assert (np.array([5.0]) - a).numpy().tolist() == [3.0]
    assert (np.float64(5.0) - a).data == 3.0
    assert (np.array([5.0]) / a).numpy().tolist() == [2.5]
    assert gradients((np.float64(8.0) / a), a) == -2.0
    assert (2**a).data == 4.0
    assert gradients(2**a, a) == pytest.approx(4.0 * math.log(2.0))


def test_unary_operators_and_sums() -> None:
    a = Value(-2.0)
    assert (-a).data == 2.0
    assert (+a).data == -2.0
    assert abs(a).data == 2.0
    assert gradients(abs(a), a) == -1.0
    total = sum([a, a, a])
    assert total.data == -6.0
    assert gradients(total, a) == 3.0


def test_operators_in_place_make_new_nodes() -> None:
    a = Value(2.0)
    b = a
    b += 1.0
    b *= a
    assert a.data == 2.0
    assert gradients(b, a) == 5.0


# --------------------------------------------------------------------------- comparisons


@given(x=st.floats(), y=st.floats())
@settings(max_examples=50)
def test_comparisons_are_those_of_floats(x: float, y: float) -> None:
    for compare in (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne):
        for a, b in ((Value(x), Value(y)), (Value(x), y), (x, Value(y))):
            result = compare(a, b)
            assert type(result) is bool
            assert result == compare(x, y)


def test_comparison_with_arrays_and_tensors_is_elementwise() -> None:
    a = Value(2.0)
    for other in (np.array([1.0, 2.0, 3.0]), Tensor([1.0, 2.0, 3.0])):
        assert (a > other).tolist() == [True, False, False]
        assert (other > a).tolist() == [False, False, True]
        assert (a == other).tolist() == [False, True, False]


def test_comparison_with_what_is_not_a_number() -> None:
    a = Value(2.0)
    assert (a == "2") is False
    assert (a != None) is True  # noqa: E711
    with pytest.raises(TypeError):
        _ = a < "2"


def test_values_are_found_by_identity_in_sets_and_dicts() -> None:
    a, b = Value(1.0), Value(1.0)
    assert len({a, b, a}) == 2
    assert {a: "a", b: "b"}[b] == "b"


def test_values_sort_and_choose_as_numbers() -> None:
    a, b = Value(2.0), Value(1.0)
    assert sorted([a, b])[0] is b
    assert max(a, b) is a


# --------------------------------------------------------------------------- conversions


def test_conversions() -> None:
    a = Value(2.75)
    assert float(a) == 2.75
    assert int(a) == 2
    assert a.item() == 2.75
    assert a.numpy() == 2.75
    assert bool(a)
    assert not Value(0.0)
    assert math.sqrt(Value(4.0)) == 2.0
    assert f"{a:.1f}" == "2.8"
    assert f"{a}" == repr(a) == str(a)


def test_shape_of_one_number() -> None:
    a = Value(1.0)
    assert (a.shape, a.ndim, a.size, a.dtype) == ((), 0, 1, np.float64)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Value(2), "Value(2.0)"),
        (lambda: Value(2, label="a"), "Value(2.0, label='a')"),
        (lambda: Value(2) * 3, "Value(6.0, primitive=mul)"),
        (lambda: Value(2).detach(), "Value(2.0, constant)"),
        (lambda: ag.log(Value(0.0)), "Value(-inf, primitive=log)"),
    ],
)
def test_repr_shows_value_label_and_primitive(make: Callable[[], Value], text: str) -> None:
    assert repr(make()) == text


def test_label_can_be_set_later() -> None:
    c = Value(1.0) + 1.0
    c.label = "c"
    assert repr(c) == "Value(2.0, label='c', primitive=add)"


# --------------------------------------------------------------------------- nodes


def test_leaf_and_computed_node() -> None:
    a = Value(2.0)
    b = a * 3.0
    assert a.is_leaf
    assert not b.is_leaf
    assert a.inputs == ()
    assert a.primitive is None
    assert b.inputs[0] is a
    assert b.inputs[1].is_constant
    assert b.primitive.name == "mul"
    assert b.params == {}


def test_data_of_a_leaf_is_settable() -> None:
    a = Value(2.0)
    for new in (3, np.float32(3), Value(3.0), np.array(3.0)):
        a.data = new
        assert a.data == 3.0
        assert type(a.data) is float
    a.data += 1
    a.data -= 0.5 * a.data
    assert a.data == 2.0


def test_nothing_can_be_added_to_a_node() -> None:
    with pytest.raises(AttributeError):
        Value(1.0).color = "red"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "primitive",
    [p for p in PRIMITIVES if p.scalar is not None and not p.examples],
    ids=lambda p: p.name,
)
def test_numbers_stay_python_floats(primitive: Any) -> None:
    """An np.float64 anywhere would make all that follows slow."""
    middles = [(i.low + i.high) / 2 + 0.1 for i in primitive.domain]
    function = getattr(ag, primitive.name)
    assert type(function(*middles)) is float
    for extreme in (*middles, 0.0, -1.0, math.inf, math.nan, 1e300, -1e300):
        values = [Value(extreme) for _ in middles]
        result = function(*values)
        assert type(result.data) is float
        result.backward()
        assert all(type(v.grad) is float for v in values)
        for slope in gradients(result, values, differentiable=True):
            assert type(slope) is Value
            assert type(slope.data) is float


@pytest.mark.parametrize(
    "primitive", [p for p in PRIMITIVES if hasattr(Value, p.name)], ids=lambda p: p.name
)
def test_methods_are_the_functions(primitive: Any) -> None:
    for kind in (Value, Tensor):
        assert getattr(kind, primitive.name) is getattr(ag, primitive.name)


# --------------------------------------------------------------------------- arrays of Values


def test_values_become_a_tensor_and_come_back() -> None:
    a, b = Value(1.0), Value(2.0)
    vector = ag.stack([a, b, 3.0])
    assert vector.numpy().tolist() == [1.0, 2.0, 3.0]
    ga, gb = gradients((vector * vector).sum(), [a, b])
    assert (ga, gb) == (2.0, 4.0)
    assert (type(ga), type(gb)) == (float, float)
    assert gradients(ag.stack([a, a]).sum(), a) == 2.0
    assert [float(x) for x in vector] == [1.0, 2.0, 3.0]


def test_functions_of_arrays_on_a_value() -> None:
    a = Value(2.0)
    assert ag.broadcast_to(a, (2, 2)).shape == (2, 2)
    assert gradients(ag.broadcast_to(a, (2, 2)).sum(), a) == 4.0
    assert gradients(ag.reshape(a, (1, 1)).sum(), a) == 1.0
    assert gradients(ag.sum(a) * 3.0, a) == 3.0
    assert gradients(ag.outer(a, Tensor([1.0, 2.0])).sum(), a) == 3.0
    assert gradients(ag.dot(a, Tensor([1.0, 2.0])).sum(), a) == 3.0
