"""Activations of whole rows: softmax, its logarithm, softmin, and sparsemax."""

from fastloa_kernels.formulas import projections, rowwise

from fastloa.operations import Array, Parameters
from fastloa.row_operations import row_activation

__all__ = [
    "log_softmax",
    "softmax",
    "softmin",
    "sparsemax",
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


@row_activation(projections.SPARSEMAX)
def sparsemax(x: Array, /, *, axis: int = -1, out: Array | None = None, backend: str | None = None) -> Parameters:
    r"""Sparsemax: the probabilities nearest to scores along an axis, most of them 0.

    .. math:: f(x) = \operatorname*{arg\,min}_{p \ge 0, \; \sum_j p_j = 1} \lVert p - x \rVert^2, \qquad
        f(x)_i = \max(x_i - \tau, 0)

    where the threshold tau is the number for which they sum to 1. Backward: g less its mean over the support, the
    elements with f(x) > 0, on the support, and 0 elsewhere, g being the gradient of the output; where an element lies
    on the threshold it is taken not to belong to the support.

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
    Where scores are 1 or more below the greatest, their probabilities are 0: attention and predictions can be read as
    a choice of a few. Nothing is sorted: the threshold comes from sums over the elements above the last, as long as
    they get fewer, which takes a handful of passes over a row, and as many as there are elements at worst. It is kept
    in twice the digits of float64, so that also the least probabilities are within 1 ulp. One score of inf takes all;
    two, or nothing but -inf, give NaN, as does a NaN anywhere along the axis. In `backward_from_output` elements that
    were rounded to 0 are taken not to belong to the support. To learn from it use `sparsemax_loss`.

    References
    ----------
    Martins and Astudillo, "From Softmax to Sparsemax: A Sparse Model of Attention and Multi-Label Classification",
    2016, arXiv:1602.02068; Michelot, "A finite algorithm for finding the projection of a point onto the canonical
    simplex of R^n", 1986, doi:10.1007/BF00938486.

    Examples
    --------
    >>> sparsemax(np.array([[0.0, 0.5, 1.0], [-np.inf, 0.0, 3.0]]))
    array([[0.  , 0.25, 0.75],
           [0.  , 0.  , 1.  ]])
    >>> sparsemax.backward(np.array([1.0, 2.0, 4.0]), np.array([0.0, 0.5, 1.0]))
    array([ 0., -1.,  1.])
    """
    return ()
