"""Cross entropies: losses of probabilities, of logits and of log-probabilities."""

from fastloa_kernels.formulas import losses as formulas
from fastloa_kernels.formulas import rowwise

from fastloa import checks
from fastloa.loss_operations import Terms, loss
from fastloa.operations import Array, Parameters
from fastloa.row_loss_operations import row_loss
from fastloa.row_targets import EMPTY, RowTerms
from fastloa.score_maps import score_map

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "nll_loss",
]


@loss(formulas.BINARY_CROSS_ENTROPY)
def binary_cross_entropy(
    input: Array, target: Array, /, *, weight: Array | None = None, reduction: str = "mean",
    sample_weight: Array | None = None, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Cross entropy of two classes, on probabilities.

    .. math:: \ell(p, t) = -t \log p - (1 - t) \log(1 - p)

    Derivative: (p - t) / (p (1 - p)), and its limit where p is 0 or 1. Hessian: t / p^2 + (1 - t) / (1 - p)^2.

    Parameters
    ----------
    input : array, shape (...), floating-point
        Probabilities p in [0, 1] of the class 1.
    target : array, shape (...), floating-point, integer or bool
        Probabilities or labels t in [0, 1]; taken in the dtype of `input`.
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
        Shapes differ, a number outside [0, 1] (on a GPU that gives NaN instead, since to look would be to wait), an
        unknown reduction, or a buffer that does not fit.

    Notes
    -----
    For two classes. 0 log 0 is 0 and the loss of a certain mistake is inf: nothing is clamped (PyTorch stops at 100).
    `binary_cross_entropy_with_logits` keeps more digits and is the one to learn from.

    References
    ----------
    Good, "Rational Decisions", 1952, doi:10.1111/j.2517-6161.1952.tb00104.x.

    Examples
    --------
    >>> binary_cross_entropy(np.array([0.5, 1.0]), np.array([0, 1]), reduction="none")
    array([0.69314718, 0.        ])
    """
    return Terms(weight=weight, probabilities=True)


@loss(formulas.BINARY_CROSS_ENTROPY_WITH_LOGITS)
def binary_cross_entropy_with_logits(
    input: Array, target: Array, /, *, weight: Array | None = None, reduction: str = "mean",
    pos_weight: Array | float | None = None, sample_weight: Array | None = None, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Cross entropy of two classes, on logits.

    .. math:: \ell(z, t) = -w t \log \sigma(z) - (1 - t) \log(1 - \sigma(z)), \qquad
        \sigma(z) = \frac{1}{1 + e^{-z}}

    Derivative: (1 - t) sigma(z) - w t sigma(-z). Hessian: (1 - t + w t) sigma(z) sigma(-z).

    Parameters
    ----------
    input : array, shape (...), floating-point, integer or bool
        Logits z of the class 1.
    target : array, shape (...), floating-point, integer or bool
        Probabilities or labels t, usually in [0, 1]; taken in the dtype of `input`.
    weight : array, broadcasts to (...), optional
        Multiplies the elements' losses and leaves the divisor of the mean alone, as in PyTorch.
    reduction : {"mean", "sum", "none"}, default "mean"
        What to do with the elements' losses.
    pos_weight : float, or array that broadcasts to (...), optional
        The weight w of the class 1, such as one for each column.
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
        Shapes differ, `pos_weight` is negative or not finite, an unknown reduction, or a buffer that does not fit.

    Notes
    -----
    For two classes, or many that do not exclude each other. No representable result is returned as 0; a logit of inf
    on the right side gives 0 and on the wrong side inf.

    References
    ----------
    Cox, "The Regression Analysis of Binary Sequences", 1958, doi:10.1111/j.2517-6161.1958.tb00292.x.

    Examples
    --------
    >>> binary_cross_entropy_with_logits(np.array([0.0, np.inf]), np.array([1, 1]), reduction="none")
    array([0.69314718, 0.        ])
    """
    if pos_weight is None:
        return Terms((1.0,), weight=weight)
    if hasattr(pos_weight, "shape") and pos_weight.shape:
        return Terms(operand=pos_weight, weight=weight, record=formulas.BINARY_CROSS_ENTROPY_WITH_LOGITS_ARRAY)
    return Terms((checks.number("binary_cross_entropy_with_logits", "pos_weight", pos_weight, low=0.0),), weight=weight)


@row_loss(rowwise.CROSS_ENTROPY)
def cross_entropy(
    input: Array, target: Array, /, *, weight: Array | None = None, ignore_index: int = -100, reduction: str = "mean",
    label_smoothing: float = 0.0, z_loss: float = 0.0, softcap: float | None = None, temperature: float = 1.0,
    mask: Array | None = None, axis: int = -1, sample_weight: Array | None = None, empty: str = "nan",
    check: bool = False, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Cross entropy of many classes, on logits.

    .. math:: \ell(z, t) = -\sum_c w_c t_c \log \frac{e^{z_c}}{\sum_j e^{z_j}}

    With a label y, t is 1 at y; label smoothing s makes it (1 - s) t + s / classes. Derivative: p sum(w t) - w t,
    where p is the softmax of z. Hessian: p (1 - p) sum(w t). With a `z_loss` s and L = log(sum(exp(z))) the loss has
    s L^2 more, the derivative 2 s L p, and the Hessian 2 s (p^2 + L p (1 - p)).

    Parameters
    ----------
    input : array, shape (..., classes) for the default `axis`, floating-point, integer or bool
        Logits z.
    target : integer array, shape (...), or floating-point array of the shape of `input`
        Labels in 0..classes-1, or probabilities t in [0, 1]; these are taken in the dtype of `input`.
    weight : array, shape (classes,), optional
        The weight w of each class. With labels the mean divides by the sum of the labels' weights, as in PyTorch.
    ignore_index : int, default -100
        Rows with this label count for nothing and have a gradient of 0; it may be one of the classes.
    reduction : {"mean", "sum", "none"}, default "mean"
        What to do with the rows' losses.
    label_smoothing : float, default 0.0
        The share s in [0, 1] of the target that is spread over all classes.
    z_loss : float, default 0.0
        The factor, 0 or more, of the squared logarithm that is added to each row's loss; class weights leave it alone.
    softcap : float, optional
        A bound c of the logits, positive: they become those of `softcap`, c tanh(z / c), first of all.
    temperature : float, default 1.0
        What the logits are divided by then; positive.
    mask : bool array, shape (...), optional
        True for rows that count, as optax's ``where``; all others are treated as those with the label to be ignored.
    axis : int, default -1
        The axis of the classes (PyTorch has it at 1).
    sample_weight : array, shape (...), optional
        The weight of each row; the mean divides by the sum of its product with the labels' weights.
    empty : {"nan", "zero", "raise"}, default "nan"
        What the mean of labelled rows gives where all are ignored, or none is there, and with a mask that lets
        no row count. On a GPU "raise" waits for the device.
    check : bool, default False
        On a GPU: wait for the device and raise for a label out of range, which otherwise gives NaN.
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
        Shapes do not fit, a label out of range, a probability outside [0, 1], or an option out of its range.

    Notes
    -----
    For many classes. The gradient at a label keeps its digits where its probability is nearly 1. A target of 0 at a
    logit of -inf counts for nothing (0 log 0 = 0). The z-loss keeps the logits near where their softmax needs no
    shift: PaLM has 1e-4. With a `softcap` or a `temperature` z is what they make of the input, in an array besides, and
    the derivatives are those in the input, by one more pass over them.

    References
    ----------
    Bridle, "Probabilistic Interpretation of Feedforward Classification Network Outputs", 1990,
    doi:10.1007/978-3-642-76153-9_28; Szegedy et al., "Rethinking the Inception Architecture", 2016,
    doi:10.1109/CVPR.2016.308 (label smoothing); Chowdhery et al., "PaLM: Scaling Language Modeling with
    Pathways", 2022, arXiv:2204.02311 (z-loss); Gemma Team, "Gemma 2: Improving Open Language Models at a Practical
    Size", 2024, arXiv:2408.00118 (softcap); Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network",
    2015, arXiv:1503.02531 (temperature).

    Examples
    --------
    >>> cross_entropy(np.array([[0.0, 0.0], [0.0, 800.0]]), np.array([0, 1]), reduction="none")
    array([0.69314718, 0.        ])
    >>> cross_entropy.grad(np.zeros((1, 2)), np.array([0]))
    array([[-0.5,  0.5]])
    """
    name = "cross_entropy"
    return RowTerms(
        weight,
        checks.integer(name, "ignore_index", ignore_index, low=-(2**63), high=2**63 - 1),
        checks.number(name, "label_smoothing", label_smoothing, low=0.0, high=1.0),
        empty=checks.choice(name, "empty", empty, EMPTY),
        check=checks.flag(name, "check", check),
        z_loss=checks.number(name, "z_loss", z_loss, low=0.0),
        mask=mask,
        scores=score_map(name, softcap, temperature),
    )


@row_loss(rowwise.NLL_LOSS)
def nll_loss(
    input: Array, target: Array, /, *, weight: Array | None = None, ignore_index: int = -100, reduction: str = "mean",
    axis: int = -1, sample_weight: Array | None = None, empty: str = "nan", check: bool = False,
    backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Negative log-likelihood of labels, on log-probabilities such as `log_softmax` gives.

    .. math:: \ell(x, y) = -w_y x_y

    Derivative: -w at the label, 0 elsewhere. Hessian: 0.

    Parameters
    ----------
    input : array, shape (..., classes) for the default `axis`, floating-point, integer or bool
        Log-probabilities x.
    target : integer array, shape (...)
        Labels y in 0..classes-1.
    weight : array, shape (classes,), optional
        The weight w of each class; the mean divides by the sum of the labels' weights, as in PyTorch.
    ignore_index : int, default -100
        Rows with this label count for nothing and have a gradient of 0; it may be one of the classes.
    reduction : {"mean", "sum", "none"}, default "mean"
        What to do with the rows' losses.
    axis : int, default -1
        The axis of the classes (PyTorch has it at 1).
    sample_weight : array, shape (...), optional
        The weight of each row; the mean divides by the sum of its product with the labels' weights.
    empty : {"nan", "zero", "raise"}, default "nan"
        What the mean of labelled rows gives where all are ignored, or none is there. On a GPU "raise" waits for the
        device.
    check : bool, default False
        On a GPU: wait for the device and raise for a label out of range, which otherwise gives NaN.
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
        Shapes do not fit, a label out of range, or an option out of its range.

    Notes
    -----
    `cross_entropy` on the logits does the same in one pass, and keeps more digits.

    References
    ----------
    Fisher, "On the Mathematical Foundations of Theoretical Statistics", 1922, doi:10.1098/rsta.1922.0009.

    Examples
    --------
    >>> nll_loss(np.array([[-0.5, -1.0], [-2.0, -0.25]]), np.array([0, 1]), reduction="sum")
    np.float64(0.75)
    """
    name = "nll_loss"
    return RowTerms(
        weight,
        checks.integer(name, "ignore_index", ignore_index, low=-(2**63), high=2**63 - 1),
        probabilities=False,
        empty=checks.choice(name, "empty", empty, EMPTY),
        check=checks.flag(name, "check", check),
    )
