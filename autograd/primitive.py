"""The `Primitive` record, its registry, and what calling one does: evaluate or record.

A primitive is defined once, by one statement in `autograd.ops`. Its record holds how to compute
it on numbers and on arrays, how a cotangent flows back through it, what a picture calls it and
where tests may sample it. Every other part of the package reads the record.
"""

from __future__ import annotations

import inspect
import linecache
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from functools import lru_cache, partial, wraps
from itertools import count
from numbers import Real
from typing import Any, TypeVar

import numpy as np

from .errors import (
    AutogradError,
    DataError,
    OutOfRangeError,
    PrimitiveError,
    ReplayError,
    ShapeError,
)
from .graph import NO_PARAMS, Node, Origin, Scope, clock, in_two_slots
from .notation import FUNCTION, Notation

__all__ = [
    "Example",
    "Interval",
    "Primitive",
    "debug",
    "is_recording",
    "no_grad",
    "scope",
    "scoped",
]

Function = Callable[..., Any]
F = TypeVar("F", bound=Function)

REGISTRY: dict[str, Primitive] = {}
"""Every primitive by name."""

NOT_THE_USERS = (__name__.partition(".")[0], "nn", "numpy", "contextlib")
"""Packages whose lines are not the ones to show a user."""

# The two kinds of node. nodes.py sets them: it needs the operations to exist first.
Value: Any = Node
Tensor: Any = Node


# --------------------------------------------------------------------------- the record


@dataclass(frozen=True)
class Interval:
    """Where an operand may be sampled: between `low` and `high`, away from the `kinks`.

    Smoothness is what tests need it for: inside, a primitive and its first two derivatives are
    finite and continuous. An operand of `whole` numbers, such as classes, has no derivative.
    Where numbers of the interval are not yet an operand, such as a positive definite matrix,
    `prepare` makes one of them: a function of an array or Tensor, written with operators, good
    for any shape and size, also at numbers half as large again as the interval's.

    >>> Interval(0.2, 4.0)
    Interval(low=0.2, high=4.0, kinks=(), whole=False)
    """

    low: float = -3.0
    high: float = 3.0
    kinks: tuple[float, ...] = ()
    whole: bool = False
    prepare: Function | None = field(default=None, repr=False)


REAL = Interval()
POSITIVE = Interval(0.2, 4.0)


@dataclass(frozen=True)
class Example:
    """One way to call a primitive: the shapes of its operands and its parameters.

    >>> Example(((2, 3),), {"axis": 0}).params
    {'axis': 0}
    """

    shapes: tuple[tuple[int, ...], ...]
    params: dict[str, Any] = field(default_factory=dict)


def example(*shapes: tuple[int, ...], **params: Any) -> Example:
    """Shorthand for an `Example`."""
    return Example(shapes, params)


class EachOperand:
    """The pullbacks of a primitive with any number of operands: one rule that is told which."""

    def __init__(self, rule: Function) -> None:
        self.rule = rule

    def __iter__(self) -> Iterator[Function]:
        return (partial(self.rule, index) for index in count())


class Together(EachOperand):
    """As `EachOperand`, where one rule gives the cotangents of all operands at once."""

    def __iter__(self) -> Iterator[Function]:
        done: list[tuple[Any, Sequence[Any]]] = []  # for one walk over the operands

        def one(index: int, g: Any, out: Any, *operands: Any, **params: Any) -> Any:
            if not done or done[0][0] is not g:
                done[:] = [(g, self.rule(g, out, *operands, **params))]
            return done[0][1][index]

        return (partial(one, index) for index in count())


@dataclass(frozen=True, eq=False)
class Primitive:
    """One differentiable operation: all that the rest of the package knows of it.

    Parameters
    ----------
    name : str
        Its name in the registry and in messages.
    label : str
        What a picture calls it.
    scalar : callable or None
        Forward on floats. None where the operation makes sense for arrays only. May raise
        ArithmeticError or ValueError outside its domain: `array` then gives the IEEE result.
    array : callable
        Forward on arrays, broadcasting as NumPy does.
    pullbacks : sequence of (callable or None)
        For each operand a rule ``(g, out, *operands, **params)`` that maps the cotangent of the
        output to the operand's, written with primitives and operators so that it runs on floats,
        arrays and nodes alike. It need not undo broadcasting. None: no gradient, ever.
    domain : sequence of Interval
        Where tests sample each operand.
    examples : sequence of Example
        Calls to test; an elementwise primitive without parameters needs none.
    elementwise : bool
        Each output element depends on the corresponding elements of the operands only.
    structural : bool
        The pullback only moves cotangents, adds them up and scales them by constants.
    neutral : sequence of float or None
        For each operand the number with which the result is the other operand, bit for bit.
    notation : Notation
        How a formula writes it; by default as a function of its operands.
    calls_back : bool
        It calls a function of the user's, which may draw random numbers or check the data: a
        replay must call it as often as it was called.

    Examples
    --------
    >>> from autograd import sin
    >>> sin.primitive.name, sin.primitive.label, sin.primitive.elementwise
    ('sin', 'sin', True)
    >>> sin.primitive(0.0)
    0.0
    """

    name: str
    label: str
    scalar: Function | None
    array: Function
    pullbacks: Sequence[Function | None] | EachOperand
    domain: Sequence[Interval]
    examples: Sequence[Example] = ()
    elementwise: bool = False
    structural: bool = False
    neutral: tuple[float | None, ...] = ()
    notation: Notation = FUNCTION
    calls_back: bool = False
    separate: bool = field(init=False)
    """Whether each operand has a pullback of its own, in a list."""
    simple: bool = field(init=False)
    """Whether the pullbacks take one or two floats and nothing else, and each gives a float."""
    module: str = field(init=False)
    """Where it was defined."""

    def __post_init__(self) -> None:
        module = _defining_module()
        object.__setattr__(self, "module", module)
        separate = not isinstance(self.pullbacks, EachOperand)
        simple = self.scalar is not None and self.elementwise and not self.examples
        simple = simple and separate and len(self.domain) <= 2 and all(self.pullbacks)
        object.__setattr__(self, "separate", separate)
        object.__setattr__(self, "simple", simple)
        known = REGISTRY.get(self.name)
        if known is not None and not known.module == module == "__main__":  # a cell run again
            raise PrimitiveError(f"a primitive named {self.name!r} exists already: choose another")
        missing = [name for name in ("label", "domain", "pullbacks") if not getattr(self, name)]
        if not self.elementwise and not self.examples:
            missing.append("examples")
        if missing:
            raise PrimitiveError(f"primitive {self.name!r} lacks {', '.join(missing)}")
        REGISTRY[self.name] = self

    def __call__(self, *operands: Any, **params: Any) -> Any:
        return apply(self, operands, params or NO_PARAMS)

    def __repr__(self) -> str:
        return f"<Primitive {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return primitive_named, (self.name,)

    def __deepcopy__(self, memo: dict[int, Any]) -> Primitive:
        return self

    @property
    def has_derivative(self) -> bool:
        """Whether any operand has one."""
        return isinstance(self.pullbacks, EachOperand) or any(self.pullbacks)

    def domain_of(self, index: int) -> Interval:
        """Where an operand may be sampled; the last domain stands for all further operands."""
        return self.domain[min(index, len(self.domain) - 1)]

    def prepared(self, operands: Sequence[Any]) -> list[Any]:
        """Make operands of sampled numbers, as the domains say."""
        prepares = [self.domain_of(i).prepare for i in range(len(operands))]
        return [x if p is None else p(x) for x, p in zip(operands, prepares, strict=True)]

    def on_floats(self, *operands: float, **params: Any) -> float:
        """Evaluate on floats; outside the scalar forward's domain with IEEE results."""
        try:
            return float(self.scalar(*operands, **params))  # type: ignore[misc]
        except (ArithmeticError, ValueError):
            with np.errstate(all="ignore"):
                return float(self.array(*map(np.float64, operands), **params))


def _defining_module() -> str:
    """The module of the statement that defines a primitive, by whatever function of this one."""
    frame = sys._getframe()
    while frame.f_globals is globals() and frame.f_back is not None:
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", ""))


def primitive_named(name: str) -> Primitive:
    """Look a primitive up; what a pickled one becomes."""
    return REGISTRY[name]


class Masked:
    """A cotangent of which some elements do not exist: not zero times something, nothing.

    `value` is zero where `mask` is False. What flows on through elementwise and structural
    primitives stays zero there, even where a local derivative is nan or infinite.
    """

    __slots__ = ("mask", "value")

    def __init__(self, value: Any, mask: np.ndarray) -> None:
        self.value = value
        self.mask = mask


# --------------------------------------------------------------------------- recording or not

_recording: ContextVar[Any] = ContextVar("recording", default=True)
"""False, or what stands for recording: True, the `Scope` that nodes are recorded in, or what they
are appended to: `_Origins`, or the tape of a recording to be replayed."""


def is_recording() -> bool:
    """Tell whether operations on nodes are recorded now, in this thread or async task.

    >>> is_recording()
    True
    """
    return bool(_recording.get())


class _Setting:
    """A way of recording for the current thread and async task; also decorates functions."""

    _tokens: tuple[Token[Any], ...] = ()

    def _inside(self) -> Any:
        """What `_recording` is inside."""
        raise NotImplementedError

    def __enter__(self) -> None:
        self._tokens = (*self._tokens, _recording.set(self._inside()))

    def __exit__(self, *exception: object) -> None:
        _recording.reset(self._tokens[-1])
        self._tokens = self._tokens[:-1]

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def __call__(self, function: F) -> F:
        """Make the function do so whenever it is called."""
        run_later = (
            inspect.iscoroutinefunction,
            inspect.isgeneratorfunction,
            inspect.isasyncgenfunction,
        )
        if any(is_such(function) for is_such in run_later):
            raise DataError(
                f"{self!r} cannot decorate {function.__qualname__}, whose body runs after the "
                f"call has ended: write `with {self!r}:` inside it"
            )

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            token = _recording.set(self._inside())
            try:
                return function(*args, **kwargs)
            finally:
                _recording.reset(token)

        return call  # type: ignore[return-value]


class no_grad(_Setting):  # noqa: N801 (used like a function)
    """Compute without recording: results inside are constants.

    Holds for the current thread and async task only; also works as a decorator of functions.

    >>> from autograd import Value
    >>> x = Value(2.0)
    >>> with no_grad():
    ...     y = x * x
    >>> y.is_constant, y.inputs
    (True, ())
    """

    def _inside(self) -> bool:
        return False


class scope(_Setting):  # noqa: N801 (used like a function)
    """Name a part of a computation: pictures can fold it into one box.

    Parameters
    ----------
    name : str
        What its box is called. Parts of one name in one place are one box. Scopes nest.

    Notes
    -----
    Holds for the current thread and async task only; also works as a decorator of functions. The
    modules of `nn` are scopes by themselves. What `jit` records has none.

    Examples
    --------
    >>> from autograd import Value, scope
    >>> x = Value(2.0)
    >>> with scope("neuron 3"):
    ...     y = (x * 3.0).tanh()
    >>> y.scope
    <Scope neuron 3>
    """

    def __init__(self, name: str) -> None:
        if not isinstance(name, str):
            raise DataError(f"a scope has a name, which is text, got {describe(name)}")
        self.name = name

    def __repr__(self) -> str:
        return f"scope({self.name!r})"

    def _inside(self) -> Any:
        return _scope_inside(_recording.get(), self.name)


def scoped(method: F) -> F:
    """Make each call of a method a `scope` that belongs to the object, named by ``describe()``.

    >>> from autograd import Value, scoped
    >>> class Double:
    ...     def describe(self):
    ...         return "twice"
    ...     @scoped
    ...     def __call__(self, x):
    ...         return x + x
    >>> Double()(Value(2.0)).scope
    <Scope twice>
    """

    recording = _recording

    @wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        outer = recording.get()
        if not outer or (type(outer) is Scope and outer.owner is self):  # called by super()
            return method(self, *args, **kwargs)
        token = recording.set(_scope_inside(outer, self))
        try:
            return method(self, *args, **kwargs)
        finally:
            recording.reset(token)

    return call  # type: ignore[return-value]


def _scope_inside(outer: Any, owner: Any) -> Any:
    """What `_recording` is in a scope, given what it is outside."""
    if outer is True:
        return Scope(owner, None)
    if type(outer) is Scope:
        return Scope(owner, outer)
    return _Origins(Scope(owner, outer.scope)) if type(outer) is _Origins else outer


class debug(_Setting):  # noqa: N801 (used like a function)
    """Note for each node the line of your code that recorded it: `Node.origin`.

    Takes about a microsecond a node, so it is off unless asked for. `find_nonfinite` then names the
    line that made the first nan. Holds for the current thread and async task only; also works as
    a decorator of functions.

    >>> from autograd import Value, debug
    >>> with debug():
    ...     y = Value(2.0) * 3.0
    >>> type(y.origin).__name__, (y * 2.0).origin
    ('Origin', None)
    """

    def _inside(self) -> Any:
        outer = _recording.get()
        if outer is True or type(outer) is Scope:
            return _Origins(None if outer is True else outer)
        return outer


class _Origins:
    """Stands for recording under `debug`: tells each node where it came from."""

    __slots__ = ("scope",)

    def __init__(self, scope: Scope | None) -> None:
        self.scope = scope

    def append(self, node: Node) -> None:
        node._where = Origin(*_users_line(), self.scope)


@contextmanager
def recording(on: bool = True) -> Iterator[None]:
    """Record, or do not, in the current thread and async task."""
    token = _recording.set(on and _tape())
    try:
        yield
    finally:
        _recording.reset(token)


def _tape() -> Any:
    """What stands for recording from now on."""
    trace = _tracing.get()
    if trace is not None:
        return trace.tape
    now = _recording.get()
    return now if type(now) in (Scope, _Origins) else True


_quiet: ContextVar[bool] = ContextVar("quiet", default=False)


def is_differentiating() -> bool:
    """Whether a function is being called by `grad` or one of its relatives."""
    return _quiet.get()


class _Trace:
    """A recording that is going on, to be replayed.

    Attributes
    ----------
    tape : list
        The nodes that were recorded, in order, after a first item that makes it true.
    masked : bool
        Whether elements of a cotangent that do not exist were recorded as 0.
    """

    __slots__ = ("masked", "tape")

    def __init__(self) -> None:
        self.tape: list[Any] = [None]
        self.masked = False


_tracing: ContextVar[_Trace | None] = ContextVar("tracing", default=None)


def is_tracing() -> bool:
    """Whether a function is being recorded to be replayed: its numbers will be others then."""
    return _tracing.get() is not None


def drop_masks() -> None:
    """Note that what is recorded has 0 where no gradient exists."""
    trace = _tracing.get()
    assert trace is not None
    trace.masked = True


@contextmanager
def tracing() -> Iterator[_Trace]:
    """Record what is replayed later, so that no number of it may decide what is recorded."""
    trace = _Trace()
    token = _tracing.set(trace)
    try:
        with recording_quietly():
            yield trace
    finally:
        _tracing.reset(token)


def untraced(*operands: Any, function: Function) -> Any:
    """Call a function of numbers and arrays, which may decide on them: it is not recorded."""
    token = _tracing.set(None)
    try:
        return function(*operands)
    finally:
        _tracing.reset(token)


def require_unread(x: Any, what: str) -> None:
    """Raise a `ReplayError` if `x` is a node whose number `what` would freeze into a replay."""
    if _tracing.get() is not None and isinstance(x, Node) and not x.is_constant:
        raise ReplayError(
            f"{what} needs the number of a {type(x).__name__} while jit records, at "
            f"{Origin(*_users_line(), None)}: "
            "a replay would repeat what was decided by it for all other numbers. Choose with "
            "where, maximum, minimum or clip, which are replayed; leave the function without jit; "
            "or take the decision outside of it"
        )


def _users_line() -> tuple[str, int, str]:
    """Where the user's code is: file, line, and the text of the line."""
    frame = sys._getframe()
    while frame.f_back is not None and (
        str(frame.f_globals.get("__name__", "")).partition(".")[0] in NOT_THE_USERS
    ):
        frame = frame.f_back
    path, line = frame.f_code.co_filename, frame.f_lineno
    return path, line, linecache.getline(path, line, frame.f_globals).strip()


class recording_quietly:  # noqa: N801 (used like a function)
    """Around a function to be differentiated: record, and compute by IEEE 754 without warnings.

    Holds for the current thread and async task. It saves each operation from entering NumPy's
    error state: 1 us of 3.
    """

    __slots__ = ("_errors", "_tokens")

    def __enter__(self) -> None:
        self._tokens = _recording.set(_tape()), _quiet.set(True)
        self._errors = np.errstate(all="ignore")
        self._errors.__enter__()

    def __exit__(self, *exception: object) -> None:
        self._errors.__exit__(*exception)  # type: ignore[arg-type]
        _recording.reset(self._tokens[0])
        _quiet.reset(self._tokens[1])


# --------------------------------------------------------------------------- evaluate or record


def apply(primitive: Primitive, operands: Sequence[Any], params: Mapping[str, Any]) -> Any:
    """Evaluate a primitive on plain data, or on nodes and record it.

    Returns a float or array when no operand is a node, otherwise a node: a `Value` when all the
    data are floats and the primitive has a scalar forward, else a `Tensor`.
    """
    now = clock.now  # before the data is read: a change by another thread is noticed
    data: list[Any] = []
    plain: list[int] = []  # which of the operands are no nodes
    live = False
    for x in operands:
        if isinstance(x, Node):
            if x._shown is not None and x._adopt_changes():
                return apply(primitive, operands, params)  # the clock has moved on
            live = live or not x.is_constant
            data.append(x._raw)
        else:
            plain.append(len(data))
            data.append(x if type(x) is float else as_data(x, primitive.name))
    if live and _recording.get():
        if plain:
            operands = list(operands)
            for i in plain:
                operands[i] = x = _constant_of(data[i], now)
                data[i] = x._raw
        result = _evaluate(primitive, data, params)
        return record(primitive, result, *in_two_slots(operands), params, now)
    if live:
        for x in operands:
            require_unread(x, "no_grad")
    if len(plain) == len(data):
        return _evaluate_plain(primitive, data, params)
    data = [x.item() if isinstance(x, np.generic) else x for x in data]
    return constant_node(_evaluate(primitive, data, params))


def _evaluate(primitive: Primitive, data: list[Any], params: Mapping[str, Any]) -> Any:
    scalar, array = primitive.scalar, primitive.array
    if scalar is not None and type(data[0]) is not np.ndarray and np.ndarray not in map(type, data):
        return primitive.on_floats(*map(as_float, data), **params)
    try:
        if not _quiet.get():
            with np.errstate(all="ignore"):
                result = array(*data, **params)
        else:
            result = array(*data, **params) if params else array(*data)
    except AutogradError:
        raise
    except tuple(_OUR_ERRORS) as error:
        if primitive.calls_back or REGISTRY.get(primitive.name) is not primitive:
            raise  # of a function that is not ours: it is for its author
        ours = next(ours for theirs, ours in _OUR_ERRORS.items() if isinstance(error, theirs))
        raise ours(_misfit(primitive, data, params, error)) from None
    if type(result) is np.ndarray or (type(result) is float and scalar is None):
        return result
    return np.asarray(result)


_OUR_ERRORS: dict[type[Exception], type[AutogradError]] = {
    ValueError: ShapeError,
    IndexError: OutOfRangeError,
    TypeError: DataError,
    OverflowError: DataError,
}


def _misfit(
    primitive: Primitive, data: Sequence[Any], params: Mapping[str, Any], error: Exception
) -> str:
    shapes = [str(np.shape(x)) for x in data]
    given = ", ".join(f"{name}={value!r}" for name, value in params.items())
    if len(shapes) > 1:
        what = f"cannot combine shapes {', '.join(shapes[:-1])} and {shapes[-1]}"
    else:
        what = f"does not fit shape {shapes[0]}"
    reason = " ".join(str(error).split())
    if primitive.elementwise and "broadcast" in reason:
        reason = "counted from the last, axes must be of equal length, or one of them of length 1"
    return f"{primitive.name} {what}" + (f" with {given}" if given else "") + f": {reason}"


def _evaluate_plain(primitive: Primitive, data: list[Any], params: Mapping[str, Any]) -> Any:
    if primitive.scalar is not None and all(type(x) in (float, int, bool) for x in data):
        return primitive.on_floats(*map(as_float, data), **params)
    return primitive.array(*data, **params)


def current_data(node: Node) -> Any:
    """The data of a node as an operation sees it now, changes of a leaf's array included."""
    if node._shown is not None:
        node._adopt_changes()
    return node._raw


def data_of(x: Any) -> Any:
    """The data of a node as an operation sees it now; anything else as it is."""
    return current_data(x) if isinstance(x, Node) else x


def record(
    primitive: Primitive,
    data: Any,
    first: Any,
    second: Node | None,
    params: Mapping[str, Any],
    now: int,
) -> Node:
    """Make the node of what a primitive computed from inputs, given `in_two_slots`, at a time."""
    node: Node
    if type(data) is float:
        node = object.__new__(Value)
    else:
        node = object.__new__(Tensor)
        node._shown = None
    node._raw = data
    node._first = first
    node._second = second
    node.primitive = primitive
    node.params = params
    node.grad = None
    node.label = ""
    node.epoch = now
    node.is_constant = False
    tape = _recording.get()
    if type(tape) is Scope:
        node._where = tape
    elif tape is not True:
        (tape or _tape()).append(node)  # a callback is replayed even under no_grad
    return node


def new_node(data: Any) -> Node:
    """Make a leaf around `data`, a float or an array that nobody else will write to."""
    kind = Value if type(data) is float else Tensor
    node: Node = object.__new__(kind)
    node._raw = data
    if kind is Tensor:
        node._shown = None
    node._first = node._second = node.grad = node.primitive = None
    node.label = ""
    node.params = NO_PARAMS
    node.epoch = clock.now
    node.is_constant = False
    return node


def constant_node(data: Any) -> Node:
    """Make a node to which no gradient flows."""
    node = new_node(data)
    node.is_constant = True
    return node


def _constant_value(x: Any) -> Node:
    """Make a constant Value from a number; written out, since formulas are full of numbers."""
    node: Node = object.__new__(Value)
    node._raw = x if type(x) is float else as_float(x)
    node._first = node._second = node.grad = node.primitive = None
    node.label = ""
    node.params = NO_PARAMS
    node.epoch = 0
    node.is_constant = True
    return node


def constant(x: Any) -> Node:
    """Make a constant from a number or an array of the user's, which is copied."""
    return _constant_of(as_data(x), clock.now)


def _constant_of(data: Any, now: int) -> Node:
    """As `constant`, of what was checked to be one, at a time."""
    kind = type(data)
    if kind is float or kind is int:
        return _constant_value(data)
    node = constant_node(data.copy() if kind is np.ndarray else float(data))
    node.epoch = now
    return node


# --------------------------------------------------------------------------- what is a number


def as_data(x: Any, who: str = "autograd") -> Any:
    """Check that `x` is real numbers and return it as a number or array that NumPy computes with.

    Raises
    ------
    DataError
        For text, None, complex numbers, objects, and lists that hold nodes; `who` took them.
    ShapeError
        For lists of different lengths in a list.
    """
    kind = type(x)
    if kind is float or kind is bool or (kind is np.ndarray and x.dtype.kind in "fiub"):
        return x
    if kind is int:
        return x if abs(x) < 2**63 else as_float(x)
    if isinstance(x, np.ma.MaskedArray):
        raise DataError(f"{who} takes no masked array: pass .filled(number), or select with where")
    if isinstance(x, (np.ndarray, np.generic)):
        if x.dtype.kind in "fiub":
            return np.asarray(x) if isinstance(x, np.ndarray) else x
    elif isinstance(x, Real):
        return as_float(x)
    elif isinstance(x, (list, tuple, range)):
        array = _array_of_numbers(x, who)
        if array is not None:
            return array
    raise DataError(f"{who} takes real numbers, got {describe(x)}")


def as_weak_data(x: Any, who: str = "autograd") -> Any:
    """As `as_data`, but a NumPy scalar becomes a Python number, which does not widen float32."""
    data = as_data(x, who)
    return data.item() if isinstance(data, np.generic) else data


def of_floats(x: Any) -> Any:
    """Return an array of integers or bools as one of float64, in which differences do not wrap."""
    array = np.asarray(x)
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def as_float(x: Any) -> float:
    """Convert a number to float; a `DataError` where it is too large for one."""
    try:
        return float(x)
    except OverflowError:
        raise DataError(f"{describe(x)} is too large for a float") from None


def _array_of_numbers(x: Iterable[Any], who: str) -> np.ndarray | None:
    try:
        array = np.array(x)
    except ValueError:
        raise ShapeError(f"{who} takes lists of one length in a list, got {describe(x)}") from None
    except TypeError:  # nodes inside refuse to become an array
        raise DataError(
            "a list that holds nodes is not an array of numbers: "
            "join nodes with stack([...]) or concatenate([...])"
        ) from None
    if array.dtype == object and all(isinstance(item, Real) for item in array.flat):
        return np.array([as_float(item) for item in array.flat]).reshape(array.shape)
    return array if array.dtype.kind in "fiub" else None


@lru_cache(maxsize=256)
def is_foreign(kind: type[Any]) -> bool:
    """Whether a class overrides NumPy's functions itself, and may know of nodes: ask it."""
    theirs = getattr(kind, "__array_ufunc__", np.ndarray.__array_ufunc__)
    return theirs is not np.ndarray.__array_ufunc__ and not issubclass(kind, Node)


def fixed_number(x: Any, name: str) -> float:
    """Check a parameter that is not differentiated; a node there would lose its gradient."""
    data = None if isinstance(x, Node) else as_data(x, name)
    if data is None or np.ndim(data):
        raise DataError(f"{name} is one fixed number, without a gradient, got {describe(x)}")
    return as_float(data)


def describe(x: Any) -> str:
    """Name something given by mistake, shortly."""
    if isinstance(x, np.ndarray):
        return f"an array of dtype {x.dtype}"
    text = repr(x)
    text = text if len(text) <= 60 else text[:57] + "..."
    return "None" if x is None else f"the {type(x).__name__} {text}"


# --------------------------------------------------------------------------- defining operations


def elementwise(
    name: str,
    scalar: Function,
    array: Function,
    *pullbacks: Function | None,
    domain: Sequence[Interval],
    doc: str,
    label: str | None = None,
    neutral: tuple[float | None, ...] = (),
    notation: Notation = FUNCTION,
) -> Function:
    """Define an elementwise primitive of one or two operands and return its public function."""
    primitive = Primitive(
        name,
        label or name,
        scalar,
        array,
        pullbacks,
        domain,
        elementwise=True,
        neutral=neutral,
        notation=notation,
    )
    return publish(function_of(primitive), primitive, doc)


def function_of(primitive: Primitive) -> Function:
    """Make the function that applies an elementwise primitive of one or two operands."""
    return (_unary if len(primitive.domain) == 1 else _binary)(primitive)


def as_operator(function: Function) -> Function:
    """A function of two operands as the method of an operator.

    As with NumPy's arrays, what overrides NumPy's functions itself gets to answer by its
    reflected method; anything else that is no number is an error.
    """
    primitive: Primitive = function.primitive  # type: ignore[attr-defined]
    if primitive.elementwise:
        method = _binary(primitive, _apply_or_defer)
    else:

        def method(x: Any, y: Any) -> Any:
            return _apply_or_defer(primitive, (x, y), NO_PARAMS)

    return publish(method, primitive, function.__doc__)


def _apply_or_defer(
    primitive: Primitive, operands: Sequence[Any], params: Mapping[str, Any]
) -> Any:
    try:
        return apply(primitive, operands, params)
    except DataError:
        if any(map(is_foreign, map(type, operands))):
            return NotImplemented
        raise


def publish(function: Function, primitive: Primitive, doc: str | None = None) -> Function:
    """Give a primitive's public function its name, its text and its record."""
    function.__name__ = function.__qualname__ = primitive.name
    function.__module__ = "autograd"
    function.__doc__ = inspect.cleandoc(doc or function.__doc__ or "")
    function.primitive = primitive  # type: ignore[attr-defined]
    return function


def _unary(primitive: Primitive) -> Function:
    """Make the function of one operand. The path of a live node is written out: it is hot."""
    scalar, array = primitive.scalar, primitive.array
    assert scalar is not None
    new, recording, quiet = object.__new__, _recording.get, _quiet.get

    def function(x: Any) -> Any:
        kind = type(x)
        if kind is Value and not x.is_constant and (tape := recording()):
            now = clock.now  # before the data is read: a change by another thread is noticed
            try:
                data = scalar(x._raw)
            except (ArithmeticError, ValueError):
                data = primitive.on_floats(x._raw)
            node = new(Value)
            node._raw = data
            node._first = x
            node._second = None
            node.primitive = primitive
            node.params = NO_PARAMS
            node.grad = None
            node.label = ""
            node.epoch = now
            node.is_constant = False
            if tape is not True:
                if type(tape) is Scope:
                    node._where = tape
                else:
                    tape.append(node)
            return node
        if kind is Tensor and not x.is_constant and x._shown is None and recording():
            now = clock.now
            if quiet():
                data = array(x._raw)
            else:
                with np.errstate(all="ignore"):
                    data = array(x._raw)
            return record(primitive, _as_array(data), x, None, NO_PARAMS, now)
        if kind is float:
            return primitive.on_floats(x)
        if kind is np.ndarray and x.dtype.kind == "f":
            return array(x)
        return apply(primitive, (x,), NO_PARAMS)

    return function


def _binary(primitive: Primitive, otherwise: Function = apply) -> Function:
    """Make the function of two operands, as `_unary` does; `otherwise` takes what is not hot."""
    scalar = primitive.scalar
    assert scalar is not None
    new, recording = object.__new__, _recording.get

    def function(x: Any, y: Any) -> Any:
        if type(x) is not Value:
            if type(y) is not Value or (type(x) is not float and type(x) is not int):
                return _of_others(primitive, x, y, otherwise)
            x = _constant_value(x)
        elif type(y) is not Value:
            if type(y) is not float and type(y) is not int:
                return _of_others(primitive, x, y, otherwise)
            y = _constant_value(y)
        if (x.is_constant and y.is_constant) or not (tape := recording()):
            return otherwise(primitive, (x, y), NO_PARAMS)
        now = clock.now
        try:
            data = scalar(x._raw, y._raw)
        except (ArithmeticError, ValueError):
            data = primitive.on_floats(x._raw, y._raw)
        node = new(Value)
        node._raw = data
        node._first = x
        node._second = y
        node.primitive = primitive
        node.params = NO_PARAMS
        node.grad = None
        node.label = ""
        node.epoch = now
        node.is_constant = False
        if tape is not True:
            if type(tape) is Scope:
                node._where = tape
            else:
                tape.append(node)
        return node

    return function


def _of_others(primitive: Primitive, x: Any, y: Any, otherwise: Function) -> Any:
    """The function of two operands where it is no matter of Values."""
    if type(x) is float and type(y) is float:  # as in pullbacks
        return primitive.on_floats(x, y)
    live = (type(x) is Tensor and not x.is_constant) or (type(y) is Tensor and not y.is_constant)
    if live and _recording.get():
        now = clock.now
        first, second = _as_input(x, now), _as_input(y, now)
        if first is not None and second is not None:
            try:
                if _quiet.get():
                    data = primitive.array(first._raw, second._raw)
                else:
                    with np.errstate(all="ignore"):
                        data = primitive.array(first._raw, second._raw)
            except Exception:
                pass  # which `otherwise` explains
            else:
                return record(primitive, _as_array(data), first, second, NO_PARAMS, now)
    return otherwise(primitive, (x, y), NO_PARAMS)


def _as_input(x: Any, now: int) -> Node | None:
    """The node for an operand of the usual kinds; None where it takes a closer look."""
    kind = type(x)
    if kind is Tensor or kind is Value:
        return x if x._shown is None else None
    if kind is float or kind is int:
        return _constant_value(x)
    if kind is np.ndarray and x.dtype.kind in "fiub":
        return _constant_of(x, now)
    return None


def _as_array(result: Any) -> Any:
    return result if type(result) is np.ndarray else np.asarray(result)
