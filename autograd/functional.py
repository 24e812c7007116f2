"""Derivatives of functions of numbers and arrays: numbers and arrays in, numbers and arrays out.

`grad` and its relatives take a function and return one. Inside, the arguments become nodes, the
function records its graph, and `backprop` or `forward` walks it. Called with nodes, or inside
another derivative, the results are nodes, so they nest to any depth. Each call differentiates
with respect to nodes of its own, so an inner derivative never mistakes an outer variable for its
own (Siskind and Pearlmutter 2005, "Perturbation confusion").

Arguments and results may be nested tuples, lists, dicts and namedtuples.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import update_wrapper
from typing import Any, ParamSpec, TypeVar

import numpy as np

from .backprop import fit_node, own_data, pull, recorded_pull, recorded_since
from .errors import DataError, GradientError, ShapeError
from .forward import push, recorded_push
from .graph import Node, clock
from .nodes import Tensor, Value
from .ops.arithmetic import identity
from .ops.shape import astype, reshape, shape_of, stack
from .primitive import (
    as_data,
    constant_node,
    current_data,
    describe,
    is_recording,
    new_node,
    recording,
    recording_quietly,
)
from .structure import LEAF, Structure, flatten

__all__ = [
    "elementwise_grad",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "stop_gradient",
    "value_and_grad",
    "vjp",
]

Function = Callable[..., Any]
P = ParamSpec("P")  # of a function, which its derivatives share
R = TypeVar("R")
T = TypeVar("T")
Argnums = int | Sequence[int]

# --------------------------------------------------------------------------- one call


@dataclass(eq=False, slots=True)
class _Call:
    """A function called on variables of its own: what it returned, and what came before.

    Attributes
    ----------
    given : list
        The numbers, arrays and nodes among the chosen arguments.
    structure : Structure
        How they are nested: in one argument, or in a tuple of several.
    variables : list of Node
        What stood in for each of them.
    outputs : list
        The leaves of what the function returned, nodes where they depend on anything.
    output_structure : Structure
    aux : object
        The second thing that it returned, if it does.
    started : int
        The time of the call.
    order : list of Node
        What the function recorded, inputs first.
    recorded : bool
        Whether derivatives are nodes: of an outer derivative, or of a caller's graph.
    """

    given: list[Any]
    structure: Structure
    variables: list[Node]
    outputs: list[Any]
    output_structure: Structure
    aux: Any
    started: int
    order: list[Node]
    recorded: bool

    def value(self) -> Any:
        """What the function returned."""
        if self.output_structure is LEAF:
            return _left(self.outputs[0], self.recorded)
        return self.output_structure.rebuild(_left(y, self.recorded) for y in self.outputs)

    def pull(self, seeds: Iterable[Any]) -> list[Any]:
        """Cotangents of the variables, from one for each output or None."""
        start: dict[Node, Any] = {}
        for y, g in zip(self.outputs, seeds, strict=True):
            if g is not None and _is_live(y):
                start[y] = start[y] + g if y in start else g
        if self.recorded:
            nodes = {y: _as_node(g) for y, g in start.items()}
            found = recorded_pull(nodes, self.variables, self.order)
        else:
            found = pull(start, self.variables, self.order)
        finish = _own_node if self.recorded else _own_data
        return [finish(found[x], x) for x in self.variables]

    def push(self, tangents: Iterable[Any]) -> list[Any]:
        """Tangents of the outputs, from one for each variable or None."""
        pairs = zip(self.variables, tangents, strict=True)
        start = {x: t for x, t in pairs if t is not None}
        if self.recorded:
            moved = recorded_push({x: _as_node(t) for x, t in start.items()}, self.order)
        else:
            moved = push(start, self.order)
        found = [moved.get(y) if isinstance(y, Node) else None for y in self.outputs]
        finish = _own_node if self.recorded else _own_data
        return [finish(t, y) for t, y in zip(found, self.outputs, strict=True)]

    def nested(self, slopes: Iterable[Any]) -> Any:
        """Derivatives with respect to the variables, nested like the arguments."""
        if self.structure is LEAF:
            (slope,) = slopes
            return _like(slope, self.given[0])
        pairs = zip(slopes, self.given, strict=True)
        return self.structure.rebuild([_like(slope, given) for slope, given in pairs])

    def recorded_with(self, leaves: Iterable[Any]) -> _Call:
        """The same call, recorded if any of some leaves is a node."""
        nodes = not self.recorded and any(isinstance(leaf, Node) for leaf in leaves)
        return replace(self, recorded=True) if nodes and is_recording() else self


def _call(
    name: str,
    f: Function,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    argnums: Argnums,
    has_aux: bool,
) -> _Call:
    """Call `f` with variables in place of the numbers and arrays in the chosen arguments."""
    positions = _positions(name, argnums, len(args))
    single = not isinstance(argnums, (tuple, list))
    chosen = args[positions[0]] if single else tuple([args[i] for i in positions])
    given, structure = flatten(chosen)
    started = clock.tick()  # what is recorded from now on is told by its time
    with recording_quietly():
        variables = [_variable(name, leaf) for leaf in given]
        replaced = structure.rebuild(variables)
        called = list(args)
        for i, arg in zip(positions, (replaced,) if single else replaced, strict=True):
            called[i] = arg
        result = f(*called, **kwargs)
    result, aux = _with_aux(name, result) if has_aux else (result, None)
    outputs, output_structure = _outputs(name, result)
    beside, aux_structure = flatten(aux) if has_aux else ([], LEAF)
    order, older = recorded_since(started, [y for y in outputs + beside if isinstance(y, Node)])
    is_open = (
        bool(older)
        or any(isinstance(leaf, Node) for leaf in given)
        or _has_changed_leaf(order, but=variables)
    )
    recorded = is_open and is_recording()
    if has_aux:
        aux = aux_structure.rebuild([_left(x, recorded) for x in beside])
    return _Call(
        given, structure, variables, outputs, output_structure, aux, started, order, recorded
    )


def _positions(name: str, argnums: Any, count: int) -> list[int]:
    """The positions of the arguments to differentiate with respect to."""
    if type(argnums) is int and 0 <= argnums < count:
        return [argnums]
    several = argnums if isinstance(argnums, (tuple, list)) else [argnums]
    try:
        numbers = [operator.index(i) for i in several]
    except TypeError:
        raise DataError(
            f"{name}: argnums is the position of an argument, or several, got {argnums!r}"
        ) from None
    if any(not -count <= i < count for i in numbers):
        raise ShapeError(
            f"{name}: argnums={argnums!r}, but the function was called with {count} positional "
            f"argument{'s' * (count != 1)}: pass by position what is to be differentiated"
        )
    positions = [i % count for i in numbers]
    if len({*positions}) != len(positions) or not positions:
        raise ShapeError(f"{name}: argnums={argnums!r} must name one or more different arguments")
    return positions


def _variable(name: str, given: Any) -> Node:
    """A node for an argument: of a number or array a new one, of a node an alias."""
    if type(given) is float:
        value: Node = Value(given)
        return value
    if isinstance(given, Node):
        if not given.is_constant:
            alias: Node = identity(given)
            return alias
        given = current_data(given)
    if type(given) is np.ndarray and given.dtype.kind == "f":
        return new_node(np.array(given))
    if isinstance(given, (np.ndarray, np.generic)):
        tensor = Tensor(given)
        if tensor.is_constant:
            raise GradientError(
                f"{name}: an argument holds {tensor.dtype} data, which has no derivative: "
                "convert it with .astype(float), or leave it out of argnums"
            )
        return tensor
    try:
        return Value(given)
    except DataError:
        raise DataError(
            f"{name} differentiates with respect to numbers, arrays and nested tuples, lists and "
            f"dicts of them, got {describe(given)}: leave it out of argnums"
        ) from None


def _with_aux(name: str, result: Any) -> tuple[Any, Any]:
    if not isinstance(result, tuple) or len(result) != 2:
        raise DataError(
            f"{name}: with has_aux=True the function returns (value, aux), got {describe(result)}"
        )
    return result[0], result[1]


def _outputs(name: str, result: Any) -> tuple[list[Any], Structure]:
    """The leaves of what a function returned, all of them numbers, arrays or nodes."""
    leaves, structure = flatten(result)
    wrong = [result] if result is None else [y for y in leaves if not _is_number(y)]
    if wrong:
        raise DataError(
            f"{name} differentiates a function that returns real numbers, arrays, or nested, this "
            f"one returned {describe(wrong[0])}: return other things as aux, with has_aux=True"
        )
    return leaves, structure


def _is_number(x: Any) -> bool:
    """Whether something is real numbers, of which bools are none here: they cannot change."""
    try:
        data = x._raw if isinstance(x, Node) else as_data(x)
    except DataError:
        return False
    return type(data) is float or np.asarray(data).dtype != np.bool_


def _has_changed_leaf(order: Sequence[Node], but: Sequence[Node]) -> bool:
    """Whether a leaf of the caller's may look new, since its data was taken in again."""
    read = [node for node in order if node._shown is not None and node._first is None]
    return any(all(node is not x for x in but) for node in read) if read else False


def _left(x: Any, recorded: bool) -> Any:
    """What a call leaves behind of a node: itself, or its data as NumPy has it."""
    if recorded or not isinstance(x, Node):
        return x
    data = current_data(x)
    return data if type(data) is float else data[()] if data.ndim == 0 else data.copy()


def _is_live(x: Any) -> bool:
    return isinstance(x, Node) and not x.is_constant


def _as_node(x: Any) -> Node:
    return x if isinstance(x, Node) else constant_node(x)


def _zeros(x: Any) -> Any:
    """A derivative of 0 for an output or a variable."""
    data = x._raw if isinstance(x, Node) else x
    if isinstance(data, (float, int)):
        return 0.0
    return np.zeros(data.shape, data.dtype if data.dtype.kind == "f" else float)


def _own_data(derivative: Any, x: Any) -> Any:
    return _zeros(x) if derivative is None else own_data(derivative, x)


def _own_node(derivative: Node | None, x: Any) -> Node:
    return constant_node(_zeros(x)) if derivative is None else derivative


def _like(slope: Any, given: Any) -> Any:
    """A derivative of the kind of what it belongs to: a NumPy number's is one, too."""
    if isinstance(given, np.generic) and not isinstance(slope, Node) and not np.ndim(slope):
        return given.dtype.type(slope)
    return slope


def _require_callable(name: str, f: Any) -> None:
    if not callable(f):
        raise DataError(f"{name} takes a function, got {describe(f)}")


def _named(name: str, f: Callable[P, Any]) -> Callable[[Callable[..., T]], Callable[P, T]]:
    """Give the derivative of a function its name and text."""
    _require_callable(name, f)

    def decorate(function: Callable[..., T]) -> Callable[P, T]:
        update_wrapper(function, f, updated=())
        function.__name__ = f"{name}({getattr(f, '__name__', 'function')})"
        return function

    return decorate


# --------------------------------------------------------------------------- gradients


def value_and_grad(
    f: Callable[P, R], argnums: Argnums = 0, *, has_aux: bool = False
) -> Callable[P, tuple[R, Any]]:
    """Return a function that gives the value of `f` and its gradient, in one pass each.

    Parameters
    ----------
    f : callable
        Returns one number: a float, or an array of one element.
    argnums : int or sequence of int
        Which positional arguments to differentiate with respect to.
    has_aux : bool
        Whether `f` returns ``(value, aux)``; `aux` is passed on and not differentiated.

    Returns
    -------
    callable
        Takes what `f` takes and returns ``(value, gradient)``, with `has_aux`
        ``((value, aux), gradient)``. The gradient has the structure, shapes and dtypes of the
        argument; for several `argnums` it is a tuple of such.

    Raises
    ------
    ShapeError
        If `f` returns more than one number, or `argnums` does not fit.
    DataError, GradientError
        If an argument to differentiate with respect to does not hold floats.

    Examples
    --------
    >>> import numpy as np
    >>> def loss(w, x):
    ...     return np.sum((x @ w - 1.0) ** 2)
    >>> value, slope = value_and_grad(loss)(np.array([1.0, 2.0]), np.eye(2))
    >>> float(value), slope
    (1.0, array([0., 2.]))
    """

    @_named("value_and_grad", f)
    def function(*args: Any, **kwargs: Any) -> Any:
        call = _call("value_and_grad", f, args, kwargs, argnums, has_aux)
        slope = call.nested(call.pull([_seed("value_and_grad", call)]))
        value = call.value()
        return ((value, call.aux) if has_aux else value), slope

    return function


def _seed(name: str, call: _Call) -> Any:
    """The cotangent of the one number that a function returned; an error where it is no such."""
    if call.output_structure != LEAF:
        kind = type(call.value()).__name__
        raise ShapeError(
            f"{name} differentiates a function that returns one number, this one returned a "
            f"{kind}: return a sum, or for (value, aux) use has_aux=True"
        )
    (y,) = call.outputs
    if _size(y) != 1:
        raise ShapeError(
            f"{name} differentiates a function that returns one number, this one returned shape "
            f"{shape_of(y)}: reduce it, as with np.sum, or use jacobian or elementwise_grad"
        )
    return _ones(y)


def _size(x: Any) -> int:
    return math.prod(shape_of(x))


def _ones(x: Any) -> Any:
    data = x._raw if isinstance(x, Node) else x
    return np.ones(data.shape, data.dtype) if isinstance(data, np.ndarray) else 1.0


def grad(f: Callable[P, Any], argnums: Argnums = 0, *, has_aux: bool = False) -> Callable[P, Any]:
    """Return a function that gives the gradient of `f`.

    Parameters, errors and nesting are those of `value_and_grad`; the result is the gradient
    alone, with `has_aux` ``(gradient, aux)``.

    Examples
    --------
    >>> import numpy as np
    >>> slope = grad(np.tanh)
    >>> slope(0.0), grad(slope)(0.0), grad(grad(slope))(0.0)
    (1.0, -0.0, -2.0)
    >>> grad(lambda p: p["w"] * p["x"] ** 2)({"w": 2.0, "x": 3.0})
    {'w': 9.0, 'x': 12.0}
    """

    @_named("grad", f)
    def function(*args: Any, **kwargs: Any) -> Any:
        call = _call("grad", f, args, kwargs, argnums, has_aux)
        slope = call.nested(call.pull([_seed("grad", call)]))
        return (slope, call.aux) if has_aux else slope

    return function


def elementwise_grad(f: Function, argnums: Argnums = 0, *, has_aux: bool = False) -> Function:
    """Return a function that gives the derivative of each element of `f` by its own argument.

    For a function that maps elements one by one; for any other it is the gradient of the sum of
    the results. Parameters and errors are those of `value_and_grad`.

    Examples
    --------
    >>> import numpy as np
    >>> elementwise_grad(np.square)(np.array([1.0, 2.0, 3.0]))
    array([2., 4., 6.])
    """

    @_named("elementwise_grad", f)
    def function(*args: Any, **kwargs: Any) -> Any:
        call = _call("elementwise_grad", f, args, kwargs, argnums, has_aux)
        slope = call.nested(call.pull([_ones(y) for y in call.outputs]))
        return (slope, call.aux) if has_aux else slope

    return function


# --------------------------------------------------------------------------- products


def vjp(
    f: Function, *primals: Any, argnums: Argnums | None = None, has_aux: bool = False
) -> tuple[Any, ...]:
    """Evaluate `f`, and return its value with the function that pulls cotangents back through it.

    The product of a cotangent with the Jacobian, in one backward pass, for a function of any
    number of results.

    Parameters
    ----------
    f : callable
    *primals : numbers, arrays, or nested
        The arguments at which to differentiate.
    argnums : int, sequence of int, optional
        Which of them; all if not given.
    has_aux : bool
        Whether `f` returns ``(value, aux)``.

    Returns
    -------
    value, pullback : object, callable
        ``pullback(cotangent)`` takes what has the structure and shapes of the value, and returns a
        tuple of what has those of the arguments; for an int of `argnums` that argument's alone.
    aux : object
        With `has_aux`.

    Raises
    ------
    ShapeError
        From the pullback, if the cotangent does not fit the value.

    Examples
    --------
    >>> import numpy as np
    >>> value, pullback = vjp(lambda x, y: x * y, np.array([1.0, 2.0]), 3.0)
    >>> pullback(np.array([1.0, 10.0]))
    (array([ 3., 30.]), 21.0)
    """
    _require_callable("vjp", f)
    chosen = tuple(range(len(primals))) if argnums is None else argnums
    call = _call("vjp", f, primals, {}, chosen, has_aux)

    def pullback(cotangent: Any) -> Any:
        leaves = call.output_structure.leaves_of(cotangent, "vjp: a cotangent")
        now = call.recorded_with(leaves)
        return now.nested(now.pull(_fitting("vjp: a cotangent", now, leaves, now.outputs)))

    return (call.value(), pullback, call.aux) if has_aux else (call.value(), pullback)


def jvp(
    f: Function,
    primals: Sequence[Any],
    tangents: Sequence[Any],
    *,
    argnums: Argnums | None = None,
    has_aux: bool = False,
) -> tuple[Any, ...]:
    """Evaluate `f`, and push a tangent of its arguments forward to one of its value.

    The product of the Jacobian with the tangent: the derivative of `f` along a direction.

    Parameters
    ----------
    f : callable
    primals : sequence
        The arguments at which to differentiate.
    tangents : sequence
        One for each argument, or for each of `argnums`, of its structure and shapes.
    argnums : int, sequence of int, optional
        Which arguments move; all if not given. For an int, `tangents` is that one's tangent.
    has_aux : bool
        Whether `f` returns ``(value, aux)``.

    Returns
    -------
    value, tangent : objects of one structure
    aux : object
        With `has_aux`.

    Raises
    ------
    ShapeError
        If a tangent does not fit its argument.

    Examples
    --------
    >>> import numpy as np
    >>> jvp(np.sin, (0.0,), (2.0,))
    (0.0, 2.0)
    """
    _require_callable("jvp", f)
    if not isinstance(primals, (tuple, list)):
        raise DataError(f"jvp takes a tuple of arguments, got {describe(primals)}")
    chosen = tuple(range(len(primals))) if argnums is None else argnums
    call = _call("jvp", f, primals, {}, chosen, has_aux)
    leaves = call.structure.leaves_of(tangents, "jvp: a tangent")
    call = call.recorded_with(leaves)
    pushed = call.push(_fitting("jvp: a tangent", call, leaves, call.variables))
    tangent = call.output_structure.rebuild(
        [t if isinstance(t, Node) else _number(t) for t in pushed]
    )
    return (call.value(), tangent, call.aux) if has_aux else (call.value(), tangent)


def _number(x: Any) -> Any:
    return x[()] if isinstance(x, np.ndarray) else x


def _fitting(what: str, call: _Call, given: Sequence[Any], ends: Sequence[Any]) -> list[Any]:
    """Cotangents or tangents, checked to be of the shapes of what they belong to."""
    fitted = []
    for t, x in zip(given, ends, strict=True):
        data = current_data(t) if isinstance(t, Node) else as_data(t, what)
        if np.shape(data) != shape_of(x):
            raise ShapeError(
                f"{what} has the shape of what it belongs to: expected {shape_of(x)}, "
                f"got {np.shape(data)}"
            )
        fitted.append(_fit(t if call.recorded else data, x) if isinstance(x, Node) else None)
    return fitted


def _fit(given: Any, x: Node) -> Any:
    """A cotangent or tangent of the kind and dtype of a node."""
    if not isinstance(given, Node):
        return own_data(given, x)
    with recording():
        return fit_node(given, x)


def hvp(f: Function, argnums: Argnums = 0, *, has_aux: bool = False) -> Function:
    """Return a function that gives the product of the Hessian of `f` with a vector.

    Two passes backward, whatever the number of arguments: the Hessian itself is never formed
    (Pearlmutter 1994, "Fast exact multiplication by the Hessian").

    Parameters
    ----------
    f, argnums, has_aux
        As for `value_and_grad`.

    Returns
    -------
    callable
        Takes what `f` takes and, last, a vector of the structure and shapes of the argument;
        returns what has them, too.

    Raises
    ------
    ShapeError
        If the vector does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> product = hvp(lambda x: np.sum(x**3))
    >>> product(np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    array([6., 0.])
    """

    @_named("hvp", f)
    def function(*args: Any, **kwargs: Any) -> Any:
        if not args:
            raise ShapeError("hvp: the vector comes after the arguments of the function")
        *arguments, vector = args
        call = _call("hvp", f, arguments, kwargs, argnums, has_aux)
        leaves = call.structure.leaves_of(vector, "hvp: the vector")
        call = call.recorded_with(leaves)
        directions = _fitting("hvp: the vector", call, leaves, call.variables)
        product = call.nested(_slopes(call).pull(directions))
        return (product, call.aux) if has_aux else product

    return function


def _slopes(call: _Call) -> _Call:
    """The call of the gradient of a function, from a call of the function."""
    seed = _seed("hvp", call)
    slopes = replace(call, recorded=True).pull([seed])
    order, _ = recorded_since(call.started, slopes)
    return replace(call, outputs=slopes, order=order)


# --------------------------------------------------------------------------- matrices


def jacobian(
    f: Callable[P, Any], argnums: Argnums = 0, *, has_aux: bool = False
) -> Callable[P, Any]:
    """Return a function that gives the Jacobian of `f`: each result by each argument.

    Taken row by row in reverse, or column by column forward, whichever costs less.

    Parameters
    ----------
    f : callable
        Returns numbers, arrays, or nested.
    argnums, has_aux
        As for `value_and_grad`.

    Returns
    -------
    callable
        Takes what `f` takes and returns, for one array to one array, an array of shape
        ``result.shape + argument.shape``; else the structure of the result, and in place of
        each leaf the structure of the argument.

    Examples
    --------
    >>> import numpy as np
    >>> jacobian(lambda x: np.array([2.0, 3.0]) * x)(np.array([1.0, 1.0]))
    array([[2., 0.],
           [0., 3.]])
    """

    @_named("jacobian", f)
    def function(*args: Any, **kwargs: Any) -> Any:
        call = _call("jacobian", f, args, kwargs, argnums, has_aux)
        rows = sum([_size(y) for y in call.outputs if _is_live(y)])
        columns = sum([_size(x) for x in call.variables])
        by_rows = rows <= PASSES_OF_A_PUSH * columns
        blocks = _by_rows(call) if by_rows else _by_columns(call)
        result = call.output_structure.rebuild([call.nested(block) for block in blocks])
        return (result, call.aux) if has_aux else result

    return function


# A push costs 1.2 backward passes where all is elementwise, 4.5 through two products of matrices.
PASSES_OF_A_PUSH = 3


def _by_rows(call: _Call) -> list[list[Any]]:
    """For each output its derivatives by each variable: a pass backward for each element."""
    blocks = []
    for k, y in enumerate(call.outputs):
        seeds: list[Any] = [None] * len(call.outputs)
        rows = []
        for seeds[k] in _units(y):
            rows.append(call.pull(seeds))
        row_of_blocks = [
            _block([row[i] for row in rows], 0, y, x, call.recorded)
            for i, x in enumerate(call.variables)
        ]
        blocks.append(row_of_blocks)
    return blocks


def _by_columns(call: _Call) -> list[list[Any]]:
    """As `_by_rows`, but a pass forward for each element of each variable."""
    blocks: list[list[Any]] = [[] for _ in call.outputs]
    for k, x in enumerate(call.variables):
        tangents: list[Any] = [None] * len(call.variables)
        columns = []
        for tangents[k] in _units(x):
            columns.append(call.push(tangents))
        for i, y in enumerate(call.outputs):
            parts = [column[i] for column in columns]
            blocks[i].append(_block(parts, -1, y, x, call.recorded))
    return blocks


def _units(x: Any) -> Iterator[Any]:
    """For each element of a variable or output one array, 1 there and 0 elsewhere."""
    if not _is_live(x):
        return
    if type(x._raw) is float:
        yield 1.0
        return
    for index in np.ndindex(x.shape):
        unit = np.zeros_like(x._raw)
        unit[index] = 1.0
        yield unit


def _block(parts: list[Any], axis: int, y: Any, x: Node, recorded: bool) -> Any:
    """Rows or columns of the derivative of `y` by `x` as one array, or node if recorded."""
    shape, dtype = (*shape_of(y), *x.shape), np.asarray(x._raw).dtype
    if not parts:
        zeros = np.zeros(shape, dtype) if shape else _zeros(x)
        return constant_node(zeros) if recorded else zeros
    if not recorded:
        return np.stack(parts, axis, dtype=dtype).reshape(shape) if shape else own_data(parts[0], x)
    with recording():
        if not shape:
            return fit_node(parts[0], x)
        whole = reshape(stack(parts, axis), shape)
        return whole if whole.dtype == dtype else astype(whole, dtype=dtype.name)


def hessian(
    f: Callable[P, Any], argnums: Argnums = 0, *, has_aux: bool = False
) -> Callable[P, Any]:
    """Return a function that gives the Hessian of `f`: the matrix of its second derivatives.

    Parameters and errors are those of `value_and_grad`. For one array the result has shape
    ``argument.shape + argument.shape``; else it is the structure of the argument, and in place
    of each leaf the structure of the argument again.

    Examples
    --------
    >>> import numpy as np
    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    return _named("hessian", f)(
        jacobian(grad(f, argnums, has_aux=has_aux), argnums, has_aux=has_aux)
    )


# --------------------------------------------------------------------------- constants


def stop_gradient(tree: T) -> T:
    """Return numbers, arrays or nodes, nested or not, with every node made a constant.

    >>> grad(lambda x: x * stop_gradient(x))(3.0)
    3.0
    """
    leaves, structure = flatten(tree)
    stopped = [x.detach() if isinstance(x, (Value, Tensor)) else x for x in leaves]
    result: T = structure.rebuild(stopped)
    return result
