"""The source of a function, and errors that point into it."""

import __future__

import ast
import dis
import inspect
import types
from collections.abc import Iterator, Mapping
from typing import Any


class FormulaError(TypeError):
    """A formula holds what has no counterpart in compiled code; the message names file, line and source."""


def parameters_of(function: Any) -> Mapping[str, inspect.Parameter]:
    """The parameters of a function itself, and not of what it wraps."""
    return inspect.signature(function, follow_wrapped=False).parameters


# Instructions that follow from where a function stands, and not from what it does.
AROUND = ("CACHE", "COPY_FREE_VARS", "EXTENDED_ARG", "MAKE_CELL", "NOP", "PRECALL", "PUSH_NULL", "RESUME")
# What those that are said in several ways have in common, by the beginnings of their names.
FAMILIES = {
    "LOAD_GLOBAL": "name", "LOAD_NAME": "name", "LOAD_DEREF": "name", "LOAD_CLASSDEREF": "name",
    "LOAD_FROM_DICT_OR": "name", "LOAD_ATTR": "attribute", "LOAD_METHOD": "attribute",
}  # fmt: skip


def _within(code: types.CodeType) -> Iterator[types.CodeType]:
    return (one for one in code.co_consts if isinstance(one, types.CodeType))


def _work(code: types.CodeType) -> list[Any]:
    """What code computes, of which names and numbers; how it finds names depends on the module around it."""
    steps = [step for step in dis.get_instructions(code) if step.opname not in AROUND]
    found: list[Any] = [code.co_name, code.co_varnames]
    for step in steps:
        word = next((word for name, word in FAMILIES.items() if step.opname.startswith(name)), step.opname)
        value = step.argval
        if "JUMP" in step.opname:
            value = sum(other.offset < value for other in steps)
        found.append((word, _work(value) if isinstance(value, types.CodeType) else repr(value)))
    return found


class Source:
    """A function's syntax tree, its names, and where it stands.

    `operation` is the public name that errors begin with.
    """

    def __init__(self, operation: str, function: Any, what: str = "function") -> None:
        self.operation, self.function, self._what = operation, function, what
        if not inspect.isfunction(function):
            came = type(function).__name__
            raise FormulaError(f"{operation}: {what} must be a function written with def, got {came}")
        self._code = function.__code__
        try:
            # Of the code: of the function, Python would look through to what it wraps.
            lines, self._start = inspect.getsourcelines(self._code)
        except (OSError, TypeError):
            raise FormulaError(
                f"{operation}: {what} must stand in a file or a notebook, where its source can be read, "
                f"got {function.__name__!r} from {self._code.co_filename}"
            ) from None
        self._lines, self._first = lines, self._start
        self.tree = self._parsed("".join(lines))

    def _parsed(self, text: str) -> ast.FunctionDef:
        if text[:1].isspace():
            text = f"if True:\n{text}"
            self._first -= 1
        try:
            body: list[ast.stmt] = ast.parse(text).body
        except SyntaxError:  # the rest of a line that holds a lambda
            body = []
        if body and isinstance(body[0], ast.If):
            body = body[0].body
        found = body[0] if body else None
        if isinstance(found, ast.FunctionDef) and self._is_of_the_code(found):
            return found
        raise FormulaError(
            f"{self.operation}: {self._what} must be a function written with def, in a file as it was imported, "
            f"got {self.function.__name__!r} at {self._code.co_filename}:{self._code.co_firstlineno}"
        )

    def _is_of_the_code(self, found: ast.FunctionDef) -> bool:
        """Whether Python makes the function's code of what was found: the file may have changed since."""
        outer = ast.parse("def outer(): pass")
        (inside,) = outer.body
        assert isinstance(inside, ast.FunctionDef)
        around = self._code.co_freevars
        inside.body = [ast.Assign([ast.Name(name, ast.Store())], ast.Constant(None)) for name in around]
        inside.body += [*([] if found.name in around else [ast.Global([found.name])]), found]
        decorators, found.decorator_list = found.decorator_list, []
        flags = self._code.co_flags & __future__.annotations.compiler_flag
        made = compile(ast.fix_missing_locations(outer), "", "exec", flags, dont_inherit=True)
        found.decorator_list = decorators
        return any(_work(code) == _work(self._code) for one in _within(made) for code in _within(one))

    def error(self, node: Any, expected: str) -> FormulaError:
        """To be raised: `node` must be what is expected."""
        number = self._first + node.lineno - 1
        line = self._lines[number - self._start].strip()
        came = line if isinstance(node, ast.stmt) else ast.unparse(node)
        within = "" if came == line else f" in {line!r}"
        where = f"{self._code.co_filename}:{number}"
        return FormulaError(f"{self.operation}: {where} must {expected}, got {came!r}{within}")

    def meaning(self, name: str) -> Any:
        """What a name means outside of the function; raises KeyError where it means nothing."""
        cells = dict(zip(self._code.co_freevars, self.function.__closure__ or (), strict=True))
        if name in cells:
            try:
                return cells[name].cell_contents
            except ValueError:
                raise KeyError(name) from None
        namespace = self.function.__globals__
        if name in namespace:
            return namespace[name]
        found = namespace["__builtins__"]
        return (found if isinstance(found, dict) else vars(found))[name]

    @property
    def locals(self) -> tuple[str, ...]:
        return self._code.co_varnames + self._code.co_cellvars
