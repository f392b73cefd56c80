"""Gradients of some rows only, against PyTorch's and against dense steps over those rows."""

import ml_dtypes
import numpy as np
import pytest

import fastloa as fl
from tests.scalars import refused


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("shape", [(50, 4), (50,), (20, 2, 3)])
def test_a_thousand_steps_are_pytorchs(shape, maximize):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    p = rng.standard_normal(shape)
    theirs = torch.from_numpy(p.copy())
    ours, golden = (
        fl.SparseAdam(p, lr=0.01, maximize=maximize),
        torch.optim.SparseAdam([theirs], lr=0.01, maximize=maximize),
    )
    for _ in range(1000):
        index = rng.integers(0, shape[0], rng.integers(0, 12))  # rows that come several times among them
        rows = rng.standard_normal((len(index), *shape[1:]))
        theirs.grad = torch.sparse_coo_tensor(index[None], rows, shape, check_invariants=True)
        golden.step()
        ours.step((index, rows))
    np.testing.assert_allclose(p, theirs.numpy(), rtol=1e-12, atol=1e-12 * np.abs(p).max())


@pytest.mark.parametrize("dtype", ["float16", ml_dtypes.bfloat16, "float32", "float64"])
def test_rows_are_stepped_as_dense_arrays_are_and_others_left_alone(dtype):
    table, other = np.ones((6, 3), dtype), np.ones(2, dtype)
    rows, index = np.arange(6.0).reshape(2, 3).astype(dtype), np.array([4, 1], np.int32)
    optimizer = fl.SparseAdam({"table": table, "b": other}, lr=0.1, clip_norm=2.0, grad_scale=2.0)
    optimizer.step({"table": (index, rows), "b": np.ones(2, dtype)})
    dense, kept = [np.ones((2, 3), dtype), np.ones(2, dtype)], rows.copy()
    fl.SparseAdam(dense, lr=0.1, clip_norm=2.0, grad_scale=2.0).step([rows, np.ones(2, dtype)])
    np.testing.assert_array_equal(table[index], dense[0])
    np.testing.assert_array_equal(other, dense[1])
    assert (np.delete(table, index, axis=0) == 1).all()
    np.testing.assert_array_equal(rows, kept)
    states = optimizer.state_dict()["states"][0]
    assert not np.delete(states["exp_avg"], index, axis=0).any()


def test_rows_of_several_parameters_and_layouts():
    whole = np.ones((8, 6))
    p = [whole[::2, ::-1][:, :3], np.ones(5)]
    optimizer = fl.SparseAdam(p, lr=0.5, eps=0.0)
    optimizer.step([(np.array([3]), np.full((1, 3), 2.0)), (np.array([0, 0, 4]), np.array([1.0, -3.0, 1.0]))])
    assert whole[6].tolist() == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5]
    assert p[1].tolist() == [1.5, 1.0, 1.0, 1.0, 0.5]


def test_a_row_that_is_no_number_is_passed_over():
    table = np.ones((3, 2))
    optimizer = fl.SparseAdam(table, skip_nonfinite=True)
    optimizer.step((np.array([1]), np.array([[np.inf, 1.0]])))
    assert (optimizer.last_skipped, optimizer.steps, table.tolist()) == (True, 0, [[1.0] * 2] * 3)


def test_wrong_rows_are_refused_before_anything_is_written():
    table, b = np.ones((4, 2)), np.ones(2)
    one, rows = np.array([1]), np.ones((1, 2))
    for pair, error, message in (
        ((one, rows, rows), ValueError, "grads[0] must be two arrays, of indices and of rows, got 3"),
        ((np.array([1.0]), rows), TypeError, "grads[0][0] must hold integers, got float64"),
        ((np.array([[1]]), rows), ValueError, "grads[0][0] must have one dimension, got shape (1, 1)"),
        ((one, np.ones((1, 3))), ValueError, "grads[0][1] must have shape (1, 2), got (1, 3)"),
        ((np.array([4]), rows), ValueError, "grads[0][0] must hold rows in 0..3, got 4"),
        ((np.array([-1]), rows), ValueError, "grads[0][0] must hold rows in 0..3, got -1"),
        ((one, rows.astype("f")), TypeError, "params[0] and grads[0][1] must have the same dtype, got float64 and float32"),
        ((one, [[1.0, 2.0]]), TypeError, "grads[0][1] must be a NumPy or CuPy array, got list"),
    ):  # fmt: skip
        with refused(error, f"SparseAdam.step: {message}"):
            fl.SparseAdam([table, b]).step([pair, np.ones(2)])
    for option in ("ema", "zero_grad"):
        with refused(ValueError, f"SparseAdam.step: {option} must be left out where a gradient is rows, got {option}="):
            fl.SparseAdam([table, b], **{option: 0.5 if option == "ema" else True}).step([(one, rows), np.ones(2)])
    with refused(ValueError, "SparseAdam.step: params[1] and grads[1] must have the same shape, got (2,) and (3,)"):
        fl.SparseAdam([table, b]).step([(one, rows), np.ones(3)])
    assert (table == 1).all()
    assert (b == 1).all()


def test_parameters_that_cannot_be_written_are_refused_before_any_is():
    a, b = np.ones((3, 2)), np.ones((3, 2))
    optimizer = fl.SparseAdam([a, b], lr=0.5)
    b.flags.writeable = False
    with refused(ValueError, "SparseAdam.step: params[1] must be writable, got a read-only array"):
        optimizer.step([(np.array([0]), np.ones((1, 2)))] * 2)
    assert (a == 1.0).all()


@pytest.mark.filterwarnings("error")
def test_rows_whose_sum_is_too_large_for_16_bits_warn_of_nothing():
    p = np.ones((2, 2), np.float16)
    fl.SparseAdam(p, lr=0.5).step((np.array([0, 0]), np.full((2, 2), 60000.0, np.float16)))
    assert (p[1] == 1.0).all()


def test_rows_of_16_bits_are_added_up_in_float32():
    dtype, size = np.float16, 4e4
    p, whole = np.ones((2, 1), dtype), np.ones((1, 1), dtype)
    options = {"grad_scale": 1024.0, "skip_nonfinite": True}
    optimizer, other = fl.SparseAdam(p, **options), fl.SparseAdam(whole, **options)
    optimizer.step((np.array([0, 0]), np.full((2, 1), size, dtype)))
    other.step(np.full((1, 1), size, dtype))
    found, half = (one.state_dict()["states"][0]["exp_avg"] for one in (optimizer, other))
    assert found.ravel().tolist() == [2.0 * half[0, 0], 0.0]
    assert not optimizer.last_skipped
    assert p[0] == whole[0] < 1.0 == p[1]
