"""The bits of an element depend on nothing but its operands: a random walk over the ways to call every operation."""

from dataclasses import replace
from functools import partial

import ml_dtypes
import numpy as np
import pytest

import fastloa as fl
from tests import cases, harness
from tests.samples import rng_for
from tests.subject import Subject
from tests.subjects import DTYPES, SUBJECTS, by_kernel, group, walk

FEW, MANY, THREADS = 3_000, 1_000_000, 8
LONG = 1 << 18  # so that calls large enough for all threads are drawn as well
HALVES = {"float16": np.dtype(np.float16), "bfloat16": np.dtype(ml_dtypes.bfloat16)}


def reduced(subject):
    """Give the same loss and form as the sum and the mean: their value has no buffer."""
    for reduction in ("sum", "mean"):
        buffers = tuple(None if name == "out" else name for name in subject.buffers)
        yield replace(
            subject, call=partial(subject.call, reduction=reduction), buffers=buffers if any(buffers) else (),
            options={**subject.options, "reduction": reduction}, whole="out" in subject.buffers or reduction == "mean",
        )  # fmt: skip


def step(case, options):
    """Give an optimizer's step with a set of options: what it writes are its results."""
    operation, states, given = getattr(fl, case.name), case.states(options), case.step_options(options)

    def arrays(dtype):
        rng = rng_for(case.name, "step", dtype)
        signed, positive = rng.normal(size=(2, 500)), rng.random((sum(state is not None for state in states), 500))
        return tuple(x.astype(dtype) for x in (*signed, *positive))

    def call(p, g, *others):
        left = iter(others)
        operation(p, g, *(state and next(left) for state in states), step=3, **given)
        return p, *others

    return Subject(case.name, "step", call, (), arrays, (), options, whole=not case.alone)


LOSSES = (cases.LossCase, cases.JointLossCase, cases.PairedLossCase, cases.RowLossCase, cases.VectorLossCase)
FORMS = (
    *SUBJECTS,
    *(one for subject in SUBJECTS if isinstance(cases.BY_NAME[subject.operation], LOSSES) for one in reduced(subject)),
)
STEPS = tuple(
    step(case, options) for case in cases.CASES if isinstance(case, cases.StepCase) for options in case.options
)
EVERYTHING = (*FORMS, *STEPS)


def probe(subject, dtype, count, **options):
    """Activations can also be computed over their operands."""
    operands = subject.operands("float32" if dtype in HALVES else dtype)
    if dtype in HALVES:
        with np.errstate(all="ignore"):
            operands = tuple(x.astype(HALVES[dtype]) for x in operands)
    harness.check_probes(
        subject.call, operands, count, rng_for("probes", str(subject), dtype), buffers=subject.buffers,
        rows=subject.rows, whole=subject.whole, in_place=bool(subject.buffers) and hasattr(getattr(fl, subject.operation), "backward"), **options,
    )  # fmt: skip


@pytest.mark.parametrize(("subject", "dtype"), walk((*by_kernel(FORMS), *STEPS), (*DTYPES, *HALVES)))
def test_some(subject, dtype):
    """Arrays of 16 bits are computed by the same kernels as those of 32."""
    probe(subject, dtype, FEW // 3 if dtype in HALVES else FEW)


def probe_operation(operation, dtype):
    """Probe all forms and options of an operation, in a process that has threads enough."""
    for subject in EVERYTHING:
        if subject.operation == operation:
            probe(subject, dtype, MANY, longest=LONG, threads=THREADS)
            print(subject, flush=True)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [*DTYPES, *HALVES])
@pytest.mark.parametrize(
    "operation", [pytest.param(n, marks=group(n, "float32")) for n in sorted({s.operation for s in EVERYTHING})]
)
def test_a_million(operation, dtype):
    script = f"from tests import test_probes\ntest_probes.probe_operation({operation!r}, {dtype!r})"
    printed = harness.python(script, NUMBA_NUM_THREADS=str(THREADS), timeout=3600)
    assert len(printed.splitlines()) == sum(s.operation == operation for s in EVERYTHING)
