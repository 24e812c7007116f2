"""The guard in conftest.py fails each test that leaks, and only those."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

LEAKS = """
import gc, os, sys
import numpy as np
import autograd
from autograd.primitive import REGISTRY

NO_GRAD = autograd.no_grad()

def test_leak_of_error_state(): np.seterr(all="raise")
def test_leak_of_print_options(): np.set_printoptions(precision=3)
def test_leak_of_random_state(): np.random.seed(0)
def test_leak_of_garbage_collection(): gc.disable()
def test_leak_of_recursion_limit(): sys.setrecursionlimit(12345)
def test_leak_of_recording(): NO_GRAD.__enter__()
def test_leak_of_registry(): REGISTRY["planted"] = None
def test_leak_of_working_directory(): os.chdir("..")

def test_tidy(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(REGISTRY, "planted too", None)
    with np.errstate(all="ignore"), autograd.no_grad():
        np.random.default_rng(0).normal()
"""


def test_leaks_fail_and_nothing_else_does(tmp_path: Path) -> None:
    here = Path(__file__).parent
    shutil.copy(here / "conftest.py", tmp_path)
    (tmp_path / "test_leaks.py").write_text(LEAKS)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rE", "."],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(here.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    leaks = LEAKS.count("def test_leak")
    assert run.stdout.count("ERROR test_leaks.py::test_leak") == leaks, run.stdout + run.stderr
    assert f"{leaks + 1} passed, {leaks} errors" in run.stdout
