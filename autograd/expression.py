"""Expressions as text, such as ``tanh(a*b + c)``: parsed here, never evaluated as Python.

An expression holds numbers, names, ``+ - * / **``, parentheses, pi, and calls of the registered
primitives that work on single numbers. Precedence and associativity are those of Python. Neither
parsing nor evaluating is recursive.
"""

from __future__ import annotations

import math
import operator
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, Literal, NamedTuple, NoReturn

from .errors import DataError, ExpressionError
from .nodes import Value
from .primitive import REGISTRY, Primitive, constant, describe
from .words import advance, closest, columns, listed, one_line

__all__ = ["Expression", "functions", "parse"]

MAX_LENGTH: Final = 100_000
"""Characters of an expression: Linux passes at most 131,072 bytes as one argument."""

MAX_BRACKETS: Final = 200
"""Brackets in brackets: where Python's own parser stops. Nobody reads so many."""

WIDTH: Final = 72
"""Columns of the text that an error shows: with its indent it fits a terminal of 80."""

MAX_NAME: Final = 40
"""Characters of a name that an error shows."""

CONSTANTS: Final = {"pi": math.pi}
"""Names with a value of their own. Euler's number is not one: e is a name that formulas use."""


# --------------------------------------------------------------------------- the result


@dataclass(frozen=True, slots=True)
class _Part:
    """A number, a name, or a function of earlier parts; and where it stands in the text."""

    content: float | str | Callable[..., Any]
    start: int
    end: int
    operands: tuple[int, ...] = ()


@dataclass(frozen=True)
class Expression:
    """A parsed expression; call it with a number for each of its names.

    Attributes
    ----------
    text : str
        What was parsed.
    names : tuple of str
        The names that need a value, in order of appearance.
    parts : tuple
        Numbers, names and operations on earlier ones, in order; the last one is the result.

    Examples
    --------
    >>> expression = parse("a*b + sin(pi/2)")
    >>> expression.names
    ('a', 'b')
    >>> expression(a=2.0, b=-3.0)
    Value(-5.0, primitive=add)
    """

    text: str
    names: tuple[str, ...] = field(repr=False)
    parts: tuple[_Part, ...] = field(repr=False, compare=False)

    def __call__(self, /, **values: Any) -> Value:
        """Compute the expression on nodes, as Python's operators would.

        Parameters
        ----------
        **values : number or Value
            One for each name. A number becomes a `Value` with the name as its label.

        Returns
        -------
        Value
            A constant where the expression has no names.

        Raises
        ------
        ExpressionError
            If a name has no value, a value has no name in the expression, or the result is not
            finite: then the message names the operation that is to blame, and its operands.
        DataError
            If a value is not one real number.

        >>> parse("log(a)")(a=-1.0)
        Traceback (most recent call last):
        autograd.errors.ExpressionError: log(-1) has no real value
          log(a)
          ^^^
        """
        leaves = self._leaves(values)
        results: list[Any] = []
        for part in self.parts:
            match part.content:
                case float() as number:
                    results.append(constant(number))
                case str() as name:
                    results.append(leaves[name])
                case function:
                    results.append(function(*(results[i] for i in part.operands)))
        result: Value = results[-1]
        if not math.isfinite(result.data):
            self._blame([node.data for node in results])
        return result

    def _leaves(self, values: dict[str, Any]) -> dict[str, Value]:
        """Return the node of each name, the constants among them."""
        for name in values:
            if name not in self.names:
                raise ExpressionError(self._superfluous(name))
        missing = [name for name in self.names if name not in values]
        if missing:
            part = next(part for part in self.parts if part.content == missing[0])
            raise _error(_missing(missing), self.text, part.start, part.end)
        leaves = {name: Value(number, label=name).detach() for name, number in CONSTANTS.items()}
        for name, value in values.items():
            leaves[name] = value if isinstance(value, Value) else Value(value, label=name)
            if not math.isfinite(leaves[name].data):
                raise ExpressionError(
                    f"{one_line(name, MAX_NAME)} must be finite, got {leaves[name].data}"
                )
        return leaves

    def _superfluous(self, name: str) -> str:
        if name in CONSTANTS:
            return f"{name} is {CONSTANTS[name]!r} in every expression: choose another name"
        names = f"its names are {_first_ten(self.names)}" if self.names else "it has no names"
        guess = closest(name, self.names)
        return f"{one_line(name, MAX_NAME)} is not in the expression: {names}{guess}"

    def _blame(self, results: Sequence[float]) -> NoReturn:
        """Raise the error about a result that is not finite, at the operation that made it so."""
        index = len(results) - 1
        while bad := [i for i in self.parts[index].operands if not math.isfinite(results[i])]:
            index = bad[0]
        part = self.parts[index]
        operands = [results[i] for i in part.operands]
        written = _written(self.text[part.start : part.end], operands)
        reason = _why_not_finite(part.content, operands, results[index])
        raise _error(f"{written} {reason}", self.text, part.start, part.end)


def _missing(names: Sequence[str]) -> str:
    first, each = one_line(names[0], MAX_NAME), "it" if len(names) == 1 else "each"
    text = f"no value for {_first_ten(names)}: give {each} a number, as {first}=1.5"
    return f"{text}, or write {first}(...), the function" if first in functions() else text


def _written(name: str, operands: Sequence[float]) -> str:
    """An operation on numbers as it would be typed."""
    numbers = [repr(number).removesuffix(".0") for number in operands]
    if name.isidentifier():
        return f"{name}({', '.join(numbers)})"
    left = f"({numbers[0]})" if numbers[0].startswith("-") else numbers[0]
    return f"{left} {name} {numbers[1]}"


def _why_not_finite(function: Any, operands: Sequence[float], result: float) -> str:
    if math.isnan(result):
        return "has no real value"
    on_floats: Any = function.scalar if isinstance(function, Primitive) else function
    try:
        on_floats(*operands)
    except (ZeroDivisionError, ValueError):
        return "is infinite"
    except OverflowError:
        pass
    return "is too large for a float"


# --------------------------------------------------------------------------- the parser


class _Operator(NamedTuple):
    """A sign between operands, or before one."""

    function: Callable[..., Any]
    operands: int
    left: int
    """How strongly it binds the operand on its left."""
    right: int
    """And the one on its right: the stronger of two operators takes an operand between them."""


# As in Python: -2**2 is -(2**2), 2**-1 is 2**(-1), 2**3**2 is 2**(3**2), a - b - c is (a - b) - c.
INFIX: Final = {
    "+": _Operator(operator.add, 2, 1, 1),
    "-": _Operator(operator.sub, 2, 1, 1),
    "*": _Operator(operator.mul, 2, 2, 2),
    "/": _Operator(operator.truediv, 2, 2, 2),
    "**": _Operator(operator.pow, 2, 5, 4),
}
PREFIX: Final = {"+": _Operator(operator.pos, 1, 0, 3), "-": _Operator(operator.neg, 1, 0, 3)}


def parse(text: str) -> Expression:
    """Parse an expression.

    Parameters
    ----------
    text : str
        Numbers as Python writes them, names, ``+ - * / **``, parentheses, and calls of
        `functions`. At most 100,000 characters, and 200 brackets in brackets.

    Raises
    ------
    ExpressionError
        For anything else, with carets under the place.
    DataError
        If `text` is not text.

    Examples
    --------
    >>> parse("tanh(a*b + c)").names
    ('a', 'b', 'c')
    >>> parse("a^2")
    Traceback (most recent call last):
    autograd.errors.ExpressionError: '^' is not understood: a power is written **, as in a**2
      a^2
       ^
    """
    if not isinstance(text, str):
        raise DataError(f"an expression is text, got {describe(text)}")
    if len(text) > MAX_LENGTH:
        raise ExpressionError(
            f"an expression has at most {MAX_LENGTH:,} characters, got {len(text):,}: "
            "write long formulas in Python, with Value"
        )
    parts = tuple(_Parser(text).parse())
    names = (part.content for part in parts if isinstance(part.content, str))
    return Expression(text, tuple(dict.fromkeys(n for n in names if n not in CONSTANTS)), parts)


class _Pending(NamedTuple):
    """An operator whose operands are not complete, or an open bracket."""

    token: _Token
    function: Callable[..., Any] | None  # None for a bracket of no function
    operands: int  # of an operator; for a bracket how many complete ones stand before it
    right: int  # as of an operator; a bracket lets go of nothing


_Reader = Callable[["_Token"], Any]  # gives the reader of the next token

BRACKET: Final = -1  # binds weaker than any operator


class _Parser:
    """Operator precedence parsing with two stacks (Dijkstra 1961, "Algol 60 translation")."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.parts: list[_Part] = []
        self.complete: list[int] = []  # operands that no operator has taken yet: indices of parts
        self.pending: list[_Pending] = []
        self.brackets = 0

    def parse(self) -> list[_Part]:
        if not self.text.strip():
            raise ExpressionError("the expression is empty: give one, such as (a + b)*c")
        read: _Reader = self.operand
        for token in _tokens(self.text):
            read = read(token)
        if read == self.operand:
            end = len(self.text)
            self.fail(f"{OPERAND} is missing at the end", _Token("end", "", end, end))
        self.reduce()
        if self.pending:
            place = self.text.index("(", self.pending[-1].token.start)
            raise _error("this bracket is not closed: add )", self.text, place, place + 1)
        return self.parts

    # These two read a token and return which of them reads the next one.

    def operand(self, token: _Token) -> _Reader:
        """Read where an operand is due."""
        match token.kind, token.text:
            case "number", text:
                self.add(self.number(text, token), token)
                return self.operator
            case "name", name:
                self.add(name, token)
                return self.operator
            case "call", name:
                self.open(token, self.function(name, token))
            case _, "(":
                self.open(token, None)
            case _, sign if sign in PREFIX:
                function, operands, _, right = PREFIX[sign]
                self.pending.append(_Pending(token, function, operands, right))
            case _, sign:
                self.fail(f"{OPERAND} is missing before {sign}", token)
        return self.operand

    def operator(self, token: _Token) -> _Reader:
        """Read where an operator or the end of an operand is due."""
        if token.kind != "sign" or token.text == "(":
            self.fail(f"an operator is missing before {token}{PRODUCT}", token)
        if token.text == ")":
            self.close(token)
            return self.operator
        if token.text == ",":
            self.reduce()
            if not self.pending or self.pending[-1].function is None:
                self.fail("a comma stands between the operands of a function only", token)
            return self.operand
        function, operands, left, right = INFIX[token.text]
        self.reduce(left)
        self.pending.append(_Pending(token, function, operands, right))
        return self.operand

    def reduce(self, left: int = 0) -> None:
        """Let the operators take their operands that bind them as strongly as what comes next."""
        while self.pending and self.pending[-1].right >= left:
            token, function, count, _ = self.pending.pop()
            assert function is not None
            self.add(function, token, count)

    def add(self, content: Any, token: _Token, operands: int = 0) -> None:
        first = len(self.complete) - operands
        taken = tuple(self.complete[first:])
        self.complete[first:] = [len(self.parts)]
        self.parts.append(_Part(content, token.start, token.end, taken))

    def open(self, token: _Token, function: Primitive | None) -> None:
        self.brackets += 1
        if self.brackets > MAX_BRACKETS:
            self.fail(f"more than {MAX_BRACKETS} brackets in brackets: take some away", token)
        self.pending.append(_Pending(token, function, len(self.complete), BRACKET))

    def close(self, token: _Token) -> None:
        self.reduce()
        if not self.pending:
            self.fail("no bracket is open here: take ) away", token)
        self.brackets -= 1
        opening, function, before, _ = self.pending.pop()
        if isinstance(function, Primitive):
            given, expected = len(self.complete) - before, len(function.domain)
            if given != expected:
                numbers = "number" if expected == 1 else "numbers"
                self.fail(f"{opening} takes {expected} {numbers}, got {given}", opening)
            self.add(function, opening, given)

    def number(self, text: str, token: _Token) -> float:
        try:
            number = float(text)
        except ValueError:
            self.fail(f"{token} is not a number as Python writes them", token)
        if number == math.inf:
            self.fail(f"{token} is too large for a float", token)
        if number and re.fullmatch("0[0-9_]+", text):
            self.fail(f"a whole number does not begin with 0: write {text.lstrip('0_')}", token)
        return number

    def function(self, name: str, token: _Token) -> Primitive:
        primitive = REGISTRY.get(name)
        if primitive is not None and _takes_numbers(primitive):
            return primitive
        labels = {REGISTRY[known].label.lower(): known for known in functions()}
        meant = labels.get(name.lower())  # max is the label of maximum
        guess = f"; did you mean {meant}?" if meant else ""
        if primitive is not None:
            self.fail(f"{token} takes more than single numbers, such as arrays{guess}", token)
        guess = guess or closest(name, functions()) or PRODUCT
        self.fail(f"{token} is not in the list of functions{guess}", token)

    def fail(self, reason: str, token: _Token) -> NoReturn:
        raise _error(reason, self.text, token.start, token.end)


def functions() -> dict[str, int]:
    """Name the functions that an expression may call, and how many numbers each takes.

    These are the registered primitives that compute numbers elementwise, and need no parameter.

    >>> functions()["tanh"], functions()["hypot"], "sum" in functions()
    (1, 2, False)
    """
    return {name: len(p.domain) for name, p in sorted(REGISTRY.items()) if _takes_numbers(p)}


def _takes_numbers(primitive: Primitive) -> bool:
    has_params = any(example.params for example in primitive.examples)
    return primitive.elementwise and primitive.scalar is not None and not has_params


# --------------------------------------------------------------------------- tokens


class _Token(NamedTuple):
    """A word of the text; a "call" is a name together with the bracket after it."""

    kind: Literal["number", "name", "call", "sign", "end"]
    text: str
    start: int
    end: int

    def __str__(self) -> str:
        return one_line(self.text, MAX_NAME)


TOKEN: Final = re.compile(
    r"\s+"
    r"|(?P<number>(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9][0-9_]*)?)"
    r"|(?P<sign>\*\*|[-+*/(),])"
)
OPENING: Final = re.compile(r"\s*\(")

OPERAND: Final = "a number, a name, a function or a bracket"
PRODUCT: Final = "; a product is written *"
UNDERSTOOD: Final = "an expression holds numbers, names, + - * / **, brackets ( ) and functions"
INSTEAD: Final = {
    "^": "a power is written **, as in a**2",
    "²": "a power is written **, as in a**2",
    "³": "a power is written **, as in a**3",
    "×": "a product is written *",
    "·": "a product is written *",
    "÷": "a quotient is written /",
    "−": "minus is written -",
    "\N{EN DASH}": "minus is written -",
    "<": "a comparison is a function, as less(a, b)",
    ">": "a comparison is a function, as greater(a, b)",
    "[": "brackets are written ( )",
    "{": "brackets are written ( )",
    "=": "give the expression alone; numbers for its names stand apart, as a=2",
    ".": "a function's name stands alone, as in f(x), and a point has digits around it",
}
"""What to write for a character that is not understood."""


def _tokens(text: str) -> Iterator[_Token]:
    place = 0
    while place < len(text):
        if match := TOKEN.match(text, place):
            end = match.end()
            if match.lastgroup is not None:
                yield _Token(match.lastgroup, match[0], place, end)  # type: ignore[arg-type]
        else:
            end = _end_of_name(text, place)
            # As in Python, letters that look alike to Unicode's compatibility are the same.
            name = unicodedata.normalize("NFKC", text[place:end])
            opening = OPENING.match(text, end)
            yield _Token("call" if opening else "name", name, place, end)
            end = opening.end() if opening else end
        place = end


def _end_of_name(text: str, start: int) -> int:
    if not text[start].isidentifier():
        instead = INSTEAD.get(text[start], UNDERSTOOD)
        raise _error(f"{text[start]!r} is not understood: {instead}", text, start, start + 1)
    others = (i for i in range(start, len(text)) if not f"_{text[i]}".isidentifier())
    return next(others, len(text))


# --------------------------------------------------------------------------- messages


def _error(reason: str, text: str, start: int, end: int) -> ExpressionError:
    """Make the error that shows the place, or as much of the text around it as fits."""
    room = WIDTH if columns(text) <= WIDTH else WIDTH // 2
    before = _fitting(reversed(text[:start]), room)
    after = _fitting(text[start:], room)
    left, right = start - before, start + after
    head = ("..." if left else "") + _visible(text[left:start])
    tail = _visible(text[start:right]) + ("..." if right < len(text) else "")
    carets = "^" * max(1, columns(text[start : min(end, right)]))
    return ExpressionError(f"{reason}\n  {head}{tail}\n  {' ' * columns(head)}{carets}")


def _fitting(characters: Iterable[str], room: int) -> int:
    """Count the first characters that fit into so many columns."""
    count = 0
    for character in islice(characters, 2 * room):  # marks on a letter take no column
        room -= advance(character)
        if room < 0:
            break
        count += 1
    return count


def _visible(text: str) -> str:
    """Put a blank for each white space, and a mark for what would not show or turn the line."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in text)


def _first_ten(names: Sequence[str]) -> str:
    """At most ten names, as text."""
    shown = [one_line(name, MAX_NAME) for name in names[:10]]
    shown += [f"{len(names) - 10:,} more"] if len(names) > 10 else []
    return listed(shown)
