"""Losses of a linear layer's scores over the table of their options, against mpmath and PyTorch, and what they hold."""

import itertools
import tracemalloc
from functools import partial

import numpy as np
import pytest
from mpmath import mp, mpf

import fastloa as fl
from fastloa import linear_loss_operations
from tests import cases
from tests import references as ref
from tests.harness import check_same_bits
from tests.subjects import DTYPES, group

ROWS, FEATURES, CLASSES, IGNORED = 9, 4, 5, 2
REDUCTIONS = ("mean", "sum", "none")
REFERENCES = {case.name: case.row for case in cases.CASES if isinstance(case, cases.RowLossCase)}
CASES = [case for case in cases.CASES if isinstance(case, cases.LinearLossCase)]
EVERY = pytest.mark.parametrize(
    ("case", "dtype"),
    [pytest.param(c, d, id=f"{c.name}-{d}", marks=group(c.name, d)) for c in CASES for d in DTYPES],
)


def layer(dtype):
    rng = np.random.default_rng(7)
    shapes = (ROWS, FEATURES), (CLASSES, FEATURES), (CLASSES,)
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def targets(kind, dtype):
    rng = np.random.default_rng(8)
    if kind == "labels":
        return np.array([3, 1, IGNORED, 0, 4, IGNORED, 0, 1, 3])
    shares = rng.random((ROWS, CLASSES))
    return (shares / shares.sum(axis=1, keepdims=True)).astype(dtype)


def table(dtype, *, sampled=(False, True)):
    """Give every combination of options, with the kind of target they are for."""
    for kind, weighted, smoothing, ignored, sample, reduction in itertools.product(
        ("labels", "probabilities"), (False, True), (0.0, 0.1), (False, True), sampled, REDUCTIONS
    ):
        if kind == "probabilities" and ignored:
            continue
        options = {"reduction": reduction, "label_smoothing": smoothing}
        if sample:
            options |= {"z_loss": 0.01, "mask": np.arange(ROWS) % 4 != 1}
        if weighted:
            options["weight"] = np.array([0.3, 0.0, 2.0, 1.1, 0.7], dtype)
        if ignored:
            options["ignore_index"] = IGNORED
        if sample:
            options["sample_weight"] = np.linspace(0.0, 2.0, ROWS).astype(dtype)
        yield kind, options


def exact(case, arrays, target, options):
    """Give the value and gradients of the loss of the exact product, as float64."""
    with mp.workprec(200):
        x, weight, bias = (np.vectorize(mpf, otypes=[object])(array.astype(np.float64)) for array in arrays)
        value, slopes, _ = ref.row_loss(REFERENCES[case.loss], x @ weight.T + bias, target, **options)
        d = np.array(slopes, object)
        return [np.array(found, np.float64) for found in (value, d @ weight, d.T @ x, d.sum(axis=0))]


@EVERY
def test_every_option_against_mpmath(case, dtype, engine):
    arrays, bound = layer(dtype), {"float32": 2e-6, "float64": 1e-14}[dtype]
    for (kind, options), chunk in zip(table(dtype), itertools.cycle([None, 4, 1]), strict=False):
        target = targets(kind, dtype)
        wanted = exact(case, arrays, target, options)
        run = getattr(fl, case.name).value_and_grad
        value, grads = run(*arrays[:2], target, linear_bias=arrays[2], batch_chunk_size=chunk, **options, **engine)
        for got, right in zip((value, *grads), wanted, strict=True):
            assert got.dtype == dtype
            np.testing.assert_allclose(got, right, rtol=bound, atol=bound * np.abs(right).max())


@pytest.mark.parametrize("bias", [False, True])
def test_every_option_against_pytorch(bias):
    torch = pytest.importorskip("torch")
    arrays = layer("float64")[: 3 if bias else 2]
    for kind, options in table("float64", sampled=(False,)):
        target = targets(kind, "float64")
        given = {"linear_bias": arrays[2]} if bias else {}
        value, grads = fl.linear_cross_entropy.value_and_grad(
            *arrays[:2], target, batch_chunk_size=2, **given, **options
        )
        tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
        theirs = {key: torch.tensor(v) if isinstance(v, np.ndarray) else v for key, v in options.items()}
        loss = torch.nn.functional.cross_entropy(
            torch.nn.functional.linear(*tensors[:2], tensors[2] if bias else None), torch.tensor(target), **theirs
        )
        loss.sum().backward()
        for got, right in zip((value, *grads), (loss.detach(), *(t.grad for t in tensors)), strict=True):
            np.testing.assert_allclose(got, right.numpy(), rtol=1e-12, atol=1e-15)


@EVERY
def test_each_form_gives_the_same(case, dtype, engine):
    (x, weight, bias), target = layer(dtype), targets("labels", dtype)
    operation = getattr(fl, case.name)
    for given in ({}, {"linear_bias": bias}):
        value, grads = operation.value_and_grad(x, weight, target, **given, **engine)
        assert len(grads) == 2 + len(given)
        check_same_bits(operation(x, weight, target, **given, **engine), value)
        check_same_bits(operation.grad(x, weight, target, **given, **engine), grads)


@EVERY
def test_results_go_where_they_are_wanted(case, dtype, engine):
    (x, weight, bias), target = layer(dtype), targets("labels", dtype)
    operation = partial(getattr(fl, case.name).value_and_grad, reduction="none", **engine)
    losses, grads = operation(x, weight, target, linear_bias=bias)
    out, rooms = np.empty(ROWS, dtype), tuple(np.full(a.shape, 7.0, dtype, order="F") for a in (x, weight, bias))
    value, slopes = operation(x, weight, target, linear_bias=bias, out=out, grad_out=rooms)
    assert value is out
    assert all(slope is room for slope, room in zip(slopes, rooms, strict=True))
    check_same_bits((value, *slopes), (losses, *grads))
    _, slopes = operation(x, weight, target, linear_bias=bias, grad_out=(None, weight, None))
    assert slopes[1] is weight
    check_same_bits(slopes, grads)
    weight = layer(dtype)[1]
    with pytest.raises(TypeError, match="value_and_grad: grad_out must be two arrays, got 3"):
        operation(x, weight, target, grad_out=rooms)
    with pytest.raises(ValueError, match=r"value_and_grad: grad_out\[1\] must have shape"):
        operation(x, weight, target, grad_out=(None, x))
    check_same_bits(weight, layer(dtype)[1])


@EVERY
def test_rows_of_any_shape(case, dtype, engine):
    (x, weight, bias), target = layer(dtype), targets("labels", dtype)
    operation = getattr(fl, case.name)
    value, grads = operation.value_and_grad(
        x.reshape(3, 3, FEATURES), weight, target.reshape(3, 3), linear_bias=bias, reduction="none", **engine
    )
    flat, flat_grads = operation.value_and_grad(x, weight, target, linear_bias=bias, reduction="none")
    check_same_bits((value, *grads), (flat.reshape(3, 3), flat_grads[0].reshape(3, 3, FEATURES), *flat_grads[1:]))
    one = operation(x[0], weight, np.array(target[0]), linear_bias=bias, reduction="none", **engine)
    np.testing.assert_allclose(one, flat[0], rtol=1e-5)


@EVERY
def test_no_rows(case, dtype, engine):
    x, weight, bias = layer(dtype)
    labels = np.zeros(0, np.int64)
    for reduction, wanted in (("mean", np.nan), ("sum", 0.0)):
        value, grads = getattr(fl, case.name).value_and_grad(
            x[:0], weight, labels, linear_bias=bias, reduction=reduction, **engine
        )
        check_same_bits(value, np.dtype(dtype).type(wanted))
        check_same_bits(grads, (x[:0], np.zeros_like(weight), np.zeros_like(bias)))


@pytest.mark.parametrize("chunk", [1, 7])
def test_sums_of_many_chunks_keep_their_digits(chunk):
    rng = np.random.default_rng(9)
    x, weight = rng.normal(size=(20000, 8)).astype("f") + np.float32(0.5), rng.normal(size=(16, 8)).astype("f")
    labels = rng.integers(0, 16, 20000)
    slopes = fl.cross_entropy.grad(x.astype(float) @ weight.T, labels)
    _, (_, got) = fl.linear_cross_entropy.value_and_grad(x, weight, labels, batch_chunk_size=chunk)
    # Chunk after chunk added to one sum would be off by 190 and 15.
    sizes = np.abs(slopes).T @ np.abs(x)
    assert np.abs((got - slopes.T @ x) / sizes).max() < 8 * 2.0**-24


@EVERY
def test_bits_are_repeatable(case, dtype, engine):
    rng = np.random.default_rng(10)
    x, weight = rng.normal(size=(300, 40)).astype(dtype), rng.normal(size=(70, 40)).astype(dtype)
    labels = rng.integers(0, 70, 300)
    run = getattr(fl, case.name).value_and_grad
    first, second = (run(x, weight, labels, batch_chunk_size=64, **engine) for _ in range(2))
    check_same_bits((first[0], *first[1]), (second[0], *second[1]))


def test_16_bit_arrays_are_computed_in_float32():
    x, weight, bias = layer("float16")
    target = targets("labels", "float16")
    value, grads = fl.linear_cross_entropy.value_and_grad(x, weight, target, linear_bias=bias)
    wide = [array.astype("f") for array in (x, weight, bias)]
    right, wide_grads = fl.linear_cross_entropy.value_and_grad(*wide[:2], target, linear_bias=wide[2])
    check_same_bits(value, right)
    check_same_bits(grads, tuple(grad.astype(np.float16) for grad in wide_grads))


def held(call):
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("features", [4, pytest.param(256, marks=pytest.mark.slow)])
def test_the_logits_of_all_rows_are_never_held(features):
    rng, rows, classes = np.random.default_rng(11), 4096, 50257
    x, weight = rng.standard_normal((rows, features), "f"), rng.standard_normal((classes, features), "f")
    labels = rng.integers(0, classes, rows)
    fl.linear_cross_entropy.value_and_grad(x[:2], weight, labels[:2])
    # Composed, the logits and their gradient are held at once.
    composed = 2 * rows * classes * x.itemsize
    assert held(lambda: fl.linear_cross_entropy.value_and_grad(x, weight, labels)) < composed / 10
    assert held(lambda: fl.linear_cross_entropy(x, weight, labels)) < composed / 20


def test_chunks_are_of_nearly_equal_length():
    classes = linear_loss_operations.SCORES // 10
    lengths = [s.stop - s.start for s in linear_loss_operations._chunks(31, classes, None)]
    assert lengths == [8, 8, 8, 7]
    assert [s.stop - s.start for s in linear_loss_operations._chunks(5, 10 * classes + 1, None)] == [1] * 5
