"""What the names in a formula mean: the one place that follows them, for every engine.

A name of the vocabulary (``exp``) means the version for the dtype at hand; any other name means what it means in
Python: another formula, a primitive, or a float constant of the module.
"""

import types
from typing import Any

from fastloa_kernels import primitives
from fastloa_kernels.formulas import elementary
from fastloa_kernels.records import Formula

PRIMITIVES = {
    name: getattr(primitives, name)
    for name in (
        "fma", "round_even", "sqrt", "reciprocal", "copysign", "further", "how_far", "shortened", "power_of_two",
        "exponent", "significand",
    )
}  # fmt: skip
BUILTINS = {"abs": abs}


def referenced(formula: Formula, dtype: str) -> dict[str, Any]:
    """The formulas, primitives and constants that `formula` names, by name, at `dtype` ("float32" or "float64")."""
    code, namespace = formula.__code__, formula.__globals__
    cells = zip(code.co_freevars, formula.__closure__ or (), strict=True)
    found = {name: cell.cell_contents for name, cell in cells}
    for name in code.co_names:
        found[name] = BUILTINS[name] if name in BUILTINS else namespace[name]
    return {name: version(meaning, dtype) for name, meaning in found.items()}


def is_formula(meaning: Any) -> bool:
    return isinstance(meaning, types.FunctionType) and meaning.__module__ != primitives.__name__


def version(meaning: Any, dtype: str) -> Any:
    """The version of a vocabulary function for `dtype`; anything else is returned as it is."""
    name = getattr(meaning, "__name__", "")
    return elementary.VERSIONS[dtype][name] if elementary.VOCABULARY.get(name) is meaning else meaning
