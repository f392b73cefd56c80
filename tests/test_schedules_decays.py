"""Decays that go on for ever: values against mpmath and by hand, and every message word for word."""

import math
import sys

import pytest

from fastloa.schedules import exponential, inverse_sqrt, inverse_time, multistep, step
from tests.scalars import assert_close, mp, refused

STEPS = [0, 1, 2, 3, 7, 29, 30, 31, 99, 100, 101, 12345]


@pytest.mark.parametrize("t", STEPS)
def test_step_against_mpmath(t):
    assert_close(step(0.3, 30, 0.9)(t), mp.mpf(0.3) * mp.mpf(0.9) ** (t // 30), ulp=2)


def test_step_by_hand():
    assert [step(1.0, 2)(t) for t in range(6)] == [1.0, 1.0, 0.1, 0.1, 0.1**2, 0.1**2]


@pytest.mark.parametrize("t", STEPS)
def test_multistep_against_mpmath(t):
    milestones = [2, 3, 30, 30, 100]
    reference = mp.mpf(0.3) * mp.mpf(0.9) ** sum(m <= t for m in milestones)
    assert_close(multistep(0.3, milestones, 0.9)(t), reference, ulp=2)


def test_multistep_by_hand():
    assert [multistep(1.0, (2, 3, 3))(t) for t in range(5)] == [1.0, 1.0, 0.1, 0.1**3, 0.1**3]
    assert [multistep(0.5, [])(t) for t in (0, 10**6)] == [0.5, 0.5]
    assert multistep(0.5, [4, 8], 0.25) == multistep(0.5, (4, 8), 0.25)


def test_multistep_with_even_milestones_is_step():
    assert [multistep(0.3, range(7, 700, 7), 0.9)(t) for t in range(700)] == [step(0.3, 7, 0.9)(t) for t in range(700)]


@pytest.mark.parametrize("t", STEPS)
@pytest.mark.parametrize("gamma", [0.5, 0.97, 1.0, 1.01])
def test_exponential_against_mpmath(t, gamma):
    assert_close(exponential(0.3, gamma)(t), mp.mpf(0.3) * mp.mpf(gamma) ** t, ulp=2)


def test_exponential_with_gamma_zero():
    assert [exponential(0.3, 0)(t) for t in range(3)] == [0.3, 0.0, 0.0]


@pytest.mark.parametrize(
    ("value", "gamma", "t"),
    [
        (1e300, 0.5, 1100),
        (1e300, 0.5, 2000),
        (1e-300, 2.0, 1500),
        (1e-300, 2.0, 2020),
        (-1e-300, 1.5, 3000),
        (1e308, 0.9, 13000),
    ],
)
def test_powers_beyond_float64_do_not_lose_the_value(value, gamma, t):
    reference = mp.mpf(value) * mp.mpf(gamma) ** t
    assert sys.float_info.min < abs(reference) < sys.float_info.max
    assert_close(exponential(value, gamma)(t), reference, ulp=8)
    assert_close(step(value, 3, gamma)(3 * t + 2), reference, ulp=8)


@pytest.mark.parametrize("gamma", [1 - 2**-53, 1 - 2**-52, 1 + 2**-52])
@pytest.mark.parametrize("t", [2**53 + 1, 2**55 + 3, 2**60 - 1, 2**61 + 129])
def test_no_step_is_too_large_to_be_counted(gamma, t):
    value = 1e200 if gamma < 1 else 1e-300
    assert_close(exponential(value, gamma)(t), mp.mpf(value) * mp.mpf(gamma) ** t, ulp=8)


def test_zero_stays_zero_however_long_it_grows():
    assert exponential(0.0, 2.0)(10**6) == 0.0
    assert exponential(1.0, 0.5)(10**6) == 0.0
    assert exponential(1.0, 0.5)(10**400) == 0.0
    assert exponential(1.0, 1.0)(10**400) == 1.0


@pytest.mark.parametrize(
    ("value", "gamma", "t"), [(1.0, 2.0, 1024), (-1.0, 2.0, 10**6), (1e300, 10.0, 9), (1.0, 1e300, 2**62 - 1)]
)
def test_growth_beyond_float64_is_an_error(value, gamma, t):
    came = "inf" if value > 0 else "-inf"
    with refused(ValueError, f"schedules.exponential: value must be finite, got {came} at step {t}"):
        exponential(value, gamma)(t)


@pytest.mark.parametrize("t", STEPS)
@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.5])
def test_inverse_time_against_mpmath(t, power):
    base = 1 + mp.mpf(0.01) * t / 7
    assert_close(inverse_time(0.3, 0.01, 7, power)(t), mp.mpf(0.3) / base ** mp.mpf(power), ulp=6)


def test_inverse_time_by_hand():
    assert [inverse_time(1.0, 1.0)(t) for t in range(4)] == [1.0, 1 / 2, 1 / 3, 1 / 4]
    assert [inverse_time(1.0, 0.5, 2, 0.5)(t) for t in (0, 12, 32, 60)] == [1.0, 0.5, 1 / 3, 0.25]


@pytest.mark.parametrize(
    ("value", "rate", "power", "t"), [(1e300, 1e200, 2.0, 1), (1e308, 1e300, 1.0, 2**62), (0.3, 1e300, 0.25, 2**60)]
)
def test_inverse_time_with_a_power_or_a_time_beyond_float64(value, rate, power, t):
    reference = mp.mpf(value) / (1 + mp.mpf(rate) * t) ** mp.mpf(power)
    assert_close(inverse_time(value, rate, power=power)(t), reference, ulp=8)


@pytest.mark.parametrize("t", [0, 1, 2, 3999, 4000, 4001, 12345, 10**9, 2**62])
def test_inverse_sqrt_against_mpmath(t):
    v, w = mp.mpf(0.3), 4000
    reference = v * t / w if t < w else v * mp.sqrt(mp.mpf(w) / t)
    assert_close(inverse_sqrt(0.3, w)(t), reference, ulp=2)


def test_inverse_sqrt_is_the_papers_schedule():
    width, w = 512, 4000
    schedule = inverse_sqrt((width * w) ** -0.5, w)
    for t in (1, 2, 3999, 4000, 4001, 10**6):
        reference = mp.mpf(width) ** -0.5 * min(mp.mpf(t) ** -0.5, t * mp.mpf(w) ** -1.5)
        assert_close(schedule(t), reference, ulp=4)


def test_inverse_sqrt_by_hand():
    assert [inverse_sqrt(0.3, 1)(t) for t in (0, 1, 4, 9)] == [0.0, 0.3, 0.15, 0.3 * (1 / 9) ** 0.5]
    assert inverse_sqrt(0.3, 77)(77) == 0.3


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: step(True, 1), TypeError, "schedules.step: value must be a real number, got bool"),
        (lambda: step(0.1, 0), ValueError, "schedules.step: step_size must be an integer >= 1, got 0"),
        (lambda: step(0.1, 2.0), TypeError, "schedules.step: step_size must be an integer >= 1, got float"),
        (lambda: step(0.1, 1, -0.1), ValueError, "schedules.step: gamma must be non-negative and finite, got -0.1"),
        (lambda: multistep("a", [1]), TypeError, "schedules.multistep: value must be a real number, got str"),
        (lambda: multistep(0.1, 3), TypeError, "schedules.multistep: milestones must be a sequence, got int"),
        (
            lambda: multistep(0.1, [1, 2.0]),
            TypeError,
            "schedules.multistep: milestones[1] must be an integer >= 1, got float",
        ),
        (lambda: multistep(0.1, [0]), ValueError, "schedules.multistep: milestones[0] must be an integer >= 1, got 0"),
        (
            lambda: multistep(0.1, [30, 10]),
            ValueError,
            "schedules.multistep: milestones must not decrease, got [30, 10]",
        ),
        (
            lambda: multistep(0.1, [1], math.nan),
            ValueError,
            "schedules.multistep: gamma must be non-negative and finite, got nan",
        ),
        (lambda: exponential(math.nan, 1), ValueError, "schedules.exponential: value must be finite, got nan"),
        (
            lambda: exponential(0.1, math.inf),
            ValueError,
            "schedules.exponential: gamma must be non-negative and finite, got inf",
        ),
        (lambda: inverse_time(None, 1), TypeError, "schedules.inverse_time: value must be a real number, got NoneType"),
        (
            lambda: inverse_time(0.1, -1),
            ValueError,
            "schedules.inverse_time: decay_rate must be non-negative and finite, got -1",
        ),
        (
            lambda: inverse_time(0.1, 1, 0),
            ValueError,
            "schedules.inverse_time: decay_steps must be an integer >= 1, got 0",
        ),
        (
            lambda: inverse_time(0.1, 1, 1, -2.0),
            ValueError,
            "schedules.inverse_time: power must be non-negative and finite, got -2.0",
        ),
        (lambda: inverse_sqrt(math.inf, 1), ValueError, "schedules.inverse_sqrt: value must be finite, got inf"),
        (
            lambda: inverse_sqrt(0.1, 0),
            ValueError,
            "schedules.inverse_sqrt: warmup_steps must be an integer >= 1, got 0",
        ),
    ],
)
def test_arguments_are_refused_when_it_is_made(make, kind, message):
    with refused(kind, message):
        make()
