"""Adam's kin that step along several running means at once."""

import math
from collections.abc import Mapping
from typing import Any, Unpack

from fastloa_kernels.formulas import optimizer_mixtures as formulas
from fastloa_kernels.records import Step

from fastloa.folded import Folded
from fastloa.hyper import NONNEGATIVE, RATE, SWITCH, Hyper, Integer, decays, kinds, sign_of
from fastloa.optimizer_operations import Optimizer, Params
from fastloa.optimizer_steps import bare_step

__all__ = [
    "AdEMAMix",
    "Adan",
    "adan_step",
    "ademamix_step",
]


class Adan(Optimizer):
    r"""Adan: Adam with Nesterov's momentum, which it takes from the change of the gradient.

    .. math:: m \leftarrow \beta_1 m + (1 - \beta_1) g_t, \quad
        v \leftarrow \beta_2 v + (1 - \beta_2) (g_t - g_{t-1}), \quad
        n \leftarrow \beta_3 n + (1 - \beta_3) \left(g_t + \beta_2 (g_t - g_{t-1})\right)^2

    .. math:: p \leftarrow \frac{1}{1 + \eta \lambda} \left(p - \eta \,
        \frac{m / (1 - \beta_1^t) + \beta_2 v / (1 - \beta_2^t)}{\sqrt{n / (1 - \beta_3^t)} + \epsilon}\right)

    Parameters
    ----------
    params : array, or list, tuple or dict of arrays, floating-point
        Updated in place.
    lr : float or schedule, default 1e-3
        The rate eta, at least 0.
    betas : three floats, default (0.98, 0.92, 0.99)
        The decays of the means m of the gradient, v of its change and n of the square, in [0, 1).
    eps : float, default 1e-8
        Added to the root, outside it, after the bias correction; at least 0.
    weight_decay : float or schedule, default 0.0
        The factor lambda by which parameters shrink, apart from the gradient; at least 0.
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
    The convention of the authors' code, with three of its choices: the betas are what stays (the paper's are 1 minus
    these), the gradient of the first step has not changed, and the weight decay is proximal, the division by
    1 + lr * weight_decay. optax takes lr * weight_decay * p off instead (``no_prox`` of the authors' code), weighs
    change and mean of changes by 1 minus its second beta, 0.08 where it is 0.92 here, and adds 1e-8 under the root too.
    The state ``previous_grad`` is the gradient of the step before, with the other sign if `maximize`.

    References
    ----------
    Xie, Zhou, Li, Lin and Yan, "Adan: Adaptive Nesterov Momentum Algorithm for Faster Optimizing Deep Models", 2022,
    arXiv:2208.06677.

    Examples
    --------
    >>> p = np.array([1.0, 2.0])
    >>> Adan(p, lr=0.5, betas=(0.5, 0.5, 0.5), eps=0.0, weight_decay=2.0).step(np.array([3.0, -0.5]))
    >>> p
    array([0.25, 1.25])
    """

    hyper = kinds(lr=RATE, betas=decays(3), eps=NONNEGATIVE, weight_decay=RATE, maximize=SWITCH)
    records = (formulas.ADAN,)

    def __init__(
        self, params: Params, lr: Hyper = 1e-3, betas: tuple[float, float, float] = (0.98, 0.92, 0.99),
        eps: float = 1e-8, weight_decay: Hyper = 0.0, *, maximize: bool = False, **folded: Unpack[Folded],
    ) -> None:  # fmt: skip
        super().__init__(params, folded, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, maximize=maximize)

    @classmethod
    def parameters(cls, record: Step, hyper: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """The formula's parameters."""
        lr, (beta1, beta2, beta3) = hyper["lr"], hyper["betas"]
        decay = lr * hyper["weight_decay"]
        return (
            lr / (1.0 - beta1**step), lr * beta2 / (1.0 - beta2**step), 1.0 - beta1, beta2, 1.0 - beta2, beta3,
            1.0 - beta3, math.sqrt(1.0 - beta3**step), hyper["eps"], decay / (1.0 + decay), float(step > 1),
            sign_of(hyper),
        )  # fmt: skip


class AdEMAMix(Optimizer):
    r"""AdEMAMix: AdamW along a mixture of two means, a fast one and one that remembers tens of thousands of gradients.

    .. math:: m_1 \leftarrow \beta_1 m_1 + (1 - \beta_1) g, \quad m_2 \leftarrow \beta_3 m_2 + (1 - \beta_3) g, \quad
        v \leftarrow \beta_2 v + (1 - \beta_2) g^2

    .. math:: p \leftarrow (1 - \eta \lambda) p -
        \eta \, \frac{m_1 / (1 - \beta_1^t) + \alpha m_2}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}

    Parameters
    ----------
    params : array, or list, tuple or dict of arrays, floating-point
        Updated in place.
    lr : float or schedule, default 1e-3
        The rate eta, at least 0.
    betas : three floats, default (0.9, 0.999, 0.9999)
        The decays of the fast mean, of the second moment v and of the slow mean, in [0, 1).
    alpha : float or schedule, default 5.0
        The weight of the slow mean, at least 0.
    eps : float, default 1e-8
        Added to the root, outside it, after the bias correction; at least 0.
    weight_decay : float or schedule, default 0.0
        The factor lambda by which parameters shrink, apart from the gradient; at least 0.
    alpha_warmup : int, default 0
        Steps over which alpha rises linearly from 0; 0 for none.
    beta3_warmup : int, default 0
        Steps over which the third beta rises from the first, so that the half-life of the slow mean grows linearly; 0
        for none.
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
    The slow mean has no bias correction: it fills slowly, and early gradients, the worst ones, weigh little. The paper
    warms up alpha and the third beta over all the steps of a run; without that, large rates diverge early. Its
    scheduler of beta is the harmonic mean of logarithms,
    :math:`\ln \beta_3(t) = \left((1 - t/T) / \ln \beta_1 + (t/T) / \ln \beta_3\right)^{-1}`, up to step T. optax has
    the same update, and takes schedules for alpha and the third beta.

    References
    ----------
    Pagliardini, Ablin and Grangier, "The AdEMAMix Optimizer: Better, Faster, Older", 2024, arXiv:2409.03137.

    Examples
    --------
    >>> p = np.array([1.0, 2.0])
    >>> AdEMAMix(p, lr=0.5, betas=(0.5, 0.75, 0.75), alpha=4.0, eps=0.0).step(np.array([3.0, -0.5]))
    >>> p
    array([0., 3.])
    """

    hyper = kinds(
        lr=RATE, betas=decays(3), alpha=RATE, eps=NONNEGATIVE, weight_decay=RATE, alpha_warmup=Integer(0),
        beta3_warmup=Integer(0), maximize=SWITCH,
    )  # fmt: skip
    records = (formulas.ADEMAMIX,)

    def __init__(
        self, params: Params, lr: Hyper = 1e-3, betas: tuple[float, float, float] = (0.9, 0.999, 0.9999),
        alpha: Hyper = 5.0, eps: float = 1e-8, weight_decay: Hyper = 0.0, alpha_warmup: int = 0, beta3_warmup: int = 0,
        *, maximize: bool = False, **folded: Unpack[Folded],
    ) -> None:  # fmt: skip
        super().__init__(
            params, folded, lr=lr, betas=betas, alpha=alpha, eps=eps, weight_decay=weight_decay,
            alpha_warmup=alpha_warmup, beta3_warmup=beta3_warmup, maximize=maximize,
        )  # fmt: skip

    @classmethod
    def parameters(cls, record: Step, hyper: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """The formula's parameters."""
        lr, (beta1, beta2, beta3) = hyper["lr"], hyper["betas"]
        alpha, warmup = hyper["alpha"], hyper["alpha_warmup"]
        if step < warmup:
            alpha *= step / warmup
        rest3 = 1.0 - beta3
        if step < hyper["beta3_warmup"]:
            rest3 = max(rest3, _rest_of_slow(beta1, beta3, step / hyper["beta3_warmup"]))
        return (
            lr / (1.0 - beta1**step), lr * alpha, 1.0 - beta1, beta2, 1.0 - beta2, rest3, math.sqrt(1.0 - beta2**step),
            hyper["eps"], lr * hyper["weight_decay"], sign_of(hyper),
        )  # fmt: skip


def _rest_of_slow(beta1: float, beta3: float, share: float) -> float:
    """1 less the decay whose logarithm's inverse lies by that share between those of two others."""
    fast, slow = (1.0 / math.log(beta) if beta else 0.0 for beta in (beta1, beta3))
    inverse = (1.0 - share) * fast + share * slow
    return -math.expm1(1.0 / inverse) if inverse else 1.0


adan_step = bare_step(
    "adan_step",
    Adan,
    """
    >>> p, m, v, n, previous = np.array([1.0]), np.zeros(1), np.zeros(1), np.zeros(1), np.zeros(1)
    >>> adan_step(p, np.array([3.0]), m, v, n, previous, step=1, lr=0.5, betas=(0.5, 0.5, 0.5), eps=0.0)
    >>> p
    array([0.5])
    """,
)
ademamix_step = bare_step(
    "ademamix_step",
    AdEMAMix,
    """
    >>> p, fast, slow, v = np.array([1.0]), np.zeros(1), np.zeros(1), np.zeros(1)
    >>> ademamix_step(p, np.array([3.0]), fast, slow, v, step=1, lr=0.5, betas=(0.5, 0.75, 0.75), alpha=4.0, eps=0.0)
    >>> p
    array([0.])
    """,
)
