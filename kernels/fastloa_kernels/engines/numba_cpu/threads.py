"""When a call may use all cores.

A forked child must not touch the OpenMP threads of its parent (libgomp kills it), and numba's workqueue layer aborts
the process when two Python threads enter it at once. Both run serially instead; the bits are the same.
"""

import os
import threading

import numba

_entered = threading.Lock()
_launched_in: int | None = None
_forked = False


def _after_fork() -> None:
    global _forked, _entered
    _forked = _launched_in is not None
    _entered = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def enter() -> bool:
    """Whether the caller may run a parallel kernel; if so, it must `leave` afterwards."""
    global _launched_in
    if _forked or numba.get_num_threads() == 1 or not _entered.acquire(blocking=False):
        return False
    _launched_in = os.getpid()
    return True


def leave() -> None:
    _entered.release()
