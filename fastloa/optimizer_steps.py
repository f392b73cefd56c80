"""One step of an optimizer on bare arrays: its checks, its run, and the public functions that do no more than it."""

import inspect
import re
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from fastloa_kernels.records import Step

from fastloa import checks, dtypes
from fastloa.calls import Call, share_memory
from fastloa.hyper import Hyper
from fastloa.operations import Array, Operation

if TYPE_CHECKING:
    from fastloa.optimizer_operations import Optimizer

KEYWORD, POSITIONAL = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_ONLY
NEEDED = inspect.Parameter.empty


class StepOperation(Operation[...]):
    """One step of an optimizer on bare arrays, in place and in one pass."""

    def __init__(self, name: str, optimizer: type["Optimizer"], example: str, first: int | None) -> None:
        own = {p.name: p for p in inspect.signature(optimizer.__init__).parameters.values()}
        self._defaults = {key: own[key].default for key in optimizer.hyper}
        self._options = options_of(optimizer)
        self._optimizer, self._first = optimizer, first
        self._states = tuple(dict.fromkeys(state for record in optimizer.records for state in record.states))
        optional = [s for s in self._states if any(s not in record.states for record in optimizer.records)]

        def definition() -> None:
            """Stand for the function in what says how to call it."""

        definition.__name__, definition.__qualname__, definition.__module__ = name, name, optimizer.__module__
        definition.__doc__ = _docstring(optimizer, self._states, optional, example, first)
        definition.__signature__ = inspect.Signature([  # type: ignore[attr-defined]
            *(inspect.Parameter(n, POSITIONAL, annotation=Array) for n in ("p", "g")),
            *(inspect.Parameter(s, POSITIONAL, annotation=Array, default=None if s in optional else NEEDED)
              for s in self._states),
            inspect.Parameter("step", KEYWORD, annotation=int, default=NEEDED if first is None else None),
            *(own[key].replace(kind=KEYWORD, annotation=_fixed(own[key].annotation)) for key in self._options),
            inspect.Parameter("backend", KEYWORD, annotation=str | None, default=None),
        ])  # fmt: skip
        super().__init__(definition, optimizer.records[0])

    def __call__(self, /, *args: Any, **kwargs: Any) -> None:
        """Take the step, in place."""
        name, options = self.__name__, dict(kwargs)
        backend, step = options.pop("backend", None), options.pop("step", None)
        unknown = [option for option in options if option not in self._options]
        if unknown:
            raise TypeError(
                f"{name}: {unknown[0]} must be one of its options {sorted(self._options)}, got {unknown[0]!r}"
            )
        hyper = self._optimizer.checked(name, {**self._defaults, **options}, fixed=True)
        record = self._optimizer.record(hyper)
        if step is None and self._first is not None and self._alike(record, hyper):
            step = self._first
        if step is None:
            raise TypeError(f"{name}: step must be an integer >= 1, got nothing")
        step = checks.integer(name, "step", step, low=1)
        names = ("p", "g", *record.states)
        given = dict(zip(("p", "g", *self._states), args, strict=False))
        for state, array in given.items():
            if state not in names and array is not None:
                raise ValueError(f"{name}: {state} must be left out with these options, got an array")
        if len(args) > 2 + len(self._states) or any(n not in given for n in names):
            raise TypeError(f"{name}: takes the arrays {', '.join(names)}, got {len(args)}")
        arrays = tuple(given[n] for n in names)
        run_step(name, names, arrays, record, self._optimizer.parameters(record, hyper, step), backend)

    def _alike(self, record: Step, hyper: dict[str, Any]) -> bool:
        """Whether a step's number makes no difference."""
        at = partial(self._optimizer.parameters, record, hyper)
        return at(1) == at(2) == at(1 << 40)


def options_of(optimizer: type["Optimizer"]) -> list[str]:
    """The hyper-parameters of a step: none that say no more than what a state starts from."""
    return [name for name in optimizer.hyper if name not in optimizer.initial.values()]


def bare_step(name: str, optimizer: type["Optimizer"], example: str, *, first: int | None = None) -> StepOperation:
    """Make the function that takes one step of an optimizer on bare arrays.

    `first` is the number of a step where none is given, for optimizers whose steps can be all alike.
    """
    return StepOperation(name, optimizer, inspect.cleandoc(example), first)


def _docstring(
    optimizer: type["Optimizer"], states: tuple[str, ...], optional: list[str], example: str, first: int | None
) -> str:
    """What there is to say of a step beyond what its optimizer's docstring says."""
    name = optimizer.__name__
    whole, parts = inspect.getdoc(optimizer) or "", []
    for state in states:
        wanted = " Wanted if, and only if, the options keep it." if state in optional else ""
        start = _start(name, optimizer.initial.get(state, 0.0))
        parts.append(
            f"{state} : array, shape and dtype of `p`{', optional' if state in optional else ''}\n"
            f"    The state of that name; overwritten. {start}{wanted}"
        )
    found = re.search(r"^References\n-+\n(.*?)(?=^\w+\n-+$|\Z)", whole, re.M | re.S)
    references = found.group(1).strip() if found else ""
    counted, wanted = ("", "") if first is None else (", optional", " Wanted if steps are not all alike.")
    return "\n".join([
        f"Take one step of `{name}` on bare arrays, in place.", "",
        f"The update, and the options, are those of `{name}`, which see.", "",
        "Parameters", "----------",
        "p : array, shape (...), floating-point", "    The parameter; overwritten.",
        "g : array, shape and dtype of `p`", "    Its gradient; left alone.",
        *parts,
        f"step : int{counted}", f"    The number of this step, counted from 1.{wanted}",
        f"{', '.join(options_of(optimizer))}", f"    As in `{name}`, but no schedules.",
        'backend : {"auto", "cpu", "cuda", "cupy"}, optional', "    Where to run; the backend in force by default.", "",
        "Raises", "------",
        "TypeError", "    Not arrays, arrays of two libraries, or dtypes that differ.",
        "ValueError", "    Shapes differ, an array to be written is read-only, or an option is out of its range.", "",
        "References", "----------", references, "",
        "Examples", "--------", example,
    ])  # fmt: skip


def _fixed(annotation: Any) -> Any:
    """The type of a hyper-parameter where it can be no schedule."""
    return float if annotation == Hyper else annotation


def _start(optimizer: str, initial: float | str | None) -> str:
    """What to say of a state before the first step."""
    if initial is None:
        return f"Before the first step as `{optimizer}` begins."
    if isinstance(initial, str):
        return f"The {initial} of `{optimizer}` before the first step."
    return f"{initial or 'Zeros'} before the first step."


def run_step(
    function: str, names: tuple[str, ...], arrays: tuple[Any, ...], record: Step, parameters: tuple[float, ...],
    backend: str | None,
) -> None:  # fmt: skip
    """Check the arrays of one step, run it, and see to it that every written array holds its result."""
    call = Call(function, dict(zip(names, arrays, strict=True)), backend)
    kind = dtypes.kind_of(function, names[0], arrays[0])
    check_step(function, names, arrays, kind)
    check_states(function, names, arrays, record)
    with call.on_device():
        arrays = tuple(_apart_from(arrays, i) if i == 1 else a for i, a in enumerate(arrays))
        ready = tuple(call.ready(a, kind.compute) for a in arrays)
        call.engine.load(record, "step", kind.compute)(ready, (), (), parameters)
        for i, (own, used) in enumerate(zip(arrays, ready, strict=True)):
            if i != 1 and used is not own:
                call.give(used, own, own.dtype)


def check_step(function: str, names: tuple[str, ...], arrays: tuple[Any, ...], kind: dtypes.Kind) -> None:
    """Raise unless all have the parameter's shape and a fitting dtype, and all but the gradient can be written."""
    p = arrays[0]
    if kind.result != p.dtype.newbyteorder("="):
        raise TypeError(f"{function}: {names[0]} must be floating-point, got {p.dtype}")
    dtypes.same_shape(function, names, arrays)
    for i, (name, array) in enumerate(zip(names, arrays, strict=True)):
        native = array.dtype.newbyteorder("=")
        if native != kind.result and not (i > 1 and native == kind.compute):
            raise TypeError(f"{function}: {name} must be {kind.result} like {names[0]}, got {array.dtype}")
        if i != 1 and isinstance(array, np.ndarray | np.generic) and not array.flags.writeable:
            raise ValueError(f"{function}: {name} must be writable, got a read-only array")


def check_states(function: str, names: tuple[str, ...], arrays: tuple[Any, ...], record: Step) -> None:
    """Raise unless these are the arrays that the step's kernel takes, and those it writes have no memory in common."""
    if len(arrays) != record.arrays:
        raise ValueError(f"{function}: states must be {list(record.states)}, got {list(names[2:])}")
    written = [(name, array) for i, (name, array) in enumerate(zip(names, arrays, strict=True)) if i != 1]
    for i, (name, array) in enumerate(written):
        for other, earlier in written[:i]:
            if share_memory(earlier, array):
                raise ValueError(f"{function}: {other} and {name} must be arrays apart, got overlapping memory")


def _apart_from(arrays: tuple[Any, ...], place: int) -> Any:
    """The array at `place`, or a copy if one of the others overlaps it in part."""
    own = arrays[place]
    partly = any(i != place and a is not own and share_memory(a, own) for i, a in enumerate(arrays))
    return own.copy() if partly else own
