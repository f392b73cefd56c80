"""Writes ``docs/catalogue.md`` from the docstrings of all there is: ``python benchmarks/catalogue.py``.

What other libraries call it is in ``benchmarks/peers.toml``.
"""

import inspect
import tomllib
from pathlib import Path
from types import ModuleType

from fastloa import activations, losses, optimizers, schedules

TARGET = Path(__file__).parents[1] / "docs" / "catalogue.md"
PEERS = Path(__file__).with_name("peers.toml")
LIBRARIES = {"torch": "PyTorch", "jax": "JAX, optax", "keras": "Keras", "sklearn": "scikit-learn"}
HEAD = """\
# All there is

This page is written by `python benchmarks/catalogue.py`. Docstrings say more, as `help(fastloa.gelu)` prints
them: the formula, the arguments, the conventions and the source. Beside each name stands what other libraries call the
same, or what comes closest, under conventions of their own.
"""
OWN = {"out", "backend", "reduction", "sample_weight", "folded"}  # what all of a kind take


def page() -> str:
    """The page."""
    return "\n".join([
        HEAD,
        *_table("activations", "each with its derivative and backward", activations),
        *_table("losses", "each with its gradient, and most with their Hessian", losses),
        *_table("optimizers", "all but two also as a step on bare arrays, such as `adam_step`", optimizers),
        *_table("schedules", "of any hyper-parameter, in `fastloa.schedules`", schedules),
    ])  # fmt: skip


def _table(family: str, what: str, module: ModuleType) -> list[str]:
    peers = tomllib.loads(PEERS.read_text(encoding="utf-8"))[family]
    names = sorted((n for n in module.__all__ if n != "Schedule" and not n.endswith("_step")), key=str.lower)
    head = ("name", *LIBRARIES.values(), "options", "what it is")
    rows = [
        (
            f"`{name}`",
            *_elsewhere(peers.get(name, {})),
            _options(getattr(module, name)),
            _summary(getattr(module, name)),
        )
        for name in names
    ]
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    return [
        f"## {family.title()}",
        "",
        f"{what[0].upper()}{what[1:]}.",
        "",
        lines[0],
        "|---" * len(head) + "|",
        *lines[1:],
        "",
    ]


def _elsewhere(names: dict[str, str]) -> list[str]:
    """What each of the other libraries calls it."""
    return [f"`{names[library]}`" if library in names else "–" for library in LIBRARIES]


def _options(function: object) -> str:
    """The arguments that are no arrays: those that must be given, and those that have a default, with it."""
    found = [
        p for p in inspect.signature(function).parameters.values()  # type: ignore[arg-type]
        if p.kind is not p.POSITIONAL_ONLY and p.name not in {*OWN, "params"}
    ]  # fmt: skip
    return ", ".join(f"`{p.name}`" if p.default is p.empty else f"`{p.name}={p.default!r}`" for p in found)


def _summary(function: object) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0].removesuffix(".")


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
    print(f"written: {TARGET.relative_to(TARGET.parents[1])}")
