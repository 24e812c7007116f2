"""Checks of what a person passes in, shared by the data, metric and plot functions."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd import DataError, Node, ShapeError
from nn.module import MOST

__all__ = ["as_array", "as_rows", "class_indices", "random_generator"]


def as_array(name: str, value: object) -> NDArray[Any]:
    """Return `value` as an array of numbers; nodes, also in lists, give their data.

    Raises
    ------
    ShapeError
        If nested lists have different lengths.
    DataError
        If `value` holds anything but real numbers or bools.
    """
    if isinstance(value, np.ma.MaskedArray):
        raise DataError(f"{name} is a masked array: pass {name}.filled(number) or drop the rows")
    try:
        array = np.asarray(_without_nodes(value))
    except ValueError:
        raise ShapeError(f"{name} must be a regular array, but its rows differ in length") from None
    if array.dtype == object and all(isinstance(item, Node | Real) for item in array.flat):
        array = np.array([float(item) for item in array.flat]).reshape(array.shape)
    if array.dtype.kind not in "biuf":
        raise DataError(
            f"{name} must hold real numbers, got {type(value).__name__} of dtype {array.dtype}"
        )
    return array


def _without_nodes(value: object) -> Any:
    if isinstance(value, Node):
        return value.numpy()
    return [_without_nodes(item) for item in value] if isinstance(value, list | tuple) else value


def as_rows(x: object, y: object) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return `x` and `y` as arrays with one row a sample, checked to be equally long.

    Raises
    ------
    ShapeError
        If one is a single number, if both are empty, or if their lengths differ.
    """
    x_rows, y_rows = as_array("x", x), as_array("y", y)
    if x_rows.ndim == 0 or y_rows.ndim == 0:
        raise ShapeError(
            "x and y need one row a sample (a first axis), "
            f"got shapes {x_rows.shape} and {y_rows.shape}"
        )
    if len(x_rows) != len(y_rows):
        raise ShapeError(
            "x and y must have one row a sample each, "
            f"got {len(x_rows)} rows in x {x_rows.shape} and {len(y_rows)} in y {y_rows.shape}"
        )
    if len(x_rows) == 0:
        raise ShapeError(f"x and y have no rows (shapes {x_rows.shape} and {y_rows.shape})")
    return x_rows, y_rows


def class_indices(name: str, value: object) -> NDArray[np.int64]:
    """Return `value`, a vector or a column of whole numbers from 0, as a vector of classes.

    Raises
    ------
    ShapeError
        If it has another shape.
    ValueError
        If a number is negative, not whole or beyond `MOST`.
    """
    array = as_array(name, value)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ShapeError(f"{name} must hold one class a row, shape (n,), got shape {array.shape}")
    bad = array[~((array >= 0) & (array <= MOST) & (array == np.floor(array)))]
    if bad.size:
        hint = f"; for classes -1 and +1 pass {name} > 0" if bad[0] == -1 else ""
        raise ValueError(f"{name} must be classes 0, 1, 2, ..., got {bad[0]}{hint}")
    return array.astype(np.int64)


def random_generator(rng: object) -> np.random.Generator:
    """Return `rng`, checked to be a NumPy random generator.

    Raises
    ------
    DataError
        If it is anything else: a seed used for every epoch would repeat one order.
    """
    if not isinstance(rng, np.random.Generator):
        raise DataError(
            f"rng must be a numpy.random.Generator, got {rng!r}; "
            "make one before the loop: rng = numpy.random.default_rng(seed)"
        )
    return rng
