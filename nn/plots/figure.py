"""What every plot starts from and ends with: axes, colours, a legend, a file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autograd import DataError, ShapeError

if TYPE_CHECKING:
    from matplotlib.animation import Animation
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "COLORS",
    "MARKERS",
    "figure_of",
    "legend_above",
    "names_of",
    "new_axes",
    "save",
    "save_animation",
    "shades",
]

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
"""Okabe and Ito's colours, which people with colour-blindness tell apart."""

MARKERS = "osDPX*dH"
"""One for each class or run, so that colour is not all that tells them apart."""


def new_axes(ax: Axes | None, width: float, height: float) -> Axes:
    """Return `ax`, or axes of a new figure that pyplot does not know of; sizes in inches.

    Raises
    ------
    DataError
        If `ax` is no axes.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> ax = new_axes(None, 4, 3)
    >>> new_axes(ax, 4, 3) is ax
    True
    """
    try:
        from matplotlib.axes import Axes
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('plots need matplotlib: pip install "autograd-nn[plots]"') from error
    if ax is not None:
        return _checked_axes(ax, Axes)
    return Figure(figsize=(width, height), layout="constrained").subplots()


def figure_of(ax: Axes) -> Figure:
    """Return the figure that `ax` is drawn in.

    Raises
    ------
    ValueError
        If there is none any more.

    Examples
    --------
    >>> figure_of(new_axes(None, 4, 3)).get_size_inches()
    array([4., 3.])
    """
    figure = ax.get_figure(root=True)
    if figure is None:
        raise ValueError("ax belongs to no figure: it was removed from it")
    return figure


def legend_above(ax: Axes, handles: Sequence[Artist], columns: int) -> None:
    """Put the legend outside, where it covers no data.

    >>> ax = new_axes(None, 4, 3)
    >>> legend_above(ax, ax.plot([1, 2], label="loss"), columns=1)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['loss']
    """
    ax.legend(
        handles=handles, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=columns, frameon=False
    )


def shades(color: str, strength: NDArray[Any]) -> NDArray[np.float64]:
    """Mix `color` into white: RGB, shape (..., 3), white at strength 0, the colour at 1.

    >>> shades("black", np.array([0.0, 0.25]))
    array([[1.  , 1.  , 1.  ],
           [0.75, 0.75, 0.75]])
    """
    from matplotlib.colors import to_rgb

    ink = 1 - np.array(to_rgb(color), dtype=np.float64)
    return np.asarray(1 - strength[..., None] * ink)


def names_of(class_names: Sequence[str] | None, classes: int, generic: str = "{}") -> list[str]:
    """Return a name for each class, in which a dollar sign starts no formula.

    Raises
    ------
    DataError
        If the names are one text, or no sequence.
    ShapeError
        If there are fewer than `classes`.

    Examples
    --------
    >>> names_of(("cat", "dog"), 2)
    ['cat', 'dog']
    >>> names_of(None, 2, "class {}")
    ['class 0', 'class 1']
    """
    if class_names is None:
        return [generic.format(k) for k in range(classes)]
    if isinstance(class_names, str) or not isinstance(class_names, Iterable):
        raise DataError(f"class_names must be a list of names, got {class_names!r}")
    names = [str(name).replace("$", r"\$") for name in class_names]
    if len(names) < classes:
        raise ShapeError(f"class_names needs {classes} names, got {len(names)}")
    return names


def save(ax: Axes, path: str | PathLike[str]) -> Path:
    """Write the figure of `ax` to a file; the same picture gives the same bytes.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        What one of the plot functions returned.
    path : str or path
        Where to; ending in ``.png``, ``.svg`` or ``.pdf``.

    Returns
    -------
    pathlib.Path
        The path written to.

    Raises
    ------
    DataError
        If `ax` is no axes.
    ValueError
        If the path has another ending.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> save(new_axes(None, 4, 3), "loss.jpg")
    Traceback (most recent call last):
    ValueError: a plot is saved as .png, .svg or .pdf, got 'loss.jpg'
    """
    from matplotlib import rc_context
    from matplotlib.axes import Axes

    _checked_axes(ax, Axes)
    path = Path(path)
    kind = path.suffix.lower().removeprefix(".")
    # What matplotlib writes in by default: its version, and the time.
    metadata: dict[str, dict[str, Any]] = {
        "png": {"Software": None},
        "svg": {"Date": None, "Creator": None},
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    }
    if kind not in metadata:
        raise ValueError(f"a plot is saved as .png, .svg or .pdf, got {path.name!r}")
    figure = figure_of(ax)
    with rc_context({"svg.hashsalt": "autograd-nn"}):  # else element ids are random
        figure.savefig(path, dpi=150, format=kind, metadata=metadata[kind])
    return path


def save_animation(animation: Animation, path: str | PathLike[str]) -> Path:
    """Write an animation to a GIF, which repeats; the same animation gives the same bytes.

    In a notebook ``IPython.display.HTML(animation.to_jshtml())`` shows it with controls.

    Parameters
    ----------
    animation : matplotlib.animation.Animation
        As `animate_boundary` returns it.
    path : str or path
        Where to; ending in ``.gif``.

    Returns
    -------
    pathlib.Path
        The path written to.

    Raises
    ------
    DataError
        If `animation` is no animation.
    ValueError
        If the path has another ending.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> from matplotlib.animation import FuncAnimation
    >>> ax = new_axes(None, 4, 3)
    >>> animation = FuncAnimation(ax.figure, ax.set_title, ["first", "second"])
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     save_animation(animation, Path(folder) / "title.gif").name
    'title.gif'
    """
    from matplotlib.animation import Animation

    if not isinstance(animation, Animation):
        raise DataError(f"animation must be a matplotlib animation, got {type(animation).__name__}")
    path = Path(path)
    if path.suffix.lower() != ".gif":
        raise ValueError(f"an animation is saved as .gif, got {path.name!r}")
    animation.save(path, writer="pillow", dpi=100)
    return path


def _checked_axes(ax: Axes, kind: type[Axes]) -> Axes:
    if not isinstance(ax, kind):
        hint = ": pass one of them, such as ax[0]" if isinstance(ax, np.ndarray) else ""
        raise DataError(f"ax must be matplotlib axes, got {type(ax).__name__}{hint}")
    return ax
