"""A driver for the CUDA C++ engine that needs no GPU: the same text, built by g++ and run on NumPy arrays."""

import ctypes
import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
from fastloa_kernels.engines.cupy_native import source

SHIM = Path(__file__).with_name("shim.hpp")
FLAGS = ("-std=c++20", "-O1", "-ffp-contract=off", "-fno-gnu-unique", "-fPIC", "-pthread", "-w")
ALL = "all.hpp"
WRONG = {1: "the arguments are not laid out as the kernel's struct", 2: "a barrier is not reached by all threads"}
SHARED = 24_000  # bytes of a row that fit shared memory: fewer than on any device, so that rows of tests are longer
BATCH = 96  # texts in one translation unit: most of the time goes to starting the compiler and reading its headers


def compiler():
    """The C++ compiler, or None."""
    return shutil.which("g++")


@cache
def _version():
    return subprocess.run([compiler(), "--version"], capture_output=True, check=True, text=True).stdout


class ShimDriver:
    """Builds what it is told to `prepare` in few, large pieces; anything else when it is loaded."""

    library = "numpy"
    xp = np
    array = np.ndarray

    def __init__(self, *flags, cluster=8):
        self._flags = (*FLAGS, *flags)
        self._launches, self._cluster = {}, cluster

    def prepare(self, sources):
        """Build these texts, two batches at a time."""
        wanted = sorted(
            {s.text: s for s in sources if s.names[0] not in self._launches}.values(), key=lambda s: s.names
        )
        batches = [wanted[i : i + BATCH] for i in range(0, len(wanted), BATCH)]
        with ThreadPoolExecutor(2) as pool:
            for batch, library in zip(batches, pool.map(self._built, batches), strict=True):
                self._add(batch, library)

    def load(self, text):
        if text.names[0] not in self._launches:
            self._add([text], self._built([text]))
        return tuple(self._launches[name] for name in text.names)

    def pointer(self, array):
        return array.ctypes.data

    def shared_memory(self):
        return SHARED

    def cluster(self):
        return self._cluster

    def places_of(self, like):
        return lambda arrays: [x.ctypes.data if x.flags.c_contiguous and x.flags.aligned else 0 for x in arrays]

    def recording(self):
        return False

    def _add(self, sources, library):
        loaded = ctypes.CDLL(str(library))
        for name in (name for s in sources for name in s.names):
            run = loaded[f"run_{name}"]
            run.argtypes = [ctypes.c_uint, ctypes.c_uint, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_ulong]
            self._launches[name] = _launch(name, run)

    def _built(self, sources):
        headers = _headers(self._flags)
        text = "\n".join([f'#include "{ALL}"', *(s.text for s in sources), *map(_entries, sources), ""])
        library = headers / f"{_digest(text)}.so"
        return _once(library, lambda place: _compile(text, ("-shared", *self._flags, f"-I{headers}"), place))


def _entries(text):
    return "\n".join(
        f'extern "C" int run_{name}(unsigned blocks, unsigned threads, const void* arguments, unsigned long size, '
        f"unsigned long shared) {{ return shim::launch({name}, {text.cluster}, blocks, threads, arguments, size, shared); }}"
        for name in text.names
    )


def _digest(*parts):
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _headers(flags):
    """Give the folder of the skeletons and of what is built with them.

    They are compiled ahead, all together: to read them took most of the time of each text.
    """
    skeletons = {SHIM.name: SHIM.read_text(), **source.headers()}
    folder = (
        Path(tempfile.gettempdir()) / f"fastloa-shim-{os.getuid()}" / _digest(*skeletons.values(), *flags, _version())
    )
    folder.mkdir(parents=True, exist_ok=True)
    text = "\n".join(f'#include "{name}"' for name in skeletons)

    def build(place):
        for name, content in {**skeletons, ALL: text}.items():
            (folder / name).write_text(content)
        _compile(text, ("-x", "c++-header", *flags, f"-I{folder}"), place)

    _once(folder / f"{ALL}.gch", build)
    return folder


def _once(path, build):
    """Give the path of a file that ``build(place)`` makes at another: of processes side by side one does, others wait."""
    with open(path.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            with tempfile.TemporaryDirectory(dir=path.parent) as work:
                build(Path(work) / path.name)
                os.replace(Path(work) / path.name, path)
    return path


def _compile(text, flags, place):
    path = place.with_suffix(".cpp")
    path.write_text(text)
    done = subprocess.run([compiler(), *flags, "-o", place, path], check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[:20_000])


def _launch(name, run):
    def launch(blocks, threads, arguments, shared=0):
        wrong = run(blocks, threads, arguments, len(arguments), shared)
        if wrong:
            raise RuntimeError(f"{name}: {WRONG[wrong]}")

    return launch
