"""The plots: what is drawn, where, in which bytes, and without leaving anything behind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

import nn
from autograd import DataError, ShapeError, Tensor
from nn.data import moons
from nn.plots import plot_boundary, plot_confusion, plot_loss, save
from nn.training import History

POINTS = moons(40)
HISTORY = History(loss=[2.0, 0.5, 0.1], accuracy=[0.5, 0.9, 1.0])


def line(points: Any) -> Any:
    """Scores of a classifier whose boundary is the line x0 = 2 x1."""
    return points @ np.array([1.0, -2.0])


PLOTS: dict[str, Callable[..., Any]] = {
    "loss": lambda ax=None: plot_loss(HISTORY, ax),
    "confusion": lambda ax=None: plot_confusion([[5, 0], [1, 4]], ax=ax),
    "boundary": lambda ax=None: plot_boundary(line, POINTS.x, POINTS.y, ax, resolution=20),
}


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_draws_on_the_axes_it_is_given(name: str) -> None:
    left, right = Figure().subplots(1, 2)
    assert PLOTS[name](right) is right
    assert right.has_data()
    assert not left.has_data()


@pytest.mark.parametrize("name", PLOTS)
@pytest.mark.parametrize(
    ("ending", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".PDF", b"%PDF")]
)
def test_the_same_plot_is_saved_as_the_same_bytes(
    name: str, ending: str, start: bytes, tmp_path: Path
) -> None:
    settings = dict(matplotlib.rcParams)
    paths = [save(PLOTS[name](), tmp_path / f"{i}{ending}") for i in range(2)]
    first, second = (path.read_bytes() for path in paths)
    assert first.startswith(start)
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
        ([[1, 2], [3, 4]], ["a"], ShapeError, "one name for each of 2 classes, got 1"),
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
        ({"predict": lambda p: None}, DataError, "scores of predict must hold real numbers"),
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
