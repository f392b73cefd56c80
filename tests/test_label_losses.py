"""Losses that follow from their label's cross entropy: their options, against mpmath, and what tells them apart."""

from functools import partial

import numpy as np
import pytest
from mpmath import mp, mpf

import fastloa as fl
from tests import references as ref
from tests.harness import PRECISION, as_tuple, check_accuracy, check_same_bits, exact
from tests.subjects import DTYPES, group

PARAMETERS = {
    "softmax_focal_loss": ("gamma", 2.0, 0.0),
    "poly_loss_cross_entropy": ("epsilon", 2.0, 0.0),
    "generalized_cross_entropy": ("q", 0.5, 1e-12),
}
EVERY = pytest.mark.parametrize(
    ("name", "dtype"),
    [
        pytest.param(name, dtype, id=f"{name}-{dtype}", marks=group(name, dtype))
        for name in PARAMETERS
        for dtype in DTYPES
    ],
)
LABELS = np.array([3, 1, 2, 0, 4, 2, 0, 1])


def scores(dtype, classes=5):
    return (np.random.default_rng(5).normal(size=(8, classes)) * 3).astype(dtype)


@EVERY
def test_options_against_mpmath(name, dtype, engine):
    operation, x = getattr(fl, name), scores(dtype)
    parameter, default, _ = PARAMETERS[name]
    options = {
        "weight": np.array([0.3, 0.5, 2.0, 1.1, 0.7], dtype), "ignore_index": 2, "mask": np.arange(8) != 6,
        "sample_weight": np.array([0.3, 1.7, 1.0, 2.5, 0.0, 0.9, 1.1, 0.6], dtype),
    }  # fmt: skip
    given = {parameter: mpf(default)}
    for reduction in ("mean", "sum", "none"):
        with mp.workprec(PRECISION[dtype]):
            rows = (partial(getattr(ref, f"{name}_row{tail}"), **given) for tail in ("", "_terms"))
            found, sizes = (ref.row_loss(row, x, LABELS, reduction=reduction, **options) for row in rows)
            wanted = [
                exact(*(np.array(n, object).reshape(-1).tolist() for n in (numbers,)), dtype, shape,
                      np.array(size, object).reshape(-1).tolist())
                for numbers, size, shape in zip(found, sizes, ((8,) if reduction == "none" else (), x.shape, x.shape),
                                                strict=True)
            ]  # fmt: skip
        value, grad = operation.value_and_grad(x, LABELS, reduction=reduction, **options, **engine)
        again, hess = operation.grad_and_hess(x, LABELS, reduction=reduction, **options, **engine)
        check_same_bits(again, grad)
        for result, reference, allowed in zip((value, grad, hess), wanted, (2.0, 3.0, 5.0), strict=True):
            check_accuracy(result, reference, allowed, (np.arange(result.size).reshape(result.shape),))


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_hessian_is_what_second_differences_say(name):
    operation, x, step = getattr(fl, name), scores("float64"), 2.0**-13
    _, hess = operation.grad_and_hess(x, LABELS, reduction="sum")
    for c in range(x.shape[1]):
        up, down = x.copy(), x.copy()
        up[:, c] += step
        down[:, c] -= step
        more, same, less = (operation(z, LABELS, reduction="none") for z in (up, x, down))
        np.testing.assert_allclose(hess[:, c], (more - 2 * same + less) / step**2, rtol=1e-5, atol=1e-6)


@EVERY
def test_without_its_parameter_it_is_the_cross_entropy(name, dtype, engine):
    x, (parameter, _, none) = scores(dtype), PARAMETERS[name]
    got = getattr(fl, name).value_and_grad(x, LABELS, **{parameter: none}, **engine)
    for one, other in zip(got, fl.cross_entropy.value_and_grad(x, LABELS), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6 if dtype == "float32" else 1e-10)


@EVERY
def test_rows_of_few_and_of_many_classes_have_the_same_bits(name, dtype, engine):
    operation, few = getattr(fl, name), scores(dtype)
    many = np.concatenate([few, np.full((8, 60), -1e30, dtype)], axis=1)
    for form in ("value_and_grad", "grad_and_hess"):
        got = getattr(operation, form)(few, LABELS, reduction="none", **engine)
        wide = getattr(operation, form)(many, LABELS, reduction="none", **engine)
        for one, other in zip(got, wide, strict=True):
            check_same_bits(one, np.ascontiguousarray(other[..., :5]) if other.ndim == 2 else other)


@EVERY
def test_gradients_may_overwrite_the_scores_along_any_axis(name, dtype, engine):
    operation, x = getattr(fl, name), scores(dtype)
    wanted = as_tuple(operation.value_and_grad(x.copy(), LABELS))
    turned = np.ascontiguousarray(x.T)
    got = operation.value_and_grad(turned, LABELS, axis=0, grad_out=turned, **engine)
    assert got[1] is turned
    check_same_bits(got[0], wanted[0])
    check_same_bits(np.ascontiguousarray(turned.T), wanted[1])


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_mean_of_nothing_is_what_empty_says(name, engine):
    x, none = scores("float64"), np.full(8, -100)
    operation = getattr(fl, name)
    assert np.isnan(operation(x, none, **engine))
    value, grad = operation.value_and_grad(x, none, empty="zero", **engine)
    assert value == 0
    assert not grad.any()
    with pytest.raises(ValueError, match="target must hold a label that counts"):
        operation(x, none, empty="raise", **engine)


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_label_at_infinity_has_the_limit(name, engine):
    x = np.array([[np.inf, 0.0], [0.0, -np.inf], [0.0, np.inf], [0.0, -800.0]])
    value, grad = getattr(fl, name).value_and_grad(x, np.array([0, 1, 0, 1]), reduction="none", **engine)
    most = 2.0 if name == "generalized_cross_entropy" else np.inf
    slope = 0.0 if name == "generalized_cross_entropy" else 1.0
    assert value[:3].tolist() == [0.0, most, most]
    np.testing.assert_array_equal(grad[:3], [[0.0, 0.0], [slope, -slope], [-slope, slope]])
    assert value[3] == {"generalized_cross_entropy": 2.0, "softmax_focal_loss": 800.0}.get(name, 802.0)
