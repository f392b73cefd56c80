"""Optimizers with PyTorch's arguments and defaults: one fused pass over memory for each step, in place.

The classes hold parameters (an array, or a list, tuple or dict of arrays: those that are in it when the optimizer is
made) and their states; the functions ending in ``_step`` do the same on bare arrays. ``lr``, ``weight_decay``,
``momentum`` and the like may be schedules (see `fastloa.schedules`): functions of the step, counted from 0.

Classes take, beside their own arguments (``**folded``), what is then done in the same pass as the step:

- ``grad_scale`` (float or schedule, default 1.0): gradients are divided by it, as they must be if the loss was
  multiplied by it;
- ``clip_value`` (float, schedule or None): each element of a gradient, unscaled, is brought to
  [-clip_value, clip_value], as by PyTorch's ``clip_grad_value_``;
- ``clip_norm`` (float, schedule or None): all gradients are multiplied by clip_norm / (norm + 1e-6) where that is less
  than 1, as by PyTorch's ``clip_grad_norm_``. The norm is that of all gradients together, unscaled and with elements
  clipped, and takes a pass over them before the step's; it is kept as ``last_grad_norm``, on a GPU as a 0-d array, for
  which nothing waits;
- ``skip_nonfinite`` (bool, default False): a step is passed over if a gradient, unscaled, holds an infinity or NaN:
  parameters, states and the number of steps stay as they are, and ``last_skipped`` is True. This takes a pass over the
  gradients as well, and on a GPU waits for it, as PyTorch's ``GradScaler`` does;
- ``ema`` (float in [0, 1], schedule or None): the decay of a running mean of each parameter, which begins with the
  parameter. The means are in the property ``ema``, in the structure of the parameters (those of 16-bit parameters are
  float32, and means of what each step gives before it is rounded), and among the states of ``state_dict``;
- ``zero_grad`` (bool, default False): gradients are set to 0, those of a step passed over too. They must be writable,
  and apart from each other and all else;
- ``compensated`` (bool, default False): of float16 and bfloat16 parameters the 16 bits that rounding them loses are
  kept among the states, and every step goes on from them: as over float32 parameters, to the bit (but for float16
  numbers below 2**-14), also where a step is less than half of the distance to the next 16-bit number. What lies half
  way between two of these is rounded away from 0.
  That goes with the pass of the step;

and

- ``backend``: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cupy"``, where to run; the backend in force by default.

The steps on bare arrays take ``grad_scale``, ``clip_value``, ``clip_norm`` (of that gradient alone) and ``zero_grad``,
as numbers. What is not asked for costs nothing.

>>> p, g = np.array([1.0, 2.0]), np.array([30.0, -40.0])
>>> optimizer = SGD(p, lr=1.0, grad_scale=10.0, clip_norm=0.5, ema=0.5, zero_grad=True)
>>> optimizer.step(g)
>>> p.round(5), g, optimizer.ema.round(5), optimizer.last_grad_norm
(array([0.7, 2.4]), array([0., 0.]), array([0.85, 2.2 ]), 5.0)
"""

from typing import TYPE_CHECKING

from fastloa.optimizers import (
    adam,
    adaptive,
    averaged,
    distances,
    factored,
    lookahead,
    mixtures,
    moments,
    orthogonal,
    quasi_newton,
    schedule_free,
    sgd,
    signs,
    sparse,
    trusted,
    variances,
)  # fmt: skip
from fastloa.optimizers.adam import *  # noqa: F403  (a new optimizer is named in its own module only)
from fastloa.optimizers.adaptive import *  # noqa: F403
from fastloa.optimizers.averaged import *  # noqa: F403
from fastloa.optimizers.distances import *  # noqa: F403
from fastloa.optimizers.factored import *  # noqa: F403
from fastloa.optimizers.lookahead import *  # noqa: F403
from fastloa.optimizers.mixtures import *  # noqa: F403
from fastloa.optimizers.moments import *  # noqa: F403
from fastloa.optimizers.orthogonal import *  # noqa: F403
from fastloa.optimizers.quasi_newton import *  # noqa: F403
from fastloa.optimizers.schedule_free import *  # noqa: F403
from fastloa.optimizers.sgd import *  # noqa: F403
from fastloa.optimizers.signs import *  # noqa: F403
from fastloa.optimizers.sparse import *  # noqa: F403
from fastloa.optimizers.trusted import *  # noqa: F403
from fastloa.optimizers.variances import *  # noqa: F403

if not TYPE_CHECKING:  # checkers take lists from literals only, and export what the stars import without one
    modules = (
        adam, adaptive, averaged, distances, factored, lookahead, mixtures, moments, orthogonal, quasi_newton,
        schedule_free, sgd, signs, sparse, trusted, variances,
    )  # fmt: skip
    __all__ = [name for module in modules for name in module.__all__]
