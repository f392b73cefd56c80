"""The cuda engine against the CPU engine, bit for bit: every record in every dtype.

Without a GPU it runs in numba's simulator, in a process of its own that `test_numba_cuda` starts; with one, on the GPU.
A simulated thread is slow, so arrays are tiny.
"""

import dataclasses
import importlib
import pkgutil
import sys
import threading
import traceback
import types

import numpy as np
import pytest
from fastloa_kernels import engines, forms, formulas, records
from fastloa_kernels.engines import RowForm, RowOptions
from fastloa_kernels.sums import BLOCK

try:
    CUDA = engines.load_engine("cuda")
except engines.Unavailable as reason:
    pytest.skip(f"no device for cuda: {reason}", allow_module_level=True)

CPU = engines.load_engine("cpu")
DTYPES = ("float32", "float64")
HARD = (0.0, -0.0, np.nan, np.inf, -np.inf, 1.0, -1.0, 0.5, 1e-40, -1e-42, 1e30, -1e30, 3e38, 88.7, -103.9, 17.0, 1e-8)


@pytest.fixture(autouse=True, scope="module")
def _quick_turns():
    """The simulator's own thread spins, and would keep its threads waiting for as long as Python lets it."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    yield
    sys.setswitchinterval(before)


@pytest.fixture(autouse=True, scope="module")
def _shared_arrays_are_shared():
    """Two threads that ask the simulator for a shared array at once can get one each: let one ask at a time."""
    kernelapi, lock = sys.modules.get("numba.cuda.simulator.kernelapi"), threading.Lock()
    if kernelapi is None:  # a real GPU
        yield
        return
    array, extract = kernelapi.FakeCUDAShared.array, traceback.extract_stack

    def alone(*arguments, **options):
        with lock:
            return array(*arguments, **options)

    def without_alone(frame):  # the simulator tells arrays apart by the line that asks for them
        return [entry for entry in extract(frame) if entry.name != "alone"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernelapi.FakeCUDAShared, "array", alone)
        patch.setattr(kernelapi, "traceback", types.SimpleNamespace(extract_stack=without_alone))
        yield


def found(kinds):
    """Every record of the formulas, by its name there."""
    names = [module.name for module in pkgutil.walk_packages(formulas.__path__, formulas.__name__ + ".")]
    every = {name: x for n in names for name, x in vars(importlib.import_module(n)).items() if isinstance(x, kinds)}
    assert every
    return every


MAPS = found((records.Elementwise, records.Gated, records.PairwiseLoss, records.Step))
# Of most records, forms that hold each of their formulas once: skeletons, and what forms do, are the same for all.
WHOLE = {"ELU", "MSE_LOSS", "HUBER_LOSS", "IDENTITY", "SGD", "ADAM"}
ONCE = {
    records.Elementwise: ("value", "backward", "backward_from_output"),
    records.Gated: ("value", "backward"),
    records.PairwiseLoss: ("weighted_value_and_grad", "grad_and_hess"),
    records.Step: ("step", "measured_summed", "total_summed"),
}
MAP_CASES = [
    pytest.param(record, form, id=f"{name}-{form}")
    for name, record in MAPS.items()
    for form in forms.FORMS[type(record)](record)
    if name in WHOLE or form in ONCE[type(record)]
]
ROW_CASES = [
    pytest.param(record, form, id=f"{name}-{form}")
    for name, record in found((records.Rowwise, records.Projection)).items()
    for form in ("value", "backward_from_output")
]
# Bent losses differ in their formula alone: one of them goes through all.
ALIKE = [record for record in found(records.RowLoss).values() if record.bent][1:]
LOSSES = [pytest.param(record, id=name) for name, record in found(records.RowLoss).items() if record not in ALIKE]
LABELLED = [
    pytest.param(record, labels, id=f"{name}-{'labels' if labels else 'probabilities'}")
    for name, record in found(records.RowLoss).items()
    for labels in ((True,) if record.bent else (False, True))
]
PROJECTIONS = [pytest.param(record, id=name) for name, record in found(records.ProjectionLoss).items()]
LABELS = np.array([0, 4, -100, 2, 1, 3, 2])


def points(size, dtype, seed):
    """Ordinary and hard points, in an order of their own for each seed."""
    rng = np.random.default_rng(seed)
    drawn = np.concatenate([rng.permutation(HARD), rng.normal(0.0, 4.0, max(0, size - len(HARD)))])
    with np.errstate(over="ignore"):
        return rng.permutation(drawn)[:size].astype(dtype)


def brought(array):
    """A copy for the cuda engine."""
    return None if array is None else CUDA.bring(array.copy())


def host(array):
    return array if isinstance(array, np.ndarray) else array.get()


def assert_same_bits(got, expected):
    got, expected = host(got), np.asarray(expected)
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    word = f"uint{8 * expected.itemsize}"
    differ = (got.view(word) != expected.view(word)) & ~(np.isnan(got) & np.isnan(expected))
    assert not differ.any(), f"{got[differ]} instead of {expected[differ]} at {np.argwhere(differ).tolist()}"


def run(engine, record, form, dtype, inputs, leading, *, overwrite=False):
    """All arrays of a form after its kernel has run, outputs last, and what the kernel returned."""
    what = forms.form(record, form)
    xs = tuple(x.copy() if engine is CPU else brought(x) for x in inputs)
    count = 0 if what.in_place else what.outputs - what.summed
    outs = xs[:count] if overwrite else tuple(engine.xp.empty(inputs[0].shape, dtype) for _ in range(count))
    parameters = tuple(0.25 + 0.125 * i for i in range(len(record.parameters)))
    returned = engine.load(record, form, dtype)(xs, outs, leading, parameters)
    assert (returned is not None) == what.summed
    return (*xs, *outs), returned


def expected(record, form, dtype, inputs, leading):
    """What `run` should give, by the fewest CPU kernels: they take longer to compile than all else takes to run.

    A factor and a divisor are left to NumPy, which rounds a product and a quotient as everyone does.
    """
    if isinstance(record, records.Gated | records.Step):
        return run(CPU, record, form, dtype, inputs, leading)
    with np.errstate(all="ignore"):
        outs = _loss(record, form, dtype, inputs, leading) if leading else _activation(record, form, dtype, inputs)
    if not forms.form(record, form).summed:
        return (*inputs, *outs), None
    # A sum over a divisor of 1 is the sum of the values.
    total = "value_summed_wide" if forms.form(record, form).wide else "value_summed"
    return (*inputs, *outs[1:]), run(CPU, MAPS["IDENTITY"], total, dtype, outs[:1], ())[1]


def _activation(record, form, dtype, inputs):
    source = {"value_summed": "value", "value_summed_wide": "value", "backward": "derivative"}.get(form, form)
    (*_, out), _ = run(CPU, record, source, dtype, inputs[1:] if form == "backward" else inputs, ())
    return [inputs[0] * out] if form == "backward" else [out]


def _loss(record, form, dtype, inputs, leading):
    weighted = form.startswith("weighted_")
    plain, divisor = inputs[weighted:], np.dtype(dtype).type(leading[0])
    (*_, value), _ = run(CPU, record, "value", dtype, plain, (1.0,))
    both = run(CPU, record, "grad_and_hess", dtype, plain, (1.0,))[0][-2 * record.gradients :]
    slopes = [slope / divisor for slope in both]
    outs = {"value": [value], "grad": slopes[: record.gradients], "hess": slopes[record.gradients :]}
    if record.share is not None:  # which a mean's gradient is by itself
        outs["grad"] = run(CPU, record, "grad", dtype, plain, leading)[0][-1:]
    names = form.removeprefix("weighted_").removesuffix("_summed").split("_and_")
    return [inputs[0] * out if weighted else out for name in names for out in outs[name]]


def assert_same(got, wanted):
    for a, b in zip((*got[0], got[1]), (*wanted[0], wanted[1]), strict=True):
        if b is None:
            assert a is None
        else:
            assert_same_bits(a, b)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("record", "form"), MAP_CASES)
def test_maps_steps_and_sums(record, form, dtype):
    what = forms.form(record, form)
    inputs = [points(33, dtype, seed) for seed in range(what.inputs)]
    leading = (1.0 if what.summed else 3.0,) * what.leading
    assert_same(run(CUDA, record, form, dtype, inputs, leading), expected(record, form, dtype, inputs, leading))


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_shrinks_a_gradient_may_be_on_the_device(dtype):
    name = "step_folded_averaged_zeroed"
    inputs = [points(5, dtype, seed) for seed in range(forms.form(MAPS["ADAM"], name).inputs)]
    got = run(CUDA, MAPS["ADAM"], name, dtype, inputs, (2.0, 3.0, brought(np.array(0.3)), 0.1))
    assert_same(got, run(CPU, MAPS["ADAM"], name, dtype, inputs, (2.0, 3.0, 0.3, 0.1)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [0, 1, 5, BLOCK + 33])
def test_sizes_of_sums(size, dtype):
    inputs, leading = [points(size, dtype, 1)[::-1].clip(-9.0, 9.0), np.zeros(size, dtype)], (7.0,)
    got, wanted = (
        run(engine, MAPS["MSE_LOSS"], "value_and_grad_summed", dtype, inputs, leading) for engine in (CUDA, CPU)
    )
    assert_same(got, wanted)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [0, 1, 5])
def test_outputs_may_be_inputs(size, dtype):
    inputs = [points(size, dtype, seed) for seed in range(2)]
    (*_, dx, h), _ = run(CUDA, MAPS["MSE_LOSS"], "grad_and_hess", dtype, inputs, (3.0,), overwrite=True)
    (*_, grad, hess), _ = run(CPU, MAPS["MSE_LOSS"], "grad_and_hess", dtype, inputs, (3.0,))
    assert_same(((dx, h), None), ((grad, hess), None))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("divisor", [7.0, 16777217.0, 0.0])
def test_a_divisor_on_the_device(divisor, dtype):
    inputs = [points(5, dtype, seed) for seed in range(2)]
    got = run(CUDA, MAPS["MSE_LOSS"], "value_and_grad_summed", dtype, inputs, (brought(np.array(divisor)),))
    assert_same(got, run(CPU, MAPS["MSE_LOSS"], "value_and_grad_summed", dtype, inputs, (divisor,)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("divisor", "total"), [(0.0, np.nan), (1.0, 0.0)])
def test_the_mean_of_nothing_is_nan_and_its_sum_zero(divisor, total, dtype):
    inputs = [np.zeros(0, dtype)] * 2
    _, returned = run(CUDA, MAPS["MSE_LOSS"], "value_and_grad_summed", dtype, inputs, (divisor,))
    assert_same_bits(returned, np.asarray(total, dtype))


def scores(rows, classes, dtype):
    """Rows of scores: ordinary ones, and with infinities, NaN, ties and one class far above the others."""
    x = np.random.default_rng(1).normal(0.0, 5.0, (rows, classes)).astype(dtype)
    for row, value in enumerate((np.inf, -np.inf, np.nan, 60.0)):
        if row + 1 < rows:
            x[row + 1, row % classes] = value
    x[-1] = -2.0
    return x


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("classes", [1, 5, 33])
@pytest.mark.parametrize(("record", "form"), ROW_CASES)
def test_rows(record, form, classes, dtype):
    x = scores(7, classes, dtype)
    inputs = (x,) if form == "value" else (points(x.size, dtype, 2).reshape(x.shape), x)
    expected, out = np.empty_like(x), brought(x)
    CPU.load(record, form, dtype)(inputs, expected)
    CUDA.load(record, form, dtype)(tuple(brought(array) for array in inputs), out)
    assert_same_bits(out, expected)
    CUDA.load(record, form, dtype)((*(brought(array) for array in inputs[:-1]), last := brought(x)), last)
    assert_same_bits(last, expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_row_of_two_blocks(dtype):
    record = found(records.Rowwise)["SOFTMAX"]
    x = np.random.default_rng(1).normal(size=(1, BLOCK + 5)).astype(dtype)
    expected, out = np.empty_like(x), brought(x)
    CPU.load(record, "value", dtype)((x,), expected)
    CUDA.load(record, "value", dtype)((out,), out)
    assert_same_bits(out, expected)


def run_loss(engine, record, form, dtype, target, *, weights=(None, None), out=False, divisor=6.0, smoothing=0.1):
    """A row loss of `scores` on one engine, by what is wanted of it. On a GPU the gradient overwrites the scores."""
    bring = (lambda array: None if array is None else array.copy()) if engine is CPU else brought
    x = scores(7, 5, dtype)
    total = 5.0 if weights[0] is None else float(weights[0].sum(dtype="float64"))
    options = RowOptions(-100, 1.0 - smoothing, smoothing / 5, total, divisor, 0.3 * smoothing)
    options = dataclasses.replace(options, parameters=(0.75,) * len(record.parameters))
    given, losses, h = bring(x), bring(x[:, 0]) if out and form.value else None, bring(x) if form.hess else None
    dx = (bring(x) if engine is CPU else given) if form.grad else None
    returned = engine.load(record, form, dtype)(given, bring(target), *map(bring, weights), options, losses, dx, h)
    assert (returned is not None) == (form.value and not out)
    results = {"value": losses if out else returned, "grad": dx, "hess": h}
    return {name: array for name, array in results.items() if array is not None}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize(("record", "labels"), LABELLED)
def test_row_losses(record, labels, weighted, dtype):
    rng = np.random.default_rng(2)
    weights = (rng.uniform(0.5, 2.0, 5).astype(dtype), rng.uniform(0.0, 2.0, 7).astype(dtype))
    if not weighted:  # as weights of 1, for which the CPU needs no kernel of its own
        weights = (np.ones(5, dtype), None)
    target = LABELS if labels else rng.dirichlet(np.ones(5), 7).astype(dtype)
    options = {"weights": weights, "smoothing": 0.1 * weighted, "out": True}
    parts = run_loss(CPU, record, RowForm(True, True, True, labels, True), dtype, target, **options)
    options["weights"] = weights if weighted else (None, None)
    for wanted in ({"value"}, {"grad"}, {"value", "grad"}, {"grad", "hess"}, {"value", "grad", "hess"}):
        form = RowForm("value" in wanted, "grad" in wanted, "hess" in wanted, labels, weighted)
        got = run_loss(CUDA, record, form, dtype, target, **options)
        assert got.keys() == wanted
        for name in wanted:
            assert_same_bits(got[name], parts[name])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("labels", [False, True], ids=["probabilities", "labels"])
@pytest.mark.parametrize("record", PROJECTIONS)
def test_losses_by_projections(record, labels, dtype):
    rng, every = np.random.default_rng(2), ("value", "grad", "hess")
    target = LABELS if labels else rng.dirichlet(np.ones(5), 7).astype(dtype)
    for weights, out in ((None, True), (rng.uniform(0.0, 2.0, 7).astype(dtype), False)):
        options = {"weights": (None, weights), "smoothing": 0.0, "out": out}
        parts = run_loss(CPU, record, RowForm(True, True, True, labels, False), dtype, target, **options)
        for wanted in every, every[:1], every[1:]:
            form = RowForm(*(name in wanted for name in every), labels, False)
            got = run_loss(CUDA, record, form, dtype, target, **options)
            assert got.keys() == set(wanted)
            for name in wanted:
                assert_same_bits(got[name], parts[name])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("on_device", [False, True], ids=["host", "device"])
@pytest.mark.parametrize("record", LOSSES)
def test_row_losses_are_summed(record, on_device, dtype):
    form = RowForm(True, True, True, True, True)
    weights = (np.linspace(0.5, 1.5, 5).astype(dtype), None)
    divisor = brought(np.array(6.0)) if on_device else 6.0
    got = run_loss(CUDA, record, form, dtype, LABELS, weights=weights, divisor=divisor)
    for name, array in run_loss(CPU, record, form, dtype, LABELS, weights=weights).items():
        assert_same_bits(got[name], array)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bad", [5, -1, 2**62, -(2**63)])
@pytest.mark.parametrize("record", [*LOSSES, *PROJECTIONS])
def test_a_label_out_of_range_poisons_its_row(record, bad, dtype):
    weighted = isinstance(record, records.RowLoss)
    form, target, options = RowForm(True, True, True, True, weighted), LABELS.copy(), {"out": True, "smoothing": 0.0}
    options["weights"] = (np.linspace(0.5, 1.5, 5).astype(dtype) if weighted else None, None)
    wanted = run_loss(CPU, record, form, dtype, target, **options)
    target[4] = bad
    got = run_loss(CUDA, record, form, dtype, target, **options)
    for name, array in wanted.items():
        result = host(got[name])
        assert np.isnan(result[4]).all()
        assert_same_bits(np.delete(result, 4, axis=0), np.delete(array, 4, axis=0))


@pytest.mark.parametrize("size", [0, 1, 33])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("given", [(False, False), (True, False), (False, True), (True, True)])
def test_label_weights(given, dtype, size):
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 5, size)
    labels[::4] = -100
    weights = [rng.uniform(0.0, 2.0, n).astype(dtype) if w else None for w, n in zip(given, (5, size), strict=True)]
    bad, total = CPU.label_weights(labels, *weights, -100, 5)
    got = CUDA.label_weights(brought(labels), *map(brought, weights), -100, 5)
    assert (host(got[0]), bad) == (-1, -1)
    assert_same_bits(got[1], np.float64(total))


def test_the_first_label_out_of_range_is_found_in_any_block():
    labels = np.zeros(BLOCK + 33, np.int64)
    labels[[40, 41, BLOCK + 2]] = 5, -1, 9
    for row in (40, 41, BLOCK + 2):
        assert host(CUDA.label_weights(brought(labels), None, None, -100, 5)[0]) == row
        labels[row] = 1


def test_the_engine_names_its_library_and_brings_arrays():
    assert (CUDA.name, CUDA.library) == ("cuda", CUDA.xp.__name__)
    assert isinstance(CUDA.bring(np.ones(3)), CUDA.xp.ndarray)
