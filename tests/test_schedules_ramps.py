"""Ramps: values against mpmath, exact ends, digits kept near both of them, and every message word for word."""

import math
from itertools import pairwise

import pytest

from fastloa.schedules import cosine, linear, polynomial, wsd
from tests.scalars import assert_close, mp, refused

# How much is left of a ramp when a share x of the time is over, from the definitions.
SHAPES = {
    "linear": lambda x: 1 - x,
    "cosine": lambda x: (1 + mp.cos(mp.pi * x)) / 2,
    "sqrt": lambda x: 1 - mp.sqrt(x),
    "square": lambda x: 1 - x**2,
}

RAMPS = {
    "linear": lambda value, n, final=0.0: linear(value, final, n),
    "polynomial 0.01": lambda value, n, final=0.0: polynomial(value, n, 0.01, final),
    "polynomial 0.5": lambda value, n, final=0.0: polynomial(value, n, 0.5, final),
    "polynomial 1": lambda value, n, final=0.0: polynomial(value, n, 1.0, final),
    "polynomial 2.7": lambda value, n, final=0.0: polynomial(value, n, 2.7, final),
    "cosine": lambda value, n, final=0.0: cosine(value, n, final),
    "wsd linear": lambda value, n, final=0.0: wsd(value, 0, 0, n, final),
    "wsd cosine": lambda value, n, final=0.0: wsd(value, 0, 0, n, final, "cosine"),
    "wsd sqrt": lambda value, n, final=0.0: wsd(value, 0, 0, n, final, "sqrt"),
    "wsd square": lambda value, n, final=0.0: wsd(value, 0, 0, n, final, "square"),
}
LEFT = {
    "linear": SHAPES["linear"],
    "polynomial 0.01": lambda x: (1 - x) ** mp.mpf(0.01),
    "polynomial 0.5": lambda x: mp.sqrt(1 - x),
    "polynomial 1": lambda x: 1 - x,
    "polynomial 2.7": lambda x: (1 - x) ** mp.mpf(2.7),
    "cosine": SHAPES["cosine"],
    **{f"wsd {shape}": left for shape, left in SHAPES.items()},
}
MILLION = 10**6
PLACES = [1, 2, 1000, 333_333, 499_999, 500_000, 500_001, 654_321, MILLION - 1000, MILLION - 2, MILLION - 1]


@pytest.mark.parametrize("name", RAMPS)
class TestEveryRamp:
    @pytest.mark.parametrize(("value", "final"), [(0.3, 0.0), (0.3, 1e-9), (1e-9, 0.3), (0.0, 0.3), (-0.3, -0.7)])
    def test_every_digit_is_right_between_values_of_one_sign(self, name, value, final):
        v, f = mp.mpf(value), mp.mpf(final)
        for t in PLACES:
            reference = f + (v - f) * LEFT[name](mp.mpf(t) / MILLION)
            assert_close(RAMPS[name](value, MILLION, final)(t), reference, ulp=6)

    def test_values_through_zero_are_as_right_as_their_ends(self, name):
        v, f = mp.mpf(0.3), mp.mpf(-0.7)
        for t in PLACES:
            reference = f + (v - f) * LEFT[name](mp.mpf(t) / MILLION)
            assert_close(RAMPS[name](0.3, MILLION, -0.7)(t), reference, ulp=3, scale=0.7)

    @pytest.mark.parametrize("n", [2**60, 2**62])
    def test_digits_are_kept_over_any_number_of_steps(self, name, n):
        for t in (1, 12345, n // 3, n // 2 + 1, n - 12345, n - 1):
            reference = mp.mpf(0.3) * LEFT[name](mp.mpf(t) / n)
            assert_close(RAMPS[name](0.3, n)(t), reference, ulp=6)

    @pytest.mark.parametrize("n", [1, 2, 3, 100, 101])
    def test_ends_are_exact_and_it_falls_all_the_way_and_stays(self, name, n):
        schedule = RAMPS[name](0.3, n, 0.1)
        values = [schedule(t) for t in range(n + 1)]
        assert values[0] == 0.3
        assert values[-1] == 0.1
        assert all(late < early for early, late in pairwise(values))
        assert [schedule(t) for t in (n + 1, 2 * n, 10**9, 2**62)] == [0.1] * 4

    def test_it_may_climb_and_may_be_level(self, name):
        climbing = [RAMPS[name](0.001, 10, 0.1)(t) for t in range(11)]
        assert all(late > early for early, late in pairwise(climbing))
        assert climbing[0] == 0.001 != 0.1 + (0.001 - 0.1)
        assert climbing[-1] == 0.1
        assert {RAMPS[name](0.3, 7, 0.3)(t) for t in range(10)} == {0.3}

    def test_ends_may_lie_at_the_ends_of_float64(self, name):
        v = mp.mpf(1.7e308)
        for t in (0, 1, 50, 51, 99, 100):
            reference = -v + 2 * v * LEFT[name](mp.mpf(t) / 100)
            assert_close(RAMPS[name](1.7e308, 100, -1.7e308)(t), reference, ulp=4, scale=1.7e308)


def test_linear_by_hand():
    assert [linear(1, 3, 4)(t) for t in range(7)] == [1.0, 1.5, 2.0, 2.5, 3.0, 3.0, 3.0]
    assert [linear(-1.0, 1.0, 2)(t) for t in range(4)] == [-1.0, 0.0, 1.0, 1.0]


def test_cosine_by_hand():
    assert [cosine(1.0, 6)(t) for t in (0, 2, 4, 6)] == pytest.approx([1.0, 0.75, 0.25, 0.0], rel=1e-15)


def test_polynomial_by_hand():
    assert [polynomial(1.0, 4, 2)(t) for t in range(6)] == [1.0, 9 / 16, 4 / 16, 1 / 16, 0.0, 0.0]
    assert [polynomial(2.0, 4, 0.5, 1.0)(t) for t in (0, 3, 4, 5)] == [2.0, 1.5, 1.0, 1.0]
    ramps = [(polynomial(0.3, 17, 1, 0.1)(t), linear(0.3, 0.1, 17)(t)) for t in range(20)]
    assert all(got == pytest.approx(other, rel=1e-15) for got, other in ramps)


@pytest.mark.parametrize("t", [0, 1, 6, 7, 8, 13, 14, 15, 20, 21, 22, 699, 700, 701, 12345, 2**61])
@pytest.mark.parametrize("power", [0.5, 1.0, 3.0])
def test_polynomial_cycles_as_in_keras(t, power):
    v, f, n = mp.mpf(0.3), mp.mpf(0.01), 7
    whole = n * (1 if t == 0 else mp.ceil(mp.mpf(t) / n))
    reference = (v - f) * (1 - t / whole) ** mp.mpf(power) + f
    assert_close(polynomial(0.3, n, power, 0.01, cycle=True)(t), reference, ulp=6)


@pytest.mark.parametrize(
    ("value", "final", "power", "t"), [(1e300, 0.0, 2000.0, 50), (1e300, 1e-5, 2000.0, 50), (-1e200, 0.0, 160.0, 99)]
)
def test_polynomial_keeps_products_whose_power_is_beyond_float64(value, final, power, t):
    share = mp.mpf(100 - t) / 100
    reference = final + (mp.mpf(value) - final) * share ** mp.mpf(power)
    # the share is rounded before it is raised to the power
    assert_close(polynomial(value, 100, power, final)(t), reference, ulp=power)


@pytest.mark.parametrize("decay", SHAPES)
@pytest.mark.parametrize("final", [0.0, 0.01, 0.5])
def test_wsd_climbs_stays_and_decays(decay, final):
    schedule = wsd(0.3, 10, 20, 40, final, decay)
    assert schedule(0) == 0.0
    for t in range(1, 10):
        assert_close(schedule(t), mp.mpf(0.3) * t / 10, ulp=2)
    assert {schedule(t) for t in range(10, 31)} == {0.3}
    for t in range(31, 70):
        x = mp.mpf(t - 30) / 40
        assert_close(schedule(t), final + (mp.mpf(0.3) - mp.mpf(final)) * SHAPES[decay](x), ulp=4)
    assert {schedule(t) for t in (70, 71, 10**9)} == {final}


def test_wsd_by_hand():
    assert [wsd(1.0, 2, 1, 4)(t) for t in range(9)] == [0.0, 0.5, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    assert [wsd(1.0, 0, 0, 4, decay="square")(t) for t in range(5)] == [1.0, 15 / 16, 12 / 16, 7 / 16, 0.0]
    assert [wsd(1.0, 0, 0, 4, decay="sqrt")(t) for t in (0, 1, 4)] == [1.0, 0.5, 0.0]
    assert [wsd(1.0, 1, 0, 1, 0.25)(t) for t in range(3)] == [0.0, 1.0, 0.25]


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: linear("a", 0.1, 1), TypeError, "schedules.linear: value must be a real number, got str"),
        (lambda: linear(0.1, math.nan, 1), ValueError, "schedules.linear: final must be finite, got nan"),
        (lambda: linear(0.1, 0.2, 0), ValueError, "schedules.linear: total_steps must be an integer >= 1, got 0"),
        (lambda: linear(0.1, 0.2, 1.0), TypeError, "schedules.linear: total_steps must be an integer >= 1, got float"),
        (lambda: polynomial([1], 1), TypeError, "schedules.polynomial: value must be a real number, got list"),
        (lambda: polynomial(0.1, 0), ValueError, "schedules.polynomial: total_steps must be an integer >= 1, got 0"),
        (lambda: polynomial(0.1, 1, 0), ValueError, "schedules.polynomial: power must be positive and finite, got 0"),
        (
            lambda: polynomial(0.1, 1, math.inf),
            ValueError,
            "schedules.polynomial: power must be positive and finite, got inf",
        ),
        (
            lambda: polynomial(0.1, 1, 1, None),
            TypeError,
            "schedules.polynomial: final must be a real number, got NoneType",
        ),
        (
            lambda: polynomial(0.1, 1, cycle=1),
            TypeError,
            "schedules.polynomial: cycle must be True or False, got int",
        ),
        (lambda: cosine("a", 1), TypeError, "schedules.cosine: value must be a real number, got str"),
        (lambda: cosine(0.1, 0), ValueError, "schedules.cosine: total_steps must be an integer >= 1, got 0"),
        (lambda: cosine(0.1, 1, math.nan), ValueError, "schedules.cosine: final must be finite, got nan"),
        (lambda: wsd(math.inf, 1, 1, 1), ValueError, "schedules.wsd: value must be finite, got inf"),
        (lambda: wsd(0.1, -1, 1, 1), ValueError, "schedules.wsd: warmup_steps must be an integer >= 0, got -1"),
        (lambda: wsd(0.1, 1, 0.5, 1), TypeError, "schedules.wsd: stable_steps must be an integer >= 0, got float"),
        (lambda: wsd(0.1, 1, 1, 0), ValueError, "schedules.wsd: decay_steps must be an integer >= 1, got 0"),
        (lambda: wsd(0.1, 1, 1, 1, "a"), TypeError, "schedules.wsd: final must be a real number, got str"),
        (
            lambda: wsd(0.1, 1, 1, 1, 0.0, "1-sqrt"),
            ValueError,
            "schedules.wsd: decay must be 'linear', 'cosine', 'sqrt' or 'square', got '1-sqrt'",
        ),
    ],
)
def test_arguments_are_refused_when_it_is_made(make, kind, message):
    with refused(kind, message):
        make()
