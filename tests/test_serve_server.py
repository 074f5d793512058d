"""The server as a process: its URL, its refusals, how it ends, what it leaves."""

import logging
import signal
import socket
import subprocess
import threading

import httpx
import pytest

from avgzsl.errors import ConfigError, DataError
from avgzsl.server import process as server
from avgzsl.server.process import serve
from avgzsl.server.scratch import scratch
from avgzsl.server.settings import Settings
from tests.processes import wait_for
from tests.serve_process import HOST, PATIENCE, TOKEN, command, environment, served, status
from tests.serve_world import render, world

pytestmark = pytest.mark.races


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return render(tmp_path_factory.mktemp("upload") / "own.mp4", "red square low drum", seed=5).read_bytes()


# neither the server nor the command around it ends before what is under way
PATIENT = f"""
from avgzsl.cli import interruption
from avgzsl.server import process
process.GRACE = process.LAST = interruption.SECONDS = {PATIENCE}
"""


def has_ended(here, code):
    """It ended as a shell expects, with one line that is none of the log."""
    assert here.ended() == code
    said = [line for line in here.said().splitlines() if not line.startswith("{")]
    assert len(said) == 1 and "served no longer" in said[0]


def test_a_running_upload_is_finished_before_the_server_ends(clip, tmp_path):
    with served(folder=tmp_path, first=PATIENT) as here:
        answered, begun, ending = [], threading.Event(), threading.Event()

        def slowly():
            half = len(clip) // 2
            yield clip[:half]
            begun.set()
            assert ending.wait(PATIENCE)
            yield clip[half:]

        def upload():
            answered.append(httpx.post(f"{here.url}v1/classify", content=slowly(), timeout=PATIENCE))

        caller = threading.Thread(target=upload)
        caller.start()
        assert begun.wait(PATIENCE)
        wait_for(lambda: list(tmp_path.rglob("avgzsl-upload-*")))
        here.process.send_signal(signal.SIGTERM)
        wait_for(lambda: "served no longer" in here.said())
        ending.set()
        caller.join(PATIENCE)
        assert answered and answered[0].status_code == 200 and answered[0].json()["top"]
        has_ended(here, 143)
        assert {"/v1/classify"} == {line["route"] for line in here.told() if line["event"] == "request"}
        assert not list(tmp_path.glob("avgzsl-serve-*"))
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{here.url}v1/health")


def test_it_ends_whatever_callers_do(clip):
    """Idle, half a head, half a clip, an answer that nobody reads: none of them ever goes on."""
    assert server.GRACE < server.LAST < 5
    sent = {
        "idle": b"",
        "half a head": b"GET /v1/info HTTP/1.1\r\n" + HOST,
        "half a clip": b"POST /v1/classify HTTP/1.1\r\n" + HOST + b"content-length: 9999\r\n\r\n" + clip[:100],
        "unread": (b"GET /v1/info HTTP/1.1\r\n" + HOST + b"\r\n") * 3000,
        "kept": b"GET /v1/health HTTP/1.1\r\n" + HOST + b"\r\n",
    }
    with served(header_seconds=PATIENCE) as here:
        connections = {name: here.connect() for name in sent}
        connections["unread"].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        try:
            for name, content in sent.items():
                connections[name].settimeout(0.5 if name == "unread" else PATIENCE)
                try:
                    connections[name].sendall(content)
                except TimeoutError:
                    assert name == "unread"
            assert status(connections["kept"]) == 200
            here.process.send_signal(signal.SIGINT)
            has_ended(here, 130)
        finally:
            for one in connections.values():
                one.close()


def test_a_signal_counts_from_the_moment_on_that_the_url_is_told():
    for end, code in {signal.SIGINT: 130, signal.SIGTERM: 143}.items():
        with served(first=PATIENT) as here:
            here.process.send_signal(end)
            has_ended(here, code)


def test_what_a_killed_server_left_is_cleared_and_nothing_else(tmp_path):
    others = tmp_path / "avgzsl-serve-of-something-else"
    others.mkdir()
    (others / "kept").write_text("x")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "avgzsl-serve-link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / ".avgzsl").write_text("")

    def folders():
        return {path.name for path in tmp_path.glob("avgzsl-serve-*")} - {others.name, "avgzsl-serve-link"}

    with served(folder=tmp_path) as killed, served(folder=tmp_path):
        there = folders()
        assert len(there) == 2
        thumbnail = f"{killed.url}v1/clips/thumbnail?id=red-square-low-drum/test-0.mp4"
        assert httpx.get(thumbnail, timeout=PATIENCE).status_code == 200
        killed.process.kill()
        killed.process.wait(PATIENCE)
        assert folders() == there
        with served(folder=tmp_path):
            assert len(folders() & there) == 1 and len(folders()) == 2
        assert (others / "kept").read_text() == "x" and (tmp_path / "elsewhere" / ".avgzsl").exists()


def test_a_folder_whose_lock_is_held_is_not_taken(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with scratch() as one:
        (one.folder() / "kept").write_text("x")
        with scratch() as other:
            assert one.folder() != other.folder()
        assert (one.folder() / "kept").read_text() == "x"
    assert not list(tmp_path.iterdir())


def test_an_open_address_without_a_token_is_refused_in_one_line():
    done = subprocess.run(
        command(world() / "index", "--host", "0.0.0.0"),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 1 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert "AVGZSL_SERVE_TOKEN" in done.stderr


def test_a_taken_port_and_what_is_no_index_are_refused(tmp_path):
    def ready(url):
        pytest.fail("it is served")

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} .*--port"):
            serve(world() / "index", Settings(port=port), ready=ready)
    with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1"):
        serve(world() / "index", Settings(host="192.0.2.1", token=TOKEN), ready=ready)
    with pytest.raises(DataError, match="avgzsl index"):
        serve(tmp_path, Settings(port=0), ready=ready)


def test_what_is_logged_afterwards_goes_where_it_went_before(tmp_path, monkeypatch):
    def state():
        loggers = [logging.getLogger(name) for name in ("avgzsl.server", "uvicorn", "asyncio")]
        return [(one.handlers, one.level, one.propagate) for one in loggers]

    def looked_at(host, port):
        during.extend(state())
        raise ConfigError("seen")

    before, during = state(), []
    monkeypatch.setattr(server, "bound", looked_at)
    with pytest.raises(ConfigError, match="seen"):
        serve(tmp_path, Settings(port=0))
    assert all(len(handlers) == 1 and not propagate for handlers, _, propagate in during)
    assert state() == before


def test_an_open_address_is_served_with_a_token():
    may = {"authorization": f"Bearer {TOKEN}"}
    with served("--host", "0.0.0.0", token=TOKEN) as here:
        assert httpx.get(f"{here.url}v1/info", timeout=PATIENCE).status_code == 401
        assert httpx.get(f"{here.url}v1/info", timeout=PATIENCE, headers=may).json()["clips"] == 19
