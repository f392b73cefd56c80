"""Formulas of losses and activations where it is hard, and the machine code of all formulas."""

import math

import numba
import numpy as np
import pytest
from fastloa_kernels import records
from fastloa_kernels.engines.numba_cpu.binding import bind
from fastloa_kernels.formulas import activations, elementary, losses, periodic
from mpmath import mp, mpf

import fastloa as fl
from tests import references as ref
from tests.formulas import (
    FUNCTIONS,
    arithmetic,
    compiled,
    everywhere,
    function,
    interesting,
    needs_avx2,
    scalar_operations,
)
from tests.harness import PRECISION, exact, ulps

INF, NAN = math.inf, math.nan
DTYPES = ("float32", "float64")
LOGITS = {
    "value": losses.binary_cross_entropy_with_logits,
    "derivative": losses.binary_cross_entropy_with_logits_derivative,
    "second": losses.binary_cross_entropy_with_logits_second,
}


# the formulas of the losses, on a grid of everything that is hard


def grid(dtype):
    """Logits of every size and both signs, against targets between and at the ends."""
    info = np.finfo(dtype)
    powers = 10.0 ** np.arange(int(math.log10(float(info.tiny))), int(math.log10(float(info.max))), 3)
    z = np.concatenate([[0.0, info.smallest_subnormal * 3, info.max, INF], powers, np.linspace(0.1, 110.0, 40)])
    z, t = np.meshgrid(np.concatenate([z, -z]).astype(dtype), np.array([0.0, 1.0, 0.3, 0.75], dtype))
    return z.ravel(), t.ravel()


@pytest.mark.parametrize("pos_weight", [1.0, 2.5, 1e6])
@pytest.mark.parametrize("form", list(LOGITS))
@pytest.mark.parametrize("dtype", DTYPES)
def test_logits_on_a_grid(form, dtype, pos_weight):
    z, t = grid(dtype)
    got = compiled(LOGITS[form], dtype, 2, (pos_weight,))[0](z, t)
    name = "binary_cross_entropy_with_logits" + ("" if form == "value" else f"_{form}")
    weight = mpf(float(np.dtype(dtype).type(pos_weight)))
    with mp.workprec(PRECISION[dtype]):
        right = [getattr(ref, name)(mpf(float(a)), mpf(float(b)), weight) for a, b in zip(z, t, strict=True)]
        error = ulps(got, exact(right, dtype))
    worst = int(np.argmax(error))
    assert error[worst] <= 2.0, f"{error[worst]:.3f} ulp at {z[worst]!r}, {t[worst]!r}"


@pytest.mark.parametrize("dtype", DTYPES)
def test_logits_keep_digits_where_the_terms_of_the_gradient_nearly_cancel(dtype):
    rng = np.random.default_rng(3)
    z = rng.uniform(-4.0, 4.0, 400).astype(dtype)
    t = (1.0 / (1.0 + np.exp(-z.astype(np.float64))) + rng.uniform(-1.0, 1.0, 400) * 2.0**-5).astype(dtype)
    t = np.clip(t, 0, 1)
    got = compiled(LOGITS["derivative"], dtype, 2, (1.0,))[0](z, t)
    with mp.workprec(PRECISION[dtype]):
        pairs = [(mpf(float(a)), mpf(float(b))) for a, b in zip(z, t, strict=True)]
        right = [ref.sigmoid(a) - b for a, b in pairs]
        terms = [(1 - b) * ref.sigmoid(a) / 16 for a, b in pairs]
        scales = [max(abs(r), s) for r, s in zip(right, terms, strict=True)]
        error = ulps(got, exact(right, dtype, scales=scales))
    assert error.max() <= 2.0


@pytest.mark.parametrize("dtype", DTYPES)
def test_logits_without_end_and_targets_that_are_no_probabilities(dtype):
    z, t = np.array([(z, t) for z in (INF, -INF) for t in (-5.0, 0.5, 7.0)], dtype).T
    loss, slope = (compiled(LOGITS[form], dtype, 2, (1.0,))[0](z, t) for form in ("value", "derivative"))
    assert loss.tolist() == [INF, INF, -INF, -INF, INF, INF]
    assert slope.tolist() == [6.0, 0.5, -6.0, 5.0, -0.5, -7.0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_corners_of_binary_cross_entropy(dtype):
    p, t = [0.0, 1.0, 0.0, 1.0, -0.0], [0.0, 1.0, 1.0, 0.0, 1.0]
    expected = {
        losses.binary_cross_entropy: [0.0, 0.0, INF, INF, INF],
        losses.binary_cross_entropy_derivative: [1.0, -1.0, -INF, INF, -INF],
        losses.binary_cross_entropy_second: [1.0, 1.0, INF, INF, INF],
    }
    for formula, values in expected.items():
        np.testing.assert_array_equal(compiled(formula, dtype, 2)[0](p, t), values)


PAIRWISE = [value for value in vars(losses).values() if isinstance(value, records.PairwiseLoss) and value.operands == 2]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("record", PAIRWISE, ids=lambda record: record.name)
@pytest.mark.parametrize("form", ["value", "derivative", "second"])
def test_nan_in_either_operand_reaches_everything(record, form, dtype):
    p, t = (np.array(side) for side in zip(*((NAN, t) for t in (0.0, 1.0, 0.3, INF)), strict=True))
    for parameters in ((0.0,), (1.0,)) if record.parameters else ((),):
        kernel = compiled(getattr(record, form), dtype, 2, parameters)[0]
        assert np.isnan(kernel(p, t)).all()
        assert np.isnan(kernel(t, p)).all()


# the activations where weights meet what is nearly lost


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_weight_lifts_a_tiny_exp_without_losing_digits(dtype):
    """exp(x) itself would be subnormal."""
    x = np.linspace(1.0, 1.02, 20) * math.log(2.0) * np.finfo(dtype).minexp
    alpha = 1e6
    got = compiled(activations.elu_derivative, dtype, 1, (alpha,))[0](x)
    with mp.workprec(PRECISION[dtype]):
        right = [alpha * mp.exp(mpf(float(value))) for value in x.astype(dtype)]
        assert ulps(got, exact(right, dtype)).max() <= 2.0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("formula", "parameter", "limit"),
    [(activations.elu, 0.0, 0.0), (activations.leaky_relu, 0.0, 0.0), (activations.elu_derivative, 1e30, 0.0)],
)
def test_limits_at_minus_infinity(formula, parameter, limit, dtype):
    np.testing.assert_array_equal(compiled(formula, dtype, 1, (parameter,))[0]([-INF]), [limit])


# what it compiles to


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_vector_body_and_tail_give_the_same_bits(name, dtype):
    x = np.concatenate([interesting(name, dtype, 10), everywhere(dtype, 20)])
    call = function(name, dtype)
    alone = np.concatenate([call(x[i : i + 1]) for i in range(40)])
    for length in range(1, 41):
        np.testing.assert_array_equal(call(x[:length]), alone[:length])
        np.testing.assert_array_equal(call(x[40 - length : 40]), alone[40 - length :])


ELEMENTWISE = [
    *((getattr(elementary, name), 1, ()) for name in FUNCTIONS),
    (activations.relu, 1, ()),
    (activations.leaky_relu, 1, (0.01,)),
    (activations.elu, 1, (1.0,)),
    (activations.elu_derivative, 1, (1.0,)),
    (activations.sigmoid_derivative, 1, ()),
    (activations.tanh_derivative, 1, ()),
    (activations.tanhshrink, 1, ()),
    (activations.tanhshrink_derivative, 1, ()),
    (periodic.snake, 1, (0.3,)),
    (periodic.snake_derivative, 1, (0.3,)),
    (losses.binary_cross_entropy, 2, ()),
    (losses.binary_cross_entropy_derivative, 2, ()),
    (losses.binary_cross_entropy_second, 2, ()),
    *((formula, 2, (1.0,)) for formula in LOGITS.values()),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("formula", "arrays", "parameters"), ELEMENTWISE, ids=lambda value: getattr(value, "__name__", "")
)
def test_compiles_to_vector_instructions_without_libm(formula, arrays, parameters, dtype):
    needs_avx2()
    call, kernel = compiled(formula, dtype, arrays, parameters)
    call(*[np.ones(8)] * arrays)
    wide, calls = arithmetic(kernel)
    assert not calls
    if formula is not activations.relu:  # which is a comparison and a mask
        assert wide > 0
        # The loop of whole vectors does all that the loop of the rest does, once or unrolled.
        assert wide >= scalar_operations(kernel) / 4


def test_options_that_float32_rounds_to_zero_keep_their_meaning():
    x, ones = np.array([0.5, -0.5], np.float32), np.ones(2, np.float32)
    for alpha in (-1, -1e-60):
        without = fl.sigmoid_focal_loss(x, ones, alpha=None, reduction="none")
        np.testing.assert_array_equal(fl.sigmoid_focal_loss(x, ones, alpha=alpha, reduction="none"), without)


@pytest.mark.parametrize("size", [3, 100_000])
def test_a_zero_has_its_sign(size):
    x = np.full(size, -1.0)
    for value in (0.0, -0.0):
        assert (np.signbit(fl.threshold(x, threshold=0.0, value=value)) == np.signbit(value)).all()


def test_numbers_of_another_dtype_are_not_taken():
    narrow = bind(activations.relu, "float32")
    call = numba.njit(lambda x: narrow(x))
    assert call(np.float32(2.0)) == 2.0
    with pytest.raises(numba.TypingError, match="relu of float32 takes numbers of its dtype"):
        call(2.0)


def test_libm_is_found_out():
    needs_avx2()

    def loop(x, out):
        for i in range(x.size):
            out[i] = math.exp(x[i])

    kernel = numba.njit(loop, error_model="numpy")
    kernel(np.ones(8), np.ones(8))
    wide, calls = arithmetic(kernel)
    assert calls
    assert wide == 0
