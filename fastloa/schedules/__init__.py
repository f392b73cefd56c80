"""Schedules: a hyper-parameter as a pure function of the step.

A schedule is any callable that takes the step, an int counted from 0, and gives a float. Those made here are immutable,
compare equal when made from equal arguments, pickle, and print as the call that makes them. They hold no state, so
resuming a run needs the step and nothing else, and one schedule may serve many hyper-parameters: a learning rate, a
weight decay, a temperature. Where a schedule is wanted, a plain number stands for a constant one.

PyTorch's schedulers keep a state and multiply the last value again and again; these compute each value from its step,
so that no rounding adds up. What follows the losses instead of the step, `plateau`, is a pure function of the losses.
"""

from typing import TYPE_CHECKING

from fastloa.schedules import composition, cycles, decays, feedback, ramps, schedule
from fastloa.schedules.composition import *  # noqa: F403  (a new schedule is named in its own module only)
from fastloa.schedules.cycles import *  # noqa: F403
from fastloa.schedules.decays import *  # noqa: F403
from fastloa.schedules.feedback import *  # noqa: F403
from fastloa.schedules.ramps import *  # noqa: F403
from fastloa.schedules.schedule import *  # noqa: F403

if not TYPE_CHECKING:  # checkers take lists from literals only, and export what the stars import without one
    modules = (composition, cycles, decays, feedback, ramps, schedule)
    __all__ = [name for module in modules for name in module.__all__]
