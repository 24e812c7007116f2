"""A CSV file as a table of columns, each of numbers or of texts, read as a stream."""

from __future__ import annotations

import csv
import math
import os
import re
from array import array
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import TextIOWrapper
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from autograd import DataError
from nn.data.files import Opened, opened
from nn.module import finite_number, require_flag, whole_number

__all__ = ["MISSING", "Column", "Kind", "Table", "column_names", "read_csv"]

Kind = Literal["number", "text"]

MISSING = ("", "na", "n/a", "nan", "null", "none", "?")
"""What stands for a missing value, in capitals or not."""

DELIMITERS = ",;\t|"
SAMPLE = 20  # lines from which the delimiter is told
MOST_LINE = 2**24  # characters; a file that is no table may be one line
SEEN = 2**18  # cells of the first rows, which decide what the columns are
ROWS, CELLS = 512, 2**16  # at most so many are converted at a time: they fit a processor's cache


@dataclass(frozen=True, eq=False)
class Column:
    """The values of one column.

    Parameters
    ----------
    values : ndarray, shape (rows,)
        Numbers as float64, missing ones nan; or texts as int32, an index into `names`, missing
        ones -1.
    names : tuple of str
        The different texts in the order in which they first appear; none for numbers.

    Examples
    --------
    >>> Column(np.array([1.0, np.nan])).kind
    'number'
    >>> Column(np.array([0, -1, 1]), ("red", "blue")).is_missing
    array([False,  True, False])
    """

    values: NDArray[Any]
    names: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        """What it holds: "number" or "text"."""
        return "number" if self.values.dtype.kind == "f" else "text"

    @property
    def is_missing(self) -> NDArray[np.bool_]:
        """Which rows have no value, shape (rows,)."""
        return np.asarray(np.isnan(self.values) if self.kind == "number" else self.values < 0)

    def take(self, rows: NDArray[np.integer[Any]]) -> Column:
        """Return the column of these rows only."""
        return Column(self.values[rows], self.names)

    def as_texts(self) -> Column:
        """Return numbers as texts, such as "3" and "0.5", in ascending order; texts as they are.

        >>> Column(np.array([3.0, 0.5, np.nan])).as_texts()
        Column(values=array([ 1,  0, -1], dtype=int32), names=('0.5', '3'))
        """
        if self.kind == "text":
            return self
        # nan sorts last, and adding 0 makes -0 and 0 one number.
        numbers, codes = np.unique(self.values + 0.0, return_inverse=True)
        codes = np.where(self.is_missing, -1, codes).astype(np.int32)
        known = numbers[~np.isnan(numbers)].tolist()
        return Column(codes, tuple(f"{n:.0f}" if n.is_integer() else repr(n) for n in known))

    def text(self, row: int) -> str:
        """Return what stands in a row that is not missing."""
        column = self.as_texts()
        return column.names[int(column.values[row])]


@dataclass(frozen=True, eq=False, repr=False)
class Table:
    """Columns of equal length, by name, and where they were read.

    Parameters
    ----------
    path : Path
    columns : dict of str to Column
        In the file's order.
    lines : ndarray of int64, shape (rows,)
        The line of the file, counted from 1, in which each row starts.
    missing : tuple of str
        What stood for a missing value.

    Examples
    --------
    >>> column = Column(np.array([1.5, 2.5]))
    >>> table = Table(Path("sizes.csv"), {"size": column}, np.array([2, 3]), MISSING)
    >>> table, len(table)
    (Table('sizes.csv': 2 rows, 1 column), 2)
    >>> table.where(1)
    'sizes.csv, row 2 (line 3)'
    """

    path: Path
    columns: dict[str, Column]
    lines: NDArray[np.int64]
    missing: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.lines)

    def __repr__(self) -> str:
        count = len(self.columns)
        return (
            f"Table({self.path.name!r}: {len(self)} row{'s' * (len(self) != 1)}, "
            f"{count} column{'s' * (count != 1)})"
        )

    def where(self, index: int) -> str:
        """Return the place in the file of the row of that index, counted from 0."""
        return _place(self.path, index + 1, int(self.lines[index]))


def read_csv(
    path: str | os.PathLike[str],
    *,
    ignore: Collection[str] = (),
    text: Collection[str] = (),
    kinds: Mapping[str, Kind] | None = None,
    missing: Collection[str] = MISSING,
    delimiter: str | None = None,
    most_categories: int = 50,
    memory: float = 2**32,
    progress: bool = False,
) -> Table:
    """Read a CSV file, plain or compressed with gzip, into a table.

    The first line that is not blank names the columns. The delimiter is the one of comma,
    semicolon, tab and bar that splits most of the first lines into as many cells as the names,
    and into the most cells. Cells may be quoted, and then hold delimiters, line ends and doubled
    quotes. The text is UTF-8, with or without a byte order mark. Blank lines are skipped; spaces
    around a cell do not count.

    A cell is a number where Python's `float` says so and it is finite, save for underscores and
    digits of other scripts. Nothing is guessed about decimal commas or thousands separators. The
    first rows decide what a column is: of numbers if more of its cells are numbers than are not.
    From there on, a text in a column of numbers is an error; a number in a column of texts is a
    text.

    The file is read once, a piece at a time: memory holds 8 bytes for each number and row, 4 for
    each text.

    Parameters
    ----------
    path : path_like
        A file, not a pipe.
    ignore : collection of str
        Names of columns to leave out, whatever they hold.
    text : collection of str
        Names of columns to read as texts although they hold numbers, such as codes.
    kinds : mapping of str to {"number", "text"}, optional
        Read these columns only, as these kinds; then `ignore` and `text` stay empty.
    missing : collection of str
        What stands for a missing value, in capitals or not.
    delimiter : str, optional
        One character; if not given, it is told from the first lines.
    most_categories : int
        How many different texts a column may hold; more look like names or free text.
    memory : float
        How many bytes the table may take, by default 4 GiB.
    progress : bool
        Whether to show a progress bar (needs tqdm).

    Returns
    -------
    Table

    Raises
    ------
    DataError
        If the file is no such table; the message names the file and, where there are any, the
        row (counted from 1 below the names), the line and the column, and says what to do.
    OSError
        If the file cannot be read.
    ValueError
        If an argument is out of range.
    MemoryError
        If the table takes more than `memory`, foreseen from the share of the file that is read.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name, "people.csv")
    >>> _ = path.write_text("name,age,city\\nAnn,31,Rome\\nBob,?,Oslo\\nCid,29,Rome\\n")
    >>> table = read_csv(path, ignore=["name"])
    >>> table
    Table('people.csv': 3 rows, 2 columns)
    >>> table.columns["age"].values
    array([31., nan, 29.])
    >>> table.columns["city"]
    Column(values=array([0, 1, 0], dtype=int32), names=('Rome', 'Oslo'))
    >>> folder.cleanup()
    """
    words = tuple(word.strip().lower() for word in _texts("missing", missing))
    most = whole_number("most_categories", most_categories, 1)
    memory = finite_number("memory", memory, minimum=0)
    progress = require_flag("progress", progress)
    with opened(path) as file, _decoded(file) as content:
        reader, header = _begin(file.path, content, delimiter)
        wanted = _wanted(file.path, header, _texts("ignore", ignore), _texts("text", text), kinds)
        columns = {j: _Building(kind, words, most) for j, kind in wanted.items()}
        lines = array("q")
        pieces = _pieces(reader, file.path, len(header))
        for rows, starts in _with_bar(pieces, file) if progress else pieces:
            try:
                for j, cells in enumerate(zip(*rows, strict=True)):
                    if j in columns:
                        columns[j].extend(cells)
            except _BadCellError as bad:
                index = cells.index(bad.cell)
                place = _place(file.path, len(lines) + index + 1, starts[index])
                hint = bad.hint.format(name=header[j]) if kinds is None else ""
                raise DataError(f"{place}, column {header[j]!r}: {bad}{hint}") from None
            lines.extend(starts)
            _require_memory(file, len(lines), columns.values(), memory)
    if not lines:
        raise DataError(f"{file.path} has a line of names, but no rows below it")
    return Table(
        path=file.path,
        columns={header[j]: column.finished() for j, column in columns.items()},
        lines=np.frombuffer(lines, dtype=np.int64),
        missing=words,
    )


def column_names(path: str | os.PathLike[str], delimiter: str | None = None) -> tuple[str, ...]:
    """Return the names of a CSV file's columns, from its first lines only.

    Parameters and errors are those of `read_csv`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "people.csv")
    ...     _ = path.write_text("name;age\\nAnn;31\\n")
    ...     column_names(path)
    ('name', 'age')
    """
    with opened(path) as file, _decoded(file) as content:
        return tuple(_begin(file.path, content, delimiter)[1])


# --- file to rows -----------------------------------------------------------------------------


def _decoded(file: Opened) -> TextIOWrapper:
    """Return the text of a file; a byte that is not UTF-8 becomes a lone surrogate.

    So it is found in the cell where it is, and does no harm in a column that is left out.
    """
    return TextIOWrapper(file.content, "utf-8-sig", "surrogateescape", newline="")


def _lines(path: Path, content: TextIOWrapper) -> Iterator[str]:
    """Yield each line with its end; no line is longer than memory bears."""
    for number, line in enumerate(iter(lambda: content.readline(MOST_LINE), ""), 1):
        if len(line) == MOST_LINE:
            raise DataError(
                f"{path}, line {number} has more than {MOST_LINE:,} characters: "
                "this does not look like a CSV file"
            )
        yield line


def _begin(path: Path, content: TextIOWrapper, delimiter: str | None) -> tuple[Any, list[str]]:
    """Return a reader of the rows, and the names that stand above them."""
    lines = _lines(path, content)
    sample = list(islice(lines, SAMPLE))
    if delimiter is None:
        delimiter = max(DELIMITERS, key=lambda mark: _agreement(sample, mark))
    elif not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '\r\n" ':
        raise ValueError(f"delimiter must be one character, such as ';', got {delimiter!r}")
    reader = _reader(chain(sample, lines), delimiter)
    try:
        names: list[str] = next((cells for cells in reader if cells not in ([], [""])), [])
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {_worded(error)}") from None
    names = [name.strip() for name in names]
    if not names:
        raise DataError(f"{path} is empty; expected a line with the columns' names")
    _require_names(f"{path}, line {reader.line_num}", names)
    return reader, names


def _reader(lines: Iterator[str], delimiter: str) -> Any:
    return csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True)


def _agreement(sample: list[str], delimiter: str) -> tuple[int, int]:
    """Count the rows with as many cells as the first, and these cells; one cell is no table."""
    widths: list[int] = []
    with suppress(csv.Error):  # what another delimiter makes of quotes, or the sample's last row
        widths.extend(len(cells) for cells in _reader(iter(sample), delimiter) if cells)
    return (widths.count(widths[0]), widths[0]) if widths and widths[0] > 1 else (0, 0)


def _require_names(place: str, names: list[str]) -> None:
    """Refuse a first line that cannot be read, or that looks like data."""
    for name in names:
        if _unreadable(name):
            raise DataError(f"{place}: {_unreadable(name)}")
    numbers = [name for name in names if _as_float(name) is not None]
    if len(numbers) == len(names) or any(not number.isdigit() for number in numbers):
        raise DataError(
            f"{place} holds {numbers[0]!r} where the columns' names are expected: "
            "put a line of names above the data, such as a,b,c"
        )


def _wanted(
    path: Path,
    header: list[str],
    ignore: tuple[str, ...],
    text: tuple[str, ...],
    kinds: Mapping[str, Kind] | None,
) -> dict[int, Kind | None]:
    """Return which columns to read, by position, as which kind; None is still to be seen."""
    if kinds is not None and (ignore or text or not {*kinds.values()} <= {"number", "text"}):
        raise ValueError(
            "kinds maps names to 'number' or 'text', without ignore and text beside it, "
            f"got {kinds!r}"
        )
    asked = (*ignore, *text) if kinds is None else tuple(kinds)
    unknown = [name for name in asked if name not in header]
    if unknown:
        raise DataError(f"{path} has no column {unknown[0]!r}; it has {_listed(header)}")
    forced: dict[str, Kind] = dict.fromkeys(text, "text")
    wanted = {
        j: forced.get(name) if kinds is None else kinds[name]
        for j, name in enumerate(header)
        if (name not in ignore if kinds is None else name in kinds)
    }
    if not wanted:
        raise DataError(f"{path}: no column is left to read of {_listed(header)}")
    _require_different(path, header, wanted)
    return wanted


def _require_different(path: Path, header: list[str], wanted: Collection[int]) -> None:
    """Refuse columns to read without a name of their own."""
    places: dict[str, int] = {}
    for j in wanted:
        if not header[j]:
            raise DataError(f"{path}: column {j + 1} has no name; name it, or pass ignore=['']")
        if header[j] in places:
            raise DataError(
                f"{path}: columns {places[header[j]] + 1} and {j + 1} are both named "
                f"{header[j]!r}; rename one, or pass ignore=[{header[j]!r}]"
            )
        places[header[j]] = j


def _pieces(reader: Any, path: Path, width: int) -> Iterator[tuple[list[list[str]], list[int]]]:
    """Yield some rows at a time, with the line in which each starts."""
    rows: list[list[str]] = []
    lines: list[int] = []
    size, count = max(1, SEEN // width), 0
    line = reader.line_num + 1
    try:
        for cells in reader:
            if len(cells) == width:
                rows.append(cells)
                lines.append(line)
                count += 1
            elif cells and cells != [""]:
                raise DataError(
                    f"{_place(path, count + 1, line)} has {len(cells)} cell"
                    f"{'s' * (len(cells) != 1)}, but there are {width} names; a cell that holds "
                    "the delimiter must be quoted"
                )
            if len(rows) == size:
                yield rows, lines
                rows, lines = [], []
                size = max(1, min(ROWS, CELLS // width))
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{_place(path, count + 1, line)}: {_worded(error)}") from None
    if rows:
        yield rows, lines


# --- rows to columns --------------------------------------------------------------------------

LEAVE_OUT = "leave the column out with ignore=[{name!r}]"
AS_TEXT = "read it as texts with text=[{name!r}]"


class _BadCellError(Exception):
    """A cell that does not fit its column, why, and ways out with the column's name to fill in."""

    def __init__(self, cell: str, complaint: str, hint: str) -> None:
        super().__init__(complaint)
        self.cell, self.hint = cell, hint


class _Numbers:
    """A column of numbers as it grows; `rows` without a number come first."""

    itemsize = 8

    def __init__(self, missing: Collection[str], rows: int) -> None:
        self.missing, self.values = missing, array("d", [math.nan]) * rows
        self.numbers_mean_missing = any(_as_float(word) is not None for word in missing)

    def extend(self, cells: tuple[str, ...]) -> None:
        self.values.frombytes(self._converted(cells).tobytes())

    def _converted(self, cells: tuple[str, ...]) -> NDArray[np.float64]:
        """Convert the cells at once if all are plain numbers, otherwise each by itself."""
        together = "".join(cells)
        if together.isascii() and "_" not in together and not self.numbers_mean_missing:
            with suppress(ValueError):
                numbers = np.fromiter(map(float, cells), np.float64, len(cells))
                if np.isfinite(numbers).all():
                    return numbers
        return np.array([self._number(cell) for cell in cells])

    def _number(self, cell: str) -> float:
        if cell.strip().lower() in self.missing:
            return math.nan
        number = _as_float(cell)
        if number is not None:
            return number
        raise _BadCellError(
            cell,
            _unreadable(cell) or f"{_brief(cell)} is not a finite number, and the column's are",
            f"; correct it; if it stands for a missing number, add it to missing=[...]; or "
            f"{AS_TEXT}, or {LEAVE_OUT}",
        )

    def finished(self) -> Column:
        return Column(np.frombuffer(self.values, dtype=np.float64))


class _Texts:
    """A column of texts as it grows; `rows` without a text come first."""

    itemsize = 4

    def __init__(self, missing: Collection[str], rows: int, most: int) -> None:
        self.codes, self.values = _Codes(missing, most), array("i", [-1]) * rows

    def extend(self, cells: tuple[str, ...]) -> None:
        self.values.extend(map(self.codes.__getitem__, cells))

    def finished(self) -> Column:
        return Column(np.frombuffer(self.values, dtype=np.int32), tuple(self.codes.of_name))


class _Codes(dict[str, int]):
    """The code of each cell, made when it is first asked for; -1 is missing."""

    def __init__(self, missing: Collection[str], most: int) -> None:
        self.missing, self.most = missing, most
        self.of_name: dict[str, int] = {}

    def __missing__(self, cell: str) -> int:
        name = cell.strip()
        if name.lower() in self.missing:
            code = -1
        elif complaint := _unreadable(name):
            raise _BadCellError(cell, complaint, f"; or {LEAVE_OUT}")
        else:
            code = self.of_name.setdefault(name, len(self.of_name))
        if code >= self.most:
            complaint = f"{_brief(name)} is one text more than the {self.most} that are taken"
            raise _BadCellError(cell, complaint, f"; {LEAVE_OUT}, or raise most_categories")
        self[cell] = code
        return code


class _Building:
    """A column as it grows; without a kind, the first cells that are not missing decide it."""

    def __init__(self, kind: Kind | None, missing: Collection[str], most: int) -> None:
        self.kind, self.missing, self.most = kind, missing, most
        self.content: _Numbers | _Texts | None = None
        self.rows = 0

    def extend(self, cells: tuple[str, ...]) -> None:
        if self.content is None:
            self.kind = self.kind or _kind_of(cells, self.missing)
            if self.kind == "number":
                self.content = _Numbers(self.missing, self.rows)
            elif self.kind == "text":
                self.content = _Texts(self.missing, self.rows, self.most)
        if self.content is not None:
            self.content.extend(cells)
        self.rows += len(cells)

    def finished(self) -> Column:
        return (self.content or _Numbers(self.missing, self.rows)).finished()


NUMBER_OF_ANOTHER_STYLE = re.compile(r"[-+]?[$€£]?\s?\d[\d.,'_\s]*[%€]?")


def _kind_of(cells: tuple[str, ...], missing: Collection[str]) -> Kind | None:
    """Return what a column holds that starts with these cells; None if all are missing."""
    present = [cell for cell in cells if cell.strip().lower() not in missing]
    if not present:
        return None
    texts = [cell for cell in present if _as_float(cell) is None]
    if 2 * len(texts) < len(present):
        return "number"
    if all(NUMBER_OF_ANOTHER_STYLE.fullmatch(text.strip()) for text in texts):
        raise _BadCellError(
            texts[0],
            f"{_brief(texts[0])} looks like a number, but is not written like 1234.5",
            f"; write the column so, or {AS_TEXT}, or {LEAVE_OUT}",
        )
    return "text"


def _as_float(cell: str) -> float | None:
    """Return the finite number that a cell is, in the digits 0 to 9 and without underscores."""
    if "_" in cell or not cell.strip().isascii():
        return None
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


# --- checks and words -------------------------------------------------------------------------


def _require_memory(file: Opened, rows: int, columns: Collection[_Building], memory: float) -> None:
    """Refuse a table that is too large, or will be if the file goes on as it began."""
    row = 8 + sum(column.content.itemsize if column.content else 8 for column in columns)
    share = min(1.0, max(1, file.raw.tell()) / max(1, file.size))
    if rows * row > memory * share:
        raise MemoryError(
            f"{file.path} takes about {rows * row / share / 1e9:.2g} GB of memory for "
            f"{rows / share:,.0f} rows of {len(columns)} columns, and the limit is "
            f"{memory / 1e9:.2g} GB: leave columns out with ignore=[...], or raise memory"
        )


def _with_bar(pieces: Iterator[Any], file: Opened) -> Iterator[Any]:
    """Yield the pieces, and show how much of the file is read."""
    try:
        from tqdm.auto import tqdm
    except ImportError:
        raise ImportError(
            "the progress bar needs tqdm: pip install tqdm, or pass progress=False"
        ) from None
    with tqdm(total=file.size, unit="B", unit_scale=True, desc=file.path.name) as bar:
        for piece in pieces:
            yield piece
            bar.update(file.raw.tell() - bar.n)


def _texts(name: str, value: Collection[str]) -> tuple[str, ...]:
    """Return a collection of texts as a tuple; one text would be taken for its letters."""
    if isinstance(value, str) or not all(isinstance(item, str) for item in value):
        raise DataError(f"{name} must be a list of texts, got {value!r}")
    return tuple(value)


def _unreadable(cell: str) -> str | None:
    """Return what is wrong with the characters of a cell, if anything."""
    if "\0" in cell:
        return "a NUL character; the file may be UTF-16, or no text: save it as CSV in UTF-8"
    bad = next((mark for mark in cell if "\udc80" <= mark <= "\udcff"), None)
    if bad is None:
        return None
    return f"the byte 0x{ord(bad) - 0xDC00:02X} is not UTF-8: save the file as CSV in UTF-8"


def _worded(error: csv.Error) -> str:
    return f"{error}; is a quotation mark open, or not doubled inside quotes?"


def _place(path: Path, row: int, line: int) -> str:
    return f"{path}, row {row} (line {line})"


def _listed(names: Collection[str]) -> str:
    """Return names in a row, the first few of many."""
    shown = ", ".join(map(repr, list(names)[:10]))
    return f"{shown} and {len(names) - 10} more" if len(names) > 10 else shown


def _brief(cell: str) -> str:
    text = cell.strip()
    return repr(text if len(text) <= 40 else f"{text[:39]}…")
