"""The options of the command line: how they are written, and what is checked of each alone."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from autograd import AutogradError
from nn.data.tables import MISSING
from nn.layers import ACTIVATIONS
from nn.settings import CHECKS, DTYPES, NODES, OPTIMIZERS, SCHEDULES, Settings
from nn.sources import DATA, Shipped

__all__ = [
    "Parser",
    "eval_options",
    "predict_options",
    "resume_options",
    "sweep_options",
    "train_options",
]


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line.

    >>> Parser(prog="nn").parse_args(["--odd"])
    Traceback (most recent call last):
    SystemExit: 2
    """

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (--help explains the options)\n")


DEFAULT = Settings(Shipped("digits"))


class _Option(NamedTuple):
    """How a setting is written on the command line."""

    help: str
    metavar: str | None = None
    convert: Callable[[str], Any] | None = None  # None: one of `choices`
    choices: Mapping[str, object] = {}
    default: str = ""  # in words, if it is not that of `Settings`


def _widths(text: str) -> tuple[int, ...]:
    return tuple(int(width) for width in re.split("[,/]", text))


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _path(text: str) -> Path:
    if not text.strip() or "\0" in text:
        raise argparse.ArgumentTypeError(f"must be a path, got {text!r}; here is .")
    return Path(text)


# How argparse names these in "invalid ... value".
KINDS = {int: "whole number", float: "number", _widths: "widths, such as 64/32,"}
_path.__name__ = "path"

SETTINGS = {
    "node": _Option("a net of arrays or of single numbers", choices=NODES),
    "dtype": _Option("precision", choices=DTYPES, default="float64, with --idx float32"),
    "hidden": _Option(
        "widths of the hidden layers", "N[/N...]", _widths, default="64, of values 8/8"
    ),
    "activation": _Option("after each hidden layer", choices=ACTIVATIONS),
    "optimizer": _Option("the rule of the steps", choices=OPTIMIZERS),
    "lr": _Option("learning rate", "RATE", float, default="sgd 0.1, for files 0.01; else 0.001"),
    "momentum": _Option("of sgd and rmsprop; 0 is none", "M", float, default="0.9 of sgd"),
    "weight_decay": _Option("pulls the weights to 0", "D", float),
    "schedule": _Option("of the learning rate", choices=SCHEDULES),
    "epochs": _Option("passes over the rows, at most", "N", int),
    "batch_size": _Option("rows a step", "N", int),
    "validation": _Option("part of the rows to train on that is held out", "PART", float),
    "patience": _Option("epochs without improvement that end the training", "N", int),
    "seed": _Option("of weights, split and order", "N", int),
}


def _add_setting(add: Callable[..., Any], name: str) -> None:
    option = SETTINGS[name]
    default = option.default or getattr(DEFAULT, name)
    kind = {"choices": option.choices} if option.choices else {"type": _checked(name)}
    flag = f"--{name.replace('_', '-')}"
    text = f"{option.help} (default: {default})"
    add(flag, **kind, metavar=option.metavar, default=argparse.SUPPRESS, help=text)


def _checked(name: str) -> Callable[[str], Any]:
    """Return what turns the text of an option into a setting."""
    convert = SETTINGS[name].convert
    assert convert is not None

    def parse(text: str) -> Any:
        value = convert(text)
        try:
            return CHECKS[name](name, value)
        except (ValueError, AutogradError) as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    parse.__name__ = KINDS[convert]
    return parse


def _many(name: str) -> Callable[[str], list[Any]]:
    """Return what turns a list with commas into settings."""
    parse = _checked(name)

    def parse_all(text: str) -> list[Any]:
        return [parse(part) for part in text.split(",")]

    parse_all.__name__ = f"list of {parse.__name__.removesuffix('s')}s"
    return parse_all


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 10**9:
        raise argparse.ArgumentTypeError(f"must be at least 1 and at most {10**9}, got {text}")
    return number


def _source_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument_group("data, one of DATA, --csv and --idx").add_argument
    add("data", nargs="?", choices=DATA, metavar="DATA", help=", ".join(DATA))
    add("--csv", type=_path, metavar="FILE", help="a CSV file, plain or packed with gzip")
    add("--target", metavar="COLUMN", help="of the CSV file, to predict")
    add("--task", choices=["classification", "regression"], help="default: by the target's values")
    columns: dict[str, Any] = {"type": _words, "default": (), "metavar": "COLUMN[,...]"}
    add("--ignore", **columns, help="columns to leave out")
    add("--text", **columns, help="columns of numbers that are names, such as postcodes")
    add("--missing", type=_words, default=MISSING, metavar="WORD[,...]",
        help="what stands for a missing value (default: NA, N/A, NaN, null, none, ?)")  # fmt: skip
    add("--most-categories", type=_count, default=50, metavar="N",
        help="different texts that a column may hold (default: 50)")  # fmt: skip
    add("--idx", type=_path, metavar="FOLDER", help="a folder with the four files of MNIST")


def _net_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument_group("net and training").add_argument
    for name in SETTINGS:
        _add_setting(add, name)
    add("--no-jit", dest="replay", action="store_false", default=argparse.SUPPRESS,
        help="compute each step node by node, without recording and replaying it")  # fmt: skip


def _run_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument_group("run").add_argument
    add("--keep", type=_count, default=3, metavar="N", help="checkpoints kept (default: 3)")
    add("--every", type=_count, default=1, metavar="N",
        help="epochs from one checkpoint to the next (default: 1)")  # fmt: skip
    add("--progress", choices=["bar", "table", "none"], default="bar",
        help="what is shown of the epochs (default: bar, in a terminal)")  # fmt: skip


def train_options(command: argparse.ArgumentParser) -> None:
    """Add the options of `train`.

    >>> parser = Parser()
    >>> train_options(parser)
    >>> parser.parse_args(["iris", "--lr", "0.5"]).lr
    0.5
    """
    _source_options(command)
    _net_options(command)
    _run_options(command)
    add = command.add_argument
    add("--out", type=_path, metavar="FOLDER", help="the run folder (default: runs/DATA-NODE)")
    add("--resume", action="store_true", help="go on from the last checkpoint there, if any")


def resume_options(command: argparse.ArgumentParser) -> None:
    """Add the options of `resume`.

    >>> parser = Parser()
    >>> resume_options(parser)
    >>> parser.parse_args(["runs/iris", "--epochs", "5"]).epochs
    5
    """
    command.add_argument("folder", type=_path, metavar="FOLDER", help="a run folder")
    _add_setting(command.add_argument, "epochs")
    _run_options(command)


def eval_options(command: argparse.ArgumentParser) -> None:
    """Add the options of `eval`.

    >>> parser = Parser()
    >>> eval_options(parser)
    >>> parser.parse_args(["runs/iris"]).csv is None
    True
    """
    command.add_argument("folder", type=_path, metavar="FOLDER", help="a run folder")
    command.add_argument("--csv", type=_path, metavar="FILE", help="a file with the same columns")


def predict_options(command: argparse.ArgumentParser) -> None:
    """Add the options of `predict`.

    >>> parser = Parser()
    >>> predict_options(parser)
    >>> parser.parse_args(["runs/iris", "--csv", "a.csv"]).out is None
    True
    """
    add = command.add_argument
    add("folder", type=_path, metavar="FOLDER", help="a run folder")
    add("--csv", type=_path, metavar="FILE", required=True,
        help="a file with the same columns; the target may be absent")  # fmt: skip
    add("-o", "--out", type=_path, metavar="FILE", help="default: standard output")


def sweep_options(command: argparse.ArgumentParser) -> None:
    """Add the options of `sweep`.

    >>> parser = Parser()
    >>> sweep_options(parser)
    >>> parser.parse_args(["iris", "--hidden", "16/32,64"]).widths
    [(16, 32), (64,)]
    """
    _source_options(command)
    add = command.add_argument_group("sweep").add_argument
    add("--lr", dest="rates", type=_many("lr"), default="0.01,0.03,0.1,0.3,1",
        metavar="RATE[,...]", help="learning rates (default: %(default)s)")  # fmt: skip
    add("--hidden", dest="widths", type=_many("hidden"), default="16,64",
        metavar="N[/N...][,...]", help="widths (default: %(default)s)")  # fmt: skip
    add("--random", type=_count, metavar="N",
        help="N random pairs between the least and the greatest, not all pairs")  # fmt: skip
    add("--jobs", type=_count, default=os.cpu_count() or 1, metavar="N",
        help="processes at a time (default: one a processor)")  # fmt: skip
    add("--out", type=_path, metavar="FOLDER", help="default: runs/sweep-DATA")
    add = command.add_argument_group("net and training").add_argument
    for name in SETTINGS:
        if name not in ("hidden", "lr"):
            _add_setting(add, name)
