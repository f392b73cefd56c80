"""Teams: the threads that have a row together, as in teams.cuh, and which there are for what is computed of it."""

import functools
from dataclasses import dataclass

from fastloa_kernels.engines import RowForm
from fastloa_kernels.records import PairedLoss, Projection, ProjectionLoss, RowLoss, Rowwise, VectorLoss
from fastloa_kernels.sums import BLOCK

THREADS, WARP = 256, 32  # as in map.cuh and sum.cuh
CLUSTERS = (2, 4, 8)  # how many blocks may have a row together, where a device has clusters


@dataclass(frozen=True)
class Team:
    """A way to share out the rows: up to `limit` classes, `rows` of them to a block of at most `threads`.

    Without a limit, `blocks` of threads have one row, whose warps take each `sums.BLOCK` of it in turn.
    """

    suffix: str
    kind: str
    limit: int | None
    rows: int
    threads: int
    blocks: int = 1


@functools.cache
def teams(held: int, most: int) -> tuple[Team, ...]:
    """The kinds of teams, for longer and longer rows, whose threads hold `held` elements each.

    Blocks of many threads, which have few registers, leave rows that they do not hold to blocks of at most `most`, one
    or a cluster for each.
    """
    found = [
        Team(f"lanes{lanes}", f"LaneTeam<{held}, {lanes}>", lanes * held, THREADS // lanes, THREADS)
        for lanes in (1, 2, 4, 8, 16, 32)
    ]
    for threads in (64, 128, 256, 512, 1024):
        block = min(threads * held, BLOCK)
        kind = f"BlockTeam<{held}, {block}, {threads * held // block}>"
        found.append(Team(f"span{threads}", kind, threads * held, 1, threads))
    strips = (
        Team(f"strip{blocks}", f"StripTeam<{held}, {BLOCK}, {blocks}>", None, 1, most, blocks)
        for blocks in (1, *CLUSTERS)
    )
    return *found, *strips


def activation_teams(record: Rowwise | Projection, dtype: str) -> tuple[Team, ...]:
    """With fewer elements a thread where registers do not allow more: projections compute in float64."""
    if isinstance(record, Projection):
        return teams(4, 512) if dtype == "float32" else teams(2, 384)
    return teams(8, 768) if dtype == "float32" else teams(4, 512)


def loss_teams(record: RowLoss | ProjectionLoss, dtype: str, form: RowForm) -> tuple[Team, ...]:
    """With fewer elements a thread where registers do not allow more: targets, weights and bent losses take some."""
    if dtype == "float32" and isinstance(record, RowLoss):
        return teams(8, 768) if form.labels and not (form.weighted or record.bent) else teams(4, 512)
    return teams(2, 384)


def vector_teams(dtype: str, record: VectorLoss | PairedLoss) -> tuple[Team, ...]:
    """With so many elements of each vector a thread as registers allow."""
    few = isinstance(record, PairedLoss) or record.vectors + record.sums <= 5
    return teams(4, 512) if dtype == "float32" and few else teams(2, 384)
