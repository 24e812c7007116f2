"""What needs no operation of its own, since its numbers are there already, bit for bit.

Each of `RULES` is given an operation while the nodes are numbered, and returns the id that has
its numbers or None. `merge_equal` works on batches. That no output needs an operation is found by
`Listing.drop_dead`; chains are folded by `Listing.fold_chains`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .listing import Kind, Listing
    from .program import Batch, Program

__all__ = ["RULES", "folded_constants", "merge_equal", "same_as_operand", "without_neutral"]


def folded_constants(
    listing: Listing, kind: Kind, operands: Sequence[int], data: Any
) -> int | None:
    """``2 * 3`` is 6: what depends on constants only is one.

    Only for elementwise primitives, since what others hide may be random or have effects.
    """
    if kind.primitive.elementwise and all(i in listing.constants for i in operands):
        return listing.constant(data)
    return None


def without_neutral(listing: Listing, kind: Kind, operands: Sequence[int], data: Any) -> int | None:
    """``x * 1``, ``x / 1``, ``x - 0`` are x; ``x + 0`` is not: it makes 0 of -0."""
    for neutral, i, other in zip(
        kind.primitive.neutral, operands, reversed(operands), strict=False
    ):
        if neutral is not None and _holds(listing.constants.get(i), neutral):
            given = listing.example(other)
            if type(given) is type(data) and _alike(given, data):
                return other
    return None


def same_as_operand(listing: Listing, kind: Kind, operands: Sequence[int], data: Any) -> int | None:
    """What gives its operand back is it: the identity, and a view of all of an array.

    So is a view of a view that is the array again, as is the transpose of a transpose. Only of
    structural primitives: others, such as a function of the user's, may give what they were given
    for these numbers and not for those.
    """
    i = operands[0]
    given = listing.example(i)
    if kind.primitive.array in (np.positive, np.copy) and (
        type(data) is float or _alike(given, data)
    ):
        return i
    while kind.primitive.structural and type(data) is np.ndarray is type(given) and data.size:
        same = data.__array_interface__["data"] == given.__array_interface__["data"]
        if same and _alike(given, data) and data.strides == given.strides:
            return i
        if given.base is None or listing.kind[i] < 0:  # no view, or not of the recording
            break
        i, kind = listing.first[i], listing.kinds[listing.kind[i]]
        given = listing.example(i)
    return None


RULES = (folded_constants, without_neutral, same_as_operand)


def _holds(data: Any, number: float) -> bool:
    return type(data) is float and data.hex() == number.hex()


def _alike(given: Any, data: Any) -> bool:
    return type(data) is float or (given.shape == data.shape and given.dtype == data.dtype)


def merge_equal(program: Program) -> None:
    """Compute what is computed twice once: equal kinds of equal operands are of one depth."""
    same = np.arange(program.size, dtype=np.int32)
    known: dict[Any, int] = {}
    for batch in program.batches:
        batch.operands = [same[x] for x in batch.operands]
        if not batch.is_of_numbers:
            key = _key(batch)
            if key is not None:
                (i,) = batch.results.tolist()
                same[i] = known.setdefault(key, i)
        elif len(batch) > 1 and len(batch.operands) <= 2:
            kept, which = _distinct(batch.operands, program.size)
            if len(kept) < len(batch):
                same[batch.results] = batch.results[kept][which]
                batch.operands = [x[kept] for x in batch.operands]
                batch.results = batch.results[kept]
    program.batches = [b for b in program.batches if same[b.results[0]] == b.results[0]]
    program.outputs = same[program.outputs].tolist()


def _distinct(operands: Sequence[Any], size: int) -> tuple[Any, Any]:
    """The first of each pair of operands, and which of these each pair is."""
    pairs = operands[0].astype(np.int64)
    if len(operands) == 2:
        pairs = pairs * size + operands[1]
    _, first, which = np.unique(pairs, return_index=True, return_inverse=True)
    order = np.argsort(first)  # as they were
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return first[order], place[which]


def _key(batch: Batch) -> Any:
    """What tells an operation with arrays from others; None where nothing can."""
    if batch.kind.primitive.calls_back:  # it may give something else each time
        return None
    params = tuple(sorted(batch.kind.params.items()))
    try:
        hash(params)
    except TypeError:
        return None
    return batch.kind.primitive, params, *[int(x[0]) for x in batch.operands]
