"""The command line, as people run it."""

import json
import subprocess
import sys

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
