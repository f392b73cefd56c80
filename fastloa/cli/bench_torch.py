"""PyTorch's side of the benchmark: what its users would call for the same work, with as many threads."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from fastloa.cli.bench_library import Library
from fastloa.cli.bench_table import Row
from fastloa.cli.timing import Competitor, nothing


def outermost(arrays: Sequence[Any]) -> Sequence[Any]:
    """The first two arrays of many and the last two: enough to compare."""
    return arrays if len(arrays) <= 4 else [*arrays[:2], *arrays[-2:]]


class Tensors(Library):
    """Tensors and calls of PyTorch on a CPU or a GPU; raises ModuleNotFoundError where it is not installed."""

    def __init__(self, *, gpu: bool, threads: int) -> None:
        self.torch: Any = importlib.import_module("torch")
        self.version: str = self.torch.__version__
        if gpu and not self.torch.cuda.is_available():
            raise ModuleNotFoundError("PyTorch finds no GPU", name="torch with CUDA")
        self._device = "cuda" if gpu else "cpu"
        self._wait = self.torch.cuda.synchronize if gpu else nothing
        self.torch.set_num_threads(threads)

    def tensor(self, array: Any) -> Any:
        """A copy of an array of NumPy's or CuPy's."""
        if array.dtype.name == "bfloat16":
            return self.tensor(array.view(np.int16)).view(self.torch.bfloat16)
        return self.torch.from_dlpack(array).to(self._device, copy=True)

    def steps(
        self, name: str, pairs: Sequence[Sequence[Any]], options: Mapping[str, Any], **variant: bool
    ) -> Competitor | None:
        """One of the optimizer's variants over pairs of a parameter and its gradient, if it has that."""
        optimizer = getattr(self.torch.optim, name, None)
        params = [self.tensor(p) for p, _ in pairs]
        for p, (_, g) in zip(params, pairs, strict=True):
            p.grad = self.tensor(g)
        try:
            made = None if optimizer is None else optimizer(params, **options, **variant)
        except (TypeError, RuntimeError):
            return None
        return None if made is None else Competitor(made.step, lambda _: outermost(params), self._wait)

    def _function(self, name: str) -> Callable[..., Any] | None:
        """The activation of that name."""
        return getattr(self.torch, name, None) or getattr(self.torch.nn.functional, name, None)

    def _first(self, calls: list[Callable[[], Any]]) -> Competitor | None:
        """The first call that PyTorch takes."""
        for call in calls:
            try:
                call()
            except (TypeError, RuntimeError, NotImplementedError):
                continue
            return Competitor(call, wait=self._wait)
        return None


class Given(Tensors):
    """PyTorch's activations, given an array for their result however small it is."""

    few = 0  # elements, up to which they allocate it

    def activation(
        self, name: str, arrays: list[Any], options: Mapping[str, Any], *, rows: bool, allocate: bool
    ) -> Competitor | None:
        """The function of that name."""
        (x,) = map(self.tensor, arrays)
        plain = self._function(name)
        overloads, options = getattr(self.torch.ops.aten, name, None), {"dim": -1} if rows else options
        calls: list[Callable[[], Any]] = [] if plain is None else [partial(plain, x, **options)]
        if not (allocate or x.numel() <= self.few):
            out = self.torch.empty_like(x)
            given = (plain, getattr(overloads, "out", None))
            calls = [partial(f, x, **options, out=out) for f in given if f is not None] + calls
        return self._first(calls)


class Torch(Given):
    """What PyTorch's users would call."""

    few = 4096  # up to which allocating a result costs PyTorch less than its slower way of being given one

    def backward(self, name: str, form: str, row: Row, arrays: list[Any], *, allocate: bool) -> Competitor | None:
        """The backward that a row of the table names for the form."""
        found = row.torch.get(form)
        overloads = None if found is None else getattr(self.torch.ops.aten, found.name, None)
        if found is None or overloads is None:
            return None
        g, x = map(self.tensor, arrays)
        arguments, calls = found.arguments(g, x), []
        if not allocate:
            out = self.torch.empty_like(g)
            for kind, word in (("grad_input", "grad_input"), ("out", "grad_input"), ("out", "out")):
                if hasattr(overloads, kind):
                    calls.append(partial(getattr(overloads, kind), *arguments, **{word: out}))
        return self._first([*calls, partial(overloads.default, *arguments)])

    def loss(
        self, name: str, arrays: list[Any], options: Mapping[str, Any], wanted: tuple[int, ...]
    ) -> Competitor | None:
        """The loss of that name, forward and backward."""
        function = getattr(self.torch.nn.functional, name, None)
        if function is None:
            return None
        tensors = list(map(self.tensor, arrays))
        leaves = [tensors[i].requires_grad_() for i in wanted]

        def run() -> tuple[Any, ...]:
            for leaf in leaves:
                leaf.grad = None
            value = function(*tensors, **options)
            value.backward()
            return value, *(leaf.grad for leaf in leaves)

        return self._first([run])

    def step(self, name: str, arrays: list[Any], options: Mapping[str, Any]) -> Competitor | None:
        """The optimizer of that name, fused where it can be; its one step is not yet made."""
        return self.steps(name, [arrays[:2]], options, fused=True) or self.steps(name, [arrays[:2]], options)


class Foreach(Tensors):
    """PyTorch's optimizers in their variant for many tensors, which may be faster for one, too."""

    def step(self, name: str, arrays: list[Any], options: Mapping[str, Any]) -> Competitor | None:
        """The optimizer of that name."""
        return self.steps(name, [arrays[:2]], options, foreach=True)


class Compiled(Tensors):
    """The same through ``torch.compile``, which allocates its results."""

    def activation(
        self, name: str, arrays: list[Any], options: Mapping[str, Any], *, rows: bool, allocate: bool
    ) -> Competitor | None:
        """The function of that name."""
        function = self._function(name)
        return (
            None
            if function is None
            else self._compiled(partial(function, **({"dim": -1} if rows else options)), arrays)
        )

    def backward(self, name: str, form: str, row: Row, arrays: list[Any], *, allocate: bool) -> Competitor | None:
        """What autograd derives of the function of that name."""
        function = self._function(name)
        if function is None or form == "backward_from_output":
            return None
        return self._compiled(lambda g, x: self.torch.func.vjp(partial(function, **row.options), x)[1](g)[0], arrays)

    def loss(
        self, name: str, arrays: list[Any], options: Mapping[str, Any], wanted: tuple[int, ...]
    ) -> Competitor | None:
        """The loss of that name with its gradients."""
        function = getattr(self.torch.nn.functional, name, None)
        if function is None:
            return None

        def value_and_grad(*tensors: Any) -> tuple[Any, ...]:
            def loss(*leaves: Any) -> Any:
                given = dict(zip(wanted, leaves, strict=True))
                return function(*(given.get(i, tensor) for i, tensor in enumerate(tensors)), **options)

            value, pull = self.torch.func.vjp(loss, *(tensors[i] for i in wanted))
            return value, *pull(self.torch.ones_like(value))

        return self._compiled(value_and_grad, arrays)

    def step(self, name: str, arrays: list[Any], options: Mapping[str, Any]) -> Competitor | None:
        """The optimizer's step, whose compilation unrolls what `Foreach` would do."""
        made = self.steps(name, [arrays[:2]], options)
        return None if made is None else replace(made, run=self.torch.compile(made.run))

    def _compiled(self, function: Callable[..., Any], arrays: list[Any]) -> Competitor:
        once, tensors = self.torch.compile(function), [self.tensor(x) for x in arrays]
        return Competitor(partial(once, *tensors), wait=self._wait)
