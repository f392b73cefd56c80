"""Gates: x times something between 0 and 1 that depends on it."""

from fastloa_kernels.formulas import gates, piecewise

from fastloa.checks import choice, number
from fastloa.operations import Array, Parameters, Variant, activation

__all__ = [
    "gelu",
    "hardswish",
    "mish",
    "quick_gelu",
    "silu",
]


@activation(gates.SILU)
def silu(x: Array, /, *, out: Array | None = None, backend: str | None = None) -> Parameters:
    r"""Sigmoid linear unit, also called swish: x times its sigmoid.

    .. math:: f(x) = x \, \sigma(x), \qquad f'(x) = \sigma(x) \, (1 + x \, (1 - \sigma(x)))

    Derivative: it is continuous, with 1/2 at 0, and below 0 for x < -1.2785.

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
    NaN gives NaN, -inf -0.0 and inf inf, and the sign of zero is kept; no representable result is returned as 0.
    Smooth, with a small negative bump, and so not monotonic; gives gradients where ReLU is dead. One exp.

    References
    ----------
    Elfwing, Uchibe and Doya, "Sigmoid-Weighted Linear Units for Neural Network Function Approximation in Reinforcement
    Learning", 2017, arXiv:1702.03118; Ramachandran, Zoph and Le, "Searching for Activation Functions", 2017,
    arXiv:1710.05941.

    Examples
    --------
    >>> silu(np.array([-np.inf, 0.0, np.inf]))
    array([-0.,  0., inf])
    >>> silu.derivative(np.array([0.0, np.inf]))
    array([0.5, 1. ])
    """
    return ()


@activation(gates.GELU)
def gelu(x: Array, /, *, approximate: str = "none", out: Array | None = None, backend: str | None = None) -> Parameters:
    r"""Gaussian error linear unit: x times the probability that a standard normal variable is below x.

    .. math:: f(x) = x \, \Phi(x) = \frac{x}{2} \left(1 + \operatorname{erf} \frac{x}{\sqrt{2}}\right), \qquad
        f'(x) = \Phi(x) + \frac{x}{\sqrt{2 \pi}} e^{-x^2 / 2}

    or, for ``approximate="tanh"``,

    .. math:: f(x) = \frac{x}{2} \left(1 + \tanh\left(\sqrt{2 / \pi} \, (x + 0.044715 \, x^3)\right)\right)

    Derivative: that of the form chosen; it is continuous, with 1/2 at 0, and below 0 for x < -0.7518 (-0.7525 with
    tanh).

    Parameters
    ----------
    x : array, shape (...), floating-point, integer or bool
        Where to evaluate.
    approximate : {"none", "tanh"}, default "none"
        Which form.
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
        An unknown form; `out` has another shape or is read-only.

    Notes
    -----
    NaN gives NaN, -inf -0.0 and inf inf, and the sign of zero is kept; no representable result is returned as 0. The
    tanh form is another function, off by up to 5e-4: choose the one that the model was trained with (PyTorch's default
    is the exact, JAX's the tanh form). Smooth and not monotonic; the usual choice in transformers. Costs an erfc or a
    tanh.

    References
    ----------
    Hendrycks and Gimpel, "Gaussian Error Linear Units (GELUs)", 2016, arXiv:1606.08415.

    Examples
    --------
    >>> gelu(np.array([-np.inf, 0.0, 1.0]))
    array([-0.        ,  0.        ,  0.84134475])
    >>> gelu(np.array([-np.inf, 0.0, 1.0]), approximate="tanh")
    array([-0.        ,  0.        ,  0.84119199])
    """
    form = choice("gelu", "approximate", approximate, ("none", "tanh"))
    return Variant(gates.GELU_TANH) if form == "tanh" else ()


@activation(gates.QUICK_GELU)
def quick_gelu(x: Array, /, *, out: Array | None = None, backend: str | None = None) -> Parameters:
    r"""The sigmoid approximation of GELU.

    .. math:: f(x) = x \, \sigma(1.702 \, x), \qquad f'(x) = s \, (1 + 1.702 \, x \, (1 - s)), \qquad
        s = \sigma(1.702 \, x)

    Derivative: it is continuous, with 1/2 at 0, and below 0 for x < -0.7512.

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
    NaN gives NaN, -inf -0.0 and inf inf, and the sign of zero is kept; no representable result is returned as 0.
    Differs from `gelu` by up to 0.0204; for models that were trained with it, CLIP among them. One exp.

    References
    ----------
    Hendrycks and Gimpel, "Gaussian Error Linear Units (GELUs)", 2016, arXiv:1606.08415.

    Examples
    --------
    >>> quick_gelu(np.array([-np.inf, 0.0, 1.0]))
    array([-0.        ,  0.        ,  0.84579577])
    """
    return ()


@activation(gates.MISH)
def mish(x: Array, /, *, out: Array | None = None, backend: str | None = None) -> Parameters:
    r"""Mish: x times the tanh of its softplus.

    .. math:: f(x) = x \, t, \qquad f'(x) = t + x \, \sigma(x) \, (1 - t^2), \qquad t = \tanh(\log(1 + e^x))

    Derivative: it is continuous, with 0.6 at 0, and below 0 for x < -1.1924.

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
    NaN gives NaN, -inf -0.0 and inf inf, and the sign of zero is kept; no representable result is returned as 0. Much
    like `silu`, and used in detectors such as YOLOv4. Since t is a quotient of polynomials in exp(x), it takes one exp.

    References
    ----------
    Misra, "Mish: A Self Regularized Non-Monotonic Activation Function", 2019, arXiv:1908.08681.

    Examples
    --------
    >>> mish(np.array([-np.inf, 0.0, 1.0]))
    array([-0.        ,  0.        ,  0.86509839])
    """
    return ()


@activation(piecewise.HARDSWISH)
def hardswish(x: Array, /, *, slope: float = 1 / 6, out: Array | None = None, backend: str | None = None) -> Parameters:
    r"""Hard swish: x times its hard sigmoid.

    .. math:: f(x) = x \, \min(\max(s x + \tfrac{1}{2}, 0), 1)

    Derivative: with h = 1 / (2 slope), which is 3 by default, 0 for x <= -h, 2 s x + 1/2 between and 1 from h on; so at
    -h it is 0 and at h it is 1, as in PyTorch.

    Parameters
    ----------
    x : array, shape (...), floating-point, integer or bool
        Where to evaluate.
    slope : float, default 1/6
        The slope s of the hard sigmoid at 0; positive and finite.
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
    NaN gives NaN, -inf -0.0 and inf inf, and the sign of zero is kept. The default is PyTorch's, JAX's and Keras 3's;
    Thinc has slope 0.2. `silu` in pieces, without exp, for small devices; units below -h may be dead.

    References
    ----------
    Howard et al., "Searching for MobileNetV3", 2019, arXiv:1905.02244.

    Examples
    --------
    >>> hardswish(np.array([-1.5, 0.0, 1.5, 6.0]))
    array([-0.375,  0.   ,  1.125,  6.   ])
    >>> hardswish.derivative(np.array([-3.0, 0.0, 3.0]))
    array([0. , 0.5, 1. ])
    """
    return (0.5 / number("hardswish", "slope", slope, low=0.0, low_open=True),)
