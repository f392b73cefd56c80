"""Launches the kernels of rows: row activations, row losses, and the weights of labels."""

import functools
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from fastloa_kernels.engines import RowForm, RowOptions
from fastloa_kernels.engines.cupy_native import source
from fastloa_kernels.engines.cupy_native.driver import Driver, Launch
from fastloa_kernels.engines.cupy_native.maps import NUMBER, Finish, SumKernel, number
from fastloa_kernels.engines.cupy_native.teams import THREADS, WARP, Team, activation_teams, loss_teams, vector_teams
from fastloa_kernels.records import PairedLoss, Projection, ProjectionLoss, RowLoss, Rowwise, VectorLoss
from fastloa_kernels.sums import BLOCK, LANES

# Bytes of shared memory: what is made once, what a warp takes, and what the sums over a block of a row do; and what a
# block of threads keeps of a row at most, if others may keep the rest: then three share a multiprocessor, and one loads
# while others compute. The blocks of a cluster have so many warps at most, for there to be registers for three as well.
ONCE, KEY, SUMS, ROOM = 64, 16, 32, 72 << 10
WARPS = 8
UNKEPT = 4  # bytes that an element counts as where none is kept


class _Shape(NamedTuple):
    """How a team takes rows that its threads do not hold, and whether they go into `ROOM` of each block."""

    team: Team
    threads: int
    kept: int  # elements, by a block
    bytes: int  # of shared memory
    fits: bool


class _Teams:
    """The kernels of one piece of work, one for each kind of team, compiled when rows of a length first ask for it.

    `room` is the bytes of shared memory that an element of a row takes where it is kept there, or 0 if none is.
    """

    def __init__(self, driver: Driver, teams: tuple[Team, ...], room: int, text: Callable[..., source.Source]) -> None:
        self._driver, self._teams, self._room, self._text = driver, teams, room, text
        self._shape, self._found = functools.lru_cache(self._shape_for), functools.cache(self._load)

    def _shape_for(self, classes: int, shared: int, cluster: int) -> tuple[Team, int, int, int]:
        """The team for rows of a length; of its blocks the threads, the elements that are kept, and the shared memory.

        There may be so many bytes of shared memory, and so many blocks in a cluster.
        """
        for team in self._teams:
            if team.limit is not None and classes <= team.limit:
                return team, team.threads, 0, 0
        strips = [team for team in self._teams if team.limit is None and team.blocks <= cluster]
        shapes = [self._strip_for(team, classes, shared) for team in strips]
        found = next((shape for shape in shapes if shape.fits), shapes[-1])
        if found.bytes > shared:
            raise ValueError(f"the cupy backend has no room for rows of {classes:,} elements on this device")
        return found.team, found.threads, found.kept, found.bytes

    def _strip_for(self, team: Team, classes: int, shared: int) -> _Shape:
        blocks, size = -(-classes // BLOCK), BLOCK * (self._room or UNKEPT)
        own, most = -(-blocks // team.blocks), team.threads // WARP
        if team.blocks > 1:
            most, shared = min(most, WARPS), min(shared, ROOM)
        turns = -(-own // most)
        warps = -(-own // turns)
        taken = ONCE + team.blocks * warps * KEY + blocks * SUMS
        kept = min(own, max(0, shared - taken) // size) * BLOCK if self._room else 0
        return _Shape(team, warps * WARP, kept, taken + kept * self._room, taken + own * size <= ROOM)

    def _load(self, team: Team, *dtypes: Any) -> Launch:
        """The kernel of a team for operands of these dtypes."""
        (launch,) = self._driver.load(self._text(team, tuple([dtype.name for dtype in dtypes])))
        return launch

    def launch(self, first: Any, second: Any, result: Any, pack: Callable[[int], bytes]) -> None:
        """Run on the rows of two operands, which may be one, and of a result.

        ``pack(kept)`` gives the kernel's arguments, with as many elements of a row kept in shared memory.
        """
        rows, classes = first.shape
        team, threads, kept, shared = self._shape(classes, self._driver.shared_memory(), self._driver.cluster())
        launch = self._found(team, first.dtype, second.dtype, result.dtype)
        launch(-(-rows // team.rows) * team.blocks, threads, pack(kept), shared)


class RowKernel:
    """An activation of the rows of contiguous 2-d arrays."""

    def __init__(self, driver: Driver, record: Rowwise | Projection, form: str, dtype: str) -> None:
        self._driver = driver
        self._pack = struct.Struct("PPPqqq").pack
        self._teams = _Teams(
            driver, activation_teams(record, dtype), source.SIZES[dtype] * (1 if form == "value" else 2),
            functools.partial(source.row_source, record, form, dtype),
        )  # fmt: skip

    def __call__(self, inputs: tuple[Any, ...], out: Any) -> None:
        if out.size:
            place = self._driver.pointer
            first, second = inputs[0], inputs[-1]
            pack = functools.partial(self._pack, place(first), place(second), place(out), *out.shape)
            self._teams.launch(first, second, out, pack)


class RowLossKernel:
    """A loss of the rows of contiguous 2-d arrays."""

    def __init__(
        self,
        driver: Driver,
        record: RowLoss | ProjectionLoss,
        form: RowForm,
        dtype: str,
        total: SumKernel,
        finish: Finish,
    ) -> None:
        self._driver, self._form = driver, form
        self._total, self._finish = total, finish
        normalised = isinstance(record, ProjectionLoss) or record.normalised  # or scores are read once
        self._pack = struct.Struct(f"9Pqqqq{3 + max(1, len(record.parameters))}d{NUMBER}{NUMBER}").pack
        self._teams = _Teams(
            driver, loss_teams(record, dtype, form), source.SIZES[dtype] * normalised,
            functools.partial(source.row_loss_source, record, form, dtype),
        )  # fmt: skip

    def __call__(
        self, x: Any, target: Any, class_weight: Any, sample_weight: Any, options: RowOptions, out: Any, dx: Any, h: Any
    ) -> Any:
        summed = self._form.value and out is None
        slots = self._driver.xp.empty(x.shape[0], "float64") if summed else None
        if x.size:
            labels, probabilities = (target, None) if self._form.labels else (None, target)
            arrays = x, labels, probabilities, class_weight, sample_weight, out, slots, dx, h
            places = [0 if array is None else self._driver.pointer(array) for array in arrays]
            numbers = number(self._driver, options.weight_sum) + number(self._driver, options.divisor)
            shares = options.keep, options.smoothing, options.z_loss, *(options.parameters or (0.0,))
            self._teams.launch(
                x, x if self._form.labels else target, x if dx is None else dx,
                lambda kept: self._pack(*places, *x.shape, options.ignore_index, kept, *shares, *numbers),
            )  # fmt: skip
        if not summed:
            return None
        return self._finish(*self._total.partials((slots,), (), (), ()), options.divisor)


class VectorLossKernel:
    """A loss of the rows of several contiguous 2-d arrays."""

    def __init__(
        self, driver: Driver, record: VectorLoss, form: str, dtype: str, total: SumKernel, finish: Finish
    ) -> None:
        self._driver, self._value, (_, self._results) = driver, "value" in form, record.slopes(form)
        self._total, self._finish = total, finish
        pointers = record.vectors + self._results + 4
        self._pack = struct.Struct(f"{pointers}Pqq{max(1, len(record.parameters))}d{NUMBER}").pack
        self._teams = _Teams(
            driver, vector_teams(dtype, record), 0,
            functools.partial(source.vector_loss_source, record, form, dtype),
        )  # fmt: skip

    def __call__(
        self, vectors: tuple[Any, ...], target: Any, sample_weight: Any, parameters: tuple[float, ...], divisor: Any,
        out: Any, grads: tuple[Any, ...],
    ) -> Any:  # fmt: skip
        first, summed = vectors[0], self._value and out is None
        slots = self._driver.xp.empty(len(first), "float64") if summed else None
        if first.size:
            grads = grads or (None,) * self._results
            arrays = *vectors, *grads, target, sample_weight, out, slots
            places = [0 if array is None else self._driver.pointer(array) for array in arrays]
            numbers = *(parameters or (0.0,)), *number(self._driver, divisor)
            self._teams.launch(first, first, first, lambda kept: self._pack(*places, *first.shape, *numbers))
        if not summed:
            return None
        return self._finish(*self._total.partials((slots,), (), (), ()), divisor)


class PairedLossKernel:
    """A loss of the rows of a contiguous 2-d array through pairs of a row's labels and its other classes."""

    def __init__(
        self, driver: Driver, record: PairedLoss, form: str, dtype: str, total: SumKernel, finish: Finish
    ) -> None:
        self._driver, self._value = driver, "value" in form
        self._total, self._finish = total, finish
        self._results = max(1, record.slopes(form)[1])
        parameters = max(1, len(record.parameters))
        self._pack = struct.Struct(f"{5 + self._results}Pqqq{parameters}d{NUMBER}").pack
        self._teams = _Teams(
            driver,
            vector_teams(dtype, record),
            0,
            functools.partial(source.vector_loss_source, record, form, dtype),
        )

    def __call__(
        self, vectors: tuple[Any, ...], labels: Any, sample_weight: Any, parameters: tuple[float, ...], divisor: Any,
        out: Any, grads: tuple[Any, ...],
    ) -> Any:  # fmt: skip
        (x,), summed = vectors, self._value and out is None
        slots = self._driver.xp.empty(len(x), "float64") if summed else None
        if x.size:
            arrays = x, *(grads or (None,)), labels, sample_weight, out, slots
            places = [0 if array is None else self._driver.pointer(array) for array in arrays]
            numbers = labels.shape[1], *(parameters or (0.0,)), *number(self._driver, divisor)
            self._teams.launch(x, x, x, lambda kept: self._pack(*places, *x.shape, *numbers))
        if not summed:
            return None
        return self._finish(*self._total.partials((slots,), (), (), ()), divisor)


class LabelWeights:
    """The first wrong label, and the sum of the weights of the rows that are not ignored; both stay on the device."""

    def __init__(self, driver: Driver, dtype: str) -> None:
        self._driver = driver
        self._pack, self._pack_finish = struct.Struct("PPPqqqPPP").pack, struct.Struct("PPPqPP").pack
        launches: tuple[Launch, ...] = driver.load(source.label_weights_source(dtype))
        self._launch, self._finish = launches

    def __call__(
        self, labels: Any, class_weight: Any, sample_weight: Any, ignore_index: int, classes: int
    ) -> tuple[Any, Any]:
        driver, size = self._driver, labels.size
        blocks = -(-size // BLOCK)
        partials = driver.xp.empty(3 * blocks, "float64")
        high = driver.pointer(partials)
        places = high, high + 8 * blocks, high + 16 * blocks
        if blocks:
            weights = [0 if array is None else driver.pointer(array) for array in (class_weight, sample_weight)]
            arguments = self._pack(driver.pointer(labels), *weights, size, ignore_index, classes, *places)
            self._launch(blocks, THREADS, arguments)
        bad, total = driver.xp.empty((), "int64"), driver.xp.empty((), "float64")
        self._finish(1, LANES, self._pack_finish(*places, blocks, driver.pointer(total), driver.pointer(bad)))
        return bad, total
