"""Runs the batches of numbers of a program with one kernel, compiled by numba for all programs.

The kernel is written from the registry of primitives: a loop for each that is elementwise and can
be compiled. It is a file in the user's cache, so that numba keeps the machine code next to it.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..primitive import REGISTRY, Primitive
from .program import Batch, Program
from .runner import Batched, Line, Runner

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["line_for_numba"]

# One batch in the plan of a program: what it does, to how many numbers, and where.
CODE, COUNT, OUT, WIDTH, START = range(5)

FOLD = 1000
"""Added to the code of what is folded from the left."""

FEWEST = 24
"""Fewer numbers are computed one by one in less time than it takes to call the kernel."""

# Unsigned, so that no index is tested for being negative: 113 us for 188,000 operations, not 290.
HEAD = '''"""The kernel that replays batches of numbers; written by autograd, do not edit."""

import math

import numpy as np
from autograd.primitive import REGISTRY
from numba import njit

{functions}

@njit("void(f8[::1], u8[:, ::1], u4[::1], u8, u8)", error_model="numpy", cache=True)
def run(v, plan, index, first, last):
    for batch in range(first, last):
        code, n, out, width, a = plan[batch]
        b = a + n
        c = b + n
'''

LOOP = """
        {word} code == {code}:  # {name}
            for k in range(n):
                v[out + k] = {called}({operands})
"""

# Four rows at once take half the loads and stores of the sums: 96 us for all, not 116.
FOLDING = """
        elif code == {code}:  # {name}, folded from the left
            for k in range(n):
                v[out + k] = v[index[a + k]]
            p, end = a + n, a + width * n
            while p + n + n + n < end:
                q = p + n
                r = q + n
                s = r + n
                for k in range(n):
                    some = v[out + k] {sign} v[index[p + k]] {sign} v[index[q + k]]
                    v[out + k] = some {sign} v[index[r + k]] {sign} v[index[s + k]]
                p = s + n
            while p < end:
                for k in range(n):
                    v[out + k] = v[out + k] {sign} v[index[p + k]]
                p += n
"""


def line_for_numba(program: Program) -> Line:
    """Choose what writes the source of a run."""
    numbers = sum(len(batch) for batch in program.batches if batch.is_of_numbers)
    return (Line if numbers < FEWEST else Compiled)(program)


class Compiled(Batched):
    """Writes a run whose batches of numbers are those of a plan, which the kernel follows."""

    def start(self) -> None:
        """Begin the plan and the list of places that it takes operands from."""
        super().start()
        self._kernel, self._codes = kernel()
        self._plan: list[list[int]] = []
        self._index: list[Any] = []
        self._taken_places = 0
        self._first = 0  # of the batches that no line runs yet

    def written(self, mark: Any = None) -> Runner:
        """The compiled source, with the plan as it is at last."""
        run = super().written(mark)
        self.names["kernel"] = self._kernel
        self.names["plan"] = np.array(self._plan, dtype=np.uint64).reshape(-1, 5)
        index = self._index or [np.zeros(0, dtype=np.uint32)]
        self.names["index"] = np.concatenate(index)
        return run

    def numbers(self, batch: Batch) -> None:
        primitive = batch.kind.primitive
        code = None if batch.kind.params else self._codes.get(primitive.name)
        if code is None or (batch.is_folded and primitive.array not in FOLDS):
            self.cut()
            super().numbers(batch)
            super().cut()
            return
        places = [self.place[x].astype(np.uint32) for x in batch.operands]
        start = int(self.place[batch.results[0]])
        width = len(places)
        if batch.is_folded:
            code += FOLD
        self._plan.append([code, len(batch), start, width, self._taken_places])
        self._index += places
        self._taken_places += width * len(batch)

    def cut(self) -> None:
        super().cut()
        last = len(self._plan)
        if last > self._first:
            self.lines.append(f"kernel(v, plan, index, {self._first}, {last})")
            self._first = last


# --------------------------------------------------------------------------- the kernel


FOLDS = {np.add: "+", np.multiply: "*"}


@cache
def kernel() -> tuple[Any, dict[str, int]]:
    """The compiled kernel, and the code of each primitive that it knows."""
    import hashlib
    import importlib.util

    names = {primitive.name: _called(primitive) for primitive in _candidates()}
    codes = {name: code for code, name in enumerate(names)}
    source = _source(names, codes)
    path = (
        _cache_folder() / f"autograd_kernel_{hashlib.sha256(source.encode()).hexdigest()[:16]}.py"
    )
    if not path.exists():
        _write(path, source)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # where numba looks for it when it reads its cache
    spec.loader.exec_module(module)
    return module.run, codes


def _candidates() -> list[Primitive]:
    """The primitives of numbers without parameters that come with the package."""
    return [
        p
        for p in REGISTRY.values()
        if p.elementwise
        and p.scalar is not None
        and not any(example.params for example in p.examples)
        and p.module.startswith("autograd.")
        and _called(p)
    ]


def _called(primitive: Primitive) -> str:
    """What computes a primitive in the kernel: NumPy's function, that of math, or our own."""
    array, scalar = primitive.array, primitive.scalar
    if isinstance(array, np.ufunc) and getattr(np, array.__name__, None) is array:
        return f"np.{array.__name__}"
    if getattr(scalar, "__module__", "") == "math":
        return f"math.{scalar.__name__}"  # type: ignore[union-attr]
    return f"our_{primitive.name}" if _stands_alone(scalar) else ""


def _stands_alone(function: Any) -> bool:
    """Whether a function uses nothing but its arguments, numbers and functions of math."""
    code = getattr(function, "__code__", None)
    if code is None:  # a function or a type of Python itself
        return False
    names = [function.__globals__.get(name) for name in code.co_names]
    return not code.co_freevars and all(x is None or x.__name__ == "math" for x in names)


def _source(names: dict[str, str], codes: dict[str, int]) -> str:
    """The text of the kernel."""
    own = [
        f'{called} = njit(error_model="numpy")(REGISTRY["{name}"].scalar)'
        for name, called in names.items()
        if called.startswith("our_")
    ]
    lines = [HEAD.format(functions="\n".join(own))]
    word = "if"
    for name, called in names.items():
        primitive, code = REGISTRY[name], codes[name]
        taken = ["v[index[a + k]]", "v[index[b + k]]", "v[index[c + k]]"]
        operands = ", ".join(taken[: len(primitive.domain)])
        lines.append(LOOP.format(word=word, code=code, name=name, called=called, operands=operands))
        word = "elif"
        if primitive.array in FOLDS:
            sign = FOLDS[primitive.array]
            lines.append(FOLDING.format(code=FOLD + code, name=name, sign=sign))
    return "".join(lines)


def _cache_folder() -> Path:
    import tempfile
    from pathlib import Path

    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    for folder in (Path(home) / "autograd-nn", Path(tempfile.gettempdir()) / "autograd-nn"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    return Path(tempfile.mkdtemp(prefix="autograd-nn-"))


def _write(path: Path, source: str) -> None:
    """Write a file whole, or not at all."""
    import tempfile

    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        file.write(source)
    os.replace(file.name, path)
