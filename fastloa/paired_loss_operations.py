"""The callable objects behind losses of class scores through pairs of a row's labels and its other classes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec

import numpy as np
from fastloa_kernels.records import PairedLoss

from fastloa import backends, dtypes
from fastloa.calls import Call
from fastloa.operations import Array, in_order
from fastloa.row_targets import LABELS, last, within_int64
from fastloa.vector_loss_operations import ClassLossOperation, VectorRows, VectorTerms

P = ParamSpec("P")
NO_CLASS = -2  # what a kernel takes for a wrong label, where -1 would be none at all


@dataclass(frozen=True)
class PairedTerms(VectorTerms):
    """What a definition makes of its options; the weights are those of the classes as labels."""

    check: bool = False


class PairedLossOperation(ClassLossOperation[P]):
    """A loss of rows of class scores along an axis against labels.

    With `several` a row has any number of them, and then -1.
    """

    def __init__(self, function: Callable[P, Any], record: PairedLoss, *, several: bool) -> None:
        super().__init__(function, record)
        self.several = several
        self._unread = -1 if several else 0  # a label that is not looked at: one that is none, or is always a class

    def _usual_targets(self, x: Any, args: tuple[Any, ...]) -> tuple[Any] | None:
        labels = args[1]
        if type(labels) is not np.ndarray or labels.ndim != 1 + self.several:
            return None
        if not in_order(labels, LABELS, (len(x), *labels.shape[1:])):
            return None
        engine = backends.engine(self.__name__, "cpu")
        bad, _ = engine.label_weights(labels.reshape(-1), None, None, self._unread, x.shape[1])
        return None if bad >= 0 else (labels if self.several else labels.reshape(-1, 1),)

    def _targets(
        self, call: Call, rows: VectorRows, args: tuple[Any, ...], terms: PairedTerms, weights: Any
    ) -> tuple[Any, Any]:
        labels, xp = _labels(call, rows, args[1], several=self.several), call.engine.xp
        if call.engine.name == "cpu" or terms.check or call.moved:
            _check_labels(call, labels, rows, self._unread, several=self.several)
        if not self.several and call.engine.name != "cpu":
            labels = xp.where(labels < 0, NO_CLASS, labels)
        if terms.weight is not None:
            dtypes.real(call.function, "weight", terms.weight)
            dtypes.of_shape(call.function, "weight", terms.weight, (rows.length,))
            own = call.ready(terms.weight, rows.kind.compute)[labels[:, 0].clip(0, rows.length - 1)]
            weights = own if weights is None else own * weights
        return labels, weights

    def _vectors(self, rows: VectorRows, terms: PairedTerms) -> tuple[Array, ...]:
        return rows.vectors


def _labels(call: Call, rows: VectorRows, target: Any, *, several: bool) -> Any:
    """The labels of each row as a row of a matrix."""
    function, integer = call.function, target.dtype.kind in "iu"
    batch = tuple(target.shape)
    if several and len(batch) > rows.axis:
        batch = batch[: rows.axis] + batch[rows.axis + 1 :]
    fits = batch == rows.batch and target.ndim == len(rows.batch) + several
    if not (integer and fits):
        lengths = rows.batch[: rows.axis], rows.batch[rows.axis :]
        shape = (*lengths[0], "any", *lengths[1]) if several else rows.batch
        wanted = str(shape).replace("'", "")
        error = ValueError if integer else TypeError
        raise error(
            f"{function}: target must be integer labels of shape {wanted}, got {target.dtype} of shape {target.shape}"
        )
    ready = call.ready(last(within_int64(call, target), rows.axis) if several else within_int64(call, target), "int64")
    return ready.reshape(len(rows.vectors[0]), target.shape[rows.axis] if several else 1)


def _check_labels(call: Call, labels: Any, rows: VectorRows, unread: int, *, several: bool) -> None:
    """Raise for a label out of range. On a GPU that would wait for the device, and its row is NaN instead."""
    bad, _ = call.engine.label_weights(labels.reshape(-1), None, None, unread, rows.length)
    at = int(bad)
    if at < 0:
        return
    place = [int(i) for i in np.unravel_index(at, (*rows.batch, labels.shape[1]))]
    own = place.pop()
    if several:
        place.insert(rows.axis, own)
    where = place[0] if len(place) == 1 else tuple(place) if place else 0
    least, label = -1 if several else 0, int(labels.reshape(-1)[at])
    raise ValueError(f"{call.function}: target must be in {least}..{rows.length - 1}, got {label} at index {where}")


def paired_loss(record: PairedLoss, *, several: bool = False) -> Callable[[Callable[P, Any]], PairedLossOperation[P]]:
    """Make a loss of class scores against labels of a definition that returns `PairedTerms`."""
    return lambda function: PairedLossOperation(function, record, several=several)
