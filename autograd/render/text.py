"""A scene as text: boxes and lines of Unicode's box-drawing characters, for a terminal.

A small graph stands in layers from left to right. One that is too wide for that, has open scopes,
or has a cycle is a list from top to bottom, where the line of a box goes down a rail at the side
and its consumers are reached from there. In both, all arrows from a box share one line; it forks
by threes, so where four lines meet, two cross.

A `Plan` says what stands where; `layers.py` makes one of layers, here is that of the list, and
`_paint` makes characters of either.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from ..words import advance, columns
from .layers import layered
from .plan import (
    HEAVY,
    LIGHT,
    Line,
    Plan,
    Text,
    arrows_by_box,
    height_of,
    plain,
    room_for,
    rows_of,
    title_of,
    tracks,
    weight_of,
    width_of,
)
from .scene import Box, Group, Scene

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["to_text"]

UP, RIGHT, DOWN, LEFT = 1, 3, 9, 27
"""The code of a cell: the sum over its sides of the side times the weight of the line there."""

ROUTE, SOLID, DASHED, DOTTED = range(4)
"""Styles of a cell: that of an arrow's line, whose corners are round, and those of borders."""

CONTINUED: Final = " (continued)"
"""After the title of a scope that other boxes have interrupted."""


def to_text(scene: Scene) -> str:
    """Draw a scene with box-drawing characters.

    Title and operation stand in a box's upper border. The output and what is active or marked have
    a heavy border, and what is active a dot; the border of a constant is dashed, of what is dimmed
    dotted. Arrows arrive in the order of the operands, the first uppermost, each with its text;
    active and marked ones are heavy. LR and RL are layers where 100 columns are enough; TB and BT
    are a list. The note comes last.

    Parameters
    ----------
    scene : Scene
        What to show.

    Returns
    -------
    str
        Lines without trailing blanks, each ended by a line feed; the same scene gives the same
        text. No character in it moves the cursor or turns writing around.

    Examples
    --------
    >>> from autograd.render.scene import Arrow, Box, Row, Scene
    >>> a = Box("n0", "a", "", (Row("data", ("2",)), Row("grad", ("4",))), "leaf")
    >>> y = Box("n1", "y", "×", (Row("data", ("4",)), Row("grad", ("1",))), "output")
    >>> print(to_text(Scene((a, y), (Arrow("n0", "n1"), Arrow("n0", "n1")))), end="")
    ┌─ a ────┐     ┏━ y  × ━┓
    │ data 2 ├─┬──►┃ data 4 ┃
    │ grad 4 │ ╰──►┃ grad 1 ┃
    └────────┘     ┗━━━━━━━━┛
    """
    plan = layered(scene) or _listed(scene)
    note = [plain(scene.note)] if scene.note else []
    return "".join(f"{line}\n" for line in [*_paint(plan), *note])


# A list from top to bottom, with rails.


def _listed(scene: Scene) -> Plan:
    """One box under the other: every graph can be drawn so, one with cycles too."""
    plan = Plan()
    leaving, arriving = arrows_by_box(scene)
    scopes = _scopes(scene.groups)
    edge = _edge(scene, scopes)
    leaves, arrives = _stack(plan, scene, scopes, arriving, edge)
    spans = {}
    for name, arrows in leaving.items():
        if arrows:
            rows = [leaves[name], *(arrives[i] for i in arrows)]
            spans[name] = (min(rows), max(rows))
    nets = sorted(spans, key=lambda name: spans[name][1] - spans[name][0])  # the short ones inside
    rails = tracks([spans[name] for name in nets])
    first = edge + 3 + room_for(scene.arrows)
    for name, rail in zip(nets, rails, strict=True):
        x = first + 2 * rail
        for i in leaving[name]:
            start, end = (edge - 1, leaves[name]), (edge, arrives[i])
            corners = ((x, start[1]), (x, end[1]))
            plan.lines.append(Line((start, *corners, end), weight_of(scene.arrows[i])))
            plan.add_head(scene.arrows[i], *end, "◄")
    plan.width = first + 2 * (max(rails, default=0) + 1)
    return plan


def _scopes(groups: Sequence[Group]) -> dict[str, tuple[Group, ...]]:
    """The open scopes around and including each, outermost first."""
    scopes: dict[str, tuple[Group, ...]] = {"": ()}
    for group in groups:  # a parent comes before what is in it
        scopes[group.name] = (*scopes[group.parent], group)
    return scopes


def _edge(scene: Scene, scopes: Mapping[str, tuple[Group, ...]]) -> int:
    """The column at which all boxes of a list end, and no title of a scope does later."""
    boxes = [2 * len(scopes[box.group]) + width_of(box) for box in scene.boxes]
    titles = [
        2 * len(scopes[group.name]) + columns(plain(group.title) + CONTINUED)
        for group in scene.groups
    ]
    return max([*boxes, *titles], default=0)


def _stack(
    plan: Plan,
    scene: Scene,
    scopes: Mapping[str, tuple[Group, ...]],
    arriving: Mapping[str, list[int]],
    edge: int,
) -> tuple[dict[str, int], dict[int, int]]:
    """Stand the boxes under each other, each scope with its title and a bar at the left.

    Returns the row in which the line of each box leaves, and the row of each arrow's head.
    """
    leaves: dict[str, int] = {}
    arrives: dict[int, int] = {}
    before: tuple[Group, ...] = ()
    seen: set[str] = set()
    y = 0
    for box in scene.boxes if scene.direction != "BT" else reversed(scene.boxes):
        around = scopes[box.group]
        for depth, scope in enumerate(around):
            if around[: depth + 1] != before[: depth + 1]:
                again = CONTINUED if scope.name in seen else ""
                plan.texts.append(Text(0, y, "╎ " * depth + plain(scope.title) + again))
                seen.add(scope.name)
                y += 1
        before = around
        height = height_of(box, arriving)
        plan.texts += [Text(0, row, "╎ " * len(around)) for row in range(y, y + height)]
        plan.add_box(box, 2 * len(around), y, edge - 2 * len(around), height)
        arrives |= {arrow: row for row, arrow in enumerate(arriving[box.name], y + 1)}
        y += height
        leaves[box.name] = y - 1
    return leaves, arrives


# Characters.


def _cells(text: str) -> list[str]:
    """One string a column; a wide character is followed by an empty one."""
    cells: list[str] = []
    before = ""  # what takes no column and has none before it to stand in
    for char in text:
        if width := advance(char):
            cells += [before + char, *[""] * (width - 1)]
            before = ""
        elif cells:
            cells[-1] += char
        else:
            before += char
    return cells or [before] * bool(before)


def _paint(plan: Plan) -> list[str]:
    """The lines of a plan; texts stand on the lines that they meet."""
    code = np.zeros((plan.height, plan.width), np.uint8)
    style = np.full(code.shape, ROUTE, np.uint8)
    texts = plan.texts.copy()
    for x, y, width, height, box in plan.frames:
        right, bottom = x + width - 1, y + height - 1
        corners = ((x, y), (right, y), (right, bottom), (x, bottom), (x, y))
        style[y : bottom + 1, x : right + 1], weight = _border(box)
        _stroke(code, corners, weight)
        texts += [Text(x + 2, row, text) for row, text in enumerate(rows_of(box), y + 1)]
        if title := title_of(box):
            texts.append(Text(x + 2, y, f" {title} "))
    for points, weight in plan.lines:
        _stroke(code, points, weight)
    rows = _glyphs()[style, code].tolist()
    for x, y, text in texts:
        cells = _cells(text)
        rows[y][x : x + len(cells)] = cells
    return ["".join(row).rstrip() for row in rows]


def _border(box: Box) -> tuple[int, int]:
    """Style and weight."""
    is_heavy = box.kind == "output" or box.state in ("active", "marked")
    style = DASHED if box.kind == "constant" else SOLID
    return DOTTED if box.state == "dim" else style, HEAVY if is_heavy else LIGHT


def _stroke(code: NDArray[np.uint8], points: Sequence[tuple[int, int]], weight: int) -> None:
    """Draw from point to point; where a line is drawn already, the heavier one stays."""
    for (x1, y1), (x2, y2) in pairwise(points):
        x1, x2, y1, y2 = min(x1, x2), max(x1, x2), min(y1, y2), max(y1, y2)
        if y1 == y2:
            ends = ((code[y1, x1:x2], RIGHT), (code[y1, x1 + 1 : x2 + 1], LEFT))
        else:
            ends = ((code[y1:y2, x1], DOWN), (code[y1 + 1 : y2 + 1, x1], UP))
        for cells, side in ends:
            lighter = cells // side % 3 < weight
            cells[lighter] += ((weight - cells // side % 3) * side)[lighter]


@cache
def _glyphs() -> NDArray[np.str_]:
    """The character of each style and code: Unicode's names say on which sides its lines are."""
    weights = {"LIGHT": LIGHT, "HEAVY": HEAVY}
    sides = {"UP": UP, "RIGHT": RIGHT, "DOWN": DOWN, "LEFT": LEFT}
    sides |= {"VERTICAL": UP + DOWN, "HORIZONTAL": LEFT + RIGHT}
    glyphs = np.full((4, 81), " ", "<U1")
    for char in map(chr, range(0x2500, 0x2580)):
        words = unicodedata.name(char).removeprefix("BOX DRAWINGS ").split()
        if not {*words} <= {*weights, *sides, "AND"}:  # dashes, arcs, doubled lines
            continue
        code, weight = 0, LIGHT
        for part in " ".join(words).split(" AND "):
            named = [weights[word] for word in part.split() if word in weights]
            weight = named[0] if named else weight  # "LIGHT DOWN AND RIGHT" says it once
            code += weight * sum(sides[word] for word in part.split() if word in sides)
        glyphs[:, code] = char
    glyphs[ROUTE, [DOWN + RIGHT, DOWN + LEFT, UP + LEFT, UP + RIGHT]] = list("╭╮╯╰")
    for style, dashes in ((DASHED, "╌╎╍╏"), (DOTTED, "┈┊┉┋")):
        straight = [LEFT + RIGHT, UP + DOWN, 2 * (LEFT + RIGHT), 2 * (UP + DOWN)]
        glyphs[style, straight] = list(dashes)
    return glyphs
