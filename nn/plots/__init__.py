"""Pictures of data, of training and of what a net has learnt; matplotlib is imported to draw one.

Every function draws on the `ax` it is given and returns it. Without one it makes a figure of
its own, outside of pyplot: no window, no display, nothing left behind. ``ax.figure`` is
that figure, and `save` writes it. What moves is a matplotlib Animation, which `save_animation`
writes as a GIF.
"""

from nn.plots.boundary import BoundaryFrames, animate_boundary, plot_boundary
from nn.plots.confusion import plot_confusion
from nn.plots.figure import save, save_animation
from nn.plots.images import plot_mistakes, plot_weights
from nn.plots.layers import plot_activations, plot_gradients
from nn.plots.training import plot_loss, plot_rate_search

__all__ = [
    # of training
    "plot_loss",
    "plot_rate_search",
    # of what a net decides
    "plot_confusion",
    "plot_mistakes",
    "plot_boundary",
    "BoundaryFrames",
    "animate_boundary",
    # of what is in a net
    "plot_weights",
    "plot_activations",
    "plot_gradients",
    # files
    "save",
    "save_animation",
]
