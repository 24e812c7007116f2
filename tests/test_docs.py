"""What the documents promise holds: the README's commands and examples, the public names."""

from __future__ import annotations

import builtins
import doctest
import inspect
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

import autograd
import nn
from autograd.primitive import REGISTRY

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def fenced(language: str, text: str = README) -> list[str]:
    """The contents of the blocks of a page that are fenced as `language`, in order."""
    return re.findall(rf"^```{language}\s*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def run_doctest(text: str, namespace: dict[str, object], name: str) -> str:
    """Run the examples in `text`; what went wrong, or "" if nothing did."""
    test = doctest.DocTestParser().get_doctest(text, dict(namespace), name, None, 0)
    report: list[str] = []
    doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    return "".join(report)


def test_readme_has_the_two_commands_that_ci_runs() -> None:
    commands = fenced("bash")
    assert len(commands) == 2
    assert "-m nn train digits" in commands[0]
    assert "-m pytest" in commands[1]


def test_readme_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    examples = fenced("python")
    assert examples
    namespace: dict[str, object] = {"__name__": "__main__"}
    for number, text in enumerate(examples, start=1):
        if ">>>" in text:
            assert run_doctest(text, namespace, f"README example {number}") == ""
        else:
            exec(compile(text, f"README example {number}", "exec"), namespace)


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.name)
def test_examples_of_a_page_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("autograd.primitive.REGISTRY", dict(REGISTRY))
    text = page.read_text(encoding="utf-8")
    for module in ("scipy", "sklearn"):
        if f"from {module}" in text:
            pytest.importorskip(module)
    examples = "\n".join(fenced("python", text))
    assert run_doctest(examples, {"__name__": "__main__"}, page.name) == ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_of_a_page_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    targets = re.findall(r"\]\(([^)#\s]+)", prose) + re.findall(r'(?:src|href)="([^"#]+)"', prose)
    local = [target for target in targets if not re.match(r"https?:|mailto:", target)]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_changelog_names_the_version() -> None:
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert version[1] in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("package", [autograd, nn], ids=lambda package: package.__name__)
def test_all_lists_exactly_the_public_names(package: ModuleType) -> None:
    names = package.__all__
    assert len(names) == len(set(names))
    assert [name for name in names if not hasattr(package, name)] == []
    found = {
        name
        for name, value in vars(package).items()
        if not name.startswith("_") and not inspect.ismodule(value) and name != "annotations"
    }
    assert {name for name in found - set(names) if not hasattr(builtins, name)} == set()


def test_star_import_leaves_the_builtins_alone() -> None:
    assert [name for name in autograd.__all__ if hasattr(builtins, name)] == []


PUBLIC = [
    pytest.param(getattr(package, name), id=f"{package.__name__}.{name}")
    for package in (autograd, nn)
    for name in [*package.__all__, *(set(dir(builtins)) & vars(package).keys())]
    if hasattr(package, name) and not name.startswith("__")
]


@pytest.mark.parametrize("thing", PUBLIC)
def test_a_public_name_is_documented_by_an_example_that_runs(
    thing: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = inspect.getdoc(thing)
    assert text, "no docstring"
    assert ">>>" in text, "no example in the docstring"
    home = thing if inspect.ismodule(thing) else sys.modules[thing.__module__]
    assert run_doctest(text, vars(home), repr(thing)) == ""
