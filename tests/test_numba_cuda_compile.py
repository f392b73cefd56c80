"""The cuda engine's kernels as machine code for an H100, without a GPU: what they hold, and what they are given.

The simulator shows that the skeletons are right, but in it they are plain Python. Here NVVM compiles the same kernels.
"""

import dis
import importlib
import pkgutil
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from fastloa_kernels import forms, formulas, primitives, records
from fastloa_kernels.engines import AlignmentOptions, RowForm, RowOptions
from fastloa_kernels.engines.numba_cuda import engine, toolchain
from fastloa_kernels.formulas import resolve

from tests.dependencies import inputs_used
from tests.shim import catalogue

CAPABILITY = (9, 0)
DTYPES = ("float32", "float64")


def _missing():
    if toolchain.cuda is None or toolchain.SIMULATED:
        return "numba-cuda is not installed, or simulates"
    nvvm = importlib.import_module("numba.cuda.cudadrv.nvvm")
    try:
        nvvm.NVVM()
        nvvm.LibDevice()
    except (nvvm.NvvmSupportError, RuntimeError, ImportError, OSError) as reason:
        return f"numba-cuda's NVVM is not installed: {reason}".splitlines()[0]
    return None


MISSING = _missing()
pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))


class Launches(list):
    """Stands in for CuPy on NumPy arrays: launches nothing, and keeps each kernel's PTX and what it was given."""

    def __init__(self):
        super().__init__()
        self.ndarray, self.empty, self.full, self.asarray, self.array = (
            np.ndarray,
            np.empty,
            np.full,
            np.asarray,
            np.array,
        )
        self.cuda = SimpleNamespace(
            is_available=lambda: True,
            runtime=SimpleNamespace(getDevice=lambda: 0),
            Device=lambda number: SimpleNamespace(compute_capability="90"),
            function=SimpleNamespace(Module=lambda: SimpleNamespace(load=self.load, get_function=self.function)),
        )

    def load(self, cubin):
        assert cubin[:4] == b"\x7fELF"

    def function(self, symbol):
        return lambda grid, block, arguments: self.append((symbol, grid, block, arguments))


@pytest.fixture(scope="module")
def compiling():
    """The engine on a stand-in for CuPy, and the PTX of every kernel by its symbol."""
    cupy, texts, compiled = Launches(), {}, toolchain.compiled

    def remembered(*arguments):
        symbol, library = compiled(*arguments)
        texts[symbol] = library.get_asm_str(cc=CAPABILITY)
        return symbol, library

    with pytest.MonkeyPatch.context() as patch:
        # numba-cuda asks the current device for its capability when it compiles a nested function.
        dispatcher = importlib.import_module("numba.cuda.dispatcher")
        patch.setattr(dispatcher, "get_current_device", lambda: SimpleNamespace(compute_capability=CAPABILITY))
        patch.setitem(sys.modules, "cupy", cupy)
        patch.setattr(toolchain, "compiled", remembered)
        yield SimpleNamespace(engine=engine.Engine(), launches=cupy, of=texts)
    engine._finish_kernel.cache_clear()
    engine._label_kernels.cache_clear()


@pytest.fixture
def ptx(compiling):
    compiling.launches.clear()
    return compiling


def found(kinds):
    """Every record of the formulas, by its name there."""
    names = [module.name for module in pkgutil.walk_packages(formulas.__path__, formulas.__name__ + ".")]
    return {name: x for n in names for name, x in vars(importlib.import_module(n)).items() if isinstance(x, kinds)}


def named_fmas(formula, dtype):
    """How many times a formula, and all that it calls, names ``fma``."""
    formula, count = resolve.version(formula, dtype), 0
    meanings = resolve.referenced(formula, dtype)
    for instruction in dis.get_instructions(formula):
        meaning = meanings.get(instruction.argval) if instruction.opname.startswith("LOAD_") else None
        if meaning is primitives.fma:
            count += 1
        elif resolve.is_formula(meaning):
            count += named_fmas(meaning, dtype)
    return count


def parameters_of(text):
    """The kinds of a kernel's parameters: u64, f32 or f64."""
    return re.findall(r"\.param \.(\w+) ", text[text.index(".entry") : text.index("{", text.index(".entry"))])


KINDS = {
    np.dtype(name): kind for name, kind in (("int64", "u64"), ("uint64", "u64"), ("float32", "f32"), ("float64", "f64"))
}


def check_launches(ptx):
    """Each launch must hand over what its kernel takes, and no kernel may round where the formula does not say so."""
    assert ptx.launches
    for symbol, grid, block, arguments in ptx.launches:
        given = ["u64" if isinstance(a, np.ndarray) else KINDS[a.dtype] for a in arguments]
        assert given == parameters_of(ptx.of[symbol])
        assert grid[0] > 0
        assert block == (toolchain.THREADS,)
        text = ptx.of[symbol]
        # With contraction off NVVM spells out every rounding; without it ptxas might fuse what NVVM did not.
        assert not re.search(r"\b(add|sub|mul|mad|fma)\.(ftz\.)?f(32|64)", text)
        assert "ftz" not in text
        assert not re.search(r"\bcall\b|\.local\b", text)
        assert not re.search(r"\b(div|sqrt)\.(approx|full)", text)


def run(ptx, record, form, dtype, *, on_device=False):
    what = forms.form(record, form)
    inputs = tuple(np.zeros(3, dtype) for _ in range(what.inputs))
    outputs = () if what.in_place else tuple(np.zeros(3, dtype) for _ in range(what.outputs - what.summed))
    leading = (np.array(1.0) if on_device else 1.0,) * what.leading
    ptx.engine.load(record, form, dtype)(inputs, outputs, leading, (0.5,) * len(record.parameters))
    return what


MAPS = [
    pytest.param(record, form, id=f"{name}-{form}")
    for name, record in found((records.Elementwise, records.Gated, records.PairwiseLoss, records.Step)).items()
    for form in catalogue.once(record)
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("record", "form"), MAPS)
def test_maps_steps_and_sums(record, form, dtype, ptx):
    what = run(ptx, record, form, dtype)
    check_launches(ptx)
    text = ptx.of[ptx.launches[0][0]]
    if not what.summed:
        # NVVM may unroll the loop: there are as many copies of the formula as of its stores.
        copies = text.count("st.global") // what.outputs
        assert text.count("fma.rn") <= named_fmas(what.formula, dtype) * copies
        assert dtype == "float64" or not re.search(r"\.f64\b", text)


MANY = [pytest.param(record, form, id=f"{record.name}-{form}") for record, form in catalogue.many_forms()]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("on_device", [False, True])
@pytest.mark.parametrize(("record", "form"), MANY)
def test_steps_and_sums_over_many_arrays(record, form, on_device, dtype, ptx):
    what = forms.form(record, form)
    rows = max((what.inputs, *(place + 1 for place in what.in_place)))
    table = ptx.engine.table(np.ones((rows, 3), np.int64), np.array([3, 2049, 1]), 0)
    leading = (np.ones(3) if on_device else 1.0,) * what.leading
    ptx.engine.over_arrays(record, form, dtype, (dtype,) * rows)(table, 0, leading, (0.5,) * len(record.parameters))
    check_launches(ptx)
    assert ptx.launches[0][1] == (4,)  # blocks of 2,048 elements, each of one array
    text = ptx.of[ptx.launches[0][0]]
    assert len(re.findall(r"ld\.global\.f(32|64)", text)) >= len(inputs_used(what, len(record.parameters)))
    assert dtype == "float64" or what.summed or not re.search(r"\.f64\b", text)


@pytest.mark.parametrize("half", forms.PARTED)
@pytest.mark.parametrize("record", catalogue.FOLDED, ids=lambda record: record.name)
def test_parameters_in_two_parts(record, half, ptx):
    run(ptx, record, f"step_folded_averaged_zeroed_of_{half}", "float32")
    check_launches(ptx)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", ["grad", "value_and_grad_summed"])
def test_a_divisor_on_the_device(form, dtype, ptx):
    run(ptx, found(records.PairwiseLoss)["MSE_LOSS"], form, dtype, on_device=True)
    check_launches(ptx)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", ["value", "backward_from_output"])
@pytest.mark.parametrize(
    "record", found((records.Rowwise, records.Projection)).values(), ids=lambda record: record.name
)
def test_rows(record, form, dtype, ptx):
    x = np.zeros((2, 3), dtype)
    ptx.engine.load(record, form, dtype)((x,) if form == "value" else (x, x), x)
    check_launches(ptx)


ROW_FORMS = [
    pytest.param(
        RowForm(value, derivatives, derivatives, labels, weighted), id=f"{value:d}{derivatives:d}{labels:d}{weighted:d}"
    )
    for value, derivatives in ((True, True), (True, False), (False, True))
    for labels, weighted in ((True, True), (True, False), (False, True), (False, False))
    if (value and derivatives) or labels == weighted
]
ROW_LOSSES = [
    pytest.param(record, *form.values, id=f"{record.name}-{form.id}")
    for record in found(records.RowLoss).values()
    for form in ROW_FORMS
    if form.values[0].labels or not record.bent
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("record", "form"), ROW_LOSSES)
def test_row_losses(record, form, dtype, ptx):
    x, target = np.zeros((2, 3), dtype), np.zeros(2, np.int64) if form.labels else np.zeros((2, 3), dtype)
    weights = (np.ones(3, dtype), np.ones(2, dtype)) if form.weighted else (None, None)
    for divisor in (2.0, np.array(2.0)) if form.value and form.grad and form.weighted and form.labels else (2.0,):
        options = RowOptions(-100, 0.9, 0.1 / 3, 3.0, divisor, parameters=(0.75,) * len(record.parameters))
        dx, h = (x, x.copy()) if form.grad else (None, None)
        ptx.engine.load(record, form, dtype)(x, target, *weights, options, None, dx, h)
    check_launches(ptx)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("labels", [False, True])
@pytest.mark.parametrize("record", found(records.ProjectionLoss).values(), ids=lambda record: record.name)
def test_losses_by_projections(record, labels, dtype, ptx):
    x, target = np.zeros((2, 3), dtype), np.zeros(2, np.int64) if labels else np.zeros((2, 3), dtype)
    form, options = RowForm(True, True, True, labels, False), RowOptions(-100, 1.0, 0.0, 3.0, 2.0)
    ptx.engine.load(record, form, dtype)(x, target, None, np.ones(2, dtype), options, None, x, x.copy())
    check_launches(ptx)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", ["value", "value_and_grad"])
@pytest.mark.parametrize("record", found(records.AlignmentLoss).values(), ids=lambda record: record.name)
def test_losses_of_alignments(record, form, dtype, ptx):
    x, spans = np.zeros((3, 1, 2), dtype), np.array([[0, 1, 3]])
    for divisor in (2.0, np.array(2.0)):
        options = AlignmentOptions(1, 0, False, True, divisor)
        grad = np.zeros_like(x) if form == "value_and_grad" else None
        ptx.engine.load(record, form, dtype)(x, np.ones(1, np.int64), spans, None, options, None, grad)
    check_launches(ptx)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
def test_label_weights(weighted, dtype, ptx):
    weights = (np.ones(3, dtype), np.ones(2, dtype)) if weighted else (None, None)
    ptx.engine.label_weights(np.zeros(2, np.int64), *weights, -100, 3)
    check_launches(ptx)


@pytest.mark.parametrize("dtype", DTYPES)
def test_random_numbers(dtype, ptx):
    ptx.engine.fill_uniform(np.zeros(3, dtype), 1, 2, 3)
    check_launches(ptx)
    assert dtype == "float64" or not re.search(r"\.f64\b", ptx.of[ptx.launches[0][0]])
