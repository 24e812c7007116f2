"""Products of vectors and matrices: matmul, dot, outer, einsum, diagonal, trace."""

from __future__ import annotations

import math
import operator
import string
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..errors import DataError, ShapeError
from ..graph import Node
from ..notation import Binds, Form, Notation, infix
from ..primitive import REAL, EachOperand, Primitive, as_data, describe, example, publish
from .indexing import getitem, scatter
from .reduction import sum
from .shape import axes_of, broadcast_to, moveaxis, operand, reshape, shape_of, stack, transpose

__all__ = [
    "cross",
    "diagonal",
    "dot",
    "einsum",
    "inner",
    "kron",
    "linear",
    "matmul",
    "outer",
    "tensordot",
    "trace",
    "vander",
    "vdot",
]

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
    return (y @ g.T).T if _is_transposed(x, g) else g @ y.swapaxes(-1, -2)


def _pull_right(g: Any, out: Any, x: Any, y: Any) -> Any:
    if len(x.shape) == 1:
        if len(y.shape) == 1:
            return g * x
        return x.reshape((-1, 1)) * g.reshape((*g.shape[:-1], 1, g.shape[-1]))
    if len(y.shape) == 1:
        if len(x.shape) == 2:
            return g @ x
        column = g.reshape((*g.shape, 1))
        return (x.swapaxes(-1, -2) @ column).reshape((*x.shape[:-2], x.shape[-1]))
    return (g.T @ x).T if _is_transposed(y, g) else x.swapaxes(-1, -2) @ g


def _is_transposed(x: Any, g: Any) -> bool:
    """Whether a matrix lies in memory column by column: then its cotangent does so too.

    Steps that mix both layouts, such as that of an optimizer, take five times as long.
    """
    data = x._raw if isinstance(x, Node) else x
    by_columns: bool = data.flags.f_contiguous and not data.flags.c_contiguous
    return by_columns and data.ndim == len(g.shape) == 2


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
    notation=infix(
        "@", Binds.PRODUCT, latex=Form(r"$0\,$1", Binds.MATRIX, (Binds.MATRIX,)), odd=True
    ),
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
    shape, other = shape_of(x), shape_of(y)
    if not shape or not other:
        return x * y if isinstance(x, Node) or isinstance(y, Node) else np.multiply(x, y)
    if len(other) <= 2:
        return matmul(x, y)
    length = shape[-1]
    if length != other[-2]:
        raise ShapeError(
            f"dot cannot combine shapes {shape} and {other}: the last axis of the left must be as "
            "long as the last but one of the right"
        )
    kept = (*other[:-2], other[-1])
    rows = reshape(x, (math.prod(shape[:-1]), length))
    columns = reshape(moveaxis(y, -2, 0), (length, math.prod(kept)))
    return reshape(matmul(rows, columns), (*shape[:-1], *kept))


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
    notation=Notation(
        latex=Form(r"$0\,$1^{\top}« + $2»", Binds.SUM, (Binds.MATRIX, Binds.ATOM, Binds.SUM))
    ),
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
    given = dict(zip(known, pulled.shape, strict=True))
    lengths = dict(zip(own, shape, strict=True))
    # Axes of length 1 that broadcast against another operand's: as long as theirs, for now.
    lengths = {c: given.get(c, 1) if n == 1 else n for c, n in lengths.items()}
    spread = reshape(pulled, [given.get(c, 1) for c in distinct])
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
        example((3, 3), (1,), subscripts="jj,j->"),
        example((1, 1), (3,), subscripts="jj,j->"),
    ],
    notation=Notation(Form("einsum($subscripts, $*)"), odd=True),
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
        try:
            axes = [a if a is ... else operator.index(a) for a in axes]
        except TypeError:
            raise DataError(
                "einsum: without subscripts each operand is followed by a list of its axes' "
                f"numbers, got {describe(axes)}"
            ) from None
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
    try:
        offset = operator.index(offset)
    except TypeError:
        raise DataError(f"the offset of a diagonal is an integer, got {describe(offset)}") from None
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


# --------------------------------------------------------------------------- other products


def inner(a: Any, b: Any) -> Any:
    """Sum the products along the last axes of both; numbers multiply.

    >>> float(inner([1.0, 2.0], [3.0, 4.0]))
    11.0
    """
    if not shape_of(a) or not shape_of(b):
        return dot(a, b)
    return tensordot(a, b, (-1, -1))


def vdot(a: Any, b: Any) -> Any:
    """Sum the products of all elements, both flattened.

    >>> float(vdot([[1.0, 2.0]], [[3.0], [4.0]]))
    11.0
    """
    return matmul(reshape(a, -1), reshape(b, -1))


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Sum the products along pairs of axes: the last of `a` with the first of `b`, or those named.

    Parameters
    ----------
    a, b : Tensor or array
    axes : int, or pair of axes or of sequences of axes
        How many, or which of `a` and which of `b`.

    Examples
    --------
    >>> tensordot([[1.0, 2.0]], [[3.0], [4.0]], axes=1)
    array([[11.]])
    """
    a, b = operand(a, "tensordot"), operand(b, "tensordot")
    ours, theirs = _pairs(axes, a.shape, b.shape)
    rows = [i for i in range(len(a.shape)) if i not in ours]
    columns = [i for i in range(len(b.shape)) if i not in theirs]
    common = math.prod(a.shape[i] for i in ours)
    kept = [a.shape[i] for i in rows], [b.shape[i] for i in columns]
    left = reshape(transpose(a, rows + ours), (math.prod(kept[0]), common))
    right = reshape(transpose(b, theirs + columns), (common, math.prod(kept[1])))
    return reshape(matmul(left, right), kept[0] + kept[1])


def _pairs(axes: Any, a: tuple[int, ...], b: tuple[int, ...]) -> tuple[list[int], list[int]]:
    if not isinstance(axes, (list, tuple)):
        count: int = axes_of(axes)
        axes = (range(len(a) - count, len(a)), range(count))
    ours, theirs = (list(x) if isinstance(x, Iterable) else [x] for x in axes)
    inside = all(-len(a) <= i < len(a) for i in ours) and all(-len(b) <= i < len(b) for i in theirs)
    if not inside or [a[i] for i in ours] != [b[i] for i in theirs]:
        raise ShapeError(
            f"tensordot: axes {ours} of shape {a} do not pair with axes {theirs} of shape {b}"
        )
    return [i % len(a) for i in ours], [i % len(b) for i in theirs]


def kron(a: Any, b: Any) -> Any:
    """Multiply each element of `a` by the whole of `b`, the products laid out as blocks.

    >>> kron([1.0, 2.0], [3.0, 4.0])
    array([3., 4., 6., 8.])
    """
    ndim = max(len(shape_of(a)), len(shape_of(b)))
    ours, theirs = ((1,) * (ndim - len(shape_of(x))) + shape_of(x) for x in (a, b))
    apart = reshape(a, [n for i in ours for n in (i, 1)])
    whole = reshape(b, [n for i in theirs for n in (1, i)])
    return reshape(apart * whole, [i * j for i, j in zip(ours, theirs, strict=True)])


def cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Any:
    """Multiply vectors of three numbers, along the last axis or those named, as in geometry.

    >>> cross([1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    array([0., 0., 1.])
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = operand(a, "cross"), operand(b, "cross")
    for x, along in ((a, axisa), (b, axisb)):
        if not -len(x.shape) <= along < len(x.shape) or x.shape[along] != 3:
            raise ShapeError(f"cross needs vectors of 3 along axis {along}, got shape {x.shape}")
    (x, y, z), (u, v, w) = (_components(a, axisa), _components(b, axisb))
    return stack([y * w - z * v, z * u - x * w, x * v - y * u], axis=axisc)


def _components(x: Any, axis: int) -> list[Any]:
    return [getitem(x, (slice(None),) * (axis % len(x.shape)) + (i,)) for i in range(3)]


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """Give the powers of each element of a vector in a row: `N` of them, the highest first.

    >>> vander([2.0, 3.0], 3)
    array([[4., 2., 1.],
           [9., 3., 1.]])
    """
    x = operand(x, "vander")
    if len(x.shape) != 1:
        raise ShapeError(f"vander takes a vector, got shape {x.shape}")
    powers = np.arange(x.shape[0] if N is None else N)
    return reshape(x, (-1, 1)) ** (powers if increasing else powers[::-1]).astype(x.dtype)
