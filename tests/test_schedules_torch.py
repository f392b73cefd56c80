"""Schedules against PyTorch's schedulers, step by step, where PyTorch is installed."""

import math
import random
import warnings
from functools import partial

import pytest

from fastloa.schedules import (
    cosine,
    cosine_restarts,
    cyclic,
    exponential,
    join,
    linear,
    multiply,
    multistep,
    one_cycle,
    plateau,
    polynomial,
    step,
    warmup,
)

LR = 0.3


@pytest.fixture(scope="module")
def torch():
    """Give PyTorch, imported only when a test of this file runs."""
    return pytest.importorskip("torch")


def optimizer(torch):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=LR, momentum=0.9)


def held(torch, make, steps, name="lr"):
    """List what an optimizer holds at each of some steps, under the scheduler that `make` gives for it."""
    subject = optimizer(torch)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # PyTorch's own SequentialLR gives an epoch, and warns of it
        scheduler = make(torch.optim.lr_scheduler, subject)
        values = [subject.param_groups[0][name]]
        for _ in range(steps - 1):
            subject.step()
            scheduler.step()
            values.append(subject.param_groups[0][name])
    return values


def assert_same(schedule, values):
    # PyTorch multiplies the last value again and again, and finds places in a cycle from differences of rounded numbers
    assert [schedule(t) for t in range(len(values))] == pytest.approx(values, rel=1e-9, abs=1e-14)


def sequential(s, o):
    return s.SequentialLR(o, [s.LinearLR(o, 1e-6, 1.0, 4), s.ExponentialLR(o, 0.9)], [4])


def chained(s, o):
    return s.ChainedScheduler([s.ConstantLR(o, 0.1, 20), s.ExponentialLR(o, 0.9)], o)


CASES = {
    "StepLR": (lambda s, o: s.StepLR(o, 7), step(LR, 7)),
    "MultiStepLR": (lambda s, o: s.MultiStepLR(o, [5, 9, 9, 30], 0.5), multistep(LR, [5, 9, 9, 30], 0.5)),
    "MultiStepLR by default": (lambda s, o: s.MultiStepLR(o, [1]), multistep(LR, [1])),
    "ConstantLR": (lambda s, o: s.ConstantLR(o), join([LR / 3, LR], [5])),
    "LinearLR": (lambda s, o: s.LinearLR(o), linear(LR / 3, LR, 5)),
    "LinearLR down": (lambda s, o: s.LinearLR(o, 0.9, 0.2, 17), linear(0.9 * LR, 0.2 * LR, 17)),
    "ExponentialLR": (lambda s, o: s.ExponentialLR(o, 0.93), exponential(LR, 0.93)),
    "PolynomialLR": (lambda s, o: s.PolynomialLR(o, 30), polynomial(LR, 30)),
    "PolynomialLR 0.5": (lambda s, o: s.PolynomialLR(o, 30, 0.5), polynomial(LR, 30, 0.5)),
    "PolynomialLR 2.5": (lambda s, o: s.PolynomialLR(o, 17, 2.5), polynomial(LR, 17, 2.5)),
    "CosineAnnealingLR": (lambda s, o: s.CosineAnnealingLR(o, 49, 0.01), cosine(LR, 49, 0.01)),
    "SequentialLR": (sequential, join([linear(LR * 1e-6, LR, 4), exponential(LR, 0.9)], [4])),
    "SequentialLR as warm-up": (sequential, warmup(exponential(LR, 0.9), 4, LR * 1e-6)),
    "ChainedScheduler": (chained, multiply(LR, join([0.1, 1.0], [20]), exponential(1.0, 0.9))),
}


@pytest.mark.parametrize(("make", "schedule"), CASES.values(), ids=CASES)
def test_a_schedule_is_pytorchs(torch, make, schedule):
    assert_same(schedule, held(torch, make, 50))


@pytest.mark.parametrize("first", [1, 3, 10])
@pytest.mark.parametrize("factor", [1, 2, 3])
@pytest.mark.parametrize("final", [0.0, 0.01])
def test_cosine_restarts_are_pytorchs(torch, first, factor, final):
    values = held(torch, lambda s, o: s.CosineAnnealingWarmRestarts(o, first, factor, final), 150)
    assert_same(cosine_restarts(LR, first, factor, final), values)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 0.3, 0.5, 0.55, 0.7, 1.0])
@pytest.mark.parametrize("three", [False, True])
@pytest.mark.parametrize(("anneal", "theirs"), [("cosine", "cos"), ("linear", "linear")])
def test_one_cycle_is_pytorchs(torch, share, three, anneal, theirs):
    for n in (1, 2, 3, 7, 10, 100):
        schedule = one_cycle(LR, n, share, anneal, 20.0, 300.0, three)
        options = {"pct_start": share, "anneal_strategy": theirs, "div_factor": 20.0, "final_div_factor": 300.0}
        make = partial(make_one_cycle, total_steps=n, three_phase=three, **options)
        if n * share == 1.0:
            with pytest.raises(ZeroDivisionError):
                held(torch, make, n)
            assert schedule(0) == LR
        else:
            assert_same(schedule, held(torch, make, n))


def make_one_cycle(s, o, **options):
    return s.OneCycleLR(o, LR, **options)


def test_one_cycle_has_pytorchs_defaults(torch):
    assert_same(one_cycle(LR, 100), held(torch, lambda s, o: s.OneCycleLR(o, LR, 100), 100))


@pytest.mark.parametrize("three", [False, True])
def test_one_cycle_moves_the_momentum_as_pytorch_does(torch, three):
    values = held(torch, lambda s, o: s.OneCycleLR(o, LR, 100, three_phase=three), 100, "momentum")
    assert_same(one_cycle(0.85, 100, div_factor=0.85 / 0.95, final_div_factor=1.0, three_phase=three), values)


@pytest.mark.parametrize(("up", "down"), [(1, None), (5, None), (5, 3), (1, 9)])
@pytest.mark.parametrize(
    ("mode", "gamma"), [("triangular", 1.0), ("triangular2", 1.0), ("exp_range", 0.97), ("exp_range", 1.02)]
)
def test_cyclic_is_pytorchs(torch, up, down, mode, gamma):
    values = held(torch, lambda s, o: s.CyclicLR(o, 0.01, 0.3, up, down, mode, gamma), 120)
    assert_same(cyclic(0.01, 0.3, up, down, mode, gamma), values)


def test_cyclic_moves_the_momentum_as_pytorch_does(torch):
    values = held(torch, lambda s, o: s.CyclicLR(o, 0.01, 0.3, 5), 60, "momentum")
    assert_same(cyclic(0.9, 0.8, 5), values)


def assert_same_plateau(torch, losses, min_value=0.0, **options):
    """Compare to the bit, after each of the losses; give the last value."""
    subject = optimizer(torch)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(subject, min_lr=min_value, **options)
    for n, loss in enumerate(losses, 1):
        scheduler.step(loss)
        assert plateau(LR, losses[:n], min_value=min_value, **options) == subject.param_groups[0]["lr"]
    return subject.param_groups[0]["lr"]


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
@pytest.mark.parametrize(("patience", "cooldown"), [(0, 0), (2, 0), (3, 2), (1, 5)])
@pytest.mark.parametrize("seed", range(4))
def test_plateau_is_pytorchs_to_the_bit(torch, mode, threshold_mode, patience, cooldown, seed):
    rng = random.Random(seed)
    losses = [rng.choice([rng.gauss(0.0, 1.0), rng.expovariate(1.0), math.nan, math.inf, 0.5]) for _ in range(80)]
    options = {
        "factor": 0.3,
        "patience": patience,
        "cooldown": cooldown,
        "mode": mode,
        "threshold_mode": threshold_mode,
    }
    options |= {"threshold": rng.choice([0.0, 1e-4, 0.2]), "eps": rng.choice([0.0, 1e-8, 1e-3])}
    assert_same_plateau(torch, losses, min_value=rng.choice([0.0, 1e-3, 0.1]), **options)


def test_plateau_has_pytorchs_defaults(torch):
    assert assert_same_plateau(torch, [1.0 - 1e-5 * n for n in range(60)]) == LR  # each tenth loss is better
    assert assert_same_plateau(torch, [1.0 - 1e-6 * n for n in range(60)]) < LR
