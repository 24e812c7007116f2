"""What stands beside an arrow in a picture lies on that arrow, and is on the page."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from random_graphs import graphs

from autograd import Value, draw
from autograd.render.svg import on_their_arrows

SVG = "{http://www.w3.org/2000/svg}"


def numbers(text: str) -> np.ndarray:
    return np.array(re.findall(r"-?[\d.]+", text), float).reshape(-1, 2)


def along(points: np.ndarray, steps: int = 200) -> np.ndarray:
    """The points of cubic curves by de Casteljau's construction."""
    found = []
    for i in range(0, len(points) - 1, 3):
        for t in np.linspace(0, 1, steps):
            p = points[i : i + 4]
            while len(p) > 1:
                p = (1 - t) * p[:-1] + t * p[1:]
            found.append(p[0])
    return np.array(found)


def assert_labels_on_arrows(svg: str) -> int:
    """Count the labels, each of which its own arrow goes through."""
    root = ET.fromstring(svg)
    width, height = map(float, root.attrib["viewBox"].split()[2:])
    count = 0
    for edge in root.iter(f"{SVG}g"):
        text = edge.find(f"{SVG}text")
        if edge.get("class") != "edge" or text is None:
            continue
        grounds = [p for p in edge.iter(f"{SVG}polygon") if p.get("stroke") == "none"]
        corners = numbers(grounds[0].attrib["points"])
        low, high = corners.min(axis=0), corners.max(axis=0)
        curve = along(numbers(edge.find(f"{SVG}path").attrib["d"]))  # type: ignore[union-attr]
        assert ((curve >= low - 0.5) & (curve <= high + 0.5)).all(axis=1).any()
        x, y = float(text.attrib["x"]), float(text.attrib["y"])
        assert low[0] <= x <= high[0]
        assert low[1] <= y <= high[1]
        assert low[0] >= -4.01 and high[0] <= width - 3.99  # noqa: PT018 (one span)
        assert high[1] <= 4.01 and low[1] >= 3.99 - height  # noqa: PT018
        count += 1
    return count


@pytest.mark.parametrize("direction", ["LR", "RL", "TB", "BT"])
def test_each_number_lies_on_its_own_arrow(direction: str) -> None:
    x = Value(1.8, label="x")
    u = x**2
    y = u * x.sin() + u + x * x
    assert assert_labels_on_arrows(draw(y, show="local", direction=direction).svg) == 10


@settings(max_examples=15, deadline=None)
@given(graphs())
def test_also_in_any_other_graph(graph: tuple[Value, list[Value]]) -> None:
    assert_labels_on_arrows(draw(graph[0], show="local").svg)


def test_a_picture_without_numbers_on_arrows_stays_as_it_is() -> None:
    svg = draw(Value(1.0) * 2.0).svg
    assert on_their_arrows(svg) == svg
