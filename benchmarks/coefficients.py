"""Prints every polynomial of the elementary functions: ``python benchmarks/coefficients.py`` (a few seconds).

Each is the minimax polynomial of a function on an interval, by Remez' exchange (Muller et al., Handbook of
Floating-Point Arithmetic, 2nd ed., section 10.3), with the coefficients rounded to the working precision one by one,
the lowest first, and the rest fitted anew each time: rounding a whole minimax polynomial at once loses more.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from mpmath import atanh, cos, exp, log1p, lu_solve, matrix, mp, mpf, pi

mp.dps = 50
Function = Callable[[mpf], mpf]


@dataclass(frozen=True)
class Fit:
    """`function` is fitted on `interval`; an error of 1 in the polynomial is one of `weight` in the result."""

    name: str
    function: Function
    weight: Function
    interval: tuple[mpf, mpf]
    terms: int
    dtype: type


Sample = tuple[mpf, mpf, mpf]  # x, the function there, the weight there


def remez(samples: list[Sample], terms: int) -> list[mpf]:
    """The coefficients of the polynomial of `terms` terms with the least greatest weighted error at the samples."""
    nodes = [samples[int((len(samples) - 1) * (1 - cos(pi * i / terms)) / 2)] for i in range(terms + 1)]
    for _ in range(6):
        rows = [[x**j for j in range(terms)] + [(-1) ** i / weight] for i, (x, _, weight) in enumerate(nodes)]
        coefficients = list(lu_solve(matrix(rows), matrix([y for _, y, _ in nodes])))[:terms]
        nodes = alternation(samples, coefficients, terms + 1)
    return coefficients


def alternation(samples: list[Sample], coefficients: list[mpf], count: int) -> list[Sample]:
    """Where the error is greatest, with alternating signs."""
    runs: list[tuple[mpf, Sample]] = []
    for sample in samples:
        x, y, weight = sample
        error = (polynomial(coefficients, x) - y) * weight
        if runs and (error > 0) == (runs[-1][0] > 0):
            runs[-1] = max(runs[-1], (error, sample), key=lambda run: abs(run[0]))
        else:
            runs.append((error, sample))
    while len(runs) > count:
        least = min(range(len(runs)), key=lambda i: abs(runs[i][0]))
        if len(runs) == count + 1 or least in (0, len(runs) - 1):
            runs.pop(0 if abs(runs[0][0]) < abs(runs[-1][0]) else -1)
        else:  # taken from the middle, a run leaves two of one sign beside each other
            runs.pop(least)
            runs.pop(least if abs(runs[least][0]) < abs(runs[least - 1][0]) else least - 1)
    return [sample for _, sample in runs]


def polynomial(coefficients: list[mpf], x: mpf) -> mpf:
    total = mpf(0)
    for c in reversed(coefficients):
        total = total * x + c
    return total


def rounded(fit: Fit) -> tuple[list[float], float]:
    """The coefficients in `fit.dtype`, and log2 of the greatest weighted error of the polynomial they make."""
    low, high = map(mpf, fit.interval)
    grid = [low + (high - low) * i / 800 for i in range(801)]
    exact = [(x, fit.function(x), abs(fit.weight(x))) for x in grid if x != 0]
    left, coefficients = exact, []
    for power in range(fit.terms):
        best = remez(left, fit.terms - power)
        coefficients.append(mpf(float(fit.dtype(float(best[0])))))
        left = [(x, (y - coefficients[-1]) / x, weight * abs(x)) for x, y, weight in left]
    worst = max(abs(polynomial(coefficients, x) - y) * weight for x, y, weight in exact)
    return [float(c) for c in coefficients], float(mp.log(worst, 2))


def off_zero(function: Function) -> Function:
    """`function` with its removable singularity at zero filled in from close by."""
    return lambda x: function(x if abs(x) > mpf(10) ** -9 else mpf(10) ** -9)


# Beyond ln(2) / 2 by what rounding x / ln(2) to float32 can move the reduced argument.
HALF_LN2 = mp.log(2) / 2 + mpf(2) ** -16

exp_tail = off_zero(lambda r: (exp(r) - 1 - r - r**2 / 2) / r**3)  # exp(r) = 1 + r + r**2 / 2 + r**3 * tail
log_tail = off_zero(lambda f: (log1p(f) - f + f**2 / 2) / f**3)  # log(1 + f) = f - f**2 / 2 + f**3 * tail
# log(1 + f) = 2 * atanh(s) with s = f / (2 + f), and 2 * atanh(s) = 2 * s + s**3 * tail(s**2).
atanh_tail = off_zero(lambda z: 2 * (atanh(mp.sqrt(z)) / mp.sqrt(z) - 1) / z)

# The weights make the errors relative: for exp to exp(r) - 1, the smaller of the two that it serves.
FITS = [
    Fit("exp", exp_tail, lambda r: r**3 / (exp(r) - 1), (-HALF_LN2, HALF_LN2), 5, np.float32),
    Fit("exp", exp_tail, lambda r: r**3 / (exp(r) - 1), (-HALF_LN2, HALF_LN2), 10, np.float64),
    Fit("log", log_tail, lambda f: f**3 / log1p(f), (mpf(-0.25), mpf(0.5)), 9, np.float32),
    Fit("log", atanh_tail, lambda z: z, (mpf(0), mpf(0.04)), 8, np.float64),
]


def main() -> None:
    for fit in FITS:
        coefficients, error = rounded(fit)
        low, high = fit.interval
        title = f"{fit.name}, {fit.dtype.__name__}, [{float(low):.4f}, {float(high):.4f}]"
        print(f"{title}: relative error 2**{error:.1f}")
        for power, c in enumerate(coefficients):
            print(f"    {power:2d}  {np.format_float_scientific(fit.dtype(c), unique=True, trim='-')}")


if __name__ == "__main__":
    main()
