"""Adam, and AdamW, whose weight decay leaves the moments alone."""

import math
from collections.abc import Mapping
from typing import Any, Unpack

from fastloa_kernels.formulas import optimizers as formulas
from fastloa_kernels.records import Step

from fastloa.folded import Folded
from fastloa.hyper import NONNEGATIVE, RATE, SWITCH, Hyper, decays, kinds, sign_of
from fastloa.optimizer_operations import Optimizer, Params
from fastloa.optimizer_steps import bare_step

__all__ = [
    "Adam",
    "AdamW",
    "adam_step",
    "adamw_step",
]


def adam_parameters(hyper: Mapping[str, Any], step: int, *, coupled: float, decoupled: float) -> tuple[float, ...]:
    """The parameters of Adam's formula at a step; a weight decay goes into the gradient, or shrinks the parameter."""
    beta1, beta2 = hyper["betas"]
    return (
        hyper["lr"] / (1.0 - beta1**step), 1.0 - beta1, beta2, 1.0 - beta2, math.sqrt(1.0 - beta2**step), hyper["eps"],
        coupled, decoupled, sign_of(hyper),
    )  # fmt: skip


class Adam(Optimizer):
    r"""Adam: steps scaled by running means of the gradient and of its square.

    .. math:: m \leftarrow \beta_1 m + (1 - \beta_1) d, \quad v \leftarrow \beta_2 v + (1 - \beta_2) d^2, \quad
        p \leftarrow p - \eta \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}

    Parameters
    ----------
    params : array, or list, tuple or dict of arrays, floating-point
        Updated in place.
    lr : float or schedule, default 1e-3
        The rate eta, at least 0.
    betas : pair of float, default (0.9, 0.999)
        The decays of the moments m and v, in [0, 1).
    eps : float, default 1e-8
        Added to the root, outside it, after the bias correction; at least 0.
    weight_decay : float or schedule, default 0.0
        The factor lambda of an L2 penalty, at least 0: d is g + lambda p.
    amsgrad : bool, default False
        Divide by the largest v so far.
    maximize : bool, default False
        Climb instead of descend.
    **folded
        What all optimizers take: see `fastloa.optimizers`.

    Raises
    ------
    TypeError
        Not arrays, arrays of two libraries, or a dtype that is not floating-point.
    ValueError
        A read-only parameter, or an option out of its range.

    Notes
    -----
    PyTorch's convention: eps is added after the bias correction (Keras and Thinc add it before, which makes it larger
    in the first steps), and AMSGrad keeps the largest v before the correction (optax after it).

    References
    ----------
    Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015, arXiv:1412.6980; Reddi, Kale and Kumar, "On the
    Convergence of Adam and Beyond", 2018, arXiv:1904.09237 (AMSGrad).

    Examples
    --------
    >>> p = np.array([1.0, 2.0])
    >>> Adam(p, lr=0.5, eps=0.0, weight_decay=0.0).step(np.array([3.0, -0.1]))
    >>> p
    array([0.5, 2.5])
    """

    hyper = kinds(lr=RATE, betas=decays(2), eps=NONNEGATIVE, weight_decay=RATE, amsgrad=SWITCH, maximize=SWITCH)
    records = (formulas.ADAM, formulas.AMSGRAD)

    def __init__(
        self, params: Params, lr: Hyper = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: Hyper = 0.0, amsgrad: bool = False, *, maximize: bool = False, **folded: Unpack[Folded],
    ) -> None:  # fmt: skip
        super().__init__(
            params, folded, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad, maximize=maximize
        )

    @classmethod
    def record(cls, hyper: Mapping[str, Any]) -> Step:
        """AMSGrad's, if it is asked for."""
        return formulas.AMSGRAD if hyper["amsgrad"] else formulas.ADAM

    @classmethod
    def parameters(cls, record: Step, hyper: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """The formula's parameters."""
        return adam_parameters(hyper, step, coupled=hyper["weight_decay"], decoupled=0.0)


class AdamW(Adam):
    r"""AdamW: Adam with a weight decay of its own, apart from the gradient.

    .. math:: m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad v \leftarrow \beta_2 v + (1 - \beta_2) g^2, \quad
        p \leftarrow (1 - \eta \lambda) p - \eta \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}

    Parameters
    ----------
    params : array, or list, tuple or dict of arrays, floating-point
        Updated in place.
    lr : float or schedule, default 1e-3
        The rate eta, at least 0.
    betas : pair of float, default (0.9, 0.999)
        The decays of the moments m and v, in [0, 1).
    eps : float, default 1e-8
        Added to the root, outside it, after the bias correction; at least 0.
    weight_decay : float or schedule, default 0.01
        The factor lambda by which parameters shrink, at least 0.
    amsgrad : bool, default False
        Divide by the largest v so far.
    maximize : bool, default False
        Climb instead of descend.
    **folded
        What all optimizers take: see `fastloa.optimizers`.

    Raises
    ------
    TypeError
        Not arrays, arrays of two libraries, or a dtype that is not floating-point.
    ValueError
        A read-only parameter, or an option out of its range.

    Notes
    -----
    PyTorch's convention: eps is added after the bias correction (Keras and Thinc add it before, which makes it larger
    in the first steps), and AMSGrad keeps the largest v before the correction (optax after it).

    References
    ----------
    Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019, arXiv:1711.05101.

    Examples
    --------
    >>> p = np.array([1.0, 2.0])
    >>> AdamW(p, lr=0.5, eps=0.0, weight_decay=0.0).step(np.array([3.0, -0.1]))
    >>> p
    array([0.5, 2.5])
    """

    def __init__(
        self, params: Params, lr: Hyper = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: Hyper = 0.01, amsgrad: bool = False, *, maximize: bool = False, **folded: Unpack[Folded],
    ) -> None:  # fmt: skip
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, **folded)

    @classmethod
    def parameters(cls, record: Step, hyper: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """The formula's parameters."""
        return adam_parameters(hyper, step, coupled=0.0, decoupled=hyper["lr"] * hyper["weight_decay"])


adam_step = bare_step(
    "adam_step",
    Adam,
    """
    >>> p, m, v = np.array([1.0]), np.zeros(1), np.zeros(1)
    >>> adam_step(p, np.array([3.0]), m, v, step=1, lr=0.5, eps=0.0)
    >>> p
    array([0.5])
    """,
)
adamw_step = bare_step(
    "adamw_step",
    AdamW,
    """
    >>> p, m, v = np.array([1.0]), np.zeros(1), np.zeros(1)
    >>> adamw_step(p, np.array([3.0]), m, v, step=1, lr=0.5, eps=0.0, weight_decay=0.0)
    >>> p
    array([0.5])
    """,
)
