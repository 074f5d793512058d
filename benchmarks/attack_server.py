"""Attacks on the server, as a process on loopback, from many of its addresses: each kind, and who is served.

An attack holds where a caller who asks for something meanwhile is answered, or where the attacker is told so.
"""

import os
import random
import resource
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from avgzsl.archive.indexing import index
from avgzsl.experiments.train_evaluate import train
from avgzsl.features.extract import extract
from avgzsl.generators import generate
from avgzsl.types import EncoderChoice
from benchmarks.attack import Outcome

SEED, PATIENCE = 0, 60.0
TOKEN = "of-the-attacked-server"
BEARER = {"authorization": f"Bearer {TOKEN}"}
LARGE = 64 << 20
MOST_LOG, MOST_MEMORY = 4 << 20, 400 << 20  # bytes written and grown by all attacks together
_HEAD = b"host: 127.0.0.1\r\n"
_START = """
import resource
from avgzsl.cli import main
resource.setrlimit(resource.RLIMIT_NOFILE, (1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))  # what is usual
main()
"""
_ODD = ["", "%00", "..", "%2e%2e", "\\", "'", "{}", "\u202e", "é", "%ff", "a" * 5000, "//", ";", "?", "#", "%"]


@dataclass
class Target:
    """The server that is attacked."""

    process: subprocess.Popen[str]
    url: str
    log: Path
    media: Path

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        """A connection from an address of loopback."""
        host, port = self.url.removeprefix("http://").rstrip("/").rsplit(":", 1)
        return socket.create_connection((host, int(port)), PATIENCE, (source, 0))

    def answers(self, source: str = "127.0.0.1") -> bool:
        """Whether a caller gets what it asks for: health, the page, and, with the token, the archive."""
        paths = {"v1/health": {}, "": {}, "v1/info": BEARER}
        with suppress(httpx.HTTPError), httpx.Client(transport=httpx.HTTPTransport(local_address=source)) as client:
            return all(client.get(self.url + path, headers=more).status_code == 200 for path, more in paths.items())
        return False


def attacks(work: Path) -> Iterator[Outcome]:
    """Every kind, on one server after the other."""
    _allow_files(2048)
    archive, media = _archive(work)
    with _serving(archive, media, work) as target:
        server = psutil.Process(target.process.pid)
        before = server.memory_info().rss
        yield _held_open("idle connections", target, 1100, b"")
        yield _held_open("heads of which half is sent", target, 1100, b"GET /v1/info HTTP/1.1\r\nhost: ")
        yield _held_open("idle connections from 50 addresses", target, 1100, b"", addresses=50)
        unsent = b"POST /v1/session HTTP/1.1\r\n" + _HEAD + b"content-length: 90\r\n\r\n"
        yield _held_open("sessions whose body does not come", target, 500, unsent)
        yield _unread(target, 100)
        yield _slow_uploads(target, 60)
        yield _guesses(target, 300)
        yield _cut_files(target, 20)
        yield _fuzzed(target, 1000)
        grown = server.memory_info().rss - before
        small = [target.log.stat().st_size < MOST_LOG, grown < MOST_MEMORY]
        yield Outcome("log and memory after all of these", len(small), sum(small))
    yield _ends(archive, media, work)


def _archive(work: Path) -> tuple[Path, Path]:
    """An index over rendered clips, and the folder of these; one of them is large."""
    clips = generate("clips", work / "clips", scale=0.003, seed=SEED)
    encoders = EncoderChoice(audio="descriptors", video="descriptors", text="hashed-words")
    extract(clips, work / "store", manifest=clips / "manifest.csv", workers=1, encoders=encoders)
    run = train(work / "store", "avgzslnet", out=work / "run", settings={"epochs": 2})
    media = work / "media"
    media.mkdir()
    for number, path in enumerate(sorted(clips.rglob("*.mp4"))[:5]):
        (media / f"clip-{number}.mp4").write_bytes(path.read_bytes())
    with (media / "clip-0.mp4").open("ab") as file:
        file.write(LARGE.to_bytes(4, "big") + b"free")  # a box of nothing
        file.truncate(file.tell() - 8 + LARGE)
    index(run.folder, media, work / "index", engine="memory")
    return work / "index", media


@contextmanager
def _serving(archive: Path, media: Path, work: Path) -> Iterator[Target]:
    command = [sys.executable, "-c", _START, "serve", str(archive), "--port", "0"]
    log = work / "server.log"
    with log.open("ab") as errors:
        more = {"AVGZSL_SERVE_TOKEN": TOKEN, "AVGZSL_SERVE_HEADER_SECONDS": "3", "AVGZSL_SERVE_OPEN_SECONDS": "3"}
        environment = os.environ | more
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True)
        with process:
            try:
                assert process.stdout is not None
                line = process.stdout.readline()
                yield Target(process, line.split(" is served at ")[1].split()[0], log, media)
            finally:
                process.kill()


def _held_open(kind: str, target: Target, tries: int, sent: bytes, addresses: int = 1) -> Outcome:
    """Connections that are kept open; a caller asks after every 50, from the same address and from another."""
    held = 0
    with ExitStack() as stack:
        for i in range(0, tries, 50):
            for j in range(i, i + 50):
                one = stack.enter_context(target.connect(f"127.0.1.{1 + j % addresses}"))
                with suppress(OSError):
                    one.sendall(sent)
            held += 50 if target.answers("127.0.1.1") and target.answers() else 0
    return Outcome(kind, tries, held)


def _unread(target: Target, tries: int) -> Outcome:
    """Many requests on one connection, of which no answer is read."""
    held = 0
    with ExitStack() as stack:
        for i in range(tries):
            one = stack.enter_context(target.connect("127.0.1.2"))
            one.settimeout(0.05)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            path = ("/", "/v1/info", "/v1/health", "/app.js")[i % 4]
            with suppress(OSError):
                one.sendall((f"GET {path} HTTP/1.1\r\n".encode() + _HEAD + b"\r\n") * 500)
            if i % 10 == 9:
                held += 10 if target.answers() else 0
    return Outcome("answers that are never read", tries, held)


def _slow_uploads(target: Target, tries: int) -> Outcome:
    """Clips that do not come, from one address; another sends one meanwhile."""
    clip = (target.media / "clip-1.mp4").read_bytes()
    begun = b"POST /v1/classify HTTP/1.1\r\n" + _HEAD + f"authorization: Bearer {TOKEN}\r\n".encode()
    held = 0
    with ExitStack() as stack:
        for i in range(tries):
            one = stack.enter_context(target.connect("127.0.1.3"))
            one.sendall(begun + b"content-length: 99999\r\n\r\nRIFF")
            if i % 10 == 9:
                answer = httpx.post(f"{target.url}v1/classify", content=clip, headers=BEARER, timeout=PATIENCE)
                held += 10 if answer.status_code == 200 else 0
    return Outcome("uploads that do not come", tries, held)


def _guesses(target: Target, tries: int) -> Outcome:
    """Wrong tokens: slowed down, and from another address the right one is heard."""
    with httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.1.4"), base_url=target.url) as client:
        told = Counter(
            client.get("v1/info", headers={"authorization": f"Bearer guess {i}"}).status_code for i in range(tries)
        )
    held = told[401] + told[429]
    return Outcome("tokens that are guessed", tries, held if told[429] > tries / 2 and target.answers() else 0)


def _cut_files(target: Target, tries: int) -> Outcome:
    """A file that is cut while it is sent: the connection ends, and nobody waits for the rest."""
    held, path = 0, target.media / "clip-0.mp4"
    status, kept = path.stat(), path.stat().st_size - LARGE
    asked = b"GET /v1/clips/file?id=clip-0.mp4 HTTP/1.1\r\n" + _HEAD + f"authorization: Bearer {TOKEN}\r\n\r\n".encode()
    for _ in range(tries):
        with target.connect() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
            one.sendall(asked)
            if not one.recv(4096).startswith(b"HTTP/1.1 200"):
                raise RuntimeError("the large clip is not served; nothing can be cut")
            os.truncate(path, kept)
            got, ended = 0, False
            with suppress(TimeoutError, ConnectionResetError):
                while piece := one.recv(1 << 20):
                    got += len(piece)
                ended = True
            held += ended and got < LARGE
        os.truncate(path, kept + LARGE)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return Outcome("files that are cut while they are sent", tries, held)


def _fuzzed(target: Target, tries: int) -> Outcome:
    """Requests of odd parts: each is answered, with no fault of the server, or its connection is closed."""
    draw = random.Random(SEED)
    requests = [_odd_request(draw) for _ in range(tries)]
    with ThreadPoolExecutor(64) as callers:  # most wait for the end of a body that does not come
        held = sum(callers.map(lambda request: _is_taken(target, request), requests))
    return Outcome("requests of odd parts", tries, held if target.answers() else 0)


def _is_taken(target: Target, request: bytes) -> bool:
    answer = b""
    with target.connect() as one, suppress(ConnectionError):
        one.sendall(request)
        try:
            while len(answer) < 16 and (piece := one.recv(4096)):
                answer += piece
        except TimeoutError:
            return False
    return not answer or (answer.startswith(b"HTTP/1.1 ") and int(answer.split()[1]) < 500)


def _odd_request(draw: random.Random) -> bytes:
    paths = ["/", "/v1/search?q=", "/v1/clips/file?id=", "/v1/clips/preview?id=", "/v1/clips?where=", "/v1/", "/app.js"]
    headers = ["range: bytes=", "if-none-match: ", "cookie: avgzsl_session=", "content-length: ", "host: ", "origin: "]
    headers += ["transfer-encoding: ", "if-modified-since: ", "authorization: Bearer ", "x-forwarded-for: ", "expect: "]
    values = ["-", "0-", "5-2", "0-0,1-1", "9" * 400, "*", "-1", "chunked", '"', "100-continue", "Thu, 99 Foo", *_ODD]
    method = draw.choice(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "G\x00T", "get"])
    lines = [f"{method} {draw.choice(paths)}{draw.choice(_ODD)} HTTP/{draw.choice(['1.1', '1.1', '1.0', '9'])}"]
    lines += [] if draw.random() < 0.1 else ["host: 127.0.0.1"]
    lines += [] if draw.random() < 0.4 else [f"authorization: Bearer {TOKEN}"]
    lines += [draw.choice(headers) + draw.choice(values) for _ in range(draw.randrange(4))]
    raw = bytearray("\r\n".join([*lines, "", ""]).encode())
    if draw.random() < 0.2:
        raw[draw.randrange(len(raw))] = draw.randrange(256)
    return bytes(raw)


def _ends(archive: Path, media: Path, work: Path) -> Outcome:
    """A signal while callers idle, or have sent half a head or half a clip: the server ends within five seconds."""
    ends: list[tuple[signal.Signals, int]] = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
    sent: list[bytes] = [b"", b"GET / HT", b"POST /v1/classify HTTP/1.1\r\n" + _HEAD + b"content-length: 9\r\n\r\nx"]
    held = 0
    for number, code in ends:
        with _serving(archive, media, work) as target, ExitStack() as stack:
            for content in sent * 20:
                stack.enter_context(target.connect()).sendall(content)
            if not target.answers():
                continue
            target.process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                held += target.process.wait(5.0) == code
    return Outcome("signals while requests are under way", len(ends), held)


def _allow_files(most: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
