"""RMSprop, Adagrad, Adadelta and FTRL, whose rate each element earns by its own gradients."""

from collections.abc import Mapping
from typing import Any, ClassVar, Unpack

from fastloa_kernels.formulas import optimizer_adaptive as formulas
from fastloa_kernels.records import Step

from fastloa.folded import Folded
from fastloa.hyper import DECAY, NONNEGATIVE, RATE, SWITCH, Hyper, Number, kinds, sign_of
from fastloa.optimizer_operations import Optimizer, Params
from fastloa.optimizer_steps import bare_step

__all__ = [
    "FTRL",
    "Adadelta",
    "Adagrad",
    "RMSprop",
    "adadelta_step",
    "adagrad_step",
    "ftrl_step",
    "rmsprop_step",
]


class RMSprop(Optimizer):
    r"""RMSprop: steps scaled by a running mean of the gradient's square, or of its variance.

    .. math:: v \leftarrow \alpha v + (1 - \alpha) d^2, \quad m \leftarrow \alpha m + (1 - \alpha) d, \quad
        b \leftarrow \mu b + \frac{d}{\sqrt{v} + \epsilon} \ \text{or} \ \mu b + \frac{d}{\sqrt{v - m^2} + \epsilon},
        \quad p \leftarrow p - \eta b

    Parameters
    ----------
    params : array, or list, tuple or dict of arrays, floating-point
        Updated in place.
    lr : float or schedule, default 1e-2
        The rate eta, at least 0.
    alpha : float, default 0.99
        The decay of the running means v and m, in [0, 1).
    eps : float, default 1e-8
        Added to the root, outside it; at least 0.
    weight_decay : float or schedule, default 0.0
        The factor lambda of an L2 penalty, at least 0: d is g + lambda p.
    momentum : float or schedule, default 0.0
        The decay mu of the velocity b, at least 0. The number 0 keeps no state for it; a schedule does.
    centered : bool, default False
        Divide by the root of the variance v - m**2 instead of the root of v.
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
    PyTorch's convention: eps is added outside the root, and the rate multiplies the velocity at the step. Keras and
    optax add eps inside the root and keep the rate inside the velocity; their alpha is 0.9 by default, and Keras's
    rate 1e-3 and eps 1e-7.

    Where rounding leaves a variance below 0 it is taken for 0; PyTorch gives NaN there.

    References
    ----------
    Tieleman and Hinton, "Lecture 6.5 - RMSProp", Neural Networks for Machine Learning, 2012,
    https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf; Graves, "Generating Sequences With
    Recurrent Neural Networks", 2013, arXiv:1308.0850 (centered).

    Examples
    --------
    >>> p = np.array([1.0, 2.0])
    >>> RMSprop(p, lr=0.5, alpha=0.75, eps=0.0).step(np.array([3.0, -0.1]))
    >>> p
    array([0., 3.])
    """

    hyper = kinds(
        lr=RATE, alpha=DECAY, eps=NONNEGATIVE, weight_decay=RATE, momentum=RATE, centered=SWITCH, maximize=SWITCH
    )
    records = (
        formulas.RMSPROP, formulas.RMSPROP_CENTERED, formulas.RMSPROP_MOMENTUM, formulas.RMSPROP_CENTERED_MOMENTUM,
    )  # fmt: skip

    def __init__(
        self, params: Params, lr: Hyper = 1e-2, alpha: float = 0.99, eps: float = 1e-8, weight_decay: Hyper = 0.0,
        momentum: Hyper = 0.0, centered: bool = False, *, maximize: bool = False, **folded: Unpack[Folded],
    ) -> None:  # fmt: skip
        super().__init__(
            params, folded, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum,
            centered=centered, maximize=maximize,
        )  # fmt: skip

    @classmethod
    def record(cls, hyper: Mapping[str, Any]) -> Step:
        """That with the mean and the velocity that are asked for."""
        if hyper["momentum"] == 0.0:
            return formulas.RMSPROP_CENTERED if hyper["centered"] else formulas.RMSPROP
        return formulas.RMSPROP_CENTERED_MOMENTUM if hyper["centered"] else formulas.RMSPROP_MOMENTUM

    @classmethod
    def parameters(cls, record: Step, hyper: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """The formula's parameters."""
        momentum = (hyper["momentum"],) if "momentum_buffer" in record.states else ()
        return (
            hyper["lr"], hyper["alpha"], 1.0 - hyper["alpha"], hyper["eps"], hyper["weight_decay"],
            sign_of(hyper), *momentum,
        )  # fmt: skip


class Adagrad(Optimizer):
    r"""Adagrad: steps scaled by the sum of all squares of the gradient so far.

    .. math:: s \leftarrow s + d^2, \quad
        p \leftarrow p - \frac{\eta}{1 + (t - 1) \tau} \cdot \frac{d}{\sqrt{s} + \epsilon}

    Parameters
    ----------
    params : array, or list, tuple or dict of arrays, floating-point
        Updated in place.
    lr : float or schedule, default 1e-2
        The rate eta, at least 0.
    lr_decay : float, default 0.0
        The factor tau by which the rate falls with the number of the step, at least 0.
    weight_decay : float or schedule, default 0.0
        The factor lambda of an L2 penalty, at least 0: d is g + lambda p.
    initial_accumulator_value : float, default 0.0
        What the sum s starts from, at least 0.
    eps : float, default 1e-10
        Added to the root, outside it; at least 0.
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
    PyTorch's convention: eps is added outside the root, and the sum starts from 0. Keras and optax add eps, which is
    1e-7 there, inside the root, and start from 0.1; Keras's rate is 1e-3 by default.

    References
    ----------
    Duchi, Hazan and Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization", 2011,
    https://jmlr.org/papers/v12/duchi11a.html.

    Examples
    --------
    >>> p = np.array([1.0, 2.0])
    >>> Adagrad(p, lr=0.5, eps=0.0).step(np.array([3.0, -0.1]))
    >>> p
    array([0.5, 2.5])
    """

    hyper = kinds(
        lr=RATE, lr_decay=NONNEGATIVE, weight_decay=RATE, initial_accumulator_value=NONNEGATIVE, eps=NONNEGATIVE,
        maximize=SWITCH,
    )  # fmt: skip
    records = (formulas.ADAGRAD,)
    initial: ClassVar[Mapping[str, float | str | None]] = {"sum": "initial_accumulator_value"}

    def __init__(
        self, params: Params, lr: Hyper = 1e-2, lr_decay: float = 0.0, weight_decay: Hyper = 0.0,
        initial_accumulator_value: float = 0.0, eps: float = 1e-10, *, maximize: bool = False,
        **folded: Unpack[Folded],
    ) -> None:  # fmt: skip
        super().__init__(
            params, folded, lr=lr, lr_decay=lr_decay, weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value, eps=eps, maximize=maximize,
        )  # fmt: skip

    @classmethod
    def parameters(cls, record: Step, hyper: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """The formula's parameters."""
        rate = hyper["lr"] / (1.0 + (step - 1) * hyper["lr_decay"])
        return rate, hyper["eps"], hyper["weight_decay"], sign_of(hyper)


class Adadelta(Optimizer):
    r"""Adadelta: steps in the units of the parameter, by running means of the squares of gradients and of steps.

    .. math:: v \leftarrow \rho v + (1 - \rho) d^2, \quad \Delta = \frac{\sqrt{u + \epsilon}}{\sqrt{v + \epsilon}} d,
        \quad u \leftarrow \rho u + (1 - \rho) \Delta^2, \quad p \leftarrow p - \eta \Delta

    Parameters
    ----------
    params : array, or list, tuple or dict of arrays, floating-point
        Updated in place.
    lr : float or schedule, default 1.0
        The rate eta, at least 0.
    rho : float, default 0.9
        The decay of both running means, in [0, 1).
    eps : float, default 1e-6
        Added inside both roots, at least 0. With 0 no step is ever taken, for u starts from 0,
        and a gradient of 0 at the first gives NaN.
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
    The paper's rule, with a rate of 1, as in PyTorch. Keras's defaults are a rate of 1e-3, rho 0.95 and eps 1e-7;
    optax has no rate of its own.

    References
    ----------
    Zeiler, "ADADELTA: An Adaptive Learning Rate Method", 2012, arXiv:1212.5701.

    Examples
    --------
    >>> p = np.array([1.0, 2.0])
    >>> Adadelta(p, rho=0.75, eps=0.25).step(np.array([0.0, 2 * 0.75**0.5]))
    >>> p.round(3)
    array([1.   , 1.134])
    """

    hyper = kinds(lr=RATE, rho=DECAY, eps=NONNEGATIVE, weight_decay=RATE, maximize=SWITCH)
    records = (formulas.ADADELTA,)

    def __init__(
        self, params: Params, lr: Hyper = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: Hyper = 0.0, *,
        maximize: bool = False, **folded: Unpack[Folded],
    ) -> None:  # fmt: skip
        super().__init__(params, folded, lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, maximize=maximize)

    @classmethod
    def parameters(cls, record: Step, hyper: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """The formula's parameters."""
        return (
            hyper["lr"], hyper["rho"], 1.0 - hyper["rho"], hyper["eps"], hyper["weight_decay"],
            sign_of(hyper),
        )  # fmt: skip


class FTRL(Optimizer):
    r"""FTRL-Proximal: the parameter that would have been best so far, under penalties that make most of them 0.

    .. math:: n' = n + g^2, \quad z \leftarrow z + g - \frac{n'^q - n^q}{\eta} p, \quad n \leftarrow n', \quad
        p \leftarrow \begin{cases} 0 & |z| \le \lambda_1 \\
        -\dfrac{z - \lambda_1 \operatorname{sign} z}{(\beta + n^q) / \eta + 2 \lambda_2} & \text{else} \end{cases}

    Parameters
    ----------
    params : array, or list, tuple or dict of arrays, floating-point
        Updated in place.
    lr : float or schedule, default 1e-3
        The rate eta, more than 0.
    lr_power : float, default -0.5
        The power -q by which rates fall as squares add up, at most 0. With 0 they do not.
    initial_accumulator_value : float, default 0.1
        What the sum n of squares starts from, at least 0.
    l1 : float or schedule, default 0.0
        The factor lambda_1 of the L1 penalty, at least 0.
    l2 : float or schedule, default 0.0
        The factor lambda_2 of the L2 penalty, at least 0.
    beta : float, default 0.0
        What the paper adds to the root of the sum, at least 0.
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
    Keras's convention: the L2 penalty is lambda_2 p**2, where the paper has half of that. The sum z starts from 0, so
    parameters soon forget where they started. The rate must be more than 0, for z is measured in it.

    References
    ----------
    McMahan et al., "Ad Click Prediction: a View from the Trenches", 2013, doi:10.1145/2487575.2488200.

    Examples
    --------
    >>> p = np.zeros(2)
    >>> FTRL(p, lr=0.5, initial_accumulator_value=0.0, l1=1.0).step(np.array([4.0, -0.5]))
    >>> p
    array([-0.375,  0.   ])
    """

    hyper = kinds(
        lr=Number(low=0.0, low_open=True, varying=True), lr_power=Number(high=0.0),
        initial_accumulator_value=NONNEGATIVE, l1=RATE, l2=RATE, beta=NONNEGATIVE, maximize=SWITCH,
    )  # fmt: skip
    records = (formulas.FTRL, formulas.FTRL_POWER)
    initial: ClassVar[Mapping[str, float | str | None]] = {"accumulator": "initial_accumulator_value"}

    def __init__(
        self, params: Params, lr: Hyper = 1e-3, lr_power: float = -0.5, initial_accumulator_value: float = 0.1,
        l1: Hyper = 0.0, l2: Hyper = 0.0, beta: float = 0.0, *, maximize: bool = False, **folded: Unpack[Folded],
    ) -> None:  # fmt: skip
        super().__init__(
            params, folded, lr=lr, lr_power=lr_power, initial_accumulator_value=initial_accumulator_value, l1=l1,
            l2=l2, beta=beta, maximize=maximize,
        )  # fmt: skip

    @classmethod
    def record(cls, hyper: Mapping[str, Any]) -> Step:
        """That with roots where they are the power."""
        return formulas.FTRL if hyper["lr_power"] == -0.5 else formulas.FTRL_POWER

    @classmethod
    def parameters(cls, record: Step, hyper: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """The formula's parameters."""
        power = (-hyper["lr_power"],) if record is formulas.FTRL_POWER else ()
        return (
            1.0 / hyper["lr"], hyper["l1"], hyper["beta"] / hyper["lr"] + 2.0 * hyper["l2"],
            sign_of(hyper), *power,
        )  # fmt: skip


rmsprop_step = bare_step(
    "rmsprop_step",
    RMSprop,
    """
    >>> p, square_avg = np.array([1.0]), np.zeros(1)
    >>> rmsprop_step(p, np.array([3.0]), square_avg, lr=0.5, alpha=0.75, eps=0.0)
    >>> p
    array([0.])
    """,
    first=1,
)
adagrad_step = bare_step(
    "adagrad_step",
    Adagrad,
    """
    >>> p, sum = np.array([1.0]), np.zeros(1)
    >>> adagrad_step(p, np.array([3.0]), sum, step=1, lr=0.5, eps=0.0)
    >>> p
    array([0.5])
    """,
)
adadelta_step = bare_step(
    "adadelta_step",
    Adadelta,
    """
    >>> p, square_avg, acc_delta = np.array([1.0]), np.zeros(1), np.ones(1)
    >>> adadelta_step(p, np.array([4.0]), square_avg, acc_delta, rho=0.75, eps=0.0, lr=0.25)
    >>> p
    array([0.5])
    """,
    first=1,
)
ftrl_step = bare_step(
    "ftrl_step",
    FTRL,
    """
    >>> p, accumulator, linear = np.zeros(1), np.zeros(1), np.zeros(1)
    >>> ftrl_step(p, np.array([4.0]), accumulator, linear, lr=0.5, l1=1.0)
    >>> p
    array([-0.375])
    """,
    first=1,
)
