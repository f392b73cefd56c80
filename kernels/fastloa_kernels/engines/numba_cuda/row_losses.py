"""The skeleton of losses over rows of class scores, a block of threads for a row: value, gradient and Hessian.

The mathematics is that of the CPU's skeleton: a row's target is t(c) = w(c) * (keep * q(c) + smoothing), its loss the
sum of t(c) * value(c), its gradient mass * p(c) - t(c) and its Hessian's diagonal mass * p(c) * (1 - p(c)), where mass
is the sum of t. At the label the gradient is taken apart, so that -(1 - p) keeps its digits where p is nearly 1. A
label out of range makes its row's results NaN, and nothing is read there. A z-loss z adds z * L**2 to the row's loss,
with L = log(sum(exp(x))) = m + value(0), and lean * p(c) with lean = 2 * z * L to its gradient. A bent loss is h(l)
of its label's l = -log(p), as on the CPU.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from fastloa_kernels.engines import RowForm
from fastloa_kernels.engines.numba_cuda import summation
from fastloa_kernels.engines.numba_cuda.binding import bind
from fastloa_kernels.engines.numba_cuda.rows import row_sum, statistics
from fastloa_kernels.engines.numba_cuda.summation import corrected
from fastloa_kernels.engines.numba_cuda.toolchain import THREADS, cuda, device
from fastloa_kernels.formulas import rowwise
from fastloa_kernels.formulas.losses import probability
from fastloa_kernels.records import RowLoss
from fastloa_kernels.sums import BLOCK


def loss_kernel(record: RowLoss, dtype: str, form: RowForm, read: Any) -> Callable[..., None]:
    """``kernel(rows, classes, ignore_index, sampled, numbers, totals, operands, targets, outputs)``.

    The numbers are (keep, smoothing, z), or the parameters of a bent loss.

    ``read(totals)`` are the class weights' sum and the divisor. The operands are x, the class weights and the sample
    weights, and are not read where the form, or `sampled`, does without. The outputs are the rows' losses, the gradient
    and the Hessian, and those not in the form are not written.
    """
    row_of = _label_row if form.labels else _probability_row
    one_row = (_bent_row if record.bent else row_of)(record, dtype, form)
    value, errors, number = form.value, summation.ERRORS[dtype], np.dtype(dtype).type

    def kernel(rows, classes, ignore_index, sampled, numbers, totals, operands, targets, outputs):
        high = cuda.shared.array(BLOCK, np.float64)
        low = cuda.shared.array(errors, np.float64)
        seen = cuda.shared.array(THREADS, number)
        options, room = (ignore_index, *numbers, *read(totals)), (high, low, seen)
        row = np.int64(cuda.blockIdx.x)
        while row < rows:
            scale = np.float64(operands[2][row]) if sampled else np.float64(1.0)
            loss = one_row(row, classes, scale, options, operands, targets[0], outputs, room)
            if value and cuda.threadIdx.x == 0:
                outputs[0][row] = loss
            row += cuda.gridDim.x

    return kernel


def _reader(record: RowLoss, dtype: str) -> Any:
    if record.normalised:
        return statistics(dtype)
    zero = np.dtype(dtype).type(0.0)

    def read(x, base, columns, high, low, seen):
        return zero, 0.0

    return device(read)


@device
def _fill(array, base, classes, value):
    j = cuda.threadIdx.x
    while j < classes:
        array[base + j] = value
        j += cuda.blockDim.x


def _constant(form: RowForm) -> Any:
    """``constant(base, classes, result, outputs)``: one number for all that is asked of a row."""
    grad, hess = form.grad, form.hess

    def constant(base, classes, result, outputs):
        if grad:
            _fill(outputs[1], base, classes, result)
        if hess:
            _fill(outputs[2], base, classes, result)
        return np.float64(result)

    return device(constant)


def _z_terms(record: RowLoss, dtype: str) -> Any:
    """``terms(z, m, rest) -> (lean, square)``: 2 * z * L and z * L**2, or zeros."""
    loss_of, zero = bind(record.value, dtype), np.dtype(dtype).type(0.0)
    lean, square = bind(rowwise.z_lean, "float64"), bind(rowwise.z_loss, "float64")

    def terms(z, m, rest):
        if z == 0.0:
            return 0.0, 0.0
        top, logarithm = np.float64(m), np.float64(loss_of(zero, rest))
        return lean(z, top, logarithm), square(z, top, logarithm)

    return device(terms)


def _label_row(record: RowLoss, dtype: str, form: RowForm) -> Any:
    value, grad, hess, weighted = form.value, form.grad, form.hess, form.weighted
    loss_of, distance = bind(record.value, dtype), bind(rowwise.distance, dtype)
    read, scalar = _reader(record, dtype), np.dtype(dtype).type
    write, z_terms = _label_derivatives(record, dtype, form), _z_terms(record, dtype)
    zero, nothing = scalar(0.0), scalar(np.nan)

    def weighted_term(x, w, base, j, statistics):
        loss = loss_of(distance(x[base + j], statistics[0]), statistics[1])
        return w[j] * loss if weighted else loss

    all_classes, constant = row_sum(dtype, device(weighted_term)), _constant(form)

    def one_row(row, classes, scale, options, operands, labels, outputs, room):
        ignore_index, keep, smoothing, z, weight_sum, divisor = options
        high, low, seen = room
        x, w = operands[0], operands[1]
        label, base = labels[row], row * classes
        if label == ignore_index:
            return constant(base, classes, zero, outputs)
        if label < 0 or label >= classes:
            return constant(base, classes, nothing, outputs)
        at_label = x[base + label]
        cuda.syncthreads()  # the gradient may overwrite x
        own = np.float64(w[label]) if weighted else 1.0
        m, wide = read(x, base, classes, high, low, seen)
        rest = scalar(wide)
        loss, (lean, square) = 0.0, z_terms(z, m, rest)
        if value:
            loss = keep * own * loss_of(distance(at_label, m), rest)
            if smoothing != 0.0:
                total, error = all_classes(x, w, base, classes, (m, rest), high, low)
                loss += smoothing * corrected(total, error)
            if z != 0.0:
                loss += square
            loss *= scale
        if grad or hess:
            write(
                x,
                w,
                base,
                classes,
                label,
                at_label,
                (m, rest, wide),
                (keep, smoothing, own, scale / divisor, weight_sum, z, lean),
                outputs,
            )
        return loss

    return device(one_row)


def _label_derivatives(record: RowLoss, dtype: str, form: RowForm) -> Any:
    grad, hess, weighted = form.grad, form.hess, form.weighted
    probability, complement = bind(record.probability, dtype), bind(record.complement, dtype)
    exponential, greatest = bind(rowwise.exponential, dtype), bind(rowwise.greatest, "float64")
    scalar, normalised, inclined = np.dtype(dtype).type, record.normalised, bind(rowwise.inclined, dtype)
    zero = scalar(0.0)

    def write(x, w, base, classes, label, at_label, statistics, options, outputs):
        (m, rest, wide), (keep, smoothing, own, scale, weight_sum, z, lean) = statistics, options
        mass, e = keep * own + smoothing * weight_sum, exponential(at_label, m)
        pulled = smoothing * (weight_sum * probability(e, rest) - own)
        if z != 0.0:
            mass += lean
            pulled += lean * np.float64(probability(e, rest))
        mass *= scale
        factor, share = scalar(mass), scalar(mass * greatest(wide))
        pull, bend = scalar(smoothing * scale), scalar(2.0 * z * scale)
        own_gradient = scalar(scale * (pulled - keep * own * complement(e, rest)))
        j = cuda.threadIdx.x
        while j < classes:
            e = exponential(x[base + j], m)
            if hess:
                p = probability(e, rest)
                curve = factor * (p * complement(e, rest))
                outputs[2][base + j] = inclined(curve, bend, p * p) if bend != zero else curve
            if grad:
                gradient = share * e if normalised else zero
                if pull != zero:
                    gradient = gradient - (pull * w[j] if weighted else pull)
                outputs[1][base + j] = own_gradient if j == label else gradient
            j += cuda.blockDim.x

    return device(write)


def _bent_row(record: RowLoss, dtype: str, form: RowForm) -> Any:
    grad, hess, weighted = form.grad, form.hess, form.weighted
    terms = bind(record.value, "float64")
    probability, complement = bind(record.probability, dtype), bind(record.complement, dtype)
    exponential, greatest = bind(rowwise.exponential, dtype), bind(rowwise.greatest, "float64")
    read, curved, scalar = _reader(record, dtype), bind(rowwise.curved, dtype), np.dtype(dtype).type
    constant, zero, nothing = _constant(form), scalar(0.0), scalar(np.nan)

    def write(x, base, classes, label, at_label, statistics, factors, outputs):
        (m, rest, wide), (mass, bend) = statistics, factors
        e = exponential(at_label, m)
        miss, factor, share, bend = complement(e, rest), scalar(mass), scalar(mass * greatest(wide)), scalar(bend)
        own_gradient, own_curve = scalar(-mass * miss), curved(factor, bend, miss, probability(e, rest), miss)
        j = cuda.threadIdx.x
        while j < classes:
            e = exponential(x[base + j], m)
            if hess:
                curve = curved(factor, bend, probability(e, rest), complement(e, rest), miss)
                outputs[2][base + j] = own_curve if j == label else curve
            if grad:
                outputs[1][base + j] = own_gradient if j == label else share * e
            j += cuda.blockDim.x

    write = device(write)

    def one_row(row, classes, scale, options, operands, labels, outputs, room):
        ignore_index, parameters, divisor = options[0], options[1:-2], options[-1]
        high, low, seen = room
        x, label, base = operands[0], labels[row], row * classes
        if label == ignore_index:
            return constant(base, classes, zero, outputs)
        if label < 0 or label >= classes:
            return constant(base, classes, nothing, outputs)
        at_label = x[base + label]
        cuda.syncthreads()  # the gradient may overwrite x
        if weighted:
            scale = scale * np.float64(operands[1][label])
        m, wide = read(x, base, classes, high, low, seen)
        loss, slope, bend = terms(np.float64(at_label), np.float64(m), wide, *parameters)
        if grad or hess:
            share = scale / divisor
            write(x, base, classes, label, at_label, (m, scalar(wide), wide), (share * slope, share * bend), outputs)
        return scale * loss

    return device(one_row)


def _probability_row(record: RowLoss, dtype: str, form: RowForm) -> Any:
    value, grad, hess, weighted = form.value, form.grad, form.hess, form.weighted
    loss_of, distance = bind(record.value, dtype), bind(rowwise.distance, dtype)
    read, scalar, target = _reader(record, dtype), np.dtype(dtype).type, _target(dtype, weighted)
    write, z_terms = _probability_derivatives(record, dtype, form), _z_terms(record, dtype)
    zero = scalar(0.0)

    def mass_term(q, w, base, j, extra):
        return target(q, w, base, j, extra[0], extra[1])

    def loss_term(x, w, base, j, extra):
        q, m, rest, keep, smoothing = extra
        t = target(q, w, base, j, keep, smoothing)
        loss = t * loss_of(distance(x[base + j], m), rest)
        return zero if t == zero else loss  # 0 * log 0 = 0

    def added(total, error, high, low):
        return total + corrected(high, low), error  # an infinite loss makes the errors between blocks NaN

    mass_of, loss_sum = row_sum(dtype, device(mass_term)), row_sum(dtype, device(loss_term), device(added))

    def one_row(row, classes, scale, options, operands, q, outputs, room):
        _, keep, smoothing, z, _, divisor = options
        high, low, seen = room
        x, w, base = operands[0], operands[1], row * classes
        numbers = scalar(keep), scalar(smoothing)
        m, wide = read(x, base, classes, high, low, seen)
        rest, loss = scalar(wide), 0.0
        lean, square = z_terms(z, m, rest)
        if value:
            loss, error = loss_sum(x, w, base, classes, (q, m, rest, *numbers), high, low)
            if z != 0.0:
                loss += square
            loss *= scale
        if grad or hess:
            scale = scale / divisor
            mass, error = mass_of(q, w, base, classes, numbers, high, low)
            mass = corrected(mass, error)
            factors = scalar(mass * scale), scalar((mass + lean) * scale), scalar(lean * scale)
            scaled = *factors, scalar(2.0 * z * scale), scalar(keep * scale), scalar(smoothing * scale)
            write(x, q, w, base, classes, m, rest, scaled, outputs)
        return loss

    return device(one_row)


def _target(dtype: str, weighted: bool) -> Any:
    share = bind(probability, dtype)

    def target(q, w, base, j, keep, smoothing):
        t = keep * share(q[base + j]) + smoothing
        return w[j] * t if weighted else t

    return device(target)


def _probability_derivatives(record: RowLoss, dtype: str, form: RowForm) -> Any:
    grad, hess = form.grad, form.hess
    probability, complement = bind(record.probability, dtype), bind(record.complement, dtype)
    exponential, target = bind(rowwise.exponential, dtype), _target(dtype, form.weighted)
    gradient, zero = bind(rowwise.share_gradient, dtype), np.dtype(dtype).type(0.0)
    inclined, share_inclined = bind(rowwise.inclined, dtype), bind(rowwise.share_inclined, dtype)

    def write(x, q, w, base, classes, m, rest, scaled, outputs):
        factor, curve, lean, bend, keep, smoothing = scaled
        j = cuda.threadIdx.x
        while j < classes:
            e = exponential(x[base + j], m)
            p = probability(e, rest)
            if hess:
                own = curve * (p * complement(e, rest))
                outputs[2][base + j] = inclined(own, bend, p * p) if bend != zero else own
            if grad:
                t = target(q, w, base, j, keep, smoothing)
                opposite = complement(e, rest)
                if lean != zero:
                    outputs[1][base + j] = share_inclined(factor, lean, curve, t, p, opposite)
                else:
                    outputs[1][base + j] = gradient(factor, t, p, opposite)
            j += cuda.blockDim.x

    return device(write)
