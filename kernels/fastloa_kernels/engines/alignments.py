"""Where losses of alignments keep what they compute: a room of rows for each sequence, of a number a state.

Its rows are the engine's own two, the states seen from the end at two frames, their probabilities at two frames, and
the states seen from the start, at all frames and before them, or at two where there is no gradient. States that are
seen have two rows, high and low.
"""

BETAS, POSTERIORS, ALPHAS = 2, 6, 8
LINKS = 3  # rows of integers: a state's class, the next state with its label, and whether none came before


def at_a_time(count: int, shape: tuple[int, int], most: int) -> int:
    """For how many of so many sequences there are rooms, of `most` numbers in all, or of one sequence."""
    return min(count, max(1, most // (shape[0] * shape[1])))


def room_shape(frames: int, labels: int, *, grad: bool) -> tuple[int, int]:
    """The rows of a room, and the numbers in a row, for so many frames and labels at most: two more than states."""
    return ALPHAS + 2 * (frames + 1 if grad else 2), 2 * labels + 3
