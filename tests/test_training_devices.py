"""Minimize on a device and with a progress bar: what it shows, and how seldom it reads the loss."""

import sys
import types

import numpy as np
import pytest

from fastloa import stopping
from fastloa.training import minimize
from tests.stand_in_cupy import install


class Descent:
    """Gradient descent over one array, in place."""

    def __init__(self, params):
        self.params = params

    def step(self, grads):
        self.params -= 0.25 * grads


def bowl(p):
    """Give the lecture's J(t1, t2) = t1² + t2² and its gradient."""
    return p @ p, 2 * p


def start():
    return np.array([3.0, -4.0])


@pytest.fixture
def cupy(monkeypatch):
    return install(monkeypatch)


@pytest.fixture
def device_bowl(cupy):
    """Give the lecture's J with its loss on a device."""
    return lambda p: (cupy.ndarray(np.array(p @ p, np.float32), cupy.device), 2 * p)


@pytest.fixture
def bars(monkeypatch):
    """Put bars that note what happens to them in the place of tqdm's."""
    made = []

    class Bar:
        def __init__(self, total, unit):
            assert unit == "step"
            self.total, self.count, self.closed, self.losses = total, 0, False, []
            made.append(self)

        def update(self):
            self.count += 1

        def set_postfix(self, loss, refresh=True):
            self.losses.append((loss, refresh))

        def close(self):
            self.closed = True

    module = types.ModuleType("tqdm.auto")
    module.tqdm = Bar
    monkeypatch.setitem(sys.modules, "tqdm", types.ModuleType("tqdm"))
    monkeypatch.setitem(sys.modules, "tqdm.auto", module)
    return made


class TestLossOnADevice:
    def test_is_read_once_at_the_end(self, cupy, device_bowl):
        result = minimize(device_bowl, start(), optimizer=Descent, steps=5)
        assert result.history.value.tolist() == [25 / 4**k for k in range(5)]
        assert type(result.value) is float
        assert cupy.device.reads == 1

    def test_is_read_once_a_step_by_criteria(self, cupy, device_bowl):
        stop = [stopping.target(0.0), stopping.patience(9)]
        result = minimize(device_bowl, start(), optimizer=Descent, steps=5, stop=stop)
        assert result.history.value.tolist() == [25 / 4**k for k in range(5)]
        assert cupy.device.reads == 5 + 1

    def test_waits_in_little_memory(self, cupy, device_bowl, monkeypatch):
        monkeypatch.setattr("fastloa.training._Record.room", 4)
        result = minimize(device_bowl, start(), optimizer=Descent, steps=11)
        assert result.history.value.tolist() == [25 / 4**k for k in range(11)]
        assert cupy.device.reads == 3

    def test_may_alternate_with_one_on_the_host(self, device_bowl):
        calls = []

        def value_and_grad(p):
            calls.append(1)
            return device_bowl(p) if len(calls) % 3 else bowl(p)

        result = minimize(value_and_grad, start(), optimizer=Descent, steps=8)
        assert result.history.value.tolist() == [25 / 4**k for k in range(8)]

    def test_written_into_one_array_is_recorded_each_time(self, device_bowl):
        out = device_bowl(start())[0]

        def value_and_grad(p):
            out.host[...] = p @ p
            return out, 2 * p

        result = minimize(value_and_grad, start(), optimizer=Descent, steps=4)
        assert result.history.value.tolist() == [25 / 4**k for k in range(4)]

    def test_is_read_for_the_bar_ten_times_a_second_at_most(self, cupy, device_bowl, bars):
        result = minimize(device_bowl, start(), optimizer=Descent, steps=300, progress=True)
        assert 3 <= cupy.device.reads <= 3 + result.seconds / 0.1
        assert bars[0].count == 300
        assert bars[0].losses[0] == ("25", False)
        assert bars[0].losses[-1] == ("0", True)


def test_on_a_gpu():
    real = pytest.importorskip("cupy")
    if not real.is_available():
        pytest.skip("no CUDA device")
    p = real.asarray([3.0, -4.0])

    result = minimize(lambda p: (p @ p, 2 * p), p, optimizer=Descent, stop=stopping.grad_norm(1e-3))
    assert result.params is p
    assert result.steps == 14
    np.testing.assert_allclose(result.history.value, [25 / 4**k for k in range(15)], rtol=1e-12)


class TestProgress:
    def test_shows_the_steps_and_the_last_loss(self, capsys):
        pytest.importorskip("tqdm")
        minimize(lambda p, _: bowl(p), start(), optimizer=Descent, data=[1, 2], epochs=3, progress=True)
        shown = capsys.readouterr().err
        assert "6/6" in shown
        assert "loss=0.02441]" in shown.splitlines()[-1]

    @pytest.mark.parametrize(
        ("limits", "total"),
        [
            ({"steps": 3}, 3),
            ({"epochs": 2}, 4),
            ({"epochs": 2, "steps": 3}, 3),
            ({"epochs": 1, "steps": 9}, 2),
            ({"stop": stopping.max_steps(1)}, None),
        ],
    )
    def test_knows_how_far_it_is(self, bars, limits, total):
        minimize(lambda p, _: bowl(p), start(), optimizer=Descent, data=[1, 2], progress=True, **limits)
        assert [bar.total for bar in bars] == [total]
        assert bars[0].closed

    def test_of_an_iterator_knows_no_end(self, bars):
        minimize(lambda p, _: bowl(p), start(), optimizer=Descent, data=iter([1, 2]), epochs=1, progress=True)
        assert [bar.total for bar in bars] == [None]

    def test_without_data(self, bars):
        minimize(bowl, start(), optimizer=Descent, epochs=4, progress=True)
        assert [(bar.total, bar.count) for bar in bars] == [(4, 4)]

    def test_is_closed_after_an_error(self, bars):
        with pytest.raises(ZeroDivisionError):
            minimize(lambda _: 1 / 0, start(), optimizer=Descent, steps=4, progress=True)
        assert [(bar.count, bar.closed) for bar in bars] == [(0, True)]

    def test_is_not_opened_where_arguments_are_refused(self, bars):
        with pytest.raises(TypeError):
            minimize(bowl, start(), optimizer="sgd", steps=4, progress=True)
        assert bars == []
