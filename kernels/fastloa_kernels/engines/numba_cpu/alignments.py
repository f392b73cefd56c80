"""The skeleton of losses of alignments: forward over a sequence's frames, then back, with a gradient at each.

What is computed at a frame is machine code of its own: it is the same for every dtype.
"""

import functools
from typing import Any

import numpy as np
from numba.core import types

from fastloa_kernels.engines.alignments import ALPHAS, BETAS, POSTERIORS
from fastloa_kernels.engines.numba_cpu.binding import bind
from fastloa_kernels.engines.numba_cpu.compilation import jitable
from fastloa_kernels.engines.numba_cpu.kinds import array
from fastloa_kernels.engines.numba_cpu.outlining import outlined
from fastloa_kernels.records import AlignmentLoss

ALLOWED, SCORES = 0, 1  # rows of a sequence's room, before those that the engines have in common
ROOM = array(types.float64, 2, written=True)


def _reach(record: AlignmentLoss, stay: int, skip: int) -> Any:
    """What leads to states from those in a pair of rows, of which a state itself is `stay` places on."""
    reached = bind(record.reached, "float64")

    def reach(highs, lows, allowed, high, low, states):
        # Loops that meet few arrays, at places which the compiler sees, are vectorised: it checks a few overlaps only.
        for s in range(states):
            high[s], low[s] = reached(
                highs[s + stay], lows[s + stay], highs[s + 1], lows[s + 1], highs[s + skip], lows[s + skip], allowed[s]
            )

    return jitable(reach)


def _move(record: AlignmentLoss) -> Any:
    moved = bind(record.moved, "float64")

    def move(high, low, scores, states):
        for s in range(states):
            high[s], low[s] = moved(high[s], low[s], scores[s])

    return jitable(move)


@functools.cache
def _frame_on(record: AlignmentLoss) -> Any:
    """``frame(room, before, now, states)``: the pair of rows `now` from that `before`, and from the scores."""
    reach, move = _reach(record, 2, 0), _move(record)

    def frame(room, before, now, states):
        high, low = room[now, 2:], room[now + 1, 2:]
        reach(room[before], room[before + 1], room[ALLOWED], high, low, states)
        move(high, low, room[SCORES], states)

    return outlined(frame, (ROOM, *[types.int64] * 3))


@functools.cache
def _frame_back(record: AlignmentLoss) -> Any:
    """``frame(room, later, now, forward, losses, states)``: likewise from the end, and the probabilities."""
    reach, move, posterior = _reach(record, 0, 2), _move(record), bind(record.posterior, "float64")

    def share(high, low, forward, forward_low, loss, loss_low, shares, states):
        for s in range(states):
            shares[s] = posterior(forward[s], forward_low[s], high[s], low[s], loss, loss_low)

    share = jitable(share)

    def frame(room, later, now, forward, losses, states):
        high, low = room[now], room[now + 1]
        reach(room[later], room[later + 1], room[ALLOWED, 2:], high, low, states)
        share(high, low, room[forward, 2:], room[forward + 1, 2:], losses[0], losses[1], room[POSTERIORS], states)
        move(high, low, room[SCORES], states)

    return outlined(frame, (ROOM, *[types.int64] * 3, types.UniTuple(types.float64, 2), types.int64))


@functools.cache
def _loss(record: AlignmentLoss) -> Any:
    """``loss(room, last, states)``: the pair of the loss, from the pair of rows after the last frame."""
    value = bind(record.value, "float64")

    def loss(room, last, states):
        return value(room[last, states + 1], room[last + 1, states + 1], room[last, states], room[last + 1, states])

    return outlined(loss, (ROOM, *[types.int64] * 2))


@jitable
def _prepare(labels, blank, links, allowed):
    """Of each state the class, the next with the same label (or 0), if none came before, and if one may be skipped."""
    states, classes, after, first = 2 * labels.size + 1, links[0], links[1], links[2]
    for s in range(states):
        classes[s] = labels[s // 2] if s % 2 else blank
        after[s], first[s] = 0, s % 2
        allowed[s] = 1.0 if s > 2 and s % 2 and classes[s] != classes[s - 2] else 0.0
    allowed[states] = allowed[states + 1] = 0.0
    for s in range(1, states, 2):
        for other in range(s + 2, states, 2):
            if classes[other] == classes[s]:
                after[s], first[other] = other, 0
                break


@jitable
def _gather(frame, classes, room, states):
    scores = room[SCORES]
    for s in range(states):
        scores[s] = frame[classes[s]]


@jitable
def _clear(room, row, count):
    """Make a pair of rows that of states to which nothing leads."""
    room[row, :count], room[row + 1, :count] = -np.inf, 0.0


def sequences_of(record: AlignmentLoss, dtype: str) -> Any:
    """``run((frames, labels, spans, weights, numbers, divisor, out, grad, start, links, rooms), first, last, room)``.

    Sequences are counted from `start`; numbers are blank, zero_infinity and averaged. `out` takes the losses in
    float64. Weights and results are empty where there are none.
    """
    frame_on, frame_back, loss_of = _frame_on(record), _frame_back(record), _loss(record)
    counts, slope = bind(record.counts, "float64"), bind(record.slope, "float64")
    weighted, factor_of, wide = bind(record.weighted, "float64"), bind(record.factor, "float64"), np.float64

    def forward(frames, n, count, states, classes, room):
        """The loss; states stand two places on, behind two that no alignment comes from."""
        held = len(room) - ALPHAS
        _clear(room, ALPHAS, states + 2)
        room[ALPHAS, 2] = 0.0
        for t in range(count):
            before, now = ALPHAS + 2 * t % held, ALPHAS + (2 * t + 2) % held
            _clear(room, now, 2)
            _gather(frames[t, n], classes, room, states)
            frame_on(room, before, now, states)
        return loss_of(room, ALPHAS + 2 * count % held, states)

    def backward(frames, n, count, states, links, room, factor, losses, grad):
        classes, after, first, shares, loss = links[0], links[1], links[2], room[POSTERIORS], losses[0]
        other = slope(factor, 0.0, loss)
        _clear(room, BETAS, states + 2)
        _clear(room, BETAS + 2, states + 2)
        room[BETAS + 2 * count % 4, states - 1] = 0.0
        for t in range(count - 1, -1, -1):
            slopes, forward = grad[t, n], ALPHAS + 2 * (t + 1)
            _gather(frames[t, n], classes, room, states)
            frame_back(room, BETAS + (2 * t + 2) % 4, BETAS + 2 * t % 4, forward, losses, states)
            slopes[:] = other
            total = 0.0
            for s in range(0, states, 2):
                total += shares[s]
            slopes[classes[0]] = slope(factor, total, loss)
            for s in range(1, states, 2):
                if first[s]:
                    total, k = shares[s], after[s]
                    while k:
                        total += shares[k]
                        k = after[k]
                    slopes[classes[s]] = slope(factor, total, loss)

    forward, backward = jitable(forward), jitable(backward)

    def run(arguments, first, last, room):
        frames, labels, spans, weights, numbers, divisor, out, grad, start, links, rooms = arguments
        blank, zero_infinity, averaged = numbers
        for i in range(first, last):
            n, link, own = start + i, links[i], rooms[i]
            place, length, count = spans[n, 0], spans[n, 1], spans[n, 2]
            states, mean = 2 * length + 1, wide(length if averaged else 0)
            _prepare(labels[place : place + length], blank, link, own[ALLOWED])
            losses = forward(frames, n, count, states, link[0], own)
            if counts(losses[0], wide(zero_infinity)) == 0.0:
                losses, count = (0.0, 0.0), 0
            weight = wide(weights[n]) if weights.size else 1.0
            if out.size:
                out[n] = weighted(losses[0], weight, mean)
            if grad.size:
                grad[count:, n] = 0.0
                backward(frames, n, count, states, link, own, factor_of(weight, divisor, mean), losses, grad)

    return run
