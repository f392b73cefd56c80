"""Sums and means: within 1 ulp of the correctly rounded one, whatever the length, and finite where that is."""

import math
import os
from fractions import Fraction
from itertools import chain

import numpy as np
import pytest
from fastloa_kernels.engines import load_engine
from fastloa_kernels.formulas.totals import IDENTITY

import fastloa as fl
from tests.subjects import DTYPES

LOSSES = {
    "mse_loss": fl.mse_loss,
    "binary_cross_entropy_with_logits": fl.binary_cross_entropy_with_logits,
}
LENGTHS = [1, 2, 3, 1023, 2047, 2048, 2049, 4097, 65_535, 65_537, 2_097_153]


def total(values):
    """Give the sum, rounded once: exactly added by the standard library."""
    return math.fsum(
        chain.from_iterable(part.tolist() for part in np.array_split(values, values.size // 1_000_000 + 1))
    )


def check(got, exact):
    rounded = got.dtype.type(exact)
    assert abs(float(got) - float(rounded)) <= np.spacing(np.abs(rounded)), (got, exact)


def operands(size, dtype, spread):
    """Give predictions and targets whose losses are of all magnitudes within `spread` powers of ten."""
    rng = np.random.default_rng(size)
    x = rng.normal(size=size) * 10.0 ** rng.uniform(-spread, spread, size)
    return x.astype(dtype), rng.random(size).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("spread", [0, 12])
def test_losses_add_up(name, dtype, spread, engine):
    """A sum is that of the losses of the elements, which are rounded to the dtype."""
    for size in LENGTHS:
        x, t = operands(size, dtype, spread)
        exact = total(LOSSES[name](x, t, reduction="none", **engine))
        check(LOSSES[name](x, t, reduction="sum", **engine), exact)
        check(LOSSES[name](x, t, **engine), exact / size)


@pytest.mark.parametrize("dtype", DTYPES)
def test_losses_of_rows_add_up(dtype, engine):
    for size in LENGTHS[:-1]:
        x, _ = operands(3 * size, dtype, 1)
        x, labels = x.reshape(-1, 3), np.arange(size) % 3
        exact = total(fl.cross_entropy(x.astype(np.float64), labels, reduction="none", **engine))
        got = fl.cross_entropy(x, labels, reduction="sum", **engine)
        assert abs(float(got) - exact) <= 2.5 * np.spacing(got)
        check(fl.nll_loss(-np.abs(x), labels, **engine), total(np.abs(x)[np.arange(size), labels]) / size)


@pytest.mark.parametrize("dtype", DTYPES)
def test_mixed_signs_add_up_as_far_as_errors_are_carried(dtype):
    """Terms that cancel by up to 20 binary digits in float32, and by 40 in float64."""
    summed = load_engine("cpu").load(IDENTITY, "value_summed", dtype)
    rng, digits = np.random.default_rng(0), 20 if dtype == "float32" else 40
    for size in LENGTHS[1:]:
        x = rng.normal(size=size).astype(dtype)
        x = np.concatenate([x, -x[::-1], np.abs(x[:1]) * x.dtype.type(size * 2.0**-digits)])
        rng.shuffle(x)
        check(summed((x,), (), (), ()), total(x))


def test_a_huge_loss_whose_gradient_overwrites_its_input():
    x, zero = np.array([2e19, 0, 0, 0], np.float32), np.zeros(4, np.float32)
    value, grad = fl.mse_loss.value_and_grad(x.copy(), zero)
    over, in_place = fl.mse_loss.value_and_grad(x, zero, grad_out=x)
    assert value == over == np.float32(1e38)
    assert in_place is x
    np.testing.assert_array_equal(in_place, grad)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", ["__call__", "value_and_grad"])
def test_means_of_huge_losses_are_finite_where_they_can_be(dtype, form):
    """Their sum overflows, and in float32 a loss itself may; NaN and infinite predictions keep their results."""
    loss, most = getattr(fl.l1_loss, form), np.finfo(dtype).max
    first = (lambda result: result[0]) if form == "value_and_grad" else (lambda result: result)
    for size in (2, 5000, 70_000):
        huge = np.full(size, most / 2, dtype)
        zero, ones = np.zeros_like(huge), np.ones_like(huge)
        for more in ({}, {"sample_weight": ones}, {"weight": ones}):
            check(first(loss(huge, zero, **more)), float(huge[0]))
        assert first(loss(huge, zero, reduction="sum")) == (np.inf if size > 2 else most)
        for special, wanted in ((np.inf, np.inf), (np.nan, np.nan)):
            huge[1] = special
            np.testing.assert_equal(float(first(loss(huge, zero))), wanted)
    if dtype == "float32":
        x = np.array([3e19, 0.0, 0.0, 0.0], dtype)
        check(first(getattr(fl.mse_loss, form)(x, np.zeros_like(x))), float(x[0]) ** 2 / 4)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_gradients_of_means_of_huge_errors_are_finite_where_they_can_be(dtype, size, engine):
    """2 (x - t) / n, where x - t or its double alone may be too large for a number."""
    most = np.finfo(dtype).max
    x = np.resize(np.array([most, -most, most, 0.75 * most, -most, 1.0], dtype), size)
    t = np.resize(np.array([-most, most, 0.5, -most, 0.0], dtype), size)
    ones = np.ones(size, dtype)
    exact = [2 * (Fraction(float(a)) - Fraction(float(b))) / size for a, b in zip(x, t, strict=True)]
    wanted = np.array([float(e) if abs(e) <= most else (math.inf if e > 0 else -math.inf) for e in exact], dtype)
    for more in ({}, {"sample_weight": ones}):
        got = fl.mse_loss.grad(x, t, **more, **engine)
        finite = np.isfinite(wanted)
        np.testing.assert_array_equal(got[~finite], wanted[~finite])
        np.testing.assert_array_max_ulp(got[finite], wanted[finite], 1)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_hundred_million_losses_add_up(dtype):
    size = 100_000_000
    needed = 5 * size * np.dtype(dtype).itemsize + (1 << 30)
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if free < needed:
        pytest.skip(f"needs {needed >> 30} GiB of memory, {free >> 30} are free")
    rng = np.random.default_rng(1)
    x, t = (rng.random(size, np.float32).astype(dtype) for _ in range(2))
    exact = total(fl.mse_loss(x, t, reduction="none"))
    check(fl.mse_loss(x, t, reduction="sum"), exact)
    check(fl.mse_loss(x, t), exact / size)
