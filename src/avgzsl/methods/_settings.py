"""Hyper-parameters as they are given: checked, read from words, and told."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from avgzsl.errors import ConfigError
from avgzsl.methods._base import Method
from avgzsl.support.records import reason
from avgzsl.support.registry import unknown
from avgzsl.support.trust import parse_yaml

_SHOWN = 200  # letters of a bad value


def check_settings(cls: type[Method], settings: Mapping[str, Any]) -> Method:
    """Build the method. Raises ConfigError that lists every unknown key, with near matches, and every bad value."""
    adapter = TypeAdapter(cls)
    known = [field.name for field in fields(cls)]
    problems = [unknown("hyper-parameter", key, known) for key in settings if key not in known]
    try:
        method = adapter.validate_python({key: value for key, value in settings.items() if key in known})
    except ValidationError as error:
        for detail in error.errors():
            place = ".".join(map(str, detail["loc"])) or cls.name
            problems.append(f"{place}={_shown(detail['input'])}: {reason(detail)}")
    if problems:
        raise ConfigError(
            "\n  ".join([f"{cls.name}: {len(problems)} bad setting{'s' * (len(problems) > 1)}:", *problems])
        )
    return method


def settings_of(method: Method) -> dict[str, Any]:
    """The hyper-parameters of a method, by name."""
    return {field.name: getattr(method, field.name) for field in fields(method)}


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def parse_override(text: str) -> tuple[str, Any]:
    """`key=value` with a YAML value; a comma makes a list. Raises ConfigError."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ConfigError(f"{text!r} is not a setting; expected key=value, as in lr=0.1")
    try:
        return key, parse_yaml(f"[{value}]" if "," in value and not value.startswith("[") else value)
    except ValueError as problem:
        raise ConfigError(f"{text!r}: {value!r} is not a value ({problem})") from problem
