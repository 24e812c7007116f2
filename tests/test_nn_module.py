"""`Module`: what it finds, names, saves, loads and shows."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nn
from autograd import DataError, ShapeError, Tensor, Value
from nn import MLP, Dropout, Layer, Linear, Module, ReLU, Sequential
from nn.checkpoint import read_state, write_state


class Parts(Module):
    """Parameters in every place where a module looks for them, and things that are none."""

    def __init__(self) -> None:
        self.first = Tensor([1.0, 2.0])
        self.listed = [Value(1.0), (Value(2.0), {"deep": Tensor([[3.0]])})]
        self.named = {"layer": Linear(2, 3, bias=False, rng=0)}
        self.shared = self.first
        self.constant = Tensor([1.0]).detach()
        self.integers = Tensor([1, 2])
        self.computed = self.first * 2
        self.array = np.ones(3)
        self.number, self.text, self.nothing = 1.0, "text", None
        self.itself = self


class Refusing:
    """What PyTorch does where a tensor needs a gradient, or is on another device."""

    def __array__(self, *arguments: Any, **options: Any) -> Any:
        raise RuntimeError("no array")


NAMES = ["first", "listed.0", "listed.1.0", "listed.1.1.deep", "named.layer.weight"]


def test_parameters_are_found_once_in_the_order_of_attributes() -> None:
    model = Parts()
    assert [name for name, _ in model.named_parameters()] == NAMES
    assert model.parameters() == [p for _, p in model.named_parameters()]
    assert model.parameters()[0] is model.first


def test_modules_are_found_once() -> None:
    assert [name for name, _ in Parts().named_modules()] == ["", "named.layer"]


def test_a_subclass_without_a_call_says_so() -> None:
    with pytest.raises(NotImplementedError, match=r"Parts does not define __call__\(self, x\)"):
        Parts()(1.0)


def test_zero_grad_sets_none() -> None:
    model = Linear(2, 1)
    model(np.ones((3, 2))).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_train_and_eval_reach_every_module_and_return_the_model() -> None:
    model = Sequential(Linear(2, 2), Sequential(Dropout(0.5)))
    assert model.training
    assert model.eval() is model
    assert [m.training for _, m in model.named_modules()] == [False] * 4
    assert model.train() is model
    assert all(m.training for _, m in model.named_modules())


def test_depth_does_not_matter() -> None:
    model: Module = Linear(1, 1)
    for _ in range(3000):
        model = Sequential(model)
    assert len(model.parameters()) == 2
    model.eval()


def test_state_goes_round() -> None:
    a, b = MLP(3, [4, 2], rng=0), MLP(3, [4, 2], rng=1)
    state = a.state_dict()
    b.load_state_dict(state)
    x = np.arange(6.0).reshape(2, 3)
    assert (a(x).numpy() == b(x).numpy()).all()
    assert list(state) == ["layers.0.weight", "layers.0.bias", "layers.2.weight", "layers.2.bias"]


def test_state_of_values_goes_round() -> None:
    a, b = Layer(2, 2, rng=0), Layer(2, 2, rng=1)
    b.load_state_dict(a.state_dict())
    assert [p.data for p in a.parameters()] == [p.data for p in b.parameters()]
    assert list(a.state_dict())[:3] == ["neurons.0.w.0", "neurons.0.w.1", "neurons.0.b"]
    assert all(array.shape == () for array in a.state_dict().values())


def test_state_is_that_of_pytorch() -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    ours = Sequential(Linear(3, 4), ReLU(), Linear(4, 2))
    ours.load_state_dict({name: t.double().numpy() for name, t in theirs.state_dict().items()})
    x = np.linspace(-1, 1, 15).reshape(5, 3)
    expected = theirs.double()(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(ours(x).numpy(), expected, rtol=1e-12, atol=1e-14)


def test_the_state_is_a_copy() -> None:
    model = Linear(2, 2, rng=0)
    before = model.weight.numpy().copy()
    state = model.state_dict()
    state["weight"][:] = 7.0
    assert (model.weight.numpy() == before).all()
    model.load_state_dict(state)
    state["weight"][:] = 9.0
    assert (model.weight.numpy() == 7.0).all()


def test_the_state_is_contiguous() -> None:
    model = Linear(2, 3)
    model.weight.data = np.asfortranarray(model.weight.numpy())
    assert model.state_dict()["weight"].flags.c_contiguous


def test_loading_keeps_the_dtype_of_the_parameters() -> None:
    model = Linear(2, 2, dtype=np.float32)
    model.load_state_dict(Linear(2, 2).state_dict())
    assert model.weight.dtype == model.bias.dtype == np.float32


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"bias": None}, ValueError, r"does not fit Linear\(3, 2\): missing 'bias'"),
        ({"gain": np.ones(2)}, ValueError, "unexpected 'gain'"),
        (
            {"bias": None, "gain": np.ones(2)},
            ValueError,
            "missing 'bias'; unexpected 'gain'",
        ),
        (
            {"bias": np.ones(3)},
            ShapeError,
            r"does not fit Linear\(3, 2\): 'bias' has shape \(3,\), expected \(2,\)",
        ),
        ({"bias": [[1.0], [1.0, 2.0]]}, DataError, "'bias' must be an array of real numbers"),
        ({"bias": ["a", "b"]}, DataError, "'bias' must hold real numbers, got dtype <U1"),
        ({"bias": Refusing()}, DataError, r"'bias' .* got Refusing: no array .*tensor\.detach"),
        ({"bias": {}}, DataError, "'bias' must hold real numbers, got dtype object"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(
    change: dict[str, Any], error: type[Exception], message: str
) -> None:
    model = Linear(3, 2, rng=0)
    before = model.state_dict()
    state = {**Linear(3, 2, rng=1).state_dict(), **change}
    state = {name: array for name, array in state.items() if array is not None}
    with pytest.raises(error, match=message):
        model.load_state_dict(state)
    for name, array in model.state_dict().items():
        assert (array == before[name]).all()


def test_a_tensor_of_pytorch_that_needs_a_gradient_says_how_to_detach_it() -> None:
    torch = pytest.importorskip("torch")
    model = Linear(3, 2, rng=0)
    before = model.state_dict()
    state = {**before, "bias": torch.nn.Linear(3, 2).bias}
    with pytest.raises(DataError, match=r"'bias' .* as tensor\.detach\(\)\.cpu\(\)\.numpy\(\)"):
        model.load_state_dict(state)
    assert all((array == before[name]).all() for name, array in model.state_dict().items())


def test_a_number_too_large_for_float32_changes_nothing() -> None:
    model = Linear(3, 2, rng=0, dtype=np.float32)
    before = model.state_dict()
    state = {**Linear(3, 2, rng=1).state_dict(), "bias": [1.0, 1e300]}
    with pytest.raises(DataError, match=r"'bias' holds 1e\+300, which is too large for float32"):
        model.load_state_dict(state)
    assert all((array == before[name]).all() for name, array in model.state_dict().items())
    model.load_state_dict({**state, "bias": [np.inf, np.nan]})  # asked for
    assert not np.isfinite(model.bias.numpy()).any()


def test_a_state_is_a_mapping() -> None:
    with pytest.raises(
        DataError, match=r"does not fit Linear\(3, 2\): it must map names to values, got list"
    ):
        Linear(3, 2).load_state_dict([1.0])  # type: ignore[arg-type]


# ---------------------------------------------------------------------- randomness


KINDS = [
    np.random.PCG64,
    np.random.PCG64DXSM,
    np.random.MT19937,
    np.random.Philox,
    np.random.SFC64,
]


class Random(Module):
    """Generators in every place where a module looks for them, one of them in two places."""

    def __init__(self, kind: Any = np.random.PCG64, seed: int = 0) -> None:
        self.rng = np.random.Generator(kind(seed))
        self.layers = [Dropout(0.5, rng=self.rng), Linear(2, 2, rng=1)]
        self.others = {"a.b": [Dropout(0.5, rng=np.random.Generator(kind(seed + 1)))]}

    def draw(self, n: int) -> list[Any]:
        """Numbers of all generators, some of which leave half a word behind."""
        generators = [self.rng, self.others["a.b"][0].rng]
        return [
            [rng.random(), *rng.integers(0, 9, n, dtype=np.uint32), rng.normal()]
            for rng in generators
        ]


def test_generators_are_found_once_by_name() -> None:
    model = Random()
    assert list(model.random_state()) == ["rng", "others.a.b.0.rng"]
    assert [name for name, _ in model.named_parameters()] == ["layers.1.weight", "layers.1.bias"]
    assert Linear(2, 1).random_state() == {}
    assert "Generator" not in repr(model)


@given(st.sampled_from(KINDS), st.integers(0, 9), st.integers(0, 2**32))
def test_generators_go_on_from_a_file_as_if_nothing_had_been(
    tmp_path_factory: pytest.TempPathFactory, kind: Any, drawn: int, seed: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "random.safetensors"
    model, again = Random(kind, seed), Random(kind, seed + 7)
    model.draw(drawn)
    write_state(path, model.random_state())
    expected = model.draw(5)
    again.set_random_state(read_state(path))
    assert again.draw(5) == expected
    again.set_random_state(read_state(path))
    assert again.layers[0].rng is again.rng  # type: ignore[union-attr]
    assert again.draw(5) == expected


def test_the_random_state_is_a_copy() -> None:
    for kind in KINDS:
        model = Random(kind)
        state = model.random_state()
        before = copy.deepcopy(state)
        first = model.draw(700)
        assert repr(state) == repr(before)
        model.set_random_state(state)
        assert model.draw(700) == first


PCG, MT, PHILOX, SFC = (kind(0).state for kind in KINDS if kind is not np.random.PCG64DXSM)


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (np.random.PCG64, MT),
        (np.random.PCG64, None),
        (np.random.PCG64, 3),
        (np.random.PCG64, {}),
        (np.random.PCG64, {**PCG, "bit_generator": "MT19937"}),
        (np.random.PCG64, {**PCG, "state": None}),
        (np.random.PCG64, {**PCG, "state": {**PCG["state"], "inc": 2**130}}),
        (np.random.PCG64, {**PCG, "state": {**PCG["state"], "inc": -1}}),
        (np.random.PCG64, {**PCG, "state": {**PCG["state"], "state": 2.5}}),
        (np.random.PCG64, {**PCG, "has_uint32": "a"}),
        (np.random.PCG64, {**PCG, "uinteger": 2**40}),
        (np.random.PCG64, {**PCG, "more": 1}),
        (np.random.MT19937, {**MT, "state": {**MT["state"], "pos": 10**6}}),
        (np.random.MT19937, {**MT, "state": {**MT["state"], "pos": -1}}),
        (np.random.MT19937, {**MT, "state": {**MT["state"], "pos": "1"}}),
        (np.random.MT19937, {**MT, "state": {**MT["state"], "key": MT["state"]["key"][:9]}}),
        (np.random.MT19937, {**MT, "state": {**MT["state"], "key": np.zeros(624)}}),
        (np.random.MT19937, ("MT19937", MT["state"]["key"], 0)),
        (np.random.Philox, {**PHILOX, "buffer_pos": 10**5}),
        (np.random.Philox, {**PHILOX, "buffer_pos": -4}),
        (np.random.Philox, {**PHILOX, "buffer": np.zeros(2)}),
        (np.random.Philox, {**PHILOX, "state": {**PHILOX["state"], "key": np.ones(1, np.uint64)}}),
        (np.random.SFC64, {**SFC, "state": {"state": np.zeros(1)}}),
        (np.random.SFC64, {**SFC, "state": {"state": None}}),
    ],
)
def test_a_random_state_that_does_not_fit_changes_nothing(kind: Any, state: Any) -> None:
    model = Random(kind)
    before = repr(model.random_state())
    states = {**Random(kind, seed=3).random_state(), "others.a.b.0.rng": state}
    message = rf"Random\(\): that of 'others.a.b.0.rng' is not a state of {kind.__name__}"
    with pytest.raises(ValueError, match=message):
        model.set_random_state(states)
    assert repr(model.random_state()) == before


def test_a_random_state_has_the_names_of_the_generators() -> None:
    model = Random()
    with pytest.raises(ValueError, match=r"Random\(\): missing 'rng'; unexpected 'generator'"):
        model.set_random_state({"generator": PCG, "others.a.b.0.rng": PCG})
    with pytest.raises(DataError, match="must map names to values, got list"):
        model.set_random_state([])  # type: ignore[arg-type]


def test_a_long_list_of_names_is_cut() -> None:
    state = {"x" * 1000: 1} | {str(n): 1 for n in range(1000)}
    with pytest.raises(ValueError, match=r"unexpected .* and 991 more") as raised:
        Linear(2, 1).load_state_dict(state)
    assert len(str(raised.value)) < 400


def test_repr_is_a_tree_with_shapes_and_counts() -> None:
    model = Sequential(Linear(64, 32), ReLU(), Dropout(0.2), Linear(32, 10))
    assert repr(model).splitlines() == [
        "Sequential()         2,410 parameters",
        "  0: Linear(64, 32)  2,080 parameters  weight (32, 64), bias (32,)",
        "  1: ReLU()",
        "  2: Dropout(0.2)",
        "  3: Linear(32, 10)    330 parameters  weight (10, 32), bias (10,)",
    ]


def test_repr_joins_equal_neighbours() -> None:
    assert repr(MLP(2, [16, 1], node=Value)).splitlines() == [
        "MLP(2, [16, 1], relu)                             65 parameters",
        "  layers.0: Layer(2, 16, relu)                    48 parameters",
        "    layers.0.neurons.0..15: 16 × Neuron(2, relu)   3 parameters",
        "  layers.1: Layer(16, 1, identity)                17 parameters",
        "    layers.1.neurons.0: Neuron(16, identity)      17 parameters",
    ]


@pytest.mark.parametrize("again", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
@pytest.mark.parametrize("node", [Tensor, Value])
def test_models_can_be_copied_and_pickled(again: Any, node: Any) -> None:
    model = MLP(2, [3, 1], node=node, rng=0)
    copied = again(model)
    assert copied.parameters()[0] is not model.parameters()[0]
    for name, array in copied.state_dict().items():
        assert (array == model.state_dict()[name]).all()


def test_the_public_names_exist_and_have_documentation() -> None:
    assert len(set(nn.__all__)) == len(nn.__all__)
    for name in nn.__all__:
        assert getattr(nn, name).__doc__, name
