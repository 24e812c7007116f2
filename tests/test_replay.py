"""`jit`: a replay gives what the function gives, or says why it cannot."""

from __future__ import annotations

import copy
import functools
import gc
import math
import operator
import pickle
import random
import threading
import types
import warnings
import weakref
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import test_numpy_functions
import test_protocol
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from strategies import CASES, calls, ulps

import autograd as ag
import nn
from autograd import ReplayError, Tensor, Value, gradients, jit, protocol, where
from autograd.primitive import Example, Primitive, is_tracing
from autograd.structure import flatten

each_executor = pytest.mark.parametrize(
    "executor",
    [
        "numpy",
        pytest.param(
            "numba", marks=pytest.mark.skipif(find_spec("numba") is None, reason="needs numba")
        ),
    ],
)


def same(a: Any, b: Any) -> None:
    """Hold that two results are equal bit for bit, nan for nan."""
    if isinstance(a, (tuple, list)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
        return
    a, b = (x.numpy() if isinstance(x, Value | Tensor) else x for x in (a, b))
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape
    assert a.dtype == b.dtype
    np.testing.assert_array_equal(a, b)


# --------------------------------------------------------------------------- every primitive


@pytest.mark.parametrize(("primitive", "example"), CASES.values(), ids=CASES)
@settings(max_examples=2, phases=[Phase.generate])
@given(data=st.data())
def test_every_primitive_is_replayed_with_its_first_two_derivatives(
    primitive: Primitive, example: Example | None, data: st.DataObject
) -> None:
    first = data.draw(calls(primitive, example))
    second = data.draw(calls(primitive, example or Example(tuple(map(np.shape, first.operands)))))
    where_variable = tuple(i for i in first.variables if first.operands[i].dtype.kind == "f")
    weights = first.weights()

    def total(*operands: Any) -> Any:
        out = first(*operands)
        return (out * weights).sum() if np.shape(out) else out * float(weights)

    def slopes(*operands: Any) -> Any:
        return ag.grad(total, where_variable)(*operands)

    def curvature(*operands: Any) -> Any:
        return ag.grad(lambda *xs: sum((g * g).sum() for g in _flat(slopes(*xs))), where_variable)(
            *operands
        )

    orders = [total, slopes, curvature] if where_variable else [total]
    for f in orders:
        replayed = jit(f, executor="numpy")
        for call in (first, second):
            for got, wanted in zip(
                _flat(replayed(*call.operands)), _flat(f(*call.operands)), strict=True
            ):
                np.testing.assert_allclose(
                    np.asarray(_plain(got)), np.asarray(_plain(wanted)), rtol=1e-13, atol=1e-13
                )
        assert replayed.cache_info()[:2] == (1, 1)


def _flat(x: Any) -> tuple[Any, ...]:
    return tuple(x) if isinstance(x, (tuple, list)) else (x,)


def _plain(x: Any) -> Any:
    return x.numpy() if isinstance(x, Value | Tensor) else x


OF_NUMBERS = {
    name: (primitive, example)
    for name, (primitive, example) in CASES.items()
    if primitive.scalar is not None and primitive.elementwise
}


@each_executor
@pytest.mark.parametrize(("primitive", "example"), OF_NUMBERS.values(), ids=OF_NUMBERS)
@settings(max_examples=2, phases=[Phase.generate])
@given(data=st.data())
def test_a_batch_of_values_is_within_two_units_of_one_by_one(
    executor: str, primitive: Primitive, example: Example | None, data: st.DataObject
) -> None:
    shapes = tuple((40,) for _ in primitive.domain)
    call = data.draw(calls(primitive, Example(shapes, dict(example.params) if example else {})))
    columns = [[float(x) for x in operand] for operand in call.operands]

    def all_of(*columns: Any) -> list[Any]:
        return [primitive(*row, **call.params) for row in zip(*columns, strict=True)]

    replayed = jit(all_of, executor=executor)
    replayed(*columns)
    eager = [float(x) for x in all_of(*columns)]
    assert ulps(np.array(replayed(*columns)), np.array(eager)) <= 2
    gives_its_operand_back = primitive.array is np.positive
    assert len(replayed.program.batches) == (0 if gives_its_operand_back else 1)


# --------------------------------------------------------------------------- random graphs

NUMBER = st.floats(-3, 3, allow_subnormal=False)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "sub", "mul", "div", "neg", "relu", "max", "twice", "half", "sum"]),
        st.integers(0, 10**6),
        st.integers(0, 10**6),
    ),
    min_size=1,
    max_size=60,
)


def program_of(steps: list[tuple[str, int, int]]) -> Callable[..., Any]:
    """A function of three numbers that does the steps, each with results of those before."""

    def f(x: Any, y: Any, z: Any) -> Any:
        known = [x, y, z]
        for name, i, j in steps:
            a, b = known[i % len(known)], known[j % len(known)]
            known.append(STEP[name](a, b))
        return sum(known[3:], known[0])

    return f


STEP: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / (b * b + 1.0),
    "neg": lambda a, b: -a,
    "relu": lambda a, b: ag.relu(a),
    "max": lambda a, b: ag.maximum(a, b),
    "twice": lambda a, b: a + a,
    "half": lambda a, b: 0.5 * a - 1.0,
    "sum": lambda a, b: a + b + a + b + 1.0,
}


@each_executor
@given(steps=STEPS, first=st.tuples(*[NUMBER] * 3), second=st.tuples(*[NUMBER] * 3))
def test_arithmetic_is_the_same_bit_for_bit(
    executor: str, steps: Any, first: Any, second: Any
) -> None:
    f = program_of(steps)
    eager = ag.value_and_grad(f, (0, 1, 2))
    replayed = jit(eager, executor=executor)
    for numbers in (first, second):
        same(replayed(*numbers), eager(*numbers))
    loss = jit(f, executor=executor)
    for numbers in (first, second):
        nodes, others = [Value(x) for x in numbers], [Value(x) for x in numbers]
        loss(*nodes).backward()
        f(*others).backward()
        same([x.grad or 0.0 for x in nodes], [x.grad or 0.0 for x in others])


@each_executor
def test_many_samples_are_few_batches_with_the_same_bits(executor: str) -> None:
    rng = np.random.default_rng(0)
    w = [[Value(x) for x in row] for row in rng.normal(size=(6, 5)).tolist()]
    v = [Value(x) for x in rng.normal(size=6).tolist()]
    points = rng.normal(size=(30, 5)).tolist()
    labels = np.sign(rng.normal(size=30)).tolist()

    def loss(points: list[list[Any]]) -> Any:
        total: Any = 0.0
        for point, label in zip(points, labels, strict=True):
            hidden = [sum((a * x for a, x in zip(row, point, strict=True)), 0.1) for row in w]
            score = sum(b * h.relu() for b, h in zip(v, hidden, strict=True))
            total = total + (1.0 - label * score).relu()
        return total / 30.0 + 1e-4 * sum(p * p for p in leaves)

    leaves = [x for row in w for x in row] + v
    replayed = jit(loss, executor=executor)
    for _ in range(3):  # the second and third run are replays, with other parameters
        for p in leaves:
            p.grad = None
        value = loss(points)
        value.backward()
        wanted = float(value), [p.grad for p in leaves]
        for p in leaves:
            p.grad = None
        value = replayed(points)
        value.backward()
        same((float(value), [p.grad for p in leaves]), wanted)
        for p in leaves:
            p.data = p.data - 0.1 * p.grad
    assert replayed.program.instructions > 2_000
    assert len(replayed.program.batches) < 40
    assert replayed.cache_info()[:2] == (2, 1)


# --------------------------------------------------------------------------- with gradients


def cubic(x: Any) -> Any:
    return x**3 * ag.exp(0.1 * x)


@each_executor
def test_derivatives_and_replays_nest_both_ways_to_any_order(executor: str) -> None:
    eager: Callable[..., Any] = cubic
    outside: Callable[..., Any] = jit(cubic, executor=executor)
    for _ in range(3):
        eager, outside = ag.grad(eager), ag.grad(outside)
        inside = jit(eager, executor=executor)
        for x in (1.5, -2.0, 1.5):
            np.testing.assert_allclose(inside(x), eager(x), rtol=1e-15)
            np.testing.assert_allclose(outside(x), eager(x), rtol=1e-15)


def rosenbrock(x: Any) -> Any:
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


TRANSFORMS: dict[str, Callable[[Any], Any]] = {
    "value_and_grad": ag.value_and_grad,
    "hessian": ag.hessian,
    "jacobian of grad": lambda f: ag.jacobian(ag.grad(f)),
    "hvp": lambda f: lambda x: ag.hvp(f)(x, np.cos(x)),
    "jvp": lambda f: lambda x: ag.jvp(f, (x,), (np.sin(x),)),
    "vjp": lambda f: lambda x: ag.vjp(f, x)[1](2.0),
}


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
def test_transforms_of_arrays_replay(transform: Callable[[Any], Any]) -> None:
    f = transform(rosenbrock)
    inside, outside = jit(f), transform(jit(rosenbrock))
    for shift in (0.0, 0.5, 1.0):
        x = np.linspace(-1.0, 2.0, 6) + shift
        for replayed in (inside, outside):
            for got, wanted in zip(_flat(replayed(x)), _flat(f(x)), strict=True):
                np.testing.assert_allclose(_plain(got), _plain(wanted), rtol=1e-13)


def test_a_replayed_loss_fills_the_gradients_of_what_it_closes_over() -> None:
    w, b = Tensor([[1.0, -2.0], [0.5, 3.0]]), Value(0.5)

    def loss(x: Any, y: Any) -> Any:
        return ag.mean((ag.tanh(x @ w) + b - y) ** 2)

    replayed = jit(loss)
    rng = np.random.default_rng(0)
    for _ in range(4):
        x, y = rng.normal(size=(5, 2)), rng.normal(size=(5, 2))
        for f in (loss, replayed):
            w.grad = b.grad = None
            value = f(x, y)
            value.backward()
            if f is loss:
                wanted = value.numpy(), w.grad, b.grad
            else:
                same((value.numpy(), w.grad, b.grad), wanted)
        w.data = w.numpy() - 0.1 * w.grad
        b.data = b.data - 0.1 * b.grad
    assert replayed.cache_info()[:2] == (3, 1)


def test_a_cotangent_other_than_one_and_several_results() -> None:
    w = Tensor([1.0, 2.0])

    def f(x: Any) -> Any:
        y = w * x
        return {"sum": y.sum(), "all": (y * y, 3)}

    replayed = jit(f)
    for x in (np.array([1.0, 3.0]), np.array([2.0, -1.0])):
        got, wanted = replayed(x), f(x)
        assert got["all"][1] == 3
        same(gradients(got["sum"], w, cotangent=2.5), gradients(wanted["sum"], w, cotangent=2.5))
        g = np.array([0.3, 0.7])
        same(gradients(got["all"][0], w, cotangent=g), gradients(wanted["all"][0], w, cotangent=g))
        slope = gradients((got["all"][0] * g).sum(), w, differentiable=True)
        eager = gradients((wanted["all"][0] * g).sum(), w, differentiable=True)
        same(gradients(slope.sum(), w), gradients(eager.sum(), w))


def test_backward_inside_is_refused() -> None:
    def f(x: Any) -> Any:
        w = x * 2.0
        (w * w).backward()
        return w

    with pytest.raises(ReplayError, match="would not be done again at a replay"):
        jit(f)(1.0)


def test_what_a_loss_does_not_depend_on_gets_no_gradient() -> None:
    w, v = Value(2.0), Value(3.0)
    f = jit(lambda x: (w * x, v * x))
    for _ in range(2):
        loss, _ = f(5.0)
        loss.backward()
    assert w.grad == 10.0
    assert v.grad is None


def test_two_replays_of_one_graph_add_up() -> None:
    w = Value(3.0)
    f = jit(lambda x: w * x)
    (f(2.0) + f(5.0) * f(1.0)).backward()
    assert w.grad == 2.0 + 5.0 * 3.0 + 15.0


def test_plain_in_plain_out_and_nodes_where_there_are_nodes() -> None:
    w = Value(2.0)
    assert type(jit(lambda x: x * 2.0)(3.0)) is float
    assert type(jit(lambda x: x * 2.0)(np.ones(2))) is np.ndarray
    assert isinstance(jit(lambda x: x * w)(3.0), Value)
    assert isinstance(jit(lambda x: x * 2.0)(Tensor([1.0])), Tensor)
    with ag.no_grad():
        assert jit(lambda x: x * w)(3.0).is_constant
    assert jit(lambda x: x.detach() * 2.0)(Value(1.0)).data == 2.0


def test_float32_stays_float32() -> None:
    w = Tensor(np.ones(3, np.float32))
    f = jit(lambda x: (w * x * 2.0).sum())
    y = f(np.arange(3, dtype=np.float32))
    y.backward()
    assert y.dtype == np.float32
    assert w.grad.dtype == np.float32


def test_what_a_replay_gives_is_not_written_to_by_the_next() -> None:
    f = jit(ag.value_and_grad(lambda x: np.sum(np.sin(x) * x)))
    g = jit(lambda x: (x + 1.0, x.T, x, np.sin(x)))
    first = f(np.ones(3))[1]
    kept = first.copy()
    given = np.arange(4.0).reshape(2, 2)
    results = g(given)
    copies = [x.copy() for x in results]
    f(np.zeros(3))
    g(np.zeros((2, 2)))
    same(first, kept)
    same(list(results), copies)
    assert not any(np.shares_memory(x, given) for x in results)


def test_no_gradient_where_a_branch_is_not_taken() -> None:
    def f(x: Any) -> Any:
        return np.sum(where(x > 0.0, np.log(x), 0.0) + where(x < 0.0, np.sqrt(-x), x))

    eager = ag.value_and_grad(f)
    replayed = jit(eager)
    for x in (np.array([1.0, 2.0]), np.array([0.0, -1.0]), np.array([-2.0, 0.0])):
        same(replayed(x), eager(x))
    w = Tensor([0.0, 2.0])
    loss = jit(lambda c: np.sum(where(c > 1.0, np.log(w), 0.0)))
    for _ in range(2):
        w.grad = None
        loss(np.array([0.0, 3.0])).backward()
        assert w.grad.tolist() == [0.0, 0.5]


def test_a_stopped_gradient_is_recorded_and_not_frozen() -> None:
    w = Value(2.0)
    f = jit(lambda x: (ag.stop_gradient(w) * x.detach() + x) * w)
    for x in (3.0, 5.0):
        w.data, w.grad = w.data + 1.0, None
        f(x).backward()
        assert w.grad == w.data * x + x


# --------------------------------------------------------------------------- what cannot be frozen

DECISIONS: dict[str, Callable[[Any], Any]] = {
    "if": lambda x: x if x > 0 else -x,
    "while": lambda x: _halved(x),
    "and": lambda x: (x > 0) and x,
    "float": lambda x: float(x) * x,
    "int": lambda x: int(x) * x,
    "round": lambda x: round(x) * x,
    "bool": lambda x: x * bool(x),
    "max": lambda x: max(x, 1.0),
    "sorted": lambda x: sorted([x, 2 * x])[0],
    "in": lambda x: x * (x in [1.0, x + 1.0]),
    "math": lambda x: math.sin(x) * x,
    "data": lambda x: x.data * x,
    "numpy": lambda x: x.numpy() * x,
    "format": lambda x: x * float(f"{x:.2f}"),
    "range": lambda x: sum(x for _ in range(int(x))),
    "no_grad": lambda x: _without_recording(x) * x,
}

OF_ARRAYS: dict[str, Callable[[Any], Any]] = {
    "item": lambda x: x.data.sum() * x,
    "tolist": lambda x: x * float(x.tolist()[0]),
    "argmax": lambda x: x[np.argmax(x)],
    "any": lambda x: x * np.any(x > 0),
    "method any": lambda x: x * (x > 0).any(),
    "argsort": lambda x: x[x.argsort()],
    "mask as index": lambda x: x[x > 0],
    "number as index": lambda x: x[x.sum()],
    "allclose": lambda x: x if np.allclose(x, 1.0) else 2 * x,
    "astype": lambda x: x * x.astype(int),
    "in": lambda x: x * (2.0 in x),
}


def _halved(x: Any) -> Any:
    while x > 1.0:
        x = x / 2
    return x


def _without_recording(x: Any) -> Any:
    with ag.no_grad():
        return x * x


@pytest.mark.parametrize("decide", DECISIONS.values(), ids=DECISIONS)
def test_a_decision_on_a_number_is_an_error_that_shows_the_line(
    decide: Callable[[Any], Any],
) -> None:
    with pytest.raises((ReplayError, ag.DataError)) as error:
        jit(decide)(2.5)
    assert not isinstance(error.value, ReplayError) or (
        f"{__file__}:" in str(error.value) and "where" in str(error.value)
    )


@pytest.mark.parametrize("decide", OF_ARRAYS.values(), ids=OF_ARRAYS)
def test_a_decision_on_an_array_is_one_too(decide: Callable[[Any], Any]) -> None:
    with pytest.raises(ReplayError, match="where"):
        jit(decide)(np.array([0.5, 2.0]))


def test_a_decision_on_a_parameter_is_one_too() -> None:
    w = Value(1.0)
    with pytest.raises(ReplayError, match=r"test_replay.py:\d+: .*if w > 0"):
        jit(lambda x: x * w if w > 0 else x)(2.0)


def test_choices_without_a_decision_are_replayed() -> None:
    def f(x: Any) -> Any:
        inside = (x > -1.0) & ~(x > 1.0) | (x == 2.0)
        return where(inside, x * x, 0.0) + ag.clip(x, -2.0, 2.0) + ag.maximum(x, 0.5) % 3.0

    replayed = jit(ag.value_and_grad(lambda x: np.sum(f(x))))
    of_one = jit(ag.value_and_grad(f))
    for x in ([0.5, 2.0, 3.0], [-3.0, 1.0, 0.25]):
        same(replayed(np.array(x)), ag.value_and_grad(lambda x: np.sum(f(x)))(np.array(x)))
        for number in x:
            same(of_one(number), ag.value_and_grad(f)(number))


def test_a_callback_is_called_at_every_replay() -> None:
    rng = np.random.default_rng(0)
    w = Tensor(np.ones(4))

    @jit
    def noisy(x: Any) -> Any:
        keep = ag.callback(lambda: (rng.random(4) < 0.5).astype(float))
        return (w * x * keep).sum()

    kept = []
    for _ in range(8):
        w.grad = None
        y = noisy(np.arange(4.0))
        y.backward()
        assert float(y) == w.grad.sum()
        kept.append(tuple(w.grad))
    assert len({*kept}) > 3
    ordered = jit(lambda x: ag.callback(np.sort, x) * x)
    for x in (np.array([2.0, 1.0]), np.array([1.0, 3.0])):
        same(ordered(x), np.sort(x) * x)


def test_a_callback_that_gave_back_what_it_was_given_is_called_all_the_same() -> None:
    def capped(x: np.ndarray) -> np.ndarray:
        return x if x.max() < 10.0 else np.minimum(x, 10.0)

    f = jit(lambda x: ag.callback(capped, x) * 2.0)
    same(f(np.ones(3)), np.full(3, 2.0))
    same(f(np.full(3, 99.0)), np.full(3, 20.0))


def test_each_callback_is_called_used_or_not() -> None:
    seen: list[float] = []

    def count(x: np.ndarray) -> np.ndarray:
        seen.append(x[0])
        return np.full(2, float(len(seen)))

    def f(x: Any) -> Any:
        ag.callback(count, x)
        return ag.callback(count, x) - ag.callback(count, x) + x

    replayed = jit(f)
    replayed(np.ones(2))
    seen.clear()
    same(replayed(np.full(2, 5.0)), np.full(2, 4.0))
    assert seen == [5.0] * 3


@each_executor
@pytest.mark.parametrize(
    ("loss", "right", "wrong"),
    [
        (nn.cross_entropy, [0, 1], [0, -1]),
        (nn.cross_entropy, [0, 1], [0, 2]),
        (nn.hinge_loss, [[1.0, -1.0], [1.0, 1.0]], [[1.0, -1.0], [0.0, 1.0]]),
        (
            nn.binary_cross_entropy_with_logits,
            [[0.0, 1.0], [0.5, 1.0]],
            [[0.0, 1.0], [-1.0, 1.0]],
        ),
    ],
)
def test_wrong_labels_of_a_later_batch_are_noticed(
    executor: str, loss: Any, right: Any, wrong: Any
) -> None:
    scores = Tensor([[0.5, -1.0], [2.0, 0.0]])
    f = jit(lambda y: loss(scores, y), executor=executor)
    f(np.array(right))
    with pytest.raises(ValueError, match="labels"):
        f(np.array(wrong))
    with pytest.raises(ValueError, match="labels"):  # also of the first one
        jit(lambda y: loss(scores, y), executor=executor)(np.array(wrong))


def test_a_number_of_a_callback_is_a_number() -> None:
    x32 = Tensor(np.ones(2, np.float32))
    for f in (
        lambda x: x * ag.callback(np.sign, x),
        lambda x: x32 * ag.callback(np.sum, x),
        lambda x: x32 * ag.callback(lambda: np.float32(2.0)),
    ):
        for x in (Value(2.0), Value(-3.0)):
            got, wanted = jit(f)(x), f(x)
            assert type(got) is type(wanted)
            assert got.dtype == wanted.dtype
            same(got, wanted)


def test_whole_numbers_among_the_arguments_may_be_an_index() -> None:
    w = Tensor(np.random.default_rng(0).normal(size=(4, 3)))

    def f(rows: Any, columns: Any) -> Any:
        picked = w[rows] * w[np.arange(2), columns][:, None] + w[..., columns].sum()
        return (picked * picked).sum()

    replayed = jit(f)
    for rows, columns in (
        (np.array([0, 2]), np.array([1, 1])),
        (np.array([3, 3]), np.array([2, 0])),
    ):
        for g in (f, replayed):
            w.grad = None
            value = g(rows, columns)
            value.backward()
            if g is f:
                wanted = value.numpy(), w.grad
            else:
                same((value.numpy(), w.grad), wanted)
    assert replayed.cache_info().misses == 1
    with pytest.raises(ag.OutOfRangeError, match="index 4 is out of bounds"):
        replayed(np.array([4, 0]), np.array([0, 0]))


# --------------------------------------------------------------------------- what is recorded anew


def test_shapes_dtypes_structures_and_whole_numbers_record_again() -> None:
    f = jit(lambda x, n=2: ag.sum(x["a"] if isinstance(x, dict) else x) * n)
    arguments: list[tuple[Any, ...]] = [
        (1.0,),
        (np.ones(2),),
        (np.ones(3),),
        (np.ones(3, np.float32),),
        ({"a": np.ones(3)},),
        (1.0, 3),
        (1.0, 4),
        (1.0, 2.5),
    ]
    for _ in range(2):
        for args in arguments:
            wanted = np.sum(args[0]["a"] if isinstance(args[0], dict) else args[0]) * (*args, 2)[1]
            assert f(*args) == wanted
    assert f.cache_info()[:2] == (len(arguments), len(arguments))


def test_the_recordings_are_bounded() -> None:
    f = jit(lambda x, n: x * n)
    for n in range(100):
        assert f(2.0, n) == 2.0 * n
    assert f.cache_info().currsize == f.cache_info().maxsize < 100


def test_a_name_that_is_bound_to_another_object_is_seen() -> None:
    w, factor = Value(1.0), 2.0
    f = jit(lambda x: w * x * factor)
    assert float(f(3.0)) == 6.0
    w = Value(10.0)
    assert float(f(3.0)) == 60.0
    factor = 5.0
    assert float(f(3.0)) == 150.0
    w.data = 1.0
    assert float(f(3.0)) == 15.0


def test_an_array_written_to_in_place_is_seen_where_a_tensor_holds_it() -> None:
    w = Tensor([1.0, 2.0])
    f = jit(lambda x: (w * x).sum())
    assert float(f(np.ones(2))) == 3.0
    w.data[0] = 5.0
    assert float(f(np.ones(2))) == 7.0
    y = f(np.ones(2))
    w.data = [7.0, 8.0]
    with pytest.raises(ag.StaleGraphError):
        y.backward()


def test_threads_record_once_and_replay_side_by_side() -> None:
    f = jit(ag.value_and_grad(lambda x: np.sum(np.sin(x) @ np.cos(x).T)))
    results: dict[int, Any] = {}

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        results[seed] = [f(rng.normal(size=(20, 20))) for _ in range(20)]

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in range(8):
        rng = np.random.default_rng(seed)
        for got in results[seed]:
            same(got, f(rng.normal(size=(20, 20))))
    assert f.cache_info().misses == 1


def test_methods_and_nested_replays() -> None:
    class Model:
        def __init__(self) -> None:
            self.w = Value(2.0)

        @jit
        def loss(self, x: Any) -> Any:
            return inner(self.w) * x

    inner = jit(lambda w: w * w)
    a, b = Model(), Model()
    b.w.data = 3.0
    for model, square in ((a, 4.0), (b, 9.0), (a, 4.0)):
        y = model.loss(5.0)
        y.backward()
        assert float(y) == 5.0 * square
    assert a.w.grad == 40.0


# --------------------------------------------------------------------------- errors


def test_errors_are_those_of_the_function() -> None:
    f = jit(lambda x: ag.inv(x))
    f(np.eye(2))
    with pytest.raises(ag.SingularMatrixError):
        f(np.ones((2, 2)))
    with pytest.raises(ag.ShapeError, match="matmul"):
        jit(lambda x, y: x @ y)(np.ones(2), np.ones(3))
    assert jit(lambda x: 1.0 / x)(0.0) == math.inf
    assert jit(lambda x: ag.log(x))(0.0) == -math.inf


def test_words_for_wrong_arguments() -> None:
    with pytest.raises(ag.DataError, match="jit takes a function, got"):
        jit(3)
    with pytest.raises(ag.DataError, match="executor is one of numpy, numba, got 'gpu'"):
        jit(abs, executor="gpu")
    with pytest.raises(ag.DataError, match="what can be hashed, got"):
        jit(lambda x: x)({1, 2})
    with pytest.raises(ReplayError, match="not called yet"):
        _ = jit(abs).program


# --------------------------------------------------------------------------- rules


def names_of(f: Callable[..., Any], *args: Any) -> list[str]:
    replayed = jit(f)
    replayed(*args)
    return [batch.kind.primitive.name for batch in replayed.program.batches]


def test_times_one_and_minus_zero_are_dropped_but_not_plus_zero() -> None:
    assert names_of(lambda x: (1.0 * x * 1.0 / 1.0 - 0.0) ** 1.0, 2.0) == []
    assert names_of(lambda x: x + 0.0, 2.0) == ["add"]  # it makes 0.0 of -0.0
    assert math.copysign(1.0, jit(lambda x: x + 0.0)(-0.0)) == 1.0
    assert math.copysign(1.0, jit(lambda x: x - 0.0)(-0.0)) == -1.0
    assert names_of(lambda x: np.ones((2, 1)) * x, np.ones(2)) == ["mul"]


def test_constants_are_folded() -> None:
    assert names_of(lambda x: x * (ag.stop_gradient(Value(2.0)) * 3.0 + 1.0), 2.0) == ["mul"]


def test_what_no_result_needs_is_dropped() -> None:
    def f(x: Any) -> Any:
        ag.exp(x)
        return ag.sin(x)

    assert names_of(f, 2.0) == ["sin"]
    assert names_of(f, np.ones(2)) == ["sin"]


def test_what_is_computed_twice_is_computed_once() -> None:
    assert names_of(lambda x: ag.sin(x) * ag.sin(x), 2.0) == ["sin", "mul"]
    assert names_of(lambda x: ag.sin(x) * ag.sin(x), np.ones(3)) == ["sin", "mul"]
    f = jit(lambda x, y: [ag.sin(z) for z in (x, y, x, y, x)])
    f(1.0, 2.0)
    assert [len(batch) for batch in f.program.batches] == [2]
    same(f(3.0, 4.0), [ag.sin(z) for z in (3.0, 4.0, 3.0, 4.0, 3.0)])


def test_the_identity_and_a_view_of_all_are_dropped() -> None:
    assert names_of(lambda x: ag.reshape(+x, (2, 3)) * 2.0, np.ones((2, 3))) == ["mul"]
    assert names_of(lambda x: x.T.T * 2.0, np.ones((2, 3))) == ["mul"]
    assert names_of(lambda x: (x + 1.0)[::-1].T.T[::-1] * 2.0, np.ones((2, 3))) == ["add", "mul"]


VIEWS: list[Callable[[Any], Any]] = [
    lambda x: x.T,
    lambda x: x[::-1],
    lambda x: x.reshape(-1),
    lambda x: x.reshape((3, -1)),
    lambda x: x.reshape((-1, 3)),
    lambda x: x.swapaxes(0, -1),
    lambda x: x[..., ::-1],
    lambda x: x + 0.5,
]


@given(st.lists(st.sampled_from(VIEWS), max_size=7), st.booleans())
def test_views_of_views_are_those_of_the_numbers(views: list[Any], of_result: bool) -> None:
    def chained(x: Any) -> Any:
        x = x * 2.0 if of_result else x
        seen = [x := view(x) for view in views]
        return [x * 3.0, *seen]

    f = jit(chained)
    f(np.zeros((6, 3)))
    numbers = np.random.default_rng(0).normal(size=(6, 3))
    same(f(numbers), chained(numbers))


def test_a_chain_of_sums_is_one_operation_with_its_rounding() -> None:
    numbers = [1e16, 1.0, -1e16, 1.0, 3.0, 1e-3, 7.0, 0.1, 1e8]
    f = jit(lambda *xs: sum(xs[1:], xs[0]), executor="numpy")
    f(*map(float, range(9)))
    (batch,) = f.program.batches
    assert batch.is_folded
    assert f(*numbers) == sum(numbers[1:], numbers[0])


@each_executor
@pytest.mark.parametrize("combine", [operator.add, operator.mul])
@pytest.mark.parametrize("width", range(3, 15))
def test_many_chains_are_folded_from_left_to_right(executor: str, combine: Any, width: int) -> None:
    f = jit(lambda rows: [functools.reduce(combine, row) for row in rows], executor=executor)
    rows = np.random.default_rng(width).normal(size=(50, width)).tolist()
    f(rows)
    same(f(rows), [functools.reduce(combine, row) for row in rows])
    (batch,) = f.program.batches
    assert batch.is_folded


# --------------------------------------------------------------------------- nothing is frozen


def others_like(x: np.ndarray) -> list[np.ndarray]:
    """Arrays in another order, of other signs, with ties, nan, and infinities in other places."""
    moved = np.where(np.isnan(x), 1.0, np.roll(x, 1))
    broken = np.array(x)
    broken.flat[:1] = np.nan
    return [np.flip(x), -x, moved, np.abs(x) + 0.25, broken, np.ones_like(x)]


def differs(got: Any, wanted: Any) -> bool:
    """Whether two results are not the same numbers, to rounding."""
    first, second = flatten(got)[0], flatten(wanted)[0]
    if len(first) != len(second):
        return True
    for a, b in zip(first, second, strict=True):
        a, b = np.asarray(_plain(a)), np.asarray(_plain(b))
        if a.dtype.kind in "fiub":
            if a.shape != b.shape or not np.allclose(a, b, 1e-9, 1e-11, equal_nan=True):
                return True
        elif repr(a) != repr(b):
            return True
    return False


def frozen(f: Callable[..., Any], first: list[Any], later: list[list[Any]]) -> list[Any]:
    """What a replay gets wrong, on numbers other than those it was recorded with."""
    replayed = jit(f, executor="numpy")
    try:
        replayed(*first)
    except Exception:  # an error is no wrong number
        return []
    wrong = []
    for args in later:
        try:
            wanted = f(*args)
        except Exception:
            continue
        if differs(replayed(*args), wanted):
            wrong.append(args)
    return wrong


def rows_of_tests() -> list[tuple[str, Callable[..., Any], tuple[Any, ...], dict[str, Any]]]:
    """The calls by which values and derivatives of NumPy's functions and ours are tested."""
    theirs = [
        (name, protocol.numpy_function(name), args, options)
        for name, args, options in test_protocol.ROWS
    ]
    ours = [
        (name, getattr(ag, name), args, options)
        for name, _, args, options in test_numpy_functions.ROWS
    ]
    return theirs + ours


@pytest.mark.parametrize("part", range(4))
def test_no_function_freezes_a_number_or_a_decision(part: int) -> None:
    recorded = 0
    for name, function, args, options in rows_of_tests()[part::4]:
        leaves, structure = flatten((args, options))
        places = [i for i, x in enumerate(leaves) if np.asarray(x).dtype.kind == "f" and np.ndim(x)]

        def f(*given: Any, leaves=leaves, places=places, structure=structure, g=function) -> Any:
            now = list(leaves)
            for place, x in zip(places, given, strict=True):
                now[place] = x
            args, options = structure.rebuild(now)
            return g(*args, **options)

        def slopes(*given: Any, f=f) -> Any:
            def total(*given: Any) -> Any:
                results = [y for y in flatten(f(*given))[0] if isinstance(y, ag.Node)]
                return sum((ag.sum(y * y) for y in results if y.dtype.kind == "f"), 0.0)

            return ag.grad(total, tuple(range(len(given))))(*given)

        if not places:
            continue
        first = [np.asarray(leaves[i]) for i in places]
        later = [list(xs) for xs in zip(*map(others_like, first), strict=True)]
        nodes = [list(map(Tensor, xs)) for xs in (first, *later)]
        assert frozen(f, nodes[0], nodes[1:]) == [], name
        assert frozen(slopes, first, later) == [], f"the gradient of {name}"
        recorded += 1
    assert recorded > 100


FORMS: list[Callable[[Any], tuple[Any, ...]]] = [
    lambda x: (x,),
    lambda x: (x, 0.5 * x),
    lambda x: (x, 1),
    lambda x: ([x, 2.0 * x],),
    lambda x: (x > 0.5, x, -x),
]
SQUARE = np.array([[0.3, -1.2, 2.5], [0.9, -0.4, 1.7], [2.1, 0.1, -0.7]])
WRITES = {"save", "savez", "savez_compressed", "savetxt", "fromfile", "memmap"}
SETS = {"set_printoptions", "seterr", "setbufsize", "seterrcall", "test", "info", "show_config"}
TEXT = {"array_repr", "array_str", "array2string", "empty", "empty_like", "jit", "bmat"}
ALIKE = {"shares_memory", "may_share_memory", "show_runtime", "topological_order", "draw"}


def every_function() -> dict[str, Callable[..., Any]]:
    """All that NumPy and this package can be asked for, by name, and the methods of ufuncs."""
    found = {}
    for module in (np, np.linalg, np.fft, ag):
        for name in dir(module):
            f = getattr(module, name)
            if callable(f) and not isinstance(f, type) and not name.startswith("_"):
                found[f"{module.__name__}.{name}"] = f
                if isinstance(f, np.ufunc):
                    for method in ("reduce", "accumulate", "outer"):
                        found[f"np.{name}.{method}"] = getattr(f, method)
    skipped = WRITES | SETS | TEXT | ALIKE
    return {name: f for name, f in found.items() if name.rpartition(".")[2] not in skipped}


METHODS = sorted({*dir(Tensor)} - {*dir(object)})


@pytest.mark.parametrize("kind", [Tensor, Value])
def test_nothing_that_can_be_called_freezes_a_number(kind: type) -> None:
    first: Any = SQUARE if kind is Tensor else 0.4
    later: list[Any] = others_like(SQUARE) if kind is Tensor else [0.7, -2.5, 0.0, math.nan, 3.0]
    arguments = [[kind(x)] for x in (first, *later)]
    wrong = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for name, function in every_function().items():
            for number, form in enumerate(FORMS):
                if frozen(
                    lambda x, f=function, form=form: f(*form(x)), arguments[0], arguments[1:]
                ):
                    wrong.append((name, number))
        for name in METHODS:
            if name in ("backward", "epoch") or (name.startswith("_") and name[1] != "_"):
                continue
            if name in ("__format__", "__array_ufunc__", "__array_function__", "__slots__"):
                continue
            for more in ((), (1,), (2.0,), (0, 1)):
                if frozen(
                    lambda x, name=name, more=more: _got(x, name, more), arguments[0], arguments[1:]
                ):
                    wrong.append((name, more))
    assert wrong == []


def _got(x: Any, name: str, more: tuple[Any, ...]) -> Any:
    found = getattr(x, name)
    return found(*more) if callable(found) else found


# --------------------------------------------------------------------------- surroundings

RATE = 1.0
SETTINGS = {"rate": 1.0}
RATES = [1.0]


class Holder:
    """An object with a number, as a property, a method and an attribute."""

    def __init__(self) -> None:
        self.rate = RATE

    @property
    def doubled(self) -> float:
        return 2.0 * self.rate

    def times(self, x: Any) -> Any:
        return x * self.rate

    @jit
    def replayed(self, x: Any) -> Any:
        return x * self.rate

    def __call__(self, x: Any) -> Any:
        return self.times(x)


HOLDER = Holder()
MODULE = types.ModuleType("a_module_of_the_users")


def helper(x: Any) -> Any:
    return x * RATE


def further_helper(x: Any, by: Callable[[Any], Any] = helper) -> Any:
    return by(x)


def decorated(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    @functools.wraps(f)
    def wrapper(x: Any) -> Any:
        return f(x)

    return wrapper


class Layer(nn.Module):
    """A module that reads a number of its own."""

    def __init__(self) -> None:
        self.rate = RATE

    def __call__(self, x: Any) -> Any:
        return x * self.rate


LAYERS = nn.Sequential(nn.Sequential(Layer()))
inner = jit(helper)

THROUGH: dict[str, Callable[[Any], Any]] = {
    "global": lambda x: x * RATE,
    "global in an inner function": lambda x: sum([(lambda: x * RATE)() for _ in range(2)]),
    "function": lambda x: helper(x),
    "function of a function": lambda x: further_helper(x),
    "default": lambda x, by=helper: by(x),
    "decorated": decorated(helper),
    "partial": functools.partial(lambda y, x: helper(x) * y, 3.0),
    "under jit": lambda x: inner(x),
    "derivative": ag.value_and_grad(lambda x: helper(x) * x),
    "derivative of a replay": ag.value_and_grad(jit(lambda x: helper(x) * x)),
    "dict": lambda x: x * SETTINGS["rate"],
    "list": lambda x: x * RATES[0],
    "attribute": lambda x: x * HOLDER.rate,
    "property": lambda x: x * HOLDER.doubled,
    "method": lambda x: HOLDER.times(x),
    "method itself": HOLDER.times,
    "method under jit": HOLDER.replayed,
    "object": HOLDER,
    "object called": lambda x: HOLDER(x),
    "module": lambda x: x * MODULE.rate,  # type: ignore[attr-defined]
    "layers": lambda x: LAYERS(x),
}


def set_rate(rate: float) -> None:
    global RATE
    RATE = SETTINGS["rate"] = RATES[0] = HOLDER.rate = rate
    MODULE.rate = LAYERS[0][0].rate = rate  # type: ignore[attr-defined]


@pytest.mark.parametrize("f", THROUGH.values(), ids=THROUGH)
def test_what_a_function_reaches_by_name_is_looked_up_at_every_call(f: Callable[..., Any]) -> None:
    set_rate(1.0)
    replayed = jit(f)
    for rate in (1.0, 2.5, 2.5, 1.0):
        set_rate(rate)
        for x in (1.0, 3.0):
            same(replayed(x), f(x))
    assert replayed.cache_info().hits > 0


def test_a_variable_of_an_enclosing_function_is_seen_through_another_function() -> None:
    beta = 1.0

    def loss(x: Any) -> Any:
        return x * beta

    f = jit(decorated(loss))
    assert f(2.0) == 2.0
    beta = 3.0
    assert f(2.0) == 6.0


@pytest.mark.parametrize("base", [2.0, 1.0, 0.5])
def test_a_power_with_a_fixed_base_is_replayed(base: float) -> None:
    eager = ag.value_and_grad(lambda x: base**x)
    f = jit(eager)
    for x in (3.0, -0.5, 0.0):
        same(f(x), eager(x))


def test_a_layer_of_nn_that_is_set_to_evaluate_is_seen() -> None:
    model = nn.Sequential(nn.Linear(2, 8, rng=0), nn.Dropout(0.5, rng=0))
    x = np.ones((3, 2))
    f = jit(lambda x: ag.sum(model(x)))
    assert len({float(f(x)) for _ in range(5)}) > 1
    model.eval()
    assert {float(f(x)) for _ in range(5)} == {float(ag.sum(model(x)))}
    model.train()
    assert len({float(f(x)) for _ in range(5)}) > 1


def test_what_is_another_at_every_call_is_at_last_not_recorded_any_more() -> None:
    f = jit(lambda x: x * RATE)
    for i in range(300):
        set_rate(float(i))
        assert f(2.0) == 2.0 * i
    assert f.cache_info().misses < 200
    set_rate(1.0)


# --------------------------------------------------------------------------- side effects, results


def test_a_result_that_may_hide_numbers_is_an_error() -> None:
    async def later(x: Any) -> Any:
        return x

    def one_by_one(x: Any) -> Any:
        yield x

    for f in (lambda x: {x}, lambda x: lambda: x, lambda x: map(abs, [x]), one_by_one, later):
        with pytest.raises(ReplayError, match="gives nodes, numbers, arrays"):
            jit(f)(1.0)
    marker = Holder()
    assert jit(lambda x, y: (y, x))(1.0, marker) == (marker, 1.0)
    assert jit(lambda x: (3, "a", None, True, ..., np.int8(3)))(1.0) == (3, "a", None, True, ..., 3)


def test_an_array_that_does_not_depend_on_an_argument_is_a_new_one_each_time() -> None:
    f = jit(lambda x: (np.zeros(2), x))
    f(1.0)[0][:] = 7.0
    same(f(1.0)[0], np.zeros(2))


def test_numbers_of_numpy_are_given_back_as_such() -> None:
    for x in (np.ones(3), np.ones(3, np.float32)):
        for f in (np.sum, ag.mean, lambda x: x[0]):
            assert type(jit(f)(x)) is type(f(x))
    assert isinstance(jit(np.sum)(np.ones(3)), float)
    x = np.float32(2.0)
    assert type(jit(lambda x: x * 2.0)(x)) is np.float32


def test_random_numbers_are_not_repeated() -> None:
    rng = np.random.default_rng(0)
    for f in (
        lambda x: x * np.random.rand(),
        lambda x: x * random.random(),
        lambda x: x * rng.normal(),
    ):
        with pytest.raises(ReplayError, match="random numbers"):
            jit(f)(1.0)
    drawn = jit(lambda x: x * ag.callback(lambda: rng.normal(size=2)))
    assert (drawn(1.0) != drawn(1.0)).all()


def test_data_that_the_function_sets_is_an_error() -> None:
    for leaf, x in ((Value(1.0), 2.0), (Tensor([1.0]), np.ones(1))):

        def f(x: Any, leaf: Any = leaf) -> Any:
            leaf.data = 3.0 * leaf.detach()
            return leaf * x

        with pytest.raises(ReplayError, match="data is set"):
            jit(f)(x)


def test_bits_of_whole_numbers_are_not_taken_for_bools() -> None:
    whole = np.array([4, 5, 6])
    for f in (
        lambda i: i & 1,
        lambda i: 1 & i,
        lambda i: i | 1,
        lambda i: ~i,
        lambda i: np.bitwise_and(i, 1),
        lambda i: np.invert(i),
    ):
        with pytest.raises(ag.DataError, match="takes bools"):
            jit(f)(whole)
    bools = np.array([True, False, True])
    same(jit(lambda b: (b & ~b, b | b[::-1]))(bools), (bools & ~bools, bools | bools))


def test_what_a_result_does_not_depend_on_gets_no_gradient_from_it() -> None:
    a, b = Tensor([1.0]), Tensor([2.0])
    f = jit(lambda x: (a * x, b * x))
    for _ in range(2):
        first, _ = f(np.ones(2))
        ag.sum(first).backward()
    assert a.grad.tolist() == [4.0]
    assert b.grad is None


# --------------------------------------------------------------------------- memory, copies, stops


def test_recordings_go_when_the_function_goes() -> None:
    w = Tensor(np.ones(3))
    f = jit(lambda x: ag.sum(x * w * w))
    f(np.ones(3))
    gradients(f(np.ones(3)) * 2.0, w)  # records the pullback, too
    program = weakref.ref(f.program)
    gc.disable()
    try:
        del f
        assert program() is None
    finally:
        gc.enable()


def test_copies_and_pickles() -> None:
    f = jit(helper)
    set_rate(1.0)
    f(1.0)
    for other in (copy.copy(f), copy.deepcopy(f), pickle.loads(pickle.dumps(f))):
        assert other(3.0) == 3.0
    w = Value(2.0)
    y = jit(lambda x: x * w)(3.0)
    copy.deepcopy(y).backward()
    with pytest.raises(ag.DataError, match="cannot be pickled"):
        pickle.dumps(y)


def test_a_recording_that_is_stopped_leaves_nothing_behind() -> None:
    def f(x: Any, stop: bool) -> Any:
        if stop:
            raise KeyboardInterrupt
        return x * 2.0

    replayed = jit(f)
    with pytest.raises(KeyboardInterrupt):
        replayed(1.0, True)
    assert gc.isenabled()
    assert not is_tracing()
    assert replayed.cache_info().currsize == 0
    assert replayed(1.0, False) == 2.0


def test_a_callback_that_fails_once_does_not_spoil_the_next_replay() -> None:
    fails = [False]

    def checked(x: Any) -> Any:
        if fails[0]:
            raise KeyError("mine")
        return 2.0 * x

    f = jit(lambda x: ag.callback(lambda x: checked(x), x) + x * x)
    x = np.array([1.0, 2.0])
    wanted = f(x)
    fails[0] = True
    with pytest.raises(KeyError, match="mine"):
        f(x)
    fails[0] = False
    same(f(x), wanted)


# --------------------------------------------------------------------------- every rule, any graph

SPECIAL = st.sampled_from([0.0, -0.0, 1.0, -1.0, math.nan, math.inf, -math.inf, 0.5, 3.0])
LINKS = st.lists(
    st.tuples(
        st.sampled_from(["+", "-", "*", "/", "neg", "pos", "c+", "c*", "+c", "*c", "-c", "/c"]),
        st.integers(0, 10**6),
        st.integers(0, 10**6),
        SPECIAL,
    ),
    min_size=1,
    max_size=40,
)


def linked(steps: Any) -> Callable[..., list[Any]]:
    """A function that does arithmetic with constants, mostly on what it has just computed."""

    def f(*given: Any) -> list[Any]:
        known = list(given)
        for name, i, j, c in steps:
            a, b = known[-1 - i % min(len(known), 4)], known[j % len(known)]
            known.append(
                {
                    "+": lambda a, b, c: a + b,
                    "-": lambda a, b, c: a - b,
                    "*": lambda a, b, c: a * b,
                    "/": lambda a, b, c: ag.div(a, b),
                    "neg": lambda a, b, c: -a,
                    "pos": lambda a, b, c: ag.identity(a),
                    "c+": lambda a, b, c: c + a,
                    "c*": lambda a, b, c: c * a,
                    "+c": lambda a, b, c: a + c,
                    "*c": lambda a, b, c: a * c,
                    "-c": lambda a, b, c: a - c,
                    "/c": lambda a, b, c: ag.div(a, c),
                }[name](a, b, c)
            )
        return [*known[-6:], known[len(known) // 2]]

    return f


def bits(x: Any) -> Any:
    """What tells apart numbers of which == says that they are equal: the sign of 0, not of nan."""
    x = np.asarray(_plain(x))
    return np.where(np.isnan(x), np.nan, x).tobytes()


@each_executor
@pytest.mark.parametrize("of_arrays", [False, True])
@given(steps=LINKS, first=st.tuples(*[SPECIAL] * 3), second=st.tuples(*[SPECIAL] * 3))
def test_rewriting_keeps_every_bit(
    executor: str, of_arrays: bool, steps: Any, first: Any, second: Any
) -> None:
    f = linked(steps)
    make = (lambda xs: [np.array([x, 2.0]) for x in xs]) if of_arrays else list
    replayed = jit(f, executor=executor)
    with np.errstate(all="ignore"):
        for numbers in (first, second):
            assert list(map(bits, replayed(*make(numbers)))) == list(map(bits, f(*make(numbers))))
