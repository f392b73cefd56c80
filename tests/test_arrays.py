"""A result has the same bits whatever its operands look like in memory, where it is written to, and who computes it."""

import tempfile

import numba
import numpy as np
import pytest
from fastloa_kernels.engines import RowForm, load_engine
from fastloa_kernels.engines.numba_cpu.engine import RowKernel, RowLossKernel
from fastloa_kernels.formulas.rowwise import CROSS_ENTROPY, SOFTMAX
from fastloa_kernels.formulas.totals import IDENTITY

import fastloa as fl
from tests import harness
from tests.subjects import DTYPES, KERNELS, group, walk

ELEMENTWISE = [s for s in KERNELS if not s.rows]
ACTIVATIONS = [s for s in KERNELS if s.buffers == ("out",) and s.form in ("value", "derivative", "backward")]
ACTIVATIONS = [s for s in ACTIVATIONS if hasattr(getattr(fl, s.operation), "backward")]


def reverse(x):
    return x[::-1].copy()[::-1]


def spread(x):
    room = np.full((2 * len(x), *x.shape[1:]), np.nan, x.dtype)
    room[::2] = x
    return room[::2]


def column(x):
    room = np.full((*x.shape, 3), np.nan, x.dtype)
    room[..., 1] = x
    return room[..., 1]


def shift(x):
    room = np.zeros(x.nbytes + 1, np.uint8)
    array = room[1:].view(x.dtype).reshape(x.shape)
    array[...] = x
    assert not array.flags.aligned
    return array


def swap(x):
    return x.astype(x.dtype.newbyteorder())


def frozen(x):
    array = x.copy()
    array.flags.writeable = False
    return array


def on_disk(x):
    with tempfile.TemporaryFile() as file:
        array = np.memmap(file, x.dtype, "w+", shape=x.shape)
    array[...] = x
    return array


LAYOUTS = {
    "reversed": reverse, "spread": spread, "column": column, "unaligned": shift, "byte-swapped": swap,
    "Fortran": np.asfortranarray, "read-only": frozen, "memory-mapped": on_disk,
}  # fmt: skip
BUFFERS = {name: LAYOUTS[name] for name in ("reversed", "spread", "column", "unaligned", "Fortran", "memory-mapped")}


@pytest.mark.parametrize(("subject", "dtype"), walk(KERNELS))
def test_layouts_of_operands(subject, dtype, engine):
    operands = subject.operands(dtype)
    wanted = subject.call(*operands, **engine)
    for name, layout in LAYOUTS.items():
        harness.check_same_bits(subject.call(*map(layout, operands), **engine), wanted, name)


@pytest.mark.parametrize(("subject", "dtype"), walk(KERNELS))
def test_zero_strides(subject, dtype, engine):
    """One element, or row, that stands for many."""
    some = [x[3] for x in subject.operands(dtype)]
    wanted = subject.call(*(np.array([x] * 40) for x in some), **engine)
    got = subject.call(*(np.broadcast_to(x, (40, *x.shape)) for x in some), **engine)
    harness.check_same_bits(got, wanted)


@pytest.mark.parametrize(("subject", "dtype"), walk([s for s in KERNELS if s.buffers]))
def test_layouts_of_results(subject, dtype, engine):
    operands = subject.operands(dtype)
    wanted = harness.as_tuple(subject.call(*operands, **engine))
    for name, layout in {"contiguous": np.copy, **BUFFERS}.items():
        given = {key: layout(np.zeros_like(w)) for key, w in zip(subject.buffers, wanted, strict=True)}
        got = harness.as_tuple(subject.call(*operands, **given, **engine))
        for buffer, result, expected in zip(given.values(), got, wanted, strict=True):
            assert result is buffer
            harness.check_same_bits(result, expected, name)


@pytest.mark.parametrize(("subject", "dtype"), walk(ACTIVATIONS))
def test_in_place_and_partly_overlapping(subject, dtype, engine):
    operands = subject.operands(dtype)
    wanted = subject.call(*operands, **engine)
    for place in range(len(operands)):
        own = [x.copy() for x in operands]
        assert subject.call(*own, out=own[place], **engine) is own[place]
        harness.check_same_bits(own[place], wanted, f"in place of operand {place}")
    for step in (1, 3):
        x = operands[-1]
        room = np.zeros((len(x) + step, *x.shape[1:]), x.dtype)
        room[:-step] = x
        subject.call(*operands[:-1], room[:-step], out=room[step:], **engine)
        harness.check_same_bits(room[step:], wanted, f"overlapping by all but {step}")


@pytest.mark.parametrize(("subject", "dtype"), walk(ELEMENTWISE))
def test_lengths_and_offsets(subject, dtype, engine):
    operands = subject.operands(dtype)
    wanted = harness.as_tuple(subject.call(*operands, **engine))
    for start, length in [(0, 1), (5, 1), (1, 2), (3, 7), (2, 8), (1, 9), (7, 31), (0, 33), (9, 64), (4, 130)]:
        part = slice(start, start + length)
        got = harness.as_tuple(subject.call(*(x[part] for x in operands), **engine))
        for result, whole in zip(got, wanted, strict=True):
            harness.check_same_bits(result, whole[part], f"{length} from {start}")


@pytest.mark.parametrize(("subject", "dtype"), walk(ELEMENTWISE))
def test_shapes(subject, dtype, engine):
    operands = [x[:24] for x in subject.operands(dtype)]
    wanted = harness.as_tuple(subject.call(*operands, **engine))
    for shape in [(24, 1), (2, 3, 4), (1, 24)]:
        got = harness.as_tuple(subject.call(*(x.reshape(shape) for x in operands), **engine))
        for result, flat in zip(got, wanted, strict=True):
            harness.check_same_bits(result, flat.reshape(shape), str(shape))
    for result in harness.as_tuple(subject.call(*(x[:0] for x in operands), **engine)):
        assert result.shape == (0,)
    for result in harness.as_tuple(subject.call(*(x[3].reshape(()) for x in operands), **engine)):
        assert result.shape == ()


@pytest.mark.parametrize("operation", [fl.relu, fl.softmax], ids=["relu", "softmax"])
def test_what_came_before_does_not_change_what_is_taken(operation, engine):
    """Compiled code that has once taken an array out of line must not take another byte order for the same."""
    x = np.array([[1.0, -2.0, 3.0]], np.float32)
    x = x[0] if operation is fl.relu else x
    g, wanted = np.ones_like(x), operation(x, **engine)
    gradient = operation.backward(g, x, **engine)
    for _ in range(2):
        operation(x, out=shift(x), **engine)
        operation.backward(shift(g), shift(x), out=shift(x), **engine)
    harness.check_same_bits(operation.backward(g, swap(x), **engine), gradient)
    harness.check_same_bits(operation(swap(x), **engine), wanted)
    with pytest.raises(TypeError, match="out must be float32, got >f4"):
        operation(x, out=swap(x), **engine)
    with pytest.raises(TypeError, match="out must be a NumPy or CuPy array"):
        operation(x, out=np.ma.array(x), **engine)


def big(dtype, seed, columns=None):
    rng = np.random.default_rng(seed)
    shape = 300_007 if columns is None else (300_007 // columns, columns)
    return (3.0 * rng.standard_normal(shape)).astype(dtype)


def steps(dtype):
    p, g = big(dtype, 0), big(dtype, 1)
    optimizer = fl.AdamW(p, lr=0.1)
    for _ in range(3):
        optimizer.step(g)
    return p


CALLS = {
    "sigmoid": lambda dtype: fl.sigmoid(big(dtype, 0)),
    "softmax": lambda dtype: fl.softmax(big(dtype, 0, 257)),
    "log_softmax": lambda dtype: fl.log_softmax.backward(big(dtype, 0, 31), big(dtype, 1, 31)),
    "mse_loss": lambda dtype: fl.mse_loss.value_and_grad(big(dtype, 0), big(dtype, 1)),
    "cross_entropy": lambda dtype: fl.cross_entropy.value_and_grad(
        big(dtype, 0, 41), np.arange(300_007 // 41) % 41, label_smoothing=0.1
    ),
    "adamw_step": steps,
}
THREADS = numba.config.NUMBA_NUM_THREADS


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [pytest.param(n, marks=group(n, "float32")) for n in CALLS])
def test_any_number_of_threads(name, dtype):
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        wanted = CALLS[name](dtype)
        for count in range(2, THREADS + 1):
            numba.set_num_threads(count)
            harness.check_same_bits(CALLS[name](dtype), wanted, f"{count} threads")
    finally:
        numba.set_num_threads(before)


LOSSES = {
    name: getattr(fl, name) for name in ("l1_loss", "mse_loss", "binary_cross_entropy", "cross_entropy", "nll_loss")
}


def few(name, dtype):
    x = np.random.default_rng(3).uniform(0.1, 0.9, (4, 3)).astype(dtype)
    return x, np.array([2, 0, 1, 2]) if name in ("cross_entropy", "nll_loss") else x[::-1].copy()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(("form", "dtype"), harness.FORMS)
def test_the_usual_call_is_the_one_with_every_option_at_its_default(name, form, dtype):
    """Few elements without options are computed out of line."""
    function, arrays = getattr(LOSSES[name], form), few(name, dtype)
    for reduction in ("mean", "sum"):
        wanted = harness.as_tuple(function(*arrays, reduction=reduction, weight=None, sample_weight=None))
        got = harness.as_tuple(function(*arrays, reduction=reduction))
        for one, other in zip(got, wanted, strict=True):
            assert type(one) is type(other)
            harness.check_same_bits(one, other, reduction)


def test_without_an_interpreter_lock_no_scratch_is_shared(monkeypatch):
    monkeypatch.setattr("fastloa_kernels.engines.numba_cpu.engine.LOCKED", False)
    x, labels = few("cross_entropy", "float64")
    assert not RowKernel(SOFTMAX, "value", "float64").small(2)[0](0, x, x.copy(), ())
    total = load_engine("cpu").load(IDENTITY, "value_summed", "float64")
    kernel = RowLossKernel(CROSS_ENTROPY, RowForm(True, False, False, True, False), "float64", total)
    assert kernel.small()(x, labels, -100, True) == (False, 0.0)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_row_does_not_see_the_others(name, dtype):
    """Neither does it see whether they are few, computed out of line, nor what is written over."""
    operation, (g, x) = getattr(fl, name), (big(dtype, seed, 1000) for seed in (0, 1))
    for call, arrays in ((operation, (x,)), (operation.backward, (g, x)), (operation.backward_from_output, (g, x))):
        wanted = call(*arrays)
        for some in (slice(7, 8), slice(3, 6)):
            harness.check_same_bits(call(*(a[some].copy() for a in arrays)), wanted[some], f"{some}")
            harness.check_same_bits(call(*(a[some][0].copy() for a in arrays)), wanted[some][0], f"{some} alone")
        for place in range(len(arrays)):
            own = [a.copy() for a in arrays]
            harness.check_same_bits(call(*own, out=own[place]), wanted, f"over operand {place}")


@pytest.mark.parametrize("shape", [(100,), (5, 7), (2, 3, 4), (1, 2, 2, 3)])
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin", "sparsemax"])
def test_a_gradient_of_rows_is_overwritten_by_what_follows_from_it(name, shape):
    operation, rng = getattr(fl, name), np.random.default_rng(3)
    for dtype in DTYPES:
        g, x = rng.normal(size=(2, *shape)).astype(dtype)
        wanted = operation.backward(g, x)
        for place in (0, 1):
            given = [g.copy(), x.copy()]
            assert operation.backward(*given, out=given[place]) is given[place]
            harness.check_same_bits(given[place], wanted, f"out={'gx'[place]}")


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin", "sparsemax"])
def test_arrays_without_axes_have_no_rows(name):
    message = r"axis must be one of an array with dimensions, got an array of shape \(\)"
    for x in (np.array(1.0), np.float64(1.0)):
        with pytest.raises(ValueError, match=rf"^{name}: {message}"):
            getattr(fl, name)(x)
        with pytest.raises(ValueError, match=rf"^{name}\.backward: {message}"):
            getattr(fl, name).backward(x, x)
