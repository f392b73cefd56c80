"""Who else can do the work of a case, by name."""

from collections.abc import Callable, Mapping
from functools import partial

from fastloa.cli.bench_jax import Jax
from fastloa.cli.bench_library import Library
from fastloa.cli.bench_numexpr import Numexpr
from fastloa.cli.bench_torch import Compiled, Foreach, Given, Torch

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
