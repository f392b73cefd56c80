"""Optimizer steps on bare arrays, and the class that holds parameters and states for many of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeAlias

import numpy as np
from fastloa_kernels.records import Step

from fastloa import backends, checks, dtypes
from fastloa.calls import Call, share_memory
from fastloa.operations import Operation
from fastloa.schedules import Schedule

P = ParamSpec("P")
Params: TypeAlias = Any  # an array, or a list, tuple or dict of arrays
Hyper: TypeAlias = float | Schedule


@dataclass(frozen=True)
class StepTerms:
    """What a definition makes of its options: the step's record and the formula's parameters."""

    record: Step
    parameters: tuple[float, ...]


class StepOperation(Operation[P]):
    """One step of an optimizer on bare arrays, in place and in one pass."""

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Take the step, in place."""
        options: dict[str, Any] = dict(kwargs)
        backend = options.pop("backend", None)
        terms: StepTerms = self._definition(*args, **options)
        names = ("p", "g", *terms.record.states)
        arrays: tuple[Any, ...] = args
        while arrays and arrays[-1] is None:  # states that the options do not want
            arrays = arrays[:-1]
        if len(arrays) != len(names):
            raise TypeError(f"{self.__name__}: takes the arrays {', '.join(names)}, got {len(arrays)}")
        run_step(self.__name__, names, arrays, terms, backend)


def run_step(
    function: str, names: tuple[str, ...], arrays: tuple[Any, ...], terms: StepTerms, backend: str | None
) -> None:
    """Check the arrays of one step, run it, and see to it that every written array holds its result."""
    call = Call(function, dict(zip(names, arrays, strict=True)), backend)
    kind = dtypes.kind_of(function, names[0], arrays[0])
    check_step(function, names, arrays, kind)
    check_states(function, names, arrays, terms.record)
    with call.on_device():
        arrays = tuple(_apart_from(arrays, i) if i == 1 else a for i, a in enumerate(arrays))
        ready = tuple(call.ready(a, kind.compute) for a in arrays)
        call.engine.load(terms.record, "step", kind.compute)(ready, (), (), terms.parameters)
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


def step_operation(record: Step) -> Callable[[Callable[P, Any]], StepOperation[P]]:
    """Make a step on bare arrays of a definition that returns `StepTerms`."""
    return lambda function: StepOperation(function, record)


class Optimizer:
    """Parameters, their states and the number of steps taken.

    Parameters
    ----------
    name : str
        The public name, for errors.
    params : array, or list, tuple or dict of arrays
        Updated in place by every step.
    states : tuple of str
        The names of each parameter's states.
    hyper : dict
        Hyper-parameters: numbers, or schedules that give a number for a step counted from 0.
    backend : str or None
        Where to run.
    """

    def __init__(
        self, name: str, params: Params, states: tuple[str, ...], hyper: dict[str, Any], backend: str | None
    ) -> None:
        self.params, self.steps = params, 0
        self._name, self._state_names, self._hyper = name, states, hyper
        self._backend = backend
        self._arrays = named_arrays(name, "params", params)
        for label, p in self._arrays.items():
            check_step(name, (label,), (p,), _parameter_kind(name, label, p))
        self._home = backends.common_library(name, self._arrays)
        self._states = {
            label: {state: self._new_state(name, label, p) for state in states} for label, p in self._arrays.items()
        }
        self.last_lr: float | None = None

    def _new_state(self, name: str, label: str, p: Any) -> Any:
        """Zeros in the precision of the arithmetic: 16-bit parameters have float32 states."""
        dtype = _parameter_kind(name, label, p).compute
        with backends.device_of(p):
            return backends.namespace_of(self._home).zeros(p.shape, dtype)

    def step(self, grads: Params, /) -> None:
        """Take one step, in place.

        Parameters
        ----------
        grads : array, or list, tuple or dict of arrays
            The gradients, of the structure, shapes and dtypes of the parameters.

        Raises
        ------
        TypeError, ValueError
            Something does not fit; nothing has been written then.
        """
        function = f"{self._name}.step"
        given = named_arrays(function, "grads", grads)
        if len(given) != len(self._arrays):
            raise ValueError(f"{function}: grads must have the structure of params, got {_outline(grads)}")
        pairs = list(zip(self._arrays.items(), given.items(), strict=True))
        for (label, p), (argument, g) in pairs:
            if label.replace("params", "grads", 1) != argument:
                raise ValueError(f"{function}: grads must have the structure of params, got {_outline(grads)}")
            backends.common_library(function, {label: p, argument: g})
            check_step(function, (label, argument), (p, g), _parameter_kind(function, label, p))
        hyper = {name: value(self.steps) if callable(value) else value for name, value in self._hyper.items()}
        terms = self._terms(hyper)
        for (label, p), (argument, g) in pairs:
            states = self._states[label]
            names = (label, argument, *(f"{state} of {label}" for state in states))
            run_step(function, names, (p, g, *states.values()), terms, self._backend)
        self.last_lr = hyper["lr"]
        self.steps += 1

    def _terms(self, hyper: dict[str, Any]) -> StepTerms:
        """The step's formula and parameters at this step's hyper-parameters."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """Return the number of steps, the states and the hyper-parameters, as copies.

        Returns
        -------
        dict
            ``steps`` (int), ``states`` (a list of dicts of arrays, one for each parameter) and ``hyper`` (a dict).
        """
        states = [{name: _copy(state) for name, state in own.items()} for own in self._states.values()]
        return {"steps": self.steps, "states": states, "hyper": dict(self._hyper)}

    def load_state_dict(self, state_dict: Mapping[str, Any], /) -> None:
        """Go on from what `state_dict` gave; the next steps are the same to the bit.

        Parameters
        ----------
        state_dict : dict
            From an optimizer of the same kind over parameters of the same shapes.

        Raises
        ------
        TypeError, ValueError
            Something does not fit; nothing has been changed then.
        """
        function = f"{self._name}.load_state_dict"
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"{function}: state_dict must be a dict, got {checks.kind(state_dict)}")
        for key in ("steps", "states", "hyper"):
            if key not in state_dict:
                raise ValueError(f"{function}: state_dict must have the key {key!r}, got {sorted(state_dict)}")
        steps = checks.integer(function, "steps", state_dict["steps"], low=0)
        loaded = state_dict["states"]
        if len(loaded) != len(self._states):
            raise ValueError(f"{function}: states must have {len(self._states)} entries, got {len(loaded)}")
        for own, new in zip(self._states.values(), loaded, strict=True):
            if set(own) != set(new):
                raise ValueError(f"{function}: states must be {sorted(own)}, got {sorted(new)}")
            for name, state in own.items():
                if new[name].shape != state.shape or new[name].dtype != state.dtype:
                    raise ValueError(
                        f"{function}: {name} must be {state.dtype} of shape {state.shape}, "
                        f"got {new[name].dtype} of shape {new[name].shape}"
                    )
        hyper = self._checked_hyper(function, state_dict["hyper"])
        for own, new in zip(self._states.values(), loaded, strict=True):
            for name, state in own.items():
                with backends.device_of(state):
                    state[...] = backends.bring_home(new[name], self._home)
        self.steps, self._hyper = steps, hyper

    def _checked_hyper(self, function: str, hyper: Any) -> dict[str, Any]:
        """Hyper-parameters that have been saved, checked like new ones, by an optimizer that is made of them."""
        hyper = hyper.item() if isinstance(hyper, np.ndarray) and hyper.shape == () else hyper  # as np.savez keeps it
        if not isinstance(hyper, Mapping):
            raise TypeError(f"{function}: hyper must be a dict, got {checks.kind(hyper)}")
        if set(hyper) != set(self._hyper):
            raise ValueError(f"{function}: hyper must be {sorted(self._hyper)}, got {sorted(hyper)}")
        made: Any = type(self)
        trial: Optimizer = made(np.zeros(1), **hyper)
        if trial._state_names != self._state_names:
            raise ValueError(
                f"{function}: hyper must want the states {list(self._state_names)}, got {list(trial._state_names)}"
            )
        return trial._hyper

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self._hyper.items())
        return f"<fastloa {self._name} over {len(self._arrays)} arrays, {self.steps} steps: {settings}>"


def scheduled(function: str, argument: str, value: Any, **bounds: Any) -> Hyper:
    """A checked number, or a schedule whose numbers are checked as they come."""
    if isinstance(value, _Checked):
        value = value.schedule
    if callable(value):
        return _Checked(function, argument, value, tuple(bounds.items()))
    return checks.number(function, argument, value, **bounds)


@dataclass(frozen=True)
class _Checked:
    """A schedule that refuses a number out of range before anything is written."""

    function: str
    argument: str
    schedule: Schedule
    bounds: tuple[tuple[str, Any], ...]

    def __call__(self, step: int) -> float:
        return checks.number(self.function, self.argument, self.schedule(step), **dict(self.bounds))

    def __repr__(self) -> str:
        return repr(self.schedule)


def named_arrays(function: str, argument: str, params: Params) -> dict[str, Any]:
    """Every array of a structure under the name by which an error calls it."""
    if isinstance(params, Mapping):
        found = {f"{argument}[{key!r}]": array for key, array in params.items()}
    elif isinstance(params, list | tuple):
        found = {f"{argument}[{i}]": array for i, array in enumerate(params)}
    else:
        found = {argument: params}
    if not found:
        raise ValueError(f"{function}: {argument} must hold at least one array, got none")
    seen: dict[int, str] = {}
    for name, array in found.items():
        backends.library(function, name, array)
        if argument == "params" and seen.setdefault(id(array), name) != name:
            raise ValueError(f"{function}: params must hold each array once, got {seen[id(array)]} again as {name}")
    return found


def _copy(state: Any) -> Any:
    with backends.device_of(state):
        return state.copy()


def _parameter_kind(function: str, name: str, p: Any) -> dtypes.Kind:
    return dtypes.kind_of(function, name, p)


def _outline(structure: Any) -> str:
    if isinstance(structure, Mapping):
        return f"a dict with the keys {sorted(map(str, structure))}"
    return f"{len(structure)} arrays" if isinstance(structure, list | tuple) else "one array"
