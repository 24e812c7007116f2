"""`check_grads` itself: wrong derivatives are planted, and it must find each of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import CheckError, DataError, Primitive, Tensor, Value, check_grads
from autograd.primitive import REAL, REGISTRY, example

Plant = Callable[..., Primitive]


@pytest.fixture
def plant() -> Iterator[Plant]:
    """Define a primitive for the length of a test."""
    planted: list[str] = []

    def define(array: Callable[..., Any], *pullbacks: Any, scalar: Any = None) -> Primitive:
        planted.append(f"planted {len(planted)}")
        shapes = ((3,),) * len(pullbacks)
        return Primitive(
            planted[-1],
            "planted",
            scalar,
            array,
            pullbacks,
            [REAL] * len(pullbacks),
            [example(*shapes)],
        )

    yield define
    for name in planted:
        del REGISTRY[name]


X = np.array([0.3, -1.2, 2.0])
Y = np.array([1.5, 0.7, -0.4])

# What is wrong, the forward, the pullbacks.
WRONG: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "sign": (np.sin, (lambda g, out, x: -g * ag.cos(x),)),
    "missing factor": (lambda x: x**3, (lambda g, out, x: g * x**2,)),
    "factor slightly off": (lambda x: x**3, (lambda g, out, x: g * (3.02 * x**2),)),
    "swapped operands": (
        lambda x, y: x * y,
        (lambda g, out, x, y: g * x, lambda g, out, x, y: g * y),
    ),
    "swapped pullbacks": (lambda x, y: x - y, (lambda g, out, x, y: -g, lambda g, out, x, y: g)),
    "second operand only": (
        lambda x, y: x * y,
        (lambda g, out, x, y: g * y, lambda g, out, x, y: g),
    ),
    "zero": (np.exp, (lambda g, out, x: 0.0 * g,)),
    "none": (np.exp, (None,)),
    "one element": (np.exp, (lambda g, out, x: g * out * np.array([1.0, 1.0, 1.01]),)),
    "elements reversed": (lambda x: x[::-1] * 1.0, (lambda g, out, x: g,)),
    "not summed": (lambda x: np.cumsum(x), (lambda g, out, x: g,)),
    "cotangent ignored": (np.sin, (lambda g, out, x: ag.cos(x),)),
    "output mistaken for input": (np.tan, (lambda g, out, x: g * (1.0 + x * x),)),
}


@pytest.mark.parametrize(("forward", "pullbacks"), [*WRONG.values()], ids=WRONG)
def test_wrong_first_derivative_is_found(
    plant: Plant, forward: Callable[..., Any], pullbacks: tuple[Any, ...]
) -> None:
    f = plant(forward, *pullbacks)
    inputs = [X, Y][: len(pullbacks)]
    with pytest.raises(CheckError, match="wrong"):
        check_grads(f, *inputs, order=1)
    with pytest.raises(CheckError, match="wrong"):
        check_grads(f, *[x.astype(np.float32) for x in inputs], order=1)


def detached(x: Any) -> Any:
    return x.detach() if isinstance(x, Tensor | Value) else x


WRONG_AT_SECOND: dict[str, Any] = {
    "factor taken for a constant": lambda g, out, x: g * ag.cos(detached(x)),
    "output taken for a constant": lambda g, out, x: g * ag.sqrt(1.0 - detached(out) ** 2),
    "cotangent taken for a constant": lambda g, out, x: detached(g) * ag.cos(x),
}


@pytest.mark.parametrize("pullback", WRONG_AT_SECOND.values(), ids=WRONG_AT_SECOND)
def test_derivative_that_is_wrong_at_second_order_only(plant: Plant, pullback: Any) -> None:
    f = plant(np.sin, pullback)
    x = np.array([0.3, -1.2, 0.9])
    assert check_grads(f, x, order=1) == []
    with pytest.raises(CheckError, match="order 2"):
        check_grads(lambda x: f(x).square(), x, order=2)


def test_wrong_derivative_of_a_value(plant: Plant) -> None:
    f = plant(np.sin, lambda g, out, x: -g * ag.cos(x), scalar=math.sin)
    with pytest.raises(CheckError, match="wrong"):
        check_grads(f, 0.7, order=1)


def test_wrong_derivative_deep_inside_a_graph(plant: Plant) -> None:
    f = plant(np.sin, lambda g, out, x: 0.99 * g * ag.cos(x))
    with pytest.raises(CheckError):
        check_grads(lambda x, y: (ag.exp(f(x * y)) / (1.0 + y * y)).sum(), X, Y, order=1)


# --------------------------------------------------------------------------- the report


def test_report_lists_every_wrong_element_and_no_right_one(plant: Plant) -> None:
    f = plant(np.square, lambda g, out, x: g * (2.0 * x) * np.array([[1.0, 2.0], [3.0, 1.0]]))
    with pytest.raises(CheckError) as caught:
        check_grads(lambda x: f(x).sum(), np.array([[1.0, 2.0], [3.0, 4.0]]), order=1)
    report = str(caught.value)
    lines = report.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("2 derivatives")
    assert "argument 0[0, 1]" in lines[1]
    assert "argument 0[1, 0]" in lines[2]
    assert all("order 1" in line and "wrong" in line for line in lines[1:])


def test_report_gives_expected_got_and_relative_error(plant: Plant) -> None:
    f = plant(np.square, lambda g, out, x: g * (3.0 * x), scalar=lambda x: x * x)
    with pytest.raises(CheckError) as caught:
        check_grads(lambda x, y: f(x) + y, 5.0, 1.0, order=1)
    # The output is weighted by one number, so that 10 and 15 appear times that.
    words = str(caught.value).splitlines()[1].replace(",", "").split()
    expected, got = (float(words[words.index(name) + 1]) for name in ("expected", "got"))
    assert got / expected == pytest.approx(1.5)
    assert "relative error 0.33" in str(caught.value)
    assert "argument 0" in str(caught.value)
    assert "argument 1" not in str(caught.value)


def test_right_functions_pass_and_return_nothing() -> None:
    assert check_grads(lambda x: ag.tanh(x @ x), np.eye(2) * 0.3) == []
    assert check_grads(lambda x, y: [x * y, ag.sin(x)], 1.0, 2.0, order=3) == []
    assert check_grads(lambda x: 3.0 * x + 1.0, 2.0) == []
    assert check_grads(lambda x, labels: x[labels].sum(), X, np.array([0, 2])) == []
    assert check_grads(ag.exp, Value(1.0)) == []
    assert check_grads(ag.exp, np.array([1, 2])) == []
    assert check_grads(ag.exp, Tensor([1.0])) == []
    assert check_grads(lambda x: Tensor([1.0]).sum() + 0.0 * x, 1.0) == []


@pytest.mark.parametrize("scale", [1e-150, 1e-8, 1.0, 1e8, 1e150])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_steps_follow_the_size_of_the_input(scale: float, dtype: Any) -> None:
    if not 1e-30 < scale < 1e30 and dtype is np.float32:
        return
    x = np.array([1.0, 2.5], dtype=dtype) * dtype(scale)
    assert check_grads(lambda x: (x * 3.0).sum(), x, order=1) == []
    assert check_grads(lambda x: (ag.log(x) * 3.0).sum(), x, order=1) == []


@pytest.mark.parametrize("order", [1, 2])
def test_float32_inputs(order: int) -> None:
    x = np.array([0.3, -1.2, 2.0], dtype=np.float32)
    assert check_grads(lambda x: ag.sin(x) * ag.exp(x), x, order=order) == []
    assert check_grads(ag.square, x, order=order) == []


# --------------------------------------------------------------------------- kinks, roughness

KINKS: dict[str, tuple[Callable[..., Any], float]] = {
    "abs": (ag.abs, 0.0),
    "relu": (ag.relu, 0.0),
    "leaky_relu": (ag.leaky_relu, 0.0),
    "clip": (lambda x: ag.clip(x, -1.0, 2.0), 2.0),
    "maximum": (lambda x: ag.maximum(x, 3.0), 3.0),
    "minimum": (lambda x: ag.minimum(x * x, 4.0), 2.0),
    "abs, far from 0": (lambda x: ag.abs(x - 1e6), 1e6),
    "steep": (lambda x: ag.abs(x) * 1e6, 0.0),
    "flat": (lambda x: ag.abs(x) * 1e-6, 0.0),
    "with a slope": (lambda x: ag.relu(x) + 5.0 * ag.sin(x), 0.0),
}


@pytest.mark.parametrize(("f", "x"), KINKS.values(), ids=KINKS)
def test_kink_says_kink(f: Callable[..., Any], x: float) -> None:
    (found,) = check_grads(f, x, order=1)
    assert found.verdict == "kink"
    assert "kink" in str(found)


def test_kink_in_one_element_only() -> None:
    (found,) = check_grads(ag.relu, np.array([1.0, 0.0, -1.0]), order=1)
    assert (found.verdict, found.index) == ("kink", (1,))


@pytest.mark.parametrize("slope", [-1.5, 1.2, 40.0])
def test_slope_outside_the_two_sides_of_a_kink_is_wrong(plant: Plant, slope: float) -> None:
    f = plant(np.abs, lambda g, out, x: g * slope, scalar=abs)
    with pytest.raises(CheckError):
        check_grads(f, 0.0, order=1)


@pytest.mark.parametrize("slope", [-0.9, 0.0, 1.0])
def test_any_slope_between_the_two_sides_is_accepted(plant: Plant, slope: float) -> None:
    f = plant(np.abs, lambda g, out, x: g * slope, scalar=abs)
    (found,) = check_grads(f, 0.0, order=1)
    assert found.verdict == "kink"


def test_wrong_element_is_found_beside_a_kink(plant: Plant) -> None:
    f = plant(np.abs, lambda g, out, x: g * ag.sign(x) * np.array([1.0, 1.0, 2.0]))
    with pytest.raises(CheckError) as caught:
        check_grads(lambda x: f(x).sum(), np.array([1.0, 0.0, 2.0]), order=1)
    assert "argument 0[1]" in str(caught.value)
    assert "kink" in str(caught.value)
    assert str(caught.value).startswith("1 derivative ")


ROUGH: dict[str, tuple[Callable[..., Any], float]] = {
    "infinite slope": (ag.sqrt, 0.0),
    "pole": (lambda x: 1.0 / x, 0.0),
    "infinite value": (lambda x: ag.exp(x * 1000.0), 1.0),
}


@pytest.mark.parametrize(("f", "x"), ROUGH.values(), ids=ROUGH)
def test_what_differences_cannot_tell_is_imprecise_not_wrong(
    f: Callable[..., Any], x: float
) -> None:
    (found,) = check_grads(f, x, order=1)
    assert found.verdict == "imprecise"


def test_cancellation_is_imprecise_not_wrong() -> None:
    """A slope of 1e-8 beside values of 1e8: lost in their rounding."""
    found = check_grads(lambda x: 1e8 + 1e-8 * x, 1.0, order=1)
    assert {d.verdict for d in found} <= {"imprecise"}


def test_fast_oscillation_is_not_called_wrong() -> None:
    found = check_grads(lambda x: ag.sin(x * 1e5), 1.0, order=1)
    assert {d.verdict for d in found} <= {"imprecise"}


# --------------------------------------------------------------------------- misuse


def test_order_must_be_positive() -> None:
    with pytest.raises(DataError, match="order"):
        check_grads(ag.sin, 1.0, order=0)


def test_function_must_return_nodes() -> None:
    with pytest.raises(DataError, match="return nodes"):
        check_grads(lambda x: [3.0], 1.0)
    with pytest.raises(DataError, match="return nodes"):
        check_grads(lambda x: 3.0, 1.0)


def test_inputs_are_left_alone() -> None:
    x, v = Tensor([1.0, 2.0]), Value(3.0)
    array = np.array([1.0, 2.0])
    check_grads(lambda a, b, c: (a * b * c).sum(), x, v, array)
    assert x.grad is None
    assert v.grad is None
    assert array.tolist() == x.numpy().tolist() == [1.0, 2.0]


# --------------------------------------------------------------------------- steps


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (ag.sin, 1e9),
        (ag.sin, np.float32([1e4])),
        (ag.log, 1e-12),
        (ag.reciprocal, 1e-12),
        (ag.norm, np.array([1e-8, 1e-8])),
        (ag.gelu, -5.0),
        (lambda x: ag.cos(x * 1e3), 1.0),
        (lambda x: 1e-30 * ag.exp(x), 1.0),
        (lambda x: 1e9 + x * x, 3.0),
    ],
)
def test_right_derivatives_at_any_magnitude_are_confirmed(f: Any, x: Any) -> None:
    assert check_grads(f, x) == []


@pytest.mark.parametrize("x", [1.0, 1e6, np.float32([1.0]), np.array([1e-3, 50.0])])
def test_a_thousandth_too_much_is_wrong_at_any_magnitude(plant: Plant, x: Any) -> None:
    off = plant(np.sin, lambda g, out, x: g * (1.001 * ag.cos(x)))
    with pytest.raises(CheckError, match="wrong"):
        check_grads(off, np.atleast_1d(np.asarray(x)), order=1)


def test_a_smooth_function_has_no_kink(plant: Plant) -> None:
    forgets = plant(np.sin, lambda g, out, x: g * ag.cos(x.detach() if hasattr(x, "grad") else x))
    with pytest.raises(CheckError, match="order 2"):
        check_grads(forgets, np.array([1e6]))


def test_a_jump_is_not_a_kink() -> None:
    found = check_grads(lambda x: ag.where(x.data > 0.5, x, 0.0 * x), 0.5, order=1)
    assert [d.verdict for d in found] == ["imprecise"]


def test_an_element_at_a_kink_is_not_reported_again_at_higher_orders() -> None:
    found = check_grads(ag.abs, np.array([0.0, 1.0]), order=3)
    assert [(d.order, d.index) for d in found] == [(1, (0,))]


def test_the_report_of_one_number_shows_the_derivatives_that_a_user_knows() -> None:
    with pytest.raises(CheckError, match="expected 6, got 3"):
        check_grads(lambda x: x * float(x), 3.0, order=1)


def test_check_grads_records_inside_no_grad() -> None:
    with ag.no_grad():
        assert check_grads(ag.sin, 1.0) == []


@pytest.mark.parametrize("order", [0, -1, 2.5, "a", None])
def test_an_order_that_is_no_count_is_refused(order: Any) -> None:
    with pytest.raises(DataError, match="order is a whole number"):
        check_grads(ag.sin, 1.0, order=order)
