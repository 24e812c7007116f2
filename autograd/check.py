"""Derivatives held against central differences, of any order.

Differences are taken with two steps and extrapolated (Richardson 1911; Press et al., Numerical
Recipes, section 5.7), which also tells how far they can be trusted: a derivative is *wrong* when
it lies outside what the differences can be off by, *imprecise* when they cannot tell.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .backprop import gradients
from .errors import CheckError, DataError
from .graph import Node
from .nodes import Tensor, Value
from .primitive import current_data, recording

__all__ = ["Disagreement", "check_grads"]


@dataclass(frozen=True)
class Disagreement:
    """One input element whose derivative is not plainly equal to finite differences.

    Attributes
    ----------
    verdict : str
        "wrong"; "kink", where the derivative lies between the two one-sided ones; or "imprecise",
        where differences are too rough to judge by.
    order, argument : int
        Which derivative (1 is the gradient), of which argument of the function.
    index : tuple of int
        Which element of the argument.
    expected, got : float
        By finite differences, and by the engine.

    Examples
    --------
    >>> print(Disagreement("wrong", 1, 0, (), 2.0, 2.5))
    order 1, argument 0: expected 2, got 2.5, relative error 0.2: wrong
    """

    verdict: str
    order: int
    argument: int
    index: tuple[int, ...]
    expected: float
    got: float

    @property
    def relative_error(self) -> float:
        """The difference over the larger of the two numbers."""
        size = max(abs(self.expected), abs(self.got))
        return abs(self.expected - self.got) / size if size else 0.0

    def __str__(self) -> str:
        element = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        return (
            f"order {self.order}, argument {self.argument}{element}: expected {self.expected:.9g}, "
            f"got {self.got:.9g}, relative error {self.relative_error:.2g}: {self.verdict}"
        )


def check_grads(f: Callable[..., Any], *inputs: Any, order: int = 2) -> list[Disagreement]:
    """Check the derivatives of a function against finite differences.

    Parameters
    ----------
    f : callable
        Takes as many nodes as there are inputs, returns a node or a sequence of nodes. Must give
        the same output for the same input.
    *inputs : number, array, Value or Tensor
        The point at which to check: numbers become Values, arrays Tensors. Integers in arrays
        are passed on and not differentiated.
    order : int
        The highest order to check: 1 checks the gradient, 2 also the Hessian, and so on. Several
        outputs, and the derivatives of several inputs, are contracted with fixed random
        directions, so that one number stands for many. An element at a kink is not checked at
        higher orders, where it has no derivative.

    Returns
    -------
    list of Disagreement
        The elements that could not be confirmed and are not wrong: kinks and imprecise ones.

    Raises
    ------
    CheckError
        With a report of every element whose derivative is wrong.

    Examples
    --------
    >>> from autograd import sin, abs
    >>> check_grads(sin, 1.0)
    []
    >>> [d.verdict for d in check_grads(abs, 0.0, order=1)]
    ['kink']
    """
    points = [_point(x) for x in inputs]
    directions = np.random.default_rng(0)
    found: list[Disagreement] = []
    function: Callable[..., Node] = _contracted(f, directions)
    with recording():
        for k in range(1, _order(order) + 1):
            kinks = {(d.argument, d.index) for d in found if d.verdict == "kink"}
            found += [
                d for d in _check_order(function, points, k) if (d.argument, d.index) not in kinks
            ]
            function = _slope(function, directions)
    wrong = [d for d in found if d.verdict == "wrong"]
    if wrong:
        raise CheckError(
            f"{len(wrong)} derivative{'s' * (len(wrong) > 1)} not confirmed by finite "
            "differences:\n  " + "\n  ".join(map(str, found))
        )
    return found


def _order(order: Any) -> int:
    try:
        number = operator.index(order)
    except TypeError:
        number = 0
    if number < 1:
        raise DataError(f"check_grads: order is a whole number from 1, got {order!r}")
    return number


def _point(x: Any) -> Any:
    """The data of an input, float or array, for making fresh leaves from."""
    if isinstance(x, Node):
        data = current_data(x)
        return data if type(data) is float else data.copy()
    return Value(x).data if np.ndim(x) == 0 and not isinstance(x, np.ndarray) else Tensor(x).data


def _leaves(points: Sequence[Any]) -> list[Node]:
    return [Value(p) if type(p) is float else Tensor(p) for p in points]


# --------------------------------------------------------------------------- scalar functions


def _contracted(f: Callable[..., Any], directions: np.random.Generator) -> Callable[..., Node]:
    """The function as a scalar one: its outputs times fixed random numbers, summed.

    A single number stays what it is, so that a report shows the derivatives that a user knows.
    """
    weights: list[np.ndarray] = []

    def function(*leaves: Node) -> Node:
        outputs = f(*leaves)
        nodes = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
        if not all(isinstance(node, Node) for node in nodes):
            raise DataError(f"check_grads: the function must return nodes, got {outputs!r}")
        if len(nodes) == 1 and nodes[0].size == 1:
            only: Node = nodes[0] if nodes[0].shape == () else nodes[0].sum()
            return only
        while len(weights) < len(nodes):
            shape = nodes[len(weights)].shape
            weights.append(directions.uniform(0.5, 1.5, shape) * directions.choice([-1, 1], shape))
        return _weighted_sum(nodes, weights)

    return function


def _slope(function: Callable[..., Node], directions: np.random.Generator) -> Callable[..., Node]:
    """The derivative of a scalar function along fixed random directions, again scalar."""

    def gradient(*leaves: Node) -> list[Node]:
        variables = [leaf for leaf in leaves if not leaf.is_constant]
        output: Any = function(*leaves)
        if output.is_constant:
            return [output * 0.0]
        slopes: list[Node] = gradients(output, variables, differentiable=True)
        return slopes

    return _contracted(gradient, directions)


def _weighted_sum(nodes: Sequence[Any], weights: Sequence[np.ndarray]) -> Node:
    total: Any = Value(0.0).detach()
    for node, weight in zip(nodes, weights, strict=True):
        if isinstance(node, Value):
            total = total + node * float(weight)
        else:
            total = total + (node * weight).sum()
    return total  # type: ignore[no-any-return]


# --------------------------------------------------------------------------- differences


def _check_order(
    function: Callable[..., Node], points: list[Any], order: int
) -> Iterator[Disagreement]:
    leaves = _leaves(points)
    variables = [i for i, leaf in enumerate(leaves) if not leaf.is_constant]
    output = function(*leaves)
    if output.is_constant:  # a constant function: every derivative is 0
        got = [np.zeros(np.shape(points[i])) for i in variables]
    else:
        got = gradients(output, [leaves[i] for i in variables])
    wide = [_widened(p) for p in points]  # so that float32 is held against better numbers
    dtype = np.asarray(function(*_leaves(wide)).numpy()).dtype
    for i, slopes in zip(variables, got, strict=True):
        rounding = float(np.finfo(np.asarray(points[i]).dtype).eps)
        for index in np.ndindex(np.shape(points[i])):
            slope = float(np.asarray(slopes)[index])
            line = _line(function, wide, i, index)
            x = float(np.asarray(points[i])[index])
            expected, verdict = _judge(line, x, slope, dtype, rounding)
            if verdict:
                yield Disagreement(verdict, order, i, index, expected, slope)


def _widened(point: Any) -> Any:
    if type(point) is float or point.dtype.kind != "f":
        return point
    return point.astype(np.promote_types(point.dtype, np.float64))


def _line(
    function: Callable[..., Node], points: list[Any], i: int, index: tuple[int, ...]
) -> Callable[[float], float]:
    """The function of one element of one input, the others fixed."""

    def value(x: float) -> float:
        moved = list(points)
        if type(points[i]) is float:
            moved[i] = x
        else:
            moved[i] = points[i].copy()
            moved[i][index] = x
        return float(function(*_leaves(moved)))  # type: ignore[arg-type]

    return value


@dataclass(frozen=True)
class _Difference:
    """What differences with one step say of a slope, and how far they can be off."""

    slope: float
    off_by: float
    noise: float
    left: float
    right: float

    @property
    def gap(self) -> float:
        """Between the slopes to the left and to the right."""
        return abs(self.right - self.left)

    @property
    def steepest(self) -> float:
        return max(abs(self.right), abs(self.left))

    def agrees(self, got: float, tolerance: float) -> bool:
        """Whether a derivative is this slope, but for what differences cannot tell."""
        size = max(abs(self.slope), abs(got))
        return bool(abs(self.slope - got) <= tolerance * size + self.noise)


def _judge(
    value: Callable[[float], float], x: float, got: float, dtype: np.dtype, rounding: float
) -> tuple[float, str]:
    """Compare a derivative with differences; an empty verdict says that they agree.

    The function gives numbers of `dtype`, the derivative was computed with the eps `rounding`.
    Where the usual step does not settle it, others are tried, down to the spacing of floats
    near `x`, and the one that can be trusted best decides.
    """
    eps, middle = float(np.finfo(dtype).eps), value(x)
    tolerance = max(eps**0.45, rounding**0.5)
    found: list[_Difference] = []
    for h in _steps(x, dtype):
        difference = _differences(value, x, middle, h, eps)
        if difference is None:
            continue
        smooth = difference.gap <= max(64 * difference.noise, eps**0.25 * difference.steepest)
        if not found and smooth and difference.agrees(got, tolerance):
            return difference.slope, ""
        found.append(difference)
    if not found:
        return float("nan"), "imprecise"
    corner = _corner(found)
    if corner is not None:
        low, high = sorted((corner.left, corner.right))
        between = low - corner.gap / 100 <= got <= high + corner.gap / 100
        return corner.slope, "kink" if between else "wrong"
    telling = [d for d in found if d.off_by < abs(d.slope) / 10] or found
    best = min(telling, key=lambda d: d.off_by)
    if best.agrees(got, tolerance):
        return best.slope, ""
    contradicting = [
        d for d in telling if abs(d.slope - got) > 4 * (d.off_by + rounding * abs(got))
    ]
    # One step alone may look better than it is, by chance.
    wrong = best in contradicting and len(contradicting) >= min(2, len(telling))
    # What is left where terms near 1 cancel; the function's own value does not show it.
    left_over = abs(best.slope - got) <= 8 * max(eps, rounding)
    return best.slope, "wrong" if wrong and not left_over else "imprecise"


def _steps(x: float, dtype: np.dtype) -> Iterator[float]:
    """Powers of 2, so that x + h is exact: first a balance of truncation and rounding, then less.

    Press et al., Numerical Recipes, section 5.7: the cube root of eps, times the size of `x`.
    """
    eps = float(np.finfo(dtype).eps)
    usual = eps ** (1 / 3) * max(abs(x), 1.0)
    smallest = max(
        eps ** (2 / 3) * (min(abs(x), 1.0) or 1.0), 8 * float(np.spacing(dtype.type(abs(x))))
    )
    exponent = round(math.log2(usual))
    while 2.0**exponent >= smallest:
        yield 2.0**exponent
        exponent -= 3


def _differences(
    value: Callable[[float], float], x: float, middle: float, h: float, eps: float
) -> _Difference | None:
    """Central and one-sided differences with one step; None where the function is not finite."""
    plus, minus = value(x + h), value(x - h)
    coarse = (plus - minus) / (2 * h)
    fine = (value(x + h / 2) - value(x - h / 2)) / h
    if not np.isfinite([middle, plus, minus, coarse, fine]).all():
        return None
    noise = 16 * eps * max(abs(plus), abs(minus), abs(middle)) / h
    return _Difference(
        slope=fine + (fine - coarse) / 3,
        off_by=abs(fine - coarse) + noise,
        noise=noise,
        left=(middle - minus) / h,
        right=(plus - middle) / h,
    )


def _corner(found: list[_Difference]) -> _Difference | None:
    """The differences at a kink: each side's slope has settled, and the two sides differ.

    Decided by the smallest step whose gap between the sides is more than noise.
    """
    for near, far in itertools.pairwise(reversed(found)):
        if 100 * near.noise < near.gap:
            moved = max(abs(near.right - far.right), abs(near.left - far.left))
            return near if moved < near.gap / 100 else None
    return None
