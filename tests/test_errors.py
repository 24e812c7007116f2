"""Every message of the engine, provoked: its place in the tree, and the words that it must hold.

A message is for a person: it names what was given, what was expected, and what to do.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import (
    AutogradError,
    DataError,
    GradientError,
    Primitive,
    PrimitiveError,
    ShapeError,
    StaleGraphError,
    Tensor,
    Value,
    check_grads,
    errors,
    gradients,
)

Make = Callable[[], Any]


def vector() -> Tensor:
    return Tensor([1.0, 2.0, 3.0])


async def coroutine() -> None:
    """Something whose body runs after its call."""


def matrix() -> Tensor:
    return Tensor(np.ones((2, 3)), label="m")


def set_data(node: Any, data: Any) -> None:
    node.data = data


def set_item(node: Any) -> None:
    node[0] = 1.0


def stale(x: Any) -> Any:
    y = x * x
    x.data = 5.0
    return y


# What was done: how, the class of the error, words of its message (regular expressions).
TABLE: dict[str, tuple[Make, type[Exception], list[str]]] = {
    # Numbers that are none.
    "Value of a string": (lambda: Value("3"), DataError, ["a Value holds one real number", "'3'"]),
    "Value of None": (lambda: Value(None), DataError, ["one real number", "None"]),
    "Value of a complex": (lambda: Value(1 + 2j), DataError, ["real number", r"1\+2j"]),
    "Value of an array": (
        lambda: Value(np.ones(2)),
        DataError,
        ["one real number", "array", "Tensor"],
    ),
    "Value of a list": (lambda: Value([1.0]), DataError, [r"\[1.0\]", "Tensor"]),
    "Value of a Value": (lambda: Value(Value(1.0)), DataError, ["already", "detach"]),
    "Value of a Tensor": (lambda: Value(Tensor(1.0)), DataError, ["already", "float"]),
    "Value of an object": (lambda: Value(object()), DataError, ["object"]),
    "Value of bytes": (lambda: Value(b"1"), DataError, ["bytes"]),
    "Value of a huge int": (lambda: Value(10**400), DataError, ["too large", "float"]),
    "Tensor of a string": (lambda: Tensor("abc"), DataError, ["real numbers", "'abc'"]),
    "Tensor of strings": (lambda: Tensor(["a"]), DataError, ["real numbers", r"\['a'\]"]),
    "Tensor of None": (lambda: Tensor(None), DataError, ["real numbers", "None"]),
    "Tensor with None": (lambda: Tensor([1.0, None]), DataError, ["real numbers", "None"]),
    "Tensor of complex": (lambda: Tensor([1j]), DataError, ["real numbers", "1j"]),
    "Tensor of objects": (
        lambda: Tensor(np.array([1, "a"], dtype=object)),
        DataError,
        ["real numbers", "object"],
    ),
    "Tensor of dates": (
        lambda: Tensor(np.array(["2020-01-01"], dtype="M8[D]")),
        DataError,
        ["datetime64"],
    ),
    "Tensor of a dict": (lambda: Tensor({}), DataError, ["dict"]),
    "Tensor of ragged lists": (
        lambda: Tensor([[1.0], [1.0, 2.0]]),
        (ShapeError),
        ["length", r"\[1.0, 2.0\]"],
    ),
    "Tensor of nodes": (lambda: Tensor([Value(1.0), Value(2.0)]), DataError, ["nodes", "stack"]),
    "Tensor of nested nodes": (lambda: Tensor([[vector()]]), DataError, ["nodes", "stack"]),
    "Tensor of a Tensor": (lambda: Tensor(vector()), DataError, ["already", "detach", "stack"]),
    "Tensor of huge ints": (lambda: Tensor([10**400]), DataError, ["too large"]),
    "dtype complex": (
        lambda: Tensor([1.0], dtype=complex),
        DataError,
        ["floating, integer or bool", "complex"],
    ),
    "dtype unknown": (lambda: Tensor([1.0], dtype="foo"), DataError, ["floating", "'foo'"]),
    "dtype object": (lambda: Tensor([1.0], dtype=object), DataError, ["floating", "object"]),
    "nan as an integer": (lambda: Tensor([np.nan], dtype=int), DataError, ["nan", "int"]),
    "astype unknown": (lambda: vector().astype("foo"), DataError, ["floating", "'foo'"]),
    # Operands.
    "Value + string": (lambda: Value(1.0) + "a", DataError, ["add", "real numbers", "'a'"]),
    "string + Value": (lambda: "a" + Value(1.0), DataError, ["add", "'a'"]),
    "Tensor * None": (lambda: vector() * None, DataError, ["mul", "None"]),
    "complex * Value": (lambda: 1j * Value(1.0), DataError, ["mul", "1j"]),
    "Tensor - objects": (lambda: vector() - [object()], DataError, ["sub", "object"]),
    "Value * huge int": (lambda: Value(1.0) * 10**400, DataError, ["too large"]),
    "Tensor * huge int": (lambda: vector() * 10**400, DataError, ["too large"]),
    "sin of a string": (lambda: ag.sin("a"), DataError, ["sin", "'a'"]),
    "list of nodes as an operand": (
        lambda: vector() + [Value(1.0)] * 3,
        DataError,
        ["nodes", "stack"],
    ),
    "clip bound": (lambda: vector().clip("a"), DataError, ["clip", "'a'"]),
    "where condition": (lambda: ag.where("a", Value(1.0), 1.0), DataError, ["where", "'a'"]),
    # Shapes.
    "sum of shapes": (
        lambda: matrix() + np.ones(2),
        ShapeError,
        ["add", r"\(2, 3\)", r"\(2,\)", "axes"],
    ),
    "maximum of shapes": (
        lambda: ag.maximum(matrix(), np.ones(4)),
        ShapeError,
        ["maximum", r"\(4,\)"],
    ),
    "where of shapes": (
        lambda: ag.where(np.ones(4, bool), matrix(), 0.0),
        ShapeError,
        ["where", r"\(4,\)", r"\(2, 3\)"],
    ),
    "matmul of shapes": (
        lambda: matrix() @ matrix(),
        ShapeError,
        ["matmul", r"\(2, 3\) and \(2, 3\)", "last axis"],
    ),
    "matmul of a number": (lambda: Value(2.0) @ matrix(), ShapeError, ["matmul", r"\(\)", r"\*"]),
    "dot of vectors": (lambda: vector().dot(np.ones(2)), ShapeError, [r"\(3,\)", r"\(2,\)"]),
    "einsum letters": (
        lambda: ag.einsum("ij,jk->ik", matrix(), np.ones((2, 2))),
        ShapeError,
        ["einsum", r"\(2, 3\)", r"\(2, 2\)", "ij,jk->ik"],
    ),
    "einsum result": (lambda: ag.einsum("ij->k", matrix()), ShapeError, ["einsum", "ij->k", "k"]),
    "einsum rank": (
        lambda: ag.einsum("i", matrix()),
        ShapeError,
        ["'i'", "2 dimensions", r"\.\.\."],
    ),
    "einsum count": (lambda: ag.einsum("i,i", vector()), ShapeError, ["2 operands", "1"]),
    "reshape": (lambda: matrix().reshape(4, 2), ShapeError, ["reshape", r"\(2, 3\)", r"\(4, ?2\)"]),
    "reshape twice -1": (lambda: matrix().reshape(-1, -1), ShapeError, ["reshape", r"\(-1, -1\)"]),
    "reshape to a string": (lambda: matrix().reshape("a"), DataError, ["integers", "'a'"]),
    "broadcast_to": (
        lambda: ag.broadcast_to(matrix(), (3, 2)),
        ShapeError,
        ["broadcast", r"\(2, 3\)", r"\(3, 2\)"],
    ),
    "transpose of too few axes": (
        lambda: matrix().transpose(0),
        ShapeError,
        ["transpose", r"\(2, 3\)", r"\(0,\)"],
    ),
    "transpose axis twice": (
        lambda: matrix().transpose(0, 0),
        ShapeError,
        ["transpose", r"\(0, 0\)"],
    ),
    "swapaxes": (
        lambda: vector().swapaxes(0, 1),
        ShapeError,
        ["swapaxes", "axis 1", "1 dimensions"],
    ),
    "moveaxis": (lambda: ag.moveaxis(matrix(), (0, 1), 0), ShapeError, ["moveaxis", r"\(0, 1\)"]),
    "expand_dims": (lambda: ag.expand_dims(vector(), 5), ShapeError, ["expand_dims", "axis 5"]),
    "squeeze": (
        lambda: matrix().squeeze(0),
        ShapeError,
        ["squeeze", "axis 0", r"\(2, 3\)", "length 1"],
    ),
    "flip": (lambda: ag.flip(vector(), 3), ShapeError, ["flip", "axis 3"]),
    "concatenate ranks": (
        lambda: ag.concatenate([matrix(), vector()]),
        ShapeError,
        ["concatenate", r"\(2, 3\)", r"\(3,\)"],
    ),
    "concatenate lengths": (
        lambda: ag.concatenate([matrix(), np.ones((2, 2))]),
        ShapeError,
        ["concatenate", r"\(2, 2\)"],
    ),
    "concatenate nothing": (lambda: ag.concatenate([]), ShapeError, ["at least one", "empty"]),
    "concatenate numbers": (
        lambda: ag.concatenate([Value(1.0)]),
        ShapeError,
        ["concatenate", r"\(\)"],
    ),
    "stack of shapes": (
        lambda: ag.stack([matrix(), vector()]),
        ShapeError,
        ["stack", r"\(2, 3\)", r"\(3,\)"],
    ),
    "stack nothing": (lambda: ag.stack([]), ShapeError, ["stack", "at least one"]),
    "split unequal": (
        lambda: ag.split(vector(), 2),
        ShapeError,
        ["split", "3 elements", "2 equal parts"],
    ),
    "pad widths": (
        lambda: ag.pad(vector(), ((1, 2), (3, 4))),
        ShapeError,
        ["pad_width", r"\(3,\)"],
    ),
    "pad negative": (lambda: ag.pad(vector(), -1), ShapeError, ["pad", "negative"]),
    "pad mode": (
        lambda: ag.pad(vector(), 1, mode="foo"),
        ShapeError,
        ["'foo'", "constant", "wrap"],
    ),
    "tile": (lambda: ag.tile(vector(), -1), ShapeError, ["tile", "-1", "negative"]),
    "repeat": (
        lambda: ag.repeat(vector(), [1, 2]),
        ShapeError,
        ["repeat", r"\[1, 2\]", "3 elements"],
    ),
    "diagonal": (
        lambda: ag.diagonal(vector()),
        ShapeError,
        ["diagonal", "two dimensions", r"\(3,\)"],
    ),
    "trace": (lambda: ag.trace(vector()), ShapeError, ["two dimensions", r"\(3,\)"]),
    "max of nothing": (lambda: Tensor(np.ones(0)).max(), ShapeError, ["max", r"\(0,\)"]),
    **{
        f"axis of {name}": (
            lambda name=name: getattr(matrix(), name)(axis=2),
            ShapeError,
            [name, r"\(2, 3\)", "axis=?2|axis 2"],
        )
        for name in (
            "sum",
            "mean",
            "max",
            "min",
            "prod",
            "var",
            "std",
            "norm",
            "logsumexp",
            "softmax",
            "log_softmax",
            "cumsum",
            "sort",
        )
    },
    "axis twice": (lambda: matrix().sum(axis=(0, 0)), ShapeError, ["sum", r"\(0, 0\)"]),
    "axis of letters": (lambda: matrix().sum(axis="a"), DataError, ["axis", "integer", "'a'"]),
    "axis of a fraction": (lambda: matrix().mean(axis=0.5), DataError, ["axis", "integer", "0.5"]),
    # Elements.
    "index out of range": (lambda: vector()[7], (IndexError), [r"\(3,\)", "7"]),
    "too many indices": (lambda: vector()[0, 0], (IndexError), [r"\(3,\)", r"\(0, 0\)"]),
    "index by a string": (lambda: vector()["a"], DataError, ["integers", "slices", "'a'"]),
    "index by a float": (lambda: vector()[1.5], DataError, ["integers", "1.5"]),
    "index by floats": (lambda: vector()[np.ones(2)], DataError, ["integers or bools", "float64"]),
    "set out of range": (lambda: vector().at[7].set(1.0), (IndexError), [r"\(3,\)", "7"]),
    "set of a wrong shape": (lambda: vector().at[:2].set(np.ones(3)), ShapeError, [r"\(3,\)"]),
    "mask of a wrong shape": (lambda: vector()[np.array([True])], (IndexError), [r"\(3,\)"]),
    "item assignment": (
        lambda: set_item(vector()),
        DataError,
        [r"\.at\[index\]\.set\(value\)", r"\.data\[index\]"],
    ),
    "length of a number": (lambda: len(Tensor(1.0)), DataError, [r"\(\)", "no length"]),
    "float of many": (lambda: float(vector()), ShapeError, [r"\(3,\)", "one number", "reduce"]),
    "truth of many": (lambda: bool(vector()), ShapeError, [r"\(3,\)", "any"]),
    "item of many": (lambda: vector().item(), ShapeError, [r"\(3,\)"]),
    # Data of nodes.
    "data of a computed Value": (
        lambda: set_data(Value(1.0) + 1.0, 3.0),
        GradientError,
        [r"Value\(2.0", "computed", "leaf"],
    ),
    "data of a computed Tensor": (
        lambda: set_data(vector() * 2.0, np.ones(3)),
        GradientError,
        ["computed", "leaf"],
    ),
    "data of another shape": (
        lambda: set_data(vector(), np.ones(2)),
        ShapeError,
        [r"\(3,\)", r"\(2,\)", "new Tensor"],
    ),
    "data of a Value, text": (
        lambda: set_data(Value(1.0), "a"),
        DataError,
        ["one real number", "'a'"],
    ),
    "data of a Tensor, text": (lambda: set_data(vector(), "a"), DataError, ["real numbers", "'a'"]),
    # Calls of the wrong kind.
    "concatenate of a number": (lambda: ag.concatenate(3), DataError, ["list of arrays", "int 3"]),
    "tile by a fraction": (lambda: ag.tile(vector(), 1.5), DataError, ["integers", "1.5"]),
    "dot of many dimensions": (
        lambda: ag.dot(matrix(), np.ones((2, 4, 5))),
        ShapeError,
        [r"\(2, 3\) and \(2, 4, 5\)", "last but one"],
    ),
    "order of a number": (lambda: ag.topological_order(3), DataError, ["graph of a node", "3"]),
    "einsum with letters for axes": (
        lambda: ag.einsum(vector(), ["a"]),
        DataError,
        ["list of its axes' numbers", "'a'"],
    ),
    "ragged index": (lambda: vector()[[[1, 2], [0]]], DataError, ["rows of one length"]),
    "padding with the edge of nothing": (
        lambda: ag.pad(np.zeros(0), 1, mode="edge"),
        ShapeError,
        ["'edge'", r"\(0,\)"],
    ),
    "diagonal with text": (
        lambda: ag.diagonal(matrix(), offset="a"),
        DataError,
        ["offset", "integer", "'a'"],
    ),
    "no_grad over a coroutine": (
        lambda: ag.no_grad()(coroutine),
        DataError,
        ["coroutine", r"with no_grad\(\):"],
    ),
    # Gradients that do not exist.
    "backward of many": (
        vector().backward,
        GradientError,
        [r"shape \(3,\)", r"\.sum\(\)", r"backward\(np\.ones\(\(3,\)\)\)"],
    ),
    "gradients of many": (
        lambda: gradients(v := vector(), v),
        GradientError,
        [r"\(3,\)", "cotangent"],
    ),
    "backward of a constant": (Value(1.0).detach().backward, GradientError, ["constant", "detach"]),
    "backward of integers": (
        Tensor([1, 2]).backward,
        GradientError,
        ["int64", r"Tensor\(\[1.0, 2.0\]\)"],
    ),
    "gradient for integers": (
        lambda: gradients(vector().sum(), Tensor([1, 2])),
        GradientError,
        ["int64", "dtype=float"],
    ),
    "gradient for a constant": (
        lambda: gradients(vector().sum(), Value(1.0).detach()),
        GradientError,
        ["constant", "no_grad"],
    ),
    "gradient for a number": (lambda: gradients(Value(1.0), 3.0), DataError, ["nodes", "3.0"]),
    "gradient for numbers": (lambda: gradients(Value(1.0), [3.0]), AutogradError, ["nodes", "3.0"]),
    "gradient of a number": (lambda: gradients(3.0, Value(1.0)), AutogradError, ["nodes", "3.0"]),
    "gradient for None": (lambda: gradients(Value(1.0), None), DataError, ["nodes", "None"]),
    "cotangent of a wrong shape": (
        lambda: vector().backward(np.ones(2)),
        ShapeError,
        ["cotangent", r"\(3,\)", r"\(2,\)"],
    ),
    "cotangent of text": (lambda: Value(1.0).backward("a"), DataError, ["cotangent", "'a'"]),
    "cotangent of a Value": (
        lambda: Value(1.0).backward([1.0]),
        ShapeError,
        ["cotangent", "one number", r"\(1,\)"],
    ),
    "stale Value": (
        lambda: stale(Value(2.0, label="w")).backward(),
        StaleGraphError,
        ["'w'", "mul", "again"],
    ),
    "stale without a label": (
        lambda: stale(Value(2.0)).backward(),
        StaleGraphError,
        [r"Value\(5.0\)", "mul"],
    ),
    # NumPy's functions.
    "np.fft.rfft": (lambda: np.fft.rfft(vector()), DataError, ["gradient", "complex", "numpy"]),
    "np.asarray": (lambda: np.asarray(vector()), DataError, [r"\.data", "autograd"]),
    "np.array of Values": (lambda: np.array([Value(1.0)]), DataError, ["gradient"]),
    "np.frexp": (lambda: np.frexp(vector()), DataError, ["gradient", "np.log2"]),
    # The checker, and definitions.
    "check order": (lambda: check_grads(ag.sin, 1.0, order=0), DataError, ["order", "0"]),
    "check without nodes": (
        lambda: check_grads(lambda x: 3.0, 1.0),
        DataError,
        ["return nodes", "3.0"],
    ),
    "check of text": (lambda: check_grads(ag.sin, "a"), DataError, ["real number", "'a'"]),
    "primitive twice": (
        lambda: Primitive("mul", "×", None, np.multiply, (None,), ()),
        PrimitiveError,
        ["'mul'", "exists"],
    ),
    "primitive incomplete": (
        lambda: Primitive("planted", "", None, np.sin, (), ()),
        PrimitiveError,
        ["'planted'", "label", "domain", "pullbacks", "examples"],
    ),
}


@pytest.mark.parametrize(("make", "kind", "words"), TABLE.values(), ids=TABLE)
def test_message(make: Make, kind: type[Exception], words: list[str]) -> None:
    with pytest.raises(kind) as caught:
        make()
    error, message = caught.value, str(caught.value)
    assert isinstance(error, AutogradError), f"{type(error).__name__} is not in the tree"
    for word in words:
        assert re.search(word, message), f"{word!r} is missing in: {message}"
    assert len(message) < 500
    assert "\n" not in message
    assert "gufunc" not in message


# --------------------------------------------------------------------------- the tree

CLASSES = [c for c in vars(errors).values() if inspect.isclass(c)]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_every_class_is_in_the_tree_exported_and_told_of(cls: type[Exception]) -> None:
    assert issubclass(cls, AutogradError)
    assert getattr(ag, cls.__name__) is cls
    assert cls.__name__ in errors.__all__
    assert cls.__doc__
    assert ">>>" in cls.__doc__
    assert cls.__name__ in (errors.__doc__ or "")


def test_every_class_but_the_root_is_also_a_built_in_one() -> None:
    for cls in CLASSES:
        if cls is not AutogradError:
            builtin = [base for base in cls.__mro__ if base.__module__ == "builtins"]
            assert builtin[0] is not Exception


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    for name, builtin in re.findall(r"── (\w+) +\((\w+)\)", errors.__doc__ or ""):
        assert issubclass(
            getattr(errors, name), getattr(__builtins__, builtin, None) or __builtins__[builtin]
        )  # type: ignore[index]


def test_nothing_in_the_engine_raises_outside_the_tree() -> None:
    """But for protocols of Python, which have errors of their own."""
    import pkgutil
    from importlib import import_module

    ours = {cls.__name__ for cls in CLASSES}
    # A method to override; caught by on_arrays; of a mapping; of a sequence.
    allowed = {"NotImplementedError", "ValueError", "KeyError", "IndexError"}
    for module in pkgutil.walk_packages(ag.__path__, "autograd."):
        if ".render" not in module.name:
            source = inspect.getsource(import_module(module.name))
            raised = set(re.findall(r"raise (\w+)\(", source)) | set(
                re.findall(r"raise (\w+Error)\b", source)
            )
            assert {name for name in raised if name[0].isupper()} <= ours | allowed, module.name


def test_a_failed_backward_changes_no_leaf() -> None:
    x, y = Value(2.0, label="x"), Value(3.0)
    z = (x * x) + y
    x.data = 5.0
    with pytest.raises(StaleGraphError):
        z.backward()
    assert (x.grad, y.grad) == (None, None)
