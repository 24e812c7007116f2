"""Real data, shipped inside the package as compressed CSV; `SOURCES.md` names the sources."""

from __future__ import annotations

import gzip
from importlib.resources import files
from typing import NamedTuple

import numpy as np

from nn.data.dataset import Dataset

__all__ = ["load"]


class _Shipped(NamedTuple):
    """What the file ``<name>.csv.gz`` does not say itself."""

    scale: float  # what the file's numbers are divided by
    class_names: tuple[str, ...]
    source: str


_SHIPPED = {
    "digits": _Shipped(
        scale=16.0,
        class_names=tuple("0123456789"),
        source=(
            "Alpaydin, E. & Kaynak, C. (1998). Optical Recognition of Handwritten Digits. "
            "UCI Machine Learning Repository. https://doi.org/10.24432/C50P49. CC BY 4.0. "
            "The test part; pixels divided by 16."
        ),
    ),
    "iris": _Shipped(
        scale=1.0,
        class_names=("setosa", "versicolor", "virginica"),
        source=(
            "Fisher, R. A. (1936). Iris. "
            "UCI Machine Learning Repository. https://doi.org/10.24432/C56C76. CC BY 4.0. "
            "Rows 34 and 37 (from 0) as in Fisher's paper, which UCI's file misquotes."
        ),
    ),
}


def load(name: str) -> Dataset:
    """Load a data set that is shipped with the package, without network access.

    ========== ==== ======== ======= ===============================================
    name       rows features classes what it is
    ========== ==== ======== ======= ===============================================
    ``digits`` 1797 64       10      grey 8x8 images of handwritten digits, row by
                                     row; pixels from 0 (paper) to 1 (ink), which is
                                     the file's count 0..16 divided by 16 [1]_
    ``iris``   150  4        3       lengths and widths of sepals and petals, in cm,
                                     of three species of iris [2]_, [3]_
    ========== ==== ======== ======= ===============================================

    The digits are the part that UCI calls the test set, by 13 writers. Rows 34 and 37 of
    iris (counted from 0) hold the values of Fisher's paper, as in R and scikit-learn;
    UCI's own file has them wrong, and says so. Both are licensed CC BY 4.0; the file
    ``SOURCES.md`` next to the data has the details.

    Parameters
    ----------
    name : {"digits", "iris"}
        Which one.

    Returns
    -------
    Dataset
        `x` of float64, shape (rows, features), and `y` of int64, shape (rows,), in the
        file's order, in arrays of your own.

    Raises
    ------
    ValueError
        If no data set of that name is shipped.

    References
    ----------
    .. [1] E. Alpaydin, C. Kaynak (1998). Optical Recognition of Handwritten Digits
       [Dataset]. UCI Machine Learning Repository. https://doi.org/10.24432/C50P49
    .. [2] R. A. Fisher (1936). Iris [Dataset]. UCI Machine Learning Repository.
       https://doi.org/10.24432/C56C76
    .. [3] R. A. Fisher (1936). The use of multiple measurements in taxonomic problems.
       Annals of Eugenics 7(2), 179-188, table I.

    Examples
    --------
    >>> from nn.data import load
    >>> digits = load("digits")
    >>> digits
    Dataset('digits': 1797 rows, 64 features, 10 classes)
    >>> image, label = digits.x[0].reshape(8, 8), digits.y[0]
    >>> for row in image:
    ...     print("".join("-:+#"[int(3 * pixel)] for pixel in row))
    ---+:---
    --++:+--
    --+--+:-
    --+--::-
    --:--::-
    --+--+:-
    --+-:+--
    --:+:---
    >>> int(label)
    0
    >>> x, y = load("iris")
    >>> x.shape, y.dtype
    ((150, 4), dtype('int64'))
    """
    if not isinstance(name, str) or name not in _SHIPPED:
        raise ValueError(f"no data set named {name!r}; known: {', '.join(map(repr, _SHIPPED))}")
    about = _SHIPPED[name]
    with (
        files(__package__).joinpath(f"{name}.csv.gz").open("rb") as packed,
        gzip.open(packed, "rt", encoding="ascii") as text,
    ):
        *feature_names, _ = text.readline().rstrip("\n").split(",")
        table = np.loadtxt(text, delimiter=",")
    return Dataset(
        x=table[:, :-1] / about.scale,
        y=table[:, -1].astype(np.int64),
        feature_names=tuple(feature_names),
        class_names=about.class_names,
        name=name,
        source=about.source,
    )
