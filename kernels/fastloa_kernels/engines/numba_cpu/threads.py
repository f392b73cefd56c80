"""When a call may use all cores, and when a process may fork.

A forked child must not touch the OpenMP threads of its parent (libgomp kills it), and numba's workqueue layer aborts
the process when two Python threads enter it at once. Both run serially instead; the bits are the same.

A fork waits until no other thread is in a parallel kernel, since TBB takes its threads down at a fork, and until none
compiles, since the child would wait for that thread's locks for ever.
"""

import os
import threading
from typing import Any

import numba
from llvmlite.binding import ffi
from numba.core.compiler_lock import global_compiler_lock
from numba.np.ufunc import parallel

_entered = threading.RLock()  # a thread may fork, in a signal's handler, while it holds it
# In this order: whoever has one may wait for the next, and nobody waits for the first.
_LOCKS: tuple[Any, ...] = (_entered, global_compiler_lock, ffi.lib._lock)
_forking = False
_forked = False


def _before_fork() -> None:
    global _forking
    _forking = True  # or another thread might enter again, and again, before this one gets its turn
    for lock in _LOCKS:
        lock.__enter__()


def _after_fork() -> None:
    global _forking
    for lock in reversed(_LOCKS):
        lock.__exit__(None, None, None)
    _forking = False


def _after_fork_in_child() -> None:
    global _forked
    # Whoever launched the threads: the caller may have run kernels of their own, or set the number of threads.
    _forked = _forked or parallel._is_initialized
    _after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)


def enter() -> int:
    """How many threads the caller may use; if more than one, it must `leave` afterwards."""
    if _forked or _forking or not _entered.acquire(blocking=False):
        return 1
    number = 1
    try:
        number = numba.get_num_threads()  # this launches the threads, which must not happen during a fork
    finally:
        if number == 1:
            _entered.release()
    return number


def leave() -> None:
    _entered.release()
