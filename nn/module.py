"""`Module`: a part of a model that finds its own parameters."""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import groupby
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from autograd import DataError, Node, NonFiniteError, ShapeError, Tensor, Value, scoped

__all__ = [
    "MOST",
    "Module",
    "Parameter",
    "finite_number",
    "holds_node",
    "require_callable",
    "require_finite",
    "require_flag",
    "require_kind",
    "require_names",
    "whole_number",
]

Parameter = Value | Tensor
"""What a `Module` learns: a node that is a leaf and not a constant."""

MOST = 2**31 - 1
"""How many numbers an array is let to have; NumPy's own errors beyond do not name the argument."""


class Module:
    """A part of a model: what it stores as attributes is found, in the order of assignment.

    A parameter is a leaf `Value` or `Tensor`, not constant, that is an attribute of the module
    or stands in a list, tuple or dict that is. Modules among the attributes are searched too. A
    parameter or a module that is met twice counts once, under its first name. So a subclass only
    stores its parts and defines ``__call__``; what it wants to keep without training it, it
    stores as an array or as a constant (``node.detach()``).

    Attributes
    ----------
    training : bool
        True from the start and after `train`, False after `eval`. `Dropout` asks it.
    is_box : bool
        Whether a picture can fold what a call computes into one box. A subclass that only passes
        on to its parts, as `Sequential` does, sets it to False: then the parts are the boxes.

    Examples
    --------
    >>> from autograd import Tensor
    >>> class Scale(Module):
    ...     def __init__(self):
    ...         self.factor = Tensor([1.0, 2.0])
    ...     def __call__(self, x):
    ...         return x * self.factor
    >>> model = Scale()
    >>> model(Tensor([3.0, 3.0])).numpy()
    array([3., 6.])
    >>> [name for name, _ in model.named_parameters()]
    ['factor']
    """

    training: bool = True
    is_box: ClassVar[bool] = True

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.is_box and "__call__" in vars(cls):
            cls.__call__ = scoped(cls.__call__)  # type: ignore[method-assign]

    def __call__(self, x: Any) -> Any:
        """Compute the output for `x`; every subclass defines it."""
        raise NotImplementedError(f"{type(self).__name__} does not define __call__(self, x)")

    def named_children(self) -> Iterable[tuple[str, Any]]:
        """Yield what the module stores, with names: its attributes, unless a subclass says else."""
        return vars(self).items()

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """Yield this module, as "", and every module below it, by dotted name.

        >>> from nn import MLP
        >>> [name for name, _ in MLP(2, [3, 1]).named_modules()]
        ['', 'layers.0', 'layers.1', 'layers.2']
        """
        return ((name, part) for name, _, part in _walk(self) if isinstance(part, Module))

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Yield each parameter once, by the dotted name that `state_dict` gives it.

        >>> from nn import Linear
        >>> [(name, p.shape) for name, p in Linear(3, 2).named_parameters()]
        [('weight', (2, 3)), ('bias', (2,))]
        """
        return ((name, part) for name, _, part in _walk(self) if isinstance(part, Parameter))

    def parameters(self) -> list[Parameter]:
        """List each parameter once.

        >>> from nn import Linear
        >>> len(Linear(3, 2).parameters())
        2
        """
        return [parameter for _, parameter in self.named_parameters()]

    def zero_grad(self) -> None:
        """Set every parameter's gradient back to None; otherwise the next backward adds to it."""
        for parameter in self.parameters():
            parameter.grad = None

    def train(self, training: bool = True) -> Self:
        """Set `training` here and in every module below, and return the module."""
        for _, module in self.named_modules():
            module.training = training
        return self

    def eval(self) -> Self:
        """Set `training` to False here and in every module below, and return the module."""
        return self.train(False)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Copy every parameter into a dict of arrays; a `Value` gives an array of shape ().

        Names are as in PyTorch: "layers.0.weight" is the attribute `weight` of item 0 of the
        list `layers`. A parameter that is shared has its first name only.

        >>> from nn import Linear
        >>> {name: array.shape for name, array in Linear(3, 2).state_dict().items()}
        {'weight': (2, 3), 'bias': (2,)}
        """
        return {name: np.array(p.numpy(), order="C") for name, p in self.named_parameters()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set every parameter from `state`, in the parameter's own dtype; all of them or none.

        Parameters
        ----------
        state : mapping of str to array
            As `state_dict` returns it: each name, nothing else, each array of its shape.

        Raises
        ------
        ValueError
            If names are missing or unexpected.
        ShapeError
            If an array has another shape than its parameter.
        DataError
            If `state` is no mapping, an array does not hold real numbers, or a finite number in
            it is too large for the parameter's dtype.

        Examples
        --------
        >>> from nn import Linear
        >>> a, b = Linear(3, 2), Linear(3, 2)
        >>> b.load_state_dict(a.state_dict())
        >>> bool((a.weight.numpy() == b.weight.numpy()).all())
        True
        >>> b.load_state_dict({"weight": a.weight.numpy()})
        Traceback (most recent call last):
        ValueError: the state does not fit Linear(3, 2): missing 'bias'
        """
        parameters = dict(self.named_parameters())
        require_names(f"the state does not fit {self.describe()}", parameters, state)
        arrays = {name: _real_array(name, array) for name, array in state.items()}
        self.require_shapes({name: array.shape for name, array in arrays.items()})
        cast = {name: _cast(name, arrays[name], p.dtype) for name, p in parameters.items()}
        for name, parameter in parameters.items():
            parameter.data = cast[name]

    def require_shapes(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Raise unless these are the names and the shapes of the arrays of `state_dict`.

        Raises
        ------
        ValueError
            If names are missing or unexpected.
        ShapeError
            If a shape is another one; each is named.

        Examples
        --------
        >>> from nn import Linear
        >>> Linear(3, 2).require_shapes({"weight": (3, 2), "bias": (2,)})
        Traceback (most recent call last):
        autograd.errors.ShapeError: the state does not fit Linear(3, 2): \
'weight' has shape (3, 2), expected (2, 3)
        """
        what = f"the state does not fit {self.describe()}"
        parameters = dict(self.named_parameters())
        require_names(what, parameters, shapes)
        wrong = [
            f"{name!r} has shape {shapes[name]}, expected {p.shape}"
            for name, p in parameters.items()
            if shapes[name] != p.shape
        ]
        if wrong:
            raise ShapeError(f"{what}: {'; '.join(wrong)}")

    def random_state(self) -> dict[str, Any]:
        """Return the states of the generators that modules hold, such as those of `Dropout`.

        A generator is a ``numpy.random.Generator`` where a parameter could be, and its state
        that of its bit generator: a dict of integers, text and arrays. One that is shared has
        its first name only. The sequence that ``Generator.spawn`` draws on is not in it.

        >>> from nn import Dropout
        >>> model = Dropout(0.5, rng=0)
        >>> state = model.random_state()
        >>> state["rng"]["bit_generator"]
        'PCG64'
        >>> first = model(np.ones(8))
        >>> model.set_random_state(state)
        >>> bool((model(np.ones(8)) == first).all())
        True
        """
        return {name: rng.bit_generator.state for name, rng in self._generators().items()}

    def set_random_state(self, state: Mapping[str, Any]) -> None:
        """Set every generator from `state`, as `random_state` returns it; all of them or none.

        Raises
        ------
        ValueError
            If names are missing or unexpected, or a state is not one of that generator's kind.
        DataError
            If `state` is no mapping.

        Examples
        --------
        See `random_state`.
        """
        what = f"the random state does not fit {self.describe()}"
        bits = {name: generator.bit_generator for name, generator in self._generators().items()}
        require_names(what, bits, state)
        wrong = [name for name in bits if not _is_state_of(bits[name], state[name])]
        if wrong:
            kind = type(bits[wrong[0]]).__name__
            raise ValueError(f"{what}: that of {wrong[0]!r} is not a state of {kind}")
        for name in bits:
            bits[name].state = state[name]

    def _generators(self) -> dict[str, np.random.Generator]:
        return {
            name: part for name, _, part in _walk(self) if isinstance(part, np.random.Generator)
        }

    def describe(self) -> str:
        """Return the module in one line, without what is below it, such as "Linear(3, 2)"."""
        return f"{type(self).__name__}()"

    def __repr__(self) -> str:
        """Show the tree: each module with its arrays' shapes and its number of parameters.

        >>> from nn import MLP
        >>> MLP(2, [16, 1])
        MLP(2, [16, 1], relu)      65 parameters
          layers.0: Linear(2, 16)  48 parameters  weight (16, 2), bias (16,)
          layers.1: ReLU()
          layers.2: Linear(16, 1)  17 parameters  weight (1, 16), bias (1,)
        """
        rows = [
            (depth, name, module.describe(), _count(module), _shapes(module))
            for name, depth, module in _walk(self)
            if isinstance(module, Module)
        ]
        # Neighbours that differ in name only, such as the neurons of a layer, take one line.
        runs = [list(run) for _, run in groupby(rows, key=lambda row: (row[0], *row[2:]))]
        heads = [_head(run[0][0], [row[1] for row in run], run[0][2]) for run in runs]
        counts = [run[0][3] for run in runs]
        wide, narrow = max(map(len, heads)), max(map(len, counts))
        return "\n".join(
            f"{head:{wide}}  {count:>{narrow}}  {run[0][4]}".rstrip()
            for head, count, run in zip(heads, counts, runs, strict=True)
        )


_FOUND = (Module, Value, Tensor, np.random.Generator)
"""What a module is searched for."""

_SEARCHED = (*_FOUND, list, tuple, dict)


def _walk(root: Module) -> Iterator[tuple[str, int, Any]]:
    """Yield what `_FOUND` names, each once: dotted name, number of modules above it, itself."""
    seen: set[int] = set()
    stack: list[tuple[str, int, Any]] = [("", 0, root)]
    while stack:
        name, depth, part = stack.pop()
        if id(part) in seen or (isinstance(part, Parameter) and not _is_parameter(part)):
            continue
        seen.add(id(part))
        if isinstance(part, _FOUND):
            yield name, depth, part
        below = depth + isinstance(part, Module)
        prefix = f"{name}." if name else ""
        stack += [
            (f"{prefix}{key}", below, child)
            for key, child in reversed(list(_children(part)))
            if isinstance(child, _SEARCHED)
        ]


def _children(part: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(part, Module):
        return part.named_children()
    if isinstance(part, dict):
        return part.items()
    return enumerate(part) if isinstance(part, list | tuple) else ()


def _is_parameter(node: Parameter) -> bool:
    return node.is_leaf and not node.is_constant


def _is_state_of(bits: np.random.BitGenerator, state: Any) -> bool:
    """Tell whether `state` is one of such a bit generator: another one gives it back as it is.

    Where in a buffer to go on is looked at first: NumPy would read beyond its end.
    """
    trial = type(bits)()
    try:
        if not (0 <= state.get("buffer_pos", 0) <= 4 and 0 <= state["state"].get("pos", 0) <= 624):
            return False
        trial.state = state
    except (AttributeError, LookupError, TypeError, ValueError, OverflowError):
        return False
    return _same(trial.state, state)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b)
    return type(a) is type(b) and bool(a == b)


def whole_number(name: str, value: object, minimum: int, maximum: float = np.inf) -> int:
    """Return `value` as an int from `minimum` to `maximum`.

    Raises
    ------
    DataError
        If `value` is not an integer.
    ValueError
        If it is out of range.

    Examples
    --------
    >>> whole_number("epochs", 0, 1)
    Traceback (most recent call last):
    ValueError: epochs must be at least 1, got 0
    """
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise DataError(f"{name} must be an integer, got {value!r}") from None
    if number < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {number}")
    if number > maximum:
        raise ValueError(f"{name} must be at most {maximum}, got {_brief(number)}")
    return number


def finite_number(name: str, value: object, minimum: float = -np.inf) -> float:
    """Return `value` as a finite float of at least `minimum`.

    Raises
    ------
    DataError
        If `value` is not a real number.
    ValueError
        If it is nan, infinite or below `minimum`.

    Examples
    --------
    >>> finite_number("lr", -1, minimum=0)
    Traceback (most recent call last):
    ValueError: lr must be a finite number of at least 0, got -1.0
    """
    if not isinstance(value, Real):
        raise DataError(f"{name} must be a number, got {value!r}")
    try:
        number = float(value)
    except OverflowError:
        raise ValueError(f"{name} must be a finite number, got {_brief(value)}") from None
    if not np.isfinite(number) or number < minimum:
        bound = "" if minimum == -np.inf else f" of at least {minimum:g}"
        raise ValueError(f"{name} must be a finite number{bound}, got {number}")
    return number


def require_kind(name: str, value: object, kind: type) -> None:
    """Raise a `DataError` unless `value` is an instance of `kind`, a class of this package.

    >>> require_kind("model", 3, Module)
    Traceback (most recent call last):
    autograd.errors.DataError: model must be of type nn.Module, got int
    """
    if not isinstance(value, kind):
        got = f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
        raise DataError(f"{name} must be of type nn.{kind.__name__}, got {got}")


def holds_node(x: Any) -> bool:
    """Tell whether `x` is a node, or a list or tuple that holds one at any depth.

    >>> holds_node([[1.0, Value(2.0)]]), holds_node([1.0])
    (True, False)
    """
    return any(map(holds_node, x)) if isinstance(x, list | tuple) else isinstance(x, Node)


def require_finite(what: str, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Raise a `NonFiniteError`, that begins with `what`, if an array holds a nan or an infinity.

    >>> require_finite("the weights", {"bias": np.array([np.inf])})
    Traceback (most recent call last):
    autograd.errors.NonFiniteError: the weights hold a nan or an infinity in 'bias'
    """
    bad = [name for name, array in arrays.items() if not np.isfinite(array).all()]
    if bad:
        raise NonFiniteError(f"{what} hold a nan or an infinity in {_listed(bad)}")


def require_callable(name: str, value: object, call: str) -> None:
    """Raise a `DataError` unless `value` can be called, as in the text `call`.

    >>> require_callable("loss", 3, "loss(prediction, y_batch)")
    Traceback (most recent call last):
    autograd.errors.DataError: loss must be a function, called as loss(prediction, y_batch), got 3
    """
    if not callable(value):
        raise DataError(f"{name} must be a function, called as {call}, got {value!r}")


def require_flag(name: str, value: object) -> bool:
    """Return `value` as a bool, or raise a `DataError` if it is neither a bool nor 0 or 1.

    >>> require_flag("bias", [0.5])
    Traceback (most recent call last):
    autograd.errors.DataError: bias must be True or False, got [0.5]
    """
    if not isinstance(value, int | np.bool_) or value not in (0, 1):
        raise DataError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def _brief(number: object) -> str:
    """Return a number in few characters; Python refuses to write an int of 5,000 digits."""
    many = isinstance(number, int) and number.bit_length() > 200
    return "a number of more than 60 digits" if many else str(number)


def require_names(what: str, expected: Collection[str], given: object) -> None:
    """Raise an error, that begins with `what`, unless `given` has the names expected, no others.

    Raises
    ------
    ValueError
        If names are missing or unexpected.
    DataError
        If `given` is no mapping.

    Examples
    --------
    >>> require_names("the state does not fit", ["lr"], {"rate": 0.5})
    Traceback (most recent call last):
    ValueError: the state does not fit: missing 'lr'; unexpected 'rate'
    """
    if not isinstance(given, Mapping):
        raise DataError(f"{what}: it must map names to values, got {type(given).__name__}")
    missing = [name for name in expected if name not in given]
    unexpected = [name for name in given if name not in expected]
    complaints = [
        f"{kind} {_listed(names)}"
        for kind, names in [("missing", missing), ("unexpected", unexpected)]
        if names
    ]
    if complaints:
        raise ValueError(f"{what}: {'; '.join(complaints)}")


def _listed(names: list[str], most: int = 10) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(f"{name!r:.80}" for name in names[:most]) + more


def _real_array(name: str, value: Any) -> NDArray[Any]:
    try:
        array = np.asarray(value.numpy() if isinstance(value, Parameter) else value)
    except Exception as error:  # of any library whose array it is
        raise DataError(
            f"{name!r} must be an array of real numbers, got {type(value).__name__}: {error} "
            "(a PyTorch tensor goes in as tensor.detach().cpu().numpy())"
        ) from None
    if array.dtype.kind not in "biuf":
        raise DataError(f"{name!r} must hold real numbers, got dtype {array.dtype}")
    return array


def _cast(name: str, array: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
    """Return a copy in `dtype`, in which every finite number must stay finite."""
    with np.errstate(over="ignore"):
        cast = array.astype(dtype)
    lost = array[np.isfinite(array) & ~np.isfinite(cast)]
    if lost.size:
        raise DataError(f"{name!r} holds {lost[0]:g}, which is too large for {cast.dtype}")
    return cast


def _count(module: Module) -> str:
    count = sum(parameter.size for parameter in module.parameters())
    return f"{count:,} parameter{'s' * (count != 1)}" if count else ""


def _shapes(module: Module) -> str:
    own = [(n, p) for n, depth, p in _walk(module) if depth == 1 and isinstance(p, Parameter)]
    return ", ".join(f"{name} {parameter.shape}" for name, parameter in own if parameter.shape)


def _head(depth: int, names: list[str], description: str) -> str:
    many = len(names) > 1
    name = f"{names[0]}..{names[-1].rpartition('.')[2]}" if many else names[0]
    times = f"{len(names)} × " if many else ""
    return "  " * depth + (f"{name}: " if name else "") + times + description
