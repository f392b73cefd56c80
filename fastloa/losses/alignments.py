"""Losses of sequences of frames against shorter ones of labels, whose alignment nobody has given."""

from collections.abc import Sequence
from typing import TypeAlias

from fastloa_kernels.formulas import alignments

from fastloa import checks
from fastloa.alignment_loss_operations import AlignmentTerms, alignment_loss
from fastloa.operations import Array, Parameters

__all__ = ["ctc_loss"]

Lengths: TypeAlias = int | Sequence[int] | Array


@alignment_loss(alignments.CTC_LOSS)
def ctc_loss(
    log_probs: Array, targets: Array, input_lengths: Lengths, target_lengths: Lengths, /, *, blank: int = 0,
    reduction: str = "mean", zero_infinity: bool = False, sample_weight: Array | None = None, check: bool = False,
    backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Connectionist temporal classification: the probability of a target under all its alignments with the frames.

    .. math:: \ell(x, l) = -\log \sum_{\pi \in B^{-1}(l)} \prod_t e^{x_{t, \pi_t}}

    An alignment gives each frame a class; B makes a target of it: of neighbours that are equal it keeps one, and then
    it drops the blanks. Derivative in x_tk: minus the probability that an alignment has the class k at the frame t,
    given the target.

    Parameters
    ----------
    log_probs : array, shape (frames, sequences, classes) or (frames, classes), floating-point, integer or bool
        Logarithms x of probabilities, as `log_softmax` gives them.
    targets : integer array, shape (sequences, labels) or (sum of `target_lengths`,)
        Labels in 0..classes-1 other than `blank`: padded, with anything behind a target, or one target after another.
    input_lengths : sequence of int or integer array, shape (sequences,), or int
        How many frames each sequence has; of those behind nothing is read. An integer will do for frames that have no
        axis of sequences.
    target_lengths : sequence of int or integer array, shape (sequences,), or int
        How many labels each target has; likewise.
    blank : int, default 0
        The class of the blank.
    reduction : {"mean", "sum", "none"}, default "mean"
        What to do with the sequences' losses. The mean is that of the losses divided by their targets' lengths, where
        an empty target counts as one of length 1.
    zero_infinity : bool, default False
        Whether infinite losses, and their gradients, become 0.
    sample_weight : array, shape (sequences,), optional
        Multiplies the sequences' losses; the mean divides by its sum.
    check : bool, default False
        On a GPU: wait for the device and raise for a label out of range, which otherwise gives NaN.
    backend : {"auto", "cpu", "cuda", "cupy"}, optional
        Where to run; the backend in force by default.

    Returns
    -------
    scalar, or array of shape (sequences,) for ``reduction="none"``
        In the dtype of `log_probs` (float32 for 16-bit ones), and so is the gradient, of its shape. On a GPU a 0-d
        array that stays on the device.

    Raises
    ------
    TypeError
        Not an array, arrays of two libraries, a dtype that is not supported, labels or lengths that are no integers, or
        a `zero_infinity` or `check` that is no truth value.
    ValueError
        Shapes do not fit, a length that is negative or more than there is, a label out of range or equal to `blank`, a
        `blank` that is no class, an unknown reduction, or a buffer that does not fit.

    Notes
    -----
    For speech and handwriting: targets are shorter than the frames, and nobody says which belong together. As in
    PyTorch, but for four things. The gradient is the derivative in numbers that are free: PyTorch's function adds
    exp(x) to it, which is right only where a log-softmax comes before, whose backward (`log_softmax.backward`) makes
    the same of both. Labels are checked, and so are those that equal the blank. Neither frames nor sequences need be
    there. 16-bit arrays work, and so do sample weights.

    Where no alignment fits, as for too few frames, the loss is infinite. Then, and where it is NaN, the gradient is NaN
    at all of the sequence's frames, in each class. Frames behind the sequence have the gradient 0, whatever they hold.
    Scores of classes that are neither the blank nor in the target count for nothing, NaN included, and NaN in any other
    reaches its own sequence.

    All is computed in pairs of float64 logarithms, whose rounding errors do not grow with the loss: of hundreds of
    frames it is within an ulp, or within 1e-16 where it is next to 0, and the gradient within 2e-14 of 1. That takes
    four float64 numbers for each frame and label of a sequence, of as many sequences at a time as fit 64 MB (on a GPU,
    1 GB), or of one; without the gradient those of two frames. Lengths in a GPU's memory are waited for.

    References
    ----------
    Graves, Fernández, Gomez and Schmidhuber, "Connectionist Temporal Classification: Labelling Unsegmented Sequence
    Data with Recurrent Neural Networks", 2006, doi:10.1145/1143844.1143891.

    Examples
    --------
    >>> log_probs = np.log(np.array([[0.6, 0.3, 0.1], [0.5, 0.4, 0.1]]))
    >>> value, grad = ctc_loss.value_and_grad(log_probs, np.array([1]), 2, 1)  # 0.6 * 0.4 + 0.3 * 0.5 + 0.3 * 0.4
    >>> np.exp(-value).round(6)
    np.float64(0.51)
    >>> grad.round(3)
    array([[-0.471, -0.529,  0.   ],
           [-0.294, -0.706,  0.   ]])
    """
    name = "ctc_loss"
    return AlignmentTerms(
        checks.integer(name, "blank", blank),
        checks.flag(name, "zero_infinity", zero_infinity),
        checks.flag(name, "check", check),
    )
