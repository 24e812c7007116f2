"""Random graphs, built and differentiated step by step, against the naive engine.

Two programs run side by side. One holds nodes, the other `naive.Naive` numbers that carry their
Jacobians; a leaf has a version in both, so that a graph recorded before its data was changed is
known to be stale. What must hold after every step: data agree, gradients agree, and a stale graph
gives the gradient of what was recorded or says that it is stale.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from naive import BINARY, UNARY, Naive, linear, matmul

import autograd
from autograd import StaleGraphError, Tensor, Value, gradients, no_grad

SHAPES = [(), (3,), (1, 3), (2, 3), (2, 1), (3, 2), (1,)]
numbers = st.integers(-8, 8).map(lambda n: n / 4)
cotangent_numbers = st.integers(1, 8).map(lambda n: n / 2)


def arrays(shape: tuple[int, ...]) -> st.SearchStrategy[np.ndarray]:
    return hnp.arrays(float, shape, elements=numbers)


@dataclass
class Pair:
    """A node and its counterpart, with the versions of the leaves that it was computed from."""

    node: Any
    naive: Naive
    versions: dict[int, int] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.naive.data.shape


VIEWS: list[Callable[[Any], Any]] = [
    lambda x: x.reshape(-1),
    lambda x: x.T,
    lambda x: x[None],
    lambda x: x[..., ::-1],
    lambda x: x[0],
    lambda x: x[np.array([0, -1, 0])],
    lambda x: x.sum(axis=0),
    lambda x: x.mean(axis=-1, keepdims=True),
    lambda x: x.sum(),
    lambda x: x.cumsum(axis=-1),
]
TOO_LARGE = 1e4  # results above are not built on: rounding would drown the comparison


class Graphs(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.pairs: list[Pair] = []
        self.leaves: dict[int, Pair] = {}  # by key
        self.grads: dict[int, Any] = {}  # what each leaf's .grad must be
        self.current: dict[int, int] = {}  # the version of each leaf
        self.views: dict[int, np.ndarray] = {}  # arrays taken from .data earlier

    # ------------------------------------------------------------- leaves

    def _new_leaf(self, node: Any, data: Any) -> None:
        key = len(self.leaves)
        pair = Pair(node, Naive.leaf(key, data), {key: 0})
        self.leaves[key], self.grads[key], self.current[key] = pair, None, 0
        self.pairs.append(pair)

    @initialize(data=st.data())
    def start(self, data: st.DataObject) -> None:
        self.value_leaf(data.draw(numbers))
        self.tensor_leaf(data.draw(arrays((2, 3))))

    @rule(x=numbers)
    def value_leaf(self, x: float) -> None:
        self._new_leaf(Value(x), x)

    @rule(x=st.sampled_from(SHAPES).flatmap(arrays))
    def tensor_leaf(self, x: np.ndarray) -> None:
        self._new_leaf(Tensor(x), x)

    # ------------------------------------------------------------- operations

    def _pick(self, data: st.DataObject) -> Pair:
        return self.pairs[data.draw(st.integers(0, len(self.pairs) - 1))]

    def _add(self, make: Callable[[], Any], naive: Naive, *inputs: Pair) -> None:
        if naive.data.size == 0 or not np.all(np.abs(naive.data) < TOO_LARGE):
            return
        versions: dict[int, int] = {}
        for pair in inputs:
            for key, version in pair.versions.items():
                # An input may be stale already; the result is as stale as its stalest input.
                versions[key] = min(version, versions.get(key, version))
        node = make()
        np.testing.assert_allclose(node.numpy(), naive.data, rtol=1e-12, atol=1e-12)
        self.pairs.append(Pair(node, naive, versions))

    @rule(data=st.data(), name=st.sampled_from(sorted(UNARY)))
    def unary(self, data: st.DataObject, name: str) -> None:
        x = self._pick(data)
        self._add(lambda: getattr(autograd, name)(x.node), UNARY[name](x.naive), x)

    @rule(data=st.data(), name=st.sampled_from(sorted(BINARY)))
    def binary(self, data: st.DataObject, name: str) -> None:
        x, y = self._pick(data), self._pick(data)
        try:
            np.broadcast_shapes(x.shape, y.shape)
        except ValueError:
            return
        self._add(
            lambda: getattr(autograd, name)(x.node, y.node), BINARY[name](x.naive, y.naive), x, y
        )

    @rule(data=st.data(), name=st.sampled_from(sorted(BINARY)), swapped=st.booleans())
    def with_constant(self, data: st.DataObject, name: str, swapped: bool) -> None:
        x = self._pick(data)
        shape = data.draw(st.sampled_from([(), x.shape, (2, 3)]))
        try:
            np.broadcast_shapes(x.shape, shape)
        except ValueError:
            return
        array = data.draw(arrays(shape))
        constant: Any = float(array) if shape == () else array
        operands = (x.naive, Naive(array))
        nodes = (x.node, constant)
        if swapped:
            operands, nodes = operands[::-1], nodes[::-1]
        self._add(lambda: getattr(autograd, name)(*nodes), BINARY[name](*operands), x)
        array[...] = 77.0  # what is done to it later does not matter

    @rule(data=st.data(), view=st.sampled_from(VIEWS))
    def view(self, data: st.DataObject, view: Callable[[Any], Any]) -> None:
        x = self._pick(data)
        if isinstance(x.node, Value) or not x.shape:
            return
        self._add(lambda: view(x.node), linear(view)(x.naive), x)

    @rule(data=st.data(), axis=st.integers(0, 1))
    def concatenate(self, data: st.DataObject, axis: int) -> None:
        x = self._pick(data)
        if len(x.shape) <= axis:
            return
        self._add(
            lambda: autograd.concatenate([x.node, x.node * 2.0], axis=axis),
            linear(lambda a: np.concatenate([a, a * 2.0], axis=axis))(x.naive),
            x,
        )

    @rule(data=st.data())
    def product(self, data: st.DataObject) -> None:
        x, y = self._pick(data), self._pick(data)
        if len(x.shape) == len(y.shape) == 2 and x.shape[1] == y.shape[0]:
            self._add(lambda: x.node @ y.node, matmul(x.naive, y.naive), x, y)

    @rule(data=st.data())
    def detach(self, data: st.DataObject) -> None:
        x = self._pick(data)
        self._add(lambda: x.node.detach(), Naive(x.naive.data))

    @rule(data=st.data())
    def without_recording(self, data: st.DataObject) -> None:
        x = self._pick(data)
        with no_grad():
            node = autograd.sin(x.node)
        self._add(lambda: node, Naive(np.sin(x.naive.data)))

    # ------------------------------------------------------------- changes of leaves

    def _changed(self, key: int, data: np.ndarray) -> None:
        """A leaf has new data: it is a new leaf to those who use it from now on."""
        pair = self.leaves[key]
        self.current[key] += 1
        renewed = Pair(pair.node, Naive.leaf(key, data), {key: self.current[key]})
        self.pairs = [p for p in self.pairs if p is not pair] + [renewed]
        self.leaves[key] = renewed

    def _pick_leaf(self, data: st.DataObject) -> int:
        return data.draw(st.integers(0, len(self.leaves) - 1))

    @rule(data=st.data())
    def replace_data(self, data: st.DataObject) -> None:
        key = self._pick_leaf(data)
        new = data.draw(arrays(self.leaves[key].shape))
        self.leaves[key].node.data = new
        self._changed(key, new)
        self.views.pop(key, None)

    @rule(data=st.data())
    def step_of_descent(self, data: st.DataObject) -> None:
        key = self._pick_leaf(data)
        self.leaves[key].node.data -= 0.25
        self._changed(key, self.leaves[key].naive.data - 0.25)

    @rule(data=st.data())
    def take_view(self, data: st.DataObject) -> None:
        key = self._pick_leaf(data)
        if isinstance(self.leaves[key].node, Tensor):
            self.views[key] = self.leaves[key].node.data

    @rule(data=st.data(), x=numbers)
    def write_through_view(self, data: st.DataObject, x: float) -> None:
        if not self.views:
            return
        key = data.draw(st.sampled_from(sorted(self.views)))
        self.views[key][...] = x
        self._changed(key, np.full(self.leaves[key].shape, x))

    # ------------------------------------------------------------- gradients

    def _is_stale(self, pair: Pair) -> bool:
        return any(self.current[key] != version for key, version in pair.versions.items())

    def _cotangent(self, data: st.DataObject, pair: Pair) -> Any:
        array = data.draw(hnp.arrays(float, pair.shape, elements=cotangent_numbers))
        return float(array) if isinstance(pair.node, Value) else array

    @rule(data=st.data())
    def backward(self, data: st.DataObject) -> None:
        pair = self._pick(data)
        if pair.node.is_constant:
            return
        cotangent = self._cotangent(data, pair)
        try:
            pair.node.backward(cotangent)
        except StaleGraphError:
            assert self._is_stale(pair)
            event("stale: refused")
            return
        event("stale: right" if self._is_stale(pair) else "backward")
        for key in pair.naive.jacobians:
            g = pair.naive.pull(key, cotangent)
            self.grads[key] = g if self.grads[key] is None else self.grads[key] + g

    @rule(data=st.data(), differentiable=st.booleans())
    def gradients(self, data: st.DataObject, differentiable: bool) -> None:
        pair = self._pick(data)
        if pair.node.is_constant:
            return
        cotangent = self._cotangent(data, pair)
        keys = sorted(self.leaves)
        nodes = [self.leaves[key].node for key in keys]
        try:
            found = gradients(pair.node, nodes, cotangent=cotangent, differentiable=differentiable)
        except StaleGraphError:
            assert self._is_stale(pair)
            return
        for key, g in zip(keys, found, strict=True):
            self._assert_equal(
                g.numpy() if differentiable else g, self._expected(pair, key, cotangent)
            )

    def _expected(self, pair: Pair, key: int, cotangent: Any) -> np.ndarray:
        if key not in pair.naive.jacobians:
            return np.zeros(self.leaves[key].shape)
        return pair.naive.pull(key, cotangent)

    @rule(data=st.data())
    def zero_one(self, data: st.DataObject) -> None:
        key = self._pick_leaf(data)
        self.leaves[key].node.grad = None
        self.grads[key] = None

    def _assert_equal(self, got: Any, expected: Any) -> None:
        scale = 1.0 + np.max(np.abs(expected), initial=0.0)
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-11 * scale)

    @invariant()
    def gradients_agree(self) -> None:
        for key, expected in self.grads.items():
            leaf = self.leaves[key].node
            if expected is None:
                assert leaf.grad is None
            else:
                assert np.shape(leaf.grad) == leaf.shape
                self._assert_equal(leaf.grad, expected)

    @invariant()
    def data_agree(self) -> None:
        for pair in self.leaves.values():
            np.testing.assert_array_equal(pair.node.numpy(), pair.naive.data)


Graphs.TestCase.settings = settings(max_examples=200, stateful_step_count=50)
TestGraphs = Graphs.TestCase
