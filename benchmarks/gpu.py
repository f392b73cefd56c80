"""Writes ``docs/gpu.md`` from ``benchmarks/results/gpu``: ``python benchmarks/gpu.py``."""

import json
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fastloa.cli.bench_report import duration, times

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "benchmarks" / "results" / "gpu"
LEDGER = ROOT / "tests" / "cubins.json"
TARGET = ROOT / "docs" / "gpu.md"
BAR = {"float32": 0.9, "float64": 0.9, "float16": 0.85, "bfloat16": 0.85}

HEAD = """\
# On a GPU: what was measured

This page is written by `python benchmarks/gpu.py` from `benchmarks/results/gpu`, which comes from

    benchmarks/device.sh

on {device} (driver for CUDA {driver}), with Python {python}, NumPy {numpy}, CuPy {cupy} and PyTorch {torch}. A copy on
the device moves {copy} TB/s, reading and writing counted.

- **a call** is the median of the samples, taken in turns with the others: by the device's clock, with arrays that no
  cache holds, or by the host's, for the calls on few elements and the steps over many arrays.
- **of a copy** is the time of a copy that moves as many bytes as the call must (what it reads and what it writes, once
  each), as a part of the call's.
- **× PyTorch** and the others are how many times as long they take: CuPy's as people write it, PyTorch's with `out=`
  where it has that, losses forward and backward by autograd. Whoever disagrees with fastloa's results is not timed.
- fastloa's calls are those of the `cupy` engine, with `out=`, but for those named (new), which allocate their result.

An H200 has time for some 60 instructions a float32 element at the speed of its memory. Where a formula takes more to
stay within its ulp, and to give the CPU's bits, these bound it: GELU, Mish, softplus, SiLU, cross entropies, and most
in 16 bits, of which twice as many elements arrive. Rows are bound by the exponential that carries what rounding x - m
loses, and by float64 sums; beyond 8,192 elements, which a block of threads holds, a cluster of up to eight blocks keeps
in shared memory what fits, and reads the rest again.

"""

TESTS = """\
## Bits

The tests below hold the device's results against the CPU's, bit for bit (NaN is NaN): {what}. {verdict}

"""

MACHINE_CODE = """\
## Machine code

Without a GPU, `tests/test_cubins.py` holds {kernels:,} kernels of the `cupy` engine, in {cells} cells of operations,
dtypes and compute capabilities, to a ledger (`tests/cubins.json`, by {compiler}): 16 bytes at an access, at most 64
registers (or what `tests/cubins.py` gives its kind, and why), nothing spilled, no float64 that is not asked for. It may
only improve; `python -m tests.cubins` writes it. Beyond their budget, most for powers and logarithms of the gamma
function as pairs of numbers, and strided ones for the places of many arrays, are {beyond}:

{lines}

"""

MISSING = """\
## Not yet measured

{missing}.
"""


def main() -> None:
    """Write the page."""
    machine = load("machine")
    config = machine["config"]
    copy = max(machine["copies"].values()) / 1e12
    head = HEAD.format(
        device=config["cuda"]["devices"], driver=config["cuda"]["driver"], python=config["python"],
        numpy=config["packages"]["numpy"], cupy=config["packages"]["cupy"], torch=config["packages"]["torch"],
        copy=f"{copy:.2f}",
    )  # fmt: skip
    parts = [head, *sections(), tests(), machine_code(), missing()]
    TARGET.write_text("".join(parts))
    print(f"written: {TARGET}")


def load(name: str) -> Any:
    """One file of the results; nothing where it is missing."""
    path = SOURCE / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def rows(name: str) -> list[dict[str, Any]]:
    """The rows of a table that were measured."""
    found = load(name)
    return [row for row in found["rows"] if "fastloa" in row["seconds"]] if found else []


def sections() -> Iterator[str]:
    """The tables, each with what falls short of its bar."""
    yield section(
        "Elementwise work, losses and steps", "bandwidth",
        "The bar: 90 % of a copy (85 % in 16 bits), and no slower than PyTorch.", short_of_copy,
    )  # fmt: skip
    yield section(
        "Rows", "rows",
        "Softmax, its kin and losses of rows with their gradients over 2**26 elements. The bar: 85 % of a copy, and no "
        "slower than PyTorch.", lambda row: short_of_copy(row, 0.85),
    )  # fmt: skip
    yield section(
        "Calls on one element", "launches",
        "One element, or a row of three: what a call costs beside its work. The bar: within 2 µs of PyTorch's.",
        short_of_launch,
    )  # fmt: skip
    yield section(
        "A thousand arrays of a thousand parameters", "arrays",
        "A step over all of them. The bar: three times as fast as PyTorch's fastest.", short_of_arrays,
    )  # fmt: skip


def section(title: str, name: str, text: str, short: Callable[[dict[str, Any]], str | None]) -> str:
    """One table."""
    found = rows(name)
    if not found:
        return f"## {title}\n\n{text} Not yet measured.\n\n"
    text = " ".join([text, *filter(None, [load(name).get("note")])])
    rivals = list(dict.fromkeys(name for row in found for name in row["times"]))
    shares = any(row["share_of_copy"] is not None for row in found)
    heads = [
        "call",
        "dtype",
        "shape",
        "a call",
        *(["of a copy"] if shares else []),
        *(f"× {rival}" for rival in rivals),
    ]
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * 3}{'---:|' * (len(heads) - 3)}"]
    for row in found:
        cells = [
            f"`{row['name']}`", row["dtype"], " × ".join(f"{n:,}" for n in row["shape"]),
            duration(row["seconds"]["fastloa"]["median"]), *([percent(row["share_of_copy"])] if shares else []),
            *(times(row["times"].get(rival)) for rival in rivals),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    missed = [f"- `{row['name']}`, {row['dtype']}, {'x'.join(map(str, row['shape']))}: {why}"
              for row in found if (why := short(row)) is not None]  # fmt: skip
    summary = means(found, rivals)
    below = f"{len(found) - len(missed)} of {len(found)} rows reach the bar. The others:\n\n" + "\n".join(missed)
    verdict = below if missed else f"All {len(found)} rows reach the bar."
    return f"## {title}\n\n{text}\n\n" + "\n".join(lines) + f"\n\n{summary}\n\n{verdict}\n\n"


def percent(share: float | None) -> str:
    """A share for people to read."""
    return "–" if share is None else f"{100 * share:.0f} %"


def means(found: list[dict[str, Any]], rivals: list[str]) -> str:
    """How many times as long each of the others takes on the whole."""
    ratios = {rival: [row["times"][rival] for row in found if rival in row["times"]] for rival in rivals}
    parts = [
        f"{rival} {times(math.exp(sum(map(math.log, numbers)) / len(numbers)))} ({len(numbers)} rows)"
        for rival, numbers in ratios.items()
    ]
    return f"Geometric means of the times of others: {', '.join(parts)}." if parts else ""


def short_of_copy(row: dict[str, Any], bar: float | None = None) -> str | None:
    """Why a row of work that memory bounds falls short."""
    least = BAR[row["dtype"]] if bar is None else bar
    reasons = []
    if row["share_of_copy"] is not None and row["share_of_copy"] < least:
        reasons.append(f"{percent(row['share_of_copy'])} of a copy")
    ratio = row["times"].get("PyTorch")
    if ratio is not None and ratio < 0.95:
        reasons.append(f"PyTorch takes {times(ratio)} of its time")
    return ", ".join(reasons) or None


def short_of_launch(row: dict[str, Any]) -> str | None:
    """Why a call on few elements falls short."""
    torch = row["seconds"].get("PyTorch")
    late = torch and row["seconds"]["fastloa"]["median"] - torch["median"]
    return f"{duration(late)} more than PyTorch" if late and late > 2e-6 else None


def short_of_arrays(row: dict[str, Any]) -> str | None:
    """Why a step over many arrays falls short."""
    ratios = {name: ratio for name, ratio in row["times"].items() if name.startswith("PyTorch")}
    if not ratios or min(ratios.values()) >= 3.0:
        return None
    fastest = min(ratios, key=ratios.__getitem__)
    return f"{fastest} takes {times(ratios[fastest])} times as long"


def tests() -> str:
    """What the tests on the device said."""
    names = {
        "kernels": "kernels of the `cupy` engine and CuPy's arrays through public calls on both engines",
        "numba_cuda": "kernels of the `cuda` engine",
        "public": "NumPy's arrays through public calls on both engines",
        "families": "the other kinds of losses and activations, 16 bits and random numbers",
        "sanitizer": "and compute-sanitizer, which watches the memory of a few calls of every kind",
    }
    found = {name: load(name) for name in names}
    run = {name: result for name, result in found.items() if result is not None}
    if not run:
        return ""
    verdict = "; ".join(
        f"{name}: {result['summary'].strip('= ')}"
        + " when the time was up" * (result["status"] == 124)
        + (f" ({result['note']})" if "note" in result else "")
        for name, result in run.items()
    )
    return TESTS.format(what="; ".join(names[name] for name in run), verdict=f"What they said: {verdict}.")


def machine_code() -> str:
    """What the ledger of machine code has beyond its budget, by its cells without what they are compiled for."""
    ledger = json.loads(LEDGER.read_text())
    found: dict[str, list[str]] = defaultdict(list)
    for name, cell in ledger["cells"].items():
        found[re.sub(r"^\w+\.| sm_\d+$", "", name)] += map(" ".join, cell["beyond"].values())
    lines = [f"- {name}: {len(reasons)}, with {worst(reasons)}" for name, reasons in found.items() if reasons]
    return MACHINE_CODE.format(
        kernels=sum(len(cell["kernels"]) for cell in ledger["cells"].values()), cells=len(ledger["cells"]),
        compiler=ledger["compiler"], beyond=sum(map(len, found.values())), lines="\n".join(lines),
    )  # fmt: skip


def worst(reasons: list[str]) -> str:
    """The most of each thing that there is too much of."""
    units = {"registers": "registers", "bytes on its stack": "bytes of stack"}
    most = {unit: [int(n) for reason in reasons for n in re.findall(rf"(\d+) {unit}", reason)] for unit in units}
    return " or ".join(f"up to {max(numbers)} {units[unit]}" for unit, numbers in most.items() if numbers)


def missing() -> str:
    """What no result says."""
    everything = [row for name in ("bandwidth", "rows") for row in rows(name)]
    absent = [
        *(f"`{name}`" for name in ("torch.compile",) if not any(name in row["times"] for row in everything)),
        *(["the speed of the `cuda` engine"] if not any("numba_cuda" in row["times"] for row in everything) else []),
        *([f"the tests `{name}`" for name in ("kernels", "numba_cuda", "public", "families") if load(name) is None]),
        *(["compute-sanitizer"] if load("sanitizer") is None else []),
        *(found["left_out"] for name in ("rows", "bandwidth") if "left_out" in (found := load(name) or {})),
        "other devices, and several of them",
    ]  # fmt: skip
    return MISSING.format(missing="; ".join(absent))


if __name__ == "__main__":
    main()
