"""Losses, each with its gradient and Hessian.

Every one is called with predictions and targets and gives the value; its methods take the same arguments:
``grad`` gives the gradient with respect to the first argument, ``value_and_grad`` both in one pass over memory, and
``grad_and_hess`` the gradient and the diagonal of the Hessian. All take

- ``reduction``: ``"mean"``, ``"sum"`` or ``"none"``; gradient and Hessian are those of the reduced loss, and of the sum
  for ``"none"``;
- ``sample_weight``: a weight for each sample, which the mean divides by: sum(w l) / sum(w). For losses of single
  elements it has the input's shape, or 1 in place of some of its numbers: ``w[:, None]`` weighs rows;
- ``backend``: where to run;
- ``out``, ``grad_out``, ``hess_out``: arrays to write to, of the shape and dtype of the result they are for.

Values and gradients have the dtype of the first argument, but the value of a 16-bit loss is float32.
"""

from fastloa_kernels.formulas import losses as formulas
from fastloa_kernels.formulas import rowwise

from fastloa import checks
from fastloa.loss_operations import Terms, loss
from fastloa.operations import Array, Parameters
from fastloa.row_loss_operations import EMPTY, RowTerms, row_loss

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "l1_loss",
    "mse_loss",
    "nll_loss",
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
    label_smoothing: float = 0.0, axis: int = -1, sample_weight: Array | None = None, empty: str = "nan",
    check: bool = False, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Cross entropy of many classes, on logits.

    .. math:: \ell(z, t) = -\sum_c w_c t_c \log \frac{e^{z_c}}{\sum_j e^{z_j}}

    With a label y, t is 1 at y; label smoothing s makes it (1 - s) t + s / classes. Derivative: p sum(w t) - w t,
    where p is the softmax of z. Hessian: p (1 - p) sum(w t).

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
        Shapes do not fit, a label out of range, a probability outside [0, 1], or an option out of its range.

    Notes
    -----
    For many classes. The gradient at a label keeps its digits where its probability is nearly 1. A target of 0 at a
    logit of -inf counts for nothing (0 log 0 = 0).

    References
    ----------
    Bridle, "Probabilistic Interpretation of Feedforward Classification Network Outputs", 1990,
    doi:10.1007/978-3-642-76153-9_28; Szegedy et al., "Rethinking the Inception Architecture", 2016,
    doi:10.1109/CVPR.2016.308 (label smoothing).

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
