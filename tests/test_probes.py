"""The bits of an element depend on nothing but its operands: a random walk over the ways to call every operation."""

import pytest

import fastloa as fl
from tests import harness
from tests.subjects import DTYPES, SUBJECTS, group, rng_for, walk

FEW, MANY, THREADS = 3_000, 1_000_000, 8
LONG = 1 << 18  # so that calls large enough for all threads are drawn as well


def probe(subject, dtype, count, **options):
    """Activations can also be computed over their operands."""
    in_place = hasattr(getattr(fl, subject.operation), "backward")
    harness.check_probes(
        subject.call, subject.operands(dtype), count, rng_for("probes", str(subject), dtype),
        buffers=subject.buffers, rows=subject.rows, in_place=in_place, **options,
    )  # fmt: skip


@pytest.mark.parametrize(("subject", "dtype"), walk())
def test_some(subject, dtype):
    probe(subject, dtype, FEW)


def probe_operation(operation, dtype):
    """Probe all forms and options of an operation, in a process that has threads enough."""
    for subject in SUBJECTS:
        if subject.operation == operation:
            probe(subject, dtype, MANY, longest=LONG, threads=THREADS)
            print(subject, flush=True)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "operation", [pytest.param(n, marks=group(n, "float32")) for n in sorted({s.operation for s in SUBJECTS})]
)
def test_a_million(operation, dtype):
    script = f"from tests import test_probes\ntest_probes.probe_operation({operation!r}, {dtype!r})"
    printed = harness.python(script, NUMBA_NUM_THREADS=str(THREADS), timeout=1200)
    assert len(printed.splitlines()) == sum(s.operation == operation for s in SUBJECTS)
