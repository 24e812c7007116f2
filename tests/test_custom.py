"""Derivatives that a user states, primitives that a user defines, and recomputation."""

from __future__ import annotations

import gc
import pickle
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
from autograd import (
    DataError,
    GradientError,
    Interval,
    Primitive,
    PrimitiveError,
    ShapeError,
    Tensor,
    Value,
    check_grads,
    checkpoint,
    custom_vjp,
    grad,
    gradients,
    jvp,
)
from autograd.primitive import REGISTRY


@custom_vjp
def log1pexp(x: Any) -> Any:
    return np.logaddexp(0.0, x)


@log1pexp.pullback
def _(g: Any, out: Any, x: Any) -> Any:
    return g * (1.0 - np.exp(-out))


@custom_vjp
def weighted(parts: Any, weight: Any, power: int = 1) -> Any:
    return parts["a"] * weight**power + parts["b"]


@weighted.pullback
def _(g: Any, out: Any, parts: Any, weight: Any, power: int = 1) -> Any:
    slope = power * weight ** (power - 1)
    return {"a": g * weight**power, "b": g}, g * parts["a"] * slope


# --------------------------------------------------------------------------- custom_vjp


@pytest.mark.parametrize("x", [0.3, np.array([0.5, -1.0]), np.float32([1.0])])
def test_a_stated_derivative_is_used_at_every_order(x: Any) -> None:
    assert check_grads(log1pexp, x, order=3) == []


def test_it_is_one_node_named_after_its_function() -> None:
    y = log1pexp(Value(0.0))
    assert isinstance(y, Value)
    assert len(ag.topological_order(y)) == 2
    assert "log1pexp" in ag.draw(y).dot.source


def test_on_plain_data_it_is_the_function() -> None:
    assert log1pexp(0.0) == np.logaddexp(0.0, 0.0)
    assert type(log1pexp(np.ones(2))) is np.ndarray


def test_nested_arguments_keywords_and_options() -> None:
    parts = {"a": np.array([1.0, 2.0]), "b": 3.0}
    total = grad(lambda p, w: ag.sum(weighted(p, w, power=3)), argnums=(0, 1))
    slopes, slope = total({"a": parts["a"], "b": np.zeros(2)}, np.full(2, 2.0))
    np.testing.assert_array_equal(slopes["a"], [8.0, 8.0])
    np.testing.assert_array_equal(slopes["b"], [1.0, 1.0])
    np.testing.assert_array_equal(slope, 3 * 4.0 * parts["a"])


def test_forward_mode_and_float32() -> None:
    value, tangent = jvp(log1pexp, (np.float32([0.0]),), (np.float32([2.0]),))
    assert value.dtype == tangent.dtype == np.float32
    assert tangent[0] == 1.0


def test_none_is_no_derivative() -> None:
    @custom_vjp
    def scaled(x: Any, factor: Any) -> Any:
        return x * factor

    scaled.pullback(lambda g, out, x, factor: (g * factor, None))
    assert grad(scaled, (0, 1))(3.0, 2.0) == (2.0, 0.0)


def test_the_function_cannot_write_to_the_data_of_nodes() -> None:
    @custom_vjp
    def doubled(x: Any) -> Any:
        x *= 2.0
        return x

    with pytest.raises(ValueError, match="read-only"):
        doubled(Tensor([1.0]))


def test_an_argument_array_may_be_written_to_later() -> None:
    factor = np.array([3.0])

    @custom_vjp
    def times(x: Any, y: Any) -> Any:
        return x * y

    times.pullback(lambda g, out, x, y: (g * y, g * x))
    x = Tensor([1.0])
    y = times(x, factor)
    factor[0] = 9.0
    assert gradients(y, x).tolist() == [3.0]


def test_graphs_with_stated_derivatives_are_pickled() -> None:
    x = Value(0.0)
    restored = pickle.loads(pickle.dumps(log1pexp(x)))
    assert gradients(restored, restored.inputs[0]) == 0.5


def test_a_node_given_by_name_gets_its_cotangent() -> None:
    @custom_vjp
    def times(x: Any, k: Any = 2.0) -> Any:
        return x * k

    times.pullback(lambda g, out, x, k=2.0: (g * k, g * x))
    assert grad(lambda k: times(3.0, k=k))(2.0) == 3.0
    assert grad(lambda k: times(k, k=k))(2.0) == 4.0


def test_a_method_and_a_list_of_cotangents() -> None:
    class Scale:
        @custom_vjp
        def of(self: Any, x: Any, y: Any) -> Any:
            return x * y

    Scale.of.pullback(lambda g, out, self, x, y: [None, g * y, g * x])
    assert grad(Scale().of, (0, 1))(2.0, 3.0) == (3.0, 2.0)


def no_pullback(x: Any) -> Any:
    return x


OUTSIDE = Value(2.0)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: custom_vjp(3), DataError, "takes a function, got the int 3"),
        (lambda: custom_vjp(no_pullback)(Value(1.0)).backward(), GradientError, "no pullback yet"),
        (lambda: custom_vjp(lambda x: "a")(Value(1.0)), DataError, "one number or one array"),
        (lambda: custom_vjp(lambda x: (x, x))(Value(1.0)), DataError, "one number or one array"),
        (lambda: custom_vjp(lambda x: x * OUTSIDE)(Value(1.0)), GradientError, "an argument"),
    ],
)
def test_errors(make: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        make()


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (lambda g, out, x, y: g, "one cotangent for each of its 2"),
        (lambda g, out, x, y: (g, g, g), "one cotangent for each of its 2"),
        (lambda g, out, x, y: (g.sum(), g), r"shape \(2,\) a cotangent of shape \(\)"),
        (lambda g, out, x, y: ([g], g), r"shape \(2,\) a cotangent of shape \(1, 2\)"),
    ],
)
def test_a_pullback_that_does_not_fit(rule: Any, words: str) -> None:
    f = custom_vjp(lambda x, y: x * y)
    f.pullback(rule)
    x = Tensor([1.0, 2.0])
    with pytest.raises(ShapeError, match=words):
        f(x, x).sum().backward()


def test_cotangents_of_nested_arguments() -> None:
    """In any order of keys, and None for one of the leaves."""
    f = custom_vjp(lambda parts: parts["a"] * parts["b"])
    at = {"a": 2.0, "b": 3.0}
    f.pullback(lambda g, out, parts: {"b": g * parts["a"], "a": g * parts["b"]})
    assert grad(f)(at) == {"a": 3.0, "b": 2.0}
    f.pullback(lambda g, out, parts: {"a": g * parts["b"], "b": None})
    assert grad(f)(at) == {"a": 3.0, "b": 0.0}
    f.pullback(lambda g, out, parts: [g, g])
    with pytest.raises(ShapeError, match=r"nested like .* a dict of the keys \['a', 'b'\], got"):
        grad(f)(at)
    f.pullback(lambda g, out, parts: {"a": "g", "b": None})
    with pytest.raises(DataError, match="pullback of <lambda> takes real numbers, got the str"):
        grad(f)(at)


ERRORS = (ValueError, TypeError, IndexError, OverflowError, np.linalg.LinAlgError, ShapeError)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("wrap", [custom_vjp, checkpoint])
def test_an_error_of_the_function_comes_through(wrap: Any, error: Any) -> None:
    raised = error("of the user")

    def failing(x: Any) -> Any:
        raise raised

    for x in (Value(1.0), Tensor([1.0]), Tensor([1.0]).detach(), 1.0):
        with pytest.raises(error) as caught:
            wrap(failing)(x)
        assert caught.value is raised
    with pytest.raises(error) as caught:
        grad(wrap(failing))(1.0)
    assert caught.value is raised


def test_an_error_of_the_second_evaluation_comes_through() -> None:
    factors = [1.0]
    y = checkpoint(lambda x: x * factors.pop())(Value(1.0))
    with pytest.raises(IndexError, match="pop from empty list"):
        y.backward()


@pytest.mark.parametrize("wrap", [custom_vjp, checkpoint])
def test_what_was_written_to_a_leaf_is_used(wrap: Any) -> None:
    f = wrap(lambda x: x * x)
    if wrap is custom_vjp:
        f.pullback(lambda g, out, x: 2.0 * g * x)
    x = Tensor([1.0])
    x.data[0] = 5.0
    y = f(x)
    assert y.numpy().tolist() == [25.0]
    assert gradients(y, x).tolist() == [10.0]


def test_a_stated_derivative_of_constants_is_a_constant() -> None:
    assert log1pexp(Value(0.0).detach()).is_constant
    with ag.no_grad():
        assert log1pexp(Tensor([0.0])).is_constant


# --------------------------------------------------------------------------- checkpoint


def deep(x: Any) -> Any:
    for _ in range(20):
        x = ag.sin(x) * 1.1
    return x


@pytest.mark.parametrize("x", [0.3, np.array([0.5, -1.0]), np.float32([1.0])])
def test_checkpoint_changes_no_derivative(x: Any) -> None:
    kept, again = deep, checkpoint(deep)
    for _ in range(3):
        kept, again = ag.elementwise_grad(kept), ag.elementwise_grad(again)
        a, b = kept(x), again(x)
        np.testing.assert_array_equal(a, b)
        assert np.asarray(a).dtype == np.asarray(b).dtype
    assert check_grads(checkpoint(deep), x) == []


def test_parameters_that_a_function_uses_get_their_gradients() -> None:
    model = nn.MLP(2, [3, 1], rng=0)
    x = Tensor(np.ones((4, 2)))
    found = []
    for forward in (model, checkpoint(model)):
        model.zero_grad()
        x.grad = None
        (forward(x) ** 2).sum().backward()
        found.append([p.grad for p in [*model.parameters(), x]])
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_node_computed_outside_passes_the_gradient_on() -> None:
    w = Value(3.0)
    square = w * w
    y = checkpoint(lambda x: x * square)(Value(2.0))
    assert gradients(y, w) == 12.0
    assert gradients(gradients(y, w, differentiable=True), w) == 4.0


def test_checkpoint_without_variables_is_the_function() -> None:
    assert checkpoint(deep)(0.5) == deep(0.5)
    with ag.no_grad():
        assert checkpoint(deep)(Value(0.5)).is_constant
    assert checkpoint(deep)(Value(0.5).detach()).is_constant


def test_a_result_that_changes_is_an_error_and_not_a_wrong_gradient() -> None:
    dropout = nn.Dropout(0.5, rng=0)
    y = checkpoint(dropout)(Tensor(np.ones(100))).sum()
    with pytest.raises(GradientError, match="Dropout gave another result"):
        y.backward()


def test_data_changed_after_the_forward_is_noticed() -> None:
    w = Tensor([1.0], label="w")
    y = checkpoint(lambda x: x * w)(Tensor([2.0])).sum()
    w.data = [5.0]
    with pytest.raises(GradientError, match="'w'"):
        y.backward()


def peak(f: Any) -> int:
    """Bytes that forward and backward hold at most."""
    x = Tensor(np.ones(10_000))
    gc.collect()
    tracemalloc.start()
    y = x
    for _ in range(10):
        y = f(y)
    y.sum().backward()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def test_checkpoint_saves_memory() -> None:
    assert peak(checkpoint(deep)) < 0.3 * peak(deep)


CLOSED_OVER: dict[str, tuple[Any, float]] = {
    "second order": (grad(grad(lambda y: checkpoint(lambda x: x * y * y)(2.0 * y))), 36.0),
    "nested": (
        lambda v: grad(lambda a: grad(lambda y: checkpoint(lambda x: x * y)(2.0 * y))(a * 1.0))(v),
        4.0,
    ),
    "computed outside": (
        grad(grad(lambda y: (lambda z: checkpoint(lambda x: x * z)(y))(y * y))),
        18.0,
    ),
    "both ways": (grad(lambda y: checkpoint(lambda x: x * y)(y)), 6.0),
    "twice": (grad(lambda y: checkpoint(lambda x: checkpoint(lambda u: u * y)(x) * y)(1.0)), 6.0),
}


@pytest.mark.parametrize(("f", "expected"), CLOSED_OVER.values(), ids=CLOSED_OVER)
def test_checkpoint_of_a_function_that_closes_over_a_variable(f: Any, expected: float) -> None:
    assert f(3.0) == expected


def test_checkpoint_that_closes_over_a_variable_at_second_order_of_arrays() -> None:
    def f(y: Any) -> Any:
        return np.sum(checkpoint(lambda x: x * y)(2.0 * y))

    ones = np.ones(2)
    np.testing.assert_array_equal(ag.hessian(f)(ones), 4.0 * np.eye(2))
    np.testing.assert_array_equal(ag.hvp(f)(ones, ones), [4.0, 4.0])
    y = Value(3.0)
    z = y * y
    assert gradients(checkpoint(lambda x: x * z)(Value(2.0)), [z, y]) == [2.0, 12.0]


def test_chained_checkpoints_are_computed_again_a_few_times_each() -> None:
    calls = [0]

    def block(x: Any) -> Any:
        calls[0] += 1
        return ag.sin(x)

    def chain(x: Any) -> Any:
        for _ in range(40):
            x = checkpoint(block)(x)
        return x

    grad(grad(chain))(0.5)
    assert calls[0] < 40 * 10


@pytest.mark.parametrize("f", [lambda x: (x, x), lambda x: {"a": x}, lambda x: [x * x]])
def test_checkpoint_of_several_results_is_refused(f: Any) -> None:
    with pytest.raises(DataError, match="one number or one array"):
        checkpoint(f)(Value(1.0))


# --------------------------------------------------------------------------- one's own primitives


@pytest.fixture
def own_names() -> Iterator[None]:
    before = dict(REGISTRY)
    yield
    for name in REGISTRY.keys() - before.keys():
        del REGISTRY[name]


@pytest.mark.usefixtures("own_names")
def test_a_primitive_in_one_statement_gets_everything() -> None:
    cube = Primitive(
        "cube",
        "x³",
        lambda x: x**3,
        lambda x: x**3,
        [lambda g, out, x: 3.0 * g * x**2],
        domain=[Interval(-3.0, 3.0)],
        elementwise=True,
    )
    assert cube(2.0) == 8.0
    assert cube(np.array([2.0])).tolist() == [8.0]
    for x in (2.0, np.array([1.0, -2.0])):
        assert check_grads(cube, x, order=3) == []
    assert grad(grad(cube))(2.0) == 12.0
    assert jvp(cube, (2.0,), (1.0,)) == (8.0, 12.0)
    assert "x³" in ag.draw(cube(Value(2.0))).dot.source
    with pytest.raises(PrimitiveError, match="'cube' exists already"):
        Primitive("cube", "x³", None, np.sin, [None], [Interval()], elementwise=True)


@pytest.mark.parametrize(
    "cell",
    [
        """
from autograd import Interval, Primitive
again = Primitive("again", "again", None, lambda x: x, [lambda g, out, x: g], [Interval()],
                  elementwise=True)
""",
        """
from autograd.primitive import REAL, elementwise
again = elementwise("again", abs, abs, lambda g, out, x: g, domain=[REAL], doc="Again.")
""",
    ],
)
def test_a_notebook_cell_that_defines_a_primitive_can_be_run_again(cell: str) -> None:
    try:
        for _ in range(2):
            exec(cell, {"__name__": "__main__"})
    finally:
        REGISTRY.pop("again", None)


def test_a_primitive_knows_where_it_was_defined() -> None:
    assert ag.sin.primitive.module == "autograd.ops.elementary"
    assert ag.inv.primitive.module == "autograd.ops.decomposition"
