"""Losses of one prediction and one target: value, first and second derivative in the prediction."""

from fastloa_kernels.formulas.compensated import fast_two_sum, fraction, quotient, two_sum
from fastloa_kernels.formulas.elementary import exp_pair, log, log1p
from fastloa_kernels.formulas.logistic import softened
from fastloa_kernels.formulas.wide import LN2, LN2_REST, log_beyond
from fastloa_kernels.primitives import fma, inf, nan
from fastloa_kernels.records import PairwiseLoss

HUGE, DROP, LIFTED = 2.0**62, 2.0**-60, 60.0


def l1_loss(p, t):
    return abs(p - t)


def l1_loss_derivative(p, t):
    return 1.0 if p > t else (-1.0 if p < t else p - t)


def l1_loss_second(p, t):
    error = p - t
    return 0.0 if error == error else error


def mse_loss(p, t):
    return (p - t) * (p - t)


def mse_loss_derivative(p, t):
    return 2.0 * (p - t)


def mse_loss_share(divisor, p, t):
    """The derivative over the divisor: the difference of two huge numbers alone may overflow."""
    error = p - t
    huge = abs(error) > 1e38
    doubled = 0.25 * p - 0.25 * t if huge else 2.0 * error
    return doubled / divisor * (8.0 if huge else 1.0)


def mse_loss_second(p, t):
    error = p - t
    return 2.0 if error == error else error


def log_ratio(p, t):
    """log1p(p) - log1p(t) as a pair: log1p of the difference over the lesser operand's 1 + x, so nothing cancels."""
    more, less = (p, t) if p > t else (t, p)
    # Where the quotient might be too large for a number, it is taken over 2**60, and the 1 beside it is nothing.
    huge = (more if less < 1.0 else 0.0) > HUGE
    scale = DROP if huge else 1.0
    gap, gap_low = two_sum(scale * more, -scale * less)
    whole, part = two_sum(1.0, less)
    x = gap / whole
    x_low = (fma(-x, whole, gap) + fma(-x, part, gap_low)) / whole if x < inf else 0.0
    high, low = log_beyond(0.0 if huge else 1.0, x, x_low)
    shift = LIFTED if huge else 0.0
    high, rest = two_sum(shift * LN2, high)
    high, low = fast_two_sum(high, rest + fma(shift, LN2_REST, low))
    sign = 1.0 if p > t else -1.0
    real = less >= -1.0
    high = (high if x < inf else x) if real else nan
    return sign * high, sign * low if x < inf else 0.0


def msle_loss(p, t):
    high, low = log_ratio(p, t)
    return fma(high, high, 2.0 * high * low) if abs(high) < inf else high * high


def msle_loss_derivative(p, t):
    high, low = log_ratio(p, t)
    whole, part = two_sum(1.0, p)
    # As p grows, 1 + p outgrows the logarithm.
    end = (0.0 if t > -1.0 else nan) if high == p else 2.0 * high / whole
    return quotient(2.0 * high, 2.0 * low, whole, part) if abs(high) < inf else end


def msle_loss_second(p, t):
    high, low = log_ratio(p, t)
    whole, part = two_sum(1.0, p)
    rest, rest_low = two_sum(1.0, -high)
    end = (-0.0 if t > -1.0 else nan) if high == p else -2.0 * high / whole / whole
    share = quotient(2.0 * rest, 2.0 * (rest_low - low), whole, part)
    return quotient(share, 0.0, whole, part) if abs(high) < inf else end


def probability(p):
    """p, or NaN where it is none: on a device nobody waits for an error."""
    return (p if p <= 1.0 else nan) if p >= 0.0 else nan


def binary_cross_entropy(p, t):
    p, t = probability(p), probability(t)
    # 0 * log(0) is 0: where the weight is 0 the logarithm is left out, and NaN comes through the other.
    miss, miss_low = fast_two_sum(1.0, -t)
    on_hit = log(p) if t != 0.0 else 0.0
    on_miss = log1p(-p) if t != 1.0 else 0.0
    finite = on_miss if on_miss > -inf else 0.0
    return 0.0 - fma(t, on_hit, fma(miss, on_miss, miss_low * finite))


def corrected(ratio, numerator_low, divisor, divisor_low):
    """ratio = numerator / divisor, less what leaving out the low parts of the two did to it."""
    return ratio + (fma(-ratio, divisor_low, numerator_low) / divisor if abs(ratio) < inf else 0.0)


def binary_cross_entropy_derivative(p, t):
    p, t = probability(p), probability(t)
    # (p - t) / (p * (1 - p)); at p = t = 0 its limit is 1, at p = t = 1 it is -1.
    error, error_low = two_sum(p, -t)
    q, q_low = fast_two_sum(1.0, -p)
    divisor = abs(p * q)
    divisor_low = fma(p, q_low, fma(p, q, -divisor))
    slope = corrected(error / divisor, error_low, divisor, divisor_low)
    return slope if p != t else (1.0 if p == 0.0 else (-1.0 if p == 1.0 else 0.0))


def binary_cross_entropy_second(p, t):
    p, t = probability(p), probability(t)
    # t / p**2 + (1 - t) / (1 - p)**2; p**2 itself may be too small for a number.
    miss, miss_low = fast_two_sum(1.0, -t)
    q, q_low = fast_two_sum(1.0, -p)
    square = q * q
    square_low = fma(2.0 * q, q_low, fma(q, q, -square))
    on_miss = corrected(miss / square, miss_low, square, square_low) if t != 1.0 else 0.0
    return (t / p / p if t != 0.0 else 0.0) + on_miss


def logits_weights(t, pos_weight):
    """The weights pos_weight * t of softplus(-z) and 1 - t of softplus(z), each with what rounding it leaves."""
    hit = pos_weight * t
    miss, miss_low = fast_two_sum(1.0, -t)
    return hit, fma(pos_weight, t, -hit), miss, miss_low


def binary_cross_entropy_with_logits(z, t, pos_weight):
    # (1 - t) * softplus(z) + pos_weight * t * softplus(-z). One of the two max(z, 0) is 0; 0 * inf is 0.
    hit, hit_low, miss, miss_low = logits_weights(t, pos_weight)
    slope, slope_low = (miss, miss_low) if z > 0.0 else (hit, hit_low)
    distance = abs(z) if slope != 0.0 else 0.0
    linear = slope * distance
    linear_low = fma(slope_low, distance, fma(slope, distance, -linear)) if abs(linear) < inf else 0.0
    high, low, factor = exp_pair(-abs(z))
    high, low, factor = softened(high, low, factor)
    weight, rest = two_sum(hit, miss)
    rest = rest + (hit_low + miss_low)
    return linear + fma(weight * factor, high, fma(weight * factor, low, fma(rest * factor, high, linear_low)))


def binary_cross_entropy_with_logits_derivative(z, t, pos_weight):
    # (1 - t) * sigmoid(z) - pos_weight * t * sigmoid(-z), over the common divisor 1 + exp(-|z|). Carrying what the
    # weights and the sum lose keeps digits where the two terms nearly cancel, close to the minimum of the loss.
    hit, hit_low, miss, miss_low = logits_weights(t, pos_weight)
    high, low, factor = exp_pair(-abs(z))
    constant, constant_low = (miss, miss_low) if z > 0.0 else (-hit, -hit_low)
    weight, weight_low = (-hit, -hit_low) if z > 0.0 else (miss, miss_low)
    weight = weight * factor
    product = weight * high
    numerator, rest = two_sum(constant, product)
    rest = rest + fma(weight, high, -product)
    rest = rest + fma(weight, low, fma(weight_low * factor, high, constant_low))
    return fraction(numerator, rest, 1.0, high * factor)


def binary_cross_entropy_with_logits_second(z, t, pos_weight):
    # (1 - t + pos_weight * t) * s * (1 - s), s = exp(-|z|) / (1 + exp(-|z|))
    hit, hit_low, miss, miss_low = logits_weights(t, pos_weight)
    weight, rest = two_sum(hit, miss)
    rest = rest + (hit_low + miss_low)
    high, low, factor = exp_pair(-abs(z))
    share = fraction(high, low, 1.0, high * factor)
    product = fma(-share, share * factor, share)
    product_low = fma(-share, share * factor, share - product)
    weight, rest = weight * factor, rest * factor
    return fma(weight, product, fma(weight, product_low, rest * product))


L1_LOSS = PairwiseLoss(l1_loss, l1_loss_derivative, l1_loss_second)
MSE_LOSS = PairwiseLoss(mse_loss, mse_loss_derivative, mse_loss_second, mse_loss_share)
MSLE_LOSS = PairwiseLoss(msle_loss, msle_loss_derivative, msle_loss_second)
BINARY_CROSS_ENTROPY = PairwiseLoss(binary_cross_entropy, binary_cross_entropy_derivative, binary_cross_entropy_second)
BINARY_CROSS_ENTROPY_WITH_LOGITS = PairwiseLoss(
    binary_cross_entropy_with_logits,
    binary_cross_entropy_with_logits_derivative,
    binary_cross_entropy_with_logits_second,
)
BINARY_CROSS_ENTROPY_WITH_LOGITS_ARRAY = PairwiseLoss(
    binary_cross_entropy_with_logits,
    binary_cross_entropy_with_logits_derivative,
    binary_cross_entropy_with_logits_second,
    operands=3,
)
