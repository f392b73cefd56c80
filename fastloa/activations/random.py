"""Activations that draw random numbers."""

from fastloa_kernels.formulas import activations as formulas
from fastloa_kernels.formulas.random import RRELU

from fastloa.checks import flag, number
from fastloa.operations import Array, Parameters
from fastloa.philox import Philox, generator
from fastloa.random_operations import Drawn, random_activation

__all__ = [
    "rrelu",
]


@random_activation(formulas.LEAKY_RELU)
def rrelu(
    x: Array,
    /,
    *,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    rng: int | Philox | None = None,
    out: Array | None = None,
    backend: str | None = None,
) -> Parameters:
    r"""Randomised leaky rectified linear unit: `leaky_relu`, whose slope is drawn for each element in training.

    .. math:: f(x) = x \ \text{if } x > 0, \quad a x \ \text{otherwise}; \qquad
        a \sim U(l, u) \ \text{in training}, \quad a = \frac{l + u}{2} \ \text{else}

    Derivative: 1 where x > 0, else a; at 0 it is a, as in PyTorch. In training the derivatives are those of the slopes
    that the same `rng` draws: ``backward(grad_output, x, training=True, rng=rng)`` with what the output was made with.

    Parameters
    ----------
    x : array, shape (...), floating-point, integer or bool
        Where to evaluate.
    lower, upper : float, default 1/8 and 1/3
        Ends of the slopes; finite, `lower` at most `upper`. ``backward_from_output`` needs slopes of at least 0, or y
        would not tell the side.
    training : bool, default False
        Whether to draw slopes.
    rng : int or Philox, optional
        A seed, or a place in a stream of random numbers; needed in training. The same draws the same slopes.
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
        Not an array, arrays of two libraries, or a dtype that is not supported; no `rng` in training.
    ValueError
        `lower` or `upper` is not finite, or `lower` above `upper`; `out` has another shape or is read-only.

    Notes
    -----
    Element i in C order has the slope lower + (upper - lower) u, where u is number i from `rng` on, as `Philox`
    defines it: the same on every backend, in every layout and on any number of threads. The numbers take an array of
    the size of `x`. NaN gives NaN and the sign of zero is kept.

    References
    ----------
    Xu, Wang, Chen and Li, "Empirical Evaluation of Rectified Activations in Convolutional Network", 2015,
    arXiv:1505.00853.

    Examples
    --------
    >>> rrelu(np.array([-48.0, 0.0, 2.0]))
    array([-11.,   0.,   2.])
    >>> x = np.array([-1.0, -1.0, 2.0])
    >>> rrelu(x, training=True, rng=0).round(3)
    array([-0.308, -0.251,  2.   ])
    >>> rrelu.backward(np.ones(3), x, training=True, rng=0).round(3)
    array([0.308, 0.251, 1.   ])
    """
    low, high = number("rrelu", "lower", lower), number("rrelu", "upper", upper)
    if low > high:
        raise ValueError(f"rrelu: lower must be at most upper, got {lower} and {upper}")
    if flag("rrelu", "training", training):
        return Drawn(RRELU, (low, high), generator("rrelu", rng), folding=("lower",))
    return (0.5 * low + 0.5 * high,)
