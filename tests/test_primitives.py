"""Every primitive of the registry, held to the same properties. Nothing here knows one by name."""

from __future__ import annotations

import pickle
import pkgutil
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import CASES, PRIMITIVES, Call, calls, examples_of, ulps

import autograd
import autograd.ops
import nn
from autograd import Node, Primitive, PrimitiveError, Tensor, Value, check_grads, gradients
from autograd.primitive import REAL, REGISTRY, EachOperand, Example, example
from autograd.primitive import elementwise as define_elementwise

each_case = pytest.mark.parametrize(("primitive", "example"), CASES.values(), ids=CASES)
each_primitive = pytest.mark.parametrize("primitive", PRIMITIVES, ids=lambda p: p.name)


def derivatives(call: Call, leaves: list[Any], **options: Any) -> list[Any]:
    """Gradients of a call's weighted output with respect to the operands that have one."""
    output = call(*leaves)
    return gradients(
        output, [leaves[i] for i in call.variables], cotangent=call.weights(), **options
    )


def slopes_of_slopes(call: Call, leaves: list[Any]) -> list[Any]:
    """Gradients of the sum of all first derivatives."""
    first = derivatives(call, leaves, differentiable=True)
    total = sum((g.sum() if isinstance(g, Tensor) else g for g in first), Value(0.0))
    return gradients(total, [leaves[i] for i in call.variables])


# --------------------------------------------------------------------------- derivatives


@each_case
@given(data=st.data())
@settings(max_examples=4)
def test_first_and_second_derivatives_agree_with_finite_differences(
    primitive: Primitive, example: Example | None, data: st.DataObject
) -> None:
    call = data.draw(calls(primitive, example))
    # Raises on a wrong one; sampled away from kinks, at worst too small for differences to see.
    assert {d.verdict for d in check_grads(call, *call.operands, order=2)} <= {"imprecise"}


@each_case
@given(data=st.data())
@settings(max_examples=5)
def test_rule_on_data_equals_rule_on_nodes(
    primitive: Primitive, example: Example | None, data: st.DataObject
) -> None:
    call = data.draw(calls(primitive, example))
    leaves = call.leaves()
    on_data = derivatives(call, leaves)
    on_nodes = derivatives(call, leaves, differentiable=True)
    for leaf, number, node in zip(
        [leaves[i] for i in call.variables], on_data, on_nodes, strict=True
    ):
        assert isinstance(node, Tensor)
        assert number.shape == leaf.shape
        assert ulps(number, node.numpy()) <= 2


@each_case
@given(data=st.data())
@settings(max_examples=5)
def test_forward_on_nodes_equals_forward_on_arrays(
    primitive: Primitive, example: Example | None, data: st.DataObject
) -> None:
    call = data.draw(calls(primitive, example))
    assert ulps(call(*call.leaves()).numpy(), np.asarray(call())) <= 2


@each_case
@given(data=st.data())
@settings(max_examples=5)
def test_value_equals_tensor_without_axes(
    primitive: Primitive, example: Example | None, data: st.DataObject
) -> None:
    if primitive.scalar is None:
        return  # makes sense for arrays only
    params = example.params if example else {}
    scalars = Example(((),) * len(primitive.domain), params)
    call = data.draw(calls(primitive, scalars))
    values = [x.item() if x.dtype == bool else Value(x) for x in call.operands]
    result = call(*values)
    assert type(result) is Value
    assert type(result.data) is float
    assert ulps(result.data, call(*call.leaves()).numpy()) <= 2
    assert ulps(call(*(x.item() for x in call.operands)), result.data) == 0
    for of_values, of_tensors in (
        (derivatives(call, values), derivatives(call, call.leaves())),
        (slopes_of_slopes(call, values), slopes_of_slopes(call, call.leaves())),
    ):
        assert all(type(g) is float for g in of_values)
        np.testing.assert_allclose(of_values, of_tensors, rtol=1e-12, atol=1e-14)


@each_case
@given(data=st.data())
@settings(max_examples=5)
def test_value_broadcasts_into_tensor(
    primitive: Primitive, example: Example | None, data: st.DataObject
) -> None:
    if primitive.scalar is None:
        return
    call = data.draw(calls(primitive, example))
    for i in call.variables:
        if call.operands[i].ndim == 0:
            leaves: list[Any] = call.leaves()
            expected = derivatives(call, leaves)[call.variables.index(i)]
            leaves[i] = Value(call.operands[i])
            got = derivatives(call, leaves)[call.variables.index(i)]
            assert type(got) is float
            np.testing.assert_allclose(got, expected, rtol=1e-12)


# --------------------------------------------------------------------------- kinds of operands


@each_case
@given(data=st.data())
@settings(max_examples=3)
def test_float32_stays_float32(
    primitive: Primitive, example: Example | None, data: st.DataObject
) -> None:
    call = data.draw(calls(primitive, example))
    small = call.astype(np.float32)
    output = small(*small.leaves())
    # Only a conversion, which names a dtype, changes it; a Value is one Python float.
    if isinstance(output, Tensor):
        assert output.dtype == np.dtype(call.params.get("dtype", np.float32))
    for exact, got in zip(
        derivatives(call, call.leaves()), derivatives(small, small.leaves()), strict=True
    ):
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, exact, rtol=2e-3, atol=2e-3)
    for node in derivatives(small, small.leaves(), differentiable=True):
        assert node.dtype == np.float32
    for got in slopes_of_slopes(small, small.leaves()):
        assert got.dtype == np.float32


@each_case
@given(data=st.data())
@settings(max_examples=3)
def test_constants_get_no_gradient_and_change_none(
    primitive: Primitive, example: Example | None, data: st.DataObject
) -> None:
    call = data.draw(calls(primitive, example))
    expected = derivatives(call, call.leaves())
    for skipped in call.variables:
        operands: list[Any] = call.leaves()
        operands[skipped] = call.operands[skipped]
        kept = [i for i in call.variables if i != skipped]
        output = call(*operands)
        if not any(isinstance(x, Tensor) and not x.is_constant for x in operands):
            assert not isinstance(output, Node) or output.is_constant
            continue
        output.backward(call.weights())
        assert output.inputs[skipped].is_constant
        assert output.inputs[skipped].grad is None
        for i, g in zip(
            kept,
            gradients(output, [operands[i] for i in kept], cotangent=call.weights()),
            strict=True,
        ):
            assert ulps(g, expected[call.variables.index(i)]) <= 2


@each_case
@given(data=st.data())
@settings(max_examples=3)
def test_nothing_is_recorded_under_no_grad(
    primitive: Primitive, example: Example | None, data: st.DataObject
) -> None:
    call = data.draw(calls(primitive, example))
    with autograd.no_grad():
        output = call(*call.leaves())
    assert output.is_constant
    assert output.inputs == ()
    assert ulps(output.numpy(), call(*call.leaves()).numpy()) == 0


@each_case
@given(data=st.data())
@settings(max_examples=3)
def test_operands_are_not_written_to(
    primitive: Primitive, example: Example | None, data: st.DataObject
) -> None:
    call = data.draw(calls(primitive, example))
    before = [x.copy() for x in call.operands]
    leaves = call.leaves()
    cotangent = call.weights()
    call()
    gradients(call(*leaves), [leaves[i] for i in call.variables], cotangent=cotangent)
    slopes_of_slopes(call, leaves)
    for x, node, old in zip(call.operands, leaves, before, strict=True):
        assert ulps(x.astype(float), old.astype(float)) == 0
        assert ulps(node.numpy().astype(float), old.astype(float)) == 0
    assert ulps(cotangent, call.weights()) == 0


@each_primitive
@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool])
def test_an_integer_beside_a_variable_counts_as_its_float(primitive: Primitive, dtype: Any) -> None:
    if not primitive.elementwise or primitive.examples:
        return
    rules = list(primitive.pullbacks)
    for i in range(len(rules)):
        whole = [np.array([1, 1], dtype=dtype) if j != i else None for j in range(len(rules))]
        x, y = Tensor([0.5, 0.25]), Tensor([0.5, 0.25])
        a = primitive(*(x if w is None else w for w in whole))
        b = primitive(*(y if w is None else w.astype(float) for w in whole))
        assert a.dtype == np.float64
        np.testing.assert_allclose(a.numpy(), b.numpy())
        np.testing.assert_allclose(gradients(a.sum(), x), gradients(b.sum(), y))


# --------------------------------------------------------------------------- what a record promises


@each_case
@given(data=st.data())
@settings(max_examples=3)
def test_elementwise_and_structural_are_as_declared(
    primitive: Primitive, example: Example | None, data: st.DataObject
) -> None:
    """Backward relies on both flags where a branch of `where` is not taken."""
    call = data.draw(calls(primitive, example))
    leaves = call.leaves()
    output = call(*leaves)
    if primitive.elementwise and all(x.shape == output.shape for x in leaves):
        for index in np.ndindex(output.shape):
            cotangent = np.zeros(output.shape)
            cotangent[index] = 1.0
            for g in gradients(output, [leaves[i] for i in call.variables], cotangent=cotangent):
                assert np.all((g == 0) | (cotangent == 1))
    if primitive.structural:
        elsewhere = [Tensor(2.0 * x + 0.25) for x in call.operands]  # in the same order
        for here, there in zip(
            derivatives(call, leaves), derivatives(call, elsewhere), strict=True
        ):
            assert ulps(here, there) == 0


@each_primitive
def test_record_is_complete_and_consistent(primitive: Primitive) -> None:
    assert REGISTRY[primitive.name] is primitive
    assert primitive.label
    assert primitive.domain
    assert primitive.examples or primitive.elementwise
    variadic = isinstance(primitive.pullbacks, EachOperand)
    for one in examples_of(primitive):
        if one is not None and not variadic:
            assert len(one.shapes) <= len(primitive.domain) == len(list(primitive.pullbacks))
    if not variadic:
        assert any(rule is not None for rule in primitive.pullbacks)
    for interval in primitive.domain:
        assert interval.low < interval.high


@each_primitive
def test_pickle_gives_the_same_record(primitive: Primitive) -> None:
    assert pickle.loads(pickle.dumps(primitive)) is primitive
    assert primitive.name in repr(primitive)


GOOD: dict[str, Any] = {
    "name": "planted",
    "label": "planted",
    "scalar": lambda x: x,
    "array": lambda x: x,
    "pullbacks": (lambda g, out, x: g,),
    "domain": (REAL,),
    "examples": (example((2,)),),
}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"domain": ()}, "domain"),
        ({"examples": ()}, "examples"),
        ({"label": ""}, "label"),
        ({"pullbacks": ()}, "pullbacks"),
        ({"name": "mul"}, "mul"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_incomplete_primitive_cannot_be_registered(change: dict[str, Any], named: str) -> None:
    before = dict(REGISTRY)
    with pytest.raises(PrimitiveError, match=named):
        Primitive(**{**GOOD, **change})
    assert before == REGISTRY


def test_incomplete_elementwise_primitive_cannot_be_registered() -> None:
    with pytest.raises(PrimitiveError, match="domain"):
        define_elementwise(
            "planted", lambda x: x, lambda x: x, lambda g, out, x: g, domain=[], doc="Planted."
        )


def test_a_complete_primitive_is_registered_and_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autograd.primitive.REGISTRY", registry := dict(REGISTRY))
    twice = Primitive(
        **{
            **GOOD,
            "array": lambda x: 2.0 * x,
            "scalar": lambda x: 2.0 * x,
            "pullbacks": (lambda g, out, x: 2.0 * g,),
        }
    )
    assert registry["planted"] is twice
    assert check_grads(twice, np.array([1.0, 2.0])) == []
    assert "planted" not in REGISTRY


# --------------------------------------------------------------------------- public names


def modules_of_operations() -> list[ModuleType]:
    found = pkgutil.iter_modules(autograd.ops.__path__, "autograd.ops.")
    return [import_module(module.name) for module in found]


def published() -> dict[str, Any]:
    """Every function in the modules of operations that carries a primitive, by its own name."""
    return {
        function.__name__: function
        for module in modules_of_operations()
        for function in vars(module).values()
        if isinstance(getattr(function, "primitive", None), Primitive) and callable(function)
    }


def test_every_published_function_is_exported() -> None:
    for name, function in published().items():
        assert getattr(autograd, name, None) is function, f"autograd does not export {name}"
        assert function.primitive.name == name
        assert function.__doc__


def test_every_listed_function_is_exported() -> None:
    for module in modules_of_operations():
        for name in getattr(module, "__all__", ()):
            assert getattr(autograd, name) is getattr(module, name)


def used_by(output: Node) -> set[str]:
    """The primitives in the graph of an output and of its first and second gradients."""
    names: set[str] = set()
    for _ in range(3):
        order = autograd.topological_order(output)
        names |= {node.primitive.name for node in order if node.primitive is not None}
        leaves = [node for node in order if node.is_leaf and not node.is_constant]
        total: Any = Value(0.0)
        for slope in gradients(_squared_sum(output), leaves, differentiable=True):
            total = total + _squared_sum(slope)
        output = total
    return names


def _squared_sum(node: Any) -> Any:
    squares = node * node
    return squares.sum() if isinstance(node, Tensor) else squares


def test_every_primitive_can_be_reached() -> None:
    """From a public function, an operator or a method, or from the rules of one that can be."""
    x = Tensor([1.0, 2.0, 3.0])
    outputs = [x[0], x.at[0].set(1.0), x.at[0].add(1.0), x.astype("float32"), Value(1.0) * x]
    outputs += [nn.cross_entropy(x, 0), nn.cross_entropy(autograd.stack([x, x]), [0, 1])]
    product = autograd.custom_vjp(lambda x: x * x)
    product.pullback(lambda g, out, x: 2.0 * g * x)
    outputs += [product(x), autograd.checkpoint(autograd.sin)(x)]
    for function in published().values():
        for one in examples_of(function.primitive):
            shapes = one.shapes if one else ((2,),) * len(function.primitive.domain)
            params = one.params if one else {}
            arrays = function.primitive.prepared([np.full(shape, 0.5) for shape in shapes])
            leaves = [
                array > 0 if rule is None else Tensor(array)
                for array, rule in zip(arrays, function.primitive.pullbacks, strict=False)
            ]
            outputs.append(function.primitive(*leaves, **params))
    reached: set[str] = set().union(*map(used_by, outputs))
    # In place of a rule that decides on numbers, and of an index that is an argument.
    recorded_by_jit = {"unread", "gather", "spread"}
    assert reached == {primitive.name for primitive in PRIMITIVES} - recorded_by_jit
