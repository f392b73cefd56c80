"""fastloa: fast losses, optimisers and activations for NumPy and CuPy arrays."""

import importlib
from typing import TYPE_CHECKING, Any

from fastloa import activations, losses, optimizers, schedules
from fastloa.activations import *  # noqa: F403  (a new operation is named in its own module only)
from fastloa.backends import available_backends, get_backend, to_backend, use_backend
from fastloa.batches import minibatches
from fastloa.config import show_config
from fastloa.losses import *  # noqa: F403
from fastloa.optimizers import *  # noqa: F403
from fastloa.own import activation, loss
from fastloa.philox import Philox

if TYPE_CHECKING:
    from fastloa import stopping
    from fastloa.training import minimize

__version__ = "0.1.0"

__all__ = [
    "Philox",
    "activation",
    "available_backends",
    "get_backend",
    "loss",
    "minibatches",
    "minimize",
    "schedules",
    "show_config",
    "stopping",
    "to_backend",
    "use_backend",
]
__all__ += activations.__all__  # type: ignore[attr-defined]
__all__ += losses.__all__  # type: ignore[attr-defined]
__all__ += optimizers.__all__  # type: ignore[attr-defined]


def __getattr__(name: str) -> Any:
    """Import what training alone needs when it is asked for, and not with the rest, which takes long enough."""
    if name == "stopping":
        return importlib.import_module("fastloa.stopping")
    if name == "minimize":
        return importlib.import_module("fastloa.training").minimize
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List what is imported, and what would be."""
    return sorted({*globals(), *__all__})
