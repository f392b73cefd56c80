"""16-bit parameters that lose nothing to rounding: an optimizer keeps the bits that they have no place for.

Kernels take what a parameter has lost before it, join both to a float32 number, and part what that has become
(`fastloa_kernels.formulas.parted32`). So the next step goes on from where the last one came to, to the bit, where a
step of less than half of the distance to the next 16-bit number would otherwise do nothing, however many there were.
"""

from typing import Any

NAME = "compensation"  # among an optimizer's states
DTYPE = "int16"


def form_of(form: str, parameter: Any) -> str:
    """The form of a step that takes such a parameter."""
    return f"{form}_of_{parameter.dtype.newbyteorder('=').name}"


def with_lost(rows: slice, form: str, parameter: Any) -> tuple[slice, str]:
    """The rows of arrays that a form takes, and the form, where before parameters there is a row of what they lost."""
    if rows.start == 0:
        return slice(0, rows.stop + 1), form_of(form, parameter)
    return slice(rows.start + 1, rows.stop + 1), form
