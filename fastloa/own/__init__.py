"""Operations of a user's own: made of a function of plain numbers, with all that ours have."""

from collections.abc import Callable
from typing import Any, TypeAlias, overload

from fastloa import checks
from fastloa.loss_operations import Loss
from fastloa.operations import Activation

__all__ = ["activation", "loss"]

Formula: TypeAlias = Callable[..., Any]


@overload
def activation(formula: Formula, /, *, derivative: Formula | None = None, check: bool = True) -> Activation[...]: ...
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
        Of the same arguments; also ``@activation(derivative=...)``.
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
    array as it is written: what cancels or overflows there does so here, but for ``1 / (1 + exp(-x))`` and
    ``log(1 + exp(x))``, which are recognised. Numbers of its module are those of the time when it is defined. NaN in an
    element gives NaN, whatever the formula says. Where Python raises, log and sqrt of what is negative are NaN, and
    division by 0 gives an infinity. In the formula of another operation, this one has the derivative given here; where
    that is wrong on purpose, the other takes ``check=False`` too.

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
    from fastloa.own import definition  # what reads and writes formulas is loaded for the first of them

    checks.flag("activation", "check", check)
    if formula is not None:
        return definition.activation(formula, derivative, check)
    return lambda formula: definition.activation(formula, derivative, check)


@overload
def loss(
    formula: Formula, /, *, derivative: Formula | None = None, second: Formula | None = None, check: bool = True
) -> Loss[...]: ...
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
        Of the same arguments; also ``@loss(derivative=..., second=...)``.
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
    from fastloa.own import definition  # what reads and writes formulas is loaded for the first of them

    checks.flag("loss", "check", check)
    if formula is not None:
        return definition.loss(formula, derivative, second, check)
    return lambda formula: definition.loss(formula, derivative, second, check)
