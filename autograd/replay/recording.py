"""A function recorded with arguments of certain shapes, and how its program is called.

The result of a replay is plain, or one node that stands for the whole function: its pullback has
the gradients at hand, since the program computed them along with the value, and for any other
cotangent, or for higher orders, is a function that is itself recorded and replayed.
"""

from __future__ import annotations

import gc
import inspect
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from ..backprop import recorded_pull, recorded_since
from ..errors import DataError, ReplayError
from ..graph import Node, clock, in_two_slots
from ..primitive import (
    REAL,
    Example,
    Primitive,
    Together,
    constant_node,
    data_of,
    is_recording,
    new_node,
    record,
    tracing,
)
from ..structure import LEAF, Structure, flatten
from .program import Program, lower
from .runner import Batched, Line, Runner, line_for_numpy

__all__ = ["AS_IT_IS", "Recording", "is_replaced"]

Function = Callable[..., Any]

RUNS = 20
"""Of as many runs the shortest time of a batch is taken."""

AS_IT_IS = object()
"""Stands for a result that a replay does not give: the function is to be called as it is."""


def is_replaced(leaf: Any) -> bool:
    """Whether an argument may be another one when the function is replayed."""
    return type(leaf) in (float, np.ndarray) or isinstance(leaf, (Node, np.floating))


class Recording:
    """What became of a function when it was called once on stand-ins.

    Parameters
    ----------
    function : callable
    leaves : list
        Of its arguments. Other numbers, arrays and nodes may come in their places later.
    structure : Structure
        How they are nested in the positional and the keyword arguments.
    executor : callable
        Chooses what writes the source of a run of a `Program`.
    replayed : callable
        Makes a function that is recorded and replayed as this one is.

    Attributes
    ----------
    program : Program
    """

    def __init__(
        self,
        function: Function,
        leaves: list[Any],
        structure: Structure,
        executor: Callable[[Program], Line],
        replayed: Callable[[Function], Function],
    ) -> None:
        self._function, self._structure = function, structure
        self._executor, self._replayed = executor, replayed
        self._places = [i for i, leaf in enumerate(leaves) if is_replaced(leaf)]
        self._fixed = [None if is_replaced(leaf) else leaf for leaf in leaves]
        self._live_places = [i for i in self._places if _is_live(leaves[i])]
        with_slopes = is_recording()
        self._reached: list[bool] = []  # the live operands that the loss depends on
        self._pullbacks: dict[int, Function] = {}
        self._idle: list[Runner] = []
        with _without_collector(), tracing() as trace:
            started = clock.tick()
            given = [_stand_in(leaves[i]) for i in self._places]
            outputs, self._output_structure = flatten(self._called(given))
            nodes = [x for x in outputs if isinstance(x, Node)]
            recent, older = recorded_since(started, nodes)
            self._free = [x for x in older if _is_live(x)]
            live = [x for x, i in zip(given, self._places, strict=True) if _is_live(leaves[i])]
            wanted = live + self._free
            # The one number whose gradients are computed with it: a loss.
            self._scalar = next((i for i, x in enumerate(nodes) if _is_one_number(x)), None)
            if wanted and self._scalar is not None and with_slopes:
                loss = nodes[self._scalar]
                slopes = _pulled(loss, constant_node(_one(loss)), wanted, recent, older)
                self._reached = [slope is not None for slope in slopes]
                nodes += [slope for slope in slopes if slope is not None]
            self.program, self._sources = lower(given, trace.tape[1:], nodes, started)
            self._masked = trace.masked
        self._outputs = [
            None if isinstance(x, Node) else _required_plain(x, leaves) for x in outputs
        ]
        self._output_places = [i for i, x in enumerate(outputs) if isinstance(x, Node)]
        # Where loops over all numbers that go in and out would change nothing they are left out:
        # in micrograd's demo, 337 in and 338 out, they took 60 us of 300.
        self._takes_all = self._places == list(range(len(leaves)))
        self._takes_floats = all(type(leaf) is float for leaf in leaves)
        self._gives_all = self._output_places == list(range(len(outputs)))
        self._gives_numbers = self.program.arrays.keys().isdisjoint(self.program.outputs)
        self._gives_nodes = bool(self._sources) or any(isinstance(x, Node) for x in leaves)
        self._gives_one = self._output_structure is LEAF and self._output_places == [0]

    @property
    def calls_back(self) -> bool:
        """Whether a function of the user's is called at every replay."""
        return any(batch.kind.primitive.calls_back for batch in self.program.batches)

    def __reduce__(self) -> tuple[Any, ...]:
        raise DataError(
            f"a node that jit gave cannot be pickled, since it refers to {self._function!r}: "
            "pickle x.detach(), or its numbers"
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> Recording:
        return self

    def _called(self, given: Sequence[Any]) -> Any:
        args, kwargs = self._arguments(given)
        return self._function(*args, **kwargs)

    def _arguments(self, given: Sequence[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The positional and keyword arguments with others in the places that are replaced."""
        leaves = list(self._fixed)
        for place, x in zip(self._places, given, strict=True):
            leaves[place] = x
        args, kwargs = self._structure.rebuild(leaves)
        return args, kwargs

    def replay(self, leaves: list[Any]) -> Any:
        """The function's result for other arguments, or `AS_IT_IS`."""
        now = clock.now  # before the data is read: a change by another thread is noticed
        found = self.numbers(leaves)
        if self._masked and not all(np.isfinite(x).all() for x in found):
            return AS_IT_IS  # where a gradient that does not exist may have become nan
        if self._gives_nodes:
            found = self._nodes(leaves, found, now)
        elif not self._gives_numbers:  # NumPy gives a scalar where an array would have no axis
            found = [x if type(x) is float or x.shape else x[()] for x in found]
        if self._gives_one:
            return found[0]
        if self._gives_all:
            return self._output_structure.rebuild(found)
        outputs = [x.copy() if type(x) is np.ndarray else x for x in self._outputs]
        for place, x in zip(self._output_places, found, strict=False):
            outputs[place] = x
        return self._output_structure.rebuild(outputs)

    def numbers(self, leaves: list[Any]) -> list[Any]:
        """The plain results for other arguments, and the slopes that are computed with them."""
        return self._run(self._inputs(leaves))

    def _inputs(self, leaves: list[Any]) -> list[Any]:
        """What the program is given: the data of other arguments, then of what is closed over."""
        if self._takes_floats:
            return leaves + [data_of(x) for x in self._sources]
        replaced = leaves if self._takes_all else [leaves[i] for i in self._places]
        return [x if type(x) is float else data_of(x) for x in replaced + self._sources]

    def _run(self, data: list[Any]) -> list[Any]:
        """Run the program, each thread that does with memory of its own."""
        try:
            runner = self._idle.pop()
        except IndexError:
            runner = self._executor(self.program).written()
        with np.errstate(all="ignore"):
            try:
                found = runner(data)
            except (ArithmeticError, ValueError):  # of Python's floats, where IEEE 754 has a number
                found = Batched(self.program).written()(data)
        self._idle.append(runner)
        return found

    def seconds(self, leaves: list[Any]) -> list[float]:
        """How long each batch takes, in a run with other arguments."""
        times: list[float] = []
        run = self._executor(self.program).written(lambda: times.append(perf_counter()))
        data = self._inputs(leaves)
        best = np.full(len(self.program.batches), np.inf)
        with np.errstate(all="ignore"):
            for _ in range(RUNS):
                times[:] = [perf_counter()]
                run(data)
                best = np.minimum(best, np.diff(times))
        return best.tolist()

    def _nodes(self, leaves: list[Any], found: list[Any], now: int) -> list[Node]:
        """The results as nodes of a graph in which the whole function is one operation."""
        count = len(self._output_places)
        operands = [leaves[i] for i in self._live_places] + self._free
        if not operands or not is_recording():
            return [constant_node(x) for x in found[:count]]
        nodes = []
        for index in range(count):
            slopes = self._slopes(found[count:]) if index == self._scalar else None
            params = {"call": _Replay(self, leaves, index, slopes)}
            nodes.append(record(_replay, found[index], *in_two_slots(operands), params, now))
        return nodes

    def _slopes(self, found: list[Any]) -> list[Any]:
        each = iter(found)
        return [next(each) if reached else None for reached in self._reached]

    def pullback(self, index: int) -> Function:
        """A function of all arguments and a cotangent of one output, itself replayed."""
        if index not in self._pullbacks:
            me = weakref.proxy(self)  # a cycle would keep what is large until it is looked for

            def pull(leaves: list[Any], g: Any) -> list[Node | None]:
                started = clock.tick()
                outputs, _ = flatten(me._called([leaves[i] for i in me._places]))
                output = outputs[me._output_places[index]]
                recent, older = recorded_since(started, [output])
                wanted = [leaves[i] for i in me._live_places] + me._free
                return _pulled(output, g, wanted, recent, older)

            self._pullbacks[index] = self._replayed(pull)
        return self._pullbacks[index]


def _pulled(
    output: Node, g: Node, wanted: list[Node], recent: list[Node], older: list[Node]
) -> list[Node | None]:
    """The cotangents of some nodes, recorded; not walking beyond what is older than the call."""
    found = recorded_pull({output: g}, wanted, [*older, *recent], frozenset(older))
    return [found[x] for x in wanted]


def _stand_in(leaf: Any) -> Node:
    """A node in place of an argument, of the same shape and dtype; live, whatever its kind."""
    data = data_of(leaf)
    return new_node(data if type(data) is float else np.array(data))


def _is_live(x: Any) -> bool:
    return isinstance(x, Node) and not x.is_constant


def _is_one_number(node: Node) -> bool:
    data = node._raw
    return type(data) is float or (data.size == 1 and data.dtype.kind == "f")


def _one(node: Node) -> Any:
    return 1.0 if type(node._raw) is float else np.ones_like(node._raw)


_PLAIN = (int, float, str, bytes, type, Enum, np.generic, np.ndarray, np.dtype)


def _required_plain(result: Any, leaves: list[Any]) -> Any:
    """What a function gives beside nodes; a `ReplayError` for what may have nodes inside."""
    if isinstance(result, _PLAIN) or result is ... or any(result is leaf for leaf in leaves):
        return result
    close = getattr(result, "close", None)
    if inspect.iscoroutine(result) and close is not None:
        close()  # which was not awaited
    raise ReplayError(
        "a function under jit gives nodes, numbers, arrays, text, and tuples, lists and dicts of "
        f"them: a replay would give the same {type(result).__name__} again, with the numbers of "
        "the first call. Make it outside of the function"
    )


@contextmanager
def _without_collector() -> Iterator[None]:
    """Keep the cyclic garbage collector off: a recording is one large graph without cycles.

    Looking through it again and again takes a quarter of the time of recording it.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


# --------------------------------------------------------------------------- a replay as a node


class _Replay(NamedTuple):
    """What a node knows of the replay that gave it."""

    recording: Recording
    leaves: list[Any]
    output: int
    slopes: list[Any] | None


def _pull_replay(g: Any, out: Any, *operands: Any, call: _Replay) -> list[Any]:
    recording, leaves, output, slopes = call
    if slopes and not isinstance(g, Node) and (g if type(g) is float else g.item()) == 1.0:
        return slopes
    given = list(leaves)
    for place, x in zip(recording._live_places, operands, strict=False):
        given[place] = x
    found: list[Any] = recording.pullback(output)(given, g)
    if isinstance(out, Node) or isinstance(g, Node):  # a tangent is the pull of a pull
        return found
    return [data_of(x) for x in found]


def _evaluate_replay(*operands: Any, call: _Replay) -> Any:
    leaves = list(call.leaves)
    for place, x in zip(call.recording._live_places, operands, strict=False):
        leaves[place] = x
    return call.recording.numbers(leaves)[call.output]


def _recorded_each_time(function: Function) -> Function:
    def call(*args: Any) -> Any:
        leaves, structure = flatten((args, {}))
        recording = Recording(function, leaves, structure, line_for_numpy, _recorded_each_time)
        return recording.replay(leaves)

    return call


def _example() -> _Replay:
    """The replay of a product, for tests of every primitive."""
    leaves, structure = flatten(((new_node(np.zeros(3)), new_node(np.zeros(3))), {}))
    return _Replay(
        Recording(lambda x, y: x * x * y, leaves, structure, line_for_numpy, _recorded_each_time),
        leaves,
        0,
        None,
    )


_replay = Primitive(
    "replay",
    "replay",
    None,
    _evaluate_replay,
    Together(_pull_replay),
    domain=[REAL, REAL],
    examples=[Example(((3,), (3,)), {"call": _example()})],
)
