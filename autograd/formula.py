"""The expression that a node was computed by, and its derivative's, as text and as LaTeX.

The graph is simplified a little, its shared parts get names, and the rest is written by the
notations of its primitives; nothing here knows one by name. Three walks over the topological
order, none of them recursive: what each node is written as, how often, and the writing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np

from .backprop import gradients
from .errors import DataError, GradientError, RenderError, ReplayError
from .graph import Node, in_two_slots, topological_order
from .naming import (
    FEW,
    Name,
    Names,
    cleaned,
    identifier,
    index_text,
    is_literal,
    list_text,
    number_text,
    repeated_number,
    value_text,
)
from .notation import NEGATION, SAME, Binds, Form, Notation
from .primitive import (
    Primitive,
    current_data,
    describe,
    new_node,
    record,
    recording,
    tracing,
)
from .words import latex_name

__all__ = ["Formula", "formula"]

SMALL: Final = 16
"""A part of at most so many characters is written wherever it occurs; a longer one gets a name."""

LONG: Final = 120
"""A part of more characters gets a name even where it occurs once."""

LARGEST: Final = 3000
"""Graphs that need more operations are refused: nobody reads such a formula."""


@dataclass(frozen=True, repr=False)
class Formula:
    """A formula as text and as LaTeX; in a notebook it shows itself.

    Attributes
    ----------
    text : str
        The whole: the expression, then what its names stand for.
    latex : str
        The same for math mode, without the dollars.
    expression : str
        The expression alone: Python, with names of `autograd` for functions.
    definitions : mapping of str to str
        The expressions that occur in it under a name, each after those that it needs.
    where : mapping of str to float or tuple of int
        For each name that is no label of a leaf the number it stands for, or the array's shape.

    Examples
    --------
    >>> from autograd import Value
    >>> x = Value(3.0)
    >>> f = formula((x + 1.0).log())
    >>> f
    <Formula log(v1 + 1)>
    >>> print(f)
    log(v1 + 1)
    where v1 = 3
    >>> f.latex.splitlines()[0], f.where["v1"]
    ('\\\\begin{aligned}', 3.0)
    """

    text: str
    latex: str
    expression: str
    definitions: Mapping[str, str]
    where: Mapping[str, float | tuple[int, ...]]

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        text = self.expression
        return f"<Formula {text if len(text) <= 60 else text[:59] + '…'}>"

    def _repr_latex_(self) -> str:
        return rf"$\displaystyle {self.latex}$"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/latex": self._repr_latex_(), "text/plain": self.text}


def formula(node: Node, wrt: Node | None = None) -> Formula:
    """Write the expression that `node` was computed by, or that of its derivative.

    Text is Python, in the order in which it was computed: with the functions of `autograd` and
    the leaves by their names it evaluates to the data of the node, up to rounding. LaTeX leaves
    out brackets that mathematics does not need.

    A leaf is written as its label, made a name: ``learning rate`` is ``learning_rate``. Of several
    leaves with one label the second is ``a_2``. One without a label is ``v1``, ``v2``, ... Constant
    numbers are written out, small constant arrays as lists. A part that occurs several times, and
    is not short, is written once, under its label or as ``t1``, ``t2``, ...

    Only the obvious is simplified: a factor or exponent of 1, a term of 0, a double minus, a number
    repeated to the shape of the array beside it.

    Parameters
    ----------
    node : Value or Tensor
    wrt : Value or Tensor, optional
        Write the derivative of `node`, one number, with respect to this leaf or intermediate node.
        It is the graph that ``gradients(node, wrt, differentiable=True)`` records, except that
        comparisons are written and not decided: it holds for other numbers too.

    Returns
    -------
    Formula

    Raises
    ------
    DataError
        If `node` or `wrt` is no node.
    RenderError
        If more than 3,000 operations would have to be written.
    GradientError, StaleGraphError
        As for `gradients`, if the derivative does not exist.

    Examples
    --------
    >>> from autograd import Value
    >>> a, b, c = Value(2.0, label="a"), Value(-3.0, label="b"), Value(10.0, label="c")
    >>> y = (a * b + c).tanh()
    >>> print(formula(y))
    tanh(a*b + c)
    >>> print(formula(y, a))
    (1 - tanh(a*b + c)**2)*b
    >>> formula(y, a).latex
    '(1 - \\\\tanh(a\\\\,b + c)^{2})\\\\,b'
    """
    if not isinstance(node, Node):
        raise DataError(f"formula takes a Value or a Tensor, got {describe(node)}")
    order = topological_order(node)
    names = Names(order)
    whole = _Sketch(order, names.variables)
    if wrt is None:
        return _Writer(whole, names).formula()
    copies = _with_variable_arrays(order, wrt)
    for original, copy in copies.items():
        names.share(original, copy)
    target = copies.get(wrt, wrt)
    slope = _slope(copies.get(node, node), target)
    return _Writer(_Sketch(topological_order(slope), names.variables), names, target).formula()


def _with_variable_arrays(order: Sequence[Node], wrt: Node) -> dict[Node, Node]:
    """Copies of constant arrays as variables, and of what is computed from these.

    What a rule makes of a constant is a constant without a past: a transposed one would be
    an array of its own in the formula.
    """
    copies: dict[Node, Node] = {}
    with recording():
        for x in order:
            if x.is_leaf:
                data = current_data(x)
                if not x.is_constant or x is wrt or not x.shape or data.dtype.kind != "f":
                    continue
                copy = new_node(data)
            elif any(operand in copies for operand in x.inputs):
                inputs = [copies.get(operand, operand) for operand in x.inputs]
                primitive: Any = x.primitive
                copy = record(primitive, x._raw, *in_two_slots(inputs), x.params, x.epoch)
            else:
                continue
            copy.label, copy.epoch = x.label, x.epoch
            copies[x] = copy
    return copies


def _slope(output: Node, target: Node) -> Node:
    """The recorded derivative, in which comparisons are recorded as well."""
    if math.prod(output.shape) != 1:
        raise GradientError(
            f"the derivative of one number is written, and this node has shape {output.shape}: "
            "reduce it, as in formula(x.sum(), wrt), or take one element"
        )
    slope: Node
    try:
        with tracing():
            slope = gradients(output, target, differentiable=True)
    except ReplayError:  # a rule decides by numbers: it is written for these
        slope = gradients(output, target, differentiable=True)
    return slope


# --------------------------------------------------------------------------- what is written


class Term(NamedTuple):
    """An operand as it is written: perhaps with a minus, or as the one number that it repeats."""

    node: Node
    negative: bool = False
    single: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        return () if self.single else self.node.shape

    def flipped(self, flip: bool = True) -> Term:
        return self._replace(negative=self.negative != flip)


class Phrase(NamedTuple):
    """How a computed node is written: by a notation, with operands."""

    notation: Notation
    operands: tuple[Term, ...]


class _Sketch:
    """What each node of a graph is written as, before any character.

    Attributes
    ----------
    terms : dict of Node to Term
        What each node comes down to; its own term where nothing is simplified.
    phrases : dict of Node to Phrase
        How each node that is its own term is written.
    numbers : dict of Node to number
        The number that all elements of a constant are, where it has no name.
    alike : dict
        The first node for each way of computing one.
    output : Term
        What the last node comes down to.
    uses : dict of Node to int
        How often each node is written, as far as the output needs it.
    """

    def __init__(self, order: Sequence[Node], variables: Set[Node]) -> None:
        self.order = order
        self.variables = variables
        self.terms: dict[Node, Term] = {}
        self.phrases: dict[Node, Phrase] = {}
        self.numbers: dict[Node, Any] = {}
        self.alike: dict[Any, Node] = {}
        for node in order:
            self.terms[node] = self._leaf(node) if node.is_leaf else self._computed(node)
        self.output = self._unrepeated(self.terms[order[-1]])
        self.uses = {self.output.node: 1}
        for node in reversed(order):
            if node in self.uses and node in self.phrases:
                for term in self.phrases[node].operands:
                    self.uses[term.node] = self.uses.get(term.node, 0) + 1
        count = sum(node in self.phrases for node in self.uses)
        if count > LARGEST:
            raise RenderError(
                f"the formula has {count:,} operations, more than {LARGEST:,}: write that of a "
                "part (an intermediate node), draw(...) the graph, or explain(...) its gradient"
            )

    def _leaf(self, node: Node) -> Term:
        number = None if node in self.variables else repeated_number(node)
        if number is None:
            return Term(node)
        self.numbers[node] = number
        return Term(node, bool(number < 0))

    def _number(self, term: Term) -> float | None:
        """The number that a term is written as."""
        number = None if term.shape else self.numbers.get(term.node)
        return None if number is None else abs(float(number)) * (-1 if term.negative else 1)

    def _computed(self, node: Node) -> Term:
        primitive: Any = node.primitive
        notation: Notation = primitive.notation
        operands = [self.terms[x] for x in node.inputs]
        if primitive.elementwise:
            operands = self._without_repetition(operands, node.shape)
        if notation is SAME:
            return operands[0]
        if notation is NEGATION:
            return operands[0].flipped()
        negative = False
        if notation.odd:
            negative = sum(term.negative for term in operands) % 2 == 1
            operands = [term._replace(negative=False) for term in operands]
        for neutral, term, other in zip(
            primitive.neutral, operands, reversed(operands), strict=False
        ):
            if neutral is not None and self._number(term) == neutral:
                return other.flipped(negative)
        phrase = self._arranged(notation, operands)
        if phrase.notation.odd and phrase.operands[0].negative:  # of a notation for two alike
            phrase = phrase._replace(operands=(phrase.operands[0].flipped(),))
            negative = not negative
        self.phrases[node] = phrase
        return Term(self._first_like(node, phrase), negative)

    def _first_like(self, node: Node, phrase: Phrase) -> Node:
        """The first node that is computed in the same way, since an expression has no nodes.

        Only of elementwise primitives: what others hide may be random.
        """
        primitive: Any = node.primitive
        if not primitive.elementwise:
            return node
        params = tuple(sorted(node.params.items()))
        operands = [(self._key(x), x.negative, x.single) for x in phrase.operands]
        key = (primitive, id(phrase.notation), node.shape, params, *operands)
        try:
            return self.alike.setdefault(key, node)
        except TypeError:  # parameters that do not compare
            return node

    def _key(self, term: Term) -> tuple[str, float]:
        number = self._number(term)
        return ("node", id(term.node)) if number is None else ("number", number)

    def _without_repetition(self, terms: list[Term], shape: tuple[int, ...]) -> list[Term]:
        """Leave out repetition to the shape of what stands beside."""
        for i, term in enumerate(terms):
            smaller = [*terms[:i], self._unrepeated(term), *terms[i + 1 :]]
            if np.broadcast_shapes(*(x.shape for x in smaller)) == shape:
                terms = smaller
        return terms

    def _unrepeated(self, term: Term) -> Term:
        """What a term only repeats, or itself."""
        while term.node in self.phrases and self.phrases[term.node].notation.implicit:
            (operand,) = self.phrases[term.node].operands
            term = operand.flipped(term.negative)
        return term._replace(single=True) if term.node in self.numbers else term

    def _arranged(self, notation: Notation, operands: Sequence[Term]) -> Phrase:
        """Choose the notation for operands alike, for a minus, for a quotient of a quotient."""
        *before, last = operands
        inner = self.phrases.get(operands[0].node)
        if notation.chain is not None and inner is not None and inner.notation is notation:
            return self._arranged(notation.chain, [*inner.operands, last])
        if notation.twice is not None and _is_same(before[-1], last):
            return Phrase(notation.twice, tuple(before))
        if notation.opposite is not None and last.negative:
            return Phrase(notation.opposite, (*before, last.flipped()))
        return Phrase(notation, tuple(operands))


def _is_same(a: Term, b: Term) -> bool:
    return a.node is b.node and a[1:] == b[1:]


# --------------------------------------------------------------------------- two languages


class Part(NamedTuple):
    """A piece of a formula in one language, and how tightly it binds."""

    string: str
    level: Binds = Binds.ATOM


UNSAID: Final = (None, False)
"""Values of parameters that are not written, if a notation says nothing else."""

OPTIONAL: Final = re.compile("«([^»]*)»")
TOKEN: Final = re.compile(r"(\$?\d+)·\$(\d+)|\$(:?\w+|\*\*?)|[()]")
NAMED: Final = re.compile(r"\$:?(\w+)")


class _Text:
    """How a formula is written in Python, and how a template is filled in."""

    unsaid: tuple[Any, ...] = ()
    """Values of parameters that are never written."""

    def form(self, primitive: Primitive, notation: Notation, operands: Sequence[Term]) -> Form:
        """The template for an operation."""
        return notation.text or Form(f"{cleaned(primitive.name)}($*$**)")

    def fill(
        self, form: Form, parts: Sequence[Part], params: Mapping[str, Any], usual: Any
    ) -> Part:
        """Fill a template in."""
        asked = {
            name: value
            for name, value in params.items()
            if not goes_without_saying(value, (*usual.get(name, UNSAID), *self.unsaid))
        }
        given = {*asked, *map(str, range(len(parts)))}
        template = OPTIONAL.sub(
            lambda m: m[1] if given.issuperset(NAMED.findall(m[1])) else "", form.template
        )
        ready = [
            self.operand(part, form.need(i), template.startswith(f"${i}"))
            for i, part in enumerate(parts)
        ]

        def written(token: re.Match[str]) -> str:
            if token[1] is not None:
                left, right = token[1], ready[int(token[2])].string
                return self.times(ready[int(left[1:])].string if left[0] == "$" else left, right)
            what = token[3]
            if what is None:
                return self.bracket(token[0], ready)
            if what == "*":
                return ", ".join(part.string for part in ready)
            if what == "**":
                return "".join(f", {self.word(k)}={self.value(v)}" for k, v in asked.items())
            if what.isdecimal():
                return ready[int(what)].string
            if what.startswith(":"):
                return self.word(index_text(params[what[1:]]))
            return self.value(params[what])

        # At either end of what is written, an operand is bound by what stands beside.
        ends = [
            part.level
            for i, part in enumerate(ready)
            if template.startswith(f"${i}") or template.endswith(f"${i}")
        ]
        return Part(TOKEN.sub(written, template), min(form.level, *ends, Binds.ATOM))

    def operand(self, part: Part, need: Binds, is_first: bool) -> Part:
        """An operand, in brackets if it binds less tightly than it must."""
        return Part(f"({part.string})") if part.level < need else part

    def bracket(self, bracket: str, operands: Sequence[Part]) -> str:
        """A bracket of a template."""
        return bracket

    def times(self, left: str, right: str) -> str:
        """A product."""
        return f"{left}*{right}"

    def word(self, text: str) -> str:
        """A word of Python."""
        return text

    def value(self, value: Any) -> str:
        """The value of a parameter."""
        return self.word(value_text(value))

    def number(self, text: str) -> Part:
        """A number that is not negative."""
        return Part(text)

    def repeated(self, number: str, shape: tuple[int, ...]) -> Part:
        """An array of one number."""
        return Part(f"full({shape}, {number})")

    def array(self, numbers: str) -> Part:
        """An array of a few numbers, given as a list."""
        return Part(f"array({numbers})")


class _Latex(_Text):
    """How a formula is written in LaTeX's math mode."""

    unsaid = (None,)

    def form(self, primitive: Primitive, notation: Notation, operands: Sequence[Term]) -> Form:
        if notation.arrays is not None and all(term.shape for term in operands):
            return notation.arrays
        name = cleaned(primitive.name).replace("_", r"\_")
        return notation.latex or Form(rf"\operatorname{{{name}}}($*$**)")

    def operand(self, part: Part, need: Binds, is_first: bool) -> Part:
        string = part.string
        starts_with_minus = string.startswith("-") and need >= Binds.SUM and not is_first
        if part.level >= need and not starts_with_minus:
            return part
        return Part(rf"\left({string}\right)" if is_tall(string) else f"({string})")

    def bracket(self, bracket: str, operands: Sequence[Part]) -> str:
        if not any(is_tall(part.string) for part in operands):
            return bracket
        return rf"\left{bracket}" if bracket == "(" else rf"\right{bracket}"

    def times(self, left: str, right: str) -> str:
        is_number = left.replace(".", "").isdecimal()
        runs_on = right[0].isdecimal() or (right.startswith(("(", r"\left(")) and not is_number)
        return left + (r" \cdot " if runs_on else r"\,") + right

    def word(self, text: str) -> str:
        plain = re.fullmatch(r"[\d\s.,:()\[\]-]*", text)
        return text.replace("...", r"\ldots") if plain else latex_name(text)

    def number(self, text: str) -> Part:
        digits, _, exponent = text.partition("e")
        if not text[0].isdecimal():
            return Part(r"\infty" if text == "inf" else rf"\mathrm{{{text}}}")
        if not exponent:
            return Part(text)
        factor = "" if digits == "1" else rf"{digits} \cdot "
        return Part(f"{factor}10^{{{int(exponent)}}}", Binds.PRODUCT if factor else Binds.POWER)

    def repeated(self, number: str, shape: tuple[int, ...]) -> Part:
        ones = Part(r"\mathbf{1}")
        return (
            ones
            if number == "1"
            else Part(rf"{self.number(number).string}\,\mathbf{{1}}", Binds.PRODUCT)
        )

    def array(self, numbers: str) -> Part:
        return Part(self.word(numbers))


LANGUAGES: Final = (_Text(), _Latex())


def is_tall(latex: str) -> bool:
    """Whether brackets around it must grow."""
    return re.search(r"\\(frac|sum|prod|begin|left)\b", latex) is not None


def goes_without_saying(value: Any, usual: Sequence[Any]) -> bool:
    """Whether a parameter has a value that is not written."""
    return any(type(value) is type(x) and value == x for x in usual)


# --------------------------------------------------------------------------- the writing

Piece = tuple[Part, Part]
"""Text and LaTeX."""


class _Writer:
    """Writes what a sketch holds, each node once."""

    def __init__(self, sketch: _Sketch, names: Names, named: Node | None = None) -> None:
        self.sketch = sketch
        self.names = names
        self.named = named
        self.pieces: dict[Node, Piece] = {}
        self.definitions: dict[Name, Piece] = {}
        self.leaves: dict[Name, Node] = {}

    def formula(self) -> Formula:
        """Write the whole."""
        output = self.sketch.output
        for node in self.sketch.order:
            if node in self.sketch.uses and node is not output.node:
                self.pieces[node] = self._leaf(node) if node.is_leaf else self._shared(node)
        node = output.node
        self.pieces[node] = self._leaf(node) if node.is_leaf else self._phrase(node)
        return self._with_names(self._term(output))

    def _leaf(self, node: Node) -> Piece:
        if node not in self.sketch.variables and is_literal(node):
            return _literal(node, self.sketch.numbers.get(node), node.shape)
        name = self.names.of(node)
        self.leaves[name] = node
        return _as_piece(name)

    def _shared(self, node: Node) -> Piece:
        """A node as others write it: by a name where it would be long, or written often."""
        piece = self._phrase(node)
        length = len(piece[0].string)
        small = 0 if identifier(node.label) else SMALL
        if node is not self.named and length <= (small if self.sketch.uses[node] > 1 else LONG):
            return piece
        name = self.names.of(node)
        self.definitions[name] = piece
        return _as_piece(name)

    def _phrase(self, node: Node) -> Piece:
        phrase = self.sketch.phrases[node]
        primitive: Any = node.primitive
        operands = [self._term(term) for term in phrase.operands]
        text, latex = (
            language.fill(
                language.form(primitive, phrase.notation, phrase.operands),
                [piece[i] for piece in operands],
                node.params,
                phrase.notation.usual,
            )
            for i, language in enumerate(LANGUAGES)
        )
        return text, latex

    def _term(self, term: Term) -> Piece:
        piece = self.pieces[term.node]
        if term.single:
            piece = _literal(term.node, self.sketch.numbers[term.node], ())
        return _negated(piece) if term.negative else piece

    def _with_names(self, expression: Piece) -> Formula:
        text, latex = (part.string for part in expression)
        values = {n: x for n, x in self.leaves.items() if n.text != identifier(x.label)}
        texts = [f"{n.text} = {p[0].string}" for n, p in self.definitions.items()]
        latexes = [
            f"{n.latex} = {LANGUAGES[1].operand(p[1], Binds.SUM, True).string}"
            for n, p in self.definitions.items()
        ]
        for name, leaf in values.items():
            what = _told(leaf)
            texts.append(f"{name.text} {what[0]}")
            latexes.append(f"{name.latex} {what[1]}")
        return Formula(
            text="\nwhere ".join([text, *texts[:1]]) + "".join(f"\n      {x}" for x in texts[1:]),
            latex=_aligned(latex, latexes),
            expression=text,
            definitions=MappingProxyType(
                {n.text: p[0].string for n, p in self.definitions.items()}
            ),
            where=MappingProxyType({n.text: _value(x) for n, x in values.items()}),
        )


def _as_piece(name: Name) -> Piece:
    return Part(name.text), Part(name.latex)


def _literal(leaf: Node, number: Any, shape: tuple[int, ...]) -> Piece:
    """A constant without a minus, as a number or as an array."""
    if number is not None and not shape:
        digits = number_text(abs(number))
        text, latex = (language.number(digits) for language in LANGUAGES)
    elif math.prod(shape) <= FEW:
        data = current_data(leaf)
        numbers = list_text(data if number is None else abs(data))
        text, latex = (language.array(numbers) for language in LANGUAGES)
    else:
        digits = number_text(abs(number))
        text, latex = (language.repeated(digits, shape) for language in LANGUAGES)
    return text, latex


def _negated(piece: Piece) -> Piece:
    forms = NEGATION.text, NEGATION.latex
    text, latex = (
        language.fill(form, [part], {}, {})
        for language, form, part in zip(LANGUAGES, forms, piece, strict=True)
        if form is not None
    )
    return text, latex


def _value(leaf: Node) -> float | tuple[int, ...]:
    return float(current_data(leaf)) if not leaf.shape else leaf.shape


def _told(leaf: Node) -> tuple[str, str]:
    """What a name stands for, after it, as text and LaTeX."""
    if not leaf.shape:
        number = current_data(leaf)
        text, latex = (language.number(number_text(abs(number))).string for language in LANGUAGES)
        minus = "-" if number < 0 else ""
        return f"= {minus}{text}", f"= {minus}{latex}"
    letter = "R" if current_data(leaf).dtype.kind == "f" else "Z"
    lengths = r" \times ".join(map(str, leaf.shape))
    return f"has shape {leaf.shape}", rf"\in \mathbb{{{letter}}}^{{{lengths}}}"


def _aligned(expression: str, lines: Sequence[str]) -> str:
    """The expression, and under it what its names stand for."""
    if not lines:
        return expression
    rows = [expression, rf"\text{{where }} {lines[0]}", *lines[1:]]
    body = " \\\\\n".join(f"& {row}" for row in rows)
    return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"
