"""Prints what the elementary functions are made of: ``python benchmarks/coefficients.py`` (a few seconds).

First every polynomial, then the words of 1 / (2 * pi) that sin and cos choose from.

Each is the minimax polynomial of a function on an interval, by Remez' exchange (Muller et al., Handbook of
Floating-Point Arithmetic, 2nd ed., section 10.3), with the coefficients rounded to the working precision one by one,
the lowest first, and the rest fitted anew each time: rounding a whole minimax polynomial at once loses more.

Where zero is inside the interval, what is left to fit vanishes there, and the exchange may go astray. Polynomials of
many terms on such an interval are fitted by least squares at Chebyshev's nodes, which is next to the minimax.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from mpmath import atanh, cos, erf, erfc, exp, fdot, log1p, lu_solve, matrix, mp, mpf, pi, sin, sqrt, tanh

mp.dps = 50
Function = Callable[[mpf], mpf]


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


def least_squares(samples: list[Sample], terms: int) -> list[mpf]:
    """The coefficients of the polynomial of `terms` terms with the least sum of squared weighted errors."""
    squares = [weight**2 for _, _, weight in samples]
    powers = [[x**j for x, _, _ in samples] for j in range(2 * terms - 1)]
    moments = [fdot(squares, power) for power in powers]
    weighted = [square * y for square, (_, y, _) in zip(squares, samples, strict=True)]
    rows = [[moments[i + j] for j in range(terms)] for i in range(terms)]
    return list(lu_solve(matrix(rows), matrix([fdot(weighted, power) for power in powers[:terms]])))


def polynomial(coefficients: list[mpf], x: mpf) -> mpf:
    total = mpf(0)
    for c in reversed(coefficients):
        total = total * x + c
    return total


@dataclass(frozen=True)
class Fit:
    """`function` is fitted on `interval`; an error of 1 in the polynomial is one of `weight` in the result.

    With `pair`, the lowest coefficient is the sum of two numbers.
    """

    name: str
    function: Function
    weight: Function
    interval: tuple[mpf, mpf]
    terms: int
    dtype: type
    solve: Callable[[list[Sample], int], list[mpf]] = remez
    pair: bool = False

    def samples(self, points: list[mpf]) -> list[Sample]:
        return [(x, self.function(x), abs(self.weight(x))) for x in points if x != 0]

    def nearest(self, value: mpf) -> mpf:
        return mpf(float(self.dtype(float(value))))


def rounded(fit: Fit) -> tuple[list[float], float]:
    """The coefficients in `fit.dtype`, and log2 of the greatest weighted error of the polynomial they make."""
    low, high = map(mpf, fit.interval)
    nodes = 4 * fit.terms
    exact = fit.samples([low + (high - low) * i / 800 for i in range(801)])
    chebyshev = [low + (high - low) * (1 - cos(pi * (i + mpf(0.5)) / nodes)) / 2 for i in range(nodes)]
    left, coefficients, printed = exact if fit.solve is remez else fit.samples(chebyshev), [], []
    for power in range(fit.terms):
        best = fit.solve(left, fit.terms - power)[0]
        parts = [fit.nearest(best)]
        if fit.pair and power == 0:
            parts.append(fit.nearest(best - parts[0]))
        printed += parts
        coefficients.append(sum(parts))
        left = [(x, (y - coefficients[-1]) / x, weight * abs(x)) for x, y, weight in left]
    worst = max(abs(polynomial(coefficients, x) - y) * weight for x, y, weight in exact)
    return [float(c) for c in printed], float(mp.log(worst, 2))


def off_zero(function: Function) -> Function:
    """`function` with its removable singularity at zero filled in from close by."""
    return lambda x: function(x if abs(x) > mpf(10) ** -9 else mpf(10) ** -9)


# Beyond ln(2) / 2 by what rounding x / ln(2) to float32 can move the reduced argument.
HALF_LN2 = mp.log(2) / 2 + mpf(2) ** -16

NINTH = mpf(1) / 9 + mpf(2) ** -20  # and a little more, for what rounding adds

QUARTER = pi / 2 + mpf(2) ** -16  # of a turn, and what rounding it can add

exp_tail = off_zero(lambda r: (exp(r) - 1 - r - r**2 / 2) / r**3)  # exp(r) = 1 + r + r**2 / 2 + r**3 * tail
log_tail = off_zero(lambda f: (log1p(f) - f + f**2 / 2) / f**3)  # log(1 + f) = f - f**2 / 2 + f**3 * tail
# log(1 + f) = 2 * atanh(s) with s = f / (2 + f), and 2 * atanh(s) = 2 * s + s**3 * tail(s**2).
atanh_tail = off_zero(lambda z: 2 * (atanh(mp.sqrt(z)) / mp.sqrt(z) - 1) / z)
erf_tail = off_zero(lambda z: erf(sqrt(z)) / sqrt(z) - 1)  # erf(x) = x + x * tail(x**2)
sin_tail = off_zero(lambda z: (sin(sqrt(z)) / sqrt(z) - 1) / z)  # sin(x) = x + x**3 * tail(x**2)
# x - tanh(x) = x**3 / (3 + x**2 * tail(x**2))
shrink_tail = off_zero(lambda z: (z * sqrt(z) / (sqrt(z) - tanh(sqrt(z))) - 3) / z)


def mills(t: mpf) -> mpf:
    """(x + 2) * Q(x) / exp(-x**2 / 2), Q the upper tail of the normal distribution, in t = (x - 2) / (x + 2)."""
    x = 2 * (1 + t) / (1 - t)
    return (x + 2) * exp(x**2 / 2) * erfc(x / sqrt(mpf(2))) / 2


def up_to(x: float) -> tuple[mpf, mpf]:
    """The t of `mills` for 0 and for x."""
    return mpf(-1), (mpf(x) - 2) / (mpf(x) + 2)


# The weights make the errors relative: for exp to exp(r) - 1, the smaller of the two that it serves.
FITS = [
    Fit("exp", exp_tail, lambda r: r**3 / (exp(r) - 1), (-HALF_LN2, HALF_LN2), 5, np.float32),
    Fit("exp", exp_tail, lambda r: r**3 / (exp(r) - 1), (-HALF_LN2, HALF_LN2), 10, np.float64),
    Fit("log", log_tail, lambda f: f**3 / log1p(f), (mpf(-0.25), mpf(0.5)), 9, np.float32),
    Fit("log", atanh_tail, lambda z: z, (mpf(0), mpf(0.04)), 8, np.float64),
    Fit("log_pair", atanh_tail, lambda z: z / 2, (mpf(0), mpf(0.02944)), 4, np.float32, pair=True),
    Fit("log_pair", atanh_tail, lambda z: z / 2, (mpf(0), mpf(0.02944)), 9, np.float64, pair=True),
    Fit("log1p_unit", atanh_tail, lambda z: z / 2, (mpf(0), NINTH), 5, np.float32),
    Fit("log1p_unit", atanh_tail, lambda z: z / 2, (mpf(0), NINTH), 10, np.float64),
    Fit("erf", erf_tail, lambda z: 1 / (1 + erf_tail(z)), (mpf(0), mpf(0.25)), 5, np.float32),
    Fit("erf", erf_tail, lambda z: 1 / (1 + erf_tail(z)), (mpf(0), mpf(0.25)), 9, np.float64),
    Fit("sin", sin_tail, lambda z: z / (1 + z * sin_tail(z)), (mpf(0), QUARTER**2), 5, np.float32),
    Fit("sin", sin_tail, lambda z: z / (1 + z * sin_tail(z)), (mpf(0), QUARTER**2), 8, np.float64),
    Fit("shrink", shrink_tail, lambda z: z / (3 + z * shrink_tail(z)), (mpf(0), mpf(2.25)), 5, np.float32, pair=True),
    Fit("shrink", shrink_tail, lambda z: z / (3 + z * shrink_tail(z)), (mpf(0), mpf(2.25)), 11, np.float64, pair=True),
    # Up to where x * Q(x) is half the least number.
    Fit("mills", mills, lambda t: 1 / mills(t), up_to(14.5), 13, np.float32, least_squares, pair=True),
    Fit("mills", mills, lambda t: 1 / mills(t), up_to(38.7), 29, np.float64, least_squares, pair=True),
]


@dataclass(frozen=True)
class Words:
    """1 / (2 * pi) in `count` words of so many bits, and 2 * pi as the sum of two numbers.

    Rounded to nearest, a word is at most a half, and holds a bit more than the dtype has. The words reach as far beyond
    the least multiple of the greatest number as sin and cos need: see `turns` in the formulas.
    """

    dtype: type
    bits: int
    count: int

    def turn(self) -> list[float]:
        """Each is the nearest number of that many bits to what those before it left, times 2**bits."""
        with mp.workprec(self.bits * (self.count + 2)):
            left, found = 1 / (2 * pi), []
            for _ in range(self.count):
                left = mp.ldexp(left, self.bits)
                found.append(float(mp.ldexp(mp.nint(left), -self.bits)))
                left -= mp.nint(left)
        return found

    def tau(self) -> list[float]:
        high = float(self.dtype(float(2 * pi)))
        return [high, float(self.dtype(float(2 * pi - high)))]


WORDS = [Words(np.float32, 25, 8), Words(np.float64, 54, 22)]


@dataclass(frozen=True)
class Beyond:
    """What `mills` is short of by its polynomial from `start` to `end`, relatively: (x - start)**2 times another."""

    dtype: type
    start: float
    end: float
    terms: int

    def numbers(self) -> list[float]:
        """The coefficients of that, by least squares at a hundred points."""
        (fit,) = (fit for fit in FITS if fit.name == "mills" and fit.dtype is self.dtype)
        printed, _ = rounded(fit)
        coefficients = [mpf(printed[0]) + mpf(printed[1]), *map(mpf, printed[2:])]
        samples = []
        for i in range(1, 101):
            beyond = (self.end - self.start) * i / mpf(100)
            t = (self.start + beyond - 2) / (self.start + beyond + 2)
            short = mills(t) / polynomial(coefficients, t) - 1
            samples.append((beyond, short / beyond**2, beyond**2))
        return [float(c) for c in least_squares(samples, self.terms)]


# Up to where no two numbers bring the result back.
BEYOND = [Beyond(np.float32, 14.0, 30.0, 1), Beyond(np.float64, 41.5, 66.0, 2)]


def shortest(value: float, dtype: type) -> str:
    return np.format_float_scientific(dtype(value), unique=True, trim="-")


def main() -> None:
    for fit in FITS:
        coefficients, error = rounded(fit)
        low, high = fit.interval
        title = f"{fit.name}, {fit.dtype.__name__}, [{float(low):.4f}, {float(high):.4f}]"
        print(f"{title}: relative error 2**{error:.1f}")
        for i, c in enumerate(coefficients):
            power = max(i - fit.pair, 0)
            print(f"    {power:2d}  {shortest(c, fit.dtype)}")
    for beyond in BEYOND:
        title = f"mills beyond {beyond.start:.1f}, {beyond.dtype.__name__}"
        print(f"{title}: short of (x - {beyond.start:.1f})**2 times")
        for i, c in enumerate(beyond.numbers()):
            print(f"    {i:2d}  {c:.3g}")
    for words in WORDS:
        print(f"1 / (2 * pi), {words.dtype.__name__}, in words of {words.bits} bits; 2 * pi, high and low")
        for i, word in enumerate(words.turn()):
            print(f"    {i:2d}  {shortest(word, words.dtype)}")
        print(f"        {', '.join(shortest(part, words.dtype) for part in words.tau())}")


if __name__ == "__main__":
    main()
