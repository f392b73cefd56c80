"""What the benchmark asks of a library; each answers what it has a call for."""

from collections.abc import Mapping
from typing import Any

from fastloa.cli.bench_table import Row
from fastloa.cli.timing import Competitor


class Library:
    """A library that has none of the calls."""

    def activation(
        self, name: str, arrays: list[Any], options: Mapping[str, Any], *, rows: bool, allocate: bool
    ) -> Competitor | None:
        """The function of that name."""
        return None

    def backward(self, name: str, form: str, row: Row, arrays: list[Any], *, allocate: bool) -> Competitor | None:
        """Its backward, from its input or its output."""
        return None

    def loss(
        self, name: str, arrays: list[Any], options: Mapping[str, Any], wanted: tuple[int, ...]
    ) -> Competitor | None:
        """The value of a loss, and its gradients in the arrays at the places `wanted`."""
        return None

    def step(self, name: str, arrays: list[Any], options: Mapping[str, Any]) -> Competitor | None:
        """A step of an optimizer's class over a parameter and its gradient."""
        return None
