"""Where a gradient comes from: the paths from an output to an input, and what each contributes.

By the chain rule a derivative is a sum over paths, and what a path contributes is the product of
the local derivatives along it (Bauer 1974, "Computational graphs and rounding error"). There may be
more paths than anyone could list. What is asked about all of them, such as how many they are or
which are the largest, is gathered in one sweep from the output: known for a node's consumers, it
is known for the node.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from itertools import chain
from typing import Any, Final, NamedTuple

import numpy as np

from .backprop import contributions, gradients, seed, without_mask
from .errors import DataError
from .graph import Node, topological_order
from .naming import symbol
from .primitive import Masked, describe, require_unread
from .words import amount, latex_name, name_of, number, shortened

__all__ = ["Edge", "Explanation", "Path", "explain"]

MOST_KEPT: Final = 1000
"""Of arrays so many of the largest and of the smallest contributions are kept at each node."""

MOST_NUMBERS: Final = 2_000_000
"""And fewer where they would have more elements than this."""


def explain(output: Node, wrt: Node, k: int = 10) -> Explanation:
    """Explain the derivative of `output` with respect to `wrt` by the paths that it flows along.

    Each edge of a path multiplies what comes from upstream by its local derivative, and the
    derivative is the sum over all paths. Of more than `k` paths the `k` that contribute most.

    Parameters
    ----------
    output : Node
        A scalar.
    wrt : Node
        A leaf or a node in between.
    k : int
        How many paths to show at most.

    Returns
    -------
    Explanation
        Shows itself in a notebook; ``print`` shows it as text.

    Raises
    ------
    GradientError
        If `wrt` or `output` is a constant, or `output` has several elements.
    StaleGraphError, ReplayError
        As for `backward`.
    DataError
        If `k` is not a whole number from 1.

    Notes
    -----
    Of single numbers the paths are the largest, though there may be 2**500, found in time of the
    order of edges times `k`. Of arrays an edge is a linear map: what a path contributes is the
    cotangent pulled back along it alone, and its magnitude the Euclidean norm. All paths are
    followed where they are at most 2000 (fewer of large arrays); of more, those with the largest
    contributions so far at each node, so a larger one may be missed: `Explanation.is_certain`.

    Products are those of IEEE 754 as in the backward pass: 0 times an infinite derivative is nan.
    A nan counts as larger than any number. Edges that pass nothing on, such as to the branch that
    `where` did not take, belong to no path.

    ``draw(output, path=explanation.paths[0])`` highlights the largest path in a picture.

    Examples
    --------
    >>> from autograd import Value, explain
    >>> a, b, c = Value(2.0, label="a"), Value(-3.0, label="b"), Value(7.9, label="c")
    >>> y = (a * b + c).tanh()
    >>> y.label = "y"
    >>> print(explain(y, a))
    dy/da = -0.2568: 1 path
      y -> + -> × -> a:  0.08561 · 1 · -3 = -0.2568
    """
    require_unread(output, "explain()")
    if not isinstance(wrt, Node):
        raise DataError(f"explain: wrt is one Value or Tensor, got {describe(wrt)}")
    gradient = gradients(output, wrt)
    if isinstance(gradient, np.ndarray):
        gradient.flags.writeable = False
    most = _number_of_paths(k)
    routes = _routes(output, wrt)
    count = _count(routes, output, wrt)
    if all(route.local is not None for edges in routes.values() for route in edges):
        parts, is_certain = _largest_products(routes, output, wrt, most), True
        magnitude = _magnitude(routes, output, wrt)
    else:
        most_elements = max(1, *(math.prod(node.shape) for node in (*routes, wrt)))
        keep = max(most, min(MOST_KEPT, MOST_NUMBERS // most_elements))
        parts, is_certain = _largest_pulls(routes, output, wrt, keep), count <= 2 * keep
        count, magnitude = len(parts) if is_certain else count, math.nan
    paths = tuple(Path(output, _shown(part.value), part.trail) for part in parts[:most])
    return Explanation(output, wrt, gradient, count, paths, magnitude, is_certain)


def _number_of_paths(k: Any) -> int:
    try:
        whole = 0 if isinstance(k, bool) else operator.index(k)
    except TypeError:
        whole = 0
    if not 1 <= whole <= MOST_KEPT:
        raise DataError(
            f"explain: k, how many paths to show, is a whole number from 1 to {MOST_KEPT}, "
            f"got {describe(k)}"
        )
    return whole


# --------------------------------------------------------------------------- what it tells


class Edge(NamedTuple):
    """One arrow of a path, from a node to the operand that its cotangent goes on to.

    Attributes
    ----------
    node : Node
    index : int
        Which of the node's inputs.
    local : float or None
        The derivative of the node with respect to that operand; None where it is a linear map.
    upstream : float or ndarray
        What the path contributes to the cotangent of the node.
    contribution : float or ndarray
        What it contributes to that of the operand: of numbers `local` times `upstream`.

    Examples
    --------
    >>> from autograd import Value, explain
    >>> a = Value(3.0, label="a")
    >>> edge = explain(5.0 * (a * a), a).paths[0].edges[1]
    >>> edge.local, edge.upstream, edge.contribution, edge.input is a
    (3.0, 5.0, 15.0, True)
    """

    node: Node
    index: int  # type: ignore[assignment]  # no tuple to search in
    local: float | None
    upstream: Any
    contribution: Any

    @property
    def input(self) -> Node:
        """The node that it leads to."""
        return self.node.inputs[self.index]


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Path:
    """One way from an output to an input, and what flows along it.

    Attributes
    ----------
    output : Node
        Where it begins.
    product : float or ndarray
        What it contributes to the derivative: of numbers the product of the local derivatives.

    Examples
    --------
    >>> from autograd import Value, explain
    >>> a = Value(3.0, label="a")
    >>> (path,) = explain((a * 2.0).log(), a).paths
    >>> print(path)
    log -> × -> a:  0.1667 · 2 = 0.3333
    >>> len(path.nodes), len(path.edges), round(path.product, 4)
    (3, 2, 0.3333)
    """

    output: Node
    product: Any
    _trail: _Trail | None

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes, the output first."""
        return (self.output, *(step.input for step in self._steps()))

    @property
    def edges(self) -> tuple[Edge, ...]:
        """The edges, in the same order.

        Of arrays they are computed when asked for: a `StaleGraphError` if data changed meanwhile.
        """
        return tuple(self._edges())

    def _edges(self) -> Iterator[Edge]:
        steps = self._steps()
        of_numbers = steps and steps[0].local is not None
        value: Any = 1.0 if of_numbers else seed(self.output, None)
        for step in steps:
            upstream = value
            if step.local is not None:
                value = upstream * step.local
            else:
                sent = {i: c for i, _, c in contributions(step.node, upstream)}
                value = sent[step.operand]
            yield Edge(step.node, step.operand, step.local, _shown(upstream), _shown(value))

    def _steps(self) -> list[_Trail]:
        steps: list[_Trail] = []
        step = self._trail
        while step is not None:
            steps.append(step)
            step = step.before
        return steps[::-1]

    def _route(self, style: _Style) -> str:
        """The names of the nodes, and which operand where one is used twice."""

        def words(step: _Trail) -> str:
            uses = sum(x is step.input for x in step.node.inputs)
            return style.name(step.input) + style.operand.format(step.operand + 1) * (uses > 1)

        names = [style.name(self.output), *shortened(self._steps(), words, style.more)]
        return style.arrow.join(names)

    def _term(self, style: _Style) -> str:
        """The product of the local derivatives; nothing if it has none, as of arrays."""
        factors = [step.local for step in self._steps() if step.local is not None]
        return style.times.join(shortened(factors, style.factor, style.more))

    def __str__(self) -> str:
        term, product = self._term(TEXT), amount(self.product)
        is_product = TEXT.times in term
        return f"{self._route(TEXT)}:  {f'{term} = {product}' if is_product else product}"

    def __repr__(self) -> str:
        return f"<Path {self}>"


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """A derivative as the sum over its paths; `explain` makes one.

    Attributes
    ----------
    output, wrt : Node
    gradient : float or ndarray
        The derivative of `output` with respect to `wrt`, by the backward pass.
    count : int
        How many paths there are.
    paths : tuple of Path
        Those that contribute most, the largest first.
    magnitude : float
        The sum of the absolute values of all paths' products; nan for arrays.
    is_certain : bool
        Whether no larger path was missed.

    Examples
    --------
    >>> from autograd import Value, explain
    >>> x = Value(1.0, label="x")
    >>> y = x
    >>> for _ in range(500):
    ...     y = 0.5 * y + 0.5 * y
    >>> why = explain(y, x, k=2)
    >>> why.count == 2**500, why.gradient, len(why.paths)
    (True, 1.0, 2)
    """

    output: Node
    wrt: Node
    gradient: Any
    count: int
    paths: tuple[Path, ...]
    magnitude: float
    is_certain: bool

    @property
    def share(self) -> float:
        """The sum of the shown paths beside the gradient: 1 if they are all of it.

        It exceeds 1, or is negative, where the other paths cancel a part. For arrays it is that of
        the component along the gradient; nan where the gradient is 0 or not finite.
        """
        if self._is_complete:
            return 1.0
        with np.errstate(all="ignore"):
            scale = np.max(np.abs(self.gradient), initial=0.0)
            gradient, shown = np.ravel(self.gradient) / scale, np.ravel(self._sum) / scale
            return float(shown @ gradient / (gradient @ gradient))

    @property
    def magnitude_share(self) -> float:
        """What part of `magnitude` the paths shown have: between 0 and 1, whatever cancels.

        nan for arrays, and where `magnitude` is 0 or not finite.
        """
        if not 0 < self.magnitude < math.inf:
            return math.nan
        return float(sum(abs(path.product) for path in self.paths)) / self.magnitude

    @property
    def text(self) -> str:
        """The paths in words, one a line, under the derivative."""
        return "\n  ".join([self._heading, *map(str, self.paths), *self._balance()])

    @property
    def latex(self) -> str:
        """The derivative as a sum of products, for math mode, without the dollars."""
        y = _latex_of(self.output) if self.output.label else r"\mathrm{output}"
        x = _latex_of(self.wrt) if self.wrt.label else r"\mathrm{input}"
        lines = [
            f"&{'+' if i else '='} {path._term(LATEX) or _latex_amount(path.product)} "
            f"&& {path._route(LATEX)}"
            for i, path in enumerate(self.paths)
        ]
        if not self._is_complete:
            lines.append(rf"&+ \cdots && \text{{{self._others}}}")
        lines.append(f"&= {_latex_amount(self.gradient)}")
        lines[0] = rf"\frac{{\partial {y}}}{{\partial {x}}} {lines[0]}"
        return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"

    @property
    def _is_complete(self) -> bool:
        return len(self.paths) == self.count

    @property
    def _sum(self) -> Any:
        with np.errstate(all="ignore"):
            return sum(path.product for path in self.paths)

    @property
    def _heading(self) -> str:
        y, x = _derivative(self.output, "output"), _derivative(self.wrt, "input")
        if not self.count:
            which = f"no path leads from {name_of(self.output)} to {name_of(self.wrt)}"
        elif self._is_complete:
            which = _counted(self.count)
        else:
            found = "" if self.is_certain else " found"
            shown = len(self.paths)
            which = f"the {f'{shown:,} ' * (shown > 1)}largest{found} of {_counted(self.count)}"
        return f"{y}/{x} = {amount(self.gradient)}: {which}"

    @property
    def _others(self) -> str:
        rest = self.count - len(self.paths)
        return "the other path" if rest == 1 else f"the other {_counted(rest)}"

    def _balance(self) -> Iterator[str]:
        """How the paths shown add up, in lines."""
        of_numbers = np.ndim(self._sum) == 0
        if not self._is_complete and of_numbers:
            gradient = float(np.ravel(self.gradient)[0])
            rest = number(gradient - self._sum)
            yield f"these add up to {number(self._sum)}, {self._others} to {rest}"
            if abs(gradient) < 0.999 * self.magnitude < math.inf:
                whole = number(self.magnitude)
                yield f"positive and negative ones cancel: the absolute values add up to {whole}"
        elif not self._is_complete:
            yield f"these carry {number(self.share)} of the derivative"
        elif len(self.paths) > 1 and of_numbers:
            terms = shortened([path.product for path in self.paths], number)
            yield f"{' + '.join(terms)} = {number(self._sum)}"
        elif len(self.paths) > 1:
            yield "which add up to the derivative"

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<Explanation {self._heading}>"

    def _repr_latex_(self) -> str:
        return rf"$\displaystyle {self.latex}$"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/latex": self._repr_latex_(), "text/plain": self.text}


# --------------------------------------------------------------------------- in words


class _Style(NamedTuple):
    """How paths are written."""

    arrow: str
    name: Callable[[Node], str]
    operand: str
    times: str
    factor: Callable[[float], str]
    more: str


def _counted(count: int) -> str:
    """So many paths, in few characters: Python does not write out ints of 5000 digits."""
    if count < 10**15:
        return f"{count:,} path{'s' * (count != 1)}"
    return f"about {Decimal(count):.2e} paths"


def _derivative(node: Node, otherwise: str) -> str:
    """A node after the d of a derivative."""
    name = name_of(node) if node.label else f"({otherwise})"
    return f"d{name}" if name.isidentifier() or not node.label else f"d({name})"


def _latex_of(node: Node) -> str:
    name = name_of(node)
    return symbol(name) if name.isidentifier() else latex_name(name)


def _latex_number(value: float) -> str:
    text = number(value).replace("inf", r"\infty").replace("nan", r"\mathrm{nan}")
    digits, e, exponent = text.partition("e")
    return rf"{digits} \times 10^{{{int(exponent)}}}" if e else text


def _latex_factor(value: float) -> str:
    text = _latex_number(value)
    return f"({text})" if text.startswith("-") else text


def _latex_amount(value: Any) -> str:
    return rf"\text{{{amount(value)}}}" if np.ndim(value) else _latex_number(value)


TEXT: Final = _Style(" -> ", name_of, " (operand {})", " · ", number, "… {:,} more …")
LATEX: Final = _Style(
    r" \to ",
    _latex_of,
    r"^{{({})}}",
    r" \cdot ",
    _latex_factor,
    r"\cdots\text{{ {:,} more }}\cdots",
)

# --------------------------------------------------------------------------- all paths at once


class _Trail(NamedTuple):
    """The last edge of a path; those before it may be shared with other paths."""

    before: _Trail | None
    node: Node
    operand: int
    local: float | None

    @property
    def input(self) -> Node:
        return self.node.inputs[self.operand]


class _Part(NamedTuple):
    """A path as far as it has come, and what it contributes there."""

    value: Any
    trail: _Trail | None


class _Route(NamedTuple):
    """An edge that passes something on, to a node that leads to the input in question."""

    operand: int
    input: Node
    local: float | None


_Routes = dict[Node, list[_Route]]
"""The nodes that lead to an input, inputs before consumers, each with the edges that do."""


def _routes(output: Node, wrt: Node) -> _Routes:
    routes: _Routes = {}
    for node in topological_order(output):
        if node is wrt or not any(x is wrt or x in routes for x in node.inputs):
            continue
        edges = [
            _Route(i, x, _local(node, x, c))
            for i, x, c in contributions(node, seed(node, np.ones(node.shape)))
            if (x is wrt or x in routes) and not _is_nothing(c)
        ]
        if edges:
            routes[node] = edges
    return routes


def _local(node: Node, x: Node, c: Any) -> float | None:
    """The derivative of one number with respect to another, which `c` is; None of arrays."""
    if math.prod(node.shape) != 1 or math.prod(x.shape) != 1:
        return None
    return float(np.ravel(without_mask(c))[0])


def _shown(value: Any) -> Any:
    """A contribution as a float, or an array that cannot be written to."""
    value = without_mask(value)
    if type(value) is float:
        return value
    array = np.asarray(value).view()
    array.flags.writeable = False
    return array


def _is_nothing(c: Any) -> bool:
    return type(c) is Masked and not c.mask.any()


def _over_paths(
    routes: _Routes,
    output: Node,
    wrt: Node,
    start: Any,
    spread: Callable[[Node, Any], Iterable[tuple[Node, Any]]],
    together: Callable[[list[Any]], Any],
) -> Any:
    """Gather something over all paths, from the output to `wrt`.

    Given what is known of all paths to a node, `spread` says what that makes of them one edge
    further, and `together` joins what arrives at a node.
    """
    arrived = {output: [start]}
    for node in reversed(routes):
        if node in arrived:
            for x, piece in spread(node, together(arrived.pop(node))):
                arrived.setdefault(x, []).append(piece)
    return together(arrived.get(wrt, []))


def _count(routes: _Routes, output: Node, wrt: Node) -> int:
    """How many paths there are."""

    def spread(node: Node, count: int) -> Iterable[tuple[Node, int]]:
        return ((route.input, count) for route in routes[node])

    counted: int = _over_paths(routes, output, wrt, 1, spread, sum)
    return counted


def _magnitude(routes: _Routes, output: Node, wrt: Node) -> float:
    """The sum of the absolute values of all products."""

    def spread(node: Node, magnitude: float) -> Iterable[tuple[Node, float]]:
        return ((x, magnitude * abs(local)) for _, x, local in routes[node] if local is not None)

    return float(_over_paths(routes, output, wrt, 1.0, spread, sum))


def _largest_products(routes: _Routes, output: Node, wrt: Node, keep: int) -> list[_Part]:
    """The largest products of local derivatives, and the smallest."""

    def spread(node: Node, parts: list[_Part]) -> Iterable[tuple[Node, list[_Part]]]:
        for i, x, local in routes[node]:
            if local is not None:
                yield x, [_Part(p.value * local, _Trail(p.trail, node, i, local)) for p in parts]

    start = [_Part(1.0, None)]
    found: list[_Part] = _over_paths(routes, output, wrt, start, spread, partial(_ends, keep))
    return found


def _largest_pulls(routes: _Routes, output: Node, wrt: Node, keep: int) -> list[_Part]:
    """The cotangent pulled back along each path alone, of those that contribute most."""

    def spread(node: Node, parts: list[_Part]) -> Iterable[tuple[Node, list[_Part]]]:
        for part in parts:
            sent = {i: c for i, _, c in contributions(node, part.value)}
            for i, x, _ in routes[node]:
                if i in sent and not _is_nothing(sent[i]):
                    yield x, [_Part(sent[i], _Trail(part.trail, node, i, None))]

    start = [_Part(seed(output, None), None)]
    found: list[_Part] = _over_paths(routes, output, wrt, start, spread, partial(_ends, keep))
    return found


def _ends(keep: int, arrived: list[list[_Part]]) -> list[_Part]:
    """The largest parts and, since an infinite derivative makes nan of a 0, the smallest.

    Between these, multiplying by one number keeps the order.
    """
    parts = [*chain.from_iterable(arrived)]
    parts.sort(key=_size, reverse=True)
    return parts if len(parts) <= 2 * keep else parts[:keep] + parts[-keep:]


def _size(part: _Part) -> tuple[bool, float]:
    """What parts are sorted by: nan above all numbers."""
    value = without_mask(part.value)
    if type(value) is float:
        size = abs(value)
    else:
        with np.errstate(all="ignore"):
            size = float(np.linalg.norm(np.ravel(value)))
    return (True, 0.0) if math.isnan(size) else (False, size)
