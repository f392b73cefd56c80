"""The vocabulary of formulas: our own elementary functions, because libm is slow, and differs between machines.

Both versions have the same names; in plain Python, where every number is a float64, a name means that version.
"""

from fastloa_kernels.formulas import elementary32, elementary64, trigonometric32, trigonometric64
from fastloa_kernels.formulas.elementary64 import (
    decay,
    erf,
    erfc,
    exp,
    exp_pair,
    expm1,
    expm1_pair,
    log,
    log1p,
    log1p_pair,
    normal_tail,
    normal_tail_slope,
    power,
    shrink_reduced,
    sigmoid,
    tanh,
)
from fastloa_kernels.formulas.trigonometric64 import sin_reduced, turn_pair, turns

__all__ = [
    "VERSIONS",
    "VOCABULARY",
    "decay",
    "erf",
    "erfc",
    "exp",
    "exp_pair",
    "expm1",
    "expm1_pair",
    "log",
    "log1p",
    "log1p_pair",
    "normal_tail",
    "normal_tail_slope",
    "power",
    "shrink_reduced",
    "sigmoid",
    "sin_reduced",
    "tanh",
    "turn_pair",
    "turns",
]

VERSIONS = {
    "float32": vars(elementary32) | vars(trigonometric32),
    "float64": vars(elementary64) | vars(trigonometric64),
}
VOCABULARY = {name: VERSIONS["float64"][name] for name in __all__ if name.islower()}
