"""Steps over all arrays of an optimizer in one call: where kernels may have all of them as they are."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from fastloa_kernels.records import Step

from fastloa import backends, dtypes
from fastloa.compensation import form_of, with_lost
from fastloa.folded import Folds


class Together:
    """Parameters that one kernel takes, and their states, by their addresses; on the CPU."""

    on_cpu = True

    def __init__(
        self, engine: Any, indices: Sequence[int], params: Sequence[Any], states: Sequence[Sequence[Any]],
        lost: Sequence[Any],
    ) -> None:  # fmt: skip
        self.engine, self.xp, self._indices = engine, engine.xp, indices
        self._params = [params[i] for i in indices]
        self.dtype = dtypes.COMPUTE[self._params[0].dtype.name]
        self._device = backends.device_of(self._params[0])
        self._numpys = isinstance(self._params[0], np.ndarray)  # which may be read-only, or be resized
        self._kept, self._lost = [states[i] for i in indices], [lost[i] for i in indices]
        self._shapes, self._dtypes = [p.shape for p in self._params], [p.dtype for p in self._params]
        self._look, self._apart = engine.places_of(self._params), engine.apart
        self.sizes = np.array([p.size for p in self._params], np.int64)
        self._starts = np.concatenate([[0], np.cumsum(self.sizes)]).astype(np.int64)
        self._parted = self._lost[0] is not None
        self._gradient = 1 + self._parted  # the row of the gradients
        self._rows = [*[self._lost] * self._parted, self._params, self._params, *zip(*self._kept, strict=True)]
        with self._device:
            self._places = np.array([engine.places_of(row)(row) for row in self._rows], np.int64)
        self._kinds = engine.kinds_of(self._rows) if self.on_cpu else None
        self._look_home = engine.places_of(self._params, ends=True) if self.on_cpu else self._look
        with self._device:
            self._homes = self._look_home(self._params)
        self._grads: list[Any] = []  # kept while a kernel knows their addresses
        sizes = np.array([[x.nbytes for x in row] for row in self._rows], np.int64)
        self._bytes = sizes[self._gradient]
        written, sizes = (np.delete(numbers, self._gradient, 0).reshape(-1) for numbers in (self._places, sizes))
        order = np.argsort(written)
        self._first, self._last = written[order], (written + sizes)[order]

    def _taken(self, rows: slice, form: str) -> tuple[slice, str]:
        """The rows of these arrays among all, and the form that takes them."""
        return with_lost(rows, form, self._params[0]) if self._parted else (rows, form)

    def _form(self, form: str) -> str:
        """The form that takes parameters such as these."""
        return form_of(form, self._params[0]) if self._parted else form

    def on_device(self) -> AbstractContextManager[Any]:
        """The device of the arrays as the current one."""
        return self._device

    @staticmethod
    def told_apart(p: Any, states: Sequence[Any], lost: Any) -> tuple[str, ...]:
        """What a kernel takes only one of, beside the dtype in which it computes."""
        return () if lost is None else (p.dtype.name,)

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
        places = self._places[self._gradient]
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
        rows, form = self._taken(rows, form)
        kernel, places = self.engine.load(record, form, self.dtype), np.ascontiguousarray(self._places[rows, which])
        kinds = None if self._kinds is None else np.ascontiguousarray(self._kinds[rows, which])
        return kernel.over_arrays(places, self.sizes[which], leading, parameters, kinds)

    def step(
        self, record: Step, parameters: tuple[float, ...], folds: Folds, factor: Any, trust: tuple[Any, ...]
    ) -> None:  # fmt: skip
        """Take the step."""
        kernel = self.engine.load(record, self._form(folds.form), self.dtype)
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

    @staticmethod
    def told_apart(p: Any, states: Sequence[Any], lost: Any) -> tuple[str, ...]:
        """What a kernel takes only one of: a dtype for each row."""
        return p.dtype.name, *(state.dtype.name for state in states)

    def take(self, grads: Sequence[Any], *, written: bool) -> bool:
        """Take these gradients, if kernels find them by a table."""
        with self._device:
            serve = self.engine.tables_serve()
        return serve and super().take(grads, written=written)

    @property
    def _table(self) -> Any:
        if self._kept_table is None:
            self._kept_table = self.engine.table(self._places, self.sizes, varying=self._gradient)
        return self._kept_table

    def sums(
        self, record: Any, form: str, rows: slice, leading: tuple[Any, ...], parameters: tuple[float, ...],
        which: Any = slice(None),
    ) -> Any:  # fmt: skip
        """The sums that a form gives for each array; of all of them, whichever are asked for."""
        rows, form = self._taken(rows, form)
        with self._device:
            return self._kernel(record, form, rows)(self._table, rows.start, leading, parameters)

    def step(
        self, record: Step, parameters: tuple[float, ...], folds: Folds, factor: Any, trust: tuple[Any, ...]
    ) -> None:  # fmt: skip
        """Take the step."""
        with self._device:
            kernel = self._kernel(record, self._form(folds.form), slice(None))
            kernel(self._table, 0, (*folds.leading(factor), *trust), parameters)
        self._grads = []

    def _kernel(self, record: Any, form: str, rows: slice) -> Any:
        """The kernel of a form for these rows."""
        return self.engine.over_arrays(record, form, self.dtype, tuple([row[0].dtype.name for row in self._rows[rows]]))


def _all_apart(places: Any, sizes: Any) -> bool:
    order = np.argsort(places)
    return bool(((places + sizes)[order][:-1] <= places[order][1:]).all())


def together(
    engine: Any, params: Sequence[Any], states: Sequence[Sequence[Any]], lost: Sequence[Any]
) -> list[Together]:
    """The arrays by what kernel takes them, if one may have each of them as it is, or else nothing.

    `lost` is what 16-bit parameters lost, or None for others.
    """
    if not all(type(p) is engine.array and p.size for p in params):
        return []
    kind = Together if engine.name == "cpu" else TogetherOnDevice
    alike: dict[Any, list[int]] = {}
    for i, (p, own, rest) in enumerate(zip(params, states, lost, strict=True)):
        computed = dtypes.computed_in(p.dtype)
        if computed is None or (p.dtype.itemsize == 2 and not engine.sixteen_bits):
            return []
        alike.setdefault((computed, rest is not None, *kind.told_apart(p, own, rest)), []).append(i)
    found = [kind(engine, indices, params, states, lost) for _, indices in sorted(alike.items())]
    return found if all(one.fits for one in found) else []
