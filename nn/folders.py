"""The files of a run folder: what they are called, and how they are written and read back."""

from __future__ import annotations

import csv
import errno
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from autograd import AutogradError
from nn.checkpoint import Checkpoints
from nn.data import Preparation
from nn.history import History
from nn.settings import Settings

__all__ = [
    "BOUNDARY",
    "CHECKPOINTS",
    "GRAPH",
    "HISTORY",
    "LOSS",
    "PREPARATION",
    "SETTINGS",
    "WEIGHTS",
    "forget",
    "read_preparation",
    "read_settings",
    "require_finished",
    "require_same_run",
    "require_writable",
    "write_history",
    "write_table",
]

SETTINGS, PREPARATION, CHECKPOINTS = "settings.json", "preparation.json", "checkpoints"
WEIGHTS, HISTORY = "model.safetensors", "history.csv"
LOSS, BOUNDARY, GRAPH = "loss.png", "boundary.png", "graph.svg"


def read_settings(folder: Path) -> Settings:
    """Return the settings of the run in a folder.

    Raises
    ------
    FileNotFoundError
        If there is no run.
    ValueError, DataError
        If its settings are damaged.

    Examples
    --------
    >>> read_settings(Path("missing"))
    Traceback (most recent call last):
    FileNotFoundError: [Errno 2] no run there (it has no settings.json): 'missing'
    """
    path = folder / SETTINGS
    try:
        return Settings.from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        why = f"no run there (it has no {SETTINGS})"
        raise FileNotFoundError(errno.ENOENT, why, str(folder)) from None
    except (AutogradError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: {error}") from None


def read_preparation(folder: Path) -> Preparation:
    """Return what turns the rows of a file into numbers for the net of the run in a folder.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is damaged.

    Examples
    --------
    >>> read_preparation(Path("missing"))
    Traceback (most recent call last):
    FileNotFoundError: [Errno 2] No such file or directory: 'missing/preparation.json'
    """
    path = folder / PREPARATION
    try:
        return Preparation.from_json(path.read_text(encoding="utf-8"))
    except (AutogradError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: {error}") from None


def require_same_run(settings: Settings, folder: Path) -> None:
    """Raise if the run in a folder, should there be one, has other settings than these.

    Raises
    ------
    ValueError
        Which says what differs, or that the settings in the folder are damaged.

    Examples
    --------
    >>> import tempfile
    >>> from nn.checkpoint import write_file
    >>> from nn.sources import Shipped
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     settings = Settings(Shipped("moons"))
    ...     write_file(Path(folder, SETTINGS), [settings.to_json().encode()])
    ...     require_same_run(Settings(Shipped("moons"), lr=0.5), Path(folder))
    ... # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: the run in ... was made with other settings: lr 0.5, not 0.1
    """
    try:
        before = read_settings(folder)
    except FileNotFoundError:
        return
    differences = settings.differences(before)
    if differences:
        raise ValueError(
            f"the run in {folder} was made with other settings: {'; '.join(differences)}"
        )
    latest = Checkpoints(folder / CHECKPOINTS).latest()
    done = 0 if latest is None else int(latest.stem.removeprefix("epoch-"))
    if done > settings.epochs:
        raise ValueError(f"the run in {folder} is past epoch {settings.epochs}: it has {done}")


def require_finished(folder: Path) -> None:
    """Raise if the run in a folder, should there be one, was cut short: it is not lost lightly.

    Raises
    ------
    ValueError
        If there are checkpoints, but no weights yet.

    Examples
    --------
    >>> require_finished(Path("missing"))
    """
    latest = Checkpoints(folder / CHECKPOINTS).latest()
    if latest is not None and not os.path.lexists(folder / WEIGHTS):
        raise ValueError(
            f"{folder} holds a run that was cut short after {latest.stem.replace('-', ' ')}: "
            f"python -m nn resume {folder} goes on with it; to start afresh, delete the folder "
            "or choose another with --out"
        )


def forget(folder: Path) -> bool:
    """Delete what an earlier run has left in a folder, and return whether there was one.

    Checkpoints go first and the settings last: should this be cut short, what is left belongs to
    the settings that are left.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, WEIGHTS).touch()
    ...     forget(Path(folder)), forget(Path(folder))
    (True, False)
    """
    names = [WEIGHTS, HISTORY, LOSS, BOUNDARY, GRAPH, "confusion.png", "predicted.png"]
    files = [*(folder / CHECKPOINTS).glob("epoch-*.safetensors*")]
    files += [folder / name for name in (*names, PREPARATION, SETTINGS)]
    left = [path for path in files if os.path.lexists(path)]
    for path in left:
        path.unlink()
    return bool(left)


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
    ...     require_writable(Path(parent), ["loss.png"])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    IsADirectoryError: [Errno 21] cannot write there: loss.png is a folder: ...
    """
    try:
        if folder.exists() and not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "it is a file, not a folder")
        folder.mkdir(parents=True, exist_ok=True)
        for path in (folder / name for name in names):
            _try_to_write(path)
    except OSError as error:
        raise OSError(error.errno, f"cannot write there: {error.strerror}", str(folder)) from None


def _try_to_write(path: Path) -> None:
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, f"{path.name} is a folder")
    if path.exists() and not path.is_file():  # opening a pipe would wait for a reader
        raise OSError(errno.EINVAL, f"{path.name} is not a regular file")
    is_new = not os.path.lexists(path)
    path.open("ab").close()
    if is_new:
        path.unlink()


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
    with path.open("w", newline="", encoding="utf-8") as file:
        write_table({"epoch": range(1, len(history) + 1), **columns}, file)


def write_table(columns: Mapping[str, Iterable[object]], file: IO[str]) -> None:
    """Write columns as CSV, their names first.

    >>> import sys
    >>> write_table({"x": [1, 2], "name": ["a", "b,c"]}, sys.stdout)
    x,name
    1,a
    2,"b,c"
    """
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
