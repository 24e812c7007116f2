"""The functions of NumPy that make arrays from lists or numbers, for nodes among these."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import numpy as np

from ..graph import Node
from ..ops.shape import broadcast_to, reshape
from ..standins import concatenated, holds_node, joined

__all__ = [
    "isscalar",
    *("array", "asanyarray", "asarray", "ascontiguousarray", "asfortranarray"),
    *("c_", "fromiter", "full", "r_"),
]


def array(object: Any, dtype: Any = None, **options: Any) -> Any:
    """Make an array; of nodes, or of lists with nodes inside, a Tensor that depends on them.

    Parameters are those of `numpy.array`; of its options only `ndmin` has an effect on nodes.

    >>> from autograd import Value
    >>> array([Value(1.0), 2.0])
    Tensor([1., 2.], shape=(2,), primitive=concatenate)
    """
    if not holds_node(object):
        return np.array(object, dtype, **options)
    node = joined(object)
    if dtype is not None and np.dtype(dtype) != node.dtype:
        node = node.astype(dtype)
    missing = options.get("ndmin", 0) - len(node.shape)
    return reshape(node, (1,) * missing + node.shape) if missing > 0 else node


def asarray(a: Any, dtype: Any = None, **options: Any) -> Any:
    """Make an array, as `array` does, of what is not one yet.

    >>> from autograd import Tensor
    >>> x = Tensor([1.0])
    >>> asarray(x) is x
    True
    """
    if not holds_node(a):
        return np.asarray(a, dtype, **options)
    if isinstance(a, Node) and dtype is None and not isinstance(a._raw, float):
        return a
    return array(a, dtype)


asanyarray = ascontiguousarray = asfortranarray = asarray


def full(shape: int | Sequence[int], fill_value: Any, dtype: Any = None, **options: Any) -> Any:
    """Make an array of one number; of a node a Tensor that depends on it.

    >>> from autograd import Value
    >>> full(2, Value(3.0))
    Tensor([3., 3.], shape=(2,), primitive=broadcast_to)
    """
    if not isinstance(fill_value, Node):
        return np.full(shape, fill_value, dtype, **options)
    node = broadcast_to(fill_value, shape)
    return node if dtype is None else node.astype(dtype)


def fromiter(iter: Iterable[Any], dtype: Any, count: int = -1, **options: Any) -> Any:
    """Make a vector of what an iterator yields, as `array` does.

    >>> from autograd import Value
    >>> fromiter((Value(i) for i in (1.0, 2.0)), float)
    Tensor([1., 2.], shape=(2,), primitive=concatenate)
    """
    items = list(islice(iter, count if count >= 0 else None))
    if not holds_node(items):
        return np.fromiter(items, dtype, count, **options)
    return array(items, dtype)


class Builder:
    """An object such as `numpy.r_`, which joins what stands in its index, for nodes too.

    >>> from autograd import Value
    >>> r_[Value(1.0), 2:4]
    Tensor([1., 2., 3.], shape=(3,), primitive=getitem)
    """

    def __init__(self, builder: Any) -> None:
        self._builder = builder

    def __getitem__(self, key: Any) -> Any:
        return concatenated(self._builder, key)


r_ = Builder(np.r_)
c_ = Builder(np.c_)


def isscalar(element: Any) -> bool:
    """Tell whether something is one number rather than an array; a `Value` is.

    >>> from autograd import Value
    >>> isscalar(Value(1.0)), isscalar(1.0), isscalar([1.0])
    (True, True, False)
    """
    if isinstance(element, Node):
        return isinstance(element._raw, float)
    return bool(np.isscalar(element))
