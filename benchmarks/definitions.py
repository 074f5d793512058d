"""Functions and classes of modules, read from the sources: lines, parameters, types, shapes, docstrings.

Public is what has no underscore in front, nor has a class around it, whatever its module is called; what stands inside
a function is not public.
"""

import ast
from collections.abc import Iterator
from typing import NamedTuple

import jaxtyping
from jaxtyping import AbstractDtype

from benchmarks.structure import Module, last_name, span

ARRAYS = {"Tensor", "ndarray", "NDArray"}
SHAPES = {name for name, one in vars(jaxtyping).items() if isinstance(one, type) and issubclass(one, AbstractDtype)}

Def = ast.FunctionDef | ast.AsyncFunctionDef
Scope = Def | ast.ClassDef
Aliases = dict[str, ast.expr]


class Function(NamedTuple):
    """A function or method: lines of code of its body, all lines from `def` on; arrays count its array parameters."""

    name: str
    public: bool
    method: bool
    lines: int
    length: int
    parameters: int
    typed: bool
    arrays: int
    shaped: int
    documented: bool


class Class(NamedTuple):
    """A class that stands in no function."""

    name: str
    public: bool
    documented: bool


def arrays_of(node: ast.AST, aliases: Aliases) -> Iterator[bool]:
    """For each tensor or array that an annotation names: does it carry a shape, as `Float[Tensor, "n d"]` does?

    Names that the module itself gives to annotations are followed. What a callable takes and gives is not looked at.
    """
    head = last_name(node.value) if isinstance(node, ast.Subscript) else None
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            yield from arrays_of(ast.parse(node.value.strip(), mode="eval").body, aliases)
        except SyntaxError:
            return  # text, not a type
    elif (name := last_name(node)) is not None:
        if name in ARRAYS:
            yield False
        elif name in aliases:
            yield from arrays_of(aliases[name], {other: aliases[other] for other in aliases if other != name})
    elif head in SHAPES and isinstance(node.slice, ast.Tuple):  # type: ignore[attr-defined]
        yield from [True] * any(True for _ in arrays_of(node.slice.elts[0], aliases))  # type: ignore[attr-defined]
    elif head not in {"Callable", "Literal"}:
        for child in ast.iter_child_nodes(node):
            yield from arrays_of(child, aliases)


def names_of_arrays(tree: ast.Module) -> Aliases:
    """`Plane = Float[Tensor, "h w"]` and its like at the top of a module."""
    given = [(node.targets[0], node.value) for node in tree.body if isinstance(node, ast.Assign)]
    given += [(node.target, node.value) for node in tree.body if isinstance(node, ast.AnnAssign) and node.value]
    return {
        target.id: value
        for target, value in given
        if isinstance(target, ast.Name) and isinstance(value, ast.Subscript | ast.BinOp | ast.Name | ast.Attribute)
    }


def parameters(node: Def, method: bool) -> list[ast.arg]:
    """All but the object or class that a method is called on."""
    spec = node.args
    bound = method and "staticmethod" not in map(last_name, node.decorator_list)
    first = [*spec.posonlyargs, *spec.args][bound:]
    return [*first, *spec.kwonlyargs, *(one for one in (spec.vararg, spec.kwarg) if one)]


def function(node: Def, outer: tuple[Scope, ...], module: Module, aliases: Aliases) -> Function:
    """The numbers of one function; the lines of a function inside it are its own, too."""
    method = bool(outer) and isinstance(outer[-1], ast.ClassDef)
    given = parameters(node, method)
    found = [list(arrays_of(one.annotation, aliases)) for one in given if one.annotation]
    return Function(
        name=full_name(node, outer, module),
        public=is_public(node, outer),
        method=method,
        lines=len(module.code & set(span(node.body[0], node))),
        length=len(span(node)),
        parameters=len(given),
        typed=all(one.annotation for one in given) and node.returns is not None,
        arrays=sum(map(bool, found)),
        shaped=sum(bool(one) and all(one) for one in found),
        documented=ast.get_docstring(node) is not None,
    )


def full_name(node: Scope, outer: tuple[Scope, ...], module: Module) -> str:
    """As `package.module.Class.method`."""
    return ".".join([module.name, *(one.name for one in (*outer, node))])


def is_public(node: Scope, outer: tuple[Scope, ...]) -> bool:
    """`__init__` is, since it is how the class is called."""
    hidden = any(isinstance(one, Def) for one in outer)
    return not hidden and not any(one.name.startswith("_") and one.name != "__init__" for one in (*outer, node))


def scopes(node: ast.AST, outer: tuple[Scope, ...] = ()) -> Iterator[tuple[Scope, tuple[Scope, ...]]]:
    """Every function and class, with those around it from the outermost on; declarations of overloads left out."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, Scope):
            yield from scopes(child, outer)
        elif "overload" not in map(last_name, child.decorator_list):
            yield child, outer
            yield from scopes(child, (*outer, child))


def functions_of(module: Module) -> list[Function]:
    """All of a module, methods and functions inside others, too."""
    aliases = names_of_arrays(module.tree)
    return [function(one, outer, module, aliases) for one, outer in scopes(module.tree) if isinstance(one, Def)]


def classes_of(module: Module) -> list[Class]:
    """Those of a module that stand in no function."""
    return [
        Class(full_name(one, outer, module), is_public(one, outer), ast.get_docstring(one) is not None)
        for one, outer in scopes(module.tree)
        if isinstance(one, ast.ClassDef) and not any(isinstance(around, Def) for around in outer)
    ]
