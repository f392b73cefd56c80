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
RMSPROP_OPTIONS = tuple(
    {"momentum": mu, "centered": centered, "weight_decay": decay, "maximize": maximize, "alpha": alpha, "eps": eps,
     "lr": 0.01}
    for mu in (0.0, 0.9)
    for centered in (False, True)
    for decay, maximize, alpha, eps in ((0.0, False, 0.99, 1e-8), (0.1, True, 0.9, 1e-3))
)  # fmt: skip
ADAGRAD_OPTIONS = tuple(
    {"initial_accumulator_value": start, "weight_decay": decay, "maximize": maximize, "lr_decay": fall, "eps": eps,
     "lr": 0.1}
    for start, fall in ((0.0, 0.0), (0.1, 0.01))
    for decay, maximize, eps in ((0.0, False, 1e-10), (0.1, True, 1e-3))
)  # fmt: skip
ACCUMULATED = "initial_accumulator_value"
ADADELTA_OPTIONS = (
    {"lr": 1.0, "rho": 0.9, "eps": 1e-6, "weight_decay": 0.0, "maximize": False},
    {"lr": 1.0, "rho": 0.5, "eps": 1e-6, "weight_decay": 0.1, "maximize": False},
    {"lr": 0.1, "rho": 0.95, "eps": 1e-2, "weight_decay": 0.1, "maximize": True},
)
FTRL_OPTIONS = tuple(
    {"lr": 0.1, "lr_power": power, "initial_accumulator_value": start, "l1": l1, "l2": l2, "beta": beta,
     "maximize": maximize}
    for power in (-0.5, -0.3, 0.0, -1.25)
    for start, l1, l2, beta, maximize in ((0.1, 0.0, 0.0, 0.0, False), (0.0, 1.5, 0.3, 1.0, True))
)  # fmt: skip
RPROP_OPTIONS = (
    {"lr": 0.01, "etas": (0.5, 1.2), "step_sizes": (1e-6, 50.0), "maximize": False},
    {"lr": 0.5, "etas": (0.75, 1.5), "step_sizes": (0.125, 0.625), "maximize": True},
    {"lr": 2.0, "etas": (0.5, 1.5), "step_sizes": (0.25, 1.0), "maximize": False},
)
LION_OPTIONS = tuple(
    {"lr": 0.01, "betas": betas, "weight_decay": decay, "maximize": maximize}
    for betas in ((0.9, 0.99), (0.5, 0.25), (0.0, 0.0))
    for decay, maximize in ((0.0, False), (0.1, True))
)
SIGNUM_OPTIONS = tuple(
    {"lr": 0.01, "momentum": mu, "weight_decay": decay, "maximize": maximize}
    for mu in (0.9, 0.25, 0.0)
    for decay, maximize in ((0.0, False), (0.1, True))
)
ASGD_OPTIONS = tuple(
    {"lr": 0.05, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": decay, "maximize": maximize}
    for lambd, alpha, t0 in ((1e-4, 0.75, 1e6), (0.1, 0.5, 20.0), (0.0, 0.75, 0.0))
    for decay, maximize in ((0.0, False), (0.1, True))
)
ADAMAX_OPTIONS = tuple(
    {"weight_decay": decay, "maximize": maximize, "betas": betas, "eps": eps, "lr": 0.01}
    for decay, maximize in ((0.0, False), (0.1, True))
    for betas, eps in (((0.9, 0.999), 1e-8), ((0.0, 0.5), 1e-3))
)
DECAYS = tuple(
    {"weight_decay": decay, "decoupled_weight_decay": decoupled, "maximize": maximize, "lr": 0.01}
    for decay, decoupled, maximize in ((0.0, False, False), (0.1, False, True), (0.1, True, False))
)
NADAM_OPTIONS = tuple(
    {"betas": betas, "eps": eps, "momentum_decay": psi, **decay}
    for betas, eps, psi in (((0.9, 0.999), 1e-8, 4e-3), ((0.6, 0.9), 1e-3, 0.0), ((0.0, 0.5), 1e-3, 1.0))
    for decay in DECAYS
)
RADAM_OPTIONS = tuple(
    {"betas": betas, "eps": eps, **decay}
    for betas, eps in (((0.9, 0.999), 1e-8), ((0.0, 0.7), 1e-3), ((0.5, 0.5), 1e-8))
    for decay in DECAYS
)
ADABELIEF_OPTIONS = tuple(
    {"weight_decay": decay, "maximize": maximize, "betas": betas, "eps": eps, "lr": 0.01}
    for decay, maximize in ((0.0, False), (0.1, True))
    for betas, eps in (((0.9, 0.999), 1e-16), ((0.25, 0.5), 1e-3))
)
YOGI_OPTIONS = tuple(
    {"weight_decay": decay, "maximize": maximize, "betas": betas, "eps": eps, "initial_accumulator": start, "lr": 0.01}
    for decay, maximize in ((0.0, False), (0.1, True))
    for betas, eps, start in (((0.9, 0.999), 1e-3, 1e-6), ((0.0, 0.75), 1e-2, 0.5))
)
ADOPT_OPTIONS = tuple(
    {"betas": betas, "eps": eps, **decay}
    for betas, eps in (((0.9, 0.9999), 1e-6), ((0.0, 0.5), 0.75))
    for decay in DECAYS
)
ADAN_OPTIONS = tuple(
    {"weight_decay": decay, "maximize": maximize, "betas": betas, "eps": eps, "lr": 0.01}
    for decay, maximize in ((0.0, False), (0.1, True))
    for betas, eps in (((0.98, 0.92, 0.99), 1e-8), ((0.0, 0.25, 0.5), 1e-3))
)
ADEMAMIX_OPTIONS = tuple(
    {"weight_decay": decay, "maximize": maximize, "betas": betas, "alpha": alpha, "eps": eps, "alpha_warmup": first,
     "beta3_warmup": second, "lr": 0.01}
    for decay, maximize in ((0.0, False), (0.1, True))
    for betas, alpha, eps, first, second in (
        ((0.9, 0.999, 0.9999), 5.0, 1e-8, 0, 0), ((0.5, 0.9, 0.99), 2.0, 1e-3, 100, 200)
    )
)  # fmt: skip
AVERAGING = tuple(
    {"weight_decay": decay, "maximize": maximize, "warmup_steps": warmup, "r": r, "weight_lr_power": power, "lr": 0.01}
    for decay, maximize in ((0.0, False), (0.1, True))
    for warmup, r, power in ((0, 0.0, 2.0), (50, 0.0, 2.0), (100, 1.5, 0.5))
)
SCHEDULE_FREE_SGD_OPTIONS = tuple({"momentum": mu, **rest} for mu in (0.9, 0.5) for rest in AVERAGING)
SCHEDULE_FREE_ADAMW_OPTIONS = tuple(
    {"betas": betas, "eps": eps, **rest}
    for betas, eps in (((0.9, 0.999), 1e-8), ((0.5, 0.0), 1e-3))
    for rest in AVERAGING
)


SPARSE_ADAM_OPTIONS = tuple(
    {"maximize": maximize, "betas": betas, "eps": eps, "lr": 0.01}
    for maximize in (False, True)
    for betas, eps in (((0.9, 0.999), 1e-8), ((0.0, 0.5), 1e-3))
)
LAMB_OPTIONS = tuple(
    {"weight_decay": decay, "maximize": maximize, "betas": betas, "eps": eps, "lr": 0.01}
    for decay, maximize in ((0.0, False), (0.1, True))
    for betas, eps in (((0.9, 0.999), 1e-6), ((0.0, 0.5), 1e-3))
)
LARS_OPTIONS = tuple(
    {"momentum": mu, "weight_decay": decay, "trust_coefficient": trust, "eps": eps, "nesterov": nesterov,
     "maximize": maximize, "lr": 1.0}
    for mu, nesterov in ((0.9, False), (0.0, False), (0.9, True))
    for decay, trust, eps, maximize in ((0.0, 1e-3, 0.0, False), (0.1, 1e-2, 0.1, True))
)  # fmt: skip


def adam_states(options):
    return ("exp_avg", "exp_avg_sq", *(("max_exp_avg_sq",) if options["amsgrad"] else ()))


def sgd_states(options):
    return ("momentum_buffer",) if options["momentum"] else ()


def rmsprop_states(options):
    mean, velocity = ("grad_avg" if options["centered"] else None), ("momentum_buffer" if options["momentum"] else None)
    return ("square_avg", mean, velocity)


def always(*states):
    return lambda options: states


CASES = (
    StepCase("sgd_step", "SGD", ref.sgd, sgd_states, SGD_OPTIONS),
    StepCase("adam_step", "Adam", ref.adam, adam_states, ADAM_OPTIONS),
    StepCase("adamw_step", "AdamW", ref.adamw, adam_states, ADAM_OPTIONS),
    StepCase("rmsprop_step", "RMSprop", ref.rmsprop, rmsprop_states, RMSPROP_OPTIONS),
    StepCase("adagrad_step", "Adagrad", ref.adagrad, always("sum"), ADAGRAD_OPTIONS, {"sum": ACCUMULATED}),
    StepCase("adadelta_step", "Adadelta", ref.adadelta, always("square_avg", "acc_delta"), ADADELTA_OPTIONS),
    StepCase(
        "ftrl_step", "FTRL", ref.ftrl, always("accumulator", "linear"), FTRL_OPTIONS, {"accumulator": ACCUMULATED}
    ),
    StepCase("rprop_step", "Rprop", ref.rprop, always("prev", "step_size"), RPROP_OPTIONS, {"step_size": "lr"}),
    StepCase("lion_step", "Lion", ref.lion, always("exp_avg"), LION_OPTIONS),
    StepCase("signum_step", "Signum", ref.signum, sgd_states, SIGNUM_OPTIONS),
    StepCase("asgd_step", "ASGD", ref.asgd, always("ax"), ASGD_OPTIONS),
    StepCase("adamax_step", "Adamax", ref.adamax, always("exp_avg", "exp_inf"), ADAMAX_OPTIONS),
    StepCase("nadam_step", "NAdam", ref.nadam, always("exp_avg", "exp_avg_sq"), NADAM_OPTIONS),
    StepCase("radam_step", "RAdam", ref.radam, always("exp_avg", "exp_avg_sq"), RADAM_OPTIONS),
    StepCase("adabelief_step", "AdaBelief", ref.adabelief, always("exp_avg", "exp_avg_var"), ADABELIEF_OPTIONS),
    StepCase(
        "yogi_step",
        "Yogi",
        ref.yogi,
        always("exp_avg", "exp_avg_sq"),
        YOGI_OPTIONS,
        initial={"exp_avg_sq": "initial_accumulator"},
    ),
    StepCase("adopt_step", "ADOPT", ref.adopt, always("exp_avg", "exp_avg_sq"), ADOPT_OPTIONS),
    StepCase(
        "adan_step", "Adan", ref.adan, always("exp_avg", "exp_avg_diff", "exp_avg_sq", "previous_grad"), ADAN_OPTIONS
    ),
    StepCase(
        "ademamix_step",
        "AdEMAMix",
        ref.ademamix,
        always("exp_avg_fast", "exp_avg_slow", "exp_avg_sq"),
        ADEMAMIX_OPTIONS,
    ),
    StepCase(
        "schedule_free_sgd_step",
        "ScheduleFreeSGD",
        ref.schedule_free_sgd,
        always("z"),
        SCHEDULE_FREE_SGD_OPTIONS,
        initial={"z": None},
    ),
    StepCase(
        "schedule_free_adamw_step",
        "ScheduleFreeAdamW",
        ref.schedule_free_adamw,
        always("z", "exp_avg_sq"),
        SCHEDULE_FREE_ADAMW_OPTIONS,
        initial={"z": None},
    ),
    StepCase("lamb_step", "LAMB", ref.lamb, always("exp_avg", "exp_avg_sq"), LAMB_OPTIONS, alone=False),
    StepCase("lars_step", "LARS", ref.lars, always("momentum_buffer"), LARS_OPTIONS, alone=False),
    StepCase("sparse_adam_step", "SparseAdam", ref.sparse_adam, always("exp_avg", "exp_avg_sq"), SPARSE_ADAM_OPTIONS),
)
