"""One training step of an MLP (forward, cross-entropy, backward, SGD), float32, many ways."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.harness import MissingError

LEARNING_RATE = 0.01


def batch_of(size: int, features: int, classes: int) -> tuple[Any, Any]:
    """A made-up batch: inputs of float32, labels."""
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(size, features)).astype(np.float32)
    return inputs, rng.integers(0, classes, size)


def weights_of(*widths: int) -> list[Any]:
    """Weights and biases of the layers between some widths, in turn."""
    rng = np.random.default_rng(1)
    parameters: list[Any] = []
    for n, width in pairwise(widths):
        parameters.append((rng.normal(size=(width, n)) / np.sqrt(n)).astype(np.float32))
        parameters.append(np.zeros(width, np.float32))
    return parameters


# --------------------------------------------------------------------------- ours


def autograd_step(inputs: Any, labels: Any, features: int, hidden: int, classes: int) -> Any:
    import nn
    from autograd import Tensor

    model = nn.MLP(features, [hidden, classes], rng=0, dtype=np.float32)
    optimizer = nn.SGD(model.parameters(), lr=LEARNING_RATE)

    x = Tensor(inputs).detach()

    def step() -> None:
        optimizer.zero_grad()
        loss = nn.cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()

    return step


def jit_loss_step(inputs: Any, labels: Any, features: int, hidden: int, classes: int) -> Any:
    """`jit` over the loss; backward and the optimizer as ever."""
    import nn
    from autograd import jit

    model = nn.MLP(features, [hidden, classes], rng=0, dtype=np.float32)
    optimizer = nn.SGD(model.parameters(), lr=LEARNING_RATE)

    @jit(executor="numpy")
    def loss_of(x: Any, y: Any) -> Any:
        return nn.cross_entropy(model(x), y)

    def step() -> None:
        optimizer.zero_grad()
        loss_of(inputs, labels).backward()
        optimizer.step()

    return step


def jit_step(inputs: Any, labels: Any, features: int, hidden: int, classes: int) -> Any:
    """`jit` over the whole step: parameters in, parameters out."""
    import nn
    from autograd import jit, relu, value_and_grad

    def loss(parameters: Any, x: Any, y: Any) -> Any:
        w1, b1, w2, b2 = parameters
        return nn.cross_entropy(relu(x @ w1.T + b1) @ w2.T + b2, y)

    @jit(executor="numpy")
    def stepped(parameters: Any, x: Any, y: Any) -> Any:
        value, slopes = value_and_grad(loss)(parameters, x, y)
        return value, [p - LEARNING_RATE * g for p, g in zip(parameters, slopes, strict=True)]

    parameters = weights_of(features, hidden, classes)

    def step() -> None:
        nonlocal parameters
        _, parameters = stepped(parameters, inputs, labels)

    return step


# --------------------------------------------------------------------------- peers


def torch_step(
    inputs: Any, labels: Any, features: int, hidden: int, classes: int, compiled: bool = False
) -> Any:
    import torch
    from torch import nn
    from torch.nn.functional import cross_entropy

    torch.set_num_threads(1)
    model = nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, classes))
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)
    x, y = torch.from_numpy(inputs), torch.from_numpy(labels)

    def loss_of(x: Any, y: Any) -> Any:
        return cross_entropy(model(x), y)

    if compiled:
        loss_of = torch.compile(loss_of)

    def step() -> None:
        optimizer.zero_grad()
        loss_of(x, y).backward()
        optimizer.step()

    return step


def torch_compiled_step(inputs: Any, labels: Any, features: int, hidden: int, classes: int) -> Any:
    if not (os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")):
        raise MissingError("torch.compile needs a C++ compiler")
    return torch_step(inputs, labels, features, hidden, classes, compiled=True)


def jax_step(inputs: Any, labels: Any, features: int, hidden: int, classes: int) -> Any:
    import jax
    import jax.numpy as jnp

    rows = np.arange(len(inputs))

    def loss(parameters: Any, x: Any, y: Any) -> Any:
        w1, b1, w2, b2 = parameters
        logits = jax.nn.relu(x @ w1.T + b1) @ w2.T + b2
        return -jnp.mean(jax.nn.log_softmax(logits)[rows, y])

    @jax.jit
    def stepped(parameters: Any, x: Any, y: Any) -> Any:
        value, slopes = jax.value_and_grad(loss)(parameters, x, y)
        return value, [p - LEARNING_RATE * g for p, g in zip(parameters, slopes, strict=True)]

    parameters = [jnp.asarray(p) for p in weights_of(features, hidden, classes)]
    x, y = jnp.asarray(inputs), jnp.asarray(labels)

    def step() -> None:
        nonlocal parameters
        _, parameters = jax.block_until_ready(stepped(parameters, x, y))

    return step


def hips_step(inputs: Any, labels: Any, features: int, hidden: int, classes: int) -> Any:
    import autograd.numpy as anp
    from autograd import value_and_grad

    rows = np.arange(len(inputs))

    def loss(parameters: Any) -> Any:
        w1, b1, w2, b2 = parameters
        logits = anp.dot(anp.maximum(anp.dot(inputs, w1.T) + b1, 0), w2.T) + b2
        logits = logits - anp.max(logits, axis=1, keepdims=True)
        return anp.mean(anp.log(anp.sum(anp.exp(logits), axis=1)) - logits[rows, labels])

    parameters = weights_of(features, hidden, classes)
    both = value_and_grad(loss)

    def step() -> None:
        _, slopes = both(parameters)
        for parameter, gradient in zip(parameters, slopes, strict=True):
            parameter -= LEARNING_RATE * gradient

    return step


def mygrad_step(inputs: Any, labels: Any, features: int, hidden: int, classes: int) -> Any:
    import mygrad
    from mygrad.nnet.activations import relu
    from mygrad.nnet.losses import softmax_crossentropy

    mygrad.turn_memory_guarding_off()  # which its documentation advises for speed
    parameters = [mygrad.tensor(p) for p in weights_of(features, hidden, classes)]

    def step() -> None:
        w1, b1, w2, b2 = parameters
        logits = relu(inputs @ w1.T + b1) @ w2.T + b2
        softmax_crossentropy(logits, labels).backward()
        for parameter in parameters:
            parameter.data -= LEARNING_RATE * parameter.grad

    return step


def tinygrad_step(inputs: Any, labels: Any, features: int, hidden: int, classes: int) -> Any:
    if shutil.which("clang") is None:
        raise MissingError("tinygrad needs clang where it runs on the processor")
    from tinygrad import Context, Tensor, TinyJit, nn

    parameters = [Tensor(p).is_param_() for p in weights_of(features, hidden, classes)]
    x, y = Tensor(inputs), Tensor(labels)
    optimizer = nn.optim.SGD(parameters, lr=LEARNING_RATE)

    @TinyJit
    def stepped() -> Any:
        w1, b1, w2, b2 = parameters
        optimizer.zero_grad()
        loss = ((x @ w1.T + b1).relu() @ w2.T + b2).sparse_categorical_crossentropy(y)
        loss.backward()
        optimizer.step()
        return loss.realize()

    def step() -> None:
        with Context(TRAINING=1):
            stepped().item()

    return step


# --------------------------------------------------------------------------- by hand


def numpy_step(inputs: Any, labels: Any, features: int, hidden: int, classes: int) -> Any:
    """By hand, every derivative worked out on paper; as one would write it."""
    w1, b1, w2, b2 = weights_of(features, hidden, classes)
    x, size = inputs, len(inputs)
    picked = (np.arange(size), labels)

    def step() -> float:
        h = np.maximum(x @ w1.T + b1, 0)
        logits = h @ w2.T + b2
        logits -= logits.max(axis=1, keepdims=True)
        exps = np.exp(logits)
        sums = exps.sum(axis=1, keepdims=True)
        loss = (np.log(sums[:, 0]) - logits[picked]).mean()

        d_logits = exps / sums
        d_logits[picked] -= 1
        d_logits /= size
        d_h = d_logits @ w2
        d_h *= h > 0
        for parameter, gradient in (
            (w1, d_h.T @ x),
            (b1, d_h.sum(axis=0)),
            (w2, d_logits.T @ h),
            (b2, d_logits.sum(axis=0)),
        ):
            gradient *= LEARNING_RATE
            parameter -= gradient
        return float(loss)

    return step


def numpy_out_step(inputs: Any, labels: Any, features: int, hidden: int, classes: int) -> Any:
    """By hand with all memory laid out beforehand: what NumPy can do at most."""
    parameters = w1, b1, w2, b2 = weights_of(features, hidden, classes)
    gradients = dw1, db1, dw2, db2 = [np.empty_like(p) for p in parameters]
    x, size = inputs, len(inputs)
    h, dh = np.empty((2, size, hidden), np.float32)
    active = np.empty((size, hidden), bool)
    logits, exps = np.empty((2, size, classes), np.float32)
    column, logs = np.empty((2, size, 1), np.float32)
    places = np.arange(size) * classes + labels
    picked, flat_logits, flat_exps = np.empty(size, np.float32), logits.ravel(), exps.ravel()
    rate, per_sample = np.float32(LEARNING_RATE), np.float32(1 / size)

    def step() -> float:
        np.matmul(x, w1.T, out=h)
        np.add(h, b1, out=h)
        np.maximum(h, 0, out=h)
        np.matmul(h, w2.T, out=logits)
        np.add(logits, b2, out=logits)
        np.maximum.reduce(logits, axis=1, keepdims=True, out=column)
        np.subtract(logits, column, out=logits)
        np.exp(logits, out=exps)
        np.add.reduce(exps, axis=1, keepdims=True, out=column)
        flat_logits.take(places, out=picked, mode="clip")
        np.log(column, out=logs)
        loss = (np.add.reduce(logs, axis=None) - np.add.reduce(picked)) / size

        np.divide(exps, column, out=exps)
        flat_exps[places] -= 1
        np.multiply(exps, per_sample, out=exps)
        np.matmul(exps, w2, out=dh)
        np.greater(h, 0, out=active)
        np.multiply(dh, active, out=dh)
        np.matmul(dh.T, x, out=dw1)
        np.add.reduce(dh, axis=0, out=db1)
        np.matmul(exps.T, h, out=dw2)
        np.add.reduce(exps, axis=0, out=db2)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            np.multiply(gradient, rate, out=gradient)
            np.subtract(parameter, gradient, out=parameter)
        return float(loss)

    return step


STEPS: dict[str, Callable[..., Callable[[], object]]] = {
    "autograd": autograd_step,
    "jit loss": jit_loss_step,
    "jit step": jit_step,
    "torch": torch_step,
    "torch.compile": torch_compiled_step,
    "JAX": jax_step,
    "HIPS": hips_step,
    "MyGrad": mygrad_step,
    "tinygrad": tinygrad_step,
    "numpy": numpy_step,
    "numpy out": numpy_out_step,
}
ENVIRONMENTS = {"HIPS": "hips", "MyGrad": "mygrad", "tinygrad": "tinygrad"}


def make_step(contender: str, batch: int, features: int, hidden: int, classes: int) -> Any:
    """The contender's training step, ready to call."""
    inputs, labels = batch_of(batch, features, classes)
    return STEPS[contender](inputs, labels, features, hidden, classes)
