"""A program of a replay as DOT text: one box a batch, one arrow from each that it takes from."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from ..replay.program import Batch, Program
from .dot import FAINT, HEADER, INK, LARGE_SIZE, PAPER, Cell, boxed, empty_dot

if TYPE_CHECKING:
    import graphviz

__all__ = ["program_to_dot"]

INPUTS, CONSTANTS = -1, -2
"""Stand for where the operands come from that no batch computes."""


def program_to_dot(program: Program, direction: str) -> graphviz.Digraph:
    """Describe a program in DOT; batches are named b0, b1, ... in the order in which they run.

    `RenderError` if the direction is unknown.
    """
    dot = empty_dot(direction, len(program.batches))
    maker = np.full(program.size, CONSTANTS)
    maker[program.inputs] = INPUTS
    for i, batch in enumerate(program.batches):
        maker[batch.results] = i
    taken = {i: _sources(batch, maker) for i, batch in enumerate(program.batches)}
    sources = {source for counts in taken.values() for source in counts}
    for source, what in ((INPUTS, "inputs"), (CONSTANTS, "constants")):
        if source in sources:
            count = len(program.inputs if source == INPUTS else program.constants)
            dot.node(_name(source), boxed(Cell(f"{count:,} {what}", FAINT), [], PAPER))
    for i, batch in enumerate(program.batches):
        dot.node(_name(i), _box(batch))
        for source, count in taken[i].items():
            dot.edge(_name(source), _name(i), label=f"{count:,}" if count > 1 else "")
    return dot


def _sources(batch: Batch, maker: np.ndarray) -> dict[int, int]:
    """How many operands come from where."""
    makers = Counter(maker[np.concatenate(batch.operands)].tolist())
    return dict(sorted(makers.items()))


def _name(source: int) -> str:
    return {INPUTS: "inputs", CONSTANTS: "constants"}.get(source, f"b{source}")


def _box(batch: Batch) -> str:
    label = batch.kind.primitive.label
    if batch.is_folded:
        label += f" of {len(batch.operands)}"
    example = batch.example
    what = f"{len(batch):,} number{'s' * (len(batch) != 1)}"
    if isinstance(example, np.ndarray):
        what = f"{example.shape} {example.dtype}"
    rows = [Cell(what), Cell(f"depth {batch.depth}", FAINT)]
    return boxed(Cell(label, INK, LARGE_SIZE), rows, HEADER)
