"""Optimizers with PyTorch's arguments and defaults: one fused pass over memory for each step, in place.

The classes hold parameters (an array, or a list, tuple or dict of arrays) and their states; the functions ending in
``_step`` do the same on bare arrays. ``lr``, ``weight_decay``, ``momentum`` and the like may be schedules (see
`fastloa.schedules`): functions of the step, counted from 0.

Every class takes, beside its own arguments,

- ``backend``: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cupy"``, where to run; the backend in force by default.
"""

from typing import TYPE_CHECKING

from fastloa.optimizers import adam, adaptive, averaged, mixtures, moments, schedule_free, sgd, signs, variances
from fastloa.optimizers.adam import *  # noqa: F403  (a new optimizer is named in its own module only)
from fastloa.optimizers.adaptive import *  # noqa: F403
from fastloa.optimizers.averaged import *  # noqa: F403
from fastloa.optimizers.mixtures import *  # noqa: F403
from fastloa.optimizers.moments import *  # noqa: F403
from fastloa.optimizers.schedule_free import *  # noqa: F403
from fastloa.optimizers.sgd import *  # noqa: F403
from fastloa.optimizers.signs import *  # noqa: F403
from fastloa.optimizers.variances import *  # noqa: F403

if not TYPE_CHECKING:  # checkers take lists from literals only, and export what the stars import without one
    modules = (adam, adaptive, averaged, mixtures, moments, schedule_free, sgd, signs, variances)
    __all__ = [name for module in modules for name in module.__all__]
