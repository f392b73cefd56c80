"""Losses of alignments: a kernel's text, and its launch with a block of threads for each sequence."""

import struct
from typing import Any

from fastloa_kernels.engines import AlignmentOptions
from fastloa_kernels.engines.alignments import ALPHAS, BETAS, LINKS, POSTERIORS, at_a_time, room_shape
from fastloa_kernels.engines.cupy_native import source
from fastloa_kernels.engines.cupy_native.driver import Driver
from fastloa_kernels.engines.cupy_native.maps import NUMBER, Finish, SumKernel, number
from fastloa_kernels.engines.cupy_native.teams import THREADS, WARP
from fastloa_kernels.records import AlignmentLoss

ROOMS = 1 << 27  # numbers that are held at a time, if a sequence has no more: 1 GB


def alignment_source(record: AlignmentLoss, form: str, dtype: str) -> source.Source:
    """A loss of alignments, a block of threads for a sequence."""
    text = source.Text(f"{record.name}_{form}", "alignments.cuh", dtype)
    text.constants(
        VALUE="value" in form, GRAD="grad" in form, LINKS=LINKS, BETAS=BETAS,
        POSTERIORS=POSTERIORS, ALPHAS=ALPHAS,
    )  # fmt: skip
    pair = "{0} {0}_low".format
    text.member("value", record.value, f"{pair('last')} {pair('before')}", wide=True)
    text.member("reached", record.reached, f"{pair('stay')} {pair('step')} {pair('skip')} allowed", wide=True)
    text.member("moved", record.moved, f"{pair('x')} by", wide=True)
    text.member("counts", record.counts, "loss zero_infinity", wide=True)
    text.member("weighted", record.weighted, "loss weight length", wide=True)
    text.member("factor", record.factor, "weight divisor length", wide=True)
    text.member("posterior", record.posterior, f"{pair('forward')} {pair('backward')} {pair('loss')}", wide=True)
    text.member("slope", record.slope, "factor total loss", wide=True)
    text.entry("", "AlignmentArguments<{0}>", THREADS, "alignments<{0}>")
    return text.source("Loss")


class AlignmentKernel:
    """A loss of the sequences of a contiguous 3-d array."""

    def __init__(
        self, driver: Driver, record: AlignmentLoss, form: str, dtype: str, total: SumKernel, finish: Finish
    ) -> None:
        self._driver, self._value, self._grad = driver, "value" in form, "grad" in form
        self._total, self._finish = total, finish
        self._pack = struct.Struct(f"9P9q{NUMBER}").pack
        (self._launch,) = driver.load(alignment_source(record, form, dtype))

    def __call__(
        self, frames: Any, labels: Any, spans: Any, sample_weight: Any, options: AlignmentOptions, out: Any, grad: Any
    ) -> Any:
        driver, summed, (steps, count, classes) = self._driver, self._value and out is None, frames.shape
        empty = driver.xp.empty
        slots = empty(count, "float64") if summed else None
        rows, width = room_shape(steps, options.longest, grad=self._grad)
        step = at_a_time(count, (rows, width), ROOMS)
        rooms, links = empty((step, rows, width), "float64"), empty((step, LINKS, width), "int64")
        arrays = frames, labels, spans, sample_weight, out, slots, grad, links, rooms
        places = [0 if array is None else driver.pointer(array) for array in arrays]
        flags = options.blank, options.zero_infinity, options.averaged
        numbers = steps, count, classes, rows, width, *flags, *number(driver, options.divisor)
        threads = min(THREADS, WARP * -(-max(width, classes) // WARP))
        for start in range(0, count, step or 1):
            self._launch(min(step, count - start), threads, self._pack(*places, start, *numbers))
        if not summed:
            return None
        return self._finish(*self._total.partials((slots,), (), (), ()), options.divisor)
