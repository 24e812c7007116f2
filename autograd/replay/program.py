"""A program: batches of operations, each one call of an array function.

Numbers that come from `Value`s live in one vector, arrays each by themselves. Operations on
numbers of the same depth and kind do not depend on each other, so they form a batch. An operation
with an array among its operands or as its result is a batch of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..graph import Node
from .listing import NOTHING, Kind, Listing
from .rules import merge_equal

__all__ = ["Batch", "Program", "lower"]

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Index = NDArray[np.int32]


@dataclass(eq=False, slots=True)
class Batch:
    """Operations of one kind that do not depend on each other.

    Attributes
    ----------
    kind : Kind
    depth : int
        The longest way from an input.
    operands : list of int32 arrays
        For each operand the ids that are taken. More than the primitive has are folded from the
        left.
    results : int32 array
        The ids of what is computed.
    example : object
        For an operation with arrays what it gave when it was recorded: shape, dtype, layout.
    """

    kind: Kind
    depth: int
    operands: list[Index]
    results: Index
    example: Any = None

    @property
    def is_of_numbers(self) -> bool:
        """Whether operands and results are numbers, so that one array call computes them all."""
        return self.example is None

    @property
    def is_folded(self) -> bool:
        """Whether the primitive is applied to more operands than it has, from the left."""
        return self.is_of_numbers and len(self.operands) > len(self.kind.primitive.domain)

    def __len__(self) -> int:
        return len(self.results)

    def __str__(self) -> str:
        name, example = self.kind.primitive.name, self.example
        if isinstance(example, np.ndarray):
            return f"{name:<16} {example.shape} {example.dtype}"
        of = f" of {len(self.operands)} each" if self.is_folded else ""
        return f"{name:<16}{len(self):>9,}{of}"


@dataclass(eq=False)
class Program:
    """Batches in the order in which they run, and where numbers and arrays come from and go to.

    Everything that is taken or computed has a number, its id.

    Attributes
    ----------
    inputs : list of int
        What the function is given, then what it closes over.
    constants : dict of int to array
        Those that are arrays.
    numbers : int32 array, float64 array
        The ids of the others, and what they are.
    arrays : dict of int to array
        For what is an array an example of it: shape, dtype, layout. All else is a number.
    batches : list of Batch
    outputs : list of int
    size : int
        How many ids there are.
    """

    inputs: list[int]
    constants: dict[int, Any]
    numbers: tuple[Index, NDArray[np.float64]]
    arrays: dict[int, Any]
    batches: list[Batch]
    outputs: list[int]
    size: int

    @property
    def instructions(self) -> int:
        """How many operations there are in all batches."""
        return sum(len(b) * (len(b.operands) - 1 if b.is_folded else 1) for b in self.batches)

    def __str__(self) -> str:
        deepest = max((batch.depth for batch in self.batches), default=0)
        head = (
            f"{self.instructions:,} instructions in {len(self.batches):,} batches, depth "
            f"{deepest:,}, {self.nbytes:,} bytes"
        )
        return "\n".join([head, *(f"{batch.depth:>6} {batch}" for batch in self.batches)])

    @property
    def nbytes(self) -> int:
        """Memory for numbers, for where operands are, and for arrays, were none used again."""
        places = sum(x.nbytes for b in self.batches if b.is_of_numbers for x in b.operands)
        return int(places + 8 * self.size + sum(x.nbytes for x in self.arrays.values()))


def lower(
    variables: Sequence[Node], tape: Sequence[Node], outputs: Sequence[Node], started: int
) -> tuple[Program, list[Node]]:
    """Turn what was recorded since a time into a program.

    Parameters
    ----------
    variables : sequence of Node
        The program's first inputs.
    tape : sequence of Node
        What was recorded, in order.
    outputs : sequence of Node
    started : int
        The time from which on nodes belong to the recording.

    Returns
    -------
    The program, and the older nodes whose data are its further inputs.
    """
    listing = Listing(variables, started)
    listing.add_all(tape)
    results = [listing.of(node) for node in outputs]
    listing.drop_dead(results)
    listing.fold_chains(results)
    program = _scheduled(listing, results)
    merge_equal(program)
    return program, listing.sources


def _scheduled(listing: Listing, outputs: list[int]) -> Program:
    """Sort operations into batches: of equal depth, then of equal kind."""
    kind, data = np.array(listing.kind), listing.data
    depth = np.array(listing.depths())
    first = np.array(listing.first, dtype=np.int32)  # ids, of which a program is full
    second = np.array(listing.second, dtype=np.int32)
    key = depth * (len(listing.kinds) + 1) + kind
    order = np.argsort(key, kind="stable").astype(np.int32)
    order = order[kind[order] != NOTHING]
    starts = np.flatnonzero(np.diff(key[order], prepend=-1))
    batches = []
    for results in np.split(order, starts[1:]) if len(order) else []:
        some = int(results[0])
        operands = [first[results]]
        if second[some] != NOTHING:
            operands.append(second[results])
        if some in listing.further:
            further = [listing.further[i] for i in results.tolist()]
            operands += list(np.array(further, dtype=np.int32).T)
        of_kind = listing.kinds[listing.kind[some]]
        batches.append(Batch(of_kind, int(depth[some]), operands, results, data.get(some)))
    return Program(
        inputs=listing.inputs,
        constants={i: x for i, x in listing.constants.items() if type(x) is not float},
        numbers=_numbers(listing.constants),
        arrays={i: x for i, x in data.items() if type(x) is not float},
        batches=batches,
        outputs=outputs,
        size=len(kind),
    )


def _numbers(constants: Mapping[int, Any]) -> tuple[Index, NDArray[np.float64]]:
    """The ids of the numbers among constants, and the numbers.

    As arrays: a few thousand numbers and ids that lie wherever they were recorded would keep as
    many blocks of memory from being given back, 13 bytes an instruction.
    """
    numbers = {i: x for i, x in constants.items() if type(x) is float}
    return np.array([*numbers], dtype=np.int32), np.array([*numbers.values()], dtype=np.float64)
