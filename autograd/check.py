"""Derivatives held against central differences, of any order.

Differences are taken with two steps and extrapolated (Richardson 1911; Press et al., Numerical
Recipes, section 5.7), which also tells how far they can be trusted: a derivative is *wrong* when
it lies outside what the differences can be off by, *imprecise* when they cannot tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .backprop import gradients
from .errors import CheckError, DataError
from .graph import Node
from .nodes import Tensor, Value
from .primitive import current_data

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
        The highest order to check: 1 checks the gradient, 2 also the Hessian, and so on. Each
        order is contracted with fixed random directions, so that one number stands for many.

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
    if order < 1:
        raise DataError(f"check_grads: order is at least 1, got {order}")
    directions = np.random.default_rng(0)
    found: list[Disagreement] = []
    function: Callable[..., Node] = _contracted(f, directions)
    for k in range(1, order + 1):
        found += _check_order(function, points, k)
        function = _slope(function, directions)
    wrong = [d for d in found if d.verdict == "wrong"]
    if wrong:
        raise CheckError(
            f"{len(wrong)} derivative{'s' * (len(wrong) > 1)} not confirmed by finite "
            "differences:\n  " + "\n  ".join(map(str, found))
        )
    return found


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
    """The function as a scalar one: its outputs times fixed random numbers, summed."""
    weights: list[np.ndarray] = []

    def function(*leaves: Node) -> Node:
        outputs = f(*leaves)
        nodes = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
        if not all(isinstance(node, Node) for node in nodes):
            raise DataError(f"check_grads: the function must return nodes, got {outputs!r}")
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
    for i, slopes in zip(variables, got, strict=True):
        for index in np.ndindex(np.shape(points[i])):
            slope = float(np.asarray(slopes)[index])
            line = _line(function, points, i, index)
            expected, verdict = _judge(line, float(np.asarray(points[i])[index]), slope, points[i])
            if verdict:
                yield Disagreement(verdict, order, i, index, expected, slope)


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


def _judge(value: Callable[[float], float], x: float, got: float, point: Any) -> tuple[float, str]:
    """Compare a derivative with differences; an empty verdict says that they agree."""
    eps = float(np.finfo(np.asarray(point).dtype).eps)
    h = _step(value, x, eps)
    middle, plus, minus = value(x), value(x + h), value(x - h)
    coarse = (plus - minus) / (2 * h)
    fine = (value(x + h / 2) - value(x - h / 2)) / h
    expected = fine + (fine - coarse) / 3
    noise = 16 * eps * max(abs(plus), abs(minus), abs(middle)) / h
    if not np.isfinite([middle, plus, minus, coarse, fine]).all():
        return expected, "imprecise"
    # The one-sided slopes of a smooth function approach each other with the step.
    right, left = (plus - middle) / h, (middle - minus) / h
    if abs(right - left) > 64 * noise:
        right_near = (value(x + h / 8) - middle) / (h / 8)
        left_near = (middle - value(x - h / 8)) / (h / 8)
        gap = abs(right_near - left_near)
        real = max(512 * noise, eps**0.25 * max(abs(right_near), abs(left_near)))
        if gap > abs(right - left) / 2 and gap > real:
            low, high = sorted((left_near, right_near))
            return expected, "kink" if low - gap / 100 <= got <= high + gap / 100 else "wrong"
    if abs(expected - got) <= eps**0.4 * max(abs(expected), abs(got)) + noise:
        return expected, ""
    uncertain = 4 * abs(fine - coarse) + 4 * noise
    return expected, "imprecise" if abs(expected - got) <= uncertain else "wrong"


def _step(value: Callable[[float], float], x: float, eps: float) -> float:
    """A step that balances truncation against rounding, small enough to stay in the domain."""
    for scale in (max(abs(x), 1.0), abs(x)):
        h = float(eps ** (1 / 3) * scale)
        h = (x + h) - x
        if h and np.isfinite([value(x + h), value(x - h)]).all():
            return h
    return float(eps ** (1 / 3) * max(abs(x), 1.0))
