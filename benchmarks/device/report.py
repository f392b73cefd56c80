"""The tables for people to read: in a terminal, and in ``docs/gpu.md``."""

from typing import TYPE_CHECKING, Any

from fastloa.cli.bench_report import duration, times

if TYPE_CHECKING:
    from benchmarks.device.tables import Row

RIVALS = ("numba_cuda", "CuPy", "PyTorch", "PyTorch fused", "PyTorch foreach", "torch.compile")


def plain(rows: list["Row"]) -> list[dict[str, Any]]:
    """Rows as plain values; times are in seconds."""
    return [
        {
            "table": row.table,
            "name": row.name,
            "dtype": row.dtype,
            "shape": list(row.shape),
            "bytes": row.bytes,
            "share_of_copy": row.share(),
            "seconds": {name: vars(found) for name, found in row.times.items()},
            "times": {name: ratio for name in RIVALS if (ratio := row.ratio(name)) is not None},
            "notes": row.notes,
        }
        for row in rows
    ]


def text(rows: list[dict[str, Any]]) -> str:
    """Narrow lines: name, dtype, shape, time, share of a copy, and how many times as long the others take."""
    lines = []
    for row in rows:
        ours, shape = row["seconds"].get("fastloa"), "x".join(map(str, row["shape"]))
        if ours is None:
            lines.append(f"{row['name']:44} {row['dtype']:8} {shape:>14} {row['notes'].get('fastloa')}")
            continue
        share = "" if row["share_of_copy"] is None else f"{100 * row['share_of_copy']:.0f}%"
        others = " ".join(f"{name}:{times(ratio)}" for name, ratio in row["times"].items())
        lines.append(f"{row['name']:44} {row['dtype']:8} {shape:>14} {duration(ours['median']):>8} {share:>5} {others}")
        lines += [f"    {name}: {note}" for name, note in row["notes"].items() if "not installed" not in note]
    return "\n".join(lines)
