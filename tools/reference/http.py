"""The HTTP API as it describes itself (`/v1/openapi.json`)."""

from functools import cache
from types import SimpleNamespace
from typing import Any

from avgzsl.server.app import make_app
from avgzsl.server.service import Service
from avgzsl.server.settings import Settings

_METHODS = ("get", "post", "put", "delete")


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document; an archive is not needed to make it."""
    service = object.__new__(Service)
    for name, value in {"settings": Settings(), "access": SimpleNamespace(token=None), "figures": None}.items():
        object.__setattr__(service, name, value)
    return make_app(service).openapi()


def routes() -> str:
    """A heading a route: what it does, its parameters, what it is sent, what it answers."""
    return "\n\n".join(
        _route(method, path, route)
        for path, ways in document()["paths"].items()
        for method, route in ways.items()
        if method in _METHODS
    )


def answers() -> str:
    """A heading a kind of answer, with a table of its fields."""
    schemas = document()["components"]["schemas"]
    return "\n\n".join(_schema(name, schema) for name, schema in sorted(schemas.items()))


def _route(method: str, path: str, route: dict[str, Any]) -> str:
    parts = [f"### `{method.upper()} {path}`", _plain(route.get("description", route.get("summary", "")))]
    if parameters := route.get("parameters"):
        rows = [(f"`{p['name']}`", _kind(p["schema"]), _about(p["schema"], p)) for p in parameters]
        parts.append(_table(("parameter", "what", "meaning"), rows))
    if body := route.get("requestBody"):
        kinds = ", ".join(f"`{kind}` ({_kind(media['schema'])})" for kind, media in body["content"].items())
        parts.append(f"Is sent: {kinds}.")
    good = {status: about for status, about in route["responses"].items() if status.startswith("2")}
    for status, about in good.items():
        kinds = [
            f"`{kind}`" + (f", {_kind(media['schema'])}" if media.get("schema") else "")
            for kind, media in about.get("content", {}).items()
        ]
        parts.append(f"Answers {status}{': ' if kinds else ''}{'; '.join(kinds)}.")
    bad = sorted(set(route["responses"]) - set(good))
    if bad:
        parts.append(f"Problems: {', '.join(bad)}.")
    return "\n\n".join(part for part in parts if part)


def _schema(name: str, schema: dict[str, Any]) -> str:
    required = set(schema.get("required", []))
    rows = [
        (f"`{field}`", _kind(about) + ("" if field in required else ", may be left out"), _about(about, {}))
        for field, about in schema.get("properties", {}).items()
    ]
    parts = [f"### {name}", _plain(schema.get("description", ""))]
    if rows:
        parts.append(_table(("field", "what", "meaning"), rows))
    elif "enum" in schema:
        parts.append(", ".join(f"`{value}`" for value in schema["enum"]))
    return "\n\n".join(part for part in parts if part)


def _kind(schema: dict[str, Any]) -> str:
    """A type in a few words, with a link to one that has a name."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if several := schema.get("anyOf", schema.get("oneOf")):
        return " or ".join(_kind(one) for one in several)
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_kind(schema['additionalProperties'])}"
    return str(kind)


def _about(schema: dict[str, Any], parameter: dict[str, Any]) -> str:
    """What it means, its bounds, and what it is if it is not given."""
    bounds = [
        f"{word} {_number(schema[key])}"
        for key, word in (("minimum", "at least"), ("maximum", "at most"))
        if key in schema
    ]
    default = [f"default {schema['default']}"] if schema.get("default") not in (None, [], {}) else []
    needed = ["needed"] if parameter.get("required") else []
    more = "; ".join([*needed, *bounds, *default])
    about = _plain(schema.get("description", parameter.get("description", "")))
    return f"{about} ({more})" if about and more else about or more


def _number(value: float) -> str:
    return f"{value:,}"


def _plain(text: str) -> str:
    """On one line."""
    return " ".join(text.split())


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)
