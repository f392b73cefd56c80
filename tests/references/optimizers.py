"""What every optimizer's step should give: the documentation, line by line, in NumPy's float64.

A function takes a parameter, its gradient, a dict of its states, which it changes, and the hyper-parameters, and gives
the new parameter.
"""

import numpy as np


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
