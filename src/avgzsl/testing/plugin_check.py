"""Whether a plug-in has all that its contract declares, as the contract declares it."""

import inspect
from typing import Any

from avgzsl.errors import AvgzslError, ConfigError
from avgzsl.support.registry import Plugins


def check_plugin(plugins: Plugins[Any], name: str, contract: type[Any]) -> Any:
    """The plug-in `name`, which is found once, described in one line, and whose calls take what the contract says."""
    assert len(plugins.places(name)) == 1, f"{name} is there more than once: {plugins.places(name)}"
    plugin: Any = plugins.load(name)
    assert isinstance(plugin, contract), f"{name} has not all that {contract.__name__} asks for"
    assert plugin.DESCRIPTION and "\n" not in plugin.DESCRIPTION
    for call, declared in vars(contract).items():
        if inspect.isfunction(declared) and not call.startswith("_"):
            _, *expected = inspect.signature(declared).parameters  # without self
            given = inspect.signature(getattr(plugin, call)).parameters
            assert list(given) == expected, f"{name}.{call} takes {', '.join(given)}; expected {', '.join(expected)}"
    return plugin


def not_here(problem: AvgzslError) -> str:
    """Why a plug-in cannot be tested here: its weights are not there, or a library. Raises any other `problem`."""
    if isinstance(problem, ConfigError) and "is not installed" not in str(problem):
        raise problem
    return str(problem).partition(" (")[0]
