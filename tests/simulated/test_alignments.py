"""Losses of alignments in the cuda engine against the CPU engine, bit for bit."""

import dataclasses

import numpy as np
import pytest
from fastloa_kernels import engines, records
from fastloa_kernels.engines.numba_cuda import engine

try:
    engines.load_engine("cuda")
except engines.Unavailable as reason:
    pytest.skip(f"no device for cuda: {reason}", allow_module_level=True)

from tests.simulated.test_engine import (  # noqa: F401  (which skips itself; the fixtures are for all of these)
    CPU,
    CUDA,
    DTYPES,
    _quick_turns,
    _shared_arrays_are_shared,
    assert_same_bits,
    brought,
    found,
    host,
)

CASES = [
    pytest.param(record, form, id=f"{name}-{form}")
    for name, record in found(records.AlignmentLoss).items()
    for form in ("value", "grad", "value_and_grad")
]
# Equal labels, an empty target, one that does not fit, and NaN.
LABELS, SPANS = [2, 2, 1, 1, 2, 1], [[0, 3, 4], [3, 0, 3], [3, 2, 1], [3, 2, 4]]


def run(made, record, form, x, labels, options, weights, *, each):
    take, xp, dtype = np.array if made is CPU else brought, made.xp, str(x.dtype)
    out = xp.empty(x.shape[1], dtype) if each and "value" in form else None
    grad = xp.empty(x.shape, dtype) if "grad" in form else None
    own = None if weights is None else take(weights)
    spans = take(np.array(SPANS, np.int64))
    kernel = made.load(record, form, dtype)
    total = kernel(take(x), take(np.array(labels, np.int64)), spans, own, options, out, grad)
    assert (total is not None) == (out is None and "value" in form)
    return [x for x in (total, out, grad) if x is not None]


def batch(dtype):
    return np.random.default_rng(0).normal(size=(4, 4, 3)).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("record", "form"), CASES)
def test_losses_of_alignments(record, form, dtype):
    x, weights = batch(dtype), np.array([0.5, 2.0, 1.0, 3.0], dtype)
    x[2, 3, 1] = np.nan
    options = engines.AlignmentOptions(3, 0, False, False, 1.0)
    changed = dataclasses.replace(options, zero_infinity=True, averaged=True, divisor=7.0)
    on_device = dataclasses.replace(changed, divisor=brought(np.array(7.0)))
    for own, given, device, each in ((None, options, options, True), (weights, changed, on_device, False)):
        got = run(CUDA, record, form, x, LABELS, device, own, each=each)
        wanted = run(CPU, record, form, x, LABELS, given, own, each=each)
        for one, other in zip(got, wanted, strict=True):
            assert_same_bits(one, other)


def test_few_rooms_change_no_bit(monkeypatch):
    (record,) = found(records.AlignmentLoss).values()
    options = engines.AlignmentOptions(3, 0, True, True, 1.0)
    results = []
    for rooms in (engine.ROOMS, 400, 1):
        monkeypatch.setattr(engine, "ROOMS", rooms)
        results.append(run(CUDA, record, "value_and_grad", batch("float64"), LABELS, options, None, each=True))
    for other in results[1:]:
        for got, wanted in zip(other, results[0], strict=True):
            assert_same_bits(got, host(wanted))


@pytest.mark.parametrize("wrong", [3, -1, 0])
def test_a_wrong_label_is_nan(wrong):
    (record,) = found(records.AlignmentLoss).values()
    options = engines.AlignmentOptions(3, 0, True, False, 1.0)
    labels = [2, wrong, 1, 1, 2, 1]
    out, grad = map(host, run(CUDA, record, "value_and_grad", batch("float64"), labels, options, None, each=True))
    assert np.isnan(out).tolist() == [True, False, False, False]
    assert np.isnan(grad[:, 0]).all()
    assert np.isfinite(grad[:, 1:]).all()
