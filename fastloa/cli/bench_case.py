"""What a benchmark knows of an operation in one form: what it takes, what it moves, and who else can do it."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from fastloa_kernels.engines import load_engine

import fastloa as fl
from fastloa.cli.bench_library import Library
from fastloa.cli.bench_table import Row
from fastloa.cli.timing import Competitor
from fastloa.optimizer_steps import StepOperation
from fastloa.row_loss_operations import RowLossOperation
from fastloa.row_operations import RowActivation
from fastloa.vector_loss_operations import VectorLossOperation

SIZES = ("3", "1000000", "16777216")
ROW_SIZES = ("1x3", "65536x10", "8192x1000", "512x50257")

Arrays = list[Any]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Place:
    """Where a point is measured, and whether calls allocate what they return."""

    backend: str
    allocate: bool = False

    @property
    def gpu(self) -> bool:
        """Whether it is not the CPU."""
        return self.backend != "cpu"

    @property
    def xp(self) -> Any:
        """The library of its arrays."""
        return load_engine(self.backend).xp

    def chosen(self) -> AbstractContextManager[Any]:
        """Choose the backend for a block, where it is not in force anyway."""
        natural = fl.get_backend(self.array(np.zeros(1))) == self.backend
        return nullcontext() if natural else fl.use_backend(self.backend)

    def array(self, array: Any) -> Any:
        """A copy of a NumPy array there."""
        return fl.to_backend(array, self.backend) if self.gpu else array.copy()

    def wait(self) -> None:
        """Wait for the device."""
        if self.gpu:
            self.xp.cuda.get_current_stream().synchronize()


@dataclass(frozen=True)
class Case:
    """An operation in one form; the subclasses know what it takes and gives.

    Parameters
    ----------
    operation : str
        Its public name.
    form : str
        value, backward, backward_from_output, value_and_grad or step.
    options : str
        What tells it from the operation's other rows.
    row : Row
        What the table knows of it.
    """

    operation: str
    form: str
    options: str
    row: Row
    whole = False  # whether a batch is no longer the same work when it is cut up

    @property
    def name(self) -> str:
        """What it is called in tables and on the command line."""
        called = self.form == "value" or isinstance(self.public, StepOperation)
        return f"{self.operation}{self.options}" + ("" if called else f".{self.form}")

    @property
    def public(self) -> Any:
        """The operation itself."""
        return getattr(fl, self.operation)

    @property
    def rows(self) -> bool:
        """Whether it works on rows of a matrix."""
        return self.row.rows or isinstance(self.public, RowActivation | RowLossOperation | VectorLossOperation)

    @property
    def sizes(self) -> tuple[str, ...]:
        """The sizes to measure it at, unless others are asked for."""
        return ROW_SIZES if self.rows else SIZES

    def inputs(self, rng: np.random.Generator, shape: Shape, dtype: Any) -> Arrays:
        """Draw the arrays of a call."""
        raise NotImplementedError

    def size(self, inputs: Arrays) -> int:
        """Count the bytes that a call must move: what it reads and what it writes, once each."""
        return int(sum(x.nbytes for x in inputs) + inputs[0].nbytes)

    def ours(self, inputs: Arrays, place: Place) -> Competitor:
        """Give fastloa's call."""
        raise NotImplementedError

    def plain(self, inputs: Arrays, place: Place) -> Competitor | None:
        """Give the call as people write it in the library of the place, if the table has one."""
        formula = self.row.numpy.get(self.form)
        if formula is None:
            return None
        return Competitor(partial(formula, place.xp, *map(place.array, inputs)), wait=place.wait)

    def peer(self, library: Library, inputs: Arrays, place: Place) -> Competitor | None:
        """Give another library's call, if it has one."""
        raise NotImplementedError
