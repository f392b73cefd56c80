"""Numbers at the ends of the range: what float32 holds in the end is not lost on the way, against float64 and exact sums."""

from functools import partial

import ml_dtypes
import numpy as np
import pytest

import fastloa as fl

SINGLE = np.float32
TRUSTED = [
    pytest.param(fl.LARS, {}, id="LARS"),
    pytest.param(fl.LARS, {"nesterov": True, "momentum": 0.9}, id="LARS-nesterov"),
    pytest.param(fl.LAMB, {"weight_decay": 0.0}, id="LAMB"),
]


@pytest.mark.parametrize(("make", "options"), TRUSTED)
@pytest.mark.parametrize(("size", "slope"), [(1.0, 1e-42), (1.0, 1e-45), (1e30, 1e-40), (1e-40, 1e5), (1e-38, 1e30)])
@pytest.mark.parametrize("many", [False, True])
def test_a_trust_that_is_no_number_of_float32(make, options, size, slope, many):
    # The step of an array has the size of the array, whatever that of the gradient.
    g = np.zeros(2000, SINGLE)
    g[:3] = np.array([1.0, -0.5, 0.25], SINGLE) * SINGLE(slope) if slope > 1e-44 else SINGLE(slope)
    found = []
    for dtype in (SINGLE, np.float64):
        p = np.full(2000, size).astype(SINGLE).astype(dtype)
        optimizer = make([p, p.copy()] if many else p, lr=0.25, **options)
        for _ in range(2):
            optimizer.step([g.astype(dtype)] * 2 if many else g.astype(dtype))
        found.append(p)
    assert np.isfinite(found[0]).all()
    # LAMB's squares of such gradients are none of float32's, and its step follows from what is left of them.
    if make is fl.LARS:
        np.testing.assert_allclose(found[0], found[1], rtol=1e-5, atol=4e-45)
    assert (found[0][3:] == SINGLE(size)).all()


def test_the_trust_of_16_bits():
    p = np.ones((100, 100), ml_dtypes.bfloat16)
    g = np.zeros_like(p)
    g[0, 0] = 1e-40
    fl.LARS(p).step(g)
    assert (p[0, 1:] == 1.0).all()
    assert abs(float(p[0, 0]) - (1.0 - 1e-3 * 100)) < 2.0**-8


@pytest.mark.parametrize(("size", "norm"), [(3e38, 1.0), (3e38, 1e-8), (1e37, 1e-20), (1e38, 1e-30)])
@pytest.mark.parametrize(
    "options", [{}, {"clip_value": 1e38}, {"grad_scale": 4.0}, {"grad_scale": 0.5}, {"grad_scale": 2.0**60}], ids=str
)
@pytest.mark.parametrize("count", [4, 100_000])
def test_a_clip_that_shrinks_by_what_is_no_number_of_float32(size, norm, options, count):
    p, g = np.zeros(count, SINGLE), np.full(count, size, SINGLE)
    fl.SGD(p, lr=1.0, clip_norm=norm, **options).step(g)
    np.testing.assert_allclose(p.astype(float), -norm / np.sqrt(count), rtol=3e-7)


@pytest.mark.parametrize("scale", [2.0**-50, 2.0**47, 2.0**48, 2.0**100, 1e38])
@pytest.mark.parametrize(("dtype", "size"), [("float32", 1e38), ("float32", 1e20), ("float64", 1e290)])
def test_a_clip_of_gradients_that_are_scaled_by_much(dtype, size, scale):
    p, g = np.zeros(4, dtype), np.full(4, size, dtype)
    optimizer = fl.SGD(p, lr=1.0, grad_scale=scale, clip_norm=1e-5)
    optimizer.step(g)
    norm = 2.0 * float(g[0]) / scale
    np.testing.assert_allclose(optimizer.last_grad_norm, norm, rtol=1e-6)
    np.testing.assert_allclose(p, -0.5 * min(norm, 1e-5 * norm / (norm + 1e-6)), rtol=1e-6)
    p = np.zeros(2, dtype)
    optimizer = fl.SGD(p, lr=1.0, grad_scale=scale, clip_norm=1.0)
    optimizer.step(np.array([np.inf, 1.0], dtype))
    assert (optimizer.last_grad_norm, p[1]) == (np.inf, 0.0)


def test_a_clip_of_gradients_of_both_dtypes_that_are_scaled_by_much():
    p = [np.zeros(1, SINGLE), np.zeros(1)]
    fl.SGD(p, lr=1.0, grad_scale=2.0**50, clip_norm=1.0).step([np.full(1, 1e38, SINGLE), np.full(1, 3e37)])
    np.testing.assert_allclose(np.concatenate(p), np.array([-1.0, -0.3]) / np.hypot(1.0, 0.3), rtol=1e-6)


def test_squares_that_are_numbers_while_their_sum_is_none():
    p = [np.zeros(1) for _ in range(20)]
    fl.SGD(p, lr=1.0, clip_norm=1.0).step([np.full(1, 1e154) for _ in p])
    np.testing.assert_allclose(np.concatenate(p), -1.0 / np.sqrt(20.0), rtol=1e-15)


def test_a_scale_that_makes_gradients_too_large_before_they_are_clipped():
    p = np.zeros(4, SINGLE)
    optimizer = fl.SGD(p, lr=1.0, clip_norm=1.0, grad_scale=1e-3)
    optimizer.step(np.full(4, 1e37, SINGLE))
    np.testing.assert_allclose(p, -0.5, rtol=3e-7)
    np.testing.assert_allclose(optimizer.last_grad_norm, 2e40, rtol=1e-6)


def test_adafactors_means_of_squares_that_are_no_numbers():
    g = np.ones((100, 100))
    g[3, 5] = 2e19
    found = []
    for dtype in (SINGLE, np.float64):
        p = np.ones((100, 100), dtype)
        # Its least root of a moment, and so of the mean of all, would be another in float64.
        fl.Adafactor(p, eps=(1e-6, 1e-3)).step(g.astype(dtype))
        found.append(p)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)
    p = np.ones((2, 2), SINGLE)
    fl.Adafactor(p, clip_norm=1.0).step(np.full((2, 2), 1e25, SINGLE))
    np.testing.assert_allclose(p, 0.99, rtol=1e-6)


@pytest.mark.parametrize("weight", [1e-38, 1e-36, 1e30, 2e38, 3.4e38])
def test_means_by_weights_that_add_up_to_no_number_of_float32(weight):
    rng = np.random.default_rng(0)
    x, t, share = rng.normal(size=(3, 8))
    x, t, share = x.astype(SINGLE), t.astype(SINGLE), abs(share) / abs(share).max()
    w = (share * weight).astype(SINGLE)
    part = w.astype(float) / w.astype(float).sum()
    residual = x.astype(float) - t
    value, grad = fl.mse_loss.value_and_grad(x, t, sample_weight=w)
    np.testing.assert_allclose(value, (part * residual**2).sum(), rtol=1e-6)
    np.testing.assert_allclose(grad, part * 2 * residual, rtol=1e-6)
    assert value.dtype == grad.dtype == SINGLE
    plain, slopes = (fl.mse_loss.value_and_grad(x, t, sample_weight=(share * s).astype(SINGLE)) for s in (1.0, 2.0))
    np.testing.assert_array_equal(plain[1], slopes[1])  # as they are, where they are nothing special


@pytest.mark.parametrize("weight", [5e-324, 1e-320, 1e-308, 1.7e308])
def test_means_by_weights_that_add_up_to_no_number_of_float64(weight):
    x, t = np.array([1.0, 2.0, 3.0]), np.array([0.0, 0.0, 2.0])
    value, grad = fl.mse_loss.value_and_grad(x, t, sample_weight=np.full(3, weight))
    np.testing.assert_allclose([value, *grad], [2.0, 2 / 3, 4 / 3, 2 / 3], rtol=1e-15)
    part = np.array([1.0, 0.25, 0.5]) * 1.7e308
    np.testing.assert_allclose(fl.l1_loss(x, t, sample_weight=part), (1.0 + 0.5 + 0.5) / 1.75, rtol=1e-15)


@pytest.mark.parametrize("weight", [1e-44, 1e-30, 3e38])
def test_weights_of_rows_vectors_and_pairs_that_add_up_to_no_number(weight):
    rng = np.random.default_rng(1)
    x, q = rng.normal(size=(4, 3)).astype(SINGLE), rng.dirichlet(np.ones(3), 4).astype(SINGLE)
    w, even, labels = np.full(4, weight, SINGLE), np.ones(4, SINGLE), np.array([0, 0, 1, 1])
    for loss, given in (
        (fl.cross_entropy, (x, q)), (fl.cross_entropy, (x, labels)), (fl.cosine_distance, (x, q)),
        (fl.nt_xent_loss, (x, labels)), (partial(fl.cross_entropy.value_and_grad, mask=labels == 0), (x, q)),
        (partial(fl.sparsemax_loss.value_and_grad, mask=labels == 0), (x, q)), (fl.linear_cross_entropy, (x, x[:3], labels)),
        (fl.ctc_loss, (np.log(np.stack([q, q, q])), labels[:, None] + 1, [3, 3, 2, 3], [1, 1, 1, 1])),
    ):  # fmt: skip
        call = getattr(loss, "value_and_grad", loss)
        found, wanted = (call(*given, sample_weight=s) for s in (w, even))
        np.testing.assert_allclose(found[0], wanted[0], rtol=1e-6)
        for one, other in zip(*(a if isinstance(a, tuple) else (a,) for a in (found[1], wanted[1])), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-8)


def test_losses_that_are_too_large_with_both_signs_and_add_up_to_a_number():
    found = fl.poisson_nll_loss(np.array([89.0, 80.0], SINGLE), np.array([0.0, 5e36], SINGLE))
    wanted = (np.exp(89.0) + np.exp(80.0) - 80.0 * float(SINGLE(5e36))) / 2
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_a_gap_of_logarithms_that_is_no_number():
    x, t = np.array([2e38, -2e38, np.inf, -np.inf], SINGLE), np.full(4, -2e38, SINGLE)
    found = fl.kl_div(x, t, log_target=True, reduction="none")
    np.testing.assert_array_equal(found, [0.0, 0.0, -np.inf, np.inf])


@pytest.mark.parametrize("norm", [1.5, 3.0, 50.0])
@pytest.mark.parametrize("swap", [False, True])
def test_the_slopes_of_a_distance_that_is_none(norm, swap):
    a, p = np.array([[1.0, 2.0]]), np.array([[0.0, 1.0]])
    first, positive, negative = fl.triplet_margin_loss.grad(a, p, a.copy(), p=norm, eps=0.0, swap=swap)
    pull = 2.0 ** (1.0 / norm - 1.0)
    np.testing.assert_allclose(first, [[pull, pull]])
    np.testing.assert_allclose(positive, [[-pull, -pull]])
    np.testing.assert_array_equal(negative, 0.0)
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((2, 500, 4))
    slopes = fl.triplet_margin_loss.grad(x, y, x + 1e-3 * np.sign(y), p=150.0, swap=swap)
    assert all(np.isfinite(slope).all() for slope in slopes)


def test_directions_of_vectors_whose_squares_are_no_numbers():
    x, labels = np.random.default_rng(0).standard_normal((6, 3)), np.array([0, 0, 1, 1, 2, 3])
    value, grad = fl.nt_xent_loss.value_and_grad(x, labels)
    large = np.ones((6, 1))
    large[::2] = 2.0**540
    found, slopes = fl.nt_xent_loss.value_and_grad(x * large, labels)
    np.testing.assert_allclose(found, value, rtol=1e-14)
    np.testing.assert_allclose(slopes, grad / large, rtol=1e-11)


def test_a_batch_may_be_larger_than_anything():
    x = np.arange(6.0)
    (batch,) = fl.minibatches(x, batch_size=2**70, rng=0, stratify=np.arange(6) % 2)
    assert sorted(batch.tolist()) == x.tolist()


def test_weighted_losses_too_small_for_numbers_make_a_mean():
    for given, weights, wanted in (
        ([1e-10, 1e-10], [1e-30, 1e-30], 1e-20), ([1e-18, 2e-18], [1e-9, 3e-9], 3.25e-36), ([1e-12], [1e-25], 1e-24),
    ):  # fmt: skip
        x, w = np.array(given, SINGLE), np.array(weights, SINGLE)
        value, grad = fl.mse_loss.value_and_grad(x, np.zeros_like(x), sample_weight=w)
        np.testing.assert_allclose(value, wanted, rtol=1e-6)
        part = w.astype(float) / w.astype(float).sum()
        np.testing.assert_allclose(grad, 2 * part * x, rtol=1e-6)
    assert fl.l1_loss(np.zeros(3, SINGLE), np.zeros(3, SINGLE), sample_weight=np.ones(3, SINGLE)) == 0.0


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_weights_without_axes(dtype):
    x, t, one = (np.array(value, dtype) for value in (1.0, 3.0, 1.0))
    for weights in ({"weight": one, "sample_weight": one}, {"sample_weight": np.array(1e-40, SINGLE)}):
        value, grad = fl.mse_loss.value_and_grad(x, t, **weights)
        assert (float(value), float(grad)) == (4.0, -4.0)
        assert fl.gaussian_nll_loss(x, t, one, **{"sample_weight": weights["sample_weight"]}) == 2.0


@pytest.mark.parametrize(("dtype", "r", "c"), [("float32", 3.8e19, 4e19), ("float64", 2e154, 2.5e154)])
def test_tukeys_loss_of_a_residual_whose_square_is_none(dtype, r, c):
    r = np.array([r, -r], dtype)
    found = fl.tukey_loss(r, np.zeros_like(r), c=c, reduction="none")
    u = (np.longdouble(r) / np.longdouble(np.dtype(dtype).type(c))) ** 2
    wanted = np.longdouble(r) ** 2 / 2 * (1 - u + u**2 / 3)
    np.testing.assert_array_less(abs(found - wanted), 2.0 * np.spacing(found))
    assert fl.tukey_loss(r * 4, np.zeros_like(r), c=c * 5, reduction="none").tolist() == [np.inf, np.inf]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("alpha", [0.3, 3.0, 7e5])
def test_celus_slope_keeps_its_digits_as_the_output_comes_to_its_limit(alpha, dtype):
    a = np.dtype(dtype).type(alpha)
    y = -a * (1 - np.logspace(-6, -1, 60)).astype(dtype)
    wanted = (np.longdouble(y) + np.longdouble(a)) / np.longdouble(a)
    found = fl.celu.backward_from_output(np.ones_like(y), y, alpha=float(a))
    np.testing.assert_array_less(abs(found - wanted), 2.0 * np.spacing(found))


def test_weights_of_rows_that_do_not_count_decide_nothing():
    rng = np.random.default_rng(3)
    x, q = rng.normal(size=(3, 4)).astype(SINGLE), rng.dirichlet(np.ones(4), 3).astype(SINGLE)
    w, labels, mask = np.array([1e-20, 1e-20, 1e31], SINGLE), np.array([0, 1, -100]), np.array([True, True, False])
    found = fl.linear_cross_entropy.value_and_grad(x, x, np.array([0, 1, -100]), sample_weight=w)
    wanted = fl.linear_cross_entropy.value_and_grad(x[:2], x, labels[:2])
    np.testing.assert_allclose(found[0], wanted[0], rtol=1e-6)
    np.testing.assert_allclose(found[1][0][:2], wanted[1][0], rtol=1e-5)
    for loss in (fl.cross_entropy, fl.sparsemax_loss):
        np.testing.assert_allclose(loss(x, q, mask=mask, sample_weight=w), loss(x[:2], q[:2]), rtol=1e-6)
