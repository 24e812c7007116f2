"""The one shape that every data set has: rows of features, one class each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Samples with their classes; ``x, y = dataset`` unpacks the two arrays.

    Parameters
    ----------
    x : ndarray of float64, shape (n, features)
        One row a sample.
    y : ndarray of int64, shape (n,)
        The class of each row, an index into `class_names`.
    feature_names : tuple of str
        One name a column of `x`.
    class_names : tuple of str
        One name a class.
    name : str
        What `load` or the generator is called with.
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

    x: NDArray[np.float64]
    y: NDArray[np.int64]
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]
    name: str
    source: str

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return iter((self.x, self.y))

    def __repr__(self) -> str:
        rows, features = self.x.shape
        return (
            f"Dataset({self.name!r}: {rows} rows, {features} features, "
            f"{len(self.class_names)} classes)"
        )
