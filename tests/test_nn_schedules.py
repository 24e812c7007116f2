"""Schedules: PyTorch's learning rates, pure functions, and what `fit` does with one."""

from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nn
from autograd import DataError, Value
from nn import MLP, SGD, Scheduler, mse_loss
from nn.checkpoint import read_state, write_state
from nn.optim import Optimizer
from nn.schedules import (
    Chained,
    CosineDecay,
    ExponentialDecay,
    OneCycle,
    Plateau,
    ReduceOnPlateau,
    StepDecay,
    WarmUp,
)

FIXTURES = Path(__file__).parent / "fixtures"
# Made by make_schedules_torch.py there; each key is the schedule in our words.
TORCH = json.loads((FIXTURES / "schedules_torch.json").read_text("utf-8"))
ALL = {"StepDecay": StepDecay, "ExponentialDecay": ExponentialDecay, "CosineDecay": CosineDecay}
ALL |= {"WarmUp": WarmUp, "OneCycle": OneCycle, "Chained": Chained}
ALL |= {"ReduceOnPlateau": ReduceOnPlateau}


def made(text: str) -> Any:
    return eval(text, dict(ALL))


def rates_of(schedule: Any, lr: float = 1.0) -> list[float]:
    optimizer = SGD([Value(1.0)], lr)
    scheduler = Scheduler(optimizer, schedule)
    rates = [optimizer.lr]
    for loss in TORCH["losses"]:
        scheduler.step(loss)
        rates.append(optimizer.lr)
    return rates


@pytest.mark.parametrize("text", TORCH["factors"])
def test_a_hundred_rates_are_those_of_pytorch(text: str) -> None:
    expected = np.array(TORCH["factors"][text])
    np.testing.assert_allclose(rates_of(made(text)), expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(rates_of(made(text), 0.5), expected / 2, rtol=1e-12, atol=1e-14)
    if "Plateau" not in text:
        np.testing.assert_allclose([made(text)(k) for k in range(101)], expected, atol=1e-13)


@pytest.mark.parametrize("text", TORCH["factors"])
def test_rates_are_those_of_the_torch_that_is_installed(text: str) -> None:
    pytest.importorskip("torch")
    path = FIXTURES / "make_schedules_torch.py"
    spec = importlib.util.spec_from_file_location("make_schedules_torch", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    np.testing.assert_allclose(
        rates_of(made(text)), module.factors(module.MAKERS[text]), rtol=1e-12, atol=1e-14
    )


# ------------------------------------------------------------------------------ functions


@pytest.mark.parametrize("text", [text for text in TORCH["factors"] if "Plateau" not in text])
def test_a_schedule_is_a_pure_function_of_the_step(text: str) -> None:
    schedule = made(text)
    assert [schedule(k) for k in (50, 3, 50, 3)] == [made(text)(k) for k in (50, 3, 50, 3)]
    assert all(isinstance(schedule(k), float) for k in (0, 1, 99, 1000))


def test_what_is_over_stays_where_it_ended() -> None:
    assert CosineDecay(10, floor=0.25)(10**6) == 0.25
    assert OneCycle(10)(10**6) == OneCycle(10)(9) == pytest.approx(1 / 25e4)
    assert WarmUp(10)(10**6) == 1.0


def test_a_cycle_that_peaks_before_its_first_step() -> None:
    assert OneCycle(10, peak=0.1)(0) == 1.0
    assert OneCycle(2, peak=0.01)(1) == pytest.approx(1 / 25e4)


def test_a_plateau_is_a_pure_function_of_the_losses() -> None:
    schedule, state = ReduceOnPlateau(0.5, patience=0), Plateau()
    lower = schedule.after(schedule.after(state, 1.0), 1.0)
    assert lower == Plateau(0.5, 1.0, 0, 0)
    assert state == Plateau()


def test_a_loss_below_0_improves_when_it_falls() -> None:
    schedule = ReduceOnPlateau(0.5, patience=0, threshold=0.1)
    state = schedule.after(Plateau(), -1.0)
    assert schedule.after(state, -1.05).factor == 0.5
    assert schedule.after(state, -1.2).factor == 1.0


def test_a_nan_is_no_improvement() -> None:
    schedule = ReduceOnPlateau(0.5, patience=1)
    state = Plateau()
    for loss in (math.nan, math.nan):
        state = schedule.after(state, loss)
    assert state.factor == 0.5
    assert schedule.after(state, 1.0).best == 1.0


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("StepDecay(0)", ValueError, "every must be at least 1, got 0"),
        ("StepDecay(2, -1)", ValueError, "factor must be a finite number of at least 0"),
        ("StepDecay(2.5)", DataError, "every must be an integer, got 2.5"),
        ("ExponentialDecay('a')", DataError, "factor must be a number, got 'a'"),
        ("CosineDecay(0)", ValueError, "steps must be at least 1"),
        ("CosineDecay(5, floor=-1)", ValueError, "floor must be a finite number"),
        ("CosineDecay(5, restarts=0)", ValueError, "restarts must be at least 1"),
        ("WarmUp(5, 3)", DataError, r"then must be a function, called as then\(step\), got 3"),
        ("WarmUp(5, ReduceOnPlateau())", DataError, "then must be a function"),
        ("WarmUp(5, start=-1)", ValueError, "start must be a finite number"),
        ("OneCycle(1)", ValueError, "steps must be at least 2"),
        ("OneCycle(9, peak=1)", ValueError, "peak is a part of the steps, between 0 and 1"),
        ("OneCycle(9, end=-1)", ValueError, "end must be a finite number"),
        ("Chained(WarmUp(2), 3)", DataError, "schedule 1 of Chained must be a function"),
        ("ReduceOnPlateau(1.0)", ValueError, "factor must be at least 0 and below 1, got 1.0"),
        ("ReduceOnPlateau(patience=-1)", ValueError, "patience must be at least 0"),
        ("ReduceOnPlateau(cooldown=0.5)", DataError, "cooldown must be an integer"),
    ],
)
def test_numbers_are_checked(text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        made(text)


def test_schedules_show_what_they_are() -> None:
    assert repr(StepDecay(3)) == "StepDecay(every=3, factor=0.1)"
    assert repr(Chained(ExponentialDecay(0.5))) == "Chained(ExponentialDecay(factor=0.5))"


# ------------------------------------------------------------------------------ Scheduler


def test_every_group_has_its_own_first_rate() -> None:
    groups = [{"params": [Value(1.0)]}, {"params": [Value(2.0)], "lr": 0.5}]
    optimizer = SGD(groups, lr=0.1)
    scheduler = Scheduler(optimizer, lambda step: 1 / (1 + step))
    for _ in range(4):
        scheduler.step()
    assert [group["lr"] for group in optimizer.groups] == pytest.approx([0.02, 0.1])
    assert (scheduler.taken, scheduler.factor) == (4, 0.2)
    scheduler.reset()
    assert [group["lr"] for group in optimizer.groups] == [0.1, 0.5]


def test_a_scheduler_checks_what_it_gets() -> None:
    optimizer = SGD([Value(1.0)], lr=0.1)
    with pytest.raises(DataError, match=r"optimizer must be of type nn\.Optimizer, got float"):
        Scheduler(0.1, WarmUp(3))  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"schedule must be a function, called as schedule\(step\)"):
        Scheduler(optimizer, 0.1)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="has no lr that a schedule could set"):
        Scheduler(Optimizer([Value(1.0)]), WarmUp(3))
    with pytest.raises(DataError, match=r"needs the loss: scheduler.step\(loss\)"):
        Scheduler(optimizer, ReduceOnPlateau()).step()


def test_a_bad_factor_sets_nothing() -> None:
    optimizer = SGD([Value(1.0)], lr=0.1)
    scheduler = Scheduler(optimizer, lambda step: -1.0 if step else 1.0)
    with pytest.raises(ValueError, match="the factor of a schedule must be a finite number"):
        scheduler.step()
    assert (optimizer.lr, scheduler.taken) == (0.1, 0)


# ---------------------------------------------------------------------------- state


@pytest.mark.parametrize("before", [0, 1, 7])
@pytest.mark.parametrize(
    "text", [*TORCH["factors"], "ReduceOnPlateau(0.5, patience=1, cooldown=1)"]
)
def test_a_scheduler_goes_on_from_a_file_as_if_nothing_had_been(
    tmp_path: Path, text: str, before: int
) -> None:
    losses = [4.0, 3.0, 3.5, 3.2, 3.1, 2.0, 2.0, 2.5, 2.2, 2.1, 2.4, math.nan]

    def made_at(rates: list[float]) -> Scheduler:
        groups: Any = [{"params": [Value(1.0)], "lr": rate} for rate in rates]
        return Scheduler(SGD(groups, lr=1.0), made(text))

    def rates(scheduler: Scheduler, losses: list[float]) -> list[Any]:
        taken = []
        for loss in losses:
            scheduler.step(loss)
            taken.append([group["lr"] for group in scheduler.optimizer.groups])
        return taken

    scheduler, again = made_at([0.1, 0.03]), made_at([7.0, 8.0])
    rates(scheduler, losses[:before])
    write_state(tmp_path / "state", scheduler.state_dict())
    again.load_state_dict(read_state(tmp_path / "state"))
    groups = [s.optimizer.groups for s in (scheduler, again)]
    assert [group["lr"] for group in groups[0]] == [group["lr"] for group in groups[1]]
    assert (again.taken, again.factor) == (before, scheduler.factor)
    assert rates(again, losses[before:]) == rates(scheduler, losses[before:])
    again.reset()
    assert again.optimizer.lr == 0.1


PLATEAU = Plateau(0.5, 3.0, 1, 0)._asdict()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (None, DataError, "the state does not fit this Scheduler: it must map names"),
        ({"step": 3}, ValueError, "unexpected 'step'"),
        ({"taken": -1}, ValueError, "taken must be at least 0, got -1"),
        ({"taken": 0.5}, DataError, "taken must be an integer"),
        ({"factor": math.nan}, ValueError, "factor must be a finite number of at least 0"),
        ({"factor": "1"}, DataError, "factor must be a number"),
        ({"rates": [0.1, 0.1]}, ValueError, "does not have 1 first rates"),
        ({"rates": None}, ValueError, "does not have 1 first rates"),
        ({"rates": [-0.1]}, ValueError, "a first rate must be a finite number of at least 0"),
        ({"plateau": None}, DataError, "plateau: it must map names"),
        ({"plateau": {}}, ValueError, "plateau: missing 'factor', 'best', 'waited', 'cooling'"),
        ({"plateau": PLATEAU | {"best": -math.inf}}, ValueError, "best must be a finite number"),
        ({"plateau": PLATEAU | {"best": np.ones(2)}}, DataError, "best must be a number"),
        ({"plateau": PLATEAU | {"waited": -1}}, ValueError, "waited must be at least 0"),
        ({"plateau": PLATEAU | {"cooling": None}}, DataError, "cooling must be an integer"),
        ({"plateau": PLATEAU | {"factor": 2**2000}}, ValueError, "factor must be a finite number"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(
    change: Any, error: type[Exception], message: str
) -> None:
    scheduler = Scheduler(SGD([Value(1.0)], lr=0.1), ReduceOnPlateau(0.5, patience=0))
    scheduler.step(3.0)
    scheduler.step(4.0)
    before = scheduler.state_dict()
    with pytest.raises(error, match=message):
        scheduler.load_state_dict(None if change is None else before | change)  # type: ignore[arg-type]
    assert (scheduler.state_dict(), scheduler.optimizer.lr) == (before, 0.05)
    assert before["plateau"] == {"factor": 0.5, "best": 3.0, "waited": 0, "cooling": 0}


# ------------------------------------------------------------------------------ fit


X = np.linspace(-1, 1, 16)[:, None]


class Recorded(SGD):
    """SGD that notes its learning rate at each step."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.rates: list[float] = []

    def step(self) -> None:
        self.rates.append(self.lr)
        super().step()


def test_fit_steps_the_schedule_each_epoch_and_sets_the_rate_back() -> None:
    model = MLP(1, [4, 1], rng=0)
    optimizer = Recorded(model, 0.1)
    options: Any = {"batch_size": 8, "progress": False, "schedule": ExponentialDecay(0.5)}
    nn.fit(model, mse_loss, optimizer, (X, X**2), 3, **options)
    assert optimizer.rates == pytest.approx([0.1, 0.1, 0.05, 0.05, 0.025, 0.025])
    assert optimizer.lr == 0.1


def test_fit_tells_a_plateau_the_loss_that_is_watched() -> None:
    model = MLP(1, [1], rng=0)
    optimizer = Recorded(model, 0.01)
    options: Any = {"validation": (X, np.zeros_like(X)), "patience": None, "progress": False}
    schedule = ReduceOnPlateau(0.5, patience=0, threshold=10.0)  # nothing counts as improved
    nn.fit(model, mse_loss, optimizer, (X, X**2), 4, schedule=schedule, **options)
    assert optimizer.rates == pytest.approx([0.01, 0.01, 0.005, 0.0025])


def test_fit_checks_its_schedule() -> None:
    model = MLP(1, [1], rng=0)
    with pytest.raises(DataError, match="schedule must be a function"):
        nn.fit(model, mse_loss, SGD(model, 0.1), (X, X), 1, schedule=0.1)  # type: ignore[arg-type]
