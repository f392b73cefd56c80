"""The skeleton of losses of alignments, a block of threads for a sequence: forward over its frames, then back.

A thread takes states one block apart, and a barrier parts the frames. Rows of two frames take turns, so that one will
do.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from fastloa_kernels.engines.alignments import ALPHAS, BETAS, LINKS, POSTERIORS
from fastloa_kernels.engines.numba_cuda.binding import bind
from fastloa_kernels.engines.numba_cuda.toolchain import cuda, device
from fastloa_kernels.records import AlignmentLoss

NUMBERS = 11  # start, held, steps, count, classes, rows, width, sampled, blank, zero_infinity and averaged


@device
def _wrong(label, classes, blank):
    return label < 0 or label >= classes or label == blank


@device
def _prepare(labels, place, states, classes, blank, links, link, width, rooms, room, alphas):
    """As on the CPU; a wrong label must not read beyond the frame."""
    s = np.int64(cuda.threadIdx.x)
    while s < states + 2:
        rooms[room + s] = 0.0
        rooms[alphas + s], rooms[alphas + width + s] = 0.0 if s == 2 else -np.inf, 0.0
        if s < states:
            odd, after, first = s % 2 == 1, np.int64(0), np.int64(s % 2)
            own = labels[place + s // 2] if odd else blank
            if odd:
                if s > 2 and own != labels[place + s // 2 - 1]:
                    rooms[room + s] = 1.0
                other = s - 2
                while other > 0 and first == 1:
                    if labels[place + other // 2] == own:
                        first = np.int64(0)
                    other -= 2
                other = s + 2
                while other < states and after == 0:
                    if labels[place + other // 2] == own:
                        after = other
                    other += 2
            links[link + s] = blank if odd and _wrong(own, classes, blank) else own
            links[link + width + s] = after
            links[link + 2 * width + s] = first
        s += cuda.blockDim.x
    cuda.syncthreads()


@device
def _fill(grads, base, classes, number):
    c = np.int64(cuda.threadIdx.x)
    while c < classes:
        grads[base + c] = number
        c += cuda.blockDim.x


def _reach(record: AlignmentLoss) -> Any:
    """``reach(rooms, width, stay, step, skip, allowed)``: what leads to a state from those at three places."""
    reached = bind(record.reached, "float64")

    def reach(rooms, width, stay, step, skip, allowed):
        return reached(
            rooms[stay],
            rooms[stay + width],
            rooms[step],
            rooms[step + width],
            rooms[skip],
            rooms[skip + width],
            allowed,
        )

    return device(reach)


def _forward(record: AlignmentLoss) -> Any:
    reach, moved, value_of = _reach(record), bind(record.moved, "float64"), bind(record.value, "float64")

    def forward(frames, labels, place, n, span, count, shape, blank, links, link, width, rooms, room, alphas, held):
        """The loss; states stand two places on, behind two that no alignment comes from."""
        total, classes = shape
        states = 2 * span + 1
        for t in range(count):
            before, now = alphas + 2 * t % held * width, alphas + (2 * t + 2) % held * width
            frame = (t * total + n) * classes
            if cuda.threadIdx.x < 2:
                rooms[now + cuda.threadIdx.x], rooms[now + width + cuda.threadIdx.x] = -np.inf, 0.0
            s = np.int64(cuda.threadIdx.x)
            while s < states:
                high, low = reach(rooms, width, before + s + 2, before + s + 1, before + s, rooms[room + s])
                high, low = moved(high, low, np.float64(frames[frame + links[link + s]]))
                rooms[now + s + 2], rooms[now + width + s + 2] = high, low
                s += cuda.blockDim.x
            cuda.syncthreads()
        end = alphas + 2 * count % held * width + states
        loss, loss_low = value_of(rooms[end + 1], rooms[end + width + 1], rooms[end], rooms[end + width])
        for i in range(span):
            if _wrong(labels[place + i], classes, blank):
                loss = np.nan
        return loss, loss_low

    return device(forward)


def _backward(record: AlignmentLoss) -> Any:
    reach, moved = _reach(record), bind(record.moved, "float64")
    posterior, slope = bind(record.posterior, "float64"), bind(record.slope, "float64")

    def backward(frames, grads, n, states, count, shape, links, link, width, rooms, room, alphas, factor, losses):
        total, classes = shape
        loss, loss_low = losses
        betas, posteriors = room + BETAS * width, room + POSTERIORS * width
        s = np.int64(cuda.threadIdx.x)
        while s < states + 2:
            for k in range(4):
                rooms[betas + k * width + s] = 0.0 if k % 2 else -np.inf
            if s == states - 1:
                rooms[betas + 2 * count % 4 * width + s] = 0.0
            s += cuda.blockDim.x
        cuda.syncthreads()
        for back in range(count):
            t = count - 1 - back
            frame, later, now = (t * total + n) * classes, betas + (2 * t + 2) % 4 * width, betas + 2 * t % 4 * width
            shares, forwards = posteriors + t % 2 * width, alphas + 2 * (t + 1) * width + 2
            s = np.int64(cuda.threadIdx.x)
            while s < states:
                left, rest = reach(rooms, width, later + s, later + s + 1, later + s + 2, rooms[room + s + 2])
                rooms[shares + s] = posterior(
                    rooms[forwards + s], rooms[forwards + width + s], left, rest, loss, loss_low
                )  # fmt: skip
                high, low = moved(left, rest, np.float64(frames[frame + links[link + s]]))
                rooms[now + s], rooms[now + width + s] = high, low
                s += cuda.blockDim.x
            _fill(grads, frame, classes, slope(factor, 0.0, loss))
            cuda.syncthreads()
            s = np.int64(cuda.threadIdx.x)
            while s < states:
                if s == 0 or links[link + 2 * width + s] == 1:
                    sum_of = 0.0 if s == 0 else rooms[shares + s]
                    k = s if s == 0 else links[link + width + s]
                    while k < states if s == 0 else k > 0:
                        sum_of += rooms[shares + k]
                        k = k + 2 if s == 0 else links[link + width + k]
                    grads[frame + links[link + s]] = slope(factor, sum_of, loss)
                s += cuda.blockDim.x

    return device(backward)


def loss_kernel(record: AlignmentLoss, read: Any, *, value: bool, grad: bool) -> Callable[..., None]:
    """``kernel(numbers, divisors, (frames, weights, grad), (labels, spans, links), losses, rooms)``.

    ``read(divisors)`` is the divisor alone. What a form, or `sampled`, does without is not touched.
    """
    forward, backward, counts = _forward(record), _backward(record), bind(record.counts, "float64")
    weighted, factor_of, wide = bind(record.weighted, "float64"), bind(record.factor, "float64"), np.float64

    def kernel(numbers, divisors, operands, integers, losses, scratch):
        start, held, steps, total, classes, rows, width, sampled, blank, zero_infinity, averaged = numbers
        frames, weights, grads = operands
        labels, spans, links = integers
        rooms, shape, divisor = scratch[0], (total, classes), read(divisors)[0]
        i = np.int64(cuda.blockIdx.x)
        while i < held:
            n = start + i
            place, span, count = spans[3 * n], spans[3 * n + 1], spans[3 * n + 2]
            link, room, states = i * LINKS * width, i * rows * width, 2 * span + 1
            alphas = room + ALPHAS * width
            _prepare(labels, place, states, classes, blank, links, link, width, rooms, room, alphas)
            found = forward(
                frames, labels, place, n, span, count, shape, blank, links, link, width, rooms, room, alphas,
                rows - ALPHAS,
            )  # fmt: skip
            if counts(found[0], wide(zero_infinity)) == 0.0:
                found, count = (wide(0.0), wide(0.0)), np.int64(0)
            length = wide(span) if averaged else wide(0.0)
            weight = wide(weights[n]) if sampled else wide(1.0)
            if value and cuda.threadIdx.x == 0:
                losses[0][n] = weighted(found[0], weight, length)
            if grad:
                for t in range(count, steps):
                    _fill(grads, (t * total + n) * classes, classes, 0.0)
                factor = factor_of(weight, divisor, length)
                backward(
                    frames, grads, n, states, count, shape, links, link, width, rooms, room, alphas, factor, found
                )  # fmt: skip
            i += cuda.gridDim.x

    return kernel
