"""16-bit numbers as float32 ones, a block at a time: what kernels read and write that compute in float32."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.registry import cpu_target

from fastloa_kernels.engines.numba_cpu.calling import array_at
from fastloa_kernels.engines.numba_cpu.lowered import Lowered
from fastloa_kernels.engines.numba_cpu.outlining import outlined

# What an array holds: numbers of the kernel's own dtype, or of 16 bits.
AS_IT_IS, FLOAT16, BFLOAT16, INT16 = range(4)
_HELD = {"float16": FLOAT16, "bfloat16": BFLOAT16, "int16": INT16}
_FLOATS = ("float16", "bfloat16")
_HALF, _WORD, _NUMBER = ir.IntType(16), ir.IntType(32), ir.FloatType()
_SIGN, _MAGNITUDE, _INFINITE = 0x80000000, 0x7FFFFFFF, 0x7F800000
_REBIASED = (127 - 15) << 23  # between the exponents of float16 and float32
_NORMAL, _TOO_LARGE = 113 << 23, 143 << 23  # 2**-14, the least normal float16 number, and 2**16


def sixteen_bits(arrays: Sequence[Any]) -> bool:
    """Whether one of some arrays holds 16-bit numbers."""
    for array in arrays:  # noqa: SIM110  (on the way of every call: `any` takes twice as long)
        if array.itemsize == 2:
            return True
    return False


@functools.cache
def kind(dtype: Any) -> int:
    """What an array of that dtype holds."""
    return _HELD.get(dtype.name, AS_IT_IS)


def kinds(rows: Sequence[Sequence[Any]]) -> Any:
    """What each of some rows of arrays holds."""
    return np.array([[kind(array.dtype) for array in row] for row in rows], np.int64)


def convertible(dtype: Any, other: Any) -> bool:
    """Whether one of two dtypes is a 16-bit one of floating-point numbers, and the other float32."""
    names = dtype.name, other.name
    return "float32" in names and (names[0] in _FLOATS or names[1] in _FLOATS)


class NumbersAt(Lowered):
    """``numbers_at(place, count)``: so many numbers of a type at an address, as an array."""

    def __init__(self, number: str) -> None:
        self._number, self._kind = number, types.Array(getattr(types, number), 1, "C")
        super().__init__(f"{number} numbers at")

    def __reduce__(self) -> tuple[Any, ...]:
        return numbers_at, (self._number,)

    def result(self, arguments: tuple[Any, ...]) -> Any:
        return self._kind

    def lower(self, context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return array_at(context, builder, self._kind, *arguments)


@functools.cache
def numbers_at(number: str) -> NumbersAt:
    """The same for the same type."""
    return NumbersAt(number)


class Converted(Lowered):
    """The function of one number whose instructions some function of this module writes."""

    def __init__(self, write: Callable[..., Any], result: Any) -> None:
        self._write, self._result = write, result
        super().__init__(write.__name__)

    def __reduce__(self) -> str:
        return self.name.lstrip("_")

    def result(self, arguments: tuple[Any, ...]) -> Any:
        return self._result

    def lower(self, context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return self._write(builder, *arguments)


def _word(value: int) -> Any:
    return ir.Constant(_WORD, value)


def _from_bfloat16(builder, bits):
    return builder.bitcast(builder.shl(builder.zext(bits, _WORD), _word(16)), _NUMBER)


def _to_bfloat16(builder, x):
    bits = builder.bitcast(x, _WORD)
    odd = builder.and_(builder.lshr(bits, _word(16)), _word(1))
    even = builder.add(builder.add(bits, _word(0x7FFF)), odd)  # a tie goes to the even number
    quiet = builder.or_(bits, _word(0x400000))
    chosen = builder.select(builder.fcmp_unordered("uno", x, x), quiet, even)
    return builder.trunc(builder.lshr(chosen, _word(16)), _HALF)


def _from_float16(builder, bits):
    return builder.fpext(builder.bitcast(bits, ir.HalfType()), _NUMBER)


def _to_float16(builder, x):
    return builder.bitcast(builder.fptrunc(x, ir.HalfType()), _HALF)


def _from_float16_by_integers(builder, bits):
    word = builder.zext(bits, _WORD)
    magnitude = builder.and_(word, _word(0x7FFF))
    shifted = builder.shl(magnitude, _word(13))
    normal = builder.add(shifted, _word(_REBIASED))
    # Of a subnormal number's bits, in the place of 2**-14's, 2**-14 is taken away again.
    least = builder.bitcast(_word(_NORMAL), _NUMBER)
    tiny = builder.fsub(builder.bitcast(builder.add(shifted, _word(_NORMAL)), _NUMBER), least)
    special = builder.add(normal, _word(_REBIASED))
    nan = builder.icmp_unsigned(">", magnitude, _word(0x7C00))
    special = builder.select(nan, builder.or_(special, _word(0x400000)), special)
    chosen = builder.select(builder.icmp_unsigned("<", magnitude, _word(0x400)), builder.bitcast(tiny, _WORD), normal)
    chosen = builder.select(builder.icmp_unsigned(">=", magnitude, _word(0x7C00)), special, chosen)
    sign = builder.shl(builder.and_(word, _word(0x8000)), _word(16))
    return builder.bitcast(builder.or_(chosen, sign), _NUMBER)


def _to_float16_by_integers(builder, x):
    bits = builder.bitcast(x, _WORD)
    magnitude = builder.and_(bits, _word(_MAGNITUDE))
    odd = builder.and_(builder.lshr(magnitude, _word(13)), _word(1))
    even = builder.add(builder.add(magnitude, _word((0xFFF - _REBIASED) & 0xFFFFFFFF)), odd)
    normal = builder.lshr(even, _word(13))
    # Added to 1/2, a subnormal number is rounded to its last place, and stands in the last bits.
    half = ir.Constant(_NUMBER, 0.5)
    lifted = builder.bitcast(builder.fadd(builder.bitcast(magnitude, _NUMBER), half), _WORD)
    tiny = builder.sub(lifted, builder.bitcast(half, _WORD))
    payload = builder.and_(builder.lshr(magnitude, _word(13)), _word(0x3FF))
    nan = builder.icmp_unsigned(">", magnitude, _word(_INFINITE))
    special = builder.select(nan, builder.or_(payload, _word(0x7E00)), _word(0x7C00))
    chosen = builder.select(builder.icmp_unsigned("<", magnitude, _word(_NORMAL)), tiny, normal)
    chosen = builder.select(builder.icmp_unsigned(">=", magnitude, _word(_TOO_LARGE)), special, chosen)
    sign = builder.lshr(builder.and_(bits, _word(_SIGN)), _word(16))
    return builder.trunc(builder.or_(chosen, sign), _HALF)


def _from_int16(builder, bits):
    return builder.sitofp(bits, _NUMBER)


def _to_int16(builder, x):
    return builder.fptosi(x, _HALF)


# LLVM has a processor convert where it can, and else would call a function that nobody links.
_CONVERTS = "+f16c" in cpu_target.target_context.codegen().magic_tuple()[2]
from_float16_by_integers = Converted(_from_float16_by_integers, types.float32)
to_float16_by_integers = Converted(_to_float16_by_integers, types.uint16)
from_float16 = Converted(_from_float16, types.float32) if _CONVERTS else from_float16_by_integers
to_float16 = Converted(_to_float16, types.uint16) if _CONVERTS else to_float16_by_integers
from_bfloat16 = Converted(_from_bfloat16, types.float32)
to_bfloat16 = Converted(_to_bfloat16, types.uint16)
from_int16 = Converted(_from_int16, types.float32)
to_int16 = Converted(_to_int16, types.uint16)
_halves_at, _numbers_at = numbers_at("uint16"), numbers_at("float32")


def _widen(kind, place, target, count):
    bits, numbers = _halves_at(place, count), _numbers_at(target, count)
    if kind == FLOAT16:
        for i in range(count):
            numbers[i] = from_float16(bits[i])
    elif kind == BFLOAT16:
        for i in range(count):
            numbers[i] = from_bfloat16(bits[i])
    else:
        for i in range(count):
            numbers[i] = from_int16(bits[i])


def _narrow(kind, source, place, count):
    numbers, bits = _numbers_at(source, count), _halves_at(place, count)
    if kind == FLOAT16:
        for i in range(count):
            bits[i] = to_float16(numbers[i])
    elif kind == BFLOAT16:
        for i in range(count):
            bits[i] = to_bfloat16(numbers[i])
    else:
        for i in range(count):
            bits[i] = to_int16(numbers[i])


@functools.cache
def widen() -> Any:
    """``widen(kind, place, target, count)``: numbers at an address, as float32 numbers at another."""
    return outlined(_widen, (types.int64,) * 4)


@functools.cache
def narrow() -> Any:
    """``narrow(kind, source, place, count)``: float32 numbers at an address, rounded, at another."""
    return outlined(_narrow, (types.int64,) * 4)
