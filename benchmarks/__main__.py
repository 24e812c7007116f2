"""Run the cases named on the command line, or all, and print one table."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.environment import EnvironmentMissingError, interpreter
from benchmarks.harness import Case, Row

CASES = [
    *("micrograd_demo", "scalar_chain", "mlp_small", "mlp_large", "hips", "checkpoint"),
    "import_time",
]
THREADS = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"]
UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9, "B": 1.0, "MB": 1e-6}

# Runs a module of this repository with the packages of an environment, which come first.
ELSEWHERE = """
import runpy, sys
sys.path.append(sys.argv.pop(1))
runpy.run_module(sys.argv.pop(1), run_name="__main__")
"""


def measure_in_a_process(name: str, case: Case, contender: str) -> dict[str, Any]:
    """The figures of one contender, measured in a process of its own with one thread."""
    command = [sys.executable, "-m", f"benchmarks.{name}", contender]
    if contender in case.environments:
        try:
            python = interpreter(case.environments[contender])
        except EnvironmentMissingError as error:
            return {"missing": str(error)}
        root = str(Path(__file__).parent.parent)
        command = [str(python), "-P", "-c", ELSEWHERE, root, f"benchmarks.{name}", contender]
    environment = os.environ | dict.fromkeys(THREADS, "1")
    output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    figures: dict[str, Any] = json.loads(output.stdout.splitlines()[-1])
    return figures


def run(name: str, case: Case, rounds: int) -> dict[str, list[dict[str, Any]]]:
    """Every contender's figures, a process each, in turn: A B A B, so that drift hits them all."""
    results: dict[str, list[dict[str, Any]]] = {contender: [] for contender in case.contenders}
    for number in range(rounds):
        for contender, figures in results.items():
            if figures and "missing" in figures[0]:
                continue
            print(f"{name}: round {number + 1} of {rounds}, {contender}", file=sys.stderr)
            figures.append(measure_in_a_process(name, case, contender))
    return results


def short(value: float) -> str:
    """Three digits, and never an exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def spread(values: list[float], scale: float = 1.0) -> str:
    """Median, and the range where there is one."""
    low, middle, high = (short(scale * f(values)) for f in (min, statistics.median, max))
    return middle if len(values) == 1 else f"{middle} [{low}, {high}]"


def cells(row: Row, results: dict[str, list[dict[str, Any]]]) -> list[str]:
    """The table's cells for a row: what, ours, peer's, ratio, target, verdict."""
    scale = UNITS[row.unit]
    target = "" if row.at_most is None else f"<= {row.at_most:g}"
    for name in (row.ours, row.peer):
        if name and "missing" in results[name][0]:
            return [row.what, results[name][0]["missing"]]
    ours = [figures[row.figure] for figures in results[row.ours]]
    judged, peer_cell, ratio_cell = [scale * value for value in ours], "", ""
    if row.peer:
        peers = [figures[row.figure] for figures in results[row.peer]]
        judged = [a / b for a, b in zip(ours, peers, strict=True)]
        peer_cell, ratio_cell = f"{row.peer} {spread(peers, scale)}", spread(judged)
    else:
        target += f" {row.unit}"
    met = "" if row.at_most is None else statistics.median(judged) <= row.at_most
    verdict = {True: "met", False: "MISSED", "": ""}[met]
    what = f"{row.what} ({row.unit})"
    return [what, f"{row.ours} {spread(ours, scale)}", peer_cell, ratio_cell, target, verdict]


def print_table(rows: list[list[str]]) -> None:
    """Columns as wide as their widest cell; a cell that ends its row early may stick out."""
    header = ["what", "ours: median [range]", "peer: median [range]", "ratio", "target", ""]
    full = [row for row in [header, *rows] if len(row) == len(header)]
    widths = [max(len(row[column]) for row in full) for column in range(len(header))]
    for row in [header, ["-" * width for width in widths], *rows]:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip()
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; default: all"
    )
    parser.add_argument("--rounds", type=int, help="processes for each contender")
    arguments = parser.parse_args()
    if unknown := set(arguments.cases) - set(CASES):
        parser.error(f"no case named {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    table: list[list[str]] = []
    for name in arguments.cases or CASES:
        case: Case = importlib.import_module(f"benchmarks.{name}").CASE
        results = run(name, case, arguments.rounds or case.rounds)
        table += [cells(row, results) for row in case.rows]
    print_table(table)


if __name__ == "__main__":
    main()
