"""Forward mode over a recorded graph: tangents of the inputs pushed to the outputs.

No primitive states a pushforward. That of an elementwise one is its pullback, since both multiply
by the same partial derivatives; that of any other is the transpose of its pullback, which is
linear in the cotangent, so it is the pullback of the pullback (Radul et al. 2022, "You only
linearize once", turn the same idea the other way round).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .backprop import (
    apply_rule,
    fit_data,
    fit_node,
    notice_changes,
    pull,
    recorded_pull,
    recorded_since,
    require_fresh,
)
from .graph import Node, clock
from .ops.shape import broadcast_to, shape_of
from .primitive import Masked, new_node, recording

__all__ = ["push", "recorded_push"]


def push(tangents: Mapping[Node, Any], order: Sequence[Node]) -> dict[Node, Any]:
    """Push tangents of nodes, floats and arrays, forward through nodes given inputs first.

    Returns
    -------
    The tangents of the nodes that move: of the others there is none.
    """
    with np.errstate(all="ignore"):
        return _walk(tangents, order, differentiable=False)


def recorded_push(tangents: Mapping[Node, Node], order: Sequence[Node]) -> dict[Node, Any]:
    """As `push`, on nodes, and recorded even where other things are not."""
    with recording(), np.errstate(all="ignore"):
        notice_changes(order)
        return _walk(tangents, order, differentiable=True)


def _walk(
    tangents: Mapping[Node, Any], order: Sequence[Node], differentiable: bool
) -> dict[Node, Any]:
    table = dict(tangents)
    for node in order:
        if node in tangents:  # an alias of another node, which may move too
            continue
        moving = [(i, table[x]) for i, x in enumerate(node.inputs) if x in table]
        if moving:
            require_fresh(node, node.inputs)
            tangent = _push(node, moving, differentiable)
            if tangent is not None:
                table[node] = tangent
    return table


def _push(node: Node, moving: Sequence[tuple[int, Any]], differentiable: bool) -> Any:
    """The tangent of a node from those of its inputs, each with its position."""
    primitive, inputs = node.primitive, node.inputs
    assert primitive is not None
    push_one = _push_elementwise if primitive.elementwise else _push_transposed
    rules = [rule for rule, _ in zip(primitive.pullbacks, inputs, strict=False)]
    total: Any = None
    for i, tangent in moving:
        if rules[i] is None:
            continue
        part = push_one(node, rules[i], inputs[i], tangent, differentiable)
        if part is not None:
            total = part if total is None else total + part
    return total


def _push_elementwise(node: Node, rule: Any, x: Node, tangent: Any, differentiable: bool) -> Any:
    if shape_of(tangent) != node.shape:
        tangent = broadcast_to(tangent, node.shape)
    part = _apply(rule, tangent, node, differentiable)
    return part if part is None else (fit_node if differentiable else fit_data)(part, node)


def _push_transposed(node: Node, rule: Any, x: Node, tangent: Any, differentiable: bool) -> Any:
    data, started = node._raw, clock.tick()
    cotangent = new_node(0.0 if type(data) is float else np.zeros_like(data))
    with recording():
        pulled = _apply(rule, cotangent, node, differentiable)
        if pulled is None:
            return None
        pulled = fit_node(pulled, x)
    order, _ = recorded_since(started, [pulled])  # not the graph of the operands
    transpose = recorded_pull if differentiable else pull
    return transpose({pulled: tangent}, [cotangent], order)[cotangent]


def _apply(rule: Any, g: Any, node: Node, differentiable: bool) -> Any:
    """Apply a rule of a node; in a tangent there is a 0 for an element that gets nothing."""
    out: Any = node if differentiable else node._raw
    operands: Any = node.inputs if differentiable else [x._raw for x in node.inputs]
    part = apply_rule(rule, g, out, operands, node.params)
    return part.value if type(part) is Masked else part
