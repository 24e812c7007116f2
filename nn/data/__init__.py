"""Data to learn from: two small real data sets, generated ones, splits and mini-batches.

>>> from nn.data import batches, load, train_test_split
>>> x_train, x_test, y_train, y_test = train_test_split(*load("digits"), test=0.2, seed=0)
>>> len(x_train), len(x_test)
(1438, 359)
"""

from nn.data.dataset import Dataset
from nn.data.generators import circles, moons, spirals
from nn.data.sampling import batches, train_test_split
from nn.data.shipped import load

__all__ = ["Dataset", "batches", "circles", "load", "moons", "spirals", "train_test_split"]
