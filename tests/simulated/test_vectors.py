"""Losses of vectors in the cuda engine against the CPU engine, bit for bit."""

import numpy as np
import pytest
from fastloa_kernels import engines, records

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
    points,
)

FORMS = ("value", "grad", "value_and_grad")
CASES = [
    pytest.param(record, form, id=f"{name}-{form}")
    for name, record in found(records.VectorLoss).items()
    for form in (*(FORMS if record.labelled else FORMS[2:]), *(("grad_and_hess",) if record.curved else ()))
]


def run(engine, record, form, arrays, weights, divisor, *, each):
    dtype, take = str(arrays[0].dtype), np.array if engine is CPU else brought
    vectors = tuple(map(take, arrays[: record.vectors]))
    shape, xp = arrays[0].shape, engine.xp
    target = take(np.array([1, -1, 1, 0], dtype)) if record.labelled else None
    out = xp.empty(shape[0], dtype) if each and "value" in form else None
    grads = tuple(xp.empty(shape, dtype) for _ in range(record.slopes(form)[1])) if "grad" in form else ()
    parameters = (0.3, 1e-6, 3.0, 1.0)[: len(record.parameters)]
    own = None if weights is None else take(weights)
    total = engine.load(record, form, dtype)(vectors, target, own, parameters, divisor, out, grads)
    assert (total is not None) == (out is None and "value" in form)
    return [x for x in (total, out, *grads) if x is not None]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("record", "form"), CASES)
def test_losses_of_vectors(record, form, dtype):
    arrays = [points(4 * 11, dtype, seed).reshape(4, 11) for seed in range(record.vectors)]
    for x in arrays:
        x[1:3] = np.random.default_rng(x.size).random((2, 11))
    weights = np.array([0.5, 2.0, 1.0, 3.0], dtype)
    for own, divisor, device, each in ((None, 1.0, 1.0, True), (weights, 7.0, brought(np.array(7.0)), False)):
        got = run(CUDA, record, form, arrays, own, device, each=each)
        wanted = run(CPU, record, form, arrays, own, divisor, each=each)
        for one, other in zip(got, wanted, strict=True):
            assert_same_bits(one, other)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", [*FORMS, "grad_and_hess"])
@pytest.mark.parametrize("record", [pytest.param(r, id=name) for name, r in found(records.PairedLoss).items()])
def test_losses_of_pairs(record, form, dtype):
    x, labels = points(4 * 11, dtype, 0).reshape(4, 11), np.array([[10, 0, 3], [2, -1, 1], [5, 5, -1], [-1, -1, -1]])
    x[1:3] = np.random.default_rng(1).random((2, 11))
    weights = np.array([0.5, 2.0, 1.0, 3.0], dtype)
    for own, divisor, device, each in ((None, 1.0, 1.0, True), (weights, 7.0, brought(np.array(7.0)), False)):
        results = []
        for engine, by in ((CUDA, device), (CPU, divisor)):
            take = np.array if engine is CPU else brought
            out = engine.xp.empty(4, dtype) if each and "value" in form else None
            grads = tuple(engine.xp.empty(x.shape, dtype) for _ in range(record.slopes(form)[1]))
            kernel = engine.load(record, form, dtype)
            total = kernel((take(x),), take(labels), None if own is None else take(own), (0.3,), by, out, grads)
            results.append([result for result in (total, out, *grads) if result is not None])
        for one, other in zip(*results, strict=True):
            assert_same_bits(one, other)


def test_a_label_that_is_no_class_makes_its_row_nan():
    (record,) = (r for r in found(records.PairedLoss).values() if r.name == "multi_margin_loss")
    labels = brought(np.array([[0, -1], [0, 3], [-2, 0], [-1, 3]]))
    out, grad = CUDA.xp.empty(4), CUDA.xp.empty((4, 3))
    CUDA.load(record, "value_and_grad", "float64")(
        (brought(np.zeros((4, 3))),), labels, None, (1.0,), 1.0, out, (grad,)
    )
    out, grad = (np.asarray(x.get() if hasattr(x, "get") else x) for x in (out, grad))
    np.testing.assert_array_equal(np.isnan(out), [False, True, True, False])
    np.testing.assert_array_equal(np.isnan(grad).all(axis=1), np.isnan(out))
