"""How far results are from the exact ones, in units in the last place."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fastloa.cli.accuracy_table import float_info

Array = Any


@dataclass
class Tally:
    """What has been counted so far.

    Parameters
    ----------
    points : int
        Results compared.
    worst : float
        The greatest error in ulp: the distance to the exact result, by the distance of the numbers of the dtype there,
        which is that of subnormal numbers at least and that of the greatest at most. 0.5 stands for all that are
        rounded correctly. An infinity in place of a finite exact result stands for the power of two after the greatest
        number. Infinite, where one of the two is NaN and the other not, where no infinity meets an infinite exact
        result, or where it is more than a float64 holds.
    at, got, exact : list of float, float, float
        Where the error is greatest.
    incorrect : int
        Results that are not the number of the dtype next to the exact one.
    beyond_one : int
        Results more than 1 ulp off.
    lost : int
        Results that are 0 though the exact one is not less than the least number of the dtype.
    lost_subnormal : int
        Those of them where that number is subnormal.
    """

    points: int = 0
    worst: float = 0.0
    at: list[float] | None = None
    got: float | None = None
    exact: float | None = None
    incorrect: int = 0
    beyond_one: int = 0
    lost: int = 0
    lost_subnormal: int = 0

    def add(self, other: "Tally") -> None:
        """Count what another has counted as well; of equal errors the first stays."""
        if other.worst > self.worst:
            self.worst, self.at, self.got, self.exact = other.worst, other.at, other.got, other.exact
        self.points += other.points
        self.incorrect += other.incorrect
        self.beyond_one += other.beyond_one
        self.lost += other.lost
        self.lost_subnormal += other.lost_subnormal

    def as_dict(self) -> dict[str, Any]:
        """Plain values; JSON has no infinity, which is written as a word."""
        return {key: _plain(value) for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Tally":
        """What `as_dict` gave."""
        return cls(**{key: _number(value) for key, value in values.items()})


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return repr(value) if isinstance(value, float) and not np.isfinite(value) else value


def _number(value: Any) -> Any:
    if isinstance(value, list):
        return [_number(item) for item in value]
    return float(value) if isinstance(value, str) else value


def tally(got: Array, exact: Array, operands: tuple[Array, ...]) -> Tally:
    """Compare results with exact ones of a wider format.

    Parameters
    ----------
    got : array
        Results.
    exact : array of the same shape
        The exact results, of a format with at least twice as many digits, or as many more as there are.
    operands : tuple of arrays
        What they were computed of, to name the worst, where the first is a number for each result; labels beside
        whole gradients are left out.

    Returns
    -------
    Tally
        The counts.
    """
    got, exact = got.reshape(-1), exact.reshape(-1)
    with np.errstate(over="ignore", under="ignore"):
        rounded = exact.astype(got.dtype)
    wrong = np.flatnonzero((rounded != got) & ~(np.isnan(rounded) & np.isnan(got)))
    counted = Tally(points=got.size, worst=0.5 if got.size else 0.0)
    if wrong.size == 0:
        return counted
    got, exact, rounded = got[wrong], exact[wrong], rounded[wrong]
    error = _ulp(got, exact)
    lost = (got == 0) & (np.abs(exact) >= float(float_info(got.dtype).smallest_subnormal))
    counted.incorrect = int(wrong.size)
    counted.beyond_one = int(np.count_nonzero(error > 1))
    counted.lost = int(np.count_nonzero(lost))
    counted.lost_subnormal = int(np.count_nonzero(lost & (np.abs(rounded) < float_info(got.dtype).tiny)))
    worst = int(np.argmax(error))
    if error[worst] > counted.worst:
        counted.worst, counted.got, counted.exact = float(error[worst]), float(got[worst]), float(exact[worst])
        if operands and operands[0].size == counted.points:
            counted.at = [float(x.reshape(-1)[wrong[worst]]) for x in operands if x.size == counted.points]
    return counted


def _ulp(got: Array, exact: Array) -> Array:
    """The errors of results that are not rounded correctly."""
    info, one = float_info(got.dtype), exact.dtype.type(1)
    least, (_, most) = int(np.log2(float(info.smallest_subnormal))), np.frexp(float(info.max))
    wide = np.where(np.isinf(got), np.copysign(np.ldexp(one, most), got.astype(exact.dtype)), got.astype(exact.dtype))
    _, exponent = np.frexp(exact)
    unit = np.ldexp(one, np.maximum(np.minimum(exponent, most) - (info.nmant + 1), least))
    finite = ~np.isnan(got) & np.isfinite(exact)
    with np.errstate(over="ignore"):
        return np.where(finite, np.abs(wide - exact) / unit, np.inf).astype(np.float64)
