"""The table of all public operations: to add an operation is to add one case here.

A case names the operation, its option sets, domain, hard points and kinks, and how many ulp it may be off; its
references stand in ``tests/references.py`` under the operation's name. ``tests/subjects.py`` walks the table.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests import references as ref

DTYPES = ("float32", "float64")
Ulp = Mapping[str, float]

HALF: Ulp = {"float32": 0.5, "float64": 0.5}  # rounded correctly
VALUE: Ulp = {"float32": 1.0, "float64": 1.5}
TWO: Ulp = {"float32": 2.0, "float64": 2.0}


@dataclass(frozen=True, eq=False)
class ActivationCase:
    """An activation of single elements.

    Of the options, `kinks` gives each kink with its subgradient, and `outputs` the range that a saved output comes from,
    where the derivative follows from it. Near `zeros` of the derivative its terms cancel: no samples are taken there.
    """

    name: str
    domain: Mapping[str, tuple[float, float]]
    hard: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    options: tuple[Mapping[str, Any], ...] = ({},)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    kinks: Callable[..., Mapping[float, float]] | None = None
    keeps_zero: bool = True  # f(±0) is ±0
    value: Ulp = field(default_factory=lambda: VALUE)
    derivative: Ulp = field(default_factory=lambda: TWO)
    outputs: Callable[..., tuple[float, float]] | None = None
    zeros: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class RowCase:
    """An activation of rows."""

    name: str


@dataclass(frozen=True, eq=False)
class LossCase:
    """A loss of predictions and targets; it is asked for all pairs of `hard_inputs` and `hard_targets` too."""

    name: str
    inputs: Mapping[str, tuple[float, float]]
    targets: Mapping[str, tuple[float, float]]
    hard_inputs: Mapping[str, tuple[float, ...]]
    hard_targets: Mapping[str, tuple[float, ...]]
    options: tuple[Mapping[str, float], ...] = ({},)
    defaults: Mapping[str, float] = field(default_factory=dict)
    kink_at_target: float | None = None  # the subgradient where prediction and target are equal
    probabilities: bool = False
    margins: bool = False  # targets are -1 or 1


@dataclass(frozen=True, eq=False)
class RowLossCase:
    """A loss of rows of class scores."""

    name: str
    row: Callable[..., Any]
    probabilities: bool


@dataclass(frozen=True, eq=False)
class StepCase:
    """An optimizer: its step on bare arrays, its class, and the option sets that change the arithmetic."""

    name: str
    optimizer: str
    reference: Callable[..., Any]
    states: Callable[[Mapping[str, Any]], tuple[str, ...]]
    options: tuple[Mapping[str, Any], ...]


def same(*points):
    return dict.fromkeys(DTYPES, points)


def near(*points):
    """Give the points and their neighbours."""
    return {
        dtype: tuple(float(np.nextafter(scalar(x), scalar(end))) for x in points for end in (-np.inf, x, np.inf))
        for dtype, scalar in (("float32", np.float32), ("float64", np.float64))
    }


def scaled(edges, factor):
    return {dtype: tuple(factor * x for x in own) for dtype, own in edges.items()}


def joined(*edges):
    return {dtype: tuple(x for own in edges for x in own[dtype]) for dtype in DTYPES}


def squares():
    """Give roots of the numbers next to which squares leave the dtype."""
    infos = {dtype: np.finfo(dtype) for dtype in DTYPES}
    return {
        dtype: tuple(float(x) ** 0.5 for x in (info.max, info.tiny, info.smallest_subnormal))
        for dtype, info in infos.items()
    }


# Where exp, or its square, leaves the numbers of the dtype.
EXP_EDGES = {
    "float32": (88.72283, 88.722839, 88.8, 87.33654, 103.27893, 103.97207, 103.9721, 104.5, 16.635532, 17.5, 1e30),
    "float64": (709.782712893384, 709.7827128933841, 709.9, 708.396418532264, 744.4400719213812, 745.1332191019411,
                745.1332191019412, 746.0, 36.7368005696771, 37.5, 1e300),
}  # fmt: skip
EXP_RANGE = {"float32": (-110.0, 110.0), "float64": (-760.0, 760.0)}
BELOW = {dtype: tuple(-x for x in edges) for dtype, edges in EXP_EDGES.items()}
BOTH = {dtype: edges + BELOW[dtype] for dtype, edges in EXP_EDGES.items()}
HALVED = scaled(BOTH, 0.5)
ROOT_EDGES = {  # where squares of x, or of their reciprocals, leave the numbers
    "float32": (1.8446744e19, -1.8446744e19, -9.2e18, -3e22, -1e-20, 1e30, -1e30),
    "float64": (1.3407807929942597e154, -1.3407807929942597e154, -6.7e153, -3e161, -1e-155, 1e300, -1e300),
}
# Where values, and then derivatives, become subnormal, and where half of the least number is left of them.
SELU_EDGES = {
    "float32": (-87.900778, -103.84316, -104.53631),
    "float64": (-708.9606518378074, -745.0043052269245, -745.6974524074845),
}
SILU_EDGES = {
    "float32": (-91.85677, -107.96069, -108.66029, -108.66031, -91.84571, -107.9513, -108.65096, -108.65098),
    "float64": (-714.9686572379664, -751.0615595398791, -751.7556304135236, -751.7556304135239,
                -714.9672556330942, -751.0602254252547, -751.754297533108, -751.7542975331082),
}  # fmt: skip
QUICK_GELU_EDGES = {
    "float32": (-53.653996, -63.11628, -63.527346, -63.527353, -53.9634, -63.426147, -63.83723, -63.837237),
    "float64": (-419.76269569542547, -440.96888733494617, -441.37668494340164, -441.3766849434018,
                -420.0747682920648, -441.2809785107254, -441.68877645892135, -441.68877645892153),
}  # fmt: skip
GELU_EDGES = {  # as it is, then with tanh
    "float32": (-13.146247, -14.307702, -14.356067, -14.356069, -13.341882, -14.493373, -14.541348, -14.54135,
                -10.100637, -10.744489, -10.770867, -10.770869, -10.235, -10.868556, -10.894518, -10.89452, 5.5, 1e30, -1e30),
    "float64": (-37.61586831395599, -38.5621695976395, -38.58014022378235, -38.58014022378237,
                -37.712246339735586, -38.65682831931059, -38.67476695717341, -38.67476695717343,
                -21.176880251785221, -21.540205952946505, -21.54707541043602, -21.54707541043603,
                -21.223777387906056, -21.58589183252297, -21.592738857625537, -21.592738857625545, 8.5, 1e300, -1e300),
}  # fmt: skip
PROBABILITIES = {  # beside 0, 1 and subnormals: next to 1, and where 1 / p**2 leaves the numbers
    "float32": (0.0, 1.0, 0.5, 1.0 - 2.0**-24, 2.0**-24, 2.0**-63, 2.0**-65, 2.0**-126, 2.0**-149, 1e-30),
    "float64": (0.0, 1.0, 0.5, 1.0 - 2.0**-53, 2.0**-53, 2.0**-511, 2.0**-513, 2.0**-1022, 2.0**-1074, 1e-200),
}
REALS = {
    "float32": (0.0, -0.0, 1.0, -1.0, 1e-45, -1e-45, 1e-38, 1.5e19, -1.8446744e19, 1.8e19, 3.4028235e38, -3.4028235e38,
                np.inf, -np.inf),
    "float64": (0.0, -0.0, 1.0, -1.0, 5e-324, -5e-324, 2e-308, 1.3e154, -1.3407807929942597e154, 1.3e154,
                1.7976931348623157e308, -1.7976931348623157e308, np.inf, -np.inf),
}  # fmt: skip
# Numbers whose distance from the least target leaves the dtype, and half of it does not.
RESIDUALS = joined(REALS, {"float32": (1e34, 1e37, 1e25), "float64": (1e292, 1e307, 1e25)})
RESIDUAL_TARGETS = {
    "float32": (0.0, -0.0, 1.0, 1e-30, -0.027, -3.4028235e38, np.inf),
    "float64": (0.0, -0.0, 1.0, 1e-30, -0.027, 1e9, -1.7976931348623157e308, np.inf),
}


def residuals(*widths):
    """Give any numbers, and those that are so far from a target, with their neighbours."""
    ends = (target + sign * width for width in widths for target in (0.0, 1.0, -0.027) for sign in (-1.0, 1.0))
    return joined(RESIDUALS, near(*ends))


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
    ActivationCase(
        "relu", same(-1e4, 1e4), kinks=lambda: {0.0: 0.0}, value=HALF, derivative=HALF, outputs=lambda: (0.0, 1e4)
    ),
    ActivationCase(
        "leaky_relu", same(-1e4, 1e4), options=({}, {"negative_slope": 0.3}, {"negative_slope": 0.0}),
        defaults={"negative_slope": 0.01}, kinks=lambda negative_slope: {0.0: negative_slope}, value=HALF, derivative=HALF,
        outputs=lambda negative_slope: (-1e4, 1e4),
    ),
    ActivationCase(
        "relu6", same(-2.0, 8.0), near(6.0), kinks=lambda: {0.0: 0.0, 6.0: 0.0}, value=HALF, derivative=HALF,
        outputs=lambda: (0.0, 6.0),
    ),
    ActivationCase(
        "squared_relu", same(-1e3, 1e3), squares(), keeps_zero=False, value=HALF, derivative=HALF,
        outputs=lambda: (0.0, 100.0),
    ),
    ActivationCase(
        "threshold", same(-10.0, 10.0), near(0.5, -1.25),
        options=({"threshold": 0.5, "value": -1.0}, {"threshold": -1.25, "value": 20.3}),
        kinks=lambda threshold, value: {threshold: 0.0}, value=HALF, derivative=HALF,
    ),
    ActivationCase(
        "hardtanh", same(-4.0, 4.0), near(1.0, -1.0, 2.0, -0.3), options=({}, {"min_val": -0.3, "max_val": 2.0}),
        defaults={"min_val": -1.0, "max_val": 1.0}, kinks=lambda min_val, max_val: {min_val: 0.0, max_val: 0.0}, value=HALF,
        derivative=HALF, outputs=lambda min_val, max_val: (min_val, max_val),
    ),
    ActivationCase(
        "hardsigmoid", same(-5.0, 5.0), near(3.0, -3.0, 2.0, -2.0), options=({}, {"slope": 0.25}),
        defaults={"slope": 1 / 6}, kinks=lambda slope: {-0.5 / slope: 0.0, 0.5 / slope: 0.0}, keeps_zero=False,
        derivative=HALF,
    ),
    ActivationCase(
        "hardswish", same(-5.0, 5.0), near(3.0, -3.0, 2.0, -2.0), options=({}, {"slope": 0.25}), defaults={"slope": 1 / 6},
        kinks=lambda slope: {-0.5 / slope: 0.0, 0.5 / slope: 1.0}, zeros=(-1.5, -1.0),
    ),
    ActivationCase(
        "hardshrink", same(-4.0, 4.0), near(0.5, -0.5, 0.3, -0.3), options=({}, {"lambd": 0.3}, {"lambd": 0.0}),
        defaults={"lambd": 0.5}, kinks=lambda lambd: {lambd: 0.0, -lambd: 0.0}, value=HALF, derivative=HALF,
        outputs=lambda lambd: (-4.0, 4.0),
    ),
    ActivationCase(
        "softshrink", same(-4.0, 4.0), near(0.5, -0.5, 0.3, -0.3), options=({}, {"lambd": 0.3}, {"lambd": 0.0}),
        defaults={"lambd": 0.5}, kinks=lambda lambd: {lambd: 0.0, -lambd: 0.0}, value=HALF, derivative=HALF,
        outputs=lambda lambd: (-4.0, 4.0),
    ),
    ActivationCase(
        "sparse_plus", same(-2.0, 2.0), near(1.0, -1.0), keeps_zero=False, derivative=HALF, outputs=lambda: (0.0, 2.0)
    ),
    ActivationCase(
        "elu", {"float32": (-110.0, 20.0), "float64": (-760.0, 20.0)}, BOTH,
        options=({}, {"alpha": 0.3}, {"alpha": 1e20}), defaults={"alpha": 1.0}, kinks=lambda alpha: {0.0: alpha},
        outputs=lambda alpha: (-0.25, 20.0),
    ),
    ActivationCase(
        "selu", {"float32": (-110.0, 20.0), "float64": (-760.0, 20.0)}, joined(BOTH, SELU_EDGES),
        kinks=lambda: {0.0: 1.7580993408473768}, outputs=lambda: (-1.0, 20.0),
    ),
    ActivationCase(
        "celu", {"float32": (-110.0, 20.0), "float64": (-760.0, 20.0)}, joined(BOTH, scaled(BOTH, 0.3)),
        options=({}, {"alpha": 0.3}, {"alpha": 1e20}), defaults={"alpha": 1.0}, kinks=lambda alpha: {0.0: 1.0},
        outputs=lambda alpha: (-min(alpha, 1.0) / 2, 20.0),
    ),
    ActivationCase("sigmoid", EXP_RANGE, BOTH, keeps_zero=False, outputs=lambda: (0.0, 1.0)),
    ActivationCase("logsigmoid", EXP_RANGE, BOTH, keeps_zero=False, outputs=lambda: (-40.0, 0.0)),
    ActivationCase(
        "softplus", EXP_RANGE, joined(BOTH, scaled(BOTH, 1 / 0.3), scaled(BOTH, 1 / 7), near(20.0, 4.0)),
        options=({}, {"beta": 0.3}, {"beta": 7.0}, {"threshold": 20.0}, {"beta": 0.5, "threshold": 2.0}),
        defaults={"beta": 1.0, "threshold": None}, keeps_zero=False, outputs=lambda beta, threshold: (0.0, 40.0),
    ),
    ActivationCase(
        "squareplus", same(-100.0, 100.0), ROOT_EDGES, options=({}, {"b": 0.3}, {"b": 1e-20}, {"b": 1e20}),
        defaults={"b": 4.0}, keeps_zero=False,
    ),
    ActivationCase(
        "tanh", {"float32": (-55.0, 55.0), "float64": (-380.0, 380.0)}, HALVED, outputs=lambda: (-1.0, 1.0)
    ),
    ActivationCase("softsign", same(-100.0, 100.0), ROOT_EDGES),
    ActivationCase(
        "softcap", {"float32": (-1650.0, 1650.0), "float64": (-11400.0, 11400.0)},
        joined(scaled(HALVED, 30.0), scaled(HALVED, 0.3)), options=({}, {"cap": 0.3}, {"cap": 1e20}), defaults={"cap": 30.0},
        outputs=lambda cap: (-cap, cap),
    ),
    ActivationCase("silu", EXP_RANGE, joined(BOTH, SILU_EDGES), zeros=(-1.2784645,)),
    ActivationCase(
        "quick_gelu", {"float32": (-65.0, 65.0), "float64": (-450.0, 450.0)},
        joined(scaled(BOTH, 1 / 1.702), QUICK_GELU_EDGES), zeros=(-0.7511543,),
    ),
    ActivationCase(
        "gelu", {"float32": (-14.0, 10.0), "float64": (-39.0, 10.0)}, GELU_EDGES, options=({}, {"approximate": "tanh"}),
        defaults={"approximate": "none"}, zeros=(-0.7517915, -0.7524614),
    ),
    ActivationCase("mish", EXP_RANGE, joined(BOTH, SILU_EDGES), zeros=(-1.1924312,)),
    RowCase("softmax"),
    RowCase("log_softmax"),
    LossCase("l1_loss", same(-1e3, 1e3), same(-1e3, 1e3), RESIDUALS, RESIDUAL_TARGETS, kink_at_target=0.0),
    LossCase("mse_loss", same(-1e3, 1e3), same(-1e3, 1e3), RESIDUALS, RESIDUAL_TARGETS),
    LossCase(
        "smooth_l1_loss", same(-3.0, 3.0), same(-2.0, 2.0), residuals(1.0, 0.3, 1e30), RESIDUAL_TARGETS,
        options=({}, {"beta": 0.3}, {"beta": 0.0}, {"beta": 1e30}), defaults={"beta": 1.0},
    ),
    LossCase(
        "huber_loss", same(-3.0, 3.0), same(-2.0, 2.0), residuals(1.0, 0.3, 1e12), RESIDUAL_TARGETS,
        options=({}, {"delta": 0.3}, {"delta": 1e12}), defaults={"delta": 1.0},
    ),
    LossCase(
        "pseudo_huber_loss", same(-100.0, 100.0), same(-100.0, 100.0), joined(residuals(1.0, 1e12), ROOT_EDGES),
        RESIDUAL_TARGETS, options=({}, {"delta": 0.3}, {"delta": 1e12}, {"delta": 1e30}), defaults={"delta": 1.0},
    ),
    LossCase(
        "log_cosh_loss", {"float32": (-55.0, 55.0), "float64": (-380.0, 380.0)}, same(-3.0, 3.0),
        joined(RESIDUALS, HALVED), RESIDUAL_TARGETS,
    ),
    LossCase(
        "quantile_loss", same(-1e3, 1e3), same(-1e3, 1e3), RESIDUALS, RESIDUAL_TARGETS,
        options=({}, {"quantile": 0.1}, {"quantile": 0.9}), defaults={"quantile": 0.5}, kink_at_target=0.0,
    ),
    LossCase(
        "expectile_loss", same(-1e3, 1e3), same(-1e3, 1e3), RESIDUALS, RESIDUAL_TARGETS,
        options=({}, {"quantile": 0.1}, {"quantile": 0.9}), defaults={"quantile": 0.5},
    ),
    LossCase(
        "epsilon_insensitive_loss", same(-1.0, 1.0), same(-1.0, 1.0), residuals(0.1), RESIDUAL_TARGETS,
        options=({}, {"epsilon": 0.0}), defaults={"epsilon": 0.1}, kink_at_target=0.0,
    ),
    LossCase(
        "squared_epsilon_insensitive_loss", same(-1.0, 1.0), same(-1.0, 1.0), residuals(0.1), RESIDUAL_TARGETS,
        options=({}, {"epsilon": 0.0}), defaults={"epsilon": 0.1},
    ),
    LossCase(
        "hinge_loss", same(-4.0, 4.0), same(-1.0, 1.0), joined(REALS, near(1.0, -1.0)), same(-1.0, 1.0), margins=True
    ),
    LossCase(
        "squared_hinge_loss", same(-4.0, 4.0), same(-1.0, 1.0), joined(REALS, near(1.0, -1.0)), same(-1.0, 1.0),
        margins=True,
    ),
    LossCase(
        "modified_huber_loss", same(-4.0, 4.0), same(-1.0, 1.0), joined(REALS, near(1.0, -1.0)), same(-1.0, 1.0),
        margins=True,
    ),
    LossCase("exponential_loss", EXP_RANGE, same(-1.0, 1.0), joined(REALS, BOTH), same(-1.0, 1.0), margins=True),
    LossCase(
        "soft_margin_loss", EXP_RANGE, same(-1.0, 1.0), joined(REALS, BOTH, near(-0.32109934, -0.3941018889207194)),
        same(-1.0, 1.0), margins=True,
    ),
    LossCase(
        "binary_cross_entropy", same(0.0, 1.0), same(0.0, 1.0), PROBABILITIES, same(0.0, 1.0, 0.5, 1e-30, 1.0 - 2.0**-24),
        probabilities=True,
    ),
    LossCase(
        "binary_cross_entropy_with_logits", EXP_RANGE, same(0.0, 1.0),
        {dtype: (*edges, 0.0, -0.0, np.inf, -np.inf, 1e-45, -1e-30) for dtype, edges in BOTH.items()},
        same(0.0, 1.0, 0.5, 1e-30, 1.0 - 2.0**-24), options=({}, {"pos_weight": 3.0}, {"pos_weight": 0.0}),
        defaults={"pos_weight": 1.0},
    ),
    RowLossCase("cross_entropy", ref.cross_entropy_row, probabilities=True),
    RowLossCase("nll_loss", ref.nll_loss_row, probabilities=False),
    StepCase("sgd_step", "SGD", ref.sgd, sgd_states, SGD_OPTIONS),
    StepCase("adam_step", "Adam", ref.adam, adam_states, ADAM_OPTIONS),
    StepCase("adamw_step", "AdamW", ref.adamw, adam_states, ADAM_OPTIONS),
)  # fmt: skip
BY_NAME = {case.name: case for case in CASES}
