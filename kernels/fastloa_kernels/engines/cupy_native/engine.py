"""The CUDA C++ engine: kernels written from the formulas, compiled by NVRTC, launched on CuPy's current stream."""

import functools
from collections.abc import Sequence
from typing import Any

from fastloa_kernels import forms
from fastloa_kernels.engines import lists
from fastloa_kernels.engines.cupy_native import source
from fastloa_kernels.engines.cupy_native.alignments import AlignmentKernel
from fastloa_kernels.engines.cupy_native.driver import CupyDriver, Driver
from fastloa_kernels.engines.cupy_native.many import ManyMap, ManySum, Table
from fastloa_kernels.engines.cupy_native.maps import Finish, MapKernel, SumKernel
from fastloa_kernels.engines.cupy_native.rows import (
    LabelWeights,
    PairedLossKernel,
    RowKernel,
    RowLossKernel,
    VectorLossKernel,
)
from fastloa_kernels.engines.cupy_native.uniforms import Uniforms
from fastloa_kernels.formulas.totals import IDENTITY
from fastloa_kernels.records import AlignmentLoss, PairedLoss, Projection, ProjectionLoss, RowLoss, Rowwise, VectorLoss


class Engine:
    """Kernels for CuPy's arrays; for those of another library, with another driver."""

    name = "cupy"
    strided = sixteen_bits = True
    apart = staticmethod(lists.apart)

    def __init__(self, driver: Driver | None = None) -> None:
        self._driver = CupyDriver() if driver is None else driver
        self.library, self.xp, self.array = self._driver.library, self._driver.xp, self._driver.array

    def places(self, arrays: tuple[Any, ...], outputs: tuple[Any, ...]) -> list[int] | None:
        """The addresses of arrays that a kernel may map as they are, without a look at anything else; or None.

        They are alike, not empty, in order and on the current device; an output may be an array, but not overlap it.
        """
        return self._driver.places(arrays, outputs)

    @functools.cache  # noqa: B019  (one engine lives as long as the process)
    def load(self, record: Any, form: Any, dtype: str) -> Any:
        if isinstance(record, Rowwise | Projection):
            return RowKernel(self._driver, record, form, dtype)
        if isinstance(record, RowLoss | ProjectionLoss):
            slots = self.load(IDENTITY, "value_summed", "float64")
            return RowLossKernel(self._driver, record, form, dtype, slots, self._finish(dtype))
        if isinstance(record, PairedLoss):
            slots = self.load(IDENTITY, "value_summed", "float64")
            return PairedLossKernel(self._driver, record, form, dtype, slots, self._finish(dtype))
        if isinstance(record, VectorLoss):
            slots = self.load(IDENTITY, "value_summed", "float64")
            return VectorLossKernel(self._driver, record, form, dtype, slots, self._finish(dtype))
        if isinstance(record, AlignmentLoss):
            slots = self.load(IDENTITY, "value_summed", "float64")
            return AlignmentKernel(self._driver, record, form, dtype, slots, self._finish(dtype))
        found = forms.form(record, form)
        label, parameters = source.map_label(record, form), len(record.parameters)
        if found.summed:
            return SumKernel(
                self._driver, label, found, parameters, dtype, self._finish("float64" if found.wide else dtype)
            )
        return MapKernel(self._driver, label, found, parameters, dtype)

    @functools.cache  # noqa: B019
    def over_arrays(self, record: Any, form: str, dtype: str, stored: tuple[str, ...]) -> Any:
        """A map or a sum of `load` over many arrays at once: ``kernel(table, row, leading, parameters)``.

        `stored` is what the inputs hold.
        """
        found = forms.form(record, form)
        kernel = ManySum if found.summed else ManyMap
        return kernel(self._driver, source.map_label(record, form), found, len(record.parameters), dtype, stored)

    def places_of(self, like: Sequence[Any]) -> lists.Places:
        """``places(arrays)``: the addresses of the elements of such arrays, 0 where they are not in order."""
        return self._driver.places_of(like)

    def tables_serve(self) -> bool:
        """Whether tables may be used: they tell their addresses to what is recorded as well."""
        return True

    def table(self, places: Any, sizes: Any, varying: int) -> Table:
        return Table(self._driver, places, sizes, varying)

    @functools.cache  # noqa: B019
    def _finish(self, dtype: str) -> Finish:
        return Finish(self._driver, dtype)

    @functools.cache  # noqa: B019
    def _label_weights(self, dtype: str) -> LabelWeights:
        return LabelWeights(self._driver, dtype)

    def label_weights(
        self, labels: Any, class_weight: Any, sample_weight: Any, ignore_index: int, classes: int
    ) -> tuple[Any, Any]:
        weights = [w for w in (class_weight, sample_weight) if w is not None]
        dtype = weights[0].dtype.name if weights else "float64"
        return self._label_weights(dtype)(labels, class_weight, sample_weight, ignore_index, classes)

    @functools.cache  # noqa: B019
    def _uniforms(self, dtype: str) -> Uniforms:
        return Uniforms(self._driver, dtype)

    def fill_uniform(self, out: Any, seed: int, stream: int, start: int) -> None:
        self._uniforms(out.dtype.name)(out, seed, stream, start)

    def converted(self, array: Any, dtype: Any) -> Any:
        return self.xp.array(array, dtype, order="C")

    def bring(self, array: Any) -> Any:
        return self.xp.asarray(array)
