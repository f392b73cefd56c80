"""Activations of whole rows: softmax, its logarithm, and softmin."""

from fastloa_kernels.formulas import rowwise

from fastloa.operations import Array, Parameters
from fastloa.row_operations import row_activation

__all__ = [
    "log_softmax",
    "softmax",
    "softmin",
]


@row_activation(rowwise.SOFTMAX)
def softmax(x: Array, /, *, axis: int = -1, out: Array | None = None, backend: str | None = None) -> Parameters:
    r"""Softmax: turns scores into probabilities that sum to 1 along an axis.

    .. math:: f(x)_i = \frac{e^{x_i}}{\sum_j e^{x_j}}

    Backward: y (g - sum(g y)) along the axis, g being the gradient of the output y.

    Parameters
    ----------
    x : array, shape (...), floating-point, integer or bool
        The scores.
    axis : int, default -1
        The axis of the classes.
    out : array, shape (...), optional
        Where to write the result; may be `x`.
    backend : {"auto", "cpu", "cuda", "cupy"}, optional
        Where to run; the backend in force by default.

    Returns
    -------
    array, shape (...)
        In the dtype of `x`; integers become floating-point as in NumPy.

    Raises
    ------
    TypeError
        Not an array, arrays of two libraries, or a dtype that is not supported.
    ValueError
        No such axis; `out` has another shape or is read-only.

    Notes
    -----
    Shifted by the maximum, so it never overflows. One score of inf takes all; two, or nothing but -inf, give NaN, as
    does a NaN anywhere along the axis. To learn from it use `cross_entropy`, which needs no softmax.

    References
    ----------
    Bridle, "Probabilistic Interpretation of Feedforward Classification Network Outputs", 1990,
    doi:10.1007/978-3-642-76153-9_28.

    Examples
    --------
    >>> softmax(np.array([[0.0, 0.0], [-np.inf, 1.0]]))
    array([[0.5, 0.5],
           [0. , 1. ]])
    """
    return ()


@row_activation(rowwise.LOG_SOFTMAX)
def log_softmax(x: Array, /, *, axis: int = -1, out: Array | None = None, backend: str | None = None) -> Parameters:
    r"""Logarithm of the softmax along an axis.

    .. math:: f(x)_i = x_i - \log \sum_j e^{x_j}

    Backward: g - exp(y) sum(g) along the axis, g being the gradient of the output y.

    Parameters
    ----------
    x : array, shape (...), floating-point, integer or bool
        The scores.
    axis : int, default -1
        The axis of the classes.
    out : array, shape (...), optional
        Where to write the result; may be `x`.
    backend : {"auto", "cpu", "cuda", "cupy"}, optional
        Where to run; the backend in force by default.

    Returns
    -------
    array, shape (...)
        In the dtype of `x`; integers become floating-point as in NumPy.

    Raises
    ------
    TypeError
        Not an array, arrays of two libraries, or a dtype that is not supported.
    ValueError
        No such axis; `out` has another shape or is read-only.

    Notes
    -----
    The largest score's value keeps all its digits however close to 0 it is. Infinities and NaN as in `softmax`.

    References
    ----------
    Blanchard, Higham and Higham, "Accurately computing the log-sum-exp and softmax functions", 2021,
    doi:10.1093/imanum/draa038.

    Examples
    --------
    >>> log_softmax(np.array([0.0, 800.0]))
    array([-800.,    0.])
    """
    return ()


@row_activation(rowwise.SOFTMIN)
def softmin(x: Array, /, *, axis: int = -1, out: Array | None = None, backend: str | None = None) -> Parameters:
    r"""Softmin: the softmax of -x, which turns costs into probabilities.

    .. math:: f(x)_i = \frac{e^{-x_i}}{\sum_j e^{-x_j}}

    Backward: -y (g - sum(g y)) along the axis, g being the gradient of the output y.

    Parameters
    ----------
    x : array, shape (...), floating-point, integer or bool
        The costs: the least has the greatest probability.
    axis : int, default -1
        The axis of the classes.
    out : array, shape (...), optional
        Where to write the result; may be `x`.
    backend : {"auto", "cpu", "cuda", "cupy"}, optional
        Where to run; the backend in force by default.

    Returns
    -------
    array, shape (...)
        In the dtype of `x`; integers become floating-point as in NumPy.

    Raises
    ------
    TypeError
        Not an array, arrays of two libraries, or a dtype that is not supported.
    ValueError
        No such axis; `out` has another shape or is read-only.

    Notes
    -----
    The bits of ``softmax(-x)``, without an array for -x. One cost of -inf takes all; two, or nothing but inf, give NaN,
    as does a NaN anywhere along the axis.

    References
    ----------
    Goodfellow, Bengio and Courville, "Deep Learning", MIT Press, 2016, section 6.2.2.3 (softmax).

    Examples
    --------
    >>> softmin(np.array([[0.0, 0.0], [-np.inf, 1.0]]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    return ()
