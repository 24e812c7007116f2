"""Arithmetic: what the operators ``+ - * /`` stand for. (``**`` is among the elementary ones.)"""

import operator
from dataclasses import replace

import numpy as np

from ..notation import DOUBLE, NEGATION, SAME, SQUARE, Binds, Form, Notation, infix
from ..primitive import POSITIVE, REAL, elementwise

__all__ = ["add", "div", "identity", "mul", "neg", "sub"]

PLUS = infix(" + ", Binds.SUM, latex=Form("$0 + $1", Binds.SUM, (Binds.SUM,)))
MINUS = infix(" - ", Binds.SUM)
QUOTIENT_OF_QUOTIENT = Notation(
    Form("$0/$1/$2", Binds.PRODUCT, (Binds.PRODUCT, Binds.MINUS)),
    Form(r"\frac{$0}{$1·$2}", Binds.POWER, (Binds.ANYTHING, Binds.PRODUCT)),
    twice=Notation(
        Form("$0/$1**2", Binds.PRODUCT, (Binds.PRODUCT, Binds.ATOM)),
        Form(r"\frac{$0}{$1^{2}}", Binds.POWER, (Binds.ANYTHING, Binds.ATOM)),
    ),
)

add = elementwise(
    "add",
    operator.add,
    np.add,
    lambda g, out, x, y: g,
    lambda g, out, x, y: g,
    label="+",
    neutral=(-0.0, -0.0),
    notation=replace(PLUS, opposite=MINUS, twice=DOUBLE),
    domain=[REAL, REAL],
    doc="""
    Add, elementwise: what ``x + y`` records.

    >>> add(1.0, 2.0)
    3.0
    """,
)

sub = elementwise(
    "sub",
    operator.sub,
    np.subtract,
    lambda g, out, x, y: g,
    lambda g, out, x, y: -g,
    label="−",
    neutral=(None, 0.0),
    notation=replace(MINUS, opposite=PLUS),
    domain=[REAL, REAL],
    doc="""
    Subtract, elementwise: what ``x - y`` records.

    >>> sub(1.0, 2.0)
    -1.0
    """,
)

mul = elementwise(
    "mul",
    operator.mul,
    np.multiply,
    lambda g, out, x, y: g * y,
    lambda g, out, x, y: g * x,
    label="×",
    neutral=(1.0, 1.0),
    notation=infix(
        "*",
        Binds.PRODUCT,
        latex=Form("$0·$1", Binds.PRODUCT, (Binds.PRODUCT,)),
        arrays=Form(r"$0 \odot $1", Binds.PRODUCT, (Binds.PRODUCT,)),
        twice=SQUARE,
        odd=True,
    ),
    domain=[REAL, REAL],
    doc="""
    Multiply, elementwise: what ``x * y`` records.

    >>> mul(3.0, 2.0)
    6.0
    """,
)

div = elementwise(
    "div",
    operator.truediv,
    np.true_divide,
    lambda g, out, x, y: g / y,
    lambda g, out, x, y: -g * (out / y),
    label="÷",
    neutral=(None, 1.0),
    notation=infix(
        "/",
        Binds.PRODUCT,
        latex=Form(r"\frac{$0}{$1}", Binds.POWER),
        chain=QUOTIENT_OF_QUOTIENT,
        odd=True,
    ),
    domain=[REAL, POSITIVE],
    doc="""
    Divide, elementwise: what ``x / y`` records. Division by zero follows IEEE 754.

    >>> div(3.0, 2.0), div(1.0, 0.0)
    (1.5, inf)
    """,
)

neg = elementwise(
    "neg",
    operator.neg,
    np.negative,
    lambda g, out, x: -g,
    label="−",
    notation=NEGATION,
    domain=[REAL],
    doc="""
    Negate, elementwise: what ``-x`` records.

    >>> neg(3.0)
    -3.0
    """,
)

identity = elementwise(
    "identity",
    operator.pos,
    np.positive,
    lambda g, out, x: g,
    label="=",
    notation=SAME,
    domain=[REAL],
    doc="""
    Give the same numbers as another node, elementwise: `numpy.positive`.

    >>> identity(3.0)
    3.0
    """,
)
