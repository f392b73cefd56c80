"""What every optimizer folds into its steps: the gradients' scale and clips, a mean of the parameters, and the like."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypedDict

from fastloa.hyper import SWITCH, Hyper, Number, kinds

SMALL, LIFT = 2.0**-100, 2.0**80  # of what gradients are multiplied by, and that times what they are divided by
ROOM = 120  # binary digits of the latter, which is to be a number of float32
CLIP = Number(low=0.0, varying=True, optional=True)
KINDS = kinds(
    grad_scale=Number(low=0.0, low_open=True, varying=True), clip_value=CLIP, clip_norm=CLIP, skip_nonfinite=SWITCH,
    ema=Number(low=0.0, high=1.0, varying=True, optional=True), zero_grad=SWITCH,
)  # fmt: skip


class Folded(TypedDict, total=False):
    """What every optimizer takes beside its own hyper-parameters; `fastloa.optimizers` says what each is."""

    backend: str | None
    grad_scale: Hyper
    clip_value: Hyper | None
    clip_norm: Hyper | None
    skip_nonfinite: bool
    ema: Hyper | None
    zero_grad: bool
    compensated: bool


@dataclass(frozen=True)
class Folds:
    """The same, checked; at a step, numbers and no schedules."""

    grad_scale: Any = 1.0
    clip_value: Any = None
    clip_norm: Any = None
    skip_nonfinite: bool = False
    ema: Any = None
    zero_grad: bool = False

    @classmethod
    def checked(cls, function: str, given: Mapping[str, Any], *, fixed: bool = False) -> "Folds":
        """Those that are given, checked; with `fixed`, none of them a schedule."""
        known = {name: kind(function, name, given[name], fixed=fixed) for name, kind in KINDS.items() if name in given}
        return PLAIN if not known or cls(**known) == PLAIN else cls(**known)

    def at(self, step: int) -> "Folds":
        """What they are at a step, counted from 0."""
        if self is PLAIN:
            return self
        varying = {name: value(step) for name, value in vars(self).items() if callable(value)}
        return replace(self, **varying) if varying else self

    @property
    def limit(self) -> float:
        """The largest size of an element of a gradient."""
        return math.inf if self.clip_value is None else float(self.clip_value)

    def descent(self, factor: Any) -> tuple[Any, Any, Any]:
        """What gradients are divided by, their largest size, and what they are multiplied by: all numbers of float32.

        The factor may be too small for one where the gradient is large.
        """
        if isinstance(factor, float) and factor >= SMALL:
            return self.grad_scale, self.limit, factor
        if isinstance(factor, float):  # half of what the factor lacks, as far as the scale has room
            lift = 2.0 ** max(0, min(-math.frexp(factor)[1] // 2, ROOM - math.frexp(self.grad_scale)[1]))
        else:  # of a GPU, an array there
            lift = 1.0 + (factor < SMALL) * (LIFT - 1.0)
        return self.grad_scale * lift, self.limit / lift, factor * lift

    @property
    def form(self) -> str:
        """The form of a step that does all that is asked for."""
        if self is PLAIN:
            return "step"
        return "step_folded" + "_averaged" * (self.ema is not None) + "_zeroed" * self.zero_grad

    def leading(self, factor: Any) -> tuple[Any, ...]:
        """The leading scalars of that form; the factor shrinks gradients to the norm that is asked for."""
        if self is PLAIN:
            return ()
        return (*self.descent(factor), *(() if self.ema is None else (1.0 - self.ema,)))


PLAIN = Folds()
OF_BARE_STEPS = ("grad_scale", "clip_value", "clip_norm", "zero_grad")
