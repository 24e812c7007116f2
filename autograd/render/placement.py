"""Where boxes stand in a graph that Graphviz would take minutes for: in layers, by our own sweeps.

Graphviz puts a point on each layer that an arrow passes, and its time grows faster than their
number; a tangle of a thousand nodes has a hundred thousand. Here an arrow is a straight line
beneath the boxes and costs nothing. The layers are those of Sugiyama, Tagawa and Toda 1981,
"Methods for visual understanding of hierarchical system structures"; within a layer each box
moves to the mean of its neighbours, and boxes that would overlap are pushed apart by the least
sum of squares (isotonic regression, solved by pooling adjacent violators).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

__all__ = ["layers", "placed"]

SWEEPS: Final = 24
"""How often each box moves to the mean of its neighbours."""

BETWEEN_LAYERS: Final = 60.0
BETWEEN_BOXES: Final = 14.0
"""Gaps in points."""

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def layers(count: int, arrows: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    """The layer of each of `count` boxes: beyond all boxes that it has arrows from.

    Arrows are pairs of tail and head, sorted by head; those back to an earlier box do not count.
    A box that none leads to stands in the layer before the first of those that it leads to.

    >>> layers(4, [(0, 1), (1, 3), (2, 3)]).tolist()
    [0, 1, 1, 2]
    """
    found = [0] * count
    for tail, head in arrows:
        if tail < head:
            found[head] = max(found[head], found[tail] + 1)
    beyond = max(found, default=0) + 1
    nearest = [beyond] * count
    starts = [True] * count
    for tail, head in arrows:
        if tail < head:
            nearest[tail] = min(nearest[tail], found[head])
            starts[head] = False
    return np.array(
        [
            near - 1 if start and near < beyond else layer
            for layer, near, start in zip(found, nearest, starts, strict=True)
        ],
        dtype=np.int64,
    )


def placed(
    layer: NDArray[np.int64], arrows: Sequence[tuple[int, int]], sizes: Floats
) -> tuple[Floats, Floats]:
    """The middle of each box: how far along the layers, and how far across.

    Parameters
    ----------
    layer : int array
        Of each box.
    arrows : sequence of (int, int)
    sizes : array of shape (n, 2)
        How long each box is along the layers, and across.
    """
    count, total = len(layer), int(layer.max()) + 1
    lengths = np.zeros(total)
    np.maximum.at(lengths, layer, sizes[:, 0])
    along = np.cumsum(lengths + BETWEEN_LAYERS) - lengths / 2
    needed = sizes[:, 1] + BETWEEN_BOXES
    ends = np.array(arrows, dtype=np.int64).reshape(-1, 2)
    boxes, others = np.concatenate([ends, ends[:, ::-1]]).T
    degree = np.bincount(boxes, minlength=count)
    across = _apart(np.zeros(count), needed, layer)
    for _ in range(SWEEPS):
        sums = np.bincount(boxes, weights=across[others], minlength=count)
        wanted = np.where(degree > 0, sums / np.maximum(degree, 1), across)
        across = _apart(wanted, needed, layer)
    return along[layer], across


def _apart(wanted: Floats, needed: Floats, layer: NDArray[np.int64]) -> Floats:
    """Positions near those wanted, in their order on each layer, with the room that is needed."""
    order = np.lexsort((wanted, layer))
    ends = np.cumsum(needed[order])
    first = np.searchsorted(layer[order], layer[order])  # of the same layer
    starts = ends - needed[order] / 2 - (ends - needed[order])[first]
    apart = np.ptp(wanted) + ends[-1] + 1.0  # more than any two of a layer: layers never pool
    shift = wanted[order] - starts + apart * layer[order]
    found = np.empty_like(wanted)
    found[order] = _isotonic(shift) - apart * layer[order] + starts
    return found


def _isotonic(numbers: Floats) -> Floats:
    """The numbers nearest to these, by least squares, that never decrease."""
    pools: list[tuple[float, int]] = []  # the mean of so many
    for mean in numbers.tolist():
        count = 1
        while pools and pools[-1][0] > mean:
            before, many = pools.pop()
            mean, count = (before * many + mean * count) / (many + count), many + count
        pools.append((mean, count))
    means, counts = zip(*pools, strict=True)
    return np.repeat(means, counts)
