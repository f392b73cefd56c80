"""What a case says of an operation, by its kind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests import references as ref

DTYPES = ("float32", "float64")
Ulp = Mapping[str, float]

HALF: Ulp = {"float32": 0.5, "float64": 0.5}  # rounded correctly
VALUE: Ulp = {"float32": 1.0, "float64": 1.5}
TWO: Ulp = {"float32": 2.0, "float64": 2.0}


@dataclass(frozen=True, eq=False)
class ActivationCase:
    """An activation of single elements.

    Of the options, `kinks` gives each kink with its subgradient, and `outputs` the range that a saved output comes from,
    where the derivative follows from it. Near `zeros` of the derivative its terms cancel: no samples are taken there.
    """

    name: str
    domain: Mapping[str, tuple[float, float]]
    hard: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    options: tuple[Mapping[str, Any], ...] = ({},)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    kinks: Callable[..., Mapping[float, float]] | None = None
    keeps_zero: bool = True  # f(±0) is ±0
    value: Ulp = field(default_factory=lambda: VALUE)
    derivative: Ulp = field(default_factory=lambda: TWO)
    outputs: Callable[..., tuple[float, float]] | None = None
    zeros: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class GatedCase:
    """An activation of two operands; it is asked for all pairs of hard ones too.

    They are `given` as "two" arrays, as "halves" of one, or as an array whose "channels" have a number each. Near `zeros` of the derivative in the first operand its terms cancel: no samples of it are taken there.
    """

    name: str
    a: Mapping[str, tuple[float, float]]
    b: Mapping[str, tuple[float, float]]
    hard_a: Mapping[str, tuple[float, ...]]
    hard_b: Mapping[str, tuple[float, ...]]
    options: tuple[Mapping[str, Any], ...] = ({},)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    zeros: tuple[float, ...] = ()
    given: str = "two"
    value: Ulp = field(default_factory=lambda: VALUE)


@dataclass(frozen=True, eq=False)
class RowCase:
    """An activation of rows."""

    name: str


@dataclass(frozen=True, eq=False)
class LossCase:
    """A loss of predictions and targets; it is asked for all pairs of `hard_inputs` and `hard_targets` too."""

    name: str
    inputs: Mapping[str, tuple[float, float]]
    targets: Mapping[str, tuple[float, float]]
    hard_inputs: Mapping[str, tuple[float, ...]]
    hard_targets: Mapping[str, tuple[float, ...]]
    options: tuple[Mapping[str, float], ...] = ({},)
    defaults: Mapping[str, float] = field(default_factory=dict)
    kink_at_target: float | None = None  # the subgradient where prediction and target are equal
    probabilities: bool = False
    margins: bool = False  # targets are -1 or 1


@dataclass(frozen=True, eq=False)
class JointLossCase:
    """A loss of three operands with gradients in two; it is asked for triples of all hard ones too."""

    name: str
    domains: tuple[Mapping[str, tuple[float, float]], ...]
    hard: tuple[Mapping[str, tuple[float, ...]], ...]
    options: tuple[Mapping[str, Any], ...] = ({},)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    labels: int | None = None  # the operand that is -1 or 1


@dataclass(frozen=True, eq=False)
class VectorLossCase:
    """A loss of rows of so many vectors, with gradients in the first `gradients` of them, and maybe labels -1 and 1.

    The vectors are embeddings, or what `sample` gives; with `curved` there is a Hessian's diagonal.
    """

    name: str
    vectors: int
    gradients: int
    options: tuple[Mapping[str, Any], ...] = ({},)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    labelled: bool = False
    sample: Callable[..., Any] | None = None
    curved: bool = False


@dataclass(frozen=True, eq=False)
class PairedLossCase:
    """A loss of rows of class scores against labels: one of a row's, or with `several` any number of them."""

    name: str
    options: tuple[Mapping[str, Any], ...] = ({},)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    several: bool = False


@dataclass(frozen=True, eq=False)
class RowLossCase:
    """A loss of rows of class scores; `terms` gives the size of what its results are sums of, where that matters.

    The gradient is the difference of the row's `share` and a target, but for losses with terms.
    """

    name: str
    row: Callable[..., Any]
    probabilities: bool
    options: tuple[Mapping[str, Any], ...] = ({},)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    terms: Callable[..., Any] | None = None
    share: Callable[..., Any] = ref.softmax


@dataclass(frozen=True, eq=False)
class LinearLossCase:
    """A loss of the class scores that a linear layer gives: that of the scores, called `loss`."""

    name: str
    loss: str


@dataclass(frozen=True, eq=False)
class ContrastiveLossCase:
    """A loss of embeddings against each other; test_contrastive_losses.py has its tests."""

    name: str


@dataclass(frozen=True, eq=False)
class AlignmentLossCase:
    """A loss of sequences of frames against labels, which are of many lengths: `test_alignment_losses.py` asks all."""

    name: str


@dataclass(frozen=True, eq=False)
class StepCase:
    """An optimizer: its step on bare arrays, its class, and the option sets that change the arithmetic.

    `states` gives the step's arrays after the gradient, with None for one that the options leave out. A state starts
    from zeros, or as `initial` says: from a number, an option of that name, or None for a copy of the parameter.
    What is not `alone` in an array matters to its other elements.
    """

    name: str
    optimizer: str
    reference: Callable[..., Any]
    states: Callable[[Mapping[str, Any]], tuple[str | None, ...]]
    options: tuple[Mapping[str, Any], ...]
    initial: Mapping[str, float | str | None] = field(default_factory=dict)
    alone: bool = True

    def step_options(self, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Give those of the step on bare arrays, which is not asked what states start from."""
        return {name: value for name, value in options.items() if name not in self.initial.values()}
