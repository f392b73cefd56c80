"""Divergences of distributions: losses of log-probabilities against probabilities."""

from fastloa_kernels.formulas import divergences

from fastloa import checks
from fastloa.loss_operations import Terms, loss
from fastloa.operations import Array, Parameters
from fastloa.straight_losses import REDUCTIONS

__all__ = [
    "jensen_shannon_divergence",
    "kl_div",
]


@loss(divergences.JENSEN_SHANNON_DIVERGENCE, (*REDUCTIONS, "batchmean"))
def jensen_shannon_divergence(
    input: Array, target: Array, /, *, beta: float = 0.5, log_target: bool = False, weight: Array | None = None,
    reduction: str = "mean", sample_weight: Array | None = None, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Jensen-Shannon divergence of log-probabilities and probabilities, element by element.

    .. math:: \ell = \beta \, p \log \frac{p}{m} + (1 - \beta) \, q \log \frac{q}{m}, \qquad
        m = \beta \, p + (1 - \beta) \, q, \qquad q = e^x

    Here p is t, or exp(t) with `log_target`. Derivative: (1 - beta) q log(q / m). Hessian:
    (1 - beta) q (log(q / m) + beta p / m).

    Parameters
    ----------
    input : array, shape (...), floating-point, integer or bool
        Log-probabilities x, such as `log_softmax` gives.
    target : array, shape (...), floating-point, integer or bool
        Probabilities t, or their logarithms; taken in the dtype of `input`.
    beta : float, default 0.5
        The weight of the target in the mean m, between 0 and 1.
    log_target : bool, default False
        Whether the targets are log-probabilities as well.
    weight : array, broadcasts to (...), optional
        Multiplies the elements' losses and leaves the divisor of the mean alone.
    reduction : {"mean", "sum", "none", "batchmean"}, default "mean"
        What to do with the elements' losses; ``"batchmean"`` divides their sum by the length of the first axis.
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
        Shapes differ, `beta` is not between 0 and 1, an unknown reduction, or a buffer that does not fit.

    Notes
    -----
    For distillation, where `kl_div` would be infinite or ask too much of classes that the target all but excludes. The
    field calls it a divergence, and so do its libraries: Liger-Kernel's jsd has the same beta, and with `log_target`
    the same arguments, but takes the divergences of Kullback and Leibler for the limits beta = 0 and 1, where this one
    is 0; those are `kl_div`. The divergence of two distributions is the sum over their classes: ``"batchmean"`` gives
    the mean of it over the first axis, and SciPy's jensenshannon the root of it.

    A class that has no probability on one side costs only its weight times the logarithm of that, and nothing where it
    has none on both; its gradient is 0 where q is. A negative target gives NaN without `log_target`, as does NaN in
    either array.

    Close to p = q the divergence is as small as the square of their difference, and keeps its digits: with `log_target`
    all of them, and without as many as log t has where x is subtracted. Where the terms of the Hessian cancel to less
    than 1/16 of one of them, errors are up to 2 units in the last place of that sixteenth.

    References
    ----------
    Lin, "Divergence Measures Based on the Shannon Entropy", 1991, doi:10.1109/18.61115; Agarwal et al., "On-Policy
    Distillation of Language Models: Learning from Self-Generated Mistakes", 2024, arXiv:2306.13649 (beta).

    Examples
    --------
    >>> x, t = np.log(np.array([[0.5, 0.5], [0.25, 0.75]])), np.array([[1.0, 0.0], [0.25, 0.75]])
    >>> jensen_shannon_divergence(x, t, reduction="sum").round(6)
    np.float64(0.215762)
    >>> jensen_shannon_divergence.grad(x, t, reduction="sum").round(6)
    array([[-0.101366,  0.173287],
           [ 0.      ,  0.      ]])
    """
    name = "jensen_shannon_divergence"
    share = checks.number(name, "beta", beta, low=0.0, high=1.0, low_open=True, high_open=True)
    given = checks.flag(name, "log_target", log_target)
    return Terms((share,), weight=weight, record=divergences.JENSEN_SHANNON_DIVERGENCE_LOG_TARGET if given else None)


@loss(divergences.KL_DIV, (*REDUCTIONS, "batchmean"))
def kl_div(
    input: Array, target: Array, /, *, log_target: bool = False, weight: Array | None = None, reduction: str = "mean",
    sample_weight: Array | None = None, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Kullback-Leibler divergence of log-probabilities from probabilities, element by element.

    .. math:: \ell(x, t) = \begin{cases} e^t (t - x) & \text{log_target} \\ t (\log t - x) & \text{else} \end{cases}

    Derivative: -t, or -exp(t) with `log_target`. Hessian: 0.

    Parameters
    ----------
    input : array, shape (...), floating-point, integer or bool
        Log-probabilities x, such as `log_softmax` gives.
    target : array, shape (...), floating-point, integer or bool
        Probabilities t, or their logarithms; taken in the dtype of `input`.
    log_target : bool, default False
        Whether the targets are log-probabilities as well.
    weight : array, broadcasts to (...), optional
        Multiplies the elements' losses and leaves the divisor of the mean alone, as in PyTorch.
    reduction : {"mean", "sum", "none", "batchmean"}, default "mean"
        What to do with the elements' losses; ``"batchmean"`` divides their sum by the length of the first axis.
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
        Shapes differ, an unknown reduction, or a buffer that does not fit.

    Notes
    -----
    The divergence of two distributions is the sum over their classes: ``"batchmean"`` gives the mean of it over the
    first axis, where ``"mean"`` divides by the number of classes too. As in PyTorch, but that 0 log 0 and 0 times an
    infinity are 0: a class that has no probability in the target counts for nothing. With `sample_weight`,
    ``"batchmean"`` still divides by the length.

    A negative target gives NaN without `log_target`, as does NaN in either array. Where log t and x nearly cancel, the
    digits of their difference are kept.

    References
    ----------
    Kullback and Leibler, "On Information and Sufficiency", 1951, doi:10.1214/aoms/1177729694.

    Examples
    --------
    >>> x, t = np.log(np.array([[0.5, 0.5], [0.25, 0.75]])), np.array([[1.0, 0.0], [0.25, 0.75]])
    >>> kl_div(x, t, reduction="batchmean")
    np.float64(0.34657359027997264)
    >>> kl_div.grad(x, t, reduction="sum")
    array([[-1.  ,  0.  ],
           [-0.25, -0.75]])
    """
    given = checks.flag("kl_div", "log_target", log_target)
    return Terms(weight=weight, record=divergences.KL_DIV_LOG_TARGET if given else None)
