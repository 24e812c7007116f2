"""Mermaid flowcharts: a strict reader of the little grammar that we write finds the scene again,
and no label says anything to Mermaid, to its Markdown, or to HTML."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from autograd.render.mermaid import to_mermaid
from autograd.render.scene import Arrow, Box, Group, Row, Scene

KINDS = ("leaf", "constant", "computed", "output", "folded", "batch")
STATES = ("", "active", "marked", "dim")
LINKS = {"-->": {""}, "==>": {"active", "marked"}, "-.->": {"dim"}}

TEXT = r'"((?:[^"#<>&`\\$;{}|\[\]@%*_~:\n]|#\d+;|<br/>)+)"'
LINES = {
    "box": rf"(n\d+|note)\[{TEXT}\]",
    "arrow": rf"(n\d+) (-->|==>|-\.->)(?:\|{TEXT}\|)? (n\d+)",
    "open": rf"subgraph (g\d+)\[{TEXT}\]",
    "close": r"(end)",
    "style": r"classDef ([a-z_]+) ((?:[a-z-]+:[a-z0-9#. ]+,?)+)",
    "members": r"class ((?:n\d+|note)(?:,n\d+)*) ([a-z_]+)",
}
"""All that a line may be."""


def read(chart: str) -> tuple[str, list[tuple[str, ...]]]:
    """The direction and the lines, each as its kind and its parts; any other line is an error."""
    first, *lines = chart.removesuffix("\n").split("\n")
    found: list[tuple[str, ...]] = []
    for line in lines:
        kinds = [(kind, re.fullmatch(rule, line.strip())) for kind, rule in LINES.items()]
        matches = [(kind, match) for kind, match in kinds if match]
        assert len(matches) == 1, line
        found += [(kind, *(part or "" for part in match.groups())) for kind, match in matches]
    match = re.fullmatch(r"flowchart (LR|RL|TB|BT)", first)
    assert match
    return match[1], found


def decoded(text: str) -> list[str]:
    """The lines that a label shows."""
    return [
        re.sub(r"#(\d+);", lambda found: chr(int(found[1])), line).replace("\u2060", "")
        for line in text.split("<br/>")
    ]


def shown(*lines: str) -> list[str]:
    """The lines that a label is to show: none is empty, one is a blank if all are."""
    printable = [
        "".join(c if c.isprintable() else "\ufffd" for c in line.strip()).replace("\u2060", "")
        for line in lines
        if line.strip()
    ]
    return printable or [" "]


PIECES = re.split(
    "¦",
    'direction ¦direction¦TB¦ LR¦end¦graph¦fa:fa-x¦#¦quot;¦35;¦"¦`¦<¦br/>¦&¦lt;¦$$¦\\n¦%%{¦1. ¦1) '
    "¦- ¦* ¦\n¦www.a.b¦a@b.c¦ﬂ°°¦60¦¶ß¦---¦===¦|¦]¦}¦x¦_¦0.5",
)
hostile = st.one_of(
    st.text(max_size=12), st.lists(st.sampled_from(PIECES), max_size=6).map("".join)
)


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    count = draw(st.integers(0, 6))
    groups = tuple(
        Group(f"g{i}", draw(hostile), draw(st.sampled_from(["", *(f"g{k}" for k in range(i))])))
        for i in range(draw(st.integers(0, 3)))
    )
    tones = st.one_of(st.none(), st.floats(-1, 1))
    boxes = tuple(
        Box(
            f"n{i}",
            draw(hostile),
            draw(hostile),
            tuple(
                Row(draw(hostile), tuple(draw(st.lists(hostile, min_size=1, max_size=3))), tone)
                for tone in draw(st.lists(tones, max_size=2))
            ),
            draw(st.sampled_from(KINDS)),
            draw(st.sampled_from(STATES)),
            draw(st.sampled_from(["", *(group.name for group in groups)])),
        )
        for i in range(count)
    )
    number = st.integers(0, max(count - 1, 0))
    ends = draw(st.lists(st.tuples(number, number), max_size=8)) if count else []
    arrows = tuple(
        Arrow(f"n{i}", f"n{j}", draw(hostile), state=draw(st.sampled_from(STATES))) for i, j in ends
    )
    return Scene(
        boxes, arrows, groups, draw(st.sampled_from(["LR", "RL", "TB", "BT"])), draw(hostile)
    )


@given(scenes())
def test_a_strict_reader_finds_the_scene_again(scene):
    direction, lines = read(to_mermaid(scene))
    assert direction == scene.direction
    arrows = [parts for kind, *parts in lines if kind == "arrow"]
    for (tail, link, text, head), arrow in zip(arrows, scene.arrows, strict=True):
        assert (tail, head) == (arrow.tail, arrow.head)
        assert arrow.state in LINKS[link]
        assert decoded(text) == (shown(arrow.text) if arrow.text.strip() else [""])
    inside = [""]
    boxes, groups = {}, {}
    for kind, name, *rest in lines:
        if kind == "box":
            boxes[name] = (inside[-1], decoded(rest[0]))
        elif kind == "open":
            groups[name] = (inside[-1], decoded(rest[0]))
            inside.append(name)
        elif kind == "close":
            inside.pop()
    assert inside == [""]
    assert groups == {g.name: (g.parent, shown(g.title)) for g in scene.groups}
    expected = {
        box.name: (
            box.group,
            shown(
                box.title,
                box.operation,
                *(f"{row.name} {', '.join(row.texts)}" for row in box.rows),
            ),
        )
        for box in scene.boxes
    }
    assert boxes == expected | ({"note": ("", shown(scene.note))} if scene.note else {})


# What Mermaid acts on inside a quoted label, numbers left aside.
MEANINGS = {
    "a subgraph's direction": r"direction\s+(TB|BT|RL|LR|TD)",
    "a list": r"^\s*(\d+[.)]|[-+*])(\s|$)",
    "a heading or a rule": r"^\s*(#|=+\s*$|-+\s*$|>)",
    "an address": r"https?:|www\.|\w@\w",
    "emphasis, code, a formula, a link": r"[*_`~$\[\]]",
    "HTML": r"[<>&]",
    "its own mark of a number": r"ﬂ°|¶ß",
    "an icon": r"fa[a-z]*:",
    "an escape": r"\\",
}

# What Mermaid acts on in the text of a box when it has decoded the numbers.
LATE_MEANINGS = {
    "a formula": r"\$\$",
    "a new line": r"\\n",
    "an icon": r"fa[bklrs]?:fa-[\w-]+",
    "its own mark of a number": r"ﬂ°|¶ß",
}


@given(hostile)
@example("direction TB")
@example("fa:fa-car $$x$$ \\n")
@example("ﬂ°°60¶ß ﬂ°lt¶ß")
@example("1. one")
@example("www.example.com")
@example("+")
def test_no_label_means_anything(label):
    chart = to_mermaid(Scene((Box("n0", label, label, (Row("", (label,)),)),), ()))
    line = chart.split("\n")[1].strip()
    for part in line.removeprefix('n0["').removesuffix('"]').split("<br/>"):
        raw = re.sub(r"#\d+;", "\ue000", part)
        for meaning, rule in MEANINGS.items():
            assert not re.search(rule, raw), meaning
        late = re.sub(r"#(\d+);", lambda found: chr(int(found[1])), part)
        for meaning, rule in LATE_MEANINGS.items():
            assert not re.search(rule, late), meaning


def test_what_needs_no_number_has_none():
    box = Box("n0", "wé × 2", "sum axis=(0, 1)", (Row("data", ("-1.5e-07", "0", "+3")),))
    chart = to_mermaid(Scene((box,), (Arrow("n0", "n0", "-1.5"),)))
    assert chart.split("\n")[1:3] == [
        '  n0["wé × 2<br/>sum axis=(0, 1)<br/>data -1.5e-07, 0, +3"]',
        '  n0 -->|"-1.5"| n0',
    ]


@pytest.mark.parametrize(
    ("tone", "name"),
    [
        (-1.0, "negative"),
        (-0.2, "slightly_negative"),
        (0.2, "slightly_positive"),
        (1.0, "positive"),
        (0.0, None),
        (None, None),
    ],
)
def test_the_fill_says_sign_and_magnitude(tone, name):
    box = Box("n0", "a", rows=(Row("type", ("x",)), Row("data", ("1",), tone), Row("g", ("1",), 1)))
    _, lines = read(to_mermaid(Scene((box,), ())))
    members = [tuple(parts) for kind, *parts in lines if kind == "members"]
    expected = name if tone is not None else "positive"
    assert members == ([("n0", expected)] if expected else [])


def test_each_class_is_defined_before_its_members_and_none_without():
    boxes = (
        Box("n0", "a", kind="constant", state="dim"),
        Box("n1", "b", kind="output", state="marked"),
        Box("n2", "c", state="active"),
        Box("n3", "d", kind="constant"),
    )
    _, lines = read(to_mermaid(Scene(boxes, (), note="folded")))
    styles = [parts for kind, *parts in lines if kind in ("style", "members")]
    named = dict(zip([name for name, _ in styles[::2]], styles[1::2], strict=True))
    assert {name: members for name, (members, _) in named.items()} == {
        "constant": "n0,n3",
        "output": "n1",
        "active": "n2",
        "marked": "n1",
        "dim": "n0",
        "note": "note",
    }
    assert all(name == members[1] for name, members in named.items())


def test_an_empty_scene_is_an_empty_chart():
    assert to_mermaid(Scene((), ())) == "flowchart LR\n"


@pytest.mark.parametrize("tone", [-1.0, -0.3, 0.3, 1.0])
def test_the_fill_says_the_sign_in_blue_and_orange(tone: float) -> None:
    box = Box("n0", "a", rows=(Row("data", ("1",), tone),))
    (fill,) = re.findall("fill:#(..)..(..)", to_mermaid(Scene((box,), ())))
    red, blue = (int(part, 16) for part in fill)
    assert (blue > red) == (tone > 0)
