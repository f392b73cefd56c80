"""Arrays of one shape and any strides, seen through as few dimensions as their layouts allow."""

from typing import Any

LIMIT = 8  # dimensions, as in map.cuh


def collapsed(arrays: tuple[Any, ...], lead: int) -> tuple[list[int], list[list[int]]]:
    """The shape, and each array's strides in elements, after reordering and joining dimensions.

    Dimensions are put in the order of the array numbered `lead`, so that neighbours in its memory stay neighbours.
    """
    shape = arrays[0].shape
    strides = [[step // x.itemsize for step in x.strides] for x in arrays]
    axes = [axis for axis, length in enumerate(shape) if length != 1]
    axes.sort(key=lambda axis: -abs(strides[lead][axis]))
    lengths: list[int] = []
    steps: list[list[int]] = [[] for _ in arrays]
    for axis in axes:
        length = shape[axis]
        if lengths and all(s[-1] == own[axis] * length for s, own in zip(steps, strides, strict=True)):
            lengths[-1] *= length
            for s, own in zip(steps, strides, strict=True):
                s[-1] = own[axis]
        else:
            lengths.append(length)
            for s, own in zip(steps, strides, strict=True):
                s.append(own[axis])
    return lengths, steps
