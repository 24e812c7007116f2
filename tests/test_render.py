"""Pictures: what a box says, that every SVG is safe and the same each time, and that none of it
needs Graphviz or fonts on the machine."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd import DataError, RenderError, Tensor, Value, draw, no_grad
from autograd.render import Drawing, image

SVG = "{http://www.w3.org/2000/svg}"

MAGIC = {".svg": b"<svg", ".png": b"\x89PNG\r\n\x1a\n", ".pdf": b"%PDF-", ".dot": b"digraph"}

HOSTILE = [
    "a\"b'c",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<<b>bold</b>>",
    "{x|y}",
    "back\\slash \\n \\N \\G \\l \\",
    "&lt; &amp; &#60; &",
    "--> ]]> <!--",
    "javascript:alert(1)",
    "\ud800",
    "\ufffe\uffff",
    "مرحبا",
    "שלום (x)",
    "日本語",
    "👩‍🔬",
]


@pytest.fixture
def small() -> Value:
    """tanh(a*b + c) before backward."""
    a, b, c = Value(2.0, label="a"), Value(-3.0, label="b"), Value(10.0, label="c")
    return (a * b + c).tanh()


def boxes(picture: Drawing) -> list[list[str]]:
    """The texts of each box, in topological order."""
    root = ET.fromstring(picture.svg)
    nodes = {
        group.findtext(f"{SVG}title"): [text.text or "" for text in group.iter(f"{SVG}text")]
        for group in root.iter(f"{SVG}g")
        if group.get("class") == "node"
    }
    return [nodes[f"n{i}"] for i in range(len(nodes))]


def arrows(picture: Drawing) -> list[str]:
    root = ET.fromstring(picture.svg)
    return [
        group.findtext(f"{SVG}title") or ""
        for group in root.iter(f"{SVG}g")
        if group.get("class") == "edge"
    ]


def assert_safe(svg: str) -> None:
    """Well-formed XML, of shapes and text only: no script, no link, no handler, nothing loaded."""
    for element in ET.fromstring(svg).iter():
        assert element.tag.removeprefix(SVG) in {"svg", "g", "title", "text", "path", "polygon"}
        for name, value in element.attrib.items():
            assert not name.lower().startswith("on")
            assert "href" not in name.lower()
            assert "url(" not in value
            assert "javascript:" not in value


# What a box says


def test_a_box_has_label_data_and_gradient(small: Value) -> None:
    small.backward()
    a, b, product, c, total, output = boxes(draw(small))
    slope = f"{1 - np.tanh(4.0) ** 2:.4g}"
    assert c == ["c", "data", "10", "grad", slope]
    assert product == ["×", "data", "-6", "grad", slope]
    assert output == ["tanh", "data", "0.9993", "grad", "1"]
    assert a[0] == "a"
    assert b[0] == "b"
    assert total[0] == "+"


def test_a_named_result_shows_its_operation_too() -> None:
    y = Value(1.0) + Value(2.0)
    y.label = "y"
    assert "".join(boxes(draw(y))[-1][:3]).split() == ["y", "+"]


def test_not_computed_differs_from_zero(small: Value) -> None:
    assert all(box[-2:] == ["grad", "\N{EN DASH}"] for box in boxes(draw(small)))
    leaf = Value(1.0)
    leaf.grad = 0.0
    assert boxes(draw(leaf)) == [["data", "1", "grad", "0"]]


def test_a_square_has_two_arrows() -> None:
    a = Value(3.0, label="a")
    picture = draw(a * a)
    assert arrows(picture) == ["n0->n1", "n0->n1"]
    assert repr(picture) == "<Drawing of 2 nodes and 2 arrows>"


def test_a_shared_node_is_drawn_once(small: Value) -> None:
    half = Value(0.5, label="half")
    with no_grad():
        third = Value(1.0) / 3.0
    output = (small * half + half) * third + third
    assert sum(box[0] == "half" for box in boxes(draw(output))) == 1
    assert len(boxes(draw(output))) == len(set(re.findall(r"\tn\d+ \[", draw(output).dot.source)))


def test_a_constant_has_no_gradient_row_and_looks_different() -> None:
    picture = draw(Value(2.0, label="x") * 7.0)
    seven = next(box for box in boxes(picture) if "7" in box)
    assert "grad" not in seven
    assert picture.dot.source.count('STYLE="dashed"') == 1


def test_a_small_tensor_shows_its_numbers() -> None:
    w = Tensor([[1.0, 2.5, -3.0], [0.0, 1e-9, 123456.0]], label="W")
    w.grad = np.zeros((2, 3))
    assert boxes(draw(w)) == [
        [
            *("W", "(2, 3) float64"),
            *("data", "[[1, 2.5, -3], [0, 1e-09, 1.235e+05]]"),
            *("grad", "[[0, 0, 0], [0, 0, 0]]"),
        ]
    ]


def test_a_large_tensor_shows_a_summary() -> None:
    w = Tensor(np.arange(12.0, dtype=np.float32).reshape(3, 4), label="W")
    w.grad = np.full((3, 4), -1.0, dtype=np.float32)
    assert boxes(draw(w)) == [
        [
            *("W", "(3, 4) float32", "min", "mean", "max"),
            *("data", "0", "5.5", "11"),
            *("grad", "-1", "-1", "-1"),
        ]
    ]


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (np.array(1.5), ["1.5"]),
        (np.zeros((0, 3)), ["empty"]),
        (np.array([1, 1_000_000]), ["[1, 1000000]"]),
        (np.array([True, False]), ["[True, False]"]),
        (np.array([np.nan, np.inf, -np.inf]), ["[nan, inf, -inf]"]),
        (np.array([np.inf, -np.inf] * 4), ["-inf", "nan", "inf"]),
        (np.full(7, 1e38, dtype=np.float32), ["1e+38", "1e+38", "1e+38"]),
    ],
)
def test_every_kind_of_tensor_has_a_picture(data: np.ndarray, shown: list[str]) -> None:
    (box,) = boxes(draw(Tensor(data)))
    at = box.index("data") + 1
    assert box[at : at + len(shown)] == shown


def test_parameters_stand_beside_the_operation() -> None:
    output = Tensor(np.ones((2, 3))).sum(axis=1)
    assert any("axis=1" in text for text in boxes(draw(output))[-1])


def test_a_parameter_never_shows_an_address() -> None:
    x = Tensor(np.ones((4, 5)))
    for output in (x[1:3, ::2], x[..., None, 0], x[np.array([0, 2])], x.reshape(2, 10).sum()):
        assert not re.search(r"0x|object at|&lt;", draw(output).dot.source)


def test_the_first_input_comes_first() -> None:
    a, b = Value(1.0, label="a"), Value(2.0, label="b")
    for output, upper, lower in ((a - b, "a", "b"), (b - a, "b", "a")):
        heights = dict(re.findall(r'y="([-\d.]+)"[^>]*>([ab])</text>', draw(output).svg))
        height = {name: float(y) for y, name in heights.items()}
        assert height[upper] < height[lower]  # y grows downwards


@pytest.mark.parametrize("direction", ["LR", "RL", "TB", "BT"])
def test_direction(small: Value, direction: str) -> None:
    assert f"rankdir={direction}" in draw(small, direction=direction).dot.source


# What is refused


def test_an_unknown_direction_is_an_error(small: Value) -> None:
    with pytest.raises(RenderError, match="one of LR, RL, TB, BT, got 'left'"):
        draw(small, direction="left")


@pytest.mark.parametrize("thing", [3.0, None, "a", [Value(1.0)]])
def test_what_is_not_a_node_is_an_error(thing: object) -> None:
    with pytest.raises(DataError, match=f"takes a Value or a Tensor, got {type(thing).__name__}"):
        draw(thing)  # type: ignore[arg-type]


def test_a_large_graph_is_refused_and_can_be_asked_for() -> None:
    x = Value(1.0)
    for _ in range(20):
        x = -x
    with pytest.raises(RenderError, match=r"21 nodes, more than max_nodes=20.*max_nodes=21"):
        draw(x, max_nodes=20)
    assert len(boxes(draw(x, max_nodes=21))) == 21


def test_only_a_large_layout_is_cut_short() -> None:
    x = Value(1.0)
    for _ in range(999):
        x = -x
    assert "nslimit" not in draw(x).dot.source
    assert "nslimit" in draw(-x, max_nodes=1001).dot.source


def test_a_chain_of_a_million_nodes_is_refused_without_a_hang() -> None:
    x = Value(1.0)
    for _ in range(1_000_000):
        x = -x
    start = time.perf_counter()
    with pytest.raises(RenderError, match="1,000,001 nodes"):
        draw(x)
    assert time.perf_counter() - start < 30.0


# Hostile text


@pytest.mark.parametrize("label", HOSTILE)
def test_hostile_labels_are_shown_as_they_are(label: str) -> None:
    x = Value(1.0, label=label)
    x.backward()
    picture = draw(x)
    assert_safe(picture.svg)
    shown = re.sub("[\ud800\ufffe\uffff]", "\N{REPLACEMENT CHARACTER}", label)
    assert boxes(picture)[0][0] == shown


def test_a_long_label_ends_in_an_ellipsis() -> None:
    text = boxes(draw(Value(1.0, label="x" * 10_000)))[0][0]
    assert len(text) <= 60
    assert text.endswith("x…")


@pytest.mark.parametrize("label", ["two\nlines", " two\t lines\r\n"])
def test_white_space_becomes_one_blank(label: str) -> None:
    assert boxes(draw(Value(1.0, label=label)))[0][0] == "two lines"


@pytest.mark.parametrize("char", ["\0", "\x07", "\x1b", "\x7f", "\x9f", "\u202e", "\u2066"])
def test_a_character_that_cannot_be_shown_has_a_mark(char: str) -> None:
    assert boxes(draw(Value(1.0, label=f"a{char}b")))[0][0] == "a\N{REPLACEMENT CHARACTER}b"


@settings(max_examples=25)
@given(st.lists(st.text(max_size=80) | st.sampled_from(HOSTILE), min_size=1, max_size=12))
def test_every_svg_is_well_formed_without_script_or_link(labels: list[str]) -> None:
    nodes = [Value(1.0, label=label) for label in labels]
    output = nodes[0]
    for node in nodes[1:]:
        output = output * node
        output.label = node.label
    picture = draw(output)
    assert_safe(picture.svg)
    assert len(boxes(picture)) == 2 * len(labels) - 1


@settings(max_examples=15)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), max_size=40))
def test_any_graph_can_be_drawn(pairs: list[tuple[int, int]]) -> None:
    nodes = [Value(1.0)]
    for i, j in pairs:
        nodes.append(nodes[i % len(nodes)] - nodes[j % len(nodes)])
    picture = draw(nodes[-1])
    assert (
        repr(picture)
        == f"<Drawing of {len(boxes(picture))} nodes and {len(arrows(picture))} arrows>"
    )


# Files and notebooks


@pytest.mark.parametrize("suffix", [".svg", ".png", ".pdf", ".dot", ".SVG"])
def test_save_writes_what_the_suffix_says(small: Value, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"graph{suffix}"
    draw(small).save(path)
    draw(small).save(str(path))
    assert path.read_bytes().startswith(MAGIC[suffix.lower()])


@pytest.mark.parametrize("suffix", [".svg", ".png", ".pdf", ".dot"])
def test_the_same_graph_gives_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    program = (
        "import sys; from autograd import *; import numpy as np\n"
        "x = Tensor(np.ones((3, 4)), label='x'); y = (x @ np.ones((4, 2))).tanh().sum()\n"
        "y.backward(); draw(y * y).save(sys.argv[1])\n"
    )
    paths = [tmp_path / f"{i}{suffix}" for i in range(2)]
    for seed, path in enumerate(paths):
        subprocess.run(
            [sys.executable, "-c", program, str(path)],
            check=True,
            env={"PYTHONHASHSEED": str(seed), "PYTHONPATH": str(Path(__file__).parent.parent)},
        )
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_pdf_has_no_time_in_it(small: Value, tmp_path: Path) -> None:
    draw(small).save(tmp_path / "graph.pdf")
    dates = re.findall(rb"\(D:(\d+)", (tmp_path / "graph.pdf").read_bytes())
    assert set(dates) == {b"19700101000000"}


@pytest.mark.parametrize("name", ["graph.gif", "graph", "graph.svg.exe"])
def test_an_unknown_suffix_lists_the_known_ones(small: Value, tmp_path: Path, name: str) -> None:
    with pytest.raises(RenderError, match=r"\.svg, \.png, \.pdf, \.dot, got .*graph"):
        draw(small).save(tmp_path / name)
    assert not (tmp_path / name).exists()


def test_an_unwritable_path_is_one_clear_error(small: Value, tmp_path: Path) -> None:
    with pytest.raises(RenderError, match=r"^cannot write .*missing.*: No such file"):
        draw(small).save(tmp_path / "missing" / "graph.dot")


def test_a_notebook_gets_the_picture_and_text(small: Value) -> None:
    picture = draw(small)
    bundle = picture._repr_mimebundle_()
    assert bundle == {"image/svg+xml": picture.svg, "text/plain": repr(picture)}
    assert picture.svg.startswith("<svg")


def test_a_notebook_gets_one_line_when_there_is_no_picture(
    small: Value, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image, "TIMEOUT", 0.001)
    bundle = draw(small)._repr_mimebundle_()
    assert list(bundle) == ["text/plain"]
    assert "more than 0.001 seconds" in bundle["text/plain"]


# Where Graphviz comes from


def test_no_graphviz_and_no_fonts_are_needed(
    small: Value, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = draw(small).svg
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FONTCONFIG_FILE", str(tmp_path / "nothing.conf"))
    picture = draw(small)
    for suffix in (".svg", ".png", ".pdf"):
        picture.save(tmp_path / f"graph{suffix}")
    assert picture.svg == expected


def test_nothing_is_read_or_written_where_one_works(
    small: Value, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for format in image.FORMATS:
        image.render(draw(small).dot.source, format)
    assert [path.name for path in tmp_path.rglob("*")] == ["sub"]
    assert not (image.FONT.parent / ".uuid").exists()


@pytest.mark.parametrize(
    ("label", "system"), [("a×Σ∂ мир", False), ("日本", True), ("हिन्दी", True)]
)
def test_fonts_of_the_system_only_for_scripts_that_ours_lacks(
    label: str, system: bool, tmp_path: Path
) -> None:
    description = Path(image._fonts_for(label, tmp_path)).read_text(encoding="utf-8")
    assert ("/etc/fonts" in description) == system


def test_text_is_measured_with_our_own_font() -> None:
    widths = [
        float(re.match(r'<svg width="(\d+)pt"', draw(Value(1.0, label=label)).svg)[1])  # type: ignore[index]
        for label in ("i" * 30, "W" * 30, "∇" * 30)
    ]
    assert widths[0] < widths[2] < widths[1]


def test_the_dot_on_the_path_is_the_second_choice(
    small: Value, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RenderError, match="pip install pygraphviz, or put Graphviz's dot on"):
        draw(small).save(tmp_path / "graph.png")
    program = tmp_path / "dot"
    program.write_text(f"#!{sys.executable}\nimport sys\nprint('<svg>', *sys.argv[1:])\n")
    program.chmod(0o755)
    assert image.render("digraph {}", "svg") == b"<svg> -Tsvg\n"
    assert image.render("digraph {}", "png") == b"<svg> -Tpng -Gdpi=192\n"
    program.chmod(0o644)


def test_only_known_formats_reach_graphviz() -> None:
    with pytest.raises(RenderError, match="one of svg, png, pdf, got 'xlib'"):
        image.render("digraph {}", "xlib")


def test_a_slow_layout_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "TIMEOUT", 0.001)
    with pytest.raises(RenderError, match=r"^the layout took more than 0\.001 seconds"):
        image.render("digraph {}", "svg")


@pytest.mark.parametrize(
    ("child", "message"),
    [
        ("import os; os.abort()", r"exit code -?\d+"),
        ("import sys; sys.exit('Error: lost')", "exit code 1.*Error: lost"),
        ("raise ValueError('no plugin')", "exit code 1.*ValueError: no plugin"),
        ("pass", "exit code 0.*no message"),
        ("import sys; print('<svg>'); print('Error: bad label', file=sys.stderr)", "bad label"),
    ],
)
def test_a_failing_child_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch, child: str, message: str
) -> None:
    monkeypatch.setattr(image, "_CHILD", child)
    with pytest.raises(RenderError, match=message) as caught:
        image.render("digraph {}", "svg")
    assert "\n" not in str(caught.value)


def test_dot_text_that_is_wrong_is_one_clear_error() -> None:
    with pytest.raises(RenderError, match="Graphviz failed"):
        image.render("digraph {", "svg")
    with pytest.raises(RenderError, match="Graphviz failed"):
        image.render("digraph { a [label=<<b>>] }", "svg")


def test_importing_and_drawing_load_nothing_heavy() -> None:
    program = (
        "import sys, autograd\n"
        "heavy = {'graphviz', 'pygraphviz', 'subprocess', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        "autograd.draw(autograd.Value(1.0)).svg\n"
        "print(sorted({'pygraphviz', 'matplotlib'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(Path(__file__).parent.parent)},
    )
    assert done.stdout == "[]\n[]\n"
