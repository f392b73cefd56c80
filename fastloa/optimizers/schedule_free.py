"""Schedule-Free SGD and AdamW: an average of the steps in place of a schedule that ends them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, ClassVar, Unpack

import numpy as np
from fastloa_kernels.formulas import optimizer_schedule_free as formulas
from fastloa_kernels.records import Step

from fastloa import backends
from fastloa.folded import Folded
from fastloa.hyper import DECAY, NONNEGATIVE, RATE, SWITCH, Hyper, Integer, Number, Several, kinds, sign_of
from fastloa.optimizer_operations import Optimizer, Params
from fastloa.optimizer_steps import bare_step
from fastloa.optimizers.histories import History
from fastloa.schedules import Schedule, constant

__all__ = [
    "ScheduleFreeAdamW",
    "ScheduleFreeSGD",
    "schedule_free_adamw_step",
    "schedule_free_sgd_step",
]

Totals = History[tuple[float, float]]


class Rate(float):
    """A rate that knows `total`, the weights of all steps up to its own over the weight of its own."""

    total: float


@dataclass(frozen=True)
class Remembered:
    """A schedule of rates that know their total, for it depends on all rates before."""

    schedule: Schedule
    totals: Totals = field(compare=False)

    def __call__(self, step: int) -> Rate:
        """Give the rate of the step of that number, counted from 0."""
        rate = Rate(self.schedule(step))
        _, rate.total = self.totals(step + 1)
        return rate

    def __repr__(self) -> str:
        return repr(self.schedule)


def warmed(lr: float, warmup_steps: int, step: int) -> float:
    """The rate at a step, counted from 1, of a warm-up that ends with all of it."""
    return lr * step / warmup_steps if step < warmup_steps else lr


def add_weight(
    schedule: Schedule, warmup_steps: int, r: float, weight_lr_power: float, before: tuple[float, float], step: int
) -> tuple[float, float]:
    """The largest rate up to a step, and the weights up to it over its own, from the same of the step before."""
    largest, total = before
    rate = max(largest, warmed(schedule(step - 1), warmup_steps, step))
    if rate == 0.0 and weight_lr_power > 0.0:
        return 0.0, 0.0
    # Of weights only quotients are taken: a power by itself may be too large or too small for a number.
    if total:
        total *= ((step - 1) / step) ** r * (largest / rate if rate else 1.0) ** weight_lr_power
    return rate, total + 1.0


def history(schedule: Schedule, hyper: Mapping[str, Any]) -> Totals:
    """The largest rates and the totals of a schedule."""
    weighing = (hyper["warmup_steps"], hyper["r"], hyper["weight_lr_power"])
    return History((0.0, 0.0), partial(add_weight, schedule, *weighing))


@lru_cache(maxsize=64)
def history_of_one_rate(moving: bool, **weighing: float) -> Totals:
    """The same where all steps have one rate; all but 0 have the same totals."""
    return history(constant(float(moving)), weighing)


def pace(hyper: Mapping[str, Any], momentum: float, step: int) -> tuple[float, float, float]:
    """The rate of a step, the share of the average that it takes, and the rate at which it moves the parameter."""
    lr = hyper["lr"]
    if isinstance(lr, Rate):
        total = lr.total
    else:
        weighing = {name: hyper[name] for name in ("warmup_steps", "r", "weight_lr_power")}
        _, total = history_of_one_rate(lr > 0.0, **weighing)(step)
    share, rate = 1.0 / total if total else 0.0, warmed(lr, hyper["warmup_steps"], step)
    return rate, share, rate * (1.0 - momentum * (1.0 - share))


class ScheduleFree(Optimizer):
    """What Schedule-Free optimizers have in common: rates that are remembered, and the average."""

    initial: ClassVar[Mapping[str, float | str | None]] = {"z": None}

    @classmethod
    def checked(cls, function: str, hyper: Mapping[str, Any], *, fixed: bool) -> dict[str, Any]:
        """Hyper-parameters that are what they may be; a schedule of rates is one that remembers."""
        lr = hyper["lr"]
        found = super().checked(
            function, {**hyper, "lr": lr.schedule if isinstance(lr, Remembered) else lr}, fixed=fixed
        )
        if callable(found["lr"]):
            found["lr"] = Remembered(found["lr"], history(found["lr"], found))
        return found

    @classmethod
    def momentum(cls, hyper: Mapping[str, Any]) -> float:
        """The share of the average in the parameters."""
        raise NotImplementedError

    def averaged(self) -> Params:
        """Give the averages x of the steps so far, by which a model should be judged and which it should keep.

        Returns
        -------
        array, or list, tuple or dict of arrays
            New arrays in the structure of the parameters, of their shapes and dtypes.
        """
        weight, xp = 1.0 - 1.0 / self.momentum(self._hyper), backends.namespace_of(self._home)
        found = []
        for label, y in self._arrays.items():
            z = self._states[label]["z"]
            with backends.device_of(y), np.errstate(all="ignore"):
                x = xp.where(z == y, y, y + weight * (z - y))  # two equal infinities are their own average
                found.append(x.astype(y.dtype))
        return self._structured(found)


class ScheduleFreeSGD(ScheduleFree):
    r"""Schedule-Free SGD: gradients between where plain descent is and the average of where it was.

    .. math:: y = (1 - \beta) z + \beta x, \quad z \leftarrow z - \eta_t (g(y) + \lambda y), \quad
        x \leftarrow (1 - c_t) x + c_t z, \quad
        c_t = \frac{w_t}{\sum_{i \le t} w_i}, \quad w_t = t^r \left(\max_{i \le t} \eta_i\right)^q

    Parameters
    ----------
    params : array, or list, tuple or dict of arrays, floating-point
        Updated in place. They are y, where gradients are wanted; z is a state, and `averaged` gives x.
    lr : float or schedule, default 1.0
        The rate eta, at least 0.
    momentum : float, default 0.9
        The share beta of the average in y, in (0, 1).
    weight_decay : float or schedule, default 0.0
        The factor lambda of an L2 penalty, taken at y; at least 0.
    warmup_steps : int, default 0
        Steps over which the rate rises linearly, the last of them with all of it; 0 for none.
    r : float, default 0.0
        The power of the step in the weights of the average, at least 0: late steps weigh more.
    weight_lr_power : float, default 2.0
        The power q of the largest rate so far in these weights, at least 0: steps of the warm-up weigh less.
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
    As the authors' ``SGDScheduleFree``, but there is no mode to switch: parameters always are y, and the average is
    made when it is asked for, x = y + (1 - 1/beta) (z - y). Losses of a validation, and the model to keep, are those of
    x. The weights follow from the rates so far: for a number from the step alone, for a schedule by calling it for the
    steps before, which is remembered. The step on bare arrays takes its rate for that of all steps. optax wraps any
    optimizer (``schedule_free``), has no r, and begins a warm-up with a rate of 0.

    References
    ----------
    Defazio, Yang, Mehta, Mishchenko, Khaled and Cutkosky, "The Road Less Scheduled", 2024, arXiv:2405.15682.

    Examples
    --------
    >>> p = np.array([1.0, 2.0])
    >>> optimizer = ScheduleFreeSGD(p, lr=0.5, momentum=0.5)
    >>> for _ in range(2):
    ...     optimizer.step(np.array([1.0, -1.0]))
    >>> p
    array([0.125, 2.875])
    >>> optimizer.averaged()
    array([0.25, 2.75])
    """

    hyper = kinds(
        lr=RATE, momentum=Number(low=0.0, high=1.0, low_open=True, high_open=True), weight_decay=RATE,
        warmup_steps=Integer(0), r=NONNEGATIVE, weight_lr_power=NONNEGATIVE, maximize=SWITCH,
    )  # fmt: skip
    records = (formulas.SCHEDULE_FREE_SGD,)

    def __init__(
        self, params: Params, lr: Hyper = 1.0, momentum: float = 0.9, weight_decay: Hyper = 0.0, warmup_steps: int = 0,
        r: float = 0.0, weight_lr_power: float = 2.0, *, maximize: bool = False, **folded: Unpack[Folded],
    ) -> None:  # fmt: skip
        super().__init__(
            params, folded, lr=lr, momentum=momentum, weight_decay=weight_decay, warmup_steps=warmup_steps, r=r,
            weight_lr_power=weight_lr_power, maximize=maximize,
        )  # fmt: skip

    @classmethod
    def momentum(cls, hyper: Mapping[str, Any]) -> float:
        """The share of the average in the parameters."""
        return float(hyper["momentum"])

    @classmethod
    def parameters(cls, record: Step, hyper: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """The formula's parameters."""
        return (*pace(hyper, cls.momentum(hyper), step), hyper["weight_decay"], sign_of(hyper))


class ScheduleFreeAdamW(ScheduleFree):
    r"""Schedule-Free AdamW: gradients scaled as Adam scales them, and the average in place of its momentum.

    .. math:: y = (1 - \beta_1) z + \beta_1 x, \quad v \leftarrow \beta_2 v + (1 - \beta_2) g(y)^2, \quad
        z \leftarrow z - \eta_t \left(\frac{g(y)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon} + \lambda y\right)

    .. math:: x \leftarrow (1 - c_t) x + c_t z, \quad
        c_t = \frac{w_t}{\sum_{i \le t} w_i}, \quad w_t = t^r \left(\max_{i \le t} \eta_i\right)^q

    Parameters
    ----------
    params : array, or list, tuple or dict of arrays, floating-point
        Updated in place. They are y, where gradients are wanted; z is a state, and `averaged` gives x.
    lr : float or schedule, default 2.5e-3
        The rate eta, at least 0.
    betas : pair of float, default (0.9, 0.999)
        The share of the average in y, in (0, 1), and the decay of the moment v, in [0, 1).
    eps : float, default 1e-8
        Added to the root, outside it, after the bias correction; at least 0.
    weight_decay : float or schedule, default 0.0
        The factor lambda of y that is added to the scaled gradient; at least 0.
    warmup_steps : int, default 0
        Steps over which the rate rises linearly, the last of them with all of it; 0 for none.
    r : float, default 0.0
        The power of the step in the weights of the average, at least 0: late steps weigh more.
    weight_lr_power : float, default 2.0
        The power q of the largest rate so far in these weights, at least 0: steps of the warm-up weigh less.
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
    As the authors' ``AdamWScheduleFree`` without its inner momentum, but there is no mode to switch: parameters always
    are y, and the average is made when it is asked for, x = y + (1 - 1/beta) (z - y) with the first beta. The weight
    decay is that of y, and moves z. `ScheduleFreeSGD` says more of the weights. optax has no r, and begins a warm-up
    with a rate of 0.

    References
    ----------
    Defazio, Yang, Mehta, Mishchenko, Khaled and Cutkosky, "The Road Less Scheduled", 2024, arXiv:2405.15682.

    Examples
    --------
    >>> p = np.array([1.0, 2.0])
    >>> optimizer = ScheduleFreeAdamW(p, lr=0.5, betas=(0.5, 0.5), eps=0.0)
    >>> for _ in range(2):
    ...     optimizer.step(np.array([3.0, -0.5]))
    >>> p
    array([0.125, 2.875])
    >>> optimizer.averaged()
    array([0.25, 2.75])
    """

    hyper = kinds(
        lr=RATE, betas=Several((Number(low=0.0, high=1.0, low_open=True, high_open=True), DECAY)), eps=NONNEGATIVE,
        weight_decay=RATE, warmup_steps=Integer(0), r=NONNEGATIVE, weight_lr_power=NONNEGATIVE, maximize=SWITCH,
    )  # fmt: skip
    records = (formulas.SCHEDULE_FREE_ADAMW,)

    def __init__(
        self, params: Params, lr: Hyper = 2.5e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: Hyper = 0.0, warmup_steps: int = 0, r: float = 0.0, weight_lr_power: float = 2.0, *,
        maximize: bool = False, **folded: Unpack[Folded],
    ) -> None:  # fmt: skip
        super().__init__(
            params, folded, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, warmup_steps=warmup_steps, r=r,
            weight_lr_power=weight_lr_power, maximize=maximize,
        )  # fmt: skip

    @classmethod
    def momentum(cls, hyper: Mapping[str, Any]) -> float:
        """The share of the average in the parameters."""
        return float(hyper["betas"][0])

    @classmethod
    def parameters(cls, record: Step, hyper: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """The formula's parameters."""
        _, beta2 = hyper["betas"]
        return (
            *pace(hyper, cls.momentum(hyper), step), beta2, 1.0 - beta2, math.sqrt(1.0 - beta2**step), hyper["eps"],
            hyper["weight_decay"], sign_of(hyper),
        )  # fmt: skip


schedule_free_sgd_step = bare_step(
    "schedule_free_sgd_step",
    ScheduleFreeSGD,
    """
    >>> p, z = np.array([1.0]), np.array([1.0])
    >>> schedule_free_sgd_step(p, np.array([1.0]), z, step=1, lr=0.5)
    >>> p, z
    (array([0.5]), array([0.5]))
    """,
)
schedule_free_adamw_step = bare_step(
    "schedule_free_adamw_step",
    ScheduleFreeAdamW,
    """
    >>> p, z, v = np.array([1.0]), np.array([1.0]), np.zeros(1)
    >>> schedule_free_adamw_step(p, np.array([3.0]), z, v, step=1, lr=0.5, betas=(0.9, 0.5), eps=0.0)
    >>> p, z
    (array([0.5]), array([0.5]))
    """,
)
