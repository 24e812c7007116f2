"""Pictures of the recorded graph: `draw` gives one that shows itself and saves itself.

`scene.py` says what a picture shows, and `folding.py` which nodes share a box; `batches.py` does so
for the program of a replay. `dot.py`, `mermaid.py` and `text.py` write a scene, each in its own
format, the last with the help of `plan.py` and `layers.py`; the colours are in `palette.py`.
`image.py` turns DOT text into SVG, which `svg.py` mends, and that into PNG and PDF, `pdf.py` writes
the PDF with the help of `bidi.py`, and `font.py` knows how wide a text is. `frames.py` makes films,
laid out by `stage.py`. None knows a primitive by name.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, overload

from ..errors import DataError, RenderError
from ..explain import Explanation, Path
from ..graph import Node
from ..replay.program import Program
from ..steps import Frame, Steps
from .batches import program_scene
from .dot import to_dot
from .frames import Film
from .image import FORMATS, encode, layout
from .mermaid import to_mermaid
from .saving import saving, shown, suffix_of
from .scene import Scene, View, scene
from .text import to_text

if TYPE_CHECKING:
    import graphviz

__all__ = ["Drawing", "Film", "draw"]

SUFFIXES: Final = (*(f".{name}" for name in FORMATS), ".dot", ".mmd", ".txt")

FITTING: Final = "max-width:100%;height:auto"
"""A picture that is too wide for its place, as the cell of a notebook, is smaller there."""

MOST_AS_TEXT: Final = 30
"""With more boxes, a notebook has one line of text beside the picture."""


@overload
def draw(output: Steps, **options: Any) -> Film: ...
@overload
def draw(output: Node | Program | Frame | Path | Explanation, **options: Any) -> Drawing: ...
def draw(  # type: ignore[misc]  # what the options are is told here only
    output: Node | Program | Frame | Path | Explanation | Steps,
    *,
    direction: str = "LR",
    show: str | Iterable[str] = ("data", "grad"),
    number: str = ".4g",
    path: Explanation | Path | Sequence[Node] = (),
    wrt: Node | Sequence[Node] = (),
    depth: int | None = None,
    max_nodes: int = 1000,
) -> Drawing | Film:
    """Draw the graph that `output` was computed from.

    One box a node: its label and operation, its data, and its gradient. A dash for the gradient
    says that no backward has reached the node, which differs from 0. A Tensor shows its shape and
    dtype, and its numbers or, when there are many, the least, the mean and the greatest. A
    constant, to which no gradient flows, is dashed and grey; the output has a thick border. An
    arrow leads from each input, the first input uppermost; `a * a` has two arrows.

    Blue is positive, orange negative, and the stronger the larger beside the picture's other data
    or gradients; a nan or an infinity is white on black.

    Modules of `nn` and parts named by `autograd.scope` are frames, or boxes if folded. A graph of
    more than `max_nodes` nodes is folded as far as it takes, and the picture says so.

    Parameters
    ----------
    output : Value, Tensor, Frame, Steps, Path, Explanation or Program
        A `Frame` of `steps` shows the gradients that have accumulated so far, and what flows along
        the arrows; all `Steps` are a film. What `explain` gives, or one `Path` of it, is
        highlighted in its graph. A `Program`, which `jit` makes, has one box a batch of operations.
    direction : {"LR", "RL", "TB", "BT"}
        Where the arrows point: left to right, ..., top to bottom, ...
    show : any of "data", "grad", "local", "type", "operation"
        "local" is the local derivative on each arrow: of the operation with respect to that
        operand. Where it is a matrix it is left out. The operation is always shown, and a
        Tensor's shape and dtype with its numbers; "operation" and "type" show these without.
    number : str
        The format of numbers, such as ".2f" or "+.1e".
    path : sequence of nodes, Path or Explanation
        Nodes to highlight, each used by the next or using it, and the arrows between them.
    wrt : node or sequence of nodes
        All that does not lead from one of them to the output is dimmed.
    depth : int, optional
        How many levels of scopes to show: 0 is the graph by operation, 1 has a box for each of
        the outermost, 2 for each within these. All by default.
    max_nodes : int
        The most boxes.

    Returns
    -------
    Drawing
        Shows itself in a notebook; `.save("graph.svg")` writes it. Of steps a `Film`, which
        `.save("pass.html")`, ``"pass.gif"`` or ``"folder"`` writes.

    Raises
    ------
    RenderError
        If an option is not what it can be, or names a node that is not in the graph.
    DataError
        If `output` is nothing that can be drawn.
    StaleGraphError
        If "local" is shown and data changed since the graph was recorded.

    Examples
    --------
    >>> from autograd import Value, draw
    >>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    >>> draw(a * b + a)
    <Drawing of 4 nodes and 4 arrows>
    """
    view = View(direction, show, number, path, wrt, depth, max_nodes)
    if isinstance(output, Steps):
        return Film(output, view)
    if isinstance(output, Program):
        return Drawing(program_scene(output, view))
    if isinstance(output, Node | Frame | Path | Explanation):
        return Drawing(scene(output, view))
    raise DataError(f"draw takes a Value or a Tensor, got {type(output).__name__}")


class Drawing:
    """A picture of a graph as it was when drawn.

    Attributes
    ----------
    scene : Scene
        What it shows: boxes, arrows, open scopes, and a note on what was folded.

    Examples
    --------
    >>> from autograd import Value, draw
    >>> picture = draw(Value(2.0, label="a").tanh())
    >>> picture.svg.startswith("<svg")
    True
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    def __repr__(self) -> str:
        boxes, arrows = len(self.scene.boxes), len(self.scene.arrows)
        is_folded = any(box.kind in ("folded", "batch") for box in self.scene.boxes)
        what = ("box", "boxes") if is_folded else ("node", "nodes")
        note = f": {self.scene.note}" if self.scene.note else ""
        arrow = "arrow" if arrows == 1 else "arrows"
        return f"<Drawing of {boxes:,} {what[boxes != 1]} and {arrows:,} {arrow}{note}>"

    @cached_property
    def dot(self) -> graphviz.Digraph:
        """The picture in DOT; change it before the first use of `svg` or `save` to change that."""
        return to_dot(self.scene)

    @cached_property
    def svg(self) -> str:
        """The picture as one `<svg>` element, which may stand in a file or in a page."""
        return layout(self.dot.source).replace("<svg ", f'<svg style="{FITTING}" ', 1)

    @property
    def mermaid(self) -> str:
        """The picture as a Mermaid flowchart, for Markdown."""
        return to_mermaid(self.scene)

    @property
    def text(self) -> str:
        """The picture in characters, for a terminal."""
        return to_text(self.scene)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture; the suffix decides how: .svg, .png, .pdf, .dot, .mmd or .txt.

        `RenderError` if the suffix is another one, or the file cannot be written.
        """
        suffix = suffix_of(path)
        if suffix not in SUFFIXES:
            raise RenderError(
                f"save takes a path ending in {', '.join(SUFFIXES)}, got {shown(path)}"
            )
        content = self._encode(suffix.removeprefix("."))
        with saving(path), open(path, "wb") as file:
            file.write(content)

    def _encode(self, format: str) -> bytes:
        if format in FORMATS:
            return encode(self.svg, format)
        if format == "dot":
            return bytes(self.dot.source, "utf-8")
        return (self.mermaid if format == "mmd" else self.text).encode()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        try:
            return {"image/svg+xml": self.svg, "text/plain": self._plain()}
        except RenderError as error:  # a notebook shows this in place of the picture
            return {"text/plain": f"{self._plain()}\n{error}"}

    def _plain(self) -> str:
        """The picture in characters, which a terminal shows, unless it is long."""
        return self.text if len(self.scene.boxes) <= MOST_AS_TEXT else repr(self)
