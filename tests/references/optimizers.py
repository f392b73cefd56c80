"""What every optimizer's step should give: the documentation, line by line, in NumPy's float64.

A function takes a parameter, its gradient, a dict of its states, which it changes, and the hyper-parameters, and gives
the new parameter. A hyper-parameter that is none of its arguments says what a state starts from.
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


def rmsprop(p, g, state, *, step, lr, alpha, eps, weight_decay, momentum, centered, maximize):
    g = -g if maximize else g
    g = g + weight_decay * p
    mean = state["square_avg"] = alpha * state["square_avg"] + (1 - alpha) * g**2
    if centered:
        state["grad_avg"] = alpha * state["grad_avg"] + (1 - alpha) * g
        mean = mean - state["grad_avg"] ** 2
    scaled = g / (np.sqrt(mean) + eps)
    if momentum > 0:
        scaled = state["momentum_buffer"] = momentum * state["momentum_buffer"] + scaled
    return p - lr * scaled


def adagrad(p, g, state, *, step, lr, lr_decay, weight_decay, eps, maximize):
    g = -g if maximize else g
    g = g + weight_decay * p
    state["sum"] = state["sum"] + g**2
    return p - lr / (1 + (step - 1) * lr_decay) * g / (np.sqrt(state["sum"]) + eps)


def adadelta(p, g, state, *, step, lr, rho, eps, weight_decay, maximize):
    g = -g if maximize else g
    g = g + weight_decay * p
    state["square_avg"] = rho * state["square_avg"] + (1 - rho) * g**2
    delta = np.sqrt(state["acc_delta"] + eps) / np.sqrt(state["square_avg"] + eps) * g
    state["acc_delta"] = rho * state["acc_delta"] + (1 - rho) * delta**2
    return p - lr * delta


def ftrl(p, g, state, *, step, lr, lr_power, l1, l2, beta, maximize):
    g = -g if maximize else g
    before, after = state["accumulator"], state["accumulator"] + g**2
    state["linear"] = state["linear"] + g - (after**-lr_power - before**-lr_power) / lr * p
    state["accumulator"] = after
    quadratic = after**-lr_power / lr + 2 * (l2 + beta / (2 * lr))
    return (np.clip(state["linear"], -l1, l1) - state["linear"]) / quadratic


def rprop(p, g, state, *, step, etas, step_sizes, maximize):
    g = -g if maximize else g
    turn = g * state["prev"]
    factor = np.where(turn > 0, etas[1], np.where(turn < 0, etas[0], 1))
    state["step_size"] = np.clip(state["step_size"] * factor, *step_sizes)
    state["prev"] = np.where(turn < 0, 0, g)
    return p - state["step_size"] * np.sign(state["prev"])


def lion(p, g, state, *, step, lr, betas, weight_decay, maximize):
    g = -g if maximize else g
    update = np.sign(betas[0] * state["exp_avg"] + (1 - betas[0]) * g)
    state["exp_avg"] = betas[1] * state["exp_avg"] + (1 - betas[1]) * g
    return p - lr * (update + weight_decay * p)


def signum(p, g, state, *, step, lr, momentum, weight_decay, maximize):
    g = -g if maximize else g
    if momentum > 0:
        g = state["momentum_buffer"] = momentum * state["momentum_buffer"] + (1 - momentum) * g
    return p - lr * (np.sign(g) + weight_decay * p)


def asgd(p, g, state, *, step, lr, lambd, alpha, t0, weight_decay, maximize):
    g = -g if maximize else g
    g = g + weight_decay * p
    eta = lr / (1 + lambd * lr * (step - 1)) ** alpha
    p = p * (1 - lambd * eta) - eta * g
    state["ax"] = state["ax"] + (p - state["ax"]) / max(1, step - 1 - t0)
    return p


def adamax(p, g, state, *, step, lr, betas, eps, weight_decay, maximize):
    g = -g if maximize else g
    g = g + weight_decay * p
    state["exp_avg"] = betas[0] * state["exp_avg"] + (1 - betas[0]) * g
    state["exp_inf"] = np.maximum(betas[1] * state["exp_inf"], np.abs(g) + eps)
    return p - lr * state["exp_avg"] / ((1 - betas[0] ** step) * state["exp_inf"])


def nadam(p, g, state, *, step, lr, betas, eps, weight_decay, momentum_decay, decoupled_weight_decay, maximize):
    g = -g if maximize else g
    if decoupled_weight_decay:
        p = p - lr * weight_decay * p
    else:
        g = g + weight_decay * p
    mu = betas[0] * (1 - 0.96 ** (np.arange(1, step + 2) * momentum_decay) / 2)
    state["exp_avg"] = betas[0] * state["exp_avg"] + (1 - betas[0]) * g
    state["exp_avg_sq"] = betas[1] * state["exp_avg_sq"] + (1 - betas[1]) * g**2
    m_hat = mu[-1] * state["exp_avg"] / (1 - np.prod(mu)) + (1 - mu[-2]) * g / (1 - np.prod(mu[:-1]))
    return p - lr * m_hat / (np.sqrt(state["exp_avg_sq"] / (1 - betas[1] ** step)) + eps)


def radam(p, g, state, *, step, lr, betas, eps, weight_decay, decoupled_weight_decay, maximize):
    g = -g if maximize else g
    if decoupled_weight_decay:
        p = p - lr * weight_decay * p
    else:
        g = g + weight_decay * p
    state["exp_avg"] = betas[0] * state["exp_avg"] + (1 - betas[0]) * g
    state["exp_avg_sq"] = betas[1] * state["exp_avg_sq"] + (1 - betas[1]) * g**2
    m_hat = state["exp_avg"] / (1 - betas[0] ** step)
    rho_inf = 2 / (1 - betas[1]) - 1
    rho = rho_inf - 2 * step * betas[1] ** step / (1 - betas[1] ** step)
    if rho <= 5:
        return p - lr * m_hat
    adaptive = np.sqrt(1 - betas[1] ** step) / (np.sqrt(state["exp_avg_sq"]) + eps)
    rectified = np.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
    return p - lr * m_hat * rectified * adaptive


def adabelief(p, g, state, *, step, lr, betas, eps, weight_decay, maximize):
    g = -g if maximize else g
    p = p - lr * weight_decay * p
    m = state["exp_avg"] = betas[0] * state["exp_avg"] + (1 - betas[0]) * g
    state["exp_avg_var"] = betas[1] * state["exp_avg_var"] + (1 - betas[1]) * (g - m) ** 2 + eps
    m_hat, s_hat = m / (1 - betas[0] ** step), state["exp_avg_var"] / (1 - betas[1] ** step)
    return p - lr * m_hat / (np.sqrt(s_hat) + eps)


def yogi(p, g, state, *, step, lr, betas, eps, weight_decay, maximize):
    g = -g if maximize else g
    g = g + weight_decay * p
    state["exp_avg"] = betas[0] * state["exp_avg"] + (1 - betas[0]) * g
    v = state["exp_avg_sq"]
    v = state["exp_avg_sq"] = v - (1 - betas[1]) * np.sign(v - g**2) * g**2
    m_hat, v_hat = state["exp_avg"] / (1 - betas[0] ** step), v / (1 - betas[1] ** step)
    return p - lr * m_hat / (np.sqrt(v_hat) + eps)


def adopt(p, g, state, *, step, lr, betas, eps, weight_decay, decoupled_weight_decay, maximize):
    g = -g if maximize else g
    g = g if decoupled_weight_decay else g + weight_decay * p
    if step == 1:
        state["exp_avg_sq"] = g**2
        return p
    if decoupled_weight_decay:
        p = p - lr * weight_decay * p
    clip = (step - 1) ** 0.25
    scaled = np.clip(g / np.maximum(np.sqrt(state["exp_avg_sq"]), eps), -clip, clip)
    state["exp_avg"] = betas[0] * state["exp_avg"] + (1 - betas[0]) * scaled
    state["exp_avg_sq"] = betas[1] * state["exp_avg_sq"] + (1 - betas[1]) * g**2
    return p - lr * state["exp_avg"]


def adan(p, g, state, *, step, lr, betas, eps, weight_decay, maximize):
    g = -g if maximize else g
    change = g - state["previous_grad"] if step > 1 else np.zeros_like(g)
    m = state["exp_avg"] = betas[0] * state["exp_avg"] + (1 - betas[0]) * g
    v = state["exp_avg_diff"] = betas[1] * state["exp_avg_diff"] + (1 - betas[1]) * change
    n = state["exp_avg_sq"] = betas[2] * state["exp_avg_sq"] + (1 - betas[2]) * (g + betas[1] * change) ** 2
    state["previous_grad"] = g
    m_hat, v_hat, n_hat = (x / (1 - beta**step) for x, beta in zip((m, v, n), betas, strict=True))
    return (p - lr * (m_hat + betas[1] * v_hat) / (np.sqrt(n_hat) + eps)) / (1 + lr * weight_decay)


def ademamix(p, g, state, *, step, lr, betas, alpha, eps, weight_decay, alpha_warmup, beta3_warmup, maximize):
    g = -g if maximize else g
    beta1, beta2, beta3 = betas
    if alpha_warmup:
        alpha = min(step / alpha_warmup * alpha, alpha)
    if beta3_warmup:
        t, first, last = step / beta3_warmup, np.log(beta1), np.log(beta3)
        beta3 = min(np.exp(first * last / ((1 - t) * last + t * first)), beta3) if t < 1 else beta3
    fast = state["exp_avg_fast"] = beta1 * state["exp_avg_fast"] + (1 - beta1) * g
    slow = state["exp_avg_slow"] = beta3 * state["exp_avg_slow"] + (1 - beta3) * g
    v = state["exp_avg_sq"] = beta2 * state["exp_avg_sq"] + (1 - beta2) * g**2
    scaled = (fast / (1 - beta1**step) + alpha * slow) / (np.sqrt(v / (1 - beta2**step)) + eps)
    return p - lr * (scaled + weight_decay * p)


def schedule_free(p, state, direction, *, step, lr, beta, warmup_steps, r, weight_lr_power):
    """Step z, average it into x, and give the mixture y of both; `p` is the last y."""
    rates = [lr * min(1, t / warmup_steps) if warmup_steps else lr for t in range(1, step + 1)]
    weights = [t**r * rate**weight_lr_power for t, rate in enumerate(rates, 1)]
    x = (p - (1 - beta) * state["z"]) / beta
    z = state["z"] = state["z"] - rates[-1] * direction
    c = weights[-1] / sum(weights)
    return (1 - beta) * z + beta * ((1 - c) * x + c * z)


def schedule_free_sgd(p, g, state, *, step, momentum, weight_decay, maximize, **averaging):
    g = -g if maximize else g
    return schedule_free(p, state, g + weight_decay * p, step=step, beta=momentum, **averaging)


def schedule_free_adamw(p, g, state, *, step, betas, eps, weight_decay, maximize, **averaging):
    g = -g if maximize else g
    v = state["exp_avg_sq"] = betas[1] * state["exp_avg_sq"] + (1 - betas[1]) * g**2
    scaled = g / (np.sqrt(v / (1 - betas[1] ** step)) + eps)
    return schedule_free(p, state, scaled + weight_decay * p, step=step, beta=betas[0], **averaging)


def lamb(p, g, state, *, step, lr, betas, eps, weight_decay, maximize):
    g = -g if maximize else g
    state["exp_avg"] = betas[0] * state["exp_avg"] + (1 - betas[0]) * g
    state["exp_avg_sq"] = betas[1] * state["exp_avg_sq"] + (1 - betas[1]) * g**2
    m_hat, v_hat = state["exp_avg"] / (1 - betas[0] ** step), state["exp_avg_sq"] / (1 - betas[1] ** step)
    u = m_hat / (np.sqrt(v_hat) + eps) + weight_decay * p
    p_norm, u_norm = np.linalg.norm(p), np.linalg.norm(u)
    return p - lr * (p_norm / u_norm if p_norm > 0 and u_norm > 0 else 1.0) * u


def lars(p, g, state, *, step, lr, momentum, weight_decay, trust_coefficient, eps, nesterov, maximize):
    g = -g if maximize else g
    p_norm, g_norm = np.linalg.norm(p), np.linalg.norm(g)
    trust = trust_coefficient * p_norm / (g_norm + weight_decay * p_norm + eps) if p_norm > 0 and g_norm > 0 else 1.0
    d = lr * trust * (g + weight_decay * p)
    state["momentum_buffer"] = momentum * state["momentum_buffer"] + d
    return p - (momentum * state["momentum_buffer"] + d if nesterov else state["momentum_buffer"])


def sparse_adam(p, g, state, *, step, lr, betas, eps, maximize):
    g = -g if maximize else g
    state["exp_avg"] = betas[0] * state["exp_avg"] + (1 - betas[0]) * g
    state["exp_avg_sq"] = betas[1] * state["exp_avg_sq"] + (1 - betas[1]) * g**2
    size = lr * np.sqrt(1 - betas[1] ** step) / (1 - betas[0] ** step)
    return p - size * state["exp_avg"] / (np.sqrt(state["exp_avg_sq"]) + eps)
