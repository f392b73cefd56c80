"""CTC: all paths of tiny sequences, PyTorch's results, differences, reductions, layouts, threads, and refusals."""

import ml_dtypes
import numba
import numpy as np
import pytest
from fastloa_kernels.engines.numba_cpu import engine as numba_cpu
from mpmath import mp, mpf

import fastloa as fl
from tests import harness
from tests import references as ref
from tests.samples import rng_for

pytestmark = pytest.mark.shares("ctc_loss-float64")


def log_probs(rng, *shape, dtype="float64"):
    x = rng.normal(size=shape) * 2.0
    return (x - np.log(np.exp(x).sum(axis=-1, keepdims=True))).astype(dtype)


def batch(seed=0, dtype="float64", frames=9, sequences=4, classes=5, labels=3):
    """Padded sequences of many lengths: an empty target, one with equal neighbours, and one that does not fit."""
    rng = rng_for("ctc", str(seed))
    targets = rng.integers(1, classes, (sequences, labels))
    targets[1] = targets[1, 0]
    return log_probs(rng, frames, sequences, classes, dtype=dtype), targets, [9, 8, 6, 2], [2, 3, 0, 3]


def check_path(x, labels, count, blank, engine):
    value, grad = fl.ctc_loss.value_and_grad(x, labels, count, len(labels), blank=blank, reduction="sum", **engine)
    with mp.workprec(200):
        loss, slopes = ref.ctc_paths([[mpf(p) for p in frame] for frame in x[:count].tolist()], labels, blank)
        loss, slopes = float(loss), slopes and [[float(p) for p in row] for row in slopes]
    if slopes is None:
        assert value == np.inf
        assert np.isnan(grad[:count]).all()
    else:
        np.testing.assert_allclose(value, loss, rtol=1e-15, atol=5e-16)
        np.testing.assert_allclose(grad[:count], np.reshape(slopes, (count, x.shape[1])), rtol=4e-15)
    assert not grad[count:].any()


@pytest.mark.parametrize("blank", [0, 2])
def test_it_is_the_sum_over_all_paths(blank, engine):
    rng = rng_for("ctc", "paths", str(blank))
    a, b = (k for k in range(3) if k != blank)
    for labels in ([], [a], [a, a], [b, a], [a, b, b], [a, b, a, b], [b] * 3):
        x = log_probs(rng, 5, 3)
        for count in (0, 1, 3, 4, 5):
            check_path(x, np.array(labels, int), count, blank, engine)


def test_scores_need_not_be_those_of_probabilities(engine):
    x = rng_for("ctc", "free").normal(size=(4, 3)) * 5.0
    check_path(x, np.array([1, 2]), 4, 0, engine)
    x[1, 2], x[2] = -np.inf, -np.inf
    check_path(x, np.array([1, 2]), 4, 0, engine)
    x[2, 1] = -1e4
    check_path(x, np.array([1, 2]), 4, 0, engine)
    free = np.zeros((4, 3))
    free[1, 1] = np.inf
    value, grad = fl.ctc_loss.value_and_grad(free, np.array([1, 2]), 4, 2, **engine)
    assert value == -np.inf
    assert np.isnan(grad).all()


def draw(rng):
    """A batch with any options: both kinds of targets, any blank, equal neighbours, and targets that do not fit."""
    frames, sequences, classes, labels = rng.integers((1, 1, 2, 0), (12, 5, 7, 6))
    blank = int(rng.integers(classes))
    targets = rng.integers(classes - 1, size=(sequences, labels))
    targets += targets >= blank
    sizes = rng.integers(0, labels + 1, sequences)
    counts = rng.integers(1, frames + 1, sequences)
    if rng.random() < 0.5:
        targets = np.concatenate([row[:size] for row, size in zip(targets, sizes, strict=True)])
    options = {
        "blank": blank, "reduction": str(rng.choice(["mean", "sum", "none"])), "zero_infinity": bool(rng.integers(2)),
    }  # fmt: skip
    return rng.normal(size=(frames, sequences, classes)) * 3.0, targets, counts, sizes, options


def test_it_is_pytorchs(engine):
    torch = pytest.importorskip("torch")
    rng, infinite = rng_for("ctc", "torch"), 0
    for _ in range(60):
        x, targets, counts, sizes, options = draw(rng)
        scores = torch.tensor(x, requires_grad=True)
        given = scores.log_softmax(-1)
        others = [torch.tensor(array) for array in (targets, counts, sizes)]
        wanted = torch.nn.functional.ctc_loss(given, *others, **options)
        wanted_grad, whole = torch.autograd.grad(wanted.sum(), [scores, given])
        logs = given.detach().numpy()
        value, grad = fl.ctc_loss.value_and_grad(logs, targets, counts, sizes, **options, **engine)
        infinite += not np.isfinite(value).all()
        np.testing.assert_allclose(value, wanted.detach().numpy(), rtol=1e-12, atol=1e-14)
        # PyTorch's own has the derivative of the log-softmax in it; behind one, both are the same.
        chained = grad - np.exp(logs) * grad.sum(axis=-1, keepdims=True)
        np.testing.assert_allclose(chained, wanted_grad.numpy(), rtol=1e-12, atol=1e-13)
        weights = np.ones(x.shape[1]) if options["reduction"] != "mean" else 1.0 / np.maximum(sizes, 1) / x.shape[1]
        losses = fl.ctc_loss(logs, targets, counts, sizes, blank=options["blank"], reduction="none", **engine)
        counted = weights * ~((losses == np.inf) & options["zero_infinity"])
        there = np.arange(len(x))[:, None] < counts
        added = np.where(there, counted, 0.0)[..., None] * np.exp(logs)
        np.testing.assert_allclose(grad, whole.numpy() - added, rtol=1e-12, atol=1e-13)
    assert 5 < infinite < 50


def test_the_gradient_is_that_of_differences(engine):
    x, targets, counts, sizes = batch()
    counts[3] = 7
    for options in ({}, {"reduction": "sum"}, {"sample_weight": np.array([0.5, 2.0, 1.0, 3.0])}):
        grad, step = fl.ctc_loss.grad(x, targets, counts, sizes, **options, **engine), 1e-5
        for at in np.ndindex(x.shape):
            moved = [x.copy(), x.copy()]
            moved[0][at] -= step
            moved[1][at] += step
            low, high = (fl.ctc_loss(m, targets, counts, sizes, **options, **engine) for m in moved)
            np.testing.assert_allclose((high - low) / (2 * step), grad[at], rtol=1e-7, atol=1e-9)


def test_all_forms_and_reductions_agree(engine):
    x, targets, counts, sizes = batch()
    given, weights = (x, targets, counts, sizes), np.array([0.5, 2.0, 1.0, 3.0])
    each, slopes = fl.ctc_loss.value_and_grad(*given, reduction="none", zero_infinity=True, **engine)
    harness.check_same_bits(fl.ctc_loss(*given, reduction="none", zero_infinity=True, **engine), each)
    harness.check_same_bits(fl.ctc_loss.grad(*given, reduction="none", zero_infinity=True, **engine), slopes)
    assert each[3] == 0.0
    assert not slopes[:, 3].any()
    lengths = np.maximum(sizes, 1)
    for weight, divisor in ((None, 4.0), (weights, weights.sum())):
        own = np.ones(4) if weight is None else weight
        options = {"sample_weight": weight, "zero_infinity": True}
        some, grads = fl.ctc_loss.value_and_grad(*given, reduction="none", **options, **engine)
        np.testing.assert_allclose(some, own * each, rtol=1e-15)
        np.testing.assert_allclose(grads, own[:, None] * slopes, rtol=1e-14)
        np.testing.assert_allclose(fl.ctc_loss(*given, reduction="sum", **options, **engine), some.sum(), rtol=1e-15)
        mean, grads = fl.ctc_loss.value_and_grad(*given, **options, **engine)
        np.testing.assert_allclose(mean, (own * each / lengths).sum() / divisor, rtol=1e-15)
        np.testing.assert_allclose(grads, (own / lengths)[:, None] * slopes / divisor, rtol=1e-14)


def test_infinite_losses_have_no_gradient_unless_they_are_to_be_0(engine):
    x, targets, counts, sizes = batch()
    value, grad = fl.ctc_loss.value_and_grad(x, targets, counts, sizes, reduction="none", **engine)
    assert (value == np.inf).tolist() == [False, False, False, True]
    assert np.isnan(grad[:2, 3]).all()
    assert not grad[2:, 3].any()
    assert np.isfinite(grad[:, :3]).all()
    assert fl.ctc_loss(x, targets, counts, sizes, **engine) == np.inf


def test_what_counts_for_nothing_may_be_anything(engine):
    x, targets, counts, sizes = batch()
    clean = fl.ctc_loss.value_and_grad(x, targets, counts, sizes, zero_infinity=True, **engine)
    for n in range(4):
        x[counts[n] :, n] = np.nan
        targets[n, sizes[n] :] = 99 - 200 * (n % 2)
        unused = [k for k in range(1, 5) if k not in targets[n, : sizes[n]]]
        x[:, n, unused] = np.nan
    for got, wanted in zip(
        fl.ctc_loss.value_and_grad(x, targets, counts, sizes, zero_infinity=True, **engine), clean, strict=True
    ):
        harness.check_same_bits(got, wanted)


@pytest.mark.parametrize("zero_infinity", [False, True])
def test_nan_reaches_its_own_sequence_only(zero_infinity, engine):
    x, targets, counts, sizes = batch()
    options = {"reduction": "none", "zero_infinity": zero_infinity, **engine}
    clean, slopes = fl.ctc_loss.value_and_grad(x, targets, counts, sizes, **options)
    for t, label in ((0, 0), (7, targets[1, 0]), (4, targets[1, 0])):
        dirty = x.copy()
        dirty[t, 1, label] = np.nan
        value, grad = fl.ctc_loss.value_and_grad(dirty, targets, counts, sizes, **options)
        assert np.isnan(value[1])
        assert np.isnan(grad[:8, 1]).all()
        assert grad[8, 1].tolist() == [0.0] * 5
        others = [0, 2, 3]
        harness.check_same_bits(value[others], clean[others])
        harness.check_same_bits(grad[:, others], slopes[:, others])


def test_long_sequences_keep_their_digits(engine):
    rng = rng_for("ctc", "long")
    x, labels = log_probs(rng, 400, 6), rng.integers(1, 6, 120)
    with mp.workprec(100):
        wanted = float(ref.ctc_likelihood([[mpf(p) for p in frame] for frame in x.tolist()], labels.tolist(), 0))
    value, grad = fl.ctc_loss.value_and_grad(x, labels, 400, 120, reduction="none", **engine)
    np.testing.assert_allclose(value, wanted, rtol=2.3e-16)  # one ulp
    # At each frame an alignment has one class.
    np.testing.assert_allclose(grad.sum(axis=1), -1.0, rtol=2e-14)


@pytest.mark.shares("ctc_loss-float32")
@pytest.mark.parametrize("half", [np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)], ids=str)
def test_16_bits_are_float32_rounded_once_and_that_float64(half, engine):
    x, targets, counts, sizes = batch()
    x = x.astype(half)
    value, grad = fl.ctc_loss.value_and_grad(x, targets, counts, sizes, zero_infinity=True, **engine)
    narrow, slopes = fl.ctc_loss.value_and_grad(
        x.astype("float32"), targets, counts, sizes, zero_infinity=True, **engine
    )
    harness.check_same_bits(value, narrow)
    harness.check_same_bits(grad, slopes.astype(half))
    wide, exact = fl.ctc_loss.value_and_grad(x.astype("float64"), targets, counts, sizes, zero_infinity=True, **engine)
    harness.check_same_bits(narrow, np.float32(wide))
    harness.check_same_bits(slopes, exact.astype("float32"))


def laid_out(x):
    big = np.zeros((x.shape[0], x.shape[1], 2 * x.shape[2]), x.dtype)
    big[..., ::2] = x
    raw = np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    raw[...] = x
    fixed = x.copy()
    fixed.flags.writeable = False
    return [
        np.asfortranarray(x), big[..., ::2], x[::-1].copy()[::-1], raw, fixed, x.astype(x.dtype.newbyteorder()),
        x.transpose(1, 0, 2).copy().transpose(1, 0, 2),
    ]  # fmt: skip


def test_layouts_buffers_and_kinds_of_lengths_change_no_bit(engine):
    x, targets, counts, sizes = batch()
    options = {"reduction": "none", **engine}
    wanted = fl.ctc_loss.value_and_grad(x, targets, counts, sizes, **options)
    joined = np.concatenate([row[:size] for row, size in zip(targets, sizes, strict=True)])
    given = [(y, targets, counts, sizes) for y in laid_out(x)]
    given += [(x, kind(joined), np.array(counts, "uint8"), tuple(sizes)) for kind in (np.uint64, np.int8, np.asarray)]
    given += [(x, np.asfortranarray(targets), counts, sizes), (x, targets.astype("int16"), counts, np.array(sizes))]
    for arguments in given:
        for got, other in zip(fl.ctc_loss.value_and_grad(*arguments, **options), wanted, strict=True):
            harness.check_same_bits(got, other)
    out, grad_out = np.empty(4), np.empty((2, *x.shape))[0]
    results = fl.ctc_loss.value_and_grad(x, targets, counts, sizes, out=out, grad_out=grad_out, **options)
    assert results[0] is out
    assert results[1] is grad_out
    weights, own = np.ones(4), x.copy()
    again = fl.ctc_loss.value_and_grad(
        own, targets, counts, sizes, sample_weight=weights, out=weights, grad_out=own, **options
    )
    assert again[1] is own
    for got, other, third in zip(results, wanted, again, strict=True):
        harness.check_same_bits(got, other)
        harness.check_same_bits(third, other)


def test_a_sequence_alone_and_none(engine):
    x, targets, counts, sizes = batch()
    for n in range(3):
        whole = fl.ctc_loss.value_and_grad(x, targets, counts, sizes, reduction="none", **engine)
        for labels, count, size in (
            (targets[n, : sizes[n]], counts[n], sizes[n]), (targets[n : n + 1], np.array([counts[n]]), [sizes[n]]),
        ):  # fmt: skip
            value, grad = fl.ctc_loss.value_and_grad(x[:, n], labels, count, size, reduction="none", **engine)
            harness.check_same_bits(np.asarray(value), np.asarray(whole[0][n]))
            harness.check_same_bits(grad, whole[1][:, n])
    nobody = x[:, :0], targets[:0], [], []
    with np.errstate(invalid="ignore"):
        assert np.isnan(fl.ctc_loss(*nobody, **engine))
    assert fl.ctc_loss(*nobody, reduction="sum", **engine) == 0.0
    assert fl.ctc_loss(*nobody, reduction="none", **engine).shape == (0,)
    assert fl.ctc_loss.grad(*nobody, **engine).shape == (9, 0, 5)
    value, grad = fl.ctc_loss.value_and_grad(x[:0], targets, [0] * 4, [0, 1, 0, 2], reduction="none", **engine)
    assert value.tolist() == [0.0, np.inf, 0.0, np.inf]
    assert grad.shape == (0, 4, 5)


def test_neither_threads_nor_room_change_a_bit(monkeypatch):
    rng = rng_for("ctc", "threads")
    x, targets = log_probs(rng, 60, 7, 5), rng.integers(1, 5, (7, 9))
    given, before = (x, targets, rng.integers(30, 61, 7), rng.integers(0, 10, 7)), numba.get_num_threads()
    results = []
    try:
        for threads, room in ((1, numba_cpu.ROOMS), (before, numba_cpu.ROOMS), (before, 1), (before, 9000)):
            numba.set_num_threads(threads)
            monkeypatch.setattr(numba_cpu, "ROOMS", room)
            results.append(fl.ctc_loss.value_and_grad(*given))
    finally:
        numba.set_num_threads(before)
    assert np.isfinite(results[0][0])
    for value, grad in results[1:]:
        harness.check_same_bits(value, results[0][0])
        harness.check_same_bits(grad, results[0][1])


def test_there_is_no_hessian():
    assert not hasattr(fl.ctc_loss, "grad_and_hess")


X, T, OWN = np.full((3, 2, 4), -1.0), np.array([[1, 2], [3, 1]]), np.zeros((3, 2, 4))
SHAPE = "ctc_loss: targets must have shape (2, labels) or (sum of target_lengths,), got"
LABEL = "ctc_loss: targets must be in 0..3 and not 0, the blank, got"
REFUSALS = [
    (
        lambda: fl.ctc_loss(X[0, 0], T, [3, 3], [2, 2]), ValueError,
        "ctc_loss: log_probs must have shape (frames, sequences, classes) or (frames, classes), got (4,)",
    ),
    (
        lambda: fl.ctc_loss(X.astype(complex), T, [3, 3], [2, 2]), TypeError,
        "ctc_loss: log_probs must be float16, bfloat16, float32, float64, integer or bool, got complex128",
    ),
    (
        lambda: fl.ctc_loss(X, T.astype(float), [3, 3], [2, 2]), TypeError,
        "ctc_loss: targets must be an array of integers, got float64",
    ),
    (lambda: fl.ctc_loss(X, T[:1], [3, 3], [2, 2]), ValueError, f"{SHAPE} (1, 2)"),
    (lambda: fl.ctc_loss(X, T[None], [3, 3], [2, 2]), ValueError, f"{SHAPE} (1, 2, 2)"),
    (lambda: fl.ctc_loss(X, T.ravel(), [3, 3], [2, 1]), ValueError, "ctc_loss: targets must have shape (3,), got (4,)"),
    (
        lambda: fl.ctc_loss.grad(X, T, [3, 3], [2, 2], grad_out=OWN, blank=1), ValueError,
        "ctc_loss.grad: targets must be in 0..3 and not 1, the blank, got 1 at index (0, 0)",
    ),
    (lambda: fl.ctc_loss(X, T + 1, [3, 3], [2, 2]), ValueError, f"{LABEL} 4 at index (1, 0)"),
    (lambda: fl.ctc_loss(X, -T.ravel(), [3, 3], [2, 2]), ValueError, f"{LABEL} -1 at index 0"),
    (
        lambda: fl.ctc_loss(X, np.full(4, 2**64 - 1, np.uint64), [3, 3], [2, 2]), ValueError,
        f"{LABEL} 18446744073709551615 at index 0",
    ),
    (
        lambda: fl.ctc_loss(X, T, [3.0, 3.0], [2, 2]), TypeError,
        "ctc_loss: input_lengths must be integers, got float64",
    ),
    (
        lambda: fl.ctc_loss(X, T, [3, [3, 3]], [2, 2]), ValueError,
        "ctc_loss: input_lengths must have shape (2,), got rows of several lengths",
    ),
    (
        lambda: fl.ctc_loss(X, T, [3], [2, 2]), ValueError,
        "ctc_loss: input_lengths must have shape (2,), got (1,)",
    ),
    (
        lambda: fl.ctc_loss(X, T, 3, [2, 2]), ValueError,
        "ctc_loss: input_lengths must have shape (2,), got ()",
    ),
    (
        lambda: fl.ctc_loss(X, T, [3, 4], [2, 2]), ValueError,
        "ctc_loss: input_lengths must be in 0..3, got 4 at index 1",
    ),
    (
        lambda: fl.ctc_loss(X, T, [-1, 3], [2, 2]), ValueError,
        "ctc_loss: input_lengths must be in 0..3, got -1 at index 0",
    ),
    (
        lambda: fl.ctc_loss(X, T, [3, 3], [2, 3]), ValueError,
        "ctc_loss: target_lengths must be in 0..2, got 3 at index 1",
    ),
    (
        lambda: fl.ctc_loss(X, T.ravel(), [3, 3], [5, -1]), ValueError,
        "ctc_loss: target_lengths must be non-negative, got -1 at index 1",
    ),
    (lambda: fl.ctc_loss(X, T, [3, 3], [2, 2], blank=4), ValueError, "ctc_loss: blank must be in 0..3, got 4"),
    (lambda: fl.ctc_loss(X, T, [3, 3], [2, 2], blank=0.0), TypeError, "ctc_loss: blank must be an integer, got float"),
    (
        lambda: fl.ctc_loss(X, T, [3, 3], [2, 2], zero_infinity=1), TypeError,
        "ctc_loss: zero_infinity must be True or False, got int",
    ),
    (
        lambda: fl.ctc_loss(X, T, [3, 3], [2, 2], reduction="avg"), ValueError,
        "ctc_loss: reduction must be 'mean', 'sum' or 'none', got 'avg'",
    ),
    (
        lambda: fl.ctc_loss(X, T[0], [3, 3], [2**63 - 1, 2**63 - 1]), ValueError,
        "ctc_loss: targets must have shape (18446744073709551614,), got (2,)",
    ),
    (
        lambda: fl.ctc_loss(X[..., :0], T, [3, 3], [2, 2]), ValueError,
        "ctc_loss: log_probs must have at least one class, got shape (3, 2, 0)",
    ),
    (
        lambda: fl.ctc_loss(X, T, [3, 3], [2, 2], sample_weight=np.ones(3)), ValueError,
        "ctc_loss: sample_weight must have shape (2,), got (3,)",
    ),
    (
        lambda: fl.ctc_loss(X, T, [3, 3], [2, 2], out=np.ones(2)), ValueError,
        "ctc_loss: out must be None unless reduction is 'none', got an array",
    ),
    (
        lambda: fl.ctc_loss.value_and_grad(X, T, [3, 3], [2, 2], out=np.ones(1), grad_out=OWN, reduction="none"),
        ValueError, "ctc_loss.value_and_grad: out must have shape (2,), got (1,)",
    ),
    (
        lambda: fl.ctc_loss.grad(X, T, [3, 3], [2, 2], grad_out=OWN.astype("f")), TypeError,
        "ctc_loss.grad: grad_out must be float64, got float32",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), REFUSALS, ids=[message[:70] for *_, message in REFUSALS])
def test_refusal(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message
    assert not OWN.any()
