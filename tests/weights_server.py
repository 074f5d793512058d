"""A server of files on this machine that cuts, refuses and leads elsewhere as it is told."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class WeightsServer:
    """`files` by path; `cut_after` bytes of an answer, of a path, so often; `refused` and `leads` by path.

    `asked` has one line a request: method, path, range. `tokens` has what was told as authorization, by path.
    """

    port: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    cut_after: dict[str, list[int]] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    leads: dict[str, str] = field(default_factory=dict)
    marks: bool = True
    lengths: bool = True
    asked: list[str] = field(default_factory=list)
    tokens: dict[str, str | None] = field(default_factory=dict)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def put_json(self, path: str, value: object) -> None:
        self.files[path] = json.dumps(value).encode()


@contextmanager
def running() -> Iterator[WeightsServer]:
    """A server in a thread of this process."""
    state = WeightsServer()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            wanted = self.headers.get("Range", "")
            state.asked.append(f"{self.command} {self.path} {wanted}".strip())
            state.tokens[f"{self.headers['Host']}{self.path}"] = self.headers.get("Authorization")
            if self.path in state.leads:
                self.send_response(302)
                self.send_header("Location", state.leads[self.path])
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if self.path in state.refused or self.path not in state.files:
                self.send_error(state.refused.get(self.path, 404))
                return
            self.give(state.files[self.path], wanted, body)

        def give(self, content: bytes, wanted: str, body: bool) -> None:
            mark = f'"{hash(content)}"'
            rest = wanted and self.headers.get("If-Range", mark) == mark
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if rest else 0
            self.send_response(206 if rest else 200)
            if rest:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            if state.marks:
                self.send_header("ETag", mark)
            if state.lengths:
                self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            if body:
                cuts = state.cut_after.get(self.path, [])
                self.wfile.write(content[start:][: cuts.pop(0) if cuts else None])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.port = server.server_address[1]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
