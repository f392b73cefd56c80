"""The skeleton of losses over rows of class scores: value, gradient and Hessian of a row while it is in the cache.

A row's target is t(c) = w(c) * (keep * q(c) + smoothing), where w are the class weights, q is 1 at the label or the
row's probabilities, keep = 1 - label_smoothing and smoothing = label_smoothing / classes. The row's loss is the sum of
t(c) * value(c), its gradient mass * p(c) - t(c) and its Hessian's diagonal mass * p(c) * (1 - p(c)), where mass is the
sum of t. At the label the gradient is taken apart, so that -(1 - p) keeps its digits where p is nearly 1.

With a z-loss z the row's loss has z * L**2 more, where L = log(sum(exp(x))) = m + value(0), the gradient lean * p(c),
with lean = 2 * z * L, and the Hessian's diagonal lean * p(c) * (1 - p(c)) + 2 * z * p(c)**2.

A bent loss is h(l) of its label's l = -log(p), its gradient h'(l) * p(c), at the label -h'(l) * (1 - p), and its
Hessian's diagonal h'(l) * p(c) * (1 - p(c)) + h''(l) * p(c)**2, at the label (1 - p) in place of p(c) in the square.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from fastloa_kernels.engines.numba_cpu import summation
from fastloa_kernels.engines.numba_cpu.binding import bind
from fastloa_kernels.engines.numba_cpu.compilation import jitable
from fastloa_kernels.engines.numba_cpu.label_terms import row_terms
from fastloa_kernels.engines.numba_cpu.rows import row_sum, statistics
from fastloa_kernels.engines.numba_cpu.summation import corrected
from fastloa_kernels.formulas import rowwise
from fastloa_kernels.sums import BLOCK


def rows_of(record: Any, dtype: str, *, labels: bool, general: bool) -> Any:
    """``run((x, target, class_weight, sample_weight, options, out, dx, h), first, last, room)``.

    Only `general` ones read class weights, smooth labels and have a z-loss. `out` takes the losses of the rows in
    float64; `options` is (ignore_index, keep, smoothing, the class weights' sum, divisor, z-loss, *parameters). What a
    call does without is empty, results too: one kernel for all forms is soon compiled, and a row's tests cost nothing.
    """
    row_of, split = _label_row if labels else _probability_row, summation.split(dtype)
    if record.bent:
        row_of = _bent_row
    one_row = row_of(record, dtype, general)

    def run(arguments, first, last, room):
        x, target, class_weight, sample_weight, options, out, dx, h = arguments
        buffers, wanted = split(room), (out.size > 0, dx.size > 0, h.size > 0)
        for row in range(first, last):
            loss = one_row(x[row], target[row], class_weight, sample_weight, options, dx, h, row, wanted, buffers)
            if wanted[0]:
                out[row] = loss

    return run


def label_weights(*, weighted: bool) -> Callable[..., int]:
    """``kernel(labels, class_weight, sample_weight, ignore_index, classes, high, low, room)``: a bad row, or -1.

    The sums of sample_weight * class_weight[label] over the blocks of rows, without the ignored, go to `high`, `low`.
    """
    leaf, split = summation.leaf("float64"), summation.split("float64")

    def kernel(labels, class_weight, sample_weight, ignore_index, classes, high, low, room):
        buffer, upper, lower = split(room)
        for start in range(0, labels.size, BLOCK):
            part = labels[start : start + BLOCK]
            for i in range(part.size):
                label = part[i]
                buffer[i] = 0.0
                if label != ignore_index:
                    if label < 0 or label >= classes:
                        return start + i
                    weight = np.float64(sample_weight[start + i]) if sample_weight.size else 1.0
                    buffer[i] = weight * class_weight[label] if weighted else weight
            block = start // BLOCK
            high[block], low[block] = leaf(buffer, part.size, upper, lower)
        return -1

    return kernel


def _reader(record: Any, dtype: str) -> Any:
    """``read(x, dx, row, stored, buffers)``: a row's (m, rest); with `stored`, exp(x - m) is left in that of `dx`."""
    if not record.normalised:
        scalar = np.dtype(dtype).type
        return jitable(lambda x, dx, row, stored, buffers: (scalar(0.0), 0.0))
    plain, storing = statistics(dtype, stored=False), statistics(dtype, stored=True)

    def read(x, dx, row, stored, buffers):
        values, upper, lower = buffers
        if stored:
            return storing((x, dx[row]), values, upper, lower)
        return plain((x,), values, upper, lower)

    return jitable(read)


def _hessian(record: Any, dtype: str, general: bool) -> Any:
    """``fill(e, rest, factor, bend, h)``: factor * p * (1 - p) + bend * p**2."""
    probability, complement = bind(record.probability, dtype), bind(record.complement, dtype)
    inclined, zero = bind(rowwise.inclined, dtype), np.dtype(dtype).type(0.0)

    def fill(e, rest, factor, bend, h):
        for i in range(h.size):
            ei = e[i]
            p = probability(ei, rest)
            own = factor * (p * complement(ei, rest))
            h[i] = inclined(own, bend, p * p) if general and bend != zero else own

    return jitable(fill)


def _z_terms(record: Any, dtype: str) -> Any:
    """``terms(z, m, rest) -> (lean, square)``: 2 * z * L and z * L**2, where L = log(sum(exp(x)))."""
    loss_of, zero = bind(record.value, dtype), np.dtype(dtype).type(0.0)
    lean, square = bind(rowwise.z_lean, "float64"), bind(rowwise.z_loss, "float64")

    def terms(z, m, rest):
        top, logarithm = np.float64(m), np.float64(loss_of(zero, rest))
        return lean(z, top, logarithm), square(z, top, logarithm)

    return jitable(terms)


def _label_row(record: Any, dtype: str, general: bool) -> Any:
    loss_of, distance = bind(record.value, dtype), bind(rowwise.distance, dtype)
    probability, complement = bind(record.probability, dtype), bind(record.complement, dtype)
    greatest = bind(rowwise.greatest, "float64")
    read, hessian = _reader(record, dtype), _hessian(record, dtype, general)
    scalar = np.dtype(dtype).type
    normalised, z_terms = record.normalised, _z_terms(record, dtype)

    def weighted_term(x, w, statistics):
        return w * loss_of(distance(x, statistics[0]), statistics[1])

    all_classes = row_sum(dtype, jitable(weighted_term))

    zero = scalar(0.0)

    def gradient(share, pull, class_weight, dx):
        for i in range(dx.size):
            p = share * dx[i] if normalised else zero
            dx[i] = p - pull * class_weight[i] if general and pull != zero else p  # 0 * inf would be NaN

    gradient = jitable(gradient)

    def row_loss(x, label, class_weight, sample_weight, options, dx, h, row, wanted, buffers):
        ignore_index, keep, smoothing, weight_sum, divisor, z = options
        value, grad, hess = wanted
        if label == ignore_index:
            for i in range(x.size):
                if grad:
                    dx[row, i] = scalar(0.0)
                if hess:
                    h[row, i] = scalar(0.0)
            return 0.0
        own = np.float64(class_weight[label]) if general else 1.0
        scale = np.float64(sample_weight[row]) if sample_weight.size else 1.0
        m, wide = read(x, dx, row, grad, buffers)
        rest, d = scalar(wide), distance(x[label], m)  # not before: a read here and there upsets what is fetched ahead
        loss, lean, square = 0.0, 0.0, 0.0
        if general and z != 0.0:
            lean, square = z_terms(z, m, rest)
        if value:
            loss = keep * own * loss_of(d, rest)
            if general and smoothing != 0.0:
                values, upper, lower = buffers
                total, error = all_classes(x, class_weight, (m, rest), values, upper, lower)
                loss += smoothing * corrected(total, error)
            if general and z != 0.0:
                loss += square
            loss *= scale
        if grad:
            scale /= divisor
            e, mass = dx[row, label] if normalised else zero, keep * own + smoothing * weight_sum
            pulled = smoothing * (weight_sum * probability(e, rest) - own)
            if general and z != 0.0:
                mass += lean
                pulled += lean * np.float64(probability(e, rest))
            mass *= scale
            if hess:
                hessian(dx[row], rest, scalar(mass), scalar(2.0 * z * scale), h[row])
            gradient(scalar(mass * greatest(wide)), scalar(smoothing * scale), class_weight, dx[row])
            dx[row, label] = scalar(scale * (pulled - keep * own * complement(e, rest)))
        return loss

    return jitable(row_loss)


def _bent_row(record: Any, dtype: str, general: bool) -> Any:
    probability, complement = bind(record.probability, dtype), bind(record.complement, dtype)
    terms, greatest, curved = row_terms(record), bind(rowwise.greatest, "float64"), bind(rowwise.curved, dtype)
    read, scalar = _reader(record, dtype), np.dtype(dtype).type

    def hessian(e, rest, factor, bend, miss, h):
        for i in range(h.size):
            ei = e[i]
            h[i] = curved(factor, bend, probability(ei, rest), complement(ei, rest), miss)

    def gradient(share, dx):
        for i in range(dx.size):
            dx[i] = share * dx[i]

    def fill(x, row):
        for i in range(x.shape[1]):
            x[row, i] = scalar(0.0)

    hessian, gradient, fill = jitable(hessian), jitable(gradient), jitable(fill)

    def row_loss(x, label, class_weight, sample_weight, options, dx, h, row, wanted, buffers):
        _, grad, hess = wanted
        if label == options[0]:
            if grad:
                fill(dx, row)
            if hess:
                fill(h, row)
            return 0.0
        parameters = options[6:]
        scale = np.float64(sample_weight[row]) if sample_weight.size else 1.0
        if general:
            scale *= np.float64(class_weight[label])
        m, wide = read(x, dx, row, grad, buffers)
        rest = scalar(wide)
        loss, slope, bend = terms(np.float64(x[label]), np.float64(m), wide, parameters)
        if grad:
            share, e = scale / options[4], dx[row, label]
            mass, miss = share * slope, complement(e, rest)
            if hess:
                factor, curve = scalar(mass), scalar(share * bend)
                hessian(dx[row], rest, factor, curve, miss, h[row])
                h[row, label] = curved(factor, curve, miss, probability(e, rest), miss)
            gradient(scalar(mass * greatest(wide)), dx[row])
            dx[row, label] = scalar(-mass * miss)
        return scale * loss

    return jitable(row_loss)


def _probability_row(record: Any, dtype: str, general: bool) -> Any:
    loss_of, distance = bind(record.value, dtype), bind(rowwise.distance, dtype)
    probability, complement = bind(record.probability, dtype), bind(record.complement, dtype)
    share_gradient, hessian = bind(rowwise.share_gradient, dtype), _hessian(record, dtype, general)
    read, z_terms, scalar = _reader(record, dtype), _z_terms(record, dtype), np.dtype(dtype).type
    share_inclined, zero = bind(rowwise.share_inclined, dtype), scalar(0.0)

    @jitable
    def target(q, w, keep, smoothing):
        t = keep * q + smoothing
        return w * t if general else t

    def mass_term(q, w, extra):
        return target(q, w, extra[0], extra[1])

    mass_of = row_sum(dtype, jitable(mass_term))

    def losses(x, q, class_weight, m, rest, keep, smoothing, out):
        for i in range(x.size):
            t = target(q[i], class_weight[i] if general else q[i], keep, smoothing)
            term = t * loss_of(distance(x[i], m), rest)
            out[i] = scalar(0.0) if t == scalar(0.0) else term  # 0 * log 0 = 0

    losses = jitable(losses)
    leaf = summation.outlined_leaf(dtype)

    def loss_sum(x, q, class_weight, m, rest, keep, smoothing, values, upper, lower):
        total = 0.0
        for start in range(0, x.size, BLOCK):
            stop = min(x.size, start + BLOCK)
            weights = class_weight[start:stop]
            losses(x[start:stop], q[start:stop], weights, m, rest, keep, smoothing, values[: stop - start])
            high, low = leaf(values, stop - start, upper, lower)
            total += corrected(high, low)
        return total

    loss_sum = jitable(loss_sum)

    def gradient(q, class_weight, rest, factors, keep, smoothing, dx):
        factor, lean, both = factors
        for i in range(dx.size):
            t = target(q[i], class_weight[i] if general else q[i], keep, smoothing)
            e = dx[i]
            p, opposite = probability(e, rest), complement(e, rest)
            if general and lean != zero:
                dx[i] = share_inclined(factor, lean, both, t, p, opposite)
            else:
                dx[i] = share_gradient(factor, t, p, opposite)

    gradient = jitable(gradient)

    def row_loss(x, q, class_weight, sample_weight, options, dx, h, row, wanted, buffers):
        value, grad, hess = wanted
        values, upper, lower = buffers
        keep, smoothing = scalar(options[1]), scalar(options[2])
        scale = np.float64(sample_weight[row]) if sample_weight.size else 1.0
        m, wide = read(x, dx, row, grad, buffers)
        rest, loss, lean, square = scalar(wide), 0.0, 0.0, 0.0
        if general and options[5] != 0.0:
            lean, square = z_terms(options[5], m, rest)
        if value:
            loss = loss_sum(x, q, class_weight, m, rest, keep, smoothing, values, upper, lower)
            if general and options[5] != 0.0:
                loss += square
            loss *= scale
        if grad:
            scale /= options[4]
            weights = class_weight if general else q
            mass, error = mass_of(q, weights, (keep, smoothing), values, upper, lower)
            mass = corrected(mass, error)
            factors = scalar(mass * scale), scalar(lean * scale), scalar((mass + lean) * scale)
            if hess:
                hessian(dx[row], rest, factors[2] if general else factors[0], scalar(2.0 * options[5] * scale), h[row])
            gradient(q, class_weight, rest, factors, scalar(options[1] * scale), scalar(options[2] * scale), dx[row])
        return loss

    return jitable(row_loss)
