"""Prints how many lines an operation takes: ``python benchmarks/lines.py``.

Lines that are not blank, docstrings included: of what the public functions and classes are defined in, and of the
formulas. Those that are for all operations, such as exp, stand apart.
"""

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from fastloa_kernels import formulas, records
from rich.console import Console
from rich.table import Table

from fastloa import activations, losses, optimizers, schedules

FAMILIES = {"activations": activations, "losses": losses, "optimizers": optimizers, "schedules": schedules}
RECORDS = tuple(kind for _, kind in inspect.getmembers(records, inspect.isclass) if kind.__module__ == records.__name__)


def modules(package: ModuleType) -> Iterator[ModuleType]:
    """The package, and the modules in it."""
    yield package
    for found in pkgutil.iter_modules(package.__path__):
        yield importlib.import_module(f"{package.__name__}.{found.name}")


def lines(module: ModuleType) -> tuple[int, int]:
    """How many lines there are, and how many of them are docstrings."""
    text = Path(str(module.__file__)).read_text(encoding="utf-8")
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docs = [ast.get_docstring(node) or "" for node in ast.walk(ast.parse(text)) if isinstance(node, documented)]
    return _count(text), sum(map(_count, docs))


def _count(text: str) -> int:
    return sum(1 for line in text.splitlines() if line.strip())


def total(found: Iterator[ModuleType]) -> tuple[int, int]:
    """The same of all of them."""
    counts = [lines(module) for module in found]
    return sum(count for count, _ in counts), sum(docs for _, docs in counts)


def main() -> None:
    """Print the table."""
    own = [m for m in modules(formulas) if any(isinstance(value, RECORDS) for value in vars(m).values())]
    common = [m for m in modules(formulas) if m not in own]
    table = Table("what", "operations", "lines", "of them docstrings", "lines an operation")
    operations, sums = 0, [0, 0]
    for name, family in FAMILIES.items():
        count, (whole, docs) = len(family.__all__), total(modules(family))
        table.add_row(name, f"{count}", f"{whole:,}", f"{docs:,}", f"{whole / count:.0f}")
        operations, sums = operations + count, [sums[0] + whole, sums[1] + docs]
    for name, found in (("formulas of operations", own), ("formulas for all", common)):
        whole, docs = total(iter(found))
        table.add_row(name, "", f"{whole:,}", f"{docs:,}", f"{whole / operations:.0f}")
        sums = [sums[0] + whole, sums[1] + docs]
    table.add_row("all", f"{operations}", f"{sums[0]:,}", f"{sums[1]:,}", f"{sums[0] / operations:.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
