"""The callable objects behind the losses of a linear layer's class scores, which are never held all at once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ParamSpec

from fastloa import checks, dtypes
from fastloa.calls import Call, check_apart
from fastloa.joint_loss_operations import parts_of, several_buffers
from fastloa.loss_operations import GradientsOperation, check_buffers, take_buffers
from fastloa.operations import Array
from fastloa.row_loss_operations import RowLossOperation
from fastloa.row_targets import RowTerms, options_of, row_form, targets_of, total_of
from fastloa.straight_losses import REDUCTIONS

P = ParamSpec("P")
SCORES = 1 << 23  # held at a time, and as many numbers of their gradient
PRODUCTS = 1 << 18  # added to the weights' gradient at a time, which are still in the cache then
GROUP = 32  # chunks whose products are added up before their sum is added to that of others, and rounds with it


@dataclass(frozen=True)
class LinearTerms:
    """What a definition makes of its options: those of the rows, the layer's bias, and how many rows go at a time."""

    rows: RowTerms
    bias: Array | None
    chunk: int | None


class LinearLossOperation(GradientsOperation[P]):
    """A loss of ``input @ linear_weight.T + linear_bias``, and its gradients with respect to these arrays."""

    def __init__(self, function: Callable[P, Any], loss: RowLossOperation[Any]) -> None:
        super().__init__(function, loss.record)

    def _run(self, form: str, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, ...]:
        function = self.__name__ if form == "value" else f"{self.__name__}.{form}"
        given = take_buffers(function, form, options)
        reduction, sample_weight = options.pop("reduction", "mean"), options.pop("sample_weight", None)
        backend, terms = options.pop("backend", None), self._definition(*args, **options)
        checks.choice(function, "reduction", reduction, REDUCTIONS)
        x, weight, target = args
        names = ("input", "linear_weight", "linear_bias")[: 2 if terms.bias is None else 3]
        arrays, buffers = (x, weight, terms.bias)[: len(names)], several_buffers(function, given, len(names))
        others = {
            "target": target,
            "weight": terms.rows.weight,
            "sample_weight": sample_weight,
            "mask": terms.rows.mask,
        }
        call = Call(function, {**dict(zip(names, arrays, strict=True)), **others, **buffers}, backend)
        check_apart(function, buffers)
        with call.on_device():
            kind = dtypes.same_kind(function, names, arrays)
            _check_shapes(function, x, weight, terms.bias)
            scores = (*x.shape[:-1], len(weight))
            targets = targets_of(call, target, terms.rows, sample_weight, scores, len(scores) - 1, kind.compute)
            if reduction == "mean":
                targets = targets.of_mean(call.engine, terms.rows.ignore_index)
            own = dict(zip(parts_of("grad_out", len(names)), [array.shape for array in arrays], strict=True))
            check_buffers(function, buffers, reduction, scores[:-1], own, kind)
            shared = options_of(call, targets, terms.rows, reduction)
            kernel = call.engine.load(self.record, row_form(form, targets), kind.compute)
            ready = [call.ready(array, kind.compute) for array in arrays]
            layer = _Layer(call.engine, kind.compute, ready[0].reshape(-1, x.shape[-1]), *ready[1:])
            losses = layer.run(kernel, targets, shared, terms, value="value" in form, grad="grad" in form)
            grads = [
                call.give(grad.reshape(shape), buffers.get(name), kind.result)
                for grad, (name, shape) in zip(layer.grads, own.items(), strict=False)
            ]
            if "value" not in form:
                return tuple(grads)
            if reduction == "none":
                value = call.give(losses.reshape(scores[:-1]), buffers.get("out"), kind.value)
            else:
                value = call.scalar(total_of(call, losses, shared.divisor, kind.value))
            return value, *grads


class _Layer:
    """A linear layer on rows, and its gradients as far as the chunks of rows have come."""

    def __init__(self, engine: Any, dtype: str, x: Any, weight: Any, bias: Any = None) -> None:
        self._engine, self._xp, self._dtype = engine, engine.xp, dtype
        self._x, self._weight, self._bias = x, weight, bias
        self.grads: tuple[Any, ...] = ()
        self._groups: Any = None

    def run(self, kernel: Any, targets: Any, shared: Any, terms: LinearTerms, *, value: bool, grad: bool) -> Any:
        """The rows' losses; with `grad` the gradients are left in `grads`."""
        xp, dtype, classes, mapped = self._xp, self._dtype, len(self._weight), terms.rows.scores
        chunks = list(_chunks(len(self._x), classes, terms.chunk))
        height = max((rows.stop - rows.start for rows in chunks), default=0)
        scores = xp.empty((height, classes), dtype)
        slopes: Any = xp.empty_like(scores) if grad else None
        losses: Any = xp.empty(len(self._x), dtype) if value else None
        if grad:
            self._start()
        for rows in chunks:
            count, part = rows.stop - rows.start, targets.part(rows)
            z, d, out = scores[:count], slopes[:count] if grad else None, losses[rows] if value else None
            xp.matmul(self._x[rows], self._weight.T, out=z)
            if self._bias is not None:
                z += self._bias
            read = mapped.scores(self._engine, z) if mapped else z
            kernel(read, part.target, part.class_weight, part.sample_weight, shared, out, d, None)
            if mapped and grad:
                mapped.back(self._engine, z, d)
                part.clear_labelled(terms.rows.ignore_index, d)
            part.clear(out, d)
            if grad:
                self._add(rows, d)
        if grad:
            self._finish()
        return losses

    def _start(self) -> None:
        xp, (classes, features) = self._xp, self._weight.shape
        self._step = min(classes, max(1, PRODUCTS // max(features, 1)))
        self._products = xp.empty((self._step, features), self._dtype)
        self._x_grad, self._bias_grad = xp.empty_like(self._x), xp.zeros(classes)  # float64
        self._group, self._count = xp.zeros_like(self._weight), 0

    def _add(self, rows: slice, d: Any) -> None:
        """What the rows, whose scores have the gradient `d`, add to the gradients."""
        xp, x = self._xp, self._x[rows]
        xp.matmul(d, self._weight, out=self._x_grad[rows])
        if self._count == GROUP:
            self._sum_up()
            self._group, self._count = xp.zeros_like(self._weight), 0
        for first in range(0, d.shape[1], self._step):
            slope, total = d[:, first : first + self._step], self._group[first : first + self._step]
            total += xp.matmul(slope.T, x, out=self._products[: len(total)])
        self._count += 1
        if self._bias is not None:
            self._bias_grad += d.sum(axis=0, dtype="float64")

    def _sum_up(self) -> None:
        if self._groups is None:
            self._groups = self._group
        else:
            self._groups += self._group

    def _finish(self) -> None:
        self._sum_up()
        self.grads = self._x_grad, self._groups
        if self._bias is not None:
            self.grads = *self.grads, self._bias_grad.astype(self._dtype)


def _chunks(count: int, classes: int, chunk: int | None) -> Iterator[slice]:
    """Slices of rows of nearly equal length."""
    rows = chunk or max(1, SCORES // classes)
    if chunk is None and count:
        rows = -(-count // -(-count // rows))
    for start in range(0, count, rows):
        yield slice(start, min(count, start + rows))


def _check_shapes(function: str, x: Any, weight: Any, bias: Any) -> None:
    if not x.shape:
        raise ValueError(f"{function}: input must have at least one dimension, got a 0-d array")
    if weight.ndim != 2 or weight.shape[0] == 0 or weight.shape[1] != x.shape[-1]:
        wanted = f"(classes, {x.shape[-1]}) with at least one class"
        raise ValueError(f"{function}: linear_weight must have shape {wanted}, got {tuple(weight.shape)}")
    if bias is not None:
        dtypes.of_shape(function, "linear_bias", bias, (len(weight),))


def linear_loss(loss: RowLossOperation[Any]) -> Callable[[Callable[P, Any]], LinearLossOperation[P]]:
    """Make a loss of a linear layer's scores of a loss of rows and a definition that returns `LinearTerms`."""
    return lambda function: LinearLossOperation(function, loss)
