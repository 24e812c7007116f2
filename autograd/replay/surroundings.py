"""What a function finds outside of itself by name: where it is another, a replay would be stale.

The names of the function itself are looked up at every call, and those of the user's functions,
methods, modules and objects that it reaches through them. Nothing is run to find out; a name that
is put together at run time, as for `getattr`, is not seen.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

__all__ = ["Surroundings", "names_of"]

MOST_ITEMS = 64
"""The items of a longer list or dict are not looked at."""

MOST_PLACES = 256
"""After as many places to look at, no further function is followed."""

_NOT_FOLLOWED = {"autograd", "nn", "numpy", "scipy", "builtins"} | sys.stdlib_module_names

Namespace = Callable[[str], Any]
Names = tuple[str, ...]


class Surroundings:
    """The objects that a function, or a method of an object, can find by its names.

    Parameters
    ----------
    root : object
        A function, or an argument of one, which has attributes.
    names : tuple of str
        Of attributes that the function may ask `root` for.

    Examples
    --------
    >>> factor = 2.0
    >>> around = Surroundings(lambda x: factor * x)
    >>> factor in around.objects()
    True
    """

    def __init__(self, root: Any, names: Names = ()) -> None:
        self._namespaces: list[tuple[Namespace, Names]] = []
        self._cells: list[types.CellType] = []
        self._containers: list[Any] = []
        self._seen: set[tuple[int, Names]] = set()
        self._queue: list[tuple[Any, Names]] = [(root, names)]
        self._follow(root)
        for value, asked in self._queue:  # which grows
            if len(self._namespaces) + len(self._cells) > MOST_PLACES:
                break
            self._visit(value, asked)
        del self._seen, self._queue

    def objects(self) -> list[Any]:
        """What is found now: the same objects mean the same function."""
        found: list[Any] = []
        for get, names in self._namespaces:
            found += map(get, names)
        if self._cells:
            found += map(_contents, self._cells)
        for container in self._containers:
            if len(container) <= MOST_ITEMS:
                found += container.values() if isinstance(container, dict) else container
        return found

    def _visit(self, value: Any, names: Names) -> None:
        """Look at an object that some code has, and may ask for attributes of some names."""
        key = id(value), names
        if key in self._seen:
            return
        self._seen.add(key)
        if isinstance(value, types.FunctionType):
            if _is_users(value.__module__):
                self._follow(value)
        elif isinstance(value, types.MethodType):
            self._visit_method(value.__func__, value.__self__)
        elif isinstance(value, functools.partial):
            self._visit_all([value.func, *value.args, *value.keywords.values()], names)
        elif "__wrapped__" in getattr(value, "__dict__", ()):  # a function under jit
            self._visit_all([value.__wrapped__], names)
        elif isinstance(value, (property, staticmethod, classmethod)):
            self._visit_all([getattr(value, "fget", None), getattr(value, "__func__", None)], names)
        elif isinstance(value, (list, tuple, dict)):
            if len(value) <= MOST_ITEMS:
                self._containers.append(value)
                self._visit_all(value.values() if isinstance(value, dict) else value, names)
        elif isinstance(value, types.ModuleType):
            if _is_users(value.__name__):
                self._look_up(vars(value), names)
        elif isinstance(value, type):
            self._visit_class(value, None, names)
        else:
            if any(_package(k.__module__) == "nn" for k in type(value).__mro__):
                self._visit_module(value, names)
            self._visit_class(type(value), value, names)

    def _visit_all(self, values: Iterable[Any], names: Names) -> None:
        self._queue += [(value, names) for value in values]

    def _look_up(self, namespace: Any, names: Names) -> None:
        """Look at what of a namespace some code may name."""
        there = tuple(name for name in names if name in namespace)
        if there:
            self._namespaces.append((namespace.get, there))
            self._visit_all(map(namespace.get, there), names)

    def _follow(self, function: Any) -> None:
        """Look at what a function can name, whoever wrote it."""
        if isinstance(function, types.MethodType):
            self._visit_method(function.__func__, function.__self__)
            return
        code = getattr(function, "__code__", None)
        if code is None:
            return
        names = names_of(function)
        # Also what is not there: it may be, later.
        self._namespaces.append((function.__globals__.get, names))
        self._visit_all(map(function.__globals__.get, names), names)
        cells = function.__closure__ or ()
        self._cells += cells
        self._visit_all(map(_contents, cells), names)
        self._visit_all(function.__defaults__ or (), names)
        self._visit_all((function.__kwdefaults__ or {}).values(), names)

    def _visit_method(self, function: Any, owner: Any) -> None:
        self._follow(function)
        self._visit_all([owner], names_of(function))

    def _visit_module(self, module: Any, names: Names) -> None:
        """Look at what a layer of nn is set to, whose code is not followed, and at those in it."""
        attributes = vars(module)
        settings = {"training"}
        if _package(type(module).__module__) == "nn":
            settings |= {k for k, v in attributes.items() if type(v) in (bool, int, float, str)}
        self._namespaces.append((attributes.get, tuple(sorted(settings))))
        self._visit_all(attributes.values(), names)

    def _visit_class(self, kind: type, instance: Any, names: Names) -> None:
        """Look at the attributes of an object of the user's, and at its methods."""
        if not any(_is_users(k.__module__) for k in kind.__mro__):
            return
        self._look_up(getattr(instance, "__dict__", {}), names)
        asked = names if instance is None else (*names, "__call__", "forward")
        for k in kind.__mro__:
            if not _is_users(k.__module__):
                continue
            self._look_up(vars(k), asked)
            for name in asked:
                method = getattr(vars(k).get(name), "fget", vars(k).get(name))
                if isinstance(method, types.FunctionType):
                    self._visit_all([instance], names_of(method))


def names_of(function: Any) -> Names:
    """The names of globals and attributes in a function, those that it defines, and one it wraps.

    >>> names_of(lambda x: [x.real for _ in range(3)])
    ('range', 'real')
    """
    names: Names = ()
    while function is not None:
        code = getattr(function, "__code__", None)
        names += () if code is None else _names_in(code)
        function = getattr(function, "__wrapped__", None)
    return names


@functools.cache
def _names_in(code: types.CodeType) -> Names:
    return tuple(sorted({name for inner in _codes(code) for name in inner.co_names}))


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _is_users(module: str | None) -> bool:
    return _package(module) not in _NOT_FOLLOWED


def _package(module: str | None) -> str:
    return (module or "").partition(".")[0]


def _contents(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # nothing is assigned yet
        return None
