"""The plots of the page, as SVG."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.performance.bars import COPY, Results, ratio_of

TITLES = {
    "copy": "Share of a copy of as many bytes, 2^24 elements (losses 2^22)",
    "speedup": "How many times as long PyTorch takes, by the number of elements",
    "threads": "Speed-up over one thread, 2^24 elements",
}


def draw(results: Results, folder: Path) -> None:
    """Draw them all."""
    folder.mkdir(parents=True, exist_ok=True)
    mpl.rcParams["svg.hashsalt"] = "fastloa"  # the same file of the same results
    for name, figure in (("copy", _copy(results)), ("speedup", _speedup(results)), ("threads", _threads(results))):
        figure.suptitle(TITLES[name], fontsize="medium")
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})


def _copy(results: Results) -> Figure:
    sections = (results.get(name, []) for name in ("large", "losses", "optimizers"))
    rows = [row for rows in sections for row in rows if ratio_of(row, COPY)]
    rows.sort(key=lambda row: row["share_of_copy"])
    figure = Figure(figsize=(8.0, 0.16 * len(rows) + 1.0), layout="constrained")
    axes = figure.subplots()
    axes.barh([row["name"] for row in rows], [100 * row["share_of_copy"] for row in rows], color="tab:blue")
    axes.axvline(100, color="grey", lw=0.8)
    axes.tick_params(axis="y", labelsize=5)
    axes.set(xlabel="percent", ylim=(-1, len(rows)))
    return figure


def _speedup(results: Results) -> Figure:
    lines: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for row in results.get("sizes", []):
        ratio = ratio_of(row, "PyTorch")
        if ratio is not None:
            lines[row["name"]].append((row["shape"][0], ratio))
    figure = Figure(figsize=(8.0, 4.5), layout="constrained")
    axes = figure.subplots()
    _lines(axes, lines)
    axes.axhline(1.0, color="grey", lw=0.8)
    axes.set(xscale="log", yscale="log", xlabel="elements", ylabel="times as long")
    return figure


def _threads(results: Results) -> Figure:
    single = {row["name"]: row["seconds"] for row in results.get("threads", []) if row["threads"] == 1}
    lines: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for row in results.get("threads", []):
        for who in ("fastloa", "PyTorch"):
            if who in row["seconds"] and who in single[row["name"]]:
                ratio = single[row["name"]][who]["median"] / row["seconds"][who]["median"]
                lines[f"{row['name']}, {who}"].append((row["threads"], ratio))
    figure = Figure(figsize=(8.0, 4.5), layout="constrained")
    axes = figure.subplots()
    _lines(axes, lines)
    axes.set(
        xlabel="threads", ylabel="times as fast", xticks=sorted({row["threads"] for row in results.get("threads", [])})
    )
    return figure


def _lines(axes: Any, lines: dict[str, list[tuple[int, float]]]) -> None:
    for name, points in lines.items():
        axes.plot(*zip(*points, strict=True), marker=".", label=name)
    axes.legend(fontsize="x-small")
    axes.grid(alpha=0.3)
