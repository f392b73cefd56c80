"""The cases of losses."""

import numpy as np

from tests import references as ref
from tests.cases.edges import (
    BOTH,
    EXP_RANGE,
    GREATEST,
    HALVED,
    PROBABILITIES,
    REALS,
    RESIDUAL_TARGETS,
    RESIDUALS,
    ROOT_EDGES,
    SUBNORMAL,
    THIRD,
    joined,
    near,
    residuals,
    same,
    scaled,
)
from tests.cases.kinds import (
    AlignmentLossCase,
    ContrastiveLossCase,
    JointLossCase,
    LinearLossCase,
    LossCase,
    PairedLossCase,
    RowLossCase,
    VectorLossCase,
)
from tests.samples import logits, overlaps

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
        "fair_loss", same(-100.0, 100.0), same(-100.0, 100.0), joined(residuals(1.0, 2.0**-9, 2.0**60), ROOT_EDGES),
        RESIDUAL_TARGETS, options=({}, {"c": 0.3}, {"c": 1e12}, {"c": 1e30}), defaults={"c": 1.0},
    ),
    LossCase(
        "tukey_loss", same(-8.0, 8.0), same(-3.0, 3.0), residuals(4.685, 0.3, 1e12), RESIDUAL_TARGETS,
        options=({}, {"c": 0.3}, {"c": 1e12}), defaults={"c": 4.685},
    ),
    LossCase(
        "mape_loss", same(-1e3, 1e3), same(-1e3, 1e3), RESIDUALS, RESIDUAL_TARGETS,
        options=({}, {"eps": 0.5}, {"eps": 1e-30}), defaults={"eps": 1e-7}, kink_at_target=0.0,
    ),
    LossCase(
        "msle_loss", same(-1.0, 1e3), same(-1.0, 1e3), joined(near(-1.0), REALS, same(1e18, 5e18, -0.5)),
        joined(near(-1.0), same(0.0, -0.0, 1.0, 1e-30, 1e18, np.inf), same(-0.999, 3e38, -2.0)),
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
        "poisson_nll_loss", same(-20.0, 20.0), same(0.0, 100.0), joined(REALS, BOTH, near(1.0, 1.0 - 1e-8)),
        joined(near(1.0), same(0.0, 0.5, 1e-30, 3.0, 7.0, 1e5)),
        options=(
            {}, {"full": True}, {"log_input": False}, {"log_input": False, "full": True},
            {"log_input": False, "eps": 0.25}, {"log_input": False, "eps": 0.0},
        ),
        defaults={"log_input": True, "full": False, "eps": 1e-8},
    ),
    LossCase(
        "gamma_loss", EXP_RANGE, same(0.0, 100.0), joined(REALS, BOTH, same(-17.3, -40.1)),
        joined(near(1.0), SUBNORMAL, same(0.0, 0.5, 1e-30, 1e30)),
    ),
    LossCase(
        "tweedie_loss", EXP_RANGE, same(0.0, 100.0), joined(REALS, BOTH, scaled(BOTH, 2.0), same(-34.3, -80.1)),
        joined(near(1.0), SUBNORMAL, same(0.0, 0.5, 1e-30, 1e30)), options=({}, {"power": 1.1}, {"power": 1.999}),
        defaults={"power": 1.5},
    ),
    LossCase(
        "kl_div", EXP_RANGE, same(0.0, 2.0), joined(REALS, same(-0.7, -36.0, -700.0)), joined(PROBABILITIES, same(-1.0, 1e30, np.inf)),
        options=({}, {"log_target": True}), defaults={"log_target": False},
    ),
    LossCase(
        "jensen_shannon_divergence", EXP_RANGE, same(0.0, 2.0), joined(REALS, same(-0.7, -36.0, -700.0)),
        joined(PROBABILITIES, same(-1.0, -0.69921875, 1e30, np.inf)),
        options=({}, {"beta": 0.1}, {"log_target": True}, {"beta": 0.9, "log_target": True}),
        defaults={"beta": 0.5, "log_target": False},
    ),
    LossCase(
        "hinge_loss", same(-4.0, 4.0), same(-1.0, 1.0), joined(REALS, near(1.0, -1.0)), same(-1.0, 1.0), margins=True
    ),
    LossCase(
        "hinge_embedding_loss", same(-4.0, 4.0), same(-1.0, 1.0), joined(REALS, near(1.0, 0.3)), same(-1.0, 1.0, 0.0),
        options=({}, {"margin": 0.3}), defaults={"margin": 1.0}, margins=True,
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
    LossCase(
        "sigmoid_focal_loss", EXP_RANGE, same(0.0, 1.0), joined(BOTH, same(0.0, -0.0, np.inf, -np.inf, 1e-45, -1e-30)),
        same(0.0, 1.0, 0.5, 1e-30, 1.0 - 2.0**-24),
        options=({}, {"alpha": None}, {"gamma": 0.0}, {"gamma": 0.5}, {"alpha": 1.0, "gamma": 5.0}),
        defaults={"alpha": 0.25, "gamma": 2.0},
    ),
    JointLossCase(
        "gaussian_nll_loss", (same(-10.0, 10.0), same(-10.0, 10.0), same(0.0, 20.0)),
        (
            joined(GREATEST, same(0.0, -0.0, 1.0, 1e-30, -3e38, 1e19, np.inf)),
            joined(THIRD, same(0.0, 1.0, 0.25, 3e38, np.inf)),
            joined(near(1.0), GREATEST, same(0.0, 1e-45, 1e-7, 1e-6, 0.5, 1e15, 3e38, np.inf)),
        ),
        options=({}, {"full": True}, {"eps": 0.25}, {"eps": 1e-30}), defaults={"full": False, "eps": 1e-6},
    ),
    JointLossCase(
        "margin_ranking_loss", (same(-4.0, 4.0), same(-4.0, 4.0), same(-1.0, 1.0)),
        (
            joined(REALS, near(1.0, 0.3)), same(0.0, -0.0, 1.0, 1e-30, 3.4028235e38, -np.inf), same(-1.0, 1.0, 0.0, 0.3),
        ),
        options=({}, {"margin": 0.3}, {"margin": -1.0}), defaults={"margin": 0.0}, labels=2,
    ),
    VectorLossCase(
        "cosine_embedding_loss", 2, 2, options=({}, {"margin": 0.3}), defaults={"margin": 0.0}, labelled=True
    ),
    VectorLossCase("cosine_distance", 2, 2, options=({}, {"eps": 2.0}), defaults={"eps": 1e-8}),
    VectorLossCase(
        "triplet_margin_loss", 3, 3, options=({}, {"margin": 1e10, "eps": 0.5}, {"swap": True}, {"p": 3.0}, {"p": 1.0, "swap": True}),
        defaults={"margin": 1.0, "p": 2.0, "eps": 1e-6, "swap": False},
    ),
    VectorLossCase("dice_loss", 2, 1, options=({}, {"smooth": 0.25}), defaults={"smooth": 1.0}, sample=overlaps),
    VectorLossCase("jaccard_loss", 2, 1, options=({}, {"smooth": 1e-3}), defaults={"smooth": 1.0}, sample=overlaps),
    VectorLossCase(
        "tversky_loss", 2, 1, options=({"alpha": 0.3, "beta": 0.7},), defaults={"alpha": 0.5, "beta": 0.5, "smooth": 1.0},
        sample=overlaps,
    ),
    VectorLossCase("multilabel_soft_margin_loss", 2, 1, sample=logits, curved=True),
    PairedLossCase(
        "multi_margin_loss", options=({}, {"margin": 0.3}, {"p": 2}, {"p": 2, "margin": -2.5}), defaults={"p": 1, "margin": 1.0}
    ),
    PairedLossCase("multilabel_margin_loss", several=True),
    RowLossCase("cross_entropy", ref.cross_entropy_row, probabilities=True),
    RowLossCase("nll_loss", ref.nll_loss_row, probabilities=False),
    RowLossCase(
        "softmax_focal_loss", ref.softmax_focal_loss_row, probabilities=False, terms=ref.softmax_focal_loss_row_terms,
        options=({}, {"gamma": 0.5}, {"gamma": 5.0}), defaults={"gamma": 2.0},
    ),
    RowLossCase(
        "poly_loss_cross_entropy", ref.poly_loss_cross_entropy_row, probabilities=False,
        terms=ref.poly_loss_cross_entropy_row_terms, options=({}, {"epsilon": 1e3}), defaults={"epsilon": 2.0},
    ),
    RowLossCase(
        "generalized_cross_entropy", ref.generalized_cross_entropy_row, probabilities=False,
        terms=ref.generalized_cross_entropy_row_terms, options=({}, {"q": 0.01}, {"q": 1.0}), defaults={"q": 0.5},
    ),
    RowLossCase("sparsemax_loss", ref.sparsemax_loss_row, probabilities=True, share=ref.sparsemax),
    LinearLossCase("linear_cross_entropy", "cross_entropy"),
    ContrastiveLossCase("nt_xent_loss"),
    AlignmentLossCase("ctc_loss"),
)  # fmt: skip
