"""The cuda engine where there is no GPU: in numba's simulator, and how it says what it lacks."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastloa_kernels import engines
from fastloa_kernels.engines.numba_cuda import toolchain
from fastloa_kernels.engines.numba_cuda.engine import Engine

from tests.harness import on_one_processor

ROOT = Path(__file__).parents[1]
REMEDY = r"pip install 'fastloa\[cuda13\]'"


def python(*arguments, **environment):
    """Runs this Python in the project's root; its exit status and what it printed."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
    given = os.environ | {"PYTHONPATH": path} | environment
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=given, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.first
@pytest.mark.skipif(toolchain.cuda is None, reason="numba-cuda is not installed")
@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "tests" / "simulated").glob("test_*.py")))
def test_the_engine_agrees_with_the_cpu_in_the_simulator(name):
    # The simulator is chosen when numba is imported, for a whole process: so these get processes of their own.
    with on_one_processor():
        status, printed = python(
            "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", f"tests/simulated/{name}",
            NUMBA_ENABLE_CUDASIM="1",
        )  # fmt: skip
    assert status == 0, printed
    assert "skipped" not in printed


def test_the_package_imports_without_numba_cuda_and_cupy():
    script = """
import importlib, pkgutil, sys
sys.modules["numba_cuda"] = sys.modules["cupy"] = None
from fastloa_kernels import engines
from fastloa_kernels.engines import numba_cuda
for module in pkgutil.iter_modules(numba_cuda.__path__, numba_cuda.__name__ + "."):
    importlib.import_module(module.name)
try:
    engines.load_engine("cuda")
except engines.Unavailable as reason:
    print(reason)
"""
    assert python("-c", script) == (0, "the cuda backend needs numba-cuda: pip install 'fastloa[cuda13]'\n")


def test_without_cupy_the_engine_says_so(monkeypatch):
    monkeypatch.setattr(toolchain, "cuda", object())
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(engines.Unavailable, match=f"^the cuda backend needs CuPy: {REMEDY}$"):
        Engine()


def test_without_a_device_the_engine_says_so(monkeypatch):
    monkeypatch.setattr(toolchain, "cuda", object())
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: False)))
    with pytest.raises(engines.Unavailable, match=r"^the cuda backend needs a CUDA device, and found none$"):
        Engine()
