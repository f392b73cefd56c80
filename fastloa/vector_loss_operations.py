"""The callable objects behind losses of rows of vectors: the value, and the gradients in several arrays at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, overload

from fastloa_kernels.formulas.totals import IDENTITY
from fastloa_kernels.records import PairedLoss, VectorLoss
from numpy import ndarray  # looked up on every call

from fastloa import backends, checks, dtypes
from fastloa.calls import Call, check_apart, check_out
from fastloa.joint_loss_operations import parts_of, several_buffers
from fastloa.loss_operations import GradientsOperation, check_probabilities, check_summed, expanded, take_buffers
from fastloa.operations import NATIVE, Array, Found, in_order, native
from fastloa.row_operations import normal_axis
from fastloa.row_targets import last
from fastloa.straight_losses import REDUCTIONS, RESULTS, results_like

P = ParamSpec("P")


@dataclass(frozen=True)
class VectorTerms:
    """What a definition makes of its options; `record` is another formula than the operation's own."""

    parameters: tuple[float, ...] = ()
    record: VectorLoss | PairedLoss | None = None
    probabilities: bool = False
    weight: Array | None = None  # of each element, broadcast to the vectors' shape: for the record one more of them
    length: bool = False  # whether the length of the rows is one more parameter


class VectorLossOperation(GradientsOperation[P]):
    """A loss of rows of vectors along an axis, with gradients in several arrays, in the order of the arguments."""

    record: VectorLoss | PairedLoss

    def __init__(self, function: Callable[P, Any], record: VectorLoss | PairedLoss) -> None:
        super().__init__(function, record)
        self._usual = Found(self._usual_kernel)

    def _buffers(self, function: str, form: str, options: dict[str, Any]) -> dict[str, Any]:
        return several_buffers(function, take_buffers(function, form, options), self.record.gradients)

    def _results(self, form: str) -> tuple[str, ...]:
        return tuple([part for name in RESULTS[form] for part in parts_of(name, self.record.gradients)])

    def _targets(
        self, call: Call, rows: "VectorRows", args: tuple[Any, ...], terms: Any, weights: Any
    ) -> tuple[Any, Any]:
        """The rows' targets, and their weights, of which the divisor is already known."""
        return rows.target, weights

    def _vectors(self, rows: "VectorRows", terms: Any) -> tuple[Array, ...]:
        """What the record takes of each row."""
        return rows.vectors if terms.weight is None else (*rows.vectors, rows.spread("weight", terms.weight))

    def _run(self, form: str, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, ...]:
        if len(args) == len(self._arrays) and type(args[0]) is ndarray and (backends.on_cpu or backends.look()):
            found = self._straight(form, args, options)
            if found is not None:
                return found
        function = self.__name__ if form == "value" else f"{self.__name__}.{form}"
        buffers = self._buffers(function, form, options)
        reduction, sample_weight = options.pop("reduction", "mean"), options.pop("sample_weight", None)
        backend, axis = options.pop("backend", None), options.pop("axis", -1)
        terms = self._definition(*args, **options)
        checks.choice(function, "reduction", reduction, REDUCTIONS)
        given = dict(zip(self._arrays, args, strict=True))
        call = Call(function, {**given, "weight": terms.weight, "sample_weight": sample_weight, **buffers}, backend)
        check_apart(function, buffers)
        with call.on_device():
            rows = VectorRows(call, self._arrays, args, self.record, axis)
            if terms.probabilities:
                check_probabilities(call, self._arrays, list(rows.vectors), rows.kind.compute)
            summed = reduction != "none"
            check_summed(function, reduction, buffers)
            weights, divisor = rows.weights(sample_weight), 1.0
            if reduction == "mean":
                total = None if weights is None else call.engine.load(IDENTITY, "value_summed_wide", rows.kind.compute)
                divisor = float(len(rows.vectors[0])) if total is None else total((weights,), (), (), ())
            names = [name for name in self._results(form) if not (name == "out" and summed)]
            made = {name: rows.room(name, buffers.get(name)) for name in names}
            kernel = call.engine.load(terms.record or self.record, form, rows.kind.compute)
            out, grads = made.get("out"), tuple([rows.flat(array) for name, array in made.items() if name != "out"])
            out = out if out is None else out.reshape(-1)
            target, weights = self._targets(call, rows, args, terms, weights)
            parameters = (*terms.parameters, float(rows.length)) if terms.length else terms.parameters
            value = kernel(self._vectors(rows, terms), target, weights, parameters, divisor, out, grads)
            results = [rows.give(name, array, buffers.get(name)) for name, array in made.items()]
            return (call.scalar(value), *results) if summed and "value" in form else tuple(results)

    def _straight(self, form: str, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, ...] | None:
        """The results of a call with no more than the usual options, of NumPy's arrays as they are.

        What it cannot do it leaves, and never says why: the long way looks.
        """
        x, vectors, value = args[0], args[: self.record.vectors], "value" in form
        reduction = options.get("reduction", "mean") if options else "mean"
        if x.ndim != 2 or x.size == 0 or type(reduction) is not str or reduction not in ("mean", "sum"):
            return None
        usual = self._usual[form, x.dtype] if native(vectors, None) else None
        results = None if usual is None else results_like(x, args, self._results(form)[value:], options)
        targets = None if results is None else self._usual_targets(x, args)
        if usual is None or results is None or targets is None:
            return None
        (kernel, terms), divisor = usual, float(len(x)) if reduction == "mean" else 1.0
        parameters = (*terms.parameters, float(x.shape[1])) if terms.length else terms.parameters
        total = kernel(vectors, *targets, None, parameters, divisor, None, results)
        return (total, *results) if value else results

    def _usual_kernel(self, key: tuple[str, Any]) -> tuple[Any, Any] | None:
        form, dtype = key
        terms = self._definition(*[None] * len(self._arrays))
        if dtype not in NATIVE or terms.probabilities:
            return None
        kernel = backends.engine(self.__name__, "cpu").load(terms.record or self.record, form, dtype.name)
        return kernel, terms

    def _usual_targets(self, x: Any, args: tuple[Any, ...]) -> tuple[Any] | None:
        """What the kernel takes for the rows' targets; nothing if it may not have them as they are."""
        if not self.record.labelled:
            return (None,)
        target = args[self.record.vectors]
        return (target,) if in_order(target, x.dtype, x.shape[:1]) else None


class OverlapLossOperation(VectorLossOperation[P]):
    """A loss of rows with its gradient in the first array alone."""

    if TYPE_CHECKING:

        @overload
        def grad(self, /, *args: P.args, **kwargs: P.kwargs) -> Array: ...
        @overload
        def grad(self, /, *args: Any, grad_out: Array, **kwargs: Any) -> Array: ...
        def grad(self, /, *args: Any, **kwargs: Any) -> Array:
            """Return the gradient of the reduced loss (of the sum, for ``reduction="none"``)."""

        @overload
        def value_and_grad(self, /, *args: P.args, **kwargs: P.kwargs) -> tuple[Array, Array]: ...
        @overload
        def value_and_grad(
            self, /, *args: Any, out: Array | None = None, grad_out: Array | None = None, **kwargs: Any
        ) -> tuple[Array, Array]: ...
        def value_and_grad(self, /, *args: Any, **kwargs: Any) -> tuple[Array, Array]:
            """Return the value and the gradient, computed together."""

    else:

        def grad(self, /, *args, **kwargs):
            """Return the gradient of the reduced loss (of the sum, for ``reduction="none"``)."""
            return self._run("grad", args, kwargs)[0]

        def value_and_grad(self, /, *args, **kwargs):
            """Return the value and the gradient, computed together."""
            return self._run("value_and_grad", args, kwargs)

    def _buffers(self, function: str, form: str, options: dict[str, Any]) -> dict[str, Any]:
        return {name: array for name, array in take_buffers(function, form, options).items() if array is not None}

    def _results(self, form: str) -> tuple[str, ...]:
        return RESULTS[form]


class ClassLossOperation(OverlapLossOperation[P]):
    """The same, with the diagonal of its Hessian."""

    if TYPE_CHECKING:

        @overload
        def grad_and_hess(self, /, *args: P.args, **kwargs: P.kwargs) -> tuple[Array, Array]: ...
        @overload
        def grad_and_hess(
            self, /, *args: Any, grad_out: Array | None = None, hess_out: Array | None = None, **kwargs: Any
        ) -> tuple[Array, Array]: ...
        def grad_and_hess(self, /, *args: Any, **kwargs: Any) -> tuple[Array, Array]:
            """Return the gradient and the diagonal of the Hessian, computed together."""

    else:

        def grad_and_hess(self, /, *args, **kwargs):
            """Return the gradient and the diagonal of the Hessian, computed together."""
            return self._run("grad_and_hess", args, kwargs)


class VectorRows:
    """The vectors as rows, ready for the engine, their targets, and where results go."""

    def __init__(
        self, call: Call, names: tuple[str, ...], args: tuple[Any, ...], record: VectorLoss | PairedLoss, axis: Any
    ) -> None:
        function, given, self._call = call.function, args[: record.vectors], call
        self._shape, own = tuple(args[0].shape), names[: record.vectors]
        self.kind = dtypes.kind_of(function, names[0], args[0])
        for name, array in zip(names, args, strict=True):
            dtypes.real(function, name, array)
        if not self._shape:
            raise ValueError(f"{function}: {names[0]} must have at least one dimension, got a 0-d array")
        dtypes.same_shape(function, own, given)
        self.axis = normal_axis(function, axis, len(self._shape))
        self.batch, self.length = self._shape[: self.axis] + self._shape[self.axis + 1 :], self._shape[self.axis]
        self._order = (*self.batch, self.length)
        if self.length == 0:
            wanted = f"{names[0]} must have at least one element along axis {self.axis}"
            raise ValueError(f"{function}: {wanted}, got shape {self._shape}")
        kinds = [dtypes.kind_of(function, name, x) for name, x in zip(own, given, strict=True)]
        self._stored = self._stored_of(self.kind)
        ready = (call.ready(last(x, self.axis), self._stored_of(kind)) for x, kind in zip(given, kinds, strict=True))
        self.vectors = tuple([self.flat(x) for x in ready])
        self.target = self._of_rows(names[record.vectors], args[record.vectors]) if record.labelled else None

    def _stored_of(self, kind: dtypes.Kind) -> Any:
        """The dtype in which kernels take and give vectors of a kind; those of a GPU were never run on 16 bits."""
        on_cpu, compute = self._call.engine.name == "cpu", self.kind.compute
        return self._call.stored(kind, compute) if on_cpu else compute

    def flat(self, array: Any) -> Any:
        """An array of vectors with two dimensions."""
        return array.reshape(-1, self.length)

    def spread(self, name: str, array: Any) -> Any:
        """An array that broadcasts to the vectors' shape as one more of them."""
        wide = expanded(self._call, name, array, self._shape, self.kind.compute)
        return self.flat(self._call.engine.xp.ascontiguousarray(last(wide, self.axis)))

    def weights(self, array: Any) -> Any:
        """A weight for each row."""
        if array is None:
            return None
        dtypes.real(self._call.function, "sample_weight", array)
        return self._of_rows("sample_weight", array)

    def _of_rows(self, name: str, array: Any) -> Any:
        dtypes.of_shape(self._call.function, name, array, self.batch)
        return self._call.ready(array, self.kind.compute).reshape(-1)

    def room(self, name: str, out: Any) -> Any:
        """Where the engine writes: the caller's array where it lies in order and is not still to be read."""
        call, stored = self._call, self.kind.compute if name == "out" else self._stored
        shape, result = self._wanted(name)
        if out is not None:
            check_out(call.function, name, out, shape, result)
            if (name == "out" or self.axis == len(self._shape) - 1) and not call.is_input(out):
                return call.buffer(name, out, shape, result, stored)
        return call.engine.xp.empty(self.batch if name == "out" else self._order, stored)

    def give(self, name: str, array: Any, out: Any) -> Any:
        """A result for the caller, with its axes as they were."""
        if name != "out" and self.axis != len(self._shape) - 1:
            array = self._call.engine.xp.ascontiguousarray(self._call.engine.xp.moveaxis(array, -1, self.axis))
        return self._call.give(array, out, self._wanted(name)[1])

    def _wanted(self, name: str) -> tuple[tuple[int, ...], Any]:
        return (self.batch, self.kind.value) if name == "out" else (self._shape, self.kind.result)


def vector_loss(record: VectorLoss) -> Callable[[Callable[P, Any]], VectorLossOperation[P]]:
    """Make a loss of rows with gradients in several arrays of a definition that returns `VectorTerms`."""
    return lambda function: VectorLossOperation(function, record)


def overlap_loss(record: VectorLoss) -> Callable[[Callable[P, Any]], OverlapLossOperation[P]]:
    """The same, with the gradient in the first array alone."""
    return lambda function: OverlapLossOperation(function, record)


def class_loss(record: VectorLoss) -> Callable[[Callable[P, Any]], ClassLossOperation[P]]:
    """The same, with the diagonal of its Hessian."""
    return lambda function: ClassLossOperation(function, record)
