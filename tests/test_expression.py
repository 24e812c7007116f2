"""Expressions as text: Python's grammar by Python's own parser, and errors that show the place."""

from __future__ import annotations

import ast
import math
import operator
import re
import unicodedata
import warnings
from collections.abc import Callable
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from strategies import EVERY

from autograd import AutogradError, DataError, Node, Primitive, Value, gradients, topological_order
from autograd.errors import ExpressionError
from autograd.expression import (
    CONSTANTS,
    INSTEAD,
    MAX_BRACKETS,
    MAX_LENGTH,
    WIDTH,
    Expression,
    functions,
    parse,
)
from autograd.primitive import REGISTRY

INFIX = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}
SIGNS = {ast.UAdd: "+", ast.USub: "-"}
OPERATIONS: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
}
CALLS = {"sin": 1, "exp": 1, "hypot": 2}  # what the random expressions call

# --------------------------------------------------------------------------- Python as the oracle


def by_python(text: str) -> Any:
    """The structure of an expression as Python's parser sees it; None if it is none of ours."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # of 2(a)
            tree = ast.parse(text.strip(), mode="eval")
    except SyntaxError:
        return None
    return structure(tree.body)


def structure(tree: ast.expr) -> Any:
    match tree:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name):
            return name
        case ast.UnaryOp(op=sign, operand=operand) if type(sign) in SIGNS:
            return joined(SIGNS[type(sign)], [operand])
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in INFIX:
            return joined(INFIX[type(sign)], [left, right])
        case ast.Call(func=ast.Name(id=name), args=operands, keywords=[]):
            return joined(name, operands) if CALLS.get(name) == len(operands) else None
    return None


def joined(name: str, operands: list[ast.expr]) -> Any:
    structures = [structure(operand) for operand in operands]
    return None if None in structures else (name, *structures)


def by_us(text: str) -> Any:
    """The structure of an expression as our parser sees it; None if it refuses."""
    try:
        expression = parse(text)
    except ExpressionError:
        return None
    built: list[Any] = []
    for part in expression.parts:
        name = text[part.start : part.end]
        operands = [built[i] for i in part.operands]
        built.append((name, *operands) if callable(part.content) else part.content)
    return built[-1]


# Words in any order, mostly no expression; and expressions. Blanks may part the words or not.
NUMBERS = ["0", "1", "2.5", ".5", "3.", "1e3", "2E-2", "1_000", "0.1_5e1_0", "0_0"]
BAD_NUMBERS = ["007", "1__0", "1_", "0_7", "1e", "5_.5", "00.5"]
WORDS = [*NUMBERS, *BAD_NUMBERS, *INFIX.values(), "(", ")", ",", "a", "c", *CALLS, "sin(", "//"]
BLANKS = st.sampled_from(["", "", " ", "  ", "\t"])


def spaced(words: list[str], blanks: list[str]) -> str:
    return "".join(f"{word}{blank}" for word, blank in zip(words, blanks, strict=True))


anything = st.lists(st.sampled_from(WORDS), max_size=9).flatmap(
    lambda words: st.lists(BLANKS, min_size=len(words), max_size=len(words)).map(
        lambda blanks: spaced(words, blanks)
    )
)
atoms = st.sampled_from([*NUMBERS, "a", "c", "αβ", "x_1"])


def grown(smaller: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Larger expressions, with brackets here and there, so that precedence decides the rest."""
    infix = st.tuples(smaller, BLANKS, st.sampled_from([*INFIX.values()]), BLANKS, smaller)
    return st.one_of(
        infix.map("".join),
        infix.map("".join),
        st.tuples(st.sampled_from("+-"), BLANKS, smaller).map("".join),
        smaller.map(lambda text: f"({text})"),
        smaller.map(lambda text: f"sin({text})"),
        st.tuples(smaller, smaller).map(lambda pair: f"hypot( {pair[0]},{pair[1]} )"),
    )


expressions = st.recursive(atoms, grown, max_leaves=8)


@given(expressions)
@example("-2**2")
@example("2**3**2")
@example("2**-1")
@example("2**-a**2*c")
@example("a - c - 1")
@example("a/c*2")
@example("a*c/2")
@example("a + c - 1")
@example("- -a**- +c")
def test_precedence_and_associativity_are_those_of_python(text: str) -> None:
    expected = by_python(text)
    assert expected is not None
    assert by_us(text) == expected


@given(anything)
@example("sin (a)")
@example("a c")
@example("2(a)")
@example("hypot(a)")
@example("hypot((a,c))")
@example("sin(a)(c)")
def test_what_python_refuses_is_refused(text: str) -> None:
    assume(not re.search(r",\s*\)", text))  # a comma at the end of a call, which we do not take
    assert by_us(text) == by_python(text)


SAFE = {"a": 1.5, "c": -0.75, "αβ": 3.0, "x_1": 0.2}
MATH = {name: getattr(math, name) for name in CALLS}


def computed(tree: Any, names: Any, calls: Any, number: Callable[[float], Any]) -> Any:
    """What Python's operators make of a structure, on floats or on nodes."""
    match tree:
        case float():
            return number(tree)
        case str():
            return names[tree]
        case name, *operands:
            of = [computed(operand, names, calls, number) for operand in operands]
            if name in OPERATIONS and len(of) == 1:
                return -of[0] if name == "-" else +of[0]
            return (OPERATIONS[name] if name in OPERATIONS else calls[name])(*of)
    raise AssertionError(tree)


def values_of(expression: Expression) -> dict[str, float]:
    return {name: SAFE[name] for name in expression.names}


@given(expressions)
@example("(1 - 3)**0.5*0")
def test_values_are_those_of_pythons_floats(text: str) -> None:
    try:
        expected = computed(by_python(text), SAFE, MATH, float)
    except (ArithmeticError, ValueError, TypeError):  # a function of a complex number
        assume(False)
    expression = parse(text)
    if isinstance(expected, float) and math.isfinite(expected):
        assert expression(**values_of(expression)).data == expected
    else:
        with pytest.raises(ExpressionError):
            expression(**values_of(expression))


def listing(output: Node) -> list[tuple[Any, ...]]:
    """A graph as text: of each node what made it from which, its label and its number."""
    order = topological_order(output)
    index = {node: i for i, node in enumerate(order)}
    return [
        (n.primitive, tuple(index[i] for i in n.inputs), n.label, n.is_constant, n.data)
        for n in order
    ]


@given(expressions)
def test_the_graph_is_the_one_that_pythons_operators_record(text: str) -> None:
    expression = parse(text)
    leaves = {name: Value(number, label=name) for name, number in SAFE.items()}
    expected = computed(by_python(text), leaves, REGISTRY, lambda x: Value(x).detach())
    assume(math.isfinite(expected.data))
    assert listing(expression(**values_of(expression))) == listing(expected)


# --------------------------------------------------------------------------- names and values


def test_names_come_in_order_of_appearance_and_without_constants() -> None:
    assert parse("c*pi + b*c - sin(a)").names == ("c", "b", "a")
    assert parse("1 + pi").names == ()


def test_a_name_is_one_leaf_however_often_it_stands() -> None:
    output = parse("a*a + a")(a=3.0)
    (leaf,) = (node for node in topological_order(output) if node.is_leaf)
    assert (leaf.label, leaf.data) == ("a", 3.0)
    assert gradients(output, leaf) == 7.0


def test_a_node_given_for_a_name_is_used_as_it_is() -> None:
    x = Value(2.0, label="weight")
    y = parse("a**2 * b")(a=x, b=3)
    assert gradients(y, x) == 12.0
    assert {node.label for node in topological_order(y)} >= {"weight", "b"}


def test_a_name_may_be_one_of_a_function_of_self_or_of_a_keyword() -> None:
    expression = parse("sin*sin(self) + lambda + e")
    assert expression.names == ("sin", "self", "lambda", "e")
    result = expression(**{"sin": 2.0, "self": 0.5, "lambda": 1.0, "e": 0.25})
    assert result.data == 2.0 * math.sin(0.5) + 1.25


def test_pi_is_a_labelled_constant() -> None:
    output = parse("a*pi")(a=1.0)
    assert output.data == math.pi
    assert [(node.label, node.is_constant) for node in output.inputs] == [
        ("a", False),
        ("pi", True),
    ]


def test_names_are_normalised_as_python_does() -> None:
    (name,) = parse("e\N{COMBINING ACUTE ACCENT} + \N{LATIN SMALL LETTER E WITH ACUTE}").names
    assert name == "\N{LATIN SMALL LETTER E WITH ACUTE}"


def test_an_expression_cannot_be_changed() -> None:
    expression = parse("a + 1")
    with pytest.raises(AttributeError):
        expression.text = "a"  # type: ignore[misc]
    assert expression == parse("a + 1")
    assert isinstance(expression.parts, tuple)
    assert repr(expression) == "Expression(text='a + 1')"


@pytest.mark.parametrize(
    ("text", "values", "words"),
    [
        ("a*b + c", {"b": 1.0}, ["no value for a and c", "give each a number", "a=1.5"]),
        ("a*b + c", {}, ["no value for a, b and c"]),
        ("sin + a", {"a": 1.0}, ["no value for sin", "sin(...), the function"]),
        ("alpha", {"alpah": 1.0}, ["alpah is not in", "names are alpha", "did you mean alpha?"]),
        ("2*3", {"a": 1.0}, ["a is not in", "no names"]),
        ("2*pi*a", {"a": 1.0, "pi": 3.0}, ["pi is 3.14159", "another name"]),
        ("a", {"a": math.nan}, ["a must be finite, got nan"]),
        ("a", {"a": -math.inf}, ["a must be finite, got -inf"]),
        ("+".join(f"x{i}" for i in range(500)), {}, ["x9 and 490 more"]),
        ("x" * 5000, {}, ["x" * 39 + "…:"]),
    ],
)
def test_values_that_do_not_fit_the_names(
    text: str, values: dict[str, float], words: list[str]
) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)(**values)
    assert [word for word in words if word not in str(caught.value)] == []
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("value", ["1", None, 1j, [1.0], 10**400])
def test_a_value_is_one_real_number(value: Any) -> None:
    with pytest.raises(DataError):
        parse("a")(a=value)


@pytest.mark.parametrize("text", [None, 3, b"a", ["a"]])
def test_an_expression_is_text(text: Any) -> None:
    with pytest.raises(DataError, match="an expression is text"):
        parse(text)


# --------------------------------------------------------------------------- functions


def middle(primitive: Primitive, index: int) -> float:
    """A number at which a primitive is defined: a third of the way, away from kinks at 0."""
    domain = primitive.domain_of(index)
    return domain.low + (domain.high - domain.low) / 3


@pytest.mark.parametrize("name", functions())
def test_every_function_computes_what_its_primitive_does(name: str) -> None:
    primitive, count = REGISTRY[name], functions()[name]
    numbers = [middle(primitive, i) for i in range(count)]
    names = [f"x{i}" for i in range(count)]
    values = dict(zip(names, numbers, strict=True))
    output = parse(f"{name}({', '.join(names)})")(**values)
    assert output.data == primitive.on_floats(*numbers)
    assert output.primitive is primitive
    assert [node.label for node in output.inputs] == names


@pytest.mark.parametrize("name", functions())
@pytest.mark.parametrize("off", [-1, 1])
def test_a_wrong_number_of_operands_is_counted(name: str, off: int) -> None:
    count = functions()[name]
    operands = ", ".join(["a"] * (count + off))
    with pytest.raises(ExpressionError) as caught:
        parse(f"2 + {name}({operands})")
    if count + off:
        plural = "number" if count == 1 else "numbers"
        assert f"{name} takes {count} {plural}, got {count + off}" in str(caught.value)
        assert marked(caught.value) == name
    else:
        assert "is missing before )" in str(caught.value)


OTHERS = [p for p in EVERY if p.name not in functions()]


def test_functions_are_all_primitives_of_single_numbers_without_parameters() -> None:
    for primitive in OTHERS:
        has_params = any(example.params for example in primitive.examples)
        assert primitive.scalar is None or not primitive.elementwise or has_params


@pytest.mark.parametrize("primitive", OTHERS, ids=lambda primitive: primitive.name)
def test_a_primitive_of_arrays_is_refused_by_name(primitive: Primitive) -> None:
    with pytest.raises(ExpressionError, match="takes more than single numbers") as caught:
        parse(f"1 - {primitive.name}(a)")
    assert marked(caught.value) == primitive.name


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("sinn", "sin"), ("arctan", "atan"), ("Tanh", "tanh"), ("sqr", "sqrt"), ("logg", "log")],
)
def test_a_close_name_is_suggested(wrong: str, right: str) -> None:
    with pytest.raises(ExpressionError, match=rf"did you mean {right}\?"):
        parse(f"{wrong}(a)")


def test_a_label_is_understood_as_a_suggestion() -> None:
    for name in functions():
        label = REGISTRY[name].label
        if label.isidentifier() and label not in functions():
            with pytest.raises(ExpressionError, match=r"did you mean \w+\?") as caught:
                parse(f"{label}(a)")
            suggested = re.findall(r"mean (\w+)", str(caught.value))[0]
            assert REGISTRY[suggested].label.lower() == label.lower()


# --------------------------------------------------------------------------- errors show the place


def columns(text: str) -> list[int]:
    """At which column each character of a line starts, and where the line ends."""
    widths = [
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "FW" else 1
        for c in text
    ]
    return [0, *accumulate(widths)]


def marked(error: ExpressionError) -> str:
    """What the carets of a message stand under; "" at the end of the line."""
    _, line, carets = str(error).split("\n")
    assert re.fullmatch(r" +\^+", carets)
    first, last = carets.index("^"), len(carets)
    starts = columns(line)
    assert first in starts
    return "".join(c for c, start in zip(line, starts, strict=False) if first <= start < last)


# The text, what is marked (before it stands what is between < and >), words of the reason.
REFUSED = [
    ("a + <>", ["missing at the end"]),
    ("a + b <)>", ["no bracket is open"]),
    ("<(>a + (b)", ["not closed"]),
    ("2 * sin<(>a", ["not closed"]),
    ("2 * sin <(>a*(b)", ["not closed"]),
    ("a<,> b", ["comma", "function"]),
    ("hypot((a<,> b), c)", ["comma", "function"]),
    ("hypot(a, <)>", ["missing before )"]),
    ("hypot(<,> a)", ["missing before ,"]),
    ("(<)>", ["missing before )"]),
    ("a * <*> b", ["missing before *"]),
    ("a ** <*> b", ["missing before *"]),
    ("a /<)>", ["missing before )"]),
    ("2<a>", ["operator is missing before a", "product"]),
    ("a <2>", ["operator is missing before 2"]),
    ("(a) <(>b)", ["operator is missing before ("]),
    ("a <if> b", ["operator is missing before if"]),
    ("0<x1F>", ["operator is missing before x1F"]),
    ("3 * <a>(b)", ["a is not in the list of functions", "product"]),
    ("<__import__>('os')", ["not in the list"]),
    ("a<^>2", ["'^'", "**"]),
    ("a <$> b", ["'$' is not understood", "an expression holds"]),
    ("y <=> a", ["'='", "alone"]),
    ("math<.>sin(a)", ["'.'", "alone"]),
    ("a <\N{MULTIPLICATION SIGN}> b", ["product is written *"]),
    ("a<\N{SUPERSCRIPT TWO}>", ["**"]),
    ("a<[>0]", ["brackets are written ( )"]),
    ("a + <1e999>", ["1e999 is too large for a float"]),
    ("a + <1__0>", ["not a number as Python"]),
    ("<007>*a", ["write 7"]),
    ("\N{CJK UNIFIED IDEOGRAPH-6F22}\N{CJK UNIFIED IDEOGRAPH-5B57} <$> a", ["'$'"]),
    ("a\t\t<$>", ["'$'"]),
    ("a +\n <$>", ["'$'"]),
    ("e\N{COMBINING ACUTE ACCENT}e\N{COMBINING ACUTE ACCENT} <$>", ["'$'"]),
    ("a <\N{FULLWIDTH DIGIT TWO}>", ["'\N{FULLWIDTH DIGIT TWO}' is not understood"]),
    ("a" * 500 + " <$> " + "b" * 500, ["'$'"]),
    ("a" * 500 + " + <)>", ["missing before )"]),
    ("\N{CJK UNIFIED IDEOGRAPH-6F22}" * 500 + " <$> " + "b" * 500, ["'$'"]),
    ("(" * MAX_BRACKETS + "<(>" + "a" + ")" * (MAX_BRACKETS + 1), ["200 brackets"]),
]


@pytest.mark.parametrize(("text", "words"), REFUSED, ids=[text[:40] for text, _ in REFUSED])
def test_an_error_says_why_and_marks_the_place(text: str, words: list[str]) -> None:
    place = re.fullmatch(r"([^<>]*)<(.*?)>(.*)", text, re.DOTALL)
    assert place is not None
    with pytest.raises(ExpressionError) as caught:
        parse("".join(place.groups()))
    assert [word for word in words if word not in str(caught.value)] == []
    assert marked(caught.value) == place[2]
    assert all(columns(line)[-1] <= WIDTH + 8 for line in str(caught.value).split("\n")[1:])


@pytest.mark.parametrize("character", INSTEAD)
def test_what_to_write_instead_is_said(character: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(f"2 {character} a" if character != "." else "a.b")
    assert INSTEAD[character] in str(caught.value)


@pytest.mark.parametrize("character", ["\u202e", "\u200b", "\x07", "\x1b", "\udcff", "\u2066"])
def test_what_turns_or_hides_a_line_is_shown_as_a_mark(character: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(f"a + {character} b")
    assert character not in str(caught.value)
    assert marked(caught.value) == "\N{REPLACEMENT CHARACTER}"


characters = st.sampled_from("ab1+ \t\N{CJK UNIFIED IDEOGRAPH-6F22}\N{COMBINING ACUTE ACCENT}")


@given(st.text(characters, max_size=120), st.text(characters, max_size=120))
def test_carets_stand_under_the_place_in_any_text(before: str, after: str) -> None:
    text = f"{before}+1 $ {after}"
    try:
        parse(before + "+1")
    except ExpressionError:
        assume(False)
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert marked(caught.value) == "$"


@given(st.text(max_size=40) | anything)
@example("\ud800")
@example("\x00")
def test_any_text_is_an_expression_or_an_error_for_people(text: str) -> None:
    try:
        parsed = parse(text)
    except ExpressionError as error:
        lines = str(error).split("\n")
        assert len(lines) in (1, 3)
        assert all(line.isprintable() for line in lines)
    else:
        assert parsed.parts


@given(expressions)
def test_any_expression_gives_a_finite_number_or_an_error(text: str) -> None:
    expression = parse(text)
    try:
        result = expression(**values_of(expression))
    except ExpressionError as error:
        message = error
    else:
        assert math.isfinite(result.data)
        return
    assert re.search("too large for a float|infinite|no real value", str(message))
    assert marked(message)


# --------------------------------------------------------------------------- not finite


@pytest.mark.parametrize(
    ("text", "values", "reason", "place"),
    [
        ("9**9**9", {}, "9 ** 387420489 is too large for a float", 1),
        ("a + 9**9**9", {"a": 1.0}, "9 ** 387420489 is too large for a float", 5),
        ("a*a", {"a": 1e200}, "1e+200 * 1e+200 is too large for a float", 1),
        ("1e308 + a", {"a": 1e308}, "1e+308 + 1e+308 is too large for a float", 6),
        ("exp(a)", {"a": 1000.0}, "exp(1000) is too large for a float", 0),
        ("1/0", {}, "1 / 0 is infinite", 1),
        ("2 + 1/(a - a)", {"a": 3.0}, "1 / 0 is infinite", 5),
        ("log(-1)", {}, "log(-1) has no real value", 0),
        ("2*log(a)", {"a": 0.0}, "log(0) is infinite", 2),
        ("a**0.5", {"a": -8.0}, "(-8) ** 0.5 has no real value", 1),
        ("0**-1", {}, "0 ** -1 is infinite", 1),
        ("sin(1/0)", {}, "1 / 0 is infinite", 5),
        ("1/0 - 1/0", {}, "1 / 0 is infinite", 1),
        ("where(0, log(-1), 2) / 0", {}, "2 / 0 is infinite", 21),
        ("0 * hypot(a, a)", {"a": 1.5e308}, "hypot(1.5e+308, 1.5e+308) is too large", 4),
    ],
)
def test_a_result_that_is_not_finite_names_the_operation(
    text: str, values: dict[str, float], reason: str, place: int
) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)(**values)
    first, line, carets = str(caught.value).split("\n")
    assert reason in first
    assert line == f"  {text}"
    assert carets.index("^") == place + 2


def test_a_number_on_the_way_may_be_infinite_as_ieee_has_it() -> None:
    assert parse("1/(1/0)")().data == 0.0
    assert parse("where(0, log(-1), 2)")().data == 2.0


# --------------------------------------------------------------------------- absurd sizes

LONG = MAX_LENGTH - MAX_LENGTH % 2


@pytest.mark.parametrize(
    "text",
    [
        "(" * 10_000 + "a" + ")" * 10_000,
        "sin(" * 10_000 + "a" + ")" * 10_000,
        "(" * MAX_LENGTH,
        ")" * MAX_LENGTH,
        "9" * 10_000,
        "9" * MAX_LENGTH,
        "1e" + "9" * 10_000,
        "+".join(["a"] * 100_000),
        "a" * 1_000_000,
        "(" * 1_000_000,
        "a," * (LONG // 2),
        " " * MAX_LENGTH,
        "9**" * (LONG // 3) + "9",
        "$" * MAX_LENGTH,
        "\N{COMBINING ACUTE ACCENT}" * MAX_LENGTH,
        "a" + "\N{COMBINING ACUTE ACCENT}" * (MAX_LENGTH - 2) + "$",
        "sinh" * (LONG // 5) + "(a)",
    ],
    ids=lambda text: f"{text[:9]}...{len(text)}",
)
def test_an_absurd_text_is_refused(text: str) -> None:
    with pytest.raises(AutogradError) as caught:
        parse(text)()
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("+".join(["a"] * 49_000), 49_000.0),
        ("-" * (LONG - 2) + "a", 1.0),
        ("a" + "**a" * 30_000, 1.0),
        ("0" * 10_000 + "*a", 0.0),
        ("(" * MAX_BRACKETS + "a" + ")" * MAX_BRACKETS, 1.0),
        ("*".join(["(a)"] * (MAX_BRACKETS + 1)), 1.0),
        ("a" + " " * (LONG - 1), 1.0),
        ("0." + "0" * 10_000 + "1*a", 0.0),
    ],
    ids=lambda text: f"{str(text)[:9]}...",
)
def test_a_long_text_within_the_limits_is_computed(text: str, value: float) -> None:
    output = parse(text)(a=1.0)
    assert output.data == value
    output.backward()  # as the command line does


def test_constants_are_no_functions() -> None:
    assert CONSTANTS.keys() & functions().keys() == set()
