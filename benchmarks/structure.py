"""Modules, rooms and imports of a package, read from its sources: nothing of it is run or imported.

What stands directly inside the package is a room: a folder with all that is in it, or a loose module. The few modules
of GROUND, which everything may use or which only start the package, are the ground floor and no room. An arrow leads
from what imports to what is imported. Imports that a string names (importlib) are not seen.
"""

import ast
import io
import sys
import tokenize
import warnings
from collections.abc import Collection, Iterator
from configparser import ConfigParser
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

GROUND, GROUND_FLOOR = {"__init__", "__main__", "errors", "types"}, "(ground floor)"
NO_CODE = {
    tokenize.ENCODING, tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
    tokenize.ENDMARKER,
}  # fmt: skip

Arrow = tuple[str, str]


class Module(NamedTuple):
    """A module by its dotted name; `code` are the numbers of its lines of code, `length` counts all its lines."""

    name: str
    path: Path
    room: str
    tree: ast.Module
    code: frozenset[int]
    length: int


class Package(NamedTuple):
    """Modules by name, the arrows between them, and those that are there for types only."""

    root: Path
    modules: dict[str, Module]
    arrows: set[Arrow]
    for_types: set[Arrow]


def span(first: ast.expr | ast.stmt, last: ast.expr | ast.stmt | None = None) -> range:
    """The numbers of the lines from one node to the end of another, or of itself."""
    return range(first.lineno, ((last or first).end_lineno or 0) + 1)


def lines_of_code(source: bytes, tree: ast.Module) -> frozenset[int]:
    """Lines that are more than a comment, a blank or a docstring; any string that stands alone is one."""
    alone = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]
    texts = {
        line for one in alone if isinstance(one, ast.Constant) and isinstance(one.value, str) for line in span(one)
    }
    found: set[int] = set()
    for token in tokenize.tokenize(io.BytesIO(source).readline):
        text = token.type == tokenize.STRING and token.start[0] in texts
        if token.type not in NO_CODE and not text:
            found.update(range(token.start[0], token.end[0] + 1))
    return frozenset(found)


def read_modules(root: Path) -> Iterator[Module]:
    """Every module below the folder. What this Python cannot parse is named on the terminal and left out."""
    for path in sorted(root.rglob("*.py")):
        inside = path.relative_to(root)
        if any(part.startswith(".") for part in inside.parts):
            continue
        source = path.read_bytes()
        try:
            with warnings.catch_warnings(action="ignore"):
                tree = ast.parse(source)
            code = lines_of_code(source, tree)
        except (SyntaxError, ValueError, tokenize.TokenError) as error:
            print(f"{path}: left out, since it cannot be parsed ({error})", file=sys.stderr)
            continue
        parts = inside.with_suffix("").parts
        room = GROUND_FLOOR if len(parts) == 1 and parts[0] in GROUND else parts[0]
        name = ".".join((root.name, *(parts[:-1] if parts[-1] == "__init__" else parts)))
        yield Module(name, path, room, tree, code, len(source.splitlines()))


def last_name(node: ast.AST) -> str | None:
    """`c` of `c` or of `a.b.c`."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else None


def import_statements(node: ast.AST, for_types: bool = False) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Those of a module, also inside functions; and whether they stand under `if TYPE_CHECKING`."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield node, for_types
    guarded = node.body if isinstance(node, ast.If) and last_name(node.test) == "TYPE_CHECKING" else []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            yield from import_statements(child, for_types or child in guarded)


def imported(statement: ast.Import | ast.ImportFrom, module: Module, names: Collection[str]) -> set[str]:
    """The modules of the package that a statement imports, but for the module itself.

    `from a import b` is `a.b` where that is a module, else `a`; what is no Python file counts as its folder.
    """
    if isinstance(statement, ast.Import):
        wanted = [alias.name for alias in statement.names]
    else:
        here = module.name.split(".") + ["__init__"] * (module.path.name == "__init__.py")
        start = here[: len(here) - statement.level] if statement.level else []
        base = [*start, *([statement.module] if statement.module else [])]
        wanted = [".".join([*base, alias.name]) for alias in statement.names]
    found = set()
    for name in wanted:
        folders = [name, name.rpartition(".")[0], name.rpartition(".")[0].rpartition(".")[0]]
        found |= {next((one for one in folders if one in names), module.name)}
    return found - {module.name}


def read_package(root: Path) -> Package:
    """Raises ValueError where the folder has no modules."""
    root = root.resolve()
    modules = {module.name: module for module in read_modules(root)}
    if not modules:
        raise ValueError(f"{root}: expected the folder of a Python package, found no .py file in it; check the path")
    arrows: dict[bool, set[Arrow]] = {False: set(), True: set()}
    for module in modules.values():
        for statement, for_types in import_statements(module.tree):
            arrows[for_types] |= {(module.name, name) for name in imported(statement, module, modules)}
    return Package(root, modules, arrows[False], arrows[True] - arrows[False])


def first_line(package: Package, room: str) -> str:
    """Of the docstring of a room: a folder's is that of its `__init__`, the ground floor's that of the package."""
    name = package.root.name if room == GROUND_FLOOR else f"{package.root.name}.{room}"
    text = ast.get_docstring(package.modules[name].tree) if name in package.modules else None
    return text.strip().partition("\n")[0] if text else ""


def between_rooms(package: Package, arrows: set[Arrow]) -> set[Arrow]:
    """Arrows between modules as arrows between rooms; those from and to the ground floor are none."""
    rooms = {(package.modules[one].room, package.modules[other].room) for one, other in arrows}
    return {(one, other) for one, other in rooms if one != other and GROUND_FLOOR not in (one, other)}


def components(arrows: set[Arrow]) -> list[set[str]]:
    """Names that reach each other in both directions, as sets; a name in no circle is a set of its own."""
    names = sorted({name for arrow in arrows for name in arrow})
    place = {name: at for at, name in enumerate(names)}
    start, end = ([place[arrow[side]] for arrow in arrows] for side in (0, 1))
    graph = coo_array((np.ones(len(arrows)), (start, end)), shape=(len(names), len(names)))
    count, labels = connected_components(graph, connection="strong") if names else (0, [])
    return [{name for name, label in zip(names, labels, strict=True) if label == which} for which in range(count)]


def circles(arrows: set[Arrow]) -> list[set[str]]:
    """Names that import each other in a round, the largest circle first."""
    return sorted((one for one in components(arrows) if len(one) > 1), key=lambda one: (-len(one), min(one)))


def layers(package: Package) -> dict[str, int]:
    """Room -> its place from the top by the `.importlinter` above the package; {} where none speaks of its rooms."""
    name = package.root.name
    for file in (folder / ".importlinter" for folder in package.root.parents):
        rules = ConfigParser(interpolation=None)
        rules.read(file)
        for part in map(rules.__getitem__, rules.sections()):
            above = [f"{box}." for box in part.get("containers", "").split()] or [""]
            found: dict[str, int] = {}
            for place, line in enumerate(part.get("layers", "").strip().splitlines()):
                full = [box + one.strip(" ()") for box in above for one in line.replace(":", "|").split("|")]
                found |= {
                    one.split(".")[1]: place for one in full if one.count(".") == 1 and one.startswith(f"{name}.")
                }
            if found:
                return found
    return {}


def upward(arrows: set[Arrow], order: dict[str, int]) -> set[Arrow]:
    """Arrows to a room above; where the order does not say which of the two is above, arrows inside a circle."""
    circle = {name: at for at, names in enumerate(components(arrows)) for name in names}
    place = {arrow: [order.get(name) for name in arrow] for arrow in arrows}
    told = {arrow for arrow, (one, other) in place.items() if one != other and one is not None and other is not None}
    return {(a, b) for a, b in arrows if (order[a] > order[b] if (a, b) in told else circle[a] == circle[b])}


def from_the_top(rooms: set[str], arrows: set[Arrow], order: dict[str, int]) -> list[str]:
    """Rooms by the order, where it knows them all; else by the longest chain of rooms above, a circle being one."""
    if rooms <= set(order):
        return sorted(rooms, key=lambda room: (order[room], room))
    groups = [*components(arrows), *({room} for room in rooms - {name for arrow in arrows for name in arrow})]
    group = {room: at for at, names in enumerate(groups) for room in names}
    above: dict[int, set[int]] = {at: set() for at in range(len(groups))}
    for one, other in arrows:
        above[group[other]] |= {group[one]} - {group[other]}
    level: dict[int, int] = {}
    for at in TopologicalSorter(above).static_order():
        level[at] = 1 + max((level[upper] for upper in above[at]), default=0)
    return sorted(rooms, key=lambda room: (level[group[room]], min(groups[group[room]]), room))
