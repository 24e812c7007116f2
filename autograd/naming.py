"""What leaves, parts and numbers are called in a formula: names in Python and in LaTeX.

Labels are the user's and may be anything. A name is made of what is fit for one, and no two nodes
of a formula have the same; numbers and parameters are written so that Python reads them back.
"""

from __future__ import annotations

import keyword
import math
import re
import unicodedata
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from .graph import Node
from .primitive import REGISTRY, current_data
from .words import latex_name

__all__ = [
    "FEW",
    "GREEK",
    "LONGEST_NAME",
    "Name",
    "Names",
    "cleaned",
    "identifier",
    "index_text",
    "is_literal",
    "list_text",
    "number_text",
    "repeated_number",
    "symbol",
    "value_text",
]

FEW: Final = 6
"""A constant array of at most so many elements is written as a list."""

LONGEST_NAME: Final = 40

RESERVED: Final = ("array", "full", "inf", "nan")
"""What the text of a formula uses beside the functions of `autograd`."""


# --------------------------------------------------------------------------- names


class Name(NamedTuple):
    """What something is called."""

    text: str
    latex: str


class Names:
    """Names for nodes, no two alike: Python's kind of name in text, and a symbol in LaTeX.

    Leaves are named in topological order, so that an expression and its derivative agree.
    """

    def __init__(self, order: Sequence[Node]) -> None:
        self.variables = {x for x in order if x.is_leaf and not x.is_constant}
        self._known: dict[Node, Name] = {}
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}
        leaves = [x for x in order if x.is_leaf and (x.shape or not x.is_constant)]
        for leaf in sorted(leaves, key=lambda x: not x.label):  # labels come first
            if leaf.label or leaf in self.variables or not is_literal(leaf):
                self.of(leaf)

    def of(self, node: Node) -> Name:
        """The name of a node, a new one if it has none yet."""
        if node not in self._known:
            self._known[node] = self._new(identifier(node.label), "v" if node.is_leaf else "t")
        return self._known[node]

    def share(self, node: Node, copy: Node) -> None:
        """Let a copy be called as its original is."""
        if node in self._known:
            self._known[copy] = self._known[node]
        if node in self.variables:
            self.variables.add(copy)

    def _new(self, label: str, kind: str) -> Name:
        """The label if nothing else is called so, else the next free number after it."""
        stem = f"{label}_" if label else kind
        number = self._next.get(stem, 1)
        while True:
            text = label if label and number == 1 else f"{stem}{number}"
            name, number = Name(text, symbol(text)), number + 1
            if not self._taken.intersection(name):
                break
        self._next[stem] = number
        self._taken.update(name)
        return name


def is_literal(leaf: Node) -> bool:
    """Whether a constant is written out: a number, a repeated one, or a few."""
    few = math.prod(leaf.shape) <= FEW
    return not leaf.shape or (not leaf.label and (few or repeated_number(leaf) is not None))


def identifier(label: Any) -> str:
    """A label as a name in Python: of letters, digits and underscores, at most 40; "" for none.

    >>> identifier("learning rate"), identifier("lambda"), identifier("2nd"), identifier("<$>")
    ('learning_rate', 'lambda_', '_2nd', '')
    """
    name = cleaned(label)
    return f"{name}_" if name in REGISTRY or name in RESERVED else name


def cleaned(label: Any) -> str:
    """As `identifier`, but it may be the name of a function."""
    text = unicodedata.normalize("NFKC", str(label)[: 10 * LONGEST_NAME])
    words = "".join(c if f"a{c}".isidentifier() else " " for c in text).split()
    name = "_".join(words)[:LONGEST_NAME].strip("_")
    if keyword.iskeyword(name):
        return f"{name}_"
    return f"_{name}" if name and not name.isidentifier() else name


def symbol(name: str) -> str:
    """A name in math mode: letters in italics, Greek ones as such, digits at the end below.

    >>> print(*map(symbol, ("x", "w1", "x_max", "lambda_", "β", "the_loss")))
    x w_{1} x_{\\mathrm{max}} \\lambda \\beta \\mathrm{the\\_loss}
    """
    matched = re.fullmatch(r"(\D.*?)_*(\d*)_*", name)
    if matched is None or name.startswith("_"):  # before a digit
        return _letters(name)
    body, digits = matched.groups()
    head, _, rest = body.partition("_")
    if len(head) > 1 and head not in GREEK:
        head, rest = body, ""
    below = [_letters(part) for part in (*rest.split("_"), digits) if part]
    return _letters(head) + (f"_{{{','.join(below)}}}" if below else "")


def _letters(word: str) -> str:
    """A word in math mode."""
    if word in GREEK:
        return f"\\{GREEK[word]}"
    return word if word.isdecimal() else latex_name(word)


GREEK_NAMES: Final = (
    *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"),
    *("lambda", "mu", "nu", "xi", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi"),
    *("omega", "Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi"),
    "Omega",
)


def _greek_letter(name: str) -> str:
    case = "SMALL" if name.islower() else "CAPITAL"
    return unicodedata.lookup(f"GREEK {case} LETTER {name.upper().replace('LAMBDA', 'LAMDA')}")


GREEK: Final = {key: name for name in GREEK_NAMES for key in (name, _greek_letter(name))}
"""The commands for Greek letters, by their names and by the letters."""


# --------------------------------------------------------------------------- numbers, parameters


def repeated_number(leaf: Node) -> Any:
    """The number that all elements are; None where they are several, or called by a label."""
    data = current_data(leaf)
    if type(data) is float:
        return data
    if data.shape and (leaf.label or not data.size or (data != data.flat[0]).any()):
        return None
    number = data.flat[0]  # of NumPy's, since a float32 needs fewer digits
    return number if data.dtype.kind == "f" else number.item()


def number_text(number: Any) -> str:
    """All digits that the number needs, and no point after a whole one.

    >>> number_text(2.0), number_text(0.1), number_text(1e-30)
    ('2', '0.1', '1e-30')
    """
    is_float = isinstance(number, float | np.floating)
    if is_float and abs(number) < 1e15 and number == int(number):
        return str(int(number))
    return str(number)


def value_text(value: Any, depth: int = 4) -> str:
    """A parameter in Python; of an unknown kind its type, never an address.

    >>> value_text((slice(1, 3), np.array([0, 2]))), value_text(np.sin)
    ('(slice(1, 3, None), array([0, 2]))', 'sin')
    """
    match value:
        case np.ndarray() if value.size <= FEW:
            return f"array({list_text(value)})"
        case np.ndarray():
            return f"array(shape={value.shape})"
        case tuple() | list() if depth and len(value) <= LONGEST_NAME:
            items = ", ".join(value_text(item, depth - 1) for item in value)
            return f"({items},)" if len(value) == 1 else f"({items})"
        case str():
            return repr(value[:LONGEST_NAME])
        case None | bool() | int() | float() | np.generic():
            return number_text(value)
        case slice():
            parts = (value.start, value.stop, value.step)
            return f"slice({', '.join(map(str, parts))})"
        case _ if value is Ellipsis:
            return "..."
        case _:
            name = getattr(value, "__name__", type(value).__name__)
            return cleaned(name) or "function"


def index_text(index: Any) -> str:
    """An index as it stands between square brackets.

    >>> index_text((slice(1, 3), ..., None, 0))
    '1:3, ..., None, 0'
    """
    items = index if isinstance(index, tuple) else (index,)
    return ", ".join(map(_index_item, items)) or "()"


def _index_item(item: Any) -> str:
    if not isinstance(item, slice):
        return value_text(item)
    parts = (item.start, item.stop, item.step)
    texts = ["" if part is None else str(part) for part in parts]
    return ":".join(texts if texts[2] else texts[:2])


def list_text(array: np.ndarray) -> str:
    """All numbers of an array as nested lists."""
    if not array.ndim:
        return number_text(array[()])
    return f"[{', '.join(map(list_text, array))}]"
