"""Indices have 64 bits in the skeletons of numba-cuda: as numba types them, which needs neither NVVM nor a device."""

import importlib
from types import SimpleNamespace

import numpy as np
import pytest
from fastloa_kernels.engines import RowForm, RowOptions
from fastloa_kernels.engines.numba_cuda import engine, toolchain
from fastloa_kernels.formulas import activations, losses, rowwise

pytestmark = pytest.mark.skipif(
    toolchain.cuda is None or toolchain.SIMULATED, reason="numba-cuda is not installed, or simulates"
)
CAPABILITY = (9, 0)


def narrow(result):
    """What a compiled function indexes by, or computes in, fewer than 64 bits; and how many indices it has."""
    annotation, types, found, count = result.type_annotation, toolchain.types, [], 0
    statements = [statement for block in annotation.blocks.values() for statement in block.body]
    meaning = {one.target.name: one.value for one in statements if type(one).__name__ == "Assign"}

    def is_narrow(kind):
        return isinstance(kind, types.Integer) and kind.bitwidth < 64

    for expression, signature in annotation.calltypes.items():
        operation = getattr(expression, "op", type(expression).__name__)
        if operation in ("binop", "inplace_binop") and is_narrow(signature.return_type):
            found.append(str(expression))
        if operation in ("getitem", "SetItem") and isinstance(signature.args[0], types.CPointer):
            count += 1
            of_block = getattr(meaning.get(expression.index.name), "op", None) == "getattr"
            if (
                is_narrow(annotation.typemap[expression.index.name]) and not of_block
            ):  # the number of a block has no more
                found.append(str(expression))
    return found, count


def reached(compiled):
    """What the kernels call in the end: while numba infers types, it also compiles for some that it then widens."""
    found, waiting = [], [(function, arguments) for function, arguments, _, kernel in compiled if kernel]
    while waiting:
        wanted = waiting.pop()
        for function, arguments, result, _ in compiled:
            if (function, arguments) == wanted and result not in found:
                found.append(result)
                annotation = result.type_annotation
                for expression, signature in annotation.calltypes.items():
                    if getattr(expression, "op", None) == "call":
                        called = getattr(annotation.typemap[expression.func.name], "dispatcher", None)
                        waiting.append((getattr(called, "py_func", None), tuple(signature.args)))
    assert {function for function, *_ in compiled} == {f for f, _, result, _ in compiled if result in found}
    return found


@pytest.fixture
def compiled(monkeypatch):
    """What is compiled in a test, of the skeletons: formulas work on the bits of a float32, which are 32."""
    results, compiler = [], importlib.import_module("numba.cuda.compiler")
    dispatcher, original = importlib.import_module("numba.cuda.dispatcher"), compiler.compile_cuda

    def noting(function, returned, arguments, *, kernel=False, **options):
        result = original(function, returned, arguments, **options)
        if function.__module__.startswith("fastloa_kernels.engines") and "primitives" not in function.__module__:
            results.append((function, tuple(arguments), result, kernel))
        return result

    def call(kernel, blocks, *arguments):
        options = {"nvvm_options": {"opt": 0}, "cc": CAPABILITY}
        noting(kernel._function, toolchain.types.void, kernel._signature, kernel=True, **options)

    monkeypatch.setattr(dispatcher, "get_current_device", lambda: SimpleNamespace(compute_capability=CAPABILITY))
    monkeypatch.setattr(dispatcher, "compile_cuda", noting)
    monkeypatch.setattr(toolchain.Kernel, "__call__", call)
    monkeypatch.setattr(engine, "array_module", lambda: np)
    caches = engine._finish_kernel, engine._label_kernels
    for kept in caches:
        kept.cache_clear()
    yield results
    for kept in caches:
        kept.cache_clear()


X = np.zeros((2, 3), np.float32)
LABELS = np.zeros(2, np.int64)
OPTIONS = RowOptions(-100, 0.9, 0.1 / 3, 3.0, 2.0)


def row_loss(cuda, target, *, labels):
    kernel = cuda.load(rowwise.CROSS_ENTROPY, RowForm(True, True, True, labels, True), "float32")
    kernel(X, target, X[0], X[:, 0], OPTIONS, None, X, X)


SKELETONS = {
    "map": lambda cuda: cuda.load(activations.TANH, "value", "float32")((X,), (X,), (), ()),
    "sum": lambda cuda: cuda.load(losses.MSE_LOSS, "value_and_grad_summed", "float32")((X, X), (X,), (2.0,), ()),
    "rows": lambda cuda: cuda.load(rowwise.SOFTMAX, "value", "float32")((X,), X),
    "rows backward": lambda cuda: cuda.load(rowwise.SOFTMAX, "backward_from_output", "float32")((X, X), X),
    "labels": lambda cuda: row_loss(cuda, LABELS, labels=True),
    "probabilities": lambda cuda: row_loss(cuda, X, labels=False),
    "label weights": lambda cuda: cuda.label_weights(LABELS, X[0], X[:, 0], -100, 3),
}


@pytest.mark.parametrize("call", SKELETONS.values(), ids=SKELETONS)
def test_skeletons(call, compiled):
    call(engine.Engine())
    checked = [narrow(result) for result in reached(compiled)]
    assert sum(count for _, count in checked) >= 2
    assert [found for found, _ in checked if found] == []


def by_int32(size, arrays):
    i = np.int32(size)
    arrays[0][i] = arrays[1][size]


def from_int32(size, arrays):
    arrays[0][size] = arrays[1][np.int32(size)]


@pytest.mark.parametrize("function", [by_int32, from_int32])
def test_a_narrow_index_is_found(function):
    compiler = importlib.import_module("numba.cuda.compiler")
    signature = toolchain.types.int64, toolchain.pointers("float32", 2)
    result = compiler.compile_cuda(function, toolchain.types.void, signature, nvvm_options={"opt": 0}, cc=CAPABILITY)
    found, count = narrow(result)
    assert found
    assert count == 2
