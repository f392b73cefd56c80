"""Steps over all arrays of an optimizer in one call: where kernels may have all of them as they are."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from fastloa_kernels.records import Step

from fastloa import backends, dtypes
from fastloa.folded import Folds
from fastloa.operations import NATIVE


class Together:
    """Parameters that are computed in one dtype and their states, by their addresses; on the CPU."""

    on_cpu = True

    def __init__(
        self, engine: Any, dtype: str, params: Sequence[Any], states: Sequence[Sequence[Any]], rests: Sequence[Any]
    ) -> None:  # fmt: skip
        self.engine, self.xp, self.dtype = engine, engine.xp, dtype
        self._indices = [i for i, p in enumerate(params) if dtypes.COMPUTE[p.dtype.name] == dtype]
        self._params = [params[i] for i in self._indices]
        self._device = backends.device_of(self._params[0])
        self._numpys = isinstance(self._params[0], np.ndarray)  # which may be read-only, or be resized
        self._kept, self._rests = [states[i] for i in self._indices], [rests[i] for i in self._indices]
        self._shapes, self._dtypes = [p.shape for p in self._params], [p.dtype for p in self._params]
        self._look, self._apart = engine.places_of(self._params), engine.apart
        self.sizes = np.array([p.size for p in self._params], np.int64)
        self._starts = np.concatenate([[0], np.cumsum(self.sizes)]).astype(np.int64)
        rows = [self._params, self._params, *zip(*self._kept, strict=True)]
        if any(rest is not None for rest in self._rests):
            rows.append(self._rests)
        with self._device:
            self._places = np.array([self._looked_up(row) for row in rows], np.int64)
        self._kinds = engine.kinds_of(rows[: self._without_rests], self._rests) if self.on_cpu else None
        self._look_home = engine.places_of(self._params, ends=True) if self.on_cpu else self._look
        with self._device:
            self._homes = self._look_home(self._params)
        self._grads: list[Any] = []  # kept while a kernel knows their addresses
        sizes = np.array([[0 if x is None else x.nbytes for x in row] for row in rows], np.int64)
        self._bytes = sizes[1]
        written, sizes = (np.delete(numbers, 1, axis=0).reshape(-1) for numbers in (self._places, sizes))
        order = np.argsort(written[sizes > 0])
        self._first = written[sizes > 0][order]
        self._last = (written + sizes)[sizes > 0][order]

    @property
    def _without_rests(self) -> int:
        """How many rows of arrays there are, without that of what parameters lost."""
        return 2 + len(self._kept[0])

    def _looked_up(self, row: Sequence[Any]) -> list[int]:
        """The addresses of some arrays; 0 for what is none."""
        arrays = [x for x in row if x is not None]
        places = iter(self.engine.places_of(arrays)(arrays))
        return [0 if x is None else next(places) for x in row]

    def on_device(self) -> AbstractContextManager[Any]:
        """The device of the arrays as the current one."""
        return self._device

    @property
    def fits(self) -> bool:
        """Whether all arrays are in order, and apart from each other."""
        return bool(self._first.all() and (self._last[:-1] <= self._first[1:]).all())

    def take(self, grads: Sequence[Any], *, written: bool) -> bool:
        """Take these gradients, if kernels may have them as they are; say nothing of what is wrong."""
        own = [grads[i] for i in self._indices]
        if set(map(type, own)) != {self.engine.array} or [g.shape for g in own] != self._shapes:
            return False
        if [g.dtype for g in own] != self._dtypes:
            return False
        if self._numpys and not all(p.flags.writeable for p in self._params):
            return False
        places = self._places[1]
        with self._device:
            if self._numpys and self._look_home(self._params) != self._homes:
                return False
            places[:] = self._look(own)
        if not self._apart(places, self._bytes, self._first, self._last):
            return False
        if written and self._numpys and not all(g.flags.writeable for g in own):
            return False
        if written and not _all_apart(places, self._bytes):
            return False
        self._grads = own
        return True

    def sums(
        self, record: Any, form: str, rows: slice, leading: tuple[Any, ...], parameters: tuple[float, ...],
        which: Any = slice(None),
    ) -> Any:  # fmt: skip
        """The sums that a form gives for each array."""
        kernel, places = self.engine.load(record, form, self.dtype), self._places[: self._without_rests][rows, which]
        kinds = None if self._kinds is None else np.ascontiguousarray(self._kinds[rows, which])
        places = np.ascontiguousarray(np.concatenate([places, self._places[self._without_rests :, which]]))
        return kernel.over_arrays(places, self.sizes[which], leading, parameters, kinds)

    def step(
        self, record: Step, parameters: tuple[float, ...], folds: Folds, factor: Any, trust: tuple[Any, ...]
    ) -> None:  # fmt: skip
        """Take the step."""
        kernel = self.engine.load(record, folds.form, self.dtype)
        kernel.over_arrays(self._places, self._starts, (*folds.leading(factor), *trust), parameters, self._kinds)
        self._grads = []

    def skip(self, folds: Folds) -> None:
        """Let the step pass."""
        if folds.zero_grad:
            with self._device:
                for g in self._grads:
                    g[...] = 0.0
        self._grads = []


class TogetherOnDevice(Together):
    """The same on a GPU, which keeps a table of the addresses."""

    on_cpu = False
    _kept_table: Any = None

    @property
    def _table(self) -> Any:
        if self._kept_table is None:
            self._kept_table = self.engine.table(self._places, self.sizes, varying=1)
        return self._kept_table

    def sums(
        self, record: Any, form: str, rows: slice, leading: tuple[Any, ...], parameters: tuple[float, ...],
        which: Any = slice(None),
    ) -> Any:  # fmt: skip
        """The sums that a form gives for each array; of all of them, whichever are asked for."""
        with self._device:
            return self.engine.over_arrays(record, form, self.dtype)(self._table, rows.start, leading, parameters)

    def step(
        self, record: Step, parameters: tuple[float, ...], folds: Folds, factor: Any, trust: tuple[Any, ...]
    ) -> None:  # fmt: skip
        """Take the step."""
        with self._device:
            kernel = self.engine.over_arrays(record, folds.form, self.dtype)
            kernel(self._table, 0, (*folds.leading(factor), *trust), parameters)
        self._grads = []


def _all_apart(places: Any, sizes: Any) -> bool:
    order = np.argsort(places)
    return bool(((places + sizes)[order][:-1] <= places[order][1:]).all())


def together(
    engine: Any, params: Sequence[Any], states: Sequence[Sequence[Any]], rests: Sequence[Any] | None = None
) -> list[Together]:
    """The arrays by dtype, if the engine's kernels may have all of them as they are, or else nothing.

    `rests` are what 16-bit parameters lost, or None for others.
    """
    on_cpu, rests = engine.name == "cpu", rests or [None] * len(params)
    if not all(type(p) is engine.array and p.size and (on_cpu or p.dtype in NATIVE) for p in params):
        return []
    computed = {dtypes.computed_in(p.dtype) for p in params}
    if None in computed:
        return []
    kind = Together if on_cpu else TogetherOnDevice
    found = [kind(engine, dtype, params, states, rests) for dtype in dtypes.PRECISIONS if dtype in computed]
    return found if all(one.fits for one in found) else []
