"""The plots: what is drawn, where, in which bytes, and without leaving anything behind."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

import nn
from autograd import DataError, NonFiniteError, ShapeError, Tensor, Value, gradients
from nn import MLP, SGD, Dropout, History, Linear, Module, ReLU, Residual, Sequential, cross_entropy
from nn.data import moons
from nn.history import Epoch
from nn.layers import ACTIVATIONS
from nn.plots import (
    BoundaryFrames,
    animate_boundary,
    plot_activations,
    plot_boundary,
    plot_confusion,
    plot_gradients,
    plot_loss,
    plot_mistakes,
    plot_rate_search,
    plot_weights,
    save,
    save_animation,
)
from nn.plots.recording import outputs_of
from nn.rates import RateSearch
from nn.steps import forward, shaped_like

POINTS = moons(40)
HISTORY = History(loss=[2.0, 0.5, 0.1], accuracy=[0.5, 0.9, 1.0])
RATES = np.array([0.01, 0.03, 0.1, 0.3, 1.0, 3.0])
SEARCH = RateSearch(RATES, np.array([2.0, 1.9, 1.5, 0.6, 0.4, 9.0]))
NET = MLP(2, [4, 2], rng=0)


def line(points: Any) -> Any:
    """Scores of a classifier whose boundary is the line x0 = 2 x1."""
    return points @ np.array([1.0, -2.0])


PLOTS: dict[str, Callable[..., Any]] = {
    "loss": lambda ax=None: plot_loss(HISTORY, ax),
    "confusion": lambda ax=None: plot_confusion([[5, 0], [1, 4]], ax=ax),
    "boundary": lambda ax=None: plot_boundary(line, POINTS.x, POINTS.y, ax, resolution=20),
    "rate search": lambda ax=None: plot_rate_search(SEARCH, ax),
    "weights": lambda ax=None: plot_weights(NET, (1, 2), ax),
    "mistakes": lambda ax=None: plot_mistakes([1, 0], np.eye(2, 6), [0, 1], None, (2, 3), ax),
    "no mistakes": lambda ax=None: plot_mistakes([0, 1], np.eye(2, 4), [0, 1], ax=ax),
    "activations": lambda ax=None: plot_activations(NET, POINTS.x, ax),
    "gradients": lambda ax=None: plot_gradients(NET, cross_entropy, POINTS, ax),
}


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_draws_on_the_axes_it_is_given(name: str) -> None:
    left, right = Figure().subplots(1, 2)
    assert PLOTS[name](right) is right
    assert right.has_data() or right.texts
    assert not left.has_data()
    assert not left.texts


FORMATS = {".png": b"\x89PNG", ".svg": b"<?xml", ".PDF": b"%PDF"}


@pytest.mark.parametrize(
    ("name", "ending"), [("loss", ".png"), ("loss", ".PDF"), *((name, ".svg") for name in PLOTS)]
)
def test_the_same_plot_is_saved_as_the_same_bytes(name: str, ending: str, tmp_path: Path) -> None:
    settings = dict(matplotlib.rcParams)
    paths = [save(PLOTS[name](), tmp_path / f"{i}{ending}") for i in range(2)]
    first, second = (path.read_bytes() for path in paths)
    assert first.startswith(FORMATS[ending])
    assert first == second
    assert dict(matplotlib.rcParams) == settings


def test_plots_import_matplotlib_when_drawing_and_never_pyplot(tmp_path: Path) -> None:
    code = """
import sys
from nn.plots import plot_confusion, save
assert "matplotlib" not in sys.modules
save(plot_confusion([[1]]), sys.argv[1])
assert "matplotlib" in sys.modules
assert "matplotlib.pyplot" not in sys.modules
"""
    picture = tmp_path / "picture.png"
    root = Path(str(nn.__file__)).parent.parent
    subprocess.run([sys.executable, "-c", code, picture], cwd=root, check=True)
    assert picture.exists()


@pytest.mark.parametrize("name", PLOTS)
def test_without_matplotlib_the_error_says_what_to_install(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'matplotlib: pip install "autograd-nn\[plots\]"'):
        PLOTS[name]()


@pytest.mark.parametrize("name", ["plot", "plot.jpg", "plot.png.txt"])
def test_save_refuses_other_formats(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"saved as \.png, \.svg or \.pdf, got 'plot"):
        save(PLOTS["loss"](), tmp_path / name)


def test_save_into_a_missing_folder_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        save(PLOTS["loss"](), tmp_path / "missing" / "loss.png")


# --- loss -----------------------------------------------------------------------------------


NAN = float("nan")


def legend(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_the_loss_is_drawn_by_epoch_with_the_accuracy_on_an_axis_of_its_own() -> None:
    ax: Any = plot_loss(HISTORY)
    (loss,) = ax.lines
    assert loss.get_xydata().tolist() == [[1, 2.0], [2, 0.5], [3, 0.1]]
    (_, right) = ax.figure.axes
    assert right.lines[0].get_ydata().tolist() == HISTORY.accuracy
    assert legend(ax) == ["training loss", "training accuracy"]


def test_curves_of_the_validation_data_are_dashed() -> None:
    history = History(
        loss=[1.0, 0.5],
        accuracy=[0.5, 0.8],
        validation_loss=[1.1, 0.7],
        validation_accuracy=[0.4, 0.7],
    )
    ax: Any = plot_loss(history)
    for axes in ax.figure.axes:
        assert [curve.get_linestyle() for curve in axes.lines] == ["-", "--"]
    assert legend(ax)[1::2] == ["validation loss", "validation accuracy"]


@pytest.mark.parametrize("accuracy", [[], [NAN, NAN]])
def test_a_history_without_accuracy_has_one_axis(accuracy: list[float]) -> None:
    ax: Any = plot_loss(History(loss=[1.0, 0.5], accuracy=accuracy))
    assert ax.figure.axes == [ax]
    assert legend(ax) == ["training loss"]


@pytest.mark.parametrize(
    ("loss", "validation", "scale"),
    [
        ([1.0, 0.2], [], "linear"),
        ([1.0, 0.05], [], "log"),
        ([1.0, 0.5], [0.5, 0.01], "log"),
        ([1.0, 1e-12], [], "log"),
        ([1.0, NAN, 0.01], [NAN] * 3, "log"),
        ([1.0, 0.0], [], "linear"),
        ([1.0, -5.0], [], "linear"),
        ([1.0, float("inf")], [], "linear"),
        ([NAN, NAN], [], "linear"),
        ([0.5], [], "linear"),
    ],
)
def test_the_scale_is_logarithmic_where_the_loss_spans_a_decade(
    loss: list[float], validation: list[float], scale: str, tmp_path: Path
) -> None:
    ax = plot_loss(History(loss=loss, validation_loss=validation))
    assert ax.get_yscale() == scale
    save(ax, tmp_path / "loss.png")  # no warning on the way


def test_an_empty_history_is_refused() -> None:
    with pytest.raises(ValueError, match="the history has no epochs"):
        plot_loss(History())


@pytest.mark.parametrize("history", [None, [1.0], History])
def test_what_is_no_history_is_refused(history: Any) -> None:
    with pytest.raises(DataError, match=r"history must be of type nn\.History, got"):
        plot_loss(history)


@pytest.mark.parametrize("name", PLOTS)
@pytest.mark.parametrize("ax", ["a", 3, Figure().subplots(1, 2)])
def test_what_are_no_axes_is_refused(name: str, ax: Any) -> None:
    with pytest.raises(DataError, match="ax must be matplotlib axes, got"):
        PLOTS[name](ax)


@pytest.mark.parametrize("ax", [None, Figure()])
def test_only_axes_are_saved(ax: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="ax must be matplotlib axes, got"):
        save(ax, tmp_path / "loss.png")


def test_the_best_epoch_is_marked_where_there_is_one() -> None:
    assert "best" not in " ".join(legend(plot_loss(HISTORY)))
    history = History(loss=[2.0, 0.5, 0.1], validation_loss=[2.0, 0.7, 0.9], best_epoch=2)
    ax: Any = plot_loss(history)
    assert legend(ax)[-1] == "best epoch: 2"
    assert ax.lines[-1].get_xdata() == [2, 2]


# --- search for a learning rate -------------------------------------------------------------


def test_the_search_is_drawn_with_its_suggestion() -> None:
    ax: Any = plot_rate_search(SEARCH)
    raw, smooth, mark = ax.lines
    assert raw.get_xydata().tolist() == np.stack([RATES, SEARCH.losses], axis=1).tolist()
    assert smooth.get_ydata().tolist() == SEARCH.smoothed.tolist()
    assert mark.get_xdata() == [SEARCH.suggestion] * 2
    assert legend(ax)[-1] == f"suggestion: {SEARCH.suggestion:g}"
    assert ax.get_xscale() == "log"


def test_a_loss_that_blows_up_does_not_flatten_the_rest() -> None:
    low, high = plot_rate_search(SEARCH).get_ylim()
    assert low < 0.4
    assert 2.0 < high < 3.0


@pytest.mark.parametrize("losses", [[0.5], [0.5, 0.5]])
def test_a_flat_search_is_drawn(losses: list[float], tmp_path: Path) -> None:
    search = RateSearch(np.geomspace(0.1, 1, len(losses)), np.array(losses))
    save(plot_rate_search(search), tmp_path / "search.png")


def test_what_is_no_search_is_refused() -> None:
    with pytest.raises(DataError, match=r"search must be of type nn\.RateSearch, got History"):
        plot_rate_search(HISTORY)  # type: ignore[arg-type]


# --- confusion matrix -----------------------------------------------------------------------


def test_the_confusion_matrix_shows_counts_names_and_the_total() -> None:
    ax = plot_confusion([[5, 0], [1, 4]], ["cat", "dog"])
    assert [(t.get_position(), t.get_text()) for t in ax.texts] == [
        ((0, 0), "5"),
        ((1, 0), "0"),
        ((0, 1), "1"),
        ((1, 1), "4"),
    ]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["cat", "dog"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["cat", "dog"]
    assert ax.get_title() == "9 of 10 right (90.0 %)"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted class", "true class")


def test_right_is_blue_mistakes_are_orange_and_zero_is_white() -> None:
    (image,) = plot_confusion([[5, 0], [1, 4]]).images
    colors = np.asarray(image.get_array())
    red, blue = colors[..., 0], colors[..., 2]
    assert blue[0, 0] > red[0, 0]
    assert red[1, 0] > blue[1, 0]
    assert colors[0, 1].tolist() == [1, 1, 1]


def test_a_dollar_sign_in_a_name_starts_no_formula(tmp_path: Path) -> None:
    save(plot_confusion([[5, 0], [1, 4]], ["$x^$", "US$"]), tmp_path / "confusion.png")


@pytest.mark.parametrize("matrix", [[[7]], np.zeros((3, 3), int), np.eye(60, dtype=int)])
def test_odd_matrices_are_drawn(matrix: Any, tmp_path: Path) -> None:
    save(plot_confusion(matrix), tmp_path / "confusion.png")


@pytest.mark.parametrize(
    ("matrix", "names", "error", "message"),
    [
        ([[1, 2]], None, ShapeError, r"matrix must be square, .* got \(1, 2\)"),
        ([], None, ShapeError, "matrix must be square"),
        (3, None, ShapeError, "matrix must be square"),
        ([[1, 2], [3, -4]], None, ValueError, "matrix must hold counts, got -4"),
        ([[1, 2], [3, 4]], ["a"], ShapeError, "class_names needs 2 names, got 1"),
        (
            [[1, 2], [3, 4]],
            ["a", "b", "c", "d"],
            ShapeError,
            "has 4 names, but there are 2 classes",
        ),
        ([[1, 2], [3, 4]], "ab", DataError, "class_names must be a list of names, got 'ab'"),
        ([[1, 2], [3, 4]], 2, DataError, "class_names must be a list of names, got 2"),
        ([["a"]], None, DataError, "matrix must hold real numbers"),
    ],
)
def test_what_is_no_confusion_matrix_is_refused(
    matrix: Any, names: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        plot_confusion(matrix, names)


# --- decision boundary ----------------------------------------------------------------------

PREDICTORS: dict[str, Callable[[Any], Any]] = {
    "vector": line,
    "column": lambda points: line(points)[:, None],
    "matrix": lambda points: np.stack([-line(points), line(points)], axis=1),
    "tensor": lambda points: Tensor(line(points)),
    "float32": lambda points: line(points).astype(np.float32),
}


@pytest.mark.parametrize("kind", PREDICTORS)
def test_the_boundary_is_where_the_score_is_zero(kind: str) -> None:
    ax = plot_boundary(PREDICTORS[kind], *POINTS, resolution=30)
    lines = [c for c in ax.collections if getattr(c, "levels", np.empty(0)).tolist() == [0]]
    assert len(lines) == 2  # one a class, the same
    for contour in lines:
        (path,) = contour.get_paths()
        np.testing.assert_allclose(line(np.asarray(path.vertices)), 0, atol=1e-6)


def test_the_points_are_drawn_by_class_and_named() -> None:
    x, y = POINTS
    ax: Any = plot_boundary(line, x, y, resolution=10, class_names=["sun", "moon"])
    dots = [c for c in ax.collections if c.get_label() in ("sun", "moon")]
    for k, scatter in enumerate(dots):
        assert np.array_equal(np.asarray(scatter.get_offsets()), x[y == k])
    assert legend(ax) == ["sun", "moon"]


def test_predict_is_called_once_on_a_grid_around_the_points() -> None:
    calls: list[Any] = []

    def predict(points: Any) -> Any:
        calls.append(points)
        return line(points)

    plot_boundary(predict, *POINTS, resolution=12)
    (grid,) = calls
    assert grid.shape == (144, 2)
    assert np.all(grid.min(axis=0) < POINTS.x.min(axis=0))
    assert np.all(grid.max(axis=0) > POINTS.x.max(axis=0))


@pytest.mark.parametrize(
    "predict",
    [
        lambda points: np.zeros(len(points)),
        lambda points: np.ones(len(points)),
        lambda points: np.zeros((len(points), 3)),
        lambda points: np.c_[points, -points, points],  # ties, and six classes
        lambda points: np.tile(np.arange(9.0), (len(points), 1)),  # more than there are colours
    ],
    ids=["no decision", "one class", "ties", "equal columns", "nine classes"],
)
def test_odd_classifiers_are_drawn(predict: Any, tmp_path: Path) -> None:
    save(plot_boundary(predict, *POINTS, resolution=15), tmp_path / "boundary.png")


def test_points_on_one_spot_are_drawn(tmp_path: Path) -> None:
    save(plot_boundary(line, [[1.0, 1.0]] * 3, [0, 1, 0]), tmp_path / "boundary.png")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"x": np.zeros((2, 3))}, ShapeError, r"points of the plane, shape \(n, 2\), got \(2, 3\)"),
        ({"x": [[0.0, np.nan], [0, 0]]}, ValueError, "x must be finite"),
        ({"x": [[0.0, 1.0]]}, ShapeError, "one row a sample each"),
        ({"y": [-1, 1]}, ValueError, r"for classes -1 and \+1 pass y > 0"),
        ({"predict": lambda p: p[:3]}, ShapeError, r"must return shape \(16,\) .* got \(3, 2\)"),
        ({"predict": lambda p: p[:, :, None]}, ShapeError, r"must return .* got \(16, 2, 1\)"),
        ({"predict": lambda p: p * np.nan}, ValueError, "nan or inf: has training diverged"),
        ({"predict": lambda p: None}, DataError, "the scores must hold real numbers"),
        ({"class_names": ["one"]}, ShapeError, "class_names needs 2 names, got 1"),
        ({"resolution": 1}, ValueError, "resolution must be at least 2, got 1"),
        ({"resolution": 10**9}, ValueError, "resolution must be at most 10000"),
        ({"predict": None}, DataError, r"predict must be a function, called as predict\(points\)"),
        ({"class_names": 3}, DataError, "class_names must be a list of names, got 3"),
    ],
)
def test_what_has_no_boundary_is_refused(
    changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    arguments = {"predict": line, "x": np.eye(2), "y": [0, 1], "resolution": 4, **changes}
    with pytest.raises(error, match=message):
        plot_boundary(**arguments)


# --- decision boundary, animated ------------------------------------------------------------

ONE_LINE = Linear(2, 1, rng=0)


@given(count=st.integers(1, 200), most=st.integers(2, 20))
@settings(max_examples=30, deadline=None)
def test_frames_are_few_evenly_spaced_and_hold_the_first_and_the_newest(
    count: int, most: int
) -> None:
    frames = BoundaryFrames(*POINTS, resolution=2, most=most)
    for epoch in range(count):
        frames.add(epoch, ONE_LINE)
    epochs = [frame.epoch for frame in frames]
    assert epochs[0] == 0
    assert epochs[-1] == count - 1
    assert len(epochs) <= most
    assert len(epochs) >= min(count, most // 2)
    gaps = np.diff(epochs)
    assert len(set(gaps[:-1])) <= 1
    assert len(gaps) < 2 or gaps[-1] <= gaps[0]


@pytest.mark.parametrize("outputs", [1, 2, 3])
@pytest.mark.parametrize("node", [Tensor, Value])
def test_a_frame_holds_the_margins_of_the_model_on_the_grid(
    outputs: int, node: type[Tensor] | type[Value]
) -> None:
    model = MLP(2, [3, outputs], rng=1, node=node)
    frames = BoundaryFrames(*POINTS, resolution=4)
    frames.add(7, model)
    (frame,) = frames
    grids: list[Any] = []
    plot_boundary(lambda points: grids.append(points) or line(points), *POINTS, resolution=4)
    array = MLP(2, [3, outputs], rng=1)(grids[0]).numpy()
    scores = array if outputs > 1 else np.hstack([-array / 2, array / 2])
    for k in range(scores.shape[1]):
        margin = scores[:, k] - np.delete(scores, k, axis=1).max(axis=1)
        np.testing.assert_allclose(frame.margins[:, :, k].ravel(), margin, rtol=1e-5, atol=1e-7)
    assert frame.epoch == 7
    assert frame.margins.dtype == np.float32


def test_a_training_adds_a_frame_an_epoch_and_is_not_changed() -> None:
    def trained(callbacks: list[Any]) -> Module:
        model = Sequential(Linear(2, 8, rng=0), ReLU(), Dropout(0.5, rng=0), Linear(8, 2, rng=0))
        optimizer = SGD(model, lr=0.1)
        nn.fit(model, cross_entropy, optimizer, POINTS, 3, callbacks=callbacks, progress=False)
        return model

    frames = BoundaryFrames(*POINTS, resolution=3)
    watched, alone = trained([frames]), trained([])
    assert [frame.epoch for frame in frames] == [1, 2, 3]
    for a, b in zip(watched.parameters(), alone.parameters(), strict=True):
        assert np.array_equal(a.numpy(), b.numpy())


def test_a_frame_is_of_the_whole_net_without_dropout() -> None:
    net = Sequential(Linear(2, 8, rng=0), ReLU(), Linear(8, 2, rng=1))
    dropping = Sequential(net[0], net[1], Dropout(0.5, rng=0), net[2])
    frames = BoundaryFrames(*POINTS, resolution=4)
    frames.add(0, net)
    frames.add(1, dropping)
    without, with_dropout = frames
    assert np.array_equal(without.margins, with_dropout.margins)


def test_a_frame_leaves_the_mode_of_the_model() -> None:
    model = Sequential(Linear(2, 2), Dropout(0.5).eval())
    BoundaryFrames(*POINTS, resolution=2).add(0, model)
    assert [part.training for _, part in model.named_modules()] == [True, True, False]


def learnt(*seeds: int) -> BoundaryFrames:
    """Frames of some nets, as if one had become the other."""
    frames = BoundaryFrames(*POINTS, resolution=8)
    for epoch, seed in enumerate(seeds):
        frames.add(epoch, MLP(2, [4, 2], rng=seed))
    return frames


def test_the_animation_goes_through_the_frames_and_ends_with_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    axes, still = Figure().subplots(1, 2)
    animation = animate_boundary(learnt(0, 1, 2, 3, 4), axes, class_names=["sun", "moon"])
    seen: list[str] = []
    corner = axes.texts[0]
    monkeypatch.setattr(
        corner, "set_text", lambda text: (seen.append(text), type(corner).set_text(corner, text))
    )
    path = save_animation(animation, tmp_path / "boundary.gif")
    assert path.read_bytes().startswith(b"GIF89a")
    assert list(dict.fromkeys(seen)) == [f"epoch {k}" for k in range(5)]
    plot_boundary(MLP(2, [4, 2], rng=4), *POINTS, still, resolution=8)
    # Nothing of earlier frames is left: as much as in a picture of the last alone.
    assert len(axes.collections) == len(still.collections)
    assert legend(axes) == ["sun", "moon"]


def test_all_frames_have_one_scale_of_margins(tmp_path: Path) -> None:
    frames = BoundaryFrames(*POINTS, resolution=8)
    weak, strong = MLP(2, [2], rng=0), MLP(2, [2], rng=0)
    strong.load_state_dict({name: 10 * p for name, p in weak.state_dict().items()})
    frames.add(0, strong)
    frames.add(1, weak)
    largest = max(frame.margins.max() for frame in frames)
    ax = Figure().subplots()
    save_animation(animate_boundary(frames, ax), tmp_path / "boundary.gif")
    filled = [c for c in ax.collections if len(getattr(c, "levels", ())) == 8]
    assert filled
    assert all(contour.levels[-1] == pytest.approx(largest) for contour in filled)


def test_the_same_animation_is_saved_as_the_same_bytes(tmp_path: Path) -> None:
    paths = [save_animation(animate_boundary(learnt(0, 1)), tmp_path / f"{i}.gif") for i in (0, 1)]
    first, second = (path.read_bytes() for path in paths)
    assert first == second


def test_a_notebook_gets_the_animation_as_html() -> None:
    assert "<img" in animate_boundary(learnt(0, 1)).to_jshtml()


@pytest.mark.parametrize(
    ("add", "error", "message"),
    [
        ((1, NET), ValueError, "epoch 1 comes after epoch 1: another training needs"),
        ((-1, NET), ValueError, "epoch must be at least 0, got -1"),
        ((2, line), DataError, r"model must be of type nn\.Module, got function"),
        ((2, MLP(3, [1])), ShapeError, "takes 3 numbers a row"),
    ],
)
def test_what_gives_no_frame_is_refused(
    add: tuple[int, Any], error: type[Exception], message: str
) -> None:
    frames = BoundaryFrames(*POINTS, resolution=2)
    frames.add(1, NET)
    with pytest.raises(error, match=message):
        frames.add(*add)
    assert [frame.epoch for frame in frames] == [1]


def test_a_model_that_diverged_gives_no_frame() -> None:
    model = Linear(2, 1)
    model.weight.data = np.full((1, 2), np.nan)
    with pytest.raises(ValueError, match="nan or inf: has training diverged"):
        BoundaryFrames(*POINTS, resolution=2).add(0, model)


def test_only_epochs_are_called_with() -> None:
    with pytest.raises(DataError, match=r"epoch must be of type nn\.Epoch, got int"):
        BoundaryFrames(*POINTS)(3)  # type: ignore[arg-type]
    frames = BoundaryFrames(*POINTS, resolution=2)
    frames(Epoch(3, NET, SGD(NET, lr=0.1), HISTORY, {}))
    assert [frame.epoch for frame in frames] == [3]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"frames": BoundaryFrames(*POINTS)}, ValueError, "there are no frames: pass the"),
        ({"frames": [1]}, DataError, r"frames must be of type nn\.BoundaryFrames, got list"),
        ({"seconds": 0}, ValueError, "seconds must be a finite number of at least 0.1"),
        ({"seconds": 1e9}, ValueError, "seconds must be at most 600"),
        ({"class_names": ["one"]}, ShapeError, "class_names needs 2 names, got 1"),
        ({"ax": 3}, DataError, "ax must be matplotlib axes, got int"),
    ],
)
def test_what_cannot_be_animated_is_refused(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        animate_boundary(**{"frames": learnt(0, 1), **arguments})


def test_models_of_different_classes_make_no_animation() -> None:
    frames = learnt(0)
    frames.add(1, MLP(2, [3]))
    with pytest.raises(ShapeError, match="different numbers of classes"):
        animate_boundary(frames)


def test_only_animations_are_saved_as_gif(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="animation must be a matplotlib animation, got Axes"):
        save_animation(PLOTS["loss"](), tmp_path / "loss.gif")  # type: ignore[arg-type]
    animation = animate_boundary(learnt(0, 1))
    with pytest.raises(ValueError, match=r"an animation is saved as \.gif, got 'boundary.png'"):
        save_animation(animation, tmp_path / "boundary.png")
    save_animation(animation, tmp_path / "boundary.gif")


# --- mosaics: weights and mistakes ----------------------------------------------------------


def tiles(ax: Any, height: int, width: int) -> list[Any]:
    """The pictures of a mosaic, found by the captions above them."""
    canvas = ax.images[0].get_array()
    corners = [(text.xy[1] + 0.5, text.xy[0] - (width - 1) / 2) for text in ax.texts]
    return [
        canvas[round(top) : round(top) + height, round(left) : round(left) + width]
        for top, left in corners
    ]


@given(
    n=st.integers(1, 40), height=st.integers(1, 9), width=st.integers(1, 9), seed=st.integers(0, 99)
)
@settings(max_examples=25, deadline=None)
def test_every_row_of_weights_is_a_picture_in_order(
    n: int, height: int, width: int, seed: int
) -> None:
    weights = np.random.default_rng(seed).normal(size=(n, height * width))
    ax: Any = plot_weights(weights, (height, width))
    assert [text.get_text() for text in ax.texts] == [str(i) for i in range(n)]
    for tile, row in zip(tiles(ax, height, width), weights, strict=True):
        assert np.array_equal(tile, row.reshape(height, width))
    assert ax.images[0].get_array().count() == weights.size  # and nothing else


def test_zero_is_white_and_colours_are_symmetric() -> None:
    (image,) = plot_weights([[0.0, 1.0, -3.0, 0.5]]).images
    assert image.get_clim() == (-3, 3)
    low, zero, high = image.cmap(image.norm([-3.0, 0.0, 3.0]))
    assert np.allclose(zero, 1, atol=0.02)
    assert low[2] > low[0]  # blue
    assert high[0] > high[2]  # orange


@pytest.mark.parametrize("weights", [np.zeros((3, 4)), np.ones((1, 1)), np.ones((500, 9))])
def test_odd_weights_are_drawn(weights: Any, tmp_path: Path) -> None:
    save(plot_weights(weights), tmp_path / "weights.png")


def test_a_layer_is_chosen_by_name_and_the_first_is_the_default() -> None:
    model = MLP(6, [4, 3], rng=0)
    weights = model.state_dict()
    for name in ("layers.0", "layers.2"):
        array = weights[f"{name}.weight"]
        shape = (1, array.shape[1])
        drawn = tiles(plot_weights(model, shape, layer=name), *shape)
        assert np.array_equal(np.concatenate(drawn), array)
    assert plot_weights(model, (2, 3)).get_title() == "layers.0: 4 × 6 weights"


def test_a_net_of_values_has_the_same_picture() -> None:
    tensors, values = (MLP(6, [4, 1], rng=0, node=node) for node in (Tensor, Value))
    pictures = [
        np.ma.filled(plot_weights(m, (2, 3)).images[0].get_array(), 9) for m in (tensors, values)
    ]
    assert np.array_equal(*pictures)


def test_beyond_the_most_rows_the_title_says_how_many_are_shown() -> None:
    ax = plot_weights(np.ones((50, 4)), most=10)
    assert ax.get_title() == "50 × 4 weights, the first 10 rows"
    assert len(ax.texts) == 10


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"weights": np.ones((2, 8))}, ShapeError, "weights has 8 numbers a row, .* no square"),
        ({"shape": (2, 3)}, ShapeError, r"9 numbers a row, but a picture of shape \(2, 3\) has 6"),
        ({"shape": 3}, DataError, r"shape must be a pair \(rows, columns\), got 3"),
        ({"shape": (9, 0)}, ValueError, "the columns of shape must be at least 1, got 0"),
        ({"shape": (1.5, 6)}, DataError, "the rows of shape must be an integer, got 1.5"),
        ({"weights": [1.0]}, ShapeError, r"must be a matrix, one row a unit, got shape \(1,\)"),
        ({"weights": np.ones((0, 9))}, ShapeError, "must be a matrix"),
        ({"weights": [[np.nan]]}, ValueError, "a weight is nan or infinite: has training"),
        ({"weights": [["a"]]}, DataError, "weights must hold real numbers"),
        ({"weights": ReLU()}, ValueError, r"ReLU\(\) has no layer with a matrix of weights"),
        ({"layer": "layers.0"}, DataError, "layer 'layers.0' is of a model"),
        (
            {"weights": MLP(9, [4, 1]), "layer": "layers.1"},
            ValueError,
            r"named 'layers.1': there are 'layers.0' \(4, 9\), 'layers.2' \(1, 4\)",
        ),
        ({"most": 0}, ValueError, "most must be at least 1, got 0"),
    ],
)
def test_what_are_no_pictures_of_weights_is_refused(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        plot_weights(**{"weights": np.ones((2, 9)), **arguments})


@given(
    n=st.integers(1, 30),
    classes=st.integers(1, 4),
    most=st.integers(1, 12),
    seed=st.integers(0, 99),
)
@settings(max_examples=25, deadline=None)
def test_the_surest_mistakes_come_first(n: int, classes: int, most: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(n, classes))
    x, y = rng.random((n, 2, 3)), rng.integers(0, max(classes, 2), n)
    two = scores if classes > 1 else np.hstack([-scores / 2, scores / 2])
    wrong = [i for i in range(n) if two[i].argmax() != y[i]]
    wrong.sort(key=lambda i: two[i, y[i]] - two[i].max())
    ax: Any = plot_mistakes(scores, x, y, most=most)
    assert ax.get_title().startswith(f"{len(wrong)} of {n} wrong ({100 * len(wrong) / n:.1f} %)")
    assert ("the surest" in ax.get_title()) == (len(wrong) > most)
    if not wrong:
        assert ax.texts[0].get_text().startswith("no row is mistaken")
        return
    captions = [f"{y[i]} → {two[i].argmax()}" for i in wrong[:most]]
    assert [text.get_text() for text in ax.texts] == captions
    for tile, i in zip(tiles(ax, 2, 3), wrong, strict=False):
        assert np.array_equal(tile, x[i])


def test_classes_alone_keep_the_order_of_the_rows() -> None:
    ax = plot_mistakes([0, 1, 1, 0], np.ones((4, 4)), [1, 1, 0, 2])
    assert [text.get_text() for text in ax.texts] == ["1 → 0", "0 → 1", "2 → 0"]


def test_long_names_take_two_lines(tmp_path: Path) -> None:
    ax = plot_mistakes([0, 1], np.ones((2, 4)), [1, 0], ["ankle boot", "US$ $x^$"])
    assert ax.texts[1].get_text() == "ankle boot →\n" + r"US\$ \$x^\$"
    save(ax, tmp_path / "mistakes.png")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"predicted": [0, 1, 1]}, ShapeError, "predicted needs one row a sample, got 3 for 2"),
        ({"predicted": [[0.0, np.nan], [1, 2]]}, ValueError, "row 0 of predicted has a nan score"),
        (
            {"predicted": np.eye(2), "y": [0, 5]},
            ValueError,
            "y has class 5, but there are 2 scores",
        ),
        ({"predicted": "a"}, DataError, "predicted must hold real numbers"),
        ({"x": np.ones((2, 5))}, ShapeError, "x has 5 numbers a row, which is no square"),
        ({"x": np.ones((3, 4))}, ShapeError, "one row a sample each"),
        ({"x": np.ones((2, 0))}, ShapeError, r"x has no numbers, shape \(2, 0\)"),
        ({"x": np.full((2, 4), np.inf)}, ValueError, "x must be finite"),
        ({"y": [-1, 1]}, ValueError, r"for classes -1 and \+1 pass y > 0"),
        ({"class_names": ["one"]}, ShapeError, "class_names needs 2 names, got 1"),
        ({"class_names": "ab"}, DataError, "class_names must be a list of names"),
        ({"shape": (3, 3)}, ShapeError, "x has 4 numbers a row, but a picture"),
        ({"most": 0}, ValueError, "most must be at least 1"),
    ],
)
def test_what_are_no_mistakes_is_refused(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        plot_mistakes(**{"predicted": [1, 0], "x": np.ones((2, 4)), "y": [0, 1], **arguments})


# --- distributions by layer -----------------------------------------------------------------

X = np.random.default_rng(0).normal(size=(20, 2))


def strips(ax: Any) -> list[tuple[Any, Any]]:
    """The heights and the edges of each histogram, from the top."""
    outlines = [patch for patch in ax.patches if not patch.get_fill()]
    return [(s.values - s.baseline, s.edges) for s in (patch.get_data() for patch in outlines)]


def labels(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.get_yticklabels()]


def assert_histograms(ax: Any, arrays: list[Any]) -> None:
    """Check that the strips are the histograms of the numbers that are not zero."""
    for (heights, edges), array in zip(strips(ax), arrays, strict=True):
        values = np.ravel(array)[np.ravel(array) != 0]
        values = np.abs(values) if ax.get_xscale() == "log" else values
        counts, _ = np.histogram(np.maximum(values, edges[0]), edges)
        assert counts.sum() == len(values)
        np.testing.assert_allclose(heights, 0.8 * counts / counts.max(), atol=1e-12)


class Custom(Module):
    """Parts that are used in another way than one after the other, and one of them twice."""

    def __init__(self) -> None:
        self.calls = 0
        self.first = Linear(2, 3, rng=0)
        self.act = ReLU()
        self.rest = {"block": Residual(Linear(3, 3, rng=1)), "drop": Dropout(0.5, rng=2)}
        self.last = Linear(3, 2, rng=3)

    def __call__(self, x: Any) -> Any:
        self.calls += 1
        x = self.act(self.first(x))
        x = self.rest["drop"](self.rest["block"](x))
        return self.last(self.act(x))


def test_every_part_is_recorded_in_the_order_of_the_calls() -> None:
    model = Custom()
    found = outputs_of(model, X)
    a = model.first(X).numpy()
    b = np.maximum(a, 0)
    c = model.rest["block"].module(b).numpy()  # type: ignore[attr-defined]
    d = np.maximum(b + c, 0)
    e = model.last(d).numpy()
    expected = {
        "first": a, "act": b, "rest.block.module": c, "rest.block": b + c, "act again": d, "last": e
    }  # fmt: skip
    assert [output.name for output in found] == [name.split()[0] for name in expected]
    assert found[0].module.weight is model.first.weight  # type: ignore[attr-defined]
    for output, array in zip(found, expected.values(), strict=True):
        np.testing.assert_allclose(output.values, array, rtol=1e-12)


@pytest.mark.parametrize("draw", ["activations", "gradients"])
def test_looking_at_a_model_leaves_no_trace(draw: str) -> None:
    model, table = Custom(), dict(ACTIVATIONS)
    model.last.eval()
    classes = [type(part) for _, part in model.named_modules()]
    generator = model.rest["drop"].rng  # type: ignore[attr-defined]
    before, state = model.state_dict(), generator.bit_generator.state
    model.first.weight.grad = np.ones((3, 2))
    if draw == "activations":
        plot_activations(model, X)
        assert model.calls == 0
    else:
        plot_gradients(model, cross_entropy, (X, np.zeros(20, int)))
    assert [type(part) for _, part in model.named_modules()] == classes
    assert generator.bit_generator.state == state
    assert [p.grad is None for p in model.parameters()] == [False] + [True] * 5
    assert np.array_equal(model.first.weight.grad, np.ones((3, 2)))
    assert (model.rest["drop"].training, model.last.training) == (True, False)
    assert table == ACTIVATIONS
    after = model.state_dict()
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_activations_are_histograms_of_what_the_layers_return() -> None:
    model = MLP(2, [5, 3], "tanh", rng=0)
    ax = plot_activations(model, X)
    a = X @ model.layers[0].weight.numpy().T + model.layers[0].bias.numpy()  # type: ignore[attr-defined]
    assert labels(ax) == ["layers.0\nLinear(2, 5)", "layers.1\nTanh()", "layers.2\nLinear(5, 3)"]
    assert_histograms(ax, [a, np.tanh(a), model(X).numpy()])


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_a_net_of_values_has_the_activations_of_the_same_net_of_tensors(activation: str) -> None:
    tensors, values = (MLP(2, [5, 1], activation, node, rng=0) for node in (Tensor, Value))
    outputs = [output.values for output in outputs_of(tensors, X)]
    same = [output.values for output in outputs_of(values, X)]
    np.testing.assert_allclose(np.hstack(same), np.hstack(outputs[1:]), rtol=1e-12)
    notes = [text.get_text() for text in plot_activations(tensors, X).texts]
    assert [text.get_text() for text in plot_activations(values, X).texts] == notes[1:]


def notes(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.texts]


def test_dead_units_are_counted() -> None:
    model = MLP(2, [5, 1], rng=0)
    model.layers[0].bias.data = np.array([-100.0, 100, 100, -100, 100])  # type: ignore[attr-defined]
    assert notes(plot_activations(model, X))[1] == "40 % zero\n2 of 5 units dead"
    half = np.abs(X) * [1, 0]  # alive for half of the rows
    half[::2] *= -1
    model = MLP(2, [1, 1], rng=0)
    model.load_state_dict({
        "layers.0.weight": [[1.0, 0]], "layers.0.bias": [0.0],
        "layers.2.weight": [[1.0]], "layers.2.bias": [0.0],
    })  # fmt: skip
    assert notes(plot_activations(model, half))[1] == "50 % zero"


@given(seed=st.integers(0, 99), scale=st.floats(0.1, 10))
@settings(max_examples=20, deadline=None)
def test_saturated_is_where_the_slope_is_below_a_twentieth_of_its_largest(
    seed: int, scale: float
) -> None:
    for activation in ("tanh", "sigmoid"):
        model = Sequential(Linear(2, 8, rng=seed), ACTIVATIONS[activation]())
        model[0].weight.data = scale * model[0].weight.numpy()  # type: ignore[attr-defined]
        before = model[0](X)
        slope = gradients(model[1](before).sum(), before)
        largest = gradients(model[1](zero := Tensor(0.0)), zero)
        share = 100 * np.mean(slope < largest / 20)
        assert notes(plot_activations(model, X))[1] == f"{share:.0f} % saturated"


@pytest.mark.parametrize("node", [Tensor, Value])
def test_gradients_are_those_of_backward_by_layer(node: type[Tensor] | type[Value]) -> None:
    model, y = MLP(2, [5, 4, 1], "tanh", node, rng=0), X[:, 0] > 0
    ax = plot_gradients(model, nn.mse_loss, (X, y))
    prediction = forward(model, X)
    nn.mse_loss(prediction, shaped_like(prediction, y)).backward()
    layers = [part for name, part in model.named_modules() if name.count(".") == 1]
    expected = [[np.ravel(p.grad) for p in part.parameters()] for part in layers]
    assert [label.split()[0] for label in labels(ax)] == [
        f"layers.{k}" for k in ((0, 2, 4) if node is Tensor else (0, 1, 2))
    ]
    assert_histograms(ax, [np.concatenate(parts) for parts in expected if parts])


def test_own_and_shared_parameters_are_drawn_once() -> None:
    class Tied(Module):
        def __init__(self) -> None:
            self.scale = Tensor([2.0, 3.0])
            self.a = Linear(2, 2, rng=0)
            self.b = self.a

        def __call__(self, x: Any) -> Any:
            return self.b(self.a(x)) * self.scale

    model = Tied()
    y = np.zeros((20, 2))
    ax = plot_gradients(model, nn.mse_loss, (X, y))
    nn.mse_loss(model(X), y).backward()
    assert labels(ax) == ["Tied()", "a\nLinear(2, 2)"]
    own = [np.ravel(p.grad) for p in model.a.parameters()]
    assert_histograms(ax, [model.scale.grad, np.concatenate(own)])


def test_a_penalty_on_the_parameters_is_part_of_the_gradient() -> None:
    model = Linear(2, 1, rng=0)
    ax = plot_gradients(model, lambda p, y: (model.weight**2).sum() + 0 * p.sum(), (X, X[:, 0]))
    assert_histograms(ax, [2 * model.weight.numpy()])


@pytest.mark.parametrize(("factor", "scale"), [(1.0, "linear"), (0.01, "log"), (100.0, "log")])
def test_sizes_that_differ_much_are_on_a_logarithmic_axis(
    factor: float, scale: str, tmp_path: Path
) -> None:
    model = Sequential(Linear(2, 8, rng=0), Linear(8, 8, rng=1))
    for parameter in model[1].parameters():
        parameter.data = parameter.numpy() * factor
    ax = plot_activations(model, X)
    assert ax.get_xscale() == scale
    assert ax.get_xlabel() == ("output" if scale == "linear" else "size of the output")
    save(ax, tmp_path / "activations.png")


@pytest.mark.parametrize("factor", [0.0, 1e-300, 1e20, 1e300])
def test_odd_numbers_are_drawn(factor: float, tmp_path: Path) -> None:
    model = Linear(2, 1, rng=0)
    model.weight.data, model.bias.data = model.weight.numpy() * factor, np.array([factor])  # type: ignore[union-attr]
    save(plot_activations(model, X), tmp_path / "1.png")
    save(plot_activations(model, np.zeros((1, 2))), tmp_path / "2.png")


def test_a_model_that_cannot_be_copied_is_refused() -> None:
    model = Custom()
    model.lock = threading.Lock()  # type: ignore[attr-defined]
    with pytest.raises(DataError, match=r"Custom\(\) cannot be copied: cannot pickle"):
        plot_activations(model, X)
    plot_gradients(model, cross_entropy, (X, np.zeros(20, int)))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"model": 3}, DataError, r"model must be of type nn\.Module, got int"),
        ({"x": np.ones((3, 5))}, ShapeError, "takes 2 numbers a row"),
        ({"x": np.ones((0, 2))}, ShapeError, "no rows"),
        ({"x": [[np.nan, 1.0]]}, NonFiniteError, "x of data has a nan"),
        ({"x": np.full((2, 2), 1e308)}, ValueError, "layers.0 has a nan or an infinity as output"),
        ({"model": Dropout(0.5)}, ValueError, r"Dropout\(0.5\) only hands on what it gets"),
    ],
)
def test_what_has_no_activations_is_refused(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        plot_activations(**{"model": NET, "x": X, **arguments})


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"model": 3}, DataError, r"model must be of type nn\.Module, got int"),
        ({"model": ReLU()}, ValueError, r"ReLU\(\) has no parameters"),
        ({"loss": 3}, DataError, r"loss must be a function, called as loss\(prediction, y\)"),
        ({"loss": lambda p, y: p}, DataError, "must be one number, .* got shape"),
        ({"loss": lambda p, y: 3.0}, DataError, "must be one number, .* got float"),
        ({"loss": lambda p, y: p.sum() * np.inf}, ValueError, "nan or an infinity as gradient"),
        ({"data": X}, DataError, r"data is a pair \(x, y\)"),
    ],
)
def test_what_has_no_gradients_is_refused(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        plot_gradients(**{"model": NET, "loss": cross_entropy, "data": POINTS, **arguments})
