"""The command line: a run folder comes of it, or one line that says what to change."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nn.runs
import nn.sweep
from autograd import DataError
from nn import MLP, History
from nn.__main__ import COMMANDS, main
from nn.checkpoint import load_weights, save_weights
from nn.data.preparation import Scaled
from nn.folders import forget, require_writable
from nn.options import SETTINGS
from nn.settings import CHECKS, OPTIMIZERS, SCHEDULES, Settings
from nn.sources import DATA, CSVFile, Shipped, plain_source, problem_of, source_of
from nn.sweep import grid, random_settings
from nn.tasks import Classification, Regression

ROOT = Path(__file__).parent.parent
FILES = {
    "boundary.png",
    "confusion.png",
    "graph.svg",
    "history.csv",
    "loss.png",
    "model.safetensors",
    "preparation.json",
    "settings.json",
}
NUMBERS = {name for name in FILES if not name.endswith(("png", "svg"))}
Output = pytest.CaptureFixture[str]


def done(output: Output, *arguments: object) -> str:
    """Run a command line that must succeed, and return what it says."""
    output.readouterr()
    assert main([str(argument) for argument in arguments]) == 0, output.readouterr().err
    out, err = output.readouterr()
    assert err == ""
    return out


def failed(output: Output, *arguments: object) -> str:
    """Run a command line whose work must fail, and return its one line."""
    output.readouterr()
    assert main([str(argument) for argument in arguments]) == 1
    err = output.readouterr().err
    assert err.count("\n") == 1
    return err


def refused(output: Output, *arguments: object) -> str:
    """Run a command line that must be refused, and return its one line."""
    output.readouterr()
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    assert stopped.value.code == 2
    out, err = output.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


@contextmanager
def started(*arguments: object, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Start a command line as a process of its own, which does not outlive the block."""
    with subprocess.Popen(
        [sys.executable, "-m", "nn", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that Ctrl-C can reach its processes, and not this one
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def never(*arguments: Any, **options: Any) -> None:
    raise AssertionError("trained in spite of a problem that was known before")


@pytest.fixture
def pictures() -> None:
    """For a test that wants the pictures, which take most of the time of a short run."""


@pytest.fixture(autouse=True)
def few_pictures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "pictures" not in request.fixturenames:
        monkeypatch.setattr(nn.runs.Run, "draw", lambda *arguments: None)


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nn.__main__.train", never)
    monkeypatch.setattr("nn.__main__.sweep", never)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# ------------------------------------------------------------------------------ a run


@pytest.mark.usefixtures("pictures")
@pytest.mark.parametrize("node", ["tensor", "value"])
def test_a_run_writes_its_folder(node: str, tmp_path: Path, capsys: Output) -> None:
    folder = tmp_path / "new" / "run"
    options = ["--epochs", "2", "--hidden", "4", "--node", node, "--out", str(folder)]
    assert "test       loss" in done(capsys, "train", "moons", *options)
    assert names(folder) == FILES | {"checkpoints"}
    assert all(path.stat().st_size for path in folder.iterdir())
    assert len(names(folder / "checkpoints")) == 2


def test_the_default_folder_is_named_by_the_data(
    tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done(capsys, "train", "iris", "--epochs", 1)
    assert names(tmp_path / "runs") == {"iris-tensor"}


def test_every_optimizer_schedule_and_activation_can_be_named(
    tmp_path: Path, capsys: Output
) -> None:
    for optimizer, schedule, activation in zip(
        [*OPTIMIZERS, "sgd"], SCHEDULES, ["tanh", "gelu", "sigmoid", "elu", "silu"], strict=True
    ):
        options = ["--optimizer", optimizer, "--schedule", schedule, "--activation", activation]
        done(capsys, "train", "iris", *options, "--epochs", 2, "--out", tmp_path)
        written = json.loads((tmp_path / "settings.json").read_text())
        assert (written["optimizer"], written["schedule"]) == (optimizer, schedule)
        assert written["lr"] == OPTIMIZERS[optimizer].lr
        assert written["momentum"] == (OPTIMIZERS[optimizer].momentum or 0)


def test_the_table_of_epochs(tmp_path: Path, capsys: Output) -> None:
    options = ["--epochs", 3, "--progress", "table", "--validation", 0.25, "--out", tmp_path]
    said = done(capsys, "train", "moons", *options)
    assert [line.split()[0] for line in said.splitlines() if line.startswith("    ")][-3:] == [
        "1",
        "2",
        "3",
    ]
    assert "train on 120, validate on 40, test on 40 rows" in said


def test_a_run_that_diverges_is_one_line(tmp_path: Path, capsys: Output) -> None:
    assert "python -m nn: the loss is " in failed(
        capsys, "train", "moons", "--lr", "1e200", "--out", tmp_path
    )
    assert "model.safetensors" not in names(tmp_path)
    assert "has not ended" in refused(capsys, "eval", tmp_path)


@pytest.mark.usefixtures("pictures")
def test_an_interrupt_in_the_first_epoch_leaves_a_folder_without_a_loss(
    tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted = History(stopped="interrupted in epoch 1")
    monkeypatch.setattr(nn.runs, "fit", lambda *arguments, **options: interrupted)
    said = done(capsys, "train", "moons", "--out", tmp_path)
    assert "no loss.png: the history has no epochs" in said
    assert f"to go on: python -m nn resume {tmp_path}" in said
    assert names(tmp_path) == FILES - {"loss.png"}


def test_a_new_run_leaves_nothing_of_the_one_before(tmp_path: Path, capsys: Output) -> None:
    done(capsys, "train", "moons", "--epochs", 3, "--out", tmp_path)
    for name in FILES | {"predicted.png", "notes.txt"}:
        (tmp_path / name).touch()
    assert "is replaced" in done(capsys, "train", "iris", "--epochs", 1, "--out", tmp_path)
    assert names(tmp_path) == NUMBERS | {"checkpoints", "notes.txt"}
    assert names(tmp_path / "checkpoints") == {"epoch-000001.safetensors"}


def test_what_is_left_of_a_run_belongs_together_whenever_its_removal_ends(
    tmp_path: Path, capsys: Output
) -> None:
    done(capsys, "train", "moons", "--epochs", 3, "--out", tmp_path)
    unlink, gone = Path.unlink, []

    def recorded(path: Path) -> None:
        unlink(path)
        gone.append(path.name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "unlink", recorded)
        assert forget(tmp_path)
    assert all(name.startswith("epoch-") for name in gone[:3])
    assert gone[-1] == "settings.json"


def test_a_net_of_float32_stays_one(tmp_path: Path, capsys: Output) -> None:
    said = done(capsys, "train", "iris", "--dtype", "float32", "--epochs", 2, "--out", tmp_path)
    assert b'"F32"' in (tmp_path / "model.safetensors").read_bytes()
    test = next(line for line in said.splitlines() if line.startswith("test"))
    assert test.removeprefix("test").strip() in done(capsys, "eval", tmp_path)


# ------------------------------------------------------------------------------ resume

LIVELY = ["--optimizer", "adam", "--schedule", "cosine", "--validation", "0.2", "--epochs", "15"]


@pytest.mark.parametrize("command", ["train", "resume"])
def test_a_killed_run_ends_as_if_it_had_not_been(
    command: str, tmp_path: Path, capsys: Output
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    done(capsys, "train", "digits", *LIVELY, "--out", whole)
    with started("train", "digits", *LIVELY, "--out", killed):
        wait_for((killed / "checkpoints" / "epoch-000003.safetensors").exists)
    if command == "train":
        said = done(capsys, "train", "digits", *LIVELY, "--out", killed, "--resume")
    else:
        said = done(capsys, "resume", killed)
    assert "going on from epoch-0000" in said
    for name in ("model.safetensors", "settings.json", "preparation.json"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    assert numbers_of(killed) == numbers_of(whole)


def numbers_of(folder: Path) -> list[dict[str, str]]:
    """The history in a folder, without the durations."""
    rows = rows_of((folder / "history.csv").read_text())
    return [{name: cell for name, cell in row.items() if name != "seconds"} for row in rows]


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_run_goes_on_for_more_epochs(tmp_path: Path, capsys: Output) -> None:
    long, short = tmp_path / "long", tmp_path / "short"
    done(capsys, "train", "moons", "--epochs", 7, "--out", long)
    done(capsys, "train", "moons", "--epochs", 3, "--out", short)
    done(capsys, "resume", short, "--epochs", 7)
    for name in ("model.safetensors", "settings.json"):
        assert (short / name).read_bytes() == (long / name).read_bytes()
    assert numbers_of(short) == numbers_of(long)
    before = (short / "model.safetensors").read_bytes()
    assert "stopped after 7 epochs" in done(capsys, "resume", short)
    assert (short / "model.safetensors").read_bytes() == before


def test_resume_starts_where_there_is_nothing_to_go_on_from(tmp_path: Path, capsys: Output) -> None:
    said = done(capsys, "train", "moons", "--epochs", 2, "--out", tmp_path, "--resume")
    assert "going on" not in said
    assert "stopped after 2 epochs" in said


def test_resume_wants_the_same_settings(tmp_path: Path, capsys: Output) -> None:
    done(capsys, "train", "moons", "--epochs", 3, "--out", tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.glob("*.*")}
    again = ["train", "moons", "--out", tmp_path, "--resume"]
    message = refused(capsys, *again, "--epochs", 9, "--lr", 0.2, "--hidden", "3/3")
    assert f"the run in {tmp_path} was made with other settings: hidden (3, 3)" in message
    assert "lr 0.2, not 0.1" in message
    message = refused(capsys, *again, "--epochs", 2)
    assert "is past epoch 2: it has 3" in message
    assert "is past epoch 1: it has 3" in refused(capsys, "resume", tmp_path, "--epochs", 1)
    iris = ["train", "iris", "--out", tmp_path, "--resume"]
    assert "name iris, not moons" in refused(capsys, *iris)
    assert {path: path.read_bytes() for path in tmp_path.glob("*.*")} == before


def test_a_schedule_that_ends_with_the_run_cannot_go_on(tmp_path: Path, capsys: Output) -> None:
    options = ["--epochs", 2, "--schedule", "cosine", "--out", tmp_path]
    done(capsys, "train", "moons", *options)
    assert "epochs 4, not 2" in refused(capsys, "resume", tmp_path, "--epochs", 4)


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path, capsys: Output) -> None:
    done(capsys, "train", "moons", "--epochs", 4, "--out", tmp_path)
    weights = (tmp_path / "model.safetensors").read_bytes()
    last = tmp_path / "checkpoints" / "epoch-000004.safetensors"
    last.write_bytes(last.read_bytes()[:-1])
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert main(["resume", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert "going on from epoch-000003" in out
    assert re.fullmatch(r"python -m nn: a checkpoint is passed over: .*epoch-000004.*\n", err)
    assert (tmp_path / "model.safetensors").read_bytes() == weights


# ------------------------------------------------------------------------------ numbers


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--hidden", "4000000000"], "argument --hidden: hidden must be at most 1000000000, got 4"),
        (["--hidden", "9" * 23], "argument --hidden: hidden must be at most 1000000000, got 999"),
        (
            ["--hidden", "1000000000"],
            "a net of 5,000,000,002 parameters is too large, --node tensor takes at most 100,000,",
        ),
        (
            ["--node", "value", "--hidden", "30000,30000"],
            "a net of 900,180,002 parameters is too large, --node value takes at most 100,000:",
        ),
        (["--hidden", "0"], "hidden must be at least 1, got 0"),
        (["--hidden", "8,"], "invalid widths, such as 64/32, value: '8,'"),
        (["--batch-size", "1" + "0" * 30], "batch_size must be at most 1000000000, got 1000"),
        (["--epochs", "1" + "0" * 30], "argument --epochs: epochs must be at most 1000000000"),
        (["--epochs", "9" * 5000], "argument --epochs: invalid whole number value"),
        (["--epochs", "0"], "argument --epochs: epochs must be at least 1, got 0"),
        (["--seed", "1" + "0" * 40], "seed must be at most 18446744073709551615, got 1000"),
        (["--seed", "-1"], "argument --seed: seed must be at least 0, got -1"),
        (["--lr", "nan"], "argument --lr: lr must be a finite number of at least 0, got nan"),
        (["--lr", "0"], "argument --lr: lr must be above 0, got 0"),
        (["--lr", "fast"], "argument --lr: invalid number value: 'fast'"),
        (["--validation", "1"], "validation must be at least 0 and below 1, got 1"),
        (["--validation", "0.001"], "0.001 of 160 rows leaves one of both empty"),
        (["--optimizer", "adam", "--momentum", "0.9"], "adam has no momentum"),
        (["--node", "value", "--dtype", "float32"], "a net of Values is always of float64"),
        (["--schedule", "linear"], "invalid choice: 'linear'"),
        (["--keep", "0"], "argument --keep: must be at least 1 and at most"),
    ],
)
@pytest.mark.usefixtures("no_training")
def test_numbers_out_of_range_are_refused_at_once(
    options: list[str], message: str, tmp_path: Path, capsys: Output
) -> None:
    folder = tmp_path / "run"
    assert message in refused(capsys, "train", "moons", *options, "--out", folder)
    assert not folder.exists()


def test_the_largest_numbers_that_are_taken_work(tmp_path: Path, capsys: Output) -> None:
    options = ["--seed", 2**64 - 1, "--batch-size", 10**9, "--epochs", 1]
    done(capsys, "train", "moons", *options, "--out", tmp_path)


def test_every_setting_has_an_option() -> None:
    assert SETTINGS.keys() | {"replay"} == CHECKS.keys()  # that is --no-jit


def test_too_little_memory_is_one_line(
    tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    def greedy(*arguments: Any, **options: Any) -> None:
        raise MemoryError("Unable to allocate 9 TiB")

    monkeypatch.setattr("nn.__main__.train", greedy)
    message = failed(capsys, "train", "moons", "--out", tmp_path)
    assert message == "python -m nn: not enough memory: Unable to allocate 9 TiB\n"


# ------------------------------------------------------------------------------ settings

sensible = st.builds(
    Settings,
    st.sampled_from([Shipped("iris"), CSVFile("/a.csv", "ff", "y", ignore=("a", "b"))]),
    hidden=st.lists(st.integers(1, 99), min_size=1, max_size=3),
    activation=st.sampled_from(["relu", "tanh"]),
    lr=st.floats(1e-300, 1e300),
    weight_decay=st.floats(0, 1),
    schedule=st.sampled_from(list(SCHEDULES)),
    epochs=st.integers(1, 10**9),
    seed=st.integers(0, 2**64 - 1),
)


@given(sensible)
def test_settings_come_back_from_json(settings: Settings) -> None:
    again = Settings.from_json(settings.to_json())
    assert again == settings
    assert again.differences(settings) == []


@given(
    sensible,
    st.sampled_from([*sorted(CHECKS), "source"]),
    st.none()
    | st.booleans()
    | st.text(max_size=3)
    | st.floats()
    | st.lists(st.none())
    | st.just({}),
)
def test_settings_of_another_kind_are_refused(settings: Settings, name: str, value: Any) -> None:
    plain = json.loads(settings.to_json())
    try:
        again = Settings.from_json(json.dumps(plain | {name: value}))
    except (ValueError, DataError):
        return
    assert again == replace(settings, **{name: value})


@pytest.mark.parametrize(
    "plain", [None, [], {}, {"kind": []}, {"kind": "shipped"}, {"kind": "zip"}]
)
def test_a_source_of_another_kind_is_refused(plain: Any) -> None:
    with pytest.raises((ValueError, DataError)):
        source_of(plain)


def test_a_file_elsewhere_is_the_same_source() -> None:
    here, there = CSVFile("/a.csv", "ff", "y"), CSVFile("/b.csv", "ff", "y")
    assert here == there
    assert source_of(plain_source(there)) == here
    assert Settings(here).differences(Settings(CSVFile("/a.csv", "fe", "y"))) == [
        "sha256 ff, not fe"
    ]


# ------------------------------------------------------------------------------ the folder


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("name", sorted(FILES))
def test_a_folder_in_place_of_a_file_is_found_before_training(
    name: str, tmp_path: Path, capsys: Output
) -> None:
    (tmp_path / name).mkdir()
    message = refused(capsys, "train", "moons", "--out", tmp_path)
    assert f"{tmp_path}: cannot write there: {name} is a folder" in message
    assert names(tmp_path) == {name}


@pytest.mark.usefixtures("no_training")
def test_a_folder_that_cannot_be_is_found_before_training(tmp_path: Path, capsys: Output) -> None:
    file = tmp_path / "file"
    file.write_text("kept")
    train = ["train", "moons", "--out"]
    assert "it is a file, not a folder" in refused(capsys, *train, file)
    assert "cannot write there" in refused(capsys, *train, file / "below")
    assert "cannot write there" in refused(capsys, *train, tmp_path / ("x" * 300))
    for name in ("", "  ", "a\0b"):
        assert "argument --out: must be a path, got" in refused(capsys, *train, name)
    assert file.read_text() == "kept"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_in_place_of_a_file_is_not_waited_for(tmp_path: Path, capsys: Output) -> None:
    os.mkfifo(tmp_path / "graph.svg")
    with pytest.raises(OSError, match=r"graph\.svg is not a regular file"):
        require_writable(tmp_path, ["graph.svg"])
    csv_options = ["--csv", tmp_path / "graph.svg", "--target", "a"]
    assert "not a regular file" in refused(capsys, "train", *csv_options)


def test_trying_the_files_changes_none(tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_text("before")
    require_writable(tmp_path, ["history.csv", "loss.png"])
    assert (tmp_path / "history.csv").read_text() == "before"
    assert not (tmp_path / "loss.png").exists()


@pytest.mark.parametrize("command", ["eval", "resume", "predict"])
def test_a_folder_without_a_run(command: str, tmp_path: Path, capsys: Output) -> None:
    options = ["--csv", "a.csv"] * (command == "predict")
    for folder in (tmp_path, tmp_path / "missing", Path(__file__)):
        assert str(folder) in refused(capsys, command, folder, *options)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b"{}", b"\xff\xfe", b"[" * 100_000, b"9" * 9999]
)
@pytest.mark.parametrize("name", ["settings.json", "preparation.json", "model.safetensors"])
def test_a_damaged_file_is_named(
    name: str, content: bytes, finished: Path, tmp_path: Path, capsys: Output
) -> None:
    for path in finished.glob("*.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / name).write_bytes(content)
    assert str(tmp_path / name) in refused(capsys, "eval", tmp_path)


def test_weights_of_another_net_are_refused(finished: Path, tmp_path: Path, capsys: Output) -> None:
    for path in finished.glob("*.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    save_weights(MLP(4, [9, 3]), tmp_path / "model.safetensors")
    assert "has shape (9, 4), expected (64, 4)" in refused(capsys, "eval", tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run on iris, not to be changed."""
    folder = tmp_path_factory.mktemp("finished")
    assert main(["train", "iris", "--epochs", "5", "--lr", "0.02", "--out", str(folder)]) == 0
    return folder


# ------------------------------------------------------------------------------ CSV


def written(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    """A table of classes with a name, a text column, missing values and a constant column."""
    rng = np.random.default_rng(0)
    rows = ["id,size,colour,country,kind"]
    for i in range(90):
        kind = "rose" if i % 3 else "tulip"
        size = f"{rng.normal(5 if i % 3 else 2):.2f}" if i % 10 else "NA"
        colour = rng.choice(["red", "white"]) if i % 11 else ""
        rows.append(f"{i},{size},{colour},NL,{kind if i % 29 else '?'}")
    return written(tmp_path / "flowers.csv", *rows)


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    """A table of numbers: price = 1000 size + 50000, to 1 %."""
    rng = np.random.default_rng(0)
    size = rng.uniform(20, 200, 200)
    price = 1000 * size + 50_000 + rng.normal(0, 500, 200)
    rows = [f"{a:.1f},{p:.0f}" for a, p in zip(size, price, strict=True)]
    return written(tmp_path / "prices.csv", "size,price", *rows)


def test_a_csv_file_of_classes(flowers: Path, tmp_path: Path, capsys: Output) -> None:
    run = tmp_path / "run"
    options = ["--csv", flowers, "--target", "kind", "--ignore", "id", "--out", run]
    said = done(capsys, "train", *options, "--epochs", 30)
    for note in (
        "column 'country' holds one value only: left out",
        "4 rows without 'kind': left out",
        "9 rows without 'size': the mean is taken",
        "9 rows without 'colour': no category is taken",
        "flowers: train on 69, test on 17 rows",
    ):
        assert note in said
    test = next(line for line in said.splitlines() if line.startswith("test"))
    tested = done(capsys, "eval", run)
    assert tested.startswith(f"17 rows: {test.removeprefix('test').strip()}\n")
    everything = done(capsys, "eval", run, "--csv", flowers)
    predictions = rows_of(done(capsys, "predict", run, "--csv", flowers))
    truth = [row["kind"] for row in rows_of(flowers.read_text())]
    assert len(predictions) == len(truth) == 90
    pairs = [(t, p["prediction"]) for t, p in zip(truth, predictions, strict=True) if t != "?"]
    right = sum(t == p for t, p in pairs) / len(pairs)
    assert right > 0.8
    assert everything.startswith("86 rows: loss ")
    assert f"accuracy {right:.2%}\n" in everything
    matrix = [line.split()[1:] for line in everything.splitlines()[-2:]]
    kinds = ["rose", "tulip"]
    assert matrix == [[str(pairs.count((t, p))) for p in kinds] for t in kinds]
    for row in predictions:
        shares = {name: float(row[f"p({name})"]) for name in kinds}
        assert abs(sum(shares.values()) - 1) < 1e-5
        assert row["prediction"] == max(shares, key=lambda name: shares[name])


def test_a_csv_file_of_numbers(prices: Path, tmp_path: Path, capsys: Output) -> None:
    run = tmp_path / "run"
    said = done(capsys, "train", "--csv", prices, "--target", "price", "--out", run)
    rmse, r2 = (
        float(re.search(rf"test .*{name} (\S+)", said)[1].strip(",")) for name in ("RMSE", "R²")
    )
    assert rmse < 5000
    assert r2 > 0.99
    predictions = rows_of(done(capsys, "predict", run, "--csv", prices))
    errors = [
        float(row["prediction"]) - float(true["price"])
        for row, true in zip(predictions, rows_of(prices.read_text()), strict=True)
    ]
    everything = done(capsys, "eval", run, "--csv", prices)
    assert f"RMSE {np.sqrt(np.mean(np.square(errors))):.4g}, MAE {np.mean(np.abs(errors)):.4g}" in (
        everything
    )
    assert "predicted.png" not in names(run)


@pytest.mark.usefixtures("pictures")
def test_the_pictures_of_a_regression(prices: Path, tmp_path: Path, capsys: Output) -> None:
    run = tmp_path / "run"
    done(capsys, "train", "--csv", prices, "--target", "price", "--epochs", 2, "--out", run)
    assert names(run) == NUMBERS | {"checkpoints", "loss.png", "predicted.png", "graph.svg"}


def test_predictions_follow_the_rows_whatever_else_the_file_holds(
    flowers: Path, tmp_path: Path, capsys: Output
) -> None:
    run = tmp_path / "run"
    options = ["--csv", flowers, "--target", "kind", "--ignore", "id", "--out", run]
    done(capsys, "train", *options, "--epochs", 3)
    rows = ["6.5,red", "NA,", "1.5,green", "2,white"]
    new = written(tmp_path / "new.csv", "size,colour", *rows)
    out = tmp_path / "out.csv"
    assert "4 rows written to" in done(capsys, "predict", run, "--csv", new, "-o", out)
    predictions = rows_of(out.read_text())
    turned = [",".join(["x", *reversed(row.split(","))]) for row in reversed(rows)]
    other = written(tmp_path / "other.csv", "note,colour,size", *turned)
    assert rows_of(done(capsys, "predict", run, "--csv", other)) == predictions[::-1]
    message = refused(capsys, "predict", run, "--csv", new, "-o", new)
    assert "it would be overwritten" in message
    assert "has no column 'kind'" in refused(capsys, "eval", run, "--csv", new)
    assert "has no column 'size'" in refused(
        capsys, "predict", run, "--csv", written(tmp_path / "less.csv", "colour", "red")
    )


def test_shipped_data_can_be_predicted_from_a_file(
    finished: Path, tmp_path: Path, capsys: Output
) -> None:
    header = "sepal length (cm),sepal width (cm),petal length (cm),petal width (cm),class"
    file = written(
        tmp_path / "a.csv", header, "5.1,3.5,1.4,0.2,setosa", "6.3,3.3,6.0,2.5,virginica"
    )
    predictions = rows_of(done(capsys, "predict", finished, "--csv", file))
    assert [row["prediction"] for row in predictions] == ["setosa", "virginica"]
    assert "2 rows: loss" in done(capsys, "eval", finished, "--csv", file)


def test_a_file_that_has_changed_is_not_trained_on(
    prices: Path, tmp_path: Path, capsys: Output
) -> None:
    run = tmp_path / "run"
    options = ["--csv", prices, "--target", "price", "--epochs", 2, "--out", run]
    done(capsys, "train", *options)
    with prices.open("a") as file:
        file.write("50,100000\n")
    for command in (["eval", run], ["resume", run, "--epochs", 4]):
        assert "no longer the file that the run was made with" in refused(capsys, *command)
    assert "sha256 " in refused(capsys, "train", *options, "--resume")
    assert "201 rows" in done(capsys, "eval", run, "--csv", prices)


ROWS = [f"{i},{'ab'[i % 2]}" for i in range(20)]


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "is empty"),
        (["x,y"], "no rows"),
        (["x,z", *ROWS], "has no column 'y'; it has 'x', 'z'"),
        (["x,y", *ROWS, "1"], "row 21 (line 22) has 1 cell"),
        (["x,y", *ROWS, "oops,a"], "row 21 (line 22), column 'x': 'oops' is not a finite number"),
        (["x,y", *ROWS, "inf,a"], "row 21 (line 22), column 'x': 'inf' is not a finite number"),
        (["x,y", *ROWS, '"1,a'], "row 21 (line 22)"),
        (["x,x,y", "1,2,a"], "are both named 'x'"),
        (["x,y", *(f"{i},a" for i in range(20))], "holds one class only, 'a'"),
        (["x,y", *(f"{i},1.5" for i in range(20))], "column 'y' holds one "),
        (["x,y", *(f"1,{'ab'[i % 2]}" for i in range(20))], "no column to learn 'y' from"),
        (["x,y", *(f"{i}," for i in range(20))], "is the target, and is empty"),
        (["x,y", "1,a", "2,b"], "of 2 rows leaves no test row"),
        (
            ["x,y", *(f"name{i},{'ab'[i % 2]}" for i in range(99))],
            "leave the column out with --ignore x",
        ),
        (["1,2", "3,4"], "where the columns' names are expected"),
    ],
)
def test_a_csv_file_that_cannot_be_learnt_from(
    rows: list[str], message: str, tmp_path: Path, capsys: Output
) -> None:
    file = written(tmp_path / "a.csv", *rows)
    said = refused(capsys, "train", "--csv", file, "--target", "y", "--out", tmp_path / "run")
    assert message in said
    assert "a.csv" in said
    assert not (tmp_path / "run").exists()


def exit_code(arguments: list[str]) -> Any:
    try:
        return main(arguments)
    except SystemExit as stopped:
        return stopped.code


@given(st.text('xy,"\n;\t .-01a?', max_size=60).map(str.encode) | st.binary(max_size=60))
def test_no_file_is_too_odd_for_a_line(content: bytes) -> None:
    for start in (b"", b"x,y\n1,a\n2,b\n3,a\n4,b\n5,a\n6,b\n"):
        with (
            tempfile.TemporaryDirectory() as folder,
            pytest.MonkeyPatch.context() as patch,
            redirect_stderr(io.StringIO()) as err,
        ):
            patch.setattr("nn.__main__.train", lambda *arguments, **options: None)
            file, run = Path(folder, "a.csv"), Path(folder, "run")
            file.write_bytes(start + content)
            code = exit_code(["train", "--csv", str(file), "--target", "y", "--out", str(run)])
            assert (code, err.getvalue().count("\n"), run.exists()) in [(0, 0, True), (2, 1, False)]


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--csv FILE and --idx FOLDER, got none of them"),
        (["moons", "--csv", "FILE"], "got 2 of them"),
        (["moons", "--target", "y"], "--target goes with --csv"),
        (["--csv", "FILE"], "--csv needs --target, the column to predict, one of x, y"),
        (["--csv", "FILE", "--target", "y", "--task", "regression"], "a regression needs numbers"),
        (["--csv", "FILE", "--target", "y", "--ignore", "z"], "has no column 'z'"),
        (["--csv", "missing.csv", "--target", "y"], "missing.csv: No such file"),
        (["--csv", ".", "--target", "y"], "Is a directory"),
        (["--idx", "."], "has no file train-images-idx3-ubyte"),
        (["--idx", "missing"], "missing: not a folder of IDX files"),
        (["--idx", "FILE"], "not a folder of IDX files"),
    ],
)
def test_the_source_is_one_that_exists(
    options: list[str],
    message: str,
    tmp_path: Path,
    capsys: Output,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    file = str(written(tmp_path / "a.csv", "x,y", *ROWS))
    words = [file if word == "FILE" else word for word in options]
    assert message in refused(capsys, "train", *words)


def test_an_idx_folder(tmp_path: Path, capsys: Output) -> None:
    rng = np.random.default_rng(0)
    for part, n in (("train", 60), ("t10k", 20)):
        labels = (np.arange(n) % 2).astype(np.uint8)
        images = (labels[:, None, None] * 200 + rng.integers(0, 50, (n, 4, 3))).astype(np.uint8)
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            lengths = np.array(array.shape, ">u4").tobytes()
            content = bytes([0, 0, 8, array.ndim]) + lengths + array.tobytes()
            (tmp_path / f"{part}-{kind}-ubyte").write_bytes(content)
    run = tmp_path / "run"
    said = done(capsys, "train", "--idx", tmp_path, "--epochs", 30, "--out", run)
    assert "train on 60, test on 20 rows" in said
    settings = json.loads((run / "settings.json").read_text())
    assert (settings["dtype"], settings["lr"]) == ("float32", 0.01)
    assert b'"F32"' in (run / "model.safetensors").read_bytes()
    assert "20 rows: loss" in done(capsys, "eval", run)
    assert "accuracy 100.00%" in said


@pytest.mark.parametrize("validation", [0.0, 0.25])
@pytest.mark.parametrize("name", ["digits", "moons", "csv"])
def test_each_row_is_in_one_part(name: str, validation: float, prices: Path) -> None:
    if name == "csv":
        problem = problem_of(CSVFile.at(prices, target="price"), 0, validation)
        size = rows_of(prices.read_text())
        rows = np.array([[float(row["size"]), float(row["price"])] for row in size])
        (scaled,) = problem.preparation.features
        assert isinstance(scaled, Scaled)
        assert isinstance(problem.task, Regression)
        own = [Regression("", scaled.mean, scaled.scale), problem.task]
        parts = {
            part: np.column_stack([t.own_units(array) for t, array in zip(own, pair, strict=True)])
            for part, pair in problem.parts().items()
        }
    else:
        problem = problem_of(Shipped(name), 0, validation)
        whole = DATA[name](0)
        rows = np.column_stack([whole.x, whole.y])
        parts = {part: np.column_stack(pair) for part, pair in problem.parts().items()}
    assert len(parts) == 2 + bool(validation)
    together = np.concatenate(list(parts.values()))
    in_order = [array[np.lexsort(array.round(6).T)] for array in (together, rows)]
    np.testing.assert_allclose(*in_order, rtol=1e-9)
    assert len(parts["test"]) == round(0.2 * len(rows))
    held_out = parts.get("validate", [])
    assert len(held_out) == round(validation * (len(rows) - len(parts["test"])))


# ------------------------------------------------------------------------------ tasks


def test_regression_is_measured_as_scikit_learn_does() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    task = Regression("y", mean=5.0, scale=3.0)
    scores, y = rng.normal(size=(50, 1)), rng.normal(size=(50, 1))
    truth, predicted = task.own_units(y), task.own_units(scores)
    assert task.measure(scores, y) == pytest.approx(
        {
            "loss": metrics.mean_squared_error(y, scores),
            "RMSE": metrics.root_mean_squared_error(truth, predicted),
            "MAE": metrics.mean_absolute_error(truth, predicted),
            "R²": metrics.r2_score(truth, predicted),
        }
    )


def test_a_wide_confusion_matrix_is_left_out_of_the_text() -> None:
    task = Classification(tuple(f"class {k}" for k in range(21)))
    assert "too wide" in task.in_text(np.eye(21), np.arange(21))
    task = Classification(("a" * 50, "b"))
    assert max(map(len, task.in_text(np.eye(2), np.arange(2)).splitlines())) < 50


# ------------------------------------------------------------------------------ sweep


def test_a_sweep_is_the_same_in_any_number_of_processes(tmp_path: Path, capsys: Output) -> None:
    options = ["--lr", "0.05,0.2,1e200", "--hidden", "4,8/4", "--epochs", 4]
    said = {}
    for jobs in (1, 2):
        folder = tmp_path / str(jobs)
        text = done(capsys, "sweep", "moons", *options, "--jobs", jobs, "--out", folder)
        said[jobs] = text.replace(str(folder), "FOLDER")
    assert said[1] == said[2]
    for name in ("sweep.csv", "best/model.safetensors", "best/settings.json"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()
    rows = rows_of((tmp_path / "2" / "sweep.csv").read_text())
    assert len(rows) == 6
    assert [row["ended"].startswith("failed") for row in rows] == [False] * 4 + [True] * 2
    scores = [(-float(r["validation accuracy"]), float(r["validation loss"])) for r in rows[:4]]
    assert scores == sorted(scores)
    assert names(tmp_path / "1") == {"sweep.csv", "sweep.png", "best"}
    best = json.loads((tmp_path / "1" / "best" / "settings.json").read_text())
    assert [f"{best['lr']}", "/".join(map(str, best["hidden"]))] == [
        rows[0]["lr"],
        rows[0]["hidden"],
    ]
    held_out = re.search(r"validate +loss (.*), accuracy (.*)%", said[1])
    assert held_out is not None
    assert float(held_out[1]) == pytest.approx(float(rows[0]["validation loss"]), rel=1e-3)
    assert float(held_out[2]) == pytest.approx(
        100 * float(rows[0]["validation accuracy"]), abs=0.01
    )
    test = re.search(r"test +(.*)", said[1])
    assert test is not None
    assert f"40 rows: {test[1]}\n" in done(capsys, "eval", tmp_path / "1" / "best")
    alone = ["--lr", rows[0]["lr"], "--hidden", rows[0]["hidden"], "--validation", 0.2]
    done(capsys, "train", "moons", *alone, "--epochs", 4, "--out", tmp_path / "alone")
    assert (tmp_path / "alone" / "model.safetensors").read_bytes() == (
        tmp_path / "1" / "best" / "model.safetensors"
    ).read_bytes()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ChildProcessError("it was killed")])
def test_a_sweep_that_is_cut_short_keeps_what_is_over(
    error: BaseException, tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_trials = nn.sweep._run_trials

    def cut_short(*arguments: Any) -> Any:
        yield next(run_trials(*arguments))
        raise error

    monkeypatch.setattr("nn.sweep._run_trials", cut_short)
    options = ["--lr", "0.05,0.2", "--hidden", 4, "--epochs", 2, "--jobs", 1, "--out", tmp_path]
    message = failed(capsys, "sweep", "iris", *options)
    assert message in ("python -m nn: interrupted\n", "python -m nn: it was killed\n")
    assert len(rows_of((tmp_path / "sweep.csv").read_text())) == 1
    assert "30 rows: loss" in done(capsys, "eval", tmp_path / "best")


def test_a_sweep_in_which_all_fails(tmp_path: Path, capsys: Output) -> None:
    options = ["--lr", "1e200", "--hidden", 4, "--jobs", 1, "--out", tmp_path]
    assert "all 1 runs failed" in failed(capsys, "sweep", "moons", *options)
    assert (tmp_path / "sweep.png").exists()


@given(
    st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(1, 500), st.integers(1, 500)), min_size=1, max_size=3),
    st.integers(1, 20),
    st.integers(0, 9),
)
def test_random_settings_stay_between_the_ends(
    rates: list[float], widths: list[tuple[int, ...]], count: int, seed: int
) -> None:
    base = Settings(Shipped("moons"), seed=seed)
    drawn = random_settings(base, rates, widths, count)
    assert drawn == random_settings(base, rates, widths, count)
    assert len(drawn) == count
    for settings in drawn:
        assert min(rates) * 0.99 <= settings.lr <= max(rates) * 1.01
        for width, given_widths in zip(settings.hidden, zip(*widths, strict=True), strict=True):
            assert min(given_widths) <= width <= max(given_widths)
        assert replace(settings, lr=base.lr, hidden=base.hidden) == base


def test_random_rates_are_even_on_a_log_scale() -> None:
    drawn = random_settings(Settings(Shipped("moons")), [1e-4, 1.0], [(4,), (64,)], 4000)
    logs = np.log10([settings.lr for settings in drawn])
    assert np.histogram(logs, bins=4, range=(-4, 0))[0] == pytest.approx([1000] * 4, rel=0.15)


def test_a_grid_has_each_pair_once() -> None:
    pairs = grid(Settings(Shipped("moons")), [1.0, 0.1, 1.0], [(4,), (4,), (8,)])
    assert [(s.lr, s.hidden) for s in pairs] == [(0.1, (4,)), (0.1, (8,)), (1.0, (4,)), (1.0, (8,))]


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--lr", "0.1,x"], "argument --lr: invalid list of numbers value: '0.1,x'"),
        (["--lr", ""], "argument --lr: invalid list of numbers value: ''"),
        (["--lr", "0.1,-1"], "lr must be a finite number of at least 0, got -1.0"),
        (["--hidden", "4,4/x"], "argument --hidden: invalid list of widths"),
        (["--hidden", "4,4/4", "--random", "3"], "so of equally many layers"),
        (["--hidden", "4,1000000000"], "is too large"),
        (["--validation", "0"], "--validation must be above 0"),
        (["--jobs", "0"], "argument --jobs: must be at least 1"),
        (["--random", "-3"], "argument --random: must be at least 1"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused(
    options: list[str], message: str, tmp_path: Path, capsys: Output
) -> None:
    folder = tmp_path / "sweep"
    assert message in refused(capsys, "sweep", "moons", *options, "--out", folder)
    assert not folder.exists()


# ------------------------------------------------------------------------------ surroundings


ENDLESS = ["--epochs", 10**6, "--patience", 10**6, "--jobs", 2]


def processes_of(process: subprocess.Popen[str], tasks: int) -> list[Path]:
    """The two processes in which a sweep trains, once each has so many threads."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        pytest.skip("no /proc here")

    def found() -> list[Path]:
        assert process.poll() is None, process.communicate()
        paths = [Path("/proc", pid) for pid in children.read_text().split()]
        workers = [path for path in paths if b"spawn_main" in (path / "cmdline").read_bytes()]
        return [path for path in workers if len(list((path / "task").iterdir())) >= tasks]

    wait_for(lambda: len(found()) == 2)
    return found()


@pytest.mark.parametrize("tasks", [1, 2], ids=["starting", "training"])
def test_ctrl_c_ends_a_sweep_and_its_processes(tasks: int, tmp_path: Path) -> None:
    with started("sweep", "digits", *ENDLESS, "--out", tmp_path) as process:
        processes = processes_of(process, tasks)
        time.sleep(0.1 * tasks)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 1
        assert (out, err) == ("0 of 10 runs are over\n", "python -m nn: interrupted\n")
        wait_for(lambda: not any(path.exists() for path in processes))


def test_the_processes_of_a_sweep_end_with_it(tmp_path: Path) -> None:
    with started("sweep", "digits", *ENDLESS, "--out", tmp_path) as process:
        processes = processes_of(process, tasks=2)
        process.kill()
        wait_for(lambda: not any(path.exists() for path in processes))


def test_a_process_of_a_sweep_is_killed(tmp_path: Path) -> None:
    with started("sweep", "digits", *ENDLESS, "--out", tmp_path) as process:
        os.kill(int(processes_of(process, tasks=2)[0].name), signal.SIGKILL)
        err = process.communicate(timeout=60)[1]
        assert process.returncode == 1
        assert "python -m nn: a process of the sweep was killed, perhaps for want of" in err


def test_what_is_not_installed_is_missed_before_training(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nn.__main__.find_spec", lambda name: None)
    for command in ("train", "sweep"):
        message = refused(capsys, command, "moons")
        assert 'matplotlib and tqdm are not installed: pip install "autograd-nn[train]"' in message


@pytest.mark.skipif(os.name != "posix", reason="pipes are otherwise here")
def test_nobody_reads_the_output_and_a_setting_of_matplotlib_is_broken(tmp_path: Path) -> None:
    train = ["train", "moons", "--epochs", 2, "--out", tmp_path]
    with started(*train, MPLBACKEND="nonsense") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
        assert process.wait() == 0
    assert names(tmp_path) == FILES | {"checkpoints"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device here")
def test_no_space_is_left(finished: Path, tmp_path: Path, capsys: Output) -> None:
    header = "sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)"
    file = written(tmp_path / "a.csv", header, "5.1,3.5,1.4,0.2")
    message = failed(capsys, "predict", finished, "--csv", file, "-o", "/dev/full")
    assert "No space left on device" in message


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_on_the_page(command: str, capsys: Output) -> None:
    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    flags = set(re.findall(r"--[a-z]+(?:-[a-z]+)*", capsys.readouterr().out))
    assert {flag for flag in flags - {"--help"} if f"`{flag}" not in page} == set()
    assert f"python -m nn {command}" in page


# ------------------------------------------------------------------------------ weights


@pytest.mark.parametrize("metadata", ["a", {"epoch": 3}, [("a", "b")]])
def test_metadata_are_text(metadata: Any, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="metadata maps text to text, got"):
        save_weights(MLP(2, [1]), tmp_path / "model.safetensors", metadata)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("model", [None, MLP, {}])
def test_only_modules_have_weights(model: Any, tmp_path: Path) -> None:
    for act in (save_weights, load_weights):
        with pytest.raises(TypeError, match=r"model must be of type nn\.Module, got"):
            act(model, tmp_path / "model.safetensors")


# ------------------------------------------------------------------------------ what is at stake


def test_a_run_that_was_cut_short_is_not_replaced(tmp_path: Path, capsys: Output) -> None:
    done(capsys, "train", "iris", "--epochs", 3, "--out", tmp_path)
    (tmp_path / "model.safetensors").unlink()  # as where it was killed
    kept = names(tmp_path / "checkpoints")
    with pytest.raises(SystemExit) as stopped:
        main(["train", "iris", "--epochs", "3", "--out", str(tmp_path)])
    said = capsys.readouterr().err
    assert (stopped.value.code, len(said.splitlines())) == (2, 1)
    assert f"python -m nn resume {tmp_path} goes on with it" in said
    assert names(tmp_path / "checkpoints") == kept
    done(capsys, "resume", tmp_path)
    assert "is replaced" in done(capsys, "train", "iris", "--epochs", 1, "--out", tmp_path)


def test_without_jit_a_net_learns_the_same(tmp_path: Path, capsys: Output) -> None:
    for folder, options in (("a", []), ("b", ["--no-jit"])):
        done(capsys, "train", "iris", "--epochs", 5, *options, "--out", tmp_path / folder)
    weights = [(tmp_path / folder / "model.safetensors").read_bytes() for folder in "ab"]
    assert weights[0] == weights[1]
    settings = [json.loads((tmp_path / f / "settings.json").read_text()) for f in "ab"]
    assert [given["replay"] for given in settings] == [True, False]
