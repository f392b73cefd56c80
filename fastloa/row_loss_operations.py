"""The callable objects behind the losses of class scores against labels or probabilities."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec

import numpy as np
from fastloa_kernels.engines import SMALL, RowForm, RowOptions
from fastloa_kernels.formulas.totals import IDENTITY
from fastloa_kernels.records import RowLoss
from numpy import ndarray  # looked up on every call

from fastloa import backends, checks, dtypes
from fastloa.calls import Call, check_apart, check_out
from fastloa.loss_operations import (
    REDUCTIONS,
    RESULTS,
    LossOperation,
    check_probabilities,
    index,
    results_like,
    take_buffers,
)
from fastloa.operations import NATIVE, Array, Found, normal_axis

P = ParamSpec("P")
EMPTY = ("nan", "zero", "raise")
_LABELS = np.dtype("int64")
_HUGE = 2.0**127  # what is less can be rounded to float32 without a warning


@dataclass(frozen=True)
class RowTerms:
    """What a definition makes of its options."""

    weight: Array | None
    ignore_index: int
    label_smoothing: float = 0.0
    probabilities: bool = True
    empty: str = "nan"
    check: bool = False


@dataclass(frozen=True)
class _Rows:
    """The call's arrays as rows of classes, ready for the engine."""

    scores: Any
    target: Any
    class_weight: Any
    sample_weight: Any
    labels: bool
    batch: tuple[int, ...]
    axis: int
    kind: dtypes.Kind


class RowLossOperation(LossOperation[P]):
    """A loss of rows of class scores along an axis."""

    record: RowLoss

    def __init__(self, function: Callable[P, Any], record: RowLoss) -> None:
        super().__init__(function, record)
        self._usual = Found(self._usual_call)

    def _run(self, form: str, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, ...]:
        if len(args) == 2 and type(args[0]) is ndarray and (backends.on_cpu or backends.look()):
            usual = self._usual[form, args[0].dtype]
            found: tuple[Any, ...] | None = usual and usual(*args, options)
            if found is not None:
                return found
        function = self.__name__ if form == "value" else f"{self.__name__}.{form}"
        buffers = take_buffers(function, form, options)
        reduction, sample_weight = options.pop("reduction", "mean"), options.pop("sample_weight", None)
        backend, axis = options.pop("backend", None), options.pop("axis", -1)
        terms: RowTerms = self._definition(*args, **options)
        checks.choice(function, "reduction", reduction, REDUCTIONS)
        given = {"input": args[0], "target": args[1], "weight": terms.weight, "sample_weight": sample_weight}
        call = Call(function, {**given, **buffers}, backend)
        check_apart(function, buffers)
        with call.on_device():
            rows = self._rows(call, args[0], args[1], terms, sample_weight, axis)
            if reduction != "none" and buffers.get("out") is not None:
                raise ValueError(f"{function}: out must be None unless reduction is 'none', got an array")
            results = _Results(call, form, rows, reduction != "none", args[0].shape, buffers)
            options_of_rows = self._options(call, rows, terms, reduction, args)
            kernel = call.engine.load(self.record, _form(form, rows, terms), rows.kind.compute)
            total = kernel(
                rows.scores, rows.target, rows.class_weight, rows.sample_weight, options_of_rows, *results.arrays
            )
            return results.give(total)

    def _usual_call(self, key: tuple[str, Any]) -> Callable[..., tuple[Any, ...] | None] | None:
        """What the call of few rows and labels, with no more than the usual options, comes to."""
        form, dtype = key
        if dtype not in NATIVE:
            return None
        value, scalar, ignore_index = "value" in form, dtype.type, self._definition(None, None).ignore_index
        names, engine = RESULTS[form][value:], backends.engine(self.__name__, "cpu")
        row_form = RowForm(value=value, grad="grad" in form, hess="hess" in form, labels=True, weighted=False)
        kernel = engine.load(self.record, row_form, dtype.name).small()

        def call(x: Array, labels: Array, options: dict[str, Any]) -> tuple[Any, ...] | None:
            if x.ndim != 2 or x.size > SMALL or type(labels) is not ndarray or labels.dtype is not _LABELS:
                return None
            if labels.ndim != 1:
                return None
            reduction = options.get("reduction", "mean")
            mean = type(reduction) is str and reduction == "mean"
            if not mean and not (type(reduction) is str and reduction == "sum"):
                return None
            results = results_like(x, labels, names, options)
            if results is None:
                return None
            fits, total = kernel(x, labels, ignore_index, mean, *results)
            if not fits or not -_HUGE < total < _HUGE:
                return None
            return (scalar(total), *results) if value else results

        return call

    def _rows(self, call: Call, x: Any, target: Any, terms: RowTerms, sample_weight: Any, axis: Any) -> _Rows:
        function, shape = call.function, tuple(x.shape)
        kind = dtypes.kind_of(function, "input", x)
        if not shape:
            raise ValueError(f"{function}: input must have at least one dimension, got a 0-d array")
        axis = normal_axis(function, axis, len(shape))
        batch, classes = shape[:axis] + shape[axis + 1 :], shape[axis]
        if classes == 0:
            raise ValueError(f"{function}: input must have at least one class along axis {axis}, got shape {shape}")
        labels = self._has_labels(function, target, batch, shape, terms)
        if terms.weight is not None:
            dtypes.real(function, "weight", terms.weight)
            _same(function, "weight", terms.weight, (classes,))
        if sample_weight is not None:
            dtypes.real(function, "sample_weight", sample_weight)
            _same(function, "sample_weight", sample_weight, batch)
        target = (
            call.ready(_within_int64(call, target), "int64").reshape(-1) if labels
            else call.ready(_last(target, axis), kind.compute).reshape(-1, classes)
        )  # fmt: skip
        return _Rows(
            call.ready(_last(x, axis), kind.compute).reshape(-1, classes),
            target,
            None if terms.weight is None else call.ready(terms.weight, kind.compute),
            None if sample_weight is None else call.ready(sample_weight, kind.compute).reshape(-1),
            labels, batch, axis, kind,
        )  # fmt: skip

    def _has_labels(
        self, function: str, target: Any, batch: tuple[int, ...], shape: tuple[int, ...], terms: RowTerms
    ) -> bool:
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

    def _options(self, call: Call, rows: _Rows, terms: RowTerms, reduction: str, args: tuple[Any, ...]) -> RowOptions:
        classes, engine = rows.scores.shape[1], call.engine
        divisor: Any = 1.0
        if rows.labels:
            bad, total = engine.label_weights(
                rows.target, rows.class_weight, rows.sample_weight, terms.ignore_index, classes
            )
            self._check_labels(call, bad, rows, terms, classes)
            divisor = self._divisor(call, total, terms) if reduction == "mean" else 1.0
        else:
            check_probabilities(call, ("target",), [rows.target], rows.kind.compute)
            if reduction == "mean":
                divisor = float(rows.scores.shape[0])
                if rows.sample_weight is not None:
                    summed = engine.load(IDENTITY, "value_summed", rows.kind.compute)
                    divisor = summed((rows.sample_weight,), (), (), ())
        return RowOptions(
            ignore_index=terms.ignore_index,
            keep=1.0 - terms.label_smoothing,
            smoothing=terms.label_smoothing / classes,
            weight_sum=self._weight_sum(call, rows, terms, classes),
            divisor=divisor,
        )

    def _weight_sum(self, call: Call, rows: _Rows, terms: RowTerms, classes: int) -> Any:
        if rows.class_weight is None or terms.label_smoothing == 0.0:
            return float(classes)
        return call.engine.load(IDENTITY, "value_summed", rows.kind.compute)((rows.class_weight,), (), (), ())

    def _check_labels(self, call: Call, bad: Any, rows: _Rows, terms: RowTerms, classes: int) -> None:
        """On a GPU a wrong label makes its row NaN; a call that waits anyway, and ``check=True``, say so."""
        if call.engine.name != "cpu" and not (terms.check or call.moved):
            return
        row = int(bad)
        if row >= 0:
            label, place = int(rows.target[row]), index(row, rows.batch) if rows.batch else 0
            raise ValueError(f"{call.function}: target must be in 0..{classes - 1}, got {label} at index {place}")

    def _divisor(self, call: Call, total: Any, terms: RowTerms) -> Any:
        if terms.empty == "nan":
            return total
        if terms.empty == "raise":
            if float(total) == 0.0:
                raise ValueError(f"{call.function}: target must hold a label that counts, got none with a weight")
            return total
        xp = call.engine.xp
        return xp.where(total == 0.0, 1.0, total) if call.engine.name != "cpu" else (total or 1.0)


class _Results:
    """The arrays the engine writes, as rows, and how they go back to the caller."""

    def __init__(
        self, call: Call, form: str, rows: _Rows, summed: bool, shape: tuple[int, ...], given: dict[str, Any]
    ) -> None:
        self._call, self._form, self._rows, self._summed, self._given = call, form, rows, summed, given
        self._shape, self._wanted, kind = shape, RESULTS[form], rows.kind
        self._dtype = {"out": kind.value, "grad_out": kind.result, "hess_out": kind.result}
        self._last = rows.axis == len(shape) - 1
        made: dict[str, Any] = {}
        for name in self._wanted:
            if name == "out":
                out = given.get("out")
                made[name] = None if summed else self._vector(out)
            else:
                made[name] = self._matrix(name)
        self._made = made
        self.arrays = (
            None if made.get("out") is None else made["out"].reshape(-1),
            *(None if made.get(n) is None else made[n].reshape(rows.scores.shape) for n in ("grad_out", "hess_out")),
        )

    def _vector(self, out: Any) -> Any:
        """The caller's array for the rows' losses, unless it is one that is still to be read."""
        call, batch, kind = self._call, self._rows.batch, self._rows.kind
        if out is not None and call.is_input(out):
            check_out(call.function, "out", out, batch, kind.value)
            return call.engine.xp.empty(batch, kind.compute)
        return call.buffer("out", out, batch, kind.value, kind.compute)

    def _matrix(self, name: str) -> Any:
        """The caller's array only where rows lie in it as rows, and it is not the input, which is still to be read."""
        out, kind = self._given.get(name), self._rows.kind
        if out is not None:
            check_out(self._call.function, name, out, self._shape, kind.result)
            if self._last and not self._call.is_input(out):
                return self._call.buffer(name, out, self._shape, kind.result, kind.compute)
        order = (*self._rows.batch, self._shape[self._rows.axis])
        return self._call.engine.xp.empty(order, kind.compute)

    def give(self, total: Any) -> tuple[Any, ...]:
        results = []
        for name in self._wanted:
            made = self._made[name]
            if made is None:
                results.append(self._call.scalar(total))
                continue
            if name != "out" and not self._last:
                made = self._call.engine.xp.ascontiguousarray(_first(made, self._rows.axis))
            results.append(self._call.give(made, self._given.get(name), self._dtype[name]))
        return tuple(results)


def _within_int64(call: Call, labels: Any) -> Any:
    """Labels that only uint64 holds as the greatest int64: out of range all the same, and not negative."""
    if labels.dtype.kind != "u" or labels.dtype.itemsize < 8:
        return labels
    with call.on_device():
        return call.home_namespace.minimum(labels, labels.dtype.type(2**63 - 1))


def _form(form: str, rows: _Rows, terms: RowTerms) -> RowForm:
    return RowForm(
        value="value" in form,
        grad="grad" in form,
        hess="hess" in form,
        labels=rows.labels,
        weighted=rows.class_weight is not None,
    )


def _last(array: Any, axis: int) -> Any:
    """A view with `axis` moved to the end."""
    axes = [i for i in range(array.ndim) if i != axis]
    return array if axis == array.ndim - 1 else array.transpose(*axes, axis)


def _first(array: Any, axis: int) -> Any:
    """A view with the last axis moved to `axis`."""
    axes = list(range(array.ndim - 1))
    axes.insert(axis, array.ndim - 1)
    return array.transpose(*axes)


def _same(function: str, name: str, array: Any, shape: tuple[int, ...]) -> None:
    if tuple(array.shape) != shape:
        raise ValueError(f"{function}: {name} must have shape {shape}, got {tuple(array.shape)}")


def row_loss(record: RowLoss) -> Callable[[Callable[P, Any]], RowLossOperation[P]]:
    """Make a loss of rows of a definition that returns `RowTerms`."""
    return lambda function: RowLossOperation(function, record)
