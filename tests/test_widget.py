"""The widget of a notebook without a browser: what sliders, steps and folding do to its state, that
no message can break it or touch the user's nodes, and what a notebook is given to show."""

from __future__ import annotations

import copy
import json
import math
import re
import sys
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_graphs import graphs

import autograd as ag
import nn
from autograd import DataError, GradientError, RenderError, Tensor, Value, topological_order
from autograd.explorer import Explorer, bound_of, evaluate_again, sliders, widget
from autograd.primitive import Primitive
from autograd.render import font
from autograd.render.frames import static
from autograd.render.scene import View, scene
from autograd.steps import steps

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def leaves() -> list[Value]:
    return [Value(x, label=name) for name, x in (("a", 2.0), ("b", -3.0), ("c", 3.3))]


@pytest.fixture
def output(leaves: list[Value]) -> Value:
    a, b, c = leaves
    with ag.scope("sum"):
        with ag.scope("left"):
            product = a * b
        total = product + c * a
    return total.tanh()


def tell(explorer: Explorer, **message: Any) -> dict[str, Any]:
    """Send a message; the state after it."""
    explorer.receive(message)
    return explorer.state()


def set_to(explorer: Explorer, name: str, value: Any) -> dict[str, Any]:
    return tell(explorer, kind="set", name=name, value=value)


def boxes(svg: str) -> dict[str, list[str]]:
    """The texts of each box."""
    found = (g for g in ET.fromstring(svg).iter(f"{SVG}g") if g.get("class") == "node")
    return {g.get("id", ""): [t.text or "" for t in g.iter(f"{SVG}text") if t.text] for g in found}


def as_drawn(picture: Any) -> dict[str, list[str]]:
    """The texts of the boxes of a scene."""
    return {
        box.name: [
            text
            for text in (
                *(box.title, box.operation),
                *(text for row in box.rows for text in (row.name, *row.texts)),
            )
            if text
        ]
        for box in picture.boxes
    }


def snapshot(output: Any) -> list[Any]:
    return [
        (id(node), np.array(node._raw), copy.copy(node.grad), node.label, node.epoch)
        for node in topological_order(output)
    ]


# The graph again


def forward(order: list[Any], numbers: dict[Any, Any]) -> dict[Any, Any]:
    """The data of a graph for other numbers, without nodes."""
    data: dict[Any, Any] = {}
    with np.errstate(all="ignore"):
        for node in order:
            if node.primitive is None:
                data[node] = numbers.get(node, node._raw)
                continue
            operands = [np.asarray(data[x]) for x in node.inputs]
            data[node] = node.primitive.array(*operands, **node.params)
    return data


@pytest.mark.parametrize("kind", [Value, Tensor])
def test_a_graph_is_computed_again_node_by_node(kind: type) -> None:
    @settings(max_examples=40)
    @given(graphs(kind=kind), st.integers(0, 2**32))
    def check(graph: tuple[Any, list[Any]], seed: int) -> None:
        output, _ = graph
        order, rng = topological_order(output), np.random.default_rng(seed)
        numbers = {
            x: float(rng.normal()) if isinstance(x, Value) else rng.normal(size=x.shape)
            for x in order
            if x.is_leaf and not x.is_constant
        }
        before, expected = snapshot(output), forward(order, numbers)
        fresh = evaluate_again(order, numbers)
        for node, again in fresh.items():
            assert type(again) is type(node)
            assert np.array_equal(again._raw, expected[node], equal_nan=True) or np.allclose(
                again._raw, expected[node], rtol=1e-12, equal_nan=True
            )
            assert again.primitive is node.primitive
            assert all(fresh[x] is y for x, y in zip(node.inputs, again.inputs, strict=True))
            assert (again is node) == (node.is_leaf and node.is_constant)
        after = snapshot(output)
        assert all(
            old[0] == new[0]
            and np.array_equal(old[1], new[1], equal_nan=True)
            and old[3:] == new[3:]
            for old, new in zip(before, after, strict=True)
        )

    check()


def test_labels_and_scopes_stay(output: Value) -> None:
    output.label = "y"
    order = topological_order(output)
    fresh = evaluate_again(order, {x: x._raw for x in order})
    assert [(x.label, x.scope) for x in fresh.values()] == [(x.label, x.scope) for x in order]


def test_it_is_recorded_whatever_is_around(output: Value) -> None:
    with ag.no_grad(), ag.scope("elsewhere"):
        explorer = Explorer(output, View())
        set_to(explorer, "n0", 0.5)
    assert not explorer.output.is_constant
    assert len(explorer.fresh) == len(topological_order(explorer.output)) == 7


# Sliders


def test_a_slider_moves_every_number_and_gradient(output: Value, leaves: list[Value]) -> None:
    explorer = Explorer(output, View())
    state = set_to(explorer, "n0", "0.5")
    a, b, c = Value(0.5), Value(-3.0), Value(3.3)
    y = (a * b + c * a).tanh()
    y.backward()
    shown = boxes(explorer.picture())
    assert explorer.output.data == y.data
    assert shown["n0"] == ["a", "data", "0.5", "grad", f"{a.grad:.4g}"]
    assert shown["n1"] == ["b", "data", "-3", "grad", f"{b.grad:.4g}"]
    assert shown["n6"] == ["tanh", "data", f"{y.data:.4g}", "grad", "1"]
    assert [leaf["value"] for leaf in state["leaves"]] == ["0.5", "-3", "3.3"]
    assert f"is {a.grad:.4g} with respect to a" in state["caption"]
    assert [x.grad for x in leaves] == [None] * 3
    assert [x.data for x in leaves] == [2.0, -3.0, 3.3]
    output.backward()  # not stale


@settings(max_examples=15)
@given(
    graphs(kind=Value), st.lists(st.floats(-9.0, 9.0), min_size=1, max_size=3), st.integers(0, 5)
)
def test_the_picture_is_that_of_the_moved_graph(
    graph: tuple[Any, list[Any]], numbers: list[float], step: int
) -> None:
    explorer = Explorer(graph[0], View())
    state = explorer.state()
    for leaf, number in zip(state["leaves"], numbers, strict=False):
        state = set_to(explorer, leaf["name"], number)
    step = min(step, state["count"] - 2)
    tell(explorer, kind="step", step=step)
    assert boxes(explorer.picture()) == as_drawn(scene(steps(explorer.output)[step]))


@settings(max_examples=15)
@given(graphs(kind=Value), st.lists(st.floats(-1e9, 1e9), min_size=3, max_size=3))
def test_there_is_room_for_any_number(graph: tuple[Any, list[Any]], numbers: list[float]) -> None:
    explorer = Explorer(graph[0], View())
    for leaf, number in zip(explorer.state()["leaves"], numbers, strict=False):
        set_to(explorer, leaf["name"], number)
    for group in ET.fromstring(explorer.picture()).iter(f"{SVG}g"):
        if group.get("class") == "node":
            corners = group.findall(f"{SVG}polygon")[0].get("points", "").replace(",", " ").split()
            right = max(map(float, corners[::2]))
            for text in group.iter(f"{SVG}text"):
                width = font.width(text.text or "", float(text.attrib["font-size"]))
                assert float(text.attrib["x"]) + width <= right


def test_reset_and_apply(output: Value, leaves: list[Value]) -> None:
    explorer = Explorer(output, View())
    set_to(explorer, "n1", 7.0)
    explorer.apply()
    assert [x.data for x in leaves] == [2.0, 7.0, 3.3]
    tell(explorer, kind="reset")
    assert explorer.output.data == output._raw
    assert [x.data for x in leaves] == [2.0, 7.0, 3.3]


def test_an_element_of_a_small_tensor_has_a_slider() -> None:
    w = Tensor(np.array([[1.0, 2.0]], dtype=np.float32), label="w")
    large, labels = Tensor(np.ones(7), label="v"), Tensor([1, 2], label="k")
    explorer = Explorer((w * labels).sum() + large.sum(), View())
    assert [leaf["title"] for leaf in explorer.state()["leaves"]] == ["w[0,0]", "w[0,1]"]
    set_to(explorer, "n0[0,1]", 5.0)
    assert explorer.output.data == 1.0 + 2 * 5.0 + 7.0
    assert w.data.tolist() == [[1.0, 2.0]]
    assert "too large for float32" in set_to(explorer, "n0[0,1]", 1e300)["error"]
    assert explorer.output.data == 18.0
    explorer.apply()
    assert w.data.tolist() == [[1.0, 5.0]]
    assert w.data.dtype == np.float32


def test_sliders_come_in_the_order_of_people() -> None:
    leaves = [Value(1.0, label=f"x{i}") for i in (10, 2, 1)]
    titles = [leaf["title"] for leaf in Explorer(ag.stack(leaves).sum(), View()).state()["leaves"]]
    assert titles == ["x1", "x2", "x10"]


def test_leaves_of_odd_labels_have_sliders_too() -> None:
    leaves = [
        Value(1.0),
        Value(1.0, label="<b>\n\u202e"),
        Value(1.0, label="x"),
        Value(1.0, label="x"),
    ]
    state = Explorer(ag.stack(leaves).sum(), View()).state()
    assert sorted(leaf["title"] for leaf in state["leaves"]) == ["<b> \ufffd", "leaf 0", "x", "x"]
    assert len({leaf["name"] for leaf in state["leaves"]}) == 4


@given(st.floats())
def test_a_slider_has_room_on_both_sides(number: float) -> None:
    bound = bound_of(number)
    assert 0.0 < bound < math.inf
    if math.isfinite(number) and 1e-300 < abs(number) < 1e307:
        assert 2.0 * abs(number) <= bound <= 5.01 * abs(number)


def test_the_range_grows_with_what_is_typed(output: Value) -> None:
    explorer = Explorer(output, View())
    (a, *_) = explorer.state()["leaves"]
    assert (a["low"], a["high"], a["step"]) == (-5.0, 5.0, 0.05)
    (a, *_) = set_to(explorer, "n0", 4.0)["leaves"]
    assert a["high"] == 5.0
    (a, *_) = set_to(explorer, "n0", -80.0)["leaves"]
    assert (a["low"], a["high"]) == (-200.0, 200.0)


def test_a_leaf_that_is_not_finite_can_be_moved_to_a_number() -> None:
    explorer = Explorer(Value(math.nan, label="x") * 2.0, View())
    assert explorer.state()["leaves"][0]["value"] == "nan"
    assert set_to(explorer, "n0", 1.0)["leaves"][0]["value"] == "1"
    json.dumps(explorer.state(), allow_nan=False)


# Steps, folding, choosing


def test_steps_go_from_the_first_to_what_was_found(output: Value) -> None:
    explorer = Explorer(output, View())
    state = explorer.state()
    assert state["step"] == state["count"] - 1 == len(steps(output))
    first = tell(explorer, kind="step", step=0)
    assert first["caption"] == "Step 1 of 5: tanh starts with the cotangent 1."
    assert first["box"] == "n6"
    assert boxes(explorer.picture())["n0"] == ["a", "data", "2", "grad", "\N{EN DASH}"]
    assert tell(explorer, kind="step", step=1)["caption"].startswith("Step 2 of 5: at tanh")
    moved = set_to(explorer, "n0", 1.0)
    assert moved["step"] == 1  # a slider does not end it
    assert tell(explorer, kind="step", step=state["count"])["error"].startswith("not understood")
    assert explorer.state()["step"] == 1


def test_scopes_close_and_open_and_the_picture_is_as_it_was(output: Value) -> None:
    explorer = Explorer(output, View())
    whole = explorer.svg
    assert sorted(explorer._opened.values()) == [("sum",), ("sum", "left")]
    inner = next(name for name, path in explorer._opened.items() if len(path) == 2)
    tell(explorer, kind="press", name=inner)
    assert sorted(explorer._opened.values()) == [("sum",)]
    assert "left" in {texts[0] for texts in boxes(explorer.svg).values()}
    outer = next(iter(explorer._opened))
    tell(explorer, kind="press", name=outer)
    assert {texts[0] for texts in boxes(explorer.svg).values()} == {"sum", "tanh"}
    for title in ("sum", "left"):
        name = next(name for name, texts in boxes(explorer.svg).items() if texts[0] == title)
        assert tell(explorer, kind="press", name=name)["error"] == ""
    assert boxes(explorer.svg) == boxes(whole)


def test_closing_a_scope_closes_those_in_it_too(output: Value) -> None:
    explorer = Explorer(output, View())
    outer = next(name for name, path in explorer._opened.items() if len(path) == 1)
    tell(explorer, kind="press", name=outer)
    (name,) = [name for name, texts in boxes(explorer.svg).items() if texts[0] == "sum"]
    tell(explorer, kind="press", name=name)
    assert "left" in {texts[0] for texts in boxes(explorer.svg).values()}


def test_sliders_and_steps_work_while_a_net_is_folded() -> None:
    model = nn.MLP(2, [3, 1], node=Value, rng=0)
    x = [Value(0.5, label="x1"), Value(-1.0, label="x2")]
    y = model(x)
    explorer = Explorer(y[0] if isinstance(y, list) else y, View(depth=1))
    assert len(boxes(explorer.svg)) < 6
    name = next(leaf["name"] for leaf in explorer.state()["leaves"] if leaf["title"] == "x1")
    before = explorer.picture()
    set_to(explorer, name, 4.0)
    assert explorer.picture() != before
    for step in range(explorer.state()["count"]):
        assert tell(explorer, kind="step", step=step)["box"] in boxes(explorer.svg)
    opened = [name for name, path in explorer._closed.items()]
    assert tell(explorer, kind="press", name=opened[0])["error"] == ""
    assert len(boxes(explorer.svg)) > 3


def test_a_large_graph_is_folded_as_a_drawing_is() -> None:
    x = Value(0.5, label="x")
    y = x
    for _ in range(400):
        y = y * 0.99 + 0.01
    explorer = Explorer(y, View(max_nodes=50))
    assert len(boxes(explorer.svg)) <= 50
    assert "folded" in explorer.svg
    shared = next(name for name, nodes in explorer._boxes.items() if len(nodes) > 1)
    assert "is no box of one node" in tell(explorer, kind="press", name=shared)["error"]
    assert set_to(explorer, "n0", 0.25)["error"] == ""


def test_a_press_chooses_a_node_and_tells_of_it(output: Value) -> None:
    explorer = Explorer(output, View())
    assert explorer.state()["chosen"]["title"] == "tanh"
    chosen = tell(explorer, kind="press", name="n2")["chosen"]
    rows = dict(chosen["rows"])
    slope = 1.0 - output._raw**2
    assert chosen["name"] == "n2"
    assert rows["in"] == "sum > left"
    assert rows["formula"] == "a*b"
    assert rows["data"] == "-6"
    assert rows["gradient"] == f"{slope:.4g}"
    assert rows["local derivatives"] == "-3 for a, 2 for b"
    assert "tanh" in rows["of the gradient"]
    rows = dict(set_to(explorer, "n0", 5.0)["chosen"]["rows"])
    assert (rows["data"], rows["local derivatives"]) == ("-15", "-3 for a, 5 for b")


def test_the_chosen_box_is_not_another_of_the_same_number() -> None:
    x = Value(1.0, label="x")
    explorer = Explorer(((x * 1.0) * 1.0) * 1.0, View())
    assert explorer.state()["chosen"]["name"] == "n6"
    assert tell(explorer, kind="press", name="n4")["chosen"]["name"] == "n4"
    assert tell(explorer, kind="step", step=0)["box"] == "n6"


def test_constants_and_nodes_without_a_gradient_can_be_chosen() -> None:
    x, z = Value(2.0, label="x"), Value(1.0, label="z")
    explorer = Explorer(ag.where(True, x * 3.0, z), View())
    names = {texts[0]: name for name, texts in boxes(explorer.svg).items()}
    told = dict(tell(explorer, kind="press", name=names["z"])["chosen"]["rows"])
    assert told["gradient"] == "none reaches it"
    (three,) = [name for name, texts in boxes(explorer.picture()).items() if texts == ["data", "3"]]
    assert dict(tell(explorer, kind="press", name=three)["chosen"]["rows"]) == {"data": "3"}


# Messages that make no sense

ODD: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
KINDS = st.sampled_from(["set", "step", "press", "reset", "", "__init__"])
NAMES = st.sampled_from(["n0", "n1", "n6", "g0", "g1", "n99", "n0[0]", "__class__"])
MESSAGES = ODD | st.fixed_dictionaries(
    {"kind": KINDS | ODD}, optional={"name": NAMES | ODD, "value": ODD, "step": ODD}
)


@settings(max_examples=60)
@given(st.lists(MESSAGES, max_size=8))
def test_no_message_raises_or_corrupts(messages: list[Any]) -> None:
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    with ag.scope("s"):
        output = (a * b).tanh()
    explorer = Explorer(output, View())
    before = snapshot(output)
    for i, message in enumerate(messages):
        explorer.receive(message)
        state = explorer.state()
        json.dumps(state, allow_nan=False)
        assert state["answered"] == i + 1
        assert len(state["error"]) <= 500
        assert 0 <= state["step"] < state["count"]
        x, y = (float(leaf["value"]) for leaf in state["leaves"])
        assert explorer.output.data == pytest.approx(math.tanh(x * y), rel=1e-6)
    tell(explorer, kind="reset")
    assert explorer.output.data == output.data
    assert snapshot(output) == before


@pytest.mark.parametrize(
    "value",
    ["", "two", "nan", "inf", "1e999", None, True, [], {}, 10**400, math.nan, "1" * 99, "٣x"],
)
def test_what_is_no_finite_number_is_refused(output: Value, value: Any) -> None:
    explorer = Explorer(output, View())
    state = set_to(explorer, "n0", value)
    assert state["error"].startswith("a leaf takes a finite number, got ")
    assert state["leaves"][0]["value"] == "2"
    assert tell(explorer, kind="step", step=0)["error"] == ""


def test_an_operation_that_refuses_numbers_leaves_all_as_it_was() -> None:
    x = Tensor([[2.0, 0.0], [0.0, 2.0]], label="x")
    explorer = Explorer(ag.inv(x).sum(), View())
    picture = explorer.picture()
    set_to(explorer, "n0[0,0]", 0.0)
    assert "Singular matrix" in explorer.state()["error"]
    assert explorer.picture() == picture
    assert explorer.state()["leaves"][0]["value"] == "2"


def test_an_error_of_a_users_own_operation_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    explorer = Explorer(Value(2.0, label="x").sin(), View())

    def fail(self: Primitive, *operands: Any, **params: Any) -> Any:
        raise ZeroDivisionError("by the user")

    monkeypatch.setattr(Primitive, "__call__", fail)
    assert set_to(explorer, "n0", 1.0)["error"] == "ZeroDivisionError: by the user"


@pytest.mark.parametrize(
    ("thing", "error", "message"),
    [
        (3.0, DataError, "widget takes a Value or a Tensor, got the float 3.0"),
        (Value(1.0).detach(), GradientError, "is a constant"),
        (Tensor([1.0, 2.0]), GradientError, "only a scalar has a gradient"),
    ],
)
def test_what_has_no_backward_pass_is_an_error(
    thing: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Explorer(thing, View())


# The widget itself


def test_without_anywidget_it_says_what_to_install(
    output: Value, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autograd.explorer import _widget_class

    _widget_class.cache_clear()
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(
        RenderError, match=r"needs anywidget: pip install 'autograd-nn\[notebook\]'"
    ):
        widget(output)


def test_the_script_is_one_module_that_loads_nothing() -> None:
    script = static("stage.mjs", "widget.mjs")
    assert not re.search(r"^import |import\(", script, re.M)
    assert len(re.findall(r"^export default", script, re.M)) == 1


@pytest.fixture
def shown(output: Value) -> Any:
    pytest.importorskip("anywidget")
    return widget(output)


def send(shown: Any, data: dict[str, Any]) -> None:
    """As the notebook's page does."""
    shown._handle_msg({"content": {"data": data}, "buffers": []})


def test_messages_of_the_page_change_what_is_synchronised(shown: Any) -> None:
    message = {"kind": "set", "name": "n0", "value": "0.5"}
    send(shown, {"method": "custom", "content": message})
    assert shown.state["answered"] == 1
    assert shown.output.data == math.tanh(0.5 * -3.0 + 3.3 * 0.5)
    synchronised = shown.get_state()
    assert synchronised["state"] == shown.state
    assert synchronised["svg"] == shown._explorer.svg
    assert "export default" in synchronised["_esm"]
    assert ".autograd-widget" in synchronised["_css"]
    json.dumps(shown.state, allow_nan=False)
    svg = shown.svg
    send(shown, {"method": "custom", "content": {"kind": "press", "name": "g0"}})
    assert shown.svg != svg


def test_the_page_cannot_write_the_state(shown: Any) -> None:
    before = shown.get_state()
    for value in ("<svg/>", 3, None, {"answered": "x"}):
        send(shown, {"method": "update", "state": {"svg": value, "state": value, "_esm": value}})
    assert shown.get_state() == before


def test_a_saved_notebook_has_the_picture(shown: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ipython = pytest.importorskip("IPython.display")
    bundle = shown._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["image/svg+xml"] == shown._explorer.picture()
    assert bundle["text/plain"] == "<GraphWidget of 7 nodes>"
    displayed: list[dict[str, Any]] = []
    monkeypatch.setattr(ipython, "display", lambda data, raw: displayed.append(data))
    shown._ipython_display_()
    view, picture = displayed
    assert "application/vnd.jupyter.widget-view+json" in view
    assert picture["image/svg+xml"] == shown._explorer.picture()
    assert f'class="{shown.key}"' in picture["text/html"]  # by which a widget alive hides it


def test_two_widgets_do_not_share_anything(output: Value) -> None:
    pytest.importorskip("anywidget")
    one, other = widget(output), widget(output)
    send(one, {"method": "custom", "content": {"kind": "set", "name": "n0", "value": 9}})
    assert other.state["answered"] == 0
    assert other.output.data == output.data
    assert one.key != other.key


def test_options_are_those_of_draw(output: Value) -> None:
    pytest.importorskip("anywidget")
    assert "0.54" in boxes(widget(output, number=".2f")._explorer.picture())["n6"]
    with pytest.raises(RenderError, match="direction is one of"):
        widget(output, direction="up")


def test_sliders_take_no_more_leaves_than_can_be_shown() -> None:
    leaves = [Value(1.0) for _ in range(150)]
    order = topological_order(ag.stack(leaves).sum())
    assert len(list(sliders(order))) == 150
    assert len(Explorer(order[-1], View()).state()["leaves"]) == 100
