"""``fastloa warmup``: compiles kernels ahead, so that no call has to wait for it."""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from fastloa.cli.bench import Choice, choose
from fastloa.cli.bench_case import Case, Place
from fastloa.cli.console import console

# Few elements, and more than one thread takes; a tile of narrow rows, and rows one by one.
SIZES, ROW_SIZES = ((3,), (100_000,)), ((1, 3), (2_000, 10), (100, 1_000))
OTHER_METHODS = {"value": ("derivative",), "value_and_grad": ("__call__", "grad", "grad_and_hess")}


@dataclass(frozen=True)
class Warmed:
    """How long the first calls took, and what could not be called."""

    calls: int
    seconds: float
    failed: dict[str, str]


def run(ops: list[str], dtypes: list[str], names: list[str]) -> None:
    """Compile what the command line names, and say how long it took."""
    done = warm(choose(ops, [], dtypes, names))
    console().print(f"{done.calls} calls are ready, after {done.seconds:.1f} s")
    for name, reason in done.failed.items():
        console().print(f"{name}: {reason}", soft_wrap=True)


def warm(choice: Choice) -> Warmed:
    """Make each call on few elements and on many: a kernel is compiled, or read from the disk, at its first."""
    start, count, failed = time.perf_counter(), 0, dict[str, str]()
    points = [(backend, dtype, case) for backend in choice.backends for dtype in choice.dtypes for case in choice.cases]
    for backend, dtype, case in tqdm(points, unit="operation", disable=not sys.stderr.isatty(), leave=False):
        place = Place(backend)
        with place.chosen(), np.errstate(all="ignore"):
            for shape in ROW_SIZES if case.rows else SIZES:
                try:
                    for call in _calls(case, case.inputs(np.random.default_rng(0), shape, dtype), place):
                        call()
                        count += 1
                except (TypeError, ValueError, RuntimeError) as error:
                    failed[f"{case.name} {dtype} on {backend}"] = " ".join(str(error).split())
    return Warmed(count, time.perf_counter() - start, failed)


def _calls(case: Case, inputs: list[Any], place: Place) -> Iterator[Callable[[], Any]]:
    """The call that the benchmark measures, and the operation's other methods with the same arrays."""
    yield case.ours(inputs, place).run
    arrays = [place.array(x) for x in inputs]
    for name in OTHER_METHODS.get(case.form, ()):
        if hasattr(case.public, name) and (name != "grad_and_hess" or _has_hessian(case.public)):
            yield partial(getattr(case.public, name), *arrays, **case.row.options)


def _has_hessian(operation: Any) -> bool:
    record = getattr(operation, "record", None)
    return getattr(record, "second", True) is not None and getattr(record, "curved", True)
