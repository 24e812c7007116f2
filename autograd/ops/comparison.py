"""Choosing between values: maximum, minimum, clip, where, and what to do with nan."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ..errors import DataError
from ..graph import Node, clock
from ..notation import FUNCTION, ONCE, SAME, Binds, Form, Notation, command, infix
from ..primitive import (
    REAL,
    Function,
    Interval,
    Masked,
    Primitive,
    as_data,
    as_weak_data,
    constant_node,
    describe,
    drop_masks,
    elementwise,
    example,
    fixed_number,
    function_of,
    is_tracing,
    publish,
    record,
    require_unread,
    untraced,
)

__all__ = ["callback", "clip", "fmax", "fmin", "maximum", "minimum", "nan_to_num", "where"]

APART = (Interval(-3.0, -0.1), Interval(0.1, 3.0))  # two operands that never tie


def keep(g: Any, condition: Any) -> Any:
    """Pass the cotangent `g` where `condition` holds, and none at all elsewhere."""
    if is_tracing():
        drop_masks()
        return where(condition, g, 0.0)
    if isinstance(condition, Node):
        condition = condition.numpy()
    if np.ndim(condition) == 0:
        return g if condition else None
    value = where(condition, g, 0.0)
    return Masked(value, np.broadcast_to(np.asarray(condition, dtype=bool), value.shape))


# --------------------------------------------------------------------------- yes or no


def _test(
    name: str,
    label: str,
    scalar: Function,
    array: np.ufunc,
    notation: Notation = FUNCTION,
    operands: int = 2,
) -> Function:
    """Define a primitive whose results are bools, of Values 1.0 and 0.0; no gradient ever.

    Operators on nodes give plain bools, since mostly Python decides by them. While a function is
    recorded for a replay they record these.
    """
    primitive = Primitive(
        name,
        label,
        lambda *numbers: float(scalar(*numbers)),
        array,
        (None,) * operands,
        APART[:operands],
        elementwise=True,
        notation=notation,
    )
    TESTS.add(primitive)
    return function_of(primitive)


TESTS: set[Primitive | None] = set()
"""The primitives that give bools."""


def _between(sign: str, latex: str) -> Notation:
    """The notation of a comparison: unlike other operators, a second one makes a chain."""
    text, maths = (f"$0 {x} $1" for x in (sign, latex))
    return Notation(Form(text, Binds.TEST, (Binds.OR,)), Form(maths, Binds.TEST, (Binds.OR,)))


def _joined(sign: str, level: Binds, latex: str) -> Notation:
    form = Form(f"$0 {latex} $1", Binds.JOINED, (Binds.TEST,))
    return infix(sign, level, latex=form, twice=ONCE)


less = _test("less", "<", operator.lt, np.less, _between("<", "<"))
less_equal = _test("less_equal", "≤", operator.le, np.less_equal, _between("<=", r"\leq"))
greater = _test("greater", ">", operator.gt, np.greater, _between(">", ">"))
greater_equal = _test("greater_equal", "≥", operator.ge, np.greater_equal, _between(">=", r"\geq"))
equal = _test("equal", "=", operator.eq, np.equal, _between("==", "="))
not_equal = _test("not_equal", "≠", operator.ne, np.not_equal, _between("!=", r"\neq"))
both = _test(
    "logical_and",
    "and",
    lambda x, y: bool(x) and bool(y),
    np.logical_and,
    _joined(" & ", Binds.AND, r"\wedge"),
)
either = _test(
    "logical_or",
    "or",
    lambda x, y: bool(x) or bool(y),
    np.logical_or,
    _joined(" | ", Binds.OR, r"\vee"),
)
negation = _test("logical_not", "not", operator.not_, np.logical_not, command(r"\lnot"), operands=1)
is_nan = _test("isnan", "is nan", math.isnan, np.isnan, operands=1)
is_finite = _test("isfinite", "is finite", math.isfinite, np.isfinite, operands=1)
is_infinite = _test("isinf", "is inf", math.isinf, np.isinf, operands=1)


def _of_bools(function: Function, sign: str) -> Function:
    """What NumPy does bit by bit, of bools only: of whole numbers it is something else."""

    def operator(*operands: Any) -> Any:
        if not all(map(_is_bool, operands)):
            raise DataError(
                f"{sign} of nodes takes bools, such as x > 0, got "
                f"{', '.join(map(describe, operands))}: take bits of whole numbers before, or by "
                "callback"
            )
        return function(*operands)

    return operator


def _is_bool(x: Any) -> bool:
    data = x._raw if isinstance(x, Node) else x
    if type(data) is float:  # as which a Value that is recorded holds it, or one of constants
        return isinstance(x, Node) and (
            x.primitive in TESTS or (x.is_constant and data in (0.0, 1.0))
        )
    return np.asarray(data).dtype == np.bool_


bit_and, bit_or, bit_not = _of_bools(both, "&"), _of_bools(either, "|"), _of_bools(negation, "~")

fixed = function_of(
    Primitive("fixed", "fixed", float, np.copy, (None,), [REAL], elementwise=True, notation=SAME)
)
"""The same numbers without a gradient, where a constant would freeze them."""

RECORDED: dict[np.ufunc, Function] = {
    np.less: less,
    np.less_equal: less_equal,
    np.greater: greater,
    np.greater_equal: greater_equal,
    np.equal: equal,
    np.not_equal: not_equal,
    np.logical_and: both,
    np.bitwise_and: bit_and,
    np.logical_or: either,
    np.bitwise_or: bit_or,
    np.logical_not: negation,
    np.invert: bit_not,
    np.isnan: is_nan,
    np.isfinite: is_finite,
    np.isinf: is_infinite,
}
"""What stands for ufuncs that give bools while a function is recorded for a replay."""


_callback = Primitive(
    "callback",
    "callback",
    None,
    lambda *operands, function: as_result(untraced(*operands, function=function)),
    (None,),
    domain=(REAL,),
    examples=(example((3,), function=np.floor),),
    notation=Notation(Form("$function($*)"), Form(r"\operatorname{$function}($*)")),
    calls_back=True,
)


def callback(function: Function, *operands: Any) -> Any:
    """Call a function with the plain numbers and arrays of nodes; its result has no gradient.

    Under `jit` it is called again at every replay, so it may decide on numbers, check them, or
    draw random ones. Its result must then be an array, or one number, of the same shape each time.

    Parameters
    ----------
    function : callable
    operands : Value, Tensor, array or number

    Examples
    --------
    >>> from autograd import Tensor
    >>> callback(np.argsort, Tensor([3.0, 1.0, 2.0]))
    array([1, 2, 0])
    """
    if not is_tracing():
        return function(*map(plain, operands))
    if not any(isinstance(x, Node) and not x.is_constant for x in operands):
        # What depends on nothing is called anew all the same: it may be random. The first replay
        # takes what was drawn for the recording, so that nothing is drawn twice.
        drawn = [as_result(function(*map(plain, operands)))]
        again = {"function": lambda _: drawn.pop() if drawn else function(*map(plain, operands))}
        return record(_callback, drawn[0], constant_node(0.0), None, again, clock.now)
    return _callback(*operands, function=function)


def as_result(result: Any) -> Any:
    """What a function of the user's returned, as the data of a node."""
    data = as_weak_data(result, "callback")
    return data if type(data) is np.ndarray else float(data)


def unless(condition: Any) -> Any:
    """The opposite of a condition."""
    if isinstance(condition, Node) and is_tracing():
        return negation(condition)
    return np.logical_not(plain(condition))


_BITS = {np.dtype(np.float32): np.uint32, np.dtype(np.float64): np.uint64}


def _where_array(condition: Any, x: Any, y: Any) -> Any:
    # Masking bits does not mispredict branches: 8 us against 64 for 128 x 128 random float32.
    if type(y) is float and y == 0.0 and type(condition) is type(x) is np.ndarray:
        bits = _BITS.get(x.dtype)
        if bits is not None and condition.shape == x.shape and condition.dtype == np.bool_:
            mask = condition.astype(bits)
            np.negative(mask, out=mask)  # all ones where it holds
            mask &= x.view(bits)
            return mask.view(x.dtype)
    return np.where(condition, x, y)


_where = Primitive(
    "where",
    "where",
    lambda condition, x, y: x if condition else y,
    _where_array,
    (
        None,
        lambda g, out, condition, x, y: keep(g, condition),
        lambda g, out, condition, x, y: keep(g, unless(condition)),
    ),
    domain=(REAL, REAL, REAL),
    examples=(example((3,), (3,), (3,)), example((2, 1), (3,), ()), example((), (2,), (2,))),
    elementwise=True,
    notation=Notation(
        latex=Form(
            r"\begin{cases} $1 & \text{if } $0 \\ $2 & \text{otherwise} \end{cases}", Binds.SUM
        )
    ),
)


def plain(x: Any) -> Any:
    """The numbers of a node, for what is not differentiated; anything else as it is."""
    require_unread(x, "a function without a derivative")
    return x.numpy() if isinstance(x, Node) else x


def where(condition: Any, x: Any, y: Any) -> Any:
    """Choose elementwise from `x` where `condition` holds, else from `y`.

    The branch that is not taken contributes nothing to a gradient, even where its own
    derivative is nan or infinite.

    Parameters
    ----------
    condition : bool, or array or Tensor of bools
        Never differentiated.
    x, y : Value, Tensor, array or number
        Broadcast against each other and against `condition`.

    Examples
    --------
    >>> from autograd import Tensor, log
    >>> x = Tensor([0.0, 2.0])
    >>> where(x > 0, log(x), 0.0).sum().backward()
    >>> x.grad
    array([0. , 0.5])
    """
    if not isinstance(x, Node) and not isinstance(y, Node):  # plain data, as in every pullback
        if type(condition) is bool:
            return x if condition else y
        if type(condition) is np.ndarray:
            return _where_array(condition, x, y)
    return _where(condition, x, y)


publish(where, _where)


def _larger(x: float, y: float) -> float:
    return x if x >= y or x != x else y  # nan if either is


def _smaller(x: float, y: float) -> float:
    return x if x <= y or x != x else y


maximum = elementwise(
    "maximum",
    _larger,
    np.maximum,
    lambda g, out, x, y: where(x < y, 0.0, where(x == y, 0.5 * g, g)),
    lambda g, out, x, y: where(y < x, 0.0, where(x == y, 0.5 * g, g)),
    label="max",
    notation=command(r"\max"),
    domain=APART,
    doc="""
    Take the larger, elementwise; nan if either is. At a tie each gets half the cotangent.

    >>> maximum(1.0, 2.0)
    2.0
    """,
)

minimum = elementwise(
    "minimum",
    _smaller,
    np.minimum,
    lambda g, out, x, y: where(x > y, 0.0, where(x == y, 0.5 * g, g)),
    lambda g, out, x, y: where(y > x, 0.0, where(x == y, 0.5 * g, g)),
    label="min",
    notation=command(r"\min"),
    domain=APART,
    doc="""
    Take the smaller, elementwise; nan if either is. At a tie each gets half the cotangent.

    >>> minimum(1.0, 2.0)
    1.0
    """,
)


def _clip_scalar(x: float, low: float, high: float) -> float:
    return _smaller(_larger(x, low), high)


_clip = Primitive(
    "clip",
    "clip",
    _clip_scalar,
    lambda x, low, high: np.clip(x, low, high),
    (lambda g, out, x, low, high: where((x > low) & (x < high), g, 0.0),),
    domain=(Interval(-3.0, 3.0, kinks=(-1.0, 2.0)),),
    examples=(example((), low=-1.0, high=2.0), example((3, 2), low=-1.0, high=2.0)),
    elementwise=True,
)


def clip(x: Any, low: Any = None, high: Any = None) -> Any:
    """Limit elementwise to the interval from `low` to `high`; None leaves a side open.

    The slope is 1 inside and 0 outside and at the bounds. Bounds that are nodes get gradients:
    the cotangent where they are in force.

    Parameters
    ----------
    x : Value, Tensor, array or number
    low, high : None, number, array, Value or Tensor

    Examples
    --------
    >>> clip(5.0, -1.0, 2.0)
    2.0
    """
    low = -np.inf if low is None else low if isinstance(low, Node) else as_data(low, "clip")
    high = np.inf if high is None else high if isinstance(high, Node) else as_data(high, "clip")
    if all(isinstance(bound, (int, float)) for bound in (low, high)):
        return _clip(x, low=float(low), high=float(high))
    x = where(x <= low, low, x)
    return where(x >= high, high, x)


publish(clip, _clip)

# --------------------------------------------------------------------------- nan


def fmax(x1: Any, x2: Any) -> Any:
    """Take the larger, elementwise, and the other one where one is nan.

    At a tie each gets half the cotangent; a nan that is ignored gets nothing.

    >>> fmax(1.0, float("nan"))
    1.0
    """
    return _of_numbers(maximum, x1, x2)


def fmin(x1: Any, x2: Any) -> Any:
    """Take the smaller, elementwise, and the other one where one is nan.

    At a tie each gets half the cotangent; a nan that is ignored gets nothing.

    >>> fmin(1.0, float("nan"))
    1.0
    """
    return _of_numbers(minimum, x1, x2)


def _of_numbers(choose: Function, x: Any, y: Any) -> Any:
    chosen = choose(x, y)
    if not np.isnan(plain(chosen)).any():
        return chosen
    x, y = (z if isinstance(z, Node) else as_data(z) for z in (x, y))
    return where(y != y, x, where(x != x, y, chosen))


def nan_to_num(
    x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None
) -> Any:
    """Replace nan by `nan` and infinities by numbers, by default the largest and smallest.

    The cotangent passes where `x` is finite; elsewhere there is none.

    >>> float(nan_to_num(float("nan"), nan=2.0))
    2.0
    """
    if not copy:
        raise DataError("nan_to_num makes a new array: nodes are not written to, leave copy=True")
    fixed = {"nan": nan, "posinf": posinf, "neginf": neginf}
    numbers = {k: None if v is None else fixed_number(v, k) for k, v in fixed.items()}
    data = plain(x) if isinstance(x, Node) else as_data(x, "nan_to_num")
    filled = np.nan_to_num(data, **numbers)  # type: ignore[call-overload]
    return where(np.isfinite(data), x, filled) if isinstance(x, Node) else filled
