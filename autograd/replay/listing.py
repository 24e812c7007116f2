"""The operations of a recorded graph as a list by number, ready to be sorted into batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..graph import NO_PARAMS, Node
from ..primitive import Primitive, current_data
from .rules import RULES

__all__ = ["NOTHING", "Kind", "Listing"]

NOTHING = -1
"""Stands for an operand that an operation does not have, and for the kind of what is not one."""


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """A primitive with its parameters: what the operations of a batch have in common."""

    primitive: Primitive
    params: Mapping[str, Any]

    def array(self) -> Callable[..., Any]:
        """The form for arrays, with the parameters given."""
        return self._bound(self.primitive.array)

    def scalar(self) -> Callable[..., Any]:
        """The form for floats, with the parameters given."""
        return self._bound(self.primitive.scalar)

    def _bound(self, function: Any) -> Callable[..., Any]:
        params = self.params
        return partial(function, **params) if params else function


class Listing:
    """Numbers the nodes of a recording. Lists and not objects, since there may be millions.

    Everything that is taken or computed has a number, its id, in the order of recording. An
    operation on numbers shares its kind with others; one with arrays has a kind of its own.

    Attributes
    ----------
    sources : list of Node
        Nodes from before the recording, whose data is read at every replay.
    inputs : list of int
        The ids of the variables, then of the sources.
    constants : dict of int to data
    data : dict of int to data
        Of inputs and constants, and of results that are arrays or made of arrays.
    kinds : list of Kind
    kind, first, second : list of int
        For each id the index of its kind, and the ids of its first two operands.
    further : dict of int to list of int
        The operands beyond the second, of the few that have some.
    called : list of int
        What calls a function of the user's.
    """

    def __init__(self, variables: Sequence[Node], started: int) -> None:
        self.started = started
        self.number: dict[Node, int] = {}
        self.sources: list[Node] = []
        self.inputs: list[int] = []
        self.constants: dict[int, Any] = {}
        self.data: dict[int, Any] = {}
        self.kinds: list[Kind] = []
        self.kind: list[int] = []
        self.first: list[int] = []
        self.second: list[int] = []
        self.further: dict[int, list[int]] = {}
        self.called: list[int] = []
        self._literals: dict[Any, int] = {}
        self._shared: dict[Any, int] = {}
        for node in variables:
            self.number[node] = self._new(node._raw)
            self.inputs.append(self.number[node])

    def _new(self, data: Any) -> int:
        i = len(self.kind)
        self.data[i] = data
        self.kind.append(NOTHING)
        self.first.append(NOTHING)
        self.second.append(NOTHING)
        return i

    def enter(self, node: Node) -> int:
        """Give an id to a node that is not computed in the recording."""
        data = current_data(node)
        if self._was_before(node):
            self.sources.append(node)
            i = self.number[node] = self._new(data)
            self.inputs.append(i)
            return i
        i = self.number[node] = self.constant(data)
        return i

    def constant(self, data: Any) -> int:
        """The id of a constant; equal numbers are one."""
        key = data.hex() if type(data) is float else None
        i = self._literals.get(key)
        if i is None:
            i = self._new(data)
            self.constants[i] = data
            if key is not None:
                self._literals[key] = i
        return i

    def example(self, i: int) -> Any:
        """What has an id: an array as it was when recorded, or some number."""
        return self.data.get(i, 0.0)

    def _was_before(self, node: Node) -> bool:
        """Whether a node is not of the recording, and may hold other data when it is replayed."""
        if node._first is not None:
            return node.epoch < self.started
        # A leaf whose array was written to before looks new; a number in a formula has no time.
        return 0 < node.epoch < self.started or (node._shown is not None and not node.is_constant)

    def add_all(self, tape: Sequence[Node]) -> None:
        """Number what was recorded, in the order of recording."""
        number, enter = self.number, self.enter
        get, shared, constants = number.get, self._shared.get, self.constants
        kinds, firsts, seconds = self.kind, self.first, self.second
        positive = np.positive  # of the identity
        for node in tape:
            a: Any = node._first
            b: Any = node._second
            rest = None
            if type(a) is tuple:
                a, b, *rest = a
            i = get(a)
            if i is None:
                i = enter(a)
            if b is None:
                j: Any = NOTHING
            else:
                j = get(b)
                if j is None:
                    j = enter(b)
            if rest:
                rest = [enter(x) if get(x) is None else number[x] for x in rest]
            primitive: Any = node.primitive
            data = node._raw
            of_numbers = type(data) is float and primitive.elementwise
            if of_numbers:
                kind = shared(primitive if node.params is NO_PARAMS else None)
                if kind is None:
                    kind = self._kind(primitive, node.params)
            else:
                kind = len(self.kinds)
            if not of_numbers or i in constants or j in constants or primitive.array is positive:
                known = self._by_rule(Kind(primitive, node.params), i, j, rest, data)
                if known is not None:
                    number[node] = known
                    continue
            out = number[node] = len(kinds)
            if rest:
                self.further[out] = rest
            if not of_numbers:
                self.kinds.append(Kind(primitive, node.params))
                self.data[out] = data
                if primitive.calls_back:
                    self.called.append(out)
            kinds.append(kind)
            firsts.append(i)
            seconds.append(j)

    def _by_rule(self, kind: Kind, i: int, j: int, rest: Any, data: Any) -> int | None:
        operands = [i] if j == NOTHING else [i, j, *(rest or ())]
        for rule in RULES:
            known = rule(self, kind, operands, data)
            if known is not None:
                return known
        return None

    def of(self, node: Node) -> int:
        """The id of a node."""
        i = self.number.get(node)
        return self.enter(node) if i is None else i

    def _kind(self, primitive: Primitive, params: Mapping[str, Any]) -> int:
        key = (primitive, tuple(sorted(params.items()))) if params else primitive
        kind = self._shared.get(key)
        if kind is None:
            kind = self._shared[key] = len(self.kinds)
            self.kinds.append(Kind(primitive, params))
        return kind

    def operands(self, i: int) -> list[int]:
        """The ids that an operation takes."""
        second = self.second[i]
        return [self.first[i], *([] if second == NOTHING else [second]), *self.further.get(i, ())]

    def drop_dead(self, outputs: Sequence[int]) -> None:
        """Forget operations that no output needs, but for calls of the user's functions."""
        last = len(self.kind)
        needed = bytearray(last + 1)  # what is NOTHING falls beside the others
        for i in (*outputs, *self.called):
            needed[i] = 1
        backwards = zip(
            range(last - 1, -1, -1), reversed(self.first), reversed(self.second), strict=True
        )
        for i, a, b in backwards:
            if needed[i]:
                needed[a] = needed[b] = 1
                if i in self.further:
                    for k in self.further[i]:
                        needed[k] = 1
        dead = np.flatnonzero(np.frombuffer(needed, dtype=np.int8)[:-1] == 0)
        for i in dead.tolist():
            self.kind[i] = self.first[i] = self.second[i] = NOTHING
            self.further.pop(i, None)

    def depths(self) -> list[int]:
        """The longest way from an input to each id; none of one depth needs another."""
        depths: list[int] = []
        further = self.further
        add = depths.append
        for i, (a, b) in enumerate(zip(self.first, self.second, strict=True)):
            if a < 0:
                add(0)
                continue
            deepest = depths[a]
            if b >= 0 and depths[b] > deepest:
                deepest = depths[b]
            if i in further:
                deepest = max(deepest, *[depths[k] for k in further[i]])
            add(deepest + 1)
        return depths

    def fold_chains(self, outputs: Sequence[int]) -> None:
        """Make one operation of a chain ``((a + b) + c) + d``, computed from left to right.

        The rounding is the same, and sums over a hundred samples are one call, not a hundred.
        """
        if not self.kinds:
            return
        kind, first, second = self.kind, self.first, self.second
        kinds_, lefts, rights = np.array(kind), np.array(first), np.array(second)
        folds = [k for k in {*self._shared.values()} if self.kinds[k].primitive.array in FOLDED]
        further = [i for rest in self.further.values() for i in rest]
        taken = np.concatenate([lefts, rights, np.array([*further, *outputs], dtype=int)])
        uses = np.bincount(taken + 1, minlength=len(kind) + 1)[1:]
        # A link is used once, as the first operand of an operation of its kind.
        steps = np.isin(kinds_, folds)
        steps &= (kinds_[lefts] == kinds_) & (uses[lefts] == 1)
        linked = np.zeros(len(kind), dtype=bool)
        linked[lefts[steps]] = True
        heads = np.flatnonzero(steps & ~linked)
        is_link = bytearray(linked)
        kinds: dict[tuple[int, int], int] = {}
        for i in heads.tolist():
            k = kind[i]
            operands = [second[i]]
            link = first[i]
            while is_link[link]:
                operands.append(second[link])
                kind[link] = NOTHING
                link_of, link = link, first[link]
                first[link_of] = second[link_of] = NOTHING
            operands.append(link)
            operands.reverse()
            first[i], second[i], *rest = operands
            self.further[i] = rest
            key = k, len(operands)
            if key not in kinds:
                kinds[key] = len(self.kinds)
                self.kinds.append(self.kinds[k])
            kind[i] = kinds[key]


FOLDED = (np.add, np.multiply)
"""What is folded over many operands by one call."""
