"""Distributions layer by layer: of what each returns, and of the gradients of its parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autograd import gradients
from nn.layers import Activation, Layer, Neuron
from nn.module import Module, require_callable, require_kind
from nn.plots.figure import COLORS, new_axes, shades
from nn.plots.recording import Output, layers_of, outputs_of
from nn.steps import Loss, checked_data, forward, mode_kept, one_number, shaped_like

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_activations", "plot_gradients"]


class _Strip(NamedTuple):
    """One layer's part of the picture."""

    label: str
    values: NDArray[Any]
    note: str


def plot_activations(model: Module, x: ArrayLike, ax: Axes | None = None) -> Axes:
    """Draw the distribution of what each layer returns for some rows, the first layer on top.

    Beside each: the share of exact zeros, the units that are 0 for every row (dead, if the rows
    are typical), and, after tanh and sigmoid, the share that is saturated: where the slope of
    the function is below a twentieth of its largest. If sizes differ from layer to layer by more
    than a factor of 30, it is sizes that are drawn, on a logarithmic axis.

    The model is in `eval` mode meanwhile, and is not changed. A layer that only hands on what it
    got, such as `Dropout` then, has no strip.

    Parameters
    ----------
    model : Module
        Of Tensors or Values.
    x : array_like
        One row a sample, as for `fit`; some hundred rows are enough.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if not given.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ShapeError, DataError
        If `x` does not hold rows that the model takes, or an argument is of the wrong kind.
    NonFiniteError, ValueError
        If a number in `x`, or one that a layer returns, is nan or infinite.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> from nn import MLP
    >>> x = np.random.default_rng(0).normal(size=(9, 2))
    >>> ax = plot_activations(MLP(2, [8, 8, 1], rng=0), x)
    >>> [text.get_text().split()[0] for text in ax.get_yticklabels()]
    ['layers.0', 'layers.1', 'layers.2', 'layers.3', 'layers.4']
    """
    require_kind("model", model, Module)
    rows, _ = checked_data("data", (x, x), model)
    strips = [
        _Strip(_label(output.name, output.module), output.values, _notes(output))
        for output in outputs_of(model, rows)
    ]
    if not strips:
        raise ValueError(f"{model.describe()} only hands on what it gets: there is nothing to draw")
    return _draw(strips, "output", COLORS[0], ax)


def plot_gradients(
    model: Module, loss: Loss, data: tuple[ArrayLike, ArrayLike], ax: Axes | None = None
) -> Axes:
    """Draw the distribution of the gradient of the loss in each layer, the first layer on top.

    A strip holds the derivatives with respect to the parameters that the layer has itself, its
    weights and its biases together; beside it, the share of exact zeros, as behind dead units. If
    sizes differ from layer to layer by more than a factor of 30, as where gradients
    vanish or explode, it is sizes that are drawn, on a logarithmic axis.

    The model is in `eval` mode meanwhile, all rows are one batch, and neither the parameters
    nor their ``grad`` are changed.

    Parameters
    ----------
    model : Module
        Of Tensors or Values.
    loss : callable
        ``loss(prediction, y)`` returns one number as a node, such as `cross_entropy`.
    data : (x, y) of array_like
        One row a sample, as for `fit`; some hundred rows are enough.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if not given.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ShapeError, DataError
        If the data are not rows that the model takes, or an argument is of the wrong kind.
    NonFiniteError, ValueError
        If a number in the data, or in the gradient, is nan or infinite; if the model has no
        parameters.
    GradientError
        If the loss is not one number, or depends on nothing that has a gradient.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> from nn import MLP, mse_loss
    >>> x = np.random.default_rng(0).normal(size=(9, 2))
    >>> ax = plot_gradients(MLP(2, [8, 8, 1], rng=0), mse_loss, (x, x[:, 0]))
    >>> [text.get_text().split()[0] for text in ax.get_yticklabels()]
    ['layers.0', 'layers.2', 'layers.4']
    """
    require_kind("model", model, Module)
    require_callable("loss", loss, "loss(prediction, y)")
    x, y = checked_data("data", data, model)
    parameters = model.parameters()
    if not parameters:
        raise ValueError(f"{model.describe()} has no parameters, so there is no gradient to draw")
    with mode_kept(model):
        prediction = forward(model.eval(), x)
        error = one_number(loss(prediction, shaped_like(prediction, y)))
    owner = _owners(model)
    slopes: dict[str, list[NDArray[Any]]] = {}
    for parameter, slope in zip(parameters, gradients(error, parameters), strict=True):
        slopes.setdefault(owner[id(parameter)], []).append(np.ravel(slope))
    together = {label: np.concatenate(parts) for label, parts in slopes.items()}
    strips = [_Strip(label, values, _zeros(values)) for label, values in together.items()]
    return _draw(strips, "gradient of the loss", COLORS[1], ax)


def _owners(model: Module) -> dict[int, str]:
    """Return the label of the layer that has each parameter itself, by the parameter's id."""
    owner: dict[int, str] = {}
    for name, layer in layers_of(model):  # a part comes after what it is a part of
        owner.update((id(parameter), _label(name, layer)) for parameter in layer.parameters())
    return owner


def _label(name: str, module: Module) -> str:
    return f"{name}\n{module.describe()}".strip()


_UNIT_SIGMOID: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "tanh": lambda output: output,
    "sigmoid": lambda output: 2 * output - 1,
}
"""What makes an output one of tanh, t: the slope there is 1 - t^2 times its largest."""


def _notes(output: Output) -> str:
    """Say how much of a layer's output is zero, dead or saturated."""
    notes = [_zeros(output.values)]
    dead, units = int((output.values == 0).all(axis=0).sum()), output.values.shape[1]
    if dead:
        notes.append(f"{dead} of {units} units dead")
    function = _function_of(output.module)
    if function in _UNIT_SIGMOID:
        slope = 1 - _UNIT_SIGMOID[function](output.values) ** 2
        notes.append(f"{100 * np.mean(slope < 0.05):.0f} % saturated")
    return "\n".join(filter(None, notes))


def _function_of(module: Module) -> str:
    """Return the name of the function of one number that the module ends with, or ""."""
    if isinstance(module, Layer):
        return module.neurons[0].activation
    if isinstance(module, Neuron):
        return module.activation
    return module.function.__name__ if isinstance(module, Activation) else ""


def _zeros(values: NDArray[Any]) -> str:
    share = np.mean(values == 0)
    return f"{100 * share:.0f} % zero" if share else ""


def _draw(strips: list[_Strip], what: str, color: str, ax: Axes | None) -> Axes:
    """Draw a histogram of each strip's numbers that are not zero, over an axis for all."""
    for label, values, _ in strips:
        if not np.isfinite(values).all():
            layer = label.partition("\n")[0]
            raise ValueError(f"{layer} has a nan or an infinity as {what}: has training diverged?")
    ax = new_axes(ax, 6.4, min(1.2 + 0.55 * len(strips), 14.0))
    numbers = [values[values != 0].astype(np.float64) for _, values, _ in strips]
    sizes = [float(np.median(np.abs(n))) for n in numbers if n.size]
    logarithmic = bool(sizes) and max(sizes) > 30 * min(sizes)
    if logarithmic:
        numbers = [np.abs(n) for n in numbers]
        ax.set_xscale("log")
    edges = _edges(numbers, logarithmic)
    heights = range(len(strips))[::-1]
    for height, strip, values in zip(heights, strips, numbers, strict=True):
        counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
        top = height + 0.8 * counts / max(counts.max(), 1)
        ax.stairs(top, edges, baseline=height, fill=True, color=shades(color, np.array(0.55)))
        ax.stairs(top, edges, baseline=height, color=color)
        ax.annotate(
            strip.note, (1, height), (6, 0), ("axes fraction", "data"), "offset points", va="bottom"
        )
    ax.set_yticks(heights, [strip.label for strip in strips], va="bottom")
    ax.tick_params(axis="y", length=0)
    ax.set(xlabel=f"size of the {what}" if logarithmic else what, ylim=(-0.15, len(strips)))
    ax.grid(axis="x", alpha=0.3)
    return ax


def _edges(numbers: list[NDArray[np.float64]], logarithmic: bool) -> NDArray[np.float64]:
    """Return even bins over the numbers; over all but the smallest hundredth of their sizes."""
    everything = np.concatenate(numbers)
    if not everything.size:
        return np.linspace(-1, 1, 81)
    if logarithmic:
        low = min(float(np.quantile(n, 0.01)) for n in numbers if n.size)
        return np.geomspace(low, everything.max(), 81)
    low, high = everything.min(), everything.max()
    room = 0.02 * (high - low) or abs(high)
    return np.linspace(low - room, high + room, 81)
