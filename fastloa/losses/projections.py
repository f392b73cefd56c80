"""Losses of class scores through their projection onto the simplex."""

from fastloa_kernels.formulas import projections

from fastloa import checks
from fastloa.operations import Array, Parameters
from fastloa.row_loss_operations import row_loss
from fastloa.row_targets import EMPTY, RowTerms

__all__ = [
    "sparsemax_loss",
]


@row_loss(projections.SPARSEMAX_LOSS)
def sparsemax_loss(
    input: Array, target: Array, /, *, ignore_index: int = -100, reduction: str = "mean", mask: Array | None = None,
    axis: int = -1, sample_weight: Array | None = None, empty: str = "nan", check: bool = False,
    backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Loss of many classes whose gradient is that of `sparsemax`, as cross entropy's is that of softmax.

    .. math:: \ell(z, t) = \frac{1}{2} \lVert p - t \rVert^2 + \sum_c t_c \max(\tau - z_c, 0), \qquad
        p_c = \max(z_c - \tau, 0)

    where p is the sparsemax of z, and tau its threshold; with a label y, t is 1 at y, and the loss the paper's,
    -z_y + sum(z_c^2 - tau^2) / 2 + 1/2 over the classes with p > 0. Derivative: p - t. Hessian: 1 - 1/k for the k
    classes with p > 0, and 0 for all others; where a score lies on the threshold, and the derivative has a kink, it is
    taken for one of the others.

    Parameters
    ----------
    input : array, shape (..., classes) for the default `axis`, floating-point, integer or bool
        Scores z.
    target : integer array, shape (...), or floating-point array of the shape of `input`
        Labels in 0..classes-1, or probabilities t in [0, 1] that sum to 1; these are taken in the dtype of `input`.
    ignore_index : int, default -100
        Rows with this label count for nothing and have a gradient of 0; it may be one of the classes.
    reduction : {"mean", "sum", "none"}, default "mean"
        What to do with the rows' losses.
    mask : bool array, shape (...), optional
        True for rows that count; all others are treated as those with the label to be ignored.
    axis : int, default -1
        The axis of the classes.
    sample_weight : array, shape (...), optional
        The weight of each row; the mean divides by its sum.
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
    For classes most of which should have no probability at all. The loss is 0 once the score of the label is 1 above
    all others: it has a margin, as hinge losses have. Written as above no two terms cancel, so that small losses and
    gradients keep their digits; it does not change when a number is added to all scores, also where the probabilities
    sum to 1 but for their rounding. That they do is not checked. On a GPU a probability outside [0, 1] gives NaN.

    References
    ----------
    Martins and Astudillo, "From Softmax to Sparsemax: A Sparse Model of Attention and Multi-Label Classification",
    2016, arXiv:1602.02068; Blondel, Martins and Niculae, "Learning with Fenchel-Young Losses", 2020,
    arXiv:1901.02324 (probabilities as targets).

    Examples
    --------
    >>> sparsemax_loss(np.array([[0.0, 0.5, 1.0], [0.0, 1.0, 3.0]]), np.array([0, 2]), reduction="none")
    array([1.0625, 0.    ])
    >>> sparsemax_loss.grad(np.array([[0.0, 0.5, 1.0]]), np.array([0]))
    array([[-1.  ,  0.25,  0.75]])
    """
    name = "sparsemax_loss"
    return RowTerms(
        None,
        checks.integer(name, "ignore_index", ignore_index, low=-(2**63), high=2**63 - 1),
        empty=checks.choice(name, "empty", empty, EMPTY),
        check=checks.flag(name, "check", check),
        mask=mask,
    )
