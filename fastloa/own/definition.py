"""What the decorators of `own` make of a user's function: formulas for the engines, and the checks of what it says."""

import inspect
from collections.abc import Callable
from functools import partial, update_wrapper
from typing import Any, TypeVar

import numpy as np
from fastloa_kernels.own import writing
from fastloa_kernels.own.differentiation import NotDerived
from fastloa_kernels.own.differentiation import derivative as derived
from fastloa_kernels.own.expressions import Graph, Node, evaluate, passes_nan
from fastloa_kernels.own.reading import FormulaError, parameters_of
from fastloa_kernels.own.translation import Translator
from fastloa_kernels.records import Elementwise, Formula, PairwiseLoss

from fastloa import checks
from fastloa.loss_operations import Loss, Terms
from fastloa.operations import Activation, Operation
from fastloa.own import slopes

Made = TypeVar("Made", bound=Operation[...])
# What operations take beside the options of their formulas, by the number of arrays; and all names that are taken.
EXTRA: dict[int, dict[str, Any]] = {
    1: {"out": None, "backend": None},
    2: {"weight": None, "reduction": "mean", "sample_weight": None, "backend": None},
}
TAKEN = ("out", "grad_out", "hess_out", "axis", "weight", "reduction", "sample_weight", "backend")


class Definition:
    """A formula of the user's: its arguments, the expression that it is, and its derivatives."""

    def __init__(self, function: Any, arrays: int) -> None:
        self.name: str = getattr(function, "__name__", type(function).__name__)
        self._function, self._translator = function, Translator(self.name, Graph())
        expression = self._translator.expression(function)
        parameters = list(parameters_of(function).values())
        for parameter in parameters:
            self._check_kind(parameter)
        if len(parameters) < arrays or any(p.default is not p.empty for p in parameters[:arrays]):
            wanted = "an array" if arrays == 1 else "two arrays"
            raise FormulaError(f"{self.name}: formula must take {wanted} before its options, got {self._signature()}")
        self.arrays = tuple(p.name for p in parameters[:arrays])
        self.defaults = {p.name: self._default(p) for p in parameters[arrays:]}
        self._arguments = (*self.arrays, *self.defaults)
        self._expressions, self._words, self._given = [expression], ["value"], [True]
        self.derivatives: tuple[Any, ...] = ()  # those of the user's

    def _signature(self, function: Any = None) -> str:
        return str(inspect.signature(function or self._function, follow_wrapped=False))

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
            try:
                self._expressions.append(derived(graph, last, self.arrays[0]))
            except NotDerived as error:
                raise FormulaError(f"{self.name}: {word} must be given: {error} {self.arrays[0]}") from None
        else:
            found = self._translator.expression(function, word)
            if tuple(parameters_of(function)) != self._arguments:
                raise FormulaError(
                    f"{self.name}: {word} must take the formula's arguments {self._signature()}, "
                    f"got {self._signature(function)}"
                )
            self._expressions.append(found)
        self._words.append(word)
        self._given.append(function is not None)
        self.derivatives = (*self.derivatives, function)

    def check(self) -> None:
        """Raise for a derivative that is none; it is asked at the default options, and at others near them."""
        for factor in (1.0, 0.875) if self.defaults else (1.0,):
            options = {name: value * factor or 1.0 - factor for name, value in self.defaults.items()}
            for i in range(1, len(self._expressions)):
                self._check_slope(i, options)

    def _check_slope(self, i: int, options: dict[str, float]) -> None:
        x, *others = slopes.points(len(self.arrays))
        fixed = dict(zip(self.arrays[1:], others, strict=True)) | {k: np.float64(v) for k, v in options.items()}

        def call(expression: Node, x: Any) -> Any:
            found = evaluate(expression, {self.arrays[0]: x, **fixed})
            return tuple(np.broadcast_to(each, x.shape) for each in found)

        value, slope = (partial(call, expression) for expression in self._expressions[i - 1 : i + 1])
        found = slopes.disagreement(value, slope, x)
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
        """`operation`, through which `inspect.unwrap` finds the function that it was made of, and formulas the rest."""
        vars(operation).update(__wrapped__=self._function, __derivatives__=self.derivatives)
        return operation


def activation(formula: Formula, derivative: Formula | None, check: bool) -> Activation[...]:
    """Make an activation of a formula."""
    made = Definition(formula, 1)
    made.add("derivative", derivative)
    if check:
        made.check()

    def definition(_: Any, /, **options: Any) -> tuple[float, ...]:
        return made.parameters(options)

    value, slope = made.formulas()
    operation: Activation[...] = Activation(made.public(definition), Elementwise(value, slope))
    return made.seen_through(operation)


def loss(formula: Formula, derivative: Formula | None, second: Formula | None, check: bool) -> Loss[...]:
    """Make a loss of a formula."""
    made = Definition(formula, 2)
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
