"""Section by section, what docs/conventions.md says is computed where mathematics leaves a choice.

Each row of the table is checked on `Value`, on a `Tensor` without axes and on one with, at first
and second order: a convention is one number, whichever way one gets to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import GradientError, StaleGraphError, Tensor, Value, gradients, where
from autograd.primitive import REGISTRY

inf, nan = math.inf, math.nan


def point(x: tuple[float, ...], kind: str) -> list[Any]:
    make: dict[str, Callable[[float], Any]] = {
        "value": Value,
        "tensor": Tensor,
        "vector": lambda v: Tensor([v, v]),
    }
    return [make[kind](v) for v in x]


def derivatives(f: Callable[..., Any], xs: list[Any]) -> tuple[Any, Any, Any]:
    """The output, its first derivatives, and the derivatives of the first one."""
    out = f(*xs)
    cotangent = np.ones(out.shape)
    first = gradients(out, xs, cotangent=cotangent)
    as_nodes = gradients(out, xs, cotangent=cotangent, differentiable=True)
    for number, node in zip(first, as_nodes, strict=True):
        np.testing.assert_array_equal(number, node.numpy())
    second = [
        gradients(slope, x, cotangent=cotangent) for slope, x in zip(as_nodes, xs, strict=True)
    ]
    return out.numpy(), first, second


NEAR_1 = 2.0**-40 * (2.0 - 2.0**-40)  # 1 - x * x, for the x that is 2**-40 below 1
FREE = object()  # second derivatives that no convention fixes

# function, point, value, first derivatives, second derivatives (each by its own operand)
TABLE: dict[str, tuple[Callable[..., Any], tuple[float, ...], float, list[Any], list[Any]]] = {
    # Slopes at kinks.
    "relu at 0": (ag.relu, (0.0,), 0.0, [0.0], [0.0]),
    "abs at 0": (ag.abs, (0.0,), 0.0, [0.0], [0.0]),
    "abs at -0": (ag.abs, (-0.0,), 0.0, [0.0], [0.0]),
    "sign at 0": (ag.sign, (0.0,), 0.0, [0.0], [0.0]),
    "leaky_relu at 0": (lambda x: ag.leaky_relu(x, 0.1), (0.0,), 0.0, [0.1], [0.0]),
    "elu at 0": (ag.elu, (0.0,), 0.0, [1.0], [FREE]),
    "sqrt at 0": (ag.sqrt, (0.0,), 0.0, [inf], [-inf]),
    # Ties.
    "maximum at a tie": (ag.maximum, (2.0, 2.0), 2.0, [0.5, 0.5], [0.0, 0.0]),
    "minimum at a tie": (ag.minimum, (2.0, 2.0), 2.0, [0.5, 0.5], [0.0, 0.0]),
    "maximum of itself": (lambda x: ag.maximum(x, x), (2.0,), 2.0, [1.0], [0.0]),
    "maximum, left": (ag.maximum, (3.0, 2.0), 3.0, [1.0, 0.0], [0.0, 0.0]),
    "maximum, right": (ag.maximum, (2.0, 3.0), 3.0, [0.0, 1.0], [0.0, 0.0]),
    "minimum, left": (ag.minimum, (2.0, 3.0), 2.0, [1.0, 0.0], [0.0, 0.0]),
    "minimum, right": (ag.minimum, (3.0, 2.0), 2.0, [0.0, 1.0], [0.0, 0.0]),
    # Bounds.
    "clip at the low bound": (lambda x: x.clip(1.0, 3.0), (1.0,), 1.0, [0.0], [0.0]),
    "clip at the high bound": (lambda x: x.clip(1.0, 3.0), (3.0,), 3.0, [0.0], [0.0]),
    "clip inside": (lambda x: x.clip(1.0, 3.0), (2.0,), 2.0, [1.0], [0.0]),
    "clip outside": (lambda x: x.clip(1.0, 3.0), (5.0,), 3.0, [0.0], [0.0]),
    "clip with an open side": (lambda x: x.clip(None, 3.0), (-9.0,), -9.0, [1.0], [0.0]),
    "clip with crossed bounds": (lambda x: x.clip(3.0, 1.0), (5.0,), 1.0, [0.0], [0.0]),
    # Powers.
    "0 ** 0": (lambda x, y: x**y, (0.0, 0.0), 1.0, [0.0, 0.0], [FREE, FREE]),
    "0 ** 0, constant exponent": (lambda x: x**0, (0.0,), 1.0, [0.0], [0.0]),
    "0 ** 1": (lambda x, y: x**y, (0.0, 1.0), 0.0, [1.0, 0.0], [0.0, 0.0]),
    "0 ** 2": (lambda x, y: x**y, (0.0, 2.0), 0.0, [0.0, 0.0], [2.0, 0.0]),
    "0 ** -1": (lambda x, y: x**y, (0.0, -1.0), inf, [-inf, -inf], [FREE, FREE]),
    "0 ** 1/2": (lambda x: x**0.5, (0.0,), 0.0, [inf], [-inf]),
    "negative base": (lambda x, y: x**y, (-2.0, 3.0), -8.0, [12.0, nan], [-12.0, nan]),
    "negative base, constant exponent": (lambda x: x**3, (-2.0,), -8.0, [12.0], [-12.0]),
    "negative base, fraction": (lambda x: x**0.5, (-4.0,), nan, [nan], [nan]),
    "constant base 0": (lambda y: 0.0**y, (2.0,), 0.0, [0.0], [0.0]),
    # IEEE: no exception where a 0-d array has an answer.
    "log 0": (ag.log, (0.0,), -inf, [inf], [-inf]),
    "log of a negative": (ag.log, (-1.0,), nan, [-1.0], [-1.0]),
    "1 / 0": (lambda x: 1.0 / x, (0.0,), inf, [-inf], [inf]),
    "1 / -0": (lambda x: 1.0 / x, (-0.0,), -inf, [-inf], [-inf]),
    "reciprocal of 0": (ag.reciprocal, (0.0,), inf, [-inf], [inf]),
    "x / 0": (lambda x: x / 0.0, (1.0,), inf, [inf], [FREE]),
    "exp overflows": (ag.exp, (1e3,), inf, [inf], [inf]),
    "sinh overflows": (ag.sinh, (1e3,), inf, [inf], [inf]),
    "power overflows": (lambda x: x**200, (1e10,), inf, [inf], [inf]),
    "product overflows": (lambda x: x * 1e300, (1e300,), inf, [1e300], [0.0]),
    "log1p at -1": (ag.log1p, (-1.0,), -inf, [inf], [-inf]),
    "asin outside": (ag.asin, (2.0,), nan, [nan], [nan]),
    "asin at 1": (ag.asin, (1.0,), math.pi / 2, [inf], [FREE]),
    "asin near 1": (
        ag.asin,
        (1.0 - 2.0**-40,),
        math.asin(1.0 - 2.0**-40),
        [NEAR_1**-0.5],
        [(1.0 - 2.0**-40) * NEAR_1**-1.5],
    ),
    "acos near -1": (
        ag.acos,
        (2.0**-40 - 1.0,),
        math.acos(2.0**-40 - 1.0),
        [-(NEAR_1**-0.5)],
        [(1.0 - 2.0**-40) * NEAR_1**-1.5],
    ),
    "sin of inf": (ag.sin, (inf,), nan, [nan], [nan]),
    "nan stays nan": (ag.tanh, (nan,), nan, [nan], [nan]),
    "maximum with nan": (ag.maximum, (nan, 1.0), nan, [1.0, 1.0], [0.0, 0.0]),
    "minimum with nan": (ag.minimum, (1.0, nan), nan, [1.0, 1.0], [0.0, 0.0]),
    "maximum of two nan": (ag.maximum, (nan, nan), nan, [1.0, 1.0], [0.0, 0.0]),
    "minimum of two nan": (ag.minimum, (nan, nan), nan, [1.0, 1.0], [0.0, 0.0]),
    "atan2 at the origin": (ag.atan2, (0.0, 0.0), 0.0, [nan, nan], [FREE, FREE]),
    "atan2 of tiny numbers": (
        ag.atan2,
        (1e-200, 1e-200),
        math.pi / 4,
        [5e199, -5e199],
        [-inf, inf],
    ),
    "atan2 of small numbers": (
        ag.atan2,
        (1e-150, 1e-150),
        math.pi / 4,
        [5e149, -5e149],
        [-5e299, 5e299],
    ),
    "atan2 of huge numbers": (
        lambda y, x: ag.atan2(y, x) * 1e200,
        (1e200, 1e200),
        math.pi / 4 * 1e200,
        [0.5, -0.5],
        [-5e-201, 5e-201],
    ),
    "atan2 far from both axes": (ag.atan2, (-inf, inf), -math.pi / 4, [nan, nan], [FREE, FREE]),
    "atan2 along the axis": (ag.atan2, (1.0, inf), 0.0, [nan, 0.0], [FREE, FREE]),
    "0 times a square root": (lambda x: 0.0 * ag.sqrt(x), (0.0,), 0.0, [nan], [FREE]),
    # NumPy's further elementwise functions.
    "cbrt at 0": (ag.cbrt, (0.0,), 0.0, [inf], [-inf]),
    "cbrt of a negative": (ag.cbrt, (-8.0,), -2.0, [1 / 12], [1 / 144]),
    "hypot at 0": (ag.hypot, (0.0, 0.0), 0.0, [0.0, 0.0], [0.0, 0.0]),
    "hypot of huge numbers": (ag.hypot, (3e200, 4e200), 5e200, [0.6, 0.8], [0.0, 0.0]),
    "hypot of tiny numbers": (ag.hypot, (3e-200, 4e-200), 5e-200, [0.6, 0.8], [1.28e199, 7.2e198]),
    "copysign at 0": (ag.copysign, (0.0, -1.0), 0.0, [0.0, 0.0], [0.0, 0.0]),
    "copysign, signs differ": (ag.copysign, (-2.0, 3.0), 2.0, [-1.0, 0.0], [0.0, 0.0]),
    "copysign of -0": (ag.copysign, (2.0, -0.0), -2.0, [-1.0, 0.0], [0.0, 0.0]),
    "remainder": (ag.remainder, (7.0, 3.0), 1.0, [1.0, -2.0], [0.0, 0.0]),
    "remainder of a negative": (ag.remainder, (-7.0, 3.0), 2.0, [1.0, 3.0], [0.0, 0.0]),
    "remainder at a jump": (ag.remainder, (6.0, 3.0), 0.0, [1.0, -2.0], [0.0, 0.0]),
    "remainder, x / y rounded up": (ag.remainder, (1.0, 0.1), 1.0 % 0.1, [1.0, -9.0], [0.0, 0.0]),
    "remainder by 0": (ag.remainder, (1.0, 0.0), nan, [1.0, -inf], [0.0, FREE]),
    "fmod of a negative": (ag.fmod, (-7.0, 3.0), -1.0, [1.0, 2.0], [0.0, 0.0]),
    "fmod at a jump": (ag.fmod, (-6.0, 3.0), 0.0, [1.0, 2.0], [0.0, 0.0]),
    "fmax at a tie": (ag.fmax, (2.0, 2.0), 2.0, [0.5, 0.5], [0.0, 0.0]),
    "fmin at a tie": (ag.fmin, (2.0, 2.0), 2.0, [0.5, 0.5], [0.0, 0.0]),
    "fmax with nan": (ag.fmax, (nan, 1.0), 1.0, [0.0, 1.0], [0.0, 0.0]),
    "fmin with nan": (ag.fmin, (1.0, nan), 1.0, [1.0, 0.0], [0.0, 0.0]),
    "fmax of nan alone": (ag.fmax, (nan, nan), nan, [1.0, 0.0], [0.0, 0.0]),
    "fmax, nan left out": (lambda x: ag.fmax(ag.log(x), -5.0), (-1.0,), -5.0, [0.0], [0.0]),
    "nan_to_num of nan": (ag.nan_to_num, (nan,), 0.0, [0.0], [0.0]),
    "nan_to_num of inf": (lambda x: ag.nan_to_num(x, posinf=9.0), (inf,), 9.0, [0.0], [0.0]),
    "nan_to_num, left out": (lambda x: ag.nan_to_num(ag.log(x)), (-1.0,), 0.0, [0.0], [0.0]),
    "sinc at 0": (ag.sinc, (0.0,), 1.0, [0.0], [-(math.pi**2) / 3]),
    "sinc near 0": (ag.sinc, (1e-9,), 1.0, [-(math.pi**2) / 3e9], [-(math.pi**2) / 3]),
    "sinc of inf": (ag.sinc, (inf,), nan, [nan], [nan]),
    "i0 of inf": (ag.i0, (inf,), inf, [inf], [inf]),
    "i0 of -inf": (ag.i0, (-inf,), inf, [-inf], [inf]),
    "i0 overflows": (ag.i0, (1e300,), inf, [inf], [inf]),
    "logaddexp at a tie": (ag.logaddexp, (0.0, 0.0), math.log(2.0), [0.5, 0.5], [0.25, 0.25]),
    "logaddexp, far apart": (ag.logaddexp, (1e300, -1e300), 1e300, [1.0, 0.0], [0.0, 0.0]),
    "logaddexp with -inf": (ag.logaddexp, (-inf, 1.0), 1.0, [0.0, 1.0], [0.0, 0.0]),
    "logaddexp of -inf alone": (ag.logaddexp, (-inf, -inf), -inf, [nan, nan], [FREE, FREE]),
    "logaddexp2, far apart": (ag.logaddexp2, (1e300, -1e300), 1e300, [1.0, 0.0], [0.0, 0.0]),
    "asinh at 1e300": (ag.asinh, (1e300,), math.asinh(1e300), [1e-300], [0.0]),
    "acosh at 1": (ag.acosh, (1.0,), 0.0, [inf], [FREE]),
    "acosh below 1": (ag.acosh, (-2.0,), nan, [nan], [nan]),
    "acosh at 1e300": (ag.acosh, (1e300,), math.acosh(1e300), [1e-300], [0.0]),
    "atanh at 1": (ag.atanh, (1.0,), inf, [inf], [inf]),
    "log2 of 0": (ag.log2, (0.0,), -inf, [inf], [-inf]),
    "exp2 overflows": (ag.exp2, (2e3,), inf, [inf], [inf]),
    # Constants.
    "constant derivative": (lambda x: x + 1.0, (2.0,), 3.0, [1.0], [0.0]),
    "linear": (lambda x: 3.0 * x, (2.0,), 6.0, [3.0], [0.0]),
    # Any magnitude.
    "sigmoid at 800": (ag.sigmoid, (800.0,), 1.0, [0.0], [0.0]),
    "sigmoid at -800": (ag.sigmoid, (-800.0,), 0.0, [0.0], [0.0]),
    "sigmoid at inf": (ag.sigmoid, (inf,), 1.0, [0.0], [0.0]),
    "sigmoid at -inf": (ag.sigmoid, (-inf,), 0.0, [0.0], [0.0]),
    "softplus at 800": (ag.softplus, (800.0,), 800.0, [1.0], [0.0]),
    "softplus at -800": (ag.softplus, (-800.0,), 0.0, [0.0], [0.0]),
    "softplus at 1e300": (ag.softplus, (1e300,), 1e300, [1.0], [0.0]),
    "tanh at 800": (ag.tanh, (800.0,), 1.0, [0.0], [0.0]),
    "silu at 1e300": (ag.silu, (1e300,), 1e300, [1.0], [0.0]),
    "silu at -1e300": (ag.silu, (-1e300,), 0.0, [0.0], [0.0]),
    "gelu at 1e300": (ag.gelu, (1e300,), 1e300, [1.0], [0.0]),
    "gelu at -1e300": (ag.gelu, (-1e300,), 0.0, [0.0], [0.0]),
    "elu at 1e300": (ag.elu, (1e300,), 1e300, [1.0], [0.0]),
    "elu at -1e300": (ag.elu, (-1e300,), -1.0, [0.0], [0.0]),
    "atan at 1e300": (ag.atan, (1e300,), math.pi / 2, [0.0], [0.0]),
    # The branch that is not taken is not there.
    "where, log": (lambda x: where(x > 0, ag.log(x), 0.0), (0.0,), 0.0, [0.0], [0.0]),
    "where, division": (lambda x: where(x != 0, 1.0 / x, x), (0.0,), 0.0, [1.0], [0.0]),
    "where, sqrt": (lambda x: where(x > 0, ag.sqrt(x), x * x), (0.0,), 0.0, [0.0], [2.0]),
    "where, power": (lambda x: where(x > 0, x**0.5, 2.0 * x), (-1.0,), -2.0, [2.0], [0.0]),
    "where, nan": (lambda x: where(x > 9, x * nan, x * x), (3.0,), 9.0, [6.0], [2.0]),
    "where, overflow": (lambda x: where(x < 9, x * x, ag.exp(x)), (3.0,), 9.0, [6.0], [2.0]),
    "where, nested": (
        lambda x: where(x < 9, where(x > 0, ag.log(x), x**3), 1.0 / (x - x)),
        (-2.0,),
        -8.0,
        [12.0],
        [-12.0],
    ),
    "where, chain": (
        lambda x: where(x > 0, ag.exp(3.0 * ag.sqrt(ag.log(x))) / x, 5.0 * x),
        (0.0,),
        0.0,
        [5.0],
        [0.0],
    ),
    "where, branch shared": (
        lambda x: where(x > 0, ag.log(x) * x, x) * x,
        (0.0,),
        0.0,
        [0.0],
        [2.0],
    ),
    "where, both of one": (lambda x: where(x > 0, x, x), (0.0,), 0.0, [1.0], [0.0]),
}


@pytest.mark.parametrize("kind", ["value", "tensor", "vector"])
@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
def test_table(row: tuple[Any, ...], kind: str) -> None:
    f, x, expected, *expected_derivatives = row
    xs = point(x, kind)
    out, *found = derivatives(f, xs)
    np.testing.assert_allclose(out, np.full(np.shape(out), expected), rtol=1e-12)
    for got_all, expected_all in zip(found, expected_derivatives, strict=True):
        for got, wanted in zip(got_all, expected_all, strict=True):
            if wanted is not FREE:
                np.testing.assert_allclose(
                    got, np.full(np.shape(got), wanted), rtol=1e-12, atol=1e-15
                )


# function of a vector, point, first derivative, second derivative (of the first's sum)
ARRAYS: dict[str, tuple[Callable[[Any], Any], list[float], list[float], list[float]]] = {
    "max with ties": (lambda x: x.max(), [2.0, 5.0, 5.0], [0, 0.5, 0.5], [0, 0, 0]),
    "min with ties": (lambda x: x.min(), [2.0, 2.0, 2.0], [1 / 3] * 3, [0, 0, 0]),
    "max with ties by axis": (
        lambda x: x.reshape(2, 2).max(axis=1).sum(),
        [1.0, 1.0, 3.0, 2.0],
        [0.5, 0.5, 1, 0],
        [0] * 4,
    ),
    "norm at 0": (lambda x: x.norm(), [0.0, 0.0], [0, 0], [0, 0]),
    "norm partly at 0": (
        lambda x: x.reshape(2, 2).norm(axis=1).sum(),
        [0.0, 0.0, 3.0, 4.0],
        [0, 0, 0.6, 0.8],
        [0, 0, 0.032, -0.024],
    ),
    "norm of tiny numbers": (lambda x: x.norm(), [3e-200, 4e-200], [0.6, 0.8], [np.nan, np.nan]),
    "norm of huge numbers": (lambda x: x.norm(), [3e200, 4e200], [0.6, 0.8], [0, 0]),
    "std of equal numbers": (lambda x: x.std(), [2.0, 2.0], [0, 0], [0, 0]),
    "prod with one 0": (lambda x: x.prod(), [0.0, 2.0, 3.0], [6, 0, 0], [5, 3, 2]),
    "prod with two 0": (lambda x: x.prod(), [0.0, 0.0, 3.0], [0, 0, 0], [3, 3, 0]),
    "prod with three 0": (lambda x: x.prod(), [0.0, 0.0, 0.0], [0, 0, 0], [0, 0, 0]),
    "prod with inf": (lambda x: x.prod(), [np.inf, 2.0, 3.0], [6, np.inf, np.inf], [np.nan] * 3),
    "logsumexp, large": (lambda x: x.logsumexp(), [1e4, 1e4], [0.5, 0.5], [0, 0]),
    "logsumexp, huge": (lambda x: x.logsumexp(), [1e16, 1e16], [0.5, 0.5], [0, 0]),
    "logsumexp, far apart": (lambda x: x.logsumexp(), [1e308, -1e308], [1, 0], [0, 0]),
    "logsumexp with -inf": (lambda x: x.logsumexp(), [-np.inf, 1.0], [0, 1], [0, 0]),
    "softmax, large": (lambda x: x.softmax()[0], [1e4, 1e4], [0.25, -0.25], [0, 0]),
    "log_softmax, large": (lambda x: x.log_softmax()[0], [1e4, -1e4], [0, 0], [0, 0]),
    "repeated fancy indices": (lambda x: x[[0, 0, 1]].sum(), [1.0, 2.0], [2, 1], [0, 0]),
    "repeated fancy indices, squared": (
        lambda x: (x[[0, 0, 1]] ** 2).sum(),
        [1.0, 2.0],
        [4, 4],
        [4, 2],
    ),
    "sort with ties": (
        lambda x: (x.sort() * np.array([1.0, 2.0, 3.0])).sum(),
        [5.0, 5.0, 1.0],
        [2, 3, 1],
        [0, 0, 0],
    ),
    "a * a": (lambda x: (x * x).sum(), [3.0], [6], [2]),
    "cumprod with zeros": (
        lambda x: (ag.cumprod(x) * np.array([1.0, 2.0, 3.0])).sum(),
        [2.0, 0.0, 3.0],
        [1, 22, 0],
        [11, 17, 6],
    ),
    "logcumsumexp, large": (lambda x: ag.logcumsumexp(x)[1], [1e4, 1e4], [0.5, 0.5], [0, 0]),
    "logcumsumexp, huge": (lambda x: ag.logcumsumexp(x)[1], [1e16, 1e16], [0.5, 0.5], [0, 0]),
    "logcumsumexp with -inf": (lambda x: ag.logcumsumexp(x)[1], [-np.inf, 1.0], [0, 1], [0, 0]),
    "median, odd": (ag.median, [3.0, 1.0, 2.0], [0, 0, 1], [0, 0, 0]),
    "median, even": (ag.median, [3.0, 1.0, 2.0, 9.0], [0.5, 0, 0.5, 0], [0] * 4),
    "median of equal numbers": (ag.median, [2.0, 2.0, 2.0], [0, 1, 0], [0, 0, 0]),
    "median with nan": (ag.median, [np.nan, 2.0, 3.0], [1, 0, 0], [0, 0, 0]),
    "median of infinities": (ag.median, [np.inf, 2.0, np.inf], [1, 0, 0], [0, 0, 0]),
    "nanmedian": (ag.nanmedian, [np.nan, 2.0, 3.0], [0, 0.5, 0.5], [0, 0, 0]),
    "ptp with ties": (ag.ptp, [5.0, 1.0, 5.0], [0.5, -1, 0.5], [0, 0, 0]),
    "ptp of equal numbers": (ag.ptp, [5.0, 5.0], [0, 0], [0, 0]),
    "nanmax with ties": (ag.nanmax, [np.nan, 5.0, 5.0], [0, 0.5, 0.5], [0, 0, 0]),
    "nanmax of -inf": (ag.nanmax, [np.nan, -np.inf], [0, 1], [0, 0]),
    "nanmax of nan alone": (ag.nanmax, [np.nan, np.nan], [0, 0], [0, 0]),
    "nanmean of nan alone": (ag.nanmean, [np.nan, np.nan], [0, 0], [0, 0]),
    "nanstd of equal numbers": (ag.nanstd, [np.nan, 2.0, 2.0], [0, 0, 0], [0, 0, 0]),
    "interp at points": (
        lambda x: ag.interp(x, [0.0, 1.0, 2.0], [0.0, 5.0, 7.0]).sum(),
        [-1.0, 0.0, 1.0, 2.0, 3.0],
        [0, 5, 2, 2, 0],
        [0] * 5,
    ),
    "unique": (
        lambda x: (ag.unique(x) * np.array([1.0, 2.0])).sum(),
        [3, 1.0, 3],
        [2, 1, 0],
        [0] * 3,
    ),
}


@pytest.mark.parametrize("row", ARRAYS.values(), ids=ARRAYS)
def test_table_of_arrays(row: tuple[Any, ...]) -> None:
    f, x, first, second = row
    leaf = Tensor(x)
    slope = gradients(f(leaf), leaf, differentiable=True)
    np.testing.assert_array_equal(gradients(f(leaf), leaf), slope.numpy())
    np.testing.assert_allclose(slope.numpy(), first, rtol=1e-12)
    got = gradients(slope.sum(), leaf)
    if not np.isnan(second).any():
        np.testing.assert_allclose(got, second, rtol=1e-12, atol=1e-14)


# --------------------------------------------------------------------------- where


NO, YES = np.array([False, True]), np.array([True, False])

# The branch, a function of the vector x = [0, 2] whose derivative at 0 is nan or infinite, and
# the condition that does not take it there. The expected gradient is that at 2 alone.
UNTAKEN: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "log": (ag.log, NO),
    "division": (lambda x: 1.0 / x, NO),
    "sqrt": (ag.sqrt, NO),
    "power": (lambda x: x**0.5, NO),
    "asin": (lambda x: ag.asin(1.0 - x / 4.0), NO),
    "chain": (lambda x: ag.exp(ag.sqrt(ag.log(x + 0.0) + 3.0)), NO),
    "maximum": (lambda x: ag.maximum(ag.log(x), -5.0), NO),
    "clip": (lambda x: ag.log(x).clip(-9.0, 9.0), NO),
    "astype": (lambda x: ag.log(x).astype("float64"), NO),
    "reshape": (lambda x: ag.log(x).reshape(2, 1), NO.reshape(2, 1)),
    "transpose": (lambda x: ag.log(x.reshape(2, 1)).T, NO.reshape(1, 2)),
    "moveaxis": (lambda x: ag.moveaxis(ag.log(x.reshape(1, 2, 1)), 1, 0), NO.reshape(2, 1, 1)),
    "index": (lambda x: ag.log(x)[::-1], YES),
    "fancy index": (lambda x: ag.log(x)[[0, 0, 1]], np.array([False, False, True])),
    "mask index": (lambda x: ag.log(x)[np.array([True, True])], NO),
    "flip": (lambda x: ag.flip(ag.log(x)), YES),
    "sum": (lambda x: ag.log(x.reshape(2, 1)).sum(axis=1), NO),
    "mean": (lambda x: ag.log(x.reshape(2, 1)).mean(axis=1, keepdims=True), NO.reshape(2, 1)),
    "cumsum": (lambda x: ag.log(x.reshape(2, 1)).cumsum(axis=1), NO.reshape(2, 1)),
    "concatenate": (lambda x: ag.concatenate([ag.log(x), x])[:2], NO),
    "concatenate, masked": (
        lambda x: ag.concatenate([x * 0.0, ag.log(x)]),
        np.array([False, False, False, True]),
    ),
    "stack": (lambda x: ag.stack([ag.log(x), ag.sqrt(x)]), np.array([NO, NO])),
    "split": (lambda x: ag.split(ag.log(x), 2)[0], np.array([False])),
    "broadcast": (lambda x: ag.broadcast_to(ag.log(x), (3, 2)), np.array([NO] * 3)),
    "broadcast by an operator": (lambda x: ag.log(x) + np.zeros((3, 2)), np.array([NO] * 3)),
    "repeat": (lambda x: ag.log(x).repeat(2), np.array([False, False, True, True])),
    "tile": (lambda x: ag.tile(ag.log(x), 2), np.array([False, True] * 2)),
    "pad": (lambda x: ag.pad(ag.log(x), 1), np.array([True, False, True, True])),
    "diagonal": (lambda x: ag.diagonal(ag.log(x) * np.ones((2, 2))), NO),
    "max": (lambda x: ag.log(x.reshape(2, 1)).max(axis=1), NO),
    "sort": (lambda x: ag.log(x.reshape(2, 1)).sort(axis=1), NO.reshape(2, 1)),
    "logsumexp": (lambda x: ag.log(x.reshape(2, 1)).logsumexp(axis=1), NO),
    "norm": (lambda x: ag.sqrt(x.reshape(2, 1)).norm(axis=1), NO),
    "cumprod": (lambda x: ag.cumprod(ag.log(x)[::-1]), YES),
    "logcumsumexp": (lambda x: ag.logcumsumexp(ag.sqrt(x)[::-1]), YES),
    "convolve": (lambda x: ag.convolve(ag.log(x), [1.0, 2.0])[1:], NO),
    "median": (lambda x: ag.median(ag.log(x.reshape(2, 1)), axis=1), NO),
    "sinc": (lambda x: ag.sinc(ag.log(x)), NO),
    "hypot": (lambda x: ag.hypot(ag.log(x), 3.0), NO),
    "roll": (lambda x: ag.roll(ag.log(x), 1), YES),
    "triu": (lambda x: ag.triu(ag.log(x) * np.ones((2, 2)))[1], NO),
    "diag": (lambda x: ag.diag(ag.log(x))[1], NO),
    "diff": (lambda x: ag.diff(ag.log(x.reshape(2, 1)) * np.ones(2)), NO.reshape(2, 1)),
    "interp": (lambda x: ag.interp(ag.log(x), [0.0, 1.0], [0.0, 3.0]), NO),
    "kron": (lambda x: ag.kron(ag.log(x), [1.0]), NO),
    "prod": (lambda x: ag.log(x.reshape(2, 1) * np.ones(2)).prod(axis=1), NO),
    "var": (lambda x: (ag.log(x.reshape(2, 1)) * np.array([1.0, 2.0])).var(axis=1), NO),
    "std": (lambda x: (ag.log(x.reshape(2, 1)) * np.array([1.0, 2.0])).std(axis=1), NO),
    "softmax": (
        lambda x: (ag.sqrt(x.reshape(2, 1)) * np.array([1.0, 2.0])).softmax(axis=1),
        NO.reshape(2, 1),
    ),
    "matmul": (lambda x: ag.log(x.reshape(2, 1)) @ np.ones((1, 3)), NO.reshape(2, 1)),
    "matmul by a vector": (lambda x: ag.log(x.reshape(2, 1)) @ np.ones(1), NO),
    "einsum": (lambda x: ag.einsum("ij->ji", ag.log(x.reshape(2, 1))), NO.reshape(1, 2)),
    "outer": (lambda x: ag.outer(ag.log(x), np.ones(2)), NO.reshape(2, 1)),
    "nested": (lambda x: where(x < 9, ag.log(x), ag.sqrt(-x)), NO),
    "nested the other way": (lambda x: where(NO, ag.log(x), ag.sqrt(x)), NO),
    "set": (lambda x: ag.log(x).at[1].set(1.0), NO),
}


def smooth_part(f: Callable[[Any], Any], condition: Any) -> tuple[np.ndarray, np.ndarray]:
    """First and second derivative of the branch at [1, 2], where all is finite; at 0 nothing."""
    x = Tensor([1.0, 2.0])
    output = (f(x) * condition).sum()
    slope = gradients(output, x, differentiable=True)
    expected = [slope.numpy(), gradients(slope.sum(), x)]
    return expected[0] * np.array([0.0, 1.0]), expected[1] * np.array([0.0, 1.0])


@pytest.mark.parametrize("row", UNTAKEN.values(), ids=UNTAKEN)
@pytest.mark.parametrize("swapped", [False, True], ids=["first", "second"])
def test_untaken_elements_contribute_nothing(row: tuple[Any, ...], swapped: bool) -> None:
    f, condition = row
    x = Tensor([0.0, 2.0])
    output = where(~condition, 0.0, f(x)) if swapped else where(condition, f(x), 0.0)
    first, second = smooth_part(f, condition)
    np.testing.assert_allclose(gradients(output.sum(), x), first, rtol=1e-12, atol=1e-14)
    slope = gradients(output.sum(), x, differentiable=True)
    np.testing.assert_allclose(slope.numpy(), first, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(gradients(slope.sum(), x), second, rtol=1e-12, atol=1e-14)
    output.sum().backward()
    np.testing.assert_allclose(x.grad, first, rtol=1e-12, atol=1e-14)


def test_the_other_operand_of_an_untaken_element_is_not_reached_either() -> None:
    x, w = Tensor([[1.0, 2.0], [0.0, 2.0]]), Tensor([1.0, 1.0])
    for product in (
        (1.0 / x) @ w,
        ag.einsum("ij,j->i", 1.0 / x, w),
        ag.linear(1.0 / x, w[None])[:, 0],
    ):
        gx, gw = gradients(where(np.array([True, False]), product, 0.0).sum(), [x, w])
        assert gw.tolist() == [1.0, 0.5]
        assert gx.tolist() == [[-1.0, -0.25], [0.0, 0.0]]


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "cumsum", "sort"])
def test_nan_of_a_taken_row_is_not_hidden(name: str) -> None:
    x = Tensor([[nan, 1.0], [1.0, 2.0]])
    rows = getattr(ag, name)(x, axis=1) * [1.0, 2.0]
    masked = gradients(where(np.array([[True], [False]]), rows, 0.0).sum(), x)
    plain = gradients(rows[:1].sum(), x)
    np.testing.assert_array_equal(masked[0], plain[0])
    assert masked[1].tolist() == [0.0, 0.0]


def test_parameters_that_are_not_differentiated_refuse_nodes() -> None:
    """Else a learnable slope would silently stay as it is."""
    for call in (lambda v: ag.leaky_relu(-1.0, slope=v), lambda v: ag.elu(Value(-1.0), alpha=v)):
        with pytest.raises(TypeError, match="fixed number"):
            call(Value(0.1))


SCALAR_UNTAKEN: dict[str, Callable[[Any], Any]] = {
    "broadcast": lambda v: where(np.array([False, False]), ag.log(v), v * np.array([1.0, 2.0])),
    "product": lambda v: where(np.array([False, False]), ag.log(v) * np.ones(2), 1.5 * v),
    "division": lambda v: where(np.array([False, False]), np.ones(2) / v, v * np.array([1.0, 2.0])),
    "stack": lambda v: where(np.array([False, True, True]), ag.stack([ag.log(v), v, 2.0 * v]), 0.0),
    "reshape": lambda v: where(
        np.array([[False], [True]]), ag.stack([ag.sqrt(v), 3.0 * v]).reshape(2, 1), 0.0
    ),
    "plain condition": lambda v: where(False, ag.log(v) * np.ones(2), v * np.array([1.0, 2.0])),
}


@pytest.mark.parametrize("f", SCALAR_UNTAKEN.values(), ids=SCALAR_UNTAKEN)
def test_untaken_elements_that_a_value_was_broadcast_into(f: Callable[[Any], Any]) -> None:
    v = Value(0.0)
    output = f(v).sum()
    assert gradients(output, v) == 3.0
    slope = gradients(output, v, differentiable=True)
    assert slope.data == 3.0
    assert gradients(slope, v) == 0.0


def test_taken_elements_of_a_broadcast_value_count() -> None:
    v = Value(4.0)
    output = where(np.array([True, False]), ag.log(v), ag.sqrt(v)).sum()
    assert gradients(output, v) == 0.25 + 0.25


AT: dict[str, Callable[[Any], Any]] = {
    "set": lambda x: ag.log(x).at[0].set(5.0),
    "set with a mask": lambda x: ag.log(x).at[np.array([True, False])].set(5.0),
    "set with a list": lambda x: ag.log(x).at[[0]].set(5.0),
    "set after a reshape": lambda x: ag.log(x).reshape(2, 1).at[0, 0].set(5.0),
    "set then a chain": lambda x: ag.log(x).at[:1].set(5.0) * 1.0 + 0.0,
    "set twice, the last stays": lambda x: (
        (x * 0.0).at[[0, 0, 1]].set(ag.concatenate([ag.log(x)[:1], [7.0], ag.log(x[1:])]))
    ),
}


@pytest.mark.parametrize("f", AT.values(), ids=AT)
def test_elements_that_were_replaced_contribute_nothing(f: Callable[[Any], Any]) -> None:
    x = Tensor([0.0, 2.0])
    slope = gradients(f(x).sum(), x, differentiable=True)
    np.testing.assert_array_equal(gradients(f(x).sum(), x), [0.0, 0.5])
    np.testing.assert_array_equal(slope.numpy(), [0.0, 0.5])
    np.testing.assert_array_equal(gradients(slope.sum(), x), [0.0, -0.25])


# --------------------------------------------------------------------------- rows about data


@pytest.mark.parametrize("given", [2, True, np.float32(2), np.int8(2), np.array(2)])
def test_value_data_is_a_python_float(given: Any) -> None:
    v = Value(given)
    assert type(v.data) is float
    (v * v).backward()
    assert type(v.grad) is float


@pytest.mark.parametrize(
    ("data", "dtype"),
    [([1.0], "float64"), (np.ones(2, np.float32), "float32"), (np.ones(2), "float64")],
)
def test_tensor_and_its_gradient_keep_dtype_and_shape(data: Any, dtype: str) -> None:
    x = Tensor(data)
    (x * np.ones((3, 1))).sum().backward()
    assert x.dtype == x.data.dtype == x.grad.dtype == np.dtype(dtype)
    assert x.grad.shape == x.shape


@pytest.mark.parametrize("data", [[1, 2], [True, False], np.arange(3, dtype=np.uint8)])
def test_integer_tensors_are_constants(data: Any) -> None:
    labels = Tensor(data)
    assert labels.is_constant
    assert labels.dtype == np.asarray(data).dtype
    x = Tensor(1.0)
    y = (x * labels).sum()
    y.backward()
    assert labels.grad is None
    for ask in (labels.sum().backward, lambda: gradients(y, labels), labels.backward):
        with pytest.raises(GradientError, match=r"int|bool"):
            ask()


@pytest.mark.parametrize("bad", ["1", None, 1j, np.array([1, None]), object(), b"1", [1j], ["a"]])
@pytest.mark.parametrize("kind", [Value, Tensor])
def test_bad_data_is_a_type_error(kind: Any, bad: Any) -> None:
    with pytest.raises(TypeError):
        kind(bad)


def test_value_never_holds_an_array() -> None:
    with pytest.raises(TypeError, match="Tensor"):
        Value(np.ones(2))
    product = Value(2.0) * np.ones(2)
    assert type(product) is Tensor
    assert product.shape == (2,)


@pytest.mark.parametrize("x", [Value(3.0), Tensor(3.0)], ids=["value", "tensor"])
def test_float_takes_the_number_and_so_does_an_array(x: Any) -> None:
    array = np.zeros(2)
    array[0] = x if isinstance(x, Value) else x.item()
    array[1:].fill(float(x))
    assert array.tolist() == [3.0, 3.0]
    assert type(float(x)) is float


@pytest.mark.parametrize("a", [Value(3.0), Tensor(3.0)], ids=["value", "tensor"])
def test_operand_used_twice_is_two_inputs(a: Any) -> None:
    product = a * a
    assert len(product.inputs) == 2
    assert all(x is a for x in product.inputs)
    assert gradients(product, a) == 6.0


def test_grad_is_none_until_reached_and_then_accumulates() -> None:
    x, y = Value(2.0), Value(3.0)
    middle = x * x
    loss = middle * 1.0
    assert x.grad is None
    assert middle.grad is None
    loss.backward()
    assert (x.grad, middle.grad, y.grad) == (4.0, 1.0, None)
    (middle * 3.0).backward()
    assert x.grad == 4.0 + 12.0  # leaves add up
    assert middle.grad == 3.0  # others show the last call
    x.grad = None
    loss.backward()
    assert x.grad == 4.0


def test_zero_gradient_is_not_none() -> None:
    x = Value(-1.0)
    ag.relu(x).backward()
    assert x.grad == 0.0


def test_data_changed_between_forward_and_backward_is_an_error_that_names_the_node() -> None:
    x = Value(2.0, label="weight")
    loss = x * x
    x.data = 3.0
    with pytest.raises(StaleGraphError, match="'weight'"):
        loss.backward()
    assert x.grad is None


@pytest.mark.parametrize(
    "f",
    [
        lambda: ag.log(0.0),
        lambda: 1.0 / Value(0.0),
        lambda: Value(0.0) ** -1,
        lambda: ag.log(Value(0.0)),
    ],
)
def test_no_arithmetic_exception_from_a_forward(f: Callable[[], Any]) -> None:
    assert abs(float(f())) == inf


@pytest.mark.parametrize("name", ["modified_bessel", "spherical_bessel"])
@pytest.mark.parametrize("kind", [Value, Tensor])
def test_primitives_without_a_function_are_silent_too(name: str, kind: Any) -> None:
    for x in (inf, -inf, nan, 800.0, 1e300, -1e300):
        for n in range(3):
            REGISTRY[name](kind(x), n=n)


@pytest.mark.parametrize("differentiable", [False, True])
def test_mask_does_not_change_what_a_structural_primitive_selects(differentiable: bool) -> None:
    t = Tensor([[1.0, 0.5, 0.2], [3.0, 1.0, 2.0]])
    z = ag.where(np.array([True, False]), t.max(axis=1), 0.0).sum()
    expected = [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    np.testing.assert_array_equal(_numbers(z, t, differentiable), expected)
    x = Tensor([3.0, 2.0, 1.0])
    y = ag.where(np.array([True, False, False]), ag.sort(x), 0.0).sum()
    np.testing.assert_array_equal(_numbers(y, x, differentiable), [0.0, 0.0, 1.0])


def _numbers(output: Any, x: Any, differentiable: bool) -> Any:
    got = ag.gradients(output, x, differentiable=differentiable)
    return got.numpy() if differentiable else got
