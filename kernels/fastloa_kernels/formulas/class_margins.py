"""Losses of rows of class scores, of which several may be of right classes, in float64."""

from fastloa_kernels.formulas.compensated import two_sum
from fastloa_kernels.formulas.everyday import among
from fastloa_kernels.formulas.losses import (
    binary_cross_entropy_with_logits,
    binary_cross_entropy_with_logits_derivative,
    binary_cross_entropy_with_logits_second,
)
from fastloa_kernels.primitives import fma, inf
from fastloa_kernels.records import PairedLoss, VectorLoss

# pairs of a class with the score x and a label with y


def excess(x, y, margin):
    """margin - y + x as a pair."""
    gap, gap_low = two_sum(x, -y)
    z, low = two_sum(gap, margin)
    return z, (low + gap_low if abs(z) < inf else 0.0)


def multi_margin_loss(x, y, margin):
    z, low = excess(x, y, margin)
    return 0.0 if z + low <= 0.0 else z + low


def multi_margin_loss_derivative(x, y, margin):
    z, low = excess(x, y, margin)
    return 1.0 if z + low > 0.0 else among(z, 0.0)


def multi_margin_loss_second(x, y, margin):
    z, _ = excess(x, y, margin)
    return among(z, 0.0)


def multi_margin_loss_squared(x, y, margin):
    z, low = excess(x, y, margin)
    return 0.0 if z + low <= 0.0 else (fma(z, z, 2.0 * z * low) if z * z < inf else z * z)


def multi_margin_loss_squared_derivative(x, y, margin):
    z, low = excess(x, y, margin)
    return 0.0 if z + low <= 0.0 else 2.0 * (z + low)


def multi_margin_loss_squared_second(x, y, margin):
    z, low = excess(x, y, margin)
    return 0.0 if z + low <= 0.0 else among(z, 2.0)


# each class by itself


def soft_margin(z, t, classes):
    return binary_cross_entropy_with_logits(z, t, 1.0)


def soft_margin_weighted(z, t, w, classes):
    return w * binary_cross_entropy_with_logits(z, t, 1.0)


def multilabel_soft_margin_loss(total, t, classes):
    return total / classes


def multilabel_soft_margin_loss_weighted(total, t, classes):
    return total / classes


def share_of_class(scale, total, t, classes):
    return among(total, scale / classes)


def soft_margin_gradient(share, z, t, classes):
    return share * binary_cross_entropy_with_logits_derivative(z, t, 1.0)


def soft_margin_weighted_gradient(share, z, t, w, classes):
    return share * (w * binary_cross_entropy_with_logits_derivative(z, t, 1.0))


def soft_margin_curved(share, z, t, classes):
    second = binary_cross_entropy_with_logits_second(z, t, 1.0)
    return soft_margin_gradient(share, z, t, classes), share * second


def soft_margin_weighted_curved(share, z, t, w, classes):
    second = binary_cross_entropy_with_logits_second(z, t, 1.0)
    return soft_margin_weighted_gradient(share, z, t, w, classes), share * (w * second)


MULTI_MARGIN_LOSS = PairedLoss(multi_margin_loss, multi_margin_loss_derivative, multi_margin_loss_second)
MULTI_MARGIN_LOSS_SQUARED = PairedLoss(
    multi_margin_loss_squared, multi_margin_loss_squared_derivative, multi_margin_loss_squared_second
)
MULTILABEL_SOFT_MARGIN_LOSS = VectorLoss(
    multilabel_soft_margin_loss, soft_margin, share_of_class, soft_margin_gradient, vectors=2, gradients=1, sums=1,
    shares=1, curved=soft_margin_curved,
)  # fmt: skip
MULTILABEL_SOFT_MARGIN_LOSS_WEIGHTED = VectorLoss(
    multilabel_soft_margin_loss_weighted, soft_margin_weighted, share_of_class, soft_margin_weighted_gradient,
    vectors=3, gradients=1, sums=1, shares=1, curved=soft_margin_weighted_curved,
)  # fmt: skip
