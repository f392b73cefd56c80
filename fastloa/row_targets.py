"""What rows of class scores are held against: labels or probabilities, their weights, and what a mean divides by."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from fastloa_kernels.engines import RowForm, RowOptions
from fastloa_kernels.formulas.totals import IDENTITY

from fastloa import dtypes
from fastloa.calls import Call
from fastloa.loss_operations import check_probabilities, index, shares
from fastloa.operations import Array
from fastloa.score_maps import ScoreMap

LABELS = np.dtype("int64")  # as kernels take them
EMPTY = ("nan", "zero", "raise")


@dataclass(frozen=True)
class RowTerms:
    """What a definition makes of its options."""

    weight: Array | None
    ignore_index: int
    label_smoothing: float = 0.0
    probabilities: bool = True
    empty: str = "nan"
    check: bool = False
    z_loss: float = 0.0
    mask: Array | None = None
    parameters: tuple[float, ...] = ()
    scores: ScoreMap = ScoreMap()  # noqa: RUF009  (it never changes)


@dataclass(frozen=True)
class Targets:
    """A row of probabilities or a label for each row of scores, and the weights, ready for the engine."""

    target: Any
    class_weight: Any
    sample_weight: Any
    skipped: Any  # rows of probabilities that do not count; labels that do not are those to be ignored
    labels: bool
    batch: tuple[int, ...]
    classes: int
    dtype: str

    def part(self, rows: slice) -> "Targets":
        """Those of some of the rows."""
        sample_weight, skipped = (None if a is None else a[rows] for a in (self.sample_weight, self.skipped))
        return replace(self, target=self.target[rows], sample_weight=sample_weight, skipped=skipped)

    def of_mean(self, engine: Any, ignore_index: int) -> "Targets":
        """The same for a mean whose weighted losses go through an array of their dtype, which is to hold them."""
        weights, skipped = self.sample_weight, self.target == ignore_index if self.labels else self.skipped
        if weights is None:
            return self
        if skipped is not None:
            weights = engine.xp.where(skipped, weights.dtype.type(0.0), weights)
        return replace(self, sample_weight=shares(engine, weights)[0])

    def clear(self, *results: Any) -> None:
        """Make the rows of the results that do not count 0, whatever was computed of them."""
        if self.skipped is not None:
            for result in results:
                if result is not None:
                    result[self.skipped] = 0.0

    def clear_labelled(self, label: int, *results: Any) -> None:
        """The same of the rows with this label."""
        if self.labels:
            replace(self, skipped=self.target == label).clear(*results)


def targets_of(
    call: Call, target: Any, terms: RowTerms, sample_weight: Any, shape: tuple[int, ...], axis: int, dtype: str
) -> Targets:
    """The targets of scores of that `shape` with the classes along `axis`, computed in `dtype`."""
    function, batch, classes = call.function, shape[:axis] + shape[axis + 1 :], shape[axis]
    labels = _has_labels(function, target, batch, shape, terms)
    if terms.weight is not None:
        dtypes.real(function, "weight", terms.weight)
        dtypes.of_shape(function, "weight", terms.weight, (classes,))
    if sample_weight is not None:
        dtypes.real(function, "sample_weight", sample_weight)
        dtypes.of_shape(function, "sample_weight", sample_weight, batch)
    skipped = _skipped(call, terms.mask, batch)
    if labels:
        ready = call.ready(within_int64(call, target), "int64").reshape(-1)
    else:
        stored = call.stored(dtypes.kind_of(function, "target", target), dtype)
        ready = call.ready(last(target, axis), stored).reshape(-1, classes)
    if labels and skipped is not None:
        ready, skipped = call.engine.xp.where(skipped, terms.ignore_index, ready), None
    return Targets(
        ready,
        None if terms.weight is None else call.ready(terms.weight, dtype),
        None if sample_weight is None else call.ready(sample_weight, dtype).reshape(-1),
        skipped, labels, batch, classes, dtype,
    )  # fmt: skip


def options_of(call: Call, targets: Targets, terms: RowTerms, reduction: str) -> RowOptions:
    """The numbers that all rows share; raises for a target that is none."""
    engine, divisor = call.engine, 1.0
    if targets.labels:
        bad, total = engine.label_weights(
            targets.target, targets.class_weight, targets.sample_weight, terms.ignore_index, targets.classes
        )
        _check_labels(call, bad, targets, terms)
        divisor = _divisor(call, total, terms, "target must hold a label") if reduction == "mean" else 1.0
    else:
        check_probabilities(call, ("target",), [targets.target], targets.dtype, targets.skipped)
        if reduction == "mean":
            divisor = _weight_of_rows(call, targets)
            if targets.skipped is not None:
                divisor = _divisor(call, divisor, terms, "mask must leave a row")
    return RowOptions(
        ignore_index=terms.ignore_index,
        keep=1.0 - terms.label_smoothing,
        smoothing=terms.label_smoothing / targets.classes,
        weight_sum=_weight_sum(call, targets, terms),
        divisor=divisor,
        z_loss=terms.z_loss,
        parameters=terms.parameters,
    )


def total_of(call: Call, losses: Any, divisor: Any, dtype: Any) -> Any:
    """The sum of the rows' losses over the divisor."""
    total = call.engine.load(IDENTITY, "value_summed", "float64")((losses.astype("float64"),), (), (), ())
    with np.errstate(all="ignore"):
        return (total / divisor).astype(dtype)


def _skipped(call: Call, mask: Any, batch: tuple[int, ...]) -> Any:
    if mask is None:
        return None
    if mask.dtype.kind != "b":
        raise TypeError(f"{call.function}: mask must be an array of bool, got {mask.dtype}")
    dtypes.of_shape(call.function, "mask", mask, batch)
    return ~call.ready(mask, "bool").reshape(-1)


def _weight_of_rows(call: Call, targets: Targets) -> Any:
    weights, skipped = targets.sample_weight, targets.skipped
    if skipped is None:
        return float(len(targets.target)) if weights is None else _sum(call, weights, targets)
    if weights is not None:
        return _sum(call, call.engine.xp.where(skipped, weights.dtype.type(0.0), weights), targets)
    return (~skipped).sum(dtype="float64")


def _has_labels(function: str, target: Any, batch: tuple[int, ...], shape: tuple[int, ...], terms: RowTerms) -> bool:
    integer = target.dtype.kind in "iu"
    if integer and target.shape == batch:
        return True
    if terms.probabilities and not integer and target.dtype.kind != "b" and target.shape == shape:
        dtypes.real(function, "target", target)
        if terms.ignore_index >= 0:
            raise ValueError(
                f"{function}: ignore_index must be left alone with probabilities, got {terms.ignore_index}"
            )
        return False
    wanted = f"integer labels of shape {batch}" + (
        f" or floating-point probabilities of shape {shape}" if terms.probabilities else ""
    )
    error = ValueError if integer or (terms.probabilities and target.dtype.kind == "f") else TypeError
    raise error(f"{function}: target must be {wanted}, got {target.dtype} of shape {tuple(target.shape)}")


def _sum(call: Call, weights: Any, targets: Targets) -> Any:
    return call.engine.load(IDENTITY, "value_summed_wide", targets.dtype)((weights,), (), (), ())


def _weight_sum(call: Call, targets: Targets, terms: RowTerms) -> Any:
    if targets.class_weight is None or terms.label_smoothing == 0.0:
        return float(targets.classes)
    return _sum(call, targets.class_weight, targets)


def _check_labels(call: Call, bad: Any, targets: Targets, terms: RowTerms) -> None:
    """On a GPU a wrong label makes its row NaN; a call that waits anyway, and ``check=True``, say so."""
    if call.engine.name != "cpu" and not (terms.check or call.moved):
        return
    row = int(bad)
    if row >= 0:
        label, place = _read(int(targets.target[row])), index(row, targets.batch) if targets.batch else 0
        raise ValueError(f"{call.function}: target must be in 0..{targets.classes - 1}, got {label} at index {place}")


def _divisor(call: Call, total: Any, terms: RowTerms, wanted: str) -> Any:
    if terms.empty == "nan":
        return total
    if terms.empty == "raise":
        if float(total) == 0.0:
            raise ValueError(f"{call.function}: {wanted} that counts, got none with a weight")
        return total
    xp = call.engine.xp
    return xp.where(total == 0.0, 1.0, total) if call.engine.name != "cpu" else (total or 1.0)


def _read(label: int) -> str:
    """A label as an error names it, of `within_int64`."""
    return f"{label}{' or more' if label == 2**63 - 1 else ''}"


def within_int64(call: Call, labels: Any) -> Any:
    """Labels that only uint64 holds as the greatest int64: out of range all the same, and not negative."""
    if labels.dtype.kind != "u" or labels.dtype.itemsize < 8:
        return labels
    with call.on_device():
        return call.home_namespace.minimum(labels, labels.dtype.type(2**63 - 1))


def row_form(form: str, targets: Targets) -> RowForm:
    """What `form` asks of the engine's kernel."""
    return RowForm(
        value="value" in form,
        grad="grad" in form,
        hess="hess" in form,
        labels=targets.labels,
        weighted=targets.class_weight is not None,
    )


def last(array: Any, axis: int) -> Any:
    """A view with `axis` moved to the end."""
    axes = [i for i in range(array.ndim) if i != axis]
    return array if axis == array.ndim - 1 else array.transpose(*axes, axis)
