"""`fit`: gradient descent from the first weights to a minimum of the loss, and its history."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autograd import DataError, NonFiniteError, Tensor, Value, no_grad, norm
from nn.data import batches
from nn.data.checks import as_array, as_rows
from nn.losses import binary_cross_entropy_with_logits, cross_entropy, hinge_loss
from nn.metrics import accuracy
from nn.module import Module, finite_number, require_callable, require_kind, whole_number
from nn.optim import Optimizer
from nn.schedules import ReduceOnPlateau, Schedule, Scheduler

__all__ = ["History", "evaluate", "fit"]

Array = NDArray[Any]
Data = tuple[ArrayLike, ArrayLike]
Metric = Callable[[Array, Array], float]


@dataclass(repr=False)
class History:
    """What training looked like, one entry an epoch in each list; nan where there is no number.

    Attributes
    ----------
    loss : list of float
        Mean over the epoch's batches, each as it was before its update.
    accuracy : list of float
        The metric of the same predictions; nan for regression.
    validation_loss, validation_accuracy : list of float
        The same of the validation data after the epoch; nan without.
    gradient_norm : list of float
        Mean over the batches of the Euclidean norm of all gradients together.
    seconds : list of float
        Duration of the epoch.
    stopped : str
        What ended the training, in words.

    Examples
    --------
    >>> history = History()
    >>> len(history), history.stopped
    (0, 'not started')
    """

    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    validation_accuracy: list[float] = field(default_factory=list)
    gradient_norm: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    stopped: str = "not started"

    def columns(self) -> dict[str, list[float]]:
        """Return the lists by name.

        >>> sorted(History().columns())[:2]
        ['accuracy', 'gradient_norm']
        """
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "stopped"}

    def append(self, **epoch: float) -> None:
        """Add an epoch's numbers; those not given are nan.

        >>> history = History()
        >>> history.append(loss=0.5, seconds=1.0)
        >>> history.loss, history.accuracy
        ([0.5], [nan])
        """
        for name, column in self.columns().items():
            column.append(epoch.get(name, math.nan))

    def trim(self) -> None:
        """Cut the lists to the shortest, should an interrupt have come between two of them."""
        columns = self.columns().values()
        epochs = min(map(len, columns))
        for column in columns:
            del column[epochs:]

    def __len__(self) -> int:
        return len(self.loss)

    def __repr__(self) -> str:
        """Show each list's first and last number, and why training stopped."""
        epochs = f"{len(self)} epoch{'s' * (len(self) != 1)}"
        lines = [f"History: {epochs} in {sum(self.seconds):.3g} s; stopped: {self.stopped}"]
        for name, column in self.columns().items():
            if name != "seconds" and column and not math.isnan(column[-1]):
                lines.append(f"  {name:<20}{column[0]:>10.4g} -> {column[-1]:.4g}")
        return "\n".join(lines)


def fit(
    model: Module,
    loss: Callable[[Any, Any], Any],
    optimizer: Optimizer,
    data: Data,
    epochs: int,
    *,
    batch_size: int = 32,
    validation: Data | None = None,
    tolerance: float = 1e-4,
    patience: int | None = 10,
    seed: int = 0,
    progress: bool = True,
    metric: Metric | None = None,
    schedule: Schedule | ReduceOnPlateau | None = None,
) -> History:
    """Train a model by mini-batch gradient descent until its loss reaches a minimum.

    The six steps of gradient descent: initialise the weights; forward, the prediction; loss, how
    wrong it is; backward, the gradient; update, ``W_new = W_old - lr * gradient``; repeat until
    the loss reaches a minimum.

    Parameters
    ----------
    model : Module
        Called with a Tensor of rows; if its parameters are Values, with a list of numbers for
        each row, the outputs being collected in a list.
    loss : callable
        ``loss(prediction, y_batch)`` returns one number as a node, such as `cross_entropy`.
    optimizer : Optimizer
        Of the model's parameters, such as ``SGD(model, lr=0.1)``.
    data : (x, y) of array_like
        One row a sample. `y` of shape (n,) also goes with predictions of shape (n, 1).
    epochs : int
        At most so many passes over the data.
    batch_size : int
        Rows a batch; the last one is smaller where it does not divide the rows.
    validation : (x, y) of array_like, optional
        Data to evaluate after each epoch. With it, the minimum is that of the validation loss.
    tolerance : float
        A loss must fall by more than this to count as improved.
    patience : int or None
        Training stops after so many epochs without improvement; None never does.
    seed : int
        Of the order of the rows: the same seed gives the same run.
    progress : bool
        Whether to show a progress bar (needs tqdm), in a terminal or a notebook.
    metric : callable, optional
        ``metric(prediction, y_batch)`` of two arrays, averaged over rows into
        `History.accuracy`. If not given, the fraction of right classes where `loss` is
        `cross_entropy`, `hinge_loss` or `binary_cross_entropy_with_logits`.
    schedule : callable or ReduceOnPlateau, optional
        Of `nn.schedules`, such as ``CosineDecay(epochs)``: the optimizer's learning rate in epoch
        k is its `lr` times ``schedule(k - 1)``. A `ReduceOnPlateau` follows the loss that is
        watched for its minimum. Afterwards the `lr` is again what it was.

    Returns
    -------
    History
        Numbers of each completed epoch, and which criterion stopped the training. Ctrl-C stops
        it too: the model then keeps what it has learnt up to its last completed update.

    Raises
    ------
    NonFiniteError
        If the data hold a nan or an infinity; or if a loss or a gradient does, which names the
        epoch, the batch and the parameter, unless ``optimizer.allow_nonfinite``.
    ShapeError, DataError, ValueError
        If the data are empty, of different lengths or widths or not numbers, or an argument is
        of the wrong kind or out of range.
    GradientError
        If the loss does not depend on some parameter of the optimizer.

    Examples
    --------
    >>> import numpy as np
    >>> from nn import MLP, SGD, fit, mse_loss
    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> model = MLP(1, [16, 1], rng=0)
    >>> history = fit(model, mse_loss, SGD(model, lr=0.1), (x, x**2), 100, progress=False)
    >>> history.loss[-1] < 0.1 * history.loss[0]
    True
    >>> history.stopped
    'loss reached a minimum: no improvement of more than 0.0001 over 10 epochs'
    """
    # 1. Initialise: the weights were drawn when the model was made, the rest starts here.
    require_kind("model", model, Module)
    require_kind("optimizer", optimizer, Optimizer)
    epochs = whole_number("epochs", epochs, 1)
    batch_size = whole_number("batch_size", batch_size, 1)
    x, y = _checked("data", data, model)
    held_out = None if validation is None else _checked("validation", validation, model)
    metric = _metric_of(loss, metric)
    rng = np.random.default_rng(whole_number("seed", seed, 0))
    minimum = _Minimum(tolerance, patience)
    history = History()
    was_training = model.training
    scheduler = None if schedule is None else Scheduler(optimizer, schedule)
    bar = _progress_bar(epochs * -(-len(x) // batch_size), progress)
    try:
        for epoch in range(1, epochs + 1):  # 6. Repeat until the loss reaches a minimum.
            start = time.perf_counter()
            model.train()
            steps: list[_Step] = []
            for x_batch, y_batch in batches(x, y, batch_size, rng=rng):
                where = f"in epoch {epoch}, batch {len(steps) + 1}"
                steps.append(_descend(model, loss, optimizer, metric, x_batch, y_batch, where))
                bar.update()
            numbers = _means(steps)
            if held_out is not None:
                numbers |= _validated(model, loss, metric, held_out)
            history.append(**numbers, seconds=time.perf_counter() - start)
            bar.set_postfix(_shown(numbers))
            if minimum.reached(numbers):
                history.stopped = str(minimum)
                break
            if scheduler is not None:
                scheduler.step(numbers[minimum.watched])
        else:
            history.stopped = "epochs used up"
    except KeyboardInterrupt:
        history.trim()
        history.stopped = f"interrupted in epoch {len(history) + 1}"
    finally:
        bar.close()
        model.train(was_training)
        if scheduler is not None:
            scheduler.reset()
    return history


def evaluate(
    model: Module,
    loss: Callable[[Any, Any], Any],
    data: Data,
    *,
    metric: Metric | None = None,
) -> tuple[float, float]:
    """Return the loss and the accuracy of a model on data, without training it.

    The model is in `eval` mode meanwhile. Parameters are those of `fit`; the accuracy is nan
    where there is no metric.

    >>> import numpy as np
    >>> from nn import MLP, evaluate, mse_loss
    >>> loss, accuracy = evaluate(MLP(1, [1]), mse_loss, (np.ones((4, 1)), np.ones((4, 1))))
    >>> loss >= 0, accuracy
    (True, nan)
    """
    require_kind("model", model, Module)
    metric = _metric_of(loss, metric)
    x, y = _checked("data", data, model)
    was_training = model.training
    try:
        model.eval()
        with no_grad():
            prediction, target = _forward(model, x, y)
            error = _one_number(loss(prediction, target))
    finally:
        model.train(was_training)
    return float(error), _measured(metric, prediction, target)


class _Step(NamedTuple):
    """What one step of gradient descent saw."""

    rows: int
    loss: float
    accuracy: float
    gradient_norm: float


def _descend(
    model: Module,
    loss: Callable[[Any, Any], Any],
    optimizer: Optimizer,
    metric: Metric,
    x: Array,
    y: Array,
    where: str,
) -> _Step:
    """Take one step of gradient descent on one batch."""
    prediction, target = _forward(model, x, y)  # 2. Forward.
    error = _one_number(loss(prediction, target))  # 3. Loss.
    if not (optimizer.allow_nonfinite or math.isfinite(float(error))):
        raise _nonfinite_loss(error, optimizer, where)
    optimizer.zero_grad()
    error.backward()  # 4. Backward.
    _update(optimizer, where)  # 5. Update: W_new = W_old - lr * gradient.
    return _Step(
        rows=len(x),
        loss=float(error),
        accuracy=_measured(metric, prediction, target),
        gradient_norm=_norm([p.grad for p in optimizer.parameters.values()]),
    )


def _forward(model: Module, x: Array, y: Array) -> tuple[Any, Array]:
    """Return the prediction for the rows, and `y` as a column if the prediction is one.

    A net of Values takes one row at a time and gives a list.
    """
    first = next(iter(model.named_parameters()), None)
    if first is not None and isinstance(first[1], Value):
        prediction: Any = [model(row) for row in x.tolist()]
    else:
        prediction = model(Tensor(x).detach())
    shape = as_array("prediction", prediction).shape
    n = len(y)
    is_column = {shape, y.shape} == {(n,), (n, 1)}
    return prediction, y.reshape(shape) if is_column else y


def _update(optimizer: Optimizer, where: str) -> None:
    try:
        optimizer.step()
    except NonFiniteError as error:
        raise NonFiniteError(f"{where}: {error}") from None


def _one_number(error: Any) -> Any:
    if isinstance(error, Value | Tensor) and error.size == 1:
        return error
    got = f"shape {error.shape}" if isinstance(error, Tensor) else type(error).__name__
    raise DataError(
        f"the loss of a batch must be one number, a Value or a Tensor of size 1, got {got}: "
        "reduce it with mean() or sum()"
    )


def _nonfinite_loss(error: Any, optimizer: Optimizer, where: str) -> NonFiniteError:
    bad = [name for name, p in optimizer.parameters.items() if not np.isfinite(p.numpy()).all()]
    why = (
        f"not finite is already {', '.join(bad)}"
        if bad
        else "every parameter is finite, so it overflows in the forward or in the loss"
    )
    return NonFiniteError(
        f"the loss is {float(error)} {where}: {why}. A smaller lr or scaled inputs may help; "
        "an optimizer with allow_nonfinite=True goes on regardless"
    )


def _norm(gradients: list[Any]) -> float:
    """Return the Euclidean norm of all gradients together."""
    return math.hypot(*(g if isinstance(g, float) else float(norm(g)) for g in gradients))


def _means(steps: list[_Step]) -> dict[str, float]:
    """Return the means of the steps of an epoch, weighted by their rows."""
    rows = sum(step.rows for step in steps)
    return {
        name: sum(step.rows * getattr(step, name) for step in steps) / rows
        for name in ("loss", "accuracy", "gradient_norm")
    }


def _validated(
    model: Module, loss: Callable[[Any, Any], Any], metric: Metric, data: Data
) -> dict[str, float]:
    error, right = evaluate(model, loss, data, metric=metric)
    return {"validation_loss": error, "validation_accuracy": right}


class _Minimum:
    """Tells when a loss has stopped falling."""

    def __init__(self, tolerance: float, patience: int | None) -> None:
        self.tolerance = finite_number("tolerance", tolerance, minimum=0)
        self.patience = None if patience is None else whole_number("patience", patience, 1)
        self.best = math.inf
        self.waited = 0
        self.watched = "loss"

    def reached(self, numbers: dict[str, float]) -> bool:
        """Take an epoch's numbers, and say whether that was one too many without improvement."""
        self.watched = "validation_loss" if "validation_loss" in numbers else "loss"
        loss = numbers[self.watched]
        self.waited = 0 if loss < self.best - self.tolerance else self.waited + 1
        if not self.waited:
            self.best = loss
        return self.waited == self.patience

    def __str__(self) -> str:
        return (
            f"{self.watched.replace('_', ' ')} reached a minimum: no improvement of more than "
            f"{self.tolerance:g} over {self.patience} epoch{'s' * (self.patience != 1)}"
        )


def _right_side(scores: Array, labels: Array) -> float:
    """Return how often a score is positive as its label is +1 (not -1, not 0)."""
    return float(np.mean((scores > 0) == (labels > 0.5)))


def _no_metric(scores: Array, targets: Array) -> float:
    return math.nan


_METRICS: dict[Callable[..., Any], Metric] = {
    cross_entropy: accuracy,
    hinge_loss: _right_side,
    binary_cross_entropy_with_logits: _right_side,
}


def _metric_of(loss: Callable[[Any, Any], Any], metric: Metric | None) -> Metric:
    """Return the metric to use with `loss`; both are checked to be functions."""
    require_callable("loss", loss, "loss(prediction, y_batch)")
    if metric is not None:
        require_callable("metric", metric, "metric(prediction, y_batch)")
        return metric
    return _METRICS.get(loss, _no_metric) if isinstance(loss, Hashable) else _no_metric


def _measured(metric: Metric, prediction: Any, target: Array) -> float:
    score: Any = metric(as_array("prediction", prediction), target)
    try:
        return float(score)
    except (TypeError, ValueError):
        kind = type(score).__name__
        raise DataError(f"the metric of a batch must be one number, got {kind}") from None


def _checked(name: str, data: Data, model: Module) -> tuple[Array, Array]:
    """Return x and y as finite arrays, equally long, x in the precision of the model."""
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
    if rows.dtype.kind == "f":
        dtypes = [p.dtype for p in model.parameters()]
        rows = rows.astype(np.result_type(*dtypes) if dtypes else rows.dtype)
    return rows, targets


def _shown(numbers: dict[str, float]) -> dict[str, str]:
    """Return what a progress bar has room for: losses, and accuracies where there are some."""
    return {
        name: f"{number:.3g}"
        for name, number in numbers.items()
        if name.endswith(("loss", "accuracy")) and not math.isnan(number)
    }


class _NoBar:
    """A progress bar that shows nothing."""

    def update(self) -> None: ...

    def set_postfix(self, numbers: dict[str, str]) -> None: ...

    def close(self) -> None: ...


def _progress_bar(steps: int, wanted: bool) -> Any:
    if not wanted:
        return _NoBar()
    try:
        from tqdm.auto import tqdm
    except ImportError:
        raise ImportError(
            "the progress bar needs tqdm: pip install tqdm, or pass progress=False"
        ) from None
    return tqdm(total=steps, unit="batch", desc="fit")
