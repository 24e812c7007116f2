"""One step of gradient descent on a batch, and a measurement without a step."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from operator import is_
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autograd import (
    DataError,
    NonFiniteError,
    Tensor,
    Value,
    find_nonfinite,
    jit,
    no_grad,
)
from nn.data.checks import as_array, as_rows
from nn.history import NUMBERS
from nn.losses import binary_cross_entropy_with_logits, cross_entropy, hinge_loss
from nn.metrics import accuracy
from nn.module import Module, require_callable, require_kind
from nn.optim import Optimizer, norm_of

__all__ = [
    "Compute",
    "Data",
    "Loss",
    "Metric",
    "Replayed",
    "Step",
    "checked_data",
    "descend",
    "eager",
    "evaluate",
    "forward",
    "is_of_values",
    "means",
    "measure",
    "mode_kept",
    "named_metrics",
    "one_number",
    "shaped_like",
]

Array = NDArray[Any]
Data = tuple[ArrayLike, ArrayLike]
Loss = Callable[[Any, Any], Any]
Metric = Callable[[Array, Array], float]


class Step(NamedTuple):
    """What one step of gradient descent saw, before its update.

    Attributes
    ----------
    rows : int
    loss : float
    gradient_norm : float
        Euclidean norm of all gradients together.
    scores, targets : list of ndarray
        The predictions of each part of the batch, and what they should have been.

    Examples
    --------
    >>> Step(32, 0.7, 1.5, [], []).loss
    0.7
    """

    rows: int
    loss: float
    gradient_norm: float
    scores: list[Array]
    targets: list[Array]


Compute = Callable[[Array, Array, float], tuple[Any, Any]]
"""Steps 2 and 3 for some rows and their weight: the weighted loss, and the prediction.

A replay multiplies by a weight that is a float; an int, the 1 of a whole batch, is recorded.
"""


def eager(model: Module, loss: Loss) -> Compute:
    """Return a function that computes a weighted loss, node by node.

    >>> from nn import Linear, mse_loss
    >>> error, prediction = eager(Linear(1, 1), mse_loss)(np.ones((4, 1)), np.ones((4, 1)), 0.5)
    >>> error.shape, prediction.shape
    ((), (4, 1))
    """

    def compute(x: Array, y: Array, weight: float) -> tuple[Any, Any]:
        prediction = forward(model, x)  # 2. Forward.
        error = one_number(loss(prediction, shaped_like(prediction, y)))  # 3. Loss.
        return weight * error, prediction

    return compute


class Replayed:
    """The same function, recorded by `autograd.jit` and replayed.

    Where it cannot be, since it decides on numbers or changes the model as it goes, a warning
    says so, and it is computed node by node.

    Parameters
    ----------
    model : Module
    loss : callable

    Attributes
    ----------
    eager : callable
        The function that computes node by node.

    Examples
    --------
    >>> from nn import Linear, mse_loss
    >>> compute = Replayed(Linear(1, 1), mse_loss)
    >>> error, prediction = compute(np.ones((4, 1)), np.ones((4, 1)), 0.5)
    >>> error.shape, prediction.shape
    ((), (4, 1))
    """

    def __init__(self, model: Module, loss: Loss) -> None:
        self.model = model
        self.eager = eager(model, loss)
        self._compute: Compute = self.eager
        self._recorded: list[Any] = []
        self._is_tried = False
        self.refresh()

    def refresh(self) -> None:
        """Record anew if a part of the model was replaced, or an attribute of one."""
        parts = [part for _, module in self.model.named_modules() for part in _parts_of(module)]
        same = len(parts) == len(self._recorded) and all(map(is_, parts, self._recorded))
        if not same and (self._compute is not self.eager or not self._is_tried):
            self._compute = jit(self.eager)
            self._is_tried = False
        self._recorded = parts

    def __call__(self, x: Array, y: Array, weight: float) -> tuple[Any, Any]:
        """Return the weighted loss and the prediction."""
        if self._is_tried:
            return self._compute(x, y, weight)
        self._is_tried = True
        before = [(module, dict(vars(module))) for _, module in self.model.named_modules()]
        try:
            result = self._compute(x, y, weight)
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
        else:
            if all(_is_same(vars(module), attributes) for module, attributes in before):
                return result
            why = "the model changes its attributes when it is called"
        for module, attributes in before:
            vars(module).update(attributes)
        self._compute = self.eager
        result = self.eager(x, y, weight)  # if it fails as well, that is the error to show
        warnings.warn(f"training goes on node by node, without jit: {why}", stacklevel=4)
        return result


def _parts_of(module: Module) -> list[Any]:
    return [module, *vars(module).values()]


def _is_same(attributes: dict[str, Any], before: dict[str, Any]) -> bool:
    return attributes.keys() == before.keys() and all(
        attributes[name] is before[name] for name in before
    )


def descend(
    compute: Compute, optimizer: Optimizer, x: Array, y: Array, part: int, where: str
) -> Step:
    """Take one step of gradient descent on one batch, in parts of at most `part` rows.

    The gradient is the mean of those of the parts, weighted by their rows: that of the whole
    batch, to rounding, if the loss is a mean over rows. Only the graph of one part is in memory.

    Parameters
    ----------
    compute : callable
        As `eager` or `Replayed` make it.
    where : str
        For errors, such as "in epoch 1, batch 2".

    Raises
    ------
    NonFiniteError
        If the loss or a gradient is not finite, unless ``optimizer.allow_nonfinite``.
    DataError
        If the loss is not one number.

    Examples
    --------
    >>> from nn import SGD, Linear, mse_loss
    >>> x, model = np.ones((4, 1)), Linear(1, 1, rng=0)
    >>> step = descend(eager(model, mse_loss), SGD(model, 0.1), x, x, 4, "here")
    >>> step.rows, step.loss > measure(model, mse_loss, {}, x, x)["loss"]
    (4, True)
    """
    total, scores, targets = 0.0, [], []
    optimizer.zero_grad()
    for x_part, y_part, weight in _parts(x, y, part):
        error, prediction = compute(x_part, y_part, weight)
        number = float(error)
        if not (optimizer.allow_nonfinite or math.isfinite(number)):
            cause = _cause(compute, x_part, y_part, part)
            raise NonFiniteError(_nonfinite_loss(number, optimizer, where) + cause)
        error.backward()  # 4. Backward.
        total += number
        scores.append(as_array("prediction", prediction))
        targets.append(shaped_like(prediction, y_part))
    gradient_norm = norm_of([p.grad for p in optimizer.parameters.values() if p.grad is not None])
    try:
        optimizer.step()  # 5. Update: W_new = W_old - lr * gradient.
    except NonFiniteError as error:
        raise NonFiniteError(f"{where}: {error}{_cause(compute, x, y, part)}") from None
    return Step(len(x), total, gradient_norm, scores, targets)


def _parts(x: Array, y: Array, size: int) -> Iterator[tuple[Array, Array, float]]:
    """Cut a batch into parts of at most `size` rows, each with its weight."""
    if len(x) <= size:
        yield x, y, 1
        return
    for start in range(0, len(x), size):
        rows = slice(start, start + size)
        yield x[rows], y[rows], len(x[rows]) / len(x)


def forward(model: Module, x: Any) -> Any:
    """Return the prediction for some rows.

    A net of Values takes one row at a time and gives a list.

    >>> from nn import Linear
    >>> forward(Linear(2, 1), np.ones((3, 2))).shape
    (3, 1)
    """
    if is_of_values(model):
        return [model(row) for row in x.tolist()]
    return model(x if isinstance(x, Tensor) else Tensor(x).detach())


def is_of_values(model: Module) -> bool:
    """Tell whether a model's parameters are single numbers.

    >>> from nn import MLP
    >>> is_of_values(MLP(2, [1])), is_of_values(MLP(2, [1], node=Value))
    (False, True)
    """
    first = next(iter(model.named_parameters()), None)
    return first is not None and isinstance(first[1], Value)


def shaped_like(prediction: Any, y: Any) -> Any:
    """Return `y` as a column if the prediction is one, or the other way round.

    >>> shaped_like(np.ones((3, 1)), np.ones(3)).shape
    (3, 1)
    """
    shape = _shape_of(prediction)
    n = len(y)
    return y.reshape(shape) if {shape, y.shape} == {(n,), (n, 1)} else y


def _shape_of(prediction: Any) -> tuple[int, ...]:
    if isinstance(prediction, list | tuple):
        return (len(prediction), *_shape_of(prediction[0])) if prediction else (0,)
    return prediction.shape if hasattr(prediction, "shape") else np.shape(prediction)


def means(steps: list[Step], metrics: Mapping[str, Metric]) -> dict[str, float]:
    """Return the means of the steps of an epoch, weighted by rows, and its metrics.

    >>> means([Step(1, 3.0, 0.0, [], []), Step(3, 1.0, 0.0, [], [])], {})
    {'loss': 1.5, 'gradient_norm': 0.0}
    """
    rows = sum(step.rows for step in steps)
    numbers = {
        name: sum(step.rows * getattr(step, name) for step in steps) / rows
        for name in ("loss", "gradient_norm")
    }
    if metrics:
        scores = np.concatenate([np.atleast_1d(part) for step in steps for part in step.scores])
        targets = np.concatenate([part for step in steps for part in step.targets])
        numbers |= _measured(metrics, scores, targets)
    return numbers


def measure(
    model: Module, loss: Loss, metrics: Mapping[str, Metric], x: Array, y: Array
) -> dict[str, float]:
    """Return the loss and the metrics of a model, in `eval` mode, on rows.

    >>> from nn import MLP, mse_loss
    >>> sorted(measure(MLP(1, [1]), mse_loss, {}, np.ones((4, 1)), np.ones((4, 1))))
    ['loss']
    """
    with mode_kept(model), no_grad():
        model.eval()
        prediction = forward(model, x)
        target = shaped_like(prediction, y)
        error = one_number(loss(prediction, target))
    scores = as_array("prediction", prediction)
    return {"loss": float(error)} | _measured(metrics, scores, target)


def evaluate(
    model: Module, loss: Loss, data: Data, *, metric: Metric | None = None
) -> tuple[float, float]:
    """Return the loss and the accuracy of a model on data, without training it.

    The model is in `eval` mode meanwhile. Parameters are those of `fit`; the accuracy is that of
    `metric` if it is given, and nan where there is none.

    >>> import numpy as np
    >>> from nn import MLP, evaluate, mse_loss
    >>> loss, accuracy = evaluate(MLP(1, [1]), mse_loss, (np.ones((4, 1)), np.ones((4, 1))))
    >>> loss >= 0, accuracy
    (True, nan)
    """
    require_kind("model", model, Module)
    if metric is not None:
        require_callable("metric", metric, "metric(prediction, y)")
    metrics = named_metrics(loss, metric)
    numbers = measure(model, loss, metrics, *checked_data("data", data, model))
    return numbers["loss"], numbers.get("accuracy", math.nan)


@contextmanager
def mode_kept(model: Module) -> Iterator[None]:
    """Set every module back to `train` or `eval` as it was, whatever happens in between.

    >>> from nn import Dropout
    >>> layer = Dropout(0.5)
    >>> with mode_kept(layer):
    ...     layer = layer.eval()
    >>> layer.training
    True
    """
    modes = [(module, module.training) for _, module in model.named_modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def one_number(error: Any) -> Any:
    """Return what a loss gave if it is one number as a node; a `DataError` otherwise.

    >>> one_number(Value(2.0))
    Value(2.0)
    """
    if isinstance(error, Value | Tensor) and error.size == 1:
        return error
    got = f"shape {error.shape}" if isinstance(error, Tensor) else type(error).__name__
    raise DataError(
        f"the loss of a batch must be one number, a Value or a Tensor of size 1, got {got}: "
        "reduce it with mean() or sum()"
    )


def _nonfinite_loss(number: float, optimizer: Optimizer, where: str) -> str:
    bad = [name for name, p in optimizer.parameters.items() if not np.isfinite(p.numpy()).all()]
    why = (
        f"not finite is already {', '.join(bad)}"
        if bad
        else "every parameter is finite, so it overflows in the forward or in the loss"
    )
    return (
        f"the loss is {number} {where}: {why}. A smaller lr or scaled inputs may help; "
        "an optimizer with allow_nonfinite=True goes on regardless"
    )


def _cause(compute: Compute, x: Array, y: Array, part: int) -> str:
    """Say what made the first nan or infinity of a step, which is computed again node by node.

    Nothing if it does not come again, as with other random numbers.
    """
    if isinstance(compute, Replayed):
        compute = compute.eager
    for x_part, y_part, weight in _parts(x, y, part):
        found = find_nonfinite(compute(x_part, y_part, weight)[0])
        if found is not None:
            return f"\n{found}"
    return ""


def _right_side(scores: Array, labels: Array) -> float:
    """Return how often a score is positive as its label is +1 (not -1, not 0)."""
    return float(np.mean((scores > 0) == (labels > 0.5)))


_ACCURACY: dict[Loss, Metric] = {
    cross_entropy: accuracy,
    hinge_loss: _right_side,
    binary_cross_entropy_with_logits: _right_side,
}
"""What right means for the classes that a loss is for."""


def named_metrics(loss: Loss, metrics: Metric | Mapping[str, Metric] | None) -> dict[str, Metric]:
    """Return what to measure beside `loss`, by name; everything is checked to be a function.

    One function alone is the "accuracy"; else that is the fraction of right classes, where
    `loss` is a loss of classes.

    Raises
    ------
    DataError
        If something is not a function, or a name no text.
    ValueError
        If a name is empty, not printable, or that of another list of the history.

    Examples
    --------
    >>> list(named_metrics(cross_entropy, {"wrong": lambda scores, y: 0.5}))
    ['accuracy', 'wrong']
    """
    require_callable("loss", loss, "loss(prediction, y_batch)")
    natural = _ACCURACY.get(loss) if isinstance(loss, Hashable) else None
    if metrics is None or isinstance(metrics, Mapping):
        named = {} if natural is None else {"accuracy": natural}
        return {**named, **_checked_metrics(metrics or {})}
    require_callable("metrics", metrics, "metrics(prediction, y)")
    return {"accuracy": metrics}


def _checked_metrics(metrics: Mapping[str, Metric]) -> Mapping[str, Metric]:
    taken = {*NUMBERS, *(f"validation {name}" for name in metrics)}
    for name, metric in metrics.items():
        if not isinstance(name, str):
            raise DataError(f"metrics are functions by name, got the name {name!r}")
        if not name.strip() or not name.isprintable() or name in taken:
            why = "the history has that list already" if name in taken else "it cannot be shown"
            raise ValueError(f"a metric cannot have the name {name!r}: {why}")
        require_callable(f"the metric {name!r}", metric, "metric(prediction, y)")
    return metrics


def _measured(metrics: Mapping[str, Metric], scores: Array, targets: Array) -> dict[str, float]:
    return {name: _score(name, metric(scores, targets)) for name, metric in metrics.items()}


def _score(name: str, score: Any) -> float:
    try:
        return float(score)
    except (TypeError, ValueError):
        kind = type(score).__name__
        raise DataError(f"a metric must be one number, got {kind} for {name!r}") from None


def checked_data(name: str, data: Data, model: Module) -> tuple[Array, Array]:
    """Return x and y as finite arrays, equally long, x in the precision of the model.

    Raises
    ------
    DataError, ShapeError
        If `data` is no pair of arrays with one row a sample.
    NonFiniteError
        If there is a nan or an infinity, which names the row.

    Examples
    --------
    >>> from nn import Linear
    >>> x, y = checked_data("data", (np.ones((3, 2)), np.ones(3)), Linear(2, 1, dtype=np.float32))
    >>> x.dtype
    dtype('float32')
    """
    try:
        x, y = data
    except (TypeError, ValueError):
        raise DataError(f"{name} is a pair (x, y), got {type(data).__name__}") from None
    rows, targets = as_rows(x, y)
    for part, array in (("x", rows), ("y", targets)):
        finite = np.isfinite(array).reshape(len(array), -1).all(axis=1)
        if not finite.all():
            raise NonFiniteError(
                f"{part} of {name} has a nan or an infinity in {(~finite).sum()} of {len(array)} "
                f"rows, the first is row {np.argmin(finite)}: drop or fill them"
            )
    dtypes = [p.dtype for p in model.parameters()]
    if rows.dtype.kind == "f" and dtypes:
        rows = _converted(name, rows, np.result_type(*dtypes))
    return rows, targets


def _converted(name: str, rows: Array, dtype: np.dtype[Any]) -> Array:
    with np.errstate(over="ignore"):
        converted = rows.astype(dtype)
    lost = rows[np.isfinite(rows) & ~np.isfinite(converted)]
    if lost.size:
        raise DataError(
            f"x of {name} holds {lost[0]:g}, which is too large for the model's {dtype}: scale it"
        )
    return converted
