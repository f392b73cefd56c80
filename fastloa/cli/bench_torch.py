"""PyTorch's side of the benchmark: what its users would call for the same work, with as many threads."""

import importlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from fastloa.cli.bench_table import Aten
from fastloa.cli.timing import Competitor, nothing

SMALL = 4096  # elements, up to which allocating a result costs PyTorch less than its slower way of being given one


class Torch:
    """PyTorch on a CPU or a GPU; raises ModuleNotFoundError where it is not installed."""

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

    def activation(
        self, name: str, arrays: list[Any], options: Mapping[str, Any], *, rows: bool, allocate: bool
    ) -> Competitor | None:
        """The function of that name."""
        (x,) = map(self.tensor, arrays)
        functional = self.torch.nn.functional
        plain = getattr(self.torch, name, None) or getattr(functional, name, None)
        overloads, options = getattr(self.torch.ops.aten, name, None), {"dim": -1} if rows else options
        calls: list[Callable[[], Any]] = [] if plain is None else [partial(plain, x, **options)]
        if not (allocate or x.numel() <= SMALL):
            out = self.torch.empty_like(x)
            given = (plain, getattr(overloads, "out", None))
            calls = [partial(f, x, **options, out=out) for f in given if f is not None] + calls
        return self._first(calls)

    def backward(self, found: Aten | None, arrays: list[Any], *, allocate: bool) -> Competitor | None:
        """The backward that a row of the table names."""
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

    def loss(self, name: str, arrays: list[Any], options: Mapping[str, Any]) -> Competitor | None:
        """The loss of that name, forward and backward."""
        function = getattr(self.torch.nn.functional, name, None)
        if function is None:
            return None
        x, target = map(self.tensor, arrays)
        x.requires_grad_()

        def run() -> tuple[Any, Any]:
            x.grad = None
            value = function(x, target, **options)
            value.backward()
            return value, x.grad

        return self._first([run])

    def step(self, name: str, arrays: list[Any], options: Mapping[str, Any]) -> Competitor | None:
        """The optimizer of that name, fused where it can be; its one step is not yet made."""
        optimizer = getattr(self.torch.optim, name, None)
        if optimizer is None:
            return None
        p = self.tensor(arrays[0])
        p.grad = self.tensor(arrays[1])
        try:
            made = optimizer([p], **options, fused=True)
        except (TypeError, RuntimeError):
            made = optimizer([p], **options)
        return Competitor(made.step, lambda _: [p], self._wait)

    def _first(self, calls: list[Callable[[], Any]]) -> Competitor | None:
        """The first call that PyTorch takes."""
        for call in calls:
            try:
                call()
            except (TypeError, RuntimeError, NotImplementedError):
                continue
            return Competitor(call, wait=self._wait)
        return None
