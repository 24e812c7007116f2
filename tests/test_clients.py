"""What others' solvers make of our derivatives: SciPy's minimisers, and scikit-learn's results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nn.data
from autograd import grad, hessian, hvp, value_and_grad

optimize = pytest.importorskip("scipy.optimize")

# --------------------------------------------------------------------------- logistic regression


def logistic_loss(parameters: Any, x: Any, labels: Any, c: float) -> Any:
    """As scikit-learn has it: labels -1 and +1, no penalty on the intercept."""
    weights, intercept = parameters[:-1], parameters[-1]
    margins = labels * (x @ weights + intercept)
    return c * np.sum(np.logaddexp(0.0, -margins)) + 0.5 * np.sum(weights**2)


def data(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Inputs of standard size, and whether the class is the last one."""
    inputs, classes = nn.data.load(name)
    x = np.asarray(inputs, dtype=float).reshape(len(inputs), -1)
    x = (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-3)
    return x, np.where(np.asarray(classes) == np.max(classes), 1.0, -1.0)


@pytest.mark.parametrize("c", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("name", ["iris", "digits"])
@pytest.mark.parametrize("method", ["trust-ncg", "Newton-CG"])
def test_logistic_regression_is_that_of_scikit_learn(name: str, c: float, method: str) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    x, labels = data(name)
    product = hvp(logistic_loss)
    tight = {"gtol": 1e-8} if method == "trust-ncg" else {"xtol": 1e-12}
    fit = optimize.minimize(
        value_and_grad(logistic_loss),
        np.zeros(x.shape[1] + 1),
        args=(x, labels, c),
        method=method,
        jac=True,
        hessp=lambda p, v, *args: product(p, *args, v),
        options=tight,
    )
    theirs = linear_model.LogisticRegression(C=c, tol=1e-12, solver="newton-cholesky")
    theirs.fit(x, labels)
    np.testing.assert_allclose(fit.x[:-1], theirs.coef_[0], rtol=0.0, atol=1e-6)
    np.testing.assert_allclose(fit.x[-1], theirs.intercept_[0], rtol=0.0, atol=1e-6)


# --------------------------------------------------------------------------- Rosenbrock


def valley(x: Any) -> Any:
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def test_derivatives_of_rosenbrock_are_those_of_scipy() -> None:
    x, v = np.random.default_rng(0).normal(size=(2, 12))
    value, slope = value_and_grad(valley)(x)
    np.testing.assert_allclose(value, optimize.rosen(x), rtol=1e-14)
    np.testing.assert_allclose(slope, optimize.rosen_der(x), rtol=1e-12)
    np.testing.assert_allclose(hvp(valley)(x, v), optimize.rosen_hess_prod(x, v), rtol=1e-11)
    np.testing.assert_allclose(hessian(valley)(x), optimize.rosen_hess(x), rtol=1e-11)


def test_rosenbrock_by_newton_cg() -> None:
    start = np.tile([-1.2, 1.0], 10)
    fit = optimize.minimize(
        value_and_grad(valley),
        start,
        method="Newton-CG",
        jac=True,
        hessp=hvp(valley),
        options={"xtol": 1e-10},
    )
    same = optimize.minimize(
        optimize.rosen,
        start,
        method="Newton-CG",
        jac=optimize.rosen_der,
        hessp=optimize.rosen_hess_prod,
        options={"xtol": 1e-10},
    )
    np.testing.assert_allclose(fit.x, 1.0, atol=1e-6)
    assert abs(fit.nit - same.nit) <= 2


# --------------------------------------------------------------------------- a Gaussian process


def marginal_likelihood(log: Any, x: np.ndarray, y: np.ndarray) -> Any:
    """Minus its logarithm, for the logarithms of length scale, height and noise."""
    distance = (x[:, None] - x[None, :]) / np.exp(log[0])
    smooth = np.exp(2.0 * log[1]) * np.exp(-0.5 * distance**2)
    factor = np.linalg.cholesky(smooth + np.exp(2.0 * log[2]) * np.eye(len(x)))
    white = np.linalg.solve(factor, y)
    constant = 0.5 * len(x) * np.log(2.0 * np.pi)
    return 0.5 * np.sum(white**2) + np.sum(np.log(np.diagonal(factor))) + constant


def observations() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    x = np.sort(random.uniform(0.0, 8.0, 40))
    return x, np.sin(1.3 * x) + 0.1 * random.normal(size=40)


@pytest.mark.parametrize("log", [[0.0, 0.0, -1.0], [0.5, -0.3, -2.0], [-1.0, 1.0, 0.0]])
def test_gradient_of_a_marginal_likelihood(log: list[float]) -> None:
    x, y = observations()
    point, step = np.array(log), 1e-5
    slope = grad(marginal_likelihood)(point, x, y)
    product = hvp(marginal_likelihood)
    for unit, along in zip(np.eye(3), slope, strict=True):
        ahead, behind = point + step * unit, point - step * unit
        difference = marginal_likelihood(ahead, x, y) - marginal_likelihood(behind, x, y)
        np.testing.assert_allclose(along, difference / (2.0 * step), rtol=1e-6, atol=1e-6)
        slopes = [grad(marginal_likelihood)(p, x, y) for p in (ahead, behind)]
        bend = (slopes[0] - slopes[1]) / (2.0 * step)
        np.testing.assert_allclose(product(point, x, y, unit), bend, rtol=1e-6, atol=1e-5)


def test_hyperparameters_are_those_of_scikit_learn() -> None:
    gaussian_process = pytest.importorskip("sklearn.gaussian_process")
    kernels = gaussian_process.kernels
    x, y = observations()
    fit = optimize.minimize(
        value_and_grad(marginal_likelihood),
        [0.0, 0.0, -1.0],
        args=(x, y),
        method="L-BFGS-B",
        jac=True,
        options={"ftol": 1e-14, "gtol": 1e-8},
    )
    kernel = kernels.ConstantKernel(1.0) * kernels.RBF(1.0) + kernels.WhiteKernel(np.exp(-2.0))
    theirs = gaussian_process.GaussianProcessRegressor(kernel, alpha=0.0).fit(x[:, None], y)
    np.testing.assert_allclose(-fit.fun, theirs.log_marginal_likelihood_value_, rtol=1e-8)
    height, scale, noise = theirs.kernel_.theta
    np.testing.assert_allclose(fit.x, [scale, height / 2.0, noise / 2.0], atol=1e-3)
