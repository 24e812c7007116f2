"""Layers of `Tensor` weights, the same of `Value` weights, and nets of them."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from autograd import (
    DataError,
    Node,
    ShapeError,
    Tensor,
    Value,
    callback,
    elu,
    gelu,
    leaky_relu,
    linear,
    mean,
    relu,
    sigmoid,
    silu,
    softplus,
    sqrt,
    square,
    tanh,
)
from nn.module import (
    MOST,
    Module,
    finite_number,
    holds_node,
    require_flag,
    require_kind,
    whole_number,
)

__all__ = [
    "ACTIVATIONS",
    "ELU",
    "GELU",
    "MLP",
    "Activation",
    "Dropout",
    "Embedding",
    "Identity",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "Neuron",
    "ReLU",
    "Residual",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Tanh",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "initial_parameters",
    "zeros",
]

Rng = int | np.random.Generator | None
"""A seed, a generator to draw from, or None for fresh randomness."""


def spread_uniform(
    bound: float, nout: int, nin: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw an array of shape (nout, nin) from U(-bound, bound), evenly along its longer axis.

    A Latin hypercube sample: McKay, Beckman & Conover, "A comparison of three methods for
    selecting values of input variables in the analysis of output from a computer code",
    Technometrics 21, 1979. Of m numbers along the longer axis there is one in each of m equal
    parts of the interval, in random order; a square is spread along its columns. Each number for
    itself is uniform as ever, but a layer has no clusters and gaps, which leave some small nets
    without a neuron that they need.

    >>> drawn = spread_uniform(2, 4, 1, np.random.default_rng(0))
    >>> np.sort(np.floor(drawn[:, 0]))
    array([-2., -1.,  0.,  1.])
    """
    short, long = sorted((nout, nin))
    parts = rng.permuted(np.broadcast_to(np.arange(long), (short, long)), axis=1)
    drawn = bound * (2 * (parts + rng.random((short, long))) / long - 1)
    return np.ascontiguousarray(drawn.T) if nout >= nin else drawn


def glorot_uniform(nin: int, nout: int, rng: Rng = None) -> NDArray[np.float64]:
    """Draw weights of shape (nout, nin) from U(-b, b) with b = sqrt(6 / (nin + nout)).

    Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks",
    AISTATS 2010, equation 16: signals forward and gradients backward keep their variance where
    the activation is near the identity. Drawn by `spread_uniform`.

    >>> bool((abs(glorot_uniform(2, 4, rng=0)) < 1).all())
    True
    """
    nin, nout = _sizes(nin=nin, nout=nout)
    return spread_uniform(math.sqrt(6 / (nin + nout)), nout, nin, _generator(rng))


def he_uniform(nin: int, nout: int, rng: Rng = None) -> NDArray[np.float64]:
    """Draw weights of shape (nout, nin) from U(-b, b) with b = sqrt(6 / nin), of variance 2 / nin.

    He, Zhang, Ren & Sun, "Delving deep into rectifiers", ICCV 2015, equation 10: half the
    variance is lost to the zero side of a rectifier, and the factor 2 makes up for it. Drawn by
    `spread_uniform`.

    >>> bool((abs(he_uniform(6, 4, rng=0)) < 1).all())
    True
    """
    nin, nout = _sizes(nin=nin, nout=nout)
    return spread_uniform(math.sqrt(6 / nin), nout, nin, _generator(rng))


def glorot_normal(nin: int, nout: int, rng: Rng = None) -> NDArray[np.float64]:
    """Draw independent normal weights of shape (nout, nin), of variance 2 / (nin + nout).

    The variance is that of `glorot_uniform`: equation 12 there.

    >>> layer = Linear(3, 2)
    >>> layer.weight.data = glorot_normal(3, 2, rng=0)
    """
    nin, nout = _sizes(nin=nin, nout=nout)
    return _generator(rng).normal(0.0, math.sqrt(2 / (nin + nout)), (nout, nin))


def he_normal(nin: int, nout: int, rng: Rng = None) -> NDArray[np.float64]:
    """Draw independent normal weights of shape (nout, nin), of variance 2 / nin as `he_uniform`.

    >>> he_normal(3, 2, rng=0).shape
    (2, 3)
    """
    nin, nout = _sizes(nin=nin, nout=nout)
    return _generator(rng).normal(0.0, math.sqrt(2 / nin), (nout, nin))


def zeros(nin: int, nout: int, rng: Rng = None) -> NDArray[np.float64]:
    """Return weights of shape (nout, nin) that are 0; `rng` is there to be like the others.

    As the last layer inside a `Residual` they make it the identity at first: Goyal et al.,
    "Accurate, large minibatch SGD", 2017, section 5.1.

    >>> zeros(3, 1)
    array([[0., 0., 0.]])
    """
    nin, nout = _sizes(nin=nin, nout=nout)
    return np.zeros((nout, nin))


class Activation(Module):
    """A function of one number applied to each element; parent of the activation modules.

    A subclass is one line that gives the function of `autograd` and how weights before it are
    drawn; `MLP`, `Layer`, `Neuron` and `Linear` then know both by the function's name.

    Parameters
    ----------
    **params : float
        The function's own parameters, by name.

    Raises
    ------
    TypeError
        If the function has no such parameter.

    Examples
    --------
    >>> ReLU()(Tensor([-1.0, 2.0])).numpy()
    array([0., 2.])
    >>> LeakyReLU(slope=0.5)(Tensor([-1.0, 2.0])).numpy()
    array([-0.5,  2. ])
    """

    function: ClassVar[Callable[..., Any]]
    draw: ClassVar[Callable[[int, int, np.random.Generator], NDArray[np.float64]]]

    def __init_subclass__(
        cls,
        *,
        function: Callable[..., Any],
        weights: Callable[[int, int, np.random.Generator], NDArray[np.float64]] = he_uniform,
    ) -> None:
        cls.function = staticmethod(function)
        cls.draw = staticmethod(weights)
        ACTIVATIONS[function.__name__] = cls

    def __init__(self, **params: float) -> None:
        inspect.signature(self.function).bind(0.0, **params)
        self.params = params

    def __call__(self, x: Any) -> Any:
        """Apply the function to a node or an array, or to each item of a list."""
        return _each(lambda item: self.function(item, **self.params), x)

    def describe(self) -> str:
        params = ", ".join(f"{name}={value:g}" for name, value in self.params.items())
        return f"{type(self).__name__}({params})"


ACTIVATIONS: dict[str, type[Activation]] = {}
"""The activation modules by the name that `MLP`, `Layer`, `Neuron` and `Linear` take."""


class ReLU(Activation, function=relu):
    """max(x, 0), with slope 0 at 0.

    >>> ReLU()([-1.0, 2.0])
    [0.0, 2.0]
    """


class LeakyReLU(Activation, function=leaky_relu):
    """x where positive, else slope x; ``LeakyReLU(slope=0.01)``.

    >>> LeakyReLU(slope=0.5)([-1.0, 2.0])
    [-0.5, 2.0]
    """


class ELU(Activation, function=elu):
    """x where positive, else alpha (exp(x) - 1); ``ELU(alpha=1.0)``.

    >>> ELU()([0.0, 2.0])
    [0.0, 2.0]
    """


class GELU(Activation, function=gelu):
    """x Φ(x), where Φ is the normal distribution function.

    >>> GELU()(0.0)
    0.0
    """


class SiLU(Activation, function=silu):
    """x sigmoid(x), also called swish.

    >>> SiLU()(0.0)
    0.0
    """


class Softplus(Activation, function=softplus):
    """log(1 + exp(x)), a smooth relu.

    >>> Softplus()(800.0)
    800.0
    """


class Tanh(Activation, function=tanh, weights=glorot_uniform):
    """The hyperbolic tangent.

    >>> Tanh()(0.0)
    0.0
    """


class Sigmoid(Activation, function=sigmoid, weights=glorot_uniform):
    """1 / (1 + exp(-x)).

    >>> Sigmoid()(0.0)
    0.5
    """


def identity(x: Any) -> Any:
    """Return `x`.

    >>> identity(2.0)
    2.0
    """
    return x


class Identity(Activation, function=identity, weights=glorot_uniform):
    """x itself: no activation.

    >>> Identity()(2.0)
    2.0
    """


def initial_parameters(
    nin: int, nout: int, activation: str = "identity", rng: Rng = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw the first weights and biases of a layer, as suits the activation that follows it.

    Weights are from `he_uniform` before relu, leaky_relu, elu, gelu, silu and softplus, and from
    `glorot_uniform` before tanh, sigmoid and identity. Biases are from U(-b, b). Before the former
    they are not 0, since the kinks of all rectifiers would start out through one point, the origin;
    a bias is the weight of one more input, which is always 1, so its bound is that of the weights,
    but at most 1: b = min(1, sqrt(6 / nin)). Before the latter, b = 1 / sqrt(nin) as in PyTorch.
    Both are drawn by `spread_uniform`. Every layer draws from here, so that the same `rng` gives
    the same numbers to `Tensor` and `Value` nets.

    Parameters
    ----------
    nin, nout : int
        Inputs and outputs of the layer.
    activation : str
        A key of `ACTIVATIONS`.
    rng : int, numpy.random.Generator or None
        A seed, a generator to draw from, or None for fresh randomness.

    Returns
    -------
    weights : ndarray of float64, shape (nout, nin)
    biases : ndarray of float64, shape (nout,)

    Raises
    ------
    ValueError
        If a size is not positive, or the activation unknown.
    DataError
        If a size is not an integer.

    Examples
    --------
    >>> weights, biases = initial_parameters(3, 2, "tanh", rng=0)
    >>> weights.shape, biases.shape
    ((2, 3), (2,))
    """
    nin, nout = _sizes(nin=nin, nout=nout)
    generator = _generator(rng)
    draw = _known(activation).draw
    bound = min(1.0, math.sqrt(6 / nin)) if draw is he_uniform else 1 / math.sqrt(nin)
    weights = draw(nin, nout, generator)
    return weights, spread_uniform(bound, nout, 1, generator)[:, 0]


class Linear(Module):
    """The affine map ``x @ weight.T + bias`` on the last axis of a Tensor.

    Parameters
    ----------
    nin, nout : int
        Inputs and outputs.
    bias : bool
        Whether to add a bias.
    activation : str
        The activation that will follow. It is not applied: it decides how the weights are drawn,
        see `initial_parameters`.
    rng : int, numpy.random.Generator or None
        A seed, a generator to draw from, or None for fresh randomness.
    dtype : numpy dtype
        Of the parameters, float64 or float32.

    Attributes
    ----------
    weight : Tensor, shape (nout, nin)
    bias : Tensor of shape (nout,), or None

    Raises
    ------
    ValueError
        If a size is not positive, or the activation unknown.

    Examples
    --------
    >>> layer = Linear(3, 2)
    >>> layer(np.ones((5, 3))).shape
    (5, 2)
    >>> layer(np.ones((5, 4)))
    Traceback (most recent call last):
    autograd.errors.ShapeError: Linear(3, 2) takes 3 numbers a row (the last axis), \
got shape (5, 4)
    """

    def __init__(
        self,
        nin: int,
        nout: int,
        *,
        bias: bool = True,
        activation: str = "identity",
        rng: Rng = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        dtype = _float_dtype(dtype)
        has_bias = require_flag("bias", bias)
        weights, biases = initial_parameters(nin, nout, activation, rng)
        self.weight = Tensor(weights, dtype=dtype, label="weight")
        self.bias = Tensor(biases, dtype=dtype, label="bias") if has_bias else None

    def __call__(self, x: Any) -> Any:
        """Map rows of shape (..., nin), a Tensor, an array or lists, to shape (..., nout)."""
        rows = _tensor_or_array(self, x, self.weight.dtype)
        nin = self.weight.shape[1]
        if rows.ndim == 0 or rows.shape[-1] != nin:
            raise ShapeError(
                f"{self.describe()} takes {nin} numbers a row (the last axis), "
                f"got shape {rows.shape}"
            )
        return linear(rows, self.weight, self.bias)

    def describe(self) -> str:
        nout, nin = self.weight.shape
        return f"Linear({nin}, {nout}{'' if self.bias is not None else ', bias=False'})"


class Neuron(Module):
    """One neuron of Values: the activation of ``w[0]*x[0] + w[1]*x[1] + ... + b``.

    Parameters
    ----------
    nin : int
        How many inputs.
    activation : str
        A key of `ACTIVATIONS`.
    rng : int, numpy.random.Generator or None
        A seed, a generator to draw from, or None for fresh randomness.
    weights : sequence of float, optional
        The first weights; if not given, they and the bias are drawn by `initial_parameters`.
    bias : float
        The first bias, used only with `weights`.

    Attributes
    ----------
    w : list of Value
    b : Value

    Raises
    ------
    ValueError
        If `nin` is not positive, or the activation unknown.
    ShapeError
        If there are not `nin` weights.

    Examples
    --------
    >>> from autograd import Value
    >>> neuron = Neuron(2, "tanh", weights=[0.5, -1.0])
    >>> neuron([Value(4.0), Value(2.0)]).data
    0.0
    >>> neuron([1.0, 2.0, 3.0])
    Traceback (most recent call last):
    autograd.errors.ShapeError: Neuron(2, tanh) takes 2 numbers, got 3
    """

    def __init__(
        self,
        nin: int,
        activation: str = "relu",
        rng: Rng = None,
        *,
        weights: Sequence[float] | None = None,
        bias: float = 0.0,
    ) -> None:
        nin = whole_number("nin", nin, 1)
        _known(activation)
        if weights is None:
            (weights,), (bias,) = initial_parameters(nin, 1, activation, rng)
        if not isinstance(weights, Sequence | np.ndarray):
            raise DataError(f"weights must be a list of {nin} numbers, got {weights!r}")
        if len(weights) != nin:
            raise ShapeError(f"a Neuron of {nin} inputs needs {nin} weights, got {len(weights)}")
        self.activation = activation
        self.w = [Value(weight, label=f"w{i}") for i, weight in enumerate(weights)]
        self.b = Value(bias, label="b")

    def __call__(self, x: Any) -> Any:
        """Map a list of `nin` Values or numbers to one Value."""
        inputs = _numbers(self, x, len(self.w))
        total = sum((w * xi for w, xi in zip(self.w, inputs, strict=True)), self.b)
        return ACTIVATIONS[self.activation].function(total)

    def describe(self) -> str:
        return f"Neuron({len(self.w)}, {self.activation})"


class Layer(Module):
    """Neurons of Values side by side, all of the same inputs.

    Parameters
    ----------
    nin, nout : int
        Inputs and outputs (neurons).
    activation : str
        A key of `ACTIVATIONS`.
    rng : int, numpy.random.Generator or None
        A seed, a generator to draw from, or None for fresh randomness.

    Attributes
    ----------
    neurons : list of Neuron

    Raises
    ------
    ValueError
        If a size is not positive, or the activation unknown.

    Examples
    --------
    >>> layer = Layer(2, 3)
    >>> len(layer([1.0, 2.0]))
    3
    """

    def __init__(self, nin: int, nout: int, activation: str = "relu", rng: Rng = None) -> None:
        drawn = zip(*initial_parameters(nin, nout, activation, rng), strict=True)
        self.neurons = [Neuron(nin, activation, weights=row, bias=b) for row, b in drawn]

    def __call__(self, x: Any) -> Any:
        """Map a list of `nin` Values or numbers to a list of Values, or to the only one."""
        inputs = _numbers(self, x, len(self.neurons[0].w))
        outputs = [neuron(inputs) for neuron in self.neurons]
        return outputs[0] if len(outputs) == 1 else outputs

    def describe(self) -> str:
        first = self.neurons[0]
        return f"Layer({len(first.w)}, {len(self.neurons)}, {first.activation})"


class Sequential(Module):
    """Modules one after the other: each gets what the one before it returns.

    Parameters
    ----------
    *modules : Module
        Found as "0", "1", ... in names, so that a `Linear` in front has "0.weight".

    Examples
    --------
    >>> model = Sequential(Linear(2, 8, activation="tanh"), Tanh(), Linear(8, 1))
    >>> model(np.ones((5, 2))).shape
    (5, 1)
    >>> [name for name, _ in model.named_parameters()]
    ['0.weight', '0.bias', '2.weight', '2.bias']
    """

    is_box = False

    def __init__(self, *modules: Module) -> None:
        for module in modules:
            if not isinstance(module, Module):
                hint = "; pass Sequential(*modules)" if isinstance(module, list | tuple) else ""
                raise DataError(f"Sequential takes Modules, got {type(module).__name__}{hint}")
        self._modules = list(modules)

    def __call__(self, x: Any) -> Any:
        """Pass `x` through the modules in turn."""
        for module in self._modules:
            x = module(x)
        return x

    def named_children(self) -> Iterable[tuple[str, Any]]:
        return ((str(i), module) for i, module in enumerate(self._modules))

    def __len__(self) -> int:
        return len(self._modules)

    def __getitem__(self, index: int) -> Module:
        return self._modules[index]

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules)


class Dropout(Module):
    """While training, set each element to 0 with probability `p` and divide the rest by 1 - p.

    So the expected output is the input, and after `eval` it is the input itself. Srivastava et
    al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15, 2014; the
    division during training, called inverted dropout, is from section 10.

    Parameters
    ----------
    p : float
        At least 0 and below 1.
    rng : int, numpy.random.Generator or None
        A seed, a generator to draw from, or None for fresh randomness.

    Raises
    ------
    ValueError
        If `p` is out of range.

    Examples
    --------
    >>> dropout = Dropout(0.5, rng=0)
    >>> sorted({float(v) for v in dropout(Tensor(np.ones(100))).numpy()})
    [0.0, 2.0]
    >>> dropout.eval()(Tensor([1.0, 2.0])).numpy()
    array([1., 2.])
    """

    def __init__(self, p: float = 0.5, rng: Rng = None) -> None:
        self.p = finite_number("the p of Dropout", p, minimum=0)
        if self.p >= 1:
            raise ValueError(f"the p of Dropout is a probability below 1, got {p}")
        self.rng = _generator(rng)

    def __call__(self, x: Any) -> Any:
        """Return a node or an array with elements dropped; a list item by item."""
        return _each(self._drop, x) if self.training and self.p else x

    def _drop(self, x: Any) -> Any:
        scale = 1 / (1 - self.p)
        if not isinstance(x, Tensor | np.ndarray):
            if not isinstance(x, Value | Real):
                raise DataError(f"{self.describe()} takes real numbers, got {x!r}")
            return x * callback(lambda: scale * (self.rng.random() >= self.p))
        if x.dtype.kind not in "biuf":
            raise DataError(f"{self.describe()} takes real numbers, got dtype {x.dtype}")
        dtype = x.dtype if x.dtype.kind == "f" else np.float64
        return x * callback(lambda: ((self.rng.random(x.shape) >= self.p) * scale).astype(dtype))

    def describe(self) -> str:
        return f"Dropout({self.p:g})"


class LayerNorm(Module):
    """Shift and scale each sample to mean 0 and variance 1 over its last axes.

    ``(x - mean) / sqrt(variance + eps) * weight + bias``: Ba, Kiros & Hinton, "Layer
    normalization", 2016, equation 4. The same while training and after.

    Parameters
    ----------
    shape : int or tuple of int
        Of the last axes.
    eps : float
        Added to the variance, above 0.
    affine : bool
        Whether there are a weight and a bias.
    bias : bool
        Whether, with a weight, there is a bias.
    dtype : numpy dtype
        Of the parameters, float64 or float32.

    Attributes
    ----------
    weight : Tensor of the shape, 1 at first, or None
    bias : Tensor of the shape, 0 at first, or None

    Raises
    ------
    ValueError, DataError
        If a number is out of range.

    Examples
    --------
    >>> LayerNorm(2)(Tensor([[1.0, 3.0], [0.0, 100.0]])).numpy().round(3)
    array([[-1.,  1.],
           [-1.,  1.]])
    >>> LayerNorm(3)(np.ones((5, 2)))
    Traceback (most recent call last):
    autograd.errors.ShapeError: LayerNorm(3) takes last axes of shape (3,), got shape (5, 2)
    """

    def __init__(
        self,
        shape: int | Sequence[int],
        eps: float = 1e-5,
        *,
        affine: bool = True,
        bias: bool = True,
        dtype: DTypeLike = np.float64,
    ) -> None:
        sizes = shape if isinstance(shape, Sequence) else [shape]
        self.shape = tuple(whole_number("the shape of LayerNorm", n, 1, MOST) for n in sizes)
        if not self.shape:
            raise ValueError("LayerNorm needs at least one axis, got the shape ()")
        self.eps = finite_number("eps", eps, minimum=0)
        if not self.eps:
            raise ValueError("eps must be above 0, or a constant sample would be divided by 0")
        self._dtype = _float_dtype(dtype)
        has_weight = require_flag("affine", affine)
        has_bias = require_flag("bias", bias) and has_weight
        ones, nothing = np.ones(self.shape), np.zeros(self.shape)
        self.weight = Tensor(ones, dtype=self._dtype, label="weight") if has_weight else None
        self.bias = Tensor(nothing, dtype=self._dtype, label="bias") if has_bias else None

    def __call__(self, x: Any) -> Any:
        """Return `x`, a Tensor, an array or lists, normalized."""
        x = _tensor_or_array(self, x, self._dtype)
        if x.shape[-len(self.shape) :] != self.shape:
            raise ShapeError(
                f"{self.describe()} takes last axes of shape {self.shape}, got shape {x.shape}"
            )
        axes = tuple(range(-len(self.shape), 0))
        centred = x - mean(x, axis=axes, keepdims=True)
        variance = mean(square(centred), axis=axes, keepdims=True)
        out = centred / sqrt(variance + self.eps)
        if self.weight is not None:
            out = out * self.weight
        return out if self.bias is None else out + self.bias

    def describe(self) -> str:
        shape = self.shape[0] if len(self.shape) == 1 else self.shape
        return f"LayerNorm({shape})"


class Embedding(Module):
    """A row of weights for each integer: row i of the output is ``weight[index[i]]``.

    Parameters
    ----------
    count : int
        Integers known, 0 to count - 1.
    width : int
        Numbers a row.
    rng : int, numpy.random.Generator or None
        A seed, a generator to draw from, or None for fresh randomness.
    dtype : numpy dtype
        Of the weights, float64 or float32.

    Attributes
    ----------
    weight : Tensor, shape (count, width)
        Normal of variance 1 at first, as in PyTorch.

    Raises
    ------
    ValueError, DataError
        If a size is not a positive integer.

    Examples
    --------
    >>> embedding = Embedding(10, 4, rng=0)
    >>> embedding([[1, 2, 3], [1, 1, 9]]).shape
    (2, 3, 4)
    >>> embedding([3, 10])
    Traceback (most recent call last):
    ValueError: Embedding(10, 4) takes integers from 0 to 9, got 10
    """

    def __init__(
        self, count: int, width: int, rng: Rng = None, *, dtype: DTypeLike = np.float64
    ) -> None:
        dtype = _float_dtype(dtype)
        drawn = _generator(rng).normal(size=_sizes(count=count, width=width))
        self.weight = Tensor(drawn, dtype=dtype, label="weight")

    def __call__(self, index: Any) -> Any:
        """Map integers of any shape, an array, lists or a constant Tensor, to rows of weights."""
        rows = callback(self._rows, index) if isinstance(index, Node) else self._rows(index)
        return self.weight[rows]

    def _rows(self, index: Any) -> NDArray[Any]:
        count = self.weight.shape[0]
        problem = f"{self.describe()} takes integers from 0 to {count - 1}"
        try:
            rows = np.asarray(index)
        except ValueError:
            raise ShapeError(f"{problem}, got lists of different lengths") from None
        if rows.dtype.kind not in "iu":
            raise DataError(f"{problem}, got dtype {rows.dtype}: pass x.astype(int)")
        outside = rows[(rows < 0) | (rows >= count)]
        if outside.size:
            raise ValueError(f"{problem}, got {outside[0]}")
        return rows

    def describe(self) -> str:
        count, width = self.weight.shape
        return f"Embedding({count}, {width})"


class Residual(Module):
    """``x + module(x)``: He, Zhang, Ren & Sun, "Deep residual learning", CVPR 2016, equation 1.

    Parameters
    ----------
    module : Module
        Its output has the shape of its input.

    Raises
    ------
    DataError
        If it is no module.

    Examples
    --------
    >>> block = Residual(Sequential(Linear(3, 8, activation="relu"), ReLU(), Linear(8, 3)))
    >>> block(np.ones((5, 3))).shape
    (5, 3)
    >>> [name for name, _ in block.named_parameters()][:2]
    ['module.0.weight', 'module.0.bias']
    """

    def __init__(self, module: Module) -> None:
        require_kind("the module of Residual", module, Module)
        self.module = module

    def __call__(self, x: Any) -> Any:
        """Return the sum of `x` and what the module makes of it; of lists item by item."""
        return self._sum(x, self.module(x))

    def _sum(self, x: Any, change: Any) -> Any:
        if isinstance(change, list):
            x = _as_list(self, x)
            if len(x) != len(change):
                raise ShapeError(f"{self._problem()} {len(x)} numbers into {len(change)}")
            return [self._sum(a, b) for a, b in zip(x, change, strict=True)]
        if isinstance(x, list | tuple) and isinstance(change, Tensor | np.ndarray):
            x = np.asarray(x, dtype=change.dtype)
        before, after = getattr(x, "shape", ()), getattr(change, "shape", ())
        if isinstance(x, list | tuple) or before != after:
            before = before if hasattr(x, "shape") else np.shape(x)
            raise ShapeError(f"{self._problem()} shape {before} into {after}")
        return x + change

    def _problem(self) -> str:
        return f"Residual needs a module that keeps the shape, {self.module.describe()} made"


class MLP(Module):
    """A multilayer perceptron: fully connected layers, the activation after each but the last.

    Parameters
    ----------
    nin : int
        Inputs.
    nouts : sequence of int
        Outputs of each layer; the last is the output of the net, and linear.
    activation : str
        A key of `ACTIVATIONS`. The weights before it are drawn as `initial_parameters` says, those
        of the last layer as before "identity".
    node : type
        `Tensor`, one array of weights a layer; or `Value`, one node a weight: the same net number
        by number, with the same weights from the same `rng`.
    rng : int, numpy.random.Generator or None
        A seed, a generator to draw from, or None for fresh randomness.
    dtype : numpy dtype
        Of the parameters: float64, or float32 for Tensors.

    Attributes
    ----------
    layers : list of Module
        `Linear` and activations in turn, or a `Layer` of Values each.

    Raises
    ------
    ValueError
        If a size is not positive, there is no layer, or an argument is unknown.

    Examples
    --------
    >>> from autograd import Value
    >>> x = [1.0, -2.0]
    >>> MLP(2, [8, 3], rng=0)(x).shape
    (3,)
    >>> scalars = MLP(2, [8, 1], node=Value, rng=0)
    >>> abs(scalars(x).data - MLP(2, [8, 1], rng=0)(x).item()) < 1e-12
    True
    """

    is_box = False

    def __init__(
        self,
        nin: int,
        nouts: Sequence[int],
        activation: str = "relu",
        node: type[Value] | type[Tensor] = Tensor,
        rng: Rng = None,
        *,
        dtype: DTypeLike = np.float64,
    ) -> None:
        if node is not Tensor and node is not Value:
            raise ValueError(f"node must be Tensor or Value, got {node!r}")
        dtype = _float_dtype(dtype)
        if node is Value and dtype != np.float64:
            raise ValueError(f"a Value is always float64, got dtype {dtype}")
        widths = _widths(nouts)
        _known(activation)
        names = [activation] * (len(widths) - 1) + ["identity"]
        generator = _generator(rng)
        self.layers: list[Module] = []
        for n, m, name in zip([nin, *widths], widths, names, strict=False):
            if node is Value:
                self.layers.append(Layer(n, m, name, generator))
            else:
                affine = Linear(n, m, activation=name, rng=generator, dtype=dtype)
                self.layers += [affine, ACTIVATIONS[name]()]
        if node is Tensor:
            del self.layers[-1]  # the output is linear; a Layer holds its identity inside
        for path, parameter in self.named_parameters():
            parameter.label = path
        self._describe = f"MLP({nin}, {widths}, {activation})"

    def __call__(self, x: Any) -> Any:
        """Map `x` to the output, a Tensor of shape (..., nout) or a list of Values.

        A net of Values returns its only Value where there is one output, as `Layer` does, and
        for an array or a list of rows a list with the output of each row.
        """
        if isinstance(self.layers[0], Layer):
            x = _as_list(self, x)
            if x and isinstance(x[0], list | tuple | np.ndarray):
                return [self(row) for row in x]
        for layer in self.layers:
            x = layer(x)
        return x

    def describe(self) -> str:
        return self._describe


def _sizes(**sizes: int) -> list[int]:
    """Return the two sizes of an array of weights, checked."""
    checked = [whole_number(name, size, 1, MOST) for name, size in sizes.items()]
    if math.prod(checked) > MOST:
        got = " and ".join(f"{name}={size}" for name, size in sizes.items())
        raise ValueError(f"a layer has at most {MOST:,} weights, got {got}")
    return checked


def _known(activation: str) -> type[Activation]:
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        raise ValueError(f"unknown activation {activation!r}: one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[activation]


def _generator(rng: Rng) -> np.random.Generator:
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError) as error:
        kind = DataError if isinstance(error, TypeError) else ValueError
        raise kind(
            "rng must be a seed (a whole number of at least 0), a numpy.random.Generator or None, "
            f"got {rng!r}"
        ) from None


def _float_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    try:
        known = np.dtype(dtype)
    except (TypeError, ValueError):
        known = None
    if known is None or known.kind != "f":
        got = repr(dtype) if known is None else known
        raise ValueError(f"parameters are floats, float64 or float32, got {got}")
    return known


def _widths(nouts: Sequence[int]) -> list[int]:
    """Return the outputs of each layer as a list, whatever they were listed in."""
    widths = list(nouts) if isinstance(nouts, Iterable) else []
    if not widths:
        raise ValueError(f"nouts lists the outputs of each layer, such as [16, 1], got {nouts}")
    return [whole_number("nout", width, 1, MOST) for width in widths]


def _tensor_or_array(module: Module, x: Any, dtype: DTypeLike) -> Any:
    """Return `x`, lists as an array of `dtype`."""
    if isinstance(x, Tensor | np.ndarray):
        return x
    problem = f"{module.describe()} takes a Tensor, an array or lists of numbers"
    if holds_node(x):
        raise DataError(f"{problem}, got Values: MLP(..., node=Value) makes a net of those")
    try:
        rows = np.asarray(x)
    except ValueError:
        raise ShapeError(f"{problem}, got lists of different lengths") from None
    if rows.dtype.kind not in "biuf":
        raise DataError(f"{problem}, got {type(x).__name__} of dtype {rows.dtype}")
    return rows.astype(dtype)


def _as_list(module: Module, x: Any) -> Any:
    """Return the inputs of a net of Values as a list; lists in it are rows."""
    if isinstance(x, Tensor) and not x.is_constant:
        raise DataError(
            f"{module.describe()} of Values would give the Tensor {x.label!r} no gradient: pass "
            "x.numpy() for plain numbers, or a list of Values"
        )
    if isinstance(x, Tensor):
        x = x.numpy()
    if isinstance(x, np.ndarray):
        x = x.tolist()
    if isinstance(x, Value | Real):
        return [x]  # what a layer of one neuron returns
    if not isinstance(x, list | tuple):
        kind = type(x).__name__
        raise DataError(f"{module.describe()} takes a list of Values or numbers, got {kind}")
    return x


def _numbers(module: Module, x: Any, nin: int) -> Any:
    """Return the inputs of one neuron or layer of Values, checked to be `nin`."""
    numbers = _as_list(module, x)
    if len(numbers) != nin:
        raise ShapeError(f"{module.describe()} takes {nin} numbers, got {len(numbers)}")
    return numbers


def _each(function: Callable[[Any], Any], x: Any) -> Any:
    """Apply `function` to `x`, or to every item if it is a list of Values or numbers."""
    return [_each(function, item) for item in x] if isinstance(x, list | tuple) else function(x)
