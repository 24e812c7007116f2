"""Draws how cost grows, from what the case `growth` measured."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from benchmarks.harness import Figures

NAMES = {
    "autograd": "as it is",
    "jit numpy": "jit, numpy executor",
    "jit numba": "jit, numba executor",
    "jit loss": "jit of the loss",
    "jit step": "jit of the whole step",
}
PANELS = {
    "node": "nodes of a scalar graph",
    "parameter": "parameters of a net n-n-10, float32",
}
WORK = {"node": "value and gradient", "parameter": "training step, batch 32"}
COLOURS = {
    "autograd": "#555555",
    **{"jit numpy": "#0072b2", "jit loss": "#0072b2"},
    **{"jit numba": "#d55e00", "jit step": "#d55e00"},
}


def plot_growth(figures: dict[str, list[Figures]], path: Path) -> None:
    """Time a node and a parameter against how many there are; SVG, PNG or PDF by the suffix."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams["svg.hashsalt"] = "growth"  # the same figures give the same file
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for axis, (what, title) in zip(axes, PANELS.items(), strict=True):
        for engine, curve in curves(figures, what).items():
            sizes, times = zip(*sorted(curve.items()), strict=True)
            axis.loglog(
                sizes, times, "o-", color=COLOURS[engine], label=NAMES[engine], markersize=4
            )
        axis.set(xlabel=title, ylabel=f"ns a {what}", title=WORK[what])
        axis.grid(alpha=0.3)
        axis.legend(frameon=False)
    metadata = {"Date": None} if path.suffix == ".svg" else None
    figure.savefig(path, dpi=150, metadata=metadata)
    plt.close(figure)


def curves(figures: dict[str, list[Figures]], what: str) -> dict[str, dict[int, float]]:
    """By engine the median time, in nanoseconds, at each size."""
    found: dict[str, Any] = {}
    for contender, processes in figures.items():
        kind, engine, size = contender.split(", ")
        if kind == what:
            times = [1e9 * process[what] for process in processes]
            found.setdefault(engine, {})[int(size)] = statistics.median(times)
    return found
