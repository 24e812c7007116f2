"""Runs a program with NumPy: a straight line of calls into memory that is kept.

Numbers live in one vector, in the order in which they are computed, so that a batch writes to a
slice of it. An array that a ufunc computes is written to a buffer, which is used again when what
it holds is no longer needed; a view of a buffer is made once, when the line is written, and costs
nothing later.

The line is Python source, since a call in it costs a third of one that is looked up in a list.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from struct import Struct
from typing import Any, cast

import numpy as np

from .program import Batch, Program

__all__ = ["Batched", "Line", "Runner", "line_for_numpy"]

Function = Callable[..., Any]
Runner = Callable[[list[Any]], list[Any]]
"""Takes the data of each input and returns those of the outputs; for one run at a time."""

FEW = 20
"""Fewer numbers a batch than this, on average, are computed faster one by one."""

MOST_LINES = 5_000
"""A longer line of single numbers takes too long to compile."""


def line_for_numpy(program: Program) -> Line:
    """Choose what writes the source of a run."""
    of_numbers = [len(batch) for batch in program.batches if batch.is_of_numbers]
    one_by_one = sum(of_numbers) <= min(FEW * len(of_numbers), MOST_LINES)
    return (Line if one_by_one else Batched)(program)


class Line:
    """Writes the source of a run; this one computes numbers one by one, as names of Python.

    Parameters
    ----------
    program : Program
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.names: dict[str, Any] = {"asarray": np.asarray, "copy": np.copy}
        self.lines: list[str] = []
        self.memory = _Memory(program)
        self._functions: dict[Any, str] = {}

    def written(self, mark: Function | None = None) -> Runner:
        """The compiled source; with `mark` called after each batch, for measuring."""
        program = self.program
        self.start()
        for step, batch in enumerate(program.batches):
            if batch.is_of_numbers:
                self.numbers(batch)
            else:
                self.array(batch, step)
            self.memory.release(step)
            if mark is not None:
                self.cut()
                self.lines.append("mark()")
                self.names["mark"] = mark
        self.cut()
        source = "\n    ".join(["def run(inputs):", *self.lines, f"return {self.results()}"])
        exec(compile(source, "<replay>", "exec"), self.names)
        return cast(Runner, self.names.pop("run"))  # which would keep itself alive

    def start(self) -> None:
        """Give a name to each input and constant."""
        self.unpack(self.program.inputs)
        self.keep(*self.program.numbers)
        for i, array in self.program.constants.items():
            self.names[self.name(i)] = array
            self.memory.hold(i, array)

    def unpack(self, inputs: list[int]) -> None:
        """Begin the source with a name for each input."""
        if inputs:
            self.lines.append("".join(f"{self.name(i)}, " for i in inputs) + "= inputs")

    def keep(self, ids: Any, numbers: Any) -> None:
        """Have numbers at hand that are the same in each run."""
        self.names |= zip(map(self.name, ids.tolist()), numbers.tolist(), strict=True)

    def cut(self) -> None:
        """Let no later line do what is to be done so far."""

    def name(self, i: int) -> str:
        """What the source calls that which has an id."""
        return f"x{i}"

    def operand(self, i: int) -> str:
        """What the source takes as an operand."""
        return self.name(i)

    def assign(self, i: int, value: str) -> str:
        """The line that keeps a number."""
        return f"{self.name(i)} = {value}"

    def numbers(self, batch: Batch) -> None:
        """Compute a batch of numbers."""
        function = self.function(batch, batch.kind.scalar)
        for result, *operands in zip(batch.results, *batch.operands, strict=True):
            given = [self.name(i) for i in operands]
            while batch.is_folded and len(given) > 2:
                self.lines.append(f"folded = {function}({given[0]}, {given[1]})")
                given[:2] = ["folded"]
            self.lines.append(f"{self.name(result)} = {function}({', '.join(given)})")

    def array(self, batch: Batch, step: int) -> None:
        """Compute one array, or one number from arrays."""
        (i,) = batch.results.tolist()
        operands = [int(x[0]) for x in batch.operands]
        function, example = batch.kind.array(), batch.example
        view = self.memory.view(i, operands, function) if batch.kind.primitive.structural else None
        if view is not None:
            self.names[self.name(i)] = view
            return
        called = self.function(batch, batch.kind.array)
        given = ", ".join(map(self.operand, operands))
        if type(example) is float:
            self.lines.append(self.assign(i, f"float({called}({given}))"))
        elif isinstance(function, np.ufunc) and i not in self.program.outputs:
            self.names[self.name(i)] = self.memory.buffer(i, example)
            self.lines.append(f"{called}({given}, out={self.name(i)})")
        else:
            value = f"{called}({given})"
            self.lines.append(f"{self.name(i)} = {value if example.ndim else f'asarray({value})'}")

    def function(self, batch: Batch, form: Function) -> str:
        """A name for what a batch calls."""
        kind = batch.kind
        key = kind if kind.params else kind.primitive, form.__name__
        name = self._functions.get(key)
        if name is None:
            word = "".join(c if c.isalnum() else "_" for c in kind.primitive.name)
            name = self._functions[key] = f"{word}_{len(self._functions)}"
            self.names[name] = form()
        return name

    def results(self) -> str:
        """What the source returns."""
        return f"[{', '.join(map(self.result, self.program.outputs))}]"

    def result(self, i: int) -> str:
        """What the source returns for an output: a number, or an array that is its own."""
        if i not in self.program.arrays:
            return self.operand(i)
        is_own = (
            i not in self.memory.fixed
            and i not in self.program.inputs
            and self.program.outputs.count(i) == 1
            and self.program.arrays[i].base is None
        )
        return self.name(i) if is_own else f"copy({self.name(i)})"


class Batched(Line):
    """Writes a run that computes numbers batch by batch, in a vector."""

    def start(self) -> None:
        """Lay out the vector, and fill the places of the inputs in each run."""
        program = self.program
        inputs = [i for i in program.inputs if i not in program.arrays]
        self._lay_out(inputs)
        super().start()
        if inputs and len(inputs) == len(program.inputs):
            self.names["pack"] = Struct(f"{len(inputs)}d").pack_into  # 3 us of 337 numbers, not 6
            self.lines.append("pack(v, 0, *inputs)")
        elif inputs:
            self.lines.append(f"v[:{len(inputs)}] = {', '.join(map(self.name, inputs))}")
        self._scratch: list[Any] = []
        self._calls: list[Function] | None = None

    def _lay_out(self, inputs: list[int]) -> None:
        """Give each number a place in the vector: inputs, constants, then results in order."""
        program = self.program
        constants, _ = program.numbers
        batches = [b for b in program.batches if b.results[0] not in program.arrays]
        results = [b.results for b in batches]
        order = np.concatenate([np.array(inputs, dtype=np.int32), constants, *results])
        self.place = np.full(program.size, -1, dtype=np.int32)
        self.place[order] = np.arange(len(order))
        self.vector = np.zeros(len(order))
        self.names |= {"v": self.vector, "number": self.vector.item}
        gathered = [max(2, len(b)) * (len(b.operands) if b.is_folded else 1) for b in batches]
        self._widest = max(gathered, default=0)

    def keep(self, ids: Any, numbers: Any) -> None:
        self.vector[self.place[ids]] = numbers

    def unpack(self, inputs: list[int]) -> None:
        if not self.program.arrays.keys().isdisjoint(inputs):  # else the vector takes them as one
            super().unpack(inputs)

    def results(self) -> str:
        outputs = self.program.outputs
        if len(outputs) < FEW or not self.program.arrays.keys().isdisjoint(outputs):
            return super().results()
        self.names["outputs"] = self.place[outputs].astype(np.intp)
        return "v.take(outputs).tolist()"

    def operand(self, i: int) -> str:
        return self.name(i) if i in self.program.arrays else f"number({self.place[i]})"

    def assign(self, i: int, value: str) -> str:
        return f"v[{self.place[i]}] = {value}"

    def array(self, batch: Batch, step: int) -> None:
        self.cut()
        super().array(batch, step)

    def cut(self) -> None:
        self._calls = None

    def numbers(self, batch: Batch) -> None:
        if self._calls is None:
            name = f"calls_{len(self.lines)}"
            self._calls = self.names[name] = []
            self.lines.append(f"for call in {name}: call()")
        function: Any = batch.kind.array()
        compute = self._fold if batch.is_folded else self._apply
        start = int(self.place[batch.results[0]])
        out = self.vector[start : start + len(batch)]
        compute(function, [self.place[x] for x in batch.operands], out)

    def _call(self, function: Function, *args: Any, **options: Any) -> None:
        assert self._calls is not None
        self._calls.append(partial(function, *args, **options))

    def _apply(self, function: Function, places: list[Any], out: Any) -> None:
        given = [self._taken(k, x) for k, x in enumerate(places)]
        if isinstance(function, np.ufunc):
            self._call(function, *given, out=out)
        else:
            self._call(_assign, out, function, *given)

    def _taken(self, k: int, places: Any) -> Any:
        """An operand of a batch: a slice of the vector, or numbers gathered from it."""
        first, count = int(places[0]), len(places)
        if count > 1 and (places == first).all():
            return self.vector[first : first + 1]
        if (np.diff(places) == 1).all():
            return self.vector[first : first + count]
        return self._gathered(k, places)

    def _gathered(self, k: int, places: Any) -> Any:
        """Numbers of the vector, in memory that all operands of this index share."""
        while len(self._scratch) <= k:
            self._scratch.append(np.empty(self._widest))
        into = self._scratch[k][: places.size].reshape(places.shape)
        self._call(self.vector.take, places.astype(np.intp), None, into, "clip")
        return into

    def _fold(self, function: Any, places: list[Any], out: Any) -> None:
        """Apply a ufunc from left to right: row by row, which NumPy does in that order."""
        rows = np.array(places)
        if len(out) > 1:
            self._call(function.reduce, self._gathered(0, rows), 0, None, out)
            return
        rows = np.repeat(rows, 2, axis=1)  # NumPy would take a column for a row, and sum in pairs
        both = np.empty(2)
        self._call(function.reduce, self._gathered(0, rows), 0, None, both)
        self._call(np.copyto, out, both[:1])


def _assign(out: Any, function: Function, *operands: Any) -> None:
    out[...] = function(*operands)


class _Memory:
    """Arrays that are at the same place in each run: constants, buffers, and views of these.

    Attributes
    ----------
    fixed : dict of int to array
        By id.
    """

    def __init__(self, program: Program) -> None:
        self.fixed: dict[int, Any] = {}
        self._root: dict[int, int] = {}  # the buffer that one is, or is a view of
        self._needed: dict[int, int] = {}  # the last step that needs it
        self._free: dict[Any, list[Any]] = {}
        self._used: dict[int, Any] = {}
        for step, batch in enumerate(program.batches):
            for x in batch.operands:
                if not batch.is_of_numbers:
                    self._needed[int(x[0])] = step
        for i in program.outputs:
            self._needed[i] = len(program.batches)

    def hold(self, i: int, array: Any) -> None:
        """Keep an array for good."""
        self.fixed[i] = array

    def view(self, i: int, operands: list[int], function: Function) -> Any:
        """Make what is only another look at an array that is fixed, once for all runs, or None."""
        x = operands[0]
        if len(operands) > 1 or x not in self.fixed:
            return None
        with np.errstate(all="ignore"):  # what memory held before may be anything
            array = function(self.fixed[x])
        if type(array) is not np.ndarray or not np.may_share_memory(array, self.fixed[x]):
            return None
        self.fixed[i] = array
        if x in self._root:
            self._root[i] = root = self._root[x]
            self._needed[root] = max(self._needed.get(root, -1), self._needed.get(i, -1))
        return array

    def buffer(self, i: int, example: Any) -> Any:
        """Memory for an array like an example."""
        key = example.shape, example.dtype, example.strides
        free = self._free.get(key)
        array = free.pop() if free else np.empty_like(example)
        self.fixed[i], self._root[i] = array, i
        self._used[i] = key
        return array

    def release(self, step: int) -> None:
        """Take back what no later step needs."""
        for i in [i for i in self._used if self._needed.get(i, -1) <= step]:
            self._free.setdefault(self._used.pop(i), []).append(self.fixed[i])
