"""``fastloa bench``: how fast each operation is, beside a copy, NumPy and PyTorch, all in one run."""

import os
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numba
import numpy as np
from fastloa_kernels.engines import MODULES
from tqdm.auto import tqdm

import fastloa as fl
from fastloa import backends
from fastloa.cli import bench_report
from fastloa.cli.bench_case import Case, Place, Shape
from fastloa.cli.bench_cases import cases
from fastloa.cli.bench_peers import COMPILED, PEERS, library
from fastloa.cli.console import fail
from fastloa.cli.timing import Competitor, Time, copies, measure, on_host
from fastloa.config import config

DTYPES = ("float32", "float64", "float16", "bfloat16")
TOLERANCE = {2: 2e-2, 4: 1e-4, 8: 1e-9}  # by the dtype's bytes: formulas as people write them lose digits


@dataclass(frozen=True)
class Choice:
    """What to measure; no sizes mean each case's own."""

    cases: tuple[Case, ...]
    sizes: tuple[str, ...]
    dtypes: tuple[Any, ...]
    backends: tuple[str, ...]

    def points(self) -> Iterator[tuple[Case, Shape, Any, str]]:
        """Name everything to measure, one backend and dtype after the other."""
        for backend, dtype, case in product(self.backends, self.dtypes, self.cases):
            for size in self.sizes or case.sizes:
                yield case, shape_of(size, rows=case.rows), dtype, backend


@dataclass(frozen=True)
class Settings:
    """How to measure."""

    repeat: int = 9
    peers: tuple[str, ...] = ()  # of `bench_peers`, beside NumPy
    allocate: bool = False


@dataclass(frozen=True)
class Point:
    """One measurement: who took how long, and why somebody was not timed."""

    case: Case
    shape: Shape
    dtype: str
    backend: str
    size: int
    times: dict[str, Time] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def ratio(self, name: str) -> float | None:
        """How many times as long somebody else takes; the fastest of those whose names begin so."""
        theirs = [time.median for other, time in self.times.items() if other.startswith(name)]
        return min(theirs) / self.times["fastloa"].median if theirs else None


def choose(ops: list[str], sizes: list[str], dtypes: list[str], names: list[str]) -> Choice:
    """Check what the command line names, and fail in one line that lists the choices."""
    found = cases()
    chosen = [case for case in found.values() if not ops or {case.name, case.operation} & set(ops)]
    known = {name for case in found.values() for name in (case.name, case.operation)}
    check_choice("--op", ops, known, sorted({case.operation for case in found.values()}))
    check_choice("--dtype", dtypes, DTYPES, DTYPES)
    check_choice("--backend", names, MODULES, MODULES)
    for size in sizes:
        if shape_of(size, rows=False) is None:
            fail(f"--size must be a number of elements (1000000, 1e6) or rows and columns (8192x1000), got {size!r}")
    for name in names:
        reason = backends.missing_because(name)
        if reason is not None:
            fail(reason)
    found_dtypes = tuple(map(dtype_of, dtypes or ["float32"]))
    return Choice(tuple(chosen), tuple(sizes), found_dtypes, tuple(names or fl.available_backends()))


def peers(compare: bool, compiled: bool) -> tuple[str, ...]:
    """Whom to compare with."""
    return PEERS * compare + (COMPILED,) * compiled


def check_choice(option: str, given: list[str], known: Any, listed: Any) -> None:
    """Fail for a name that is not known, listing some that are."""
    for name in given:
        if name not in known:
            fail(f"{option} must be one of {', '.join(listed)}, got {name!r}")


def dtype_of(name: str) -> Any:
    """NumPy's dtype of that name."""
    if name != "bfloat16":
        return np.dtype(name)
    try:
        import ml_dtypes
    except ModuleNotFoundError:
        fail("bfloat16 arrays of NumPy need ml_dtypes: pip install ml_dtypes")
    return np.dtype(ml_dtypes.bfloat16)


def shape_of(size: str, *, rows: bool) -> Any:
    """The shape that a size means, or None: 3, 1e6 or 8192x1000; for rows a number of elements is cut into rows."""
    try:
        numbers = [float(number) for number in size.split("x")]
    except ValueError:
        return None
    if len(numbers) > 2 or not all(number.is_integer() and number >= 1 for number in numbers):
        return None
    shape = tuple(map(int, numbers))
    if rows and len(shape) == 1:
        columns = min(shape[0], 1000 if shape[0] >= 10_000 else 10)
        return shape[0] // columns, columns
    return shape


def run(choice: Choice, settings: Settings, path: Path | None) -> None:
    """Measure, print tables, and write the file."""
    if path is not None:
        try:
            path.open("a").close()
        except OSError as error:
            fail(f"cannot write {path}: {error.strerror}")
    described = {**config(), "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None}
    points: list[Point] = []
    total = list(choice.points())
    try:
        for case, shape, dtype, backend in tqdm(total, unit="point", disable=not sys.stderr.isatty(), leave=False):
            points.append(point(case, shape, dtype, backend, settings))
    except KeyboardInterrupt:
        print(f"interrupted after {len(points)} of {len(total)} points")
    if path is not None:  # first, for who reads the tables may go away
        bench_report.write(path, points, settings, described)
    bench_report.show(points, settings, described)
    if path is not None:
        print(f"written: {path}")
    if points and not any(found.times for found in points):
        fail(f"nothing could be measured: {points[0].notes['fastloa']}")


def point(case: Case, shape: Shape, dtype: Any, backend: str, settings: Settings) -> Point:
    """Measure one point; whoever fails or disagrees is noted, and not timed."""
    place = Place(backend, settings.allocate)
    with place.chosen():
        try:
            inputs = case.inputs(np.random.default_rng(0), shape, dtype)
            made = Point(case, shape, str(dtype), backend, case.size(inputs))
            ours = case.ours(inputs, place)
            expected = on_host(ours.outcome())
        except (TypeError, ValueError, RuntimeError, MemoryError) as error:
            return Point(case, shape, str(dtype), backend, 0, notes={"fastloa": f"{error}"})
        competitors = {"fastloa": ours, **copies(place.xp, made.size, place.wait)}
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):  # others' are theirs
            for name, other in _others(case, inputs, place, settings, made.notes).items():
                note = disagreement(expected, other, TOLERANCE[dtype.itemsize])
                if note is None:
                    competitors[name] = other
                else:
                    made.notes[name] = note
            made.times.update(measure(competitors, settings.repeat))
    return made


def _others(
    case: Case, inputs: list[Any], place: Place, settings: Settings, notes: dict[str, str]
) -> dict[str, Competitor]:
    """Who else does the same work; the reasons of those who do not are noted."""
    found: dict[str, Competitor | None] = {"NumPy": case.plain(inputs, place)}
    for name in settings.peers:
        try:
            other = library(name, gpu=place.gpu, threads=numba.get_num_threads())
            found[name] = None if other is None else case.peer(other, inputs, place)
        except ModuleNotFoundError as error:
            notes[name] = f"{error.name} is not installed"
    notes.update({name: "has no such call" for name, other in found.items() if other is None})
    return {name: other for name, other in found.items() if other is not None}


def disagreement(expected: list[Any], other: Competitor, tolerance: float) -> str | None:
    """Why somebody's results are not ours, or None."""
    try:
        results = on_host(other.outcome())
    except (TypeError, ValueError, RuntimeError, MemoryError) as error:
        return f"failed: {' '.join(str(error).split())}"
    for ours, theirs in zip(expected, results, strict=True):
        scale = float(np.abs(ours[np.isfinite(ours)]).max(initial=0.0))
        if not np.allclose(theirs, ours, rtol=tolerance, atol=tolerance * scale, equal_nan=True):
            worst = float(np.nanmax(np.abs(theirs - ours), initial=0.0))
            return f"disagrees by {worst:.2g} where the largest result is {scale:.2g}"
    return None
