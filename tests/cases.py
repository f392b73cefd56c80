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
    """An activation of single elements; `kinks` maps each kink to its subgradient, or to the option that it is."""

    name: str
    domain: Mapping[str, tuple[float, float]]
    hard: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    options: tuple[Mapping[str, float], ...] = ({},)
    defaults: Mapping[str, float] = field(default_factory=dict)
    kinks: Mapping[float, float | str] = field(default_factory=dict)
    keeps_zero: bool = True  # f(±0) is ±0
    value: Ulp = field(default_factory=lambda: VALUE)
    derivative: Ulp = field(default_factory=lambda: TWO)
    outputs: tuple[float, float] | None = None  # the range that a saved output comes from


@dataclass(frozen=True, eq=False)
class RowCase:
    """An activation of rows."""

    name: str


@dataclass(frozen=True, eq=False)
class LossCase:
    """A loss of predictions and targets; `hard` holds pairs beyond all those of `hard_inputs` and `hard_targets`."""

    name: str
    inputs: Mapping[str, tuple[float, float]]
    targets: Mapping[str, tuple[float, float]]
    hard_inputs: Mapping[str, tuple[float, ...]]
    hard_targets: tuple[float, ...]
    options: tuple[Mapping[str, float], ...] = ({},)
    defaults: Mapping[str, float] = field(default_factory=dict)
    kink_at_target: float | None = None  # the subgradient where prediction and target are equal
    probabilities: bool = False


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


def same(low, high):
    return {"float32": (low, high), "float64": (low, high)}


# Where exp, or its square, leaves the numbers of the dtype.
EXP_EDGES = {
    "float32": (88.72283, 88.722839, 88.8, 87.33654, 103.27893, 103.97207, 103.9721, 104.5, 16.635532, 17.5, 1e30),
    "float64": (709.782712893384, 709.7827128933841, 709.9, 708.396418532264, 744.4400719213812, 745.1332191019411,
                745.1332191019412, 746.0, 36.7368005696771, 37.5, 1e300),
}  # fmt: skip
EXP_RANGE = {"float32": (-110.0, 110.0), "float64": (-760.0, 760.0)}
BELOW = {dtype: tuple(-x for x in edges) for dtype, edges in EXP_EDGES.items()}
BOTH = {dtype: edges + BELOW[dtype] for dtype, edges in EXP_EDGES.items()}
HALVED = {dtype: tuple(0.5 * x for x in edges) for dtype, edges in BOTH.items()}
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
    ActivationCase("relu", same(-1e4, 1e4), kinks={0.0: 0.0}, value=HALF, derivative=HALF, outputs=(0.0, 1e4)),
    ActivationCase(
        "leaky_relu", same(-1e4, 1e4), options=({}, {"negative_slope": 0.3}, {"negative_slope": 0.0}),
        defaults={"negative_slope": 0.01}, kinks={0.0: "negative_slope"}, value=HALF, derivative=HALF, outputs=(-1e4, 1e4),
    ),
    ActivationCase(
        "elu", {"float32": (-110.0, 20.0), "float64": (-760.0, 20.0)}, BOTH,
        options=({}, {"alpha": 0.3}, {"alpha": 1e20}), defaults={"alpha": 1.0}, kinks={0.0: "alpha"}, outputs=(-0.25, 20.0),
    ),
    ActivationCase("sigmoid", EXP_RANGE, BOTH, keeps_zero=False, outputs=(0.0, 1.0)),
    ActivationCase("tanh", {"float32": (-55.0, 55.0), "float64": (-380.0, 380.0)}, HALVED, outputs=(-1.0, 1.0)),
    RowCase("softmax"),
    RowCase("log_softmax"),
    LossCase("l1_loss", same(-1e3, 1e3), same(-1e3, 1e3), REALS, (0.0, -0.0, 1.0, 1e-30, np.inf), kink_at_target=0.0),
    LossCase("mse_loss", same(-1e3, 1e3), same(-1e3, 1e3), REALS, (0.0, -0.0, 1.0, 1e-30, np.inf)),
    LossCase(
        "binary_cross_entropy", same(0.0, 1.0), same(0.0, 1.0), PROBABILITIES, (0.0, 1.0, 0.5, 1e-30, 1.0 - 2.0**-24),
        probabilities=True,
    ),
    LossCase(
        "binary_cross_entropy_with_logits", EXP_RANGE, same(0.0, 1.0),
        {dtype: (*edges, 0.0, -0.0, np.inf, -np.inf, 1e-45, -1e-30) for dtype, edges in BOTH.items()},
        (0.0, 1.0, 0.5, 1e-30, 1.0 - 2.0**-24), options=({}, {"pos_weight": 3.0}, {"pos_weight": 0.0}),
        defaults={"pos_weight": 1.0},
    ),
    RowLossCase("cross_entropy", ref.cross_entropy_row, probabilities=True),
    RowLossCase("nll_loss", ref.nll_loss_row, probabilities=False),
    StepCase("sgd_step", "SGD", ref.sgd, sgd_states, SGD_OPTIONS),
    StepCase("adam_step", "Adam", ref.adam, adam_states, ADAM_OPTIONS),
    StepCase("adamw_step", "AdamW", ref.adamw, adam_states, ADAM_OPTIONS),
)  # fmt: skip
BY_NAME = {case.name: case for case in CASES}
