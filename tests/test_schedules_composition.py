"""Schedules made of schedules: by hand, with functions of one's own, and every message word for word."""

import itertools
import math

import numpy as np
import pytest

from fastloa.schedules import constant, cosine, exponential, join, linear, multiply, step, warmup
from tests.scalars import assert_close, mp, refused


def test_warmup_climbs_then_follows_from_the_beginning():
    inner = exponential(0.8, 0.5)
    schedule = warmup(inner, 4, start=0.4)
    assert [schedule(t) for t in range(4)] == pytest.approx([0.4, 0.5, 0.6, 0.7], rel=1e-15)
    assert [schedule(t) for t in range(4, 9)] == [inner(t) for t in range(5)]


def test_warmup_of_a_number_and_of_no_steps():
    assert [warmup(0.5, 2)(t) for t in range(4)] == [0.0, 0.25, 0.5, 0.5]
    assert [warmup(exponential(0.5, 0.5), 0, start=9.0)(t) for t in range(3)] == [0.5, 0.25, 0.125]


@pytest.mark.parametrize("start", [0.0, 1e-9, 0.3, 7.0])
@pytest.mark.parametrize("t", [0, 1, 33, 499, 500, 501, 998, 999])
def test_warmup_against_mpmath(t, start):
    a, v = mp.mpf(start), mp.mpf(0.1)
    assert_close(warmup(0.1, 1000, start)(t), a + (v - a) * t / 1000, ulp=2)


def test_join_starts_each_schedule_at_its_boundary():
    first, second = exponential(1.0, 0.5), exponential(8.0, 0.25)
    schedule = join([first, second, 3], [2, 5])
    assert [schedule(t) for t in range(8)] == [1.0, 0.5, 8.0, 2.0, 0.5, 3.0, 3.0, 3.0]
    assert join([first], [])(3) == 0.125
    assert join((0.5, 0.25), np.array([4]))(4) == 0.25


def test_multiply_gives_the_product_at_the_same_step():
    schedule = multiply(0.5, exponential(1.0, 0.5), step(1.0, 2, 0.25))
    assert [schedule(t) for t in range(4)] == [0.5, 0.25, 0.5**5, 0.5**6]
    assert [multiply(cosine(0.3, 9))(t) for t in range(12)] == [cosine(0.3, 9)(t) for t in range(12)]
    assert multiply(-0.5, 0.0, 3)(0) == 0.0
    assert multiply(2, 3) == multiply(constant(2.0), constant(3.0)) != multiply(3, 2)


def test_multiply_against_mpmath():
    parts = [0.3, 1e-3, 7.7, -0.9]
    assert_close(multiply(*parts)(5), mp.mpf(0.3) * mp.mpf(1e-3) * mp.mpf(7.7) * mp.mpf(-0.9), ulp=2)


@pytest.mark.parametrize("parts", list(itertools.permutations([1e300, 1e200, 3e-250, 1e-245])))
def test_multiply_reaches_every_product_that_float64_holds(parts):
    reference = mp.mpf(1e300) * mp.mpf(1e200) * mp.mpf(3e-250) * mp.mpf(1e-245)
    assert_close(multiply(*parts)(0), reference, ulp=2)
    assert multiply(5e-324, 2.0**1000, 2.0**74)(0) == 1.0
    assert multiply(2.0**-1000, 2.0**-74)(0) == 5e-324
    assert multiply(*[0.5] * 2000, *[2.0] * 2000)(0) == 1.0
    assert multiply(2.0**-1000, 2.0**-76)(0) == 0.0


@pytest.mark.parametrize(("sign", "came"), [(1, "inf"), (-1, "-inf")])
def test_multiply_beyond_float64_is_an_error(sign, came):
    with refused(ValueError, f"schedules.multiply: value must be finite, got {came} at step 7"):
        multiply(1e200, sign * 1e200)(7)


def test_schedules_nest():
    schedule = warmup(multiply(2, join([linear(1.0, 0.5, 4), 0.25], [4])), 2)
    assert [schedule(t) for t in range(8)] == [0.0, 1.0, 2.0, 1.75, 1.5, 1.25, 0.5, 0.5]


def test_functions_of_ones_own_are_schedules():
    assert warmup(lambda t: 1 / (1 + t), 2)(3) == 0.5
    assert join([0.1, np.float32], [10])(13) == 3.0
    assert type(join([np.float32], [])(3)) is float
    assert multiply(lambda t: 1 / (1 + t), np.float32)(3) == 0.75


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda f: warmup(f, 2), "schedules.warmup: schedule(1) must be finite, got nan"),
        (lambda f: join([f], []), "schedules.join: schedules[0](3) must be finite, got nan"),
        (lambda f: join([0.1, f], [1]), "schedules.join: schedules[1](2) must be finite, got nan"),
        (lambda f: multiply(0.1, f), "schedules.multiply: schedules[1](3) must be finite, got nan"),
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
        (lambda: multiply(), ValueError, "schedules.multiply: schedules must be at least one schedule, got none"),
        (
            lambda: multiply(1, [2]),
            TypeError,
            "schedules.multiply: schedules[1] must be a real number or a schedule (a callable of the step), got list",
        ),
        (lambda: multiply(math.inf), ValueError, "schedules.multiply: schedules[0] must be finite, got inf"),
    ],
)
def test_arguments_are_refused_when_it_is_made(make, kind, message):
    with refused(kind, message):
        make()
