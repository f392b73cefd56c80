"""What the arithmetic of single optimizers must survive: large and small gradients, zeros, infinities, steep rates."""

import inspect

import numpy as np
import pytest

import fastloa as fl
from tests.trajectories import CASES, follow, gradients


def test_an_infinite_parameter_without_decay_keeps_its_gradient():
    p = np.array([np.inf, 1.0])
    fl.SGD(p, lr=0.5).step(np.array([1.0, 1.0]))
    assert p.tolist() == [np.inf, 0.5]


def test_a_gradient_whose_square_is_no_number_still_moves_the_parameter():
    p = np.ones(1, np.float32)
    fl.Adam(p).step(np.array([2e19], np.float32))
    np.testing.assert_allclose(p, [0.999], rtol=1e-6)


@pytest.mark.parametrize(  # of running means the largest whose share of the square is a number
    ("name", "size"),
    [("RMSprop", 1e20), ("Adadelta", 5e19), *((name, size) for name in ("Adagrad", "FTRL") for size in (2e19, 1e30))],
)
def test_a_large_gradient_moves_the_parameter_as_it_should(name, size):
    (case,) = (case for case in CASES if case.optimizer == name)
    for g in (size, -size):
        p, options = np.array([1.5], np.float32), case.options[0]
        getattr(fl, name)(p, **options).step(np.array([g], np.float32))
        expected, _ = follow(case, options, np.array([1.5]), [np.array([g], np.float32)])
        np.testing.assert_allclose(p, expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["Adagrad", "FTRL"])
def test_a_sum_of_squares_that_is_no_number_is_felt_from_then_on_but_is_no_nan(name):
    p = np.array([1.0], np.float32)
    optimizer = getattr(fl, name)(p, lr=0.1)
    for g in (1e30, 1.0, 0.0):
        optimizer.step(np.array([g], np.float32))
    assert np.isfinite(p).all()


@pytest.mark.parametrize("name", ["RMSprop", "Adagrad", "Adadelta", "Rprop", "Lion", "Signum", "ASGD"])
def test_without_decay_an_infinite_parameter_is_left_alone(name):
    p = np.array([np.inf, -np.inf, 1.0])
    optimizer = getattr(fl, name)(p, **({"lambd": 0.0} if name == "ASGD" else {}))
    for _ in range(3):
        optimizer.step(np.ones(3))
    assert p[:2].tolist() == [np.inf, -np.inf]
    assert p[2] < 1.0


@pytest.mark.parametrize("options", [{}, {"momentum": 0.5}])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_variance_that_rounding_takes_below_zero_is_zero(dtype, options):
    p, g = np.zeros(100, dtype), np.linspace(0.1, 1.0, 100, dtype=dtype)
    optimizer = fl.RMSprop(p, centered=True, alpha=0.5, **options)
    for _ in range(200):
        optimizer.step(g)
    assert np.isfinite(p).all()


def test_sums_and_step_sizes_start_from_what_they_are_told():
    p = np.ones((2, 3), np.float32)
    for optimizer, state, start in (
        (fl.Adagrad(p, initial_accumulator_value=0.5), "sum", 0.5),
        (fl.FTRL(p), "accumulator", 0.1),
        (fl.Rprop(p, lr=0.25), "step_size", 0.25),
    ):
        found = optimizer.state_dict()["states"][0][state]
        np.testing.assert_array_equal(found, np.full((2, 3), start, np.float32))


def test_a_bare_step_is_not_asked_what_its_states_start_from():
    arrays = np.ones(3), np.ones(3), np.ones(3), np.ones(3)
    with pytest.raises(
        TypeError, match=r"rprop_step: lr must be one of its options \['etas', 'maximize', 'step_sizes'\]"
    ):
        fl.rprop_step(*arrays, lr=0.1)
    with pytest.raises(TypeError, match="ftrl_step: initial_accumulator_value must be one of its options"):
        fl.ftrl_step(*arrays, initial_accumulator_value=0.1)
    assert "lr" not in inspect.signature(fl.rprop_step).parameters
    assert "The lr of `Rprop` before the first step." in fl.rprop_step.__doc__


@pytest.mark.parametrize("name", ["Lion", "Signum", "Rprop"])
@pytest.mark.parametrize("options", [{}, {"maximize": True}])
def test_the_sign_of_zero_is_zero(name, options):
    p = np.array([1.0, -2.0, 0.0])
    optimizer = getattr(fl, name)(p, lr=0.5, **options)
    for _ in range(2):
        optimizer.step(np.array([0.0, -0.0, 0.0]))
    assert p.tolist() == [1.0, -2.0, 0.0]


def test_signs_are_compared_though_the_product_of_the_gradients_is_too_small_for_a_number():
    p, prev, step_size = np.zeros(2, np.float32), np.full(2, 1e-30, np.float32), np.ones(2, np.float32)
    fl.rprop_step(p, np.array([1e-30, -1e-30], np.float32), prev, step_size, etas=(0.5, 2.0))
    assert step_size.tolist() == [2.0, 0.5]
    assert p.tolist() == [-2.0, 0.0]
    assert prev.tolist() == [np.float32(1e-30), 0.0]


def test_without_momentum_signum_has_no_state():
    p = np.array([1.0, 2.0, 3.0])
    optimizer = fl.Signum(p, lr=0.5, momentum=0.0)
    optimizer.step(np.array([1e-300, -np.inf, 0.0]))
    assert p.tolist() == [0.5, 2.5, 3.0]
    assert optimizer.state_dict()["states"] == [{}]


def test_momentum_may_be_a_schedule():
    p, q = np.zeros(3), np.zeros(3)
    varying = fl.Signum(p, momentum=lambda step: 0.5)
    constant = fl.Signum(q, momentum=0.5)
    for g in gradients(3, "float64", 10):
        varying.step(g)
        constant.step(g)
    np.testing.assert_array_equal(p, q)


@pytest.mark.parametrize("power", [-0.5, -0.25])
def test_ftrl_leaves_what_never_had_a_gradient_at_zero(power):
    p = np.zeros(2)
    optimizer = fl.FTRL(p, initial_accumulator_value=0.0, lr_power=power)
    for _ in range(3):
        optimizer.step(np.array([0.0, 1.0]))
    assert p[0] == 0.0
    assert p[1] < 0.0


@pytest.mark.parametrize("power", [-0.5, -0.25, -1.5])
def test_a_small_square_is_not_lost_in_a_large_sum(power):
    """What a power of the sum gains is far less than the power's last digit."""
    g, n, z = np.array([1e-3], np.float32), np.array([1e4], np.float32), np.zeros(1, np.float32)
    p = np.array([1e6], np.float32)
    fl.ftrl_step(p, g, n, z, lr=1.0, lr_power=power)
    gained = 1e4**-power * np.expm1(-power * np.log1p(1e-10))
    np.testing.assert_allclose(z, [1e-3 - gained * 1e6], rtol=1e-5)


def test_the_mean_of_asgd_is_the_mean_of_the_parameters_after_t0():
    p = np.random.default_rng(3).standard_normal(5)
    optimizer, seen = fl.ASGD(p, lr=0.1, t0=10), []
    for g in gradients(5, "float64", 40):
        optimizer.step(g)
        seen.append(p.copy())
    # The mean begins anew at the step after t0 + 1, whose share is still the whole.
    np.testing.assert_allclose(optimizer.state_dict()["states"][0]["ax"], np.mean(seen[11:], axis=0), rtol=1e-13)


def test_a_rate_that_falls_steeply_becomes_zero_not_an_error():
    p = np.ones(2)
    optimizer = fl.ASGD(p, lr=1.0, lambd=1e200, alpha=1e4)
    optimizer.steps = 5
    optimizer.step(np.ones(2))
    assert p.tolist() == [1.0, 1.0]


def test_options_out_of_range():
    p = np.ones(3)
    for make, message in (
        (lambda: fl.RMSprop(p, alpha=1.0), r"RMSprop: alpha must be in \[0, 1\), got 1.0"),
        (lambda: fl.Adagrad(p, lr_decay=-1.0), "Adagrad: lr_decay must be non-negative and finite, got -1.0"),
        (lambda: fl.Adadelta(p, rho=-0.1), r"Adadelta: rho must be in \[0, 1\), got -0.1"),
        (lambda: fl.Rprop(p, etas=(1.0, 1.2)), r"Rprop: etas\[0\] must be in \(0, 1\), got 1.0"),
        (lambda: fl.Rprop(p, etas=(0.5, 1.0)), r"Rprop: etas\[1\] must be finite and > 1, got 1.0"),
        (lambda: fl.Rprop(p, step_sizes=(2.0, 1.0)), "Rprop: step_sizes must be in order, got 2.0 and 1.0"),
        (lambda: fl.ASGD(p, t0=-1.0), "ASGD: t0 must be non-negative and finite, got -1.0"),
        (lambda: fl.Lion(p, betas=(0.9, 1.0)), r"Lion: betas\[1\] must be in \[0, 1\), got 1.0"),
        (lambda: fl.Signum(p, momentum=1.0), r"Signum: momentum must be in \[0, 1\), got 1.0"),
        (lambda: fl.FTRL(p, lr=0.0), "FTRL: lr must be positive and finite, got 0.0"),
        (lambda: fl.FTRL(p, lr_power=0.5), "FTRL: lr_power must be finite and <= 0, got 0.5"),
    ):
        with pytest.raises(ValueError, match=message):
            make()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_small_gradient_after_a_large_one_is_not_drowned(dtype):
    p, m, v = np.zeros(1, dtype), np.array([1e17], dtype), np.zeros(1, dtype)
    fl.adam_step(p, np.ones(1, dtype), m, v, step=2, betas=(0.0, 0.999))
    np.testing.assert_array_equal(m, [1.0])


def test_a_small_decay_keeps_its_digits_in_float32():
    p = np.ones(1, np.float32)
    optimizer = fl.AdamW(p, lr=1e-3, weight_decay=0.01)
    for _ in range(2000):
        optimizer.step(np.zeros(1, np.float32))
    np.testing.assert_allclose(p, [(1.0 - 1e-5) ** 2000], rtol=3e-5)
