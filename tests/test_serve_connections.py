"""Connections that ask for nothing, ask slowly, or are too many: they cost their own callers alone."""

import asyncio
import contextlib
import resource
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest
import uvicorn
from starlette.datastructures import Headers

from avgzsl.server import connections
from avgzsl.server.connections import Connection
from avgzsl.server.limits import INSIDE
from avgzsl.server.process import configured
from avgzsl.server.sending import FileAnswer
from avgzsl.server.settings import Settings
from tests.processes import wait_for
from tests.serve_process import HOST, PATIENCE, TOKEN, everything, served, status
from tests.serve_world import application, render

pytestmark = pytest.mark.races

OTHER = "127.0.0.2"
HEALTH = b"GET /v1/health HTTP/1.1\r\n" + HOST + b"\r\n"
BEARER = f"authorization: Bearer {TOKEN}\r\n".encode()


class Running:
    """An application on a free port, in a thread, under the limits of the server."""

    def __init__(self, sock):
        self.address = sock.getsockname()[:2]
        self.url = "http://{}:{}/".format(*self.address)

    def connect(self, source="127.0.0.1"):
        return socket.create_connection(self.address, PATIENCE, (source, 0))


@contextlib.contextmanager
def running(app, *early, **settings):
    """`early` are contents, each sent on a connection of its own before anybody answers: they are late for no limit."""
    with connections.Listening(socket.AF_INET, socket.SOCK_STREAM) as sock, contextlib.ExitStack() as ends:
        sock.bind(("127.0.0.1", 0))
        sock.listen(100)
        server = uvicorn.Server(configured(app, Settings(**settings)))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
        here = Running(sock)
        here.early = [ends.enter_context(here.connect()) for _ in early]
        for connection, content in zip(here.early, early, strict=True):
            connection.sendall(content)
        thread.start()
        try:
            wait_for(lambda: server.started)
            yield here
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
            assert not thread.is_alive()


def get(here, path, source="127.0.0.1", headers=b""):
    """The status of an answer, on a connection of its own."""
    with here.connect(source) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\n".encode() + HOST + headers + b"connection: close\r\n\r\n")
        return status(connection)


async def plain(scope, receive, send):
    """An application that answers at once, or, to POST, once the body has come."""
    if scope["type"] == "lifespan":
        return
    if scope["method"] == "POST":
        scope["state"][INSIDE] = True
        while (await receive()).get("more_body"):
            pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (b"", b""),
        (b"GET / HTTP/1.1\r\nhost: a\r\n", b"HTTP/1.1 408 "),
        (b"G", b"HTTP/1.1 408 "),
        (b"GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HT", b"HTTP/1.1 408 "),
        (b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", b""),
    ],
)
def test_who_sends_no_request_is_let_go(sent, told):
    with running(plain, sent, header_seconds=0.2) as here:
        found = everything(here.early[0])
        assert found.rpartition(b"\r\n\r\n")[0].rpartition(b"\r\n\r\n")[2].startswith(told) or not found
        assert bool(told) == (b"408" in found)


def test_bytes_now_and_then_are_no_request():
    with running(plain, b"GET / HTTP/1.1\r\nx: ", header_seconds=0.4) as here:
        (connection,), ended = here.early, []

        def drip():
            while not ended:
                try:
                    connection.sendall(b"x")
                except OSError:
                    return
                time.sleep(0.05)

        dripping = threading.Thread(target=drip)
        dripping.start()
        assert b"408" in everything(connection)
        ended.append(True)
        dripping.join(PATIENCE)


def refused(connection, sent):
    """What comes of bytes that the server may stop reading."""
    with contextlib.suppress(ConnectionError):
        connection.sendall(sent)
    try:
        return everything(connection)
    except ConnectionError:
        return b""


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"x" * (1 << 20),
        b"GET /" + b"x" * (1 << 20),
        b"GET / HTTP/1.1\r\nhost: a\r\n" + b"x: y\r\n" * (1 << 18),
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n" + b"x: y\r\n" * (1 << 18),
    ],
    ids=["a long header", "a long address", "many headers", "headers after a body"],
)
def test_a_head_without_an_end_is_not_read_to_the_end(sent):
    with running(plain, header_seconds=60.0) as here, here.connect() as connection:
        found = refused(connection, sent)
        assert not found or found.startswith(b"HTTP/1.1 400 ")
        assert get(here, "/", OTHER) == 200


def test_a_body_of_many_pieces_is_no_long_head():
    pieces = b"1\r\nx\r\n" * (1 << 16)
    with running(plain, header_seconds=60.0) as here, here.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n" + pieces + b"0\r\n\r\n")
        assert status(connection) == 200


@pytest.mark.parametrize("length", [b"", b"content-length: 70\r\n"])
def test_after_a_request_for_another_protocol_nothing_is_a_request(length):
    begun = []

    async def noting(scope, receive, send):
        begun.append(scope["type"] == "http" and scope["path"])
        await plain(scope, receive, send)

    upgrade = b"POST /first HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: h2c\r\n" + length + b"\r\n"
    with running(noting) as here, here.connect() as connection:
        assert refused(connection, upgrade + HEALTH + b"\r\n").count(b"HTTP/1.1 ") <= 1
    assert begun.count("/first") == 1 and "/v1/health" not in begun


def test_requests_sent_ahead_are_few_and_in_order():
    """And what follows them and is none is not answered amid another answer."""
    gate, begun = threading.Event(), []

    async def slow(scope, receive, send):
        if scope["type"] == "http":
            begun.append(scope["path"])
            await asyncio.to_thread(gate.wait)
        await plain(scope, receive, send)

    def ahead(count):
        return b"".join(f"GET /{i} HTTP/1.1\r\nhost: a\r\n\r\n".encode() for i in range(count))

    with running(slow) as here, here.connect() as few, here.connect() as many, here.connect() as wrong:
        assert refused(many, ahead(1000)) == b"" == refused(wrong, ahead(1) + b"\x00\r\n\r\n")
        gate.set()
        few.sendall(ahead(8) + b"GET /last HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        assert everything(few).count(b"HTTP/1.1 200 ") == 9
    assert begun[-9:] == [*(f"/{i}" for i in range(8)), "/last"]


def test_a_request_that_is_under_way_is_no_idle_connection():
    gate = threading.Event()

    async def slow(scope, receive, send):
        if scope["type"] == "http":
            await asyncio.to_thread(gate.wait)
        await plain(scope, receive, send)

    with running(slow, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", b"", header_seconds=0.1) as here:
        one, idle = here.early
        assert everything(idle) == b""  # its time is over, and that of the other would be, too
        gate.set()
        assert status(one) == 200


@pytest.mark.parametrize("source", ["127.0.0.1", OTHER])
@pytest.mark.parametrize("half", [b"", b"GET / HTTP/1.1\r\nhost: "])
def test_idle_connections_make_room(source, half):
    with running(plain, connections=8) as here, contextlib.ExitStack() as stack:
        for _ in range(60):
            connection = stack.enter_context(here.connect(source))
            with contextlib.suppress(ConnectionError):
                connection.sendall(half)
            assert get(here, "/") == 200
        assert get(here, "/", OTHER) == 200


def test_one_address_takes_no_more_than_its_part_and_loses_no_request():
    begun, posts = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nx", []

    async def noted(scope, receive, send):
        if scope.get("method") == "POST":
            posts.append(scope)
        await plain(scope, receive, send)

    with running(noted, connections=8, header_seconds=PATIENCE) as here, contextlib.ExitStack() as stack:
        busy = [stack.enter_context(here.connect(OTHER)) for _ in range(4)]
        for connection in busy:
            connection.sendall(begun)
        wait_for(lambda: len(posts) == 4)
        idle = stack.enter_context(here.connect())
        wait_for(lambda: get_or_refused(here, OTHER) == 503)
        for _ in range(20):
            assert get(here, "/") == 200
        for connection in busy:
            connection.sendall(b"y")
            assert status(connection) == 200
        assert get(here, "/", OTHER) == 200  # they are idle now
        idle.close()


def get_or_refused(here, source):
    """503 for a connection that is refused before it has asked."""
    with here.connect(source) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        try:
            return status(connection)
        except ConnectionError:
            return 503


def test_where_every_request_is_under_way_one_more_is_refused(caplog):
    async def main():
        doors = connections.Doors(connections.Shares(3, 1.0), 60.0)
        ones = [stand_in(doors, inside) for inside in (True, False, True, True)]
        entered = [doors.enter(one) for one in ones]
        assert entered == [True, True, True, True] and ones[1].transport.aborted
        assert not doors.enter(stand_in(doors, True))
        doors.leave(ones[0])
        doors.leave(ones[0])  # twice is once
        assert doors.enter(stand_in(doors, True)) and not doors.enter(stand_in(doors, True))

    asyncio.run(main())


class Transport:
    aborted = False

    def abort(self):
        self.aborted = True


def stand_in(doors, inside):
    one = Connection.__new__(Connection)
    one.address, one.transport, one.is_inside = "192.0.2.1", Transport(), lambda: inside
    return one


def test_an_answer_that_nobody_takes_does_not_hold_its_connection():
    """It is closed: what is left would be sent first, for ever."""

    async def large(scope, receive, send):
        if scope["type"] == "lifespan":
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
        await send({"type": "http.response.body", "body": bytes(64 << 20)})

    with running(large, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", header_seconds=0.3) as here:
        (connection,) = here.early
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        assert connection.recv(4) == b"HTTP"
        wait_for(lambda: is_reset(connection))


def is_reset(connection):
    """Whether the other side has given it up: what was not taken was thrown away, which TCP says with a reset."""
    try:
        connection.send(b"x")
    except (BrokenPipeError, ConnectionResetError):
        return True
    return False


# ---- who needs no token


def test_requests_without_a_body_lock_out_nobody():
    unsent = b"POST /v1/session HTTP/1.1\r\n" + HOST + b"content-type: application/json\r\ncontent-length: 90\r\n\r\n"
    with (
        application(token=TOKEN, requests=8, open_requests=40) as app,
        running(app, connections=400, header_seconds=PATIENCE) as here,
        contextlib.ExitStack() as stack,
    ):
        for _ in range(140):
            stack.enter_context(here.connect()).sendall(unsent)
        for source in ("127.0.0.1", OTHER):
            for path in ("/v1/health", "/", "/app.js", "/v1/openapi.json"):
                assert get(here, path, source) == 200
            assert get(here, "/v1/info", source, BEARER) == 200
        asked = {"json": {"token": TOKEN}, "timeout": PATIENCE}
        assert httpx.post(f"{here.url}v1/session", **asked).status_code == 204


def test_a_body_that_does_not_come_is_not_waited_for():
    unsent = b"POST /v1/session HTTP/1.1\r\n" + HOST + b"content-length: 90\r\n\r\n"
    with application(token=TOKEN, open_seconds=0.2) as app, running(app) as here, here.connect() as connection:
        connection.sendall(unsent)
        assert everything(connection).startswith(b"HTTP/1.1 408 ")


def test_answers_without_a_token_that_nobody_reads_hold_no_place():
    """Refusals and health, whose callers take nothing: whoever may ask is answered, and health is."""
    stuck = []

    async def never(message):
        stuck.append(message)
        await asyncio.Event().wait()

    async def nothing():
        return {"type": "http.request", "body": b"", "more_body": False}

    def ask(app, path, send, *headers):
        scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "scheme": "http"}
        return app({**scope, "headers": [(b"host", b"127.0.0.1"), *headers]}, nothing, send)

    async def answer(app, path, *headers):
        sent = []

        async def send(message):
            sent.append(message)

        await ask(app, path, send, *headers)
        return sent[0]["status"]

    async def main(app):
        for path in ("/v1/info", "/v1/health"):
            begun = [asyncio.create_task(ask(app, path, never)) for _ in range(8)]
            while len(stuck) < len(begun):
                await asyncio.sleep(0.01)
            stuck.clear()
            assert await answer(app, "/v1/health") == 200
            assert await answer(app, "/v1/info", (b"authorization", f"Bearer {TOKEN}".encode())) == 200
            for one in begun:
                one.cancel()
            await asyncio.gather(*begun, return_exceptions=True)
            assert await answer(app, "/v1/openapi.json") == 200  # and every place is free again

    with application(token=TOKEN, requests=2, open_requests=2, open_seconds=PATIENCE) as app:
        asyncio.run(asyncio.wait_for(main(app), PATIENCE))


def test_slow_uploads_of_one_leave_room_for_others(tmp_path):
    clip = render(tmp_path / "own.mp4", "red square low drum", seed=5).read_bytes()
    begun = b"POST /v1/classify HTTP/1.1\r\n" + HOST + f"content-length: {len(clip)}\r\n\r\n".encode() + clip[:9]
    with application() as app, running(app) as here, contextlib.ExitStack() as stack:
        slow = [stack.enter_context(here.connect(OTHER)) for _ in range(40)]
        for connection in slow:
            connection.sendall(begun)
        refused = slow[-1]
        assert status(refused) == 429
        with httpx.Client(base_url=here.url, timeout=PATIENCE) as client:
            assert client.post("/v1/classify", content=clip).status_code == 200


def test_an_upload_that_comes_too_slowly_gives_its_place_back():
    begun = b"POST /v1/classify HTTP/1.1\r\n" + HOST + b"content-length: 99999\r\n\r\nRIFF"
    with application(header_seconds=0.2) as app, running(app) as here, here.connect() as connection:
        connection.sendall(begun)
        assert everything(connection).startswith(b"HTTP/1.1 408 ")


# ---- files that change while they are sent


@pytest.mark.parametrize("range", [b"", b"range: bytes=10-\r\n", b"range: bytes=0-9,100-\r\n"])
def test_a_file_that_is_cut_while_it_is_sent_ends_the_connection(tmp_path, range):
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(256 << 20)

    async def app(scope, receive, send):
        if scope["type"] == "http":
            await FileAnswer(path.open("rb"), "video/mp4", Headers(scope=scope))(scope, receive, send)

    with running(app) as here, here.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        connection.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n" + range + b"\r\n")
        assert connection.recv(4) == b"HTTP"
        with path.open("r+b") as file:
            file.truncate(1 << 20)
        assert len(everything(connection)) < 200 << 20


def test_what_is_added_to_a_file_while_it_is_sent_is_left_out(tmp_path):
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(64 << 20)

    async def app(scope, receive, send):
        if scope["type"] == "http":
            await FileAnswer(path.open("rb"), "video/mp4", Headers(scope=scope))(scope, receive, send)

    with running(app) as here, here.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        assert connection.recv(4) == b"HTTP"
        with path.open("r+b") as file:
            file.truncate(96 << 20)
        head, left = b"", 64 << 20
        while b"\r\n\r\n" not in head:
            head += connection.recv(1 << 16)
        left -= len(head.partition(b"\r\n\r\n")[2])
        while left > 0:
            left -= len(connection.recv(min(left, 1 << 20)))
        connection.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")  # the connection goes on, with the next answer
        assert status(connection) == 200


# ---- where no file can be opened any more


SCARCE = """
import asyncio, logging, resource, socket, sys
from avgzsl.server.connections import Listening
logging.basicConfig(stream=sys.stderr, format="line %(message)s")

async def main():
    sock = Listening(socket.AF_INET, socket.SOCK_STREAM)
    sock.bind(("127.0.0.1", 0)); sock.listen(500)
    taken = []
    async def hold(reader, writer):
        taken.append(writer)
    server = await asyncio.start_server(hold, sock=sock, backlog=500)
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    print(sock.getsockname()[1], flush=True)
    while not taken or len(taken) < int(await asyncio.to_thread(sys.stdin.readline)):
        await asyncio.sleep(0.01)
    for writer in taken:
        writer.transport.abort()
    there = len(taken)
    while len(taken) == there:
        await asyncio.sleep(0.01)
    print("accepted again", flush=True)

asyncio.run(main())
"""


def test_where_no_file_can_be_opened_it_rests_and_goes_on():
    child = subprocess.Popen(
        [sys.executable, "-c", SCARCE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with child, contextlib.ExitStack() as stack:
        try:
            port = int(child.stdout.readline())
            for _ in range(100):
                stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE))
            assert "out of system resource" in child.stderr.readline()
            child.stdin.write("10\n")
            child.stdin.close()
            assert child.stdout.readline() == "accepted again\n"
        finally:
            child.kill()
        lines = [line for line in child.stderr if line.startswith("line ")]
        assert len(lines) < 20


@pytest.mark.parametrize(
    ("soft", "hard", "told", "raised"),
    [
        (256, 4096, 512, 1024),
        (256, 300, 150, 300),
        (256, 800, 400, 800),
        (4096, 4096, 512, None),
        (256, resource.RLIM_INFINITY, 512, 1024),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, 512, None),
    ],
)
def test_as_many_connections_as_files_can_be_opened(monkeypatch, soft, hard, told, raised):
    set_to = []
    monkeypatch.setattr("resource.getrlimit", lambda of: (soft, hard))
    monkeypatch.setattr("resource.setrlimit", lambda of, limits: set_to.append(limits))
    assert connections.room_for(512) == told
    assert set_to == ([] if raised is None else [(raised, hard)])


# ---- the log


def test_what_is_done_again_and_again_is_a_few_lines():
    long = "from avgzsl.server import repeats; repeats._SECONDS = 3600.0"  # else a slow machine begins to count anew
    with served(connections=16, first=long) as here:
        for _ in range(300):
            with here.connect() as connection:
                connection.sendall(b"no request at all\r\n\r\n")
                assert status(connection) == 400
            assert get(here, "/no/such/page") == 404
        with contextlib.ExitStack() as stack:
            for _ in range(300):
                stack.enter_context(here.connect())
            assert get(here, "/v1/health") == 200
        assert 3 <= len(here.told()) <= 200
