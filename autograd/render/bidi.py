"""Arabic, Hebrew and their like in a PDF, whose text stands in the order in which it is drawn.

As much of Unicode's bidirectional algorithm (Annex 9, rules W4, N0, N1 and L2 to L4) and of the
joining of Arabic letters as a label of one line needs.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Final

__all__ = ["visual_order"]

RIGHT_TO_LEFT: Final = ("R", "AL")
DIGITS: Final = ("EN", "AN")
"""Bidirectional classes of Hebrew, Arabic and their like, and of digits."""


def visual_order(text: str) -> str:
    """The characters of a text from left to right, as they are to be drawn.

    What runs from right to left is turned round, numbers in it aside, and Arabic letters are
    joined. A line starts at the left, as in SVG.
    """
    kinds = [unicodedata.bidirectional(char) for char in text]
    if not set(kinds) & set(RIGHT_TO_LEFT):
        return text
    shapes = _joined(text)
    drawn: list[str] = []
    i = 0
    while i < len(text):
        end = i + 1
        if kinds[i] in RIGHT_TO_LEFT:
            end = _end_of_run(text, kinds, i)
            drawn += _turned(shapes[i:end], kinds[i:end])
        else:
            drawn.append(shapes[i])
        i = end
    return "".join(drawn)


def _end_of_run(text: str, kinds: list[str], start: int) -> int:
    """After the last letter or digit that runs from right to left, or a bracket closed there."""
    end = at = start + 1
    while at < len(text) and kinds[at] != "L":
        run = text[start:end]
        opening = {")": "(", "]": "[", "}": "{"}.get(text[at])
        closes = opening is not None and run.count(opening) > run.count(text[at])
        if closes or kinds[at] in (*RIGHT_TO_LEFT, *DIGITS, "NSM"):
            end = at + 1
        at += 1
    return end


def _turned(shapes: list[str], kinds: list[str]) -> list[str]:
    """A run from its last character to its first; a number and an accented letter stay whole."""
    groups: list[list[str]] = []
    in_number = False
    for shape, kind, after in zip(shapes, kinds, [*kinds[1:], ""], strict=True):
        is_number = kind in DIGITS or (in_number and kind == "CS" and after in DIGITS)
        if groups and (kind == "NSM" or (in_number and is_number)):
            groups[-1].append(shape)
        else:
            groups.append([shape])
        in_number = is_number
    mirrored = str.maketrans("()[]{}<>", ")(][}{><")
    return [shape.translate(mirrored) for group in reversed(groups) for shape in group]


def _joined(text: str) -> list[str]:
    """Each Arabic letter in the form that its neighbours ask for, other characters as they are."""
    forms = _forms()

    def joins(first: str, second: str) -> bool:
        return ("<initial>", first) in forms and ("<final>", second) in forms

    shapes = []
    for before, char, after in zip(" " + text, text, text[1:] + " ", strict=False):
        names = (("<isolated>", "<initial>"), ("<final>", "<medial>"))
        name = names[joins(before, char)][joins(char, after)]
        shapes.append(forms.get((name, char), char))
    return shapes


@cache
def _forms() -> dict[tuple[str, str], str]:
    """The joined forms of Arabic letters: Unicode gives each a character that names its letter."""
    forms = {}
    for form in (*map(chr, range(0xFB50, 0xFC00)), *map(chr, range(0xFE80, 0xFEF5))):
        kind, _, letter = unicodedata.decomposition(form).partition(" ")
        if len(letter) == 4:
            forms[kind, chr(int(letter, 16))] = form
    return forms
