"""The callable objects behind every public activation: one name, and its derivatives as methods.

A public definition is a plain ``def`` whose body checks the options and returns the formula's parameters; the
decorator turns it into an operation that has the ``def``'s signature and docstring.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeAlias

import numpy as np
from fastloa_kernels.engines import FEW_ROWS, PARALLEL
from fastloa_kernels.records import Elementwise, Gated, Projection, Rowwise
from numpy import empty, ndarray  # looked up on every call

from fastloa import backends, dtypes
from fastloa.calls import Call

Array: TypeAlias = Any  # numpy.ndarray or cupy.ndarray
Parameters: TypeAlias = Any  # what the body of a definition returns: the formula's parameters, checked
P = ParamSpec("P")
UNSET: Any = inspect.Parameter.empty


@dataclass(frozen=True)
class Variant:
    """What a definition returns whose options ask for another formula than that of its record."""

    record: Any
    parameters: tuple[float, ...] = ()


class Operation(Generic[P]):
    """An array function with methods; looks like the ``def`` it was made from."""

    def __init__(self, function: Callable[P, Parameters], record: Any) -> None:
        functools.update_wrapper(self, function)  # type: ignore[arg-type]
        self.record = record
        self._definition: Callable[..., Parameters] = function
        self.__signature__ = inspect.signature(function).replace(return_annotation=Array)
        self.__name__: str = function.__name__
        self.__qualname__: str = function.__qualname__
        parameters = self.__signature__.parameters.values()
        self._arrays = tuple(p.name for p in parameters if p.kind is p.POSITIONAL_ONLY)

    def __repr__(self) -> str:
        return f"<fastloa {type(self).__name__.lower()} {self.__name__!r}>"

    def __reduce__(self) -> str:
        return self.__qualname__


class ActivationOperation(Operation[P]):
    """A function of one array, and its derivatives."""

    _along_axis = False

    def __init__(self, function: Callable[P, Parameters], record: Elementwise | Rowwise | Projection) -> None:
        super().__init__(function, record)
        self._defaults: tuple[float, ...] | None = ()  # None where an option must be given
        self._value = Form(record, "value", self._arrays)

    if TYPE_CHECKING:

        def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Array:
            """Return the activation of ``x``."""

    else:

        def __call__(self, x=UNSET, /, *more, out=None, axis=UNSET, backend=None, **options):
            """Return the activation of ``x``."""
            # What `Form.run_small` does, written out for the commonest call of all: on three elements it saves a fifth,
            # and an argument with a name of its own saves the time to look into a tuple or a dictionary.
            if not more and backend is None and backends.on_cpu and type(x) is ndarray:
                size, dtype, ndim = x.size, x.dtype, x.ndim
                value = self._value
                if size <= value.most and (
                    axis is UNSET or (self._along_axis and type(axis) is int and (axis == -1 or axis == ndim - 1))
                ):
                    known, dimensions, kernel, address = value.latest
                    if dtype is not known or ndim != dimensions:
                        kernel, address = value.small[dtype, ndim]
                        value.latest = dtype, ndim, kernel, address
                    if kernel is not None and (
                        out is None
                        or (
                            type(out) is ndarray
                            and out.dtype is dtype
                            and out.ndim == ndim
                            and out.flags.writeable
                            and (size <= FEW or out is not x)
                        )
                    ):
                        parameters = self._definition(None, **options) if options else self._defaults
                        # NumPy takes longer to look into a shape than to allocate.
                        result = empty(size if ndim == 1 else x.shape, dtype) if out is None else out
                        if type(parameters) is tuple and kernel(address, x, result, parameters):
                            return result
            if out is not None:
                options["out"] = out
            if axis is not UNSET:
                options["axis"] = axis
            if backend is not None:
                options["backend"] = backend
            return self._run(self._value, () if x is UNSET else (x, *more), options)

    def _run(self, form: "Form", arrays: tuple[Any, ...], options: dict[str, Any]) -> Array:
        raise NotImplementedError


class Activation(ActivationOperation[P]):
    """An elementwise activation and its derivatives.

    Every method takes the options of the function itself, ``out=`` (an array to write to; an input may be given) and
    ``backend=``.
    """

    record: Elementwise

    def __init__(self, function: Callable[P, Parameters], record: Elementwise) -> None:
        super().__init__(function, record)
        needs = any(p.kind is p.KEYWORD_ONLY and p.default is UNSET for p in self.__signature__.parameters.values())
        self._defaults = None if needs else self._definition(None)
        self._derivative = Form(record, "derivative", self._arrays)
        self._backward = Form(record, "backward", ("grad_output", *self._arrays))
        self._backward_from_output = Form(record, "backward_from_output", ("grad_output", "y"))

    def derivative(self, /, *args: P.args, **kwargs: P.kwargs) -> Array:
        """Return the derivative at ``x``, elementwise."""
        return self._run(self._derivative, args, kwargs)

    def backward(self, grad_output: Array, /, *args: P.args, **kwargs: P.kwargs) -> Array:
        """Return ``grad_output`` times the derivative at ``x``, in one pass."""
        return self._run(self._backward, (grad_output, *args), kwargs)

    def backward_from_output(self, grad_output: Array, /, *args: P.args, **kwargs: P.kwargs) -> Array:
        """Return the same from the activation's output ``y`` in place of ``x``: cheaper, and ``x`` need not be kept."""
        if self.record.derivative_from_output is None:
            raise TypeError(f"{self.__name__}.backward_from_output: the derivative does not follow from the output")
        return self._run(self._backward_from_output, (grad_output, *args), kwargs)

    def _run(self, form: "Form", arrays: tuple[Any, ...], options: dict[str, Any]) -> Array:
        """Run the form; small arrays go straight to compiled code, which checks them."""
        out, backend, parameters = None, None, self._defaults
        if options or parameters is None:
            out, backend = options.pop("out", None), options.pop("backend", None)
            if options or parameters is None:
                form, parameters = self._chosen(form, options)
        if backend is None and (backends.on_cpu or backends.look()):
            found = form.run_small(arrays, out, parameters)
            if found is not None:
                return found
            if not form.arguments(arrays):
                pass  # the long way says so
            elif type(arrays[0]) is not ndarray:
                if backends.automatic and type(arrays[0]) in backends.NATURAL:
                    kernel, places, result = form.there(arrays, out)
                    if kernel is not None:
                        kernel.run_at(places, result, parameters)
                        return result
            elif native(arrays, out):
                kernel = form.kernels[arrays[0].dtype]
                if kernel is not None:
                    out = np.empty_like(arrays[0]) if out is None else out
                    kernel(arrays, (out,), (), parameters)
                    return out
        return self._general(form, arrays, out, backend, parameters)

    def _chosen(self, form: "Form", options: dict[str, Any]) -> tuple["Form", tuple[float, ...]]:
        """The form of the record that the options ask for, and its parameters."""
        found = self._definition(None, **options)
        if type(found) is Variant:
            form, found = form.of(found.record), found.parameters
        record: Any = form.record
        form.check_folding(self.__name__, record, found, record.folding)
        return form, found

    def _general(
        self, form: "Form", arrays: tuple[Any, ...], out: Array, backend: str | None, parameters: tuple[float, ...]
    ) -> Array:
        function = form.title(self.__name__)
        form.check_count(function, arrays)
        call = Call(function, {**dict(zip(form.names, arrays, strict=True)), "out": out}, backend)
        kind = dtypes.same_kind(function, form.names, arrays)
        dtypes.same_shape(function, form.names, arrays)
        kernel = form.load(call.engine, kind.compute)
        with call.on_device():
            stored = call.stored(kind, kind.compute)
            ready = tuple(call.ready(x, stored, mapped=True) for x in arrays)
            buffer = call.buffer("out", out, arrays[0].shape, kind.result, stored)
            kernel(ready, (buffer,), (), parameters)
            return call.give(buffer, out, kind.result)


class Found(dict[Any, Any]):
    """What `find` gives for a key, found once."""

    def __init__(self, find: Callable[[Any], Any]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, key: Any) -> Any:
        self[key] = found = self._find(key)
        return found


class Form:
    """One of an activation's functions: its array arguments, and the CPU's kernels for NumPy's arrays as they are."""

    def __init__(self, record: Elementwise | Gated | Rowwise | Projection, name: str, names: tuple[str, ...]) -> None:
        self.record, self.name, self.names = record, name, names
        self.most = FEW_ROWS if isinstance(record, Rowwise | Projection) else PARALLEL - 1  # elements for `small`
        self.kernels, self.small = Found(self._native), Found(self._native_small)
        # What `small` gave last, and for what: NumPy hashes a dtype anew at each look into a dictionary.
        self.latest: tuple[Any, int, Any, int] = (None, 0, None, 0)
        self._kernels_there = Found(self._native_there)
        self.of = Found(lambda record: Form(record, name, names)).__getitem__  # the same form of another record

    def load(self, engine: Any, dtype: str) -> Any:
        """The engine's kernel."""
        return engine.load(self.record, self.name, dtype)

    def _native(self, dtype: Any) -> Any:
        known = dtypes.computed_in(dtype)
        return None if known is None else self.load(backends.engine(self.name, "cpu"), known)

    def _native_small(self, key: tuple[Any, int]) -> tuple[Any, int]:
        dtype, ndim = key
        kernel = self.kernels[dtype] if ndim in (1, 2) else None
        if kernel is None:
            return None, 0
        found: tuple[Any, int] = kernel.small(ndim) if dtype in NATIVE else kernel.small_stored(dtype, ndim)
        return found

    def there(self, arrays: tuple[Any, ...], out: Any) -> tuple[Any, Any, Any]:
        """For a GPU's arrays that a kernel may have as they are: it, their addresses, and the result's array."""
        engine, dtype = backends.NATURAL[type(arrays[0])], arrays[0].dtype
        kernel = self._kernels_there[engine, dtype]
        places = None if kernel is None else engine.places(arrays, () if out is None else (out,))
        if places is None:
            return None, None, out
        if out is None:
            out = engine.xp.empty(arrays[0].shape, dtype)
            places.append(out.data.ptr)
        return kernel, places, out

    def _native_there(self, key: tuple[Any, Any]) -> Any:
        engine, dtype = key
        return self.load(engine, dtypes.COMPUTE[dtype.name]) if dtype.name in dtypes.COMPUTE else None

    def title(self, operation: str) -> str:
        """The function's name in an error."""
        return operation if self.name == "value" else f"{operation}.{self.name}"

    def check_folding(
        self, operation: str, record: Any, parameters: tuple[float, ...], folding: tuple[str, ...]
    ) -> None:
        """Raise where one of these parameters is negative, and only the output is known."""
        if self.name == "backward_from_output":
            for name, value in zip(record.parameters, parameters, strict=True):
                if value < 0.0 and name in folding:
                    where = f"{operation}.{self.name}: {name}"
                    raise ValueError(f"{where} must be non-negative where only the output is known, got {value}")

    def arguments(self, arrays: tuple[Any, ...]) -> bool:
        """Whether there are as many arrays as the form takes."""
        return len(arrays) == len(self.names)

    def check_count(self, function: str, arrays: tuple[Any, ...]) -> None:
        """Raise unless there are as many arrays as the form takes."""
        if not self.arguments(arrays):
            raise TypeError(f"{function}: takes {' and '.join(self.names)}, got {len(arrays)} positional arguments")

    def run_small(self, arrays: tuple[Any, ...], out: Any, parameters: tuple[float, ...]) -> Any:
        """The result for `most` elements in one or two dimensions, or None, which says nothing of what is wrong."""
        if len(arrays) != len(self.names):
            return None
        x: Any = arrays[0]
        if type(x) is not ndarray or x.size > self.most:
            return None
        dtype, ndim = x.dtype, x.ndim
        known, dimensions, kernel, address = self.latest
        if dtype is not known or ndim != dimensions:
            kernel, address = self.small[dtype, ndim]
            self.latest = dtype, ndim, kernel, address
        if kernel is None:
            return None
        if len(arrays) == 2:
            y = arrays[1]
            if type(y) is not ndarray or y.dtype is not dtype or y.ndim != ndim:
                return None
        if out is None:
            out = empty(x.shape, x.dtype)
        elif not fits_small(out, x, arrays[-1]):
            return None
        return out if kernel(address, *arrays, out, parameters) else None


NATIVE = (np.dtype("float32"), np.dtype("float64"))  # what kernels compute in, and take in every way
FEW = 64  # elements up to which a call's overhead outweighs its work although the loop is not vectorised


def alike(array: Any, x: Any) -> bool:
    """Whether compiled code for arrays such as `x` may look into this one."""
    return type(array) is ndarray and array.dtype is x.dtype and array.ndim == x.ndim


def fits_small(out: Any, x: Any, last: Any) -> bool:
    """Whether compiled code for small arrays, from `x` to the `last`, may look into `out`, and write to it."""
    if type(out) is not ndarray or out.dtype is not x.dtype or out.ndim != x.ndim or not out.flags.writeable:
        return False
    return x.size <= FEW or not (out is x or out is last)  # other kernels for that are vectorised


def native(arrays: tuple[Any, ...], out: Any) -> bool:
    """Whether a kernel may have these arrays as they are: NumPy's own, alike, in order, apart from `out` or it."""
    x = arrays[0]
    for array in (*arrays, x if out is None else out):
        if type(array) is not np.ndarray or not array.flags.carray or array.dtype is not x.dtype:
            return False
        if array.shape != x.shape:
            return False
    return out is None or not any(a is not out and np.may_share_memory(out, a) for a in arrays)


def in_order(array: Any, dtype: Any, shape: tuple[int, ...]) -> bool:
    """Whether this is an array of NumPy's of that dtype and shape, whose elements lie one after the other."""
    if type(array) is not ndarray or array.dtype is not dtype or array.shape != shape:
        return False
    return bool(array.flags.c_contiguous and array.flags.aligned)


def activation(record: Elementwise) -> Callable[[Callable[P, Parameters]], Activation[P]]:
    """Make an elementwise activation of a definition that returns its formula's parameters."""
    return lambda function: Activation(function, record)
