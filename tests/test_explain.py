"""Paths: their sum is the gradient, the largest are the largest, and the text can be read."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from random_graphs import graphs

import autograd as ag
from autograd import DataError, GradientError, StaleGraphError, Tensor, Value, gradients
from autograd.explain import Explanation, explain
from autograd.naming import GREEK

MOST = 1000  # paths that an explanation can list


def every_path(output: Any, wrt: Any) -> Iterator[tuple[tuple[Any, int], ...]]:
    """Each way along the inputs, edge by edge, whatever flows there."""
    stack: list[tuple[Any, tuple[tuple[Any, int], ...]]] = [(output, ())]
    while stack:
        node, edges = stack.pop()
        if node is wrt:
            yield edges
            continue
        stack += [(x, (*edges, (node, i))) for i, x in enumerate(node.inputs)]


def same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=1e-9)


def magnitudes(products: list[float]) -> list[float]:
    return sorted((math.inf if math.isnan(p) else abs(p) for p in products), reverse=True)


# --------------------------------------------------------------------------- all paths


def check_all(output: Any, wrt: Any) -> Explanation:
    """Hold an explanation by all paths against the gradient, and each path against itself."""
    why = explain(output, wrt, k=MOST)
    assert why.count == len(why.paths)
    assert why.is_certain
    assert why.share == 1.0
    total = sum((path.product for path in why.paths), start=np.zeros(wrt.shape))
    np.testing.assert_allclose(total, gradients(output, wrt), rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(why.gradient, gradients(output, wrt))
    assert len({tuple((e.node, e.index) for e in path.edges) for path in why.paths}) == why.count
    for path in why.paths:
        assert path.nodes[0] is output
        assert path.nodes[-1] is wrt
        assert [edge.node for edge in path.edges] == [*path.nodes[:-1]]
        assert [edge.input for edge in path.edges] == [*path.nodes[1:]]
        flow: Any = np.ones(output.shape)
        for edge in path.edges:
            assert edge.node.inputs[edge.index] is edge.input
            np.testing.assert_array_equal(edge.upstream, flow)
            if edge.local is not None:
                assert edge.contribution == edge.local * edge.upstream
            flow = edge.contribution
        np.testing.assert_array_equal(path.product, flow)
    return why


@pytest.mark.parametrize("kind", [Value, Tensor])
@given(data=st.data())
@settings(max_examples=40)
def test_all_paths_of_random_graphs_add_up_to_the_gradient(kind: type, data: st.DataObject) -> None:
    output, nodes = data.draw(graphs(kind, most=6))
    wrt = data.draw(st.sampled_from(nodes))
    if explain(output, wrt, k=1).count > MOST:
        return
    why = check_all(output, wrt)
    routes = {tuple((e.node, e.index) for e in path.edges) for path in why.paths}
    assert routes <= {*every_path(output, wrt)}


@st.composite
def linear_graphs(draw: st.DrawFn, factors: st.SearchStrategy[float]) -> tuple[Value, Value]:
    """An output and an input with many paths between them, of local derivatives 1 and `factors`."""
    x = Value(1.0)
    nodes = [x]
    for _ in range(draw(st.integers(1, 8))):
        left, right = (draw(st.one_of(st.just(nodes[-1]), st.sampled_from(nodes))) for _ in "12")
        nodes.append(left * draw(factors) + right * draw(factors))
    return nodes[-1], x


ordinary = st.sampled_from([-2.0, -1.0, -0.5, 0.0, 0.25, 1.0, 3.0])
extreme = st.sampled_from([math.inf, -math.inf, math.nan, 0.0, 1e-200, 1e200, -3.0, 1.0])


@given(
    graph=st.one_of(linear_graphs(ordinary), linear_graphs(extreme)),
    k=st.integers(1, 4),
)
@settings(max_examples=200)
def test_the_largest_are_those_of_all(graph: tuple[Value, Value], k: int) -> None:
    output, x = graph
    products = []
    for edges in every_path(output, x):
        product = 1.0
        for node, i in edges:
            # the local derivative of a sum is 1, that of a product the other factor
            product *= 1.0 if node.primitive.name == "add" else node.inputs[1 - i].numpy()
        products.append(product)
    why = explain(output, x, k=k)
    assert why.count == len(products)
    assert len(why.paths) == min(k, len(products))
    found = [path.product for path in why.paths]
    assert magnitudes(found) == magnitudes(products)[:k]
    nans = [math.isnan(product) for product in found]
    assert sum(nans) == min(k, sum(map(math.isnan, products)))
    assert nans == sorted(nans)[::-1]
    assert not Counter(map(str, found)) - Counter(map(str, products))
    assert same(why.magnitude, float(sum(map(abs, products)))) or why.magnitude == math.inf
    assert str(why)


def test_the_least_product_is_the_largest_once_infinity_has_made_nan_of_it() -> None:
    x = Value(1.0)
    y = x * math.inf
    output = sum((y * c for c in (1.0, 2.0, 3.0, 0.0)), start=Value(0.0))
    (path,) = explain(output, x, k=1).paths
    assert math.isnan(path.product)


@given(data=st.data())
@settings(max_examples=30)
def test_the_largest_of_arrays_are_those_of_all(data: st.DataObject) -> None:
    output, nodes = data.draw(graphs(Tensor, most=6))
    wrt = data.draw(st.sampled_from(nodes))
    all_, few = (explain(output, wrt, k=k) for k in (MOST, 2))
    if all_.count > MOST:
        return
    sizes = [float(np.linalg.norm(np.ravel(path.product))) for path in all_.paths]
    assert sizes == sorted(sizes, reverse=True)
    assert [few.count, few.is_certain] == [all_.count, True]
    for path, expected in zip(few.paths, all_.paths, strict=False):
        np.testing.assert_array_equal(path.product, expected.product)


# --------------------------------------------------------------------------- very many paths


def doubled(x: Any, times: int) -> Any:
    for _ in range(times):
        x = x * 0.5 + x * 0.25
    return x


def test_paths_are_counted_and_the_largest_found_without_listing_them() -> None:
    x = Value(1.0)
    why = explain(doubled(x, 500), x, k=3)
    assert why.count == 2**500
    best = 0.5**500
    assert [path.product for path in why.paths] == [best, best / 2, best / 2]
    assert why.magnitude == pytest.approx(0.75**500) == pytest.approx(why.gradient)
    assert why.share == pytest.approx(2 * best / 0.75**500)
    assert why.magnitude_share == pytest.approx(why.share)


def test_a_long_chain_is_explained_in_a_few_words() -> None:
    x = Value(1.0, label="x")
    y = x
    for _ in range(10_000):
        y = -y + 0.0
    why = explain(y, x)
    (path,) = why.paths
    assert (why.count, path.product, len(path.nodes)) == (1, 1.0, 20_001)
    assert len(path.edges) == 20_000
    assert path.edges[-1].input is x
    for text in (why.text, why.latex, repr(why), repr(path)):
        assert len(text) < 1000
    assert "… 19,991 more …" in why.text
    assert "19,991 more" in why.latex


def test_one_path_of_two_is_not_counted_in_words() -> None:
    x = Value(2.0, label="x")
    heading, _, balance = explain(x * x, x, k=1).text.splitlines()
    assert heading == "d(output)/dx = 4: the largest of 2 paths"
    assert balance == "  these add up to 2, the other path to 2"


def test_so_many_paths_that_their_number_has_thousands_of_digits() -> None:
    x = Value(1.0, label="x")
    y = x
    for _ in range(20_000):
        y = y + y
    why = explain(y, x, k=1)
    assert why.count == 2**20_000
    assert "the largest of about 3.98e+6020 paths" in why.text
    assert "3.98e+6020" in why.latex
    assert "3.98e+6020" in repr(why)


def test_of_too_many_paths_of_arrays_the_largest_found_are_said_not_to_be_certain() -> None:
    x = Tensor([1.0, -2.0], label="x")
    y = x
    for i in range(14):
        y = y * np.array([0.5, 0.1]) + y * (0.2 + i / 100)
    why = explain(y.sum(), x, k=2)
    assert why.count == 2**14
    assert not why.is_certain
    assert "the 2 largest found of 16,384 paths" in why.text
    assert 0 < why.share < 1
    assert math.isnan(why.magnitude_share)
    np.testing.assert_allclose(why.paths[0].product, [0.5**14, 0.1**14])


# --------------------------------------------------------------------------- cases


def test_the_shape_of_a_text() -> None:
    a, b, c = (Value(x, label=n) for x, n in ((2.0, "a"), (-3.0, "b"), (7.0, "c")))
    y = (a * b + c).tanh()
    y.label = "y"
    why = explain(y, a)
    assert (
        str(why)
        == why.text
        == ("dy/da = -1.26: 1 path\n  y -> + -> × -> a:  0.42 · 1 · -3 = -1.26")
    )
    assert repr(why) == "<Explanation dy/da = -1.26: 1 path>"
    assert why.latex == (
        "\\begin{aligned}\n"
        r"\frac{\partial y}{\partial a} &= 0.42 \cdot 1 \cdot (-3)"
        r" && y \to \mathrm{+} \to \mathrm{\times{}} \to a \\"
        "\n&= -1.26\n\\end{aligned}"
    )
    shown = why._repr_mimebundle_()
    assert shown == {"text/plain": why.text, "text/latex": rf"$\displaystyle {why.latex}$"}


def test_a_node_on_both_sides_is_two_paths() -> None:
    a = Value(3.0, label="a")
    why = check_all(a * a, a)
    assert [[edge.index for edge in path.edges] for path in why.paths] == [[0], [1]]
    assert why.text.splitlines() == [
        "d(output)/da = 6: 2 paths",
        "  × -> a (operand 1):  3",
        "  × -> a (operand 2):  3",
        "  3 + 3 = 6",
    ]
    assert why.latex.splitlines()[1:] == [
        r"\frac{\partial \mathrm{output}}{\partial a} &= 3 && \mathrm{\times{}} \to a^{(1)} \\",
        r"&+ 3 && \mathrm{\times{}} \to a^{(2)} \\",
        "&= 6",
        r"\end{aligned}",
    ]


def test_an_output_with_respect_to_itself_is_one_path_without_edges() -> None:
    for x in (Value(2.0, label="x"), Tensor([[2.0]], label="x")):
        why = check_all(x, x)
        assert (why.count, why.paths[0].edges, why.paths[0].nodes) == (1, (), (x,))
        assert "dx/dx" in why.text
        assert r"\partial x" in why.latex


def test_a_node_in_between() -> None:
    a = Value(3.0, label="a")
    h = a * 2.0
    why = check_all(h * h + a, h)
    assert (why.count, why.gradient) == (2, 12.0)


@pytest.mark.parametrize(
    ("output", "wrt"),
    [
        (Value(1.0) * 2.0, Value(3.0, label="z")),
        (Tensor([1.0]) * 2.0, Tensor([3.0, 4.0], label="z")),
        (Tensor([1.0, 2.0]).sum(), Value(3.0, label="z")),
    ],
)
def test_what_the_output_does_not_depend_on(output: Any, wrt: Any) -> None:
    why = check_all(output, wrt)
    assert (why.count, why.paths) == (0, ())
    assert not np.any(why.gradient)
    assert re.search("no path leads from [×Σ] to z", why.text)
    assert r"\partial z" in why.latex


@pytest.mark.parametrize("kind", [Value, Tensor])
def test_the_branch_not_taken_is_no_path(kind: Any) -> None:
    x = kind(0.0, label="x")
    why = check_all(ag.where(False, ag.sqrt(x), x * 3.0), x)
    assert (why.count, why.gradient) == (1, 3.0)
    assert check_all(ag.where(True, x * 3.0, kind(1.0)), x).count == 1
    assert check_all(ag.where(True, kind(1.0), x), x).count == 0
    rows = kind(0.0) * np.ones(2)
    assert (
        check_all(ag.where(np.array([False, False]), ag.sqrt(rows), rows + x).sum(), x).count == 1
    )
    one = Tensor([0.0])
    assert check_all(ag.where(np.array([False]), ag.sqrt(one), one * 3.0), one).count == 1


def test_elements_not_taken_contribute_nothing_though_their_slope_is_infinite() -> None:
    x = Tensor([0.0, 4.0], label="x")
    taken = np.array([False, True])
    why = check_all(ag.where(taken, ag.sqrt(x), x * 3.0).sum(), x)
    assert [path.product.tolist() for path in why.paths] == [[3.0, 0.0], [0.0, 0.25]]
    nothing = ag.where(taken, x, 0.0) * 1.0
    why = check_all(ag.where(taken, 0.0, nothing).sum() + x.sum(), x)
    assert why.count == 1  # what one takes the other does not


def test_an_array_of_no_elements_is_explained() -> None:
    x = Tensor(np.zeros(0), label="x")
    why = check_all((x * 2.0).sum() + Value(1.0) * x.sum(), x)
    assert why.count == 2
    assert "(0,)" in str(why) or "[]" in str(why)


def test_constants_are_on_no_path() -> None:
    x = Value(2.0)
    assert check_all(x * x.detach(), x).count == 1
    assert check_all(x * 2.0 + 3.0, x).count == 1


def test_paths_that_cancel_are_said_to() -> None:
    x = Value(1.0, label="x")
    y = sum((x * c for c in (5.0, 4.0, -3.0, -3.5)), start=Value(0.0))
    why = explain(y, x, k=2)
    assert (why.gradient, why.share, why.magnitude) == (2.5, 3.6, 15.5)
    assert why.magnitude_share == 9 / 15.5
    last, note = why.text.splitlines()[-2:]
    assert last == "  these add up to 9, the other 2 paths to -6.5"
    assert note == "  positive and negative ones cancel: the absolute values add up to 15.5"
    assert math.isnan(explain(x * 2.0 - x * 2.0, x, k=1).share)
    assert "cancel" not in explain(x * 2.0 + x + x, x, k=1).text


def test_a_share_survives_gradients_at_the_ends_of_floats() -> None:
    for scale in (1e-300, 1e300):
        x = Value(1.0)
        assert explain(x * scale + x * (3 * scale), x, k=1).share == pytest.approx(0.75)
        t = Tensor([1.0, 1.0])
        assert explain((t * scale + t * (3 * scale)).sum(), t, k=1).share == pytest.approx(0.75)


def test_zero_times_infinity_is_nan_as_in_the_gradient() -> None:
    x = Value(0.0, label="x")
    why = explain(0.0 * ag.sqrt(x), x)
    assert math.isnan(why.gradient)
    assert math.isnan(why.paths[0].product)
    assert "0 · inf = nan" in why.text
    assert r"0 \cdot \infty" in why.latex
    assert r"\mathrm{nan}" in why.latex
    assert explain(ag.sqrt(x), x).paths[0].product == math.inf


def test_float32_and_mixed_graphs_of_single_numbers() -> None:
    x, v = Tensor(np.float32(1.5)), Value(0.5)
    why = explain((x * v).exp() * v, v)
    assert why.count == 2
    assert all(edge.local is not None for path in why.paths for edge in path.edges)
    assert sum(path.product for path in why.paths) == pytest.approx(float(why.gradient))


def test_values_in_a_graph_of_arrays() -> None:
    v = Value(0.5, label="v")
    why = check_all((v * np.array([1.0, 2.0]) + v).sum(), v)
    assert [type(path.product) for path in why.paths] == [float, float]


# --------------------------------------------------------------------------- hostile labels


LABELS = [
    *("", "a", "w1", "x_max", "λ", "50% of {a|b}", "\\frac{", "$x$ & ~#^_", "a\nb\t'"),
    *("\u202eabc", "x" * 10_000),
]


@given(label=st.one_of(st.text(), st.sampled_from(LABELS)), other=st.sampled_from(LABELS))
@settings(max_examples=100)
@example(label="\\", other="}{")
def test_any_label_gives_lines_that_are_short_and_latex_that_is_balanced(
    label: str, other: str
) -> None:
    a, b = Value(1.5, label=label), Tensor([1.0, 2.0], label=other)
    y = a * a
    z = (b * b + y).sum()
    y.label = z.label = label
    for why, lines in ((explain(y, a), 4), (explain(z, b), 4), (explain(z, a, k=1), 3)):
        assert len(why.text.splitlines()) == lines
        assert max(map(len, why.text.splitlines())) < 400
        check_latex(why.latex)


def check_latex(latex: str) -> None:
    """No character of LaTeX's own stands where only a label could have brought it."""
    body = re.sub(r"\\begin{aligned}|\\end{aligned}|\\\\\n", "", latex)
    tokens = re.findall(r"\\[a-zA-Z]+|\\.|[{}&$#%^_~\\\n]", body)
    depth = 0
    for token in tokens:
        depth += (token == "{") - (token == "}")
        assert depth >= 0, latex
        assert token not in ("$", "#", "%", "~", "\\"), latex
        assert token != "&" or depth == 0, latex
    assert depth == 0, latex
    assert {t for t in tokens if len(t) > 2} <= {
        *(r"\frac", r"\partial", r"\mathrm", r"\text", r"\to", r"\cdot", r"\cdots", r"\times"),
        *(r"\backslash", r"\wedge", r"\sim", r"\infty", r"\div"),
        *(f"\\{name}" for name in GREEK.values()),
    }, latex


# --------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: explain(Value(1.0) * 2.0, Value(1.0).detach()), GradientError, "is a constant"),
        (lambda: explain(Value(1.0).detach(), Value(1.0)), GradientError, "is a constant"),
        (lambda: explain(Tensor([1.0, 2.0]), Value(1.0)), GradientError, "scalar"),
        (lambda: explain(3.0, Value(1.0)), DataError, "3.0"),  # type: ignore[arg-type]
        (lambda: explain(Value(1.0), "x"), DataError, "'x'"),  # type: ignore[arg-type]
        (lambda: explain(Value(1.0), [Value(1.0)]), DataError, "one Value"),  # type: ignore[arg-type]
        (lambda: explain(Value(1.0), Value(1.0), k=0), DataError, "from 1 to 1000"),
        (lambda: explain(Value(1.0), Value(1.0), k=1001), DataError, "from 1 to 1000"),
        (lambda: explain(Value(1.0), Value(1.0), k=True), DataError, "the bool True"),
        (lambda: explain(Value(1.0), Value(1.0), k=2.5), DataError, "k"),  # type: ignore[arg-type]
    ],
)
def test_refusals(make: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make()


def test_a_stale_graph_is_refused() -> None:
    x = Value(2.0, label="x")
    y = x * x
    x.data = 3.0
    with pytest.raises(StaleGraphError, match="'x'"):
        explain(y, x)


def test_edges_of_arrays_are_refused_once_their_data_have_changed() -> None:
    x = Tensor([2.0, 3.0], label="x")
    why = explain((x * x).sum(), x)
    before = str(why)
    x.data = [4.0, 5.0]
    assert str(why) == before
    with pytest.raises(StaleGraphError, match="'x'"):
        _ = why.paths[0].edges


def test_nothing_of_an_explanation_can_be_changed_and_no_grad_is_touched() -> None:
    x = Tensor([1.0, 2.0])
    why = explain((x * 2.0).sum(), x)
    for array in (why.gradient, why.paths[0].product, why.paths[0].edges[0].contribution):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 1.0
    with pytest.raises(AttributeError):
        why.count = 3  # type: ignore[misc]
    assert x.grad is None
    with pytest.raises(ag.ReplayError, match="explain"):
        ag.jit(lambda v: explain(v * v, v).gradient * v)(2.0)
