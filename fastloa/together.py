"""Steps over all arrays of an optimizer in one call: on the CPU, where kernels may have all of them as they are."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
from fastloa_kernels.records import Step

from fastloa import backends
from fastloa.folded import Folds
from fastloa.operations import NATIVE


class Together:
    """Parameters of one dtype and their states, by their addresses."""

    xp: Any = np
    on_cpu, on_device = True, nullcontext

    def __init__(self, indices: list[int], params: Sequence[Any], states: Sequence[Sequence[Any]]) -> None:
        self._indices, self._params = indices, [params[i] for i in indices]
        self._kept = [states[i] for i in indices]
        self._dtype = self._params[0].dtype
        self.dtype = self._dtype.name
        self._shapes = [p.shape for p in self._params]
        engine: Any = backends.engine("step", "cpu")  # whose steps take addresses
        self._engine, self._apart = engine, engine.apart()
        self._look = [engine.place_of(self._dtype.name, p.ndim) for p in self._params]
        self.sizes = np.array([p.size for p in self._params], np.int64)
        self._bytes = self.sizes * self._dtype.itemsize
        self._starts = np.concatenate([[0], np.cumsum(self.sizes)]).astype(np.int64)
        rows = [self._params, self._params, *zip(*self._kept, strict=True)]
        self._places = np.array([[look(x) for look, x in zip(self._look, row, strict=True)] for row in rows], np.int64)
        self._homes = self._places[0].tolist()
        self._grads: list[Any] = []  # kept while a kernel knows their addresses
        written = np.delete(self._places, 1, axis=0)
        order = np.argsort(written, axis=None)
        self._first = written.reshape(-1)[order]
        self._last = (written + self._bytes).reshape(-1)[order]

    @property
    def fits(self) -> bool:
        """Whether all arrays are in order, and apart from each other."""
        return bool(self._places.all() and (self._last[:-1] <= self._first[1:]).all())

    def take(self, grads: Sequence[Any], *, written: bool) -> bool:
        """Take these gradients, if kernels may have them as they are; say nothing of what is wrong."""
        own = [grads[i] for i in self._indices]
        if set(map(type, own)) != {np.ndarray} or [g.shape for g in own] != self._shapes:
            return False
        if not all(g.dtype is self._dtype for g in own) or not all(p.flags.writeable for p in self._params):
            return False
        if [look(p) for look, p in zip(self._look, self._params, strict=True)] != self._homes:
            return False  # somebody has resized one
        places = self._places[1]
        places[:] = [look(g) for look, g in zip(self._look, own, strict=True)]
        if not self._apart(places, self._bytes, self._first, self._last):
            return False
        if written and not (all(g.flags.writeable for g in own) and _all_apart(places, self._bytes)):
            return False
        self._grads = own
        return True

    def sums(
        self, record: Any, form: str, rows: slice, leading: tuple[Any, ...], parameters: tuple[float, ...],
        which: Any = slice(None),
    ) -> Any:  # fmt: skip
        """The sums that a form gives for each array."""
        kernel, places = self._engine.load(record, form, self.dtype), np.ascontiguousarray(self._places[rows, which])
        return kernel.over_arrays(places, self.sizes[which], leading, parameters)

    def step(
        self, record: Step, parameters: tuple[float, ...], folds: Folds, factor: Any, trust: tuple[Any, ...]
    ) -> None:  # fmt: skip
        """Take the step."""
        kernel = self._engine.load(record, folds.form, self.dtype)
        kernel.over_arrays(self._places, self._starts, (*folds.leading(factor), *trust), parameters)
        self._grads = []

    def skip(self, folds: Folds) -> None:
        """Let the step pass."""
        if folds.zero_grad:
            for g in self._grads:
                g[...] = 0.0
        self._grads = []


def _all_apart(places: Any, sizes: Any) -> bool:
    order = np.argsort(places)
    return bool(((places + sizes)[order][:-1] <= places[order][1:]).all())


def together(params: Sequence[Any], states: Sequence[Sequence[Any]]) -> list[Together]:
    """The arrays by dtype, if kernels may have all of them as they are, or else nothing."""
    if not all(type(p) is np.ndarray and p.dtype in NATIVE and p.dtype.isnative and p.size for p in params):
        return []
    found = [
        Together(indices, params, states)
        for dtype in NATIVE
        if (indices := [i for i, p in enumerate(params) if p.dtype == dtype])
    ]
    return found if all(one.fits for one in found) else []
