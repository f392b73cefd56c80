"""Stochastic gradient descent, with momentum and without."""

from collections.abc import Mapping
from typing import Any, Unpack

from fastloa_kernels.formulas import optimizers as formulas
from fastloa_kernels.records import Step

from fastloa.folded import Folded
from fastloa.hyper import RATE, SWITCH, Hyper, Number, kinds, sign_of
from fastloa.optimizer_operations import Optimizer, Params
from fastloa.optimizer_steps import bare_step

__all__ = [
    "SGD",
    "sgd_step",
]


class SGD(Optimizer):
    r"""Stochastic gradient descent, with momentum, dampening, weight decay and Nesterov's look ahead.

    .. math:: d = g + \lambda p, \quad b \leftarrow \mu b + (1 - \tau) d, \quad p \leftarrow p - \eta b

    Parameters
    ----------
    params : array, or list, tuple or dict of arrays, floating-point
        Updated in place.
    lr : float or schedule, default 1e-3
        The rate eta, at least 0.
    momentum : float or schedule, default 0.0
        The decay mu of the velocity, at least 0. The number 0 keeps no state for it; a schedule does.
    dampening : float, default 0.0
        The share tau by which the momentum's intake is damped.
    weight_decay : float or schedule, default 0.0
        The factor lambda of an L2 penalty, at least 0.
    nesterov : bool, default False
        Step by d + mu b instead of b.
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
    PyTorch's convention: the rate multiplies the velocity at the step (Keras keeps it inside the velocity), and the
    first step is not damped. With all samples in every gradient this is batch gradient descent, expensive but exact;
    with a minibatch it is iterative, first-order, and its noise regularises.

    References
    ----------
    Robbins and Monro, "A Stochastic Approximation Method", 1951, doi:10.1214/aoms/1177729586; Polyak, "Some methods of
    speeding up the convergence of iteration methods", 1964, doi:10.1016/0041-5553(64)90137-5.

    Examples
    --------
    >>> p = np.array([1.0, 2.0])
    >>> SGD(p, lr=0.5).step(2 * p)
    >>> p
    array([0., 0.])
    """

    hyper = kinds(lr=RATE, momentum=RATE, dampening=Number(), weight_decay=RATE, nesterov=SWITCH, maximize=SWITCH)
    records = (formulas.SGD, formulas.SGD_MOMENTUM, formulas.SGD_NESTEROV)

    def __init__(
        self, params: Params, lr: Hyper = 1e-3, momentum: Hyper = 0.0, dampening: float = 0.0,
        weight_decay: Hyper = 0.0, nesterov: bool = False, *, maximize: bool = False, **folded: Unpack[Folded],
    ) -> None:  # fmt: skip
        super().__init__(
            params, folded, lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay, nesterov=nesterov,
            maximize=maximize,
        )  # fmt: skip

    @classmethod
    def check_together(cls, function: str, hyper: Mapping[str, Any]) -> None:
        """Raise where Nesterov's momentum is not defined."""
        momentum, dampening = hyper["momentum"], hyper["dampening"]
        if hyper["nesterov"] and (dampening != 0.0 or (not callable(momentum) and momentum <= 0.0)):
            raise ValueError(
                f"{function}: nesterov must come with momentum > 0 and dampening 0, "
                f"got momentum {momentum} and dampening {dampening}"
            )

    @classmethod
    def record(cls, hyper: Mapping[str, Any]) -> Step:
        """That with the momentum that is asked for."""
        if hyper["momentum"] == 0.0:
            return formulas.SGD
        return formulas.SGD_NESTEROV if hyper["nesterov"] else formulas.SGD_MOMENTUM

    @classmethod
    def parameters(cls, record: Step, hyper: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """The formula's parameters."""
        common = (hyper["lr"], hyper["weight_decay"], sign_of(hyper))
        if record is formulas.SGD:
            return common
        decay, gain = (0.0, 1.0) if step == 1 else (hyper["momentum"], 1.0 - hyper["dampening"])
        ahead = (hyper["momentum"],) if record is formulas.SGD_NESTEROV else ()
        return (*common, decay, gain, *ahead)


sgd_step = bare_step(
    "sgd_step",
    SGD,
    """
    >>> p = np.array([1.0, 2.0])
    >>> sgd_step(p, np.array([1.0, -1.0]), lr=0.5)
    >>> p
    array([0.5, 2.5])
    """,
    first=1,
)
