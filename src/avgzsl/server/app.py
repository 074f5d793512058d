"""The application: routes, and around them, from the outside in, journal, headers, access and its lanes, size of a
body, HEAD."""

import os
from mimetypes import guess_type
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI
from starlette.datastructures import Headers
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

import avgzsl
from avgzsl.server.access import guarded
from avgzsl.server.headers import shielded
from avgzsl.server.known_parameters import require_known
from avgzsl.server.limits import Lane, sized
from avgzsl.server.problems import Problem, described, install
from avgzsl.server.request_log import journaled
from avgzsl.server.routes import about, clips, exports, map, peaks, search, session
from avgzsl.server.sending import FileAnswer, headed
from avgzsl.server.service import Service
from avgzsl.server.settings import Settings
from avgzsl.server.shares import Shares

PAGE = Path(__file__).parent / "page"
UPLOADS = ("/v1/search", "/v1/classify")
_IDS = 1 << 20  # bytes of a list of clips to be exported
_ABOUT = """Clips of an archive, found by words or by what they are like, and clips recognised, by a model that also
knows classes it never saw. Where a token is set, it is presented as `Authorization: Bearer`. Errors are
application/problem+json; 429 comes with the seconds after which to ask again."""


def make_app(service: Service) -> FastAPI:
    """An application over a service, which the caller closes."""
    settings, access = service.settings, service.access
    app = FastAPI(
        title="avgzsl",
        version=avgzsl.__version__,
        description=_ABOUT,
        openapi_url="/v1/openapi.json",
        docs_url=None,  # both load scripts from elsewhere
        redoc_url=None,
        dependencies=[Depends(require_known)],
        responses=described(403, 408, 421, 429, 500, 503),
    )
    app.state.service = service
    install(app, own=access.token is None)
    for part in (about, session, search, map, clips, exports, peaks):
        app.include_router(part.router)
    app.mount("/", _Page(directory=PAGE, html=True), name="page")
    _describe_problems(app)
    # each is put around those before it
    app.add_middleware(headed)
    app.add_middleware(
        sized,
        larger=dict.fromkeys(UPLOADS, settings.upload_bytes) | {exports.PATH: _IDS},
        seconds=settings.header_seconds,
        slowest=settings.slowest_upload,
    )
    inside, outside = _lanes(settings)
    app.add_middleware(guarded, access=access, inside=inside, outside=outside, seconds=settings.open_seconds)
    app.add_middleware(shielded)
    app.add_middleware(journaled, figures=service.figures)
    return app


class _Page(StaticFiles):
    """The page's own files, sent as clips are."""

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> FileAnswer:
        kind = guess_type(full_path)[0] or "application/octet-stream"
        return FileAnswer(Path(full_path).open("rb"), kind, Headers(scope=scope), keep="no-cache")


def _lanes(settings: Settings) -> tuple[Lane, Lane]:
    """The lane for those who may ask, and that for all others."""
    share, seconds = settings.address_share, settings.open_seconds
    inside = Shares(settings.requests, share), settings.answer_seconds, settings.stream_seconds
    return Lane(*inside, inside=True), Lane(Shares(settings.open_requests, share), seconds, seconds, inside=False)


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
