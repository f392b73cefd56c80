"""Operations of a user's own: made of a function of plain numbers, with all that ours have."""

import inspect
from collections.abc import Callable
from functools import partial, update_wrapper
from typing import Any, TypeAlias, TypeVar, overload

import numpy as np
from fastloa_kernels.own import writing
from fastloa_kernels.own.differentiation import derivative as derived
from fastloa_kernels.own.expressions import Graph, Node, evaluate, passes_nan
from fastloa_kernels.own.reading import FormulaError
from fastloa_kernels.own.translation import Translator
from fastloa_kernels.records import Elementwise, PairwiseLoss

from fastloa import checks, own_slopes
from fastloa.loss_operations import Loss, Terms
from fastloa.operations import Activation, Operation

__all__ = ["activation", "loss"]

Formula: TypeAlias = Callable[..., Any]
Made = TypeVar("Made", bound=Operation[...])
# What operations take beside the options of their formulas, by the number of arrays; and all names that are taken.
EXTRA: dict[int, dict[str, Any]] = {
    1: {"out": None, "backend": None},
    2: {"weight": None, "reduction": "mean", "sample_weight": None, "backend": None},
}
TAKEN = ("out", "grad_out", "hess_out", "axis", "weight", "reduction", "sample_weight", "backend")


class _Definition:
    """A formula of the user's: its arguments, the expression that it is, and its derivatives."""

    def __init__(self, function: Any, arrays: int) -> None:
        self.name: str = getattr(function, "__name__", type(function).__name__)
        self._function, self._translator = function, Translator(self.name, Graph())
        expression = self._translator.expression(function)
        parameters = list(inspect.signature(function).parameters.values())
        for parameter in parameters:
            self._check_kind(parameter)
        if len(parameters) < arrays or any(p.default is not p.empty for p in parameters[:arrays]):
            wanted = "an array" if arrays == 1 else "two arrays"
            raise FormulaError(f"{self.name}: formula must take {wanted} before its options, got {self._signature()}")
        self.arrays = tuple(p.name for p in parameters[:arrays])
        self.defaults = {p.name: self._default(p) for p in parameters[arrays:]}
        self._arguments = (*self.arrays, *self.defaults)
        self._expressions, self._words, self._given = [expression], ["value"], [True]

    def _signature(self, function: Any = None) -> str:
        return str(inspect.signature(function or self._function))

    def _check_kind(self, parameter: inspect.Parameter) -> None:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise FormulaError(f"{self.name}: formula must take arguments one by one, got {parameter}")
        if parameter.name in TAKEN:
            raise FormulaError(f"{self.name}: {parameter.name} must have another name, for operations have it already")

    def _default(self, parameter: inspect.Parameter) -> float:
        if parameter.default is parameter.empty:
            raise FormulaError(f"{self.name}: {parameter.name} must have a number as its default, got none")
        return checks.number(self.name, parameter.name, parameter.default)

    def add(self, word: str, function: Any) -> None:
        """Add the derivative of the last expression: the user's, or derived."""
        graph, last = self._translator.graph, self._expressions[-1]
        if function is None:
            self._expressions.append(derived(graph, last, self.arrays[0]))
        else:
            found = self._translator.expression(function, word)
            if tuple(inspect.signature(function).parameters) != self._arguments:
                raise FormulaError(
                    f"{self.name}: {word} must take the formula's arguments {self._signature()}, "
                    f"got {self._signature(function)}"
                )
            self._expressions.append(found)
        self._words.append(word)
        self._given.append(function is not None)

    def check(self) -> None:
        """Raise for a derivative that is none; it is asked at the default options, and at others near them."""
        for factor in (1.0, 0.875) if self.defaults else (1.0,):
            options = {name: value * factor or 1.0 - factor for name, value in self.defaults.items()}
            for i in range(1, len(self._expressions)):
                self._check_slope(i, options)

    def _check_slope(self, i: int, options: dict[str, float]) -> None:
        x, *others = own_slopes.points(len(self.arrays))
        fixed = dict(zip(self.arrays[1:], others, strict=True)) | {k: np.float64(v) for k, v in options.items()}

        def call(expression: Node, x: Any) -> Any:
            found = evaluate(expression, {self.arrays[0]: x, **fixed})
            return tuple(np.broadcast_to(each, x.shape) for each in found)

        value, slope = (partial(call, expression) for expression in self._expressions[i - 1 : i + 1])
        found = own_slopes.disagreement(value, slope, x)
        if found is None:
            return
        at, expected, got = found
        arguments = {self.arrays[0]: x, **fixed}
        place = ", ".join(f"{k} = {float(np.broadcast_to(v, x.shape)[at]):.6g}" for k, v in arguments.items())
        by = f"(by differences of the {'formula' if i == 1 else self._words[i - 1]})"
        which = self._words[i] if self._given[i] else f"the {self._words[i]} derived from it"
        raise ValueError(f"{self.name}: {which} must be {expected:.6g} at {place} {by}, got {got:.6g}")

    def formulas(self) -> list[Formula]:
        """The formulas that engines compile; NaN in an array reaches their results whatever they choose."""
        graph, spelling, texts, names = self._translator.graph, writing.Spelling(), [], []
        for word, expression in zip(self._words, self._expressions, strict=True):
            root = expression
            for name in self.arrays:
                if not passes_nan(expression, name):
                    array = graph.argument(name)
                    root = graph.choose("==", array, array, root, array)
            names.append(spelling(self.name if word == "value" else f"{self.name}_{word}"))
            texts.append(writing.written(names[-1], graph, root, self._arguments))
        made = writing.made("\n\n".join(texts))
        return [made[name] for name in names]

    def parameters(self, options: dict[str, Any]) -> tuple[float, ...]:
        """The formula's parameters; raises for an option that it does not have."""
        for name in options:
            if name not in self.defaults:
                raise TypeError(f"{self.name}() got an unexpected keyword argument {name!r}")
        return tuple([
            checks.number(self.name, name, options[name]) if name in options else default
            for name, default in self.defaults.items()
        ])  # fmt: skip

    def public(self, definition: Callable[..., Any]) -> Callable[..., Any]:
        """`definition` with the name, the docstring and the signature of the operation."""
        update_wrapper(definition, self._function)
        kinds = inspect.Parameter
        options = {**self.defaults, **EXTRA[len(self.arrays)]}
        hints = getattr(self._function, "__annotations__", {})
        signature = [kinds(name, kinds.POSITIONAL_ONLY) for name in self.arrays]
        signature += [
            kinds(name, kinds.KEYWORD_ONLY, default=value, annotation=hints.get(name, kinds.empty))
            for name, value in options.items()
        ]
        vars(definition)["__signature__"] = inspect.Signature(signature)
        return definition

    def seen_through(self, operation: Made) -> Made:
        """`operation`, through which `inspect.unwrap` finds the function that it was made of."""
        vars(operation)["__wrapped__"] = self._function
        return operation


def _activation(formula: Formula, derivative: Formula | None, check: bool) -> Activation[...]:
    made = _Definition(formula, 1)
    made.add("derivative", derivative)
    if check:
        made.check()

    def definition(_: Any, /, **options: Any) -> tuple[float, ...]:
        return made.parameters(options)

    value, slope = made.formulas()
    operation: Activation[...] = Activation(made.public(definition), Elementwise(value, slope))
    return made.seen_through(operation)


def _loss(formula: Formula, derivative: Formula | None, second: Formula | None, check: bool) -> Loss[...]:
    made = _Definition(formula, 2)
    made.add("derivative", derivative)
    made.add("second", second)
    if check:
        made.check()

    def definition(*arrays: Any, weight: Any = None, **options: Any) -> Terms:
        if len(arrays) != 2:
            raise TypeError(f"{made.name}: takes {' and '.join(made.arrays)}, got {len(arrays)} positional arguments")
        return Terms(made.parameters(options), weight=weight)

    value, slope, bend = made.formulas()
    operation: Loss[...] = Loss(made.public(definition), PairwiseLoss(value, slope, bend))
    return made.seen_through(operation)


@overload
def activation(formula: Formula, /) -> Activation[...]: ...
@overload
def activation(*, derivative: Formula | None = None, check: bool = True) -> Callable[[Formula], Activation[...]]: ...
def activation(formula: Formula | None = None, /, *, derivative: Formula | None = None, check: bool = True) -> Any:
    r"""Make an activation of a formula: a function of one number, with all that our activations have.

    .. math:: y = f(x), \qquad \frac{\partial}{\partial x} = f'(x)

    Derivative: the one given, or else derived from the formula's source. Each arm of a choice has its own; that of abs
    is 0 at 0, and that of max or min of equal numbers the mean of theirs.

    Parameters
    ----------
    formula : function
        Of a number, and of options that have numbers as defaults. It may hold assignments, if and return, arithmetic,
        comparisons, ``a if c else b``, functions of `math` and of NumPy (exp, log1p, tanh, erf, sqrt, maximum, where,
        ...), numbers of its module, and calls of functions such as itself. It is read, never called.
    derivative : function, optional
        Of the same arguments; ``@activation(derivative=...)``.
    check : bool, default True
        Whether the derivative is held against differences of the formula, at numbers between -100 and 100. False for
        one that is wrong on purpose, such as a surrogate for that of a step.

    Returns
    -------
    operation
        To be called with an array, and with ``derivative`` and ``backward``. Options are keywords; ``out=`` and
        ``backend=`` as for all operations.

    Raises
    ------
    TypeError
        The formula holds something else; the message names the file and the line. Its source cannot be read, as of what
        is typed at a Python prompt before 3.13. It takes no array, or an option without a number as its default.
    ValueError
        The derivative is not that of the formula; a default is NaN or infinite.

    Notes
    -----
    The formula is compiled for each engine and dtype as ours are, at the first call. It is computed in the dtype of the
    array as it is written: what cancels or overflows there does so here. Numbers of its module are those of the time
    when it is defined. NaN in an element gives NaN, whatever the formula says. Where Python raises, log and sqrt of
    what is negative are NaN, and division by 0 gives an infinity.

    References
    ----------
    Wengert, "A Simple Automatic Derivative Evaluation Program", 1964, doi:10.1145/355586.364791.

    Examples
    --------
    >>> import math
    >>> @activation
    ... def dish(x, scale=1.0):
    ...     return 0.5 * x * (1.0 + x / math.sqrt(1.0 + x * x)) * scale
    >>> dish(np.array([-1.0, 0.0, 3.0]))
    array([-0.14644661,  0.        ,  2.92302495])
    >>> dish.derivative(np.array([0.0, 3.0]), scale=2.0)
    array([1.        , 2.04355163])
    """
    if formula is not None:
        return _activation(formula, None, True)
    checks.flag("activation", "check", check)
    return lambda formula: _activation(formula, derivative, check)


@overload
def loss(formula: Formula, /) -> Loss[...]: ...
@overload
def loss(
    *, derivative: Formula | None = None, second: Formula | None = None, check: bool = True
) -> Callable[[Formula], Loss[...]]: ...
def loss(
    formula: Formula | None = None, /, *, derivative: Formula | None = None, second: Formula | None = None,
    check: bool = True,
) -> Any:  # fmt: skip
    r"""Make a loss of a formula: a function of a prediction and a target, with all that our losses have.

    .. math:: \ell(x, t), \qquad \frac{\partial \ell}{\partial x}, \qquad \frac{\partial^2 \ell}{\partial x^2}

    Derivative: by the first argument, the one given or else derived from the formula's source; the Hessian likewise,
    from the derivative. Each arm of a choice has its own; that of abs is 0 at 0, and that of max or min of equal
    numbers the mean of theirs.

    Parameters
    ----------
    formula : function
        Of two numbers, the prediction and the target, and of options that have numbers as defaults. It may hold what
        that of an `activation` may.
    derivative, second : function, optional
        Of the same arguments; ``@loss(derivative=..., second=...)``.
    check : bool, default True
        Whether each derivative is held against differences, at predictions between -100 and 100.

    Returns
    -------
    operation
        To be called with predictions and targets, and with ``grad``, ``value_and_grad`` and ``grad_and_hess``. Options
        are keywords; ``weight``, ``reduction``, ``sample_weight`` and ``backend`` as for all losses.

    Raises
    ------
    TypeError
        The formula holds something else; the message names the file and the line. Its source cannot be read, as of what
        is typed at a Python prompt before 3.13. It takes no two arrays, or an option without a number as its default.
    ValueError
        A derivative is not that of the formula; a default is NaN or infinite.

    Notes
    -----
    As for an `activation`. Value and gradient are computed in one pass, and share what their formulas have in common.

    References
    ----------
    Wengert, "A Simple Automatic Derivative Evaluation Program", 1964, doi:10.1145/355586.364791.

    Examples
    --------
    >>> import math
    >>> @loss
    ... def cauchy(input, target, c=1.0):
    ...     r = (input - target) / c
    ...     return 0.5 * c * c * math.log1p(r * r)
    >>> cauchy(np.array([1.0, 3.0]), np.zeros(2), reduction="none")
    array([0.34657359, 1.15129255])
    >>> cauchy.grad_and_hess(np.array([0.0, 3.0]), np.zeros(2), c=3.0, reduction="sum")
    (array([0. , 1.5]), array([1., 0.]))
    """
    if formula is not None:
        return _loss(formula, None, None, True)
    checks.flag("loss", "check", check)
    return lambda formula: _loss(formula, derivative, second, check)
