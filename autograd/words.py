"""Nodes and numbers in words: for pictures, explanations and messages.

Labels are the user's and may hold anything; what leaves here is one line that can be shown.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, Final, TypeVar

import numpy as np

from .graph import Node

T = TypeVar("T")

__all__ = [
    "advance",
    "amount",
    "closest",
    "columns",
    "latex_name",
    "listed",
    "name_of",
    "number",
    "one_line",
    "shortened",
]

MOST_NUMBERS: Final = 6
"""An array with at most so many elements is written out."""

FIRST, LAST = 6, 3
"""How many items of a long list are shown of its beginning and of its end."""

HIDDEN: Final = ("Cc", "Cs", "Cn")
TURNING: Final = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
"""Categories and bidirectional classes of the characters that are replaced by a mark."""

LATEX: Final = str.maketrans(
    {
        **{char: "\\" + char for char in "{}$&#%_ "},
        "\\": r"\backslash{}",
        "^": r"\wedge{}",
        "~": r"\sim{}",
        "-": r"\text{-}",
        "'": r"\text{'}",
        "−": "-",
        "×": r"\times{}",
        "÷": r"\div{}",
    }
)
"""What stands in math mode for a character that means something else there."""


def one_line(text: Any, length: int) -> str:
    """Text on one line of at most `length` characters, all of which can be shown.

    >>> one_line("a very long label\\n" * 1000, 20)
    'a very long label a…'
    """
    line = " ".join(str(text)[: 10 * length].split())
    line = line if len(line) <= length else line[: length - 1] + "…"
    return "".join(map(_visible, line))


@cache
def _visible(char: str) -> str:
    """The character, or a mark for a control, a lone surrogate, or what turns writing around."""
    hidden = unicodedata.category(char) in HIDDEN or unicodedata.bidirectional(char) in TURNING
    return "\N{REPLACEMENT CHARACTER}" if hidden else char


def name_of(node: Node, length: int = 40) -> str:
    """The label of a node; else that of its operation; else, of a leaf, what it holds.

    >>> from autograd import Tensor, Value
    >>> x = Value(2.0, label="x")
    >>> [name_of(node) for node in (x, x * 3.0, Value(2.5), Tensor([1.0, 2.0]))]
    ['x', '×', '2.5', 'Tensor(2,)']
    """
    label = one_line(node.label, length)
    if label:
        return label
    if node.primitive is not None:
        return one_line(node.primitive.label, length)
    data = node._raw
    return number(data) if np.ndim(data) == 0 else f"Tensor{np.shape(data)}"


def number(value: Any) -> str:
    """A number in few digits; a whole number in all of its.

    >>> number(1 / 3), number(2.0), number(7)
    ('0.3333', '2', '7')
    """
    return str(value) if isinstance(value, int | np.integer | np.bool_) else f"{float(value):.4g}"


def amount(value: Any) -> str:
    """A number, a small array in full, or the shape and the Euclidean norm of a larger one.

    >>> amount(0.25), amount(np.array([[1.0, 2.0]])), amount(np.ones((2, 8)))
    ('0.25', '[[1, 2]]', '(2, 8) of norm 4')
    """
    if np.ndim(value) == 0:
        return number(value)
    if np.size(value) > MOST_NUMBERS:
        with np.errstate(all="ignore"):
            return f"{np.shape(value)} of norm {number(np.linalg.norm(np.ravel(value)))}"
    return "[" + ", ".join(map(amount, value)) + "]"


def shortened(
    items: Sequence[T], words: Callable[[T], str], more: str = "… {:,} more …"
) -> list[str]:
    """The items in words, of many only the first and the last.

    >>> shortened(range(100), str)
    ['0', '1', '2', '3', '4', '5', '… 91 more …', '97', '98', '99']
    """
    hidden = len(items) - FIRST - LAST
    if hidden <= 1:
        return [words(item) for item in items]
    first, last = map(words, items[:FIRST]), map(words, items[-LAST:])
    return [*first, more.format(hidden), *last]


def closest(name: object, known: Iterable[str]) -> str:
    """Suggest the closest of the known names at the end of a message, if any is close.

    >>> closest("grads", ["data", "grad"]), closest("x", ["data", "grad"])
    ('; did you mean grad?', '')
    """
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=1) if isinstance(name, str) else []
    return f"; did you mean {one_line(close[0], 40)}?" if close else ""


def listed(items: Sequence[str]) -> str:
    """Items, of which there are some, in a sentence.

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    *rest, last = items
    return f"{', '.join(rest)} and {last}" if rest else last


def latex_name(text: str) -> str:
    """Text as LaTeX in math mode, upright unless it is one letter; also MathJax reads it.

    >>> latex_name("a"), latex_name("loss_1"), latex_name("50%")
    ('a', '\\\\mathrm{loss\\\\_1}', '\\\\mathrm{50\\\\%}')
    """
    if len(text) == 1 and text.isalpha():
        return text
    return rf"\mathrm{{{text.translate(LATEX)}}}"


def columns(text: str) -> int:
    """How many columns of a terminal a text takes.

    >>> columns("ab"), columns("日本"), columns("e\u0301")
    (2, 4, 1)
    """
    return sum(map(advance, text))


@cache
def advance(char: str) -> int:
    """How many columns a character takes: 2 if it is wide, 0 if it joins the one before it.

    >>> advance("a"), advance("\u0301")
    (1, 0)
    """
    is_jamo = "\u1160" <= char <= "\u11ff" or "\ud7b0" <= char <= "\ud7ff"
    if is_jamo or unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0  # the later letters of a Hangul syllable, combining marks, and the invisible
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
