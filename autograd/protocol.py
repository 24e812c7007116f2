"""NumPy's own functions on nodes: ``np.sin(t)``, ``np.sum(t, axis=0)``, ``ndarray + t``.

NumPy asks its arguments first, through ``__array_ufunc__`` and ``__array_function__`` (NEP 13 and
NEP 18). Each of its functions then either is differentiated, by the function of this package
that stands for it; or has no derivative, and is evaluated on plain data; or is refused, with
what to do instead. None returns a plain array that has lost a gradient.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial, wraps
from typing import Any

import numpy as np

from . import standins
from .errors import DataError
from .graph import Node
from .ops import (
    arithmetic,
    comparison,
    decomposition,
    elementary,
    indexing,
    linalg,
    reduction,
    selection,
    signal,
    statistics,
)
from .ops import shape as shapes
from .ops.comparison import plain
from .primitive import data_of, describe, is_foreign, is_tracing
from .standins import holds_node, joined
from .structure import flatten

__all__ = ["array_function", "array_ufunc"]

Function = Callable[..., Any]

# --------------------------------------------------------------------------- what stands for what


MODULES = (
    *(arithmetic, comparison, elementary, indexing, shapes, reduction, selection, linalg),
    *(decomposition, statistics, signal, standins),
)

# Functions of ours that stand for one of NumPy under another name, or with other arguments.
UNDER_OTHER_NAMES: dict[str, Function] = {
    "absolute": elementary.abs,
    "fabs": elementary.abs,
    "arccos": elementary.acos,
    "arccosh": elementary.acosh,
    "arcsin": elementary.asin,
    "arcsinh": elementary.asinh,
    "arctan": elementary.atan,
    "arctan2": elementary.atan2,
    "arctanh": elementary.atanh,
    "amax": reduction.max,
    "amin": reduction.min,
    "concat": shapes.concatenate,
    "conjugate": arithmetic.identity,
    "copy": arithmetic.identity,
    "deg2rad": elementary.radians,
    "divide": arithmetic.div,
    "float_power": elementary.pow,
    "multiply": arithmetic.mul,
    "negative": arithmetic.neg,
    "permute_dims": shapes.transpose,
    "positive": arithmetic.identity,
    "power": elementary.pow,
    "rad2deg": elementary.degrees,
    "real": arithmetic.identity,
    "subtract": arithmetic.sub,
    "fft.fftshift": standins.fftshift,
    "fft.ifftshift": standins.ifftshift,
    "linalg.cross": linalg.cross,
    "linalg.lstsq": standins.lstsq,
    "linalg.diagonal": partial(linalg.diagonal, axis1=-2, axis2=-1),
    "linalg.matmul": linalg.matmul,
    "linalg.matrix_transpose": standins.matrix_transpose,
    "linalg.outer": linalg.outer,
    "linalg.tensordot": linalg.tensordot,
    "linalg.trace": partial(linalg.trace, axis1=-2, axis2=-1),
}

# Functions without a derivative, or whose derivative is 0: evaluated on plain data.
PLAIN = """
    all allclose angle any argmax argmin argpartition argsort argwhere around array2string
    array_equal array_equiv array_repr array_str bitwise_and bitwise_count bitwise_or bitwise_xor
    can_cast ceil common_type count_nonzero diag_indices_from digitize einsum_path empty_like
    equal fix flatnonzero floor floor_divide gcd greater greater_equal imag invert
    iscomplex iscomplexobj isclose isfinite isin isinf isnan isnat isneginf isposinf isreal
    isrealobj lcm left_shift less less_equal lexsort logical_and logical_not logical_or
    logical_xor may_share_memory min_scalar_type nanargmax nanargmin ndim nonzero not_equal
    ones_like packbits ravel_multi_index result_type right_shift rint round savetxt save savez
    savez_compressed searchsorted shape shares_memory signbit size spacing tril_indices_from
    triu_indices_from trunc unpackbits unravel_index zeros_like linalg.matrix_rank
"""

# Of these, the ones that look at shape and dtype only, which a replay keeps.
OF_SHAPE = """
    can_cast common_type diag_indices_from einsum_path empty_like iscomplexobj isrealobj ndim
    ones_like result_type shape size tril_indices_from triu_indices_from zeros_like
"""

_COPY = "nodes cannot be written to: x.at[index].set(value) gives a changed copy"
_COUNTS = (
    "what falls into a bin changes in jumps: count in x.numpy(), or for differentiable weights "
    "use np.bincount(np.digitize(x, bins), weights)"
)
_COMPLEX = "its results are complex, and nodes hold real numbers"

INSTEAD = {
    **dict.fromkeys(
        ("copyto", "fill_diagonal", "place", "put", "put_along_axis", "putmask"), _COPY
    ),
    **dict.fromkeys(("histogram", "histogram2d", "histogramdd", "histogram_bin_edges"), _COUNTS),
    **dict.fromkeys(("roots", "sort_complex"), _COMPLEX),
    "frexp": "its exponent jumps: np.log2 and np.exp2 take numbers apart smoothly",
    "ix_": "an index has no derivative: it is made of whole numbers",
    "linalg.eig": "its results are complex: for a symmetric matrix use eigh",
    "linalg.eigvals": "its results are complex: for a symmetric matrix use eigvalsh",
    "maximum.accumulate": "np.max of x[: i + 1] is differentiated",
    "minimum.accumulate": "np.min of x[: i + 1] is differentiated",
    "nextafter": "it differs from x by rounding only: use x",
}

# Functions that take a list of arrays, where others take an array in the form of a list.
OF_SEQUENCES = """
    choose column_stack concatenate dstack einsum hstack piecewise select stack vstack
    linalg.multi_dot
"""

# Options of many functions that are not taken, and what does the same.
RATHER = {
    "where": "choose with np.where first, which passes no gradient to what is left out",
    "initial": "combine it with the result, as in np.sum(x) + initial",
    "correction": "use ddof=",
    "mean": "leave it out, it is computed",
}

# What changes no number, whatever it is.
WITHOUT_EFFECT = frozenset(
    {"casting", "copy", "device", "kind", "like", "optimize", "stable", "subok"}
)

# What of a ufunc reduces, accumulates, or pairs all with all.
REDUCE: dict[np.ufunc, Function] = {
    np.add: reduction.sum,
    np.multiply: reduction.prod,
    np.maximum: reduction.max,
    np.minimum: reduction.min,
    np.logaddexp: reduction.logsumexp,
}
ACCUMULATE: dict[np.ufunc, Function] = {
    np.add: reduction.cumsum,
    np.multiply: reduction.cumprod,
    np.logaddexp: reduction.logcumsumexp,
}


def numpy_function(name: str) -> Any:
    """The function of NumPy that a dotted name names; None where this NumPy has none."""
    found: Any = np
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


@cache
def differentiable() -> Mapping[Any, Function]:
    """What stands for each function of NumPy that has a derivative."""
    names = {name: getattr(module, name) for module in MODULES for name in module.__all__}
    del names["identity"]  # which is a matrix in NumPy
    table = {f"linalg.{name}": f for name, f in names.items()} | names | UNDER_OTHER_NAMES
    found = {numpy_function(name): function for name, function in table.items()}
    without = without_derivative()
    return {f: ours for f, ours in found.items() if callable(f) and f not in without}


@cache
def without_derivative() -> frozenset[Any]:
    """The functions of NumPy that are evaluated on plain data."""
    return frozenset(map(numpy_function, PLAIN.split())) - {None}


@cache
def _of_shape() -> frozenset[Any]:
    return frozenset(map(numpy_function, OF_SHAPE.split())) - {None}


@cache
def _of_sequences() -> frozenset[Any]:
    return frozenset(map(numpy_function, OF_SEQUENCES.split()))


# --------------------------------------------------------------------------- the two protocols


USUAL = frozenset({float, int, bool, np.ndarray, np.float64, np.float32})
"""The operands that are neither nodes, nor lists, nor of another library."""


def array_ufunc(node: Node, ufunc: np.ufunc, method: str, *operands: Any, **options: Any) -> Any:
    """Apply a ufunc, or a method of one, to operands among which is the node that NumPy asks."""
    if method == "__call__" and not options:  # as nearly always
        ours = differentiable().get(ufunc)
        if ours is not None:
            for x in operands:
                if type(x) not in USUAL and not isinstance(x, Node):
                    break
            else:
                return ours(*operands)
    name = ufunc.__name__ + (f".{method}" if method != "__call__" else "")
    if options.get("out") is not None:
        raise DataError(
            f"np.{name} cannot write into an array (out=, or an operator such as +=): the array "
            "holds numbers, and the result is a node. Assign it to a name instead: x = x + y"
        )
    if any(map(is_foreign, map(type, operands))):
        return NotImplemented
    if ufunc in without_derivative() and method != "at":
        if is_tracing() and method == "__call__" and ufunc in comparison.RECORDED:
            return comparison.RECORDED[ufunc](*operands)
        return getattr(ufunc, method)(*map(plain, operands), **options)
    operands = tuple([joined(x) if type(x) in (list, tuple) else x for x in operands])
    ours = _method(ufunc, method)
    if ours is not None:
        return ours(*operands, **_supported(name, options, ours))
    why = INSTEAD.get(name, "x.at[i].add(y) adds at places" if method == "at" else "")
    if getattr(np, ufunc.__name__, None) is not ufunc:
        why = "custom_vjp gives it a derivative"  # another library's
    raise _refusal(name, _first_node(operands), why)


def _method(ufunc: np.ufunc, method: str) -> Function | None:
    """What stands for a ufunc, or for a method of one."""
    if method == "reduce" and ufunc in REDUCE:
        return partial(_along_first, REDUCE[ufunc])
    if method == "accumulate" and ufunc in ACCUMULATE:
        return partial(_along_first, ACCUMULATE[ufunc])
    ours = differentiable().get(ufunc)
    if ours is None or method not in ("__call__", "outer"):
        return None
    return ours if method == "__call__" else partial(_outer, ours)


def _along_first(ours: Function, x: Any, axis: Any = 0, **options: Any) -> Any:
    return ours(x, axis, **options)


def _outer(ours: Function, x: Any, y: Any) -> Any:
    return ours(shapes.reshape(x, shapes.shape_of(x) + (1,) * len(shapes.shape_of(y))), y)


def array_function(
    node: Node,
    function: Function,
    types: Iterable[type],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> Any:
    """Apply a function of NumPy to arguments among or in which is the node that NumPy asks."""
    for kind in types:
        if is_foreign(kind):
            return NotImplemented
    return _applied(function, args, kwargs)


def _applied(function: Function, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    ours = differentiable().get(function)
    if ours is not None:
        return _called(function, ours, args, kwargs)
    leaves, structure = flatten((tuple(args), dict(kwargs)))
    if function in without_derivative():
        look = data_of if function in _of_shape() else plain
        plain_args, plain_kwargs = structure.rebuild(map(look, leaves))
        return function(*plain_args, **plain_kwargs)
    name = _dotted(function)
    raise _refusal(
        name, _first_node(leaves), INSTEAD.get(name, _COMPLEX if name.startswith("fft.") else "")
    )


def for_lists(function: Function) -> Function:
    """A function of NumPy that takes lists with nodes inside, too.

    NumPy asks only arguments whether they are nodes, and of some functions the items of one list.
    """

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except DataError:
            if not any(map(holds_node, [*args, *kwargs.values()])):
                raise
        return _applied(function, args, kwargs)

    return wrapper


def with_lists(module: Any) -> dict[str, Function]:
    """The differentiable functions of a module of NumPy, made to take lists with nodes inside."""
    found = {name: getattr(module, name) for name in module.__all__}
    return {
        name: for_lists(f)
        for name, f in found.items()
        if inspect.isroutine(f) and not isinstance(f, np.ufunc) and f in differentiable()
    }


def _dotted(function: Function) -> str:
    module = getattr(function, "__module__", "") or ""
    inner = module.removeprefix("numpy").strip(".")
    return f"{inner}.{function.__name__}" if inner else function.__name__


def _first_node(items: Sequence[Any]) -> str:
    return next((type(x).__name__ for x in items if isinstance(x, Node)), "node")


def _refusal(name: str, kind: str, why: str) -> DataError:
    return DataError(
        f"np.{name} is not differentiated here, and on this {kind} it would lose the gradient: "
        + (f"{why}. " if why else "")
        + "If no gradient is wanted, pass the plain numbers, x.numpy()"
    )


# --------------------------------------------------------------------------- arguments


@cache
def _parameters(theirs: Function, ours: Function) -> tuple[int, dict[str, str], dict[str, Any]]:
    """How arguments for a function of NumPy become those of ours.

    Returns
    -------
    How many leading positional arguments correspond, the names that do, and all defaults.
    """
    mine = list(inspect.signature(ours).parameters.values())
    variadic = any(p.kind is p.VAR_POSITIONAL for p in mine)
    names = [p.name for p in mine if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    try:
        given = list(inspect.signature(theirs).parameters.values())
    except ValueError:  # a NumPy that does not tell: one and the same names
        return 1_000 if variadic else len(mine), {name: name for name in names}, {}
    known = {p.name for p in given}
    same = {}
    for i, p in enumerate(given):
        if p.name in names:
            same[p.name] = p.name
        elif i < len(names) and names[i] not in known:
            same[p.name] = names[i]
    if any(p.kind is p.VAR_KEYWORD for p in given):
        same = {name: name for name in names} | same
    leading = 0
    for p, name in zip(given, names, strict=False):
        if same.get(p.name) != name or p.kind is p.KEYWORD_ONLY:
            break
        leading += 1
    return 1_000 if variadic else leading, same, {p.name: p.default for p in given}


def _called(
    theirs: Function, ours: Function, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Any:
    """Call ours with arguments meant for NumPy's."""
    leading, same, defaults = _parameters(theirs, ours)
    if not kwargs and len(args) <= leading:  # as nearly always
        for x in args:
            if type(x) is list or type(x) is tuple:
                break
        else:
            return ours(*args)
    if len(args) > leading:
        names = list(defaults)[: len(args)]
        kwargs = {**dict(zip(names[leading:], args[leading:], strict=True)), **kwargs}
        args = args[:leading]
    known = {same[k]: v for k, v in kwargs.items() if k in same}
    for k, v in kwargs.items():
        if k not in same and not _is_default(v, defaults.get(k)):
            _check_without_effect(_dotted(theirs), k, v)
    if theirs in _of_sequences():
        args = [_items_joined(x) for x in args]
    elif theirs is not np.block:  # to which nested lists are no arrays
        args, known = [_joined(x) for x in args], {k: _joined(v) for k, v in known.items()}
    return ours(*args, **known)


def _joined(x: Any) -> Any:
    """An array given as a list that holds nodes."""
    return joined(x) if type(x) in (list, tuple) and holds_node(x) else x


def _items_joined(x: Any) -> Any:
    """A list of arrays, of which some are given as such lists."""
    return [_joined(item) for item in x] if type(x) in (list, tuple) else x


def _is_default(value: Any, default: Any) -> bool:
    return value is default or (isinstance(value, (str, bool)) and value == default)


def _supported(name: str, options: Mapping[str, Any], ours: Function) -> dict[str, Any]:
    """The options of a ufunc that ours takes; an error for one that it cannot honour."""
    if not options:
        return {}
    names = inspect.signature(ours).parameters
    takes_all = any(p.kind is p.VAR_KEYWORD for p in names.values())
    taken = {}
    for key, value in options.items():
        if key in ("axis", "keepdims") and (key in names or takes_all):
            taken[key] = value
        else:
            _check_without_effect(name, key, value)
    return taken


def _check_without_effect(name: str, key: str, value: Any) -> None:
    """Refuse an option that would change the result."""
    if key == "out" and value is not None:
        raise DataError(
            f"np.{name} cannot write into an array (out=): the result is a node. "
            "Assign it to a name instead"
        )
    if key == "dtype" and value is not None:
        raise DataError(f"np.{name}: dtype= is not taken for nodes, use the result's .astype")
    if key in RATHER and value is not None and value is not True:
        raise DataError(f"np.{name}: {key}= is not taken for nodes: {RATHER[key]}")
    if not (
        key in WITHOUT_EFFECT
        or value is None
        or (key == "order" and value in ("K", "C", "A"))
        or (key == "where" and value is True)
    ):
        raise DataError(
            f"np.{name}: {key}= is not supported for nodes, got {describe(value)}: leave it out"
        )
