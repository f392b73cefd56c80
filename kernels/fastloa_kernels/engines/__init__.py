"""Plumbing: how formulas become kernels on a CPU or a GPU. Nothing here knows any mathematics.

An engine is imported when it is first asked for. `Engine` is all that the rest of the library knows of one.
"""

import functools
import importlib
from dataclasses import dataclass
from typing import Any, Protocol

MODULES = {
    "cpu": "fastloa_kernels.engines.numba_cpu.engine",
    "cupy": "fastloa_kernels.engines.cupy_native.engine",
    "cuda": "fastloa_kernels.engines.numba_cuda.engine",
}
SMALL = 1 << 12  # elements up to which a call's overhead outweighs its work
FEW_ROWS = 1 << 14  # elements of rows up to which a call has no room of its own, and no other thread may run
PARALLEL = 1 << 16  # and from which waking a CPU's threads (2-4 microseconds) is worth it


class Unavailable(RuntimeError):
    """An engine cannot run here; the message says why and what to do about it."""


@dataclass(frozen=True)
class RowForm:
    """What a row loss computes, and from what."""

    value: bool
    grad: bool
    hess: bool
    labels: bool
    weighted: bool


@dataclass(frozen=True)
class RowOptions:
    """Numbers of a row loss: the target is w(c) * (keep * q(c) + smoothing); `divisor` divides the summed value.

    `z_loss` times the square of log(sum(exp(x))) is added to a row's loss. Bent losses take the divisor, the
    label to be ignored and their `parameters`.
    """

    ignore_index: int
    keep: float
    smoothing: float
    weight_sum: float
    divisor: Any
    z_loss: float = 0.0
    parameters: tuple[float, ...] = ()


@dataclass(frozen=True)
class AlignmentOptions:
    """Numbers of a loss of alignments; where `averaged`, a loss is divided by the length of its target.

    `longest` is that of the longest target.
    """

    longest: int
    blank: int
    zero_infinity: bool
    averaged: bool
    divisor: Any


class Engine(Protocol):
    """Kernels take C-contiguous, aligned arrays of one compute dtype in the engine's own `library`.

    Maps and sums also take many arrays at once, by their addresses: on the CPU with ``kernel.over_arrays``, on a GPU
    ``over_arrays`` gives another kernel, and ``table`` what it finds them by, while ``tables_serve``.

    Where `sixteen_bits`, those that compute in float32 take 16-bit arrays too, and round what they write there once:
    maps and sums in any place, rows in those of operands and results, but not of weights, nor of the rows' losses.

    ``load`` gives, by the record's kind and the form's:

    - a map, ``kernel(inputs, outputs, leading, parameters)``; an output that is an input is overwritten in place;
    - a summed form, the same with the first output left out, returning its sum over the leading divisor as a 0-d value;
    - a row activation, ``kernel(inputs, out)`` on 2-d arrays;
    - a row loss, ``kernel(x, target, class_weight, sample_weight, options, out, dx, h)``, returning like a summed form
      where `out` is None;
    - a loss of vectors, ``kernel(vectors, target, sample_weight, parameters, divisor, out, grads)``, where vectors and
      grads are tuples of 2-d arrays, of as many as the record has and the form gives, or none; likewise;
    - a loss of pairs, the same with one vector, a matrix of scores, and a row of labels for each of its rows as the
      target, up to the first -1;
    - a loss of alignments, ``kernel(frames, labels, spans, sample_weight, options, out, grad)``, where frames and grad
      have the shape (frames, sequences, classes), and a sequence's row of int64 spans holds where its labels begin, how
      many they are, and how many its frames; likewise.
    """

    name: str
    library: str
    xp: Any
    strided: bool  # whether maps also take arrays that are not C-contiguous
    sixteen_bits: bool  # whether kernels also take arrays of float16 and bfloat16

    def load(self, record: Any, form: Any, dtype: str) -> Any: ...

    def label_weights(
        self, labels: Any, class_weight: Any, sample_weight: Any, ignore_index: int, classes: int
    ) -> tuple[Any, Any]:
        """The first row whose label is out of range (or -1), and the sum of the weights of the rows not ignored."""
        ...

    def fill_uniform(self, out: Any, seed: int, stream: int, start: int) -> None:
        """Fill a C-contiguous array with the numbers of a random stream from that one on; `philox.py` defines them."""
        ...

    def converted(self, array: Any, dtype: Any) -> Any:
        """A new array of the same numbers in another dtype, in C order; what that does not hold is infinite."""
        ...

    def bring(self, array: Any) -> Any:
        """`array`, of whatever library, in this engine's."""
        ...


@functools.cache
def load_engine(name: str) -> Engine:
    """The engine called `name`; raises `Unavailable` where it cannot run."""
    engine: Engine = importlib.import_module(MODULES[name]).Engine()
    return engine
