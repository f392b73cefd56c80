"""The grammar of formulas: what every engine can take."""

import ast
import inspect
import math
from pathlib import Path

import pytest
from fastloa_kernels import formulas, primitives
from fastloa_kernels.formulas import elementary, resolve

ALLOWED_NODES = (
    ast.arguments, ast.arg, ast.Return, ast.Assign, ast.Name, ast.Load, ast.Store, ast.Tuple, ast.Constant, ast.BinOp,
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.UnaryOp, ast.USub, ast.Compare, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq,
    ast.NotEq, ast.IfExp, ast.Call,
)  # fmt: skip


def faults(node, namespace):
    """What in a function breaks the grammar that ``fastloa_kernels.formulas`` states; nothing, for a formula."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    local = {argument.arg for argument in node.args.args}
    local |= {name.id for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)}
    found = []
    if node.end_lineno - node.lineno >= 25:
        found.append("is longer than 25 lines")
    if node.decorator_list or node.args.defaults or node.args.kwonlyargs or node.args.kwarg or node.args.vararg:
        found.append("takes more than positional arguments")
    if not body or not isinstance(body[-1], ast.Return) or any(isinstance(line, ast.Return) for line in body[:-1]):
        found.append("returns elsewhere than in its last line")
    for part in (part for line in [node.args, *body] for part in ast.walk(line)):
        found += [reason for reason in [fault(part, local, namespace)] if reason]
    return found


def fault(part, local, namespace):
    if not isinstance(part, ALLOWED_NODES):
        return f"holds {type(part).__name__}"
    if isinstance(part, ast.Constant) and type(part.value) is not float:
        return f"holds {part.value!r}, which is no float literal"
    if isinstance(part, ast.Compare) and len(part.ops) > 1:
        return "chains comparisons"
    if isinstance(part, ast.Call):
        if not isinstance(part.func, ast.Name) or part.keywords:
            return f"calls {ast.unparse(part.func)} other than by bare name and position"
        return None if callable_by_name(part.func.id, namespace) else f"calls {part.func.id}, which is no formula"
    if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load) and part.id not in local:
        meaning = namespace.get(part.id)
        return None if type(meaning) is float or callable_by_name(part.id, namespace) else f"names {part.id}"
    return None


def callable_by_name(name, namespace):
    meaning = namespace.get(name)
    if meaning is None:
        return name in resolve.BUILTINS
    return meaning in resolve.PRIMITIVES.values() or (
        resolve.is_formula(meaning) and meaning.__module__.startswith(formulas.__name__)
    )


FILES = [
    path
    for path in sorted(Path(formulas.__file__).parent.glob("*.py"))
    if path.stem not in {"__init__", "reading", "resolve"}
]


def module_of(path):
    return __import__(f"{formulas.__name__}.{path.stem}", fromlist=["_"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_formulas_keep_to_their_grammar(path):
    tree, namespace = ast.parse(path.read_text()), vars(module_of(path))
    found = {node.name: faults(node, namespace) for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert {name: reasons for name, reasons in found.items() if reasons} == {}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_modules_of_formulas_hold_nothing_else(path):
    for node in ast.parse(path.read_text()).body:
        assert isinstance(node, ast.FunctionDef | ast.ImportFrom | ast.Assign | ast.Expr), ast.unparse(node)
        if isinstance(node, ast.ImportFrom):
            assert node.module.startswith("fastloa_kernels")
        if isinstance(node, ast.Expr):
            assert isinstance(node.value, ast.Constant)


def test_both_versions_have_every_name_of_the_vocabulary():
    for name, meaning in elementary.VOCABULARY.items():
        assert meaning is elementary.VERSIONS["float64"][name]
        assert inspect.signature(elementary.VERSIONS["float32"][name]) == inspect.signature(meaning)


WRONG = {
    "return x**2.0": "holds Pow",
    "return 2 * x": "no float literal",
    "return max(x, 0.0)": "calls max",
    "return math.exp(x)": "other than by bare name",
    "return 0.0 if x < 0.0 and x > -1.0 else x": "holds BoolOp",
    "return 0.0 if -1.0 < x < 1.0 else x": "chains comparisons",
    "return isnan(x)": "calls isnan",
    "return fma(x, x, z=x)": "other than by bare name",
    "return not x": "holds Not",
    "return undefined": "names undefined",
    "return (lambda y: y)(x)": "holds Lambda",
    "return x if x else True": "no float literal",
    "if x < 0.0:\n        return 0.0\n    return x": "holds If",
    "for i in x:\n        x = i\n    return x": "holds For",
    "x += 1.0\n    return x": "holds AugAssign",
    "y: float = x\n    return y": "holds AnnAssign",
    "x = x + 1.0": "returns elsewhere",
    "\n    ".join(["x = x + 1.0"] * 25 + ["return x"]): "longer than 25 lines",
}


@pytest.mark.parametrize(("body", "reason"), list(WRONG.items()), ids=list(WRONG.values()))
def test_the_grammar_finds(body, reason):
    node = ast.parse(f"def f(x):\n    {body}\n").body[0]
    assert any(reason in found for found in faults(node, {"fma": primitives.fma, "math": math}))


def test_the_grammar_finds_defaults_and_decorators():
    for source in (
        "def f(x, y=1.0): return x",
        "def f(*x): return x",
        "def f(*, x): return x",
        "@g\ndef f(x): return x",
    ):
        assert any("more than positional" in found for found in faults(ast.parse(source).body[0], {}))
