"""Activations that saturate on one side or both: sigmoids, tanh and their relatives."""

from fastloa_kernels.formulas import activations as formulas
from fastloa_kernels.formulas import piecewise

from fastloa.checks import number
from fastloa.operations import Array, Parameters, activation

__all__ = [
    "hardsigmoid",
    "hardtanh",
    "logsigmoid",
    "sigmoid",
    "softcap",
    "softsign",
    "tanh",
]


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


@activation(formulas.LOGSIGMOID)
def logsigmoid(x: Array, /, *, out: Array | None = None, backend: str | None = None) -> Parameters:
    r"""Logarithm of the logistic sigmoid.

    .. math:: f(x) = \log \frac{1}{1 + e^{-x}} = -\log(1 + e^{-x})

    Derivative: sigmoid(-x). From the output: 1 - exp(y).

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
    NaN gives NaN, -inf -inf and inf 0; no representable result is returned as 0. It is -softplus(-x), the
    log-probability of the first of two classes. One exp and one log1p.

    References
    ----------
    Mächler, "Accurately Computing log(1 - exp(-|a|))", 2012, vignette of the R package Rmpfr.

    Examples
    --------
    >>> logsigmoid(np.array([-np.inf, -80.0, 0.0]))
    array([        -inf, -80.        ,  -0.69314718])
    >>> logsigmoid.derivative(np.array([-np.inf, 0.0, np.inf]))
    array([1. , 0.5, 0. ])
    """
    return ()


@activation(piecewise.HARDSIGMOID)
def hardsigmoid(
    x: Array, /, *, slope: float = 1 / 6, out: Array | None = None, backend: str | None = None
) -> Parameters:
    r"""Hard sigmoid: a straight line through (0, 1/2), clipped to [0, 1].

    .. math:: f(x) = \min(\max(s x + \tfrac{1}{2}, 0), 1)

    Derivative: `slope` where abs(x) < 1 / (2 slope), else 0; at both ends, -3 and 3 by default, it is 0, as in PyTorch.

    Parameters
    ----------
    x : array, shape (...), floating-point, integer or bool
        Where to evaluate.
    slope : float, default 1/6
        The slope s at 0; positive and finite.
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
        `slope` is not positive and finite; `out` has another shape or is read-only.

    Notes
    -----
    NaN gives NaN, -inf 0 and inf 1. The default is PyTorch's, JAX's and Keras 3's; Thinc and old Keras have slope 0.2,
    the paper 0.5. No exp, so it suits small devices; outside the sloping part the gradient is 0.

    References
    ----------
    Courbariaux, Bengio and David, "BinaryConnect: Training Deep Neural Networks with binary weights during
    propagations", 2015, arXiv:1511.00363.

    Examples
    --------
    >>> hardsigmoid(np.array([-3.0, 0.0, 1.5, 3.0]))
    array([0.  , 0.5 , 0.75, 1.  ])
    >>> hardsigmoid.derivative(np.array([-2.0, 0.0, 2.0]), slope=0.25)
    array([0.  , 0.25, 0.  ])
    """
    return (0.5 / number("hardsigmoid", "slope", slope, low=0.0, low_open=True),)


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


@activation(piecewise.HARDTANH)
def hardtanh(
    x: Array, /, *, min_val: float = -1.0, max_val: float = 1.0, out: Array | None = None, backend: str | None = None
) -> Parameters:
    r"""Hard tanh: x clipped to an interval, [-1, 1] by default.

    .. math:: f(x) = \min(\max(x, a), b)

    Derivative: 1 where a < x < b, else 0; at both ends it is 0, as in PyTorch.

    Parameters
    ----------
    x : array, shape (...), floating-point, integer or bool
        Where to evaluate.
    min_val, max_val : float, default -1.0 and 1.0
        The ends a and b of the interval; finite, a not above b.
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
        `min_val` or `max_val` is not finite, or `min_val` the larger; `out` has another shape or is read-only.

    Notes
    -----
    Exact. NaN gives NaN, -inf `min_val` and inf `max_val`. Zero-centred by default and without exp; outside the
    interval the gradient is 0.

    References
    ----------
    Collobert, Weston, Bottou, Karlen, Kavukcuoglu and Kuksa, "Natural Language Processing (almost) from Scratch", 2011,
    arXiv:1103.0398.

    Examples
    --------
    >>> hardtanh(np.array([-np.inf, 0.5, 2.0]))
    array([-1. ,  0.5,  1. ])
    >>> hardtanh.derivative(np.array([-1.0, 0.5, 2.0]))
    array([0., 1., 0.])
    """
    low, high = number("hardtanh", "min_val", min_val), number("hardtanh", "max_val", max_val)
    if low > high:
        raise ValueError(f"hardtanh: min_val must be at most max_val, got {low} and {high}")
    return low, high


@activation(piecewise.SOFTSIGN)
def softsign(x: Array, /, *, out: Array | None = None, backend: str | None = None) -> Parameters:
    r"""Softsign: maps the reals to (-1, 1), saturating slowly.

    .. math:: f(x) = \frac{x}{1 + |x|}, \qquad f'(x) = \frac{1}{(1 + |x|)^2}

    Derivative: it is continuous, with 1 at 0.

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
    NaN gives NaN, -inf -1 and inf 1, and the sign of zero is kept. Zero-centred like tanh; its derivative falls like
    1 / x^2 rather than exponentially, so it saturates later. No exp.

    References
    ----------
    Bergstra, Desjardins, Lamblin and Bengio, "Quadratic Polynomials Learn Better Image Features", Université de
    Montréal, technical report 1337, 2009; Glorot and Bengio, "Understanding the difficulty of training deep feedforward
    neural networks", AISTATS 2010.

    Examples
    --------
    >>> softsign(np.array([-np.inf, 0.0, 1.0]))
    array([-1. ,  0. ,  0.5])
    >>> softsign.derivative(np.array([-np.inf, 0.0, 1.0]))
    array([0.  , 1.  , 0.25])
    """
    return ()


@activation(formulas.SOFTCAP)
def softcap(x: Array, /, *, cap: float = 30.0, out: Array | None = None, backend: str | None = None) -> Parameters:
    r"""Soft cap: nearly x around 0, and never beyond a cap.

    .. math:: f(x) = c \tanh \frac{x}{c}

    Derivative: 1 - tanh(x / c)^2; from x it keeps its digits in both tails, from the output it is (1 - y / c)(1 + y /
    c).

    Parameters
    ----------
    x : array, shape (...), floating-point, integer or bool
        Where to evaluate.
    cap : float, default 30.0
        The cap c; positive and finite.
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
        `cap` is not positive and finite; `out` has another shape or is read-only.

    Notes
    -----
    NaN gives NaN, -inf -cap and inf cap, and the sign of zero is kept. Keeps the logits of a language model or of its
    attention from growing without bound; Gemma 2 caps the last layer's at 30 and attention's at 50. One exp.

    References
    ----------
    Gemma Team, "Gemma 2: Improving Open Language Models at a Practical Size", 2024, arXiv:2408.00118; before, Bello,
    Pham, Le, Norouzi and Bengio, "Neural Combinatorial Optimization with Reinforcement Learning", 2016,
    arXiv:1611.09940.

    Examples
    --------
    >>> softcap(np.array([-np.inf, 0.0, np.inf]))
    array([-30.,   0.,  30.])
    >>> softcap.derivative(np.array([-np.inf, 0.0, np.inf]))
    array([0., 1., 0.])
    """
    return (number("softcap", "cap", cap, low=0.0, low_open=True),)
