"""A parameter that a path does not know is an error: one that is misspelt would else be passed over in silence."""

from fastapi import Request
from fastapi.exceptions import RequestValidationError


async def require_known(request: Request) -> None:
    """Raises 422 for parameters in the address that the path does not have, where it has any."""
    path = request.url.path
    described = request.app.openapi()["paths"].get(path, {}).get(request.method.lower(), {})
    known = [parameter["name"] for parameter in described.get("parameters", ()) if parameter["in"] == "query"]
    strange = dict.fromkeys(name for name in request.query_params if name not in known)
    if known and strange:
        said = f"is no parameter of {path}; there are: {', '.join(known)}"
        raise RequestValidationError([{"loc": ("query", name), "msg": said, "type": "unknown"} for name in strange])
