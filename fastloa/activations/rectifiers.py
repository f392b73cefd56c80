"""Rectifiers: straight lines and parabolas that are zero, or nearly, on one side."""

from fastloa_kernels.formulas import activations as formulas
from fastloa_kernels.formulas import gated, piecewise

from fastloa.channel_operations import channel_activation
from fastloa.checks import number
from fastloa.operations import Array, Parameters, activation

__all__ = [
    "leaky_relu",
    "prelu",
    "relu",
    "relu6",
    "squared_relu",
    "threshold",
]


@activation(formulas.RELU)
def relu(x: Array, /, *, out: Array | None = None, backend: str | None = None) -> Parameters:
    r"""Rectified linear unit: x where it is positive, else 0.

    .. math:: f(x) = \max(x, 0)

    Derivative: 1 where x > 0, else 0; at 0 it is 0, as in PyTorch.

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
    Exact. NaN gives NaN and -0.0 is kept. No saturation for x > 0, cheap, fast to converge; not zero-centred, and with
    a gradient of 0 for x < 0, which regularises but may leave units dead.

    References
    ----------
    Nair and Hinton, "Rectified Linear Units Improve Restricted Boltzmann Machines", ICML 2010.

    Examples
    --------
    >>> relu(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    >>> relu.backward(np.array([5.0, 5.0, 5.0]), np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 5.])
    """
    return ()


@activation(piecewise.RELU6)
def relu6(x: Array, /, *, out: Array | None = None, backend: str | None = None) -> Parameters:
    r"""Rectified linear unit that saturates at 6: x clipped to [0, 6].

    .. math:: f(x) = \min(\max(x, 0), 6)

    Derivative: 1 where 0 < x < 6, else 0; at 0 and at 6 it is 0, as in PyTorch.

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
    Exact. NaN gives NaN, -inf 0, inf 6, and -0.0 is kept. The bound keeps activations within what few bits hold, so it
    is used where networks are quantised; the gradient is 0 on both sides, so units may die on either.

    References
    ----------
    Krizhevsky, "Convolutional Deep Belief Networks on CIFAR-10", 2010.

    Examples
    --------
    >>> relu6(np.array([-1.0, 3.0, np.inf]))
    array([0., 3., 6.])
    >>> relu6.derivative(np.array([0.0, 3.0, 6.0]))
    array([0., 1., 0.])
    """
    return ()


@activation(piecewise.SQUARED_RELU)
def squared_relu(x: Array, /, *, out: Array | None = None, backend: str | None = None) -> Parameters:
    r"""Squared rectified linear unit: the square of x where it is positive, else 0.

    .. math:: f(x) = \max(x, 0)^2

    Derivative: 2 x where x > 0, else 0; it is continuous, with 0 at 0. From the output: 2 sqrt(y).

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
    Correctly rounded. NaN gives NaN, -inf 0, inf inf; beyond the square root of the largest number the square is inf.
    Used in the feed-forward layers of transformers; as sparse as ReLU, with units that may die as well, and it grows
    fast.

    References
    ----------
    So, Mańke, Liu, Dai, Shazeer and Le, "Primer: Searching for Efficient Transformers for Language Modeling", 2021,
    arXiv:2109.08668.

    Examples
    --------
    >>> squared_relu(np.array([-2.0, 0.0, 3.0]))
    array([0., 0., 9.])
    >>> squared_relu.derivative(np.array([-2.0, 0.0, 3.0]))
    array([0., 0., 6.])
    """
    return ()


@activation(formulas.LEAKY_RELU)
def leaky_relu(
    x: Array, /, *, negative_slope: float = 0.01, out: Array | None = None, backend: str | None = None
) -> Parameters:
    r"""Leaky rectified linear unit: x where it is positive, else a small multiple of x.

    .. math:: f(x) = x \ \text{if } x > 0, \quad a x \ \text{otherwise}

    Derivative: 1 where x > 0, else `negative_slope`; at 0 it is `negative_slope`, as in PyTorch.

    Parameters
    ----------
    x : array, shape (...), floating-point, integer or bool
        Where to evaluate.
    negative_slope : float, default 0.01
        The slope a below 0; finite. ``backward_from_output`` needs it to be at least 0, or y would not tell the side.
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
        `negative_slope` is not finite; `out` has another shape or is read-only.

    Notes
    -----
    Correctly rounded. NaN gives NaN and the sign of zero is kept. No saturation, cheap, and no dead units, since the
    gradient is not 0 for x < 0.

    References
    ----------
    Maas, Hannun and Ng, "Rectifier Nonlinearities Improve Neural Network Acoustic Models", ICML 2013.

    Examples
    --------
    >>> leaky_relu(np.array([-1.0, 0.0, 2.0]))
    array([-0.01,  0.  ,  2.  ])
    """
    return (number("leaky_relu", "negative_slope", negative_slope),)


@channel_activation(gated.PRELU, gated.PRELU_CHANNEL)
def prelu(x: Array, weight: Array, /, *, out: Array | None = None, backend: str | None = None) -> Parameters:
    r"""Parametric rectified linear unit: `leaky_relu` with a learned slope for each channel, or one for all.

    .. math:: f(x, w) = x \ \text{if } x > 0, \quad w x \ \text{otherwise}; \qquad
        \frac{\partial f}{\partial x} = 1 \ \text{or} \ w, \qquad
        \frac{\partial f}{\partial w} = 0 \ \text{or} \ x

    At 0 the derivatives are w and 0, as in PyTorch. ``backward(grad_output, x, weight)`` returns both gradients; that
    of the weight is summed over all elements of a channel.

    Parameters
    ----------
    x : array, shape (N, C, ...) or any, floating-point, integer or bool
        Where to evaluate; axis 1 is that of the channels.
    weight : array, shape (C,), (1,) or (), of the dtype of `x`
        The slope below 0 of each channel, or of all. An `x` of fewer than two dimensions has one channel.
    out : array, shape of `x`, optional
        Where to write the result; may be `x`. `backward` takes two arrays, of the shapes of `x` and `weight`, or None
        for one of them; they may be inputs.
    backend : {"auto", "cpu", "cuda", "cupy"}, optional
        Where to run; the backend in force by default.

    Returns
    -------
    array, shape of `x`
        In the dtype of `x`; integers become floating-point as in NumPy.

    Raises
    ------
    TypeError
        Not an array, arrays of two libraries or dtypes, or a dtype that is not supported.
    ValueError
        `weight` has more than one dimension, or neither one number nor one for each channel; `out` has another shape or
        is read-only.

    Notes
    -----
    Correctly rounded, and so is the gradient of `x`. That of the weight is a sum of float64 products in an order that
    follows from the shape alone: so it has the same bits on every layout, number of threads and device. NaN in `x`, in
    `grad_output` or in a channel's weight gives NaN, on either side of 0. As in `leaky_relu`, a weight of 0 gives 0 at
    -inf. For the gradients arrays are copied with channels first, unless there is one weight.

    References
    ----------
    He, Zhang, Ren and Sun, "Delving Deep into Rectifiers", 2015, arXiv:1502.01852.

    Examples
    --------
    >>> x = np.array([[-1.0, 2.0], [-3.0, -4.0]])
    >>> prelu(x, np.array([0.25, 0.5]))
    array([[-0.25,  2.  ],
           [-0.75, -2.  ]])
    >>> prelu.backward(np.ones((2, 2)), x, np.array([0.25, 0.5]))
    (array([[0.25, 1.  ],
           [0.25, 0.5 ]]), array([-4., -4.]))
    """
    return ()


@activation(piecewise.THRESHOLD)
def threshold(
    x: Array, /, *, threshold: float, value: float, out: Array | None = None, backend: str | None = None
) -> Parameters:
    r"""Threshold: x where it lies above a threshold, else a constant.

    .. math:: f(x) = x \ \text{if } x > \theta, \quad v \ \text{otherwise}

    Derivative: 1 where x > theta, else 0; at the threshold it is 0, as in PyTorch.

    Parameters
    ----------
    x : array, shape (...), floating-point, integer or bool
        Where to evaluate.
    threshold : float
        The threshold theta; finite.
    value : float
        What takes the place of an x that is not above it; finite.
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
        `threshold` or `value` is not finite; `out` has another shape or is read-only.

    Notes
    -----
    Exact. NaN gives NaN, inf inf and -inf `value`. With both 0 it is ReLU; otherwise it may jump at the threshold,
    which the derivative does not see.

    References
    ----------
    Konda, Memisevic and Krueger, "Zero-bias autoencoders and the benefits of co-adapting features", 2014,
    arXiv:1402.3337; in this form, ``torch.nn.functional.threshold``.

    Examples
    --------
    >>> threshold(np.array([-1.0, 1.0, 2.0]), threshold=1.0, value=-3.0)
    array([-3., -3.,  2.])
    >>> threshold.derivative(np.array([-1.0, 1.0, 2.0]), threshold=1.0, value=-3.0)
    array([0., 0., 1.])
    """
    return number("threshold", "threshold", threshold), number("threshold", "value", value)
