"""Writes expressions as formulas, and makes functions of the text that every engine compiles as it does any formula."""

import ast
import functools
import hashlib
import keyword
import linecache
import math
from collections import Counter
from typing import Any

from fastloa_kernels.own.expressions import COMPARISONS, Graph, Node, in_order
from fastloa_kernels.own.functions import FUNCTIONS
from fastloa_kernels.records import Formula

NUMBERS = {"inf": math.inf, "nan": math.nan}  # which have no literals
DEEP = 10  # operations one in another, from which one gets a name of its own
NAMES: dict[str, Any] = {name: function.formula for name, function in FUNCTIONS.items()} | NUMBERS
_OPERATORS: dict[str, type[ast.operator]] = {"+": ast.Add, "-": ast.Sub, "*": ast.Mult, "/": ast.Div}
_COMPARISONS: dict[str, type[ast.cmpop]] = dict(
    zip(COMPARISONS, (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq), strict=True)
)


class Spelling:
    """Names for one scope: those of the source as far as they are ASCII, free, and mean nothing else here."""

    def __init__(self) -> None:
        self._taken = {*NAMES, *keyword.kwlist, *keyword.softkwlist}

    def __call__(self, name: str) -> str:
        plain = "".join(one if one.isascii() and f"_{one}".isidentifier() else f"u{ord(one):x}" for one in name)
        plain = plain if plain.isidentifier() else f"_{plain}"
        found, count = plain, 1
        while found in self._taken:
            count += 1
            found = f"{plain}_{count}"
        self._taken.add(found)
        return found


def written(name: str, graph: Graph, root: Node, arguments: tuple[str, ...]) -> str:
    """The formula called `name` for `root`, which is computed from the arguments."""
    spelling = Spelling()
    texts: dict[Node, ast.expr] = {graph.argument(one): ast.Name(spelling(one)) for one in arguments}
    given = ", ".join(ast.unparse(text) for text in texts.values())
    nodes = in_order([root])
    uses = Counter(operand for node in nodes for operand in node.operands)
    depth: dict[Node, int] = {}
    lines = []
    for node in nodes:
        if node in texts:
            continue
        depth[node] = 1 + max((depth.get(operand, 0) for operand in node.operands), default=-1)
        text = _text(node, [texts[operand] for operand in node.operands])
        named = node in graph.names or uses[node] > 1 or depth[node] >= DEEP
        if named and node.operands and node is not root:
            local = spelling(graph.names.get(node, "part"))
            lines.append(f"    {local} = {ast.unparse(text)}")
            text, depth[node] = ast.Name(local), 0
        texts[node] = text
    return "\n".join([f"def {name}({given}):", *lines, f"    return {ast.unparse(texts[root])}", ""])


def _text(node: Node, operands: list[ast.expr]) -> ast.expr:
    if node.kind == "constant":
        size = abs(node.word)
        text: ast.expr = ast.Constant(size) if math.isfinite(size) else ast.Name(repr(size))
        return ast.UnaryOp(ast.USub(), text) if math.copysign(1.0, node.word) < 0.0 else text
    if node.kind == "negative":
        return ast.UnaryOp(ast.USub(), operands[0])
    if node.kind == "call":
        return ast.Call(ast.Name(node.word), operands, [])
    if node.kind == "choice":
        left, right, chosen, other = operands
        return ast.IfExp(ast.Compare(left, [_COMPARISONS[node.word]()], [right]), chosen, other)
    return ast.BinOp(operands[0], _OPERATORS[node.kind](), operands[1])


@functools.cache
def made(text: str) -> dict[str, Formula]:
    """The functions that the text defines, the same ones for the same text.

    The file's name follows from the text: kernels, which numba's disk cache finds by their content, keep theirs.
    """
    filename = f"<fastloa formula {hashlib.sha256(text.encode()).hexdigest()[:16]}>"
    linecache.cache[filename] = len(text), None, text.splitlines(keepends=True), filename
    names: dict[str, Any] = {"__name__": __name__, **NAMES}
    before = set(names)
    exec(compile(text, filename, "exec"), names)
    found = {name: value for name, value in names.items() if name not in before and name != "__builtins__"}
    for formula in found.values():
        formula.text = text  # for engines that read it, whatever becomes of the cache of lines
    return found
