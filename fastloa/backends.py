"""Which engine runs a call: the arrays decide, unless the user says otherwise.

Nothing here imports CuPy or numba before an array or a name asks for them, and nothing moves an array without the
user's word.
"""

import os
import sys
import threading
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any

import numpy as np
from fastloa_kernels.engines import MODULES, Engine, Unavailable, load_engine

from fastloa import checks
from fastloa.wording import kind

BACKENDS = ("auto", *MODULES)
ENVIRONMENT = "FASTLOA_BACKEND"

_process: str | None = None
_choices: list[tuple[object, str]] = []  # for the process, of late; the last is in force
CHOICES = 64  # how many are remembered: as many may wait to become ``with`` blocks, each in a thread of its own
_block: ContextVar[str | None] = ContextVar("fastloa_backend", default=None)
_open_blocks = 0

on_cpu = False  # True where it is known, without looking further, that NumPy arrays run on the CPU
automatic = False  # True where it is known that nobody has chosen a backend, so that arrays decide
NATURAL: dict[type, Any] = {}  # the engines that CuPy's arrays go to where it is automatic, once one has been asked for


def selected() -> str:
    """The name in force here: the innermost ``with`` block's, else the process's, else the environment's."""
    return _block.get() or _process or _from_environment()


def look() -> bool:
    """Look up, when `on_cpu` is not known to be True, whether it is: on a process's first call."""
    if _process is None:
        _from_environment()
    return on_cpu


def _from_environment() -> str:
    name = os.environ.get(ENVIRONMENT, "auto")
    if name not in BACKENDS:
        raise ValueError(f"{ENVIRONMENT}: must be {checks.listed(BACKENDS)}, got {name!r}")
    if not _choices:
        _select(name)
    return name


def _select(name: str | None = None, *, taken_back: object = None, entered: int = 0) -> object:
    """Add a choice for the process, or take one back, count ``with`` blocks, and note what both leave to the arrays."""
    global _process, _choices, _open_blocks, on_cpu, automatic
    with _changing:
        choice = object()
        added = [] if name is None else [(choice, name)]
        _choices = [*(known for known in _choices if known[0] is not taken_back), *added][-CHOICES:]
        _process, _open_blocks = _choices[-1][1] if _choices else None, _open_blocks + entered
        on_cpu = _open_blocks == 0 and _process in ("auto", "cpu")
        automatic = on_cpu and _process == "auto"
    return choice


_changing = threading.Lock()


class use_backend:
    """Choose the backend for the process, or for a ``with`` block.

    Parameters
    ----------
    name : {"auto", "cpu", "cuda", "cupy"}
        ``"auto"``: NumPy arrays run on the CPU, CuPy arrays on the GPU. A name moves arrays that live elsewhere to
        that backend, and results come back in the caller's library.

    Raises
    ------
    ValueError
        An unknown name.
    RuntimeError
        The backend is not installed or has no device; the message says what to do.

    Notes
    -----
    As a statement it holds for the process; in ``with`` only inside the block and only for the thread or task that
    runs it. The environment variable ``FASTLOA_BACKEND`` sets the process's first choice.

    Examples
    --------
    >>> import fastloa as fl
    >>> with fl.use_backend("cpu"):
    ...     print(fl.relu(np.array([-1.0, 2.0])))
    [0. 2.]
    """

    def __init__(self, name: str) -> None:
        checks.choice("use_backend", "name", name, BACKENDS)
        if name != "auto":
            engine("use_backend", name)
        self.name = name
        self._token: Token[str | None] | None = None
        self._choice = _select(name)

    def __enter__(self) -> "use_backend":
        _select(taken_back=self._choice, entered=1)
        self._token = _block.set(self.name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            _block.reset(self._token)
            self._token = None
            _select(entered=-1)

    def __repr__(self) -> str:
        return f"use_backend({self.name!r})"


def engine(function: str, name: str) -> Engine:
    """The engine called `name`, or an error that begins with the function's name and ends with the remedy."""
    try:
        return load_engine(name)
    except Unavailable as reason:
        raise RuntimeError(f"{function}: {reason}") from None


def available_backends() -> tuple[str, ...]:
    """Return the names of the backends that can run here.

    Returns
    -------
    tuple of str
        ``"cpu"``, and ``"cupy"`` and ``"cuda"`` where they are installed and find a device.

    Examples
    --------
    >>> "cpu" in available_backends()
    True
    """
    return tuple(name for name in MODULES if missing_because(name) is None)


def missing_because(name: str) -> str | None:
    """Why the backend called `name` cannot run here, or None."""
    try:
        load_engine(name)
    except Unavailable as reason:
        return str(reason)
    return None


def library(function: str, argument: str, array: Any) -> str:
    """Tell "numpy" from "cupy" by the type of `array`, importing neither."""
    found = _LIBRARIES.get(type(array))
    if found is None:
        found = _library_of(type(array))
        if found is None:
            raise TypeError(f"{function}: {argument} must be a NumPy or CuPy array, got {kind(array)}")
        _LIBRARIES[type(array)] = found
    return found


# What calls know as arrays that need not be given.
LEFT_OUT = frozenset(("out", "grad_out", "hess_out", "weight", "sample_weight", "pos_weight", "mask"))
_LIBRARIES: dict[type, str] = {np.ndarray: "numpy"}


def _library_of(kind: type) -> str | None:
    # A masked array would lose its mask and a matrix its shape; a memory map is an array like any other.
    if issubclass(kind, np.ma.MaskedArray | np.matrix):
        return None
    if issubclass(kind, np.ndarray | np.generic):
        return "numpy"
    cupy = sys.modules.get("cupy")
    if cupy is not None and issubclass(kind, cupy.ndarray):
        return "cupy"
    return None


def common_library(function: str, arrays: dict[str, Any]) -> str:
    """The one library (and device) that all of `arrays` come from; None is passed over where it may be left out."""
    first, found = "", ""
    for argument, array in arrays.items():
        if array is None and argument in LEFT_OUT:
            continue
        name = library(function, argument, array)
        if not found:
            first, found = argument, name
        elif name != found:
            raise TypeError(
                f"{function}: all arrays must come from one library: {first} is {_typed(arrays[first])}, "
                f"{argument} is {_typed(array)}"
            )
        elif name == "cupy" and array.device != arrays[first].device:
            raise TypeError(
                f"{function}: all arrays must be on one device: {first} is on device {arrays[first].device.id}, "
                f"{argument} is on device {array.device.id}"
            )
    return found


def _typed(array: Any) -> str:
    return f"{type(array).__module__.partition('.')[0]}.{type(array).__name__}"


def choose(function: str, home: str, backend: str | None) -> Engine:
    """The engine for arrays of the library `home`."""
    if backend is not None:
        checks.choice(function, "backend", backend, BACKENDS)
    name = backend or selected()
    if name != "auto":
        return engine(function, name)
    found = engine(function, _AUTOMATIC[home])
    if home == "cupy":
        NATURAL[found.xp.ndarray] = found
    return found


_AUTOMATIC = {"numpy": "cpu", "cupy": "cupy"}


def bring_home(array: Any, home: str) -> Any:
    """`array` in the library `home`."""
    if home == "numpy":
        return array if isinstance(array, np.ndarray | np.generic) else array.get()
    return namespace_of(home).asarray(array)


def device_of(array: Any) -> AbstractContextManager[Any]:
    """The device of a CuPy array as the current one; nothing for NumPy's."""
    return array.device if checks.is_cupy(array) else nullcontext()


def get_backend(x: Any, /) -> str:
    """Return the name of the backend that a call on `x` would run on.

    Parameters
    ----------
    x : array
        A NumPy or CuPy array.

    Returns
    -------
    str
        ``"cpu"``, ``"cuda"`` or ``"cupy"``.

    Raises
    ------
    TypeError
        Not an array of a known library.
    RuntimeError
        The backend chosen cannot run here.

    Examples
    --------
    >>> get_backend(np.zeros(3))
    'cpu'
    """
    return choose("get_backend", library("get_backend", "x", x), None).name


def to_backend(x: Any, name: str, /) -> Any:
    """Move an array, or a list, tuple or dict of arrays, to where a backend computes.

    Parameters
    ----------
    x : array, or list, tuple or dict of arrays
        NumPy or CuPy arrays.
    name : {"cpu", "cuda", "cupy"}
        The backend.

    Returns
    -------
    array, or list, tuple or dict of arrays
        The same structure; an array that is there already is returned as it is.

    Raises
    ------
    TypeError
        Not an array of a known library.
    ValueError
        An unknown name.
    RuntimeError
        The backend cannot run here.

    Examples
    --------
    >>> to_backend(np.ones(2), "cpu")
    array([1., 1.])
    """
    checks.choice("to_backend", "name", name, tuple(MODULES))
    target = engine("to_backend", name)
    if isinstance(x, dict):
        return {key: to_backend(value, name) for key, value in x.items()}
    if isinstance(x, list | tuple):
        return type(x)(to_backend(value, name) for value in x)
    return x if library("to_backend", "x", x) == target.library else target.bring(x)


def namespace_of(home: str) -> Any:
    """The library called `home`, which the caller has imported already."""
    return np if home == "numpy" else sys.modules["cupy"]
