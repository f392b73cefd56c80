"""What losses of rows of vectors should give: the textbook's definitions, in mpmath.

Gradients are differences of the losses, in so many digits that nothing is lost by them. With ``_terms`` after it stands
the size of the terms whose difference a result is, and so of its rounding errors.
"""

from mpmath import mp, mpf

LEAST = mpf(9.999999960041972e-13)  # what PyTorch adds, 1e-12 as float32 has it


def dot(a, b):
    return mp.fsum(x * y for x, y in zip(a, b, strict=True))


def slopes(loss, count):
    """Make the gradients of a loss in its first `count` vectors."""

    def gradients(*rows, **options):
        step = mp.ldexp(1, -mp.prec // 3)
        size = max([abs(x) for row in rows for x in row if x] or [mpf(1)])

        def moved(place, i, h):
            return loss(
                *([x + h * (n == i) for n, x in enumerate(row)] if k == place else row for k, row in enumerate(rows)),
                **options,
            )

        return [
            [(moved(k, i, step * size) - moved(k, i, -step * size)) / (2 * step * size) for i in range(len(rows[k]))]
            for k in range(count)
        ]

    return gradients


def cosine(a, b):
    return dot(a, b) / mp.sqrt((dot(a, a) + LEAST) * (dot(b, b) + LEAST))


def cosine_embedding_loss(a, b, t, margin):
    return 1 - cosine(a, b) if t == 1 else max(mpf(0), cosine(a, b) - margin)


def cosine_embedding_loss_terms(a, b, t, margin):
    return mpf(1)


def cosine_embedding_loss_grad_terms(a, b, t, margin):
    root, c = mp.sqrt((dot(a, a) + LEAST) * (dot(b, b) + LEAST)), abs(cosine(a, b))
    return [
        [abs(y) / root + c * abs(x) / (dot(u, u) + LEAST) for x, y in zip(u, v, strict=True)]
        for u, v in ((a, b), (b, a))
    ]


def length(a, eps):
    return max(mp.sqrt(dot(a, a)), eps)


def cosine_distance(a, b, eps):
    return 1 - dot(a, b) / length(a, eps) / length(b, eps)


def cosine_distance_terms(a, b, eps):
    return mpf(1)


def cosine_distance_grad(a, b, eps):
    """As in PyTorch, to which lengths raised to eps are constants, but for their own derivative."""
    c = 1 - cosine_distance(a, b, eps)
    return [
        [c * (x / mp.sqrt(dot(u, u)) if x else 0) / length(u, eps) - y / length(u, eps) / length(v, eps)
         for x, y in zip(u, v, strict=True)] for u, v in ((a, b), (b, a))
    ]  # fmt: skip


def cosine_distance_grad_terms(a, b, eps):
    return [
        [(abs(x) / mp.sqrt(dot(u, u)) if x else 0) / length(u, eps) + abs(y) / length(u, eps) / length(v, eps)
         for x, y in zip(u, v, strict=True)] for u, v in ((a, b), (b, a))
    ]  # fmt: skip


def distance(a, b, p, eps):
    return mp.fsum(abs(x - y + eps) ** p for x, y in zip(a, b, strict=True)) ** (1 / p)


def distances(a, b, c, p, eps, swap):
    far = distance(a, c, p, eps)
    return distance(a, b, p, eps), min(far, distance(b, c, p, eps)) if swap else far


def triplet_margin_loss(a, b, c, margin, p, eps, swap):
    near, far = distances(a, b, c, p, eps, swap)
    return max(mpf(0), near - far + margin)


def triplet_margin_loss_terms(a, b, c, margin, p, eps, swap):
    return max(*distances(a, b, c, p, eps, swap), margin)


def triplet_margin_loss_grad_terms(a, b, c, margin, p, eps, swap):
    return [[mpf(1)] * len(a)] * 3


def tversky_loss(p, t, alpha, beta, smooth):
    both, wrong, absent = dot(p, t), dot(p, [1 - x for x in t]), dot(t, [1 - x for x in p])
    whole = both + alpha * wrong + beta * absent + smooth
    return 1 - (both + smooth) / whole if whole else mpf(0)


def tversky_loss_terms(p, t, alpha, beta, smooth):
    return tversky_loss(p, t, alpha, beta, smooth)


def tversky_loss_grad_terms(p, t, alpha, beta, smooth):
    whole = dot(p, t) + alpha * dot(p, [1 - x for x in t]) + beta * dot(t, [1 - x for x in p]) + smooth
    return [[((alpha + beta) / whole if whole else mpf(0)) for _ in p]]


def dice_loss(p, t, smooth):
    whole = mp.fsum(p) + mp.fsum(t) + smooth
    return 1 - (2 * dot(p, t) + smooth) / whole if whole else mpf(0)


def dice_loss_terms(p, t, smooth):
    return dice_loss(p, t, smooth)


def dice_loss_grad_terms(p, t, smooth):
    return tversky_loss_grad_terms(p, t, mpf(1) / 2, mpf(1) / 2, smooth / 2)


def jaccard_loss(p, t, smooth):
    whole = mp.fsum(p) + mp.fsum(t) - dot(p, t) + smooth
    return 1 - (dot(p, t) + smooth) / whole if whole else mpf(0)


def jaccard_loss_terms(p, t, smooth):
    return jaccard_loss(p, t, smooth)


def jaccard_loss_grad_terms(p, t, smooth):
    return tversky_loss_grad_terms(p, t, mpf(1), mpf(1), smooth)


cosine_embedding_loss_grad = slopes(cosine_embedding_loss, 2)
triplet_margin_loss_grad = slopes(triplet_margin_loss, 3)
tversky_loss_grad, dice_loss_grad, jaccard_loss_grad = (slopes(f, 1) for f in (tversky_loss, dice_loss, jaccard_loss))
