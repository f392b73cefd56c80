"""Losses of embeddings that are learnt against each other."""

from fastloa import checks
from fastloa.contrastive_loss_operations import ContrastiveTerms, contrastive_loss
from fastloa.losses.cross_entropies import cross_entropy
from fastloa.operations import Array, Parameters

__all__ = ["nt_xent_loss"]


@contrastive_loss(cross_entropy)
def nt_xent_loss(
    embeddings: Array, labels: Array, /, *, temperature: float = 0.07, eps: float = 1e-8, reduction: str = "mean",
    sample_weight: Array | None = None, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Cross entropy of which embedding is the other view of one, by cosines over a temperature (SimCLR).

    .. math:: \ell_i = -\sum_{j \in P_i} \log \frac{e^{s_{ij}}}{e^{s_{ij}} + \sum_{k \in N_i} e^{s_{ik}}}, \qquad
        s_{ij} = \frac{x_i \cdot x_j}{\tau \|x_i\| \|x_j\|}

    P are the other embeddings with the label of i, and N those with other labels. Gradient: with d the gradient in s,
    and z = x / ||x||, g = (d + d^T) z / tau in z, and (g - z (z g)) / ||x|| in x.

    Parameters
    ----------
    embeddings : array, shape (rows, features), floating-point, integer or bool
        Vectors x.
    labels : integer array, shape (rows,)
        Rows with the same number are views of the same; any numbers.
    temperature : float, default 0.07
        What cosines are divided by, tau; positive.
    eps : float, default 1e-8
        The least length, which shorter ones are raised to; positive.
    reduction : {"mean", "sum", "none"}, default "mean"
        What to do with the rows' losses; the mean divides by the number of pairs.
    sample_weight : array, shape (rows,), optional
        Multiplies the rows' losses; the mean divides by its sum over the pairs.
    backend : {"auto", "cpu", "cuda", "cupy"}, optional
        Where to run; the backend in force by default.

    Returns
    -------
    scalar, or array of shape (rows,) for ``reduction="none"``
        In the dtype of `embeddings` (float32 for 16-bit ones), and so is the gradient, in `embeddings`. On a GPU a 0-d
        array that stays on the device.

    Raises
    ------
    TypeError
        Not an array, arrays of two libraries, a dtype that is not supported, or labels that are no integers.
    ValueError
        Shapes do not fit, `temperature` or `eps` is not positive and finite, or an unknown reduction.

    Notes
    -----
    For representations learnt without classes, from two views of each sample. As optax's ntxent, but that a vector of
    zeros has a direction of zeros, and not NaN; in SimCLR, where each label stands there twice, N and the one positive
    are all other embeddings. Without a pair the mean is NaN.

    At most 8,388,608 similarities are held at a time, as many numbers of their gradient, and a few for each pair among
    them. The products and logarithms are the library's own (``numpy.matmul``, ``cupy.matmul``), in float32 for 16-bit
    arrays, and so are their rounding errors. A GPU is waited for, to read the labels. There is no Hessian.

    References
    ----------
    Chen, Kornblith, Norouzi and Hinton, "A Simple Framework for Contrastive Learning of Visual Representations", 2020,
    arXiv:2002.05709.

    Examples
    --------
    >>> x, labels = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 3.0]]), np.array([0, 0, 1, 1])
    >>> nt_xent_loss(x, labels, temperature=0.5).round(6)
    np.float64(0.239545)
    >>> nt_xent_loss.grad(x, labels, temperature=0.5).round(6)
    array([[0.      , 0.213014],
           [0.      , 0.106507],
           [0.213014, 0.      ],
           [0.071005, 0.      ]])
    """
    name = "nt_xent_loss"
    return ContrastiveTerms(
        checks.number(name, "temperature", temperature, low=0.0, low_open=True),
        checks.number(name, "eps", eps, low=0.0, low_open=True),
    )
