"""Writes ``docs/catalogue.md`` from the docstrings of all there is: ``python benchmarks/catalogue.py``."""

import inspect
from pathlib import Path
from types import ModuleType

from fastloa import activations, losses, optimizers, schedules

TARGET = Path(__file__).parents[1] / "docs" / "catalogue.md"
HEAD = """\
# All there is

This page is written by `python benchmarks/catalogue.py`. Docstrings say more, as `help(fastloa.gelu)` prints
them: the formula, the arguments, the conventions and the source.
"""
OWN = {"out", "backend", "reduction", "sample_weight", "folded"}  # what all of a kind take


def page() -> str:
    """The page."""
    return "\n".join([
        HEAD,
        *_table("Activations", "each with its derivative and backward", activations),
        *_table("Losses", "each with its gradient, and most with their Hessian", losses),
        *_table("Optimizers", "most also as a step on bare arrays, such as `adam_step`", optimizers),
        *_table("Schedules", "of any hyper-parameter, in `fastloa.schedules`", schedules),
    ])  # fmt: skip


def _table(title: str, what: str, module: ModuleType) -> list[str]:
    names = sorted((n for n in module.__all__ if n != "Schedule" and not n.endswith("_step")), key=str.lower)
    rows = [f"| `{name}` | {_options(getattr(module, name))} | {_summary(getattr(module, name))} |" for name in names]
    return [
        f"## {title}",
        "",
        f"{what[0].upper()}{what[1:]}.",
        "",
        "| name | options | what it is |",
        "|---|---|---|",
        *rows,
        "",
    ]


def _options(function: object) -> str:
    """The arguments that have a default, and their defaults."""
    parameters = inspect.signature(function).parameters.values()  # type: ignore[arg-type]
    return ", ".join(f"`{p.name}={p.default!r}`" for p in parameters if p.default is not p.empty and p.name not in OWN)


def _summary(function: object) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0].removesuffix(".")


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
    print(f"written: {TARGET.relative_to(TARGET.parents[1])}")
