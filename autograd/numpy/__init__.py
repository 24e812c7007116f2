"""NumPy for code that is to be differentiated: ``import autograd.numpy as np``.

All of NumPy, under its own names. Its functions take nodes as they are (see `autograd.protocol`),
but NumPy does not look for nodes inside of lists, so that functions which make an array of a list
stand here once more: `array` and its relatives, `r_`, ``sum([x, y])``.

>>> import autograd.numpy as np
>>> from autograd import grad
>>> grad(lambda x: np.sum(np.array([x, 2.0 * x]) ** 2))(3.0)
30.0
"""

from typing import Any

import numpy

from ..protocol import with_lists
from . import constructors, fft, linalg, random  # noqa: F401 (three of NumPy's names)

__all__ = list(numpy.__all__)

# Kept here, so that a name costs no more than in NumPy.
_theirs = {name: getattr(numpy, name) for name in numpy.__all__ if name not in globals()}
_ours = {name: getattr(constructors, name) for name in constructors.__all__}
globals().update(_theirs | with_lists(numpy) | _ours)


def __getattr__(name: str) -> Any:
    return getattr(numpy, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *dir(numpy)})
