"""The learning-rate lab: verdicts and limits against theory, models left alone, pictures."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from numpy.typing import NDArray

import nn
from autograd import DataError, NonFiniteError, ShapeError, Tensor, Value, hessian
from nn import MLP, SGD, Dropout, Linear, Module, Sequential, mse_loss
from nn.data import moons
from nn.lab import (
    LossSurface,
    RateComparison,
    Run,
    animate_comparison,
    compare_learning_rates,
    landscape,
    largest_curvature,
    plot_comparison,
    plot_losses,
    plot_paths,
    verdict,
)
from nn.lab.plane import filter_directions, plane_of_paths
from nn.losses import binary_cross_entropy_with_logits as logistic_loss
from nn.plots import save, save_animation

Array = NDArray[np.float64]
NOTHING = ([0.0], [0.0])


class Bowl(Module):
    """The height w' H w / 2 + height, whatever the data."""

    def __init__(self, matrix: Any, start: Any, height: float = 0.0) -> None:
        self.w = Tensor(start)
        self.matrix = np.asarray(matrix, self.w.dtype)
        self.height = height

    def __call__(self, x: Any) -> Any:
        return 0.5 * (self.w @ self.matrix @ self.w) + self.height


class Parabola(Module):
    """The height w^2 / 2 over a Value, once a row."""

    def __init__(self, start: float) -> None:
        self.w = Value(start)

    def __call__(self, row: Any) -> Any:
        return 0.5 * self.w * self.w


def as_it_is(height: Any, _: Any) -> Any:
    return height


def first_row(heights: Any, _: Any) -> Any:
    return heights[0]


def root_of(height: Any, _: Any) -> Any:
    return np.sqrt(height)


def compare(matrix: Any, start: Any, rates: Any, steps: int = 60) -> RateComparison:
    return compare_learning_rates(Bowl(matrix, start), as_it_is, NOTHING, rates, steps=steps)


few = settings(max_examples=25)


@st.composite
def bowls(draw: Callable[..., Any], smallest: float = 1e-3) -> tuple[Array, Array, Array, Array]:
    """Eigenvalues from 1 down, at most a thousandth, with axes, the matrix, and a start."""
    size = draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = np.sort(smallest ** rng.uniform(0, 1, size))[::-1]
    values[0] = 1.0
    values *= 10.0 ** draw(st.integers(-3, 3))
    axes = np.linalg.qr(rng.normal(size=(size, size)))[0]
    amounts = rng.choice([-1.0, 1.0], size) * rng.uniform(0.3, 3.0, size)
    return values, axes, (axes * values) @ axes.T, axes @ amounts


# --- verdicts, against theory ---------------------------------------------------------------


@few
@given(bowls(), st.floats(0.01, 1.99))
def test_losses_and_weights_of_a_bowl_are_those_of_the_formula(bowl: Any, factor: float) -> None:
    values, axes, matrix, start = bowl
    (run,) = compare(matrix, start, [factor / values[0]], steps=20).runs
    shrink = (1 - factor * values / values[0]) ** np.arange(21)[:, None]
    amounts = shrink * (axes.T @ start)
    np.testing.assert_allclose(run.weights, amounts @ axes.T, atol=1e-9)
    expected = 0.5 * (values * amounts**2).sum(axis=1)
    np.testing.assert_allclose(run.losses, expected, atol=1e-9 * expected[0])


@few
@given(bowls(), st.floats(0.001, 1.0))
def test_below_one_over_the_curvature_no_run_oscillates_or_diverges(
    bowl: Any, factor: float
) -> None:
    values, _, matrix, start = bowl
    (run,) = compare(matrix, start, [factor / values[0]]).runs
    assert run.verdict in ("crawls", "converges")


@few
@given(bowls(smallest=0.3), st.floats(0.5, 1.0))
def test_a_fair_rate_in_a_round_bowl_converges(bowl: Any, factor: float) -> None:
    values, _, matrix, start = bowl
    (run,) = compare(matrix, start, [factor / values[0]]).runs
    assert run.verdict == "converges"


@few
@given(bowls())
def test_a_tiny_rate_crawls_alone_and_beside_others(bowl: Any) -> None:
    values, _, matrix, start = bowl
    tiny = 1e-4 / values[0]
    (alone,) = compare(matrix, start, [tiny]).runs
    beside, _ = compare(matrix, start, [tiny, 1 / values[0]]).runs
    assert (alone.verdict, beside.verdict) == ("crawls", "crawls")


@few
@given(bowls(), st.floats(1.05, 1.95))
def test_between_one_and_two_over_the_curvature_the_sharpest_direction_oscillates(
    bowl: Any, factor: float
) -> None:
    values, axes, matrix, _ = bowl
    (run,) = compare(matrix, 2.0 * axes[:, 0], [factor / values[0]]).runs
    assert run.verdict == "oscillates"


@few
@given(bowls(), st.floats(1.0, 1.99))
def test_a_run_oscillates_if_more_of_its_way_turns_back_than_goes_on(
    bowl: Any, factor: float
) -> None:
    values, axes, matrix, start = bowl
    shares = factor * values / values[0]
    steps = shares * (1 - shares) ** np.arange(60)[:, None] * (axes.T @ start)
    turning = (steps[1:] * steps[:-1]).sum() / (steps**2).sum()
    (run,) = compare(matrix, start, [factor / values[0]]).runs
    if abs(turning + 0.01) > 1e-6:
        assert (run.verdict == "oscillates") == (turning < -0.01)


@few
@given(bowls(), st.floats(2.1, 50.0))
def test_beyond_two_over_the_curvature_a_run_diverges(bowl: Any, factor: float) -> None:
    values, _, matrix, start = bowl
    (run,) = compare(matrix, start, [factor / values[0]], steps=150).runs
    assert run.verdict == "diverges"


@few
@given(bowls(), st.floats(0.05, 3.0), st.sampled_from([1e-6, 1.0, 1e6]), st.floats(-1e3, 1e3))
def test_units_and_height_of_the_loss_do_not_matter(
    bowl: Any, factor: float, unit: float, height: float
) -> None:
    values, _, matrix, start = bowl
    matrix = matrix / values[0]
    (plain,) = compare(matrix, start, [factor]).runs
    first = plain.losses[0]
    model = Bowl(unit * matrix, start, height=unit * height * first)
    (other,) = compare_learning_rates(model, as_it_is, NOTHING, [factor / unit], steps=60).runs
    if not 0.99 < factor < 1.01 and not 1.99 < factor < 2.01:
        assert other.verdict == plain.verdict


def test_a_run_that_overflows_ends_there_and_diverges() -> None:
    fair, wild = compare([[1.0]], [1.0], [0.5, 1e3], steps=300).runs
    assert len(fair.losses) == len(fair.weights) == 301
    assert len(wild.losses) == len(wild.weights) < 301
    assert not np.isfinite(wild.losses[-1])
    assert np.isfinite(wild.losses[:-1]).all()
    assert wild.verdict == "diverges"
    assert np.isnan(wild.curvature)
    assert np.isnan(wild.limit)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_who_starts_at_the_minimum_is_there_and_rounding_is_no_motion(dtype: Any) -> None:
    for start in (0.0, 1e-9):
        model = Bowl(np.diag([2.0, 1.0]), np.full(2, start, dtype), height=1e3)
        runs = compare_learning_rates(model, as_it_is, NOTHING, [1e-3, 0.1, 0.5, 0.9]).runs
        assert {run.verdict for run in runs} == {"converges"}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(4))
def test_the_rounding_of_a_loss_at_its_minimum_is_no_motion(seed: int, dtype: Any) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(200, 5)), rng.normal(size=200)
    model = Linear(5, 1, dtype=dtype)
    best = np.linalg.lstsq(np.column_stack([x, np.ones(200)]), y)[0]
    model.load_state_dict({"weight": best[None, :5], "bias": best[5:]})
    rates = [1e-3, 0.1, 0.3, 0.6]
    comparison = compare_learning_rates(model, mse_loss, (x, y), rates, steps=50)
    assert {run.verdict for run in comparison.runs} == {"converges"}


LOSSES = {
    "thrown and back": ([1.0, 5.0, 0.5, 0.2, *[0.1] * 16], "converges"),
    "thrown and stuck": ([1.0, 5.0, *[0.9] * 18], "diverges"),
    "stuck at once": ([1.0, *[0.9] * 19], "crawls"),
    "late": ([1.0] * 12 + [0.5, 0.1] + [0.0] * 6, "converges"),
    "up and down": ([1.0, *[0.1, 0.3] * 9, 0.1], "oscillates"),
    "one bump": ([1.0, 0.5, 0.6, *[0.0] * 17], "converges"),
    "above the start": ([1.0, *[1.1] * 19], "diverges"),
    "nan": ([1.0, 0.5, np.nan], "diverges"),
}


@pytest.mark.parametrize("name", LOSSES)
def test_the_verdict_on_losses_alone(name: str) -> None:
    losses, expected = LOSSES[name]
    straight = np.linspace(0, 1, len(losses))[:, None]
    assert verdict(np.array(losses), straight, lowest=0.0) == expected


def test_the_verdict_of_weights_that_overflow_or_swing_by_huge_steps() -> None:
    losses = np.array([1.0, 0.5, 0.25, 0.0, 0.0])
    assert verdict(losses, np.array([[0.0], [np.inf], [0], [0], [0]]), 0.0) == "diverges"
    swings = np.array([[1e200], [-1e200], [5e199], [-2e199], [1e199]])
    assert verdict(losses, swings, 0.0) == "oscillates"


def test_a_net_on_moons_crawls_converges_oscillates_and_diverges() -> None:
    model = MLP(2, [16, 16, 1], rng=0)
    rates = [1e-3, 0.3, 0.8, 50.0]
    comparison = compare_learning_rates(model, logistic_loss, moons(100), rates, steps=150)
    assert [run.verdict for run in comparison.runs] == [
        "crawls",
        "converges",
        "oscillates",
        "diverges",
    ]
    assert 0.1 < comparison.limit < 0.8


# --- descent --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_run_is_bitwise_what_sgd_does_with_all_rows(dtype: Any) -> None:
    x, y = moons(50)
    rate = 0.3
    model = MLP(2, [8, 1], rng=0, dtype=dtype)
    (run,) = compare_learning_rates(model, logistic_loss, (x, y), [rate], steps=10).runs
    assert run.weights.dtype == dtype
    rows, target = Tensor(x.astype(dtype)).detach(), y[:, None]
    optimizer = SGD(model, lr=rate)
    for step in range(10):
        here = np.concatenate([p.numpy().ravel() for p in model.parameters()])
        assert np.array_equal(run.weights[step], here)
        error = logistic_loss(model(rows), target)
        assert run.losses[step] == float(error)
        optimizer.zero_grad()
        error.backward()
        optimizer.step()


def test_a_net_of_values_descends_as_the_same_net_of_tensors() -> None:
    data = moons(20)
    values = MLP(2, [3, 1], rng=0, node=Value)
    tensors = MLP(2, [3, 1], rng=0)
    kinds = [
        compare_learning_rates(model, logistic_loss, data, [0.1, 1.0], steps=8)
        for model in (values, tensors)
    ]
    for ours, theirs in zip(*(comparison.runs for comparison in kinds), strict=True):
        np.testing.assert_allclose(ours.losses, theirs.losses, rtol=1e-10)
        assert ours.curvature == pytest.approx(theirs.curvature, rel=1e-5)
    assert kinds[0].limit == pytest.approx(kinds[1].limit, rel=1e-5)


def test_all_rates_start_from_the_weights_of_the_model() -> None:
    comparison = compare(np.eye(2), [3.0, 4.0], [0.1, 0.2, 2.5])
    for run in comparison.runs:
        assert run.weights[0].tolist() == [3.0, 4.0]
        assert run.losses[0] == 12.5
    assert comparison.best.rate == 0.2
    assert comparison.lowest == comparison.runs[1].losses[-1]
    assert comparison.best.best_step == 60


def test_the_table_has_a_row_a_run() -> None:
    lines = str(compare([[1.0]], [1.0], [0.5, 2.5], steps=4)).splitlines()
    assert lines[0].endswith("where the curvature allows rates up to 2:")
    assert lines[3].split() == ["0.5", "converges", "0.001953", "4", "2"]
    assert lines[4].split() == ["2.5", "diverges", "12.81", "4", "2"]


def test_a_penalty_on_the_weights_by_a_closure_is_seen() -> None:
    model = Linear(1, 1, rng=0)
    data = ([[1.0], [2.0]], [1.0, 2.0])

    def penalised(prediction: Any, y: Any) -> Any:
        return mse_loss(prediction, y) + 3.0 * (model.weight * model.weight).sum()

    plain = largest_curvature(model, mse_loss, data)
    expected = np.linalg.eigvalsh([[5.0 + 6.0, 3.0], [3.0, 2.0]])[-1]
    assert largest_curvature(model, penalised, data) == pytest.approx(expected)
    assert plain == pytest.approx(np.linalg.eigvalsh([[5.0, 3.0], [3.0, 2.0]])[-1])


# --- curvature ------------------------------------------------------------------------------


@example(7, 588, -1e-4)  # three within a third of a percent
@given(st.integers(1, 12), st.integers(0, 2**32 - 1), st.sampled_from([-1e-4, -1.0, -1e4, 0.0]))
def test_curvatures_are_the_largest_eigenvalues_with_their_signs(
    size: int, seed: int, lowest: float
) -> None:
    rng = np.random.default_rng(seed)
    values = np.sort(np.append(rng.uniform(lowest, 1.0, size - 1), lowest))[::-1]
    axes = np.linalg.qr(rng.normal(size=(size, size)))[0]
    surface = LossSurface(Bowl((axes * values) @ axes.T, rng.normal(size=size)), as_it_is, NOTHING)
    count = min(size, 2)
    found, directions = surface.curvatures(surface.weights, count)
    scale = np.abs(values).max()
    np.testing.assert_allclose(found, values[:count], atol=1e-3 * scale)
    assert (found <= values[:count] + 1e-9 * scale).all()
    np.testing.assert_allclose(directions @ directions.T, np.eye(count), atol=1e-9)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([2.0, 2.0, 1.0], [2.0, 2.0]),
        ([1.0] * 5, [1.0, 1.0]),
        ([0.0] * 4, [0.0, 0.0]),
        ([-1.0, -3.0], [-1.0, -3.0]),
        ([5.0, 1.0, *[0.0] * 400], [5.0, 1.0]),
        (np.linspace(1.0, 2.0, 200), [2.0, 1.995]),
    ],
)
def test_curvatures_that_repeat_vanish_or_crowd(values: Any, expected: Any) -> None:
    surface = LossSurface(Bowl(np.diag(values), np.ones(len(values))), as_it_is, NOTHING)
    found, directions = surface.curvatures(surface.weights, count=2)
    np.testing.assert_allclose(found, expected, atol=2e-3)
    np.testing.assert_allclose(directions @ directions.T, np.eye(2), atol=1e-9)


def test_where_no_direction_curves_up_there_is_no_limit() -> None:
    hill = compare(-np.eye(2), [1.0, 1.0], [0.1], steps=4)
    assert hill.limit == np.inf
    flat = compare(np.zeros((2, 2)), [1.0, 1.0], [0.1], steps=4)
    assert flat.limit == np.inf
    assert flat.runs[0].verdict == "converges"


@pytest.mark.parametrize("node", [Tensor, Value])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_the_curvature_of_a_net_is_that_of_its_dense_hessian(activation: str, node: Any) -> None:
    x, y = moons(30)
    model = MLP(2, [4, 1], activation, rng=1, node=node)
    surface = LossSurface(model, logistic_loss, (x, y))

    def loss(w: Any) -> Any:
        if node is Value:  # each neuron's weights, then its bias
            rows = w[:12].reshape(4, 3)
            first, bias, last, shift = rows[:, :2], rows[:, 2], w[12:16], w[16]
        else:
            first, bias, last, shift = w[:8].reshape(4, 2), w[8:12], w[12:16], w[16]
        hidden = x @ first.T + bias
        hidden = np.tanh(hidden) if activation == "tanh" else np.maximum(hidden, 0)
        scores = hidden @ last + shift
        return np.mean(np.logaddexp(0, scores) - y * scores)

    dense = np.linalg.eigvalsh(hessian(loss)(surface.weights))
    (found,), _ = surface.curvatures(surface.weights)
    assert surface.losses([surface.weights])[0] == pytest.approx(loss(surface.weights))
    assert found == pytest.approx(dense[-1], rel=1e-4)
    assert largest_curvature(model, logistic_loss, (x, y)) == found


def test_single_precision_finds_the_same_curvature() -> None:
    data = moons(50)
    both = [MLP(2, [8, 1], rng=0, dtype=dtype) for dtype in (np.float32, np.float64)]
    single, double = (largest_curvature(model, logistic_loss, data) for model in both)
    assert single == pytest.approx(double, rel=1e-3)


def test_the_gradient_and_the_curvature_agree_with_pytorch() -> None:
    torch = pytest.importorskip("torch")
    x, y = moons(30)
    model = MLP(2, [5, 1], "tanh", rng=2)
    surface = LossSurface(model, logistic_loss, (x, y))
    weights = [torch.tensor(p.numpy().copy()) for p in model.parameters()]

    def loss(*w: Any) -> Any:
        scores = torch.tanh(torch.tensor(x) @ w[0].T + w[1]) @ w[2].T + w[3]
        targets = torch.tensor(y[:, None], dtype=torch.float64)
        return torch.nn.functional.binary_cross_entropy_with_logits(scores, targets)

    blocks = torch.autograd.functional.hessian(loss, tuple(weights))
    sizes = [w.numel() for w in weights]
    dense = np.block(
        [
            [block.numpy().reshape(n, m) for block, m in zip(row, sizes, strict=True)]
            for row, n in zip(blocks, sizes, strict=True)
        ]
    )
    (found,), _ = surface.curvatures(surface.weights)
    assert found == pytest.approx(np.linalg.eigvalsh(dense)[-1], rel=1e-4)
    slopes = torch.autograd.grad(loss(*(w.requires_grad_() for w in weights)), weights)
    _, gradient = surface.loss_and_gradient(surface.weights)
    np.testing.assert_allclose(gradient, np.concatenate([g.numpy().ravel() for g in slopes]))


def test_a_curvature_that_is_not_finite_is_nan() -> None:
    surface = LossSurface(Bowl([[1.0]], [1.0]), root_of, NOTHING)
    values, directions = surface.curvatures([0.0])
    assert np.isnan(values).all()
    assert np.isnan(directions).all()


# --- the surface ----------------------------------------------------------------------------


def test_names_are_those_of_the_numbers_in_the_vector() -> None:
    model = MLP(2, [2, 1], rng=0)
    surface = LossSurface(model, mse_loss, ([[1.0, 2.0]], [1.0]))
    state = model.state_dict()
    numbers = dict(zip(surface.names, surface.weights, strict=True))
    assert numbers["layers.0.weight[1, 0]"] == state["layers.0.weight"][1, 0]
    assert numbers["layers.0.bias[1]"] == state["layers.0.bias"][1]
    assert numbers["layers.2.weight[0, 1]"] == state["layers.2.weight"][0, 1]
    assert numbers["layers.2.bias"] == state["layers.2.bias"][0]
    assert len(numbers) == surface.size == 9


def test_a_model_of_both_precisions_keeps_each() -> None:
    class Mixed(Module):
        def __init__(self) -> None:
            self.a = Tensor(np.array([1.0], np.float32))
            self.b = Tensor(np.array([2.0]))

        def __call__(self, x: Any) -> Any:
            return (self.a * self.a).sum() + (self.b * self.b).sum()

    model = Mixed()
    comparison = compare_learning_rates(model, as_it_is, NOTHING, [0.1, 2.0], steps=4)
    assert comparison.surface.dtype == np.float64
    assert comparison.limit == pytest.approx(1.0)
    assert (model.a.dtype, model.b.dtype) == (np.float32, np.float64)


def test_dropout_is_off() -> None:
    model = Sequential(Linear(2, 8, rng=0), Dropout(0.5, rng=0), Linear(8, 1, rng=0))
    surface = LossSurface(model, mse_loss, ([[1.0, 2.0]], [1.0]))
    first, second = surface.losses([surface.weights] * 2)
    assert first == second


# --- models are left as they were -----------------------------------------------------------


@contextmanager
def untouched(model: Module) -> Iterator[None]:
    """Fail unless weights, gradients and modes are bitwise afterwards what they were before."""

    def state() -> list[Any]:
        arrays = [np.asarray(p.numpy()) for p in model.parameters()]
        slopes = [p.grad if p.grad is None else np.asarray(p.grad) for p in model.parameters()]
        return [
            [(a.dtype, a.shape, a.tobytes()) for a in arrays],
            [None if g is None else (g.dtype, g.shape, g.tobytes()) for g in slopes],
            [module.training for _, module in model.named_modules()],
        ]

    before = state()
    yield
    assert state() == before


def odd_net(node: Any) -> tuple[Module, Any]:
    """A net with a gradient on some parameters, and modules in different modes."""
    net = MLP(2, [3, 1], rng=0, node=node)
    net.eval()
    net.layers[0].training = True
    for parameter in net.parameters()[::2]:
        parameter.grad = 1.5 if node is Value else np.full(parameter.shape, -0.0)
    return net, moons(8)


USES: dict[str, Callable[[Module, Any], Any]] = {
    "compare": lambda m, d: compare_learning_rates(m, logistic_loss, d, [0.1, 1e3], steps=4),
    "curvature": lambda m, d: largest_curvature(m, logistic_loss, d),
    "landscape": lambda m, d: landscape(m, logistic_loss, d, resolution=3),
    "sharpest": lambda m, d: landscape(m, logistic_loss, d, plane="sharpest", resolution=3),
    "paths": lambda m, d: plot_paths(USES["compare"](m, d), resolution=3),
    "animation": lambda m, d: animate_comparison(
        USES["compare"](m, d), resolution=3, frames=2
    ).to_jshtml(),
}


@pytest.mark.parametrize("node", [Tensor, Value])
@pytest.mark.parametrize("use", USES)
def test_a_model_is_left_as_it_was(use: str, node: Any) -> None:
    model, data = odd_net(node)
    with untouched(model):
        USES[use](model, data)


def test_a_model_is_left_as_it_was_when_the_loss_raises() -> None:
    model, data = odd_net(Tensor)
    calls = iter(range(100))

    def fragile(prediction: Any, y: Any) -> Any:
        if next(calls) == 5:
            raise RuntimeError("in the middle")
        return logistic_loss(prediction, y)

    with untouched(model), pytest.raises(RuntimeError, match="in the middle"):
        compare_learning_rates(model, fragile, data, [0.1, 1.0])


# --- errors ---------------------------------------------------------------------------------


LINE = ([[-1.0], [0.0], [1.0]], [-1.0, 1.0, 3.0])


@pytest.mark.parametrize(
    ("rates", "error", "match"),
    [
        ([], ValueError, "above 0, got none"),
        ([0.1, -0.1], ValueError, r"above 0, got -0\.1"),
        ([0.0], ValueError, r"above 0, got 0\.0"),
        ([0.1, float("nan")], ValueError, r"rates\[1\] must be a finite number, got nan"),
        ([float("inf")], ValueError, r"rates\[0\] must be a finite number, got inf"),
        (["0.1"], DataError, r"rates\[0\] must be a number, got '0\.1'"),
        ("0.1", DataError, r"rates must be a list of learning rates, such as \[0\.1, 1\], got"),
        (0.1, DataError, r"rates must be a list of learning rates"),
        ([0.1, 0.1], ValueError, r"all be different, got \[0\.1, 0\.1\]"),
    ],
)
def test_bad_rates(rates: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        compare_learning_rates(Linear(1, 1), mse_loss, LINE, rates)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: compare_learning_rates(3, mse_loss, LINE, [1]), DataError, "model must be"),
        (lambda: compare_learning_rates(Linear(1, 1), 3, LINE, [1]), DataError, "loss must be"),
        (
            lambda: compare_learning_rates(Linear(1, 1), mse_loss, LINE, [1], steps=3),
            ValueError,
            "steps must be at least 4, got 3",
        ),
        (
            lambda: compare_learning_rates(Linear(1, 1), mse_loss, 3, [1]),
            DataError,
            r"data is a pair \(x, y\)",
        ),
        (lambda: compare_learning_rates(Linear(3, 1), mse_loss, LINE, [1]), ShapeError, "3"),
        (lambda: LossSurface(Sequential(), mse_loss, LINE), ValueError, "no parameters"),
        (
            lambda: compare_learning_rates(Linear(1, 1), lambda p, y: p, LINE, [1]),
            DataError,
            "must be one number",
        ),
        (
            lambda: LossSurface(Linear(1, 1), mse_loss, LINE).losses([[1.0]]),
            ShapeError,
            r"each of 2 parameters, shape \(2,\), got \(1,\)",
        ),
        (
            lambda: LossSurface(Linear(1, 1), mse_loss, LINE).curvatures([1.0, 1.0], 3),
            ValueError,
            "count must be at most 2, got 3",
        ),
        (lambda: landscape(Linear(1, 1), mse_loss, LINE, span=0), ValueError, "span must be above"),
        (lambda: landscape(Linear(1, 1), mse_loss, LINE, plane="pca"), ValueError, "'sharpest' or"),
        (lambda: landscape(Linear(1, 1), mse_loss, LINE, resolution=1), ValueError, "at least 2"),
        (
            lambda: landscape(Linear(1, 1), mse_loss, LINE, plane=("weight", "width")),
            ValueError,
            r"no number of the model is called 'width', of weight \(1, 1\), bias \(1,\): name one "
            "like 'weight'",
        ),
        (
            lambda: landscape(Linear(2, 1), mse_loss, ([[1, 2]], [1]), plane=("weight", "bias")),
            ValueError,
            r"called 'weight', of weight \(1, 2\), bias \(1,\): name one like 'weight\[0, 0\]'",
        ),
        (
            lambda: landscape(Linear(1, 1), mse_loss, LINE, plane=("bias", "bias")),
            ValueError,
            "two different parameters",
        ),
        (
            lambda: landscape(Linear(1, 1), mse_loss, LINE, plane=("bias",)),
            DataError,
            "chosen by two names",
        ),
        (
            lambda: landscape(Bowl(np.eye(2), [0.0, 0.0]), as_it_is, NOTHING),
            ValueError,
            "all weights are 0",
        ),
        (lambda: plot_losses(3), DataError, "comparison must be"),  # type: ignore[arg-type]
        (lambda: plot_paths(3), DataError, "comparison must be"),  # type: ignore[arg-type]
        (lambda: plot_paths(line_rates(), "ax"), DataError, "ax must be"),  # type: ignore[arg-type]
        (
            lambda: plot_paths(line_rates(), Figure().add_subplot(projection="3d")),
            DataError,
            "ax must be flat",
        ),
        (lambda: animate_comparison(line_rates(), frames=1), ValueError, "frames must be at least"),
    ],
)
def test_what_does_not_fit_is_a_clear_error(
    call: Callable[[], Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        call()


def test_a_start_that_is_not_finite_is_an_error() -> None:
    model = Linear(1, 1)
    model.weight.data = [[np.inf]]
    with pytest.raises(NonFiniteError, match=r"the loss is (inf|nan) before any step"):
        compare_learning_rates(model, mse_loss, LINE, [0.1])
    with pytest.raises(NonFiniteError, match="the gradient at the start is not finite"):
        compare_learning_rates(Bowl([[1.0]], [0.0]), root_of, NOTHING, [0.1])
    with pytest.raises(NonFiniteError, match="nan or an infinity"):
        compare_learning_rates(Linear(1, 1), mse_loss, ([[np.nan]], [1.0]), [0.1])


# --- planes ---------------------------------------------------------------------------------


@given(st.integers(2, 30), st.integers(2, 8), st.integers(0, 2**32 - 1))
def test_the_plane_of_paths_is_the_nearest_through_the_end(
    count: int, size: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(count, size)).cumsum(axis=0)
    plane = plane_of_paths(points, points[-1])
    assert np.allclose(plane.coordinates(points[-1:]), 0)
    assert (plane.coordinates(points[:1]) <= 1e-9).all()
    np.testing.assert_allclose(plane.directions @ plane.directions.T, np.eye(2), atol=1e-9)
    other = np.linalg.qr(rng.normal(size=(size, 2)))[0].T
    away = points - points[-1]

    def held(directions: Array) -> float:
        return float(((away @ directions.T) ** 2).sum())

    assert held(plane.directions) >= held(other) - 1e-9
    share = 100 * held(plane.directions[:1]) / (away**2).sum()
    assert plane.labels[0] == f"principal direction 1 ({share:.0f} % of the paths)"


@pytest.mark.parametrize("node", [Tensor, Value])
def test_each_filter_of_a_random_direction_is_as_long_as_that_of_the_weights(node: Any) -> None:
    model = MLP(2, [3, 1], rng=0, node=node)
    weights = LossSurface(model, logistic_loss, moons(4))
    point = np.random.default_rng(0).normal(size=weights.size)
    rows = np.array_split(point[:9], 3)
    parts = {
        Tensor: [(0, 2), (2, 4), (4, 6), (6, 9), (9, 12), (12, 13)],
        Value: [(0, 2), (2, 3), (3, 5), (5, 6), (6, 8), (8, 9), (9, 12), (12, 13)],
    }[node]
    assert len(rows) == 3
    for direction in filter_directions(weights, point, seed=1):
        for start, stop in parts:
            length = np.linalg.norm(point[start:stop])
            assert np.linalg.norm(direction[start:stop]) == pytest.approx(length)
    again = filter_directions(weights, point, seed=1)
    assert np.array_equal(again, filter_directions(weights, point, seed=1))
    assert not np.array_equal(again, filter_directions(weights, point, seed=2))


# --- pictures -------------------------------------------------------------------------------


def line_rates(rates: Any = (0.01, 0.3, 0.9, 1.1), steps: int = 30) -> RateComparison:
    return compare_learning_rates(Linear(1, 1, rng=0), mse_loss, LINE, rates, steps=steps)


def net_rates() -> RateComparison:
    model = MLP(2, [4, 1], rng=0)
    return compare_learning_rates(model, logistic_loss, moons(20), [0.01, 1.0, 30.0], steps=20)


def texts(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.texts]


PLOTS: dict[str, Callable[..., Any]] = {
    "losses": lambda ax=None: plot_losses(line_rates(), ax),
    "paths": lambda ax=None: plot_paths(line_rates(), ax, resolution=10),
    "landscape": lambda ax=None: landscape(Linear(1, 1, rng=0), mse_loss, LINE, ax, resolution=10),
}


@pytest.mark.parametrize("name", PLOTS)
def test_a_picture_is_drawn_on_the_axes_given_and_saved_as_the_same_bytes(
    name: str, tmp_path: Path
) -> None:
    left, right = Figure().subplots(1, 2)
    assert PLOTS[name](right) is right
    assert right.has_data()
    assert not left.has_data()
    first, second = (save(PLOTS[name](), tmp_path / f"{i}.png").read_bytes() for i in range(2))
    assert first == second


def test_the_lab_imports_matplotlib_when_drawing_and_never_pyplot(tmp_path: Path) -> None:
    code = """
import sys
from nn import Linear, mse_loss
from nn.lab import compare_learning_rates, plot_comparison
from nn.plots import save
runs = compare_learning_rates(Linear(1, 1), mse_loss, ([[1.0]], [1.0]), [0.1], steps=4)
assert "matplotlib" not in sys.modules
save(plot_comparison(runs, resolution=5)[0], sys.argv[1])
assert "matplotlib.pyplot" not in sys.modules
"""
    root = Path(str(nn.__file__)).parent.parent
    picture = tmp_path / "picture.png"
    subprocess.run([sys.executable, "-c", code, picture], cwd=root, check=True)
    assert picture.exists()


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    comparison = line_rates()
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match="matplotlib: pip install"):
        plot_comparison(comparison)
    with pytest.raises(ImportError, match="matplotlib: pip install"):
        animate_comparison(comparison)


def test_loss_curves_are_the_losses_and_each_is_labelled() -> None:
    comparison = line_rates()
    ax: Any = plot_losses(comparison)
    assert texts(ax) == ["0.01 crawls", "0.3 converges", "0.9 oscillates", "1.1 diverges"]
    assert ax.get_title() == "curvature at the start allows rates up to 1"
    assert ax.get_yscale() == "log"
    lines = [line for line in ax.lines if line.get_linestyle() == "-" and len(line.get_xdata()) > 2]
    assert len(lines) == 4
    for line, run in zip(lines[:3], comparison.runs, strict=False):
        assert line.get_xydata().tolist() == [list(pair) for pair in enumerate(run.losses)]
    x, y = lines[3].get_xydata()[-1]  # cut at the border
    assert x < 30
    assert y == pytest.approx(ax.get_ylim()[1])


def test_labels_do_not_overlap() -> None:
    many, alike = line_rates(np.linspace(0.01, 0.95, 9)), line_rates([0.29, 0.3, 0.31, 0.32])
    for comparison in (many, alike, net_rates()):
        for ax in plot_comparison(comparison, resolution=10):
            figure: Any = ax.figure
            figure.draw_without_rendering()
            boxes = [text.get_window_extent() for text in ax.texts]
            overlaps = [
                (a.get_text(), b.get_text())
                for i, a in enumerate(ax.texts)
                for j, b in enumerate(ax.texts)
                if i < j and boxes[i].overlaps(boxes[j])
            ]
            assert overlaps == []


def path_lines(ax: Any) -> list[Any]:
    return [line for line in ax.lines if line.get_markersize() == 3]


def test_paths_of_two_numbers_are_drawn_over_these() -> None:
    comparison = line_rates()
    ax: Any = plot_paths(comparison, resolution=10)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("weight", "bias")
    *stay, leaves = path_lines(ax)
    for line, run in zip(stay, comparison.runs, strict=False):
        np.testing.assert_allclose(line.get_xydata(), run.weights, atol=1e-12)
    end = leaves.get_xydata()[-1]
    low, high = np.transpose([ax.get_xlim(), ax.get_ylim()])
    distance = np.minimum(abs(end - low), abs(end - high)) / (high - low)
    assert distance.min() == pytest.approx(0, abs=1e-9)
    assert set(texts(ax)) == {"start", "0.01", "0.3", "0.9", "1.1"}


def test_who_was_thrown_out_of_the_picture_does_not_stretch_it() -> None:
    surface = LossSurface(Bowl(np.eye(2), [1.0, 1.0]), as_it_is, NOTHING)
    fair = Run(0.1, np.array([1.0, 0.0]), np.array([[1.0, 1.0], [0.0, 0.0]]), 1.0, "converges")
    thrown = np.array([[1.0, 1.0], [50.0, 50.0], [900.0, 900.0]])
    wild = Run(9.0, np.array([1.0, 90.0, 0.5]), thrown, 1.0, "diverges")
    ax = plot_paths(RateComparison(surface, (fair, wild), 1.0), resolution=5)
    assert ax.get_xlim() == pytest.approx((-0.12, 1.12))


def test_the_plane_of_two_chosen_numbers_may_be_turned() -> None:
    comparison = line_rates()
    ax: Any = plot_paths(comparison, plane=("bias", "weight"), resolution=10)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("bias", "weight")
    line = path_lines(ax)[0]
    np.testing.assert_allclose(line.get_xydata(), comparison.runs[0].weights[:, ::-1])


def test_contours_are_of_the_loss() -> None:
    comparison = line_rates()
    ax: Any = plot_paths(comparison, resolution=41)
    contours = ax.collections[1]
    for level, path in zip(contours.levels, contours.get_paths(), strict=True):
        if len(path.vertices) and level > 0.2:
            losses = comparison.surface.losses(path.vertices)
            np.testing.assert_allclose(losses, level, rtol=0.1)


def test_paths_of_a_net_are_drawn_on_their_principal_plane() -> None:
    ax: Any = plot_paths(net_rates(), resolution=6)
    assert ax.get_xlabel().startswith("principal direction 1 (")
    assert ax.get_ylabel().startswith("principal direction 2 (")


def test_the_path_of_one_number_is_drawn_on_the_curve_of_the_loss() -> None:
    comparison = compare_learning_rates(Parabola(2.0), first_row, NOTHING, [0.5, 1.5], steps=5)
    ax: Any = plot_paths(comparison, resolution=11)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("w", "loss")
    across, heights = ax.lines[0].get_data()
    np.testing.assert_allclose(heights, across**2 / 2)
    for line, run in zip(path_lines(ax), comparison.runs, strict=True):
        np.testing.assert_allclose(line.get_xydata(), np.column_stack([run.weights, run.losses]))
    curve: Any = landscape(Parabola(2.0), first_row, NOTHING, resolution=11)
    across, heights = curve.lines[0].get_data()
    np.testing.assert_allclose(heights, across**2 / 2)


def odd_comparison(name: str) -> RateComparison:
    big = float(np.finfo(np.float32).max)
    model: Module = {
        "flat": Bowl(np.zeros((3, 3)), np.ones(3)),
        "at the minimum": Bowl(np.eye(3), np.zeros(3), height=1.0),
        "hill": Bowl(-np.eye(3), np.ones(3)),
        "single": Bowl(np.eye(3), np.ones(3, np.float32) * np.float32(big**0.4)),
        "parabola": Parabola(1.0),
    }.get(name, Bowl(np.diag([3.0, 2.0, 1.0]), np.ones(3)))
    rates = {
        "all diverge": [5.0, 7.0],
        "all overflow": [1e200, 1e307],
        "one": [0.1],
        "many": np.geomspace(1e-3, 3, 12),
        "parabola": [1e-3, 0.5, 3.0, 1e200],
        "single": [0.1, 1e30],
    }.get(name, [0.1, 0.5])
    loss = first_row if name == "parabola" else as_it_is
    return compare_learning_rates(model, loss, NOTHING, rates, steps=8)


@pytest.mark.parametrize(
    "name",
    [
        *("flat", "at the minimum", "hill", "single", "parabola"),
        *("all diverge", "all overflow", "one", "many"),
    ],
)
def test_odd_comparisons_are_drawn_all_the_same(name: str, tmp_path: Path) -> None:
    comparison = odd_comparison(name)
    left, right = plot_comparison(comparison, resolution=8)
    assert save(left, tmp_path / "odd.png").stat().st_size > 10_000
    assert len(texts(left)) == len(comparison.runs)
    assert "start" in texts(right)
    assert np.isfinite([*right.get_xlim(), *right.get_ylim()]).all()


def test_a_loss_that_is_not_finite_in_places_is_drawn(tmp_path: Path) -> None:
    class Logarithm(Module):
        def __init__(self) -> None:
            self.w = Tensor([0.5, 0.5])

        def __call__(self, x: Any) -> Any:
            return (self.w - np.log(self.w)).sum()

    ax: Any = landscape(Logarithm(), as_it_is, NOTHING, plane=("w[0]", "w[1]"), resolution=8)
    assert ax.get_xlim() == ax.get_ylim() == (-0.5, 1.5)
    highest = ax.collections[0].get_paths()[-1]
    assert highest.contains_point((-0.4, -0.4))
    save(ax, tmp_path / "log.png")
    comparison = compare_learning_rates(Logarithm(), as_it_is, NOTHING, [0.1, 8.0], steps=5)
    assert [run.verdict for run in comparison.runs] == ["converges", "diverges"]
    gone = comparison.runs[1]
    assert np.isnan(gone.losses[-1])
    assert gone.losses[gone.best_step] == np.nanmin(gone.losses)
    save(plot_paths(comparison, resolution=8), tmp_path / "paths.png")
    with pytest.raises(NonFiniteError, match="not finite anywhere"):
        landscape(Logarithm(), lambda height, _: height * np.inf, NOTHING, resolution=3)


def test_an_animation_ends_in_the_picture_at_rest(tmp_path: Path) -> None:
    comparison = line_rates()
    animation: Any = animate_comparison(comparison, resolution=8, frames=5)
    frames = list(animation.new_frame_seq())
    assert frames == [0, 8, 15, 22, 30]
    left, right = animation._fig.axes[:2]
    animation._func(8)
    assert right.get_title() == "step 8"
    assert [len(line.get_xdata()) for line in path_lines(right)][:3] == [9, 9, 9]
    animation._func(30)
    at_rest = path_lines(plot_paths(comparison, resolution=8))
    for moving, still in zip(path_lines(right), at_rest, strict=True):
        assert moving.get_xydata().tolist() == still.get_xydata().tolist()
    assert texts(left) == texts(plot_losses(comparison))
    path = save_animation(animation, tmp_path / "rates.gif")
    assert path.read_bytes().startswith(b"GIF8")
    assert path.stat().st_size < 500_000


def test_a_landscape_has_the_loss_at_the_present_weights_in_its_middle() -> None:
    model = Linear(2, 1, rng=0)
    data = ([[1.0, 2.0], [0.0, 1.0]], [1.0, 0.0])
    surface = LossSurface(model, mse_loss, data)
    (now,) = surface.losses([surface.weights])
    for plane in ("random", "sharpest", ("weight[0, 1]", "bias")):
        flat: Any = landscape(model, mse_loss, data, plane=plane, resolution=5)  # type: ignore[arg-type]
        assert flat.get_title() == f"loss around the present weights, where it is {now:.3g}"
        solid = Figure().add_subplot(projection="3d")
        ax: Any = landscape(model, mse_loss, data, solid, plane=plane, resolution=5)  # type: ignore[arg-type]
        assert ax is solid
        x, y, z = (part[0] for part in ax.lines[0].get_data_3d())
        assert z == pytest.approx(now)
        assert (x, y) == pytest.approx(
            tuple(surface.weights[[1, 2]]) if isinstance(plane, tuple) else (0.0, 0.0)
        )


def test_a_landscape_along_chosen_numbers_is_the_loss_there() -> None:
    model = Linear(1, 1, rng=0)
    ax: Any = landscape(model, mse_loss, LINE, plane=("weight", "bias"), span=2, resolution=41)
    weight, bias = (p.item() for p in model.parameters())
    assert ax.get_xlim() == pytest.approx((weight - 2, weight + 2))
    assert ax.get_ylim() == pytest.approx((bias - 2, bias + 2))
    surface = LossSurface(model, mse_loss, LINE)
    contours = ax.collections[1]
    for level, path in zip(contours.levels, contours.get_paths(), strict=True):
        if len(path.vertices) and level > 0.2:
            np.testing.assert_allclose(surface.losses(path.vertices), level, rtol=0.1)


# --- the page -------------------------------------------------------------------------------


def test_the_page_shows_the_pictures_that_its_code_makes() -> None:
    page = Path(str(nn.__file__)).parents[1] / "docs" / "learning-rates.md"
    text = page.read_text(encoding="utf-8")
    made = re.findall(r'"(learning-rates-[\w.]+)"', text)
    assert made == re.findall(r"\]\((learning-rates-[\w.]+)\)", text)
    assert len(made) == 4
    assert all((page.parent / name).stat().st_size < 150_000 for name in made)


def test_a_net_trained_beyond_its_limit_settles_where_the_limit_is_its_rate() -> None:
    points, classes = moons(100)
    data = points, np.where(classes == 1, 1.0, -1.0)
    model = MLP(2, [16, 16, 1], "tanh", rng=0)
    (run,) = compare_learning_rates(model, mse_loss, data, [0.2], steps=400).runs
    assert largest_curvature(model, mse_loss, data) > 1.5 * 2 / 0.2
    assert run.limit == pytest.approx(0.2, rel=0.15)
