"""`LossSurface`: the loss of a model on data as a function of all its parameters in one vector."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autograd import ShapeError, Value, gradients, no_grad, vdot
from nn.data.checks import as_array
from nn.module import Module, require_callable, require_kind, whole_number
from nn.steps import Data, Loss, checked_data, forward, mode_kept, one_number, shaped_like

__all__ = ["LossSurface", "largest_curvature", "largest_eigenpairs"]

Array = NDArray[Any]

MOST_PRODUCTS = 100
"""Products of the Hessian with a vector, after which a curvature is taken as it is."""

CLOSE_ENOUGH = 1e-4
"""Residual relative to the largest curvature, at which the search for curvatures ends."""


class LossSurface:
    """The loss of a model on data as a function of all its parameters in one vector.

    All rows are one batch, and the model is in `eval` mode, without dropout, so that the loss is
    a function of the parameters alone. Every method leaves the model as it was: its parameters,
    their gradients, and the mode of each of its modules.

    Parameters
    ----------
    model : Module
        With parameters. Tensors or Values; called as `nn.fit` calls it.
    loss : callable
        ``loss(prediction, y)`` returns one number as a node, such as `cross_entropy`.
    data : (x, y) of array_like
        One row a sample.

    Attributes
    ----------
    parameters : dict of str to Parameter
        In the order in which the vector holds their elements, arrays row by row.
    dtype : numpy.dtype
        Of the vector: that of the parameters, the wider one where they differ.

    Raises
    ------
    ValueError
        If the model has no parameters.
    ShapeError, DataError, NonFiniteError
        If data or arguments are of the wrong kind, as in `nn.fit`.

    Examples
    --------
    >>> from nn import Linear, mse_loss
    >>> line = Linear(1, 1, rng=0)
    >>> surface = LossSurface(line, mse_loss, ([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]))
    >>> surface.size, list(surface.parameters)
    (2, ['weight', 'bias'])
    >>> surface.losses([[2.0, 1.0], [2.0, 0.0]])
    array([0., 1.])
    """

    def __init__(self, model: Module, loss: Loss, data: Data) -> None:
        require_kind("model", model, Module)
        require_callable("loss", loss, "loss(prediction, y)")
        self.model, self.loss = model, loss
        self.x, self.y = checked_data("data", data, model)
        self.parameters = dict(model.named_parameters())
        if not self.parameters:
            raise ValueError(f"{model.describe()} has no parameters, so its loss is one number")
        self.dtype = np.result_type(*[p.dtype for p in self.parameters.values()])

    @property
    def size(self) -> int:
        """How many numbers the parameters have together."""
        return sum(p.size for p in self.parameters.values())

    @property
    def weights(self) -> Array:
        """The parameters that the model has now, as one vector."""
        return self._flat([p.numpy() for p in self.parameters.values()])

    def losses(self, points: Iterable[ArrayLike]) -> NDArray[np.float64]:
        """Return the loss at each of some vectors of parameters; inf and nan are let through.

        >>> from nn import Linear, mse_loss
        >>> surface = LossSurface(Linear(1, 1), mse_loss, ([[1.0]], [1.0]))
        >>> surface.losses([[0.0, 0.0], [0.0, 3.0]])
        array([1., 4.])
        """
        with self._borrowed(), no_grad():
            return np.array([float(self._loss_at(point)) for point in points])

    def loss_and_gradient(self, point: ArrayLike) -> tuple[float, Array]:
        """Return the loss at a vector of parameters, and its gradient there.

        >>> from nn import Linear, mse_loss
        >>> surface = LossSurface(Linear(1, 1), mse_loss, ([[1.0]], [1.0]))
        >>> surface.loss_and_gradient([0.0, 3.0])
        (4.0, array([4., 4.]))
        """
        with self._borrowed():
            loss = self._loss_at(point)
            return float(loss), self._flat(gradients(loss, [*self.parameters.values()]))

    def curvatures(self, point: ArrayLike, count: int = 1) -> tuple[Array, Array]:
        """Return the largest eigenvalues of the Hessian at a vector of parameters, and their axes.

        By products of the Hessian with vectors, each of which costs a pass backward through the
        graph of the gradient; the Hessian itself is never formed. See `largest_eigenpairs`.

        Parameters
        ----------
        point : array_like, shape (size,)
        count : int
            How many, at most `size`.

        Returns
        -------
        values : array, shape (count,)
            Largest first, with their signs: at a maximum all are negative. nan where a second
            derivative is not finite.
        axes : array, shape (count, size)
            The eigenvectors, each of length 1.

        Examples
        --------
        >>> from nn import Linear, mse_loss
        >>> surface = LossSurface(Linear(1, 1), mse_loss, ([[0.0], [2.0]], [1.0, 1.0]))
        >>> values, _ = surface.curvatures([0.0, 0.0], count=2)
        >>> values.round(3)              # of the Hessian [[4, 2], [2, 2]]
        array([5.236, 0.764])
        """
        count = whole_number("count", count, 1, self.size)
        parameters = [*self.parameters.values()]
        with self._borrowed():
            slopes = gradients(self._loss_at(point), parameters, differentiable=True)

            def product(direction: Array) -> Array:
                parts = zip(slopes, self._split(direction), strict=True)
                along: Any = sum(vdot(slope, part) for slope, part in parts)
                return self._flat(gradients(along, parameters)).astype(np.float64)

            return largest_eigenpairs(product, self.size, count)

    @property
    def names(self) -> list[str]:
        """What each number of the vector is called.

        >>> from nn import Linear, mse_loss
        >>> LossSurface(Linear(2, 1), mse_loss, ([[1.0, 1.0]], [1.0])).names
        ['weight[0, 0]', 'weight[0, 1]', 'bias']
        """
        return [
            name if p.size == 1 else f"{name}[{', '.join(map(str, index))}]"
            for name, p in self.parameters.items()
            for index in np.ndindex(p.shape)
        ]

    @contextmanager
    def _borrowed(self) -> Iterator[None]:
        """Let the model be changed, in `eval` mode, and put everything back."""
        before = [(p, p.numpy()) for p in self.parameters.values()]
        try:
            # Far out losses overflow, and that is to be seen, not warned of.
            with mode_kept(self.model), np.errstate(all="ignore"):
                self.model.eval()
                yield
        finally:
            for parameter, data in before:
                parameter.data = data

    def _loss_at(self, point: ArrayLike) -> Any:
        """Return the loss as a node; the model must be borrowed."""
        parameters = self.parameters.values()
        for parameter, part in zip(parameters, self._split(as_array("point", point)), strict=True):
            parameter.data = part
        prediction = forward(self.model, self.x)
        return one_number(self.loss(prediction, shaped_like(prediction, self.y)))

    def _split(self, vector: Array) -> list[Any]:
        """Cut a vector into parts of the shapes and dtypes of the parameters."""
        if vector.shape != (self.size,):
            raise ShapeError(
                f"a point has one number for each of {self.size} parameters, shape "
                f"({self.size},), got {vector.shape}"
            )
        parameters = self.parameters.values()
        cuts = np.cumsum([p.size for p in parameters])[:-1]
        return [
            float(part[0]) if isinstance(p, Value) else part.reshape(p.shape).astype(p.dtype)
            for p, part in zip(parameters, np.split(vector, cuts), strict=True)
        ]

    def _flat(self, parts: Iterable[Any]) -> Array:
        return np.concatenate([np.ravel(part) for part in parts]).astype(self.dtype)


def largest_curvature(model: Module, loss: Loss, data: Data) -> float:
    """Return the largest eigenvalue of the Hessian of the loss by the parameters, its sharpness.

    Gradient descent of learning rate `lr` shrinks the distance along an eigenvector of curvature
    c by the factor ``1 - lr * c`` in a step: it comes straight in below ``1 / c``, from
    alternating sides below ``2 / c``, and beyond is driven away. So ``2 / largest_curvature`` is
    the limit of the learning rate, as long as the curvature stays what it is here. On nets it
    does not: it grows during training until it hovers about ``2 / lr`` (Cohen, Kaur, Li, Kolter
    & Talwalkar, "Gradient descent on neural networks typically occurs at the edge of stability",
    ICLR 2021).

    Parameters and errors are those of `LossSurface`; the model is left as it was. The curvature
    at which there is no limit is 0 or negative; where a derivative is not finite it is nan.

    >>> from nn import Linear, mse_loss
    >>> data = [[0.0], [2.0]], [1.0, 1.0]
    >>> round(largest_curvature(Linear(1, 1), mse_loss, data), 3)    # Hessian [[4, 2], [2, 2]]
    5.236
    """
    surface = LossSurface(model, loss, data)
    (curvature,), _ = surface.curvatures(surface.weights)
    return float(curvature)


def largest_eigenpairs(
    product: Callable[[Array], Array], size: int, count: int
) -> tuple[Array, Array]:
    """Return the largest eigenvalues of a symmetric matrix, given its products with vectors.

    Power iteration that keeps all its vectors and takes the best of what they span (Lanczos, "An
    iteration method for the solution of the eigenvalue problem", 1950), started from `count`
    vectors at once, so that an eigenvalue that occurs twice is found twice. It needs fewer
    products. And power iteration itself finds the eigenvalue of largest magnitude, which near a
    saddle may be a negative one, while a positive one limits the learning rate.

    The search ends when the residuals are below `CLOSE_ENOUGH` of the largest magnitude, or after
    `MOST_PRODUCTS`. Their squares over the gap to the next eigenvalue bound the errors.

    >>> values, vectors = largest_eigenpairs(lambda v: v * [-9.0, 2.0, 1.0], 3, 1)
    >>> values.round(6), abs(vectors).round(6)
    (array([2.]), array([[0., 1., 0.]]))
    """
    rng = np.random.default_rng(0)
    basis = images = np.empty((0, size))
    directions = rng.normal(size=(count, size))
    most = max(count, min(size, MOST_PRODUCTS))
    while True:
        for direction in directions[: most - len(basis)]:
            basis = np.vstack([basis, _orthonormal(direction, basis, rng)])
            images = np.vstack([images, product(basis[-1])])
        if not np.isfinite(images).all():
            return np.full(count, np.nan), np.full((count, size), np.nan)
        inner = basis @ images.T
        spectrum, mixtures = np.linalg.eigh((inner + inner.T) / 2)
        values, mixtures = spectrum[::-1][:count], mixtures.T[::-1][:count]
        axes = mixtures @ basis
        directions = mixtures @ images - values[:, None] * axes  # what is missing: the residuals
        errors = np.linalg.norm(directions, axis=1)
        if len(basis) == most or errors.max() <= CLOSE_ENOUGH * np.abs(spectrum).max():
            return values, axes


def _orthonormal(vector: Array, basis: Array, rng: np.random.Generator) -> Array:
    """Return what of a vector is at right angles to the basis, of length 1; if none, another."""
    while True:
        for _ in range(2):  # the second time takes away the rounding of the first
            vector = vector - (basis @ vector) @ basis
        length = np.linalg.norm(vector)
        if length > 0:
            return np.asarray(vector / length)
        vector = rng.normal(size=len(vector))
