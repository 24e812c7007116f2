"""Derivatives that a user states, and derivatives that are recomputed to save memory.

Both make one node of a whole call. A node's primitive knows only numbers and arrays, so what else
the call was made with, and how its arguments were nested, goes along as a parameter.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial, update_wrapper, wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np

from .backprop import pull, recorded_pull, recorded_since
from .errors import DataError, GradientError, ShapeError
from .graph import Node, clock, in_two_slots
from .nodes import Value
from .notation import Form, Notation
from .ops.arithmetic import identity
from .ops.shape import shape_of
from .primitive import (
    REAL,
    Example,
    Primitive,
    Together,
    as_data,
    constant,
    constant_node,
    current_data,
    describe,
    is_recording,
    new_node,
    no_grad,
    record,
    recording,
)
from .structure import Structure, flatten

__all__ = ["checkpoint", "custom_vjp"]

Function = Callable[..., Any]
P = ParamSpec("P")
R = TypeVar("R")

CALLED = Notation(Form("$call($*)"), Form("$call($*)"))
"""A call of a user's function, as a formula writes it."""


class _Call:
    """A call of a function with the nodes among its arguments left open, to be filled in.

    Attributes
    ----------
    function : callable
    leaves : list
        Of the positional and the keyword arguments; None where a node was.
    places : list of int
        Where nodes were among the leaves.
    outside : list of Node
        Nodes that the function uses without being given them.
    """

    def __init__(self, function: Any, leaves: list[Any], structure: Structure) -> None:
        self.function = function
        self.structure = structure
        self.places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Node)]
        self.leaves = [_kept(leaf) for leaf in leaves]
        self.outside: list[Node] = []
        self.__name__ = getattr(function, "__name__", type(function).__name__)

    def arguments(self, operands: Sequence[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The positional and keyword arguments with operands in place of the nodes."""
        leaves = list(self.leaves)
        for place, operand in zip(self.places, operands, strict=False):
            leaves[place] = operand
        args, kwargs = self.structure.rebuild(leaves)
        return args, kwargs

    def __call__(self, *operands: Any) -> Any:
        args, kwargs = self.arguments(operands)
        return self.function(*args, **kwargs)


def _kept(leaf: Any) -> Any:
    """What a call keeps of an argument: of an array a copy, since it may be written to later."""
    if isinstance(leaf, Node):
        return None
    return leaf.copy() if isinstance(leaf, np.ndarray) else leaf


def _own_result(call: _Call, result: Any) -> Any:
    """What a function returned, as a float or an array that nobody else will write to."""
    try:
        data = as_data(None if isinstance(result, (list, tuple)) else result)
    except DataError:
        raise DataError(
            f"{call.__name__} must return one number or one array, got {describe(result)}"
        ) from None
    if isinstance(data, (np.ndarray, np.generic)):
        return np.array(data, dtype=np.result_type(data, np.float16))
    return float(data)


# --------------------------------------------------------------------------- stated derivatives


class custom_vjp:  # noqa: N801 (used as a decorator)
    """Give a function a derivative of one's own, as a decorator.

    The function is called with plain numbers and arrays, so it may be any code: a stabler formula,
    a solver, a compiled routine. Its graph is one node, named after it.

    Parameters
    ----------
    function : callable
        Returns one number or one array.

    Raises
    ------
    GradientError
        If the function uses a node that is not among its arguments, or has no pullback yet.
    ShapeError
        If the pullback's cotangents do not fit the arguments.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd import grad
    >>> @custom_vjp
    ... def log1pexp(x):
    ...     return np.logaddexp(0.0, x)
    >>> @log1pexp.pullback
    ... def _(g, out, x):
    ...     return g * (1.0 - np.exp(-out))
    >>> grad(log1pexp)(0.0), grad(grad(log1pexp))(0.0)
    (0.5, 0.25)
    """

    __name__: str
    __qualname__: str

    def __init__(self, function: Function) -> None:
        if not callable(function):
            raise DataError(f"custom_vjp takes a function, got {describe(function)}")
        update_wrapper(self, function)
        self.function = function
        self._rule: Function | None = None

    def pullback(self, rule: Function) -> Function:
        """State the derivative, as a decorator.

        Parameters
        ----------
        rule : callable
            ``rule(g, out, *args, **kwargs)`` takes the cotangent of the result, the result, and
            the arguments, and returns the cotangent of the argument: in a tuple, if there are
            several positional ones; None for one that has no derivative. A node given by name
            is passed by position. Written with functions that can be differentiated, it gives
            higher orders too.
        """
        self._rule = rule
        return rule

    @property
    def rule(self) -> Function:
        """The pullback that was stated."""
        if self._rule is None:
            raise GradientError(
                f"{self.__name__} has no pullback yet: decorate one with "
                f"@{self.__name__}.pullback, a function of (g, out, *args)"
            )
        return self._rule

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if any(isinstance(leaf, Node) for leaf in flatten(kwargs)[0]):
            args, kwargs = self._by_position(args, kwargs)
        leaves, structure = flatten((args, kwargs))
        nodes = [leaf for leaf in leaves if isinstance(leaf, Node)]
        if not nodes:
            return self.function(*args, **kwargs)
        return _recorded(_Call(self, leaves, structure), nodes)

    def __get__(self, instance: Any, owner: type) -> Any:
        return self if instance is None else partial(self, instance)  # a method, like a function

    def _by_position(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with the named ones by position, since a pullback answers those."""
        bound = inspect.signature(self.function).bind(*args, **kwargs)
        if any(
            isinstance(leaf, Node) and not leaf.is_constant for leaf in flatten(bound.kwargs)[0]
        ):
            raise GradientError(
                f"{self.__name__} got a node by keyword, and its pullback gives no cotangent for "
                f"keywords ({', '.join(bound.kwargs)}): make it a positional argument"
            )
        return bound.args, bound.kwargs

    def __reduce__(self) -> str:
        return self.__qualname__  # pickled by name, like a function


def _recorded(call: _Call, nodes: Sequence[Node]) -> Node:
    """The node of a call, evaluated here: a primitive takes any error for a misfit of shapes."""
    for node in nodes:
        current_data(node)  # what was written to it moves the clock on
    now = clock.now
    with np.errstate(all="ignore"):
        result = _evaluate_custom(*[node._raw for node in nodes], call=call)
    if not is_recording() or all(node.is_constant for node in nodes):
        return constant_node(result)
    return record(_custom, result, *in_two_slots(nodes), {"call": call}, now)


def _evaluate_custom(*operands: Any, call: _Call) -> Any:
    args, kwargs = call.arguments([_read_only(x) for x in operands])
    result = call.function.function(*args, **kwargs)
    if isinstance(result, Node):
        raise GradientError(
            f"{call.__name__} returned a node for plain numbers, so it uses a node that is not "
            "among its arguments, whose gradient would be lost: make it an argument"
        )
    data = _own_result(call, result)
    of_numbers = all(type(x) is float for x in operands)  # NumPy gives numbers of its own for these
    return float(data) if of_numbers and np.ndim(data) == 0 else data


def _read_only(x: Any) -> Any:
    if not isinstance(x, np.ndarray):
        return x
    view = x.view()
    view.flags.writeable = False
    return view


def _pull_custom(g: Any, out: Any, *operands: Any, call: _Call) -> list[Any]:
    """The cotangents that the stated pullback gives for the operands."""
    args, kwargs = call.arguments(operands)
    stated = call.function.rule(g, out, *args, **kwargs)
    cotangents = (stated,) if len(args) == 1 and not isinstance(stated, tuple) else stated
    cotangents = tuple(cotangents) if isinstance(cotangents, list) else cotangents
    if not isinstance(cotangents, tuple) or len(cotangents) != len(args):
        raise ShapeError(
            f"the pullback of {call.__name__} returns one cotangent for each of its {len(args)} "
            f"positional arguments, got {describe(stated)}"
        )
    found = [c for pair in zip(args, cotangents, strict=True) for c in _leaves_of(call, *pair)]
    chosen = [found[i] if i < len(found) else None for i in call.places]
    return [_shaped_like(call, c, x) for c, x in zip(chosen, operands, strict=True)]


def _leaves_of(call: _Call, arg: Any, cotangent: Any) -> list[Any]:
    leaves, structure = flatten(arg)
    if cotangent is None:
        return [None] * len(leaves)
    return structure.leaves_of(cotangent, f"a cotangent from the pullback of {call.__name__}")


def _shaped_like(call: _Call, cotangent: Any, operand: Any) -> Any:
    if cotangent is None or isinstance(cotangent, Node):
        given = cotangent
    else:
        given = as_data(cotangent, f"a cotangent from the pullback of {call.__name__}")
    if given is not None and shape_of(given) != shape_of(operand):
        raise ShapeError(
            f"the pullback of {call.__name__} gives an argument of shape {shape_of(operand)} a "
            f"cotangent of shape {shape_of(given)}: it must have the argument's shape"
        )
    return given


def _example(function: Any) -> _Call:
    return _Call(function, *flatten(((Value(1.0), Value(1.0)), {})))


@custom_vjp
def _product(x: Any, y: Any) -> Any:
    return x * y


_product.pullback(lambda g, out, x, y: (g * y, g * x))

_custom = Primitive(
    "custom",
    "custom",
    None,
    _evaluate_custom,
    Together(_pull_custom),
    domain=[REAL, REAL],
    examples=[Example(((3,), (3,)), {"call": _example(_product)})],
    notation=CALLED,
)

# --------------------------------------------------------------------------- recomputation


def checkpoint(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function that keeps nothing of its inside for the backward pass, but computes again.

    Memory then holds its arguments and its result only, and the inside of one call at a time
    during backward; the price is a second evaluation (Griewank and Walther, Evaluating
    Derivatives, 2008, chapter 12). Derivatives are those of the function, at every order.

    Parameters
    ----------
    function : callable
        Returns one number or one array, and the same one whenever it is called with the same
        arguments. Nodes that it uses without being given them, such as the parameters of a
        model, get their gradients too.

    Returns
    -------
    callable

    Examples
    --------
    >>> import numpy as np
    >>> from autograd import grad
    >>> f = checkpoint(lambda x: np.sin(np.exp(x)))
    >>> grad(f)(0.0) == np.cos(1.0)
    np.True_
    """
    if not callable(function):
        raise DataError(f"checkpoint takes a function, got {describe(function)}")

    @wraps(function)
    def recomputed(*args: Any, **kwargs: Any) -> Any:
        leaves, structure = flatten((args, kwargs))
        nodes = [leaf for leaf in leaves if isinstance(leaf, Node)]
        call = _Call(function, leaves, structure)
        started = clock.tick()
        inside = [_variable(current_data(node), node.is_constant) for node in nodes]
        result = call(*inside)
        _require_one_result(call, result)
        if not isinstance(result, Node) or result.is_constant or not is_recording():
            return result
        recent, older = recorded_since(started, [result])
        known = {*inside}
        # A leaf that is recent was written to before, and its data taken in now.
        call.outside = older + [x for x in recent if x.is_leaf and x not in known]
        data = _own_result(call, result._raw)
        inputs = in_two_slots([*nodes, *call.outside])
        return record(_checkpoint, data, *inputs, {"call": call}, clock.now)

    return recomputed


def _require_one_result(call: _Call, result: Any) -> None:
    if isinstance(result, Node):
        return
    if any(isinstance(leaf, Node) and not leaf.is_constant for leaf in flatten(result)[0]):
        raise DataError(
            f"{call.__name__}, under checkpoint, must return one number or one array, got "
            f"{describe(result)}: stack them, or make a checkpoint of each"
        )


def _variable(data: Any, is_constant: bool = False) -> Node:
    node = new_node(data)
    node.is_constant = is_constant or (type(data) is not float and data.dtype.kind != "f")
    return node


def _evaluate_checkpoint(*operands: Any, call: _Call) -> Any:
    with no_grad():
        result = call(*[constant(x) for x in operands])
    return _own_result(call, result._raw if isinstance(result, Node) else result)


def _pull_checkpoint(g: Any, out: Any, *operands: Any, call: _Call) -> list[Any]:
    """Record the call now, and pull the cotangent through it."""
    given = operands[: len(call.places)]
    differentiable = isinstance(out, Node)
    started = clock.tick()
    with recording():
        inside = [identity(x) if isinstance(x, Node) else _variable(x) for x in given]
        result = call(*inside)
    if not np.array_equal(result._raw, out._raw if differentiable else out, equal_nan=True):
        raise GradientError(
            f"{call.__name__} gave another result when checkpoint computed it again for the "
            "backward pass: it must not depend on randomness, or on what changes between calls"
        )
    if result.is_constant:
        return [None] * len(operands)
    recent, older = recorded_since(started, [result])
    wanted = [*inside, *call.outside]
    walk = recorded_pull if isinstance(g, Node) else pull
    found = walk({result: g}, wanted, [*older, *recent], frozenset(older))
    return [found[x] for x in wanted]


_checkpoint = Primitive(
    "checkpoint",
    "checkpoint",
    None,
    _evaluate_checkpoint,
    Together(_pull_checkpoint),
    domain=[REAL, REAL],
    examples=[Example(((3,), (3,)), {"call": _example(lambda x, y: x * x * y)})],
    notation=CALLED,
)
