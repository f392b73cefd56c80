"""Losses of rows of class scores over the whole table of their options, against mpmath: labels, probabilities, weights.

A result may be off by as many ulp as `ALLOWED` says, of the sum of the magnitudes of the terms that it consists of.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from mpmath import mp, mpf

import fastloa as fl
from tests import references as ref
from tests.harness import PRECISION, as_tuple, check_accuracy, check_same_bits, exact
from tests.subject import RESULTS, form_of
from tests.subjects import DTYPES, group

ALLOWED = {"out": 2.0, "grad_out": 3.0, "hess_out": 5.0}
NAMES = ("cross_entropy", "nll_loss")
ROWS = {"cross_entropy": ref.cross_entropy_row, "nll_loss": ref.nll_loss_row}
REDUCTIONS = ("mean", "sum", "none")
PLACES = {"out": 0, "grad_out": 1, "hess_out": 2}
CLASSES, UNUSED = 5, -100
VALID = 2  # a class that is ignored


@dataclass(frozen=True)
class Case:
    """One line of the table; `ignored` is the label that counts for nothing."""

    name: str
    kind: str
    weighted: bool
    smoothing: float
    ignored: int
    sampled: bool
    reduction: str
    squared: bool
    masked: bool

    def __str__(self):
        given = [self.name, self.kind, self.reduction, f"smoothing={self.smoothing}", f"ignore={self.ignored}"]
        given += ["weight"] * self.weighted + ["sample_weight"] * self.sampled
        return "-".join(given + ["z_loss"] * self.squared + ["mask"] * self.masked)

    def options(self, dtype):
        """Give the options that are not their defaults."""
        given = {"reduction": self.reduction}
        if self.weighted:
            given["weight"] = class_weights(dtype)
        if self.smoothing:
            given["label_smoothing"] = self.smoothing
        if self.ignored != UNUSED:
            given["ignore_index"] = self.ignored
        if self.sampled:
            given["sample_weight"] = np.array([0.3, 1.7, 1.0, 2.5, 0.0, 0.9, 1.1, 0.6], dtype)
        if self.squared:
            given["z_loss"] = 0.01
        if self.masked:
            given["mask"] = ~np.isin(np.arange(8), (3, 6))
        return given


def table():
    kinds = [("cross_entropy", "labels"), ("cross_entropy", "probabilities"), ("nll_loss", "labels")]
    for (name, kind), *choice in itertools.product(
        kinds, (False, True), (0.0, 0.1, 1.0), (UNUSED, VALID), (False, True), REDUCTIONS, (False, True), (False, True)
    ):
        case = Case(name, kind, *choice)
        if (name == "nll_loss" and (case.smoothing or case.squared or case.masked)) or (
            kind == "probabilities" and case.ignored != UNUSED
        ):
            continue
        yield case


def class_weights(dtype):
    return np.array([0.3, 0.0, 2.0, 1.1, 0.7], dtype)


def scores(dtype, *shape):
    return (np.random.default_rng(5).normal(size=shape or (8, CLASSES)) * 3).astype(dtype)


def labels(ignored=UNUSED):
    return np.array([3, 1, ignored, 0, 4, ignored, VALID, 1])


def shares(dtype, rows=8):
    """Give rows of probabilities: any, with zeros, and a single one."""
    t = np.random.default_rng(6).random((rows, CLASSES))
    t[::2, 3] = 0.0
    t[1] = np.eye(CLASSES)[4]
    return (t / t.sum(axis=1, keepdims=True)).astype(dtype)


def magnitudes(name):
    """Give a row's sums of the magnitudes of what its value, gradient and Hessian are sums of."""

    def row(z, target, weight):
        wt = [w * t for w, t in zip(weight, target, strict=True)]
        normalised = name == "cross_entropy"
        p, log_p = (ref.softmax(z), ref.log_softmax(z)) if normalised else ([mpf(0)] * len(z), z)
        value = sum(abs(a * b) for a, b in zip(wt, log_p, strict=True))
        return value, [a * sum(wt) + b for a, b in zip(p, wt, strict=True)], [a * (1 - a) * sum(wt) for a in p]

    return row


def z_magnitudes(z, factor):
    """Give the same of what a z-loss adds, where the logarithm of the sum is that of the greatest term and the rest's."""
    p, top = ref.softmax(z), max(z)
    total = abs(top) + mp.log(sum(mp.exp(x - top) for x in z))
    slopes, bends = [2 * factor * total * a for a in p], [2 * factor * (a * a + total * a * (1 - a)) for a in p]
    return factor * total**2, slopes, bends


def references(case, x, target, dtype):
    """Give the exact value, gradient and Hessian."""
    with mp.workprec(PRECISION[dtype]):
        rows = (ROWS[case.name], ref.z_loss_row), (magnitudes(case.name), z_magnitudes)
        found, sizes = (ref.row_loss(row, x, target, z_row=more, **case.options(dtype)) for row, more in rows)
        shapes = (len(x),) if case.reduction == "none" else (), x.shape, x.shape
        return [
            exact(flat(numbers), dtype, shape, flat(size))
            for numbers, size, shape in zip(found, sizes, shapes, strict=True)
        ]


def flat(numbers):
    return np.array(numbers, object).reshape(-1).tolist()


def walk(names=NAMES, dtypes=DTYPES):
    """Give a row for each operation and dtype, for ``parametrize(("operation", "dtype"), ...)``."""
    return [
        pytest.param(getattr(fl, name), dtype, id=f"{name}-{dtype}", marks=group(name, dtype))
        for name in names
        for dtype in dtypes
    ]


@pytest.mark.parametrize(
    ("case", "dtype"),
    [pytest.param(c, d, id=f"{c}-{d}", marks=group(c.name, d)) for c in table() for d in DTYPES],
)
def test_every_option_against_mpmath(case, dtype, engine):
    x, target = scores(dtype), labels(case.ignored) if case.kind == "labels" else shares(dtype)
    wanted = references(case, x, target, dtype)
    # Each form is a kernel that takes seconds to compile; these two give all three results.
    forms = RESULTS if dtype == "float64" else ("value_and_grad", "grad_and_hess")
    for form, results in ((form, RESULTS[form]) for form in forms):
        got = as_tuple(form_of(getattr(fl, case.name), form)(x, target, **case.options(dtype), **engine))
        for (buffer, _), result in zip(results, got, strict=True):
            reference = wanted[PLACES[buffer]]
            at = np.arange(reference.nearest.size).reshape(reference.nearest.shape)
            check_accuracy(result, reference, ALLOWED[buffer], (at,))


EVERY = pytest.mark.parametrize(("operation", "dtype"), walk())
CROSS_ENTROPY = pytest.mark.parametrize(("operation", "dtype"), walk(["cross_entropy"]))
FORMS = pytest.mark.parametrize("form", RESULTS)


def run(operation, form, *arrays, **options):
    return as_tuple(form_of(operation, form)(*arrays, **options))


def on(axis, array):
    """Move the classes from the end of an array to `axis`; what has none is left alone."""
    return np.ascontiguousarray(np.moveaxis(array, -1, axis)) if array.shape[-1] == CLASSES else array


@pytest.mark.parametrize("axis", [-1, 1, 0])
@FORMS
@EVERY
def test_classes_along_any_axis(operation, dtype, form, axis, engine):
    x, target = scores(dtype, 2, 4, CLASSES), labels().reshape(2, 4)
    weights = np.linspace(0.5, 2.0, 8).astype(dtype)
    got = run(
        operation, form, on(axis, x), target, axis=axis, reduction="none", sample_weight=weights.reshape(2, 4), **engine
    )
    flat_ones = run(operation, form, x.reshape(8, CLASSES), target.reshape(8), reduction="none", sample_weight=weights)
    shapes = {1: (2, 4), 2: (2, 4, CLASSES)}
    check_same_bits(got, tuple(on(axis, result.reshape(shapes[result.ndim])) for result in flat_ones))


@pytest.mark.parametrize("axis", [-1, 1])
@CROSS_ENTROPY
def test_probabilities_along_any_axis(operation, dtype, axis, engine):
    x, target = scores(dtype, 2, 4, CLASSES), shares(dtype)
    value, grad = operation.value_and_grad(
        on(axis, x), on(axis, target.reshape(x.shape)), axis=axis, reduction="none", **engine
    )
    wanted, slope = operation.value_and_grad(x.reshape(8, CLASSES), target, reduction="none")
    check_same_bits((value, grad), (wanted.reshape(2, 4), on(axis, slope.reshape(x.shape))))


@EVERY
def test_the_mean_of_nothing_is_what_empty_says(operation, dtype, engine):
    x, target = scores(dtype, 3, CLASSES), np.full(3, UNUSED)
    zeros = np.zeros_like(x)
    for given, wanted in (({}, np.nan), ({"empty": "nan"}, np.nan), ({"empty": "zero"}, 0.0)):
        value, grad = operation.value_and_grad(x, target, **given, **engine)
        check_same_bits(value, np.dtype(dtype).type(wanted))
        check_same_bits(grad, zeros)
    for reduction, wanted in (("sum", np.zeros((), dtype)), ("none", np.zeros(3, dtype))):
        check_same_bits(operation(x, target, reduction=reduction, empty="raise", **engine), wanted)
    with pytest.raises(ValueError, match=r"target must hold a label that counts"):
        operation(x, target, empty="raise", **engine)


@EVERY
def test_a_batch_of_no_rows(operation, dtype, engine):
    x, scalar = np.zeros((0, CLASSES), dtype), np.dtype(dtype).type
    targets = [np.zeros(0, np.int64), *([x.copy()] if operation is fl.cross_entropy else [])]
    results = {"mean": scalar("nan"), "sum": scalar(0), "none": np.zeros(0, dtype)}
    for target in targets:
        for reduction, wanted in results.items():
            check_same_bits(operation.value_and_grad(x, target, reduction=reduction, **engine), (wanted, x))


@pytest.mark.parametrize("integer", ["uint8", "int32", "uint64", ">i4"])
@EVERY
def test_labels_of_any_integer_dtype(operation, dtype, integer, engine):
    x, target = scores(dtype), labels(VALID)
    wanted = operation.value_and_grad(x, target, ignore_index=VALID)
    check_same_bits(operation.value_and_grad(x, target.astype(integer), ignore_index=VALID, **engine), wanted)


def buffers_of(form, dtype, strided):
    """Give the arrays to write to by name, filled with what no result is."""
    shapes = {"out": (8,), "grad_out": (8, CLASSES), "hess_out": (8, CLASSES)}
    step = 2 if strided else 1
    return {
        name: np.full([step * n for n in shapes[name]], 77, dtype)[(slice(None, None, step),) * len(shapes[name])]
        for name, _ in RESULTS[form]
    }


@pytest.mark.parametrize("strided", [False, True], ids=["contiguous", "strided"])
@pytest.mark.parametrize("axis", [-1, 0])
@FORMS
@EVERY
def test_results_go_where_they_are_wanted(operation, dtype, form, axis, strided, engine):
    x, target, buffers = scores(dtype), labels(), buffers_of(form, dtype, strided)
    wanted = run(operation, form, x, target, reduction="none")
    given = {name: np.moveaxis(b, -1, axis) if b.ndim == 2 else b for name, b in buffers.items()}
    got = run(operation, form, np.moveaxis(x, -1, axis), target, axis=axis, reduction="none", **given, **engine)
    assert all(result is buffer for result, buffer in zip(got, given.values(), strict=True))
    check_same_bits(tuple(buffers.values()), wanted)
    for buffer in buffers.values():
        if strided:
            assert np.count_nonzero(buffer.base == 77) == buffer.base.size - buffer.size


@pytest.mark.parametrize("form", ["value", "value_and_grad"])
@EVERY
def test_losses_may_overwrite_the_weights_of_their_rows(operation, dtype, form, engine):
    x, weights = scores(dtype), np.linspace(0.5, 2.0, 8).astype(dtype)
    wanted = run(operation, form, x, labels(), sample_weight=weights.copy(), reduction="none")
    got = run(operation, form, x, labels(), sample_weight=weights, reduction="none", out=weights, **engine)
    assert got[0] is weights
    check_same_bits(got, wanted)


@EVERY
def test_gradients_may_overwrite_the_scores(operation, dtype, engine):
    x = scores(dtype)
    wanted = operation.value_and_grad(x.copy(), labels())
    got = operation.value_and_grad(x, labels(), grad_out=x, **engine)
    assert got[1] is x
    check_same_bits(got, wanted)


@CROSS_ENTROPY
def test_one_hot_rows_are_labels(operation, dtype, engine):
    x, target = scores(dtype), np.array([3, 1, 2, 0, 4, 0, 2, 1])
    x[5:7, 1] += 25  # rows that are surely wrong, and the last one surely right
    x[7, 1] += 40
    for reduction in REDUCTIONS:
        wanted = operation.grad(x, target, reduction=reduction)
        got = operation.grad(x, np.eye(CLASSES, dtype=dtype)[target], reduction=reduction, **engine)
        np.testing.assert_array_max_ulp(got, wanted, maxulp=2)
        assert np.all(got[7] != 0)


@pytest.mark.parametrize(("operation", "dtype"), walk(["cross_entropy"], ["float32"]))
def test_certain_rows_keep_the_digits_of_their_gradient(operation, dtype, engine):
    x, t = np.array([[20, 0]], dtype), np.array([[1, 0]], dtype)
    np.testing.assert_allclose(operation.grad(x, t, **engine), [[-2.0611537e-09, 2.0611537e-09]], rtol=3e-7)


@EVERY
def test_an_infinite_class_weight_stays_in_its_rows(operation, dtype, engine):
    x, target = scores(dtype), np.array([3, 1, 0, 2, 4, 0, 2, 1])
    weight, others = np.array([np.inf, 1, 2, 1, 1], dtype), target != 0
    value, grad = operation.value_and_grad(x, target, weight=weight, reduction="none", **engine)
    weight[0] = 1
    wanted = operation.value_and_grad(x, target, weight=weight, reduction="none")
    check_same_bits((value[others], grad[others]), tuple(result[others] for result in wanted))
    assert np.isfinite(value[others]).all()
    assert np.all(np.isinf(value[~others]))


@CROSS_ENTROPY
def test_rows_that_a_mask_leaves_out_count_for_nothing_whatever_they_hold(operation, dtype, engine):
    x, skipped = scores(dtype), np.arange(8) % 3 == 1
    wanted = [x.copy(), labels(), shares(dtype)]
    x[skipped] = np.array([[np.nan], [np.inf], [-np.inf]], dtype)
    for target, wild in ((labels(), 9), (shares(dtype), np.nan), (shares(dtype), 5.0)):
        good = wanted[1] if target.ndim == 1 else wanted[2]
        target[skipped] = wild
        for reduction in REDUCTIONS:
            got = operation.value_and_grad(x, target, mask=~skipped, reduction=reduction, **engine)
            right = operation.value_and_grad(wanted[0][~skipped], good[~skipped], reduction=reduction)
            assert not got[1][skipped].any()
            np.testing.assert_array_max_ulp(got[1][~skipped], right[1], maxulp=1)
            if reduction == "none":
                assert not got[0][skipped].any()
                check_same_bits(got[0][~skipped], right[0])
            else:
                np.testing.assert_array_max_ulp(got[0], right[0], maxulp=1)


@CROSS_ENTROPY
def test_the_mean_of_no_row_is_what_empty_says(operation, dtype, engine):
    x, mask = scores(dtype), np.zeros(8, bool)
    for target in (labels(), shares(dtype)):
        check_same_bits(operation(x, target, mask=mask, **engine), np.dtype(dtype).type(np.nan))
        value, grad = operation.value_and_grad(x, target, mask=mask, empty="zero", **engine)
        check_same_bits((value, grad), (np.dtype(dtype).type(0.0), np.zeros_like(x)))
        with pytest.raises(ValueError, match="that counts, got none with a weight"):
            operation(x, target, mask=mask, empty="raise", **engine)


@pytest.mark.parametrize("wrong", [-1, CLASSES])
@EVERY
def test_labels_out_of_range_are_named_before_anything_is_written(operation, dtype, wrong, engine):
    x, target, grad = scores(dtype), labels(), np.full((8, CLASSES), 7, dtype)
    target[6] = wrong
    with pytest.raises(ValueError, match=rf"target must be in 0\.\.4, got {wrong} at index 6$"):
        operation.value_and_grad(x, target, grad_out=grad, **engine)
    deep = x.reshape(2, 4, CLASSES)
    with pytest.raises(ValueError, match=rf"target must be in 0\.\.4, got {wrong} at index \(1, 2\)$"):
        operation.grad(deep, target.reshape(2, 4), grad_out=grad.reshape(deep.shape), **engine)
    np.testing.assert_array_equal(grad, 7)
