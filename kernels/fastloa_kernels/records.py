"""What an operation is to the engines: its formulas, and how many arrays they take. Nothing here knows an array."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Formula = Callable[..., Any]


@functools.cache
def _arguments(formula: Formula) -> tuple[str, ...]:
    return tuple(inspect.signature(formula).parameters)


class _Named:
    """A record is called what its formula for the value is called."""

    value: Formula

    @property
    def name(self) -> str:
        return self.value.__name__

    @property
    def arrays(self) -> int:
        """How many of the formula's arguments are arrays; the rest are parameters, the same for all elements."""
        raise NotImplementedError

    @property
    def parameters(self) -> tuple[str, ...]:
        return _arguments(self.value)[self.arrays :]


@dataclass(frozen=True)
class Elementwise(_Named):
    """An activation: ``value(x, *parameters)`` and ``derivative(x, *parameters)``.

    ``derivative_from_output(y, *parameters)`` is there where the derivative follows from y = value(x) alone; not where
    one of the `folding` parameters is negative, for then the output does not tell the side.
    """

    value: Formula
    derivative: Formula
    derivative_from_output: Formula | None = None
    folding: tuple[str, ...] = ()

    @property
    def arrays(self) -> int:
        return 1


@dataclass(frozen=True)
class Gated(_Named):
    """An activation of two arrays: ``value(a, b, *parameters)``.

    ``gradient(g, a, b, *parameters)`` gives g times its derivative in a, and g times that in b.
    """

    value: Formula
    gradient: Formula

    @property
    def arrays(self) -> int:
        return 2


@dataclass(frozen=True)
class PairwiseLoss(_Named):
    """A loss of one prediction and one target: its value and first and second derivative in the prediction.

    All three take ``(prediction, target, *parameters)``. With ``operands=3`` the first parameter is an array as well.
    ``share(divisor, prediction, target, *parameters)`` is the derivative over what a mean divides by, where the
    derivative alone would overflow. With ``gradients=2`` derivatives are asked for in two of the arrays: `derivative`
    and `second` give two numbers, and there is no `share`.
    """

    value: Formula
    derivative: Formula
    second: Formula
    share: Formula | None = None
    operands: int = 2
    gradients: int = 1

    @property
    def arrays(self) -> int:
        return self.operands


@dataclass(frozen=True)
class Rowwise(_Named):
    """An activation of a whole row, through the row's maximum m and rest = sum(exp(x - m)) - 1.

    ``value(d, rest)`` gives an element from d = x - m, or with `of_exponential` from exp(d) in its place. The backward
    is ``backward(g, y, total)``, where total is the row's sum of ``summand(g, y)`` and y an element of the output.
    ``score(x)`` stands for x wherever the row is read, the maximum included.
    """

    value: Formula
    summand: Formula
    backward: Formula
    of_exponential: bool = False
    score: Formula | None = None

    @property
    def arrays(self) -> int:
        return 2


@dataclass(frozen=True)
class RowLoss(_Named):
    """A loss of one row of class scores against a label or a row of class probabilities.

    ``value(d, rest)`` is the loss of a class whose score lies d = x - m below the row's maximum m, with rest =
    sum(exp(x - m)) - 1. `probability` and `complement` give the class's p and 1 - p from exp(d) and rest. With
    ``normalised=False`` the scores are log-probabilities already: they are d themselves, and rest is 0.

    A `bent` one is a function h of its label's l = -log p, and has no other targets. Then ``value(x, m, rest,
    *parameters)``, all float64, gives h, h' and (1 - p) * h'' of the label's score x.
    """

    value: Formula
    probability: Formula
    complement: Formula
    normalised: bool = True
    bent: bool = False

    @property
    def arrays(self) -> int:
        return 3 if self.bent else 2

    @property
    def shared(self) -> bool:
        """Whether the target may be a row of probabilities."""
        return self.normalised and not self.bent


@dataclass(frozen=True)
class VectorLoss(_Named):
    """A loss of a row of each of some arrays of vectors, through a few sums over the row.

    ``terms(*elements, *parameters)`` gives what is summed, of an element of each of the vectors. ``value(*sums, t,
    *parameters)`` is the row's loss, t being its target, or 0 where it has none. ``coefficients(scale, *sums, t,
    *parameters)`` gives numbers of the row, of which ``gradient(*coefficients, *elements, *parameters)`` makes `scale`
    times the derivatives in an element of each of the first `gradients` vectors. All this is float64, whatever the
    arrays are. With `curved`, which gives these and then as many second derivatives, there is a Hessian's diagonal too.
    """

    value: Formula
    terms: Formula
    coefficients: Formula
    gradient: Formula
    vectors: int
    gradients: int
    sums: int
    shares: int  # how many coefficients there are
    labelled: bool = False
    curved: Formula | None = None

    @property
    def arrays(self) -> int:
        return self.sums + 1  # sums and the target, in place of arrays

    def slopes(self, form: str) -> tuple[Formula, int]:
        """The formula of what a form gives of each element, and of how many arrays these are."""
        if "hess" in form and self.curved is not None:
            return self.curved, 2 * self.gradients
        return self.gradient, self.gradients


@dataclass(frozen=True)
class PairedLoss(_Named):
    """A loss of rows of class scores against some labels each, through pairs of a label and a class that is none.

    ``value(x, y, *parameters)`` is that of a pair, x being the score of the class and y that of the label. It depends
    on x - y alone: `derivative` and `second`, of the same arguments, are those in x, and tell those in y. A row's loss
    is the sum over its pairs, divided by the number of its classes. All this is float64, whatever the arrays are.
    """

    value: Formula
    derivative: Formula
    second: Formula
    vectors, gradients, labelled = 1, 1, False  # as of a `VectorLoss`; its labels are no numbers of the arrays' dtype

    @property
    def arrays(self) -> int:
        return 2

    def slopes(self, form: str) -> tuple[tuple[Formula, ...], int]:
        """The derivatives that a form gives, and how many they are."""
        found = (self.derivative,) * ("grad" in form) + (self.second,) * ("hess" in form)
        return found, len(found)


@dataclass(frozen=True)
class AlignmentLoss(_Named):
    """A loss of sequences of frames of class scores against labels that are fewer, through all their alignments.

    A target's states are its labels with a blank before, between and after them; what leads to a state, or from it, is
    a logarithm, in a pair of numbers. ``reached(*stay, *step, *skip, allowed)`` is the pair of a state from those, at
    the frame before, of itself, of the state before and, where `allowed`, of the one before that, and ``moved(*pair,
    score)`` that with the state's score. ``value(*last, *before)`` is the loss, a pair too, from the last two states at
    the last frame; ``counts(loss, zero_infinity)`` is 0 where it is left out. The sequence's result is ``weighted(loss,
    weight, length)``, length being the target's where a mean divides by it, or 0. ``posterior(*forward, *backward,
    *loss)`` is a state's probability at a frame, and ``slope(factor(weight, divisor, length), total, loss)`` the
    derivative in a class's score, total being the sum over its states. All this is float64, whatever the arrays are.
    """

    value: Formula
    reached: Formula
    moved: Formula
    counts: Formula
    weighted: Formula
    factor: Formula
    posterior: Formula
    slope: Formula

    @property
    def arrays(self) -> int:
        return 4


@dataclass(frozen=True)
class Projection(_Named):
    """An activation that leaves of a row what its elements have above a threshold; everything in float64.

    Elements are taken from ``origin(m)``, m being the row's maximum. The threshold is a pair of numbers, high and low:
    first ``least(m, origin)``, then ``threshold(total, error, count, m)``, as long as fewer elements are above it than
    before. There total, with its error, and count are the sums of what ``member(x, origin, high, low)`` gives, a number
    and 1 where x is above the threshold, or zeros. The result is ``value(x, origin, high, low)``.

    The backward is ``backward(g, y, mean(total, count))``, where y is an element of the output, and total and count are
    the sums of the two numbers that ``summand(g, y)`` gives.
    """

    value: Formula
    origin: Formula
    least: Formula
    member: Formula
    threshold: Formula
    summand: Formula
    mean: Formula
    backward: Formula

    @property
    def arrays(self) -> int:
        return 4


@dataclass(frozen=True)
class ProjectionLoss(_Named):
    """A loss of one row of class scores against a label or a row of class probabilities q, through a `projection`.

    The row's loss is the sum of ``value(x, q, origin, high, low)``, with the numbers of the projection; `derivative`
    takes the same, and ``second(x, count, origin, high, low)`` how many elements are above the threshold.
    """

    value: Formula
    derivative: Formula
    second: Formula
    projection: Projection

    @property
    def arrays(self) -> int:
        return 5


@dataclass(frozen=True)
class Step(_Named):
    """One step of an optimizer: ``value(p, g, *states, *parameters)`` gives the new p and states.

    The first states, as many as are `kept`, are only read: no new ones are given. Where the step follows from what is
    found of all elements, ``value(p, g, *states, *given, *parameters)`` has numbers besides that the optimizer makes of
    it. Of the sum of what ``total(p, g, *states, *parameters)`` is, that is one. Of the norm of what `measured` of the
    same is, two, since one may be too large or too small for a number: the first times the square of the other.
    """

    value: Formula
    states: tuple[str, ...] = ()
    measured: Formula | None = None
    total: Formula | None = None
    kept: int = 0

    @property
    def arrays(self) -> int:
        return 2 + len(self.states)

    @property
    def given(self) -> tuple[str, ...]:
        """What the formula has besides."""
        return ("trust", "lift") if self.measured is not None else ("trust",) * (self.total is not None)

    @property
    def parameters(self) -> tuple[str, ...]:
        return super().parameters[len(self.given) :]
