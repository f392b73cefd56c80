"""The CUDA C++ engine on float16 and bfloat16 arrays, built by g++: float32 arithmetic, each result rounded once."""

import itertools
import math

import ml_dtypes
import numpy as np
import pytest
from fastloa_kernels import forms
from fastloa_kernels.engines.cupy_native import source
from fastloa_kernels.engines.cupy_native.engine import Engine
from fastloa_kernels.formulas.losses import MSE_LOSS
from fastloa_kernels.formulas.totals import IDENTITY

import fastloa as fl
from fastloa import backends
from tests.shim.compare import needs_compiler, numbers, same
from tests.shim.driver import ShimDriver
from tests.test_cupy_native import DENSE, LAYOUTS, RUNS, SHAPES, parameters

pytestmark = [needs_compiler, pytest.mark.shares("cupy_16_bits")]  # one worker builds its kernels, once

FLOAT16, BFLOAT16 = np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)
HALVES = pytest.mark.parametrize("half", [FLOAT16, BFLOAT16], ids=str)
LEADING = 0.3
# What the arrays of a kernel hold, one after the other: all the same, and each another thing than the one before.
STORED = {"float16": (FLOAT16,), "bfloat16": (BFLOAT16,), "mixed": (BFLOAT16, np.dtype(np.float32), FLOAT16)}
TOTALS = [
    (record, name)
    for record, name in ((MSE_LOSS, "value_and_grad_summed"), (MSE_LOSS, "weighted_value_summed"), (IDENTITY, "value_summed"))
]  # fmt: skip


def stored_in(form, kind):
    """What each array holds; those that are overwritten go on with it."""
    found = tuple(itertools.islice(itertools.cycle(STORED[kind]), form.arrays))
    return found[: form.inputs] + tuple(found[i] for i in form.in_place) if form.in_place else found


@pytest.fixture(scope="module")
def engine():
    """The engine on NumPy arrays, with the kernels of this file built in large pieces."""
    driver, texts = ShimDriver(), [source.finish_source("float32")]
    for record, name in [*((record, DENSE[type(record)]) for record in SHAPES.values()), *TOTALS]:
        form = forms.form(record, name)
        texts_of = source.map_label(record, name), form, len(record.parameters), "float32"
        for kind in (None, *STORED):
            names = None if kind is None else tuple(dtype.name for dtype in stored_in(form, kind))
            if form.summed:
                texts.append(source.sum_source(*texts_of, names))
            else:
                texts += [source.map_source(*texts_of, names, strided=strided) for strided in (False, True)]
    driver.prepare(texts)
    return Engine(driver)


def rounded(array, dtype):
    with np.errstate(all="ignore"):
        return array.astype(dtype)


def check(engine, record, name, inputs, kind):
    """Run a form on arrays that hold 16 bits, and on the same numbers in float32; compare what is written."""
    form = forms.form(record, name)
    stored, leading = stored_in(form, kind), (LEADING,) * form.leading
    held = [rounded(x, dtype) for x, dtype in zip(inputs, stored, strict=False)]
    wide = [x.astype("float32") for x in held]
    outputs = tuple(np.empty_like(held[0], dtype=dtype) for dtype in stored[form.inputs :])
    expected = tuple(np.empty_like(x, dtype="float32") for x in outputs)
    kernel = engine.load(record, name, "float32")
    if form.in_place:
        outputs, expected = (tuple(arrays[i] for i in form.in_place) for arrays in (held, wide))
    got, total = (
        kernel(tuple(arrays), () if form.in_place else written, leading, parameters(record))
        for arrays, written in ((held, outputs), (wide, expected))
    )
    if form.summed:
        same(got, total)
    for one, other in zip(outputs, expected, strict=True):
        same(one, rounded(other, one.dtype))


@pytest.mark.parametrize("record", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("kind", STORED)
def test_maps_are_those_of_float32_rounded_once(engine, record, kind):
    form = forms.form(record, DENSE[type(record)])
    for shift, size in RUNS:
        inputs = [numbers(size, "float32", seed, shift) for seed in range(form.inputs)]
        check(engine, record, DENSE[type(record)], inputs, kind)


@pytest.mark.parametrize(("record", "name"), TOTALS, ids=lambda x: getattr(x, "name", x))
@pytest.mark.parametrize("kind", STORED)
def test_sums_are_those_of_float32(engine, record, name, kind):
    for shift, size in RUNS:
        inputs = [numbers(size, "float32", seed, shift) for seed in range(forms.form(record, name).inputs)]
        check(engine, record, name, inputs, kind)


@pytest.mark.parametrize("record", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_arrays_of_any_layout_are_read_and_written_in_place(engine, record, layout):
    name, view = DENSE[type(record)], LAYOUTS[layout]
    form = forms.form(record, name)
    stored, leading = stored_in(form, "mixed"), (LEADING,) * form.leading
    held = [view(rounded(numbers(3**9, "float32", seed), dtype)) for seed, dtype in enumerate(stored)]
    if form.in_place:
        held = [np.array(x) if 0 in x.strides else x for x in held[: form.inputs]]
    else:
        held[form.inputs :] = [np.empty(x.shape[::-1], x.dtype).T for x in held[form.inputs :]]
    dense = [np.array(x, order="C") for x in held]
    kernel = engine.load(record, name, "float32")
    for arrays in (held, dense):
        kernel(tuple(arrays[: form.inputs]), tuple(arrays[form.inputs :]), leading, parameters(record))
    for one, other in zip(held, dense, strict=True):
        same(np.array(one, order="C"), other)


@HALVES
def test_every_16_bit_number_is_read_as_it_is(engine, half):
    x = np.arange(1 << 16, dtype=np.uint16).view(half)
    for part in (x, x[1:]):  # in vectors, and one by one
        got = np.empty(part.size, "float32")
        engine.load(IDENTITY, "value", "float32")((part,), (got,), (), ())
        same(got, part.astype("float32"))


@HALVES
def test_numbers_are_rounded_to_the_nearest_even(engine, half):
    exact = np.arange(1 << 16, dtype=np.uint16).view(half).astype("float32")
    exact = np.sort(exact[np.isfinite(exact)])
    halfway = exact[:-1] + (exact[1:] - exact[:-1]) / 2
    beyond = [ml_dtypes.finfo(half).max, np.finfo("float32").max, np.inf, np.nan, -np.nan, 1e-45, 65519.996, 65520.0]
    random = np.random.default_rng(0).integers(0, 1 << 32, 200_000, dtype=np.uint32).view("float32")
    x = np.concatenate([
        halfway, np.nextafter(halfway, np.float32(np.inf)), np.nextafter(halfway, np.float32(-np.inf)), random,
        beyond, np.negative(beyond, dtype="float32"),
    ], dtype="float32", casting="same_kind")  # fmt: skip
    for part in (x[: x.size // 8 * 8], x[1:]):
        got = np.empty(part.size, half)
        engine.load(IDENTITY, "value", "float32")((part,), (got,), (), ())
        same(got, rounded(part, half))


class Counted:
    """An engine that counts what its kernels are given, by dtype: of maps and sums all arrays, of rows the first."""

    def __init__(self, engine):
        self._engine, self.given = engine, set()

    def __getattr__(self, name):
        return getattr(self._engine, name)

    def load(self, *what):
        kernel = self._engine.load(*what)

        def run(first, *rest):
            arrays = (
                (*first, *(rest[0] if isinstance(rest[0], tuple) else ())) if isinstance(first, tuple) else (first,)
            )
            self.given |= {x.dtype for x in arrays}
            return kernel(first, *rest)

        return run


@pytest.fixture
def cupy(engine, monkeypatch):
    """The engine as the backend of that name, which counts."""
    original, counted = backends.load_engine, Counted(engine)
    monkeypatch.setattr(backends, "load_engine", lambda name: counted if name == "cupy" else original(name))
    return counted


def check_calls(*calls):
    """Make each call here and there, into arrays like those that it names, and compare the results."""
    for call, *arrays, options in calls:
        found = []
        for backend in ({"backend": "cupy"}, {}):
            given = {name: x.copy("K") if isinstance(x, np.ndarray) else x for name, x in options.items()}
            with np.errstate(all="ignore"):
                result = call(*arrays, **given, **backend)
            found.append(result if isinstance(result, tuple) else (result,))
        for one, other in zip(*found, strict=True):
            same(one, other)


def halves(half, *shape, count):
    return (rounded(numbers(math.prod(shape), "float32", seed).reshape(shape), half) for seed in range(count))


@HALVES
def test_activations_take_16_bits_as_they_are(cupy, half):
    g, x, y = halves(half, 30, 40, count=3)
    check_calls(
        (fl.gelu, x, {}), (fl.gelu.derivative, x, {}), (fl.gelu.backward, g, x, {}), (fl.gelu, x[::-1, 1::3], {}),
        (fl.sigmoid.backward_from_output, g, y, {}), (fl.gelu, x, {"out": y}), (fl.gelu, x.T, {"out": y.T}),
        (fl.swiglu, x, y, {}), (fl.swiglu.backward, g, x, y, {}), (fl.glu, x, {"axis": 0}),
        (fl.glu.backward, g[:, :20], x, {}), (fl.gelu, x.astype(half.newbyteorder()) if half == FLOAT16 else x, {}),
    )  # fmt: skip
    assert cupy.given == {half}
    expected = fl.gelu(x)
    assert fl.gelu(x, out=x, backend="cupy") is x
    same(x, expected)


def test_small_integers_become_16_bits(cupy):
    x = np.array([0, 1, 2, 3], np.uint8)
    check_calls((fl.gelu, x, {}))
    check_calls((fl.mse_loss, np.float32([0.5, 1, 2, 3]), x, {}))
    assert cupy.given == {FLOAT16, np.dtype("float32")}


@HALVES
def test_losses_take_16_bits_as_they_are_and_give_float32_values(cupy, half):
    x, t, grad = halves(half, 30, 40, count=3)
    value, w = np.empty((30, 40), "float32"), abs(np.random.default_rng(0).normal(size=(30, 40))).astype(half)
    check_calls(
        (fl.mse_loss.value_and_grad, x, t, {"reduction": "none"}), (fl.mse_loss.grad, x, t, {}),
        (fl.mse_loss.value_and_grad, x, t, {"reduction": "none", "out": value, "grad_out": grad}),
        (fl.huber_loss.grad_and_hess, x, t, {"reduction": "sum", "grad_out": grad}),
    )  # fmt: skip
    assert cupy.given == {half, np.dtype("float32")}
    cupy.given.clear()
    x, t = (np.random.default_rng(seed).normal(size=(30, 40)).astype(half) for seed in (1, 2))
    check_calls(*((fl.mse_loss.value_and_grad, x, t, {"reduction": r}) for r in ("mean", "sum")))
    expected = fl.mse_loss.grad(x, t)
    here = x.copy()
    assert fl.mse_loss.grad(here, t, grad_out=here, backend="cupy") is here
    same(here, expected)
    assert cupy.given == {half}
    check_calls(
        (fl.mse_loss.value_and_grad, x, t, {"sample_weight": w}),
        (fl.mse_loss.value_and_grad, x, t.astype("float64"), {"sample_weight": w[:, :1]}),
    )  # fmt: skip
    assert cupy.given == {half, np.dtype("float32")}
    check_calls((fl.mse_loss.grad, x.astype("float64"), t, {}))
    assert cupy.given == {half, np.dtype("float32"), np.dtype("float64")}


@HALVES
@pytest.mark.parametrize("dtype_of_states", ["half", "float32"])
@pytest.mark.parametrize("folded", [{}, {"grad_scale": 4.0, "clip_value": 0.5, "zero_grad": True}])
def test_steps_take_16_bits_as_they_are(cupy, half, dtype_of_states, folded):
    arrays = [np.random.default_rng(seed).normal(size=(7, 30)) for seed in range(4)]
    arrays[3] **= 2
    dtypes = half, half, *(half if dtype_of_states == "half" else np.dtype("float32"),) * 2
    here, there = ([x.astype(dtype) for x, dtype in zip(arrays, dtypes, strict=True)] for _ in range(2))
    fl.optimizers.adam_step(*here, step=3, lr=0.1, **folded)
    fl.optimizers.adam_step(*there, step=3, lr=0.1, **folded, backend="cupy")
    for one, other in zip(there, here, strict=True):
        same(one, other)
    assert cupy.given == set(dtypes)


ROWS = {"warp": 30, "span": 300, "long": 2500}  # classes, by the team that takes them


@HALVES
@pytest.mark.parametrize("classes", ROWS.values(), ids=ROWS)
def test_rows_take_16_bits_as_they_are(cupy, half, classes):
    x, g = (np.random.default_rng(seed).normal(size=(3, classes)).astype(half) for seed in (1, 2))
    y, out = fl.softmax(x), np.empty_like(x)
    check_calls(
        (fl.softmax, x, {"out": out}), (fl.softmax, x.T, {"axis": 0}), (fl.softmax.backward_from_output, g, y, {})
    )
    assert cupy.given == {half}
    check_calls((fl.softmax.backward, g, x, {"out": out}), (fl.softmax.backward, g.T, x.T, {"axis": 0}))
    assert cupy.given == {half, np.dtype("float32")}  # the outputs between, which are not rounded
    here = x.copy()
    assert fl.softmax(here, out=here, backend="cupy") is here
    same(here, y)


@HALVES
@pytest.mark.parametrize("classes", ROWS.values(), ids=ROWS)
def test_losses_of_rows_take_16_bits_as_they_are(cupy, half, classes):
    x, q = (np.random.default_rng(seed).normal(size=(3, classes)).astype(half) for seed in (1, 2))
    labels, weight, share = np.array([1, -100, 2]), abs(x[0]), fl.softmax(q)
    check_calls(
        (fl.cross_entropy.value_and_grad, x, labels, {"grad_out": q}),
        (fl.cross_entropy.value_and_grad, x, share, {"reduction": "none", "label_smoothing": 0.1}),
    )
    assert half in cupy.given
    assert fl.cross_entropy.value_and_grad(x, labels, backend="cupy", reduction="none")[0].dtype == np.float32
    if classes == ROWS["warp"]:
        check_calls(
            (fl.cross_entropy.value_and_grad, x, share.astype("float32"), {"weight": weight}),
            (fl.cross_entropy.grad_and_hess, x.T, labels, {"axis": 0}),
        )
