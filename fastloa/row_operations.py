"""The callable objects behind activations of whole rows along an axis."""

from collections.abc import Callable
from typing import Any, ParamSpec

import numpy as np
from fastloa_kernels.records import Projection, Rowwise
from numpy import ndarray  # looked up on every call

from fastloa import backends, checks, dtypes
from fastloa.calls import Call, check_out
from fastloa.operations import ActivationOperation, Array, Form, Parameters, native

P = ParamSpec("P")


class RowActivation(ActivationOperation[P]):
    """An activation of whole rows along an axis, and its backward."""

    _along_axis = True
    record: Rowwise | Projection

    def __init__(self, function: Callable[P, Parameters], record: Rowwise | Projection) -> None:
        super().__init__(function, record)
        self._backward = _RowBackward(record)
        self._backward_from_output = Form(record, "backward_from_output", ("grad_output", "y"))

    def backward(self, grad_output: Array, /, *args: P.args, **kwargs: P.kwargs) -> Array:
        """Return the gradient with respect to ``x`` from the gradient of the output."""
        return self._run(self._backward, (grad_output, *args), kwargs)

    def backward_from_output(self, grad_output: Array, /, *args: P.args, **kwargs: P.kwargs) -> Array:
        """Return the same from the activation's output ``y`` in place of ``x``, without computing it again."""
        return self._run(self._backward_from_output, (grad_output, *args), kwargs)

    def _run(self, form: Form, arrays: tuple[Any, ...], options: dict[str, Any]) -> Array:
        """Run the form; as in `Activation`, small arrays go straight to compiled code."""
        axis, out = -1, None
        if options:
            axis, out = options.pop("axis", -1), options.pop("out", None)
        if not options and (backends.on_cpu or backends.look()) and form.arguments(arrays):
            x: Any = arrays[0]
            if type(x) is ndarray and is_last(axis, x.ndim):
                found = form.run_small(arrays, out, ())
                if found is not None:
                    return found
                kernel = form.kernels[x.dtype]
                if kernel is not None and x.size and native(arrays, out):
                    out = np.empty_like(x) if out is None else out
                    *inputs, target = (*arrays, out) if x.ndim == 2 else _as_rows((*arrays, out))
                    kernel(tuple(inputs), target)
                    return out
            elif backends.automatic and type(x) in backends.NATURAL and x.ndim == 2 and is_last(axis, 2):
                kernel, _, result = form.there(arrays, out)
                if kernel is not None:
                    kernel(arrays, result)
                    return result
        return self._general(form, arrays, axis, out, options)

    def _general(self, form: Form, arrays: tuple[Any, ...], axis: Any, out: Array, options: dict[str, Any]) -> Array:
        function, names, backend = form.title(self.__name__), form.names, options.pop("backend", None)
        form.check_count(function, arrays)
        self._definition(arrays[-1], **options)
        call = Call(function, {**dict(zip(names, arrays, strict=True)), "out": out}, backend)
        kind = dtypes.same_kind(function, names, arrays)
        dtypes.same_shape(function, names, arrays)
        shape = arrays[0].shape
        axis = normal_axis(function, axis, len(shape))
        kernel = form.load(call.engine, kind.compute)
        with call.on_device():
            stored = call.stored(kind, kind.compute)
            ready = [call.ready(swap_last(x, axis), stored) for x in arrays]
            if axis == len(shape) - 1:
                buffer = call.buffer("out", out, shape, kind.result, stored)
            else:
                if out is not None:
                    check_out(function, "out", out, shape, kind.result)
                buffer = call.engine.xp.empty(ready[0].shape, stored)
            if buffer.size:
                *inputs, target = _as_rows((*ready, buffer))
                kernel(tuple(inputs), target)
            if axis != len(shape) - 1:
                buffer = call.engine.xp.ascontiguousarray(swap_last(buffer, axis))
            return call.give(buffer, out, kind.result)


class _RowBackward(Form):
    """The gradient from the input, for which there is no record."""

    def __init__(self, record: Rowwise | Projection) -> None:
        super().__init__(record, "backward", ("grad_output", "x"))

    def load(self, engine: Any, dtype: str) -> Any:
        """The kernels of the output, and of the gradient from it."""
        return _Backward(
            engine, dtype, *(engine.load(self.record, f, dtype) for f in ("value", "backward_from_output"))
        )


class _Backward:
    """From the input: the output, then the gradient from it."""

    def __init__(self, engine: Any, dtype: str, value: Any, from_output: Any) -> None:
        self._engine, self._dtype, self._value, self._from_output = engine, dtype, value, from_output

    def __call__(self, inputs: tuple[Any, ...], out: Any) -> None:
        g, x = inputs
        y = out if out is not g and out.dtype == self._dtype else self._engine.xp.empty(out.shape, self._dtype)
        self._value((x,), y)
        self._from_output((g, y), out)

    def small(self, ndim: int) -> tuple[Callable[..., bool], int]:
        """The same for small arrays, by the two kernels' own."""
        value, value_at = self._value.small(ndim)
        from_output, from_output_at = self._from_output.small(ndim)

        def run(_: int, g: Array, x: Array, out: Array, none: tuple[float, ...]) -> bool:
            y = np.empty_like(out)
            return bool(value(value_at, x, y, none) and from_output(from_output_at, g, y, out, none))

        return run, 0

    def small_stored(self, dtype: Any, ndim: int) -> tuple[None, int]:
        """Of 16 bits there are none: the output in between is not rounded."""
        return None, 0


def is_last(axis: Any, ndim: int) -> bool:
    """Whether `axis` certainly is the last."""
    return type(axis) is int and ndim > 0 and (axis == -1 or axis == ndim - 1)


def swap_last(array: Array, axis: int) -> Array:
    """`array` itself, or a view with `axis` and the last axis exchanged."""
    return array if axis == array.ndim - 1 else array.swapaxes(axis, -1)


def _rows(array: Array) -> Array:
    """`array` with two dimensions, the last of them its own."""
    return array.reshape(-1, array.shape[-1])


def _as_rows(arrays: tuple[Any, ...]) -> list[Any]:
    """Each array with two dimensions; an array that stands twice in `arrays` stays one object."""
    rows = {id(x): _rows(x) for x in arrays}
    return [rows[id(x)] for x in arrays]


def normal_axis(function: str, axis: Any, ndim: int) -> int:
    """`axis` counted from 0."""
    checked = checks.integer(function, "axis", axis)
    if ndim == 0:
        raise ValueError(f"{function}: axis must be one of an array with dimensions, got an array of shape ()")
    if not -ndim <= checked < ndim:
        raise ValueError(f"{function}: axis must be in {-ndim}..{ndim - 1} for {ndim} dimensions, got {axis}")
    return checked % ndim


def row_activation(record: Rowwise | Projection) -> Callable[[Callable[P, Parameters]], RowActivation[P]]:
    """Make an activation of rows of a definition."""
    return lambda function: RowActivation(function, record)
