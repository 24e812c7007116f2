"""Make the pictures of the pages that show graphs, by running their examples.

``python docs/make_pictures.py`` writes each where its page looks for it, or all of them to the
folder named after it.
"""

from __future__ import annotations

import doctest
import os
import re
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent

DRAWN = {"graph.svg": ("../README.md", "y"), "replay.svg": ("how-replay-works.md", "loss.program")}
"""For each picture beside the pages: the page, and what it draws."""


def examples(page: Path) -> list[str]:
    """The blocks of code of a page."""
    text = page.read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def run(blocks: list[str], page: Path) -> dict[str, Any]:
    """Run blocks of a page, one after the other, and return the names that they define."""
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, page.name, None, 0)
    if doctest.DocTestRunner().run(test, clear_globs=False).failed:
        raise SystemExit(f"an example of {page.name} fails")
    return test.globs


def save_pictures_of_page(folder: Path) -> None:
    """Run the examples of `pictures.md`, which save their pictures, in a folder."""
    page, before = DOCS / "pictures.md", Path.cwd()
    os.chdir(folder)
    try:
        run(examples(page), page)
    finally:
        os.chdir(before)


def save_drawn(name: str, folder: Path) -> None:
    """Save what the first example of a page that draws it draws."""
    path, what = DRAWN[name]
    page = DOCS / path
    blocks = examples(page)
    last = next(i for i, block in enumerate(blocks) if f"draw({what})" in block)
    names = run(blocks[: last + 1], page)
    eval(f"draw({what})", names).save(folder / name)


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    save_pictures_of_page(folder or DOCS / "pictures")
    for name in DRAWN:
        save_drawn(name, folder or DOCS)
