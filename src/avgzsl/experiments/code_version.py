"""The name of the code that a method's figures hang on, so that an old figure is never shown for new code.

It hashes the source of `avgzsl.experiments.trial`, of the method's module, and of all that they import from the
package, by their import statements; nothing else, so that an edited page or command keeps what was computed. A method
from outside the package brings its own file, and what that imports of its own package. The data are not in it: they
have a fingerprint.
"""

import ast
import importlib.util
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from avgzsl.methods import MethodChoice, find_method
from avgzsl.support.python_file import PREFIX

TRIAL = "avgzsl.experiments.trial"


def code_version(*methods: MethodChoice | None) -> str:
    """16 hexadecimal digits for these methods. Raises UnknownNameError, ConfigError."""
    digest = sha256()
    for module, source in sources(TRIAL, *(find_method(method).__module__ for method in methods)).items():
        name = PREFIX if module.startswith(PREFIX) else module  # the same wherever the file lies
        digest.update(b"%b\0%d\0%b" % (name.encode(), len(source), source))
    return digest.hexdigest()[:16]


def sources(*modules: str) -> dict[str, bytes]:
    """These modules and all that they import, directly or not, from their own packages: their source, by name."""
    packages = {module.partition(".")[0] for module in modules}
    found: dict[str, bytes] = {}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        file = None if module in found else _file(module)
        if file is not None:
            found[module] = file.read_bytes()
            waiting += _packages(module)
            inside = module if file.name == "__init__.py" else module.rpartition(".")[0]
            for origin, name in _imports(found[module], inside):
                if origin.partition(".")[0] in packages:
                    part = f"{origin}.{name}"
                    waiting.append(part if name and _file(part) else origin)
    return dict(sorted(found.items()))


def _packages(module: str) -> list[str]:
    """The packages that a module lies in, which are loaded before it; not the outermost, the front door."""
    parts = module.split(".")
    return [".".join(parts[:count]) for count in range(2, len(parts))]


def _file(module: str) -> Path | None:
    """None for a name that is no module written in Python, as that of a class in one."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    origin = None if spec is None else spec.origin
    return Path(origin) if origin is not None and origin.endswith(".py") else None


@lru_cache(maxsize=1024)
def _imports(source: bytes, package: str) -> tuple[tuple[str, str], ...]:
    """Each `from X import name` as (X, name), each `import X` as (X, ""), wherever they stand."""
    found = []
    for node in _statements(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(one.name, "") for one in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = "." * node.level + (node.module or "")
            origin = importlib.util.resolve_name(origin, package) if node.level else origin
            found += [(origin, one.name) for one in node.names]
    return tuple(found)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """All statements, wherever they stand; the expressions in them, most of what there is, import nothing."""
    for block in ("body", "orelse", "finalbody", "handlers", "cases"):
        inside = getattr(node, block, ())
        for statement in inside if isinstance(inside, list) else ():
            yield statement
            yield from _statements(statement)
