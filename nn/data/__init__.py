"""Data to learn from: shipped, generated, or your own CSV file; splits and mini-batches.

>>> from nn.data import batches, load, train_test_split
>>> x_train, x_test, y_train, y_test = train_test_split(*load("digits"), test=0.2, seed=0)
>>> len(x_train), len(x_test)
(1438, 359)
"""

from nn.data.dataset import Dataset
from nn.data.generators import circles, moons, spirals
from nn.data.idx import fashion_mnist, load_idx_folder, read_idx
from nn.data.preparation import Preparation, prepare
from nn.data.sampling import batches, train_test_split
from nn.data.shipped import load
from nn.data.tables import Table, column_names, read_csv

__all__ = [
    "Dataset",
    "Preparation",
    "Table",
    "batches",
    "circles",
    "column_names",
    "fashion_mnist",
    "load",
    "load_idx_folder",
    "moons",
    "prepare",
    "read_csv",
    "read_idx",
    "spirals",
    "train_test_split",
]
