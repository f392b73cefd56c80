"""Losses, each with its gradient, and most with the diagonal of their Hessian.

Every one is called with predictions and targets and gives the value; its methods take the same arguments: ``grad``
gives the gradient with respect to the first argument, ``value_and_grad`` both in one pass over memory, and
``grad_and_hess`` the gradient and the diagonal of the Hessian. Losses of several arrays that are all learnt have a
gradient in each, in the order of the arguments; those of rows of vectors, of their overlap, and of alignments, have no
Hessian. All take

- ``reduction``: ``"mean"``, ``"sum"`` or ``"none"``; gradient and Hessian are those of the reduced loss, and of the sum
  for ``"none"``;
- ``sample_weight``: a weight for each sample, which the mean divides by: sum(w l) / sum(w). For losses of single
  elements it has the input's shape, or 1 in place of some of its numbers: ``w[:, None]`` weighs rows;
- ``backend``: where to run;
- ``out``, ``grad_out``, ``hess_out``: arrays to write to, of the shape and dtype of the result they are for.

Values and gradients have the dtype of the first argument, but the value of a 16-bit loss is float32.
"""

from typing import TYPE_CHECKING

from fastloa.losses import (
    alignments,
    class_margins,
    contrastive,
    cross_entropies,
    deviances,
    divergences,
    focal,
    joint,
    label_losses,
    linear,
    margins,
    overlaps,
    projections,
    quantiles,
    regression,
    robust,
    vectors,
)
from fastloa.losses.alignments import *  # noqa: F403  (a new operation is named in its own module only)
from fastloa.losses.class_margins import *  # noqa: F403
from fastloa.losses.contrastive import *  # noqa: F403
from fastloa.losses.cross_entropies import *  # noqa: F403
from fastloa.losses.deviances import *  # noqa: F403
from fastloa.losses.divergences import *  # noqa: F403
from fastloa.losses.focal import *  # noqa: F403
from fastloa.losses.joint import *  # noqa: F403
from fastloa.losses.label_losses import *  # noqa: F403
from fastloa.losses.linear import *  # noqa: F403
from fastloa.losses.margins import *  # noqa: F403
from fastloa.losses.overlaps import *  # noqa: F403
from fastloa.losses.projections import *  # noqa: F403
from fastloa.losses.quantiles import *  # noqa: F403
from fastloa.losses.regression import *  # noqa: F403
from fastloa.losses.robust import *  # noqa: F403
from fastloa.losses.vectors import *  # noqa: F403

if not TYPE_CHECKING:  # checkers take lists from literals only, and export what the stars import without one
    modules = (
        alignments, class_margins, contrastive, cross_entropies, deviances, divergences, focal, joint, label_losses,
        linear, margins, overlaps, projections, quantiles, regression, robust, vectors,
    )  # fmt: skip
    __all__ = [name for module in modules for name in module.__all__]
