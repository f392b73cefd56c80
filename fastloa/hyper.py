"""The kinds of hyper-parameters of optimizers: what each may be, as numbers, switches or schedules."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from fastloa import checks
from fastloa.schedules import Schedule

Hyper: TypeAlias = float | Schedule


class Kind(Protocol):
    """What a hyper-parameter may be."""

    def __call__(self, function: str, argument: str, value: Any, *, fixed: bool) -> Any:
        """Give the checked value; one that is not `fixed` may be a schedule where the kind allows it."""
        ...


@dataclass(frozen=True)
class Number:
    """A number within bounds, or if `varying` a schedule of such numbers; with `optional` also None."""

    low: float | None = None
    high: float | None = None
    low_open: bool = False
    high_open: bool = False
    varying: bool = False
    optional: bool = False

    def __call__(self, function: str, argument: str, value: Any, *, fixed: bool) -> Any:
        """Check a value."""
        if value is None and self.optional:
            return None
        if isinstance(value, _Checked):
            value = value.schedule
        if callable(value) and self.varying and not fixed:
            return _Checked(function, argument, value, self)
        return self.number(function, argument, value)

    def number(self, function: str, argument: str, value: Any) -> float:
        """Check a number."""
        ends = {"low": self.low, "high": self.high, "low_open": self.low_open, "high_open": self.high_open}
        return checks.number(function, argument, value, **ends)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Integer:
    """A whole number within bounds."""

    low: int | None = None

    def __call__(self, function: str, argument: str, value: Any, *, fixed: bool) -> Any:
        """Check a value."""
        return checks.integer(function, argument, value, low=self.low)


@dataclass(frozen=True)
class Several:
    """As many numbers as there are kinds, in order."""

    kinds: tuple[Number, ...]

    def __call__(self, function: str, argument: str, value: Any, *, fixed: bool) -> Any:
        """Check a value."""
        given = checks.items(function, argument, value)
        if len(given) != len(self.kinds):
            count = {2: "two", 3: "three"}[len(self.kinds)]
            raise ValueError(f"{function}: {argument} must be {count} numbers, got {len(given)}")
        return tuple(
            kind(function, f"{argument}[{i}]", one, fixed=True)
            for i, (kind, one) in enumerate(zip(self.kinds, given, strict=True))
        )


def switch(function: str, argument: str, value: Any, *, fixed: bool) -> Any:
    """Check True or False."""
    return checks.flag(function, argument, value)


@dataclass(frozen=True)
class _Checked:
    """A schedule that refuses a number out of range before anything is written."""

    function: str
    argument: str
    schedule: Schedule
    kind: Number

    def __call__(self, step: int) -> float:
        return self.kind.number(self.function, self.argument, self.schedule(step))

    def __repr__(self) -> str:
        return repr(self.schedule)


RATE = Number(low=0.0, varying=True)
NONNEGATIVE = Number(low=0.0)
DECAY = Number(low=0.0, high=1.0, high_open=True)
SWITCH: Kind = switch


def kinds(**given: Kind) -> Mapping[str, Kind]:
    """Say what each hyper-parameter of an optimizer may be, in the order of its arguments."""
    return given


def sign_of(hyper: Mapping[str, Any]) -> float:
    """What a gradient is multiplied by: -1 to climb instead of to descend."""
    return -1.0 if hyper["maximize"] else 1.0


def both_decays(hyper: Mapping[str, Any]) -> tuple[float, float]:
    """The weight decay that goes into the gradient, and that by which the parameter shrinks: one of them is 0."""
    if hyper["decoupled_weight_decay"]:
        return 0.0, hyper["lr"] * hyper["weight_decay"]
    return hyper["weight_decay"], 0.0


def decays(count: int) -> Several:
    """So many decays of running means, each in [0, 1)."""
    return Several((DECAY,) * count)
