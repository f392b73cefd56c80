"""The checks that the tests are made of: each takes a callable, so that wrong kernels can be fed to it as well.

A check raises AssertionError, and names the worst element. Errors are counted in ulp of the dtype at hand, against
references that mpmath gives in as many digits as cancellation can cost.
"""

import contextlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np
from mpmath import mp, mpf

# Enough for 1 - tanh(x)**2 and log(1 + exp(x)) down to the least subnormal number, and 60 bits more.
PRECISION = {"float32": 350, "float64": 1300}
ROOT = Path(__file__).parents[1]
WORD = {2: np.uint16, 4: np.uint32, 8: np.uint64}


@contextlib.contextmanager
def on_one_processor():
    """Let processes that begin meanwhile have one processor, another for each of the tests' own.

    Where threads take turns, none need then be woken on another: that takes less than half the time.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before, worker = os.sched_getaffinity(0), os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    os.sched_setaffinity(0, {sorted(before)[int(worker.removeprefix("gw")) % len(before)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


# Every form of a loss in float32, and one in float64: each is a kernel to compile.
FORMS = [("__call__", "float32"), ("grad", "float32"), ("grad_and_hess", "float32"), ("value_and_grad", "float32"),
         ("value_and_grad", "float64")]  # fmt: skip


@dataclass(frozen=True)
class Exact:
    """References of an array of results: the nearest number of the dtype, and how many units (ulp) beyond they lie."""

    nearest: np.ndarray
    beyond: np.ndarray
    unit: np.ndarray


def exact(values, dtype, shape=None, scales=None):
    """Round mpmath's numbers to the dtype, and keep what that loses.

    With `scales`, an ulp is that of the scale: of the terms that cancel, where a result is their difference.
    """
    info, values = np.finfo(dtype), list(values)
    parts = [_split(value, scale, info) for value, scale in zip(values, scales or values, strict=True)]
    nearest, beyond, unit = (np.array([part[i] for part in parts]) for i in range(3))
    shape = nearest.shape if shape is None else shape
    return Exact(nearest.astype(dtype).reshape(shape), beyond.reshape(shape), unit.reshape(shape))


def _split(value, scale, info):
    if mp.isnan(value):
        return np.nan, 0.0, 1.0
    sign = -1.0 if value < 0 else 1.0
    if mp.isinf(value):
        return sign * np.inf, sign * np.inf, 1.0
    lowest = int(info.minexp) - info.nmant
    size = max(abs(value), abs(scale))
    exponent = int(mp.frexp(size)[1]) - info.nmant - 1 if 0 < size < mp.inf else lowest
    unit = mp.ldexp(1, min(max(exponent, lowest), int(info.maxexp) - info.nmant - 1))
    count = mp.nint(abs(value) / unit)
    if count * unit > mpf(float(info.max)):
        beyond = (abs(value) - mp.ldexp(1, int(info.maxexp))) / unit
        return sign * np.inf, sign * float(min(beyond, mpf(10) ** 300)), float(unit)
    return sign * float(count * unit), float(value / unit - sign * count), float(unit)


def ulps(got, reference):
    """Give the error of each element in ulp; infinite where an infinity, a NaN or a finite number is out of place."""
    got, nearest = np.asarray(got), reference.nearest
    assert got.dtype == nearest.dtype, f"dtype must be {nearest.dtype}, got {got.dtype}"
    assert got.shape == nearest.shape, f"shape must be {nearest.shape}, got {got.shape}"
    with np.errstate(all="ignore"):
        error = np.abs((got.astype(np.float64) - nearest.astype(np.float64)) / reference.unit - reference.beyond)
    # One step beyond the largest number stands the infinity.
    top, same_sign = np.finfo(got.dtype).max, np.signbit(got) == np.signbit(nearest)
    outward = np.copysign(1.0, nearest) * reference.beyond
    error = np.where(np.isinf(nearest) & (np.abs(got) == top) & same_sign, 1.0 + outward, error)
    error = np.where(np.isinf(got) & (np.abs(nearest) == top) & same_sign, 1.0 - outward, error)
    right = (np.isinf(nearest) & (got == nearest)) | (np.isnan(nearest) & np.isnan(got))
    return np.where(right, 0.0, np.where(np.isnan(error), np.inf, error))


def check_accuracy(got, reference, allowed, inputs):
    """Every element within `allowed` ulp."""
    error = ulps(got, reference)
    worst = int(np.argmax(error))
    at = tuple(np.broadcast_to(x, error.shape).reshape(-1)[worst] for x in inputs)
    assert error.reshape(-1)[worst] <= allowed, (
        f"{error.reshape(-1)[worst]:.3f} ulp at {at!r}, where {allowed} are allowed: got "
        f"{np.asarray(got).reshape(-1)[worst]!r}, nearest is {reference.nearest.reshape(-1)[worst]!r}; "
        f"{np.count_nonzero(error > allowed)} of {error.size} elements"
    )


def check_not_lost(got, reference, inputs):
    """No result that is at least the dtype's smallest number is 0."""
    least = np.finfo(reference.nearest.dtype).smallest_subnormal
    inward = reference.beyond * np.sign(reference.nearest) < 0
    lost = (np.asarray(got) == 0) & (reference.nearest != 0) & ~((np.abs(reference.nearest) == least) & inward)
    where = np.flatnonzero(lost)
    at = [tuple(np.broadcast_to(x, lost.shape).reshape(-1)[i] for x in inputs) for i in where[:3]]
    assert not where.size, f"{where.size} results are lost, such as those at {at!r}"


def check_dtype(got, dtype):
    """Every result has the dtype."""
    for result in as_tuple(got):
        assert result.dtype == dtype, f"dtype must be {np.dtype(dtype)}, got {result.dtype}"


def check_signs(got, reference, inputs, *, keeps_zero):
    """Every zero has the sign of the number that it stands for; with `keeps_zero`, that of its argument at ±0."""
    x = inputs[0]
    negative = np.signbit(reference.nearest) | ((x == 0) & np.signbit(x) if keeps_zero else False)
    wrong = np.flatnonzero((got == 0) & (np.signbit(got) != negative))
    assert not wrong.size, f"{wrong.size} zeros have the wrong sign, such as that at {x[wrong[0]]!r}"


def as_tuple(results):
    return results if isinstance(results, tuple) else (results,)


def bits(array):
    """Give an array's bits, with one pattern for every NaN."""
    array = np.ascontiguousarray(array)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    words = array.view(WORD[array.dtype.itemsize]).copy()
    words[np.isnan(array.astype(np.float64))] = np.iinfo(words.dtype).max
    return words


def check_same_bits(got, wanted, what=""):
    """Two results, or tuples of results, are the same to the bit."""
    got, wanted = as_tuple(got), as_tuple(wanted)
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted, strict=True):
        assert a.dtype == b.dtype, f"{what}: dtype {a.dtype} against {b.dtype}"
        assert a.shape == b.shape, f"{what}: shape {a.shape} against {b.shape}"
        where = np.flatnonzero(bits(a).reshape(-1) != bits(b).reshape(-1))
        assert not where.size, (
            f"{what}: {where.size} of {a.size} elements differ, such as {where[0]}: "
            f"{np.asarray(a).reshape(-1)[where[0]]!r} against {np.asarray(b).reshape(-1)[where[0]]!r}"
        )


def check_nan(call, operands, hit=lambda place, i, result: [i]):
    """NaN in any operand makes that element NaN in every result, and leaves the bits of all others alone.

    ``hit(place, i, result)`` gives the elements of a result that element i of an operand belongs to: a row's, say.
    """
    clean = [result.copy() for result in as_tuple(call(*operands))]
    for place, operand in enumerate(operands):
        for i in sorted({0, operand.size // 2, operand.size - 1}):
            spoilt = [x.copy() for x in operands]
            spoilt[place].reshape(-1)[i] = np.nan
            for before, after in zip(clean, as_tuple(call(*spoilt)), strict=True):
                expected = np.zeros(after.size, bool)
                expected[hit(place, i, after)] = True
                swallowed = np.flatnonzero(expected & ~np.isnan(after.reshape(-1)))
                assert not swallowed.size, f"NaN in operand {place} at {i} gave {after.reshape(-1)[swallowed[0]]!r}"
                others = np.flatnonzero(~expected & (bits(after).reshape(-1) != bits(before).reshape(-1)))
                assert not others.size, f"NaN in operand {place} at {i} changed element {others[0]}"


def check_rounded_once(call, half_operands):
    """A 16-bit result is the float32 result of the same numbers, rounded once."""
    dtype = half_operands[0].dtype
    results = as_tuple(call(*half_operands))
    wide = as_tuple(call(*(x.astype(np.float32) for x in half_operands)))
    for result, exact_one in zip(results, wide, strict=True):
        with np.errstate(all="ignore"):
            check_same_bits(result, exact_one.astype(dtype), f"{dtype} against float32")


def check_spans(sample, low, high):
    """A sample reaches every tenth of its domain."""
    inside = sample[np.isfinite(sample)].astype(np.float64)
    inside = inside[(inside >= low) & (inside <= high)]
    counts, _ = np.histogram(inside, bins=10, range=(low, high))
    assert counts.all(), f"the sample leaves out tenths {np.flatnonzero(counts == 0)} of [{low}, {high}]"


def laid_out(x, rng):
    """Copy an array to some place: its axes in any order and direction, with gaps of NaN, whole items apart or not."""
    order = rng.permutation(x.ndim) if rng.random() < 0.5 else range(x.ndim - 1, -1, -1)
    step = x.itemsize * int(rng.choice([1, 1, 2, 3]))
    strides = [0] * x.ndim
    for axis in order:
        strides[axis], step = step, step * x.shape[axis]
    offset = int(rng.integers(0, 9)) * (x.itemsize if rng.random() < 0.75 else 1)
    room = np.full(step + offset, 255, np.uint8)
    array = np.ndarray(x.shape, x.dtype, room, offset, strides)
    array = np.flip(array, [axis for axis in range(x.ndim) if rng.random() < 0.25])
    array[...] = x
    return array


def check_probes(
    call, operands, count, rng, *, buffers=("out",), rows=False, in_place=False, whole=False, longest=1 << 12, threads=1
):
    """An element has the same bits in every call: `count` elements, in calls that are drawn at random.

    Drawn are which elements (or rows) stand in the call, in what shape, how each array lies in memory, whether the
    results go to arrays of the caller's (those that `buffers` names) or, with `in_place`, over an operand, and the
    number of threads. With `whole`, results depend on all operands: there the call is held to one of plain arrays.
    """
    before = numba.get_num_threads()
    everything = None if whole else as_tuple(call(*(x.copy() for x in operands)))
    places, seen = ["new", *(["given"] if buffers else []), *(["over"] if in_place else [])], 0
    try:
        while seen < count:
            length = int(2 ** rng.uniform(0, np.log2(longest)))
            lines = 1 if rows else int(2 ** rng.uniform(0, np.log2(length))) if length > 1 else 1
            chosen = rng.integers(0, len(operands[0]), (lines, length // lines) if lines > 1 else length)
            numba.set_num_threads(1)
            expected = as_tuple(call(*(x[chosen] for x in operands))) if whole else tuple(x[chosen] for x in everything)
            plain = rng.random() < 0.3
            own = [x[chosen] if plain else laid_out(x[chosen], rng) for x in operands]
            given, where = {}, rng.choice(places)
            if where == "over":
                place = int(rng.integers(len(own)))
                given, where = {buffers[0]: own[place]}, f"over operand {place}"
            elif where == "given":
                pairs = zip(buffers, expected, strict=True)
                given = {key: np.zeros_like(result) for key, result in pairs if key is not None}
                given = given if plain else {key: laid_out(array, rng) for key, array in given.items()}
            team = int(rng.integers(1, threads + 1))
            numba.set_num_threads(team)
            what = f"{where}, {team} threads, {[(x.shape, x.strides, x.ctypes.data % 16) for x in own]}"
            got = as_tuple(call(*own, **given))
            for key, result in zip(buffers, got, strict=False):
                assert key not in given or result is given[key], f"{what}: the result is not the array given for it"
            check_same_bits(got, expected, what)
            seen += chosen.size * (operands[0].size // len(operands[0]))
    finally:
        numba.set_num_threads(before)


def python(script, *, timeout=300, **environment):
    """Run a script in a fresh process with the project on its path; give what it prints, or raise with its errors."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
    given = {**os.environ, "PYTHONPATH": path, **environment}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    assert done.returncode == 0, f"exit status {done.returncode}: {done.stderr}"
    return done.stdout
