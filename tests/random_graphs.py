"""Random graphs of both kinds of node: diamonds, a node on both sides, `where`, broadcasting."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from strategies import PRIMITIVES

import autograd as ag
from autograd import Tensor, Value
from autograd.primitive import REAL

TOTAL = [
    p for p in PRIMITIVES if p.simple and all(p.domain_of(i) == REAL for i in range(len(p.domain)))
]
"""Primitives of one or two numbers that take any."""

VIEWS = [
    lambda x: x.sum(axis=-1) if x.ndim else x * 2.0,
    lambda x: x.reshape(-1)[::-1],
    lambda x: x[..., :1] if x.ndim else x[None],
    lambda x: ag.cumsum(x.reshape(-1)),
    lambda x: ag.softmax(x.reshape(-1)),
    lambda x: ag.concatenate([x.reshape(-1), x.reshape(-1)]),
    lambda x: x.reshape(-1) @ x.reshape(-1),
]
SHAPES = [(), (1,), (3,), (2, 1), (2, 3)]
TOO_LARGE = 1e3  # is not built on: rounding would drown the comparison

numbers = st.integers(-8, 8).map(lambda n: n / 4 + 0.1)


@st.composite
def graphs(draw: st.DrawFn, kind: type = Value, most: int = 9) -> tuple[Any, list[Any]]:
    """A scalar output that is a variable, and all nodes it may have been computed from."""
    count = draw(st.integers(1, 3))
    nodes: list[Any] = [draw(_leaves(kind)) for _ in range(count)]
    for _ in range(draw(st.integers(0, most))):
        node = draw(_results(nodes, kind))
        data = np.asarray(node.numpy())
        if not node.is_constant and data.size and np.all(np.abs(data) < TOO_LARGE):
            nodes.append(node)
    output = nodes[-1]
    return (output if output.size == 1 else output.sum()), nodes


@st.composite
def _leaves(draw: st.DrawFn, kind: type) -> Any:
    if kind is Value:
        return Value(draw(numbers))
    shape = draw(st.sampled_from(SHAPES))
    size = int(np.prod(shape))
    return Tensor(np.reshape(draw(st.lists(numbers, min_size=size, max_size=size)), shape))


@st.composite
def _results(draw: st.DrawFn, nodes: list[Any], kind: type) -> Any:
    """What an operation makes of nodes, the last of them more often than others."""
    pick = st.one_of(st.just(nodes[-1]), st.sampled_from(nodes))
    x, y = draw(pick), draw(pick)
    how = draw(st.integers(0, 3 if kind is Value else 5))
    if how > 3:
        return draw(st.sampled_from(VIEWS))(x)
    try:
        if how == 0:
            return x * y
        if how == 1:
            return ag.where(draw(st.booleans()) if kind is Value else x > y, x, y)
        primitive = draw(st.sampled_from(TOTAL))
        return primitive(*(x, y)[: len(primitive.domain)])
    except ag.ShapeError:
        return x + 1.0
