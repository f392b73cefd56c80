"""Compiles a kernel for one signature, or finds it in numba's disk cache, whatever other processes do there.

numba keeps all kernels that one skeleton makes under that skeleton's name, in files it numbers: two processes that
compile two of them at once can give both the same number, and then one kernel's results are another's. It also tells
the functions inside of kernels apart by a number that each process counts for itself: two kernels from two processes,
loaded into a third, can hold different functions of one name, and the third then runs one of them for both. So every
function is renamed before numba sees it, after a digest of all that its machine code follows from: its code and what
it closes over, and for a kernel the signature, every source file of this engine, numba's version and the processor.
What has the same name is then the same code.
"""

import contextlib
import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba.core.ccallback import CFunc
from numba.core.registry import cpu_target
from numba.core.serialize import dumps
from numba.extending import register_jitable

from fastloa_kernels.engines.numba_cpu.linking import Linked

ROOT = Path(__file__).parents[2]
PREFIX = "fastloa"


def _version() -> str:
    """A hash of every file that machine code follows from; numba itself looks only at the kernel's own file."""
    digest = hashlib.sha256(f"{numba.__version__} {llvmlite.__version__}".encode())
    for path in sorted(ROOT.rglob("*.py")):
        if "cuda" not in path.parts[-2] and "cupy" not in path.parts[-2]:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


VERSION = _version()  # of the files as they are imported, not as they may be edited later


@functools.cache
def _processor() -> tuple[Any, ...]:
    found: tuple[Any, ...] = cpu_target.target_context.codegen().magic_tuple()
    return found


def _digest(*content: Any) -> str:
    return hashlib.sha256(dumps(content)).hexdigest()[:32]


# Functions inside of kernels are linked into them, and not called from C or Python. numba counts the references to
# every view of an array, by atomic instructions that threads contend for: that took a third of the time of a row of a
# thousand. What is compiled without (_nrt) may view arrays, but make none.
LINKED: Any = {"_nrt": False, "no_cfunc_wrapper": True, "pipeline_class": Linked}
uncounted: Any = register_jitable(**LINKED)
_known: dict[tuple[str, str], Callable[..., Any]] = {}


def jitable(function: Callable[..., Any], **options: Any) -> Any:
    """`function`, or the same made before, callable from compiled code; it may view arrays, but make none."""
    key = _digest(function), str(options)
    if key not in _known:
        function.__qualname__ = f"{function.__name__}_{key[0]}"
        _known[key] = register_jitable(**options, **LINKED)(function)
    return _known[key]


def named(function: Callable[..., Any], *content: Any) -> str:
    """The name of a function and of what its machine code follows from besides, which is then its own."""
    prefix = f"{PREFIX}_{VERSION}_"
    if not function.__qualname__.startswith(prefix):
        function.__qualname__ = prefix + _digest(function, *map(str, content), _processor())
    return function.__qualname__


def dispatcher(
    function: Callable[..., Any], signature: tuple[Any, ...], *, nogil: bool = True, from_python: bool = True
) -> Any:
    """`function`, compiled for `signature`, with an entry point for Python unless none is wanted."""
    named(function, signature, nogil, from_python)
    options: Any = {"nogil": nogil, "error_model": "numpy", "_nrt": False, "no_cfunc_wrapper": True}
    options["no_cpython_wrapper"] = not from_python
    try:
        made = numba.njit(function, cache=True, **options)
    except RuntimeError:  # numba found no directory that it may write to
        made = numba.njit(function, cache=False, **options)
    made.compile(signature)
    if made.stats.cache_misses and made.stats.cache_path:
        _forget_older(made.stats.cache_path)
    return made


def compiled(function: Callable[..., Any], signature: tuple[Any, ...], *, nogil: bool = True) -> Callable[..., Any]:
    """The compiled entry point of `function` for exactly `signature`, which trusts its arguments."""
    return entries(dispatcher(function, signature, nogil=nogil))[0]


def address_of(function: Callable[..., Any], signature: tuple[Any, ...]) -> int:
    """The address at which compiled code calls `function`, which nothing else does: that is soon compiled."""
    name = named(function, signature, True, False)
    if name not in _addresses:
        _addresses[name] = entries(dispatcher(function, signature, from_python=False))[1]
    return _addresses[name]


def entries(made: Any) -> tuple[Callable[..., Any], int]:
    """Of what a `dispatcher` has compiled: the entry point for Python, and the address for compiled code, for ever."""
    (overload,) = made.overloads.values()
    _kept.append(overload)
    return overload.entry_point, overload.library.get_pointer_to_function(overload.fndesc.llvm_func_name)


_kept: list[Any] = []
_addresses: dict[str, int] = {}


def c_function(function: Callable[..., None], signature: Any) -> CFunc:
    """`function`, whose loops may be parallel, as C calls it: its ``address`` lasts as long as it does."""
    named(function, signature)
    made = CFunc(function, (signature.args, signature.return_type), {}, {"nopython": True, "parallel": True})
    with contextlib.suppress(RuntimeError):  # numba found no directory that it may write to
        made.enable_caching()
    made.compile()
    return made


@functools.cache
def _forget_older(directory: str) -> None:
    """Remove what other versions of these files left in the cache, or every edit would add to it."""
    for path in Path(directory).glob(f"*.{PREFIX}_*.nb[ic]"):
        if f"{PREFIX}_{VERSION}_" not in path.name:
            with contextlib.suppress(OSError):
                path.unlink()
