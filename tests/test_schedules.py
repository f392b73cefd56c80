"""What holds of every schedule: it prints, pickles, compares, forgets nothing and bears the largest steps."""

import math
import pickle

import numpy as np
import pytest

from fastloa import schedules
from fastloa.schedules import (
    constant,
    cosine,
    cosine_restarts,
    cyclic,
    exponential,
    inverse_sqrt,
    inverse_time,
    join,
    linear,
    multiply,
    multistep,
    one_cycle,
    polynomial,
    step,
    warmup,
    wsd,
)
from fastloa.schedules.schedule import as_schedule
from tests.scalars import refused

STEPS = [0, 1, 2, 3, 7, 29, 30, 31, 99, 100, 101, 12345]
LARGE = [2**31, 2**53 - 1, 2**53 + 1, 2**61 + 12345, 2**62 - 1, 2**62]

EXAMPLES = {
    "constant": (constant(0.1), "schedules.constant(value=0.1)"),
    "step": (step(0.1, 30, 0.5), "schedules.step(value=0.1, step_size=30, gamma=0.5)"),
    "multistep": (multistep(0.1, [30, 80]), "schedules.multistep(value=0.1, milestones=(30, 80), gamma=0.1)"),
    "exponential": (exponential(0.1, 0.99), "schedules.exponential(value=0.1, gamma=0.99)"),
    "inverse_time": (
        inverse_time(0.1, 0.01, 10, 0.5),
        "schedules.inverse_time(value=0.1, decay_rate=0.01, decay_steps=10, power=0.5)",
    ),
    "inverse_sqrt": (inverse_sqrt(0.1, 40), "schedules.inverse_sqrt(value=0.1, warmup_steps=40)"),
    "linear": (linear(0.1, 0.01, 100), "schedules.linear(value=0.1, final=0.01, total_steps=100)"),
    "polynomial": (
        polynomial(0.1, 100, 2, cycle=True),
        "schedules.polynomial(value=0.1, total_steps=100, power=2.0, final=0.0, cycle=True)",
    ),
    "cosine": (cosine(0.1, 100), "schedules.cosine(value=0.1, total_steps=100, final=0.0)"),
    "cosine_restarts": (
        cosine_restarts(0.1, 7, 2),
        "schedules.cosine_restarts(value=0.1, first_period=7, factor=2, final=0.0)",
    ),
    "one_cycle": (
        one_cycle(0.1, 100),
        "schedules.one_cycle(max_value=0.1, total_steps=100, pct_start=0.3, anneal='cosine', div_factor=25.0, "
        "final_div_factor=10000.0, three_phase=False)",
    ),
    "cyclic": (
        cyclic(0.01, 0.1, 7),
        "schedules.cyclic(base=0.01, top=0.1, step_size_up=7, step_size_down=7, mode='triangular', gamma=1.0)",
    ),
    "wsd": (
        wsd(0.1, 10, 50, 40, decay="sqrt"),
        "schedules.wsd(value=0.1, warmup_steps=10, stable_steps=50, decay_steps=40, final=0.0, decay='sqrt')",
    ),
    "warmup": (
        warmup(cosine(0.1, 100), 10),
        "schedules.warmup(schedule=schedules.cosine(value=0.1, total_steps=100, final=0.0), steps=10, start=0.0)",
    ),
    "join": (
        join([1, exponential(0.1, 0.5)], [5]),
        "schedules.join(schedules=(schedules.constant(value=1.0), schedules.exponential(value=0.1, gamma=0.5)), "
        "boundaries=(5,))",
    ),
    "multiply": (
        multiply(2, exponential(0.1, 0.5)),
        "schedules.multiply(schedules.constant(value=2.0), schedules.exponential(value=0.1, gamma=0.5))",
    ),
}

# Arguments at the ends of what a schedule takes; its values stay within float64 all the same.
EXTREMES = [
    step(1e308, 1, 1 - 2**-53),
    step(-1e308, 2**62, 0.0),
    multistep(1e308, [1] * 1000 + [2**62], 1e-3),
    exponential(5e-324, 1 - 2**-53),
    exponential(1.0, 1.0),
    exponential(0.0, 1e308),
    inverse_time(1e308, 1e308, 1, 1e3),
    inverse_time(1e308, 1e308, 2**62, 1e-3),
    inverse_sqrt(1e308, 2**62),
    linear(1.7e308, -1.7e308, 2**62),
    polynomial(1.7e308, 2**62, 1e-3, -1.7e308),
    polynomial(1e308, 2**62, 1e308),
    polynomial(1e308, 3, 1e-308, cycle=True),
    cosine(1.7e308, 2**62, -1.7e308),
    cosine_restarts(1.7e308, 1, 2, -1.7e308),
    cosine_restarts(0.1, 2**62 - 1, 2**62),
    one_cycle(1e308, 2**62, div_factor=1e308, final_div_factor=1e308),
    one_cycle(1e-308, 2**62, 1.0, "linear", 1e-300, 1e-300, True),
    one_cycle(0.1, 1, 1.0),
    one_cycle(0.1, 2**62, 0.0),
    cyclic(-8e307, 8e307, 2**62, 1),
    cyclic(0.0, 1e308, 1, 2**62, "triangular2"),
    cyclic(1.0, 1e308, 3, 5, "exp_range", 0.0),
    cyclic(1.0, 1.0, 3, 5, "exp_range", 1e308),
    wsd(1.7e308, 2**61, 0, 2**61, -1.7e308, "sqrt"),
    wsd(0.1, 0, 2**62, 1),
    warmup(1.7e308, 2**62, -1.7e308),
    multiply(1e308, 1e-308, 1e308, 1e-308),
]


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

    def test_bears_the_largest_steps(self, example):
        schedule, _ = example
        assert all(0.0 <= schedule(t) <= 2.0 for t in LARGE)

    @pytest.mark.parametrize(
        ("bad", "kind", "came"),
        [(-1, ValueError, "-1"), (1.0, TypeError, "float"), (True, TypeError, "bool"), (None, TypeError, "NoneType")],
    )
    def test_refuses_what_is_no_step(self, example, bad, kind, came):
        schedule, text = example
        with refused(kind, f"{text.partition('(')[0]}: step must be an integer >= 0, got {came}"):
            schedule(bad)


@pytest.mark.parametrize("schedule", EXTREMES, ids=repr)
def test_extreme_arguments_give_numbers_at_every_step(schedule):
    assert all(math.isfinite(schedule(t)) for t in STEPS + LARGE)


def test_all_examples_are_here():
    made = {name for name in schedules.__all__ if name not in {"Schedule", "plateau"}}
    assert made == set(EXAMPLES)


def test_all_names_exist_once():
    assert len(set(schedules.__all__)) == len(schedules.__all__)
    assert all(hasattr(schedules, name) for name in schedules.__all__)


def test_constant():
    assert [constant(np.float32(0.5))(t) for t in STEPS] == [0.5] * len(STEPS)


def test_as_schedule_keeps_a_schedule_and_wraps_a_number():
    schedule = cosine(0.1, 10)
    assert as_schedule("SGD", "lr", schedule) is schedule
    assert as_schedule("SGD", "lr", 1) == constant(1.0)


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: constant("a"), TypeError, "schedules.constant: value must be a real number, got str"),
        (lambda: constant(math.inf), ValueError, "schedules.constant: value must be finite, got inf"),
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
