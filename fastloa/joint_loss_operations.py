"""The callable objects behind losses of three arrays that have gradients in two of them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, overload

from fastloa_kernels.records import PairwiseLoss

from fastloa.loss_operations import Loss, take_buffers
from fastloa.operations import Array
from fastloa.straight_losses import RESULTS

P = ParamSpec("P")
Pair = tuple[Array, Array]
Buffers = tuple[Array | None, Array | None] | None


class JointLoss(Loss[P]):
    """A loss of three arrays of one shape, with gradients in two of them.

    Gradients come in twos, in the order of the arguments, and so do ``grad_out=`` and ``hess_out=``: two arrays, or
    None in place of one that is to be new.
    """

    if TYPE_CHECKING:

        @overload
        def grad(self, /, *args: P.args, **kwargs: P.kwargs) -> Pair: ...
        @overload
        def grad(self, /, *args: Any, grad_out: Buffers, **kwargs: Any) -> Pair: ...
        def grad(self, /, *args: Any, **kwargs: Any) -> Pair:
            """Return both gradients of the reduced loss (of the sum, for ``reduction="none"``)."""

        @overload
        def value_and_grad(self, /, *args: P.args, **kwargs: P.kwargs) -> tuple[Array, Pair]: ...
        @overload
        def value_and_grad(
            self, /, *args: Any, out: Array | None = None, grad_out: Buffers = None, **kwargs: Any
        ) -> tuple[Array, Pair]: ...
        def value_and_grad(self, /, *args: Any, **kwargs: Any) -> tuple[Array, Pair]:
            """Return the value and both gradients, computed together in one pass."""

        @overload
        def grad_and_hess(self, /, *args: P.args, **kwargs: P.kwargs) -> tuple[Pair, Pair]: ...
        @overload
        def grad_and_hess(
            self, /, *args: Any, grad_out: Buffers = None, hess_out: Buffers = None, **kwargs: Any
        ) -> tuple[Pair, Pair]: ...
        def grad_and_hess(self, /, *args: Any, **kwargs: Any) -> tuple[Pair, Pair]:
            """Return both gradients and both diagonals of the Hessian, computed together in one pass."""

    else:

        def grad(self, /, *args, **kwargs):
            """Return both gradients of the reduced loss (of the sum, for ``reduction="none"``)."""
            return self._run("grad", args, kwargs)

        def value_and_grad(self, /, *args, **kwargs):
            """Return the value and both gradients, computed together in one pass."""
            value, *grads = self._run("value_and_grad", args, kwargs)
            return value, tuple(grads)

        def grad_and_hess(self, /, *args, **kwargs):
            """Return both gradients and both diagonals of the Hessian, computed together in one pass."""
            results = self._run("grad_and_hess", args, kwargs)
            return results[:2], results[2:]

    def _results(self, form: str) -> tuple[str, ...]:
        return tuple([part for name in RESULTS[form] for part in parts_of(name, 2)])

    def _taken(self, function: str, form: str, options: dict[str, Any]) -> dict[str, Any]:
        return several_buffers(function, take_buffers(function, form, options), 2)


def parts_of(name: str, count: int) -> tuple[str, ...]:
    """The names of a result's arrays: the loss is one, its derivatives several."""
    return (name,) if name == "out" else tuple([f"{name}[{i}]" for i in range(count)])


def several_buffers(function: str, buffers: dict[str, Any], count: int) -> dict[str, Any]:
    """Arrays to write to, one by one by their names, from those that came together."""
    found = {}
    for name, given in buffers.items():
        parts = parts_of(name, count)
        if given is None:
            continue
        if name == "out":
            found[name] = given
            continue
        if not isinstance(given, tuple | list) or len(given) != count:
            came = f"{len(given)}" if isinstance(given, tuple | list) else type(given).__name__
            raise TypeError(f"{function}: {name} must be {('one', 'two', 'three')[count - 1]} arrays, got {came}")
        found.update((part, array) for part, array in zip(parts, given, strict=True) if array is not None)
    return found


def joint_loss(record: PairwiseLoss) -> Callable[[Callable[P, Any]], JointLoss[P]]:
    """Make a loss with gradients in two arrays of a definition that returns `Terms`."""
    return lambda function: JointLoss(function, record)
