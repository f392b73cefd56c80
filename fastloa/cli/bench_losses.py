"""The losses of the benchmark, in one form: the value and the gradients, averaged."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from fastloa.alignment_loss_operations import AlignmentLossOperation
from fastloa.cli.bench_case import Arrays, Case, Place, Shape
from fastloa.cli.bench_library import Library
from fastloa.cli.bench_table import classes, normal
from fastloa.cli.timing import Competitor, on_host
from fastloa.contrastive_loss_operations import ContrastiveLossOperation
from fastloa.joint_loss_operations import JointLoss
from fastloa.linear_loss_operations import LinearLossOperation
from fastloa.loss_operations import Loss
from fastloa.paired_loss_operations import PairedLossOperation
from fastloa.row_loss_operations import RowLossOperation
from fastloa.vector_loss_operations import VectorLossOperation

FEATURES = 256  # of the layer whose scores a loss takes
FRAMES = 128  # of a sequence, at most, and
LABELS = FRAMES // 4  # of its target
SIMILARITIES = ("2x3", "1024x128", "4096x256")  # a row has one with every other


class _LossCase(Case):
    """The value and the gradient of a loss, averaged."""

    @property
    def wanted(self) -> tuple[int, ...]:
        """Which arrays have gradients."""
        return self.row.wanted or (0,)

    def inputs(self, rng: np.random.Generator, shape: Shape, dtype: Any) -> Arrays:
        x, target = (self.row.draw or (classes if self.rows else normal))(rng, shape)
        return [x.astype(dtype), target if target.dtype.kind == "i" else target.astype(dtype)]

    def size(self, inputs: Arrays) -> int:
        return int(sum(x.nbytes for x in inputs) + sum(inputs[i].nbytes for i in self.wanted))

    def ours(self, inputs: Arrays, place: Place) -> Competitor:
        arrays = [place.array(x) for x in inputs]
        given = tuple(place.xp.empty_like(arrays[i]) for i in self.wanted)
        out = {} if place.allocate else {"grad_out": given if len(given) > 1 else given[0]}
        return Competitor(partial(self.public.value_and_grad, *arrays, **self.row.options, **out), wait=place.wait)

    def peer(self, library: Library, inputs: Arrays, place: Place) -> Competitor | None:
        return library.loss(self.operation, inputs, self.row.options, self.wanted)


class _JointLossCase(_LossCase):
    """The same of a loss of three arrays: its gradients are two."""

    @property
    def wanted(self) -> tuple[int, ...]:
        return self.row.wanted or (0, 1)

    def inputs(self, rng: np.random.Generator, shape: Shape, dtype: Any) -> Arrays:
        return [*super().inputs(rng, shape, dtype), (0.1 + rng.random(shape, np.float32)).astype(dtype)]


class _VectorLossCase(_LossCase):
    """The same of a loss of rows of vectors, which may all be probabilities: as many gradients as it has."""

    @property
    def wanted(self) -> tuple[int, ...]:
        return tuple(range(self.public.record.gradients))

    def inputs(self, rng: np.random.Generator, shape: Shape, dtype: Any) -> Arrays:
        record = self.public.record
        found = [rng.random(shape, np.float32).astype(dtype) for _ in range(record.vectors)]
        return [*found, *([rng.choice([-1, 1], shape[:-1])] if record.labelled else [])]


class _PairedLossCase(_LossCase):
    """The same of a loss through pairs of a row's labels, of which one is given, and its other classes."""

    def inputs(self, rng: np.random.Generator, shape: Shape, dtype: Any) -> Arrays:
        x, labels = super().inputs(rng, shape, dtype)
        if self.public.several:  # in PyTorch's format
            labels = np.concatenate([labels[..., None], np.full((*shape[:-1], shape[-1] - 1), -1)], -1)
        return [x, labels]


class _LinearLossCase(_LossCase):
    """The same of a loss of a layer's scores, with gradients in the layer's input and in its weights."""

    rows = whole = True

    @property
    def wanted(self) -> tuple[int, ...]:
        return 0, 1

    def inputs(self, rng: np.random.Generator, shape: Shape, dtype: Any) -> Arrays:
        count, number = shape
        x, weight = (rng.standard_normal((n, FEATURES), np.float32) / FEATURES**0.25 for n in shape)
        return [x.astype(dtype), weight.astype(dtype), rng.integers(0, number, count)]


class _ContrastiveLossCase(_LossCase):
    """The same of a loss of all rows against each other, of which two and two are views of the same."""

    rows = whole = True
    sizes = SIMILARITIES

    def inputs(self, rng: np.random.Generator, shape: Shape, dtype: Any) -> Arrays:
        return [rng.standard_normal(shape, np.float32).astype(dtype), np.arange(shape[0]) // 2]


class _AlignmentLossCase(_LossCase):
    """The same of a loss of sequences: the rows are their frames."""

    rows = whole = True

    def inputs(self, rng: np.random.Generator, shape: Shape, dtype: Any) -> Arrays:
        rows, number = shape
        count = -(-rows // FRAMES)
        frames = rows // count
        x = rng.standard_normal((frames, count, number), np.float32)
        x -= np.log(np.exp(x).sum(axis=-1, keepdims=True))
        labels = rng.integers(1, number, (count, max(1, frames * LABELS // FRAMES)))
        return [x.astype(dtype), labels, *(np.full(count, n) for n in (frames, labels.shape[1]))]

    def ours(self, inputs: Arrays, place: Place) -> Competitor:
        # Lengths are read where Python runs.
        x, labels, *lengths = *map(place.array, inputs[:2]), *(n.astype(int).tolist() for n in on_host(inputs[2:]))
        out = {} if place.allocate else {"grad_out": place.xp.empty_like(x)}
        call = partial(self.public.value_and_grad, x, labels, *lengths, **self.row.options, **out)
        return Competitor(call, wait=place.wait)

    def peer(self, library: Library, inputs: Arrays, place: Place) -> Competitor | None:
        found = super().peer(library, inputs, place)
        if found is None:
            return None
        x, labels, *_ = inputs
        share = np.exp(on_host([x])[0]) / labels.size

        def results(returned: Any) -> Any:
            value, grad = returned  # which is that of the scores of which log_softmax made the probabilities
            return value, on_host([grad])[0] - share

        return replace(found, results=results)


# The first that an operation is an instance of.
LOSS_CASES: tuple[tuple[type, type[_LossCase]], ...] = (
    (LinearLossOperation, _LinearLossCase),
    (ContrastiveLossOperation, _ContrastiveLossCase),
    (AlignmentLossOperation, _AlignmentLossCase),
    (PairedLossOperation, _PairedLossCase),
    (VectorLossOperation, _VectorLossCase),
    (JointLoss, _JointLossCase),
    (Loss, _LossCase),
    (RowLossOperation, _LossCase),
)
