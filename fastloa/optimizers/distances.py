"""Prodigy, whose rate is the distance that the parameters seem to have to go."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Unpack

from fastloa_kernels.formulas import optimizer_distances as formulas
from fastloa_kernels.formulas.totals import MAGNITUDE
from fastloa_kernels.records import Step

from fastloa import backends
from fastloa.folded import Folded, Folds
from fastloa.hyper import NONNEGATIVE, RATE, SWITCH, Hyper, Number, decays, kinds, sign_of
from fastloa.norms import total
from fastloa.optimizer_operations import Optimizer, Params
from fastloa.optimizer_steps import Alone, bare_step
from fastloa.together import Together

__all__ = ["Prodigy", "prodigy_step"]

POSITIVE = Number(low=0.0, low_open=True)
DECAY_OF_SUMS = Number(low=0.0, high=1.0, high_open=True, optional=True)
S = formulas.PRODIGY.states.index("s") + 2


def growth(function: str, argument: str, value: Any, *, fixed: bool) -> Any:
    """Check a factor by which a number may grow, which may be infinite."""
    infinite = isinstance(value, float) and value == math.inf
    return value if infinite else Number(low=1.0)(function, argument, value, fixed=fixed)


class Prodigy(Optimizer):
    r"""Prodigy: Adam whose rate follows from how far the gradients say that the parameters have to go.

    .. math:: m \leftarrow \beta_1 m + (1 - \beta_1) d g, \quad v \leftarrow \beta_2 v + (1 - \beta_2) d^2 g^2, \quad
        p \leftarrow (1 - \eta d \lambda) p - \eta d \frac{m}{\sqrt{v} + d \epsilon}

    .. math:: r \leftarrow \beta_3 r + \eta \frac{d^2}{d_0} \langle g, p_0 - p \rangle, \quad
        s \leftarrow \beta_3 s + \eta \frac{d^2}{d_0} g, \quad
        d \leftarrow \max\left(d, c \frac{r}{\|s\|_1}\right)

    Parameters
    ----------
    params : array, or list, tuple or dict of arrays, floating-point
        Updated in place.
    lr : float or schedule, default 1.0
        The factor eta of the rate that is found, at least 0; for a warm-up or a decay.
    betas : pair of float, default (0.9, 0.999)
        The decays of the moments m and v, in [0, 1).
    beta3 : float or None, default None
        The decay of the sums r and s, in [0, 1); None for the root of the second of `betas`.
    eps : float, default 1e-8
        Added to the root, outside it, times d; at least 0.
    weight_decay : float or schedule, default 0.0
        The factor lambda by which parameters shrink, at least 0.
    decouple : bool, default True
        Whether the weight decay is apart from the gradient, as in `AdamW`; else lambda p is added to g.
    use_bias_correction : bool, default False
        Whether steps are multiplied by :math:`\sqrt{1 - \beta_2^t} / (1 - \beta_1^t)`, as Adam's are.
    safeguard_warmup : bool, default False
        Whether s is without the factor eta, so that a warm-up from small rates does not make d large.
    d0 : float, default 1e-6
        The first estimate of d, more than 0. It should be less than the distance; how much less is of little matter.
    d_coef : float, default 1.0
        The factor c, more than 0: what to change where steps are too long or too short.
    growth_rate : float, default inf
        The most by which d may be multiplied in a step, at least 1.
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
    The distance d, a property, is one for all arrays: that from the first parameters :math:`p_0`, a state, to the best,
    bounded from below. Its sums are taken in float64, in the order of all sums here, and take two passes beside the
    step's: one over p, g and :math:`p_0`, one over s. On a GPU they and d stay there, and nothing waits for them. A sum
    that is no number leaves d as it was.

    Options and defaults are those of the authors' code. Like the paper it scales eps by the d that the step is made
    with, where the authors' code takes the next one; and a step with a rate of 0 changes the moments, where that code
    makes no step.

    References
    ----------
    Mishchenko and Defazio, "Prodigy: An Expeditiously Adaptive Parameter-Free Learner", 2023, arXiv:2306.06101.

    Examples
    --------
    >>> p = np.array([3.0, -4.0])
    >>> optimizer = Prodigy(p)
    >>> for _ in range(200):
    ...     optimizer.step(2.0 * p)
    >>> p.round(2), round(optimizer.distance, 2)
    (array([0., 0.]), 1.53)
    """

    hyper = kinds(
        lr=RATE, betas=decays(2), beta3=DECAY_OF_SUMS, eps=NONNEGATIVE, weight_decay=RATE, decouple=SWITCH,
        use_bias_correction=SWITCH, safeguard_warmup=SWITCH, d0=POSITIVE, d_coef=POSITIVE, growth_rate=growth,
        maximize=SWITCH,
    )  # fmt: skip
    records = (formulas.PRODIGY, formulas.PRODIGY_DISTANCE)
    initial: ClassVar[Mapping[str, float | str | None]] = {"p0": None}
    shared: ClassVar[Mapping[str, tuple[int, str]]] = {
        "distance": (3, "The distance d, the largest estimate of it, and r: `d0` twice, and 0, before the first step.")
    }

    def __init__(
        self, params: Params, lr: Hyper = 1.0, betas: tuple[float, float] = (0.9, 0.999), beta3: float | None = None,
        eps: float = 1e-8, weight_decay: Hyper = 0.0, decouple: bool = True, use_bias_correction: bool = False,
        safeguard_warmup: bool = False, d0: float = 1e-6, d_coef: float = 1.0, growth_rate: float = math.inf, *,
        maximize: bool = False, **folded: Unpack[Folded],
    ) -> None:  # fmt: skip
        super().__init__(
            params, folded, lr=lr, betas=betas, beta3=beta3, eps=eps, weight_decay=weight_decay, decouple=decouple,
            use_bias_correction=use_bias_correction, safeguard_warmup=safeguard_warmup, d0=d0, d_coef=d_coef,
            growth_rate=growth_rate, maximize=maximize,
        )  # fmt: skip
        first = self._hyper["d0"]
        with backends.device_of(next(iter(self._arrays.values()))):
            # The distance, the largest estimate of it, and r.
            self._found = backends.namespace_of(self._home).array([first, first, 0.0], "float64")

    @classmethod
    def parameters(cls, record: Step, hyper: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """The formula's parameters."""
        (beta1, beta2), rate, decay = hyper["betas"], _rate(hyper, step), hyper["weight_decay"]
        coupled, decoupled = (0.0, rate * decay) if hyper["decouple"] else (decay, 0.0)
        gain = (1.0 if hyper["safeguard_warmup"] else rate) / hyper["d0"]
        return (
            rate, gain, _decay_of_sums(hyper), 1.0 - beta1, beta2, 1.0 - beta2, hyper["eps"], coupled, decoupled,
            sign_of(hyper),
        )  # fmt: skip

    @property
    def distance(self) -> Any:
        """The estimate d for the next step; on a GPU a 0-d array there, for which nothing waits."""
        with backends.device_of(self._found):
            found = backends.bring_home(self._found, self._home)[0]
            return float(found) if self._home == "numpy" else found.copy()  # which steps leave alone

    def _follow(
        self, parts: Sequence[Together] | Sequence[Alone], hyper: Mapping[str, Any], parameters: tuple[float, ...],
        folds: Folds, factor: Any,
    ) -> None:  # fmt: skip
        with parts[0].on_device():
            self._found = parts[0].engine.bring(self._found)
        self.follow(parts, self._record, hyper, parameters, folds, factor, (self._found,))

    @classmethod
    def follow(
        cls, parts: Sequence[Any], record: Step, hyper: Mapping[str, Any], parameters: tuple[float, ...],
        folds: Folds, factor: Any, shared: tuple[Any, ...],
    ) -> None:  # fmt: skip
        """Take the steps of parameters, by the distance that the gradients have told of before, and draw it on."""
        leading, rows, engine = (1.0, *folds.descent(factor)), slice(0, record.arrays), parts[0].engine
        way = total(parts, lambda part: part.sums(record, "total_summed", rows, leading, parameters))
        distance, largest, numerator = (shared[0][i : i + 1] for i in range(3))
        followed = distance[0] if parts[0].on_cpu else distance.reshape(())
        for part in parts:
            part.step(record, parameters, folds, factor, (followed,))
        size = total(parts, lambda part: part.sums(MAGNITUDE, "value_summed_wide", slice(S, S + 1), (), ()))
        gain = parameters[0] / hyper["d0"]
        numbers = gain, _decay_of_sums(hyper), hyper["d0"], hyper["d_coef"], hyper["growth_rate"]
        with parts[0].on_device():
            kernel = engine.load(formulas.PRODIGY_DISTANCE, "step", "float64")
            kernel((distance, way.reshape(1), size.reshape(1), largest, numerator), (), (), numbers)

    def state_dict(self) -> dict[str, Any]:
        """Return what all optimizers return, and under ``distance`` what the distance follows from.

        Returns
        -------
        dict
            ``steps`` (int), ``states`` (a list of dicts of arrays), ``hyper`` (a dict) and ``distance`` (a float64
            array: d, the largest estimate of it, and r).
        """
        with backends.device_of(self._found):
            return {**super().state_dict(), "distance": backends.bring_home(self._found, self._home).copy()}

    def _checked_state(self, function: str, state_dict: Mapping[str, Any]) -> dict[str, Any]:
        found = super()._checked_state(function, state_dict)
        if "distance" not in state_dict:
            raise ValueError(f"{function}: state_dict must have the key 'distance', got {sorted(state_dict)}")
        distance = state_dict["distance"]
        backends.library(function, "distance", distance)
        if distance.shape != (3,) or distance.dtype != "float64":
            raise ValueError(
                f"{function}: distance must be float64 of shape (3,), got {distance.dtype} of shape {distance.shape}"
            )
        return {**found, "distance": distance}

    def _go_on(self, found: Mapping[str, Any]) -> None:
        super()._go_on(found)
        with backends.device_of(next(iter(self._arrays.values()))):
            self._found = backends.bring_home(found["distance"], self._home).copy()


prodigy_step = bare_step(
    "prodigy_step",
    Prodigy,
    """
    >>> p, distance = np.array([3.0, -4.0]), np.array([1e-6, 1e-6, 0.0])
    >>> p0, s, m, v = p.copy(), np.zeros(2), np.zeros(2), np.zeros(2)
    >>> for step in range(1, 201):
    ...     prodigy_step(p, 2.0 * p, p0, s, m, v, distance, step=step)
    >>> p.round(2), distance[0].round(2)
    (array([0., 0.]), np.float64(1.53))
    """,
    kept=(formulas.PRODIGY.states,),
)


def _rate(hyper: Mapping[str, Any], step: int) -> float:
    """The rate of a step but for d."""
    beta1, beta2 = hyper["betas"]
    corrected: float = hyper["lr"]
    if hyper["use_bias_correction"]:
        corrected *= math.sqrt(1.0 - beta2**step) / (1.0 - beta1**step)
    return corrected


def _decay_of_sums(hyper: Mapping[str, Any]) -> float:
    return math.sqrt(hyper["betas"][1]) if hyper["beta3"] is None else float(hyper["beta3"])
