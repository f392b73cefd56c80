"""Kernels over many arrays in one launch, built by g++: the bits of single arrays, and how often something is launched."""

import itertools
from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest
from fastloa_kernels import forms
from fastloa_kernels.engines import load_engine
from fastloa_kernels.engines.cupy_native import source
from fastloa_kernels.engines.cupy_native.driver import CupyDriver
from fastloa_kernels.engines.cupy_native.engine import Engine
from fastloa_kernels.formulas.folded import DESCENT_SQUARE
from fastloa_kernels.formulas.optimizer_trusted import LAMB
from fastloa_kernels.records import Step
from fastloa_kernels.sums import BLOCK

import fastloa as fl
from fastloa.optimizer_steps import Alone
from tests.shim import catalogue
from tests.shim.compare import both, cpu, gpu, in_place_of_cupy, needs_compiler, numbers, same
from tests.shim.driver import ShimDriver

pytestmark = [needs_compiler, pytest.mark.shares("cupy_native")]

# How long arrays are, and how far after a multiple of 16 bytes they begin.
RUNS = [(0, 0), (1, 0), (31, 0), (1025, 0), (5, 1), (2048, 0), (2049, 3), (0, 0), (7000, 0), (4096, 1), (1, 1), (0, 0)]
LEADING = (4.0, 1.5, 0.75, 0.125, 0.5)
STEPS = [
    pytest.param(record, name, id=f"{key}-{name}")
    for key, record in catalogue.records(Step).items()
    for name, form in catalogue.forms_of(record).items()
    if not form.summed
]
SUMS = [
    pytest.param(record, name, id=f"{record.name}-{name}")
    for record, name in catalogue.many_forms()
    if forms.form(record, name).summed
]


HALVES = {"float16": np.dtype(np.float16), "bfloat16": np.dtype(ml_dtypes.bfloat16)}
HALVED = [
    pytest.param(record, name, stored, id=f"{record.name}-{name}-{half}")
    for half in HALVES
    for record, name, stored in catalogue.many_halved(half)
    if record in (*catalogue.FOLDED, LAMB, DESCENT_SQUARE)
]


@pytest.fixture(scope="module")
def engine():
    """The engine, with the kernels of this file built in large pieces."""
    for dtype in catalogue.DTYPES:
        texts = [catalogue.many_source(*one, dtype) for one in catalogue.many_forms()]
        gpu()._driver.prepare([*texts, *catalogue.other_sources(dtype)])
    gpu()._driver.prepare([catalogue.many_source(*one.values[:2], "float32", one.values[2]) for one in HALVED])
    return gpu()


def made(dtypes):
    """Give an operand of each dtype for each array, one row for each."""
    return [[numbers(size, dtype, 20 * n + i, shift) for i, (size, shift) in enumerate(RUNS)]
            for n, dtype in enumerate(dtypes)]  # fmt: skip


def made_in_16_bits(stored):
    """Give the same where some hold 16 bits; what a parameter lost are integers of all sizes."""
    rows = made(["float32" if held == "int16" or held in HALVES else held for held in stored])
    with np.errstate(all="ignore"):
        return [
            [(np.nan_to_num(x * 1e3, nan=7, posinf=2.0**15 - 1, neginf=-(2.0**15)).clip(-(2.0**15), 2.0**15 - 1)
              if held == "int16" else x).astype(HALVES.get(held, held)) for x in row]
            for held, row in zip(stored, rows, strict=True)
        ]  # fmt: skip


def table(engine, operands, varying=0):
    sizes = np.array([x.size for x in operands[0]])
    return engine.table(np.array([[x.ctypes.data for x in row] for row in operands]), sizes, varying)


def parameters(record):
    return tuple(0.25 * (i % 5 + 2) for i in range(len(record.parameters)))


@pytest.mark.parametrize(("record", "name"), STEPS)
@both
def test_steps_of_many_arrays_are_the_cpus_of_each(engine, record, name, dtype):
    form = forms.form(record, name)
    for given in ("host", "device", "each") if record in catalogue.FOLDED or form.leading else ("host",):
        many, single = (made([dtype] * form.inputs) for _ in range(2))
        each = [np.linspace(x, 2 * x, len(RUNS)) for x in LEADING[: form.leading]]
        leading = LEADING[: form.leading]
        leading = {"host": leading, "device": tuple(map(np.array, leading)), "each": (*leading[:-1], *each[-1:])}[given]
        kernel = engine.over_arrays(record, name, dtype, (dtype,) * form.inputs)
        kernel(table(engine, many), 0, leading, parameters(record))
        for i in range(len(RUNS)):
            own = tuple(float(x[i] if np.ndim(x) else x) for x in leading)
            cpu().load(record, name, dtype)(tuple(row[i] for row in single), (), own, parameters(record))
        for row, other in zip(many, single, strict=True):
            for got, expected in zip(row, other, strict=True):
                same(got, expected)


@pytest.mark.parametrize(("record", "name"), SUMS)
@both
def test_sums_of_many_arrays_are_those_of_each(engine, record, name, dtype):
    form, leading = forms.form(record, name), (3.0, *LEADING)
    operands, leading = made([dtype] * (1 + form.inputs)), leading[: form.leading]
    kernel = engine.over_arrays(record, name, dtype, (dtype,) * form.inputs)
    got = kernel(table(engine, operands), 1, leading, parameters(record))
    assert (got.shape, got.dtype) == ((len(RUNS),), "float64")
    for i, one in enumerate(got):
        inputs = tuple(row[i] for row in operands[1:])
        same(one, engine.load(record, name, dtype)(inputs, (), leading, parameters(record))[()])


@pytest.mark.parametrize(("record", "name", "stored"), HALVED)
def test_16_bits_of_many_arrays_are_the_cpus_of_each(engine, record, name, stored):
    form, leading = forms.form(record, name), (3.0, *LEADING)
    many, single = made_in_16_bits(stored), made_in_16_bits(stored)
    leading = leading[: form.leading]
    got = engine.over_arrays(record, name, "float32", stored)(table(engine, many), 0, leading, parameters(record))
    kernel = cpu().load(record, name, "float32")
    for i in range(len(RUNS)):
        found = kernel(tuple(row[i] for row in single), (), leading, parameters(record))
        if form.summed:
            same(got[i], found)
    for row, other in zip(many, single, strict=True):
        for one, expected in zip(row, other, strict=True):
            same(one, expected)


@both
@pytest.mark.parametrize(
    "values", [[], [-0.0], [np.inf, 1.0], [np.inf, -np.inf], [np.nan, 1.0], [1e308, 1e308], [5e-324]]
)
def test_sums_of_hard_numbers_are_those_of_each(engine, dtype, values):
    with np.errstate(over="ignore"):
        g = [np.array(values).astype(dtype), np.resize(np.array([*values, 0.0]).astype(dtype), 3 * BLOCK)]
    got = engine.over_arrays(DESCENT_SQUARE, "value_summed_wide", dtype, (dtype,))(
        table(engine, [g, g]), 0, (), (1.0, np.inf, 1.0)
    )
    for one, x in zip(got, g, strict=True):
        same(one, engine.load(DESCENT_SQUARE, "value_summed_wide", dtype)((x,), (), (), (1.0, np.inf, 1.0))[()])


class Counting(ShimDriver):
    """A driver that notes what is launched, and can be told that launches are being recorded."""

    def __init__(self):
        super().__init__()
        self.launched, self.is_recording = [], False
        self._launches = gpu()._driver._launches  # what has been built already

    def load(self, text):
        def noting(name, launch):
            def run(*arguments):
                self.launched.append(name)
                launch(*arguments)

            return run

        return tuple(noting(name, launch) for name, launch in zip(text.names, super().load(text), strict=True))

    def recording(self):
        return self.is_recording

    def seen(self):
        """Give how many kernels of which kinds have been launched since this was last asked for."""
        kinds = ["put" if name.startswith("put") else "work" for name in self.launched]
        self.launched.clear()
        return kinds.count("put"), kinds.count("work")


@pytest.fixture
def driver(monkeypatch, engine):
    """The driver of an engine that is found under the name of CuPy's."""
    found = Counting()
    in_place_of_cupy(monkeypatch, Engine(found))
    return found


def thousand(seed, dtype="float32"):
    return [x.copy() for x in np.random.default_rng(seed).normal(size=(1000, 7)).astype(dtype)]


def test_a_step_over_a_thousand_arrays_is_one_launch(driver):
    p, q, g, other = (thousand(seed) for seed in (1, 1, 2, 3))
    optimizer, expected = fl.AdamW(p, backend="cupy"), fl.AdamW(q)
    puts = -(-1000 // source.PUT)
    # The first gradients are known from the table's start; others must be told, and the same ones never again.
    for grads, launches in ((g, (0, 1)), (g, (0, 1)), (other, (puts, 1)), (other, (0, 1)), (g, (puts, 1))):
        optimizer.step(grads)
        expected.step(grads)
        assert driver.seen() == launches
    np.testing.assert_array_equal(p, q)


def test_one_gradient_elsewhere_is_found(driver):
    p, g = [np.zeros(3), np.zeros(4)], [np.ones(3), np.ones(4)]
    optimizer = fl.SGD(p, lr=1.0, backend="cupy")
    optimizer.step(g)
    g[1] = np.full(4, 2.0)
    optimizer.step(g)
    assert [x.tolist() for x in p] == [[-2.0] * 3, [-3.0] * 4]


def test_the_norm_of_a_thousand_gradients_takes_four_launches(driver):
    p, q, g = thousand(1), thousand(1), thousand(2)
    optimizer, expected = (fl.SGD(x, lr=0.5, clip_norm=1.0, backend="cupy") for x in (p, q))
    optimizer.step(g)
    assert driver.seen() == (0, 2 + 2 + 1)  # the arrays' sums, their sum, and the step
    expected._groups = []
    expected.step(g)
    assert driver.seen() == (0, 3 * 1000 + 2)
    assert optimizer.last_grad_norm == expected.last_grad_norm
    np.testing.assert_array_equal(p, q)


def test_what_is_recorded_knows_its_own_gradients_and_nobody_else_is_misled(driver):
    p, g, other = thousand(1), thousand(2), thousand(3)
    optimizer = fl.SGD(p, lr=1.0, backend="cupy")
    optimizer.step(g)
    assert driver.seen() == (0, 1)
    driver.is_recording = True
    optimizer.step(g)  # the table may hold others when this is played back
    assert driver.seen() == (2, 1)
    driver.is_recording = False
    for grads in (g, other, other):  # and the record may have been played back in between
        optimizer.step(grads)
        assert driver.seen() == (2, 1)


ALL = {"grad_scale": 8.0, "clip_value": 1.25, "clip_norm": 3.0, "ema": 0.75, "zero_grad": True, "skip_nonfinite": True}
SHAPES = [(3,), (), (4, 5), (1,), (5000,), (2, 3, 4), (7,), (31,)]


def arrays(dtypes, seed):
    rng = np.random.default_rng(seed)
    held = [HALVES.get(dtype, dtype) for dtype in dtypes]
    return [rng.normal(size=shape).astype(held[i % len(held)]) for i, shape in enumerate(SHAPES)]


FOLDS = [
    *itertools.product(
        [{}, {"zero_grad": True}, {"clip_norm": 0.5}, ALL], ["Adam", "LAMB", "LARS", "SGD", "Adan"],
        [("float32",), ("float64",), ("float32", "float64")],
    ),
    *itertools.product([ALL, {**ALL, "compensated": True}], ["Adam", "LAMB"], [("bfloat16", "float16", "float32")]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "name", "dtypes"), FOLDS, ids=lambda x: x if isinstance(x, str) else "-".join(x) or "plain"
)
def test_all_that_is_folded_has_the_bits_of_single_arrays(driver, monkeypatch, dtypes, name, options):
    p, q = arrays(dtypes, 1), arrays(dtypes, 1)
    make = lambda x: getattr(fl, name)(x, backend="cupy", **options)  # noqa: E731
    many, single = make(p), make(q)
    single._groups, calls, original = [], [], Alone.step
    monkeypatch.setattr(Alone, "step", lambda *a: (calls.append(a), original(*a)))
    for seed in range(2, 6):
        grads = arrays(dtypes, seed), arrays(dtypes, seed)
        for optimizer, g in zip((many, single), grads, strict=True):
            skipped = seed == 4 and "skip_nonfinite" in options
            if skipped:
                g[0][1] = np.inf
            calls.clear()
            optimizer.step(g)
            assert (len(calls), optimizer.last_skipped) == (0 if optimizer is many or skipped else len(p), skipped)
        assert len(many._groups) == len(dtypes)
        for a, b in zip(*grads, strict=True):
            same(a, b)
        assert "zero_grad" not in options or not any(x.any() for x in grads[0])
    if "clip_norm" in options:
        same(many.last_grad_norm, single.last_grad_norm)
    for one, other in ((p, q), *([(many.ema, single.ema)] if "ema" in options else [])):
        for a, b in zip(one, other, strict=True):
            same(a, b)
    for own, other in zip(many.state_dict()["states"], single.state_dict()["states"], strict=True):
        for state in own:
            same(own[state], other[state])


def test_the_backend_may_change_from_step_to_step(driver):
    p, g = [np.zeros(3), np.zeros(4)], [np.ones(3), np.ones(4)]
    optimizer = fl.SGD(p, lr=1.0)
    for backend, launches in (("cpu", 0), ("cupy", 1), ("cpu", 0), ("cupy", 1)):
        with fl.use_backend(backend):
            optimizer.step(g)
        assert driver.seen() == (0, launches)
    assert [x.tolist() for x in p] == [[-4.0] * 3, [-4.0] * 4]


def test_stretches_of_memory_are_apart(engine):
    compiled, numpys = load_engine("cpu").apart, engine.apart
    rng = np.random.default_rng(0)
    answers = []
    for _ in range(300):
        first = np.cumsum(rng.integers(10, 40, 5)) + 100
        last = first + rng.integers(1, 10, 5)
        places, sizes = rng.integers(90, 320, 2), rng.integers(1, 20, 2)
        places[0] *= rng.random() < 0.95
        answers.append(numpys(places, sizes, first, last))
        assert answers[-1] == compiled(places, sizes, first, last)
        meet = any(
            a < y and x < a + n for a, n in zip(places, sizes, strict=True) for x, y in zip(first, last, strict=True)
        )
        assert answers[-1] == (bool(places.all()) and not meet)
    assert 50 < sum(answers) < 250


def test_cupys_arrays_are_found_where_they_are_in_order_and_at_hand():
    def array(place, device=1, strides=(8,), contiguous=True):
        data, flags = SimpleNamespace(ptr=place, device_id=device), SimpleNamespace(c_contiguous=contiguous)
        return SimpleNamespace(data=data, flags=flags, strides=strides, itemsize=8)

    stream = SimpleNamespace(is_capturing=lambda: True)
    cuda = SimpleNamespace(get_current_stream=lambda: stream)
    driver = SimpleNamespace(xp=SimpleNamespace(cuda=cuda), _device_id=lambda: 1)
    whole, single, columns = array(4096), array(8192, strides=(0,)), array(1024, strides=(16,), contiguous=False)
    places = CupyDriver.places_of(driver, [whole, whole])
    assert places([whole, array(8)]) == [4096, 8]
    assert places([single, columns]) == [8192, 0]
    assert places([array(4096, device=0), whole]) == [0, 4096]
    assert places([array(4100), whole]) == [0, 4096]
    assert CupyDriver.places_of(driver, [whole, columns])([whole, columns]) == [4096, 0]
    assert CupyDriver.recording(driver) is True


@pytest.fixture
def cupy(engine):
    return pytest.importorskip(engine)


ON_GPU = [
    *itertools.product([{}, {"clip_norm": 0.5, "zero_grad": True}, ALL], [("float32", "float64")]),
    *itertools.product([{}, {"compensated": True}, {**ALL, "compensated": True}], [("bfloat16", "float16")]),
]


@pytest.mark.parametrize("engine", ["cupy"])
@pytest.mark.parametrize(("options", "dtypes"), ON_GPU)
@pytest.mark.parametrize("name", ["AdamW", "LAMB"])
def test_gpu_steps_have_the_bits_of_single_arrays(cupy, monkeypatch, name, options, dtypes):
    bring, many_of = lambda xs: [cupy.asarray(x) for x in xs], HALVES.get(dtypes[0], dtypes[0])
    p, q = (bring([*arrays(dtypes, 1), *thousand(1, many_of)]) for _ in range(2))
    many, single = (getattr(fl, name)(x, **options) for x in (p, q))
    single._groups, calls, original = [], [], Alone.step
    monkeypatch.setattr(Alone, "step", lambda *a: (calls.append(a), original(*a)))
    for seed in range(2, 6):  # gradients that lie elsewhere each time
        host = [*arrays(dtypes, seed), *thousand(seed, many_of)]
        many.step(bring(host))
        assert not calls
        single.step(bring(host))
        calls.clear()
    for a, b in zip(p, q, strict=True):
        same(a.get(), b.get())


@pytest.mark.parametrize("engine", ["cupy"])
def test_gpu_graphs_follow_the_gradients_they_were_recorded_with(cupy):
    p, g, other = ([cupy.full(5, x, "float32") for _ in range(600)] for x in (0.0, 1.0, 100.0))
    optimizer, stream = fl.SGD(p, lr=1.0), cupy.cuda.Stream(non_blocking=True)
    cupy.cuda.get_current_stream().synchronize()
    with stream:
        optimizer.step(g)
        stream.begin_capture()
        optimizer.step(g)
        graph = stream.end_capture()
        for launches, grads, expected in ((2, other, -103.0), (1, other, -204.0), (3, g, -208.0)):
            for _ in range(launches):
                graph.launch(stream)
            optimizer.step(grads)
            stream.synchronize()
            assert {x for one in p for x in one.get().tolist()} == {expected}
