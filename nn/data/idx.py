"""Files of the IDX format, in which MNIST and Fashion-MNIST come: an array with a short header."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from autograd import DataError
from nn.data.dataset import Dataset
from nn.data.files import opened
from nn.module import MOST

__all__ = ["FASHION_MNIST", "fashion_mnist", "load_idx_folder", "read_idx"]

DTYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(np.uint8),
    0x09: np.dtype(np.int8),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
"""The type of the numbers by the third byte of the header; all are big-endian."""

PIECE = 2**20  # bytes read at a time, so that a header's lie about the size costs no memory

MOST_AXES = 32
MOST_PACKED = 1032  # bytes that one packed byte can unpack to in the deflate format

PARTS = {"train": "train", "t10k": "t10k|test"}
KINDS = {"images": 3, "labels": 1}

FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package dataset-fashion-mnist puts its files."""

CLOTHES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)


def read_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read an array from a file of the IDX format, plain or compressed with gzip.

    The header is two zero bytes, one byte for the type, one for the number of axes, and the
    length of each axis in four bytes, the highest first [1]_.

    Parameters
    ----------
    path : path_like

    Returns
    -------
    ndarray
        In the file's shape, of dtype uint8, int8, int16, int32, float32 or float64.

    Raises
    ------
    DataError
        If the file is not of the format, or holds fewer or more numbers than its header says.
    OSError
        If the file cannot be read.

    References
    ----------
    .. [1] Y. LeCun, C. Cortes, C. J. C. Burges. The MNIST database of handwritten digits.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "labels-idx1-ubyte")
    ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    ...     read_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    with opened(path) as file:
        most = file.size * (MOST_PACKED if file.is_packed else 1)
        return _array(file.path, file.content, most)


def _array(path: Path, content: IO[bytes], most: int) -> NDArray[Any]:
    """Read header and numbers from the content of a file, which has at most `most` bytes."""
    start = _exactly(path, content, 4, "the first bytes")
    dtype, axes = DTYPES.get(start[2]), start[3]
    if start[:2] != b"\0\0" or dtype is None or axes > MOST_AXES:
        raise DataError(f"{path} is not an IDX file: it starts with the bytes {start.hex(' ')}")
    lengths = _exactly(path, content, 4 * axes, "the header")
    shape = tuple(np.frombuffer(lengths, dtype=">u4").tolist())
    size = math.prod(shape) * dtype.itemsize
    if math.prod(max(1, length) for length in shape) > MOST or size > most:
        raise DataError(f"{path} has a header with the shape {shape}, more than the file holds")
    numbers = _exactly(path, content, size, f"an array of shape {shape}")
    if content.read(1):
        raise DataError(f"{path} goes on after the array of shape {shape} that its header names")
    array = np.frombuffer(numbers, dtype=dtype).reshape(shape)
    return np.asarray(array, dtype=dtype.newbyteorder("="))


def _exactly(path: Path, content: IO[bytes], size: int, what: str) -> bytearray:
    """Read that many bytes, a piece at a time."""
    read = bytearray()
    while len(read) < size:
        piece = content.read(min(PIECE, size - len(read)))
        if not piece:
            raise DataError(f"{path} ends too early: {len(read):,} of {size:,} bytes of {what}")
        read += piece
    return read


def load_idx_folder(
    folder: str | os.PathLike[str], class_names: Sequence[str] | None = None
) -> tuple[Dataset, Dataset]:
    """Load images and their classes from a folder with the four files of MNIST.

    The files are named ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and the same
    with ``t10k`` or ``test`` for ``train``; with ``.idx`` for ``-idx``, with ``.gz`` at the end,
    or with a prefix such as ``emnist-letters-``, too.

    Parameters
    ----------
    folder : path_like
    class_names : sequence of str, optional
        One for each class; if not given, "0", "1" and so on.

    Returns
    -------
    train, test : Dataset
        `x` of float32, shape (n, rows * columns), pixels divided by 255, image rows one after
        the other; `y` of int64, shape (n,).

    Raises
    ------
    FileNotFoundError
        If the folder or one of the files is not there.
    DataError
        If a file is damaged, is not of bytes, or the files do not fit each other.

    Examples
    --------
    >>> import tempfile
    >>> images = bytes([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 51, 255, 0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for part in ("train", "t10k"):
    ...         _ = Path(folder, f"{part}-images-idx3-ubyte").write_bytes(images)
    ...         _ = Path(folder, f"{part}-labels-idx1-ubyte").write_bytes(
    ...             bytes([0, 0, 8, 1, 0, 0, 0, 1, 2])
    ...         )
    ...     train, test = load_idx_folder(folder)
    >>> train.x, train.y
    (array([[0. , 0.2, 1. , 0. ]], dtype=float32), array([2]))
    """
    folder = Path(os.fspath(folder))
    files = {(part, kind): _find(folder, part, kind) for part in PARTS for kind in KINDS}
    labels = {part: _bytes(files[part, "labels"], axes=1) for part in PARTS}
    classes = 1 + max(int(y.max()) for y in labels.values())
    names = tuple(map(str, range(classes))) if class_names is None else tuple(class_names)
    if len(names) < classes:
        raise DataError(f"{folder} has {classes} classes, but {len(names)} class_names were given")
    train, test = (_dataset(folder, files[part, "images"], labels[part], names) for part in PARTS)
    if train.feature_names != test.feature_names:
        raise DataError(f"{folder}: images for training and for testing differ in size")
    return train, test


def fashion_mnist(folder: str | os.PathLike[str] = FASHION_MNIST) -> tuple[Dataset, Dataset]:
    """Load Fashion-MNIST [1]_, 60,000 and 10,000 grey images of 28x28 of ten kinds of clothes.

    Parameters
    ----------
    folder : path_like
        Where the four files are; by default where Debian's package puts them.

    Returns
    -------
    train, test : Dataset
        As from `load_idx_folder`; `x` takes 188 and 31 MB.

    Raises
    ------
    FileNotFoundError
        If the files are not there.
    DataError
        If a file is damaged.

    References
    ----------
    .. [1] H. Xiao, K. Rasul, R. Vollgraf (2017). Fashion-MNIST: a Novel Image Dataset for
       Benchmarking Machine Learning Algorithms. arXiv:1708.07747.

    Examples
    --------
    >>> fashion_mnist("/nowhere")
    Traceback (most recent call last):
    FileNotFoundError: no Fashion-MNIST in /nowhere: apt install dataset-fashion-mnist, or pass \
the folder with its four files
    """
    if not Path(os.fspath(folder)).is_dir():
        raise FileNotFoundError(
            f"no Fashion-MNIST in {os.fspath(folder)}: apt install dataset-fashion-mnist, "
            "or pass the folder with its four files"
        )
    return load_idx_folder(folder, CLOTHES)


def _find(folder: Path, part: str, kind: str) -> Path:
    """Return the file of the images or labels of a part; of two, the one that is not packed."""
    pattern = re.compile(rf"(.+-)?({PARTS[part]})-{kind}[-.]idx{KINDS[kind]}-ubyte(\.gz)?")
    found = sorted(path for path in folder.iterdir() if pattern.fullmatch(path.name))
    if not found:
        raise FileNotFoundError(f"{folder} has no file {part}-{kind}-idx{KINDS[kind]}-ubyte[.gz]")
    others = [path.name for path in found if path.name.removesuffix(".gz") != found[0].name]
    if others and len(found) > 1:
        raise DataError(f"{folder} has more than one set: {found[0].name}, {', '.join(others)}")
    return found[0]


def _bytes(path: Path, axes: int) -> NDArray[np.uint8]:
    """Read an array of bytes that is not empty."""
    array = read_idx(path)
    if array.dtype != np.uint8 or array.ndim != axes or not array.size:
        raise DataError(
            f"{path} must hold bytes in {axes} axes, none of length 0, "
            f"got {array.dtype} of shape {array.shape}"
        )
    return array


def _dataset(
    folder: Path, path: Path, labels: NDArray[np.uint8], names: tuple[str, ...]
) -> Dataset:
    images = _bytes(path, axes=3)
    if len(images) != len(labels):
        raise DataError(f"{path} has {len(images)} images, but there are {len(labels)} labels")
    return Dataset(
        x=np.divide(images.reshape(len(images), -1), np.float32(255), dtype=np.float32),
        y=labels.astype(np.int64),
        feature_names=tuple(f"pixel_{r}_{c}" for r, c in np.ndindex(*images.shape[1:])),
        class_names=names,
        name=folder.name,
        source=str(path),
    )
