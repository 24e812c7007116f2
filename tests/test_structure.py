"""Nested containers: taken apart, put together, compared."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, namedtuple
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd import DataError, ShapeError, structure
from autograd.structure import LEAF, flatten

Point = namedtuple("Point", "x y")

TREES: dict[str, Any] = {
    "leaf": 1.0,
    "none": None,
    "empty": ((), [], {}),
    "tuple": (1.0, 2.0),
    "list of one": [1.0],
    "dict": {"b": 1.0, "a": [2.0, None]},
    "namedtuple": Point(1.0, (2.0, Point(3.0, None))),
    "OrderedDict": OrderedDict(b=1.0, a=2.0),
    "keys that do not compare": {1: 1.0, "a": 2.0, (): 3.0},
    "text is a leaf": ["ab", {"c"}],
}


@pytest.mark.parametrize("tree", TREES.values(), ids=TREES)
def test_rebuilt_as_it_was(tree: Any) -> None:
    leaves, nesting = flatten(tree)
    rebuilt = nesting.rebuild(leaves)
    assert rebuilt == tree
    assert type(rebuilt) is type(tree)
    assert flatten(rebuilt) == (leaves, nesting)
    assert nesting.leaves_of(tree, "it") == leaves


def test_leaves_come_from_left_to_right() -> None:
    assert flatten({"b": [1, (2, 3)], "a": Point(4, None)})[0] == [1, 2, 3, 4]


def test_containers_keep_their_kind_inside() -> None:
    tree = [Point(1.0, OrderedDict(a=(2.0,)))]
    (point,) = flatten(tree)[1].rebuild([3.0, 4.0])
    assert type(point) is Point
    assert type(point.y) is OrderedDict
    assert (point.x, point.y["a"]) == (3.0, (4.0,))


def test_defaultdict_keeps_its_factory() -> None:
    tree = defaultdict(list, a=1.0)
    rebuilt = flatten(tree)[1].rebuild([2.0])
    assert rebuilt == {"a": 2.0}
    assert rebuilt["new"] == []


nested = st.recursive(
    st.floats(allow_nan=False) | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
        | st.tuples(inner, inner).map(lambda xy: Point(*xy))
    ),
)


@given(tree=nested)
def test_any_tree_is_rebuilt(tree: Any) -> None:
    leaves, nesting = flatten(tree)
    assert nesting.rebuild(leaves) == tree
    assert nesting.leaves_of(tree, "it") == leaves


def test_nested_deeper_than_the_stack() -> None:
    tree: Any = 1.0
    for _ in range(10_000):
        tree = (tree,)
    leaves, nesting = flatten(tree)
    assert leaves == [1.0]
    assert flatten(nesting.rebuild(leaves))[1].steps == nesting.steps


def test_container_that_holds_itself_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure, "MOST_CONTAINERS", 1000)
    tree: list[Any] = [1.0]
    tree.append(tree)
    with pytest.raises(DataError, match="holds itself"):
        flatten(tree)


def test_other_order_of_keys_and_list_for_tuple() -> None:
    nesting = flatten({"a": 1, "b": (2, [3])})[1]
    assert nesting.leaves_of({"b": [5, (6,)], "a": 4}, "it") == [4, 5, 6]
    assert LEAF.leaves_of([1, 2], "it") == [[1, 2]]  # what is no leaf there, is one here


@pytest.mark.parametrize(
    ("tree", "other", "message"),
    [
        ((1, 2), (1,), r"expected a tuple of 2 items, got the tuple \(1,\)"),
        ([1], 1, "expected a list of 1 items, got the int 1"),
        ({"a": 1}, {"b": 1}, r"expected a dict of the keys \['a'\], got the dict"),
        ((None, 1), (2, 1), "expected None, got the int 2"),
        (Point(1, 2), np.ones(2), "expected a Point of 2 items, got an array"),
        ({"a": (1, 2)}, {"a": 1}, "expected a tuple of 2 items, got the int 1"),
    ],
)
def test_what_is_nested_otherwise_is_refused(tree: Any, other: Any, message: str) -> None:
    with pytest.raises(ShapeError, match="it is nested like what it belongs to: " + message):
        flatten(tree)[1].leaves_of(other, "it")
