"""The public interface as text, read from the source: `python -m tests.public_api` writes it to `public_api.txt`.

A change of a name, a parameter, a default or a type shows in the diff of that file.
"""

import ast
import importlib.util
from pathlib import Path

import avgzsl

FILE = Path(__file__).with_name("public_api.txt")


def public_api() -> str:
    """One line a call; a class with its fields and methods below it."""
    return "\n".join(line for name in sorted(avgzsl.__all__) for line in lines_of(name)) + "\n"


def lines_of(name: str) -> list[str]:
    """The lines of one name of `avgzsl`."""
    module = getattr(avgzsl, name).__module__
    tree = ast.parse(Path(importlib.util.find_spec(module).origin).read_text())
    defined = next(node for node in tree.body if getattr(node, "name", None) == name)
    where = f"  # {module}"
    if isinstance(defined, ast.FunctionDef):
        return [signature(defined) + where]
    return [f"class {name}({', '.join(map(ast.unparse, defined.bases))}){where}", *members(defined)]


def members(defined: ast.ClassDef) -> list[str]:
    """Public fields and methods of a class, in their order."""
    lines = []
    for node in defined.body:
        if isinstance(node, ast.AnnAssign) and not ast.unparse(node.target).startswith("_"):
            lines.append(ast.unparse(node))
        elif isinstance(node, ast.FunctionDef) and (node.name == "__call__" or not node.name.startswith("_")):
            lines += [f"@{ast.unparse(decorator)}" for decorator in node.decorator_list]
            lines.append(signature(node))
    return [f"    {line}" for line in lines]


def signature(function: ast.FunctionDef) -> str:
    """A function's name, parameters and result."""
    result = "" if function.returns is None else f" -> {ast.unparse(function.returns)}"
    return f"{function.name}({ast.unparse(function.args)}){result}"


if __name__ == "__main__":
    FILE.write_text(public_api())
