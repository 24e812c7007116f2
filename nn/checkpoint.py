"""A model's numbers in a file: safetensors, which holds arrays and text and runs no code.

A file is 8 bytes with the length of the header, the header, and the bytes of the arrays. The
header is a JSON object: each array's dtype, shape and place by its name, and, as
``__metadata__``, text by name ("Safetensors: format",
https://huggingface.co/docs/safetensors). Among the text that is written here is a digest of all
the rest, so that a file which was damaged is not taken for a whole one.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
import secrets
import struct
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BufferedReader
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autograd import AutogradError, DataError
from nn.module import (
    Module,
    require_finite,
    require_flag,
    require_kind,
    whole_number,
)

__all__ = [
    "Checkpoints",
    "load_weights",
    "read_state",
    "save_weights",
    "write_file",
    "write_state",
]

Array = NDArray[Any]

MOST_HEADER = 2**24
"""How many bytes a header may have; parsed, JSON takes some twenty times as much memory."""

MOST_BYTES = 2**33
"""How many bytes the arrays of a file may have together."""

DEEPEST = 100
"""How many dicts and lists of a state may stand in each other."""

_DTYPES = {
    **{f"F{8 * n}": np.dtype(f"<f{n}") for n in (8, 4, 2)},
    **{f"I{8 * n}": np.dtype(f"<i{n}") for n in (8, 4, 2, 1)},
    **{f"U{8 * n}": np.dtype(f"<u{n}") for n in (8, 4, 2, 1)},
    "BOOL": np.dtype(bool),
}
"""The dtypes that the format and NumPy share, by the format's names."""

_CODES = {dtype: code for code, dtype in _DTYPES.items()}
_DIGEST, _STATE = "nn.sha256", "nn.state"  # names in the metadata


def save_weights(
    model: Module, path: str | PathLike[str], metadata: dict[str, str] | None = None
) -> None:
    """Write a model's `state_dict` to a ``.safetensors`` file, whole or not at all.

    Names and shapes are PyTorch's, so PyTorch can read the weights of a Tensor net.

    Parameters
    ----------
    model : Module
    path : path
        An existing file is replaced.
    metadata : dict of str to str, optional
        Kept in the file's header.

    Raises
    ------
    OSError
        If the file cannot be written.
    DataError
        If `model` is no Module, or `metadata` holds anything but text.

    Examples
    --------
    >>> import tempfile
    >>> from nn import Linear
    >>> first, second = Linear(2, 1, rng=0), Linear(2, 1, rng=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_weights(first, f"{folder}/model.safetensors")
    ...     load_weights(second, f"{folder}/model.safetensors")
    >>> bool((first.weight.numpy() == second.weight.numpy()).all())
    True
    """
    require_kind("model", model, Module)
    if metadata is not None and not (
        isinstance(metadata, dict)
        and all(isinstance(text, str) for item in metadata.items() for text in item)
    ):
        raise DataError(f"metadata maps text to text, got {metadata!r}")
    _write(path, model.state_dict(), metadata or {})


def load_weights(
    model: Module, path: str | PathLike[str], *, allow_nonfinite: bool = False
) -> None:
    """Read a ``.safetensors`` file, of PyTorch too, into a model of the same names and shapes.

    Parameters
    ----------
    model : Module
        Gets all weights, in its own dtype, or on an error none.
    path : path
    allow_nonfinite : bool
        Whether to take a nan or an infinity.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not a whole safetensors file, or its names are not those of the model.
    ShapeError, DataError
        If an array has another shape than the parameter, or does not hold floats.
    NonFiniteError
        If one holds a nan or an infinity, unless `allow_nonfinite`.

    Examples
    --------
    See `save_weights`.

    >>> from nn import Linear
    >>> load_weights(Linear(2, 1), "missing.safetensors")
    Traceback (most recent call last):
    FileNotFoundError: [Errno 2] No such file or directory: 'missing.safetensors'
    """
    require_kind("model", model, Module)
    allow_nonfinite = require_flag("allow_nonfinite", allow_nonfinite)
    with _opened(path) as reader:
        if _STATE in reader.metadata:
            raise ValueError("it is a checkpoint: read_state reads it")
        for entry in reader.entries:
            if entry.dtype.kind != "f":
                raise DataError(f"{entry.name!r} holds {entry.dtype}, and weights are floats")
        model.require_shapes({entry.name: entry.shape for entry in reader.entries})
        arrays = reader.arrays()
        if not allow_nonfinite:
            require_finite("the weights", arrays)
        model.load_state_dict(arrays)


def write_state(path: str | PathLike[str], state: dict[str, Any]) -> None:
    """Write a nested dict of arrays, numbers and text to one file, whole or not at all.

    The file is a safetensors file. Its arrays are named by their place, as in RFC 6901: "/a/b/0"
    is ``state["a"]["b"][0]``, and a "~" or "/" in a key is "~0" or "~1". The rest is JSON in the
    header. The file is written under another name, flushed to the disk and then renamed, so a
    process that is killed leaves the old file or the new one.

    Parameters
    ----------
    path : path
        An existing file is replaced.
    state : dict
        Keys are text; values are arrays of floats, integers or booleans, int, float, bool, str,
        None, and lists and dicts of these. All come back as they were, floats bit by bit, but
        a number of NumPy comes back as an array of shape ().

    Raises
    ------
    OSError
        If the file cannot be written.
    DataError
        If the state holds something else; its place is named.
    ValueError
        If all that is not arrays takes more than 16 MiB.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_state(f"{folder}/state.safetensors", {"epoch": 3, "loss": np.array([0.5, 0.25])})
    ...     read_state(f"{folder}/state.safetensors")
    {'epoch': 3, 'loss': array([0.5 , 0.25])}
    """
    if not isinstance(state, dict):
        raise DataError(f"a state is a dict, got {type(state).__name__}")
    arrays: dict[str, Array] = {}
    plain = _encoded(state, (), arrays)
    try:
        text = json.dumps(plain, allow_nan=False)
    except ValueError as error:  # an int of thousands of digits
        raise DataError(f"the state does not go into JSON: {error}") from None
    _write(path, arrays, {_STATE: text})


def read_state(path: str | PathLike[str]) -> dict[str, Any]:
    """Read what `write_state` wrote.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is anything else than a whole file that `write_state` wrote.

    Examples
    --------
    See `write_state`.

    >>> read_state("missing.safetensors")
    Traceback (most recent call last):
    FileNotFoundError: [Errno 2] No such file or directory: 'missing.safetensors'
    """
    with _opened(path) as reader:
        if reader.metadata.keys() != {_STATE, _DIGEST}:
            raise ValueError("it is not of write_state; if it holds weights, use load_weights")
        arrays = reader.arrays()
        state = _decoded(reader.metadata[_STATE], arrays)
        if arrays or not isinstance(state, dict):
            raise ValueError("its arrays and its state do not belong together")
        return state


class Checkpoints:
    """A folder with the states of a training run, one file an epoch, of which the last are kept.

    The files are ``epoch-000012.safetensors`` and so on, written by `write_state`: a process
    that is killed while it writes one leaves those before it. One run at a time writes to a
    folder.

    Parameters
    ----------
    folder : path
        Made when the first checkpoint is saved.
    keep : int
        How many checkpoints to keep, at least 1.
    every : int
        Epochs from one checkpoint to the next; the last epoch is always saved.

    Raises
    ------
    ValueError, DataError
        If a number is out of range.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     checkpoints = Checkpoints(folder, keep=2)
    ...     for epoch in (1, 2, 3):
    ...         _ = checkpoints.save(epoch, {"epoch": epoch})
    ...     print(sorted(path.name for path in Path(folder).iterdir()))
    ...     print(read_state(checkpoints.latest()))
    ['epoch-000002.safetensors', 'epoch-000003.safetensors']
    {'epoch': 3}
    """

    def __init__(self, folder: str | PathLike[str], keep: int = 3, every: int = 1) -> None:
        self.folder = Path(folder)
        self.keep = whole_number("keep", keep, 1)
        self.every = whole_number("every", every, 1)

    def __repr__(self) -> str:
        return f"Checkpoints({str(self.folder)!r}, keep={self.keep}, every={self.every})"

    def is_due(self, epoch: int, last: bool) -> bool:
        """Tell whether to save after this epoch: each that `every` divides, and the last.

        >>> [Checkpoints("runs", every=2).is_due(epoch, last=epoch == 5) for epoch in range(1, 6)]
        [False, True, False, True, True]
        """
        return last or epoch % self.every == 0

    def save(self, epoch: int, state: dict[str, Any]) -> Path:
        """Write the state of an epoch, then delete all but the last `keep`; return the file.

        Raises
        ------
        FileExistsError
            If there is a checkpoint of a later epoch, which must be of another run.
        OSError, DataError, ValueError
            As `write_state` does.
        """
        path = self.folder / _file_name(whole_number("epoch", epoch, 0))
        self.folder.mkdir(parents=True, exist_ok=True)
        self._require_no_later(epoch)
        write_state(path, state)
        old = [file for number, file in self._files() if number <= epoch][: -self.keep]
        for file in [*old, *self.folder.glob("epoch-*.safetensors.*.tmp")]:
            with suppress(OSError):  # the next save tries again
                file.unlink()
        return path

    def latest(self) -> Path | None:
        """Return the file of the latest epoch that is whole, or None; warn of those that are not.

        >>> Checkpoints("no such folder").latest() is None
        True
        """
        for _, path in reversed(self._files()):
            try:
                read_state(path)
            except (OSError, ValueError) as error:
                warnings.warn(f"a checkpoint is passed over: {error}", stacklevel=2)
            else:
                return path
        return None

    def _files(self) -> list[tuple[int, Path]]:
        """Return the checkpoints, whole or not, with their epochs in order."""
        found = [
            (int(match[1]), path)
            for path in (self.folder.iterdir() if self.folder.exists() else ())
            if (match := re.fullmatch(r"epoch-([0-9]{6,18})\.safetensors", path.name))
        ]
        return sorted((epoch, path) for epoch, path in found if path.name == _file_name(epoch))

    def _require_no_later(self, epoch: int) -> None:
        """Raise if a whole checkpoint is of a later epoch; delete one that is not whole."""
        for number, path in self._files():
            if number <= epoch:
                continue
            try:
                read_state(path)
            except (OSError, ValueError):
                path.unlink()
            else:
                raise FileExistsError(
                    errno.EEXIST,
                    f"epoch {epoch} cannot be saved after epoch {number}, which another run has "
                    "saved here: resume that run, or choose another folder",
                    str(path),
                )


def _file_name(epoch: int) -> str:
    return f"epoch-{epoch:06d}.safetensors"


# A state, as JSON and arrays. In the JSON, {"@array": name} stands for an array and
# {"@float": digits} for a nan or an infinity; a key of the state's own that begins with "@" has
# a second one in front.


def _encoded(value: Any, place: tuple[str, ...], arrays: dict[str, Array]) -> Any:
    """Return `value` as JSON has it; its arrays are added to `arrays`."""
    if len(place) > DEEPEST:
        raise DataError(f"a state is at most {DEEPEST} deep, got more at {_pointer(place)[:80]}")
    if isinstance(value, np.ndarray | np.generic):
        name = _pointer(place)
        arrays[name] = np.asarray(value)
        return {"@array": name}
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise DataError(f"the keys of a state are text, got others at {_pointer(place)}")
        return {
            f"@{key}" if key.startswith("@") else key: _encoded(item, (*place, key), arrays)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_encoded(item, (*place, str(i)), arrays) for i, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        return {"@float": struct.pack(">d", value).hex()}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise DataError(
        "a state holds arrays, numbers, text, None, and lists and dicts of these, got "
        f"{type(value).__name__} at {_pointer(place)}"
    )


def _pointer(place: tuple[str, ...]) -> str:
    """Return a place in a state as RFC 6901 writes it.

    >>> _pointer(("model", "a/b", "0"))
    '/model/a~1b/0'
    """
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in place)


def _decoded(text: str, arrays: dict[str, Array]) -> Any:
    """Return the state of which `text` is the JSON; its arrays are taken out of `arrays`."""

    def dict_or_leaf(pairs: list[tuple[str, Any]]) -> Any:
        match pairs:
            case [("@array", str(name))] if name in arrays:
                return arrays.pop(name)
            case [("@float", str(digits))]:
                return struct.unpack(">d", bytes.fromhex(digits))[0]
        if any(key.startswith("@") and not key.startswith("@@") for key, _ in pairs):
            raise ValueError(f"unknown in a state: {pairs!r:.80}")
        return _unique([(key.removeprefix("@"), item) for key, item in pairs])

    return json.loads(text, object_pairs_hook=dict_or_leaf, parse_constant=_refused)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a name comes twice in an object")
    return made


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


# The format.


class _Entry(NamedTuple):
    """What a header says of an array: which bytes after the header, and what they are."""

    begin: int
    end: int
    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]


def _write(
    path: str | PathLike[str], arrays: Mapping[str, Array], metadata: dict[str, str]
) -> None:
    """Write a safetensors file with a digest, whole or not at all."""
    taken = arrays.keys() & {"__metadata__"} or metadata.keys() & {_DIGEST}
    if taken:
        raise ValueError(f"the name {taken.pop()!r} is the format's own")
    names = sorted(arrays, key=lambda name: -arrays[name].itemsize)  # so that each is aligned
    described, size = _described({name: arrays[name] for name in names})
    header = _header({**metadata, _DIGEST: "0" * 64}, described)
    if len(header) > MOST_HEADER or size > MOST_BYTES:
        raise ValueError(
            f"{path} would be too large: {len(header):,} bytes of names and JSON and {size:,} of "
            f"arrays, where {MOST_HEADER:,} and {MOST_BYTES:,} are the most"
        )
    digest = hashlib.sha256(_header(metadata, described))
    for name in names:
        digest.update(_bytes(arrays[name]))
    header = _header({**metadata, _DIGEST: digest.hexdigest()}, described)
    header += b" " * (-len(header) % 8)
    contents = (_bytes(arrays[name]) for name in names)
    write_file(path, chain([len(header).to_bytes(8, "little"), header], contents))


def _described(arrays: dict[str, Array]) -> tuple[dict[str, Any], int]:
    """Return what a header says of arrays that follow each other, and where the last one ends."""
    described: dict[str, Any] = {}
    end = 0
    for name, array in arrays.items():
        is_number = array.dtype.kind in "biuf"
        code = _CODES.get(array.dtype.newbyteorder("<")) if is_number else None
        if code is None:
            raise DataError(f"{name} holds {array.dtype}, of which a file has none")
        begin, end = end, end + array.nbytes
        described[name] = {"dtype": code, "shape": array.shape, "data_offsets": [begin, end]}
    return described, end


def _header(metadata: dict[str, str], described: dict[str, Any]) -> bytes:
    header = {"__metadata__": metadata, **described}
    try:
        return json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as error:
        raise DataError(f"a name or a text is not Unicode: {error.object!r:.80}") from None


def _bytes(array: Array) -> memoryview:
    """Return the numbers as the format has them: in the order of C, the lowest byte first.

    It is the memory of the array itself, where that has this order.
    """
    little = np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
    return little.reshape(-1).view(np.uint8).data


def write_file(path: str | PathLike[str], chunks: Iterable[bytes | memoryview]) -> None:
    """Write a file whole or not at all: under another name, which it loses once it is on the disk.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_file(Path(folder, "a.txt"), [b"new"])
    ...     Path(folder, "a.txt").read_bytes()
    b'new'
    """
    target = Path(os.path.realpath(path))
    _require_regular(target)
    temporary = target.with_name(f"{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise
    with suppress(OSError):  # not every system can flush a folder
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _require_regular(path: Path) -> None:
    """Raise if something is there that is not a file; opening a pipe would wait for its end."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "Is a folder, not a file", str(path))
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "Not a regular file", str(path))


@contextmanager
def _opened(path: str | PathLike[str]) -> Iterator[_Reader]:
    """Open a safetensors file; an error in the block gets the file's name in front."""
    path = Path(path)
    _require_regular(path)
    with path.open("rb") as file:
        try:
            yield _Reader(file)
        except (AutogradError, ValueError, RecursionError, MemoryError, struct.error) as error:
            kind = type(error) if isinstance(error, AutogradError) else ValueError
            raise kind(f"{path} cannot be read: {error}") from None


class _Reader:
    """A file whose header was read and checked: its metadata, and what arrays it holds."""

    def __init__(self, file: BufferedReader) -> None:
        self.file = file
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if length > min(size - 8, MOST_HEADER):
            raise ValueError(
                f"not a safetensors file, or cut off: a header of {length:,} bytes in a file of "
                f"{size:,}, where {MOST_HEADER:,} are the most"
            )
        header = json.loads(file.read(length).decode(), object_pairs_hook=_unique)
        if not isinstance(header, dict):
            raise ValueError("not a safetensors file: its header is not an object")
        self.metadata = header.pop("__metadata__", {})
        if not isinstance(self.metadata, dict) or not all(
            isinstance(text, str) for text in self.metadata.values()
        ):
            raise ValueError("its metadata are not text by name")
        self.described = header
        self.entries = _entries(header, size - 8 - length)

    def arrays(self) -> dict[str, Array]:
        """Read the arrays; the digest, if there is one, must be that of all that was read."""
        rest = {name: text for name, text in self.metadata.items() if name != _DIGEST}
        digest = hashlib.sha256(_header(rest, self.described))
        arrays: dict[str, Array] = {}
        for entry in self.entries:
            arrays[entry.name] = _read_array(self.file, entry)
            digest.update(_bytes(arrays[entry.name]))
        if self.metadata.get(_DIGEST) not in (None, digest.hexdigest()):
            raise ValueError("its contents are not what was written: it was damaged")
        return arrays


def _entries(described: dict[str, Any], size: int) -> list[_Entry]:
    """Return what the header says of each array, in order; all fill `size` bytes exactly."""
    entries = sorted(
        (_entry(name, description) for name, description in described.items()),
        key=lambda entry: (entry.begin, entry.end),
    )
    end = 0
    for entry in entries:
        if entry.begin != end:
            raise ValueError(f"{_brief(entry.name)} begins at byte {entry.begin:,}, not {end:,}")
        end = entry.end
    if end != size:
        problem = "cut off" if end > size else "too long"
        raise ValueError(f"it is {problem}: {size:,} bytes of arrays, its header says {end:,}")
    if size > MOST_BYTES:
        raise ValueError(f"{size:,} bytes of arrays are too many, {MOST_BYTES:,} are the most")
    return entries


def _entry(name: str, description: Any) -> _Entry:
    parts = ("dtype", "shape", "data_offsets")
    if not isinstance(description, dict) or description.keys() != set(parts):
        raise ValueError(f"{_brief(name)} needs a dtype, a shape and data_offsets, no more")
    code, shape, offsets = (description[part] for part in parts)
    if not isinstance(code, str) or code not in _DTYPES:
        raise ValueError(f"{_brief(name)} has dtype {code!r:.80}, known are {', '.join(_DTYPES)}")
    if not (_are_sizes(shape) and _are_sizes(offsets) and len(offsets) == 2):
        raise ValueError(f"{_brief(name)} has no valid shape and data_offsets")
    dtype, (begin, end) = _DTYPES[code], offsets
    if end - begin != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{_brief(name)} of shape {shape} does not fill {end - begin:,} bytes")
    return _Entry(begin, end, name, dtype, tuple(shape))


def _are_sizes(numbers: Any) -> bool:
    return (
        isinstance(numbers, list)
        and len(numbers) <= 64  # axes, as NumPy has them
        and all(type(number) is int and 0 <= number < 2**63 for number in numbers)
    )


def _brief(name: str) -> str:
    return f"{name!r:.80}"


def _read_array(file: BufferedReader, entry: _Entry) -> Array:
    array = np.empty(entry.shape, entry.dtype)
    if file.readinto(_bytes(array)) != array.nbytes:
        raise ValueError(f"it is cut off in {_brief(entry.name)}")
    if entry.dtype.kind == "b" and array.view(np.uint8).max(initial=0) > 1:
        raise ValueError(f"{_brief(entry.name)} holds bytes that are no BOOL")
    return array
