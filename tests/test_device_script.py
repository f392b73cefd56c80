"""The script for a machine with a GPU, dry: its tables walk through their rows at tiny sizes, on kernels built by g++."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import gpu
from tests.shim.compare import needs_compiler

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.shares("device script")  # one run of it
TABLES = {
    "launches": {"relu", "relu (new)", "mse_loss.value_and_grad", "softmax", "AdamW.step"},
    "rows": {"softmax", "softmax.backward_from_output"},
    "bandwidth": {"relu", "relu.backward", "relu.backward_from_output", "mse_loss.value_and_grad", "AdamW.step"},
    "arrays": {"AdamW.step", "AdamW.step, compensated"},
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Give the folder of a dry run's results."""
    folder = tmp_path_factory.mktemp("gpu")
    options = ["--engines", "cupy", "--dtypes", "float32,bfloat16", "--ops", "relu,mse_loss,softmax,AdamW"]
    done = subprocess.run(
        ["bash", ROOT / "benchmarks" / "device.sh", "--dry-run", "machine", *TABLES, "--", *options],
        env={**os.environ, "OUT": str(folder), "PYTHON": sys.executable}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


@needs_compiler
@pytest.mark.parametrize("table", TABLES)
def test_every_row_is_measured(results, table):
    rows = json.loads((results / f"{table}.json").read_text())["rows"]
    assert {row["name"] for row in rows} >= TABLES[table]
    for row in rows:
        assert "fastloa" not in row["notes"], row
        assert row["seconds"]["fastloa"]["median"] > 0, row


@needs_compiler
def test_the_page_is_written_from_the_results(results, tmp_path, monkeypatch):
    machine = json.loads((results / "machine.json").read_text())
    machine["config"]["cuda"] = {"driver": "13.0", "devices": "none"}
    (results / "machine.json").write_text(json.dumps(machine))
    monkeypatch.setattr(gpu, "SOURCE", results)
    monkeypatch.setattr(gpu, "TARGET", tmp_path / "gpu.md")
    gpu.main()
    page = (tmp_path / "gpu.md").read_text()
    assert "| `relu.backward` | bfloat16 | 40 |" in page
    assert "rows reach the bar" in page
    assert "the tests `kernels`" in page


def test_the_page_is_that_of_the_committed_results(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu, "TARGET", tmp_path / "gpu.md")
    gpu.main()
    assert (tmp_path / "gpu.md").read_text() == (ROOT / "docs" / "gpu.md").read_text()
