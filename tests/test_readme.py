"""What the README shows is what happens."""

import doctest
import importlib.util
import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
COMMANDS = (
    'python3 -m venv .venv && .venv/bin/pip install -e ".[demo]" && .venv/bin/fastloa demo',
    'python3 -m venv .venv && .venv/bin/pip install -e ".[test]" && .venv/bin/pytest',
)


def test_examples_run():
    results = doctest.testfile(str(README), module_relative=False)
    assert results.attempted > 15
    assert results.failed == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_the_two_commands_stand_as_they_are(command):
    assert command in README.read_text(encoding="utf-8").splitlines()


def test_the_catalogue_is_what_its_script_writes():
    path = README.parent / "benchmarks" / "catalogue.py"
    spec = importlib.util.spec_from_file_location("catalogue", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.page() == script.TARGET.read_text(encoding="utf-8"), "run python benchmarks/catalogue.py"


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", README.read_text(encoding="utf-8"))
    assert links
    assert all((README.parent / link).exists() for link in links)
