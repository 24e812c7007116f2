"""The backward pass: accumulation, sharing, cotangents, higher orders, both kinds of nodes."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd as ag
from autograd import GradientError, ShapeError, Tensor, Value, check_grads, gradients

# --------------------------------------------------------------------------- several calls


def both_kinds(x: float) -> list[Any]:
    return [Value(x), Tensor(x), Tensor(np.float32(x))]


@pytest.mark.parametrize("x", both_kinds(3.0), ids=["value", "tensor", "float32"])
def test_backward_twice_doubles_the_gradient(x: Any) -> None:
    y = x * x + x
    y.backward()
    assert x.grad == 7.0
    y.backward()
    assert x.grad == 14.0
    y.backward()
    assert x.grad == 21.0
    assert type(x.grad) is (float if isinstance(x, Value) else np.ndarray)


@pytest.mark.parametrize("x", both_kinds(3.0), ids=["value", "tensor", "float32"])
def test_two_losses_that_share_nodes(x: Any) -> None:
    shared = x * x
    first, second = shared * 2.0, shared * shared
    first.backward()
    second.backward()
    assert x.grad == 2 * 2 * 3.0 + 4 * 3.0**3
    x.grad = None
    second.backward()
    assert x.grad == 4 * 3.0**3


def test_loss_that_is_an_input_of_another() -> None:
    x = Value(2.0)
    first = x**2
    second = first**2
    first.backward()
    second.backward()
    assert x.grad == 4.0 + 32.0


@pytest.mark.parametrize("kind", [Value, Tensor])
def test_node_used_many_times(kind: Any) -> None:
    a = kind(3.0)
    assert gradients(a * a, a) == 6.0
    assert gradients(a / a, a) == 0.0
    assert gradients(a - a, a) == 0.0
    assert gradients(a + a + a, a) == 3.0
    assert gradients(a**a, a) == pytest.approx(27.0 * (math.log(3.0) + 1.0))
    b = a * a
    assert gradients(b * b * b, a) == 6 * 3.0**5
    assert gradients(ag.concatenate([ag.reshape(a, 1)] * 3).sum(), a) == 3.0


def test_the_diamond_that_needs_a_topological_order() -> None:
    x = Value(2.0)
    a = x * x
    b = a + 1.0
    c = a * b  # a must wait for both b and c
    c.backward()
    assert (a.grad, b.grad, x.grad) == (5.0 + 4.0, 4.0, 36.0)


def test_grad_of_a_leaf_is_its_own_and_may_be_set() -> None:
    x = Tensor([1.0, 2.0])
    x.grad = np.array([10.0, 10.0])
    (x * 3.0).sum().backward()
    assert x.grad.tolist() == [13.0, 13.0]
    v = Value(1.0)
    v.grad = 10.0
    (v * 3.0).backward()
    assert v.grad == 13.0


def test_backward_on_a_leaf() -> None:
    v, t = Value(5.0), Tensor([1.0, 2.0])
    v.backward()
    t.backward(np.array([3.0, 4.0]))
    assert v.grad == 1.0
    assert t.grad.tolist() == [3.0, 4.0]


# --------------------------------------------------------------------------- cotangents


@given(
    scale=st.floats(-1e3, 1e3),
    cotangent=st.lists(st.floats(-1e3, 1e3), min_size=6, max_size=6),
)
@settings(max_examples=30)
def test_backward_is_linear_in_the_cotangent(scale: float, cotangent: list[float]) -> None:
    x = Tensor(np.linspace(0.1, 1.0, 6).reshape(2, 3))
    y = ag.exp(x) * x.sum(axis=0)
    g = np.reshape(cotangent, (2, 3))
    once, scaled = (gradients(y, x, cotangent=c) for c in (g, scale * g))
    np.testing.assert_allclose(scaled, scale * once, rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize(
    "cotangent",
    [
        np.array([1.0, 2.0]),
        [1.0, 2.0],
        (1, 2),
        Tensor([1.0, 2.0]),
        np.array([1, 2]),
        np.array([1.0, 2.0], np.float32),
    ],
)
def test_cotangent_in_any_form(cotangent: Any) -> None:
    x = Tensor([3.0, 4.0])
    (x * x).backward(cotangent)
    assert x.grad.tolist() == [6.0, 16.0]
    assert gradients(x * x, x, cotangent=cotangent).tolist() == [6.0, 16.0]


@pytest.mark.parametrize("cotangent", [2.0, 2, np.float64(2), np.array(2.0), Value(2.0)])
def test_cotangent_of_a_value(cotangent: Any) -> None:
    x = Value(3.0)
    (x * x).backward(cotangent)
    assert x.grad == 12.0
    assert type(x.grad) is float


def test_one_element_needs_no_cotangent() -> None:
    x = Tensor([[3.0]])
    (x * x).backward()
    assert x.grad.tolist() == [[6.0]]


def test_intermediates_show_the_cotangent_of_the_last_call() -> None:
    x = Tensor([1.0, 2.0])
    middle = x * x
    loss = (middle * np.array([3.0, 4.0])).sum()
    loss.backward()
    assert middle.grad.tolist() == [3.0, 4.0]
    loss.backward(2.0)
    assert middle.grad.tolist() == [6.0, 8.0]
    assert x.grad.tolist() == [18.0, 48.0]


# --------------------------------------------------------------------------- gradients()


def test_gradients_touches_no_grad() -> None:
    x, y = Value(2.0), Tensor([1.0, 3.0])
    middle = x * y
    loss = (middle * middle).sum()
    x.grad = 5.0
    for differentiable in (False, True):
        gradients(loss, [x, y, middle], differentiable=differentiable)
        assert (x.grad, y.grad, middle.grad, loss.grad) == (5.0, None, None, None)


def test_gradients_with_respect_to_what() -> None:
    x, y, unused = Value(2.0), Tensor([1.0, 3.0]), Tensor([[1.0]])
    middle = x * y
    loss = (middle * middle).sum()
    assert gradients(loss, x) == 40.0
    assert [np.shape(g) for g in gradients(loss, (y, unused))] == [(2,), (1, 1)]
    assert gradients(loss, unused).tolist() == [[0.0]]
    assert gradients(loss, [middle])[0].tolist() == [4.0, 12.0]
    assert gradients(loss, loss).tolist() == 1.0
    assert gradients(loss, []) == []
    twice = gradients(loss, [x, x])
    assert twice == [40.0, 40.0]


def test_gradient_of_an_unused_node_is_a_zero_that_differentiates() -> None:
    x, unused = Value(2.0), Tensor([1.0, 2.0])
    zero = gradients(x * x, unused, differentiable=True)
    assert zero.numpy().tolist() == [0.0, 0.0]
    assert gradients(zero.sum(), x) == 0.0


def test_constants_have_no_gradient() -> None:
    x = Value(2.0)
    for constant in (x.detach(), Tensor([1, 2]), (x * 1.0).inputs[1]):
        assert constant.is_constant
        with pytest.raises(GradientError, match="constant"):
            gradients(x * x, constant)
    with ag.no_grad():
        y = x * x
    with pytest.raises(GradientError, match="no_grad"):
        y.backward()


def test_detach_stops_the_gradient() -> None:
    x = Value(3.0)
    assert gradients(x * x.detach(), x) == 3.0
    t = Tensor([1.0, 2.0])
    assert gradients((t.detach() * t).sum(), t).tolist() == [1.0, 2.0]
    assert t.detach().is_constant


def test_constant_inputs_keep_grad_none() -> None:
    x = Value(3.0)
    y = x * 2.0 + Tensor([1.0, 2.0]).detach()
    y.backward(np.ones(2))
    assert all(n.grad is None for n in ag.topological_order(y) if n.is_constant)


# --------------------------------------------------------------------------- shape and dtype

EXPRESSIONS: dict[str, Callable[[Any, Any], Any]] = {
    "sum": lambda x, y: (x + y).sum(),
    "difference": lambda x, y: (y - x).sum(),
    "product": lambda x, y: (x * y).mean(),
    "quotient": lambda x, y: (x / y).sum(),
    "power": lambda x, y: (y**x).sum(),
    "maximum": lambda x, y: ag.maximum(x, y).sum(),
    "where": lambda x, y: ag.where(x > y, x, y).sum(),
}
SHAPES = [
    ((), (3,)),
    ((3,), (2, 3)),
    ((2, 1), (1, 3)),
    ((1, 1), (2, 3)),
    ((2, 3), (2, 3)),
    ((1,), ()),
]


@pytest.mark.parametrize("f", EXPRESSIONS.values(), ids=EXPRESSIONS)
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize(
    "dtypes", [("f4", "f4"), ("f8", "f8"), ("f4", "f8"), ("f8", "f4")], ids=str
)
def test_gradient_has_the_shape_and_dtype_of_its_leaf(
    f: Callable[[Any, Any], Any], shapes: Any, dtypes: Any
) -> None:
    x, y = (
        Tensor(np.full(s, 0.5 + i), dtype=d)
        for i, (s, d) in enumerate(zip(shapes, dtypes, strict=True))
    )
    loss = f(x, y)
    loss.backward()
    loss.backward()
    nodes = gradients(loss, [x, y], differentiable=True)
    again = gradients(sum((g.sum() for g in nodes), Value(0.0)), [x, y])
    for leaf, node, second in zip((x, y), nodes, again, strict=True):
        for g in (leaf.grad, node.numpy(), second):
            assert type(g) is np.ndarray
            assert (g.shape, g.dtype) == (leaf.shape, leaf.dtype)


def test_float32_and_value_mix_without_drift() -> None:
    w = Tensor(np.ones(3), dtype=np.float32)
    v = Value(2.0)
    y = v * w + 1.0 - np.float64(3.0) * w / 7
    assert y.dtype == np.float32
    y.sum().backward()
    assert w.grad.dtype == np.float32
    assert type(v.grad) is float


@pytest.mark.parametrize(
    "op",
    [
        lambda a, b: a + b,
        lambda a, b: a - b,
        lambda a, b: a * b,
        lambda a, b: a / b,
        lambda a, b: a**b,
    ],
)
@pytest.mark.parametrize("order", [1, 2])
def test_value_and_tensor_mixed(op: Callable[[Any, Any], Any], order: int) -> None:
    array = np.array([[1.0, 2.0, 0.5]])
    assert check_grads(op, 1.5, array, order=order) == []
    assert check_grads(op, array, 1.5, order=order) == []
    assert check_grads(lambda v, t: op(v, t) * v + op(t, v).sum(), 1.5, array, order=order) == []


# --------------------------------------------------------------------------- higher orders


@pytest.mark.parametrize("kind", [Value, Tensor])
def test_third_derivatives(kind: Any) -> None:
    x = kind(0.7)

    def third(f: Callable[[Any], Any]) -> float:
        node = f(x)
        for _ in range(3):
            node = gradients(node, x, differentiable=True)
        return float(node)

    assert third(ag.sin) == pytest.approx(-math.cos(0.7), rel=1e-14)
    assert third(ag.exp) == pytest.approx(math.exp(0.7), rel=1e-14)
    assert third(ag.log) == pytest.approx(2 / 0.7**3, rel=1e-14)
    assert third(lambda x: x**4) == pytest.approx(24 * 0.7, rel=1e-14)
    t = math.tanh(0.7)
    assert third(ag.tanh) == pytest.approx(-2 * (1 - t * t) * (1 - 3 * t * t), rel=1e-13)


@pytest.mark.parametrize("kind", [Value, Tensor])
@pytest.mark.parametrize(
    "make", [lambda x: x**12, lambda x: ag.square(x) ** 6, lambda x: x**6 * x**6]
)
def test_ten_nested_gradients_of_a_power(kind: Any, make: Callable[[Any], Any]) -> None:
    x = kind(1.3)
    node = make(x)
    for k in range(1, 11):
        node = gradients(node, x, differentiable=True)
        assert float(node) == pytest.approx(math.perm(12, k) * 1.3 ** (12 - k), rel=1e-10)


def test_derivatives_beyond_the_degree_are_zero() -> None:
    x = Value(2.0)
    node = x**2
    found = []
    for _ in range(4):
        node = gradients(node, x, differentiable=True)
        found.append(node.data)
    assert found == [4.0, 2.0, 0.0, 0.0]


def test_order_of_mixed_derivatives_does_not_matter() -> None:
    x, y = Value(0.7), Tensor([0.3, 1.1])

    def mixed(first: Any, second: Any) -> float:
        loss = (ag.sin(x * y) * ag.exp(x)).sum()
        slope = gradients(loss, first, differentiable=True)
        again = gradients(slope if isinstance(slope, Value) else slope.sum(), second)
        return float(np.sum(again))

    assert mixed(x, y) == pytest.approx(mixed(y, x), rel=1e-13)


def test_gradient_of_a_gradient_penalty() -> None:
    """|df/dx|^2 as a part of a loss, as it is used in training."""
    x0 = np.array([0.5, -0.3])

    def penalty(x: Any, w: Any) -> Any:
        slope = gradients(ag.tanh(x @ w).sum(), x, differentiable=True)
        return (slope * slope).sum()

    assert check_grads(penalty, x0, np.array([[0.4, 1.0], [-0.7, 0.2]]), order=1) == []


def test_backward_through_a_gradient_graph() -> None:
    x = Value(3.0)
    slope = gradients(x**3, x, differentiable=True)
    slope.backward()
    assert x.grad == 18.0
    (slope * slope).backward()
    assert x.grad == 18.0 + 2 * 27.0 * 18.0


# --------------------------------------------------------------------------- un-broadcasting


@given(data=st.data())
@settings(max_examples=60)
def test_broadcasting_is_undone_whatever_the_shapes(data: st.DataObject) -> None:
    from hypothesis.extra.numpy import mutually_broadcastable_shapes

    shapes = data.draw(
        mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=3, min_side=0)
    )
    a, b = shapes.input_shapes
    x, y = Tensor(np.full(a, 2.0)), Tensor(np.full(b, 3.0))
    gx, gy = gradients(x * y, [x, y], cotangent=np.ones(shapes.result_shape))
    size = int(np.prod(shapes.result_shape))
    np.testing.assert_array_equal(gx, np.full(a, 3.0 * size / max(x.size, 1)))
    np.testing.assert_array_equal(gy, np.full(b, 2.0 * size / max(y.size, 1)))


def test_cotangent_of_the_wrong_shape_is_refused() -> None:
    x = Tensor([[1.0, 2.0]])
    with pytest.raises(ShapeError, match=r"\(1, 2\).*\(2,\)"):
        (x * x).backward(np.ones(2))
    with pytest.raises(ShapeError):
        (x * x).backward(1.0)


# --------------------------------------------------------------------------- beside PyTorch

HESSIANS: dict[str, Callable[[Any, Any], Any]] = {
    "rosenbrock": lambda m, x: ((1.0 - x[:-1]) ** 2 + 100.0 * (x[1:] - x[:-1] ** 2) ** 2).sum(),
    "log of sums": lambda m, x: m.log(m.exp(x).sum() + (x * x).sum()),
    "products": lambda m, x: (x.reshape(-1, 1) * x.reshape(1, -1)).sum() * m.sin(x).sum(),
    "network": lambda m, x: m.tanh(m.tanh(x.reshape(2, 2) @ x.reshape(2, 2)) @ x[:2]).sum(),
    "quotient": lambda m, x: (x / (1.0 + x * x).sum()).sum() ** 3,
    "norm": lambda m, x: ((x * x).sum() ** 0.5) * m.sigmoid(x[0]),
}


@pytest.mark.parametrize("f", HESSIANS.values(), ids=HESSIANS)
def test_hessian_equals_that_of_torch(f: Callable[[Any, Any], Any]) -> None:
    torch = pytest.importorskip("torch")
    x0 = np.array([0.4, -0.9, 1.3, 0.2])
    x = Tensor(x0)
    slope = gradients(f(ag, x), x, differentiable=True)
    rows = [gradients(slope[i], x) for i in range(4)]
    expected = torch.autograd.functional.hessian(lambda t: f(torch, t), torch.tensor(x0))
    np.testing.assert_allclose(rows, expected.numpy(), rtol=1e-10, atol=1e-12)


# --------------------------------------------------------------------------- live cotangents


@pytest.mark.parametrize("kind", [Value, Tensor])
def test_cotangent_that_is_a_node_is_differentiated_too(kind: Any) -> None:
    x, v = kind(2.0), kind(3.0)
    g = gradients(x * x, x, cotangent=v, differentiable=True)
    assert float(g) == 12.0
    assert gradients(g, v) == 4.0
    assert gradients(g, x) == 6.0


def test_gradient_graph_is_recorded_even_where_nothing_else_is() -> None:
    x = Value(3.0)
    y = x**3
    with ag.no_grad():
        slope = gradients(y, x, differentiable=True)
    assert slope.data == 27.0
    assert gradients(slope, x) == 18.0


def test_mixed_derivative_of_a_power_at_exponent_zero() -> None:
    x, y = Value(2.0), Value(0.0)
    assert gradients(gradients(x**y, x, differentiable=True), y) == pytest.approx(0.5)
    assert gradients(gradients(x**y, y, differentiable=True), x) == pytest.approx(0.5)


def test_grad_set_by_hand_takes_the_dtype_of_its_leaf() -> None:
    x = Tensor(np.ones(2), dtype=np.float32)
    x.grad = np.zeros(2)
    x.sum().backward()
    assert x.grad.dtype == np.float32


def test_grads_of_intermediates_cannot_change_each_other() -> None:
    x = Tensor([1.0, 2.0])
    y = x + 1.0
    z = y + 1.0
    z.sum().backward()
    with contextlib.suppress(ValueError):  # read-only is as good as a copy
        z.grad[0] = 99.0
    assert y.grad.tolist() == [1.0, 1.0]
    assert x.grad.tolist() == [1.0, 1.0]


def test_integer_conversions_stop_gradients() -> None:
    x = Tensor([1.5, 2.5])
    assert x.astype(int).is_constant
    assert gradients((x * x.astype(int)).sum(), x).tolist() == [1.0, 2.0]
