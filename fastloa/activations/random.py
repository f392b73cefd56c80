"""Activations that draw random numbers."""

from fastloa_kernels.formulas import activations as formulas
from fastloa_kernels.formulas.random import GUMBEL_SCORE, RRELU, TEMPERED

from fastloa.activations.rows import softmax
from fastloa.checks import flag, number
from fastloa.operations import Array, Parameters
from fastloa.philox import Philox, generator
from fastloa.random_operations import Drawn, Sampled, random_activation, sampled_activation

__all__ = [
    "gumbel_softmax",
    "rrelu",
]


@sampled_activation(GUMBEL_SCORE, TEMPERED, softmax)
def gumbel_softmax(
    logits: Array,
    /,
    *,
    tau: float = 1.0,
    hard: bool = False,
    rng: int | Philox | None = None,
    axis: int = -1,
    out: Array | None = None,
    backend: str | None = None,
) -> Parameters:
    r"""Gumbel-softmax: a sample of the classes along an axis, with the probabilities of `softmax`, that has a gradient.

    .. math:: f(x)_i = \frac{e^{(x_i + g_i) / \tau}}{\sum_j e^{(x_j + g_j) / \tau}}, \qquad
        g_i = -\log(-\log u_i), \quad u_i \sim U(0, 1)

    Backward: y (g - sum(g y)) / tau along the axis, y being the sample and g the gradient of the output. With `hard` it
    is the same, as if the sample were not hard (the straight-through estimator). ``backward(grad_output, logits,
    rng=rng)`` finds the sample that `rng` makes, ``backward_from_output(grad_output, y)`` takes one that is not hard.

    Parameters
    ----------
    logits : array, shape (...), floating-point, integer or bool
        The scores of the classes: the logarithms of their probabilities, up to a number for all.
    tau : float, default 1
        The temperature; positive. The lower, the more of a sample lies in one class.
    hard : bool, default False
        Whether to give 1 for the greatest of a sample and 0 for the others.
    rng : int or Philox
        A seed, or a place in a stream of random numbers. The same makes the same sample.
    axis : int, default -1
        The axis of the classes.
    out : array, shape (...), optional
        Where to write the result; may be `logits`.
    backend : {"auto", "cpu", "cuda", "cupy"}, optional
        Where to run; the backend in force by default.

    Returns
    -------
    array, shape (...)
        In the dtype of `logits`; integers become floating-point as in NumPy.

    Raises
    ------
    TypeError
        Not an array, arrays of two libraries, or a dtype that is not supported; no `rng`.
    ValueError
        `tau` is not positive and finite; no such axis; `out` has another shape or is read-only.

    Notes
    -----
    Element i in C order gets u as number i from `rng` on, as `Philox` defines it, on every backend and in every layout;
    a 0 counts as 2**-25. The scores (x + g) / tau are rounded before the softmax, which makes a relative error of their
    exponentials of the size of that rounding, and they must not overflow. Infinities and NaN as in `softmax`. Of equal
    elements a hard sample takes the first. Numbers and scores take an array of the size of `logits`.

    References
    ----------
    Jang, Gu and Poole, "Categorical Reparameterization with Gumbel-Softmax", 2016, arXiv:1611.01144.

    Examples
    --------
    >>> logits = np.log([[0.2, 0.3, 0.5], [0.2, 0.3, 0.5]])
    >>> gumbel_softmax(logits, rng=0).round(3)
    array([[0.59 , 0.225, 0.185],
           [0.086, 0.372, 0.543]])
    >>> gumbel_softmax(logits, hard=True, rng=0)
    array([[1., 0., 0.],
           [0., 0., 1.]])
    """
    tau = number("gumbel_softmax", "tau", tau, low=0, low_open=True)
    return Sampled(tau, flag("gumbel_softmax", "hard", hard), rng)


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
