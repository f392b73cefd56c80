"""The tables: each measures fastloa's GPU engines beside a copy, CuPy as people write it, and PyTorch."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import fastloa as fl
from benchmarks.device.place import Device, ends, tiled
from benchmarks.device.timing import Clock, measure
from fastloa.cli.bench import TOLERANCE, disagreement, dtype_of, shape_of
from fastloa.cli.bench_case import Case
from fastloa.cli.bench_cases import cases
from fastloa.cli.bench_torch import Compiled, Tensors, Torch, outermost
from fastloa.cli.timing import Competitor, Time, flat, on_host

TILE = 1 << 16  # elements that are drawn, of which arrays are made
# Optimizers' classes do what the steps on bare arrays do, which PyTorch has not.
CLASSES = ("SGD.step", "SGD(momentum=0.9).step", "Adam.step", "AdamW.step", "Adagrad.step", "RMSprop.step",
           "NAdam.step", "Lion.step")  # fmt: skip
# What is measured in other dtypes than float32.
OTHERS = ("relu", "gelu", "sigmoid", "tanh", "mse_loss", "huber_loss", "adamw_step", "sgd_step(momentum=0.9)")
CALLS = ("relu", "gelu", "sigmoid.backward_from_output", "mse_loss.value_and_grad", "softmax",
         "softmax.backward_from_output", "cross_entropy.value_and_grad", "SGD(momentum=0.9).step",
         "AdamW.step")  # fmt: skip
# What is measured on the numba_cuda engine as well, and by torch.compile.
SAMPLED = ("relu", "gelu", "sigmoid", "mish", "softplus", "mse_loss.value_and_grad", "huber_loss.value_and_grad",
           "binary_cross_entropy_with_logits.value_and_grad", "softmax", "cross_entropy.value_and_grad")  # fmt: skip
CLASSES_OF_ROWS = (10, 100, 1000, 4096, 32_768, 131_072, 262_144, 1_000_000)
SAMPLED_ROWS = CLASSES_OF_ROWS[2:6:3]
LECTURE = ("softmax", "log_softmax", "cross_entropy")  # whose rows are measured in all lengths
ARRAYS, LENGTH = 1000, 1000
HALVED = ("AdamW.step", "SGD(momentum=0.9).step")  # what is measured over arrays of 16 bits as well


@dataclass
class Row:
    """One line of a table."""

    table: str
    name: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int
    times: dict[str, Time] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def share(self) -> float | None:
        """What a copy of as many bytes takes, as a part of what fastloa takes."""
        if "copy" not in self.times or "fastloa" not in self.times:
            return None
        return self.times["copy"].median / self.times["fastloa"].median

    def ratio(self, name: str) -> float | None:
        """How many times as long somebody takes."""
        if name not in self.times or "fastloa" not in self.times:
            return None
        return self.times[name].median / self.times["fastloa"].median


@dataclass(frozen=True)
class Plan:
    """What to measure, how large, and beside whom."""

    dry: bool
    size: int = 1 << 29  # bytes of an array: 2**27 float32
    samples: int = 7
    compiled: bool = False
    engines: tuple[str, ...] = ("cupy", "cuda")
    dtypes: tuple[str, ...] = ("float32", "float64", "float16", "bfloat16")
    operations: tuple[str, ...] = ()  # all of them

    def cases(self) -> Iterator[Case]:
        """What there is to measure."""
        for case in cases().values():
            if not self.operations or case.operation in self.operations:
                yield case

    @property
    def clock(self) -> Clock:
        return Clock(Device("cupy", dry=self.dry).xp)

    def device(self, engine: str, *, allocate: bool = False) -> Device:
        return Device(engine, allocate, self.dry)


def bandwidth(plan: Plan) -> Iterator[Row]:
    """Elementwise work and steps, on arrays that no cache holds."""
    for dtype in plan.dtypes:
        for case in plan.cases():
            optimizer = isinstance(case.public, type)
            wanted = case.operation in OTHERS or case.name in OTHERS
            if case.rows or (optimizer and case.name not in CLASSES) or (dtype != "float32" and not wanted):
                continue
            if case.form == "backward_from_output" and not wanted:
                continue
            count = max(plan.size // (TILE * np.dtype(dtype_of(dtype)).itemsize), 1) if not plan.dry else 1
            yield of_case(plan, "bandwidth", case, (TILE if not plan.dry else plan.size,), count, dtype_of(dtype))


def rows(plan: Plan) -> Iterator[Row]:
    """Softmax and cross entropy over short and long rows."""
    total = plan.size // 8  # elements: 2**26
    for dtype in plan.dtypes:
        for case in plan.cases():
            known = case.operation in LECTURE
            if not case.rows or case.form == "backward" or not (known or dtype == "float32"):
                continue
            if plan.dry:  # a simulated thread costs as much as thousands
                yield of_case(plan, "rows", case, (3, plan.size), 1, dtype_of(dtype))
                continue
            if case.whole:
                for size in case.sizes[1:]:
                    yield of_case(plan, "rows", case, shape_of(size, rows=True), 1, dtype_of(dtype))
                continue
            for classes in CLASSES_OF_ROWS if known and dtype == "float32" else SAMPLED_ROWS:
                drawn = max(1, min(TILE // classes, total // classes))
                yield of_case(plan, "rows", case, (drawn, classes), total // (drawn * classes), dtype_of(dtype))


def launches(plan: Plan) -> Iterator[Row]:
    """Calls on one element, or one row of three, by the host's clock."""
    for case in plan.cases():
        if case.name in CALLS:
            shape = (1, 3) if case.rows else (1,)
            for allocate in (False, True):
                yield of_case(plan, "launches", case, shape, 1, np.dtype("float32"), host=True, allocate=allocate)


def arrays(plan: Plan) -> Iterator[Row]:
    """A step of an optimizer over many small arrays."""
    for case in plan.cases():
        if isinstance(case.public, type) and case.name in CLASSES:
            yield _many(plan, case, np.dtype("float32"))
            if case.name in HALVED:
                for options in ({}, {"compensated": True}):
                    yield _many(plan, case, dtype_of("bfloat16"), **options)


TABLES: dict[str, Callable[[Plan], Iterator[Row]]] = {
    "launches": launches, "rows": rows, "bandwidth": bandwidth, "arrays": arrays,
}  # fmt: skip


def of_case(
    plan: Plan, table: str, case: Case, shape: tuple[int, ...], count: int, dtype: Any, *, host: bool = False,
    allocate: bool = False,
) -> Row:  # fmt: skip
    """Measure one operation; whoever fails or disagrees is noted, and not timed."""
    place = plan.device("cupy", allocate=allocate)
    name = case.name + (" (new)" if allocate else "")
    row = Row(table, name, str(dtype), shape, 0)
    try:
        with np.errstate(all="ignore"), fl.use_backend("cpu"):
            drawn = case.inputs(np.random.default_rng(0), shape, dtype)
        # What is not one for each element, or row, is one for all.
        inputs = [tiled(place.xp, x, count if x.shape[0] == shape[0] else 1) for x in drawn]
        row.shape, row.bytes = inputs[0].shape, case.size(inputs)
        competitors = _competitors(plan, place, case, inputs, row.notes, host=host)
        row.times.update(_timed(plan, row, competitors, TOLERANCE[dtype.itemsize], host=host))
    except Exception as error:  # a row that fails must not cost the others their time on the device
        row.notes["fastloa"] = _reason(error)
    return row


def _timed(
    plan: Plan, row: Row, competitors: dict[str, Callable[[], Competitor | None]], tolerance: float, *, host: bool
) -> dict[str, Time]:
    """Make, check and time the competitors, of whom the first is fastloa."""
    made: dict[str, Competitor] = {}
    expected: list[Any] = []
    for name, make in competitors.items():
        try:
            found = make()
            if found is None:
                continue
            checked = Competitor(found.run, functools.partial(_ends_of, found.results), found.wait)
            if name == "fastloa":
                expected = on_host(checked.outcome())
            note = None if name in ("fastloa", "copy") else disagreement(expected, checked, tolerance)
        except Exception as error:  # whatever others raise is theirs, and is told
            if name == "fastloa":
                raise
            note = _reason(error)
        if note is None:
            made[name] = found
        else:
            row.notes[name] = note
    clock = plan.clock
    return measure(clock.host if host else clock.device, made, plan.samples)


def _ends_of(results: Callable[[Any], Any], returned: Any) -> list[Any]:
    return [ends(x) if hasattr(x, "reshape") else x for x in flat(results(returned))]


def _competitors(
    plan: Plan, place: Device, case: Case, inputs: list[Any], notes: dict[str, str], *, host: bool
) -> dict[str, Callable[[], Competitor | None]]:  # fmt: skip
    xp, shape = place.xp, inputs[0].shape
    sampled = case.name in SAMPLED and inputs[0].dtype == np.float32 and (not case.rows or shape[-1] in SAMPLED_ROWS)

    def of_engine(engine: str) -> Competitor:
        there = plan.device(engine, allocate=place.allocate)
        with fl.use_backend(engine):
            ours = case.ours(inputs, there)
        # CuPy's arrays go to the cupy engine by themselves.
        natural = engine == "cupy" and not plan.dry
        return ours if natural else Competitor(there.inside(ours.run), ours.results, ours.wait)

    def copy() -> Competitor:
        size = max(case.size(inputs) // 2, 1)
        source, target = xp.ones(size, np.uint8), xp.empty(size, np.uint8)
        return Competitor(functools.partial(xp.copyto, target, source))

    def torch(form: type[Tensors]) -> Competitor | None:
        try:
            return case.peer(form(gpu=not plan.dry, threads=1), inputs, place)
        except ModuleNotFoundError as error:
            notes["PyTorch"] = f"{error.name} is not installed"
            return None

    found: dict[str, Callable[[], Competitor | None]] = {"fastloa": lambda: of_engine("cupy")}
    if not host:
        found["copy"] = copy
    if "cuda" in plan.engines and (host or sampled):
        found["numba_cuda"] = lambda: of_engine("cuda")
    found["CuPy"] = lambda: case.plain(inputs, place)
    found["PyTorch"] = lambda: torch(Torch)
    if plan.compiled and sampled and not plan.dry:
        found["torch.compile"] = lambda: torch(Compiled)
    return found


def _many(plan: Plan, case: Any, dtype: Any, **options: Any) -> Row:
    """Steps over many arrays of fastloa, with more options if there are some, and of PyTorch's variants."""
    place, rng = plan.device("cupy"), np.random.default_rng(0)
    xp, (count, length) = place.xp, (7, 5) if plan.dry else (ARRAYS, LENGTH)
    drawn = rng.standard_normal((2, count, length), np.float32).astype(dtype)
    states = case.public(drawn[0, 0].copy(), **case.row.options, **options).state_dict()["states"][0]
    moved = 3 * drawn[0].nbytes + 2 * count * sum(x.nbytes for x in states.values() if isinstance(x, np.ndarray))
    row = Row("arrays", ", ".join([case.name, *options]), str(dtype), (count, length), moved)

    def of_engine(engine: str) -> Competitor:
        with fl.use_backend(engine):
            params, grads = ([xp.array(x) for x in half] for half in drawn)
            optimizer = case.public(params, **case.row.options, **options)
        return Competitor(plan.device(engine).inside(lambda: optimizer.step(grads)), lambda _: outermost(params))

    def torch(**variant: bool) -> Competitor | None:
        try:
            made = Torch(gpu=not plan.dry, threads=1)
        except ModuleNotFoundError as error:
            row.notes["PyTorch"] = f"{error.name} is not installed"
            return None
        pairs = [(np.array(p), np.array(g)) for p, g in zip(*drawn, strict=True)]
        return made.steps(case.operation, pairs, case.row.options, **variant)

    competitors: dict[str, Callable[[], Competitor | None]] = {
        **{("fastloa" if engine == "cupy" else "numba_cuda"): functools.partial(of_engine, engine)
           for engine in plan.engines},
        "PyTorch fused": lambda: torch(fused=True),
        "PyTorch foreach": lambda: torch(foreach=True),
        "PyTorch": lambda: torch(foreach=False),
    }  # fmt: skip
    try:
        row.times.update(_timed(plan, row, competitors, TOLERANCE[dtype.itemsize], host=True))
    except Exception as error:
        row.notes["fastloa"] = _reason(error)
    return row


def _reason(error: Exception) -> str:
    return f"failed: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
