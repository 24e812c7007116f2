"""Which nodes share a box: those of a scope that is closed, or those of one operation.

A leaf has no scope of its own. It belongs to the innermost one that holds all its consumers, those
without a scope aside: so the weights of a layer are in the layer, also where a penalty outside of
it adds up their squares. What only parts of that scope use, each in its own, is its input, and
stands before it: so the inputs of a layer are not in one of its neurons, nor hidden in the layer.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final, NamedTuple

from ..graph import Node, Scope
from ..words import one_line

__all__ = ["Folding", "Place", "Way", "fold", "folded_into"]

MAX_TITLE: Final = 40
"""The longest title of a scope; more ends in an ellipsis."""

Paths = frozenset[tuple[Hashable, ...]]


@dataclass(frozen=True, eq=False, slots=True)
class Place:
    """A scope as a picture sees it: scopes of equal path are one. The outermost is none."""

    title: str
    path: tuple[Hashable, ...]
    parent: Place | None
    level: int


class Way(NamedTuple):
    """Scopes of this level are boxes; what is outside of them may be `merged` by operation."""

    level: int
    merged: bool = False


BY_OPERATION: Final = Way(0)
IN_ONE: Final = Way(-1)


class Folding(NamedTuple):
    """Which nodes share a box.

    Attributes
    ----------
    keys : list
        For each node: nodes of equal keys share a box. The key is the node itself, the `Place`
        that is folded, or a pair of a place and what is common to the nodes.
    places : list of Place
        Where each node stands.
    note : str
        What was folded and how to see more, or "".
    """

    keys: list[Hashable]
    places: list[Place]
    note: str


def fold(
    order: Sequence[Node], depth: int | None, max_nodes: int, opened: Paths = frozenset()
) -> Folding:
    """Find the finest way to fold with at most `max_nodes` boxes and `depth` levels of scopes.

    Parameters
    ----------
    order : sequence of Node
        A graph in topological order.
    depth : int or None
        0 is the graph by operation, 1 has the outermost scopes as boxes, ...; None is all levels.
    max_nodes : int
    opened : frozenset
        Paths of scopes that are open at any depth.

    Examples
    --------
    >>> from autograd import Value, scope
    >>> from autograd.graph import topological_order
    >>> with scope("twice"):
    ...     y = Value(1.0) * 2.0 + 3.0
    >>> fold(topological_order(y.tanh()), 1, 100).note
    '6 nodes folded into 2 boxes by depth=1'
    """
    places = _places(order)
    deepest = max(place.level for place in places)
    ways = _ways(depth, deepest)

    def keys(way: Way) -> list[Hashable]:
        return _keys(order, places, way, opened)

    def fits(way: Way) -> bool:
        return way == IN_ONE or len(set(keys(way))) <= max_nodes

    first = bisect_left(ways, True, key=fits)  # each has fewer boxes than the one before
    way = next(way for way in (*ways[first:], BY_OPERATION, IN_ONE) if fits(way))
    chosen = keys(way)
    note = folded_into(len(order), len(set(chosen)))
    if note and depth is None:
        deeper = f"depth={way.level + 1} or " if 1 <= way.level <= deepest else ""
        note += f"; {deeper}max_nodes={len(order)} shows more"
    elif note and way == ways[0]:
        note += f" by depth={depth}"
    elif note:
        asked = len(set(keys(ways[0])))
        note += f": depth={depth} has {asked:,}, more than max_nodes={max_nodes}"
    has_scopes = way.level > 0
    return Folding(chosen, places if has_scopes else [_outermost(places[0])] * len(order), note)


def folded_into(nodes: int, boxes: int, what: str = "nodes") -> str:
    """Say that so many were folded into so many boxes; nothing if each has its own.

    >>> folded_into(65_600, 14), folded_into(3, 3)
    ('65,600 nodes folded into 14 boxes', '')
    """
    if nodes == boxes:
        return ""
    return f"{nodes:,} {what} folded into {boxes:,} box{'es' * (boxes != 1)}"


def _ways(depth: int | None, deepest: int) -> list[Way]:
    """From the finest to the coarsest that has scopes; levels that do not exist are all open."""
    if depth is None:
        return [*map(Way, range(deepest + 1, 0, -1)), Way(1, merged=True)]
    asked = min(depth, deepest + 1)
    merged = [Way(level, merged=True) for level in range(asked, 0, -1)]
    return [Way(asked), *merged]


def _keys(
    order: Sequence[Node], places: Sequence[Place], way: Way, opened: Paths
) -> list[Hashable]:
    """For each node its box; the output keeps its own, unless its scope is folded."""
    output, outside = order[-1], _outermost(places[0])
    if way == IN_ONE:
        return [outside] * len(order)
    if way == BY_OPERATION:
        return [node if node is output else (outside, _kind(node)) for node in order]
    folded = _folded(places, way.level, opened)
    keys: list[Hashable] = []
    for node, place in zip(order, places, strict=True):
        is_single = node is output or not way.merged
        keys.append(folded[place] or (node if is_single else (place, _kind(node))))
    return keys


def _kind(node: Node) -> Hashable:
    """What nodes that are merged have in common: the operation, or which sort of leaf."""
    return node.is_constant if node.primitive is None else node.primitive.name


def _folded(places: Sequence[Place], level: int, opened: Paths) -> Mapping[Place, Place | None]:
    """For each place the outermost one around it that is closed, itself included, or None."""
    found: dict[Place, Place | None] = {}
    for place in dict.fromkeys(places):
        line = []  # up to the first that is known
        at: Place | None = place
        while at is not None and at not in found:
            line.append(at)
            at = at.parent
        for each in reversed(line):
            around = found[each.parent] if each.parent else None
            is_closed = each.level >= level and each.path not in opened
            found[each] = around or (each if is_closed else None)
    return found


def _outermost(place: Place) -> Place:
    while place.parent is not None:
        place = place.parent
    return place


# --------------------------------------------------------------------------- where nodes stand


def _places(order: Sequence[Node]) -> list[Place]:
    """Where each node stands: in the scope that recorded it; a leaf where it is used."""
    outside = Place("graph", (), None, 0)
    places: dict[Scope | None, Place] = {None: outside}
    children: dict[tuple[Place, Hashable], Place] = {}
    found: list[Place] = []
    users: dict[Node, set[Place]] = {}
    for node in order:
        place = _place(node.scope, places, children)
        found.append(place)
        if place is not outside:
            for operand in node.inputs:
                if operand.is_leaf:
                    users.setdefault(operand, set()).add(place)
    return [
        _place_of_leaf(users.get(node, {outside})) if node.is_leaf else place
        for node, place in zip(order, found, strict=True)
    ]


def _place_of_leaf(users: set[Place]) -> Place:
    """Where a leaf stands that is used in some places."""
    around = reduce(_around_both, users)
    return around if around in users else around.parent or around


def _place(
    scope: Scope | None,
    places: dict[Scope | None, Place],
    children: dict[tuple[Place, Hashable], Place],
) -> Place:
    """The place of a scope; `places` knows some, `children` each by its parent and last name."""
    line = []
    while scope not in places:
        assert scope is not None  # that is known from the start
        line.append(scope)
        scope = scope.parent
    place = places[scope]
    for inner in reversed(line):
        path = inner.path
        key = place, path[-1]
        if key not in children:
            title = one_line(inner.title, MAX_TITLE) or "scope"
            children[key] = Place(title, path, place, place.level + 1)
        place = places[inner] = children[key]
    return place


def _around_both(a: Place, b: Place) -> Place:
    """The innermost place that holds both."""
    while a is not b:
        if a.level >= b.level:
            a = a.parent or a
        else:
            b = b.parent or b
    return a
