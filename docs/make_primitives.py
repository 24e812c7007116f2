"""Write docs/primitives.md, the table of every primitive, from the registry.

``python docs/make_primitives.py`` writes the page. With ``--peers`` it first asks PyTorch and JAX
what they compute at the special points, and keeps their answers in docs/peers.json.

A derivative is not typed in: the primitive is recorded on leaves, its gradient is recorded too,
and that graph is printed.
"""

from __future__ import annotations

import importlib
import inspect
import json
import math
import operator
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import nn  # noqa: F401 (it registers a primitive)
from autograd import Tensor, Value, gradients
from autograd.graph import Node, topological_order
from autograd.primitive import REGISTRY, Example, Interval, Primitive

HERE = Path(__file__).parent
PAGE, PEERS = HERE / "primitives.md", HERE / "peers.json"
LONGEST = 140  # characters of a derivative that is still worth reading in a table

# What those compute that no public function of their name explains.
INTERNAL = {
    "add_at": "Add `value` to the elements at an index: `x.at[index].add(value)`",
    "as_value": "Make a `Value` of an array of one element",
    "astype": "Convert to another floating dtype",
    "cofactor": "Matrices of cofactors, made from singular values: the derivative of `det`",
    "custom": "Call a function whose derivative the user states: `custom_vjp`",
    "mean_cross_entropy": "Average `cross_entropy` over the rows",
    "modified_bessel": "Modified Bessel function of the first kind, of order `n`",
    "recurrence": "Run `out[i] = b[i] + a[i] * out[i - 1]` along the last axis",
    "set_at": "Replace the elements at an index by `value`: `x.at[index].set(value)`",
    "sort_like": "Permute `x` along an axis as sorting `key` would",
    "spherical_bessel": "Spherical Bessel function of the first kind, of order `n`",
    "unsort_like": "Undo `sort_like`",
}
# Derivatives that depend on the call.
DERIVATIVES = {
    "checkpoint": "that of the function, which is recorded now",
    "custom": "what the function's `pullback` states",
}


def main() -> None:
    if "--peers" in sys.argv[1:]:
        PEERS.write_text(peers_text(measured_peers()), encoding="utf-8", newline="\n")
    PAGE.write_text(page(known_peers()), encoding="utf-8", newline="\n")


def known_peers() -> dict[str, Any]:
    """What docs/peers.json holds."""
    content: dict[str, Any] = json.loads(PEERS.read_text(encoding="utf-8"))
    return content


# --------------------------------------------------------------------------- numbers as text

KNOWN = {math.pi: "π", math.log(2.0): "ln 2", math.log(10.0): "ln 10"}


def number(x: float, digits: int = 4) -> str:
    """A number in four digits, without a sign at 0; a few constants by name."""
    if x < 0.0:
        return "−" + number(-x, digits)
    if x in KNOWN:
        return KNOWN[x]
    text = f"{x + 0.0:.{digits}g}" if x else "0"
    return re.sub(r"e([+-])0*(\d+)", lambda m: f"e{m[1].strip('+')}{m[2]}", text).replace("-", "−")


def param(x: Any) -> str:
    """A parameter as one would write it."""
    match x:
        case slice():
            start, stop = ("" if part is None else param(part) for part in (x.start, x.stop))
            return f"{start}:{stop}" + (f":{x.step}" if x.step not in (None, 1) else "")
        case tuple() if any(isinstance(part, (slice, np.ndarray)) or part is ... for part in x):
            return ", ".join(map(param, x))
        case tuple():
            return f"({', '.join(map(param, x))}{',' * (len(x) == 1)})"
        case float():
            return number(x)
        case np.ndarray():
            return str(x.tolist())
        case str():
            return f'"{x}"'
    if x is ...:
        return "..."
    return getattr(x, "__name__", None) or str(x)


def params(given: Mapping[str, Any]) -> str:
    """Parameters, but for those that were not asked for."""
    shown = {k: v for k, v in given.items() if v is not None and v is not False}
    return ", ".join(one_param(name, value) for name, value in shown.items())


def one_param(name: str, value: Any) -> str:
    if value is True:
        return name
    if name == "index":
        return f"[{param(value)}]"
    return param(value) if name in ("shape", "axes", "subscripts") else f"{name}={param(value)}"


# --------------------------------------------------------------------------- graphs as text

# How tightly a text holds together.
SUM, PRODUCT, SIGN, POWER, ATOM = range(5)
INFIX = {"+": SUM, "−": SUM, "×": PRODUCT, "÷": PRODUCT, "@": PRODUCT, "**": POWER}
PREFIX, POSTFIX = {"−": SIGN, "√": POWER}, {"²": POWER}
Text = tuple[str, int]


class Printer:
    """Prints the graph of a node as an expression of the labelled nodes."""

    def __init__(self, names: Mapping[float, str], masks: Sequence[Node]) -> None:
        self.names = names
        self.masks = masks
        self.texts: dict[Node, Text] = {}

    def __call__(self, node: Node) -> str:
        for x in topological_order(node):
            if x not in self.texts:
                self.texts[x] = self.text(x)
        return self.texts[node][0]

    def text(self, x: Node) -> Text:
        """The text of a node whose inputs have theirs."""
        if x.label:
            one = x.label.isidentifier() or x.label.startswith("count(")
            return x.label, ATOM if one else SUM
        if x.primitive is None:
            return self.constant(np.asarray(x._raw))
        inputs = [self.texts[i] for i in x.inputs]
        if x.primitive.name in ("reshape", "broadcast_to") and x.shape == x.inputs[0].shape:
            return inputs[0]
        if any(len(text) > LONGEST for text, _ in inputs):
            return "…" * (LONGEST + 1), ATOM
        return operation(x.primitive, inputs, x.params)

    def constant(self, data: np.ndarray) -> Text:
        if data.dtype == bool:
            return self.mask(data)
        values = np.unique(data)
        if values.size > 1:
            return "c", ATOM
        x = float(values[0])
        return self.names.get(x, number(x)), SIGN if x < 0.0 else ATOM

    def mask(self, data: np.ndarray) -> Text:
        for known in self.masks:
            if np.array_equal(known._raw, data):
                return known.label, ATOM
            if np.array_equal(known._raw, ~data):
                return f"not {known.label}", SUM
        return "mask", ATOM


def operation(primitive: Primitive, inputs: Sequence[Text], given: Mapping[str, Any]) -> Text:
    """The text of a primitive applied to texts."""
    label, (a, *others) = primitive.label, inputs
    if primitive.name == "identity":
        return a
    if primitive.name == "getitem":
        return within(a, ATOM) + params(given), ATOM
    if primitive.name == "transpose" and given["axes"] in (None, (1, 0)):
        return f"{within(a, ATOM)}.T", ATOM
    if len(inputs) == 2 and label in INFIX:
        return infix(label, a, others[0])
    if not others and label in PREFIX:
        return label + within(a, PREFIX[label] + (label != "−")), PREFIX[label]
    if not others and label in POSTFIX:
        return within(a, ATOM) + label, POSTFIX[label]
    arguments = [text for text, _ in inputs] + ([params(given)] if params(given) else [])
    return f"{primitive.name}({', '.join(arguments)})", ATOM


def infix(label: str, a: Text, b: Text) -> Text:
    if label == "×" and "1" in (a[0], b[0]):
        return a if b[0] == "1" else b
    if label == "+" and "0" in (a[0], b[0]):
        return a if b[0] == "0" else b
    level = INFIX[label]
    right = within(b, ATOM) if b[1] == SIGN else within(b, level + 1)
    return f"{within(a, level + (label == '**'))} {label} {right}", level


def within(text: Text, level: int) -> str:
    """A text, in brackets where it holds together less tightly than needed."""
    return text[0] if text[1] >= level else f"({text[0]})"


# --------------------------------------------------------------------------- conditions

# Comparing nodes gives plain bools, so a recorded gradient does not show what `where` asked.
COMPARISONS = {
    "__lt__": "<",
    "__le__": "≤",
    "__gt__": ">",
    "__ge__": "≥",
    "__eq__": "=",
    "__ne__": "≠",
}


class Condition(Tensor):
    """A constant that remembers, in its label, which comparison made it."""

    __slots__ = ()

    def __and__(self, other: Any) -> Any:
        return Condition(self._raw & other._raw, label=f"({self.label}) and ({other.label})")

    def __or__(self, other: Any) -> Any:
        return Condition(self._raw | other._raw, label=f"({self.label}) or ({other.label})")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *xs: Any, **options: Any) -> Any:
        if (ufunc, method) != (np.add, "reduce"):
            return super().__array_ufunc__(ufunc, method, *xs, **options)
        return Tensor(np.add.reduce(self._raw, **options), label=f"count({self.label})")


@contextmanager
def named_comparisons(printer: Printer) -> Iterator[None]:
    """Let comparisons of arrays give conditions that know their text."""

    def named(name: str, sign: str) -> Callable[..., Any]:
        compare = getattr(operator, name)

        def method(self: Tensor, other: Any) -> Any:
            other = other if isinstance(other, Node) else Tensor(other)
            label = f"{printer(self)} {sign} {printer(other)}"
            return Condition(compare(self._raw, other._raw), label=label)

        return method

    for name, sign in COMPARISONS.items():
        setattr(Tensor, name, named(name, sign))
    try:
        yield
    finally:
        for name in COMPARISONS:
            delattr(Tensor, name)


# --------------------------------------------------------------------------- derivatives


def chosen_example(primitive: Primitive) -> Example:
    """The example to print: the first of matrices, if there is one."""
    if primitive.elementwise:
        return Example(((2,),) * len(primitive.domain), parameters(primitive))
    simple = [e for e in primitive.examples if not any(map(is_array, e.params.values()))]
    small = [e for e in simple if all(len(shape) < 3 for shape in e.shapes)]
    return max(small, key=lambda e: sum(len(shape) for shape in e.shapes[:2]))


def is_array(x: Any) -> bool:
    return any(map(is_array, x)) if isinstance(x, tuple) else isinstance(x, np.ndarray)


def parameters(primitive: Primitive) -> dict[str, Any]:
    return primitive.examples[0].params if primitive.examples else {}


def operand_names(primitive: Primitive, count: int) -> list[str]:
    """What the pullbacks call the operands."""
    given = list(inspect.signature(rule_of(primitive)).parameters.values())
    after = given[[p.name for p in given].index("out") + 1 :]
    any_number = after[0].kind is inspect.Parameter.VAR_POSITIONAL
    return [*"xyz"][:count] if any_number else [p.name for p in after][:count]


def rule_of(primitive: Primitive) -> Any:
    """The first pullback as a function."""
    rules = primitive.pullbacks
    return rules.rule if hasattr(rules, "rule") else next(filter(None, rules), None)


def numbers_for(primitive: Primitive, index: int, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers for an operand: those of elementwise primitives need not lie in the domain."""
    interval, size = primitive.domain_of(index), math.prod(shape)
    if primitive.elementwise:
        if list(primitive.pullbacks)[index] is None:
            return np.arange(size).reshape(shape) % 2 == 0
        return np.resize([[2.5, 7.3], [1.1, 0.9], [0.3, 0.7]][index], shape)
    if interval.whole:
        return np.resize(np.arange(interval.low, interval.high + 1), shape).astype(int)
    return np.linspace(interval.low, interval.high, size + 2)[1:-1].reshape(shape)


def recorded(primitive: Primitive) -> list[tuple[str, str]]:
    """For each operand its name and the derivative, as printed from the recorded graph."""
    example = chosen_example(primitive)
    names = operand_names(primitive, len(example.shapes))
    arrays = [numbers_for(primitive, i, shape) for i, shape in enumerate(example.shapes)]
    operands = [Tensor(np.array(x)) for x in primitive.prepared(arrays)]
    given = {
        k: 0.7123 + 0.1 * i if type(v) is float and primitive.elementwise else v
        for i, (k, v) in enumerate(example.params.items())
    }
    for x, name in zip(operands, names, strict=True):
        x.label = name
    printer = Printer({v: k for k, v in given.items() if type(v) is float}, operands)
    with named_comparisons(printer):
        out = primitive(*operands, **given)
        out.label = "out"
        kind = Value if isinstance(out, Value) else Tensor
        g = kind(np.linspace(0.6, 1.4, out.size).reshape(out.shape), label="g")
        rules = zip(operands, names, primitive.pullbacks, strict=False)
        return [
            (name, derivative(out, x, g, printer) if rule is not None else "")
            for x, name, rule in rules
        ]


def derivative(out: Node, x: Node, g: Node, printer: Printer) -> str:
    return printer(gradients(out, x, cotangent=g, differentiable=True))


# --------------------------------------------------------------------------- cells


def source(module: str) -> str:
    return "../" + module.replace(".", "/") + ".py"


def sentence(text: str) -> str:
    """The first sentence, without its full stop."""
    first = re.split(r"(?<!al)(?<!eq)\.(?:\s|$)", " ".join(text.split("\n\n")[0].split()))[0]
    return first.replace("``", "`").replace(", elementwise", "").rstrip(":")


def computes(primitive: Primitive) -> str:
    """The first sentence of what is written about it."""
    if primitive.name in INTERNAL:
        return INTERNAL[primitive.name]
    modules = [importlib.import_module(name) for name in (primitive.module, *FAMILIES)]
    functions = [getattr(module, primitive.name, None) for module in modules]
    return next(sentence(f.__doc__) for f in functions if inspect.isfunction(f) and f.__doc__)


def derivative_cell(primitive: Primitive) -> str:
    if primitive.name in DERIVATIVES:
        return DERIVATIVES[primitive.name]
    found = recorded(primitive)
    lines = []
    for name, text in found:
        head = f"{name}: " if len(found) > 1 else ""
        if len(text) > LONGEST:
            return f"[`{rule_of(primitive).__name__}`]({source(primitive.module)})"
        lines.append(head + (f"`{text}`" if text else "no gradient"))
    return "<br>".join(lines)


def interval_text(interval: Interval) -> str:
    text = f"{number(interval.low)} to {number(interval.high)}"
    if interval.whole:
        text = f"whole, {text}"
    if interval.kinks:
        text += (
            f"; kink{'s' * (len(interval.kinks) > 1)} at {', '.join(map(number, interval.kinks))}"
        )
    if interval.prepare is not None:
        made = sentence(interval.prepare.__doc__ or "").removeprefix("Make ")
        text += ", made into " + re.sub(r", (likewise|of numbers.*)$", "", made)
    return text


def domain_cell(primitive: Primitive) -> str:
    texts = [interval_text(interval) for interval in primitive.domain]
    if len(set(texts)) == 1:
        return texts[0]
    names = operand_names(primitive, len(texts))
    return "<br>".join(f"{name}: {text}" for name, text in zip(names, texts, strict=True))


def example_cell(primitive: Primitive) -> str:
    if not primitive.examples:
        return ""
    example = chosen_example(primitive)
    shapes = [] if primitive.elementwise else [", ".join(map(param, example.shapes))]
    return "; ".join(f"`{text}`" for text in [*shapes, params(example.params)] if text)


def row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join([row(*head), row(*["---"] * len(head)), *[row(*cells) for cells in rows]])


# --------------------------------------------------------------------------- the page

INTRODUCTION = """\
# Primitives

Written by [`make_primitives.py`](make_primitives.py) from the registry: not to be edited. A
[primitive](../autograd/primitive.py) is one node of a graph, the public functions are made of them.

- **derivative**: what the cotangent `g` of the output becomes for each operand, printed from the
  recorded gradient of the example; `out` is the output, `c` stands for numbers and `mask`
  for bools that count as constant, `count` for how many there are along the axes. Numbers are
  rounded. What was repeated by broadcasting is summed afterwards. A name instead of a formula is
  the function that computes a longer one.
- **tested on**: where the test-suite samples operands, away from the kinks: not where the function
  is defined, which is everywhere that NumPy's is.
- **example**: shapes and parameters, those of the printed derivative.

A derivative of a *structural* primitive only moves cotangents, adds them up and scales them.
"""

OPS = ("arithmetic", "elementary", "comparison", "reduction", "shape", "indexing", "linalg")
FAMILIES = (
    *[f"autograd.ops.{name}" for name in (*OPS, "decomposition", "signal")],
    *("autograd.custom", "nn.losses"),
)


IN_RECORDINGS = ("unread", "replay", "gather", "spread")


def registered() -> dict[str, list[Primitive]]:
    """The primitives of both packages by the module that defines them, in order of definition.

    Those with a derivative, and without those that stand for others in a recording of `jit`.
    """
    found: dict[str, list[Primitive]] = {family: [] for family in FAMILIES}
    for primitive in REGISTRY.values():
        if not primitive.has_derivative or primitive.name in IN_RECORDINGS:
            continue
        if primitive.module.split(".")[0] in ("autograd", "nn"):
            found.setdefault(primitive.module, []).append(primitive)
    return {family: members for family, members in found.items() if members}


def named(members: Sequence[Primitive], what: str) -> str:
    """Which primitives of a family are so."""
    such = [f"`{p.name}`" for p in members if getattr(p, what)]
    if not such:
        return ""
    if len(such) == len(members):
        return f"All are {what}. "
    return f"{what.title()}: {', '.join(such)}. "


def references(module: str) -> str:
    text = importlib.import_module(module).__doc__ or ""
    cited = [part for part in text.split("\n\n") if part.startswith("Derivatives: ")]
    return "\n\n".join(part.strip() for part in cited)


def family(module: str, members: Sequence[Primitive]) -> str:
    kinds = (named(members, "elementwise") + named(members, "structural")).strip()
    about = (kinds, references(module))
    has_examples = any(p.examples for p in members)
    head = ["name", "drawn as", "computes", "derivative", "tested on", "example"]
    rows = [
        [
            f"`{p.name}`",
            "" if p.label == p.name else p.label.replace("*", r"\*"),
            computes(p),
            derivative_cell(p),
            domain_cell(p),
            example_cell(p),
        ]
        for p in members
    ]
    if not has_examples:
        head, rows = head[:-1], [cells[:-1] for cells in rows]
    title = f"## [{module.replace('.', '/')}.py]({source(module)})"
    return "\n\n".join(part for part in (title, *about, table(head, rows)) if part) + "\n"


def page(peers: Mapping[str, Any]) -> str:
    families = [family(module, members) for module, members in registered().items()]
    return "\n".join([INTRODUCTION, *families, special_points(peers)])


# --------------------------------------------------------------------------- special points

inf, nan = math.inf, math.nan
ONE = [0.0, -0.0, 1.0, -1.0, 1e-300, 800.0, -800.0, 1e300, -1e300, inf, -inf, nan]
EACH_OF_TWO = [0.0, -0.0, 1.0, -2.0, 1e200, inf, -inf, nan]

# What the others call it where it is not torch.name(x, y) and jax.numpy.name(x, y).
IN_TORCH = {
    "cbrt": None,
    "clip": "torch.clamp(x, low, high)",
    "degrees": "torch.rad2deg(x)",
    "elu": "torch.nn.functional.elu(x, alpha)",
    "gelu": "torch.nn.functional.gelu(x)",
    "identity": "torch.clone(x)",
    "leaky_relu": "torch.nn.functional.leaky_relu(x, slope)",
    "modified_bessel": "torch.special.i1(x)",
    "radians": "torch.deg2rad(x)",
    "silu": "torch.nn.functional.silu(x)",
    "softplus": "torch.nn.functional.softplus(x)",
    "spherical_bessel": None,
}
IN_JAX = {
    "clip": "jax.numpy.clip(x, low, high)",
    "div": "jax.numpy.divide(x, y)",
    "elu": "jax.nn.elu(x, alpha)",
    "erf": "jax.scipy.special.erf(x)",
    "erfc": "jax.scipy.special.erfc(x)",
    "gelu": "jax.nn.gelu(x, approximate=False)",
    "identity": "jax.numpy.positive(x)",
    "leaky_relu": "jax.nn.leaky_relu(x, slope)",
    "modified_bessel": "jax.scipy.special.i1(x)",
    "mul": "jax.numpy.multiply(x, y)",
    "neg": "jax.numpy.negative(x)",
    "relu": "jax.nn.relu(x)",
    "sigmoid": "jax.nn.sigmoid(x)",
    "silu": "jax.nn.silu(x)",
    "softplus": "jax.nn.softplus(x)",
    "spherical_bessel": None,
    "sub": "jax.numpy.subtract(x, y)",
}
OTHERS = {"torch": IN_TORCH, "jax": IN_JAX}
Results = list[str]  # of each point the value and the slopes, such as "0; 0.5, 0.5"


def compared() -> list[Primitive]:
    """The elementwise primitives of one or two operands that say something at special points."""
    everything = [p for members in registered().values() for p in members]
    return [p for p in everything if p.elementwise and len(p.domain) < 3 and p.name != "astype"]


def points_of(primitive: Primitive) -> list[tuple[float, ...]]:
    if len(primitive.domain) == 2:
        return list(product(EACH_OF_TWO, repeat=2))
    different = dict.fromkeys(map(repr, [*ONE, *primitive.domain[0].kinks]))  # 0 and -0 are
    return [(float(x),) for x in different]


def expression(primitive: Primitive, library: str) -> str | None:
    """How another library writes the primitive; None where it has none."""
    arguments = ", ".join("xy"[: len(primitive.domain)])
    default = {"torch": "torch", "jax": "jax.numpy"}[library] + f".{primitive.name}({arguments})"
    return OTHERS[library].get(primitive.name, default)


def results(value: Any, slopes: Sequence[Any]) -> Results:
    columns = [np.asarray(column, float).ravel().tolist() for column in (value, *slopes)]
    rows = zip(*columns, strict=True)
    return [f"{number(y)}; {', '.join(map(number, gs))}" for y, *gs in rows]


def ours(primitive: Primitive) -> Results:
    """What a Tensor and a Value give, which is the same."""
    given, points = parameters(primitive), points_of(primitive)
    columns = [Tensor(column) for column in zip(*points, strict=True)]
    out = primitive(*columns, **given)
    found = results(out.data, gradients(out, columns, cotangent=np.ones(len(points))))
    for point, expected in zip(points, found, strict=True):
        xs = [Value(x) for x in point]
        y = primitive(*xs, **given)
        (single,) = results(y.data, gradients(y, xs))
        if single != expected:
            raise AssertionError(f"{primitive.name} at {point}: Value {single}, Tensor {expected}")
    return found


def by_torch(primitive: Primitive) -> Results:
    import torch

    columns = zip(*points_of(primitive), strict=True)
    xs = [torch.tensor(column, dtype=torch.float64, requires_grad=True) for column in columns]
    names = {"torch": torch, **dict(zip("xy", xs, strict=False)), **parameters(primitive)}
    out = eval(str(expression(primitive, "torch")), names)
    return results(out.detach(), torch.autograd.grad(out, xs, torch.ones_like(out)))


def by_jax(primitive: Primitive) -> Results:
    import jax
    import jax.numpy as jnp

    def function(*xs: Any) -> Any:
        names = {"jax": jax, **dict(zip("xy", xs, strict=False)), **parameters(primitive)}
        return eval(str(expression(primitive, "jax")), names)

    with jax.enable_x64(True):
        xs = [jnp.array(column) for column in zip(*points_of(primitive), strict=True)]
        out, pull = jax.vjp(function, *xs)
        return results(out, pull(jnp.ones_like(out)))


MEASURE = {"torch": by_torch, "jax": by_jax}


def measured(library: str, primitives: Sequence[Primitive]) -> dict[str, list[str]]:
    """What another library gives at the points of each primitive that it has."""
    return {p.name: MEASURE[library](p) for p in primitives if expression(p, library)}


def versions() -> dict[str, str]:
    found = {name: importlib.import_module(name).__version__ for name in MEASURE}
    return {name: version.split("+")[0] for name, version in found.items()}


def measured_peers() -> dict[str, Any]:
    return {"versions": versions(), **{name: measured(name, compared()) for name in MEASURE}}


def peers_text(peers: Mapping[str, Any]) -> str:
    """As JSON, a line a primitive."""
    about = "Value and slopes at the points of docs/make_primitives.py, which measures them."
    lines = {
        library: {name: " | ".join(found) for name, found in peers[library].items()}
        for library in MEASURE
    }
    content = {"about": about, "versions": peers["versions"], **lines}
    return json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def at_kink(primitive: Primitive, point: tuple[float, ...]) -> bool:
    return len(point) == 1 and point[0] in primitive.domain[0].kinks


def compared_rows(primitive: Primitive, peers: Mapping[str, Any]) -> list[list[str]]:
    """The points where the three differ, and kinks: a row for those that give the same."""
    columns = [ours(primitive)]
    for library in MEASURE:
        known = peers[library].get(primitive.name)
        columns.append(known.split(" | ") if known else [""] * len(columns[0]))
    names = operand_names(primitive, len(primitive.domain))
    rows: dict[tuple[str, ...], list[tuple[float, ...]]] = {}
    for point, *found in zip(points_of(primitive), *columns, strict=True):
        if len({*found} - {""}) > 1 or at_kink(primitive, point):
            rows.setdefault(tuple(found), []).append(point)
    return [
        [
            points_text(points, names),
            own,
            *["—" if not x else "same" if x == own else x for x in others],
        ]
        for (own, *others), points in rows.items()
    ]


def points_text(points: Sequence[tuple[float, ...]], names: Sequence[str]) -> str:
    """Points, those of two operands as products of sets."""
    if len(points[0]) == 1:
        return set_text([x for (x,) in points])
    partners: dict[str, tuple[float, list[float]]] = {}
    for x, y in points:
        partners.setdefault(repr(x), (x, []))[1].append(y)
    products: dict[str, list[float]] = {}
    for x, ys in partners.values():
        products.setdefault(set_text(ys), []).append(x)
    x, y = names
    return "<br>".join(f"{x} {set_text(xs)}; {y} {ys}" for ys, xs in products.items())


def set_text(xs: Sequence[float]) -> str:
    """Numbers, those of both signs as ±."""
    texts = ["−0" if repr(x) == "-0.0" else number(x) for x in xs]
    if len(texts) == len(EACH_OF_TWO):
        return "any"
    both = {text for text in texts if "−" + text in texts}
    shown = [text for text in texts if text.removeprefix("−") not in both or text in both]
    return ", ".join("±" * (text in both) + text for text in shown)


SPECIAL = """\
What elementwise primitives of one and two operands compute at {points}, and at their kinks; for two
operands at every pair of {pairs}. A cell holds the value and then the slope for each operand, in
four digits, where −0 counts as 0. Listed are the points where this package (`Value` and `Tensor`
give the same), PyTorch {torch} and JAX {jax} do not all agree, and every kink of a function of one
operand; everywhere else all agree. "same" is the same as here, "—" a function that is not there.
Parameters are those of the examples above. Functions that agree at every point: {agreeing}.
"""


def special_points(peers: Mapping[str, Any]) -> str:
    rows, agreeing = [], []
    for primitive in compared():
        found = compared_rows(primitive, peers)
        if not found and any(primitive.name in peers[library] for library in MEASURE):
            agreeing.append(f"`{primitive.name}`")
        rows += [[f"`{primitive.name}`" * (i == 0), *cells] for i, cells in enumerate(found)]
    text = SPECIAL.format(
        points=set_text(ONE),
        pairs=set_text(EACH_OF_TWO[:-1]) + ", nan",
        agreeing=", ".join(agreeing),
        **peers["versions"],
    )
    head = ["function", "at", "here", "PyTorch", "JAX"]
    about = textwrap.fill(" ".join(text.split()), 100, break_on_hyphens=False)
    return f"## Special points\n\n{about}\n\n{table(head, rows)}\n"


if __name__ == "__main__":
    main()
