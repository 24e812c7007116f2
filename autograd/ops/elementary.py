"""Elementary functions: powers, exponentials, trigonometry, and the activations made of them.

Derivatives of the elementary functions: Abramowitz and Stegun, Handbook of Mathematical
Functions, chapters 4 and 7.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ..primitive import (
    POSITIVE,
    REAL,
    Function,
    Interval,
    Primitive,
    elementwise,
    example,
    fixed_number,
    publish,
)
from .comparison import minimum, where

__all__ = [
    "abs",
    "acos",
    "asin",
    "atan",
    "atan2",
    "cos",
    "cosh",
    "elu",
    "erf",
    "exp",
    "expm1",
    "gelu",
    "leaky_relu",
    "log",
    "log1p",
    "pow",
    "reciprocal",
    "relu",
    "sigmoid",
    "sign",
    "silu",
    "sin",
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

square: Function = elementwise(
    "square",
    lambda x: x * x,
    np.square,
    lambda g, out, x: g * (2.0 * x),
    label="²",
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
    domain=[POSITIVE],
    doc="""
    Square root, elementwise; the slope at 0 is inf.

    >>> sqrt(9.0)
    3.0
    """,
)

reciprocal: Function = elementwise(
    "reciprocal",
    lambda x: 1.0 / x,
    lambda x: np.true_divide(1.0, x),
    lambda g, out, x: -g * (out * out),
    label="1/x",
    domain=[POSITIVE],
    doc="""
    Reciprocal, elementwise.

    >>> reciprocal(4.0)
    0.25
    """,
)


def _pow_array(x: Any, y: Any) -> Any:
    return np.square(x) if type(y) is float and y == 2.0 else np.power(x, y)


pow: Function = elementwise(
    "pow",
    math.pow,
    _pow_array,
    lambda g, out, x, y: where((x == 0) & (y == 0), 0.0, g * (y * pow(x, y - 1.0))),
    lambda g, out, x, y: where((x == 0) & (y >= 0), 0.0, g * (out * log(x))),
    label="**",
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

# --------------------------------------------------------------------------- exp and log

exp: Function = elementwise(
    "exp",
    math.exp,
    np.exp,
    lambda g, out, x: g * out,
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
    domain=[REAL],
    doc="""
    ``exp(x) - 1``, elementwise, exact near 0.

    >>> expm1(1e-20)
    1e-20
    """,
)

log: Function = elementwise(
    "log",
    math.log,
    np.log,
    lambda g, out, x: g / x,
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
    domain=[POSITIVE],
    doc="""
    ``log(1 + x)``, elementwise, exact near 0.

    >>> log1p(1e-20)
    1e-20
    """,
)

# --------------------------------------------------------------------------- trigonometry

sin: Function = elementwise(
    "sin",
    math.sin,
    np.sin,
    lambda g, out, x: g * cos(x),
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
    lambda g, out, x: g / sqrt(1.0 - x * x),
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
    lambda g, out, x: -g / sqrt(1.0 - x * x),
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
    domain=[REAL],
    doc="""
    Inverse tangent in radians, elementwise.

    >>> atan(0.0)
    0.0
    """,
)

atan2: Function = elementwise(
    "atan2",
    math.atan2,
    np.arctan2,
    lambda g, out, y, x: g * (x / (x * x + y * y)),
    lambda g, out, y, x: -g * (y / (x * x + y * y)),
    domain=[POSITIVE, REAL],
    doc="""
    Angle of the point (x, y) in radians, elementwise; note the order: ``atan2(y, x)``.

    >>> atan2(0.0, 1.0)
    0.0
    """,
)

sinh: Function = elementwise(
    "sinh",
    math.sinh,
    np.sinh,
    lambda g, out, x: g * cosh(x),
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
    domain=[REAL],
    doc="""
    Hyperbolic tangent, elementwise.

    >>> tanh(0.0)
    0.0
    """,
)

# --------------------------------------------------------------------------- activations


def _sigmoid(x: float) -> float:
    if x >= 0.0:
        return 1.0 / (1.0 + math.exp(-x))
    z = math.exp(x)
    return z / (1.0 + z)


def _sigmoid_array(x: Any) -> Any:
    z = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, z) / (1.0 + z)


sigmoid: Function = elementwise(
    "sigmoid",
    _sigmoid,
    _sigmoid_array,
    lambda g, out, x: g * (out * sigmoid(-x)),
    label="σ",
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
    domain=[REAL],
    doc="""
    ``x * sigmoid(x)``, elementwise (Elfwing et al. 2018, arXiv:1702.03118, eq. 4).

    >>> silu(0.0)
    0.0
    """,
)

_erf_array = np.frompyfunc(math.erf, 1, 1)  # NumPy has no erf; this one is exact and float64


def _erf_like(x: Any) -> Any:
    return np.asarray(_erf_array(x), dtype=np.result_type(x, np.float16))


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

_SQRT_HALF = math.sqrt(0.5)

gelu: Function = elementwise(
    "gelu",
    lambda x: 0.5 * x * (1.0 + math.erf(x * _SQRT_HALF)),
    lambda x: 0.5 * x * (1.0 + _erf_like(x * _SQRT_HALF)),
    lambda g, out, x: (
        g * (0.5 * (1.0 + erf(x * _SQRT_HALF)) + x * exp(-0.5 * (x * x)) / math.sqrt(2.0 * math.pi))
    ),
    label="GELU",
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
