"""A program of a replay as a scene: one box a batch, one arrow from each that it takes from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np

from ..replay.program import Batch, Program
from ..words import one_line
from .folding import folded_into
from .scene import MAX_TEXT, Arrow, Box, Row, Scene, View

__all__ = ["program_scene"]

INPUTS: Final = -1
CONSTANTS: Final = -2
"""Where the operands come from that no batch computes."""


def program_scene(program: Program, view: View) -> Scene:
    """Show a program, its batches in the order in which they run.

    Of more than ``view.max_nodes`` batches those of one operation share a box.

    Examples
    --------
    >>> nothing = np.zeros(0, dtype=np.int32), np.zeros(0)
    >>> program_scene(Program([], {}, nothing, {}, [], [], 0), View())
    Scene(boxes=(), arrows=(), groups=(), direction='LR', note='')
    """
    shared = _shared(program.batches, view.max_nodes)
    maker = np.full(program.size, CONSTANTS)
    maker[program.inputs] = INPUTS
    for key, batches in enumerate(shared):
        for batch in batches:
            maker[batch.results] = key
    taken = [Counter(_sources(batches, maker)) for batches in shared]
    sources = {source for counts in taken for source in counts}
    boxes = [_box(f"b{key}", batches) for key, batches in enumerate(shared)]
    if CONSTANTS in sources:
        boxes.insert(0, _outside(CONSTANTS, len(program.constants) + len(program.numbers[0])))
    if INPUTS in sources:
        boxes.insert(0, _outside(INPUTS, len(program.inputs)))
    arrows = [
        Arrow(_name(source), f"b{key}", f"{count:,}" if count > 1 else "", count=count)
        for key, counts in enumerate(taken)
        for source, count in sorted(counts.items())
        if source != key
    ]
    note = folded_into(len(program.batches), len(shared), "batches")
    return Scene(tuple(boxes), tuple(arrows), (), view.direction, note)


def _shared(batches: list[Batch], most: int) -> list[list[Batch]]:
    """Which batches share a box: none, or those of one operation."""
    if len(batches) <= most:
        return [[batch] for batch in batches]
    of_operation: dict[str, list[Batch]] = {}
    for batch in batches:
        of_operation.setdefault(batch.kind.primitive.name, []).append(batch)
    return [*of_operation.values()] if len(of_operation) <= most else [batches]


def _sources(batches: list[Batch], maker: np.ndarray) -> Iterator[int]:
    """Where each operand comes from."""
    for batch in batches:
        yield from maker[np.concatenate(batch.operands)].tolist()


def _name(source: int) -> str:
    return {INPUTS: "inputs", CONSTANTS: "constants"}.get(source, f"b{source}")


def _outside(source: int, count: int) -> Box:
    """The box of what no batch computes."""
    kind = "leaf" if source == INPUTS else "constant"
    title = f"{count:,} {_name(source)}"
    return Box(_name(source), title if count != 1 else title.removesuffix("s"), kind=kind)


def _box(name: str, batches: list[Batch]) -> Box:
    batch = batches[0]
    labels = {one_line(batch.kind.primitive.label, MAX_TEXT) for batch in batches}
    label = labels.pop() if len(labels) == 1 else "all"
    if len(batches) > 1:
        rows = [("batches", f"{len(batches):,}"), ("numbers", f"{sum(map(len, batches)):,}")]
        return Box(name, "", label, tuple(Row(name, (text,)) for name, text in rows), "folded")
    if batch.is_folded:
        label += f" of {len(batch.operands)}"
    example = batch.example
    what = f"{len(batch):,} number{'s' * (len(batch) != 1)}"
    if isinstance(example, np.ndarray):
        what = f"{example.shape} {example.dtype}"
    return Box(name, "", label, (Row("", (what,)), Row("", (f"depth {batch.depth}",))), "batch")
