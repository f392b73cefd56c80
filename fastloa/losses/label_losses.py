"""Losses of labels, on logits, that follow from their cross entropy alone: they weigh mistakes in another way."""

from fastloa_kernels.formulas import label_losses

from fastloa import checks
from fastloa.operations import Array, Parameters
from fastloa.row_loss_operations import row_loss
from fastloa.row_targets import EMPTY, RowTerms

__all__ = [
    "generalized_cross_entropy",
    "poly_loss_cross_entropy",
    "softmax_focal_loss",
]


def _terms(
    name: str, parameter: float, weight: Array | None, ignore_index: int, mask: Array | None, empty: str, check: bool
) -> RowTerms:
    return RowTerms(
        weight,
        checks.integer(name, "ignore_index", ignore_index, low=-(2**63), high=2**63 - 1),
        probabilities=False,
        empty=checks.choice(name, "empty", empty, EMPTY),
        check=checks.flag(name, "check", check),
        mask=mask,
        parameters=(parameter,),
    )


@row_loss(label_losses.SOFTMAX_FOCAL_LOSS)
def softmax_focal_loss(
    input: Array, target: Array, /, *, gamma: float = 2.0, weight: Array | None = None, ignore_index: int = -100,
    reduction: str = "mean", mask: Array | None = None, axis: int = -1, sample_weight: Array | None = None,
    empty: str = "nan", check: bool = False, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Cross entropy of many classes that leaves out what is classified well, on logits (focal loss).

    .. math:: \ell(z, y) = -w_y (1 - p)^\gamma \log p, \qquad p = \frac{e^{z_y}}{\sum_j e^{z_j}}

    Derivative: w_y h' (s - 1_y), where s is the softmax of z, 1_y is 1 at y and h' = (1 - p)^gamma (1 + gamma r) with
    r = -p log(p) / (1 - p). Hessian: w_y (h' s (1 - s) + h'' (s - 1_y)^2), where h'' = (1 - p)^(gamma - 1) gamma p
    ((gamma - 1) r + 2 + log p); at many labels that are missed it is negative.

    Parameters
    ----------
    input : array, shape (..., classes) for the default `axis`, floating-point, integer or bool
        Logits z.
    target : integer array, shape (...)
        Labels y in 0..classes-1.
    gamma : float, default 2.0
        How little well classified rows count; non-negative. For 0 it is `cross_entropy`.
    weight : array, shape (classes,), optional
        The weight w of each class; the mean divides by the sum of the labels' weights, as that of `cross_entropy`.
    ignore_index : int, default -100
        Rows with this label count for nothing and have a gradient of 0; it may be one of the classes.
    reduction : {"mean", "sum", "none"}, default "mean"
        What to do with the rows' losses.
    mask : bool array, shape (...), optional
        True for rows that count, as optax's ``where``; all others are treated as those with the label to be ignored.
    axis : int, default -1
        The axis of the classes (PyTorch has it at 1).
    sample_weight : array, shape (...), optional
        The weight of each row; the mean divides by the sum of its product with the labels' weights.
    empty : {"nan", "zero", "raise"}, default "nan"
        What the mean gives where no row counts. On a GPU "raise" waits for the device.
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
        Not an array, arrays of two libraries, a dtype that is not supported, or probabilities as targets.
    ValueError
        Shapes do not fit, a label out of range, or an option out of its range.

    Notes
    -----
    For classes of which a few make most of the rows. The alpha of the paper, a number for each class, is `weight` with
    a sum; Keras' CategoricalFocalCrossentropy has 0.25 for all, and torchvision none of it. The power is taken by the
    logarithm, so no representable result is returned as 0. A relative error of 1 - p, which is rounded, is in its power
    gamma times: errors are up to 1 + gamma times those of `cross_entropy`, and where terms of the Hessian cancel, of
    the terms.

    References
    ----------
    Lin, Goyal, Girshick, He and Dollár, "Focal Loss for Dense Object Detection", 2017, doi:10.1109/ICCV.2017.324.

    Examples
    --------
    >>> z, y = np.array([[0.0, 0.0], [5.0, 0.0], [0.0, 800.0]]), np.array([0, 0, 0])
    >>> softmax_focal_loss(z, y, reduction="none")
    array([1.73286795e-01, 3.00809023e-07, 8.00000000e+02])
    >>> softmax_focal_loss.grad(z[:1], y[:1])
    array([[-0.2982868,  0.2982868]])
    """
    name = "softmax_focal_loss"
    return _terms(name, checks.number(name, "gamma", gamma, low=0.0), weight, ignore_index, mask, empty, check)


@row_loss(label_losses.POLY_LOSS_CROSS_ENTROPY)
def poly_loss_cross_entropy(
    input: Array, target: Array, /, *, epsilon: float = 2.0, weight: Array | None = None, ignore_index: int = -100,
    reduction: str = "mean", mask: Array | None = None, axis: int = -1, sample_weight: Array | None = None,
    empty: str = "nan", check: bool = False, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Cross entropy and a multiple of the probability of a mistake, on logits (Poly-1 loss).

    .. math:: \ell(z, y) = w_y \left(-\log p + \epsilon (1 - p)\right), \qquad p = \frac{e^{z_y}}{\sum_j e^{z_j}}

    Derivative: w_y (1 + epsilon p) (s - 1_y), where s is the softmax of z and 1_y is 1 at y. Hessian: w_y ((1 + epsilon
    p) s (1 - s) - epsilon p (s - 1_y)^2), which is negative for some z where epsilon is more than 1.

    Parameters
    ----------
    input : array, shape (..., classes) for the default `axis`, floating-point, integer or bool
        Logits z.
    target : integer array, shape (...)
        Labels y in 0..classes-1.
    epsilon : float, default 2.0
        The multiple; any finite number. For 0 it is `cross_entropy`, and for -1 the first term of its series in 1 - p
        is gone.
    weight : array, shape (classes,), optional
        The weight w of each class; the mean divides by the sum of the labels' weights, as that of `cross_entropy`.
    ignore_index : int, default -100
        Rows with this label count for nothing and have a gradient of 0; it may be one of the classes.
    reduction : {"mean", "sum", "none"}, default "mean"
        What to do with the rows' losses.
    mask : bool array, shape (...), optional
        True for rows that count, as optax's ``where``; all others are treated as those with the label to be ignored.
    axis : int, default -1
        The axis of the classes (PyTorch has it at 1).
    sample_weight : array, shape (...), optional
        The weight of each row; the mean divides by the sum of its product with the labels' weights.
    empty : {"nan", "zero", "raise"}, default "nan"
        What the mean gives where no row counts. On a GPU "raise" waits for the device.
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
        Not an array, arrays of two libraries, a dtype that is not supported, or probabilities as targets.
    ValueError
        Shapes do not fit, a label out of range, or an option out of its range.

    Notes
    -----
    The series of -log p in 1 - p, with a coefficient of 1 + epsilon in place of 1 in front of its first term: the one
    that matters most where rows are classified well. As in optax, whose targets are rows of probabilities; the paper's
    experiments have 2 for images, and -1 where classes are few. For a negative epsilon terms cancel, and errors are
    those of the terms. The derivative holds p twice, and up to twice the errors of that of `cross_entropy`.

    References
    ----------
    Leng et al., "PolyLoss: A Polynomial Expansion Perspective of Classification Loss Functions", 2022,
    arXiv:2204.12511.

    Examples
    --------
    >>> z, y = np.array([[0.0, 0.0], [0.0, 800.0]]), np.array([0, 0])
    >>> poly_loss_cross_entropy(z, y, reduction="none")
    array([  1.69314718, 802.        ])
    >>> poly_loss_cross_entropy.grad(z, y, reduction="sum")
    array([[-1.,  1.],
           [-1.,  1.]])
    """
    name = "poly_loss_cross_entropy"
    return _terms(name, checks.number(name, "epsilon", epsilon), weight, ignore_index, mask, empty, check)


@row_loss(label_losses.GENERALIZED_CROSS_ENTROPY)
def generalized_cross_entropy(
    input: Array, target: Array, /, *, q: float = 0.5, weight: Array | None = None, ignore_index: int = -100,
    reduction: str = "mean", mask: Array | None = None, axis: int = -1, sample_weight: Array | None = None,
    empty: str = "nan", check: bool = False, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Cross entropy that wrong labels cannot raise without bound, on logits.

    .. math:: \ell(z, y) = w_y \frac{1 - p^q}{q}, \qquad p = \frac{e^{z_y}}{\sum_j e^{z_j}}

    Derivative: w_y p^q (s - 1_y), where s is the softmax of z and 1_y is 1 at y. Hessian: w_y p^q (s (1 - s) - q (s -
    1_y)^2), which is negative for some z.

    Parameters
    ----------
    input : array, shape (..., classes) for the default `axis`, floating-point, integer or bool
        Logits z.
    target : integer array, shape (...)
        Labels y in 0..classes-1.
    q : float, default 0.5
        More than 0, near which it is nearly `cross_entropy`, to 1, where it is the absolute error 1 - p.
    weight : array, shape (classes,), optional
        The weight w of each class; the mean divides by the sum of the labels' weights, as that of `cross_entropy`.
    ignore_index : int, default -100
        Rows with this label count for nothing and have a gradient of 0; it may be one of the classes.
    reduction : {"mean", "sum", "none"}, default "mean"
        What to do with the rows' losses.
    mask : bool array, shape (...), optional
        True for rows that count, as optax's ``where``; all others are treated as those with the label to be ignored.
    axis : int, default -1
        The axis of the classes (PyTorch has it at 1).
    sample_weight : array, shape (...), optional
        The weight of each row; the mean divides by the sum of its product with the labels' weights.
    empty : {"nan", "zero", "raise"}, default "nan"
        What the mean gives where no row counts. On a GPU "raise" waits for the device.
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
        Not an array, arrays of two libraries, a dtype that is not supported, or probabilities as targets.
    ValueError
        Shapes do not fit, a label out of range, or an option out of its range.

    Notes
    -----
    For labels some of which are wrong: no row costs more than 1 / q, and one that is far off has next to no gradient.
    The paper has 0.7; the default is Keras', which takes probabilities. A p near 1 or 0 keeps its digits; errors of
    derivatives are up to twice those of `cross_entropy`.

    References
    ----------
    Zhang and Sabuncu, "Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy Labels", 2018,
    arXiv:1805.07836.

    Examples
    --------
    >>> z, y = np.array([[0.0, 0.0], [0.0, 800.0], [30.0, 0.0]]), np.array([0, 0, 0])
    >>> generalized_cross_entropy(z, y, reduction="none")
    array([5.85786438e-01, 2.00000000e+00, 9.35762297e-14])
    >>> generalized_cross_entropy.grad(z[:1], y[:1])
    array([[-0.35355339,  0.35355339]])
    """
    name = "generalized_cross_entropy"
    return _terms(
        name, checks.number(name, "q", q, low=0.0, high=1.0, low_open=True), weight, ignore_index, mask, empty, check
    )
