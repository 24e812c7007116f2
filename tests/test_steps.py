"""A backward pass taken apart: what its frames show is what `backward` does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_graphs import graphs
from strategies import CASES, calls, ulps

import autograd as ag
from autograd import DataError, GradientError, ShapeError, StaleGraphError, Tensor, Value
from autograd.graph import topological_order
from autograd.steps import Frame, Steps, steps

BOTH = pytest.mark.parametrize("kind", [Value, Tensor])


def check(output: Any, cotangent: Any = None) -> Steps:
    """Hold every frame of a pass against its definition, and the last against `backward`."""
    order = topological_order(output)
    for node in order:
        node.grad = None
    frames = steps(output, cotangent)
    assert all(node.grad is None for node in order)
    sums: dict[Any, Any] = {}
    for number, frame in enumerate(frames):
        assert (frame.number, frame.output) == (number, output)
        if number:
            assert ulps(frame.cotangent, sums[frame.node]) == 0
        else:
            sums[output] = frame.cotangent
            assert frame.contributions == ()
            assert frame.node is output
        for i, x, c in frame.contributions:
            assert frame.node.inputs[i] is x
            assert not x.is_constant
            sums[x] = sums[x] + c if x in sums else c
        assert [*frame.accumulated] == [*sums]
        assert len(frame.accumulated) == len(sums)
        later = {x for f in frames[number + 1 :] for _, x, _ in f.contributions}
        assert {*frame.done} == sums.keys() - later
        assert len(frame.done) == len({*frame.done})
        assert all((node in frame.done) == (node in sums and node not in later) for node in order)
    visited = [frame.node for frame in frames[1:]]
    places = [{node: i for i, node in enumerate(order)}[node] for node in visited]
    assert places == sorted({*places}, reverse=True)
    output.backward(cotangent)
    last = frames[-1].accumulated
    for node in order:
        if node.grad is None:
            assert node not in last
        else:
            assert ulps(last[node], node.grad) <= 2, node
    return frames


@pytest.mark.parametrize("kind", [Value, Tensor])
@given(data=st.data())
@settings(max_examples=60)
def test_frames_of_random_graphs_are_the_backward_pass(kind: type, data: st.DataObject) -> None:
    check(data.draw(graphs(kind))[0])


@pytest.mark.parametrize("case", CASES)
@given(data=st.data())
@settings(max_examples=1)
def test_frames_of_every_primitive(case: str, data: st.DataObject) -> None:
    call = data.draw(calls(*CASES[case]))
    output = call(*call.leaves())
    if not output.is_constant:
        check(output, np.ones(output.shape))


@BOTH
def test_a_node_on_both_sides_gets_two_contributions(kind: Any) -> None:
    a = kind(3.0, label="a")
    (_, last) = check(a * a)
    assert [(i, x is a, float(c)) for i, x, c in last.contributions] == [
        (0, True, 3.0),
        (1, True, 3.0),
    ]
    assert last.accumulated[a] == 6.0


@BOTH
def test_a_diamond_is_visited_after_both_its_consumers(kind: Any) -> None:
    x = kind(2.0)
    a = x * x
    b = a + 1.0
    frames = check(a * b)
    assert [frame.node is node for frame, node in zip(frames[2:], (b, a), strict=True)] == [
        True
    ] * 2
    assert [a in frame.done for frame in frames] == [False, False, True, True]
    assert [float(frame.accumulated.get(a, 0.0)) for frame in frames] == [0.0, 5.0, 9.0, 9.0]


def test_the_branch_not_taken_has_no_frame_though_its_slope_is_infinite() -> None:
    x = Value(0.0)
    root = ag.sqrt(x)
    frames = check(ag.where(False, root, x * 3.0))
    assert root not in frames[-1].accumulated
    assert frames[-1].accumulated[x] == 3.0


def test_elements_not_taken_get_nothing() -> None:
    x = Tensor([0.0, 4.0])
    frames = check(ag.where(np.array([False, True]), ag.sqrt(x), x * 3.0).sum())
    assert frames[-1].accumulated[x].tolist() == [3.0, 0.25]


def test_a_leaf_alone_has_one_frame() -> None:
    x = Value(2.0, label="x")
    (frame,) = check(x)
    assert (frame.node, frame.cotangent, str(frame)) == (x, 1.0, "1 of 1: x starts with 1")


def test_a_cotangent_flows_from_every_element() -> None:
    x = Tensor([1.0, 2.0])
    frames = check(x * 3.0, [10.0, 1.0])
    assert frames[0].cotangent.tolist() == [10.0, 1.0]
    assert frames[-1].accumulated[x].tolist() == [30.0, 3.0]


def test_dtype_is_that_of_each_node() -> None:
    x = Tensor(np.float32([1.0, 2.0]))
    frames = check((x * x).sum())
    assert {c.dtype for frame in frames for _, _, c in frame.contributions} == {np.dtype("f4")}


def test_arrays_cannot_be_written_to() -> None:
    x = Tensor([1.0, 2.0])
    frames = steps((x + x).sum())
    (_, _, c), _ = frames[-1].contributions
    for array in (frames[0].cotangent, frames[-1].cotangent, c, frames[-1].accumulated[x]):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 5.0


def test_steps_are_a_sequence() -> None:
    a = Value(2.0, label="a")
    frames = steps((a * a).exp())
    assert len(frames) == 3
    assert all(isinstance(frame, Frame) for frame in frames)
    assert [frame.number for frame in frames[1:]] == [1, 2] == [f.number for f in [*frames][1:]]
    assert frames[-1].number == 2
    assert frames[::-1][0].number == 2
    assert repr(frames) == "<Steps of 3 frames>"
    assert repr(frames[1]) == "<Frame 2 of 3: exp has 1 and sends 54.6 to ×>"
    assert frames[1] in frames
    assert frames.index(frames[2]) == 2
    assert frames[1] != frames[2]
    assert frames[1] != steps((a * a).exp())[1]
    for index in (3, -4):
        with pytest.raises(IndexError, match=f"there are 3 frames, counted from 0: got {index}"):
            frames[index]


def test_a_set_of_done_nodes_combines_with_others() -> None:
    a, b = Value(2.0), Value(3.0)
    first, second, _ = steps(a * b + b)
    assert second.done - first.done == {(second.contributions[0][1])}
    assert not second.done & {b}


def test_a_frame_in_words_is_one_short_line() -> None:
    leaves = [Tensor([1.0], label="a\nvery long label " * 1000) for _ in range(100)]
    text = str(steps(ag.concatenate(leaves).sum())[-1])
    assert "\n" not in text
    assert len(text) < 400
    assert "94 more" in text


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: steps(Value(1.0).detach()), GradientError),
        (lambda: steps(Tensor([1.0, 2.0]) * 2.0), GradientError),
        (lambda: steps(Tensor([1.0, 2.0]) * 2.0, [1.0]), ShapeError),
        (lambda: steps(3.0), DataError),  # type: ignore[arg-type]
    ],
)
def test_what_has_no_backward_pass_has_no_steps(make: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        make()


@BOTH
def test_a_stale_graph_is_refused(kind: Any) -> None:
    x = kind(2.0, label="x")
    y = x * x + x
    x.data = 3.0
    with pytest.raises(StaleGraphError, match="'x'"):
        steps(y)


def test_steps_are_not_taken_of_a_recording() -> None:
    with pytest.raises(ag.ReplayError, match="steps"):
        ag.jit(lambda x: len(steps(x * x)) * x)(2.0)


def test_a_long_chain() -> None:
    x = Value(1.0)
    y = x
    for _ in range(20_000):
        y = y + x
    frames = steps(y)
    assert len(frames) == 20_001
    assert frames[-1].accumulated[x] == 20_001.0
    assert len(frames[10_000].accumulated) == 10_002
    assert len(frames[10_000].done) == 10_001
