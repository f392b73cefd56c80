"""Losses of how rows of probabilities overlap with their targets, as segmentations are learnt by."""

from fastloa_kernels.formulas import vectors

from fastloa import checks
from fastloa.operations import Array, Parameters
from fastloa.vector_loss_operations import VectorTerms, overlap_loss

__all__ = [
    "dice_loss",
    "jaccard_loss",
    "tversky_loss",
]


@overlap_loss(vectors.TVERSKY_LOSS)
def dice_loss(
    input: Array, target: Array, /, *, smooth: float = 1.0, axis: int = -1, reduction: str = "mean",
    sample_weight: Array | None = None, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""One minus the Dice coefficient, twice the overlap over the sum of both sizes.

    .. math:: \ell(p, t) = 1 - \frac{2 \sum p t + s}{\sum p + \sum t + s}

    Derivative in an element: ((2 I + s) / N - 2 t) / N, with I the sum of p t and N the denominator.

    Parameters
    ----------
    input : array, shape (..., length), floating-point, integer or bool
        Probabilities p in [0, 1].
    target : array, shape (..., length), floating-point, integer or bool
        Labels or probabilities t in [0, 1]; taken in the dtype of `input`.
    smooth : float, default 1.0
        What is added to numerator and denominator; not negative.
    axis : int, default -1
        Along which the rows lie.
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
        Shapes differ, rows without elements, a number outside [0, 1] (on a GPU that gives NaN instead, since to look
        would be to wait), `smooth` is negative or not finite, an unknown reduction, or a buffer that does not fit.

    Notes
    -----
    For segmentation where few elements belong to the class. A row is what overlaps is counted over: a class of an
    image, say, flattened. As in Keras, whose smoothing is 1e-7 and whose sums go over all but one axis; `tversky_loss`
    with weights of 1/2 and half the smoothing. Where both are 0 everywhere the loss is 0, also without smoothing, and
    so is the derivative then. The loss is not taken from 1, so that a small one keeps its digits. NaN in a row makes it
    NaN.

    References
    ----------
    Milletari, Navab and Ahmadi, "V-Net: Fully Convolutional Neural Networks for Volumetric Medical Image Segmentation",
    2016, doi:10.1109/3DV.2016.79.

    Examples
    --------
    >>> p, t = np.array([[0.5, 1.0, 0.0]]), np.array([[1, 1, 0]])
    >>> dice_loss(p, t, smooth=0.0).round(6)
    np.float64(0.142857)
    >>> dice_loss.grad(p, t, smooth=0.5)
    array([[-0.28125, -0.28125,  0.21875]])
    """
    half = 0.5 * checks.number("dice_loss", "smooth", smooth, low=0.0)
    return VectorTerms((0.5, 0.5, half), probabilities=True)


@overlap_loss(vectors.TVERSKY_LOSS)
def jaccard_loss(
    input: Array, target: Array, /, *, smooth: float = 1.0, axis: int = -1, reduction: str = "mean",
    sample_weight: Array | None = None, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""One minus the Jaccard index, the overlap over the union.

    .. math:: \ell(p, t) = 1 - \frac{\sum p t + s}{\sum p + \sum t - \sum p t + s}

    Derivative in an element: ((1 - t) (I + s) / U - t) / U, with I the sum of p t and U the denominator.

    Parameters
    ----------
    input : array, shape (..., length), floating-point, integer or bool
        Probabilities p in [0, 1].
    target : array, shape (..., length), floating-point, integer or bool
        Labels or probabilities t in [0, 1]; taken in the dtype of `input`.
    smooth : float, default 1.0
        What is added to numerator and denominator; not negative.
    axis : int, default -1
        Along which the rows lie.
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
        Shapes differ, rows without elements, a number outside [0, 1] (on a GPU that gives NaN instead, since to look
        would be to wait), `smooth` is negative or not finite, an unknown reduction, or a buffer that does not fit.

    Notes
    -----
    For segmentation, where intersection over union is what counts in the end. A row is what overlaps is counted over: a
    class of an image, say, flattened. The same as `tversky_loss` with weights of 1. Where both are 0 everywhere the
    loss is 0, also without smoothing, and so is the derivative then. The loss is not taken from 1, so that a small one
    keeps its digits. NaN in a row makes it NaN.

    References
    ----------
    Rahman and Wang, "Optimizing Intersection-Over-Union in Deep Neural Networks for Image Segmentation", 2016,
    doi:10.1007/978-3-319-50835-1_22.

    Examples
    --------
    >>> p, t = np.array([[0.5, 1.0, 0.0]]), np.array([[1, 1, 0]])
    >>> jaccard_loss(p, t, smooth=0.0)
    np.float64(0.25)
    >>> jaccard_loss.grad(p, t, smooth=0.0)
    array([[-0.5  , -0.5  ,  0.375]])
    """
    return VectorTerms((1.0, 1.0, checks.number("jaccard_loss", "smooth", smooth, low=0.0)), probabilities=True)


@overlap_loss(vectors.TVERSKY_LOSS)
def tversky_loss(
    input: Array, target: Array, /, *, alpha: float = 0.5, beta: float = 0.5, smooth: float = 1.0,
    axis: int = -1, reduction: str = "mean",
    sample_weight: Array | None = None, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""One minus the Tversky index, which weighs false positives and false negatives.

    .. math:: \ell(p, t) = 1 - \frac{I + s}{I + \alpha F + \beta M + s}, \quad
        I = \sum p t, \; F = \sum p (1 - t), \; M = \sum t (1 - p)

    Derivative in an element: ((alpha (1 - t) - beta t) (I + s) - (alpha F + beta M) t) / N^2, with N the denominator.

    Parameters
    ----------
    input : array, shape (..., length), floating-point, integer or bool
        Probabilities p in [0, 1].
    target : array, shape (..., length), floating-point, integer or bool
        Labels or probabilities t in [0, 1]; taken in the dtype of `input`.
    alpha : float, default 0.5
        Weight of false positives; not negative.
    beta : float, default 0.5
        Weight of false negatives; not negative.
    smooth : float, default 1.0
        What is added to numerator and denominator; not negative.
    axis : int, default -1
        Along which the rows lie.
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
        Shapes differ, rows without elements, a number outside [0, 1] (on a GPU that gives NaN instead, since to look
        would be to wait), `alpha`, `beta` or `smooth` is negative or not finite, an unknown reduction, or a buffer that
        does not fit.

    Notes
    -----
    For segmentation where misses cost more than false alarms, or less. A row is what overlaps is counted over: a class
    of an image, say, flattened. As in Keras, whose smoothing is 1e-7 and whose sums go over all but one axis. Where
    both are 0 everywhere the loss is 0, also without smoothing, and so is the derivative then. The loss is not taken
    from 1, so that a small one keeps its digits. NaN in a row makes it NaN.

    References
    ----------
    Salehi, Erdogmus and Gholipour, "Tversky Loss Function for Image Segmentation Using 3D Fully Convolutional Deep
    Networks", 2017, doi:10.1007/978-3-319-67389-9_44.

    Examples
    --------
    >>> p, t = np.array([[0.5, 1.0, 0.0]]), np.array([[1, 1, 0]])
    >>> tversky_loss(p, t, alpha=0.25, beta=1.0, smooth=0.0)
    np.float64(0.25)
    >>> tversky_loss.grad(p, t, alpha=0.0, beta=1.0, smooth=0.0)
    array([[-0.5, -0.5,  0. ]])
    """
    name = "tversky_loss"
    weights = checks.number(name, "alpha", alpha, low=0.0), checks.number(name, "beta", beta, low=0.0)
    return VectorTerms((*weights, checks.number(name, "smooth", smooth, low=0.0)), probabilities=True)
