"""The command line, as people run it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fastloa.cli.app import app


def run(*arguments):
    return CliRunner().invoke(app, list(arguments))


def test_info_as_json_from_python_m():
    command = [sys.executable, "-m", "fastloa", "info", "--json"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert found["backends"]["cpu"] is None
    assert {"fastloa", "python", "packages", "threads", "caches"} <= set(found)


@pytest.mark.shares("demo")
def test_the_demo_learns_and_draws(tmp_path):
    result = run("demo", "--no-table", "--output", str(tmp_path))
    assert result.exit_code == 0, result.output
    accuracy = float(result.output.split("test accuracy ")[-1].split()[0])
    assert accuracy >= 0.97
    (picture,) = tmp_path.glob("*.png")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_an_unknown_backend_is_one_line():
    result = run("demo", "--backend", "nowhere")
    assert result.exit_code != 0
    assert "Traceback" not in result.output


SMALL = ("bench", "--op", "relu", "--size", "3", "--repeat", "1")


def shell(command):
    """Run a line of the shell in which FASTLOA is the command."""
    line = command.replace("FASTLOA", f"{sys.executable} -m fastloa")
    return subprocess.run(["bash", "-c", f"set -o pipefail; {line}"], check=False, capture_output=True, text=True)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device")
def test_a_full_output_is_one_line():
    found = shell("FASTLOA info > /dev/full")
    assert (found.returncode, found.stderr) == (1, "fastloa: cannot write: No space left on device\n")


@pytest.mark.skipif(sys.platform == "win32", reason="no such shell")
def test_results_are_kept_where_nobody_reads_the_tables(tmp_path):
    path = tmp_path / "results.json"
    for end in ("| true", ">&-"):
        found = shell(f"FASTLOA {' '.join(SMALL)} --json {path} {end}")
        assert "Traceback" not in found.stderr
        assert len(json.loads(path.read_text())["rows"]) == 3
        path.unlink()


@pytest.mark.parametrize("given", ["", ",", " , "])
@pytest.mark.parametrize("option", ["--op", "--size", "--dtype", "--backend"])
def test_blanks_name_nothing(option, given):
    result = run("bench", option, given)
    assert (result.exit_code, result.output) == (1, f"fastloa: {option} must name something, got {given!r}\n")


def test_a_benchmark_of_nothing_has_failed():
    result = run("bench", "--op", "relu.backward", "--size", "1e15", "--repeat", "1")
    assert result.exit_code == 1
    assert "fastloa: nothing could be measured: " in result.output
