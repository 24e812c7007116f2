"""What a picture shows, before any format: which nodes share a box and the arrows between boxes,
against oracles that read the graph by themselves; numbers, tones, and what is pointed out."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_graphs import graphs
from strategies import PRIMITIVES

import nn
from autograd import (
    RenderError,
    StaleGraphError,
    Tensor,
    Value,
    draw,
    explain,
    grad,
    jit,
    scope,
    steps,
)
from autograd.graph import Node, topological_order
from autograd.render import numbers, placement
from autograd.render.scene import Box, Scene, View, scene

# Graphs with scopes


@st.composite
def scoped_graphs(draw: st.DrawFn) -> Value:
    """Sums and products of earlier nodes, each recorded in scopes of up to three levels."""
    nodes = [Value(1.0), Value(2.0).detach(), Value(-1.0)]
    names = st.lists(st.sampled_from("ab"), max_size=3)
    for path in draw(st.lists(names, min_size=1, max_size=12)):
        x, y = (nodes[draw(st.integers(0, len(nodes) - 1))] for _ in range(2))
        nodes.append(_within(path, lambda x=x, y=y: x * y + x))
    return nodes[-1]


def _within(path: list[str], make: Callable[[], Value]) -> Value:
    if not path:
        return make()
    with scope(path[0]):
        return _within(path[1:], make)


def stands_in(order: list[Node]) -> dict[Node, tuple[str, ...]]:
    """The names of the scopes that each node stands in, by the rule as it is told in words."""
    found = {node: node.scope.path if node.scope else () for node in order}
    for leaf in (node for node in order if node.is_leaf):
        used_in = [found[node] for node in order if any(x is leaf for x in node.inputs)]
        paths = [path for path in used_in if path] or [()]
        same = [all(path[:n] == paths[0][:n] for path in paths) for n in range(len(paths[0]) + 1)]
        around = paths[0][: max(n for n, holds in enumerate(same) if holds)]
        found[leaf] = around if around in paths else around[:-1]  # an input of that scope
    return found


def groups_of(box: Box, picture: Scene) -> tuple[str, ...]:
    """The titles of the open scopes around a box, outermost first."""
    named = {group.name: group for group in picture.groups}
    titles, name = [], box.group
    while name:
        titles.append(named[name].title)
        name = named[name].parent
    return tuple(reversed(titles))


def edges_between(picture: Scene) -> Counter[tuple[str, str]]:
    """How many operands of nodes in one box are nodes in another."""
    box_of = {node: box.name for box in picture.boxes for node in box.link}
    edges = [(box_of[x], box_of[node]) for node in box_of for x in node.inputs]
    return Counter(edge for edge in edges if edge[0] != edge[1])


def assert_whole(picture: Scene, output: Node) -> None:
    """Every node stands in one box, and every operand on one arrow, unless within a box."""
    nodes = [node for box in picture.boxes for node in box.link]
    assert Counter(map(id, nodes)) == Counter(map(id, topological_order(output)))
    counted: Counter[tuple[str, str]] = Counter()
    for arrow in picture.arrows:
        counted[arrow.tail, arrow.head] += arrow.count
    assert counted == edges_between(picture)
    assert [box.name for box in picture.boxes] == [f"n{i}" for i in range(len(picture.boxes))]


@given(scoped_graphs(), st.integers(1, 4))
def test_folded_to_a_depth_a_box_is_what_stands_in_a_scope(output: Value, depth: int) -> None:
    picture = scene(output, View(depth=depth))
    assert_whole(picture, output)
    places = stands_in(topological_order(output))
    for box in picture.boxes:
        around = groups_of(box, picture)
        assert len(around) < depth
        if box.kind == "folded":
            assert {places[node][:depth] for node in box.link} == {(*around, box.title)}
            assert len(around) == depth - 1
            assert box.scope == (*around, box.title)
        else:
            assert [places[node] for node in box.link] == [around]
    folded = [(*groups_of(box, picture), box.title) for box in picture.boxes if box.scope]
    assert len(folded) == len(set(folded))  # one box a scope


@given(scoped_graphs())
def test_without_folding_each_node_has_its_box_in_its_scopes(output: Value) -> None:
    picture = scene(output)
    assert_whole(picture, output)
    order = topological_order(output)
    assert [box.link for box in picture.boxes] == [(node,) for node in order]
    places = stands_in(order)
    assert [groups_of(box, picture) for box in picture.boxes] == [places[node] for node in order]
    assert picture.note == ""


@given(scoped_graphs(), st.integers(1, 12), st.none() | st.integers(0, 4))
def test_there_are_never_more_boxes_than_asked_for(
    output: Value, most: int, depth: int | None
) -> None:
    picture = scene(output, View(depth=depth, max_nodes=most))
    assert len(picture.boxes) <= most
    assert_whole(picture, output)
    count = len(topological_order(output))
    if count > most:
        assert picture.note.startswith(f"{count} nodes folded into {len(picture.boxes)} box")


def test_depth_0_is_the_graph_by_operation() -> None:
    a, b = Value(1.0, label="a"), Value(2.0, label="b")
    with scope("f"):
        x = a * b
    y = (x * a + b * 3.0 + b).tanh()
    picture = scene(y, View(depth=0))
    assert [(box.title, box.operation, len(box.link)) for box in picture.boxes] == [
        ("leaves", "", 2),
        ("", "", 1),  # the constant
        ("", "×", 3),
        ("", "+", 2),
        ("", "tanh", 1),
    ]
    assert picture.groups == ()


def test_the_note_says_how_to_see_more() -> None:
    with scope("outer"):
        x = Value(1.0)
        for name in ("one", "two"):
            with scope(name):
                for _ in range(10):
                    x = -x
    count = 21
    assert scene(x).note == ""
    assert scene(x, View(max_nodes=20)).note == (
        f"{count} nodes folded into 2 boxes; depth=3 or max_nodes={count} shows more"
    )
    assert scene(x, View(max_nodes=1)).note == (
        f"{count} nodes folded into 1 box; depth=2 or max_nodes={count} shows more"
    )
    assert scene(x, View(depth=2)).note == f"{count} nodes folded into 2 boxes by depth=2"
    assert scene(x, View(depth=3, max_nodes=5)).note == (
        f"{count} nodes folded into 4 boxes: depth=3 has {count}, more than max_nodes=5"
    )


def test_the_weights_of_a_layer_are_in_it_despite_a_penalty_outside() -> None:
    model = nn.MLP(2, [3, 1], node=Value, rng=0)
    y = model([1.0, 2.0]) + sum(p * p for p in model.parameters())
    y.backward()
    picture = scene(y, View(depth=1))
    layers = [box for box in picture.boxes if box.scope]
    rows = [{row.name: row.texts for row in box.rows} for box in layers]
    assert [row["parameters"] for row in rows] == [("9",), ("4",)]
    assert picture.groups == ()


def test_the_inputs_of_a_layer_stand_before_it() -> None:
    model = nn.MLP(2, [3, 1], node=Value, rng=0)
    x = [Value(1.0, label="x0"), Value(2.0, label="x1")]
    picture = scene(model(x), View(depth=1))
    assert [box.title for box in picture.boxes] == [
        "x0",
        "x1",
        "Layer(2, 3, relu)",
        "Layer(3, 1, identity)",
    ]
    assert [arrow.count for arrow in picture.arrows] == [3, 3, 3]


def test_parameters_are_numbers_not_nodes() -> None:
    model = nn.MLP(4, [5], rng=0)
    picture = scene(model(np.ones((3, 4))), View(depth=1))
    (box,) = [box for box in picture.boxes if box.scope]
    assert {row.name: row.texts for row in box.rows}["parameters"] == ("25",)


def test_a_scope_can_be_open_though_others_are_not() -> None:
    with scope("a"):
        x = Value(1.0) * 2.0
    with scope("b"):
        y = x * 3.0
    picture = scene(y, View(depth=1, opened=frozenset({("b",)})))
    assert [box.title for box in picture.boxes if box.kind == "folded"] == ["a"]
    assert [group.title for group in picture.groups] == ["b"]


def test_scopes_nested_a_thousand_deep_are_drawn() -> None:
    x = Value(1.0)

    @scope("deeper")
    def deeper(x: Value, levels: int) -> Value:
        return deeper(-x, levels - 1) if levels else x

    picture = scene(deeper(x, 200), View(max_nodes=50))
    assert len(picture.boxes) <= 50


# What is pointed out


@given(scoped_graphs(), st.data())
def test_what_does_not_lead_from_wrt_to_the_output_is_dim(output: Value, data: Any) -> None:
    order = topological_order(output)
    wrt = data.draw(st.sampled_from(order))
    depth = data.draw(st.none() | st.just(1))

    def leads(node: Node) -> bool:  # small graphs: recursion and repetition do no harm
        return node is wrt or any(map(leads, node.inputs))

    picture = scene(output, View(wrt=wrt, depth=depth))
    for box in picture.boxes:
        assert (box.state == "dim") == (not any(map(leads, box.link)))
    if depth is None:
        number = {node: f"n{i}" for i, node in enumerate(order)}
        for arrow in picture.arrows:
            tail = next(node for node in order if number[node] == arrow.tail)
            assert (arrow.state == "dim") == (not leads(tail))


def test_a_path_is_marked_and_nothing_else() -> None:
    a, b = Value(2.0, label="a"), Value(3.0, label="b")
    product = a * b
    y = product + a
    for path in (
        [y, product, a],
        [a, product, y],
        max(explain(y, a).paths, key=lambda path: len(path.nodes)),
    ):
        picture = scene(y, View(path=path))
        marked = [box.title or box.operation for box in picture.boxes if box.state == "marked"]
        assert marked == ["a", "×", "+"]
        assert [(x.tail, x.head) for x in picture.arrows if x.state == "marked"] == [
            ("n0", "n2"),
            ("n2", "n3"),
        ]
        assert {box.state for box in picture.boxes} == {"", "marked"}


def test_a_path_of_explain_marks_the_operand_that_it_goes_through() -> None:
    a = Value(3.0)
    y = a * a
    for path in explain(y, a).paths:
        ((_, index, *_),) = path.edges
        picture = scene(path)
        assert [arrow.state == "marked" for arrow in picture.arrows] == [index == 0, index == 1]
    for all_paths in (View(path=[a, y]), View(path=explain(y, a))):
        assert [x.state for x in scene(y, all_paths).arrows] == ["marked", "marked"]
    assert [x.state for x in draw(explain(y, a)).scene.arrows] == ["marked", "marked"]


def test_a_frame_shows_what_has_accumulated_and_what_flows() -> None:
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    y = a * b + a
    frames = steps(y)
    start, added, last = (scene(frame) for frame in frames)
    grads = [
        [row.texts[0] for box in picture.boxes for row in box.rows if row.name == "grad"]
        for picture in (start, added, last)
    ]
    none = "\N{EN DASH}"
    assert grads == [[none, none, none, "1"], ["1", none, "1", "1"], ["-2", "2", "1", "1"]]
    assert [[box.state for box in picture.boxes].index("active") for picture in (start, last)] == [
        3,
        2,
    ]
    assert [(x.tail, x.head, x.text) for x in last.arrows if x.state == "active"] == [
        ("n0", "n2", "-3"),
        ("n1", "n2", "2"),
    ]
    assert a.grad is None


@settings(max_examples=40)
@given(graphs())
def test_the_last_frame_has_the_gradients_of_backward(graph: tuple[Any, list[Any]]) -> None:
    output, _ = graph
    picture = scene(steps(output)[-1], View(number=".6e"))
    output.backward()
    for box in picture.boxes:
        (node,) = box.link
        shown = [row.texts[0] for row in box.rows if row.name == "grad"]
        if shown and node.grad is not None:
            assert float(shown[0]) == pytest.approx(node.grad, rel=1e-5)


# Local derivatives

SIMPLE = [primitive for primitive in PRIMITIVES if primitive.simple]


@pytest.mark.parametrize("primitive", SIMPLE, ids=lambda primitive: primitive.name)
def test_local_derivatives_are_those_of_finite_differences(primitive: Any) -> None:
    places = [primitive.domain_of(i) for i in range(len(primitive.domain))]
    at = [x.low + (x.high - x.low) * (0.37 + 0.21 * i) for i, x in enumerate(places)]
    if any(
        abs(x - kink) < 0.05 for x, place in zip(at, places, strict=True) for kink in place.kinks
    ):
        at = [x + 0.11 for x in at]
    picture = scene(primitive(*map(Value, at)), View(show="local", number=".12g"))
    assert len(picture.arrows) == len(at)
    for i, arrow in enumerate(picture.arrows):
        h = 1e-5
        up, down = ([x + s * h * (j == i) for j, x in enumerate(at)] for s in (1, -1))
        slope = (primitive.on_floats(*up) - primitive.on_floats(*down)) / (2 * h)
        assert float(arrow.text) == pytest.approx(slope, rel=1e-5, abs=1e-8)


def test_local_derivatives_of_arrays_are_shown_where_they_are_arrays() -> None:
    x, w = Tensor([[1.0, -2.0]], label="x"), Tensor([[3.0], [4.0]], label="w")

    def texts(output: Any) -> list[str]:
        return [arrow.text for arrow in scene(output, View(show=["local"])).arrows]

    assert texts(x * x) == ["[[1, -2]]", "[[1, -2]]"]
    assert texts(x.sum()) == ["[[1, 1]]"]
    assert texts(x @ w) == ["", ""]  # a matrix each
    assert texts(x + w) == ["", ""]  # broadcasting
    assert texts(Tensor(np.arange(12.0)).sum()) == ["all 1"]
    assert texts(Value(2.0) * 7.0) == ["7", ""]  # nothing flows to a constant


def test_local_derivatives_are_computed_only_when_asked_for() -> None:
    x = Value(1.0)
    y = x * x
    x.data = 2.0
    assert [arrow.text for arrow in scene(y).arrows] == ["", ""]
    with pytest.raises(StaleGraphError):
        scene(y, View(show="local"))


# What a box says


def rows(output: Any, **options: Any) -> list[tuple[str, tuple[str, ...]]]:
    return [(row.name, row.texts) for row in scene(output, View(**options)).boxes[-1].rows]


def test_show_says_what_is_shown() -> None:
    x = Tensor([1.0, 2.0], label="x").tanh()
    x.label = "y"
    kind, data, grad = (
        ("", ("(2,) float64",)),
        ("data", ("[0.7616, 0.964]",)),
        ("grad", ("\N{EN DASH}",)),
    )
    assert rows(x) == [kind, data, grad]
    assert rows(x, show="data") == [kind, data]
    assert rows(x, show=["grad", "local"]) == [kind, grad]
    assert rows(x, show="type") == [kind]
    assert rows(x, show=()) == []
    for show in ("operation", "type", (), "grad", "local"):
        assert scene(x, View(show=show)).boxes[-1].operation == "tanh"
    assert scene(Value(1.0).tanh(), View(show=())).boxes[-1].operation == "tanh"


def test_no_box_is_empty() -> None:
    x = Tensor([1.0, 2.0], label="x")
    for show in ((), "operation", "type", "grad", "local"):
        picture = scene((x**2.0).sum() * Value(3.0), View(show=show))
        for box in picture.boxes:
            assert box.title or box.operation or box.rows
        assert picture.boxes[1].title == "2"
    assert scene(x.sum() * Value(3.0), View(show="data")).boxes[-2].title == ""


def test_a_number_on_an_arrow_that_is_not_finite_looks_as_one_in_a_box() -> None:
    zero = Value(0.0)
    y = zero.sqrt() + Tensor([1.0, math.nan]).sum()
    assert [arrow.is_finite for arrow in scene(y, View(show="local")).arrows] == [
        *(False, True, True, True)
    ]
    ground, ink = 'BGCOLOR="#222222"', 'COLOR="#ffffff"'
    (arrow,) = [line for line in draw(y, show="local").dot.source.split("\n") if "inf" in line]
    assert ground in arrow
    assert ink in arrow


def test_a_graph_is_drawn_while_it_is_recorded_and_differentiated() -> None:
    pictures = []

    def f(x: Any) -> Any:
        y = x * x
        pictures.append(draw(y, show=["data", "local"]))
        return y.tanh()

    assert jit(f)(Value(3.0)).data == pytest.approx(math.tanh(9.0))
    assert "data 9" in pictures[0].text
    assert grad(grad(f))(0.5) == pytest.approx(grad(grad(lambda x: (x * x).tanh()))(0.5))


def test_a_folded_box_sums_up_what_flows_out() -> None:
    x, outputs = Value(2.0), []
    with scope("powers"):
        for k in range(1, 9):
            outputs.append(x * float(k))
    sum(outputs, Value(0.0)).backward()
    picture = scene(sum(outputs, Value(0.0)), View(depth=1))
    (box,) = [box for box in picture.boxes if box.title == "powers"]
    assert [(row.name, row.texts) for row in box.rows] == [
        ("nodes", ("17",)),
        ("parameters", ("1",)),
        ("", ("min", "mean", "max")),
        ("data", ("2", "9", "16")),
        ("grad", ("1", "1", "1")),
    ]


@pytest.mark.parametrize(
    "spec", [".99999999f", "999999999g", "n", ">9", "x", "d", "٣f", 4, None, ".4g}"]
)
def test_a_hostile_number_format_is_refused(spec: Any) -> None:
    with pytest.raises(RenderError, match="format for a float"):
        draw(Value(1.0), number=spec)


@given(
    st.from_regex(r"[-+ ]?0?[0-9]{0,2}[,_]?(\.[0-9]{1,2})?[eEfFgG%]?", fullmatch=True),
    st.floats(),
)
def test_a_number_is_never_long_and_is_the_number(spec: str, value: float) -> None:
    try:
        text = numbers.number(value, numbers.check_format(spec))
    except RenderError:
        return
    assert len(text) <= 24
    if spec.endswith("e") and re.search(r"\.[6-9]", spec) and math.isfinite(value):
        assert float(text.replace(",", "").replace("_", "")) == pytest.approx(value, rel=1e-3)


@given(st.lists(st.floats(), min_size=1))
def test_a_tone_has_the_sign_and_grows_with_the_magnitude(values: list[float]) -> None:
    scale = numbers.scale_of(values)
    assert scale > 0
    tones = {x: numbers.tone(x, scale) for x in values if not math.isnan(x)}
    for x, tone in tones.items():
        assert tone is not None
        assert -1 <= tone <= 1
        assert np.sign(tone) in (0.0, np.sign(x))
    for x, y in zip(sorted(tones), sorted(tones)[1:], strict=False):
        assert tones[x] <= tones[y]


def test_tones_are_relative_to_the_picture_for_data_and_gradient_apart() -> None:
    a = Value(1e-3, label="a")
    b = Value(-1e-3, label="b")
    y = (a * 1e6) * b
    y.backward()
    tones = {
        (box.title, row.name): row.tone for box in scene(y).boxes for row in box.rows if box.title
    }
    assert tones["a", "data"] == -tones["b", "data"] > 0
    assert tones["a", "grad"] < 0 < tones["b", "grad"]
    assert scene(Value(math.nan)).boxes[0].rows[0].marked
    assert scene(Tensor([1.0, math.inf])).boxes[0].rows[1].marked
    assert not scene(Tensor([1.0, 2.0])).boxes[0].rows[1].marked


def _luminance(color: str) -> float:
    """Of WCAG 2.1, "relative luminance"."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [x / 12.92 if x <= 0.03928 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def test_all_text_has_enough_contrast_with_its_ground() -> None:
    a, b = Value(3.0, label="a"), Value(-1e9, label="b")
    nan = Value(math.nan, label="nan")
    with scope("part"):
        part = a * b + 2.0
    y = part * nan * Value(1e9)
    y.backward()
    frames = steps(y)
    pictures = [draw(frames[2]), draw(y, wrt=a, show=["data", "grad", "local"]), draw(y, depth=1)]
    pictures += [draw(y, path=[y, y.inputs[0]]), draw(y, max_nodes=2)]
    seen = set()
    for picture in pictures:
        for table in re.findall(r"<<TABLE.*?>(?=[\s\]])", picture.dot.source):
            grounds = [""]
            for tag, body in re.findall(r"<(/?\w+)([^>]*)>", table):
                color = re.search(r'BGCOLOR="(#\w+)"', body)
                if tag in ("TABLE", "TD"):
                    grounds.append(color[1] if color else grounds[-1])
                elif tag in ("/TABLE", "/TD"):
                    grounds.pop()
                elif tag == "FONT":
                    ink = re.search(r' COLOR="(#\w+)"', body)
                    seen.add((ink[1] if ink else "#1a1a1a", grounds[-1]))
                if tag == "TD":
                    seen.add(("#1a1a1a", grounds[-1]) if "<FONT" not in table else ("", ""))
    seen.discard(("", ""))
    assert len(seen) > 8
    for ink, ground in seen:
        light, dark = sorted([_luminance(ink), _luminance(ground)], reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, ground)


# Options that are wrong


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"direction": "left"}, "direction is one of LR, RL, TB, BT, got 'left'"),
        ({"direction": None}, "direction is one of"),
        ({"show": "gradient"}, "show is any of data, grad, local, type, operation, got 'gradient'"),
        ({"show": 3}, "show is any of .* got 3"),
        ({"show": "grads"}, r"got 'grads'; did you mean grad\?$"),
        ({"show": [np.ones(2)]}, r"show is any of .* got array\("),
        ({"direction": np.array(["LR", "TB"])}, r"direction is one of .* got array\("),
        ({"max_nodes": 0}, "max_nodes is a whole number from 1, got 0"),
        ({"max_nodes": 1.5}, "max_nodes is a whole number from 1, got 1.5"),
        ({"depth": -1}, "depth is a whole number from 0, got -1"),
        ({"depth": True}, "depth is a whole number from 0, got True"),
        ({"path": 3}, "path takes Values and Tensors of the graph, got 3"),
        ({"wrt": ["a"]}, r"wrt takes Values and Tensors of the graph, got \['a'\]"),
        ({"wrt": Value(1.0, label="other")}, "wrt names other, which the output was not computed"),
        ({"path": [Value(1.0, label="other")]}, "path names other, which the output was not"),
    ],
)
def test_a_wrong_option_is_one_clear_error(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RenderError, match=message) as caught:
        draw(Value(1.0, label="x").tanh(), **options)
    assert "\n" not in str(caught.value)


def test_a_path_that_is_none_is_one_clear_error() -> None:
    a, b = Value(1.0, label="a"), Value(2.0, label="b")
    with pytest.raises(RenderError, match="there is none between a and b"):
        draw(a * b, path=[a, b])


# Programs of a replay


def test_a_program_of_many_batches_is_folded() -> None:
    @jit
    def f(x: Any) -> Any:
        for _ in range(6):
            x = (x * 2.0).tanh()
        return x

    f(Value(0.5))
    whole = draw(f.program).scene
    count = len(f.program.batches)
    assert whole.note == ""
    assert whole.boxes[0].title == "1 input"
    assert sum(box.kind == "batch" for box in whole.boxes) == count
    few = draw(f.program, max_nodes=3).scene
    kinds = {batch.kind.primitive.label for batch in f.program.batches}
    assert {box.operation for box in few.boxes if box.kind == "folded"} == kinds
    assert few.note.startswith(f"{count} batches folded into {len(kinds)} boxes")
    assert len(draw(f.program, max_nodes=1).scene.boxes) <= 3  # inputs and constants aside


# Placing boxes


@given(
    st.integers(1, 30).flatmap(
        lambda n: st.tuples(
            st.just(n),
            st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=60),
        )
    ),
    st.data(),
)
def test_placed_boxes_do_not_overlap_and_arrows_lead_on(
    graph: tuple[int, list[tuple[int, int]]], data: Any
) -> None:
    count, pairs = graph
    arrows = sorted({pair for pair in pairs if pair[0] != pair[1]}, key=lambda pair: pair[1])
    layer = placement.layers(count, arrows)
    for tail, head in arrows:
        assert tail > head or layer[tail] < layer[head]
    sizes = np.array(
        data.draw(
            st.lists(
                st.tuples(st.integers(1, 200), st.integers(1, 200)), min_size=count, max_size=count
            )
        ),
        dtype=float,
    )
    along, across = placement.placed(layer, arrows, sizes)
    for i in range(count):
        for j in range(i):
            apart = abs(along[i] - along[j]) >= (sizes[i, 0] + sizes[j, 0]) / 2
            assert apart or abs(across[i] - across[j]) >= (sizes[i, 1] + sizes[j, 1]) / 2


def test_a_placed_chain_is_straight_whatever_the_sizes() -> None:
    arrows = [(i, i + 1) for i in range(5)]
    sizes = np.array([[10.0, 10.0 + 10.0 * i] for i in range(6)])
    along, across = placement.placed(placement.layers(6, arrows), arrows, sizes)
    assert np.ptp(across) == pytest.approx(0.0, abs=1e-6)
    assert (np.diff(along) > 10.0).all()
