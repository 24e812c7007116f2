"""Training a classifier, three ways: the accuracy after each epoch, and the seconds up to there.

All have the same rows and split, the same net in float32, the same optimizer and batch size. Ours
and PyTorch's start from the same weights; scikit-learn, which takes none, draws its own. The orders
of the rows differ, and with them the epoch of an accuracy, so everyone trains from many seeds.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from benchmarks.harness import Case, Figures, Row

MOMENTUM = 0.9


class Data(NamedTuple):
    """Rows to learn from and rows to test on, in float32, with their classes."""

    x: Any
    y: Any
    x_test: Any
    y_test: Any


@dataclass(frozen=True)
class Task:
    """What to learn, with which net of two layers, and how well."""

    name: str
    load: Callable[[], Data]
    hidden: int
    batch_size: int
    rates: Mapping[str, float]  # the learning rate of each optimizer, by its name
    target: float  # accuracy on the test rows
    epochs: int
    seeds: int
    unit: str

    def widths(self, data: Data) -> tuple[int, int, int]:
        """Inputs, hidden units and outputs of the net."""
        return data.x.shape[1], self.hidden, int(data.y.max()) + 1


class Curve:
    """Accuracy on the test rows after each epoch, and the seconds of training alone till then."""

    def __init__(self, data: Data) -> None:
        self.accuracy: list[float] = []
        self.seconds: list[float] = []
        self._data = data
        self._trained = 0.0
        self._resumed = time.perf_counter()

    def epoch_ends(self, predict: Callable[[Any], Any]) -> None:
        """Stop the clock, see how many test rows get their class, and go on."""
        self._trained += time.perf_counter() - self._resumed
        self.seconds.append(self._trained)
        self.accuracy.append(float(np.mean(predict(self._data.x_test) == self._data.y_test)))
        self._resumed = time.perf_counter()

    def figures(self, target: float) -> Figures:
        """When the target was first reached, and how the run ended."""
        first = next((i for i, a in enumerate(self.accuracy) if a >= target), None)
        return {
            "seconds": math.inf if first is None else self.seconds[first],
            "epochs": math.inf if first is None else first + 1,
            "epoch": self.seconds[-1] / len(self.seconds),
            "wrong": 1 - self.accuracy[-1],
        }


def first_net(task: Task, data: Data, seed: int) -> Any:
    """Our net, with its first weights."""
    import nn

    features, *widths = task.widths(data)
    return nn.MLP(features, widths, rng=seed, dtype=np.float32)


def train_autograd(task: Task, data: Data, optimizer: str, seed: int) -> Curve:
    import nn
    from autograd import no_grad

    model, rate = first_net(task, data, seed), task.rates[optimizer]
    descent = nn.SGD(model, rate, MOMENTUM) if optimizer == "SGD" else nn.Adam(model, rate)

    def predict(x: Any) -> Any:
        with no_grad():
            return model(x).argmax(axis=1)

    curve = Curve(data)
    nn.fit(
        model,
        nn.cross_entropy,
        descent,
        (data.x, data.y),
        task.epochs,
        batch_size=task.batch_size,
        patience=None,
        seed=seed,
        progress=False,
        callbacks=[lambda _: curve.epoch_ends(predict)],
    )
    return curve


def train_torch(task: Task, data: Data, optimizer: str, seed: int) -> Curve:
    import torch
    from torch import nn
    from torch.nn.functional import cross_entropy

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    features, hidden, classes = task.widths(data)
    model = nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, classes))
    first = first_net(task, data, seed).state_dict()
    model.load_state_dict({k.removeprefix("layers."): torch.tensor(w) for k, w in first.items()})
    rate = task.rates[optimizer]
    if optimizer == "SGD":
        descent: Any = torch.optim.SGD(model.parameters(), lr=rate, momentum=MOMENTUM)
    else:
        descent = torch.optim.Adam(model.parameters(), lr=rate)

    def predict(x: Any) -> Any:
        with torch.no_grad():
            return model(torch.from_numpy(x)).argmax(dim=1).numpy()

    curve = Curve(data)
    x, y = torch.from_numpy(data.x), torch.from_numpy(data.y)
    for _ in range(task.epochs):
        for rows in torch.randperm(len(x)).split(task.batch_size):
            descent.zero_grad()
            cross_entropy(model(x[rows]), y[rows]).backward()
            descent.step()
        curve.epoch_ends(predict)
    return curve


def train_sklearn(task: Task, data: Data, optimizer: str, seed: int) -> Curve:
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        [task.hidden],
        solver=optimizer.lower(),
        learning_rate_init=task.rates[optimizer],
        batch_size=task.batch_size,
        alpha=0.0,
        momentum=MOMENTUM,
        nesterovs_momentum=False,
        random_state=seed,
    )
    curve = Curve(data)
    classes = np.unique(data.y)
    for _ in range(task.epochs):
        model.partial_fit(data.x, data.y, classes=classes)  # fit() forgets the velocities
        curve.epoch_ends(model.predict)
    return curve


TRAIN: dict[str, Callable[[Task, Data, str, int], Curve]] = {
    "autograd": train_autograd,
    "sklearn": train_sklearn,
    "torch": train_torch,
}


def measure(task: Task, contender: str) -> Figures:
    """The means, over all seeds, of the figures of the task's runs."""
    train, data = TRAIN[contender], task.load()
    figures: Figures = {}
    for optimizer in task.rates:
        train(replace(task, epochs=1), data, optimizer, 0)  # what only the first run pays for
        curves = [train(task, data, optimizer, seed) for seed in range(task.seeds)]
        runs = [curve.figures(task.target) for curve in curves]
        for name in runs[0]:
            figures[f"{optimizer} {name}"] = statistics.fmean(run[name] for run in runs)
    return figures


def _rows(task: Task) -> Iterator[Row]:
    for optimizer in task.rates:
        for what, figure, unit, at_most in (
            (f"time to {task.target:.0%}", "seconds", task.unit, 1.0),
            ("time an epoch", "epoch", task.unit, None),
            (f"wrong after {task.epochs} epochs", "wrong", "%", None),
        ):
            for peer in ("sklearn", "torch"):
                run = f"{task.name}, {optimizer}, {what}"
                yield Row(run, f"{optimizer} {figure}", unit, "autograd", peer, at_most)


def case_of(task: Task, rounds: int) -> Case:
    """The case in which all contenders do the task."""
    return Case(tuple(_rows(task)), lambda contender: measure(task, contender), rounds)
