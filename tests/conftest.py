"""Hypothesis profiles, and a guard around every test against leaked global state."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

import autograd
from autograd.primitive import REGISTRY

# A shared machine may pause any example, so none is timed; CI draws the same examples every run.
settings.register_profile(
    "default",
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("ci", settings.get_profile("default"), derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "default")


def _legacy_random_state() -> tuple[object, ...]:
    """The state of NumPy's global generator, comparable with `==`."""
    name, keys, *rest = np.random.get_state(legacy=True)
    return (name, np.asarray(keys).tobytes(), *rest)


# Everything that a test could change for the tests after it: what it is, and how to read it.
GLOBAL_STATE: dict[str, Callable[[], object]] = {
    "NumPy's error state": np.geterr,
    "NumPy's print options": np.get_printoptions,
    "NumPy's global random state": _legacy_random_state,
    "the garbage collector's switch": gc.isenabled,
    "the recursion limit": sys.getrecursionlimit,
    "the recording flag": autograd.is_recording,
    "the registry of primitives": lambda: dict(REGISTRY),
    "the working directory": os.getcwd,
}


def leaked(before: dict[str, object], after: dict[str, object]) -> list[str]:
    """Names of the entries that differ."""
    return [name for name in before if before[name] != after[name]]


@pytest.fixture(autouse=True)
def no_leaked_state() -> Iterator[None]:
    """Fail a test that changes state which the tests after it would see."""
    before = {name: read() for name, read in GLOBAL_STATE.items()}
    yield
    names = leaked(before, {name: read() for name, read in GLOBAL_STATE.items()})
    assert not names, f"the test changed, and did not restore: {', '.join(names)}"
