"""Values and derivatives: their error in ulp, NaN, signed zeros, lost results and 16-bit, of every operation."""

import inspect

import ml_dtypes
import numpy as np
import pytest
from fastloa_kernels.formulas import losses

import fastloa as fl
from tests import cases, harness
from tests.samples import rng_for
from tests.subject import RESULTS
from tests.subjects import DTYPES, SUBJECTS, group, walk

HALVES = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))
ACTIVATIONS = [case for case in cases.CASES if isinstance(case, cases.ActivationCase)]
LOSSES = [case for case in cases.CASES if isinstance(case, cases.LossCase)]
GATED = [case for case in cases.CASES if isinstance(case, cases.GatedCase)]
SEVERAL = (cases.GatedCase, cases.JointLossCase)
ELEMENTWISE = [s for s in SUBJECTS if not s.rows and not isinstance(cases.BY_NAME[s.operation], SEVERAL)]


def rows(given, dtypes=DTYPES):
    """Give a row for each case and dtype."""
    return [
        pytest.param(case, dtype, id=f"{case.name}-{dtype}", marks=group(case.name, dtype))
        for case in given
        for dtype in dtypes
    ]


@pytest.mark.parametrize(("subject", "dtype"), walk())
def test_error_in_ulp(subject, dtype, engine):
    operands = subject.operands(dtype)
    results = harness.as_tuple(subject.call(*operands, **engine))
    assert len(results) == len(subject.outputs)
    for got, reference, output in zip(results, subject.exact(dtype), subject.outputs, strict=True):
        at = operands if got.shape == operands[0].shape else (np.arange(got.size),)
        harness.check_dtype(got, dtype)
        harness.check_accuracy(got, reference, output.allowed[dtype], at)
        if output.scale is None:
            harness.check_not_lost(got, reference, at)


@pytest.mark.parametrize(("subject", "dtype"), walk([s for s in ELEMENTWISE if s.form in ("value", "derivative")]))
def test_samples_span_the_domain(subject, dtype):
    case = cases.BY_NAME[subject.operation]
    x, *targets = subject.operands(dtype)
    domain = case.domain if isinstance(case, cases.ActivationCase) else case.inputs
    harness.check_spans(x, *domain[dtype])
    for t in targets:
        if not case.margins:
            harness.check_spans(t, *case.targets[dtype])


@pytest.mark.parametrize(("subject", "dtype"), walk([s for s in ELEMENTWISE if s.form == "value"]))
def test_zeros_keep_their_sign(subject, dtype, engine):
    case = cases.BY_NAME[subject.operation]
    keeps = isinstance(case, cases.ActivationCase) and case.keeps_zero
    operands = subject.operands(dtype)
    got = subject.call(*operands, **engine)
    harness.check_signs(got, subject.exact(dtype)[0], operands, keeps_zero=keeps)


# The gradient of nll_loss does not depend on its input; test_losses.py has what NaN does there. Derivatives of pairs
# depend on some of a row: test_class_margins.py.
CARRIERS = [
    s for s in SUBJECTS
    if (s.rows or not s.options or isinstance(cases.BY_NAME[s.operation], (cases.ActivationCase, cases.GatedCase)))
    and s.operation != "nll_loss" and not isinstance(cases.BY_NAME[s.operation], cases.PairedLossCase)
]  # fmt: skip


@pytest.mark.parametrize(("subject", "dtype"), walk(CARRIERS))
def test_nan_reaches_its_element_and_no_other(subject, dtype, engine):
    operands = tuple(x[:70] for x in subject.operands(dtype))
    if subject.rows:
        finite = np.all([np.isfinite(x).all(axis=1) for x in operands], axis=0)
        operands = tuple(x[finite] for x in operands)

    # This gradient takes the row's sum of g, but of y only its own element.
    own_y = (subject.operation, subject.form) == ("log_softmax", "backward_from_output")

    def row(place, i, result):
        if own_y and place == 1:
            return [i]
        first, width = i // operands[0].shape[-1], result.shape[-1] if result.ndim > 1 else 1
        return range(first * width, first * width + width)

    def call(*arrays):
        return subject.call(*arrays, **engine)

    harness.check_nan(call, operands, *([row] if subject.rows else []))


@pytest.mark.parametrize(("case", "dtype"), rows([case for case in ACTIVATIONS if case.kinks]))
def test_kinks_have_the_subgradient_that_is_stated(case, dtype, engine):
    operation = getattr(fl, case.name)
    for options in case.options:
        for kink, subgradient in case.kinks(**{**case.defaults, **options}).items():
            x = np.array([kink, kink if kink else -kink], dtype)
            wanted = np.full(2, subgradient, dtype)
            harness.check_same_bits(operation.derivative(x, **options, **engine), wanted, f"at {kink}")
            if case.outputs is not None:
                y, ones = operation(x, **options, **engine), np.ones(2, dtype)
                found = operation.backward_from_output(ones, y, **options, **engine)
                harness.check_same_bits(found, wanted, f"from the output at {kink}")


@pytest.mark.parametrize("case", [case for case in ACTIVATIONS if case.outputs is None], ids=lambda case: case.name)
def test_what_does_not_follow_from_the_output_is_refused(case):
    x = np.zeros(3)
    message = f"{case.name}.backward_from_output: the derivative does not follow from the output"
    with pytest.raises(TypeError, match=f"^{message}$"):
        getattr(fl, case.name).backward_from_output(x, x, **case.options[0])


@pytest.mark.parametrize(("case", "dtype"), rows([case for case in LOSSES if case.kink_at_target is not None]))
def test_losses_have_the_subgradient_that_is_stated(case, dtype, engine):
    x = np.array([0.0, -0.0, 1.5, -3.0], dtype)
    grad = getattr(fl, case.name).grad(x, x, reduction="sum", **engine)
    np.testing.assert_array_equal(grad, np.full(4, case.kink_at_target, dtype))


@pytest.mark.parametrize(("case", "dtype"), rows(LOSSES))
def test_all_forms_of_a_loss_agree_to_the_bit(case, dtype, engine):
    subjects = {s.form: s for s in SUBJECTS if s.operation == case.name and not s.options}
    operands = subjects["value"].operands(dtype)
    found = {}
    for form, subject in subjects.items():
        for (name, _), result in zip(RESULTS[form], harness.as_tuple(subject.call(*operands, **engine)), strict=True):
            harness.check_same_bits(result, found.setdefault(name, result), f"{form}: {name}")
    assert set(found) == {"out", "grad_out", "hess_out"}


@pytest.mark.parametrize(("case", "dtype"), rows([*ACTIVATIONS, *GATED, *LOSSES], ["float32"]))
def test_defaults_are_those_of_the_table(case, dtype):
    parameters = inspect.signature(getattr(fl, case.name)).parameters
    for name, value in case.defaults.items():
        # PyTorch's pos_weight is None, which is 1.
        assert parameters[name].default in (value, None)
    named = {name for options in case.options for name in options}
    required = {p.name for p in parameters.values() if p.kind is p.KEYWORD_ONLY and p.default is p.empty}
    assert named == {*case.defaults, *required}, "every parameter needs an option set of its own"


@pytest.mark.parametrize("half", HALVES, ids=str)
@pytest.mark.parametrize(("case", "dtype"), rows(ACTIVATIONS, ["float32"]))
def test_16_bit_activations_are_float32_rounded_once(case, dtype, half, engine):
    operation, every = getattr(fl, case.name), np.arange(1 << 16, dtype=np.uint16).view(half)
    g = rng_for(case.name, str(half)).normal(size=every.size).astype(half)
    calls = {operation: (every,), operation.derivative: (every,), operation.backward: (g, every)}
    if case.outputs is not None:
        calls[operation.backward_from_output] = (g, every)
    for options in case.options:
        for call, operands in calls.items():
            with np.errstate(all="ignore"):
                harness.check_rounded_once(lambda *x, c=call, o=options: c(*x, **o, **engine), operands)


@pytest.mark.parametrize("half", HALVES, ids=str)
@pytest.mark.parametrize(("case", "dtype"), rows(LOSSES, ["float32"]))
def test_16_bit_losses_have_float32_values_and_16_bit_gradients(case, dtype, half, engine):
    subject = next(s for s in SUBJECTS if s.operation == case.name and s.form == "value_and_grad" and not s.options)
    with np.errstate(all="ignore"):
        x, t = (a.astype(half) for a in subject.operands(dtype))
        value, grad = subject.call(x, t, **engine)
        wide_value, wide_grad = subject.call(x.astype(dtype), t.astype(dtype), **engine)
        harness.check_same_bits(value, wide_value)
        harness.check_same_bits(grad, wide_grad.astype(half))
    total = getattr(fl, case.name)(x[:9], t[:9], **engine)
    assert total.dtype == np.float32


@pytest.mark.parametrize("shape", [(4, 3), (5,), (2, 3, 2), (), (0, 3)])
def test_the_mean_of_a_batch_is_the_sum_over_its_length(shape, engine):
    rng, length = rng_for("batchmean", str(shape)), shape[0] if shape else 1
    x, t, w = (np.asarray(rng.uniform(0.1, 1.0, shape)) for _ in range(3))
    for options in ({}, {"weight": w}, {"sample_weight": w}, {"log_target": True}):
        with np.errstate(invalid="ignore"):
            value, grad = fl.kl_div.value_and_grad(x, t, reduction="batchmean", **options, **engine)
            total, slope = fl.kl_div.value_and_grad(x, t, reduction="sum", **options, **engine)
            np.testing.assert_allclose(value, np.divide(total, length), rtol=4e-16)
            np.testing.assert_allclose(grad, slope / length, rtol=4e-16)


@pytest.mark.parametrize("half", HALVES, ids=str)
@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss", "sparsemax_loss"])
def test_16_bit_losses_of_rows_have_float32_values_and_16_bit_gradients(name, half, engine):
    operation, rng = getattr(fl, name), rng_for(name, str(half))
    for shape in ((40, 70), (3, 3)):
        x, labels = rng.normal(size=shape).astype(half), np.arange(shape[0]) % shape[1]
        wide, wide_grad = operation.value_and_grad(x.astype(np.float32), labels, **engine)
        value, grad = operation.value_and_grad(x, labels, **engine)
        harness.check_same_bits(value, wide)
        harness.check_same_bits(grad, wide_grad.astype(half))


@pytest.mark.parametrize("half", HALVES, ids=str)
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=group(n, "float32")) for n in ("softmax", "log_softmax", "sparsemax")]
)
def test_16_bit_rows_are_float32_rounded_once(name, half, engine):
    operation, rng = getattr(fl, name), rng_for(name, str(half))
    x, g = (rng.normal(size=(40, 70)).astype(half) for _ in range(2))
    harness.check_rounded_once(lambda x: operation(x, **engine), (x,))
    y = operation(x.astype(np.float32))
    wanted = operation.backward_from_output(g.astype(np.float32), y, **engine).astype(half)
    harness.check_same_bits(operation.backward(g, x, **engine), wanted)


@pytest.mark.parametrize(
    ("given", "result"),
    [("bool", "float16"), ("int8", "float16"), ("uint8", "float16"), ("int16", "float32"), ("uint16", "float32"),
     ("int32", "float64"), ("uint64", "float64"), ("int64", "float64")],
)  # fmt: skip
@pytest.mark.parametrize(("case", "dtype"), rows(ACTIVATIONS, ["float64"]))
def test_integers_become_floating_point_as_in_numpy(case, dtype, given, result, engine):
    x, options = np.array([0, 1, 1, 0]).astype(given), {**case.options[0], **engine}
    got = getattr(fl, case.name)(x, **options)
    assert got.dtype == np.exp(x).dtype == result
    harness.check_same_bits(got, getattr(fl, case.name)(x.astype(result), **options))


@pytest.mark.parametrize(("operation", "bound"), [("softmax", 3.0), ("log_softmax", 2.0)])
def test_rows_with_scores_far_apart_keep_their_digits(operation, bound, engine):
    """Rounding x - max(x) alone would cost as many ulp as they are apart."""
    x = (20.0 * rng_for("far apart").standard_normal((300, 40))).astype(np.float32)
    wide = x.astype(np.float64)
    exact = wide - wide.max(axis=1, keepdims=True)
    exact -= np.log(np.exp(exact).sum(axis=1, keepdims=True))
    exact = np.exp(exact) if operation == "softmax" else exact
    seen = np.abs(exact) > (1e-30 if operation == "softmax" else 1e-3)
    error = np.abs(getattr(fl, operation)(x, **engine) - exact) / np.spacing(np.abs(exact).astype(np.float32))
    assert error[seen].max() <= bound


@pytest.mark.parametrize(("dtype", "least"), [("float32", 1e-45), ("float64", 5e-324)])
@pytest.mark.parametrize("power", [1.1, 1.5, 1.999])
def test_the_least_amount_outgrows_any_other_term(dtype, least, power, engine):
    z, t = np.array([-1e8, -np.inf, -1e4 if dtype == "float32" else -1e5], dtype), np.full(3, least, dtype)
    for loss, options in ((fl.gamma_loss, {}), (fl.tweedie_loss, {"power": power})):
        value, grad = loss.value_and_grad(z, t, reduction="none", **options, **engine)
        _, second = loss.grad_and_hess(z, t, reduction="sum", **options, **engine)
        for found, end in ((value, np.inf), (grad, -np.inf), (second, np.inf)):
            np.testing.assert_array_equal(found, np.full(3, end, dtype))


@pytest.mark.parametrize("outside", [-1e-30, 1.0000001, 2.0, -np.inf, np.inf])
def test_what_is_no_probability_is_nan_to_a_formula(outside):
    """On a CPU the call raises before; on a GPU nobody waits to see."""
    for formula in (
        losses.binary_cross_entropy,
        losses.binary_cross_entropy_derivative,
        losses.binary_cross_entropy_second,
    ):
        assert np.isnan(formula(outside, 0.5))
        assert np.isnan(formula(0.5, outside))
        assert not np.isnan(formula(0.25, 0.5))


@pytest.mark.parametrize("subject", [pytest.param(s, id=str(s), marks=group(s.operation, "float32")) for s in SUBJECTS])
def test_gpu_engines_give_the_bits_of_the_cpu(subject, gpu):
    for dtype in DTYPES:
        operands = subject.operands(dtype)
        harness.check_same_bits(subject.call(*operands, backend=gpu), subject.call(*operands), str(subject))
