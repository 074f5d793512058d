"""The class of a run's method: by the name that the run holds, or the one that the user gives.

A run may have been made by somebody else. Its name of a method is looked up among the methods that are installed, and
never leads to a file.
"""

from collections.abc import Mapping
from pathlib import Path

from avgzsl.errors import ConfigError, RunError, UnknownNameError
from avgzsl.methods import Method, MethodChoice, find_method, method_class

ALWAYS = ("avgzsl", "python", "torch", "numpy")  # versions that every run notes; any other is of its method's package


def class_of_run(config: Path, name: str, versions: Mapping[str, str], choice: MethodChoice | None) -> type[Method]:
    """The class of the method `name`, as the file `config` of a run says; `choice` is what the user gave, if anything.

    Raises RunError where it is not there, or not the one that was given; ConfigError for a choice that is no method.
    """
    if choice is not None:
        cls = find_method(choice)
        if cls.name != name:
            raise RunError(
                f"{config}: is a run of the method {name!r}, and {cls.name!r} was given; give that of the run"
            )
        return cls
    try:
        return method_class(name)
    except UnknownNameError as problem:
        raise RunError(f"{config}: {problem} {_remedy(versions)}") from problem
    except ConfigError as problem:
        raise RunError(f"{config}: {problem}") from problem


def _remedy(versions: Mapping[str, str]) -> str:
    packages = [f"{name} {version}" for name, version in versions.items() if name not in ALWAYS]
    if packages:
        return f"This method came with the package {', '.join(packages)!r:.80}; install that, if you trust it"
    return (
        "A method of a file has to be given again, for a run names no file that is imported: --method FILE.py:Class. "
        "In Python open the run by load_run(FOLDER, method=…), or the index by open_index(FOLDER, method=…), and give "
        "that instead of the folder"
    )
