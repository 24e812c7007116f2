"""`fit`: gradient descent from the first weights to a minimum of the loss."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autograd import AutogradError, DataError
from nn.checkpoint import Checkpoints, read_state
from nn.data import batches, train_test_split
from nn.history import NUMBERS, Epoch, History
from nn.losses import LOSSES
from nn.module import (
    Module,
    finite_number,
    require_callable,
    require_finite,
    require_flag,
    require_kind,
    whole_number,
)
from nn.optim import Optimizer
from nn.schedules import ReduceOnPlateau, Schedule, Scheduler
from nn.steps import (
    Data,
    Loss,
    Metric,
    Replayed,
    Step,
    checked_data,
    descend,
    eager,
    is_of_values,
    means,
    measure,
    mode_kept,
    named_metrics,
)

__all__ = ["Callback", "fit"]

Array = NDArray[Any]
Callback = Callable[[Epoch], str | None]
"""Called after each epoch; a text that it returns stops the training, and says why."""

_NOT_YET = "not yet"
_USED_UP = "epochs used up"

_FEWEST_STEPS = 30
"""Recording takes the time of some steps, twice if the last batch is smaller."""

_MOST_NODES = 2_000_000
"""Weights times rows that a recording of Values takes on; each makes several nodes."""


def fit(
    model: Module,
    loss: Loss,
    optimizer: Optimizer,
    data: Data,
    epochs: int,
    *,
    batch_size: int = 32,
    validation: Data | float | None = None,
    tolerance: float = 1e-4,
    patience: int | None = 10,
    seed: int = 0,
    progress: bool = True,
    metrics: Metric | Mapping[str, Metric] | None = None,
    schedule: Schedule | ReduceOnPlateau | None = None,
    callbacks: Sequence[Callback] = (),
    accumulate: int = 1,
    checkpoints: Checkpoints | None = None,
    resume: bool = False,
    replay: bool | None = None,
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
    validation : (x, y) of array_like, or float between 0 and 1, optional
        Data to evaluate after each epoch, or the fraction of `data` to hold out for that, by
        `train_test_split` with the same `seed`. With it, the minimum is that of the validation
        loss, and in the end the model has the weights of the epoch where that was lowest.
    tolerance : float
        A loss must fall by more than this to count as improved.
    patience : int or None
        Training stops after so many epochs without improvement; None never does.
    seed : int
        Of the order of the rows: the same seed gives the same run.
    progress : bool
        Whether to show a progress bar (needs tqdm), in a terminal or a notebook.
    metrics : callable or dict of str to callable, optional
        ``metric(prediction, y)`` of two arrays, all rows of the epoch, returns a number. One
        function gives `History.accuracy`. If there is none, or a dict, that is the fraction of
        right classes where `loss` is `cross_entropy`, `hinge_loss` or
        `binary_cross_entropy_with_logits`. The functions of a dict give `History.metrics`.
    schedule : callable or ReduceOnPlateau, optional
        Of `nn.schedules`, such as ``CosineDecay(epochs)``: the optimizer's learning rate in epoch
        k is its `lr` times ``schedule(k - 1)``. A `ReduceOnPlateau` follows the loss that is
        watched for its minimum. Afterwards the `lr` is again what it was.
    callbacks : list of callables
        Each is called as ``callback(epoch)`` after every epoch, with an `Epoch`, the model being
        in `eval` mode. One that returns a text stops the training. `print_epochs` is one.
    accumulate : int
        Batches an update: their gradients are averaged by rows, so that a large batch needs the
        memory of a small one. For a `loss` that is a mean over rows it is the same, to rounding,
        as batches of ``accumulate * batch_size`` rows.
    checkpoints : Checkpoints, optional
        Where to save the state of the training after each epoch that is due.
    resume : bool
        Whether to go on from the latest checkpoint, if there is one. With the same data and
        arguments the run ends with the same weights, to the last bit, as one that was never
        interrupted; `epochs` and `patience` may be higher than before. The optimizer's options
        are those of the checkpoint. A run that was complete is not trained further; if a
        callback had stopped it, the callbacks are asked again.
    replay : bool, optional
        Whether to record a step once and replay it, by `autograd.jit`. By default, where there
        are enough steps for that to pay, the model is made of this package's layers and `loss`
        is one of its losses, which always compute in the same way. With True for others as
        well: what decides on numbers is noticed, and computed node by node after a warning, but
        randomness and numbers of your own that change from step to step are not.

    Returns
    -------
    History
        Numbers of each completed epoch, and which criterion stopped the training. Ctrl-C stops
        it too: the model then keeps what it has learnt up to its last completed update, or with
        validation data the weights of its best epoch.

    Raises
    ------
    NonFiniteError
        If the data hold a nan or an infinity; or if a loss or a gradient does, which names the
        epoch, the batch and the parameter, unless ``optimizer.allow_nonfinite``. Weights are
        then those after the last update.
    ShapeError, DataError, ValueError
        If the data are empty, of different lengths or widths or not numbers, or an argument is
        of the wrong kind or out of range; or if a checkpoint does not fit, in which case
        model and optimizer are left as they were.
    OSError
        If a checkpoint cannot be written.
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
    rows_an_update = batch_size * whole_number("accumulate", accumulate, 1)
    seed = whole_number("seed", seed, 0)
    (x, y), held_out = _parts(data, validation, seed, model)
    named = named_metrics(loss, metrics)
    watched = "loss" if held_out is None else "validation_loss"
    minimum = _Minimum(watched, tolerance, patience)
    asked = _checked_callbacks(callbacks)
    shown = require_flag("progress", progress)
    run = _Run(model, optimizer, minimum, len(x), seed, epochs, asked)
    updates = -(-len(x) // rows_an_update)
    if replay is None:
        replay = _replay_pays(model, loss, epochs * updates, batch_size)
    compute = Replayed(model, loss) if require_flag("replay", replay) else eager(model, loss)
    unit = "batch" if rows_an_update == batch_size else "update"
    bar: Any = _NoBar()
    with mode_kept(model):
        try:
            run.start(schedule, checkpoints, require_flag("resume", resume))
            bar = _progress_bar(run.epoch * updates, epochs * updates, unit, shown)
            while not run.reason:  # 6. Repeat until the loss reaches a minimum.
                start = time.perf_counter()
                steps: list[Step] = []
                if isinstance(compute, Replayed):
                    compute.refresh()
                for x_rows, y_rows in batches(x, y, rows_an_update, rng=run.next_epoch()):
                    where = f"in epoch {run.epoch}, {unit} {len(steps) + 1}"
                    # 2. Forward, 3. loss, 4. backward, 5. update: W_new = W_old - lr * gradient.
                    step = descend(compute, optimizer, x_rows, y_rows, batch_size, where)
                    steps.append(step if named else step._replace(scores=[], targets=[]))
                    bar.update()
                numbers = means(steps, named)
                if held_out is not None:
                    numbers |= _validation(measure(model, loss, named, *held_out))
                bar.set_postfix(_shown(numbers))
                run.complete(numbers, seconds=time.perf_counter() - start)
        except KeyboardInterrupt:
            run.interrupt()
        finally:
            bar.close()
            run.reset_schedule()
    return run.finish()


def _replay_pays(model: Module, loss: Loss, steps: int, rows: int) -> bool:
    """Tell whether steps may be replayed safely, are many, and their nodes fit into memory."""
    parts = [type(module) for _, module in model.named_modules()]
    is_ours = all(kind.__module__ == "nn.layers" for kind in parts)
    nodes = rows * len(model.parameters()) if is_of_values(model) else 0
    return is_ours and loss in LOSSES and steps >= _FEWEST_STEPS and nodes <= _MOST_NODES


@dataclass
class _Run:
    """A training between two of its epochs: what a checkpoint holds, and what ends it."""

    model: Module
    optimizer: Optimizer
    minimum: _Minimum
    rows: int
    seed: int
    epochs: int
    callbacks: Sequence[Callback]
    scheduler: Scheduler | None = None
    checkpoints: Checkpoints | None = None
    history: History = field(default_factory=lambda: History(stopped=_NOT_YET))
    best: _Best | None = None
    epoch: int = 0  # the one that was begun last
    first: int = 1  # that the callbacks get
    reason: str = ""

    def start(
        self,
        schedule: Schedule | ReduceOnPlateau | None,
        checkpoints: Checkpoints | None,
        resume: bool,
    ) -> None:
        """Take up the schedule and the checkpoints; go on from the latest one if asked to."""
        if schedule is not None:
            self.scheduler = Scheduler(self.optimizer, schedule)
        if checkpoints is None:
            if resume:
                raise ValueError("resume=True needs checkpoints, as in Checkpoints(folder)")
            return
        require_kind("checkpoints", checkpoints, Checkpoints)
        _require_all_in(self.model, self.optimizer)
        self.checkpoints = checkpoints
        latest = checkpoints.latest()
        if latest is not None and not resume:
            raise ValueError(
                f"there is a checkpoint of an earlier run, {latest}: pass resume=True to go on "
                "from it, or take another folder"
            )
        if latest is not None:
            self._resume(latest)

    def next_epoch(self) -> np.random.Generator:
        """Begin an epoch, and return the randomness of the order of its rows."""
        if self.scheduler is not None and self.epoch:
            self.scheduler.step(self._watched()[-1])
        self.model.train()
        self.epoch += 1
        return np.random.default_rng((self.seed, self.epoch))  # so that resuming needs no state

    def complete(self, numbers: dict[str, float], seconds: float) -> None:
        """Note an epoch's numbers, tell the callbacks, decide whether to stop, and save."""
        rate = self.optimizer.groups[0].get("lr", math.nan)
        self.history.append(**numbers, learning_rate=rate, seconds=seconds)
        loss = self.history.validation_loss[-1]
        if loss < (math.inf if self.best is None else self.best.loss):
            self.best = _Best(self.epoch, loss, self.model.state_dict())
            self.history.best_epoch = self.epoch
        self.minimum.add(self._watched()[-1])
        answer = self._ask()
        self.reason = self.minimum.reason() or answer or self._used_up()
        self.history.stopped = self.reason or _NOT_YET
        if self.checkpoints and self.checkpoints.is_due(self.epoch, bool(self.reason)):
            self.checkpoints.save(self.epoch, self._state())

    def interrupt(self) -> None:
        """Take note of Ctrl-C."""
        self.history.trim()
        where = "in" if len(self.history) < self.epoch else "after"
        self.reason = f"interrupted {where} epoch {self.epoch}"

    def reset_schedule(self) -> None:
        """Set the learning rate back to what it was before the schedule."""
        if self.scheduler is not None:
            self.scheduler.reset()

    def finish(self) -> History:
        """Give the model the best weights, if there are such, and return the history."""
        self.history.stopped = self.reason
        if self.best is not None and self.best.epoch != self.epoch:
            self.model.load_state_dict(self.best.weights)
            self.history.stopped += f"; the weights are those of epoch {self.best.epoch}, the best"
        return self.history

    def _watched(self) -> list[float]:
        return self.history.columns()[self.minimum.watched]

    def _used_up(self) -> str:
        return _USED_UP if self.epoch == self.epochs else ""

    def _ask(self) -> str:
        """Call the callbacks with the last epoch, and return what the first has to say."""
        if not self.callbacks:
            return ""
        self.model.eval()
        numbers = {name: column[-1] for name, column in self.history.columns().items()}
        epoch = Epoch(
            self.epoch, self.model, self.optimizer, self.history, numbers, first=self.first
        )
        answers = [_answer(callback, epoch) for callback in self.callbacks]
        return next(filter(None, answers), "")

    def _resume(self, path: Path) -> None:
        """Go on from a checkpoint; if it does not fit, everything is left as it was."""
        before = self._state()
        try:
            state = read_state(path)
            self._require_same_run(state)
            self._load(state)
            if not self.optimizer.allow_nonfinite:
                require_finite("the weights", self.model.state_dict())
                if self.best is not None:
                    require_finite("the best weights", self.best.weights)
        except BaseException as error:
            self._load(before)
            if isinstance(error, AutogradError | ValueError | TypeError):
                raise ValueError(f"cannot resume from {path}: {error}") from error
            raise
        was_stopped_by = self.history.stopped
        self.history.stopped = _NOT_YET
        self.epoch = len(self.history)
        for loss in self._watched():
            self.minimum.add(loss)
        self.reason = self.minimum.reason()
        self.first = self.epoch + 1
        if not self.reason and was_stopped_by not in (_NOT_YET, _USED_UP):
            self.first = self.epoch
            self.reason = self._ask()
        self.reason = self.reason or self._used_up()

    def _state(self) -> dict[str, Any]:
        """Return everything that the epochs to come depend on, as a checkpoint holds it."""
        return {
            "format": 1,
            "epoch": len(self.history),
            "rows": self.rows,
            "seed": self.seed,
            "watched": self.minimum.watched,
            "model": self.model.state_dict(),
            "best": None if self.best is None else self.best.weights,
            "optimizer": self.optimizer.state_dict(),
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "random": self.model.random_state(),
            "history": self.history.state_dict(),
        }

    def _load(self, state: dict[str, Any]) -> None:
        """Set everything from what `_state` returned; on an error perhaps only some of it."""
        self.history.load_state_dict(state["history"])
        best, weights = self.history.best_epoch, state["best"]
        if len(self.history) != state["epoch"] or (best is None) is not (weights is None):
            raise ValueError("its parts are of different epochs")
        self.best = None
        if best is not None:
            self.model.load_state_dict(weights)  # to see whether they fit
            self.best = _Best(best, self.history.validation_loss[best - 1], weights)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state["scheduler"])
        self.model.set_random_state(state["random"])

    def _require_same_run(self, state: dict[str, Any]) -> None:
        """Raise a ValueError if a state is not of this run, as far as one can tell."""
        mine = self._state()
        if state.keys() != mine.keys() or state["format"] != mine["format"]:
            raise ValueError(f"it is not a checkpoint of fit in format {mine['format']}")
        if not isinstance(state["epoch"], int) or state["epoch"] > self.epochs:
            raise ValueError(f"it is of epoch {state['epoch']}, and epochs={self.epochs}")
        for name in ("rows", "seed", "watched"):
            if state[name] != mine[name]:
                raise ValueError(f"its {name} is {state[name]!r}, and here {mine[name]!r}")
        if (state["scheduler"] is None) is not (self.scheduler is None):
            raise ValueError("one of the runs has a schedule, and the other none")


class _Best(NamedTuple):
    """The epoch of the lowest validation loss."""

    epoch: int
    loss: float
    weights: dict[str, Array]


class _Minimum:
    """Tells when the loss that is watched has stopped falling."""

    def __init__(self, watched: str, tolerance: float, patience: int | None) -> None:
        self.watched = watched
        self.tolerance = finite_number("tolerance", tolerance, minimum=0)
        self.patience = None if patience is None else whole_number("patience", patience, 1)
        self.lowest = math.inf
        self.waited = 0

    def add(self, loss: float) -> None:
        """Take the loss of one more epoch."""
        self.waited = 0 if loss < self.lowest - self.tolerance else self.waited + 1
        if not self.waited:
            self.lowest = loss

    def reason(self) -> str:
        """Return in words why to stop, or "" if there is no reason yet."""
        if self.patience is None or self.waited < self.patience:
            return ""
        return (
            f"{self.watched.replace('_', ' ')} reached a minimum: no improvement of more than "
            f"{self.tolerance:g} over {self.patience} epoch{'s' * (self.patience != 1)}"
        )


def _parts(
    data: Data, validation: Any, seed: int, model: Module
) -> tuple[tuple[Array, Array], tuple[Array, Array] | None]:
    """Return the rows to train on and those to validate with, checked."""
    x, y = checked_data("data", data, model)
    if validation is None:
        return (x, y), None
    if not isinstance(validation, Real):
        return (x, y), checked_data("validation", validation, model)
    if not 0 < float(validation) < 1:
        raise ValueError(
            "validation is a pair (x, y), or the fraction of data to hold out, between 0 and 1, "
            f"got {validation}"
        )
    try:
        x, x_held_out, y, y_held_out = train_test_split(x, y, test=float(validation), seed=seed)
    except ValueError as error:
        raise ValueError(f"validation cannot be held out: {error}") from None
    return (x, y), (x_held_out, y_held_out)


def _validation(numbers: dict[str, float]) -> dict[str, float]:
    """Name numbers as those of the validation data: "validation_loss", but "validation f1"."""
    return {
        f"validation{'_' if name in NUMBERS else ' '}{name}": number
        for name, number in numbers.items()
    }


def _checked_callbacks(callbacks: Any) -> list[Callback]:
    if not isinstance(callbacks, Iterable):
        raise DataError(f"callbacks is a list of functions, got {callbacks!r}")
    checked = list(callbacks)
    for callback in checked:
        require_callable("a callback", callback, "callback(epoch)")
    return checked


def _require_all_in(model: Module, optimizer: Optimizer) -> None:
    """Raise a ValueError if the optimizer has a parameter that the model's state has not."""
    known = {id(parameter) for parameter in model.parameters()}
    others = [name for name, p in optimizer.parameters.items() if id(p) not in known]
    if others:
        raise ValueError(
            "checkpoints hold the parameters of the model, and the optimizer has others: "
            f"{', '.join(others)}. Make them attributes of the model"
        )


def _answer(callback: Callback, epoch: Epoch) -> str:
    """Call a callback, and return why it wants to stop, or "" if it does not."""
    answer = callback(epoch)
    if answer is None:
        return ""
    if not isinstance(answer, str) or not answer.strip():
        raise DataError(
            "a callback returns None to go on, or a text that says why to stop; "
            f"{getattr(callback, '__name__', callback)!s} returned {answer!r}"
        )
    return answer


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


def _progress_bar(done: int, total: int, unit: str, wanted: bool) -> Any:
    if not wanted:
        return _NoBar()
    try:
        from tqdm.auto import tqdm
    except ImportError:
        raise ImportError(
            "the progress bar needs tqdm: pip install tqdm, or pass progress=False"
        ) from None
    return tqdm(initial=done, total=total, unit=unit, desc="fit")
