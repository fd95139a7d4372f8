"""Small mistakes that a function's text has room for: one operator, constant, argument or statement is another."""

import ast
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

OPERATORS: dict[type, type] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.And: ast.Or, ast.Or: ast.And, ast.Lt: ast.LtE, ast.LtE: ast.Lt,
    ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitOr,
    ast.MatMult: ast.Mult, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip
NAMES = {"min": "max", "minimum": "maximum", "argmin": "argmax", "any": "all", "sum": "max", "zeros": "ones"}
NAMES |= {other: name for name, other in NAMES.items() if name != "sum"} | {"mean": "sum", "floor": "ceil"}
# Of these the first two arguments are of two kinds: swapped, they fail whatever is asked.
UNLIKE = {"isinstance", "issubclass", "getattr", "setattr", "hasattr", "map", "partial", "filter"}


class Mutant(NamedTuple):
    """One function with one mistake: the text that lies between two offsets of the file, and what replaces it."""

    path: str  # within the package
    line: int
    function: str
    start: int  # bytes of UTF-8
    end: int
    before: str
    after: str

    @property
    def name(self) -> str:
        """Return what tells it from all others of one version of the package."""
        return f"{self.path}:{self.line}, byte {self.start}: {' '.join(self.after.split())}"

    def planted(self, source: bytes) -> bytes:
        """Return the file's text with the mistake in it."""
        return source[: self.start] + self.after.encode() + source[self.end :]


def drawn(package: Path, rooms: tuple[str, ...], count: int, seed: int) -> list[Mutant]:
    """Draw so many mutants of the modules in some of the package's folders, at most one of each function.

    Functions are drawn first and a place in each after that, or long functions would have most of them. A draw of fewer
    is the beginning of a draw of more.
    """
    paths = [path for room in rooms for path in sorted((package / room).rglob("*.py"))]
    functions = [places for path in paths for places in mutants(path, package)]
    generator = random.Random(seed)
    generator.shuffle(functions)
    return [generator.choice(places) for places in functions[:count]]


def mutants(path: Path, package: Path) -> Iterator[list[Mutant]]:
    """Yield all mutants of each function of a file that has any, those of functions within it among them."""
    source = path.read_bytes()
    lines = [0]
    for line in source.splitlines(keepends=True):
        lines.append(lines[-1] + len(line))
    for name, function in _functions(ast.parse(source), ""):
        found = []
        for node, after in _mistakes(function):
            assert node.end_lineno is not None and node.end_col_offset is not None  # noqa: PT018 (of a parser)
            start = lines[node.lineno - 1] + node.col_offset
            end = lines[node.end_lineno - 1] + node.end_col_offset
            relative = path.relative_to(package).as_posix()
            before = source[start:end].decode()
            found.append(Mutant(relative, node.lineno, name, start, end, before, after))
        if found:
            yield found


def _functions(node: ast.AST, within: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Yield functions and methods by their dotted names; what is inside a function is a part of it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef):
            yield within + child.name, child
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{within}{child.name}.")


def _mistakes(function: ast.FunctionDef) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """Yield pairs of a node of the function's body and the text that is to stand in its place."""
    for statement in function.body:
        for node in _inside(statement):
            if isinstance(node, ast.stmt) and _can_be_left_out(node):
                yield node, "pass"
            elif isinstance(node, ast.expr):
                # In brackets, since what replaces an operand may bind less than it.
                yield from ((node, f"({ast.unparse(other)})") for other in _others(node))


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a statement's nodes but for annotations, which are not run, and formatted text, whose places are unsure."""
    yield node
    for field, value in ast.iter_fields(node):
        if field not in ("annotation", "returns", "decorator_list") and not isinstance(node, ast.JoinedStr):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _inside(child)


def _can_be_left_out(statement: ast.stmt) -> bool:
    is_call = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
    return is_call or isinstance(statement, ast.AugAssign | ast.Raise)


def _others(node: ast.expr) -> Iterator[ast.expr]:
    """Yield what an expression might have been by mistake."""
    match node:
        case ast.BinOp(left, operator, right):
            yield ast.BinOp(left, OPERATORS[type(operator)](), right)
        case ast.BoolOp(operator, values):
            yield ast.BoolOp(OPERATORS[type(operator)](), values)
        case ast.Compare(left, [operator, *rest], comparators):
            yield ast.Compare(left, [OPERATORS[type(operator)](), *rest], comparators)
        case ast.UnaryOp(ast.Not() | ast.USub(), operand):
            yield operand
        case ast.IfExp(test, body, other):
            yield ast.IfExp(test, other, body)
        case ast.Constant(bool() | int() | float() as value):
            yield ast.Constant(not value if isinstance(value, bool) else value + 1)
        case ast.Call() | ast.Attribute() | ast.Name():
            yield from _confused(node)


def _confused(node: ast.Call | ast.Attribute | ast.Name) -> Iterator[ast.expr]:
    """Yield a call with its first two arguments swapped, or another function's name."""
    simple = ast.Name | ast.Attribute | ast.Subscript
    match node:
        case ast.Call(function, [first, second, *rest], keywords) if isinstance(first, simple):
            is_like = isinstance(second, simple) and ast.dump(first) != ast.dump(second)
            if is_like and ast.unparse(function).split(".")[-1] not in UNLIKE:
                yield ast.Call(function, [second, first, *rest], keywords)
        case ast.Attribute(value, name) if name in NAMES:
            yield ast.Attribute(value, NAMES[name])
        case ast.Name(name) if name in NAMES:
            yield ast.Name(NAMES[name])
