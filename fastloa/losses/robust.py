"""Losses for regression with outliers: parabolas around 0 that become straight lines."""

from fastloa_kernels.formulas import residuals

from fastloa import checks
from fastloa.loss_operations import Terms, loss
from fastloa.operations import Array, Parameters

__all__ = [
    "fair_loss",
    "huber_loss",
    "log_cosh_loss",
    "pseudo_huber_loss",
    "smooth_l1_loss",
    "tukey_loss",
]


@loss(residuals.SMOOTH_L1_LOSS)
def smooth_l1_loss(
    input: Array, target: Array, /, *, beta: float = 1.0, weight: Array | None = None,
    reduction: str = "mean", sample_weight: Array | None = None, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Absolute error with a parabola around 0 (smooth L1).

    .. math:: \ell(x, t) = \begin{cases} r^2 / (2 \beta) & |r| < \beta \\ |r| - \beta / 2 & \text{else} \end{cases},
        \qquad r = x - t

    Derivative: r / beta where abs(r) < beta, else the sign of r; 0 at r = 0, for beta = 0 too. Hessian: 1 / beta where
    abs(r) < beta, else 0; at both ends it is 0.

    Parameters
    ----------
    input : array, shape (...), floating-point, integer or bool
        Predictions x.
    target : array, shape (...), floating-point, integer or bool
        Targets t; taken in the dtype of `input`.
    beta : float, default 1.0
        Where the parabola ends; non-negative.
    weight : array, broadcasts to (...), optional
        Multiplies the elements' losses and leaves the divisor of the mean alone, as in PyTorch.
    reduction : {"mean", "sum", "none"}, default "mean"
        What to do with the elements' losses.
    sample_weight : array, shape (...) or 1 in place of some of its numbers, optional
        Multiplies the elements' losses; the mean divides by its sum.
    backend : {"auto", "cpu", "cuda", "cupy"}, optional
        Where to run; the backend in force by default.

    Returns
    -------
    scalar, or array of shape (...) for ``reduction="none"``
        In the dtype of `input` (float32 for 16-bit ones). On a GPU a 0-d array that stays on the device.

    Raises
    ------
    TypeError
        Not an array, arrays of two libraries, or a dtype that is not supported.
    ValueError
        Shapes differ, `beta` is negative or not finite, an unknown reduction, or a buffer that does not fit.

    Notes
    -----
    For regression with outliers, such as of bounding boxes. As in PyTorch: `huber_loss` with delta = beta, over beta,
    and `l1_loss` for beta = 0. NaN in either array gives NaN.

    References
    ----------
    Girshick, "Fast R-CNN", 2015, doi:10.1109/ICCV.2015.169.

    Examples
    --------
    >>> smooth_l1_loss(np.array([1.5, 4.0]), np.array([1.0, 1.0]), reduction="none")
    array([0.125, 2.5  ])
    >>> smooth_l1_loss.grad(np.array([1.5, 4.0]), np.array([1.0, 1.0]), reduction="sum")
    array([0.5, 1. ])
    """
    return Terms((checks.number("smooth_l1_loss", "beta", beta, low=0.0),), weight=weight)


@loss(residuals.HUBER_LOSS)
def huber_loss(
    input: Array, target: Array, /, *, delta: float = 1.0, weight: Array | None = None,
    reduction: str = "mean", sample_weight: Array | None = None, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Squared error, halved, that goes on as straight lines (Huber).

    .. math:: \ell(x, t) = \begin{cases} r^2 / 2 & |r| \le \delta \\ \delta (|r| - \delta / 2) & \text{else} \end{cases}
        \qquad r = x - t

    Derivative: r where abs(r) <= delta, else delta times the sign of r. Hessian: 1 where abs(r) <= delta, else 0.

    Parameters
    ----------
    input : array, shape (...), floating-point, integer or bool
        Predictions x.
    target : array, shape (...), floating-point, integer or bool
        Targets t; taken in the dtype of `input`.
    delta : float, default 1.0
        Where the lines begin; positive.
    weight : array, broadcasts to (...), optional
        Multiplies the elements' losses and leaves the divisor of the mean alone, as in PyTorch.
    reduction : {"mean", "sum", "none"}, default "mean"
        What to do with the elements' losses.
    sample_weight : array, shape (...) or 1 in place of some of its numbers, optional
        Multiplies the elements' losses; the mean divides by its sum.
    backend : {"auto", "cpu", "cuda", "cupy"}, optional
        Where to run; the backend in force by default.

    Returns
    -------
    scalar, or array of shape (...) for ``reduction="none"``
        In the dtype of `input` (float32 for 16-bit ones). On a GPU a 0-d array that stays on the device.

    Raises
    ------
    TypeError
        Not an array, arrays of two libraries, or a dtype that is not supported.
    ValueError
        Shapes differ, `delta` is not positive and finite, an unknown reduction, or a buffer that does not fit.

    Notes
    -----
    For regression with outliers, which pull no more than delta. The same in PyTorch, Keras, optax and scikit-learn;
    XGBoost has `pseudo_huber_loss`. NaN in either array gives NaN.

    References
    ----------
    Huber, "Robust Estimation of a Location Parameter", 1964, doi:10.1214/aoms/1177703732.

    Examples
    --------
    >>> huber_loss(np.array([2.0, 5.0]), np.array([1.0, 1.0]), delta=2.0)
    np.float64(3.25)
    >>> huber_loss.grad_and_hess(np.array([2.0, 5.0]), np.array([1.0, 1.0]), delta=2.0, reduction="sum")
    (array([1., 2.]), array([1., 0.]))
    """
    return Terms((checks.number("huber_loss", "delta", delta, low=0.0, low_open=True),), weight=weight)


@loss(residuals.PSEUDO_HUBER_LOSS)
def pseudo_huber_loss(
    input: Array, target: Array, /, *, delta: float = 1.0, weight: Array | None = None,
    reduction: str = "mean", sample_weight: Array | None = None, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Huber's loss without its seams: a hyperbola (Charbonnier).

    .. math:: \ell(x, t) = \delta^2 \left(\sqrt{1 + (r / \delta)^2} - 1\right), \qquad r = x - t

    Derivative: r / sqrt(1 + (r / delta)^2). Hessian: (1 + (r / delta)^2)^(-3/2).

    Parameters
    ----------
    input : array, shape (...), floating-point, integer or bool
        Predictions x.
    target : array, shape (...), floating-point, integer or bool
        Targets t; taken in the dtype of `input`.
    delta : float, default 1.0
        The steepest slope; positive.
    weight : array, broadcasts to (...), optional
        Multiplies the elements' losses and leaves the divisor of the mean alone, as in PyTorch.
    reduction : {"mean", "sum", "none"}, default "mean"
        What to do with the elements' losses.
    sample_weight : array, shape (...) or 1 in place of some of its numbers, optional
        Multiplies the elements' losses; the mean divides by its sum.
    backend : {"auto", "cpu", "cuda", "cupy"}, optional
        Where to run; the backend in force by default.

    Returns
    -------
    scalar, or array of shape (...) for ``reduction="none"``
        In the dtype of `input` (float32 for 16-bit ones). On a GPU a 0-d array that stays on the device.

    Raises
    ------
    TypeError
        Not an array, arrays of two libraries, or a dtype that is not supported.
    ValueError
        Shapes differ, `delta` is not positive and finite, an unknown reduction, or a buffer that does not fit.

    Notes
    -----
    For regression with outliers, which pull no more than delta; its Hessian does not jump. As in XGBoost, where delta
    is huber_slope. NaN in either array gives NaN.

    References
    ----------
    Charbonnier, Blanc-Féraud, Aubert and Barlaud, "Deterministic Edge-Preserving Regularization in Computed Imaging",
    1997, doi:10.1109/83.551699.

    Examples
    --------
    >>> pseudo_huber_loss(np.array([3.0, 0.0]), np.array([0.0, 3.0]), delta=4.0, reduction="none")
    array([4., 4.])
    """
    return Terms((checks.number("pseudo_huber_loss", "delta", delta, low=0.0, low_open=True),), weight=weight)


@loss(residuals.LOG_COSH_LOSS)
def log_cosh_loss(
    input: Array, target: Array, /, *, weight: Array | None = None, reduction: str = "mean",
    sample_weight: Array | None = None, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Logarithm of the hyperbolic cosine of the error.

    .. math:: \ell(x, t) = \log \cosh(x - t)

    Derivative: tanh(x - t). Hessian: 1 - tanh(x - t)^2.

    Parameters
    ----------
    input : array, shape (...), floating-point, integer or bool
        Predictions x.
    target : array, shape (...), floating-point, integer or bool
        Targets t; taken in the dtype of `input`.
    weight : array, broadcasts to (...), optional
        Multiplies the elements' losses and leaves the divisor of the mean alone, as in PyTorch.
    reduction : {"mean", "sum", "none"}, default "mean"
        What to do with the elements' losses.
    sample_weight : array, shape (...) or 1 in place of some of its numbers, optional
        Multiplies the elements' losses; the mean divides by its sum.
    backend : {"auto", "cpu", "cuda", "cupy"}, optional
        Where to run; the backend in force by default.

    Returns
    -------
    scalar, or array of shape (...) for ``reduction="none"``
        In the dtype of `input` (float32 for 16-bit ones). On a GPU a 0-d array that stays on the device.

    Raises
    ------
    TypeError
        Not an array, arrays of two libraries, or a dtype that is not supported.
    ValueError
        Shapes differ, an unknown reduction, or a buffer that does not fit.

    Notes
    -----
    For regression with outliers: half the squared error near 0, the absolute error less log 2 far from it. Keeps its
    digits for small errors, where log(cosh(x - t)) as written in other libraries loses them all. NaN in either array
    gives NaN.

    References
    ----------
    Green, "Bayesian Reconstructions from Emission Tomography Data Using a Modified EM Algorithm", 1990,
    doi:10.1109/42.52985.

    Examples
    --------
    >>> log_cosh_loss(np.array([1e-8]), np.array([0.0]), reduction="none")
    array([5.e-17])
    >>> log_cosh_loss.grad(np.array([0.0, 1000.0]), np.zeros(2), reduction="sum")
    array([0., 1.])
    """
    return Terms(weight=weight)


@loss(residuals.FAIR_LOSS)
def fair_loss(
    input: Array, target: Array, /, *, c: float = 1.0, weight: Array | None = None, reduction: str = "mean",
    sample_weight: Array | None = None, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Absolute error less its logarithm (Fair).

    .. math:: \ell(x, t) = c^2 \left(\frac{|r|}{c} - \log\left(1 + \frac{|r|}{c}\right)\right), \qquad r = x - t

    Derivative: r / (1 + abs(r) / c). Hessian: 1 / (1 + abs(r) / c)^2.

    Parameters
    ----------
    input : array, shape (...), floating-point, integer or bool
        Predictions x.
    target : array, shape (...), floating-point, integer or bool
        Targets t; taken in the dtype of `input`.
    c : float, default 1.0
        The steepest slope, and where half of it is reached; positive.
    weight : array, broadcasts to (...), optional
        Multiplies the elements' losses and leaves the divisor of the mean alone, as in PyTorch.
    reduction : {"mean", "sum", "none"}, default "mean"
        What to do with the elements' losses.
    sample_weight : array, shape (...) or 1 in place of some of its numbers, optional
        Multiplies the elements' losses; the mean divides by its sum.
    backend : {"auto", "cpu", "cuda", "cupy"}, optional
        Where to run; the backend in force by default.

    Returns
    -------
    scalar, or array of shape (...) for ``reduction="none"``
        In the dtype of `input` (float32 for 16-bit ones). On a GPU a 0-d array that stays on the device.

    Raises
    ------
    TypeError
        Not an array, arrays of two libraries, or a dtype that is not supported.
    ValueError
        Shapes differ, `c` is not positive and finite, an unknown reduction, or a buffer that does not fit.

    Notes
    -----
    For regression with outliers, which pull no more than c. About half the squared error near 0, where the two terms as
    written cancel; here no digit is lost. As in LightGBM, where c is fair_c. NaN in either array gives NaN.

    References
    ----------
    Fair, "On the Robust Estimation of Econometric Models", Annals of Economic and Social Measurement 3(4), 1974; Rey,
    "Introduction to Robust and Quasi-Robust Statistical Methods", 1983, doi:10.1007/978-3-642-69389-2.

    Examples
    --------
    >>> fair_loss(np.array([1e-9, 3.0]), np.zeros(2), c=2.0, reduction="none")
    array([5.00000000e-19, 2.33483707e+00])
    >>> fair_loss.grad_and_hess(np.array([0.0, 3.0]), np.zeros(2), reduction="sum")
    (array([0.  , 0.75]), array([1.    , 0.0625]))
    """
    return Terms((checks.number("fair_loss", "c", c, low=0.0, low_open=True),), weight=weight)


@loss(residuals.TUKEY_LOSS)
def tukey_loss(
    input: Array, target: Array, /, *, c: float = 4.685, weight: Array | None = None, reduction: str = "mean",
    sample_weight: Array | None = None, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Tukey's biweight: what is far away counts for a constant.

    .. math:: \ell(x, t) = \frac{c^2}{6} \begin{cases} 1 - \left(1 - (r / c)^2\right)^3 & |r| \le c \\ 1 & \text{else}
        \end{cases}, \qquad r = x - t

    Derivative: r (1 - u)^2 with u = (r / c)^2 where abs(r) <= c, else 0. Hessian: (1 - u) (1 - 5 u) where abs(r) <= c,
    else 0; it is negative where u > 1/5.

    Parameters
    ----------
    input : array, shape (...), floating-point, integer or bool
        Predictions x.
    target : array, shape (...), floating-point, integer or bool
        Targets t; taken in the dtype of `input`.
    c : float, default 4.685
        From there on errors have no influence; positive. The default has 95 % of the efficiency of least squares for
        errors with a standard deviation of 1.
    weight : array, broadcasts to (...), optional
        Multiplies the elements' losses and leaves the divisor of the mean alone, as in PyTorch.
    reduction : {"mean", "sum", "none"}, default "mean"
        What to do with the elements' losses.
    sample_weight : array, shape (...) or 1 in place of some of its numbers, optional
        Multiplies the elements' losses; the mean divides by its sum.
    backend : {"auto", "cpu", "cuda", "cupy"}, optional
        Where to run; the backend in force by default.

    Returns
    -------
    scalar, or array of shape (...) for ``reduction="none"``
        In the dtype of `input` (float32 for 16-bit ones). On a GPU a 0-d array that stays on the device.

    Raises
    ------
    TypeError
        Not an array, arrays of two libraries, or a dtype that is not supported.
    ValueError
        Shapes differ, `c` is not positive and finite, an unknown reduction, or a buffer that does not fit.

    Notes
    -----
    For regression with gross outliers, which do not pull at all. It is not convex: begin near the solution, and scale
    the errors by their spread. As in statsmodels (TukeyBiweight). NaN in either array gives NaN.

    References
    ----------
    Beaton and Tukey, "The Fitting of Power Series, Meaning Polynomials, Illustrated on Band-Spectroscopic Data", 1974,
    doi:10.1080/00401706.1974.10489171.

    Examples
    --------
    >>> tukey_loss(np.array([1e-8, 1.0, 50.0]), np.zeros(3), c=2.0, reduction="none")
    array([5.00000000e-17, 3.85416667e-01, 6.66666667e-01])
    >>> tukey_loss.grad_and_hess(np.array([1.0, 50.0]), np.zeros(2), c=2.0, reduction="sum")
    (array([0.5625, 0.    ]), array([-0.1875,  0.    ]))
    """
    return Terms((checks.number("tukey_loss", "c", c, low=0.0, low_open=True),), weight=weight)
