"""`numpy.linalg` under the name that ``import autograd.numpy as np`` gives it."""

import numpy.linalg
from numpy.linalg import *  # noqa: F403
from numpy.linalg import __all__ as __all__

from ..protocol import with_lists

globals().update(with_lists(numpy.linalg))
