"""Losses: equal to PyTorch's, right gradients, stable, and strict about what they compare."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd import DataError, ShapeError, Tensor, Value, check_grads
from nn import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    hinge_loss,
    huber_loss,
    l1_loss,
    mse_loss,
)

Loss = Callable[..., Any]

# Each loss of pairs with its formula in NumPy, naive but right at moderate magnitude, and with
# how targets are drawn for it.
FORMULAS: dict[Loss, Callable[[Any, Any], Any]] = {
    mse_loss: lambda p, t: (p - t) ** 2,
    l1_loss: lambda p, t: abs(p - t),
    huber_loss: lambda p, t: np.where(abs(p - t) <= 1, (p - t) ** 2 / 2, abs(p - t) - 0.5),
    binary_cross_entropy_with_logits: lambda z, y: (
        -y * np.log(1 / (1 + np.exp(-z))) - (1 - y) * np.log(1 / (1 + np.exp(z)))
    ),
    hinge_loss: lambda s, y: np.maximum(0, 1 - y * s),
}
REDUCTIONS = {"mean": np.mean, "sum": np.sum, "none": lambda losses: losses}

losses = st.sampled_from(list(FORMULAS))
seeds = st.integers(0, 2**32)
shapes = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)


def draw_pair(loss: Loss, shape: tuple[int, ...], seed: int) -> tuple[Any, Any]:
    """Predictions away from kinks, and targets that the loss takes."""
    rng = np.random.default_rng(seed)
    if loss is hinge_loss:
        target = rng.choice([-1.0, 1.0], shape)
    elif loss is binary_cross_entropy_with_logits:
        target = rng.random(shape)
    else:
        target = rng.normal(size=shape)
    distance = rng.choice([-2.5, -1.5, -0.6, 0.4, 1.7, 3.0], shape)
    return target + distance + rng.uniform(-0.1, 0.1, shape), target


def confirm(f: Callable[[Any], Any], x: Any) -> None:
    """Check the first two derivatives of a function that is smooth at `x`."""
    assert "kink" not in [found.verdict for found in check_grads(f, x)]


# ------------------------------------------------------------------------------ what they are


@given(losses, shapes, seeds, st.sampled_from(list(REDUCTIONS)))
def test_losses_are_their_formulas(
    loss: Loss, shape: tuple[int, ...], seed: int, reduction: str
) -> None:
    p, t = draw_pair(loss, shape, seed)
    expected = REDUCTIONS[reduction](FORMULAS[loss](p, t))
    for prediction in (Tensor(p), p):
        for target in (t, Tensor(t), Tensor(t).detach()):
            got = loss(prediction, target, reduction)
            got = got.numpy() if isinstance(got, Tensor) else got
            np.testing.assert_allclose(got, expected, rtol=1e-10)
            assert np.shape(got) == np.shape(expected)


def values(array: Any) -> Any:
    return [values(a) for a in array] if isinstance(array, list) else Value(array)


def numbers(nested: Any) -> Any:
    return [numbers(n) for n in nested] if isinstance(nested, list) else nested.data


def gradients_of(nested: Any) -> Any:
    return [gradients_of(n) for n in nested] if isinstance(nested, list) else nested.grad


@given(losses, shapes, seeds, st.sampled_from(list(REDUCTIONS)))
def test_lists_of_values_give_the_same(
    loss: Loss, shape: tuple[int, ...], seed: int, reduction: str
) -> None:
    p, t = draw_pair(loss, shape, seed)
    tensor, scalars = Tensor(p), values(p.tolist())
    expected = loss(tensor, t, reduction)
    for target in (t, t.tolist(), Tensor(t).detach()):
        got = loss(scalars, target, reduction)
        np.testing.assert_allclose(numbers(got), expected.numpy(), rtol=1e-12)
    if reduction != "none":
        expected.backward()
        got.backward()
        np.testing.assert_allclose(gradients_of(scalars), tensor.grad, rtol=1e-10, atol=1e-14)


@given(losses, seeds, st.sampled_from(list(REDUCTIONS)))
def test_one_value_gives_a_value(loss: Loss, seed: int, reduction: str) -> None:
    p, t = draw_pair(loss, (), seed)
    got = loss(Value(p), float(t), reduction)
    assert type(got) is Value
    assert got.data == pytest.approx(float(FORMULAS[loss](p, t)))


def test_values_as_targets_get_gradients() -> None:
    prediction, target = [Value(3.0), Value(1.0)], [Value(1.0), Value(2.0)]
    mse_loss(prediction, target).backward()
    assert [v.grad for v in prediction] == [2.0, -1.0]
    assert [v.grad for v in target] == [-2.0, 1.0]


@given(losses, shapes, seeds, st.sampled_from(["mean", "sum"]))
@settings(max_examples=40)
def test_gradients_agree_with_finite_differences(
    loss: Loss, shape: tuple[int, ...], seed: int, reduction: str
) -> None:
    p, t = draw_pair(loss, shape, seed)
    confirm(lambda x: loss(x, t, reduction), p)


@given(st.integers(1, 4), st.integers(1, 5), seeds, st.sampled_from(list(REDUCTIONS)))
@settings(max_examples=40)
def test_cross_entropy_is_its_formula(n: int, k: int, seed: int, reduction: str) -> None:
    rng = np.random.default_rng(seed)
    # Not so far apart that the loss is near 0, where its differences are those of its rounding.
    z, c = rng.normal(0, 1, (n, k)), rng.integers(0, k, n)
    each = -np.log((np.exp(z) / np.exp(z).sum(axis=1, keepdims=True))[np.arange(n), c])
    expected = REDUCTIONS[reduction](each)
    for logits in (Tensor(z), z):
        for classes in (c, c.astype(np.uint8), c.tolist(), Tensor(c)):
            got = cross_entropy(logits, classes, reduction)
            got = got.numpy() if isinstance(got, Tensor) else got
            np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)

    tensor, scalars = Tensor(z), values(z.tolist())
    of_values = cross_entropy(scalars, c, reduction)
    np.testing.assert_allclose(numbers(of_values), expected, rtol=1e-9, atol=1e-12)
    if reduction != "none":
        of_values.backward()
        cross_entropy(tensor, c, reduction).backward()
        np.testing.assert_allclose(gradients_of(scalars), tensor.grad, rtol=1e-9, atol=1e-12)
        confirm(lambda x: cross_entropy(x, c, reduction), z)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_cross_entropy_of_one_row(reduction: Any) -> None:
    row, expected = [1.0, 2.0, 0.5], -2.0 + math.log(math.exp(1) + math.exp(2) + math.exp(0.5))
    assert cross_entropy(Tensor(row), 1, reduction).item() == pytest.approx(expected)
    assert cross_entropy(values(row), 1, reduction).data == pytest.approx(expected)
    assert cross_entropy(row, np.int64(1), reduction) == pytest.approx(expected)


# ------------------------------------------------------------------------------ against PyTorch


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(
    ("loss", "name", "options"),
    [
        (mse_loss, "mse_loss", {}),
        (l1_loss, "l1_loss", {}),
        (huber_loss, "huber_loss", {}),
        (huber_loss, "huber_loss", {"delta": 0.3}),
        (binary_cross_entropy_with_logits, "binary_cross_entropy_with_logits", {}),
        (cross_entropy, "cross_entropy", {}),
    ],
)
def test_losses_are_those_of_pytorch(
    loss: Loss, name: str, options: dict[str, float], reduction: str
) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    p = rng.normal(0, 3, (20, 5))
    p[0] = [0.0, 1.0, -1.0, 1000.0, -1000.0]
    t = rng.integers(0, 5, 20) if loss is cross_entropy else rng.random((20, 5)).round(1)
    x = torch.tensor(p, requires_grad=True)
    theirs = getattr(torch.nn.functional, name)(x, torch.tensor(t), reduction=reduction, **options)
    tensor = Tensor(p)
    ours = loss(tensor, t, reduction, **options)
    np.testing.assert_allclose(ours.numpy(), theirs.detach().numpy(), rtol=1e-12, atol=1e-15)
    theirs.sum().backward()
    ours.sum().backward()
    np.testing.assert_allclose(tensor.grad, x.grad.numpy(), rtol=1e-11, atol=1e-15)


# ------------------------------------------------------------------------------ stability


@pytest.mark.parametrize("z", [0.0, 40.0, 1e3, 1e10, 1e300])
@pytest.mark.parametrize("node", [Tensor, Value])
def test_losses_of_logits_are_exact_at_any_magnitude(node: Any, z: float) -> None:
    small = math.log1p(math.exp(-z)) if z < 700 else 0.0
    for sign in (1.0, -1.0):
        right, wrong = (1, 0) if sign > 0 else (0, 1)
        logit = node(sign * z)
        cheap = binary_cross_entropy_with_logits(logit, right)
        assert cheap.item() == pytest.approx(small, rel=1e-12, abs=0)
        assert binary_cross_entropy_with_logits(logit, wrong).item() == pytest.approx(z + small)
        cheap.backward()
        assert math.isfinite(logit.grad)
        assert abs(logit.grad) <= 0.5


@pytest.mark.parametrize("z", [1e3, 1e10, 1e300])
def test_cross_entropy_is_finite_at_any_magnitude(z: float) -> None:
    logits = Tensor([[z, 0.0, -z], [z, z, z]])
    losses = cross_entropy(logits, [1, 2], "none")
    np.testing.assert_allclose(losses.numpy(), [z, math.log(3)])
    losses.sum().backward()
    np.testing.assert_allclose(logits.grad, [[1, -1, 0], [1 / 3, 1 / 3, -2 / 3]], atol=1e-15)
    scalars = values([z, 0.0, -z])
    cross_entropy(scalars, 1).backward()
    assert gradients_of(scalars) == [1.0, -1.0, 0.0]


def test_binary_cross_entropy_is_smooth_at_zero() -> None:
    labels = [0.0, 1.0, 0.3]
    confirm(lambda z: binary_cross_entropy_with_logits(z, labels), np.zeros(3))


def test_huber_at_its_corner() -> None:
    x = Tensor([1.0, -1.0])
    huber_loss(x, [0.0, 0.0], "sum").backward()
    assert x.grad.tolist() == [1.0, -1.0]


@pytest.mark.parametrize("loss", [*FORMULAS, cross_entropy])
def test_losses_keep_float32(loss: Loss) -> None:
    x = Tensor(np.ones((3, 2), np.float32))
    target = np.array([0, 1, 1]) if loss is cross_entropy else np.ones((3, 2))
    out = loss(x, target)
    assert out.dtype == np.float32
    out.backward()
    assert x.grad.dtype == np.float32


# ------------------------------------------------------------------------------ errors


@pytest.mark.parametrize("loss", FORMULAS)
@pytest.mark.parametrize(
    ("p", "t"), [((3, 1), (3,)), ((3,), (3, 1)), ((3,), ()), ((2, 3), (3,)), ((1,), (3,))]
)
def test_nothing_is_broadcast(loss: Loss, p: tuple[int, ...], t: tuple[int, ...]) -> None:
    message = r"needs one shape, got predictions of shape \({}.*and targets of shape \({}"
    message = message.format(", ".join(map(str, p)), ", ".join(map(str, t)))
    for prediction in (Tensor(np.ones(p)), values(np.ones(p).tolist())):
        with pytest.raises(ShapeError, match=message):
            loss(prediction, np.ones(t))


def test_the_hint_gives_the_shape() -> None:
    with pytest.raises(ShapeError, match=r"as in y\.reshape\(\(3, 1\)\)"):
        mse_loss(Tensor(np.ones((3, 1))), np.ones(3))


@pytest.mark.parametrize("loss", FORMULAS)
def test_pairs_are_numbers(loss: Loss) -> None:
    with pytest.raises(DataError, match="takes real numbers, nodes or lists of them; the"):
        loss(["a"], [1.0])
    with pytest.raises(DataError, match="is a list of dtype <U1"):
        loss(Tensor([1.0]), ["a"])
    with pytest.raises(DataError, match="is a list of dtype object"):
        loss([Value(1.0), None], [1.0, 1.0])
    with pytest.raises(ShapeError, match="lists of different lengths"):
        loss([[1.0], [1.0, 2.0]], [1.0, 1.0])
    with pytest.raises(ShapeError, match="lists of different lengths"):
        loss([Value(1.0), [Value(1.0)]], [1.0, 1.0])
    with pytest.raises(ShapeError, match=r"needs at least one element, got shape \(0,\)"):
        loss(Tensor(np.ones(0)), np.ones(0))
    with pytest.raises(ValueError, match="is 'mean', 'sum' or 'none', got 'max'"):
        loss(Tensor([1.0]), [1.0], "max")


def test_a_tensor_next_to_values_would_lose_its_gradient() -> None:
    with pytest.raises(DataError, match=r"would lose the gradient of a Tensor .*\.numpy\(\)"):
        mse_loss([Value(1.0)], Tensor([1.0], label="t"))


@pytest.mark.parametrize(
    ("loss", "labels", "message"),
    [
        (hinge_loss, [1, 0, -1], r"are -1 or \+1, got 0.0 at 1; for classes 0 and 1 pass 2 \* y"),
        (hinge_loss, [1, 1, math.nan], r"are -1 or \+1, got nan at 2"),
        (
            binary_cross_entropy_with_logits,
            [1, 0, -1],
            r"are from 0 to 1, got -1.0 at 2; for classes -1 and \+1 pass \(y \+ 1\) / 2",
        ),
        (binary_cross_entropy_with_logits, [0, math.nan, 1], "got nan at 1"),
    ],
)
def test_labels_out_of_range(loss: Loss, labels: Any, message: str) -> None:
    for scores in (Tensor(np.ones(3)), [Value(1.0)] * 3):
        with pytest.raises(ValueError, match=message):
            loss(scores, labels)


@pytest.mark.parametrize(
    ("classes", "error", "message"),
    [
        ([0, 1, 3], ValueError, "the labels of cross_entropy are from 0 to 2, got 3 at 2"),
        ([0, -1, 1], ValueError, "got -1 at 1"),
        (
            [0.0, 1.0, 2.0],
            DataError,
            "of cross_entropy are integers, got dtype float64",
        ),
        ([True, False, True], DataError, "are integers, got dtype bool"),
        ([[0], [1, 2], [0]], DataError, "are integers, one a row: setting an array"),
        ([Value(0.0)] * 3, DataError, "are integers, one a row: NumPy would"),
        (np.eye(3), DataError, r"got dtype float64; for one-hot rows pass y.argmax\(axis=1\)"),
        (
            [0, 1],
            ShapeError,
            r"of shape \(3, 3\) go with classes of shape \(3,\), got \(2,\)",
        ),
        ([[0], [1], [2]], ShapeError, r"classes of shape \(3,\), got \(3, 1\)"),
        (0, ShapeError, r"classes of shape \(3,\), got \(\)"),
    ],
)
def test_cross_entropy_checks_its_classes(
    classes: Any, error: type[Exception], message: str
) -> None:
    for logits in (Tensor(np.eye(3)), values(np.eye(3).tolist())):
        with pytest.raises(error, match=message):
            cross_entropy(logits, classes)


def test_cross_entropy_checks_its_logits() -> None:
    with pytest.raises(ShapeError, match=r"have shape \(rows, classes\).*, got \(2, 2, 2\)"):
        cross_entropy(Tensor(np.ones((2, 2, 2))), [0, 1])
    with pytest.raises(ShapeError, match=r"needs at least one element, got shape \(0, 3\)"):
        cross_entropy(Tensor(np.ones((0, 3))), np.zeros(0, int))
    with pytest.raises(ValueError, match="is 'mean', 'sum' or 'none'"):
        cross_entropy(Tensor(np.eye(3)), [0, 1, 2], "total")  # type: ignore[arg-type]


@pytest.mark.parametrize("delta", [0.0, -1.0, math.nan])
def test_huber_checks_delta(delta: float) -> None:
    with pytest.raises(ValueError, match="delta must be"):
        huber_loss(Tensor([1.0]), [1.0], delta=delta)
