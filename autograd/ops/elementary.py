"""Elementary functions: powers, exponentials, trigonometry, and the activations made of them.

Derivatives of the elementary functions: Abramowitz and Stegun, Handbook of Mathematical
Functions, chapters 4 and 7.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ..graph import Node
from ..notation import SQUARE, Binds, Form, Notation, command
from ..primitive import (
    POSITIVE,
    REAL,
    Function,
    Interval,
    Primitive,
    elementwise,
    example,
    fixed_number,
    of_floats,
    publish,
)
from .comparison import callback, minimum, plain, where

__all__ = [
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cbrt",
    "copysign",
    "cos",
    "cosh",
    "degrees",
    "elu",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "fabs",
    "float_power",
    "fmod",
    "gelu",
    "hypot",
    "i0",
    "leaky_relu",
    "log",
    "log10",
    "log1p",
    "log2",
    "logaddexp",
    "logaddexp2",
    "pow",
    "radians",
    "reciprocal",
    "remainder",
    "relu",
    "sigmoid",
    "sign",
    "silu",
    "sin",
    "sinc",
    "sinh",
    "softplus",
    "sqrt",
    "square",
    "tan",
    "tanh",
]

KINK_AT_0 = Interval(kinks=(0.0,))
INSIDE_1 = Interval(-0.9, 0.9)

# --------------------------------------------------------------------------- sign and powers

abs: Function = elementwise(
    "abs",
    operator.abs,
    np.abs,
    lambda g, out, x: g * sign(x),
    notation=Notation(latex=Form(r"\left|$0\right|")),
    domain=[KINK_AT_0],
    doc="""
    Absolute value, elementwise; the slope at 0 is 0.

    >>> abs(-2.0)
    2.0
    """,
)

sign: Function = elementwise(
    "sign",
    lambda x: x if x == 0.0 or x != x else math.copysign(1.0, x),
    np.sign,
    lambda g, out, x: 0.0,
    domain=[KINK_AT_0],
    doc="""
    Sign, elementwise: -1, 0 or 1. Its derivative is 0 everywhere.

    >>> sign(-2.0)
    -1.0
    """,
)

fabs = abs  # NumPy's second name

copysign: Function = elementwise(
    "copysign",
    math.copysign,
    np.copysign,
    lambda g, out, x, y: g * (sign(x) * copysign(1.0, y)),
    lambda g, out, x, y: 0.0,
    domain=[KINK_AT_0, KINK_AT_0],
    doc="""
    The magnitude of `x` with the sign of `y`, elementwise; the slope at x = 0 is 0.

    >>> copysign(2.0, -0.0)
    -2.0
    """,
)

square: Function = elementwise(
    "square",
    lambda x: x * x,
    np.square,
    lambda g, out, x: g * (2.0 * x),
    label="²",
    notation=SQUARE,
    domain=[REAL],
    doc="""
    Square, elementwise.

    >>> square(3.0)
    9.0
    """,
)

sqrt: Function = elementwise(
    "sqrt",
    math.sqrt,
    np.sqrt,
    lambda g, out, x: g * (0.5 / out),
    label="√",
    notation=Notation(latex=Form(r"\sqrt{$0}")),
    domain=[POSITIVE],
    doc="""
    Square root, elementwise; the slope at 0 is inf.

    >>> sqrt(9.0)
    3.0
    """,
)

cbrt: Function = elementwise(
    "cbrt",
    math.cbrt,
    np.cbrt,
    lambda g, out, x: g * (square(reciprocal(out)) / 3.0),
    label="∛",
    notation=Notation(latex=Form(r"\sqrt[3]{$0}")),
    domain=[POSITIVE],
    doc="""
    Cube root, elementwise, of negative numbers too; the slope at 0 is inf.

    >>> cbrt(-8.0)
    -2.0
    """,
)

reciprocal: Function = elementwise(
    "reciprocal",
    lambda x: 1.0 / x,
    lambda x: np.true_divide(1.0, x),
    lambda g, out, x: -g * (out * out),
    label="1/x",
    notation=Notation(
        Form("1/$0", Binds.PRODUCT, (Binds.MINUS,)), Form(r"\frac{1}{$0}", Binds.POWER), odd=True
    ),
    domain=[POSITIVE],
    doc="""
    Reciprocal, elementwise.

    >>> reciprocal(4.0)
    0.25
    """,
)


def _pow_array(x: Any, y: Any) -> Any:
    if type(y) is float and type(x) is np.ndarray and x.dtype.kind == "f":
        if y == 1.0:
            return np.positive(x)
        if y == 2.0:
            return np.square(x)
        if y == 0.5:  # np.power takes a square root, whose -inf is nan where IEEE 754 has inf
            return np.where(x == -np.inf, np.inf, np.sqrt(x)).astype(x.dtype, copy=False)
    if np.asarray(x).dtype.kind != "f" and np.any(np.less(y, 0)):
        x = of_floats(x)  # NumPy refuses integers to negative powers
    return np.power(x, y)


def _pull_base(slope: Any, x: Any, y: Any) -> Any:
    return slope if _is_fixed(y) else where((x == 0) & (y == 0), 0.0, slope)


def _pull_exponent(slope: Any, x: Any, y: Any) -> Any:
    return slope if _is_fixed(x) else where((x == 0) & (y >= 0), 0.0, slope)


def _is_fixed(x: Any) -> bool:
    """Whether an operand is one number other than 0 for good, as in most formulas."""
    fixed = type(x) is float or (isinstance(x, Node) and x.is_constant)
    return fixed and type(plain(x)) is float and plain(x) != 0.0


pow: Function = elementwise(
    "pow",
    math.pow,
    _pow_array,
    lambda g, out, x, y: _pull_base(g * (y * pow(x, y - 1.0)), x, y),
    lambda g, out, x, y: _pull_exponent(g * (out * log(x)), x, y),
    label="**",
    neutral=(None, 1.0),
    notation=Notation(
        Form("$0**$1", Binds.POWER, (Binds.ATOM, Binds.MINUS)),
        Form("$0^{$1}", Binds.POWER, (Binds.ATOM, Binds.ANYTHING)),
    ),
    domain=[POSITIVE, Interval(-2.0, 3.0)],
    doc="""
    Raise to a power, elementwise: what ``x ** y`` records.

    ``0 ** 0`` is 1. A negative base with a fractional exponent gives nan. The derivative for the
    base is 0 at ``0 ** 0``; the one for the exponent is 0 at base 0 when the exponent
    is not negative (-inf when it is), and nan for a negative base.

    >>> pow(2.0, 3.0), pow(0.0, 0.0), pow(-8.0, 0.5)
    (8.0, 1.0, nan)
    """,
)

float_power = pow  # NumPy's second name

hypot: Function = elementwise(
    "hypot",
    math.hypot,
    np.hypot,
    lambda g, out, x, y: where(out == 0, 0.0, g * (x / out)),
    lambda g, out, x, y: where(out == 0, 0.0, g * (y / out)),
    notation=Notation(latex=Form(r"\sqrt{$0^{2} + $1^{2}}", needs=(Binds.ATOM,))),
    domain=[POSITIVE, REAL],
    doc="""
    Length of the vector (x, y), elementwise, at any magnitude; the slopes at (0, 0) are 0.

    >>> hypot(3.0, 4.0)
    5.0
    """,
)

# --------------------------------------------------------------------------- remainders

remainder: Function = elementwise(
    "remainder",
    operator.mod,
    np.remainder,
    lambda g, out, x, y: g,
    lambda g, out, x, y: -g * callback(np.floor_divide, x, y),
    label="mod",
    notation=Notation(
        Form("$0%$1", Binds.SERIES, (Binds.PRODUCT, Binds.MINUS)),
        Form(r"$0 \;\mathrm{mod}\; $1", Binds.SERIES, (Binds.PRODUCT, Binds.POWER)),
    ),
    domain=[Interval(2.2, 2.8), Interval(1.0, 1.05)],
    doc="""
    Remainder of a division rounded down, elementwise: of the sign of `y`, as ``x % y``.

    The slopes are 1 and ``-floor(x / y)``; at a jump they are those of the value taken.

    >>> remainder(-7.0, 3.0)
    2.0
    """,
)


def _quotient(x: Any, y: Any, remainder: Any) -> Any:
    # x / y itself may round up to the next whole number
    return np.rint(np.true_divide(x - remainder, y))


fmod: Function = elementwise(
    "fmod",
    math.fmod,
    np.fmod,
    lambda g, out, x, y: g,
    lambda g, out, x, y: -g * callback(_quotient, x, y, out),
    label="fmod",
    domain=[Interval(-2.8, -2.2), Interval(1.0, 1.05)],
    doc="""
    Remainder of a division rounded towards 0, elementwise: of the sign of `x`, as in C.

    The slopes are 1 and ``-trunc(x / y)``; at a jump they are those of the value taken.

    >>> fmod(-7.0, 3.0)
    -1.0
    """,
)


# --------------------------------------------------------------------------- exp and log

exp: Function = elementwise(
    "exp",
    math.exp,
    np.exp,
    lambda g, out, x: g * out,
    notation=Notation(latex=Form("e^{$0}", Binds.POWER)),
    domain=[REAL],
    doc="""
    Exponential, elementwise.

    >>> exp(0.0)
    1.0
    """,
)

expm1: Function = elementwise(
    "expm1",
    math.expm1,
    np.expm1,
    lambda g, out, x: g * exp(x),
    notation=Notation(latex=Form("e^{$0} - 1", Binds.SUM)),
    domain=[REAL],
    doc="""
    ``exp(x) - 1``, elementwise, exact near 0.

    >>> expm1(1e-20)
    1e-20
    """,
)

LN_2, LN_10, LOG2_E = math.log(2.0), math.log(10.0), math.log2(math.e)

exp2: Function = elementwise(
    "exp2",
    math.exp2,
    np.exp2,
    lambda g, out, x: g * (out * LN_2),
    notation=Notation(latex=Form("2^{$0}", Binds.POWER)),
    domain=[REAL],
    doc="""
    ``2 ** x``, elementwise.

    >>> exp2(3.0)
    8.0
    """,
)

log: Function = elementwise(
    "log",
    math.log,
    np.log,
    lambda g, out, x: g / x,
    notation=command(r"\log"),
    domain=[POSITIVE],
    doc="""
    Natural logarithm, elementwise: -inf at 0 and nan below.

    >>> log(1.0), log(0.0)
    (0.0, -inf)
    """,
)

log1p: Function = elementwise(
    "log1p",
    math.log1p,
    np.log1p,
    lambda g, out, x: g / (1.0 + x),
    notation=Notation(latex=Form(r"\log(1 + $0)", needs=(Binds.SUM,))),
    domain=[POSITIVE],
    doc="""
    ``log(1 + x)``, elementwise, exact near 0.

    >>> log1p(1e-20)
    1e-20
    """,
)

log2: Function = elementwise(
    "log2",
    math.log2,
    np.log2,
    lambda g, out, x: g / (x * LN_2),
    notation=command(r"\log_{2}"),
    domain=[POSITIVE],
    doc="""
    Logarithm to base 2, elementwise: -inf at 0 and nan below.

    >>> log2(8.0)
    3.0
    """,
)

log10: Function = elementwise(
    "log10",
    math.log10,
    np.log10,
    lambda g, out, x: g / (x * LN_10),
    notation=command(r"\log_{10}"),
    domain=[POSITIVE],
    doc="""
    Logarithm to base 10, elementwise: -inf at 0 and nan below.

    >>> log10(1000.0)
    3.0
    """,
)


def _logaddexp(x: float, y: float) -> float:
    larger = x if x > y else y
    return x + LN_2 if x == y else larger + math.log1p(math.exp(-math.fabs(x - y)))


logaddexp: Function = elementwise(
    "logaddexp",
    _logaddexp,
    np.logaddexp,
    lambda g, out, x, y: g * sigmoid(x - y),
    lambda g, out, x, y: g * sigmoid(y - x),
    domain=[REAL, REAL],
    doc="""
    ``log(exp(x) + exp(y))``, elementwise, stable at any magnitude.

    >>> logaddexp(1000.0, -1000.0)
    1000.0
    """,
)


def _logaddexp2(x: float, y: float) -> float:
    larger = x if x > y else y
    return x + 1.0 if x == y else larger + math.log1p(math.exp2(-math.fabs(x - y))) * LOG2_E


logaddexp2: Function = elementwise(
    "logaddexp2",
    _logaddexp2,
    np.logaddexp2,
    lambda g, out, x, y: g * sigmoid((x - y) * LN_2),
    lambda g, out, x, y: g * sigmoid((y - x) * LN_2),
    domain=[REAL, REAL],
    doc="""
    ``log2(2 ** x + 2 ** y)``, elementwise, stable at any magnitude.

    >>> logaddexp2(3.0, 3.0)
    4.0
    """,
)

# --------------------------------------------------------------------------- trigonometry

degrees: Function = elementwise(
    "degrees",
    math.degrees,
    np.degrees,
    lambda g, out, x: g * (180.0 / math.pi),
    label="°",
    domain=[REAL],
    doc="""
    Convert an angle from radians to degrees, elementwise.

    >>> degrees(0.0)
    0.0
    """,
)

radians: Function = elementwise(
    "radians",
    math.radians,
    np.radians,
    lambda g, out, x: g * (math.pi / 180.0),
    label="rad",
    domain=[REAL],
    doc="""
    Convert an angle from degrees to radians, elementwise.

    >>> degrees(radians(180.0))
    180.0
    """,
)

sin: Function = elementwise(
    "sin",
    math.sin,
    np.sin,
    lambda g, out, x: g * cos(x),
    notation=command(r"\sin"),
    domain=[REAL],
    doc="""
    Sine of an angle in radians, elementwise.

    >>> sin(0.0)
    0.0
    """,
)

cos: Function = elementwise(
    "cos",
    math.cos,
    np.cos,
    lambda g, out, x: -g * sin(x),
    notation=command(r"\cos"),
    domain=[REAL],
    doc="""
    Cosine of an angle in radians, elementwise.

    >>> cos(0.0)
    1.0
    """,
)

tan: Function = elementwise(
    "tan",
    math.tan,
    np.tan,
    lambda g, out, x: g * (1.0 + out * out),
    notation=command(r"\tan"),
    domain=[Interval(-1.2, 1.2)],
    doc="""
    Tangent of an angle in radians, elementwise.

    >>> tan(0.0)
    0.0
    """,
)

asin: Function = elementwise(
    "asin",
    math.asin,
    np.arcsin,
    lambda g, out, x: g / sqrt((1.0 - x) * (1.0 + x)),
    notation=command(r"\arcsin"),
    domain=[INSIDE_1],
    doc="""
    Inverse sine in radians, elementwise; nan outside -1 to 1.

    >>> asin(0.0)
    0.0
    """,
)

acos: Function = elementwise(
    "acos",
    math.acos,
    np.arccos,
    lambda g, out, x: -g / sqrt((1.0 - x) * (1.0 + x)),
    notation=command(r"\arccos"),
    domain=[INSIDE_1],
    doc="""
    Inverse cosine in radians, elementwise; nan outside -1 to 1.

    >>> acos(1.0)
    0.0
    """,
)

atan: Function = elementwise(
    "atan",
    math.atan,
    np.arctan,
    lambda g, out, x: g / (1.0 + x * x),
    notation=command(r"\arctan"),
    domain=[REAL],
    doc="""
    Inverse tangent in radians, elementwise.

    >>> atan(0.0)
    0.0
    """,
)


def _over_square(x: Any, length: Any) -> Any:
    return x / length / length  # the square itself would under- or overflow


atan2: Function = elementwise(
    "atan2",
    math.atan2,
    np.arctan2,
    lambda g, out, y, x: g * _over_square(x, hypot(y, x)),
    lambda g, out, y, x: -g * _over_square(y, hypot(y, x)),
    domain=[POSITIVE, REAL],
    doc="""
    Angle of the point (x, y) in radians, elementwise; note the order: ``atan2(y, x)``.

    The slopes are right at any magnitude, and nan at the origin, which has no angle.

    >>> atan2(0.0, 1.0)
    0.0
    """,
)

sinh: Function = elementwise(
    "sinh",
    math.sinh,
    np.sinh,
    lambda g, out, x: g * cosh(x),
    notation=command(r"\sinh"),
    domain=[REAL],
    doc="""
    Hyperbolic sine, elementwise.

    >>> sinh(0.0)
    0.0
    """,
)

cosh: Function = elementwise(
    "cosh",
    math.cosh,
    np.cosh,
    lambda g, out, x: g * sinh(x),
    notation=command(r"\cosh"),
    domain=[REAL],
    doc="""
    Hyperbolic cosine, elementwise.

    >>> cosh(0.0)
    1.0
    """,
)

tanh: Function = elementwise(
    "tanh",
    math.tanh,
    np.tanh,
    lambda g, out, x: g * (1.0 - out * out),
    notation=command(r"\tanh"),
    domain=[REAL],
    doc="""
    Hyperbolic tangent, elementwise.

    >>> tanh(0.0)
    0.0
    """,
)

asinh: Function = elementwise(
    "asinh",
    math.asinh,
    np.arcsinh,
    lambda g, out, x: g / hypot(x, 1.0),
    notation=command(r"\operatorname{arsinh}"),
    domain=[REAL],
    doc="""
    Inverse hyperbolic sine, elementwise.

    >>> asinh(0.0)
    0.0
    """,
)

acosh: Function = elementwise(
    "acosh",
    math.acosh,
    np.arccosh,
    lambda g, out, x: g / (sqrt(x - 1.0) * sqrt(x + 1.0)),
    notation=command(r"\operatorname{arcosh}"),
    domain=[Interval(1.2, 4.0)],
    doc="""
    Inverse hyperbolic cosine, elementwise; the slope at 1 is inf, below 1 all is nan.

    >>> acosh(1.0)
    0.0
    """,
)

atanh: Function = elementwise(
    "atanh",
    math.atanh,
    np.arctanh,
    lambda g, out, x: g * (0.5 / (1.0 - x) + 0.5 / (1.0 + x)),
    notation=command(r"\operatorname{artanh}"),
    domain=[INSIDE_1],
    doc="""
    Inverse hyperbolic tangent, elementwise: inf at 1, nan beyond.

    >>> atanh(0.0), atanh(1.0)
    (0.0, inf)
    """,
)

# --------------------------------------------------------------------------- Bessel functions


def _of_one_number(array: Function) -> Function:
    """The scalar forward of a function that NumPy computes, and might warn of."""

    def scalar(x: float, **params: Any) -> float:
        with np.errstate(all="ignore"):
            return float(array(np.float64(x), **params))

    return scalar


def _spherical_bessel_array(x: Any, n: int) -> Any:
    x = np.asarray(x)
    near = np.where(np.abs(x) < n + 1.0, x, 0.0).astype(x.dtype)
    term = near**n / math.prod(range(1, 2 * n + 2, 2))
    total = term
    for k in range(1, 16 + 2 * n):
        term = term * (-0.5 * near * near) / (k * (2 * (n + k) + 1))
        total = total + term
    far = np.where(np.abs(x) < n + 1.0, 1.0, x)
    before, here = np.cos(far) / far, np.sin(far) / far
    for k in range(n):
        before, here = here, (2 * k + 1) / far * here - before
    return np.where(np.abs(x) < n + 1.0, total, here).astype(x.dtype)


# A primitive for stability: the quotient that is the derivative of sinc cancels near 0, while
# these functions are each other's derivatives (Abramowitz and Stegun, 10.1.20) and smooth at 0.
_spherical_bessel: Primitive = Primitive(
    "spherical_bessel",
    "j",
    _of_one_number(_spherical_bessel_array),
    _spherical_bessel_array,
    (
        lambda g, out, x, n: (
            g
            * (n * _spherical_bessel(x, n=max(n - 1, 0)) - (n + 1) * _spherical_bessel(x, n=n + 1))
            / (2 * n + 1)
        ),
    ),
    domain=[REAL],
    examples=[example((), n=1), example((2, 3), n=0), example((3,), n=2)],
    elementwise=True,
    notation=Notation(latex=Form("j_{$n}($0)")),
)


def _modified_bessel_array(x: Any, n: int) -> Any:
    x = np.asarray(x)
    half = 0.5 * x
    total = term = half**n / math.factorial(n)
    k = 1
    while np.any(np.abs(term) > np.finfo(x.dtype).eps * np.abs(total)):  # none cancels another
        term = term * (half * half / (k * (k + n)))
        total = total + term
        k += 1
    return total.astype(x.dtype)


# A primitive because NumPy has order 0 only, and the others are its derivatives (the same, 9.6.26).
_modified_bessel: Primitive = Primitive(
    "modified_bessel",
    "I",
    _of_one_number(_modified_bessel_array),
    _modified_bessel_array,
    (
        lambda g, out, x, n: (
            g * (0.5 * (_modified_bessel(x, n=max(n - 1, 1 - n)) + _modified_bessel(x, n=n + 1)))
        ),
    ),
    domain=[REAL],
    examples=[example((), n=1), example((2, 3), n=0), example((3,), n=2)],
    elementwise=True,
    notation=Notation(latex=Form("I_{$n}($0)")),
)


def _i0_array(x: Any) -> Any:
    return np.where(np.isinf(x), np.inf, np.i0(x))  # where NumPy multiplies inf by 0


i0: Function = elementwise(
    "i0",
    _of_one_number(_i0_array),
    _i0_array,
    lambda g, out, x: g * _modified_bessel(x, n=1),
    label="I0",
    notation=command("I_{0}"),
    domain=[REAL],
    doc="""
    Modified Bessel function of the first kind, of order 0, elementwise.

    >>> i0(0.0)
    1.0
    """,
)

sinc: Function = elementwise(
    "sinc",
    lambda x: math.sin(math.pi * x) / (math.pi * x) if x else 1.0,
    lambda x: np.sinc(x),
    lambda g, out, x: g * (-math.pi * _spherical_bessel(x * math.pi, n=1)),
    domain=[REAL],
    doc="""
    ``sin(pi * x) / (pi * x)``, elementwise: 1 at 0, smooth there at every order.

    >>> sinc(0.0)
    1.0
    """,
)

# --------------------------------------------------------------------------- activations


def _sigmoid(x: float) -> float:
    if x >= 0.0:
        return 1.0 / (1.0 + math.exp(-x))
    z = math.exp(x)
    return z / (1.0 + z)


def _sigmoid_array(x: Any) -> Any:
    x = of_floats(x)
    z = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, z) / (1.0 + z)


sigmoid: Function = elementwise(
    "sigmoid",
    _sigmoid,
    _sigmoid_array,
    lambda g, out, x: g * (out * sigmoid(-x)),
    label="σ",
    notation=command(r"\sigma"),
    domain=[REAL],
    doc="""
    Logistic sigmoid ``1 / (1 + exp(-x))``, elementwise, stable at any magnitude.

    >>> sigmoid(0.0), sigmoid(-800.0)
    (0.5, 0.0)
    """,
)

softplus: Function = elementwise(
    "softplus",
    lambda x: (x if x > 0.0 or x != x else 0.0) + math.log1p(math.exp(-math.fabs(x))),
    lambda x: np.logaddexp(x, np.zeros_like(x)),
    lambda g, out, x: g * sigmoid(x),
    domain=[REAL],
    doc="""
    ``log(1 + exp(x))``, elementwise, stable at any magnitude.

    >>> softplus(800.0)
    800.0
    """,
)

relu: Function = elementwise(
    "relu",
    lambda x: 0.0 if x <= 0.0 else x,
    lambda x: np.maximum(x, 0.0),
    lambda g, out, x: where(x > 0, g, 0.0),
    label="ReLU",
    notation=command(r"\operatorname{ReLU}"),
    domain=[KINK_AT_0],
    doc="""
    ``max(x, 0)``, elementwise; the slope at 0 is 0.

    >>> relu(-2.0), relu(2.0)
    (0.0, 2.0)
    """,
)

silu: Function = elementwise(
    "silu",
    lambda x: x * _sigmoid(x),
    lambda x: x * _sigmoid_array(x),
    lambda g, out, x: g * (sigmoid(x) * (1.0 + x * sigmoid(-x))),
    label="SiLU",
    notation=command(r"\operatorname{SiLU}"),
    domain=[REAL],
    doc="""
    ``x * sigmoid(x)``, elementwise (Elfwing et al. 2018, arXiv:1702.03118, eq. 4).

    >>> silu(0.0)
    0.0
    """,
)

# NumPy has no erf; these are exact, and float64.
_erf_array, _erfc_array = np.frompyfunc(math.erf, 1, 1), np.frompyfunc(math.erfc, 1, 1)


def _erf_like(x: Any) -> Any:
    return np.asarray(_erf_array(x), dtype=np.result_type(x, np.float16))


def _erfc_like(x: Any) -> Any:
    return np.asarray(_erfc_array(x), dtype=np.result_type(x, np.float16))


erf: Function = elementwise(
    "erf",
    math.erf,
    _erf_like,
    lambda g, out, x: g * (2.0 / math.sqrt(math.pi) * exp(-(x * x))),
    domain=[REAL],
    doc="""
    Error function, elementwise.

    >>> erf(0.0)
    0.0
    """,
)

erfc: Function = elementwise(
    "erfc",
    math.erfc,
    _erfc_like,
    lambda g, out, x: g * (-2.0 / math.sqrt(math.pi) * exp(-(x * x))),
    domain=[REAL],
    doc="""
    Complementary error function ``1 - erf(x)``, elementwise, exact where it is tiny.

    >>> erfc(0.0)
    1.0
    """,
)

_SQRT_HALF = math.sqrt(0.5)

gelu: Function = elementwise(
    "gelu",
    lambda x: 0.5 * x * math.erfc(-x * _SQRT_HALF),
    lambda x: 0.5 * x * _erfc_like(-x * _SQRT_HALF),
    lambda g, out, x: (
        g * (0.5 * erfc(-x * _SQRT_HALF) + x * exp(-0.5 * (x * x)) / math.sqrt(2.0 * math.pi))
    ),
    label="GELU",
    notation=command(r"\operatorname{GELU}"),
    domain=[REAL],
    doc="""
    Gaussian error linear unit, elementwise: x times the normal distribution function of x
    (Hendrycks and Gimpel 2016, arXiv:1606.08415, section 2), exact, with erf.

    >>> gelu(0.0)
    0.0
    """,
)

_leaky_relu = Primitive(
    "leaky_relu",
    "leaky ReLU",
    lambda x, slope: x if x > 0.0 else slope * x,
    lambda x, slope: np.where(x > 0, x, slope * x),
    (lambda g, out, x, slope: where(x > 0, g, slope * g),),
    domain=[KINK_AT_0],
    examples=[example((), slope=0.01), example((2, 3), slope=0.2)],
    elementwise=True,
)


def leaky_relu(x: Any, slope: float = 0.01) -> Any:
    """``x`` where positive, else ``slope * x``, elementwise; the slope at 0 is `slope`.

    >>> leaky_relu(-2.0, slope=0.5)
    -1.0
    """
    return _leaky_relu(x, slope=fixed_number(slope, "slope"))


publish(leaky_relu, _leaky_relu)

_elu = Primitive(
    "elu",
    "ELU",
    lambda x, alpha: x if x > 0.0 else alpha * math.expm1(x),
    lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0.0))),
    (lambda g, out, x, alpha: where(x > 0, g, g * (alpha * exp(minimum(x, 0.0)))),),
    domain=[KINK_AT_0],
    examples=[example((), alpha=1.0), example((2, 3), alpha=0.5)],
    elementwise=True,
)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """``x`` where positive, else ``alpha * (exp(x) - 1)``, elementwise.

    Clevert et al. 2016, arXiv:1511.07289, eq. 15. The slope at 0 is `alpha`.

    >>> elu(0.0), elu(2.0)
    (0.0, 2.0)
    """
    return _elu(x, alpha=fixed_number(alpha, "alpha"))


publish(elu, _elu)
