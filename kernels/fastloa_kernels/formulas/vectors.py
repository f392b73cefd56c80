"""Losses of rows of vectors, through sums over a row, in float64: angles, distances and overlaps.

What a row's loss is multiplied with comes as `scale`, so that a coefficient is the whole factor of an element. NaN in
an element reaches the sums, and through them the row.
"""

from fastloa_kernels.formulas.compensated import two_sum
from fastloa_kernels.formulas.elementary import power
from fastloa_kernels.formulas.everyday import among, sign
from fastloa_kernels.formulas.losses import probability
from fastloa_kernels.formulas.wide import divided
from fastloa_kernels.primitives import fma, inf, sqrt
from fastloa_kernels.records import VectorLoss

LEAST = 9.999999960041972e-13  # 1e-12 as float32 has it: what PyTorch adds to the squares of lengths


def over(x, divisor):
    """x / divisor, and 0 where the divisor is 0."""
    return x / divisor if divisor > 0.0 else among(divisor, 0.0)


# angles


def products(a, b, parameter):
    return a * b, a * a, b * b


def turned(mixed, own, other, a, b, parameter):
    """The gradients of a cosine: mixed * b - own * a, and mixed * a - other * b."""
    return fma(mixed, b, -own * a), fma(mixed, a, -other * b)


def cosine_embedding_loss(ab, aa, bb, t, margin):
    c = ab / (sqrt(aa + LEAST) * sqrt(bb + LEAST))
    beyond = c - margin
    apart = 0.0 if beyond <= 0.0 else beyond
    return among(t, 1.0 - c if t == 1.0 else (apart if t == -1.0 else among(c, 0.0)))


def cosine_embedding_coefficients(scale, ab, aa, bb, t, margin):
    inverse = 1.0 / (sqrt(aa + LEAST) * sqrt(bb + LEAST))
    c = ab * inverse
    apart = scale if c > margin else 0.0
    k = among(c, among(t, -scale if t == 1.0 else (apart if t == -1.0 else 0.0)))
    return k * inverse, k * c / (aa + LEAST), k * c / (bb + LEAST)


def at_least(x, eps):
    return eps if x < eps else x


def cosine_distance(ab, aa, bb, t, eps):
    return 1.0 - ab / at_least(sqrt(aa), eps) / at_least(sqrt(bb), eps)


def cosine_distance_coefficients(scale, ab, aa, bb, t, eps):
    a, b = sqrt(aa), sqrt(bb)
    mixed = scale / at_least(a, eps) / at_least(b, eps)
    k = mixed * ab
    return -mixed, -over(k / at_least(a, eps), a), -over(k / at_least(b, eps), b)


def along_terms(a, g, eps):
    return a * g, a * a


def product_with_direction(ag, aa, t, eps):
    return ag / at_least(sqrt(aa), eps)


def along_coefficients(scale, ag, aa, t, eps):
    length = at_least(sqrt(aa), eps)
    k = scale / length
    return k, over(k * ag / length, sqrt(aa))


def along_gradient(k, own, a, g, eps):
    """In g it is the direction of a, and in a what a gradient g in the direction is."""
    return fma(k, g, -own * a), k * a


# distances


def shifted(a, b, eps):
    """What PyTorch takes the norm of."""
    return (a - b) + eps


def positive_part(x):
    return 0.0 if x <= 0.0 else x


def active(scale, x):
    """The scale where x is positive."""
    return scale if x > 0.0 else among(x, 0.0)


def triplet_terms(a, p, n, margin, eps):
    d, e = shifted(a, p, eps), shifted(a, n, eps)
    return d * d, e * e


def triplet_margin_loss(dd, ee, t, margin, eps):
    return positive_part(sqrt(dd) - sqrt(ee) + margin)


def triplet_coefficients(scale, dd, ee, t, margin, eps):
    near, far = sqrt(dd), sqrt(ee)
    k = active(scale, near - far + margin)
    return over(k, near), over(k, far)


def triplet_gradient(near, far, a, p, n, margin, eps):
    pull, push = near * shifted(a, p, eps), far * shifted(a, n, eps)
    return pull - push, 0.0 - pull, push


def lesser(x, y):
    return y if y < x else among(y, x)


def triplet_swap_terms(a, p, n, margin, eps):
    d, e, f = shifted(a, p, eps), shifted(a, n, eps), shifted(p, n, eps)
    return d * d, e * e, f * f


def triplet_margin_loss_swap(dd, ee, ff, t, margin, eps):
    return triplet_margin_loss(dd, lesser(ee, ff), t, margin, eps)


def triplet_swap_coefficients(scale, dd, ee, ff, t, margin, eps):
    near, far = triplet_coefficients(scale, dd, lesser(ee, ff), t, margin, eps)
    swapped = ff < ee
    return near, 0.0 if swapped else far, far if swapped else 0.0


def triplet_swap_gradient(near, far, other, a, p, n, margin, eps):
    pull, push, across = near * shifted(a, p, eps), far * shifted(a, n, eps), other * shifted(p, n, eps)
    return pull - push, 0.0 - pull - across, push + across


def triplet_norm_terms(a, p, n, margin, eps, norm, swap):
    d, e, f = shifted(a, p, eps), shifted(a, n, eps), shifted(p, n, eps)
    return power(abs(d), norm), power(abs(e), norm), power(abs(f), norm) if swap == 1.0 else 0.0


def nearer(e, f, swap):
    return lesser(e, f) if swap == 1.0 else e


def root(x, norm):
    """x**(1 / norm), from which what rounding the exponent did is taken away."""
    y = power(x, 1.0 / norm)
    back = power(y, norm)
    better = fma(y, (x - back) / back / norm, y)
    return better if abs(better) < inf else y


def triplet_margin_loss_norm(dd, ee, ff, t, margin, eps, norm, swap):
    return positive_part(root(dd, norm) - root(nearer(ee, ff, swap), norm) + margin)


def triplet_norm_coefficients(scale, dd, ee, ff, t, margin, eps, norm, swap):
    near, far = root(dd, norm), root(nearer(ee, ff, swap), norm)
    k = active(scale, near - far + margin)
    swapped = (ff if swap == 1.0 else ee) < ee
    return k, near, 0.0 if swapped else k, k if swapped else 0.0, far


def norm_slope(x, length, norm):
    """The derivative of a length in an element: (|x| / length)**(norm - 1), with the sign of x."""
    part = abs(x) / length  # more than 1 of a length that is another's, or too small for a number
    return sign(x) * power(1.0 if part > 1.0 else part, norm - 1.0) if x != 0.0 else x


def triplet_norm_gradient(k, near, here, there, far, a, p, n, margin, eps, norm, swap):
    pull = k * norm_slope(shifted(a, p, eps), near, norm)
    push = here * norm_slope(shifted(a, n, eps), far, norm)
    across = there * norm_slope(shifted(p, n, eps), far, norm)
    return pull - push, 0.0 - pull - across, push + across


# overlaps


def overlap_terms(p, t, alpha, beta, smooth):
    p, t = probability(p), probability(t)
    return p * t, fma(-p, t, p), fma(-p, t, t)


def sizes(both, wrong, absent, alpha, beta, smooth):
    """What is amiss, and as pairs what is found, and the whole of both."""
    amiss = fma(alpha, wrong, beta * absent)
    found, found_low = two_sum(both, smooth)
    whole, part = two_sum(found, amiss)
    return amiss, found, found_low, whole, part + found_low


def part_of(high, low, whole, rest):
    """The quotient of two pairs, and 0 where the divisor is 0."""
    return divided(high, low, whole, rest) if whole > 0.0 else among(whole, 0.0)


def tversky_loss(both, wrong, absent, t, alpha, beta, smooth):
    # 1 - found / whole is amiss / whole, of which nothing cancels; 0 where there is nothing at all.
    amiss, _, _, whole, rest = sizes(both, wrong, absent, alpha, beta, smooth)
    return part_of(amiss, 0.0, whole, rest)


def tversky_coefficients(scale, both, wrong, absent, t, alpha, beta, smooth):
    amiss, found, low, whole, rest = sizes(both, wrong, absent, alpha, beta, smooth)
    k = part_of(scale, 0.0, whole, rest)
    return k * part_of(found, low, whole, rest), k * part_of(amiss, 0.0, whole, rest)


def tversky_gradient(rise, fall, p, t, alpha, beta, smooth):
    return fma(rise, fma(-beta, t, alpha * (1.0 - t)), -fall * t)


COSINE_EMBEDDING_LOSS = VectorLoss(
    cosine_embedding_loss, products, cosine_embedding_coefficients, turned, vectors=2, gradients=2, sums=3, shares=3,
    labelled=True,
)  # fmt: skip
COSINE_DISTANCE = VectorLoss(
    cosine_distance, products, cosine_distance_coefficients, turned, vectors=2, gradients=2, sums=3, shares=3
)
PRODUCT_WITH_DIRECTION = VectorLoss(
    product_with_direction, along_terms, along_coefficients, along_gradient, vectors=2, gradients=2, sums=2, shares=2
)
TRIPLET_MARGIN_LOSS = VectorLoss(
    triplet_margin_loss, triplet_terms, triplet_coefficients, triplet_gradient, vectors=3, gradients=3, sums=2, shares=2
)
TRIPLET_MARGIN_LOSS_SWAP = VectorLoss(
    triplet_margin_loss_swap, triplet_swap_terms, triplet_swap_coefficients, triplet_swap_gradient, vectors=3,
    gradients=3, sums=3, shares=3,
)  # fmt: skip
TRIPLET_MARGIN_LOSS_NORM = VectorLoss(
    triplet_margin_loss_norm, triplet_norm_terms, triplet_norm_coefficients, triplet_norm_gradient, vectors=3,
    gradients=3, sums=3, shares=5,
)  # fmt: skip
TVERSKY_LOSS = VectorLoss(
    tversky_loss, overlap_terms, tversky_coefficients, tversky_gradient, vectors=2, gradients=1, sums=3, shares=2
)
