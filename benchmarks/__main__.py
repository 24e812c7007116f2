"""Run the cases named on the command line, or all, and print one table."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.environment import interpreter
from benchmarks.harness import Case, Figures, MissingError, Row

CASES = [
    *("micrograd_demo", "recording", "scaling", "neuron", "scalar_chain", "growth"),
    *("mlp_small", "mlp_large", "hips", "checkpoint", "digits", "fashion_mnist", "import_time"),
    "draw",
]
THREADS = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"]
XLA = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
ONE_THREAD = dict.fromkeys(THREADS, "1") | {"XLA_FLAGS": XLA}
UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9, "B": 1.0, "MB": 1e-6, "%": 1e2}

# Runs a module of this repository with the packages of an environment, which come first.
ELSEWHERE = """
import runpy, sys
sys.path.append(sys.argv.pop(1))
runpy.run_module(sys.argv.pop(1), run_name="__main__")
"""


@dataclass
class Measured:
    """What came of a case: the figures of each contender, a process each, or why there are none.

    `versions` are those of the packages that the processes had imported.
    """

    figures: dict[str, list[Figures]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def add(self, contender: str, report: dict[str, Any]) -> None:
        """Take in what a process printed; once missing, a contender stays so."""
        if "missing" in report:
            self.missing[contender] = report["missing"]
            self.figures.pop(contender, None)
        else:
            self.figures.setdefault(contender, []).append(report["figures"])
            self.versions |= report["versions"]

    def knows(self, row: Row) -> bool:
        return all(name in self.figures or name in self.missing for name in row.contenders)


# --------------------------------------------------------------------------- measuring


def measure_in_a_process(name: str, case: Case, contender: str) -> dict[str, Any]:
    """What one contender reports, measured in a process of its own with one thread."""
    command = [sys.executable, "-m", f"benchmarks.{name}", contender]
    if contender in case.environments:
        try:
            python = interpreter(case.environments[contender])
        except MissingError as error:
            return {"missing": str(error)}
        root = str(Path(__file__).parent.parent)
        command = [str(python), "-P", "-c", ELSEWHERE, root, f"benchmarks.{name}", contender]
    output = subprocess.run(
        command, env=os.environ | ONE_THREAD, stdout=subprocess.PIPE, text=True, check=False
    )
    if output.returncode:
        return {"missing": f"{contender}: its process ended with code {output.returncode}"}
    report: dict[str, Any] = json.loads(output.stdout.splitlines()[-1])
    return report


def run(name: str, case: Case, rounds: int, full: bool) -> Measured:
    """Every contender's figures, a process each, in turn: A B A B, so that drift hits them all."""
    measured = Measured()
    for number in range(rounds):
        for contender in case.contenders(full):
            if contender in measured.missing:
                continue
            print(f"{name}: round {number + 1} of {rounds}, {contender}", file=sys.stderr)
            measured.add(contender, measure_in_a_process(name, case, contender))
    return measured


def machine() -> dict[str, str]:
    """Where the figures are from."""
    cpu = platform.processor() or platform.machine()
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        names = [x for x in listing.read_text().splitlines() if x.startswith("model name")]
        cpu = names[0].partition(":")[2].strip() if names else cpu
    return {"cpu": cpu, "system": platform.system(), "python": platform.python_version()}


# --------------------------------------------------------------------------- the table


def short(value: float) -> str:
    """Three digits, and never an exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 1e-4 else f"{value:.5f}"


def spread(values: list[float], scale: float = 1.0) -> str:
    """Median, and the range where there is one."""
    low, middle, high = (short(scale * f(values)) for f in (min, statistics.median, max))
    return middle if len(values) == 1 else f"{middle} [{low}, {high}]"


def cells(row: Row, measured: Measured) -> list[str]:
    """The table's cells for a row: what, ours, peer's, ratio, target, verdict."""
    scale = UNITS.get(row.unit, 1.0)
    target = "" if row.at_most is None else f"<= {row.at_most:.3g}"
    for name in row.contenders:
        if name in measured.missing:
            return [row.what, measured.missing[name]]
    ours = [figures[row.figure] for figures in measured.figures[row.ours]]
    judged, peer_cell, ratio_cell = [scale * value for value in ours], "", ""
    if row.peer:
        peers = [figures[row.figure] for figures in measured.figures[row.peer]]
        judged = [a / b for a, b in zip(ours, peers, strict=True)]
        peer_cell, ratio_cell = f"{row.peer} {spread(peers, scale)}", spread(judged)
    elif target:
        target += f" {row.unit}"
    met = "" if row.at_most is None else statistics.median(judged) <= row.at_most
    verdict = {True: "met", False: "MISSED", "": ""}[met]
    what = f"{row.what} ({row.unit})" if row.unit else row.what
    return [what, f"{row.ours} {spread(ours, scale)}", peer_cell, ratio_cell, target, verdict]


def lines(name: str, case: Case, measured: Measured) -> list[list[str]]:
    """The table's lines for a case: its rows, or one that says why none was measured."""
    reasons = set(measured.missing.values())
    if len(reasons) == 1 and not measured.figures:
        return [[name, *reasons]]
    return [cells(row, measured) for row in case.rows + case.full_rows if measured.knows(row)]


def print_table(rows: list[list[str]]) -> None:
    """Markdown, with columns as wide as their widest cell; one that ends its row may stick out."""
    header = ["what", "ours: median [range]", "peer: median [range]", "ratio", "target", ""]
    full = [row for row in [header, *rows] if len(row) == len(header)]
    widths = [max(len(row[column]) for row in full) for column in range(len(header))]
    for row in [header, ["-" * max(width, 3) for width in widths], *rows]:
        each = (cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        print(f"| {' | '.join(each)} |")


# --------------------------------------------------------------------------- the command


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; default: all"
    )
    parser.add_argument("--rounds", type=int, help="processes for each contender")
    parser.add_argument("--full", action="store_true", help="also what takes many gigabytes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to a file")
    parser.add_argument(
        "--load", type=Path, nargs="+", metavar="FILE", help="measure nothing: show such files"
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw how cost grows (SVG, PNG)")
    arguments = parser.parse_args()
    if unknown := set(arguments.cases) - set(CASES):
        parser.error(f"no case named {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    return arguments


def case_of(name: str) -> Case:
    case: Case = importlib.import_module(f"benchmarks.{name}").CASE
    return case


def results(arguments: argparse.Namespace) -> dict[str, Measured]:
    """What was measured, by case: now, or when the files were written."""
    if arguments.load:
        saved: dict[str, Any] = {}
        for file in arguments.load:
            saved |= json.loads(file.read_text())["cases"]
        return {k: Measured(**v) for k, v in saved.items() if k in (arguments.cases or CASES)}
    measured = {}
    for name in arguments.cases or CASES:
        case = case_of(name)
        measured[name] = run(name, case, arguments.rounds or case.rounds, arguments.full)
    return measured


def main() -> None:
    arguments = parse()
    measured = results(arguments)
    if arguments.json:
        cases = {name: asdict(each) for name, each in measured.items()}
        arguments.json.write_text(json.dumps({"machine": machine(), "cases": cases}, indent=1))
    print_table([x for name, each in measured.items() for x in lines(name, case_of(name), each)])
    versions = {k: v for each in measured.values() for k, v in each.versions.items()}
    print("; ".join([*machine().values(), *(f"{k} {v}" for k, v in sorted(versions.items()))]))
    if arguments.plot:
        from benchmarks.plot import plot_growth

        if "growth" not in measured:
            sys.exit("--plot draws the case growth: name it, or load a file that has it")
        plot_growth(measured["growth"].figures, arguments.plot)


if __name__ == "__main__":
    main()
