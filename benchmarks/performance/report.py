"""Writes ``docs/performance.md`` and its plots from the results."""

import json
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

from benchmarks.performance import plots
from benchmarks.performance.bars import BARS, COPY, LIMITS, Bar, Results, geometric_mean, name_of, ratio_of
from fastloa.cli.bench_report import duration, times

WHY = Path(__file__).with_name("why.toml")
DOCS = Path(__file__).parents[2] / "docs"
RIVALS = ("PyTorch", "torch.compile", "JAX", "numexpr", "NumPy")
SECTIONS = {
    "large": "Activations, 2^24 elements",
    "cached": "Activations, 2^14 elements",
    "losses": "Losses with gradients, 2^22 elements",
    "rows": "Rows",
    "halves": "In 16 bits: 2^22 elements, and rows",
    "optimizers": "Optimizers, 2^24 parameters",
    "arrays": "Optimizers over 1,000 arrays of 1,000 parameters",
    "small": "Calls on three elements",
    "sizes": "From a hundred elements to a hundred million",
}

HEAD = """\
# On a CPU: what was measured

This page and its plots are written by `python -m benchmarks.performance report` from `benchmarks/results/cpu`, which
comes from `python -m benchmarks.performance measure` ({minutes:.0f} minutes, on a machine that does nothing else):
{cpu}, {cores} cores, {threads} threads, Python {python}, NumPy {numpy}, numba {numba}, PyTorch {torch}, JAX {jax}
and numexpr {numexpr}. `fastloa bench --compare` prints the same for operations, sizes and dtypes of your choice.

All is float32 where no table says otherwise. Calls are timed in turns, and a call's time is the median of {repeat}
samples. **× PyTorch** is how many times as long PyTorch takes: with `out=` where it has that, losses forward and
backward by autograd, optimizers by the fastest of its variants; **of a copy** is the time of a copy that moves as many
bytes as the call must, as a part of the call's. JAX and `torch.compile` are compiled and warm. Whoever disagrees with
fastloa's results is not timed. Machines of the cloud are noisy: a ratio may be off by a tenth in another run, and by
more between kinds of machine.

"""


def write(folder: Path, docs: Path = DOCS) -> None:
    """Write the page and the plots, and print the bars."""
    found = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}
    results: Results = {name: one["rows"] for name, one in found.items()}
    (docs / "performance.md").write_text("".join(_page(found, results)))
    plots.draw(results, docs / "performance")
    print("".join(_bars(results)))
    print(f"written: {docs / 'performance.md'}")


def _page(found: dict[str, Any], results: Results) -> Iterator[str]:
    first = next(iter(found.values()))
    config = first["config"]
    packages = config["packages"]
    yield HEAD.format(
        minutes=sum(one["seconds"] for one in found.values()) / 60, repeat=first["repeat"],
        cpu=config["machine"]["cpu"],
        cores=config["machine"]["cores"], threads=config["threads"], python=config["python"], numpy=packages["numpy"],
        numba=packages["numba"], torch=packages["torch"], jax=packages["jax"], numexpr=packages["numexpr"],
    )  # fmt: skip
    yield "## The bars\n\n"
    yield from _bars(results)
    yield "\nWhat is missed, and why:\n\n"
    yield from _missed(results)
    yield "\n"
    over = [
        f"`{row['name']}` {row['bytes'] / 2**20:.1f} MiB" for row in results.get("memory", []) if row["bytes"] > 2**20
    ]
    yield f"Allocate more than 1 MiB beside their results: {', '.join(over)}.\n\n" if over else ""
    yield from _plots()
    for name, title in ((name, title) for name, title in SECTIONS.items() if name in results):
        yield f"## {title}\n\n{_table(results[name])}\n\n{_means(results[name])}\n\n"
    if "starts" in results:
        yield _starts(results)


def _bars(results: Results) -> Iterator[str]:
    """The bars, and what was reached of each."""
    yield "| work | against | | fastloa | bar | |\n|---|---|---|---:|---:|---|\n"
    for bar, ratios in _measured(results):
        reached = bar.reached(ratios)
        kind = f"mean of {len(ratios)}" if bar.mean else f"least of {len(ratios)}" if len(ratios) > 1 else ""
        least = f"{bar.bar}" + (f" (was {bar.was})" if bar.was else "")
        yield f"| {bar.work} | {bar.rival} | {kind} | {reached:.2f} | {least} | {_verdict(reached >= bar.bar)} |\n"
    for limit in (limit for limit in LIMITS if limit.section in results):
        value = limit.found(results)
        verdict = _verdict(value <= limit.limit)
        yield f"| {limit.work} | | | {value:.3g} {limit.unit} | at most {limit.limit:g} | {verdict} |\n"


def _verdict(reached: bool) -> str:
    return "reached" if reached else "**missed**"


def _measured(results: Results) -> Iterator[tuple[Bar, dict[str, float]]]:
    """The bars of which there are results, with them."""
    return ((bar, ratios) for bar in BARS if (ratios := bar.ratios(results)))


def _missed(results: Results) -> Iterator[str]:
    """The rows below the bars that are missed, and why: of all bars of a section and a rival together."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for bar, ratios in _measured(results):
        if bar.reached(ratios) < bar.bar:
            below = [
                f"`{name}` {ratio:.2f}" for name, ratio in sorted(ratios.items(), key=itemgetter(1)) if ratio < bar.bar
            ]
            short = (
                f"a mean of {bar.reached(ratios):.2f} for {bar.bar}"
                if bar.mean
                else f"below {bar.bar} " + ", ".join(below)
            )
            found[bar.section, bar.rival].append(short)
    reasons = tomllib.loads(WHY.read_text())
    for (section, rival), short in found.items():
        why = " ".join(reasons.get(section, {}).get(rival, "Not yet looked into.").split())
        yield f"- **{SECTIONS[section]}, against {rival}**: {'; '.join(short)}. {why}\n"
    for limit in LIMITS:
        if limit.section in results and limit.found(results) > limit.limit:
            why = " ".join(reasons["limits"].get(limit.section, "Not yet looked into.").split())
            yield f"- **{limit.work[0].upper()}{limit.work[1:]}**: {why}\n"


def _plots() -> Iterator[str]:
    yield "## Plots\n\n"
    for name, text in plots.TITLES.items():
        yield f"![{text}](performance/{name}.svg)\n\n"


def _table(rows: list[dict[str, Any]]) -> str:
    rivals = [rival for rival in RIVALS if any(rival in row.get("times", {}) for row in rows)]
    shares = any(ratio_of(row, COPY) for row in rows)
    dtypes = any("dtype" in row for row in rows)
    heads = [
        "call",
        *(["dtype"] if dtypes else []),
        "shape",
        "a call",
        *(["of a copy"] if shares else []),
        *(f"× {rival}" for rival in rivals),
    ]
    lines = [f"| {' | '.join(heads)} |", f"|---|{'---:|' * (len(heads) - 1)}"]
    for row in rows:
        share, shape = ratio_of(row, COPY), " × ".join(f"{n:,}" for n in row["shape"])
        cells = [
            f"`{row['name']}`", *([row["dtype"]] if dtypes else []), shape,
            duration(row["seconds"]["fastloa"]["median"]),
            *(["–" if share is None else f"{100 * share:.0f} %"] if shares else []),
            *(times(ratio_of(row, rival)) for rival in rivals),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _means(rows: list[dict[str, Any]]) -> str:
    parts = []
    for rival in RIVALS:
        ratios = {
            f"{name_of(row)} {row['shape']} {row.get('dtype')}": ratio
            for row in rows
            if (ratio := ratio_of(row, rival)) is not None
        }
        if ratios:
            parts.append(f"{rival} {times(geometric_mean(ratios))} ({len(ratios)} rows)")
    return f"Geometric means of the times of others: {', '.join(parts)}."


def _starts(results: Results) -> str:
    lines = ["## Starts", "", "| what | time |", "|---|---:|"]
    lines += [f"| {row['what']} | {duration(row['seconds']['median'])} |" for row in results["starts"]]
    return "\n".join(lines) + "\n"
