"""Averaged stochastic gradient descent, which keeps the mean of the parameters it went through."""

from collections.abc import Mapping
from typing import Any, Unpack

from fastloa_kernels.formulas import optimizer_averaged as formulas
from fastloa_kernels.records import Step

from fastloa.folded import Folded
from fastloa.hyper import NONNEGATIVE, RATE, SWITCH, Hyper, kinds, sign_of
from fastloa.optimizer_operations import Optimizer, Params
from fastloa.optimizer_steps import bare_step

__all__ = [
    "ASGD",
    "asgd_step",
]


class ASGD(Optimizer):
    r"""Averaged stochastic gradient descent: a falling rate, and the mean of the parameters from some step on.

    .. math:: \eta_t = \frac{\eta}{(1 + \lambda \eta (t - 1))^\alpha}, \quad
        p \leftarrow (1 - \lambda \eta_t) p - \eta_t d, \quad
        a \leftarrow a + \frac{p - a}{\max(1, t - 1 - t_0)}

    Parameters
    ----------
    params : array, or list, tuple or dict of arrays, floating-point
        Updated in place.
    lr : float or schedule, default 1e-2
        The rate eta of the first step, at least 0.
    lambd : float, default 1e-4
        The factor lambda by which the rate falls and parameters shrink, at least 0.
    alpha : float, default 0.75
        The power by which the rate falls, at least 0.
    t0 : float, default 1e6
        The number of steps after which the mean a begins, at least 0. Until then it is the parameter.
    weight_decay : float or schedule, default 0.0
        The factor kappa of an L2 penalty, at least 0: d is g + kappa p.
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
    PyTorch's convention, with the rate of the first step undiminished. The mean is the state ``ax``, to be read from
    ``state_dict()["states"]``: the gradient is to be taken at the parameter still.

    References
    ----------
    Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992, doi:10.1137/0330046.

    Examples
    --------
    >>> p = np.array([1.0, 2.0])
    >>> optimizer = ASGD(p, lr=0.5, lambd=0.0, t0=0)
    >>> for _ in range(3):
    ...     optimizer.step(np.array([1.0, -1.0]))
    >>> p
    array([-0.5,  3.5])
    >>> optimizer.state_dict()["states"][0]["ax"]
    array([-0.25,  3.25])
    """

    hyper = kinds(lr=RATE, lambd=NONNEGATIVE, alpha=NONNEGATIVE, t0=NONNEGATIVE, weight_decay=RATE, maximize=SWITCH)
    records = (formulas.ASGD,)

    def __init__(
        self, params: Params, lr: Hyper = 1e-2, lambd: float = 1e-4, alpha: float = 0.75, t0: float = 1e6,
        weight_decay: Hyper = 0.0, *, maximize: bool = False, **folded: Unpack[Folded],
    ) -> None:  # fmt: skip
        super().__init__(
            params, folded, lr=lr, lambd=lambd, alpha=alpha, t0=t0, weight_decay=weight_decay, maximize=maximize
        )

    @classmethod
    def parameters(cls, record: Step, hyper: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """The formula's parameters."""
        lr, lambd = hyper["lr"], hyper["lambd"]
        rate = lr * (1.0 + lambd * lr * (step - 1)) ** -hyper["alpha"]  # a quotient's divisor might overflow
        share = 1.0 / max(1.0, step - 1 - hyper["t0"])
        return rate, lambd * rate, share, hyper["weight_decay"], sign_of(hyper)


asgd_step = bare_step(
    "asgd_step",
    ASGD,
    """
    >>> p, ax = np.array([1.0]), np.zeros(1)
    >>> asgd_step(p, np.array([1.0]), ax, step=1, lr=0.5, lambd=0.0)
    >>> p, ax
    (array([0.5]), array([0.5]))
    """,
)
