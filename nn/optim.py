"""Optimizers: how parameters follow their gradients downhill."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from itertools import chain, islice, repeat
from typing import Any, NamedTuple

import numpy as np

from autograd import DataError, GradientError, NonFiniteError, Tensor, norm
from nn.module import Module, Parameter, finite_number, require_flag, require_names

__all__ = [
    "SGD",
    "Adam",
    "AdamState",
    "AdamW",
    "Optimizer",
    "RMSprop",
    "RMSpropState",
    "adam_update",
    "clip_by_norm",
    "clip_by_value",
    "norm_of",
    "rmsprop_update",
    "sgd_update",
]

Array = Any
"""A float, of a Value, or an array, of a Tensor: the rules below are written for both."""

Params = Module | Iterable[Parameter] | Iterable[tuple[str, Parameter]] | Iterable[dict[str, Any]]
"""What an optimizer updates: a model, its parameters with or without names, or groups of them."""


class _Option:
    """An option of an optimizer as an attribute: set for all groups, read from the first."""

    def __set_name__(self, owner: type[Optimizer], name: str) -> None:
        self.name = name

    def __get__(self, optimizer: Optimizer | None, owner: type[Optimizer]) -> Any:
        return self if optimizer is None else optimizer.groups[0][self.name]

    def __set__(self, optimizer: Optimizer, value: Any) -> None:
        checked = [optimizer._checked({**group, self.name: value}) for group in optimizer.groups]
        for group, options in zip(optimizer.groups, checked, strict=True):
            group[self.name] = options[self.name]


class Optimizer:
    """Holds parameters and updates them; a subclass defines `update`, the rule for one of them.

    Parameters
    ----------
    params : Module, or iterable of parameters, of (name, parameter) pairs or of dicts
        What to update: ``model``, ``model.parameters()`` or ``model.named_parameters()``. With
        names, errors name the parameter. Or groups with options of their own, as in PyTorch:
        ``[{"params": model.layers[0]}, {"params": model.layers[2], "lr": 0.01}]``.
    allow_nonfinite : bool
        Whether `step` goes on when a gradient holds a nan or an infinity.
    **options
        Arguments of the rule, which `update` gets by name; a group may set its own.

    Attributes
    ----------
    parameters : dict of str to node
        Those of all groups.
    groups : list of dict
        Of each group its "params" and its options, which may be set between steps:
        ``optimizer.groups[1]["lr"] = 0.001``. As an attribute an option is that of the first
        group, and set for all: ``optimizer.lr = 0.01``.

    Raises
    ------
    DataError
        If something is not a node.
    GradientError
        If a node is no leaf or a constant, and so cannot be learnt.
    ValueError
        If there is no parameter, one comes twice, or a group has an unknown option.

    Examples
    --------
    >>> from autograd import Value
    >>> class SignDescent(Optimizer):
    ...     def update(self, weight, gradient, state, rate):
    ...         return weight - rate * np.sign(gradient), state
    >>> x = Value(1.0)
    >>> optimizer = SignDescent([x], rate=0.1)
    >>> (x * x).backward()
    >>> optimizer.step()
    >>> x.data
    0.9
    """

    first_state: Any = 0.0
    """The state of a parameter before its first step."""

    def __init__(self, params: Params, *, allow_nonfinite: bool = False, **options: Any) -> None:
        self.allow_nonfinite = require_flag("allow_nonfinite", allow_nonfinite)
        self.parameters: dict[str, Parameter] = {}
        self.groups: list[dict[str, Any]] = []
        self._checked(options)
        for group in _groups(params):
            self._add(group, options)
        self._states: list[Any] = [self.first_state] * len(self.parameters)
        self._seen: list[dict[str, Any]] = []
        self._options: list[dict[str, Any]] = []

    def _add(self, group: dict[str, Any], options: dict[str, Any]) -> None:
        unknown = [str(name) for name in group if name not in {"params", *options}]
        if unknown:
            known = ", ".join(["params", *options])
            raise ValueError(f"unknown in a group: {', '.join(unknown)}; it may have {known}")
        named = _named(group.get("params"), taken=self.parameters, group=len(self.groups))
        self.parameters |= named
        self.groups.append({"params": tuple(named.values()), **self._checked(options | group)})

    def _checked(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the options of a group, checked."""
        return {
            name: _CHECKS[name](name, value) if name in _CHECKS else value
            for name, value in options.items()
            if name != "params"
        }

    def update(
        self, weight: Array, gradient: Array, state: Any, **options: Any
    ) -> tuple[Array, Any]:
        """Return the new weight and the new state of one parameter; see `first_state`."""
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
        ValueError, DataError
            If an option in `groups` was set to what it cannot be.
        """
        _require_gradients(self.parameters)
        if not self.allow_nonfinite:
            hint = "a smaller lr may help, or pass allow_nonfinite=True to go on regardless"
            _require_finite(self.parameters, f"nothing was updated: {hint}")
        if self.groups != self._seen:  # checking all numbers in each step would take a fifth of it
            self._read_groups()
        parameters = self.parameters.values()
        with np.errstate(all="ignore"):
            updates = [
                self.update(p.numpy(), p.grad, state, **given)
                for p, state, given in zip(parameters, self._states, self._options, strict=True)
            ]
        try:
            self._assign(updates)
        except KeyboardInterrupt:
            self._assign(updates)  # from the start again, so that no parameter is left behind
            raise

    def _read_groups(self) -> None:
        """Note the options of each parameter, checked, and the groups that they are from."""
        checked = [(self._checked(group), group["params"]) for group in self.groups]
        self._options = [options for options, params in checked for _ in params]
        self._seen = [dict(group) for group in self.groups]

    def _assign(self, updates: list[tuple[Array, Any]]) -> None:
        for parameter, (weight, _) in zip(self.parameters.values(), updates, strict=True):
            large = getattr(weight, "size", 1) > 10_000  # handing it over saves a copy
            parameter.data = Tensor(weight, copy=False) if large else weight
        self._states = [state for _, state in updates]

    def state_dict(self) -> dict[str, Any]:
        """Copy what later steps depend on besides the parameters.

        Returns
        -------
        dict
            "rule", the name of the class; "groups", of each its options, and as "params" the
            names of its parameters with their dtypes and shapes; "states", what is remembered
            of each parameter, a NamedTuple as a dict and another tuple as a list. It goes into
            `nn.checkpoint.write_state`.

        Examples
        --------
        >>> from autograd import Value
        >>> Adam([("w", Value(1.0))]).state_dict()["states"]
        {'w': {'step': 0, 'mean': 0.0, 'square': 0.0, 'largest': 0.0}}
        """
        states = zip(self.parameters, self._states, strict=True)
        return {
            "rule": type(self).__name__,
            "groups": [
                {**_plain(group), "params": params}
                for group, params in zip(self.groups, self._kinds(), strict=True)
            ],
            "states": {name: _plain(state) for name, state in states},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set the options and what is remembered of each parameter; all of it or nothing.

        Whether it fits is tried out: from each state `update`, which should be a pure function,
        must make a finite weight of the parameter's shape and dtype, and a state like it again.

        Parameters
        ----------
        state : mapping
            As `state_dict` returns it, of an optimizer of this class with the same groups.

        Raises
        ------
        DataError
            If `state`, or a part of it that should be, is no mapping.
        ValueError
            If names are missing or unexpected, an option is out of range, or a state does not
            fit its parameter.
        NonFiniteError
            If a state holds a nan or an infinity, unless `allow_nonfinite`.

        Examples
        --------
        >>> from autograd import Value
        >>> first, second = Adam([Value(1.0)], lr=0.5), Adam([Value(1.0)])
        >>> second.load_state_dict(first.state_dict())
        >>> second.lr
        0.5
        """
        what = f"the state does not fit this {type(self).__name__}"
        require_names(what, ["rule", "groups", "states"], state)
        if state["rule"] != type(self).__name__:
            raise ValueError(f"{what}: it is one of {state['rule']!r:.80}")
        groups = self._options_in(what, state["groups"])
        require_names(f"{what}: states", self.parameters, state["states"])
        options = [given for g, given in zip(self.groups, groups, strict=True) for _ in g["params"]]
        states = [
            self._state_in(f"{what}: {name}", parameter, given, state["states"][name])
            for (name, parameter), given in zip(self.parameters.items(), options, strict=True)
        ]
        for group, given in zip(self.groups, groups, strict=True):
            group.update(given)
        self._states = states

    def _kinds(self) -> list[dict[str, str]]:
        """Return the names of the parameters of each group, with their dtypes and shapes."""
        items = iter(self.parameters.items())
        return [
            {
                name: f"{p.dtype} of shape {p.shape}"
                for name, p in islice(items, len(group["params"]))
            }
            for group in self.groups
        ]

    def _options_in(self, what: str, groups: Any) -> list[dict[str, Any]]:
        """Return the options of each group that a state holds, checked."""
        if not isinstance(groups, list) or len(groups) != len(self.groups):
            raise ValueError(f"{what}: it does not have {len(self.groups)} groups")
        checked = []
        for index, (mine, kinds) in enumerate(zip(self.groups, self._kinds(), strict=True)):
            group = f"{what}: group {index}"
            require_names(group, mine, groups[index])
            require_names(group, kinds, groups[index]["params"])
            for name, kind in groups[index]["params"].items():
                if kind != kinds[name]:
                    raise ValueError(f"{group}: {name!r} is {kind!r:.80}, expected {kinds[name]}")
            given = {name: _like(mine[name], groups[index][name]) for name in mine}
            checked.append(self._checked(given))
        return checked

    def _state_in(
        self, what: str, parameter: Parameter, options: dict[str, Any], given: Any
    ) -> Any:
        """Return the state of a parameter that `given` stands for, tried out in a step."""

        def step(state: Any) -> tuple[Array, Any]:
            gradient = np.ones(parameter.shape, parameter.dtype)[()]
            with np.errstate(all="ignore"):
                return self.update(parameter.numpy(), gradient, deepcopy(state), **options)

        try:
            state = _like(step(self.first_state)[1], given)
            weight, later = step(state)
        except Exception as error:  # of the rule, which may be anyone's
            raise ValueError(f"{what} cannot be updated with it: {error}") from None
        plain, first = _plain(state), _plain(self.first_state)
        wrong = list(_misfits(plain, first, _plain(later)))
        if _kind(weight) != _kind(parameter.numpy()):
            wrong.append(f"makes of {_kind(parameter.numpy())} {_kind(weight)}")
        if wrong:
            raise ValueError(f"{what} does not go with it: {'; '.join(wrong)}")
        if not (self.allow_nonfinite or _all_finite([weight, plain], [None, first])):
            raise NonFiniteError(f"{what} gets from it a nan or an infinity")
        return state

    def __repr__(self) -> str:
        count = len(self.groups)
        groups = f" in {count} groups" if count > 1 else ""
        options = [
            f", {name}=" + " | ".join(dict.fromkeys(_shown(group[name]) for group in self.groups))
            for name in self.groups[0]
            if name != "params"
        ]
        return f"{type(self).__name__}({len(self.parameters)} parameters{groups}{''.join(options)})"


class SGD(Optimizer):
    """Stochastic gradient descent: ``W_new = W_old - lr * gradient``.

    With momentum the gradient is replaced by the velocity ``v = momentum * v + gradient``
    (Polyak 1964), or by ``gradient + momentum * v`` (Nesterov 1983) in the form of Sutskever,
    Martens, Dahl & Hinton, "On the importance of initialization and momentum in deep learning",
    ICML 2013. The steps are those of ``torch.optim.SGD``.

    Parameters
    ----------
    params : Module, or iterable of parameters, of (name, parameter) pairs or of dicts
        ``model``, ``model.parameters()`` or ``model.named_parameters()``; with names, errors
        name the parameter. Dicts are groups with options of their own, see `Optimizer`.
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

    lr, momentum, nesterov, weight_decay = _Option(), _Option(), _Option(), _Option()

    def __init__(
        self,
        params: Params,
        lr: float,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        *,
        allow_nonfinite: bool = False,
    ) -> None:
        super().__init__(
            params,
            allow_nonfinite=allow_nonfinite,
            lr=lr,
            momentum=momentum,
            nesterov=nesterov,
            weight_decay=weight_decay,
        )

    def _checked(self, options: dict[str, Any]) -> dict[str, Any]:
        checked = super()._checked(options)
        if checked["nesterov"] and not checked["momentum"]:
            raise ValueError("nesterov=True needs a momentum above 0, such as momentum=0.9")
        return checked

    def update(
        self, weight: Array, gradient: Array, state: Array, **options: Any
    ) -> tuple[Array, Array]:
        """Apply `sgd_update` with the options of the group; the state is the velocity."""
        return sgd_update(weight, gradient, state, **options)


class AdamState(NamedTuple):
    """What Adam remembers of a parameter.

    Attributes
    ----------
    step : int
        Steps taken.
    mean, square : float or array
        Decaying means of the gradient and of its square, m and v of the paper.
    largest : float or array
        The largest `square` of any step; 0 without `amsgrad`.

    Examples
    --------
    >>> AdamState()
    AdamState(step=0, mean=0.0, square=0.0, largest=0.0)
    """

    step: int = 0
    mean: Array = 0.0
    square: Array = 0.0
    largest: Array = 0.0


class Adam(Optimizer):
    """Adam: each weight moves by about `lr`, along the mean gradient over its typical size.

    Kingma & Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1. The steps
    are those of ``torch.optim.Adam``.

    Parameters
    ----------
    params : Module, or iterable of parameters, of (name, parameter) pairs or of dicts
        See `Optimizer`.
    lr : float
        The learning rate, at least 0. May be set between steps: ``optimizer.lr = 0.01``.
    betas : (float, float)
        How much of the means of the gradient and of its square each step keeps: at least 0 and
        below 1.
    eps : float
        Added to the root of the mean square, above 0.
    weight_decay : float
        At least 0. Adds ``weight_decay * W_old`` to the gradient, as in `SGD`.
    amsgrad : bool
        Whether to divide by the largest mean square so far instead of the latest: Reddi, Kale &
        Kumar, "On the convergence of Adam and beyond", ICLR 2018.
    allow_nonfinite : bool
        Whether to go on when a gradient, or in `fit` a loss, is nan or infinite.

    Raises
    ------
    ValueError, DataError, GradientError
        If a number is out of range, or a parameter cannot be learnt.

    Examples
    --------
    >>> from autograd import Value
    >>> w = Value(3.0)
    >>> optimizer = Adam([w], lr=0.1)
    >>> ((w - 1) ** 2).backward()
    >>> optimizer.step()
    >>> round(w.data, 6)
    2.9
    """

    first_state = AdamState()
    lr, betas, eps, weight_decay, amsgrad = (_Option() for _ in range(5))

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        allow_nonfinite: bool = False,
    ) -> None:
        super().__init__(
            params,
            allow_nonfinite=allow_nonfinite,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            amsgrad=amsgrad,
        )

    def update(
        self, weight: Array, gradient: Array, state: AdamState, **options: Any
    ) -> tuple[Array, AdamState]:
        """Apply `adam_update` with the options of the group."""
        return adam_update(weight, gradient, state, **options)


class AdamW(Adam):
    """Adam with decoupled weight decay: each step also multiplies weights by 1 - lr weight_decay.

    Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2: the
    decay does not enter the means, so that weights of large gradients decay as much as others.
    The steps are those of ``torch.optim.AdamW``. Parameters and errors are those of `Adam`.

    Examples
    --------
    >>> from autograd import Value
    >>> w = Value(2.0)
    >>> w.grad = 0.0
    >>> AdamW([w], lr=0.1, weight_decay=0.5).step()
    >>> w.data
    1.9
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        allow_nonfinite: bool = False,
    ) -> None:
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, allow_nonfinite=allow_nonfinite
        )

    def update(
        self, weight: Array, gradient: Array, state: AdamState, **options: Any
    ) -> tuple[Array, AdamState]:
        """Apply `adam_update`, decoupled, with the options of the group."""
        return adam_update(weight, gradient, state, decoupled=True, **options)


class RMSpropState(NamedTuple):
    """What RMSprop remembers of a parameter.

    Attributes
    ----------
    square : float or array
        Decaying mean of the squared gradient.
    mean : float or array
        Of the gradient; 0 unless `centered`.
    velocity : float or array
        0 without momentum.

    Examples
    --------
    >>> RMSpropState()
    RMSpropState(square=0.0, mean=0.0, velocity=0.0)
    """

    square: Array = 0.0
    mean: Array = 0.0
    velocity: Array = 0.0


class RMSprop(Optimizer):
    """RMSprop: the gradient over the root of its mean square.

    Hinton, Srivastava & Swersky, "Neural networks for machine learning", lecture 6e, 2012. The
    steps are those of ``torch.optim.RMSprop``: `eps` is added to the root, and `momentum` to the
    quotient.

    Parameters
    ----------
    params : Module, or iterable of parameters, of (name, parameter) pairs or of dicts
        See `Optimizer`.
    lr : float
        The learning rate, at least 0. May be set between steps: ``optimizer.lr = 0.001``.
    alpha : float
        How much of the mean square each step keeps: at least 0 and below 1.
    eps : float
        Added to the root of the mean square, above 0.
    weight_decay : float
        At least 0. Adds ``weight_decay * W_old`` to the gradient, as in `SGD`.
    momentum : float
        At least 0.
    centered : bool
        Whether to divide by the standard deviation instead: Graves, "Generating sequences with
        recurrent neural networks", 2013, equations 38 to 41.
    allow_nonfinite : bool
        Whether to go on when a gradient, or in `fit` a loss, is nan or infinite.

    Raises
    ------
    ValueError, DataError, GradientError
        If a number is out of range, or a parameter cannot be learnt.

    Examples
    --------
    >>> from autograd import Value
    >>> w = Value(3.0)
    >>> optimizer = RMSprop([w], lr=0.1, alpha=0.75)
    >>> ((w - 1) ** 2).backward()
    >>> optimizer.step()
    >>> round(w.data, 6)
    2.8
    """

    first_state = RMSpropState()
    lr, alpha, eps, weight_decay, momentum, centered = (_Option() for _ in range(6))

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        allow_nonfinite: bool = False,
    ) -> None:
        super().__init__(
            params,
            allow_nonfinite=allow_nonfinite,
            lr=lr,
            alpha=alpha,
            eps=eps,
            weight_decay=weight_decay,
            momentum=momentum,
            centered=centered,
        )

    def update(
        self, weight: Array, gradient: Array, state: RMSpropState, **options: Any
    ) -> tuple[Array, RMSpropState]:
        """Apply `rmsprop_update` with the options of the group."""
        return rmsprop_update(weight, gradient, state, **options)


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


def adam_update(
    W_old: Array,
    gradient: Array,
    state: AdamState,
    *,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    amsgrad: bool = False,
    decoupled: bool = False,
) -> tuple[Array, AdamState]:
    """Return the new weight and the new state of one parameter, from the old and the gradient.

    Kingma & Ba 2015, algorithm 1. With `decoupled` the decay is that of `AdamW`, else that of
    `Adam`; other parameters are those of `Adam`. `W_old` and `gradient` are floats or arrays of
    one shape, and the first state is ``AdamState()``. The dtype is kept.

    >>> W_new, state = adam_update(1.0, 0.5, AdamState(), lr=0.1)
    >>> round(float(W_new), 6), state.step
    (0.9, 1)
    """
    beta1, beta2 = betas
    if weight_decay and decoupled:
        W_old = W_old * (1 - lr * weight_decay)
    elif weight_decay:
        gradient = gradient + weight_decay * W_old
    step = state.step + 1
    mean = beta1 * state.mean + (1 - beta1) * gradient
    square = beta2 * state.square + (1 - beta2) * gradient * gradient
    largest = np.maximum(state.largest, square) if amsgrad else 0.0
    # Both means start from 0; what they lack by that is made good in numbers, not in arrays.
    root = math.sqrt(1 - beta2**step)
    spread = np.sqrt(largest if amsgrad else square) + eps * root
    W_new = W_old - (lr * root / (1 - beta1**step)) * mean / spread
    return W_new, AdamState(step, mean, square, largest)


def rmsprop_update(
    W_old: Array,
    gradient: Array,
    state: RMSpropState,
    *,
    lr: float,
    alpha: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    centered: bool = False,
) -> tuple[Array, RMSpropState]:
    """Return the new weight and the new state of one parameter, from the old and the gradient.

    Parameters are those of `RMSprop`; `W_old` and `gradient` are floats or arrays of one shape,
    and the first state is ``RMSpropState()``. The dtype is kept.

    >>> W_new, _ = rmsprop_update(1.0, 0.5, RMSpropState(), lr=0.1, alpha=0.75)
    >>> round(float(W_new), 6)
    0.8
    """
    if weight_decay:
        gradient = gradient + weight_decay * W_old
    square = alpha * state.square + (1 - alpha) * gradient * gradient
    mean, variance, velocity = state.mean, square, state.velocity
    if centered:
        mean = alpha * mean + (1 - alpha) * gradient
        variance = np.maximum(square - mean * mean, 0.0)  # rounding can take it below
    change = gradient / (np.sqrt(variance) + eps)
    if momentum:
        change = velocity = momentum * velocity + change
    return W_old - lr * change, RMSpropState(square, mean, velocity)


def clip_by_norm(params: Params, most: float) -> float:
    """Scale all gradients by one factor, so that their common norm is at most `most`.

    Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural networks", ICML
    2013, algorithm 1. The direction is kept. As in ``torch.nn.utils.clip_grad_norm_`` the factor
    is ``most / (norm + 1e-6)`` where that is below 1. Call it between backward and step.

    Parameters
    ----------
    params : Module, or iterable of parameters, of (name, parameter) pairs or of dicts
        As an `Optimizer` takes them.
    most : float
        At least 0.

    Returns
    -------
    float
        The Euclidean norm of all gradients together, before they were scaled.

    Raises
    ------
    GradientError, NonFiniteError
        If a gradient is missing, or holds a nan or an infinity; none is then changed.
    ValueError, DataError
        If `most` is not a finite number of at least 0, or `params` are not parameters.

    Examples
    --------
    >>> w = Tensor([1.0, 1.0])
    >>> (w * [30.0, 40.0]).sum().backward()
    >>> clip_by_norm([w], 5)
    50.0
    >>> w.grad.round(4)
    array([3., 4.])
    """
    most = finite_number("most", most, minimum=0)
    parameters = _with_gradients(params)
    total = norm_of([np.asarray(p.grad, dtype=np.float64) for p in parameters])
    factor = min(1.0, most / (total + 1e-6))
    for parameter in parameters:
        parameter.grad = parameter.grad * factor
    return total


def clip_by_value(params: Params, most: float) -> float:
    """Set each element of the gradients that is beyond ``-most`` or ``most`` to that bound.

    As ``torch.nn.utils.clip_grad_value_`` does; the direction changes. Parameters, the returned
    norm and errors are those of `clip_by_norm`.

    >>> w = Tensor([1.0, 1.0])
    >>> (w * [30.0, 40.0]).sum().backward()
    >>> clip_by_value([w], 35)
    50.0
    >>> w.grad
    array([30., 35.])
    """
    most = finite_number("most", most, minimum=0)
    parameters = _with_gradients(params)
    total = norm_of([np.asarray(p.grad, dtype=np.float64) for p in parameters])
    for parameter in parameters:
        parameter.grad = np.clip(parameter.grad, -most, most)
    return total


def norm_of(gradients: list[Any]) -> float:
    """Return the Euclidean norm of all gradients together, which overflows only if it must.

    It is summed up in the precision of the gradients, but for half precision.

    >>> norm_of([3.0, np.array([0.0, 4.0])])
    5.0
    """
    square = sum(map(_square, gradients))
    if 1e-30 < square < math.inf:
        return math.sqrt(square)
    # Squares overflow or vanish, so they are scaled, in five times as much time.
    with np.errstate(all="ignore"):
        return math.hypot(*(float(norm(np.asarray(g, dtype=np.float64))) for g in gradients))


def _square(gradient: Array) -> float:
    if type(gradient) is float:
        return gradient * gradient
    if gradient.itemsize < 4:
        gradient = gradient.astype(np.float32)
    return float(np.vdot(gradient, gradient))


def _with_gradients(params: Any) -> list[Parameter]:
    """Return the parameters, all of which have finite gradients."""
    parameters: dict[str, Parameter] = {}
    for index, group in enumerate(_groups(params)):
        parameters |= _named(group.get("params"), taken=parameters, group=index)
    _require_gradients(parameters)
    _require_finite(parameters, "nothing was clipped")
    return list(parameters.values())


def _require_gradients(parameters: dict[str, Parameter]) -> None:
    missing = [name for name, p in parameters.items() if p.grad is None]
    if missing:
        raise GradientError(
            f"no gradient for {_listed(missing)}: not reached by backward. Call "
            "loss.backward() before step(), and give the optimizer only what the loss uses"
        )


def _require_finite(parameters: dict[str, Parameter], consequence: str) -> None:
    if math.isfinite(sum(_square(p.grad) for p in parameters.values())):
        return  # as nearly always
    bad = [name for name, p in parameters.items() if not np.isfinite(p.grad).all()]
    if bad:
        raise NonFiniteError(
            f"the gradient of {_listed(bad)} holds a nan or an infinity, so {consequence}"
        )


def _groups(params: Any) -> list[dict[str, Any]]:
    """Return the groups of parameters; there is one unless `params` is a list of dicts."""
    if isinstance(params, Iterable) and not isinstance(params, Module | Parameter | dict):
        params = list(params)
        dicts = [isinstance(item, dict) for item in params]
        if any(dicts) and not all(dicts):
            raise DataError("an optimizer takes parameters or groups of them, got both in a list")
        if any(dicts):
            return list(params)
    return [{"params": params}]


def _named(params: Any, taken: dict[str, Parameter], group: int) -> dict[str, Parameter]:
    """Return the parameters of a group by name, whatever form they were given in.

    None may be among those `taken` by the groups before; a name that is, gets the group's number.
    """
    if isinstance(params, Module):
        params = params.named_parameters()
    if isinstance(params, Parameter | dict) or not isinstance(params, Iterable):
        raise DataError(
            f"an optimizer takes a Module or a list of parameters, got {type(params).__name__}"
        )
    pairs = [_pair(index, item) for index, item in enumerate(params, len(taken))]
    if not pairs:
        raise ValueError("an optimizer needs parameters, got none")
    by_name: dict[str, Parameter] = {}
    name_of = {id(parameter): name for name, parameter in taken.items()}
    for name, parameter in pairs:
        if name in by_name:
            raise ValueError(f"two parameters have the name {name!r}")
        if id(parameter) in name_of:
            raise ValueError(f"{name_of[id(parameter)]} and {name} are the same parameter")
        by_name[name] = parameter
        name_of[id(parameter)] = name
    return {f"{n} (group {group})" if n in taken else n: p for n, p in by_name.items()}


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


# What `Optimizer.state_dict` makes of a state, and back.


def _plain(state: Any) -> Any:
    """Return a copy with dicts for NamedTuples and lists for other tuples."""
    if isinstance(state, tuple) and hasattr(state, "_asdict"):
        state = state._asdict()
    if isinstance(state, dict):
        return {name: _plain(part) for name, part in state.items()}
    if isinstance(state, tuple | list):
        return [_plain(part) for part in state]
    return state.copy() if isinstance(state, np.ndarray) else state


def _like(example: Any, plain: Any) -> Any:
    """Return a copy of `plain` with tuples where `example` has them.

    >>> _like(AdamState(), {"step": 1, "mean": 0.5, "square": 0.25, "largest": 0.0})
    AdamState(step=1, mean=0.5, square=0.25, largest=0.0)
    """
    if isinstance(plain, np.ndarray):
        return plain.copy()[()]  # () gives the number that NumPy computes with
    if hasattr(example, "_asdict") and isinstance(plain, dict):
        require_names("it", example._fields, plain)
        return type(example)(**_like(example._asdict(), plain))
    if isinstance(plain, dict):
        examples = example if isinstance(example, dict) else {}
        return {name: _like(examples.get(name), part) for name, part in plain.items()}
    if isinstance(plain, list):
        items = example if isinstance(example, tuple | list) else ()
        last = items[-1] if items else None
        parts = [
            _like(mine, part) for mine, part in zip(chain(items, repeat(last)), plain, strict=False)
        ]
        return tuple(parts) if isinstance(example, tuple) else parts
    return plain


def _misfits(plain: Any, first: Any, later: Any, place: str = "it") -> Iterator[str]:
    """Yield what in a state is neither as before the first step nor as after a later one."""
    if isinstance(plain, dict | list) and type(plain) is type(later):
        parts, before, after = _parts(plain), _parts(first), _parts(later)
        for key in filter(after.__contains__, parts):
            yield from _misfits(parts[key], before.get(key), after[key], f"{place}[{key!r}]")
    elif _kind(plain) not in (_kind(first), _kind(later)):
        yield f"{place} is {_kind(plain)}, expected {_kind(later)}"


def _parts(plain: Any) -> dict[Any, Any]:
    """Return what is in a dict or a list, by key or index."""
    items = dict(enumerate(plain)) if isinstance(plain, list) else plain
    return items if isinstance(items, dict) else {}


def _kind(leaf: Any) -> str:
    if isinstance(leaf, np.ndarray) and leaf.ndim:
        return f"{leaf.dtype} of shape {leaf.shape}"
    number = isinstance(leaf, bool | int | float | np.generic | np.ndarray)
    return "a number" if number else f"a {type(leaf).__name__}"


def _all_finite(plain: Any, first: Any = None) -> bool:
    """Tell whether all numbers of a state are finite, but those that at first are not either."""
    if isinstance(plain, dict | list):
        before = _parts(first)
        return all(_all_finite(part, before.get(key)) for key, part in _parts(plain).items())
    if not isinstance(plain, float | np.generic | np.ndarray):
        return True
    numbers = np.asarray(plain)
    finite = numbers.dtype.kind not in "fc" or bool(np.isfinite(numbers).all())
    return finite or not (first is None or _all_finite(first))


def _listed(names: list[str], most: int = 10) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _shown(option: Any) -> str:
    return f"{option:g}" if isinstance(option, float) else str(option)


def _at_least_0(name: str, value: object) -> float:
    return finite_number(name, value, minimum=0)


def _above_0(name: str, value: object) -> float:
    number = finite_number(name, value, minimum=0)
    if not number:
        raise ValueError(f"{name} must be above 0, or a gradient of 0 would be divided by 0")
    return number


def _kept(name: str, value: object) -> float:
    number = finite_number(name, value, minimum=0)
    if number >= 1:
        raise ValueError(f"{name} must be at least 0 and below 1, got {number}")
    return number


def _kept_of_both(name: str, value: Any) -> tuple[float, float]:
    try:
        first, second = value
    except (TypeError, ValueError):
        raise DataError(f"{name} must be two numbers, got {value!r}") from None
    return _kept(f"the first of {name}", first), _kept(f"the second of {name}", second)


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "lr": _at_least_0,
    "momentum": _at_least_0,
    "weight_decay": _at_least_0,
    "eps": _above_0,
    "alpha": _kept,
    "betas": _kept_of_both,
    "nesterov": require_flag,
    "amsgrad": require_flag,
    "centered": require_flag,
}
"""What each option must be, by its name."""
