"""From a table to the arrays that a net learns from, the same way for every later table."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from autograd import DataError
from nn.data.dataset import Dataset
from nn.data.sampling import train_test_split
from nn.data.tables import Column, Kind, Table, column_names, read_csv
from nn.module import MOST, finite_number

__all__ = ["Classes", "OneHot", "Preparation", "Scaled", "prepare"]

MOST_WHOLE_CLASSES = 20
"""More different whole numbers than this are numbers to predict, not classes."""

MOST_CLASSES = 1000

Rows = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Scaled:
    """A column of numbers with mean 0 and standard deviation 1; a missing one counts as the mean.

    Parameters
    ----------
    name : str
        Of the column.
    mean, scale : float
        Of the training rows; `scale` is their standard deviation (divisor n), above 0.

    Examples
    --------
    >>> age = Scaled("age", mean=30.0, scale=10.0)
    >>> age.encode(Column(np.array([20.0, np.nan, 45.0])))
    array([[-1. ],
           [ 0. ],
           [ 1.5]])
    >>> age.decode(np.array([1.5]))
    array([45.])
    """

    name: str
    mean: float
    scale: float

    def __post_init__(self) -> None:
        _require_name(self.name)
        finite_number(f"the mean of {self.name!r}", self.mean)
        if finite_number(f"the scale of {self.name!r}", self.scale) <= 0:
            raise ValueError(f"the scale of {self.name!r} must be above 0, got {self.scale}")

    @property
    def kind(self) -> Kind:
        """How the column is read."""
        return "number"

    @property
    def feature_names(self) -> tuple[str, ...]:
        """One name a column of `encode`."""
        return (self.name,)

    def encode(self, column: Column) -> NDArray[np.float64]:
        """Return the scaled numbers, shape (rows, 1)."""
        with np.errstate(over="ignore"):
            scaled = (column.values[:, None] - self.mean) / self.scale
        scaled[np.isnan(scaled)] = 0
        return np.asarray(scaled)

    def decode(self, scaled: NDArray[Any]) -> NDArray[np.float64]:
        """Return scaled numbers, such as a net's output, in the column's own units."""
        return np.asarray(scaled * self.scale + self.mean, dtype=np.float64)


@dataclass(frozen=True)
class OneHot:
    """A column of texts as one column of 0 and 1 for each; none is 1 for a missing or a new one.

    Parameters
    ----------
    name : str
        Of the column.
    names : tuple of str
        The texts of the training rows, sorted.

    Examples
    --------
    >>> city = OneHot("city", ("Oslo", "Rome"))
    >>> city.feature_names
    ('city=Oslo', 'city=Rome')
    >>> city.encode(Column(np.array([0, -1, 1]), ("Rome", "Bern")))
    array([[0., 1.],
           [0., 0.],
           [0., 0.]])
    """

    name: str
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        _require_names(self.name, self.names, least=1)

    @property
    def kind(self) -> Kind:
        """How the column is read."""
        return "text"

    @property
    def feature_names(self) -> tuple[str, ...]:
        """One name a column of `encode`."""
        return tuple(f"{self.name}={name}" for name in self.names)

    def encode(self, column: Column) -> NDArray[np.float64]:
        """Return the ones and zeros, shape (rows, names)."""
        codes = _codes(column, self.names)
        ones = np.zeros((len(codes), len(self.names)))
        known = np.flatnonzero(codes >= 0)
        ones[known, codes[known]] = 1
        return ones


@dataclass(frozen=True)
class Classes:
    """A column of classes: texts, or numbers each of which is one.

    Parameters
    ----------
    name : str
        Of the column.
    names : tuple of str
        At least two, sorted; the index of a name is its class.
    kind : {"text", "number"}
        How the column is read.

    Examples
    --------
    >>> species = Classes("species", ("setosa", "virginica"), "text")
    >>> species.encode(Column(np.array([0, 1, 0]), ("virginica", "setosa")))
    array([1, 0, 1])
    >>> Classes("grade", ("1", "2", "3"), "number").encode(Column(np.array([3.0, 1.0])))
    array([2, 0])
    """

    name: str
    names: tuple[str, ...]
    kind: Kind

    def __post_init__(self) -> None:
        _require_names(self.name, self.names, least=2)
        if self.kind not in ("text", "number"):
            raise ValueError(f"the kind of {self.name!r} must be text or number, got {self.kind}")

    def encode(self, column: Column) -> NDArray[np.int64]:
        """Return the class of each row, shape (rows,); -1 for one that is missing or unknown."""
        return _codes(column.as_texts(), self.names)


@dataclass(frozen=True)
class Preparation:
    """What turns a table's rows into numbers: plain data, to be kept beside the model.

    Parameters
    ----------
    features : tuple of Scaled or OneHot
        In the order of the columns of `x`.
    target : Scaled or Classes
        What is learnt: a number, or a class.
    missing : tuple of str
        What stands for a missing value.
    left_out : tuple of str
        Columns that hold one value only, from which nothing can be learnt.

    Examples
    --------
    >>> features = Scaled("age", 30.0, 10.0), OneHot("city", ("Oslo", "Rome"))
    >>> preparation = Preparation(features, Classes("buys", ("no", "yes"), "text"))
    >>> preparation.feature_names
    ('age', 'city=Oslo', 'city=Rome')
    >>> Preparation.from_json(preparation.to_json()) == preparation
    True
    """

    features: tuple[Scaled | OneHot, ...]
    target: Scaled | Classes
    missing: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [part.name for part in (*self.features, self.target)]
        if len(names) < 2 or len(set(names)) < len(names):
            raise DataError(f"features and target must be different columns, got {names}")
        for texts in (self.missing, self.left_out):
            if not all(isinstance(text, str) for text in texts):
                raise DataError(f"missing and left_out must hold texts, got {texts!r}")

    @classmethod
    def of(
        cls,
        table: Table,
        target: str,
        task: Literal["classification", "regression"] | None = None,
        rows: Sequence[int] | Rows | None = None,
    ) -> Self:
        """Fit a preparation to a table: all columns but `target` are features.

        Parameters
        ----------
        table : Table
        target : str
            The column to learn.
        task : {"classification", "regression"}, optional
            If not given, a target of texts is classified, and one of whole numbers too if at most
            20 different ones come up, twice each on average. Other numbers are a regression.
        rows : sequence of int, optional
            The rows to train on, of which means, deviations and categories are taken; if not
            given, all that have a target. The classes are those of the whole table.

        Raises
        ------
        DataError
            If there is no such column, no feature that varies, or nothing to learn: one class,
            or one number.
        ValueError
            If `task` is unknown.

        Examples
        --------
        >>> from pathlib import Path
        >>> columns = {
        ...     "age": Column(np.array([20.0, 40.0])),
        ...     "buys": Column(np.array([1, 0]), ("yes", "no")),
        ... }
        >>> table = Table(Path("people.csv"), columns, np.array([2, 3]), ())
        >>> preparation = Preparation.of(table, "buys")
        >>> preparation.features
        (Scaled(name='age', mean=30.0, scale=10.0),)
        >>> preparation.dataset(table).y
        array([0, 1])
        """
        known = _rows_with(table, target)
        chosen = known if rows is None else np.asarray(rows)
        names = [name for name in table.columns if name != target]
        parts = {name: _feature(table, name, chosen) for name in names}
        features = tuple(part for part in parts.values() if part is not None)
        left_out = tuple(name for name, part in parts.items() if part is None)
        if not features:
            others = (
                f"{', '.join(left_out)} hold one value only" if left_out else "it is the only one"
            )
            raise DataError(f"{table.path} has no column to learn {target!r} from: {others}")
        return cls(features, _target(table, target, task, known, chosen), table.missing, left_out)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """One name a column of `x`."""
        return tuple(name for part in self.features for name in part.feature_names)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes of the target; none in a regression."""
        return self.target.names if isinstance(self.target, Classes) else ()

    def read(
        self,
        path: str | os.PathLike[str],
        *,
        target: bool = True,
        delimiter: str | None = None,
        progress: bool = False,
    ) -> Table:
        """Read the columns that are needed from a CSV file, in any order, the others ignored.

        Parameters
        ----------
        path : path_like
        target : bool
            Whether to read the target too, where the file has it. For predictions it need not be
            readable.
        delimiter : str, optional
        progress : bool
            These two, and errors, are those of `read_csv`.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> features = Scaled("age", 30.0, 10.0), OneHot("city", ("Oslo", "Rome"))
        >>> preparation = Preparation(features, Classes("buys", ("no", "yes"), "text"))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "new.csv")
        ...     _ = path.write_text("city,name,age\\nRome,Dan,50\\n")
        ...     preparation.x(preparation.read(path))
        array([[2., 0., 1.]])
        """
        kinds = {part.name: part.kind for part in self.features}
        if target and self.target.name in column_names(path, delimiter):
            kinds[self.target.name] = self.target.kind
        return read_csv(
            path,
            kinds=kinds,
            missing=self.missing,
            delimiter=delimiter,
            most_categories=MOST,
            progress=progress,
        )

    def x(self, table: Table, rows: Sequence[int] | Rows | None = None) -> NDArray[np.float64]:
        """Return the features of a table's rows (by default all), shape (rows, features).

        Raises
        ------
        DataError
            If the table lacks a column, or it is of another kind, or a number in it is so far
            from those of the training that it cannot be scaled.
        """
        index = np.arange(len(table)) if rows is None else np.asarray(rows)
        x = np.empty((len(index), len(self.feature_names)))
        start = 0
        for part in self.features:
            stop = start + len(part.feature_names)
            column = _column(table, part.name, part.kind)
            x[:, start:stop] = part.encode(column.take(index))
            _require_finite(table, part.name, x[:, start], index)
            start = stop
        return x

    def y(self, table: Table, rows: Sequence[int] | Rows | None = None) -> NDArray[Any]:
        """Return the target of a table's rows, by default those that have one.

        Returns
        -------
        ndarray
            Classes of int64, shape (rows,); or scaled numbers of float64, shape (rows, 1).

        Raises
        ------
        DataError
            If the table lacks the target, or a class was not among those of the training.
        """
        index = _rows_with(table, self.target.name) if rows is None else np.asarray(rows)
        column = _column(table, self.target.name, self.target.kind).take(index)
        y = self.target.encode(column)
        if isinstance(self.target, Classes) and (y < 0).any():
            first = int(np.argmax(y < 0))
            raise DataError(
                f"{table.where(int(index[first]))}, column {self.target.name!r}: "
                f"{column.text(first)!r} is none of the classes {', '.join(self.target.names)}"
            )
        return y

    def dataset(self, table: Table, rows: Sequence[int] | Rows | None = None) -> Dataset:
        """Return the rows of a table that have a target, or those given, as arrays."""
        index = _rows_with(table, self.target.name) if rows is None else np.asarray(rows)
        return Dataset(
            x=self.x(table, index),
            y=self.y(table, index),
            feature_names=self.feature_names,
            class_names=self.class_names,
            name=table.path.name,
            source=str(table.path),
        )

    def notes(self, table: Table) -> list[str]:
        """Say what a table lacks, one sentence a column: values, targets, known categories."""
        notes = [f"column {name!r} holds one value only: left out" for name in self.left_out]
        if self.target.name in table.columns:
            count = int(table.columns[self.target.name].is_missing.sum())
            notes += [f"{_rows(count)} without {self.target.name!r}: left out"] if count else []
        for part in self.features:
            column = table.columns[part.name]
            count = int(column.is_missing.sum())
            instead = "the mean" if isinstance(part, Scaled) else "no category"
            notes += [f"{_rows(count)} without {part.name!r}: {instead} is taken"] if count else []
            if isinstance(part, OneHot):
                new = ~column.is_missing & (_codes(column, part.names) < 0)
                if new.any():
                    first = int(np.argmax(new))
                    notes.append(
                        f"{_rows(int(new.sum()))} with {part.name!r} not met in training, the "
                        f"first {column.text(first)!r} in row {first + 1}: no category"
                    )
        return notes

    def to_json(self) -> str:
        """Return the preparation as JSON text that gives back the same floats."""
        features = [vars(part) for part in self.features]
        plain = {"format": 1, "features": features, "target": vars(self.target)}
        return json.dumps(plain | {"missing": self.missing, "left_out": self.left_out})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the preparation that `to_json` wrote.

        Raises
        ------
        DataError
            If the text is anything else.
        """
        try:
            plain = json.loads(text)
            if plain["format"] != 1:
                raise ValueError(f"format {plain['format']!r} is not known")
            return cls(
                tuple(_part(part, [Scaled, OneHot]) for part in plain["features"]),
                _part(plain["target"], [Scaled, Classes]),
                tuple(plain["missing"]),
                tuple(plain["left_out"]),
            )
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise DataError(f"not a preparation: {error}") from None


def prepare(
    table: Table,
    target: str,
    *,
    task: Literal["classification", "regression"] | None = None,
    test: float = 0.2,
    seed: int = 0,
) -> tuple[Dataset, Dataset, Preparation]:
    """Split a table into training and test rows, and turn both into arrays.

    Rows without a target are left out. The preparation is fitted to the training rows, and the
    split is that of `train_test_split`: of classes, each part has its share. A class of one row
    lies in one of the parts.

    Parameters
    ----------
    table : Table
    target : str
        The column to learn.
    task : {"classification", "regression"}, optional
        As for `Preparation.of`.
    test : float
        The fraction of the rows that is held out.
    seed : int
        Of the split.

    Returns
    -------
    train, test : Dataset
    preparation : Preparation
        For later tables with the same columns.

    Raises
    ------
    DataError
        If there is nothing to learn, or nothing to learn it from.
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> from pathlib import Path
    >>> columns = {"x": Column(np.arange(10.0)), "y": Column(np.arange(10.0) / 3)}
    >>> table = Table(Path("line.csv"), columns, np.arange(10) + 2, ())
    >>> train, test, preparation = prepare(table, "y")
    >>> train.x.shape, test.y.shape
    ((8, 1), (2, 1))
    >>> round(float(train.x.mean()), 9), round(float(train.x.std()), 9)
    (0.0, 1.0)
    """
    rows = _rows_with(table, target)
    y = _target(table, target, task, rows, rows).encode(table.columns[target].take(rows))
    train, held_out, _, _ = train_test_split(rows, y, test=test, seed=seed)
    preparation = Preparation.of(table, target, task, train)
    return preparation.dataset(table, train), preparation.dataset(table, held_out), preparation


# --- fitting ----------------------------------------------------------------------------------


def _feature(table: Table, name: str, rows: Rows) -> Scaled | OneHot | None:
    """Fit a feature to the rows of a column; None if the column holds one value only."""
    column = table.columns[name].take(rows)
    if column.kind == "number":
        return _scaled(table, name, column.values)
    met = np.unique(column.values)
    if len(met) < 2:
        return None
    return OneHot(name, tuple(sorted(column.names[code] for code in met if code >= 0)))


def _scaled(table: Table, name: str, values: NDArray[np.float64]) -> Scaled | None:
    """Fit mean and deviation; None if there is no number, or one number only."""
    numbers = values[~np.isnan(values)]
    if not len(numbers) or numbers.min() == numbers.max():
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        mean, scale = float(numbers.mean()), float(numbers.std())
    if not (math.isfinite(scale) and scale > 0):
        raise DataError(
            f"{table.path}, column {name!r}: numbers from {numbers.min():g} to {numbers.max():g} "
            "are too large, or too close to each other, to be scaled"
        )
    return Scaled(name, mean, scale)


def _target(table: Table, name: str, task: str | None, known: Rows, rows: Rows) -> Scaled | Classes:
    """Fit the target: classes to all known rows, mean and deviation to the training rows."""
    column = table.columns[name].take(known)
    place = f"{table.path}, column {name!r}"
    if _task(place, column, task) == "regression":
        scaled = _scaled(table, name, table.columns[name].values[rows])
        if scaled is None:
            raise DataError(f"{place} holds one number only: there is nothing to learn")
        return scaled
    texts = column.as_texts()
    met = [texts.names[code] for code in np.unique(texts.values)]
    if len(met) < 2:
        raise DataError(f"{place} holds one class only, {met[0]!r}: there is nothing to learn")
    if len(met) > MOST_CLASSES:
        raise DataError(f"{place} holds {len(met):,} classes, at most {MOST_CLASSES} are taken")
    return Classes(name, tuple(met if column.kind == "number" else sorted(met)), column.kind)


def _task(place: str, column: Column, task: str | None) -> str:
    """Return what is to be done with a target whose column this is, without missing values."""
    if task not in (None, "classification", "regression"):
        raise ValueError(f"task must be 'classification' or 'regression', got {task!r}")
    if column.kind == "text":
        if task == "regression":
            raise DataError(f"{place} holds texts: a regression needs numbers")
        return "classification"
    if task is not None:
        return task
    numbers = np.unique(column.values)
    few = len(numbers) <= min(MOST_WHOLE_CLASSES, len(column.values) / 2)
    return "classification" if few and (numbers == np.floor(numbers)).all() else "regression"


# --- tables -----------------------------------------------------------------------------------


def _rows_with(table: Table, target: str) -> Rows:
    """Return the rows that have a target."""
    known = np.flatnonzero(~_column(table, target).is_missing)
    if not len(known):
        raise DataError(f"{table.path}, column {target!r} is the target, and is empty")
    return known


def _column(table: Table, name: str, kind: Kind | None = None) -> Column:
    """Return a column of a table, of the kind expected."""
    if name not in table.columns:
        raise DataError(
            f"{table.path} has no column {name!r}; it has {', '.join(map(repr, table.columns))}"
        )
    column = table.columns[name]
    if kind is not None and column.kind != kind:
        raise DataError(f"{table.path}, column {name!r} holds {column.kind}s, expected {kind}s")
    return column


def _require_finite(table: Table, name: str, x: NDArray[np.float64], rows: Rows) -> None:
    if not np.isfinite(x).all():
        row = int(rows[np.argmin(np.isfinite(x))])
        raise DataError(
            f"{table.where(row)}, column {name!r}: {table.columns[name].values[row]:g} is too far "
            "from the training rows' numbers to be scaled"
        )


def _codes(column: Column, names: tuple[str, ...]) -> NDArray[np.int64]:
    """Return the index in `names` of each text of a column; -1 for one that is not there."""
    index = {name: code for code, name in enumerate(names)}
    # A missing text, -1, takes the last item.
    table = np.array([*(index.get(name, -1) for name in column.names), -1], dtype=np.int64)
    return np.asarray(table[column.values])


def _rows(count: int) -> str:
    return f"{count:,} row{'s' * (count != 1)}"


# --- JSON -------------------------------------------------------------------------------------


def _part(plain: dict[str, Any], kinds: Sequence[type[Any]]) -> Any:
    """Return a part of a preparation, of that of the kinds which has these fields."""
    for kind in kinds if isinstance(plain, dict) else ():
        if set(plain) == set(kind.__dataclass_fields__):
            return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in plain.items()})
    raise ValueError(
        f"{', '.join(kind.__name__ for kind in kinds)} are expected, got {plain!r:.80}"
    )


def _require_name(name: object) -> None:
    if not isinstance(name, str) or not name:
        raise DataError(f"the name of a column must be a text, got {name!r}")


def _require_names(column: object, names: object, least: int) -> None:
    _require_name(column)
    if not (
        isinstance(names, tuple)
        and all(isinstance(name, str) for name in names)
        and len(set(names)) == len(names) >= least
    ):
        raise DataError(f"{column!r} needs at least {least} different texts, got {names!r}")
