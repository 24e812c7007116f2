"""The command line: ``python -m nn train digits``."""

from __future__ import annotations

import argparse
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from autograd import AutogradError
from nn.checkpoint import Checkpoints
from nn.data import Table, column_names
from nn.folders import (
    CHECKPOINTS,
    forget,
    read_settings,
    require_finished,
    require_same_run,
    require_writable,
    write_table,
)
from nn.history import Epoch, print_epochs
from nn.options import (
    Parser,
    eval_options,
    predict_options,
    resume_options,
    sweep_options,
    train_options,
)
from nn.runs import Run, Trained, prepare, train
from nn.settings import CHECKS, OPTIMIZERS, Settings
from nn.sources import DATA, CSVFile, IDXFolder, Problem, Shipped, Source
from nn.sweep import BEST, PICTURE, TABLE, grid, random_settings, sweep

__all__ = ["main"]

PROGRAM = "python -m nn"
Options = argparse.Namespace
Work = Callable[[], None]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, 1 for a failed run, 2 for bad usage.

    >>> main(["train", "digits", "--epochs", "0"])
    Traceback (most recent call last):
    SystemExit: 2
    """
    with _warnings_in_a_line():
        try:
            parser = _parser()
            options = parser.parse_args(arguments)
            try:
                work: Work = options.prepare(options)
            except ERRORS as error:
                parser.exit(2, f"{PROGRAM}: {_worded(error)}\n")
            work()
        except BrokenPipeError:  # nobody reads on, as with "| head"
            _close_output()
        except ERRORS as error:
            print(f"{PROGRAM}: {_worded(error)}", file=sys.stderr)
        except KeyboardInterrupt:
            print(f"{PROGRAM}: interrupted", file=sys.stderr)
        else:
            return 0
        return 1


# ------------------------------------------------------------------------------ the commands

# Each reads what it is given, so that whatever is wrong with that comes up here, and returns the
# work that is to be done. Its docstring is what --help says.


def _train(options: Options) -> Work:
    """Train a net by mini-batch gradient descent, test it on rows that it has not seen, and write
    a run folder. The same settings give the same run. Ctrl-C ends the training and keeps what was
    learnt; a run that was ended in whatever way goes on with --resume."""
    _require_packages()
    settings = _settings(options)
    folder = options.out or Path("runs", f"{settings.source.label}-{settings.node}")
    run = _prepared(settings, folder)
    if options.resume:
        require_same_run(settings, folder)
    else:
        require_finished(folder)
    return partial(_do_train, run, folder, options)


def _resume(options: Options) -> Work:
    """Go on with a run from its last checkpoint, with the settings in its folder."""
    _require_packages()
    before = read_settings(options.folder)
    settings = replace(before, epochs=getattr(options, "epochs", before.epochs))
    require_same_run(settings, options.folder)
    return partial(_do_train, _prepared(settings, options.folder), options.folder, options)


def _do_train(run: Run, folder: Path, options: Options) -> None:
    if not getattr(options, "resume", True) and forget(folder):
        _say(f"{folder}: the run that was there is replaced")
    train(
        run,
        folder,
        _say,
        checkpoints=Checkpoints(folder / CHECKPOINTS, options.keep, options.every),
        progress=options.progress == "bar" and sys.stderr.isatty(),
        callbacks=[_print_epochs] if options.progress == "table" else [],
    )


def _eval(options: Options) -> Work:
    """Say how good the net of a run folder is on the rows that it was tested on, or on a file."""
    trained = Trained(options.folder)
    part = trained.part_of(options.csv) if options.csv else trained.test_part()
    return partial(trained.evaluate, part, _say)


def _predict(options: Options) -> Work:
    """Write what the net of a run folder predicts for each row of a CSV file, in their order."""
    trained = Trained(options.folder)
    out = options.out
    if out is not None and out.exists() and out.samefile(options.csv):
        raise ValueError(f"{out} is the file to predict from: it would be overwritten")
    table = trained.preparation.read(options.csv)
    return partial(_write_predictions, trained, table, out)


def _sweep(options: Options) -> Work:
    """Train nets of several learning rates and widths in several processes, compare them on rows
    held out from training, and test the best one on rows that none has seen."""
    _require_packages()
    base = _settings(options, validation=0.2)
    if not base.validation:
        raise ValueError("a sweep compares nets on validation rows: --validation must be above 0")
    if options.random:
        every = random_settings(base, options.rates, options.widths, options.random)
    else:
        every = grid(base, options.rates, options.widths)
    folder = options.out or Path("runs", f"sweep-{base.source.label}")
    problem = base.problem()
    _say_notes(problem)
    for settings in every:
        settings.require_size(problem.inputs, problem.task.outputs)
    require_writable(folder, [TABLE, PICTURE])
    require_writable(folder / BEST, Run(every[0], problem).files())
    return partial(sweep, problem, every, folder, options.jobs, _say)


def _write_predictions(trained: Trained, table: Table, out: Path | None) -> None:
    columns = trained.predict(table)
    if out is None:
        with _unread():
            write_table(columns, sys.stdout)
    else:
        with out.open("w", newline="", encoding="utf-8") as file:
            write_table(columns, file)
        _say(f"{len(table):,} rows written to {out}")


# ------------------------------------------------------------------------------ from options


def _settings(options: Options, **defaults: Any) -> Settings:
    """Return the settings that the options name, and the defaults of the others."""
    given = {name: getattr(options, name) for name in CHECKS if hasattr(options, name)}
    rule = OPTIMIZERS[given.get("optimizer", "sgd")]
    defaults |= {"lr": rule.lr, "momentum": rule.momentum or 0.0}
    if given.get("node") == "value":
        defaults["hidden"] = (8, 8)
    if options.data is None and rule is OPTIMIZERS["sgd"]:
        defaults["lr"] = 0.01  # a regression, or 784 pixels, bear less than the data that we know
    if options.idx is not None:
        defaults["dtype"] = "float32"
    return Settings(_source(options), **defaults | given)


def _source(options: Options) -> Source:
    """Return where the rows come from; exactly one place is named."""
    named = [name for name in ("data", "csv", "idx") if getattr(options, name) is not None]
    if len(named) != 1:
        raise ValueError(
            f"give the data to train on as one of DATA ({', '.join(DATA)}), --csv FILE and "
            f"--idx FOLDER, got {len(named) or 'none'} of them"
        )
    names = "target", "task", "ignore", "text"
    of_csv: dict[str, Any] = {name: getattr(options, name) for name in names}
    if options.csv is None:
        extra = [name for name, value in of_csv.items() if value]
        if extra:
            raise ValueError(f"--{extra[0]} goes with --csv")
        return Shipped(options.data) if options.data else IDXFolder.at(options.idx)
    if options.target is None:
        columns = ", ".join(column_names(options.csv)[:50])
        raise ValueError(f"--csv needs --target, the column to predict, one of {columns}")
    of_csv |= {"missing": options.missing, "most_categories": options.most_categories}
    return CSVFile.at(options.csv, **of_csv)


def _require_packages() -> None:
    missing = [name for name in ("matplotlib", "tqdm") if find_spec(name) is None]
    if missing:
        are = "are" if len(missing) > 1 else "is"
        names = " and ".join(missing)
        raise ImportError(f'{names} {are} not installed: pip install "autograd-nn[train]"')


def _prepared(settings: Settings, folder: Path) -> Run:
    run = prepare(settings, folder)
    _say_notes(run.problem)
    return run


def _say_notes(problem: Problem) -> None:
    for note in problem.notes:
        _say(note)


COMMANDS = {
    "train": ("train a net and write a run folder", _train, train_options),
    "resume": ("go on with a run", _resume, resume_options),
    "eval": ("test the net of a run", _eval, eval_options),
    "predict": ("write what the net of a run predicts", _predict, predict_options),
    "sweep": ("find a learning rate and widths", _sweep, sweep_options),
}


def _parser() -> Parser:
    parser = Parser(prog=PROGRAM, description="Train small neural nets.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (summary, prepare_work, add_options) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=prepare_work.__doc__)
        command.set_defaults(prepare=prepare_work)
        add_options(command)
    return parser


# ------------------------------------------------------------------------------ output

ERRORS = (AutogradError, ImportError, OSError, ValueError, MemoryError)
"""What can go wrong without a fault in the program."""


def _worded(error: BaseException) -> str:
    """Return an error in one line."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, MemoryError):
        text = f"not enough memory: {text:.200}"
    # An argument of a function, as the data layer names it, is an option here.
    text = re.sub(r"\b(ignore|text|missing)=\[('?)(.*?)\2\]", r"--\1 \3", text)
    text = text.replace("raise most_categories", "raise --most-categories")
    return " ".join(text.split())


@contextmanager
def _unread() -> Iterator[None]:
    """Go on in silence when nobody reads the output any more, as with "| head"."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        _close_output()


def _close_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(line: str) -> None:
    with _unread():
        print(line)


def _print_epochs(epoch: Epoch) -> None:
    with _unread():
        print_epochs(epoch)


@contextmanager
def _warnings_in_a_line() -> Iterator[None]:
    """Show a warning as one line on standard error, and only once."""

    @cache
    def show(text: str) -> None:
        print(f"{PROGRAM}: {text}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        warnings.showwarning = lambda message, *where: show(" ".join(str(message).split()))
        yield


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # a name in any script
    os.environ["MPLBACKEND"] = "agg"  # pictures go to files, whatever the user's screen is
    sys.exit(main())
