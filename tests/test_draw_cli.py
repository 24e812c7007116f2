"""The command line that draws: files, words and pictures come of it, or one error that says why."""

from __future__ import annotations

import doctest
import os
import re
import shlex
import signal
import subprocess
import sys
import unicodedata
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd.__main__ as command_line
from autograd import Value, draw
from autograd.__main__ import main
from autograd.explain import explain
from autograd.expression import functions
from autograd.formula import formula

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "drawing-from-the-command-line.md"
Output = pytest.CaptureFixture[str]

NEURON = ["tanh(a*b + c)", "a=2", "b=-3", "c=6.5"]


def done(output: Output, *arguments: object) -> str:
    """Run a command line that must succeed, and return what it prints."""
    output.readouterr()
    code = main([str(argument) for argument in arguments])
    out, err = output.readouterr()
    assert (code, err) == (0, "")
    return out


def refused(output: Output, *arguments: object) -> str:
    """Run a command line that must be refused, and return what it says."""
    output.readouterr()
    code = main([str(argument) for argument in arguments])
    out, err = output.readouterr()
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.endswith("\n")
    assert "Traceback" not in err
    return err


def neuron() -> tuple[Value, dict[str, Value]]:
    """The graph of NEURON, made by hand."""
    a, b, c = Value(2.0, label="a"), Value(-3.0, label="b"), Value(6.5, label="c")
    y = (a * b + c).tanh()
    y.backward()
    return y, {"a": a, "b": b, "c": c}


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a viewer was asked to open."""
    addresses: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: addresses.append(address) or True)
    return addresses


# --------------------------------------------------------------------------- pictures


def test_without_a_file_the_terminal_shows_boxes(capsys: Output) -> None:
    assert done(capsys, "draw", *NEURON) == draw(neuron()[0]).text


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf", "dot", "mmd", "txt"])
def test_a_file_is_what_the_drawing_saves(suffix: str, tmp_path: Path, capsys: Output) -> None:
    path = tmp_path / f"graph.{suffix}"
    assert done(capsys, "draw", *NEURON, "-o", path) == f"written to {path}\n"
    draw(neuron()[0]).save(f"expected.{suffix}")
    assert path.read_bytes() == (tmp_path / f"expected.{suffix}").read_bytes()


def test_gradients_are_in_the_picture(capsys: Output) -> None:
    done(capsys, "draw", "a*b", "a=2", "b=-3", "-o", "graph.svg")
    texts = "".join(ElementTree.parse("graph.svg").getroot().itertext())
    assert "\N{EN DASH}" not in texts  # which would say that no gradient was computed
    assert "-3" in texts


def test_several_files_at_once(tmp_path: Path, capsys: Output) -> None:
    said = done(capsys, "draw", *NEURON, "-o", "a.svg", "--output", "b.dot")
    assert said == "written to a.svg\nwritten to b.dot\n"
    assert {path.name for path in tmp_path.iterdir()} == {"a.svg", "b.dot"}


def test_options_and_values_come_in_any_order(capsys: Output) -> None:
    usual = done(capsys, "draw", *NEURON, "--direction", "TB", "--number", ".2f")
    expression, *values = NEURON
    assert done(capsys, "draw", "--number=.2f", expression, "--direction", "TB", *values) == usual
    between = [expression, values[0], "--direction", "TB", *values[:0:-1], "--number", ".2f"]
    assert done(capsys, "draw", *between) == usual


def test_options_reach_the_picture(capsys: Output) -> None:
    options = ["--direction", "TB", "--show", "data,local,type", "--number", ".2f"]
    expected = draw(neuron()[0], direction="TB", show=("data", "local", "type"), number=".2f")
    assert done(capsys, "draw", *NEURON, *options) == expected.text


def test_a_large_graph_is_folded_or_not_as_asked(capsys: Output) -> None:
    text = "+".join(["a"] * 30)
    assert "folded" in done(capsys, "draw", text, "a=1", "--max-nodes", "20", "--show", "data")
    assert "folded" not in done(capsys, "draw", text, "a=1", "--show", "data")


def test_names_are_the_same_however_the_keyboard_wrote_them(capsys: Output) -> None:
    one, two = "\N{LATIN SMALL LETTER E WITH ACUTE}", "e\N{COMBINING ACUTE ACCENT}"
    usual = done(capsys, "draw", f"{one}*2", f"{one}=3", "--explain", one)
    assert done(capsys, "draw", f"{two}*2", f"{one}=3", "--explain", two) == usual
    assert done(capsys, "draw", f"{one}*2", f"{two}=3", "--explain", one) == usual


def test_an_expression_may_begin_with_a_minus_sign(capsys: Output) -> None:
    for text in ("-a*b", "---a*b", "-hypot(a, b)", "-a**2 + b", "-(a + b)"):
        assert done(capsys, "draw", text, "a=2", "b=3", "--formula").startswith("output = -")


# --------------------------------------------------------------------------- words and steps


def test_an_explanation_is_printed(capsys: Output) -> None:
    y, leaves = neuron()
    assert done(capsys, "draw", *NEURON, "--explain", "a") == f"{explain(y, leaves['a']).text}\n"


def test_with_an_explanation_the_largest_path_is_marked(capsys: Output) -> None:
    y, leaves = neuron()
    reasons = explain(y, leaves["b"])
    said = done(capsys, "draw", *NEURON, "--explain", "b", "-o", "graph.svg")
    assert said == f"{reasons.text}\nwritten to graph.svg\n"
    show = ("data", "grad", "local")
    picture = draw(y, show=show, path=reasons.paths[0], wrt=leaves["b"])
    assert Path("graph.svg").read_text(encoding="utf-8") == picture.svg
    assert picture.svg != draw(y, show=show).svg


def test_a_name_without_influence_has_no_path(capsys: Output) -> None:
    said = done(capsys, "draw", "where(1, a, b)", "a=2", "b=3", "--explain", "b", "-o", "g.svg")
    assert "no path" in said


def test_formulas_are_printed_in_the_order_of_names(capsys: Output) -> None:
    said = done(capsys, "draw", NEURON[0], "c=6.5", "b=-3", "a=2", "--formula").splitlines()
    y, leaves = neuron()
    assert said == [
        f"output = {formula(y)}",
        *(f"d(output)/d{name} = {formula(y, leaf)}" for name, leaf in leaves.items()),
    ]


@pytest.mark.parametrize("name", ["steps.html", "steps.gif"])
def test_steps_are_written_to_a_file(name: str, capsys: Output) -> None:
    assert done(capsys, "draw", "a*b + a", "a=2", "b=-3", "--steps", name) == f"written to {name}\n"
    content = Path(name).read_bytes()
    assert content.startswith(b"<!DOCTYPE html>" if name.endswith("html") else b"GIF89a")


def test_steps_are_written_to_a_folder(tmp_path: Path, capsys: Output) -> None:
    done(capsys, "draw", "a*b + a", "a=2", "b=-3", "--steps", "steps")
    files = sorted((tmp_path / "steps").iterdir())
    assert len(files) == 4  # the output, +, ×, and what was found
    assert {path.suffix for path in files} == {".svg"}


# --------------------------------------------------------------------------- opening


def test_what_was_written_is_opened(tmp_path: Path, capsys: Output, opened: list[str]) -> None:
    done(capsys, "draw", *NEURON, "-o", "a b.svg", "-o", "c.txt", "--open")
    assert opened == [(tmp_path / "a b.svg").as_uri(), (tmp_path / "c.txt").as_uri()]


def test_without_a_file_a_temporary_picture_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output, opened: list[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert done(capsys, "draw", *NEURON, "--open") == ""
    (path,) = tmp_path.iterdir()
    assert opened == [path.as_uri()]
    assert path.read_text(encoding="utf-8") == draw(neuron()[0]).svg


def test_no_viewer_is_an_error_that_says_where_the_picture_is(
    monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda address: False)
    assert main(["draw", *NEURON, "-o", "graph.svg", "--open"]) == 2
    assert "open graph.svg by hand" in capsys.readouterr().err


# --------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a*b"], ["no value for a and b", "a=1.5"]),
        (["a*b", "a=2"], ["no value for b"]),
        (["a", "a=2", "x=1"], ["x is not in the expression", "names are a"]),
        (["alpha", "alpah=2"], ["did you mean alpha?"]),
        (["a", "a=2", "a=2"], ["'a' is given twice"]),
        (["a", "a=two"], ["'a'", "one finite number", "'two'"]),
        (["a", "a=pi"], ["one finite number", "'pi'"]),
        (["a", "a=nan"], ["one finite number", "'nan'"]),
        (["a", "a=-inf"], ["one finite number", "'-inf'"]),
        (["a", "a=1e999"], ["one finite number", "'1e999'"]),
        (["a", "a="], ["one finite number", "''"]),
        (["a", "a=1=2"], ["one finite number", "'1=2'"]),
        (["a", "2a=1"], ["given as a=2", "'2a=1'"]),
        (["a", "*", "b"], ["given as a=2", "'*'", "in quotes"]),
        (["a", "=2"], ["given as a=2", "'=2'"]),
        (["a", "pi=3", "a=1"], ["pi is 3.14159", "another name"]),
        (["a=2", "a*a"], ["given as a=2, got 'a*a'", "an expression stands first"]),
        (["y=a*a", "a=2"], ["'='", "alone", "  y=a*a\n   ^"]),
        ([""], ["empty"]),
        (["2*3"], ["the expression is 6.0", "no name"]),
        (["9**9**9"], ["9 ** 387420489 is too large for a float", "  9**9**9\n   ^^"]),
        (["a**9**9**9", "a=2"], ["9 ** 387420489 is too large"]),
        (["1/a", "a=0"], ["1 / 0 is infinite"]),
        (["log(a)", "a=-1"], ["log(-1) has no real value"]),
        (["(" * 10_000 + "a" + ")" * 10_000, "a=1"], ["200 brackets"]),
        (["+".join(["a"] * 100_000), "a=1"], ["100,000 characters"]),
        (["sinn(a)", "a=1"], ["did you mean sin?", "  sinn(a)\n  ^^^^"]),
        (["a", "a=1", "--odd"], ["no option --odd (--help"]),
        (["--formula", "-a*b", "a=1"], ["no option -a*b; as an expression it comes after draw"]),
        (["a", "a=1", "--direction", "up"], ["--direction", "'up'", "LR"]),
        (["a", "a=1", "--show", "all"], ["show is any of", "'all'"]),
        (["a", "a=1", "--number", "x%"], ["number", "'x%'"]),
        (["a", "a=1", "--max-nodes", "many"], ["--max-nodes", "'many'"]),
        (["a", "a=1", "--max-nodes", "0"], ["max_nodes", "from 1, got 0"]),
        (["a*b", "a=1", "b=2", "--explain", "x"], ["--explain takes one of a, b", "'x'"]),
        (["a", "a=1", "--explain"], ["--explain", "expected one argument"]),
        (["a", "a=1", "-o", "graph.jpeg"], [".svg", "graph.jpeg"]),
        (["a", "a=1", "-o", "graph"], [".svg", "graph"]),
        (["a", "a=1", "-o", ""], [".svg"]),
        (["a", "a=1", "-o", "nowhere/graph.svg"], ["-o", "no folder nowhere"]),
        (["a", "a=1", "--steps", "nowhere/steps.html"], ["nowhere"]),
        (["a", "a=1", "--steps", "steps.mp4"], ["steps.mp4", ".html"]),
        ([], ["EXPRESSION"]),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else None,
)
def test_a_command_line_is_refused(arguments: list[str], words: list[str], capsys: Output) -> None:
    said = refused(capsys, "draw", *arguments)
    assert [word for word in words if word not in said] == []
    assert said.count("\n") in (1, 3)
    assert len(said) < 800


def test_an_unknown_command_is_refused(capsys: Output) -> None:
    assert "draw" in refused(capsys, "paint", "a", "a=1")


def test_one_bad_file_name_and_nothing_is_written(tmp_path: Path, capsys: Output) -> None:
    (tmp_path / "folder.svg").mkdir()
    for bad in (
        "-o=graph.jpeg",
        "-o=no/graph.svg",
        "-o=folder.svg",
        "--steps=a.mp4",
        "--steps=no/a.gif",
    ):
        refused(capsys, "draw", *NEURON, "-o", "graph.svg", *bad.split("="))
        assert [path.name for path in tmp_path.iterdir()] == ["folder.svg"]


numbers = st.floats(allow_nan=False, allow_infinity=False)


@given(numbers)
def test_any_finite_number_is_a_value(number: float) -> None:
    assert command_line._values([f"a={number!r}"]) == {"a": number}


@given(st.text(max_size=8), st.text(max_size=8))
def test_any_other_text_is_refused_or_is_a_number(name: str, text: str) -> None:
    try:
        ((found, number),) = command_line._values([f"{name}={text}"]).items()
    except command_line.DataError:
        return
    assert found == unicodedata.normalize("NFKC", name.strip())
    assert number == float(text)


# --------------------------------------------------------------------------- as a program


def started(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "autograd", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        **options,
    )


def test_alone_it_prints_help(capsys: Output) -> None:
    assert done(capsys).startswith("usage: python -m autograd")


def test_version(capsys: Output) -> None:
    assert re.fullmatch(r"autograd-nn \S.*\n", done(capsys, "--version"))


def test_help_lists_the_options_and_every_function(capsys: Output) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["draw", "--help"])
    assert stopped.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "draw EXPRESSION [NAME=NUMBER ...]" in said
    assert all(option in said for option in ("--steps", "--explain", "--open", "-o"))
    assert all(f"{name}(" in said for name in functions())


def test_the_example_of_main_runs() -> None:  # pytest leaves the doctests of __main__.py out
    assert doctest.testmod(command_line).attempted == 1
    assert doctest.testmod(command_line).failed == 0


def test_it_runs_as_a_module_in_any_encoding() -> None:
    arguments = ["draw", "αβ*2", "αβ=1.5"]
    for encoding in ("utf-8", "ascii"):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding}
        run = subprocess.run(
            [sys.executable, "-m", "autograd", *arguments], env=environment, capture_output=True
        )
        assert (run.returncode, run.stderr) == (0, b"")
        assert b"1.5" in run.stdout
    assert run.stdout.decode("ascii").splitlines()[:4] == [
        "+- ?? -----+",
        "| data 1.5 +-+   +- * ----+",
        "| grad 2   | +-->| data 3 |",
        "+----------+ +-->| grad 1 |",
    ]


def test_an_unread_output_ends_it_quietly() -> None:
    with started("draw", "+".join(["a"] * 300), "a=1") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0


def test_ctrl_c_ends_it_quietly(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    def interrupted(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line, "draw", interrupted)
    assert main(["draw", *NEURON]) == 128 + signal.SIGINT
    assert capsys.readouterr() == ("", "")


def test_it_imports_only_what_it_needs() -> None:
    program = (
        "import sys; from autograd.__main__ import main; "
        "main(['draw', 'a*b', 'a=2', 'b=3']); print(*sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        check=True,
    )
    modules = set(run.stdout.decode().split())
    heavy = {"nn", "matplotlib", "anywidget", "IPython", "webbrowser", "tempfile", "resvg_py"}
    assert heavy & modules == set()


# --------------------------------------------------------------------------- the page


def examples() -> Iterator[tuple[str, str]]:
    """Each command of the page, and the output that stands under it."""
    text = PAGE.read_text(encoding="utf-8")
    for block in re.findall(r"^```shell\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
        for command in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, output = command.partition("\n")
            yield line, output.strip("\n")


@pytest.mark.parametrize(("line", "output"), [*examples()], ids=lambda text: text[:40])
def test_the_page_shows_what_comes_out(line: str, output: str, capsys: Output) -> None:
    python, dash_m, package, *arguments = shlex.split(line)
    assert (python, dash_m, package) == ("python", "-m", "autograd")
    main(arguments)
    out, err = capsys.readouterr()
    assert (out + err).strip("\n") == output
