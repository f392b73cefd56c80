"""The CUDA C++ engine's losses of vectors against the CPU, bit for bit: by g++, or on a GPU."""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
from fastloa_kernels.engines import load_engine
from fastloa_kernels.engines.cupy_native import source
from fastloa_kernels.engines.cupy_native.engine import Engine
from fastloa_kernels.engines.cupy_native.teams import vector_teams
from fastloa_kernels.records import PairedLoss, VectorLoss

from tests.mirrored import Mirrored
from tests.shim import catalogue
from tests.shim.compare import both, cpu, needs_compiler, numbers, parametrize, same
from tests.shim.driver import ShimDriver

pytestmark = pytest.mark.shares("cupy_vectors")  # one worker builds its kernels, once
LENGTHS = (1, 3, 31, 300, 2049, 9000)


def forms_of(record):
    """Give the forms that hold all of a record's formulas."""
    return catalogue.vector_forms(record)[2:]


@pytest.fixture(scope="module", params=[pytest.param("shim", marks=needs_compiler), "cupy"])
def engine(request):
    """The engine on NumPy arrays; in the shim, with the kernels of this file built in large pieces."""
    if request.param == "cupy":
        return Mirrored(load_engine("cupy"))
    driver = ShimDriver()
    for dtype in catalogue.DTYPES:
        driver.prepare([
            *(source.vector_loss_source(record, form, dtype, team)
              for record in catalogue.records(VectorLoss, PairedLoss).values() for form in forms_of(record)
              for team in catalogue.used(vector_teams(dtype, record), LENGTHS)),
            *catalogue.other_sources(dtype),
        ])  # fmt: skip
    return Engine(driver)


def vectors_for(record, length, dtype):
    """Rows of numbers of any size, of probabilities, of equal vectors, of zeros, and with NaN and infinities."""
    drawn = [numbers(9 * length, dtype, seed).reshape(9, length) for seed in range(record.vectors)]
    for place, x in enumerate(drawn):
        rng = np.random.default_rng([place, length])
        x[:4] = rng.random((4, length))
        x[4] = 0.0
        x[5] = np.linspace(0.0, 1.0, length)
        x[6, length // 2] = (np.nan, np.inf, 1.0)[place]
    return tuple(drawn)


@parametrize(VectorLoss)
@both
def test_losses_of_vectors_are_the_cpus(engine, record, dtype):
    parameters = (0.3, 1e-6, 3.0, 1.0)[: len(record.parameters)]
    for length in LENGTHS:
        vectors, rng = vectors_for(record, length, dtype), np.random.default_rng(length)
        target = np.array([1, -1, 1, -1, 1, -1, 1, 0, 1], dtype) if record.labelled else None
        for weights, divisor in ((None, 4.0), (rng.random(9).astype(dtype), np.array(7.0))):
            for form, each in product(forms_of(record), (True, False)):
                results = []
                for made in (engine, cpu()):
                    out = np.empty(9, dtype) if each and "value" in form else None
                    grads = tuple(np.empty_like(vectors[0]) for _ in range(record.slopes(form)[1]))
                    total = made.load(record, form, dtype)(vectors, target, weights, parameters, divisor, out, grads)
                    results.append([x for x in (total, out, *grads) if x is not None])
                for got, expected in zip(*results, strict=True):
                    same(got, expected)


@parametrize(PairedLoss)
@both
def test_losses_of_pairs_are_the_cpus(engine, record, dtype):
    for length in LENGTHS:
        (x,), rng = vectors_for(SimpleNamespace(vectors=1), length, dtype), np.random.default_rng(length)
        labels = rng.integers(0, length, (9, min(length + 1, 5)))
        labels[np.arange(5), np.arange(5) % labels.shape[1]] = -1
        labels[8] = labels[8, 0]  # a label may stand there more than once
        for weights, divisor in ((None, 4.0), (rng.random(9).astype(dtype), np.array(7.0))):
            for form, each in product(forms_of(record), (True, False)):
                results = []
                for made in (engine, cpu()):
                    out = np.empty(9, dtype) if each and "value" in form else None
                    grads = tuple(np.empty_like(x) for _ in range(record.slopes(form)[1]))
                    total = made.load(record, form, dtype)((x,), labels, weights, (0.3,), divisor, out, grads)
                    results.append([found for found in (total, out, *grads) if found is not None])
                for got, expected in zip(*results, strict=True):
                    same(got, expected)


def test_a_label_that_is_no_class_makes_its_row_nan(engine):
    x, labels = np.zeros((4, 3)), np.array([[0, -1], [0, 3], [-2, 0], [-1, 3]])
    (record,) = (found for found in catalogue.records(PairedLoss).values() if found.name == "multi_margin_loss")
    out, grad = np.empty(4), np.empty((4, 3))
    engine.load(record, "value_and_grad", "float64")((x,), labels, None, (1.0,), 1.0, out, (grad,))
    np.testing.assert_array_equal(np.isnan(out), [False, True, True, False])
    np.testing.assert_array_equal(np.isnan(grad).all(axis=1), np.isnan(out))
    assert not grad[3].any()
