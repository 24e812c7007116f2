"""A training run and its folder: train, go on, evaluate, predict."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd import AutogradError, Tensor, draw, no_grad
from nn.checkpoint import Checkpoints, load_weights, save_weights, write_file
from nn.data import Table
from nn.data.checks import as_array
from nn.folders import (
    BOUNDARY,
    GRAPH,
    HISTORY,
    LOSS,
    PREPARATION,
    SETTINGS,
    WEIGHTS,
    read_preparation,
    read_settings,
    require_writable,
    write_history,
)
from nn.history import History
from nn.layers import MLP
from nn.plots import plot_boundary, plot_loss, save
from nn.settings import Settings
from nn.sources import Part, Problem, task_of
from nn.tasks import Task
from nn.training import Callback, fit

__all__ = ["Run", "Trained", "prepare", "scores_of", "train", "worded"]

Array = NDArray[Any]
Say = Callable[[str], None]

ROWS_AT_ONCE = 10_000
"""How many rows go through a net at once when it only predicts."""


class Run:
    """A net with what it learns from.

    Parameters
    ----------
    settings : Settings
    problem : Problem
        The data of the settings.

    Attributes
    ----------
    model : MLP
        With its first weights until `fit`.

    Raises
    ------
    ValueError
        If the net would be too large.

    Examples
    --------
    >>> from nn.sources import Shipped
    >>> settings = Settings(Shipped("moons"), hidden=[4])
    >>> Run(settings, settings.problem()).model.describe()
    'MLP(2, [4, 2], relu)'
    """

    def __init__(self, settings: Settings, problem: Problem) -> None:
        self.settings = settings
        self.problem = problem
        self.model = settings.make_model(problem.inputs, problem.task.outputs)

    def fit(self, **options: Any) -> History:
        """Fit the net as the settings say; `options` are those of `nn.fit` that they leave open."""
        settings, problem = self.settings, self.problem
        return fit(
            self.model,
            problem.task.loss,
            settings.make_optimizer(self.model),
            problem.train,
            settings.epochs,
            batch_size=settings.batch_size,
            validation=problem.validation,
            patience=settings.patience,
            schedule=settings.make_schedule(),
            seed=settings.seed,
            replay=settings.replay,
            **options,
        )

    def measure(self, part: Part) -> dict[str, float]:
        """Return how good the net is on rows, as its task measures it."""
        x, y = part
        return self.problem.task.measure(scores_of(self.model, x), y)

    def files(self) -> list[str]:
        """Return the names of the files that `begin` and `write` write.

        ``settings.json``, ``preparation.json`` (what turns the rows of a file into numbers),
        ``model.safetensors``, ``history.csv``, ``loss.png``, ``confusion.png`` (of a regression
        ``predicted.png``), ``graph.svg`` (the computation graph of one step) and, for classes of
        points in the plane, ``boundary.png``.
        """
        names = [SETTINGS, PREPARATION, WEIGHTS, HISTORY, LOSS, GRAPH]
        names.append(self.problem.task.picture_name)
        return names + [BOUNDARY] * (self.problem.inputs == 2 and self.problem.task.outputs > 1)

    def begin(self, folder: Path) -> None:
        """Write what the run is determined by."""
        write_file(folder / PREPARATION, [self.problem.preparation.to_json().encode()])
        write_file(folder / SETTINGS, [self.settings.to_json().encode()])

    def write(self, history: History, folder: Path, say: Say) -> None:
        """Write the weights, the history and the pictures, and say how good the net is."""
        save_weights(self.model, folder / WEIGHTS)
        write_history(history, folder / HISTORY)
        for name, part in self.problem.parts().items():
            say(f"{name:<11}{worded(self.problem.task, self.measure(part))}")
        self.draw(history, folder, say)
        say(f"written to {folder}")

    def draw(self, history: History, folder: Path, say: Say) -> None:
        """Draw the pictures; one that cannot be made is left out, and said."""
        task, (x, y) = self.problem.task, self.problem.test
        pictures: dict[str, Callable[[Path], object]] = {
            LOSS: lambda path: save(plot_loss(history), path),
            task.picture_name: lambda path: save(task.picture(scores_of(self.model, x), y), path),
            BOUNDARY: lambda path: save(self._boundary(), path),
            GRAPH: lambda path: draw(self._one_step(), max_nodes=3000).save(path),
        }
        for name in (name for name in pictures if name in self.files()):
            try:
                pictures[name](folder / name)
            except (AutogradError, ValueError) as error:
                say(f"no {name}: {error}")

    def _boundary(self) -> Any:
        x, y = (np.concatenate(part) for part in zip(*self.problem.parts().values(), strict=True))
        return plot_boundary(
            lambda points: scores_of(self.model, points),
            x,
            y,
            class_names=self.problem.preparation.class_names,
            resolution=60,
        )

    def _one_step(self, rows: int = 32) -> Any:
        """Run forward and backward on one batch and return the loss, its graph to be drawn.

        A net of Values takes one row only: its graph has several nodes for each weight and row.
        """
        x, y = self.problem.train
        for name, parameter in self.model.named_parameters():
            parameter.label = name
            parameter.grad = None
        if isinstance(self.model.parameters()[0], Tensor):
            prediction = self.model(Tensor(x[:rows], label="x").detach())
            target = y[:rows] if self.problem.task.outputs > 1 else y[:rows].reshape(-1, 1)
        else:
            prediction, target = self.model(x[0].tolist()), y[0].item()
        loss = self.problem.task.loss(prediction, target)
        loss.label = "loss"
        loss.backward()
        return loss


def prepare(settings: Settings, folder: Path) -> Run:
    """Read the data, make the net and try the folder, in which nothing is changed.

    Raises
    ------
    AutogradError, ValueError, OSError
        If the data cannot be read or learnt from, the net is too large, or a file of the
        folder cannot be written.

    Examples
    --------
    See `train`.
    """
    run = Run(settings, settings.problem())
    require_writable(folder, run.files())
    return run


def train(
    run: Run,
    folder: Path,
    say: Say,
    *,
    checkpoints: Checkpoints,
    progress: bool = True,
    callbacks: Sequence[Callback] = (),
) -> None:
    """Fit a net, from the folder's last checkpoint if it has one, and write the folder.

    Raises
    ------
    NonFiniteError
        If the training diverges.
    OSError
        If a file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from nn.sources import Shipped
    >>> settings = Settings(Shipped("iris"), epochs=2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = prepare(settings, Path(folder))
    ...     train(run, Path(folder), str, checkpoints=Checkpoints(folder), progress=False)
    ...     Trained(Path(folder)).model.describe()
    'MLP(4, [64, 3], relu)'
    """
    run.begin(folder)
    say(f"{run.settings.source.label}: {run.problem.describe()}")
    say(str(run.model))
    latest = checkpoints.latest()
    if latest is not None:
        say(f"going on from {latest.name}")
    history = run.fit(progress=progress, callbacks=callbacks, checkpoints=checkpoints, resume=True)
    epochs = f"{len(history)} epoch{'s' * (len(history) != 1)}"
    say(f"stopped after {epochs}: {history.stopped}")
    if history.stopped.startswith("interrupted"):
        say(f"to go on: python -m nn resume {folder}")
    run.write(history, folder, say)


class Trained:
    """The net of a run folder, as its run left it.

    Attributes
    ----------
    settings : Settings
    preparation : Preparation
    model : MLP

    Raises
    ------
    OSError
        If there is no run in the folder, or none that has ended.
    ValueError, DataError, NonFiniteError
        If a file in it is damaged.

    Examples
    --------
    See `train`.

    >>> Trained(Path("missing"))
    Traceback (most recent call last):
    FileNotFoundError: [Errno 2] no run there (it has no settings.json): 'missing'
    """

    def __init__(self, folder: Path) -> None:
        self.settings = read_settings(folder)
        self.preparation = read_preparation(folder)
        inputs = len(self.preparation.feature_names)
        self.model = self.settings.make_model(inputs, self.task.outputs)
        if not (folder / WEIGHTS).exists():
            why = f"the run there has not ended (it has no {WEIGHTS}): resume it"
            raise FileNotFoundError(errno.ENOENT, why, str(folder))
        load_weights(self.model, folder / WEIGHTS)

    @property
    def task(self) -> Task:
        """What is predicted."""
        return task_of(self.preparation)

    def test_part(self) -> Part:
        """Return the rows that the run was tested on."""
        return self.settings.problem().test

    def part_of(self, path: Path) -> Part:
        """Return the rows of a CSV file that have a target, and the targets.

        Raises
        ------
        DataError, OSError
            If it cannot be read, or lacks a column.
        """
        dataset = self.preparation.dataset(self.preparation.read(path))
        return dataset.x, dataset.y

    def evaluate(self, part: Part, say: Say) -> None:
        """Say how good the net is on rows."""
        x, y = part
        scores = scores_of(self.model, x)
        say(f"{len(x):,} rows: {worded(self.task, self.task.measure(scores, y))}")
        say(self.task.in_text(scores, y))

    def predict(self, table: Table) -> dict[str, Sequence[object]]:
        """Return a table of predictions, by column, in the order of the rows."""
        return self.task.predictions(scores_of(self.model, self.preparation.x(table)))


def worded(task: Task, measured: dict[str, float]) -> str:
    """Return in one line how good a net is.

    >>> from nn.tasks import Classification
    >>> worded(Classification(("a", "b")), {"loss": 0.31, "accuracy": 1.0})
    'loss 0.31, accuracy 100.00%'
    """
    return ", ".join(f"{name} {task.show(name, number)}" for name, number in measured.items())


def scores_of(model: MLP, x: Array) -> Array:
    """Return the model's outputs for rows, shape (rows, outputs), without recording.

    >>> scores_of(MLP(2, [3]), np.ones((5, 2))).shape
    (5, 3)
    """
    first = model.parameters()[0]
    parts = []
    with no_grad():
        for start in range(0, len(x), ROWS_AT_ONCE):
            rows = x[start : start + ROWS_AT_ONCE].astype(first.dtype, copy=False)
            if isinstance(first, Tensor):
                output = model(Tensor(rows))
            else:
                output = [model(row) for row in rows.tolist()]
            parts.append(as_array("the output", output).reshape(len(rows), -1))
    return np.concatenate(parts)
