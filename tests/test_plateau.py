"""Plateau: a table by hand, what counts as better, resuming, and every message word for word."""

import itertools
import math

import numpy as np
import pytest

from fastloa import schedules
from fastloa.schedules import plateau
from tests.scalars import refused

# With patience 2, factor 1/2, cooldown 1 and a threshold of 1/8 of the best: the loss, then what it makes of the best
# loss, of the number of bad ones and of the value, from the definition.
TABLE = [
    (8.0, 8.0, 0, 1.0),  # any loss is better than none
    (7.5, 8.0, 1, 1.0),  # 7 or more is no improvement
    (7.0, 8.0, 2, 1.0),
    (6.9, 6.9, 0, 1.0),  # in time
    (6.9, 6.9, 1, 1.0),
    (9.0, 6.9, 2, 1.0),
    (6.5, 6.9, 3, 0.5),  # the third in a row: halved
    (7.0, 6.9, 0, 0.5),  # resting
    (7.0, 6.9, 1, 0.5),
    (7.0, 6.9, 2, 0.5),
    (math.nan, 6.9, 3, 0.25),
    (2.0, 2.0, 0, 0.25),  # an improvement counts while resting too
    (2.0, 2.0, 1, 0.25),
    (math.inf, 2.0, 2, 0.25),
    (1.0, 1.0, 0, 0.25),
]


@pytest.mark.parametrize("n", range(len(TABLE) + 1))
def test_plateau_by_hand(n):
    value = plateau(1.0, [loss for loss, *_ in TABLE[:n]], 0.5, 2, 0.125, cooldown=1)
    assert value == (TABLE[n - 1][-1] if n else 1.0)


def test_the_table_is_right():
    best, bad, value, resting = math.inf, 0, 1.0, False
    for loss, *after in TABLE:
        better = loss < best - best / 8 if best < math.inf else True
        best, bad = (loss, 0) if better else (best, 0 if resting else bad + 1)
        resting = bad == 3
        value /= 2 if resting else 1
        assert after == [best, bad, value]
        bad = 0 if resting else bad


@pytest.mark.parametrize("value", [0.1, -0.1, 0.0, 3])
def test_no_losses_and_falling_losses_leave_the_value(value):
    assert plateau(value, []) == value
    assert plateau(value, range(1000, 0, -1)) == value
    assert plateau(value, range(1000), mode="max") == value
    assert type(plateau(value, [1])) is float


def test_each_patience_multiplies_once_more():
    losses = [1.0] * 100
    assert [plateau(1.0, losses[:n], 0.5, 3) for n in (4, 5, 8, 9, 13)] == [1.0, 0.5, 0.5, 0.25, 0.125]
    assert [plateau(1.0, losses[:n], 0.5, 0) for n in (1, 2, 3, 4)] == [1.0, 0.5, 0.25, 0.125]
    assert [plateau(1.0, losses[:n], 0.5, 0, cooldown=2) for n in (1, 2, 3, 4, 5, 8)] == [1, 0.5, 0.5, 0.5, 0.25, 0.125]


def test_the_value_stops_at_its_least_and_at_changes_too_small():
    losses = [1.0] * 100
    assert plateau(1.0, losses, 0.5, 0, min_value=0.3) == 0.3
    assert plateau(0.2, losses, 0.5, 0, min_value=0.3) == 0.2
    assert plateau(1.0, losses, 0.5, 0, eps=0.1) == 0.125
    assert plateau(1.0, losses, 0.5, 0, eps=0.124) == 0.125
    assert plateau(1.0, losses, 0.5, 0, eps=0.125) == 0.25
    assert plateau(1.0, losses, 0.0, 0) == 0.0
    assert plateau(1.0, losses, 0.5, 0, eps=0.0) == 2.0**-99


@pytest.mark.parametrize(
    ("mode", "threshold_mode", "best", "bar"),
    [
        ("min", "rel", 4.0, 3.0),
        ("min", "abs", 4.0, 3.75),
        ("max", "rel", 4.0, 5.0),
        ("max", "abs", 4.0, 4.25),
        ("min", "rel", -4.0, -3.0),
        ("min", "abs", -4.0, -4.25),
        ("max", "rel", -4.0, -5.0),
        ("max", "abs", -4.0, -3.75),
    ],
)
def test_a_loss_must_pass_the_bar(mode, threshold_mode, best, bar):
    options = {"patience": 0, "factor": 0.5, "threshold": 0.25, "threshold_mode": threshold_mode, "mode": mode}
    beyond = math.nextafter(bar, -math.inf if mode == "min" else math.inf)
    assert plateau(1.0, [best, bar], **options) == 0.5
    assert plateau(1.0, [best, beyond], **options) == 1.0


def test_nan_is_no_improvement_and_infinities_are_compared():
    assert plateau(1.0, [math.nan] * 3, 0.5, 0) == 0.125
    assert plateau(1.0, [math.inf, 1.0], 0.5, 0) == 0.5
    assert plateau(1.0, [-math.inf, -math.inf], 0.5, 0) == 0.5
    assert plateau(1.0, [-math.inf, 1.0, math.inf], 0.5, 0, mode="max") == 0.5
    assert plateau(1.0, [1.0, -(10**400)], 0.5, 0) == 1.0
    assert plateau(1.0, [1.0, 10**400], 0.5, 0) == 0.5


def test_losses_may_be_any_sequence_of_real_numbers():
    losses = [3.0, 2.0, 2.0, 2.0, 1.0, 1.0]
    expected = plateau(1.0, losses, 0.5, 1)
    assert expected == 0.5
    assert plateau(1.0, tuple(losses), 0.5, 1) == expected
    assert plateau(1.0, np.array(losses, np.float32), 0.5, 1) == expected
    assert plateau(1.0, [np.float16(loss) for loss in losses], 0.5, 1) == expected
    assert plateau(1.0, [np.array(loss) for loss in losses], 0.5, 1) == expected
    assert plateau(1.0, np.array([math.nan, math.inf], np.float32), 0.5, 0) == 0.25


def test_it_follows_a_list_as_a_schedule_does():
    seen = []
    lr = schedules.warmup(lambda _: plateau(0.5, seen, 0.5, 1), 2)
    assert [lr(t) for t in range(4)] == [0.0, 0.25, 0.5, 0.5]
    seen.extend([1.0, 1.0, 1.0])
    assert [lr(t) for t in range(4)] == [0.0, 0.125, 0.25, 0.25]


def test_a_long_history_is_walked_through_once():
    losses = itertools.chain([1.0], itertools.repeat(2.0, 10**5))
    assert plateau(1.0, losses, 0.5, 10**5 - 1) == 0.5


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: plateau("a", []), TypeError, "schedules.plateau: value must be a real number, got str"),
        (lambda: plateau(math.inf, []), ValueError, "schedules.plateau: value must be finite, got inf"),
        (lambda: plateau(1, 0.5), TypeError, "schedules.plateau: losses must be a sequence, got float"),
        (lambda: plateau(1, [0.5, "a"]), TypeError, "schedules.plateau: losses[1] must be a real number, got str"),
        (
            lambda: plateau(1, [np.zeros(2)]),
            TypeError,
            "schedules.plateau: losses[0] must be a real number, got numpy.ndarray of shape (2,) and dtype float64",
        ),
        (lambda: plateau(1, [], 1.0), ValueError, "schedules.plateau: factor must be in [0, 1), got 1.0"),
        (lambda: plateau(1, [], -0.1), ValueError, "schedules.plateau: factor must be in [0, 1), got -0.1"),
        (
            lambda: plateau(1, [], patience=-1),
            ValueError,
            "schedules.plateau: patience must be an integer >= 0, got -1",
        ),
        (
            lambda: plateau(1, [], patience=1.0),
            TypeError,
            "schedules.plateau: patience must be an integer >= 0, got float",
        ),
        (lambda: plateau(1, [], threshold=1), ValueError, "schedules.plateau: threshold must be in [0, 1), got 1"),
        (
            lambda: plateau(1, [], threshold=-1, mode="max"),
            ValueError,
            "schedules.plateau: threshold must be non-negative and finite, got -1",
        ),
        (
            lambda: plateau(1, [], threshold_mode="relative"),
            ValueError,
            "schedules.plateau: threshold_mode must be 'rel' or 'abs', got 'relative'",
        ),
        (
            lambda: plateau(1, [], cooldown=-1),
            ValueError,
            "schedules.plateau: cooldown must be an integer >= 0, got -1",
        ),
        (
            lambda: plateau(1, [], min_value=math.nan),
            ValueError,
            "schedules.plateau: min_value must be finite, got nan",
        ),
        (lambda: plateau(1, [], mode="auto"), ValueError, "schedules.plateau: mode must be 'min' or 'max', got 'auto'"),
        (
            lambda: plateau(1, [], eps=-1e-8),
            ValueError,
            "schedules.plateau: eps must be non-negative and finite, got -1e-08",
        ),
    ],
)
def test_arguments_are_refused(make, kind, message):
    with refused(kind, message):
        make()
