"""Products of vectors and matrices: matmul, dot, outer, einsum, diagonal, trace."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..graph import Node
from ..primitive import REAL, EachOperand, Primitive, as_data, example, publish
from .indexing import getitem, scatter
from .reduction import sum
from .shape import broadcast_to, moveaxis, reshape, shape_of

__all__ = ["diagonal", "dot", "einsum", "linear", "matmul", "outer", "trace"]

# --------------------------------------------------------------------------- matmul


def _matmul_array(x: Any, y: Any) -> Any:
    try:
        return np.matmul(x, y)
    except ValueError:
        raise ValueError(
            "the last axis of the left must be as long as the last but one of the right (its only "
            "one if it is 1-D), and axes before those must broadcast; numbers multiply with *"
        ) from None


def _pull_left(g: Any, out: Any, x: Any, y: Any) -> Any:
    if len(y.shape) == 1:
        return g.reshape((*g.shape, 1)) * y
    if len(x.shape) == 1:
        row = g.reshape((*g.shape[:-1], 1, g.shape[-1]))
        return (row @ y.swapaxes(-1, -2)).reshape((*y.shape[:-2], y.shape[-2]))
    return g @ y.swapaxes(-1, -2)


def _pull_right(g: Any, out: Any, x: Any, y: Any) -> Any:
    if len(x.shape) == 1:
        if len(y.shape) == 1:
            return g * x
        return x.reshape((-1, 1)) * g.reshape((*g.shape[:-1], 1, g.shape[-1]))
    if len(y.shape) == 1:
        column = g.reshape((*g.shape, 1))
        return (x.swapaxes(-1, -2) @ column).reshape((*x.shape[:-2], x.shape[-1]))
    return x.swapaxes(-1, -2) @ g


_matmul = Primitive(
    "matmul",
    "@",
    None,
    _matmul_array,
    (_pull_left, _pull_right),
    domain=[REAL, REAL],
    examples=[
        example((3,), (3,)),
        example((2, 3), (3,)),
        example((3,), (3, 2)),
        example((2, 3), (3, 2)),
        example((3,), (2, 3, 2)),
        example((2, 2, 3), (3,)),
        example((2, 1, 2, 3), (4, 3, 2)),
        example((2, 3), (4, 3, 1)),
    ],
)


def matmul(x: Any, y: Any) -> Any:
    """Multiply matrices: what ``x @ y`` records, for every pair of ranks that NumPy allows.

    Parameters
    ----------
    x, y : Tensor or array, at least 1-D
        Axes before the last two broadcast. A 1-D operand is a row on the left and a column on
        the right; its axis is gone from the result.

    Examples
    --------
    >>> float(matmul([1.0, 2.0], [3.0, 4.0]))
    11.0
    """
    return _matmul(x, y)


publish(matmul, _matmul)


def dot(x: Any, y: Any) -> Any:
    """Multiply as `numpy.dot`: products of numbers, vectors, matrices, last axis by last but one.

    >>> float(dot([1.0, 2.0], [3.0, 4.0]))
    11.0
    """
    m, n = len(shape_of(x)), len(shape_of(y))
    if m == 0 or n == 0:
        return x * y if isinstance(x, Node) or isinstance(y, Node) else np.multiply(x, y)
    if n <= 2:
        return matmul(x, y)
    rows = reshape(x, (-1, shape_of(x)[-1]))
    columns = reshape(moveaxis(y, -2, 0), (shape_of(y)[-2], -1))
    return reshape(matmul(rows, columns), (*shape_of(x)[:-1], *shape_of(y)[:-2], shape_of(y)[-1]))


def outer(x: Any, y: Any) -> Any:
    """Multiply each element of `x` by each of `y`, both flattened.

    >>> outer([1.0, 2.0], [3.0, 4.0])
    array([[3., 4.],
           [6., 8.]])
    """
    return matmul(reshape(x, (-1, 1)), reshape(y, (1, -1)))


# --------------------------------------------------------------------------- linear


def _linear_array(x: Any, weight: Any, bias: Any = None) -> Any:
    product = x @ weight.T
    if bias is None:
        return product
    if product.dtype == bias.dtype and product.ndim:
        product += bias
        return product
    return product + bias


def _rows(x: Any) -> Any:
    return x if len(x.shape) == 2 else x.reshape((-1, x.shape[-1]))


_linear = Primitive(
    "linear",
    "linear",
    None,
    _linear_array,
    (
        lambda g, out, x, weight, bias=None: g @ weight,
        lambda g, out, x, weight, bias=None: _rows(g).T @ _rows(x),
        lambda g, out, x, weight, bias: g,
    ),
    domain=[REAL, REAL, REAL],
    examples=[
        example((4, 3), (2, 3), (2,)),
        example((4, 3), (2, 3)),
        example((3,), (2, 3), (2,)),
        example((2, 4, 3), (2, 3), (2,)),
    ],
)


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """Compute ``x @ weight.T + bias``, the affine map of a layer of neurons, as one node.

    A third of the nodes of its three steps, and no transposed copy of the weight's gradient:
    a training step of a small net takes a quarter less time.

    Parameters
    ----------
    x : Tensor or array, shape (..., n)
    weight : Tensor or array, shape (m, n)
        One row for each output.
    bias : Tensor or array, shape (m,), optional

    Returns
    -------
    Tensor or ndarray, shape (..., m)

    Examples
    --------
    >>> linear([1.0, 2.0], [[3.0, 4.0]], [0.5])
    array([11.5])
    """
    rows, weights = shape_of(x), shape_of(weight)
    biases = weights[:1] if bias is None else shape_of(bias)
    if len(weights) != 2 or rows[-1:] != weights[1:] or biases != weights[:1]:
        raise ShapeError(
            "linear computes x @ weight.T + bias for x of shape (..., n), weight (m, n) and bias "
            f"(m,), got {rows}, {weights} and {None if bias is None else biases}"
        )
    operands = (x, weight) if bias is None else (x, weight, bias)
    if not any(isinstance(operand, Node) for operand in operands):
        return _linear_array(*[np.asarray(as_data(operand)) for operand in operands])
    return _linear(*operands)


publish(linear, _linear)

# --------------------------------------------------------------------------- einsum


def _pull_einsum(index: int, g: Any, out: Any, *xs: Any, subscripts: str) -> Any:
    terms, result = subscripts.split("->")
    own = terms.split(",")[index]
    shape = shape_of(xs[index])
    others = list(zip(terms.split(","), xs, strict=True))
    del others[index]
    distinct = "".join(dict.fromkeys(own))
    known = "".join(c for c in distinct if c in result or any(c in term for term, _ in others))
    inputs = ",".join([result, *(term for term, _ in others)])
    pulled = _einsum(g, *(x for _, x in others), subscripts=f"{inputs}->{known}")
    lengths = dict(zip(own, shape, strict=True))
    # Axes of length 1 that broadcast against another operand's: as long as theirs, for now.
    if known:
        lengths.update(zip(known, pulled.shape, strict=True))
    spread = reshape(pulled, [lengths[c] if c in known else 1 for c in distinct])
    spread = broadcast_to(spread, [lengths[c] for c in distinct])
    if len(distinct) == len(own):
        return spread
    grid = np.indices([lengths[c] for c in distinct], sparse=True)
    on_diagonal = tuple(grid[distinct.index(c)] for c in own)
    return scatter(spread, on_diagonal, tuple(lengths[c] for c in own))


_einsum = Primitive(
    "einsum",
    "einsum",
    None,
    lambda *xs, subscripts: np.einsum(subscripts, *xs),
    EachOperand(_pull_einsum),
    domain=[REAL],
    examples=[
        example((2, 3), (3, 2), subscripts="ij,jk->ik"),
        example((2, 3), subscripts="ij->j"),
        example((3, 3), subscripts="ii->i"),
        example((2, 2), (2,), subscripts="ii,j->j"),
        example((2, 3), (3,), (2,), subscripts="ij,j,k->ik"),
        example((3,), (3,), subscripts="i,i->"),
    ],
)


def _spell_out(subscripts: str, ranks: Sequence[int]) -> str:
    """Replace ellipses by letters and add the result where it is left out, as NumPy would."""
    subscripts = subscripts.replace(" ", "")
    terms, arrow, result = subscripts.partition("->")
    named = terms.split(",")
    if len(named) != len(ranks):
        raise ShapeError(
            f"einsum: {subscripts!r} names {len(named)} operands, {len(ranks)} were given"
        )
    spare = [c for c in map(chr, range(ord("A"), ord("z") + 1)) if c.isalpha() and c not in terms]
    extra = [rank - len(term.replace("...", "")) for term, rank in zip(named, ranks, strict=True)]
    for term, rank, more in zip(named, ranks, extra, strict=True):
        if more < 0 or (more > 0 and "..." not in term):
            raise ShapeError(
                f"einsum: the term {term!r} of {subscripts!r} does not fit an operand of {rank} "
                "dimensions: name each axis, or stand for the rest with '...'"
            )
    longest = "".join(spare[: max(extra)])
    full = [
        term.replace("...", longest[len(longest) - more :] if more else "")
        for term, more in zip(named, extra, strict=True)
    ]
    if arrow:
        result = result.replace("...", longest)
    else:
        letters = "".join(full)
        once = sorted(c for c in set(letters) if letters.count(c) == 1 and c not in longest)
        result = longest + "".join(once)
    return ",".join(full) + "->" + result


def einsum(subscripts: Any, *operands: Any) -> Any:
    """Sum products over named axes, in every form of `numpy.einsum`.

    Parameters
    ----------
    subscripts : str
        Such as ``"ij,jk->ik"``; an ellipsis stands for axes that broadcast. The alternating form
        ``einsum(x, [0, 1], y, [1, 2], [0, 2])`` works too.
    *operands : Tensor or array

    Examples
    --------
    >>> float(einsum("i,i->", [1.0, 2.0], [3.0, 4.0]))
    11.0
    """
    if not isinstance(subscripts, str):
        subscripts, operands = _from_lists((subscripts, *operands))
    plain: list[Any] = [x if isinstance(x, Node) else np.asarray(as_data(x)) for x in operands]
    return _einsum(*plain, subscripts=_spell_out(subscripts, [len(x.shape) for x in plain]))


publish(einsum, _einsum)


def _from_lists(items: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    def term(axes: Sequence[Any]) -> str:
        if any(a is not ... and not 0 <= a < len(_LETTERS) for a in axes):
            raise ShapeError(f"einsum: axes are numbered 0 to {len(_LETTERS) - 1}, got {axes}")
        return "".join("..." if a is ... else _LETTERS[a] for a in axes)

    operands, lists = items[0 : len(items) // 2 * 2 : 2], items[1::2]
    text = ",".join(map(term, lists))
    if len(items) % 2:
        text += "->" + term(items[-1])
    return text, tuple(operands)


_LETTERS = string.ascii_uppercase + string.ascii_lowercase

# --------------------------------------------------------------------------- diagonals


def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Take the diagonal of each matrix along two axes; it becomes the last axis.

    >>> diagonal([[1.0, 2.0], [3.0, 4.0]])
    array([1., 4.])
    """
    if len(shape_of(x)) < 2:
        raise ShapeError(f"diagonal needs at least two dimensions, got shape {shape_of(x)}")
    x = moveaxis(x, (axis1, axis2), (-2, -1))
    rows, columns = shape_of(x)[-2:]
    first = max(-offset, 0)
    i = np.arange(first, max(first, min(rows, columns - offset)))
    return getitem(x, (..., i, i + offset))


def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Sum the diagonal of each matrix along two axes.

    >>> float(trace([[1.0, 2.0], [3.0, 4.0]]))
    5.0
    """
    return sum(diagonal(x, offset, axis1, axis2), axis=-1)
