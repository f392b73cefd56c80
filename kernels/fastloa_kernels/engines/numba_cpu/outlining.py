"""Functions that kernels call by name and do not hold.

What is compiled into a kernel goes through all of LLVM's passes with it, every time: the maximum and the sum of a row
took longer than the rest of softmax, of its neighbours and of every loss of rows. These are machine code of their own,
made once, which the kernels' machine code finds by a name that follows from what they hold.
"""

from collections.abc import Callable
from typing import Any

import llvmlite.binding
from numba.core import cgutils, types
from numba.core.typing.templates import Signature
from numba.extending import intrinsic, overload

from fastloa_kernels.engines import spelled
from fastloa_kernels.engines.numba_cpu.compilation import LINKED, dispatcher, entries, named

_outlined: dict[str, Callable[..., Any]] = {}


def outlined(function: Callable[..., Any], taken: tuple[Any, ...]) -> Any:
    """What compiled code calls for `function`, which takes arguments of these types; it may not return arrays.

    A kernel must be made after it, or its machine code would not find the function's.
    """
    name = named(function, taken, True, False)
    if name not in _outlined:
        made = dispatcher(function, taken, from_python=False)
        (compiled,) = made.overloads.values()
        llvmlite.binding.add_symbol(name, entries(made)[1])
        _outlined[name] = _stub(name, taken, compiled.signature.return_type)
    return _outlined[name]


def _stub(name: str, taken: tuple[Any, ...], result: Any) -> Callable[..., Any]:
    """A function that kernels name, and in its place a call of what has the name."""

    @intrinsic
    def call(typingctx, given):
        def lower(context, builder, signature, args):
            convention = context.call_conv
            function_type = convention.get_function_type(result, taken)
            called = cgutils.get_or_insert_function(builder.module, function_type, name)
            values = zip(cgutils.unpack_tuple(builder, args[0]), signature.args[0], taken, strict=True)
            values = [context.cast(builder, value, own, wanted) for value, own, wanted in values]
            _, found = convention.call_function(builder, called, result, taken, values)
            return context.get_dummy_value() if result == types.none else found

        return Signature(result, (given,), None), lower

    stub, implementation = spelled.stub(len(taken), call, name)
    overload(stub, jit_options=LINKED)(spelled.always(len(taken), implementation))
    return stub
