"""Many arrays at once on a GPU: where they lie, and how they are cut into the blocks that are summed."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastloa_kernels.sums import BLOCK

Places = Callable[[Sequence[Any]], list[int]]
"""``places(arrays)``: where the first element of each lies."""


def places_of(device: int, like: Sequence[Any]) -> Places:
    """``places(arrays)`` for CuPy's arrays of these shapes; 0 where one is not in order, or on another device."""
    size = like[0].itemsize
    in_order = [x.strides if x.flags.c_contiguous else None for x in like]

    def place(x: Any) -> int:
        found: int = x.data.ptr
        fits = x.data.device_id == device and x.flags.c_contiguous and found % size == 0
        return found if fits else 0

    def places(arrays: Sequence[Any]) -> list[int]:
        # CuPy says sooner what an array's strides are than whether they are in order.
        found, bits = [x.data.ptr for x in arrays], 0
        for address in found:
            bits |= address
        fit = bits % size == 0 and all(x.data.device_id == device for x in arrays)
        return found if fit and [x.strides for x in arrays] == in_order else [place(x) for x in arrays]

    return places


def apart(places: Any, sizes: Any, first: Any, last: Any) -> bool:
    """Whether stretches of memory are known, and apart from others, which stand in order."""
    before = np.searchsorted(first, places + sizes) - 1  # the last of the others that begins before a stretch ends
    return bool(places.all() and not ((before >= 0) & (last[before] > places)).any())


def chunks(sizes: Any) -> tuple[Any, Any]:
    """The blocks of all arrays of these sizes, and where those of each begin, and after the last where they end.

    A block is the number of its array, and its own in that, as a row of int32.
    """
    blocks = -(-sizes // BLOCK)
    firsts = np.concatenate([[0], np.cumsum(blocks)]).astype(np.int64)
    array = np.repeat(np.arange(len(sizes)), blocks)
    return np.stack([array, np.arange(firsts[-1]) - firsts[array]], 1).astype(np.int32), firsts
