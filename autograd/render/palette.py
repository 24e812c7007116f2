"""The colours of all pictures, and how a number's sign and magnitude become one.

Text in `INK` or `FAINT` reads on every ground here, and in white on `NOT_FINITE`.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "ACTIVE",
    "ACTIVE_GROUND",
    "CONSTANT",
    "DIMMED",
    "DIM_GROUND",
    "DIM_LINE",
    "FAINT",
    "FOLDED",
    "HEADER",
    "INK",
    "LINE",
    "MARKED",
    "NOT_FINITE",
    "OUTPUT",
    "PAPER",
    "ground",
]

INK, FAINT, LINE, PAPER = "#1a1a1a", "#5c5c5c", "#8a8a8a", "#ffffff"
HEADER, CONSTANT, FOLDED = "#dce6f2", "#f0f0f0", "#e6e0ee"
OUTPUT, MARKED, ACTIVE, ACTIVE_GROUND = "#4f78ab", "#c2187a", "#c77700", "#ffd84d"
DIMMED, DIM_GROUND, DIM_LINE = "#666666", "#efefef", "#c4c4c4"

NOT_FINITE: Final = "#222222"
"""The ground of a nan or an infinity, with white text."""

POSITIVE, NEGATIVE = (0x7F, 0xB4, 0xE6), (0xF2, 0xA3, 0x6B)
"""The grounds of the largest numbers: blue and orange, which all kinds of eyes tell apart."""


def ground(tone: float | None) -> str:
    """White for 0, and towards blue or orange the larger the number; "" for no number.

    >>> ground(0.0), ground(1.0), ground(-1.0), ground(None)
    ('#ffffff', '#7fb4e6', '#f2a36b', '')
    """
    if tone is None:
        return ""
    hue = NEGATIVE if tone < 0 else POSITIVE
    return "#" + "".join(f"{round(255 - abs(tone) * (255 - part)):02x}" for part in hue)
