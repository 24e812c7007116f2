"""`numpy.fft` under the name that ``import autograd.numpy as np`` gives it."""

from numpy.fft import *  # noqa: F403
from numpy.fft import __all__ as __all__
