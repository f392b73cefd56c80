"""The callable objects behind activations that draw a random number for each element."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec

from fastloa_kernels.records import Elementwise, Gated

from fastloa import dtypes
from fastloa.calls import Call
from fastloa.operations import Activation, Array, Form, Parameters
from fastloa.philox import Philox

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
        plain = {name: value for name, value in options.items() if name not in ("out", "backend")}
        found = self._definition(None, **plain)
        if not isinstance(found, Drawn):
            return super()._run(form, arrays, options)
        return self._draw(form, arrays, found, options.get("out"), options.get("backend"))

    def _draw(self, form: Form, arrays: tuple[Any, ...], drawn: Drawn, out: Array, backend: str | None) -> Array:
        function = form.title(self.__name__)
        form.check_count(function, arrays)
        form.check_folding(self.__name__, drawn, drawn.folding)
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


def random_activation(record: Elementwise) -> Callable[[Callable[P, Parameters]], RandomActivation[P]]:
    """Make an activation of a definition that returns the parameters of the record's formula, or what to draw."""
    return lambda function: RandomActivation(function, record)
