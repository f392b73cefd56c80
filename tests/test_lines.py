"""How many lines an operation takes, as `benchmarks/lines.py` counts them."""

import importlib.util

import fastloa as fl
from benchmarks import lines

NOT_OPERATIONS = {
    "Philox", "activation", "available_backends", "get_backend", "loss", "minibatches", "minimize", "schedules",
    "show_config", "stopping", "to_backend", "use_backend",
}  # fmt: skip

TEXT = '''"""A module.

With two lines.
"""

def one():
    """One line."""
    return 1  # and no more


class Two:
    two = "not a docstring"
'''


def test_blank_lines_do_not_count_and_docstrings_are_told_apart(tmp_path):
    path = tmp_path / "found.py"
    path.write_text(TEXT)
    spec = importlib.util.spec_from_file_location("found", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert lines.lines(module) == (8, 3)


def test_all_families_and_formulas_are_counted(capsys):
    lines.main()
    rows = [
        [cell.strip() for cell in row.split("│")[1:-1]] for row in capsys.readouterr().out.splitlines() if "│" in row
    ]
    counts = {row[0]: int(row[1]) for row in rows if row[1]}
    assert counts["all"] == sum(counts[name] for name in lines.FAMILIES)
    assert counts["all"] == len({*fl.__all__, *fl.schedules.__all__} - NOT_OPERATIONS)
