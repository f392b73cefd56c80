"""The callable objects behind activations with a learned number for each channel, or one for all."""

from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np
from fastloa_kernels.records import Gated, VectorLoss
from fastloa_kernels.sums import BLOCK

from fastloa import backends, dtypes
from fastloa.calls import Call, check_apart, check_out
from fastloa.gated_operations import two
from fastloa.operations import Array, Form, Operation, Parameters
from fastloa.stretches import over_stretches, plain

P = ParamSpec("P")
STRETCH = 1 << 12  # elements of an array that weights are laid out for, at least: few enough for a cache


class ChannelActivation(Operation[P]):
    """An activation of an array and of a number for each of its channels, and its gradients.

    `backward` returns two gradients, in the array's shape and in that of the numbers, and there ``out=`` is two arrays,
    or None in place of one that is to be new; they may be inputs. ``gradients`` is the record of both for a channel.
    """

    record: Gated

    def __init__(self, function: Callable[P, Parameters], record: Gated, gradients: VectorLoss) -> None:
        super().__init__(function, record)
        self._value = Form(record, "value", self._arrays)
        self._backward = Form(record, "backward", ("grad_output", *self._arrays))
        self._gradients = gradients

    if TYPE_CHECKING:

        def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Array:
            """Return the activation of ``x``."""

    else:

        def __call__(self, /, *args, **options):
            """Return the activation of ``x``."""
            out, backend = options.pop("out", None), options.pop("backend", None)
            form = self._value
            call, kind, shape = self._checked(form, args, {"out": out}, backend, options)
            kernel, (x, weight) = form.load(call.engine, kind.compute), args
            if call.engine.name == "cpu" and _plain(x, weight, out):
                return _in_stretches(
                    call.engine, kernel, x, weight, prod(shape), np.empty_like(x) if out is None else out
                )
            with call.on_device():
                stored, xp = call.stored(kind, kind.compute), call.engine.xp
                ready = call.ready(x, stored, mapped=True)
                of_each = xp.broadcast_to(call.ready(weight, stored).reshape(shape), x.shape)
                of_each = of_each if call.engine.strided else xp.asarray(of_each, order="C")
                buffer = call.buffer("out", out, x.shape, kind.result, stored)
                kernel((ready, of_each), (buffer,), (), ())
                return call.give(buffer, out, kind.result)

    def backward(self, grad_output: Array, /, *args: P.args, **kwargs: P.kwargs) -> tuple[Array, Array]:
        """Return ``grad_output`` times the derivatives at ``x``, and the sums of those at each channel's number."""
        options: dict[str, Any] = dict(kwargs)
        form = self._backward
        outs = two(form.title(self.__name__), options.pop("out", None))
        buffers = dict(zip(("out[0]", "out[1]"), outs, strict=True))
        call, kind, shape = self._checked(form, (grad_output, *args), buffers, options.pop("backend", None), options)
        arrays: tuple[Any, ...] = (*args, grad_output)
        x, weight = arrays[:2]
        for (name, out), like in zip(buffers.items(), (x, weight), strict=True):
            if out is not None:
                check_out(call.function, name, out, like.shape, kind.result)
        with call.on_device():
            results = self._gradients_of(call, arrays, prod(shape), kind.compute)
            grad_x, grad_weight = (call.give(r, out, kind.result) for r, out in zip(results, outs, strict=True))
            return grad_x, grad_weight

    def _checked(
        self, form: Form, arrays: tuple[Any, ...], buffers: dict[str, Any], backend: str | None, options: dict[str, Any]
    ) -> tuple[Call, dtypes.Kind, tuple[int, ...]]:
        """The call, the kind of its arrays, and the shape in which the numbers go with the array."""
        function, names = form.title(self.__name__), form.names
        form.check_count(function, arrays)
        self._definition(*arrays[-2:], **options)
        backends.library(function, names[-1], arrays[-1])  # which other functions do without
        given = {name: out for name, out in buffers.items() if out is not None}
        call = Call(function, {**dict(zip(names, arrays, strict=True)), **given}, backend)
        check_apart(function, given)
        kind = dtypes.same_kind(function, names, arrays)
        dtypes.same_shape(function, names[:-1], arrays[:-1])
        return call, kind, _channels(function, *arrays[-2:])

    def _gradients_of(self, call: Call, arrays: tuple[Any, ...], channels: int, dtype: str) -> tuple[Any, Any]:
        """Both gradients, of arrays whose channels are rows; those of one number are cut into rows."""
        x, weight, grad = arrays
        if x.size == 0:
            return call.engine.xp.empty(x.shape, dtype), call.engine.xp.zeros(weight.shape, dtype)
        xp, kernel = call.engine.xp, call.engine.load(self._gradients, "value_and_grad", dtype)
        numbers = call.ready(weight, dtype).reshape(-1)
        if channels == 1:
            rows = tuple(_cut(xp, call.ready(array, dtype)) for array in (x, grad))
            of_rows, each = xp.asarray(xp.broadcast_to(numbers, len(rows[0])), order="C"), None
        else:
            rows = tuple(call.ready(array.swapaxes(0, 1), dtype).reshape(channels, -1) for array in (x, grad))
            of_rows, each = numbers, xp.empty(channels, dtype)
        grads = (xp.empty(rows[0].shape, dtype),)
        total = kernel(rows, of_rows, None, (), 1.0, each, grads)
        if channels == 1:
            return grads[0].reshape(-1)[: x.size].reshape(x.shape), xp.asarray(total).reshape(weight.shape)
        swapped = x.swapaxes(0, 1).shape
        return xp.asarray(grads[0].reshape(swapped).swapaxes(0, 1), order="C"), each


def _channels(function: str, x: Any, weight: Any) -> tuple[int, ...]:
    """The shape that goes with the array: of one number, or of one for each place along axis 1."""
    if len(weight.shape) > 1:
        raise ValueError(f"{function}: weight must have at most one dimension, got shape {tuple(weight.shape)}")
    if weight.size == 1:
        return (1,) * len(x.shape)
    count = x.shape[1] if len(x.shape) > 1 else 1
    if weight.size != count:
        wanted = f"one number, or {count}, as x has channels along axis 1" if len(x.shape) > 1 else "one number"
        raise ValueError(f"{function}: weight must have {wanted}, got {weight.size}")
    return (1, count, *(1,) * (len(x.shape) - 2))


def _plain(x: Any, weight: Any, out: Any) -> bool:
    """Whether a kernel of the CPU may have these as they are, and write to `out` what it reads nowhere else."""
    arrays = (x, weight) if out is None else (x, weight, out)
    if x.size == 0 or dtypes.computed_in(x.dtype) is None or not all(plain(a, a.shape, x.dtype) for a in arrays):
        return False
    return out is None or (out.shape == x.shape and not any(np.may_share_memory(out, a) for a in (x, weight)))


def _in_stretches(engine: Any, kernel: Any, x: Any, weight: Any, channels: int, out: Any) -> Any:
    """The activation by stretches of `x`, each of whole rounds of the channels, so that all share one of weights."""
    each = x[0, 0].size if channels > 1 else 1
    round_ = np.repeat(weight.reshape(-1), each)
    rounds = min(-(-STRETCH // round_.size), x.size // round_.size)
    of_each = np.tile(round_, rounds)
    starts = np.minimum(of_each.size * np.arange(-(-x.size // of_each.size) + 1), x.size)
    firsts = starts[:-1] * x.itemsize
    places = [x.ctypes.data + firsts, np.full(firsts.size, of_each.ctypes.data), out.ctypes.data + firsts]
    over_stretches(engine, kernel, x, np.array(places), starts, ())
    return out


def _cut(xp: Any, array: Any) -> Any:
    """An array as one row, or as rows of a block's length, of which the last is filled up with zeros."""
    flat = array.reshape(-1)
    if flat.size <= BLOCK:
        return flat.reshape(1, -1)
    lacking = -flat.size % BLOCK
    whole = xp.concatenate([flat, xp.zeros(lacking, flat.dtype)]) if lacking else flat
    return whole.reshape(-1, BLOCK)


def channel_activation(
    record: Gated, gradients: VectorLoss
) -> Callable[[Callable[P, Parameters]], ChannelActivation[P]]:
    """Make an activation with a number for each channel of a definition that returns nothing."""
    return lambda function: ChannelActivation(function, record, gradients)
