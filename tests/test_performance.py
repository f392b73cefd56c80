"""The page of the CPU's speed: measured at tiny sizes, written from results, and that of the committed ones."""

import json
from pathlib import Path

import pytest

from benchmarks.performance import report, sections
from benchmarks.performance.bars import BARS, Bar

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results" / "cpu"
PLAN = sections.Plan(1, tiny=True)


@pytest.mark.parametrize("name", ["losses", "rows", "halves", "sizes", "threads", "arrays"])
def test_every_row_is_measured(name):
    if name == "arrays":
        pytest.importorskip("torch")
    found = list(sections.SECTIONS[name](PLAN))
    assert len(found) >= 10
    for row in found:
        assert row["seconds"]["fastloa"]["median"] > 0


def test_what_calls_allocate_is_counted():
    found = {row["name"]: row["bytes"] for row in sections.memory(PLAN)}
    assert max(found.values()) < 1 << 20
    assert found["relu"] > 0
    assert sections.starts.peak(lambda: bytearray(1 << 20)) >= 1 << 20


def test_starts_are_measured():
    found = {row["what"]: row["seconds"]["median"] for row in sections.starts.rows(1)}
    assert found["import fastloa"] > found["import numpy"] > 0
    assert found["the first call of gelu on a million, compiled"] > 0


def test_a_bar_takes_the_least_or_the_mean():
    rows = {
        "large": [{"name": name, "shape": [8], "times": {"PyTorch": ratio}} for name, ratio in (("a", 1.0), ("b", 4.0))]
    }
    least, mean = Bar("work", "large", "PyTorch", 2.0), Bar("work", "large", "PyTorch", 2.0, mean=True)
    assert least.ratios(rows) == {"a": 1.0, "b": 4.0}
    assert least.reached(least.ratios(rows)) == 1.0
    assert mean.reached(mean.ratios(rows)) == 2.0
    assert Bar("work", "large", "JAX", 2.0).ratios(rows) == {}


def test_the_page_is_that_of_the_committed_results(tmp_path):
    report.write(RESULTS, tmp_path)
    committed = RESULTS.parents[2] / "docs"
    assert (tmp_path / "performance.md").read_text() == (committed / "performance.md").read_text()
    assert {path.name for path in (tmp_path / "performance").iterdir()} == {
        path.name for path in (committed / "performance").iterdir()
    }


def test_every_bar_has_rows_in_the_committed_results():
    results = {path.stem: json.loads(path.read_text())["rows"] for path in RESULTS.glob("*.json")}
    assert results.keys() == sections.SECTIONS.keys()
    for bar in BARS:
        assert bar.ratios(results), bar
