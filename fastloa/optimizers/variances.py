"""Adam's kin with another second moment: of the surprise, one that moves slowly, or the one of the step before."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Unpack

from fastloa_kernels.formulas import optimizer_variances as formulas
from fastloa_kernels.records import Step

from fastloa.folded import Folded
from fastloa.hyper import NONNEGATIVE, RATE, SWITCH, Hyper, both_decays, decays, kinds, sign_of
from fastloa.optimizer_operations import Optimizer, Params
from fastloa.optimizer_steps import bare_step

__all__ = [
    "ADOPT",
    "AdaBelief",
    "Yogi",
    "adabelief_step",
    "adopt_step",
    "yogi_step",
]


class AdaBelief(Optimizer):
    r"""AdaBelief: Adam scaled by how far gradients are from what their mean foretold, not by their size.

    .. math:: m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad
        s \leftarrow \beta_2 s + (1 - \beta_2) (g - m)^2 + \epsilon, \quad
        p \leftarrow (1 - \eta \lambda) p - \eta \frac{m / (1 - \beta_1^t)}{\sqrt{s / (1 - \beta_2^t)} + \epsilon}

    Parameters
    ----------
    params : array, or list, tuple or dict of arrays, floating-point
        Updated in place.
    lr : float or schedule, default 1e-3
        The rate eta, at least 0.
    betas : pair of float, default (0.9, 0.999)
        The decays of the mean m and of the variance s, in [0, 1).
    eps : float, default 1e-16
        Added to the variance at every step, and to the root, outside it, after the bias correction; at least 0.
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
    The paper's convention: one eps for both places. optax splits it, ``eps_root`` into the variance and ``eps`` to the
    root, both 1e-16 by default, which is the same as here. The authors' code also rectifies the size as `RAdam` does,
    by default; the paper's algorithm does not. g - m is computed from the mean before the step, so that nothing cancels
    where gradients agree.

    References
    ----------
    Zhuang, Tang, Ding, Tatikonda, Dvornek, Papademetris and Duncan, "AdaBelief Optimizer: Adapting Stepsizes by the
    Belief in Observed Gradients", 2020, arXiv:2010.07468.

    Examples
    --------
    >>> p = np.array([1.0, 2.0])
    >>> AdaBelief(p, lr=0.5, betas=(0.5, 0.999), eps=0.0).step(np.array([3.0, -0.1]))
    >>> p
    array([0., 3.])
    """

    hyper = kinds(lr=RATE, betas=decays(2), eps=NONNEGATIVE, weight_decay=RATE, maximize=SWITCH)
    records = (formulas.ADABELIEF,)

    def __init__(
        self, params: Params, lr: Hyper = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-16,
        weight_decay: Hyper = 0.0, *, maximize: bool = False, **folded: Unpack[Folded],
    ) -> None:  # fmt: skip
        super().__init__(params, folded, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, maximize=maximize)

    @classmethod
    def parameters(cls, record: Step, hyper: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """The formula's parameters."""
        beta1, beta2 = hyper["betas"]
        return (
            hyper["lr"] / (1.0 - beta1**step), beta1, 1.0 - beta1, beta2, 1.0 - beta2, math.sqrt(1.0 - beta2**step),
            hyper["eps"], hyper["lr"] * hyper["weight_decay"], sign_of(hyper),
        )  # fmt: skip


class Yogi(Optimizer):
    r"""Yogi: Adam whose second moment moves by the square of the gradient, however far it has to go.

    .. math:: m \leftarrow \beta_1 m + (1 - \beta_1) d, \quad
        v \leftarrow v - (1 - \beta_2) \operatorname{sign}(v - d^2) \, d^2, \quad
        p \leftarrow p - \eta \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}

    Parameters
    ----------
    params : array, or list, tuple or dict of arrays, floating-point
        Updated in place.
    lr : float or schedule, default 1e-2
        The rate eta, at least 0.
    betas : pair of float, default (0.9, 0.999)
        The decays of the moments m and v, in [0, 1).
    eps : float, default 1e-3
        Added to the root, outside it, after the bias correction; at least 0.
    weight_decay : float or schedule, default 0.0
        The factor lambda of an L2 penalty, at least 0: d is g + lambda p.
    initial_accumulator : float, default 1e-6
        What v is before the first step, at least 0.
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
    The paper's algorithm corrects no bias; here, as in optax and in TensorFlow Addons, both moments are corrected as
    Adam's are. optax starts m from its ``initial_accumulator_value`` too; a mean of gradients starts from 0 here, as in
    the paper. v falls and rises by steps of the same size, so one large gradient is forgotten slowly, and the rate does
    not jump up once gradients get small. Where v is the square itself it stays: sign(0) is 0.

    References
    ----------
    Zaheer, Reddi, Sachan, Kale and Kumar, "Adaptive Methods for Nonconvex Optimization", 2018,
    https://papers.nips.cc/paper/8186-adaptive-methods-for-nonconvex-optimization.

    Examples
    --------
    >>> p = np.array([1.0, 2.0])
    >>> Yogi(p, lr=0.5, betas=(0.5, 0.5), eps=0.0, initial_accumulator=0.0).step(np.array([3.0, -0.5]))
    >>> p
    array([0.5, 2.5])
    """

    hyper = kinds(
        lr=RATE, betas=decays(2), eps=NONNEGATIVE, weight_decay=RATE, initial_accumulator=NONNEGATIVE, maximize=SWITCH
    )
    records = (formulas.YOGI,)
    initial: ClassVar[Mapping[str, float | str | None]] = {"exp_avg_sq": "initial_accumulator"}

    def __init__(
        self, params: Params, lr: Hyper = 1e-2, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-3,
        weight_decay: Hyper = 0.0, initial_accumulator: float = 1e-6, *, maximize: bool = False,
        **folded: Unpack[Folded],
    ) -> None:  # fmt: skip
        super().__init__(
            params, folded, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay,
            initial_accumulator=initial_accumulator, maximize=maximize,
        )  # fmt: skip

    @classmethod
    def parameters(cls, record: Step, hyper: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """The formula's parameters."""
        beta1, beta2 = hyper["betas"]
        return (
            hyper["lr"] / (1.0 - beta1**step), 1.0 - beta1, 1.0 - beta2, math.sqrt(1.0 - beta2**step), hyper["eps"],
            hyper["weight_decay"], sign_of(hyper),
        )  # fmt: skip


class ADOPT(Optimizer):
    r"""ADOPT: Adam whose gradient is scaled by the second moment of the steps before, and only then averaged.

    .. math:: m \leftarrow \beta_1 m + (1 - \beta_1) \operatorname{clip}\left(\frac{d}{\max(\sqrt{v}, \epsilon)},
        \pm \sqrt[4]{t - 1}\right), \quad p \leftarrow p - \eta m, \quad
        v \leftarrow \beta_2 v + (1 - \beta_2) d^2

    from the second step on; the first one only sets v to d².

    Parameters
    ----------
    params : array, or list, tuple or dict of arrays, floating-point
        Updated in place.
    lr : float or schedule, default 1e-3
        The rate eta, at least 0.
    betas : pair of float, default (0.9, 0.9999)
        The decays of the moments m and v, in [0, 1).
    eps : float, default 1e-6
        The least that the gradient is divided by; at least 0.
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
    As the authors' code and optax: the clip of the paper's second version, at the fourth root of the number of updates
    so far (1, 1.19, 1.32, ...), and a first step that leaves the parameters where they are, whatever the weight decay.
    eps is a floor under the root, not an addition to it. There is no bias to correct: v begins with the first square
    itself, and m with 0 as momentum does. The authors' code calls the decoupled decay ``decouple``; optax has none.

    References
    ----------
    Taniguchi, Harada, Minegishi, Oshima, Jeong, Nagahara, Iiyama, Suzuki, Iwasawa and Matsuo, "ADOPT: Modified Adam Can
    Converge with Any beta2 with the Optimal Rate", 2024, arXiv:2411.02853.

    Examples
    --------
    >>> p = np.array([1.0, 2.0])
    >>> optimizer = ADOPT(p, lr=0.5, betas=(0.5, 0.5))
    >>> for _ in range(2):
    ...     optimizer.step(np.array([3.0, -0.5]))
    >>> p
    array([0.75, 2.25])
    """

    hyper = kinds(
        lr=RATE, betas=decays(2), eps=NONNEGATIVE, weight_decay=RATE, decoupled_weight_decay=SWITCH, maximize=SWITCH
    )
    records = (formulas.ADOPT,)

    def __init__(
        self, params: Params, lr: Hyper = 1e-3, betas: tuple[float, float] = (0.9, 0.9999), eps: float = 1e-6,
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
        coupled, decoupled = both_decays(hyper)
        if step == 1:
            beta2, decoupled = 0.0, 0.0
        return (
            hyper["lr"], (step - 1) ** 0.25, 1.0 - beta1, beta2, 1.0 - beta2, hyper["eps"], coupled, decoupled,
            sign_of(hyper),
        )  # fmt: skip


adabelief_step = bare_step(
    "adabelief_step",
    AdaBelief,
    """
    >>> p, m, s = np.array([1.0]), np.zeros(1), np.zeros(1)
    >>> adabelief_step(p, np.array([3.0]), m, s, step=1, lr=0.5, betas=(0.5, 0.999), eps=0.0)
    >>> p
    array([0.])
    """,
)
yogi_step = bare_step(
    "yogi_step",
    Yogi,
    """
    >>> p, m, v = np.array([1.0]), np.zeros(1), np.zeros(1)
    >>> yogi_step(p, np.array([3.0]), m, v, step=1, lr=0.5, betas=(0.5, 0.5), eps=0.0)
    >>> p
    array([0.5])
    """,
)
adopt_step = bare_step(
    "adopt_step",
    ADOPT,
    """
    >>> p, m, v = np.array([1.0]), np.zeros(1), np.ones(1)
    >>> adopt_step(p, np.array([1.0]), m, v, step=2, lr=0.5, betas=(0.5, 0.5))
    >>> p
    array([0.75])
    """,
)
