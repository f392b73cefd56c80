"""What fastloa runs on here: versions, backends, threads and caches."""

import importlib
import os
import platform
from pathlib import Path
from typing import Any

from fastloa_kernels import engines
from fastloa_kernels.engines import MODULES

from fastloa import backends

__all__ = ["config", "show_config"]

PACKAGES = ("numpy", "numba", "llvmlite", "numba-cuda", "torch", "jax", "numexpr")
CUPY = ("cupy-cuda13x", "cupy-cuda12x", "cupy")


def config() -> dict[str, Any]:
    """Collect what `show_config` prints.

    Returns
    -------
    dict
        Plain values, fit for JSON: ``fastloa`` and ``python`` (versions), ``machine`` (see `machine`), ``packages``
        (versions, None for what is missing), ``cuda`` (driver, runtime and devices, or None), ``backends`` (for each
        name None, or why it cannot run), ``backend`` (the one in force), ``threads``, ``threading_layer``, and
        ``caches`` (for each directory of compiled code its bytes).

    Examples
    --------
    >>> config()["backends"]["cpu"] is None
    True
    """
    numba = importlib.import_module("numba")  # here: `import fastloa` does without
    missing = {name: backends.missing_because(name) for name in MODULES}
    threads = numba.get_num_threads()  # this is what lets numba choose its threading layer
    return {
        "fastloa": _version("fastloa"),
        "python": platform.python_version(),
        "machine": machine(),
        "packages": {**{name: _version(name) for name in PACKAGES}, "cupy": _cupy_version()},
        "cuda": _cuda(),
        "backends": missing,
        "backend": backends.selected(),
        "threads": threads,
        "threading_layer": numba.threading_layer(),
        "caches": {str(path): _bytes(path) for path in _caches()},
    }


def show_config() -> None:
    """Print versions, backends (and why one is missing), threads and caches.

    Examples
    --------
    >>> show_config()  # doctest: +ELLIPSIS
    fastloa ...
    """
    print("\n".join(lines(config())))


def lines(found: dict[str, Any]) -> list[str]:
    """What `config` found, for people to read."""
    packages = (f"{name} {version or 'not installed'}" for name, version in found["packages"].items())
    cpu, cuda = found["machine"], found["cuda"]
    caches = [f"  {path}: {size / 1e6:.1f} MB" for path, size in found["caches"].items()]
    return [
        f"fastloa {found['fastloa']}, Python {found['python']} on {cpu['system']}",
        f"processor: {cpu['cpu']}, {cpu['cores']} cores; {found['threads']} threads by {found['threading_layer']}",
        f"packages: {', '.join(packages)}",
        f"CUDA: {'none' if cuda is None else ', '.join(f'{name} {value}' for name, value in cuda.items())}",
        f"backend in force: {found['backend']}",
        *(f"  {name}: {'available' if reason is None else reason}" for name, reason in found["backends"].items()),
        *(("compiled code kept in", *caches) if caches else ("compiled code: none kept yet",)),
    ]


def machine() -> dict[str, Any]:
    """Describe the machine: ``cpu`` (its name), ``cores`` this process may use, and ``system``."""
    return {"cpu": _cpu(), "cores": _cores(), "system": f"{platform.system()} {platform.machine()}"}


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _version(name: str) -> str | None:
    if name == "fastloa":  # the package itself knows, installed or not
        return str(importlib.import_module(name).__version__)
    from importlib import metadata  # here: it drags in a mail parser

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _cupy_version() -> str | None:
    return next((version for name in CUPY if (version := _version(name))), None)


def _cuda() -> dict[str, str] | None:
    try:
        cupy = importlib.import_module("cupy")
        runtime = cupy.cuda.runtime
        driver = runtime.driverGetVersion()
        if not driver:
            return None
        names = [runtime.getDeviceProperties(i)["name"].decode() for i in range(runtime.getDeviceCount())]
    except Exception:  # no CuPy, one that does not load, or a driver too old for it: the backends' reasons say which
        return None
    return {
        "driver": _dotted(driver),
        "runtime": _dotted(runtime.runtimeGetVersion()),
        "devices": ", ".join(names),
    }


def _dotted(version: int) -> str:
    """13020 is 13.2."""
    return f"{version // 1000}.{version % 1000 // 10}"


def _caches() -> list[Path]:
    """The directories that hold compiled kernels: numba's beside the engines or where it was told, CuPy's cubins."""
    from fastloa_kernels.engines.cupy_native.driver import cache_directory

    root = Path(engines.__file__).parent
    beside = [path / "__pycache__" for path in root.iterdir() if path.is_dir()]
    told, appdirs = os.environ.get("NUMBA_CACHE_DIR"), importlib.import_module("numba.misc.appdirs")
    users = Path(appdirs.AppDirs("numba", appauthor=False).user_cache_dir)
    elsewhere = [Path(told)] if told else sorted(users.glob("numba_cpu_*"))
    return [path for path in (*beside, *elsewhere, cache_directory()) if _bytes(path)]


def _bytes(path: Path) -> int:
    """Bytes of the compiled code below `path`."""
    files = (file for kind in ("nbi", "nbc", "cubin") for file in path.rglob(f"*.{kind}"))
    return sum(file.stat().st_size for file in files)
