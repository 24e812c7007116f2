"""Files of weights and states: exact round trips, and nothing else ever gets in.

Run as a program, this file trains in processes that it kills; the tests below start it so, for
a process that forks must have one thread only.
"""

from __future__ import annotations

import ast
import copy
import hashlib
import json
import math
import mmap
import os
import pickle
import signal
import struct
import subprocess
import sys
import time
import tracemalloc
import warnings
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import nn
import nn.checkpoint
from autograd import AutogradError, DataError, NonFiniteError, ShapeError, Tensor, Value
from nn import MLP, SGD, Adam, Dropout, Linear, Module, ReLU, Sequential, mse_loss
from nn.checkpoint import Checkpoints, load_weights, read_state, save_weights, write_state
from nn.optim import Optimizer
from nn.schedules import CosineDecay, ReduceOnPlateau

ROOT = Path(__file__).parent.parent
posix = pytest.mark.skipif(os.name != "posix", reason="forks and kills processes")

# ---------------------------------------------------------------------- killed trainings

EPOCHS = 8
X = np.random.default_rng(0).normal(size=(48, 3))
DATA = X, np.sin(X.sum(axis=1, keepdims=True))


def adam(model: Module) -> dict[str, Any]:
    return {"optimizer": Adam(model, lr=0.01, amsgrad=True), "schedule": CosineDecay(EPOCHS)}


def momentum(model: Module) -> dict[str, Any]:
    optimizer = SGD(model, lr=0.05, momentum=0.9, nesterov=True)
    return {"optimizer": optimizer, "schedule": ReduceOnPlateau(0.5, patience=0)}


def training(kind: Callable[[Module], dict[str, Any]], folder: Path) -> bytes:
    """Train, or go on with it, and return the bytes of the weights."""
    layers = [Linear(3, 16, rng=0), ReLU(), Dropout(0.3, rng=1), Linear(16, 1, rng=2)]
    model = Sequential(*layers)
    nn.fit(
        model,
        mse_loss,
        data=DATA,
        epochs=EPOCHS,
        batch_size=12,
        validation=0.25,
        patience=None,
        progress=False,
        checkpoints=Checkpoints(folder, keep=2),
        resume=True,
        **kind(model),
    )
    return b"".join(array.tobytes() for array in model.state_dict().values())


KINDS = (adam, momentum)


def save_result(
    kind: Callable[[Module], dict[str, Any]], run: Path, result: Path, phase: Any = None
) -> None:
    if phase is not None:
        watch(phase)
    result.write_bytes(training(kind, run))


def in_a_child(act: Callable[..., None], *arguments: Any) -> int:
    """Fork a process that does it, and return its id."""
    child = os.fork()
    if child:
        return child
    try:
        warnings.simplefilter("error")  # a checkpoint that is passed over fails the test
        act(*arguments)
        os._exit(0)
    except BaseException as error:
        sys.stderr.write(f"in the child: {error!r}\n")
        os._exit(1)


def status_of(child: int) -> int:
    """Wait for a process, and return its exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


PHASES = ["starting", "training", "encoding", "writing", "renaming", "deleting"]


def watch(phase: mmap.mmap) -> None:
    """Note in `phase`, which the parent sees, what this process is about to do."""

    def noting(index: int, act: Callable[..., Any], then: int | None = None) -> Any:
        def noted(*args: Any, **kwargs: Any) -> Any:
            phase[0] = index
            result = act(*args, **kwargs)
            phase[0] = index if then is None else then
            return result

        return noted

    nn.checkpoint.write_state = noting(2, nn.checkpoint.write_state)
    nn.checkpoint.write_file = noting(3, nn.checkpoint.write_file)
    os.replace = noting(4, os.replace)
    Path.unlink = noting(5, Path.unlink)  # type: ignore[method-assign]
    Checkpoints.save = noting(2, Checkpoints.save, then=1)  # type: ignore[method-assign]
    Module.train = noting(1, Module.train)  # type: ignore[method-assign]


def kill_at_random(folder: Path, kills: int = 200) -> dict[str, Any]:
    """Train until so many processes were killed, each time going on from where one was."""
    expected, durations = [], []
    for kind in KINDS:
        start = time.perf_counter()
        expected.append(training(kind, folder / kind.__name__))
        durations.append(time.perf_counter() - start)
    longest = min(durations) / 2
    phase, rng = mmap.mmap(-1, 1), np.random.default_rng()
    landed: Counter[str] = Counter()
    complete = 0
    while complete < len(KINDS) or sum(landed.values()) < kills:
        kind = KINDS[complete % len(KINDS)]
        run, result = folder / f"run{complete}", folder / f"result{complete}"
        phase[0] = 0
        child = in_a_child(save_result, kind, run, result, phase)
        time.sleep(rng.uniform(0, longest))
        os.kill(child, signal.SIGKILL)
        status = status_of(child)
        if status == -signal.SIGKILL:
            landed[PHASES[phase[0]]] += 1
            longest *= 1.02  # should the machine be slower than it was, this gets through
            continue
        assert status == 0, "the training failed"
        assert result.read_bytes() == expected[complete % len(KINDS)], f"after {landed}"
        complete, longest = complete + 1, min(durations) / 2
    return {"landed": landed, "complete": complete}


def leftovers(folder: Path) -> list[str]:
    """What is in a folder besides the last two checkpoints of a complete training."""
    kept = {f"epoch-{EPOCHS - 1:06d}.safetensors", f"epoch-{EPOCHS:06d}.safetensors"}
    return sorted({path.name for path in folder.iterdir()} ^ kept)


def suicide(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def after(act: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: (act(*args, **kwargs), suicide())


def half(file: int) -> None:
    os.ftruncate(file, os.fstat(file).st_size // 2)
    suicide()


def second(act: Callable[..., Any]) -> Callable[..., Any]:
    """Do it, and die the second time."""
    calls: list[int] = []

    def counted(*args: Any) -> Any:
        calls.append(0)
        return suicide() if len(calls) == 2 else act(*args)

    return counted


DEATHS: dict[str, tuple[Any, str, Callable[..., Any], int]] = {
    "half written": (os, "fsync", half, 3),
    "not flushed": (os, "fsync", suicide, 3),
    "flushed": (os, "fsync", after(os.fsync), 3),
    "not renamed": (os, "replace", suicide, 3),
    "renamed": (os, "replace", after(os.replace), 4),
    "folder not flushed": (os, "fsync", second(os.fsync), 4),
    "nothing deleted": (Path, "unlink", suicide, 4),
    "one deleted": (Path, "unlink", after(Path.unlink), 4),
}
"""What dies where while it saves epoch 4, and which epoch is then the latest that is whole."""


def die_in_epoch_4(run: Path, owner: Any, attribute: str, deadly: Callable[..., Any]) -> None:
    """Train with `deadly` in place of the attribute while epoch 4 is saved."""
    save = Checkpoints.save

    def save_and_die(self: Checkpoints, epoch: int, state: Any) -> Path:
        if epoch == 4:
            setattr(owner, attribute, deadly)
        path = save(self, epoch, state)
        assert epoch < 4, "it did not die"
        return path

    Checkpoints.save = save_and_die  # type: ignore[method-assign]
    training(adam, run)


def kill_between_steps(folder: Path) -> dict[str, int]:
    """Return the latest epoch after each death; the trainings then end with the right weights."""
    expected = training(adam, folder / "undisturbed")
    latest = {}
    for name, (owner, attribute, deadly, _) in DEATHS.items():
        run, result = folder / name, folder / f"{name}.result"
        died = status_of(in_a_child(die_in_epoch_4, run, owner, attribute, deadly))
        assert died == -signal.SIGKILL, name
        path = Checkpoints(run).latest()
        assert path is not None
        latest[name] = read_state(path)["epoch"]
        assert status_of(in_a_child(save_result, adam, run, result)) == 0
        assert result.read_bytes() == expected, name
        assert leftovers(run) == [], name
    return latest


def as_a_program(*arguments: object) -> Any:
    """Run this file in a process of one thread, and return the JSON that it prints."""
    one = dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"], "1")
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    run = subprocess.run(
        [sys.executable, __file__, *map(str, arguments)],
        env=os.environ | one | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@posix
def test_a_training_that_is_killed_200_times_ends_with_the_same_weights(tmp_path: Path) -> None:
    report = as_a_program("random", tmp_path)
    landed = report["landed"]
    assert sum(landed.values()) >= 200
    assert landed["training"] > 0
    assert sum(landed.get(phase, 0) for phase in PHASES[2:]) > 0
    assert report["complete"] >= 2


@posix
def test_a_training_may_be_killed_between_any_two_steps_of_saving(tmp_path: Path) -> None:
    assert as_a_program("steps", tmp_path) == {name: epoch for name, (*_, epoch) in DEATHS.items()}


# ------------------------------------------------------------------------------- states


def same(a: Any, b: Any) -> bool:
    """Tell whether two states are of the same types and the same to the bit."""
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray):
        native = a.astype(a.dtype.newbyteorder("="))
        return (
            isinstance(b, np.ndarray)
            and (native.dtype, a.shape) == (b.dtype, b.shape)
            and native.tobytes() == b.tobytes()
        )
    if isinstance(a, float):
        return type(b) is float and struct.pack("<d", a) == struct.pack("<d", b)
    return type(a) is type(b) and bool(a == b)


@st.composite
def arrays(draw: st.DrawFn) -> Any:
    """An array of any dtype of the format, either byte order, any shape, with or without gaps."""
    dtype = draw(hnp.scalar_dtypes().filter(lambda dtype: dtype.kind in "biuf"))
    if dtype.itemsize > 8:
        dtype = np.dtype(np.float64)
    array = draw(hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0, max_side=4)))
    if array.ndim and draw(st.booleans()):
        array = array.T[:: draw(st.sampled_from([1, 2, -1]))]
    return array


def float_of(bits: int) -> float:
    (number,) = struct.unpack(">d", bits.to_bytes(8, "big"))
    return float(number)


leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**200), 2**200)
    | st.floats()
    | st.integers(0, 2**64 - 1).map(float_of)
    | st.text(max_size=8)
    | arrays()
)
names = st.sampled_from(["@array", "@float", "@", "/", "~1", "", "__metadata__", "0", "a.b"])
keys = names | st.text(max_size=4).filter(lambda text: text.isprintable())
states = st.dictionaries(
    keys,
    st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state") / "state.safetensors"


@given(states)
@example({"__metadata__": np.ones(2), "": np.zeros((0, 3)), "a": {"b": np.array(1)}, "a/b": True})
@example({"@array": "/a", "a": np.ones(1), "b": {"@float": "7ff8000000000000"}, "c": [math.nan]})
@example({"a": [float_of(0xFFF8000000000000), float_of(0x7FF8000000000123), math.inf]})
@example({"": {"": np.ones(1)}, "/": np.zeros(2), "a": [np.array(True)], "~1": -0.0})
def test_a_state_comes_back_as_it_was(path: Path, state: dict[str, Any]) -> None:
    write_state(path, state)
    assert same(state, read_state(path))
    assert list(path.parent.iterdir()) == [path]


@given(states)
def test_a_state_is_a_file_that_the_library_reads(path: Path, state: dict[str, Any]) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    write_state(path, {"state": state, "array": np.arange(3)})
    theirs = safetensors.load(path.read_bytes())
    assert (theirs.pop("/array") == np.arange(3)).all()
    assert all(name.startswith("/state/") for name in theirs)


def test_numbers_of_numpy_come_back_as_arrays(path: Path) -> None:
    write_state(path, {"a": np.float32(0.1), "b": [np.int8(3), np.float64("nan")]})
    state = read_state(path)
    assert same(state, {"a": np.array(0.1, np.float32), "b": [np.array(3, np.int8), state["b"][1]]})
    assert same(state["b"][1], np.array(np.nan))


nested: list[Any] = []
nested.append(nested)


@pytest.mark.parametrize(
    ("state", "error", "message"),
    [
        ([1], DataError, "a state is a dict, got list"),
        ({"a": {"b": (1, 2)}}, DataError, "got tuple at /a/b"),
        ({"a": [0, {1, 2}]}, DataError, "got set at /a/1"),
        ({"a": np.array([None])}, DataError, "/a holds object"),
        ({"a": np.array(["text"])}, DataError, "/a holds <U4"),
        ({"a": np.array(["text"], np.dtypes.StringDType())}, DataError, "/a holds StringDType"),
        ({"a": np.array([1], "M8[D]")}, DataError, "/a holds datetime64"),
        ({"a": np.ones(2, complex)}, DataError, "/a holds complex128"),
        ({"a": {3: 1}}, DataError, "keys of a state are text, got others at /a"),
        ({"a": nested}, DataError, "at most 100 deep"),
        ({"a": 10**5000}, DataError, "does not go into JSON"),
        ({"\ud800": np.ones(2)}, DataError, "not Unicode"),
        ({"a": "x" * 2**24}, ValueError, r"too large: 16,777,\d+ bytes of names and JSON"),
        ({"a": np.broadcast_to(np.zeros(()), 2**31)}, ValueError, "too large"),
    ],
)
def test_what_is_no_state_is_not_written(
    tmp_path: Path, state: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        write_state(tmp_path / "state.safetensors", state)
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------- malformed files


def file_of(header: Any, contents: bytes = b"") -> bytes:
    """The bytes of a safetensors file; a header that is no bytes yet is made JSON."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + contents


def described(dtype: Any, shape: Any, *offsets: Any) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": list(offsets)}


ONE = described("F64", [1], 0, 8)
LOADABLE = {"weight": described("F64", [2, 3], 0, 48), "bias": described("F64", [2], 48, 64)}

MALFORMED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "not a safetensors file"),
    "seven bytes": (b"\2\0\0\0\0\0\0", "not a safetensors file"),
    "pickle": (pickle.dumps([1, 2, 3]), "not a safetensors file"),
    "a header of 10**15 bytes": (struct.pack("<Q", 10**15) + b"{}", "1,000,000,000,000,000 bytes"),
    "a header of 2**64 - 1 bytes": (b"\xff" * 8 + b"{}", "a header of 18,446,744,073,709,551,615"),
    "a header too long": (file_of(b" " * (2**24 + 1)), "where 16,777,216 are the most"),
    "no JSON": (file_of(b"{]"), "property name"),
    "no UTF-8": (file_of(b'{"\xff": 1}'), "utf-8"),
    "a list": (file_of([]), "its header is not an object"),
    "deep lists": (file_of(b"[" * 10**6), "recursion"),
    "deep objects": (file_of(b'{"a":' * 10**6), "recursion"),
    "digits": (file_of(b'{"a":' + b"9" * 10**5 + b"}"), "Exceeds the limit"),
    "twice": (file_of(b'{"a":{},"a":{}}'), "a name comes twice"),
    "metadata twice": (file_of(b'{"__metadata__":{},"__metadata__":{}}'), "a name comes twice"),
    "metadata of numbers": (file_of({"__metadata__": {"a": 1}}), "metadata are not text"),
    "metadata as a list": (file_of({"__metadata__": []}), "metadata are not text"),
    "no description": (file_of({"a": None}), "'a' needs a dtype, a shape and data_offsets"),
    "more in a description": (file_of({"a": {**ONE, "b": 1}}, b"8" * 8), "'a' needs"),
    "unknown dtype": (file_of({"a": described("BF16", [1], 0, 2)}, b"22"), "dtype 'BF16', known"),
    "no text as dtype": (file_of({"a": described([], [1], 0, 2)}, b"22"), "dtype \\[\\], known"),
    "a negative size": (file_of({"a": described("U8", [-1], 0, 1)}, b"1"), "no valid shape"),
    "a fraction": (file_of({"a": described("U8", [1.0], 0, 1)}, b"1"), "no valid shape"),
    "a bool": (file_of({"a": described("U8", [True], 0, 1)}, b"1"), "no valid shape"),
    "a shape of text": (file_of({"a": described("U8", "1", 0, 1)}, b"1"), "no valid shape"),
    "nan": (file_of(b'{"a":{"dtype":"U8","shape":[NaN],"data_offsets":[0,1]}}'), "no valid shape"),
    "65 axes": (file_of({"a": described("U8", [1] * 65, 0, 1)}, b"1"), "no valid shape"),
    "one offset": (
        file_of({"a": described("U8", [1], 0)}, b"1"),
        "no valid shape and data_offsets",
    ),
    "a huge size": (file_of({"a": described("U8", [2**63], 0, 1)}, b"1"), "no valid shape"),
    "a product beyond 64 bits": (
        file_of({"a": described("U8", [2**40, 2**40], 0, 1)}, b"1"),
        "does not fill 1 bytes",
    ),
    "10**15 bytes of an array": (
        file_of({"a": described("U8", [10**15], 0, 10**15)}, b"1"),
        "cut off: 1 bytes of arrays, its header says 1,000,000,000,000,000",
    ),
    "backwards": (file_of({"a": described("U8", [0], 8, 0)}, b"8" * 8), "does not fill -8 bytes"),
    "a gap": (
        file_of({"a": described("U8", [1], 0, 1), "b": described("U8", [1], 2, 3)}, b"123"),
        "'b' begins at byte 2, not 1",
    ),
    "an overlap": (
        file_of({"a": described("U8", [2], 0, 2), "b": described("U8", [2], 1, 3)}, b"123"),
        "'b' begins at byte 1, not 2",
    ),
    "too short": (file_of({"a": ONE}, b"8" * 7), "cut off: 7 bytes of arrays"),
    "too long": (file_of({"a": ONE}, b"8" * 9), "too long: 9 bytes of arrays"),
}


NO_STATES: dict[str, tuple[bytes, str]] = {
    "weights": (file_of({"a": ONE}, b"8" * 8), "if it holds weights, use load_weights"),
    "no digest": (file_of({"__metadata__": {"nn.state": "{}"}}), "it is not of write_state"),
    "another digest": (
        file_of({"__metadata__": {"nn.state": "{}", "nn.sha256": "0" * 64}}),
        "it was damaged",
    ),
}


def with_digest(text: str, header: dict[str, Any], contents: bytes) -> bytes:
    """The file of a state that someone made with care."""
    digest = hashlib.sha256(nn.checkpoint._header({"nn.state": text}, header) + contents)
    metadata = {"nn.state": text, "nn.sha256": digest.hexdigest()}
    return file_of({"__metadata__": metadata, **header}, contents)


FORGED: dict[str, tuple[str, dict[str, Any], bytes]] = {
    "no JSON": ("{", {}, b""),
    "a list": ("[]", {}, b""),
    "an array": ('{"@array":"/a"}', {"/a": ONE}, b"8" * 8),
    "deep": ('{"a":' * 10**6, {}, b""),
    "a key twice": ('{"a":1,"a":1}', {}, b""),
    "NaN": ('{"a":NaN}', {}, b""),
    "Infinity": ('{"a":-Infinity}', {}, b""),
    "an unknown mark": ('{"a":{"@module":"os"}}', {}, b""),
    "two marks": ('{"a":{"@array":"/a","@float":""}}', {"/a": ONE}, b"8" * 8),
    "no array": ('{"a":{"@array":"/a"}}', {}, b""),
    "an array twice": ('{"a":{"@array":"/a"},"b":{"@array":"/a"}}', {"/a": ONE}, b"8" * 8),
    "an array too many": ('{"a":1}', {"/a": ONE}, b"8" * 8),
    "an array by number": ('{"a":{"@array":0}}', {"0": ONE}, b"8" * 8),
    "no hex": ('{"a":{"@float":"zz"}}', {}, b""),
    "half a float": ('{"a":{"@float":"7ff8"}}', {}, b""),
    "digits": ('{"a":' + "9" * 10**5 + "}", {}, b""),
    "no BOOL": ('{"a":{"@array":"/a"}}', {"/a": described("BOOL", [2], 0, 2)}, b"\1\2"),
    "beyond NumPy": (
        '{"a":{"@array":"/a"}}',
        {"/a": described("U8", [0, 2**62, 2**62], 0, 0)},
        b"",
    ),
}


def outcome(read: Callable[[], Any]) -> Any:
    """What a call returns, or the error."""
    try:
        return read()
    except (ValueError, AutogradError) as error:
        return error


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_is_an_error_that_names_it(tmp_path: Path, name: str) -> None:
    contents, message = MALFORMED[name]
    path = tmp_path / "some.safetensors"
    path.write_bytes(contents)
    model = Linear(3, 2, rng=0)
    before = model.state_dict()
    tracemalloc.start()
    try:
        for read in (lambda: read_state(path), lambda: load_weights(model, path)):
            with pytest.raises(
                ValueError, match=rf"some\.safetensors cannot be read: .*({message})"
            ):
                read()
        assert tracemalloc.get_traced_memory()[1] < 3 * len(contents) + 2**20
    finally:
        tracemalloc.stop()
    assert same(model.state_dict(), before)


@pytest.mark.parametrize("name", NO_STATES)
def test_what_is_no_state_is_not_read(tmp_path: Path, name: str) -> None:
    contents, message = NO_STATES[name]
    path = tmp_path / "some.safetensors"
    path.write_bytes(contents)
    with pytest.raises(ValueError, match=message):
        read_state(path)


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_state_is_an_error(tmp_path: Path, name: str) -> None:
    path = tmp_path / "some.safetensors"
    path.write_bytes(with_digest(*FORGED[name]))
    with pytest.raises(ValueError, match=r"some\.safetensors cannot be read: "):
        read_state(path)
    path.write_bytes(with_digest('{"a":{"@array":"/a"}}', {"/a": ONE}, b"\0" * 8))
    assert same(read_state(path), {"a": np.zeros(1)})  # so the digest was not the reason


def damages(contents: bytes) -> st.SearchStrategy[bytes]:
    """Ways to damage a file: cut off, one bit, a byte more or less, a piece moved, a length."""
    size = len(contents)
    places = st.integers(0, size - 1)
    return st.one_of(
        places.map(lambda end: contents[:end]),
        st.integers(0, 8 * size - 1).map(lambda bit: flipped(contents, bit)),
        st.tuples(places, st.binary(min_size=1, max_size=9)).map(
            lambda at: contents[: at[0]] + at[1] + contents[at[0] :]
        ),
        st.tuples(places, places).map(lambda at: contents[: min(at)] + contents[max(at) + 1 :]),
        st.tuples(places, places).map(lambda at: contents[at[0] :] + contents[at[1] :]),
        st.integers(0, 2**64 - 1).map(lambda length: struct.pack("<Q", length) + contents[8:]),
    )


def flipped(contents: bytes, bit: int) -> bytes:
    changed = bytearray(contents)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def example_state() -> dict[str, Any]:
    model = Sequential(Linear(2, 3, rng=0), Dropout(rng=0))
    optimizer = Adam(model)
    mse_loss(model(np.ones((4, 2))), np.zeros((4, 3))).backward()
    optimizer.step()
    return {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "random": model.random_state(),
        "loss": [0.5, math.nan, -0.0, 1e-300],
        "mask": np.array([True, False]),
        "stopped": None,
    }


@given(st.data())
def test_a_damaged_state_is_an_error_or_what_it_was(path: Path, data: st.DataObject) -> None:
    state = example_state()
    write_state(path, state)
    path.write_bytes(data.draw(damages(path.read_bytes())))
    again = outcome(lambda: read_state(path))
    is_error = isinstance(again, ValueError) and f"{path} cannot be read: " in str(again)
    assert is_error or same(state, again)


def test_no_bit_of_a_state_can_flip_unnoticed(path: Path) -> None:
    state = {"a": [1, 0.5], "b": np.arange(2)}
    write_state(path, state)
    contents = path.read_bytes()
    for bit in range(0, 8 * len(contents), 3):  # 3, so that each place in a byte has its turn
        path.write_bytes(flipped(contents, bit))
        again = outcome(lambda: read_state(path))
        assert isinstance(again, ValueError) or same(state, again)


@given(st.data())
def test_damaged_weights_are_an_error_or_what_they_were(path: Path, data: st.DataObject) -> None:
    saved, model = MLP(2, [3, 1], rng=0), MLP(2, [3, 1], rng=1)
    before = model.state_dict()
    save_weights(saved, path, {"data": "moons"})
    path.write_bytes(data.draw(damages(path.read_bytes())))
    error = outcome(lambda: load_weights(model, path))
    assert error is None or str(path) in str(error)
    assert same(model.state_dict(), before if error else saved.state_dict())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)
sizes = st.lists(st.integers(-1, 4) | st.just(2**62), max_size=3)
descriptions = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F64", "F32", "F16", "I8", "BOOL", "F8", ""]),
        "shape": sizes,
        "data_offsets": st.lists(st.integers(-1, 64), min_size=1, max_size=3),
    }
)
headers = st.dictionaries(
    st.sampled_from(["weight", "bias", "__metadata__", "gain"]), descriptions | json_values
)


@given(headers | json_values, st.binary(max_size=70))
@example(LOADABLE, b"\0" * 64)
@example({**LOADABLE, "__metadata__": {"nn.sha256": "0"}}, b"\0" * 64)
def test_any_header_is_an_error_or_loads(path: Path, header: Any, contents: bytes) -> None:
    model = Linear(3, 2, rng=0)
    before = model.state_dict()
    path.write_bytes(file_of(header, contents))
    error = outcome(lambda: load_weights(model, path))
    assert error is None or str(path) in str(error)
    if error:
        assert same(model.state_dict(), before)
    else:
        stored = np.concatenate([array.ravel() for array in model.state_dict().values()])
        assert stored.tobytes() == contents


@given(st.binary(max_size=200))
def test_any_bytes_are_an_error(path: Path, contents: bytes) -> None:
    path.write_bytes(contents)
    with pytest.raises(ValueError, match="cannot be read"):
        read_state(path)


class Hostile:
    """Pickled, it is a program that makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


def test_nothing_runs_that_a_file_holds(tmp_path: Path) -> None:
    path, folder = tmp_path / "some.safetensors", tmp_path / "made"
    program = pickle.dumps(Hostile(folder))
    for contents in (program, file_of(program), file_of({}, program)):
        path.write_bytes(contents)
        for read in (lambda: read_state(path), lambda: load_weights(Linear(1, 1), path)):
            with pytest.raises(ValueError, match="cannot be read"):
                read()
    assert not folder.exists()
    pickle.loads(program)
    assert folder.exists()  # so it would have run


def test_nn_uses_no_pickle() -> None:
    for source in (ROOT / "nn").rglob("*.py"):
        nodes = list(ast.walk(ast.parse(source.read_text(encoding="utf-8"))))
        imported = {n.module for n in nodes if isinstance(n, ast.ImportFrom)}
        imported |= {alias.name for n in nodes if isinstance(n, ast.Import) for alias in n.names}
        called = {n.id for n in nodes if isinstance(n, ast.Name)}
        options = {n.arg for n in nodes if isinstance(n, ast.keyword)}
        assert not imported & {"pickle", "marshal", "shelve", "joblib", "dill"}, source
        assert not called & {"eval", "exec"}, source
        assert "allow_pickle" not in options, source


# ------------------------------------------------------------------------------- writing


@posix
@pytest.mark.parametrize("act", ["write_state", "read_state", "save_weights", "load_weights"])
@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "link to a pipe"])
def test_only_regular_files_are_read_and_replaced(tmp_path: Path, kind: str, act: str) -> None:
    path = tmp_path / "some.safetensors"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path = Path("/dev/zero")
    else:
        os.mkfifo(tmp_path / "pipe")
        path.symlink_to(tmp_path / "pipe")
    before = sorted(tmp_path.iterdir())
    model = Linear(1, 1)
    actions: dict[str, Callable[[], Any]] = {
        "write_state": lambda: write_state(path, {}),
        "read_state": lambda: read_state(path),
        "save_weights": lambda: save_weights(model, path),
        "load_weights": lambda: load_weights(model, path),
    }
    with pytest.raises(OSError, match=r"some\.safetensors|pipe|zero"):
        actions[act]()
    assert sorted(tmp_path.iterdir()) == before


@posix
def test_a_link_to_itself_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "some.safetensors"
    path.symlink_to(path)
    with pytest.raises(OSError, match=r"some\.safetensors"):
        read_state(path)


@posix
def test_a_link_stays_one_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    link, target = tmp_path / "link.safetensors", tmp_path / "there" / "target.safetensors"
    link.symlink_to(target)
    for number in (1, 2):
        write_state(link, {"number": number})
        assert link.is_symlink()
        assert read_state(target) == read_state(link) == {"number": number}


@posix
def test_a_file_has_the_permissions_of_any_other(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    write_state(tmp_path / "state", {})
    assert (tmp_path / "state").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_what_fails_while_writing_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    def fails(*_: Any) -> None:
        raise error

    path = tmp_path / "state.safetensors"
    write_state(path, {"number": 1})
    with monkeypatch.context() as patch:
        patch.setattr(os, step, fails)
        with pytest.raises(type(error)) as raised:
            write_state(path, {"number": 2})
    if isinstance(error, OSError):
        assert str(raised.value) == f"[Errno 28] No space left on device: {str(path)!r}"
    assert read_state(path) == {"number": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "state.safetensors"
    with pytest.raises(FileNotFoundError, match=r"missing.state\.safetensors'$"):
        write_state(path, {})


def test_threads_that_write_one_file_leave_one_of_theirs(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    states = [{"number": n, "array": np.full(1000, n)} for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda state: write_state(path, state), states * 5))
    assert any(same(read_state(path), state) for state in states)
    assert list(tmp_path.iterdir()) == [path]


def test_arrays_too_large_are_not_written(tmp_path: Path) -> None:
    array = np.broadcast_to(np.float64(0), (2**31,))  # 16 GiB, in 8 bytes
    with pytest.raises(ValueError, match="17,179,869,184 of arrays, where"):
        write_state(tmp_path / "state.safetensors", {"array": array})


@posix
def test_a_file_of_nothing_but_a_huge_size_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path, size = tmp_path / "sparse.safetensors", 2**33 + 8
    path.write_bytes(file_of({"weight": described("F64", [size // 8], 0, size)}))
    os.truncate(path, path.stat().st_size + size)
    for read in (lambda: read_state(path), lambda: load_weights(Linear(1, 1), path)):
        with pytest.raises(ValueError, match="8,589,934,600 bytes of arrays are too many"):
            read()
    path.write_bytes(file_of({"weight": described("F64", [2**29], 0, 2**32)}))
    os.truncate(path, path.stat().st_size + 2**32)
    tracemalloc.start()
    with pytest.raises(ShapeError, match=r"has shape \(536870912,\), expected \(1, 1\)"):
        load_weights(Linear(1, 1, bias=False), path)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


# --------------------------------------------------------------------------- checkpoints


def saved(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@settings(max_examples=25)
@given(
    keep=st.integers(1, 4),
    epochs=st.lists(st.integers(0, 2 * 10**6), min_size=1, max_size=6, unique=True).map(sorted),
)
def test_the_last_checkpoints_are_kept(
    tmp_path_factory: pytest.TempPathFactory, keep: int, epochs: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("run") / "new" / "folder"
    checkpoints = Checkpoints(folder, keep=keep)
    assert checkpoints.latest() is None
    for epoch in epochs:
        path = checkpoints.save(epoch, {"epoch": epoch})
        assert path == checkpoints.latest()
        assert read_state(path) == {"epoch": epoch}
    assert {path.name for path in folder.iterdir()} == {
        f"epoch-{epoch:06d}.safetensors" for epoch in epochs[-keep:]
    }


def test_broken_and_other_files_are_passed_over(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=2)
    good = checkpoints.save(3, {"epoch": 3})
    others = ["epoch-9.safetensors", "epoch-0000009.safetensors", "epoch-000009.safetensors.bak",
              "model.safetensors", "epoch-٠٠٠٠٠٩.safetensors"]  # fmt: skip
    for name in others:
        (tmp_path / name).write_bytes(good.read_bytes())
    assert checkpoints.latest() == good
    (tmp_path / "epoch-000004.safetensors").write_bytes(good.read_bytes()[:-1])
    (tmp_path / "epoch-000005.safetensors").mkdir()
    with pytest.warns(UserWarning, match="passed over: ") as warned:
        assert checkpoints.latest() == good
    assert ["epoch-000005" in str(w.message) for w in warned] == [True, False]
    (tmp_path / "epoch-000005.safetensors").rmdir()
    checkpoints.save(4, {"epoch": 4})
    assert set(others) <= set(saved(tmp_path))


def test_what_a_killed_process_left_is_deleted(tmp_path: Path) -> None:
    temporary = tmp_path / "epoch-000003.safetensors.0123abcd.tmp"
    temporary.write_bytes(b"half")
    (tmp_path / "notes.tmp").touch()
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.latest() is None
    checkpoints.save(3, {})
    assert saved(tmp_path) == ["epoch-000003.safetensors", "notes.tmp"]


def test_a_later_checkpoint_of_another_run_is_not_lost(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(100, {})
    with pytest.raises(FileExistsError, match=r"epoch 1 cannot be saved after epoch 100.*resume"):
        checkpoints.save(1, {})
    assert saved(tmp_path) == ["epoch-000100.safetensors"]
    (tmp_path / "epoch-000100.safetensors").write_bytes(b"broken")
    checkpoints.save(1, {})
    assert saved(tmp_path) == ["epoch-000001.safetensors"]


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda: Checkpoints("a", keep=0), ValueError, "keep must be at least 1, got 0"),
        (lambda: Checkpoints("a", every=0), ValueError, "every must be at least 1, got 0"),
        (lambda: Checkpoints("a", every=1.5), DataError, "every must be an integer"),
        (lambda: Checkpoints("a").save(-1, {}), ValueError, "epoch must be at least 0"),
    ],
)
def test_checkpoints_check_their_numbers(
    act: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        act()


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    checkpoints = Checkpoints(tmp_path / "file")
    for act in (checkpoints.latest, lambda: checkpoints.save(1, {})):
        with pytest.raises(OSError, match="file"):
            act()


# ------------------------------------------------------------------------------ resuming


def places(state: Any) -> list[list[Any]]:
    """Every place in a nested state."""
    if not isinstance(state, dict | list):
        return []
    items = state.items() if isinstance(state, dict) else enumerate(state)
    return [[key, *place] for key, part in items for place in [[], *places(part)]]


def with_change(state: Any, place: list[Any], value: Any) -> Any:
    """A copy of a nested state with one thing in it replaced."""
    if not place:
        return value
    changed = copy.copy(state)
    changed[place[0]] = with_change(state[place[0]], place[1:], value)
    return changed


JUNK = [None, True, -1, 0, 2**70, 0.5, math.nan, -math.inf, "a", [], {}, [1.0], {"a": 1},
        np.ones(()), np.ones(3), np.ones((3, 2)), np.ones((3, 2), np.float32),
        np.full((3, 2), np.nan), np.ones(2, bool), np.ones(10**5)]  # fmt: skip


def run_in(folder: Path, seed: int, epochs: int) -> tuple[Any, Callable[[], Any]]:
    """A model with everything that a checkpoint holds, and what trains it."""
    model = Sequential(Linear(2, 3, rng=seed), Dropout(0.5, rng=seed), Linear(3, 1, rng=seed))
    optimizer = Adam(model, lr=0.1)
    data = np.ones((8, 2)), np.zeros((8, 1))
    options: dict[str, Any] = {"validation": 0.25, "progress": False, "resume": True}
    options |= {"checkpoints": Checkpoints(folder), "schedule": ReduceOnPlateau(patience=0)}
    return (model, optimizer), lambda: nn.fit(model, mse_loss, optimizer, data, epochs, **options)


def everything(model: Module, optimizer: Optimizer) -> Any:
    return [model.state_dict(), model.random_state(), optimizer.state_dict()]


@given(st.data(), st.sampled_from(JUNK))
def test_a_wrong_checkpoint_is_an_error_that_changes_nothing_or_can_be_trained_on(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, junk: Any
) -> None:
    folder = tmp_path_factory.mktemp("run")
    run_in(folder, seed=0, epochs=2)[1]()
    path = Checkpoints(folder).latest()
    assert path is not None
    state = read_state(path)
    write_state(path, with_change(state, data.draw(st.sampled_from(places(state))), junk))
    parts, train = run_in(folder, seed=1, epochs=3)
    before = everything(*parts)
    result = outcome(train)
    if isinstance(result, Exception):
        assert str(path) in str(result)
        assert same(everything(*parts), before)
    else:
        assert len(result) == 3
        assert all(np.isfinite(array).all() for array in parts[0].state_dict().values())


# ------------------------------------------------------------------------------- weights


@given(st.sampled_from([np.float64, np.float32, np.float16]), st.sampled_from([Tensor, Value]))
def test_weights_come_back_as_they_were(path: Path, dtype: Any, node: Any) -> None:
    saved, model = MLP(2, [3, 1], node=node, rng=0), MLP(2, [3, 1], node=node, rng=1)
    for module in [saved, model] if node is Tensor else []:
        for part in module.layers:
            for _, parameter in part.named_parameters():
                parameter.data = Tensor(parameter.numpy().astype(dtype))
    save_weights(saved, path)
    load_weights(model, path)
    assert same(model.state_dict(), saved.state_dict())


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"bias": None}, ValueError, r"does not fit Linear\(3, 2\): missing 'bias'"),
        ({"gain": np.ones(2)}, ValueError, "unexpected 'gain'"),
        ({"bias": np.ones(3)}, ShapeError, r"'bias' has shape \(3,\), expected \(2,\)"),
        ({"weight": np.ones((3, 2))}, ShapeError, r"'weight' has shape \(3, 2\)"),
        ({"bias": np.ones(2, int)}, DataError, "'bias' holds int64, and weights are floats"),
        ({"bias": np.ones(2, bool)}, DataError, "'bias' holds bool, and weights are floats"),
        ({"bias": np.array([1, np.nan])}, NonFiniteError, "a nan or an infinity in 'bias'"),
        ({"bias": np.array([-np.inf, 0])}, NonFiniteError, "a nan or an infinity in 'bias'"),
        ({"bias": np.array([1e300, 0])}, DataError, "1e\\+300, which is too large for float32"),
    ],
)
def test_weights_that_do_not_fit_change_nothing(
    path: Path, change: dict[str, Any], error: type[Exception], message: str
) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    model = Linear(3, 2, rng=0, dtype=np.float32)
    before = model.state_dict()
    state = {**Linear(3, 2, rng=1).state_dict(), **change}
    safetensors.save_file({name: a for name, a in state.items() if a is not None}, path)
    with pytest.raises(error, match=rf"state\.safetensors.*: .*{message}"):
        load_weights(model, path)
    assert same(model.state_dict(), before)


def test_nonfinite_weights_are_loaded_where_they_are_asked_for(path: Path) -> None:
    model, other = Linear(2, 1), Linear(2, 1)
    model.bias.data = np.array([np.nan])
    save_weights(model, path)
    load_weights(other, path, allow_nonfinite=True)
    assert np.isnan(other.bias.numpy()).all()


def test_a_checkpoint_is_no_weights(path: Path) -> None:
    write_state(path, {"model": Linear(2, 1).state_dict()})
    with pytest.raises(ValueError, match="it is a checkpoint: read_state reads it"):
        load_weights(Linear(2, 1), path)


def test_the_metadata_are_in_the_header(path: Path) -> None:
    safetensors = pytest.importorskip("safetensors")
    save_weights(Linear(2, 1), path, {"data": "möons", "": '"'})
    with safetensors.safe_open(path, "numpy") as file:
        metadata = file.metadata()
    assert {name: metadata[name] for name in ("data", "")} == {"data": "möons", "": '"'}
    with pytest.raises(ValueError, match=r"'nn\.sha256' is the format's own"):
        save_weights(Linear(2, 1), path, {"nn.sha256": ""})


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_weights_travel_to_pytorch_and_back(path: Path, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    files = pytest.importorskip("safetensors.torch")
    linear, relu = torch.nn.Linear, torch.nn.ReLU

    class Net(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.layers = torch.nn.Sequential(
                linear(3, 5), relu(), linear(5, 4), relu(), linear(4, 2)
            )

        def forward(self, x: Any) -> Any:
            return self.layers(x)

    theirs, ours = Net().to(getattr(torch, dtype)), MLP(3, [5, 4, 2], rng=0)
    x = np.linspace(-1, 1, 21, dtype=dtype).reshape(7, 3)

    def outputs() -> tuple[Any, Any]:
        return theirs(torch.from_numpy(x)).detach().numpy(), ours(x).numpy()

    tolerance = {"rtol": 1e-5, "atol": 1e-6} if dtype == "float32" else {"rtol": 1e-12}
    files.save_file(theirs.state_dict(), path)
    load_weights(ours, path)
    np.testing.assert_allclose(*outputs(), **tolerance)
    ours = MLP(3, [5, 4, 2], rng=1)
    save_weights(ours, path)
    read = files.load_file(path)
    assert {name: tuple(t.shape) for name, t in read.items()} == {
        name: tuple(t.shape) for name, t in theirs.state_dict().items()
    }
    theirs.load_state_dict(read)
    np.testing.assert_allclose(*outputs(), **tolerance)


def test_bfloat16_of_pytorch_is_refused_by_name(path: Path) -> None:
    torch = pytest.importorskip("torch")
    files = pytest.importorskip("safetensors.torch")
    files.save_file(torch.nn.Linear(2, 1).bfloat16().state_dict(), path)
    with pytest.raises(ValueError, match="'bias' has dtype 'BF16', known are F64, F32, F16"):
        load_weights(Linear(2, 1), path)


if __name__ == "__main__":
    mode, where = sys.argv[1:]
    act = {"random": kill_at_random, "steps": kill_between_steps}[mode]
    print(json.dumps(act(Path(where))))
