"""Losses of margins t z, for two classes -1 and 1."""

from fastloa_kernels.formulas import margins

from fastloa import checks
from fastloa.loss_operations import Terms, loss
from fastloa.operations import Array, Parameters

__all__ = [
    "exponential_loss",
    "hinge_embedding_loss",
    "hinge_loss",
    "modified_huber_loss",
    "soft_margin_loss",
    "squared_hinge_loss",
]


@loss(margins.HINGE_LOSS)
def hinge_loss(
    input: Array, target: Array, /, *, weight: Array | None = None, reduction: str = "mean",
    sample_weight: Array | None = None, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""What a margin lacks to 1 (support vector machines).

    .. math:: \ell(z, t) = \max(0, 1 - t z)

    Derivative: -t where t z < 1, else 0; at t z = 1 it is 0. Hessian: 0.

    Parameters
    ----------
    input : array, shape (...), floating-point, integer or bool
        Scores z; their sign is the class.
    target : array, shape (...), floating-point, integer or bool
        Labels t, -1 or 1; any other number is taken as it is. In the dtype of `input`.
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
    For two classes. Keras turns labels 0 into -1, fastloa does not; scikit-learn has the derivative -t at t z = 1. NaN
    in either array gives NaN.

    References
    ----------
    Cortes and Vapnik, "Support-Vector Networks", 1995, doi:10.1007/BF00994018.

    Examples
    --------
    >>> hinge_loss(np.array([0.5, 2.0]), np.array([1, -1]))
    np.float64(1.75)
    >>> hinge_loss.grad(np.array([0.5, 2.0]), np.array([1, -1]), reduction="sum")
    array([-1.,  1.])
    """
    return Terms(weight=weight)


@loss(margins.SQUARED_HINGE_LOSS)
def squared_hinge_loss(
    input: Array, target: Array, /, *, weight: Array | None = None, reduction: str = "mean",
    sample_weight: Array | None = None, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Square of what a margin lacks to 1.

    .. math:: \ell(z, t) = \max(0, 1 - t z)^2

    Derivative: -2 t (1 - t z) where t z < 1, else 0. Hessian: 2 t^2 where t z < 1, else 0; at t z = 1 it is 0.

    Parameters
    ----------
    input : array, shape (...), floating-point, integer or bool
        Scores z; their sign is the class.
    target : array, shape (...), floating-point, integer or bool
        Labels t, -1 or 1; any other number is taken as it is. In the dtype of `input`.
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
    For two classes, smoothly where `hinge_loss` has a kink. Keras turns labels 0 into -1, fastloa does not. NaN in
    either array gives NaN.

    References
    ----------
    Chang, Hsieh and Lin, "Coordinate Descent Method for Large-scale L2-loss Linear Support Vector Machines", Journal of
    Machine Learning Research 9, 2008.

    Examples
    --------
    >>> squared_hinge_loss(np.array([0.5, 2.0]), np.array([1, -1]), reduction="none")
    array([0.25, 9.  ])
    >>> squared_hinge_loss.grad(np.array([0.5, 2.0]), np.array([1, -1]), reduction="sum")
    array([-1.,  6.])
    """
    return Terms(weight=weight)


@loss(margins.MODIFIED_HUBER_LOSS)
def modified_huber_loss(
    input: Array, target: Array, /, *, weight: Array | None = None, reduction: str = "mean",
    sample_weight: Array | None = None, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Squared hinge that goes on as a straight line (modified Huber).

    .. math:: \ell(z, t) = \begin{cases} \max(0, 1 - t z)^2 & t z \ge -1 \\ -4 t z & \text{else} \end{cases}

    Derivative: 0 where t z >= 1, -2 t (1 - t z) where -1 <= t z < 1, else -4 t. Hessian: 2 t^2 where -1 <= t z < 1,
    else 0.

    Parameters
    ----------
    input : array, shape (...), floating-point, integer or bool
        Scores z; their sign is the class.
    target : array, shape (...), floating-point, integer or bool
        Labels t, -1 or 1; any other number is taken as it is. In the dtype of `input`.
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
    For two classes with outliers: wrong labels pull no more than 4. As in scikit-learn's SGD. NaN in either array gives
    NaN.

    References
    ----------
    Zhang, "Solving Large Scale Linear Prediction Problems Using Stochastic Gradient Descent Algorithms", 2004,
    doi:10.1145/1015330.1015332.

    Examples
    --------
    >>> modified_huber_loss(np.array([0.5, 2.0]), np.array([1, -1]), reduction="none")
    array([0.25, 8.  ])
    >>> modified_huber_loss.grad(np.array([0.5, 2.0]), np.array([1, -1]), reduction="sum")
    array([-1.,  4.])
    """
    return Terms(weight=weight)


@loss(margins.EXPONENTIAL_LOSS)
def exponential_loss(
    input: Array, target: Array, /, *, weight: Array | None = None, reduction: str = "mean",
    sample_weight: Array | None = None, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Exponential of the margin's negative (AdaBoost).

    .. math:: \ell(z, t) = e^{-t z}

    Derivative: -t exp(-t z). Hessian: t^2 exp(-t z).

    Parameters
    ----------
    input : array, shape (...), floating-point, integer or bool
        Scores z; their sign is the class.
    target : array, shape (...), floating-point, integer or bool
        Labels t, -1 or 1; any other number is taken as it is. In the dtype of `input`.
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
    For two classes, and boosting; wrong labels pull without bound. scikit-learn's takes labels 0 and 1 instead. NaN in
    either array gives NaN.

    References
    ----------
    Freund and Schapire, "A Decision-Theoretic Generalization of On-Line Learning and an Application to Boosting", 1997,
    doi:10.1006/jcss.1997.1504; Friedman, Hastie and Tibshirani, "Additive Logistic Regression: A Statistical View of
    Boosting", 2000, doi:10.1214/aos/1016218223.

    Examples
    --------
    >>> exponential_loss(np.array([0.0, np.inf]), np.array([1, 1]), reduction="none")
    array([1., 0.])
    >>> exponential_loss.grad(np.array([0.0, 0.0]), np.array([1, -1]), reduction="sum")
    array([-1.,  1.])
    """
    return Terms(weight=weight)


@loss(margins.SOFT_MARGIN_LOSS)
def soft_margin_loss(
    input: Array, target: Array, /, *, weight: Array | None = None, reduction: str = "mean",
    sample_weight: Array | None = None, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Logistic loss of a margin.

    .. math:: \ell(z, t) = \log(1 + e^{-t z})

    Derivative: -t s, where s is sigma(-t z) and sigma(z) = 1 / (1 + exp(-z)). Hessian: t^2 s (1 - s).

    Parameters
    ----------
    input : array, shape (...), floating-point, integer or bool
        Scores z; their sign is the class.
    target : array, shape (...), floating-point, integer or bool
        Labels t, -1 or 1; any other number is taken as it is. In the dtype of `input`.
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
    For two classes. As in PyTorch; equals `binary_cross_entropy_with_logits` for labels 0 and 1 written as -1 and 1. No
    representable result is returned as 0. NaN in either array gives NaN.

    References
    ----------
    Friedman, Hastie and Tibshirani, "Additive Logistic Regression: A Statistical View of Boosting", 2000,
    doi:10.1214/aos/1016218223.

    Examples
    --------
    >>> soft_margin_loss(np.array([0.0, np.inf]), np.array([1, 1]), reduction="none")
    array([0.69314718, 0.        ])
    >>> soft_margin_loss.grad(np.array([0.0, 0.0]), np.array([1, -1]), reduction="sum")
    array([-0.5,  0.5])
    """
    return Terms(weight=weight)


@loss(margins.HINGE_EMBEDDING_LOSS)
def hinge_embedding_loss(
    input: Array, target: Array, /, *, margin: float = 1.0, weight: Array | None = None, reduction: str = "mean",
    sample_weight: Array | None = None, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Distances that are to be small for similar pairs, and beyond a margin for others.

    .. math:: \ell(x, t) = \begin{cases} x & t = 1 \\ \max(0, m - x) & t = -1 \end{cases}

    Derivative: 1 for t = 1; -1 where x < m and else 0 for t = -1; at x = m it is 0. Hessian: 0.

    Parameters
    ----------
    input : array, shape (...), floating-point, integer or bool
        Distances x.
    target : array, shape (...), floating-point, integer or bool
        Labels t, 1 for similar pairs and -1 for others; taken in the dtype of `input`.
    margin : float, default 1.0
        The m from which on dissimilar pairs cost nothing.
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
        Shapes differ, `margin` is not finite, an unknown reduction, or a buffer that does not fit.

    Notes
    -----
    For embeddings learnt from pairs, with x a distance. Any other label than -1 and 1 gives the sum of both cases,
    max(x, m), as in PyTorch, with the derivative 0 where x < m and else 1. At x = m PyTorch has the derivatives of the
    x below. NaN in either array gives NaN.

    References
    ----------
    Hadsell, Chopra and LeCun, "Dimensionality Reduction by Learning an Invariant Mapping", 2006,
    doi:10.1109/CVPR.2006.100.

    Examples
    --------
    >>> hinge_embedding_loss(np.array([0.5, 0.25, 2.0]), np.array([1, -1, -1]), reduction="none")
    array([0.5 , 0.75, 0.  ])
    >>> hinge_embedding_loss.grad(np.array([0.5, 0.25, 2.0]), np.array([1, -1, -1]), reduction="sum")
    array([ 1., -1.,  0.])
    """
    return Terms((checks.number("hinge_embedding_loss", "margin", margin),), weight=weight)
