"""micrograd's own demo: two moons, 100 points, MLP 2-16-16-1, max-margin loss plus L2; the
forward and backward pass of one full-batch step.

`autograd` and micrograd do it with their own `MLP` of `Value`s. "jit" and CasADi take the
parameters as numbers and give the loss and its gradient as numbers; "jit loop" is the step of
`autograd` with `jit` over the loss and nothing else changed. "by hand" is NumPy, with every
derivative worked out on paper.
"""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from benchmarks.harness import Case, Figures, Row, main, seconds_per_call

WIDTHS = [2, 16, 16, 1]
DECAY = 1e-4


def moons(count: int = 100, noise: float = 0.1) -> tuple[list[list[float]], list[int]]:
    """Two interleaving half circles, labelled -1 and 1."""
    import numpy as np

    rng = np.random.default_rng(1)
    angles = np.linspace(0.0, np.pi, count // 2)
    upper = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points = np.concatenate([upper, [1.0, 0.5] - upper]) + rng.normal(0.0, noise, (count, 2))
    return points.tolist(), [-1] * (count // 2) + [1] * (count // 2)


def demo_loss(value: Any, model: Any, points: list[list[float]], labels: list[int]) -> Any:
    """The loss as the demo writes it, with either engine's `Value`."""
    scores = [model([value(number) for number in point]) for point in points]
    losses = [(1 + -label * score).relu() for label, score in zip(labels, scores, strict=True)]
    data_loss = sum(losses) * (1.0 / len(losses))
    return data_loss + DECAY * sum(p * p for p in model.parameters())


def first_parameters() -> list[float]:
    """Of each neuron in turn its weights, then its bias."""
    numbers = random.Random(1337)
    neurons = [n for n, width in pairwise(WIDTHS) for _ in range(width)]
    return [x for n in neurons for x in [*(numbers.uniform(-1, 1) for _ in range(n)), 0.0]]


def scalar_loss(relu: Callable[[Any], Any], points: Any, labels: Any) -> Callable[[Any], Any]:
    """The same loss as a function of a sequence of parameters, for any kind of number."""

    def loss(parameters: Sequence[Any]) -> Any:
        numbers = iter(parameters)
        layers = [
            [([next(numbers) for _ in range(n)], next(numbers)) for _ in range(width)]
            for n, width in pairwise(WIDTHS)
        ]

        def score(x: Any) -> Any:
            for layer in layers:
                x = [sum((w * a for w, a in zip(ws, x, strict=True)), b) for ws, b in layer]
                x = x if layer is layers[-1] else [relu(a) for a in x]
            return x[0]

        margins = [relu(1 + -y * score(x)) for x, y in zip(points, labels, strict=True)]
        return sum(margins) * (1.0 / len(margins)) + DECAY * sum(p * p for p in parameters)

    return loss


# --------------------------------------------------------------------------- the contenders


def model_and_value(contender: str) -> tuple[Any, Any]:
    random.seed(1337)
    if contender == "micrograd":
        from micrograd.engine import Value
        from micrograd.nn import MLP

        return MLP(WIDTHS[0], WIDTHS[1:]), Value
    import nn
    from autograd import Value

    return nn.MLP(WIDTHS[0], WIDTHS[1:], node=Value), Value


def eager_step(contender: str) -> Callable[[], object]:
    model, value = model_and_value(contender)
    points, labels = moons()

    def step() -> None:
        loss = demo_loss(value, model, points, labels)
        model.zero_grad()
        loss.backward()

    return step


def loop_step(executor: str) -> Callable[[], object]:
    from autograd import jit

    model, value = model_and_value("autograd")
    points, labels = moons()
    loss_of = jit(lambda: demo_loss(value, model, points, labels), executor=executor)

    def step() -> None:
        loss = loss_of()
        model.zero_grad()
        loss.backward()

    return step


def jit_step(executor: str) -> Callable[[], object]:
    from autograd import jit, relu, value_and_grad

    both = jit(value_and_grad(scalar_loss(relu, *moons())), executor=executor)
    parameters = first_parameters()
    return lambda: both(parameters)


def casadi_step() -> Callable[[], object]:
    import casadi
    import numpy as np

    symbols = casadi.SX.sym("p", len(first_parameters()))
    loss = scalar_loss(lambda x: casadi.fmax(x, 0), *moons())(casadi.vertsplit(symbols))
    both = casadi.Function("both", [symbols], [loss, casadi.gradient(loss, symbols)])
    memory, run = both.buffer()
    parameters = np.array(first_parameters())
    results = np.zeros(1), np.zeros(len(parameters))
    memory.set_arg(0, memoryview(parameters))
    for i, result in enumerate(results):
        memory.set_res(i, memoryview(result))

    def step() -> Any:
        run()
        return parameters, results, memory  # which the buffer only points to

    return step


def by_hand_step() -> Callable[[], object]:
    """One vector of parameters, layer by layer the weights, then the biases; views of it."""
    import numpy as np

    x, y = map(np.array, moons())
    count = len(x)
    vector, gradient = np.array(by_layer(first_parameters())), np.empty(len(first_parameters()))
    (w1, b1), (w2, b2), (w3, b3) = layers_of(vector)
    (dw1, db1), (dw2, db2), (dw3, db3) = layers_of(gradient)
    h1, h2, d1, d2 = (np.empty((count, n)) for n in (16, 16, 16, 16))
    margins, d3 = np.empty((count, 1)), np.empty((count, 1))
    minus_y = -y[:, None].astype(float)
    each = minus_y / count
    decay = np.empty_like(vector)

    def step() -> tuple[float, Any]:
        np.matmul(x, w1.T, out=h1)
        np.add(h1, b1, out=h1)
        np.maximum(h1, 0, out=h1)
        np.matmul(h1, w2.T, out=h2)
        np.add(h2, b2, out=h2)
        np.maximum(h2, 0, out=h2)
        np.matmul(h2, w3.T, out=margins)
        np.add(margins, b3, out=margins)
        np.multiply(margins, minus_y, out=margins)
        np.add(margins, 1, out=margins)
        np.multiply(each, margins > 0, out=d3)
        np.maximum(margins, 0, out=margins)
        loss = margins.sum() / count + DECAY * vector.dot(vector)

        np.matmul(d3.T, h2, out=dw3)
        d3.sum(axis=0, out=db3)
        np.multiply(d3, w3, out=d2)
        np.multiply(d2, h2 > 0, out=d2)
        np.matmul(d2.T, h1, out=dw2)
        d2.sum(axis=0, out=db2)
        np.matmul(d2, w2, out=d1)
        np.multiply(d1, h1 > 0, out=d1)
        np.matmul(d1.T, x, out=dw1)
        d1.sum(axis=0, out=db1)
        np.multiply(vector, 2 * DECAY, out=decay)
        np.add(gradient, decay, out=gradient)
        return float(loss), gradient

    return step


def layers_of(vector: Any) -> list[tuple[Any, Any]]:
    """The weights and biases of each layer, as views of a vector."""
    layers, start = [], 0
    for n, width in pairwise(WIDTHS):
        middle, end = start + n * width, start + n * width + width
        layers.append((vector[start:middle].reshape(width, n), vector[middle:end]))
        start = end
    return layers


def by_layer(parameters: list[float]) -> list[float]:
    """Parameters that come neuron by neuron, in the order of `layers_of`."""
    numbers, ordered = iter(parameters), []
    for n, width in pairwise(WIDTHS):
        neurons = [[next(numbers) for _ in range(n + 1)] for _ in range(width)]
        ordered += [w for neuron in neurons for w in neuron[:-1]] + [b for *_, b in neurons]
    return ordered


STEPS: dict[str, Callable[[], Callable[[], object]]] = {
    "autograd": lambda: eager_step("autograd"),
    "micrograd": lambda: eager_step("micrograd"),
    "jit numpy": lambda: jit_step("numpy"),
    "jit numba": lambda: jit_step("numba"),
    "jit loop numpy": lambda: loop_step("numpy"),
    "jit loop numba": lambda: loop_step("numba"),
    "CasADi": casadi_step,
    "by hand": by_hand_step,
}


def measure(contender: str) -> Figures:
    step = STEPS[contender]()
    figures = {"step": seconds_per_call(step, budget=3.0)}
    if contender == "autograd":
        gc.disable()
        without = seconds_per_call(step, budget=3.0)
        gc.enable()
        figures["collector"] = 1 - without / figures["step"]
    return figures


WHAT = "micrograd's demo, loss and gradients"
CASE = Case(
    rows=(
        Row(WHAT, "step", "ms", "autograd", "micrograd", 1 / 15),
        Row("the garbage collector's share of it", "collector", "%", "autograd"),
        Row(WHAT, "step", "ms", "jit numpy", "micrograd", 0.001),
        Row(WHAT, "step", "ms", "jit numpy", "CasADi", 2.0),
        Row(WHAT, "step", "ms", "jit numba", "CasADi", 1 / 1.5),
        Row(WHAT, "step", "ms", "jit numba", "by hand", 4.0),
        Row(WHAT, "step", "ms", "jit numpy", "autograd"),
        Row(f"{WHAT}, backward()", "step", "ms", "jit loop numpy", "autograd"),
        Row(f"{WHAT}, backward()", "step", "ms", "jit loop numba", "autograd"),
    ),
    measure=measure,
    environments={"jit numba": "numba", "jit loop numba": "numba", "CasADi": "casadi"},
)

if __name__ == "__main__":
    main(CASE)
