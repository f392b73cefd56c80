"""Cycles: values against mpmath, exact turns after any number of steps, and every message word for word."""

import math
from itertools import pairwise

import pytest

from fastloa.schedules import cosine, cosine_restarts, cyclic, multiply, one_cycle, step
from tests.scalars import assert_close, mp, refused


def place(step, first_period, factor):
    """Walk to the period of a step: where in it the step lies, and how long it is."""
    period = first_period
    while step >= period:
        step, period = step - period, period * factor
    return step, period


@pytest.mark.parametrize("factor", [1, 2, 3])
@pytest.mark.parametrize("final", [0.0, 0.01])
def test_cosine_restarts_against_mpmath(factor, final):
    for t in (0, 1, 6, 7, 8, 13, 14, 20, 21, 48, 49, 50, 104, 105, 106, 999):
        at, period = place(t, 7, factor)
        reference = final + (mp.mpf(0.3) - mp.mpf(final)) * (1 + mp.cos(mp.pi * at / period)) / 2
        assert_close(cosine_restarts(0.3, 7, factor, final)(t), reference, ulp=4)


@pytest.mark.parametrize(("factor", "restarts"), [(1, 2**40), (2, 59), (3, 37), (10, 18)])
def test_cosine_restarts_begin_exactly_after_any_number_of_steps(factor, restarts):
    n = 3
    begin = n * restarts if factor == 1 else n * (factor**restarts - 1) // (factor - 1)
    last = n * factor ** (restarts - 1)
    schedule = cosine_restarts(0.3, n, factor)
    assert begin < 2**62
    assert schedule(begin) == 0.3
    assert_close(schedule(begin - 1), mp.mpf(0.3) * mp.sin(mp.pi / (2 * last)) ** 2, ulp=4)
    assert_close(schedule(begin + 1), mp.mpf(0.3) * mp.cos(mp.pi / (2 * last * factor)) ** 2, ulp=4)


def test_cosine_restarts_by_hand():
    schedule = cosine_restarts(1.0, 3, final=0.5)
    assert [schedule(t) for t in range(5)] == pytest.approx([1.0, 0.875, 0.625, 1.0, 0.875], rel=1e-15)
    assert {cosine_restarts(0.3, 1)(t) for t in range(5)} == {0.3}
    assert [cosine_restarts(0.3, 9)(t) for t in range(9)] == [cosine(0.3, 9)(t) for t in range(9)]


def test_cosine_restarts_from_lower_and_lower_values_are_a_product():
    schedule = multiply(cosine_restarts(0.5, 4), step(1.0, 4, 0.5))
    assert [schedule(t) for t in (0, 4, 8)] == [0.5, 0.25, 0.125]
    assert schedule(6) == 0.5 * schedule(2)


def one_cycle_reference(t, turns, anneal):
    """Find the phase of a step among turns (step, value), and the value in it."""
    for (begin, start), (end, stop) in pairwise(turns):
        if t <= end:
            x = (mp.mpf(t) - begin) / (end - begin)
            share = (1 - mp.cos(mp.pi * x)) / 2 if anneal == "cosine" else x
            return start + (stop - start) * share
    return turns[-1][1]


@pytest.mark.parametrize("anneal", ["cosine", "linear"])
@pytest.mark.parametrize("three", [False, True])
@pytest.mark.parametrize(
    ("n", "p"), [(100, "0.3"), (100, "0.55"), (1000, "0.29"), (50, "0.25"), (9, "0.4"), (7, "0.1")]
)
def test_one_cycle_against_mpmath(n, p, anneal, three):
    v, d, e = mp.mpf(0.3), 20, 1000
    peak = mp.mpf(p) * n - 1
    if mp.nint(peak) != peak:
        peak = mp.mpf(float(p)) * n - 1
    back = [(2 * peak, v / d)] if three else []
    turns = [(0, v / d), (peak, v), *back, (n - 1, v / d / e)]
    schedule = one_cycle(0.3, n, float(p), anneal, d, e, three)
    for t in range(n + 3):
        # the turns are rounded themselves, and so is the first value
        assert_close(schedule(t), one_cycle_reference(min(t, n - 1), turns, anneal), ulp=20)


@pytest.mark.parametrize("n", [100, 1000, 12300, 10**12, 2**40 * 100])
def test_one_cycle_has_exact_turns(n):
    for percent in range(1, 100):
        schedule = one_cycle(0.3, n, percent / 100, "linear")
        peak = n * percent // 100 - 1
        assert schedule(peak) == 0.3, percent
        assert schedule(0) == (0.3 / 25 if peak else 0.3), percent
        assert {schedule(t) for t in (n - 1, n, n + 1, 2**62)} == {0.3 / 25 / 1e4}, percent
        if n < 10**6:  # beyond, single steps make no difference
            assert schedule(peak + 1) < 0.3, percent
            assert schedule(n - 2) > 0.3 / 25 / 1e4, percent


def test_one_cycle_of_three_phases_has_exact_turns():
    schedule = one_cycle(0.3, 100, 0.4, three_phase=True)
    assert [schedule(t) for t in (0, 39, 78, 99, 100)] == [0.3 / 25, 0.3, 0.3 / 25, 0.3 / 25 / 1e4, 0.3 / 25 / 1e4]


def test_one_cycle_by_hand():
    schedule = one_cycle(1.0, 9, 1 / 3, "linear", 4.0, 2.0)
    assert [schedule(t) for t in (0, 1, 2, 8, 9)] == [0.25, 0.625, 1.0, 0.125, 0.125]
    assert schedule(5) == 0.5625


def test_one_cycle_of_a_rise_without_width_begins_at_the_top():
    assert [one_cycle(0.5, 2, 0.5)(t) for t in range(3)] == [0.5, 0.5 / 25 / 1e4, 0.5 / 25 / 1e4]
    assert one_cycle(0.5, 1, 1.0)(0) == one_cycle(0.5, 1, 1.0)(5) == 0.5
    assert one_cycle(0.5, 1)(0) == 0.5 / 25 / 1e4
    assert one_cycle(0.5, 4, 1.0)(3) == one_cycle(0.5, 4, 1.0)(9) == 0.5


def cyclic_reference(t, base, top, up, down, mode, gamma):
    cycle, at = divmod(t, up + down)
    x = mp.mpf(at) / up if at <= up else mp.mpf(up + down - at) / down
    height = {"triangular": 1, "triangular2": mp.mpf(2) ** -cycle, "exp_range": mp.mpf(gamma) ** t}[mode]
    return base + (mp.mpf(top) - mp.mpf(base)) * x * height


@pytest.mark.parametrize(("base", "top"), [(0.001, 0.3), (0.3, 0.001), (0.0, 0.3), (0.3, 0.3), (-0.1, -0.2)])
@pytest.mark.parametrize("mode", ["triangular", "triangular2", "exp_range"])
@pytest.mark.parametrize("gamma", [0.0, 0.9, 0.9999, 1.0])
def test_cyclic_against_mpmath(base, top, mode, gamma):
    for t in (0, 1, 4, 5, 6, 7, 8, 9, 12, 13, 14, 20, 21, 22, 77, 12345, 2**61 + 2):
        reference = cyclic_reference(t, base, top, 5, 3, mode, gamma)
        assert_close(cyclic(base, top, 5, 3, mode, gamma)(t), reference, ulp=5)


@pytest.mark.parametrize("t", [0, 3, 5, 8, 13, 77, 699, 5000])
def test_cyclic_may_grow(t):
    reference = cyclic_reference(t, 0.1, 0.3, 5, 3, "exp_range", 1.05)
    assert_close(cyclic(0.1, 0.3, 5, 3, "exp_range", 1.05)(t), reference, ulp=4)


def test_cyclic_growth_beyond_float64_is_an_error():
    schedule = cyclic(0.1, 0.3, 5, mode="exp_range", gamma=2.0)
    assert schedule(5000) == 0.1
    with refused(ValueError, "schedules.cyclic: value must be finite, got inf at step 5005"):
        schedule(5005)


@pytest.mark.parametrize("mode", ["triangular", "exp_range"])
def test_cyclic_turns_exactly_after_any_number_of_cycles(mode):
    schedule = cyclic(0.1, 0.3, 3, 4, mode)
    for cycle in (0, 1, 10**6, 2**59):
        assert [schedule(7 * cycle + t) for t in (0, 3, 7)] == [0.1, 0.3, 0.1]


def test_cyclic_by_hand():
    assert [cyclic(1, 3, 2)(t) for t in range(7)] == [1.0, 2.0, 3.0, 2.0, 1.0, 2.0, 3.0]
    assert [cyclic(1, 3, 1, 4)(t) for t in range(7)] == [1.0, 3.0, 2.5, 2.0, 1.5, 1.0, 3.0]
    assert [cyclic(1, 3, 1, mode="triangular2")(t) for t in range(7)] == [1.0, 3.0, 1.0, 2.0, 1.0, 1.5, 1.0]
    assert [cyclic(0, 8, 1, mode="exp_range", gamma=0.5)(t) for t in range(6)] == [0.0, 4.0, 0.0, 1.0, 0.0, 0.25]
    assert cyclic(1, 3, 2) == cyclic(1, 3, 2, 2)


def test_cyclic_keeps_heights_whose_power_is_beyond_float64():
    reference = mp.mpf(1e300) * mp.mpf(2) ** -1999
    assert_close(cyclic(0.0, 1e300, 1, mode="exp_range", gamma=0.5)(1999), reference, ulp=4)


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: cosine_restarts("a", 1), TypeError, "schedules.cosine_restarts: value must be a real number, got str"),
        (
            lambda: cosine_restarts(0.1, 0),
            ValueError,
            "schedules.cosine_restarts: first_period must be an integer >= 1, got 0",
        ),
        (
            lambda: cosine_restarts(0.1, 1, 1.5),
            TypeError,
            "schedules.cosine_restarts: factor must be an integer >= 1, got float",
        ),
        (
            lambda: cosine_restarts(0.1, 1, 1, math.nan),
            ValueError,
            "schedules.cosine_restarts: final must be finite, got nan",
        ),
        (lambda: one_cycle(None, 1), TypeError, "schedules.one_cycle: max_value must be a real number, got NoneType"),
        (lambda: one_cycle(0.1, 0), ValueError, "schedules.one_cycle: total_steps must be an integer >= 1, got 0"),
        (lambda: one_cycle(0.1, 9, 30), ValueError, "schedules.one_cycle: pct_start must be in [0, 1], got 30"),
        (
            lambda: one_cycle(0.1, 9, anneal="cos"),
            ValueError,
            "schedules.one_cycle: anneal must be 'cosine' or 'linear', got 'cos'",
        ),
        (
            lambda: one_cycle(0.1, 9, div_factor=0),
            ValueError,
            "schedules.one_cycle: div_factor must be positive and finite, got 0",
        ),
        (
            lambda: one_cycle(0.1, 9, final_div_factor=-1.0),
            ValueError,
            "schedules.one_cycle: final_div_factor must be positive and finite, got -1.0",
        ),
        (
            lambda: one_cycle(0.1, 9, three_phase=None),
            TypeError,
            "schedules.one_cycle: three_phase must be True or False, got NoneType",
        ),
        (
            lambda: one_cycle(1e300, 9, div_factor=1e-9),
            ValueError,
            "schedules.one_cycle: max_value / div_factor must be finite, got inf",
        ),
        (
            lambda: one_cycle(1e300, 9, final_div_factor=1e-30),
            ValueError,
            "schedules.one_cycle: max_value / div_factor / final_div_factor must be finite, got inf",
        ),
        (lambda: cyclic("a", 1, 1), TypeError, "schedules.cyclic: base must be a real number, got str"),
        (lambda: cyclic(1, math.inf, 1), ValueError, "schedules.cyclic: top must be finite, got inf"),
        (lambda: cyclic(-1e308, 1e308, 1), ValueError, "schedules.cyclic: top - base must be finite, got inf"),
        (lambda: cyclic(0, 1, 0), ValueError, "schedules.cyclic: step_size_up must be an integer >= 1, got 0"),
        (lambda: cyclic(0, 1, 1, 0), ValueError, "schedules.cyclic: step_size_down must be an integer >= 1, got 0"),
        (
            lambda: cyclic(0, 1, 1, mode="triangle"),
            ValueError,
            "schedules.cyclic: mode must be 'triangular', 'triangular2' or 'exp_range', got 'triangle'",
        ),
        (
            lambda: cyclic(0, 1, 1, gamma=-0.5),
            ValueError,
            "schedules.cyclic: gamma must be non-negative and finite, got -0.5",
        ),
    ],
)
def test_arguments_are_refused_when_it_is_made(make, kind, message):
    with refused(kind, message):
        make()
