"""The server as a process: its URL, its refusals, how it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest

from avgzsl.errors import ConfigError, DataError
from avgzsl.serve.server import serve
from avgzsl.serve.settings import Settings
from tests.serve_world import render, world

TOKEN = "0123456789abcdef-secret"
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("AVGZSL_SERVE_")}


def command(*arguments):
    return [sys.executable, "-c", "from avgzsl.cli import main; main()", "serve", *map(str, arguments)]


@pytest.fixture
def serving():
    """Starts servers; gives the process and its URL."""
    started = []

    def start(*arguments, **environment):
        process = subprocess.Popen(
            command(world() / "index", "--port", "0", *arguments),
            env=ENVIRONMENT | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        line = process.stdout.readline()
        assert " is served at " in line, process.stderr.read()
        return process, line.split(" is served at ")[1].split()[0]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_running_upload_is_finished_before_the_server_ends(serving, tmp_path):
    process, url = serving()
    clip = render(tmp_path / "own.mp4", "red square low drum", seed=5).read_bytes()
    answered = []
    begun = threading.Event()

    def slowly():
        half = len(clip) // 2
        yield clip[:half]
        begun.set()
        time.sleep(1.0)
        yield clip[half:]

    def upload():
        answered.append(httpx.post(f"{url}v1/classify", content=slowly(), timeout=60))

    caller = threading.Thread(target=upload)
    caller.start()
    assert begun.wait(30)
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    caller.join(60)
    assert answered and answered[0].status_code == 200 and answered[0].json()["top"]
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    lines = [json.loads(line) for line in errors.splitlines()]
    assert {"/v1/classify"} == {line["route"] for line in lines if line["event"] == "request"}
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}v1/health")


def test_an_open_address_without_a_token_is_refused_in_one_line():
    done = subprocess.run(
        command(world() / "index", "--host", "0.0.0.0"),
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert "AVGZSL_SERVE_TOKEN" in done.stderr


def test_a_taken_port_and_what_is_no_index_are_refused(tmp_path):
    def told(url):
        pytest.fail("it is served")

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} .*--port"):
            serve(world() / "index", Settings(port=port), told)
    with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1"):
        serve(world() / "index", Settings(host="192.0.2.1", token=TOKEN), told)
    with pytest.raises(DataError, match="avgzsl index"):
        serve(tmp_path, Settings(port=0), told)


def test_an_open_address_is_served_with_a_token(serving):
    _, url = serving("--host", "0.0.0.0", AVGZSL_SERVE_TOKEN=TOKEN)
    assert httpx.get(f"{url}v1/info").status_code == 401
    assert httpx.get(f"{url}v1/info", headers={"authorization": f"Bearer {TOKEN}"}).json()["clips"] == 19
