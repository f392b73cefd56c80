"""float32 numbers in two parts of 16 bits, on every engine that needs no device, against NumPy's and ml_dtypes' rounding."""

import ml_dtypes
import numpy as np
import pytest
from fastloa_kernels import primitives
from fastloa_kernels.engines.numba_cpu.elementwise import MapKernel
from fastloa_kernels.forms import PARTED, Form
from fastloa_kernels.formulas import parted32

from tests.test_stored import FLOAT16, HALVES, bits, every, numbers, rounded, same


def mapped(formula, results, *arrays):
    """The results of a formula of numbers, compiled for the CPU."""
    out = tuple(np.empty_like(arrays[0]) for _ in range(results))
    MapKernel(Form(formula, len(arrays), results), 0, "float32")(arrays, out, (), ())
    return out


@HALVES
def test_what_a_number_lost_brings_it_back(half):
    x = numbers(half)
    held, lost = mapped(PARTED[half.name], 2, x)
    (whole,) = mapped(parted32.joined, 1, held, lost)
    same(held, rounded(held, half).astype(np.float32))
    assert (lost == np.clip(np.rint(lost), -(2**15), 2**15 - 1)).all()
    exact = np.isfinite(held) & (abs(x) >= (2.0**-14 if half == FLOAT16 else 0.0))
    assert exact.mean() > 0.05
    assert (bits(whole)[exact] == bits(x)[exact]).all()
    assert (lost[~np.isfinite(held)] == 0).all()
    same(np.isnan(whole).astype(np.float32), np.isnan(x).astype(np.float32))
    # As near as a number of the dtype may be: the nearest, or of two that are, one or the other.
    near = np.isfinite(held)
    distance, least = (abs(x[near].astype(float) - y[near].astype(float)) for y in (held, rounded(x, half)))
    assert (distance == least).all()
    assert (np.isfinite(held) == np.isfinite(rounded(x, half))).all()


@pytest.mark.parametrize("lost", [-(2.0**15), -1.0, 0.0, 1.0, 2.0**15 - 1.0])
@HALVES
def test_a_number_that_was_written_to_stays_of_its_sign_and_finite(half, lost):
    with np.errstate(all="ignore"):
        x = every(half).astype(np.float32)
    (whole,) = mapped(parted32.joined, 1, x, np.full_like(x, lost))
    number = ~np.isnan(x)
    assert (np.isnan(whole) == np.isnan(x)).all()
    assert (np.signbit(whole) == np.signbit(x))[number].all()
    assert (np.isfinite(whole) == np.isfinite(x)).all()
    wanted = np.clip(bits(abs(x)).astype(np.int64) + int(lost), 0, 0x7F7FFFFF)
    assert (bits(abs(whole)) == wanted)[np.isfinite(x)].all()


@HALVES
def test_plain_python_gives_the_same_parts(half):
    x = np.concatenate([numbers(half)[::9973], np.array([0.0, -0.0, 1e-45, -3e38], np.float32)])
    x = x[np.isfinite(rounded(x, half))]
    held, lost = mapped(PARTED[half.name], 2, x)
    with np.errstate(all="ignore"):
        found = [PARTED[half.name](number) for number in x]
        back = [parted32.joined(*map(np.float32, pair)) for pair in found]
    same(np.array([one for one, _ in found], np.float32), held)
    same(np.array([one for _, one in found], np.float32), lost)
    (whole,) = mapped(parted32.joined, 1, held, lost)
    same(np.array(back, np.float32), whole)


@pytest.mark.parametrize("scalar", [np.float32, np.float64, float])
def test_numbers_are_counted(scalar):
    one = scalar(1.0)
    assert primitives.further(one, scalar(1.0)) == 1.0 + (2.0**-23 if scalar is np.float32 else 2.0**-52)
    assert primitives.how_far(scalar(2.0), one) == 2.0 ** (23 if scalar is np.float32 else 52)
    assert primitives.how_far(-one, scalar(-2.0)) == -(2.0 ** (23 if scalar is np.float32 else 52))
    assert type(primitives.further(one, one)) is type(primitives.how_far(one, one)) is scalar
    digit = 3.0 if scalar is np.float32 else 32.0
    assert primitives.shortened(scalar(1.0 + 2.0**-20), scalar(digit)) == 1.0 + 2.0**-20
    assert primitives.shortened(scalar(-(1.0 + 2.0**-20)), scalar(digit + 1.0)) == -(1.0 + 2.0**-19)
    tiny = primitives.further(scalar(-0.0), scalar(3.0))
    assert tiny == -3 * (ml_dtypes.finfo(np.float32).smallest_subnormal if scalar is np.float32 else 5e-324)
