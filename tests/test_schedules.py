"""Schedules: values against mpmath and closed forms, properties, composition, and every message word for word."""

import math
import pickle
import re
import sys
from itertools import pairwise

import mpmath
import numpy as np
import pytest

from fastloa import schedules
from fastloa.schedules import as_schedule, constant, cosine, exponential, inverse_time, join, step, warmup

STEPS = [0, 1, 2, 3, 7, 29, 30, 31, 99, 100, 101, 12345]


def refused(error, message):
    """Expect an error with this message, word for word."""
    return pytest.raises(error, match=f"^{re.escape(message)}$")


def assert_close(got, reference, ulp):
    """Compare a float with an mpmath number, in units of the last place."""
    assert type(got) is float
    assert abs(mpmath.mpf(got) - reference) <= ulp * math.ulp(float(reference)), (got, reference)


@pytest.fixture(autouse=True)
def _digits():
    with mpmath.workdps(50):
        yield


EXAMPLES = {
    "constant": (constant(0.1), "schedules.constant(value=0.1)"),
    "step": (step(0.1, 30, 0.5), "schedules.step(value=0.1, step_size=30, gamma=0.5)"),
    "exponential": (exponential(0.1, 0.99), "schedules.exponential(value=0.1, gamma=0.99)"),
    "inverse_time": (
        inverse_time(0.1, 0.01, 10, 0.5),
        "schedules.inverse_time(value=0.1, decay_rate=0.01, decay_steps=10, power=0.5)",
    ),
    "cosine": (cosine(0.1, 100), "schedules.cosine(value=0.1, total_steps=100, final=0.0)"),
    "warmup": (
        warmup(cosine(0.1, 100), 10),
        "schedules.warmup(schedule=schedules.cosine(value=0.1, total_steps=100, final=0.0), steps=10, start=0.0)",
    ),
    "join": (
        join([1, exponential(0.1, 0.5)], [5]),
        "schedules.join(schedules=(schedules.constant(value=1.0), schedules.exponential(value=0.1, gamma=0.5)), "
        "boundaries=(5,))",
    ),
}


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
class TestEverySchedule:
    def test_prints_as_the_call_that_makes_it(self, example):
        schedule, text = example
        assert repr(schedule) == text
        assert eval(text, {"schedules": schedules}) == schedule

    def test_pickles_and_compares_by_its_arguments(self, example):
        schedule, _ = example
        twin = pickle.loads(pickle.dumps(schedule))
        assert twin == schedule
        assert hash(twin) == hash(schedule)
        assert [twin(t) for t in STEPS] == [schedule(t) for t in STEPS]
        assert schedule != constant(0.2)

    def test_cannot_be_changed(self, example):
        schedule, _ = example
        with pytest.raises(AttributeError):
            schedule.arguments = ()

    def test_is_a_pure_function_of_the_step(self, example):
        schedule, _ = example
        forward = [schedule(t) for t in STEPS]
        assert [schedule(t) for t in reversed(STEPS)] == forward[::-1]
        assert {type(value) for value in forward} == {float}
        assert schedule(np.int64(7)) == schedule(7)

    @pytest.mark.parametrize(
        ("bad", "kind", "came"),
        [(-1, ValueError, "-1"), (1.0, TypeError, "float"), (True, TypeError, "bool"), (None, TypeError, "NoneType")],
    )
    def test_refuses_what_is_no_step(self, example, bad, kind, came):
        schedule, text = example
        with refused(kind, f"{text.partition('(')[0]}: step must be an integer >= 0, got {came}"):
            schedule(bad)


def test_all_examples_are_here():
    made = {name for name in schedules.__all__ if name != "Schedule"}
    assert made == set(EXAMPLES)


def test_constant():
    assert [constant(np.float32(0.5))(t) for t in STEPS] == [0.5] * len(STEPS)


@pytest.mark.parametrize("t", STEPS)
def test_step_against_mpmath(t):
    assert_close(step(0.3, 30, 0.9)(t), mpmath.mpf(0.3) * mpmath.mpf(0.9) ** (t // 30), ulp=2)


def test_step_by_hand():
    assert [step(1.0, 2)(t) for t in range(6)] == [1.0, 1.0, 0.1, 0.1, 0.1**2, 0.1**2]


@pytest.mark.parametrize("t", STEPS)
@pytest.mark.parametrize("gamma", [0.5, 0.97, 1.0, 1.01])
def test_exponential_against_mpmath(t, gamma):
    assert_close(exponential(0.3, gamma)(t), mpmath.mpf(0.3) * mpmath.mpf(gamma) ** t, ulp=2)


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
    reference = mpmath.mpf(value) * mpmath.mpf(gamma) ** t
    assert sys.float_info.min < abs(reference) < sys.float_info.max
    assert_close(exponential(value, gamma)(t), reference, ulp=8)
    assert_close(step(value, 3, gamma)(3 * t + 2), reference, ulp=8)


def test_zero_stays_zero_however_long_it_grows():
    assert exponential(0.0, 2.0)(10**6) == 0.0
    assert exponential(1.0, 0.5)(10**6) == 0.0


@pytest.mark.parametrize(("value", "gamma", "t"), [(1.0, 2.0, 1024), (-1.0, 2.0, 10**6), (1e300, 10.0, 9)])
def test_growth_beyond_float64_is_an_error(value, gamma, t):
    came = "inf" if value > 0 else "-inf"
    with refused(ValueError, f"schedules.exponential: value must be finite, got {came} at step {t}"):
        exponential(value, gamma)(t)


@pytest.mark.parametrize("t", STEPS)
@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.5])
def test_inverse_time_against_mpmath(t, power):
    base = 1 + mpmath.mpf(0.01) * t / 7
    assert_close(inverse_time(0.3, 0.01, 7, power)(t), mpmath.mpf(0.3) / base ** mpmath.mpf(power), ulp=6)


def test_inverse_time_by_hand():
    assert [inverse_time(1.0, 1.0)(t) for t in range(4)] == [1.0, 1 / 2, 1 / 3, 1 / 4]
    assert [inverse_time(1.0, 0.5, 2, 0.5)(t) for t in (0, 12, 32, 60)] == [1.0, 0.5, 1 / 3, 0.25]


def test_inverse_time_with_a_power_beyond_float64():
    reference = mpmath.mpf(1e300) / (1 + mpmath.mpf(1e200)) ** 2
    assert_close(inverse_time(1e300, 1e200, power=2)(1), reference, ulp=8)


@pytest.mark.parametrize("t", [0, 1, 2, 49, 50, 51, 98, 99, 100])
@pytest.mark.parametrize("final", [0.0, 0.01, 0.7, -0.3])
def test_cosine_against_mpmath(t, final):
    v, f = mpmath.mpf(0.3), mpmath.mpf(final)
    reference = f + (v - f) * (1 + mpmath.cos(mpmath.pi * t / 100)) / 2
    got = cosine(0.3, 100, final)(t)
    assert type(got) is float
    assert abs(mpmath.mpf(got) - reference) <= 2 * math.ulp(max(0.3, abs(final)))


@pytest.mark.parametrize("t", [1, 10**6 - 1, 10**6 - 1000, 500_001])
def test_cosine_keeps_its_digits_near_the_end(t):
    reference = mpmath.mpf(0.3) * (1 + mpmath.cos(mpmath.pi * t / 10**6)) / 2
    assert_close(cosine(0.3, 10**6)(t), reference, ulp=4)


@pytest.mark.parametrize("n", [1, 2, 3, 100, 101])
def test_cosine_has_exact_ends_falls_all_the_way_and_stays(n):
    schedule = cosine(0.3, n, 0.1)
    values = [schedule(t) for t in range(n + 1)]
    assert values[0] == 0.3
    assert values[-1] == 0.1
    assert all(late < early for early, late in pairwise(values))
    assert [schedule(t) for t in (n + 1, 2 * n, 10**9)] == [0.1] * 3


def test_cosine_may_climb_and_may_be_level():
    assert cosine(0.1, 10, 0.9)(3) > cosine(0.1, 10, 0.9)(2) > 0.1
    assert {cosine(0.3, 7, 0.3)(t) for t in range(10)} == {0.3}
    assert cosine(0.001, 10, 0.1)(0) == 0.001 != 0.1 + (0.001 - 0.1)


def test_warmup_climbs_then_follows_from_the_beginning():
    inner = exponential(0.8, 0.5)
    schedule = warmup(inner, 4, start=0.4)
    assert [schedule(t) for t in range(4)] == pytest.approx([0.4, 0.5, 0.6, 0.7], rel=1e-15)
    assert [schedule(t) for t in range(4, 9)] == [inner(t) for t in range(5)]


def test_warmup_of_a_number_and_of_no_steps():
    assert [warmup(0.5, 2)(t) for t in range(4)] == [0.0, 0.25, 0.5, 0.5]
    assert [warmup(exponential(0.5, 0.5), 0, start=9.0)(t) for t in range(3)] == [0.5, 0.25, 0.125]


def test_join_starts_each_schedule_at_its_boundary():
    first, second = exponential(1.0, 0.5), exponential(8.0, 0.25)
    schedule = join([first, second, 3], [2, 5])
    assert [schedule(t) for t in range(8)] == [1.0, 0.5, 8.0, 2.0, 0.5, 3.0, 3.0, 3.0]
    assert join([first], [])(3) == 0.125
    assert join((0.5, 0.25), np.array([4]))(4) == 0.25


def test_functions_of_ones_own_are_schedules():
    assert warmup(lambda t: 1 / (1 + t), 2)(3) == 0.5
    assert join([0.1, np.float32], [10])(13) == 3.0
    assert type(join([np.float32], [])(3)) is float


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda f: warmup(f, 2), "schedules.warmup: schedule(1) must be finite, got nan"),
        (lambda f: join([f], []), "schedules.join: schedules[0](3) must be finite, got nan"),
        (lambda f: join([0.1, f], [1]), "schedules.join: schedules[1](2) must be finite, got nan"),
    ],
)
def test_functions_of_ones_own_must_give_finite_numbers(make, message):
    with refused(ValueError, message):
        make(lambda _: math.nan)(3)
    with refused(TypeError, message.replace("must be finite, got nan", "must be a real number, got str")):
        make(lambda _: "a")(3)


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: constant("a"), TypeError, "schedules.constant: value must be a real number, got str"),
        (lambda: constant(math.inf), ValueError, "schedules.constant: value must be finite, got inf"),
        (lambda: step(True, 1), TypeError, "schedules.step: value must be a real number, got bool"),
        (lambda: step(0.1, 0), ValueError, "schedules.step: step_size must be an integer >= 1, got 0"),
        (lambda: step(0.1, 2.0), TypeError, "schedules.step: step_size must be an integer >= 1, got float"),
        (lambda: step(0.1, 1, -0.1), ValueError, "schedules.step: gamma must be non-negative and finite, got -0.1"),
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
        (lambda: cosine("a", 1), TypeError, "schedules.cosine: value must be a real number, got str"),
        (lambda: cosine(0.1, 0), ValueError, "schedules.cosine: total_steps must be an integer >= 1, got 0"),
        (lambda: cosine(0.1, 1, math.nan), ValueError, "schedules.cosine: final must be finite, got nan"),
        (
            lambda: warmup("a", 1),
            TypeError,
            "schedules.warmup: schedule must be a real number or a schedule (a callable of the step), got str",
        ),
        (lambda: warmup(math.nan, 1), ValueError, "schedules.warmup: schedule must be finite, got nan"),
        (lambda: warmup(0.1, -1), ValueError, "schedules.warmup: steps must be an integer >= 0, got -1"),
        (lambda: warmup(0.1, 1, math.inf), ValueError, "schedules.warmup: start must be finite, got inf"),
        (lambda: join([], []), ValueError, "schedules.join: schedules must be at least one schedule, got none"),
        (lambda: join(0.1, []), TypeError, "schedules.join: schedules must be a sequence, got float"),
        (lambda: join([1, 2], 10), TypeError, "schedules.join: boundaries must be a sequence, got int"),
        (
            lambda: join([1, None], [10]),
            TypeError,
            "schedules.join: schedules[1] must be a real number or a schedule (a callable of the step), got NoneType",
        ),
        (lambda: join([1, 2], [1.0]), TypeError, "schedules.join: boundaries[0] must be an integer >= 1, got float"),
        (lambda: join([1, 2], [0]), ValueError, "schedules.join: boundaries[0] must be an integer >= 1, got 0"),
        (
            lambda: join([1, 2], [3, 4]),
            ValueError,
            "schedules.join: boundaries must be one fewer than schedules, got 2 for 2",
        ),
        (lambda: join([1, 2, 3], [4, 4]), ValueError, "schedules.join: boundaries must increase, got [4, 4]"),
        (
            lambda: as_schedule("SGD", "lr", "a"),
            TypeError,
            "SGD: lr must be a real number or a schedule (a callable of the step), got str",
        ),
    ],
)
def test_arguments_are_refused_when_it_is_made(make, kind, message):
    with refused(kind, message):
        make()


def test_as_schedule_keeps_a_schedule_and_wraps_a_number():
    schedule = cosine(0.1, 10)
    assert as_schedule("SGD", "lr", schedule) is schedule
    assert as_schedule("SGD", "lr", 1) == constant(1.0)
