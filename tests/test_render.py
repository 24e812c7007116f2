"""Pictures: what a box says and that it is wide enough, that every SVG is safe and the same each
time, that PNG and PDF show what the SVG does, and that none of it needs Graphviz or fonts on the
machine."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nn
from autograd import DataError, RenderError, Tensor, Value, draw, no_grad, scope
from autograd.render import Drawing, font, image
from autograd.render.bidi import visual_order

SVG = "{http://www.w3.org/2000/svg}"

MAGIC = {
    **{".svg": b"<svg", ".png": b"\x89PNG\r\n\x1a\n", ".pdf": b"%PDF-"},
    **{".dot": b"digraph", ".mmd": b"flowchart", ".txt": "┌".encode()},
}

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
    assert boxes(draw(y))[-1][:2] == ["y", "+"]


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


@pytest.mark.parametrize(
    ("index", "shown"),
    [
        ((np.arange(32) % 4, np.arange(32) % 5), "index=(…, …)"),
        (np.array([0, 2]), "index=[0, 2]"),
        ((slice(1, 3), slice(None, None, 2)), "index=(1:3, ::2)"),
        ((..., None, 0), "index=(..., None, 0)"),
        ((slice(1, 3),) * 2 + (None,) * 9, "index=(1:3, 1:3, None, …"),
    ],
)
def test_an_index_is_shown_in_few_characters(index: object, shown: str) -> None:
    header = boxes(draw(Tensor(np.ones((4, 5)))[index]))[-1][0]
    assert header == f"[ ] {shown}"


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


def test_a_long_search_is_for_small_layouts_and_large_ones_are_placed() -> None:
    def chain(length: int) -> str:
        x = Value(1.0)
        for _ in range(length - 1):
            x = -x
        return str(draw(x, max_nodes=10_000).dot.source)

    assert "nslimit" not in chain(1000)
    assert "layout=nop" not in chain(1000)
    assert "layout=nop" in chain(2500)


def test_a_long_chain_is_folded() -> None:
    x = Value(1.0)
    for _ in range(300_000):
        x = -x
    picture = draw(x)
    assert "300,001 nodes folded into 3 boxes; max_nodes=300001 shows more" in picture.svg


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
        with scope(node.label):
            output = output * node
        output.label = node.label
    picture = draw(output)
    assert_safe(picture.svg)
    assert len(boxes(picture)) == 2 * len(labels) - 1
    assert_safe(draw(output, depth=1, show="local").svg)


@settings(max_examples=15)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), max_size=40))
def test_any_graph_can_be_drawn(pairs: list[tuple[int, int]]) -> None:
    nodes = [Value(1.0)]
    for i, j in pairs:
        nodes.append(nodes[i % len(nodes)] - nodes[j % len(nodes)])
    picture = draw(nodes[-1])
    nodes, edges = len(boxes(picture)), len(arrows(picture))
    assert repr(picture) == (
        f"<Drawing of {nodes} node{'s' * (nodes != 1)} and {edges} arrow{'s' * (edges != 1)}>"
    )


# Files and notebooks


@pytest.mark.parametrize("suffix", [*MAGIC, ".SVG"])
def test_save_writes_what_the_suffix_says(small: Value, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"graph{suffix}"
    draw(small).save(path)
    draw(small).save(str(path))
    assert path.read_bytes().startswith(MAGIC[suffix.lower()])


@pytest.mark.parametrize("suffix", MAGIC)
def test_the_same_graph_gives_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    program = (
        "import sys, nn; from autograd import *; import numpy as np\n"
        "x = Tensor(np.ones((3, 4)), label='x'); y = (x @ np.ones((4, 2))).tanh().sum()\n"
        "with scope('net'): y = y + nn.MLP(2, [2, 1], node=Value, rng=0)([1.0, 2.0])\n"
        "y.backward(); draw(y * y, show=('data', 'grad', 'local')).save(sys.argv[1])\n"
    )
    paths = [tmp_path / f"{i}{suffix}" for i in range(2)]
    for seed, path in enumerate(paths):
        subprocess.run(
            [sys.executable, "-c", program, str(path)],
            check=True,
            env={"PYTHONHASHSEED": str(seed), "PYTHONPATH": str(Path(__file__).parent.parent)},
        )
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_files_have_no_time_in_them(small: Value, tmp_path: Path) -> None:
    for format in image.FORMATS:
        path = tmp_path / f"graph.{format}"
        draw(small).save(path)
        assert not re.search(rb"Date|tIME|20\d\d-\d\d|/ID", path.read_bytes())


@pytest.mark.parametrize("path", [None, 3, b"graph.svg", ["graph.svg"], sys.stdout])
def test_what_is_not_a_path_is_one_clear_error(small: Value, path: object) -> None:
    with pytest.raises(RenderError, match=r"^save takes a path ending in \.svg"):
        draw(small).save(path)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["a\0.svg", "\ud800.svg", "a" * 5000 + ".svg"])
def test_a_path_that_no_file_can_have_is_one_clear_error(
    small: Value, tmp_path: Path, name: str
) -> None:
    with pytest.raises(RenderError, match=r"^cannot write ") as caught:
        draw(small).save(tmp_path / name)
    message = str(caught.value)
    assert len(message.encode()) < 500
    assert "\n" not in message


@pytest.mark.parametrize("name", ["graph.gif", "graph", "graph.svg.exe"])
def test_an_unknown_suffix_lists_the_known_ones(small: Value, tmp_path: Path, name: str) -> None:
    known = r"\.svg, \.png, \.pdf, \.dot, \.mmd, \.txt, got .*graph"
    with pytest.raises(RenderError, match=known):
        draw(small).save(tmp_path / name)
    assert not (tmp_path / name).exists()


def test_an_unwritable_path_is_one_clear_error(small: Value, tmp_path: Path) -> None:
    with pytest.raises(RenderError, match=r"^cannot write .*missing.*: No such file"):
        draw(small).save(tmp_path / "missing" / "graph.dot")


def test_a_notebook_gets_the_picture_and_text(small: Value) -> None:
    picture = draw(small)
    bundle = picture._repr_mimebundle_()
    assert bundle == {"image/svg+xml": picture.svg, "text/plain": picture.text}
    assert picture.svg.startswith('<svg style="max-width:100%;height:auto" ')
    many = draw(sum((Value(1.0) for _ in range(40)), Value(0.0)))
    assert many._repr_mimebundle_()["text/plain"] == repr(many)


def test_a_notebook_gets_one_line_when_there_is_no_picture(
    small: Value, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image, "TIMEOUT", 0.001)
    bundle = draw(small)._repr_mimebundle_()
    assert list(bundle) == ["text/plain"]
    assert "more than 0.001 seconds" in bundle["text/plain"]


def test_the_pictures_of_the_pages_are_what_their_examples_draw(tmp_path: Path) -> None:
    folder = Path(__file__).parent.parent / "docs"
    subprocess.run(
        [sys.executable, folder / "make_pictures.py", tmp_path],
        check=True,
        env={"PYTHONPATH": str(folder.parent)},
    )
    pages = [*(folder / "pictures").iterdir(), folder / "graph.svg", folder / "replay.svg"]
    shown = {path.name: path for path in pages}
    assert {path.name for path in tmp_path.iterdir()} == shown.keys()
    for name, path in shown.items():
        texts = [
            [element.text for element in ET.parse(each).iter(f"{SVG}text")]
            for each in (path, tmp_path / name)
        ]
        assert texts[0] == texts[1], "run python docs/make_pictures.py"


# Where Graphviz comes from


def test_no_graphviz_and_no_fonts_are_needed(
    small: Value, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = draw(small).svg
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FONTCONFIG_FILE", str(tmp_path / "nothing.conf"))
    picture = draw(small)
    for suffix in MAGIC:
        picture.save(tmp_path / f"graph{suffix}")
    assert picture.svg == expected


def test_text_mermaid_and_dot_need_no_graphviz(
    small: Value, program: Callable[[str], None]
) -> None:
    picture = draw(small)
    with pytest.raises(RenderError, match="drawing needs Graphviz: pip install graphviz-pure"):
        picture.svg  # noqa: B018
    assert "tanh" in picture.text
    assert "tanh" in picture.mermaid
    assert "tanh" in picture.dot.source
    (plain,) = picture._repr_mimebundle_().values()
    assert plain.startswith(picture.text)
    assert plain.splitlines()[-1].startswith("drawing needs Graphviz")


def test_nothing_is_read_or_written_where_one_works(
    small: Value, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for format in image.FORMATS:
        image.encode(draw(small).svg, format)
    assert [path.name for path in tmp_path.rglob("*")] == ["sub"]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Take a Python program, given as text, for Graphviz."""
    path = tmp_path / "bin" / "dot"

    def replace(text: str) -> None:
        path.write_text(f"#!{sys.executable}\n{text}\n")
        path.chmod(0o755)

    def no_package(name: str) -> list[metadata.PackagePath]:
        raise metadata.PackageNotFoundError(name)

    path.parent.mkdir()
    monkeypatch.setenv("PATH", str(path.parent))
    monkeypatch.setattr(metadata, "files", no_package)
    return replace


def test_the_dot_on_the_path_is_the_second_choice(
    small: Value, tmp_path: Path, program: Callable[[str], None]
) -> None:
    with pytest.raises(RenderError, match="pip install graphviz-pure, or put Graphviz's dot on"):
        draw(small).save(tmp_path / "graph.png")
    svg = '<svg viewBox="0 0 9 9">'
    program(f"import sys; print('<?xml?>\\n{svg}', *sys.argv[1:], sys.stdin.read())")
    assert image.layout("digraph {}") == f"{svg} -Tsvg digraph {{}}\n"


def test_only_known_formats_are_encoded() -> None:
    with pytest.raises(RenderError, match="one of svg, png, pdf, got 'xlib'"):
        image.encode("<svg/>", "xlib")


def test_a_slow_layout_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "TIMEOUT", 0.0001)
    with pytest.raises(RenderError, match=r"^the layout took more than 0\.0001 seconds"):
        image.layout("digraph {}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import os; os.abort()", r"exit code -?\d+"),
        ("import sys; sys.exit('Error: lost')", "exit code 1.*Error: lost"),
        ("raise ValueError('no plugin')", "exit code 1.*ValueError: no plugin"),
        ("pass", "exit code 0.*no message"),
        ("import sys; print('<svg>'); print('Error: bad label', file=sys.stderr)", "bad label"),
    ],
)
def test_a_failing_layout_is_one_clear_error(
    program: Callable[[str], None], text: str, message: str
) -> None:
    program(text)
    with pytest.raises(RenderError, match=message) as caught:
        image.layout("digraph {}")
    assert "\n" not in str(caught.value)


def test_dot_text_that_is_wrong_is_one_clear_error() -> None:
    with pytest.raises(RenderError, match="Graphviz failed"):
        image.layout("digraph {")
    with pytest.raises(RenderError, match="Graphviz failed"):
        image.layout("digraph { a [label=<<b>>] }")


def test_nets_are_laid_out_in_the_way_that_their_size_allows() -> None:
    def net(layers: int, width: int) -> Value:
        values = [Value(1.0, label=f"x{i}") for i in range(width)]
        for _ in range(layers):
            values = [sum((x * Value(0.5) for x in values), Value(0.0)).tanh() for _ in values]
        return sum(values, Value(0.0))

    for output, is_placed in ((net(4, 9), False), (net(7, 15), True)):
        picture = draw(output, max_nodes=6000)
        assert ("layout=nop" in picture.dot.source) == is_placed
        assert picture.svg.count('class="node"') == len(picture.scene.boxes)


def test_layers_stand_apart_where_many_arrows_lie_between() -> None:
    def gap(picture: Drawing) -> float:
        return float(re.findall(r"ranksep=([\d.]+)", picture.dot.source)[0])

    model = nn.MLP(2, [16, 16, 1], node=Value, rng=0)
    assert gap(draw(model([1.0, 2.0]), depth=2)) > 2.0
    x = powers = Value(1.0)
    for _ in range(100):
        powers = powers * x  # its arrows are many, and pass many layers
    values = [Value(1.0).tanh() for _ in range(100)]
    for output in (powers, sum(values, Value(0.0)), x):
        assert gap(draw(output)) < 0.5


# Widths, PNG and PDF


def test_boxes_are_as_wide_as_their_text() -> None:
    for label in (*HOSTILE, "W" * 40, "i" * 40, "∇" * 40, "λάμδα мир é"):
        y = Tensor(np.linspace(-1e-5, 1.0, 9).reshape(3, 3), label=label)[:, np.arange(8) % 3]
        y.label = label
        root = ET.fromstring(draw(y).svg)
        for group in root.iter(f"{SVG}g"):
            if group.get("class") != "node":
                continue
            corners = " ".join(shape.get("points", "") for shape in group.iter(f"{SVG}polygon"))
            right = max(float(x) for x in re.findall(r"(\S+),", corners))
            ends: dict[str, float] = {}
            for text in group.iter(f"{SVG}text"):
                start, line = float(text.attrib["x"]), text.attrib["y"]
                assert start >= ends.get(line, 0.0)  # texts on a line do not overlap
                ends[line] = start + font.width(text.text or "", float(text.attrib["font-size"]))
                assert ends[line] <= right


def test_widths_are_those_of_the_font() -> None:
    def reference(text: str) -> float:
        face = ttf.TTFont(font.PATH)
        cmap, advances = face.getBestCmap(), face["hmtx"]
        return sum(advances[cmap[ord(char)]][0] for char in text) * 11 / face["head"].unitsPerEm

    ttf = pytest.importorskip("fontTools.ttLib")
    for text in ("", "data", "-0.001341", "×Σ∂∇ λάμδα мир éñ", "שלום مرحبا"):
        assert font.width(text, 11) == pytest.approx(reference(text))
    assert font.width("日", 11) == 11.0  # which the font lacks
    assert font.covers("a×Σ∂ мир שלום")
    assert not font.covers("日本")


def test_a_subset_is_a_font_with_the_same_glyphs() -> None:
    ttf = pytest.importorskip("fontTools.ttLib")
    numbers = [font.glyph(char) for char in "aé∂"]
    cut = ttf.TTFont(io.BytesIO(font.subset(numbers)), checkChecksums=2)
    whole = ttf.TTFont(font.PATH)
    for number in (0, *numbers):
        name, expected = cut.getGlyphName(number), whole.getGlyphName(number)
        assert cut["hmtx"][name] == whole["hmtx"][expected]
        assert (
            cut["glyf"][name].getCoordinates(cut["glyf"])[0]
            == whole["glyf"][expected].getCoordinates(whole["glyf"])[0]
        )
    assert len(font.subset(numbers)) < 70_000 < len(Path(font.PATH).read_bytes())


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("abc (1)", "abc (1)"),
        ("שלום", "םולש"),
        ("x שלום (y) 12", "x םולש (y) 12"),
        ("אב 34.5 (ג) y", "(ג) 34.5 בא y"),
        ("بب", "\ufe90\ufe91"),  # the first letter joins the next: initial, then final
        ("دب", "\ufe8f\ufea9"),  # dal joins nothing after it
    ],
)
def test_right_to_left_text_is_turned_for_a_pdf(text: str, drawn: str) -> None:
    assert visual_order(text) == drawn


def streams(pdf: bytes) -> list[bytes]:
    return [zlib.decompress(part) for part in re.findall(rb"stream\n(.*?)\nendstream", pdf, re.S)]


def test_a_pdf_has_the_shapes_and_texts_of_the_svg(small: Value) -> None:
    svg = draw(small).svg
    pdf = image.encode(svg, "pdf")
    operators, _, meaning = streams(pdf)
    assert operators.count(b" Tj ET") == svg.count("<text")
    assert len(re.findall(rb"^[BfSn]$", operators, re.M)) == svg.count("<p")
    chars = dict(re.findall(rb"<(\w{4})> <(\w{4})>", meaning.partition(b"bfchar")[2]))
    texts = [
        "".join(chr(int(chars[word.encode()], 16)) for word in re.findall("....", code.decode()))
        for code in re.findall(rb"<(\w*)> Tj", operators)
    ]
    assert texts == [text.text for text in ET.fromstring(svg).iter(f"{SVG}text")]
    _, _, width, height = ET.fromstring(svg).attrib["viewBox"].split()
    assert f"/MediaBox [0 0 {width} {height}]".encode() in pdf


def test_the_table_of_a_pdf_points_at_its_objects(small: Value) -> None:
    pdf = image.encode(draw(small).svg, "pdf")
    starts = [int(start) for start in re.findall(rb"(\d{10}) 00000 n", pdf)]
    assert [pdf[start:].split()[0] for start in starts] == [b"%d" % i for i in range(1, 10)]
    assert pdf[int(pdf.split()[-2]) :].startswith(b"xref")


def test_a_wide_pdf_has_larger_units() -> None:
    x = Value(1.0)
    for _ in range(300):
        x = -x
    pdf = image.encode(draw(x).svg, "pdf")
    box = [float(n) for n in re.findall(rb"MediaBox \[0 0 (\S+) (\S+)\]", pdf)[0]]
    assert max(box) == pytest.approx(14_400)
    assert float(re.findall(rb"UserUnit (\S+)", pdf)[0]) > 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "extra", "shape": "ellipse"}, "cannot show <ellipse>.*save it as .svg"),
        ({"name": "extra", "color": "red", "shape": "box"}, "#rrggbb, this picture has 'red'"),
    ],
)
def test_a_changed_picture_that_a_pdf_cannot_show_is_one_clear_error(
    small: Value, change: dict[str, str], message: str
) -> None:
    picture = draw(small)
    picture.dot.node(**change)
    assert picture.svg
    with pytest.raises(RenderError, match=message):
        image.encode(picture.svg, "pdf")


def png_size(png: bytes) -> tuple[int, int]:
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


def test_a_png_has_192_dots_an_inch_unless_it_is_large(
    small: Value, monkeypatch: pytest.MonkeyPatch
) -> None:
    svg = draw(small).svg
    size = [float(n) for n in ET.fromstring(svg).attrib["viewBox"].split()[2:]]
    assert png_size(image.encode(svg, "png")) == pytest.approx(
        [n * 192 / 72 for n in size], abs=1.0
    )
    monkeypatch.setattr(image, "MAX_PIXELS", 10_000)
    width, height = png_size(image.encode(svg, "png"))
    assert width * height == pytest.approx(10_000, rel=0.05)


def test_a_png_that_cannot_be_made_is_one_clear_error() -> None:
    with pytest.raises(RenderError, match="could not be made a PNG"):
        image.encode('<svg viewBox="0 0 5 5"><', "png")


def test_importing_and_drawing_load_nothing_heavy() -> None:
    program = (
        "import sys, autograd\n"
        "heavy = {'graphviz', 'resvg_py', 'subprocess', 'xml', 'matplotlib', 'html'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        "autograd.draw(autograd.Value(1.0)).svg\n"
        "print(sorted({'resvg_py', 'xml', 'matplotlib'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(Path(__file__).parent.parent)},
    )
    assert done.stdout == "[]\n[]\n"
