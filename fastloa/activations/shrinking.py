"""Shrinkage: what is small becomes 0, or much smaller."""

from fastloa_kernels.formulas import activations as formulas
from fastloa_kernels.formulas import piecewise

from fastloa.checks import number
from fastloa.operations import Array, Parameters, activation

__all__ = [
    "hardshrink",
    "softshrink",
    "tanhshrink",
]


@activation(piecewise.HARDSHRINK)
def hardshrink(x: Array, /, *, lambd: float = 0.5, out: Array | None = None, backend: str | None = None) -> Parameters:
    r"""Hard shrinkage (hard thresholding): x where it is larger than a bound, else 0.

    .. math:: f(x) = x \ \text{if } |x| > \lambda, \quad 0 \ \text{otherwise}

    Derivative: 1 where abs(x) > lambda, else 0; at -lambda and at lambda it is 0, as in PyTorch.

    Parameters
    ----------
    x : array, shape (...), floating-point, integer or bool
        Where to evaluate.
    lambd : float, default 0.5
        Half the width lambda of the dead zone; non-negative and finite.
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
        `lambd` is not non-negative and finite; `out` has another shape or is read-only.

    Notes
    -----
    Exact. NaN gives NaN and infinities stay; in the dead zone the result is a zero with the sign of x. Denoises sparse
    codes and wavelet coefficients without shrinking what it keeps; it jumps at both ends, which the derivative does not
    see.

    References
    ----------
    Donoho and Johnstone, "Ideal spatial adaptation by wavelet shrinkage", 1994, doi:10.1093/biomet/81.3.425.

    Examples
    --------
    >>> hardshrink(np.array([-1.0, 0.25, 2.0]))
    array([-1.,  0.,  2.])
    >>> hardshrink.derivative(np.array([-1.0, 0.5, 2.0]))
    array([1., 0., 1.])
    """
    return (number("hardshrink", "lambd", lambd, low=0.0),)


@activation(piecewise.SOFTSHRINK)
def softshrink(x: Array, /, *, lambd: float = 0.5, out: Array | None = None, backend: str | None = None) -> Parameters:
    r"""Soft shrinkage (soft thresholding): x moved towards 0 by a bound, and 0 where that would cross it.

    .. math:: f(x) = \operatorname{sign}(x) \, \max(|x| - \lambda, 0)

    Derivative: 1 where abs(x) > lambda, else 0; at -lambda and at lambda it is 0, as in PyTorch.

    Parameters
    ----------
    x : array, shape (...), floating-point, integer or bool
        Where to evaluate.
    lambd : float, default 0.5
        Half the width lambda of the dead zone; non-negative and finite.
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
        `lambd` is not non-negative and finite; `out` has another shape or is read-only.

    Notes
    -----
    Correctly rounded. NaN gives NaN and infinities stay; in the dead zone the result is a zero with the sign of x. It
    is the proximal operator of lambda abs(x), so a step of the lasso, and unlike `hardshrink` continuous.

    References
    ----------
    Donoho, "De-noising by soft-thresholding", 1995, doi:10.1109/18.382009.

    Examples
    --------
    >>> softshrink(np.array([-1.0, 0.25, 2.0]))
    array([-0.5,  0. ,  1.5])
    >>> softshrink.derivative(np.array([-1.0, 0.5, 2.0]))
    array([1., 0., 1.])
    """
    return (number("softshrink", "lambd", lambd, low=0.0),)


@activation(formulas.TANHSHRINK)
def tanhshrink(x: Array, /, *, out: Array | None = None, backend: str | None = None) -> Parameters:
    r"""Tanh shrinkage: x less its hyperbolic tangent.

    .. math:: f(x) = x - \tanh x, \qquad f'(x) = \tanh^2 x

    Derivative: it is continuous, with 0 at 0.

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
    NaN gives NaN, infinities stay, and the sign of zero is kept; near 0, where it is about x^3 / 3, it keeps its
    digits, and no representable result is returned as 0. Smooth where `softshrink` has kinks: what is small nearly
    vanishes, and what is large moves towards 0 by 1. One exp.

    References
    ----------
    As ``torch.nn.Tanhshrink``; before, in Collobert, Kavukcuoglu and Farabet, "Torch7: A Matlab-like Environment for
    Machine Learning", BigLearn, NIPS Workshop, 2011.

    Examples
    --------
    >>> tanhshrink(np.array([-np.inf, -1.0, 0.0, 1e-5]))
    array([           -inf, -2.38405844e-01,  0.00000000e+00,  3.33333333e-16])
    >>> tanhshrink.derivative(np.array([-np.inf, 0.0, np.inf]))
    array([1., 0., 1.])
    """
    return ()
