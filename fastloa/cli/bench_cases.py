"""What there is to measure: every public operation in every form, found in fastloa's own namespace."""

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

import fastloa as fl
from fastloa.channel_operations import ChannelActivation
from fastloa.cli.bench_case import Arrays, Case, Place, Shape
from fastloa.cli.bench_library import Library
from fastloa.cli.bench_losses import LOSS_CASES
from fastloa.cli.bench_table import ROWS, Row
from fastloa.cli.exact_activations import OPTIONS
from fastloa.cli.timing import Competitor
from fastloa.gated_operations import GatedActivation, SplitActivation
from fastloa.operations import Activation
from fastloa.optimizer_operations import Optimizer
from fastloa.optimizer_steps import StepOperation
from fastloa.random_operations import SampledActivation
from fastloa.row_operations import RowActivation


class _Activation(Case):
    """An activation, its backward from its input, or from its output."""

    def inputs(self, rng: np.random.Generator, shape: Shape, dtype: Any) -> Arrays:
        x = rng.standard_normal(shape, np.float32).astype(dtype)
        if self.form == "value":
            return [x]
        second = self.public(x, **self.row.options, backend="cpu") if self.form == "backward_from_output" else x
        return [rng.standard_normal(shape, np.float32).astype(dtype), second]

    def ours(self, inputs: Arrays, place: Place) -> Competitor:
        arrays = [place.array(x) for x in inputs]
        call = self.public if self.form == "value" else getattr(self.public, self.form)
        out = {} if place.allocate else {"out": place.xp.empty_like(arrays[0])}
        return Competitor(partial(call, *arrays, **self.row.options, **out), wait=place.wait)

    def peer(self, library: Library, inputs: Arrays, place: Place) -> Competitor | None:
        if self.form == "value":
            return library.activation(self.operation, inputs, self.row.options, rows=self.rows, allocate=place.allocate)
        return library.backward(self.operation, self.form, self.row, inputs, allocate=place.allocate)


class _Gated(Case):
    """An activation of two arrays, of two halves or with a number for each channel, and its backward."""

    def inputs(self, rng: np.random.Generator, shape: Shape, dtype: Any) -> Arrays:
        g, a, b = (rng.standard_normal(shape, np.float32).astype(dtype) for _ in range(3))
        operands = [a, b]
        if isinstance(self.public, SplitActivation):
            operands = [np.concatenate([a, b], -1)]
        if isinstance(self.public, ChannelActivation):
            operands = [a, b.reshape(-1)[: 1 if b.ndim == 1 else b.shape[1]]]
        return operands if self.form == "value" else [g, *operands]

    def size(self, inputs: Arrays) -> int:
        read = sum(x.nbytes for x in inputs)
        operands = read - (0 if self.form == "value" else inputs[0].nbytes)
        if self.form == "value":
            return int(read + inputs[0].nbytes // (2 if isinstance(self.public, SplitActivation) else 1))
        return int(read + operands)

    def ours(self, inputs: Arrays, place: Place) -> Competitor:
        arrays = [place.array(x) for x in inputs]
        form = self.public if self.form == "value" else self.public.backward
        call = partial(form, *arrays, **self.row.options)
        return Competitor(call if place.allocate else partial(call, out=call()), wait=place.wait)

    def peer(self, library: Library, inputs: Arrays, place: Place) -> Competitor | None:
        return None  # of arrays, others have none but glu


class _Step(Case):
    """A step of an optimizer on bare arrays: parameter, gradient and states."""

    def inputs(self, rng: np.random.Generator, shape: Shape, dtype: Any) -> Arrays:
        p, g = (rng.standard_normal(shape, np.float32).astype(dtype) for _ in range(2))
        return [p, g, *self._states(p)]

    @property
    def optimizer(self) -> type[Optimizer]:
        """The class whose step it is."""
        found: type[Optimizer] = self.public.optimizer
        return found

    def _states(self, p: Any) -> Arrays:
        saved = self.optimizer(p, **self.row.options).state_dict()
        return [*(x for own in saved["states"] for x in own.values()), *(saved[name] for name in self.optimizer.shared)]

    def size(self, inputs: Arrays) -> int:
        return int(2 * sum(x.nbytes for x in inputs) - inputs[1].nbytes)

    def ours(self, inputs: Arrays, place: Place) -> Competitor:
        arrays = [place.array(x) for x in inputs]
        step = {"step": 1} if "step" in inspect.signature(self.public).parameters else {}
        return Competitor(partial(self.public, *arrays, **step, **self.row.options), lambda _: arrays[:1], place.wait)

    def plain(self, inputs: Arrays, place: Place) -> Competitor | None:
        formula, arrays = self.row.numpy.get("step"), [place.array(x) for x in inputs]
        if formula is None:
            return None
        return Competitor(partial(formula, place.xp, *arrays), lambda _: arrays[:1], place.wait)

    def peer(self, library: Library, inputs: Arrays, place: Place) -> Competitor | None:
        return None  # others have no public step on bare arrays


class _Optimizer(_Step):
    """A step of an optimizer's class over one array."""

    @property
    def optimizer(self) -> type[Optimizer]:
        """The class itself."""
        found: type[Optimizer] = self.public
        return found

    def ours(self, inputs: Arrays, place: Place) -> Competitor:
        p, g = map(place.array, inputs[:2])
        made = self.public(p, **self.row.options)
        return Competitor(partial(made.step, g), lambda _: [p], place.wait)

    def peer(self, library: Library, inputs: Arrays, place: Place) -> Competitor | None:
        return library.step(self.operation, inputs[:2], self.row.options)


def cases() -> dict[str, Case]:
    """Find every public operation in every form, by the name of the case."""
    return {case.name: case for name in fl.__all__ for case in _cases_of(name)}


def _cases_of(name: str) -> Iterator[Case]:
    kind, forms = _kind(getattr(fl, name))
    if kind is None:
        return
    rows = {key.removeprefix(name): row for key, row in ROWS.items() if key.partition("(")[0] == name}
    for options, row in (rows or {"": Row(options=OPTIONS.get(name, {}))}).items():
        for form in forms:
            yield kind(name, form, options, row)


def _kind(found: Any) -> tuple[Callable[..., Case] | None, tuple[str, ...]]:
    """How to measure something public, and in which forms; None for what is no operation."""
    if isinstance(found, RowActivation | SampledActivation):
        return _Activation, ("value", "backward", "backward_from_output")
    if isinstance(found, Activation):
        from_output = found.record.derivative_from_output is not None
        return _Activation, ("value", "backward", *(("backward_from_output",) if from_output else ()))
    if isinstance(found, GatedActivation | SplitActivation | ChannelActivation):
        return _Gated, ("value", "backward")
    for operation, case in LOSS_CASES:
        if isinstance(found, operation):
            return case, ("value_and_grad",)
    if isinstance(found, StepOperation):
        return _Step, ("step",)
    # Those that step with another optimizer, or with a function that evaluates, do not step over arrays.
    if isinstance(found, type) and issubclass(found, Optimizer) and not issubclass(found, fl.Lookahead | fl.LBFGS):
        return _Optimizer, ("step",)
    return None, ()
