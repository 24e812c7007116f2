"""Losses: how far predictions are from targets, as one number to differentiate.

Each takes a batch as a Tensor (or array), or as a Value or a list of Values. Prediction and
target must have the same shape: nothing is broadcast, since (n, 1) against (n,) would silently
compare everything with everything.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from numbers import Real
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from autograd import (
    DataError,
    Example,
    Interval,
    Node,
    Primitive,
    ShapeError,
    Tensor,
    Value,
    callback,
    exp,
    log,
    minimum,
    relu,
    scope,
    softmax,
    softplus,
    square,
    where,
)
from nn.module import finite_number, holds_node

__all__ = [
    "LOSSES",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "hinge_loss",
    "huber_loss",
    "l1_loss",
    "mse_loss",
]

Reduction = Literal["mean", "sum", "none"]


@scope("mse_loss")
def mse_loss(prediction: Any, target: Any, reduction: Reduction = "mean") -> Any:
    """Return the squared error ``(prediction - target)**2``.

    Parameters
    ----------
    prediction : Tensor, array, Value or list of Values
        Of any shape.
    target : Tensor, array, Value, number or list
        Of the same shape.
    reduction : str
        "mean" over all elements, "sum", or "none" for the loss of each element.

    Returns
    -------
    Tensor or Value
        A Value from Values, a number from plain arrays; with "none" in the shape of `prediction`.

    Raises
    ------
    ShapeError
        If the shapes differ, or there are no elements.
    DataError
        If an argument does not hold real numbers.
    ValueError
        If `reduction` is unknown.

    Examples
    --------
    >>> mse_loss(Tensor([1.0, 2.0]), [0.0, 4.0]).item()
    2.5
    """
    return _elementwise("mse_loss", lambda p, t: square(p - t), prediction, target, reduction)


@scope("l1_loss")
def l1_loss(prediction: Any, target: Any, reduction: Reduction = "mean") -> Any:
    """Return the absolute error ``|prediction - target|``, of slope 0 where they are equal.

    Parameters, returned values and errors are those of `mse_loss`.

    >>> l1_loss(Tensor([1.0, 2.0]), [0.0, 4.0]).item()
    1.5
    """
    return _elementwise("l1_loss", lambda p, t: abs(p - t), prediction, target, reduction)


@scope("huber_loss")
def huber_loss(
    prediction: Any, target: Any, reduction: Reduction = "mean", delta: float = 1.0
) -> Any:
    """Return half the squared error where it is small, and beyond `delta` its tangent.

    ``d**2 / 2`` where ``d = |prediction - target|`` is at most delta, else
    ``delta * (d - delta/2)``: P. J. Huber, "Robust estimation of a location parameter", 1964.
    Other parameters, returned values and errors are those of `mse_loss`.

    Parameters
    ----------
    delta : float
        Where the parabola ends, above 0.

    Examples
    --------
    >>> huber_loss(Tensor([1.0, 2.0]), [0.0, 4.0]).item()
    1.0
    """
    if not finite_number("delta", delta) > 0:
        raise ValueError(f"delta must be above 0, got {delta}")

    def rule(p: Any, t: Any) -> Any:
        distance = abs(p - t)
        small = minimum(distance, delta)  # one formula for both parts
        return small * (distance - 0.5 * small)

    return _elementwise("huber_loss", rule, prediction, target, reduction)


@scope("binary_cross_entropy_with_logits")
def binary_cross_entropy_with_logits(
    logits: Any, labels: Any, reduction: Reduction = "mean"
) -> Any:
    """Return the negative log-likelihood of two classes, given the logit of class 1.

    ``-y log s(z) - (1 - y) log(1 - s(z))``, where s is the sigmoid, is computed as
    ``y softplus(-z) + (1 - y) softplus(z)``, which is exact at any magnitude of z and smooth.

    Parameters
    ----------
    logits : Tensor, array, Value or list of Values
        Scores before any sigmoid, of any shape.
    labels : array, Tensor, number or list
        Of the same shape: 0 or 1, or a probability between. Treated as constant.
    reduction : str
        "mean" over all elements, "sum", or "none" for the loss of each element.

    Returns
    -------
    Tensor or Value
        A Value from Values, a number from plain arrays; with "none" in the shape of `logits`.

    Raises
    ------
    ShapeError
        If the shapes differ, or there are no elements.
    DataError
        If an argument does not hold real numbers.
    ValueError
        If a label is outside 0..1, or `reduction` is unknown.

    Examples
    --------
    >>> binary_cross_entropy_with_logits(Tensor([1000.0, -1000.0]), [1, 1], "none").numpy()
    array([   0., 1000.])
    """
    name = "binary_cross_entropy_with_logits"

    def check(y: NDArray[Any]) -> None:
        valid = (y >= 0) & (y <= 1)
        _require_labels(name, y, valid, "from 0 to 1", "classes -1 and +1: (y + 1) / 2")

    y = _labels(name, logits, labels, check)
    return _elementwise(
        name, lambda z, y: y * softplus(-z) + (1 - y) * softplus(z), logits, y, reduction
    )


@scope("hinge_loss")
def hinge_loss(scores: Any, labels: Any, reduction: Reduction = "mean") -> Any:
    """Return the max-margin loss ``max(0, 1 - label * score)``, of slope 0 at a margin of 1.

    Cortes & Vapnik, "Support-vector networks", 1995: a score is right when it has the sign of
    its label, and costs nothing from a margin of 1 on.

    Parameters
    ----------
    scores : Tensor, array, Value or list of Values
        Of any shape.
    labels : array, Tensor, number or list
        Of the same shape, each -1 or +1. Treated as constant.
    reduction : str
        "mean" over all elements, "sum", or "none" for the loss of each element.

    Returns
    -------
    Tensor or Value
        A Value from Values, a number from plain arrays; with "none" in the shape of `scores`.

    Raises
    ------
    ShapeError
        If the shapes differ, or there are no elements.
    DataError
        If an argument does not hold real numbers.
    ValueError
        If a label is not -1 or +1, or `reduction` is unknown.

    Examples
    --------
    >>> hinge_loss(Tensor([0.5, 3.0, 1.0]), [1, 1, -1], "none").numpy()
    array([0.5, 0. , 2. ])
    """

    def check(y: NDArray[Any]) -> None:
        _require_labels("hinge_loss", y, abs(y) == 1, "-1 or +1", "classes 0 and 1: 2 * y - 1")

    y = _labels("hinge_loss", scores, labels, check)
    return _elementwise("hinge_loss", lambda s, y: relu(1 - y * s), scores, y, reduction)


@scope("cross_entropy")
def cross_entropy(logits: Any, classes: Any, reduction: Reduction = "mean") -> Any:
    """Return the negative log-likelihood of the true classes under the softmax of the logits.

    ``-log softmax(z)[c] = log(sum(exp(z))) - z[c]``, with the largest logit subtracted first, so
    that it is finite at any magnitude.

    Parameters
    ----------
    logits : Tensor or array, shape (n, k) or (k,); list of k Values; list of n such lists
        Scores before any softmax, one column a class.
    classes : array, Tensor or list of int, shape (n,); int for a single row
        The true class of each row, 0 to k - 1.
    reduction : str
        "mean" over the rows, "sum", or "none" for the loss of each row.

    Returns
    -------
    Tensor or Value
        A Value from Values, a number from plain arrays; with "none" in the shape of `classes`.

    Raises
    ------
    ShapeError
        If there is not one class a row, or there are no rows.
    DataError
        If `classes` are not integers, or `logits` not real numbers.
    ValueError
        If a class is out of range, or `reduction` is unknown.

    Examples
    --------
    >>> cross_entropy(Tensor([[1000.0, 0.0], [0.0, 1000.0]]), [0, 0]).item()
    500.0
    """
    _require_reduction("cross_entropy", reduction)
    z = _numbers("cross_entropy", "logits", logits)
    c: Any = classes if isinstance(classes, Node) else _class_numbers(classes)
    if z.ndim not in (1, 2):
        raise ShapeError(
            "the logits of cross_entropy have shape (rows, classes), or (classes,) for one row, "
            f"got {z.shape}"
        )
    if c.shape != z.shape[:-1]:
        hint = ""
        if c.size == z.size:
            hint = (
                "; it takes one score a class, so for two classes two scores a row: for one "
                "there are binary_cross_entropy_with_logits and hinge_loss"
            )
        raise ShapeError(
            f"cross_entropy needs one class a row: logits of shape {z.shape} go with classes of "
            f"shape {z.shape[:-1]}, got {c.shape}{hint}"
        )
    _require_elements("cross_entropy", z)
    c = callback(partial(_classes_below, z.shape[-1]), c)
    if z.dtype == object:
        numbers = c.tolist() if c.ndim else [c.tolist()]
        rows = zip(np.atleast_2d(z), numbers, strict=True)
        each = np.fromiter((_cross_entropy_of_row(row, k) for row, k in rows), dtype=object)
        return _reduce(each if c.ndim else each[0], reduction)
    if reduction == "mean" and c.ndim:
        return _mean_cross_entropy(z, c)
    return _reduce(_cross_entropy(z, c), reduction)


def _cross_entropy_of_rows(logits: Any, classes: Any) -> Any:
    shifted = logits - np.maximum.reduce(logits, axis=-1, keepdims=True)
    total = np.add.reduce(np.exp(shifted), axis=-1)
    if classes.ndim == 0:
        return np.log(total) - shifted[classes]
    return np.log(total) - shifted[np.arange(len(classes)), classes]


def _slope_of_rows(logits: Any, classes: Any) -> Any:
    one_hot = np.arange(logits.shape[-1]) == classes[..., None]
    return softmax(logits) - one_hot


def _pull_cross_entropy(g: Any, out: Any, logits: Any, classes: Any) -> Any:
    return g.reshape((*out.shape, 1)) * _slope_of_rows(logits, classes)


# One node instead of the four of -log_softmax(z)[rows, classes], in half their time.
_cross_entropy = Primitive(
    "cross_entropy",
    "cross-entropy",
    None,
    _cross_entropy_of_rows,
    (_pull_cross_entropy, None),
    domain=[Interval(), Interval(0, 2, whole=True)],
    examples=[Example(((4, 3), (4,))), Example(((3,), ()))],
)


def _mean_cross_entropy_of_rows(logits: Any, classes: Any) -> Any:
    each = _cross_entropy_of_rows(logits, classes)
    if each.dtype == np.float16:  # which ends at 65,504
        return each.mean()
    return np.add.reduce(each) / len(each)  # in a third of the time


def _pull_mean_cross_entropy(g: Any, out: Any, logits: Any, classes: Any) -> Any:
    return g * (1.0 / len(classes)) * _slope_of_rows(logits, classes)


# The usual reduction with it: a step of the 64-32-10 net measured 147 us, with two nodes 158.
_mean_cross_entropy = Primitive(
    "mean_cross_entropy",
    "mean cross-entropy",
    None,
    _mean_cross_entropy_of_rows,
    (_pull_mean_cross_entropy, None),
    domain=[Interval(), Interval(0, 2, whole=True)],
    examples=[Example(((4, 3), (4,)))],
)


def _cross_entropy_of_row(row: NDArray[Any], k: Any) -> Any:
    peak = callback(_largest, *row)
    shifted = [z - peak for z in row]
    first, *rest = map(exp, shifted)
    if isinstance(k, Node):  # a class that will be another one when this is replayed
        number: Any = k
        chosen = sum(where(number == j, z, 0.0) for j, z in enumerate(shifted))
    else:
        chosen = shifted[k]
    return log(sum(rest, first)) - chosen


def _largest(*numbers: float) -> float:
    return max(numbers)


def _elementwise(
    name: str,
    rule: Callable[[Any, Any], Any],
    prediction: Any,
    target: Any,
    reduction: Reduction,
) -> Any:
    """Apply `rule` to each pair of elements and reduce the losses."""
    _require_reduction(name, reduction)
    p, t = _numbers(name, "prediction", prediction), _numbers(name, "target", target)
    if p.shape != t.shape:
        hint = ""
        if p.size == t.size:
            hint = f"; give one the shape of the other, as in y.reshape({p.shape})"
        raise ShapeError(
            f"{name} compares element by element and needs one shape, got predictions of shape "
            f"{p.shape} and targets of shape {t.shape}{hint}"
        )
    _require_elements(name, p)
    if object in (p.dtype, t.dtype):  # lists of Values
        scalars = np.frompyfunc(rule, 2, 1)
        return _reduce(scalars(_without_tensor(name, p), _without_tensor(name, t)), reduction)
    if not isinstance(t, Value):  # of the prediction's precision, so that float32 stays float32
        t = t.astype(np.float32 if p.dtype == np.float32 else np.float64)
    return _reduce(rule(p, t if t.ndim else t.item()), reduction)


def _reduce(each: Any, reduction: Reduction) -> Any:
    of_values = isinstance(each, np.ndarray) and each.dtype == object
    if reduction == "none":
        return each.tolist() if of_values else each
    if not isinstance(each, Tensor | np.ndarray):
        return each
    if of_values:
        return each.sum() * (1 / each.size) if reduction == "mean" else each.sum()
    return each.mean() if reduction == "mean" else each.sum()


def _numbers(name: str, what: str, value: Any) -> Any:
    """Return `value` as a node or an array; an array of objects where it is a list of Values."""
    if isinstance(value, Node):
        return value
    problem = f"{name} takes real numbers, nodes or lists of them"
    try:
        array = _objects(value) if holds_node(value) else np.asarray(value)
    except (TypeError, ValueError):
        raise ShapeError(f"{problem}; the {what} has lists of different lengths") from None
    if array.dtype == object and all(isinstance(item, Value | Real) for item in array.flat):
        return array
    if array.dtype.kind not in "biuf":
        kind = type(value).__name__
        raise DataError(f"{problem}; the {what} is a {kind} of dtype {array.dtype}")
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def _objects(value: Any) -> NDArray[Any]:
    """Return a list, or a list of equally long lists, as an array of its items."""
    if any(isinstance(item, list | tuple) for item in value):
        return np.stack([_objects(item) for item in value])
    return np.fromiter(value, dtype=object)


def _without_tensor(name: str, part: Tensor | NDArray[Any]) -> NDArray[Any]:
    if isinstance(part, np.ndarray):
        return part
    if not part.is_constant:
        items = part.tolist()
        if holds_node(items):  # inside a derivative or a replay: none is lost
            return _objects(items)
        raise DataError(
            f"{name} would lose the gradient of a Tensor next to a list of Values: "
            "pass its numbers, tensor.numpy()"
        )
    return part.numpy()


def _labels(name: str, scores: Any, labels: Any, check: Callable[[NDArray[Any]], None]) -> Any:
    """Return labels as an array of floats, checked; in a replay those that it is given."""
    numbers = _numbers(name, "label", labels)
    dtype = np.float32 if getattr(scores, "dtype", None) == np.float32 else np.float64

    def checked(numbers: Any) -> NDArray[Any]:
        y = np.asarray(numbers, dtype=dtype)
        check(y)
        return y

    if not isinstance(numbers, Node):
        return checked(numbers)
    y = callback(checked, numbers)
    of_values = isinstance(y, Node) and isinstance(scores, list | tuple)
    return y.tolist() if of_values else y


def _class_numbers(classes: Any) -> NDArray[Any]:
    try:
        array = np.asarray(classes.numpy() if isinstance(classes, Node) else classes)
    except (TypeError, ValueError) as error:
        raise DataError(f"the classes of cross_entropy are integers, one a row: {error}") from None
    if array.dtype.kind not in "iu":
        hint = "; for one-hot rows pass y.argmax(axis=1)" if array.ndim == 2 else ""
        raise DataError(f"the classes of cross_entropy are integers, got dtype {array.dtype}{hint}")
    return array


def _classes_below(count: int, classes: NDArray[Any]) -> NDArray[Any]:
    """Return classes, all of which are below a number."""
    classes = _class_numbers(classes)  # those of a node have not been looked at yet
    if np.maximum.reduce(classes.astype(np.uint64), axis=None) >= count:  # -1 becomes huge
        valid = (classes >= 0) & (classes < count)
        _require_labels("cross_entropy", classes, valid, f"from 0 to {count - 1}")
    return classes


def _require_reduction(name: str, reduction: str) -> None:
    if not isinstance(reduction, str) or reduction not in get_args(Reduction):
        raise ValueError(f"the reduction of {name} is 'mean', 'sum' or 'none', got {reduction!r}")


def _require_elements(name: str, prediction: Any) -> None:
    if prediction.size == 0:
        raise ShapeError(f"{name} needs at least one element, got shape {prediction.shape}")


def _require_labels(
    name: str, labels: NDArray[Any], valid: NDArray[np.bool_], expected: str, other: str = ""
) -> None:
    if not np.all(valid):
        first = np.flatnonzero(~np.atleast_1d(valid))[0]
        hint = f"; for {other.replace(': ', ' pass ')}" if other else ""
        raise ValueError(
            f"the labels of {name} are {expected}, got {labels.flat[first]} at {first}{hint}"
        )


LOSSES = (
    binary_cross_entropy_with_logits,
    cross_entropy,
    hinge_loss,
    huber_loss,
    l1_loss,
    mse_loss,
)
"""All of them; each computes in the same way whatever the numbers are."""
