"""The CPU kernels on the disk: found again, never mistaken for each other, and never out of date."""

import os
import shutil

import pytest

from tests import harness

SCRIPT = """
import numpy as np
import fastloa as fl
x = np.array([-1.0, 0.5, 2.0], np.float32)
print(fl.relu(x).tolist(), fl.relu.derivative(x).tolist(), fl.leaky_relu(x).tolist(), float(fl.mse_loss(x, x + 1)))
fl.relu.backward(np.ones((300, 300)), np.ones((300, 300)))
"""
RESULTS = "[0.0, 0.5, 2.0] [0.0, 1.0, 1.0] [-0.009999999776482582, 0.5, 2.0] 1.0\n"

pytestmark = pytest.mark.shares("disk cache")


def files(directory, kind):
    return {path.name for path in directory.rglob(f"*.{kind}")}


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    directory = tmp_path_factory.mktemp("cache")
    assert harness.python(SCRIPT, NUMBA_CACHE_DIR=str(directory)) == RESULTS
    return directory


def test_no_two_kernels_share_an_index(filled):
    kernels, indices = files(filled, "nbc"), files(filled, "nbi")
    assert len(kernels) >= 5
    assert {name.replace(".1.nbc", ".nbi") for name in kernels} == indices


def test_a_kernel_is_found_again(filled):
    before = {path: path.stat().st_mtime_ns for path in filled.rglob("*.nb?")}
    assert harness.python(SCRIPT, NUMBA_CACHE_DIR=str(filled)) == RESULTS
    assert {path: path.stat().st_mtime_ns for path in filled.rglob("*.nb?")} == before


def test_kernels_have_one_name_in_whatever_order_they_are_made(tmp_path):
    calls = (
        "fl.mse_loss(x, x, sample_weight=x)", "fl.l1_loss.grad(x, x, sample_weight=x)",
        "fl.mse_loss.value_and_grad(x, x, grad_out=x.copy())", "fl.tanh(x, out=x)",
    )  # fmt: skip
    head = "import numpy as np, fastloa as fl\nx = np.ones(9000, np.float32)\n"
    harness.python(head + "\n".join(calls), NUMBA_CACHE_DIR=str(tmp_path))
    before = files(tmp_path, "nb?")
    harness.python(head + "\n".join(reversed(calls)), NUMBA_CACHE_DIR=str(tmp_path))
    assert files(tmp_path, "nb?") == before


PAIRS = {
    "sums": ("fl.l1_loss(x, y, reduction='sum')", "fl.mse_loss(x, y, reduction='sum')"),
    "rows": ("fl.softmax(x)", "fl.log_softmax(x)"),
    "maps": ("fl.sigmoid.backward(x, y)", "fl.tanh.backward(x, y)"),
}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_kernels_of_two_processes_do_their_own_work_in_a_third(pair, tmp_path):
    def results(*calls):
        head = "import numpy as np, fastloa as fl\nx, y = np.float32([[1, 5, 7]]), np.float32([[2, 2, 2]])\n"
        script = head + "\n".join(f"print({call}.tolist())" for call in calls)
        return harness.python(script, NUMBA_CACHE_DIR=str(tmp_path))

    first, second = results(pair[0]), results(pair[1])
    assert first != second
    assert results(*pair) == first + second


def test_an_edited_formula_is_compiled_anew_and_the_old_one_removed(tmp_path):
    tree, cache = tmp_path / "tree", str(tmp_path / "cache")
    for package in ("fastloa", "kernels"):
        shutil.copytree(harness.ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
    path = os.pathsep.join([str(tree), str(tree / "kernels")])
    environment = {"PYTHONPATH": path, "PYTHONSAFEPATH": "1", "NUMBA_CACHE_DIR": cache}
    assert harness.python(SCRIPT, **environment) == RESULTS
    old = files(tmp_path / "cache", "nbc")
    path = tree / "kernels" / "fastloa_kernels" / "formulas" / "activations.py"
    text = path.read_text()
    assert "return 0.0 if x < 0.0 else x" in text
    path.write_text(text.replace("return 0.0 if x < 0.0 else x", "return 3.0 if x < 0.0 else x"))
    assert harness.python(SCRIPT, **environment).startswith("[3.0, 0.5, 2.0] [0.0, 1.0, 1.0]")
    new = files(tmp_path / "cache", "nbc")
    assert len(new) == len(old)
    assert not new & old


def test_without_a_directory_to_write_to_it_runs_all_the_same():
    nowhere = {"NUMBA_CACHE_DIR": f"{os.devnull}/cache", "NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator"}
    assert harness.python(SCRIPT, **nowhere) == RESULTS
