"""CuPy arrays on a GPU: where results live, that nothing waits for the device, and what its streams and graphs see.

What the results are is asked elsewhere of NumPy's arrays, which a GPU engine takes too.
"""

import numpy as np
import pytest
from fastloa_kernels import forms
from fastloa_kernels.engines.cupy_native.driver import CupyDriver
from fastloa_kernels.engines.cupy_native.maps import MapKernel
from fastloa_kernels.primitives import reciprocal

import fastloa as fl
from tests.harness import check_same_bits

N = 1000
SPIN = r"""
extern "C" __global__ void spin(long long cycles) {
  const long long start = clock64();
  while (clock64() - start < cycles) {}
}
"""


@pytest.fixture
def cupy(gpu):
    """CuPy, with the GPU engine in force."""
    module = pytest.importorskip("cupy")
    with fl.use_backend(gpu):
        yield module


def inverted(x):
    return reciprocal(x)


def numbers(shape=N, dtype="float32", seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def calls(xp):
    """Calls of every kind: from arrays of the library `xp` to results."""
    x, g, t = (xp.asarray(numbers(seed=seed)) for seed in (1, 2, 3))
    rows, labels = xp.asarray(numbers((20, 50))), xp.asarray(np.arange(20) % 50)
    weight, shares = xp.asarray(np.abs(numbers(50))), xp.asarray(np.full((20, 50), 0.02, np.float32))
    pairs = xp.asarray(numbers((10, 20)))
    return {
        "value": lambda: fl.gelu(x),
        "derivative": lambda: fl.gelu.derivative(x),
        "backward": lambda: fl.gelu.backward(g, x),
        "strided": lambda: fl.gelu.backward(g[::-1], x[::-1]),
        "backward_from_output": lambda: fl.sigmoid.backward_from_output(g, fl.sigmoid(x)),
        "gate": lambda: fl.swiglu(x, g),
        "halves": lambda: fl.glu(pairs),
        "loss": lambda: fl.huber_loss(x, t),
        "loss of each": lambda: fl.huber_loss(x, t, reduction="none"),
        "value_and_grad": lambda: fl.mse_loss.value_and_grad(x, t),
        "weighted": lambda: fl.mse_loss.value_and_grad(x, t, sample_weight=abs(g)),
        "grad_and_hess": lambda: fl.huber_loss.grad_and_hess(x, t, reduction="sum"),
        "softmax": lambda: fl.softmax(rows),
        "softmax along columns": lambda: fl.softmax(rows, axis=0),
        "softmax backward": lambda: fl.softmax.backward(rows, rows),
        "cross_entropy": lambda: fl.cross_entropy.value_and_grad(rows, labels),
        "cross_entropy weighted": lambda: fl.cross_entropy.value_and_grad(
            rows, labels, weight=weight, label_smoothing=0.1, ignore_index=3
        ),
        "cross_entropy of shares": lambda: fl.cross_entropy.grad_and_hess(rows, shares, reduction="sum"),
    }


NAMES = [
    "value", "derivative", "backward", "strided", "backward_from_output", "gate", "halves", "loss", "loss of each",
    "value_and_grad", "weighted", "grad_and_hess", "softmax", "softmax along columns", "softmax backward",
    "cross_entropy", "cross_entropy weighted", "cross_entropy of shares",
]  # fmt: skip
OPTIMIZERS = {
    "SGD": {"lr": 0.1, "momentum": 0.9},
    "AdamW": {"clip_norm": 1.0, "ema": 0.9},
    "Adagrad": {"clip_value": 0.5, "zero_grad": True},
    "LAMB": {},
    "Lion": {},
}


def parts(result):
    return result if isinstance(result, tuple) else (result,)


def on_host(result):
    return tuple(np.asarray(x.get()) for x in parts(result))


@pytest.fixture
def busy(cupy):
    """Give a function that runs calls behind a kernel that takes long, and says whether they waited for it."""
    spin = cupy.RawKernel(SPIN, "spin")

    def waited(*work):
        for call in work:  # compiled, and memory taken from the device
            call()
        stream = cupy.cuda.get_current_stream()
        stream.synchronize()
        done = cupy.cuda.Event()
        spin((1,), (1,), (np.int64(400_000_000),))
        done.record(stream)
        for call in work:
            call()
        still_running = not done.done
        stream.synchronize()
        return not still_running

    return waited


def test_the_names_are_all():
    assert list(calls(np)) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_results_are_the_cpus_and_stay_on_the_device(cupy, name):
    result = calls(cupy)[name]()
    assert all(type(x) is cupy.ndarray for x in parts(result))
    with fl.use_backend("cpu"):
        wanted = calls(np)[name]()
    check_same_bits(on_host(result), tuple(map(np.asarray, parts(wanted))), name)


@pytest.mark.parametrize("engine", ["cupy"])
@pytest.mark.parametrize("name", NAMES)
def test_arrays_that_choose_for_themselves_give_the_same(engine, name):
    """Where nobody has chosen a backend, arrays go straight to their kernel, once one has been found."""
    call = calls(pytest.importorskip("cupy"))[name]
    wanted = tuple(map(np.asarray, parts(calls(np)[name]())))
    for _ in range(2):
        check_same_bits(on_host(call()), wanted, name)


@pytest.mark.parametrize("name", NAMES)
def test_results_are_the_same_again(cupy, name):
    call = calls(cupy)[name]
    first = on_host(call())
    for _ in range(5):
        check_same_bits(on_host(call()), first, name)


@pytest.mark.parametrize("name", NAMES)
def test_no_call_waits_for_the_device(cupy, busy, name):
    assert not busy(calls(cupy)[name])


def test_the_test_of_waiting_sees_one_that_waits(cupy, busy):
    assert busy(lambda: float(cupy.zeros(())))


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS.items(), ids=OPTIMIZERS)
def test_optimizers_step_as_on_the_cpu_without_waiting(cupy, busy, name, options):
    shapes, made = [(30, 7), (), (1000,), (1,)], {}
    for xp in (np, cupy):
        params = [xp.asarray(numbers(shape, seed=i)) for i, shape in enumerate(shapes)]
        grads = [xp.asarray(numbers(shape, seed=9 + i)) for i, shape in enumerate(shapes)]
        with fl.use_backend("auto"):
            optimizer = getattr(fl, name)(params, **options)
        made[xp] = params, grads, optimizer
    with fl.use_backend("cpu"):
        for _ in range(4):
            made[np][2].step(made[np][1])
    params, grads, optimizer = made[cupy]
    for _ in range(2):
        optimizer.step(grads)
    assert not busy(lambda: optimizer.step(grads))  # which takes two more
    check_same_bits(tuple(p.get() for p in params), tuple(made[np][0]), name)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "int32"])
def test_dtypes_of_results_are_the_cpus(cupy, dtype):
    if dtype == "bfloat16":
        dtype = pytest.importorskip("ml_dtypes").bfloat16
    host = (numbers() * 3).astype(dtype)
    x = cupy.asarray(host)
    check_same_bits(fl.gelu(x).get(), fl.gelu(host, backend="cpu"))
    value, grad = fl.mse_loss.value_and_grad(x, x[::-1])
    wanted, wanted_grad = fl.mse_loss.value_and_grad(host, host[::-1], backend="cpu")
    check_same_bits((value.get(), grad.get()), (np.asarray(wanted), wanted_grad))


def test_out_is_written_and_returned(cupy):
    x, out = cupy.asarray(numbers()), cupy.empty(N, "float32")
    assert fl.silu(x, out=out) is out
    grad = cupy.empty(2 * N, "float32")[::2]
    assert fl.mse_loss.value_and_grad(x, out, grad_out=grad)[1] is grad
    wanted = fl.silu(numbers(), backend="cpu")
    check_same_bits(out.get(), wanted)
    check_same_bits(grad.get(), fl.mse_loss.grad(numbers(), wanted, backend="cpu"))
    assert fl.silu(x, out=x) is x
    check_same_bits(x.get(), wanted)


def test_work_goes_to_the_current_stream(cupy):
    x, out = cupy.asarray(numbers(1 << 22)), cupy.empty(1 << 22, "float32")
    fl.relu(x)  # compiled by now, so that the call below comes while the device is still busy
    fl.exponential_loss.grad(x, cupy.sign(x), grad_out=out)
    cupy.cuda.Device().synchronize()
    with cupy.cuda.Stream(non_blocking=True) as stream:
        cupy.RawKernel(SPIN, "spin")((1,), (1,), (np.int64(400_000_000),))
        fl.relu(x, out=out)
        assert not stream.done
        stream.synchronize()
    check_same_bits(out.get(), np.maximum(numbers(1 << 22), 0))


def test_calls_can_be_captured_in_a_graph(cupy, gpu):
    x, t = cupy.asarray(numbers()), cupy.asarray(numbers(seed=1))
    y, grad, rows = cupy.empty_like(x), cupy.empty_like(x), cupy.empty((20, 50), "float32")

    def work():
        fl.gelu(x, out=y)
        fl.mse_loss.grad(y, t, grad_out=grad)
        fl.softmax(y.reshape(20, 50), out=rows)

    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        work()
        stream.synchronize()
        stream.begin_capture()
        work()
        graph = stream.end_capture()
        x[:] = cupy.asarray(numbers(seed=7))
        graph.launch(stream)
        stream.synchronize()
    wanted = fl.gelu(numbers(seed=7), backend="cpu")
    check_same_bits(y.get(), wanted)
    check_same_bits(grad.get(), fl.mse_loss.grad(wanted, numbers(seed=1), backend="cpu"))
    check_same_bits(rows.get(), fl.softmax(wanted.reshape(20, 50), backend="cpu"))


@pytest.mark.parametrize("shift", [0, 1])
def test_more_elements_than_32_bits_count(cupy, shift):
    size = (1 << 31) + 17
    if cupy.cuda.runtime.memGetInfo()[0] < 24 << 30:
        pytest.skip("the device has too little memory")
    x = cupy.empty(size + shift, "float32")[shift:]
    x[:] = 3.0
    x[-3:] = -2.0
    y = fl.relu(x, out=cupy.empty(size + shift, "float32")[shift:])
    assert y[-4:].get().tolist() == [3.0, 0.0, 0.0, 0.0]
    assert int((y == 3.0).sum()) == size - 3
    value, grad = fl.l1_loss.value_and_grad(x, y, reduction="sum", grad_out=y)
    assert float(value) == 6.0
    assert grad[-4:].get().tolist() == [0.0, -1.0, -1.0, -1.0]
    del x, y, grad, value
    cupy.get_default_memory_pool().free_all_blocks()


@pytest.mark.parametrize("engine", ["cupy"])
@pytest.mark.parametrize("exponent", [-120, -37, 0, 1, 119])
def test_reciprocals_are_rounded_correctly(engine, exponent):
    """Over every significand: the device's estimate and one Newton step have no branch for what they get wrong."""
    driver, form = CupyDriver(), forms.Form(inverted, 1, 1)
    words = np.arange(1 << 23, dtype=np.uint32) | np.uint32(127 + exponent << 23)
    x = driver.xp.asarray(words.view(np.float32))
    got = driver.xp.empty_like(x)
    MapKernel(driver, "reciprocal", form, 0, "float32")((x,), (got,), (), ())
    check_same_bits(got.get(), np.float32(1.0) / words.view(np.float32))
    MapKernel(driver, "reciprocal", form, 0, "float32")((-x,), (got,), (), ())
    check_same_bits(got.get(), np.float32(-1.0) / words.view(np.float32))


def test_arrays_of_two_libraries_are_refused(cupy):
    with pytest.raises(TypeError, match=r"^mse_loss: all arrays must come from one library: input is cupy\.ndarray"):
        fl.mse_loss(cupy.zeros(3), np.zeros(3))


def test_the_cpu_takes_arrays_of_the_device_by_name(cupy):
    x = cupy.asarray(numbers())
    y = fl.tanh(x, backend="cpu")
    assert type(y) is cupy.ndarray
    check_same_bits(y.get(), fl.tanh(numbers(), backend="cpu"))
    assert fl.get_backend(x) in ("cupy", "cuda")
    assert type(fl.to_backend(x, "cpu")) is np.ndarray
    assert type(fl.to_backend(numbers(), "cupy")) is cupy.ndarray
