"""`numpy.random` under the name that ``import autograd.numpy as np`` gives it."""

from numpy.random import *  # noqa: F403
from numpy.random import __all__ as __all__
