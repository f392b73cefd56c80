"""Compiles text to machine code and launches it: all that this engine knows of CUDA and CuPy.

CuPy's own compilation flushes subnormals and contracts a * b + c, whatever one asks; so the text goes to NVRTC with
flags of our own, and only the machine code to CuPy.
"""

import contextlib
import ctypes
import functools
import hashlib
import importlib
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from fastloa_kernels.engines import Unavailable
from fastloa_kernels.engines.cupy_native.source import Source, headers
from fastloa_kernels.engines.lists import Places, places_of

Launch = Callable[..., None]
"""``launch(blocks, threads, arguments, shared=0)``: runs a kernel whose one argument is a struct of those bytes.

It has `shared` bytes of shared memory beside what it declares."""

# NVRTC 13.0 takes generic lambdas for functions of the host, unless what is not annotated is the device's.
FLAGS = (
    "--std=c++17", "--device-as-default-execution-space", "--fmad=false", "--ftz=false", "--prec-div=true",
    "--prec-sqrt=true",
)  # fmt: skip
CACHE = "FASTLOA_CACHE_DIR"
CLUSTERS_SINCE, CLUSTER = 90, 8  # compute capability, and the most blocks that every such device has room for


class Driver(Protocol):
    """What the engine needs of a device."""

    library: str
    xp: Any
    array: Any  # the type of its arrays

    def load(self, source: Source) -> tuple[Launch, ...]:
        """The kernels of one text, in the order of their names."""
        ...

    def pointer(self, array: Any) -> int:
        """Where the array's first element lies."""
        ...

    def places_of(self, like: Sequence[Any]) -> Places:
        """``places(arrays)`` for arrays of the shapes of these; 0 where one is not in order, or on another device."""
        ...

    def recording(self) -> bool:
        """Whether launches are not run but recorded, to be run as often as it is wished."""
        ...

    def places(self, arrays: tuple[Any, ...], outputs: tuple[Any, ...]) -> list[int] | None:
        """Where the first element of each lies, if they are as `Engine.places` wants them."""
        ...

    def shared_memory(self) -> int:
        """How many bytes a block on the current device may ask for, of a kernel that declares none."""
        ...

    def cluster(self) -> int:
        """How many blocks may be a cluster on the current device."""
        ...


class CupyDriver:
    """NVRTC and CuPy, on whichever device is current when a kernel is launched."""

    library = "cupy"

    def __init__(self) -> None:
        try:
            import cupy
        except ImportError:
            raise Unavailable("the cupy backend needs CuPy: pip install 'fastloa[cuda13]'") from None
        try:
            count = cupy.cuda.runtime.getDeviceCount()
        except cupy.cuda.runtime.CUDARuntimeError as error:
            raise Unavailable(f"the cupy backend found no CUDA device: {error}") from None
        if not count:
            raise Unavailable("the cupy backend found no CUDA device: the driver lists none")
        try:
            cupy.cuda.nvrtc.getVersion()
        except (ImportError, RuntimeError) as error:
            raise Unavailable(
                f"the cupy backend needs NVRTC: pip install 'fastloa[cuda13]' ({' '.join(str(error).split())})"
            ) from None
        self.xp = cupy
        self.array = cupy.ndarray
        self._device_id = cupy.cuda.runtime.getDevice

    def load(self, source: Source) -> tuple[Launch, ...]:
        return tuple(_Kernel(self.xp, source, name) for name in source.names)

    def pointer(self, array: Any) -> int:
        place: int = array.data.ptr
        return place

    def places(self, arrays: tuple[Any, ...], outputs: tuple[Any, ...]) -> list[int] | None:
        x = arrays[0]
        kind, dtype, shape, strides, size = type(x), x.dtype, x.shape, x.strides, x.nbytes
        if not x.flags.c_contiguous:  # CuPy says sooner what strides are
            return None
        here, places = self._device_id(), list[int]()
        for array in arrays + outputs:
            if type(array) is not kind or array.dtype != dtype or array.shape != shape or array.strides != strides:
                return None
            memory = array.data
            if memory.device_id != here:
                return None
            places.append(memory.ptr)
        for i in range(len(arrays), len(places)):
            for j in range(i):
                apart = places[i] - places[j]
                if -size < apart < size and (apart or j >= len(arrays)):
                    return None
        return places if size else None

    def shared_memory(self) -> int:
        return _shared_memory(self._device_id())

    def cluster(self) -> int:
        return CLUSTER if _capability(self._device_id()) >= CLUSTERS_SINCE else 1

    def places_of(self, like: Sequence[Any]) -> Places:
        return places_of(self._device_id(), like)

    def recording(self) -> bool:
        return bool(self.xp.cuda.get_current_stream().is_capturing())


class _Rooms(threading.local):
    """Where a thread's launches on a device lay out a struct of so many bytes, and the address of a pointer to it."""

    def __init__(self) -> None:
        self.of: dict[tuple[int, int], tuple[memoryview, int, Any]] = {}


class _Kernel:
    """One kernel, compiled and loaded for each device when it is first launched there."""

    _rooms = _Rooms()

    def __init__(self, cupy: Any, source: Source, name: str) -> None:
        self._source, self._name = source, name
        self._device_id, self._stream = cupy.cuda.runtime.getDevice, cupy.cuda.get_current_stream
        self._run = importlib.import_module("cupy_backends.cuda.api.driver").launchKernel
        self._functions: dict[int, tuple[Any, int]] = {}

    def __call__(self, blocks: int, threads: int, arguments: bytes, shared: int = 0) -> None:
        device = self._device_id()
        found = self._functions.get(device)
        if found is None:
            found = self._functions[device] = self._loaded(device)
        function, handle = found
        key = device, len(arguments)
        room = self._rooms.of.get(key)
        if room is None:
            # CuPy passes a NumPy array of one element by value, whatever its size: here, the struct. It sees to all
            # that a launch needs of a thread, and takes twice as long as what it calls.
            struct = np.frombuffer(arguments, np.dtype((np.void, len(arguments))))
            function((blocks,), (threads,), (struct,), shared)
            self._rooms.of[key] = _room(len(arguments))
            return
        stream = self._stream().ptr
        room[0][:] = arguments  # from here on nothing else may run in this thread before the launch
        self._run(handle, blocks, 1, 1, threads, 1, 1, shared, stream, room[1], 0)

    def _loaded(self, device: int) -> tuple[Any, int]:
        function = _module(self._source, architecture(_capability(device)), device).get_function(self._name)
        if self._source.shared:
            api = importlib.import_module("cupy_backends.cuda.api.driver")
            most = api.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
            api.funcSetAttribute(function.ptr, most, _shared_memory(device))
        return function, function.ptr


def _room(size: int) -> tuple[memoryview, int, Any]:
    """Memory of `size` bytes, the address of a pointer to it, and that pointer, which lives as long."""
    memory = (ctypes.c_char * size)()
    pointer = ctypes.pointer(memory)
    return memoryview(memory).cast("B"), ctypes.addressof(pointer), pointer


@functools.cache
def _shared_memory(device: int) -> int:
    import cupy

    return int(cupy.cuda.Device(device).attributes["MaxSharedMemoryPerBlockOptin"])


@functools.cache
def _capability(device: int) -> int:
    import cupy

    return int(cupy.cuda.Device(device).compute_capability)


@functools.cache
def _module(source: Source, arch: str, device: int) -> Any:
    from cupy.cuda import function

    module = function.Module()
    module.load(cubin(source.text, arch))
    return module


def architecture(capability: int) -> str:
    """What NVRTC calls the newest it knows that a device of `capability` (90 for 9.0) runs."""
    from cupy.cuda import nvrtc

    fitting = [arch for arch in nvrtc.getSupportedArchs() if arch // 10 == capability // 10 and arch <= capability]
    if not fitting:
        raise RuntimeError(
            f"NVRTC {'.'.join(map(str, nvrtc.getVersion()))} has no code for compute capability "
            f"{capability // 10}.{capability % 10}: install a newer cupy"
        )
    return f"sm_{max(fitting)}"


def cubin(text: str, arch: str) -> bytes:
    """Machine code for `text`, from the disk if it has been compiled before."""
    from cupy.cuda import nvrtc

    digest = hashlib.sha256()
    for part in (text, *(item for pair in headers().items() for item in pair), *FLAGS, arch, str(nvrtc.getVersion())):
        digest.update(part.encode() + b"\0")
    path = cache_directory() / f"{digest.hexdigest()}.cubin"
    kept = _read(path)
    if kept is None:
        kept = compiled(text, arch)
        _write(path, kept)
    return kept


def compiled(text: str, arch: str) -> bytes:
    """Machine code for `text`. Needs NVRTC, but no device."""
    from cupy.cuda import nvrtc

    texts, names = ([part.encode() for part in parts] for parts in (headers().values(), headers()))
    program = nvrtc.createProgram(text, "fastloa.cu", texts, names)
    try:
        nvrtc.compileProgram(program, (*FLAGS, f"--gpu-architecture={arch}"))
        # CuPy's binding drops the last byte, as it must for PTX, where that is the final NUL.
        return bytes(nvrtc.getCUBIN(program)) + b"\0"
    except nvrtc.NVRTCError as error:
        raise RuntimeError(f"{error}\n{nvrtc.getProgramLog(program)}") from None
    finally:
        nvrtc.destroyProgram(program)


def cache_directory() -> Path:
    """Where machine code is kept: the user's cache, unless the environment names another place."""
    if CACHE in os.environ:
        return Path(os.environ[CACHE])
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "fastloa" / "cache"
    if "XDG_CACHE_HOME" in os.environ:
        return Path(os.environ["XDG_CACHE_HOME"]) / "fastloa"
    return Path.home() / ".cache" / "fastloa"


def _read(path: Path) -> bytes | None:
    """The code kept at `path`; None where there is none, or only part of it."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    check, code = content[:32], content[32:]
    return code if hashlib.sha256(code).digest() == check else None


def _write(path: Path, code: bytes) -> None:
    # A directory that cannot be written costs a compilation next time, and nothing else.
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(code).digest() + code)
        os.replace(temporary, path)
