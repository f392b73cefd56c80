"""What every operation should give: the textbook's definitions, in mpmath and in plain NumPy.

They share nothing with the library: no formula, no rearrangement for the sake of rounding. Cancellation is met with
digits (the harness sets mpmath's precision), and limits at infinities are written out. NaN never comes here: the
harness knows what becomes of it. The activations of single elements stand in ``tests/activation_references.py``, the
losses of residuals and margins in ``tests/loss_references.py``, and are found here by name as well.
"""

import numpy as np
from mpmath import mp, mpf

from tests.activation_references import *  # noqa: F403
from tests.activation_references import INF, NAN, exp, log1p_exp, sigmoid, sigmoid_derivative, times
from tests.loss_references import *  # noqa: F403

# losses of one prediction and one target


def difference(p, t):
    return NAN if p == t and mp.isinf(p) else p - t


def l1_loss(p, t):
    return abs(difference(p, t))


def l1_loss_derivative(p, t):
    d = difference(p, t)
    return NAN if mp.isnan(d) else mpf((d > 0) - (d < 0))


def l1_loss_second(p, t):
    return NAN if mp.isnan(difference(p, t)) else mpf(0)


def mse_loss(p, t):
    return difference(p, t) ** 2


def mse_loss_derivative(p, t):
    return 2 * difference(p, t)


def mse_loss_second(p, t):
    return NAN if mp.isnan(difference(p, t)) else mpf(2)


def log(x):
    return mp.log(x) if x > 0 else -INF


def binary_cross_entropy(p, t):
    return -times(t, log(p)) - times(1 - t, log(1 - p))


def binary_cross_entropy_derivative(p, t):
    hit = mpf(0) if t == 0 else (t / p if p > 0 else INF)
    miss = mpf(0) if t == 1 else ((1 - t) / (1 - p) if p < 1 else INF)
    return miss - hit


def binary_cross_entropy_second(p, t):
    hit = mpf(0) if t == 0 else (t / p**2 if p > 0 else INF)
    miss = mpf(0) if t == 1 else ((1 - t) / (1 - p) ** 2 if p < 1 else INF)
    return hit + miss


def binary_cross_entropy_with_logits(z, t, pos_weight):
    return times(pos_weight * t, log1p_exp(-z)) + times(1 - t, log1p_exp(z))


def binary_cross_entropy_with_logits_derivative(z, t, pos_weight):
    return (1 - t) * sigmoid(z) - pos_weight * t * sigmoid(-z)


def binary_cross_entropy_with_logits_second(z, t, pos_weight):
    return (1 - t + pos_weight * t) * sigmoid_derivative(z)


# activations and losses of rows


def softmax(row):
    top = max(row)
    if top == -INF or row.count(INF) > 1:
        return [NAN for _ in row]
    if top == INF:
        return [mpf(x == INF) for x in row]
    powers = [exp(x - top) for x in row]
    return [power / sum(powers) for power in powers]


def log_softmax(row):
    top = max(row)
    if top == -INF or row.count(INF) > 1:
        return [NAN for _ in row]
    if top == INF:
        return [mpf(0) if x == INF else -INF for x in row]
    total = mp.log(sum(exp(x - top) for x in row))
    return [x - top - total for x in row]


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


def row_loss(
    one_row, x, target, *, weight=None, ignore_index=-100, label_smoothing=0.0, sample_weight=None, reduction="mean"
):
    """Give value, gradient and Hessian of a batch of rows, as PyTorch's documentation defines them.

    `x` has the classes last; `target` holds labels, or rows of probabilities. The mean divides by the sum of the
    weights of what counts: sample weight times the label's class weight, or the sample weight alone for probabilities.
    """
    rows, classes = x.reshape(-1, x.shape[-1]).tolist(), x.shape[-1]
    weights = [mpf(w) for w in (np.ones(classes) if weight is None else weight).tolist()]
    samples = [mpf(s) for s in (np.ones(len(rows)) if sample_weight is None else sample_weight).reshape(-1).tolist()]
    labels = target.ndim < x.ndim
    values, grads, hessians, divisor, smoothing = [], [], [], mpf(0), mpf(label_smoothing)
    for row, own, scale in zip(rows, target.reshape(len(rows), -1).tolist(), samples, strict=True):
        if labels and own[0] == ignore_index:
            value, grad, hess = mpf(0), [mpf(0)] * classes, [mpf(0)] * classes
        else:
            wanted = (
                one_hot(own[0], classes, smoothing) if labels
                else [(1 - smoothing) * mpf(t) + smoothing / classes for t in own]
            )  # fmt: skip
            value, grad, hess = one_row([mpf(z) for z in row], wanted, weights)
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


# optimizers: torch.optim's documentation, line by line, in float64


def sgd(p, g, state, *, step, lr, momentum, dampening, weight_decay, nesterov, maximize):
    g = -g if maximize else g
    g = g + weight_decay * p
    if momentum != 0:
        state["momentum_buffer"] = momentum * state["momentum_buffer"] + (1 - dampening) * g if step > 1 else g
        g = g + momentum * state["momentum_buffer"] if nesterov else state["momentum_buffer"]
    return p - lr * g


def adam(p, g, state, *, step, lr, betas, eps, weight_decay, amsgrad, maximize, decoupled=False):
    g = -g if maximize else g
    if decoupled:
        p = p - lr * weight_decay * p
    else:
        g = g + weight_decay * p
    state["exp_avg"] = betas[0] * state["exp_avg"] + (1 - betas[0]) * g
    state["exp_avg_sq"] = betas[1] * state["exp_avg_sq"] + (1 - betas[1]) * g**2
    second = state["exp_avg_sq"]
    if amsgrad:
        second = state["max_exp_avg_sq"] = np.maximum(state["max_exp_avg_sq"], second)
    m_hat, v_hat = state["exp_avg"] / (1 - betas[0] ** step), second / (1 - betas[1] ** step)
    return p - lr * m_hat / (np.sqrt(v_hat) + eps)


def adamw(p, g, state, **hyper):
    return adam(p, g, state, **hyper, decoupled=True)
