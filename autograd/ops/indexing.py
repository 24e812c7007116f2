"""Taking elements out and putting elements in: indexing, functional updates, sorting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import DataError
from ..graph import Node
from ..notation import Binds, Form, Notation
from ..primitive import REAL, Interval, Primitive, describe, example, is_tracing, publish
from .comparison import keep

__all__ = ["sort"]

# --------------------------------------------------------------------------- the index


def _is_basic(index: Any) -> bool:
    items = index if isinstance(index, tuple) else (index,)
    return all(item is None or item is ... or isinstance(item, (int, slice)) for item in items)


def plain_index(index: Any) -> Any:
    """Turn an index with nodes, lists and arrays inside into one that nobody else can change."""
    if isinstance(index, tuple):
        return tuple([plain_index(item) for item in index])
    if index is None or index is ... or type(index) is int:
        return index
    if isinstance(index, slice):
        return slice(*map(plain_index, (index.start, index.stop, index.step)))
    if isinstance(index, Node):
        index = index.numpy()
    if isinstance(index, (list, np.ndarray, np.generic, bool)):
        try:
            array = np.array(index)
        except ValueError:
            raise DataError(
                f"a list in an index has rows of one length, got {describe(index)}"
            ) from None
        if array.size == 0:
            array = array.astype(np.intp)
        if array.dtype.kind in "iub":
            array.flags.writeable = False
            return int(array) if array.ndim == 0 and array.dtype.kind != "b" else array
        raise DataError(f"an index needs integers or bools, got {describe(array)}")
    try:
        return index.__index__()
    except AttributeError:
        raise DataError(
            f"an index is made of integers, slices, None, ... and arrays, got {describe(index)}"
        ) from None


# --------------------------------------------------------------------------- the primitives


def _scatter_array(x: Any, index: Any, shape: tuple[int, ...]) -> np.ndarray:
    x = np.asarray(x)
    out = np.zeros(shape, x.dtype)
    if _is_basic(index):
        out[index] = x
    else:
        np.add.at(out, index, x)
    return out


_getitem = Primitive(
    "getitem",
    "[ ]",
    None,
    lambda x, index: np.asarray(x)[index],
    (lambda g, out, x, index: scatter(g, index, x.shape),),
    domain=[REAL],
    examples=[
        example((4,), index=1),
        example((3, 4), index=(slice(None, None, 2), -1)),
        example((3,), index=np.array([0, 2, 2, -1])),
        example((3, 4), index=(np.array([[0], [2]]), np.array([1, 1]))),
        example((2, 3), index=(None, ..., np.array([True, False, True]))),
    ],
    structural=True,
    notation=Notation(
        Form("$0[$:index]", needs=(Binds.ATOM,)),
        Form("{$0}_{$:index}", needs=(Binds.ATOM,)),
        odd=True,
    ),
)


def getitem(x: Any, index: Any) -> Any:
    """Take the elements that a NumPy index names, basic or fancy: what ``x[index]`` records."""
    if type(x) is np.ndarray and not isinstance(index, Node):
        return x[index]
    return _gathered(x, index) if is_tracing() else _getitem(x, index=plain_index(index))


_scatter = Primitive(
    "scatter",
    "scatter",
    None,
    _scatter_array,
    (lambda g, out, x, index, shape: getitem(g, index),),
    domain=[REAL],
    examples=[
        example((2,), index=slice(1, 3), shape=(4,)),
        example((3,), index=np.array([0, 2, 2]), shape=(4,)),
        example((2, 2), index=(slice(None), np.array([1, 1])), shape=(2, 3)),
    ],
    structural=True,
    notation=Notation(latex=Form(r"\operatorname{scatter}_{$:index}($0)"), odd=True),
)


def scatter(x: Any, index: Any, shape: tuple[int, ...]) -> Any:
    """Add the elements of `x` into zeros of `shape`, at `index`: the transpose of indexing."""
    if type(x) is np.ndarray:
        return _scatter_array(x, index, shape)
    return _scatter(x, index=index, shape=shape)


# --------------------------------------------------------------------------- at other places

# An index of which parts are arguments of a function under `jit`: they are operands then, and
# `SLOT` stands in the index for the next of them.


class _Slot:
    """Stands in an index for an operand."""

    def __repr__(self) -> str:
        return "operand"


SLOT = _Slot()

WHOLE = Interval(0, 2, whole=True)


def _gathered(x: Any, index: Any) -> Any:
    """Take elements by an index with nodes in it, which a replay has others for."""
    items = index if isinstance(index, tuple) else (index,)
    moving = [item for item in items if isinstance(item, Node) and not item.is_constant]
    if not moving or any(_dtype_kind(item) not in "iu" for item in moving):
        return _getitem(x, index=plain_index(index))
    template = tuple(SLOT if any(i is m for m in moving) else plain_index(i) for i in items)
    return _gather(x, *moving, template=template)


def _dtype_kind(node: Node) -> str:
    data = node._raw
    return "f" if type(data) is float else str(data.dtype.kind)


def _filled(template: tuple[Any, ...], operands: Sequence[Any]) -> tuple[Any, ...]:
    each = iter(operands)
    return tuple(next(each) if item is SLOT else item for item in template)


_gather = Primitive(
    "gather",
    "[ ]",
    None,
    lambda x, *indices, template: np.asarray(x)[_filled(template, indices)],
    (
        lambda g, out, x, *indices, template: _spread(
            g, *indices, template=template, shape=x.shape
        ),
        None,
        None,
    ),
    domain=[REAL, WHOLE, WHOLE],
    examples=[
        example((3,), (4,), template=(SLOT,)),
        example((3, 4), (2,), (2,), template=(SLOT, SLOT)),
        example((2, 3), (2, 1), template=(..., SLOT)),
    ],
)

_spread: Primitive = Primitive(
    "spread",
    "scatter",
    None,
    lambda x, *indices, template, shape: _scatter_array(x, _filled(template, indices), shape),
    (lambda g, out, x, *indices, template, shape: _gather(g, *indices, template=template), None),
    domain=[REAL, WHOLE],
    examples=[example((4,), (4,), template=(SLOT,), shape=(3,))],
)


def _copy_for(x: Any, value: Any) -> np.ndarray:
    """A copy to write `value` into: of the dtype of `x`, but never of integers cut from floats."""
    kept = np.asarray(x).dtype
    return np.array(x, dtype=kept if kept.kind == "f" else np.result_type(x, value))


def _set_array(x: Any, value: Any, index: Any) -> np.ndarray:
    out = _copy_for(x, value)
    out[index] = value
    return out


def _add_array(x: Any, value: Any, index: Any) -> np.ndarray:
    out = _copy_for(x, value)
    np.add.at(out, index, value)
    return out


def _last_written(shape: tuple[int, ...], index: Any) -> np.ndarray:
    """Mark, of several values written to one element, the one that stays."""
    places = np.arange(np.zeros(shape)[index].size).reshape(np.zeros(shape)[index].shape)
    written = np.full(shape, -1)
    written[index] = places
    return np.asarray(written[index] == places)


def _pull_set_value(g: Any, out: Any, x: Any, value: Any, index: Any) -> Any:
    taken = getitem(g, index)
    if _is_basic(index):
        return taken
    return keep(taken, _last_written(out.shape, index))


_set_at = Primitive(
    "set_at",
    "set",
    None,
    _set_array,
    (
        lambda g, out, x, value, index: keep(g, _untouched(out.shape, index)),
        _pull_set_value,
    ),
    domain=[REAL, REAL],
    examples=[
        example((4,), (2,), index=slice(1, 3)),
        example((3, 2), (), index=(0, 1)),
        example((4,), (3,), index=np.array([0, 2, 2])),
        example((2, 3), (1,), index=np.array([[True, False, True], [False, True, False]])),
    ],
    structural=True,
    notation=Notation(Form("$0.at[$:index].set($1)", needs=(Binds.ATOM, Binds.ANYTHING))),
)


_add_at = Primitive(
    "add_at",
    "add at",
    None,
    _add_array,
    (
        lambda g, out, x, value, index: g,
        lambda g, out, x, value, index: getitem(g, index),
    ),
    domain=[REAL, REAL],
    examples=[
        example((4,), (2,), index=slice(1, 3)),
        example((4,), (), index=np.array([0, 2, 2])),
    ],
    structural=True,
    notation=Notation(Form("$0.at[$:index].add($1)", needs=(Binds.ATOM, Binds.ANYTHING))),
)


def _untouched(shape: tuple[int, ...], index: Any) -> np.ndarray:
    mask = np.ones(shape, dtype=bool)
    mask[index] = False
    return mask


class At:
    """The elements of a Tensor at an index, for a functional update: ``x.at[index]``.

    >>> from autograd import Tensor
    >>> x = Tensor([1.0, 2.0, 3.0])
    >>> x.at[1:].set(0.0).data.tolist(), x.at[0].add(5.0).data.tolist()
    ([1.0, 0.0, 0.0], [6.0, 2.0, 3.0])
    """

    __slots__ = ("_index", "_x")

    def __init__(self, x: Any, index: Any = None) -> None:
        self._x = x
        self._index = index

    def __getitem__(self, index: Any) -> At:
        return At(self._x, plain_index(index))

    def set(self, value: Any) -> Any:
        """Return a copy of the Tensor with the elements replaced by `value`."""
        return _set_at(self._x, value, index=self._index)

    def add(self, value: Any) -> Any:
        """Return a copy of the Tensor with `value` added to the elements; repeats add up."""
        return _add_at(self._x, value, index=self._index)


# --------------------------------------------------------------------------- sorting


def _ordering(key: Any, axis: int) -> Any:
    """The index that sorts `key` along an axis, for every axis."""
    index = list(np.indices(np.shape(key), sparse=True))
    index[axis] = np.argsort(key, axis=axis, kind="stable")
    return tuple(index)


def _sort_like(x: Any, key: Any, axis: int) -> np.ndarray:
    return np.asarray(np.asarray(x)[_ordering(key, axis)])


def _unsort_like(x: Any, key: Any, axis: int) -> np.ndarray:
    out: np.ndarray = np.empty_like(x)
    out[_ordering(key, axis)] = x
    return out


# The permutation is recomputed from the key at each call, so that a recorded gradient holds for
# whatever numbers it is evaluated on.
sort_like: Primitive = Primitive(
    "sort_like",
    "sort like",
    None,
    _sort_like,
    (lambda g, out, x, key, axis: unsort_like(g, key, axis=axis), None),
    domain=[REAL, REAL],
    examples=[example((4,), (4,), axis=0), example((2, 3), (2, 3), axis=-1)],
    structural=True,
)

unsort_like: Primitive = Primitive(
    "unsort_like",
    "unsort like",
    None,
    _unsort_like,
    (lambda g, out, x, key, axis: sort_like(g, key, axis=axis), None),
    domain=[REAL, REAL],
    examples=[example((4,), (4,), axis=0), example((2, 3), (2, 3), axis=-1)],
    structural=True,
)

_sort = Primitive(
    "sort",
    "sort",
    None,
    lambda x, axis: np.sort(x, axis=axis, kind="stable"),
    (lambda g, out, x, axis: unsort_like(g, x, axis=axis),),
    domain=[REAL],
    examples=[example((5,), axis=0), example((2, 4), axis=-1), example((3, 2), axis=0)],
    structural=True,
    notation=Notation(usual={"axis": (-1,)}),
)


def sort(x: Any, axis: int | None = -1) -> Any:
    """Sort along an axis, ascending; the gradient goes back along the permutation.

    Equal elements keep their order. ``axis=None`` sorts the flattened array.

    >>> sort([3.0, 1.0, 2.0])
    array([1., 2., 3.])
    """
    if axis is None:
        x, axis = _getitem(x, index=None).reshape(-1), 0
    return _sort(x, axis=axis)


publish(sort, _sort)
