"""The page of primitives is what its script makes of the registry, and of other libraries now."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from strategies import PRIMITIVES

from autograd import Tensor

DOCS = Path(__file__).parent.parent / "docs"
COMMAND = "run: python docs/make_primitives.py"


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_primitives", DOCS / "make_primitives.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make = load_script()
TEXT = make.PAGE.read_text(encoding="utf-8")


def test_the_page_is_current() -> None:
    got, wanted = TEXT.splitlines(), make.page(make.known_peers()).splitlines()
    stale = [line for line in wanted if line not in got]
    assert got == wanted, f"{COMMAND}\nnew lines: {stale[:3]}"


def test_every_primitive_is_in_it() -> None:
    ours = [p.name for p in PRIMITIVES if p.module.split(".")[0] in ("autograd", "nn")]
    ours = [name for name in ours if name not in make.IN_RECORDINGS]
    assert len(ours) > 90
    assert [name for name in ours if f"\n| `{name}` |" not in TEXT] == []


def test_comparing_tensors_is_as_before() -> None:
    make.page(make.known_peers())
    assert type(Tensor([1.0, 2.0]) > 1.0) is np.ndarray


def test_links_exist() -> None:
    links = make.re.findall(r"\]\(([^)]+)\)", TEXT)
    assert links
    assert [link for link in links if not (DOCS / link).exists()] == []


@contextmanager
def random_state_kept() -> Iterator[None]:
    """For importing JAX, which draws from NumPy's global random state."""
    state = np.random.get_state()
    try:
        yield
    finally:
        np.random.set_state(state)


def known(library: str) -> dict[str, Any]:
    """What the page says of a library, if it is installed in the version measured."""
    with warnings.catch_warnings(), random_state_kept():
        warnings.simplefilter("ignore")
        module = pytest.importorskip(library)
    peers = make.known_peers()
    version = peers["versions"][library]
    if module.__version__.split("+")[0] != version:
        pytest.skip(f"measured with {library} {version}")
    found: dict[str, Any] = peers[library]
    return found


@pytest.mark.parametrize("library", ["torch", "jax"])
def test_other_libraries_still_give_this(library: str) -> None:
    expected = known(library)
    sample = [p for p in make.compared() if p.name in ("abs", "clip", "atan2", "maximum")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        got = make.measured(library, sample)
    assert {name: " | ".join(found) for name, found in got.items()} == {
        p.name: expected[p.name] for p in sample
    }


def test_all_are_compared_with_both() -> None:
    peers = make.known_peers()
    for library in ("torch", "jax"):
        names = {p.name for p in make.compared() if make.expression(p, library)}
        assert peers[library].keys() == names, "run: python docs/make_primitives.py --peers"
