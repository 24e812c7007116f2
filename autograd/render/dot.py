"""A recorded graph as DOT text: one box a node, one arrow an input.

Nothing here knows a primitive by name. A box is an HTML-like label of Graphviz, where the only
special characters are those of HTML and the backslash.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..errors import RenderError
from ..graph import Node

if TYPE_CHECKING:
    import graphviz

__all__ = ["DIRECTIONS", "to_dot"]

DIRECTIONS: Final = ("LR", "RL", "TB", "BT")
"""Where arrows point, as Graphviz names it: LR is left to right, TB is top to bottom."""

MAX_NUMBERS: Final = 6
"""A Tensor with at most so many elements shows its numbers, a larger one a summary."""

MAX_TEXT: Final = 40
"""The longest label or operation in a box; more ends in an ellipsis."""

LARGE: Final = 1000
"""From so many nodes on, Graphviz searches less for the best places."""

QUICK: Final = {"nslimit": "0.1", "mclimit": "0.1"}

NOT_COMPUTED: Final = "\N{EN DASH}"
"""Shown for a gradient that is None, which differs from 0."""

HIDDEN: Final = ("Cc", "Cs", "Cn")
TURNING: Final = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
"""Categories and bidirectional classes of the characters that a picture replaces by a mark."""

# The first family is the one that boxes are measured with (see image.py); Verdana is as wide.
FONT: Final = "DejaVu Sans,Verdana,Helvetica,Arial,sans-serif"

# Boxes are filled and lines mid-grey, so that a picture reads on a light page, on a dark one, and
# printed in black and white.
INK, FAINT, LINE = "#1a1a1a", "#666666", "#8a8a8a"
PAPER, HEADER, CONSTANT, OUTPUT = "#ffffff", "#dce6f2", "#f0f0f0", "#4f78ab"


def to_dot(order: Sequence[Node], direction: str) -> graphviz.Digraph:
    """Describe a graph, given in topological order, in DOT.

    Nodes are named n0, n1, ... in that order, so the same graph gives the same text on every run.
    `RenderError` if the direction is not one of `DIRECTIONS`.
    """
    import graphviz

    if direction not in DIRECTIONS:
        raise RenderError(f"direction is one of {', '.join(DIRECTIONS)}, got {direction!r}")
    dot = graphviz.Digraph(
        graph_attr={
            "rankdir": direction,
            "ordering": "in",  # a - b has a before b
            "bgcolor": "transparent",
            "nodesep": "0.2",
            "ranksep": "0.4",
            **(QUICK if len(order) > LARGE else {}),
        },
        node_attr={"shape": "plain", "fontname": FONT, "fontsize": "11", "fontcolor": INK},
        edge_attr={"color": LINE, "arrowsize": "0.7"},
    )
    names = {node: f"n{i}" for i, node in enumerate(order)}
    for node, name in names.items():
        dot.node(name, _box(node, is_output=node is order[-1]))
        for operand in node.inputs:
            dot.edge(names[operand], name)
    return dot


def _box(node: Node, *, is_output: bool) -> str:
    """The HTML-like label of one node: a header, then a row each for data and gradient."""
    rows = [_header(node), *_numbers(node)]
    if node.is_constant:
        style = f'BGCOLOR="{CONSTANT}" COLOR="{LINE}" STYLE="dashed"'
    else:
        style = f'BGCOLOR="{PAPER}" COLOR="{OUTPUT if is_output else FAINT}"'
    return (
        f'<<TABLE BORDER="{3 if is_output else 1}" CELLBORDER="0" CELLSPACING="0" '
        f'CELLPADDING="3" {style}>{"".join(rows)}</TABLE>>'
    )


def _header(node: Node) -> str:
    """The label and, for a computed node, the operation on a tinted ground."""
    ground = "" if node.is_leaf or node.is_constant else f' BGCOLOR="{HEADER}"'
    label = _text(_short(node.label), size=13)
    operation = _text(_short(_operation(node)), size=13, color=FAINT if label else INK)
    content = "  ".join(filter(None, [label, operation]))
    return content and f'<TR><TD COLSPAN="4"{ground}>{content}</TD></TR>'


def _operation(node: Node) -> str:
    """The primitive's label with its parameters, such as "sum axis=0"; nothing for a leaf."""
    if node.primitive is None:
        return ""
    params = [
        f"{name}={_param(value)}"
        for name, value in node.params.items()
        if value is not None and value is not False  # what was not asked for
    ]
    return " ".join([node.primitive.label, *params])


def _param(value: Any, depth: int = 3) -> str:
    """A parameter in few characters; one of an unknown kind shows its type, never an address."""
    match value:
        case np.ndarray():
            return f"{value.dtype}{value.shape}"
        case slice():
            parts = (value.start, value.stop, value.step)
            return ":".join("" if part is None else str(part) for part in parts).removesuffix(":")
        case tuple() | list() if depth:
            return f"({', '.join(_param(item, depth - 1) for item in value[:MAX_TEXT])})"
        case None | bool() | int() | str() | np.integer() | np.bool_():
            return str(value)
        case float() | np.floating():
            return _number(value)
        case _:
            return "..." if value is Ellipsis else type(value).__name__


def _numbers(node: Node) -> list[str]:
    """The rows of data and gradient."""
    data = node.numpy()
    rows: list[str] = []
    if isinstance(data, np.ndarray):
        kind = f"{data.shape} {data.dtype}"
        rows.append(f'<TR><TD COLSPAN="4">{_text(kind, color=FAINT)}</TD></TR>')
    color = FAINT if node.is_constant else INK
    if np.size(data) > MAX_NUMBERS:
        rows.append(_row("", ("min", "mean", "max"), FAINT))
        rows.append(_row("data", _summary(data), color))
    else:
        rows.append(_row("data", (_array(data),), color))
    if not node.is_constant:
        rows.append(_gradient_row(node.grad))
    return rows


def _gradient_row(grad: Any) -> str:
    if grad is None:
        return _row("grad", (NOT_COMPUTED,), FAINT)
    return _row("grad", _summary(grad) if np.size(grad) > MAX_NUMBERS else (_array(grad),), INK)


def _row(name: str, values: tuple[str, ...], color: str) -> str:
    """A row with its name at the left and one or three values at the right."""
    span = f' COLSPAN="{4 - len(values)}"' if len(values) < 3 else ""
    cells = "".join(
        f'<TD ALIGN="RIGHT"{span if i == 0 else ""}>{_text(value, color=color)}</TD>'
        for i, value in enumerate(values)
    )
    return f'<TR><TD ALIGN="LEFT">{_text(name, color=FAINT)}</TD>{cells}</TR>'


def _summary(array: Any) -> tuple[str, ...]:
    """Least, mean and greatest element."""
    with np.errstate(all="ignore"):
        return tuple(_number(f(array)) for f in (np.min, lambda a: np.mean(a, dtype=float), np.max))


def _array(array: Any) -> str:
    """All numbers of a small array, nested as in Python."""
    if np.size(array) == 0:
        return "empty"
    if np.ndim(array) == 0:
        return _number(array)
    return "[" + ", ".join(_array(row) for row in array) + "]"


def _number(value: Any) -> str:
    return str(value) if isinstance(value, int | np.integer | np.bool_) else f"{float(value):.4g}"


def _text(text: str, *, size: int | None = None, color: str | None = None) -> str:
    """Any text, made fit to stand in an HTML-like label, where an empty element is an error."""
    style = "".join(
        f' {name}="{value}"'
        for name, value in (("POINT-SIZE", size), ("COLOR", color))
        if value is not None
    )
    text = html.escape("".join(map(_visible, text)))
    text = text.replace("\\", "\\\\")  # for Graphviz, \N is the name of the node
    return text and f"<FONT{style}>{text}</FONT>"


def _short(text: str) -> str:
    """Text on one line of at most `MAX_TEXT` characters."""
    line = " ".join(str(text)[: 10 * MAX_TEXT].split())
    return line if len(line) <= MAX_TEXT else line[: MAX_TEXT - 1] + "…"


def _visible(char: str) -> str:
    """The character, or a mark for a control, a lone surrogate, or what turns writing around."""
    hidden = unicodedata.category(char) in HIDDEN or unicodedata.bidirectional(char) in TURNING
    return "\N{REPLACEMENT CHARACTER}" if hidden else char
