"""A small graph in characters: layers from left to right, each box right of its inputs.

All arrows from a box share one line, which passes the layers between; a layer is filled from top
to bottom, so that no two lines coincide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from .plan import (
    Line,
    Plan,
    arrows_by_box,
    height_of,
    room_for,
    tracks,
    weight_of,
    width_of,
)
from .scene import Arrow, Box, Scene

__all__ = ["layered"]

WIDTH: Final = 100
"""Layers that would take more columns are a list instead."""

FEW: Final = 64
"""And so are more boxes than these."""


class _End(NamedTuple):
    """Where the line of box `net` comes to a layer: at the head of `arrow`, or to pass it."""

    net: str
    row: int
    weight: int
    arrow: Arrow | None


@dataclass
class _Layer:
    """Where the boxes of a layer stand, and which rows its lines use; filled from top to bottom.

    A line must not end in a row where another one starts, or they would coincide between; and in
    its own row only where it has no end above, or it would fork into four.
    """

    sources: Mapping[str, int]
    """The row in which each line comes from the layer before."""
    tops: dict[str, int] = field(default_factory=dict)
    ends: list[_End] = field(default_factory=list)
    leaves: dict[str, int] = field(default_factory=dict)
    """The row in which the line of each box goes on, and each line that passes."""
    below: int = 0
    """The first row that is still empty."""

    def add_box(self, box: Box, arrows: Sequence[Arrow], height: int) -> None:
        tails, inner = [arrow.tail for arrow in arrows], height - 2
        middle = sum(self.sources[net] for net in tails) / len(tails) if tails else 0
        first, rows = self._drop(tails, round(middle - (inner - 1) / 2), inner, above=1)
        for arrow, row in zip(arrows, rows, strict=True):
            self.ends.append(_End(arrow.tail, row, weight_of(arrow), arrow))
        self.tops[box.name] = first - 1
        self.leaves[box.name] = first + (inner - 1) // 2
        self.below = first + inner + 1

    def add_line(self, net: str, weight: int) -> None:
        row, _ = self._drop([net], self.sources[net], 1, above=0)
        self.ends.append(_End(net, row, weight, None))
        self.leaves[net] = row
        self.below = row + 1

    def _drop(
        self, tails: Sequence[str], first: int, inner: int, above: int
    ) -> tuple[int, list[int]]:
        """The first of `inner` rows, from `first` on, in which all lines find one each."""
        start = max(first, self.below + above)
        while len(rows := self._fit(tails, start, inner)) < len(tails):
            start += 1  # ends at the latest below all rows in which lines start
        return start, rows

    def _fit(self, tails: Sequence[str], first: int, inner: int) -> list[int]:
        """A row for each line, in order, its own if may be, or evenly; fewer if they do not fit."""
        started = {row: net for net, row in self.sources.items()}
        ended = {end.net for end in self.ends}
        rows: list[int] = []
        for i, net in enumerate(tails):
            even = first + (i + 0.5) * inner / len(tails) - 0.5
            lowest = first + inner - len(tails) + i
            free = [
                row
                for row in range(rows[-1] + 1 if rows else first, lowest + 1)
                if row not in started or (started[row] == net and net not in ended)
            ]
            if not free:
                break
            rows.append(min(free, key=lambda row: (row != self.sources[net], abs(row - even))))
            ended.add(net)
        return rows


def layered(scene: Scene) -> Plan | None:
    """Each box right of its inputs; None for a scene that is better a list.

    The order in a layer is that of the scene, which for a tree crosses no lines.
    """
    layers = _layers(scene)
    if scene.direction in ("TB", "BT") or scene.groups or not layers or len(scene.boxes) > FEW:
        return None
    plan = Plan()
    leaving, arriving = arrows_by_box(scene)
    arrived: set[int] = set()
    sources: dict[str, int] = {}
    for names in layers:
        arrived |= {i for name in names for i in arriving[name]}
        passing = {net: w for net in sources if (w := _onward(scene, leaving[net], arrived))}
        layer = _Layer(sources)
        for box in scene.boxes:
            if box.name in names:
                arrows = [scene.arrows[i] for i in arriving[box.name]]
                layer.add_box(box, arrows, height_of(box, arriving))
            elif box.name in passing:
                layer.add_line(box.name, passing[box.name])
        _connect(plan, layer)
        _show(plan, layer, [box for box in scene.boxes if box.name in names], arriving)
        sources = {net: row for net, row in layer.leaves.items() if leaving[net]}
    if plan.width > WIDTH:
        return None
    return plan.mirrored() if scene.direction == "RL" else plan


def _layers(scene: Scene) -> list[set[str]]:
    """The boxes by their distance from an output, farthest first; none where there is a cycle."""
    number = {box.name: i for i, box in enumerate(scene.boxes)}
    distance = dict.fromkeys(number, 0)
    for arrow in sorted(scene.arrows, key=lambda arrow: -number[arrow.head]):
        if number[arrow.tail] >= number[arrow.head]:
            return []
        distance[arrow.tail] = max(distance[arrow.tail], distance[arrow.head] + 1)
    layers: list[set[str]] = [set() for _ in range(max(distance.values(), default=-1) + 1)]
    for name, steps in distance.items():
        layers[-1 - steps].add(name)
    return layers


def _onward(scene: Scene, arrows: Iterable[int], arrived: set[int]) -> int:
    """The weight of a line behind the layer that `arrived` goes to; 0 if it ends there."""
    return max((weight_of(scene.arrows[i]) for i in arrows if i not in arrived), default=0)


def _connect(plan: Plan, layer: _Layer) -> None:
    """Draw the lines that lead to a layer, each with one rail, right of all that stands."""
    if not layer.ends:
        return
    rows: dict[str, list[int]] = {}
    for end in layer.ends:
        rows.setdefault(end.net, [layer.sources[end.net]]).append(end.row)
    spans = {net: (min(r), max(r)) for net, r in rows.items() if min(r) < max(r)}
    nets = sorted(spans, key=lambda net: _turn(rows[net]))
    rails = dict(zip(nets, tracks([spans[net] for net in nets]), strict=True))
    left = plan.width
    plan.width += 2 * (max(rails.values(), default=-1) + 1) + 3
    plan.width += room_for(end.arrow for end in layer.ends if end.arrow)
    for net, row, weight, arrow in layer.ends:
        start, turn = layer.sources[net], left + 1 + 2 * rails.get(net, 0)
        points = ((left - 1, start), (turn, start), (turn, row), (plan.width - 1, row))
        plan.lines.append(Line(points, weight))
        if arrow:
            plan.add_head(arrow, plan.width - 1, row, "►")


def _turn(rows: Sequence[int]) -> int:
    """Of lines that go down, the lowest turns first, of those that go up the highest.

    So they do not cross. The first of the rows is the one where the line starts.
    """
    return -rows[0] if rows[0] == min(rows) else rows[0]


def _show(
    plan: Plan, layer: _Layer, boxes: Sequence[Box], arriving: Mapping[str, list[int]]
) -> None:
    """Draw the boxes of a layer, all as wide as the widest, and the lines that pass it."""
    x, width = plan.width, max(map(width_of, boxes))
    for box in boxes:
        plan.add_box(box, x, layer.tops[box.name], width, height_of(box, arriving))
    for end in layer.ends:
        if end.arrow is None:
            plan.lines.append(Line(((x - 1, end.row), (x + width - 1, end.row)), end.weight))
    plan.width += width
