"""How a primitive is written in a formula: templates for text and LaTeX, and how these bind.

Data and no code: `formula.py` fills the templates in and sets the brackets. A primitive states
its notation where it is defined; one that states none is written as a function of its operands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType
from typing import Any

__all__ = [
    "FUNCTION",
    "NEGATION",
    "ONCE",
    "SAME",
    "SQUARE",
    "Binds",
    "Form",
    "Notation",
    "command",
    "infix",
]


class Binds(IntEnum):
    """How tightly a piece of a formula holds together; a looser one gets brackets where needed.

    For text these are Python's levels. In LaTeX tests bind tighter than what joins them, a sum
    sign reaches to the next plus or minus, and a product of matrices binds tighter than others.
    """

    ANYTHING = 0
    JOINED = 1  # in LaTeX, by and, or
    TEST = 2
    OR = 3
    AND = 4
    SUM = 5
    SERIES = 6
    PRODUCT = 7
    MATRIX = 8
    MINUS = 9
    POWER = 10
    ATOM = 11


@dataclass(frozen=True)
class Form:
    """A template, how tightly what it gives binds, and how tightly each operand must.

    In the template ``$0`` stands for the first operand, ``$axis`` for a parameter, ``$:index``
    for one written as an index, ``$*`` for all operands and ``$**`` for all parameters by name,
    with a comma before each. What stands between guillemets is left out where an operand or
    parameter in it was not given. In LaTeX brackets grow with what is in them, and ``·`` before
    an operand becomes a dot where it would else run together with the operand or number before.

    An operand without a number in `needs` must bind as tightly as the last that has one.

    >>> Form("$0 + $1", Binds.SUM, (Binds.SUM, Binds.PRODUCT)).level.name
    'SUM'
    """

    template: str
    level: Binds = Binds.ATOM
    needs: tuple[Binds, ...] = (Binds.ANYTHING,)

    def need(self, index: int) -> Binds:
        """How tightly an operand must bind to stand without brackets."""
        return self.needs[min(index, len(self.needs) - 1)]


@dataclass(frozen=True)
class Notation:
    """How a primitive is written.

    Parameters
    ----------
    text, latex : Form or None
        None: as a function, ``name(operand, parameter=value)``.
    arrays : Form or None
        In LaTeX, where no operand is a single number.
    twice : Notation or None
        Where the last two operands are the same, which is then given once.
    chain : Notation or None
        Where the first operand is written by the same notation: its operands, then the others.
    opposite : Notation or None
        Where the last operand has a minus, which is then left out.
    odd : bool
        A minus before any operand may as well stand before the whole.
    implicit : bool
        It only repeats its operand, and is not written where that goes without saying.
    usual : mapping of str to tuple
        Values of parameters that go without saying; where nothing is said, None and False.

    >>> infix("*", Binds.PRODUCT, odd=True).odd
    True
    """

    text: Form | None = None
    latex: Form | None = None
    arrays: Form | None = None
    twice: Notation | None = None
    chain: Notation | None = None
    opposite: Notation | None = None
    odd: bool = False
    implicit: bool = False
    usual: Mapping[str, tuple[Any, ...]] = field(default_factory=lambda: MappingProxyType({}))


def infix(sign: str, level: Binds, *, latex: Form | None = None, **options: Any) -> Notation:
    """The notation of an operator between two operands, the first of which may be one of its kind.

    >>> infix(" < ", Binds.TEST).text
    Form(template='$0 < $1', level=<Binds.TEST: 2>, needs=(<Binds.TEST: 2>, <Binds.OR: 3>))
    """
    form = Form(f"$0{sign}$1", level, (level, Binds(level + 1)))
    return Notation(text=form, latex=latex or form, **options)


def command(latex: str) -> Notation:
    """The notation of a function that LaTeX has a sign for.

    >>> command(r"\\log").latex.template
    '\\\\log($*)'
    """
    return Notation(latex=Form(f"{latex}($*)"))


FUNCTION = Notation()
"""Written as a function of its operands."""

SAME = Notation()
"""Not written: its numbers are those of its operand."""

NEGATION = Notation(
    text=Form("-$0", Binds.MINUS, (Binds.PRODUCT,)),
    latex=Form("-$0", Binds.SUM, (Binds.SERIES,)),
)
"""A minus before the operand; of a minus nothing is left."""

DOUBLE = Notation(
    text=Form("2*$0", Binds.PRODUCT, (Binds.MINUS,)),
    latex=Form("2·$0", Binds.PRODUCT, (Binds.PRODUCT,)),
    odd=True,
)

ONCE = Notation(text=Form("$0"), latex=Form("$0"))
"""The operand alone, as of one and the same twice."""

SQUARE = Notation(
    text=Form("$0**2", Binds.POWER, (Binds.ATOM,)),
    latex=Form("$0^{2}", Binds.POWER, (Binds.ATOM,)),
)
