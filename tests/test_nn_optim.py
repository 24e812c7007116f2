"""SGD: PyTorch's steps, all or nothing, and errors that name the parameter."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd import DataError, GradientError, NonFiniteError, Tensor, Value
from nn import MLP, SGD, Linear, Sequential
from nn.optim import Optimizer, sgd_update

# Made by tests/fixtures/make_sgd_torch.py.
TORCH = json.loads((Path(__file__).parent / "fixtures" / "sgd_torch.json").read_text("utf-8"))


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
        optimizer.lr = lr  # type: ignore[assignment]
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
