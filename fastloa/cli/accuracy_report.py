"""What ``fastloa accuracy`` prints and writes."""

import datetime
import importlib.metadata
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from fastloa.cli.console import console
from fastloa.config import config

LEGEND = (
    "points: results compared; all: every number of the dtype",
    "ulp: the greatest error, in units in the last place of the exact result; 0.5 is rounded correctly",
    "> 0.5: results that are not the number next to the exact one; lost: that are 0 where it is a number",
    "worst at: the operands of fastloa's greatest error",
)


def write(path: Path, described: dict[str, Any], rows: list[dict[str, Any]], seconds: float) -> None:
    """Write everything to a file, which is whole at any time."""
    found = config()
    found["packages"]["scipy"] = _version("scipy")
    document = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "config": {key: found[key] for key in ("fastloa", "python", "machine", "packages")},
        "run": described,
        "seconds": round(seconds, 1),
        "legend": LEGEND,
        "rows": rows,
    }
    beside = path.with_name(f"{path.name}.tmp")
    beside.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")
    beside.replace(path)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def show(rows: list[dict[str, Any]]) -> None:
    """Print a table for each dtype."""
    for dtype in dict.fromkeys(row["dtype"] for row in rows):
        some = [row for row in rows if row["dtype"] == dtype and row["results"]]
        if some:
            console().print(table(dtype, some))
    for line in LEGEND:
        print(line)


def table(dtype: str, rows: list[dict[str, Any]]) -> Table:
    """One dtype's results."""
    others = [name for name in ("PyTorch", "SciPy", "NumPy") if any(name in row["results"] for row in rows)]
    made = Table(title=dtype, title_justify="left", box=None, pad_edge=False)
    made.add_column("function", no_wrap=True)
    for heading in ("points", "ulp", "> 0.5", "lost"):
        made.add_column(heading, justify="right")
    made.add_column("worst at")
    for name in others:
        made.add_column(name, justify="right")
    for line in lines(rows, others, dtype):
        made.add_row(*line)
    return made


def lines(rows: list[dict[str, Any]], others: list[str], dtype: str) -> Iterator[list[str]]:
    """The cells of a table; a competitor's are its ulp, and how many results it loses."""
    for row in rows:
        ours = row["results"]["fastloa"]
        name = row["operation"] if row["form"] == "value" else f"{row['operation']}.{row['form']}"
        points = ("all " if row["whole"] and row["done"] == row["chunks"] else "") + f"{ours['points']:,}"
        at = ", ".join(number(float(x), dtype) for x in ours["at"] or [])
        theirs = (_other(row["results"].get(other)) for other in others)
        yield [name, points, ulp(ours["worst"]), share(ours), f"{ours['lost']:,}", at, *theirs]


def _other(counted: dict[str, Any] | None) -> str:
    if counted is None:
        return "–"
    return ulp(counted["worst"]) + (f", {counted['lost']:,} lost" if counted["lost"] else "")


def ulp(error: float | str) -> str:
    """An error as people read it."""
    return f"{float(error):.3g}" if float(error) < 1e4 else f"{float(error):.1e}"


def share(counted: dict[str, Any]) -> str:
    """What part of the results is not rounded correctly."""
    return f"{100 * counted['incorrect'] / max(counted['points'], 1):.2g} %"


def number(x: float, dtype: str) -> str:
    """The shortest decimal that is `x` in the dtype."""
    return str(np.dtype(dtype).type(x)) if dtype in ("float16", "float32", "float64") else f"{x:.4g}"
