"""The command line: ``python -m nn train digits``."""

from __future__ import annotations

import argparse
import math
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

from autograd import AutogradError
from nn.runs import DATA, MOST_PARAMETERS, NODES, Settings, require_writable, train

__all__ = ["main"]


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (--help explains the options)\n")


def _positive(text: str) -> float:
    number = float(text)
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"must be a number above 0, got {text}")
    return number


def _momentum(text: str) -> float:
    number = float(text)
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 0 and below 1, got {text}")
    return number


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 10**9:
        raise argparse.ArgumentTypeError(f"must be from 1 to {10**9}, got {text}")
    return number


def _seed(text: str) -> int:
    number = int(text)
    if not 0 <= number < 2**64:
        raise argparse.ArgumentTypeError(f"must be from 0 to {2**64 - 1}, got {text}")
    return number


def _widths(text: str) -> tuple[int, ...]:
    return tuple(_count(width) for width in text.split(","))


def _folder(text: str) -> Path:
    if not text.strip():
        raise argparse.ArgumentTypeError(f"must name a folder, got {text!r}; here is .")
    return Path(text)


# How argparse names these in "invalid ... value".
_positive.__name__ = _momentum.__name__ = "number"
_count.__name__ = _seed.__name__ = "whole number"
_folder.__name__ = "folder"
_widths.__name__ = "list of widths, such as 16,16"


def _parser() -> _Parser:
    default = Settings("digits")
    parser = _Parser(prog="python -m nn", description="Train small neural nets.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser(
        "train",
        help="train an MLP and write a run folder",
        description=(
            "Train an MLP by mini-batch gradient descent on four fifths of a data set, test it "
            "on the rest, and write loss.png, confusion.png, history.csv, graph.svg, "
            "model.safetensors and, for two features, boundary.png. The same seed gives the "
            "same run; Ctrl-C ends the training and keeps what was learnt."
        ),
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = command.add_argument
    add("data", choices=DATA, metavar="DATA", help=f"one of {', '.join(DATA)}")
    add("--node", choices=NODES, default=default.node, help="a net of arrays or of single numbers")
    add("--lr", type=_positive, default=default.lr, metavar="RATE", help="learning rate")
    add("--momentum", type=_momentum, default=default.momentum, metavar="M", help="0 is none")
    add("--epochs", type=_count, default=default.epochs, metavar="N", help="passes, at most")
    add("--hidden", type=_widths, metavar="N[,N...]", default=argparse.SUPPRESS,
        help="widths of the hidden layers (default: 64, or 8,8 with --node value)")  # fmt: skip
    add("--batch-size", type=_count, default=default.batch_size, metavar="N", help="rows a step")
    add("--seed", type=_seed, default=default.seed, metavar="N", help="of weights, data, order")
    add("--out", type=_folder, metavar="FOLDER", default=argparse.SUPPRESS,
        help="the run folder (default: runs/DATA-NODE)")  # fmt: skip
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, 1 for a failed run, 2 for bad usage.

    >>> main(["train", "digits", "--epochs", "0"])
    Traceback (most recent call last):
    SystemExit: 2
    """
    parser = _parser()
    options = vars(parser.parse_args(arguments))
    folder = options.pop("out", None) or Path("runs", f"{options['data']}-{options['node']}")
    options.setdefault("hidden", (8, 8) if options["node"] == "value" else (64,))
    missing = [name for name in ("matplotlib", "safetensors", "tqdm") if find_spec(name) is None]
    if missing:
        parser.error(f'{", ".join(missing)} not installed: pip install "autograd-nn[train]"')
    settings = Settings(**options)
    count, most = settings.parameter_count(), MOST_PARAMETERS[settings.node]
    if count > most:
        parser.error(
            f"a net of {count:,} parameters is too large, --node {settings.node} takes at most "
            f"{most:,}: make --hidden narrower"
        )
    try:
        require_writable(folder, settings.files())
    except (OSError, ValueError) as error:
        parser.error(f"cannot write to {folder}: {getattr(error, 'strerror', None) or error}")
    try:
        train(settings, folder)
    except (AutogradError, OSError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    except MemoryError as error:
        print(f"{parser.prog}: not enough memory: {error!s:.200}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    os.environ["MPLBACKEND"] = "agg"  # pictures go to files, whatever the user's screen is
    sys.exit(main())
