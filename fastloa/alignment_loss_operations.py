"""The callable objects behind losses of sequences of frames against labels, through all their alignments."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec

import numpy as np
from fastloa_kernels.engines import AlignmentOptions
from fastloa_kernels.records import AlignmentLoss

from fastloa import checks, dtypes
from fastloa.calls import Call, check_apart, check_out
from fastloa.loss_operations import GradientOperation, check_summed, index, shares, take_buffers
from fastloa.row_targets import within_int64
from fastloa.straight_losses import REDUCTIONS, RESULTS

P = ParamSpec("P")


@dataclass(frozen=True)
class AlignmentTerms:
    """What a definition makes of its options."""

    blank: int
    zero_infinity: bool
    check: bool


class AlignmentLossOperation(GradientOperation[P]):
    """A loss of sequences, with its gradient in their frames."""

    record: AlignmentLoss

    def _run(self, form: str, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, ...]:
        function = self.__name__ if form == "value" else f"{self.__name__}.{form}"
        buffers = take_buffers(function, form, options)
        reduction, sample_weight = options.pop("reduction", "mean"), options.pop("sample_weight", None)
        backend, terms = options.pop("backend", None), self._definition(*args, **options)
        checks.choice(function, "reduction", reduction, REDUCTIONS)
        frames, targets, *lengths = args
        names = self._arrays
        call = Call(function, {names[0]: frames, names[1]: targets, "sample_weight": sample_weight, **buffers}, backend)
        check_apart(function, buffers)
        summed = reduction != "none"
        check_summed(function, reduction, buffers)
        with call.on_device():
            given = _Sequences(call, names, frames, targets, lengths, terms)
            kind, engine = given.kind, call.engine
            weights, divisor = given.weights(sample_weight), 1.0
            if reduction == "mean" and weights is None:
                divisor = float(given.count)
            elif reduction == "mean":
                weights, divisor = shares(engine, weights)
            wanted = {"out": (given.batch, kind.value), "grad_out": (tuple(frames.shape), kind.result)}
            wanted = {name: wanted[name] for name in RESULTS[form] if not (name == "out" and summed)}
            made = {n: _room(call, n, buffers.get(n), *what, kind.compute) for n, what in wanted.items()}
            out, grad = made.get("out"), made.get("grad_out")
            value = engine.load(self.record, form, kind.compute)(
                given.frames, given.labels, given.spans, weights,
                AlignmentOptions(given.longest, terms.blank, terms.zero_infinity, reduction == "mean", divisor),
                None if out is None else out.reshape(-1), None if grad is None else grad.reshape(given.frames.shape),
            )  # fmt: skip
            results = [call.give(made[name], buffers.get(name), wanted[name][1]) for name in made]
            return (call.scalar(value), *results) if summed and "value" in form else tuple(results)


class _Sequences:
    """The frames, the labels in one array, and where each sequence's are, ready for the engine."""

    def __init__(
        self, call: Call, names: tuple[str, ...], frames: Any, targets: Any, lengths: list[Any], terms: AlignmentTerms
    ) -> None:
        function, shape, self._call = call.function, tuple(frames.shape), call
        self.kind = dtypes.kind_of(function, names[0], frames)
        if len(shape) not in (2, 3):
            wanted = "(frames, sequences, classes) or (frames, classes)"
            raise ValueError(f"{function}: {names[0]} must have shape {wanted}, got {shape}")
        self.batch, self._classes = shape[1:-1], shape[-1]
        if self._classes == 0:
            raise ValueError(f"{function}: {names[0]} must have at least one class, got shape {shape}")
        self.count = shape[1] if self.batch else 1
        if not 0 <= terms.blank < self._classes:
            raise ValueError(f"{function}: blank must be in 0..{self._classes - 1}, got {terms.blank}")
        if targets.dtype.kind not in "iu":
            raise TypeError(f"{function}: {names[1]} must be an array of integers, got {targets.dtype}")
        counts = self._lengths(names[2], lengths[0], shape[0])
        padded = len(targets.shape) != 1
        if padded and (len(targets.shape) != 2 or targets.shape[0] != self.count):
            wanted = f"({self.count}, labels) or (sum of {names[3]},)"
            raise ValueError(f"{function}: {names[1]} must have shape {wanted}, got {tuple(targets.shape)}")
        sizes = self._lengths(names[3], lengths[1], targets.shape[1] if padded else None)
        if not padded:
            dtypes.of_shape(function, names[1], targets, (sum(sizes.tolist()),))
        starts = np.arange(self.count) * targets.shape[1] if padded else np.cumsum(sizes) - sizes
        if call.engine.name == "cpu" or call.moved or terms.check:
            self._check_labels(names[1], targets, sizes if padded else None, terms.blank)
        self.frames = call.ready(frames, self.kind.compute).reshape(shape[0], self.count, self._classes)
        self.longest = int(sizes.max(initial=0))
        self.labels = call.ready(within_int64(call, targets), "int64").reshape(-1)
        self.spans = call.engine.bring(np.ascontiguousarray(np.stack([starts, sizes, counts], axis=1), np.int64))

    def weights(self, array: Any) -> Any:
        """A weight for each sequence."""
        if array is None:
            return None
        dtypes.real(self._call.function, "sample_weight", array)
        dtypes.of_shape(self._call.function, "sample_weight", array, self.batch)
        return self._call.ready(array, self.kind.compute).reshape(-1)

    def _lengths(self, name: str, given: Any, high: int | None) -> Any:
        """A length for each sequence, on the host."""
        function = self._call.function
        try:
            array = np.asarray(given.get() if checks.is_cupy(given) else given)
        except ValueError:
            raise ValueError(
                f"{function}: {name} must have shape ({self.count},), got rows of several lengths"
            ) from None
        if array.dtype.kind not in "iu" and array.size:
            raise TypeError(f"{function}: {name} must be integers, got {array.dtype}")
        if array.shape != (self.count,) and (self.batch or array.shape != ()):
            raise ValueError(f"{function}: {name} must have shape ({self.count},), got {array.shape}")
        array = array.reshape(-1)
        wrong = (array < 0) if high is None else (array < 0) | (array > high)
        if wrong.any():
            at = int(np.argmax(wrong))
            wanted = "non-negative" if high is None else f"in 0..{high}"
            raise ValueError(f"{function}: {name} must be {wanted}, got {array[at]} at index {at}")
        # Of uint64 what no int64 holds is too large all the same.
        return (np.minimum(array, np.uint64(2**63 - 1)) if array.dtype == np.uint64 else array).astype(np.int64)

    def _check_labels(self, name: str, targets: Any, sizes: Any, blank: int) -> None:
        """On a GPU a wrong label makes its sequence NaN; a call that waits anyway, and ``check=True``, say so."""
        xp = self._call.home_namespace
        wrong = (targets < 0) | (targets >= self._classes) | (targets == blank)
        if sizes is not None:
            wrong &= xp.arange(targets.shape[1]) < xp.asarray(sizes)[:, None]
        if wrong.any():
            at = int(xp.argmax(wrong))
            place, wanted = index(at, tuple(targets.shape)), f"in 0..{self._classes - 1} and not {blank}, the blank"
            label = int(targets.reshape(-1)[at])
            raise ValueError(f"{self._call.function}: {name} must be {wanted}, got {label} at index {place}")


def _room(call: Call, name: str, out: Any, shape: tuple[int, ...], result: Any, compute: str) -> Any:
    """Where the engine writes: the caller's array where it fits and is not still to be read."""
    if out is not None and call.is_input(out):
        check_out(call.function, name, out, shape, result)
        return call.engine.xp.empty(shape, compute)
    return call.buffer(name, out, shape, result, compute)


def alignment_loss(record: AlignmentLoss) -> Callable[[Callable[P, Any]], AlignmentLossOperation[P]]:
    """Make a loss of sequences of a definition that returns `AlignmentTerms`."""
    return lambda function: AlignmentLossOperation(function, record)
