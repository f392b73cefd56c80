"""Activations, each with its derivative and backward.

Every one is called with an array and options, and has methods: ``derivative(x)`` and ``backward(grad_output, x)``, and
where the saved output is all that is needed ``backward_from_output(grad_output, y)``; they take the same options.
``out=`` writes to an array (an input may be given: it is overwritten), ``backend=`` chooses where to run.
"""

from typing import TYPE_CHECKING

from fastloa.activations import (
    bounded,
    exponential,
    gated,
    gates,
    periodic,
    random,
    rectifiers,
    rows,
    shrinking,
    softened,
)
from fastloa.activations.bounded import *  # noqa: F403  (a new operation is named in its own module only)
from fastloa.activations.exponential import *  # noqa: F403
from fastloa.activations.gated import *  # noqa: F403
from fastloa.activations.gates import *  # noqa: F403
from fastloa.activations.periodic import *  # noqa: F403
from fastloa.activations.random import *  # noqa: F403
from fastloa.activations.rectifiers import *  # noqa: F403
from fastloa.activations.rows import *  # noqa: F403
from fastloa.activations.shrinking import *  # noqa: F403
from fastloa.activations.softened import *  # noqa: F403

if not TYPE_CHECKING:  # checkers take lists from literals only, and export what the stars import without one
    modules = (bounded, exponential, gated, gates, periodic, random, rectifiers, rows, shrinking, softened)
    __all__ = [name for module in modules for name in module.__all__]
