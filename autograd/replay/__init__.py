"""`jit`: record a function once, and replay it without Python's cost of a node.

The first call with arguments of some shapes records the function's graph, gradients included,
and makes a `Program` of it; later calls run the program. What a function decides on numbers
would be frozen, so it is an error; what it closes over is read at every call.

`surroundings.py` finds what that is, `listing.py` numbers the nodes, `rules.py` drops what is
needless, `program.py` sorts operations into batches, `runner.py` and `compiled.py` run them,
`recording.py` makes results of what they give.
"""

from __future__ import annotations

import os
import pickle
import random
import types
from collections.abc import Callable, Iterable
from functools import partial, update_wrapper
from importlib.util import find_spec
from threading import RLock
from typing import Any, NamedTuple

import numpy as np

from ..errors import AutogradError, DataError, ReplayError
from ..graph import Node
from ..nodes import Tensor, Value
from ..primitive import describe, is_recording, is_tracing
from ..structure import Structure, flatten
from .compiled import line_for_numba
from .program import Program
from .recording import AS_IT_IS, Recording, is_replaced
from .runner import line_for_numpy
from .surroundings import Surroundings, names_of

__all__ = ["CacheInfo", "Jitted", "jit"]

Function = Callable[..., Any]


EXECUTORS = {"numpy": line_for_numpy, "numba": line_for_numba}

MOST_RECORDINGS = 64
"""How many recordings of a function are kept; the oldest goes first."""

MOST_MISSES = 2 * MOST_RECORDINGS
"""After as many recordings, a function that is rarely replayed is called as it is."""

MANY = 8
"""From so many arguments on it pays to look whether all are floats."""

_FLAT = frozenset({float, int, bool, str, np.ndarray, Value, Tensor})
"""Arguments that are not nested: what else there is is looked into."""


class CacheInfo(NamedTuple):
    """What became of the calls of a function under `jit`.

    Attributes
    ----------
    hits, misses : int
        Calls that were replayed, and calls that recorded.
    maxsize, currsize : int
        Recordings that are kept at most, and now.

    Examples
    --------
    >>> jit(abs).cache_info()
    CacheInfo(hits=0, misses=0, maxsize=64, currsize=0)
    """

    hits: int
    misses: int
    maxsize: int
    currsize: int


def jit(function: Function | None = None, *, executor: str | None = None) -> Any:
    """Return a function that records `function` at its first call and replays it later.

    Numbers, arrays and nodes among the arguments, also nested in tuples, lists and dicts, may be
    others at each call; a new shape, dtype or nesting, and any other argument, such as an int or a
    text, is recorded anew. Nodes that the function closes over, such as the parameters of a
    model, are read at every call; a name or an attribute that means another object than before
    makes it be recorded anew. What is written into an array that it closes over is not seen: pass
    as an argument what changes so.

    Where the result would be a node it is one, with a working `backward` and derivatives of any
    order. `jit` of a derivative and the derivative of a function under `jit` both are replayed.

    Numbers are those of the function itself, bit for bit, as far as arithmetic goes; functions
    such as `exp` of `Value`s may differ by two units in the last place, since their form for
    arrays rounds otherwise.

    Parameters
    ----------
    function : callable
        Must do the same operations whatever the numbers are: choose with `where`, `maximum` or
        `clip` instead of ``if``; call `callback` for what needs the numbers.
    executor : {"numpy", "numba"}, optional
        What runs the batches of numbers. By default the environment variable
        ``AUTOGRAD_EXECUTOR``, else numba where it is installed, which compiles one kernel for all
        programs and keeps it on disk.

    Returns
    -------
    Jitted

    Raises
    ------
    ReplayError
        At a call that records, if the function decides on a number, sets data, draws random
        numbers, or returns what is neither numbers nor nodes.
    DataError
        If an argument can neither be replaced nor hashed.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd import Value, value_and_grad
    >>> f = jit(value_and_grad(lambda x: np.exp(x) * x))
    >>> f(0.0), f(1.0)[1] == 2 * np.exp(1.0), f.cache_info().hits
    ((0.0, 1.0), np.True_, 1)
    >>> w = Value(2.0)
    >>> @jit
    ... def loss(x):
    ...     return (w * x - 1.0) ** 2
    >>> loss(3.0).backward()
    >>> w.grad
    30.0
    """
    chosen = executor or os.environ.get("AUTOGRAD_EXECUTOR")
    if chosen is None:
        chosen = "numba" if _has_numba() else "numpy"
    if chosen not in EXECUTORS:
        raise DataError(f"jit: executor is one of {', '.join(EXECUTORS)}, got {chosen!r}")
    if chosen == "numba" and not _has_numba():
        raise DataError('jit: executor="numba" needs numba: pip install "autograd-nn[jit]"')
    if function is None:
        return lambda function: jit(function, executor=chosen)
    if not callable(function):
        raise DataError(f"jit takes a function, got {describe(function)}")
    return Jitted(function, chosen)


class Jitted:
    """A function under `jit`.

    Parameters
    ----------
    function : callable
    executor : {"numpy", "numba"}

    Examples
    --------
    >>> f = Jitted(lambda x, y: x * y + x, "numpy")
    >>> f(2.0, 3.0), f(4.0, 5.0)
    (8.0, 24.0)
    >>> print(f.program)
    2 instructions in 2 batches, depth 2, 48 bytes
         1 mul                     1
         2 add                     1
    """

    def __init__(self, function: Function, executor: str) -> None:
        update_wrapper(self, function)
        self.function = function
        self.executor = executor
        self._recordings: dict[Any, Recording] = {}
        self._kept: dict[Any, list[Any]] = {}
        self._lock = RLock()
        self._hits = self._misses = 0
        self._around = Surroundings(function)
        self._around_of: dict[Any, Surroundings] = {}  # an argument with attributes

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if is_tracing():  # of a function that calls this one
            return self.function(*args, **kwargs)
        shape: Any
        if not kwargs and _FLAT.issuperset(map(type, args)):  # as nearly always
            leaves, shape = list(args), len(args)
        else:
            leaves, shape = flatten((args, kwargs) if kwargs else args)
        form = (shape, bool(kwargs), is_recording(), *_signatures(leaves))
        recording = self._recordings.get((*form, *map(id, self._found(leaves))))
        if recording is not None:
            self._hits += 1
        elif self._misses > MOST_MISSES and self._hits < self._misses:
            return self.function(*args, **kwargs)  # which changes faster than it is replayed
        else:
            recording = self._record(form, args, kwargs)
        try:
            result = recording.replay(leaves)
        except (ArithmeticError, ValueError, IndexError, AutogradError):
            result = AS_IT_IS  # which words the error, if it is one
        return self.function(*args, **kwargs) if result is AS_IT_IS else result

    def __get__(self, instance: Any, owner: type) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def _record(self, form: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Recording:
        leaves, structure = flatten((args, kwargs))
        with self._lock:  # one thread records, the others find it
            self._look_again(leaves)
            found = self._found(leaves)
            key = (*form, *map(id, found))
            if key not in self._recordings:
                self._misses += 1
                self._recordings[key] = self._recorded(leaves, structure, found)
                self._kept[key] = found  # so that ids stay theirs
                while len(self._recordings) > MOST_RECORDINGS:
                    oldest = next(iter(self._recordings))
                    del self._recordings[oldest], self._kept[oldest]
            return self._recordings[key]

    def _recorded(self, leaves: list[Any], structure: Structure, found: list[Any]) -> Recording:
        """Record a call; a `ReplayError` if it draws random numbers."""
        generators = [x for x in (*found, *leaves) if isinstance(x, np.random.Generator)]
        before = _random_states(generators)
        same = pickle.dumps(before)
        like = partial(Jitted, executor=self.executor)
        recording = Recording(self.function, leaves, structure, EXECUTORS[self.executor], like)
        if pickle.dumps(_random_states(generators)) != same and not recording.calls_back:
            _set_random_states(generators, before)  # as if it had not been tried
            raise ReplayError(
                f"{self!r} draws random numbers, which a replay would repeat: draw them inside of "
                "callback, which is called at every replay, as in "
                "callback(lambda: rng.normal(size=3)), or pass them as an argument"
            )
        return recording

    def _found(self, leaves: list[Any]) -> list[Any]:
        """What the function finds outside of itself: another object is another function."""
        found = self._around.objects()
        if self._around_of:
            for leaf in leaves:
                if type(leaf) not in _FLAT and leaf in self._around_of:
                    found += self._around_of[leaf].objects()
        return found

    def _look_again(self, leaves: list[Any]) -> None:
        """Find out again where the function, and what it is given, may find objects."""
        self._around = Surroundings(self.function)
        for leaf in leaves:
            if hasattr(leaf, "__dict__") and not is_replaced(leaf):
                self._around_of[leaf] = Surroundings(leaf, names_of(self.function))
        while len(self._around_of) > MOST_RECORDINGS:
            del self._around_of[next(iter(self._around_of))]

    @property
    def program(self) -> Program:
        """What was recorded last; printed, it lists its batches.

        Raises
        ------
        ReplayError
            If the function was not called yet.
        """
        if not self._recordings:
            raise ReplayError(f"{self!r} was not called yet, so nothing is recorded: call it first")
        return next(reversed(self._recordings.values())).program

    def profile(self, *args: Any, **kwargs: Any) -> str:
        """Measure a replay with some arguments: a line a batch, those that take longest first.

        >>> report = jit(lambda x: np.sin(x) + 1.0).profile(np.ones(1000))
        >>> print(report.splitlines()[0])
           share        us  depth  batch
        """
        self(*args, **kwargs)
        recording = next(reversed(self._recordings.values()))
        seconds = recording.seconds(flatten((args, kwargs))[0])
        whole = sum(seconds) or 1.0
        rows = sorted(zip(seconds, recording.program.batches, strict=True), key=lambda row: -row[0])
        return "\n".join(
            ["   share        us  depth  batch"]
            + [f"{s / whole:8.1%}{1e6 * s:10.2f}{batch.depth:7}  {batch}" for s, batch in rows]
        )

    def cache_info(self) -> CacheInfo:
        """Tell how many calls were replayed and recorded, and how many recordings are kept."""
        return CacheInfo(self._hits, self._misses, MOST_RECORDINGS, len(self._recordings))

    def __reduce__(self) -> tuple[Any, ...]:
        return Jitted, (self.function, self.executor)  # the other one records anew

    def __repr__(self) -> str:
        return f"jit({getattr(self.function, '__qualname__', repr(self.function))})"


def _has_numba() -> bool:
    return find_spec("numba") is not None


def _random_states(generators: list[np.random.Generator]) -> list[Any]:
    """What changes when random numbers are drawn."""
    states = [generator.bit_generator.state for generator in generators]
    return [random.getstate(), np.random.get_state(legacy=False), *states]


def _set_random_states(generators: list[np.random.Generator], states: list[Any]) -> None:
    of_python, of_numpy, *others = states
    random.setstate(of_python)
    np.random.set_state(of_numpy)
    for generator, state in zip(generators, others, strict=True):
        generator.bit_generator.state = state


def _signatures(leaves: list[Any]) -> Iterable[Any]:
    """What two lists of as many arguments must have in common."""
    if len(leaves) > MANY and [*map(type, leaves)].count(float) == len(leaves):
        return (float,)
    return map(_signature, leaves)


def _signature(leaf: Any) -> Any:
    """What two arguments must have in common for one recording to be good for both."""
    kind = type(leaf)
    if kind is float:
        return float
    if kind is np.ndarray or isinstance(leaf, np.floating):
        return leaf.dtype, leaf.shape
    if isinstance(leaf, Node):
        return kind, leaf.shape, getattr(leaf._raw, "dtype", None), leaf.is_constant
    try:
        hash(leaf)
    except TypeError:
        raise DataError(
            "jit takes numbers, arrays, tuples, lists and dicts of them, and what can be hashed, "
            f"got {describe(leaf)}"
        ) from None
    return kind, leaf
