"""What can be computed of an operation: each form is a small formula over the record's own.

A form's arguments are its leading scalars, then its arrays, then the record's parameters. Written as formulas, forms
are compiled by every engine exactly as formulas are, and value and derivative share what they have in common.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastloa_kernels.formulas.folded import descent
from fastloa_kernels.formulas.optimizers import towards
from fastloa_kernels.formulas.parted32 import joined, parted_bfloat16, parted_float16
from fastloa_kernels.records import Elementwise, Formula, Gated, PairwiseLoss, Step

Record = Elementwise | Gated | PairwiseLoss | Step


@dataclass(frozen=True)
class Form:
    """`formula` maps ``(*leading, *inputs, *parameters)`` to its outputs.

    The first output of a `summed` form is added up over all elements; the others are arrays. The sum of a `wide` one is
    float64 whatever the arrays are. `in_place` names the inputs that the array outputs overwrite, for forms that always
    do. The first input of a `weighted` form is a weight,
    by which all outputs of the form that it names are multiplied.
    """

    formula: Formula
    inputs: int
    outputs: int
    leading: int = 0
    summed: bool = False
    wide: bool = False
    in_place: tuple[int, ...] = ()
    weighted: "Form | None" = None

    @property
    def arrays(self) -> int:
        """How many inputs there are, and outputs that are arrays."""
        return self.inputs + self.outputs - self.summed


def elementwise(record: Elementwise) -> dict[str, Form]:
    value, derivative = record.value, record.derivative

    def backward(g, x, *parameters):
        return g * derivative(x, *parameters)

    forms = {
        "value": Form(value, 1, 1),
        "value_summed": Form(value, 1, 1, summed=True),
        "value_summed_wide": Form(value, 1, 1, summed=True, wide=True),
        "derivative": Form(derivative, 1, 1),
        "backward": Form(backward, 2, 1),
    }
    if record.derivative_from_output is not None:
        from_output = record.derivative_from_output

        def backward_from_output(g, y, *parameters):
            return g * from_output(y, *parameters)

        forms["backward_from_output"] = Form(backward_from_output, 2, 1)
    return forms


def gated(record: Gated) -> dict[str, Form]:
    gradient = record.gradient

    def first(g, a, b, *parameters):
        found, _ = gradient(g, a, b, *parameters)
        return found

    return {
        "value": Form(record.value, 2, 1),
        "backward": Form(gradient, 3, 2),
        "backward_first": Form(first, 3, 1),
    }


def pairwise_loss(record: PairwiseLoss) -> dict[str, Form]:
    """Each form with and without a weight, and with the value as an array or summed.

    The leading scalar is what a mean divides by (1 for a sum), already in the gradient and Hessian here.
    """
    value, derivative, second = record.value, record.derivative, record.second

    def divided(divisor, *a):
        return derivative(*a) / divisor

    share = record.share or divided

    def plain_value(divisor, *a):
        return value(*a)

    def value_and_grad(divisor, *a):
        return value(*a), share(divisor, *a)

    def grad_and_hess(divisor, *a):
        return share(divisor, *a), second(*a) / divisor

    bodies = {"value": plain_value, "grad": share, "value_and_grad": value_and_grad, "grad_and_hess": grad_and_hess}
    if record.gradients == 2:
        bodies |= two_gradients(record)
    forms = {}
    for name, body in bodies.items():
        outputs = ("value" in name) + record.gradients * (("grad" in name) + ("hess" in name))
        for tail in ("", "_summed") if name.startswith("value") else ("",):
            plain = Form(body, record.operands, outputs, leading=1, summed=bool(tail))
            forms[name + tail], forms[f"weighted_{name}{tail}"] = plain, weighted(plain)
    return forms


def two_gradients(record: PairwiseLoss) -> dict[str, Formula]:
    """The formulas of a loss whose derivatives are two numbers each."""
    value, derivative, second = record.value, record.derivative, record.second

    def grad(divisor, *a):
        first, other = derivative(*a)
        return first / divisor, other / divisor

    def value_and_grad(divisor, *a):
        loss = value(*a)
        first, other = derivative(*a)
        return loss, first / divisor, other / divisor

    def grad_and_hess(divisor, *a):
        first, other = derivative(*a)
        bend, twist = second(*a)
        return first / divisor, other / divisor, bend / divisor, twist / divisor

    return {"grad": grad, "value_and_grad": value_and_grad, "grad_and_hess": grad_and_hess}


def weighted(form: Form) -> Form:
    """A form with a weight before its arrays."""
    plain = form.formula

    def one(divisor, w, *a):
        return w * plain(divisor, *a)

    def two(divisor, w, *a):
        first, second = plain(divisor, *a)
        return w * first, w * second

    def three(divisor, w, *a):
        first, second, third = plain(divisor, *a)
        return w * first, w * second, w * third

    def four(divisor, w, *a):
        first, second, third, fourth = plain(divisor, *a)
        return w * first, w * second, w * third, w * fourth

    formula = (one, two, three, four)[form.outputs - 1]
    return dataclasses.replace(form, formula=formula, inputs=form.inputs + 1, weighted=form)


def step(record: Step) -> dict[str, Form]:
    """The step by itself and with what can be folded into it, and the sums that it follows from.

    The leading scalars of a folded step are the gradient's scale, limit and factor. One that is `averaged` takes the
    share of the new parameter in a running mean as well, and the mean after the states; one that is `zeroed` sets the
    gradient to 0. The last leading scalars are what a step is given besides.
    """
    written, given = tuple(range(2 + record.kept, record.arrays)), len(record.given)
    plain = written_step(record) if given else record.value
    forms = {"step": Form(plain, record.arrays, 1 + len(written), leading=given, in_place=(0, *written))}
    if record.measured is not None:
        forms["measured_summed"] = Form(
            measured_square(record.measured), record.arrays, 1, leading=5, summed=True, wide=True
        )
    if record.total is not None:
        forms["total_summed"] = Form(followed(record.total), record.arrays, 1, leading=4, summed=True, wide=True)
    for averaged in (False, True):
        for zeroed in (False, True):
            name = "step_folded" + "_averaged" * averaged + "_zeroed" * zeroed
            inputs, leading = record.arrays + averaged, 3 + averaged + given
            places = 0, *(1,) * zeroed, *range(2 + record.kept, inputs)
            formula = written_step(record, folded=True, averaged=averaged, zeroed=zeroed)
            forms[name] = Form(formula, inputs, len(places), leading=leading, in_place=places)
    return forms


def measured_square(measured: Formula) -> Formula:
    # The sum is divided by the first leading scalar; the last is a power of two, as in `descent_square`.
    def square(divisor, scale, limit, factor, lift, p, g, *a):
        x = lift * measured(p, descent(g, scale, limit, factor), *a)
        return x * x

    return square


def followed(total: Formula) -> Formula:
    # The sum is divided by the first leading scalar.
    def summand(divisor, scale, limit, factor, p, g, *a):
        return total(p, descent(g, scale, limit, factor), *a)

    return summand


def written_step(record: Step, *, folded: bool = False, averaged: bool = False, zeroed: bool = False) -> Formula:
    """The formula of a step, written out."""
    states, new = ([f"{letter}{i}" for i in range(len(record.states))] for letter in "sn")
    new = new[record.kept :]
    numbers = *("scale", "limit", "factor") * folded, *("rest",) * averaged, *record.given
    arguments = *numbers, "p", "g", *states, *("mean",) * averaged, "*a"
    followed = "p", "descent(g, scale, limit, factor)" if folded else "g", *states, *record.given, "*a"
    results = "q", *("0.0",) * zeroed, *new, *("towards(mean, q, rest)",) * averaged
    text = "\n".join([
        f"def written({', '.join(arguments)}):",
        f"    {', '.join(['q', *new])} = value({', '.join(followed)})",
        f"    return {', '.join(results)}",
    ])  # fmt: skip
    return _written(text, value=record.value, descent=descent, towards=towards)


PARTED = {"float16": parted_float16, "bfloat16": parted_bfloat16}
FORMS: dict[type, Callable[..., dict[str, Form]]] = {
    Elementwise: elementwise,
    Gated: gated,
    PairwiseLoss: pairwise_loss,
    Step: step,
}


def form(record: Record, name: str) -> Form:
    """That form; ``<name>_of_bfloat16`` and ``<name>_of_float16`` are for parameters in two parts: see `in_parts`."""
    plain, _, dtype = name.partition("_of_")
    found = FORMS[type(record)](record)[plain]
    return in_parts(found, PARTED[dtype]) if dtype else found


def in_parts(form: Form, parted: Formula) -> Form:
    """A form whose first array is in two: one more before it says what a 16-bit number has lost (`parted32`)."""
    numbers, arrays, results = (
        [f"{letter}{i}" for i in range(count)]
        for letter, count in (("n", form.leading), ("x", form.inputs), ("r", form.outputs))
    )
    whole, changed = ["joined(x0, lost)", *arrays[1:]], bool(form.in_place)
    returned = "held, " + "".join(f"{result}, " for result in results[1:]) + "rest"
    text = "\n".join([
        f"def written({', '.join([*numbers, 'lost', *arrays, '*a'])}):",
        f"    {', '.join(results)} = plain({', '.join([*numbers, *whole, '*a'])})",
        *["    held, rest = parted(r0)"] * changed,
        f"    return {returned if changed else ', '.join(results)}",
    ])  # fmt: skip
    formula = _written(text, plain=form.formula, joined=joined, parted=parted)
    places = (*(place + 1 for place in form.in_place), 0) if changed else ()
    return dataclasses.replace(
        form, formula=formula, inputs=form.inputs + 1, outputs=form.outputs + changed, in_place=places
    )


def _written(text: str, **names: Any) -> Formula:
    """The formula that a text defines as ``written``: no other way to take and give so many numbers is known to all
    engines."""
    namespace: dict[str, Any] = {**names, "__name__": __name__}
    exec(compile(text, f"<{text}>", "exec"), namespace)
    formula: Any = namespace["written"]
    formula.text = text  # for engines that read it
    found: Formula = formula
    return found
