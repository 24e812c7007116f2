"""A scene as a Mermaid flowchart, which GitHub, GitLab, VS Code and many editors show.

Every text stands in quotes, and what means something to Mermaid, to the Markdown that it reads in
a label, or to HTML is written as the number of its character: `#35;` is "#".
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from .palette import ACTIVE, INK, MARKED, OUTPUT, ground
from .scene import Arrow, Box, Group, Scene

__all__ = ["to_mermaid"]

PUNCTUATION: Final = r"""[!"#$%&'*:;<>?@\[\\\]^_`{|}~ﬂ¶]"""
STOP: Final = r"(?<!\d)\.|\.(?!\d)"
LIST: Final = r"^[=+-](?!\d)|^\d+\)"
DIRECTION: Final = r"(?<=direction) "
SPECIAL: Final = re.compile("|".join((PUNCTUATION, STOP, LIST, DIRECTION)))
"""What is written as numbers: a stop unless in a number, which might be a list's or an address's;
what might begin a list; the word that turns a subgraph, found by Mermaid in quotes too."""

JOINED: Final = "$\\:ﬂ¶"
"""Mermaid decodes numbers before it looks for formulas, `\\n`, icons, and its own marks for
numbers. So these are kept apart from what follows, by a word joiner, which is invisible."""

LINKS: Final = {"": "-->", "active": "==>", "marked": "==>", "dim": "-.->"}
"""The arrow of each state."""

STYLES: Final = {
    "constant": "stroke-dasharray:4 3",
    "output": f"stroke-width:3px,stroke:{OUTPUT}",
    "active": f"stroke-width:4px,stroke:{ACTIVE}",
    "marked": f"stroke-width:4px,stroke:{MARKED}",
    "dim": "opacity:0.6",
    "negative": f"fill:{ground(-0.75)},color:{INK}",
    "slightly_negative": f"fill:{ground(-0.25)},color:{INK}",
    "slightly_positive": f"fill:{ground(0.25)},color:{INK}",
    "positive": f"fill:{ground(0.75)},color:{INK}",
    "note": "fill:none,stroke:none",
}
"""A class of Mermaid each for kinds, states, and tones of boxes; a later one prevails. The opacity
of a box is taken twice, once for what is in it."""


def to_mermaid(scene: Scene) -> str:
    """Write a scene as a Mermaid flowchart.

    A box has its title, its operation and its rows as lines; open scopes are subgraphs. Constants
    have dashed borders, the output and what is active or marked thick ones, and arrows likewise.
    The fill says sign and magnitude of the first row that has a tone. There is nothing to click on
    in it, and no HTML but line breaks. Mermaid as GitHub sets it refuses more than 500 arrows
    or 50,000 characters.

    Parameters
    ----------
    scene : Scene
        What to show.

    Returns
    -------
    str
        Lines, each ended by a line feed; the same scene gives the same text.

    Examples
    --------
    >>> from autograd.render.scene import Arrow, Box, Row, Scene
    >>> a = Box("n0", "a[0]", "", (Row("data", ("2",)), Row("grad", ("-1.5",))), "leaf")
    >>> y = Box("n1", "", "exp", (Row("data", ("7.389",)), Row("grad", ("1",))), "output")
    >>> print(to_mermaid(Scene((a, y), (Arrow("n0", "n1", "7.389"),))), end="")
    flowchart LR
      n0["a#91;0#93;<br/>data 2<br/>grad -1.5"]
      n1["exp<br/>data 7.389<br/>grad 1"]
      n0 -->|"7.389"| n1
      classDef output stroke-width:3px,stroke:#4f78ab
      class n1 output
    """
    lines = [
        f"flowchart {scene.direction}",
        *_indented(_contents(scene)),
        *_indented(map(_arrow, scene.arrows)),
        *_indented(_classes(scene)),
    ]
    return "".join(f"{line}\n" for line in lines)


def _contents(scene: Scene) -> Iterator[str]:
    """The boxes, each in the subgraphs of its scopes, and the note."""
    inside: dict[str, list[str]] = defaultdict(list)
    for box in scene.boxes:
        inside[box.group].append(f"{box.name}[{_quoted(_lines(box))}]")
    for group in reversed(scene.groups):  # a parent comes before what is in it
        inside[group.parent] += _subgraph(group, inside[group.name])
    yield from inside[""]
    if scene.note:
        yield f"note[{_quoted([scene.note])}]"


def _subgraph(group: Group, contents: list[str]) -> list[str]:
    return [f"subgraph {group.name}[{_quoted([group.title])}]", *_indented(contents), "end"]


def _indented(lines: Iterator[str] | list[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _lines(box: Box) -> list[str]:
    rows = [f"{row.name} {', '.join(row.texts)}" for row in box.rows]
    return [box.title, box.operation, *rows]


def _arrow(arrow: Arrow) -> str:
    text = f"|{_quoted([arrow.text])}|" if arrow.text.strip() else ""
    return f"{arrow.tail} {LINKS[arrow.state]}{text} {arrow.head}"


def _classes(scene: Scene) -> Iterator[str]:
    """The classes that are used, and for each the boxes that have it."""
    members: dict[str, list[str]] = defaultdict(list)
    for box in scene.boxes:
        for name in (box.kind, box.state, _tone(box)):
            members[name].append(box.name)
    if scene.note:
        members["note"].append("note")
    for name, style in STYLES.items():
        if name in members:
            yield f"classDef {name} {style}"
            yield f"class {','.join(members[name])} {name}"


def _tone(box: Box) -> str:
    """The class for the sign and magnitude of the first row that has a tone, or ""."""
    tone = next((row.tone for row in box.rows if row.tone is not None), 0.0)
    sign = "negative" if tone < 0 else "positive"
    return "" if abs(tone) < 0.05 else sign if abs(tone) > 0.5 else f"slightly_{sign}"


def _quoted(lines: list[str]) -> str:
    """Lines that have something in them, as a text of Mermaid, which must not be empty."""
    shown = [text for line in lines if (text := line.strip())]
    return '"' + ("<br/>".join(map(_escaped, shown)) or " ") + '"'


def _escaped(line: str) -> str:
    """The line with special characters as numbers, and a mark for what cannot be shown."""
    printable = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
    return SPECIAL.sub(lambda found: "".join(map(_numbered, found[0])), printable)


def _numbered(char: str) -> str:
    joiner = "\N{WORD JOINER}" if char in JOINED else ""
    return "".join(f"#{ord(c)};" for c in char + joiner)
