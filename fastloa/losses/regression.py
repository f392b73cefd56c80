"""Losses for regression: absolute and squared errors, and what is left of them beyond a tolerance."""

from fastloa_kernels.formulas import losses as formulas
from fastloa_kernels.formulas import residuals

from fastloa import checks
from fastloa.loss_operations import Terms, loss
from fastloa.operations import Array, Parameters

__all__ = [
    "epsilon_insensitive_loss",
    "l1_loss",
    "mape_loss",
    "mse_loss",
    "msle_loss",
    "squared_epsilon_insensitive_loss",
]


@loss(formulas.L1_LOSS)
def l1_loss(
    input: Array, target: Array, /, *, weight: Array | None = None, reduction: str = "mean",
    sample_weight: Array | None = None, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Absolute error (least absolute deviations).

    .. math:: \ell(x, t) = |x - t|

    Derivative: the sign of x - t, and 0 at x = t, as in PyTorch. Hessian: 0.

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
    For regression with many outliers, which it does not square. The lecture's least absolute deviations are
    ``reduction="sum"``. NaN in either array gives NaN.

    References
    ----------
    Boscovich, "De litteraria expeditione per pontificiam ditionem", 1757; Hastie, Tibshirani and Friedman, "The
    Elements of Statistical Learning", 2009, section 10.6, doi:10.1007/978-0-387-84858-7.

    Examples
    --------
    >>> l1_loss(np.array([1.0, 5.0]), np.array([2.0, 2.0]))
    np.float64(2.0)
    >>> l1_loss.value_and_grad(np.array([1.0, 5.0]), np.array([2.0, 2.0]))
    (np.float64(2.0), array([-0.5,  0.5]))
    """
    return Terms(weight=weight)


@loss(formulas.MSE_LOSS)
def mse_loss(
    input: Array, target: Array, /, *, weight: Array | None = None, reduction: str = "mean",
    sample_weight: Array | None = None, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Squared error (least squares).

    .. math:: \ell(x, t) = (x - t)^2

    Derivative: 2 (x - t). Hessian: 2.

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
    For regression. The factor 1/2 of some books, of scikit-learn and of XGBoost is not in it. The lecture's least
    squares are ``reduction="sum"``. NaN in either array gives NaN.

    References
    ----------
    Legendre, "Nouvelles méthodes pour la détermination des orbites des comètes", 1805; Bishop, "Pattern Recognition and
    Machine Learning", 2006, section 1.1.

    Examples
    --------
    >>> mse_loss(np.array([1.0, 5.0]), np.array([2.0, 2.0]), reduction="sum")
    np.float64(10.0)
    """
    return Terms(weight=weight)


@loss(residuals.EPSILON_INSENSITIVE_LOSS)
def epsilon_insensitive_loss(
    input: Array, target: Array, /, *, epsilon: float = 0.1, weight: Array | None = None,
    reduction: str = "mean", sample_weight: Array | None = None, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Absolute error beyond a tolerance (support vector regression).

    .. math:: \ell(x, t) = \max(0, |x - t| - \epsilon)

    Derivative: the sign of x - t where abs(x - t) > epsilon, else 0; at both ends it is 0. Hessian: 0.

    Parameters
    ----------
    input : array, shape (...), floating-point, integer or bool
        Predictions x.
    target : array, shape (...), floating-point, integer or bool
        Targets t; taken in the dtype of `input`.
    epsilon : float, default 0.1
        The largest error that costs nothing; non-negative.
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
        Shapes differ, `epsilon` is negative or not finite, an unknown reduction, or a buffer that does not fit.

    Notes
    -----
    For regression where small errors do not matter. The same in scikit-learn's SGD; `l1_loss` for epsilon = 0. NaN in
    either array gives NaN.

    References
    ----------
    Vapnik, "The Nature of Statistical Learning Theory", 1995, doi:10.1007/978-1-4757-2440-0; Smola and Schölkopf, "A
    Tutorial on Support Vector Regression", 2004, doi:10.1023/B:STCO.0000035301.49549.88.

    Examples
    --------
    >>> epsilon_insensitive_loss(np.array([2.25, 4.0]), np.array([2.0, 2.0]), epsilon=0.5, reduction="none")
    array([0. , 1.5])
    >>> epsilon_insensitive_loss.grad(np.array([2.25, 4.0]), np.array([2.0, 2.0]), epsilon=0.5, reduction="sum")
    array([0., 1.])
    """
    return Terms((checks.number("epsilon_insensitive_loss", "epsilon", epsilon, low=0.0),), weight=weight)


@loss(residuals.SQUARED_EPSILON_INSENSITIVE_LOSS)
def squared_epsilon_insensitive_loss(
    input: Array, target: Array, /, *, epsilon: float = 0.1, weight: Array | None = None,
    reduction: str = "mean", sample_weight: Array | None = None, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Square of the absolute error beyond a tolerance.

    .. math:: \ell(x, t) = \max(0, |r| - \epsilon)^2, \qquad r = x - t

    Derivative: 2 (abs(r) - epsilon) times the sign of r where abs(r) > epsilon, else 0. Hessian: 2 where abs(r) >
    epsilon, else 0; at both ends it is 0.

    Parameters
    ----------
    input : array, shape (...), floating-point, integer or bool
        Predictions x.
    target : array, shape (...), floating-point, integer or bool
        Targets t; taken in the dtype of `input`.
    epsilon : float, default 0.1
        The largest error that costs nothing; non-negative.
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
        Shapes differ, `epsilon` is negative or not finite, an unknown reduction, or a buffer that does not fit.

    Notes
    -----
    For regression where small errors do not matter and large ones do the more. The same in scikit-learn's SGD. NaN in
    either array gives NaN.

    References
    ----------
    Ho and Lin, "Large-scale Linear Support Vector Regression", Journal of Machine Learning Research 13, 2012.

    Examples
    --------
    >>> squared_epsilon_insensitive_loss(np.array([2.25, 4.0]), np.array([2.0, 2.0]), epsilon=0.5, reduction="none")
    array([0.  , 2.25])
    >>> squared_epsilon_insensitive_loss.grad(np.array([2.25, 4.0]), np.array([2.0, 2.0]), epsilon=0.5, reduction="sum")
    array([0., 3.])
    """
    return Terms((checks.number("squared_epsilon_insensitive_loss", "epsilon", epsilon, low=0.0),), weight=weight)


@loss(residuals.MAPE_LOSS)
def mape_loss(
    input: Array, target: Array, /, *, eps: float = 1e-7, weight: Array | None = None, reduction: str = "mean",
    sample_weight: Array | None = None, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Absolute error in percent of the target.

    .. math:: \ell(x, t) = 100 \, \frac{|x - t|}{\max(|t|, \epsilon)}

    Derivative: 100 / max(abs(t), eps) times the sign of x - t, and 0 at x = t. Hessian: 0.

    Parameters
    ----------
    input : array, shape (...), floating-point, integer or bool
        Predictions x.
    target : array, shape (...), floating-point, integer or bool
        Targets t; taken in the dtype of `input`.
    eps : float, default 1e-7
        What targets next to 0 are taken for; positive.
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
        Shapes differ, `eps` is not positive and finite, an unknown reduction, or a buffer that does not fit.

    Notes
    -----
    For positive quantities of all sizes. Keras has the same eps by default; scikit-learn has that of float64, 2.2e-16,
    and no factor 100; LightGBM's mape divides by max(abs(t), 1) and has no factor 100 either. An infinite target gives
    100, the limit, for a finite prediction. NaN in either array gives NaN.

    References
    ----------
    de Myttenaere, Golden, Le Grand and Rossi, "Mean Absolute Percentage Error for Regression Models", 2016,
    doi:10.1016/j.neucom.2015.12.114.

    Examples
    --------
    >>> mape_loss(np.array([90.0, 3.0]), np.array([100.0, 2.0]))
    np.float64(30.0)
    >>> mape_loss.grad(np.array([90.0, 3.0]), np.array([100.0, 2.0]), reduction="sum")
    array([-1., 50.])
    """
    return Terms((checks.number("mape_loss", "eps", eps, low=0.0, low_open=True),), weight=weight)


@loss(formulas.MSLE_LOSS)
def msle_loss(
    input: Array, target: Array, /, *, weight: Array | None = None, reduction: str = "mean",
    sample_weight: Array | None = None, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Squared error of the logarithms of 1 plus the numbers.

    .. math:: \ell(x, t) = (\log(1 + x) - \log(1 + t))^2

    Derivative: 2 d / (1 + x) with d = log(1 + x) - log(1 + t). Hessian: 2 (1 - d) / (1 + x)^2, which is negative where
    d > 1.

    Parameters
    ----------
    input : array, shape (...), floating-point, integer or bool
        Predictions x, above -1.
    target : array, shape (...), floating-point, integer or bool
        Targets t, above -1; taken in the dtype of `input`.
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
    For counts and other non-negative quantities of all sizes. Keeps its digits where x is next to t, where the two
    logarithms as written cancel. Keras raises both numbers to 1e-7 at least, scikit-learn refuses those up to -1;
    XGBoost has half of the value (squaredlogerror) and raises the Hessian to 1e-6 at least. NaN in either array, or a
    number below -1, gives NaN.

    References
    ----------
    Tofallis, "A Better Measure of Relative Prediction Accuracy for Model Selection and Model Estimation", 2015,
    doi:10.1057/jors.2014.103.

    Examples
    --------
    >>> msle_loss(np.array([3.0, 1.0]), np.array([1.0, 1.0 + 1e-12]), reduction="none")
    array([4.80453014e-01, 2.50044452e-25])
    >>> msle_loss.grad(np.array([3.0, 0.0]), np.array([1.0, 0.0]), reduction="sum")
    array([0.34657359, 0.        ])
    """
    return Terms(weight=weight)
