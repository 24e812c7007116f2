"""Accuracy and the confusion matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd import DataError, ShapeError, Tensor, Value
from nn.metrics import accuracy, confusion_matrix, predicted_classes

NAN = float("nan")


@pytest.mark.parametrize(
    ("predicted", "classes"),
    [
        ([2, 0, 1], [2, 0, 1]),
        ([[2], [0]], [2, 0]),
        ([True, False], [1, 0]),
        ([0.1, -0.1, 0.0], [1, 0, 0]),
        ([[3.0], [-3.0]], [1, 0]),
        ([[1.0, 2.0, 0.0], [5.0, 5.0, 5.0]], [1, 0]),
        ([[1, 4], [3, 2]], [1, 0]),
        ([NAN, 1.0], [-1, 1]),
        ([[0.0, NAN], [0.0, 1.0]], [-1, 1]),
        ([[-np.inf, np.inf]], [1]),
        (Tensor([[1.0, 2.0]]), [1]),
        ([Value(0.5), Value(-0.5)], [1, 0]),
        ([[Value(0.5), Value(-0.5)]], [0]),
    ],
)
def test_scores_decide_for_classes(predicted: Any, classes: list[int]) -> None:
    result = predicted_classes(predicted)
    assert result.tolist() == classes
    assert result.dtype == np.int64


pairs = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60)


@given(pairs)
def test_accuracy_and_confusion_matrix_agree_with_counting(rows: list[tuple[int, int]]) -> None:
    predicted, labels = map(list, zip(*rows, strict=True))
    right = sum(p == t for p, t in rows)
    assert accuracy(predicted, labels) == right / len(rows)
    matrix = confusion_matrix(predicted, labels, classes=5)
    assert matrix.dtype == np.int64
    for i in range(5):
        for j in range(5):
            assert matrix[i, j] == rows.count((j, i))
    scores = np.eye(5)[predicted]
    assert accuracy(scores, labels) == right / len(rows)
    assert np.array_equal(confusion_matrix(scores, labels), matrix)


def test_the_matrix_is_as_large_as_the_largest_class_the_scores_or_what_is_asked() -> None:
    assert confusion_matrix([0, 2], [1, 0]).shape == (3, 3)
    assert confusion_matrix(np.zeros((2, 4)), [0, 1]).shape == (4, 4)
    assert confusion_matrix([0.5, -0.5], [1, 0], classes=2).tolist() == [[1, 0], [0, 1]]


def test_labels_may_be_a_column_of_whole_floats() -> None:
    # What binary_cross_entropy_with_logits takes as targets.
    assert accuracy([[0.3], [-2.0]], [[1.0], [0.0]]) == 1.0


def test_next_to_binary_scores_labels_may_be_those_of_the_hinge_loss() -> None:
    assert accuracy([0.5, -0.5, 0.5, -0.5], [1, -1, -1, 1]) == 0.5
    assert confusion_matrix([[0.5], [-0.5]], [[1.0], [-1.0]]).tolist() == [[1, 0], [0, 1]]
    with pytest.raises(ValueError, match=r"for classes -1 and \+1 pass labels > 0"):
        accuracy([[0.1, 0.5], [0.2, 0.3]], [1, -1])


def test_a_nan_score_is_wrong_and_has_no_place_in_the_matrix() -> None:
    assert accuracy([[NAN, 0.0], [1.0, 0.0]], [0, 0]) == 0.5
    with pytest.raises(ValueError, match="row 1 of predicted has a nan score"):
        confusion_matrix([0.5, NAN], [1, 0])


@pytest.mark.parametrize("metric", [accuracy, confusion_matrix])
@pytest.mark.parametrize(
    ("predicted", "labels", "error", "message"),
    [
        ([0, 1], [0], ShapeError, "got 2 rows predicted and 1 labels"),
        ([], [], ShapeError, "have no rows"),
        (1, [0], ShapeError, r"predicted must have shape \(n,\) or \(n, classes\), got \(\)"),
        (np.zeros((2, 2, 2)), [0, 1], ShapeError, "predicted must have shape"),
        (np.zeros((2, 0)), [0, 1], ShapeError, "predicted must have shape"),
        ([0, 1], [[1, 0], [0, 1]], ShapeError, "labels must hold one class a row"),
        ([1, 0], [1, -1], ValueError, r"for classes -1 and \+1 pass labels > 0"),
        ([0, -2], [0, 1], ValueError, r"predicted must be classes 0, 1, 2, \.\.\., got -2"),
        ([0, 1], [0.0, 0.5], ValueError, "labels must be classes .* got 0.5"),
        ([0, 1], [0.0, NAN], ValueError, "labels must be classes .* got nan"),
        ([0, 1], [0.0, np.inf], ValueError, "labels must be classes .* got inf"),
        ([0, 1], [0.0, 1e300], ValueError, r"labels must be classes .* got 1e\+300"),
        (np.eye(2), [0, 2], ValueError, "a row has class 2, but 2 classes end at 1"),
        (["cat"], [0], DataError, "predicted must hold real numbers, got list of dtype <U3"),
        ([0], ["cat"], DataError, "labels must hold real numbers"),
    ],
)
def test_metrics_refuse_what_does_not_fit(
    metric: Any, predicted: Any, labels: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        metric(predicted, labels)


@pytest.mark.parametrize(
    ("classes", "error", "message"),
    [
        (0, ValueError, "classes must be at least 1, got 0"),
        (2, ValueError, "a row has class 2, but 2 classes end at 1"),
        (2.5, DataError, "classes must be an integer"),
        (10**40, ValueError, "classes must be at most 2147483647"),
        (10**6, ValueError, "a matrix of 1000000 classes would be too large"),
    ],
)
def test_the_matrix_refuses_a_bad_number_of_classes(
    classes: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        confusion_matrix([0, 1], [2, 1], classes)
