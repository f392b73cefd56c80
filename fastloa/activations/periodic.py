"""Periodic activations: a straight line with a wave on it."""

from fastloa_kernels.formulas import periodic

from fastloa.checks import number
from fastloa.operations import Array, Parameters, activation

__all__ = [
    "snake",
]


@activation(periodic.SNAKE)
def snake(x: Array, /, *, alpha: float = 1.0, out: Array | None = None, backend: str | None = None) -> Parameters:
    r"""Snake: x and the square of a sine, so that it rises all along and repeats itself.

    .. math:: f(x) = x + \frac{1}{\alpha} \sin^2(\alpha x), \qquad f'(x) = 1 + \sin(2 \alpha x)

    Derivative: it is continuous, between 0 and 2, and keeps its digits next to its zeros. It is NaN where alpha x is
    infinite or too large a number for the dtype, for there it has no limit.

    Parameters
    ----------
    x : array, shape (...), floating-point, integer or bool
        Where to evaluate.
    alpha : float, default 1.0
        The frequency alpha of the wave; positive and finite.
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
    NaN gives NaN, infinities stay, since the wave is bounded, and the sign of zero is kept. The product alpha x is not
    rounded, so that large arguments keep their place in the wave. Never falls, so unlike a sine alone it has no local
    minima; learns periodic functions beyond the range of its data. The larger alpha, the nearer it is to x.

    References
    ----------
    Ziyin, Hartwig and Ueda, "Neural Networks Fail to Learn Periodic Functions and How to Fix It", 2020,
    arXiv:2006.08195.

    Examples
    --------
    >>> snake(np.array([-np.inf, 0.0, np.pi / 2]))
    array([      -inf, 0.        , 2.57079633])
    >>> snake.derivative(np.array([0.0, np.pi / 4, np.pi / 2]), alpha=2.0)
    array([1., 1., 1.])
    """
    return (number("snake", "alpha", alpha, low=0.0, low_open=True),)
