"""Automatic differentiation that one can read in an evening.

`Value` is one number, `Tensor` a NumPy array; both are nodes of a recorded graph. Every
operation is a primitive, defined once in `autograd.ops`; reverse mode, pictures and checks are
readers of the graph.
"""

from .backprop import gradients
from .check import Disagreement, check_grads
from .errors import (
    AutogradError,
    CheckError,
    DataError,
    GradientError,
    NonFiniteError,
    OutOfRangeError,
    PrimitiveError,
    RenderError,
    ShapeError,
    StaleGraphError,
)
from .graph import Node, topological_order
from .nodes import Tensor, Value
from .ops.arithmetic import add, div, mul, neg, sub
from .ops.comparison import clip, maximum, minimum, where
from .ops.elementary import (
    abs,
    acos,
    asin,
    atan,
    atan2,
    cos,
    cosh,
    elu,
    erf,
    exp,
    expm1,
    gelu,
    leaky_relu,
    log,
    log1p,
    pow,
    reciprocal,
    relu,
    sigmoid,
    sign,
    silu,
    sin,
    sinh,
    softplus,
    sqrt,
    square,
    tan,
    tanh,
)
from .ops.indexing import sort
from .ops.linalg import diagonal, dot, einsum, linear, matmul, outer, trace
from .ops.reduction import (
    cumsum,
    log_softmax,
    logsumexp,
    max,
    mean,
    min,
    norm,
    prod,
    softmax,
    std,
    sum,
    var,
)
from .ops.shape import (
    broadcast_to,
    concatenate,
    expand_dims,
    flip,
    moveaxis,
    pad,
    repeat,
    reshape,
    split,
    squeeze,
    stack,
    swapaxes,
    tile,
    transpose,
)
from .primitive import Example, Interval, Primitive, is_recording, no_grad
from .render import Drawing, draw

__all__ = [
    # nodes
    "Node",
    "Tensor",
    "Value",
    # derivatives
    "check_grads",
    "Disagreement",
    "gradients",
    # recording
    "is_recording",
    "no_grad",
    "topological_order",
    # defining operations
    "Example",
    "Interval",
    "Primitive",
    # pictures
    "draw",
    "Drawing",
    # arithmetic
    "add",
    "div",
    "mul",
    "neg",
    "sub",
    # choosing
    "clip",
    "maximum",
    "minimum",
    "where",
    # elementary functions
    "abs",
    "acos",
    "asin",
    "atan",
    "atan2",
    "cos",
    "cosh",
    "elu",
    "erf",
    "exp",
    "expm1",
    "gelu",
    "leaky_relu",
    "log",
    "log1p",
    "pow",
    "reciprocal",
    "relu",
    "sigmoid",
    "sign",
    "silu",
    "sin",
    "sinh",
    "softplus",
    "sqrt",
    "square",
    "tan",
    "tanh",
    # reductions
    "cumsum",
    "log_softmax",
    "logsumexp",
    "max",
    "mean",
    "min",
    "norm",
    "prod",
    "softmax",
    "std",
    "sum",
    "var",
    # shapes
    "broadcast_to",
    "concatenate",
    "expand_dims",
    "flip",
    "moveaxis",
    "pad",
    "repeat",
    "reshape",
    "split",
    "squeeze",
    "stack",
    "swapaxes",
    "tile",
    "transpose",
    # elements
    "sort",
    # products
    "diagonal",
    "dot",
    "einsum",
    "linear",
    "matmul",
    "outer",
    "trace",
    # errors
    "AutogradError",
    "CheckError",
    "DataError",
    "GradientError",
    "NonFiniteError",
    "OutOfRangeError",
    "PrimitiveError",
    "RenderError",
    "ShapeError",
    "StaleGraphError",
]
