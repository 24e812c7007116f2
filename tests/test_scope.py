"""Where nodes were recorded: named scopes, the modules of nn, lines of code; and what a cotangent
sends to each input of a node."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest

import nn
from autograd import (
    DataError,
    Node,
    Tensor,
    Value,
    debug,
    gradients,
    jit,
    no_grad,
    scope,
    tanh,
    topological_order,
    value_and_grad,
    where,
)
from autograd.backprop import contributions
from autograd.primitive import REGISTRY, Masked


def title(node: Node) -> str | None:
    return None if node.scope is None else " > ".join(s.title for s in node.scope.scopes)


def titles(node: Node) -> set[str | None]:
    """The scopes of the computed nodes."""
    return {title(n) for n in topological_order(node) if not n.is_leaf}


# Named scopes


@pytest.mark.parametrize("x", [Value(2.0), Tensor([1.0, 2.0])])
def test_every_way_to_record_notes_the_scope(x: Any) -> None:
    with scope("a"):
        made = [x * x, x * 2.0, 2.0 * x, tanh(x), x**2, -x, np.sin(x), where(x > 0, x, 0.0)]
        with scope("b"):
            inner = x + 1
    assert {title(node) for node in made} == {"a"}
    assert title(inner) == "a > b"
    assert title(x + 1) is None


def test_leaves_and_constants_have_no_scope() -> None:
    with scope("a"), no_grad():
        assert Value(1.0).scope is None
        assert (Value(1.0) * 2).scope is None


def test_a_scope_ends_with_an_exception() -> None:
    with pytest.raises(ZeroDivisionError), scope("a"):
        _ = 1 / 0
    assert (Value(1.0) * 2).scope is None


def test_one_scope_object_may_be_entered_twice_at_once() -> None:
    a = scope("a")
    with a, a:
        assert title(Value(1.0) * 2) == "a > a"
    assert (Value(1.0) * 2).scope is None


def test_a_decorated_function_is_a_scope_at_each_call_recursion_included() -> None:
    @scope("power")
    def power(x: Any, n: int) -> Any:
        return x if n == 1 else x * power(x, n - 1)

    assert titles(power(Value(2.0), 3)) == {"power", "power > power"}
    assert power.__name__ == "power"


@pytest.mark.parametrize("setting", [no_grad(), scope("a"), debug()])
def test_what_runs_later_cannot_be_decorated(setting: Any) -> None:
    with pytest.raises(DataError, match="cannot decorate"):

        @setting
        def later() -> Any:
            yield 1


def test_a_name_is_text() -> None:
    with pytest.raises(DataError, match="text, got the int 3"):
        scope(3)  # type: ignore[arg-type]


def test_threads_do_not_share_scopes() -> None:
    inside, seen = threading.Barrier(2), {}

    def work(name: str) -> None:
        with scope(name):
            inside.wait()
            seen[name] = title(Value(1.0) * 2)
            inside.wait()

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {"a": "a", "b": "b"}


def test_equal_names_in_equal_places_have_equal_paths() -> None:
    def made(*names: str) -> Any:
        with scope(names[0]), scope(names[1]):
            return (Value(1.0) * 2).scope.path

    assert made("a", "b") == made("a", "b")
    assert made("a", "b") != made("b", "b")


def test_derivatives_taken_inside_a_scope_are_in_it() -> None:
    x = Value(3.0)
    with scope("a"):
        _, slope = value_and_grad(lambda y: x * y * y)(Value(2.0))
    assert title(slope) == "a"


def test_copies_and_pickles_keep_the_scope() -> None:
    net = nn.MLP(2, [2, 1], node=Value, rng=0)
    with scope('quote " and é'), debug():
        y = net([1.0, 2.0])
    for twin in (copy.deepcopy(y), pickle.loads(pickle.dumps(y)), copy.copy(y)):
        assert titles(twin) == titles(y)
        assert str(twin.origin) == str(y.origin)


def test_what_jit_records_has_no_scope_and_the_same_numbers() -> None:
    def f(x: Any) -> Any:
        with scope("a"):
            return (x * x).tanh()

    x = Value(0.3)
    assert jit(f)(x).data == f(x).data
    with scope("outside"):
        assert title(jit(f)(x)) == "outside"


# The modules of nn


def test_the_modules_of_a_net_are_scopes_and_its_container_is_not() -> None:
    net = nn.MLP(2, [3, 1], node=Value, rng=0)
    loss = nn.hinge_loss([net([1.0, 2.0])], [1])
    assert titles(loss) == {
        "Layer(2, 3, relu) > Neuron(2, relu)",
        "Layer(3, 1, identity) > Neuron(3, identity)",
        "hinge_loss",
    }
    paths = {n.scope.path for n in topological_order(loss) if n.scope}
    assert len(paths) == 5  # four neurons and the loss
    array = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Residual(nn.Linear(3, 3)))
    assert titles(array(np.ones((4, 2)))) == {
        "Linear(2, 3)",
        "ReLU()",
        "Residual()",
        "Residual() > Linear(3, 3)",
    }


def test_two_calls_of_one_module_have_equal_paths() -> None:
    a, b = nn.Linear(2, 2), nn.Linear(2, 2)
    x = np.ones((1, 2))
    assert a(x).scope.path == a(x).scope.path != b(x).scope.path


def test_a_module_of_ones_own_is_a_scope_and_super_adds_none() -> None:
    class Twice(nn.Linear):
        def __call__(self, x: Any) -> Any:
            return super().__call__(x) * 2

    assert titles(Twice(2, 2)(np.ones((1, 2)))) == {"Linear(2, 2)"}

    class Plain(nn.Module):
        is_box = False

        def __call__(self, x: Any) -> Any:
            return x * 2

    assert Plain()(Value(1.0)).scope is None


# Lines of code


def test_debug_notes_the_users_line_not_ours() -> None:
    net = nn.MLP(2, [2, 1], rng=0)
    with debug():
        z = net(np.ones((3, 2))).sum()  # this line
    origins = {n.origin for n in topological_order(z) if not n.is_leaf}
    assert {origin.source.endswith("# this line") for origin in origins if origin} == {True}
    assert {origin.file for origin in origins if origin} == {__file__}
    assert (z * 2).origin is None


def test_a_cell_of_a_notebook_is_named_as_it_is_there() -> None:
    pytest.importorskip("IPython")
    code = (
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "cell = 'from autograd import Value, debug\\nwith debug():\\n    z = Value(1.0).log()\\n'\n"
        "shell.run_cell(cell + 'print(z.origin)')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("Cell In[1], line 3: z = Value(1.0).log()")


def test_debug_and_scopes_nest_both_ways() -> None:
    x = Value(2.0)
    with debug(), scope("a"):
        one = x * x
    with scope("a"), debug():
        two = x * x
        with scope("b"):
            three = x * x
    assert title(one) == title(two) == "a"
    assert title(three) == "a > b"
    assert None not in (one.origin, two.origin, three.origin)


# What a cotangent sends to each input


@pytest.mark.parametrize("name", ["add", "mul", "div", "pow", "tanh", "where", "matmul", "sum"])
def test_contributions_add_up_to_the_gradients(name: str) -> None:
    primitive = REGISTRY[name]
    rng = np.random.default_rng(0)
    shapes = ((3,),) * len(primitive.domain)
    params: dict[str, Any] = {}
    if primitive.examples:
        shapes, params = primitive.examples[0].shapes, primitive.examples[0].params
    operands = [Tensor(rng.uniform(0.3, 0.8, shape)) for shape in shapes]
    if name == "where":
        operands[0] = Tensor([True, False, True])
    out = primitive(*operands, **params)
    g = rng.uniform(0.5, 1.5, out.shape)
    for index, x, amount in contributions(out, g):
        assert operands[index] is x
        amount = amount.value if isinstance(amount, Masked) else amount
        np.testing.assert_array_equal(amount, gradients(out, x, cotangent=g))


def test_contributions_name_both_places_of_one_operand_and_leave_out_constants() -> None:
    a = Value(3.0)
    assert contributions(a * a, 1.0) == [(0, a, 3.0), (1, a, 3.0)]
    assert [i for i, _, _ in contributions(a * 2.0, 1.0)] == [0]
    assert [i for i, _, _ in contributions(2.0 * a, 1.0)] == [1]
    taken, other = Value(1.0), Value(2.0)
    assert [x for _, x, _ in contributions(where(True, taken, other), 1.0)] == [taken]
    assert contributions(Value(0.0).log(), 1.0)[0][2] == np.inf
    assert contributions(a, 1.0) == []
