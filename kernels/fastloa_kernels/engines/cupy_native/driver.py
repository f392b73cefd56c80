"""Compiles text to machine code and launches it: all that this engine knows of CUDA and CuPy.

CuPy's own compilation flushes subnormals and contracts a * b + c, whatever one asks; so the text goes to NVRTC with
flags of our own, and only the machine code to CuPy.
"""

import contextlib
import functools
import hashlib
import importlib
import os
import sys
import tempfile
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
DECLARED = 1 << 10  # bytes of shared memory that kernels of rows kept there declare, at most


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
        """How many bytes a block on the current device may ask for beside what its kernel declares."""
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
        kind, dtype, shape, size = type(x), x.dtype, x.shape, x.nbytes
        here, places = self._device_id(), list[int]()
        for array in arrays + outputs:
            if type(array) is not kind or array.dtype != dtype or array.shape != shape or not array.flags.c_contiguous:
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

    def places_of(self, like: Sequence[Any]) -> Places:
        return places_of(self._device_id(), like)

    def recording(self) -> bool:
        return bool(self.xp.cuda.get_current_stream().is_capturing())


class _Kernel:
    """One kernel, compiled and loaded for each device when it is first launched there."""

    def __init__(self, cupy: Any, source: Source, name: str) -> None:
        self._cupy, self._source, self._name = cupy, source, name
        self._device_id = cupy.cuda.runtime.getDevice
        self._functions: dict[int, Any] = {}
        self._dtypes: dict[int, Any] = {}

    def __call__(self, blocks: int, threads: int, arguments: bytes, shared: int = 0) -> None:
        device = self._device_id()
        function = self._functions.get(device)
        if function is None:
            function = self._functions[device] = self._loaded(device)
        # CuPy passes a NumPy array of one element by value, whatever its size: here, the struct.
        size = len(arguments)
        dtype = self._dtypes.get(size)
        if dtype is None:
            dtype = self._dtypes[size] = np.dtype((np.void, size))
        function((blocks,), (threads,), (np.frombuffer(arguments, dtype),), shared)

    def _loaded(self, device: int) -> Any:
        capability = int(self._cupy.cuda.Device(device).compute_capability)
        function = _module(self._source, architecture(capability), device).get_function(self._name)
        if self._source.shared:
            api = importlib.import_module("cupy_backends.cuda.api.driver")
            most = api.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
            api.funcSetAttribute(function.ptr, most, _shared_memory(device))
        return function


@functools.cache
def _shared_memory(device: int) -> int:
    import cupy

    return int(cupy.cuda.Device(device).attributes["MaxSharedMemoryPerBlockOptin"]) - DECLARED


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
