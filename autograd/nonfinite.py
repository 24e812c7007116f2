"""Where a nan or an infinity came from: the first node that made one of finite numbers.

Among values, a node is to blame if it holds one although what it was computed from does not, and
it matters if elements that are nan or infinite lead from it to the output. If the output is
finite, the backward pass is walked until a pullback, or a sum of contributions, makes the first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from .backprop import contributions, gradients, seed, walk, without_mask
from .graph import Node, Origin, topological_order
from .primitive import require_unread
from .words import amount, name_of, number, one_line, shortened

__all__ = ["NonFinite", "find_nonfinite"]

MOST_OPERANDS: Final = 4
"""So many operands are told."""

LONGEST: Final = 200
"""The longest line of the user's code that is shown, with its place."""

LONGEST_NAME: Final = 40

IN_GRADIENT: Final = "the gradient, not a value, is where it starts"


def find_nonfinite(output: Node) -> NonFinite | None:
    """Find where a nan or an infinity came from, in a value or else in the gradient.

    Parameters
    ----------
    output : Node
        Of any shape: the gradient is that of the sum of its elements.

    Returns
    -------
    NonFinite or None
        The first node, in topological order, that made one of finite operands or is a leaf that
        holds one, if it reaches the output. If the output is finite, what spoils the gradient:
        such a node, or the first pullback that makes one of a finite cotangent. None if the
        output and its gradients are finite: what is not, in the branch that `where` did not take
        or in a mask of -inf, then does no harm. An infinite constant is named only if
        nothing else is to blame.

    Raises
    ------
    StaleGraphError, ReplayError
        As for `backward`.

    Examples
    --------
    >>> from autograd import Value, find_nonfinite
    >>> p = Value(0.0, label="p")
    >>> loss = 2.0 * p.log() + 1.0
    >>> loss.label = "loss"
    >>> print(find_nonfinite(loss))
    log made -inf of p = 0
      path: loss -> × -> log -> p
    >>> print(find_nonfinite(p.sqrt() + 1.0))
    the gradient, not a value, is where it starts: √ has the cotangent 1 and sends inf to p, \
which holds 0
      path: + -> √ -> p
      √ has no finite derivative there: keep its operand away, or choose with where(), which \
passes no gradient to the branch it does not take
    """
    require_unread(output, "find_nonfinite()")
    order = topological_order(output)
    if not _is_finite(output._raw):
        return _in_values(order, output, _bad(output), {})
    return None if output.is_constant else _in_gradient(order, output)


@dataclass(frozen=True, eq=False, repr=False)
class NonFinite:
    """What made the first nan or infinity; `find_nonfinite` finds it.

    Attributes
    ----------
    node : Node
        What made it, or a leaf that holds it.
    kind : {"value", "contribution", "sum"}
        Where it is: in the node's data; or in the gradient: in what the node's pullback sends to
        an operand, or in the sum of what arrives at the node.
    operand : int or None
        The operand that it is sent to.
    index : tuple of int
        The first element that is nan or infinite, of the node's data or cotangent or of what is
        sent.
    count : int
        How many such elements there are.
    value : float
        The first.
    cotangent : float, ndarray or None
        That of the node, where a contribution is to blame.
    path : tuple of Node
        From the output to the node and on to a leaf.

    Examples
    --------
    >>> from autograd import Tensor, find_nonfinite
    >>> x = Tensor([1.0, 0.0, -1.0], label="x")
    >>> found = find_nonfinite(x.log().sum())
    >>> found.node.primitive.name, found.index, found.count, found.value
    ('log', (1,), 2, -inf)
    >>> print(found)
    log made -inf at [1] of x[1] = 0; 2 of 3 elements are nan or infinite
      path: Σ -> log -> x
    """

    node: Node
    kind: str
    operand: int | None
    index: tuple[int, ...]
    count: int
    value: float
    cotangent: Any
    path: tuple[Node, ...]

    @property
    def operands(self) -> tuple[Node, ...]:
        """What the node was computed from."""
        return self.node.inputs

    @property
    def origin(self) -> Origin | None:
        """The line of code that recorded the node, if that was under `autograd.debug`."""
        return self.node.origin

    @property
    def text(self) -> str:
        """What happened and where, in a few lines."""
        lines = [{"value": _value, "contribution": _contribution, "sum": _sum}[self.kind](self)]
        if self.origin is not None:
            lines.append(f"line: {one_line(self.origin, LONGEST)}")
        if self.node.scope is not None:
            titles = " > ".join(scope.title for scope in self.node.scope.scopes)
            lines.append(f"in: {one_line(titles, LONGEST)}")
        lines.append(f"path: {' -> '.join(shortened(self.path, name_of))}")
        return "\n  ".join([*lines, *_hints(self)])

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<NonFinite: {self.text.splitlines()[0]}>"


# --------------------------------------------------------------------------- finding


def _in_values(
    order: Sequence[Node], start: Node, suspect: np.ndarray, came: dict[Node, Node]
) -> NonFinite | None:
    """The first node to blame among those that bad elements lead to from some of `start`.

    `came` tells for each node above a consumer on the way to the output.
    """
    suspects = {start: suspect}
    for node in reversed(order):
        if node not in suspects:
            continue
        for x in node.inputs:
            bad = _bad(x)
            if bad.any() and node.primitive.elementwise:  # type: ignore[union-attr]
                bad &= _used_by(suspects[node], bad.shape)
            if bad.any():
                suspects[x] = suspects[x] | bad if x in suspects else bad
                came.setdefault(x, node)
    blamed = {node: suspects[node] & _made(node) for node in order if node in suspects}
    found = [node for node, elements in blamed.items() if elements.any()]
    if not found:
        return None
    node = min(found, key=_is_infinite_constant)
    return _fault("value", node, None, node._raw, blamed[node], came)


def _used_by(elements: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The elements of an operand that some elements of an elementwise result come from."""
    used = np.zeros(shape, bool)
    places = np.broadcast_to(np.arange(used.size).reshape(shape), elements.shape)
    used.flat[places[elements]] = True
    return used


def _bad(node: Node) -> np.ndarray:
    return np.asarray(~np.isfinite(node._raw))


def _made(node: Node) -> np.ndarray:
    """The bad elements that are not so because an operand's are."""
    bad = _bad(node)
    operands = [np.isfinite(x._raw) for x in node.inputs]
    if node.primitive is None or node.primitive.elementwise:
        for finite in operands:
            bad = bad & finite
        return np.asarray(bad)
    return np.asarray(bad & all(map(np.all, operands)))


def _is_infinite_constant(node: Node) -> bool:
    return node.is_constant and not np.isnan(node._raw).any()


def _in_gradient(order: Sequence[Node], output: Node) -> NonFinite | None:
    ones = np.ones(output.shape)
    came: dict[Node, Node] = {}
    for node, g, sent in walk({output: seed(output, ones)}):
        if not _is_finite(without_mask(g)):
            return _fault("sum", node, None, without_mask(g), None, came)
        for i, x, c in sent:
            came.setdefault(x, node)
            if not _is_finite(without_mask(c)):
                g, c = without_mask(g), without_mask(c)
                found = _in_values(order, node, np.ones(node.shape, bool), came)
                return found or _fault("contribution", node, i, c, None, came, g)
    leaves = [x for x in order if x in came and x.is_leaf]
    for x, g in zip(leaves, gradients(output, leaves, cotangent=ones), strict=True):
        if not _is_finite(g):
            return _fault("sum", x, None, g, None, came)
    return None


def _fault(
    kind: str,
    node: Node,
    operand: int | None,
    data: Any,
    blamed: np.ndarray | None,
    came: Mapping[Node, Node],
    cotangent: Any = None,
) -> NonFinite:
    """Say which elements of `data` are to blame, by default all bad ones, and where they lie."""
    blamed = ~np.isfinite(np.asarray(data)) if blamed is None else blamed
    index = tuple(int(places[0]) for places in np.nonzero(np.atleast_1d(blamed)))[: np.ndim(data)]
    value = float(np.asarray(data)[index])
    path = (*_to_output(node, came), node, *_to_leaf(node, operand))
    return NonFinite(node, kind, operand, index, int(blamed.sum()), value, cotangent, path)


def _to_output(node: Node, came: Mapping[Node, Node]) -> list[Node]:
    """The nodes from the output to the consumer of a node."""
    path: list[Node] = []
    while node in came:
        node = came[node]
        path.append(node)
    return path[::-1]


def _to_leaf(node: Node, operand: int | None) -> Iterator[Node]:
    """The nodes from an operand on to a leaf, a variable where there is one."""
    while node.inputs:
        variables = [x for x in node.inputs if not x.is_constant]
        node = node.inputs[operand] if operand is not None else variables[0]
        operand = None
        yield node


def _is_finite(data: Any) -> bool:
    return math.isfinite(data) if type(data) is float else bool(np.isfinite(data).all())


# --------------------------------------------------------------------------- telling


def _value(found: NonFinite) -> str:
    node = found.node
    bad = f"{number(found.value)}{_at(found.index)}"
    many = _of_several(found, node.shape)
    if node.is_leaf:
        return f"{_called(node)} holds {bad}{many}"
    primitive: Any = node.primitive
    index = found.index if primitive.elementwise else None
    given = [_given(x, index) for x in node.inputs[:MOST_OPERANDS]]
    more = len(node.inputs) - MOST_OPERANDS
    given += [f"{more:,} more"] * (more > 0)
    return f"{_called(node)} made {bad} of {' and '.join(given)}{many}"


def _contribution(found: NonFinite) -> str:
    assert found.operand is not None
    x = found.operands[found.operand]
    held = number(np.asarray(x._raw)[found.index])
    return (
        f"{IN_GRADIENT}: {_called(found.node)} has the cotangent {amount(found.cotangent)} and "
        f"sends {number(found.value)} to {name_of(x)}{_at(found.index)}, which holds {held}"
        f"{_of_several(found, x.shape)}"
    )


def _sum(found: NonFinite) -> str:
    return (
        f"{IN_GRADIENT}: finite contributions to {_called(found.node)} add up to "
        f"{number(found.value)}{_at(found.index)}{_of_several(found, found.node.shape)}"
    )


def _called(node: Node) -> str:
    """The label and the operation."""
    operation = one_line(node.primitive.label, LONGEST_NAME) if node.primitive else ""
    label = name_of(node)
    return f"{label} ({operation})" if operation and label != operation else label


def _given(x: Node, index: tuple[int, ...] | None) -> str:
    """An operand: its number, that at a place of the result, or the range of its numbers."""
    data, name = np.asarray(x._raw), name_of(x)
    if data.shape and index is None:
        numbers = f"from {number(data.min())} to {number(data.max())}" if data.size else "empty"
        return f"{name}, {data.shape} {numbers}"
    own = (index or ())[-data.ndim :] if data.ndim else ()
    place = tuple(0 if n == 1 else i for i, n in zip(own, data.shape, strict=True))
    held = number(data[place])
    if x.label:
        return f"{name}{list(place) or ''} = {held}"
    return held if x.is_leaf else f"{held} from {name}{_at(place)}"


def _at(index: tuple[int, ...]) -> str:
    return f" at {list(index)}" if index else ""


def _of_several(found: NonFinite, shape: tuple[int, ...]) -> str:
    verb = "is" if found.count == 1 else "are"
    size = math.prod(shape)
    return f"; {found.count:,} of {size:,} elements {verb} nan or infinite" if size > 1 else ""


def _hints(found: NonFinite) -> Iterator[str]:
    """What helps, where that is certain."""
    node: Any = found.node
    operand = found.operand
    if found.kind == "value" and not node.is_leaf and _is_too_narrow(node, found.index):
        yield f"it is finite in float64, and too large for {node.dtype}"
    if operand is not None and node.primitive.elementwise:
        slopes = {i: c for i, _, c in contributions(node, seed(node, np.ones(node.shape)))}
        if not np.isfinite(np.asarray(without_mask(slopes[operand]))[found.index]):
            yield (
                f"{_called(node)} has no finite derivative there: keep its operand away, or choose "
                "with where(), which passes no gradient to the branch it does not take"
            )


def _is_too_narrow(node: Node, index: tuple[int, ...]) -> bool:
    """Whether the result would be finite in float64, and is not for the lack of it."""
    operands = [np.asarray(x._raw) for x in node.inputs]
    if type(node._raw) is float or node._raw.dtype == np.float64:
        return False
    wide = [x.astype(np.float64) if x.dtype.kind == "f" else x for x in operands]
    primitive: Any = node.primitive
    with np.errstate(all="ignore"):
        try:
            return bool(np.isfinite(primitive.array(*wide, **node.params)[index]))
        except (TypeError, ValueError):  # of a program that was compiled for the narrower
            return False
