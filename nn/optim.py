"""Optimizers: how parameters follow their gradients downhill."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from autograd import DataError, GradientError, NonFiniteError, Tensor
from nn.module import Module, Parameter, finite_number, require_flag

__all__ = ["SGD", "Optimizer", "sgd_update"]

Array = Any
"""A float, of a Value, or an array, of a Tensor: the rules below are written for both."""


class Optimizer:
    """Holds parameters and updates them; a subclass defines `update`, the rule for one of them.

    Parameters
    ----------
    params : Module, or iterable of parameters or of (name, parameter) pairs
        What to update: ``model``, ``model.parameters()`` or ``model.named_parameters()``. With
        names, errors name the parameter.
    allow_nonfinite : bool
        Whether `step` goes on when a gradient holds a nan or an infinity.

    Attributes
    ----------
    parameters : dict of str to node

    Raises
    ------
    DataError
        If something is not a node.
    GradientError
        If a node is no leaf or a constant, and so cannot be learnt.
    ValueError
        If there is no parameter, or one comes twice.

    Examples
    --------
    >>> from autograd import Value
    >>> class SignDescent(Optimizer):
    ...     def update(self, weight, gradient, state):
    ...         return weight - 0.1 * np.sign(gradient), state
    >>> x = Value(1.0)
    >>> optimizer = SignDescent([x])
    >>> (x * x).backward()
    >>> optimizer.step()
    >>> x.data
    0.9
    """

    def __init__(
        self,
        params: Module | Iterable[Parameter] | Iterable[tuple[str, Parameter]],
        *,
        allow_nonfinite: bool = False,
    ) -> None:
        self.parameters = _named(params)
        self.allow_nonfinite = require_flag("allow_nonfinite", allow_nonfinite)
        self._states: list[Any] = [0.0] * len(self.parameters)

    def update(self, weight: Array, gradient: Array, state: Any) -> tuple[Array, Any]:
        """Return the new weight and the new state of one parameter; the first state is 0."""
        raise NotImplementedError(f"{type(self).__name__} does not define update")

    def zero_grad(self) -> None:
        """Set every gradient back to None; otherwise the next backward adds to it."""
        for parameter in self.parameters.values():
            parameter.grad = None

    def step(self) -> None:
        """Update every parameter from its gradient: all of them, or on an error none.

        Raises
        ------
        GradientError
            If a parameter has no gradient; each is named.
        NonFiniteError
            If a gradient holds a nan or an infinity, unless `allow_nonfinite`; each is named.
        """
        self._require_gradients()
        parameters = self.parameters.values()
        with np.errstate(all="ignore"):
            updates = [
                self.update(p.numpy(), p.grad, state)
                for p, state in zip(parameters, self._states, strict=True)
            ]
        try:
            self._assign(updates)
        except KeyboardInterrupt:
            self._assign(updates)  # from the start again, so that no parameter is left behind
            raise

    def _assign(self, updates: list[tuple[Array, Any]]) -> None:
        for parameter, (weight, _) in zip(self.parameters.values(), updates, strict=True):
            large = getattr(weight, "size", 1) > 10_000  # handing it over saves a copy
            parameter.data = Tensor(weight, copy=False) if large else weight
        self._states = [state for _, state in updates]

    def _require_gradients(self) -> None:
        missing = [name for name, p in self.parameters.items() if p.grad is None]
        if missing:
            raise GradientError(
                f"no gradient for {_listed(missing)}: not reached by backward. Call "
                "loss.backward() before step(), and give the optimizer only what the loss uses"
            )
        if self.allow_nonfinite:
            return
        bad = [name for name, p in self.parameters.items() if not _is_finite(p.grad)]
        if bad:
            raise NonFiniteError(
                f"the gradient of {_listed(bad)} holds a nan or an infinity, so nothing was "
                "updated: a smaller lr may help, or pass allow_nonfinite=True to go on regardless"
            )


class SGD(Optimizer):
    """Stochastic gradient descent: ``W_new = W_old - lr * gradient``.

    With momentum the gradient is replaced by the velocity ``v = momentum * v + gradient``
    (Polyak 1964), or by ``gradient + momentum * v`` (Nesterov 1983) in the form of Sutskever,
    Martens, Dahl & Hinton, "On the importance of initialization and momentum in deep learning",
    ICML 2013. The steps are those of ``torch.optim.SGD``.

    Parameters
    ----------
    params : Module, or iterable of parameters or of (name, parameter) pairs
        ``model``, ``model.parameters()`` or ``model.named_parameters()``; with names, errors
        name the parameter.
    lr : float
        The learning rate, at least 0. May be set between steps: ``optimizer.lr = 0.01``.
    momentum : float
        At least 0.
    nesterov : bool
        Nesterov's momentum; needs momentum above 0.
    weight_decay : float
        At least 0. Adds ``weight_decay * W_old`` to the gradient, that of an L2 penalty
        ``weight_decay / 2 * sum(W**2)`` in the loss.
    allow_nonfinite : bool
        Whether to go on when a gradient, or in `fit` a loss, is nan or infinite.

    Raises
    ------
    ValueError, DataError, GradientError
        If a number is out of range, or a parameter cannot be learnt.

    Examples
    --------
    >>> from autograd import Value
    >>> w = Value(3.0, label="w")
    >>> optimizer = SGD([w], lr=0.1)
    >>> for _ in range(100):
    ...     optimizer.zero_grad()
    ...     ((w - 1) ** 2).backward()
    ...     optimizer.step()
    >>> abs(w.data - 1) < 1e-9
    True
    """

    def __init__(
        self,
        params: Module | Iterable[Parameter] | Iterable[tuple[str, Parameter]],
        lr: float,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        *,
        allow_nonfinite: bool = False,
    ) -> None:
        super().__init__(params, allow_nonfinite=allow_nonfinite)
        self.lr = finite_number("lr", lr, minimum=0)
        self.momentum = finite_number("momentum", momentum, minimum=0)
        self.weight_decay = finite_number("weight_decay", weight_decay, minimum=0)
        self.nesterov = require_flag("nesterov", nesterov)
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov=True needs a momentum above 0, such as momentum=0.9")

    def update(self, weight: Array, gradient: Array, state: Array) -> tuple[Array, Array]:
        """Apply `sgd_update` with this optimizer's numbers; the state is the velocity."""
        return sgd_update(
            weight,
            gradient,
            state,
            lr=float(self.lr),
            momentum=self.momentum,
            nesterov=self.nesterov,
            weight_decay=self.weight_decay,
        )

    def __repr__(self) -> str:
        return (
            f"SGD({len(self.parameters)} parameters, lr={self.lr:g}, momentum={self.momentum:g}, "
            f"nesterov={self.nesterov}, weight_decay={self.weight_decay:g})"
        )


def sgd_update(
    W_old: Array,
    gradient: Array,
    velocity: Array,
    *,
    lr: float,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
) -> tuple[Array, Array]:
    """Return the new weight and the new velocity of one parameter, from the old and the gradient.

    Parameters are those of `SGD`; `W_old`, `gradient` and `velocity` are floats or arrays of one
    shape, and the first velocity is 0. The dtype is kept.

    >>> sgd_update(1.0, 0.5, 0.0, lr=0.1)
    (0.95, 0.0)
    """
    if weight_decay:
        gradient = gradient + weight_decay * W_old
    if momentum:
        velocity = momentum * velocity + gradient
        gradient = gradient + momentum * velocity if nesterov else velocity
    W_new = W_old - lr * gradient
    return W_new, velocity


def _is_finite(gradient: Array) -> bool:
    """Tell whether every element is finite; the square is enough to know, unless it overflows."""
    return math.isfinite(np.vdot(gradient, gradient)) or bool(np.isfinite(gradient).all())


def _named(params: Any) -> dict[str, Parameter]:
    """Return the parameters by name, whatever form they were given in."""
    if isinstance(params, Module):
        params = params.named_parameters()
    if isinstance(params, Parameter) or not isinstance(params, Iterable):
        raise DataError(
            f"an optimizer takes a Module or a list of parameters, got {type(params).__name__}"
        )
    pairs = [_pair(index, item) for index, item in enumerate(params)]
    if not pairs:
        raise ValueError("an optimizer needs parameters, got none")
    by_name: dict[str, Parameter] = {}
    name_of: dict[int, str] = {}
    for name, parameter in pairs:
        if name in by_name:
            raise ValueError(f"two parameters have the name {name!r}")
        if id(parameter) in name_of:
            raise ValueError(f"{name_of[id(parameter)]} and {name} are the same parameter")
        by_name[name] = parameter
        name_of[id(parameter)] = name
    return by_name


def _pair(index: int, item: Any) -> tuple[str, Parameter]:
    named = isinstance(item, tuple) and len(item) == 2
    name, parameter = item if named else ("", item)
    if not isinstance(parameter, Parameter):
        raise DataError(
            "an optimizer takes parameters, Values or Tensors, or (name, parameter) pairs, got "
            f"{item!r} at {index}"
        )
    if not named:
        name = f"parameter {index}" + (f" ({parameter.label})" if parameter.label else "")
    if parameter.is_constant or not parameter.is_leaf:
        kind = "a constant" if parameter.is_constant else "computed from others"
        raise GradientError(f"{name} cannot be learnt, it is {kind}: {parameter!r}")
    return name, parameter


def _listed(names: list[str], most: int = 10) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
