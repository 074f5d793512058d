"""The application: routes, and around them, from the outside in, journal, headers, limits, access, size of a body."""

from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

import avgzsl
from avgzsl.serve.access import guarded
from avgzsl.serve.headers import shielded
from avgzsl.serve.journal import journaled
from avgzsl.serve.limits import limited, sized
from avgzsl.serve.problems import Problem, described, install
from avgzsl.serve.routes import about, clips, search, session
from avgzsl.serve.service import Service

PAGE = Path(__file__).parent / "page"
UPLOADS = ("/v1/search", "/v1/classify")
_ABOUT = """Clips of an archive, found by words or by what they are like, and clips recognised, by a model that also
knows classes it never saw. Where a token is set, it is presented as `Authorization: Bearer`. Errors are
application/problem+json; 429 comes with the seconds after which to ask again."""


def make_app(service: Service) -> FastAPI:
    """An application over a service, which the caller closes."""
    settings = service.settings
    token = None if settings.token is None else settings.token.get_secret_value()
    app = FastAPI(
        title="avgzsl",
        version=avgzsl.__version__,
        description=_ABOUT,
        openapi_url="/v1/openapi.json",
        docs_url=None,  # both load scripts from elsewhere
        redoc_url=None,
        responses=described(403, 421, 429, 500, 503),
    )
    app.state.service = service
    install(app, own=token is None)
    for part in (about, session, search, clips):
        app.include_router(part.router)
    app.mount("/", StaticFiles(directory=PAGE, html=True), name="page")
    _describe_problems(app)
    # each is put around those before it
    app.add_middleware(sized, uploads=UPLOADS, upload_bytes=settings.upload_bytes)
    app.add_middleware(guarded, host=settings.host, names=settings.names, token=token)
    app.add_middleware(
        limited,
        requests=settings.requests,
        answer_seconds=settings.answer_seconds,
        stream_seconds=settings.stream_seconds,
    )
    app.add_middleware(shielded)
    app.add_middleware(journaled, figures=service.figures)
    return app


def _describe_problems(app: FastAPI) -> None:
    """Put the schema of a problem, and the token, into the OpenAPI document."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        document = make()  # FastAPI makes it once
        if "security" not in document:
            parts = document.setdefault("components", {})
            template = "#/components/schemas/{model}"
            problem = Problem.model_json_schema(ref_template=template)
            parts.setdefault("schemas", {}).update(problem.pop("$defs", {}) | {"Problem": problem})
            parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            document["security"] = [{"token": []}, {}]
        return document

    app.openapi = openapi  # type: ignore[method-assign]
