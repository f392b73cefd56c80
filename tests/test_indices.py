"""Indices have 64 bits in every skeleton of every engine: read from machine-near text, types and headers, and run."""

import os
import re

import numba
import numpy as np
import pytest
from fastloa_kernels.engines import RowForm, RowOptions
from fastloa_kernels.engines.cupy_native import source
from fastloa_kernels.engines.numba_cpu import compilation, elementwise, engine, over_rows, small
from fastloa_kernels.formulas import activations, losses, rowwise
from numba.core import types

import fastloa as fl

DEFINED = re.compile(r"^\s*(%[\w.\"$-]+) = (.*)$", re.M)
NAME = re.compile(r"%[\w.\"$-]+")
# LLVM may write a conversion to 32 bits and back as shifts, or as a mask.
NARROW = re.compile(r"\b(sext|zext)( nneg)? (<\d+ x )?i(8|16|32)\b|\btrunc\b|\b[al]shr .*, 32\b|\band .*, 4294967295\b")


def narrow_indices(text):
    """The addresses in LLVM's text whose index was once of less than 64 bits, and how many indices there are."""
    found, count = [], 0
    for function in text.split("\ndefine ")[1:]:
        meaning = dict(DEFINED.findall(function))
        for line in meaning.values():
            if "getelementptr" not in line:
                continue
            indices = re.findall(r", i(\d+) (%[\w.\"$-]+)", line)
            count += len(indices)
            if any(int(bits) < 64 or comes_from_narrow(name, meaning) for bits, name in indices):
                found.append(line)
    return found, count


def comes_from_narrow(name, meaning):
    seen, waiting = set(), [name]
    while waiting:
        line = meaning.get(one := waiting.pop())
        if one in seen or line is None or line.startswith(("load", "call", "tail call", "icmp", "fcmp")):
            continue  # what is read from memory or returned is data, such as a label
        seen.add(one)
        if NARROW.search(line):
            return True
        waiting += NAME.findall(line)
    return False


@pytest.fixture
def compiled(monkeypatch, tmp_path):
    """The dispatchers that are compiled in a test, by nobody before."""
    made, original = [], compilation.dispatcher

    def noting(*arguments, **options):
        made.append(original(*arguments, **options))
        return made[-1]

    small.place_of("float32", 1)  # the address of an array's elements, which has no index
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(compilation, "dispatcher", noting)
    monkeypatch.setattr(compilation, "_addresses", {})
    for module in (elementwise, engine, over_rows):
        for kept in vars(module).values():
            if hasattr(kept, "cache_clear"):
                kept.cache_clear()
    return made


def zeros(*shape):
    return np.zeros(shape, np.float32)


SIZE, ROWS, CLASSES = 1 << 16, 1 << 10, 64  # enough for all threads


def maps(cpu):
    x = zeros(SIZE)
    kernel = cpu.load(activations.TANH, "value", "float32")
    kernel((x,), (zeros(SIZE),), (), ())
    kernel((x,), (x,), (), ())
    cpu.load(losses.MSE_LOSS, "grad", "float32")((x, x), (zeros(SIZE),), (1.0,), ())
    cpu.load(losses.MSE_LOSS, "weighted_grad", "float32")((x, x, x), (zeros(SIZE),), (1.0,), ())


def sums(cpu):
    x = zeros(SIZE)
    cpu.load(losses.MSE_LOSS, "value_and_grad_summed", "float32")((x, x), (zeros(SIZE),), (1.0,), ())
    cpu.load(losses.MSE_LOSS, "weighted_value_and_grad_summed", "float32")((x, x, x), (x,), (1.0,), ())


def rows(cpu):
    x = zeros(ROWS, CLASSES)
    for form, inputs in (("value", (x,)), ("backward_from_output", (x, x))):
        cpu.load(rowwise.SOFTMAX, form, "float32")(inputs, zeros(ROWS, CLASSES))


def row_losses(cpu, labels):
    x, options = zeros(ROWS, CLASSES), RowOptions(-100, 0.9, 0.1 / CLASSES, float(CLASSES), 1.0)
    target, out = np.zeros(ROWS, np.int64) if labels else x, (zeros(ROWS), zeros(ROWS, CLASSES), zeros(ROWS, CLASSES))
    kernel = cpu.load(rowwise.CROSS_ENTROPY, RowForm(True, True, True, labels, True), "float32")
    kernel(x, target, zeros(CLASSES), zeros(ROWS), options, *out)


SKELETONS = {
    "maps": (maps, 6),
    "sums": (sums, 4),
    "rows": (rows, 4),
    "labels": (lambda cpu: row_losses(cpu, True), 2),
    "probabilities": (lambda cpu: row_losses(cpu, False), 2),
    "label weights": (lambda cpu: cpu.label_weights(np.zeros(5, np.int64), zeros(9), zeros(5), -100, 9), 1),
}


@pytest.mark.parametrize(("calls", "kernels"), SKELETONS.values(), ids=SKELETONS)
def test_of_the_cpu_engine(calls, kernels, compiled):
    calls(engine.Engine())
    assert len(compiled) == kernels
    for made in compiled:
        (overload,) = made.overloads.values()
        found, count = narrow_indices(overload.library.get_llvm_str())
        assert count, f"{made} has no index"
        assert not found, f"{made.py_func.__name__}: {found[:3]}"


def by_int32(x, out):
    for i in range(x.size):
        out[np.int32(i)] = x[i]


def by_shifted(x, out):
    for i in range(x.size):
        out[(i << 32) >> 32] = x[i]


def by_masked(x, out):
    for i in range(x.size):
        out[i] = x[(3 * i) & 0xFFFFFFFF]


@pytest.mark.parametrize("function", [by_int32, by_shifted, by_masked])
def test_a_narrow_index_is_found(function):
    array = types.float32[::1]
    made = numba.njit((array, array))(function)
    found, _ = narrow_indices(made.inspect_llvm(made.signatures[0]))
    assert found


HEADERS = {name: text for name, text in source.headers().items() if name != "primitives.cuh"}  # no arrays in that
LONG = r"(size|rows|classes|count|label|offset|start|first|row|blockIdx)"
NARROWED = {
    "a variable of 32 bits from a quantity of 64": rf"\b(int|unsigned int) \w+ = [^;]*\b(a\.)?{LONG}\b[^;]*;",
    "a quantity of 64 bits in 32": rf"\b(int|unsigned int|unsigned) {LONG}\b(?! = 0; start < BLOCK)",
    "a loop of 32 bits up to a quantity of 64": rf"\bint (\w+) = [^;]*; \1 < [^;]*\b(a\.|scores\.)?{LONG}\b",
    "a block's number multiplied in 32 bits": r"(?<!static_cast<long long>\()blockIdx\.x(?!\]|;)",
    "a conversion to 32 bits of more than a thread's number": r"static_cast<(unsigned )?int>\((?!threadIdx\.x\)|a\.dimensions\))",
}
# What lies in a block of shared memory, or is proved to fit.
ALLOWED = (
    "shared_tree(const Parts<COMPENSATED, ALL_SIZE>& parts, int first, int thread)",
    "return static_cast<unsigned int>(i) / static_cast<unsigned int>(n);",
    "{ return {0, static_cast<int>(n), 0}; }",
    "const int own = here ? static_cast<int>(label - piece.start) : -1;",
    "static_cast<int>(blockIdx.x % COUNT)",
    "const int left = static_cast<int>(n - first < Team::LENGTH ? n - first : Team::LENGTH);",
    "static_cast<int>(blockDim.x)",
    "static_cast<int>(high >> 8)",
    "{ return static_cast<unsigned int>(bits); }",
    "static_cast<unsigned int>(float_to_half(high))",
    "(static_cast<unsigned int>(static_cast<int>(low)) & 0xffffu)",
    "static_cast<unsigned int>(static_cast<int>(high)) << 16",
    "a.firsts[blockIdx.x + 1]",
    "for (int i = static_cast<int>(threadIdx.x); i < a.count; i += THREADS)",
)


def narrowed(text):
    """What of a header's text computes places of arrays in 32 bits, by kind."""
    code = re.sub(r"//.*", "", text)
    for allowed in ALLOWED:
        code = code.replace(allowed, "")
    return [(kind, found.group()) for kind, pattern in NARROWED.items() for found in re.finditer(pattern, code)]


@pytest.mark.parametrize("name", HEADERS)
def test_of_the_cuda_headers(name):
    assert narrowed(HEADERS[name]) == []


WIDE = {
    "long long size": "int size",
    "long long rows, classes;": "int rows, classes;",
    "const long long i = start + k * THREADS": "const int i = start + k * THREADS",
    "static_cast<long long>(blockIdx.x) *": "blockIdx.x *",
    "const long long offset = ": "const int offset = ",
    "for (long long start": "for (int start",
    "for (long long i = thread; i < count": "for (int i = thread; i < count",
    "const long long label = ": "const int label = ",
    "const long long row = ": "const int row = ",
    "const long long first = ": "const int first = ",
}


@pytest.mark.parametrize(("wide", "narrow"), WIDE.items(), ids=WIDE)
def test_a_narrowed_header_is_found(wide, narrow):
    changed = [text.replace(wide, narrow) for text in HEADERS.values() if wide in text]
    assert changed
    assert all(narrowed(text) for text in changed)


BEYOND = (1 << 31) + 1_000 * CLASSES


def free_memory():
    """How many bytes can be had; 0 where this system does not say."""
    names = getattr(os, "sysconf_names", {})
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if "SC_AVPHYS_PAGES" in names else 0


def tail_of_map(x, tail):
    """Compute over the operand, for want of memory."""
    assert fl.sigmoid(x, out=x) is x
    assert x[-tail.size :].tobytes() == fl.sigmoid(tail).tobytes()
    return np.float32(0.5)


def tail_of_rows(x, tail):
    rows = x.reshape(-1, CLASSES)
    assert fl.softmax(rows, out=rows) is rows
    assert x[-tail.size :].tobytes() == fl.softmax(tail.reshape(-1, CLASSES)).tobytes()
    return np.float32(1 / CLASSES)


def tail_of_sum(x, tail):
    """Sum what is 0 but for the tail: the entropy of x."""
    p, q = tail.astype(np.float64), 1 - tail.astype(np.float64)
    entropy = -(p @ np.log(p) + q @ np.log(q))
    assert abs(fl.binary_cross_entropy(x, x, reduction="sum") - entropy) < 1e-6 * entropy
    return np.float32(0.0)


@pytest.mark.slow
@pytest.mark.shares("memory")
@pytest.mark.parametrize("threads", [1, numba.config.NUMBA_NUM_THREADS])
@pytest.mark.parametrize("tail_of", [tail_of_map, tail_of_rows, tail_of_sum])
def test_past_31_bits(tail_of, threads):
    """The end of a long call is that of a short one, and all that lies before is right."""
    needed = 4 * BEYOND + (1 << 30)
    if free_memory() < needed:
        pytest.skip(f"{needed >> 20} MiB are needed, and {free_memory() >> 20} MiB free")
    tail, before = np.linspace(0.01, 0.99, 100 * CLASSES).astype(np.float32), numba.get_num_threads()
    x = np.zeros(BEYOND, np.float32)
    x[-tail.size :] = tail
    try:
        numba.set_num_threads(threads)
        wanted = tail_of(x, tail)
    finally:
        numba.set_num_threads(before)
    rest = x[: -tail.size]
    assert all((rest[i : i + (1 << 24)] == wanted).all() for i in range(0, rest.size, 1 << 24))
