"""The callable objects behind the losses of one prediction and one target: value, gradient and Hessian in one pass."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, overload

import numpy as np
from fastloa_kernels.formulas.totals import IDENTITY, NOT_A_PROBABILITY
from fastloa_kernels.records import PairwiseLoss

from fastloa import checks, dtypes
from fastloa.calls import Call, check_apart, check_out
from fastloa.operations import Array, Operation
from fastloa.straight_losses import REDUCTIONS, RESULTS, Straight

P = ParamSpec("P")
Several = tuple[Array, ...]
Buffers = tuple[Array | None, ...] | None
LEAST, MOST = 2.0**-100, 2.0**100  # sums of weights by which a derivative is divided in float32, and multiplied again
VANISHING = 2.0**-100  # below this, products of float32 numbers lose digits that their sum may show
LOOKED_AT = 1 << 16  # elements that are looked at together: what is found of them stays in the cache


class GradientOperation(Operation[P], Generic[P]):
    """A loss: calling it gives the value, its methods the gradient with respect to the first argument.

    Every method takes the options of the function itself. ``out=`` and ``grad_out=`` name arrays to write to, for the
    results that a method returns (``out`` for ``reduction="none"`` only).
    """

    def _run(self, form: str, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, ...]:
        raise NotImplementedError

    @overload
    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Array: ...
    @overload
    def __call__(self, /, *args: Any, out: Array, **kwargs: Any) -> Array: ...
    def __call__(self, /, *args: Any, **kwargs: Any) -> Array:
        """Return the value of the loss."""
        return self._run("value", args, kwargs)[0]

    @overload
    def grad(self, /, *args: P.args, **kwargs: P.kwargs) -> Array: ...
    @overload
    def grad(self, /, *args: Any, grad_out: Array, **kwargs: Any) -> Array: ...
    def grad(self, /, *args: Any, **kwargs: Any) -> Array:
        """Return the gradient of the reduced loss (of the sum, for ``reduction="none"``)."""
        return self._run("grad", args, kwargs)[0]

    @overload
    def value_and_grad(self, /, *args: P.args, **kwargs: P.kwargs) -> tuple[Array, Array]: ...
    @overload
    def value_and_grad(
        self, /, *args: Any, out: Array | None = None, grad_out: Array | None = None, **kwargs: Any
    ) -> tuple[Array, Array]: ...
    def value_and_grad(self, /, *args: Any, **kwargs: Any) -> tuple[Array, Array]:
        """Return the value and the gradient, computed together in one pass."""
        value, grad = self._run("value_and_grad", args, kwargs)
        return value, grad


class GradientsOperation(Operation[P], Generic[P]):
    """The same of a loss with gradients with respect to several arguments, in their order.

    ``grad_out=`` is as many arrays, or None in place of one that is to be new.
    """

    def _run(self, form: str, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, ...]:
        raise NotImplementedError

    if TYPE_CHECKING:

        @overload
        def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Array: ...
        @overload
        def __call__(self, /, *args: Any, out: Array, **kwargs: Any) -> Array: ...
        def __call__(self, /, *args: Any, **kwargs: Any) -> Array:
            """Return the value of the loss."""

        @overload
        def grad(self, /, *args: P.args, **kwargs: P.kwargs) -> Several: ...
        @overload
        def grad(self, /, *args: Any, grad_out: Buffers, **kwargs: Any) -> Several: ...
        def grad(self, /, *args: Any, **kwargs: Any) -> Several:
            """Return the gradients of the reduced loss (of the sum, for ``reduction="none"``)."""

        @overload
        def value_and_grad(self, /, *args: P.args, **kwargs: P.kwargs) -> tuple[Array, Several]: ...
        @overload
        def value_and_grad(
            self, /, *args: Any, out: Array | None = None, grad_out: Buffers = None, **kwargs: Any
        ) -> tuple[Array, Several]: ...
        def value_and_grad(self, /, *args: Any, **kwargs: Any) -> tuple[Array, Several]:
            """Return the value and the gradients, computed together."""

    else:

        def __call__(self, /, *args, **kwargs):
            """Return the value of the loss."""
            return self._run("value", args, kwargs)[0]

        def grad(self, /, *args, **kwargs):
            """Return the gradients of the reduced loss (of the sum, for ``reduction="none"``)."""
            return self._run("grad", args, kwargs)

        def value_and_grad(self, /, *args, **kwargs):
            """Return the value and the gradients, computed together."""
            value, *grads = self._run("value_and_grad", args, kwargs)
            return value, tuple(grads)


class LossOperation(GradientOperation[P]):
    """A loss that has a Hessian, whose diagonal ``hess_out=`` takes."""

    @overload
    def grad_and_hess(self, /, *args: P.args, **kwargs: P.kwargs) -> tuple[Array, Array]: ...
    @overload
    def grad_and_hess(
        self, /, *args: Any, grad_out: Array | None = None, hess_out: Array | None = None, **kwargs: Any
    ) -> tuple[Array, Array]: ...
    def grad_and_hess(self, /, *args: Any, **kwargs: Any) -> tuple[Array, Array]:
        """Return the gradient and the diagonal of the Hessian, computed together in one pass."""
        grad, hess = self._run("grad_and_hess", args, kwargs)
        return grad, hess


@dataclass(frozen=True)
class Terms:
    """What a definition makes of its options: the formula's parameters, an array operand, a weight of each element."""

    parameters: tuple[float, ...] = ()
    operand: Array | None = None
    weight: Array | None = None
    record: PairwiseLoss | None = None
    probabilities: bool = False
    nonnegative: str | None = None  # the argument that may hold no negative number


class Loss(LossOperation[P]):
    """A loss of arrays of predictions and targets of one shape."""

    record: PairwiseLoss

    def __init__(
        self, function: Callable[P, Any], record: PairwiseLoss, reductions: tuple[str, ...] = REDUCTIONS
    ) -> None:
        super().__init__(function, record)
        self._reductions = reductions
        self._straight = Straight(self.__name__, record, lambda: self._definition(None, None))

    def _run(self, form: str, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, ...]:
        results = self._straight(form, args, options)
        if results is not None:
            return results
        function = self.__name__ if form == "value" else f"{self.__name__}.{form}"
        buffers = self._taken(function, form, options)
        reduction, sample_weight = options.pop("reduction", "mean"), options.pop("sample_weight", None)
        backend, terms = options.pop("backend", None), self._definition(*args, **options)
        checks.choice(function, "reduction", reduction, self._reductions)
        given = {**dict(zip(self._arrays, args, strict=True)), "pos_weight": terms.operand, "weight": terms.weight}
        call = Call(function, {**given, "sample_weight": sample_weight, **buffers}, backend)
        check_apart(function, buffers)
        with call.on_device():
            return self._compute(call, form, args, terms, reduction, sample_weight, buffers)

    def _taken(self, function: str, form: str, options: dict[str, Any]) -> dict[str, Any]:
        """The arrays to write to by the names of their results, taken out of the options."""
        return take_buffers(function, form, options)

    def _results(self, form: str) -> tuple[str, ...]:
        """The names of a form's results."""
        return RESULTS[form]

    def _compute(
        self, call: Call, form: str, args: tuple[Any, ...], terms: Terms, reduction: str, sample_weight: Any,
        buffers: dict[str, Any],
    ) -> tuple[Any, ...]:  # fmt: skip
        function, engine, shape = call.function, call.engine, args[0].shape
        kind = dtypes.kind_of(function, self._arrays[0], args[0])
        kinds = [dtypes.kind_of(function, name, x) for name, x in zip(self._arrays, args, strict=True)]
        dtypes.same_shape(function, self._arrays, args)
        summed = reduction != "none"
        check_summed(function, reduction, buffers)
        # What holds integers is converted to what is computed in: NumPy takes its time to make 16 bits of them.
        stored_in = [
            kind.compute if x.dtype.kind in "iub" else call.stored(own, kind.compute)
            for x, own in zip(args, kinds, strict=True)
        ]
        inputs = [call.ready(x, dtype) for x, dtype in zip(args, stored_in, strict=True)]
        if terms.operand is not None:
            check_pos_weight(call, terms.operand)
            inputs.append(expanded(call, "pos_weight", terms.operand, shape, kind.compute))
        weight, divisor = self._weight(call, terms.weight, sample_weight, reduction, shape, kind.compute)
        names = [name for name in self._results(form) if not (name == "out" and summed)]
        targets = {name: (kind.value if name == "out" else kind.result) for name in names}
        stored = {name: kind.compute if name == "out" else call.stored(kind, kind.compute) for name in names}
        results = [call.buffer(name, buffers.get(name), shape, targets[name], stored[name]) for name in names]
        if terms.probabilities:
            check_probabilities(call, self._arrays, inputs[:2], kind.compute)
        if terms.nonnegative is not None:
            check_nonnegative(call, terms.nonnegative, inputs[self._arrays.index(terms.nonnegative)])
        operands = tuple(inputs) if weight is None else (weight, *inputs)

        def run(name: str, *written: Array) -> Any:
            kernel = engine.load(
                terms.record or self.record, ("" if weight is None else "weighted_") + name, kind.compute
            )
            return kernel(operands, written, (divisor,), terms.parameters)

        totalled, on_cpu = summed and "value" in form, engine.name == "cpu"
        # Where the gradient overwrites an operand it comes last: a sum that overflows needs all of them once more.
        last = totalled and on_cpu and any(x is r for r in results for x in operands)
        total = run("value_summed") if last else run(form + ("_summed" if totalled else ""), *results)
        again = totalled and on_cpu and not math.isfinite(total)
        if totalled and on_cpu and weight is not None and vanishing(total, divisor, weight):
            # Most losses that come to 0 are 0 without their weights.
            unweighted = engine.load(terms.record or self.record, "value_summed", kind.compute)
            again = total != 0.0 or unweighted(tuple(inputs), (), (1.0,), terms.parameters) != 0.0
        if again:
            total = self._sum_again(call, operands, divisor, terms, kind, weighted=weight is not None)
        if last:
            run("grad", *results)
        given = [call.give(r, buffers.get(n), targets[n]) for n, r in zip(names, results, strict=True)]
        return (call.scalar(total), *given) if totalled else tuple(given)

    def _sum_again(
        self, call: Call, operands: tuple[Array, ...], divisor: Any, terms: Terms, kind: dtypes.Kind, *, weighted: bool
    ) -> Any:
        """The value once more where it left the range, which a mean may do on the way only: wider, or scaled down."""
        scale = 1.0 if kind.compute == "float32" else 2.0**-64
        wide = [x.astype(np.float64, copy=False) for x in operands]
        weight, inputs = (wide[0], wide[1:]) if weighted else (np.ones_like(wide[0]), wide)
        kernel = call.engine.load(terms.record or self.record, "weighted_value_summed", "float64")
        with np.errstate(all="ignore"):
            total = kernel((weight * scale, *inputs), (), (1.0,), terms.parameters)
            return np.dtype(kind.compute).type(total / divisor / scale)

    def _weight(
        self, call: Call, weight: Any, sample_weight: Any, reduction: str, shape: tuple[int, ...], dtype: str
    ) -> tuple[Any, Any]:
        """Each element's weight (or None), and what the mean divides by."""
        divisor: Any = float(math.prod(shape)) if reduction == "mean" else 1.0
        total = None
        if reduction == "batchmean" and shape:
            divisor = float(shape[0])
        if sample_weight is not None:
            check_sample_weight(call.function, sample_weight, shape)
            total = expanded(call, "sample_weight", sample_weight, shape, dtype)
            if reduction == "mean":
                total, divisor = shares(call.engine, total)
        if weight is not None:
            own = expanded(call, "weight", weight, shape, dtype)
            # Of arrays without axes NumPy makes numbers, which kernels do not take.
            total = own if total is None else call.engine.xp.asarray(own * total)
        return total, divisor


def vanishing(total: Any, divisor: Any, weights: Any) -> bool:
    """Whether products of float32 losses and weights may be too small for numbers, and matter in what they come to."""
    return bool(weights.dtype == np.float32 and abs(float(total) * float(divisor)) < weights.size * VANISHING)


def shares(engine: Any, weights: Any) -> tuple[Any, Any]:
    """Weights, and what they add up to; on the CPU both times a power of two, if float32 holds no such sum."""
    total = engine.load(IDENTITY, "value_summed_wide", weights.dtype.name)
    divisor = total((weights,), (), (), ())
    if engine.name != "cpu" or LEAST < abs(divisor) < MOST:
        return weights, divisor
    if math.isinf(divisor) and np.isfinite(weights).all():  # float64 holds no such sum
        weights = np.asarray(np.ldexp(weights, -64))
        divisor = total((weights,), (), (), ())
    if divisor == 0.0 or not math.isfinite(divisor):
        return weights, divisor
    exponent = math.frexp(divisor)[1]
    return np.asarray(np.ldexp(weights, -exponent)), math.ldexp(divisor, -exponent)


def take_buffers(function: str, form: str, options: dict[str, Any]) -> dict[str, Any]:
    """The arrays to write to, taken out of `options`."""
    buffers: dict[str, Any] = {name: options.pop(name) for name in ("out", "grad_out", "hess_out") if name in options}
    for name, buffer in buffers.items():
        if name not in RESULTS[form] and buffer is not None:
            raise TypeError(f"{function}: {name} is not a result of this call")
    return buffers


def check_summed(function: str, reduction: str, buffers: dict[str, Any]) -> None:
    """Raise where an array is given for losses that are summed up."""
    if reduction != "none" and buffers.get("out") is not None:
        raise ValueError(f"{function}: out must be None unless reduction is 'none', got an array")


def check_buffers(
    function: str, buffers: dict[str, Any], reduction: str, losses: tuple[int, ...], grads: dict[str, tuple[int, ...]],
    kind: dtypes.Kind,
) -> None:  # fmt: skip
    """Raise unless all arrays to write to are of the shapes of the losses, and of the gradients of these names."""
    check_summed(function, reduction, buffers)
    for name, buffer in buffers.items():
        if buffer is not None:
            shape, result = (losses, kind.value) if name == "out" else (grads[name], kind.result)
            check_out(function, name, buffer, shape, result)


def expanded(call: Call, name: str, array: Any, shape: tuple[int, ...], dtype: str) -> Any:
    """`array` broadcast to `shape` and made ready."""
    dtypes.real(call.function, name, array)
    try:
        wide = call.home_namespace.broadcast_to(array, shape)
    except ValueError:
        raise ValueError(
            f"{call.function}: {name} must broadcast to shape {tuple(shape)}, got {tuple(array.shape)}"
        ) from None
    return call.ready(array if array.shape == shape else wide, dtype)


def check_sample_weight(function: str, weight: Any, shape: tuple[int, ...]) -> None:
    """A weight for each element, or one for each slice along axes where the weight has length 1."""
    fits = len(weight.shape) == len(shape) and all(w in (1, n) for w, n in zip(weight.shape, shape, strict=True))
    if not fits:
        raise ValueError(
            f"{function}: sample_weight must have shape {tuple(shape)}, or 1 in place of some of its numbers, "
            f"got {tuple(weight.shape)}"
        )


def check_probabilities(call: Call, names: tuple[str, ...], arrays: list[Any], dtype: str, skipped: Any = None) -> None:
    """Raise for a number outside [0, 1], but in rows that are `skipped`.

    On a GPU that would wait for the device, and gives NaN instead.
    """
    if call.engine.name != "cpu":
        return
    kernel = call.engine.load(NOT_A_PROBABILITY, "value_summed", dtype)
    for name, array in zip(names, arrays, strict=True):
        if kernel((array,), (), (), ()) > 0:
            wrong = (array < 0) | (array > 1)
            if skipped is not None:
                wrong[skipped] = False
                if not wrong.any():
                    continue
            at = int(np.argmax(wrong))
            value = array.reshape(-1)[at]
            place = index(at, array.shape)
            raise ValueError(f"{call.function}: {name} must be in [0, 1], got {value} at index {place}")


def check_nonnegative(call: Call, name: str, array: Any) -> None:
    """Raise for a negative number. On a GPU that would wait for the device, and gives NaN instead."""
    if call.engine.name != "cpu":
        return
    flat = array.reshape(-1)
    for start in range(0, flat.size, LOOKED_AT):
        negative = flat[start : start + LOOKED_AT] < 0
        if negative.any():
            at = start + int(np.argmax(negative))
            place = index(at, array.shape)
            raise ValueError(f"{call.function}: {name} must be non-negative, got {flat[at]} at index {place}")


def check_pos_weight(call: Call, array: Any) -> None:
    """Raise for a weight that is negative, infinite or NaN. On a GPU that would wait for the device."""
    if call.home != "numpy":
        return
    dtypes.real(call.function, "pos_weight", array)
    wrong = ~((array >= 0) & np.isfinite(array)).reshape(-1)
    if wrong.any():
        at = int(np.argmax(wrong))
        value, place = array.reshape(-1)[at], index(at, array.shape)
        raise ValueError(f"{call.function}: pos_weight must be non-negative and finite, got {value} at index {place}")


def index(at: int, shape: tuple[int, ...]) -> Any:
    """A flat index as the caller would write it."""
    place = tuple(int(i) for i in np.unravel_index(at, shape))
    return place[0] if len(place) == 1 else place


def loss(record: PairwiseLoss, reductions: tuple[str, ...] = REDUCTIONS) -> Callable[[Callable[P, Any]], Loss[P]]:
    """Make a loss of a definition that returns `Terms`; ``"batchmean"`` divides the sum by the input's length."""
    return lambda function: Loss(function, record, reductions)
