"""Arrays that go straight to a GPU's kernel: which may, and what becomes of those that may not."""

from types import SimpleNamespace

import numpy as np
import pytest
from fastloa_kernels.engines.cupy_native.driver import CupyDriver
from fastloa_kernels.engines.cupy_native.engine import Engine

import fastloa as fl
from fastloa import backends
from tests.harness import check_same_bits
from tests.shim.compare import needs_compiler
from tests.shim.driver import ShimDriver

pytestmark = needs_compiler
N = 1000


class Placed(np.ndarray):
    """An array with what is asked of CuPy's: its address, and its device."""

    @property
    def data(self):
        return SimpleNamespace(ptr=self.ctypes.data, device_id=getattr(self, "device_number", 0))


def empty(shape, dtype="float64"):
    return np.empty(shape, dtype).view(Placed)


class Driver(ShimDriver):
    """The shim's kernels on such arrays, which it looks at as the driver for CuPy does."""

    xp = SimpleNamespace(ndarray=Placed, empty=empty)
    array = Placed
    places = CupyDriver.places

    def _device_id(self):
        return 0

    def pointer(self, array):
        return array.ctypes.data


@pytest.fixture(scope="module")
def engine():
    return Engine(Driver())


@pytest.fixture(autouse=True)
def _natural(engine, monkeypatch):
    monkeypatch.setitem(backends.NATURAL, Placed, engine)
    assert backends.automatic or backends.look()


def numbers(shape=N, dtype="float32", seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype).view(Placed)


def plain(array):
    return np.asarray(array).view(np.ndarray).copy()


CALLS = {
    "value": lambda x, t: fl.silu(x),
    "options": lambda x, t: fl.leaky_relu(x, negative_slope=0.3),
    "backward": lambda x, t: fl.silu.backward(t, x),
    "loss": lambda x, t: fl.huber_loss(x, t, delta=1.0),
    "value_and_grad": lambda x, t: fl.mse_loss.value_and_grad(x, t),
    "sum": lambda x, t: fl.mse_loss.value_and_grad(x, t, reduction="sum"),
    "grad": lambda x, t: fl.mse_loss.grad(x, t),
    "each": lambda x, t: fl.mse_loss(x, t, reduction="none"),
    "rows": lambda x, t: fl.softmax(x.reshape(20, 50)),
    "rows backward": lambda x, t: fl.softmax.backward_from_output(t.reshape(20, 50), x.reshape(20, 50)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CALLS)
def test_results_are_the_cpus(name, dtype):
    x, t = numbers(dtype=dtype), numbers(dtype=dtype, seed=1)
    got, wanted = CALLS[name](x, t), CALLS[name](plain(x), plain(t))
    got, wanted = (result if isinstance(result, tuple) else (result,) for result in (got, wanted))
    if name != "loss":  # an option that sums are not asked for straight
        assert all(type(result) is Placed for result in got)
    check_same_bits(tuple(map(plain, got)), tuple(map(np.asarray, wanted)), name)


@pytest.fixture
def straight(engine, monkeypatch):
    """Give the list of whether calls were found fit to go straight, in turn."""
    found, places = [], engine.places

    def noted(*arrays):
        result = places(*arrays)
        found.append(result is not None)
        return result

    monkeypatch.setattr(engine, "places", noted)
    return found


def test_results_may_be_given_and_be_operands(straight):
    x, out = numbers(), numbers(seed=1)
    wanted = fl.relu(plain(x))
    assert fl.relu(x, out=out) is out
    assert fl.relu(x, out=x) is x
    grad = numbers(seed=2)
    assert fl.mse_loss.value_and_grad(x, out, grad_out=grad)[1] is grad
    check_same_bits((plain(out), plain(x)), (wanted, wanted))
    check_same_bits(plain(grad), np.zeros(N, np.float32))
    assert straight == [True, True, True]


UNFIT = {
    "overlap": lambda room, x: (room[:N], room[1 : N + 1]),
    "strides": lambda room, x: (room[: 2 * N : 2], x),
    "another device": lambda room, x: (elsewhere(x), room[:N]),
    "another dtype": lambda room, x: (x, np.empty(N, np.float64).view(Placed)),
    "another shape": lambda room, x: (x, room[: N + 1]),
    "another library": lambda room, x: (x, np.empty(N, np.float32)),
    "nothing": lambda room, x: (x[:0], room[:0]),
}


def elsewhere(x):
    moved = x.copy().view(Placed)
    moved.device_number = 1
    return moved


@pytest.mark.parametrize("name", UNFIT)
def test_others_are_looked_at_more_closely(engine, name):
    x, out = UNFIT[name](numbers(3 * N, seed=1), numbers())
    assert engine.places((x,), (out,)) is None


def test_two_results_in_one_place_are_looked_at_more_closely(engine):
    x, out = numbers(), numbers(seed=1)
    assert engine.places((x,), (out, out)) is None
    assert engine.places((x,), (out, x)) == [x.ctypes.data, out.ctypes.data, x.ctypes.data]


def test_a_choice_of_a_backend_is_respected(straight):
    with fl.use_backend("cpu"):
        check_same_bits(plain(fl.relu(numbers())), np.maximum(plain(numbers()), 0))
    fl.relu(numbers(), backend="cpu")
    assert straight == []
