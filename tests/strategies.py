"""How tests draw calls of primitives. Everything is read from the records in the registry."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import nn  # noqa: F401 (it registers primitives of its own)
from autograd import Example, Interval, Primitive, Tensor
from autograd.primitive import REGISTRY, EachOperand

EVERY = sorted(REGISTRY.values(), key=lambda primitive: primitive.name)
"""Every primitive of both packages, as registered by importing them."""

PRIMITIVES = [p for p in EVERY if p.has_derivative and p.name != "replay"]
"""Those that have a derivative, and take operands of any dtype, as a replay does not."""

LATTICE = 200  # points that a domain is sampled at: no two closer than a step of differences


@dataclass(frozen=True)
class Call:
    """A primitive with arrays to call it on; arrays of bools and integers have no derivative."""

    primitive: Primitive
    operands: tuple[np.ndarray, ...]
    params: dict[str, Any]

    def __call__(self, *operands: Any) -> Any:
        """Apply the primitive to other operands, or to the call's own as plain arrays."""
        prepared = self.primitive.prepared(operands or self.operands)
        return self.primitive(*prepared, **self.params)

    def __repr__(self) -> str:
        operands = ", ".join(map(repr, self.operands))
        return f"{self.primitive.name}({operands}, **{self.params})"

    @property
    def variables(self) -> list[int]:
        """Which operands have a gradient."""
        rules = zip(self.operands, self.primitive.pullbacks, strict=False)
        return [i for i, (_, rule) in enumerate(rules) if rule is not None]

    def astype(self, dtype: Any) -> Call:
        """The same call with its floating operands in another dtype."""
        return replace(
            self,
            operands=tuple(x.astype(dtype) if x.dtype.kind == "f" else x for x in self.operands),
        )

    def leaves(self) -> list[Tensor]:
        """New variables at the operands."""
        return [Tensor(x) for x in self.operands]

    def weights(self) -> np.ndarray:
        """A cotangent for the output: fixed, none of its elements 0 or 1."""
        shape = np.shape(self())
        return np.linspace(0.6, 1.4, int(np.prod(shape))).reshape(shape)


def points(shape: tuple[int, ...], interval: Interval) -> st.SearchStrategy[np.ndarray]:
    """Arrays of distinct numbers inside an interval, away from its kinks."""
    if interval.whole:
        return hnp.arrays(
            np.int64, shape, elements=st.integers(int(interval.low), int(interval.high))
        )
    width = interval.high - interval.low
    grid = interval.low + (np.arange(LATTICE) + 0.5) * (width / LATTICE)
    for kink in interval.kinks:
        grid = grid[np.abs(grid - kink) > width * 1e-3]
    places = hnp.arrays(np.intp, shape, elements=st.integers(0, len(grid) - 1), unique=True)
    return places.map(lambda place: np.asarray(grid[place]))


def _is_gate(primitive: Primitive, index: int) -> bool:
    """Whether an operand only chooses between others, such as the condition of `where`."""
    rules = primitive.pullbacks
    return primitive.elementwise and not isinstance(rules, EachOperand) and rules[index] is None


@st.composite
def calls(draw: st.DrawFn, primitive: Primitive, example: Example | None = None) -> Call:
    """Calls like an example, by default of operands that broadcast in any way."""
    if example is None:
        count = len(primitive.domain)
        shapes = draw(
            hnp.mutually_broadcastable_shapes(num_shapes=count, max_dims=2, max_side=3)
        ).input_shapes
        params: dict[str, Any] = {}
    else:
        shapes, params = example.shapes, example.params
    operands = []
    for index, shape in enumerate(shapes):
        if _is_gate(primitive, index):
            operands.append(draw(hnp.arrays(bool, shape)))
        else:
            operands.append(draw(points(shape, primitive.domain_of(index))))
    return Call(primitive, tuple(operands), params)


def examples_of(primitive: Primitive) -> list[Example | None]:
    """The examples of a primitive; None stands for drawing shapes."""
    return [*primitive.examples] or [None]


CASES = {
    f"{primitive.name}-{i}": (primitive, example)
    for primitive in PRIMITIVES
    for i, example in enumerate(examples_of(primitive))
}
"""Every primitive with each of its examples, by name."""


def ulps(a: Any, b: Any) -> float:
    """How many units in the last place two results are apart at most; equal nans are 0 apart."""
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape, f"shapes differ: {a.shape} and {b.shape}"
    assert a.dtype == b.dtype, f"dtypes differ: {a.dtype} and {b.dtype}"
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        apart = np.abs(a - b) / np.spacing(np.maximum(np.abs(a), np.abs(b)))
    return float(np.max(np.where(same, 0.0, apart), initial=0.0))
