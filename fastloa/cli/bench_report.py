"""What the benchmark found, as tables and as JSON."""

import datetime
import json
import math
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from fastloa.cli.console import console
from fastloa.cli.timing import Time

if TYPE_CHECKING:
    from fastloa.cli.bench import Point, Settings

ABSENT = "–"


def duration(seconds: float) -> str:
    """A time in the unit that suits it: 512 ns, 12.3 µs, 4.56 ms."""
    for scale, unit in ((1e-6, "ns"), (1e-3, "µs"), (1.0, "ms")):
        if seconds < 9.995 * scale or unit == "ms":
            return _figures(seconds / scale * 1e3, unit)
    raise AssertionError


def _figures(number: float, unit: str) -> str:
    digits = 0 if number >= 100 else 1 if number >= 10 else 2
    return f"{number:,.{digits}f} {unit}"


def times(ratio: float | None) -> str:
    """How many times as long somebody takes."""
    if ratio is None or not math.isfinite(ratio):
        return ABSENT
    return f"{ratio:.{0 if ratio >= 100 else 1 if ratio >= 10 else 2}f}"


def show(points: list["Point"], settings: "Settings", described: dict[str, Any]) -> None:
    """Print one table for each backend and dtype, and what must be known to read it."""
    out = console()
    for (backend, dtype), group in groupby(points, key=lambda point: (point.backend, point.dtype)):
        out.print(_table(list(group), backend, dtype, settings, described["threads"]))
    for note in _notes(points):
        out.print(note, soft_wrap=True)
    for line in legend(settings, described):
        out.print(line, soft_wrap=True)


def _table(points: list["Point"], backend: str, dtype: str, settings: "Settings", threads: int) -> Table:
    where = f"{backend}, {threads} threads" if backend == "cpu" else backend
    table = Table(title=f"{dtype} on {where}", title_justify="left", box=None, pad_edge=False)
    table.add_column("operation", no_wrap=True)
    others = rivals(points)
    for heading in ("shape", "a call", "20–80 %", "GB/s", "of copy", *(f"× {name}" for name in others)):
        table.add_column(heading, justify="right", no_wrap=True)
    for point in points:
        ours, shape = point.times.get("fastloa"), " × ".join(f"{n:,}" for n in point.shape)
        if ours is None:
            table.add_row(point.case.name, shape, "failed")
            continue
        speed, share = f"{point.size / ours.median / 1e9:.2f}", f"{100 * (point.ratio('copy') or 0.0):.0f} %"
        ratios = (times(point.ratio(name)) for name in others)
        table.add_row(point.case.name, shape, duration(ours.median), _spread(ours), speed, share, *ratios)
    return table


def rivals(points: list["Point"]) -> list[str]:
    """Who else was timed; PyTorch's variants are one."""
    found = dict.fromkeys(name.split()[0] for point in points for name in point.times)
    return [name for name in found if name not in {"fastloa", "copy"}]


def _spread(time: Time) -> str:
    return f"{100 * (time.low / time.median - 1):+.0f} {100 * (time.high / time.median - 1):+.0f}"


def _notes(points: list["Point"]) -> list[str]:
    """Who was left out for another reason than having no such call; one line for each."""
    found = (
        f"{point.case.name} {'x'.join(map(str, point.shape))} {point.dtype}, {name}: {note}"
        for point in points
        for name, note in point.notes.items()
        if note != "has no such call" and "not installed" not in note
    )
    absent = {f"{name}: {note}" for point in points for name, note in point.notes.items() if "not installed" in note}
    return [*found, *sorted(absent)]


def legend(settings: "Settings", described: dict[str, Any]) -> list[str]:
    """What the columns mean, and how they were measured."""
    threads = described["threads"]
    lines = [
        f"a call: the median of {settings.repeat} samples, taken in turns with the others; 20–80 %: their spread",
        "GB/s: the bytes a call must read and write, once each, in its time",
        f"of copy: against a copy that moves as many bytes, by one thread or {threads}, whichever is faster",
        "× NumPy: how many times as long NumPy takes (on a GPU CuPy), written as people do, in the same dtype",
    ]
    if settings.peers:
        version = described["packages"]["torch"]
        lines += [
            f"× PyTorch: the same for PyTorch {version} with {threads} threads: with out= where it has that, losses",
            "forward and backward by autograd (which allocates the gradient), optimizers by the fastest variant",
            "× JAX, torch.compile: compiled and warm, allocating their results; × numexpr: as one expression",
        ]
    load, cores = described["load"], described["machine"]["cores"]
    if load is not None and load > 0.5 * cores:
        lines.append(f"The machine was busy (load {load:.1f} on {cores} cores): another run will say something else.")
    given = "allocates its result" if settings.allocate else "writes to an array that is there (out=, grad_out=)"
    return [*lines, f"fastloa {given}; whoever disagreed with its results was not timed"]


def write(path: Path, points: list["Point"], settings: "Settings", described: dict[str, Any]) -> None:
    """Write everything to a file."""
    document = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "config": described,
        "settings": vars(settings),
        "legend": legend(settings, described),
        "rows": [row(point) for point in points],
    }
    path.write_text(json.dumps(document, indent=1) + "\n")


def row(point: "Point") -> dict[str, Any]:
    """One measurement as plain values; times are in seconds."""
    ours = point.times.get("fastloa")
    return {
        "name": point.case.name,
        "operation": point.case.operation,
        "form": point.case.form,
        "options": dict(point.case.row.options),
        "backend": point.backend,
        "dtype": point.dtype,
        "shape": list(point.shape),
        "bytes": point.size,
        "gb_per_s": None if ours is None else point.size / ours.median / 1e9,
        "share_of_copy": point.ratio("copy"),
        "times_numpy": point.ratio("NumPy"),
        "times_torch": point.ratio("PyTorch"),
        "times": {name: point.ratio(name) for name in rivals([point])},
        "seconds": {name: vars(time) for name, time in point.times.items()},
        "notes": point.notes,
    }
