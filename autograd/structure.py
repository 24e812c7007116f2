"""Nested tuples, lists, dicts and namedtuples as a list of leaves and a structure to rebuild."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, NamedTuple

from .errors import DataError, ShapeError
from .primitive import describe

__all__ = ["LEAF", "Structure", "flatten"]


class Container(NamedTuple):
    """One tuple, list, dict or namedtuple, or None: what it takes to make another.

    Parameters
    ----------
    kind : type
    length : int
        The number of items.
    keys : tuple, optional
        Of a dict.
    factory : callable, optional
        Of a defaultdict.
    """

    kind: type
    length: int
    keys: tuple[Any, ...] | None = None
    factory: Any = None

    def of(self, items: Sequence[Any]) -> Any:
        """Make such a container of other items."""
        if self.kind is type(None):
            return None
        if self.keys is None:
            make = getattr(self.kind, "_make", self.kind)  # of a namedtuple
            return make(items)
        pairs = dict(zip(self.keys, items, strict=True))
        if self.kind is dict:
            return pairs
        return self.kind(pairs) if self.factory is None else self.kind(self.factory, pairs)

    def fits(self, other: Any) -> bool:
        """Whether another container has items for the same places."""
        if self.keys is not None:
            return isinstance(other, dict) and other.keys() == {*self.keys}
        if self.kind is type(None):
            return other is None
        return isinstance(other, (tuple, list)) and len(other) == self.length

    def items_of(self, other: Any) -> Sequence[Any]:
        """The items of another container that fits, in this one's order."""
        if self.keys is not None:
            return [other[key] for key in self.keys]
        return () if other is None else other

    def __str__(self) -> str:
        if self.kind is type(None):
            return "None"
        what = f"{self.length} items" if self.keys is None else f"the keys {list(self.keys)!r:.60}"
        return f"a {self.kind.__name__} of {what}"


class Structure(NamedTuple):
    """How leaves are nested: containers in postorder, a number standing for so many leaves.

    >>> leaves, structure = flatten({"a": 1, "b": (2, [3])})
    >>> leaves, structure.rebuild(x * 10 for x in leaves)
    ([1, 2, 3], {'a': 10, 'b': (20, [30])})
    """

    steps: tuple[Container | int, ...]

    def rebuild(self, leaves: Iterable[Any]) -> Any:
        """Nest leaves, as many as there were, in the same way."""
        source = iter(leaves)
        if self is LEAF:
            return next(source)
        done: list[Any] = []
        for step in self.steps:
            if isinstance(step, int):
                done += islice(source, step)
                continue
            start = len(done) - step.length
            items = done[start:]
            done[start:] = [step.of(items)]
        return done.pop()

    def leaves_of(self, tree: Any, what: str) -> list[Any]:
        """List what a tree has in place of each leaf; a `ShapeError` if it is nested otherwise.

        A list may stand for a tuple, and the keys of a dict may come in any order.

        >>> flatten({"a": 1, "b": (2, 3)})[1].leaves_of({"b": [4, 5], "a": 6}, "a tangent")
        [6, 4, 5]
        """
        leaves: list[Any] = []
        stack = [tree]
        for step in reversed(self.steps):
            if isinstance(step, int):
                leaves += stack[: -step - 1 : -1]
                del stack[-step:]
                continue
            item = stack.pop()
            if not step.fits(item):
                raise ShapeError(
                    f"{what} is nested like what it belongs to: expected {step}, "
                    f"got {describe(item)}"
                )
            stack += step.items_of(item)
        return leaves[::-1]


LEAF = Structure((1,))

NOTHING = Container(type(None), 0)

NESTED = (tuple, list, dict, type(None))

MOST_CONTAINERS = 1_000_000
"""More are taken for a list that holds itself."""


def flatten(tree: Any) -> tuple[list[Any], Structure]:
    """List the leaves of a tree from left to right, with its structure; iterative.

    Tuples, lists, dicts and what derives from them are nested, and None has no leaves; anything
    else is one.

    Raises
    ------
    DataError
        If a container holds itself.

    Examples
    --------
    >>> flatten(3.0)[0], flatten({"b": 1, "a": [2, (), None]})[0]
    ([3.0], [1, 2])
    """
    if not isinstance(tree, NESTED):
        return [tree], LEAF
    leaves: list[Any] = []
    steps: list[Container | int] = []  # from right to left, and each container before its items
    stack: list[Any] = [tree]
    containers = 0
    while stack:
        item = stack.pop()
        if not isinstance(item, NESTED):
            leaves.append(item)
            _count(steps, 1)
            continue
        containers += item is not None
        if containers > MOST_CONTAINERS:
            raise DataError("a list, tuple or dict of the arguments holds itself")
        container = _container(item)
        steps.append(container)
        items = container.items_of(item)
        kinds = [*map(type, items)]
        if kinds.count(float) < len(kinds) and any(issubclass(kind, NESTED) for kind in {*kinds}):
            stack += items
        else:  # many leaves at once
            leaves += reversed(items)
            _count(steps, container.length)
    return leaves[::-1], Structure(tuple(reversed(steps)))


def _count(steps: list[Container | int], leaves: int) -> None:
    """Note that leaves come next."""
    if not leaves:
        return
    before = steps[-1] if steps else None
    if isinstance(before, int):
        steps[-1] = before + leaves
    else:
        steps.append(leaves)


def _container(item: Any) -> Container:
    if item is None:
        return NOTHING
    if isinstance(item, dict):
        factory = getattr(item, "default_factory", None)
        return Container(type(item), len(item), tuple(item), factory)
    return Container(type(item), len(item))
