"""What the cases share: a case is a table of rows, and a function that measures one contender.

`python -m benchmarks.CASE CONTENDER` measures one contender in this process and prints its
figures as one line of JSON; `python -m benchmarks` starts such processes in turn.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version

Figures = dict[str, float]

PACKAGES = {
    **{name: name for name in ("numpy", "numba", "torch", "jax", "casadi", "micrograd", "mygrad")},
    **{"tinygrad": "tinygrad", "sklearn": "scikit-learn"},
}
"""Where a figure may come from: packages by the name under which they are imported."""


class MissingError(Exception):
    """Something that a contender needs is not on this machine."""


@dataclass(frozen=True)
class Row:
    """One line of the table: a figure of ours, alone or divided by the same figure of a peer."""

    what: str
    figure: str
    unit: str
    ours: str
    peer: str | None = None
    at_most: float | None = None  # the target: of the ratio, or of the figure where no peer is

    @property
    def contenders(self) -> list[str]:
        return [self.ours] if self.peer is None else [self.ours, self.peer]


@dataclass(frozen=True)
class Case:
    """Rows, and how many processes each of their contenders gets.

    Full rows take minutes or gigabytes, and are measured with `--full`. A contender that
    cannot live beside us names an environment: `hips` is what is installed from
    `requirements-hips.txt`, with an interpreter of its own.
    """

    rows: tuple[Row, ...]
    measure: Callable[[str], Figures]
    rounds: int = 3
    environments: Mapping[str, str] = field(default_factory=dict)
    full_rows: tuple[Row, ...] = ()

    def contenders(self, full: bool) -> list[str]:
        """Everyone who is measured, once each, in the order of the rows."""
        rows = self.rows + self.full_rows if full else self.rows
        return list(dict.fromkeys(name for row in rows for name in row.contenders))


def seconds_per_call(call: Callable[[], object], budget: float = 1.0) -> float:
    """The median time of a call, over as many calls as fit into `budget` seconds, at least 5."""
    for _ in range(3):
        call()
    times: list[float] = []
    total = 0.0  # summing the list anew would empty the caches between two calls
    while len(times) < 5 or total < budget:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
        total += times[-1]
    return statistics.median(times)


def versions() -> dict[str, str]:
    """The versions of the packages that were imported in this process."""
    found = {}
    for module in PACKAGES.keys() & sys.modules.keys():
        with suppress(PackageNotFoundError):
            found[PACKAGES[module]] = version(PACKAGES[module])
    return found


def main(case: Case) -> None:
    """Measure the contender that the command line names."""
    try:
        figures = case.measure(sys.argv[1])
        print(json.dumps({"figures": figures, "versions": versions()}))
    except ModuleNotFoundError as error:
        hint = "pip install -r benchmarks/requirements.txt"
        print(json.dumps({"missing": f"{error.name} not installed ({hint})"}))
    except MissingError as error:
        print(json.dumps({"missing": str(error)}))
