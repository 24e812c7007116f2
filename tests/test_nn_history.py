"""`History`: lists by epoch, its state, and how it and its epochs are shown."""

from __future__ import annotations

import math
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd import DataError, ShapeError
from nn import SGD, History, Linear, cross_entropy, fit, mse_loss
from nn.checkpoint import read_state, write_state
from nn.history import NUMBERS, print_epochs

X = np.linspace(-1, 1, 40).reshape(20, 2)
Y = X.sum(axis=1)


def trained(epochs: int = 3, model: Any = None, loss: Any = mse_loss, **options: Any) -> History:
    model = model or Linear(2, 1, rng=0)
    data = options.pop("data", (X, Y))
    options = {"progress": False, "patience": None, **options}
    return fit(model, loss, SGD(model, 0.05), data, epochs, **options)


# ------------------------------------------------------------------------------ lists


def test_history_shows_first_and_last_numbers() -> None:
    history = History(stopped="epochs used up")
    history.append(loss=2.0, gradient_norm=1.0, seconds=0.5)
    history.append(loss=0.25, gradient_norm=0.5, seconds=0.5)
    assert repr(history).splitlines() == [
        "History: 2 epochs in 1 s; stopped: epochs used up",
        "  loss                         2 -> 0.25",
        "  gradient_norm                1 -> 0.5",
    ]


def test_trim_makes_the_lists_equally_long() -> None:
    history = History(loss=[1.0, 2.0], accuracy=[1.0, 2.0], validation_loss=[1.0])
    history.metrics["f1"] = [0.5, 0.5]
    history.trim()
    assert set(map(len, history.columns().values())) == {0}


def test_a_metric_that_comes_late_is_nan_before() -> None:
    history = History()
    history.append(loss=2.0)
    history.append(loss=1.0, f1=0.5)
    history.append(loss=0.5)
    np.testing.assert_equal(history.metrics, {"f1": [math.nan, 0.5, math.nan]})
    assert {len(column) for column in history.columns().values()} == {3}


numbers = st.lists(st.floats(width=64), max_size=5)


@given(numbers, st.text(min_size=1, max_size=5), st.text(max_size=9))
def test_the_state_comes_back_from_a_file_bit_by_bit(
    tmp_path_factory: pytest.TempPathFactory, losses: list[float], name: str, stopped: str
) -> None:
    history = History(stopped=stopped, best_epoch=1 if losses else None)
    for loss in losses:
        history.append(loss=loss, **({} if name in NUMBERS else {name: loss}))
    path = tmp_path_factory.mktemp("history") / "state.safetensors"
    write_state(path, history.state_dict())
    back = History(loss=[9.0], metrics={"other": [9.0]})
    back.load_state_dict(read_state(path))
    assert back.columns().keys() == history.columns().keys()
    assert np.array(back.loss).tobytes() == np.array(losses).tobytes()
    np.testing.assert_equal(back.columns(), history.columns())
    assert (back.best_epoch, back.stopped) == (history.best_epoch, stopped)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"numbers": None}, DataError, "the numbers of a history are lists by name, got NoneType"),
        ({"numbers": {}}, ValueError, "a history has the lists loss, accuracy"),
        ({"metrics": {"loss": np.ones(1)}}, ValueError, "a history has the lists"),
        ({"metrics": {"f1": np.ones(2)}}, ShapeError, r"differ in length: \[1, 2\]"),
        ({"metrics": {"f1": np.ones((1, 1))}}, ShapeError, "one number an epoch, but more of f1"),
        ({"metrics": {"f1": "text"}}, DataError, "f1 of a history must hold real numbers"),
        ({"best_epoch": 2}, ValueError, "best_epoch must be at most 1"),
        ({"best_epoch": 0}, ValueError, "best_epoch must be at least 1"),
        ({"best_epoch": 1.0}, DataError, "best_epoch must be an integer"),
        ({"stopped": None}, DataError, "in words, got None"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(
    change: dict[str, Any], error: type[Exception], message: str
) -> None:
    state = History(**{name: [1.0] for name in NUMBERS}).state_dict()
    history = History(loss=[2.0])
    with pytest.raises(error, match=message):
        history.load_state_dict({**state, **change})
    assert history == History(loss=[2.0])


# ------------------------------------------------------------------------------ the table


def test_the_table_has_its_headings_once_and_its_columns_aligned(
    capsys: pytest.CaptureFixture[str],
) -> None:
    trained(12, callbacks=[print_epochs])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["gradient", "learning"]
    assert lines[1].split() == ["epoch", "loss", "norm", "rate", "seconds"]
    rows = lines[2:]
    assert [row.split()[0] for row in rows] == [str(epoch) for epoch in range(1, 13)]
    assert {len(row) for row in rows} == {len(lines[1])}


def test_the_table_has_a_column_for_all_that_has_numbers(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def wrong(scores: Any, y: Any) -> float:
        return float(np.mean(scores.argmax(axis=1) != y))

    options = {"data": (X, np.arange(20) % 2), "validation": 0.2, "metrics": {"wrong": wrong}}
    history = trained(2, Linear(2, 2, rng=0), cross_entropy, callbacks=[print_epochs], **options)
    over, under, *rows = capsys.readouterr().out.splitlines()
    assert over.split() == ["validation"] * 2 + ["gradient", "learning", "validation"]
    heading = "epoch loss accuracy loss accuracy norm rate seconds wrong wrong"
    assert under.split() == heading.split()
    assert len(under) - len(" wrong" * 2) <= 99
    shown = [float(cell) for cell in rows[-1].split()[1:]]
    expected = [column[-1] for column in history.columns().values()]
    np.testing.assert_allclose(shown, expected, rtol=0.06)


def test_a_number_that_is_missing_later_leaves_a_gap(capsys: pytest.CaptureFixture[str]) -> None:
    answers = iter([0.25, math.nan, 0.75])
    trained(3, metrics=lambda scores, y: next(answers), callbacks=[print_epochs])
    rows = capsys.readouterr().out.splitlines()[2:]
    assert [len(row.split()) for row in rows] == [6, 5, 6]
    assert len({len(row) for row in rows}) == 1


def test_the_table_and_the_bar_get_along(capsys: pytest.CaptureFixture[str]) -> None:
    trained(2, callbacks=[print_epochs], progress=True)
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["epoch", "1", "2"]
    assert "2/2" in err


# ------------------------------------------------------------------------------ in a notebook


class Table(HTMLParser):
    """The cells of a table, row by row; every tag must be closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.bold: list[int] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
            self.bold += [len(self.rows) - 1] * bool(attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1] in ("td", "th"):
            self.rows[-1].append(data)


def test_a_short_history_is_a_table_of_all_its_epochs() -> None:
    history = trained(4, validation=(X, Y))
    table = Table(history._repr_html_())
    assert [row[0] for row in table.rows] == ["epoch", "1", "2", "3", "4"]
    assert table.rows[0][2] == "validation loss"
    assert table.rows[4][1] == f"{history.loss[3]:.4g}"
    assert table.bold == [history.best_epoch]


def test_a_long_history_is_a_table_of_its_ends() -> None:
    history = trained(50)
    table = Table(history._repr_html_())
    expected = ["epoch", *"12345", "…", "46", "47", "48", "49", "50"]
    assert [row[0] for row in table.rows] == expected
    assert table.rows[-1][1] == f"{history.loss[49]:.4g}"
    assert table.bold == []


def test_names_and_reasons_are_escaped() -> None:
    name = '<script>alert(1)</script> & "x"'
    history = trained(2, metrics={name: lambda scores, y: 1.0}, callbacks=[lambda epoch: "<b>"])
    text = history._repr_html_()
    assert "<script" not in text
    assert "<b>" not in text
    assert Table(text).rows[0][-1] == name


def test_an_empty_history_shows_itself() -> None:
    assert "not started" in History()._repr_html_()
    assert Table(History()._repr_html_()).rows[0][0] == "epoch"
