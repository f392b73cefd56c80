"""``python -m benchmarks.device STAGE``: what `benchmarks/device.sh` measures on a GPU, and writes as JSON."""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

STAGES = ("machine", "tables", "smoke", "launches", "rows", "bandwidth", "arrays")


def main() -> None:
    """Run one stage."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.device", description=__doc__)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--dry-run", action="store_true", help="tiny sizes on a CPU: walks through every row")
    parser.add_argument("--compiled", action="store_true", help="measure torch.compile as well")
    parser.add_argument("--engines", default="cupy,cuda", help="which of fastloa's engines")
    parser.add_argument("--dtypes", default="float32,float64,float16,bfloat16", help="which dtypes")
    parser.add_argument("--ops", default="", help="which operations; all by default")
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT", "benchmarks/results/gpu")))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    if given.dry_run:
        os.environ["NUMBA_ENABLE_CUDASIM"] = "1"  # read when numba is imported
        from benchmarks.device.place import without_gpu

        without_gpu(prepared=given.stage != "machine" and not given.ops)
    if given.stage == "machine":
        machine(given)
    elif given.stage == "smoke":
        smoke()
    else:
        tables(given)


def machine(given: argparse.Namespace) -> None:
    """What this machine is, and how fast it copies."""
    from benchmarks.device.place import Device
    from benchmarks.device.timing import Clock, measure
    from fastloa import config
    from fastloa.cli.timing import Competitor

    found: dict[str, Any] = {"config": config.config()}
    print("\n".join(config.lines(found["config"])))
    if not given.dry_run:
        query = "name,driver_version,memory.total,clocks.sm,clocks.mem,clocks.max.sm,clocks.max.mem,power.draw"
        asked = ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"]
        found["nvidia_smi"] = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
        print(found["nvidia_smi"])
    xp = Device("cupy", dry=given.dry_run).xp
    clock, copies = Clock(xp), {}
    for size in (1 << 10,) if given.dry_run else (1 << 20, 1 << 24, 1 << 28, 1 << 30):
        source, target = xp.ones(size, np.uint8), xp.empty(size, np.uint8)
        copy = {"copy": Competitor(lambda t=target, s=source: xp.copyto(t, s))}
        copies[size] = 2 * size / measure(clock.device, copy, 9)["copy"].median
        print(f"copy of {size:,} bytes: {copies[size] / 1e12:.3f} TB/s read and written")
    found["copies"] = copies
    write(given.out / "machine.json", found)


def tables(given: argparse.Namespace) -> None:
    """Measure the tables, print them, and write them."""
    from benchmarks.device import report
    from benchmarks.device.tables import TABLES, Plan

    if not given.dry_run:
        warm_up()
    small = {"size": 40, "samples": 1} if given.dry_run else {}
    plan = Plan(
        given.dry_run, compiled=given.compiled, engines=tuple(given.engines.split(",")),
        dtypes=tuple(given.dtypes.split(",")), operations=tuple(filter(None, given.ops.split(","))), **small,
    )  # fmt: skip
    for name in TABLES if given.stage == "tables" else (given.stage,):
        started, rows = time.perf_counter(), []
        try:
            rows.extend(TABLES[name](plan))
        finally:
            write(given.out / f"{name}.json", {"seconds": time.perf_counter() - started, "rows": report.plain(rows)})
        print(f"{name}: {len(rows)} rows in {time.perf_counter() - started:.0f} s")
        print(report.text(report.plain(rows)))


def warm_up() -> None:
    """Keep the device busy for a while: it raises its clocks when there is work."""
    import cupy

    x, until = cupy.ones(1 << 24, np.float32), time.perf_counter() + 0.5
    while time.perf_counter() < until:
        cupy.multiply(x, x, out=x)
        cupy.cuda.Device().synchronize()


def smoke() -> None:
    """A few calls of every kind, for a tool that watches memory."""
    import cupy

    from tests.test_device import calls

    for name, call in calls(cupy).items():
        call()
        print(name)
    cupy.cuda.Device().synchronize()


def write(path: Path, found: dict[str, Any]) -> None:
    """Write a file of JSON."""
    path.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
