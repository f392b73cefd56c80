"""What compiled code calls and numba does not compile: LLVM's instructions, written as they are wanted."""

from collections.abc import Mapping
from typing import Any

from numba.core import types
from numba.core.imputils import lower_constant
from numba.core.registry import cpu_target
from numba.core.typing.templates import Signature
from numba.extending import models, register_model, typeof_impl


class Lowered:
    """A function that compiled code names, as it names any other; it is pickled by what it is made of."""

    def __init__(self, name: str) -> None:
        self.name = name
        cpu_target.target_context.insert_func_defn([(self.lower, self, (types.VarArg(types.Any),))])

    def result(self, arguments: tuple[Any, ...]) -> Any:
        """numba's type of the result for arguments of these types, which it raises a TypingError for if it must."""
        raise NotImplementedError

    def lower(self, context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        """Write a call's instructions and give its result's value."""
        raise NotImplementedError


class _Type(types.Callable, types.Opaque):
    """What numba takes a lowered function for."""

    def __init__(self, lowered: Lowered) -> None:
        self.lowered = lowered
        super().__init__(lowered.name)

    @property
    def key(self) -> Lowered:
        return self.lowered

    def get_call_type(self, context: Any, args: tuple[Any, ...], kws: Mapping[str, Any]) -> Signature:
        return Signature(self.lowered.result(args), args, None)

    def get_call_signatures(self) -> tuple[tuple[()], bool]:
        return (), True

    def get_impl_key(self, signature: Any) -> Lowered:
        return self.lowered


register_model(_Type)(models.OpaqueModel)


@typeof_impl.register(Lowered)
def _typeof(lowered, context):
    return _Type(lowered)


@lower_constant(_Type)
def _constant(context, builder, kind, value):
    return context.get_dummy_value()
