"""Losses with no more than the usual options, of arrays that a kernel may have as they are: straight to it.

On a few elements the way there costs most. What one of these functions cannot do it leaves, and never says why: the
long way looks.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from fastloa_kernels.records import PairwiseLoss
from fastloa_kernels.sums import BLOCK
from numpy import empty, may_share_memory, ndarray  # looked up on every call

from fastloa import backends
from fastloa.dtypes import COMPUTE, computed_in
from fastloa.operations import NATIVE, Array, Found, alike, native

if TYPE_CHECKING:
    from fastloa.loss_operations import Terms

REDUCTIONS = ("mean", "sum", "none")
RESULTS = {
    "value": ("out",),
    "grad": ("grad_out",),
    "value_and_grad": ("out", "grad_out"),
    "grad_and_hess": ("grad_out", "hess_out"),
}
HUGE = 2.0**127  # rounded to float32, no number below is infinite
Results: TypeAlias = tuple[Any, ...]
Options: TypeAlias = dict[str, Any]
Way: TypeAlias = Callable[[Array, Array, Options], Results | None]


class Straight:
    """The results of a loss of predictions and targets, or None: ``straight(form, args, options)``.

    `usual` gives what the loss's definition makes of its defaults. What is no probability makes a loss NaN, so that a
    sum which is finite has shown that all are probabilities.
    """

    def __init__(self, name: str, record: PairwiseLoss, usual: Callable[[], "Terms"]) -> None:
        self._name, self._record, self._usual = name, record, usual
        self._few, self._many, self._there = Found(self._for_few), Found(self._for_many), Found(self._kernel_there)

    def __call__(self, form: str, args: tuple[Any, ...], options: Options) -> Results | None:
        """Return the results, if there is a way."""
        reduction = options.get("reduction", "mean") if options else "mean"
        if len(args) != 2 or type(reduction) is not str:
            return None
        x, target = args
        if type(x) is ndarray:
            if not (backends.on_cpu or backends.look()):
                return None
            if len(options) > ("reduction" in options) and self._usual().probabilities:
                return None  # which may be none: then the caller's buffers are left alone
            way: Way | None
            if x.size <= BLOCK and alike(target, x):
                way = self._few[form, reduction, x.dtype, x.ndim]
                results = way(x, target, options) if way is not None else None
                if results is not None:
                    return results
            way = self._many[form, reduction, x.dtype] if native(args, None) else None
            return way(x, target, options) if way is not None else None
        return self._on_device(form, reduction, args, options) if backends.automatic else None

    def _kernel(self, engine: Any, form: str, dtype: Any, *, summed: bool) -> Any:
        name = form + ("_summed" if summed else "")
        return engine.load(self._usual().record or self._record, name, COMPUTE[dtype.name])

    def _for_few(self, key: tuple[str, str, Any, int]) -> Way | None:
        """For elements of one block in one or two dimensions: a kernel that looks into its arrays itself."""
        form, reduction, dtype, ndim = key
        names, summed = results_of(form, reduction)
        if not self._known(reduction, dtype, summed=summed) or ndim not in (1, 2) or dtype not in NATIVE:
            return None
        general, scalar = self._kernel(backends.engine(self._name, "cpu"), form, dtype, summed=summed), dtype.type
        kernel = general.small_loss(ndim, reduction == "mean", self._usual().parameters)

        def way(x: Array, target: Array, options: Options) -> Results | None:
            results = results_like(x, None, names, options)
            if results is None:
                return None
            done, total = kernel(x, target, *results)
            if not summed:
                return results if done else None
            return (scalar(total), *results) if done and -HUGE < total < HUGE else None

        return way

    def _for_many(self, key: tuple[str, str, Any]) -> Way | None:
        """For arrays of whatever shape, alike and in order."""
        form, reduction, dtype = key
        names, summed = results_of(form, reduction)
        # The losses of 16-bit elements are float32 numbers, and no arrays like theirs.
        if not self._known(reduction, dtype, summed=summed) or (dtype not in NATIVE and "out" in names):
            return None
        kernel = self._kernel(backends.engine(self._name, "cpu"), form, dtype, summed=summed)
        mean, parameters = reduction == "mean", self._usual().parameters

        def way(x: Array, target: Array, options: Options) -> Results | None:
            results = results_like(x, (x, target), names, options)
            if results is None:
                return None
            total = kernel((x, target), results, (float(x.size) if mean else 1.0,), parameters)
            if not summed:
                return results
            return (total, *results) if math.isfinite(total) else None

        return way

    def _known(self, reduction: str, dtype: Any, *, summed: bool) -> bool:
        known = reduction in REDUCTIONS and computed_in(dtype) is not None
        return known and (summed or not self._usual().probabilities)

    def _on_device(self, form: str, reduction: str, args: tuple[Any, ...], options: Options) -> Results | None:
        """For a GPU's arrays."""
        x, engine = args[0], backends.NATURAL.get(type(args[0]))
        names, summed = results_of(form, reduction)
        if engine is None or reduction not in REDUCTIONS or not only(options, names):
            return None
        given = [options.get(name) for name in names]
        if x.dtype not in NATIVE or engine.places(args, tuple([out for out in given if out is not None])) is None:
            return None
        kernel, parameters = self._there[engine, form, x.dtype, summed]
        results = tuple([engine.xp.empty(x.shape, x.dtype) if out is None else out for out in given])
        total = kernel(args, results, (float(x.size) if reduction == "mean" else 1.0,), parameters)
        return (total, *results) if summed else results

    def _kernel_there(self, key: tuple[Any, str, Any, bool]) -> tuple[Any, tuple[float, ...]]:
        engine, form, dtype, summed = key
        return self._kernel(engine, form, dtype, summed=summed), self._usual().parameters


def results_of(form: str, reduction: str) -> tuple[tuple[str, ...], bool]:
    """The names of the arrays that come of a form, and whether a sum does."""
    summed = reduction != "none" and "value" in form
    return RESULTS[form][summed:], summed


def only(options: Options, names: tuple[str, ...]) -> bool:
    """Whether options say no more than a reduction, and where these results go."""
    return all(option in names or option == "reduction" for option in options)


def results_like(
    x: Array, operands: tuple[Array, ...] | None, names: tuple[str, ...], options: Options
) -> tuple[Array, ...] | None:
    """Arrays like `x` for the named results, new or the caller's; None if a kernel may not have his as they are.

    None, too, if `options` say more than a reduction and where the results go. Without `operands`, it is for a kernel
    that looks by itself how the caller's arrays lie.
    """
    if not options:
        return tuple([empty(x.shape, x.dtype) for _ in names]) if names else ()
    if not only(options, names):
        return None
    results: list[Array] = []
    for name in names:
        out = options.get(name)
        if out is None:
            out = empty(x.shape, x.dtype)
        elif not (alike(out, x) and out.flags.writeable and (operands is None or apart(out, x, (*operands, *results)))):
            return None
        results.append(out)
    return tuple(results)


def apart(out: Array, x: Array, others: tuple[Array, ...]) -> bool:
    """Whether an array has the shape of `x`, is in order, and shares no memory with the others."""
    return out.shape == x.shape and out.flags.carray and not any(may_share_memory(out, other) for other in others)
