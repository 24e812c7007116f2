"""Files of the IDX format, and the folders of images that come in it."""

from __future__ import annotations

import gzip
import os
import struct
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from autograd import DataError
from nn.data import fashion_mnist, load_idx_folder, read_idx
from nn.data.idx import FASHION_MNIST

# What the format says, written down a second time: byte of the type, and how struct packs it.
TYPES = {
    "uint8": (0x08, "B"),
    "int8": (0x09, "b"),
    "int16": (0x0B, "h"),
    "int32": (0x0C, "i"),
    "float32": (0x0D, "f"),
    "float64": (0x0E, "d"),
}


def idx(array: np.ndarray[Any, Any]) -> bytes:
    byte, letter = TYPES[array.dtype.name]
    header = struct.pack(f">HBB{array.ndim}I", 0, byte, array.ndim, *array.shape)
    return header + struct.pack(f">{array.size}{letter}", *array.ravel().tolist())


def read_bytes(content: bytes) -> np.ndarray[Any, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "numbers.idx")
        path.write_bytes(content)
        return read_idx(path)


any_array = st.sampled_from([*TYPES]).flatmap(
    lambda name: arrays.arrays(
        name, arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
    )
)


@given(array=any_array, pack=st.booleans())
def test_arrays_come_back_as_they_were_written(array: np.ndarray[Any, Any], pack: bool) -> None:
    content = idx(array)
    read = read_bytes(gzip.compress(content) if pack else content)
    assert read.shape == array.shape
    assert read.dtype == array.dtype
    assert read.dtype.isnative
    assert read.tobytes() == array.tobytes()
    assert read.flags.writeable


@given(array=any_array, pack=st.booleans(), data=st.data())
def test_files_that_end_too_early_or_go_on_are_refused(
    array: np.ndarray[Any, Any], pack: bool, data: st.DataObject
) -> None:
    content = idx(array)
    cut = data.draw(st.integers(0, len(content) - 1))
    for wrong in (content[:cut], content + b"\0"):
        with pytest.raises(DataError, match=r"numbers\.idx (ends too early|goes on|has a header)"):
            read_bytes(gzip.compress(wrong) if pack else wrong)


@given(
    content=st.binary(max_size=40)
    | st.binary(max_size=40).map(gzip.compress)
    | st.builds(
        lambda byte, axes, rest: bytes([0, 0, byte, axes]) + rest,
        st.sampled_from([byte for byte, _ in TYPES.values()]),
        st.integers(0, 255),
        st.binary(max_size=40),
    )
)
def test_any_bytes_give_an_array_or_a_clear_error(content: bytes) -> None:
    try:
        array = read_bytes(content)
    except DataError as error:
        assert "numbers.idx" in str(error)  # noqa: PT017
    else:
        plain = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
        assert idx(array)[: 4 * (1 + array.ndim)] == plain[: 4 * (1 + array.ndim)]
        assert array.nbytes == len(plain) - 4 * (1 + array.ndim)


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize(
    "shape", [(2**32 - 1,) * 3, (2**31 - 1,), (10**8, 3), (0, 2**32 - 1, 2**32 - 1), (1,) * 33]
)
def test_a_header_that_lies_about_the_size_costs_no_memory(
    shape: tuple[int, ...], pack: bool
) -> None:
    content = struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape) + bytes(100)
    tracemalloc.start()
    try:
        with pytest.raises(
            DataError, match=r"numbers\.idx (has a header with the shape|is not an IDX file)"
        ):
            read_bytes(gzip.compress(content) if pack else content)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000


def test_a_packed_file_that_ends_too_early_costs_what_it_holds() -> None:
    """The header names 100 MB, which so many packed bytes could be, but they hold 200 kB."""
    noise = np.random.default_rng(0).bytes(200_000)
    content = gzip.compress(struct.pack(">HBBI", 0, 8, 1, 10**8) + noise)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="ends too early: 200,000 of 100,000,000 bytes"):
            read_bytes(content)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "ends too early: 0 of 4 bytes of the first bytes"),
        (b"\0\0\x08", "ends too early: 3 of 4 bytes"),
        (b"\0\0\x0a\1\0\0\0\1x", "not an IDX file: it starts with the bytes 00 00 0a 01"),
        (b"\0\1\x08\1\0\0\0\1x", "not an IDX file"),
        (b"PNG!", "not an IDX file"),
        (b"\0\0\x08\2\0\0\0\1", "ends too early: 4 of 8 bytes of the header"),
        (gzip.compress(idx(np.arange(99.0)))[:-9], "is damaged: Compressed file ended"),
        (gzip.compress(b"\0\0\x08\1\0\0\0\1x")[:-1] + b"!", "is damaged"),
    ],
)
def test_what_is_no_idx_file_is_said(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_bytes(content)


def test_paths_that_are_no_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "none")
    with pytest.raises(IsADirectoryError):
        read_idx(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        read_idx(tmp_path / "pipe")


# --- folders --------------------------------------------------------------------------------

NAMES = {
    "MNIST": "{part}-{kind}-idx{axes}-ubyte",
    "unpacked": "{part}-{kind}.idx{axes}-ubyte",
    "EMNIST": "emnist-letters-{part}-{kind}-idx{axes}-ubyte",
}


def write_folder(
    folder: Path,
    arrays: dict[str, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]],
    names: str = NAMES["MNIST"],
    pack: bool = False,
) -> None:
    for part, (images, labels) in arrays.items():
        for kind, axes, array in (("images", 3, images), ("labels", 1, labels)):
            path = folder / (names.format(part=part, kind=kind, axes=axes) + ".gz" * pack)
            path.write_bytes(gzip.compress(idx(array), 1) if pack else idx(array))


def some_images(n: int, seed: int = 0, classes: int = 3) -> tuple[np.ndarray[Any, Any], ...]:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n, 4, 5), dtype=np.uint8)
    return images, (np.arange(n) % classes).astype(np.uint8)


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("test_part", ["t10k", "test"])
def test_folders_are_read_under_the_names_in_use(
    names: str, pack: bool, test_part: str, tmp_path: Path
) -> None:
    arrays = {"train": some_images(7), test_part: some_images(5, seed=1)}
    write_folder(tmp_path, arrays, names, pack)
    for data, (images, labels) in zip(load_idx_folder(tmp_path), arrays.values(), strict=True):
        assert data.x.dtype == np.float32
        assert data.x.shape == (len(images), 20)
        assert np.array_equal(np.round(data.x * 255).reshape(images.shape), images)
        assert data.x.tobytes() == (images.reshape(-1, 20) / np.float32(255)).tobytes()
        assert data.y.dtype == np.int64
        assert np.array_equal(data.y, labels)
        assert data.class_names == ("0", "1", "2")
        assert data.feature_names[4:6] == ("pixel_0_4", "pixel_1_0")


def test_class_names_can_be_given(tmp_path: Path) -> None:
    write_folder(tmp_path, {"train": some_images(7), "t10k": some_images(5)})
    assert load_idx_folder(tmp_path, ["a", "b", "c", "d"])[0].class_names == ("a", "b", "c", "d")
    with pytest.raises(DataError, match="has 3 classes, but 2 class_names were given"):
        load_idx_folder(tmp_path, ["a", "b"])


def test_a_packed_file_beside_the_unpacked_one_does_not_matter(tmp_path: Path) -> None:
    write_folder(tmp_path, {"train": some_images(7), "t10k": some_images(5)}, pack=True)
    write_folder(tmp_path, {"train": some_images(8), "t10k": some_images(6)})
    train, test = load_idx_folder(tmp_path)
    assert (len(train.x), len(test.x)) == (8, 6)


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ((some_images(7)[0], some_images(6)[1]), "has 7 images, but there are 6 labels"),
        ((some_images(7)[0][:, :2], some_images(7)[1]), "training and for testing differ in size"),
        ((some_images(7)[0].astype("int16"), some_images(7)[1]), "must hold bytes in 3 axes"),
        ((some_images(7)[0][:, 0], some_images(7)[1]), "must hold bytes in 3 axes"),
        ((some_images(7)[0][:0], some_images(7)[1][:0]), "none of length 0"),
        ((some_images(7)[0], some_images(7)[1].astype("int32")), "must hold bytes in 1 axes"),
    ],
)
def test_files_that_do_not_fit_each_other_are_refused(
    train: Any, message: str, tmp_path: Path
) -> None:
    write_folder(tmp_path, {"train": train, "t10k": some_images(5)})
    with pytest.raises(DataError, match=message):
        load_idx_folder(tmp_path)


def test_what_is_not_in_the_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"has no file train-images-idx3-ubyte\[\.gz\]"):
        load_idx_folder(tmp_path)
    write_folder(tmp_path, {"train": some_images(7)})
    with pytest.raises(FileNotFoundError, match=r"has no file t10k-images-idx3-ubyte\[\.gz\]"):
        load_idx_folder(tmp_path)
    write_folder(tmp_path, {"train": some_images(7), "t10k": some_images(5)}, NAMES["EMNIST"])
    with pytest.raises(DataError, match="has more than one set: emnist-letters-train-images-idx3"):
        load_idx_folder(tmp_path)
    with pytest.raises(FileNotFoundError):
        load_idx_folder(tmp_path / "none")


def test_memory_holds_the_pixels_and_little_more(tmp_path: Path) -> None:
    images = np.zeros((3000, 28, 28), dtype=np.uint8)
    labels = (np.arange(3000) % 2).astype(np.uint8)
    write_folder(tmp_path, {"train": (images, labels), "t10k": some_images(2)})
    test_images = tmp_path / "t10k-images-idx3-ubyte"
    test_images.write_bytes(idx(images[:2]))
    tracemalloc.start()
    try:
        train, _ = load_idx_folder(tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert train.x.nbytes == 4 * images.size
    assert peak < 1.5 * train.x.nbytes + 500_000  # the bytes themselves are a quarter of it


@pytest.mark.skipif(not FASHION_MNIST.is_dir(), reason="dataset-fashion-mnist is not installed")
def test_fashion_mnist_has_its_shape() -> None:
    train, test = fashion_mnist()
    assert (train.x.shape, test.x.shape) == ((60000, 784), (10000, 784))
    assert np.bincount(train.y).tolist() == [6000] * 10
    assert train.class_names[9] == "Ankle boot"


def test_fashion_mnist_reads_a_folder_and_says_how_to_get_one(tmp_path: Path) -> None:
    write_folder(tmp_path, {"train": some_images(30, classes=10), "t10k": some_images(5)})
    train, _ = fashion_mnist(tmp_path)
    assert train.class_names[:2] == ("T-shirt/top", "Trouser")
    with pytest.raises(FileNotFoundError, match="apt install dataset-fashion-mnist"):
        fashion_mnist(tmp_path / "none")
