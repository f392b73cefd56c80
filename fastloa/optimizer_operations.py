"""What all optimizers are: parameters, states and hyper-parameters, and how a step goes over them."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, TypeAlias

import numpy as np
from fastloa_kernels.records import Step

from fastloa import backends, checks, dtypes
from fastloa.calls import meetings, touching
from fastloa.compensation import DTYPE, NAME
from fastloa.folded import Folded, Folds
from fastloa.hyper import SWITCH, Kind
from fastloa.norms import finite, shrinkage, trust
from fastloa.optimizer_steps import Alone, check_floating, check_step
from fastloa.together import Together, together
from fastloa.wording import kind

Params: TypeAlias = Any  # an array, or a list, tuple or dict of arrays


class Optimizer:
    """Parameters, their states and the number of steps taken.

    A subclass says what its hyper-parameters may be (`hyper`), which `records` there are and which one some
    hyper-parameters ask for (`record`), the formula's `parameters` at a step, and what states start from (`initial`:
    a number, the name of a hyper-parameter that is it, or None for a copy of the parameter; zeros where nothing is
    said).

    Parameters
    ----------
    params : array, or list, tuple or dict of arrays
        Updated in place by every step.
    folded : dict
        What all optimizers take beside their hyper-parameters: see `fastloa.optimizers`.
    **hyper
        Hyper-parameters: numbers, or schedules that give a number for a step counted from 0.
    """

    hyper: ClassVar[Mapping[str, Kind]]
    records: ClassVar[tuple[Step, ...]]
    initial: ClassVar[Mapping[str, float | str | None]] = {}
    # Arrays of float64 numbers that all parameters share: how many, and what there is to say of them.
    shared: ClassVar[Mapping[str, tuple[int, str]]] = {}
    takes_closure: ClassVar[bool] = False  # whether a step takes what gives value and gradients, and not gradients
    part: ClassVar[type[Alone]] = Alone  # a parameter with its gradient and states, for a step of its own

    def __init__(self, params: Params, folded: Folded, **hyper: Any) -> None:
        name = type(self).__name__
        unknown = sorted(set(folded) - set(Folded.__annotations__))
        if unknown:
            raise TypeError(f"{name}: {unknown[0]} must be one of its options, got {unknown[0]!r}")
        self.params, self.steps = params, 0
        self._keys = list(params) if isinstance(params, Mapping) else []  # in the order of the arrays, for good
        self._name, self._backend, self._folds = name, folded.get("backend"), Folds.checked(name, folded)
        if self._backend is not None:
            checks.choice(name, "backend", self._backend, backends.BACKENDS)
        self._compensated = SWITCH(name, "compensated", folded.get("compensated", False), fixed=True)
        self._hyper = self.checked(name, hyper, fixed=False)
        self._record = self.record(self._hyper)
        self._arrays = named_arrays(name, "params", params)
        for label, p in self._arrays.items():
            check_floating(name, label, p)
            check_step(name, (label,), (p,), dtypes.kind_of(name, label, p))
        self._home = backends.common_library(name, self._arrays)
        check_parameters_apart(name, self._arrays)
        self._states = {label: self._new_states(label, p) for label, p in self._arrays.items()}
        self._groups: list[Together] | None = None  # found at the first step
        self.last_lr: float | None = None
        self.last_grad_norm: Any = None
        self.last_skipped = False

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_groups": None}  # which know where this one's arrays lie

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._record = self.record(self._hyper)  # the record itself, and no copy of it

    @classmethod
    def checked(cls, function: str, hyper: Mapping[str, Any], *, fixed: bool) -> dict[str, Any]:
        """Hyper-parameters that are what they may be; with `fixed`, none of them a schedule."""
        found = {name: kind(function, name, hyper[name], fixed=fixed) for name, kind in cls.hyper.items()}
        cls.check_together(function, found)
        return found

    @classmethod
    def check_together(cls, function: str, hyper: Mapping[str, Any]) -> None:
        """Raise for hyper-parameters that are right one by one, but not together."""

    @classmethod
    def record(cls, hyper: Mapping[str, Any]) -> Step:
        """The record that hyper-parameters ask for."""
        return cls.records[0]

    @classmethod
    def parameters(cls, record: Step, hyper: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """The parameters of the record's formula at the step of that number, counted from 1."""
        raise NotImplementedError

    @classmethod
    def states_of(cls, record: Step, p: Any) -> tuple[str, ...]:
        """The names of what is kept of a parameter."""
        return record.states

    @classmethod
    def shape_of(cls, state: str, shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """The shape of a state of a parameter of that shape."""
        return shape

    @classmethod
    def trust(cls, hyper: Mapping[str, Any], xp: Any, parameter: Any, measured: Any) -> Any:
        """The trust in a step of a record that measures, from the norms of the parameter and of what is measured."""
        raise NotImplementedError

    def _new_states(self, label: str, p: Any) -> dict[str, Any]:
        """What the optimizer keeps of a parameter, by name."""
        names = [*self.states_of(self._record, p), *("ema",) * (self._folds.ema is not None)]
        states = {state: self._new_state(state, label, p) for state in names}
        if self._compensated and states_dtype(self._name, label, p) != p.dtype.newbyteorder("="):
            with backends.device_of(p):
                states[NAME] = backends.namespace_of(self._home).zeros(p.shape, DTYPE)
        return states

    def _new_state(self, state: str, label: str, p: Any) -> Any:
        """A state in the precision of the arithmetic: 16-bit parameters have float32 states."""
        start = None if state == "ema" else self.initial.get(state, 0.0)
        dtype = states_dtype(self._name, label, p)
        if isinstance(start, str):
            start = self._hyper[start]
        with backends.device_of(p):
            if start is None:
                return p.astype(dtype)
            return backends.namespace_of(self._home).full(self.shape_of(state, p.shape), start, dtype)

    def step(self, grads: Params, /) -> None:
        """Take one step, in place.

        Parameters
        ----------
        grads : array, or list, tuple or dict of arrays
            The gradients, of the structure, shapes and dtypes of the parameters. Arrays that lie in memory as NumPy
            and CuPy make them are stepped in one call, however many they are.

        Raises
        ------
        TypeError, ValueError
            Something does not fit; nothing has been written then.
        """
        folds = self._folds.at(self.steps)
        parts: Sequence[Together] | Sequence[Alone] = self._taken(grads) or self._one_by_one(grads, folds)
        hyper = {name: value(self.steps) if callable(value) else value for name, value in self._hyper.items()}
        parameters = self.parameters(self._record, hyper, self.steps + 1)
        self.last_skipped = folds.skip_nonfinite and not finite(parts, folds.grad_scale)
        if self.last_skipped:
            for part in parts:
                part.skip(folds)
            return
        norm, factor = shrinkage(parts, folds)
        self.last_grad_norm = norm if norm is None or self._home != "numpy" else float(norm)
        self._follow(parts, hyper, parameters, folds, factor)
        self.last_lr = hyper.get("lr")
        self.steps += 1

    def _follow(
        self, parts: Sequence[Together] | Sequence[Alone], hyper: Mapping[str, Any], parameters: tuple[float, ...],
        folds: Folds, factor: Any,
    ) -> None:  # fmt: skip
        """Take the steps of all parts."""
        self.follow(parts, self._record, hyper, parameters, folds, factor, ())

    @classmethod
    def follow(
        cls, parts: Sequence[Any], record: Step, hyper: Mapping[str, Any], parameters: tuple[float, ...],
        folds: Folds, factor: Any, shared: tuple[Any, ...],
    ) -> None:  # fmt: skip
        """Take the steps of parameters, whose `shared` arrays of float64 numbers are overwritten."""
        for part in parts:
            trusted = trust(part, record, parameters, folds, factor, partial(cls.trust, hyper))
            part.step(record, parameters, folds, factor, trusted)

    def in_whole(self, grads: Params) -> bool:
        """Whether all gradients have the shapes of the parameters, where some optimizers take others as well."""
        return True

    @property
    def ema(self) -> Params:
        """The running means of the parameters in the parameters' structure, or None without ``ema=``.

        They are the optimizer's own arrays, which steps overwrite.
        """
        return None if self._folds.ema is None else self._structured([own["ema"] for own in self._states.values()])

    def _structured(self, arrays: list[Any]) -> Params:
        """As many arrays as there are parameters, in the structure of these."""
        if isinstance(self.params, Mapping):
            return dict(zip(self._keys, arrays, strict=True))
        if isinstance(self.params, list | tuple):
            return tuple(arrays) if isinstance(self.params, tuple) else arrays
        return arrays[0]

    def _one_by_one(self, grads: Params, folds: Folds) -> list[Alone]:
        """Each parameter with its gradient and states; a gradient that is kept is copied where it may be written."""
        function, pairs = f"{self._name}.step", self._checked_pairs(grads)
        written = {label: p for (label, p), _ in pairs}
        states = {f"{state} of {label}": x for label, own in self._states.items() for state, x in own.items()}
        gradients = dict(argument_and_array for _, argument_and_array in pairs)
        if folds.zero_grad:
            for other, name in meetings({**gradients, **written, **states}):
                if name in gradients or other in gradients:
                    raise ValueError(f"{function}: {other} and {name} must be arrays apart, got overlapping memory")
        else:
            touched = touching(list(gradients.values()), [*written.values(), *states.values()])
            for (name, g), touches in zip(gradients.items(), touched, strict=True):
                gradients[name] = g.copy() if touches else g
        found = list[Alone]()
        for (label, p), (argument, _) in pairs:
            own = dict(self._states[label])
            lost = own.pop(NAME, None)
            names = (label, argument, *(f"{state} of {label}" for state in own))
            arrays = (p, gradients[argument], *own.values())
            found.append(self.part(function, names, arrays, self._record, folds, self._backend, lost))
        return found

    def _taken(self, grads: Params) -> list[Together]:
        """The arrays whose steps are one call, with these gradients; nothing if they must be looked into one by one."""
        if self.part is not Alone:
            return []
        engine: Any = backends.choose(f"{self._name}.step", self._home, self._backend)
        if self._groups is None or (self._groups and self._groups[0].engine is not engine):
            if engine.library != self._home:
                return []
            states = [[x for name, x in own.items() if name != NAME] for own in self._states.values()]
            lost = [own.get(NAME) for own in self._states.values()]
            self._groups = together(engine, list(self._arrays.values()), states, lost)
        own, written = self._in_order(grads) if self._groups else None, self._folds.zero_grad
        return self._groups if own is not None and all(g.take(own, written=written) for g in self._groups) else []

    def _in_order(self, grads: Params) -> list[Any] | None:
        """The gradients in the order of the parameters, or None if they have another structure."""
        if isinstance(self.params, Mapping):
            fits = isinstance(grads, Mapping) and grads.keys() == set(self._keys)
            return [grads[key] for key in self._keys] if fits else None
        if isinstance(self.params, list | tuple):
            return list(grads) if isinstance(grads, list | tuple) and len(grads) == len(self._arrays) else None
        return [grads]

    def _checked_pairs(self, grads: Params) -> list[tuple[tuple[str, Any], tuple[str, Any]]]:
        """Each parameter and its gradient, under the names by which an error calls them."""
        function = f"{self._name}.step"
        given = named_arrays(function, "grads", grads)
        names = [label.replace("params", "grads", 1) for label in self._arrays]
        alike = isinstance(grads, Mapping) == isinstance(self.params, Mapping)
        if not alike or len(given) != len(names) or not all(name in given for name in names):
            raise ValueError(f"{function}: grads must have the structure of params, got {_outline(grads)}")
        pairs = [(own, (name, given[name])) for own, name in zip(self._arrays.items(), names, strict=True)]
        for (label, p), (argument, g) in pairs:
            backends.common_library(function, {label: p, argument: g})
            kind = dtypes.kind_of(function, label, p)
            check_step(function, (label, argument), (p, g), kind, zeroed=self._folds.zero_grad)
        return pairs

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
        self._go_on(self._checked_state(f"{self._name}.load_state_dict", state_dict))

    def _checked_state(self, function: str, state_dict: Mapping[str, Any]) -> dict[str, Any]:
        """What has been saved, checked."""
        state_dict = unwrapped(state_dict)
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"{function}: state_dict must be a dict, got {kind(state_dict)}")
        for key in ("steps", "states", "hyper"):
            if key not in state_dict:
                raise ValueError(f"{function}: state_dict must have the key {key!r}, got {keys(state_dict)}")
        steps = checks.integer(function, "steps", state_dict["steps"], low=0)
        loaded = checks.items(function, "states", state_dict["states"])
        if len(loaded) != len(self._states):
            raise ValueError(f"{function}: states must have {len(self._states)} entries, got {len(loaded)}")
        for own, new in zip(self._states.values(), loaded, strict=True):
            if not isinstance(new, Mapping):
                raise TypeError(f"{function}: states must be dicts of arrays, got {kind(new)}")
            if set(own) != set(new):
                raise ValueError(f"{function}: states must be {sorted(own)}, got {keys(new)}")
            for name, state in own.items():
                backends.library(function, name, new[name])
                if new[name].shape != state.shape or new[name].dtype != state.dtype:
                    raise ValueError(
                        f"{function}: {name} must be {state.dtype} of shape {state.shape}, "
                        f"got {new[name].dtype} of shape {new[name].shape}"
                    )
        hyper = self._checked_hyper(function, state_dict["hyper"])
        return {"steps": steps, "states": loaded, "hyper": hyper}

    def _go_on(self, found: Mapping[str, Any]) -> None:
        """Go on from what has been saved and checked."""
        for own, new in zip(self._states.values(), found["states"], strict=True):
            for name, state in own.items():
                with backends.device_of(state):
                    state[...] = backends.bring_home(new[name], self._home)
        self.steps, self._hyper, self._record = found["steps"], found["hyper"], self.record(found["hyper"])

    def _checked_hyper(self, function: str, hyper: Any) -> dict[str, Any]:
        """Hyper-parameters that have been saved, checked like new ones."""
        hyper = unwrapped(hyper)
        if not isinstance(hyper, Mapping):
            raise TypeError(f"{function}: hyper must be a dict, got {kind(hyper)}")
        if set(hyper) != set(self._hyper):
            raise ValueError(f"{function}: hyper must be {sorted(self._hyper)}, got {keys(hyper)}")
        found = self.checked(function, hyper, fixed=False)
        states = self.record(found).states
        if states != self._record.states:
            raise ValueError(f"{function}: hyper must want the states {list(self._record.states)}, got {list(states)}")
        return found

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self._hyper.items())
        return f"<fastloa {self._name} over {len(self._arrays)} arrays, {self.steps} steps: {settings}>"


def states_dtype(function: str, label: str, p: Any) -> str:
    """The dtype of the arithmetic on a parameter, and of its states: float32 for 16 bits."""
    return dtypes.kind_of(function, label, p).compute


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
    if isinstance(params, Mapping) and len(found) < len(params):
        raise ValueError(f"{function}: {argument} must have keys that read differently, got {list(params)}")
    for name, array in found.items():
        backends.library(function, name, array)
    return found


def check_parameters_apart(function: str, found: Mapping[str, Any]) -> None:
    """Raise where two parameters are one, or have memory in common."""
    for name, other in meetings(found):
        if found[name] is found[other]:
            raise ValueError(f"{function}: params must hold each array once, got {name} again as {other}")
        raise ValueError(f"{function}: {name} and {other} must be arrays apart, got overlapping memory")


def unwrapped(saved: Any) -> Any:
    """What has been saved, as it was before `np.savez` kept it in an array of one object."""
    return saved.item() if isinstance(saved, np.ndarray) and saved.shape == () else saved


def keys(mapping: Mapping[Any, Any]) -> list[Any]:
    """The keys of a mapping in an order of their own, as an error names them."""
    return sorted(mapping, key=str)


def _copy(state: Any) -> Any:
    with backends.device_of(state):
        return state.copy()


def _outline(structure: Any) -> str:
    if isinstance(structure, Mapping):
        return f"a dict with the keys {sorted(map(str, structure))}"
    return f"{len(structure)} arrays" if isinstance(structure, list | tuple) else "one array"
