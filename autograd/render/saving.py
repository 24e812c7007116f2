"""Writes files that a user names; whatever stands in the way is a `RenderError` of one line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from ..errors import RenderError
from ..words import one_line

__all__ = ["saving", "shown", "suffix_of"]

MAX_PATH: Final = 200
"""The longest path in a message."""


def shown(path: Any) -> str:
    """A path, or what was given for one, as a message shows it.

    >>> shown("a.svg"), shown(None)
    ('a.svg', 'None')
    """
    return one_line(_text(path), MAX_PATH)


def suffix_of(path: Any) -> str:
    """The suffix of a path in small letters, with its dot.

    >>> suffix_of("graph.SVG"), suffix_of("folder/")
    ('.svg', '')
    """
    return os.path.splitext(_text(path))[1].lower()


@contextmanager
def saving(path: Any) -> Iterator[None]:
    """Around the writing of a file.

    >>> with saving("missing/a.svg"):
    ...     open("missing/a.svg", "wb")
    Traceback (most recent call last):
    autograd.errors.RenderError: cannot write missing/a.svg: No such file or directory
    """
    try:
        yield
    except (OSError, ValueError) as error:  # the latter for a path that no file can have
        why = error.strerror if isinstance(error, OSError) else error
        raise RenderError(f"cannot write {shown(path)}: {why}") from None


def _text(path: Any) -> str:
    return str(os.fspath(path)) if isinstance(path, str | os.PathLike) else repr(path)
