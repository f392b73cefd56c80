"""The cases of optimizers as rows of tests, and where their references lead in many steps."""

import numpy as np
import pytest

from tests import cases
from tests.subjects import group

STEPS = 300
CASES = [case for case in cases.CASES if isinstance(case, cases.StepCase)]


def walk(dtypes=("float64",), wanted=lambda case: True, *, all_options=True):
    """Give a row for each case, set of options and dtype, for ``parametrize(("case", "options", "dtype"), ...)``."""
    return [
        pytest.param(case, options, dtype, id=f"{case.optimizer}-{i}-{dtype}", marks=group(case.name, dtype))
        for case in CASES
        if wanted(case)
        for i, options in enumerate(case.options if all_options else case.options[:1])
        for dtype in dtypes
    ]


def gradients(shape, dtype, steps=STEPS):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape).astype(dtype) for _ in range(steps)]


def begin(case, options, p):
    """Give the states of a case before its first step."""
    found = {}
    for state in filter(None, case.states(options)):
        start = case.initial.get(state, 0.0)
        start = options[start] if isinstance(start, str) else start
        found[state] = p.copy() if start is None else np.full_like(p, start)
    return found


def follow(case, options, p, gs):
    """Give the parameter and the states where the reference leads."""
    state = begin(case, options, p)
    for t, g in enumerate(gs, 1):
        p = case.reference(p, g.astype(p.dtype), state, step=t, **case.step_options(options))
    return p, state
