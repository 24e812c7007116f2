"""Films of a backward pass: each frame shows what a drawing of its step shows, nothing moves
between frames, captions tell true sums, and a page loads nothing, whatever the labels say."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_graphs import graphs

import autograd as ag
from autograd import RenderError, Tensor, Value, draw
from autograd.render import font, frames, image
from autograd.render.dot import to_dot
from autograd.render.frames import Film, caption, conclusion, static
from autograd.render.scene import View, scene
from autograd.steps import steps

SVG = "{http://www.w3.org/2000/svg}"

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "--> ]]> <![CDATA[",
    "\u2028\u2029",
    "javascript:alert(1)",
    "<img src=x onerror=alert(1)>",
    "a\"b'c&amp;{x}\\u003c",
    "\ud800\ufffe",
    "שלום \u202e",
]


@pytest.fixture
def output() -> Value:
    """tanh(a*b + c*a): a gets its gradient in two parts."""
    a, b, c = Value(2.0, label="a"), Value(-3.0, label="b"), Value(3.3, label="c")
    y = (a * b + c * a).tanh()
    y.label = "y"
    return y


def groups(svg: str, kind: str) -> dict[str, ET.Element]:
    root = ET.fromstring(svg)
    return {g.get("id", ""): g for g in root.iter(f"{SVG}g") if g.get("class") == kind}


def shown(svg: str) -> dict[str, Any]:
    """What a reader sees of each box and arrow: texts with their colours and grounds, and lines."""
    seen: dict[str, Any] = {}
    for name, group in groups(svg, "node").items():
        border = group.findall(f"{SVG}polygon")[1]
        seen[name] = (border.get("stroke"), border.get("stroke-width", "1"), texts(group))
    for name, group in groups(svg, "edge").items():
        line = group.find(f"{SVG}path")
        assert line is not None
        seen[name] = (line.get("stroke"), line.get("stroke-width", "1"), texts(group))
    return seen


def texts(group: ET.Element) -> list[tuple[str | None, str | None, str | None]]:
    """Text, colour, and the colour of the ground drawn just before it."""
    found, ground = [], None
    for element in group:
        if element.tag == f"{SVG}text":
            if element.text:
                found.append((element.text, element.get("fill"), ground))
            ground = None
        elif element.tag == f"{SVG}polygon" and element.get("fill") != "none":
            ground = element.get("fill")
    return found


def skeleton(svg: str) -> list[tuple[str, dict[str, str]]]:
    """All that says where things are."""
    changing = {"fill", "stroke", "stroke-width"}
    return [
        (element.tag, {k: v for k, v in element.attrib.items() if k not in changing})
        for element in ET.fromstring(svg).iter()
    ]


# Frames


def assert_film_shows_the_steps(film: Film, passed: Any, view: View) -> None:
    for frame, svg in zip(passed, film.frames, strict=False):
        alone = image.layout(to_dot(scene(frame, view)).source)
        assert shown(svg) == shown(alone)
    assert all(skeleton(svg) == skeleton(film.frames[0]) for svg in film.frames)


def test_a_frame_shows_what_a_drawing_of_its_step_shows(output: Value) -> None:
    passed = steps(output)
    assert_film_shows_the_steps(Film(passed), passed, View())


@pytest.mark.parametrize("kind", [Value, Tensor])
def test_so_it_is_for_any_graph(kind: type) -> None:
    @settings(max_examples=12)
    @given(graphs(kind=kind, most=6), st.sampled_from(["LR", "TB"]))
    def check(graph: tuple[Any, list[Any]], direction: str) -> None:
        passed, view = steps(graph[0]), View(direction=direction)
        assert_film_shows_the_steps(Film(passed, view), passed, view)

    check()


def test_large_tensors_and_dimmed_and_folded_parts_keep_their_place() -> None:
    x = Tensor(np.arange(12.0).reshape(3, 4) / 10, label="x")
    w = Tensor(np.ones((4, 2)), label="w")
    with ag.scope("layer"):
        z = (x @ w).tanh()
    passed = steps(z.sum() * 2.0 + w.sum())
    for view in (View(), View(wrt=w), View(depth=1), View(depth=0), View(show=("grad", "type"))):
        assert_film_shows_the_steps(Film(passed, view), passed, view)


def test_a_nan_is_marked_in_the_frame_where_it_comes_up() -> None:
    x = Value(0.0, label="x")
    passed = steps(x.sqrt() * 0.0)
    assert_film_shows_the_steps(Film(passed), passed, View())
    assert "nan" in Film(passed).frames[-1]


def test_the_last_frame_has_all_gradients_and_nothing_that_flows(output: Value) -> None:
    *_, before, last = map(shown, Film(steps(output)).frames)
    output.backward()
    gradients = {name: box[2][-1][0] for name, box in last.items() if name.startswith("n")}
    expected = shown(draw(output).svg)
    assert gradients == {name: expected[name][2][-1][0] for name in gradients}
    assert any(arrow[2] for name, arrow in before.items() if name.startswith("a"))
    assert not any(arrow[2] for name, arrow in last.items() if name.startswith("a"))


def test_texts_stay_in_their_boxes(output: Value) -> None:
    for svg in Film(steps(output)).frames:
        for group in groups(svg, "node").values():
            corners = group.findall(f"{SVG}polygon")[0].get("points", "").replace(",", " ").split()
            right = max(map(float, corners[::2]))
            for text in group.iter(f"{SVG}text"):
                width = font.width(text.text or "", float(text.attrib["font-size"]))
                assert float(text.attrib["x"]) + width <= right


def test_what_is_left_of_a_text_that_went_hides_no_arrow(output: Value) -> None:
    for svg in Film(steps(output)).frames:
        for arrow in groups(svg, "edge").values():
            grounds = arrow.findall(f"{SVG}polygon")[1:]  # after the head
            assert any(text.text for text in arrow.iter(f"{SVG}text")) or all(
                ground.get("fill") == "none" for ground in grounds
            )


def test_texts_on_arrows_stand_in_the_middle_of_their_grounds(output: Value) -> None:
    svg = Film(steps(output)).frames[1]
    middles = [
        (float(text.attrib["x"]), sorted(float(c.split(",")[0]) for c in points.split()))
        for arrow in groups(svg, "edge").values()
        for text in arrow.iter(f"{SVG}text")
        for points in [arrow.findall(f"{SVG}polygon")[-1].attrib["points"]]
    ]
    assert middles
    assert all(x == pytest.approx((xs[0] + xs[-1]) / 2, abs=0.01) for x, xs in middles)


def test_a_long_pass_is_refused() -> None:
    x = Value(1.0)
    for _ in range(frames.MAX_FRAMES):
        x = -x
    with pytest.raises(RenderError, match=r"at most 300 frames, and this pass has 301 steps"):
        Film(steps(x))


# Captions


def test_captions_tell_the_pass(output: Value) -> None:
    first, second, *_, last, end = Film(steps(output)).captions
    assert first == "Step 1 of 5: y starts with the cotangent 1."
    assert second == "Step 2 of 5: at y (tanh) the cotangent 1 becomes 1 × 0.7116 = 0.7116 for +."
    assert "for a (0.2135 in all)" in last
    assert end.startswith("Done. The derivative of y is 0.2135 with respect to a, ")


def test_a_square_adds_up_in_one_step() -> None:
    told = caption(steps(Value(3.0, label="a").square())[1])
    assert told.endswith("becomes 1 × 6 = 6 for a.")
    a = Value(3.0, label="a")
    told = caption(steps(a * a)[1])
    assert told.endswith("1 × 3 = 3 for a and 1 × 3 = 3 for a (6 in all).")


@settings(max_examples=40)
@given(graphs(kind=Value))
def test_the_products_in_captions_are_true(graph: tuple[Any, list[Any]]) -> None:
    number = r"(-?[\d.]+(?:e[-+]\d+)?)"
    for frame in steps(graph[0]):
        sums = re.findall(rf"{number} × \(?{number}\)? = {number} for", caption(frame))
        assert len(sums) == min(len(frame.contributions), frames.MAX_TOLD)
        for factors in sums:
            g, local, product = map(float, factors)
            assert g * local == pytest.approx(product, rel=5e-3, abs=1e-12)


def test_the_conclusion_counts_what_it_leaves_out() -> None:
    leaves = [Value(1.0, label=f"x{i}") for i in range(9)]
    told = conclusion(steps(sum(leaves, Value(0.0, label="z"))))
    assert told.count("with respect to") == frames.MAX_TOLD
    assert told.endswith("and so on for 6 more.")


def test_a_tensor_is_told_by_its_numbers_or_its_size() -> None:
    x = Tensor(np.ones((3, 4)), label="x")
    assert "(3, 4) of norm" in caption(steps(x.sum())[1])
    assert "×" not in caption(steps(x.sum())[1])


# The page


class Page(HTMLParser):
    """Elements of a page in order, and the text of its scripts and styles; checks the nesting."""

    VOID = ("meta",)

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("script", "style"):
            self.texts.append((self.open[-1], data))


SHAPES = {"svg", "g", "title", "text", "path", "polygon", "polyline"}


def assert_page_is_safe(text: str, captions: list[str]) -> None:
    page = Page(text)
    tags = [tag for tag, _ in page.elements]
    assert set(tags) <= SHAPES | {"html", "head", "meta", "style", "body", "main", "script"}
    assert tags.count("script") == 2
    for tag, attributes in page.elements:
        assert not {"src", "href", "srcdoc", "action", "style"} & attributes.keys()
        assert not any(
            name.startswith("on") or "url(" in (v or "") for name, v in attributes.items()
        )
        if tag == "meta" and "http-equiv" in attributes:
            policy = attributes["content"] or ""
    style, data, script = (text for _, text in page.texts)
    for name, part in (("script", script), ("style", style)):
        digest = base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert [frame["caption"] for frame in json.loads(data)["frames"]] == captions
    assert not set("<>&\u2028\u2029") & set(data)


def test_scripts_and_styles_load_nothing_and_set_no_markup() -> None:
    scripts = static("stage.mjs", "film.mjs", "widget.mjs")
    for word in ("import ", "import(", "eval(", "innerHTML", "outerHTML", "insertAdjacent"):
        assert word not in scripts
    for word in ("fetch(", "XMLHttpRequest", "WebSocket", "</script", "<!--"):
        assert word not in scripts
    assert re.findall(r"https?://[^\"]*", scripts) == ["http://www.w3.org/2000/svg"]
    assert "@import" not in static("stage.css", "film.css", "widget.css")
    assert "url(" not in static("stage.css", "film.css", "widget.css")


@settings(max_examples=25)
@given(st.lists(st.text(max_size=60) | st.sampled_from(HOSTILE), min_size=1, max_size=4))
def test_a_page_is_safe_whatever_the_labels(labels: list[str]) -> None:
    output = Value(1.0, label=labels[0])
    for label in labels:
        output = output * Value(2.0, label=label)
        output.label = label
    film = Film(steps(output))
    assert_page_is_safe(film.page, film.captions)


def test_the_page_holds_what_differs_between_frames(output: Value) -> None:
    film = Film(steps(output))
    data = json.loads(next(text for kind, text in Page(film.page).texts if text.startswith("{")))
    svg = ET.fromstring(film.frames[0])
    slots = {element.get("data-slot"): element for element in svg.iter()}
    for frame, expected in zip(data["frames"], film.frames, strict=True):
        for slot, changes in frame["changes"].items():
            for name, value in changes.items():
                if name == "text":
                    slots[slot].text = value
                else:
                    slots[slot].set(name, value)
        assert shown(ET.tostring(svg, encoding="unicode")) == shown(expected)
        assert frame["box"] in groups(expected, "node")
    assert len(json.dumps(data["frames"][2])) < len(json.dumps(data["frames"][0])) / 2


def test_the_box_of_a_frame_is_that_of_its_node_and_not_of_an_equal_one() -> None:
    x = Value(1.0, label="x")
    output = ((x * 1.0) * 1.0) * 1.0  # all numbers are equal, and so are the nodes
    data = json.loads(Page(Film(steps(output)).page).texts[1][1])
    assert [frame["box"] for frame in data["frames"]] == ["n6", "n6", "n4", "n2", "n6"]


# Files


@pytest.mark.parametrize("name", ["pass.html", "pass.HTML", "pass.gif", "pass"])
def test_the_same_pass_gives_the_same_bytes(tmp_path: Path, name: str) -> None:
    if name.endswith("gif"):
        pytest.importorskip("PIL")
    program = (
        "import sys; from autograd import *; from autograd.steps import steps\n"
        "from autograd.render.frames import Film\n"
        "x = Value(0.5, label='x'); y = (x * Value(2.0, label='w')).tanh() * x\n"
        "Film(steps(y)).save(sys.argv[1])\n"
    )
    contents = []
    for seed in range(2):
        path = tmp_path / str(seed) / name
        path.parent.mkdir()
        root = str(Path(__file__).parent.parent)
        environment = {"PYTHONHASHSEED": str(seed), "PYTHONPATH": root}
        command = [sys.executable, "-c", program, str(path)]
        subprocess.run(command, check=True, env=environment)
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        contents.append([(file.name, file.read_bytes()) for file in files])
    assert contents[0] == contents[1]


def test_a_folder_has_a_numbered_svg_for_each_frame(output: Value, tmp_path: Path) -> None:
    film = Film(steps(output))
    film.save(tmp_path / "new" / "pass")
    film.save(f"{tmp_path}/new/pass/")  # again
    files = sorted((tmp_path / "new" / "pass").iterdir())
    assert [file.name for file in files] == [f"00{i}.svg" for i in range(6)]
    assert [file.read_text(encoding="utf-8") for file in files] == film.frames


def test_a_gif_repeats_and_rests_on_its_last_frame(output: Value, tmp_path: Path) -> None:
    pil = pytest.importorskip("PIL.Image")
    film = Film(steps(output))
    film.save(tmp_path / "pass.gif")
    with pil.open(tmp_path / "pass.gif") as gif:
        assert gif.n_frames == len(film.frames) == 6
        assert gif.info["loop"] == 0
        times = []
        for i, svg in enumerate(film.frames):
            gif.seek(i)
            times.append(gif.info["duration"])
            png = pil.open(io.BytesIO(image.encode(svg, "png")))
            assert gif.size == png.size
            assert_nearly_alike(gif, png)
    assert times == [1500] * 5 + [4000]


def assert_nearly_alike(a: Any, b: Any) -> None:
    """The same picture on white, up to the few colours that a GIF can have."""
    pil = pytest.importorskip("PIL.Image")
    white = pil.new("RGBA", b.size, "white")
    one, other = a.convert("RGB"), pil.alpha_composite(white, b.convert("RGBA")).convert("RGB")
    difference = np.abs(np.asarray(one, float) - np.asarray(other, float))
    assert difference.mean() < 1.0
    assert (difference.max(axis=2) > 48).mean() < 0.002


def test_a_gif_without_pillow_says_what_to_install(
    output: Value, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(RenderError, match=r"needs Pillow: pip install 'autograd-nn\[gif\]'"):
        Film(steps(output)).save(tmp_path / "pass.gif")
    assert not (tmp_path / "pass.gif").exists()


@pytest.mark.parametrize("name", ["pass.svg", "pass.mp4", "pass.png"])
def test_an_unknown_suffix_lists_the_known_ones(output: Value, tmp_path: Path, name: str) -> None:
    with pytest.raises(RenderError, match=r"as \.html, as \.gif, or as a folder .*; got .*pass"):
        Film(steps(output)).save(tmp_path / name)
    assert not (tmp_path / name).exists()


def test_an_unwritable_path_is_one_clear_error(output: Value, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("missing/pass.html", "file/pass", "file"):
        with pytest.raises(RenderError, match=r"^cannot write "):
            Film(steps(output)).save(tmp_path / name)


# Notebooks


def test_a_notebook_gets_the_page_in_a_frame_and_the_picture(output: Value) -> None:
    film = Film(steps(output))
    bundle = film._repr_mimebundle_()
    assert bundle["image/svg+xml"] == film.frames[-1]
    assert bundle["text/plain"] == "<Film of 6 frames>"
    page = Page(bundle["text/html"].replace("></div>", "/></div>"))
    (frame,) = [attributes for tag, attributes in page.elements if tag == "iframe"]
    assert frame["srcdoc"] == film.page
    assert frame["sandbox"] == "allow-scripts"  # and not the notebook's origin
    (picture,) = [attributes["src"] or "" for tag, attributes in page.elements if tag == "img"]
    assert base64.b64decode(picture.partition(",")[2]).decode() == film.frames[-1]


def test_a_notebook_gets_one_line_when_there_is_no_picture(
    output: Value, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image, "TIMEOUT", 0.0001)
    bundle = Film(steps(output))._repr_mimebundle_()
    assert list(bundle) == ["text/plain"]
    assert "0.0001 seconds" in bundle["text/plain"]


@pytest.mark.parametrize("path", [None, 3, b"a.html", "a\0.html", "a.mp4"])
def test_what_is_no_path_of_a_film_is_an_error_of_one_line(path: Any) -> None:
    film = Film(steps(Value(0.5, label="x").tanh()))
    with pytest.raises(RenderError, match=r"a film is saved as|cannot write") as caught:
        film.save(path)
    assert len(str(caught.value).splitlines()) == 1
