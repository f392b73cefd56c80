"""Who else can do the work of a case: the libraries that are installed, each behind the same few questions."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from fastloa.cli.bench_jax import Jax
from fastloa.cli.bench_numexpr import Numexpr
from fastloa.cli.bench_table import Row
from fastloa.cli.bench_torch import Compiled, Foreach, Given, Torch
from fastloa.cli.timing import Competitor


class Library(Protocol):
    """What a case asks of a library; nothing where it has no such call."""

    def activation(
        self, name: str, arrays: list[Any], options: Mapping[str, Any], *, rows: bool, allocate: bool
    ) -> Competitor | None:
        """The function of that name."""
        ...

    def backward(self, name: str, form: str, row: Row, arrays: list[Any], *, allocate: bool) -> Competitor | None:
        """Its backward, from its input or its output."""
        ...

    def loss(self, name: str, arrays: list[Any], options: Mapping[str, Any]) -> Competitor | None:
        """The value and the gradient of a loss."""
        ...

    def step(self, name: str, arrays: list[Any], options: Mapping[str, Any]) -> Competitor | None:
        """A step of an optimizer's class over a parameter and its gradient."""
        ...


COMPILED = "torch.compile"
GIVEN = "PyTorch out="  # as small as the result may be
PEERS = ("PyTorch", "PyTorch foreach", "JAX", "numexpr")


def library(name: str, *, gpu: bool, threads: int) -> Library | None:
    """The library of that name, with as many threads; raises ModuleNotFoundError where it is not installed."""
    makers: Mapping[str, Callable[[], Library]] = {
        "PyTorch": partial(Torch, gpu=gpu, threads=threads),
        "PyTorch foreach": partial(Foreach, gpu=gpu, threads=threads),
        GIVEN: partial(Given, gpu=gpu, threads=threads),
        COMPILED: partial(Compiled, gpu=gpu, threads=threads),
        **({} if gpu else {"JAX": Jax, "numexpr": partial(Numexpr, threads=threads)}),
    }
    return makers[name]() if name in makers else None
