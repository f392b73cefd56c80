"""Python threads and child processes, made at any time, on every threading layer: no crash, no hang, the right bits."""

import functools
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import harness

SCRIPT = Path(__file__).with_name("parent.py")
LAYERS = ("omp", "workqueue", "tbb")
METHODS = ("threads", "fork", "spawn", "forkserver")
MOMENTS = ("before", "launched", "during", "after")
# Threads that were launched, but have run no kernel, make a difference to forked children only.
CELLS = [(moment, method) for moment in MOMENTS for method in METHODS if method == "fork" or moment != "launched"]
LIMIT = 120  # seconds; a cell takes a few once its kernels are compiled


def ended(layer, *arguments):
    """Run Python in a session of its own, so that a child that hangs can be ended with it: status, output, errors."""
    libraries = os.pathsep.join([os.environ.get("LD_LIBRARY_PATH", ""), str(Path(sys.prefix) / "lib")])  # tbb's wheel
    environment = {
        **os.environ, "PYTHONPATH": os.pathsep.join([str(harness.ROOT), str(harness.ROOT / "kernels")]),
        "NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": "2", "LD_LIBRARY_PATH": libraries,
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=harness.ROOT, env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        output, errors = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        return f"none after {LIMIT} seconds", *process.communicate()
    return process.returncode, output, errors


@functools.cache
def unloadable(layer):
    """Why a layer does not load here; None if it does."""
    status, _, errors = ended(layer, "-c", "import numba; numba.get_num_threads()")
    return f"{layer} does not load: {errors.splitlines()[-1]}" if status else None


def check(layer, method, moment):
    status, output, errors = ended(layer, str(SCRIPT), method, moment)
    assert status == 0, f"status {status}: {errors}"
    # numba's tbb prints a warning where a child of a child is made; the grandchild uses no threads.
    assert output.splitlines()[-1] == layer


@pytest.mark.parametrize("layer", [pytest.param(name, marks=pytest.mark.shares(name)) for name in LAYERS])
@pytest.mark.parametrize(("moment", "method"), CELLS)
def test_children(moment, method, layer):
    if method not in ("threads", *multiprocessing.get_all_start_methods()):
        pytest.skip(f"no {method} here")
    if unloadable(layer):
        pytest.skip(unloadable(layer))
    check(layer, method, moment)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.shares("omp")
def test_a_fork_while_another_thread_compiles():
    """The child must not wait for a lock that this thread had."""
    check("omp", "fork", "compiling")


MAKING = """
import os, signal, threading
import numpy as np
import fastloa as fl
from fastloa_kernels.engines.numba_cpu import elementwise, launching, over_rows

x, made, asked = np.ones(9), threading.Event(), threading.Event()

def waiting(original):
    def slow(*arguments):
        found = original(*arguments)
        if threading.current_thread() is not threading.main_thread():
            made.set()
            asked.wait()
        return found
    return slow

elementwise.address_of = over_rows.address_of = waiting(elementwise.address_of)
launching.compiled = waiting(launching.compiled)
for first, second in ((fl.tanh, fl.sigmoid), (fl.softmax, fl.log_softmax)):
    made.clear(), asked.clear()
    thread = threading.Thread(target=first, args=(x,))
    thread.start()
    made.wait()
    child = os.fork()
    if not child:
        signal.alarm(30)
        second(x)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    asked.set()
    thread.join()
    print(status)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.shares("omp")
def test_a_fork_while_another_thread_makes_a_kernel():
    """Nor for one that Python's own helpers keep around what that thread makes."""
    assert harness.python(MAKING) == "0\n0\n"
