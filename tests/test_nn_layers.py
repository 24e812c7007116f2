"""Layers and nets: shapes, initial weights, and that Values and Tensors give the same net."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd
import nn
from autograd import DataError, ShapeError, Tensor, Value, check_grads
from nn import MLP, Dropout, Layer, Linear, Neuron, Sequential
from nn.layers import ACTIVATIONS, Activation, initial_parameters, spread_uniform

RECTIFIERS = ["relu", "leaky_relu", "elu", "gelu", "silu", "softplus"]
OTHERS = ["tanh", "sigmoid", "identity"]

activation_names = st.sampled_from(RECTIFIERS + OTHERS)


# ------------------------------------------------------------------------------ activations


def test_every_activation_is_known_by_the_name_of_its_function() -> None:
    assert sorted(ACTIVATIONS) == sorted(RECTIFIERS + OTHERS)
    for name, module in ACTIVATIONS.items():
        assert getattr(nn, module.__name__) is module
        if name != "identity":
            assert module.function is getattr(autograd, name)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_apply_to_tensors_values_and_lists(name: str) -> None:
    activation: Activation = ACTIVATIONS[name]()
    numbers = [-2.0, -0.5, 1.5]
    expected = activation(Tensor(numbers)).numpy()
    assert [v.data for v in activation([Value(x) for x in numbers])] == pytest.approx(expected)
    assert activation(np.array(numbers)) == pytest.approx(expected)
    assert repr(activation) == f"{type(activation).__name__}()"


def test_activations_pass_their_parameters_on() -> None:
    assert nn.LeakyReLU(slope=0.5)(Tensor([-2.0])).item() == -1.0
    assert nn.ELU(alpha=2.0)(Tensor([-1.0])).item() == pytest.approx(2 * math.expm1(-1))
    assert repr(nn.ELU(alpha=2.0)) == "ELU(alpha=2)"
    with pytest.raises(TypeError, match="unexpected keyword argument 'slope'"):
        nn.ReLU(slope=0.5)


def test_an_unknown_activation_is_named() -> None:
    with pytest.raises(ValueError, match="unknown activation 'swish': one of relu, leaky_relu"):
        MLP(2, [2, 1], "swish")
    with pytest.raises(ValueError, match="unknown activation"):
        Neuron(2, "swish", weights=[1.0, 2.0])


# ------------------------------------------------------------------------------ initial weights


@pytest.mark.parametrize("activation", RECTIFIERS)
def test_weights_before_rectifiers_have_the_variance_of_he(activation: str) -> None:
    weights, _ = initial_parameters(200, 300, activation, rng=0)
    assert weights.shape == (300, 200)
    assert weights.std() == pytest.approx(math.sqrt(2 / 200), rel=0.02)
    assert abs(weights.mean()) < 0.01


@pytest.mark.parametrize("activation", OTHERS)
def test_other_weights_are_uniform_as_glorot_says(activation: str) -> None:
    weights, _ = initial_parameters(200, 300, activation, rng=0)
    bound = math.sqrt(6 / 500)
    assert 0.99 * bound < abs(weights).max() < bound
    assert weights.std() == pytest.approx(bound / math.sqrt(3), rel=0.02)


@pytest.mark.parametrize(("activation", "bound"), [("relu", 1.0), ("tanh", 0.5)])
def test_biases_are_uniform(activation: str, bound: float) -> None:
    _, biases = initial_parameters(4, 10_000, activation, rng=0)
    assert 0.99 * bound < abs(biases).max() < bound
    assert biases.std() == pytest.approx(bound / math.sqrt(3), rel=0.02)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32))
def test_numbers_are_spread_evenly_along_the_longer_axis(nout: int, nin: int, seed: int) -> None:
    drawn = spread_uniform(3.0, nout, nin, np.random.default_rng(seed))
    assert drawn.shape == (nout, nin)
    assert drawn.flags.c_contiguous
    longer = max(nout, nin)
    lines = drawn.T if nout >= nin else drawn
    parts = np.floor((lines / 3 + 1) / 2 * longer).astype(int)
    assert (np.sort(parts, axis=1) == np.arange(longer)).all()


def test_spread_numbers_are_uniform_one_by_one_and_not_correlated() -> None:
    rng = np.random.default_rng(0)
    drawn = np.array([spread_uniform(1.0, 3, 2, rng) for _ in range(4000)]).reshape(4000, 6)
    assert abs(drawn.mean(axis=0)).max() < 0.04
    np.testing.assert_allclose(drawn.std(axis=0), 1 / math.sqrt(3), rtol=0.03)
    between_inputs = np.corrcoef(drawn.T)[::2, 1::2]
    assert abs(between_inputs).max() < 0.06


def test_signals_keep_their_variance_through_rectifiers() -> None:
    x = np.random.default_rng(0).normal(size=(200, 256))
    out = MLP(256, [256] * 20, "relu", rng=1)(x).numpy()
    assert 0.1 < out.std() < 10


@given(st.integers(0, 2**32), activation_names)
def test_every_layer_draws_the_same_numbers(seed: int, activation: str) -> None:
    weights, biases = initial_parameters(3, 2, activation, seed)
    linear = Linear(3, 2, activation=activation, rng=seed)
    assert (linear.weight.numpy() == weights).all()
    assert (linear.bias.numpy() == biases).all()
    layer = Layer(3, 2, activation, rng=np.random.default_rng(seed))
    assert [[w.data for w in neuron.w] for neuron in layer.neurons] == weights.tolist()
    assert [neuron.b.data for neuron in layer.neurons] == biases.tolist()
    neuron = Neuron(3, activation, rng=seed)
    (row,), (bias,) = initial_parameters(3, 1, activation, seed)
    assert [w.data for w in neuron.w] == row.tolist()
    assert neuron.b.data == bias


def test_without_a_seed_weights_are_fresh() -> None:
    assert (
        MLP(2, [3, 1]).state_dict()["layers.0.weight"]
        != MLP(2, [3, 1]).state_dict()["layers.0.weight"]
    ).any()


# ------------------------------------------------------------------------------ Linear


def test_linear_is_the_affine_map() -> None:
    layer = Linear(2, 3, rng=0)
    layer.bias.data = [1.0, 2.0, 3.0]
    x = np.arange(8.0).reshape(2, 2, 2)
    expected = x @ layer.weight.numpy().T + [1.0, 2.0, 3.0]
    for given_x in (x, Tensor(x), x.tolist()):
        np.testing.assert_allclose(layer(given_x).numpy(), expected)
    np.testing.assert_allclose(layer(x[0, 0]).numpy(), expected[0, 0])
    assert Linear(2, 3, bias=False).bias is None
    assert Linear(2, 3, bias=False)(x).shape == (2, 2, 3)


def test_linear_keeps_float32() -> None:
    layer = Linear(2, 3, dtype=np.float32)
    for x in (np.ones((4, 2), np.float32), [[1.0, 2.0]], [[1, 2]]):
        assert layer(x).dtype == np.float32
    layer(np.ones((4, 2), np.float32)).sum().backward()
    assert layer.weight.grad.dtype == np.float32


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**32))
@settings(max_examples=20)
def test_gradients_of_linear(n: int, nin: int, nout: int, seed: int) -> None:
    layer = Linear(nin, nout)
    rng = np.random.default_rng(seed)

    def f(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        layer.weight, layer.bias = weight, bias
        return (layer(x) ** 2).sum()

    check_grads(f, *(rng.normal(size=s) for s in [(n, nin), (nout, nin), (nout,)]))


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (
            np.ones((5, 4)),
            ShapeError,
            r"Linear\(3, 2\) takes 3 numbers a row .*, got shape \(5, 4\)",
        ),
        (Tensor(np.ones(2)), ShapeError, r"takes 3 numbers a row .*, got shape \(2,\)"),
        (1.0, ShapeError, r"got shape \(\)"),
        ([[1.0], [1.0, 2.0]], ShapeError, "lists of different lengths"),
        (["a", "b", "c"], DataError, "got list of dtype <U1"),
        ([Value(1.0)] * 3, DataError, r"got Values: MLP\(..., node=Value\) makes"),
        (Value(1.0), DataError, r"got Values: MLP\(..., node=Value\) makes"),
    ],
)
def test_linear_says_what_it_takes(x: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Linear(3, 2)(x)


@pytest.mark.parametrize("make", [Linear, Layer, lambda nin, nout: MLP(nin, [nout])])
@pytest.mark.parametrize(
    ("nin", "nout", "error", "message"),
    [
        (0, 2, ValueError, "nin must be at least 1, got 0"),
        (2, -1, ValueError, "nout must be at least 1, got -1"),
        (2.5, 2, DataError, "nin must be an integer, got 2.5"),
        (2, 10**40, ValueError, "nout must be at most 2147483647, got 1000000000"),
        (2, 10**300, ValueError, "nout must be at most .*, got a number of more than 60 digits"),
        (2**20, 2**20, ValueError, "a layer has at most 2,147,483,647 weights, got nin=1048576"),
    ],
)
def test_sizes_are_positive_integers(
    make: Any, nin: Any, nout: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make(nin, nout)


# ------------------------------------------------------------------------------ Values


def test_a_neuron_shows_its_products() -> None:
    neuron = Neuron(2, "tanh", weights=[2.0, 3.0])
    x = [Value(0.5), Value(-0.25)]
    out = neuron(x)
    assert out.data == pytest.approx(math.tanh(0.25))
    names = [n.primitive.name for n in autograd.topological_order(out) if n.primitive]
    assert names == ["mul", "add", "mul", "add", "tanh"]
    assert neuron([0.5, -0.25]).data == out.data
    assert neuron(np.array([0.5, -0.25])).data == out.data


@pytest.mark.parametrize("make", [Neuron, lambda n: Layer(n, 2), lambda n: MLP(n, [1], node=Value)])
def test_wrong_widths_name_the_layer(make: Any) -> None:
    with pytest.raises(ShapeError, match=r"(Neuron|Layer)\(2, .*\) takes 2 numbers, got 3"):
        make(2)([1.0, 2.0, 3.0])


def test_scalar_layers_say_what_they_take() -> None:
    with pytest.raises(DataError, match=r"Neuron\(2, relu\) takes a list .*, got str"):
        Neuron(2)("ab")
    with pytest.raises(DataError, match=r"would give the Tensor 'x' no gradient: pass x.numpy"):
        Layer(2, 2)(Tensor([1.0, 2.0], label="x"))
    with pytest.raises(ShapeError, match="a Neuron of 2 inputs needs 2 weights, got 1"):
        Neuron(2, weights=[1.0])
    assert len(Layer(2, 2)(Tensor([1.0, 2.0]).detach())) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": -1}, "weights must be a list of 2 numbers, got -1"),
        ({"weights": ["a", "b"]}, "a Value holds one real number, got the str 'a'"),
        ({"nin": None}, "nin must be an integer, got None"),
        ({"bias": None}, "a Value holds one real number"),
    ],
)
def test_a_neuron_checks_its_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Neuron(**{"nin": 2, "weights": [1.0, 2.0], **arguments})


def test_a_layer_of_one_neuron_returns_its_value() -> None:
    assert isinstance(Layer(2, 1)([1.0, 2.0]), Value)
    assert [type(v) for v in Layer(2, 2)([1.0, 2.0])] == [Value, Value]


# ------------------------------------------------------------------------------ MLP


@given(
    st.lists(st.integers(1, 5), min_size=2, max_size=4),
    activation_names,
    st.integers(1, 4),
    st.integers(0, 2**32),
)
@settings(max_examples=50)
def test_values_and_tensors_are_the_same_net(
    sizes: list[int], activation: str, n: int, seed: int
) -> None:
    nin, *nouts = sizes
    arrays = MLP(nin, nouts, activation, rng=np.random.default_rng(seed))
    scalars = MLP(nin, nouts, activation, node=Value, rng=np.random.default_rng(seed))
    x = np.random.default_rng(seed + 1).normal(size=(n, nin))
    out = arrays(x)
    rows = [row if isinstance(row, list) else [row] for row in scalars(x)]
    np.testing.assert_allclose([[v.data for v in row] for row in rows], out.numpy(), atol=1e-12)

    (out**2).sum().backward()
    first, *rest = [v**2 for row in rows for v in row]
    sum(rest, first).backward()
    for linear, layer in zip(
        [m for m in arrays.layers if isinstance(m, Linear)], scalars.layers, strict=True
    ):
        assert isinstance(layer, Layer)
        weight = [[w.data for w in neuron.w] for neuron in layer.neurons]
        assert weight == linear.weight.numpy().tolist()
        grads = [[w.grad for w in neuron.w] for neuron in layer.neurons]
        np.testing.assert_allclose(grads, linear.weight.grad, rtol=1e-9, atol=1e-12)
        grads = [neuron.b.grad for neuron in layer.neurons]
        np.testing.assert_allclose(grads, linear.bias.grad, rtol=1e-9, atol=1e-12)


def test_a_net_of_values_takes_rows() -> None:
    model = MLP(2, [3, 1], node=Value, rng=0)
    x = [[1.0, 2.0], [3.0, -1.0]]
    one_by_one = [model(row).data for row in x]
    for rows in (x, np.array(x), Tensor(x).detach(), [[Value(v) for v in row] for row in x]):
        assert [v.data for v in model(rows)] == one_by_one


def test_gradients_reach_inputs_of_both_kinds() -> None:
    x = Tensor([1.0, 2.0])
    MLP(2, [4, 1], "tanh", rng=0)(x).sum().backward()
    xs = [Value(1.0), Value(2.0)]
    MLP(2, [4, 1], "tanh", node=Value, rng=0)(xs).backward()
    np.testing.assert_allclose([v.grad for v in xs], x.grad, rtol=1e-12)


def test_parameters_of_a_net_are_labelled_by_name() -> None:
    for node in (Tensor, Value):
        model = MLP(2, [2, 1], node=node)
        assert [p.label for p in model.parameters()] == [n for n, _ in model.named_parameters()]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"nouts": []}, r"nouts lists the outputs of each layer, such as \[16, 1\], got \[\]"),
        ({"nouts": None}, "nouts lists the outputs .*, got None"),
        ({"activation": None}, "unknown activation None"),
        ({"nouts": 3}, "nouts lists the outputs .*, got 3"),
        ({"node": int}, "node must be Tensor or Value, got <class 'int'>"),
        ({"node": np.ones(2)}, r"node must be Tensor or Value, got array\(\[1., 1.\]\)"),
        ({"rng": -1}, "rng must be a seed .*, a numpy.random.Generator or None, got -1"),
        ({"dtype": "foo"}, "parameters are floats, float64 or float32, got 'foo'"),
        ({"dtype": 3}, "parameters are floats, float64 or float32, got 3"),
        ({"dtype": "foo", "node": Value}, "parameters are floats, .*, got 'foo'"),
        ({"nouts": [10**30]}, "nout must be at most 2147483647"),
        ({"dtype": int}, "parameters are floats, float64 or float32, got int64"),
        ({"node": Value, "dtype": np.float32}, "a Value is always float64, got dtype float32"),
    ],
)
def test_mlp_checks_its_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MLP(**{"nin": 2, "nouts": [1], **arguments})


@pytest.mark.parametrize("node", [Tensor, Value])
def test_widths_may_come_from_any_iterable(node: Any) -> None:
    widths: Any = (n for n in [3, 1])
    assert repr(MLP(2, widths, node=node)).startswith("MLP(2, [3, 1], relu)")
    assert repr(MLP(2, np.array([3, 1]), node=node)).startswith("MLP(2, [3, 1], relu)")


@pytest.mark.parametrize("make", [lambda rng: MLP(2, [1], rng=rng), lambda rng: Dropout(rng=rng)])
@pytest.mark.parametrize("rng", ["a", 1.5, {}])
def test_what_is_no_seed_is_refused(make: Any, rng: Any) -> None:
    with pytest.raises(DataError, match=r"rng must be a seed .*, got "):
        make(rng)


@pytest.mark.parametrize("bias", [None, [1.0], np.ones(1), 0.5])
def test_the_bias_of_linear_is_a_flag(bias: Any) -> None:
    with pytest.raises(DataError, match="bias must be True or False, got"):
        Linear(2, 1, bias=bias)


# ------------------------------------------------------------------------------ containers


def test_sequential_is_a_chain() -> None:
    model = Sequential(Linear(2, 3, rng=0), nn.Tanh(), Linear(3, 1, rng=1))
    x = np.ones((4, 2))
    assert (model(x).numpy() == model[2](model[1](model[0](x))).numpy()).all()
    assert len(model) == 3
    assert [type(m) for m in model] == [Linear, nn.Tanh, Linear]


def test_sequential_of_values() -> None:
    model = Sequential(Layer(2, 3, "identity", rng=0), nn.ReLU(), Dropout(0.5), Layer(3, 1))
    assert isinstance(model([Value(1.0), 2.0]), Value)


def test_sequential_takes_modules() -> None:
    with pytest.raises(DataError, match=r"takes Modules, got list; pass Sequential\(\*modules\)"):
        Sequential([Linear(2, 1)])  # type: ignore[arg-type]
    with pytest.raises(DataError, match="takes Modules, got type"):
        Sequential(nn.ReLU)  # type: ignore[arg-type]


@given(st.floats(0, 0.9), st.integers(0, 2**32))
@settings(max_examples=20)
def test_dropout_keeps_the_mean(p: float, seed: int) -> None:
    out = Dropout(p, rng=seed)(Tensor(np.ones(20_000))).numpy()
    kept = out[out != 0]
    np.testing.assert_allclose(kept, 1 / (1 - p))
    assert abs(len(kept) / len(out) - (1 - p)) < 0.03


def test_dropout_drops_the_same_gradients() -> None:
    x = Tensor(np.ones((4, 5), np.float32))
    out = Dropout(0.5, rng=0)(x)
    out.sum().backward()
    assert (x.grad == out.numpy()).all()
    assert out.dtype == np.float32


def test_dropout_is_the_identity_in_eval() -> None:
    x = Tensor([1.0, 2.0])
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x


def test_dropout_of_values() -> None:
    xs = [Value(1.0) for _ in range(100)]
    assert {v.data for v in Dropout(0.5, rng=0)(xs)} == {0.0, 2.0}


@pytest.mark.parametrize("x", [None, "a", [1.0, "a"], np.array(["a"])])
def test_dropout_takes_numbers(x: Any) -> None:
    with pytest.raises(DataError, match=r"Dropout\(0.5\) takes real numbers, got"):
        Dropout(0.5)(x)


def test_dropout_of_integers_keeps_the_mean() -> None:
    out = Dropout(0.1, rng=0)(np.full(1000, 9))
    assert set(out.tolist()) == {0.0, 10.0}


@pytest.mark.parametrize("p", [-0.1, 1.0, math.nan, 10**400])
def test_dropout_checks_its_probability(p: float) -> None:
    with pytest.raises(ValueError, match="the p of Dropout"):
        Dropout(p)
