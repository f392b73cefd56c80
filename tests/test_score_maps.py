"""Cross entropies of scores that are capped and divided by a temperature: against mpmath, and by the chain rule."""

import itertools

import ml_dtypes
import numpy as np
import pytest
from mpmath import mp, mpf

import fastloa as fl
from tests import references as ref
from tests.harness import PRECISION, check_accuracy, check_same_bits, exact
from tests.subjects import DTYPES, group

MAPS = [{"softcap": 2.5}, {"temperature": 0.75}, {"softcap": 4.0, "temperature": 2.0}]
TARGETS = ("labels", "probabilities")
ALLOWED = {"value": 3.0, "grad": 5.0, "hess": 8.0}  # of the sum of the magnitudes of a result's terms


def scores(dtype):
    return (np.random.default_rng(5).normal(size=(8, 5)) * 3).astype(dtype)


def targets(kind, dtype):
    if kind == "labels":
        return np.array([3, 1, 2, 0, 4, 2, 2, 1])
    shares = np.random.default_rng(6).random((8, 5))
    return (shares / shares.sum(axis=1, keepdims=True)).astype(dtype)


def options(kind, dtype):
    given = {
        "weight": np.array([0.3, 0.5, 2.0, 1.1, 0.7], dtype), "label_smoothing": 0.125, "z_loss": 0.25,
        "sample_weight": np.array([0.3, 1.7, 1.0, 2.5, 0.0, 0.9, 1.1, 0.6], dtype), "mask": np.arange(8) != 6,
    }  # fmt: skip
    return given | ({"ignore_index": 2} if kind == "labels" else {})


def mapped(x, softcap=None, temperature=1.0):
    """Give the scores and their first and second derivative."""
    ratio = mp.tanh(mpf(x) / softcap) if softcap else mpf(0)
    score = softcap * ratio if softcap else mpf(x)
    slope = 1 - ratio**2
    bend = -2 * ratio * slope / softcap if softcap else mpf(0)
    return tuple(number / temperature for number in (score, slope, bend))


def references(kind, dtype, maps, reduction):
    """Give the exact value, gradient and Hessian, and the sizes of their terms."""
    x, target = scores(dtype), targets(kind, dtype)
    with mp.workprec(PRECISION[dtype]):
        given = {key: mpf(value) for key, value in maps.items()}
        table = np.array([[mapped(z, **given) for z in row] for row in x.tolist()], object)
        z, slope, bend = (table[..., i] for i in range(3))
        value, grad, hess = ref.row_loss(
            ref.cross_entropy_row, z, target, reduction=reduction, z_row=ref.z_loss_row, **options(kind, dtype)
        )
        g, h = np.array(grad, object), np.array(hess, object)
        exactly = value, slope * g, slope**2 * h + bend * g
        values = np.array(value, object).reshape(-1)
        sizes = abs(values) + values.size**-1, abs(slope), abs(slope**2) + abs(bend)
        shapes = (8,) if reduction == "none" else (), x.shape, x.shape
        return [
            exact(np.array(n, object).reshape(-1).tolist(), dtype, shape, np.array(s, object).reshape(-1).tolist())
            for n, s, shape in zip(exactly, sizes, shapes, strict=True)
        ]


@pytest.mark.parametrize(
    ("kind", "dtype"), [pytest.param(k, d, marks=group("cross_entropy", d)) for k in TARGETS for d in DTYPES]
)
@pytest.mark.parametrize(("maps", "reduction"), list(itertools.product(MAPS, ("mean", "none"))))
def test_against_mpmath(kind, dtype, maps, reduction, engine):
    x, target, given = scores(dtype), targets(kind, dtype), {"reduction": reduction, **options(kind, dtype), **maps}
    value, grad = fl.cross_entropy.value_and_grad(x, target, **given, **engine)
    again, hess = fl.cross_entropy.grad_and_hess(x, target, **given, **engine)
    check_same_bits(again, grad)
    check_same_bits(fl.cross_entropy(x, target, **given, **engine), value)
    wanted = references(kind, dtype, maps, reduction)
    for result, reference, allowed in zip((value, grad, hess), wanted, ALLOWED.values(), strict=True):
        at = np.arange(reference.nearest.size).reshape(reference.nearest.shape)
        check_accuracy(np.asarray(result), reference, allowed, (at,))


def test_the_hessian_is_what_second_differences_say():
    x, target, step = scores("float64"), targets("labels", "float64"), 2.0**-13
    given = {"reduction": "none", "softcap": 3.0, "temperature": 1.5}
    _, hess = fl.cross_entropy.grad_and_hess(x, target, **given)
    for c in range(x.shape[1]):
        up, down = x.copy(), x.copy()
        up[:, c] += step
        down[:, c] -= step
        more, same, less = (fl.cross_entropy(z, target, **given) for z in (up, x, down))
        np.testing.assert_allclose(hess[:, c], (more - 2 * same + less) / step**2, rtol=1e-5, atol=1e-6)


def test_usual_options_are_those_of_the_loss_itself(engine):
    x, target = scores("float32"), targets("labels", "float32")
    plain = fl.cross_entropy.value_and_grad(x, target, **engine)
    check_same_bits(fl.cross_entropy.value_and_grad(x, target, softcap=None, temperature=1.0, **engine), plain)


def test_ignored_rows_have_no_gradient_whatever_they_hold(engine):
    x, target = scores("float32"), targets("labels", "float32")
    x[target == 2] = np.nan
    value, grad = fl.cross_entropy.value_and_grad(x, target, ignore_index=2, softcap=2.5, temperature=0.5, **engine)
    assert np.isfinite(value)
    assert not grad[target == 2].any()
    assert np.isfinite(grad).all()
    x = scores("float32")
    x[0, 0] = np.nan
    grad = fl.cross_entropy.grad(x, target, softcap=2.5, **engine)
    assert np.isnan(grad[0]).all()
    assert np.isfinite(grad[1:]).all()


def test_infinite_scores_are_capped():
    x = np.array([[np.inf, 0.0, -np.inf]])
    value, grad = fl.cross_entropy.value_and_grad(x, np.array([2]), softcap=2.0)
    wanted = fl.cross_entropy.value_and_grad(np.array([[2.0, 0.0, -2.0]]), np.array([2]))
    assert value == wanted[0]
    assert grad.tolist() == [[0.0, wanted[1][0, 1], 0.0]]


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_16_bits_are_float32_rounded_once(dtype, engine):
    x, target = scores("float32").astype(dtype), targets("labels", "float32")
    maps = {"softcap": 4.0, "temperature": 2.0}
    value, grad = fl.cross_entropy.value_and_grad(x, target, **maps, **engine)
    wide_value, wide = fl.cross_entropy.value_and_grad(x.astype(np.float32), target, **maps, **engine)
    check_same_bits((value, grad), (wide_value, wide.astype(dtype)))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_any_axis_and_the_callers_arrays(axis):
    x = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    target = np.random.default_rng(1).integers(0, x.shape[axis], np.delete(x.shape, axis))
    last = np.ascontiguousarray(np.moveaxis(x, axis, -1))
    wanted = fl.cross_entropy.grad_and_hess(last, target, softcap=2.0, temperature=0.5)
    grad, hess = x.copy(), np.empty_like(x)
    fl.cross_entropy.grad_and_hess(grad, target, axis=axis, softcap=2.0, temperature=0.5, grad_out=grad, hess_out=hess)
    check_same_bits((grad, hess), tuple(np.moveaxis(result, -1, axis) for result in wanted))


def test_of_a_linear_layer_they_are_the_same():
    rng = np.random.default_rng(0)
    x, weight, target = rng.normal(size=(9, 3)), rng.normal(size=(5, 3)) * 3, rng.integers(0, 5, 9)
    x[target == 1] = 0.0
    given = {"softcap": 2.5, "temperature": 1.5, "ignore_index": 1}
    value, (x_grad, weight_grad) = fl.linear_cross_entropy.value_and_grad(
        x, weight, target, batch_chunk_size=4, **given
    )
    wanted, grad = fl.cross_entropy.value_and_grad(x @ weight.T, target, **given)
    np.testing.assert_allclose(value, wanted, rtol=1e-14)
    np.testing.assert_allclose(x_grad, grad @ weight, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(weight_grad, grad.T @ x, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", ["softcap", "temperature"])
@pytest.mark.parametrize("loss", ["cross_entropy", "linear_cross_entropy"])
def test_what_is_refused(name, loss):
    x = np.zeros((2, 3))
    arrays = (x, np.array([0, 1])) if loss == "cross_entropy" else (x, np.zeros((3, 3)), np.array([0, 1]))
    for wrong in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match=f"^{loss}: {name} must be "):
            getattr(fl, loss)(*arrays, **{name: wrong})
    with pytest.raises(TypeError, match=f"^{loss}: {name} must be "):
        getattr(fl, loss)(*arrays, **{name: "hot"})
