"""What losses of alignments should give, in mpmath: by all paths there are, and for long sequences by their recurrence."""

from itertools import groupby, product

from mpmath import mp, mpf


def ctc_paths(frames, labels, blank):
    """Give the loss and its derivatives from each path, of the exponentials of a sequence's frames."""
    count, classes = len(frames), len(frames[0]) if frames else 0
    shares = [[mpf(0)] * classes for _ in frames]
    for path in product(range(classes), repeat=count):
        if [k for k, _ in groupby(path) if k != blank] == list(labels):
            share = mp.fprod(mp.exp(frame[k]) for frame, k in zip(frames, path, strict=True))
            for t, k in enumerate(path):
                shares[t][k] += share
    total = mp.fsum(shares[0]) if count else mpf(not len(labels))
    return -mp.log(total) if total else mp.inf, [[-share / total for share in row] for row in shares] if total else None


def ctc_likelihood(frames, labels, blank):
    """Give the loss by the textbook's recurrence over products of probabilities, which mpmath never rounds to 0."""
    states = [blank, *(k for label in labels for k in (label, blank))]
    alphas = [mpf(s == 0) for s in range(len(states))]
    for frame in frames:
        alphas = [
            mp.exp(frame[k])
            * (
                alphas[s]
                + (alphas[s - 1] if s > 0 else 0)
                + (alphas[s - 2] if s > 1 and k not in (blank, states[s - 2]) else 0)
            )
            for s, k in enumerate(states)
        ]
    return -mp.log(mp.fsum(alphas[-2:]))
