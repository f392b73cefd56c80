"""The averages of Schedule-Free optimizers, and what optimizers compute from the number of the step."""

import math
import pickle

import ml_dtypes
import numpy as np
import pytest

import fastloa as fl
from fastloa.optimizers.histories import KEPT, History

STEPS = 200
AVERAGING = ({}, {"warmup_steps": 40}, {"warmup_steps": 40, "r": 1.5, "weight_lr_power": 0.5})
BOTH = (
    (fl.ScheduleFreeSGD, {"momentum": 0.75, "weight_decay": 0.1}),
    (fl.ScheduleFreeAdamW, {"betas": (0.75, 0.9), "weight_decay": 0.1}),
)


def gradients(size, dtype=np.float64):
    rng = np.random.default_rng(3)
    return [rng.standard_normal(size).astype(dtype) for _ in range(STEPS)]


def paper(p, rates, gs, *, beta, beta2=None, weight_decay=0.0, r=0.0, weight_lr_power=2.0):
    """Give x as the paper's three lines do, with all weights kept."""
    x, z, v, weights, top = p.copy(), p.copy(), np.zeros_like(p), [], 0.0
    for t, (lr, g) in enumerate(zip(rates, gs, strict=False), 1):
        y = (1 - beta) * z + beta * x
        step = g
        if beta2 is not None:
            v = beta2 * v + (1 - beta2) * g**2
            step = g / (np.sqrt(v / (1 - beta2**t)) + 1e-8)
        z = z - lr * (step + weight_decay * y)
        top = max(top, lr)
        weights.append(t**r * top**weight_lr_power)
        c = weights[-1] / sum(weights) if top else 0.0
        x = (1 - c) * x + c * z
    return x


@pytest.mark.parametrize("averaging", AVERAGING)
@pytest.mark.parametrize(("optimizer", "options"), BOTH)
def test_averages_are_those_of_the_paper(optimizer, options, averaging):
    gs, p = gradients(7), np.linspace(-1, 1, 7)
    warmup, rest = averaging.get("warmup_steps", 0), {k: v for k, v in averaging.items() if k != "warmup_steps"}
    rates = [0.05 * (min(1.0, t / warmup) if warmup else 1.0) for t in range(1, STEPS + 1)]
    beta, beta2 = options.get("betas", (options.get("momentum"), None))
    expected = paper(p, rates, gs, beta=beta, beta2=beta2, weight_decay=0.1, **rest)
    made = optimizer(p, lr=0.05, **options, **averaging)
    for g in gs:
        made.step(g)
    np.testing.assert_allclose(made.averaged(), expected, rtol=1e-12)


@pytest.mark.parametrize(("optimizer", "options"), BOTH)
def test_averages_follow_the_history_of_a_schedule(optimizer, options):
    schedule = fl.schedules.join([0.0, fl.schedules.warmup(fl.schedules.cosine(0.1, 100), 10), 0.2], [3, 150])
    gs, p, q = gradients(7), np.linspace(-1, 1, 7), np.linspace(-1, 1, 7)
    beta, beta2 = options.get("betas", (options.get("momentum"), None))
    made = optimizer(p, lr=schedule, r=0.5, **options)
    for t in range(3):  # rates of 0 move nothing, and weigh nothing
        made.step(gs[t])
        np.testing.assert_array_equal(made.averaged(), q)
    for g in gs[3:]:
        made.step(g)
    assert made.last_lr == schedule(STEPS - 1)
    expected = paper(q, [schedule(t) for t in range(STEPS)], gs, beta=beta, beta2=beta2, weight_decay=0.1, r=0.5)
    np.testing.assert_allclose(made.averaged(), expected, rtol=1e-12)


@pytest.mark.parametrize(("optimizer", "options"), BOTH)
def test_a_scheduled_run_goes_on_from_its_pickled_state(optimizer, options):
    gs, p = gradients(7), np.linspace(-1, 1, 7)
    schedule = fl.schedules.warmup(fl.schedules.cosine(0.1, 100), 10)
    first = optimizer(p, lr=schedule, r=0.5, warmup_steps=5, **options)
    for g in gs[:50]:
        first.step(g)
    q = p.copy()
    second = optimizer(q, lr=schedule, r=0.5, warmup_steps=5, **options)
    for _ in range(3):  # loading again and again wraps nothing
        second.load_state_dict(pickle.loads(pickle.dumps(first.state_dict())))
    assert repr(second) == repr(first)
    assert repr(schedule) in repr(first)
    for g in gs[50:]:
        first.step(g)
        second.step(g)
    np.testing.assert_array_equal(p, q)
    np.testing.assert_array_equal(first.averaged(), second.averaged())


@pytest.mark.parametrize(("optimizer", "options"), BOTH)
def test_a_schedule_that_is_constant_weighs_as_its_number(optimizer, options):
    gs, p, q = gradients(7), np.linspace(-1, 1, 7), np.linspace(-1, 1, 7)
    number, schedule = optimizer(p, lr=0.1, **options), optimizer(q, lr=fl.schedules.constant(0.1), **options)
    for g in gs:
        number.step(g)
        schedule.step(g)
    np.testing.assert_array_equal(p, q)


@pytest.mark.parametrize("structure", [list, tuple, lambda arrays: dict(zip("wb", arrays, strict=True))])
def test_averages_have_the_structure_and_dtypes_of_the_parameters(structure):
    arrays = [np.ones((2, 3), np.float32), np.ones(4, ml_dtypes.bfloat16)]
    made = fl.ScheduleFreeSGD(structure(arrays), lr=0.5)
    made.step(structure([np.ones_like(a) for a in arrays]))
    found = made.averaged()
    assert type(found) is type(structure(arrays))
    leaves = list(found.values() if isinstance(found, dict) else found)
    for x, p in zip(leaves, arrays, strict=True):
        assert isinstance(x, np.ndarray)
        assert (x.shape, x.dtype) == (p.shape, p.dtype)
        assert not np.shares_memory(x, p)
        np.testing.assert_array_equal(x, np.full_like(p, 0.5))
    alone = fl.ScheduleFreeSGD(np.ones(()), lr=0.5)
    alone.step(np.ones(()))
    assert alone.averaged().shape == ()
    assert isinstance(alone.averaged(), np.ndarray)


def test_before_the_first_step_the_average_is_the_parameter():
    np.testing.assert_array_equal(fl.ScheduleFreeAdamW(np.arange(3.0)).averaged(), np.arange(3.0))


def test_an_infinite_parameter_is_its_own_average():
    p = np.array([np.inf, 1.0])
    made = fl.ScheduleFreeSGD(p, lr=0.5)
    for _ in range(2):
        made.step(np.zeros(2))
    np.testing.assert_array_equal(p, [np.inf, 1.0])
    np.testing.assert_array_equal(made.averaged(), [np.inf, 1.0])


def test_powers_of_weights_may_be_of_any_size():
    p, q = np.ones(3), np.ones(3)
    small = fl.ScheduleFreeSGD(p, lr=1e-100, weight_lr_power=8.0, warmup_steps=3, r=400.0)
    for _ in range(5):
        small.step(np.ones(3) * 1e100)
    large = fl.ScheduleFreeSGD(q, lr=fl.schedules.constant(1.0), weight_lr_power=8.0, warmup_steps=3, r=400.0)
    for _ in range(5):
        large.step(np.ones(3))
    np.testing.assert_allclose(p, q, rtol=1e-12)


@pytest.mark.parametrize("change", [{"momentum": 0.0}, {"momentum": 1.0}])
def test_the_average_is_in_the_parameters_but_not_alone(change):
    with pytest.raises(ValueError, match=r"ScheduleFreeSGD: momentum must be in \(0, 1\)"):
        fl.ScheduleFreeSGD(np.ones(3), **change)


def test_a_wrong_rate_of_a_schedule_is_told_before_anything_is_written():
    p = np.ones(3)
    made = fl.ScheduleFreeSGD(p, lr=lambda step: -1.0)
    with pytest.raises(ValueError, match="ScheduleFreeSGD: lr must be non-negative"):
        made.step(np.ones(3))
    np.testing.assert_array_equal(p, np.ones(3))


def test_a_history_is_the_same_in_any_order_and_goes_on_from_where_it_was():
    seen = []

    def change(value, step):
        seen.append(step)
        return value + 1.0 / step

    history, again = History(0.0, change), History(0.0, lambda value, step: value + 1.0 / step)
    order = [5, 6, 6, 7, 3, 8, 4, 100, 9]
    found = [history(step) for step in order]
    assert found == [again(step) for step in order]
    assert seen == [1, 2, 3, 4, 5, 6, 7, 1, 2, 3, 8, 4, *range(9, 101), 9]
    for step in range(200, 200 + 2 * KEPT):
        history(step)
    assert len(history._found) == KEPT


def test_a_history_pickles_without_what_it_found():
    history = History(1.0, pow)
    history(3)
    again = pickle.loads(pickle.dumps(history))
    assert again._found == {}
    assert again(3) == history(3)


def test_optimizers_of_one_kind_take_steps_by_turns():
    gs, early, late, alone = gradients(3), np.ones(3), np.ones(3), np.ones(3)
    first, second, third = (fl.NAdam(p, lr=0.1) for p in (early, late, alone))
    for g in gs[:20]:
        second.step(g)
    for t, g in enumerate(gs[:40]):
        first.step(g)
        second.step(gs[20 + t])
    for g in gs[:60]:
        third.step(g)
    np.testing.assert_array_equal(late, alone)


BIG = (
    (fl.NAdam, {}), (fl.RAdam, {}), (fl.AdaBelief, {}), (fl.Yogi, {}), (fl.Adan, {}), (fl.AdEMAMix, {}),
    (fl.ScheduleFreeAdamW, {}), (fl.Adamax, {}),
)  # fmt: skip


@pytest.mark.parametrize(("optimizer", "options"), BIG)
def test_a_gradient_whose_square_is_no_number_still_moves_the_parameter(optimizer, options):
    p, q = np.ones(1, np.float32), np.ones(1)
    for array in (p, q):
        optimizer(array, lr=1e-3, **options).step(np.array([2e19], array.dtype))
    np.testing.assert_allclose(p, q, rtol=1e-6)
    assert p != 1.0


@pytest.mark.parametrize(
    "optimizer",
    [fl.Adamax, fl.NAdam, fl.RAdam, fl.AdaBelief, fl.Yogi, fl.ADOPT, fl.Adan, fl.AdEMAMix, fl.ScheduleFreeSGD,
     fl.ScheduleFreeAdamW],
)  # fmt: skip
def test_an_infinite_parameter_without_decay_stays_and_keeps_to_itself(optimizer):
    p, q = np.array([np.inf, 1.0]), np.ones(2)
    first, second = optimizer(p), optimizer(q)
    for g in gradients(2)[:10]:
        first.step(g)
        second.step(g)
    assert p[0] == np.inf
    assert p[1] == q[1]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_yogi_stays_where_the_moment_is_the_square(dtype):
    p, m, v = np.ones(3, dtype), np.zeros(3, dtype), np.array([4.0, 4.0, 4.0], dtype)
    fl.yogi_step(p, np.array([2.0, 1.0, 4.0], dtype), m, v, step=2, betas=(0.5, 0.5))
    assert v.tolist() == [4.0, 3.5, 12.0]


def test_adopt_only_fills_its_moment_at_first_whatever_comes():
    p = np.array([1.0, -2.0, 3.0])
    made = fl.ADOPT(p, lr=0.1, weight_decay=0.5, decoupled_weight_decay=True)
    made.step(np.array([np.nan, np.inf, 2.0]))
    assert p.tolist() == [1.0, -2.0, 3.0]
    (states,) = made.state_dict()["states"]
    np.testing.assert_array_equal(states["exp_avg"], np.zeros(3))
    np.testing.assert_array_equal(states["exp_avg_sq"], [np.nan, np.inf, 4.0])


def test_the_surprise_does_not_cancel():
    g, p, m, s = np.float32(1.0) / np.float32(3.0), np.ones(1, np.float32), np.zeros(1, np.float32), np.zeros(1)
    s = s.astype(np.float32)
    m[0] = g * np.float32(1 - 2**-20)
    fl.adabelief_step(p, np.full(1, g), m, s, step=100, betas=(0.9, 0.0), eps=0.0)
    expected = (0.9 * (float(g) - float(np.float32(g * np.float32(1 - 2**-20))))) ** 2
    np.testing.assert_allclose(s, expected, rtol=1e-6)


def test_a_small_decay_keeps_its_digits_in_float32():
    for optimizer, factor in ((fl.Adan, 1 / (1 + 1e-5)), (fl.AdEMAMix, 1 - 1e-5), (fl.AdaBelief, 1 - 1e-5)):
        p = np.ones(1, np.float32)
        made = optimizer(p, lr=1e-3, weight_decay=0.01)
        for _ in range(2000):
            made.step(np.zeros(1, np.float32))
        np.testing.assert_allclose(p, [factor**2000], rtol=3e-5)


def test_the_warmups_of_ademamix_are_those_of_the_paper():
    parameters = fl.AdEMAMix.parameters
    hyper = {
        "lr": 0.5, "betas": (0.9, 0.999, 0.9999), "alpha": 5.0, "eps": 1e-8, "weight_decay": 0.0, "alpha_warmup": 100,
        "beta3_warmup": 200, "maximize": False,
    }  # fmt: skip
    names = fl.ademamix_step.record.parameters
    for step in (1, 10, 99, 100, 199, 200, 1000):
        found = dict(zip(names, parameters(fl.ademamix_step.record, hyper, step), strict=True))
        assert found["size_slow"] == pytest.approx(0.5 * 5.0 * min(1.0, step / 100), rel=1e-15)
        share, a, b = step / 200, math.log(0.9), math.log(0.9999)
        beta3 = min(math.exp(a * b / ((1 - share) * b + share * a)), 0.9999) if step < 200 else 0.9999
        assert 1.0 - found["rest3"] == pytest.approx(beta3, rel=1e-14)
    for betas, wanted in (((0.0, 0.9, 0.99), 0.99 ** (200 / 50)), ((0.9, 0.9, 0.0), 0.0), ((0.99, 0.9, 0.5), 0.5)):
        found = dict(zip(names, parameters(fl.ademamix_step.record, {**hyper, "betas": betas}, 50), strict=True))
        assert 1.0 - found["rest3"] == pytest.approx(wanted, rel=1e-14)


@pytest.mark.parametrize(
    ("optimizer", "mine", "saved"),
    [(fl.SGD, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}), (fl.FTRL, {}, {"lr_power": -0.25})],
)
def test_what_is_loaded_goes_on_by_the_formula_it_was_saved_with(optimizer, mine, saved):
    p, g = np.array([0.5, 2.0, -0.3]), np.array([1.0, -2.0, 0.5])
    first = optimizer(p, lr=0.1, **saved)
    first.step(g)
    q = p.copy()
    second = optimizer(q, lr=0.1, **mine)
    second.load_state_dict(first.state_dict())
    first.step(g)
    second.step(g)
    np.testing.assert_array_equal(p, q)


@pytest.mark.parametrize("states", [5, [None], [{"exp_avg": [1.0], "exp_avg_sq": [1.0]}]])
def test_states_that_are_none_are_refused(states):
    optimizer = fl.Adam(np.ones(1))
    with pytest.raises(TypeError, match=r"Adam\.load_state_dict: "):
        optimizer.load_state_dict({**optimizer.state_dict(), "states": states})


def test_a_bare_step_with_a_state_wants_its_number():
    p, buffer = np.ones(1), np.zeros(1)
    with pytest.raises(TypeError, match="sgd_step: step must be an integer >= 1, got nothing"):
        fl.sgd_step(p, np.ones(1), buffer, momentum=0.9)
    fl.sgd_step(p, np.ones(1), lr=0.25)
    assert p.tolist() == [0.75]


def test_arrays_that_lie_between_each_other_are_apart():
    room = np.zeros((4, 3))
    fl.adam_step(room[:, 0], np.ones(4), room[:, 1], room[:, 2], step=1, lr=0.5, eps=0.0)
    np.testing.assert_array_equal(room[:, 0], [-0.5] * 4)


@pytest.mark.parametrize("size", [10, 5000])
def test_a_parameter_that_was_resized_is_looked_into(size):
    p = np.ones(4000, np.float32)
    optimizer = fl.SGD(p, lr=0.5)
    optimizer.step(np.ones(4000, np.float32))
    p.resize(size, refcheck=False)
    with pytest.raises(ValueError, match="same shape"):
        optimizer.step(np.ones(4000, np.float32))
    optimizer.step(np.ones(size, np.float32))
    assert p[0] == 0.0


def test_products_that_have_settled_are_soon_found():
    p, g, m, v = (np.ones(3) for _ in range(4))
    fl.nadam_step(p, g, m, v, step=2**40)
    assert np.isfinite(p).all()
    calls = []
    history = History(8.0, lambda value, step: calls.append(step) or max(value // 2, 1.0), settles=True)
    assert history(10**9) == 1.0
    assert len(calls) == 4


def test_rprop_knows_no_sign_of_what_is_no_number():
    p, size = np.ones(2, np.float32), np.full(2, 0.1, np.float32)
    fl.rprop_step(p, np.ones(2, np.float32), np.array([np.nan, 1.0], np.float32), size)
    assert np.isnan([p[0], size[0]]).all()
    assert np.isfinite([p[1], size[1]]).all()


@pytest.mark.parametrize("name", ["sgd_step", "muon_step", "lamb_step"])
@pytest.mark.parametrize("given", [[1.0], None, 1.0, "p"])
def test_bare_steps_take_arrays(name, given):
    step = getattr(fl, name)
    states = [given] * {"sgd_step": 0, "muon_step": 1, "lamb_step": 2}[name]
    with pytest.raises(TypeError, match=rf"^{name}: p must be a NumPy or CuPy array, got"):
        step(given, given, *states, **({"step": 1} if name == "lamb_step" else {}))


def test_sequences_are_no_arrays_without_axes():
    with pytest.raises(TypeError, match=r"^Adam: betas must be a sequence, got numpy\.ndarray of shape \(\)"):
        fl.Adam(np.ones(2), betas=np.array(0.5))


def test_states_with_keys_of_several_kinds_are_refused():
    optimizer = fl.SGD(np.ones(2))
    state = {key: value for key, value in optimizer.state_dict().items() if key != "steps"} | {3: 1}
    with pytest.raises(ValueError, match=r"^SGD\.load_state_dict: state_dict must have the key 'steps', got \[3, "):
        optimizer.load_state_dict(state)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: fl.Adam(np.ones(3), backend="tpu"), ValueError,
         "Adam: backend must be 'auto', 'cpu', 'cupy' or 'cuda', got 'tpu'"),
        (lambda: fl.Adam(np.ones(3), backend=3), TypeError,
         "Adam: backend must be 'auto', 'cpu', 'cupy' or 'cuda', got int"),
        (lambda: fl.sgd_step(np.ones(3, int), np.ones(3, int), lr=0.1), TypeError,
         "sgd_step: p must be floating-point, got int64"),
        (lambda: fl.Adam([np.ones(3), np.ones(2, complex)]), TypeError,
         "Adam: params[1] must be floating-point, got complex128"),
    ],
)  # fmt: skip
def test_what_an_optimizer_is_made_of_is_refused_at_once(make, error, message):
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value) == message
