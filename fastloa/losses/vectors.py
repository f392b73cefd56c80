"""Losses of rows of vectors, with gradients in all of them: angles and distances, as embeddings are learnt by."""

from fastloa_kernels.formulas import vectors

from fastloa import checks
from fastloa.operations import Array, Parameters
from fastloa.vector_loss_operations import VectorTerms, vector_loss

__all__ = [
    "cosine_distance",
    "cosine_embedding_loss",
    "triplet_margin_loss",
]


@vector_loss(vectors.COSINE_EMBEDDING_LOSS)
def cosine_embedding_loss(
    x1: Array, x2: Array, target: Array, /, *, margin: float = 0.0, axis: int = -1, reduction: str = "mean",
    sample_weight: Array | None = None, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Angles that are to be small for similar pairs of vectors, and beyond a margin for others.

    .. math:: \ell(a, b, t) = \begin{cases} 1 - c & t = 1 \\ \max(0, c - m) & t = -1 \end{cases}, \quad
        c = \frac{a \cdot b}{\sqrt{(a \cdot a + \epsilon)(b \cdot b + \epsilon)}}, \quad \epsilon = 10^{-12}

    Gradients: those of c, b / r - c a / (a a + eps) in a, r being the root, and likewise in b, times -1 for t = 1, and
    for t = -1 times 1 where c > m, else 0.

    Parameters
    ----------
    x1 : array, shape (..., length), floating-point, integer or bool
        Vectors a.
    x2 : array, shape (..., length), floating-point, integer or bool
        Vectors b; taken in the dtype of `x1`.
    target : array, shape (...), floating-point, integer or bool
        A label t for each row, 1 for similar pairs and -1 for others.
    margin : float, default 0.0
        The cosine m below which dissimilar pairs cost nothing.
    axis : int, default -1
        Along which the vectors lie; `target` has the other axes.
    reduction : {"mean", "sum", "none"}, default "mean"
        What to do with the rows' losses.
    sample_weight : array, shape (...), optional
        Multiplies the rows' losses; the mean divides by its sum.
    backend : {"auto", "cpu", "cuda", "cupy"}, optional
        Where to run; the backend in force by default.

    Returns
    -------
    scalar, or array of shape (...) for ``reduction="none"``
        In the dtype of `x1` (float32 for 16-bit ones), and so are the gradients, two in a tuple, in `x1` and in `x2`.
        On a GPU a 0-d array that stays on the device.

    Raises
    ------
    TypeError
        Not an array, arrays of two libraries, or a dtype that is not supported.
    ValueError
        Shapes differ or do not fit, vectors without elements, `margin` is not finite, an unknown reduction, or a buffer
        that does not fit.

    Notes
    -----
    For embeddings learnt from pairs, whatever their lengths. As in PyTorch, eps included: a vector of zeros has the
    cosine 0 with any other, and a gradient that is finite; any other label than -1 and 1 costs nothing. At c = m
    PyTorch has the gradients of the c above. Sums over a row are float64, so that of float32 vectors nothing overflows
    on the way; of float64 vectors the squares do beyond 1e154. NaN in a row, or in its target, makes it NaN, and so do
    infinities.

    References
    ----------
    Hadsell, Chopra and LeCun, "Dimensionality Reduction by Learning an Invariant Mapping", 2006,
    doi:10.1109/CVPR.2006.100.

    Examples
    --------
    >>> a, b = np.array([[1.0, 0.0], [3.0, 4.0]]), np.array([[0.0, 2.0], [4.0, 3.0]])
    >>> cosine_embedding_loss(a, b, np.array([1, -1]), reduction="none").round(6)
    array([1.  , 0.96])
    >>> grad_a, grad_b = cosine_embedding_loss.grad(a, b, np.array([1, -1]), reduction="sum")
    >>> grad_a.round(6)
    array([[ 0.    , -1.    ],
           [ 0.0448, -0.0336]])
    """
    return VectorTerms((checks.number("cosine_embedding_loss", "margin", margin),))


@vector_loss(vectors.COSINE_DISTANCE)
def cosine_distance(
    x1: Array, x2: Array, /, *, eps: float = 1e-8, axis: int = -1, reduction: str = "mean",
    sample_weight: Array | None = None, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""One minus the cosine of the angle between two vectors.

    .. math:: \ell(a, b) = 1 - \frac{a \cdot b}{\max(\|a\|, \epsilon) \max(\|b\|, \epsilon)}

    Gradients: c a / (|a|' |a|) - b / (|a|' |b|') in a, where c is the quotient and |a|' the greater of |a| and eps, and
    likewise in b. Of a vector of zeros the first term is 0.

    Parameters
    ----------
    x1 : array, shape (..., length), floating-point, integer or bool
        Vectors a.
    x2 : array, shape (..., length), floating-point, integer or bool
        Vectors b; taken in the dtype of `x1`.
    eps : float, default 1e-8
        The least length, which shorter ones are raised to; positive.
    axis : int, default -1
        Along which the vectors lie.
    reduction : {"mean", "sum", "none"}, default "mean"
        What to do with the rows' losses.
    sample_weight : array, shape (...), optional
        Multiplies the rows' losses; the mean divides by its sum.
    backend : {"auto", "cpu", "cuda", "cupy"}, optional
        Where to run; the backend in force by default.

    Returns
    -------
    scalar, or array of shape (...) for ``reduction="none"``
        In the dtype of `x1` (float32 for 16-bit ones), and so are the gradients, two in a tuple, in `x1` and in `x2`.
        On a GPU a 0-d array that stays on the device.

    Raises
    ------
    TypeError
        Not an array, arrays of two libraries, or a dtype that is not supported.
    ValueError
        Shapes differ, vectors without elements, `eps` is not positive and finite, an unknown reduction, or a buffer
        that does not fit.

    Notes
    -----
    For directions, such as those of embeddings. One minus PyTorch's cosine_similarity, where raising a length to eps is
    no part of the derivative either; a vector of zeros has the distance 1 from any other. optax's function of this name
    has eps 0, and NaN there. Sums over a row are float64, so that of float32 vectors nothing overflows on the way; of
    float64 vectors the squares do beyond 1e154. NaN in a row makes it NaN, and so do infinities.

    References
    ----------
    Salton, Wong and Yang, "A Vector Space Model for Automatic Indexing", 1975, doi:10.1145/361219.361220.

    Examples
    --------
    >>> a, b = np.array([[1.0, 0.0], [3.0, 4.0]]), np.array([[0.0, 2.0], [4.0, 3.0]])
    >>> cosine_distance(a, b, reduction="none").round(6)
    array([1.  , 0.04])
    >>> grad_a, grad_b = cosine_distance.grad(a, b, reduction="sum")
    >>> grad_a.round(6)
    array([[ 0.    , -1.    ],
           [-0.0448,  0.0336]])
    """
    return VectorTerms((checks.number("cosine_distance", "eps", eps, low=0.0, low_open=True),))


@vector_loss(vectors.TRIPLET_MARGIN_LOSS)
def triplet_margin_loss(
    anchor: Array, positive: Array, negative: Array, /, *, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6,
    swap: bool = False, axis: int = -1, reduction: str = "mean", sample_weight: Array | None = None,
    backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Distances from an anchor, of which that to the positive is to be the smaller by a margin.

    .. math:: \ell(a, b, c) = \max(0, d(a, b) - d(a, c) + m), \quad d(x, y) = \|x - y + \epsilon\|_p

    Gradients: with u the derivative of d(a, b) in a, sign(x) (abs(x) / d)^(p - 1) of each element x of a - b + eps, and
    v that of d(a, c), u - v in a, -u in b and v in c; 0 where the loss is 0, and u, or v, where its distance is.

    Parameters
    ----------
    anchor : array, shape (..., length), floating-point, integer or bool
        Vectors a.
    positive : array, shape (..., length), floating-point, integer or bool
        Vectors b like the anchors; taken in the dtype of `anchor`.
    negative : array, shape (..., length), floating-point, integer or bool
        Vectors c unlike the anchors; taken in the dtype of `anchor`.
    margin : float, default 1.0
        The m by which the one distance is to be smaller than the other; positive.
    p : float, default 2.0
        Of the norm; positive.
    eps : float, default 1e-6
        What is added to each difference.
    swap : bool, default False
        Whether d(b, c) takes the place of d(a, c) where it is the smaller.
    axis : int, default -1
        Along which the vectors lie.
    reduction : {"mean", "sum", "none"}, default "mean"
        What to do with the rows' losses.
    sample_weight : array, shape (...), optional
        Multiplies the rows' losses; the mean divides by its sum.
    backend : {"auto", "cpu", "cuda", "cupy"}, optional
        Where to run; the backend in force by default.

    Returns
    -------
    scalar, or array of shape (...) for ``reduction="none"``
        In the dtype of `anchor` (float32 for 16-bit ones), and so are the gradients, three in a tuple, in the order of
        the arguments. On a GPU a 0-d array that stays on the device.

    Raises
    ------
    TypeError
        Not an array, arrays of two libraries, a dtype that is not supported, or a `swap` that is no truth value.
    ValueError
        Shapes differ, vectors without elements, `margin` or `p` is not positive and finite, `eps` is not finite, an
        unknown reduction, or a buffer that does not fit.

    Notes
    -----
    For embeddings learnt from triplets. As in PyTorch, whose gradients are not 0 also where the loss is just 0, and who
    shares the gradient where both distances of a swap are equal: here it goes to d(a, c). Norms other than p = 2 cost
    two powers an element more. Sums over a row are float64, so that of float32 vectors nothing overflows on the way for
    p = 2; of float64 vectors the squares do beyond 1e154, and in general powers beyond 1e308. NaN in a row makes it
    NaN, and so do infinities.

    References
    ----------
    Balntas, Riba, Ponsa and Mikolajczyk, "Learning Local Feature Descriptors with Triplets and Shallow Convolutional
    Neural Networks", 2016, doi:10.5244/C.30.119.

    Examples
    --------
    >>> a, b, c = np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]]), np.array([[0.0, 2.0]])
    >>> triplet_margin_loss(a, b, c, eps=0.0)
    np.float64(4.0)
    >>> triplet_margin_loss.grad(a, b, c, eps=0.0)
    (array([[-0.6,  0.2]]), array([[0.6, 0.8]]), array([[ 0., -1.]]))
    """
    name = "triplet_margin_loss"
    m = checks.number(name, "margin", margin, low=0.0, low_open=True)
    norm = checks.number(name, "p", p, low=0.0, low_open=True)
    small, swapped = checks.number(name, "eps", eps), checks.flag(name, "swap", swap)
    if norm != 2.0:
        return VectorTerms((m, small, norm, float(swapped)), vectors.TRIPLET_MARGIN_LOSS_NORM)
    return VectorTerms((m, small), vectors.TRIPLET_MARGIN_LOSS_SWAP if swapped else None)
