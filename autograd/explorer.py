"""A graph to play with in a notebook: sliders on its leaves, its backward pass step by step.

`Explorer` is all there is to it but the showing: it holds the numbers, the step, what is open and
what is chosen, and takes messages. The widget of `anywidget` around it sends its state to the
script in `render/static` and hands over what the user does there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from typing import Any, Final

import numpy as np

from .errors import AutogradError, DataError, RenderError
from .formula import formula
from .graph import Node, topological_order
from .primitive import current_data, describe, new_node, recording
from .render import font
from .render.frames import address, at_rest, box_of, caption, conclusion, factors, static
from .render.numbers import brief, number
from .render.scene import Scene, View, scene
from .render.stage import Stage, difference
from .steps import Frame, steps
from .words import name_of, one_line

__all__ = ["Explorer", "evaluate_again", "widget"]

MAX_ELEMENTS: Final = 6
"""A Tensor with at most so many elements has a slider on each, a larger one has none."""

MAX_SLIDERS: Final = 100
"""Further leaves have no slider."""

MAX_TEXT: Final = 500
"""The longest formula shown; more ends in an ellipsis."""

POSITIONS: Final = 100
"""The steps of a slider from 0 to its end."""

Path = tuple[Hashable, ...]
"""Of a scope, the outermost name first."""

NUMBER: Final = re.compile(r"[-+]?(?:\d[\d.]*(?:e[-+]?\d+)?|nan|inf)")


def widget(
    output: Node,
    *,
    direction: str = "LR",
    number: str = ".4g",
    depth: int | None = None,
    max_nodes: int = 300,
) -> Any:
    """Show the graph of `output` with a slider on each leaf, for a notebook.

    A slider moves the number of a leaf, and every number and gradient of the graph follows: its
    primitives are evaluated again, in topological order, on leaves of the widget's own. Decisions
    that Python took while the graph was recorded, such as ``if x > 0``, stay as they were. Press
    a box for its numbers and formulas, the box or the frame of a scope to open or close it, and
    step through the backward pass below.

    Parameters
    ----------
    output : Value or Tensor
        One number; its leaves start from the data that they hold now.
    direction, number, depth, max_nodes
        As of `draw`; more nodes than `max_nodes` are folded.

    Returns
    -------
    anywidget.AnyWidget
        ``.output`` is the output for the numbers shown, a node of a graph of its own;
        ``.apply()`` sets the data of your leaves to the numbers shown, as assigning to ``.data``
        does, and `draw` and every other thing you do with your own nodes is unaffected until then.

    Raises
    ------
    DataError, GradientError
        If `output` is no node, a constant, or not one number.
    RenderError
        If anywidget is not installed, or an option is not one of `draw`'s.

    Examples
    --------
    >>> from autograd import Value, widget
    >>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    >>> w = widget((a * b).tanh())
    >>> w.output
    Value(-0.9999877116507956, primitive=tanh)
    """
    view = View(direction=direction, number=number, depth=depth, max_nodes=max_nodes)
    kind = _widget_class()
    return kind(Explorer(output, view))


# --------------------------------------------------------------------------- the graph again


def evaluate_again(order: Sequence[Node], numbers: Mapping[Node, Any]) -> dict[Node, Node]:
    """Compute a graph, given in topological order, again on other numbers of its leaves.

    Returns a fresh node for each; constants stand for themselves.

    >>> from autograd import Value
    >>> x = Value(3.0)
    >>> y = x * x + 1.0
    >>> evaluate_again(topological_order(y), {x: 5.0})[y].data, y.data
    (26.0, 10.0)
    """
    fresh: dict[Node, Node] = {}
    with recording():
        for node in order:
            if node.primitive is not None:
                again = node.primitive(*[fresh[x] for x in node.inputs], **node.params)
            elif node.is_constant:
                again = node
            else:
                again = new_node(numbers[node])
            if again is not node:
                again.label = node.label
                if node.scope is not None:
                    again._where = node.scope
            fresh[node] = again
    return fresh


# --------------------------------------------------------------------------- sliders


@dataclass(frozen=True)
class Slider:
    """One number that can be moved: a Value, or an element of a Tensor.

    >>> from autograd import Value
    >>> [(s.name, s.title) for s in sliders([Value(2.0, label="a")])]
    [('n0', 'a')]
    """

    name: str
    title: str
    leaf: Node
    index: tuple[int, ...]

    def number(self, numbers: Mapping[Node, Any]) -> float:
        """Its number among those of the leaves."""
        data = numbers[self.leaf]
        return data if type(data) is float else float(data[self.index])

    def moved(self, numbers: Mapping[Node, Any], number: float) -> dict[Node, Any]:
        """The numbers of the leaves with another one here."""
        data = numbers[self.leaf]
        if type(data) is float:
            return {**numbers, self.leaf: number}
        array = data.copy()
        with np.errstate(over="ignore"):
            array[self.index] = number
        if not np.isfinite(array[self.index]):
            raise DataError(f"{number!r} is too large for {array.dtype}")
        return {**numbers, self.leaf: array}


def sliders(order: Sequence[Node]) -> Iterator[Slider]:
    """The sliders of a graph, in topological order: those of its variable leaves."""
    for i, leaf in enumerate(order):
        if leaf.primitive is not None or leaf.is_constant:
            continue
        title = one_line(leaf.label, 40) or f"leaf {i}"
        if leaf.shape == () and isinstance(leaf._raw, float):
            yield Slider(f"n{i}", title, leaf, ())
        elif np.size(leaf._raw) <= MAX_ELEMENTS:
            for index in np.ndindex(leaf.shape):
                place = ",".join(map(str, index))
                yield Slider(f"n{i}[{place}]", f"{title}[{place}]" if index else title, leaf, index)


def _by_title(slider: Slider) -> list[Any]:
    """As people sort titles: x2 before x10."""
    parts = re.split(r"(\d+)", slider.title)
    return [int(part) if part.isdecimal() and part.isascii() else part for part in parts]


def bound_of(number: float) -> float:
    """Where a slider ends that starts at a number: twice as far, rounded up to 1, 2, 5 or 10.

    >>> bound_of(-0.3), bound_of(2.0), bound_of(0.0), bound_of(7e5)
    (1.0, 5.0, 1.0, 2000000.0)
    """
    size = abs(number)
    if not math.isfinite(size) or size < 1e-300:
        return 1.0
    exponent = math.floor(math.log10(size))
    steps = (float(f"{digit}e{exponent}") for digit in (2, 5, 10, 20))
    return min(next(step for step in steps if step >= 2 * size), 1e308)


def parsed(value: Any) -> float:
    """The number that a user gave; a `DataError` if it is none, or not finite."""
    number = math.nan
    if isinstance(value, str) and len(value) <= 40:
        with suppress(ValueError):
            number = float(value)
    elif isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e308:
        number = float(value)
    if not math.isfinite(number):
        raise DataError(f"a leaf takes a finite number, got {one_line(repr(value), 40)}")
    return number


# --------------------------------------------------------------------------- the state


class Explorer:
    """What the widget shows, and what it does on a message.

    Parameters
    ----------
    output : Node
        One number; the graph is taken as it is, and never changed.
    view : View

    Attributes
    ----------
    fresh : dict
        For each node of the graph the one computed for the numbers shown.
    svg, base : str, dict
        The picture and its look; other ones only when something was opened or closed.
    answered : int
        How many messages were taken.

    Examples
    --------
    >>> from autograd import Value
    >>> a = Value(2.0, label="a")
    >>> explorer = Explorer(a * a, View())
    >>> explorer.receive({"kind": "set", "name": "n0", "value": "3"})
    >>> explorer.output.data, a.data
    (9.0, 2.0)
    >>> explorer.receive({"kind": "set", "name": "n0", "value": "three"})
    >>> explorer.state()["error"]
    "a leaf takes a finite number, got 'three'"
    """

    def __init__(self, output: Node, view: View) -> None:
        if not isinstance(output, Node):
            raise DataError(f"widget takes a Value or a Tensor, got {describe(output)}")
        self._order = topological_order(output)
        found = sorted(islice(sliders(self._order), MAX_SLIDERS), key=_by_title)
        self._sliders = {slider.name: slider for slider in found}
        self._start = {x: current_data(x) for x in self._order if x.is_leaf and not x.is_constant}
        self._bounds = {s.name: bound_of(s.number(self._start)) for s in found}
        self._error = ""
        self.answered = 0
        self._step = len(self._order)  # beyond the last: the pass is over
        self._compute(self._start)
        self._lay_out(view)
        self._choose(output)

    @property
    def output(self) -> Node:
        """The output for the numbers shown."""
        return self.fresh[self._order[-1]]

    def apply(self) -> None:
        """Set the data of the recorded leaves to the numbers shown."""
        for leaf, data in self._numbers.items():
            if data is not self._start[leaf]:
                leaf.data = data  # type: ignore[attr-defined]

    def _compute(self, numbers: dict[Node, Any]) -> None:
        """Take other numbers of the leaves; where an operation refuses them, stay as it is."""
        fresh = evaluate_again(self._order, numbers)
        self._steps = steps(fresh[self._order[-1]])
        self._step = min(self._step, len(self._steps))
        self.fresh, self._numbers = fresh, numbers
        self._place = {node: i for i, node in enumerate(fresh.values())}

    def _lay_out(self, view: View) -> None:
        """Make another picture of the graph, such as one with other scopes open."""
        self._view = view
        shown = self._shown(self._steps[-1])
        self._boxes = {box.name: tuple(map(self._recorded, box.link)) for box in shown.boxes}
        self._names = {nodes[0]: name for name, nodes in self._boxes.items() if len(nodes) == 1}
        self._closed = {box.name: box.scope for box in shown.boxes if box.scope}
        self._opened = _paths_of_groups(shown)
        self._stage = Stage([shown, _roomy(shown, view.number)])
        self.svg, self.base = self._stage.svg, self._stage.look(shown)

    # What a message may ask for

    def receive(self, message: Any) -> None:
        """Do what a message asks for; one that makes no sense changes the error shown only."""
        self.answered += 1
        self._error = ""
        try:
            self._do(message)
        except AutogradError as error:
            self._error = one_line(error, MAX_TEXT)
        except Exception as error:  # of a user's own operation, or of an odd message
            self._error = one_line(f"{type(error).__name__}: {error}", MAX_TEXT)

    def _do(self, message: Any) -> None:
        match message:
            case {"kind": "set", "name": str(name), "value": value} if name in self._sliders:
                self._set(self._sliders[name], parsed(value))
            case {"kind": "step", "step": int(step)} if step in range(len(self._steps) + 1):
                self._step = int(step)
            case {"kind": "press", "name": str(name)}:
                self._press(name)
            case {"kind": "reset"}:
                self._compute(self._start)
            case _:
                raise DataError(f"not understood: {one_line(describe(message), 80)}")

    def _set(self, slider: Slider, number: float) -> None:
        self._compute(slider.moved(self._numbers, number))
        if abs(number) > self._bounds[slider.name]:
            self._bounds[slider.name] = bound_of(number)

    def _press(self, name: str) -> None:
        """Close a scope by its frame, open one by its box, or choose a node."""
        opened = frozenset(self._opened.values())
        if name in self._opened:
            self._open(opened - {self._opened[name]})
        elif name in self._closed:
            self._open({*opened, self._closed[name]})
        elif len(self._boxes.get(name, ())) == 1:
            self._choose(*self._boxes[name])
        else:
            raise DataError(f"{one_line(name, 40)} is no box of one node")

    def _open(self, paths: Set[Path]) -> None:
        self._lay_out(replace(self._view, depth=1, opened=frozenset(paths)))

    def _choose(self, node: Node) -> None:
        """Tell of a node of the recorded graph; its formulas hold for all numbers."""
        self._chosen = node
        fresh = self.fresh[node]
        self._formulas = {
            "value": _formula(fresh),
            "gradient": "" if node.is_constant else _formula(self.output, fresh),
        }

    # What is shown

    def state(self) -> dict[str, Any]:
        """What the script shows beside the picture, as JSON can hold it."""
        shown = self._scene()
        return {
            "answered": self.answered,
            "look": difference(self.base, self._stage.look(shown)),
            "box": box_of(self._steps[self._step % len(self._steps)], shown).name,
            "step": self._step,
            "count": len(self._steps) + 1,
            "caption": self._caption(),
            "leaves": [self._leaf(slider) for slider in self._sliders.values()],
            "chosen": self._details(),
            "error": self._error,
        }

    def picture(self) -> str:
        """The picture as it is shown now, as one `<svg>` element."""
        return self._stage.painted(self._stage.look(self._scene()))

    def _recorded(self, node: Node) -> Node:
        """The node of the recorded graph that a fresh one stands for."""
        return self._order[self._place[node]]

    def _frame(self) -> Frame:
        """The step that is shown; the last one when the pass is over."""
        return self._steps[min(self._step, len(self._steps) - 1)]

    def _scene(self) -> Scene:
        shown = self._shown(self._frame())
        return at_rest(shown) if self._step == len(self._steps) else shown

    def _shown(self, frame: Frame) -> Scene:
        """The scene of a frame; without a note on what is folded where its user folded it."""
        shown = scene(frame, self._view)
        return shown if self._view.depth is None else replace(shown, note="")

    def _caption(self) -> str:
        is_over = self._step == len(self._steps)
        return conclusion(self._steps) if is_over else caption(self._frame())

    def _leaf(self, slider: Slider) -> dict[str, Any]:
        bound = self._bounds[slider.name]
        ends = {"low": -bound, "high": bound, "step": bound / POSITIONS}
        value = f"{slider.number(self._numbers):.10g}"
        return {"name": slider.name, "title": slider.title, "value": value, **ends}

    def _details(self) -> dict[str, Any]:
        """What is told of the chosen node."""
        node = self.fresh[self._chosen]
        rows = [[name, one_line(text, MAX_TEXT)] for name, text in self._rows(node)]
        return {"name": self._names.get(self._chosen, ""), "title": name_of(node), "rows": rows}

    def _rows(self, node: Node) -> Iterator[tuple[str, str]]:
        spec = self._view.number
        if node.scope is not None:
            yield "in", " > ".join(scope.title for scope in node.scope.scopes)
        if node.primitive is not None:
            yield "operation", node.primitive.label
        yield "data", brief(node.numpy(), spec)
        if node.is_constant:
            return
        gradient = self._steps[-1].accumulated.get(node)
        yield "gradient", "none reaches it" if gradient is None else brief(gradient, spec)
        local = factors(node).items()
        if local:
            told = (f"{brief(x, spec)} for {name_of(node.inputs[i])}" for i, x in local)
            yield "local derivatives", ", ".join(told)
        if node.primitive is not None:
            yield "formula", self._formulas["value"]
        yield "of the gradient", self._formulas["gradient"]


def _formula(node: Node, wrt: Node | None = None) -> str:
    """A formula without the numbers of leaves, which the picture shows."""
    try:
        written = formula(node, wrt)
    except AutogradError as error:  # too long, or without a derivative
        return str(error)
    parts = [f"{name} = {text}" for name, text in written.definitions.items()]
    return "\nwhere ".join([written.expression, ", ".join(parts)]) if parts else written.expression


def _paths_of_groups(shown: Scene) -> dict[str, Path]:
    """The path of each open scope, by the name of its frame."""
    paths: dict[str, Path] = {}
    for box in shown.boxes:
        inside = [node.scope.path for node in box.link if node.scope is not None]
        if box.group and (box.scope or inside):
            paths[box.group] = box.scope[:-1] if box.scope else inside[0]
    for group in reversed(shown.groups):  # inner ones first
        if group.parent:
            paths.setdefault(group.parent, paths[group.name][:-1])
    return paths


def _roomy(shown: Scene, spec: str) -> Scene:
    """A scene in which each number takes as much room as any that a slider may lead to."""
    samples = [
        number(sign * x, spec) for x in (8.888888888888e-88, 88888.888888) for sign in (1, -1)
    ]
    widest = max(samples, key=lambda text: font.width(text, 1.0))
    boxes = []
    room = {}
    for box in shown.boxes:
        named = {row.name: row for row in box.rows}
        texts = tuple(NUMBER.sub(widest, text) for text in named["data"].texts)
        room[box.name] = texts[0] if len(texts) == 1 else f"{widest} to {widest}"
        rows = [
            replace(row, texts=texts, tone=0.0) if row.name in ("data", "grad") else row
            for row in box.rows
        ]
        boxes.append(replace(box, rows=tuple(rows)))
    arrows = [
        arrow if arrow.count > 1 else replace(arrow, text=room[arrow.tail])
        for arrow in shown.arrows
    ]
    return replace(shown, boxes=tuple(boxes), arrows=tuple(arrows))


# --------------------------------------------------------------------------- the widget itself


def _hidden(svg: str, key: str) -> str:
    """A picture that a widget hides while it is alive, found by its class."""
    alt = "The graph as it was when the cell ran"
    return f'<img class="{key}" alt="{alt}" src="{address(svg)}">'


@cache
def _widget_class() -> Any:
    try:
        import anywidget
        import traitlets
    except ImportError:
        raise RenderError(
            "the widget needs anywidget: pip install 'autograd-nn[notebook]'; "
            "draw(output) shows a picture without it"
        ) from None
    base: Any = anywidget.AnyWidget

    class GraphWidget(base):  # type: ignore[misc]
        """The graph of an output, with sliders on its leaves and its backward pass."""

        _esm = static("stage.mjs", "widget.mjs")
        _css = static("stage.css", "widget.css")
        svg = traitlets.Unicode().tag(sync=True)
        base = traitlets.Dict().tag(sync=True)
        state = traitlets.Dict().tag(sync=True)
        key = traitlets.Unicode().tag(sync=True)

        def __init__(self, explorer: Explorer) -> None:
            self._explorer = explorer
            super().__init__(svg=explorer.svg, base=explorer.base, state=explorer.state())
            self.key = f"autograd-{self.model_id}"
            self.on_msg(self._take)

        @property
        def output(self) -> Node:
            return self._explorer.output

        def apply(self) -> None:
            self._explorer.apply()

        def set_state(self, sync_data: Any) -> None:
            """Do nothing: the script sends messages and never writes."""

        def _take(self, widget: Any, content: Any, buffers: Any) -> None:
            self._explorer.receive(content)
            with self.hold_sync():  # they reach the script in one message
                self.svg, self.base = self._explorer.svg, self._explorer.base
                self.state = self._explorer.state()

        def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
            """The widget, and the picture as it is now for where there are no widgets."""
            svg = self._explorer.picture()
            return {**self._view(), "image/svg+xml": svg}

        def _ipython_display_(self) -> None:
            """Show the widget, and leave its picture below for when it is no longer alive.

            JupyterLab shows an error in place of a widget whose kernel has ended, whatever else
            the output holds. So the picture is another output, which a widget alive hides.
            """
            import IPython.display

            display: Any = IPython.display.display
            svg = self._explorer.picture()
            display(self._view(), raw=True)
            display({"text/html": _hidden(svg, self.key), "image/svg+xml": svg}, raw=True)

        def _view(self) -> dict[str, Any]:
            shown = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
            text = f"<GraphWidget of {len(self._explorer.fresh)} nodes>"
            return {"application/vnd.jupyter.widget-view+json": shown, "text/plain": text}

    return GraphWidget
