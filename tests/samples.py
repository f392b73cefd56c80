"""What operands the tests draw: the same in every run, of all sizes, and with the points at which things go wrong."""

import zlib

import numpy as np


def rng_for(*names):
    return np.random.default_rng(zlib.crc32("-".join(names).encode()))


def stratified(rng, low, high, count, dtype):
    """Give one number of each of `count` equal parts of the domain, in random order, and both ends."""
    inner = low + (high - low) * (np.arange(count) + rng.random(count)) / count
    return np.concatenate([rng.permutation(inner), [low, high]]).astype(dtype)


def magnitudes(rng, low, high, count, dtype):
    """Give numbers of all magnitudes, as far as they lie in the domain."""
    info = np.finfo(dtype)
    size = 2.0 ** rng.uniform(info.minexp - info.nmant, np.log2(max(abs(low), abs(high))), count)
    points = (size * rng.choice([-1.0, 1.0], count)).astype(dtype)
    return points[(points >= low) & (points <= high)]


def common_hard(dtype):
    """Give the points at which every elementwise function is asked."""
    info = np.finfo(dtype)
    ends = (
        0.0,
        info.smallest_subnormal,
        info.tiny,
        info.eps,
        1.0,
        np.nextafter(info.dtype.type(1), 2),
        info.max,
        np.inf,
    )
    return [*ends, *(-x for x in ends)]


def points_of(rng, domain, dtype, count, hard=()):
    """Give a sample of a domain, and the hard points."""
    inside = [stratified(rng, *domain, count, dtype), magnitudes(rng, *domain, count // 2, dtype)]
    return np.concatenate([*inside, np.array(hard, dtype)])


def with_gradient(name, x, dtype):
    g = rng_for(name, "gradient", dtype).uniform(0.5, 2.0, x.size)
    return (g * np.where(np.arange(x.size) % 3, 1.0, -1.0)).astype(dtype), x


def grid(*axes):
    return [axis.reshape(-1) for axis in np.meshgrid(*axes)]


def matrix(dtype):
    """Give rows whose differences are exact, of all widths; well classified rows; huge scores; and infinities."""
    rng, info, inf = rng_for("matrix", dtype), np.finfo(dtype), np.inf
    wide, most = (80.0, 37.0) if dtype == "float32" else (700.0, 300.0)
    rows = [np.round(rng.normal(size=7) * scale * 64) / 64 for scale in (0.05, 0.5, 1, 2, 5, 10, 20, 40) * 3]
    rows += [np.roll([0.0, gap, gap - 1, gap / 2, -gap, 1, 2], i) for i, gap in enumerate((17, 20, 40, wide, 2 * wide))]
    rows += [*(rng.normal(size=(8, 7)) * 10.0 ** rng.uniform(0.0, most, (8, 7)))]  # differences lose as much as 1 here
    rows += [
        [1.5] * 7, [0.0] * 7, [-inf, 0, 1, -inf, 2, 0, 0], [inf, 0, 1, -inf, 2, 0, 0], [inf, inf, 0, 0, 0, 0, 0],
        [-inf] * 7, [inf] * 7, [float(info.max), float(-info.max), 0, 0, 1, -1, 0], [0, 0, 0, 0, 0, 0, -inf],
    ]  # fmt: skip
    return np.array(rows, dtype)


def row_seeds(x):
    """Give a number for each row that follows from what it holds, wherever it stands and in whatever dtype."""
    return np.array([zlib.crc32(row.tobytes()) for row in x.astype(np.float64)], np.int64)


def embeddings(dtype, vectors):
    """Give rows of vectors of all sizes, alike, opposite, and of zeros."""
    rng = rng_for("embeddings", dtype)
    size = (np.array([1.0, 1.0, 1e-3, 30.0, 1e6, 1e18]) * 2)[:, None]
    drawn = [size * rng.normal(size=(6, 7)) for _ in range(vectors)]
    first = rng.normal(size=7)
    hard = [
        [first, first, first, np.zeros(7), first, np.eye(7)[0]],
        [2 * first, -first, 1.001 * first, first, first, np.eye(7)[0] + np.eye(7)[1]],
    ]
    hard.append([3.0 * first, np.ones(7), first, first, np.zeros(7), 0.25 * np.eye(7)[2]])
    return tuple(np.concatenate([drawn[i], hard[i]]).astype(dtype) for i in range(vectors))


def overlaps(dtype):
    """Give rows of probabilities and of targets, half of them labels: of any size, equal, apart, and of zeros."""
    rng = rng_for("overlaps", dtype)
    p, t = rng.random((2, 12, 7))
    t[::2] = t[::2] > 0.5
    p[1] *= 1e-6
    p[2] = t[2]
    p[3] = 1.0 - 1e-7 * p[3]
    p[4] = 1.0 - t[4]
    p[5] = t[5] = 0.0
    p[6] = 0.0
    return p.astype(dtype), t.astype(dtype)


def logits(dtype):
    """Give rows of logits of any size, with infinities, and of labels and probabilities."""
    z = np.concatenate([matrix(dtype)[::3], np.array([[np.inf, -np.inf, 0.0, -0.0, 1e-30, -90.0, 800.0]], dtype)])
    t = rng_for("logits", dtype).random(z.shape)
    t[::2] = t[::2] > 0.5
    return z, t.astype(dtype)


def label_sets(x, most):
    """Give rows of that many labels, different ones up to the first -1, of any number; see `row_seeds`."""
    found = np.full((len(x), most), -1)
    for row, seed in enumerate(row_seeds(x)):
        rng = np.random.default_rng(seed)
        count = int(rng.integers(1, most + 1)) if most < x.shape[1] else int(rng.integers(0, most + 1))
        found[row, :count] = rng.permutation(x.shape[1])[:count]
    return found
