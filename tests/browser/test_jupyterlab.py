"""The widget and a film in JupyterLab, and a film's page by itself, used in a real browser.

Runs only where the environment names one: CHROMIUM=/usr/bin/chromium, with the packages playwright,
jupyterlab and anywidget. With SCREENSHOTS=folder it leaves pictures there to look at.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from autograd import Value
from autograd.render.frames import Film
from autograd.steps import steps

ROOT = Path(__file__).parent.parent.parent
CHROMIUM = os.environ.get("CHROMIUM", "")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="CHROMIUM names no browser")

ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
WAIT = 60_000
"""Milliseconds until a test gives up: a busy machine takes long to start a kernel."""

GRAPH = """\
from autograd import Value, scope
from autograd.render.frames import Film
from autograd.steps import steps
from autograd.explorer import widget
a, b, c = (Value(x, label=name) for name, x in (("a", 2.0), ("b", -3.0), ("c", 3.3)))
with scope("neuron"):
    y = (a * b + c * a).tanh()
y.label = "y"
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        context = driver.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"),
            executable_path=CHROMIUM,
            args=ARGUMENTS.split(),
            viewport={"width": 1300, "height": 900},
        )
        context.set_default_timeout(WAIT)
        yield context
        context.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a server, and the folder of its notebooks."""
    pytest.importorskip("jupyterlab")
    pytest.importorskip("anywidget")
    folder = tmp_path_factory.mktemp("lab")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [
        *("--no-browser", "--ip=127.0.0.1", f"--port={port}", "--allow-root"),
        *("--IdentityProvider.token=test", f"--ServerApp.root_dir={folder}"),
    ]
    settings = folder / ".settings"
    environment = os.environ | {
        **{"PYTHONPATH": str(ROOT), "HOME": str(folder), "JUPYTER_CONFIG_DIR": str(settings)},
        "JUPYTER_DATA_DIR": str(folder / ".data"),
    }
    news = settings / "lab/user-settings/@jupyterlab/apputils-extension"
    news.mkdir(parents=True)
    (news / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
    with open(folder / "log", "w") as log:
        command = [sys.executable, "-m", "jupyterlab", *options]
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        for _ in range(600):
            if server.poll() is not None:
                raise RuntimeError((folder / "log").read_text())
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/lab/tree/{{}}?token=test&reset", folder
    finally:
        server.terminate()
        server.wait(30)


def run_notebook(browser: Any, lab: tuple[str, Path], name: str, last_line: str) -> Any:
    """The page of a notebook whose only cell has run."""
    playwright = pytest.importorskip("playwright.sync_api")
    address, folder = lab
    cell = {
        **{"cell_type": "code", "id": "a", "metadata": {}, "execution_count": None, "outputs": []},
        "source": GRAPH + last_line,
    }
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = {"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (folder / name).write_text(json.dumps(notebook))
    page = browser.new_page()
    page.goto(address.format(name))
    output = page.locator(".jp-OutputArea-child").first
    for _ in range(6):  # until the kernel has started, a notebook takes no orders
        page.click(".jp-Cell .cm-content")
        page.keyboard.press("Shift+Enter")
        with suppress(playwright.TimeoutError):
            output.wait_for(timeout=WAIT / 6)
            break
    return page


def look_at(page: Any, name: str) -> None:
    """Leave a picture of the page to look at."""
    if "SCREENSHOTS" in os.environ:
        page.wait_for_timeout(500)
        page.screenshot(path=Path(os.environ["SCREENSHOTS"]) / f"{name}.png")


def expect_text(page: Any, selector: str, text: str) -> None:
    page.locator(selector, has_text=text).first.wait_for()


def test_the_widget_in_jupyterlab(browser: Any, lab: tuple[str, Path]) -> None:
    page = run_notebook(browser, lab, "widget.ipynb", "widget(y)")
    expect_text(page, ".caption", "The derivative of y is 0.2135 with respect to a")
    assert page.locator("g.node").count() == 7
    look_at(page, "widget")

    slider = page.locator(".leaves input[type=range]").first
    slider.evaluate("e => { e.value = 0.5; e.dispatchEvent(new Event('input')) }")
    expect_text(page, "#n0 text", "0.5")
    expect_text(page, ".caption", "The derivative of y is 0.2933 with respect to a")
    assert page.locator(".leaves input[type=number]").first.input_value() == "0.5"
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect_text(page, "#n0 text", "0.55")

    field = page.locator(".leaves input[type=number]").first
    field.click()
    page.keyboard.press("Control+a")
    page.keyboard.type("-80")
    page.keyboard.press("Enter")
    expect_text(page, "#n0 text", "-80")
    assert slider.get_attribute("min") == "-200"
    assert field.evaluate("e => e === document.activeElement")

    page.locator("#n2").click()
    expect_text(page, ".details", "a*b")
    page.locator("button", has_text="Back").click()
    expect_text(page, ".caption", "Step 5 of 5")
    page.locator("button", has_text="First").click()
    expect_text(page, ".caption", "Step 1 of 5: y starts with the cotangent 1.")
    page.keyboard.press("ArrowRight")
    expect_text(page, ".caption", "Step 2 of 5")
    look_at(page, "widget-step")

    page.locator("g.cluster text").click()
    page.locator("g.node").filter(has_text="nodes").wait_for()
    assert page.locator("g.node").count() == 1
    look_at(page, "widget-folded")
    page.locator("g.node").focus()
    page.keyboard.press("Enter")
    page.locator("#n6").wait_for()
    page.locator("button", has_text="Reset numbers").click()
    expect_text(page, "#n0 text", "2")
    assert page.locator("img[alt^='The graph']").is_hidden()
    page.close()


def test_a_saved_notebook_shows_the_picture_without_a_kernel(
    browser: Any, lab: tuple[str, Path]
) -> None:
    address, folder = lab
    page = run_notebook(browser, lab, "saved.ipynb", "widget(y)")
    page.locator("button", has_text="First").click()
    expect_text(page, ".caption", "Step 1 of 5")
    page.keyboard.press("Control+s")  # with the focus in the widget
    page.locator(".lm-TabBar-tab.jp-mod-current:not(.jp-mod-dirty)").first.wait_for()
    page.close()

    cells = json.loads((folder / "saved.ipynb").read_text())["cells"]
    assert len(cells[0]["outputs"]) == 2
    (folder / "again.ipynb").write_text((folder / "saved.ipynb").read_text())
    page = browser.new_page()
    page.goto(address.format("again.ipynb"))
    page.locator("img[alt^='The graph']").wait_for()
    look_at(page, "saved")
    page.close()


def test_a_film_in_jupyterlab(browser: Any, lab: tuple[str, Path]) -> None:
    page = run_notebook(browser, lab, "film.ipynb", "Film(steps(y))")
    film = page.frame_locator("iframe")
    film.locator("button", has_text="Forward").click()
    film.locator(".caption", has_text="Step 2 of 5").wait_for()
    look_at(page, "film")
    page.close()


def test_a_page_plays_by_itself_and_loads_nothing(browser: Any, tmp_path: Path) -> None:
    a, b = Value(0.5, label="a</script><script>document.title='x'</script>"), Value(3.0, label="b")
    film = Film(steps((a * b).tanh()))
    film.save(tmp_path / "pass.html")
    page = browser.new_page()
    loaded: list[str] = []
    problems: list[str] = []
    page.on("request", lambda request: loaded.append(request.url))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text))
    page.goto((tmp_path / "pass.html").as_uri())
    expect_text(page, ".caption", "Step 1 of 3")
    page.keyboard.press("ArrowRight")
    expect_text(page, ".caption", film.captions[1][:20])
    page.keyboard.press("Space")
    expect_text(page, ".toggle", "Pause")
    expect_text(page, ".caption", "Done.")
    expect_text(page, ".toggle", "Play")
    page.keyboard.press("Home")
    expect_text(page, ".caption", "Step 1 of 3")
    before = page.locator("svg").get_attribute("viewBox")
    page.keyboard.press("+")
    assert page.locator("svg").get_attribute("viewBox") != before
    look_at(page, "page")
    assert page.title().startswith("Backward from")
    assert (len(loaded), problems) == (1, [])
    page.close()
