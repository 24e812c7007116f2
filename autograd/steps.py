"""A backward pass taken apart: one frame a node, in the order of the pass, as data to look at.

The pass is made once, with the rules of `backprop`, and what it sent along each arrow is kept. What
had accumulated at a node by some frame is the sum of what had arrived by then, so it is added up
when asked for: memory grows with the arrows of the graph, not with arrows times frames.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import reduce
from itertools import islice
from operator import add
from typing import Any, overload

import numpy as np

from .backprop import seed, walk, without_mask
from .graph import Node
from .primitive import require_unread
from .words import amount, name_of

__all__ = ["Frame", "Steps", "steps"]


def steps(output: Node, cotangent: Any = None) -> Steps:
    """Take the backward pass of `output` apart, one node at a time.

    The first frame is the cotangent that the output starts with. Each further one is a computed
    node, consumers before their inputs: the node's cotangent is complete, and its pullback sends
    a contribution to each input. No ``grad`` is touched. What gets nothing, such as a constant or
    the branch that `where` did not take, is not visited.

    Parameters
    ----------
    output : Node
        A scalar, or any shape when a cotangent is given.
    cotangent : number or array, optional
        What flows back into `output`, of its shape; 1 by default.

    Returns
    -------
    Steps
        A sequence of `Frame`, in which the pass is made and kept: about 10 us and 650 bytes a node
        of one number, and for arrays one more of the size of each contribution.

    Raises
    ------
    GradientError, ShapeError, StaleGraphError
        As `backward`.
    ReplayError
        Inside a function that `jit` records.

    Examples
    --------
    >>> from autograd import Value, steps
    >>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    >>> for frame in steps(a * b + a):
    ...     print(frame)
    1 of 3: + starts with 1
    2 of 3: + has 1 and sends 1 to ×, 1 to a
    3 of 3: × has 1 and sends -3 to a, 2 to b
    """
    return Steps(output, cotangent)


@dataclass(frozen=True, repr=False, slots=True)
class Frame:
    """One step of a backward pass.

    Attributes
    ----------
    steps : Steps
        All frames of the pass.
    number : int
        Its place among them, from 0.
    node : Node
        The node whose turn it is.
    cotangent : float or ndarray
        The derivative of the output with respect to the node, complete.
    contributions : tuple of (int, Node, float or ndarray)
        What the node sends to its inputs: which operand, the input, the contribution. Empty in
        the first frame.

    Examples
    --------
    >>> from autograd import Value, steps
    >>> a = Value(3.0, label="a")
    >>> last = steps(a * a)[-1]
    >>> [(i, x.label, amount) for i, x, amount in last.contributions]
    [(0, 'a', 3.0), (1, 'a', 3.0)]
    >>> last.accumulated[a], a in last.done, a.grad
    (6.0, True, None)
    """

    steps: Steps
    number: int
    node: Node = field(compare=False)
    cotangent: Any = field(compare=False)
    contributions: tuple[tuple[int, Node, Any], ...] = field(compare=False)

    @property
    def output(self) -> Node:
        """What is differentiated."""
        return self.steps.output

    @property
    def accumulated(self) -> Mapping[Node, Any]:
        """The cotangents as far as they have come, this frame's contributions included.

        A node that nothing has reached is not in it.
        """
        return _Accumulated(self.steps._arrivals, self.steps._reached, self.number)

    @property
    def done(self) -> Set[Node]:
        """The nodes whose cotangent is complete: nothing more comes in a later frame."""
        return _Done(self.steps._arrivals, self.steps._completed, self.number)

    def __str__(self) -> str:
        place = f"{self.number + 1} of {len(self.steps)}: {name_of(self.node)}"
        if not self.number:
            return f"{place} starts with {amount(self.cotangent)}"
        sent = [f"{amount(c)} to {name_of(x)}" for _, x, c in self.contributions[:MOST_SENT]]
        more = len(self.contributions) - MOST_SENT
        sent += [f"and so on to {more} more"] * (more > 0)
        return f"{place} has {amount(self.cotangent)} and sends {', '.join(sent) or 'nothing'}"

    def __repr__(self) -> str:
        return f"<Frame {self}>"


MOST_SENT = 6
"""A frame in words tells so many contributions."""


class Steps(Sequence[Frame]):
    """The frames of a backward pass; `steps` makes one.

    Attributes
    ----------
    output : Node
        What is differentiated.

    Examples
    --------
    >>> from autograd import Value, steps
    >>> passed = steps(Value(0.5).tanh().exp())
    >>> passed, len(passed), passed[1].node is passed.output
    (<Steps of 3 frames>, 3, True)
    """

    def __init__(self, output: Node, cotangent: Any = None) -> None:
        start = seed(output, cotangent)
        require_unread(output, "steps()")
        self.output = output
        self._frames: list[tuple[Any, ...]] = [(output, _shown(start, output), ())]
        self._arrivals: _Arrivals = {output: ([0], [_shown(start, output)])}
        self._reached = [0]  # for each node, in the order of _arrivals, the frame of the first one
        for number, (node, g, parts) in enumerate(walk({output: start}), 1):
            sent = tuple((i, x, _shown(c, x)) for i, x, c in parts)
            self._frames.append((node, _shown(g, node), sent))
            for _, x, c in sent:
                if x not in self._arrivals:
                    self._arrivals[x] = ([], [])
                    self._reached.append(number)
                numbers, amounts = self._arrivals[x]
                numbers.append(number)
                amounts.append(c)
        self._completed = sorted(numbers[-1] for numbers, _ in self._arrivals.values())

    def __len__(self) -> int:
        return len(self._frames)

    @overload
    def __getitem__(self, index: int) -> Frame: ...
    @overload
    def __getitem__(self, index: slice) -> list[Frame]: ...
    def __getitem__(self, index: int | slice) -> Frame | list[Frame]:
        try:
            places = range(len(self._frames))[index]
        except IndexError:
            raise IndexError(f"there are {len(self)} frames, counted from 0: got {index}") from None
        if isinstance(places, range):
            return [Frame(self, i, *self._frames[i]) for i in places]
        return Frame(self, places, *self._frames[places])

    def __repr__(self) -> str:
        return f"<Steps of {len(self)} frames>"


_Arrivals = dict[Node, tuple[list[int], list[Any]]]
"""For each node that was reached the contributions that arrived, and the frame of each."""


def _shown(g: Any, node: Node) -> Any:
    """A cotangent as a float for a Value, and for a Tensor an array that cannot be written to."""
    value, data = without_mask(g), node._raw
    if type(data) is float:
        return float(value)
    array = np.asarray(value, dtype=data.dtype).view()
    array.flags.writeable = False
    return array


class _Accumulated(Mapping[Node, Any]):
    """The sums of what had arrived by a frame."""

    def __init__(self, arrivals: _Arrivals, reached: list[int], number: int) -> None:
        self._arrivals = arrivals
        self._number = number
        self._count = bisect_right(reached, number)

    def __getitem__(self, node: Node) -> Any:
        numbers, amounts = self._arrivals[node]
        count = bisect_right(numbers, self._number)
        if not count:
            raise KeyError(node)
        with np.errstate(all="ignore"):
            return _shown(reduce(add, islice(amounts, count)), node)

    def __iter__(self) -> Iterator[Node]:
        return islice(self._arrivals, self._count)

    def __len__(self) -> int:
        return self._count


class _Done(Set[Node]):
    """The nodes at which the last contribution had arrived by a frame."""

    def __init__(self, arrivals: _Arrivals, completed: list[int], number: int) -> None:
        self._arrivals = arrivals
        self._completed = completed
        self._number = number

    @classmethod
    def _from_iterable(cls, nodes: Any) -> Any:
        return frozenset(nodes)

    def __contains__(self, node: object) -> bool:
        at, _ = self._arrivals.get(node, ((math.inf,), ()))  # type: ignore[call-overload]
        return bool(at[-1] <= self._number)

    def __iter__(self) -> Iterator[Node]:
        return (node for node, (at, _) in self._arrivals.items() if at[-1] <= self._number)

    def __len__(self) -> int:
        return bisect_right(self._completed, self._number)
