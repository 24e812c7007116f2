"""A scene as DOT text, which Graphviz lays out. Nothing here sees a node.

A box is an HTML-like label of Graphviz, where the only special characters are those of HTML and
the backslash. Every cell is as wide as its text in the shipped font, and text starts at a cell's
left edge: so no layout has to know a font. Text stands on a ground of its own everywhere, so that
it reads on a light page, on a dark one, and printed in black and white.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from . import font
from .palette import (
    ACTIVE,
    ACTIVE_GROUND,
    CONSTANT,
    DIM_GROUND,
    DIM_LINE,
    DIMMED,
    FAINT,
    FOLDED,
    HEADER,
    INK,
    LINE,
    MARKED,
    NOT_FINITE,
    OUTPUT,
    PAPER,
    ground,
)
from .placement import layers, placed
from .scene import Arrow, Box, Group, Row, Scene

if TYPE_CHECKING:
    import graphviz
    from numpy.typing import NDArray

__all__ = ["ARROWS", "Cell", "Look", "cell_of_arrow", "cells_of", "header_of", "look_of", "to_dot"]

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

CAREFUL: Final = 3_000
"""Arrows may pass so many layers in all for Graphviz to search for the best picture."""

QUICK: Final = 30_000
"""So many, for a short search."""

SHORT_SEARCH: Final = {"nslimit": "0.1", "mclimit": "0.1", "splines": "line"}

MANY: Final = 2_000
"""Of more boxes, a layer may be too wide for Graphviz."""

APART, FARTHEST = 0.4, 4.0
"""Inches between layers, and at most so many where arrows are many."""

AS_PLACED: Final = {"layout": "nop", "splines": "line", "outputorder": "edgesfirst"}
"""Boxes stand where they are put, and arrows are beneath."""


class Look(NamedTuple):
    """How a box is drawn: its ground, that of its title, its border and the colours of texts."""

    ground: str
    header: str
    border: str
    width: int = 1
    dashed: bool = False
    ink: str = INK
    faint: str = FAINT
    is_tinted: bool = True


KINDS: Final = {
    "leaf": Look(PAPER, PAPER, FAINT),
    "constant": Look(CONSTANT, CONSTANT, LINE, dashed=True, ink=FAINT, is_tinted=False),
    "computed": Look(PAPER, HEADER, FAINT),
    "output": Look(PAPER, HEADER, OUTPUT, 3),
    "folded": Look(PAPER, FOLDED, FAINT),
    "batch": Look(PAPER, HEADER, FAINT),
}


def look_of(box: Box) -> Look:
    """How a box of its kind is drawn in its state."""
    look = KINDS[box.kind]
    if box.state == "active":
        return look._replace(header=ACTIVE_GROUND, border=ACTIVE, width=3)
    if box.state == "marked":
        return look._replace(border=MARKED, width=3)
    if box.state == "dim":
        return Look(DIM_GROUND, DIM_GROUND, DIM_LINE, 1, look.dashed, DIMMED, DIMMED, False)
    return look


ARROWS: Final[dict[str, dict[str, str]]] = {
    "": {},
    "active": {"color": ACTIVE, "penwidth": "3"},
    "marked": {"color": MARKED, "penwidth": "3"},
    "dim": {"penwidth": "0.4", "arrowsize": "0.5"},
}


def to_dot(scene: Scene) -> graphviz.Digraph:
    """Describe a scene in DOT.

    In an SVG that Graphviz makes of it, a box has its name as id, the i-th arrow ``a{i}``, an open
    scope its name. The texts of a box come in this order: title, operation, then for each row
    its name, unless that is "", and its texts.

    Examples
    --------
    >>> from autograd import Value
    >>> from autograd.render.scene import scene
    >>> to_dot(scene(Value(2.0, label="a").exp())).source.count("->")
    1
    """
    import graphviz

    plan = _plan(scene)
    parts = {"": graphviz.Digraph(**_style(scene))}
    parts[""].graph_attr.update(plan.style)
    groups = () if plan.spots else scene.groups
    for group in groups:
        parts[group.name] = graphviz.Digraph(f"cluster_{group.name}", graph_attr=_frame(group))
    for box in scene.boxes:
        part = parts.get(box.group, parts[""])
        part.node(box.name, _label(box), id=box.name, **plan.spot(box.name))
    for group in reversed(groups):  # inner ones first
        parts[group.parent].subgraph(parts[group.name])
    for i, arrow in enumerate(scene.arrows):
        text = _beside(arrow) if plan.has_text else ""
        parts[""].edge(arrow.tail, arrow.head, text, id=f"a{i}", **ARROWS[arrow.state])
    return parts[""]


def _style(scene: Scene) -> dict[str, dict[str, str]]:
    """What holds for the graph, for all boxes, for all arrows."""
    text = {"fontname": FONT, "fontsize": str(SIZE), "fontcolor": INK}
    note = {"label": _alone(Cell(scene.note)), "labelloc": "b", "labeljust": "l"}
    return {
        "graph_attr": {
            "rankdir": scene.direction,
            "ordering": "in",  # a - b has a before b
            "bgcolor": "transparent",
            "nodesep": "0.2",
            **text,
            **(note if scene.note else {}),
        },
        "node_attr": {"shape": "plain", **text},
        "edge_attr": {"color": LINE, "arrowsize": "0.7", **text},
    }


# --------------------------------------------------------------------------- how to lay out


class Plan(NamedTuple):
    """How a graph is laid out: attributes for it, and where boxes stand if we say so."""

    style: Mapping[str, str]
    spots: Mapping[str, str]
    has_text: bool

    def spot(self, name: str) -> dict[str, str]:
        return {"pos": self.spots[name]} if self.spots else {}


def _plan(scene: Scene) -> Plan:
    """Let Graphviz search for as long as it can afford, and place what is too tangled for it."""
    number = {box.name: i for i, box in enumerate(scene.boxes)}
    ends = [(number[arrow.tail], number[arrow.head]) for arrow in scene.arrows]
    layer = layers(len(scene.boxes), ends)
    passed = sum(abs(int(layer[head] - layer[tail])) for tail, head in ends)
    shared = sum(arrow.count > 1 for arrow in scene.arrows)
    has_text = shared <= 3 * len(scene.boxes)
    if len(scene.boxes) <= MANY and passed <= QUICK:
        style = {} if passed <= CAREFUL else SHORT_SEARCH
        return Plan({"ranksep": f"{_apart(layer, ends):.2f}", **style}, {}, has_text)
    sizes = np.array([_sheet(box, look_of(box)).size for box in scene.boxes], dtype=float)
    is_flat = scene.direction in ("LR", "RL")
    along, across = placed(layer, ends, sizes if is_flat else sizes[:, ::-1])
    x, y = (along, -across) if is_flat else (across, -along)
    x, y = (-x if scene.direction == "RL" else x), (-y if scene.direction == "BT" else y)
    spots = [f"{a:.1f},{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    return Plan(AS_PLACED, dict(zip(number, spots, strict=True)), has_text)


def _apart(layer: NDArray[np.int64], arrows: Sequence[tuple[int, int]]) -> float:
    """Inches between layers: the more, the more arrows lead from one to the next beside one a box.

    In a gap that is too narrow for them they are one grey band.
    """
    boxes = np.bincount(layer, minlength=1)
    tails, heads = layer[np.array(arrows, dtype=np.int64).reshape(-1, 2)].T
    short = np.bincount(tails[heads == tails + 1], minlength=len(boxes))[:-1]
    crowd = max((short - np.maximum(boxes[:-1], boxes[1:])).max(initial=0), 0)
    return float(min(APART + crowd / 100, FARTHEST))


def _frame(group: Group) -> dict[str, str]:
    title = {"label": _alone(Cell(group.title)), "labelloc": "t", "labeljust": "l"}
    return {"id": group.name, "style": "rounded", "color": LINE, **title}


def _beside(arrow: Arrow) -> str:
    """The text of an arrow, on the ground of its number."""
    return _alone(cell_of_arrow(arrow)) if arrow.text else ""


def cell_of_arrow(arrow: Arrow) -> Cell:
    """What stands beside an arrow."""
    if arrow.state == "dim":
        return Cell(arrow.text, DIMMED, ground=DIM_GROUND)
    if not arrow.is_finite:
        return Cell(arrow.text, PAPER, ground=NOT_FINITE)
    return Cell(arrow.text, ground=ground(arrow.tone) or PAPER)


# --------------------------------------------------------------------------- boxes


class Cell(NamedTuple):
    """One text, and the ground that it stands on if not on that of the box."""

    text: str
    color: str = INK
    size: int = SIZE
    ground: str = ""

    @property
    def width(self) -> int:
        return ceil(font.width(self.text, self.size)) + 2 * PADDING


def _alone(cell: Cell) -> str:
    """The label of what is no box, on a ground of its own."""
    style = f'BORDER="0" BGCOLOR="{cell.ground or PAPER}"'
    bare = cell._replace(ground="")
    return f"<{_table([_line([bare], [], cell.width, 1)], style)}>"


class Sheet(NamedTuple):
    """What stands in a box: a header, and rows of cells in columns of these widths."""

    header: list[Cell]
    rows: list[list[Cell]]
    columns: list[int]
    width: int

    @property
    def size(self) -> tuple[int, int]:
        """About how wide and how high the box is, in points."""
        return self.width + 2, 20 * (len(self.rows) + bool(self.header)) + 6


def _sheet(box: Box, look: Look) -> Sheet:
    header, rows = header_of(box, look), [cells_of(row, look) for row in box.rows]
    if not header and not rows:
        rows = [[Cell(" ")]]  # a table without a row is an error of Graphviz
    columns = [
        max((row[i].width for row in rows if len(row) > i + 1), default=0)
        for i in range(max(map(len, rows), default=1) - 1)
    ]
    ends = [sum(columns[: len(row) - 1]) + row[-1].width for row in rows]
    return Sheet(header, rows, columns, max(sum(cell.width for cell in header), *ends, 0))


def _label(box: Box) -> str:
    """The label of a box: a header, then its rows, in up to four columns."""
    look = look_of(box)
    header, rows, columns, width = _sheet(box, look)
    count = len(columns) + 1
    lines = [_line(row, columns[: len(row) - 1], width, count) for row in rows]
    if header:
        lines.insert(0, _title(header, width, count, look.header))
    style = f'BORDER="{look.width}" BGCOLOR="{look.ground}" COLOR="{look.border}"'
    style += ' STYLE="dashed"' * look.dashed
    return f"<{_table(lines, style)}>"


def header_of(box: Box, look: Look) -> list[Cell]:
    """Title and operation; the operation in ink if it stands alone."""
    cells = [
        Cell(box.title, look.ink, LARGE_SIZE),
        Cell(box.operation, look.faint if box.title else look.ink, LARGE_SIZE),
    ]
    return [cell for cell in cells if cell.text]


def cells_of(row: Row, look: Look) -> list[Cell]:
    """The cells of a row: one text, or a name and the texts."""
    if not row.name:
        names = [""] * (len(row.texts) > 1)
        return [Cell(text, look.faint) for text in (*names, *row.texts)]
    color, under = look.ink, ""
    if look.is_tinted:
        color, under = (PAPER, NOT_FINITE) if row.marked else (look.ink, ground(row.tone))
    return [Cell(row.name, look.faint), *(Cell(text, color, ground=under) for text in row.texts)]


def _title(header: list[Cell], total: int, count: int, ground: str) -> str:
    """The row of the header, a table in the table if it has two texts."""
    if len(header) == 1:
        return _line([header[0]._replace(ground=ground)], [], total, count)
    inner = _table([_line(header, [header[0].width], total, 2)], 'BORDER="0"')
    return f'<TR><TD COLSPAN="{count}" CELLPADDING="0" BGCOLOR="{ground}">{inner}</TD></TR>'


def _table(lines: list[str], style: str) -> str:
    shared = f'CELLBORDER="0" CELLSPACING="0" CELLPADDING="{PADDING}"'
    return f"<TABLE {style} {shared}>{''.join(lines)}</TABLE>"


def _line(cells: list[Cell], widths: list[int], total: int, count: int) -> str:
    """A row of `count` columns, the last cell of which takes what is left of the `total` width."""
    span = count - len(widths)
    spans = [*([""] * len(widths)), f' COLSPAN="{span}"' if span > 1 else ""]
    return f"<TR>{''.join(map(_cell, cells, [*widths, total - sum(widths)], spans))}</TR>"


def _cell(cell: Cell, width: int, span: str) -> str:
    """A cell of a table; an empty element in it would be an error of Graphviz."""
    ground = f' BGCOLOR="{cell.ground}"' if cell.ground else ""
    style = f' COLOR="{cell.color}"' if cell.color != INK else ""
    style += f' POINT-SIZE="{cell.size}"' if cell.size != SIZE else ""
    text = cell.text.translate(ESCAPES)
    text = f"<FONT{style}>{text}</FONT>" if style and text else text
    return f'<TD ALIGN="LEFT" WIDTH="{width}"{span}{ground}>{text}</TD>'
