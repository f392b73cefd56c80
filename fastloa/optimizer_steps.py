"""One step of an optimizer on bare arrays: its checks, its run, and the public functions that do no more than it."""

import inspect
import re
from functools import partial
from typing import TYPE_CHECKING, Any, get_type_hints

import numpy as np
from fastloa_kernels.records import Step

from fastloa import checks, dtypes
from fastloa.calls import Call, check_out, share_memory
from fastloa.compensation import form_of, with_lost
from fastloa.folded import OF_BARE_STEPS, PLAIN, Folded, Folds
from fastloa.hyper import Hyper
from fastloa.norms import shrinkage
from fastloa.operations import Array, Operation

if TYPE_CHECKING:
    from fastloa.optimizer_operations import Optimizer

KEYWORD, POSITIONAL = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_ONLY
NEEDED = inspect.Parameter.empty
FOLDED = get_type_hints(Folded)
DIMENSIONS = ("...", "n", "m")  # of a parameter, as a docstring says it


class StepOperation(Operation[...]):
    """One step of an optimizer on bare arrays, in place."""

    def __init__(
        self, name: str, optimizer: type["Optimizer"], example: str, first: int | None,
        kept: tuple[tuple[str, ...], ...] | None,
    ) -> None:  # fmt: skip
        own = {p.name: p for p in inspect.signature(optimizer.__init__).parameters.values()}
        self._defaults = {key: own[key].default for key in optimizer.hyper}
        self._options = options_of(optimizer)
        self.optimizer, self._first = optimizer, first
        self._numbers = {name: length for name, (length, _) in optimizer.shared.items()}
        kept = kept or tuple(record.states for record in optimizer.records)
        self._states = tuple(dict.fromkeys(state for states in kept for state in states))
        optional = [state for state in self._states if any(state not in states for states in kept)]

        def definition() -> None:
            """Stand for the function in what says how to call it."""

        definition.__name__, definition.__qualname__, definition.__module__ = name, name, optimizer.__module__
        definition.__doc__ = _docstring(optimizer, self._states, optional, example, first)
        definition.__signature__ = inspect.Signature([  # type: ignore[attr-defined]
            *(inspect.Parameter(n, POSITIONAL, annotation=Array) for n in ("p", "g")),
            *(inspect.Parameter(s, POSITIONAL, annotation=Array, default=None if s in optional else NEEDED)
              for s in (*self._states, *optimizer.shared)),
            inspect.Parameter("step", KEYWORD, annotation=int, default=NEEDED if first is None else None),
            *(own[key].replace(kind=KEYWORD, annotation=_fixed(own[key].annotation)) for key in self._options),
            *(inspect.Parameter(key, KEYWORD, annotation=_fixed(FOLDED[key]), default=getattr(PLAIN, key))
              for key in OF_BARE_STEPS),
            inspect.Parameter("backend", KEYWORD, annotation=str | None, default=None),
        ])  # fmt: skip
        super().__init__(definition, optimizer.records[0])

    def __call__(self, /, *args: Any, **kwargs: Any) -> None:
        """Take the step, in place."""
        name, options = self.__name__, dict(kwargs)
        backend, step = options.pop("backend", None), options.pop("step", None)
        folds = Folds.checked(name, {key: options.pop(key) for key in OF_BARE_STEPS if key in options}, fixed=True)
        unknown = [option for option in options if option not in self._options]
        if unknown:
            raise TypeError(
                f"{name}: {unknown[0]} must be one of its options {sorted(self._options)}, got {unknown[0]!r}"
            )
        hyper = self.optimizer.checked(name, {**self._defaults, **options}, fixed=True)
        record = self.optimizer.record(hyper)
        if step is None and self._first is not None and self._alike(record, hyper):
            step = self._first
        if step is None:
            raise TypeError(f"{name}: step must be an integer >= 1, got nothing")
        step = checks.integer(name, "step", step, low=1)
        known = ("p", "g", *self._states, *self._numbers)
        given = dict(zip(known, args, strict=False))
        names = ("p", "g", *self.optimizer.states_of(record, given.get("p")))
        taken = (*names, *self._numbers)
        for state, array in given.items():
            if state not in taken and array is not None:
                raise ValueError(f"{name}: {state} must be left out with these options, got an array")
        if len(args) > len(known) or any(n not in given for n in taken):
            raise TypeError(f"{name}: takes the arrays {', '.join(taken)}, got {len(args)}")
        arrays = {n: given[n] for n in taken}
        alone = self.optimizer.part(name, names, tuple(arrays[n] for n in names), record, folds, backend)
        numbers = Numbers(name, arrays, self._numbers, folds, backend)
        _, factor = shrinkage([alone], folds)
        parameters = self.optimizer.parameters(record, hyper, step)
        self.optimizer.follow([alone], record, hyper, parameters, folds, factor, numbers.ready)
        numbers.give()

    def _alike(self, record: Step, hyper: dict[str, Any]) -> bool:
        """Whether a step's number makes no difference."""
        at = partial(self.optimizer.parameters, record, hyper)
        return at(1) == at(2) == at(1 << 40)


def options_of(optimizer: type["Optimizer"]) -> list[str]:
    """The hyper-parameters of a step: none that say no more than what a state starts from."""
    return [name for name in optimizer.hyper if name not in optimizer.initial.values()]


def bare_step(
    name: str, optimizer: type["Optimizer"], example: str, *, first: int | None = None,
    kept: tuple[tuple[str, ...], ...] | None = None,
) -> StepOperation:  # fmt: skip
    """Make the function that takes one step of an optimizer on bare arrays.

    `first` is the number of a step where none is given, for optimizers whose steps can be all alike. The states that
    may be `kept` are those of the records, unless it is said.
    """
    return StepOperation(name, optimizer, inspect.cleandoc(example), first, kept)


def _docstring(
    optimizer: type["Optimizer"], states: tuple[str, ...], optional: list[str], example: str, first: int | None
) -> str:
    """What there is to say of a step beyond what its optimizer's docstring says."""
    name = optimizer.__name__
    whole, parts = inspect.getdoc(optimizer) or "", []
    for state in states:
        wanted = " Wanted if, and only if, the options, or the shape of `p`, keep it." if state in optional else ""
        start = _start(name, optimizer.initial.get(state, 0.0))
        like = _like(optimizer.shape_of(state, DIMENSIONS))
        read = any(state in record.states[: record.kept] for record in optimizer.records)
        parts.append(
            f"{state} : array, {like}{', optional' if state in optional else ''}\n"
            f"    The state of that name; {'left alone' if read else 'overwritten'}. {start}{wanted}"
        )
    found = re.search(r"^References\n-+\n(.*?)(?=^\w+\n-+$|\Z)", whole, re.M | re.S)
    references = found.group(1).strip() if found else ""
    counted, wanted = ("", "") if first is None else (", optional", " Wanted if steps are not all alike.")
    return "\n".join([
        f"Take one step of `{name}` on bare arrays, in place.", "",
        f"The update, and the options, are those of `{name}`, which see.", "",
        "Parameters", "----------",
        "p : array, shape (...), floating-point", "    The parameter; overwritten.",
        "g : array, shape and dtype of `p`", "    Its gradient; left alone, unless it is to be set to 0.",
        *parts,
        *(f"{name} : array of {length} float64 numbers\n    {text} Overwritten."
          for name, (length, text) in optimizer.shared.items()),
        f"step : int{counted}", f"    The number of this step, counted from 1.{wanted}",
        f"{', '.join(options_of(optimizer))}", f"    As in `{name}`, but no schedules.",
        ", ".join(OF_BARE_STEPS), "    What all optimizers take, but no schedules: see `fastloa.optimizers`.",
        'backend : {"auto", "cpu", "cuda", "cupy"}, optional', "    Where to run; the backend in force by default.", "",
        "Raises", "------",
        "TypeError", "    Not arrays, arrays of two libraries, or dtypes that differ.",
        "ValueError", "    Shapes differ, an array to be written is read-only, or an option is out of its range.", "",
        "References", "----------", references, "",
        "Examples", "--------", example,
    ])  # fmt: skip


def _like(shape: tuple[str, ...]) -> str:
    """What to say of a state of that shape."""
    own = ", ".join(map(str, shape))
    return "shape and dtype of `p`" if shape == DIMENSIONS else f"shape ({own}) of a `p` of (..., n, m), and its dtype"


def _fixed(annotation: Any) -> Any:
    """The type of a hyper-parameter where it can be no schedule."""
    return {Hyper: float, Hyper | None: float | None}.get(annotation, annotation)


def _start(optimizer: str, initial: float | str | None) -> str:
    """What to say of a state before the first step."""
    if initial is None:
        return f"Before the first step as `{optimizer}` begins."
    if isinstance(initial, str):
        return f"The {initial} of `{optimizer}` before the first step."
    return f"{initial or 'Zeros'} before the first step."


class Numbers:
    """The float64 numbers that parameters share, of these lengths, among a bare step's arrays."""

    def __init__(
        self, function: str, arrays: dict[str, Any], lengths: dict[str, int], folds: Folds, backend: str | None
    ) -> None:
        self._given, self.ready = [arrays[name] for name in lengths], tuple[Any, ...]()
        if not lengths:
            return
        self._call = Call(function, arrays, backend)
        for name, length in lengths.items():
            check_out(function, name, arrays[name], (length,), np.dtype("float64"))
        check_written_apart(function, tuple(arrays), tuple(arrays.values()), folds)
        with self._call.on_device():
            self.ready = tuple([self._call.ready(array, "float64") for array in self._given])

    def give(self) -> None:
        """See to it that the caller's arrays hold them."""
        for own, used in zip(self._given, self.ready, strict=True):
            if used is not own:
                self._call.give(used, own, own.dtype)


class Alone:
    """A parameter, its gradient and its states, for a step of their own.

    Parameters
    ----------
    function : str
        The public name, for errors.
    names : tuple of str
        What an error calls the arrays.
    arrays : tuple of array
        The parameter, its gradient and its states.
    record : Step
        The step.
    folds : Folds
        What is folded into it.
    backend : str or None
        The caller's choice.
    lost : array or None
        What the parameter has lost to rounding (`fastloa.compensation`).
    """

    wide = False  # whether a gradient of 16-bit parameters may be one of float32, as sums are

    def __init__(
        self, function: str, names: tuple[str, ...], arrays: tuple[Any, ...], record: Step, folds: Folds,
        backend: str | None, lost: Any = None,
    ) -> None:  # fmt: skip
        whole = {} if lost is None else {f"compensation of {names[0]}": lost}
        self._call = Call(function, whole | dict(zip(names, arrays, strict=True)), backend)
        check_floating(function, names[0], arrays[0])
        kind = dtypes.kind_of(function, names[0], arrays[0])
        check_step(function, names, arrays, kind, zeroed=folds.zero_grad, wide=self.wide)
        check_states(function, names, arrays, record, folds)
        self.arrays, self.lost = arrays, lost
        kinds = [dtypes.kind_of(function, name, array) for name, array in zip(names, arrays, strict=True)]
        self._stored = [self._call.stored(own, kind.compute) for own in kinds]
        if lost is not None:
            self._stored.insert(0, lost.dtype if self._call.engine.sixteen_bits else kind.compute)
        self.dtype, self.sizes, self.on_device = kind.compute, arrays[0].size, self._call.on_device
        self.shape = tuple(arrays[0].shape)
        self.engine = self._call.engine
        self.xp, self.on_cpu = self.engine.xp, self.engine.name == "cpu"

    def form(self, name: str) -> str:
        """The form of that name that takes the parameter."""
        return name if self.lost is None else form_of(name, self.arrays[0])

    @property
    def operands(self) -> tuple[Any, ...]:
        """What such a form takes: before the parameter, what that has lost."""
        return self.arrays if self.lost is None else (self.lost, *self.arrays)

    @property
    def gradient(self) -> int:
        """The gradient's place among them."""
        return 1 if self.lost is None else 2

    def ready(self, own: Any) -> Any:
        """One of its arrays in the precision of the arithmetic, on the engine; itself if it is all that."""
        return self._call.ready(own, self.dtype)

    def give(self, own: Any, array: Any) -> None:
        """See to it that one of its arrays holds what is in another."""
        self._call.give(array, own, own.dtype)

    def sums(
        self, record: Any, form: str, rows: slice, leading: tuple[Any, ...], parameters: tuple[float, ...],
        which: Any = slice(None),
    ) -> Any:  # fmt: skip
        """The sum that a form gives for the one array that there is."""
        engine: Any = self._call.engine
        if self.lost is not None:
            rows, form = with_lost(rows, form, self.arrays[0])
        kernel = engine.load(record, form, self.dtype)
        with self.on_device():
            ready = tuple(map(self._call.ready, self.operands[rows], self._stored[rows]))
            if not self.on_cpu:
                return kernel(ready, (), leading, parameters).reshape(1)
            places = np.array(engine.places_of(ready)(ready)).reshape(-1, 1)
            kinds = engine.kinds_of([[x] for x in ready])
            return kernel.over_arrays(places, np.array([self.sizes]), leading, parameters, kinds)

    def step(
        self, record: Step, parameters: tuple[float, ...], folds: Folds, factor: Any, trust: tuple[Any, ...]
    ) -> None:  # fmt: skip
        """Take the step, and see to it that every written array holds its result."""
        call = self._call
        with call.on_device():
            arrays, gradient = list(self.operands), self.gradient
            arrays[gradient] = _apart_from(self.arrays, 1)
            ready = tuple(map(call.ready, arrays, self._stored))
            kernel = call.engine.load(record, self.form(folds.form), self.dtype)
            trust = tuple([x.item() if self.on_cpu else x.reshape(()) for x in trust])
            kernel(ready, (), (*folds.leading(factor), *trust), parameters)
            for i, (own, used) in enumerate(zip(arrays, ready, strict=True)):
                if (i != gradient or folds.zero_grad) and used is not own:
                    call.give(used, own, own.dtype)

    def skip(self, folds: Folds) -> None:
        """Let the step pass."""
        if folds.zero_grad:
            with self.on_device():
                self.arrays[1][...] = 0.0


def check_floating(function: str, name: str, p: Any) -> None:
    """Raise for a parameter of a dtype that is not floating-point, or that is not supported."""
    if p.dtype.newbyteorder("=").name not in dtypes.COMPUTE:
        raise TypeError(f"{function}: {name} must be floating-point, got {p.dtype}")


def check_step(
    function: str, names: tuple[str, ...], arrays: tuple[Any, ...], kind: dtypes.Kind, *, zeroed: bool = False,
    wide: bool = False,
) -> None:  # fmt: skip
    """Raise unless all have the parameter's shape and a fitting dtype, and all but a gradient kept can be written."""
    dtypes.same_shape(function, names, arrays)
    check_kinds(function, names, arrays, kind, zeroed=zeroed, wide=wide)


def check_kinds(
    function: str, names: tuple[str, ...], arrays: tuple[Any, ...], kind: dtypes.Kind, *, zeroed: bool = False,
    wide: bool = False,
) -> None:  # fmt: skip
    """Raise unless all have a fitting dtype, and all but a gradient kept can be written."""
    for i, (name, array) in enumerate(zip(names, arrays, strict=True)):
        native = array.dtype.newbyteorder("=")
        if native != kind.result and not (i > (0 if wide else 1) and native == kind.compute):
            raise TypeError(f"{function}: {name} must be {kind.result} like {names[0]}, got {array.dtype}")
        if i != 1 or zeroed:
            check_written(function, name, array)


def check_written(function: str, name: str, array: Any) -> None:
    """Raise unless an array can be written, each element by itself."""
    if isinstance(array, np.ndarray | np.generic) and not array.flags.writeable:
        raise ValueError(f"{function}: {name} must be writable, got a read-only array")
    steps = zip(array.shape, array.strides, strict=True)
    if 0 in array.strides and array.size and any(n > 1 and not step for n, step in steps):
        raise ValueError(f"{function}: {name} must have a place for each element, got strides {array.strides}")


def check_states(
    function: str, names: tuple[str, ...], arrays: tuple[Any, ...], record: Step, folds: Folds
) -> None:  # fmt: skip
    """Raise unless these are the arrays that the step's kernel takes, and those it writes have no memory in common."""
    states = [*record.states, *("ema",) * (folds.ema is not None)]
    if len(arrays) != 2 + len(states):
        raise ValueError(f"{function}: states must be {states}, got {list(names[2:])}")
    check_written_apart(function, names, arrays, folds)


def check_written_apart(function: str, names: tuple[str, ...], arrays: tuple[Any, ...], folds: Folds) -> None:
    """Raise where arrays that a step writes have memory in common."""
    named = enumerate(zip(names, arrays, strict=True))
    written = [(name, array) for i, (name, array) in named if i != 1 or folds.zero_grad]
    for i, (name, array) in enumerate(written):
        for other, earlier in written[:i]:
            if share_memory(earlier, array):
                raise ValueError(f"{function}: {other} and {name} must be arrays apart, got overlapping memory")


def _apart_from(arrays: tuple[Any, ...], place: int) -> Any:
    """The array at `place`, or a copy if one of the others overlaps it in part."""
    own = arrays[place]
    partly = any(i != place and a is not own and share_memory(a, own) for i, a in enumerate(arrays))
    return own.copy() if partly else own
