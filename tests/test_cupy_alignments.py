"""The CUDA C++ engine's losses of alignments against the CPU, bit for bit: by g++, or on a GPU."""

import dataclasses

import numpy as np
import pytest
from fastloa_kernels.engines import AlignmentOptions, load_engine
from fastloa_kernels.engines.cupy_native import alignments
from fastloa_kernels.records import AlignmentLoss

import fastloa as fl
from tests.mirrored import Mirrored
from tests.shim import catalogue
from tests.shim.compare import both, cpu, gpu, in_place_of_cupy, needs_compiler, parametrize, same

pytestmark = pytest.mark.shares("cupy_alignments")  # one worker builds its kernels, once
FRAMES, CLASSES, LABELS = 7, 300, 40  # more classes and states than a warp has threads
COUNTS, SIZES = (7, 6, 7, 0, 3, 7), (3, 0, 2, 1, 3, 40)


@pytest.fixture(scope="module", params=[pytest.param("shim", marks=needs_compiler), "cupy"])
def engine(request):
    """The engine on NumPy arrays."""
    if request.param == "cupy":
        return Mirrored(load_engine("cupy"))
    made = gpu()
    made._driver.prepare([text for dtype in catalogue.DTYPES for text in catalogue.alignment_sources(dtype)])
    return made


def batch(dtype, *, frames=FRAMES):
    """Sequences with equal labels, an empty target, NaN, a score of -inf, no frames, and too many labels for them."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(frames, len(SIZES), CLASSES)).astype(dtype)
    labels = rng.integers(1, 4, (len(SIZES), LABELS))
    x[1, 2, labels[2, 0]], x[4, 0, 0] = np.nan, -np.inf
    starts = np.arange(len(SIZES)) * LABELS
    counts = np.minimum(COUNTS, frames)
    return x, labels.reshape(-1), np.stack([starts, SIZES, counts], axis=1)


@parametrize(AlignmentLoss)
@both
@pytest.mark.parametrize("form", ["value", "grad", "value_and_grad"])
def test_losses_of_alignments_are_the_cpus(engine, record, dtype, form):
    given, weights = batch(dtype), np.linspace(0.5, 2.0, len(SIZES)).astype(dtype)
    options = AlignmentOptions(LABELS, 0, False, True, 3.0)
    for own, zero_infinity, divisor in ((None, False, 3.0), (weights, True, np.array(7.0))):
        for each in (True, False):
            results = []
            for made in (engine, cpu()):
                out = np.empty(len(SIZES), dtype) if each and "value" in form else None
                grad = np.empty_like(given[0]) if "grad" in form else None
                some = dataclasses.replace(options, zero_infinity=zero_infinity, divisor=divisor)
                total = made.load(record, form, dtype)(*given, own, some, out, grad)
                results.append([x for x in (total, out, grad) if x is not None])
            for got, expected in zip(*results, strict=True):
                same(got, expected)


@needs_compiler
def test_few_rooms_change_no_bit(engine, monkeypatch):
    (record,) = catalogue.records(AlignmentLoss).values()
    results = []
    for rooms in (alignments.ROOMS, 5000, 1):
        monkeypatch.setattr(alignments, "ROOMS", rooms)
        given, grad = batch("float64"), np.empty((FRAMES, len(SIZES), CLASSES))
        options = AlignmentOptions(LABELS, 0, False, True, 3.0)
        total = engine.load(record, "value_and_grad", "float64")(*given, None, options, None, grad)
        results.append((total, grad))
    for other in results[1:]:
        for got, expected in zip(other, results[0], strict=True):
            same(got, expected)


@needs_compiler
def test_long_targets_have_more_states_than_a_block_has_threads(engine):
    (record,) = catalogue.records(AlignmentLoss).values()
    rng = np.random.default_rng(1)
    x, labels = rng.normal(size=(330, 1, 5)), rng.integers(1, 5, 250)
    results = []
    for made in (engine, cpu()):
        out, grad = np.empty(1), np.empty_like(x)
        options = AlignmentOptions(250, 0, False, False, 1.0)
        made.load(record, "value_and_grad", "float64")(x, labels, np.array([[0, 250, 330]]), None, options, out, grad)
        results.append((out, grad))
    for got, expected in zip(*results, strict=True):
        same(got, expected)
    assert np.isfinite(results[0][0])


@needs_compiler
def test_a_wrong_label_is_nan_on_a_gpu_and_an_error_where_it_is_checked(monkeypatch):
    in_place_of_cupy(monkeypatch, gpu())
    x = np.random.default_rng(2).normal(size=(4, 3, 3))
    for wrong in (3, -1, 0, 2**40):
        targets, options = np.array([[1, 2], [1, wrong], [2, 1]]), {"reduction": "none", "backend": "cupy"}
        for zero_infinity in (False, True):
            value, grad = fl.ctc_loss.value_and_grad(
                x, targets, [4, 4, 1], [2, 2, 2], zero_infinity=zero_infinity, **options
            )
            assert np.isnan(value).tolist() == [False, True, False]
            assert np.isnan(grad[:, 1]).all()
            assert np.isfinite(grad[:, 0]).all()
        message = rf"^ctc_loss: targets must be in 0\.\.2 and not 0, the blank, got {wrong} at index \(1, 1\)$"
        with pytest.raises(ValueError, match=message):
            fl.ctc_loss(x, targets, [4, 4, 1], [2, 2, 2], check=True, **options)
