"""The skeleton of losses over rows of few classes and their labels: `row_losses` on the tiles of `narrow`."""

from typing import Any

import numpy as np

from fastloa_kernels.engines.numba_cpu.binding import bind
from fastloa_kernels.engines.numba_cpu.compilation import jitable
from fastloa_kernels.engines.numba_cpu.label_terms import lane_terms
from fastloa_kernels.engines.numba_cpu.narrow import load, split, statistics, store
from fastloa_kernels.engines.numba_cpu.rows import HEIGHT
from fastloa_kernels.formulas import rowwise
from fastloa_kernels.records import RowLoss
from fastloa_kernels.sums import BLOCK


def _on_tiles(dtype: str) -> tuple[Any, ...]:
    """What is taken from tiles and done to them: ``gather``, ``gradients``, ``place``, ``clear``."""
    greatest, scalar = bind(rowwise.greatest, "float64"), np.dtype(dtype).type

    def gather(tile, labels, ignore_index, picked):
        for i in range(labels.size):
            picked[i] = tile[labels[i] * HEIGHT + i] if labels[i] != ignore_index else scalar(0.0)

    def gradients(e, wide, scale, columns, share):
        for i in range(HEIGHT):
            share[i] = scalar(scale[i] * greatest(wide[i]))
        for j in range(columns):
            a = e[j * HEIGHT : (j + 1) * HEIGHT]
            for i in range(HEIGHT):
                a[i] = share[i] * a[i]

    def place(tile, labels, ignore_index, own):
        for i in range(labels.size):
            if labels[i] != ignore_index:
                tile[labels[i] * HEIGHT + i] = own[i]

    def clear(tile, labels, ignore_index, columns):
        for i in range(labels.size):
            if labels[i] == ignore_index:
                for j in range(columns):
                    tile[j * HEIGHT + i] = scalar(0.0)

    return jitable(gather), jitable(gradients), jitable(place), jitable(clear)


def rows_of(record: RowLoss, dtype: str) -> Any:
    """``run((x, labels, class_weight, sample_weight, options, out, dx, h), first, last, room)``: see `row_losses`.

    Labels are neither smoothed nor weighted by class, and there is no z-loss.
    """
    if record.bent:
        return _rows_of_bent(record, dtype)
    loss_of, distance = bind(record.value, dtype), bind(rowwise.distance, dtype)
    probability, complement = bind(record.probability, dtype), bind(record.complement, dtype)
    read, cut, scalar = statistics(dtype, in_place=False), split(dtype), np.dtype(dtype).type
    gather, gradients, place, clear = _on_tiles(dtype)

    def losses(at_label, maxima, rest, scale, values):
        for i in range(HEIGHT):
            values[i] = np.float64(loss_of(distance(at_label[i], maxima[i]), rest[i])) * scale[i]

    def own_gradients(e, rest, scale, weight_sum, out):
        for i in range(HEIGHT):
            pulled = 0.0 * (weight_sum * probability(e[i], rest[i]) - 1.0)  # the zero's sign is that of `row_losses`
            out[i] = scalar(scale[i] * (pulled - complement(e[i], rest[i])))

    def hessians(e, rest, scale, columns, out):
        for j in range(columns):
            a, b = e[j * HEIGHT : (j + 1) * HEIGHT], out[j * HEIGHT : (j + 1) * HEIGHT]
            for i in range(HEIGHT):
                b[i] = scalar(scale[i]) * (probability(a[i], rest[i]) * complement(a[i], rest[i]))

    losses, own_gradients, hessians = jitable(losses), jitable(own_gradients), jitable(hessians)

    def run(arguments, first, last, room):
        x, labels, _, sample_weight, options, out, dx, h = arguments
        ignore_index, _, _, weight_sum, divisor, _ = options
        (tile, e, spare), _, (maxima, rest, wide) = cut(room)
        above = 5 * BLOCK + 3 * HEIGHT
        scale, slots = room[above : above + HEIGHT], room[above + HEIGHT : above + 2 * HEIGHT]
        picked = room[above + 2 * HEIGHT : above + 3 * HEIGHT].view(scalar)[:HEIGHT]
        own = room[above + 3 * HEIGHT : above + 4 * HEIGHT].view(scalar)[:HEIGHT]
        columns, value, grad, hess = x.shape[1], out.size > 0, dx.size > 0, h.size > 0
        for i in range(HEIGHT):
            scale[i], picked[i] = 1.0, scalar(0.0)
        for start in range(first, last, HEIGHT):
            stop = min(last, start + HEIGHT)
            some = labels[start:stop]
            load(x, start, stop, tile)
            gather(tile, some, ignore_index, picked)
            read(room, columns)
            if sample_weight.size:
                for i in range(some.size):
                    scale[i] = sample_weight[start + i]
            if value:
                losses(picked, maxima, rest, scale, slots)
                for i in range(some.size):
                    out[start + i] = slots[i] if some[i] != ignore_index else 0.0
            if grad:
                for i in range(HEIGHT):
                    slots[i] = scale[i] / divisor
                gather(e, some, ignore_index, picked)
                own_gradients(picked, rest, slots, weight_sum, own)
                if hess:
                    hessians(e, rest, slots, columns, spare)
                    clear(spare, some, ignore_index, columns)
                    store(spare, h, start, stop)
                gradients(e, wide, slots, columns, maxima)
                place(e, some, ignore_index, own)
                clear(e, some, ignore_index, columns)
                store(e, dx, start, stop)

    return run


def _rows_of_bent(record: RowLoss, dtype: str) -> Any:
    """The same of a bent loss."""
    probability, complement = bind(record.probability, dtype), bind(record.complement, dtype)
    curved, scalar, terms = bind(rowwise.curved, dtype), np.dtype(dtype).type, lane_terms(record)
    read, cut = statistics(dtype, in_place=False), split(dtype)
    gather, gradients, place, clear = _on_tiles(dtype)

    def widened(at_label, maxima, wide, lanes):
        for i in range(HEIGHT):
            lanes[i], lanes[HEIGHT + i], lanes[2 * HEIGHT + i] = at_label[i], maxima[i], wide[i]

    def weighed(scale, divisor, loss, mass, bend):
        for i in range(HEIGHT):
            share = scale[i] / divisor
            loss[i], mass[i], bend[i] = scale[i] * loss[i], share * mass[i], share * bend[i]

    def complements(e, rest, out):
        for i in range(HEIGHT):
            out[i] = complement(e[i], rest[i])

    def own_hessians(e, rest, mass, bend, miss, out):
        for i in range(HEIGHT):
            out[i] = curved(scalar(mass[i]), scalar(bend[i]), miss[i], probability(e[i], rest[i]), miss[i])

    def hessians(e, rest, mass, bend, miss, columns, out):
        for j in range(columns):
            a, b = e[j * HEIGHT : (j + 1) * HEIGHT], out[j * HEIGHT : (j + 1) * HEIGHT]
            for i in range(HEIGHT):
                p, opposite = probability(a[i], rest[i]), complement(a[i], rest[i])
                b[i] = curved(scalar(mass[i]), scalar(bend[i]), p, opposite, miss[i])

    def own_gradients(mass, miss, out):
        for i in range(HEIGHT):
            out[i] = scalar(-mass[i] * miss[i])

    widened, weighed, complements = jitable(widened), jitable(weighed), jitable(complements)
    own_hessians, hessians, own_gradients = jitable(own_hessians), jitable(hessians), jitable(own_gradients)

    def run(arguments, first, last, room):
        x, labels, _, sample_weight, options, out, dx, h = arguments
        ignore_index, divisor, parameters = options[0], options[4], options[6:]
        (tile, e, spare), _, (maxima, rest, wide) = cut(room)
        lanes = room[5 * BLOCK + 3 * HEIGHT : 6 * BLOCK]
        loss, mass = lanes[3 * HEIGHT : 4 * HEIGHT], lanes[4 * HEIGHT : 5 * HEIGHT]
        bend, scale = lanes[5 * HEIGHT : 6 * HEIGHT], lanes[6 * HEIGHT : 7 * HEIGHT]
        picked = lanes[7 * HEIGHT : 8 * HEIGHT].view(scalar)[:HEIGHT]
        miss = lanes[8 * HEIGHT : 9 * HEIGHT].view(scalar)[:HEIGHT]
        own = lanes[9 * HEIGHT : 10 * HEIGHT].view(scalar)[:HEIGHT]
        columns, value, grad, hess = x.shape[1], out.size > 0, dx.size > 0, h.size > 0
        for i in range(HEIGHT):
            scale[i], picked[i] = 1.0, scalar(0.0)
        for start in range(first, last, HEIGHT):
            stop = min(last, start + HEIGHT)
            some = labels[start:stop]
            load(x, start, stop, tile)
            gather(tile, some, ignore_index, picked)
            read(room, columns)
            if sample_weight.size:
                for i in range(some.size):
                    scale[i] = sample_weight[start + i]
            widened(picked, maxima, wide, lanes)
            terms(lanes, parameters)
            weighed(scale, divisor, loss, mass, bend)
            if value:
                for i in range(some.size):
                    out[start + i] = loss[i] if some[i] != ignore_index else 0.0
            if grad:
                gather(e, some, ignore_index, picked)
                complements(picked, rest, miss)
                if hess:
                    own_hessians(picked, rest, mass, bend, miss, own)
                    hessians(e, rest, mass, bend, miss, columns, spare)
                    place(spare, some, ignore_index, own)
                    clear(spare, some, ignore_index, columns)
                    store(spare, h, start, stop)
                own_gradients(mass, miss, own)
                gradients(e, wide, mass, columns, maxima)
                place(e, some, ignore_index, own)
                clear(e, some, ignore_index, columns)
                store(e, dx, start, stop)

    return run
