"""The table of cases as subjects: what is computed of which arrays, and what it should give."""

from functools import partial
from itertools import product

import numpy as np
import pytest
from mpmath import mp, mpf

import fastloa as fl
from tests import cases
from tests import references as ref
from tests.harness import PRECISION, exact
from tests.samples import (
    common_hard,
    grid,
    magnitudes,
    matrix,
    points_of,
    rng_for,
    row_seeds,
    stratified,
    with_gradient,
)
from tests.several_subjects import joint_loss_subjects, paired_loss_subjects, vector_loss_subjects
from tests.subject import RESULTS, Output, Subject, by_row, form_of, lifted

DTYPES = ("float32", "float64")
# A derivative's 2 ulp and the rounding of what it is multiplied with.
PRODUCT = {"float32": 3.0, "float64": 3.0}
NEAR = 2.0**-6  # a zero of a derivative, where errors have nothing to be measured by


def times_gradient(function):
    return lambda g, x, **options: ref.times(function(x, **options), g)


def activation_subjects(case):
    name, operation = case.name, getattr(fl, case.name)
    value, slope = getattr(ref, name), getattr(ref, f"{name}_derivative")

    def inputs(form, dtype):
        hard = (*common_hard(dtype), *case.hard.get(dtype, ()))
        x = points_of(rng_for(name, form, dtype), case.domain[dtype], dtype, 260, hard)
        return x if form == "value" else x[(np.abs(np.subtract.outer(x, case.zeros)) > NEAR).all(axis=1)]

    def outputs(dtype, low, high):
        return points_of(rng_for(name, "outputs", dtype), (low, high), dtype, 120, (0.0, low, high))

    for given in case.options:
        made, options = partial(Subject, name, options=given), {**case.defaults, **given}
        lift = partial(lifted, options=options)
        call, derivative = partial(operation, **given), partial(operation.derivative, **given)
        backward, from_output = partial(operation.backward, **given), partial(operation.backward_from_output, **given)
        yield made("value", call, (Output(lift(value), case.value),), lambda d: (inputs("value", d),))
        yield made(
            "derivative", derivative, (Output(lift(slope), case.derivative),), lambda d: (inputs("derivative", d),)
        )
        yield made(
            "backward", backward, (Output(lift(times_gradient(slope)), PRODUCT),),
            lambda d: with_gradient(name, inputs("derivative", d), d),
        )  # fmt: skip
        if case.outputs is not None:
            ends, product = (
                case.outputs(**options),
                lift(times_gradient(getattr(ref, f"{name}_derivative_from_output"))),
            )
            yield made(
                "backward_from_output", from_output, (Output(product, PRODUCT),),
                lambda d, ends=ends: with_gradient(name, outputs(d, *ends), d),
            )  # fmt: skip


def joined(operation):
    """Make a function of two arrays of one of their halves, and of its backward one with two results."""

    def value(a, b, out=None, **more):
        found = operation(np.stack([a, b]), axis=0, out=None if out is None else out[None], **more)
        return found[0, ...] if out is None else out

    def backward(g, a, b, **more):
        found = operation.backward(g[None], np.stack([a, b]), axis=0, **more)
        return found[0, ...], found[1, ...]

    return value, backward


def paired(operation):
    """Give a function of two arrays, and its backward with a name for each array that it may write to."""

    def backward(g, a, b, out_a=None, out_b=None, **more):
        return operation.backward(g, a, b, out=(out_a, out_b), **more)

    return operation, backward


def channelled(operation):
    """Make a function of two arrays, and of its backward one with two results, of one whose channels have an element."""

    def value(a, b, out=None, **more):
        if a.ndim > 1 and out is not None:
            for some in zip(a, b, out, strict=True):
                value(*some, **more)
            return out
        found = operation(a.reshape(1, -1), b.reshape(-1), out=None if out is None else out.reshape(1, -1), **more)
        return found.reshape(a.shape) if out is None else out

    def backward(g, a, b, **more):
        found = operation.backward(g.reshape(1, -1), a.reshape(1, -1), b.reshape(-1), **more)
        return tuple(x.reshape(a.shape) for x in found)

    return value, backward


GIVEN = {"two": paired, "halves": joined, "channels": channelled}


def gated_subjects(case):
    name, operation = case.name, getattr(fl, case.name)
    value, backward = GIVEN[case.given](operation)

    def sample(dtype, *, gradient):
        """Give pairs, or triples, of ordinary numbers, of numbers of all magnitudes, and of all hard ones."""
        rng, most = rng_for(name, str(gradient), dtype), float(np.finfo(dtype).max)
        axes = [np.array(hard[dtype], dtype) for hard in (case.hard_a, case.hard_b)]
        a, b = (
            np.concatenate([points_of(rng, domain[dtype], dtype, 160), magnitudes(rng, -most, most, 80, dtype)])
            for domain in (case.a, case.b)
        )
        b = np.resize(rng.permutation(b), a.size)
        hard_a, hard_b = grid(*axes)
        a, b = np.concatenate([a, hard_a]), np.concatenate([b, hard_b])
        if not gradient:
            return a, b
        ends = cases.FACTORS[dtype]
        g = with_gradient(name, a, dtype)[0]
        g = np.where(np.arange(a.size) % 2, g, np.resize(rng.permutation(ends), a.size)).astype(dtype)
        keep = (np.abs(np.subtract.outer(a, case.zeros)) > 2 * NEAR).all(axis=1)
        return tuple(x[keep] for x in (g, a, b))

    for given in case.options:
        lift = partial(lifted, options={**case.defaults, **given})
        yield Subject(
            name, "value", partial(value, **given), (Output(lift(getattr(ref, name)), case.value),),
            partial(sample, gradient=False), options=given,
        )  # fmt: skip
        slopes = tuple(Output(lift(getattr(ref, f"{name}_grad_{operand}")), cases.TWO) for operand in "ab")
        yield Subject(
            name, "backward", partial(backward, **given), slopes, partial(sample, gradient=True),
            ("out_a", "out_b") if case.given == "two" else (), given,
        )  # fmt: skip


def loss_subjects(case):
    name, operation = case.name, getattr(fl, case.name)

    def pairs(dtype):
        rng = rng_for(name, dtype)
        hard = np.array(case.hard_inputs[dtype], dtype), np.array(case.hard_targets[dtype], dtype)
        grid = [axis.reshape(-1) for axis in np.meshgrid(*hard)]
        p = points_of(rng, case.inputs[dtype], dtype, 160, grid[0])
        count = p.size - grid[0].size
        t = np.resize(stratified(rng, *case.targets[dtype], 160, dtype), count)
        if case.probabilities or case.targets[dtype] == (0.0, 1.0):
            t = np.where(np.arange(count) % 2, t, t > 0.5)  # half of the targets are labels
        if case.margins:
            t = np.where(t > 0, 1.0, -1.0)
        return p, np.concatenate([t, grid[1]]).astype(dtype)

    def output(tail, lift):
        """Take an error by the terms that cancel, where the references give their size."""
        terms = getattr(ref, f"{name}{tail}_terms", None)
        return Output(lift(getattr(ref, name + tail)), cases.TWO, terms and lift(terms))

    for given in case.options:
        lift = partial(lifted, options={**case.defaults, **given})
        outputs = {tail: output(tail, lift) for _, tail in (*RESULTS["value"], *RESULTS["grad_and_hess"])}
        for form, results in RESULTS.items():
            yield Subject(
                name, form, partial(form_of(operation, form), reduction="none", **given),
                tuple(outputs[tail] for _, tail in results),
                pairs, tuple(buffer for buffer, _ in results), given,
            )  # fmt: skip


def alone(dtype):
    """Give the matrix as the only operand."""
    return (matrix(dtype),)


def row_subjects(case):
    name, operation = case.name, getattr(fl, case.name)
    yield Subject(name, "value", operation, (Output(by_row(getattr(ref, name)), cases.TWO),), alone, rows=True)
    for form in ("backward", "backward_from_output"):
        function, scale = (getattr(ref, f"{name}_{tail}") for tail in (form, f"{form}_scale"))

        def gradients(dtype, form=form):
            x = matrix(dtype)
            x = x[np.isfinite(x).all(axis=1)]
            if form == "backward_from_output":
                with mp.workprec(PRECISION[dtype]):
                    x = exact(by_row(getattr(ref, name))([x], dtype), dtype, x.shape).nearest
            return rng_for(name, form, dtype).normal(size=x.shape).astype(dtype), x

        output = Output(by_row(function), PRODUCT, by_row(scale))
        yield Subject(name, form, getattr(operation, form), (output,), gradients, rows=True)


def labels_for(x):
    """Give the class of the greatest score in about half of the rows, and any class in the others."""
    seeds = row_seeds(x)
    return np.where(seeds % 2, np.argmax(x, axis=1), seeds // 2 % x.shape[1])


def shares_for(x):
    """Give rows of class probabilities, some of them 0."""
    shares = np.array([np.random.default_rng(seed).random(x.shape[1]) for seed in row_seeds(x)]).reshape(x.shape)
    shares[:, 0] = 0.0
    return (shares / shares.sum(axis=1, keepdims=True)).astype(x.dtype)


def row_loss_subjects(case):
    name, operation = case.name, getattr(fl, case.name)
    kinds = {"labels": labels_for, **({"probabilities": shares_for} if case.probabilities else {})}
    places = {"out": 0, "grad_out": 1, "hess_out": 2}

    def lift(one_row, target_for, place, options):
        def reference(arrays, dtype):
            x, numbers = arrays[0], {name: mpf(value) for name, value in options.items()}
            found = ref.row_loss(partial(one_row, **numbers), x, target_for(x), reduction="none")[place]
            return found if place == 0 else [number for row in found for number in row]

        return reference

    def scale(kind, buffer, options):
        if kind != "labels":
            return shared if buffer == "grad_out" else None
        return case.terms and lift(case.terms, labels_for, places[buffer], options)

    def shared(arrays, dtype):
        """Give the sum of the terms whose difference the gradient is."""
        x = arrays[0]
        pairs = zip(x.tolist(), shares_for(x).tolist(), strict=True)
        return [p + mpf(t) for row, own in pairs for p, t in zip(case.share([mpf(z) for z in row]), own, strict=True)]

    for (kind, target_for), given in product(kinds.items(), case.options):
        options = {**case.defaults, **given}
        outputs = {
            buffer: Output(
                lift(case.row, target_for, place, options), PRODUCT if buffer == "hess_out" else cases.TWO,
                scale(kind, buffer, options),
            )
            for buffer, place in places.items()
        }  # fmt: skip
        for form in RESULTS if kind == "labels" else ("value_and_grad",):
            names = tuple(buffer for buffer, _ in RESULTS[form])
            yield Subject(
                name, form, lambda x, o=operation, n=form, t=target_for, g=given, **more: (
                    form_of(o, n)(x, t(x), **{"reduction": "none", **g, **more})
                ),
                tuple(outputs[n] for n in names), alone, names, {"target": kind, **given}, rows=True,
            )  # fmt: skip


KINDS = {
    cases.ActivationCase: activation_subjects,
    cases.GatedCase: gated_subjects,
    cases.LossCase: loss_subjects,
    cases.JointLossCase: joint_loss_subjects,
    cases.PairedLossCase: paired_loss_subjects,
    cases.RowCase: row_subjects,
    cases.RowLossCase: row_loss_subjects,
    cases.VectorLossCase: vector_loss_subjects,
}


def subjects_of(case):
    """Give all that is computed elementwise, or row by row, of one operation."""
    return tuple(KINDS[type(case)](case)) if type(case) in KINDS else ()


SUBJECTS = tuple(subject for case in cases.CASES for subject in subjects_of(case))


def by_kernel(subjects):
    """Keep the first of the subjects that differ in numbers alone, which a kernel is handed: those share one."""
    kept = {}
    for subject in subjects:
        words = tuple(value for value in subject.options.values() if isinstance(value, str))
        kept.setdefault((subject.operation, subject.form, words), subject)
    return tuple(kept.values())


KERNELS = by_kernel(SUBJECTS)


def group(operation, dtype):
    """Keep the tests that share kernels in one worker: compiling a kernel costs more than running it."""
    return pytest.mark.shares(f"{operation}-{'float64' if dtype == 'float64' else 'float32'}")


def walk(subjects=SUBJECTS, dtypes=DTYPES):
    """Give a row for each subject and dtype, for ``parametrize(("subject", "dtype"), ...)``."""
    return [
        pytest.param(subject, dtype, id=f"{subject}-{dtype}", marks=group(subject.operation, dtype))
        for subject in subjects
        for dtype in dtypes
    ]
