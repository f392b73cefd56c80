"""The callable objects behind gated activations, of two arrays or of two halves of one: both gradients in one pass."""

from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np
from fastloa_kernels.records import Gated
from numpy import empty, may_share_memory, ndarray  # looked up on every call

from fastloa import backends, dtypes
from fastloa.calls import Call, check_apart
from fastloa.operations import Array, Form, Operation, Parameters, Variant, native
from fastloa.row_operations import normal_axis
from fastloa.stretches import over_stretches, plain

P = ParamSpec("P")
LONG = 64  # elements of a half from which its address is sooner found than it is copied


class _GatedOperation(Operation[P]):
    """What both kinds have in common: two forms of one record."""

    record: Gated
    _names: tuple[str, ...]

    def __init__(self, function: Callable[P, Parameters], record: Gated) -> None:
        super().__init__(function, record)
        self._value = Form(record, "value", self._names)
        self._backward = Form(record, "backward", ("grad_output", *self._names))

    def _chosen(self, form: Form, options: dict[str, Any]) -> tuple[Form, tuple[float, ...]]:
        """The form of the record that the options ask for, and its parameters."""
        found = self._definition(*self._names, **options)
        if not isinstance(found, Variant):
            return form, found
        return form.of(found.record), found.parameters


class GatedActivation(_GatedOperation[P]):
    """An activation of two arrays of one shape, and its gradients.

    Both methods take the options of the function itself. `backward` returns two gradients, and there ``out=`` is two
    arrays, or None in place of one that is to be new; they may be inputs.
    """

    _names = ("a", "b")

    if TYPE_CHECKING:

        def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Array:
            """Return the activation of ``a`` and ``b``."""

    else:

        def __call__(self, /, *args, out=None, **options):
            """Return the activation of ``a`` and ``b``."""
            return self._run(self._value, args, (out,), options)[0]

    def backward(self, grad_output: Array, /, *args: P.args, **kwargs: P.kwargs) -> tuple[Array, Array]:
        """Return ``grad_output`` times the derivatives at ``a`` and ``b``: two gradients, in one pass."""
        options: dict[str, Any] = dict(kwargs)
        outs = two(f"{self.__name__}.backward", options.pop("out", None))
        grad_a, grad_b = self._run(self._backward, (grad_output, *args), outs, options)
        return grad_a, grad_b

    def _run(
        self, form: Form, arrays: tuple[Any, ...], outs: tuple[Any, ...], options: dict[str, Any]
    ) -> tuple[Array, ...]:
        """Run the form; arrays that kernels may have as they are go straight to them."""
        backend = options.pop("backend", None)
        form, parameters = self._chosen(form, options)
        if backend is None and (backends.on_cpu or backends.look()):
            found = form.run_small(arrays, outs[0], parameters) if len(outs) == 1 else None
            if found is not None:
                return (found,)
            if form.arguments(arrays) and _all_native(arrays, outs):
                kernel = form.kernels[arrays[0].dtype]
                if kernel is not None:
                    x = arrays[0]
                    results = tuple([empty(x.shape, x.dtype) if out is None else out for out in outs])
                    kernel(arrays, results, (), parameters)
                    return results
        return self._general(form, arrays, outs, backend, parameters)

    def _general(
        self, form: Form, arrays: tuple[Any, ...], outs: tuple[Any, ...], backend: str | None,
        parameters: tuple[float, ...],
    ) -> tuple[Array, ...]:  # fmt: skip
        function = form.title(self.__name__)
        form.check_count(function, arrays)
        given = dict(zip(("out",) if len(outs) == 1 else ("out[0]", "out[1]"), outs, strict=True))
        buffers = {name: out for name, out in given.items() if out is not None}
        call = Call(function, {**dict(zip(form.names, arrays, strict=True)), **buffers}, backend)
        check_apart(function, buffers)
        kind = dtypes.same_kind(function, form.names, arrays)
        dtypes.same_shape(function, form.names, arrays)
        kernel = form.load(call.engine, kind.compute)
        with call.on_device():
            shape, stored = arrays[0].shape, call.stored(kind, kind.compute)
            ready = tuple(call.ready(x, stored, mapped=True) for x in arrays)
            results = tuple(call.buffer(name, out, shape, kind.result, stored) for name, out in given.items())
            kernel(ready, results, (), parameters)
            return tuple(call.give(result, out, kind.result) for result, out in zip(results, outs, strict=True))


def two(function: str, out: Any) -> tuple[Any, Any]:
    """The two arrays to write to, or None in their places."""
    if out is None:
        return None, None
    if not isinstance(out, tuple | list) or len(out) != 2:
        came = f"{len(out)}" if isinstance(out, tuple | list) else type(out).__name__
        raise TypeError(f"{function}: out must be two arrays, got {came}")
    return out[0], out[1]


def _all_native(arrays: tuple[Any, ...], outs: tuple[Any, ...]) -> bool:
    """Whether a kernel may have these arrays as they are."""
    if not all(native(arrays, out) for out in outs):
        return False
    given = [out for out in outs if out is not None]
    return len(given) < 2 or not may_share_memory(*given)


class SplitActivation(_GatedOperation[P]):
    """A gated activation of the two halves of one array along an axis, and its gradient."""

    _names = ("x",)

    if TYPE_CHECKING:

        def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Array:
            """Return the activation of the halves of ``x``."""

    else:

        def __call__(self, /, *args, **options):
            """Return the activation of the halves of ``x``."""
            return self._run(self._value, args, options)

    def backward(self, grad_output: Array, /, *args: P.args, **kwargs: P.kwargs) -> Array:
        """Return the gradient with respect to ``x``, of its shape, in one pass."""
        return self._run(self._backward, (grad_output, *args), dict(kwargs))

    def _run(self, form: Form, arrays: tuple[Any, ...], options: dict[str, Any]) -> Array:
        axis, out, backend = options.pop("axis", -1), options.pop("out", None), options.pop("backend", None)
        form, parameters = self._chosen(form, options)
        if backend is None and (backends.on_cpu or backends.look()) and form.arguments(arrays):
            found = _uncopied(form, arrays, axis, out, parameters)
            if found is not None:
                return found
        return self._general(form, arrays, axis, out, backend, parameters)

    def _general(
        self, form: Form, arrays: tuple[Any, ...], axis: Any, out: Any, backend: str | None,
        parameters: tuple[float, ...],
    ) -> Array:  # fmt: skip
        function = form.title(self.__name__)
        form.check_count(function, arrays)
        call = Call(function, {**dict(zip(form.names, arrays, strict=True)), "out": out}, backend)
        kind = dtypes.same_kind(function, form.names, arrays)
        *grads, x = arrays
        axis = normal_axis(function, axis, len(x.shape))
        shape = _half(function, x.shape, axis)
        for grad in grads:
            if grad.shape != shape:
                raise ValueError(f"{function}: grad_output must have shape {shape}, got {tuple(grad.shape)}")
        kernel = form.load(call.engine, kind.compute)
        with call.on_device():
            stored = call.stored(kind, kind.compute)
            ready = tuple(call.ready(part, stored, mapped=True) for part in (*grads, *_halves(x, axis)))
            buffer = call.buffer("out", out, x.shape if grads else shape, kind.result, stored)
            results = _halves(buffer, axis) if grads else (buffer,)
            if grads and not call.engine.strided:  # its kernels write to contiguous arrays only
                apart = tuple(call.engine.xp.empty(shape, kind.compute) for _ in results)
                kernel(ready, apart, (), parameters)
                for part, result in zip(results, apart, strict=True):
                    part[...] = result
            else:
                kernel(ready, results, (), parameters)
            return call.give(buffer, out, kind.result)


def _half(function: str, shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    if shape[axis] % 2:
        raise ValueError(f"{function}: x must have an even length along axis {axis}, got shape {tuple(shape)}")
    return (*shape[:axis], shape[axis] // 2, *shape[axis + 1 :])


def _halves(array: Array, axis: int) -> tuple[Array, Array]:
    """Views of the two halves along an axis."""
    middle, before = array.shape[axis] // 2, (slice(None),) * axis
    return array[(*before, slice(middle))], array[(*before, slice(middle, None))]


def _uncopied(form: Form, arrays: tuple[Any, ...], axis: Any, out: Any, parameters: tuple[float, ...]) -> Array | None:
    """The result for plain arrays whose halves are long stretches of memory; None says nothing of what is wrong.

    A kernel of the CPU takes all stretches in one call, by their addresses.
    """
    *grads, x = arrays
    if type(x) is not ndarray or dtypes.computed_in(x.dtype) is None:
        return None
    if type(axis) is not int or not -x.ndim <= axis < x.ndim:
        return None
    axis %= x.ndim
    if x.size == 0 or x.shape[axis] % 2:
        return None
    shape, rows = _half(form.name, x.shape, axis), prod(x.shape[:axis])
    length, wanted = x.size // rows // 2, x.shape if grads else shape
    if (length < LONG and rows > 1) or not plain(x, x.shape, x.dtype):
        return None
    if not all(plain(grad, shape, x.dtype) for grad in grads):
        return None
    if out is None:
        out = empty(wanted, x.dtype)
    elif not plain(out, wanted, x.dtype) or any(may_share_memory(out, array) for array in arrays):
        return None
    places = [
        array.ctypes.data + array.itemsize * length * np.arange(array.size // length).reshape(rows, -1).T
        for array in (*grads, x, out)
    ]
    starts = length * np.arange(rows + 1)
    engine = backends.engine(form.name, "cpu")
    over_stretches(engine, form.kernels[x.dtype], x, np.concatenate(places), starts, parameters)
    return out


def gated_activation(record: Gated) -> Callable[[Callable[P, Parameters]], GatedActivation[P]]:
    """Make an activation of two arrays of a definition that returns its formula's parameters."""
    return lambda function: GatedActivation(function, record)


def split_activation(record: Gated) -> Callable[[Callable[P, Parameters]], SplitActivation[P]]:
    """Make an activation of the halves of an array of a definition that returns its formula's parameters."""
    return lambda function: SplitActivation(function, record)
