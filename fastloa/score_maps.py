"""What becomes of class scores before a loss reads them, and the way back of its derivatives."""

from dataclasses import dataclass
from typing import Any

from fastloa_kernels.formulas.activations import SOFTCAP, SOFTCAP_SLOPE
from fastloa_kernels.formulas.random import TEMPERED

from fastloa import checks


@dataclass(frozen=True)
class ScoreMap:
    """Scores are capped as by `softcap`, unless that is None, and then divided by a temperature."""

    softcap: float | None = None
    temperature: float = 1.0

    def __bool__(self) -> bool:
        return self.softcap is not None or self.temperature != 1.0

    def scores(self, engine: Any, x: Any) -> Any:
        """What becomes of `x`, in a new array."""
        scores = engine.xp.empty_like(x)
        if self.softcap is None:
            self._divide(engine, x, scores)
            return scores
        engine.load(SOFTCAP, "value", x.dtype.name)((x,), (scores,), (), (self.softcap,))
        if self.temperature != 1.0:
            self._divide(engine, scores, scores)
        return scores

    def back(self, engine: Any, x: Any, grad: Any, hess: Any = None) -> None:
        """Make derivatives g and h in the scores those in `x`, where they lie: f' g, and f'^2 h + f'' g."""
        second = () if hess is None else (hess, hess)  # twice f'
        if self.temperature != 1.0:
            for array in (grad, *second):
                self._divide(engine, array, array)
        if self.softcap is None:
            return
        bent = None if hess is None else engine.xp.empty_like(x)
        if bent is not None:
            engine.load(SOFTCAP_SLOPE, "backward", x.dtype.name)((grad, x), (bent,), (), (self.softcap,))
        for array in (grad, *second):
            engine.load(SOFTCAP, "backward", x.dtype.name)((array, x), (array,), (), (self.softcap,))
        if hess is not None:
            hess += bent

    def _divide(self, engine: Any, array: Any, out: Any) -> None:
        engine.load(TEMPERED, "value", array.dtype.name)((array,), (out,), (), (self.temperature,))


def score_map(function: str, softcap: float | None, temperature: float) -> ScoreMap:
    """What a definition makes of these options."""
    cap = None if softcap is None else checks.number(function, "softcap", softcap, low=0.0, low_open=True)
    return ScoreMap(cap, checks.number(function, "temperature", temperature, low=0.0, low_open=True))
