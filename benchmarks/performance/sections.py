"""What is measured on the CPU, a file of results for each section."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np
from tqdm import tqdm

from benchmarks.performance import starts
from benchmarks.performance.bars import WIDE
from fastloa.activations import __all__ as ACTIVATIONS
from fastloa.cli import bench_report
from fastloa.cli.bench import Settings, dtype_of, point
from fastloa.cli.bench_case import Case, Place
from fastloa.cli.bench_cases import cases
from fastloa.cli.bench_peers import COMPILED, GIVEN, PEERS, library
from fastloa.cli.bench_torch import Torch, outermost
from fastloa.cli.timing import Competitor
from fastloa.cli.timing import measure as timed
from fastloa.config import config
from fastloa.losses import __all__ as LOSSES

Rows = Iterator[dict[str, Any]]
HALVES = ("float16", "bfloat16")
COMMON = (
    "relu",
    "sigmoid",
    "gelu",
    "gelu.backward",
    "mse_loss.value_and_grad",
    "huber_loss.value_and_grad",
    "SGD(momentum=0.9).step",
    "AdamW.step",
)
COMMON_ROWS = ("softmax", "log_softmax", "cross_entropy.value_and_grad")
MANY = ("SGD", "SGD(momentum=0.9)", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "NAdam", "RAdam", "Lion")
SOME = (
    "relu",
    "sigmoid",
    "gelu",
    "mse_loss.value_and_grad",
    "binary_cross_entropy_with_logits.value_and_grad",
    "Adam.step",
)


@dataclass(frozen=True)
class Plan:
    """How much to measure: so many samples, and tiny sizes to see that everything runs."""

    repeat: int = 9
    tiny: bool = False

    def shape(self, *shape: int) -> tuple[int, ...]:
        """A shape, or a small one of as many dimensions."""
        return tuple(min(n, 8) for n in shape) if self.tiny else shape

    def rows(
        self, chosen: Iterable[Case], shape: Sequence[int], peers: Sequence[str] = PEERS, dtype: str = "float32"
    ) -> Rows:
        """Cases at one size, as plain values; a case that cannot run is left out."""
        for case in chosen:
            found = point(case, self.shape(*shape), dtype_of(dtype), "cpu", Settings(self.repeat, tuple(peers)))
            if "fastloa" in found.times:
                yield bench_report.row(found)


def _forms(names: Iterable[str], *forms: str, rows: bool = False) -> list[Case]:
    """The cases of those operations in those forms, of rows or of elements."""
    wanted = set(names)
    return [case for case in cases().values() if case.operation in wanted and case.form in forms and case.rows == rows]


def _activations(plan: Plan, size: int) -> Rows:
    """Every activation, and its backward: from the output where the gradient follows from it alone."""
    found = _forms(ACTIVATIONS, "value", "backward", "backward_from_output")
    yield from plan.rows(found, (size,))


def large(plan: Plan) -> Rows:
    """Activations in memory."""
    yield from _activations(plan, 1 << 24)


def cached(plan: Plan) -> Rows:
    """Activations in the cache."""
    yield from _activations(plan, 1 << 14)


def losses(plan: Plan) -> Rows:
    """Losses of elements."""
    yield from plan.rows(_forms(LOSSES, "value_and_grad"), (1 << 22,))


def rows(plan: Plan) -> Rows:
    """Rows of classes."""
    for *shape, _, _ in WIDE:
        names = ("softmax", "log_softmax", "cross_entropy")
        found = _forms(names, "value", "backward_from_output", "value_and_grad", rows=True)
        yield from plan.rows(found, shape)


def halves(plan: Plan) -> Rows:
    """Some of each in 16 bits."""
    for dtype in HALVES:
        yield from plan.rows((cases()[name] for name in COMMON), (1 << 22,), ("PyTorch",), dtype)
        yield from plan.rows((cases()[name] for name in COMMON_ROWS), (8_192, 1_000), ("PyTorch",), dtype)


def optimizers(plan: Plan) -> Rows:
    """Steps over one array, or one matrix."""
    found = [case for case in cases().values() if case.form == "step" and not case.operation.endswith("_step")]
    yield from plan.rows((case for case in found if not case.rows), (1 << 24,))
    yield from plan.rows((case for case in found if case.rows), (1 << 16, 1 << 8))


def arrays(plan: Plan) -> Rows:
    """Steps over a thousand arrays of a thousand parameters."""
    known, (count, length) = cases(), plan.shape(1_000, 1_000)
    torch = library("PyTorch", gpu=False, threads=numba.get_num_threads())
    assert isinstance(torch, Torch)
    for name in MANY:
        case = known[f"{name}.step"]
        pairs = list(np.random.default_rng(0).standard_normal((count, 2, length), np.float32))
        params, grads = [pair[0].copy() for pair in pairs], [pair[1].copy() for pair in pairs]
        made = case.public(params, **case.row.options)
        variants = {
            "PyTorch fused": {"fused": True},
            "PyTorch foreach": {"foreach": True},
            "PyTorch": {"foreach": False},
        }
        found = {
            variant: torch.steps(case.operation, pairs, case.row.options, **word) for variant, word in variants.items()
        }
        ours = Competitor(lambda step=made.step, grads=grads: step(grads), lambda _, params=params: outermost(params))
        times = timed({"fastloa": ours, **{key: one for key, one in found.items() if one is not None}}, plan.repeat)
        ratios = {key: taken.median / times["fastloa"].median for key, taken in times.items() if key != "fastloa"}
        yield {
            "name": case.name, "dtype": "float32", "shape": [count, length], "share_of_copy": None, "notes": {},
            "times": {"PyTorch": min(ratios.values())} if ratios else {},
            "seconds": {key: vars(taken) for key, taken in times.items()},
        }  # fmt: skip


def small(plan: Plan) -> Rows:
    """Calls on three elements."""
    yield from plan.rows(_forms(ACTIVATIONS, "value"), (3,), (*PEERS, GIVEN))
    yield from plan.rows(_forms(LOSSES, "value_and_grad"), (3,))
    yield from plan.rows(_forms([*ACTIVATIONS, *LOSSES], "value", "value_and_grad", rows=True), (1, 3))


def sizes(plan: Plan) -> Rows:
    """Some operations from a hundred elements to a hundred million, torch.compile among the others."""
    for exponent in range(2, 4 if plan.tiny else 9):
        peers = (*PEERS, COMPILED) if exponent in (4, 7) else PEERS
        yield from plan.rows((cases()[name] for name in SOME), (10**exponent,), peers)


def threads(plan: Plan) -> Rows:
    """Some operations by one thread, and by more."""
    most = numba.get_num_threads()
    try:
        for count in range(1, most + 1):
            numba.set_num_threads(count)
            for row in plan.rows((cases()[name] for name in SOME), (1 << 24,), ("PyTorch",)):
                yield row | {"threads": count}
    finally:
        numba.set_num_threads(most)


def memory(plan: Plan) -> Rows:
    """What a call allocates beside what it is given: the peak of NumPy's and Python's memory."""
    dtype, place = dtype_of("float32"), Place("cpu")
    for case in cases().values():
        shape = plan.shape(4_096, 1_024) if case.rows else plan.shape(1 << 22)
        inputs = case.inputs(np.random.default_rng(0), shape, dtype)
        yield {"name": case.name, "shape": list(shape), "bytes": starts.peak(case.ours(inputs, place).run)}


SECTIONS: dict[str, Callable[[Plan], Rows]] = {
    "large": large,
    "cached": cached,
    "losses": losses,
    "rows": rows,
    "halves": halves,
    "optimizers": optimizers,
    "arrays": arrays,
    "small": small,
    "sizes": sizes,
    "threads": threads,
    "memory": memory,
    "starts": lambda plan: starts.rows(3 if plan.tiny else plan.repeat),
}


def measure(plan: Plan, names: Iterable[str], folder: Path) -> None:
    """Measure sections, and write each when it is done."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        started = time.perf_counter()
        found = [_short(row) for row in tqdm(SECTIONS[name](plan), desc=name, unit="row")]
        lines = ",\n".join(json.dumps(row) for row in found)
        described = {"config": config() | {"caches": None}, "repeat": plan.repeat}
        head = json.dumps(described | {"seconds": round(time.perf_counter() - started)})
        (folder / f"{name}.json").write_text(f'{head[:-1]}, "rows": [\n{lines}\n]}}\n')


def _short(row: dict[str, Any]) -> dict[str, Any]:
    """A row without what nobody reads, and with no more digits than were measured."""
    kept = {"what", "name", "dtype", "shape", "threads", "bytes", "share_of_copy", "times", "seconds", "notes"}
    kept -= {"dtype"} if row.get("dtype") == "float32" else set()
    told = {name: note for name, note in row.get("notes", {}).items() if note != "has no such call"}
    return {key: _rounded(value) for key, value in (row | {"notes": told}).items() if key in kept and value}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value
