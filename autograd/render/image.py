"""DOT text to SVG, PNG or PDF, with no Graphviz on the system.

The wheels of pygraphviz carry Graphviz. It runs in a child process with a time limit, so that
whatever a layout does to the process, the caller's notebook lives on. Why this way:
docs/decisions/0003-rendering-without-graphviz.md.
"""

from __future__ import annotations

import html
import importlib.util
import os
import re
import sys
from pathlib import Path
from typing import Final

from ..errors import RenderError

__all__ = ["FORMATS", "render"]

FORMATS: Final = ("svg", "png", "pdf")

TIMEOUT: Final = 60.0
"""Seconds that one layout may take."""

FONT: Final = Path(__file__).parent / "fonts" / "DejaVuSans.ttf"

# Scripts that the font lacks: Indic and other Asian ones, Chinese, Japanese, Korean, emoji.
_NOT_IN_FONT: Final = re.compile("[\u0700-\u1cff\u2e80-\ufaff\U00010000-\U0010ffff]")

# Graphviz's own resolution, 96 dots an inch, is coarse on a projector and on most screens.
PNG_DPI: Final = 192

# The time in a PDF, replaced by one of the same length: the same graph gives the same bytes.
_DATE: Final = re.compile(rb"(/CreationDate \(D:)\d{14}")
_NO_DATE: Final = rb"\g<1>19700101000000"

# argv: the folder that holds pygraphviz, the format, the resolution or "".
_CHILD: Final = """
import sys
folder, format, dpi = sys.argv[1:]
sys.path.insert(0, folder)
import pygraphviz
graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode())
if dpi:
    graph.graph_attr["dpi"] = dpi
sys.stdout.buffer.write(graph.draw(format=format, prog="dot"))
"""


def render(dot: str, format: str) -> bytes:
    """Lay out DOT text and return the picture as bytes; the same text gives the same bytes.

    `format` is one of `FORMATS`. `RenderError` says in one line what went wrong: no Graphviz to
    be found, a layout of more than `TIMEOUT` seconds, or a failure of Graphviz itself.
    """
    import subprocess
    import tempfile

    if format not in FORMATS:
        raise RenderError(f"a picture is one of {', '.join(FORMATS)}, got {format!r}")
    command = _command(format)
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            done = subprocess.run(
                command,
                input=dot.encode(),
                capture_output=True,
                timeout=TIMEOUT,
                env={**os.environ, "FONTCONFIG_FILE": _fonts_for(dot, Path(folder))},
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # on Windows only
                check=False,
            )
    except subprocess.TimeoutExpired:
        raise RenderError(
            f"the layout took more than {TIMEOUT:g} seconds: draw a smaller graph"
        ) from None
    except OSError as error:
        raise RenderError(f"Graphviz could not be started: {error}") from None
    lines = done.stderr.decode(errors="replace").split("\n")
    errors = [line for line in lines if line.startswith("Error:")]  # drawn, but not as asked
    if done.returncode or errors or not done.stdout:
        said = (errors or [line for line in lines if line.strip()] or ["no message"])[-1]
        raise RenderError(f"Graphviz failed (exit code {done.returncode}): {said.strip()}")
    return _DATE.sub(_NO_DATE, done.stdout) if format == "pdf" else done.stdout


def _command(format: str) -> list[str]:
    """What to run: pygraphviz in a Python of its own, else the `dot` that is on the PATH."""
    import shutil

    dpi = str(PNG_DPI) if format == "png" else ""
    spec = importlib.util.find_spec("pygraphviz")
    if spec is not None and spec.origin and sys.executable:
        folder = str(Path(spec.origin).parent.parent)
        return [sys.executable, "-I", "-S", "-c", _CHILD, folder, format, dpi]
    program = shutil.which("dot")
    if program is None:
        raise RenderError(
            "drawing needs Graphviz: pip install pygraphviz, or put Graphviz's dot on the PATH"
        )
    return [program, f"-T{format}", *([f"-Gdpi={dpi}"] if dpi else [])]


def _fonts_for(dot: str, folder: Path) -> str:
    """Prepare `folder` with the fonts of a picture and return the path of their description.

    Our font alone, so that text has the same size on every machine; the system's too only for
    scripts that ours lacks. A copy, since fontconfig writes a file beside every font it finds.
    """
    (folder / FONT.name).write_bytes(FONT.read_bytes())
    system = '<include ignore_missing="yes">/etc/fonts/fonts.conf</include>'
    path = folder / "fonts.conf"
    path.write_text(
        f"<fontconfig><dir>{html.escape(str(folder))}</dir>"
        f"<cachedir>{html.escape(str(folder))}</cachedir>"
        f"{system if _NOT_IN_FONT.search(dot) else ''}</fontconfig>",
        encoding="utf-8",
    )
    return str(path)
