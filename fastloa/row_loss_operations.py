"""The callable objects behind the losses of class scores against labels or probabilities."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec

from fastloa_kernels.engines import FEW_ROWS, RowForm, RowOptions
from fastloa_kernels.records import ProjectionLoss, RowLoss
from numpy import ndarray  # looked up on every call

from fastloa import backends, checks, dtypes
from fastloa.calls import Call, check_apart, check_out
from fastloa.loss_operations import LossOperation, check_summed, take_buffers
from fastloa.operations import NATIVE, Array, Found, in_order
from fastloa.row_operations import normal_axis
from fastloa.row_targets import LABELS, RowTerms, last, options_of, row_form, targets_of, total_of
from fastloa.straight_losses import HUGE, REDUCTIONS, RESULTS, results_like

P = ParamSpec("P")


@dataclass(frozen=True)
class _Rows:
    """The scores as rows of classes, ready for the engine."""

    scores: Any
    batch: tuple[int, ...]
    axis: int
    kind: dtypes.Kind


class RowLossOperation(LossOperation[P]):
    """A loss of rows of class scores along an axis."""

    record: RowLoss | ProjectionLoss

    def __init__(self, function: Callable[P, Any], record: RowLoss | ProjectionLoss) -> None:
        super().__init__(function, record)
        self._usual = Found(self._usual_call)
        self._latest: tuple[str, Any, _Usual | None] = ("", None, None)

    def _run(self, form: str, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, ...]:
        if len(args) == 2 and type(args[0]) is ndarray and (backends.on_cpu or backends.look()):
            known, dtype, usual = self._latest
            if known != form or dtype is not args[0].dtype:
                dtype = args[0].dtype
                usual = self._usual[form, dtype]
                self._latest = form, dtype, usual
            found = None if usual is None else usual(*args, options)
            if found is not None:
                return found
        function = self.__name__ if form == "value" else f"{self.__name__}.{form}"
        buffers = take_buffers(function, form, options)
        reduction, sample_weight = options.pop("reduction", "mean"), options.pop("sample_weight", None)
        backend, axis = options.pop("backend", None), options.pop("axis", -1)
        terms: RowTerms = self._definition(*args, **options)
        checks.choice(function, "reduction", reduction, REDUCTIONS)
        given = {"input": args[0], "target": args[1], "weight": terms.weight, "sample_weight": sample_weight}
        call = Call(function, {**given, "mask": terms.mask, **buffers}, backend)
        check_apart(function, buffers)
        with call.on_device():
            rows = _rows(call, args[0], axis, mapped=bool(terms.scores))
            targets = targets_of(call, args[1], terms, sample_weight, args[0].shape, rows.axis, rows.kind.compute)
            check_summed(function, reduction, buffers)
            results = _Results(call, form, rows, reduction != "none", args[0].shape, buffers)
            if reduction == "mean" and targets.skipped is not None:
                targets = targets.of_mean(call.engine, terms.ignore_index)
            options_of_rows = options_of(call, targets, terms, reduction)
            kernel = call.engine.load(self.record, row_form(form, targets), rows.kind.compute)
            losses, *others = results.arrays
            scores = terms.scores.scores(call.engine, rows.scores) if terms.scores else rows.scores
            apart = targets.skipped is not None and "value" in form and losses is None
            if apart:
                losses = call.engine.xp.empty(len(rows.scores), rows.kind.compute)
            total = kernel(
                scores, targets.target, targets.class_weight, targets.sample_weight, options_of_rows,
                losses, *others,
            )  # fmt: skip
            if terms.scores and "grad" in form:
                terms.scores.back(call.engine, rows.scores, *others)
                targets.clear_labelled(terms.ignore_index, *others)
            targets.clear(losses, *others)
            if apart:
                total = total_of(call, losses, options_of_rows.divisor, rows.kind.compute)
            return results.give(total)

    def _usual_call(self, key: tuple[str, Any]) -> "_Usual | None":
        form, dtype = key
        if dtype not in NATIVE or self.record.parameters:
            return None
        return _Usual(self.__name__, self.record, form, dtype, self._definition(None, None).ignore_index)


class _Usual:
    """A call with labels and no more than the usual options, of NumPy's arrays as they are.

    What it cannot do it leaves, and never says why: the long way looks.
    """

    def __init__(self, name: str, record: RowLoss | ProjectionLoss, form: str, dtype: Any, ignore_index: int) -> None:
        self._value, self._scalar, self._ignore_index = "value" in form, dtype.type, ignore_index
        self._names, self._engine = RESULTS[form][self._value :], backends.engine(name, "cpu")
        grad, hess = "grad" in form, "hess" in form
        row_form = RowForm(value=self._value, grad=grad, hess=hess, labels=True, weighted=False)
        self._many = self._engine.load(record, row_form, dtype.name)
        self._few, self._without = self._many.small(), (None,) * (2 - grad - hess)

    def __call__(self, x: Array, labels: Array, options: dict[str, Any]) -> tuple[Any, ...] | None:
        """Return the results, if there is a way."""
        if x.ndim != 2 or type(labels) is not ndarray or labels.dtype is not LABELS or labels.ndim != 1:
            return None
        reduction = options.get("reduction", "mean")
        mean = type(reduction) is str and reduction == "mean"
        if not mean and not (type(reduction) is str and reduction == "sum"):
            return None
        results = results_like(x, (x, labels), self._names, options)
        if results is None:
            return None
        total = self._of_few(x, labels, mean, results) if x.size <= FEW_ROWS else None
        if total is None:
            total = self._of_many(x, labels, mean, results)
        if total is None:
            return None
        return (total, *results) if self._value else results

    def _of_few(self, x: Array, labels: Array, mean: bool, results: tuple[Array, ...]) -> Any:
        fits, total = self._few(x, labels, self._ignore_index, mean, *results)
        return self._scalar(total) if fits and -HUGE < total < HUGE else None

    def _of_many(self, x: Array, labels: Array, mean: bool, results: tuple[Array, ...]) -> Any:
        rows, classes = x.shape
        if not (in_order(x, x.dtype, x.shape) and in_order(labels, LABELS, (rows,))):
            return None
        bad, counted = self._engine.label_weights(labels, None, None, self._ignore_index, classes)
        if bad >= 0:
            return None
        options = RowOptions(self._ignore_index, 1.0, 0.0, float(classes), counted if mean else 1.0)
        total = self._many(x, labels, None, None, options, None, *results, *self._without)
        return total if self._value else 0.0


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
                return self._call.buffer(name, out, self._shape, kind.result, self._rows.scores.dtype)
        order = (*self._rows.batch, self._shape[self._rows.axis])
        return self._call.engine.xp.empty(order, self._rows.scores.dtype)

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


def _rows(call: Call, x: Any, axis: Any, *, mapped: bool) -> _Rows:
    function, shape = call.function, tuple(x.shape)
    kind = dtypes.kind_of(function, "input", x)
    if not shape:
        raise ValueError(f"{function}: input must have at least one dimension, got a 0-d array")
    axis = normal_axis(function, axis, len(shape))
    batch, classes = shape[:axis] + shape[axis + 1 :], shape[axis]
    if classes == 0:
        raise ValueError(f"{function}: input must have at least one class along axis {axis}, got shape {shape}")
    # What is mapped is not rounded in between.
    scores = call.ready(last(x, axis), kind.compute if mapped else call.stored(kind, kind.compute))
    return _Rows(scores.reshape(-1, classes), batch, axis, kind)


def _first(array: Any, axis: int) -> Any:
    """A view with the last axis moved to `axis`."""
    axes = list(range(array.ndim - 1))
    axes.insert(axis, array.ndim - 1)
    return array.transpose(*axes)


def row_loss(record: RowLoss | ProjectionLoss) -> Callable[[Callable[P, Any]], RowLossOperation[P]]:
    """Make a loss of rows of a definition that returns `RowTerms`."""
    return lambda function: RowLossOperation(function, record)
