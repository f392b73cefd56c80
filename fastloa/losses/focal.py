"""The focal loss, on logits."""

from fastloa_kernels.formulas import focal

from fastloa import checks
from fastloa.loss_operations import Terms, loss
from fastloa.operations import Array, Parameters

__all__ = [
    "sigmoid_focal_loss",
]


@loss(focal.SIGMOID_FOCAL_LOSS)
def sigmoid_focal_loss(
    input: Array, target: Array, /, *, alpha: float | None = 0.25, gamma: float = 2.0, weight: Array | None = None,
    reduction: str = "mean", sample_weight: Array | None = None, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Cross entropy of two classes that leaves out what is classified well, on logits (focal loss).

    .. math:: \ell(z, t) = a_t (1 - p_t)^\gamma \left(-t \log \sigma(z) - (1 - t) \log(1 - \sigma(z))\right), \qquad
        p_t = \sigma(z) t + (1 - \sigma(z)) (1 - t), \qquad a_t = \alpha t + (1 - \alpha) (1 - t)

    Derivative: a_t m^gamma (gamma C m' / m + C') with m = 1 - p_t, the cross entropy C, m' = (1 - 2 t) s (1 - s), C' =
    s - t and s = sigma(z). Hessian: a_t m^gamma ((gamma (gamma - 1) (m' / m)^2 + gamma m' (1 - 2 s) / m) C + 2 gamma m'
    / m C' + s (1 - s)), which is negative for many labels that are missed.

    Parameters
    ----------
    input : array, shape (...), floating-point, integer or bool
        Logits z of the class 1.
    target : array, shape (...), floating-point, integer or bool
        Probabilities or labels t in [0, 1]; taken in the dtype of `input`. What lies outside gives NaN.
    alpha : float or None, default 0.25
        The weight of the class 1, in [0, 1], where that of the class 0 is 1 - alpha. None, or any negative number as in
        torchvision, weighs both with 1.
    gamma : float, default 2.0
        How little well classified elements count; non-negative. For 0 it is `binary_cross_entropy_with_logits`,
        weighed.
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
        Shapes differ, `alpha` is greater than 1 or not finite, `gamma` is negative or not finite, an unknown reduction,
        or a buffer that does not fit.

    Notes
    -----
    For two classes of very different sizes, such as objects and background. As in torchvision, whose reduction is
    "none" by default; optax has no alpha by default, and Keras only with apply_class_balancing. The power is taken by
    the logarithm: no logit, however large, gives NaN, and no representable result is returned as 0. Where terms of the
    gradient for soft targets, or of the Hessian, cancel to less than 1/16 of one of them, errors are up to 2 units in
    the last place of that sixteenth.

    References
    ----------
    Lin, Goyal, Girshick, He and Dollár, "Focal Loss for Dense Object Detection", 2017, doi:10.1109/ICCV.2017.324.

    Examples
    --------
    >>> sigmoid_focal_loss(np.array([0.0, 5.0, 5.0]), np.array([1, 1, 0]), reduction="none")
    array([4.33216988e-02, 7.52022556e-08, 3.70494092e+00])
    >>> sigmoid_focal_loss.grad(np.array([0.0, 800.0]), np.array([1, 1]), alpha=None, reduction="sum")
    array([-0.2982868,  0.       ])
    """
    name = "sigmoid_focal_loss"
    share = -1.0 if alpha is None else checks.number(name, "alpha", alpha, high=1.0)
    share = -1.0 if share < 0.0 else share  # a small one would be 0 in float32
    return Terms((share, checks.number(name, "gamma", gamma, low=0.0)), weight=weight)
