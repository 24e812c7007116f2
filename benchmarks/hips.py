"""`value_and_grad` beside the other `autograd` package, on such functions as it times itself.

The functions are written for its `autograd.numpy` and run on ours as they are. Since both packages
are imported as `autograd`, the other one is measured in a virtual environment of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from benchmarks.harness import Case, Figures, Row, main, seconds_per_call

Workload = Callable[..., tuple[Callable[..., Any], tuple[Any, ...]]]
"""Makes, with the `numpy` to use, a function of one number and the arguments to call it with."""


def short_function(np: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """One operation on one number: what a call costs."""
    return lambda x: x**2, (2.0,)


def long_function(np: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """A chain of NumPy's function on one number."""

    def chain(x: Any) -> Any:
        for _ in range(50):
            x = np.sin(x)
        return x

    return chain, (2.0,)


def fan_out(start: Callable[[Any], Any]) -> Workload:
    """A chain that uses each result twice: exponential for who does not add cotangents up."""

    def workload(np: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        def chain(x: Any) -> Any:
            for _ in range(10_000):
                x = (x + x) / 2.0
            return np.sum(x)

        return chain, (start(np),)

    return workload


def logistic_regression(np: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """The log-likelihood of 100 labels, from probabilities as their example has it."""
    random = np.random.RandomState(0)
    inputs = random.normal(size=(100, 8))
    targets = random.uniform(size=100) > 0.5

    def loss(weights: Any) -> Any:
        predictions = 0.5 * (np.tanh(np.dot(inputs, weights)) + 1)
        likely = predictions * targets + (1 - predictions) * (1 - targets)
        return -np.sum(np.log(likely))

    return loss, (0.1 * random.normal(size=8),)


def mlp(np: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """A net 64-32-10 with tanh, batch 32: minus the log-posterior."""
    random = np.random.RandomState(0)
    sizes = [64, 32, 10]
    layers = [
        (0.1 * random.normal(size=(n, m)), 0.1 * random.normal(size=m)) for n, m in pairwise(sizes)
    ]
    inputs = random.normal(size=(32, 64))
    targets = np.eye(10)[random.randint(0, 10, 32)]

    def loss(layers: Any) -> Any:
        hidden, outputs = inputs, inputs
        for weights, bias in layers:
            outputs = np.dot(hidden, weights) + bias
            hidden = np.tanh(outputs)
        scores = outputs - np.log(np.sum(np.exp(outputs), axis=1, keepdims=True))
        size = sum(np.sum(w**2) + np.sum(b**2) for w, b in layers)
        return 0.01 * size - np.sum(scores * targets)

    return loss, (layers,)


def rnn(features: int, steps: int, dtype: str) -> Workload:
    """A plain recurrent net, batch 16, and the logistic loss of its last state."""

    def workload(np: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        random = np.random.RandomState(0)

        def small(*shape: int) -> Any:
            return (0.01 * random.normal(size=shape)).astype(dtype)

        parameters = small(features, features), small(features), small(features, 1), small(1)
        inputs = small(16, features)
        labels = (random.uniform(size=(16, 1)) > 0.5).astype(dtype)

        def loss(parameters: Any) -> Any:
            w, b, w_out, b_out = parameters
            state = inputs
            for _ in range(steps):
                state = np.tanh(np.dot(state, w) + b)
            logit = np.dot(state, w_out) + b_out
            return -np.sum(labels * logit - (logit + np.log(1 + np.exp(-logit))))

        return loss, (parameters,)

    return workload


WORKLOADS: dict[str, Workload] = {
    "short": short_function,
    "long": long_function,
    "fan_out": fan_out(lambda np: 2.0),
    "fan_out_array": fan_out(lambda np: np.arange(1.0, 11.0)),
    "logistic": logistic_regression,
    "mlp": mlp,
    "rnn_step": rnn(features=32, steps=1, dtype="float64"),
    "rnn": rnn(features=32, steps=50, dtype="float64"),
    "rnn_large": rnn(features=1024, steps=50, dtype="float32"),
}


def measure(contender: str) -> Figures:
    import autograd
    import autograd.numpy as np

    assert hasattr(autograd, "Value") == (contender == "autograd"), autograd.__file__
    figures = {}
    for name, workload in WORKLOADS.items():
        function, arguments = workload(np)
        both = autograd.value_and_grad(function)
        figures[name] = seconds_per_call(lambda both=both, args=arguments: both(*args))
    return figures


def row(what: str, figure: str, unit: str = "us", at_most: float | None = 0.5) -> Row:
    return Row(f"value_and_grad, {what}", figure, unit, "autograd", "HIPS", at_most)


CASE = Case(
    rows=(
        row("x**2 of a float", "short"),
        row("50 times np.sin of a float", "long"),
        row("10,000 times (x + x) / 2 of a float", "fan_out", "ms"),
        row("10,000 times (x + x) / 2 of an array", "fan_out_array", "ms"),
        row("logistic regression, 100 by 8", "logistic"),
        row("MLP 64-32-10, batch 32", "mlp"),
        row("RNN step, 32 features, batch 16", "rnn_step"),
        row("RNN, 50 steps, 32 features, batch 16", "rnn"),
        # Here products of matrices take the time, of which both do the same.
        row("RNN, 50 steps, 1024 features, batch 16, float32", "rnn_large", "ms", None),
    ),
    measure=measure,
    environments={"HIPS": "hips"},
)

if __name__ == "__main__":
    main(CASE)
