"""What a picture shows, before any format: boxes, arrows, open scopes, and a note.

A `Scene` is plain data. `dot.py`, `mermaid.py` and `text.py` write it, each in its own way; none of
them sees a node, and nothing here knows a format.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import pairwise
from typing import Any, Final

import numpy as np

from ..backprop import contributions, without_mask
from ..errors import RenderError
from ..explain import Explanation, Path
from ..graph import Node, topological_order
from ..primitive import current_data
from ..steps import Frame
from ..words import closest, name_of, one_line
from . import numbers
from .folding import Place, fold

__all__ = ["Arrow", "Box", "Group", "Row", "Scene", "View", "local_derivatives", "scene"]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a box.

    Attributes
    ----------
    name : str
        What it is: "data", "grad", "nodes", ...; "" for a line that stands for itself, such as a
        Tensor's shape and dtype, or the names "min", "mean", "max" of the columns below.
    texts : tuple of str
        One, or one each for the least, the mean and the greatest element.
    tone : float or None
        Sign and magnitude of the number, in [-1, 1], relative to the picture's other numbers of
        this name; None where there is none to speak of.
    marked : bool
        Whether a number is nan or infinite.
    """

    name: str
    texts: tuple[str, ...]
    tone: float | None = None
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Box:
    """A node, several nodes folded into one, or a batch of a replay.

    Attributes
    ----------
    name : str
        "n0", "n1", ... in topological order, folded ones by the last node in them.
    title : str
        The label, the title of a scope, or "".
    operation : str
        What computed it, such as "sum axis=0"; "" for a leaf. Never "" together with the title
        and the rows.
    rows : tuple of Row
    kind : {"leaf", "constant", "computed", "output", "folded", "batch"}
    state : {"", "active", "marked", "dim"}
        Where a step is, what lies on a path, and what does not lead to the output.
    group : str
        The name of the open scope that it stands in, or "".
    scope : tuple
        For a scope folded into a box its `Scope.path`, else ().
    link : tuple of Node
        The nodes that it stands for: no format shows them.
    """

    name: str
    title: str
    operation: str = ""
    rows: tuple[Row, ...] = ()
    kind: str = "computed"
    state: str = ""
    group: str = ""
    scope: tuple[Hashable, ...] = field(default=(), compare=False)
    link: tuple[Node, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Arrow:
    """From a box to one that uses it. The i-th of a scene is named "a{i}" in an SVG.

    Attributes
    ----------
    tail, head : str
        Names of boxes. An operation that uses a node twice has two arrows from it.
    text : str
        What stands beside it: a local derivative, what flows back, how many arrows it stands for.
    tone : float or None
        As of a `Row`, of the number in the text.
    state : {"", "active", "marked", "dim"}
    count : int
        How many arrows between nodes it stands for.
    is_finite : bool
        Whether the numbers in the text are.
    """

    tail: str
    head: str
    text: str = ""
    tone: float | None = None
    state: str = ""
    count: int = 1
    is_finite: bool = True


@dataclass(frozen=True, slots=True)
class Group:
    """An open scope, drawn as a frame around its boxes and the groups within.

    Attributes
    ----------
    name : str
        "g0", "g1", ...; a group comes after its parent.
    title : str
    parent : str
        The name of the group around it, or "".
    """

    name: str
    title: str
    parent: str = ""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a picture shows.

    Attributes
    ----------
    boxes : tuple of Box
        In topological order of what they stand for, where there is one.
    arrows : tuple of Arrow
        In the order of the boxes that they lead to, then of operands.
    groups : tuple of Group
    direction : {"LR", "RL", "TB", "BT"}
    note : str
        One line that says what was folded and how to see more, or "".
    """

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    groups: tuple[Group, ...] = ()
    direction: str = "LR"
    note: str = ""


DIRECTIONS: Final = ("LR", "RL", "TB", "BT")
"""Where arrows point: LR is left to right, TB is top to bottom."""

SHOWN: Final = ("data", "grad", "local", "type", "operation")
"""What can be shown of a node."""

NOT_COMPUTED: Final = "\N{EN DASH}"
"""Shown for a gradient that is None, which differs from 0."""

MAX_TEXT: Final = 40
"""The longest label in a box; more ends in an ellipsis."""

MAX_PARAMS: Final = 24
"""Likewise for the parameters of an operation."""

ABSENT: Final = object()
"""In place of the gradient of what cannot have one."""


@dataclass(frozen=True, eq=False)
class View:
    """How to show a graph: the options of `draw`, checked.

    Attributes
    ----------
    direction, show, number, path, wrt, depth, max_nodes
        As of `draw`.
    opened : frozenset
        The `Scope.path` of scopes that are open at any depth.

    Raises
    ------
    RenderError
        If an option is not what it can be.

    Examples
    --------
    >>> View(show="data").show
    ('data',)
    """

    direction: str = "LR"
    show: Iterable[str] = ("data", "grad")
    number: str = ".4g"
    path: Explanation | Path | Sequence[Node] = ()
    wrt: Node | Sequence[Node] = ()
    depth: int | None = None
    max_nodes: int = 1000
    opened: frozenset[tuple[Hashable, ...]] = frozenset()

    def __post_init__(self) -> None:
        if not _is_one_of(self.direction, DIRECTIONS):
            raise RenderError(
                f"direction is one of {', '.join(DIRECTIONS)}, got {self.direction!r:.60}"
            )
        numbers.check_format(self.number)
        _require_whole("max_nodes", self.max_nodes, 1)
        if self.depth is not None:
            _require_whole("depth", self.depth, 0)
        object.__setattr__(self, "show", _shown(self.show))

    @property
    def shows_numbers(self) -> bool:
        return "data" in self.show or "grad" in self.show


def _require_whole(name: str, value: object, least: int) -> None:
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
        raise RenderError(f"{name} is a whole number from {least}, got {value!r:.60}")


def _shown(show: object) -> tuple[str, ...]:
    names = (show,) if isinstance(show, str) else show
    if not isinstance(names, Iterable):
        raise RenderError(f"show is any of {', '.join(SHOWN)}, got {show!r:.60}")
    found = tuple(names)
    for name in found:
        if not _is_one_of(name, SHOWN):
            raise RenderError(
                f"show is any of {', '.join(SHOWN)}, got {name!r:.60}{closest(name, SHOWN)}"
            )
    return found


def _is_one_of(given: object, names: Sequence[str]) -> bool:
    return isinstance(given, str) and given in names


# --------------------------------------------------------------------------- what is shown

Edge = tuple[Node, int]
"""An arrow between nodes: the one that uses, and which of its operands."""


@dataclass(frozen=True, eq=False)
class _Graph:
    """A graph and what to point out in it.

    `gradient` tells a node's, or None; `flows` what flows back along an edge; `lit` what leads
    from `wrt` to the output, None for all.
    """

    order: Sequence[Node]
    gradient: Callable[[Node], Any]
    active: Node | None = None
    flows: Mapping[Edge, Any] = field(default_factory=dict)
    path: Set[Node] = frozenset()
    path_edges: Set[Edge] = frozenset()
    lit: Set[Node] | None = None


def scene(what: Node | Frame | Path | Explanation, view: View | None = None) -> Scene:
    """Show the graph that a node was computed from, a frame of a backward pass, or a path.

    A frame has the gradients as accumulated so far; its node is active, and so are the arrows
    along which something flows. What `explain` gives, or one path of it, is marked in the graph of
    its output.

    Raises
    ------
    RenderError
        If the view names a path or a `wrt` that is not in the graph.
    StaleGraphError
        If local derivatives are asked for and data changed since they were recorded.

    Examples
    --------
    >>> from autograd import Value
    >>> a = Value(2.0, label="a")
    >>> picture = scene(a * a)
    >>> [(box.name, box.title, box.operation, box.kind) for box in picture.boxes]
    [('n0', 'a', '', 'leaf'), ('n1', '', '×', 'output')]
    >>> [(arrow.tail, arrow.head) for arrow in picture.arrows]
    [('n0', 'n1'), ('n0', 'n1')]
    """
    view = view or View()
    graph = _graph(what, view)
    folding = fold(graph.order, view.depth, view.max_nodes, view.opened)
    members = _members(graph.order, folding.keys)
    arrows, out = _arrows(graph, members, view)
    stands = dict(zip(graph.order, folding.places, strict=True))
    groups: dict[Place, Group] = {}
    boxes = []
    for i, (key, nodes) in enumerate(members.items()):
        place = key.parent if isinstance(key, Place) else stands[nodes[0]]
        box = _box(key, nodes, [node for node in nodes if node in out], graph, view)
        boxes.append(replace(box, name=f"n{i}", group=_group_of(place, groups)))
    return Scene(_tinted(boxes), arrows, tuple(groups.values()), view.direction, folding.note)


def _members(order: Sequence[Node], keys: Sequence[Hashable]) -> dict[Hashable, list[Node]]:
    """The nodes of each box, in the order in which the boxes are complete.

    A node that shares its box with none stands for itself.
    """
    last = {key: i for i, key in enumerate(keys)}
    shared: dict[Hashable, list[Node]] = {key: [] for key in sorted(last, key=last.__getitem__)}
    for node, key in zip(order, keys, strict=True):
        shared[key].append(node)
    return {
        key if len(nodes) > 1 or isinstance(key, Place) else nodes[0]: nodes
        for key, nodes in shared.items()
    }


def _group_of(place: Place | None, groups: dict[Place, Group]) -> str:
    """The name of the open scope, which is made with those around it if it is new; "" outside."""
    line = []
    while place is not None and place.parent is not None and place not in groups:
        line.append(place)
        place = place.parent
    name = groups[place].name if place in groups else ""
    for inner in reversed(line):
        groups[inner] = Group(f"g{len(groups)}", inner.title, name)
        name = groups[inner].name
    return name


def _tinted(boxes: Sequence[Box]) -> tuple[Box, ...]:
    """Boxes whose tones, so far the numbers themselves, are relative to all of the same name."""
    named: dict[str, list[float | None]] = {}
    for box in boxes:
        for row in box.rows:
            named.setdefault(row.name, []).append(row.tone)
    scales = {name: numbers.scale_of(found) for name, found in named.items()}
    return tuple(
        replace(
            box,
            rows=tuple(
                replace(row, tone=numbers.tone(row.tone, scales[row.name])) for row in box.rows
            ),
        )
        for box in boxes
    )


# --------------------------------------------------------------------------- what to point out


def _graph(what: Node | Frame | Path | Explanation, view: View) -> _Graph:
    output = what if isinstance(what, Node) else what.output
    order = topological_order(output)
    inside = set(order)
    steps = what if isinstance(what, Frame) else None
    path = what if isinstance(what, Explanation | Path) else view.path
    nodes, edges = _path(path, inside)
    return _Graph(
        order,
        steps.accumulated.get if steps else _grad,
        steps.node if steps else None,
        {(steps.node, i): value for i, _, value in steps.contributions} if steps else {},
        nodes,
        edges,
        _leading(view.wrt, order, inside),
    )


def _grad(node: Node) -> Any:
    return node.grad


def _path(
    path: Explanation | Path | Sequence[Node], inside: Set[Node]
) -> tuple[Set[Node], Set[Edge]]:
    """The nodes and the edges of one path, whichever end it begins with, or of all explained."""
    if isinstance(path, Explanation | Path):
        paths = path.paths if isinstance(path, Explanation) else (path,)
        nodes = tuple(node for each in paths for node in each.nodes)
        edges = {(edge.node, edge.index) for each in paths for edge in each.edges}
    else:
        nodes = _nodes("path", path)
        edges = {edge for pair in pairwise(nodes) for edge in _edges_of(*pair)}
    _require_inside("path", nodes, inside)
    return set(nodes), edges


def _edges_of(a: Node, b: Node) -> list[Edge]:
    """The edges between two nodes, in either direction."""
    found = [(x, i) for x, y in ((a, b), (b, a)) for i, z in enumerate(x.inputs) if z is y]
    if not found:
        raise RenderError(
            f"path is a way along arrows, and there is none between {name_of(a)} and {name_of(b)}"
        )
    return found


def _leading(
    wrt: Node | Sequence[Node], order: Sequence[Node], inside: Set[Node]
) -> Set[Node] | None:
    """What depends on one of the nodes, themselves included; None if none are given."""
    nodes = _nodes("wrt", wrt)
    if not nodes:
        return None
    _require_inside("wrt", nodes, inside)
    lit = set(nodes)
    for node in order:
        if not lit.isdisjoint(node.inputs):
            lit.add(node)
    return lit


def _nodes(name: str, given: object) -> tuple[Node, ...]:
    found = (given,) if isinstance(given, Node) else given
    if isinstance(found, Iterable):
        found = tuple(found)
        if all(isinstance(node, Node) for node in found):
            return found
    raise RenderError(f"{name} takes Values and Tensors of the graph, got {given!r:.60}")


def _require_inside(name: str, nodes: Iterable[Node], inside: Set[Node]) -> None:
    for node in nodes:
        if node not in inside:
            raise RenderError(
                f"{name} names {name_of(node)}, which the output was not computed from"
            )


# --------------------------------------------------------------------------- arrows


def _arrows(
    graph: _Graph, members: Mapping[Hashable, list[Node]], view: View
) -> tuple[tuple[Arrow, ...], Set[Node]]:
    """The arrows between boxes, and the nodes that they come from or that are the output.

    Each edge between two nodes that have boxes of their own is an arrow; others share one.
    """
    box_of = {node: i for i, nodes in enumerate(members.values()) for node in nodes}
    alone = [isinstance(key, Node) for key in members]
    shared: dict[tuple[int, int, int], list[Edge]] = {}
    out = {graph.order[-1]}
    for node in graph.order:
        head = box_of[node]
        for i, operand in enumerate(node.inputs):
            tail = box_of[operand]
            if tail != head:
                out.add(operand)
                which = i if alone[head] and alone[tail] else -1
                shared.setdefault((head, tail, which), []).append((node, i))
    locals_of = cache(local_derivatives) if "local" in view.show else _none
    ordered = sorted(shared.items(), key=lambda item: item[0][0])  # stable: then by operand
    arrows = [
        _arrow(f"n{tail}", f"n{head}", edges, graph, locals_of, view.number)
        for (head, tail, _), edges in ordered
    ]
    scale = numbers.scale_of(arrow.tone for arrow in arrows)
    return tuple(replace(arrow, tone=numbers.tone(arrow.tone, scale)) for arrow in arrows), out


def _arrow(
    tail: str,
    head: str,
    edges: Sequence[Edge],
    graph: _Graph,
    locals_of: Callable[[Node], Mapping[int, Any]],
    spec: str,
) -> Arrow:
    """The arrow for some edges, which tells the number of the only one or how many there are."""
    node, index = edges[0]
    value = graph.flows.get((node, index), locals_of(node).get(index))
    state = _arrow_state(edges, graph)
    if len(edges) > 1:
        return Arrow(tail, head, f"{len(edges):,}", None, state, len(edges))
    if value is None:
        return Arrow(tail, head, state=state)
    is_finite = bool(np.isfinite(value).all())
    text, strength = numbers.brief(value, spec), numbers.middle(value)
    return Arrow(tail, head, text, strength, state, is_finite=is_finite)


def _arrow_state(edges: Sequence[Edge], graph: _Graph) -> str:
    if graph.flows and any(edge in graph.flows for edge in edges):
        return "active"
    if graph.path_edges and any(edge in graph.path_edges for edge in edges):
        return "marked"
    if graph.lit is not None and not any(node.inputs[i] in graph.lit for node, i in edges):
        return "dim"
    return ""


def local_derivatives(node: Node) -> dict[int, Any]:
    """The derivatives of a node with respect to its operands, where they are numbers or arrays.

    So they are of an operation that acts on each element by itself, without broadcasting, and of
    one whose result is a single number. Else the derivative is a matrix and has no place here.
    """
    primitive, shape = node.primitive, node.shape
    if primitive is None or not (primitive.elementwise or shape == ()):
        return {}
    data = current_data(node)
    one = np.ones(shape, data.dtype) if isinstance(data, np.ndarray) else 1.0
    return {
        i: without_mask(value)
        for i, operand, value in contributions(node, one)
        if shape in ((), operand.shape)
    }


def _none(node: Node) -> dict[int, Any]:
    return {}


# --------------------------------------------------------------------------- boxes


def _box(key: Hashable, nodes: list[Node], out: list[Node], graph: _Graph, view: View) -> Box:
    """The box of one node, or of several, of which some flow out; not yet where it stands."""
    state = _state(nodes, graph)
    if isinstance(key, Node):
        title, operation = _title(key), _operation(key)
        rows, kind = _rows(key, graph, view), _kind(key, graph)
        if not (title or operation or rows):
            title = name_of(key)
        return Box("", title, operation, rows, kind, state, link=(key,))
    rows = (*_counts(nodes), *_rows_of_many(out, graph, view))
    if isinstance(key, Place):
        return Box("", key.title, "", rows, "folded", state, "", key.path, tuple(nodes))
    titles = {_title(node) for node in nodes}
    title = titles.pop() if len(titles) == 1 else ""
    first = nodes[0].primitive
    operation = one_line(first.label, MAX_TEXT) if first else ""
    if not (title or operation):
        title = "constants" if nodes[0].is_constant else "leaves"
    return Box("", title, operation, rows, "folded", state, link=tuple(nodes))


def _state(nodes: Sequence[Node], graph: _Graph) -> str:
    if any(node is graph.active for node in nodes):
        return "active"
    if not graph.path.isdisjoint(nodes):
        return "marked"
    return "dim" if graph.lit is not None and graph.lit.isdisjoint(nodes) else ""


def _kind(node: Node, graph: _Graph) -> str:
    if node is graph.order[-1]:
        return "output"
    if node.is_constant:
        return "constant"
    return "leaf" if node.is_leaf else "computed"


def _title(node: Node) -> str:
    return one_line(node.label, MAX_TEXT)


def _operation(node: Node) -> str:
    """The primitive's label with its parameters, such as "sum axis=0"; nothing for a leaf."""
    if node.primitive is None:
        return ""
    params = [
        f"{name}={_param(value)}"
        for name, value in node.params.items()
        if value is not None and value is not False  # what was not asked for
    ]
    shown = one_line(", ".join(params), MAX_PARAMS)
    return one_line(node.primitive.label, MAX_TEXT) + (f" {shown}" if shown else "")


def _param(value: Any, depth: int = 3) -> str:
    """A parameter in few characters; one of an unknown kind shows its type, never an address."""
    match value:
        case np.ndarray():
            return numbers.texts(value)[0] if value.size <= numbers.MAX_NUMBERS else "…"
        case slice():
            parts = (value.start, value.stop, value.step)
            return ":".join("" if part is None else str(part) for part in parts).removesuffix(":")
        case tuple() | list() if depth:
            return f"({', '.join(_param(item, depth - 1) for item in value[:MAX_TEXT])})"
        case None | bool() | int() | str() | np.integer() | np.bool_():
            return str(value)
        case float() | np.floating():
            return numbers.number(value)
        case _:
            name = getattr(value, "__name__", type(value).__name__)
            return "..." if value is Ellipsis else name


# --------------------------------------------------------------------------- rows


def _rows(node: Node, graph: _Graph, view: View) -> tuple[Row, ...]:
    """A Tensor's shape and dtype, and data and gradient, of what is to be shown."""
    data = current_data(node)
    gradient = ABSENT if node.is_constant else graph.gradient(node)
    rows = []
    if isinstance(data, np.ndarray) and (view.shows_numbers or "type" in view.show):
        rows.append(Row("", (f"{data.shape} {data.dtype}",)))
    return (*rows, *_numbers(data, gradient, view))


def _rows_of_many(out: list[Node], graph: _Graph, view: View) -> tuple[Row, ...]:
    """What flows out of a box of several nodes."""
    if len(out) == 1:
        return _rows(out[0], graph, view)
    if not view.shows_numbers:
        return ()
    of_variables = [graph.gradient(node) for node in out if not node.is_constant]
    gradients = [gradient for gradient in of_variables if gradient is not None]
    gradient = _joined(gradients) if gradients else None if of_variables else ABSENT
    return tuple(_numbers(_joined([current_data(node) for node in out]), gradient, view))


def _joined(values: Sequence[Any]) -> Any:
    """All numbers in one array."""
    return np.concatenate([np.ravel(value) for value in values])


def _counts(nodes: Sequence[Node]) -> list[Row]:
    """How many nodes there are, and how many numbers in the leaves that are variables."""
    rows = [Row("nodes", (f"{len(nodes):,}",))]
    variables = [node for node in nodes if node.is_leaf and not node.is_constant]
    parameters = sum(np.size(current_data(node)) for node in variables)
    if parameters:
        rows.append(Row("parameters", (f"{parameters:,}",)))
    return rows


def _numbers(data: Any, gradient: Any, view: View) -> list[Row]:
    """The rows of data and gradient, with the names of the columns above if these are several."""
    shown = {"data": data, "grad": gradient}
    rows = [
        _row(name, value, view.number)
        for name, value in shown.items()
        if name in view.show and value is not ABSENT
    ]
    if any(len(row.texts) == len(numbers.COLUMNS) for row in rows):
        rows.insert(0, Row("", numbers.COLUMNS))
    return rows


def _row(name: str, value: Any, spec: str) -> Row:
    """A name, and the value or a summary of it; the tone is still the number itself."""
    if value is None:
        return Row(name, (NOT_COMPUTED,))
    return Row(
        name, numbers.texts(value, spec), numbers.middle(value), not bool(np.isfinite(value).all())
    )
