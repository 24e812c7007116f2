"""One layout, many looks: scenes that differ in texts and colours, shown without anything moving.

The layout is that of a scene in which every text is the widest of its place. What a scene then
looks like is a `Look`: texts, colours and line widths of elements of that SVG. So a look is the
same in a file, where it is set here, as in the page of a film and in the widget, whose scripts get
it as JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

from . import font
from .dot import ARROWS, Cell, cell_of_arrow, cells_of, header_of, to_dot
from .dot import Look as Style
from .dot import look_of as style_of
from .image import layout
from .palette import LINE
from .scene import Arrow, Box, Row, Scene

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

__all__ = ["Look", "Stage", "difference"]

Look = dict[str, dict[str, str]]
"""For each slot of a picture its text and attributes: {"n3.2": {"text": "0.5"}}."""

SVG: Final = "{http://www.w3.org/2000/svg}"


class Stage:
    """One layout for scenes that differ in texts, tones and states only.

    Parameters
    ----------
    scenes : sequence of Scene
        What will be shown: each text gets the room of the widest.

    Attributes
    ----------
    svg : str
        The picture, where each text and line that a look changes names its slot as ``data-slot``.

    Examples
    --------
    >>> from autograd.render.scene import Box, Row, Scene
    >>> def of(text):
    ...     return Scene((Box("n0", "a", rows=(Row("data", (text,)),)),), ())
    >>> short, long = of("1"), of("1.25")
    >>> stage = Stage([short, long])
    >>> stage.look(short)["n0.2"]["text"], "1.25" in stage.svg
    ('1', True)
    """

    def __init__(self, scenes: Sequence[Scene]) -> None:
        from xml.etree import ElementTree

        self._widest = _widest(scenes)
        self._root = ElementTree.fromstring(layout(to_dot(self._widest).source))
        self._slots = dict(_slots(self._root, self._widest))
        for slot, element in self._slots.items():
            element.set("data-slot", slot)
        for i in range(len(self._widest.arrows)):
            _centre(self._slots.get(f"a{i}.text"), self._slots.get(f"a{i}.text.ground"))
        self.svg = _written(self._root)

    def look(self, shown: Scene) -> Look:
        """What a scene, one of those that the stage was made for or one like them, looks like."""
        look: Look = {}
        for box, widest in zip(shown.boxes, self._widest.boxes, strict=True):
            look |= _look_of_box(_like(box, widest))
        for i, arrow in enumerate(shown.arrows):
            look |= _look_of_arrow(f"a{i}", arrow)
        return {slot: changes for slot, changes in look.items() if slot in self._slots}

    def painted(self, look: Look) -> str:
        """The picture with a look, as one `<svg>` element."""
        for slot, changes in look.items():
            element = self._slots[slot]
            for name, value in changes.items():
                if name == "text":
                    element.text = value
                else:
                    element.set(name, value)
        return _written(self._root)


def _look_of_box(box: Box) -> Look:
    """A box has slots "n3" for its border, "n3.ground", and "n3.0", "n3.0.ground" for a text."""
    style = style_of(box)
    look = {
        box.name: {"stroke": style.border, "stroke-width": str(style.width)},
        f"{box.name}.ground": {"fill": style.ground},
    }
    for i, cell in enumerate(_cells(box, style)):
        look[f"{box.name}.{i}"] = {"text": cell.text, "fill": cell.color}
        look[f"{box.name}.{i}.ground"] = {"fill": cell.ground or ("none" if i else style.header)}
    return look


def _cells(box: Box, style: Style) -> list[Cell]:
    """All texts of a box, in the order in which they stand in an SVG."""
    cells = header_of(box, style)
    for row in box.rows:
        cells += cells_of(row, style)
    return cells or [Cell(" ")]  # as `to_dot` has it for a box that shows nothing


def _look_of_arrow(name: str, arrow: Arrow) -> Look:
    """An arrow has the slots "a3" for its line, "a3.head", and those of its text."""
    style: Mapping[str, str] = ARROWS[arrow.state]
    color, width = style.get("color", LINE), style.get("penwidth", "1")
    cell = cell_of_arrow(arrow)
    return {
        name: {"stroke": color, "stroke-width": width},
        f"{name}.head": {"stroke": color, "fill": color},
        f"{name}.text": {"text": cell.text, "fill": cell.color},
        f"{name}.text.ground": {"fill": cell.ground if cell.text else "none"},
    }


def _slots(root: Element, shown: Scene) -> Iterator[tuple[str, Element]]:
    """The elements that a look can change, each with the name of its slot."""
    groups = {group.get("id"): group for group in root.iter(f"{SVG}g")}
    for box in shown.boxes:
        ground, border, *rest = groups[box.name].findall("*")[1:]  # after the title
        yield f"{box.name}.ground", ground
        yield box.name, border
        cells = _cells(box, style_of(box))
        yield from _slots_of_texts(rest, [(f"{box.name}.{i}", c.text) for i, c in enumerate(cells)])
    for i, arrow in enumerate(shown.arrows):
        line, head, *rest = groups[f"a{i}"].findall("*")[1:]
        yield f"a{i}", line
        yield f"a{i}.head", head
        yield from _slots_of_texts(rest, [(f"a{i}.text", arrow.text)])


def _slots_of_texts(
    elements: Sequence[Element], texts: Iterable[tuple[str, str]]
) -> Iterator[tuple[str, Element]]:
    """The slots of texts, and of the grounds that are drawn just before them."""
    slots = (slot for slot, text in texts if text)  # an empty one is no element
    ground = None
    for element in elements:
        if element.tag != f"{SVG}text":
            ground = element
            continue
        slot = next(slots)
        yield slot, element
        if ground is not None:
            yield f"{slot}.ground", ground
        ground = None


def _centre(text: Element | None, ground: Element | None) -> None:
    """Put a text into the middle of its ground: a shorter one stands there too."""
    if text is not None and ground is not None:
        places = [float(corner.split(",")[0]) for corner in ground.get("points", "").split()]
        text.set("x", f"{(min(places) + max(places)) / 2:.2f}")
        text.set("text-anchor", "middle")


def _widest(scenes: Sequence[Scene]) -> Scene:
    """A scene in which every text is the widest of its place, and nothing is pointed out."""
    boxes = tuple(map(_widest_box, zip(*(shown.boxes for shown in scenes), strict=True)))
    arrows = tuple(map(_widest_arrow, zip(*(shown.arrows for shown in scenes), strict=True)))
    return replace(scenes[0], boxes=boxes, arrows=arrows)


def _widest_box(boxes: Sequence[Box]) -> Box:
    found = [_rows_by_key(box) for box in boxes]
    keys = max(found, key=len)  # the others lack some of them
    rows = [_widest_row([rows[key] for rows in found if key in rows]) for key in keys]
    return replace(boxes[0], rows=tuple(rows), state="")


def _rows_by_key(box: Box) -> dict[Any, Row]:
    """The rows of a box by what tells them apart."""
    return {row.name or row.texts: row for row in box.rows}


def _widest_row(rows: Sequence[Row]) -> Row:
    columns = zip_longest(*(row.texts for row in rows), fillvalue="")
    has_ground = any(row.marked or row.tone is not None for row in rows)
    texts = tuple(map(_widest_text, columns))
    return Row(rows[0].name, texts, tone=0.0 if has_ground else None)


def _widest_arrow(arrows: Sequence[Arrow]) -> Arrow:
    return replace(arrows[0], text=_widest_text([arrow.text for arrow in arrows]), state="")


def _widest_text(texts: Sequence[str]) -> str:
    return max(dict.fromkeys(texts), key=lambda text: font.width(text, 1.0))


def _like(box: Box, widest: Box) -> Box:
    """A box with as many rows and texts as another, empty ones where it has none."""
    if [len(row.texts) for row in box.rows] == [len(row.texts) for row in widest.rows]:
        return box
    found = _rows_by_key(box)
    rows = []
    for key, row in _rows_by_key(widest).items():
        own = found.get(key, Row(row.name, ()))
        blanks = ("",) * (len(row.texts) - len(own.texts))
        rows.append(replace(own, texts=(*own.texts, *blanks)))
    return replace(box, rows=tuple(rows))


def _written(root: Element) -> str:
    """An element of SVG as text, its names without a prefix."""
    from xml.etree import ElementTree

    for element in root.iter():
        element.tag = element.tag.removeprefix(SVG)
    root.set("xmlns", SVG.strip("{}"))
    return ElementTree.tostring(root, encoding="unicode")


def difference(old: Look, new: Look) -> Look:
    """What a look changes of the one before."""
    changed = {
        slot: {
            name: value for name, value in values.items() if old.get(slot, {}).get(name) != value
        }
        for slot, values in new.items()
    }
    return {slot: values for slot, values in changed.items() if values}
