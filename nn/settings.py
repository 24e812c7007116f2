"""What a run is determined by, its checks and its form as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from autograd import DataError, Tensor, Value
from nn.layers import ACTIVATIONS, MLP
from nn.module import Module, finite_number, require_flag, whole_number
from nn.optim import SGD, Adam, AdamW, Optimizer, RMSprop
from nn.schedules import CosineDecay, OneCycle, ReduceOnPlateau, Schedule, StepDecay
from nn.sources import Problem, Source, plain_source, problem_of, source_of

__all__ = ["CHECKS", "DTYPES", "NODES", "OPTIMIZERS", "SCHEDULES", "Settings"]

NODES = {"tensor": Tensor, "value": Value}
"""What a net can be made of."""

DTYPES = {"float64": np.float64, "float32": np.float32}
"""The precisions of a net."""

MOST_PARAMETERS = {"tensor": 100_000_000, "value": 100_000}
"""How many parameters a run takes on; a batch of Values makes some nodes for each, in each row."""


class _Rule(NamedTuple):
    """An optimizer, with the learning rate and momentum if none are given; None: it has none."""

    optimizer: type[Optimizer]
    lr: float
    momentum: float | None = None


OPTIMIZERS = {
    "sgd": _Rule(SGD, 0.1, 0.9),
    "adam": _Rule(Adam, 0.001),
    "adamw": _Rule(AdamW, 0.001),
    "rmsprop": _Rule(RMSprop, 0.001, 0.0),
}

SCHEDULES: dict[str, Callable[[int], Schedule | ReduceOnPlateau | None]] = {
    "constant": lambda epochs: None,
    "cosine": CosineDecay,
    "onecycle": lambda epochs: OneCycle(max(2, epochs)),
    "step": lambda epochs: StepDecay(max(1, epochs // 3)),
    "plateau": lambda epochs: ReduceOnPlateau(patience=3),
}
"""How the learning rate changes, made from the number of epochs."""


def _rate(name: str, value: object) -> float:
    number = finite_number(name, value, minimum=0)
    if number == 0:
        raise ValueError(f"{name} must be above 0, got 0")
    return number


def _fraction(name: str, value: object) -> float:
    number = finite_number(name, value, minimum=0)
    if number >= 1:
        raise ValueError(f"{name} must be at least 0 and below 1, got {number:g}")
    return number


def _widths(name: str, value: object) -> tuple[int, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise DataError(f"{name} must be a list of whole numbers, got {value!r}")
    return tuple(whole_number(name, width, 1, 10**9) for width in value)


def _choice(name: str, value: object, *, choices: Mapping[str, object]) -> str:
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
    return value


_count = partial(whole_number, minimum=1, maximum=10**9)

CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "node": partial(_choice, choices=NODES),
    "dtype": partial(_choice, choices=DTYPES),
    "hidden": _widths,
    "activation": partial(_choice, choices=ACTIVATIONS),
    "optimizer": partial(_choice, choices=OPTIMIZERS),
    "lr": _rate,
    "momentum": _fraction,
    "weight_decay": partial(finite_number, minimum=0),
    "schedule": partial(_choice, choices=SCHEDULES),
    "epochs": _count,
    "batch_size": _count,
    "validation": _fraction,
    "patience": _count,
    "seed": partial(whole_number, minimum=0, maximum=2**64 - 1),
    "replay": require_flag,
}
"""For each number or word of `Settings`, a function of its name and value that checks it."""


@dataclass(frozen=True)
class Settings:
    """What a run is determined by: the same settings give the same weights.

    Parameters
    ----------
    source : Source
        Where the rows come from.
    node, dtype : str
        Keys of `NODES` and `DTYPES`.
    hidden : sequence of int
        Widths of the hidden layers.
    activation, optimizer, schedule : str
        Keys of `nn.layers.ACTIVATIONS`, `OPTIMIZERS` and `SCHEDULES`.
    lr, momentum, weight_decay : float
        Of the optimizer.
    epochs, batch_size, patience, seed : int
        As `nn.fit` takes them; the seed is also that of the first weights and of the split.
    validation : float
        Which part of the rows to train on is held out to find the best epoch; 0 is none.
    replay : bool
        Whether steps are recorded once and replayed, as `nn.fit` takes it.

    Raises
    ------
    ValueError, DataError
        If one of them is out of range.

    Examples
    --------
    >>> from nn.sources import Shipped
    >>> settings = Settings(Shipped("moons"), lr=0.5)
    >>> Settings.from_json(settings.to_json()) == settings
    True
    """

    source: Source
    node: str = "tensor"
    dtype: str = "float64"
    hidden: Sequence[int] = (64,)
    activation: str = "relu"
    optimizer: str = "sgd"
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: str = "constant"
    epochs: int = 40
    batch_size: int = 32
    validation: float = 0.0
    patience: int = 10
    seed: int = 0
    replay: bool = True

    def __post_init__(self) -> None:
        for name, check in CHECKS.items():
            object.__setattr__(self, name, check(name, getattr(self, name)))
        if self.momentum and OPTIMIZERS[self.optimizer].momentum is None:
            raise ValueError(f"{self.optimizer} has no momentum: leave it out, or 0")
        if self.node == "value" and self.dtype != "float64":
            raise ValueError("a net of Values is always of float64")

    def problem(self) -> Problem:
        """Load the data; see `nn.sources.problem_of` for errors."""
        return problem_of(self.source, self.seed, self.validation)

    def require_size(self, inputs: int, outputs: int) -> None:
        """Raise a ValueError if the net would have too many parameters.

        >>> from nn.sources import Shipped
        >>> Settings(Shipped("moons"), hidden=[10**9]).require_size(2, 2)
        Traceback (most recent call last):
        ValueError: a net of 5,000,000,002 parameters is too large, --node tensor takes at most \
100,000,000: make --hidden narrower
        """
        widths = [inputs, *self.hidden, outputs]
        count = sum((nin + 1) * nout for nin, nout in pairwise(widths))
        if count > MOST_PARAMETERS[self.node]:
            raise ValueError(
                f"a net of {count:,} parameters is too large, --node {self.node} takes at most "
                f"{MOST_PARAMETERS[self.node]:,}: make --hidden narrower"
            )

    def make_model(self, inputs: int, outputs: int) -> MLP:
        """Return the net with its first weights; see `require_size` for errors.

        Examples
        --------
        >>> from nn.sources import Shipped
        >>> Settings(Shipped("moons"), hidden=[8, 8]).make_model(2, 3).describe()
        'MLP(2, [8, 8, 3], relu)'
        """
        self.require_size(inputs, outputs)
        node, dtype = NODES[self.node], DTYPES[self.dtype]
        return MLP(
            inputs, [*self.hidden, outputs], self.activation, node, rng=self.seed, dtype=dtype
        )

    def make_optimizer(self, model: Module) -> Optimizer:
        """Return the optimizer of a model.

        >>> from nn.sources import Shipped
        >>> settings = Settings(Shipped("moons"), optimizer="adam", momentum=0)
        >>> type(settings.make_optimizer(settings.make_model(2, 2))).__name__
        'Adam'
        """
        rule = OPTIMIZERS[self.optimizer]
        options: dict[str, Any] = {"lr": self.lr, "weight_decay": self.weight_decay}
        if rule.momentum is not None:
            options["momentum"] = self.momentum
        return rule.optimizer(model, **options)

    def make_schedule(self) -> Schedule | ReduceOnPlateau | None:
        """Return the schedule of the learning rate; None is a constant rate.

        >>> from nn.sources import Shipped
        >>> Settings(Shipped("moons"), schedule="cosine", epochs=8).make_schedule()
        CosineDecay(steps=8, floor=0.0, restarts=None)
        """
        return SCHEDULES[self.schedule](self.epochs)

    def differences(self, other: Settings) -> list[str]:
        """Say in which settings, but for the number of epochs, `other` is another run.

        >>> from nn.sources import Shipped
        >>> Settings(Shipped("moons"), lr=0.5).differences(Settings(Shipped("moons"), epochs=2))
        ['lr 0.5, not 0.1']
        """
        names = [f.name for f in fields(self) if f.name not in ("source", "epochs")]
        pairs = {name: (getattr(self, name), getattr(other, name)) for name in names}
        pairs |= _source_pairs(self.source, other.source)
        if self.make_schedule() != other.make_schedule():  # one that ends with the last epoch
            pairs["epochs"] = (self.epochs, other.epochs)
        return [f"{name} {mine}, not {its}" for name, (mine, its) in pairs.items() if mine != its]

    def to_json(self) -> str:
        """Return the settings as JSON text."""
        return json.dumps(asdict(self) | {"source": plain_source(self.source)}, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Settings:
        """Return the settings that `to_json` wrote.

        Raises
        ------
        ValueError, DataError
            If the text holds anything else.

        Examples
        --------
        >>> Settings.from_json("[1]")
        Traceback (most recent call last):
        ValueError: the settings of a run are a JSON object
        """
        given = json.loads(text)
        if not isinstance(given, dict):
            raise ValueError("the settings of a run are a JSON object")
        names = {f.name for f in fields(cls)}
        if given.keys() != names:
            odd = ", ".join(sorted(given.keys() ^ names))
            raise ValueError(f"missing or unknown settings: {odd}")
        return cls(**given | {"source": source_of(given["source"])})


def _source_pairs(mine: Source, its: Source) -> dict[str, tuple[Any, Any]]:
    """Return the fields of two sources side by side, but for where their files are."""
    a, b = plain_source(mine), plain_source(its)
    return {name: (a.get(name), b.get(name)) for name in a | b if name != "path"}
