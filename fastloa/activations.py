"""Activations, each with its derivative and backward.

Every one is called with an array and options, and has methods: ``derivative(x)`` and ``backward(grad_output, x)``, and
where the saved output is all that is needed ``backward_from_output(grad_output, y)``; they take the same options.
``out=`` writes to an array (an input may be given: it is overwritten), ``backend=`` chooses where to run.
"""

from fastloa_kernels.formulas import activations as formulas
from fastloa_kernels.formulas import rowwise

from fastloa.checks import number
from fastloa.operations import Array, Parameters, activation, row_activation

__all__ = [
    "elu",
    "leaky_relu",
    "log_softmax",
    "relu",
    "sigmoid",
    "softmax",
    "tanh",
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


@activation(formulas.SIGMOID)
def sigmoid(x: Array, /, *, out: Array | None = None, backend: str | None = None) -> Parameters:
    r"""Logistic sigmoid: maps the reals to (0, 1).

    .. math:: f(x) = \frac{1}{1 + e^{-x}}, \qquad f'(x) = f(x) \, (1 - f(x))

    Derivative: from x it keeps its digits in both tails; from the output it is y (1 - y).

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
    NaN gives NaN, -inf 0 and inf 1; no representable result is returned as 0. Good for two classes; saturates and then
    kills gradients, is not zero-centred, and exp is expensive. To learn from it use
    `binary_cross_entropy_with_logits`, which needs no sigmoid.

    References
    ----------
    Han and Moraga, "The Influence of the Sigmoid Function Parameters on the Speed of Backpropagation Learning", 1995,
    doi:10.1007/3-540-59497-3_175.

    Examples
    --------
    >>> sigmoid(np.array([-np.inf, 0.0, np.inf]))
    array([0. , 0.5, 1. ])
    """
    return ()


@activation(formulas.TANH)
def tanh(x: Array, /, *, out: Array | None = None, backend: str | None = None) -> Parameters:
    r"""Hyperbolic tangent: maps the reals to (-1, 1).

    .. math:: f(x) = \frac{e^x - e^{-x}}{e^x + e^{-x}}, \qquad f'(x) = 1 - f(x)^2

    Derivative: from x it keeps its digits in both tails; from the output it is (1 - y)(1 + y).

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
    NaN gives NaN and the sign of zero is kept. Zero-centred, so used in recurrent networks; saturates.

    References
    ----------
    LeCun, Bottou, Orr and Müller, "Efficient BackProp", 1998, doi:10.1007/3-540-49430-8_2.

    Examples
    --------
    >>> tanh(np.array([-np.inf, 0.0, np.inf]))
    array([-1.,  0.,  1.])
    """
    return ()


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
