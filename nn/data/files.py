"""Files of data opened to be read once, plain or compressed."""

from __future__ import annotations

import errno
import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from autograd import DataError

__all__ = ["Opened", "opened"]


class Opened(NamedTuple):
    """A file that is open: its path, its bytes on the disk and how many, and what they hold."""

    path: Path
    raw: IO[bytes]
    size: int
    content: Any
    is_packed: bool


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[Opened]:
    """Open a file, and unpack what is compressed with gzip while it is read.

    Raises
    ------
    DataError
        If `path` is no path, or the compressed data turn out to be damaged.
    OSError
        If the file cannot be read; so a pipe, on which opening would wait.
    MemoryError
        If what is made of the data does not fit into memory.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "data.gz")
    ...     _ = path.write_bytes(gzip.compress(b"1,2"))
    ...     with opened(path) as file:
    ...         file.content.read(), file.is_packed
    (b'1,2', True)
    """
    if not isinstance(path, str | os.PathLike):
        raise DataError(f"path must be the path of a file, got {path!r}")
    path = Path(path)
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    try:
        with path.open("rb") as raw:
            is_packed = raw.peek(2)[:2] == b"\x1f\x8b"
            content = gzip.GzipFile(fileobj=raw) if is_packed else raw
            yield Opened(path, raw, path.stat().st_size, content, is_packed)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is damaged: {error}") from None
    except MemoryError as error:
        raise MemoryError(str(error) or f"{path} does not fit into memory") from None
