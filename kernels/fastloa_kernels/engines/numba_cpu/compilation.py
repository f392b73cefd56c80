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
from numba.core.registry import cpu_target
from numba.core.serialize import dumps
from numba.extending import register_jitable

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


# numba counts the references to every view of an array, by atomic instructions that threads contend for: that took a
# third of the time of a row of a thousand. What is compiled without may view arrays, but make none.
UNCOUNTED = {"_nrt": False}
uncounted: Any = register_jitable(**UNCOUNTED)


def jitable(function: Callable[..., Any], **options: Any) -> Any:
    """`function`, callable from compiled code; it may view arrays, but make none."""
    function.__qualname__ = f"{function.__name__}_{_digest(function)}"
    return register_jitable(**options, **UNCOUNTED)(function)


def dispatcher(
    function: Callable[..., Any], signature: tuple[Any, ...], *, parallel: bool = False, nogil: bool = True
) -> Any:
    """`function` compiled for exactly `signature`, a TypeError for any other. Only parallel ones make arrays."""
    function.__qualname__ = f"{PREFIX}_{VERSION}_{_digest(function, str(signature), parallel, nogil, _processor())}"
    compiler: Any = functools.partial(
        numba.njit, function, nogil=nogil, error_model="numpy", parallel=parallel, _nrt=parallel
    )
    try:
        made = compiler(cache=True)
    except RuntimeError:  # numba found no directory that it may write to
        made = compiler(cache=False)
    made.compile(signature)
    made.disable_compile()
    if made.stats.cache_misses and made.stats.cache_path:
        _forget_older(made.stats.cache_path)
    return made


def compiled(function: Callable[..., Any], signature: tuple[Any, ...], *, parallel: bool) -> Callable[..., Any]:
    """The compiled entry point of `function` for exactly `signature`, which trusts its arguments."""
    (overload,) = dispatcher(function, signature, parallel=parallel).overloads.values()
    entry: Callable[..., Any] = overload.entry_point
    return entry


@functools.cache
def _forget_older(directory: str) -> None:
    """Remove what other versions of these files left in the cache, or every edit would add to it."""
    for path in Path(directory).glob(f"*.{PREFIX}_*.nb[ic]"):
        if f"{PREFIX}_{VERSION}_" not in path.name:
            with contextlib.suppress(OSError):
                path.unlink()
