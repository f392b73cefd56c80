"""The vocabulary of formulas: our own elementary functions, because libm is slow, and differs between machines.

Both versions have the same names; in plain Python, where every number is a float64, a name means that version.
"""

from fastloa_kernels.formulas import (
    elementary32,
    elementary64,
    normal32,
    normal64,
    powers32,
    powers64,
    trigonometric32,
    trigonometric64,
)
from fastloa_kernels.formulas.elementary64 import (
    decay,
    decay_pair,
    exp,
    exp_pair,
    exp_scaled,
    expm1,
    expm1_pair,
    log,
    log1p,
    log1p_pair,
    log1p_unit,
    power,
    shrink_reduced,
    sigmoid,
    tanh,
)
from fastloa_kernels.formulas.normal64 import (
    erf,
    erfc,
    normal_tail,
    normal_tail_parts,
    normal_tail_slope,
    normal_tail_slope_parts,
)
from fastloa_kernels.formulas.powers64 import fading, ldexp, normalised
from fastloa_kernels.formulas.trigonometric64 import sin_reduced, turn_pair, turns

__all__ = [
    "VERSIONS",
    "VOCABULARY",
    "decay",
    "decay_pair",
    "erf",
    "erfc",
    "exp",
    "exp_pair",
    "exp_scaled",
    "expm1",
    "expm1_pair",
    "fading",
    "ldexp",
    "log",
    "log1p",
    "log1p_pair",
    "log1p_unit",
    "normal_tail",
    "normal_tail_parts",
    "normal_tail_slope",
    "normal_tail_slope_parts",
    "normalised",
    "power",
    "shrink_reduced",
    "sigmoid",
    "sin_reduced",
    "tanh",
    "turn_pair",
    "turns",
]

VERSIONS = {
    "float32": vars(elementary32) | vars(normal32) | vars(powers32) | vars(trigonometric32),
    "float64": vars(elementary64) | vars(normal64) | vars(powers64) | vars(trigonometric64),
}
VOCABULARY = {name: VERSIONS["float64"][name] for name in __all__ if name.islower()}
