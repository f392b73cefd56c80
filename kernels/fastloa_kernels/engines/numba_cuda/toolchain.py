"""numba-cuda as this engine uses it: compiled without contraction, launched by CuPy; or simulated.

On a GPU numba-cuda's own dispatcher is passed by. It lets NVVM fuse a product and a sum into one fma, with no option
against it, so that the CPU's bits would be out of reach; and it waits for a stream at every CuPy array and launches on
a stream of its own. Here NVVM is told ``-fma=0`` (every product and sum then carries its rounding, which ptxas
respects), the PTX becomes machine code, and CuPy launches that on its current stream with raw pointers.
"""

import importlib
import importlib.util
import warnings
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from fastloa_kernels.engines import Unavailable

cuda: Any = None
types: Any = None
SIMULATED = False

if importlib.util.find_spec("numba_cuda") is not None:  # without it, numba's own old cuda module would be found
    vars(np).setdefault("row_stack", np.vstack)  # numba-cuda 0.30 names it, NumPy 2.5 has dropped it
    from numba import cuda
    from numba.cuda import types

    SIMULATED = bool(vars(numba.config)["ENABLE_CUDASIM"])

# Threads in a block, a power of two, and the most blocks that share a map or a matrix. A simulated thread costs half a
# millisecond, so there are few, but enough that blocks and threads take turns.
THREADS, GRID = (4, 2) if SIMULATED else (256, 1 << 13)

REMEDY = "pip install 'fastloa[cuda13]'"


def array_module() -> Any:
    """CuPy, or NumPy in the simulator; raises `Unavailable` where kernels cannot run."""
    if cuda is None:
        raise Unavailable(f"the cuda backend needs numba-cuda: {REMEDY}")
    if SIMULATED:
        return np
    try:
        import cupy
    except ImportError:
        raise Unavailable(f"the cuda backend needs CuPy: {REMEDY}") from None
    if not cupy.cuda.is_available():
        raise Unavailable("the cuda backend needs a CUDA device, and found none")
    return cupy


def device(function: Any) -> Any:
    """`function` as kernels can call it."""
    return function if cuda is None else cuda.jit(device=True)(function)


def pointers(dtype: str, count: int) -> Any:
    """The type of a tuple of `count` arrays: their addresses."""
    return types.UniTuple(types.CPointer(getattr(types, dtype)), count)


def scalars(dtype: str, count: int) -> Any:
    """The type of a tuple of `count` numbers."""
    return types.UniTuple(getattr(types, dtype), count)


def compiled(function: Callable[..., None], signature: tuple[Any, ...], capability: tuple[int, int]) -> tuple[str, Any]:
    """The kernel's symbol, and the library that holds its PTX and machine code for that compute capability."""
    compiler: Any = importlib.import_module("numba.cuda.compiler")
    nvvm: Any = importlib.import_module("numba.cuda.cudadrv.nvvm")
    options = {"opt": 3, "fma": False}
    result = compiler.compile_cuda(function, types.void, signature, nvvm_options=options, cc=capability)
    library, symbol = result.library, result.fndesc.llvm_func_name
    kernel = library.get_function(symbol)
    compiler.kernel_fixup(kernel, False)
    nvvm.set_launch_bounds(kernel, THREADS)
    return symbol, library


class Kernel:
    """A skeleton for one signature, compiled when it is first launched on a device.

    Arrays are handed over in tuples, which become flat lists of addresses on a GPU and stay NumPy arrays in the
    simulator (it would copy an array that is an argument itself).
    """

    def __init__(self, function: Callable[..., None], *signature: Any) -> None:
        self._function, self._signature = function, signature
        self._on_device: dict[int, Any] = {}

    def __call__(self, blocks: int, *arguments: Any) -> None:
        if SIMULATED:
            self._simulate(blocks, arguments)
            return
        import cupy

        number = cupy.cuda.runtime.getDevice()
        launch = self._on_device.get(number) or self._load(cupy, number)
        launch((blocks,), (THREADS,), _flat(arguments))

    def _load(self, cupy: Any, number: int) -> Any:
        capability = cupy.cuda.Device(number).compute_capability
        cc = int(capability[:-1]), int(capability[-1])
        symbol, library = compiled(self._function, self._signature, cc)
        module = cupy.cuda.function.Module()
        module.load(bytes(library.get_cubin(cc).code))
        self._on_device[number] = module.get_function(symbol)
        return self._on_device[number]

    def _simulate(self, blocks: int, arguments: tuple[Any, ...]) -> None:
        # NumPy's scalars warn of NaN and overflow; the simulator's threads take no np.errstate from this one.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            cuda.jit(self._function)[blocks, THREADS](*map(_viewed, arguments))


def _viewed(argument: Any) -> Any:
    """Arrays as an address sees them: without a shape."""
    if isinstance(argument, tuple):
        return tuple(x.reshape(-1) if isinstance(x, np.ndarray) else x for x in argument)
    return argument


def _flat(arguments: tuple[Any, ...]) -> list[Any]:
    flat: list[Any] = []
    for argument in arguments:
        if isinstance(argument, tuple):
            flat.extend(argument)
        else:
            flat.append(argument)
    return flat
