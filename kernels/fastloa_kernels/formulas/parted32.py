"""float32 numbers as a 16-bit number and how many float32 numbers further from 0 they are, at most 2**15.

So an optimizer's 16-bit parameter loses nothing to rounding (Kalamkar et al., "Optimizing deep learning recommender
systems' training on CPU cluster architectures", 2020, arXiv:2005.04680, part the same 32 bits for SGD). Only of float16
numbers below 2**-14 the parts may be farther apart, and what is beyond 2**15 is lost.
"""

from fastloa_kernels.formulas.everyday import clipped
from fastloa_kernels.primitives import copysign, further, how_far, inf, shortened

LARGEST = 3.4028234663852886e38
LARGEST_16, NORMAL_16 = 65504.0, 2.0**-14  # of float16, and the least that has all digits
ROUND_16 = 0.75  # added and taken away again, it leaves a multiple of float16's least number
MOST = 2.0**15


def joined(x, lost):
    """The number in whole: of the sign of a 16-bit number x, and finite if that is, whoever has written to it since."""
    whole = further(x, lost)  # beyond 0 it is NaN, and only 0 is so near
    return (whole if abs(whole) <= LARGEST else x) if abs(x) <= LARGEST else x


def parted_bfloat16(x):
    held = shortened(x, 16.0) if abs(x) <= LARGEST else x
    return held, how_far(x, held) if abs(held) <= LARGEST else 0.0


def parted_float16(x):
    near = shortened(x, 13.0) if abs(x) >= NORMAL_16 else copysign((x + ROUND_16) - ROUND_16, x)
    held = copysign(inf, x) if abs(near) > LARGEST_16 else near
    return held, clipped(how_far(x, held), -MOST, MOST - 1.0) if abs(held) <= LARGEST else 0.0
