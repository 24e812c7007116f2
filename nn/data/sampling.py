"""Which rows are held out, and which rows make a mini-batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nn.data.checks import as_rows, random_generator
from nn.module import finite_number, whole_number

__all__ = ["batches", "train_test_split"]


def train_test_split(
    x: ArrayLike, y: ArrayLike, *, test: float = 0.2, seed: int = 0
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Hold out a random fraction of the rows for testing.

    Every row lands in exactly one part; both parts are shuffled. Where `y` is
    one-dimensional and of integers or bools, so classes, the split is stratified: each
    class gives its share of the test rows, to within one row.

    Parameters
    ----------
    x : array_like, shape (n, ...)
        One row a sample.
    y : array_like, shape (n, ...)
        The target of each row.
    test : float
        The fraction held out, between 0 and 1: ``round(test * n)`` rows.
    seed : int
        The same seed gives the same split.

    Returns
    -------
    x_train, x_test, y_train, y_test : ndarray
        Copies of the rows, of the dtypes of `x` and `y`.

    Raises
    ------
    ShapeError
        If `x` and `y` have no rows or not equally many.
    DataError
        If `x`, `y` or an argument does not hold numbers.
    ValueError
        If `test` is not between 0 and 1, or leaves one of the parts empty.

    Examples
    --------
    >>> import numpy as np
    >>> from nn.data import load, train_test_split
    >>> x_train, x_test, y_train, y_test = train_test_split(*load("iris"))
    >>> x_train.shape, x_test.shape
    ((120, 4), (30, 4))
    >>> np.bincount(y_test)
    array([10, 10, 10])
    """
    x_rows, y_rows = as_rows(x, y)
    n, fraction = len(x_rows), finite_number("test", test)
    if not 0 < fraction < 1:
        raise ValueError(f"test is the fraction held out, between 0 and 1, got {fraction:g}")
    held_out = round(fraction * n)
    if not 0 < held_out < n:
        part = "test" if held_out == 0 else "training"
        raise ValueError(f"test={fraction:g} of {n} rows leaves no {part} row")
    rng = np.random.default_rng(whole_number("seed", seed, 0))
    order = rng.permutation(n)
    if y_rows.ndim == 1 and y_rows.dtype.kind in "biu":
        is_test = _stratified(y_rows[order], held_out, rng)
    else:
        is_test = np.arange(n) < held_out
    train_rows, test_rows = order[~is_test], order[is_test]
    return x_rows[train_rows], x_rows[test_rows], y_rows[train_rows], y_rows[test_rows]


def _stratified(y: NDArray[Any], held_out: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Mark the first rows of each class, `held_out` in all, as many as is the class's share.

    Shares are rounded by the method of largest remainders, in integers; equal remainders
    by lot, since classes in order would favour the small numbers.
    """
    _, classes, counts = np.unique(y, return_inverse=True, return_counts=True)
    quota, remainder = np.divmod(counts * held_out, len(y))
    lot = rng.permutation(len(counts))
    quota[np.lexsort((lot, -remainder))[: held_out - quota.sum()]] += 1
    by_class = np.argsort(classes, kind="stable")
    rank = np.empty(len(y), dtype=np.int64)  # of each row among those of its class
    rank[by_class] = np.arange(len(y)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.asarray(rank < quota[classes])


def batches(
    x: ArrayLike, y: ArrayLike, batch_size: int, *, rng: np.random.Generator
) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Iterate over all rows once, in mini-batches, in an order drawn from `rng`.

    One call is one epoch: call it again, with the same `rng`, for the next epoch's order.

    Parameters
    ----------
    x : array_like, shape (n, ...)
        One row a sample.
    y : array_like, shape (n, ...)
        The target of each row.
    batch_size : int
        Rows a batch, at least 1. The last batch is smaller where it does not divide `n`;
        one larger than `n` gives one batch of all rows.
    rng : numpy.random.Generator
        Source of the order; drawn from at the call, once.

    Returns
    -------
    iterator of (x_batch, y_batch)
        Copies of the rows, of the dtypes of `x` and `y`.

    Raises
    ------
    ShapeError
        If `x` and `y` have no rows or not equally many.
    DataError
        If `x` or `y` does not hold numbers, or `rng` is not a generator.
    ValueError
        If `batch_size` is below 1.

    Examples
    --------
    >>> import numpy as np
    >>> from nn.data import batches
    >>> rng = np.random.default_rng(0)
    >>> [len(y_batch) for _, y_batch in batches(np.eye(5), np.arange(5), 2, rng=rng)]
    [2, 2, 1]
    """
    x_rows, y_rows = as_rows(x, y)
    size = whole_number("batch_size", batch_size, 1)
    order = random_generator(rng).permutation(len(x_rows))
    parts = (order[start : start + size] for start in range(0, len(order), size))
    return ((x_rows[rows], y_rows[rows]) for rows in parts)
