"""Text pictures: an independent reader finds every box and arrow again from the characters alone,
and no label moves the cursor, turns writing around, or shifts a border."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from autograd.render.scene import Arrow, Box, Group, Row, Scene
from autograd.render.text import to_text

# The characters that have a line to each side, written out by hand.
CROSSINGS = "┼┽┾┿╀╁╂╃╄╅╆╇╈╉╊╋"
UP = "│┃╎╏┊┋└┕┖┗┘┙┚┛├┝┞┟┠┡┢┣┤┥┦┧┨┩┪┫┴┵┶┷┸┹┺┻╯╰" + CROSSINGS
DOWN = "│┃╎╏┊┋┌┍┎┏┐┑┒┓├┝┞┟┠┡┢┣┤┥┦┧┨┩┪┫┬┭┮┯┰┱┲┳╭╮" + CROSSINGS
LEFT = "─━╌╍┈┉┐┑┒┓┘┙┚┛┤┥┦┧┨┩┪┫┬┭┮┯┰┱┲┳┴┵┶┷┸┹┺┻╮╯" + CROSSINGS
RIGHT = "─━╌╍┈┉┌┍┎┏└┕┖┗├┝┞┟┠┡┢┣┬┭┮┯┰┱┲┳┴┵┶┷┸┹┺┻╭╰" + CROSSINGS
SIDES = {(0, -1): UP, (0, 1): DOWN, (-1, 0): LEFT, (1, 0): RIGHT}
"""By direction (x, y) in which one leaves a cell."""

KINDS = ("leaf", "constant", "computed", "output", "folded", "batch")
STATES = ("", "active", "marked", "dim")


def width_of(char: str) -> int:
    """What a terminal gives a character."""
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


class Reader:
    """Reads a picture whose boxes have their names for titles."""

    def __init__(self, picture: str) -> None:
        self.cells: dict[tuple[int, int], str] = {}
        for y, line in enumerate(picture.splitlines()):
            x = 0
            for char in line:
                if width_of(char):
                    self.cells[x, y] = char
                    x += width_of(char)
        self.frames = {name: self.frame(x, y) for name, x, y in self.corners()}

    def at(self, x: int, y: int) -> str:
        return self.cells.get((x, y), " ")

    def text(self, x: int, y: int, step: int) -> str:
        """The word that begins at a cell, read to the left or to the right."""
        word = ""
        while self.at(x, y).isalnum():
            word, x = word + self.at(x, y), x + step
        return word[::step]

    def corners(self) -> Iterator[tuple[str, int, int]]:
        for (x, y), char in self.cells.items():
            if char in "┌┏" and self.at(x + 1, y) in "─━╌╍┈┉" and self.at(x + 2, y) == " ":
                start = x + 5 if self.at(x + 3, y) == "●" else x + 3
                start += self.at(start, y) == " "
                name = self.text(start, y, 1)
                if name.startswith("n"):  # else a heavy line turns before the text of an arrow
                    yield name, x, y

    def frame(self, x: int, y: int) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of a box; all its borders must be there."""
        width = max(column for column, _ in self.cells) + 1
        right = next(i for i in range(x + 1, width) if self.at(i, y) in "┐┓")
        bottom = y + 1
        while self.at(x, bottom) in "│┃╎╏┊┋┤┥┨┫├┠":
            bottom += 1
        assert self.at(x, bottom) in "└┗"
        for row in range(y + 1, bottom):
            assert self.at(right, row) in "│┃╎╏┊┋├┝┠┣┤┥┨┫"
        for column in range(x + 1, right):
            assert self.at(column, bottom) in "─━╌╍┈┉"
        assert self.at(right, bottom) in "┘┛┴┵┶┷┸┹┺┻"
        return x, y, right, bottom

    def owner(self, x: int, y: int) -> str | None:
        """The box on whose border a cell is."""
        for name, (left, top, right, bottom) in self.frames.items():
            if left <= x <= right and top <= y <= bottom:
                return name
        return None

    def arrows(self) -> Iterator[tuple[str, str, str]]:
        """Tail, head and text of each arrow, those to one box from top to bottom."""
        for (x, y), char in sorted(self.cells.items(), key=lambda item: item[0][1]):
            if char in "◄►":
                step = 1 if char == "◄" else -1
                head = self.owner(x - step, y)
                assert head is not None
                text = self.text(x + 3 * step, y, step)
                yield self.tail(x, y, step), head, text

    def tail(self, x: int, y: int, step: int) -> str:
        """The one box that the line behind an arrowhead comes from."""
        found, seen = set(), set()
        ways = [(x + step, y, step, 0)]
        while ways:
            x, y, dx, dy = ways.pop()
            if (x, y, dx, dy) in seen:
                continue
            seen.add((x, y, dx, dy))
            char = self.at(x, y)
            if char in "◄►":
                continue  # the line's other ends
            if name := self.owner(x, y):
                found.add(name)
            elif char == " " or char.isalnum():  # under an arrow's text
                ways.append((x + dx, y, dx, dy))
            elif char in CROSSINGS:
                ways.append((x + dx, y + dy, dx, dy))
            else:
                assert char in SIDES[-dx, -dy], f"a line breaks off at {char!r}"
                ways += [
                    (x + ax, y + ay, ax, ay)
                    for (ax, ay), chars in SIDES.items()
                    if char in chars and (ax, ay) != (-dx, -dy)
                ]
        assert len(found) == 1, f"{found} are joined"
        return found.pop()


@st.composite
def scenes(draw: st.DrawFn, texts: st.SearchStrategy[str] | None = None) -> Scene:
    """Any scene: cycles, arrows many times over, scopes; titles are the names of the boxes."""
    count = draw(st.integers(0, 12))
    groups = tuple(
        Group(f"g{i}", f"scope{i}", draw(st.sampled_from(["", *(f"g{k}" for k in range(i))])))
        for i in range(draw(st.sampled_from([0, 0, 1, 3])))
    )
    words = st.sampled_from(["", "7", "min", "0.25", "-12.5"]) if texts is None else texts
    boxes = tuple(
        Box(
            f"n{i}",
            f"n{i}",
            draw(words),
            tuple(
                Row(draw(words), tuple(draw(st.lists(words, min_size=1, max_size=3))))
                for _ in range(draw(st.integers(0, 3)))
            ),
            draw(st.sampled_from(KINDS)),
            draw(st.sampled_from(STATES)),
            draw(st.sampled_from(["", *(group.name for group in groups)])),
        )
        for i in range(count)
    )
    is_cyclic = draw(st.booleans())
    pairs = [(i, j) for i in range(count) for j in range(count) if is_cyclic or i < j]
    ends = draw(st.lists(st.sampled_from(pairs), max_size=20)) if pairs else []
    arrows = tuple(
        Arrow(
            f"n{i}",
            f"n{j}",
            draw(st.sampled_from(["", f"t{k}"])),
            state=draw(st.sampled_from(STATES)),
        )
        for k, (i, j) in enumerate(sorted(ends, key=lambda pair: pair[1]))
    )
    return Scene(boxes, arrows, groups, draw(st.sampled_from(["LR", "RL", "TB", "BT"])))


def graph(*tails: str, rows: dict[int, int] | None = None) -> Scene:
    """Boxes by the digits of their inputs, and for some how many rows they have."""
    boxes = tuple(
        Box(f"n{i}", f"n{i}", rows=(Row("data", ("1",)),) * (rows or {}).get(i, 1))
        for i in range(len(tails))
    )
    arrows = (Arrow(f"n{i}", f"n{j}") for j, digits in enumerate(tails) for i in digits)
    return Scene(boxes, tuple(arrows))


@given(scenes())
@example(graph("0"))
@example(graph("", "", "", "", "000123", "3", "3"))  # a line that might fork into four
def test_a_reader_finds_every_box_and_every_arrow_in_the_order_of_operands(scene):
    reader = Reader(to_text(scene))
    assert set(reader.frames) == {box.name for box in scene.boxes}
    drawn = list(reader.arrows())
    for box in scene.boxes:
        expected = [(a.tail, a.head, a.text) for a in scene.arrows if a.head == box.name]
        assert [arrow for arrow in drawn if arrow[1] == box.name] == expected


@given(scenes())
def test_every_text_is_in_its_box(scene):
    picture = to_text(scene)
    reader = Reader(picture)
    for box in scene.boxes:
        left, top, right, bottom = reader.frames[box.name]
        rows = [
            "".join(reader.at(x, y) for x in range(left + 1, right)) for y in range(top, bottom)
        ]
        assert box.operation in rows[0]
        for row, shown in zip(box.rows, rows[1:], strict=False):
            assert shown.split() == " ".join((row.name, *row.texts)).split()
    for group in {box.group for box in scene.boxes} - {""}:
        assert f"scope{group[1:]}" in picture


hostile = st.text(
    st.one_of(
        st.characters(codec=None, categories=("C", "Z", "M", "L", "S", "P", "N")),
        st.sampled_from("\x1b\n\r\t\b\x9b\u202e\u2066\u200d\ufe0fא\u0661日🙂\u0301─│◄┼\ud800"),
    ),
    max_size=12,
)


def visible(text: str) -> str:
    """What may be shown of a text."""
    shown = ""
    for char in text:
        category = unicodedata.category(char)
        if category == "Cf" or unicodedata.name(char, "").startswith(
            ("VARIATION SELECTOR", "MONGOLIAN FREE VARIATION SELECTOR")
        ):
            continue
        shown += " " if category[0] == "Z" else "\ufffd" if category[0] == "C" else char
    return shown.rstrip()


def cells_of(line: str) -> list[str]:
    cells: list[str] = []
    for char in line:
        cells += [char, *[""] * (width_of(char) - 1)] if width_of(char) else []
    return cells


def plain_twin(scene: Scene) -> Scene:
    """The scene with each operation and row's text in as many letters x as the text takes cells."""

    def x(text: str) -> str:
        return "x" * sum(map(width_of, visible(text)))

    return replace(
        scene,
        boxes=tuple(
            replace(
                box,
                operation=x(box.operation),
                rows=tuple(Row(x(r.name), tuple(map(x, r.texts))) for r in box.rows),
            )
            for box in scene.boxes
        ),
    )


@given(scenes(hostile.filter(lambda text: not re.search("[\u1160-\u11ff\ud7b0-\ud7ff]", text))))
def test_hostile_texts_stay_in_their_cells(scene):
    picture = to_text(scene)
    lines, twins = picture.split("\n"), to_text(plain_twin(scene)).split("\n")
    assert len(lines) == len(twins)
    for line, twin in zip(lines, twins, strict=True):
        assert line == line.rstrip()
        cells, expected = cells_of(line), list(twin)
        for i, char in enumerate(expected):
            if char not in "x ":
                assert cells[i] == char
        assert len(cells) <= len(expected)


@given(hostile, hostile, hostile)
@example("\x1b[2J", "a\nb", "\u202eabc")
@example("a\u2028b", "a\u3000b", "a\u00a0b")
@example("א", "a\u0661", "\u2067")
def test_nothing_that_moves_the_cursor_or_turns_writing_comes_out(title, text, note):
    box = Box("n0", title, title, (Row(title, (text,)),), group="g0")
    scene = Scene((box,), (Arrow("n0", "n0", text),), (Group("g0", title),), "LR", note)
    picture = to_text(scene)
    for char in picture.replace("\n", ""):
        category = unicodedata.category(char)
        assert char == "\u200e" or category[0] not in "C", f"{char!r}"
        assert category[0] != "Z" or char == " "
    assert len(picture.splitlines()) == picture.count("\n") == 4 + bool(note)
    for line in picture.splitlines():  # between marks, or a terminal mixes up the cells
        inside = False
        for char in line:
            inside ^= char == "\u200e"
            assert inside or unicodedata.bidirectional(char) not in ("R", "AL", "AN")
        assert not inside


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("abc", 3),
        ("日本", 4),
        ("\uff21", 2),
        ("ｱ", 1),
        ("e\u0301", 1),
        ("🙂", 2),
        ("\u1112\u1161\u11ab", 2),
        ("é", 1),
    ],
)
def test_texts_are_measured_as_a_terminal_does(text, width):
    first, *_ = to_text(Scene((Box("n0", text),), ())).splitlines()
    assert first == f"┌─ {text} ─┐"
    border = to_text(Scene((Box("n0", text),), ())).splitlines()[-1]
    assert len(border) == width + 6


def numbered(*rows: tuple[str, str]) -> tuple[Row, ...]:
    return tuple(Row(name, (text,)) for name, text in rows)


def first_graph(direction: str) -> Scene:
    """tanh(a*b + c) with local derivatives."""
    shown = [
        ("n0", "a", "", "2", "-1.5", "leaf"),
        ("n1", "b", "", "-3", "1", "leaf"),
        ("n2", "", "×", "-6", "0.5", "computed"),
        ("n3", "c", "", "6.881", "0.5", "leaf"),
        ("n4", "", "+", "0.8814", "0.5", "computed"),
        ("n5", "y", "tanh", "0.7071", "1", "output"),
    ]
    boxes = tuple(
        Box(name, title, operation, numbered(("data", data), ("grad", grad)), kind)
        for name, title, operation, data, grad, kind in shown
    )
    arrows = (
        Arrow("n0", "n2", "-3"),
        Arrow("n1", "n2", "2"),
        Arrow("n2", "n4", "1"),
        Arrow("n3", "n4", "1"),
        Arrow("n4", "n5", "0.5"),
    )
    return Scene(boxes, arrows, (), direction)


def chain(count: int) -> Scene:
    """Boxes each of which is the input of the next."""
    return graph("", *map(str, range(count - 1)))


LAYERS = """
┌─ a ───────┐
│ data 2    ├─╮       ┌─ × ────────┐
│ grad -1.5 │ ╰─ -3 ─►│ data -6    ├─╮
└───────────┘ ╭── 2 ─►│ grad 0.5   │ │      ┌─ + ─────────┐        ┏━ y  tanh ━━━┓
┌─ b ───────┐ │       └────────────┘ ╰─ 1 ─►│ data 0.8814 ├─ 0.5 ─►┃ data 0.7071 ┃
│ data -3   ├─╯       ┌─ c ────────┐ ╭─ 1 ─►│ grad 0.5    │        ┃ grad 1      ┃
│ grad 1    │         │ data 6.881 ├─╯      └─────────────┘        ┗━━━━━━━━━━━━━┛
└───────────┘         │ grad 0.5   │
                      └────────────┘
"""


def test_a_small_graph_stands_in_layers():
    assert "\n" + to_text(first_graph("LR")) == LAYERS


def test_lines_that_turn_the_same_way_do_not_cross():
    scene = graph("", "", "", "0", "1", "2", rows={3: 12})
    reader = Reader(to_text(scene))
    assert reader.frames["n4"][1] > reader.frames["n1"][3]
    assert reader.frames["n5"][1] > reader.frames["n2"][3]
    assert not {*reader.cells.values()} & {*CROSSINGS}


def test_from_right_to_left_is_the_mirror_with_readable_texts():
    right, left = Reader(to_text(first_graph("LR"))), Reader(to_text(first_graph("RL")))
    width = max(x for x, _ in right.cells) + 1
    assert left.frames == {
        name: (width - 1 - right_edge, top, width - 1 - left_edge, bottom)
        for name, (left_edge, top, right_edge, bottom) in right.frames.items()
    }
    assert " data 0.8814 " in to_text(first_graph("RL"))


def test_top_to_bottom_is_a_list_and_bottom_to_top_its_reverse():
    for direction, expected in (("TB", [0, 3, 6]), ("BT", [6, 3, 0])):
        reader = Reader(to_text(replace(chain(3), direction=direction)))
        assert [reader.frames[name][1] for name in ("n0", "n1", "n2")] == expected


def test_what_is_too_wide_for_layers_is_a_list():
    lines = [to_text(chain(count)).splitlines() for count in (7, 9)]
    assert [len(picture) for picture in lines] == [3, 27]
    assert max(map(len, lines[0])) <= 100


def test_states_and_kinds_read_without_colour():
    boxes = [
        Box("n0", "n0", kind="output"),
        Box("n1", "n1", state="active"),
        Box("n2", "n2", state="marked"),
        Box("n3", "n3", kind="constant"),
        Box("n4", "n4", state="dim"),
        Box("n5", "n5", kind="folded"),
    ]
    arrows = (
        Arrow("n0", "n1"),
        Arrow("n0", "n2", state="marked"),
        Arrow("n1", "n4", state="active"),
    )
    lines = to_text(Scene(tuple(boxes), arrows, (), "TB")).splitlines()
    assert [line[:8].strip() for line in lines[::3]] == [
        "┏━ n0 ━━",
        "┏━ ●  n1",
        "┏━ n2 ━━",
        "┌╌ n3 ╌╌",
        "┌┈ n4 ┈┈",
        "┌─ n5 ──",
    ]
    assert [line[0] for line in lines[1::3]] == list("┃┃┃╎┊│")
    heads = [line[line.index("◄") :] for line in lines if "◄" in line]
    assert heads == ["◄──┨", "◄━━┛ ┃", "◄━━━━┛"]


def test_scopes_are_named_where_they_begin_and_where_they_go_on():
    boxes = tuple(Box(f"n{i}", f"n{i}", group=g) for i, g in enumerate(["g1", "g0", "g1", ""]))
    groups = (Group("g0", "layer"), Group("g1", "neuron", "g0"))
    lines = to_text(Scene(boxes, (), groups)).splitlines()
    titles = [line for line in lines if "layer" in line or "neuron" in line]
    assert titles == ["layer", "╎ neuron", "╎ neuron (continued)"]
    assert [line[: line.index("┌")] for line in lines if "┌" in line] == ["╎ ╎ ", "╎ ", "╎ ╎ ", ""]


def test_the_note_comes_last_and_an_empty_scene_is_its_note():
    assert to_text(replace(chain(2), note="folded")).endswith("┘\nfolded\n")
    assert to_text(Scene((), (), note="nothing")) == "nothing\n"
    assert to_text(Scene((), ())) == ""


def test_a_long_title_of_a_scope_does_not_hide_a_line():
    boxes = (Box("n0", "n0"), Box("n1", "n1", group="g0"))
    scene = Scene(boxes, (Arrow("n0", "n1"),), (Group("g0", "t" * 60),))
    lines = to_text(scene).splitlines()
    assert lines[3].startswith("t" * 60)
    assert lines[3].endswith("│")
