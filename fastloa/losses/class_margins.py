"""Losses of margins between class scores, one or several of which are right."""

from fastloa_kernels.formulas import class_margins

from fastloa import checks
from fastloa.operations import Array, Parameters
from fastloa.paired_loss_operations import PairedTerms, paired_loss
from fastloa.vector_loss_operations import VectorTerms, class_loss

__all__ = [
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
]


@paired_loss(class_margins.MULTI_MARGIN_LOSS)
def multi_margin_loss(
    input: Array, target: Array, /, *, p: int = 1, margin: float = 1.0, weight: Array | None = None, axis: int = -1,
    reduction: str = "mean", sample_weight: Array | None = None, check: bool = False, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Hinge loss of many classes: how far each falls short of a margin below the right one.

    .. math:: \ell(x, y) = \frac{w_y}{C} \sum_{j \neq y} \max(0, m - x_y + x_j)^p

    Derivative in a class other than y: w z^+ p / C for p = 2, with z^+ what is raised to the power, and w / C where
    that is positive for p = 1; at y the sum of these with the other sign. At the kink 0. Hessian: for p = 2 the same
    with 2 in place of 2 z^+, but at y with the same sign; for p = 1 it is 0.

    Parameters
    ----------
    input : array, shape (..., classes) for the default `axis`, floating-point, integer or bool
        Scores x.
    target : integer array, shape (...)
        Labels y in 0..classes-1.
    p : {1, 2}, default 1
        The power of what is missing to the margin.
    margin : float, default 1.0
        The m by which the label's score is to exceed all others.
    weight : array, shape (classes,), optional
        The weight w of each class as a label; it leaves the divisor of the mean alone, as in PyTorch.
    axis : int, default -1
        The axis of the classes (PyTorch has it at 1).
    reduction : {"mean", "sum", "none"}, default "mean"
        What to do with the rows' losses.
    sample_weight : array, shape (...), optional
        Multiplies the rows' losses; the mean divides by its sum.
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
        Not an array, arrays of two libraries, a dtype that is not supported, or labels that are no integers.
    ValueError
        Shapes do not fit, a label out of range, `p` is neither 1 nor 2, `margin` is not finite, an unknown reduction,
        or a buffer that does not fit.

    Notes
    -----
    For many classes, where what is well apart is to be left alone: the gradient is 0 there, and no probabilities come
    of it. As in PyTorch; Keras' categorical_hinge has the nearest of the other classes alone, and no divisor. A row is
    computed in float64. NaN in a row makes its loss NaN, and the derivatives of the label and of the class it is in.

    References
    ----------
    Weston and Watkins, "Support Vector Machines for Multi-Class Pattern Recognition", 1999, ESANN.

    Examples
    --------
    >>> x, y = np.array([[0.25, 0.5, -1.0], [3.0, 0.0, 0.0]]), np.array([0, 0])
    >>> multi_margin_loss(x, y, reduction="none")
    array([0.41666667, 0.        ])
    >>> multi_margin_loss.grad(x, y, reduction="sum").round(6)
    array([[-0.333333,  0.333333,  0.      ],
           [ 0.      ,  0.      ,  0.      ]])
    """
    name = "multi_margin_loss"
    power = checks.integer(name, "p", p, low=1, high=2)
    return PairedTerms(
        (checks.number(name, "margin", margin),),
        class_margins.MULTI_MARGIN_LOSS_SQUARED if power == 2 else None,
        weight=weight,
        check=checks.flag(name, "check", check),
    )


@paired_loss(class_margins.MULTI_MARGIN_LOSS, several=True)
def multilabel_margin_loss(
    input: Array, target: Array, /, *, axis: int = -1, reduction: str = "mean", sample_weight: Array | None = None,
    check: bool = False, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Hinge loss of rows with any number of right classes: how far others fall short of a margin of 1 below them.

    .. math:: \ell(x, Y) = \frac{1}{C} \sum_{y \in Y} \sum_{j \notin Y} \max(0, 1 - x_y + x_j)

    Derivative: of a class that is no label 1 / C for each label that it is within the margin of, and of a label -1 / C
    for each such class; at the kink 0. Hessian: 0.

    Parameters
    ----------
    input : array, shape (..., classes) for the default `axis`, floating-point, integer or bool
        Scores x.
    target : integer array, shape (..., any) for the default `axis`
        Labels Y of each row, in 0..classes-1, up to the first -1 or the end of the row. One that stands there twice
        counts twice.
    axis : int, default -1
        The axis of the classes, and of the labels.
    reduction : {"mean", "sum", "none"}, default "mean"
        What to do with the rows' losses.
    sample_weight : array, shape (...), optional
        Multiplies the rows' losses; the mean divides by its sum.
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
        Not an array, arrays of two libraries, a dtype that is not supported, or labels that are no integers.
    ValueError
        Shapes do not fit, a label out of range, an unknown reduction, or a buffer that does not fit.

    Notes
    -----
    For rows with few right classes among many. As in PyTorch, where there must be room for as many labels as classes. A
    row without labels, or with nothing else, costs nothing, and counts in the mean. Each label takes a pass over its
    row, in float64. NaN in a row makes its loss NaN, and the derivatives of all labels and of the class it is in.

    References
    ----------
    Elisseeff and Weston, "A Kernel Method for Multi-Labelled Classification", 2001, NeurIPS.

    Examples
    --------
    >>> x, labels = np.array([[0.25, 0.5, -1.0, 2.0]]), np.array([[3, 0, -1]])
    >>> multilabel_margin_loss(x, labels)
    np.float64(0.3125)
    >>> multilabel_margin_loss.grad(x, labels)
    array([[-0.25,  0.25,  0.  ,  0.  ]])
    """
    return PairedTerms((1.0,), check=checks.flag("multilabel_margin_loss", "check", check))


@class_loss(class_margins.MULTILABEL_SOFT_MARGIN_LOSS)
def multilabel_soft_margin_loss(
    input: Array, target: Array, /, *, weight: Array | None = None, axis: int = -1, reduction: str = "mean",
    sample_weight: Array | None = None, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Cross entropy of classes that do not exclude each other, on logits: the mean over a row's classes.

    .. math:: \ell(z, t) = -\frac{1}{C} \sum_c w_c \left(t_c \log \sigma(z_c) + (1 - t_c) \log \sigma(-z_c)\right),
        \qquad \sigma(z) = \frac{1}{1 + e^{-z}}

    Derivative: w (sigma(z) - t) / C. Hessian: w sigma(z) sigma(-z) / C.

    Parameters
    ----------
    input : array, shape (..., classes) for the default `axis`, floating-point, integer or bool
        Logits z.
    target : array, shape (..., classes), floating-point, integer or bool
        Labels or probabilities t, usually in [0, 1]; taken in the dtype of `input`.
    weight : array, broadcasts to (..., classes), optional
        Multiplies the classes' losses and leaves all divisors alone, as in PyTorch.
    axis : int, default -1
        The axis of the classes.
    reduction : {"mean", "sum", "none"}, default "mean"
        What to do with the rows' losses.
    sample_weight : array, shape (...), optional
        Multiplies the rows' losses; the mean divides by its sum.
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
        Shapes do not fit, rows without classes, an unknown reduction, or a buffer that does not fit.

    Notes
    -----
    For rows with any number of right classes. `binary_cross_entropy_with_logits` of the elements, but that here losses
    and their weights are those of rows. As in PyTorch, but that no representable result is returned as 0, and that a
    logit of inf on the right side costs 0, and not NaN. A row is computed in float64. NaN in a row makes it NaN.

    References
    ----------
    Cox, "The Regression Analysis of Binary Sequences", 1958, doi:10.1111/j.2517-6161.1958.tb00292.x.

    Examples
    --------
    >>> z, t = np.array([[0.0, np.inf], [0.0, 0.0]]), np.array([[1, 1], [0, 1]])
    >>> multilabel_soft_margin_loss(z, t, reduction="none")
    array([0.34657359, 0.69314718])
    >>> multilabel_soft_margin_loss.grad(z, t, reduction="sum")
    array([[-0.25,  0.  ],
           [ 0.25, -0.25]])
    """
    record = None if weight is None else class_margins.MULTILABEL_SOFT_MARGIN_LOSS_WEIGHTED
    return VectorTerms(record=record, weight=weight, length=True)
