"""Every exception of the package, one tree.

::

    AutogradError
    ├── DataError          (TypeError)           data of a kind that a node cannot hold
    ├── ShapeError         (ValueError)          shapes or axes that do not fit
    ├── OutOfRangeError    (IndexError)          an index beyond the end
    ├── SingularMatrixError (np.linalg.LinAlgError)  a matrix without the inverse or factor
    ├── GradientError      (RuntimeError)        a gradient that does not exist
    │   └── StaleGraphError                      data changed after the graph was recorded
    ├── NonFiniteError     (FloatingPointError)  a nan or an infinity where training met it
    ├── CheckError         (AssertionError)      a derivative that finite differences contradict
    ├── ReplayError        (TypeError)           a function that cannot be recorded and replayed
    ├── PrimitiveError     (ValueError)          a primitive defined twice or not completely
    ├── ExpressionError    (ValueError)          a text that is no expression of finite value
    └── RenderError        (RuntimeError)        a picture that cannot be made

Each class also derives from the built-in exception that a caller would expect, so
``except ValueError`` and ``except AutogradError`` both work.
"""

import numpy as np

__all__ = [
    "AutogradError",
    "CheckError",
    "DataError",
    "ExpressionError",
    "GradientError",
    "NonFiniteError",
    "OutOfRangeError",
    "PrimitiveError",
    "RenderError",
    "ReplayError",
    "ShapeError",
    "SingularMatrixError",
    "StaleGraphError",
]


class AutogradError(Exception):
    """What every exception of the package derives from.

    >>> issubclass(ShapeError, AutogradError) and issubclass(ShapeError, ValueError)
    True
    """


class DataError(AutogradError, TypeError):
    """Data of a kind that a node cannot hold: text, None, complex numbers, objects.

    >>> from autograd import Value
    >>> Value("3")
    Traceback (most recent call last):
    autograd.errors.DataError: a Value holds one real number, got the str '3'
    """


class ShapeError(AutogradError, ValueError):
    """Shapes or axes that do not fit the operation.

    >>> from autograd import Tensor
    >>> Tensor([1.0, 2.0]) + Tensor([1.0, 2.0, 3.0])
    Traceback (most recent call last):
    autograd.errors.ShapeError: add cannot combine shapes (2,) and (3,): counted from the last, \
axes must be of equal length, or one of them of length 1
    """


class OutOfRangeError(AutogradError, IndexError):
    """An index beyond the end of an axis, or more indices than axes.

    >>> from autograd import Tensor
    >>> Tensor([1.0, 2.0])[5]
    Traceback (most recent call last):
    autograd.errors.OutOfRangeError: getitem does not fit shape (2,) with index=5: \
index 5 is out of bounds for axis 0 with size 2
    """


class SingularMatrixError(AutogradError, np.linalg.LinAlgError):
    """A matrix without the inverse or the factor asked for: singular, indefinite, not finite.

    >>> from autograd import inv
    >>> inv([[1.0, 2.0], [2.0, 4.0]])
    Traceback (most recent call last):
    autograd.errors.SingularMatrixError: inv of shape (2, 2): Singular matrix
    """


class GradientError(AutogradError, RuntimeError):
    """A gradient that does not exist: of a constant, or of many outputs without a cotangent.

    >>> from autograd import Value
    >>> Value(1.0).detach().backward()
    Traceback (most recent call last):
    autograd.errors.GradientError: Value(1.0, constant) is a constant, so there is nothing to \
differentiate: it was made under no_grad(), by detach(), from integers or from constants only
    """


class StaleGraphError(GradientError):
    """The data of a leaf was changed after the graph that uses it was recorded.

    >>> from autograd import Value
    >>> x = Value(3.0, label="x")
    >>> y = x * x
    >>> x.data = 4.0
    >>> y.backward()
    Traceback (most recent call last):
    autograd.errors.StaleGraphError: the data of 'x' was changed after mul recorded it, so this \
graph's gradients would mix old numbers with new ones: compute the output again, then call backward
    """


class NonFiniteError(AutogradError, FloatingPointError):
    """A nan or an infinity where training cannot go on with one.

    >>> issubclass(NonFiniteError, FloatingPointError)
    True
    """


class CheckError(AutogradError, AssertionError):
    """A derivative that finite differences contradict; the message is the report.

    >>> issubclass(CheckError, AssertionError)
    True
    """


class ReplayError(AutogradError, TypeError):
    """A function that cannot be recorded once and replayed: it decides on numbers.

    >>> issubclass(ReplayError, TypeError)
    True
    """


class PrimitiveError(AutogradError, ValueError):
    """A primitive that is defined twice, or not completely.

    >>> issubclass(PrimitiveError, ValueError)
    True
    """


class ExpressionError(AutogradError, ValueError):
    """A text that is no expression, or whose value is not finite; carets show the place.

    >>> from autograd.expression import parse
    >>> parse("tanh(a*b + )")
    Traceback (most recent call last):
    autograd.errors.ExpressionError: a number, a name, a function or a bracket is missing before )
      tanh(a*b + )
                 ^
    """


class RenderError(AutogradError, RuntimeError):
    """A picture that cannot be made; the message says what to install or to change.

    >>> issubclass(RenderError, RuntimeError)
    True
    """
