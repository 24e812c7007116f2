"""`fit` with checkpoints: whenever a run ends, it resumes as if nothing had happened."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd import Tensor, Value
from nn import (
    MLP,
    SGD,
    Adam,
    CosineDecay,
    Dropout,
    History,
    Linear,
    Module,
    Optimizer,
    ReduceOnPlateau,
    RMSprop,
    Sequential,
    Tanh,
    cross_entropy,
    fit,
    mse_loss,
)
from nn.checkpoint import Checkpoints, read_state, save_weights, write_state
from nn.metrics import accuracy

X = np.linspace(-1, 1, 40).reshape(20, 2)
Y = (np.arange(20) % 5) % 2
HELD_OUT = (X[::2] + 0.1, Y[::2])


class Killed(BaseException):
    """What ends a run in the middle of it."""


def dying(batches: int) -> Callable[[Any, Any], Any]:
    """A loss that kills its run when it is called for the time after `batches`."""
    left = iter(range(batches))

    def loss(prediction: Any, target: Any) -> Any:
        if next(left, None) is None:
            raise Killed
        return cross_entropy(prediction, target)

    return loss


def noisy_net(dtype: Any = np.float64) -> Module:
    first, last = Linear(2, 5, rng=0, dtype=dtype), Linear(5, 2, rng=2, dtype=dtype)
    return Sequential(first, Dropout(0.3, rng=1), Tanh(), last)


MODELS: dict[str, Callable[[], Module]] = {
    "float64": noisy_net,
    "float32": lambda: noisy_net(np.float32),
    "Values": lambda: MLP(2, [3, 2], "tanh", node=Value, rng=0),
}
OPTIMIZERS: dict[str, Callable[[Module], Optimizer]] = {
    "momentum": lambda model: SGD(model, 0.2, 0.9, nesterov=True, weight_decay=1e-3),
    "Adam": lambda model: Adam(model, 0.05, amsgrad=True),
    "RMSprop": lambda model: RMSprop(model, 0.02, momentum=0.5, centered=True),
}
SCHEDULES = [None, CosineDecay(6), ReduceOnPlateau(0.5, patience=0, cooldown=1)]


QUIET = {"progress": False}


class Run:
    """One net, its optimizer and the arguments of `fit`, as a process of its own makes them."""

    def __init__(self, model: str = "float64", optimizer: str = "momentum", **options: Any) -> None:
        self.model = MODELS[model]()
        self.optimizer = OPTIMIZERS[optimizer](self.model)
        self.options = {"epochs": 6, "batch_size": 4, "metrics": accuracy, **QUIET, **options}

    def fit(self, loss: Any = cross_entropy, **options: Any) -> History:
        options = {**self.options, **options}
        data = options.pop("data", (X, Y))
        return fit(self.model, loss, self.optimizer, data, options.pop("epochs"), **options)

    def everything(self) -> list[Any]:
        """What must be the same after a resumed run, comparable with `assert_equal`."""
        weights = {name: array.tobytes() for name, array in self.model.state_dict().items()}
        return [weights, self.optimizer.state_dict(), self.model.random_state()]


def without_times(history: History) -> dict[str, Any]:
    return {name: numbers for name, numbers in vars(history).items() if name != "seconds"}


runs = st.fixed_dictionaries(
    {
        "model": st.sampled_from(list(MODELS)),
        "optimizer": st.sampled_from(list(OPTIMIZERS)),
        "validation": st.sampled_from([None, 0.3, HELD_OUT]),
        "schedule": st.sampled_from(SCHEDULES),
        "patience": st.sampled_from([None, 1, 2]),
        "accumulate": st.integers(1, 3),
        "seed": st.integers(0, 2**70),
    }
)


@settings(max_examples=40)
@given(runs, st.integers(1, 3), st.lists(st.integers(0, 40), max_size=4))
def test_a_run_killed_at_any_batch_ends_as_if_it_had_not_been(
    tmp_path_factory: pytest.TempPathFactory, arguments: Any, every: int, deaths: list[int]
) -> None:
    checkpoints = Checkpoints(tmp_path_factory.mktemp("run"), keep=2, every=every)
    whole = Run(**arguments)
    expected = whole.fit()
    for batches in deaths:
        with suppress(Killed):
            Run(**arguments, checkpoints=checkpoints, resume=True).fit(dying(batches))
    resumed = Run(**arguments, checkpoints=checkpoints, resume=True)
    history = resumed.fit()
    np.testing.assert_equal(without_times(history), without_times(expected))
    np.testing.assert_equal(resumed.everything(), whole.everything())
    assert len(history.seconds) == len(history)


@settings(max_examples=10)
@given(runs, st.integers(1, 5))
def test_more_epochs_go_on_from_a_run_that_is_complete(
    tmp_path_factory: pytest.TempPathFactory, arguments: Any, epochs: int
) -> None:
    checkpoints = Checkpoints(tmp_path_factory.mktemp("run"))
    whole, first = Run(**arguments), Run(**arguments, checkpoints=checkpoints)
    expected = whole.fit()
    first.fit(epochs=epochs)
    resumed = Run(**arguments, checkpoints=checkpoints, resume=True)
    np.testing.assert_equal(without_times(resumed.fit()), without_times(expected))
    np.testing.assert_equal(resumed.everything(), whole.everything())


def test_a_complete_run_is_not_trained_further(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    first = Run(checkpoints=checkpoints, validation=0.3)
    history = first.fit()
    again = Run(checkpoints=checkpoints, validation=0.3, resume=True)
    assert again.fit(dying(0)) == history
    np.testing.assert_equal(again.everything(), first.everything())


def test_without_a_checkpoint_it_starts_from_the_beginning(tmp_path: Path) -> None:
    run, plain = Run(checkpoints=Checkpoints(tmp_path / "new"), resume=True), Run()
    np.testing.assert_equal(without_times(run.fit()), without_times(plain.fit()))


def test_checkpoints_do_not_change_the_run(tmp_path: Path) -> None:
    run, plain = Run(checkpoints=Checkpoints(tmp_path), validation=0.3), Run(validation=0.3)
    np.testing.assert_equal(without_times(run.fit()), without_times(plain.fit()))
    np.testing.assert_equal(run.everything(), plain.everything())


def test_the_checkpoints_of_a_run(tmp_path: Path) -> None:
    Run(checkpoints=Checkpoints(tmp_path, keep=2, every=4), patience=None).fit(epochs=9)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["epoch-000008.safetensors", "epoch-000009.safetensors"]
    state = read_state(tmp_path / names[0])
    assert (state["format"], state["epoch"]) == (1, 8)
    assert {"model", "optimizer", "scheduler", "random", "best", "history"} <= state.keys()


def test_a_later_epoch_is_forgotten_where_its_checkpoint_is_broken(tmp_path: Path) -> None:
    whole = Run()
    expected = whole.fit()
    Run(checkpoints=Checkpoints(tmp_path)).fit(epochs=4)
    path = tmp_path / "epoch-000004.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    resumed = Run(checkpoints=Checkpoints(tmp_path), resume=True)
    with pytest.warns(UserWarning, match="epoch-000004"):
        history = resumed.fit()
    np.testing.assert_equal(without_times(history), without_times(expected))
    np.testing.assert_equal(resumed.everything(), whole.everything())


# ------------------------------------------------------------------------------ why it stopped


def test_a_run_that_had_reached_its_minimum_goes_on_with_more_patience(tmp_path: Path) -> None:
    options: dict[str, Any] = {"tolerance": 9.0, "checkpoints": Checkpoints(tmp_path)}
    assert len(Run(**options, patience=2).fit()) == 3
    same = Run(**options, patience=2, resume=True, epochs=9).fit(dying(0))
    assert (len(same), same.stopped[:23]) == (3, "loss reached a minimum:")
    more = Run(**options, patience=4, resume=True).fit()
    assert (len(more), more.stopped[:23]) == (5, "loss reached a minimum:")


def test_callbacks_are_asked_again_if_one_had_stopped_the_run(tmp_path: Path) -> None:
    asked: list[tuple[int, int]] = []

    def stop_at(number: int) -> Any:
        def callback(epoch: Any) -> str | None:
            asked.append((epoch.number, epoch.first))
            return f"epoch {number} is enough" if epoch.number >= number else None

        return callback

    checkpoints = Checkpoints(tmp_path)
    Run(checkpoints=checkpoints, callbacks=[stop_at(2)]).fit()
    again = Run(checkpoints=checkpoints, callbacks=[stop_at(2)], resume=True).fit(dying(0))
    assert (len(again), again.stopped) == (2, "epoch 2 is enough")
    later = Run(checkpoints=checkpoints, callbacks=[stop_at(4)], resume=True).fit()
    assert (len(later), later.stopped) == (4, "epoch 4 is enough")
    without = Run(checkpoints=checkpoints, resume=True).fit()
    assert (len(without), without.stopped) == (6, "epochs used up")
    first_two = [(1, 1), (2, 1)]
    assert asked == [*first_two, (2, 2), (2, 2), (3, 2), (4, 2)]


def test_callbacks_get_the_epochs_to_come(tmp_path: Path) -> None:
    seen: list[tuple[int, int, int]] = []
    checkpoints = Checkpoints(tmp_path)
    Run(checkpoints=checkpoints).fit(epochs=2)
    run = Run(checkpoints=checkpoints, resume=True)
    run.fit(callbacks=[lambda e: seen.append((e.number, e.first, len(e.history)))], epochs=4)
    assert seen == [(3, 3, 3), (4, 3, 4)]


def test_new_metrics_are_nan_in_the_epochs_before(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    Run(checkpoints=checkpoints).fit(epochs=2)
    run = Run(checkpoints=checkpoints, resume=True, metrics={"one": lambda scores, y: 1.0})
    np.testing.assert_equal(run.fit(epochs=3).metrics, {"one": [math.nan, math.nan, 1.0]})


def test_the_bar_starts_where_the_run_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoints = Checkpoints(tmp_path)
    Run(checkpoints=checkpoints).fit(epochs=2)
    Run(checkpoints=checkpoints, resume=True, progress=True).fit(epochs=3)
    err = capsys.readouterr().err
    assert "10/15" in err
    assert "15/15" in err


# ------------------------------------------------------------------------------ what does not fit


def checkpoint_of(folder: Path, **options: Any) -> Path:
    """The last checkpoint of a short run in a folder."""
    checkpoints = Checkpoints(folder)
    Run(**options, checkpoints=checkpoints).fit(epochs=2)
    path = checkpoints.latest()
    assert path is not None
    return path


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "Values"}, "the state does not fit MLP"),
        ({"optimizer": "Adam"}, "the state does not fit this Adam: it is one of 'SGD'"),
        ({"seed": 1}, "its seed is 0, and here 1"),
        ({"data": (X[:9], Y[:9])}, "its rows is 20, and here 9"),
        ({"validation": HELD_OUT}, "its watched is 'loss', and here 'validation_loss'"),
        ({"schedule": CosineDecay(3)}, "one of the runs has a schedule, and the other none"),
        ({"epochs": 1}, "it is of epoch 2, and epochs=1"),
    ],
)
def test_another_run_cannot_go_on_from_it(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    checkpoint_of(tmp_path)
    run = Run(**options, checkpoints=Checkpoints(tmp_path), resume=True)
    run.model[1].eval() if isinstance(run.model, Sequential) else None
    modes = [module.training for _, module in run.model.named_modules()]
    before = run.everything()
    with pytest.raises(ValueError, match=message) as caught:
        run.fit()
    assert f"cannot resume from {tmp_path}" in str(caught.value)
    np.testing.assert_equal(run.everything(), before)
    assert [module.training for _, module in run.model.named_modules()] == modes


def leaves(state: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where in a nested state something could be replaced."""
    inside = state.items() if isinstance(state, dict) else ()
    inside = enumerate(state) if isinstance(state, list) else inside
    return [place] * bool(place) + [p for key, item in inside for p in leaves(item, (*place, key))]


def replaced(state: Any, place: tuple[Any, ...], item: Any) -> Any:
    """A copy with something else in a place, or with a key less if the item is KeyError."""
    first, *rest = place
    if not rest and item is KeyError:
        return {key: value for key, value in state.items() if key != first}
    copy = state.copy()
    copy[first] = replaced(state[first], tuple(rest), item) if rest else item
    return copy


HOSTILE = [
    *(KeyError, None, True, -1, 10**30, math.nan, math.inf, -1e300, "", "text", [], [[1]], {}),
    *(np.array(math.nan), np.full(3, math.nan), np.zeros((0, 2)), np.zeros((5, 2)), np.array(3)),
    *({"a": np.zeros(2)}, np.full((5, 2), math.nan), np.array([True]), np.arange(2)),
]


@cache
def state_of(folder: Path, optimizer: str, schedule: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arguments of a short run with everything in it, and its last checkpoint."""
    options = {"optimizer": optimizer, "schedule": schedule, "validation": HELD_OUT}
    return options, read_state(checkpoint_of(folder / f"{optimizer} {schedule}", **options))


@settings(max_examples=100)
@given(st.data(), st.sampled_from(list(OPTIMIZERS)), st.sampled_from(SCHEDULES))
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_a_hostile_state_is_a_clear_error_that_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, optimizer: str, schedule: Any
) -> None:
    options, state = state_of(tmp_path_factory.getbasetemp(), optimizer, schedule)
    place = data.draw(st.sampled_from(leaves(state)))
    item = data.draw(st.sampled_from(HOSTILE))
    if item is KeyError and isinstance(place[-1], int):
        item = None
    checkpoints = Checkpoints(tmp_path_factory.mktemp("run"))
    path = checkpoints.save(2, replaced(state, place, item))
    run = Run(**options, checkpoints=checkpoints, resume=True)
    before = run.everything()
    complaint = ""
    try:
        run.fit(dying(0), epochs=2)
    except ValueError as error:
        complaint = str(error)
    assert complaint or item is not KeyError  # nothing may be missing
    if complaint:
        assert complaint.startswith(f"cannot resume from {path}: ")
        np.testing.assert_equal(run.everything(), before)


def test_weights_that_are_not_finite_are_refused_unless_allowed(tmp_path: Path) -> None:
    run = Run(checkpoints=Checkpoints(tmp_path))
    run.optimizer = SGD(run.model[3], 0.1)  # so that layer 0 is of the model only
    run.fit(epochs=2)
    path = run.options["checkpoints"].latest()
    state = read_state(path)
    state["model"]["0.bias"][0] = math.nan
    write_state(path, state)
    before = run.everything()
    with pytest.raises(ValueError, match=r"the weights hold a nan or an infinity in '0\.bias'"):
        run.fit(resume=True)
    np.testing.assert_equal(run.everything(), before)
    run.optimizer.allow_nonfinite = True
    assert math.isnan(run.fit(resume=True).loss[-1])


def test_a_file_of_weights_only_is_passed_over(tmp_path: Path) -> None:
    tmp_path.joinpath("epoch-000001.safetensors").touch()
    save_weights(noisy_net(), tmp_path / "epoch-000002.safetensors")
    with pytest.warns(UserWarning, match="passed over"):
        Run(checkpoints=Checkpoints(tmp_path), resume=True).fit(epochs=3)


def test_the_checkpoints_of_another_run_are_not_written_over(tmp_path: Path) -> None:
    path = checkpoint_of(tmp_path)
    content = path.read_bytes()
    run = Run(checkpoints=Checkpoints(tmp_path))
    before = run.everything()
    with pytest.raises(ValueError, match=r"a checkpoint of an earlier run, .*resume=True"):
        run.fit()
    np.testing.assert_equal(run.everything(), before)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"resume": True}, ValueError, "resume=True needs checkpoints, as in Checkpoints"),
        ({"resume": 2}, TypeError, "resume must be True or False, got 2"),
        ({"checkpoints": "runs"}, TypeError, r"of type nn\.Checkpoints, got str"),
    ],
)
def test_arguments_are_checked(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    run = Run()
    before = run.everything()
    with pytest.raises(error, match=message):
        run.fit(**options)
    np.testing.assert_equal(run.everything(), before)


def test_parameters_that_no_checkpoint_would_hold_are_refused(tmp_path: Path) -> None:
    model, scale = Linear(2, 1, rng=0), Tensor(1.0)
    optimizer = SGD([*model.named_parameters(), ("scale", scale)], 0.1)

    def loss(prediction: Any, target: Any) -> Any:
        return mse_loss(prediction * scale, target)

    options: dict[str, Any] = {"progress": False, "checkpoints": Checkpoints(tmp_path)}
    with pytest.raises(ValueError, match="and the optimizer has others: scale"):
        fit(model, loss, optimizer, (X, Y), 1, **options)
    fit(model, loss, optimizer, (X, Y), 1, progress=False)
