"""What the suites need of single plug-ins: KIND/NAME.py, found by the plug-in's name, with a class `Suite`.

A plug-in of which the suite needs nothing but its name has none.
"""

from importlib import import_module
from pathlib import Path


def suite(base: type, kind: str, name: str, **attributes: object) -> dict[str, type]:
    """A test class for one plug-in, by its name: the `Suite` of its sample, else `base`."""
    module = name.replace("-", "_")
    if (Path(__file__).parent / kind / f"{module}.py").is_file():
        base = import_module(f"{__name__}.{kind}.{module}").Suite
    words = [*name.split("-"), *(value for value in attributes.values() if isinstance(value, str)), *kind.split("_")]
    title = "Test" + "".join(word.title() for word in words)
    return {title: type(title, (base,), {"name": name, **attributes})}
