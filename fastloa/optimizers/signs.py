"""Rprop, Lion and Signum, which go by the signs of gradients or of their means, not by their sizes."""

from collections.abc import Mapping
from typing import Any, ClassVar, Unpack

from fastloa_kernels.formulas import optimizer_signs as formulas
from fastloa_kernels.records import Step

from fastloa.folded import Folded
from fastloa.hyper import NONNEGATIVE, RATE, SWITCH, Hyper, Number, Several, decays, kinds, sign_of
from fastloa.optimizer_operations import Optimizer, Params
from fastloa.optimizer_steps import bare_step

__all__ = [
    "Lion",
    "Rprop",
    "Signum",
    "lion_step",
    "rprop_step",
    "signum_step",
]


class Rprop(Optimizer):
    r"""Resilient backpropagation: each element has a step size, which grows until its gradient changes sign.

    .. math:: \eta \leftarrow \min(\max(\eta c, \eta_\text{least}), \eta_\text{most}), \quad
        p \leftarrow p - \eta \operatorname{sign} g, \quad h \leftarrow g

    where :math:`h` is the gradient before and :math:`c` is :math:`c_+` for :math:`g h > 0`, 1 for :math:`g h = 0`, and
    :math:`c_-` for :math:`g h < 0`; in the last case 0 takes the place of :math:`g`.

    Parameters
    ----------
    params : array, or list, tuple or dict of arrays, floating-point
        Updated in place.
    lr : float, default 1e-2
        The step size eta that all elements start from, at least 0.
    etas : pair of float, default (0.5, 1.2)
        The factors c- in (0, 1), and c+ above 1.
    step_sizes : pair of float, default (1e-6, 50.0)
        The least step size and the most, at least 0.
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
    For whole gradients: the noise of a minibatch changes signs for no reason. After a change of sign the element stays
    where it is for one step, as in PyTorch and optax; the first paper's takes the last step back. Signs are compared as
    such: the product g h may be too small for a number, and PyTorch takes it for 0 then.

    References
    ----------
    Riedmiller and Braun, "A Direct Adaptive Method for Faster Backpropagation Learning: The RPROP Algorithm", 1993,
    doi:10.1109/ICNN.1993.298623; Igel and Hüsken, "Empirical Evaluation of the Improved Rprop Learning Algorithms",
    2003, doi:10.1016/S0925-2312(01)00700-7.

    Examples
    --------
    >>> p = np.array([1.0, 2.0])
    >>> Rprop(p, lr=0.5).step(np.array([3.0, -0.1]))
    >>> p
    array([0.5, 2.5])
    """

    hyper = kinds(
        lr=NONNEGATIVE,
        etas=Several((Number(low=0.0, high=1.0, low_open=True, high_open=True), Number(low=1.0, low_open=True))),
        step_sizes=Several((NONNEGATIVE, NONNEGATIVE)),
        maximize=SWITCH,
    )
    records = (formulas.RPROP,)
    initial: ClassVar[Mapping[str, float | str | None]] = {"step_size": "lr"}

    def __init__(
        self, params: Params, lr: float = 1e-2, etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50.0), *, maximize: bool = False, **folded: Unpack[Folded],
    ) -> None:  # fmt: skip
        super().__init__(params, folded, lr=lr, etas=etas, step_sizes=step_sizes, maximize=maximize)

    @classmethod
    def check_together(cls, function: str, hyper: Mapping[str, Any]) -> None:
        """Raise where no step size lies between the least and the most."""
        least, most = hyper["step_sizes"]
        if least > most:
            raise ValueError(f"{function}: step_sizes must be in order, got {least} and {most}")

    @classmethod
    def parameters(cls, record: Step, hyper: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """The formula's parameters."""
        return (*hyper["etas"], *hyper["step_sizes"], sign_of(hyper))


class Lion(Optimizer):
    r"""Lion: steps by the sign of a mean of the gradients, with a weight decay apart from them.

    .. math:: p \leftarrow (1 - \eta \lambda) p - \eta \operatorname{sign}(\beta_1 m + (1 - \beta_1) g), \quad
        m \leftarrow \beta_2 m + (1 - \beta_2) g

    Parameters
    ----------
    params : array, or list, tuple or dict of arrays, floating-point
        Updated in place.
    lr : float or schedule, default 1e-4
        The rate eta, at least 0: how far every element goes.
    betas : pair of float, default (0.9, 0.99)
        The share of m in the direction, and the decay of m; in [0, 1).
    weight_decay : float or schedule, default 0.0
        The factor lambda by which parameters shrink, at least 0.
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
    The paper's rule; the sign of 0 is 0. Keras's rate is 1e-3 by default, and optax's weight decay. The rate should be
    3 to 10 times less than AdamW's, and the weight decay as much larger.

    References
    ----------
    Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023, arXiv:2302.06675.

    Examples
    --------
    >>> p = np.array([1.0, 2.0])
    >>> Lion(p, lr=0.5).step(np.array([3.0, -0.1]))
    >>> p
    array([0.5, 2.5])
    """

    hyper = kinds(lr=RATE, betas=decays(2), weight_decay=RATE, maximize=SWITCH)
    records = (formulas.LION,)

    def __init__(
        self, params: Params, lr: Hyper = 1e-4, betas: tuple[float, float] = (0.9, 0.99), weight_decay: Hyper = 0.0, *,
        maximize: bool = False, **folded: Unpack[Folded],
    ) -> None:  # fmt: skip
        super().__init__(params, folded, lr=lr, betas=betas, weight_decay=weight_decay, maximize=maximize)

    @classmethod
    def parameters(cls, record: Step, hyper: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """The formula's parameters."""
        beta1, beta2 = hyper["betas"]
        decay, sign = hyper["lr"] * hyper["weight_decay"], sign_of(hyper)
        return hyper["lr"], beta1, 1.0 - beta1, 1.0 - beta2, decay, sign


class Signum(Optimizer):
    r"""Signum: steps by the sign of the momentum; signSGD, if the momentum is 0.

    .. math:: m \leftarrow \mu m + (1 - \mu) g, \quad p \leftarrow (1 - \eta \lambda) p - \eta \operatorname{sign} m

    Parameters
    ----------
    params : array, or list, tuple or dict of arrays, floating-point
        Updated in place.
    lr : float or schedule, default 1e-2
        The rate eta, at least 0: how far every element goes.
    momentum : float or schedule, default 0.9
        The decay mu of m, in [0, 1). The number 0 keeps no state for it; a schedule does.
    weight_decay : float or schedule, default 0.0
        The factor lambda by which parameters shrink, at least 0.
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
    The sign of 0 is 0. The weight decay is apart from the gradient: added to it, it would not show in a sign.

    References
    ----------
    Bernstein et al., "signSGD: Compressed Optimisation for Non-Convex Problems", 2018, arXiv:1802.04434.

    Examples
    --------
    >>> p = np.array([1.0, 2.0])
    >>> Signum(p, lr=0.5).step(np.array([3.0, -0.1]))
    >>> p
    array([0.5, 2.5])
    """

    hyper = kinds(
        lr=RATE, momentum=Number(low=0.0, high=1.0, high_open=True, varying=True), weight_decay=RATE, maximize=SWITCH
    )
    records = (formulas.SIGNUM, formulas.SIGN_SGD)

    def __init__(
        self, params: Params, lr: Hyper = 1e-2, momentum: Hyper = 0.9, weight_decay: Hyper = 0.0, *,
        maximize: bool = False, **folded: Unpack[Folded],
    ) -> None:  # fmt: skip
        super().__init__(params, folded, lr=lr, momentum=momentum, weight_decay=weight_decay, maximize=maximize)

    @classmethod
    def record(cls, hyper: Mapping[str, Any]) -> Step:
        """That with the momentum that is asked for."""
        return formulas.SIGN_SGD if hyper["momentum"] == 0.0 else formulas.SIGNUM

    @classmethod
    def parameters(cls, record: Step, hyper: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """The formula's parameters."""
        rest = (1.0 - hyper["momentum"],) if record is formulas.SIGNUM else ()
        return hyper["lr"], hyper["lr"] * hyper["weight_decay"], sign_of(hyper), *rest


rprop_step = bare_step(
    "rprop_step",
    Rprop,
    """
    >>> p, prev, step_size = np.array([1.0]), np.array([2.0]), np.array([0.5])
    >>> rprop_step(p, np.array([3.0]), prev, step_size, etas=(0.5, 1.5))
    >>> p, prev, step_size
    (array([0.25]), array([3.]), array([0.75]))
    """,
    first=1,
)
lion_step = bare_step(
    "lion_step",
    Lion,
    """
    >>> p, exp_avg = np.array([1.0]), np.zeros(1)
    >>> lion_step(p, np.array([3.0]), exp_avg, lr=0.5)
    >>> p
    array([0.5])
    """,
    first=1,
)
signum_step = bare_step(
    "signum_step",
    Signum,
    """
    >>> p, momentum_buffer = np.array([1.0]), np.zeros(1)
    >>> signum_step(p, np.array([3.0]), momentum_buffer, lr=0.5)
    >>> p
    array([0.5])
    """,
    first=1,
)
