"""A drawing in characters before it is painted: what stands where, in columns and rows.

A column is one cell of the terminal: Chinese and emoji take two, a combining mark none.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Final, NamedTuple

from ..words import columns
from .scene import Arrow, Box, Scene

__all__ = [
    "HEAVY",
    "LIGHT",
    "Frame",
    "Line",
    "Plan",
    "Text",
    "arrows_by_box",
    "height_of",
    "plain",
    "room_for",
    "rows_of",
    "title_of",
    "tracks",
    "weight_of",
    "width_of",
]

LIGHT, HEAVY = 1, 2

HEADS: Final = {"►": "◄", "◄": "►"}
"""An arrowhead, and the one that points the other way."""

LEFT_TO_RIGHT: Final = "\N{LEFT-TO-RIGHT MARK}"


@cache
def plain(text: str) -> str:
    """The text without what moves the cursor or turns writing around.

    One with right-to-left letters stands between two marks that take no cell, which keep it from
    running together with a text beyond the border.
    """
    shown = "".join(map(_safe, text)).rstrip()
    is_turned = any(unicodedata.bidirectional(char) in ("R", "AL", "AN") for char in shown)
    return f"{LEFT_TO_RIGHT}{shown}{LEFT_TO_RIGHT}" if is_turned else shown


@cache
def _safe(char: str) -> str:
    """The character, a blank for any space, a mark for a control, nothing for the invisible."""
    category = unicodedata.category(char)
    if category == "Cf" or "VARIATION SELECTOR" in unicodedata.name(char, ""):
        return ""
    if category.startswith("Z"):
        return " "
    return "\N{REPLACEMENT CHARACTER}" if category.startswith("C") else char


class Text(NamedTuple):
    x: int
    y: int
    text: str


class Frame(NamedTuple):
    """Where a box stands."""

    x: int
    y: int
    width: int
    height: int
    box: Box


class Line(NamedTuple):
    """Points (x, y), each in the row or the column of the one before."""

    points: tuple[tuple[int, int], ...]
    weight: int


@dataclass
class Plan:
    width: int = 0
    height: int = 0
    frames: list[Frame] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)

    def add_box(self, box: Box, x: int, y: int, width: int, height: int) -> None:
        self.frames.append(Frame(x, y, width, height, box))
        self.height = max(self.height, y + height)

    def add_head(self, arrow: Arrow, x: int, y: int, glyph: str) -> None:
        """An arrowhead, and on its line the arrow's text."""
        self.texts.append(Text(x, y, glyph))
        if text := _caption(arrow):
            self.texts.append(Text(x + 2 if glyph == "◄" else x - 1 - columns(text), y, text))

    def mirrored(self) -> Plan:
        """The picture seen in a mirror, with texts that can be read."""
        return replace(
            self,
            frames=[frame._replace(x=self.width - frame.x - frame.width) for frame in self.frames],
            lines=[
                Line(tuple((self.width - 1 - x, y) for x, y in points), weight)
                for points, weight in self.lines
            ],
            texts=[
                Text(self.width - x - columns(text), y, HEADS.get(text, text))
                for x, y, text in self.texts
            ],
        )


def title_of(box: Box) -> str:
    dot = "●" if box.state == "active" else ""
    return "  ".join(filter(None, (dot, plain(box.title), plain(box.operation))))


def rows_of(box: Box) -> list[str]:
    """The lines in a box: a name and texts, in columns; a text without a name from the edge on."""
    rows = [
        [*([plain(row.name)] if row.name or len(row.texts) > 1 else []), *map(plain, row.texts)]
        for row in box.rows
    ]
    widths: dict[int, int] = defaultdict(int)
    for row in rows:
        for i, text in enumerate(row[:-1]):
            widths[i] = max(widths[i], columns(text))
    return [
        " ".join([*(_padded(text, widths[i]) for i, text in enumerate(row[:-1])), *row[-1:]])
        for row in rows
    ]


def _padded(text: str, width: int) -> str:
    return text + " " * (width - columns(text))


def width_of(box: Box) -> int:
    return max(columns(title_of(box)) + 2, 2, *map(columns, rows_of(box))) + 4


def _caption(arrow: Arrow) -> str:
    text = plain(arrow.text)
    return f" {text} " if text else ""


def room_for(arrows: Iterable[Arrow]) -> int:
    """The columns that the texts of arrows take, with a piece of line beside them."""
    return max((columns(_caption(arrow)) for arrow in arrows), default=0)


def weight_of(arrow: Arrow) -> int:
    return HEAVY if arrow.state in ("active", "marked") else LIGHT


def arrows_by_box(scene: Scene) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """By the name of a box: the numbers of the arrows that leave it, and of those that arrive."""
    leaving: dict[str, list[int]] = {box.name: [] for box in scene.boxes}
    arriving: dict[str, list[int]] = {box.name: [] for box in scene.boxes}
    for i, arrow in enumerate(scene.arrows):
        leaving[arrow.tail].append(i)
        arriving[arrow.head].append(i)
    return leaving, arriving


def tracks(spans: Sequence[tuple[int, int]]) -> list[int]:
    """The nearest track for each span in turn on which it touches no other."""
    taken: list[list[tuple[int, int]]] = []
    return [_take(taken, span) for span in spans]


def _take(taken: list[list[tuple[int, int]]], span: tuple[int, int]) -> int:
    for number, track in enumerate(taken):
        at = bisect_left(track, span)
        is_free_before = at == 0 or track[at - 1][1] < span[0]
        if is_free_before and (at == len(track) or span[1] < track[at][0]):
            track.insert(at, span)
            return number
    taken.append([span])
    return len(taken) - 1


def height_of(box: Box, arriving: Mapping[str, list[int]]) -> int:
    """The rows of a box with its borders: one for each row in it and for each arrow."""
    return max(len(box.rows), len(arriving[box.name]), 1) + 2
