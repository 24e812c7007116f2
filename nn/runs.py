"""A training run: data, model, `fit`, and a folder with what came of it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd import RenderError, Tensor, Value, draw, no_grad
from nn.checkpoint import save_weights
from nn.data import Dataset, circles, load, moons, spirals, train_test_split
from nn.layers import MLP
from nn.losses import cross_entropy
from nn.metrics import accuracy, confusion_matrix
from nn.optim import SGD
from nn.plots import plot_boundary, plot_confusion, plot_loss, save
from nn.training import History, fit

__all__ = ["DATA", "NODES", "Settings", "train"]

Array = NDArray[Any]

DATA: dict[str, Callable[[int], Dataset]] = {
    "digits": lambda seed: load("digits"),
    "iris": lambda seed: load("iris"),
    "moons": lambda seed: moons(200, noise=0.1, seed=seed),
    "circles": lambda seed: circles(200, noise=0.1, seed=seed),
    "spirals": lambda seed: spirals(300, seed=seed, classes=3),
}
"""The data sets that a run can train on, made from a seed."""

NODES = {"tensor": Tensor, "value": Value}
"""What a net can be made of."""


@dataclass(frozen=True)
class Settings:
    """What a run is determined by: the same settings give the same weights.

    >>> Settings("moons").hidden
    (64,)
    """

    data: str
    node: str = "tensor"
    hidden: Sequence[int] = (64,)
    lr: float = 0.1
    momentum: float = 0.9
    epochs: int = 40
    batch_size: int = 32
    seed: int = 0


def train(settings: Settings, folder: Path, say: Callable[[str], None] = print) -> None:
    """Train an MLP on four fifths of a data set, test it on the rest, and write a run folder.

    The folder gets ``settings.json``, ``history.csv``, ``loss.png``, ``confusion.png``,
    ``graph.svg`` (the computation graph of one step), ``model.safetensors`` and, for data of two
    features, ``boundary.png``.

    Parameters
    ----------
    settings : Settings
    folder : Path
        Exists; files in it are replaced.
    say : callable
        Takes each line of the report.

    Raises
    ------
    NonFiniteError
        If the training diverges.
    """
    dataset = DATA[settings.data](settings.seed)
    x_train, x_test, y_train, y_test = train_test_split(dataset.x, dataset.y, seed=settings.seed)
    model = MLP(
        x_train.shape[1],
        [*settings.hidden, len(dataset.class_names)],
        node=NODES[settings.node],
        rng=settings.seed,
    )
    say(f"{settings.data}: {len(x_train)} rows to train on, {len(x_test)} to test on")
    say(str(model))
    optimizer = SGD(model, lr=settings.lr, momentum=settings.momentum)
    history = fit(
        model,
        cross_entropy,
        optimizer,
        (x_train, y_train),
        settings.epochs,
        batch_size=settings.batch_size,
        seed=settings.seed,
    )
    say(f"stopped after {len(history)} epochs: {history.stopped}")
    predicted = scores_of(model, x_test)
    say(f"train accuracy {accuracy(scores_of(model, x_train), y_train):.2%}")
    say(f"test accuracy  {accuracy(predicted, y_test):.2%}")

    (folder / "settings.json").write_text(json.dumps(asdict(settings), indent=2) + "\n")
    save_weights(model, folder / "model.safetensors", {"data": settings.data})
    write_history(history, folder / "history.csv")
    save(plot_loss(history), folder / "loss.png")
    matrix = confusion_matrix(predicted, y_test, classes=len(dataset.class_names))
    save(plot_confusion(matrix, dataset.class_names), folder / "confusion.png")
    if x_train.shape[1] == 2:
        save(
            plot_boundary(
                lambda x: scores_of(model, x),
                dataset.x,
                dataset.y,
                class_names=dataset.class_names,
                resolution=60,
            ),
            folder / "boundary.png",
        )
    try:
        draw(one_step(model, x_train, y_train), max_nodes=3000).save(folder / "graph.svg")
    except RenderError as error:
        say(f"no graph.svg: {error}")
    say(f"written to {folder}")


def scores_of(model: MLP, x: Array) -> Array:
    """Return the model's scores for rows, shape (rows, classes), without recording.

    >>> scores_of(MLP(2, [3]), np.ones((5, 2))).shape
    (5, 3)
    """
    with no_grad():
        if isinstance(model.parameters()[0], Tensor):
            scores: Array = model(Tensor(x)).numpy()
            return scores
        return np.array([[float(score) for score in model(row)] for row in x.tolist()])


def one_step(model: MLP, x: Array, y: Array, rows: int = 32) -> Any:
    """Run forward and backward on one batch and return the loss, its graph ready to be drawn.

    A net of Values takes one row only: its graph has several nodes for each weight and row.

    >>> one_step(MLP(2, [3]), np.ones((5, 2)), np.zeros(5, dtype=int)).primitive.name
    'mean'
    """
    for name, parameter in model.named_parameters():
        parameter.label = name
        parameter.grad = None
    if isinstance(model.parameters()[0], Tensor):
        loss = cross_entropy(model(Tensor(x[:rows], label="x").detach()), y[:rows])
    else:
        loss = cross_entropy(model(x[0].tolist()), int(y[0]))
    loss.label = "loss"
    loss.backward()
    return loss


def write_history(history: History, path: Path) -> None:
    """Write a history as CSV, one row an epoch; columns without numbers are left out.

    >>> import tempfile
    >>> history = History()
    >>> history.append(loss=0.5, seconds=1.0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "history.csv"
    ...     write_history(history, path)
    ...     path.read_text().split()
    ['epoch,loss,seconds', '1,0.5,1.0']
    """
    columns = {
        name: numbers for name, numbers in history.columns().items() if not np.isnan(numbers).all()
    }
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["epoch", *columns])
        writer.writerows([i, *row] for i, row in enumerate(zip(*columns.values(), strict=True), 1))
