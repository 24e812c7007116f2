"""A training run: data, model, `fit`, and a folder with what came of it."""

from __future__ import annotations

import csv
import errno
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
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

__all__ = ["DATA", "MOST_PARAMETERS", "NODES", "Settings", "require_writable", "train"]

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

MOST_PARAMETERS = {"tensor": 100_000_000, "value": 100_000}
"""How many parameters a run takes on; a batch of Values makes some nodes for each, in each row."""


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

    def dataset(self) -> Dataset:
        """Load or draw the data."""
        return DATA[self.data](self.seed)

    def widths(self) -> list[int]:
        """Return how many numbers go into the net, and how many come out of each layer.

        >>> Settings("digits").widths()
        [64, 64, 10]
        """
        dataset = self.dataset()
        return [dataset.x.shape[1], *self.hidden, len(dataset.class_names)]

    def parameter_count(self) -> int:
        """Return how many parameters the net will have, without making it.

        >>> Settings("digits").parameter_count()
        4810
        """
        widths = self.widths()
        return sum((nin + 1) * nout for nin, nout in pairwise(widths))

    def files(self) -> list[str]:
        """Return the names of the files that a run writes.

        >>> "boundary.png" in Settings("moons").files()
        True
        """
        names = ["settings.json", "model.safetensors", "history.csv", "loss.png", "confusion.png"]
        return [*names, *["boundary.png"] * (self.widths()[0] == 2), "graph.svg"]


def require_writable(folder: Path, names: Sequence[str]) -> None:
    """Make the folder, and try each file in it that is to be written; nothing in it is changed.

    Raises
    ------
    OSError
        If the folder cannot be made, or a file in it not be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     Path(parent, "loss.png").mkdir()
    ...     require_writable(Path(parent), ["loss.png"])
    Traceback (most recent call last):
    IsADirectoryError: [Errno 21] loss.png is a folder
    """
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "it is a file, not a folder")
    folder.mkdir(parents=True, exist_ok=True)
    for path in (folder / name for name in names):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, f"{path.name} is a folder")
        if path.exists() and not path.is_file():  # opening a pipe would wait for a reader
            raise OSError(errno.EINVAL, f"{path.name} is not a regular file")
        is_new = not os.path.lexists(path)
        path.open("ab").close()
        if is_new:
            path.unlink()


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
    dataset = settings.dataset()
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
    if len(history):
        save(plot_loss(history), folder / "loss.png")
    else:
        say("no loss.png: no epoch was completed")
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
