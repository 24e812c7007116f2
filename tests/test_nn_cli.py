"""The command line: a run folder comes of it, or one line that says what to change."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import nn.runs
from nn import MLP, History
from nn.__main__ import main
from nn.checkpoint import load_weights, save_weights
from nn.runs import Settings, require_writable

FILES = {
    "boundary.png",
    "confusion.png",
    "graph.svg",
    "history.csv",
    "loss.png",
    "model.safetensors",
    "settings.json",
}


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command line that must be refused, and return its one line."""
    with pytest.raises(SystemExit) as stopped:
        main(["train", *arguments])
    assert stopped.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def never(*arguments: Any) -> None:
    raise AssertionError("trained in spite of a problem that was known before")


@pytest.mark.parametrize("node", ["tensor", "value"])
def test_a_run_writes_its_folder(
    node: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "new" / "run"
    options = ["--epochs", "2", "--hidden", "4", "--node", node, "--out", str(folder)]
    assert main(["train", "moons", *options]) == 0
    assert {path.name for path in folder.iterdir()} == FILES
    assert all(path.stat().st_size for path in folder.iterdir())
    assert "test accuracy" in capsys.readouterr().out


def test_settings_know_what_the_run_will_be() -> None:
    settings = Settings("moons", hidden=(16, 8))
    assert settings.widths() == [2, 16, 8, 2]
    assert settings.parameter_count() == MLP_PARAMETERS
    assert set(settings.files()) == FILES
    assert set(Settings("digits").files()) == FILES - {"boundary.png"}


MLP_PARAMETERS = sum(p.size for p in MLP(2, [16, 8, 2]).parameters())


# ------------------------------------------------------------------------------ numbers


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--hidden", "4000000000"], "argument --hidden: must be from 1 to 1000000000, got 4"),
        (["--hidden", "9" * 23], "argument --hidden: must be from 1 to 1000000000, got 999"),
        (
            ["--hidden", "1000000000"],
            "a net of 5,000,000,002 parameters is too large, --node tensor takes at most 100,000,",
        ),
        (
            ["--node", "value", "--hidden", "30000,30000"],
            "a net of 900,180,002 parameters is too large, --node value takes at most 100,000:",
        ),
        (["--hidden", "0"], "must be from 1 to"),
        (["--hidden", "8,"], "invalid list of widths, such as 16,16 value"),
        (["--batch-size", "1" + "0" * 30], "argument --batch-size: must be from 1 to 1000000000"),
        (["--epochs", "1" + "0" * 30], "argument --epochs: must be from 1 to 1000000000"),
        (["--epochs", "9" * 5000], "argument --epochs: invalid whole number value"),
        (["--seed", "1" + "0" * 40], "argument --seed: must be from 0 to 18446744073709551615"),
        (["--seed", "-1"], "argument --seed: must be from 0 to"),
        (["--lr", "nan"], "argument --lr: must be a number above 0, got nan"),
    ],
)
def test_numbers_out_of_range_are_refused_at_once(
    options: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nn.__main__.train", never)
    folder = tmp_path / "run"
    assert message in refused(capsys, "moons", *options, "--out", str(folder))
    assert not folder.exists()


def test_the_largest_numbers_that_are_taken_work(tmp_path: Path) -> None:
    options = ["--seed", str(2**64 - 1), "--batch-size", str(10**9), "--epochs", "1"]
    assert main(["train", "moons", *options, "--out", str(tmp_path)]) == 0


def test_too_little_memory_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def greedy(*arguments: Any) -> None:
        raise MemoryError("Unable to allocate 9 TiB")

    monkeypatch.setattr("nn.__main__.train", greedy)
    assert main(["train", "moons", "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "python -m nn: not enough memory: Unable to allocate 9 TiB\n"


def test_a_run_that_diverges_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "moons", "--lr", "1e200", "--out", str(tmp_path)]) == 1
    assert "python -m nn: the loss is " in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------------------ the folder


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_folder_in_place_of_a_file_is_found_before_training(
    name: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nn.__main__.train", never)
    (tmp_path / name).mkdir()
    message = refused(capsys, "moons", "--out", str(tmp_path))
    assert f"cannot write to {tmp_path}: {name} is a folder" in message
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_folder_that_cannot_be_is_found_before_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nn.__main__.train", never)
    file = tmp_path / "file"
    file.write_text("kept")
    assert "it is a file, not a folder" in refused(capsys, "moons", "--out", str(file))
    assert "cannot write to" in refused(capsys, "moons", "--out", str(file / "below"))
    assert "cannot write to" in refused(capsys, "moons", "--out", "a\0b")
    assert "cannot write to" in refused(capsys, "moons", "--out", str(tmp_path / ("x" * 300)))
    assert file.read_text() == "kept"


@pytest.mark.parametrize("name", ["", "  "])
def test_a_folder_needs_a_name(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nn.__main__.train", never)
    assert "argument --out: must name a folder, got" in refused(capsys, "moons", "--out", name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_in_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "graph.svg")
    with pytest.raises(OSError, match=r"graph\.svg is not a regular file"):
        require_writable(tmp_path, ["graph.svg"])


def test_trying_the_files_changes_none(tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_text("before")
    require_writable(tmp_path, ["history.csv", "loss.png"])
    assert (tmp_path / "history.csv").read_text() == "before"
    assert not (tmp_path / "loss.png").exists()


# ------------------------------------------------------------------------------ surroundings


def test_a_broken_setting_of_matplotlib_does_not_matter(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "nn", "train", "moons", "--epochs", "1", "--out", tmp_path]
    root = Path(str(nn.__file__)).parent.parent
    environment = {**os.environ, "MPLBACKEND": "nonsense"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "loss.png").exists()


def test_an_interrupt_in_the_first_epoch_leaves_a_folder_without_a_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted = History(stopped="interrupted in epoch 1")
    monkeypatch.setattr(nn.runs, "fit", lambda *arguments, **options: interrupted)
    said: list[str] = []
    nn.runs.train(Settings("moons"), tmp_path, said.append)
    assert "no loss.png: no epoch was completed" in said
    assert {path.name for path in tmp_path.iterdir()} == FILES - {"loss.png"}


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
