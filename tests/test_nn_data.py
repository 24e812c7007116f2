"""Shipped and generated data, the train/test split and the mini-batches."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd import DataError, ShapeError, Tensor, Value
from nn.data import Dataset, batches, circles, load, moons, spirals, train_test_split
from nn.data.checks import as_array

GENERATORS: list[Callable[..., Dataset]] = [moons, circles, spirals]


def named(functions: list[Any]) -> list[Any]:
    return [pytest.param(function, id=function.__name__) for function in functions]


# --- shipped data ---------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "shape"), [("digits", (1797, 64)), ("iris", (150, 4))])
def test_shipped_data_has_its_shape_and_types(name: str, shape: tuple[int, int]) -> None:
    data = load(name)
    assert data.x.shape == shape
    assert data.y.shape == shape[:1]
    assert data.x.dtype == np.float64
    assert data.y.dtype == np.int64
    assert len(data.feature_names) == shape[1]
    assert set(data.y.tolist()) == set(range(len(data.class_names)))
    assert data.name == name
    assert "CC BY 4.0" in data.source


def test_digits_are_those_of_uci() -> None:
    digits = load("digits")
    # Class counts of the test part, as UCI's page lists them.
    counts = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert np.bincount(digits.y).tolist() == counts
    pixels = digits.x * 16
    assert np.array_equal(pixels, np.round(pixels))
    assert (pixels.min(), pixels.max()) == (0, 16)
    assert pixels.sum() == 561718
    assert pixels[0].reshape(8, 8)[1].tolist() == [0, 0, 13, 15, 10, 15, 5, 0]
    assert digits.y[:12].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    assert digits.feature_names[:9] == (*(f"pixel_0_{c}" for c in range(8)), "pixel_1_0")


def test_iris_is_fishers() -> None:
    iris = load("iris")
    assert np.bincount(iris.y).tolist() == [50, 50, 50]
    assert iris.class_names == ("setosa", "versicolor", "virginica")
    # Means of the species in table II of Fisher's paper.
    means = [iris.x[iris.y == k].mean(axis=0) for k in range(3)]
    np.testing.assert_allclose(means[0], [5.006, 3.428, 1.462, 0.246], rtol=1e-12)
    np.testing.assert_allclose(means[1], [5.936, 2.770, 4.260, 1.326], rtol=1e-12)
    np.testing.assert_allclose(means[2], [6.588, 2.974, 5.552, 2.026], rtol=1e-12)
    # The two rows that UCI's file has wrong.
    assert iris.x[34].tolist() == [4.9, 3.1, 1.5, 0.2]
    assert iris.x[37].tolist() == [4.9, 3.6, 1.4, 0.1]


@pytest.mark.parametrize("name", ["digits", "iris"])
def test_shipped_files_are_as_sources_says(name: str) -> None:
    folder = files("nn.data")
    packed = folder.joinpath(f"{name}.csv.gz").read_bytes()
    assert len(packed) < 60_000
    assert packed[3:8] == bytes(5)  # no file name and no time in the gzip header
    checksum = hashlib.sha256(gzip.decompress(packed)).hexdigest()
    sources = folder.joinpath("SOURCES.md").read_text(encoding="utf-8")
    section = sources.partition(f"## {name}.csv.gz")[2].partition("\n## ")[0]
    assert checksum in section
    (doi,) = re.findall(r"https://doi\.org/[\w./]+\w", section)
    assert doi in load(name).source


def test_every_load_gives_arrays_of_its_own() -> None:
    first = load("iris")
    first.x[:] = 0
    assert load("iris").x[0, 0] == 5.1


@pytest.mark.parametrize("name", ["mnist", "", "Digits", "../iris", 3, ["a"], None])
def test_an_unknown_name_is_refused_with_the_known_ones(name: Any) -> None:
    with pytest.raises(ValueError, match=r"known: 'digits', 'iris'"):
        load(name)


def test_a_dataset_unpacks_is_frozen_and_says_what_it_is() -> None:
    data = load("iris")
    x, y = data
    assert x is data.x
    assert y is data.y
    assert repr(data) == "Dataset('iris': 150 rows, 4 features, 3 classes)"
    with pytest.raises(FrozenInstanceError):
        data.name = "other"  # type: ignore[misc]


def test_a_dataset_of_a_regression_has_no_classes() -> None:
    data = Dataset(np.ones((3, 2)), np.ones((3, 1)), ("a", "b"), (), "sizes.csv", "sizes.csv")
    assert repr(data) == "Dataset('sizes.csv': 3 rows, 2 features, regression)"


# --- generated data -------------------------------------------------------------------------


@pytest.mark.parametrize("make", named(GENERATORS))
@given(n=st.integers(2, 60), noise=st.floats(0, 2), seed=st.integers(0, 2**32))
def test_generators_are_balanced_and_reproducible(
    make: Callable[..., Dataset], n: int, noise: float, seed: int
) -> None:
    data, again = make(n, noise, seed), make(n, noise, seed)
    assert data.x.shape == (n, 2)
    assert data.x.dtype == np.float64
    assert data.y.dtype == np.int64
    assert np.array_equal(data.x, again.x)
    assert np.array_equal(data.y, again.y)
    assert np.bincount(data.y).tolist() == [n - n // 2, n // 2]
    assert data.class_names == ("0", "1")


@pytest.mark.parametrize("make", named(GENERATORS))
def test_another_seed_gives_other_points_in_another_order(make: Callable[..., Dataset]) -> None:
    one, other = make(50, seed=1), make(50, seed=2)
    assert not np.array_equal(one.x, other.x)
    assert not np.array_equal(one.y, other.y)


def test_moons_without_noise_are_half_circles() -> None:
    x, y = moons(101, noise=0)
    upper, lower = x[y == 0], x[y == 1]
    np.testing.assert_allclose(np.hypot(*upper.T), 1)
    np.testing.assert_allclose(np.hypot(*(lower - [1, 0.5]).T), 1)
    assert upper[:, 1].min() > -1e-12
    assert lower[:, 1].max() < 0.5 + 1e-12


def test_circles_without_noise_have_their_radii() -> None:
    x, y = circles(100, noise=0, factor=0.3)
    np.testing.assert_allclose(np.hypot(*x.T), np.where(y == 0, 1, 0.3))
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-12)  # no point is drawn twice


@given(classes=st.integers(2, 6), turns=st.floats(-3, 3), n=st.integers(6, 60))
def test_spirals_without_noise_wind_as_asked(classes: int, turns: float, n: int) -> None:
    data = spirals(n, noise=0, classes=classes, turns=turns)
    radius = np.hypot(*data.x.T)
    angle = 2 * np.pi * (turns * radius + data.y / classes)
    np.testing.assert_allclose(data.x, radius[:, None] * np.c_[np.cos(angle), np.sin(angle)])
    assert radius.min() >= 0.1 - 1e-9
    assert radius.max() <= 1 + 1e-9
    counts = np.bincount(data.y)
    assert len(counts) == classes == len(data.class_names)
    assert counts.max() - counts.min() <= 1


def test_noise_is_the_standard_deviation() -> None:
    clean, noisy = moons(5000, noise=0, seed=3), moons(5000, noise=0.25, seed=3)
    assert abs((noisy.x - clean.x).std() - 0.25) < 0.01


@pytest.mark.parametrize("make", named(GENERATORS))
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n": 1}, ValueError, "n must be at least 2, got 1"),
        ({"n": 10.0}, DataError, "n must be an integer, got 10.0"),
        ({"n": 10**40}, ValueError, "n must be at most 2147483647, got 10000"),
        ({"n": 10, "noise": 10**400}, ValueError, "noise must be a finite number, got a number"),
        ({"n": 10, "noise": -0.1}, ValueError, "noise must be a finite number of at least 0"),
        ({"n": 10, "noise": float("nan")}, ValueError, "noise must be a finite number"),
        ({"n": 10, "noise": "0.1"}, DataError, "noise must be a number, got '0.1'"),
        ({"n": 10, "noise": None}, DataError, "noise must be a number, got None"),
        ({"n": 10, "seed": -1}, ValueError, "seed must be at least 0, got -1"),
        ({"n": 10, "seed": None}, DataError, "seed must be an integer, got None"),
    ],
)
def test_generators_refuse_bad_arguments(
    make: Callable[..., Dataset], arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make(**arguments)


@pytest.mark.parametrize("factor", [0, 1, -0.5, 2])
def test_circles_refuse_a_factor_out_of_range(factor: float) -> None:
    with pytest.raises(ValueError, match="factor must be between 0 and 1"):
        circles(10, factor=factor)


def test_spirals_refuse_too_few_classes_or_points() -> None:
    with pytest.raises(ValueError, match="classes must be at least 2, got 1"):
        spirals(10, classes=1)
    with pytest.raises(ValueError, match="n must be at least 5, got 4"):
        spirals(4, classes=5)
    with pytest.raises(ValueError, match="turns must be a finite number, got inf"):
        spirals(10, turns=float("inf"))


# --- split ----------------------------------------------------------------------------------


@given(
    y=st.lists(st.integers(0, 4), min_size=4, max_size=80),
    test=st.floats(0.13, 0.87),
    seed=st.integers(0, 2**32),
)
def test_a_split_partitions_the_rows_and_keeps_the_classes_shares(
    y: list[int], test: float, seed: int
) -> None:
    n = len(y)
    x = np.arange(n)[:, None]  # each row names itself
    x_train, x_test, y_train, y_test = train_test_split(x, y, test=test, seed=seed)
    held_out = round(test * n)
    assert (len(x_train), len(x_test)) == (n - held_out, held_out)
    assert sorted([*x_train[:, 0], *x_test[:, 0]]) == list(range(n))
    labels = np.array(y)
    assert np.array_equal(labels[x_train[:, 0]], y_train)
    assert np.array_equal(labels[x_test[:, 0]], y_test)
    share = np.bincount(labels, minlength=5) * held_out / n
    assert np.all(np.abs(np.bincount(y_test, minlength=5) - share) < 1)


@given(n=st.integers(2, 50), seed=st.integers(0, 2**32))
def test_a_split_of_a_regression_target_partitions_the_rows(n: int, seed: int) -> None:
    x = np.arange(n)
    x_train, x_test, y_train, y_test = train_test_split(x, x / 3, test=0.5, seed=seed)
    assert sorted([*x_train, *x_test]) == list(range(n))
    assert np.array_equal(x_train / 3, y_train)
    assert np.array_equal(x_test / 3, y_test)


def test_the_seed_fixes_the_split() -> None:
    x, y = load("iris")
    first, same, other = (train_test_split(x, y, seed=seed) for seed in (7, 7, 8))
    assert all(np.array_equal(a, b) for a, b in zip(first, same, strict=True))
    assert not np.array_equal(first[1], other[1])


def test_a_split_keeps_dtypes_and_leaves_its_arguments_alone() -> None:
    x, y = np.eye(10, dtype=np.float32), np.arange(10, dtype=np.uint8)
    x_train, _, y_train, _ = train_test_split(x, y)
    assert x_train.dtype == np.float32
    assert y_train.dtype == np.uint8
    x_train[:] = 5
    assert np.array_equal(x, np.eye(10))


def test_a_split_of_labels_that_are_all_different_is_still_random() -> None:
    # Ties between classes of one row each go by lot, not to the smallest labels.
    y = np.arange(100)
    held_out = [train_test_split(y, y, seed=seed)[3] for seed in range(20)]
    assert 35 < np.mean(held_out) < 64
    assert len(set(np.concatenate(held_out).tolist())) > 90


def test_both_parts_are_shuffled() -> None:
    _, _, y_train, y_test = train_test_split(*load("iris"))
    assert np.any(np.diff(y_train) < 0)
    assert np.any(np.diff(y_test) < 0)


@pytest.mark.parametrize("test", [0, 1, -0.2, 1.5, 20])
def test_a_split_refuses_a_fraction_out_of_range(test: float) -> None:
    with pytest.raises(ValueError, match="test is the fraction held out, between 0 and 1, got"):
        train_test_split([[1.0], [2.0]], [0, 1], test=test)


@pytest.mark.parametrize(("test", "part"), [(0.2, "test"), (0.9, "training")])
def test_a_split_refuses_an_empty_part(test: float, part: str) -> None:
    with pytest.raises(ValueError, match=f"test={test} of 2 rows leaves no {part} row"):
        train_test_split([[1.0], [2.0]], [0, 1], test=test)


@pytest.mark.parametrize(
    ("x", "y", "error", "message"),
    [
        ([], [], ShapeError, r"no rows \(shapes \(0,\) and \(0,\)\)"),
        ([1, 2, 3], [1, 2], ShapeError, r"got 3 rows in x \(3,\) and 2 in y \(2,\)"),
        (1.0, [1], ShapeError, r"got shapes \(\) and \(1,\)"),
        ([[1, 2], [3]], [1, 2], ShapeError, "x must be a regular array"),
        (["a", "b"], [1, 2], DataError, "x must hold real numbers, got list of dtype <U1"),
        ([1, 2], [None, 1], DataError, "y must hold real numbers, got list of dtype object"),
        ([1j, 2], [1, 2], DataError, "x must hold real numbers"),
    ],
)
def test_split_and_batches_refuse_bad_rows(
    x: Any, y: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        train_test_split(x, y)
    with pytest.raises(error, match=message):
        batches(x, y, 2, rng=np.random.default_rng(0))


# --- batches --------------------------------------------------------------------------------


@given(n=st.integers(1, 60), size=st.integers(1, 70), seed=st.integers(0, 2**32))
def test_batches_cover_each_row_once(n: int, size: int, seed: int) -> None:
    x = np.arange(n)
    parts = list(batches(x[:, None], -x, size, rng=np.random.default_rng(seed)))
    assert [len(y) for _, y in parts] == [size] * (n // size) + [n % size] * (n % size > 0)
    assert all(np.array_equal(x_part[:, 0], -y_part) for x_part, y_part in parts)
    assert sorted(np.concatenate([-y for _, y in parts])) == list(range(n))


def test_batches_are_shuffled_anew_each_epoch_and_repeat_with_the_seed() -> None:
    x = np.arange(20)

    def two_epochs() -> list[list[int]]:
        rng = np.random.default_rng(5)
        return [[int(i) for xb, _ in batches(x, x, 8, rng=rng) for i in xb] for _ in range(2)]

    first, second = two_epochs()
    assert first != second
    assert [first, second] == two_epochs()


def test_batches_keep_dtypes_and_are_copies() -> None:
    x = np.zeros((4, 3), dtype=np.float32)
    for x_batch, _ in batches(x, np.arange(4), 2, rng=np.random.default_rng(0)):
        assert x_batch.dtype == np.float32
        x_batch[:] = 1
    assert not x.any()


@pytest.mark.parametrize(
    ("size", "error", "message"),
    [
        (0, ValueError, "batch_size must be at least 1, got 0"),
        (-3, ValueError, "batch_size must be at least 1, got -3"),
        (2.0, DataError, "batch_size must be an integer, got 2.0"),
    ],
)
def test_batches_refuse_a_bad_size_at_the_call(
    size: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        batches([1, 2], [1, 2], size, rng=np.random.default_rng(0))


@pytest.mark.parametrize("rng", [0, None, np.random.RandomState(0)])
def test_batches_refuse_a_seed_in_place_of_a_generator(rng: Any) -> None:
    with pytest.raises(DataError, match=r"rng must be a numpy\.random\.Generator, got"):
        batches([1, 2], [1, 2], 1, rng=rng)


# --- nodes as data --------------------------------------------------------------------------


def test_nodes_and_lists_of_values_are_read_as_their_data() -> None:
    assert as_array("x", Tensor([[1.0, 2.0]])).tolist() == [[1.0, 2.0]]
    assert as_array("x", [[Value(1.0)], [Value(2.0)]]).tolist() == [[1.0], [2.0]]
    assert as_array("x", Value(3.0)).shape == ()
