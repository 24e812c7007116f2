"""Derivatives of functions of numbers and arrays: structure, nesting, confusion, errors."""

from __future__ import annotations

import copy
import math
import operator
import pickle
import warnings
from collections import OrderedDict, namedtuple
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd as ag
from autograd import (
    DataError,
    GradientError,
    Node,
    ShapeError,
    StaleGraphError,
    Tensor,
    Value,
    elementwise_grad,
    grad,
    gradients,
    hessian,
    hvp,
    jacobian,
    jvp,
    stop_gradient,
    value_and_grad,
    vjp,
)
from autograd.structure import flatten

Point = namedtuple("Point", "x y")

# --------------------------------------------------------------------------- kinds of arguments


def total(tree: Any) -> Any:
    """The sum of the squares of all numbers in a tree."""
    return sum((np.sum(leaf * leaf) for leaf in flatten(tree)[0]), 0.0)


ARGUMENTS: dict[str, Any] = {
    "float": 3.0,
    "int": 3,
    "float32 number": np.float32(3.0),
    "float64 number": np.float64(3.0),
    "float16 number": np.float16(3.0),
    "0-d": np.array(3.0),
    "0-d float32": np.array(3.0, np.float32),
    "vector": np.array([1.0, 2.0]),
    "matrix of float32": np.ones((2, 3), np.float32),
    "no elements": np.ones((0, 2)),
    "not contiguous": np.arange(6.0).reshape(2, 3).T[::2],
    "read-only": np.broadcast_to(1.0, (2, 2)),
    "tuple": (1.0, np.ones(2)),
    "list": [np.float32(2.0), [3.0]],
    "dict": {"w": np.ones((2, 2)), "b": 1.0},
    "OrderedDict": OrderedDict(b=1.0, a=np.array(2.0)),
    "namedtuple": Point(1.0, (np.ones(1), Point(2.0, 3.0))),
    "empty inside": {"a": (), "b": [], "c": {}, "d": 2.0},
    "None inside": [None, (2.0, None), {"a": None}],
    "nothing": (),
}


def assert_alike(derivative: Any, argument: Any) -> None:
    """Structure, kinds, shapes and dtypes are those of the argument; an int's is a float."""
    got, structure = flatten(derivative)
    given, expected = flatten(argument)
    assert structure == expected
    for g, x in zip(got, given, strict=True):
        assert type(g) is (float if type(x) is int else type(x))
        if not isinstance(x, (int, float)):
            assert (g.shape, g.dtype) == (x.shape, x.dtype)


@pytest.mark.parametrize("argument", ARGUMENTS.values(), ids=ARGUMENTS)
def test_derivatives_are_alike_their_arguments(argument: Any) -> None:
    slope = grad(total)(argument)
    value, same = value_and_grad(total)(argument)
    assert not isinstance(value, Node)
    pulled = vjp(total, argument)[1](value * 0 + 1)[0]
    product = hvp(total)(argument, argument)
    for derivative in (slope, same, pulled, product, elementwise_grad(total)(argument)):
        assert_alike(derivative, argument)
        for g, x in zip(flatten(derivative)[0], flatten(argument)[0], strict=True):
            np.testing.assert_array_equal(g, 2 * x)


@pytest.mark.parametrize("argument", ARGUMENTS.values(), ids=ARGUMENTS)
def test_jacobian_of_one_number_is_its_gradient(argument: Any) -> None:
    assert_alike(jacobian(total)(argument), argument)


@pytest.mark.parametrize("argument", ARGUMENTS.values(), ids=ARGUMENTS)
def test_derivatives_along_nodes_are_nodes_alike(argument: Any) -> None:
    leaves, structure = flatten(argument)
    nodes = [Tensor(x) if isinstance(x, np.ndarray) else Value(x) for x in leaves]
    slopes, nesting = flatten(grad(total)(structure.rebuild(nodes)))
    assert nesting == structure
    for slope, x in zip(slopes, nodes, strict=True):
        assert type(slope) is type(x)
        assert (slope.shape, slope.dtype) == (x.shape, x.dtype)
        assert np.array_equal(gradients(slope.sum() if slope.shape else slope, x), 2 * x.data**0)


def test_derivatives_are_their_own() -> None:
    x = np.ones(3)
    _, (a, b) = value_and_grad(lambda x, y: np.sum(x + y), (0, 1))(x, x)
    a[0] = 9.0
    assert b.tolist() == x.tolist() == [1.0, 1.0, 1.0]
    _, pullback = vjp(lambda x: x, x)
    (g,) = pullback(x)
    g[0] = 9.0
    assert x.tolist() == pullback(x)[0].tolist() == [1.0, 1.0, 1.0]


# --------------------------------------------------------------------------- calls


def weighted(x: Any, y: Any, scale: float = 1.0, *, power: float = 1.0) -> Any:
    return scale * x * y**power


def test_argnums() -> None:
    assert grad(weighted)(2.0, 3.0) == 3.0
    assert grad(weighted, 1)(2.0, 3.0) == 2.0
    assert grad(weighted, -1)(2.0, 3.0, 10.0) == 6.0
    assert grad(weighted, (1, 0))(2.0, 3.0) == (2.0, 3.0)
    assert grad(weighted, [0])(2.0, 3.0) == (3.0,)
    assert grad(weighted, np.int64(1))(2.0, 3.0) == 2.0
    assert value_and_grad(weighted, (0, -1))(2.0, 3.0, 10.0) == (60.0, (30.0, 6.0))
    assert jacobian(weighted, (0, 1))(2.0, 3.0) == (3.0, 2.0)
    assert hessian(weighted, (0, 1))(2.0, 3.0) == ((0.0, 1.0), (1.0, 0.0))
    assert hvp(weighted, (0, 1))(2.0, 3.0, (1.0, 10.0)) == (10.0, 1.0)
    assert vjp(weighted, 2.0, 3.0, argnums=1)[1](10.0) == 20.0
    assert vjp(weighted, 2.0, 3.0)[1](10.0) == (30.0, 20.0)


def test_keyword_arguments_and_other_arguments_are_passed_on() -> None:
    assert grad(weighted)(2.0, 3.0, power=2.0) == 9.0
    assert grad(lambda x, how, **options: x * options["k"] if how == "times" else 0.0)(
        1.0, "times", k=5.0
    ) == pytest.approx(5.0)
    assert hvp(weighted, 1)(2.0, 3.0, 1.0, power=3.0) == 36.0


@pytest.mark.parametrize("make", [grad, value_and_grad, elementwise_grad, jacobian, hessian, hvp])
def test_aux_is_passed_on_as_plain_data(make: Any) -> None:
    def f(x: Any) -> Any:
        return np.sum(x**2), {"twice": 2.0 * x, "name": "f", "none": None}

    x = np.array([1.0, 2.0])
    result = make(f, has_aux=True)(*[x, x][: 2 if make is hvp else 1])
    aux = result[0][1] if make is value_and_grad else result[1]
    assert type(aux["twice"]) is np.ndarray
    assert aux["twice"].tolist() == [2.0, 4.0]
    assert (aux["name"], aux["none"]) == ("f", None)
    without = make(lambda x: f(x)[0])(*[x, x][: 2 if make is hvp else 1])
    found = (result[0][0], result[1]) if make is value_and_grad else result[0]
    np.testing.assert_equal(found, without)


def test_function_that_does_not_use_its_argument() -> None:
    assert grad(lambda x: 5.0)(1.0) == 0.0
    assert value_and_grad(lambda x: 5)(np.ones(2))[1].tolist() == [0.0, 0.0]
    assert grad(lambda x, y: y * y, (0, 1))(np.ones(1), 3.0) == (np.zeros(1), 6.0)
    assert jacobian(lambda x: np.ones(2))(np.ones(3)).tolist() == [[0.0] * 3] * 2
    assert hessian(lambda x: 5.0)(np.ones(2)).tolist() == [[0.0] * 2] * 2
    assert hvp(lambda x: np.sum(x))(np.ones(2), np.ones(2)).tolist() == [0.0, 0.0]
    assert vjp(lambda x: (1.0, None), 2.0)[1]((3.0, None)) == (0.0,)
    assert grad(grad(lambda x: 3.0 * x))(1.0) == 0.0


def test_function_that_returns_its_argument() -> None:
    assert value_and_grad(lambda x: x)(3.0) == (3.0, 1.0)
    assert jacobian(lambda x: x)(np.ones(2)).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert grad(grad(lambda x: x))(3.0) == 0.0
    x = Tensor([1.0, 2.0])
    value, pullback = vjp(lambda x: x, x)
    assert value.numpy().tolist() == pullback(np.array([1.0, 2.0]))[0].numpy().tolist()


def test_same_result_twice() -> None:
    def f(x: Any) -> Any:
        y = x * x
        return [y, y, x]

    assert vjp(f, 3.0)[1]([1.0, 10.0, 100.0]) == (166.0,)
    assert jacobian(f)(3.0) == [6.0, 6.0, 1.0]
    assert elementwise_grad(f)(3.0) == 13.0


def test_same_argument_twice() -> None:
    x = np.array([1.0, 2.0])
    a, b = grad(lambda x, y: np.sum(x * y * y), (0, 1))(x, x)
    assert (a.tolist(), b.tolist()) == ([1.0, 4.0], [2.0, 8.0])
    node = Value(3.0)
    assert [float(g) for g in grad(lambda x, y: x * y * y, (0, 1))(node, node)] == [9.0, 18.0]


def test_functions_without_a_name_and_classes() -> None:
    class Model:
        w = 2.0

        def __call__(self, x: Any) -> Any:
            return self.w * x

        def loss(self, x: Any) -> Any:
            return self(x) ** 2

    assert grad(Model())(1.0) == 2.0
    assert grad(Model().loss)(1.0) == 8.0
    assert grad(partial(weighted, y=4.0))(1.0) == 4.0
    assert grad(np.sin)(0.0) == grad(ag.sin)(0.0) == 1.0
    assert grad(weighted).__name__ == "grad(weighted)"
    assert not hasattr(grad(ag.sin), "primitive")
    assert not hasattr(grad(Model()), "w")


# --------------------------------------------------------------------------- products


def test_pullback_again_and_later() -> None:
    kept: list[Any] = []

    def outer(x: Any) -> Any:
        value, pullback = vjp(lambda y: x * y * y, 3.0)
        kept.append(pullback)
        return value + pullback(1.0)[0] + pullback(2.0)[0]

    assert grad(outer)(2.0) == 9.0 + 6.0 + 12.0
    (pullback,) = kept
    assert [float(pullback(g)[0]) for g in (1.0, 1.0, 2.0)] == [12.0, 12.0, 24.0]
    _, pullback = vjp(np.sin, np.zeros(2))
    assert [pullback(np.full(2, g))[0].tolist() for g in (1.0, 2.0)] == [[1.0] * 2, [2.0] * 2]


def test_pullback_of_a_node_gives_a_node_this_once() -> None:
    _, pullback = vjp(lambda x: x**3, 2.0)
    g = Value(5.0)
    (slope,) = pullback(g)
    assert float(slope) == 60.0
    assert gradients(slope, g) == 12.0
    assert pullback(5.0) == (60.0,)
    assert grad(lambda g: pullback(g)[0])(5.0) == 12.0


@pytest.mark.parametrize("cotangent", [[1.0, 2.0], (1, 2), np.array([1, 2]), np.float32([1, 2])])
def test_cotangent_in_any_form(cotangent: Any) -> None:
    (g,) = vjp(np.square, np.array([3.0, 4.0]))[1](cotangent)
    assert g.tolist() == [6.0, 16.0]
    assert g.dtype == np.float64


def test_cotangents_nest_like_the_value() -> None:
    value, pullback = vjp(lambda x, y: {"a": x * y, "b": (x, None)}, 2.0, 3.0)
    assert value == {"a": 6.0, "b": (2.0, None)}
    assert pullback({"b": (10.0, None), "a": 1.0}) == (13.0, 2.0)


def test_hvp_is_the_hessian_times_a_vector() -> None:
    x, v = np.array([0.3, -0.7, 1.1]), np.array([1.0, 2.0, -1.0])

    def f(x: Any) -> Any:
        return np.sum(np.sin(x) * x[::-1]) + np.prod(x)

    expected = hessian(f)(x) @ v
    np.testing.assert_allclose(hvp(f)(x, v), expected, rtol=1e-13)
    np.testing.assert_allclose(jvp(grad(f), (x,), (v,))[1], expected, rtol=1e-13)
    np.testing.assert_allclose(vjp(grad(f), x)[1](v)[0], expected, rtol=1e-13)


def test_hvp_along_a_live_vector_is_differentiable() -> None:
    x, v = np.array([1.0, 2.0]), Tensor([1.0, 10.0])
    product = hvp(lambda x: np.sum(x**3))(x, v)
    assert product.numpy().tolist() == [6.0, 120.0]
    assert gradients(product.sum(), v).tolist() == [6.0, 12.0]
    third = grad(lambda x: np.sum(hvp(lambda y: np.sum(y**3))(x, np.ones(2))))(x)
    assert third.tolist() == [6.0, 6.0]


# --------------------------------------------------------------------------- matrices

MATRICES: dict[str, tuple[Callable[[Any, Any], Any], tuple[int, ...]]] = {
    "elementwise": (lambda m, x: m.sin(x) * x, (3,)),
    "wide": (lambda m, x: m.sum(m.exp(x), axis=1), (2, 3)),
    "tall": (lambda m, x: m.outer(x, m.cos(x)), (2,)),
    "one number": (lambda m, x: m.sum(m.tanh(x)) ** 2, (3,)),
    "of one number": (lambda m, x: m.stack([x, m.sin(x), x**3]), ()),
    "both matrices": (lambda m, x: m.matmul(x, m.transpose(x)) * x[0, 0], (2, 2)),
    "structural": (lambda m, x: m.concatenate([x[::-1], m.cumsum(x), m.max(x)[None]]), (4,)),
    "linear algebra": (lambda m, x: m.linalg.solve(x @ x + 3.0 * m.eye(2), x[0]), (2, 2)),
}


def point(shape: tuple[int, ...]) -> np.ndarray:
    return np.asarray(np.random.default_rng(1).uniform(0.3, 1.2, shape))


@pytest.mark.parametrize(("f", "shape"), MATRICES.values(), ids=MATRICES)
def test_jacobian_either_way(f: Any, shape: tuple[int, ...]) -> None:
    x = point(shape)
    size = int(np.prod(shape))
    padded = jacobian(lambda x: (f(np, x), np.ones(100) * np.sum(x)))(x)[0]  # columns are fewer
    wide = jacobian(lambda xs: f(np, xs[0]) + 0.0 * np.sum(xs[1]))((x, np.ones(100)))[0]
    straight = jacobian(partial(f, np))(x)
    assert straight.shape == np.shape(f(np, x)) + shape
    np.testing.assert_allclose(padded, straight, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(wide, straight, rtol=1e-12, atol=1e-14)
    columns = [jvp(partial(f, np), (x,), (e.reshape(shape),))[1] for e in np.eye(size)]
    np.testing.assert_allclose(
        np.stack(columns, -1).reshape(straight.shape), straight, rtol=1e-12, atol=1e-14
    )


def test_jacobian_of_structures() -> None:
    def f(p: Any) -> Any:
        return (p["a"] * p["b"], {"sum": np.sum(p["b"])})

    whole = jacobian(f)({"a": 2.0, "b": np.ones(2)})
    assert whole[0]["a"].tolist() == [1.0, 1.0]
    assert whole[0]["b"].tolist() == [[2.0, 0.0], [0.0, 2.0]]
    assert whole[1]["sum"]["a"] == 0.0
    assert whole[1]["sum"]["b"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("size", [1, 50])
def test_jacobian_has_the_dtype_of_the_argument(size: int) -> None:
    x = np.float32([1.0, 2.0, 3.0])

    def f(x: Any) -> Any:
        return np.sum(x) * np.ones(size)

    assert jacobian(f)(x).dtype == np.float32
    assert jacobian(jacobian(f))(x).dtype == np.float32
    assert type(jacobian(lambda x: [x, 2 * x] * 2)(np.float32(1.0))[0]) is np.float32
    assert type(jacobian(lambda x: [np.sum(x), 2 * x] * 2)(1.0)[0]) is float


def test_hessian_is_symmetric_and_block_by_block() -> None:
    def f(x: Any, y: Any) -> Any:
        return np.sum(np.sin(x) * y) ** 2

    x, y = np.array([0.2, 0.5]), np.array([1.0, -1.0])
    (xx, xy), (yx, yy) = hessian(f, (0, 1))(x, y)
    np.testing.assert_allclose(xx, xx.T, rtol=1e-13)
    np.testing.assert_allclose(yy, yy.T, rtol=1e-13)
    np.testing.assert_allclose(xy, yx.T, rtol=1e-13)
    assert hessian(lambda x: x**3)(2.0) == 12.0


def test_elementwise() -> None:
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert elementwise_grad(np.square)(x).tolist() == (2 * x).tolist()
    assert (
        elementwise_grad(elementwise_grad(elementwise_grad(lambda x: x**4)))(x).tolist()
        == (24 * x).tolist()
    )


# --------------------------------------------------------------------------- nesting


def test_derivatives_of_derivatives() -> None:
    f: Any = np.tanh
    t = math.tanh(0.5)
    s = 1 - t * t
    for expected in (t, s, -2 * t * s, -2 * s * (1 - 3 * t * t)):
        assert f(0.5) == pytest.approx(expected, rel=1e-11)
        f = grad(f)
    d: Any = lambda x: x**6  # noqa: E731
    for order in range(1, 7):
        d = grad(d) if order % 2 else (lambda g: lambda x: jvp(g, (x,), (1.0,))[1])(d)
    assert d(2.0) == 720.0


NESTED: dict[str, Callable[[Callable[[Any], Any], Any], Any]] = {
    "grad": lambda f, x: grad(f)(x),
    "value_and_grad": lambda f, x: value_and_grad(f)(x)[1],
    "elementwise_grad": lambda f, x: elementwise_grad(f)(x),
    "jacobian": lambda f, x: jacobian(f)(x),
    "by columns": lambda f, x: jacobian(lambda y: [f(y)] * 4)(x)[1],
    "vjp": lambda f, x: vjp(f, x)[1](1.0)[0],
    "jvp": lambda f, x: jvp(f, (x,), (1.0,))[1],
    "hvp": lambda f, x: hvp(lambda y: f(y) * y)(x, 0.5) - 0.5 * x * hvp(f)(x, 1.0),
    "aux": lambda f, x: grad(lambda y: (f(y), None), has_aux=True)(x)[0],
    "argument in a dict": lambda f, x: grad(lambda p: f(p["x"]))({"x": x})["x"],
}


@pytest.mark.parametrize("inner", NESTED)
@pytest.mark.parametrize("outer", NESTED)
def test_any_derivative_of_any_other(outer: str, inner: str) -> None:
    def f(x: Any) -> Any:
        return np.sin(x) * x

    def slope(x: Any) -> Any:
        return NESTED[inner](f, x)

    second = 2 * math.cos(0.7) - 0.7 * math.sin(0.7)
    assert float(NESTED[outer](slope, 0.7)) == pytest.approx(second, rel=1e-12)
    # Closing over the outer variable: d/dx (x d/dy sin(x y) at y = x)
    found = NESTED[outer](lambda x: x * NESTED[inner](lambda y: np.sin(x * y), x), 0.7)
    z = 0.49
    assert float(found) == pytest.approx(
        2 * 0.7 * math.cos(z) - 0.7**2 * math.sin(z) * 2 * 0.7, rel=1e-12
    )


@pytest.mark.parametrize("inner", NESTED)
@pytest.mark.parametrize("outer", NESTED)
def test_perturbation_confusion(outer: str, inner: str) -> None:
    """Siskind and Pearlmutter 2005: d/dx (x d/dy (x + y)) is 1, and 2 where they are confused."""
    found = NESTED[outer](lambda x: x * NESTED[inner](lambda y: x + y, 1.0), 1.0)
    assert float(found) == 1.0
    found = NESTED[outer](lambda x: NESTED[inner](lambda y: x * y, 3.0) * x, 5.0)
    assert float(found) == 10.0
    deep = NESTED[outer](
        lambda x: NESTED[inner](lambda y: x * grad(lambda z: x * y * z * z)(y), 2.0), 3.0
    )
    assert float(deep) == 2 * 3.0 * 4 * 2.0  # d/dx d/dy 2 x^2 y^2


@pytest.mark.parametrize("d", [NESTED["grad"], NESTED["jvp"]], ids=["grad", "jvp"])
def test_amazing_bug(d: Any) -> None:
    """Manzyuk et al. 2019: a derivative of a curried function returns a function that is called."""

    def shift(u: Any) -> Any:
        return lambda f: lambda x: f(x + u)

    def curried(f: Any) -> Any:  # the derivative of shift at 0, applied to f
        return lambda x: d(lambda u: shift(u)(f)(x), 0.0)

    h = np.exp
    assert float(curried(curried(h))(1.0)) == pytest.approx(math.e, rel=1e-14)  # not 0
    assert float(d(lambda x: curried(np.sin)(x), 0.5)) == pytest.approx(-math.sin(0.5), rel=1e-14)


def test_variables_with_equal_numbers_are_different() -> None:
    def f(x: Any, y: Any) -> Any:
        return grad(lambda z: x * y * z + z * z)(y) * x

    a, b = grad(f, (0, 1))(2.0, 2.0)  # f = x (x y + 2 y)
    assert (a, b) == (2 * 2.0 * 2.0 + 4.0, 2.0 * (2.0 + 2.0))


def test_derivative_through_an_inner_minimisation() -> None:
    """Many inner derivatives in one outer: in time linear in their number."""

    def root(a: Any, steps: int) -> Any:
        x = a
        for _ in range(steps):
            slope, curvature = grad(lambda x: x**3 / 3 - a * x)(x), 2 * x
            x = x - slope / curvature
        return x

    assert grad(root)(2.0, 8) == pytest.approx(0.5 / math.sqrt(2.0), rel=1e-12)
    assert math.isfinite(grad(root)(2.0, 1000))


# --------------------------------------------------------------------------- nodes around


def test_closing_over_a_live_node_gives_nodes() -> None:
    w = Tensor([2.0, 3.0])
    value, slope = value_and_grad(lambda x: np.sum(w * x * x))(np.ones(2))
    assert isinstance(value, Tensor)
    assert gradients(slope.sum(), w).tolist() == [2.0, 2.0]
    assert gradients(value, w).tolist() == [1.0, 1.0]
    _, pushed = jvp(lambda x: w * x, (np.ones(2),), (np.ones(2),))
    assert gradients(pushed.sum(), w).tolist() == [1.0, 1.0]
    rows = jacobian(lambda x: w * x * x)(np.ones(2))
    assert gradients(rows.sum(), w).tolist() == [2.0, 2.0]


def test_only_aux_depends_on_a_live_node() -> None:
    def f(w: Any) -> Any:
        slope, aux = grad(lambda x: (x * x, w * x), has_aux=True)(3.0)
        return slope * aux

    assert grad(f)(2.0) == 18.0


def test_closing_over_constants_gives_plain_numbers() -> None:
    w, mask = Tensor([2.0, 3.0]).detach(), Tensor([True, False])
    value, slope = value_and_grad(lambda x: np.sum(np.where(mask, w * x, x)))(np.ones(2))
    assert type(value) is np.float64
    assert type(slope) is np.ndarray
    assert slope.tolist() == [2.0, 1.0]


def test_nodes_made_inside_give_plain_numbers() -> None:
    def f(x: Any) -> Any:
        w = Value(2.0)
        (inner,) = gradients(w * w * 3.0, [w], differentiable=True)
        return x * w * inner

    assert grad(f)(3.0) == 24.0
    assert type(grad(f)(3.0)) is float
    assert type(grad(grad(f))(3.0)) is float


def test_leaf_whose_array_was_written_to_is_the_callers() -> None:
    w = Tensor([1.0, 2.0])
    w.data[0] = 5.0
    slope = grad(lambda x: np.sum(w * x))(np.ones(2))
    assert slope.numpy().tolist() == [5.0, 2.0]
    assert gradients(slope.sum(), w).tolist() == [1.0, 1.0]


def test_backward_reaches_through_an_inner_derivative() -> None:
    x = Value(3.0)
    y = x * grad(lambda z: z**3)(x)  # 3 x^3
    y.backward()
    assert x.grad == 81.0


def test_no_grad_of_nodes_are_left_behind() -> None:
    x = Tensor([1.0, 2.0])
    grad(lambda x: np.sum(x * x))(x)
    value_and_grad(lambda y: np.sum(x * y))(np.ones(2))
    assert x.grad is None


def test_under_no_grad_results_are_plain() -> None:
    x = Tensor([1.0, 2.0])
    with ag.no_grad():
        assert not ag.is_recording()
        assert type(grad(lambda y: np.sum(y * y))(x)) is np.ndarray
        assert grad(lambda y: np.sum(x * y))(np.ones(2)).tolist() == [1.0, 2.0]
        assert grad(grad(lambda x: x**3))(2.0) == 12.0
        assert hvp(np.sum)(x, x).tolist() == [0.0, 0.0]
        assert jvp(np.sum, (x,), (x,))[1] == 3.0

    def f(x: Any) -> Any:
        with ag.no_grad():
            inner = grad(lambda y: y**3)(x)
        return inner * x

    assert grad(f)(2.0) == 12.0


def test_stale_graph_is_noticed_by_a_pullback() -> None:
    w = Tensor([1.0, 2.0])
    _, pullback = vjp(lambda x: w * x, np.ones(2))
    w.data[0] = 9.0
    with pytest.raises(StaleGraphError, match="was changed after mul"):
        pullback(np.ones(2))


def test_arguments_written_to_later_do_not_matter() -> None:
    x = np.array([1.0, 2.0])
    _, pullback = vjp(np.square, x)
    x[:] = 9.0
    assert pullback(np.ones(2))[0].tolist() == [2.0, 4.0]


def test_threads() -> None:
    def work(k: int) -> list[float]:
        return [grad(lambda x: x * grad(lambda y: x * y**k)(x))(1.0 + i / 50) for i in range(50)]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(work, [2, 3, 2, 3]))
    for k, slopes in zip([2, 3, 2, 3], found, strict=True):
        expected = [k * (k + 1) * (1.0 + i / 50) ** k for i in range(50)]
        np.testing.assert_allclose(slopes, expected, rtol=1e-13)


def test_recording_flag_survives_an_error_inside() -> None:
    def f(x: Any) -> Any:
        raise KeyError("mine")

    with ag.no_grad(), pytest.raises(KeyError, match="mine"):
        grad(f)(1.0)
    assert ag.is_recording()


def test_stop_gradient() -> None:
    assert grad(lambda x: x * stop_gradient(x))(3.0) == 3.0
    assert stop_gradient({"a": [1.0, None]}) == {"a": [1.0, None]}
    tree = stop_gradient(Point(Value(1.0), (Tensor([2.0]), 3)))
    assert tree.x.is_constant
    assert tree.y[0].is_constant
    assert grad(lambda x: grad(lambda y: stop_gradient(x) * y * y)(x))(3.0) == 6.0
    assert jvp(lambda x: x * stop_gradient(x), (3.0,), (1.0,))[1] == 3.0


def test_results_are_not_tied_to_the_graph() -> None:
    pickle.loads(pickle.dumps(value_and_grad(np.sum)(np.ones(2))))


def test_deep_graph() -> None:
    def f(x: Any) -> Any:
        for _ in range(20_000):
            x = x + 1e-9
        return x * x

    assert grad(f)(1.0) == pytest.approx(2.0, rel=1e-3)
    assert jvp(f, (1.0,), (1.0,))[1] == pytest.approx(2.0, rel=1e-3)


# --------------------------------------------------------------------------- beside JAX

UNARY = ["sin", "cos", "tanh", "exp", "square"]
BINARY = ["add", "multiply", "subtract", "matmul", "arctan2"]
SHAPED = ["transpose", "cumsum", "flip", "sum", "roll"]


@st.composite
def programs(draw: st.DrawFn) -> list[tuple[str, int, int]]:
    """Steps, each a function of one or two of the matrices so far."""
    steps = []
    for count in range(2, 2 + draw(st.integers(1, 5))):
        name = draw(st.sampled_from(UNARY + BINARY + SHAPED))
        steps.append((name, draw(st.integers(0, count - 1)), draw(st.integers(0, count - 1))))
    return steps


def run(m: Any, steps: list[tuple[str, int, int]], x: Any, y: Any) -> Any:
    made = [x, y]
    for name, i, j in steps:
        a, b = made[i], made[j]
        if name in BINARY:
            c = getattr(m, name)(a, b)
        elif name in UNARY:
            c = getattr(m, name)(a)
        elif name == "roll":
            c = m.roll(a, 1, axis=1)
        elif name == "transpose":
            c = m.transpose(a)
        elif name == "sum":
            c = a * m.sum(a, axis=0, keepdims=True)
        else:
            c = getattr(m, name)(a, axis=0)
        made.append(m.tanh(c))  # so that numbers stay small
    return made[-1]


@given(steps=programs(), seed=st.integers(0, 99))
@settings(max_examples=10)
def test_random_programs_beside_jax(steps: list[tuple[str, int, int]], seed: int) -> None:
    jax = pytest.importorskip("jax")
    x, y, v, w = np.random.default_rng(seed).uniform(-1.0, 1.0, (4, 2, 2))

    def pair(m: Any) -> Any:
        return partial(run, m, steps)

    def scalar(m: Any) -> Any:
        return lambda x, y: m.sum(run(m, steps, x, y) * w)

    def close(ours: Any, theirs: Any) -> None:
        np.testing.assert_allclose(ours, np.asarray(theirs), rtol=1e-9, atol=1e-11)

    jnp = jax.numpy

    def all_of_jax(x: Any, y: Any, v: Any) -> Any:  # compiled as one, which takes less time
        return (
            jax.grad(scalar(jnp), (0, 1))(x, y),
            jax.jvp(pair(jnp), (x, y), (v, w))[1],
            jax.vjp(pair(jnp), x, y)[1](v),
            jax.jvp(lambda x: jax.grad(scalar(jnp))(x, y), (x,), (v,))[1],
        )

    with jax.enable_x64(True):
        slopes, pushed, pulled, product = jax.jit(all_of_jax)(x, y, v)
    close(grad(scalar(np), (0, 1))(x, y), slopes)
    close(jvp(pair(np), (x, y), (v, w))[1], pushed)
    close(vjp(pair(np), x, y)[1](v), pulled)
    close(hvp(scalar(np))(x, y, v), product)
    close(jvp(lambda x: grad(scalar(np))(x, y), (x,), (v,))[1], product)


@pytest.mark.parametrize(("f", "shape"), MATRICES.values(), ids=MATRICES)
def test_matrices_beside_jax(f: Any, shape: tuple[int, ...]) -> None:
    jax = pytest.importorskip("jax")
    x, jnp = point(shape), jax.numpy

    def both_of_jax(x: Any) -> Any:
        second = jax.hessian(lambda x: jnp.sum(jnp.sin(f(jnp, x))))
        return jax.jacobian(partial(f, jnp))(x), second(x)

    with jax.enable_x64(True):
        first, second = jax.jit(both_of_jax)(x)
    close = partial(np.testing.assert_allclose, rtol=1e-10, atol=1e-12)
    close(jacobian(partial(f, np))(x), first)
    ours = hessian(lambda x: np.sum(np.sin(f(np, x))))(x)
    close(ours, second)
    square = ours.reshape(x.size, x.size)
    close(square, square.T)


# --------------------------------------------------------------------------- errors

ERRORS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "not a function": (lambda: grad(3.0), DataError, "grad takes a function, got the float 3.0"),
    "vjp of no function": (lambda: vjp(3.0, 1.0), DataError, "vjp takes a function, got the float"),
    "jvp of no function": (lambda: jvp(3.0, (1.0,), (1.0,)), DataError, "jvp takes a function"),
    "several numbers": (
        lambda: grad(np.sin)(np.ones(2)),
        ShapeError,
        r"returns one number, this one returned shape \(2,\): reduce it.*jacobian",
    ),
    "several things": (
        lambda: value_and_grad(lambda x: (x, x))(1.0),
        ShapeError,
        "value_and_grad .* returned a tuple: return a sum, .* has_aux=True",
    ),
    "nothing returned": (
        lambda: grad(lambda x: None)(1.0),
        DataError,
        "this one returned None",
    ),
    "text returned": (
        lambda: jacobian(lambda x: (x, "text"))(1.0),
        DataError,
        "jacobian .* real numbers, arrays, or nested, this one returned the str 'text'.*has_aux",
    ),
    "complex returned": (
        lambda: vjp(lambda x: np.ones(2) * 1j, 1.0),
        DataError,
        "returned an array of dtype complex128",
    ),
    "a bool returned": (
        lambda: grad(lambda x: x > 0)(1.0),
        DataError,
        "grad .* real numbers, .* this one returned the bool True: return other things as aux",
    ),
    "a NumPy bool returned": (
        lambda: grad(lambda x: np.all(x > 0))(np.ones(2)),
        DataError,
        "returned the bool",
    ),
    "bools returned": (
        lambda: jacobian(lambda x: (x, x > 0))(np.ones(2)),
        DataError,
        "returned an array of dtype bool",
    ),
    "a Tensor of bools returned": (
        lambda: jacobian(lambda x: Tensor(x > 0))(np.ones(2)),
        DataError,
        r"returned the Tensor Tensor\(\[ True",
    ),
    "no aux": (
        lambda: grad(lambda x: x, has_aux=True)(1.0),
        DataError,
        r"has_aux=True the function returns \(value, aux\), got the Value",
    ),
    "integers": (
        lambda: grad(np.sum)(np.arange(3)),
        GradientError,
        r"an argument holds int64 data, which has no derivative: convert it with \.astype\(float\)",
    ),
    "integer node": (
        lambda: grad(np.sum)(Tensor([1, 2])),
        GradientError,
        "an argument holds int64 data",
    ),
    "text": (
        lambda: grad(lambda x: 1.0)("text"),
        DataError,
        "with respect to numbers, .* got the str 'text': leave it out of argnums",
    ),
    "complex": (lambda: grad(lambda x: x)(1j), DataError, "got the complex 1j"),
    "argnums beyond": (
        lambda: grad(np.sum, 1)(1.0),
        ShapeError,
        "argnums=1, but the function was called with 1 positional argument: pass by position",
    ),
    "no arguments": (
        lambda: grad(lambda x: x)(x=1.0),
        ShapeError,
        "argnums=0, but the function was called with 0 positional arguments",
    ),
    "argnums twice": (
        lambda: grad(weighted, (0, -2))(1.0, 2.0),
        ShapeError,
        r"argnums=\(0, -2\) must name one or more different arguments",
    ),
    "no argnums": (lambda: grad(weighted, ())(1.0, 2.0), ShapeError, r"argnums=\(\) must name"),
    "argnums of text": (
        lambda: grad(weighted, "x")(1.0, 2.0),
        DataError,
        "argnums is the position of an argument, or several, got 'x'",
    ),
    "cotangent of another shape": (
        lambda: vjp(np.sin, np.ones(2))[1](np.ones(3)),
        ShapeError,
        r"a cotangent has the shape .* expected \(2,\), got \(3,\)",
    ),
    "cotangent nested otherwise": (
        lambda: vjp(lambda x: {"a": x}, 1.0)[1](1.0),
        ShapeError,
        r"vjp: a cotangent is nested like .* expected a dict of the keys \['a'\], got the float",
    ),
    "no vector": (lambda: hvp(np.sum)(), ShapeError, "hvp: the vector comes after the arguments"),
    "vector of another shape": (
        lambda: hvp(np.sum)(np.ones(2), 1.0),
        ShapeError,
        r"hvp: the vector has the shape .* expected \(2,\), got \(\)",
    ),
    "hvp of several numbers": (
        lambda: hvp(np.sin)(np.ones(2), np.ones(2)),
        ShapeError,
        "hvp differentiates a function that returns one number",
    ),
}


@pytest.mark.parametrize(("fail", "kind", "message"), ERRORS.values(), ids=ERRORS)
def test_errors_say_what_was_given_and_what_to_do(
    fail: Callable[[], Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message) as caught:
        fail()
    assert caught.value.__cause__ is None


# --------------------------------------------------------------------------- plain numbers inside


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x * math.sin(x),
        lambda x: x * float(x),
        lambda x: x + _written_into_an_array(x).sum(),
        lambda x: np.sum(np.ones(2), initial=x),
        lambda x: np.interp([3.0], [0.0, 1.0], [0.0, 1.0], right=x).sum(),
    ],
)
def test_a_node_cannot_be_made_a_plain_number_inside(f: Any) -> None:
    with pytest.raises((TypeError, GradientError)):
        grad(f)(1.0)


def _written_into_an_array(x: Any) -> Any:
    array = np.zeros(2)
    array[0] = x
    return array


def test_the_error_of_float_inside_says_what_to_do() -> None:
    with pytest.raises(GradientError, match=r"math.*np\.stack.*stop_gradient"):
        grad(lambda x: x * math.sin(x))(1.0)


def test_what_gives_numbers_elsewhere_gives_nodes_inside() -> None:
    a = np.array([[2.0, 1.0], [1.0, 3.0]])
    x = np.array([1.0, 2.0])
    np.testing.assert_array_equal(grad(lambda x: (x[None] @ a @ x[:, None]).item())(x), 2 * a @ x)
    np.testing.assert_array_equal(grad(lambda x: sum(v**2 for v in x.tolist()))(x), 2 * x)
    assert grad(lambda x: copy.copy(x) ** 2)(3.0) == 6.0
    assert grad(lambda p: copy.deepcopy(p)["a"] ** 2)({"a": 3.0}) == {"a": 6.0}
    assert grad(lambda x: np.heaviside(0.0, x))(1.3) == 1.0


def test_decisions_by_value_are_free() -> None:
    assert grad(lambda x: x * x if x > 0 else x)(1.0) == 2.0
    assert grad(lambda x: x * round(x) + int(x))(3.0) == 3.0
    assert grad(lambda x: x * float(ag.stop_gradient(x)))(3.0) == 3.0
    assert grad(lambda x: x * len(f"{x:.3f}"))(3.0) == 5.0


def test_float_outside_of_a_derivative_is_free() -> None:
    assert float(Value(2.0) * 3.0) == 6.0
    assert (Value(2.0) * 3.0).item() == 6.0


def test_masked_arrays_are_refused() -> None:
    masked = np.ma.array([1.0, 2.0])
    for f in (lambda x: masked * x, lambda x: np.ma.log(x).sum(), lambda x: np.ma.getdata(x)):
        with pytest.raises(TypeError):
            grad(lambda x, f=f: np.sum(f(x)))(np.ones(2))


def test_floor_division_is_constant_between_steps() -> None:
    assert grad(lambda x: x // 1.0 + x)(1.5) == 1.0
    assert grad(lambda x: divmod(x, 0.7)[1] + divmod(3.0, x)[1])(1.0) == pytest.approx(1.0 - 3.0)
    np.testing.assert_array_equal(grad(lambda x: np.sum(x * (x // 1.0)))(np.array([2.5])), [2.0])


def test_joining_many_parts_takes_each_once() -> None:
    """Beyond that, the arguments of all pullbacks alone would be 4e8 in number."""
    many = grad(lambda x: np.sum(ag.stack([x * i for i in range(20_000)])))
    assert many(1.0) == sum(range(20_000))


# --------------------------------------------------------------------------- arrays inside


def same_node(a: Any, b: Any) -> None:
    """Hold that two operations recorded alike: data, dtype, primitive, inputs and their kinds."""
    assert type(a) is type(b)
    assert a.dtype == b.dtype
    np.testing.assert_array_equal(a.data, b.data)
    assert a.primitive is b.primitive
    assert a.is_constant == b.is_constant
    assert [(type(x), x.is_constant, x.dtype) for x in a.inputs] == [
        (type(x), x.is_constant, x.dtype) for x in b.inputs
    ]


OPERANDS: dict[str, Any] = {
    "tensor": Tensor([1.5, 2.5]),
    "row": Tensor([[1.5], [0.5]]),
    "float32": Tensor(np.float32([0.5, 1.5])),
    "number": Tensor(1.5),
    "value": Value(1.5),
    "whole": Tensor([1, 2]),
    "constant": Tensor([1.5, 2.5]).detach(),
    "constant value": Value(1.5).detach(),
    "array": np.array([1.5, 2.5]),
    "list": [1.5, 2.5],
    "bools": np.array([True, False]),
    "float": 2.5,
    "int": 2,
    "large int": 2**70,
    "bool": True,
    "numpy number": np.float32(1.5),
}


@pytest.mark.parametrize("op", [operator.add, operator.mul, operator.truediv, operator.pow])
@pytest.mark.parametrize("node", [name for name, x in OPERANDS.items() if isinstance(x, Node)])
@pytest.mark.parametrize("other", OPERANDS)
def test_operations_record_inside_a_derivative_as_outside(op: Any, node: str, other: str) -> None:
    x, y = OPERANDS[node], OPERANDS[other]

    def results() -> list[Any]:
        return [op(x, y), op(y, x), ag.sin(x), ag.square(x)]

    inside: list[Any] = []
    grad(lambda z: [z, inside.extend(results())][0])(1.0)
    for within, without in zip(inside, results(), strict=True):
        same_node(within, without)


def test_misfits_inside_a_derivative_are_explained() -> None:
    for f in (lambda x: x * np.ones(2), lambda x: x * ag.stack([x[0], x[1]]), lambda x: x @ x[:2]):
        with pytest.raises(ShapeError, match=r"cannot combine shapes \(3,\) and \(2,\)"):
            grad(f)(np.ones(3))


@pytest.mark.parametrize(
    "f",
    [lambda w: w * 3.0, lambda w: 3.0 * w, lambda w: w / w, lambda w: np.square(w), lambda w: -w],
)
def test_what_is_written_to_a_leaf_inside_a_derivative_counts(f: Callable[[Any], Any]) -> None:
    w = Tensor([1.0, 2.0])

    def g(x: Any) -> Any:
        w.data[0] = 5.0
        return np.sum(x * f(w))

    slope = grad(g)(np.ones(2))
    np.testing.assert_array_equal(slope.data, f(np.array([5.0, 2.0])))


@pytest.mark.parametrize("within", [False, True])
def test_arrays_compute_silently_and_without_recording_if_told_so(within: bool) -> None:
    x, zero = Tensor([1.0, 0.0]), Tensor([0.0])

    def check(z: Any) -> Any:
        for f in (lambda: x / zero, lambda: 1.0 / x, lambda: x / np.zeros(1), lambda: ag.log(x)):
            assert not np.isfinite(f().data).all()
            assert f().inputs
            with ag.no_grad():
                assert f().is_constant
        return z

    with warnings.catch_warnings(record=True) as caught:  # an error could be taken for a misfit
        warnings.simplefilter("always")
        grad(check)(1.0) if within else check(1.0)
    assert not caught


def test_leaves_do_not_share_their_gradients() -> None:
    x, y = Tensor([1.0, 2.0]), Tensor([3.0, 4.0])
    (x + y).sum().backward()
    slopes = [*gradients((x + y).sum(), [x, y]), x.grad, y.grad]
    for i, slope in enumerate(slopes):
        assert not any(np.shares_memory(slope, other) for other in slopes[:i])
        slope += 1.0
