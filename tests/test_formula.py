"""Formulas: text that evaluates to what it describes, LaTeX that can be set, names, limits."""

from __future__ import annotations

import keyword
import math
import re
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import EVERY, Call, _is_gate

import autograd
import nn
from autograd import (
    DataError,
    Example,
    GradientError,
    Node,
    Primitive,
    RenderError,
    StaleGraphError,
    Tensor,
    Value,
    gradients,
    topological_order,
)
from autograd.formula import LARGEST, Formula, formula
from autograd.naming import LONGEST_NAME, Names
from autograd.ops import elementary
from autograd.primitive import REGISTRY

FUNCTIONS: dict[str, Any] = {
    **REGISTRY,
    **{n: getattr(m, n) for m in (nn, autograd) for n in REGISTRY if hasattr(m, n)},
    **{"array": np.array, "full": np.full, "inf": math.inf, "nan": math.nan},
    **{name: REGISTRY[name] for name in ("eigh", "qr", "svd")},  # which give a tuple to the user
    **{"slice": slice, "floor_divide": np.floor_divide, "quotient": elementary._quotient},
}


def evaluate(f: Formula, names: dict[str, Any]) -> Any:
    """What Python makes of the text: its definitions first, then the expression."""
    known = {**FUNCTIONS, **names}
    for name, text in f.definitions.items():
        known[name] = eval(text, {"__builtins__": {}}, known)
    return eval(f.expression, {"__builtins__": {}}, known)


def data_of(x: Any) -> Any:
    return x.numpy() if isinstance(x, Node) else x


def lines_of(f: Formula) -> list[str]:
    """The LaTeX of a formula without the frame around several lines."""
    body = re.sub(r"\\begin\{aligned\}\n|\n\\end\{aligned\}", "", f.latex)
    return [line.removeprefix("& ") for line in body.split(" \\\\\n")]


def assert_is_latex(f: Formula) -> None:
    """Braces, brackets that grow and environments pair up; nothing ends the math mode."""
    for line in lines_of(f):
        without = re.sub(r"\\[{}]", "", line)
        depth = np.cumsum([(c == "{") - (c == "}") for c in without] or [0])
        assert depth.min() >= 0
        assert depth[-1] == 0, line
        assert line.count(r"\left") == line.count(r"\right")
        assert line.count(r"\begin") == line.count(r"\end")
        assert not re.search(r"(?<!\\)[$%#]|\n", line)
        assert not re.search(r"\^\{[^{}]*\}\^|_\{[^{}]*\}_", line), "a double superscript"


def set_in_type(f: Formula) -> None:
    """Let matplotlib set it; raises on what is no LaTeX. Of environments it knows none."""
    mathtext = pytest.importorskip("matplotlib.mathtext")
    for line in lines_of(f):
        if r"\begin" not in line:
            mathtext.MathTextParser("path").parse(f"${line}$")


# --------------------------------------------------------------------------- as a person expects


def leaves(**numbers: float) -> list[Value]:
    return [Value(number, label=name) for name, number in numbers.items()]


a, b, c, x, y = leaves(a=2.0, b=-3.0, c=10.0, x=0.7, y=1.3)
w = Tensor([0.5, -1.0, 2.0], label="w")
X = Tensor(np.arange(6.0).reshape(2, 3), label="X")
t = Tensor([1.0, -1.0], label="y")

EXPRESSIONS: list[tuple[Node, str, str]] = [
    ((a * b + c).tanh(), "tanh(a*b + c)", r"\tanh(a\,b + c)"),
    (a - (b - c), "a - (b - c)", "a - (b - c)"),
    (a - b - c, "a - b - c", "a - b - c"),
    ((a + b) * c, "(a + b)*c", r"(a + b)\,c"),
    (c * (a + b), "c*(a + b)", r"c \cdot (a + b)"),
    (a + (b + c), "a + (b + c)", "a + b + c"),
    (a * (b * c), "a*(b*c)", r"a\,b\,c"),
    (-(x**2), "-x**2", "-x^{2}"),
    ((-x) ** 2, "(-x)**2", "(-x)^{2}"),
    (x**-2, "x**-2", "x^{-2}"),
    (x ** (y**a), "x**y**a", "x^{y^{a}}"),
    ((x**y) ** a, "(x**y)**a", "(x^{y})^{a}"),
    (x ** (-y), "x**-y", "x^{-y}"),
    (x ** (-y * a), "x**(-y*a)", r"x^{-y\,a}"),
    (x ** (y + 1.0), "x**(y + 1)", "x^{y + 1}"),
    (a / (b * c), "a/(b*c)", r"\frac{a}{b\,c}"),
    (a / b * c, "a/b*c", r"\frac{a}{b}\,c"),
    (a * (b / c), "a*(b/c)", r"a\,\frac{b}{c}"),
    ((a / b) ** 2, "(a/b)**2", r"\left(\frac{a}{b}\right)^{2}"),
    (a / b / c, "a/b/c", r"\frac{a}{b\,c}"),
    (a / (b / c), "a/(b/c)", r"\frac{a}{\frac{b}{c}}"),
    (2 * (3 * x), "2*(3*x)", r"2 \cdot 3\,x"),
    (x * 1e-30, "x*1e-30", r"x \cdot 10^{-30}"),
    (x + -3.0, "x - 3", "x - 3"),
    (a + (-b), "a - b", "a - b"),
    (a - (-b), "a + b", "a + b"),
    ((-a) * b, "-a*b", r"-a\,b"),
    (a * (-b) + c, "-a*b + c", r"-a\,b + c"),
    (a - (-b) * c, "a + b*c", r"a + b\,c"),
    (-(a + b), "-(a + b)", "-(a + b)"),
    (a + (-b + c), "a + (-b + c)", "a + (-b + c)"),
    (a * (-b + c), "a*(-b + c)", r"a \cdot (-b + c)"),
    (autograd.sum(x * [1.0, 1.0, 1.0]), "sum(x*array([1, 1, 1]))", r"\sum x\,[1, 1, 1]"),
    (w * [1.0, 1.0, 1.0], "w", "w"),
    (x * x + x + x, "x**2 + x + x", "x^{2} + x + x"),
    (x + x, "2*x", r"2\,x"),
    (0.5 * x + 0.5 * x, "2*(0.5*x)", r"2 \cdot 0.5\,x"),
    (a / b / b, "a/b**2", r"\frac{a}{b^{2}}"),
    (-autograd.remainder(x, a) * y, "-(x%a)*y", ""),
    (autograd.remainder(-x, a), "-x%a", ""),
    (autograd.remainder(x * y, a), "x*y%a", r"x\,y \;\mathrm{mod}\; a"),
    (autograd.abs(x - y), "abs(x - y)", r"\left|x - y\right|"),
    (x.exp().log1p(), "log1p(exp(x))", r"\log(1 + e^{x})"),
    ((x * x / 2).exp(), "exp(x**2/2)", r"e^{\frac{x^{2}}{2}}"),
    (x.sqrt() ** y, "sqrt(x)**y", r"\sqrt{x}^{y}"),
    (autograd.maximum(x, -y), "maximum(x, -y)", r"\max(x, -y)"),
    (x.sigmoid(), "sigmoid(x)", r"\sigma(x)"),
    (x.clip(-1.0, 2.0), "clip(x, low=-1, high=2)", ""),
    (((X @ w - t) ** 2).mean(), "mean((X@w - y)**2)", r"\operatorname{mean}((X\,w - y)^{2})"),
    (X.T @ (X @ w), "transpose(X)@(X@w)", r"X^{\top}\,X\,w"),
    (X * X @ w, "X**2@w", r"X^{2}\,w"),
    (X @ (w * w * 2.0), "X@(w**2*2)", r"X\,(w^{2} \cdot 2)"),
    (w * w[0], "w*w[0]", r"w\,{w}_{0}"),
    (X * w, "X*w", r"X \odot w"),
    (X[0, 1:], "X[0, 1:]", "{X}_{0, 1:}"),
    (X[:, [0, 2]].sum(axis=1), "sum(X[:, array([0, 2])], axis=1)", ""),
    (X.sum(axis=0), "sum(X, axis=0)", r"\sum_{\mathrm{axis}\,0} X"),
    (X.sum() * w, "sum(X)*w", r"\left(\sum X\right)\,w"),
    (w.softmax(), "softmax(w)", r"\operatorname{softmax}(w)"),
    (w.norm(), "norm(w)", r"\left\|w\right\|"),
    (w * [1.0, 2.0, 3.0], "w*array([1, 2, 3])", r"w \odot [1, 2, 3]"),
    (w * [2.0, 2.0, 2.0], "w*2", r"w \cdot 2"),
]


@pytest.mark.parametrize(("node", "text", "latex"), EXPRESSIONS, ids=[e[1] for e in EXPRESSIONS])
def test_an_expression_reads_as_one_would_write_it(node: Node, text: str, latex: str) -> None:
    f = formula(node)
    assert (f.text, f.expression, str(f)) == (text, text, text)
    if latex:
        assert f.latex == latex


DERIVATIVES: list[tuple[Node, Node, str, str]] = [
    ((a * b + c).tanh(), a, "(1 - tanh(a*b + c)**2)*b", r"(1 - \tanh(a\,b + c)^{2})\,b"),
    (a / b, a, "1/b", r"\frac{1}{b}"),
    (a / b, b, "-a/b**2", r"-\frac{a}{b^{2}}"),
    (x**3, x, "3*x**2", r"3\,x^{2}"),
    (x**2, x, "2*x", r"2\,x"),
    (x * x, x, "2*x", r"2\,x"),
    (1 / x, x, "-1/x**2", r"-\frac{1}{x^{2}}"),
    (x**x, x, "where(x == 0, 0, x*x**(x - 1)) + where((x == 0) & (x >= 0), 0, x**x*log(x))", ""),
    (autograd.neg(-x), x, "1", "1"),
    (3 * x - y, y, "-1", "-1"),
    (a * b - c * a, a, "-c + b", "-c + b"),
    (x.cos().cos(), x, "sin(cos(x))*sin(x)", r"\sin(\cos(x))\,\sin(x)"),
    (x.sigmoid(), x, "sigmoid(x)*sigmoid(-x)", r"\sigma(x)\,\sigma(-x)"),
    ((a * x).softplus(), x, "sigmoid(a*x)*a", r"\sigma(a\,x)\,a"),
    ((a * x).relu(), x, "where(a*x > 0, 1, 0)*a", ""),
    (autograd.logsumexp(w), w, "softmax(w, axis=None)", r"\operatorname{softmax}(w)"),
    (w.sum(), w, "1", "1"),
    (w.sum() ** 2, w, "2*sum(w)", r"2\,\left(\sum w\right)"),
    ((w * w).sum(), w, "2*w", r"2\,w"),
    ((X @ w).sum(), w, "array([1, 1])@X", r"[1, 1]\,X"),
    (((X @ w - t) ** 2).mean(), w, "0.5*(2*(X@w - y))@X", r"(0.5 \cdot 2\,(X\,w - y))\,X"),
    ((X @ X.T).tanh().sum(), X.T, "0", "0"),
    (w[1], w, "array([0, 1, 0])", "[0, 1, 0]"),
    (
        w[1] ** 2,
        w,
        "scatter(2*w[1], index=1, shape=(3,))",
        r"\operatorname{scatter}_{1}(2\,{w}_{1})",
    ),
    (
        x.clip(-1.0, 2.0),
        x,
        "where((x > -1) & (x < 2), 1, 0)",
        r"\begin{cases} 1 & \text{if } x > -1 \wedge x < 2 \\ 0 & \text{otherwise} \end{cases}",
    ),
    (a * b, x, "0", "0"),
    (X.sum(), w, "0", "0"),
    (x, x, "1", "1"),
]


@pytest.mark.parametrize(
    ("node", "wrt", "text", "latex"), DERIVATIVES, ids=[f"{formula(d[0])}" for d in DERIVATIVES]
)
def test_a_derivative_reads_as_one_would_write_it(
    node: Node, wrt: Node, text: str, latex: str
) -> None:
    f = formula(node, wrt)
    assert f.text == text
    if latex:
        assert f.latex == latex


def test_a_derivative_is_written_for_all_numbers_and_not_only_those_at_hand() -> None:
    u = Value(-1.0, label="u")
    f = formula(u.relu() * u, u)
    for number in (-1.0, 2.0):
        v = Value(number)
        assert data_of(evaluate(f, {"u": v})) == gradients(v.relu() * v, v)


def test_a_constant_array_is_told_from_its_transpose() -> None:
    u = Tensor(np.ones((3, 2)), label="u")
    f = formula((np.arange(9.0).reshape(3, 3) @ u).tanh().sum(), u)
    assert f.text == "transpose(v1)@(1 - tanh(v1@u)**2)\nwhere v1 has shape (3, 3)"
    assert dict(f.where) == {"v1": (3, 3)}


# --------------------------------------------------------------------------- evaluated by Python

OPERATIONS = [p for p in EVERY if p.simple]
OPERATORS = [p for p in OPERATIONS if p.notation.text is not None]
NUMBERS = st.floats(0.25, 3.0).map(lambda number: round(number, 2))


@st.composite
def graphs(
    draw: st.DrawFn, shared: bool, operations: list[Primitive] = OPERATIONS
) -> tuple[Node, dict[str, Value]]:
    """Random operations on random variables and numbers; `shared` parts occur several times."""
    names: dict[str, Value] = {}
    parts: list[Any] = []

    def operand() -> Any:
        kind = draw(st.integers(0, 5))
        if parts and kind < 4:
            i = draw(st.integers(0, len(parts) - 1))
            return parts[i] if shared else parts.pop(i)
        if kind == 4 and parts:
            return draw(NUMBERS) * draw(st.sampled_from([1.0, -1.0]))
        name = f"{'xyz'[len(names) % 3]}{len(names)}"
        names[name] = Value(draw(NUMBERS), label=name)
        return names[name]

    node: Any = operand()
    for _ in range(draw(st.integers(1, 10))):
        operation = draw(st.sampled_from(operations))
        operands = [operand() for _ in operation.domain]
        if not any(isinstance(x, Node) for x in operands):
            operands[0] = node
        result = operation(*operands)
        if math.isfinite(result.data) and abs(result.data) < 1e6:
            node = result
            parts.append(node)
    return node, names


def alike(got: Any, expected: Any, loose: bool = True) -> bool:
    """Equal up to rounding, which a difference may have enlarged; repeated as far as needed."""
    got, expected = data_of(got), data_of(expected)
    if not loose:
        return bool(np.array_equal(got, expected, equal_nan=True))
    if np.size(got) != np.size(expected):
        got = np.broadcast_to(got, np.shape(expected))
    got = np.reshape(got, np.shape(expected))
    return bool(np.allclose(got, expected, rtol=1e-6, atol=1e-8, equal_nan=True))


@given(graphs(shared=False) | graphs(shared=False, operations=OPERATORS))
@settings(max_examples=200)
def test_the_text_of_an_expression_evaluates_to_its_data_bit_for_bit(drawn: Any) -> None:
    node, names = drawn
    f = formula(node)
    assert alike(evaluate(f, names), node, loose="**2" in f.text), f.text  # x*x is written x**2


@given(graphs(shared=True) | graphs(shared=True, operations=OPERATORS))
@settings(max_examples=150)
def test_the_text_of_a_graph_evaluates_to_its_data(drawn: Any) -> None:
    node, names = drawn
    f = formula(node)
    assert alike(evaluate(f, names), node), f.text
    assert_is_latex(f)


@given(graphs(shared=True), st.data())
@settings(max_examples=150)
def test_the_text_of_a_derivative_evaluates_to_the_gradient(drawn: Any, data: Any) -> None:
    node, names = drawn
    wrt = names[data.draw(st.sampled_from(sorted(names)))]
    f = formula(node, wrt)
    assert alike(evaluate(f, names), gradients(node, wrt)), f.text
    assert_is_latex(f)


@given(graphs(shared=True), st.data())
@settings(max_examples=100)
def test_a_derivative_with_respect_to_an_intermediate_node(drawn: Any, data: Any) -> None:
    node, names = drawn
    wrt = data.draw(st.sampled_from([n for n in topological_order(node) if not n.is_constant]))
    f = formula(node, wrt)
    assert alike(evaluate(f, names), gradients(node, wrt)), f.text


PLAIN = re.compile(r"(\$\d|·| |[-+*]|\\frac|[{}^])*")
IN_LATEX = [p for p in OPERATORS if p.notation.latex and PLAIN.fullmatch(p.notation.latex.template)]


def python_of(latex: str) -> str:
    """Python for LaTeX made of fractions, powers, products and sums: independent of its writer."""
    latex = re.sub(r"([a-z])_\{(\d+)\}", r"\1\2", latex)
    for old, new in [
        *((r"\left(", "("), (r"\right)", ")"), (r"\,", "*"), (r" \cdot ", "*"), (r"\frac", "")),
        *(("}{", ")/("), ("{", "("), ("}", ")"), ("^", "**")),
    ]:
        latex = latex.replace(old, new)
    return latex


@given(graphs(shared=True, operations=IN_LATEX))
@settings(max_examples=150)
def test_the_latex_means_the_same(drawn: Any) -> None:
    node, names = drawn
    f = formula(node)
    known = dict(names)
    *definitions, expression = [*lines_of(f)[1:], lines_of(f)[0]]
    for line in definitions:
        name, _, latex = line.removeprefix(r"\text{where } ").partition(" = ")
        known[python_of(name)] = eval(python_of(latex), {}, known)
    assert alike(eval(python_of(expression), {}, known), node), f.latex


# --------------------------------------------------------------------------- every primitive

EXAMPLES = {
    f"{primitive.name}-{i}": (primitive, example)
    for primitive in EVERY
    for i, example in enumerate([*primitive.examples] or [None])
}


def call_of(primitive: Primitive, example: Example | None) -> Call:
    """A primitive on numbers of its domains, the same on every run."""
    shapes = example.shapes if example else ((2, 3),) * len(primitive.domain)
    rng = np.random.default_rng(0)
    operands = []
    for i, shape in enumerate(shapes):
        interval = primitive.domain_of(i)
        numbers = rng.uniform(interval.low, interval.high, shape).round(2)
        kind = int if interval.whole else bool if _is_gate(primitive, i) else float
        operands.append(np.asarray(numbers).astype(kind))
    return Call(primitive, tuple(operands), example.params if example else {})


@pytest.mark.parametrize(("primitive", "example"), EXAMPLES.values(), ids=EXAMPLES)
def test_every_primitive_can_be_written(primitive: Primitive, example: Example | None) -> None:
    call = call_of(primitive, example)
    operands = [Tensor(x, label=f"x{i}") for i, x in enumerate(primitive.prepared(call.operands))]
    output = primitive(*operands, **call.params)
    weights = Tensor(1.0)
    written: list[tuple[Formula, Any]] = [(formula(output), output)]
    if not output.is_constant:
        weights = Tensor(call.weights(), label="weights")
        total = (output * weights).sum()
        for i in call.variables:
            written.append((formula(total, operands[i]), gradients(total, operands[i])))
    for f, expected in written:
        assert_is_latex(f)
        set_in_type(f)
        # Of an array only the shape is told, and a rule that decides by numbers is one operation.
        if primitive.name not in NOT_PYTHON and not f.where and "unread(" not in f.text:
            names = {x.label: x for x in (*operands, weights)}
            assert alike(evaluate(f, names), expected), f.text


NOT_PYTHON = {
    *("callback", "checkpoint", "custom", "replay", "unread"),  # functions of the user's
    *("gather", "spread"),  # which only a recording to be replayed has
    *("cross_entropy", "mean_cross_entropy"),  # one public function
}


def test_most_primitives_are_evaluated_too() -> None:
    assert len(NOT_PYTHON) * 10 < len({primitive for primitive, _ in EXAMPLES.values()})


# --------------------------------------------------------------------------- names

LABELS = st.text(max_size=12) | st.text("ab_1 $\\\\{}^%&#<>'\"\n", max_size=12)


@given(st.lists(LABELS, min_size=2, max_size=6))
@settings(max_examples=150)
def test_any_labels_become_different_names_in_both_languages(labels: list[str]) -> None:
    variables = [Value(float(i), label=label) for i, label in enumerate(labels)]
    node = sum(v * (i + 2.0) for i, v in enumerate(variables))
    f = formula(node)
    assert_is_latex(f)
    known = Names(topological_order(node))
    names = [known.of(v) for v in variables]
    assert len({name.text for name in names}) == len({name.latex for name in names}) == len(labels)
    for name in names:
        assert name.text.isidentifier()
        assert not keyword.iskeyword(name.text)
        assert len(name.text) <= LONGEST_NAME + 5
    values = {name.text: v for name, v in zip(names, variables, strict=True)}
    assert alike(evaluate(f, values), node)


@pytest.mark.parametrize(
    ("label", "text", "latex"),
    [
        ("loss", "loss", r"\mathrm{loss}"),
        ("w1", "w1", "w_{1}"),
        ("w_12", "w_12", "w_{12}"),
        ("x_max", "x_max", r"x_{\mathrm{max}}"),
        ("alpha", "alpha", r"\alpha"),
        ("σ2", "σ2", r"\sigma_{2}"),
        ("lambda", "lambda_", r"\lambda"),
        ("sum", "sum_", r"\mathrm{sum}"),
        ("learning rate", "learning_rate", r"\mathrm{learning\_rate}"),
        ("9", "_9", r"\mathrm{\_9}"),
        ("x1*w1 + x2", "x1_w1_x2", r"\mathrm{x1\_w1\_x}_{2}"),
        (
            "<script>alert(1)</script>",
            "script_alert_1_script",
            r"\mathrm{script\_alert\_1\_script}",
        ),
        ("$a\\b{", "a_b", "a_{b}"),
        ("z" * 10_000, "z" * 40, rf"\mathrm{{{'z' * 40}}}"),
    ],
)
def test_labels(label: str, text: str, latex: str) -> None:
    f = formula(Value(2.0, label=label))
    assert (f.text, f.latex, dict(f.where)) == (text, latex, {})


def test_leaves_without_a_label_are_numbered_and_their_values_told() -> None:
    p, q, r = Value(2.5), Tensor(np.ones((2, 3))), Value(-1.0)
    f = formula((p * q * r).sum() + a)
    assert f.text == ("sum(v1*v2*v3) + a\nwhere v1 = 2.5\n      v2 has shape (2, 3)\n      v3 = -1")
    assert dict(f.where) == {"v1": 2.5, "v2": (2, 3), "v3": -1.0}
    assert lines_of(f) == [
        r"\sum v_{1}\,v_{2}\,v_{3} + a",
        r"\text{where } v_{1} = 2.5",
        r"v_{2} \in \mathbb{R}^{2 \times 3}",
        "v_{3} = -1",
    ]
    assert f.latex.startswith("\\begin{aligned}\n& ")
    assert formula((p * q * r).sum(), r).where == {"v1": 2.5, "v2": (2, 3)}


def test_leaves_with_one_label_are_told_apart() -> None:
    one, two, near = Value(1.0, label="a"), Value(2.0, label="a"), Value(3.0, label="a_2")
    f = formula(one - two * near)
    assert f.text == "a - a_2*a_2_2\nwhere a_2 = 2\n      a_2_2 = 3"


def test_labels_that_look_alike_in_latex_are_told_apart() -> None:
    f = formula(Value(1.0, label="w1") * Value(2.0, label="w_1"))
    assert f.text == "w1*w_1_2\nwhere w_1_2 = 2"
    assert lines_of(f)[0] == r"w_{1}\,w_{1,2}"


def test_an_expression_and_its_derivative_agree_on_names() -> None:
    p, q = Value(1.0), Value(2.0)
    assert formula(p * q.sin(), p).text == "sin(v2)\nwhere v2 = 2"


# --------------------------------------------------------------------------- sharing and size


def test_a_part_that_occurs_often_is_written_once() -> None:
    shared = (a * b + c * x - y).sin()
    f = formula(shared * y + shared / y)
    assert f.text == "t1*y + t1/y\nwhere t1 = sin(a*b + c*x - y)"
    assert dict(f.definitions) == {"t1": "sin(a*b + c*x - y)"}
    assert formula(shared * y).definitions == {}
    shared.label = "s"
    assert formula(shared * y + shared / y).text == "s*y + s/y\nwhere s = sin(a*b + c*x - y)"
    shared.label = ""


def test_a_graph_that_doubles_at_each_step_stays_short() -> None:
    node, slope = x, 1.0
    for _ in range(100):
        node = node * node + node
    for f in (formula(node), formula(node, x)):
        assert len(f.text) < 20_000
        assert_is_latex(f)
    small = Value(1e-30, label="x")
    assert alike(evaluate(formula(node), {"x": small}), 1e-30 * slope)
    assert alike(evaluate(formula(node, x), {"x": small}), 1.0)


def test_a_long_expression_is_cut_into_lines() -> None:
    variables = [Value(float(i), label=f"x{i}") for i in range(1000)]
    node = autograd.tanh(1e-6 * sum(variables[1:], variables[0]))
    f = formula(node)
    assert max(map(len, f.text.splitlines())) < 160
    assert alike(evaluate(f, {v.label: v for v in variables}), node)


@pytest.mark.parametrize("wrt", [(), (x,)])
def test_a_formula_that_nobody_reads_is_refused(wrt: tuple[Node, ...]) -> None:
    node = x
    for _ in range(100_000):
        node = node.sin()
    with pytest.raises(RenderError, match=r"100,000 operations, more than 3,000: .* part"):
        formula(node, *wrt)


def test_the_largest_formula_is_written() -> None:
    node = x
    for _ in range(LARGEST):
        node = node.sin()
    assert alike(evaluate(formula(node), {"x": x}), node)


# --------------------------------------------------------------------------- what cannot be written


def test_constants_are_numbers() -> None:
    for number, text in [(3.0, "3"), (-0.5, "-0.5"), (1 / 3, repr(1 / 3)), (1e300, "1e+300")]:
        assert formula(Value(number).detach()).text == text
    assert formula(Tensor([1, 2])).text == "array([1, 2])"
    assert formula(Tensor(np.float32([0.1])).detach() * 1.0).text == "0.1"
    assert formula(x * math.inf).text == "x*inf"
    assert formula(x * math.inf).latex == r"x\,\infty"
    assert math.isnan(evaluate(formula(x + math.nan), {"x": x}).data)


def test_errors_are_those_of_gradients() -> None:
    with pytest.raises(DataError, match="float"):
        formula(2.0)  # type: ignore[arg-type]
    with pytest.raises(DataError):
        formula(x * y, 2.0)  # type: ignore[arg-type]
    with pytest.raises(GradientError, match="constant"):
        formula(x * y, Value(2.0).detach())
    with pytest.raises(GradientError, match=r"shape \(3,\): reduce it"):
        formula(w * 2.0, w)
    u = Value(1.0, label="u")
    old = u * u * [1.0, 2.0]
    u.data = 2.0
    with pytest.raises(StaleGraphError, match="'u' was changed"):
        formula(old.sum(), u)


def test_a_rule_that_decides_by_numbers_is_written_for_these() -> None:
    @autograd.custom_vjp
    def half_open(v: Any) -> Any:
        return v * v

    half_open.pullback(lambda g, out, v: 2.0 * g * v if v > 0 else 0.0 * g)
    u = Value(3.0, label="u")
    assert formula(half_open(u), u).text == "2*u"


def test_it_works_without_recording_and_changes_no_gradient() -> None:
    node, total = x * y, (X @ w).sum()
    with autograd.no_grad():
        assert formula(total, w).text == "array([1, 1])@X"
        assert formula(node, x).text == "y"
    assert (x.grad, y.grad, w.grad) == (None, None, None)


# --------------------------------------------------------------------------- the result


def test_it_shows_itself() -> None:
    f = formula(a / b)
    assert f._repr_mimebundle_() == {
        "text/latex": r"$\displaystyle \frac{a}{b}$",
        "text/plain": "a/b",
    }
    assert f._repr_latex_() == r"$\displaystyle \frac{a}{b}$"
    assert repr(f) == "<Formula a/b>"
    assert len(repr(formula(sum([a * b] * 50, c)))) < 80


def test_it_cannot_be_changed() -> None:
    f = formula(a / Value(2.0))
    with pytest.raises(FrozenInstanceError):
        f.text = ""  # type: ignore[misc]
    with pytest.raises(TypeError):
        f.where["v1"] = 3.0  # type: ignore[index]
