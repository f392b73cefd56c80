"""What references are written with: numbers that no dtype holds, and functions with their limits there."""

from mpmath import mp, mpf

INF = mpf("inf")
NAN = mpf("nan")
FAR = 10**5  # exp of anything beyond it is 0 or infinite in every dtype
CANCELLED = mpf(1) / 16  # where less is left of a term, an error is measured by this much of it
LEAST = mp.ldexp(1, -(10**6))  # 0 in every dtype, with a sign


def exp(x):
    """Give exp(x), and its limits where no dtype can hold it."""
    if abs(x) > FAR:
        return INF if x > 0 else mpf(0)
    return mp.exp(x)


def erfc(x):
    """Give erfc(x), and its limits where no dtype can tell it from them."""
    if abs(x) > FAR:
        return mpf(0 if x > 0 else 2)
    return mp.erfc(x)


def times(weight, value):
    """Multiply, where 0 times an infinity is 0, as in 0 log 0."""
    return mpf(0) if weight == 0 else weight * value


def log1p_exp(z):
    return z if z > FAR else mp.log(1 + exp(z))


def gated(x, share):
    """Give a share of x; where it is too little for any dtype, only the sign of x is left."""
    return share * x if share > 0 else LEAST * mp.sign(x)
