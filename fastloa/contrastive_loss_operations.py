"""The callable objects behind losses of all embeddings against each other: a loss of rows of their similarities."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ParamSpec

import numpy as np
from fastloa_kernels.engines import RowForm, RowOptions
from fastloa_kernels.formulas.totals import IDENTITY
from fastloa_kernels.formulas.vectors import PRODUCT_WITH_DIRECTION

from fastloa import backends, checks, dtypes
from fastloa.calls import Call, check_apart
from fastloa.loss_operations import GradientOperation, check_buffers, shares, take_buffers
from fastloa.row_loss_operations import RowLossOperation
from fastloa.row_targets import total_of, within_int64
from fastloa.straight_losses import REDUCTIONS

P = ParamSpec("P")
SCORES = 1 << 23  # similarities held at a time, and as many numbers of their gradient
HUGE = 2.0**500  # of float64 numbers, whose squares add up to none
NONE = -1  # the label to be ignored, which no row has


@dataclass(frozen=True)
class ContrastiveTerms:
    """What a definition makes of its options: the similarities' divisor, and the least length of an embedding."""

    temperature: float
    eps: float


class ContrastiveLossOperation(GradientOperation[P]):
    """A loss of each embedding's similarities to all others, the positives of its label among them."""

    def __init__(self, function: Callable[P, Any], loss: RowLossOperation[Any]) -> None:
        super().__init__(function, loss.record)

    def _run(self, form: str, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, ...]:
        function = self.__name__ if form == "value" else f"{self.__name__}.{form}"
        buffers = take_buffers(function, form, options)
        reduction, sample_weight = options.pop("reduction", "mean"), options.pop("sample_weight", None)
        backend, terms = options.pop("backend", None), self._definition(*args, **options)
        checks.choice(function, "reduction", reduction, REDUCTIONS)
        given, labels = args
        read = {"embeddings": given, "labels": labels, "sample_weight": sample_weight}
        call = Call(function, {**read, **buffers}, backend)
        check_apart(function, buffers)
        with call.on_device():
            kind = dtypes.kind_of(function, "embeddings", given)
            _check(function, given, labels)
            check_buffers(function, buffers, reduction, given.shape[:1], {"grad_out": given.shape}, kind)
            x = call.ready(given, kind.compute)
            pairs = _Pairs(call, labels)
            weights = _weights(call, sample_weight, len(x), kind.compute)
            divisor: Any = 1.0
            if reduction == "mean":
                weights = weights if weights is None else shares(call.engine, weights)[0]
                divisor = pairs.weight(weights)
            work = _Similarities(call, kind.compute, x, terms)
            row_form = RowForm(value="value" in form, grad="grad" in form, hess=False, labels=True, weighted=False)
            losses = work.run(call.engine.load(self.record, row_form, kind.compute), pairs, weights, divisor, row_form)
            results = []
            if row_form.value and reduction == "none":
                results.append(call.give(losses, buffers.get("out"), kind.value))
            elif row_form.value:
                results.append(call.scalar(total_of(call, losses, divisor, kind.value)))
            if row_form.grad:
                results.append(call.give(work.gradient(), buffers.get("grad_out"), kind.result))
            return tuple(results)


class _Pairs:
    """Which embeddings share a label, in order. The labels are read where Python runs."""

    def __init__(self, call: Call, labels: Any) -> None:
        own = backends.bring_home(call.ready(within_int64(call, labels), "int64"), "numpy")
        self.labels, self._call = call.engine.xp.asarray(own), call
        order = np.argsort(own, kind="stable")
        starts = np.flatnonzero(np.r_[True, own[order][1:] != own[order][:-1]]) if own.size else order
        self._groups = np.split(order, starts[1:]) if own.size else []
        self.counts = np.zeros(own.size)
        for group in self._groups:
            self.counts[group] = len(group) - 1

    def turns(self) -> Iterator[tuple[Any, Any]]:
        """Rows and the place of one positive of each: in the k-th turn of the k-th after it, going round its group."""
        for k in range(1, max(map(len, self._groups), default=0)):
            groups = [group for group in self._groups if len(group) > k]
            rows, places = np.concatenate(groups), np.concatenate([np.roll(group, -k) for group in groups])
            order = np.argsort(rows)
            yield rows[order], places[order]

    def weight(self, weights: Any) -> Any:
        """How many pairs there are, or their weight."""
        if weights is None:
            return float(self.counts.sum())
        xp, engine = self._call.engine.xp, self._call.engine
        products = weights * xp.asarray(self.counts.astype(weights.dtype))
        return engine.load(IDENTITY, "value_summed_wide", weights.dtype.name)((products,), (), (), ())


class _Similarities:
    """The embeddings' directions, and the gradient in them as far as it has come."""

    def __init__(self, call: Call, dtype: str, x: Any, terms: ContrastiveTerms) -> None:
        self._xp, self._dtype, self._terms = call.engine.xp, dtype, terms
        self._shrunk = _in_range(self._xp, x) if dtype == "float64" and x.size else 1.0
        self._x = x * self._shrunk if dtype == "float64" else x
        self._kernel = call.engine.load(PRODUCT_WITH_DIRECTION, "grad", dtype)
        self._z = self._along(x)[1]
        self._scaled = self._z * self._z.dtype.type(1.0 / terms.temperature)
        self._slopes = self._xp.zeros_like(x)

    def run(self, kernel: Any, pairs: _Pairs, weights: Any, divisor: Any, form: RowForm) -> Any:
        """The losses of the embeddings; with a gradient, what it is in the directions is left behind."""
        xp, count = self._xp, len(self._x)
        losses: Any = xp.zeros(count, self._dtype) if form.value else None
        options = RowOptions(NONE, 1.0, 0.0, float(count), divisor)
        step = max(1, SCORES // max(count, 1))
        for rows, places in pairs.turns():
            for start in range(0, len(rows), step):
                some, at = (xp.asarray(a[start : start + step]) for a in (rows, places))
                scores = self._scores(pairs.labels, some, at)
                out = xp.empty(len(some), self._dtype) if form.value else None
                d: Any = xp.empty_like(scores) if form.grad else None
                kernel(scores, at, None, None if weights is None else weights[some], options, out, d, None)
                if form.value:
                    losses[some] += out
                if form.grad:
                    self._slopes[some] += d @ self._scaled
                    self._slopes += d.T @ self._scaled[some]
        return losses

    def _scores(self, labels: Any, rows: Any, places: Any) -> Any:
        """The similarities of some rows to one positive each and to all of other labels; of the rest none."""
        xp, each = self._xp, self._xp.arange(len(rows))
        scores = xp.matmul(self._scaled[rows], self._z.T)
        own = scores[each, places]
        scores[labels[rows][:, None] == labels[None, :]] = -np.inf
        scores[each, places] = own
        return scores

    def gradient(self) -> Any:
        """The gradient in the embeddings."""
        return self._along(self._slopes)[0] * self._shrunk

    def _along(self, g: Any) -> tuple[Any, Any]:
        """What a gradient g in the directions is in the embeddings, and the directions."""
        results = self._xp.empty_like(self._x), self._xp.empty_like(self._x)
        self._kernel((self._x, g), None, None, (self._terms.eps,), 1.0, None, results)
        return results


def _in_range(xp: Any, x: Any) -> Any:
    """By what rows are multiplied, so that their squares are numbers: directions are the same."""
    largest = abs(x).max(axis=1, keepdims=True)
    return xp.where((largest > HUGE) & (largest < np.inf), 1.0 / HUGE, 1.0)


def _check(function: str, embeddings: Any, labels: Any) -> None:
    if embeddings.ndim != 2 or embeddings.shape[1] == 0:
        wanted = "two dimensions and at least one feature"
        raise ValueError(f"{function}: embeddings must have {wanted}, got shape {tuple(embeddings.shape)}")
    if labels.dtype.kind not in "iu":
        raise TypeError(f"{function}: labels must be integers, got {labels.dtype}")
    dtypes.of_shape(function, "labels", labels, (len(embeddings),))


def _weights(call: Call, sample_weight: Any, count: int, dtype: str) -> Any:
    if sample_weight is None:
        return None
    dtypes.real(call.function, "sample_weight", sample_weight)
    dtypes.of_shape(call.function, "sample_weight", sample_weight, (count,))
    return call.ready(sample_weight, dtype)


def contrastive_loss(
    loss: RowLossOperation[Any],
) -> Callable[[Callable[P, Any]], ContrastiveLossOperation[P]]:
    """Make a loss of similarities of a loss of rows and a definition that returns `ContrastiveTerms`."""
    return lambda function: ContrastiveLossOperation(function, loss)
