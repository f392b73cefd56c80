"""Rows of few classes are computed many at a time, and have the bits that each of them has alone."""

import numpy as np
import pytest

import fastloa as fl
from fastloa import row_loss_operations
from tests import harness
from tests.subjects import DTYPES

SLOW = [pytest.param("float64", columns, marks=pytest.mark.slow) for columns in (3, 10)]
SHAPES = [("float32", columns) for columns in (1, 2, 3, 10, 31, 32)] + SLOW
# 8 rows make a tile, and 64 a whole one; up to 16,384 elements are a small call, and from 65,536 on threads share them.
HEIGHTS = {"float32": [8, 64, 65, 203, 7000], "float64": [8, 64, 65, 203, 1000]}


def scores(rows, columns, dtype, seed=0):
    """Give rows of all kinds: flat, steep, huge, of one class alone, with NaN, infinities and nothing but -inf."""
    rng = np.random.default_rng([rows, columns, seed])
    x = rng.normal(size=(rows, columns)) * 10.0 ** rng.uniform(-3, 2.5, (rows, 1))
    kind = rng.integers(0, 12, rows)
    x[kind == 0, 0] = np.nan
    x[kind == 1, -1] = np.inf
    x[kind == 2] = np.inf
    x[kind == 3] = -np.inf
    x[kind == 4, 0] = -np.inf
    x[kind == 5] = 0.0
    x[kind == 6, columns // 2] += 40.0
    x[kind == 7] *= 10.0 ** rng.uniform(0, 33, (np.count_nonzero(kind == 7), columns))
    return x.astype(dtype)


def alone(call, arrays, some):
    """Give the results of some rows, each computed alone."""
    return [call(*(a[i : i + 1].copy() for a in arrays)) for i in some]


def some_of(rows):
    return range(rows) if rows <= 65 else sorted({*range(0, rows, rows // 60), rows - 1})


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "sparsemax"])
@pytest.mark.parametrize(("dtype", "columns"), SHAPES)
def test_activations(name, dtype, columns):
    operation = getattr(fl, name)
    for rows in HEIGHTS[dtype]:
        x, g = scores(rows, columns, dtype), scores(rows, columns, dtype, 1)
        for call, arrays in ((operation, (x,)), (operation.backward_from_output, (g, operation(x)))):
            whole = call(*arrays)
            for i, one in zip(some_of(rows), alone(call, arrays, some_of(rows)), strict=True):
                harness.check_same_bits(whole[i : i + 1], one, f"row {i} of {rows}")
            for place in range(len(arrays) if columns == 10 and rows <= 1000 and dtype == "float32" else 0):
                own = [a.copy() for a in arrays]
                harness.check_same_bits(call(*own, out=own[place]), whole, f"over operand {place} of {rows} rows")


@pytest.mark.parametrize("form", ["value", "grad_and_hess"])
@pytest.mark.parametrize(("dtype", "columns"), SHAPES)
def test_losses(form, dtype, columns):
    loss = fl.cross_entropy if form == "value" else fl.cross_entropy.grad_and_hess
    reduction = "none" if form == "value" else "sum"
    for rows in HEIGHTS[dtype]:
        x, rng = scores(rows, columns, dtype), np.random.default_rng(rows)
        labels, weights = rng.integers(0, columns, rows), rng.random(rows).astype(dtype)
        labels[rng.random(rows) < 0.1] = -100
        for more in ((), (weights,)):

            def call(x, labels, *weight):
                given = {"sample_weight": weight[0]} if weight else {}
                return harness.as_tuple(loss(x, labels, reduction=reduction, **given))

            arrays = (x, labels, *more)
            whole = call(*arrays)
            for i, one in zip(some_of(rows), alone(call, arrays, some_of(rows)), strict=True):
                for all_rows, row in zip(whole, one, strict=True):
                    harness.check_same_bits(all_rows[i : i + 1], row, f"row {i} of {rows}, label {labels[i]}")


# A call may be small, of more rows than a block, of rows that are not narrow, and shared by threads.
@pytest.mark.parametrize("shape", [(20, 3), (20, 10), (3000, 5), (30, 1000), (7000, 10), (90, 1000)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_usual_losses(dtype, shape):
    """The loss and its derivatives, computed out of line, are those of the way that takes every option."""
    x, labels = scores(*shape, dtype), np.random.default_rng(shape[1]).integers(0, shape[1], shape[0])
    x = np.where(np.isfinite(x), x, np.zeros_like(x))
    labels[1] = -100
    for form in (
        fl.cross_entropy,
        fl.cross_entropy.grad,
        fl.cross_entropy.value_and_grad,
        fl.cross_entropy.grad_and_hess,
    ):
        for reduction in ("mean", "sum"):
            usual = harness.as_tuple(form(x, labels, reduction=reduction))
            general = harness.as_tuple(form(x, labels, reduction=reduction, weight=None, sample_weight=None))
            for one, other in zip(usual, general, strict=True):
                assert type(one) is type(other)
                harness.check_same_bits(one, other, f"{form.__name__} {reduction}")


@pytest.mark.parametrize("shape", [(20, 3), (3000, 5), (90, 1000)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_usual_losses_ask_no_more_than_they_must(dtype, shape, monkeypatch):
    """What looks into all options has no part in them."""

    def no(*args, **options):
        raise AssertionError("not straight")

    x, labels = np.zeros(shape, dtype), np.zeros(shape[0], np.int64)
    monkeypatch.setattr(row_loss_operations, "Call", no)
    for form in (fl.cross_entropy, fl.cross_entropy.value_and_grad, fl.nll_loss.grad_and_hess, fl.sparsemax_loss.grad):
        for reduction in ("mean", "sum"):
            form(x, labels, reduction=reduction)
        with pytest.raises(AssertionError, match="not straight"):
            form(x, labels, backend="cpu")


@pytest.mark.parametrize("shape", [(20, 3), (90, 1000)])
def test_usual_losses_leave_what_is_not_usual(shape):
    """Scores and labels that do not lie in order, or on odd addresses, and labels out of range, in whatever size."""
    rng = np.random.default_rng(3)
    x, labels = rng.normal(size=shape).astype(np.float32), rng.integers(0, shape[1], shape[0])
    wanted = fl.cross_entropy.value_and_grad(x, labels)
    odd = np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(np.float32).reshape(shape)
    assert not odd.flags.aligned
    for other in (np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2], odd):
        for given in (labels, np.repeat(labels, 2)[::2], labels.astype(np.uint8 if shape[1] < 256 else np.uint16)):
            for one, result in zip(fl.cross_entropy.value_and_grad(other, given), wanted, strict=True):
                harness.check_same_bits(one, result, "not in order")
    labels[7] = shape[1]
    with pytest.raises(ValueError, match=f"target must be in 0..{shape[1] - 1}, got {shape[1]} at index 7"):
        fl.cross_entropy(x, labels)
    with pytest.raises(ValueError, match="target must be integer labels"):
        fl.cross_entropy(x, labels[:-1])
