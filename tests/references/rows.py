"""What activations and losses of rows should give: the textbook's definitions, in mpmath."""

import numpy as np
from mpmath import mp, mpf

from tests.references.limits import INF, NAN, exp, times


def softmax(row):
    top = max(row)
    if top == -INF or row.count(INF) > 1:
        return [NAN for _ in row]
    if top == INF:
        return [mpf(x == INF) for x in row]
    powers = [exp(x - top) for x in row]
    return [power / sum(powers) for power in powers]


def softmin(row):
    return softmax([-x for x in row])


def log_softmax(row):
    top = max(row)
    if top == -INF or row.count(INF) > 1:
        return [NAN for _ in row]
    if top == INF:
        return [mpf(0) if x == INF else -INF for x in row]
    total = mp.log(sum(exp(x - top) for x in row))
    return [x - top - total for x in row]


def sparsemax_and_threshold(row):
    """Give the projection of a row onto the simplex and its threshold, from the sorted scores (Held et al., 1974)."""
    top = max(row)
    if top == -INF or row.count(INF) > 1:
        return [NAN for _ in row], NAN
    if top == INF:
        return [mpf(x == INF) for x in row], INF
    shifted, taus = [x - top for x in row], []
    descending = sorted(shifted, reverse=True)
    for count in range(1, len(row) + 1):
        tau = (sum(descending[:count]) - 1) / count
        taus += [tau] if descending[count - 1] > tau else []
    return [max(x - taus[-1], mpf(0)) for x in shifted], taus[-1] + top


def sparsemax(row):
    return sparsemax_and_threshold(row)[0]


def sparsemax_backward_from_output(grad_output, y):
    support = [g for g, p in zip(grad_output, y, strict=True) if p > 0]
    mean = sum(support) / len(support)
    return [g - mean if p > 0 else mpf(0) for g, p in zip(grad_output, y, strict=True)]


def sparsemax_backward_from_output_scale(grad_output, y):
    support = [abs(g) for g, p in zip(grad_output, y, strict=True) if p > 0]
    mean = sum(support) / len(support)
    return [abs(g) + mean if p > 0 else mpf(0) for g, p in zip(grad_output, y, strict=True)]


def sparsemax_backward(grad_output, row):
    return sparsemax_backward_from_output(grad_output, sparsemax(row))


def sparsemax_backward_scale(grad_output, row):
    return sparsemax_backward_from_output_scale(grad_output, sparsemax(row))


def softmax_backward_from_output(grad_output, y):
    total = sum(g * p for g, p in zip(grad_output, y, strict=True))
    return [p * (g - total) for g, p in zip(grad_output, y, strict=True)]


def log_softmax_backward_from_output(grad_output, y):
    total = sum(grad_output)
    return [g - exp(p) * total for g, p in zip(grad_output, y, strict=True)]


def softmax_backward_from_output_scale(grad_output, y):
    """Give the size of the terms that cancel in a gradient, and so of its rounding errors."""
    total = sum(abs(g * p) for g, p in zip(grad_output, y, strict=True))
    return [p * (abs(g) + total) for g, p in zip(grad_output, y, strict=True)]


def log_softmax_backward_from_output_scale(grad_output, y):
    total = sum(abs(g) for g in grad_output)
    return [abs(g) + exp(p) * total for g, p in zip(grad_output, y, strict=True)]


def softmin_backward_from_output(grad_output, y):
    return [-d for d in softmax_backward_from_output(grad_output, y)]


softmin_backward_from_output_scale = softmax_backward_from_output_scale


def softmin_backward(grad_output, row):
    return softmin_backward_from_output(grad_output, softmin(row))


def softmin_backward_scale(grad_output, row):
    return softmax_backward_from_output_scale(grad_output, softmin(row))


def softmax_backward(grad_output, row):
    return softmax_backward_from_output(grad_output, softmax(row))


def log_softmax_backward(grad_output, row):
    return log_softmax_backward_from_output(grad_output, log_softmax(row))


def softmax_backward_scale(grad_output, row):
    return softmax_backward_from_output_scale(grad_output, softmax(row))


def log_softmax_backward_scale(grad_output, row):
    return log_softmax_backward_from_output_scale(grad_output, log_softmax(row))


def one_hot(label, classes, smoothing):
    return [(1 - smoothing) * (c == label) + smoothing / classes for c in range(classes)]


def cross_entropy_row(row, target, weight):
    """Give the value, gradient and Hessian's diagonal of one row, for a row of class probabilities."""
    wt = [w * t for w, t in zip(weight, target, strict=True)]
    log_p, p, mass = log_softmax(row), softmax(row), sum(wt)
    value = sum(times(a, -b) for a, b in zip(wt, log_p, strict=True))
    grad = [a * mass - b for a, b in zip(p, wt, strict=True)]
    return value, grad, [a * (1 - a) * mass for a in p]


def nll_loss_row(row, target, weight):
    wt = [w * t for w, t in zip(weight, target, strict=True)]
    value = sum(times(a, -b) for a, b in zip(wt, row, strict=True))
    return value, [-a for a in wt], [mpf(0) for _ in row]


def sparsemax_loss_row(row, target, weight):
    """Give the Fenchel-Young loss of half the squared norm: for a label the paper's, whatever is added to all scores."""
    p, tau = sparsemax_and_threshold(row)
    scores = [x - tau if tau != INF else mpf(1) if x == INF else -INF for x in row]
    score = sum(times(a - t, x) for a, t, x in zip(p, target, scores, strict=True))
    value = score - sum(a * a for a in p) / 2 + sum(t * t for t in target) / 2
    count = sum(a > 0 for a in p)
    hess = [a if mp.isnan(a) else mpf(count - 1) / count if a > 0 else mpf(0) for a in p]
    return value, [a - t for a, t in zip(p, target, strict=True)], hess


def z_loss_row(row, factor):
    """Give value, gradient and Hessian's diagonal of factor * log(sum(exp(x)))**2."""
    p, total = softmax(row), max(row) + mp.log(sum(exp(x - max(row)) for x in row))
    return (
        factor * total**2,
        [2 * factor * total * a for a in p],
        [2 * factor * (a * a + total * a * (1 - a)) for a in p],
    )


def row_loss(
    one_row, x, target, *, weight=None, ignore_index=-100, label_smoothing=0.0, sample_weight=None, reduction="mean",
    z_loss=0.0, mask=None, z_row=None,
):  # fmt: skip
    """Give value, gradient and Hessian of a batch of rows, as PyTorch's documentation defines them.

    `x` has the classes last; `target` holds labels, or rows of probabilities. The mean divides by the sum of the
    weights of what counts: sample weight times the label's class weight, or the sample weight alone for probabilities.
    """
    rows, classes = x.reshape(-1, x.shape[-1]).tolist(), x.shape[-1]
    weights = [mpf(w) for w in (np.ones(classes) if weight is None else weight).tolist()]
    samples = [mpf(s) for s in (np.ones(len(rows)) if sample_weight is None else sample_weight).reshape(-1).tolist()]
    labels, masked = target.ndim < x.ndim, (np.zeros(len(rows), bool) if mask is None else ~mask.reshape(-1)).tolist()
    values, grads, hessians, divisor, smoothing = [], [], [], mpf(0), mpf(label_smoothing)
    for row, own, scale, out in zip(rows, target.reshape(len(rows), -1).tolist(), samples, masked, strict=True):
        if out or (labels and own[0] == ignore_index):
            value, grad, hess = mpf(0), [mpf(0)] * classes, [mpf(0)] * classes
        else:
            wanted = (
                one_hot(own[0], classes, smoothing) if labels
                else [(1 - smoothing) * mpf(t) + smoothing / classes for t in own]
            )  # fmt: skip
            value, grad, hess = one_row([mpf(z) for z in row], wanted, weights)
            if z_loss:
                more, slopes, bends = (z_row or z_loss_row)([mpf(z) for z in row], mpf(z_loss))
                value += more
                grad = [a + b for a, b in zip(grad, slopes, strict=True)]
                hess = [a + b for a, b in zip(hess, bends, strict=True)]
            divisor += scale * (weights[own[0]] if labels else 1)
        values.append(scale * value)
        grads.append([scale * g for g in grad])
        hessians.append([scale * h for h in hess])
    over = divisor if reduction == "mean" else mpf(1)
    if reduction == "mean":
        value = sum(values) / over if over != 0 else NAN
    else:
        value = sum(values) if reduction == "sum" else values
    over = over if over != 0 else NAN
    return value, [[g / over for g in row] for row in grads], [[h / over for h in row] for row in hessians]
