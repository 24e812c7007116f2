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
from nn import MLP, Dropout, Embedding, Layer, LayerNorm, Linear, Neuron, Residual, Sequential
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


@pytest.mark.parametrize("nin", [1, 2, 6, 7, 24, 150])
@pytest.mark.parametrize("activation", RECTIFIERS)
def test_biases_before_rectifiers_have_the_bound_of_the_weights_but_at_most_1(
    activation: str, nin: int
) -> None:
    weights, biases = initial_parameters(nin, 10_000, activation, rng=0)
    assert_uniform(biases, min(1.0, math.sqrt(6 / nin)))
    assert abs(biases).max() == pytest.approx(min(1.0, abs(weights).max()), rel=0.001)


@pytest.mark.parametrize("nin", [1, 4, 100])
@pytest.mark.parametrize("activation", OTHERS)
def test_other_biases_are_uniform_as_in_pytorch(activation: str, nin: int) -> None:
    _, biases = initial_parameters(nin, 10_000, activation, rng=0)
    assert_uniform(biases, 1 / math.sqrt(nin))


def assert_uniform(numbers: Any, bound: float) -> None:
    """Ten thousand spread numbers fill (-bound, bound) to a part in thousands."""
    assert 0.999 * bound < abs(numbers).max() < bound
    assert numbers.std() == pytest.approx(bound / math.sqrt(3), rel=0.001)


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


# ------------------------------------------------------------------------------ LayerNorm


def assert_same_as_torch(ours: Any, theirs: Any, x: Any, torch: Any) -> None:
    """Compare output and gradients of two modules of the same weights on the same input."""
    ours.load_state_dict({name: p.detach().numpy() for name, p in theirs.state_dict().items()})
    x_ours, x_theirs = x, torch.tensor(x)
    if x.dtype.kind == "f":
        x_ours, x_theirs = Tensor(x), x_theirs.requires_grad_()
    out, expected = ours(x_ours), theirs(x_theirs)
    tolerance = {"rtol": 1e-4, "atol": 1e-5} if out.dtype == np.float32 else {"atol": 1e-11}
    np.testing.assert_allclose(out.numpy(), expected.detach().numpy(), **tolerance)
    factors = np.random.default_rng(1).normal(size=out.shape).astype(out.dtype)
    (out * factors).sum().backward()
    (expected * torch.tensor(factors)).sum().backward()
    if x.dtype.kind == "f":
        np.testing.assert_allclose(x_ours.grad, x_theirs.grad.numpy(), **tolerance)
    theirs_by_name = dict(theirs.named_parameters())
    assert list(theirs_by_name) == [name for name, _ in ours.named_parameters()]
    for name, parameter in ours.named_parameters():
        assert parameter.grad.dtype == out.dtype
        np.testing.assert_allclose(parameter.grad, theirs_by_name[name].grad.numpy(), **tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [4, (3, 4)])
@pytest.mark.parametrize(("affine", "bias"), [(True, True), (True, False), (False, True)])
def test_layer_norm_is_that_of_the_torch_that_is_installed(
    dtype: Any, shape: Any, affine: bool, bias: bool
) -> None:
    torch = pytest.importorskip("torch")
    kind = torch.float32 if dtype is np.float32 else torch.float64
    reference = torch.nn.LayerNorm(shape, 1e-3, affine, bias, dtype=kind)
    rng = np.random.default_rng(0)
    for parameter in reference.parameters():
        parameter.data = torch.tensor(rng.normal(size=parameter.shape), dtype=kind)
    layer = LayerNorm(shape, 1e-3, affine=affine, bias=bias, dtype=dtype)
    x = rng.normal(2.0, 3.0, size=(2, 3, 4)).astype(dtype)
    assert_same_as_torch(layer, reference, x, torch)


@pytest.mark.parametrize("shape", [3, (2, 3)])
def test_gradients_of_layer_norm(shape: Any) -> None:
    layer = LayerNorm(shape)
    rng = np.random.default_rng(0)

    def f(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        layer.weight, layer.bias = weight, bias
        return (layer(x) ** 3).sum()

    check_grads(f, *(rng.normal(size=s) for s in [(4, 2, 3), layer.shape, layer.shape]))


def test_layer_norm_of_what_is_constant_and_of_lists() -> None:
    assert LayerNorm(2)([[5.0, 5.0]]).numpy().tolist() == [[0.0, 0.0]]
    assert LayerNorm(2, affine=False)(np.array([1, 3])) == pytest.approx([-1, 1], rel=1e-5)
    layer = LayerNorm(4, dtype=np.float32)
    assert layer([1, 2, 3, 4]).dtype == np.float32
    assert repr(layer) == "LayerNorm(4)  8 parameters  weight (4,), bias (4,)"
    assert layer.eval()([1, 2, 3, 4]).numpy().tolist() == layer([1, 2, 3, 4]).numpy().tolist()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: LayerNorm(0), ValueError, "the shape of LayerNorm must be at least 1, got 0"),
        (lambda: LayerNorm("a"), DataError, "the shape of LayerNorm must be an integer, got 'a'"),
        (lambda: LayerNorm(()), ValueError, "needs at least one axis"),
        (lambda: LayerNorm(3, 0), ValueError, "eps must be above 0, or a constant sample"),
        (lambda: LayerNorm(3, dtype=int), ValueError, "parameters are floats"),
        (lambda: LayerNorm((2, 3))(np.ones(3)), ShapeError, r"shape \(2, 3\), got shape \(3,\)"),
        (lambda: LayerNorm(3)(1.0), ShapeError, r"last axes of shape \(3,\), got shape \(\)"),
        (lambda: LayerNorm(1)([Value(1.0)]), DataError, "got Values"),
    ],
)
def test_layer_norm_says_what_it_takes(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


# ------------------------------------------------------------------------------ Embedding


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_embedding_is_that_of_the_torch_that_is_installed(dtype: Any) -> None:
    torch = pytest.importorskip("torch")
    kind = torch.float32 if dtype is np.float32 else torch.float64
    index = np.array([[1, 1, 4], [0, 1, 3]])
    reference = torch.nn.Embedding(5, 3, dtype=kind)
    assert_same_as_torch(Embedding(5, 3, dtype=dtype), reference, index, torch)


def test_embedding_takes_integers_of_any_shape() -> None:
    layer = Embedding(5, 3, rng=0)
    rows = layer.weight.numpy()
    for index in (2, [2, 0], np.array([[4]], np.uint8), Tensor([1, 1]), np.empty((2, 0), int)):
        numbers = index.numpy() if isinstance(index, Tensor) else index
        assert (layer(index).numpy() == rows[numbers]).all()
    assert repr(layer) == "Embedding(5, 3)  15 parameters  weight (5, 3)"
    assert rows.std() == pytest.approx(1, abs=0.5)
    assert (Embedding(5, 3, rng=0).weight.numpy() == rows).all()


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        ([5], ValueError, r"Embedding\(5, 3\) takes integers from 0 to 4, got 5"),
        ([0, -1], ValueError, "takes integers from 0 to 4, got -1"),
        ([1.0], DataError, r"got dtype float64: pass x.astype\(int\)"),
        (Tensor([1.0]), DataError, "got dtype float64"),
        ([True], DataError, "got dtype bool"),
        ("a", DataError, "got dtype <U1"),
        (None, DataError, "got dtype object"),
        ([[1], [1, 2]], ShapeError, "got lists of different lengths"),
    ],
)
def test_embedding_says_what_it_takes(index: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Embedding(5, 3)(index)


def test_embedding_checks_its_sizes() -> None:
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        Embedding(0, 3)
    with pytest.raises(DataError, match=r"width must be an integer, got 1\.5"):
        Embedding(3, 1.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at most 2,147,483,647 weights, got count=1048576"):
        Embedding(2**20, 2**20)


def test_an_embedding_learns_in_fit() -> None:
    class Table(nn.Module):
        def __init__(self) -> None:
            self.embedding = Embedding(4, 2, rng=0)

        def __call__(self, x: Any) -> Any:
            return self.embedding(x)[:, 0, :]

    x, y = np.arange(40)[:, None] % 4, np.arange(40) % 2
    model = Table()
    history = nn.fit(model, nn.cross_entropy, nn.Adam(model, 0.1), (x, y), 20, progress=False)
    assert history.accuracy[-1] == 1.0


# ------------------------------------------------------------------------------ Residual


def test_residual_is_that_of_the_torch_that_is_installed() -> None:
    torch = pytest.importorskip("torch")

    class Reference(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            linear, last = torch.nn.Linear(3, 5), torch.nn.Linear(5, 3)
            self.module = torch.nn.Sequential(linear, torch.nn.Tanh(), last).double()

        def forward(self, x: Any) -> Any:
            return x + self.module(x)

    ours = Residual(Sequential(Linear(3, 5), nn.Tanh(), Linear(5, 3)))
    assert_same_as_torch(ours, Reference(), np.random.default_rng(0).normal(size=(4, 3)), torch)


def test_residual_of_arrays_lists_and_values() -> None:
    block = Residual(Linear(2, 2, rng=0))
    x = np.array([1.0, 2.0])
    expected = x + block.module(x).numpy()
    for given_x in (x, Tensor(x), x.tolist()):
        np.testing.assert_allclose(block(given_x).numpy(), expected)
    layer = Layer(2, 2, "tanh", rng=0)
    total = Residual(layer)([Value(1.0), 2.0])
    assert [v.data for v in total] == [1.0 + layer(x)[0].data, 2.0 + layer(x)[1].data]
    assert Residual(nn.Tanh())(Value(0.0)).data == 0.0
    assert Residual(Layer(1, 1, "tanh"))(Value(1.0)).data != 0.0


def test_residual_hands_train_and_eval_on() -> None:
    block = Residual(Dropout(0.5, rng=0))
    assert set(block(np.ones(100))) == {1.0, 3.0}
    assert block.eval()(np.ones(3)).tolist() == [2.0, 2.0, 2.0]
    assert block.module.training is False
    assert block.train().module.training is True


def test_residual_says_what_it_takes() -> None:
    with pytest.raises(DataError, match=r"the module of Residual must be of type nn\.Module"):
        Residual(3)  # type: ignore[arg-type]
    message = r"keeps the shape, Linear\(2, 3\) made shape \(5, 2\) into \(5, 3\)"
    with pytest.raises(ShapeError, match=message):
        Residual(Linear(2, 3))(np.ones((5, 2)))
    with pytest.raises(ShapeError, match=r"Linear\(2, 1\) made shape \(5, 2\) into \(5, 1\)"):
        Residual(Linear(2, 1))(np.ones((5, 2)))
    with pytest.raises(ShapeError, match=r"Layer\(2, 3, relu\) made 2 numbers into 3"):
        Residual(Layer(2, 3))([1.0, 2.0])
    with pytest.raises(ShapeError, match=r"Layer\(2, 1, relu\) made shape \(2,\) into \(\)"):
        Residual(Layer(2, 1))([1.0, 2.0])


# ------------------------------------------------------------------------------ initialisers

INITIALISERS = {
    "glorot_uniform": 2 / 500,
    "glorot_normal": 2 / 500,
    "he_uniform": 2 / 200,
    "he_normal": 2 / 200,
    "zeros": 0.0,
}


@pytest.mark.parametrize("name", INITIALISERS)
def test_initialisers_have_their_variance(name: str) -> None:
    draw = getattr(nn, name)
    weights = draw(200, 300, rng=0)
    assert (weights.shape, weights.dtype) == ((300, 200), np.float64)
    assert weights.var() == pytest.approx(INITIALISERS[name], rel=0.03)
    assert abs(weights.mean()) < 0.002
    assert (draw(200, 300, np.random.default_rng(0)) == weights).all()
    layer = Linear(200, 300, dtype=np.float32)
    layer.weight.data = weights
    assert layer.weight.dtype == np.float32


@pytest.mark.parametrize(
    ("ours", "theirs", "options"),
    [
        ("glorot_uniform", "xavier_uniform_", {}),
        ("glorot_normal", "xavier_normal_", {}),
        ("he_uniform", "kaiming_uniform_", {"nonlinearity": "relu"}),
        ("he_normal", "kaiming_normal_", {"nonlinearity": "relu"}),
    ],
)
def test_initialisers_spread_as_those_of_torch(ours: str, theirs: str, options: Any) -> None:
    torch = pytest.importorskip("torch")
    generator = torch.Generator().manual_seed(0)
    drawn = torch.empty(300, 200, dtype=torch.float64)
    getattr(torch.nn.init, theirs)(drawn, **options, generator=generator)
    weights = getattr(nn, ours)(200, 300, rng=0)
    quantiles = np.linspace(0, 1, 21)[1:-1]
    difference = np.quantile(weights, quantiles) - np.quantile(drawn.numpy(), quantiles)
    assert abs(difference).max() < 0.03 * drawn.numpy().std()


@pytest.mark.parametrize("name", INITIALISERS)
def test_initialisers_check_their_sizes(name: str) -> None:
    with pytest.raises(ValueError, match="nin must be at least 1, got 0"):
        getattr(nn, name)(0, 3)
    with pytest.raises(DataError, match=r"nout must be an integer, got 1\.5"):
        getattr(nn, name)(2, 1.5)
