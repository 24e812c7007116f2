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
from dataclasses import dataclass, field

Figures = dict[str, float]


@dataclass(frozen=True)
class Row:
    """One line of the table: a figure of ours, alone or divided by the same figure of a peer."""

    what: str
    figure: str
    unit: str
    ours: str
    peer: str | None = None
    at_most: float | None = None  # the target: of the ratio, or of the figure where no peer is


@dataclass(frozen=True)
class Case:
    """Rows, and how many processes each of their contenders gets.

    A contender that cannot live beside us names an environment: `hips` is what is installed from
    `requirements-hips.txt`, with an interpreter of its own.
    """

    rows: tuple[Row, ...]
    measure: Callable[[str], Figures]
    rounds: int = 5
    environments: Mapping[str, str] = field(default_factory=dict)

    @property
    def contenders(self) -> list[str]:
        """Everyone who is measured, once each, in the order of the rows."""
        everyone = [name for row in self.rows for name in (row.ours, row.peer) if name]
        return list(dict.fromkeys(everyone))


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


def main(case: Case) -> None:
    """Measure the contender that the command line names."""
    try:
        print(json.dumps(case.measure(sys.argv[1])))
    except ModuleNotFoundError as error:
        hint = "pip install -r benchmarks/requirements.txt"
        print(json.dumps({"missing": f"{error.name} not installed ({hint})"}))
