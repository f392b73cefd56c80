"""The callable objects behind activations that draw a random number for each element."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec

from fastloa_kernels.records import Elementwise, Gated

from fastloa import dtypes
from fastloa.calls import Call, check_out
from fastloa.operations import Activation, Array, Form, Operation, Parameters
from fastloa.philox import Philox, generator
from fastloa.row_operations import RowActivation, normal_axis

P = ParamSpec("P")


@dataclass(frozen=True)
class Drawn:
    """What a definition returns whose options ask for random numbers: a record of an element and its number.

    Where one of the `folding` parameters is negative, the output does not tell the element's side.
    """

    record: Gated
    parameters: tuple[float, ...]
    rng: Philox
    folding: tuple[str, ...] = ()


class RandomActivation(Activation[P]):
    """An elementwise activation that draws a number for each element if its options ask for that.

    The derivatives of what was drawn are those with the same `rng`.
    """

    def _run(self, form: Form, arrays: tuple[Any, ...], options: dict[str, Any]) -> Array:
        if not options:
            return super()._run(form, arrays, options)
        plain = {name: value for name, value in options.items() if name not in ("out", "backend")}
        found = self._definition(None, **plain)
        if not isinstance(found, Drawn):
            return super()._run(form, arrays, options)
        return self._draw(form, arrays, found, options.get("out"), options.get("backend"))

    def _draw(self, form: Form, arrays: tuple[Any, ...], drawn: Drawn, out: Array, backend: str | None) -> Array:
        function = form.title(self.__name__)
        form.check_count(function, arrays)
        form.check_folding(self.__name__, drawn.record, drawn.parameters, drawn.folding)
        call = Call(function, {**dict(zip(form.names, arrays, strict=True)), "out": out}, backend)
        kind = dtypes.same_kind(function, form.names, arrays)
        dtypes.same_shape(function, form.names, arrays)
        kernel = call.engine.load(drawn.record, "value" if form.name == "value" else "backward_first", kind.compute)
        with call.on_device():
            shape, stored = arrays[0].shape, call.stored(kind, kind.compute)
            ready = [call.ready(x, stored, mapped=True) for x in arrays]
            if form.name == "derivative":
                ready.insert(0, call.engine.xp.ones(shape, kind.compute))
            ready.append(drawn.rng.drawn(call.engine, shape, kind.compute))
            buffer = call.buffer("out", out, shape, kind.result, stored)
            kernel(tuple(ready), (buffer,), (), drawn.parameters)
            return call.give(buffer, out, kind.result)


@dataclass(frozen=True)
class Sampled:
    """What a definition returns that makes a sample of each row; a `hard` one is all in one place."""

    tau: float
    hard: bool
    rng: Any


class SampledActivation(Operation[P]):
    """An activation of rows of scores that are moved at random and divided by a temperature.

    The gradients are those of the sample with the same `rng`, as if it were not hard. `record` makes a score of an
    element, a random number and the temperature, `tempered` divides by that, and `rows` is what becomes of the scores.
    """

    record: Gated

    def __init__(
        self, function: Callable[P, Parameters], record: Gated, tempered: Elementwise, rows: RowActivation[Any]
    ) -> None:
        super().__init__(function, record)
        self._tempered, self._rows = tempered, rows

    if TYPE_CHECKING:

        def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Array:
            """Return a sample of each row."""

    else:

        def __call__(self, /, *args, **options):
            """Return a sample of each row."""
            return self._run("value", self._arrays, args, options)

    def backward(self, grad_output: Array, /, *args: P.args, **kwargs: P.kwargs) -> Array:
        """Return the gradient with respect to ``logits`` from that of the sample."""
        return self._run("backward", ("grad_output", *self._arrays), (grad_output, *args), dict(kwargs))

    def backward_from_output(self, grad_output: Array, /, *args: P.args, **kwargs: P.kwargs) -> Array:
        """Return the same from the sample ``y`` in place of ``logits``, without `rng`; ``y`` must not be a hard one."""
        return self._run("backward_from_output", ("grad_output", "y"), (grad_output, *args), dict(kwargs))

    def _run(self, name: str, names: tuple[str, ...], arrays: tuple[Any, ...], options: dict[str, Any]) -> Array:
        form = Form(self.record, name, names)
        function = form.title(self.__name__)
        axis, out, backend = options.pop("axis", -1), options.pop("out", None), options.pop("backend", None)
        form.check_count(function, arrays)
        sampled: Sampled = self._definition(arrays[-1], **options)
        rng = None if name == "backward_from_output" else generator(function, sampled.rng)
        call = Call(function, {**dict(zip(names, arrays, strict=True)), "out": out}, backend)
        kind = dtypes.same_kind(function, names, arrays)
        dtypes.same_shape(function, names, arrays)
        axis = normal_axis(function, axis, len(arrays[0].shape))
        if out is not None:
            check_out(function, "out", out, arrays[0].shape, kind.result)
        with call.on_device():
            y = (
                call.ready(arrays[-1], kind.compute)
                if rng is None
                else self._sample(call, arrays[-1], rng, sampled, axis)
            )
            if name != "value":
                y = self._gradient(call, call.ready(arrays[0], kind.compute), y, sampled.tau, axis)
            elif sampled.hard and y.size:
                y = _in_one_place(call.engine.xp, y, axis)
            return call.give(y, out, kind.result)

    def _sample(self, call: Call, logits: Any, rng: Philox, sampled: Sampled, axis: int) -> Array:
        """The rows' activation, before it is made hard."""
        kind = dtypes.kind_of(call.function, self._arrays[0], logits)
        scores = rng.drawn(call.engine, logits.shape, kind.compute)
        ready = call.ready(logits, call.stored(kind, kind.compute), mapped=True)
        kernel = call.engine.load(self.record, "value", kind.compute)
        kernel((ready, scores), (scores,), (), (sampled.tau,))
        return self._rows(scores, axis=axis, out=scores, backend=call.engine.name)

    def _gradient(self, call: Call, grad: Any, y: Any, tau: float, axis: int) -> Array:
        found = self._rows.backward_from_output(grad, y, axis=axis, backend=call.engine.name)
        call.engine.load(self._tempered, "value", found.dtype.name)((found,), (found,), (), (tau,))
        return found


def _in_one_place(xp: Any, y: Array, axis: int) -> Array:
    """1 at the first of the greatest along an axis and 0 elsewhere; NaN stays."""
    places = xp.arange(y.shape[axis]).reshape(-1, *(1,) * (y.ndim - axis - 1))
    greatest = (places == xp.expand_dims(y.argmax(axis), axis)).astype(y.dtype)
    return xp.where(xp.isnan(y), y, greatest)


def sampled_activation(
    record: Gated, tempered: Elementwise, rows: RowActivation[Any]
) -> Callable[[Callable[P, Parameters]], SampledActivation[P]]:
    """Make an activation of a definition that returns what is sampled, of rows of scores."""
    return lambda function: SampledActivation(function, record, tempered, rows)


def random_activation(record: Elementwise) -> Callable[[Callable[P, Parameters]], RandomActivation[P]]:
    """Make an activation of a definition that returns the parameters of the record's formula, or what to draw."""
    return lambda function: RandomActivation(function, record)
