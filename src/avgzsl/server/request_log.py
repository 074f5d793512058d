"""What is told of requests: a line of JSON each, and figures for Prometheus.

A line has the route's template and the status. What was searched for, which clip was played and who asked stand in no
line, nor any header: neither queries nor tokens end up in a log.
"""

import asyncio
import json
import logging
import secrets
import time
from http import HTTPStatus
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from avgzsl.server.limits import INSIDE
from avgzsl.server.problems import LOG, problem

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_ENDING = "the server is being ended; ask again once it runs again"
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Figures:
    """Requests by method, route and status, their times, those under way."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self.requests = Counter("avgzsl_requests", "Requests answered", labels, registry=self.registry)
        self.seconds = Histogram(
            "avgzsl_request_seconds",
            "Time until an answer was sent",
            ("route",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.under_way = Gauge("avgzsl_requests_under_way", "Requests under way", registry=self.registry)

    def text(self) -> bytes:
        """All figures in the text format of Prometheus."""
        return generate_latest(self.registry)


class JsonLines(logging.Formatter):
    """A record as a line of JSON: time, level, event, what it was given as `about`, and a traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {"time": f"{stamp}.{int(record.msecs):03d}Z", "level": record.levelname.lower()}
        line |= {"event": record.getMessage()} | getattr(record, "about", {})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def journaled(app: ASGIApp, figures: Figures) -> ASGIApp:
    """Tell of every request, and answer where the app breaks, with an id by which to find the line of the log."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        request, status, started = secrets.token_hex(8), 0, time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-request-id", request.encode())]
            await send(message)

        with figures.under_way.track_inprogress():
            try:
                await app(scope, receive, noted)
            except asyncio.CancelledError:  # uvicorn does that as it ends
                if not status:
                    await problem(HTTPStatus.SERVICE_UNAVAILABLE, _ENDING)(scope, receive, noted)
            except Exception as fault:
                LOG.exception("broken", extra={"about": {"request": request}})
                if not status:
                    await _broken(request, fault)(scope, receive, noted)
        seconds = time.perf_counter() - started
        _note(figures, scope, request, status, seconds)

    return call


def _broken(request: str, fault: Exception) -> ASGIApp:
    """The answer to a request that broke: a full disk, or a file that may not be read, is no fault of the program."""
    more = f"its log says more of the request {request}"
    if isinstance(fault, OSError) and fault.strerror:
        detail = f"the server's machine refuses ({fault.strerror}); mend that, then ask again; {more}"
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, detail)
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, f"the server has a fault; {more}")


def _note(figures: Figures, scope: Scope, request: str, status: int, seconds: float) -> None:
    route = getattr(scope.get("route"), "path", "none")
    method = scope["method"] if scope["method"] in _METHODS else "other"
    figures.requests.labels(method, route, status).inc()
    figures.seconds.labels(route).observe(seconds)
    fields = {"request": request, "method": method, "route": route, "status": status, "seconds": round(seconds, 4)}
    LOG.info("request", extra={"about": fields, "inside": scope.get("state", {}).get(INSIDE, False)})
