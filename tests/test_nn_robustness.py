"""Training under conditions that are not those of a demo: threads, long runs, bad data."""

from __future__ import annotations

import gc
import itertools
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from autograd import (
    DataError,
    NonFiniteError,
    ShapeError,
    Tensor,
    Value,
    is_recording,
    no_grad,
    topological_order,
)
from nn import (
    GELU,
    MLP,
    SGD,
    Adam,
    AdamW,
    Dropout,
    LayerNorm,
    Linear,
    Module,
    Residual,
    RMSprop,
    Sequential,
    binary_cross_entropy_with_logits,
    cross_entropy,
    evaluate,
    fit,
    hinge_loss,
    huber_loss,
    l1_loss,
    mse_loss,
)
from nn.data import moons

X, CLASSES = moons(40, noise=0.1, seed=1)
TARGETS = X.sum(axis=1)

# ------------------------------------------------------------------------------ eight threads


@dataclass(frozen=True)
class Plan:
    """One of the models that are trained at once, and how."""

    model: Callable[[], Module]
    optimizer: Callable[[Module], Any]
    loss: Any = cross_entropy
    epochs: int = 30


def with_dropout(seed: int, dtype: Any) -> Module:
    return Sequential(
        Linear(2, 16, activation="relu", rng=seed, dtype=dtype),
        LayerNorm(16, dtype=dtype),
        GELU(),
        Dropout(0.3, rng=seed),
        Residual(Linear(16, 16, rng=seed + 1, dtype=dtype)),
        Linear(16, 2, rng=seed + 2, dtype=dtype),
    )


PLANS = [
    Plan(lambda: MLP(2, [8, 2], rng=0), lambda m: SGD(m, 0.1, momentum=0.9)),
    Plan(lambda: MLP(2, [8, 2], rng=0), lambda m: SGD(m, 0.1, 0.9, True, weight_decay=0.01)),
    Plan(lambda: with_dropout(1, np.float64), lambda m: Adam(m, 0.01)),
    Plan(lambda: with_dropout(2, np.float32), lambda m: AdamW(m, 0.01)),
    Plan(lambda: MLP(2, [6, 1], "tanh", rng=3), lambda m: RMSprop(m, 0.01), mse_loss),
    Plan(lambda: MLP(2, [3, 2], node=Value, rng=4), lambda m: Adam(m, 0.02), epochs=3),
    Plan(lambda: MLP(2, [3, 1], node=Value, rng=5), lambda m: SGD(m, 0.1), mse_loss, epochs=3),
    Plan(lambda: MLP(2, [64, 64, 2], "silu", rng=6, dtype=np.float32), lambda m: Adam(m, 0.01)),
]


def train(index: int, epoch_ends: Callable[[int], None] = lambda index: None) -> dict[str, bytes]:
    """Train a plan's model, and return the bits of all that came out of it."""
    plan = PLANS[index]
    model = plan.model()
    y = CLASSES if plan.loss is cross_entropy else TARGETS
    history = fit(
        model,
        plan.loss,
        plan.optimizer(model),
        (X[:30], y[:30]),
        plan.epochs,
        batch_size=8,
        validation=(X[30:], y[30:]),
        seed=index,
        patience=None,
        progress=False,
        callbacks=[lambda _: epoch_ends(index)],
    )
    numbers = {name: column for name, column in history.columns().items() if name != "seconds"}
    return {
        **{name: array.tobytes() for name, array in model.state_dict().items()},
        **{f"history {name}": np.array(column).tobytes() for name, column in numbers.items()},
    }


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Let threads take turns every few microseconds instead of every 5 milliseconds."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("hasty_threads")
def test_eight_threads_train_what_one_trains() -> None:
    one_by_one = [train(index) for index in range(8)]
    start = threading.Barrier(8)
    turns: list[int] = []

    def train_at_once(index: int) -> dict[str, bytes]:
        start.wait()
        return train(index, turns.append)

    with ThreadPoolExecutor(8) as pool:
        at_once = list(pool.map(train_at_once, range(8)))
    assert at_once == one_by_one
    changes = sum(a != b for a, b in itertools.pairwise(turns))
    assert changes > 20, f"the threads ran one after the other: {turns}"


def test_no_grad_of_one_thread_leaves_the_others_recording() -> None:
    entered, trained = threading.Event(), threading.Event()

    def hold_no_grad() -> bool:
        with no_grad():
            entered.set()
            assert trained.wait(timeout=60)
            return is_recording()

    expected = train(0)
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(hold_no_grad)
        assert entered.wait(timeout=60)
        found = train(0)
        trained.set()
    assert found == expected
    assert held.result() is False


# ------------------------------------------------------------------------------ 100,000 steps


@pytest.fixture
def collector_off() -> Iterator[None]:
    """What is not freed by reference counting stays: the cyclic collector would hide a leak."""
    gc.collect()
    for length in range(20):  # of tuples of one length Python keeps 2,000 freed ones for later
        _ = [(0,) * length + (number,) for number in range(2500)]
    gc.disable()
    yield
    gc.enable()


def growth(step: Callable[[], object], times: int, warm_up: int = 100) -> tuple[int, int]:
    """By how many blocks of memory, and by how many objects, `times` calls make Python grow."""
    for _ in range(warm_up):
        step()
    blocks, objects = sys.getallocatedblocks(), len(gc.get_objects())
    for _ in range(times):
        step()
    return sys.getallocatedblocks() - blocks, len(gc.get_objects()) - objects


def peak_bytes() -> int:
    """The most memory that the process had so far."""
    resource = pytest.importorskip("resource")  # not on Windows
    peak: int = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def step_of(model: Module, optimizer: Any, loss: Any, x: Any, y: Any) -> Callable[[], None]:
    def step() -> None:
        error = loss(model(x), y)
        optimizer.zero_grad()
        error.backward()
        optimizer.step()

    return step


@pytest.mark.usefixtures("collector_off")
def test_100_000_steps_leave_memory_flat() -> None:
    model = Linear(1, 1, rng=0)
    x, y = Tensor([[1.0], [2.0]]).detach(), np.array([[2.0], [1.0]])
    step = step_of(model, SGD(model, 0.01), mse_loss, x, y)
    growth(step, 1000)
    peak = peak_bytes()
    blocks, objects = growth(step, 100_000)
    assert blocks < 1000
    assert objects < 1000
    assert peak_bytes() - peak < 2_000_000  # 20 bytes a step


@pytest.mark.usefixtures("collector_off")
@pytest.mark.parametrize("index", range(8))
def test_no_kind_of_step_leaves_anything_behind(index: int) -> None:
    plan = PLANS[index]
    model = plan.model()
    x, y = X[:4], (CLASSES if plan.loss is cross_entropy else TARGETS[:, None])[:4]
    if isinstance(model.parameters()[0], Value) and plan.loss is mse_loss:
        y = y[:, 0]  # the scores of a net of Values with one output are a list
    blocks, objects = growth(step_of(model, plan.optimizer(model), plan.loss, x, y), 500)
    assert blocks < 250
    assert objects < 250


@pytest.mark.usefixtures("collector_off")
@pytest.mark.parametrize("index", [0, 2, 5])
def test_fit_leaves_nothing_behind(index: int) -> None:
    blocks, objects = growth(lambda: train(index), 3, warm_up=2)
    assert blocks < 90  # there are 90 epochs of 4 batches, 9 for the net of Values
    assert objects < 90


# ------------------------------------------------------------------------------ precision


def dtypes_of_graph(node: Any) -> set[str]:
    """Of the arrays in the graph; numbers in formulas, such as an exponent, are Values."""
    return {str(n.dtype) for n in topological_order(node) if isinstance(n, Tensor)}


def arrays_in(state: Any) -> Iterator[Any]:
    """Every array of the state that an optimizer keeps of its parameters."""
    if isinstance(state, dict):
        state = state.values()
    if isinstance(state, np.ndarray):
        yield state
    elif not isinstance(state, str | float | int | None):
        for part in state:
            yield from arrays_in(part)


OPTIMIZERS = {
    "SGD": lambda m: SGD(m, 0.05, 0.9, nesterov=True, weight_decay=0.01),
    "Adam": lambda m: Adam(m, 0.02, amsgrad=True, weight_decay=0.01),
    "AdamW": lambda m: AdamW(m, 0.02),
    "RMSprop": lambda m: RMSprop(m, 0.01, momentum=0.5, centered=True, weight_decay=0.01),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("given", [np.float32, np.float64])
def test_a_precision_is_kept(
    optimizer: str, dtype: Any, given: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = with_dropout(0, dtype)
    descent = OPTIMIZERS[optimizer](model)
    seen: set[str] = set()
    update = descent.update

    def noted_update(*args: Any, **options: Any) -> Any:
        weight, state = update(*args, **options)
        seen.add(str(weight.dtype))  # setting the parameter would convert it
        return weight, state

    monkeypatch.setattr(descent, "update", noted_update)

    def loss(prediction: Any, target: Any) -> Any:
        error = cross_entropy(prediction, target)
        if error.primitive is not None:
            seen.update(dtypes_of_graph(error))
        return error

    data = X.astype(given), CLASSES
    history = fit(model, loss, descent, data, 3, progress=False, validation=data)
    name = str(np.dtype(dtype))
    assert seen - {"int64"} == {name}  # the classes are int64
    assert {str(p.dtype) for p in model.parameters()} == {name}
    assert {str(p.grad.dtype) for p in model.parameters()} == {name}
    kept = [str(array.dtype) for array in arrays_in(descent.state_dict()) if array.ndim]
    assert len(kept) >= len(model.parameters())
    assert {*kept} == {name}
    assert {type(number) for column in history.columns().values() for number in column} == {float}


@pytest.mark.parametrize("loss", [mse_loss, l1_loss, huber_loss, hinge_loss, cross_entropy])
def test_float32_learns_what_float64_learns(loss: Any) -> None:
    y = {hinge_loss: 2 * CLASSES - 1, cross_entropy: CLASSES}.get(loss, TARGETS)
    losses = []
    for dtype in (np.float32, np.float64):
        model = MLP(2, [8, 2 if loss is cross_entropy else 1], "tanh", rng=0, dtype=dtype)
        history = fit(model, loss, Adam(model, 0.01), (X, y), 20, patience=None, progress=False)
        losses.append(history.loss)
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    assert losses[0][-1] < losses[0][0]


# ------------------------------------------------------------------------------ bad data


@dataclass(frozen=True)
class Bad:
    """Data that cannot be learnt from, and what is said to that."""

    what: str
    x: Any
    y: Any
    error: type[Exception]
    words: str
    loss: Any = cross_entropy


def replaced(array: Any, row: int, number: float) -> Any:
    """A copy of the array in which a row's last number is another."""
    changed = np.array(array, dtype=float)
    changed[row, ...] = number
    return changed


N = len(X)
WIDTH = r"(Linear|Layer)\(2, .*takes 2 numbers"
REAL = "must hold real numbers"
ONE_CLASS = r"needs one class a row: logits of shape \(40, 2\) .* classes of shape \(40,\)"
INTEGERS = "classes of cross_entropy are integers, got dtype"
one_hot = np.eye(2)[CLASSES]

BAD = [
    Bad("no rows", X[:0], CLASSES[:0], ShapeError, "x and y have no rows"),
    Bad("empty lists", [], [], ShapeError, "x and y have no rows"),
    Bad("no columns", X[:, :0], CLASSES, ShapeError, WIDTH),
    Bad("a column more", np.ones((N, 3)), CLASSES, ShapeError, WIDTH),
    Bad("a column less", np.ones((N, 1)), CLASSES, ShapeError, WIDTH),
    Bad("a vector as x", X[:, 0], CLASSES, ShapeError, WIDTH),
    Bad("images as x", np.ones((N, 2, 3)), CLASSES, ShapeError, WIDTH),
    Bad("sequences", np.ones((N, 3, 2)), CLASSES, ShapeError, r"logits .* got \(40, 3, 2\)"),
    Bad("numbers", 1.0, 2.0, ShapeError, r"need one row a sample .* shapes \(\) and \(\)"),
    Bad("fewer labels", X, CLASSES[:5], ShapeError, "got 40 rows in x .* and 5 in y"),
    Bad("one row as x", X[0], CLASSES[:1], ShapeError, "got 2 rows in x .* and 1 in y"),
    Bad("ragged rows", [[1.0, 2.0], [3.0]], [0, 1], ShapeError, "its rows differ in length"),
    Bad("nan in x", replaced(X, 7, np.nan), CLASSES, NonFiniteError, "x of .* in 1 of 40 .* row 7"),
    Bad("inf in x", replaced(X, 0, -np.inf), CLASSES, NonFiniteError, "x of .* row 0"),
    Bad("nan in y", X, replaced(TARGETS, 39, np.nan), NonFiniteError, "y of .* row 39", mse_loss),
    Bad("nan as class", X, replaced(CLASSES, 3, np.nan), NonFiniteError, "y of .* row 3"),
    Bad("text as x", np.full((N, 2), "a"), CLASSES, DataError, f"x {REAL}"),
    Bad("numbers as text", X.astype(str), CLASSES, DataError, f"x {REAL}"),
    Bad("text as y", X, ["cat", "dog"] * (N // 2), DataError, f"y {REAL}"),
    Bad("objects", np.full((N, 2), object()), CLASSES, DataError, f"x {REAL}.*object"),
    Bad("None among numbers", [[1.0, None]] * N, CLASSES, DataError, f"x {REAL}"),
    Bad("complex numbers", X + 1j, CLASSES, DataError, f"x {REAL}.*complex"),
    Bad("dates", np.zeros((N, 2), "datetime64[D]"), CLASSES, DataError, f"x {REAL}.*datetime"),
    Bad("no x", None, CLASSES, DataError, f"x {REAL}"),
    Bad("no y", X, None, DataError, f"y {REAL}"),
    Bad("an iterator", iter(X), CLASSES, DataError, f"x {REAL}, got"),
    Bad("a class too many", X, CLASSES + 1, ValueError, "labels .* are from 0 to 1, got 2"),
    Bad("a negative class", X, -CLASSES, ValueError, "labels .* are from 0 to 1, got -1"),
    Bad("a huge class", X, np.full(N, 2**62), ValueError, "labels .* are from 0 to 1, got 46116"),
    Bad("float classes", X, CLASSES.astype(float), DataError, f"{INTEGERS} float64"),
    Bad("fractions", X, CLASSES / 2, DataError, f"{INTEGERS} float64"),
    Bad("bools", X, CLASSES == 1, DataError, f"{INTEGERS} bool"),
    Bad("a column of classes", X, CLASSES[:, None], ShapeError, ONE_CLASS),
    Bad("one-hot floats", X, one_hot, DataError, r"one-hot rows pass y\.argmax\(axis=1\)"),
    Bad("one-hot integers", X, one_hot.astype(int), ShapeError, ONE_CLASS),
    Bad("classes 0, 1", X, CLASSES, ValueError, r"-1 or \+1, got 0.* pass 2 \* y - 1", hinge_loss),
    Bad(
        "classes -1, 1",
        X,
        2 * CLASSES - 1,
        ValueError,
        r"from 0 to 1, got -1.* pass \(y \+ 1\) / 2",
        binary_cross_entropy_with_logits,
    ),
    Bad("two targets a row", X, X, ShapeError, r"targets of shape \(40, 2\)", mse_loss),
    Bad("deep targets", X, TARGETS[:, None, None], ShapeError, r"as in y\.reshape", mse_loss),
]


def net_for(loss: Any, node: Any) -> Module:
    return MLP(2, [3, 2 if loss is cross_entropy else 1], node=node, rng=0)


GOOD = {mse_loss: TARGETS, hinge_loss: 2 * CLASSES - 1}


def fit_bad(model: Module, bad: Bad) -> None:
    fit(model, bad.loss, SGD(model, 0.1), (bad.x, bad.y), 1, batch_size=N, progress=False)


def evaluate_bad(model: Module, bad: Bad) -> None:
    evaluate(model, bad.loss, (bad.x, bad.y))


def validate_bad(model: Module, bad: Bad) -> None:
    data, held_out = (X, GOOD.get(bad.loss, CLASSES)), (bad.x, bad.y)
    fit(model, bad.loss, SGD(model, 0.0), data, 1, validation=held_out, progress=False)


@pytest.mark.parametrize("node", [Tensor, Value])
@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.what)
@pytest.mark.parametrize("use", [fit_bad, evaluate_bad, validate_bad])
def test_bad_data_are_explained(bad: Bad, node: Any, use: Callable[[Module, Bad], None]) -> None:
    model = net_for(bad.loss, node)
    before = model.state_dict()
    with pytest.raises(bad.error, match=bad.words):
        use(model, bad)
    assert model.training
    after = model.state_dict()
    assert all((after[name] == array).all() for name, array in before.items())


ODD = {
    "lists": (X.tolist(), CLASSES.tolist()),
    "tuples": (tuple(map(tuple, X)), tuple(CLASSES)),
    "objects": (X.astype(object), CLASSES),
    "Tensors": (Tensor(X), Tensor(CLASSES)),
    "rows of Values": ([[Value(number) for number in row] for row in X], CLASSES),
    "long doubles": (X.astype(np.longdouble), CLASSES),
    "labels in a byte": (X, CLASSES.astype(np.uint8)),
    "every second column": (np.repeat(X, 2, axis=1)[:, ::2], CLASSES),
    "Fortran's order": (np.asfortranarray(X), CLASSES),
    "read-only": (np.frombuffer(X.tobytes()).reshape(X.shape), CLASSES),
    "big-endian": (X.astype(">f8"), CLASSES.astype(">i8")),
}


@pytest.mark.parametrize("node", [Tensor, Value])
@pytest.mark.parametrize("what", ODD)
def test_odd_containers_of_good_data_give_the_same_numbers(what: str, node: Any) -> None:
    losses = []
    for data in (ODD[what], (X, CLASSES)):
        model = net_for(cross_entropy, node)
        history = fit(model, cross_entropy, SGD(model, 0.1), data, 2, progress=False)
        losses.append([*history.loss, *evaluate(model, cross_entropy, data)])
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)


@pytest.mark.parametrize("node", [Tensor, Value])
@pytest.mark.parametrize("rows", [1, 2, N])
@pytest.mark.parametrize("loss", [cross_entropy, mse_loss, hinge_loss])
def test_one_sample_or_one_class_is_learnt(node: Any, rows: int, loss: Any) -> None:
    model = net_for(loss, node)
    y = np.ones(rows, dtype=int)
    data = X[:rows], y
    history = fit(model, loss, SGD(model, 0.1), data, 30, validation=data, progress=False)
    assert history.loss[-1] < history.loss[0]
    right = history.accuracy[-1]
    assert np.isnan(right) if loss is mse_loss else right == 1


def test_what_was_given_is_not_written_to() -> None:
    x, y = X.copy(), CLASSES.copy()
    train(2)
    model = net_for(cross_entropy, Tensor)
    fit(model, cross_entropy, SGD(model, 0.1), (X, CLASSES), 2, progress=False)
    assert (x == X).all()
    assert (y == CLASSES).all()
