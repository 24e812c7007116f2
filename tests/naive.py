"""A second engine to compare with: forward mode on explicit Jacobians.

Nothing in common with the package: no graph, no backward pass, no un-broadcasting. Each number
carries its whole Jacobian with respect to each leaf, an array of the output's shape followed by
the leaf's; an operation multiplies them out. Slow, short, and wrong in other ways.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray
Jacobians = dict[int, Array]


class Naive:
    """An array, its Jacobians by leaf, and which version of each leaf they were computed from."""

    def __init__(self, data: Any, jacobians: Jacobians | None = None) -> None:
        self.data = np.asarray(data, dtype=float)
        self.jacobians = jacobians or {}

    @classmethod
    def leaf(cls, key: int, data: Any) -> Naive:
        data = np.asarray(data, dtype=float)
        return cls(data, {key: np.eye(data.size).reshape(data.shape * 2)})

    def pull(self, key: int, cotangent: Any) -> Array:
        """The gradient of the cotangent times the output with respect to a leaf."""
        return np.tensordot(np.asarray(cotangent), self.jacobians[key], axes=self.data.ndim)


def elementwise(f: Callable[..., Array], *partials: Callable[..., Array]) -> Callable[..., Naive]:
    """An operation given by its partial derivatives, on operands that broadcast."""

    def operation(*xs: Naive) -> Naive:
        with np.errstate(all="ignore"):
            data = [x.data for x in xs]
            out = np.asarray(f(*data))
            total: Jacobians = {}
            for x, partial in zip(xs, partials, strict=True):
                slope = np.broadcast_to(partial(*data), out.shape)
                for key, jacobian in x.jacobians.items():
                    trailing = jacobian.shape[x.data.ndim :]
                    spread = np.broadcast_to(
                        jacobian.reshape((1,) * (out.ndim - x.data.ndim) + jacobian.shape),
                        out.shape + trailing,
                    )
                    term = slope.reshape(out.shape + (1,) * len(trailing)) * spread
                    total[key] = total.get(key, 0.0) + term
        return Naive(out, total)

    return operation


def linear(f: Callable[[Array], Array]) -> Callable[[Naive], Naive]:
    """An operation that only moves and adds elements: the same for each column of a Jacobian."""

    def operation(x: Naive) -> Naive:
        out = np.asarray(f(x.data))
        moved = {}
        for key, jacobian in x.jacobians.items():
            trailing = jacobian.shape[x.data.ndim :]
            columns = jacobian.reshape((*x.data.shape, -1))
            each = [f(columns[..., i]) for i in range(columns.shape[-1])]
            moved[key] = np.stack(each, axis=-1).reshape(out.shape + trailing)
        return Naive(out, moved)

    return operation


def matmul(x: Naive, y: Naive) -> Naive:
    """The product of two matrices, differentiated by the product rule."""
    total: Jacobians = {
        key: np.einsum("ijx,jk->ikx", _flat(x, key), y.data).reshape(_shape(x, y, x, key))
        for key in x.jacobians
    }
    for key in y.jacobians:
        term = np.einsum("ij,jkx->ikx", x.data, _flat(y, key)).reshape(_shape(x, y, y, key))
        total[key] = total.get(key, 0.0) + term
    return Naive(x.data @ y.data, total)


def _flat(x: Naive, key: int) -> Array:
    return x.jacobians[key].reshape((*x.data.shape, -1))


def _shape(x: Naive, y: Naive, of: Naive, key: int) -> tuple[int, ...]:
    return (x.data.shape[0], y.data.shape[1], *of.jacobians[key].shape[2:])


UNARY = {
    "neg": elementwise(np.negative, lambda x: np.full_like(x, -1.0)),
    "tanh": elementwise(np.tanh, lambda x: 1.0 / np.cosh(x) ** 2),
    "sin": elementwise(np.sin, np.cos),
    "sigmoid": elementwise(
        lambda x: 0.5 + 0.5 * np.tanh(x / 2), lambda x: 0.25 / np.cosh(x / 2) ** 2
    ),
    "relu": elementwise(lambda x: x * (x > 0), lambda x: 1.0 * (x > 0)),
    "square": elementwise(lambda x: x * x, lambda x: 2 * x),
    "abs": elementwise(np.abs, np.sign),
}
BINARY = {
    "add": elementwise(np.add, lambda x, y: np.float64(1), lambda x, y: np.float64(1)),
    "sub": elementwise(np.subtract, lambda x, y: np.float64(1), lambda x, y: np.float64(-1)),
    "mul": elementwise(np.multiply, lambda x, y: y, lambda x, y: x),
    "div": elementwise(np.divide, lambda x, y: 1 / y, lambda x, y: -x / y**2),
    "maximum": elementwise(
        np.maximum,
        lambda x, y: 0.5 * (1 + np.sign(x - y)),
        lambda x, y: 0.5 * (1 + np.sign(y - x)),
    ),
}
