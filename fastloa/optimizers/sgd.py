"""Stochastic gradient descent, with momentum and without."""

from typing import Any

from fastloa_kernels.formulas import optimizers as formulas

from fastloa.checks import flag, integer, number
from fastloa.operations import Array, Parameters
from fastloa.optimizer_operations import Hyper, Optimizer, Params, StepTerms, scheduled, step_operation

__all__ = [
    "SGD",
    "sgd_step",
]


@step_operation(formulas.SGD)
def sgd_step(
    p: Array, g: Array, momentum_buffer: Array | None = None, /, *, step: int = 1, lr: float = 1e-3,
    momentum: float = 0.0, dampening: float = 0.0, weight_decay: float = 0.0, nesterov: bool = False,
    maximize: bool = False, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Take one step of gradient descent on bare arrays, in place.

    .. math:: d = g + \lambda p, \quad b \leftarrow \mu b + (1 - \tau) d, \quad p \leftarrow p - \eta b

    With `nesterov` the last step is by d + mu b; without momentum b is d; at the first step b is d, as in PyTorch.

    Parameters
    ----------
    p : array, shape (...), floating-point
        The parameter; overwritten.
    g : array, shape and dtype of `p`
        Its gradient; left alone.
    momentum_buffer : array, shape and dtype of `p`, optional
        The state b; overwritten. Wanted if, and only if, `momentum` is not 0.
    step : int, default 1
        The number of this step, counted from 1.
    lr : float, default 1e-3
        The rate eta, at least 0.
    momentum : float, default 0.0
        The decay mu of the state, at least 0.
    dampening : float, default 0.0
        The share tau by which the momentum's intake is damped.
    weight_decay : float, default 0.0
        The factor lambda of an L2 penalty, at least 0.
    nesterov : bool, default False
        Look ahead; wants momentum and no dampening.
    maximize : bool, default False
        Climb instead of descend.
    backend : {"auto", "cpu", "cuda", "cupy"}, optional
        Where to run; the backend in force by default.

    Raises
    ------
    TypeError
        Not arrays, arrays of two libraries, or dtypes that differ.
    ValueError
        Shapes differ, an array to be written is read-only, or an option is out of its range.

    References
    ----------
    Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and momentum in deep learning", ICML 2013.

    Examples
    --------
    >>> p = np.array([1.0, 2.0])
    >>> sgd_step(p, np.array([1.0, -1.0]), lr=0.5)
    >>> p
    array([0.5, 2.5])
    """
    name = "sgd_step"
    hyper = {
        "lr": number(name, "lr", lr, low=0.0),
        "momentum": number(name, "momentum", momentum, low=0.0),
        "dampening": number(name, "dampening", dampening),
        "weight_decay": number(name, "weight_decay", weight_decay, low=0.0),
        "nesterov": flag(name, "nesterov", nesterov),
        "maximize": flag(name, "maximize", maximize),
    }
    check_nesterov(name, nesterov, momentum, dampening)
    if momentum == 0.0 and momentum_buffer is not None:
        raise ValueError(f"{name}: momentum_buffer must be left out without momentum, got an array")
    return sgd_terms(hyper, integer(name, "step", step, low=1), momentum != 0.0)


def sgd_terms(hyper: dict[str, Any], step: int, has_momentum: bool) -> StepTerms:
    """The formula and its parameters at the step of that number, counted from 1."""
    common = (hyper["lr"], hyper["weight_decay"], -1.0 if hyper["maximize"] else 1.0)
    if not has_momentum:
        return StepTerms(formulas.SGD, common)
    decay, gain = (0.0, 1.0) if step == 1 else (hyper["momentum"], 1.0 - hyper["dampening"])
    if hyper["nesterov"]:
        return StepTerms(formulas.SGD_NESTEROV, (*common, decay, gain, hyper["momentum"]))
    return StepTerms(formulas.SGD_MOMENTUM, (*common, decay, gain))


def check_nesterov(function: str, nesterov: bool, momentum: Any, dampening: float) -> None:
    """Raise where Nesterov's momentum is not defined."""
    if nesterov and (dampening != 0.0 or (not callable(momentum) and momentum <= 0.0)):
        raise ValueError(
            f"{function}: nesterov must come with momentum > 0 and dampening 0, "
            f"got momentum {momentum} and dampening {dampening}"
        )


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
        The decay mu of the velocity, at least 0. One that is 0 at the start stays off.
    dampening : float, default 0.0
        The share tau by which the momentum's intake is damped.
    weight_decay : float or schedule, default 0.0
        The factor lambda of an L2 penalty, at least 0.
    nesterov : bool, default False
        Step by d + mu b instead of b.
    maximize : bool, default False
        Climb instead of descend.
    backend : {"auto", "cpu", "cuda", "cupy"}, optional
        Where to run; the backend in force by default.

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

    def __init__(
        self, params: Params, lr: Hyper = 1e-3, momentum: Hyper = 0.0, dampening: float = 0.0,
        weight_decay: Hyper = 0.0, nesterov: bool = False, *, maximize: bool = False, backend: str | None = None,
    ) -> None:  # fmt: skip
        hyper = {
            "lr": scheduled("SGD", "lr", lr, low=0.0),
            "momentum": scheduled("SGD", "momentum", momentum, low=0.0),
            "dampening": number("SGD", "dampening", dampening),
            "weight_decay": scheduled("SGD", "weight_decay", weight_decay, low=0.0),
            "nesterov": flag("SGD", "nesterov", nesterov),
            "maximize": flag("SGD", "maximize", maximize),
        }
        check_nesterov("SGD", nesterov, hyper["momentum"], dampening)
        states = () if hyper["momentum"] == 0.0 else ("momentum_buffer",)
        super().__init__("SGD", params, states, hyper, backend)

    def _terms(self, hyper: dict[str, Any]) -> StepTerms:
        return sgd_terms(hyper, self.steps + 1, bool(self._state_names))
