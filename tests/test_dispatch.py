"""Which engine runs a call: the arrays, the process, the block and the call itself have their say, in this order."""

import asyncio
import sys
import threading

import numpy as np
import pytest

import fastloa as fl
from fastloa import backends
from tests import harness

X = np.array([-1.0, 2.0])


@pytest.fixture(autouse=True)
def _as_before():
    before = backends.selected()
    yield
    fl.use_backend(before)


def test_the_cpu_is_always_there():
    assert fl.available_backends()[0] == "cpu"
    assert fl.get_backend(X) == "cpu"


@pytest.mark.parametrize("name", ["cupy", "cuda"])
def test_a_backend_that_cannot_run_is_refused_with_the_remedy_and_changes_nothing(name, request):
    if name in fl.available_backends():
        pytest.skip(f"{name} can run here")
    for call in (
        lambda: fl.use_backend(name),
        lambda: fl.relu(X, backend=name),
        lambda: fl.mse_loss(X, X, backend=name),
        lambda: fl.softmax(X, backend=name),
        lambda: fl.cross_entropy(X[None], np.array([0]), backend=name),
        lambda: fl.to_backend(X, name),
        lambda: fl.SGD(X.copy(), backend=name).step(X),
    ):
        with pytest.raises(RuntimeError, match=name) as caught:
            call()
        assert "\n" not in str(caught.value)
    assert backends.selected() in ("auto", "cpu")
    assert fl.relu(X).tolist() == [0.0, 2.0]


def test_a_block_holds_inside_only_and_blocks_nest():
    with fl.use_backend("cpu"):
        assert backends.selected() == "cpu"
        with fl.use_backend("auto"):
            assert backends.selected() == "auto"
        assert backends.selected() == "cpu"
    assert backends.selected() == "auto"


def test_a_block_ends_with_an_error_too():
    with pytest.raises(ZeroDivisionError), fl.use_backend("cpu"):
        raise ZeroDivisionError
    assert backends.selected() == "auto"


def test_a_statement_holds_for_all_threads_and_a_block_for_its_own():
    seen = []
    with fl.use_backend("cpu"):
        thread = threading.Thread(target=lambda: seen.append(backends.selected()))
        thread.start()
        thread.join()
    fl.use_backend("cpu")
    thread = threading.Thread(target=lambda: seen.append(backends.selected()))
    thread.start()
    thread.join()
    assert seen == ["auto", "cpu"]


def test_a_block_belongs_to_its_task():
    async def within():
        with fl.use_backend("cpu"):
            await asyncio.sleep(0.01)
            return backends.selected()

    async def beside():
        await asyncio.sleep(0.005)
        return backends.selected()

    async def both():
        return await asyncio.gather(within(), beside())

    assert asyncio.run(both()) == ["cpu", "auto"]


@pytest.mark.parametrize(("given", "printed"), [("cpu", "cpu"), ("auto", "auto")])
def test_the_environment_names_the_first_choice(given, printed):
    script = "import fastloa\nfrom fastloa import backends\nprint(backends.selected())"
    assert harness.python(script, FASTLOA_BACKEND=given) == f"{printed}\n"


def test_an_unknown_name_in_the_environment_is_an_error_of_the_first_call():
    script = """
import numpy as np
import fastloa
try:
    fastloa.relu(np.ones(2))
except ValueError as error:
    print(error)
"""
    expected = "FASTLOA_BACKEND: must be 'auto', 'cpu', 'cupy' or 'cuda', got 'gpu'\n"
    assert harness.python(script, FASTLOA_BACKEND="gpu") == expected


def test_structures_are_moved_as_they_are():
    moved = fl.to_backend({"w": X, "b": [X, (X,)]}, "cpu")
    assert moved["w"] is X
    assert moved["b"][0] is X
    assert moved["b"][1][0] is X
    assert isinstance(moved["b"][1], tuple)


def test_the_configuration_says_why_a_backend_is_missing(capsys):
    fl.show_config()
    printed = capsys.readouterr().out
    assert "fastloa" in printed
    for name in ("cpu", "cupy", "cuda"):
        assert f"  {name}: " in printed


def test_importing_loads_no_engine():
    script = "import sys, fastloa\nprint([m for m in ('numba', 'llvmlite', 'cupy', 'numba_cuda', 'fastloa_kernels.own', 'fastloa.training') if m in sys.modules])"
    assert harness.python(script) == "[]\n"


def test_blocks_of_many_threads_leave_no_choice_behind():
    before, interval = backends._process, sys.getswitchinterval()

    def enter_and_leave():
        for _ in range(2000):
            with fl.use_backend("cpu"):
                pass

    sys.setswitchinterval(1e-6)
    try:
        workers = [threading.Thread(target=enter_and_leave) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        sys.setswitchinterval(interval)
    assert (backends._process, backends._open_blocks) == (before, 0)
