"""DOT text to SVG, and SVG to PNG and PDF, with no Graphviz and no fonts on the system.

Graphviz runs in a child process with a time limit, so that whatever a layout does to the process,
the caller's notebook lives on. Why this way: docs/decisions/0003-rendering-without-graphviz.md.
"""

from __future__ import annotations

import os
from typing import Final

from ..errors import RenderError
from . import font
from .pdf import pdf
from .svg import on_their_arrows, size_of

__all__ = ["FORMATS", "encode", "layout"]

FORMATS: Final = ("svg", "png", "pdf")

TIMEOUT: Final = 60.0
"""Seconds that one layout may take."""

PNG_DPI: Final = 192
"""Dots an inch; Graphviz's own 96 are coarse on a projector and on most screens."""

MAX_PIXELS: Final = 25_000_000
"""A PNG of more, which is 100 MB in memory, has fewer dots an inch."""


def layout(dot: str) -> str:
    """Lay out DOT text as one `<svg>` element; the same text gives the same picture.

    `RenderError` says in one line what went wrong: no Graphviz to be found, a layout of more than
    `TIMEOUT` seconds, or a failure of Graphviz itself.
    """
    import subprocess

    try:
        done = subprocess.run(
            [_program(), "-Tsvg"],
            input=dot.encode(),
            capture_output=True,
            timeout=TIMEOUT,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # on Windows only
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RenderError(
            f"the layout took more than {TIMEOUT:g} seconds: draw a smaller graph"
        ) from None
    except OSError as error:
        raise RenderError(f"Graphviz could not be started: {error}") from None
    lines = [line.strip() for line in done.stderr.decode(errors="replace").split("\n")]
    errors = [line for line in lines if line.startswith("Error")]  # drawn, but not as asked
    if done.returncode or errors or b"<svg" not in done.stdout:
        said = (errors or [line for line in lines if line] or ["no message"])[-1]
        raise RenderError(f"Graphviz failed (exit code {done.returncode}): {said}")
    text = done.stdout.decode().replace("\r\n", "\n")
    # Without the declaration, which no HTML page may hold.
    return on_their_arrows(text[text.index("<svg") :])


def encode(svg: str, format: str) -> bytes:
    """A picture that `layout` made, as the bytes of a file; `format` is one of `FORMATS`."""
    if format == "svg":
        return svg.encode()
    if format == "png":
        return _png(svg)
    if format == "pdf":
        return pdf(svg)
    raise RenderError(f"a picture is one of {', '.join(FORMATS)}, got {format!r}")


def _png(svg: str) -> bytes:
    import resvg_py

    width, height = size_of(svg)
    pixels = width * height * (PNG_DPI / 72) ** 2  # a picture's unit is a point, 1/72 inch
    try:
        return bytes(
            resvg_py.svg_to_bytes(
                svg_string=svg,
                dpi=PNG_DPI * min(1.0, (MAX_PIXELS / pixels) ** 0.5),
                font_files=[font.PATH],
                # Fonts of the system, which differ, only for scripts that ours lacks.
                skip_system_fonts=font.covers(svg),
            )
        )
    except ValueError as error:
        raise RenderError(f"the picture could not be made a PNG: {error}") from None


def _program() -> str:
    """The Graphviz to run: that of the package graphviz-pure, else the `dot` on the PATH."""
    import shutil
    from importlib import metadata

    try:
        files = metadata.files("graphviz-pure") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.stem == "graphviz-pure" and os.access(file.locate(), os.X_OK):
            return str(file.locate())
    program = shutil.which("dot")
    if program is None:
        raise RenderError(
            "drawing needs Graphviz: pip install graphviz-pure, or put Graphviz's dot on the PATH"
        )
    return program
