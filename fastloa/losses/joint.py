"""Losses of three arrays with gradients in two of them: a likelihood of predicted variances, and a ranking of pairs."""

from fastloa_kernels.formulas import joint

from fastloa import checks
from fastloa.joint_loss_operations import joint_loss
from fastloa.loss_operations import Terms
from fastloa.operations import Array, Parameters

__all__ = [
    "gaussian_nll_loss",
    "margin_ranking_loss",
]


@joint_loss(joint.GAUSSIAN_NLL_LOSS)
def gaussian_nll_loss(
    input: Array, target: Array, var: Array, /, *, full: bool = False, eps: float = 1e-6,
    weight: Array | None = None, reduction: str = "mean", sample_weight: Array | None = None,
    backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Negative log-likelihood of targets under normal distributions, whose means and variances are predicted.

    .. math:: \ell(x, t, v) = \frac{1}{2} \left(\log v' + \frac{(x - t)^2}{v'}\right), \quad v' = \max(v, \epsilon)

    Gradients: (x - t) / v' in the input, (1 - (x - t)^2 / v') / (2 v') in the variance. Diagonals of the Hessian:
    1 / v' and ((x - t)^2 / v' - 1/2) / v'^2. Where v < eps those in the variance are the ones at eps.

    Parameters
    ----------
    input : array, shape (...), floating-point, integer or bool
        Predicted means x.
    target : array, shape (...), floating-point, integer or bool
        What was observed, t; taken in the dtype of `input`.
    var : array, shape (...), floating-point, integer or bool
        Predicted variances v, not negative; taken in the dtype of `input`.
    full : bool, default False
        Whether to add the constant log(2 pi) / 2.
    eps : float, default 1e-6
        The least variance, which smaller ones are raised to; positive.
    weight : array, broadcasts to (...), optional
        Multiplies the elements' losses and leaves the divisor of the mean alone.
    reduction : {"mean", "sum", "none"}, default "mean"
        What to do with the elements' losses.
    sample_weight : array, shape (...) or 1 in place of some of its numbers, optional
        Multiplies the elements' losses; the mean divides by its sum.
    backend : {"auto", "cpu", "cuda", "cupy"}, optional
        Where to run; the backend in force by default.

    Returns
    -------
    scalar, or array of shape (...) for ``reduction="none"``
        In the dtype of `input` (float32 for 16-bit ones), and so are gradients and Hessians, which come in twos: those
        in `input` and in `var`. On a GPU a 0-d array that stays on the device.

    Raises
    ------
    TypeError
        Not an array, arrays of two libraries, a dtype that is not supported, or a `full` that is no truth value.
    ValueError
        Shapes differ, a negative variance (on a GPU its results are NaN instead), `eps` is not positive and finite, an
        unknown reduction, or a buffer that does not fit.

    Notes
    -----
    For regression that says how sure it is. As in PyTorch, where raising a variance to eps is no part of the derivative
    either; a variance for each row, which PyTorch takes as well, is broadcast to the input's shape by the caller, who
    sums its gradient. NaN in any array gives NaN.

    Where the terms cancel to less than 1/16 of one of them, errors are up to 2 units in the last place of that
    sixteenth.

    References
    ----------
    Nix and Weigend, "Estimating the Mean and Variance of the Target Probability Distribution", 1994,
    doi:10.1109/ICNN.1994.374138.

    Examples
    --------
    >>> mean, seen, var = np.array([1.0, 2.0]), np.array([0.0, 2.0]), np.array([1.0, 4.0])
    >>> gaussian_nll_loss(mean, seen, var, reduction="none")
    array([0.5       , 0.69314718])
    >>> gaussian_nll_loss.grad(mean, seen, var, reduction="sum")
    (array([1., 0.]), array([0.   , 0.125]))
    """
    name = "gaussian_nll_loss"
    least = checks.number(name, "eps", eps, low=0.0, low_open=True)
    record = joint.GAUSSIAN_NLL_LOSS_FULL if checks.flag(name, "full", full) else joint.GAUSSIAN_NLL_LOSS
    return Terms((least,), weight=weight, record=record, nonnegative="var")


@joint_loss(joint.MARGIN_RANKING_LOSS)
def margin_ranking_loss(
    input1: Array, input2: Array, target: Array, /, *, margin: float = 0.0, weight: Array | None = None,
    reduction: str = "mean", sample_weight: Array | None = None, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Ranking of two scores, of which the one is to be greater than the other by a margin.

    .. math:: \ell(a, b, t) = \max(0, m - t (a - b))

    Gradients: -t in the first score and t in the second where the loss is positive, else 0. Hessian: 0.

    Parameters
    ----------
    input1 : array, shape (...), floating-point, integer or bool
        The first scores a.
    input2 : array, shape (...), floating-point, integer or bool
        The second scores b; taken in the dtype of `input1`.
    target : array, shape (...), floating-point, integer or bool
        1 where the first is to be greater, -1 where the second is; any other number is taken as it is. In the dtype of
        `input1`.
    margin : float, default 0.0
        The m by which it is to be.
    weight : array, broadcasts to (...), optional
        Multiplies the elements' losses and leaves the divisor of the mean alone.
    reduction : {"mean", "sum", "none"}, default "mean"
        What to do with the elements' losses.
    sample_weight : array, shape (...) or 1 in place of some of its numbers, optional
        Multiplies the elements' losses; the mean divides by its sum.
    backend : {"auto", "cpu", "cuda", "cupy"}, optional
        Where to run; the backend in force by default.

    Returns
    -------
    scalar, or array of shape (...) for ``reduction="none"``
        In the dtype of `input1` (float32 for 16-bit ones), and so are gradients and Hessians, which come in twos: those
        in `input1` and in `input2`. On a GPU a 0-d array that stays on the device.

    Raises
    ------
    TypeError
        Not an array, arrays of two libraries, or a dtype that is not supported.
    ValueError
        Shapes differ, `margin` is not finite, an unknown reduction, or a buffer that does not fit.

    Notes
    -----
    For learning to rank from pairs. As in PyTorch, whose gradients are -t and t also where the loss is just 0, as of
    equal scores without a margin. NaN in any array gives NaN.

    References
    ----------
    Herbrich, Graepel and Obermayer, "Large Margin Rank Boundaries for Ordinal Regression", 2000,
    doi:10.7551/mitpress/1113.003.0010.

    Examples
    --------
    >>> a, b, t = np.array([1.0, 1.0]), np.array([0.0, 3.0]), np.array([1, 1])
    >>> margin_ranking_loss(a, b, t, margin=0.5, reduction="none")
    array([0. , 2.5])
    >>> margin_ranking_loss.grad(a, b, t, reduction="sum")
    (array([ 0., -1.]), array([0., 1.]))
    """
    return Terms((checks.number("margin_ranking_loss", "margin", margin),), weight=weight)
