"""Optimizers: PyTorch's steps, all or nothing, and errors that name the parameter."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import nn
from autograd import DataError, GradientError, NonFiniteError, Tensor, Value
from nn import MLP, SGD, Adam, AdamW, Linear, Module, RMSprop, Sequential, mse_loss
from nn.checkpoint import read_state, write_state
from nn.optim import (
    AdamState,
    Optimizer,
    RMSpropState,
    adam_update,
    clip_by_norm,
    clip_by_value,
    norm_of,
    rmsprop_update,
    sgd_update,
)

FIXTURES = Path(__file__).parent / "fixtures"
# Made by make_sgd_torch.py and make_optim_torch.py there.
TORCH = json.loads((FIXTURES / "sgd_torch.json").read_text("utf-8"))
ADAPTIVE = json.loads((FIXTURES / "optim_torch.json").read_text("utf-8"))


def loss_at(W: Any, minimum: Any, curvature: Any, noise: float) -> Any:
    return curvature * (W - minimum) ** 2 / 2 + noise * W


@pytest.mark.parametrize("run", TORCH["runs"], ids=lambda run: str(run["options"]))
def test_a_hundred_steps_are_those_of_pytorch(run: dict[str, Any]) -> None:
    minimum, curvature = np.array(TORCH["minimum"]), np.array(TORCH["curvature"])
    W = Tensor(TORCH["start"])
    scalars = [[Value(w) for w in row] for row in TORCH["start"]]
    flat = [w for row in scalars for w in row]
    for_tensor, for_values = SGD([W], **run["options"]), SGD(flat, **run["options"])
    for t, noise in enumerate(TORCH["noise"], 1):
        for_tensor.zero_grad()
        loss_at(W, minimum, curvature, noise).sum().backward()
        for_tensor.step()

        for_values.zero_grad()
        for w, m, c in zip(flat, minimum.flat, curvature.flat, strict=True):
            loss_at(w, float(m), float(c), noise).backward()
        for_values.step()

        if t % TORCH["every"] == 0:
            expected = run["weights"][t // TORCH["every"] - 1]
            np.testing.assert_allclose(W.numpy(), expected, rtol=1e-12, atol=1e-14)
            got = [[w.data for w in row] for row in scalars]
            np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-14)


@given(
    st.floats(0, 0.2),
    st.floats(0, 0.99),
    st.booleans(),
    st.floats(0, 0.2),
    st.integers(0, 2**32),
    st.sampled_from([np.float32, np.float64]),
)
@settings(max_examples=20)
def test_steps_are_those_of_the_torch_that_is_installed(
    lr: float, momentum: float, nesterov: bool, weight_decay: float, seed: int, dtype: Any
) -> None:
    torch = pytest.importorskip("torch")
    nesterov = nesterov and momentum > 0
    rng = np.random.default_rng(seed)
    start = rng.normal(size=(3, 2)).astype(dtype)
    ours = Tensor(start)
    theirs = torch.tensor(start, requires_grad=True)
    options = (lr, momentum, nesterov, weight_decay)
    optimizer = SGD([ours], *options)
    reference = torch.optim.SGD(
        [theirs], lr, momentum, nesterov=nesterov, weight_decay=weight_decay
    )
    for _ in range(100):
        gradient = rng.normal(size=(3, 2)).astype(dtype)
        ours.grad, theirs.grad = gradient, torch.tensor(gradient)
        optimizer.step()
        reference.step()
    tolerance = 1e-4 if dtype is np.float32 else 1e-11
    assert ours.dtype == dtype
    np.testing.assert_allclose(
        ours.numpy(), theirs.detach().numpy(), rtol=tolerance, atol=tolerance
    )


def test_the_update_is_pure() -> None:
    W, gradient, velocity = np.ones(3), np.full(3, 2.0), np.full(3, 4.0)
    W_new, v_new = sgd_update(W, gradient, velocity, lr=0.5, momentum=0.5, weight_decay=1.0)
    assert v_new.tolist() == [5.0] * 3
    assert W_new.tolist() == [-1.5] * 3
    assert (W.tolist(), gradient.tolist(), velocity.tolist()) == ([1.0] * 3, [2.0] * 3, [4.0] * 3)


def test_lr_may_change_between_steps_and_keeps_float32() -> None:
    W = Tensor(np.ones(2, np.float32))
    optimizer = SGD([W], lr=0.5)
    for lr in (0.25, np.float64(0.5)):
        optimizer.lr = lr
        W.grad = np.ones(2, np.float32)
        optimizer.step()
    assert W.numpy().tolist() == [0.25, 0.25]
    assert W.dtype == np.float32


def test_zero_grad_sets_none() -> None:
    w = Value(1.0)
    w.grad = 3.0
    SGD([w], lr=0.1).zero_grad()
    assert w.grad is None


def test_repr() -> None:
    text = "SGD(4 parameters, lr=0.1, momentum=0.9, nesterov=False, weight_decay=0)"
    assert repr(SGD(MLP(2, [3, 1]), lr=0.1, momentum=0.9)) == text


# ------------------------------------------------------------------------------ names


def test_a_model_its_parameters_and_their_names_will_do() -> None:
    model = Sequential(Linear(2, 1))
    names = ["0.weight", "0.bias"]
    assert list(SGD(model, lr=0.1).parameters) == names
    assert list(SGD(model.named_parameters(), lr=0.1).parameters) == names
    unnamed = SGD(iter(model.parameters()), lr=0.1).parameters
    assert list(unnamed) == ["parameter 0 (weight)", "parameter 1 (bias)"]
    assert list(SGD([Value(1.0)], lr=0.1).parameters) == ["parameter 0"]


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ([], ValueError, "needs parameters, got none"),
        (Value(1.0), DataError, "a Module or a list of parameters, got Value"),
        (None, DataError, "a Module or a list of parameters, got NoneType"),
        ([1.0], DataError, "takes parameters, .* got 1.0 at 0"),
        ([("w", 1.0)], DataError, r"got \('w', 1.0\) at 0"),
        ([Value(1.0) * 2], GradientError, "parameter 0 cannot be learnt, it is computed from"),
        (
            [Tensor([1, 2], label="n")],
            GradientError,
            r"0 \(n\) cannot be learnt, it is a",
        ),
        ([Value(1.0).detach()], GradientError, "it is a constant"),
        ([("w", Value(1.0)), ("w", Value(2.0))], ValueError, "two parameters have the name 'w'"),
    ],
)
def test_what_cannot_be_learnt_is_refused(
    params: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        SGD(params, lr=0.1)


def test_a_parameter_comes_once() -> None:
    w = Value(1.0)
    with pytest.raises(ValueError, match="a and b are the same parameter"):
        SGD([("a", w), ("b", w)], lr=0.1)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"lr": -0.1}, ValueError, "lr must be a finite number of at least 0, got -0.1"),
        ({"lr": math.nan}, ValueError, "lr must be a finite number of at least 0, got nan"),
        ({"lr": "0.1"}, DataError, "lr must be a number, got '0.1'"),
        ({"lr": 0.1, "momentum": -1}, ValueError, "momentum must be a finite number"),
        ({"lr": 0.1, "weight_decay": math.inf}, ValueError, "weight_decay must be a finite"),
        ({"lr": 0.1, "nesterov": True}, ValueError, "nesterov=True needs a momentum above 0"),
        ({"lr": 0.1, "nesterov": [1]}, DataError, r"nesterov must be True or False, got \[1\]"),
        ({"lr": 0.1, "allow_nonfinite": "no"}, DataError, "allow_nonfinite must be True or False"),
    ],
)
def test_options_are_checked(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        SGD([Value(1.0)], **options)


# ------------------------------------------------------------------------------ all or nothing


def test_parameters_without_a_gradient_are_named_and_nothing_is_updated() -> None:
    model = Sequential(Linear(2, 2, rng=0), Linear(2, 1))
    optimizer = SGD(model, lr=0.1)
    model[0](np.ones((1, 2))).sum().backward()
    before = model.state_dict()
    message = r"no gradient for 1\.weight, 1\.bias: not reached by backward"
    with pytest.raises(GradientError, match=message):
        optimizer.step()
    for name, array in model.state_dict().items():
        assert (array == before[name]).all()


def test_a_long_list_of_names_is_cut() -> None:
    with pytest.raises(GradientError, match=r"layers\.0\.neurons\.\S+ and 11 more: not reached"):
        SGD(MLP(2, [5, 1], node=Value), lr=0.1).step()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("node", [Value, Tensor])
def test_a_nonfinite_gradient_is_named_and_nothing_is_updated(node: Any, bad: float) -> None:
    good, w = node(1.0), node(2.0)
    good.grad, w.grad = Tensor(1.0).data, Tensor(bad).data
    optimizer = SGD([("good", good), ("w", w)], lr=0.5)
    with pytest.raises(NonFiniteError, match="the gradient of w holds a nan or an infinity"):
        optimizer.step()
    assert (good.item(), w.item()) == (1.0, 2.0)

    SGD([good, w], lr=0.5, allow_nonfinite=True).step()
    assert good.item() == 0.5
    assert not math.isfinite(w.item())


def test_an_interrupt_between_two_parameters_completes_the_update(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parameters = [Value(float(i)) for i in range(5)]
    for parameter in parameters:
        parameter.grad = 1.0
    optimizer = SGD(parameters, lr=1.0, momentum=0.9)
    assign, calls = Value.data.fset, []  # type: ignore[attr-defined]

    def interrupted(self: Value, data: float) -> None:
        calls.append(self)
        if len(calls) == 3:
            raise KeyboardInterrupt
        assign(self, data)

    monkeypatch.setattr(Value, "data", Value.data.setter(interrupted))  # type: ignore[attr-defined]
    with pytest.raises(KeyboardInterrupt):
        optimizer.step()
    assert [p.data for p in parameters] == [-1.0, 0.0, 1.0, 2.0, 3.0]
    monkeypatch.undo()
    optimizer.step()  # the velocity, too, is that of a completed step
    assert [p.data for p in parameters] == pytest.approx([-2.9, -1.9, -0.9, 0.1, 1.1])


def test_an_optimizer_without_a_rule_says_so() -> None:
    w = Value(1.0)
    w.grad = 1.0
    with pytest.raises(NotImplementedError, match="Optimizer does not define update"):
        Optimizer([w]).step()


# ------------------------------------------------------------------------------ Adam and RMSprop


def gradient_at(W: Any, minimum: Any, curvature: Any, noise: float) -> Any:
    return curvature * (W - minimum) + noise


@pytest.mark.parametrize("run", ADAPTIVE["runs"], ids=lambda r: f"{r['optimizer']}-{r['options']}")
def test_two_hundred_steps_are_those_of_pytorch(run: dict[str, Any]) -> None:
    minimum, curvature = np.array(ADAPTIVE["minimum"]), np.array(ADAPTIVE["curvature"])
    make = getattr(nn, run["optimizer"])
    W = Tensor(ADAPTIVE["start"])
    flat = [Value(w) for row in ADAPTIVE["start"] for w in row]
    for_tensor, for_values = make([W], **run["options"]), make(flat, **run["options"])
    for t, noise in enumerate(ADAPTIVE["noise"], 1):
        W.grad = gradient_at(W.numpy(), minimum, curvature, noise)
        for_tensor.step()
        for w, m, c in zip(flat, minimum.flat, curvature.flat, strict=True):
            w.grad = gradient_at(w.data, float(m), float(c), noise)
        for_values.step()
        if t % ADAPTIVE["every"] == 0:
            expected = np.array(run["weights"][t // ADAPTIVE["every"] - 1])
            np.testing.assert_allclose(W.numpy(), expected, rtol=1e-11, atol=1e-12)
            got = [w.data for w in flat]
            np.testing.assert_allclose(got, expected.ravel(), rtol=1e-11, atol=1e-12)


below_1 = st.floats(0, 0.999)
adam_options = st.fixed_dictionaries(
    {
        "lr": st.floats(0, 0.2),
        "betas": st.tuples(below_1, below_1),
        "eps": st.sampled_from([1e-8, 1e-3]),
        "weight_decay": st.sampled_from([0.0, 0.2]),
        "amsgrad": st.booleans(),
    }
)
rmsprop_options = st.fixed_dictionaries(
    {
        "lr": st.floats(0, 0.2),
        "alpha": st.floats(0.1, 0.999),  # below, a centred variance is all rounding
        "eps": st.sampled_from([1e-8, 1e-3]),
        "weight_decay": st.sampled_from([0.0, 0.2]),
        "momentum": st.sampled_from([0.0, 0.9]),
        "centered": st.booleans(),
    }
)


@given(
    st.one_of(
        st.tuples(st.sampled_from(["Adam", "AdamW"]), adam_options),
        st.tuples(st.just("RMSprop"), rmsprop_options),
    ),
    st.integers(0, 2**32),
    st.sampled_from([np.float32, np.float64]),
)
@settings(max_examples=40)
def test_adaptive_steps_are_those_of_the_torch_that_is_installed(
    chosen: tuple[str, dict[str, Any]], seed: int, dtype: Any
) -> None:
    torch = pytest.importorskip("torch")
    name, options = chosen
    # Without a mean of squares a gradient that cancels is divided by itself: float32 tells nothing.
    assume(dtype is np.float64 or options.get("betas", (0.0, 1.0))[1] > 0.0)
    rng = np.random.default_rng(seed)
    start = rng.normal(size=(3, 2)).astype(dtype)
    ours, theirs = Tensor(start), torch.tensor(start, requires_grad=True)
    optimizer, reference = (
        getattr(nn, name)([ours], **options),
        getattr(torch.optim, name)([theirs], **options),
    )
    for _ in range(200):
        gradient = rng.normal(size=(3, 2)).astype(dtype)
        ours.grad, theirs.grad = gradient, torch.tensor(gradient)
        optimizer.step()
        reference.step()
    assert ours.dtype == dtype
    tolerance = 1e-2 if dtype is np.float32 else 1e-9
    np.testing.assert_allclose(
        ours.numpy(), theirs.detach().numpy(), rtol=tolerance, atol=tolerance
    )


@pytest.mark.parametrize(
    ("rule", "first"),
    [
        (partial(adam_update, lr=0.1, amsgrad=True, weight_decay=0.1), AdamState()),
        (partial(adam_update, lr=0.1, weight_decay=0.1, decoupled=True), AdamState()),
        (partial(rmsprop_update, lr=0.1, centered=True, momentum=0.9), RMSpropState()),
    ],
)
def test_adaptive_rules_are_pure_and_keep_float32(rule: Any, first: Any) -> None:
    W, gradient = np.ones(3, np.float32), np.array([0.5, -1.0, 0.0], np.float32)
    _, state = rule(W, gradient, first)
    before = [np.array(part) for part in state]
    W_new, later = rule(W, gradient, state)
    assert W.tolist() == [1.0] * 3
    assert gradient.tolist() == [0.5, -1.0, 0.0]
    assert all((part == old).all() for part, old in zip(state, before, strict=True))
    assert W_new.dtype == np.float32
    assert {part.dtype for part in later if isinstance(part, np.ndarray)} == {np.dtype("f4")}
    by_number = [rule(1.0, float(g), rule(1.0, float(g), first)[1])[0] for g in gradient]
    np.testing.assert_allclose(W_new, by_number, rtol=1e-5)


def test_a_centred_variance_that_rounding_takes_below_0_counts_as_0() -> None:
    state = RMSpropState(square=1.0, mean=1.0 + 1e-12)
    W, _ = rmsprop_update(1.0, 1.0, state, lr=0.0, alpha=0.99, centered=True)
    assert W == 1.0


@pytest.mark.parametrize("make", [nn.Adam, nn.AdamW, nn.RMSprop])
def test_adaptive_optimizers_go_downhill_in_fit(make: Any) -> None:
    x = np.linspace(-1, 1, 32)[:, None]
    model = MLP(1, [8, 1], rng=0)
    optimizer = make(model, lr=0.01)
    history = nn.fit(model, nn.mse_loss, optimizer, (x, x**2), 20, progress=False)
    assert history.loss[-1] < history.loss[0] / 2


# ------------------------------------------------------------------------------ groups


def test_groups_have_options_of_their_own() -> None:
    model = MLP(2, [3, 1], rng=0)
    first, last = model.layers[0], model.layers[2]
    optimizer = SGD([{"params": first}, {"params": last, "lr": 0.5}], lr=0.1, momentum=0.9)
    assert [group["lr"] for group in optimizer.groups] == [0.1, 0.5]
    assert [group["momentum"] for group in optimizer.groups] == [0.9, 0.9]
    assert optimizer.groups[1]["params"] == (last.weight, last.bias)
    assert list(optimizer.parameters) == [*("weight", "bias", "weight (group 1)", "bias (group 1)")]
    assert repr(optimizer) == (
        "SGD(4 parameters in 2 groups, lr=0.1 | 0.5, momentum=0.9, nesterov=False, weight_decay=0)"
    )
    before = model.state_dict()
    for parameter in model.parameters():
        parameter.grad = np.ones(parameter.shape)
    optimizer.step()
    after = model.state_dict()
    moved = [np.unique((before[name] - after[name]).round(12)).tolist() for name in after]
    assert moved == [[0.1], [0.1], [0.5], [0.5]]


def test_an_option_is_set_for_all_groups_or_for_one() -> None:
    a, b = Value(1.0), Value(1.0)
    optimizer = nn.Adam([{"params": [a]}, {"params": [b], "lr": 1.0}], lr=0.1)
    assert (optimizer.lr, optimizer.betas) == (0.1, (0.9, 0.999))
    optimizer.lr = 0.25
    assert [group["lr"] for group in optimizer.groups] == [0.25, 0.25]
    optimizer.groups[1]["lr"] = np.float64(0.5)
    a.grad = b.grad = 1.0
    optimizer.step()
    assert (a.data, b.data) == pytest.approx((0.75, 0.5))
    assert list(optimizer.parameters) == ["parameter 0", "parameter 1"]


def test_a_bad_option_set_later_updates_nothing() -> None:
    a, b = Value(1.0), Value(1.0)
    optimizer = SGD([{"params": [a]}, {"params": [b]}], lr=0.5)
    with pytest.raises(ValueError, match="lr must be a finite number of at least 0, got -1"):
        optimizer.lr = -1
    assert optimizer.lr == 0.5
    optimizer.groups[1]["lr"] = math.nan
    a.grad = b.grad = 1.0
    with pytest.raises(ValueError, match="lr must be a finite number of at least 0, got nan"):
        optimizer.step()
    assert (a.data, b.data) == (1.0, 1.0)


def test_groups_are_those_of_the_torch_that_is_installed() -> None:
    torch = pytest.importorskip("torch")
    start = np.arange(4.0)
    ours = [Tensor(start), Tensor(start)]
    theirs = [torch.tensor(start, requires_grad=True) for _ in ours]
    options = [{"lr": 0.1, "weight_decay": 0.0}, {"betas": (0.5, 0.9), "amsgrad": True}]
    mine = [{"params": [p], **o} for p, o in zip(ours, options, strict=True)]
    reference = [{"params": [p], **o} for p, o in zip(theirs, options, strict=True)]
    pair = nn.AdamW(mine, lr=0.01), torch.optim.AdamW(reference, lr=0.01)
    rng = np.random.default_rng(0)
    for _ in range(200):
        for p, q in zip(ours, theirs, strict=True):
            p.grad = rng.normal(size=4)
            q.grad = torch.tensor(p.grad)
        for optimizer in pair:
            optimizer.step()
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.numpy(), q.detach().numpy(), rtol=1e-10)


@pytest.mark.parametrize(
    ("groups", "error", "message"),
    [
        ([{"params": [Value(1.0)]}, Value(2.0)], DataError, "got both in a list"),
        ([{"lr": 0.1}], DataError, "a Module or a list of parameters, got NoneType"),
        ([{"params": []}], ValueError, "needs parameters, got none"),
        ({"params": [Value(1.0)]}, DataError, "a Module or a list of parameters, got dict"),
        (
            [{"params": [Value(1.0)], "beta": 1}],
            ValueError,
            "unknown in a group: beta; it may have params, lr, momentum, nesterov, weight_decay",
        ),
        ([{"params": [Value(1.0)], "lr": -1}], ValueError, "lr must be a finite number"),
        ([{"params": [Value(1.0)], "nesterov": True}], ValueError, "needs a momentum above 0"),
    ],
)
def test_groups_are_checked(groups: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        SGD(groups, lr=0.1)


def test_a_parameter_is_in_one_group() -> None:
    w = Value(1.0)
    with pytest.raises(ValueError, match="a and b are the same parameter"):
        SGD([{"params": [("a", w)]}, {"params": [("b", w)]}], lr=0.1)


@pytest.mark.parametrize(
    ("make", "options", "error", "message"),
    [
        (nn.Adam, {"lr": -1}, ValueError, "lr must be a finite number of at least 0"),
        (nn.Adam, {"betas": 0.9}, DataError, "betas must be two numbers, got 0.9"),
        (nn.Adam, {"betas": (0.9, 1.0)}, ValueError, "the second of betas must be .* below 1"),
        (nn.AdamW, {"betas": ("a", 0.5)}, DataError, "the first of betas must be a number"),
        (nn.AdamW, {"eps": 0}, ValueError, "eps must be above 0, or a gradient of 0"),
        (nn.AdamW, {"weight_decay": math.nan}, ValueError, "weight_decay must be a finite"),
        (nn.Adam, {"amsgrad": "yes"}, DataError, "amsgrad must be True or False, got 'yes'"),
        (nn.RMSprop, {"alpha": 1}, ValueError, "alpha must be at least 0 and below 1, got 1.0"),
        (nn.RMSprop, {"momentum": -0.5}, ValueError, "momentum must be a finite number"),
        (nn.RMSprop, {"centered": 2}, DataError, "centered must be True or False, got 2"),
    ],
)
def test_options_of_adaptive_optimizers_are_checked(
    make: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make([Value(1.0)], **options)


# ------------------------------------------------------------------------------ clipping


@pytest.mark.parametrize("most", [0.0, 0.5, 3.0, 1e6])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clipping_is_that_of_the_torch_that_is_installed(most: float, dtype: Any) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    gradients = [rng.normal(size=shape).astype(dtype) for shape in [(3, 2), (4,), ()]]
    for ours, theirs in [
        (clip_by_norm, torch.nn.utils.clip_grad_norm_),
        (clip_by_value, torch.nn.utils.clip_grad_value_),
    ]:
        mine = [Tensor(np.zeros_like(g)) for g in gradients]
        reference = [torch.zeros(g.shape, dtype=getattr(torch, g.dtype.name)) for g in gradients]
        for p, q, g in zip(mine, reference, gradients, strict=True):
            p.grad, q.grad = g, torch.tensor(g)
        norm, _ = ours(mine, most), theirs(reference, most)
        assert norm == pytest.approx(math.sqrt(sum((g**2).sum() for g in gradients)), rel=1e-5)
        for p, q in zip(mine, reference, strict=True):
            assert p.grad.dtype == dtype
            np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=1e-6)


def test_clipping_values_models_and_groups() -> None:
    a, b = Value(0.0), Value(0.0)
    a.grad, b.grad = 30.0, -40.0
    assert clip_by_norm([{"params": [a]}, {"params": [b]}], 5) == 50.0
    assert (a.grad, b.grad) == pytest.approx((3.0, -4.0))
    assert clip_by_value([a, b], 3.5) == pytest.approx(5.0)
    assert (a.grad, b.grad) == pytest.approx((3.0, -3.5))
    model = Linear(2, 1)
    model(np.ones((1, 2))).sum().backward()
    assert clip_by_norm(model, 1) == pytest.approx(math.sqrt(3))


@pytest.mark.parametrize(
    ("dtype", "size"),
    [
        *((np.float16, size) for size in (1e-6, 2e-4, 1.0, 6e4)),
        *((np.float32, size) for size in (1e-44, 1e-20, 1e-3, 3e38)),
        *((np.float64, size) for size in (1e-300, 1e200)),
    ],
)
def test_norms_are_right_at_any_magnitude(dtype: Any, size: float) -> None:
    gradient = np.full(4, size, dtype=dtype)
    expected = 2.0 * float(gradient[0])
    assert norm_of([gradient]) == pytest.approx(expected, rel=1e-6)
    w = Tensor(np.ones(4, dtype=dtype))
    w.grad = gradient
    assert clip_by_norm([w], 2.0 * expected) == pytest.approx(expected, rel=1e-12)
    SGD([w], lr=0.0).step()  # without a warning


@pytest.mark.parametrize("optimizer", [Adam, AdamW, RMSprop])
@pytest.mark.parametrize(("dtype", "huge"), [(np.float32, 2e19), (np.float64, 1e160)])
def test_one_huge_gradient_leaves_a_number(optimizer: Any, dtype: Any, huge: float) -> None:
    w = Tensor(np.ones(1, dtype=dtype))
    adaptive = optimizer([w])
    for gradient in (huge, 1.0, -1.0):
        w.grad = np.array([gradient], dtype=dtype)
        adaptive.step()
    assert np.isfinite(w.data).all()


def test_adam_without_memory_forgets_a_large_gradient() -> None:
    w = Tensor(np.ones(1, dtype=np.float32))
    adam = Adam([w], lr=0.1, betas=(0.0, 0.0))
    for gradient in (1e4, 1.0):  # each moves the weight by lr, whatever its size
        w.grad = np.array([gradient], dtype=np.float32)
        adam.step()
    np.testing.assert_allclose(w.data, [0.8], rtol=1e-6)


def test_the_norm_of_huge_and_of_no_gradients() -> None:
    a = Tensor(np.zeros(2))
    a.grad = np.array([3e200, 4e200])
    assert clip_by_norm([a], 1.0) == pytest.approx(5e200)
    np.testing.assert_allclose(a.grad, [0.6, 0.8])
    a.grad = np.zeros(2)
    assert clip_by_norm([a], 1.0) == 0.0


@pytest.mark.parametrize("clip", [clip_by_norm, clip_by_value])
def test_clipping_says_what_it_takes_and_changes_nothing(clip: Any) -> None:
    a, b = Value(0.0), Value(0.0)
    a.grad = 3.0
    with pytest.raises(GradientError, match="no gradient for b"):
        clip([("a", a), ("b", b)], 1)
    b.grad = math.inf
    with pytest.raises(NonFiniteError, match=r"gradient of b holds .*, so nothing was clipped"):
        clip([("a", a), ("b", b)], 1)
    assert a.grad == 3.0
    with pytest.raises(ValueError, match="most must be a finite number of at least 0, got -1"):
        clip([a], -1)
    with pytest.raises(DataError, match="got NoneType"):
        clip(None, 1)


# -------------------------------------------------------------------------------- state


class Memory(NamedTuple):
    """Parts of many kinds, one of which has another shape than the parameter."""

    steps: int
    means: tuple[Any, list[Any]]
    rows: Any
    note: str


class Remembering(Optimizer):
    """Starts from None, remembers in a NamedTuple, and adds to its arrays in place."""

    first_state = None

    def update(self, weight: Any, gradient: Any, state: Any, rates: Any) -> tuple[Any, Any]:
        if state is None:
            means = np.zeros(np.shape(weight)), [np.zeros(np.shape(weight)), math.inf]
            state = Memory(0, means, np.zeros(np.shape(weight)[:1]), "")
        steps, (mean, [square, lowest]), rows, note = state
        mean *= rates[0]
        mean += gradient
        square += np.square(gradient)
        rows += np.sum(gradient, axis=tuple(range(1, np.ndim(gradient))))
        lowest = min(lowest, float(np.min(gradient)))
        change = rates[1] * mean / (1 + np.sqrt(square)) + 1e-3 * np.mean(rows)
        return weight - change, Memory(steps + 1, (mean, [square, lowest]), rows, note + ".")


class ByName(Optimizer):
    """Remembers in a dict."""

    first_state: Any = {}  # noqa: RUF012

    def update(self, weight: Any, gradient: Any, state: Any, lr: float) -> tuple[Any, Any]:
        last = state.get("last", 0.0)
        return weight - lr * (gradient + 0.5 * last), {"last": gradient, "a.b": len(state)}


class Growing(Optimizer):
    """Remembers the last three gradients in a list that grows."""

    first_state = ()

    def update(self, weight: Any, gradient: Any, state: Any) -> tuple[Any, Any]:
        state = (*state[-2:], (gradient, len(state)))
        return weight - 0.1 * sum(gradient for gradient, _ in state), state


class Pair(Optimizer):
    """Remembers a tuple of a number and an array."""

    first_state = (0, 0.0)

    def update(self, weight: Any, gradient: Any, state: Any) -> tuple[Any, Any]:
        count, mean = state
        mean = (count * mean + gradient) / (count + 1)
        return weight - 0.1 * mean, (count + 1, mean)


MAKES: dict[str, Callable[[Any], Optimizer]] = {
    "SGD": lambda params: SGD(params, lr=0.1),
    "momentum": lambda params: SGD(params, lr=0.1, momentum=0.9, nesterov=True),
    "Adam": lambda params: Adam(params, lr=0.1),
    "amsgrad": lambda params: Adam(params, lr=0.1, amsgrad=True, betas=(0.5, 0.9)),
    "AdamW": lambda params: AdamW(params, lr=0.1),
    "RMSprop": lambda params: RMSprop(params, centered=True, momentum=0.5),
    "NamedTuple": lambda params: Remembering(params, rates=(0.5, 0.1)),
    "dict": lambda params: ByName(params, lr=0.1),
    "tuple": lambda params: Pair(params),
    "growing": lambda params: Growing(params),
}
ROWS = np.random.default_rng(0).normal(size=(8, 3))


def net(node: Any = Tensor, dtype: Any = np.float64) -> Module:
    if node is Value:
        return MLP(3, [2, 1], node=Value, rng=0)
    return Sequential(Linear(3, 4, rng=0, dtype=dtype), Linear(4, 1, rng=1, dtype=dtype))


def descend(model: Module, optimizer: Optimizer, steps: int) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        is_values = isinstance(model, MLP)
        out = [model(row) for row in ROWS.tolist()] if is_values else model(ROWS)
        mse_loss(out, np.ones(8) if is_values else np.ones((8, 1))).backward()
        optimizer.step()


def bits(*parts: Any) -> str:
    """Everything in nested states, to the bit."""
    with np.printoptions(floatmode="unique", threshold=10**6):
        return repr([p.state_dict() if isinstance(p, Module | Optimizer) else p for p in parts])


@pytest.mark.parametrize("before", [0, 1, 3])
@pytest.mark.parametrize(
    "node", [(Tensor, np.float64), (Tensor, np.float32), (Value, None)], ids=str
)
@pytest.mark.parametrize("name", MAKES)
def test_an_optimizer_goes_on_from_a_file_as_if_nothing_had_been(
    tmp_path: Path, name: str, node: Any, before: int
) -> None:
    if name == "NamedTuple" and node != (Tensor, np.float64):
        return  # its zeros are of float64
    model = net(*node)
    optimizer = MAKES[name](model)
    descend(model, optimizer, before)
    write_state(
        tmp_path / "state",
        {"model": model.state_dict(), "optimizer": optimizer.state_dict()},
    )
    state = read_state(tmp_path / "state")
    again = net(*node)
    again.load_state_dict(state["model"])
    other = MAKES[name](again)
    other.load_state_dict(state["optimizer"])
    assert types_in(other._states) == types_in(optimizer._states)
    descend(model, optimizer, 3)
    descend(again, other, 3)
    assert bits(again.state_dict()) == bits(model.state_dict())


def types_in(state: Any) -> Any:
    """The types of a state and of everything in it."""
    if isinstance(state, dict):
        return [type(state), *((name, types_in(part)) for name, part in state.items())]
    return [type(state), *map(types_in, state if isinstance(state, tuple | list) else ())]


def test_the_state_of_groups_holds_their_options() -> None:
    model = net()
    groups: Any = [{"params": model[0].named_parameters(), "lr": 0.5}, {"params": [model[1].bias]}]  # type: ignore[index]
    optimizer, other = Adam(groups), Adam([{**group} for group in groups_of(net())])
    optimizer.groups[1]["eps"] = 1e-4
    state = optimizer.state_dict()
    assert [list(group["params"]) for group in state["groups"]] == [
        ["weight", "bias"],
        ["parameter 2 (bias)"],
    ]
    other.load_state_dict(state)
    assert [group["lr"] for group in other.groups] == [0.5, 1e-3]
    assert [group["eps"] for group in other.groups] == [1e-8, 1e-4]
    assert other.groups[0]["betas"] == (0.9, 0.999)


def groups_of(model: Any) -> Any:
    return [{"params": model[0].named_parameters()}, {"params": [model[1].bias]}]


@pytest.mark.parametrize("name", MAKES)
def test_the_state_is_a_copy_and_loading_it_takes_one(name: str) -> None:
    model = net()
    optimizer = MAKES[name](model)
    descend(model, optimizer, 1)
    state = optimizer.state_dict()
    before = bits(state)
    descend(model, optimizer, 1)
    assert bits(state) == before
    optimizer.load_state_dict(state)
    descend(model, optimizer, 2)
    assert bits(state) == before


ARRAY = np.ones((4, 3))
WRONG: dict[str, tuple[list[Any], Any, type[Exception], str]] = {
    # where in the state of Adam, what is put there, and the error
    "no mapping": ([], [1], DataError, "must map names to values, got list"),
    "missing": ([], {"rule": "Adam"}, ValueError, "missing 'groups', 'states'"),
    "rule": (["rule"], "AdamW", ValueError, "this Adam: it is one of 'AdamW'"),
    "no groups": (["groups"], [], ValueError, "does not have 1 groups"),
    "groups": (["groups"], None, ValueError, "does not have 1 groups"),
    "group": (["groups", 0], None, DataError, "group 0: it must map names"),
    "params": (["groups", 0, "params"], ["0.weight"], DataError, "group 0: it must map"),
    "names": (["groups", 0, "params"], {"w": ""}, ValueError, "missing '0.weight'"),
    "dtype": (
        ["groups", 0, "params", "0.weight"],
        "float32 of shape (4, 3)",
        ValueError,
        r"group 0: '0.weight' is 'float32 of shape \(4, 3\)', expected float64",
    ),
    "shape": (["groups", 0, "params", "0.bias"], 3, ValueError, "'0.bias' is 3, expected float64"),
    "an option": (["groups", 0, "lr"], -1.0, ValueError, "lr must be a finite number of at least"),
    "kind of option": (["groups", 0, "lr"], "1", DataError, "lr must be a number, got '1'"),
    "an array": (["groups", 0, "lr"], ARRAY, DataError, "lr must be a number"),
    "betas": (["groups", 0, "betas"], [0.5], DataError, "betas must be two numbers"),
    "states": (["states"], [], DataError, "states: it must map names"),
    "a state": (["states"], {}, ValueError, "states: missing '0.weight', '0.bias'"),
    "parts": (["states", "0.weight"], {"step": 1}, ValueError, "0.weight cannot be updated"),
    "no parts": (["states", "0.weight"], 0.0, ValueError, "0.weight cannot be updated with it"),
    "wrong shape": (
        ["states", "0.weight", "mean"],
        np.ones(3),
        ValueError,
        r"0.weight does not go .*: it\['mean'\] is float64 of shape \(3,\), expected float64 of",
    ),
    "wrong dtype": (
        ["states", "0.weight", "mean"],
        ARRAY.astype(np.float32),
        ValueError,
        r"it\['mean'\] is float32 of shape \(4, 3\), expected float64",
    ),
    "too large": (["states", "0.weight", "mean"], np.ones((2, 4, 3)), ValueError, "of shape"),
    "integers": (["states", "0.weight", "square"], ARRAY.astype(int), ValueError, "is int64"),
    "text": (["states", "0.weight", "mean"], "a", ValueError, "cannot be updated with it"),
    "a list": (["states", "0.weight", "mean"], [[1.0] * 3] * 4, ValueError, "0.weight"),
    "nan": (["states", "0.weight", "mean"], ARRAY * np.nan, NonFiniteError, "0.weight gets"),
    "inf": (["states", "0.weight", "square"], ARRAY * np.inf, NonFiniteError, "0.weight gets"),
    "steps": (["states", "0.weight", "step"], -1, ValueError, "0.weight cannot be updated"),
    "fewer steps": (["states", "0.weight", "step"], -9, ValueError, "0.weight cannot be updated"),
    "many steps": (["states", "0.weight", "step"], 10**400, ValueError, "0.weight cannot be"),
    "nan steps": (["states", "0.weight", "step"], math.nan, NonFiniteError, "0.weight gets"),
}


def with_change(state: Any, place: list[Any], value: Any) -> Any:
    """A copy of a nested state with one thing in it replaced."""
    if not place:
        return value
    changed = copy.copy(state)
    changed[place[0]] = with_change(state[place[0]], place[1:], value)
    return changed


@pytest.mark.parametrize("name", WRONG)
def test_a_state_that_does_not_fit_changes_nothing(name: str) -> None:
    place, value, error, message = WRONG[name]
    model = net()
    optimizer = Adam(model, lr=0.5)
    descend(model, optimizer, 2)
    before = bits(model, optimizer)
    state = with_change(optimizer.state_dict(), place, value)
    with pytest.raises(error, match=message):
        optimizer.load_state_dict(state)
    assert bits(model, optimizer) == before


def places(state: Any) -> list[list[Any]]:
    """Every place in a nested state."""
    if not isinstance(state, dict | list):
        return []
    items = state.items() if isinstance(state, dict) else enumerate(state)
    return [[key, *place] for key, part in items for place in [[], *places(part)]]


JUNK = [None, True, -1, 2**70, 0.5, math.nan, -math.inf, "a", [], {}, [1.0], {"a": 1}, ARRAY,
        ARRAY[0], np.ones(()), ARRAY.astype(np.float32), ARRAY > 0, ARRAY * np.nan]  # fmt: skip


@given(st.sampled_from(list(MAKES)), st.sampled_from(JUNK), st.data())
def test_any_change_of_a_state_is_an_error_or_can_be_stepped_from(
    name: str, junk: Any, data: st.DataObject
) -> None:
    model = net()
    optimizer = MAKES[name](model)
    descend(model, optimizer, 1)
    before, state = bits(model, optimizer), optimizer.state_dict()
    place = data.draw(st.sampled_from(places(state)))
    try:
        optimizer.load_state_dict(with_change(state, place, junk))
    except (ValueError, DataError, NonFiniteError):
        assert bits(model, optimizer) == before
    else:
        descend(model, optimizer, 1)
        assert all(np.isfinite(array).all() for array in model.state_dict().values())


def test_nonfinite_states_are_loaded_where_they_are_allowed() -> None:
    model = net()
    optimizer = Adam(model, allow_nonfinite=True)
    descend(model, optimizer, 1)
    state = with_change(optimizer.state_dict(), ["states", "0.weight", "mean"], ARRAY * np.nan)
    optimizer.load_state_dict(state)
    assert np.isnan(optimizer.state_dict()["states"]["0.weight"]["mean"]).all()


def test_an_option_that_was_changed_on_the_way_is_loaded() -> None:
    model = net()
    optimizer = SGD(model, lr=0.1, momentum=0.9)
    descend(model, optimizer, 1)
    optimizer.momentum = 0.0
    other = SGD(net(), lr=1.0)
    other.load_state_dict(optimizer.state_dict())
    assert (other.lr, other.momentum) == (0.1, 0.0)
    optimizer.momentum = 0.5
    optimizer._states = [0.0] * 4  # as before a first step with momentum
    other.load_state_dict(optimizer.state_dict())
    assert other.momentum == 0.5
