"""A backward pass as a film: what each frame says, a page to play it on, a GIF, a folder of SVGs.

`stage.py` lays the frames out. The scripts and styles of the page, which the widget shares, are in
the folder `static`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache, cached_property
from typing import Any, Final

from ..errors import RenderError
from ..graph import Node, topological_order
from ..steps import Frame, Steps
from ..words import amount, listed, name_of, one_line
from .image import encode
from .saving import saving, shown, suffix_of
from .scene import Box, Scene, View, local_derivatives, scene
from .stage import Stage, difference
from .svg import size_of

__all__ = ["Film", "at_rest", "box_of", "caption", "conclusion", "factors", "json_of"]
__all__ += ["address", "static"]

MAX_FRAMES: Final = 300
"""A longer film is refused: nobody watches it, and its page would be large."""

MAX_TOLD: Final = 4
"""A caption tells of so many contributions, or leaves."""

SECONDS, LAST_SECONDS = 1.5, 4.0
"""How long a GIF shows a frame."""

MAX_HEIGHT, ROOM = 450, 180
"""Of a film in a notebook: the tallest picture, and what is below it, in pixels."""

# --------------------------------------------------------------------------- what a frame says


def caption(frame: Frame) -> str:
    """Say in one sentence what a frame does.

    >>> from autograd import Value
    >>> from autograd.steps import steps
    >>> a, b = Value(0.5, label="a"), Value(3.0, label="b")
    >>> caption(steps((a + b) * b)[1])
    'Step 2 of 3: at × the cotangent 1 becomes 1 × 3 = 3 for + and 1 × 3.5 = 3.5 for b.'
    """
    node, count = frame.node, len(frame.steps)
    place = f"Step {frame.number + 1} of {count}: "
    name = name_of(node)
    if not frame.number:
        return f"{place}{name} starts with the cotangent {amount(frame.cotangent)}."
    if one_line(node.label, 1):
        name += f" ({one_line(node.primitive.label, 40)})"  # type: ignore[union-attr]
    at = f"{place}at {name} the cotangent {amount(frame.cotangent)}"
    if not frame.contributions:
        return f"{at} goes nowhere: no input has a gradient."
    local = factors(node)
    totals = _totals(frame)
    told = [
        _told(frame.cotangent, local.get(i), x, c, totals.get(i))
        for i, x, c in frame.contributions[:MAX_TOLD]
    ]
    return f"{at} becomes {_listed(told, len(frame.contributions) - len(told))}."


def _totals(frame: Frame) -> dict[int, Any]:
    """What has accumulated at an input that had got something before, by operand."""
    before = frame.steps[frame.number - 1].accumulated
    seen: set[Node] = set()
    totals = {}
    for i, x, _ in frame.contributions:
        if x in seen or x in before:
            totals[i] = frame.accumulated[x]
        seen.add(x)
    return totals


def _told(g: Any, local: Any, x: Node, c: Any, total: Any) -> str:
    """What one input gets, as a product where the local derivative is a number."""
    product = "" if local is None else f"{amount(g)} × {_factor(amount(local))} = "
    in_all = "" if total is None else f" ({amount(total)} in all)"
    return f"{product}{amount(c)} for {name_of(x)}{in_all}"


def _factor(text: str) -> str:
    return f"({text})" if text.startswith("-") else text


def factors(node: Node) -> dict[int, float]:
    """The derivatives of one number with respect to the numbers it was made from."""
    return {i: c for i, c in local_derivatives(node).items() if isinstance(c, float)}


def conclusion(steps: Steps) -> str:
    """Say what a pass has found.

    >>> from autograd import Value
    >>> from autograd.steps import steps
    >>> a, b = Value(0.5, label="a"), Value(3.0, label="b")
    >>> conclusion(steps((a + b) * b))
    'Done. The derivative of × is 3 with respect to a and 6.5 with respect to b.'
    """
    last = steps[-1].accumulated
    found = [x for x in topological_order(steps.output) if x.is_leaf and x in last]
    told = [f"{amount(last[x])} with respect to {name_of(x)}" for x in found[:MAX_TOLD]]
    name = name_of(steps.output)
    if not told:
        return "Done. No leaf has a gradient."
    return f"Done. The derivative of {name} is {_listed(told, len(found) - len(told))}."


def _listed(told: list[str], more: int) -> str:
    return listed([*told, f"so on for {more} more"] if more else told)


def box_of(frame: Frame, shown: Scene) -> Box:
    """The box in which the node of a frame stands; nodes of equal numbers are equal, so by `is`."""
    return next(box for box in shown.boxes if any(node is frame.node for node in box.link))


def at_rest(shown: Scene) -> Scene:
    """A scene of a frame after the pass: nothing flows any more."""
    boxes = tuple(replace(box, state="") if box.state == "active" else box for box in shown.boxes)
    arrows = tuple(
        replace(arrow, state="", text="", tone=None) if arrow.state == "active" else arrow
        for arrow in shown.arrows
    )
    return replace(shown, boxes=boxes, arrows=arrows)


# --------------------------------------------------------------------------- the film


class Film:
    """A backward pass to watch: one frame a step, and one for what it found.

    Attributes
    ----------
    captions : list of str
        What each frame says.

    Examples
    --------
    >>> from autograd import Value
    >>> from autograd.steps import steps
    >>> film = Film(steps(Value(0.5, label="x").tanh()))
    >>> film
    <Film of 3 frames>
    >>> film.page.startswith("<!DOCTYPE html>")
    True
    """

    def __init__(self, steps: Steps, view: View | None = None) -> None:
        if len(steps) >= MAX_FRAMES:
            raise RenderError(
                f"a film has at most {MAX_FRAMES} frames, and this pass has {len(steps):,} steps: "
                "film the pass of a part (an intermediate node, fewer samples), or draw a single "
                "frame, as in draw(steps(output)[0])"
            )
        self.captions = [*map(caption, steps), conclusion(steps)]
        self._steps = steps
        self._view = view or View()

    def __repr__(self) -> str:
        return f"<Film of {len(self.captions)} frames>"

    @cached_property
    def _scenes(self) -> list[Scene]:
        scenes = [scene(frame, self._view) for frame in self._steps]
        return [*scenes, at_rest(scenes[-1])]

    @cached_property
    def _stage(self) -> Stage:
        return Stage(self._scenes)

    @cached_property
    def frames(self) -> list[str]:
        """Each frame as one `<svg>` element; all are laid out alike."""
        return [self._stage.painted(self._stage.look(shown)) for shown in self._scenes]

    @cached_property
    def page(self) -> str:
        """A page of its own, which loads nothing: play, pause, step, scrub, zoom."""
        looks = [self._stage.look(shown) for shown in self._scenes]
        changes = [difference(old, new) for old, new in zip([{}, *looks], looks, strict=False)]
        boxes = [
            box_of(frame, shown).name
            for frame, shown in zip(self._steps, self._scenes, strict=False)
        ]
        frames = [
            {"caption": text, "box": box, "changes": changed}
            for text, box, changed in zip(self.captions, [*boxes, boxes[0]], changes, strict=True)
        ]
        return _page(self.frames[0], {"frames": frames}, name_of(self._steps.output))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the film: a page for .html, a picture that moves for .gif, else a folder of SVGs.

        The files of a folder, which is named without a suffix, are numbered from 000. `RenderError`
        if the suffix is another one, if a GIF is asked for without Pillow, or if it cannot be
        written.
        """
        save = {".html": self._save_page, ".gif": self._save_gif, "": self._save_folder}
        suffix = suffix_of(path)
        if not isinstance(path, str | os.PathLike) or suffix not in save:
            raise RenderError(
                "a film is saved as .html, as .gif, or as a folder of SVGs, which has no suffix; "
                f"got {shown(path)}"
            )
        with saving(path):
            save[suffix](path)

    def _save_page(self, path: str | os.PathLike[str]) -> None:
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.write(self.page)

    def _save_folder(self, path: str | os.PathLike[str]) -> None:
        os.makedirs(path, exist_ok=True)
        for number, svg in enumerate(self.frames):
            name = os.path.join(path, f"{number:03}.svg")
            with open(name, "w", encoding="utf-8", newline="\n") as file:
                file.write(svg)

    def _save_gif(self, path: str | os.PathLike[str]) -> None:
        try:
            import PIL.Image  # noqa: F401 (asked for before the work)
        except ImportError:
            raise RenderError(
                "a GIF needs Pillow: pip install 'autograd-nn[gif]', or save the film as .html"
            ) from None
        pictures = self._pictures()
        first = next(pictures)
        times = [SECONDS] * (len(self.captions) - 1) + [LAST_SECONDS]
        milliseconds = [round(1000 * time) for time in times]
        with open(path, "wb") as file:  # before the work, and so that OSError is of the path
            first.save(
                file, "GIF", save_all=True, append_images=pictures, duration=milliseconds, loop=0
            )

    def _pictures(self) -> Iterator[Any]:
        """The frames in 128 colours on white: a GIF has no half transparent pixels."""
        import io

        import PIL.Image

        for svg in self.frames:
            image = PIL.Image.open(io.BytesIO(encode(svg, "png"))).convert("RGBA")
            ground = PIL.Image.new("RGBA", image.size, "white")
            yield PIL.Image.alpha_composite(ground, image).convert("RGB").quantize(128)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        try:
            svg = self.frames[-1]
            return {
                "text/html": _framed(self.page, svg),
                "image/svg+xml": svg,
                "text/plain": repr(self),
            }
        except RenderError as error:  # a notebook shows one line in place of the picture
            return {"text/plain": f"{self!r}: {error}"}


# --------------------------------------------------------------------------- the page


@cache
def static(*names: str) -> str:
    """The scripts or styles of these names as one text; scripts no longer import each other."""
    folder = os.path.join(os.path.dirname(__file__), "static")
    texts = []
    for name in names:
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            texts.append(re.sub(r"^import .*\n", "", file.read(), flags=re.M))
    return "\n".join(texts)


def json_of(data: Any) -> str:
    """JSON that may stand in a `<script>`: nothing in it ends the element or a line.

    >>> json_of("</script>&")
    '"\\\\u003c/script\\\\u003e\\\\u0026"'
    """
    import json

    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(UNSAFE)


UNSAFE: Final = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}

PAGE: Final = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
script-src 'sha256-{script_hash}'; style-src 'sha256-{style_hash}'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main class="autograd film">
{svg}
<script type="application/json">{data}</script>
</main>
<script type="module">{script}</script>
</body>
</html>
"""

START: Final = """
const main = document.querySelector("main");
film(document, main, JSON.parse(main.querySelector("script").textContent));
"""


def _page(svg: str, data: Any, title: str) -> str:
    """A page that runs and loads nothing but what it holds: the browser is told the hashes."""
    import html

    script = static("stage.mjs", "film.mjs") + START
    style = static("stage.css", "film.css")
    return PAGE.format(
        script_hash=_hash(script),
        style_hash=_hash(style),
        title=html.escape(f"Backward from {title}, step by step"),
        style=style,
        svg=svg,
        data=json_of(data),
        script=script,
    )


def _hash(text: str) -> str:
    import base64
    import hashlib

    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def address(svg: str) -> str:
    """A picture as the address of an `<img>`.

    >>> address("<svg/>")
    'data:image/svg+xml;base64,PHN2Zy8+'
    """
    import base64

    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def _framed(page: str, svg: str) -> str:
    """A page in a page of a notebook, and where such frames are taken out the picture itself.

    The frame may run its own script and nothing else. A notebook that is not trusted loses the
    frame and the style: then the picture shows.
    """
    import html

    height = size_of(svg)[1] * 96 / 72  # in pixels
    return (
        '<div class="autograd-film"><style>.autograd-film iframe+img{display:none}</style>'
        f'<iframe srcdoc="{html.escape(page)}" sandbox="allow-scripts" title="A backward pass" '
        f'style="width:100%;border:0;height:{min(height, MAX_HEIGHT) + ROOM:.0f}px"></iframe>'
        f'<img src="{address(svg)}" alt="The graph after the pass"></div>'
    )
