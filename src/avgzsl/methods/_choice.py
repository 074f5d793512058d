"""Which class a user means by a method: its name, `FILE.py:Class`, the class itself, or an object of it.

A name is looked up in the registry, so it never imports a file: runs, which somebody else may have made, hold names.
"""

import inspect
import sys
from typing import Any

from avgzsl.errors import ConfigError
from avgzsl.methods._base import Method
from avgzsl.support.python_file import names_file, object_of_file
from avgzsl.support.registry import Plugins

MethodChoice = str | type[Method] | Method


def require_method(imported: Any) -> type[Method]:
    """The class itself, if a run can be made of it. Raises ConfigError that says what is amiss."""
    if not (isinstance(imported, type) and issubclass(imported, Method)):
        raise ConfigError(f"is {imported!r:.80}, no method; a method is a subclass of avgzsl.methods.Method")
    if "name" not in vars(imported):
        raise ConfigError(
            f"the class {imported.__name__} gives itself no name, and a run records the method by its name; expected "
            f"class {imported.__name__}({imported.__mro__[1].__name__}, name='…')"
        )
    if "__pydantic_fields__" not in vars(imported):
        raise ConfigError(
            f"the class {imported.__name__} is no dataclass, and so its hyper-parameters are not known; put "
            "@dataclass(config=SETTINGS, kw_only=True, eq=False) of pydantic.dataclasses before it"
        )
    if inspect.isabstract(imported):
        lacking = ", ".join(sorted(imported.__abstractmethods__))
        raise ConfigError(f"the class {imported.__name__} lacks {lacking}; avgzsl.methods.Method says what each does")
    return imported


def plugin_class(name: str, imported: Any) -> type[Method]:
    """The class of the plug-in `name`: what was imported, or the one in that module. Raises ConfigError."""
    if inspect.ismodule(imported):
        in_module = {member for member in vars(imported).values() if isinstance(member, type)}
        named = [member for member in in_module if vars(member).get("name") == name and issubclass(member, Method)]
        if len(named) != 1:
            raise ConfigError(
                f"has {len(named) or 'no'} methods of the name {name!r}; expected one, with name={name!r}"
            )
        imported = named[0]
    cls = require_method(imported)
    if cls.name != name:
        raise ConfigError(f"calls itself {cls.name!r}; its entry point has to be of that name, or the other way round")
    return cls


def chosen_class(choice: MethodChoice, plugins: Plugins[type[Method]]) -> type[Method]:
    """The class that is meant. Raises UnknownNameError, and ConfigError for what is no method or has a taken name."""
    if isinstance(choice, str) and not names_file(choice):
        return plugins.load(choice)
    imported = object_of_file(choice) if isinstance(choice, str) else choice
    imported = type(imported) if isinstance(imported, Method) else imported
    try:
        cls = require_method(imported)
    except ConfigError as problem:
        raise ConfigError(f"{choice if isinstance(choice, str) else 'method'}: {problem}") from problem
    if isinstance(choice, str):
        _require_one_of_its_name(cls)
    if cls.name in plugins.names() and not _is_plugin(cls, plugins):
        taken = " and ".join(plugins.places(cls.name))
        raise ConfigError(
            f"the name {cls.name!r} of {_place(cls)} is taken by {taken}; give the class another name, or the method "
            f"by its name"
        )
    return cls


def _require_one_of_its_name(cls: type[Method]) -> None:
    """Raises ConfigError where the file of a class has another of the same name: a run records the name alone."""
    others = [
        member.__qualname__
        for member in vars(sys.modules[cls.__module__]).values()
        if isinstance(member, type) and member is not cls and vars(member).get("name") == cls.name
    ]
    if others:
        raise ConfigError(f"{_place(cls)} has the name {cls.name!r}, as {others[0]} has beside it; give each its own")


def _is_plugin(cls: type[Method], plugins: Plugins[type[Method]]) -> bool:
    try:
        return plugins.load(cls.name) is cls
    except ConfigError:
        return False


def _place(cls: type[Method]) -> str:
    """Where a class is: its file, or the module of a notebook that has none."""
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    return f"{file or cls.__module__}:{cls.__qualname__}"
