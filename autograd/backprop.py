"""Reverse mode: the only backward pass, and the only un-broadcasting.

A backward pass walks the graph from the output to the leaves. Each node's cotangent is complete
when all its consumers have been visited; the pullbacks of its primitive then turn it into
contributions to the cotangents of its inputs, which add up in a table that belongs to the call.
Run on data the pass gives numbers; run on nodes it records a graph of the gradient.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

import numpy as np

from .errors import DataError, GradientError, ReplayError, ShapeError, StaleGraphError
from .graph import Node, topological_order
from .ops.arithmetic import identity
from .ops.comparison import plain, where
from .ops.shape import as_value, astype, broadcast_to, shape_of
from .primitive import (
    REAL,
    EachOperand,
    Masked,
    Primitive,
    Together,
    as_weak_data,
    constant_node,
    describe,
    example,
    is_tracing,
    new_node,
    recording,
    untraced,
)

__all__ = ["backward", "gradients"]

# --------------------------------------------------------------------------- the two entrances


def backward(output: Node, cotangent: Any = None) -> None:
    """Add the derivative of `output` with respect to each leaf to the leaf's ``grad``.

    Nodes in between get the cotangent of this call as their ``grad``, for looking at. May be
    called again on the same graph: leaves add up until their ``grad`` is set to None.

    Parameters
    ----------
    output : Node
        A scalar, or any shape when a cotangent is given.
    cotangent : number or array, optional
        What flows back into `output`, of its shape; 1 by default.

    Raises
    ------
    GradientError
        If `output` is a constant, or has several elements and no cotangent is given.
    ReplayError
        Inside a function that `jit` records.
    StaleGraphError
        If the data of a leaf was changed after it was recorded; no ``grad`` of a leaf is touched.

    Examples
    --------
    >>> from autograd import Value
    >>> x, y = Value(2.0), Value(3.0)
    >>> backward(x * y + x)
    >>> x.grad, y.grad
    (4.0, 2.0)
    """
    if is_tracing():
        raise ReplayError(
            "backward() inside a function under jit would not be done again at a replay: call it "
            "on the result, or use grad or gradients inside"
        )
    seeds = {output: seed(output, cotangent)}
    dropped: list[Node] = []
    reached, found = cotangents(seeds, dropped=dropped)
    if dropped and not all(np.isfinite(g).all() for g in found):
        reached, found = cotangents(seeds)
    for node, g in zip(reached, found, strict=True):
        if type(g) is not float and type(g) is not np.ndarray:
            g = _as_data(without_mask(g), node)
        if node._first is None:
            node.grad = g if node.grad is None else _as_data(node.grad + g, node)
            continue
        if type(g) is not float:
            g.flags.writeable = False  # other nodes may hold the same array
        node.grad = g


def gradients(
    output: Node,
    wrt: Any,
    *,
    cotangent: Any = None,
    differentiable: bool = False,
) -> Any:
    """Return the derivative of `output` with respect to some nodes, leaving every ``grad`` alone.

    Parameters
    ----------
    output : Node
        A scalar, or any shape when a cotangent is given.
    wrt : Node or sequence of Nodes
        Leaves or nodes in between. One that `output` does not depend on has gradient 0.
    cotangent : number, array or Node, optional
        What flows back into `output`, of its shape; 1 by default. With `differentiable` a node
        stays one, so that the gradients can be differentiated with respect to it.
    differentiable : bool
        Return nodes, which can be differentiated again, instead of numbers and arrays.

    Returns
    -------
    One gradient, or for a sequence a list of them, each of the shape and dtype of its node.

    Raises
    ------
    GradientError
        As for `backward`; also if a node of `wrt` is a constant.

    Examples
    --------
    >>> from autograd import Value
    >>> x = Value(2.0)
    >>> y = x ** 3
    >>> gradients(y, x)
    12.0
    >>> slope = gradients(y, x, differentiable=True)
    >>> gradients(slope, x)
    12.0
    """
    nodes = list(wrt) if isinstance(wrt, (list, tuple)) else [wrt]
    for node in nodes:
        _require_variable(node)
    start = seed(output, cotangent)
    if differentiable:
        given = cotangent if isinstance(cotangent, Node) else constant_node(start)
        found = recorded_pull({output: given}, nodes)
    else:
        found = pull({output: start}, nodes)
    finish = _own_node if differentiable else own_data
    results = [finish(found[node], node) for node in nodes]
    return results[0] if isinstance(wrt, Node) else results


def pull(
    seeds: Mapping[Node, Any],
    nodes: Sequence[Node],
    order: Sequence[Node] | None = None,
    ends: Set[Node] = frozenset(),
) -> dict[Node, Any]:
    """Pull cotangents of outputs, floats and arrays, back to some nodes; None where none comes.

    Given the `order` of a part of the graph, such as `recorded_since`, only this is walked, and
    not beyond the nodes in `ends`.
    """
    dropped: list[Node] = []
    found = _collect(seeds, nodes, order, ends, dropped)
    if dropped and not all(g is None or np.isfinite(g).all() for g in found.values()):
        found = _collect(seeds, nodes, order, ends, None)
    return found


def recorded_pull(
    seeds: Mapping[Node, Node],
    nodes: Sequence[Node],
    order: Sequence[Node] | None = None,
    ends: Set[Node] = frozenset(),
) -> dict[Node, Any]:
    """As `pull`, on nodes, and recorded even where other things are not."""
    with recording():
        return _collect(seeds, nodes, order, ends, None, differentiable=True)


def _collect(
    seeds: Mapping[Node, Any],
    nodes: Sequence[Node],
    order: Sequence[Node] | None,
    ends: Set[Node],
    dropped: list[Node] | None,
    differentiable: bool = False,
) -> dict[Node, Any]:
    wanted: dict[Node, Any] = dict.fromkeys(nodes)
    reached, found = cotangents(seeds, wanted, differentiable, dropped, order, ends)
    for node, g in zip(reached, found, strict=True):
        wanted[node] = without_mask(g)
    return wanted


def without_mask(g: Any) -> Any:
    """A cotangent with 0 for the elements that do not exist."""
    return g.value if type(g) is Masked else g


def _as_data(g: Any, node: Node) -> Any:
    """A cotangent as a float for a Value and an array for a Tensor: NumPy's scalars are neither."""
    data = node._raw
    if type(g) is np.ndarray and type(data) is np.ndarray and g.dtype is data.dtype:
        return g
    return float(g) if type(data) is float else np.asarray(g, dtype=data.dtype)


def own_data(g: Any, node: Node) -> Any:
    """A gradient that nothing else refers to; 0 where no cotangent came."""
    if type(g) is float and type(node._raw) is float:
        return g
    return _as_data(np.zeros(node.shape, node.dtype) if g is None else np.array(g), node)  # type: ignore[attr-defined]


def _own_node(g: Node | None, node: Node) -> Node:
    """A gradient that can itself be differentiated, even where it is a constant."""
    if g is None or g.is_constant:
        return new_node(own_data(None if g is None else g._raw, node))
    return g


def _require_variable(node: Any) -> None:
    if not isinstance(node, Node):
        raise DataError(f"derivatives are taken of and with respect to nodes, got {describe(node)}")
    if node.is_constant:
        raise GradientError(_why_constant(node))


def _why_constant(node: Node) -> str:
    if isinstance(node._raw, np.ndarray) and node._raw.dtype.kind != "f":
        why = (
            f"it holds {node._raw.dtype} data, which has no derivative; "
            "for a variable give floats, such as Tensor([1.0, 2.0]) or dtype=float"
        )
    else:
        why = "it was made under no_grad(), by detach(), from integers or from constants only"
    return f"{node!r} is a constant, so there is nothing to differentiate: {why}"


def seed(output: Node, cotangent: Any) -> Any:
    """Check what flows back into an output, 1 by default, and return it as a float or array."""
    _require_variable(output)
    data = output._raw
    if type(data) is float:
        g = 1.0 if cotangent is None else as_weak_data(plain(cotangent), "a cotangent")
        if np.ndim(g):
            raise ShapeError(f"the cotangent of a Value is one number, got shape {np.shape(g)}")
        return float(g)
    if cotangent is None:
        if data.size != 1:
            raise GradientError(
                f"only a scalar has a gradient, and this output has shape {data.shape}: reduce it, "
                "as in .sum().backward(), or pass a cotangent of that shape, as in "
                f"backward(np.ones({data.shape}))"
            )
        return np.ones(data.shape, data.dtype)
    g = np.array(as_weak_data(plain(cotangent), "a cotangent"), dtype=data.dtype)
    if g.shape != data.shape:
        raise ShapeError(
            f"a cotangent has the shape of its output: expected {data.shape}, got {g.shape}"
        )
    return g


# --------------------------------------------------------------------------- the pass


def cotangents(
    seeds: Mapping[Node, Any],
    wanted: Mapping[Node, Any] | None = None,
    differentiable: bool = False,
    dropped: list[Node] | None = None,
    order: Sequence[Node] | None = None,
    ends: Set[Node] = frozenset(),
) -> tuple[list[Node], list[Any]]:
    """Walk back from outputs; list the wanted nodes, or all, that a cotangent reaches, and these.

    Two lists, since pairs would be work for the garbage collector, and a table would miss the
    cache. On data, cotangents are floats and arrays; when `differentiable`, nodes. Consumers come
    before their inputs. Where some elements of a cotangent do not exist it is `Masked`. Carrying
    masks takes time and matters only if something is not finite: with a list `dropped` they are
    left out, 0 standing for nothing, and the nodes that made them are listed.
    """
    within = None
    if order is None:
        order = topological_order(*seeds)
    elif differentiable:  # what it would compute for others is a graph
        within = {*order}
    if differentiable:
        notice_changes(order)
    reached: list[Node] = []
    found: list[Any] = []
    table = dict(seeds)
    take, get = table.pop, table.get
    with np.errstate(all="ignore"):
        for node in reversed(order):
            g = take(node, None)
            if g is None:
                continue
            if wanted is None or node in wanted:
                reached.append(node)
                found.append(g)
            first: Any = node._first
            if first is None or (ends and node in ends):
                continue
            primitive: Any = node.primitive
            try:
                if type(g) is float and primitive.simple:
                    # One number made from one or two: written out, as in this loop the time goes.
                    rules = primitive.pullbacks
                    second: Any = node._second
                    if second is None:
                        if first.epoch > node.epoch:
                            raise _stale(node)
                        (pull,) = rules
                        a, b = pull(g, node._raw, first._raw), None
                    else:
                        if first.epoch > node.epoch or second.epoch > node.epoch:
                            raise _stale(node)
                        pull, pull_second = rules
                        x, y, out = first._raw, second._raw, node._raw
                        a = None if first.is_constant else pull(g, out, x, y)
                        b = None if second.is_constant else pull_second(g, out, x, y)
                    if a is not None:
                        old = get(first)
                        table[first] = a if old is None else old + a
                    if b is not None:
                        old = get(second)
                        table[second] = b if old is None else old + b
                    continue
                if dropped is not None and primitive.separate and type(first) is not tuple:
                    _pull_data(node, g, table, dropped)
                    continue
            except ArithmeticError:
                pass
            rules = primitive.pullbacks
            if (
                differentiable
                and primitive.simple
                and type(g) is not Masked
                and type(g._raw) is float
            ):
                _pull_values(node, g, table, rules, within)
            else:
                _pull(node, g, table, differentiable, dropped, within)
    return reached, found


def recorded_since(time: int, outputs: Sequence[Node]) -> tuple[list[Node], list[Node]]:
    """List the variables that outputs were computed from since a time, inputs first.

    Returns
    -------
    The nodes recorded since, and the older ones at which the walk stopped. Where a derivative is
    taken many times inside another, a walk on to the leaves would cost the square of that.
    """
    recent: list[Node] = []
    older: list[Node] = []
    seen: set[Node] = set()
    stack: list[Any] = [node for node in reversed(outputs) if not node.is_constant]
    while stack:
        node = stack.pop()
        if node is None:  # marks that the inputs of the node below it are done
            recent.append(stack.pop())
            continue
        if node in seen:
            continue
        seen.add(node)
        first, second = node._first, node._second
        if node.epoch < time:
            older.append(node)
        elif first is None:
            recent.append(node)
        elif type(first) is tuple:
            stack += (node, None, *[x for x in reversed(first) if not x.is_constant])
        elif second is None or second.is_constant:
            stack += (node, None, first)
        elif first.is_constant:
            stack += (node, None, second)
        else:
            stack += (node, None, second, first)
    return recent, older


def notice_changes(order: Sequence[Node]) -> None:
    """See what was written to the arrays of leaves before operations on them take it in."""
    for node in order:
        for x in node.inputs:
            if x._shown is not None:
                x._adopt_changes()


def require_fresh(node: Node, inputs: Sequence[Node]) -> None:
    """Raise a `StaleGraphError` if the data of an input was changed after it was recorded."""
    recorded = node.epoch
    for x in inputs:
        if x.epoch > recorded:
            raise _stale(node)


def _stale(node: Node) -> StaleGraphError:
    culprit = next(x for x in node.inputs if x.epoch > node.epoch)
    name = repr(culprit.label) if culprit.label else f"the leaf {culprit!r}"
    return StaleGraphError(
        f"the data of {name} was changed after {node.primitive.name} recorded it, "  # type: ignore[union-attr]
        "so this graph's gradients would mix old numbers with new ones: "
        "compute the output again, then call backward"
    )


def _pull_values(
    node: Node,
    g: Any,
    table: dict[Node, Any],
    pulls: Sequence[Any],
    within: set[Node] | None,
) -> None:
    """As `_pull`, recorded, for one number made from one or two numbers."""
    first: Any = node._first
    second = node._second
    operands = (first,) if second is None else (first, second)
    recorded = node.epoch
    for x, rule in zip(operands, pulls):  # noqa: B905 (this is hot)
        if x.epoch > recorded:
            raise _stale(node)
        if x.is_constant or (within is not None and x not in within):
            continue
        c = rule(g, node, *operands)
        if type(c) is not type(g):
            if c is None:
                continue
            c = _fit_masked(c, x, fit_node) if type(c) is Masked else fit_node(c, x)
        old = table.get(x)
        table[x] = c if old is None else old + c


def _pull(
    node: Node,
    g: Any,
    table: dict[Node, Any],
    differentiable: bool,
    dropped: list[Node] | None,
    within: set[Node] | None,
) -> None:
    """Add what the cotangent `g` of a node contributes to those of its inputs, masks included."""
    for _, x, c in _contributions(node, g, differentiable, dropped, within):
        if type(c) is np.ndarray and x._first is None and (c is g or c.base is not None):
            c = c.copy()  # the leaf's own: cotangents are shared between nodes
        old = table.get(x)
        table[x] = c if old is None else _add(old, c)


def contributions(node: Node, g: Any, differentiable: bool = False) -> list[tuple[int, Node, Any]]:
    """List what the cotangent `g` of a node sends to its inputs: index, input, amount.

    An amount has the shape and dtype of its input, and is a node if `differentiable`; where some
    of its elements do not exist it is `Masked`. What gets nothing, such as a constant or the
    branch that `where` did not take, is left out.

    >>> from autograd import Value
    >>> a, b = Value(2.0), Value(3.0)
    >>> [(i, amount) for i, _, amount in contributions(a * b, 10.0)]
    [(0, 30.0), (1, 20.0)]
    """
    if node.primitive is None:
        return []
    with np.errstate(all="ignore"):
        return list(_contributions(node, g, differentiable, None, None))


def _contributions(
    node: Node,
    g: Any,
    differentiable: bool,
    dropped: list[Node] | None,
    within: set[Node] | None,
) -> Iterator[tuple[int, Node, Any]]:
    inputs, primitive, params = node.inputs, node.primitive, node.params
    assert primitive is not None
    require_fresh(node, inputs)
    out: Any = node if differentiable else node._raw
    operands: Any = inputs if differentiable else [x._raw for x in inputs]
    reach = None
    if type(g) is Masked:
        reach = _reach(node, g.mask)
        if not primitive.structural:  # whose operands may decide what goes where
            operands = [
                _harmless(x, exists, primitive.domain_of(i).prepare)
                for i, (x, exists) in enumerate(zip(operands, reach, strict=True))
            ]
        g = g.value
    fit = fit_node if differentiable else fit_data
    all_at_once = pulled_together(primitive.pullbacks, g, out, operands, params)
    for i, (x, rule) in enumerate(zip(inputs, primitive.pullbacks, strict=False)):
        if x.is_constant or rule is None or (within is not None and x not in within):
            continue
        if type(x._raw) is not float and x._raw.dtype.kind != "f":
            continue  # a stand-in for whole numbers, while a replay is recorded
        if all_at_once is not None:
            c = all_at_once[i]
        else:
            try:
                c = apply_rule(rule, g, out, operands, params)
            except ReplayError:
                c = _pull_unread(rule, g, out, operands, x, params)
        if dropped is not None and type(c) is Masked:
            dropped.append(node)
            c = c.value
        if reach is not None:
            c = _masked(c, reach[i])
        if c is not None:
            c = _fit_masked(c, x, fit) if type(c) is Masked else fit(c, x)
        if c is not None:
            yield i, x, c


def walk(seeds: Mapping[Node, Any]) -> Iterator[tuple[Node, Any, list[tuple[int, Node, Any]]]]:
    """Do a backward pass one computed node at a time: the node, its cotangent, its contributions.

    Consumers come before their inputs. Where elements do not exist it is `Masked`.

    >>> from autograd import Value
    >>> a, b = Value(2.0), Value(-3.0)
    >>> [(node.primitive.name, g) for node, g, _ in walk({a * b + a: 1.0})]
    [('add', 1.0), ('mul', 1.0)]
    """
    table = dict(seeds)
    for node in reversed(topological_order(*seeds)):
        g = table.pop(node, None)
        if g is None or node.is_leaf:
            continue
        parts = contributions(node, g)
        yield node, g, parts
        with np.errstate(all="ignore"):
            for _, x, c in parts:
                old = table.get(x)
                table[x] = c if old is None else _add(old, c)


def _pull_data(node: Node, g: Any, table: dict[Node, Any], dropped: list[Node]) -> None:
    """As `_pull`, of one or two operands, on data and without masks: the usual case."""
    first: Any = node._first
    second = node._second
    rules: Any = node.primitive.pullbacks  # type: ignore[union-attr]
    out, params = node._raw, node.params
    a = b = None
    if second is None:
        if first.epoch > node.epoch:
            raise _stale(node)
        x, pull = first._raw, rules[0]
        if pull is not None:
            a = pull(g, out, x, **params) if params else pull(g, out, x)
    else:
        if first.epoch > node.epoch or second.epoch > node.epoch:
            raise _stale(node)
        x, y = first._raw, second._raw
        pull, pull_second = rules[0], rules[1]
        if not first.is_constant and pull is not None:
            a = pull(g, out, x, y, **params) if params else pull(g, out, x, y)
        if not second.is_constant and pull_second is not None:
            b = pull_second(g, out, x, y, **params) if params else pull_second(g, out, x, y)
    if a is not None:
        _contribute(first, a, node, g, table, dropped)
    if b is not None and second is not None:
        _contribute(second, b, node, g, table, dropped)


def _contribute(
    x: Node, c: Any, node: Node, g: Any, table: dict[Node, Any], dropped: list[Node]
) -> None:
    """Add to the cotangent of an input what a rule of a node made from its cotangent `g`."""
    data = x._raw
    if type(c) is np.ndarray and type(data) is np.ndarray:  # as nearly always
        if c.dtype is not data.dtype or c.shape != data.shape:
            c = fit_data(c, x)
    else:
        if type(c) is Masked:
            dropped.append(node)
            c = c.value
        c = fit_data(c, x)
    if x._first is None and type(c) is np.ndarray and (c is g or c.base is not None):
        c = c.copy()  # the leaf's own: cotangents are shared between nodes
    old = table.get(x)
    table[x] = c if old is None else old + c


# --------------------------------------------------------------------------- rules that decide


def _pull_unread(
    rule: Any, g: Any, out: Any, operands: Sequence[Any], x: Node, params: Mapping[str, Any]
) -> Any:
    """Record, for a replay, a rule that decides on numbers as one operation on these."""

    def contribution(g: Any, out: Any, *operands: Any) -> Any:
        c = rule(g, out, *operands, **params)
        c = c.value if type(c) is Masked else c
        return fit(c, x) if c is not None else np.zeros_like(x._raw)

    def fit(c: Any, x: Node) -> Any:
        return fit_node(c, x) if isinstance(c, Node) else fit_data(c, x)

    return unread(g, out, *operands, function=contribution)


def _slope_of(index: int, g: Any, out: Any, *operands: Any, function: Any) -> Any:
    """Pull a cotangent back through a function of arrays, by its recorded graph."""

    def slope(g: Any, *operands: Any) -> Any:
        if any(isinstance(x, Node) for x in (g, *operands)):
            with recording():
                variables = [x if isinstance(x, Node) else constant_node(x) for x in operands]
                aliases = [identity(x) for x in variables]
                result = function(*aliases)
                return recorded_pull({result: g}, [aliases[index]])[aliases[index]]
        variables = [new_node(x) for x in operands]
        with recording():
            result = function(*variables)
        found = pull({result: g}, [variables[index]])[variables[index]]
        return own_data(found, variables[index])

    return unread(g, *operands, function=slope)


unread = Primitive(
    "unread",
    "rule",
    None,
    untraced,
    EachOperand(_slope_of),
    domain=(REAL,),
    examples=(example((3,), function=lambda x: x * x),),
)


def pulled_together(
    pullbacks: Any, g: Any, out: Any, operands: Any, params: Mapping[str, Any]
) -> Sequence[Any] | None:
    """The cotangents of all operands where one rule gives them, called once: they may be many."""
    if type(pullbacks) is not Together:
        return None
    found: Sequence[Any] = apply_rule(pullbacks.rule, g, out, operands, params)
    return found


def apply_rule(rule: Any, g: Any, out: Any, operands: Any, params: Mapping[str, Any]) -> Any:
    """Apply a pullback; where Python's floats raise, NumPy's give inf or nan as IEEE 754 has it."""
    try:
        return rule(g, out, *operands, **params)
    except ArithmeticError:
        g, out, *operands = (np.float64(x) if type(x) is float else x for x in (g, out, *operands))
        return rule(g, out, *operands, **params)


# --------------------------------------------------------------------------- un-broadcasting


def fit_data(c: Any, x: Node) -> Any:
    """Bring a contribution to the shape and dtype of the input that it is for."""
    data = x._raw
    if type(data) is float:
        return c if type(c) is float else float(np.sum(c))
    if type(c) is np.ndarray and c.dtype is data.dtype and c.shape == data.shape:
        return c
    c = np.asarray(c)  # of 0-d arrays NumPy makes numbers
    if c.shape != data.shape:
        c = _unbroadcast(c, data.shape)
    return np.asarray(c, dtype=data.dtype)


def fit_node(c: Any, x: Node) -> Any:
    if not isinstance(c, Node):
        c = constant_node(np.asarray(c) if np.ndim(c) else float(c))
    data = x._raw
    if type(data) is float:
        return c if type(c._raw) is float else as_value(c.sum())
    c = broadcast_to(c, data.shape) if type(c._raw) is float else _unbroadcast(c, data.shape)
    return c if c._raw.dtype == data.dtype else astype(c, dtype=data.dtype.name)


def _unbroadcast(c: Any, shape: tuple[int, ...]) -> Any:
    """Sum over the axes along which an operand of `shape` was repeated."""
    new = len(c.shape) - len(shape)
    axes = tuple(i for i, n in enumerate(c.shape) if i < new or (shape[i - new] == 1 and n != 1))
    if axes and len(axes) == new:  # only new ones, in front
        c = c.sum(axis=axes)
    elif axes:
        c = c.sum(axis=axes, keepdims=True)
        c = c.reshape(c.shape[max(new, 0) :])
    return c if c.shape == shape else broadcast_to(c, shape)


# --------------------------------------------------------------------------- no gradient here


def _reach(node: Node, mask: np.ndarray) -> list[np.ndarray | None]:
    """For each input the elements that get something from the output's elements in `mask`.

    An elementwise primitive reaches what is in the mask. For others a rule is asked, with random
    weights in place of a cotangent, so that nothing cancels: a structural one on the numbers at
    hand, since these may decide what goes where (a sort), any other on random numbers, since
    these may be nan.
    """
    primitive: Any = node.primitive
    if primitive.elementwise:
        return [mask for _ in node.inputs]
    draw = np.random.default_rng(0).uniform
    operands = [x._raw for x in node.inputs]
    out = node._raw
    if not primitive.structural:
        operands = primitive.prepared([draw(0.5, 1.5, x.shape) for x in node.inputs])
        out = primitive.array(*operands, **node.params)
    weights = np.where(mask, draw(0.5, 1.5, mask.shape), 0.0)
    return [
        None if rule is None else _nonzero(rule(weights, out, *operands, **node.params))
        for rule, _ in zip(primitive.pullbacks, operands, strict=False)
    ]


def _nonzero(c: Any) -> np.ndarray:
    return np.asarray((c.value if type(c) is Masked else c) != 0)


def _harmless(operand: Any, exists: np.ndarray | None, prepare: Any) -> Any:
    """An operand with 1 for the elements that nothing comes back to: they may be nan.

    Where ones are no operand, such as a matrix to invert, with those of one made of them.
    """
    if exists is None or np.shape(exists) != shape_of(operand) or exists.all():
        return operand
    if prepare is None:
        return where(exists, operand, 1.0)
    return where(exists, operand, prepare(np.ones(shape_of(operand), operand.dtype)))


def _masked(c: Any, exists: np.ndarray | None) -> Any:
    """Drop the elements of a contribution that do not exist, nan though they may be."""
    if c is None or exists is None:
        return c
    value, own = (c.value, c.mask) if type(c) is Masked else (c, True)
    number = value._raw if isinstance(value, Node) else value
    exists = exists | (np.isfinite(number) & (number != 0))
    return Masked(where(exists, value, 0.0), exists & own)


def _fit_masked(c: Masked, x: Node, fit: Any) -> Any:
    mask = _unbroadcast(c.mask.astype(float), x.shape) != 0
    if type(x._raw) is float:
        return fit(c.value, x) if mask.any() else None
    return Masked(fit(c.value, x), mask)


def _add(a: Any, b: Any) -> Any:
    if type(a) is not Masked and type(b) is not Masked:
        return a + b
    if type(a) is Masked and type(b) is Masked:
        return Masked(a.value + b.value, a.mask | b.mask)
    return (a.value if type(a) is Masked else a) + (b.value if type(b) is Masked else b)
