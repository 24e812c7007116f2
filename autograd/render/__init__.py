"""Pictures of the recorded graph: `draw` gives one that shows itself and saves itself.

`dot.py` turns nodes into DOT text, `batches.py` the program of a replay; `image.py` turns DOT
text into SVG and that into PNG and PDF, `pdf.py` writes the PDF with the help of `bidi.py`, and
`font.py` knows how wide a text is. None knows a primitive by name.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from ..errors import DataError, RenderError
from ..graph import Node, topological_order
from ..replay.program import Program
from .batches import program_to_dot
from .dot import LARGE, to_dot
from .image import FORMATS, encode, layout

if TYPE_CHECKING:
    import graphviz

__all__ = ["Drawing", "draw"]

SUFFIXES: Final = (*(f".{name}" for name in FORMATS), ".dot")


def draw(output: Node | Program, *, direction: str = "LR", max_nodes: int = LARGE) -> Drawing:
    """Draw the graph that `output` was computed from.

    One box a node: its label and operation, its data, and its gradient. A dash for the gradient
    says that no backward has reached the node, which differs from 0. A Tensor shows its shape and
    dtype, and its numbers or, when there are many, the least, the mean and the greatest. A
    constant, to which no gradient flows, is dashed and grey; the output has a thick border. An
    arrow leads from each input, the first input uppermost; `a * a` has two arrows.

    Parameters
    ----------
    output : Value, Tensor or Program
        A `Program`, which `jit` makes, has one box a batch of operations.
    direction : {"LR", "RL", "TB", "BT"}
        Where the arrows point: left to right, ..., top to bottom, ...
    max_nodes : int
        A larger graph is refused: a picture of it takes long and says little.

    Returns
    -------
    Drawing
        Shows itself in a notebook; `.save("graph.svg")` writes it.

    Raises
    ------
    RenderError
        If the graph has more than `max_nodes` nodes or the direction is unknown.
    DataError
        If `output` is neither a Value nor a Tensor.

    Examples
    --------
    >>> from autograd import Value, draw
    >>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    >>> draw(a * b + a)
    <Drawing of 4 nodes and 4 arrows>
    """
    if isinstance(output, Program):
        _require_few(len(output.batches), max_nodes)
        return Drawing(program_to_dot(output, direction), f"{len(output.batches)} batches")
    if not isinstance(output, Node):
        raise DataError(f"draw takes a Value or a Tensor, got {type(output).__name__}")
    order = topological_order(output)
    _require_few(len(order), max_nodes)
    arrows = sum(len(node.inputs) for node in order)
    return Drawing(to_dot(order, direction), f"{len(order)} nodes and {arrows} arrows")


def _require_few(count: int, max_nodes: int) -> None:
    if count > max_nodes:
        raise RenderError(
            f"the graph has {count:,} nodes, more than max_nodes={max_nodes:,}: draw a part of it "
            f"(an intermediate node, fewer samples), or pass max_nodes={count} and wait"
        )


class Drawing:
    """A picture of a graph as it was when drawn.

    Attributes
    ----------
    dot : graphviz.Digraph
        The picture in DOT; change it before the first use of `svg` or `save` to
        change the picture.

    Examples
    --------
    >>> from autograd import Value, draw
    >>> picture = draw(Value(2.0, label="a").tanh())
    >>> picture.svg.startswith("<svg")
    True
    """

    def __init__(self, dot: graphviz.Digraph, contents: str) -> None:
        self.dot = dot
        self._contents = contents

    def __repr__(self) -> str:
        return f"<Drawing of {self._contents}>"

    @cached_property
    def svg(self) -> str:
        """The picture as one `<svg>` element, which may stand in a file or in a page."""
        return layout(self.dot.source)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture; the suffix decides how: .svg, .png, .pdf, or .dot for its source.

        `RenderError` if the suffix is another one, or the file cannot be written.
        """
        suffix = os.path.splitext(path)[1].lower()
        if suffix not in SUFFIXES:
            raise RenderError(
                f"save takes a path ending in {', '.join(SUFFIXES)}, got {os.fspath(path)}"
            )
        content = self._encode(suffix.removeprefix("."))
        try:
            with open(path, "wb") as file:
                file.write(content)
        except OSError as error:
            raise RenderError(f"cannot write {os.fspath(path)}: {error.strerror}") from None

    def _encode(self, format: str) -> bytes:
        source: str = self.dot.source
        return source.encode() if format == "dot" else encode(self.svg, format)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        try:
            return {"image/svg+xml": self.svg, "text/plain": repr(self)}
        except RenderError as error:  # a notebook shows one line in place of the picture
            return {"text/plain": f"{self!r}: {error}"}
