"""What there is to measure: every public operation in every form, found in fastloa's own namespace."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from fastloa_kernels.engines import load_engine

import fastloa as fl
from fastloa.channel_operations import ChannelActivation
from fastloa.cli.bench_library import Library
from fastloa.cli.bench_table import ROWS, Row, classes, normal
from fastloa.cli.exact_activations import OPTIONS
from fastloa.cli.timing import Competitor
from fastloa.gated_operations import GatedActivation, SplitActivation
from fastloa.joint_loss_operations import JointLoss
from fastloa.loss_operations import Loss
from fastloa.operations import Activation
from fastloa.optimizer_operations import Optimizer
from fastloa.optimizer_steps import StepOperation
from fastloa.paired_loss_operations import PairedLossOperation
from fastloa.random_operations import SampledActivation
from fastloa.row_loss_operations import RowLossOperation
from fastloa.row_operations import RowActivation
from fastloa.vector_loss_operations import VectorLossOperation

Arrays = list[Any]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Place:
    """Where a point is measured, and whether calls allocate what they return."""

    backend: str
    allocate: bool = False

    @property
    def gpu(self) -> bool:
        """Whether it is not the CPU."""
        return self.backend != "cpu"

    @property
    def xp(self) -> Any:
        """The library of its arrays."""
        return load_engine(self.backend).xp

    def chosen(self) -> AbstractContextManager[Any]:
        """Choose the backend for a block, where it is not in force anyway."""
        natural = fl.get_backend(self.array(np.zeros(1))) == self.backend
        return nullcontext() if natural else fl.use_backend(self.backend)

    def array(self, array: Any) -> Any:
        """A copy of a NumPy array there."""
        return fl.to_backend(array, self.backend) if self.gpu else array.copy()

    def wait(self) -> None:
        """Wait for the device."""
        if self.gpu:
            self.xp.cuda.get_current_stream().synchronize()


@dataclass(frozen=True)
class Case:
    """An operation in one form; the subclasses know what it takes and gives.

    Parameters
    ----------
    operation : str
        Its public name.
    form : str
        value, backward, backward_from_output, value_and_grad or step.
    options : str
        What tells it from the operation's other rows.
    row : Row
        What the table knows of it.
    """

    operation: str
    form: str
    options: str
    row: Row

    @property
    def name(self) -> str:
        """What it is called in tables and on the command line."""
        called = self.form == "value" or isinstance(self.public, StepOperation)
        return f"{self.operation}{self.options}" + ("" if called else f".{self.form}")

    @property
    def public(self) -> Any:
        """The operation itself."""
        return getattr(fl, self.operation)

    @property
    def rows(self) -> bool:
        """Whether it works on rows of a matrix."""
        return self.row.rows or isinstance(self.public, RowActivation | RowLossOperation | VectorLossOperation)

    def inputs(self, rng: np.random.Generator, shape: Shape, dtype: Any) -> Arrays:
        """Draw the arrays of a call."""
        raise NotImplementedError

    def size(self, inputs: Arrays) -> int:
        """Count the bytes that a call must move: what it reads and what it writes, once each."""
        return int(sum(x.nbytes for x in inputs) + inputs[0].nbytes)

    def ours(self, inputs: Arrays, place: Place) -> Competitor:
        """Give fastloa's call."""
        raise NotImplementedError

    def plain(self, inputs: Arrays, place: Place) -> Competitor | None:
        """Give the call as people write it in the library of the place, if the table has one."""
        formula = self.row.numpy.get(self.form)
        if formula is None:
            return None
        return Competitor(partial(formula, place.xp, *map(place.array, inputs)), wait=place.wait)

    def peer(self, library: Library, inputs: Arrays, place: Place) -> Competitor | None:
        """Give another library's call, if it has one."""
        raise NotImplementedError


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


class _Loss(Case):
    """The value and the gradient of a loss, averaged."""

    def inputs(self, rng: np.random.Generator, shape: Shape, dtype: Any) -> Arrays:
        x, target = (self.row.draw or (classes if self.rows else normal))(rng, shape)
        return [x.astype(dtype), target if target.dtype.kind == "i" else target.astype(dtype)]

    def ours(self, inputs: Arrays, place: Place) -> Competitor:
        arrays = [place.array(x) for x in inputs]
        out = {} if place.allocate else {"grad_out": place.xp.empty_like(arrays[0])}
        return Competitor(partial(self.public.value_and_grad, *arrays, **self.row.options, **out), wait=place.wait)

    def peer(self, library: Library, inputs: Arrays, place: Place) -> Competitor | None:
        return library.loss(self.operation, inputs, self.row.options)


class _JointLoss(_Loss):
    """The same of a loss of three arrays: its gradients are two."""

    def inputs(self, rng: np.random.Generator, shape: Shape, dtype: Any) -> Arrays:
        return [*super().inputs(rng, shape, dtype), (0.1 + rng.random(shape, np.float32)).astype(dtype)]

    def size(self, inputs: Arrays) -> int:
        return super().size(inputs) + int(inputs[0].nbytes)

    def ours(self, inputs: Arrays, place: Place) -> Competitor:
        arrays = [place.array(x) for x in inputs]
        out = {} if place.allocate else {"grad_out": tuple(place.xp.empty_like(arrays[0]) for _ in range(2))}
        return Competitor(partial(self.public.value_and_grad, *arrays, **self.row.options, **out), wait=place.wait)

    def peer(self, library: Library, inputs: Arrays, place: Place) -> Competitor | None:
        return None  # others' gradients are asked for in the first array alone


class _VectorLoss(_Loss):
    """The same of a loss of rows of vectors, which may all be probabilities: as many gradients as it has."""

    def inputs(self, rng: np.random.Generator, shape: Shape, dtype: Any) -> Arrays:
        record = self.public.record
        found = [rng.random(shape, np.float32).astype(dtype) for _ in range(record.vectors)]
        return [*found, *([rng.choice([-1, 1], shape[:-1])] if record.labelled else [])]

    def size(self, inputs: Arrays) -> int:
        return int(sum(x.nbytes for x in inputs) + self.public.record.gradients * inputs[0].nbytes)

    def ours(self, inputs: Arrays, place: Place) -> Competitor:
        arrays, count = [place.array(x) for x in inputs], self.public.record.gradients
        given = tuple(place.xp.empty_like(arrays[0]) for _ in range(count))
        out = {} if place.allocate else {"grad_out": given if count > 1 else given[0]}
        return Competitor(partial(self.public.value_and_grad, *arrays, **self.row.options, **out), wait=place.wait)

    def peer(self, library: Library, inputs: Arrays, place: Place) -> Competitor | None:
        return None  # as of `_JointLoss`


class _PairedLoss(_Loss):
    """The same of a loss through pairs of a row's labels, of which one is given, and its other classes."""

    def inputs(self, rng: np.random.Generator, shape: Shape, dtype: Any) -> Arrays:
        x, labels = super().inputs(rng, shape, dtype)
        if self.public.several:  # in PyTorch's format
            labels = np.concatenate([labels[..., None], np.full((*shape[:-1], shape[-1] - 1), -1)], -1)
        return [x, labels]


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
    if isinstance(found, PairedLossOperation):
        return _PairedLoss, ("value_and_grad",)
    if isinstance(found, VectorLossOperation):
        return _VectorLoss, ("value_and_grad",)
    if isinstance(found, JointLoss):
        return _JointLoss, ("value_and_grad",)
    if isinstance(found, Loss | RowLossOperation):
        return _Loss, ("value_and_grad",)
    if isinstance(found, StepOperation):
        return _Step, ("step",)
    # Those that step with another optimizer, or with a function that evaluates, do not step over arrays.
    if isinstance(found, type) and issubclass(found, Optimizer) and not issubclass(found, fl.Lookahead | fl.LBFGS):
        return _Optimizer, ("step",)
    return None, ()
