"""The learning-rate lab: what gradient descent does at each rate, where its limit is, and pictures.

>>> from nn import Linear, mse_loss
>>> from nn.lab import compare_learning_rates
>>> line = ([[-1.0], [0.0], [1.0]], [-1.0, 1.0, 3.0])
>>> model = Linear(1, 1, rng=0)
>>> comparison = compare_learning_rates(model, mse_loss, line, [0.01, 0.3, 0.9, 1.1], steps=30)
>>> {run.rate: run.verdict for run in comparison.runs}
{0.01: 'crawls', 0.3: 'converges', 0.9: 'oscillates', 1.1: 'diverges'}
"""

from nn.lab.comparison import RateComparison, Run, compare_learning_rates, verdict
from nn.lab.pictures import (
    animate_comparison,
    plot_comparison,
    plot_losses,
    plot_paths,
)
from nn.lab.surface import LossSurface, largest_curvature
from nn.lab.terrain import landscape

__all__ = [
    "LossSurface",
    "RateComparison",
    "Run",
    "animate_comparison",
    "compare_learning_rates",
    "landscape",
    "largest_curvature",
    "plot_comparison",
    "plot_losses",
    "plot_paths",
    "verdict",
]
