"""The vocabulary of formulas: our own elementary functions, because libm is slow, and differs between machines.

Both versions have the same names; in plain Python, where every number is a float64, a name means that version.
"""

from fastloa_kernels.formulas import elementary32, elementary64
from fastloa_kernels.formulas.elementary64 import (
    cos,
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
    sigmoid,
    sin,
    tanh,
)

__all__ = [
    "VERSIONS",
    "VOCABULARY",
    "cos",
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
    "sigmoid",
    "sin",
    "tanh",
]

VERSIONS = {"float32": elementary32, "float64": elementary64}
VOCABULARY = {name: getattr(elementary64, name) for name in __all__ if name.islower()}
