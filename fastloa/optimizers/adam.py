"""Adam, and AdamW, whose weight decay leaves the moments alone."""

import math
from collections.abc import Callable
from typing import Any

from fastloa_kernels.formulas import optimizers as formulas

from fastloa.checks import flag, integer, items, number
from fastloa.operations import Array, Parameters
from fastloa.optimizer_operations import Hyper, Optimizer, Params, StepTerms, scheduled, step_operation

__all__ = [
    "Adam",
    "AdamW",
    "adam_step",
    "adamw_step",
]


def adam_terms(hyper: dict[str, Any], step: int, *, decoupled: bool) -> StepTerms:
    """The formula and its parameters at the step of that number, counted from 1."""
    (beta1, beta2), decay = hyper["betas"], hyper["weight_decay"]
    parameters = (
        hyper["lr"] / (1.0 - beta1**step), 1.0 - beta1, beta2, 1.0 - beta2, math.sqrt(1.0 - beta2**step), hyper["eps"],
        0.0 if decoupled else decay, hyper["lr"] * decay if decoupled else 0.0,
        -1.0 if hyper["maximize"] else 1.0,
    )  # fmt: skip
    return StepTerms(formulas.AMSGRAD if hyper["amsgrad"] else formulas.ADAM, parameters)


def adam_hyper(name: str, check: Callable[..., Any], options: dict[str, Any]) -> dict[str, Any]:
    """Adam's hyper-parameters, checked: by `number` for bare steps, by `scheduled` for the classes."""
    return {
        "lr": check(name, "lr", options["lr"], low=0.0),
        "betas": betas_of(name, options["betas"]),
        "eps": number(name, "eps", options["eps"], low=0.0),
        "weight_decay": check(name, "weight_decay", options["weight_decay"], low=0.0),
        "amsgrad": flag(name, "amsgrad", options["amsgrad"]),
        "maximize": flag(name, "maximize", options["maximize"]),
    }


def betas_of(function: str, betas: Any) -> tuple[float, float]:
    """Two decays in [0, 1)."""
    pair = items(function, "betas", betas)
    if len(pair) != 2:
        raise ValueError(f"{function}: betas must be two numbers, got {len(pair)}")
    first, second = (number(function, f"betas[{i}]", b, low=0.0, high=1.0, high_open=True) for i, b in enumerate(pair))
    return first, second


@step_operation(formulas.ADAM)
def adam_step(
    p: Array, g: Array, exp_avg: Array, exp_avg_sq: Array, max_exp_avg_sq: Array | None = None, /, *, step: int,
    lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0.0,
    amsgrad: bool = False, maximize: bool = False, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Take one step of Adam on bare arrays, in place.

    The update is that of `Adam`, which see.

    Parameters
    ----------
    p : array, shape (...), floating-point
        The parameter; overwritten.
    g : array, shape and dtype of `p`
        Its gradient; left alone.
    exp_avg, exp_avg_sq : arrays, shape and dtype of `p`
        The states m and v; overwritten. Zeros before the first step.
    max_exp_avg_sq : array, shape and dtype of `p`, optional
        The largest v so far; overwritten. Wanted if, and only if, `amsgrad` is set.
    step : int
        The number of this step, counted from 1.
    lr, betas, eps, weight_decay, amsgrad, maximize
        As in `Adam`.
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
    Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015, arXiv:1412.6980; Reddi, Kale and Kumar, "On the
    Convergence of Adam and Beyond", 2018, arXiv:1904.09237 (AMSGrad).

    Examples
    --------
    >>> p, m, v = np.array([1.0]), np.zeros(1), np.zeros(1)
    >>> adam_step(p, np.array([3.0]), m, v, step=1, lr=0.5, eps=0.0, weight_decay=0.0)
    >>> p
    array([0.5])
    """
    options = {
        "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad, "maximize": maximize,
    }  # fmt: skip
    name = "adam_step"
    return adam_terms(adam_hyper(name, number, options), integer(name, "step", step, low=1), decoupled=False)


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

    def __init__(
        self, params: Params, lr: Hyper = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: Hyper = 0.0, amsgrad: bool = False, *, maximize: bool = False, backend: str | None = None,
    ) -> None:  # fmt: skip
        options = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad,
            "maximize": maximize,
        }  # fmt: skip
        hyper = adam_hyper("Adam", scheduled, options)
        states = ("exp_avg", "exp_avg_sq", *(("max_exp_avg_sq",) if hyper["amsgrad"] else ()))
        super().__init__("Adam", params, states, hyper, backend)

    def _terms(self, hyper: dict[str, Any]) -> StepTerms:
        return adam_terms(hyper, self.steps + 1, decoupled=False)


@step_operation(formulas.ADAM)
def adamw_step(
    p: Array, g: Array, exp_avg: Array, exp_avg_sq: Array, max_exp_avg_sq: Array | None = None, /, *, step: int,
    lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0.01,
    amsgrad: bool = False, maximize: bool = False, backend: str | None = None,
) -> Parameters:  # fmt: skip
    r"""Take one step of AdamW on bare arrays, in place.

    The update is that of `AdamW`, which see.

    Parameters
    ----------
    p : array, shape (...), floating-point
        The parameter; overwritten.
    g : array, shape and dtype of `p`
        Its gradient; left alone.
    exp_avg, exp_avg_sq : arrays, shape and dtype of `p`
        The states m and v; overwritten. Zeros before the first step.
    max_exp_avg_sq : array, shape and dtype of `p`, optional
        The largest v so far; overwritten. Wanted if, and only if, `amsgrad` is set.
    step : int
        The number of this step, counted from 1.
    lr, betas, eps, weight_decay, amsgrad, maximize
        As in `AdamW`.
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
    Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019, arXiv:1711.05101.

    Examples
    --------
    >>> p, m, v = np.array([1.0]), np.zeros(1), np.zeros(1)
    >>> adamw_step(p, np.array([3.0]), m, v, step=1, lr=0.5, eps=0.0, weight_decay=0.0)
    >>> p
    array([0.5])
    """
    options = {
        "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad, "maximize": maximize,
    }  # fmt: skip
    name = "adamw_step"
    return adam_terms(adam_hyper(name, number, options), integer(name, "step", step, low=1), decoupled=True)


class AdamW(Optimizer):
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
        weight_decay: Hyper = 0.01, amsgrad: bool = False, *, maximize: bool = False, backend: str | None = None,
    ) -> None:  # fmt: skip
        options = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad,
            "maximize": maximize,
        }  # fmt: skip
        hyper = adam_hyper("AdamW", scheduled, options)
        states = ("exp_avg", "exp_avg_sq", *(("max_exp_avg_sq",) if hyper["amsgrad"] else ()))
        super().__init__("AdamW", params, states, hyper, backend)

    def _terms(self, hyper: dict[str, Any]) -> StepTerms:
        return adam_terms(hyper, self.steps + 1, decoupled=True)
