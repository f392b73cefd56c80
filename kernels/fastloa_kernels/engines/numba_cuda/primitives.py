"""CUDA's version of every primitive, one for each precision; in the simulator the plain definitions serve.

libdevice's functions with ``_rn`` are single instructions that round to nearest and are never contracted.
"""

from typing import Any

import numpy as np

from fastloa_kernels.engines.numba_cuda.toolchain import SIMULATED, cuda, device
from fastloa_kernels.formulas import resolve

if cuda is not None and not SIMULATED:
    from numba.cuda import libdevice

I32, I64 = np.int32, np.int64


def fma32(x, y, z):
    return libdevice.fmaf_rn(x, y, z)


def fma64(x, y, z):
    return libdevice.fma_rn(x, y, z)


def round_even32(x):
    return libdevice.rintf(x)


def round_even64(x):
    return libdevice.rint(x)


def sqrt32(x):
    return libdevice.fsqrt_rn(x)


def sqrt64(x):
    return libdevice.dsqrt_rn(x)


def reciprocal32(x):
    return libdevice.frcp_rn(x)


def reciprocal64(x):
    return libdevice.drcp_rn(x)


def copysign32(x, y):
    return libdevice.copysignf(x, y)


def copysign64(x, y):
    return libdevice.copysign(x, y)


def further32(x, k):
    return libdevice.int_as_float(I32(libdevice.float_as_int(x) + I32(k)))


def further64(x, k):
    return libdevice.longlong_as_double(libdevice.double_as_longlong(x) + I64(k))


def how_far32(x, y):
    return np.float32(I32(libdevice.float_as_int(x) - libdevice.float_as_int(y)))


def how_far64(x, y):
    return np.float64(libdevice.double_as_longlong(x) - libdevice.double_as_longlong(y))


def shortened32(x, k):
    unit = I32(I32(1) << I32(k))
    return libdevice.int_as_float(I32(I32(libdevice.float_as_int(x) + (unit >> I32(1))) & I32(-unit)))


def shortened64(x, k):
    unit = I64(1) << I64(k)
    return libdevice.longlong_as_double((libdevice.double_as_longlong(x) + (unit >> I64(1))) & -unit)


def power_of_two32(k):
    # Adding 1.5 * 2**23 leaves k in the low bits: cheaper than a conversion to an integer.
    return libdevice.int_as_float(I32(libdevice.float_as_int(k + np.float32(12582912.0 + 127.0)) << I32(23)))


def power_of_two64(k):
    return libdevice.longlong_as_double(libdevice.double_as_longlong(k + (6755399441055744.0 + 1023.0)) << I64(52))


def exponent32(x):
    # The field is put into the mantissa of 2**23 and that is taken away again, for the same reason.
    field = (libdevice.float_as_int(x) >> I32(23)) & I32(0xFF)
    return libdevice.int_as_float(I32(field | I32(0x4B000000))) - np.float32(8388608.0 + 127.0)


def exponent64(x):
    field = (libdevice.double_as_longlong(x) >> I64(52)) & I64(0x7FF)
    return libdevice.longlong_as_double(field | I64(0x4330000000000000)) - (4503599627370496.0 + 1023.0)


def significand32(x):
    return libdevice.int_as_float(I32((libdevice.float_as_int(x) & I32(0x007FFFFF)) | I32(0x3F800000)))


def significand64(x):
    fraction = libdevice.double_as_longlong(x) & I64(0x000FFFFFFFFFFFFF)
    return libdevice.longlong_as_double(fraction | I64(0x3FF0000000000000))


def _versions(width: str) -> dict[str, Any]:
    if SIMULATED:
        return dict(resolve.PRIMITIVES)
    return {name: device(globals()[name + width]) for name in resolve.PRIMITIVES}


VERSIONS = {"float32": _versions("32"), "float64": _versions("64")}
