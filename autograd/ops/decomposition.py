"""Matrices taken apart: inverses, determinants, factorisations, spectra, norms; batched.

The functions of `numpy.linalg`, on the last two axes of stacks of matrices. Where a
factorisation has several parts, its primitive packs them side by side into one array, and the
public function takes them out again.

Derivatives: Giles, An extended collection of matrix derivative results for forward and reverse
mode algorithmic differentiation, 2008 (inverse, determinant, solve, spectra); Murray,
Differentiation of the Cholesky decomposition, 2016; Seeger et al., Auto-differentiating linear
algebra, 2017 (QR); Townsend, Differentiating the singular value decomposition, 2016; Golub and
Pereyra, The differentiation of pseudo-inverses, 1973.
"""

from __future__ import annotations

import builtins
import math
import operator
from collections.abc import Sequence
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from ..errors import DataError, ShapeError, SingularMatrixError
from ..graph import Node
from ..notation import FUNCTION, Binds, Form, Notation, command
from ..primitive import (
    REAL,
    Function,
    Interval,
    Primitive,
    as_data,
    describe,
    example,
    fixed_number,
    of_floats,
    publish,
)
from .comparison import plain, where
from .elementary import abs, sign
from .indexing import getitem
from .linalg import diagonal, einsum, matmul
from .reduction import euclidean, max, min, products_of_others, sum
from .shape import (
    axes_of,
    concatenate,
    moveaxis,
    operand,
    reshape,
    swapaxes,
)

__all__ = [
    "cholesky",
    "cond",
    "det",
    "eigh",
    "eigvalsh",
    "inv",
    "lstsq",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "multi_dot",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensorinv",
    "tensorsolve",
    "vecdot",
    "vector_norm",
]

Axis = int | Sequence[int] | None

# --------------------------------------------------------------------------- where to sample


def _regular(x: Any) -> Any:
    """Make matrices of full rank, their singular values apart.

    None is diagonal: where a vector's element crosses 0, LAPACK may turn the vector's sign.
    """
    m, n = x.shape[-2:]
    diagonal = np.eye(m, n, dtype=x.dtype) * np.arange(1, n + 1, dtype=x.dtype)
    return (x + 1.2) / (2.0 * (m + n)) + diagonal


def _definite(x: Any) -> Any:
    """Make symmetric, positive definite matrices, their eigenvalues apart, likewise."""
    return _symmetric(_regular(x))


REGULAR = Interval(-1.0, 1.0, prepare=_regular)
DEFINITE = Interval(-1.0, 1.0, prepare=_definite)

SQUARE_EXAMPLES = (example((3, 3)), example((1, 1)), example((2, 2, 2)))

# --------------------------------------------------------------------------- small helpers


def _t(x: Any) -> Any:
    """The transposes of matrices."""
    return x.swapaxes(-1, -2)


def _symmetric(x: Any) -> Any:
    return (x + _t(x)) * 0.5


def _row(x: Any) -> Any:
    """Numbers that multiply the columns of a matrix."""
    return x[..., None, :]


def _column(x: Any) -> Any:
    """Numbers that multiply the rows of a matrix."""
    return x[..., None]


def _diagonal_matrix(x: Any) -> Any:
    return _column(x) * np.eye(x.shape[-1], dtype=x.dtype)


def _matrices(x: Any, who: str) -> Any:
    """Check that there are at least two axes."""
    x = operand(x, who)
    if len(x.shape) < 2:
        raise ShapeError(f"{who} takes matrices, the last two axes, got shape {x.shape}")
    return x


def _squares(x: Any, who: str) -> Any:
    """Check that the last two axes are of equal length."""
    x = _matrices(x, who)
    if x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"{who} takes square matrices, got shape {x.shape}")
    return x


def _whole(n: Any, who: str) -> int:
    try:
        return operator.index(n)
    except TypeError:
        raise DataError(f"{who} takes a whole number, got {describe(n)}") from None


def _with_our_error(name: str, function: Function) -> Function:
    """Let a matrix that a function of NumPy cannot factor be a `SingularMatrixError`."""

    def forward(*xs: Any, **params: Any) -> Any:
        try:
            return function(*xs, **params)
        except np.linalg.LinAlgError as error:
            raise SingularMatrixError(f"{name} of shape {np.shape(xs[0])}: {error}") from None

    return forward


def _matrix_primitive(
    name: str,
    array: Function,
    pullback: Function,
    domain: Interval,
    examples: Sequence[Any],
    notation: Notation = FUNCTION,
) -> Primitive:
    array = _with_our_error(name, array)
    return Primitive(name, name, None, array, (pullback,), [domain], examples, notation=notation)


def _reciprocal(x: Any, unneeded: Any) -> Any:
    """Compute 1/x; at 0 it is nan, but 0 where it is not needed."""
    zero = x == 0
    share = np.where(zero, np.where(unneeded, 0.0, np.nan), 1.0).astype(x.dtype)
    return share / (x + zero)


def _set_aside(a: Any, singular: Any) -> tuple[Any, Any]:
    """Put identities where matrices are singular; also return what makes their results nan.

    A pullback raises no error: its matrices may be those of a branch that is not taken.
    """
    if not singular.any():
        return a, 1.0
    where_not = singular[..., None, None]
    share = np.where(where_not, np.nan, 1.0).astype(a.dtype)
    return where(where_not, np.eye(a.shape[-1], dtype=a.dtype), a), share


# --------------------------------------------------------------------------- inverses


def _pull_inv(g: Any, out: Any, a: Any) -> Any:
    return -(_t(out) @ g @ _t(out))


_inv = _matrix_primitive(
    "inv",
    np.linalg.inv,
    _pull_inv,
    REGULAR,
    SQUARE_EXAMPLES,
    Notation(latex=Form("$0^{-1}", Binds.POWER, (Binds.ATOM,)), odd=True),
)


def inv(a: Any) -> Any:
    """Invert square matrices.

    Raises
    ------
    SingularMatrixError
        If one of them is singular.

    Examples
    --------
    >>> inv([[2.0, 0.0], [0.0, 4.0]])
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """
    return _inv(_squares(a, "inv"))


publish(inv, _inv)

_solve: Primitive = Primitive(
    "solve",
    "solve",
    None,
    _with_our_error("solve", lambda a, b: np.linalg.solve(a, b)),
    (
        lambda g, out, a, b: -(_solve(_t(a), g) @ _t(out)),
        lambda g, out, a, b: _solve(_t(a), g),
    ),
    domain=[REGULAR, REAL],
    examples=[
        example((3, 3), (3, 2)),
        example((2, 2, 2), (2, 1)),
        example((2, 2), (2, 2, 1)),
    ],
    notation=Notation(latex=Form(r"$0^{-1}\,$1", Binds.MATRIX, (Binds.ATOM, Binds.MATRIX))),
)


def solve(a: Any, b: Any) -> Any:
    """Solve ``a @ x == b`` for x.

    Parameters
    ----------
    a : Tensor or array, shape (..., n, n)
    b : Tensor or array, shape (n,) or (..., n, k)
        One vector for all matrices, or the columns of matrices, whose other axes broadcast.

    Raises
    ------
    SingularMatrixError
        If a matrix is singular.

    Examples
    --------
    >>> solve([[2.0, 0.0], [0.0, 4.0]], [2.0, 2.0])
    array([1. , 0.5])
    """
    a, b = _squares(a, "solve"), operand(b, "solve")
    if len(b.shape) == 0 or b.shape[-2:][0] != a.shape[-1]:
        raise ShapeError(
            "solve takes a of shape (..., n, n) and b of shape (n,) or (..., n, k), "
            f"got {a.shape} and {b.shape}"
        )
    if len(b.shape) == 1:
        return _solve(a, reshape(b, (-1, 1)))[..., 0]
    return _solve(a, b)


publish(solve, _solve)


def _pull_pinv(g: Any, out: Any, a: Any, rcond: float, hermitian: bool) -> Any:
    if hermitian:
        a = _symmetric(a)  # of which this is a function: second derivatives ask
    outside_columns = _t(g) - a @ (out @ _t(g))
    outside_rows = _t(g) - _t(g) @ out @ a
    both = outside_columns @ out @ _t(out) + _t(out) @ out @ outside_rows
    slope = both - _t(out) @ g @ _t(out)
    return _symmetric(slope) if hermitian else slope


_pinv = Primitive(
    "pinv",
    "pinv",
    None,
    _with_our_error("pinv", lambda a, rcond, hermitian: np.linalg.pinv(a, rcond, hermitian)),
    (_pull_pinv,),
    domain=[REGULAR],
    examples=[
        example((3, 3), rcond=1e-15, hermitian=False),
        example((3, 2), rcond=1e-15, hermitian=False),
        example((2, 2, 3), rcond=1e-15, hermitian=False),
    ],
    notation=Notation(latex=Form("$0^{+}", Binds.POWER, (Binds.ATOM,))),
)


def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """Compute the Moore-Penrose pseudo-inverse.

    The derivative is that of Golub and Pereyra (1973), right where the rank stays the same, as it
    does near every matrix of full rank; elsewhere the pseudo-inverse is not continuous.

    Parameters
    ----------
    a : Tensor or array, shape (..., m, n)
    rcond, rtol : float
        Singular values up to this times the largest count as 0; by default 1e-15.
    hermitian : bool
        The matrices are symmetric, which is taken for granted; the gradient is symmetric, too.

    Examples
    --------
    >>> pinv([[2.0], [0.0]])
    array([[0.5, 0. ]])
    """
    if rcond is not None and rtol is not None:
        raise DataError("pinv: rcond and rtol mean the same: give one of them")
    cutoff = rcond if rtol is None else rtol
    cutoff = 1e-15 if cutoff is None else fixed_number(cutoff, "rcond")
    return _pinv(_matrices(a, "pinv"), rcond=cutoff, hermitian=hermitian)


publish(pinv, _pinv)


def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    """Find the x for which ``a @ x - b`` is shortest; of several the shortest x.

    Only the solution is returned; `numpy.linalg.lstsq` adds residuals, rank and singular values.
    The derivative is right where the rank of `a` stays the same (see `pinv`), so always if the
    columns are linearly independent.

    Parameters
    ----------
    a : Tensor or array, shape (..., m, n)
    b : Tensor or array, shape (m,) or (..., m, k)
    rcond : float, optional
        Singular values up to this times the largest count as 0; by default the rounding error
        of a float times the longer side.

    Examples
    --------
    >>> lstsq([[1.0], [1.0]], [1.0, 3.0])
    array([2.])
    """
    a, b = _matrices(a, "lstsq"), operand(b, "lstsq")
    if len(b.shape) == 0 or b.shape[-2:][0] != a.shape[-2]:
        raise ShapeError(
            "lstsq takes a of shape (..., m, n) and b of shape (m,) or (..., m, k), "
            f"got {a.shape} and {b.shape}"
        )
    rounding = float(np.finfo(a.dtype if a.dtype.kind == "f" else float).eps)
    default = rounding * builtins.max(a.shape[-2:])
    return matmul(pinv(a, default if rcond is None else rcond), b)


def tensorinv(a: Any, ind: int = 2) -> Any:
    """Invert an array as the matrix from its axes after the first `ind` to those.

    >>> tensorinv(reshape([2.0, 0.0, 0.0, 4.0], (2, 1, 2)), ind=1).shape
    (1, 2, 2)
    """
    a, first = operand(a, "tensorinv"), _whole(ind, "tensorinv")
    if first <= 0:
        raise ShapeError(f"tensorinv: ind is at least 1, got {ind}")
    rows, columns = a.shape[:first], a.shape[first:]
    matrix = reshape(a, (math.prod(rows), math.prod(columns)))
    return reshape(inv(matrix), (*columns, *rows))


def tensorsolve(a: Any, b: Any, axes: Sequence[int] | None = None) -> Any:
    """Solve ``tensordot(a, x, x.ndim) == b`` for x, as `numpy.linalg.tensorsolve`.

    The first axes of `a` are those of `b`, the others those of x; `axes` are moved to the end
    first.

    >>> tensorsolve(reshape([2.0, 0.0, 0.0, 4.0], (2, 1, 2)), [2.0, 2.0])
    array([[1. , 0.5]])
    """
    a, b = operand(a, "tensorsolve"), operand(b, "tensorsolve")
    if axes is not None:
        a = moveaxis(a, axes, range(-len(axes), 0))
    shape = a.shape[len(b.shape) :]
    n = math.prod(shape)
    if math.prod(a.shape) != n * n or math.prod(b.shape) != n:
        raise ShapeError(
            f"tensorsolve: shapes {a.shape} and {b.shape} do not give as many equations as unknowns"
        )
    return reshape(solve(reshape(a, (n, n)), reshape(b, (n,))), shape)


# --------------------------------------------------------------------------- determinants


def _signs(*xs: Any) -> Any:
    """The sign of the product of the determinants of orthogonal matrices."""
    return math.prod(np.sign(np.linalg.det(plain(x))) for x in xs)


def _products(s: Any) -> Any:
    """For each number along the last axis the product of the others."""
    return products_of_others(s)[..., : s.shape[-1]]


def _not_finite(a: Any) -> Any:
    return ~np.isfinite(plain(a)).all(axis=(-2, -1))


def _cofactor_array(a: Any) -> Any:
    a, share = _set_aside(a, _not_finite(a))
    u, s, vh = np.linalg.svd(a)
    products = _products(s) * _column(np.asarray(_signs(u, vh)))
    return np.asarray((u * _row(products)) @ vh * share, dtype=s.dtype)


def _is_well_conditioned(a: Any) -> bool:
    s = np.linalg.svd(_set_aside(plain(a), _not_finite(a))[0], compute_uv=False)
    return bool(np.all(s[..., -1:] > 1e-4 * s[..., :1]))


def _pull_cofactor(g: Any, out: Any, a: Any) -> Any:
    if _is_well_conditioned(a):
        along = (g * out).sum(axis=(-2, -1), keepdims=True)
        return (along * out - out @ _t(g) @ out) / _column(_column(det(a)))
    # With s the singular values and E the change of a, between their vectors, the determinant
    # has the second-order term of Σ (E_ii E_jj - E_ij E_ji) Π s, over the pairs i < j, where the
    # product is of the others.
    n = a.shape[-1]
    ut, s, vh = _svd_parts(_svd(a), n)
    others = 1.0 - np.eye(n, dtype=s.dtype)
    products = _products(_row(s) * others + np.eye(n, dtype=s.dtype)) * others
    between = ut @ g @ _t(vh)
    core = _diagonal_matrix((products @ _column(diagonal(between, 0, -2, -1)))[..., 0])
    signs = _column(_column(np.asarray(_signs(ut, vh))))
    return _t(ut) @ ((core - products * _t(between)) * signs) @ vh


_cofactor = _matrix_primitive("cofactor", _cofactor_array, _pull_cofactor, REGULAR, SQUARE_EXAMPLES)

_det = _matrix_primitive(
    "det",
    np.linalg.det,
    lambda g, out, a: g.reshape((*g.shape, 1, 1)) * _cofactor(a),
    REGULAR,
    SQUARE_EXAMPLES,
    command(r"\det"),
)


def det(a: Any) -> Any:
    """Compute the determinants of square matrices.

    The derivative is the matrix of cofactors, made from singular values: it is right for
    singular matrices too, and so is the second derivative. From the third on, singular matrices
    need singular values that differ.

    >>> float(det([[1.0, 2.0], [0.0, 4.0]]))
    4.0
    """
    return _det(_squares(a, "det"))


publish(det, _det)


class SlogdetResult(NamedTuple):
    """What `slogdet` returns."""

    sign: Any
    logabsdet: Any


def _logabsdet_array(a: Any) -> Any:
    return np.linalg.slogdet(a)[1]


def _pull_slogdet(g: Any, out: Any, a: Any) -> Any:
    a, share = _set_aside(a, np.isneginf(plain(out)))
    return g.reshape((*g.shape, 1, 1)) * (_t(_inv(a)) * share)


_slogdet = _matrix_primitive(
    "slogdet",
    _logabsdet_array,
    _pull_slogdet,
    REGULAR,
    SQUARE_EXAMPLES,
    Notation(Form("slogdet($0)[1]"), Form(r"\log\left|\det($0)\right|")),
)


def slogdet(a: Any) -> SlogdetResult:
    """Compute the sign and the logarithm of the absolute value of determinants.

    Of a singular matrix they are 0 and -inf, with slopes nan.

    Returns
    -------
    namedtuple with fields sign, logabsdet
        The sign is plain numbers: it has no derivative.

    Examples
    --------
    >>> sign, logabsdet = slogdet([[-1.0, 0.0], [0.0, 1.0]])
    >>> float(sign), float(logabsdet)
    (-1.0, 0.0)
    """
    a = _squares(a, "slogdet")
    return SlogdetResult(np.linalg.slogdet(plain(a))[0], _slogdet(a))


publish(slogdet, _slogdet)

# --------------------------------------------------------------------------- triangular factors


def _pull_cholesky(g: Any, out: Any, a: Any) -> Any:
    n = a.shape[-1]
    lower = np.tri(n, dtype=out.dtype) - np.eye(n, dtype=out.dtype) * 0.5
    left = _solve(_t(out), (_t(out) @ g) * lower)
    return _symmetric(_solve(_t(out), _t(left)))


_cholesky = _matrix_primitive(
    "cholesky", np.linalg.cholesky, _pull_cholesky, DEFINITE, SQUARE_EXAMPLES
)


def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """Factor symmetric, positive definite matrices into ``L @ L.T``, L lower triangular.

    Only the lower triangle is read. The gradient is symmetric, as in PyTorch and JAX: each of
    two mirrored elements gets half of what moving both does.

    Parameters
    ----------
    a : Tensor or array, shape (..., n, n)
    upper : bool
        Return U with ``U.T @ U`` instead, and read the upper triangle.

    Raises
    ------
    SingularMatrixError
        If a matrix is not positive definite.

    Examples
    --------
    >>> cholesky([[4.0, 2.0], [2.0, 2.0]])
    array([[2., 0.],
           [1., 1.]])
    """
    a = _squares(a, "cholesky")
    return swapaxes(_cholesky(swapaxes(a, -1, -2)), -1, -2) if upper else _cholesky(a)


publish(cholesky, _cholesky)


class QRResult(NamedTuple):
    """What `qr` returns."""

    Q: Any
    R: Any


def _qr_array(a: Any) -> Any:
    q, r = np.linalg.qr(a)
    return np.concatenate([_t(q), r], axis=-1)


def _pull_qr(g: Any, out: Any, a: Any) -> Any:
    m, n = a.shape[-2:]
    qt, r, gqt, gr = out[..., :m], out[..., m:], g[..., :m], g[..., m:]
    square = r @ _t(gr) - gqt @ _t(qt)
    mirrored = square * np.tri(n, dtype=out.dtype) + _t(square * np.tri(n, k=-1, dtype=out.dtype))
    r, share = _set_aside(r, (plain(diagonal(r, 0, -2, -1)) == 0).any(axis=-1))
    return _t(_solve(r, gqt + _t(mirrored) @ qt)) * share


_qr = _matrix_primitive(
    "qr", _qr_array, _pull_qr, REGULAR, [example((3, 3)), example((4, 2)), example((2, 3, 2))]
)


def qr(a: Any, mode: str = "reduced") -> Any:
    """Factor matrices into ``Q @ R``: orthonormal columns, and an upper triangle.

    Parameters
    ----------
    a : Tensor or array, shape (..., m, n)
        The first min(m, n) columns are linearly independent: else there is no derivative, and it
        is nan where R has a 0 on its diagonal, huge where rounding made that a small number.
    mode : str
        "reduced"; "r" for R only; "complete" for a square Q, which with m > n is not
        determined by `a`, and so works on plain arrays only.

    Returns
    -------
    namedtuple with fields Q, R; for "r" one Tensor or array

    Examples
    --------
    >>> q, r = qr([[3.0, 1.0], [4.0, 2.0]])
    >>> (q @ r).round(9)
    array([[3., 1.],
           [4., 2.]])
    """
    a = _matrices(a, "qr")
    m, n = a.shape[-2:]
    if mode not in ("reduced", "complete", "r"):
        raise ShapeError(f"qr: mode {mode!r} is unknown: reduced, complete, r")
    if mode == "complete" and m > n:
        if isinstance(a, Node):
            raise ShapeError(
                f"qr: of shape {a.shape} only the first {n} columns of a complete Q are "
                "determined, so it has no derivative: use mode='reduced'"
            )
        return QRResult(*np.linalg.qr(a, mode="complete"))
    packed = _qr(a[..., :m])
    q, r = swapaxes(packed[..., :m], -1, -2), packed[..., m:]
    if m < n:
        r = concatenate([r, matmul(packed[..., :m], a[..., m:])], axis=-1)
    return r if mode == "r" else QRResult(q, r)


publish(qr, _qr)

# --------------------------------------------------------------------------- spectra


class EighResult(NamedTuple):
    """What `eigh` returns."""

    eigenvalues: Any
    eigenvectors: Any


def _eigh_array(a: Any, UPLO: str) -> Any:
    w, v = np.linalg.eigh(a, UPLO)  # type: ignore[call-overload]
    return np.concatenate([_column(w), v], axis=-1)


def _pull_eigh(g: Any, out: Any, a: Any, UPLO: str) -> Any:
    w, v, gw, gv = out[..., 0], out[..., 1:], g[..., 0], g[..., 1:]
    turns = _reciprocal(_row(w) - _column(w), np.eye(a.shape[-1], dtype=bool))
    core = (_t(v) @ gv) * turns + _diagonal_matrix(gw)
    return _symmetric(v @ core @ _t(v))


def _pull_eigvalsh(g: Any, out: Any, a: Any, UPLO: str) -> Any:
    v = _eigh(a, UPLO=UPLO)[..., 1:]
    return _symmetric(v @ (_column(g) * _t(v)))


EIGH_EXAMPLES = [example(one.shapes[0], UPLO=side) for one in SQUARE_EXAMPLES for side in "LU"]

_eigh: Primitive = _matrix_primitive("eigh", _eigh_array, _pull_eigh, DEFINITE, EIGH_EXAMPLES)


def eigh(a: Any, UPLO: str = "L") -> EighResult:
    """Compute eigenvalues, ascending, and eigenvectors, as columns, of symmetric matrices.

    Only one triangle is read; the gradient is symmetric, as in PyTorch and JAX. Where
    eigenvalues are equal, their eigenvectors are not determined: the gradient through the
    eigenvectors of such a matrix is nan. Through eigenvalues alone it is right, but the second
    derivative is nan there: the eigenvectors' first is part of it.

    Parameters
    ----------
    a : Tensor or array, shape (..., n, n)
    UPLO : str
        "L" reads the lower triangle, "U" the upper.

    Returns
    -------
    namedtuple with fields eigenvalues, eigenvectors

    Examples
    --------
    >>> eigh([[2.0, 0.0], [0.0, 1.0]]).eigenvalues
    array([1., 2.])
    """
    a, side = _squares(a, "eigh"), _side(UPLO)
    return EighResult(_eigvalsh(a, UPLO=side), _eigh(a, UPLO=side)[..., 1:])


publish(eigh, _eigh)


def _side(uplo: Any) -> str:
    if uplo not in ("L", "U", "l", "u"):
        raise ShapeError(f"UPLO is 'L' or 'U', the triangle to read, got {uplo!r}")
    return str(uplo).upper()


# A primitive of its own, since its first derivative holds where that of the vectors does not.
_eigvalsh = _matrix_primitive(
    "eigvalsh", np.linalg.eigvalsh, _pull_eigvalsh, DEFINITE, EIGH_EXAMPLES
)


def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    """Compute the eigenvalues of symmetric matrices, ascending; see `eigh`.

    >>> eigvalsh([[2.0, 0.0], [0.0, 1.0]])
    array([1., 2.])
    """
    return _eigvalsh(_squares(a, "eigvalsh"), UPLO=_side(UPLO))


publish(eigvalsh, _eigvalsh)


class SVDResult(NamedTuple):
    """What `svd` returns."""

    U: Any
    S: Any
    Vh: Any


def _svd_array(a: Any) -> Any:
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    return np.concatenate([_t(u), _column(s), vh], axis=-1)


def _svd_parts(packed: Any, m: int) -> tuple[Any, Any, Any]:
    return packed[..., :m], packed[..., m], packed[..., m + 1 :]


def _pull_svd(g: Any, out: Any, a: Any) -> Any:
    m, n = a.shape[-2:]
    (ut, s, vh), (gut, gs, gvh) = _svd_parts(out, m), _svd_parts(g, m)
    left, right = ut @ _t(gut), vh @ _t(gvh)
    turns = _reciprocal(_row(s) - _column(s), np.eye(s.shape[-1], dtype=bool))
    shares = _reciprocal(_row(s) + _column(s), True)  # by itself: squares under- and overflow
    core = (left - _t(left)) * (shares * _row(s)) + (right - _t(right)) * (shares * _column(s))
    total = _t(ut) @ (core * turns + _diagonal_matrix(gs)) @ vh
    if m > n:
        total = total + _t((gut - _t(left) @ ut) * _column(_reciprocal(s, False))) @ vh
    if n > m:
        total = total + _t(ut) @ ((gvh - _t(right) @ vh) * _column(_reciprocal(s, False)))
    return total


SVD_EXAMPLES = (example((3, 3)), example((3, 2)), example((2, 3)), example((2, 2, 2)))

_svd = _matrix_primitive("svd", _svd_array, _pull_svd, REGULAR, SVD_EXAMPLES)


def svd(
    a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    """Factor matrices into ``U @ diag(S) @ Vh``, with singular values S descending.

    Where singular values are equal, their vectors are not determined, nor in matrices that are
    not square where one is 0: the gradient through the vectors of such a matrix is nan. Through
    singular values alone it is right, and at 0 one of several; the second derivative is nan there.

    Parameters
    ----------
    a : Tensor or array, shape (..., m, n)
    full_matrices : bool
        Complete U and Vh to square matrices, which for m different from n are not determined by
        `a`, and so work on plain arrays only: pass False for a Tensor.
    compute_uv : bool
        False returns the singular values only.
    hermitian : bool
        The matrices are symmetric; uses `eigh`.

    Returns
    -------
    namedtuple with fields U, S, Vh; without `compute_uv` one Tensor or array

    Examples
    --------
    >>> svd([[0.0, 2.0], [1.0, 0.0]]).S
    array([2., 1.])
    """
    a = _matrices(a, "svd")
    m, n = a.shape[-2:]
    if hermitian:
        parts = _svd_of_symmetric(a)
        return parts if compute_uv else parts.S
    if not compute_uv:
        return _svdvals(a)
    if full_matrices and m != n:
        if isinstance(a, Node):
            raise ShapeError(
                f"svd: the full matrices of shape {a.shape} are not determined, so they have no "
                "derivative: use full_matrices=False"
            )
        return SVDResult(*np.linalg.svd(a))
    ut, _, vh = _svd_parts(_svd(a), m)
    return SVDResult(swapaxes(ut, -1, -2), _svdvals(a), vh)


publish(svd, _svd)


def _svd_of_symmetric(a: Any) -> SVDResult:
    w, v = eigh(a)
    index = list(np.indices(w.shape, sparse=True))
    index[-1] = np.argsort(np.abs(plain(w)), axis=-1)[..., ::-1]
    w = getitem(w, tuple(index))
    vt = getitem(swapaxes(v, -1, -2), tuple(index))
    return SVDResult(swapaxes(vt, -1, -2), abs(w), vt * _column(np.sign(plain(w))))


def _svdvals_array(a: Any) -> Any:
    return np.linalg.svd(a, compute_uv=False)


def _pull_svdvals(g: Any, out: Any, a: Any) -> Any:
    ut, _, vh = _svd_parts(_svd(a), a.shape[-2])
    return _t(ut) @ (_column(g) * vh)


# A primitive of its own, as with eigenvalues.
_svdvals = _matrix_primitive("svdvals", _svdvals_array, _pull_svdvals, REGULAR, SVD_EXAMPLES)


def svdvals(x: Any, /) -> Any:
    """Compute the singular values of matrices, descending; see `svd`.

    >>> svdvals([[0.0, 2.0], [1.0, 0.0]])
    array([2., 1.])
    """
    return _svdvals(_matrices(x, "svdvals"))


publish(svdvals, _svdvals)


def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """Count the singular values that are not 0 but for rounding: `numpy.linalg.matrix_rank`.

    The result is plain integers, without a derivative.

    >>> int(matrix_rank([[1.0, 2.0], [2.0, 4.0]]))
    1
    """
    return np.linalg.matrix_rank(plain(operand(A, "matrix_rank")), tol, hermitian, rtol=rtol)


# --------------------------------------------------------------------------- norms


def _measured(x: Any, who: str) -> Any:
    """An operand whose norms are floats, even if it is integers."""
    return x if isinstance(x, Node) else of_floats(as_data(x, who))


def _flat_axes(x: Any, axis: Axis) -> Any:
    return tuple(range(len(x.shape))) if axis is None else axes_of(axis)


def _vector_norm(x: Any, axis: Any, keepdims: bool, ord: Any) -> Any:
    p = fixed_number(ord, "ord")
    if p == 2:
        return euclidean(x, axis=axis, keepdims=keepdims)
    if p == 0:
        return sum(abs(sign(x)), axis, keepdims)
    sizes = abs(x)
    if math.isinf(p):
        return max(sizes, axis, keepdims) if p > 0 else min(sizes, axis, keepdims)
    if p == 1:
        return sum(sizes, axis, keepdims)
    return _power_norm(sizes, axis, keepdims, p)


def _power_norm(sizes: Any, axis: Any, keepdims: bool, p: float) -> Any:
    """The p-norm; what is 0 has slope 0, of a vector of zeros as of an element."""
    zero = sizes == 0
    total = sum(where(zero, 0.0 if p > 0 else np.inf, where(zero, 1.0, sizes) ** p), axis, keepdims)
    none = total == 0
    return where(none, 0.0, where(none, 1.0, total) ** (1.0 / p))


def _matrix_norm(x: Any, axes: Sequence[int], keepdims: bool, ord: Any) -> Any:
    """The norm of the matrices along two axes, which come last where there is a choice."""
    if ord is None or ord == "fro":
        return euclidean(x, axis=tuple(axes), keepdims=keepdims)
    kinds: dict[Any, Function] = {
        "nuc": lambda a: sum(svdvals(a), axis=-1),
        2: lambda a: max(svdvals(a), axis=-1),
        -2: lambda a: min(svdvals(a), axis=-1),
        1: lambda a: max(sum(abs(a), axis=-2), axis=-1),
        -1: lambda a: min(sum(abs(a), axis=-2), axis=-1),
        np.inf: lambda a: max(sum(abs(a), axis=-1), axis=-1),
        -np.inf: lambda a: min(sum(abs(a), axis=-1), axis=-1),
    }
    if not isinstance(ord, (str, Real)) or ord not in kinds:
        raise ShapeError(
            "the norm of a matrix is of order 'fro', 'nuc', 1, 2, inf or a negative of those, "
            f"got {describe(ord)}"
        )
    result = kinds[ord](moveaxis(x, axes, (-2, -1)))
    kept = {axis % len(x.shape) for axis in axes}
    lengths = [1 if i in kept else n for i, n in enumerate(x.shape)]
    return reshape(result, lengths) if keepdims else result


def norm(x: Any, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Any:
    """Measure the length of vectors or the size of matrices: `numpy.linalg.norm`.

    Without `ord` it is the root of the sum of squares along any axes (the 2-norm, for a matrix
    Frobenius's), with slope 0 at 0, scaled by the largest element, so that it neither overflows
    nor underflows.

    Parameters
    ----------
    x : Tensor or array
    ord : number, "fro", "nuc" or None
        For vectors any number or infinity: the p-norm, the largest or the smallest magnitude, for
        0 how many elements are not 0. For matrices "fro", "nuc" (the sum of the singular values),
        2 and -2 (the largest, the smallest), 1 and -1 (the largest, the smallest column sum of
        magnitudes), inf and -inf (of rows).
    axis : int, tuple of int or None
        One axis for vectors, two for matrices, by default all there are.
    keepdims : bool

    Examples
    --------
    >>> float(norm([3.0, 4.0])), float(norm([3.0, 4.0], 1))
    (5.0, 7.0)
    """
    axis = axes_of(axis)
    if ord is None:
        return euclidean(x, axis=axis, keepdims=keepdims)
    x = _measured(x, "norm")
    axes = (axis,) if isinstance(axis, int) else _flat_axes(x, axis)
    if len(axes) == 1:
        return _vector_norm(x, axes[0], keepdims, ord)
    if len(axes) == 2:
        return _matrix_norm(x, axes, keepdims, ord)
    raise ShapeError(
        f"norm of order {ord!r} is of vectors, along one axis, or of matrices, along two, "
        f"got {len(axes)} of shape {x.shape}: name them with axis, or leave ord out"
    )


publish(norm, euclidean)


def vector_norm(x: Any, /, *, axis: Axis = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """Measure the length of vectors, along any axes, by default all; see `norm`.

    >>> float(vector_norm([[3.0], [4.0]]))
    5.0
    """
    x = _measured(x, "vector_norm")
    return _vector_norm(x, _flat_axes(x, axis), keepdims, ord)


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """Measure the size of the matrices along the last two axes; see `norm`.

    >>> float(matrix_norm([[3.0, 0.0], [0.0, 4.0]], ord="nuc"))
    7.0
    """
    x = _matrices(_measured(x, "matrix_norm"), "matrix_norm")
    return _matrix_norm(x, (-2, -1), keepdims, ord)


def cond(x: Any, p: Any = None) -> Any:
    """Compute the condition number: how much a linear system may magnify errors.

    Parameters
    ----------
    x : Tensor or array, shape (..., m, n)
        Square, unless `p` is None, 2 or -2.
    p : number, "fro", "nuc" or None
        The order of the matrix norm; None is 2, the ratio of the extreme singular values.

    Returns
    -------
    Tensor or array
        Infinity for a singular matrix, without a gradient; for order -2 the number is 0.

    Examples
    --------
    >>> float(cond([[2.0, 0.0], [0.0, 4.0]]))
    2.0
    """
    x = _matrices(x, "cond")
    if 0 in x.shape[-2:]:
        raise ShapeError(f"cond takes matrices that are not empty, got shape {x.shape}")
    if p is None or p in (2, -2):
        values = svdvals(x)
        largest, smallest = values[..., 0], values[..., -1]
        if p == -2:
            return smallest / largest
        zero = smallest == 0
        return where(zero, np.inf, largest / where(zero, 1.0, smallest))
    return _cond_of_squares(_squares(x, "cond"), p)


def _cond_of_squares(x: Any, p: Any) -> Any:
    singular = np.asarray(np.linalg.slogdet(plain(x))[0] == 0)
    if not singular.any():
        return matrix_norm(x, ord=p) * matrix_norm(inv(x), ord=p)
    regular = where(singular[..., None, None], np.eye(x.shape[-1], dtype=x.dtype), x)
    return where(singular, np.inf, _cond_of_squares(regular, p))


# --------------------------------------------------------------------------- products


def matrix_power(a: Any, n: int) -> Any:
    """Raise square matrices to a whole power, negative ones by the inverse.

    >>> matrix_power([[1.0, 1.0], [0.0, 1.0]], 3)
    array([[1., 3.],
           [0., 1.]])
    """
    a = _squares(a, "matrix_power")
    power = _whole(n, "matrix_power")
    if power == 0:
        return where(np.zeros(a.shape, bool), a, np.eye(a.shape[-1], dtype=a.dtype))
    square = inv(a) if power < 0 else a
    left, result = builtins.abs(power), None
    while left:
        left, odd = divmod(left, 2)
        if odd:
            result = square if result is None else matmul(result, square)
        if left:
            square = matmul(square, square)
    return result


def multi_dot(arrays: Sequence[Any]) -> Any:
    """Multiply matrices in the order that takes the fewest multiplications of numbers.

    The first and the last may be vectors. Cormen et al., Introduction to Algorithms, section
    15.2.

    >>> multi_dot([[1.0, 2.0], [[1.0, 0.0], [0.0, 1.0]], [3.0, 4.0]]).tolist()
    11.0
    """
    parts = [operand(x, "multi_dot") for x in arrays]
    if len(parts) < 2:
        raise ShapeError(f"multi_dot takes at least two arrays, got {len(parts)}")
    inner = [len(x.shape) == 2 for x in parts[1:-1]]
    if not all(inner) or not {len(parts[0].shape), len(parts[-1].shape)} <= {1, 2}:
        raise ShapeError(
            "multi_dot takes matrices, and vectors at the ends, got shapes "
            + ", ".join(str(x.shape) for x in parts)
        )
    first = 1 if len(parts[0].shape) == 1 else parts[0].shape[0]
    lengths = [first, *(x.shape[0] for x in parts[1:])]
    lengths.append(1 if len(parts[-1].shape) == 1 else parts[-1].shape[1])
    return _multiply(parts, _cheapest_splits(lengths), 0, len(parts) - 1)


def _cheapest_splits(lengths: Sequence[int]) -> dict[tuple[int, int], int]:
    """After which matrix to split each run of them; matrix i is lengths[i] by lengths[i + 1]."""
    count = len(lengths) - 1
    cost = {(i, i): 0 for i in range(count)}
    splits: dict[tuple[int, int], int] = {}
    for span in range(1, count):
        for i in range(count - span):
            j = i + span
            options = [
                (cost[i, k] + cost[k + 1, j] + lengths[i] * lengths[k + 1] * lengths[j + 1], k)
                for k in range(i, j)
            ]
            cost[i, j], splits[i, j] = builtins.min(options)
    return splits


def _multiply(parts: list[Any], splits: dict[tuple[int, int], int], i: int, j: int) -> Any:
    if i == j:
        return parts[i]
    k = splits[i, j]
    return matmul(_multiply(parts, splits, i, k), _multiply(parts, splits, k + 1, j))


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """Sum the products of vectors along an axis; the other axes broadcast.

    >>> vecdot([[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0])
    array([3., 7.])
    """
    x1, x2 = (moveaxis(operand(x, "vecdot"), axis, -1) for x in (x1, x2))
    if x1.shape[-1] != x2.shape[-1]:
        raise ShapeError(
            f"vecdot takes vectors of one length, got {x1.shape[-1]} and {x2.shape[-1]}"
        )
    return einsum("...i,...i->...", x1, x2)
