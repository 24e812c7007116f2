"""Drawing graphs: folded, unfolded, of any kind; from nodes to SVG, the layout included."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

from benchmarks.harness import Case, Figures, Row, main
from benchmarks.micrograd_demo import demo_loss, model_and_value, moons


def moons_net(nodes: int) -> Any:
    """The loss of micrograd's demo, 65,800 nodes whatever was asked for."""
    model, value = model_and_value("autograd")
    return demo_loss(value, model, *moons())


def chain(nodes: int) -> Any:
    from autograd import Value

    x = Value(1.0)
    for _ in range(nodes - 1):
        x = -x
    return x


def net(nodes: int) -> Any:
    """One sample through a net of Values of three layers, about 7 width**2 nodes."""
    import nn
    from autograd import Value

    width = round((nodes / 7) ** 0.5)
    model = nn.MLP(2, [width, width, width, 1], node=Value, rng=0)
    return model([0.5, -0.5])


def tangle(nodes: int) -> Any:
    """Products of two nodes at random of all before, and the sum of all."""
    from autograd import Value

    numbers = random.Random(0)
    made = [Value(0.5) for _ in range(10)]
    while len(made) < nodes // 2:
        made.append(numbers.choice(made) * numbers.choice(made))
    return sum(made, Value(0.0))


def shallow(nodes: int) -> Any:
    """Few layers of many nodes, each with inputs at random of the one before."""
    from autograd import Value

    numbers = random.Random(0)
    made = [Value(0.5) for _ in range(2 * nodes // 11)]
    for _ in range(2):
        made = [numbers.choice(made) * numbers.choice(made) for _ in made]
    while len(made) > 1:
        made = [sum(made[i : i + 2]) for i in range(0, len(made), 2)]
    return made[0]


GRAPHS: dict[str, Callable[[int], Any]] = {
    graph.__name__: graph for graph in (moons_net, chain, net, tangle, shallow)
}


def measure(contender: str) -> Figures:
    from autograd import draw

    name, nodes = contender.split(", ")
    output = GRAPHS[name](int(nodes))
    most = 1000 if name == "moons_net" else 10**6
    draw(output.inputs[0], max_nodes=1).svg  # noqa: B018 (modules and fonts are read once)
    start = time.perf_counter()
    draw(output, max_nodes=most).svg  # noqa: B018
    return {"seconds": time.perf_counter() - start}


def rows(nodes: int, most: float) -> tuple[Row, ...]:
    return tuple(
        Row(
            f"draw a graph of {nodes:,} nodes, {name}",
            "seconds",
            "s",
            f"{name}, {nodes}",
            None,
            most,
        )
        for name in GRAPHS
        if name != "moons_net"
    )


CASE = Case(
    rows=(
        Row("draw the moons net folded", "seconds", "s", "moons_net, 65818", None, 2.0),
        *rows(1000, 1.0),
        *rows(5000, 6.0),
    ),
    measure=measure,
)

if __name__ == "__main__":
    main(CASE)
