"""Small mistakes in a module, made on its syntax tree. Pure: no file is touched, nothing is imported.

A mutant names a statement by the function that it stands in and its own text, as `ast.unparse` writes it, so
that it survives whatever changes around it. A compound statement is named by its first line alone.
"""

import ast
import copy
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

Body = list[ast.stmt]
Place = tuple[str, Body, int]
NEGATED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
SWAPPED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Div: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}  # fmt: skip
# Not a kernel's work: what is imported or defined, and what is raised where nothing should be right.
LEFT = (
    ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Pass, ast.Raise,
    ast.Assert, ast.Global, ast.Nonlocal, ast.Match,
)  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """Statements of a function, one after the other, and what takes their place."""

    module: str
    # Qualified; empty for the module itself.
    function: str
    before: str
    after: str
    # Which of those that read the same in this function.
    which: int = 0
    line: int = 0
    kind: str = ""

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        return self.module, self.function, self.before, self.after, self.which


def mutated(mutant: Mutant, source: str) -> str:
    """Return a module's source with the mistake in it. Raises LookupError if its statement is not there."""
    tree = ast.parse(source)
    wanted = mutant.before.splitlines()
    number = -1
    for function, body, i in places(tree):
        if function == mutant.function and [text(s) for s in body[i : i + len(wanted)]] == wanted:
            number += 1
            if number == mutant.which:
                body[i : i + len(wanted)] = replacement(mutant.after, body[i : i + len(wanted)])
                return ast.unparse(ast.fix_missing_locations(tree)) + "\n"
    raise LookupError(f"{mutant.module}: {mutant.function} has no {mutant.before!r}")


def replacement(after: str, old: Sequence[ast.stmt]) -> Body:
    """Return the statements that a text means: a first line alone keeps the body that was there."""
    if not after.strip():
        return [ast.Pass()]
    if not after.rstrip().endswith(":"):
        return ast.parse(after).body
    (new,) = ast.parse(after + "\n    pass").body
    for name in ("body", "orelse"):
        if hasattr(new, name):
            setattr(new, name, getattr(old[0], name, []))
    return [new]


def text(statement: ast.stmt) -> str:
    """Return a statement in one line, a compound one without what is inside."""
    if not hasattr(statement, "body"):
        return ast.unparse(statement).replace("\n", "\\n")
    bare = copy.copy(statement)
    for name, value in (("body", [ast.Pass()]), ("orelse", []), ("handlers", []), ("decorator_list", [])):
        if hasattr(bare, name):
            setattr(bare, name, value)
    if isinstance(bare, ast.Try):
        bare.finalbody = [ast.Pass()]
    return ast.unparse(bare).split("\n    pass")[0]


def places(tree: ast.AST, function: str = "") -> Iterator[Place]:
    """Yield every statement as its function's name, the list that it stands in, and where."""
    for name in ("body", "orelse", "finalbody"):
        body = getattr(tree, name, None)
        if not isinstance(body, list):
            continue
        for i, statement in enumerate(list(body)):
            yield function, body, i
            inner = function
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inner = f"{function}.{statement.name}".lstrip(".")
            yield from places(statement, inner)
    for handler in getattr(tree, "handlers", []):
        yield from places(handler, function)
    for case in getattr(tree, "cases", []):
        yield from places(case, function)


def mutants(module: str, source: str) -> list[Mutant]:
    """Return all mutants of a module's statements, each once, in the order of its lines."""
    found: dict[tuple[object, ...], Mutant] = {}
    seen: dict[tuple[str, str], int] = {}
    for function, body, i in places(ast.parse(source)):
        statement = body[i]
        if isinstance(statement, LEFT) or _is_text(statement):
            continue
        before = text(statement)
        which = seen[function, before] = seen.get((function, before), -1) + 1
        for kind, after in changes(statement):
            mutant = Mutant(module, function, before, after, which, statement.lineno, kind)
            if after != before:
                found.setdefault(mutant.key, mutant)
    return list(found.values())


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def changes(statement: ast.stmt) -> Iterator[tuple[str, str]]:
    """Yield every small mistake in a statement as its kind and the statement's new text."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        yield "call removed", ""
    elif not isinstance(statement, ast.Try):
        yield "statement removed", ""
    bare = copy.deepcopy(statement)
    for name in ("body", "orelse"):
        if isinstance(getattr(bare, name, None), list):
            setattr(bare, name, [ast.Pass()] if name == "body" else [])
    if isinstance(bare, ast.If | ast.While):
        yield "condition negated", _with(bare, "test", negated(bare.test))
    for node in [n for n in ast.walk(bare) if isinstance(n, ast.expr | ast.Slice)]:
        for kind, name, value in mistakes(node):
            yield kind, _changed(bare, node, name, value)


def _with(bare: ast.stmt, name: str, value: object) -> str:
    return _changed(bare, bare, name, value)


def _changed(bare: ast.stmt, node: ast.AST, name: str, value: object) -> str:
    """Return the statement's text while one of its nodes has another value."""
    old = getattr(node, name)
    setattr(node, name, value)
    try:
        return text(bare)
    finally:
        setattr(node, name, old)


def negated(test: ast.expr) -> ast.expr:
    """Return the opposite of a condition."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return test.operand
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        return ast.Compare(test.left, [NEGATED[type(test.ops[0])]()], test.comparators)
    return ast.UnaryOp(ast.Not(), test)


def mistakes(node: ast.AST) -> Iterator[tuple[str, str, object]]:
    """Yield the small mistakes in one expression: a kind, an attribute, and its wrong value."""
    match node:
        case ast.Constant(value=int() as value) if not isinstance(value, bool):
            yield "constant + 1", "value", value + 1
            yield "constant - 1", "value", value - 1
        case ast.Compare():
            for i, op in enumerate(node.ops):
                yield "comparison negated", "ops", [*node.ops[:i], NEGATED[type(op)](), *node.ops[i + 1 :]]
        case ast.BoolOp():
            yield "and, or swapped", "op", ast.Or() if isinstance(node.op, ast.And) else ast.And()
        case ast.IfExp():
            yield "condition negated", "test", negated(node.test)
        case ast.BinOp() if type(node.op) in SWAPPED:
            yield "operator swapped", "op", SWAPPED[type(node.op)]()
        case ast.Slice():
            for name in ("lower", "upper"):
                if (bound := getattr(node, name)) is not None and not isinstance(bound, ast.Constant):
                    yield "slice off by one", name, plus(bound, 1 if name == "lower" else -1)
        case ast.Subscript() if isinstance(node.slice, ast.Name | ast.Attribute | ast.BinOp):
            yield "subscript off by one", "slice", plus(node.slice, 1)
        case ast.Call():
            yield from _in_call(node)


def _in_call(node: ast.Call) -> Iterator[tuple[str, str, object]]:
    args = node.args
    if isinstance(node.func, ast.Name) and node.func.id == "range":
        last = min(1, len(args) - 1)
        yield "loop shortened", "args", [*args[:last], plus(args[last], -1), *args[last + 1 :]]
    for i in range(len(args) - 1):
        if not isinstance(args[i], ast.Starred) and not isinstance(args[i + 1], ast.Starred):
            yield "arguments swapped", "args", [*args[:i], args[i + 1], args[i], *args[i + 2 :]]


def plus(value: ast.expr, by: int) -> ast.expr:
    """Return an expression that is larger by 1, or smaller."""
    return ast.BinOp(value, ast.Add() if by > 0 else ast.Sub(), ast.Constant(1))


def source_of(module: str) -> Path:
    """Return the file of a module, which is not imported for that; the package that it stands in is."""
    found = importlib.util.find_spec(module)
    if not found or not found.origin:
        raise LookupError(f"{module} has no source")
    return Path(found.origin)


def modules(start: str, belongs: Callable[[str], bool]) -> list[str]:
    """Return the modules that one imports, itself first, as far as they belong.

    A package's __init__ is left out: a runtime says there what it is and how it starts.
    """
    found: list[str] = []
    waiting = [start]
    while waiting:
        module = waiting.pop(0)
        if module not in found and belongs(module) and is_file(module):
            found.append(module)
            waiting += imported(ast.parse(source_of(module).read_text()), module.rpartition(".")[0])
    return found


def is_file(module: str) -> bool:
    """Tell whether there is such a module, and it is no package."""
    # Looking for a name in a module would import that one, and all that it imports.
    package = importlib.util.find_spec(module.rpartition(".")[0])
    inside = package is not None and package.submodule_search_locations is not None
    return inside and importlib.util.find_spec(module) is not None and source_of(module).name != "__init__.py"


def imported(tree: ast.AST, package: str) -> list[str]:
    """Return the modules that a tree imports anywhere; some may be names in a module."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            up = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*up, *([node.module] if node.module else [])])
            found += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return found
