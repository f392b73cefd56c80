"""What can be computed of an operation: each form is a small formula over the record's own.

A form's arguments are its leading scalars, then its arrays, then the record's parameters. Written as formulas, forms
are compiled by every engine exactly as formulas are, and value and derivative share what they have in common.
"""

from collections.abc import Callable
from dataclasses import dataclass

from fastloa_kernels.records import Elementwise, Formula, PairwiseLoss, Step

Record = Elementwise | PairwiseLoss | Step


@dataclass(frozen=True)
class Form:
    """`formula` maps ``(*leading, *inputs, *parameters)`` to its outputs.

    The first output of a `summed` form is added up over all elements; the others are arrays. `in_place` names the
    inputs that the array outputs overwrite, for forms that always do.
    """

    formula: Formula
    inputs: int
    outputs: int
    leading: int = 0
    summed: bool = False
    in_place: tuple[int, ...] = ()


def elementwise(record: Elementwise) -> dict[str, Form]:
    value, derivative = record.value, record.derivative

    def backward(g, x, *parameters):
        return g * derivative(x, *parameters)

    forms = {
        "value": Form(value, 1, 1),
        "value_summed": Form(value, 1, 1, summed=True),
        "derivative": Form(derivative, 1, 1),
        "backward": Form(backward, 2, 1),
    }
    if record.derivative_from_output is not None:
        from_output = record.derivative_from_output

        def backward_from_output(g, y, *parameters):
            return g * from_output(y, *parameters)

        forms["backward_from_output"] = Form(backward_from_output, 2, 1)
    return forms


def pairwise_loss(record: PairwiseLoss) -> dict[str, Form]:
    """Each form with and without a weight, and with the value as an array or summed.

    The leading scalar is what a mean divides by (1 for a sum), already in the gradient and Hessian here.
    """
    value, derivative, second, n = record.value, record.derivative, record.second, record.operands

    def divided(divisor, *a):
        return derivative(*a) / divisor

    def weighted_divided(divisor, w, *a):
        return w * derivative(*a) / divisor

    def weighted_share(divisor, w, *a):
        return w * share(divisor, *a)

    share = record.share or divided
    weighted_gradient = weighted_share if record.share else weighted_divided

    def plain_value(divisor, *a):
        return value(*a)

    def plain_value_and_grad(divisor, *a):
        return value(*a), share(divisor, *a)

    def plain_grad_and_hess(divisor, *a):
        return share(divisor, *a), second(*a) / divisor

    def weighted_value(divisor, w, *a):
        return w * value(*a)

    def weighted_value_and_grad(divisor, w, *a):
        return w * value(*a), weighted_gradient(divisor, w, *a)

    def weighted_grad_and_hess(divisor, w, *a):
        return weighted_gradient(divisor, w, *a), w * second(*a) / divisor

    plain = (plain_value, share, plain_value_and_grad, plain_grad_and_hess)
    weighted = (weighted_value, weighted_gradient, weighted_value_and_grad, weighted_grad_and_hess)
    forms = {}
    for prefix, bodies, inputs in (("", plain, n), ("weighted_", weighted, n + 1)):
        for name, body in zip(("value", "grad", "value_and_grad", "grad_and_hess"), bodies, strict=True):
            outputs = 2 if "_and_" in name else 1
            forms[prefix + name] = Form(body, inputs, outputs, leading=1)
            if name.startswith("value"):
                forms[f"{prefix}{name}_summed"] = Form(body, inputs, outputs, leading=1, summed=True)
    return forms


def step(record: Step) -> dict[str, Form]:
    states = tuple(range(2, record.arrays))
    return {"step": Form(record.value, record.arrays, 1 + len(states), in_place=(0, *states))}


FORMS: dict[type, Callable[..., dict[str, Form]]] = {
    Elementwise: elementwise,
    PairwiseLoss: pairwise_loss,
    Step: step,
}


def form(record: Record, name: str) -> Form:
    return FORMS[type(record)](record)[name]
