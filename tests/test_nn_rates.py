"""`find_learning_rate`: it suggests rates that train well, and leaves no trace."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from autograd import DataError, NonFiniteError, ShapeError, Tensor, Value
from nn import (
    MLP,
    SGD,
    Adam,
    Dropout,
    Linear,
    Module,
    Optimizer,
    Sequential,
    binary_cross_entropy_with_logits,
    cross_entropy,
    evaluate,
    fit,
    mse_loss,
)
from nn.data import load, moons, train_test_split
from nn.rates import RateSearch, find_learning_rate

X = np.linspace(-1, 1, 40).reshape(20, 2)
Y = X.sum(axis=1)
OPTIMIZERS: dict[str, Any] = {
    "SGD": lambda model: SGD(model, 1e3),
    "momentum": lambda model: SGD(model, 1e3, 0.9),
    "Adam": lambda model: Adam(model, 1e3),
}


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_the_suggestion_trains_the_digits(make: Any) -> None:
    x, x_test, y, y_test = train_test_split(*load("digits"), seed=0)
    model = MLP(64, [32, 10], rng=0)
    optimizer = make(model)
    optimizer.lr = find_learning_rate(model, cross_entropy, optimizer, (x, y)).suggestion
    fit(model, cross_entropy, optimizer, (x, y), 15, progress=False)
    assert evaluate(model, cross_entropy, (x_test, y_test))[1] > 0.94


@pytest.mark.parametrize("node", [Tensor, Value])
@pytest.mark.parametrize("name", ["momentum", "Adam"])
def test_the_suggestion_trains_the_moons(name: str, node: Any) -> None:
    x, y = moons(100, noise=0.1, seed=0)
    model = MLP(2, [8, 1], node=node, rng=0)
    optimizer = OPTIMIZERS[name](model)
    loss, steps = binary_cross_entropy_with_logits, 200 if node is Tensor else 60
    search = find_learning_rate(model, loss, optimizer, (x, y), steps=steps, batch_size=16)
    optimizer.lr = search.suggestion
    history = fit(model, loss, optimizer, (x, y), 40, batch_size=16, progress=False)
    assert history.accuracy[-1] > 0.95


def everything(model: Module, optimizer: Optimizer) -> list[Any]:
    """All that a search could leave changed, comparable with `assert_equal`."""
    return [
        model.state_dict(),
        model.random_state(),
        optimizer.state_dict(),
        [None if p.grad is None else np.array(p.grad) for p in model.parameters()],
        [module.training for _, module in model.named_modules()],
    ]


def noisy_net() -> Sequential:
    return Sequential(Linear(2, 8, rng=0), Dropout(0.5, rng=1), Dropout(0.2, rng=2), Linear(8, 1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_everything_is_as_before(make: Any, dtype: Any) -> None:
    model = Sequential(Linear(2, 8, rng=0, dtype=dtype), Dropout(0.5, rng=1), Linear(8, 1, rng=2))
    optimizer = make(model)
    optimizer.lr = 0.01
    fit(model, mse_loss, optimizer, (X, Y), 2, progress=False)  # leaves gradients and velocities
    model[1].eval()
    before = everything(model, optimizer)
    first = find_learning_rate(model, mse_loss, optimizer, (X, Y), steps=30, batch_size=4)
    np.testing.assert_equal(everything(model, optimizer), before)
    again = find_learning_rate(model, mse_loss, optimizer, (X, Y), steps=30, batch_size=4)
    np.testing.assert_array_equal(first.losses, again.losses)
    other = find_learning_rate(model, mse_loss, optimizer, (X, Y), steps=30, batch_size=4, seed=1)
    assert (first.losses[: len(other.losses)] != other.losses[: len(first.losses)]).any()


def test_everything_is_as_before_when_it_goes_wrong() -> None:
    model = noisy_net()
    optimizer = Adam(model)
    before = everything(model, optimizer)
    calls = iter(range(5))

    def failing(prediction: Any, target: Any) -> Any:
        next(calls)
        return mse_loss(prediction, target)

    with pytest.raises(StopIteration):
        find_learning_rate(model, failing, optimizer, (X, Y), steps=30)
    np.testing.assert_equal(everything(model, optimizer), before)


def test_it_is_gradient_descent_with_a_rate_that_rises() -> None:
    model, byhand = Linear(2, 1, rng=0), Linear(2, 1, rng=0)
    options = {"lowest": 1e-3, "highest": 1e-1, "steps": 10, "batch_size": 20}
    search = find_learning_rate(model, mse_loss, SGD(model, 0.5), (X, Y), **options)
    np.testing.assert_allclose(search.rates, np.logspace(-3, -1, 10))
    losses = []
    for rate in search.rates:
        loss = mse_loss(byhand(Tensor(X)), Y[:, None])
        byhand.zero_grad()
        loss.backward()
        SGD(byhand, rate).step()
        losses.append(loss.item())
    np.testing.assert_allclose(search.losses, losses, rtol=1e-10)


def test_it_stops_where_the_loss_blows_up() -> None:
    model = Linear(2, 1, rng=0)
    search = find_learning_rate(model, mse_loss, SGD(model, 0.1), (X, Y), highest=1e6)
    assert len(search.rates) < 200
    assert search.rates[-1] < 1e5
    assert search.suggestion < 2
    assert np.isfinite(search.losses).all()


def test_it_stops_before_a_loss_that_is_not_finite() -> None:
    model = Linear(2, 1, rng=0)
    for optimizer in (SGD(model, 0.1), SGD(model, 0.1, allow_nonfinite=True)):
        options = {"lowest": 1.0, "highest": 1e300, "steps": 10}
        search = find_learning_rate(model, mse_loss, optimizer, (X, Y), **options)
        assert 1 <= len(search.losses) < 10
        assert np.isfinite(search.losses).all()


def test_a_loss_below_zero_is_no_blow_up() -> None:
    model = Linear(2, 1, rng=0)

    def shifted(prediction: Any, target: Any) -> Any:
        return mse_loss(prediction, target) - 100

    options: dict[str, Any] = {"highest": 0.1, "steps": 50}
    search = find_learning_rate(model, shifted, SGD(model, 0.1), (X, Y), **options)
    assert len(search.losses) == 50


def test_all_groups_get_the_rate() -> None:
    model = Sequential(Linear(2, 3, rng=0), Linear(3, 1, rng=1))
    optimizer = SGD([{"params": model[0], "lr": 0.5}, {"params": model[1]}], lr=0.1)
    plain = SGD(model, 0.1)
    searches = [find_learning_rate(model, mse_loss, o, (X, Y)) for o in (optimizer, plain)]
    np.testing.assert_array_equal(searches[0].losses, searches[1].losses)
    assert [group["lr"] for group in optimizer.groups] == [0.5, 0.1]


def test_smoothing_keeps_constants_and_does_not_lag() -> None:
    rates = np.logspace(-4, 0, 81)
    constant = RateSearch(rates, np.full(81, 3.0))
    np.testing.assert_allclose(constant.smoothed, 3.0)
    valley = RateSearch(rates, (np.log10(rates) + 2) ** 2)
    assert math.isclose(rates[np.argmin(valley.smoothed)], 0.01)
    assert valley.suggestion == 0.0033
    assert "81 rates from 0.0001 to 1, suggestion=0.0033" in repr(valley)


class WithoutRate(Optimizer):
    """One that has no lr."""


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"model": 3}, DataError, r"model must be of type nn\.Module, got int"),
        ({"loss": 3}, DataError, "loss must be a function"),
        ({"optimizer": 3}, DataError, r"optimizer must be of type nn\.Optimizer, got int"),
        ({"optimizer": WithoutRate([Value(1.0)])}, DataError, "has no lr to search for"),
        ({"data": (X[:0], Y[:0])}, ShapeError, "no rows"),
        ({"data": (X * math.inf, Y)}, NonFiniteError, "x of data has a nan or an infinity"),
        ({"data": (X * 1e200, Y)}, NonFiniteError, "loss is inf with a learning rate of 1e-05"),
        ({"data": (np.ones((20, 3)), Y)}, ShapeError, "takes 2 numbers"),
        ({"lowest": 0}, ValueError, "rates rise from above 0: got lowest=0, highest=10"),
        ({"lowest": 20}, ValueError, "rates rise from above 0"),
        ({"highest": math.inf}, ValueError, "highest must be a finite number"),
        ({"steps": 9}, ValueError, "steps must be at least 10, got 9"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1"),
        ({"seed": -1}, ValueError, "seed must be at least 0"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_arguments_are_checked(
    change: dict[str, Any], error: type[Exception], message: str
) -> None:
    model = Linear(2, 1, rng=0)
    arguments = {"model": model, "loss": mse_loss, "optimizer": SGD(model, 0.1), "data": (X, Y)}
    before = everything(model, arguments["optimizer"])
    with pytest.raises(error, match=message):
        find_learning_rate(**{**arguments, **change})
    np.testing.assert_equal(everything(model, arguments["optimizer"]), before)
    if "optimizer" not in change and "data" in change:  # a first loss that is nan, if allowed
        lenient = SGD(model, 0.1, allow_nonfinite=True)
        with pytest.raises(error):
            find_learning_rate(**{**arguments, **change, "optimizer": lenient})
