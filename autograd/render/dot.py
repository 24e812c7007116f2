"""A recorded graph as DOT text: one box a node, one arrow an input.

Nothing here knows a primitive by name. A box is an HTML-like label of Graphviz, where the only
special characters are those of HTML and the backslash. Every cell is as wide as its text in the
shipped font, and text starts at a cell's left edge: so no layout has to know a font.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from math import ceil
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from ..errors import RenderError
from ..graph import Node
from . import font

if TYPE_CHECKING:
    import graphviz

__all__ = ["DIRECTIONS", "Cell", "boxed", "empty_dot", "to_dot"]

DIRECTIONS: Final = ("LR", "RL", "TB", "BT")
"""Where arrows point, as Graphviz names it: LR is left to right, TB is top to bottom."""

MAX_NUMBERS: Final = 6
"""A Tensor with at most so many elements shows its numbers, a larger one a summary."""

MAX_TEXT: Final = 40
"""The longest label in a box; more ends in an ellipsis."""

MAX_PARAMS: Final = 24
"""Likewise for the parameters of an operation."""

LARGE: Final = 1000
"""With more nodes, Graphviz searches less for the best places and arrows are straight."""

QUICK: Final = {"nslimit": "0.1", "mclimit": "0.1", "splines": "line"}

NOT_COMPUTED: Final = "\N{EN DASH}"
"""Shown for a gradient that is None, which differs from 0."""

HIDDEN: Final = ("Cc", "Cs", "Cn")
TURNING: Final = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
"""Categories and bidirectional classes of the characters that a picture replaces by a mark."""

# The first family is the one that cells are measured with; Verdana is as wide.
FONT: Final = "DejaVu Sans,Verdana,sans-serif"

SIZE, LARGE_SIZE, PADDING = 11, 13, 3

ESCAPES: Final = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        '"': "&quot;",
        "'": "&#39;",
        "\\": "\\\\",  # for Graphviz, \N is the name of the node
    }
)

# Boxes are filled and lines mid-grey, so that a picture reads on a light page, on a dark one, and
# printed in black and white.
INK, FAINT, LINE = "#1a1a1a", "#666666", "#8a8a8a"
PAPER, HEADER, CONSTANT, OUTPUT = "#ffffff", "#dce6f2", "#f0f0f0", "#4f78ab"


def to_dot(order: Sequence[Node], direction: str) -> graphviz.Digraph:
    """Describe a graph, given in topological order, in DOT.

    Nodes are named n0, n1, ... in that order, so the same graph gives the same text on every run.
    `RenderError` if the direction is not one of `DIRECTIONS`.
    """
    dot = empty_dot(direction, len(order))
    names = {node: f"n{i}" for i, node in enumerate(order)}
    for node, name in names.items():
        dot.node(name, _box(node, is_output=node is order[-1]))
        for operand in node.inputs:
            dot.edge(names[operand], name)
    return dot


def empty_dot(direction: str, boxes: int) -> graphviz.Digraph:
    """A picture without boxes yet, in the style of all.

    `RenderError` if the direction is not one of `DIRECTIONS`.
    """
    import graphviz

    if direction not in DIRECTIONS:
        raise RenderError(f"direction is one of {', '.join(DIRECTIONS)}, got {direction!r}")
    text = {"fontname": FONT, "fontsize": str(SIZE)}
    return graphviz.Digraph(
        graph_attr={
            "rankdir": direction,
            "ordering": "in",  # a - b has a before b
            "bgcolor": "transparent",
            "nodesep": "0.2",
            "ranksep": "0.4",
            **(QUICK if boxes > LARGE else {}),
        },
        node_attr={"shape": "plain", "fontcolor": INK, **text},
        edge_attr={"color": LINE, "arrowsize": "0.7", "fontcolor": LINE, **text},
    )


class Cell(NamedTuple):
    """One text in a box."""

    text: str
    color: str = INK
    size: int = SIZE

    @property
    def width(self) -> int:
        return ceil(font.width(self.text, self.size)) + 2 * PADDING


def _box(node: Node, *, is_output: bool) -> str:
    """The HTML-like label of one node: a header, then a row each for data and gradient."""
    header, rows = _header(node), _numbers(node)
    columns = [
        max((row[i].width for row in rows if len(row) in lengths), default=0)
        for i, lengths in ((0, (2, 4)), (1, (4,)), (2, (4,)))
    ]
    widths = [[*columns[: len(row) - 1], row[-1].width] for row in rows]
    total = max(sum(cell.width for cell in header), *map(sum, widths))
    count = max(map(len, rows))
    lines = [f"<TR>{_cells(row, columns[: len(row) - 1], total, count)}</TR>" for row in rows]
    if header:
        is_plain = node.is_leaf or node.is_constant
        lines.insert(0, _title(header, total, count, "" if is_plain else f' BGCOLOR="{HEADER}"'))
    if node.is_constant:
        style = f'BGCOLOR="{CONSTANT}" COLOR="{LINE}" STYLE="dashed"'
    else:
        style = f'BGCOLOR="{PAPER}" COLOR="{OUTPUT if is_output else FAINT}"'
    return f'<{_table(lines, f"""BORDER="{3 if is_output else 1}" {style}""")}>'


def boxed(title: Cell, rows: Sequence[Cell], ground: str) -> str:
    """The HTML-like label of a box of one column."""
    total = max(cell.width for cell in (title, *rows))
    lines = [f"<TR>{_cells([cell], [], total, 1)}</TR>" for cell in (title, *rows)]
    lines[0] = lines[0].replace("<TD", f'<TD BGCOLOR="{ground}"')
    return f'<{_table(lines, f"""BORDER="1" BGCOLOR="{PAPER}" COLOR="{FAINT}" """)}>'


def _title(header: list[Cell], total: int, count: int, ground: str) -> str:
    """The row of the header, a table in the table if it has two texts."""
    if len(header) == 1:
        return f"<TR>{_cells(header, [], total, count).replace('<TD', f'<TD{ground}')}</TR>"
    inner = _table([f"<TR>{_cells(header, [header[0].width], total, 2)}</TR>"], 'BORDER="0"')
    return f'<TR><TD COLSPAN="{count}" CELLPADDING="0"{ground}>{inner}</TD></TR>'


def _table(lines: list[str], style: str) -> str:
    shared = f'CELLBORDER="0" CELLSPACING="0" CELLPADDING="{PADDING}"'
    return f"<TABLE {style} {shared}>{''.join(lines)}</TABLE>"


def _cells(cells: list[Cell], widths: list[int], total: int, count: int) -> str:
    """A row of `count` columns, the last cell of which takes what is left of the `total` width."""
    span = count - len(widths)
    spans = [*([""] * len(widths)), f' COLSPAN="{span}"' if span > 1 else ""]
    return "".join(
        f'<TD ALIGN="LEFT" WIDTH="{width}"{columns}>{_text(cell)}</TD>'
        for cell, width, columns in zip(cells, [*widths, total - sum(widths)], spans, strict=True)
    )


def _header(node: Node) -> list[Cell]:
    """The label and, for a computed node, the operation."""
    label, operation = _clean(node.label, MAX_TEXT), _operation(node)
    cells = [Cell(label, INK, LARGE_SIZE), Cell(operation, FAINT if label else INK, LARGE_SIZE)]
    return [cell for cell in cells if cell.text]


def _operation(node: Node) -> str:
    """The primitive's label with its parameters, such as "sum axis=0"; nothing for a leaf."""
    if node.primitive is None:
        return ""
    params = [
        f"{name}={_param(value)}"
        for name, value in node.params.items()
        if value is not None and value is not False  # what was not asked for
    ]
    shown = _clean(", ".join(params), MAX_PARAMS)
    return _clean(node.primitive.label, MAX_TEXT) + (f" {shown}" if shown else "")


def _param(value: Any, depth: int = 3) -> str:
    """A parameter in few characters; one of an unknown kind shows its type, never an address."""
    match value:
        case np.ndarray():
            return _array(value) if value.size <= MAX_NUMBERS else "…"
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
            name = getattr(value, "__name__", type(value).__name__)
            return "..." if value is Ellipsis else name


def _numbers(node: Node) -> list[list[Cell]]:
    """The rows of a Tensor's kind, of data and of gradient: of one, two or four cells."""
    data = node.numpy()
    rows: list[list[Cell]] = []
    if isinstance(data, np.ndarray):
        rows.append([Cell(f"{data.shape} {data.dtype}", FAINT)])
    if np.size(data) > MAX_NUMBERS:
        rows.append([Cell(text, FAINT) for text in ("", "min", "mean", "max")])
    rows.append(_row("data", data, FAINT if node.is_constant else INK))
    if not node.is_constant:
        rows.append(_row("grad", node.grad, INK))
    return rows


def _row(name: str, value: Any, color: str) -> list[Cell]:
    """A name, and the value or a summary of it."""
    if value is None:
        return [Cell(name, FAINT), Cell(NOT_COMPUTED, FAINT)]
    texts = _summary(value) if np.size(value) > MAX_NUMBERS else (_array(value),)
    return [Cell(name, FAINT), *(Cell(text, color) for text in texts)]


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


def _text(cell: Cell) -> str:
    """A text of an HTML-like label, where an empty element is an error."""
    style = f' COLOR="{cell.color}"' if cell.color != INK else ""
    style += f' POINT-SIZE="{cell.size}"' if cell.size != SIZE else ""
    text = cell.text.translate(ESCAPES)
    return f"<FONT{style}>{text}</FONT>" if style and text else text


def _clean(text: str, length: int) -> str:
    """Text on one line of at most `length` characters, all of which can be shown."""
    line = " ".join(str(text)[: 10 * length].split())
    line = line if len(line) <= length else line[: length - 1] + "…"
    return "".join(map(_visible, line))


@cache
def _visible(char: str) -> str:
    """The character, or a mark for a control, a lone surrogate, or what turns writing around."""
    hidden = unicodedata.category(char) in HIDDEN or unicodedata.bidirectional(char) in TURNING
    return "\N{REPLACEMENT CHARACTER}" if hidden else char
