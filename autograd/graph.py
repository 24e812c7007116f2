"""The recorded graph: what a node is, and the order of nodes. Nothing here knows derivatives.

A node is data: a number or an array, the primitive that made it, and the nodes it was made from.
No closures, so that a graph can be drawn, copied, pickled, differentiated again, and is freed
by reference counting when its output is dropped.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from threading import Lock
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

from .errors import DataError, GradientError

if TYPE_CHECKING:
    from .primitive import Primitive

__all__ = ["Node", "Origin", "Scope", "topological_order"]

NO_PARAMS: Mapping[str, Any] = MappingProxyType({})
"""The parameters of a primitive that has none, shared by all such nodes."""


class Clock:
    """Counts the changes of leaf data, so that a graph recorded before a change can tell.

    A node keeps the time at which it was recorded, a leaf the time at which its data was last
    set. No input may be younger than the node that uses it. Nodes recorded between two changes
    share one int, which costs no allocation.

    Each call of `grad` and its relatives ticks too, so that what the function records is told by
    its time from what was there before.
    """

    __slots__ = ("_lock", "now")

    def __init__(self) -> None:
        self.now = 1  # a number in a formula is of time 0
        self._lock = Lock()

    def tick(self) -> int:
        """Move to the next time and return it."""
        with self._lock:
            self.now += 1
            return self.now

    def catch_up(self, time: int) -> None:
        """Be at least at `time`, that of a node from another process."""
        with self._lock:
            self.now = max(self.now, time)


clock = Clock()


class Scope:
    """A named part of a computation, in which nodes were recorded: one call of a layer, say.

    Attributes
    ----------
    owner : str or object
        Its name, or what was called, which tells its name by ``describe()``.
    parent : Scope or None
        The scope around it.

    Examples
    --------
    >>> from autograd import Value, scope
    >>> with scope("square"):
    ...     y = Value(3.0) * 3.0
    >>> y.scope.title, y.scope.path
    ('square', ('square',))
    """

    __slots__ = ("owner", "parent")

    def __init__(self, owner: Any, parent: Scope | None) -> None:
        self.owner = owner
        self.parent = parent

    @property
    def title(self) -> str:
        """The name to show."""
        return self.owner if isinstance(self.owner, str) else str(self.owner.describe())

    @property
    def scopes(self) -> list[Scope]:
        """The scopes that hold it, outermost first, and itself."""
        found: list[Scope] = []
        scope: Scope | None = self
        while scope is not None:
            found.append(scope)
            scope = scope.parent
        return found[::-1]

    @property
    def path(self) -> tuple[Hashable, ...]:
        """What tells it from others, outermost first: two calls of one layer have equal paths."""
        owners = (scope.owner for scope in self.scopes)
        return tuple(owner if isinstance(owner, str) else id(owner) for owner in owners)

    def __repr__(self) -> str:
        return f"<Scope {' > '.join(scope.title for scope in self.scopes)}>"

    def __deepcopy__(self, memo: dict[int, Any]) -> Scope:
        return self  # names, not numbers

    def __reduce__(self) -> tuple[Any, ...]:
        return Scope, (self.title, self.parent)


class Origin(NamedTuple):
    """The line of the user's code that recorded a node, and the scope it ran in.

    >>> Origin("train.py", 12, "loss = log(p)", None).line
    12
    """

    file: str
    line: int
    source: str
    scope: Scope | None

    def __str__(self) -> str:
        place = _cell(self.file)
        where = f"{place}, line {self.line}" if place else f"{self.file}:{self.line}"
        return where + (f": {self.source}" if self.source else "")


def _cell(file: str) -> str:
    """What a notebook calls the cell that it keeps in a file, such as "Cell In[3]", or ""."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    named = shell and shell.compile.format_code_name(file)
    return " ".join(named) if named else ""


class Node:
    """One node of a computation graph; `Value` and `Tensor` are the two kinds.

    Attributes
    ----------
    data : float or ndarray
        The number or array that the node holds. Settable on a leaf.
    grad : float, ndarray or None
        The derivative of the output of the last `backward` with respect to this node. None until
        a backward reaches it. Leaves add up over calls; other nodes hold the last call's.
    label : str
        A name of your choice, for pictures and messages.
    primitive : Primitive or None
        What made the node; None for a leaf.
    params : dict
        The parameters of the primitive that are not differentiated, such as an axis.
    is_constant : bool
        Whether no gradient flows to the node.

    Examples
    --------
    >>> from autograd import Value
    >>> a = Value(2.0, label="a")
    >>> b = a * a
    >>> b.inputs == (a, a), b.primitive.name, a.is_leaf
    (True, 'mul', True)
    """

    # The first two inputs stand in slots of their own: a tuple a node would double what the
    # cyclic garbage collector has to scan (docs/decisions/0001-inputs-in-two-slots.md).
    __slots__ = (
        "__weakref__",
        "_first",
        "_raw",
        "_second",
        "_where",
        "epoch",
        "grad",
        "is_constant",
        "label",
        "params",
        "primitive",
    )

    _raw: Any
    _shown: Any  # see Tensor.data; None on a Value
    _first: Node | tuple[Node, ...] | None
    _second: Node | None
    _where: Scope | Origin  # set only where there is one to tell
    epoch: int
    grad: Any
    is_constant: bool
    label: str
    params: Mapping[str, Any]
    primitive: Primitive | None

    @property
    def inputs(self) -> tuple[Node, ...]:
        """The nodes that this one was computed from, in order; empty for a leaf."""
        first, second = self._first, self._second
        if first is None:
            return ()
        if type(first) is tuple:
            return first
        return (first,) if second is None else (first, second)  # type: ignore[return-value]

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes of the data; () for one number."""
        return getattr(self._raw, "shape", ())

    @property
    def is_leaf(self) -> bool:
        """Whether the node was made by hand rather than computed from others."""
        return self._first is None

    @property
    def scope(self) -> Scope | None:
        """Where it was recorded, as `autograd.scope` and the modules of `nn` name it."""
        where = getattr(self, "_where", None)
        return where.scope if type(where) is Origin else where

    @property
    def origin(self) -> Origin | None:
        """The line of code that recorded it; None unless that was under `autograd.debug`."""
        where = getattr(self, "_where", None)
        return where if type(where) is Origin else None

    def _adopt_changes(self) -> bool:
        return False

    def numpy(self) -> Any:
        """The data for reading: a float, or a read-only array that shares memory."""
        return self._raw

    def _refuse_computed(self) -> None:
        if self._first is not None:
            raise GradientError(
                f"the data of {self!r} is computed from its inputs and cannot be set: "
                "set the data of a leaf, or make a new leaf from the number"
            )

    def __copy__(self) -> Self:
        return _restore(None, type(self), self._fields(), self.inputs)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        for node in topological_order(self):
            if id(node) not in memo:
                inputs = tuple(memo[id(n)] for n in node.inputs)
                copied = memo[id(node)] = _restore(None, type(node), node._fields(), inputs)
                copied.grad = copy.copy(node.grad)
        return memo[id(self)]  # type: ignore[no-any-return]

    def __reduce__(self) -> tuple[Any, ...]:
        # The nodes below are pickled first, one by one, so that a pickler finds the inputs of
        # each already written and never descends.
        below = None if _pickling_below.get() else _Below(self)
        return _restore, (below, type(self), self._fields(), self.inputs)

    def _fields(self) -> tuple[Any, ...]:
        # Data and parameters are never written to, so copies share them.
        if self._shown is not None:
            self._adopt_changes()
        return (
            self._raw,
            self.grad,
            self.label,
            self.primitive,
            self.params or None,  # the shared empty one cannot be pickled
            self.epoch,
            self.is_constant,
            getattr(self, "_where", None),
        )


def in_two_slots(inputs: Sequence[Node]) -> tuple[Any, Node | None]:
    """What the two slots of a node hold for its inputs."""
    count = len(inputs)
    if count == 2:
        return inputs[0], inputs[1]
    if count > 2:
        return tuple(inputs), None
    return inputs[0] if count else None, None


N = TypeVar("N", bound=Node)

_pickling_below: ContextVar[bool] = ContextVar("_pickling_below", default=False)


class _Below:
    """Stands in a pickle for the nodes below one, written in topological order."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (), None, self._one_by_one()

    def _one_by_one(self) -> Iterator[Node | None]:
        token = _pickling_below.set(True)
        try:
            yield from topological_order(self.node)[:-1]
            yield None  # picklers read one item ahead: the last node is written before the end
        finally:
            _pickling_below.reset(token)


def _restore(below: object, kind: type[N], fields: tuple[Any, ...], inputs: tuple[Node, ...]) -> N:
    node = object.__new__(kind)
    if kind._shown is not None:  # the slot of a Tensor
        node._shown = None
    node._raw, node.grad, node.label, node.primitive, params, node.epoch, constant, where = fields
    node.params = params or NO_PARAMS
    node.is_constant = constant
    if where is not None:
        node._where = where
    node._first, node._second = in_two_slots(inputs)
    clock.catch_up(node.epoch)
    return node


def topological_order(*outputs: Node) -> list[Node]:
    """List every node that the outputs were computed from, inputs before their consumers.

    The same graph gives the same order on every run. Iterative, so that depth does not matter.

    >>> from autograd import Value
    >>> a, b = Value(2.0, label="a"), Value(3.0, label="b")
    >>> c = a * b
    >>> [node.label or node.primitive.name for node in topological_order(c + a)]
    ['a', 'b', 'mul', 'add']
    """
    for output in outputs:
        if not isinstance(output, Node):
            raise DataError(f"the graph of a node was asked for, got {output!r:.60}")
    order: list[Node] = []
    seen: set[Node] = set()
    stack: list[Any] = [*reversed(outputs)]
    push, pop, done, add = stack.append, stack.pop, order.append, seen.add
    while stack:
        node = pop()
        if node is None:  # marks that the inputs of the node below it are done
            done(pop())
            continue
        if node in seen:
            continue
        add(node)
        first, second = node._first, node._second
        if first is None:
            done(node)
            continue
        push(node)
        push(None)
        if second is None:
            stack.extend(reversed(first)) if type(first) is tuple else push(first)
            continue
        # Half of the inputs in a net of scalars are leaves: they need no visit of their own.
        if second not in seen:
            push(second)
        if first._first is not None:
            push(first)
        elif first not in seen:
            add(first)
            done(first)
    return order
