"""How good predictions are: counts of right and wrong classes, in NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autograd import ShapeError
from nn.data.checks import as_array, class_indices
from nn.module import MOST, whole_number

__all__ = ["accuracy", "confusion_matrix", "predicted_classes"]


def accuracy(predicted: object, labels: object) -> float:
    """Return the fraction of rows whose predicted class is the label.

    Parameters
    ----------
    predicted : array_like or node
        Classes or scores, read as `predicted_classes` reads them: a matrix of scores by
        its largest column, a vector of float scores by its sign, integers as classes.
    labels : array_like, shape (n,) or (n, 1)
        The true classes, whole numbers from 0; next to binary scores also -1 for class 0,
        as `hinge_loss` has it.

    Returns
    -------
    float
        From 0 to 1. A row with a nan score counts as wrong.

    Raises
    ------
    ShapeError
        If shapes do not fit, or there are no rows.
    DataError
        If an argument does not hold numbers.
    ValueError
        If a class is negative, fractional, or beyond the columns of scores.

    Examples
    --------
    >>> from nn.metrics import accuracy
    >>> accuracy([0, 1, 1, 2], [0, 1, 2, 2])
    0.75
    >>> accuracy([[2.0, -1.0], [0.5, 0.7]], [0, 0])
    0.5
    >>> accuracy([-3.1, 0.2], [0, 1])
    1.0
    """
    guesses, truth, _ = _paired(predicted, labels, None)
    return float(np.mean(guesses == truth))


def confusion_matrix(
    predicted: object, labels: object, classes: int | None = None
) -> NDArray[np.int64]:
    """Count the rows of each true class (down) by the class predicted for them (across).

    Parameters
    ----------
    predicted : array_like or node
        Classes or scores, read as `predicted_classes` reads them.
    labels : array_like, shape (n,) or (n, 1)
        The true classes, read as `accuracy` reads them.
    classes : int, optional
        How many classes there are; the columns of scores or, without them, up to the
        largest class seen if not given.

    Returns
    -------
    ndarray of int64, shape (classes, classes)
        Entry (i, j) counts rows of class i that were taken for class j; the diagonal is
        what was right.

    Raises
    ------
    ShapeError
        If shapes do not fit, or there are no rows.
    DataError
        If an argument does not hold numbers.
    ValueError
        If a class is negative, fractional or not below `classes`, or a score is nan.

    Examples
    --------
    >>> from nn.metrics import confusion_matrix
    >>> confusion_matrix([0, 1, 1, 2], [0, 1, 2, 2])
    array([[1, 0, 0],
           [0, 1, 0],
           [0, 1, 1]])
    """
    guesses, truth, count = _paired(predicted, labels, classes)
    if count**2 > MOST:
        raise ValueError(f"a matrix of {count} classes would be too large: {count} x {count}")
    if guesses.min() < 0:
        row = int(np.argmin(guesses))
        raise ValueError(f"row {row} of predicted has a nan score, so no predicted class")
    flat = np.bincount(truth * count + guesses, minlength=count * count)
    return flat.reshape(count, count).astype(np.int64)


def predicted_classes(scores: object) -> NDArray[np.int64]:
    """Return the class that each row of scores decides for.

    Parameters
    ----------
    scores : array_like or node
        One of

        - floats of shape (n, k), k > 1, one column a class: the largest wins, the first of
          equals;
        - floats of shape (n,) or (n, 1), scores of a binary classifier (logits, margins;
          not probabilities): above 0 is class 1, else class 0;
        - integers or bools of shape (n,) or (n, 1): classes already.

    Returns
    -------
    ndarray of int64, shape (n,)
        Classes; -1 where a score of the row is nan.

    Raises
    ------
    ShapeError
        If there are more than two axes, or none.
    DataError
        If `scores` does not hold numbers.
    ValueError
        If integers are negative.

    Examples
    --------
    >>> from nn.metrics import predicted_classes
    >>> predicted_classes([[0.1, 0.7, 0.2], [3.0, 1.0, 2.0]])
    array([1, 0])
    >>> predicted_classes([-0.5, 0.5])
    array([0, 1])
    """
    array = as_array("predicted", scores)
    if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] == 0):
        raise ShapeError(f"predicted must have shape (n,) or (n, classes), got {array.shape}")
    if array.ndim == 1:
        array = array[:, None]
    if array.shape[1] == 1 and array.dtype.kind != "f":
        return class_indices("predicted", array)
    winner = np.argmax(array, axis=1) if array.shape[1] > 1 else (array[:, 0] > 0).astype(np.int64)
    return np.where(np.isnan(array).any(axis=1), np.int64(-1), winner)


def _paired(
    predicted: object, labels: object, classes: int | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Predicted and true classes, checked against each other, and how many classes there are."""
    scores, targets = as_array("predicted", predicted), as_array("labels", labels)
    one_score_a_class = scores.ndim == 2 and scores.shape[1] > 1
    if scores.dtype.kind == "f" and not one_score_a_class:
        targets = np.where(targets == -1, 0, targets)
    guesses, truth = predicted_classes(scores), class_indices("labels", targets)
    if len(guesses) != len(truth):
        raise ShapeError(
            "predicted and labels need one row a sample each, "
            f"got {len(guesses)} rows predicted and {len(truth)} labels"
        )
    if len(truth) == 0:
        raise ShapeError("predicted and labels have no rows")
    largest = int(max(guesses.max(), truth.max(), 0))
    if classes is not None:
        count = whole_number("classes", classes, 1, MOST)
    elif one_score_a_class:
        count = scores.shape[1]
    else:
        count = largest + 1
    if largest >= count:
        raise ValueError(f"a row has class {largest}, but {count} classes end at {count - 1}")
    return guesses, truth, count
