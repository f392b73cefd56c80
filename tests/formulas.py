"""Formulas as tests take them: compiled by themselves, their machine code counted, and numbers to try them on."""

import math
import re
from functools import cache

import llvmlite.binding
import numba
import numpy as np
import pytest
from fastloa_kernels.engines.numba_cpu.binding import bind
from fastloa_kernels.formulas import elementary
from mpmath import mp, mpf

from tests.harness import PRECISION

INF = math.inf
FUNCTIONS = ("erf", "erfc", "exp", "expm1", "log", "log1p", "sigmoid", "tanh")


@cache
def compiled(formula, dtype, arrays=1, parameters=()):
    """The formula over arrays, as the CPU engine compiles it, and the function that numba made."""
    scalar, constants = bind(formula, dtype), tuple(map(np.dtype(dtype).type, parameters))

    def one(x, out):
        for i in range(x.size):
            out[i] = scalar(x[i], *constants)

    def two(x, t, out):
        for i in range(x.size):
            out[i] = scalar(x[i], t[i], *constants)

    kernel = numba.njit((one, two)[arrays - 1], error_model="numpy")

    def call(*operands):
        operands = [np.asarray(x, dtype) for x in operands]
        out = np.empty_like(operands[0])
        kernel(*operands, out)
        return out

    return call, kernel


def parts(block):
    """The high, the low and the factor that a formula gives, as three formulas."""

    def high(x):
        found, _, _ = block(x)
        return found

    def low(x):
        _, found, _ = block(x)
        return found

    def factor(x):
        _, _, found = block(x)
        return found

    return high, low, factor


def check_pair(block, reference, x, digits):
    """Hold (high + low) * factor to so many binary digits."""
    found = [compiled(part, x.dtype.name)[0](x) for part in parts(block)]
    with mp.workprec(PRECISION[x.dtype.name]):
        for value, high, low, factor in zip(x, *found, strict=True):
            right = reference(mpf(float(value)))
            pair = (mpf(float(high)) + mpf(float(low))) * mpf(float(factor))
            assert abs(pair - right) <= right * mpf(2) ** -digits, value


def function(name, dtype):
    return compiled(getattr(elementary, name), dtype)[0]


def everywhere(dtype, count, seed=0):
    """Numbers of every sign and size, subnormal ones and the largest among them: evenly spaced in their bits."""
    word = np.dtype(dtype.replace("float", "uint"))
    largest = int(np.asarray(np.finfo(dtype).max).view(word))
    bits = np.random.default_rng(seed).integers(0, largest, count, dtype=word, endpoint=True)
    x = bits.view(dtype)
    return np.concatenate([x[::2], -x[1::2]])


def interesting(name, dtype, count):
    """Where the function has its digits."""
    low = {"float32": -104.0, "float64": -746.0}[dtype]
    near = {
        "erf": [(-6.0, 6.0), (-1.0, 1.0), (0.4, 0.6), (-1e-3, 1e-3)],
        "erfc": [(-6.0, 27.3), (-1.0, 1.0), (0.0, 10.1), (8.0, 10.1)],
        "exp": [(low, -low), (-1.0, 1.0), (low, low * 0.8)],
        "expm1": [(-40.0, 40.0), (-1.5, 1.5), (0.3, 0.5), (0.0, -low)],
        "log": [(0.5, 2.0), (0.7, 0.8), (1.3, 1.6), (0.0, 1e3)],
        "log1p": [(-1.0, 3.0), (-0.3, 0.6), (0.4, 0.5), (0.0, 1e3)],
        "sigmoid": [(low, 40.0), (-3.0, 3.0), (low, low * 0.8)],
        "tanh": [(-20.0, 20.0), (-1.0, 1.0), (-0.3, 0.3)],
    }[name]
    rng = np.random.default_rng(1)
    return np.concatenate([rng.uniform(a, b, count) for a, b in near]).astype(dtype)


def hard(dtype):
    """The ends of the range, and both sides of every place where a function over- or underflows or changes its form."""
    info = np.finfo(dtype)
    powers = info.maxexp * math.log(2.0) - np.array([0.0, 1.0, 2.0, 2.0 * info.maxexp + info.nmant - 2.0]) * math.log(
        2.0
    )
    ln2 = np.array([0.5, 1.0, 1.5, 24.0, 25.0, 53.0, 54.0]) * math.log(2.0)
    seeds = [*powers, *ln2, 1.0, 0.5, 0.75, 1.5, 2.0, 18.2, 38.2, 174.0, 1416.0, 2.0**-24, 2.0**-53]
    seeds += [9.2, 10.05, 13.1, 13.2, 14.4, 18.6, 26.6, 27.2, 37.5, 37.6, 38.5, 53.2]
    seeds += [float(info.max), float(info.tiny), float(info.smallest_subnormal)]
    x = np.array(seeds, dtype)
    with np.errstate(all="ignore"):
        x = np.concatenate([x, np.nextafter(x, np.dtype(dtype).type(INF)), np.nextafter(x, np.dtype(dtype).type(0.0))])
    return np.concatenate([x, -x])[np.isfinite([*x, *x])]


LIBM = re.compile(
    r"\$\.?(erf|erfc|exp|expm1|exp2|log|log1p|log2|tanh|sin|cos|sincos|fma|rint|ldexp|nearbyint|pow)[fl]?\b"
)


def arithmetic(kernel):
    """How many arithmetic instructions work on whole vectors, and the calls to libm."""
    assembly = "\n".join(kernel.inspect_asm().values())
    wide = re.findall(r"^\s+v(?:fn?m\w+|add|sub|mul|div|sqrt)p[sd]\s.*[yz]mm", assembly, re.M)
    return len(wide), LIBM.findall(assembly)


def scalar_operations(kernel):
    assembly = "\n".join(kernel.inspect_asm().values())
    return len(re.findall(r"^\s+v(?:fn?m\w+|add|sub|mul|div|sqrt)s[sd]\s", assembly, re.M))


def needs_avx2():
    features = llvmlite.binding.get_host_cpu_features()
    if not (features.get("avx2") and features.get("fma")):
        pytest.skip("this processor has no AVX2 with FMA")
