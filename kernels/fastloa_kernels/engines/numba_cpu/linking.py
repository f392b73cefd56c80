"""How functions inside of kernels are compiled: to LLVM's text, which is linked into the kernel.

numba itself takes each of them to the end, with all of LLVM's passes, machine code and an entry point for C, and then
does it all again for whatever calls it: for the loss of a row that was a third of the time a kernel took to compile.
"""

from typing import Any

from llvmlite.binding import Linkage
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder


class _Library(JITCodeLibrary):
    """Code that is linked into other code alone."""

    def _optimize_final_module(self) -> None:
        """Leave it to the kernel's library, which has the whole."""

    def _finalize_final_module(self) -> None:
        for function in self._final_module.functions:
            if not function.is_declaration and function.linkage == Linkage.external:
                function.linkage = "linkonce_odr"  # as numba links it; it would do so in a copy
        self._finalize_dynamic_globals()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """Give the null pointer, by which numba means that there is no such machine code."""
        self._ensure_finalized()
        return 0

    @property
    def codegen(self) -> Any:
        """Where numba puts what machine code finds at run time: here, where there is none, nowhere."""
        return self

    def set_env(self, name: str, environment: Any) -> None:
        """Do nothing."""


class Linked(CompilerBase):
    """numba's own passes, into a library that is not taken further."""

    def define_pipelines(self) -> list[Any]:
        """See numba's "Customizing the compiler"."""
        self.state.library = _Library(self.state.targetctx.codegen(), self.state.func_id.func_qualname)
        return [DefaultPassBuilder.define_nopython_pipeline(self.state)]
