"""Philox-4x32-10 (Salmon et al., 2011, doi:10.1145/2063384.2063405) for engines that compile Python.

Blocks are counted through: the key is the seed, the lower half of the counter is the block's number and the upper half
that of the stream. A block's four words of 32 bits are two numbers of 64, the first word of each being its lower half.
Of those a float64 takes the upper 53 bits, and a float32 the upper 24.
"""

from typing import Any

import numpy as np

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_WORD, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


def block(seed: Any, stream: Any, number: Any) -> tuple[Any, Any]:
    """The two numbers of a block, all of them np.uint64."""
    a, b, c, d = number & _WORD, number >> _HALF, stream & _WORD, stream >> _HALF
    k, m = seed & _WORD, seed >> _HALF
    for _ in range(10):
        p, q = _M0 * a, _M1 * c
        a, b, c, d = (q >> _HALF) ^ b ^ k, q & _WORD, (p >> _HALF) ^ d ^ m, p & _WORD
        k, m = (k + _W0) & _WORD, (m + _W1) & _WORD
    return a | (b << _HALF), c | (d << _HALF)


_TO32, _TO64 = np.uint64(40), np.uint64(11)
_LAST32, _LAST64 = np.float32(2.0**-24), np.float64(2.0**-53)


def _single(bits: Any) -> Any:
    return np.float32(np.int32(bits >> _TO32)) * _LAST32


def _double(bits: Any) -> Any:
    return np.float64(np.int64(bits >> _TO64)) * _LAST64


# The number from [0, 1) that is made of one of the block's.
UNIT = {"float32": _single, "float64": _double}
