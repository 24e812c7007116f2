"""Where a run's rows come from, and what they become: rows to train on and rows to test on."""

from __future__ import annotations

import errno
import hashlib
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from numpy.typing import NDArray

from autograd import DataError
from nn.data import Dataset, circles, load, moons, spirals, train_test_split
from nn.data.idx import load_idx_folder
from nn.data.preparation import Classes, Preparation, Scaled, prepare
from nn.data.tables import MISSING, read_csv
from nn.tasks import Classification, Regression, Task

__all__ = [
    "DATA",
    "CSVFile",
    "IDXFolder",
    "Part",
    "Problem",
    "Shipped",
    "Source",
    "plain_source",
    "problem_of",
    "source_of",
    "task_of",
]

Part = tuple[NDArray[Any], NDArray[Any]]
"""Rows and their targets."""

LARGE = 50_000_000
"""Bytes of a file that takes so long to read that a person wants to see it."""

DATA: dict[str, Callable[[int], Dataset]] = {
    "digits": lambda seed: load("digits"),
    "iris": lambda seed: load("iris"),
    "moons": lambda seed: moons(200, noise=0.1, seed=seed),
    "circles": lambda seed: circles(200, noise=0.1, seed=seed),
    "spirals": lambda seed: spirals(300, seed=seed, classes=3),
}
"""The data sets that a run can train on without a file, made from a seed."""


class Loaded(NamedTuple):
    """What a source holds: two parts, how rows of a file become such numbers, and remarks."""

    train: Dataset
    test: Dataset
    preparation: Preparation
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shipped:
    """A data set of the package, or generated.

    >>> train, test, *_ = Shipped("iris").load(seed=0)
    >>> len(train.x), len(test.x)
    (120, 30)
    """

    name: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or self.name not in DATA:
            raise ValueError(f"no data set {self.name!r:.80}: one of {', '.join(DATA)}")

    @property
    def label(self) -> str:
        """What it is called."""
        return self.name

    def load(self, seed: int) -> Loaded:
        """Return the two parts: a fifth of the rows, drawn by the seed, is to test on."""
        dataset = DATA[self.name](seed)
        x_train, x_test, y_train, y_test = train_test_split(dataset.x, dataset.y, seed=seed)
        train, test = replace(dataset, x=x_train, y=y_train), replace(dataset, x=x_test, y=y_test)
        return Loaded(train, test, _as_they_are(dataset))


@dataclass(frozen=True)
class CSVFile:
    """A CSV file with a column to predict.

    Parameters
    ----------
    path : str
        Absolute. The same file elsewhere is the same source.
    sha256 : str
        Of its bytes.
    target : str
        The column to predict.
    task : {"classification", "regression"} or None
        None decides by the column, as `Preparation.of` does.
    ignore, text, missing : tuple of str
    most_categories : int
        As `read_csv` takes them.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "squares.csv")
    ...     _ = path.write_text("x,y\\n" + "".join(f"{i},{i * i}\\n" for i in range(50)))
    ...     train, test, preparation, notes = CSVFile.at(path, target="y").load(seed=0)
    >>> train.x.shape, test.x.shape, preparation.target.name
    ((40, 1), (10, 1), 'y')
    """

    path: str = field(compare=False)
    sha256: str
    target: str
    task: Literal["classification", "regression"] | None = None
    ignore: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    missing: tuple[str, ...] = MISSING
    most_categories: int = 50

    def __post_init__(self) -> None:
        _require_texts(self)

    @classmethod
    def at(cls, path: Path, **options: Any) -> Self:
        """Return the file as it is now.

        Raises
        ------
        OSError
            If it cannot be read.
        """
        return cls(str(path.resolve()), _digest([path]), **options)

    @property
    def label(self) -> str:
        """What it is called."""
        return Path(self.path).stem

    def load(self, seed: int) -> Loaded:
        """Return the two parts: a fifth of the rows, drawn by the seed, is to test on.

        Raises
        ------
        OSError
            If the file cannot be read.
        DataError
            If it is no table to learn the target from, or no longer the same.
        """
        _require_same([Path(self.path)], self.sha256)
        table = read_csv(
            self.path,
            ignore=self.ignore,
            text=self.text,
            missing=self.missing,
            most_categories=self.most_categories,
            progress=Path(self.path).stat().st_size > LARGE and sys.stderr.isatty(),
        )
        try:
            train, test, preparation = prepare(table, self.target, task=self.task, seed=seed)
        except ValueError as error:  # of train_test_split, which knows of no file
            raise ValueError(f"{self.path}: {error}") from None
        return Loaded(train, test, preparation, tuple(preparation.notes(table)))


@dataclass(frozen=True)
class IDXFolder:
    """A folder with the four files of MNIST, or of a data set in the same form.

    Parameters
    ----------
    path : str
        Absolute. The same files elsewhere are the same source.
    sha256 : str
        Of their bytes.

    Examples
    --------
    >>> IDXFolder.at(Path("missing"))
    Traceback (most recent call last):
    NotADirectoryError: [Errno 20] not a folder of IDX files: 'missing'
    """

    path: str = field(compare=False)
    sha256: str

    def __post_init__(self) -> None:
        _require_texts(self)

    @classmethod
    def at(cls, path: Path) -> Self:
        """Return the folder as it is now.

        Raises
        ------
        OSError
            If it cannot be read.
        """
        return cls(str(path.resolve()), _digest(_idx_files(path)))

    @property
    def label(self) -> str:
        """What it is called."""
        return Path(self.path).name

    def load(self, seed: int) -> Loaded:
        """Return the two parts, as the folder has them.

        Raises
        ------
        OSError
            If a file is missing or cannot be read.
        DataError
            If one is no IDX file, or the files are no longer the same.
        """
        _require_same(_idx_files(Path(self.path)), self.sha256)
        train, test = load_idx_folder(self.path)
        return Loaded(train, test, _as_they_are(train))


Source = Shipped | CSVFile | IDXFolder

SOURCES: dict[str, type[Any]] = {"shipped": Shipped, "csv": CSVFile, "idx": IDXFolder}


def plain_source(source: Source) -> dict[str, Any]:
    """Return a source as text and lists, for JSON.

    >>> plain_source(Shipped("iris"))
    {'kind': 'shipped', 'name': 'iris'}
    """
    kinds = {kind: name for name, kind in SOURCES.items()}
    return {"kind": kinds[type(source)], **asdict(source)}


def source_of(plain: Any) -> Source:
    """Return the source that `plain_source` took apart.

    Raises
    ------
    ValueError, DataError
        If it is anything else.

    Examples
    --------
    >>> source_of({"kind": "shipped", "name": "iris"})
    Shipped(name='iris')
    """
    if not isinstance(plain, dict) or plain.get("kind") not in list(SOURCES):
        raise ValueError(f"a source is of a kind, one of {', '.join(SOURCES)}, got {plain!r:.80}")
    kind = SOURCES[plain["kind"]]
    given = {name: value for name, value in plain.items() if name != "kind"}
    names = [f.name for f in fields(kind)]
    if given.keys() != set(names):
        raise ValueError(f"a source of kind {plain['kind']} has {', '.join(names)}, no more")
    source: Source = kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in given.items()})
    return source


@dataclass(frozen=True, eq=False)
class Problem:
    """What a net is to learn: rows in their parts, and what the numbers in them mean.

    Parameters
    ----------
    train, test : (x, y) of ndarray
        What is learnt from, and what is kept to see in the end how good the net is.
    validation : (x, y) of ndarray or None
        What is watched during training.
    preparation : Preparation
        How the rows of a file become such numbers.
    notes : tuple of str
        What is remarkable about the data.

    Examples
    --------
    >>> problem = problem_of(Shipped("iris"), seed=0, validation=0.25)
    >>> problem.describe()
    'train on 90, validate on 30, test on 30 rows'
    >>> problem.inputs, problem.task.outputs
    (4, 3)
    """

    train: Part
    validation: Part | None
    test: Part
    preparation: Preparation
    notes: tuple[str, ...] = ()

    @property
    def inputs(self) -> int:
        """How many numbers go into the net for a row."""
        return int(self.train[0].shape[1])

    @property
    def task(self) -> Task:
        """What is to be predicted."""
        return task_of(self.preparation)

    def state_dict(self) -> dict[str, Any]:
        """Return all but the notes as arrays and text, for a file."""
        parts = {name: {"x": x, "y": y} for name, (x, y) in self.parts().items()}
        return {"parts": parts, "preparation": self.preparation.to_json()}

    @classmethod
    def from_state_dict(cls, state: dict[str, Any]) -> Self:
        """Return the problem of which `state` is the `state_dict`."""
        parts = {name: (part["x"], part["y"]) for name, part in state["parts"].items()}
        preparation = Preparation.from_json(state["preparation"])
        return cls(parts["train"], parts.get("validate"), parts["test"], preparation)

    def parts(self) -> dict[str, Part]:
        """Return the parts that there are, by name."""
        parts = {"train": self.train, "validate": self.validation, "test": self.test}
        return {name: part for name, part in parts.items() if part is not None}

    def describe(self) -> str:
        """Say how many rows each part has."""
        counts = [f"{name} on {len(y):,}" for name, (_, y) in self.parts().items()]
        return f"{', '.join(counts)} rows"


def problem_of(source: Source, seed: int, validation: float = 0.0) -> Problem:
    """Load the data of a source, and hold out a part of the rows to train on for validation.

    Raises
    ------
    AutogradError, ValueError, OSError
        If they cannot be read or learnt from, or are too few.
    """
    train, test, preparation, notes = source.load(seed)
    if not validation:
        return Problem((train.x, train.y), None, (test.x, test.y), preparation, notes)
    try:
        x, x_held, y, y_held = train_test_split(train.x, train.y, test=validation, seed=seed)
    except ValueError:
        raise ValueError(
            f"a validation part of {validation:g} of {len(train.x)} rows leaves one of both empty"
        ) from None
    return Problem((x, y), (x_held, y_held), (test.x, test.y), preparation, notes)


def task_of(preparation: Preparation) -> Task:
    """Return what is predicted of rows that are prepared so.

    >>> task_of(Shipped("iris").load(seed=0).preparation).class_names
    ('setosa', 'versicolor', 'virginica')
    """
    target = preparation.target
    if isinstance(target, Classes):
        return Classification(target.names)
    return Regression(target.name, target.mean, target.scale)


def _as_they_are(dataset: Dataset) -> Preparation:
    """Return the preparation of a file that has the numbers of a data set, and its classes."""
    features = tuple(Scaled(name, mean=0.0, scale=1.0) for name in dataset.feature_names)
    return Preparation(features, Classes("class", dataset.class_names, "text"), MISSING)


def _idx_files(folder: Path) -> list[Path]:
    """Return the files that the parts of such a data set are in, packed or not."""
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "not a folder of IDX files", str(folder))
    return sorted(path for path in folder.iterdir() if "-ubyte" in path.name)


def _digest(files: Iterable[Path]) -> str:
    """Return the SHA-256 of the bytes of the files, one after the other, as hexadecimal digits."""
    digest = hashlib.sha256()
    for path in files:
        if path.exists() and not path.is_file() and not path.is_dir():  # a pipe has no end
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        with path.open("rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    return digest.hexdigest()


def _require_same(files: list[Path], sha256: str) -> None:
    if _digest(files) != sha256:
        raise DataError(
            f"{files[0]} is no longer the file that the run was made with: "
            "train anew, or put the file of then in its place"
        )


OTHERS = ("task", "most_categories")  # which are checked where they are used


def _require_texts(source: CSVFile | IDXFolder) -> None:
    """Raise unless every field holds text, or several; they may come from a damaged file."""
    for name, value in asdict(source).items():
        texts = value if isinstance(value, tuple) else (value,)
        if name not in OTHERS and not all(isinstance(text, str) for text in texts):
            raise DataError(f"{name} must be text, got {value!r:.80}")
