"""Smooth rectifiers: ReLU with its corner rounded."""

from math import inf

from fastloa_kernels.formulas import activations as formulas
from fastloa_kernels.formulas import piecewise

from fastloa.checks import number
from fastloa.operations import Array, Parameters, activation

__all__ = [
    "softplus",
    "sparse_plus",
    "squareplus",
]


@activation(formulas.SOFTPLUS)
def softplus(
    x: Array,
    /,
    *,
    beta: float = 1.0,
    threshold: float | None = None,
    out: Array | None = None,
    backend: str | None = None,
) -> Parameters:
    r"""Softplus: a smooth ReLU, whose derivative is the sigmoid.

    .. math:: f(x) = \frac{1}{\beta} \log(1 + e^{\beta x})

    Derivative: sigmoid(beta x); where `threshold` cuts it is 1. From the output: 1 - exp(-beta y).

    Parameters
    ----------
    x : array, shape (...), floating-point, integer or bool
        Where to evaluate.
    beta : float, default 1.0
        The sharpness beta; positive and finite. The larger it is, the closer to ReLU.
    threshold : float, optional
        Where beta x is above it the result is x itself; finite. By default the formula holds everywhere; PyTorch cuts
        at 20. ``backward_from_output`` needs it to be at least 0, and
        takes a y that both sides give for one beyond it.
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
        `beta` is not positive and finite, or `threshold` not finite; `out` has another shape or is read-only.

    Notes
    -----
    NaN gives NaN, -inf 0 and inf inf; no representable result is returned as 0. With a threshold the function jumps
    there, by about exp(-threshold) / beta. Positive, so good for variances and rates; never dead; one exp and one
    log1p.

    References
    ----------
    Dugas, Bengio, Bélisle, Nadeau and Garcia, "Incorporating Second-Order Functional Knowledge for Better Option
    Pricing", NIPS 2000; Glorot, Bordes and Bengio, "Deep Sparse Rectifier Neural Networks", AISTATS 2011.

    Examples
    --------
    >>> softplus(np.array([-np.inf, 0.0, np.inf]))
    array([0.        , 0.69314718,        inf])
    >>> softplus.derivative(np.array([-np.inf, 0.0, np.inf]))
    array([0. , 0.5, 1. ])
    >>> softplus(np.array([0.0, 2.0]), threshold=1.0)
    array([0.69314718, 2.        ])
    """
    return (
        number("softplus", "beta", beta, low=0.0, low_open=True),
        inf if threshold is None else number("softplus", "threshold", threshold),
    )


@activation(piecewise.SQUAREPLUS)
def squareplus(x: Array, /, *, b: float = 4.0, out: Array | None = None, backend: str | None = None) -> Parameters:
    r"""Squareplus: a smooth ReLU without exp or log.

    .. math:: f(x) = \frac{x + \sqrt{x^2 + b}}{2}

    Derivative: (1 + x / sqrt(x^2 + b)) / 2.

    Parameters
    ----------
    x : array, shape (...), floating-point, integer or bool
        Where to evaluate.
    b : float, default 4.0
        How wide the bend is; positive and finite.
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
        `b` is not positive and finite; `out` has another shape or is read-only.

    Notes
    -----
    NaN gives NaN, -inf 0 and inf inf; the tail, b / (4 |x|) for large negative x, keeps its digits, and no square
    overflows. Close to `softplus`, with a tail that falls more slowly; b = 4 gives f(0) = 1 and the second derivative
    of `softplus` at 0. Roots and quotients only.

    References
    ----------
    Barron, "Squareplus: A Softplus-Like Algebraic Rectifier", 2021, arXiv:2112.11687.

    Examples
    --------
    >>> squareplus(np.array([-1.5, 0.0, 1.5]))
    array([0.5, 1. , 2. ])
    >>> squareplus.derivative(np.array([-1.5, 0.0, 1.5]))
    array([0.2, 0.5, 0.8])
    """
    return (number("squareplus", "b", b, low=0.0, low_open=True),)


@activation(piecewise.SPARSE_PLUS)
def sparse_plus(x: Array, /, *, out: Array | None = None, backend: str | None = None) -> Parameters:
    r"""Sparse plus: a smooth ReLU that is exactly 0 up to -1 and exactly x from 1 on.

    .. math:: f(x) = 0 \ \text{if } x \le -1, \quad \tfrac{1}{4} (x + 1)^2 \ \text{if } -1 < x < 1, \quad
        x \ \text{otherwise}

    Derivative: 0 for x <= -1, (x + 1) / 2 between, 1 from 1 on; it is continuous. From the output: sqrt(y), at most 1.

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
    NaN gives NaN, -inf 0 and inf inf. What `softplus` is to softmax, this is to sparsemax. No exp; units below -1 may
    be dead.

    References
    ----------
    Blondel, Martins and Niculae, "Learning with Fenchel-Young Losses", 2020, arXiv:1901.02324; in this form,
    ``jax.nn.sparse_plus``.

    Examples
    --------
    >>> sparse_plus(np.array([-2.0, 0.0, 2.0]))
    array([0.  , 0.25, 2.  ])
    >>> sparse_plus.derivative(np.array([-1.0, 0.0, 1.0]))
    array([0. , 0.5, 1. ])
    """
    return ()
