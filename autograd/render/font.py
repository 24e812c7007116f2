"""The shipped font, DejaVu Sans: how wide a text is, and the part of the font that a PDF needs.

The layout is told every width, so that boxes fit their text on a machine with no fonts at all.
The tables read here are those of the OpenType specification 1.9: cmap (format 12), hmtx, loca,
glyf.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ASCENT", "BOX", "DESCENT", "PATH", "UNITS"]
__all__ += ["advance", "covers", "glyph", "subset", "width"]

PATH: Final = os.path.join(os.path.dirname(__file__), "fonts", "DejaVuSans.ttf")

# From the tables head and hhea.
UNITS: Final = 2048
"""Units in which the font is drawn, to an em."""
ASCENT, DESCENT, BOX = 1901, -483, (-2090, -948, 3673, 2524)

PARTS: Final = ("cvt ", "fpgm", "glyf", "head", "hhea", "hmtx", "loca", "maxp", "prep")
"""The tables that a font in a PDF needs."""


def width(text: str, size: float) -> float:
    """How far a text of the size `size` reaches; a character that the font lacks takes an em."""
    return sum(advance(glyph(char)) for char in text) * size / UNITS


def covers(text: str) -> bool:
    """Whether the font has every character of a text, those of ASCII aside."""
    return all(char in _glyphs() for char in set(text) if not char.isascii())


def glyph(char: str) -> int:
    """The number of a character's glyph; 0, an empty box, for one that the font lacks."""
    return _glyphs().get(char, 0)


def advance(number: int) -> int:
    """How far glyph `number` moves the pen, in units."""
    return int(_advances()[number]) if number else UNITS


def subset(numbers: Iterable[int]) -> bytes:
    """The font with the outlines of these glyphs only, which keep their numbers."""
    tables = _tables()
    starts = np.frombuffer(tables["loca"], ">u4").tolist()
    outlines = tables["glyf"]
    wanted = {0}
    pending = list(numbers)
    while pending:
        number = pending.pop()
        if number not in wanted:
            wanted.add(number)
            pending += _components(outlines[starts[number] : starts[number + 1]])
    kept = [b""] * (len(starts) - 1)
    for number in wanted:
        kept[number] = outlines[starts[number] : starts[number + 1]]
    ends = np.cumsum([0, *map(len, kept)]).astype(">u4").tobytes()
    head = tables["head"][:8] + bytes(4) + tables["head"][12:]  # without the checksum of the file
    return _file({**tables, "glyf": b"".join(kept), "loca": ends, "head": head})


def _components(outline: bytes) -> list[int]:
    """The glyphs that a composite glyph, such as é, is put together from."""
    numbers: list[int] = []
    if not outline or outline[0] < 0x80:  # the number of contours, negative in a composite
        return numbers
    at, more = 10, True
    while more:
        flags, number = struct.unpack_from(">HH", outline, at)
        numbers.append(number)
        at += 8 if flags & 0x0001 else 6  # offsets of two bytes, or of one
        at += 2 if flags & 0x0008 else 4 if flags & 0x0040 else 8 if flags & 0x0080 else 0  # scale
        more = bool(flags & 0x0020)
    return numbers


def _file(tables: dict[str, bytes]) -> bytes:
    """A font file of the tables that a PDF needs."""
    power = len(PARTS).bit_length() - 1
    search = 16 << power
    directory = struct.pack(">IHHHH", 0x10000, len(PARTS), search, power, 16 * len(PARTS) - search)
    body = b""
    for name in PARTS:
        table = tables[name]
        padded = table + bytes(-len(table) % 4)
        start = 12 + 16 * len(PARTS) + len(body)
        check = int(np.frombuffer(padded, ">u4").sum(dtype=np.uint64)) & 0xFFFFFFFF
        directory += struct.pack(">4sIII", name.encode(), check, start, len(table))
        body += padded
    return directory + body


@cache
def _tables() -> dict[str, bytes]:
    with open(PATH, "rb") as file:
        content = file.read()
    (count,) = struct.unpack_from(">H", content, 4)
    entries = (struct.unpack_from(">4sIII", content, 12 + 16 * i) for i in range(count))
    return {name.decode(): content[start : start + size] for name, _, start, size in entries}


@cache
def _glyphs() -> dict[str, int]:
    """The glyph number of each character."""
    cmap = _tables()["cmap"]
    for i in range(struct.unpack_from(">H", cmap, 2)[0]):
        (start,) = struct.unpack_from(">I", cmap, 8 + 8 * i)
        if struct.unpack_from(">H", cmap, start) == (12,):
            break
    (count,) = struct.unpack_from(">I", cmap, start + 12)
    groups = np.frombuffer(cmap, ">u4", 3 * count, start + 16).reshape(count, 3).tolist()
    return {
        chr(code): number + code - first
        for first, last, number in groups
        for code in range(first, last + 1)
    }


@cache
def _advances() -> NDArray[np.uint16]:
    """The advance of each glyph; the last ones, which share one, repeat it."""
    tables = _tables()
    (count,) = struct.unpack_from(">H", tables["hhea"], 34)
    (glyphs,) = struct.unpack_from(">H", tables["maxp"], 4)
    own = np.frombuffer(tables["hmtx"], ">u2", 2 * count)[::2]
    return np.pad(own, (0, glyphs - count), mode="edge").astype(np.uint16)
