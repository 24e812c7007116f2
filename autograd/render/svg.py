"""The SVG that Graphviz wrote: its size, and what stands beside an arrow moved onto it.

Graphviz leaves room for a label next to its arrow, and so often just on another one, to which it
then seems to belong. The nearest point of its own arrow is close by.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["on_their_arrows", "size_of"]

PAGE: Final = re.compile(r'viewBox="\S+ \S+ ([\d.]+) ([\d.]+)"')
EDGE: Final = re.compile(r'<g id="[^"]*" class="edge">.*?</g>', re.DOTALL)
LINE: Final = re.compile(r'<path [^>]*\bd="([^"]*)"')
GROUND: Final = re.compile(r'(<polygon [^>]*stroke="none" points=")([^"]*)')
PLACE: Final = re.compile(r'(<text [^>]*\bx=")([^"]*)(" y=")([^"]*)')
PAIR: Final = re.compile(r"(-?[\d.]+),(-?[\d.]+)")

HEAD: Final = 4.0
"""How much of an arrow is to be seen at both of its ends, in points."""

STEPS: Final = np.linspace(0.0, 1.0, 33)[:, None]
"""Where a curve is looked at, from its start to its end."""


def on_their_arrows(svg: str) -> str:
    """Move each label, with the ground that it stands on, to the nearest point of its arrow.

    >>> line = '<path fill="none" d="M0,-20C10,-20 20,-20 30,-20"/>'
    >>> ground = '<polygon stroke="none" points="10,-16 10,-6 20,-6 20,-16 10,-16"/>'
    >>> edge = f'<g id="a0" class="edge">{line}{ground}<text x="12" y="-8">1</text></g>'
    >>> moved = on_their_arrows(f'<svg viewBox="0 0 50 50">{edge}</svg>')
    >>> moved[moved.index("<text") :]
    '<text x="12.00" y="-17.00">1</text></g></svg>'
    """
    width, height = size_of(svg)
    # Graphviz puts the origin 4 points from the lower left corner.
    corner, opposite = np.array([-4.0, 4.0 - height]), np.array([width - 4.0, 4.0])
    return EDGE.sub(lambda edge: _moved(edge[0], corner, opposite), svg)


def size_of(svg: str) -> tuple[float, float]:
    """Width and height in points.

    >>> size_of('<svg width="50pt" height="20pt" viewBox="0.00 0.00 50.00 20.00"></svg>')
    (50.0, 20.0)
    """
    width, height = map(float, PAGE.search(svg).groups())  # type: ignore[union-attr]
    return width, height


def _moved(edge: str, corner: Floats, opposite: Floats) -> str:
    """An edge whose label is on it, and within the page."""
    line, ground = LINE.search(edge), GROUND.search(edge)
    if line is None or ground is None:
        return edge
    corners, curve = _points(ground[2]), _curve(_points(line[1]))
    low, high = corners.min(axis=0), corners.max(axis=0)
    shift = _spot(curve, (low + high) / 2, high - low) - (low + high) / 2
    dx, dy = np.clip(shift, corner - low, opposite - high)

    def shifted(pair: re.Match[str]) -> str:
        return f"{_number(float(pair[1]) + dx)},{_number(float(pair[2]) + dy)}"

    edge = GROUND.sub(lambda found: found[1] + PAIR.sub(shifted, found[2]), edge)
    return PLACE.sub(
        lambda found: (
            f"{found[1]}{_number(float(found[2]) + dx)}{found[3]}{_number(float(found[4]) + dy)}"
        ),
        edge,
    )


def _spot(curve: Floats, middle: Floats, size: Floats) -> Floats:
    """The point of a curve nearest to the middle of a label, which leaves the arrowhead free."""
    way = np.abs(curve[-1] - curve[0])
    room = HEAD + way @ size / (2 * max(float(np.hypot(*way)), 1.0))
    free = np.minimum(_distance(curve, curve[0]), _distance(curve, curve[-1])) >= room
    spots = curve[free] if free.any() else curve[[len(curve) // 2]]
    nearest: Floats = spots[_distance(spots, middle).argmin()]
    return nearest


def _distance(points: Floats, point: Floats) -> Floats:
    distance: Floats = np.hypot(*(points - point).T)
    return distance


def _points(text: str) -> Floats:
    return np.array([[float(x), float(y)] for x, y in PAIR.findall(text)])


def _curve(points: Floats) -> Floats:
    """Points along cubic Bézier curves, each of which starts where the one before it ends."""
    t = STEPS
    weights = np.hstack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    return np.concatenate([weights @ points[i : i + 4] for i in range(0, len(points) - 1, 3)])


def _number(value: float) -> str:
    return f"{value:.2f}"
