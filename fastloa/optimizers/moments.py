"""Adam's kin with another norm, a look ahead, or a size that is rectified while there are few steps."""

import math
from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any, Unpack

from fastloa_kernels.formulas import optimizer_moments as formulas
from fastloa_kernels.records import Step

from fastloa.folded import Folded
from fastloa.hyper import NONNEGATIVE, RATE, SWITCH, Hyper, both_decays, decays, kinds, sign_of
from fastloa.optimizer_operations import Optimizer, Params
from fastloa.optimizer_steps import bare_step
from fastloa.optimizers.histories import History

__all__ = [
    "Adamax",
    "NAdam",
    "RAdam",
    "adamax_step",
    "nadam_step",
    "radam_step",
]


class Adamax(Optimizer):
    r"""Adamax: Adam with the largest gradient of late in place of the root of the mean square.

    .. math:: m \leftarrow \beta_1 m + (1 - \beta_1) d, \quad u \leftarrow \max(\beta_2 u, |d| + \epsilon), \quad
        p \leftarrow p - \frac{\eta}{1 - \beta_1^t} \frac{m}{u}

    Parameters
    ----------
    params : array, or list, tuple or dict of arrays, floating-point
        Updated in place.
    lr : float or schedule, default 2e-3
        The rate eta, at least 0.
    betas : pair of float, default (0.9, 0.999)
        The decays of the mean m and of the norm u, in [0, 1).
    eps : float, default 1e-8
        Added to the size of the gradient, inside the maximum; at least 0.
    weight_decay : float or schedule, default 0.0
        The factor lambda of an L2 penalty, at least 0: d is g + lambda p.
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
    PyTorch's convention, and optax's. Keras leaves eps out of the maximum and divides by u + eps, and its lr is 1e-3;
    the paper has no eps. Nothing is squared, so no gradient is too large or too small for u.

    References
    ----------
    Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015, arXiv:1412.6980, section 7.1.

    Examples
    --------
    >>> p = np.array([1.0, 2.0])
    >>> Adamax(p, lr=0.5, eps=0.0).step(np.array([3.0, -0.1]))
    >>> p
    array([0.5, 2.5])
    """

    hyper = kinds(lr=RATE, betas=decays(2), eps=NONNEGATIVE, weight_decay=RATE, maximize=SWITCH)
    records = (formulas.ADAMAX,)

    def __init__(
        self, params: Params, lr: Hyper = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: Hyper = 0.0, *, maximize: bool = False, **folded: Unpack[Folded],
    ) -> None:  # fmt: skip
        super().__init__(params, folded, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, maximize=maximize)

    @classmethod
    def parameters(cls, record: Step, hyper: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """The formula's parameters."""
        beta1, beta2 = hyper["betas"]
        return (
            hyper["lr"] / (1.0 - beta1**step), 1.0 - beta1, beta2, hyper["eps"], hyper["weight_decay"],
            sign_of(hyper),
        )  # fmt: skip


class NAdam(Optimizer):
    r"""NAdam: Adam that looks a step ahead, as Nesterov's momentum does.

    .. math:: m \leftarrow \beta_1 m + (1 - \beta_1) d, \quad v \leftarrow \beta_2 v + (1 - \beta_2) d^2, \quad
        \mu_t = \beta_1 \left(1 - \tfrac{1}{2} 0.96^{t \psi}\right)

    .. math:: p \leftarrow p - \eta \left(\frac{1 - \mu_t}{1 - \prod_{i \le t} \mu_i} d +
        \frac{\mu_{t+1}}{1 - \prod_{i \le t+1} \mu_i} m\right) \Big/
        \left(\sqrt{v / (1 - \beta_2^t)} + \epsilon\right)

    Parameters
    ----------
    params : array, or list, tuple or dict of arrays, floating-point
        Updated in place.
    lr : float or schedule, default 2e-3
        The rate eta, at least 0.
    betas : pair of float, default (0.9, 0.999)
        The decays of the moments m and v, in [0, 1).
    eps : float, default 1e-8
        Added to the root, outside it, after the bias correction; at least 0.
    weight_decay : float or schedule, default 0.0
        The factor lambda of an L2 penalty, at least 0: d is g + lambda p.
    momentum_decay : float, default 4e-3
        How fast psi the momentum rises from half of the first beta to all of it; at least 0.
    decoupled_weight_decay : bool, default False
        Shrink the parameter by eta lambda p, as AdamW does, and leave the gradient alone.
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
    PyTorch's convention. Keras has psi = 1, lr 1e-3 and eps 1e-7; optax's ``nadam`` has no mu: it is Adam with
    Nesterov's look ahead at a constant momentum. The product of the mu is no state, as it is in PyTorch (in float32):
    it follows from the step, and is computed in float64.

    References
    ----------
    Dozat, "Incorporating Nesterov Momentum into Adam", 2016, https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ.

    Examples
    --------
    >>> p = np.array([1.0, 2.0])
    >>> NAdam(p, lr=0.5, betas=(0.0, 0.999), eps=0.0).step(np.array([3.0, -0.1]))
    >>> p
    array([0.5, 2.5])
    """

    hyper = kinds(
        lr=RATE, betas=decays(2), eps=NONNEGATIVE, weight_decay=RATE, momentum_decay=NONNEGATIVE,
        decoupled_weight_decay=SWITCH, maximize=SWITCH,
    )  # fmt: skip
    records = (formulas.NADAM,)

    def __init__(
        self, params: Params, lr: Hyper = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: Hyper = 0.0, momentum_decay: float = 4e-3, decoupled_weight_decay: bool = False, *,
        maximize: bool = False, **folded: Unpack[Folded],
    ) -> None:  # fmt: skip
        super().__init__(
            params, folded, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay,
            decoupled_weight_decay=decoupled_weight_decay, maximize=maximize,
        )  # fmt: skip

    @classmethod
    def parameters(cls, record: Step, hyper: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """The formula's parameters."""
        (beta1, beta2), psi, lr = hyper["betas"], hyper["momentum_decay"], hyper["lr"]
        product, now, ahead = _products(beta1, psi)(step), _mu(beta1, psi, step), _mu(beta1, psi, step + 1)
        return (
            lr * ahead / (1.0 - product * ahead), lr * (1.0 - now) / (1.0 - product), 1.0 - beta1, beta2, 1.0 - beta2,
            math.sqrt(1.0 - beta2**step), hyper["eps"], *both_decays(hyper), sign_of(hyper),
        )  # fmt: skip


def _mu(beta1: float, momentum_decay: float, step: int) -> float:
    """NAdam's momentum at a step."""
    return float(beta1 * (1.0 - 0.5 * 0.96 ** (step * momentum_decay)))


def _times_mu(beta1: float, momentum_decay: float, product: float, step: int) -> float:
    return product * _mu(beta1, momentum_decay, step)


@lru_cache(maxsize=64)
def _products(beta1: float, momentum_decay: float) -> History[float]:
    """The products of NAdam's momenta up to each step."""
    return History(1.0, partial(_times_mu, beta1, momentum_decay), settles=True)


class RAdam(Optimizer):
    r"""RAdam: Adam rectified, and plain momentum as long as there are too few squares to tell their mean.

    .. math:: m \leftarrow \beta_1 m + (1 - \beta_1) d, \quad v \leftarrow \beta_2 v + (1 - \beta_2) d^2, \quad
        \hat m = \frac{m}{1 - \beta_1^t}

    .. math:: \rho_\infty = \frac{2}{1 - \beta_2} - 1, \quad
        \rho_t = \rho_\infty - \frac{2 t \beta_2^t}{1 - \beta_2^t}, \quad
        r_t = \sqrt{\frac{(\rho_t - 4)(\rho_t - 2) \rho_\infty}{(\rho_\infty - 4)(\rho_\infty - 2) \rho_t}}

    .. math:: p \leftarrow p - \eta r_t \hat m \frac{\sqrt{1 - \beta_2^t}}{\sqrt{v} + \epsilon}, \quad \rho_t > 5;
        \qquad p \leftarrow p - \eta \hat m, \quad \rho_t \le 5

    Parameters
    ----------
    params : array, or list, tuple or dict of arrays, floating-point
        Updated in place.
    lr : float or schedule, default 1e-3
        The rate eta, at least 0.
    betas : pair of float, default (0.9, 0.999)
        The decays of the moments m and v, in [0, 1).
    eps : float, default 1e-8
        Added to the root, outside it, before the bias correction; at least 0.
    weight_decay : float or schedule, default 0.0
        The factor lambda of an L2 penalty, at least 0: d is g + lambda p.
    decoupled_weight_decay : bool, default False
        Shrink the parameter by eta lambda p, as AdamW does, and leave the gradient alone.
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
    PyTorch's convention. With the second beta at its default the first 5 steps are plain momentum, with one of 2/3 or
    less all are. optax adds eps after the bias correction and rectifies at rho 5 as well; the paper's bound is 4, its
    code's 5, as here and in Thinc.

    References
    ----------
    Liu, Jiang, He, Chen, Liu, Gao and Han, "On the Variance of the Adaptive Learning Rate and Beyond", 2020,
    arXiv:1908.03265.

    Examples
    --------
    >>> p = np.array([1.0, 2.0])
    >>> RAdam(p, lr=0.5, betas=(0.5, 0.999)).step(np.array([3.0, -1.0]))
    >>> p
    array([-0.5,  2.5])
    """

    hyper = kinds(
        lr=RATE, betas=decays(2), eps=NONNEGATIVE, weight_decay=RATE, decoupled_weight_decay=SWITCH, maximize=SWITCH
    )
    records = (formulas.RADAM,)

    def __init__(
        self, params: Params, lr: Hyper = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: Hyper = 0.0, decoupled_weight_decay: bool = False, *, maximize: bool = False,
        **folded: Unpack[Folded],
    ) -> None:  # fmt: skip
        super().__init__(
            params, folded, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay,
            decoupled_weight_decay=decoupled_weight_decay, maximize=maximize,
        )  # fmt: skip

    @classmethod
    def parameters(cls, record: Step, hyper: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """The formula's parameters."""
        beta1, beta2 = hyper["betas"]
        left, longest = 1.0 - beta2**step, 2.0 / (1.0 - beta2) - 1.0
        length = longest - 2.0 * step * beta2**step / left
        size, scaled = hyper["lr"] / (1.0 - beta1**step), length > 5.0
        if scaled:
            rest = (longest - 4.0) * (longest - 2.0) * length
            size *= math.sqrt(left * (length - 4.0) * (length - 2.0) * longest / rest)
        return (
            size, float(scaled), 1.0 - beta1, beta2, 1.0 - beta2, hyper["eps"], *both_decays(hyper),
            sign_of(hyper),
        )  # fmt: skip


adamax_step = bare_step(
    "adamax_step",
    Adamax,
    """
    >>> p, m, u = np.array([1.0]), np.zeros(1), np.zeros(1)
    >>> adamax_step(p, np.array([3.0]), m, u, step=1, lr=0.5, eps=0.0)
    >>> p
    array([0.5])
    """,
)
nadam_step = bare_step(
    "nadam_step",
    NAdam,
    """
    >>> p, m, v = np.array([1.0]), np.zeros(1), np.zeros(1)
    >>> nadam_step(p, np.array([3.0]), m, v, step=1, lr=0.5, betas=(0.0, 0.999), eps=0.0)
    >>> p
    array([0.5])
    """,
)
radam_step = bare_step(
    "radam_step",
    RAdam,
    """
    >>> p, m, v = np.array([1.0]), np.zeros(1), np.zeros(1)
    >>> radam_step(p, np.array([3.0]), m, v, step=1, lr=0.5, betas=(0.5, 0.999))
    >>> p
    array([-0.5])
    """,
)
