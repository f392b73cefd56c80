"""Rectifiers whose negative side is an exponential that saturates."""

from fastloa_kernels.formulas import activations as formulas

from fastloa.checks import number
from fastloa.operations import Array, Parameters, activation

__all__ = [
    "celu",
    "elu",
    "selu",
]


@activation(formulas.ELU)
def elu(x: Array, /, *, alpha: float = 1.0, out: Array | None = None, backend: str | None = None) -> Parameters:
    r"""Exponential linear unit: x where it is positive, else an exponential that saturates at -alpha.

    .. math:: f(x) = x \ \text{if } x > 0, \quad \alpha (e^x - 1) \ \text{otherwise}

    Derivative: 1 where x > 0, else alpha exp(x); at 0 it is alpha, as in PyTorch. From the output: y + alpha.

    Parameters
    ----------
    x : array, shape (...), floating-point, integer or bool
        Where to evaluate.
    alpha : float, default 1.0
        The negative saturation; finite. ``backward_from_output`` needs it to be at least 0.
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
        `alpha` is not finite; `out` has another shape or is read-only.

    Notes
    -----
    NaN gives NaN and the sign of zero is kept. Like leaky ReLU without dead units, closer to zero-centred, and its
    negative saturation adds robustness to noise; exp costs more than a product. ``backward_from_output`` loses digits
    where y comes close to -alpha.

    References
    ----------
    Clevert, Unterthiner and Hochreiter, "Fast and Accurate Deep Network Learning by Exponential Linear Units (ELUs)",
    2015, arXiv:1511.07289.

    Examples
    --------
    >>> elu(np.array([-np.inf, 0.0, 2.0]))
    array([-1.,  0.,  2.])
    """
    return (number("elu", "alpha", alpha),)


@activation(formulas.SELU)
def selu(x: Array, /, *, out: Array | None = None, backend: str | None = None) -> Parameters:
    r"""Scaled exponential linear unit: ELU with the two constants that normalise a network by themselves.

    .. math:: f(x) = \lambda x \ \text{if } x > 0, \quad \lambda \alpha (e^x - 1) \ \text{otherwise}

    Derivative: lambda where x > 0, else lambda alpha exp(x); at 0 it is lambda alpha, 1.7580993408473768, as in
    PyTorch. From the output: y + lambda alpha.

    Parameters
    ----------
    x : array, shape (...), floating-point, integer or bool
        Where to evaluate.
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
        `out` has another shape or is read-only.

    Notes
    -----
    lambda is 1.0507009873554805 and alpha 1.6732632423543772: with them, mean 0 and variance 1 are kept from layer to
    layer, where weights are drawn with variance 1 / fan-in (LeCun) and dropout is alpha dropout. NaN gives NaN, -inf
    -lambda alpha, and the sign of zero is kept. One exp. ``backward_from_output`` loses digits where y comes close to
    -lambda alpha.

    References
    ----------
    Klambauer, Unterthiner, Mayr and Hochreiter, "Self-Normalizing Neural Networks", 2017, arXiv:1706.02515.

    Examples
    --------
    >>> selu(np.array([-np.inf, 0.0, 1.0]))
    array([-1.75809934,  0.        ,  1.05070099])
    >>> selu.derivative(np.array([0.0, 1.0]))
    array([1.75809934, 1.05070099])
    """
    return ()


@activation(formulas.CELU)
def celu(x: Array, /, *, alpha: float = 1.0, out: Array | None = None, backend: str | None = None) -> Parameters:
    r"""Continuously differentiable exponential linear unit: ELU whose slope at 0 is 1 whatever alpha is.

    .. math:: f(x) = x \ \text{if } x > 0, \quad \alpha (e^{x / \alpha} - 1) \ \text{otherwise}

    Derivative: 1 where x > 0, else exp(x / alpha); at 0 it is 1 from both sides. From the output: 1 + y / alpha.

    Parameters
    ----------
    x : array, shape (...), floating-point, integer or bool
        Where to evaluate.
    alpha : float, default 1.0
        The negative saturation; positive and finite.
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
        `alpha` is not positive and finite; `out` has another shape or is read-only.

    Notes
    -----
    NaN gives NaN, -inf -alpha, and the sign of zero is kept. For alpha = 1 it is ELU. No dead units, negative
    saturation, one exp. ``backward_from_output`` loses digits where y comes close to -alpha.

    References
    ----------
    Barron, "Continuously Differentiable Exponential Linear Units", 2017, arXiv:1704.07483.

    Examples
    --------
    >>> celu(np.array([-np.inf, 0.0, 2.0]), alpha=2.0)
    array([-2.,  0.,  2.])
    >>> celu.derivative(np.array([-np.inf, 0.0, 2.0]), alpha=2.0)
    array([0., 1., 1.])
    """
    return (number("celu", "alpha", alpha, low=0.0, low_open=True),)
