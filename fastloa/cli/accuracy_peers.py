"""What others make of the same operands: PyTorch, SciPy and NumPy, as far as they are installed and have it."""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from fastloa.cli.accuracy_table import Function
from fastloa.cli.bench_torch import Torch
from fastloa.cli.exact_activations import OPTIONS
from fastloa.loss_operations import LossOperation
from fastloa.row_operations import RowActivation

Array = Any
Call = Callable[..., Array]

SCIPY = {"sigmoid": "expit", "logsigmoid": "log_expit", "softmax": "softmax", "log_softmax": "log_softmax"}
NUMPY = {"tanh": np.tanh}


def peers(function: Function, dtype: Any) -> dict[str, Call]:
    """Who else computes it, by name."""
    found: dict[str, Call | None] = {}
    for name, look in (("PyTorch", _torch), ("SciPy", _scipy)):
        try:
            found[name] = look(function, dtype)
        except ModuleNotFoundError:
            continue
    if dtype.kind == "f" and function.form == "value":
        found["NumPy"] = NUMPY.get(function.operation)
    return {name: call for name, call in found.items() if call is not None}


def _scipy(function: Function, dtype: Any) -> Call | None:
    special: Any = importlib.import_module("scipy.special")
    name = SCIPY.get(function.operation)
    if name is None or function.form != "value" or dtype.itemsize == 2:  # 16 bits it computes as float32
        return None
    call: Call = getattr(special, name)
    return (lambda x: call(x, axis=-1)) if name.endswith("softmax") else call


def _torch(function: Function, dtype: Any) -> Call | None:
    library = Torch(gpu=False, threads=1)
    torch, functional = library.torch, library.torch.nn.functional
    plain = getattr(functional, function.operation, None) or getattr(torch, function.operation, None)
    if plain is None or function.form.startswith("hess") or function.form == "grad_b":
        return None
    options = dict(OPTIONS.get(function.operation, {}))
    if isinstance(function.public, LossOperation):
        options = {"reduction": "none"}
    if isinstance(function.public, RowActivation):
        options = {"dim": -1}

    def call(*arrays: Array) -> Array:
        x, *rest = map(library.tensor, arrays)
        if function.form == "value":
            return _array(torch, plain(x, *rest, **options), dtype)
        (grad,) = torch.autograd.grad(plain(x.requires_grad_(), *rest, **options).sum(), x)
        return _array(torch, grad, dtype)

    return call


def _array(torch: Any, tensor: Any, dtype: Any) -> Array:
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(dtype)
    return tensor.detach().numpy()
