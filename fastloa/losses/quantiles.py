"""Losses for regression that weigh errors above and below the target differently."""

from fastloa_kernels.formulas import residuals

from fastloa import checks
from fastloa.loss_operations import Terms, loss
from fastloa.operations import Array, Parameters

__all__ = [
    "expectile_loss",
    "quantile_loss",
]


@loss(residuals.QUANTILE_LOSS)
def quantile_loss(
    input: Array, target: Array, /, *, quantile: float = 0.5, weight: Array | None = None,
    reduction: str = "mean", sample_weight: Array | None = None, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Absolute error tilted towards a quantile (pinball loss).

    .. math:: \ell(x, t) = \begin{cases} q (t - x) & x < t \\ (1 - q) (x - t) & \text{else} \end{cases}

    Derivative: -q where x < t, 1 - q where x > t, and 0 at x = t. Hessian: 0.

    Parameters
    ----------
    input : array, shape (...), floating-point, integer or bool
        Predictions x.
    target : array, shape (...), floating-point, integer or bool
        Targets t; taken in the dtype of `input`.
    quantile : float, default 0.5
        The quantile q to predict; strictly between 0 and 1.
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
        Shapes differ, `quantile` is not in (0, 1), an unknown reduction, or a buffer that does not fit.

    Notes
    -----
    For the quantile q of the targets where the mean squared error finds their mean: 0.9 gives predictions that 9 of 10
    targets stay below. Half of `l1_loss` for q = 0.5; scikit-learn's mean_pinball_loss. NaN in either array gives NaN.

    References
    ----------
    Koenker and Bassett, "Regression Quantiles", 1978, doi:10.2307/1913643.

    Examples
    --------
    >>> quantile_loss(np.array([1.0, 4.0]), np.array([2.0, 2.0]), quantile=0.75, reduction="none")
    array([0.75, 0.5 ])
    >>> quantile_loss.grad(np.array([1.0, 4.0]), np.array([2.0, 2.0]), quantile=0.75, reduction="sum")
    array([-0.75,  0.25])
    """
    q = checks.number("quantile_loss", "quantile", quantile, low=0.0, high=1.0, low_open=True, high_open=True)
    return Terms((q,), weight=weight)


@loss(residuals.EXPECTILE_LOSS)
def expectile_loss(
    input: Array, target: Array, /, *, quantile: float = 0.5, weight: Array | None = None,
    reduction: str = "mean", sample_weight: Array | None = None, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Squared error tilted towards an expectile.

    .. math:: \ell(x, t) = w (x - t)^2, \qquad w = \begin{cases} 1 - q & x > t \\ q & \text{else} \end{cases}

    Derivative: 2 w (x - t). Hessian: 2 w; at x = t it is 2 q.

    Parameters
    ----------
    input : array, shape (...), floating-point, integer or bool
        Predictions x.
    target : array, shape (...), floating-point, integer or bool
        Targets t; taken in the dtype of `input`.
    quantile : float, default 0.5
        The weight q of targets above the prediction; strictly between 0 and 1.
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
        Shapes differ, `quantile` is not in (0, 1), an unknown reduction, or a buffer that does not fit.

    Notes
    -----
    For what lies above the mean (q > 0.5) or below it, smoothly where `quantile_loss` has a kink. Half of `mse_loss`
    for q = 0.5. NaN in either array gives NaN.

    References
    ----------
    Newey and Powell, "Asymmetric Least Squares Estimation and Testing", 1987, doi:10.2307/1911031.

    Examples
    --------
    >>> expectile_loss(np.array([1.0, 4.0]), np.array([2.0, 2.0]), quantile=0.75, reduction="none")
    array([0.75, 1.  ])
    >>> expectile_loss.grad(np.array([1.0, 4.0]), np.array([2.0, 2.0]), quantile=0.75, reduction="sum")
    array([-1.5,  1. ])
    """
    q = checks.number("expectile_loss", "quantile", quantile, low=0.0, high=1.0, low_open=True, high_open=True)
    return Terms((q,), weight=weight)
