"""What each part of a model returns, found out without a trace in the model."""

from __future__ import annotations

import copy
import types
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd import DataError, Value, no_grad
from nn.data.checks import as_array
from nn.layers import Layer
from nn.module import Module
from nn.steps import forward

__all__ = ["Output", "layers_of", "outputs_of"]


@dataclass(frozen=True, eq=False)
class Output:
    """What one part of a model returned.

    Attributes
    ----------
    name : str
        Of the part, as `Module.named_modules` has it.
    module : Module
        A copy of the part, which shares its parameters.
    values : ndarray, shape (n, units)
        A column for each place on the last axis.

    Examples
    --------
    >>> Output("layers.1", Module(), np.zeros((5, 3))).values.shape
    (5, 3)
    """

    name: str
    module: Module
    values: NDArray[Any]


def layers_of(model: Module) -> Iterator[tuple[str, Module]]:
    """Yield the parts of a model by name, of which a `Layer` of Values is one, without its neurons.

    >>> from nn import MLP
    >>> [name for name, _ in layers_of(MLP(2, [3, 1], node=Value))]
    ['', 'layers.0', 'layers.1']
    """
    inside: set[int] = set()
    for name, part in model.named_modules():
        if id(part) not in inside:
            yield name, part
        if isinstance(part, Layer):
            inside.update(map(id, part.neurons))


def outputs_of(model: Module, x: NDArray[Any]) -> list[Output]:
    """Return what each part of `model` returns for the rows `x`, in the order of the calls.

    The model is in `eval` mode: what runs is a copy of it. A part that only hands on what it got
    or what another one returned, as an `MLP` does, is left out. One that is called more than
    once for the same rows has one output a call.

    Parameters
    ----------
    model : Module
    x : ndarray
        Rows as `nn.steps.checked_data` returns them.

    Raises
    ------
    DataError
        If the model cannot be copied, or a part returns something else than numbers.

    Examples
    --------
    >>> from nn import MLP
    >>> outputs = outputs_of(MLP(2, [3, 1]), np.ones((5, 2)))
    >>> [(output.name, output.values.shape) for output in outputs]
    [('layers.0', (5, 3)), ('layers.1', (5, 3)), ('layers.2', (5, 1))]
    """
    calls: list[tuple[str, Module, Any]] = []
    twin = _recording_twin(model, calls)
    of_values = any(isinstance(parameter, Value) for parameter in twin.parameters())
    modules: dict[tuple[str, int], Module] = {}
    values: dict[tuple[str, int], list[NDArray[Any]]] = {}
    with no_grad():
        for rows in x[:, None] if of_values else [x]:
            calls.clear()
            forward(twin, rows)
            times = Counter[str]()
            for name, part, output in calls:
                key = (name, times[name])
                times[name] += 1
                modules[key] = part
                values.setdefault(key, []).append(_by_unit(name, output, of_values))
    return [Output(key[0], modules[key], np.concatenate(values[key])) for key in values]


def _by_unit(name: str, output: Any, of_values: bool) -> NDArray[Any]:
    """Return an output as rows of units; that of a layer of Values is one row."""
    array = as_array(f"what {name or 'the model'} returns", output)
    is_one_a_row = array.ndim == 0 or (array.ndim == 1 and not of_values)
    return array.reshape(-1, 1 if is_one_a_row else array.shape[-1])


def _recording_twin(model: Module, calls: list[tuple[str, Module, Any]]) -> Module:
    """Return a copy of `model` in `eval` mode, sharing the parameters, that notes its calls."""
    shared: dict[int, Any] = {id(parameter): parameter for parameter in model.parameters()}
    try:
        twin = copy.deepcopy(model, shared).eval()
        for name, part in list(layers_of(twin)):
            _record(part, name, calls)
    except Exception as error:  # of whatever an attribute does to copy itself
        raise DataError(
            "what runs is a copy of the model, so that the model stays as it is, but "
            f"{model.describe()} cannot be copied: {error}"
        ) from error
    return twin


class _Unlisted(Module):
    """First among the parents of a class, it keeps the class out of the others' tables."""

    def __init_subclass__(cls) -> None:
        """Do nothing, where `Activation` would enter the class into `ACTIVATIONS`."""


def _record(part: Module, name: str, calls: list[tuple[str, Module, Any]]) -> None:
    """Make `part` write down what its calls return, by a class of its own: Python looks there."""
    kind = type(part)

    def call(self: Module, *args: Any, **kwargs: Any) -> Any:
        output = kind.__call__(self, *args, **kwargs)
        known = [*args, *(earlier for _, _, earlier in calls)]
        if not any(output is other for other in known):
            calls.append((name, self, output))
        return output

    recording = types.new_class(
        kind.__name__, (_Unlisted, kind), {}, lambda namespace: namespace.update(__call__=call)
    )
    object.__setattr__(part, "__class__", recording)
