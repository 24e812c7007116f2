"""Numbers and arrays in few characters, as a picture has room for, and how strong they look."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from ..errors import RenderError

__all__ = [
    "COLUMNS",
    "MAX_NUMBERS",
    "brief",
    "check_format",
    "middle",
    "number",
    "scale_of",
    "texts",
    "tone",
]

MAX_NUMBERS: Final = 6
"""An array with at most so many elements shows its numbers, a larger one a summary."""

COLUMNS: Final = ("min", "mean", "max")
"""What the texts of a summary are."""

MAX_DIGITS: Final = 24
"""A number that takes more characters in the format asked for is written shorter."""

FORMAT: Final = re.compile(r"[-+ ]?#?0?\d{0,2}[,_]?(\.\d{1,2})?[eEfFgG%]?", re.ASCII)


def check_format(spec: object) -> str:
    """Return the format of a float, if it is one; `RenderError` says what one is.

    >>> check_format("+.2f")
    '+.2f'
    """
    if not isinstance(spec, str) or FORMAT.fullmatch(spec) is None:
        raise RenderError(
            f"number is a format for a float, such as '.4g', '.2f' or '+.1e', got {spec!r:.60}"
        )
    try:
        format(0.5, spec)
    except ValueError as error:
        raise RenderError(f"number={spec!r} is no format for a float: {error}") from None
    return spec


def number(value: Any, spec: str = ".4g") -> str:
    """A number in the format asked for; a whole one of an integer array in all its digits.

    >>> number(1 / 3), number(np.int64(7)), number(1e300, ".2f")
    ('0.3333', '7', '1e+300')
    """
    if isinstance(value, int | np.integer | np.bool_):
        return str(value)
    text = format(float(value), spec)
    return text if len(text) <= MAX_DIGITS else f"{float(value):.4g}"


def texts(value: Any, spec: str = ".4g") -> tuple[str, ...]:
    """A number or small array in one text, a larger array as its least, mean and greatest element.

    >>> texts(np.array([[1.0, 2.5]])), texts(np.arange(12.0))
    (('[[1, 2.5]]',), ('0', '5.5', '11'))
    """
    if np.size(value) <= MAX_NUMBERS:
        return (_nested(value, spec),)
    return tuple(number(part, spec) for part in _summary(value))


def brief(value: Any, spec: str = ".4g") -> str:
    """A number or small array, or from where to where a larger array reaches.

    >>> brief(np.arange(12.0)), brief(np.ones((3, 4)))
    ('0 to 11', 'all 1')
    """
    if np.size(value) <= MAX_NUMBERS:
        return _nested(value, spec)
    least, _, greatest = _summary(value)
    low, high = number(least, spec), number(greatest, spec)
    return f"all {low}" if least == greatest else f"{low} to {high}"


def _nested(array: Any, spec: str) -> str:
    """All numbers of a small array, nested as in Python."""
    if np.size(array) == 0:
        return "empty"
    if np.ndim(array) == 0:
        return number(array[()] if isinstance(array, np.ndarray) else array, spec)
    return "[" + ", ".join(_nested(row, spec) for row in array) + "]"


def _summary(array: Any) -> tuple[Any, Any, Any]:
    with np.errstate(all="ignore"):
        return np.min(array), np.mean(array, dtype=float), np.max(array)


def middle(value: Any) -> float | None:
    """The number, or the mean of an array, that stands for it where only one can be shown.

    A mean that is a rounding error beside the elements is 0.

    >>> middle(np.array([0.1, 0.2, -0.3])), middle(np.arange(3))
    (0.0, 1.0)
    """
    if np.ndim(value) == 0:
        return float(value)
    if np.size(value) == 0:
        return None
    with np.errstate(all="ignore"):
        mean, largest = float(np.mean(value, dtype=float)), float(np.max(np.abs(value)))
    return 0.0 if abs(mean) < 1e-9 * largest < math.inf else mean


def scale_of(numbers: Iterable[float | None]) -> float:
    """The median magnitude of the numbers that are finite and not 0; 1 if there are none.

    >>> scale_of([1.0, -3.0, 0.0, 1e9, math.nan])
    3.0
    """
    sizes = [abs(x) for x in numbers if x and math.isfinite(x)]
    with np.errstate(over="ignore"):  # of the sum of the two in the middle
        return min(float(np.median(sizes)), sys.float_info.max) if sizes else 1.0


def tone(value: float | None, scale: float) -> float | None:
    """Sign and magnitude in [-1, 1]: one half at the scale, 1 at infinity; None for a nan.

    >>> tone(-3.0, 3.0), tone(0.0, 3.0), tone(math.inf, 3.0), tone(math.nan, 3.0)
    (-0.5, 0.0, 1.0, None)
    """
    if value is None or math.isnan(value):
        return None
    return math.copysign(1.0 / (1.0 + scale / abs(value)), value) if value else 0.0
