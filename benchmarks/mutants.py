"""Small faults of Python source, one at a time: each a text that parses and is another program, by its syntax tree.

Annotations, decorators, docstrings, f-strings and what a `raise` says are left alone: they decide nothing, or pydantic
and the types already guard them.
"""

import ast
import copy
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

# an operator and those that it is exchanged for
_OPERATORS: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.GtE), ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
    ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.Div,), ast.Div: (ast.Mult,), ast.FloorDiv: (ast.Div,),
    ast.Mod: (ast.FloorDiv,), ast.Pow: (ast.Mult,), ast.BitAnd: (ast.BitOr,), ast.BitOr: (ast.BitAnd,),
    ast.And: (ast.Or,), ast.Or: (ast.And,),
}  # fmt: skip
# names that are exchanged for each other
_TWINS = [
    ("audio", "video"), ("has_audio", "has_video"), ("has_p", "has_q"), ("pp", "qq"), ("pq", "qp"), ("near", "far"),
    ("seen", "unseen"), ("best_seen", "best_unseen"), ("positive", "negative"),
    ("sum", "mean"), ("min", "max"), ("amin", "amax"), ("minimum", "maximum"), ("argmin", "argmax"), ("any", "all"),
    ("zeros", "ones"), ("new_zeros", "new_ones"), ("start", "size"), ("rows", "order"),
]  # fmt: skip
# methods that give back something of the same kind, so that the call may be left out
_PASSING = {
    "detach", "clone", "clamp", "double", "float", "long", "to", "abs", "sqrt", "square", "relu", "flip", "contiguous",
    "repeat_interleave", "cumsum", "fill_", "mul_", "sort", "copy", "squeeze", "cpu", "exp",
}  # fmt: skip


class Mutant(NamedTuple):
    """A changed piece of a file: bytes `start` to `end` become `new`; the line, and what was changed how."""

    start: int
    end: int
    new: str
    line: int
    old: str
    kind: str

    def apply(self, source: str) -> str:
        """The changed file."""
        data = source.encode()
        return (data[: self.start] + self.new.encode() + data[self.end :]).decode()


def mutants(source: str, kinds: Collection[str] | None = None) -> list[Mutant]:
    """All of them, or those of these kinds, in the order of the file."""
    tree = ast.parse(source)
    lines = [0]
    for line in source.encode().splitlines(keepends=True):
        lines.append(lines[-1] + len(line))
    data = source.encode()
    found: dict[tuple[int, int, str], Mutant] = {}
    for node, names in _nodes(tree, frozenset()):
        for kind, place, new in _changes(node, names):
            start = lines[place.lineno - 1] + place.col_offset
            end = lines[(place.end_lineno or 0) - 1] + (place.end_col_offset or 0)
            if kinds is not None and kind not in kinds:
                continue
            text = new if isinstance(new, str) else ast.unparse(new)
            if isinstance(new, ast.BinOp | ast.BoolOp | ast.Compare | ast.UnaryOp | ast.IfExp):
                text = f"({text})"
            one = Mutant(start, end, text, place.lineno, data[start:end].decode(), kind)
            if text != one.old if isinstance(new, str) else ast.dump(new) != ast.dump(place):
                found.setdefault((start, end, text), one)
    return sorted(found.values())


def _nodes(node: ast.AST, names: frozenset[str]) -> Iterator[tuple[ast.expr | ast.stmt, frozenset[str]]]:
    """Statements and expressions that decide something, each with the identifiers of its function."""
    if isinstance(node, ast.FunctionDef):
        names = frozenset(one.id for one in ast.walk(node) if isinstance(one, ast.Name)) | {
            one.arg for one in ast.walk(node) if isinstance(one, ast.arg)
        }
    for key, value in ast.iter_fields(node):
        if key in ("annotation", "returns", "decorator_list", "bases", "exc", "keywords") and not isinstance(
            node, ast.Call
        ):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.JoinedStr | ast.Import | ast.ImportFrom):
                continue
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                continue  # a docstring, or `...`
            if isinstance(child, ast.Subscript) and isinstance(child.value, ast.Name) and child.value.id[0].isupper():
                continue  # a type, as in Literal["audio", "video"]
            if isinstance(child, ast.expr | ast.stmt):
                yield child, names
            yield from _nodes(child, names)


def _changed(node: ast.AST, change: Callable[[ast.AST], object]) -> ast.AST:
    other = copy.deepcopy(node)
    change(other)
    return other


def _changes(
    node: ast.expr | ast.stmt, names: frozenset[str]
) -> Iterator[tuple[str, ast.expr | ast.stmt, ast.AST | str]]:
    """The kind of each fault that this node can have, the part that it changes, and what then stands there."""
    ways = {
        ast.Compare: _compare, ast.BinOp: _operation, ast.BoolOp: _operation, ast.UnaryOp: _unary,
        ast.Constant: _constant, ast.IfExp: _either, ast.Call: _call, ast.Subscript: _subscript,
        ast.ListComp: _comprehension, ast.DictComp: _comprehension, ast.GeneratorExp: _comprehension,
    }  # fmt: skip
    if type(node) in ways:
        yield from ((kind, node, new) for kind, new in ways[type(node)](node))  # type: ignore[operator]
    elif isinstance(node, ast.Name | ast.Attribute):
        yield from ((kind, node, new) for kind, new in _twin(node, names))
    elif isinstance(node, ast.If | ast.While):
        yield "condition turned round", node.test, ast.UnaryOp(ast.Not(), node.test)
        yield "never", node.test, ast.Constant(False)
    elif isinstance(node, ast.For):
        yield "only the first", node.iter, _only_first(node.iter)
    elif isinstance(node, ast.stmt):
        yield from ((kind, node, new) for kind, new in _statement(node))


def _others(operator: ast.AST) -> Iterator[ast.AST]:
    return (other() for other in _OPERATORS.get(type(operator), ()))


def _compare(node: ast.Compare) -> Iterator[tuple[str, ast.AST]]:
    for place, operator in enumerate(node.ops):
        for other in _others(operator):
            yield "comparison", _changed(node, lambda n, p=place, o=other: n.ops.__setitem__(p, o))


def _operation(node: ast.BinOp | ast.BoolOp) -> Iterator[tuple[str, ast.AST]]:
    for other in _others(node.op):
        yield "operator", _changed(node, lambda n, o=other: setattr(n, "op", o))


def _unary(node: ast.UnaryOp) -> Iterator[tuple[str, ast.AST]]:
    yield "sign or not dropped", node.operand


def _constant(node: ast.Constant) -> Iterator[tuple[str, ast.AST | str]]:
    value = node.value
    if isinstance(value, bool):
        yield "constant", str(not value)
    elif isinstance(value, int):
        yield "constant", str(value + 1)
        yield "constant", f"({value - 1})" if value < 1 else str(value - 1)
    elif isinstance(value, float):
        yield "constant", repr(value * 2 if value else 1.0)
        yield "constant", repr(value / 2 if value else -1.0)
    elif isinstance(value, str):
        other = _twins_of(value)
        yield "string", repr(other[0] if other else f"{value}?")


def _either(node: ast.IfExp) -> Iterator[tuple[str, ast.AST]]:
    yield "branches exchanged", ast.IfExp(node.test, node.orelse, node.body)


def _call(node: ast.Call) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node.func, ast.Attribute) and node.func.attr in _PASSING and ast.unparse(node.func.value) != "torch":
        yield "call dropped", node.func.value
    for place in range(len(node.keywords)):
        yield "argument dropped", _changed(node, lambda n, p=place: n.keywords.pop(p))
    if len(node.args) > 1:
        yield "argument dropped", _changed(node, lambda n: n.args.pop())
    for place in range(len(node.args) - 1):
        pair = node.args[place : place + 2]
        yield (
            "arguments exchanged",
            _changed(node, lambda n, p=place, o=pair: n.args.__setitem__(slice(p, p + 2), o[::-1])),
        )


def _subscript(node: ast.Subscript) -> Iterator[tuple[str, ast.AST]]:
    if not isinstance(node.slice, ast.Slice):
        return
    for end in ("lower", "upper"):
        bound = getattr(node.slice, end)
        if bound is not None:
            more = ast.BinOp(bound, ast.Add(), ast.Constant(1))
            yield "slice", _changed(node, lambda n, e=end, m=more: setattr(n.slice, e, m))
            yield "slice", _changed(node, lambda n, e=end: setattr(n.slice, e, None))


def _only_first(what: ast.expr) -> ast.AST:
    return ast.parse(f"list({ast.unparse(what)})[:1]", mode="eval").body


def _comprehension(node: ast.ListComp | ast.DictComp | ast.GeneratorExp) -> Iterator[tuple[str, ast.AST]]:
    first = _only_first(node.generators[0].iter)
    yield "only the first", _changed(node, lambda n: setattr(n.generators[0], "iter", first))
    for place in range(len(node.generators[0].ifs)):
        yield "condition dropped", _changed(node, lambda n, p=place: n.generators[0].ifs.pop(p))


def _twins_of(name: str) -> list[str]:
    return [pair[1 - pair.index(name)] for pair in _TWINS if name in pair]


def _twin(node: ast.Name | ast.Attribute, names: frozenset[str]) -> Iterator[tuple[str, ast.AST]]:
    key = "id" if isinstance(node, ast.Name) else "attr"
    for other in _twins_of(getattr(node, key)):
        if key == "attr" or other in names:
            yield "name exchanged", _changed(node, lambda n, k=key, o=other: setattr(n, k, o))


def _statement(node: ast.stmt) -> Iterator[tuple[str, ast.AST | str]]:
    stores = isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript | ast.Attribute)
    if stores or isinstance(node, ast.Expr | ast.AugAssign | ast.Raise | ast.Delete | ast.Continue):
        yield "statement dropped", "pass"
    elif isinstance(node, ast.Return) and node.value is not None:
        yield "nothing returned", "return None"
