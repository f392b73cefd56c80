"""The CUDA C++ engine against the CPU engine, bit for bit: the very text of its kernels, built by g++, or on a GPU."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from fastloa_kernels import engines, forms
from fastloa_kernels.engines.cupy_native import source
from fastloa_kernels.engines.cupy_native.engine import Engine
from fastloa_kernels.engines.cupy_native.maps import Finish
from fastloa_kernels.engines.numba_cpu import engine as numba_cpu
from fastloa_kernels.formulas.losses import MSE_LOSS
from fastloa_kernels.formulas.totals import IDENTITY
from fastloa_kernels.records import Elementwise, Gated, PairwiseLoss, Step

from tests.mirrored import Mirrored
from tests.shim import catalogue
from tests.shim.compare import both, cpu, needs_compiler, numbers, parametrize, same
from tests.shim.driver import ShimDriver

pytestmark = pytest.mark.shares("cupy_native")  # one worker builds its kernels, once
ENGINES = [pytest.param("shim", marks=needs_compiler), "cupy"]

SIZES = (0, 1, 31, 32, 33, 1023, 1025, 5000)
RUNS = [(0, size) for size in SIZES] + [(1, 5000)]  # how far after a multiple of 16 bytes arrays begin, and how long
DIVISOR = 4.0  # a power of two, so that a sum divided and then rounded is the rounded sum divided
DENSE = {Elementwise: "backward", Gated: "backward", PairwiseLoss: "weighted_value_and_grad", Step: "step"}


@pytest.fixture(scope="module")
def shim():
    """The engine on NumPy arrays, with the kernels of this file built in large pieces."""
    driver = ShimDriver()
    for dtype in catalogue.DTYPES:
        driver.prepare([*catalogue.map_sources(dtype), *catalogue.other_sources(dtype)])
    driver.prepare(text for record in SHAPES.values() for text in dense_and_strided(record))
    return Engine(driver)


@pytest.fixture(scope="module", params=ENGINES)
def engine(request):
    """The shim's engine, and a GPU's."""
    return Mirrored(engines.load_engine("cupy")) if request.param == "cupy" else request.getfixturevalue("shim")


def shapes():
    """Give a record for each shape that kernels of any layout may have: how many arrays, results and parameters."""
    found = {}
    for name, record in catalogue.records(*catalogue.MAPPED).items():
        form = forms.form(record, DENSE[type(record)])
        found.setdefault(
            (form.inputs, form.outputs, form.leading, form.in_place, len(record.parameters)), (name, record)
        )
    return dict(found.values())


SHAPES = shapes()


def dense_and_strided(record):
    name = DENSE[type(record)]
    label, form = source.map_label(record, name), forms.form(record, name)
    for strided in (False, True):
        yield source.map_source(label, form, len(record.parameters), "float32", strided=strided)


def parameters(record):
    return tuple(0.25 * (i % 5 + 2) for i in range(len(record.parameters)))


def run(made, record, name, inputs, leading=()):
    """Every result of a map in new arrays, the sum of a summed form first; a step's arrays after it."""
    form, dtype = forms.form(record, name), inputs[0].dtype.name
    kernel = made.load(record, name, dtype)
    if form.in_place:
        states = tuple(x.copy() for x in inputs)
        kernel(states, (), leading, parameters(record))
        return [states[i] for i in form.in_place]
    outputs = tuple(np.empty_like(inputs[0]) for _ in range(form.outputs - form.summed))
    total = kernel(inputs, outputs, leading, parameters(record))
    return [total, *outputs] if form.summed else list(outputs)


def summed(values):
    return cpu().load(IDENTITY, "value_summed", values.dtype.name)((values,), (), (), ())


@parametrize(Elementwise)
@both
def test_activations_are_the_cpus(engine, record, dtype):
    for shift, size in RUNS:
        x, g = (numbers(size, dtype, seed, shift) for seed in (1, 2))
        (value,) = run(cpu(), record, "value", (x,))
        same(run(engine, record, "value", (x,))[0], value)
        if "value_summed" in catalogue.once(record):
            same(run(engine, record, "value_summed", (x,))[0], summed(value))
            wide = (run(made, record, "value_summed_wide", (x,))[0] for made in (engine, cpu()))
            same(*wide)
        same(run(engine, record, "backward", (g, x))[0], run(cpu(), record, "backward", (g, x))[0])
        # Times 1 is the derivative, and leaves every bit of it.
        same(run(engine, record, "derivative", (x,))[0], run(cpu(), record, "backward", (np.ones_like(x), x))[0])
        if record.derivative_from_output is not None:
            name = "backward_from_output"
            same(run(engine, record, name, (g, value))[0], run(cpu(), record, name, (g, value))[0])


@parametrize(Gated)
@both
def test_gated_activations_are_the_cpus(engine, record, dtype):
    for shift, size in RUNS:
        arrays = tuple(numbers(size, dtype, seed, shift) for seed in (1, 2, 3))
        for name, operands in (("value", arrays[1:]), ("backward", arrays)):
            results = run(engine, record, name, operands), run(cpu(), record, name, operands)
            for got, expected in zip(*results, strict=True):
                same(got, expected)


@parametrize(PairwiseLoss)
@both
def test_losses_are_the_cpus(engine, record, dtype):
    for shift, size in RUNS:
        arrays = tuple(numbers(size, dtype, seed, shift) for seed in range(record.arrays))
        for prefix, weight in (("", np.ones(size, dtype)), ("weighted_", numbers(size, dtype, 9, shift))):
            # A weight of 1 leaves every bit, so the CPU needs no kernels without one.
            operands, weighted = (weight, *arrays) if prefix else arrays, (weight, *arrays)
            value, *grads = run(cpu(), record, "weighted_value_and_grad", weighted, (DIVISOR,))
            slopes = run(cpu(), record, "weighted_grad_and_hess", weighted, (DIVISOR,))
            total = summed(value) / value.dtype.type(DIVISOR)
            for name, expected in (
                ("value", [value]), ("value_summed", [total]), ("grad", grads), ("value_and_grad", [value, *grads]),
                ("value_and_grad_summed", [total, *grads]), ("grad_and_hess", slopes),
            ):  # fmt: skip
                if prefix + name not in catalogue.once(record):
                    continue
                got = run(engine, record, prefix + name, operands, (DIVISOR,))
                for one, other in zip(got, expected, strict=True):
                    same(one, other)


@parametrize(Step)
@both
def test_steps_are_the_cpus(engine, record, dtype):
    for shift, size in RUNS:
        arrays = tuple(numbers(size, dtype, seed, shift) for seed in range(record.arrays))
        leading = (DIVISOR,) * forms.form(record, "step").leading
        results = run(engine, record, "step", arrays, leading), run(cpu(), record, "step", arrays, leading)
        for got, expected in zip(*results, strict=True):
            same(got, expected)


FOLDED = [name for name in forms.FORMS[Step](catalogue.FOLDED[0]) if name != "step"]


@pytest.mark.parametrize("on_device", [False, True])
@pytest.mark.parametrize("name", FOLDED)
@pytest.mark.parametrize("record", catalogue.FOLDED, ids=lambda record: record.name)
@both
def test_folded_steps_are_the_cpus(engine, record, name, on_device, dtype):
    leading = (4.0, 1.5, 0.75, 0.125)[: forms.form(record, name).leading]
    given = tuple(np.array(x) for x in leading) if on_device else leading
    for shift, size in RUNS:
        arrays = tuple(numbers(size, dtype, seed, shift) for seed in range(forms.form(record, name).inputs))
        results = run(engine, record, name, arrays, given), run(cpu(), record, name, arrays, leading)
        for got, expected in zip(*results, strict=True):
            same(got, expected)


@pytest.mark.parametrize("record", [r for r in catalogue.records(Step).values() if r.given], ids=lambda r: r.name)
@both
def test_what_steps_follow_from_is_the_cpus(engine, record, dtype):
    name = "measured_summed" if record.measured else "total_summed"
    leading = (1.0, 4.0, 1.5, 0.75, 0.5)[: forms.form(record, name).leading]
    for shift, size in RUNS:
        arrays = tuple(numbers(size, dtype, seed, shift) for seed in range(record.arrays))
        results = (run(made, record, name, arrays, leading)[0] for made in (engine, cpu()))
        same(*results)


@both
def test_a_sum_is_divided_before_it_is_rounded(engine, dtype):
    arrays = tuple(np.random.default_rng(seed).normal(size=3000).astype(dtype) for seed in (1, 2))
    name = "value_and_grad_summed"
    for divisor in (3.0, 2.0**24 + 1, 1e-3):
        expected = run(cpu(), MSE_LOSS, name, arrays, (divisor,))
        for given in (divisor, np.array(divisor)):  # from the host, or from the device
            for one, other in zip(run(engine, MSE_LOSS, name, arrays, (given,)), expected, strict=True):
                same(one, other)
    narrow = np.array(3.0, "float32")
    same(run(engine, MSE_LOSS, name, arrays, (narrow,))[0], run(cpu(), MSE_LOSS, name, arrays, (3.0,))[0])


@both
@pytest.mark.parametrize(
    "values", [[], [-0.0], [np.inf, 1.0], [np.inf, -np.inf], [np.nan, 1.0], [1e308, 1e308, -1e308]]
)
def test_sums_of_hard_numbers_are_the_cpus(engine, dtype, values):
    with np.errstate(over="ignore"):
        x = np.array(values).astype(dtype)
    same(engine.load(IDENTITY, "value_summed", dtype)((x,), (), (), ()), summed(x))


@pytest.mark.parametrize("blocks", [1, 2, 31, 1023, 1024, 1025, 3000])
def test_partial_sums_of_many_blocks_are_put_together_in_the_cpus_order(shim, blocks):
    rng = np.random.default_rng(blocks)
    partials = rng.normal(size=2 * blocks) * 10.0 ** rng.integers(-8, 8, 2 * blocks)
    partials[blocks:] *= 1e-18
    got = Finish(shim._driver, "float64")(partials, blocks, 1.0)
    same(got, np.float64(numba_cpu.finished(partials[:blocks].copy(), partials[blocks:].copy())))


LAYOUTS = {
    "reversed": lambda x: x.reshape(-1)[:1001][::-1],
    "sliced": lambda x: x.reshape(-1)[1:1000:3],
    "transposed": lambda x: x[:6000].reshape(10, 20, 30).transpose(2, 0, 1),
    "fortran": lambda x: x[:600].reshape(20, 30).T,
    "broadcast": lambda x: np.broadcast_to(x[:30], (40, 30)),
    "column": lambda x: np.broadcast_to(x[:40, None], (40, 30)),
    "too many dimensions": lambda x: x[: 3**9].reshape((3,) * 9)[(slice(2),) * 9],
    "one element": lambda x: x[5:6].reshape(()),
}


@pytest.mark.parametrize("record", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_arrays_of_any_layout_give_the_same_bits(engine, record, layout):
    name = DENSE[type(record)]
    form, view = forms.form(record, name), LAYOUTS[layout]
    whole = [numbers(3**9, "float32", seed) for seed in range(form.inputs + form.outputs)]
    inputs = tuple(view(x) for x in whole[: form.inputs])
    leading = (DIVISOR,) * form.leading
    if form.in_place:
        inputs = tuple(np.array(x) if 0 in x.strides else x for x in inputs)
        expected = run(engine, record, name, tuple(np.ascontiguousarray(x).reshape(x.shape) for x in inputs), leading)
        engine.load(record, name, "float32")(inputs, (), leading, parameters(record))
        outputs = tuple(inputs[i] for i in form.in_place)
    else:
        expected = run(engine, record, name, tuple(np.array(x, order="C") for x in inputs), leading)
        outputs = tuple(np.empty_like(np.asfortranarray(x)) for x in inputs[: form.outputs])
        engine.load(record, name, "float32")(inputs, outputs, leading, parameters(record))
    for got, other in zip(outputs, expected, strict=True):
        same(np.ascontiguousarray(got).reshape(-1), np.ascontiguousarray(other).reshape(-1))


@parametrize(Elementwise)
@both
def test_an_input_may_be_the_output(engine, record, dtype):
    g, x = numbers(5000, dtype, 1), numbers(5000, dtype, 2)
    (expected,) = run(engine, record, "backward", (g, x))
    kernel = engine.load(record, "backward", dtype)
    for place, other in ((0, x), (1, g)):
        arrays = g.copy(), x.copy()
        kernel(arrays, (arrays[place],), (), parameters(record))
        same(arrays[place], expected)
        same(arrays[1 - place], other)


def test_what_the_engine_takes_is_brought_to_its_library(shim):
    assert (shim.name, shim.library, shim.xp, shim.strided) == ("cupy", "numpy", np, True)
    np.testing.assert_array_equal(shim.bring([1.0, 2.0]), [1.0, 2.0])


def test_without_cupy_the_engine_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(engines.Unavailable, match=r"^the cupy backend needs CuPy: pip install 'fastloa\[cuda13\]'$"):
        Engine()


@pytest.mark.parametrize("count", [0, OSError("no driver")])
def test_without_a_device_the_engine_says_so(monkeypatch, count):
    def devices():
        if count:
            raise count
        return 0

    runtime = SimpleNamespace(getDeviceCount=devices, CUDARuntimeError=OSError)
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=SimpleNamespace(runtime=runtime), ndarray=np.ndarray))
    reason = "no driver" if count else "the driver lists none"
    with pytest.raises(engines.Unavailable, match=f"^the cupy backend found no CUDA device: {reason}$"):
        Engine()
