"""CSV files as tables, and tables as the arrays a net learns from."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import os
import re
import tempfile
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd import DataError
from nn.data import Preparation, Table, column_names, prepare, read_csv, tables
from nn.data.preparation import Classes, OneHot, Scaled
from nn.data.tables import MISSING, Column

Content = str | bytes


@contextmanager
def file_of(content: Content, name: str = "data.csv") -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        yield path


def table_of(content: Content, **options: Any) -> Table:
    with file_of(content) as path:
        return read_csv(path, **options)


def cells_of(column: Column) -> list[float | str | None]:
    """What a column holds, one cell a row, None where it is missing."""
    plain = column.values.tolist()
    if column.kind == "number":
        return [None if math.isnan(value) else value for value in plain]
    return [None if code < 0 else column.names[code] for code in plain]


def columns_of(content: Content, **options: Any) -> dict[str, list[float | str | None]]:
    return {n: cells_of(c) for n, c in table_of(content, **options).columns.items()}


def pieces_of(cells: int) -> Any:
    """Let a file be read in pieces of so many cells."""
    return mock.patch.multiple(tables, SEEN=cells, ROWS=cells, CELLS=cells)


def written(rows: list[list[str]], delimiter: str = ",", end: str = "\n") -> str:
    text = io.StringIO()
    # Before Python 3.13 the writer left unquoted a line end that is not its own.
    ends = any(mark in cell for row in rows for cell in row for mark in "\r\n")
    quoting = csv.QUOTE_ALL if ends else csv.QUOTE_MINIMAL
    csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(rows)
    return text.getvalue()


def rows_of(cells: st.SearchStrategy[str], **size: int) -> st.SearchStrategy[list[list[str]]]:
    """Tables of one to four columns."""
    return st.integers(1, 4).flatmap(
        lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), **size)
    )


# Any character that UTF-8 can hold but NUL, and often those that a CSV file gives a meaning.
texts = st.text(st.sampled_from(",;\"\n\r\t |'a") | st.characters(codec="utf-8", min_codepoint=1))


# --- reading: what is right -----------------------------------------------------------------


@given(
    rows=rows_of(texts, min_size=1, max_size=12),
    delimiter=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig"]),
    pack=st.booleans(),
    piece=st.integers(1, 9),
)
def test_texts_come_back_as_they_were_written(
    rows: list[list[str]], delimiter: str, end: str, encoding: str, pack: bool, piece: int
) -> None:
    names = [f"c{j}" for j in range(len(rows[0]))]
    content = written([names, *rows], delimiter, end).encode(encoding)
    with pieces_of(piece):
        read = columns_of(
            gzip.compress(content) if pack else content,
            text=names,
            missing=[],
            delimiter=delimiter,
        )
    assert read == {
        name: [cell.strip() for cell in column]
        for name, column in zip(names, zip(*rows, strict=True), strict=True)
    }


@given(
    rows=st.integers(1, 3).flatmap(
        lambda width: st.lists(
            st.lists(
                st.none() | st.floats(allow_nan=False, allow_infinity=False),
                min_size=width,
                max_size=width,
            ),
            min_size=1,
            max_size=12,
        )
    ),
    missing=st.sampled_from([*MISSING, "NaN", " N/A ", "None"]),
    piece=st.integers(1, 9),
)
def test_numbers_come_back_bit_for_bit(
    rows: list[list[float | None]], missing: str, piece: int
) -> None:
    names = [f"c{j}" for j in range(len(rows[0]))]
    cells = [[missing if number is None else repr(number) for number in row] for row in rows]
    with pieces_of(piece):
        read = columns_of(written([names, *cells]))
    wanted = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    assert repr(read) == repr(wanted)  # tells 0.0 from -0.0


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_delimiter_is_told_from_the_first_lines(delimiter: str, end: str) -> None:
    rows = [["name", "words"], ["Ann", "one, two; three"], ["Bob", "a|b, c\tand\nd"]]
    assert columns_of(written(rows, delimiter, end)) == {
        "name": ["Ann", "Bob"],
        "words": ["one, two; three", "a|b, c\tand\nd"],
    }


def test_agreement_of_the_rows_counts_more_than_many_cells() -> None:
    content = "price;size (w, h, d)\n1;x\n2;y\n"
    assert columns_of(content) == {"price": [1, 2], "size (w, h, d)": ["x", "y"]}


def test_a_decimal_comma_does_not_pass_for_a_delimiter() -> None:
    with pytest.raises(DataError, match="'1,5' looks like a number"):
        table_of("x;y\n1,5;2,5\n2,5;3,5\n")


def test_blank_lines_spaces_and_the_byte_order_mark_do_not_count() -> None:
    content = '\ufeff\n a , b\n\n 1 , x \n   \n2, "x"\n\n'
    assert columns_of(content) == {"a": [1, 2], "b": ["x", "x"]}


def test_one_column_may_have_blank_cells_in_quotes() -> None:
    assert columns_of('a\n1\n\n""\n2\n') == {"a": [1, None, 2]}


def test_a_column_whose_first_cells_are_missing_waits_for_the_others() -> None:
    with pieces_of(3):
        read = columns_of("a,b,c\n,?,\n,NA,\n5,x,\n")
    assert read == {"a": [None, None, 5], "b": [None, None, "x"], "c": [None, None, None]}


def test_what_stands_for_missing_can_be_said() -> None:
    content = "a,b\n-999,none\n2,-\n3,x\n"
    assert columns_of(content, missing=["-999", "-"]) == {
        "a": [None, 2, 3],
        "b": ["none", None, "x"],
    }


def test_columns_are_left_out_read_as_texts_or_chosen() -> None:
    content = "id,zip,,x,x\na1,01067,7,1,2\nb2,10115,8,3,4\n"
    assert columns_of(content, ignore=["id", "", "x"], text=["zip"]) == {"zip": ["01067", "10115"]}
    assert columns_of(content, kinds={"zip": "number"}) == {"zip": [1067, 10115]}


def test_what_is_left_out_may_hold_anything() -> None:
    content = b"a,b\n1,\xff\0\n2," + b"z" * 1000 + b"\n"
    assert columns_of(content, ignore=["b"]) == {"a": [1, 2]}


def test_numbers_of_most_cells_decide_and_booleans_are_texts() -> None:
    read = table_of("flag,code\ntrue,a1\nfalse,2\ntrue,b3\n").columns
    assert {name: column.kind for name, column in read.items()} == {"flag": "text", "code": "text"}


def test_a_table_says_what_it_is() -> None:
    table = table_of("a,b\n1,x\n\n2,y\n")
    assert repr(table) == "Table('data.csv': 2 rows, 2 columns)"
    assert table.lines.tolist() == [2, 4]
    assert table.where(1).endswith("data.csv, row 2 (line 4)")


def test_names_are_read_without_the_rows() -> None:
    with file_of('a;"b;c"\n1;2;3\n') as path:
        assert column_names(path) == ("a", "b;c")


# --- reading: what is wrong -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"is empty; expected a line with the columns' names"),
        ("\n \n\n", r"is empty; expected a line with the columns' names"),
        ("a,b\n", r"has a line of names, but no rows below it"),
        ("1,2\n3,4\n", r"line 1 holds '1' where the columns' names are expected: put a line"),
        ("5.1,3,Iris\n4.9,3,Iris\n", r"line 1 holds '5\.1' where the columns' names are expected"),
        ("a,a\n1,2\n", r"columns 1 and 2 are both named 'a'; rename one, or pass ignore=\['a'\]"),
        (",a\n1,2\n", r"column 1 has no name; name it, or pass ignore=\[''\]"),
        ("a,b\n1,2\n\n3\n", r"row 2 \(line 4\) has 1 cell, but there are 2 names"),
        ("a,b\n1,2\n3,4,5\n", r"row 2 \(line 3\) has 3 cells, but there are 2 names"),
        ('a,b\n1,"x\ny"\n2\n', r"row 2 \(line 4\) has 1 cell"),
        ('a,b\n1,x\n2,"y\n3,z\n', r"row 2 \(line 3\): unexpected end of data; is a quotation"),
        ('a,b\n1,"x"y\n', r"row 1 \(line 2\): ',' expected after '\"'"),
        ('a,"b\n1,2\n', r"line 2: unexpected end of data"),
        ("a,b\n1,2\n2,3\n3,4\nx,5\n", r"row 4 \(line 5\), column 'a': 'x' is not a finite number"),
        ("a\n1\n2\ninf\n", r"row 3 \(line 4\), column 'a': 'inf' is not a finite number"),
        ("a\n1\n2\n1e999\n", r"row 3 \(line 4\), column 'a': '1e999' is not a finite number"),
        ("a\n1\n2\n1_000\n", r"row 3 \(line 4\), column 'a': '1_000' is not a finite number"),
        ("a\n1\n2\n\u0661\n", "row 3 .line 4., column 'a': '\u0661' is not a finite number"),
        ("a\n1\n2\n0x1F\n", r"row 3 \(line 4\), column 'a': '0x1F' is not a finite number"),
        ("a|b\n1,234|x\n", r"row 1 \(line 2\), column 'a': '1,234' looks like a number, but is"),
        ("a|b\n$12|x\n", r"'\$12' looks like a number, but is not written like 1234\.5"),
        ("a|b\n45%|x\n", r"'45%' looks like a number, but is not written like 1234\.5"),
        ("a,b\n1,x\n2,y\0\n", r"row 2 \(line 3\), column 'b': a NUL character; the file may be"),
        ("a,b\n1,x\n2\0,y\n3,y\n", r"row 2 \(line 3\), column 'a': a NUL character"),
        ("a\0,b\n1,2\n", r"line 1: a NUL character"),
        (b"a,b\n1,x\n2,\xe9\n", r"row 2 \(line 3\), column 'b': the byte 0xE9 is not UTF-8: save"),
        (b"a,b\n1,2\n3,4\xe9\n5,6\n", r"row 2 \(line 3\), column 'b': the byte 0xE9 is not UTF-8"),
        (b"\xe9,b\n1,x\n", r"line 1: the byte 0xE9 is not UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), r"line 1: (a NUL character|the byte 0xFF)"),
        (gzip.compress(b"a,b\n1,2\n3,4\n" * 99)[:-20], r"is damaged: Compressed file ended"),
        (b"\x1f\x8b" + bytes(40), r"is damaged: "),
        ('a,b\n1,"' + "x" * 200_000 + '"\n', r"row 1 \(line 2\): field larger than field limit"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(content: Content, message: str) -> None:
    with pytest.raises(DataError, match=r"data\.csv\b.*" + message):
        table_of(content)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"ignore": ["c"]}, DataError, r"has no column 'c'; it has 'a', 'b'"),
        ({"text": ["c"]}, DataError, r"has no column 'c'; it has 'a', 'b'"),
        ({"kinds": {"c": "text"}}, DataError, r"has no column 'c'; it has 'a', 'b'"),
        ({"kinds": {"a": "date"}}, ValueError, r"kinds maps names to 'number' or 'text'"),
        ({"kinds": {"a": "text"}, "ignore": ["b"]}, ValueError, r"without ignore and text"),
        ({"ignore": ["a", "b"]}, DataError, r"no column is left to read of 'a', 'b'"),
        ({"ignore": "a"}, DataError, r"ignore must be a list of texts, got 'a'"),
        ({"missing": [None]}, DataError, r"missing must be a list of texts, got \[None\]"),
        ({"delimiter": ",,"}, ValueError, r"delimiter must be one character, such as ';'"),
        ({"delimiter": '"'}, ValueError, r"delimiter must be one character"),
        ({"most_categories": 0}, ValueError, r"most_categories must be at least 1, got 0"),
        ({"memory": -1}, ValueError, r"memory must be a finite number of at least 0"),
        ({"progress": "yes"}, DataError, r"progress must be True or False"),
    ],
)
def test_bad_arguments_are_refused(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        table_of("a,b\n1,x\n2,y\n", **options)


def test_too_many_categories_name_the_row_and_the_way_out() -> None:
    content = "id,x\n" + "".join(f"n{i % 60},{i}\n" for i in range(100))
    with pytest.raises(
        DataError, match=r"row 51 \(line 52\), column 'id': 'n50' .*ignore=\['id'\]"
    ):
        table_of(content)
    assert len(table_of(content, most_categories=60).columns["id"].names) == 60


def test_paths_that_are_no_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_csv(tmp_path / "none.csv")
    with pytest.raises(IsADirectoryError):
        read_csv(tmp_path)
    with pytest.raises(DataError, match="path must be the path of a file, got 3"):
        read_csv(3)  # type: ignore[arg-type]
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        read_csv(tmp_path / "pipe")


@given(
    blank=st.lists(st.booleans(), min_size=1, max_size=30),
    tall=st.lists(st.booleans(), min_size=30, max_size=30),
    bad=st.integers(0, 29),
    piece=st.integers(1, 50),
)
def test_a_bad_cell_is_placed_by_row_and_line(
    blank: list[bool], tall: list[bool], bad: int, piece: int
) -> None:
    """Blank lines and cells of two lines before it move the line, and not the row."""
    bad %= len(blank)
    lines, starts = ["x,note"], []
    for row, (gap, two) in enumerate(zip(blank, tall, strict=False)):
        lines += [""] * gap
        starts.append(len(lines) + 1)
        number = "oops" if row == bad else "1"
        lines += [f'{number},"two', 'lines"'] if two else [f"{number},one"]
    place = re.escape(f"row {bad + 1} (line {starts[bad]}), column 'x': 'oops'")
    with pieces_of(piece), pytest.raises(DataError, match=place):
        table_of("\n".join(lines), kinds={"x": "number", "note": "text"})


@given(
    content=st.binary(max_size=60)
    | st.text('ab12.,;"\n\r\t -e_é\0', max_size=60).map(str.encode)
    | st.text('ab12.,"\n', max_size=60).map(lambda tail: f"x,y\n{tail}".encode())
    | st.binary(max_size=60).map(gzip.compress)
    | st.binary(max_size=60).map(lambda tail: b"\x1f\x8b" + tail),
    piece=st.integers(1, 9),
)
def test_any_bytes_give_a_table_or_a_clear_error(content: bytes, piece: int) -> None:
    try:
        with pieces_of(piece):
            table = table_of(content)
    except DataError as error:
        assert "data.csv" in str(error)  # noqa: PT017
        return
    assert len(table) > 0
    for column in table.columns.values():
        assert len(column.values) == len(table)
        if column.kind == "number":
            assert np.isfinite(column.values[~column.is_missing]).all()
        else:
            assert column.values.max(initial=-1) < len(column.names)


# --- reading: large files -------------------------------------------------------------------


def test_a_line_without_end_is_refused() -> None:
    with (
        mock.patch.object(tables, "MOST_LINE", 1000),
        pytest.raises(DataError, match=r"line 2 has more than 1,000 characters"),
    ):
        table_of("a\n" + "1" * 5000)


@pytest.mark.parametrize("pack", [False, True])
def test_a_table_that_will_be_too_large_is_refused_early(pack: bool, tmp_path: Path) -> None:
    rows = 20_000
    rng = np.random.default_rng(0)
    content = ("a,b\n" + "".join(f"{a:.9f},{a:.5f}\n" for a in rng.random(rows))).encode()
    path = tmp_path / "large.csv"
    path.write_bytes(gzip.compress(content) if pack else content)
    takes = rows * 24  # two numbers and the line of each row
    read = mock.Mock(side_effect=tables._Numbers.extend, autospec=True)
    with (
        pieces_of(2000),
        mock.patch.object(tables._Numbers, "extend", lambda *a: read(*a)),
        pytest.raises(MemoryError, match=r"large\.csv takes about .* 2 columns, and the limit is"),
    ):
        read_csv(path, memory=takes * 0.8)
    assert read.call_count <= 8  # of 40: some pieces of both columns are enough to tell
    assert len(read_csv(path, memory=takes)) == rows


def test_memory_holds_the_numbers_and_little_more(tmp_path: Path) -> None:
    rows, path = 20_000, tmp_path / "large.csv"
    line = "1.25,-3.5e10,7,0.015625,red\n"
    path.write_text("a,b,c,d,e\n" + line * rows)
    with pieces_of(5000):
        tracemalloc.start()
        try:
            table = read_csv(path)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    size = sum(c.values.nbytes for c in table.columns.values()) + table.lines.nbytes
    assert size == rows * (4 * 8 + 4 + 8)
    assert peak < 1.2 * size + 1_200_000  # the piece of text at hand


def test_memory_that_runs_out_is_worded() -> None:
    with (
        mock.patch.object(tables._Numbers, "extend", side_effect=MemoryError),
        pytest.raises(MemoryError, match=r"data\.csv does not fit into memory"),
    ):
        table_of("a\n1\n")


def test_the_progress_bar_counts_the_bytes_of_the_file() -> None:
    content = "a,b\n" + "1,2\n" * 5000
    bars = []

    class Bar:
        def __init__(self, total: int, **style: Any) -> None:
            self.total, self.n = total, 0
            bars.append(self)

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *error: object) -> None: ...

        def update(self, bytes_read: int) -> None:
            assert bytes_read >= 0
            self.n += bytes_read

    with mock.patch("tqdm.auto.tqdm", Bar), pieces_of(1000):
        table_of(content, progress=True)
        table_of(content)
    assert [(bar.n, bar.total) for bar in bars] == [(len(content), len(content))]
    with (
        mock.patch.dict("sys.modules", {"tqdm.auto": None}),
        pytest.raises(ImportError, match="tqdm"),
    ):
        table_of(content, progress=True)


# --- preparation ----------------------------------------------------------------------------


def test_features_are_those_of_scikit_learn() -> None:
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    rng = np.random.default_rng(0)
    numbers = rng.normal(5, 3, (60, 2))
    numbers[rng.random((60, 2)) < 0.2] = np.nan
    cities = rng.choice(["Rome", "Oslo", "Bern"], 60)
    cities[50] = "Nice"  # not among the rows that are fitted
    lines = [f"{a},{b},{city},{a}" for (a, b), city in zip(numbers.tolist(), cities, strict=True)]
    table = table_of("a,b,city,y\n" + "\n".join(lines))
    table.columns["y"].values[:] = np.arange(60)
    preparation = Preparation.of(table, "y", rows=np.arange(50))
    scaler = preprocessing.StandardScaler().fit(numbers[:50])
    encoder = preprocessing.OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    ones = encoder.fit(cities[:50, None]).transform(cities[:, None])
    wanted = np.hstack([np.nan_to_num(scaler.transform(numbers)), ones])
    np.testing.assert_allclose(preparation.x(table), wanted, rtol=1e-12, atol=1e-12)
    assert preparation.feature_names == ("a", "b", "city=Bern", "city=Oslo", "city=Rome")
    assert preparation.x(table)[50, 2:].tolist() == [0, 0, 0]


PEOPLE = "name,age,city,pays\n" + "".join(
    f"n{i},{'' if i == 7 else i % 13 + 0.1},{('Rome', 'Oslo', '?')[i % 3]},{i * 1.7}\n"
    for i in range(40)
)


@given(seed=st.integers(0, 99), order=st.permutations(range(5)), delimiter=st.sampled_from(",;\t"))
def test_another_file_gives_the_same_numbers_whatever_its_columns_order(
    seed: int, order: list[int], delimiter: str
) -> None:
    table = table_of(PEOPLE, ignore=["name"])
    _, _, preparation = prepare(table, "pays", seed=seed)
    rows = [[*row, "extra"] for row in csv.reader(PEOPLE.splitlines())]
    rows[0][-1] = "more"
    shuffled = [[row[j] for j in order] for row in rows]
    again = Preparation.from_json(preparation.to_json())
    assert again == preparation
    with file_of(written(shuffled, delimiter)) as path:
        other = again.read(path)
    assert again.x(other).tobytes() == preparation.x(table).tobytes()
    assert again.y(other).tobytes() == preparation.y(table).tobytes()
    without = [[row[j] for j in order if j != 3] for row in rows]
    with file_of(written(without, delimiter)) as path:
        assert again.x(again.read(path)).tobytes() == preparation.x(table).tobytes()


@given(seed=st.integers(0, 99), factor=st.floats(2, 1e6))
def test_test_rows_do_not_leak_into_the_preparation(seed: int, factor: float) -> None:
    table = table_of(PEOPLE, ignore=["name"])
    train, test, preparation = prepare(table, "pays", seed=seed, test=0.3)
    assert (len(train.x), len(test.x)) == (28, 12)
    np.testing.assert_allclose(train.y.mean(), 0, atol=1e-12)
    np.testing.assert_allclose(train.y.std(), 1)
    held_out = np.isin(preparation.y(table)[:, 0], test.y[:, 0])
    table.columns["age"].values[held_out] *= factor
    table.columns["pays"].values[held_out] *= factor
    assert prepare(table, "pays", seed=seed, test=0.3)[2] == preparation


def test_a_missing_number_counts_as_the_mean_and_is_noted() -> None:
    table = table_of("a,b,y\n1,x,u\n,x,v\n3,,u\n")
    preparation = Preparation.of(table, "y")
    assert preparation.x(table).tolist() == [[-1, 1], [0, 1], [1, 0]]
    assert preparation.notes(table) == [
        "1 row without 'a': the mean is taken",
        "1 row without 'b': no category is taken",
    ]


def test_constant_columns_are_left_out_and_noted() -> None:
    table = table_of("a,b,c,d,y\n1,5,q,,u\n2,5,q,,v\n3,,q,,v\n")
    preparation = Preparation.of(table, "y")
    assert preparation.feature_names == ("a",)
    assert preparation.left_out == ("b", "c", "d")
    assert preparation.notes(table)[:2] == [
        "column 'b' holds one value only: left out",
        "column 'c' holds one value only: left out",
    ]


def test_a_constant_column_is_seen_through_rounding() -> None:
    # The mean of ten times 0.1 is not 0.1, so a deviation of 0 would not be found.
    table = table_of("a,b,y\n" + "".join(f"0.1,{i},{i % 2}\n" for i in range(10)))
    assert Preparation.of(table, "y").left_out == ("a",)


def test_rows_without_a_target_are_left_out_and_counted() -> None:
    table = table_of("a,y\n1,u\n2,\n3,v\n4,NA\n5,u\n6,v\n")
    train, test, preparation = prepare(table, "y", test=0.5)
    assert sorted([*train.y, *test.y]) == [0, 0, 1, 1]
    assert preparation.notes(table) == ["2 rows without 'y': left out"]
    assert preparation.y(table).tolist() == [0, 1, 0, 1]
    assert preparation.dataset(table).x.shape == (4, 1)
    assert len(preparation.x(table)) == 6


def test_new_categories_are_none_of_the_known_and_are_noted() -> None:
    preparation = Preparation((OneHot("b", ("p", "q")),), Scaled("y", 0.0, 1.0), MISSING)
    with file_of("b\nq\nz\n?\nw\n") as path:
        table = preparation.read(path)
    assert preparation.x(table).tolist() == [[0, 1], [0, 0], [0, 0], [0, 0]]
    assert preparation.notes(table) == [
        "1 row without 'b': no category is taken",
        "2 rows with 'b' not met in training, the first 'z' in row 2: no category",
    ]


def test_what_stands_for_missing_is_remembered() -> None:
    table = table_of("a,y\n1,u\n-,v\n3,v\n", missing=["-"])
    preparation = Preparation.from_json(Preparation.of(table, "y").to_json())
    with file_of("a\n-\n3\n") as path:
        assert preparation.x(preparation.read(path)).tolist() == [[0], [1]]


def test_many_new_categories_are_no_error() -> None:
    preparation = Preparation((OneHot("b", ("p", "q")),), Scaled("y", 0.0, 1.0))
    with file_of("b\n" + "".join(f"n{i}\n" for i in range(500))) as path:
        assert preparation.x(preparation.read(path)).any() == np.False_


@pytest.mark.parametrize(
    ("cells", "task", "target"),
    [
        ("u v u v", None, ("u", "v")),
        ("true false true", None, ("false", "true")),
        ("10 9 10 9", None, ("9", "10")),
        ("-1 1.0 1 -1", None, ("-1", "1")),
        ("0 -0 1 1", None, ("0", "1")),
        ("0.5 1 0.5 1", "classification", ("0.5", "1")),
        ("1 2 3 4", "classification", ("1", "2", "3", "4")),
        ("1 2 3 4", None, None),
        ("0.5 1 0.5 1", None, None),
        ("10 9 10 9", "regression", None),
        ("-0 0 1 1", None, ("0", "1")),
        (" ".join(map(str, [*range(20)] * 2)), None, tuple(map(str, range(20)))),
        (" ".join(map(str, [*range(21)] * 2)), None, None),
    ],
)
def test_the_target_tells_the_task(cells: str, task: Any, target: tuple[str, ...] | None) -> None:
    lines = [f"{i},{cell}" for i, cell in enumerate(cells.split())]
    table = table_of("\n".join(["x,y", *lines]))
    preparation = Preparation.of(table, "y", task)
    assert preparation.class_names == (target or ())
    y = preparation.y(table)
    if target is None:
        numbers = np.array(cells.split(), dtype=float)[:, None]
        assert isinstance(preparation.target, Scaled)
        np.testing.assert_allclose(preparation.target.decode(y), numbers)
        np.testing.assert_allclose([y.mean(), y.std()], [0, 1], atol=1e-12)
    else:
        assert y.dtype == np.int64
        named = [target[k] for k in y]
        assert named == [c.replace("1.0", "1").replace("-0", "0") for c in cells.split()]


@pytest.mark.parametrize(
    ("content", "arguments", "error", "message"),
    [
        ("x,y\n1,u\n2,u\n", {}, DataError, r"column 'y' holds one class only, 'u'"),
        ("x,y\n1,5\n2,5\n", {}, DataError, r"column 'y' holds one class only, '5'"),
        ("x,y\n1,.5\n2,.5\n", {}, DataError, r"column 'y' holds one number only"),
        ("x,y\n1,?\n2,\n", {}, DataError, r"column 'y' is the target, and is empty"),
        ("x,y\n1,u\n1,v\n", {}, DataError, r"no column to learn 'y' from: x hold"),
        ("y\nu\nv\n", {}, DataError, r"no column to learn 'y' from: it is the only one"),
        ("x,z\n1,u\n2,v\n", {}, DataError, r"has no column 'y'; it has 'x', 'z'"),
        ("x,y\n1,u\n2,v\n", {"task": "regression"}, DataError, r"'y' holds texts: a regression"),
        ("x,y\n1,u\n2,v\n", {"task": "both"}, ValueError, r"task must be 'classification' or"),
        ("x,y\n1e300,u\n-1e300,v\n", {}, DataError, r"column 'x': numbers from -1e\+300 to 1e\+30"),
        ("x,y\n1e-300,u\n0,v\n", {}, DataError, r"column 'x': numbers from 0 to 1e-300 are too"),
        (
            "x,y\n" + "".join(f"{i},{i}\n" for i in range(1001)),
            {"task": "classification"},
            DataError,
            r"column 'y' holds 1,001 classes, at most 1000 are taken",
        ),
    ],
)
def test_what_cannot_be_learnt_is_said(
    content: str, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Preparation.of(table_of(content), "y", **arguments)


def test_a_class_of_one_row_lies_in_one_of_the_parts() -> None:
    table = table_of("x,y\n" + "".join(f"{i},{'uv'[i % 2]}\n" for i in range(20)) + "20,w\n")
    for seed in range(10):
        train, test, preparation = prepare(table, "y", seed=seed)
        assert preparation.class_names == ("u", "v", "w")
        assert (np.sum(train.y == 2), np.sum(test.y == 2)) in [(1, 0), (0, 1)]


def test_classes_have_their_share_of_both_parts() -> None:
    table = table_of("x,y\n" + "".join(f"{i},{'uuuuv'[i % 5]}\n" for i in range(100)))
    train, test, _ = prepare(table, "y", test=0.25)
    assert (np.bincount(train.y).tolist(), np.bincount(test.y).tolist()) == ([60, 15], [20, 5])
    assert set(train.x[:, 0]).isdisjoint(test.x[:, 0])


def test_later_tables_that_do_not_fit_are_errors_with_the_row() -> None:
    features = Scaled("a", 0.0, 1e-10), OneHot("b", ("p", "q"))
    preparation = Preparation(features, Classes("y", ("u", "v"), "text"), MISSING)
    with file_of("b,a,y\np,1,u\nq,2,w\n") as path:
        with pytest.raises(DataError, match=r"row 2 \(line 3\), column 'y': 'w' is none of the cl"):
            preparation.y(preparation.read(path))
        assert "y" not in preparation.read(path, target=False).columns
    with (
        file_of("b,a\np,1\nq,x\n") as path,
        pytest.raises(
            DataError,
            match=r"row 2 \(line 3\), column 'a': 'x' is not a finite number, and the c.*are$",
        ),
    ):
        preparation.read(path)
    with file_of("b\np\n") as path, pytest.raises(DataError, match="has no column 'a'; it has 'b'"):
        preparation.read(path)
    with (
        file_of("b,a\np,1\nq,1e300\n") as path,
        pytest.raises(
            DataError, match=r"row 2 \(line 3\), column 'a': 1e\+300 is too far from the training"
        ),
    ):
        preparation.x(preparation.read(path))
    with pytest.raises(DataError, match="column 'a' holds texts, expected numbers"):
        preparation.x(table_of("b,a\np,x\n"))
    with pytest.raises(DataError, match="has no column 'y'"):
        preparation.y(table_of("b,a\np,1\n"))


# --- JSON -----------------------------------------------------------------------------------

finite = st.floats(allow_nan=False, allow_infinity=False)
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=5)
text_tuples = st.lists(names, min_size=2, max_size=4, unique=True).map(tuple)


@st.composite
def preparations(draw: st.DrawFn) -> Preparation:
    *features, target = draw(st.lists(names, min_size=2, max_size=5, unique=True))

    def scaled(name: str) -> Scaled:
        return Scaled(name, draw(finite), draw(st.floats(5e-324, 1e308)))

    parts = [
        scaled(name) if draw(st.booleans()) else OneHot(name, draw(text_tuples))
        for name in features
    ]
    goal = (
        Classes(target, draw(text_tuples), draw(st.sampled_from(["text", "number"])))
        if draw(st.booleans())
        else scaled(target)
    )
    return Preparation(tuple(parts), goal, draw(text_tuples), draw(text_tuples))


@given(preparation=preparations())
def test_json_gives_back_the_same_preparation(preparation: Preparation) -> None:
    text = preparation.to_json()
    assert repr(Preparation.from_json(text)) == repr(preparation)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)


@given(preparation=preparations(), data=st.data())
def test_hostile_json_is_a_clear_error(preparation: Preparation, data: st.DataObject) -> None:
    plain = json.loads(preparation.to_json())
    part = data.draw(st.sampled_from([plain, plain["target"], plain["features"][0]]))
    part[data.draw(st.sampled_from([*part, "more"]))] = data.draw(json_values)
    try:
        read = Preparation.from_json(json.dumps(plain))
    except DataError as error:
        assert str(error).startswith("not a preparation: ")  # noqa: PT017
    else:
        assert Preparation.from_json(read.to_json()) == read


@pytest.mark.parametrize(
    "text", ["", "{", "3", "[]", "null", "[" * 100_000, "{}", None, '{"format": 2}']
)
def test_what_is_no_preparation_is_refused(text: Any) -> None:
    with pytest.raises(DataError, match="not a preparation: "):
        Preparation.from_json(text)
