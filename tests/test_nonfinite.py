"""Where a nan or an infinity came from, on graphs where it is known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_graphs import graphs

import autograd as ag
from autograd import DataError, StaleGraphError, Tensor, Value, gradients
from autograd.graph import topological_order
from autograd.nonfinite import NonFinite, find_nonfinite

BOTH = pytest.mark.parametrize("kind", [Value, Tensor])


def found_in(output: Any) -> NonFinite:
    """What is found, with all that must hold of any find."""
    found = find_nonfinite(output)
    assert found is not None
    assert not math.isfinite(found.value)
    assert found.path[0] is output
    assert found.path[-1].is_leaf
    assert any(node is found.node for node in found.path)
    for consumer, x in zip(found.path, found.path[1:], strict=False):
        assert any(x is operand for operand in consumer.inputs)
    assert found.operands == found.node.inputs
    assert str(found) == found.text
    assert repr(found) == f"<NonFinite: {found.text.splitlines()[0]}>"
    return found


# --------------------------------------------------------------------------- any graph


@pytest.mark.parametrize("kind", [Value, Tensor])
@given(data=st.data())
@settings(max_examples=40)
def test_a_finite_graph_has_none(kind: type, data: st.DataObject) -> None:
    output, _ = data.draw(graphs(kind))
    leaves = [x for x in topological_order(output) if x.is_leaf and not x.is_constant]
    assume(all(np.isfinite(g).all() for g in gradients(output, leaves)))
    assert find_nonfinite(output) is None


@pytest.mark.parametrize("kind", [Value, Tensor])
@given(data=st.data(), bad=st.sampled_from([math.nan, math.inf, -math.inf]))
@settings(max_examples=60)
def test_a_planted_one_is_found(kind: type, data: st.DataObject, bad: float) -> None:
    """One node is multiplied by what makes it nan or infinite; whatever then fails is its doing."""
    output, nodes = data.draw(graphs(kind, most=4))
    leaves = [x for x in topological_order(output) if x.is_leaf and not x.is_constant]
    assume(all(np.isfinite(g).all() for g in gradients(output, leaves)))
    node = data.draw(st.sampled_from(nodes))
    factor = Value(bad, label="planted")
    planted = node * factor
    total: Any = planted if kind is Value else planted.sum()
    for _ in range(data.draw(st.integers(0, 2))):
        total = (total - output).tanh() + output
    found = find_nonfinite(total)
    if found is None:  # tanh(inf) is 1, and its derivative 0: nothing came of it
        slopes = gradients(total, [*leaves, factor])
        assert all(np.isfinite(g).all() for g in (total.numpy(), *slopes))
    else:
        assert found_in(total).node is factor
        assert (found.kind, found.value if bad == bad else None) == (
            "value",
            bad if bad == bad else None,
        )


# --------------------------------------------------------------------------- values


@BOTH
def test_the_first_that_made_it_is_named_with_its_operands_and_the_path(kind: Any) -> None:
    p = kind(0.0, label="p")
    loss = p.log() * 2.0 + 1.0
    loss.label = "loss"
    found = found_in(loss)
    assert (found.kind, found.value, found.count, found.index) == ("value", -math.inf, 1, ())
    assert found.node.primitive is ag.log.primitive
    assert found.text == "log made -inf of p = 0\n  path: loss -> × -> log -> p"
    assert found.origin is None
    unnamed = found_in((p * 2.0).log())
    assert unnamed.text == "log made -inf of 0 from ×\n  path: log -> × -> p"


def test_the_line_of_code_is_told_when_it_is_recorded() -> None:
    p = Value(0.0, label="p")
    with ag.debug():
        loss = -p.log()
    found = found_in(loss)
    assert found.origin is not None
    assert found.origin.source == "loss = -p.log()"
    lines = found.text.splitlines()
    assert lines[1].startswith("  line: ")
    assert lines[1].endswith(f"test_nonfinite.py:{found.origin.line}: loss = -p.log()")


def test_a_leaf_that_holds_one() -> None:
    x = Tensor([1.0, math.nan, math.inf], label="x")
    found = found_in((x * 2.0).sum())
    assert (found.node, found.index, found.count) == (x, (1,), 2)
    assert found.text.splitlines()[0] == "x holds nan at [1]; 2 of 3 elements are nan or infinite"
    assert found_in(x * 1.0).text.endswith("path: × -> x")
    assert found_in(Value(math.nan)).text == "nan holds nan\n  path: nan"


def test_an_elementwise_operation_tells_its_operands_there() -> None:
    a = Tensor([[1.0, 0.0, 2.0], [3.0, 0.0, 4.0]], label="a")
    b = Tensor([1.0, 0.0, 5.0], label="b")
    found = found_in((a / b).sum())
    assert (found.index, found.count) == ((0, 1), 2)
    assert math.isnan(found.value)
    assert found.text.splitlines()[0] == (
        "/ made nan at [0, 1] of a[0, 1] = 0 and b[1] = 0; 2 of 6 elements are nan or infinite"
    ).replace("/", ag.div.primitive.label)


def test_another_operation_tells_the_range_of_its_operands() -> None:
    w = Tensor([[1e200, 1.0], [2.0, 3.0]], label="w")
    found = found_in((w @ w).sum())
    assert found.text.splitlines()[0] == (
        "@ made inf at [0, 0] of w, (2, 2) from 1 to 1e+200 and w, (2, 2) from 1 to 1e+200; "
        "1 of 4 elements is nan or infinite"
    )


def test_the_mean_of_nothing() -> None:
    found = found_in(Tensor(np.zeros(0), label="x").mean())
    assert found.text.splitlines()[0] == "mean made nan of x, (0,) empty"


def test_the_scope_is_told() -> None:
    x = Value(0.0, label="x")
    with ag.scope("outer"), ag.scope("inner"):
        y = x.log()
    assert "\n  in: outer > inner\n" in found_in(y * 2.0).text


def test_an_element_that_was_bad_before_is_not_blamed_on_an_elementwise_operation() -> None:
    x = Tensor([0.0, 1000.0], label="x")
    logs = ag.log(x * np.array([1.0, 0.0]))  # -inf, -inf
    grown = ag.exp(x) + logs  # -inf from above, inf - inf
    found = found_in(grown.sum())
    assert found.node.primitive in (ag.log.primitive, ag.exp.primitive)
    mixed = ag.where(np.array([True, False]), ag.log(x), 0.0)  # -inf, 0
    again = ag.exp(mixed + x)  # 0, inf: the infinity arises here
    assert found_in(again.sum()).node is again


def test_only_what_reaches_the_output_is_to_blame() -> None:
    x = Value(0.0, label="x")
    harmless = ag.where(False, ag.log(x), x + 1000.0)
    found = found_in(harmless.exp())
    assert found.node.primitive is ag.exp.primitive
    assert find_nonfinite(harmless) is None


def test_a_mask_of_minus_infinity_is_harmless_and_not_blamed_for_others() -> None:
    scores = Tensor([1.0, 2.0, 3.0], label="scores")
    masked = ag.where(np.array([True, True, False]), scores, -math.inf)
    assert find_nonfinite((ag.softmax(masked) * np.arange(3.0)).sum()) is None
    bad = Tensor([0.0, 1.0, 2.0], label="bad")
    masked = ag.where(np.array([True, True, False]), scores / (bad - bad), -math.inf)
    found = found_in(ag.softmax(masked).sum())
    assert found.node.primitive is ag.div.primitive
    masked = ag.where(np.array([False, False, True]), -math.inf, scores / (bad - bad))
    assert found_in(ag.softmax(masked).sum()).node.primitive is ag.div.primitive
    constant = found_in(scores.sum() + math.inf)
    assert constant.node.is_constant
    assert constant.text.startswith("inf holds inf")


def test_a_value_that_spoils_only_the_gradient_is_named_as_a_value() -> None:
    x = Value(1000.0, label="x")
    y = x.exp().tanh()
    assert y.data == 1.0
    assert math.isnan(gradients(y, x))
    found = found_in(y + 0.0)
    assert (found.kind, found.node.primitive) == ("value", ag.exp.primitive)
    assert found.text == "exp made inf of x = 1000\n  path: + -> tanh -> exp -> x"


def test_float32_that_overflows_is_said_to_fit_float64() -> None:
    x = Tensor(np.float32([100.0, 1.0]), label="x")
    assert found_in(x.exp().sum()).text.splitlines()[-1] == (
        "  it is finite in float64, and too large for float32"
    )
    assert "float64" not in found_in((x * 1e4).exp().sum()).text
    assert "float64" not in found_in(Tensor(np.float32([0.0])).log().sum()).text
    assert "float64" not in found_in(Tensor([1000.0]).exp().sum()).text


def test_constants_alone() -> None:
    assert find_nonfinite(Value(1.0).detach()) is None
    assert find_nonfinite(Tensor([1, 2])) is None
    found = found_in(Value(math.nan, label="x").detach())
    assert found.text.splitlines()[0] == "x holds nan"


# --------------------------------------------------------------------------- gradients


@BOTH
def test_a_gradient_that_is_infinite_where_the_value_is_not(kind: Any) -> None:
    x = kind(0.0, label="x")
    y = ag.sqrt(x) * 3.0
    found = found_in(y)
    assert (found.kind, found.operand, found.value) == ("contribution", 0, math.inf)
    assert found.node.primitive is ag.sqrt.primitive
    assert found.cotangent == 3.0
    first, path, hint = found.text.splitlines()
    assert first == (
        "the gradient, not a value, is where it starts: √ has the cotangent 3 and sends inf to "
        "x, which holds 0"
    )
    assert path == "  path: × -> √ -> x"
    assert hint.startswith("  √ has no finite derivative there")
    assert "where()" in hint
    assert x.grad is None


def test_elements_of_a_gradient() -> None:
    x = Tensor([[1.0, 0.0], [0.0, 4.0]], label="x")
    found = found_in(ag.sqrt(x))
    assert (found.index, found.count) == ((0, 1), 2)
    assert (
        "sends inf to x at [0, 1], which holds 0; 2 of 4 elements are nan or infinite" in found.text
    )


def test_the_advice_to_use_where_is_right() -> None:
    x = Tensor([0.0, 4.0])
    positive = x > 0.0
    assert find_nonfinite(ag.where(positive, ag.sqrt(x), 0.0).sum()) is None


def test_a_product_that_overflows_in_the_pass_has_no_advice() -> None:
    x = Value(1e-200, label="x")
    y = (x * 1e200) * 1e200
    found = found_in(y)
    assert found.kind == "contribution"
    assert "where()" not in found.text


@BOTH
@pytest.mark.parametrize("in_between", [False, True])
def test_finite_contributions_that_add_up_to_infinity(kind: Any, in_between: bool) -> None:
    x = kind(1e-300, label="x")
    h = x * 1.0 if in_between else x
    found = found_in(h * 1e308 + h * 1e308)
    assert (found.kind, found.value, found.node) == ("sum", math.inf, h)
    name = "×" if in_between else "x"
    assert f"finite contributions to {name} add up to inf" in found.text


# --------------------------------------------------------------------------- limits


def test_a_long_chain_and_a_hostile_label() -> None:
    x = Value(-1.0, label="a\nb\u202e" + "c" * 10_000)
    y = x.log()
    for _ in range(20_000):
        y = y + 1.0
    found = found_in(y)
    assert len(found.path) == 20_002
    assert len(found.text.splitlines()) == 2
    assert len(found.text) < 300
    assert "… 19,993 more …" in found.text


def test_many_operands_are_counted() -> None:
    parts = [Tensor([1e308], label=f"p{i}") for i in range(9)]
    joined = ag.concatenate(parts).reshape(3, 3)
    found = found_in((joined @ joined).sum())
    assert found.node.primitive is ag.matmul.primitive
    bad = found_in(ag.multi_dot([Tensor(np.full((1, 1), 1e200)) for _ in range(6)]).sum())
    assert len(bad.text) < 500


def test_refusals() -> None:
    with pytest.raises(DataError, match=r"3\.0"):
        find_nonfinite(3.0)  # type: ignore[arg-type]
    x = Value(0.0, label="x")
    y = x.sqrt()
    x.data = 1.0
    with pytest.raises(StaleGraphError):
        find_nonfinite(y)
    with pytest.raises(ag.ReplayError, match="find_nonfinite"):
        ag.jit(lambda v: v * 1.0 if find_nonfinite(v) is None else v)(2.0)


def test_a_find_is_fixed() -> None:
    found = found_in(Value(0.0).log())
    with pytest.raises(AttributeError):
        found.count = 2  # type: ignore[misc]
