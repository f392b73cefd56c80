"""What fastloa is to reach on two cores in float32, and what it did reach."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastloa.cli.bench_peers import GIVEN

Row = Mapping[str, Any]
Results = Mapping[str, list[dict[str, Any]]]

RELU_LIKE = {
    "relu", "leaky_relu", "relu6", "hardtanh", "hardshrink", "softshrink", "threshold", "squared_relu", "hardsigmoid",
    "hardswish",
}  # fmt: skip
LONG = {"gelu", "mish"}
FUSED = {"SGD", "Adam", "AdamW", "Adagrad"}  # what PyTorch fuses
# Rows, classes and the bar of cross entropy, and what it was.
WIDE = (65_536, 10, 4.0, 2.0), (8_192, 1_000, 3.0, None), (512, 50_257, 8.0, None)
COPY = "a copy"


@dataclass(frozen=True)
class Bar:
    """A bar: of the ratios of some rows to a rival the least, or their geometric mean.

    A ratio is how many times as long the rival takes; of a copy, the copy's time as a part of the call's. A bar that
    was beaten by far stands higher than it `was`.
    """

    work: str
    section: str
    rival: str
    bar: float
    mean: bool = False
    was: float | None = None
    chosen: Callable[[Row], bool] = lambda row: True

    def ratios(self, results: Results) -> dict[str, float]:
        """The ratios by the rows' names."""
        rows = [row for row in results.get(self.section, ()) if self.chosen(row)]
        found = {name_of(row): ratio_of(row, self.rival) for row in rows}
        return {name: ratio for name, ratio in found.items() if ratio is not None}

    def reached(self, ratios: Mapping[str, float]) -> float:
        """What counts of them."""
        return geometric_mean(ratios) if self.mean else min(ratios.values())


def name_of(row: Row) -> str:
    """A row's name, and its shape where that tells it from others."""
    return row["name"] if len(row["shape"]) == 1 else f"{row['name']} {' × '.join(f'{n:,}' for n in row['shape'])}"


def operation_of(row: Row) -> str:
    """The operation of a row, without form and options."""
    name: str = row["name"]
    return name.partition("(")[0].partition(".")[0]


def ratio_of(row: Row, rival: str) -> float | None:
    """How many times as long a rival takes; a copy's share."""
    found: float | None = row.get("share_of_copy") if rival == COPY else row.get("times", {}).get(rival)
    if rival == GIVEN and rival in row["seconds"]:
        found = row["seconds"][rival]["median"] / row["seconds"]["fastloa"]["median"]
    return found


def geometric_mean(ratios: Mapping[str, float]) -> float:
    """The mean of factors."""
    return math.exp(sum(map(math.log, ratios.values())) / len(ratios))


def _of(*names: str) -> Callable[[Row], bool]:
    return lambda row: operation_of(row) in names


def _cross_entropy(rows: int, classes: int) -> Callable[[Row], bool]:
    return lambda row: operation_of(row) == "cross_entropy" and row["shape"] == [rows, classes]


def _exp_like(row: Row) -> bool:
    return operation_of(row) not in RELU_LIKE | LONG


def _fused(row: Row) -> bool:
    return operation_of(row) in FUSED


BARS = (
    Bar("activations and backwards, 2^24 elements", "large", "PyTorch", 0.9),
    Bar("the same", "large", "PyTorch", 1.8, mean=True),
    Bar("relu-like ones", "large", COPY, 0.9, chosen=_of(*RELU_LIKE)),
    Bar("exp-like ones", "large", COPY, 0.6, chosen=_exp_like),
    Bar("gelu and mish", "large", COPY, 0.4, chosen=_of(*LONG)),
    Bar("activations and backwards, 2^14 elements", "cached", "PyTorch", 0.9),
    Bar("the same", "cached", "PyTorch", 2.0, mean=True),
    Bar("losses with gradients, 2^22 elements", "losses", "PyTorch", 1.2),
    Bar("the same", "losses", "PyTorch", 3.0, mean=True, was=2.0),
    *(
        Bar(f"cross_entropy, {n:,} × {m:,}", "rows", "PyTorch", bar, was=was, chosen=_cross_entropy(n, m))
        for n, m, bar, was in WIDE
    ),
    Bar("softmax and log_softmax, and their backwards", "rows", "PyTorch", 1.5, chosen=_of("softmax", "log_softmax")),
    Bar("optimizers that PyTorch fuses, 2^24 parameters", "optimizers", "PyTorch", 1.0, chosen=_fused),
    Bar("all others", "optimizers", "PyTorch", 4.0, chosen=lambda row: not _fused(row)),
    Bar("optimizers over 1,000 arrays of 1,000", "arrays", "PyTorch", 3.0),
    Bar("calls on 3 elements", "small", GIVEN, 1.5),
    Bar("calls on 3 elements", "small", "PyTorch", 1.5),
    Bar("activations and backwards, 2^24 elements", "large", "JAX", 3.0, mean=True, was=1.3),
    Bar("the same", "large", "numexpr", 5.0, mean=True, was=1.3),
    Bar("losses with gradients, 2^22 elements", "losses", "JAX", 2.0, mean=True, was=1.3),
    Bar("the same", "losses", "numexpr", 1.3, mean=True),
)


@dataclass(frozen=True)
class Limit:
    """What a start or a call may cost at most, in the unit given."""

    work: str
    section: str
    limit: float
    unit: str
    found: Callable[[Results], float]


def _seconds(what: str) -> Callable[[Results], float]:
    def found(results: Results) -> float:
        (median,) = (row["seconds"]["median"] for row in results["starts"] if row["what"] == what)
        return float(median)

    return found


def _import_beside_numpy(results: Results) -> float:
    return 1e3 * (_seconds("import fastloa")(results) - _seconds("import numpy")(results))


def _most_memory(results: Results) -> float:
    return max(row["bytes"] for row in results["memory"]) / 1024


LIMITS = (
    Limit("import, beside NumPy's", "starts", 50.0, "ms", _import_beside_numpy),
    Limit(
        "first call, compiled before",
        "starts",
        0.6,
        "s",
        _seconds("the first call of gelu on a million, from the disk"),
    ),
    Limit("first call, compiled then", "starts", 1.5, "s", _seconds("the first call of gelu on a million, compiled")),
    Limit("most that any call allocates beside its results", "memory", 1024.0, "KiB", _most_memory),
)
