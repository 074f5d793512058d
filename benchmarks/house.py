"""How a package is built: its rooms from top to bottom, what imports what, and how large and how typed its parts are.

    python -m benchmarks.house --document docs/architecture.md
    python -m benchmarks.house --label now --beside ../before/src/avgzsl --beside-label before

Everything is read from the sources (benchmarks/structure.py, benchmarks/definitions.py), so that any package can be
measured: --tree and --beside take the folder of a package, of another checkout or an installed one. --document gets
the tables between the marks `house-rooms` and `house-numbers`.
"""

import argparse
import math
import statistics
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.definitions import Class, Function, classes_of, functions_of
from benchmarks.structure import (
    GROUND_FLOOR,
    Arrow,
    Module,
    Package,
    between_rooms,
    circles,
    first_line,
    from_the_top,
    layers,
    read_package,
    upward,
)
from benchmarks.tables import put

HERE = Path(__file__).parents[1] / "src" / "avgzsl"
LONG_FUNCTION, LONG_MODULE, MANY_PARAMETERS = 40, 300, 8
SPREAD = "(median / 90th percentile / largest)"
SHOWN = 400  # characters of names that the terminal gets for a number


class Room(NamedTuple):
    """One row: what the first line of its docstring says, modules, lines of code, rooms; `up` are imports upward."""

    name: str
    line: str
    modules: int
    lines: int
    imports: list[str]
    imported_by: list[str]
    up: set[str]


def rooms(package: Package) -> list[Room]:
    """From the top to the bottom, the ground floor last."""
    names = {module.room for module in package.modules.values()} - {GROUND_FLOOR}
    arrows, order = between_rooms(package, package.arrows), layers(package)
    against = upward(arrows, order)
    chain = from_the_top(names, arrows, order)
    found = []
    for name in [*chain, GROUND_FLOOR]:
        inside = [module for module in package.modules.values() if module.room == name]
        imports, by = ([a[1 - side] for a in arrows if a[side] == name] for side in (0, 1))
        found.append(
            Room(
                name,
                first_line(package, name),
                len(inside),
                sum(len(module.code) for module in inside),
                sorted(imports, key=chain.index),
                sorted(by, key=chain.index),
                {other for one, other in against if one == name},
            )
        )
    return found


def spread(values: Iterable[float]) -> str:
    """Median, 90th percentile (the smallest value that nine in ten do not exceed) and largest."""
    ranked = sorted(values)
    if not ranked:
        return "–"
    return f"{statistics.median(ranked):g} / {ranked[math.ceil(0.9 * len(ranked)) - 1]:g} / {ranked[-1]:g}"


def share(part: int, whole: int) -> str:
    """As `66 % (2 of 3)`: rounded down, so that 100 % is all of them."""
    return f"{100 * part // whole} % ({part:,} of {whole:,})" if whole else "–"


class Number(NamedTuple):
    """One row of the second table; `names` are what it counts, for whoever looks for them."""

    title: str
    value: str
    names: Sequence[str] = ()


def counted(title: str, names: Iterable[str]) -> Number:
    """The number of the names."""
    found = sorted(names)
    return Number(title, str(len(found)), found)


def in_circles(kind: str, arrows: set[Arrow]) -> Number:
    """The number of circles, and of what is in them."""
    found = circles(arrows)
    inside = f" ({sum(map(len, found))} {kind} in them)" if found else ""
    return Number(f"circles of {kind}", f"{len(found)}{inside}", [", ".join(sorted(names)) for names in found])


def repeated(title: str, names: Iterable[str]) -> Number:
    """The number of names that occur more than once."""
    return counted(title, (f"{name} ({count})" for name, count in Counter(names).items() if count > 1))


def numbers_of_rooms(package: Package) -> list[Number]:
    """Rooms, and what imports what."""
    modules = package.modules.values()
    arrows, order = between_rooms(package, package.arrows), layers(package)
    against = counted("", map(" → ".join, upward(arrows, order)))
    return [
        Number("rooms", str(len({module.room for module in modules} - {GROUND_FLOOR}))),
        Number("modules directly inside the package", str(len([*package.root.glob("*.py")]))),
        Number("modules", f"{len(modules):,}"),
        Number("lines of code", f"{sum(len(module.code) for module in modules):,}"),
        Number("arrows between rooms", f"{len(arrows):,}"),
        Number("… upward", f"{against.value} ({'by .importlinter' if order else 'in circles'})", against.names),
        counted("… more for types only", map(" → ".join, between_rooms(package, package.for_types) - arrows)),
        in_circles("rooms", arrows),
        in_circles("modules", package.arrows),
    ]


def numbers_of_types(functions: list[Function], classes: list[Class]) -> list[Number]:
    """What signatures and docstrings say."""
    public = [one for one in functions if one.public and not one.name.endswith(".__init__")]
    methods = [one.documented for one in public if one.method]
    alone = [one.documented for one in public if not one.method] + [one.documented for one in classes if one.public]
    shaped, arrays = sum(one.shaped for one in functions), sum(one.arrays for one in functions)
    return [
        Number("functions with all types", share(sum(one.typed for one in functions), len(functions))),
        Number("array parameters with a shape", share(shaped, arrays)),
        Number("public functions and classes with a docstring", share(sum(alone), len(alone))),
        Number("public methods with a docstring", share(sum(methods), len(methods))),
    ]


def numbers_of_sizes(modules: list[Module], functions: list[Function]) -> list[Number]:
    """How large modules and functions are, and which are too large."""
    public = [one for one in functions if one.public]
    long, tall = f"functions over {LONG_FUNCTION} lines", f"modules over {LONG_MODULE} lines, all lines counted"
    many = f"public functions with more than {MANY_PARAMETERS} parameters"
    return [
        Number(f"lines of code a module {SPREAD}", spread(len(one.code) for one in modules)),
        Number(f"lines of code a function {SPREAD}", spread(one.lines for one in functions)),
        Number(f"parameters a public function {SPREAD}", spread(one.parameters for one in public)),
        counted(f"{long} of code", (one.name for one in functions if one.lines > LONG_FUNCTION)),
        counted(f"{long}, signature and docstring counted", (f.name for f in functions if f.length > LONG_FUNCTION)),
        counted(tall, (one.name for one in modules if one.length > LONG_MODULE)),
        counted(many, (one.name for one in public if one.parameters > MANY_PARAMETERS)),
    ]


def numbers(package: Package) -> list[Number]:
    """The second table."""
    modules = list(package.modules.values())
    functions = [one for module in modules for one in functions_of(module)]
    classes = [one for module in modules for one in classes_of(module)]
    files = [module.path.name for module in modules if module.path.name != "__init__.py"]
    return [
        *numbers_of_rooms(package),
        *numbers_of_sizes(modules, functions),
        *numbers_of_types(functions, classes),
        repeated("file names that occur more than once", files),
        repeated("class names that occur more than once", (one.name.rpartition(".")[2] for one in classes)),
    ]


def code(names: Iterable[str], up: Iterable[str] = ()) -> str:
    """Names as code, those upward with an arrow."""
    return ", ".join(f"`{name}`" + " ↑" * (name in up) for name in names)


def table_of_rooms(found: list[Room]) -> str:
    """Markdown."""
    lines = ["| room | what it is | modules | lines of code | imports | imported by |", "|---|---|---:|---:|---|---|"]
    for room in found:
        name = room.name if room.name == GROUND_FLOOR else f"`{room.name}`"
        says = room.line.replace("|", "\\|")
        arrows = f"{code(room.imports, room.up)} | {code(room.imported_by)}"
        lines.append(f"| {name} | {says} | {room.modules:,} | {room.lines:,} | {arrows} |")
    return "\n".join(lines)


def table_of_numbers(columns: dict[str, list[Number]]) -> str:
    """Markdown, a column a package."""
    lines = ["| | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
    rows = zip(*columns.values(), strict=True)
    lines += [f"| {row[0].title} | " + " | ".join(one.value for one in row) + " |" for row in rows]
    return "\n".join(lines)


def show(found: list[Room], columns: dict[str, list[Number]]) -> None:
    """Both tables on the terminal, then the names behind the numbers."""
    for room in found:
        print(f"{room.name:20} {room.modules:4} modules {room.lines:7,} lines  {room.line}")
        imports = [name + " ↑" * (name in room.up) for name in room.imports]
        for title, names in (("imports", imports), ("imported by", room.imported_by)):
            if names:
                text = f"    {title}: {', '.join(names)}"
                print(textwrap.fill(text, 118, subsequent_indent=" " * 8))
    print(f"\n{'':65}", *(f"{label:>24}" for label in columns))
    for row in zip(*columns.values(), strict=True):
        print(f"{row[0].title:65}", *(f"{one.value:>24}" for one in row))
    for label, one in ((label, one) for label, column in columns.items() for one in column if one.names):
        print(textwrap.shorten(f"{label}: {one.title}: " + "; ".join(one.names), SHOWN, placeholder=" …"))


def main() -> None:
    """Measure, print, and put the tables into --document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tree", type=Path, default=HERE, help="the folder of a package")
    parser.add_argument("--label", help="its column; default: the folder's name")
    parser.add_argument("--beside", type=Path, help="another one, for a second column of numbers")
    parser.add_argument("--beside-label", help="its column; default: the folder's name, else `before`")
    parser.add_argument("--document", type=Path)
    options = parser.parse_args()
    package = read_package(options.tree)
    label = options.label or package.root.name
    columns = {label: numbers(package)}
    if options.beside:
        other = read_package(options.beside)
        name = options.beside_label or (other.root.name if other.root.name != label else "before")
        if name == label:
            parser.error(f"both columns would be called {label}; give another --label or --beside-label")
        columns[name] = numbers(other)
    found = rooms(package)
    show(found, columns)
    if options.document:
        put(options.document, "house-rooms", table_of_rooms(found))
        put(options.document, "house-numbers", table_of_numbers(columns))


if __name__ == "__main__":
    main()
