"""16-bit parameters that lose nothing to rounding: an optimizer keeps the bits that they have no place for.

Where kernels take an optimizer's arrays as they are, they join and part the bits themselves (`together.py`).
"""

from typing import Any

from fastloa import backends
from fastloa.calls import rounded

NAME = "compensation"  # among an optimizer's states
DTYPE = "int16"
MAGNITUDE, LARGEST = 0x7FFFFFFF, 0x7F7FFFFF  # of a float32 number's bits: all but the sign, and of the largest
HALF = 1 << 15  # float32 numbers from a bfloat16 number to the middle between it and the next


class Whole:
    """A 16-bit parameter and its compensation as one float32 array, for the length of a step.

    The compensation is how many float32 numbers lie between the parameter and what was rounded to it: at most 2**15,
    but for float16 numbers below 2**-14. So the next step goes on from where the last one came to, to the bit, where a
    step of less than half of the distance to the next 16-bit number would otherwise do nothing, however many there were
    (Kalamkar et al., "Optimizing deep learning recommender systems' training on CPU cluster architectures", 2020,
    arXiv:2005.04680, split the same 32 bits for SGD).
    """

    def __init__(self, xp: Any, parameter: Any, compensation: Any, grad: Any) -> None:
        self._xp, self._parameter, self._compensation, self._grad = xp, parameter, compensation, grad
        with backends.device_of(parameter):
            self.grad, bits = grad.astype("float32"), parameter.astype("float32").view("int32")
            # Whoever has written to the parameter since must not find another sign, or no number.
            magnitude = ((bits & MAGNITUDE) + compensation).clip(0, LARGEST)
            whole = xp.where(_finite(bits), (bits & ~MAGNITUDE) | magnitude, bits)
            self.parameter = whole.view("float32")

    def settle(self, *, stepped: bool, zero_grad: bool) -> None:
        """Round the parameter, keep what that loses, and set the gradient to 0 if that is asked for."""
        dtype = self._parameter.dtype
        with backends.device_of(self._parameter):
            if zero_grad:
                self._grad[...] = 0.0
            if stepped:
                whole = self.parameter.view("int32")
                near = rounded(self.parameter, dtype).astype("float32").view("int32")
                near += 2 * HALF * ((whole - near == HALF) & _finite(near))  # for which int16 has no number
                held = rounded(near.view("float32"), dtype)
                bits = held.astype("float32").view("int32")
                self._parameter[...] = held
                self._compensation[...] = self._xp.where(_finite(bits), (whole - bits).clip(-HALF, HALF - 1), 0)


def _finite(bits: Any) -> Any:
    return (bits & MAGNITUDE) <= LARGEST
