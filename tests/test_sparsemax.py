"""Sparsemax and its loss at rows where a rounded threshold would lose the least probabilities, in exact arithmetic."""

from fractions import Fraction

import numpy as np
import pytest

import fastloa as fl
from tests import harness
from tests.samples import rng_for
from tests.subjects import DTYPES, group

ROWS = [pytest.param(dtype, marks=group("sparsemax", dtype)) for dtype in DTYPES]
LOSSES = [pytest.param(dtype, marks=group("sparsemax_loss", dtype)) for dtype in DTYPES]


def projection(row):
    """Give the projection of a row onto the simplex and its threshold, from the sorted scores."""
    scores, total, threshold = [Fraction(float(x)) for x in row], Fraction(0), None
    for count, x in enumerate(sorted(scores, reverse=True), 1):
        total += x
        if threshold is not None and x <= (total - 1) / count:
            break
        threshold = (total - 1) / count
    return [max(x - threshold, Fraction(0)) for x in scores], threshold


def hard_rows(dtype, count):
    """Give rows of any length: far from 0, with scores of all magnitudes, and with many just above the threshold."""
    rng, least = rng_for("sparsemax", dtype), -38 if dtype == "float32" else -300
    for i in range(count):
        size = int(rng.choice([1, 2, 3, 7, 31, 100])) if i else 2500
        x = (
            rng.normal(size=size) * 10 ** rng.uniform(-4, 3),
            rng.normal(size=size) * 10 ** rng.uniform(-3, 0) + 10 ** rng.uniform(0, 7),
            1 - 2.0 ** -rng.integers(0, 60, size) * rng.choice([1, 2], size),
            np.append(10 ** rng.uniform(least, -1, size) * rng.choice([-1, 1], size), 1.0),
        )[i % 4]
        yield x.astype(dtype)


def off(got, wanted, dtype):
    """Give the greatest error in ulp; what should be 0 must be."""
    assert all(a == 0 for a, b in zip(got.tolist(), wanted, strict=True) if b == 0)
    units = [Fraction(float(np.spacing(abs(np.dtype(dtype).type(float(b)))))) for b in wanted]
    return max(abs(Fraction(a) - b) / u for a, b, u in zip(got.tolist(), wanted, units, strict=True))


@pytest.mark.parametrize("dtype", ROWS)
def test_probabilities_are_correctly_rounded(dtype, engine):
    for x in hard_rows(dtype, 60):
        assert off(fl.sparsemax(x, **engine), projection(x)[0], dtype) <= 0.51


@pytest.mark.parametrize("dtype", LOSSES)
def test_losses_are_those_of_the_paper(dtype, engine):
    for i, x in enumerate(hard_rows(dtype, 60)):
        (p, threshold), label = projection(x), int(np.argmax(x)) if i % 2 else i % x.size
        squares = sum(Fraction(float(z)) ** 2 - threshold**2 for z, share in zip(x, p, strict=True) if share > 0)
        value, grad = fl.sparsemax_loss.value_and_grad(x[None], np.array([label]), reduction="none", **engine)
        assert off(value, [-Fraction(float(x[label])) + squares / 2 + Fraction(1, 2)], dtype) <= 2.0
        assert off(grad[0], [share - (c == label) for c, share in enumerate(p)], dtype) <= 1.0


@pytest.mark.parametrize("dtype", ROWS)
def test_an_element_on_the_threshold_is_outside_the_support(dtype, engine):
    x, g = np.array([[0.25, 0.75, -0.25, 0.0], [2.0, 1.0, 1.0, 1.0]], dtype), np.array([[1, 4, 16, 64]] * 2, dtype)
    y = fl.sparsemax(x, **engine)
    wanted = np.array([[0.25, 0.75, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]], dtype)
    harness.check_same_bits(y, wanted)
    slope = np.array([[-1.5, 1.5, 0.0, 0.0], [0.0] * 4], dtype)
    harness.check_same_bits(fl.sparsemax.backward_from_output(g, y, **engine), slope)


@pytest.mark.parametrize("dtype", LOSSES)
def test_the_hessian_is_that_of_the_support(dtype, engine):
    x, labels = np.array([[0.25, 0.75, -0.25, 0.0], [2.0, 1.0, 1.0, 1.0]], dtype), np.array([0, 0])
    grad, hess = fl.sparsemax_loss.grad_and_hess(x, labels, reduction="sum", **engine)
    harness.check_same_bits(hess, np.array([[0.5, 0.5, 0.0, 0.0], [0.0] * 4], dtype))
    harness.check_same_bits(grad, np.array([[-0.75, 0.75, 0.0, 0.0], [0.0] * 4], dtype))


def test_rows_that_do_not_count(engine):
    x, g = np.array([[0.0, 0.5], [1.0, 3.0], [0.0, 0.0]]), np.array([0.0, 0.5])
    one = fl.sparsemax_loss(x[:1], np.array([0]), **engine)
    for options in ({"ignore_index": 1}, {"mask": np.array([True, False, False])}):
        value, grad = fl.sparsemax_loss.value_and_grad(x, np.array([0, 1, 1]), **options, **engine)
        assert value == one
        assert not grad[1:].any()
    weighted = fl.sparsemax_loss(x, np.array([0, 1, 1]), sample_weight=np.array([2.0, 0.0, 0.0]), **engine)
    assert weighted == one
    assert np.isnan(fl.sparsemax_loss(x, np.array([-100] * 3), **engine))
    assert fl.sparsemax_loss(x, np.array([-100] * 3), empty="zero", **engine) == 0.0
    shares = fl.sparsemax_loss.grad(np.stack([x, x]), np.full((2, 3, 2), 0.5), axis=2, reduction="sum", **engine)
    harness.check_same_bits(shares[0, 0], fl.sparsemax(g, **engine) - 0.5)
