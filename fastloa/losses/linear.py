"""Losses of class scores that a linear layer gives, without holding the scores of all rows."""

from fastloa import checks
from fastloa.linear_loss_operations import LinearTerms, linear_loss
from fastloa.losses.cross_entropies import cross_entropy
from fastloa.operations import Array, Parameters
from fastloa.row_targets import EMPTY, RowTerms
from fastloa.score_maps import score_map

__all__ = ["linear_cross_entropy"]


@linear_loss(cross_entropy)
def linear_cross_entropy(
    input: Array, linear_weight: Array, target: Array, /, *, linear_bias: Array | None = None,
    weight: Array | None = None, ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0,
    z_loss: float = 0.0, softcap: float | None = None, temperature: float = 1.0, mask: Array | None = None,
    sample_weight: Array | None = None, batch_chunk_size: int | None = None, empty: str = "nan", check: bool = False,
    backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Cross entropy of the logits of a linear layer, of which only a few rows are held at a time.

    .. math:: \ell(x, W, b, t) = -\sum_c w_c t_c \log \frac{e^{z_c}}{\sum_j e^{z_j}}, \quad z = W x + b

    Derivative: with d = p sum(w t) - w t, that of `cross_entropy` with respect to z, the gradients are d W with respect
    to x, the rows' sum of d x with respect to W, and their sum of d with respect to b.

    Parameters
    ----------
    input : array, shape (..., features), floating-point, integer or bool
        What goes into the layer, x.
    linear_weight : array, shape (classes, features)
        The layer's weights W, of the dtype of `input`.
    target : integer array, shape (...), or floating-point array, shape (..., classes)
        Labels in 0..classes-1, or probabilities t in [0, 1].
    linear_bias : array, shape (classes,), optional
        The layer's bias b, of the dtype of `input`; none by default.
    weight : array, shape (classes,), optional
        The weight w of each class. With labels the mean divides by the sum of the labels' weights, as in PyTorch.
    ignore_index : int, default -100
        Rows with this label count for nothing and have a gradient of 0; it may be one of the classes.
    reduction : {"mean", "sum", "none"}, default "mean"
        What to do with the rows' losses.
    label_smoothing : float, default 0.0
        The share in [0, 1] of the target that is spread over all classes.
    z_loss : float, default 0.0
        The factor, 0 or more, of log(sum(exp(z)))^2, which is added to each row's loss; class weights leave it alone.
    softcap : float, optional
        A bound c of the logits, positive: they become those of `softcap`, c tanh(z / c), first of all.
    temperature : float, default 1.0
        What the logits are divided by then; positive.
    mask : bool array, shape (...), optional
        True for rows that count, as optax's ``where``; all others are treated as those with the label to be ignored.
    sample_weight : array, shape (...), optional
        The weight of each row; the mean divides by the sum of its product with the labels' weights.
    batch_chunk_size : int, optional
        How many rows to take at a time; by default as many as have 8,388,608 logits, and at least one.
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
        In the dtype of `input` (float32 for 16-bit ones). ``grad`` gives a tuple of the gradients with respect to
        `input`, `linear_weight` and, where it is given, `linear_bias`; ``value_and_grad`` the value and that tuple.

    Raises
    ------
    TypeError
        Not an array, arrays of two libraries, or a dtype that is not supported or not that of `input`.
    ValueError
        Shapes do not fit, a label out of range, a probability outside [0, 1], or an option out of its range.

    Notes
    -----
    For many classes, as in language models. It takes the memory of its arguments, of the gradients, and of two chunks
    of logits, or three with a `softcap` or a `temperature`: `cross_entropy` would hold all logits and their gradient.
    The products are the library's own (``numpy.matmul``, ``cupy.matmul``), in float32 for 16-bit arrays, and so are
    their rounding errors. The results depend in their last digits on the size of the chunks, and on nothing else of the
    calls before. There is no Hessian.

    An ignored row adds 0 times its input, which is NaN where that is infinite or NaN, as in PyTorch.

    References
    ----------
    Wijmans et al., "Cut Your Losses in Large-Vocabulary Language Models", 2024, arXiv:2411.09009; Hsu et al., "Liger
    Kernel: Efficient Triton Kernels for LLM Training", 2024, arXiv:2410.10989.

    Examples
    --------
    >>> x, W, labels = np.array([[1.0], [2.0]]), np.array([[0.0], [0.0]]), np.array([0, 1])
    >>> value, (x_grad, W_grad) = linear_cross_entropy.value_and_grad(x, W, labels)
    >>> W_grad
    array([[ 0.25],
           [-0.25]])
    """
    name = "linear_cross_entropy"
    chunk = batch_chunk_size
    return LinearTerms(
        RowTerms(
            weight,
            checks.integer(name, "ignore_index", ignore_index, low=-(2**63), high=2**63 - 1),
            checks.number(name, "label_smoothing", label_smoothing, low=0.0, high=1.0),
            empty=checks.choice(name, "empty", empty, EMPTY),
            check=checks.flag(name, "check", check),
            z_loss=checks.number(name, "z_loss", z_loss, low=0.0),
            mask=mask,
            scores=score_map(name, softcap, temperature),
        ),
        linear_bias,
        None if chunk is None else checks.integer(name, "batch_chunk_size", chunk, low=1),
    )
