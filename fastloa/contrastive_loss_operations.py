"""The callable objects behind losses of all embeddings against each other: a loss of rows of their similarities."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec

import numpy as np
from fastloa_kernels.engines import RowForm, RowOptions
from fastloa_kernels.formulas.rowwise import SOFTMAX
from fastloa_kernels.formulas.totals import IDENTITY
from fastloa_kernels.formulas.vectors import PRODUCT_WITH_DIRECTION

from fastloa import backends, checks, dtypes
from fastloa.calls import Call, check_apart
from fastloa.loss_operations import GradientOperation, check_buffers, shares, take_buffers
from fastloa.row_loss_operations import RowLossOperation
from fastloa.row_targets import total_of
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
                weights = None if weights is None else shares(call.engine, pairs.only_paired(weights))[0]
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
    """Which embeddings share a label. The labels are read where Python runs."""

    def __init__(self, call: Call, labels: Any) -> None:
        own, self._call = backends.bring_home(call.ready(labels, labels.dtype.name), "numpy"), call
        self._order = np.argsort(own, kind="stable")
        _, members, sizes = np.unique(own, return_inverse=True, return_counts=True)
        members = members.reshape(-1)
        self._sizes, self._firsts = sizes[members], (np.cumsum(sizes) - sizes)[members]
        self.counts = self._sizes - 1.0

    def of(self, rows: slice) -> tuple[Any, Any]:
        """The pairs of some rows, in order: which of these rows each is of, and the place of the other."""
        sizes = self._sizes[rows]
        own = np.repeat(np.arange(len(sizes)), sizes)
        within = np.arange(len(own)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        others = self._order[np.repeat(self._firsts[rows], sizes) + within]
        apart = others != own + rows.start
        return own[apart], others[apart]

    def only_paired(self, weights: Any) -> Any:
        """The weights of rows that have pairs, and 0 for others, which decide nothing."""
        xp = self._call.engine.xp
        return xp.where(xp.asarray(self.counts == 0.0), weights.dtype.type(0.0), weights)

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
        self._softmax = call.engine.load(SOFTMAX, "value", dtype)
        self._z = self._along(x)[1]
        self._scaled = self._z * self._z.dtype.type(1.0 / terms.temperature)
        self._slopes = self._xp.zeros_like(x)

    def run(self, kernel: Any, pairs: _Pairs, weights: Any, divisor: Any, form: RowForm) -> Any:
        """The losses of the embeddings; with a gradient, what it is in the directions is left behind.

        The loss of a pair is a cross entropy of two scores: its own, and the logarithm of the sum of the negatives'.
        """
        xp, count = self._xp, len(self._x)
        losses: Any = xp.zeros(count, self._dtype) if form.value else None
        options = RowOptions(NONE, 1.0, 0.0, 2.0, divisor)
        step = max(1, SCORES // max(count, 1))
        for start in range(0, count, step):
            some = slice(start, min(start + step, count))
            rows, places = pairs.of(some)
            lonely, sums = xp.asarray(pairs.counts[some] == 0.0), _Sums(xp, pairs.counts[some])
            rows, places, each = xp.asarray(rows), xp.asarray(places), xp.arange(some.stop - start)
            scores = xp.matmul(self._scaled[some], self._z.T)
            two = xp.empty((len(rows), 2), self._dtype)
            two[:, 0] = scores[rows, places]
            scores[rows, places] = -np.inf
            scores[each, start + each] = -np.inf
            shares, rest = self._negatives(scores)
            two[:, 1] = rest[rows]
            weight = None if weights is None else weights[some][rows]
            out = xp.empty(len(rows), self._dtype) if form.value else None
            d: Any = xp.empty_like(two) if form.grad else None
            kernel(two, xp.zeros(len(rows), "int64"), None, weight, options, out, d, None)
            if form.value:
                losses[some] = sums(out)
            if form.grad:
                shares *= sums(d[:, 1])[:, None].astype(self._dtype)
                shares[lonely] = 0.0  # whatever they hold, and whatever others hold that they would be multiplied with
                shares[rows, places] = d[:, 0]
                slopes, own = shares @ self._scaled, self._scaled[some].copy()
                slopes[lonely], own[lonely] = 0.0, 0.0
                self._slopes[some] += slopes
                self._slopes += shares.T @ own
        return losses

    def _negatives(self, scores: Any) -> tuple[Any, Any]:
        """The softmax of each row, and the logarithm of its sum: 0 and minus infinity where all scores are that."""
        xp = self._xp
        shares, best = xp.empty_like(scores), (xp.arange(len(scores)), scores.argmax(axis=1))
        self._softmax((scores,), shares)
        top = scores[best]
        none = top == -np.inf
        shares[none] = 0.0
        return shares, xp.where(none, top, top - xp.log(xp.where(none, top.dtype.type(1.0), shares[best])))

    def gradient(self) -> Any:
        """The gradient in the embeddings."""
        return self._along(self._slopes)[0] * self._shrunk

    def _along(self, g: Any) -> tuple[Any, Any]:
        """What a gradient g in the directions is in the embeddings, and the directions."""
        results = self._xp.empty_like(self._x), self._xp.empty_like(self._x)
        self._kernel((self._x, g), None, None, (self._terms.eps,), 1.0, None, results)
        return results


class _Sums:
    """Sums over the pairs of each row, which lie one after the other."""

    def __init__(self, xp: Any, counts: Any) -> None:
        self._xp, self._rows = xp, len(counts)
        some = np.flatnonzero(counts)
        self._some, self._firsts = xp.asarray(some), xp.asarray((np.cumsum(counts) - counts)[some].astype(np.int64))

    def __call__(self, values: Any) -> Any:
        found = self._xp.zeros(self._rows)
        if len(self._some):
            found[self._some] = self._xp.add.reduceat(values.astype("float64"), self._firsts)
        return found


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
