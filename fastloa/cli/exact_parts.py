"""Numbers in two parts, of which the second is what the first loses by rounding: twice the digits."""

from decimal import Decimal, localcontext
from functools import cache
from typing import Any

import numpy as np

from fastloa.cli.exact_activations import FAR

Array = Any
Pair = tuple[Array, Array]
HALVINGS, TERMS, IN_PARTS = 6, 15, 6  # of the argument of exp, of its series, and those of them in two parts


def sum_parts(a: Array, b: Array) -> Pair:
    """Give a + b, and what its rounding loses (Knuth); nothing where it is infinite."""
    total = a + b
    part = total - a
    lost = (a - (total - part)) + (b - part)
    return total, np.where(np.isfinite(total), lost, 0)


def residual_parts(x: Array, t: Array) -> Pair:
    """Give x - t in two parts."""
    return sum_parts(x, -t)


def product(a: Array, a_lost: Array, b: Array, b_lost: Array) -> Pair:
    """Give the product of numbers in two parts, in two parts (Veltkamp and Dekker)."""
    half = a.dtype.type(2) ** ((np.finfo(a.dtype).nmant + 2) // 2) + 1
    heads = [half * y - (half * y - y) for y in (a, b)]
    tails = a - heads[0], b - heads[1]
    value = a * b
    lost = ((heads[0] * heads[1] - value) + heads[0] * tails[1] + tails[0] * heads[1]) + tails[0] * tails[1]
    return value, np.where(np.isfinite(lost), lost + (a * b_lost + a_lost * b), 0)


def quotient(a: Array, a_lost: Array, b: Array, b_lost: Array) -> Pair:
    """Give the quotient of numbers in two parts, in two parts."""
    value = a / b
    back, rest = product(value, 0 * value, b, b_lost)
    return value, np.where(np.isfinite(back), ((a - back) + (a_lost - rest)) / b, 0)


def added(a: Pair, b: Pair) -> Pair:
    """Give the sum of numbers in two parts, in two parts."""
    total, lost = sum_parts(a[0], b[0])
    return sum_parts(total, np.where(np.isfinite(total), lost + (a[1] + b[1]), 0))


def negative(a: Pair) -> Pair:
    """Give the same with the other sign."""
    return -a[0], -a[1]


def twice(a: Pair) -> Pair:
    """Give the double."""
    return 2 * a[0], 2 * a[1]


def whole(x: Array) -> Pair:
    """Give a number that is exact."""
    return x, np.zeros_like(x)


@cache
def _log_2(dtype: Any) -> list[Any]:
    """Give log(2) in three parts; whole numbers of 18 bits times the first two are exact."""
    bits, parts = np.finfo(dtype).nmant + 1 - 18, []
    with localcontext() as context:
        context.prec = 80
        rest = Decimal(2).ln()
        for scale in (bits, 2 * bits):
            number = int(rest * 2**scale)
            rest -= Decimal(number) / 2**scale
            parts.append(np.ldexp(dtype.type(number), -scale))
        return [*parts, dtype.type(str(rest))]


@cache
def _inverse_factorials(dtype: Any) -> list[Pair]:
    found = [whole(dtype.type(1))]
    for k in range(2, TERMS + 1):
        found.append(quotient(*found[-1], *whole(dtype.type(k))))
    return found


def _expm1_small(s: Pair) -> Pair:
    """Give exp(s) - 1 by its series, for |s| of at most 1 / 128."""
    *terms, (last, _) = _inverse_factorials(s[0].dtype)
    tail = last + 0 * s[0]
    for term, _ in reversed(terms[IN_PARTS:]):
        tail = term + s[0] * tail
    found = whole(tail)
    for term in reversed(terms[:IN_PARTS]):
        found = added(term, product(*s, *found))
    return product(*s, *found)


def exp_parts(x: Array, x_lost: Array) -> Pair:
    """Give exp(x + x_lost) in two parts."""
    high = np.clip(x, -FAR, FAR)
    first, second, third = _log_2(high.dtype)
    k = np.round(np.nan_to_num(high) / (first + second))
    rest = added((high - k * first, np.where(np.isfinite(x), x_lost, 0)), sum_parts(-k * second, -k * third))
    power = _expm1_small((rest[0] / 2**HALVINGS, rest[1] / 2**HALVINGS))
    for _ in range(HALVINGS):
        power = added(twice(power), product(*power, *power))
    found, lost = added((np.ones_like(high), np.zeros_like(high)), power)
    k = k.astype(np.int64)
    found = np.ldexp(found, k)
    return found, np.where(np.isfinite(found), np.ldexp(lost, k), 0)


def log_parts(x: Array, x_lost: Array) -> Pair:
    """Give log(x + x_lost) in two parts: by a step of Newton's."""
    first = np.log(x)
    back = sum(added(product(x, x_lost, *exp_parts(-first, 0 * x)), whole(-np.ones_like(x))))
    return sum_parts(first, np.where(np.isfinite(first), back - back**2 / 2, 0))
