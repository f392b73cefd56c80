"""The Jensen-Shannon divergence: SciPy's and Liger-Kernel's results, close distributions, and refusals."""

import numpy as np
import pytest
from mpmath import mp, mpf
from scipy.spatial.distance import jensenshannon

import fastloa as fl
from tests import references as ref
from tests.samples import rng_for
from tests.subjects import DTYPES, group

EACH = [pytest.param(dtype, marks=group("jensen_shannon_divergence", dtype)) for dtype in DTYPES]
FLOAT64 = pytest.mark.shares("jensen_shannon_divergence-float64")


def distributions(rows=6, classes=5):
    rng = rng_for("divergences")
    shares = rng.random((2, rows, classes))
    return shares / shares.sum(axis=-1, keepdims=True)


def liger(x, t, beta):
    """Give the value and the gradient of its kernel, on logarithms of both."""
    q, p = np.exp(x), np.exp(t)
    mean = np.log(beta * p + (1 - beta) * q)
    return beta * p * (t - mean) + (1 - beta) * q * (x - mean), (1 - beta) * q * (x - mean)


@FLOAT64
def test_it_is_scipys_and_ligers(engine):
    p, q = distributions()
    x = np.log(q)
    for reduction, divisor in (("sum", 1), ("batchmean", len(p))):
        value = fl.jensen_shannon_divergence(x, p, reduction=reduction, **engine)
        np.testing.assert_allclose(value, (jensenshannon(p, q, axis=-1) ** 2).sum() / divisor, rtol=1e-12)
    for beta in (0.1, 0.5, 0.75):
        wanted = liger(x, np.log(p), beta)
        for target, given in ((p, False), (np.log(p), True)):
            found = fl.jensen_shannon_divergence.value_and_grad(
                x, target, beta=beta, log_target=given, reduction="none", **engine
            )
            for got, other in zip(found, wanted, strict=True):
                np.testing.assert_allclose(got, other, rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("dtype", EACH)
@pytest.mark.parametrize("beta", [0.5, 0.1])
def test_close_logarithms_keep_their_digits(dtype, beta, engine):
    """From neighbours to where the series ends: there 1 - log(p) / log(q) is rounded away by any other arrangement."""
    rng, eps = rng_for("close", dtype), float(np.finfo(dtype).eps)
    x = (-3 * rng.random(200)).astype(dtype)
    t = x + (x * 2 * eps * 2.0 ** (np.arange(200) % 24) * rng.choice([-1, 1], 200)).astype(dtype)
    value, grad = fl.jensen_shannon_divergence.value_and_grad(
        x, t, beta=beta, log_target=True, reduction="none", **engine
    )
    share = mpf(float(np.dtype(dtype).type(beta)))
    with mp.workprec(400):
        for results, reference in (
            (value, ref.jensen_shannon_divergence),
            (grad, ref.jensen_shannon_divergence_derivative),
        ):
            for got, *pair in zip(results.tolist(), x.tolist(), t.tolist(), strict=True):
                exact = reference(*map(mpf, pair), share, log_target=True)
                assert abs(got - exact) <= 2 * mpf(float(np.spacing(np.dtype(dtype).type(abs(float(exact)))))), pair
                assert got != 0.0


@FLOAT64
def test_classes_without_a_probability(engine):
    x, t = np.array([-np.inf, -np.inf, np.log(0.5)]), np.array([0.0, 0.5, 0.0])
    value, grad = fl.jensen_shannon_divergence.value_and_grad(x, t, reduction="none", **engine)
    np.testing.assert_allclose(value, [0.0, np.log(2) / 4, np.log(2) / 4], rtol=1e-15)
    np.testing.assert_allclose(grad, [0.0, 0.0, np.log(2) / 4], rtol=1e-15)
    with np.errstate(divide="ignore"):
        logarithms = np.log(t)
    for got, other in zip(
        fl.jensen_shannon_divergence.value_and_grad(x, logarithms, log_target=True, reduction="none", **engine),
        (value, grad),
        strict=True,
    ):
        np.testing.assert_allclose(got, other, rtol=1e-15)


X = np.zeros(3)
REFUSALS = [
    (
        lambda: fl.jensen_shannon_divergence(X, X, beta=1.0), ValueError,
        "jensen_shannon_divergence: beta must be in (0, 1), got 1.0",
    ),
    (
        lambda: fl.jensen_shannon_divergence(X, X, log_target=1), TypeError,
        "jensen_shannon_divergence: log_target must be True or False, got int",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), REFUSALS, ids=[message[:60] for *_, message in REFUSALS])
def test_refusal(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message
