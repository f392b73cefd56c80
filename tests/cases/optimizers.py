"""The cases of optimizer steps."""

from tests import references as ref
from tests.cases.kinds import StepCase

SGD_OPTIONS = tuple(
    {"momentum": mu, "dampening": tau, "nesterov": nesterov, "weight_decay": decay, "maximize": maximize, "lr": 0.05}
    for mu, tau, nesterov in ((0.0, 0.0, False), (0.9, 0.0, False), (0.9, 0.3, False), (0.9, 0.0, True))
    for decay in (0.0, 0.01)
    for maximize in (False, True)
)
ADAM_OPTIONS = tuple(
    {"amsgrad": amsgrad, "weight_decay": decay, "maximize": maximize, "betas": betas, "eps": eps, "lr": 0.01}
    for amsgrad in (False, True)
    for decay in (0.0, 0.1)
    for maximize in (False, True)
    for betas, eps in (((0.9, 0.999), 1e-8), ((0.0, 0.5), 1e-3))
)


def adam_states(options):
    return ("exp_avg", "exp_avg_sq", *(("max_exp_avg_sq",) if options["amsgrad"] else ()))


def sgd_states(options):
    return ("momentum_buffer",) if options["momentum"] else ()


CASES = (
    StepCase("sgd_step", "SGD", ref.sgd, sgd_states, SGD_OPTIONS),
    StepCase("adam_step", "Adam", ref.adam, adam_states, ADAM_OPTIONS),
    StepCase("adamw_step", "AdamW", ref.adamw, adam_states, ADAM_OPTIONS),
)
