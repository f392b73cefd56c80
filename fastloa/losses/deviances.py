"""Losses of counts and amounts: deviances of distributions with a logarithmic link."""

from fastloa_kernels.formulas import deviances

from fastloa import checks
from fastloa.loss_operations import Terms, loss
from fastloa.operations import Array, Parameters

__all__ = [
    "gamma_loss",
    "poisson_nll_loss",
    "tweedie_loss",
]


@loss(deviances.POISSON_NLL_LOSS)
def poisson_nll_loss(
    input: Array, target: Array, /, *, log_input: bool = True, full: bool = False, eps: float = 1e-8,
    weight: Array | None = None, reduction: str = "mean", sample_weight: Array | None = None,
    backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Negative log-likelihood of counts (Poisson).

    .. math:: \ell(x, t) = \begin{cases} e^x - t x & \text{log_input} \\ x - t \log(x + \epsilon) & \text{else}
        \end{cases}

    Derivative: exp(x) - t, or 1 - t / (x + eps). Hessian: exp(x), or t / (x + eps)^2.

    Parameters
    ----------
    input : array, shape (...), floating-point, integer or bool
        Predictions x: logarithms of rates, or rates.
    target : array, shape (...), floating-point, integer or bool
        Counts t, finite, usually at least 0; taken in the dtype of `input`.
    log_input : bool, default True
        Whether the predictions are logarithms of rates, or else the rates themselves.
    full : bool, default False
        Whether to add Stirling's formula for log(t!), t log t - t + log(2 pi t) / 2, where t > 1.
    eps : float, default 1e-8
        What is added to rates, so that 0 has a logarithm; non-negative. Without effect on logarithms of rates.
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
        Not an array, arrays of two libraries, or a dtype that is not supported, or an option that is no truth value.
    ValueError
        Shapes differ, `eps` is negative or not finite, an unknown reduction, or a buffer that does not fit.

    Notes
    -----
    For regression of counts. As in PyTorch; Keras adds 1e-7 to rates; scikit-learn, XGBoost and LightGBM have
    logarithms of rates, and the latter two Hessians of their own. With a target of 0 the logarithm counts for nothing.
    NaN in either array, or a rate below -eps, gives NaN.

    Where the terms cancel to less than 1/16 of one of them, errors are up to 2 units in the last place of that
    sixteenth.

    References
    ----------
    Nelder and Wedderburn, "Generalized Linear Models", 1972, doi:10.2307/2344614.

    Examples
    --------
    >>> poisson_nll_loss(np.array([0.0, 1.0]), np.array([1, 3]), reduction="none")
    array([ 1.        , -0.28171817])
    >>> poisson_nll_loss.grad(np.array([2.0, 4.0]), np.array([1, 8]), log_input=False, eps=0.0, reduction="sum")
    array([ 0.5, -1. ])
    """
    name = "poisson_nll_loss"
    whole = checks.flag(name, "full", full)
    offset = checks.number(name, "eps", eps, low=0.0)
    if checks.flag(name, "log_input", log_input):
        return Terms(weight=weight, record=deviances.POISSON_NLL_LOSS_FULL if whole else deviances.POISSON_NLL_LOSS)
    record = deviances.POISSON_NLL_LOSS_RATE_FULL if whole else deviances.POISSON_NLL_LOSS_RATE
    return Terms((offset,), weight=weight, record=record)


@loss(deviances.GAMMA_LOSS)
def gamma_loss(
    input: Array, target: Array, /, *, weight: Array | None = None, reduction: str = "mean",
    sample_weight: Array | None = None, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Deviance of the gamma distribution, halved, with a logarithmic link.

    .. math:: \ell(z, t) = z + t e^{-z}

    Derivative: 1 - t exp(-z). Hessian: t exp(-z).

    Parameters
    ----------
    input : array, shape (...), floating-point, integer or bool
        Predictions z: logarithms of means.
    target : array, shape (...), floating-point, integer or bool
        Amounts t, positive and finite; taken in the dtype of `input`.
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
    For positive amounts whose spread grows as they do. Half the deviance, less -1 - log t, which does not depend on z:
    as in scikit-learn, and up to such a constant in XGBoost (reg:gamma) and LightGBM. NaN in either array gives NaN.

    Where the terms cancel to less than 1/16 of one of them, errors are up to 2 units in the last place of that
    sixteenth.

    References
    ----------
    Nelder and Wedderburn, "Generalized Linear Models", 1972, doi:10.2307/2344614.

    Examples
    --------
    >>> gamma_loss(np.array([0.0, 1.0]), np.array([2.0, 0.0]), reduction="none")
    array([2., 1.])
    >>> gamma_loss.grad_and_hess(np.array([0.0]), np.array([2.0]))
    (array([-1.]), array([2.]))
    """
    return Terms(weight=weight)


@loss(deviances.TWEEDIE_LOSS)
def tweedie_loss(
    input: Array, target: Array, /, *, power: float = 1.5, weight: Array | None = None, reduction: str = "mean",
    sample_weight: Array | None = None, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Deviance of a Tweedie distribution, halved, with a logarithmic link.

    .. math:: \ell(z, t) = -\frac{t \, e^{(1 - p) z}}{1 - p} + \frac{e^{(2 - p) z}}{2 - p}

    Derivative: exp((2 - p) z) - t exp((1 - p) z). Hessian: (2 - p) exp((2 - p) z) - (1 - p) t exp((1 - p) z).

    Parameters
    ----------
    input : array, shape (...), floating-point, integer or bool
        Predictions z: logarithms of means.
    target : array, shape (...), floating-point, integer or bool
        Amounts t, finite and at least 0; taken in the dtype of `input`.
    power : float, default 1.5
        The p that the variance grows as the mean's power of, in (1, 2).
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
        Shapes differ, `power` is not in (1, 2), an unknown reduction, or a buffer that does not fit.

    Notes
    -----
    For amounts that are often 0 and otherwise positive, such as the claims of insured. `poisson_nll_loss` and
    `gamma_loss` are the ends p = 1 and p = 2. Half the deviance, less what does not depend on z: as in scikit-learn,
    XGBoost (tweedie_variance_power) and LightGBM. NaN in either array gives NaN.

    Where the terms of the derivative cancel to less than 1/16 of one of them, errors are up to 2 units in the last
    place of that sixteenth.

    References
    ----------
    Jørgensen, "Exponential Dispersion Models", 1987, doi:10.1111/j.2517-6161.1987.tb01685.x.

    Examples
    --------
    >>> tweedie_loss(np.array([0.0, 0.0]), np.array([0.0, 3.0]), reduction="none")
    array([2., 8.])
    >>> tweedie_loss.grad_and_hess(np.array([0.0]), np.array([3.0]), power=1.25)
    (array([-2.]), array([1.5]))
    """
    p = checks.number("tweedie_loss", "power", power, low=1.0, high=2.0, low_open=True, high_open=True)
    return Terms((p,), weight=weight)
