"""The callable objects behind every public activation: one name, and its derivatives as methods.

A public definition is a plain ``def`` whose body checks the options and returns the formula's parameters; the
decorator turns it into an operation that has the ``def``'s signature and docstring.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeAlias

import numpy as np
from fastloa_kernels.records import Elementwise, Rowwise
from numpy import ndarray  # looked up on every call

from fastloa import backends, checks, dtypes
from fastloa.calls import Call, check_out

Array: TypeAlias = Any  # numpy.ndarray or cupy.ndarray
Parameters: TypeAlias = Any  # what the body of a definition returns: the formula's parameters, checked
P = ParamSpec("P")


class Operation(Generic[P]):
    """An array function with methods; looks like the ``def`` it was made from."""

    def __init__(self, function: Callable[P, Parameters], record: Any) -> None:
        functools.update_wrapper(self, function)  # type: ignore[arg-type]
        self.record = record
        self._definition: Callable[..., Parameters] = function
        self.__signature__ = inspect.signature(function).replace(return_annotation=Array)
        self.__name__: str = function.__name__

    def __repr__(self) -> str:
        return f"<fastloa {type(self).__name__.lower()} {self.__name__!r}>"

    def __reduce__(self) -> str:
        return self.__name__


class Activation(Operation[P]):
    """An elementwise activation and its derivatives.

    Every method takes the options of the function itself, ``out=`` (an array to write to; an input may be given) and
    ``backend=``.
    """

    record: Elementwise

    def __init__(self, function: Callable[P, Parameters], record: Elementwise) -> None:
        super().__init__(function, record)
        self._defaults: tuple[float, ...] = self._definition(None)
        self._extra = (self._defaults,) if self._defaults else ()
        self._value, self._derivative = Form("value", ("x",)), Form("derivative", ("x",))
        self._backward = Form("backward", ("grad_output", "x"))
        self._backward_from_output = Form("backward_from_output", ("grad_output", "y"))

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Array:
        """Return the activation of ``x``."""
        return self._map(self._value, args, kwargs)

    def derivative(self, /, *args: P.args, **kwargs: P.kwargs) -> Array:
        """Return the derivative at ``x``, elementwise."""
        return self._map(self._derivative, args, kwargs)

    def backward(self, grad_output: Array, /, *args: P.args, **kwargs: P.kwargs) -> Array:
        """Return ``grad_output`` times the derivative at ``x``, in one pass."""
        return self._map(self._backward, (grad_output, *args), kwargs)

    def backward_from_output(self, grad_output: Array, /, *args: P.args, **kwargs: P.kwargs) -> Array:
        """Return the same from the activation's output ``y`` in place of ``x``: cheaper, and ``x`` need not be kept."""
        if self.record.derivative_from_output is None:
            raise TypeError(f"{self.__name__}.backward_from_output: the derivative does not follow from the output")
        return self._map(self._backward_from_output, (grad_output, *args), kwargs)

    def _map(self, form: "Form", arrays: tuple[Any, ...], options: dict[str, Any]) -> Array:
        """Run the form; a small array of the dtype seen last goes straight to compiled code, which checks it."""
        x: Any = arrays[0] if arrays else None
        if type(x) is ndarray and x.dtype is form.dtype and x.ndim == 1 and backends.on_cpu:
            out = np.empty(x.shape, x.dtype) if not options else options.get("out") if len(options) == 1 else None
            try:
                fits = type(out) is ndarray and out.dtype is x.dtype and (len(arrays) == 1 or _alike(x, arrays[-1]))
                if fits and form.small(*arrays, out, *self._extra):
                    return out
            except TypeError:
                pass  # not the arrays it was compiled for: the long way says what is wrong
        out, backend = options.pop("out", None), options.pop("backend", None)
        parameters = self._parameters(form, options)
        if backend is None and backends.on_cpu and form.arguments(arrays) and native(arrays, out):
            kernel = form.kernels.get(x.dtype)
            if kernel is not None:
                out = np.empty_like(x) if out is None else out
                kernel(arrays, (out,), (), parameters)
                return out
        return self._general(form, arrays, out, backend, parameters)

    def _parameters(self, form: "Form", options: dict[str, Any]) -> tuple[float, ...]:
        parameters = self._definition(None, **options) if options else self._defaults
        if parameters and form.name == "backward_from_output":
            for name, value in zip(self.record.parameters, parameters, strict=True):
                if value < 0.0:
                    # A slope or scale below 0 folds the function: its output no longer tells the side.
                    where = f"{self.__name__}.{form.name}: {name}"
                    raise ValueError(f"{where} must be non-negative where only the output is known, got {value}")
        return parameters

    def _general(
        self, form: "Form", arrays: tuple[Any, ...], out: Array, backend: str | None, parameters: tuple[float, ...]
    ) -> Array:
        function = form.title(self.__name__)
        form.check_count(function, arrays)
        call = Call(function, {**dict(zip(form.names, arrays, strict=True)), "out": out}, backend)
        kind = dtypes.same_kind(function, form.names, arrays)
        dtypes.same_shape(function, form.names, arrays)
        kernel = call.engine.load(self.record, form.name, kind.compute)
        if call.engine.name == "cpu" and kind.result == kind.compute:
            form.remember(kernel, kind.result, arrays[0], 1)
        with call.on_device():
            ready = tuple(call.ready(x, kind.compute, mapped=True) for x in arrays)
            buffer = call.buffer("out", out, arrays[0].shape, kind.result, kind.compute)
            kernel(ready, (buffer,), (), parameters)
            return call.give(buffer, out, kind.result)


class Form:
    """One of an activation's functions: its array arguments, and what has been found to run it on the CPU."""

    def __init__(self, name: str, names: tuple[str, ...]) -> None:
        self.name, self.names = name, names
        self.kernels: dict[Any, Any] = {}
        self.dtype: Any = None
        self.small: Any = None

    def title(self, operation: str) -> str:
        """The function's name in an error."""
        return operation if self.name == "value" else f"{operation}.{self.name}"

    def arguments(self, arrays: tuple[Any, ...]) -> bool:
        """Whether there are as many arrays as the form takes."""
        return len(arrays) == len(self.names)

    def check_count(self, function: str, arrays: tuple[Any, ...]) -> None:
        """Raise unless there are as many arrays as the form takes."""
        if not self.arguments(arrays):
            raise TypeError(f"{function}: takes {' and '.join(self.names)}, got {len(arrays)} positional arguments")

    def remember(self, kernel: Any, dtype: Any, x: Any, ndim: int) -> None:
        """Keep the kernel for arrays of that dtype, and its version for small arrays of `ndim` axes if `x` is one."""
        self.kernels[dtype] = kernel
        if x.ndim == ndim and x.size <= SMALL:
            self.small = kernel.small
            self.dtype = np.dtype(dtype.name)  # the one object that arrays share, to be compared by identity


SMALL = 1 << 12  # elements up to which a call's overhead outweighs its work


def _alike(x: Any, y: Any) -> bool:
    """Whether `y` is an array like `x`: numba may take another byte order, or a mask, for the same."""
    return type(y) is ndarray and y.dtype is x.dtype


def native(arrays: tuple[Any, ...], out: Any) -> bool:
    """Whether a kernel may have these arrays as they are: NumPy's own, alike, in order, and apart from `out`."""
    x = arrays[0]
    for array in (*arrays, x if out is None else out):
        if type(array) is not np.ndarray or not array.flags.carray or array.dtype is not x.dtype:
            return False
        if array.shape != x.shape:
            return False
    if out is None or any(out is a for a in arrays):
        return len(arrays) == 1 or out is None
    return not any(np.may_share_memory(out, a) for a in arrays)


class RowActivation(Operation[P]):
    """An activation of whole rows along an axis, and its backward."""

    record: Rowwise

    def __init__(self, function: Callable[P, Parameters], record: Rowwise) -> None:
        super().__init__(function, record)
        self._value, self._backward = Form("value", ("x",)), Form("backward", ("grad_output", "x"))
        self._backward_from_output = Form("backward_from_output", ("grad_output", "y"))

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Array:
        """Return the activation of ``x``."""
        return self._run(self._value, args, kwargs)

    def backward(self, grad_output: Array, /, *args: P.args, **kwargs: P.kwargs) -> Array:
        """Return the gradient with respect to ``x`` from the gradient of the output."""
        return self._run(self._backward, (grad_output, *args), kwargs)

    def backward_from_output(self, grad_output: Array, /, *args: P.args, **kwargs: P.kwargs) -> Array:
        """Return the same from the activation's output ``y`` in place of ``x``, without computing it again."""
        return self._run(self._backward_from_output, (grad_output, *args), kwargs)

    def _kernel(self, form: Form, engine: Any, dtype: str) -> Any:
        """``kernel(inputs, out)`` on arrays of rows."""
        if form is not self._backward:
            return engine.load(self.record, form.name, dtype)
        return _RowBackward(engine, *(engine.load(self.record, f, dtype) for f in ("value", "backward_from_output")))

    def _run(self, form: Form, arrays: tuple[Any, ...], options: dict[str, Any]) -> Array:
        """Run the form; as in `Activation`, small arrays go straight to compiled code."""
        x: Any = arrays[0] if arrays else None
        if type(x) is ndarray and x.dtype is form.dtype and x.ndim == 2 and backends.on_cpu:
            out = np.empty(x.shape, x.dtype) if not options else options.get("out") if len(options) == 1 else None
            try:
                fits = type(out) is ndarray and out.dtype is x.dtype and (len(arrays) == 1 or _alike(x, arrays[-1]))
                if fits and form.small(*arrays, out):
                    return out
            except TypeError:
                pass
        if backends.on_cpu and type(x) is np.ndarray and not options.keys() - {"out"} and form.arguments(arrays):
            kernel, out = form.kernels.get(x.dtype), options.get("out")
            if kernel is not None and x.size and native(arrays, out):
                out = np.empty_like(x) if out is None else out
                kernel(arrays if x.ndim == 2 else tuple(map(_rows, arrays)), out if x.ndim == 2 else _rows(out))
                return out
        return self._general(form, arrays, options)

    def _general(self, form: Form, arrays: tuple[Any, ...], options: dict[str, Any]) -> Array:
        function, names = form.title(self.__name__), form.names
        form.check_count(function, arrays)
        axis, out, backend = options.pop("axis", -1), options.pop("out", None), options.pop("backend", None)
        self._definition(arrays[-1], **options)
        call = Call(function, {**dict(zip(names, arrays, strict=True)), "out": out}, backend)
        kind = dtypes.same_kind(function, names, arrays)
        dtypes.same_shape(function, names, arrays)
        shape = arrays[0].shape
        axis = normal_axis(function, axis, len(shape))
        kernel = self._kernel(form, call.engine, kind.compute)
        if call.engine.name == "cpu" and kind.result == kind.compute:
            form.remember(kernel, kind.result, arrays[0], 2)
        with call.on_device():
            ready = [call.ready(swap_last(x, axis), kind.compute) for x in arrays]
            if axis == len(shape) - 1:
                buffer = call.buffer("out", out, shape, kind.result, kind.compute)
            else:
                if out is not None:
                    check_out(function, "out", out, shape, kind.result)
                buffer = call.engine.xp.empty(ready[0].shape, kind.compute)
            if buffer.size:
                *inputs, target = _as_rows((*ready, buffer))
                kernel(tuple(inputs), target)
            if axis != len(shape) - 1:
                buffer = call.engine.xp.ascontiguousarray(swap_last(buffer, axis))
            return call.give(buffer, out, kind.result)


class _RowBackward:
    """From the input: the output, then the gradient from it."""

    def __init__(self, engine: Any, value: Any, from_output: Any) -> None:
        self._engine, self._value, self._from_output = engine, value, from_output

    def __call__(self, inputs: tuple[Any, ...], out: Any) -> None:
        g, x = inputs
        y = self._engine.xp.empty_like(out) if out is g else out
        self._value((x,), y)
        self._from_output((g, y), out)

    def small(self, g: Array, x: Array, out: Array) -> bool:
        """Do the same for small arrays, as the two kernels do."""
        y = np.empty_like(out)
        return bool(self._value.small(x, y) and self._from_output.small(g, y, out))


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
    if not -ndim <= checked < ndim:
        raise ValueError(f"{function}: axis must be in {-ndim}..{ndim - 1} for {ndim} dimensions, got {axis}")
    return checked % ndim


def activation(record: Elementwise) -> Callable[[Callable[P, Parameters]], Activation[P]]:
    """Make an elementwise activation of a definition that returns its formula's parameters."""
    return lambda function: Activation(function, record)


def row_activation(record: Rowwise) -> Callable[[Callable[P, Parameters]], RowActivation[P]]:
    """Make an activation of rows of a definition."""
    return lambda function: RowActivation(function, record)
