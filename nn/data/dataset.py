"""The one shape that every data set has: rows of features, a class or a number each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Dataset"]


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Samples with what is to be learnt of them; ``x, y = dataset`` unpacks the two arrays.

    Parameters
    ----------
    x : ndarray of float64 or float32, shape (n, features)
        One row a sample.
    y : ndarray
        The class of each row, an index into `class_names`: int64, shape (n,). In a regression
        the number of each row: float64, shape (n, 1).
    feature_names : tuple of str
        One name a column of `x`.
    class_names : tuple of str
        One name a class; none in a regression.
    name : str
        What `load` or the generator is called with, or the name of the file.
    source : str
        Where the numbers come from, and their licence where there is one.

    Examples
    --------
    >>> from nn.data import moons
    >>> data = moons(100)
    >>> data
    Dataset('moons': 100 rows, 2 features, 2 classes)
    >>> x, y = data
    >>> x.shape, y.shape
    ((100, 2), (100,))
    """

    x: NDArray[np.floating[Any]]
    y: NDArray[Any]
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]
    name: str
    source: str

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return iter((self.x, self.y))

    def __repr__(self) -> str:
        rows, features = self.x.shape
        task = f"{len(self.class_names)} classes" if self.class_names else "regression"
        return f"Dataset({self.name!r}: {rows} rows, {features} features, {task})"
