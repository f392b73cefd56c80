"""The cases of losses."""

import numpy as np

from tests import references as ref
from tests.cases.edges import (
    BOTH,
    EXP_RANGE,
    HALVED,
    PROBABILITIES,
    REALS,
    RESIDUAL_TARGETS,
    RESIDUALS,
    ROOT_EDGES,
    joined,
    near,
    residuals,
    same,
)
from tests.cases.kinds import LossCase, RowLossCase

CASES = (
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
)  # fmt: skip
