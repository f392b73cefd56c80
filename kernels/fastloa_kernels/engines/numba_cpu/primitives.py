"""numba's version of every primitive.

The plain functions keep their place in an importable module and get an overload here: a formula that called an
intrinsic directly would never be found again in numba's disk cache, since intrinsics pickle under a random name.
"""

import numba
from llvmlite import ir
from numba.core import types
from numba.core.typing.templates import Signature
from numba.extending import intrinsic, overload

from fastloa_kernels import primitives

# Layout of the two formats: integer as wide, width of the mantissa, bias of the exponent.
_LAYOUT = {types.float32: (32, 23, 127), types.float64: (64, 52, 1023)}


def _float(x: types.Type) -> types.Type:
    if x not in _LAYOUT:
        raise numba.TypingError(f"a formula works in float32 or float64, got {x}")
    return x


def _llvm(name: str, arity: int):
    """An intrinsic for LLVM's function of that name on `arity` floats."""

    def lower(context, builder, signature, args):
        kind = args[0].type
        callee = builder.module.declare_intrinsic(name, [kind], ir.FunctionType(kind, [kind] * arity))
        return builder.call(callee, args)

    def unary(typingctx, x):
        return Signature(_float(x), (x,), None), lower

    def binary(typingctx, x, y):
        return Signature(_float(x), (x, x), None), lower

    def ternary(typingctx, x, y, z):
        return Signature(_float(x), (x, x, x), None), lower

    return intrinsic((unary, binary, ternary)[arity - 1])


_fma = _llvm("llvm.fma", 3)
_rint = _llvm("llvm.rint", 1)
_sqrt = _llvm("llvm.sqrt", 1)
_copysign = _llvm("llvm.copysign", 2)


@overload(primitives.fma, inline="always")
def _fma_overload(x, y, z):
    return lambda x, y, z: _fma(x, y, z)


@overload(primitives.round_even, inline="always")
def _round_even_overload(x):
    return lambda x: _rint(x)


@overload(primitives.sqrt, inline="always")
def _sqrt_overload(x):
    return lambda x: _sqrt(x)


@overload(primitives.copysign, inline="always")
def _copysign_overload(x, y):
    return lambda x, y: _copysign(x, y)


def _on_bits(operate):
    """An intrinsic that works on the bits of its argument: `operate(builder, bits, kind, word, width, bias)`."""

    def typed(typingctx, x):
        size, width, bias = _LAYOUT[_float(x)]

        def lower(context, builder, signature, args):
            kind, word = args[0].type, ir.IntType(size)
            return operate(builder, args[0], kind, word, width, bias)

        return Signature(x, (x,), None), lower

    return intrinsic(typed)


def _power_of_two_bits(builder, k, kind, word, width, bias):
    # Adding 1.5 * 2**width + bias leaves k + bias in the low bits: no float-to-integer conversion, which AVX2 lacks
    # for 64 bits.
    shifted = builder.fadd(k, ir.Constant(kind, 1.5 * 2.0**width + bias))
    return builder.bitcast(builder.shl(builder.bitcast(shifted, word), ir.Constant(word, width)), kind)


def _exponent_bits(builder, x, kind, word, width, bias):
    # The field is put into the mantissa of 2**width and that is taken away again, for the same reason.
    field = builder.lshr(builder.bitcast(x, word), ir.Constant(word, width))
    field = builder.and_(field, ir.Constant(word, 2 * bias + 1))
    magic = (width + bias) << width
    merged = builder.bitcast(builder.or_(field, ir.Constant(word, magic)), kind)
    return builder.fsub(merged, ir.Constant(kind, 2.0**width + bias))


def _significand_bits(builder, x, kind, word, width, bias):
    fraction = builder.and_(builder.bitcast(x, word), ir.Constant(word, (1 << width) - 1))
    return builder.bitcast(builder.or_(fraction, ir.Constant(word, bias << width)), kind)


def _reciprocal_of(builder, x, kind, word, width, bias):
    return builder.fdiv(ir.Constant(kind, 1.0), x)


_power_of_two = _on_bits(_power_of_two_bits)
_exponent = _on_bits(_exponent_bits)
_significand = _on_bits(_significand_bits)
_reciprocal = _on_bits(_reciprocal_of)


@overload(primitives.reciprocal, inline="always")
def _reciprocal_overload(x):
    return lambda x: _reciprocal(x)


@overload(primitives.power_of_two, inline="always")
def _power_of_two_overload(k):
    return lambda k: _power_of_two(k)


@overload(primitives.exponent, inline="always")
def _exponent_overload(x):
    return lambda x: _exponent(x)


@overload(primitives.significand, inline="always")
def _significand_overload(x):
    return lambda x: _significand(x)
