"""``fastloa accuracy``: how far every operation and derivative is from its exact result, and where it is farthest."""

import contextlib
import json
import math
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from fastloa_kernels.engines.numba_cpu.compilation import VERSION
from tqdm.auto import tqdm

from fastloa.cli import accuracy_report
from fastloa.cli.accuracy_peers import peers
from fastloa.cli.accuracy_table import Function, functions
from fastloa.cli.accuracy_tally import Tally, tally
from fastloa.cli.bench import DTYPES, check_choice, dtype_of
from fastloa.cli.console import fail
from fastloa.cli.exact_activations import COMPUTED

CHUNK = 1 << 20  # results counted between two saves at least
BLOCK = 1 << 16  # results computed at a time: temporary arrays stay in the cache
SAVED_EVERY = 60.0  # seconds
KEY = ("operation", "form", "dtype")


@dataclass(frozen=True)
class Choice:
    """What to measure, and on how many points of each function that is not walked whole."""

    functions: tuple[Function, ...]
    dtypes: tuple[Any, ...]
    points: int
    exhaustive: bool

    def described(self) -> dict[str, Any]:
        """What must be equal in two runs, or one cannot continue the other."""
        return {"points": self.points, "exhaustive": self.exhaustive}

    def walks(self) -> list["Walk"]:
        """Each function in each dtype."""
        return [Walk(f, dtype, self._chunks(f, dtype)) for f in self.functions for dtype in self.dtypes]

    def _chunks(self, function: Function, dtype: Any) -> int:
        whole = function.unary and (dtype.itemsize == 2 or (dtype.itemsize == 4 and self.exhaustive))
        return -(-(1 << 8 * int(dtype.itemsize) if whole else self.points) // CHUNK)


@dataclass
class Walk:
    """One function over its operands, in chunks, and what has been counted for each competitor."""

    function: Function
    dtype: Any
    chunks: int
    done: int = 0
    tallies: dict[str, Tally] = field(default_factory=dict)
    kernels: str = VERSION

    @property
    def whole(self) -> bool:
        """Whether every number of the dtype is tried."""
        return self.function.unary and self.chunks == -(-(1 << 8 * self.dtype.itemsize) // CHUNK)

    @property
    def key(self) -> tuple[str, str, str]:
        """What distinguishes it from the others of a file."""
        return self.function.operation, self.function.form, self.dtype.name

    def operands(self, i: int, points: int) -> tuple[Any, ...]:
        """The operands of a chunk: the same in every run."""
        bits = 8 * self.dtype.itemsize
        if self.whole:
            first, count = i * CHUNK, min(CHUNK, 1 << bits)
            return (np.arange(first, first + count, dtype=f"u{self.dtype.itemsize}").view(self.dtype),)
        seed = [i, *self.function.name.encode(), *self.dtype.name.encode()]
        count = min(CHUNK, points - i * CHUNK)
        return self.function.draw(np.random.default_rng(seed), count, self.dtype)

    def count(self, i: int, points: int, others: dict[str, Callable[..., Any]]) -> dict[str, Tally]:
        """Compare one chunk, block by block."""
        operands, found = self.operands(i, points), dict[str, Tally]()
        rows = max(BLOCK // (operands[0].size // len(operands[0])), 1)
        for start in range(0, len(operands[0]), rows):
            for name, counted in self._count(tuple(x[start : start + rows] for x in operands), others).items():
                found.setdefault(name, Tally()).add(counted)
        return found

    def _count(self, operands: tuple[Any, ...], others: dict[str, Callable[..., Any]]) -> dict[str, Tally]:
        with np.errstate(all="ignore"):
            exact = self._exact(operands)
            found = {"fastloa": tally(np.asarray(self.function.call(*operands)), exact, operands)}
            for name, call in others.items():
                with contextlib.suppress(RuntimeError, TypeError, NotImplementedError):  # a dtype that it does not take
                    found[name] = tally(np.asarray(call(*operands)), exact, operands)
            return found

    def _exact(self, operands: tuple[Any, ...]) -> Any:
        wider = np.float64 if self.dtype.itemsize < 8 else np.longdouble
        exact = self.function.exact(*(x if x.dtype.kind == "i" else x.astype(wider) for x in operands))
        elementwise = [x for x in operands if x.shape == exact.shape]
        if len(elementwise) == len(operands):  # rows hold no NaN
            exact = np.where(np.any([np.isnan(x) for x in elementwise], axis=0), np.nan, exact)
        return exact.astype(wider)

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        found = {name: counted.as_dict() for name, counted in self.tallies.items()}
        counts = {"kernels": self.kernels, "whole": self.whole, "chunks": self.chunks, "done": self.done}
        return {**dict(zip(KEY, self.key, strict=True)), **counts, "results": found}

    def take(self, values: dict[str, Any]) -> None:
        """Go on from what `as_dict` gave, unless other kernels have begun it."""
        if values["done"] == self.chunks or values["kernels"] == VERSION:
            self.done, self.kernels = values["done"], values["kernels"]
            self.tallies = {name: Tally.from_dict(counted) for name, counted in values["results"].items()}


def check_row(values: dict[str, Any]) -> None:
    """Raise unless these are such as `Walk.as_dict` gives."""
    for name in ("kernels", "whole", "chunks", "done"):
        values[name]
    for counted in values["results"].values():
        Tally.from_dict(counted)


def choose(ops: list[str], dtypes: list[str], points: float, *, exhaustive: bool) -> Choice:
    """Check what the command line names, and fail in one line that lists the choices."""
    found = functions()
    names = {name for f in found.values() for name in (f.name, f.operation)}
    check_choice("--op", ops, names, sorted({f.operation for f in found.values()}))
    check_choice("--dtype", dtypes, DTYPES, DTYPES)
    if not (math.isfinite(points) and points >= 1 and float(points).is_integer()):
        fail(f"--points must be a number of points, such as 1000000 or 1e6, got {points:g}")
    chosen = tuple(f for f in found.values() if not ops or {f.name, f.operation} & set(ops))
    wanted = tuple(map(dtype_of, dtypes or DTYPES))
    if np.dtype(np.longdouble) not in COMPUTED or np.finfo(np.longdouble).nmant < 63:
        if "float64" in dtypes:
            fail("float64 cannot be measured here: NumPy's longdouble has no more digits than it")
        wanted = tuple(dtype for dtype in wanted if dtype.name != "float64")
    return Choice(chosen, wanted, int(points), exhaustive)


def run(choice: Choice, path: Path | None) -> None:
    """Measure, print the table and write the file.

    What a file holds already of the same points is kept: an interrupted run is gone on with, and what is measured for
    the first time comes beside the rest.
    """
    walks = choice.walks()
    file = _File(path, choice)
    for walk in walks:
        if walk.key in file.rows:
            walk.take(file.rows[walk.key])
    total, done = sum(walk.chunks for walk in walks), sum(walk.done for walk in walks)
    bar = tqdm(total=total, initial=done, unit="chunk", smoothing=0.05, disable=not sys.stderr.isatty(), leave=False)
    try:
        with bar, ThreadPoolExecutor(os.cpu_count()) as pool:
            saved = time.monotonic()
            for walk, counted in _counted(walks, choice.points, pool):
                for name, one in counted.items():
                    walk.tallies.setdefault(name, Tally()).add(one)
                walk.done += 1
                bar.set_description(f"{walk.function.name} {walk.dtype.name}", refresh=False)
                bar.update()
                if time.monotonic() - saved > SAVED_EVERY:
                    file.save(walks)
                    saved = time.monotonic()
    except KeyboardInterrupt:
        again = "" if path is None else f"; the same command goes on from {path}"
        print(f"interrupted after {sum(walk.done for walk in walks)} of {total} chunks{again}")
    file.save(walks)
    accuracy_report.show([walk.as_dict() for walk in walks])
    if path is not None:
        print(f"written: {path}")


def _counted(walks: list[Walk], points: int, pool: ThreadPoolExecutor) -> Iterator[tuple[Walk, dict[str, Tally]]]:
    """Every chunk's counts, in order; a few are computed ahead."""
    ahead: deque[tuple[Walk, Future[dict[str, Tally]]]] = deque()
    try:
        for walk in walks:
            others = peers(walk.function, walk.dtype)
            for i in range(walk.done, walk.chunks):
                ahead.append((walk, pool.submit(walk.count, i, points, others)))
                if len(ahead) > 2 * (os.cpu_count() or 1):
                    first, future = ahead.popleft()
                    yield first, future.result()
        while ahead:
            first, future = ahead.popleft()
            yield first, future.result()
    finally:
        for _, future in ahead:
            future.cancel()


class _File:
    """What has been measured, by `Walk.key`, and the seconds that it took; in memory alone without a path."""

    def __init__(self, path: Path | None, choice: Choice) -> None:
        self._path, self._run, self._started = path, choice.described(), time.monotonic()
        self.rows: dict[tuple[str, ...], dict[str, Any]] = {}
        self._before = 0.0
        if path is not None:
            self._read(path)

    def _read(self, path: Path) -> None:
        if not path.exists():
            try:
                path.touch()
                path.unlink()
            except OSError as error:
                fail(f"cannot write {path}: {error.strerror}")
            return
        try:
            document = json.loads(path.read_text())
            run, self._before = dict(document["run"]), float(document["seconds"])
            self.rows = {tuple(row[name] for name in KEY): row for row in document["rows"]}
            for row in self.rows.values():
                check_row(row)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            fail(f"cannot go on from {path}: {type(error).__name__}: {error}")
        if run != self._run:
            differing = sorted(key for key in self._run if run.get(key) != self._run[key])
            fail(f"{path} holds another run ({', '.join(differing)} differ): remove it, or name another file")

    def save(self, walks: list[Walk]) -> None:
        """Write the rows of these walks, if any has begun, and those that the file has beside them."""
        if self._path is None:
            return
        self.rows.update({walk.key: walk.as_dict() for walk in walks if walk.done})
        order = {(f.operation, f.form): i for i, f in enumerate(functions().values())}
        rows = sorted(self.rows.values(), key=lambda row: order.get((row["operation"], row["form"]), len(order)))
        accuracy_report.write(self._path, self._run, rows, self._before + time.monotonic() - self._started)
