"""LLVM's instructions for every primitive, and for ``abs``."""

from collections.abc import Callable
from typing import Any

from llvmlite import ir

# Layout of the two formats: integer as wide, width of the mantissa, bias of the exponent.
_LAYOUT = {"float": (32, 23, 127), "double": (64, 52, 1023)}


def _named(name: str) -> Callable[..., Any]:
    """A call of LLVM's own function of that name."""

    def instructions(builder, *args):
        kind = args[0].type
        callee = builder.module.declare_intrinsic(name, [kind], ir.FunctionType(kind, [kind] * len(args)))
        return builder.call(callee, args)

    return instructions


def _layout(x):
    size, width, bias = _LAYOUT[str(x.type)]
    return x.type, ir.IntType(size), width, bias


def _further(builder, x, k):
    kind, word, _, _ = _layout(x)
    return builder.bitcast(builder.add(builder.bitcast(x, word), builder.fptosi(k, word)), kind)


def _how_far(builder, x, y):
    kind, word, _, _ = _layout(x)
    return builder.sitofp(builder.sub(builder.bitcast(x, word), builder.bitcast(y, word)), kind)


def _shortened(builder, x, k):
    kind, word, _, _ = _layout(x)
    unit = builder.shl(ir.Constant(word, 1), builder.fptosi(k, word))
    nearer = builder.add(builder.bitcast(x, word), builder.lshr(unit, ir.Constant(word, 1)))
    return builder.bitcast(builder.and_(nearer, builder.neg(unit)), kind)


def _power_of_two(builder, k):
    # Adding 1.5 * 2**width + bias leaves k + bias in the low bits: no float-to-integer conversion, which AVX2 lacks
    # for 64 bits.
    kind, word, width, bias = _layout(k)
    shifted = builder.fadd(k, ir.Constant(kind, 1.5 * 2.0**width + bias))
    return builder.bitcast(builder.shl(builder.bitcast(shifted, word), ir.Constant(word, width)), kind)


def _exponent(builder, x):
    # The field is put into the mantissa of 2**width and that is taken away again, for the same reason.
    kind, word, width, bias = _layout(x)
    field = builder.lshr(builder.bitcast(x, word), ir.Constant(word, width))
    field = builder.and_(field, ir.Constant(word, 2 * bias + 1))
    magic = (width + bias) << width
    merged = builder.bitcast(builder.or_(field, ir.Constant(word, magic)), kind)
    return builder.fsub(merged, ir.Constant(kind, 2.0**width + bias))


def _significand(builder, x):
    kind, word, width, bias = _layout(x)
    fraction = builder.and_(builder.bitcast(x, word), ir.Constant(word, (1 << width) - 1))
    return builder.bitcast(builder.or_(fraction, ir.Constant(word, bias << width)), kind)


def _reciprocal(builder, x):
    return builder.fdiv(ir.Constant(x.type, 1.0), x)


INSTRUCTIONS: dict[str, Callable[..., Any]] = {
    "abs": _named("llvm.fabs"),
    "fma": _named("llvm.fma"),
    "round_even": _named("llvm.rint"),
    "sqrt": _named("llvm.sqrt"),
    "copysign": _named("llvm.copysign"),
    "reciprocal": _reciprocal,
    "further": _further,
    "how_far": _how_far,
    "shortened": _shortened,
    "power_of_two": _power_of_two,
    "exponent": _exponent,
    "significand": _significand,
}
