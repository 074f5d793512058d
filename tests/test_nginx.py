"""nginx with TLS before a real server, by the very file that docs/how-to/nginx.md prints."""

import re
import shutil
import socket
import ssl
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest

from avgzsl.server.headers import _HEADERS
from avgzsl.server.settings import Settings
from tests.processes import PROJECT, started, wait_for
from tests.serve_process import PATIENCE, TOKEN, served, status
from tests.serve_world import sound_bytes, world

FILE = PROJECT / "docs" / "how-to" / "nginx.conf"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
NAME = "archive.example.org"
BEARER = {"authorization": f"Bearer {TOKEN}"}
FILM = "/v1/clips/file?id=red-square-low-drum/test-0.mp4"
# what nginx keeps lies where the test may write, and it is one process, which ends when it is told to
AROUND = """daemon off; master_process off; pid {folder}/pid; error_log stderr;
events {{ }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  {text}
}}
"""

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed: its file is not checked")


@dataclass
class Front:
    """nginx, on ports of its own, and the certificate that it shows."""

    plain: int
    port: int
    certificate: Path

    def ask(self, path, method="GET", source="127.0.0.1", **how):
        """What it answers to a caller at that address of this machine; its certificate is checked."""
        transport = httpx.HTTPTransport(verify=self._trusted(), local_address=source)
        headers = {"host": NAME, **how.pop("headers", {})}
        with httpx.Client(transport=transport, timeout=PATIENCE) as client:
            url = f"https://127.0.0.1:{self.port}{path}"
            return client.request(method, url, headers=headers, extensions={"sni_hostname": NAME}, **how)

    def begin(self, head):
        """The status that the head of a request alone is answered by."""
        plain = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        with self._trusted().wrap_socket(plain, server_hostname=NAME) as connection:
            connection.sendall(head)
            return status(connection)

    def _trusted(self):
        return ssl.create_default_context(cafile=self.certificate)


def signed(folder):
    """A key, and a certificate of the name that is signed with it."""
    key, certificate = folder / "privkey.pem", folder / "fullchain.pem"
    words = f"openssl req -x509 -newkey rsa:2048 -nodes -subj /CN={NAME} -addext subjectAltName=DNS:{NAME} -days 1"
    subprocess.run([*words.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)


def free_ports():
    """Two ports that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


def written(folder, plain, port, behind):
    """The file of the documents with other ports and folders, and what stands around it on every machine."""
    text = FILE.read_text()
    for old, new in {
        "listen 80;": f"listen 127.0.0.1:{plain};",
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "http://127.0.0.1:8000;": f"http://{behind};",
        f"/etc/ssl/{NAME}/": f"{folder}/",
    }.items():
        assert old in text, old
        text = text.replace(old, new)
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder, text=text))
    return folder / "nginx.conf"


@contextmanager
def fronted(folder, behind):
    """nginx before the server at that address; it goes to other ports where somebody was quicker."""
    signed(folder)
    for _ in range(5):
        plain, port = free_ports()
        file, errors = written(folder, plain, port, behind), folder / "errors"
        with errors.open("w") as told, started([NGINX, "-p", folder, "-c", file], stderr=told) as process:
            wait_for(partial(_has_begun, process, folder))
            if process.poll() is None:
                assert "[warn]" not in errors.read_text(), errors.read_text()
                yield Front(plain, port, folder / "fullchain.pem")
                return
        assert "Address already in use" in errors.read_text(), errors.read_text()
    pytest.fail("no port was free")


def _has_begun(process, folder):
    """It listens, as it says by this file, or has ended."""
    return (folder / "pid").exists() or process.poll() is not None


@pytest.fixture(scope="module")
def front(tmp_path_factory):
    with (
        served(token=TOKEN, names=f'["{NAME}"]') as here,
        fronted(tmp_path_factory.mktemp("nginx"), here.url.removeprefix("http://").rstrip("/")) as nginx,
    ):
        yield nginx


def test_numbers_in_the_file_are_those_of_the_server():
    text, defaults = FILE.read_text(), Settings()
    [megabytes] = re.findall(r"client_max_body_size (\d+)m;", text)
    assert int(megabytes) << 20 == defaults.upload_bytes
    waits = [int(seconds) for seconds in re.findall(r"proxy_(?:read|send)_timeout (\d+)s;", text)]
    assert len(waits) == 2 and min(waits) > defaults.answer_seconds
    [burst] = re.findall(r"limit_req zone=avgzsl burst=(\d+) nodelay;", text)
    files = len([*(PROJECT / "src" / "avgzsl" / "server" / "page").iterdir()])
    assert int(burst) >= 5 * (files + 24), "people of one office cannot open the page and its first clips at once"


def test_plain_http_leads_to_tls(front):
    answer = httpx.get(f"http://127.0.0.1:{front.plain}/v1/info?a=b", headers={"host": NAME})
    assert (answer.status_code, answer.headers["location"]) == (301, f"https://{NAME}/v1/info?a=b")


@pytest.mark.parametrize(("path", "status"), [("/", 200), ("/v1/health", 200), ("/v1/info", 401), ("/nothing", 404)])
def test_what_the_page_is_shielded_by_passes_once(front, path, status):
    answer = front.ask(path)
    assert answer.status_code == status
    for name, value in (_HEADERS | {"strict-transport-security": "max-age=31536000"}).items():
        assert answer.headers.get_list(name) == [value], name
    assert answer.headers["server"] == "nginx"  # and not which


def test_the_cookie_of_the_page_goes_over_tls_alone(front):
    same_site = {"origin": f"https://{NAME}", "sec-fetch-site": "same-origin"}
    answer = front.ask("/v1/session", "POST", json={"token": TOKEN}, headers=same_site)
    assert answer.status_code == 204
    cookie, *marks = answer.headers["set-cookie"].split("; ")
    assert {"Secure", "HttpOnly", "SameSite=strict"} <= set(marks)
    assert front.ask("/v1/info", headers={"cookie": cookie, **same_site}).status_code == 200
    assert front.ask("/v1/info", headers={"cookie": cookie, "origin": "https://elsewhere.org"}).status_code == 403


def test_a_film_comes_whole_and_in_ranges(front):
    film = (world() / "clips" / "red-square-low-drum" / "test-0.mp4").read_bytes()
    whole = front.ask(FILM, headers=BEARER)
    assert (whole.status_code, whole.content, whole.headers["accept-ranges"]) == (200, film, "bytes")
    part = front.ask(FILM, headers=BEARER | {"range": "bytes=100-299"})
    assert (part.status_code, part.content) == (206, film[100:300])
    assert part.headers["content-range"] == f"bytes 100-299/{len(film)}"
    tail = front.ask(FILM, headers=BEARER | {"range": "bytes=-50", "if-range": whole.headers["etag"]})
    assert (tail.status_code, tail.content) == (206, film[-50:])
    assert front.ask(FILM, headers=BEARER | {"range": f"bytes={len(film)}-"}).status_code == 416
    assert front.ask(FILM, headers=BEARER | {"if-none-match": whole.headers["etag"]}).status_code == 304
    assert front.ask(FILM, "HEAD", headers=BEARER).headers["content-length"] == str(len(film))


def test_uploads_pass_up_to_the_limit(front):
    """nginx's own limit is 1 MB, and what is above ours is refused before it is sent."""
    large = front.ask("/v1/classify", "POST", content=sound_bytes(3 << 20), headers=BEARER)
    assert large.status_code == 200, large.text
    head = (
        f"POST /v1/classify HTTP/1.1\r\nhost: {NAME}\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: {{}}\r\n\r\n"
    )
    assert front.begin(head.format(Settings().upload_bytes + 1).encode()) == 413


def test_who_guesses_tokens_is_slowed_down_and_nobody_else(front):
    """Whatever it says of where it comes from."""
    guesses = [
        front.ask(
            "/v1/info", source="127.0.0.2", headers={"authorization": "Bearer no", "x-forwarded-for": f"10.0.0.{i}"}
        )
        for i in range(30)
    ]
    assert {answer.status_code for answer in guesses} == {401, 429}
    assert front.ask("/v1/info", source="127.0.0.3", headers=BEARER).status_code == 200


def test_metrics_are_for_this_machine(front):
    assert front.ask("/metrics").status_code == 401
    assert front.ask("/metrics", headers=BEARER).status_code == 200
    assert front.ask("/metrics", source="127.0.0.2", headers=BEARER).status_code == 403


def test_no_web_socket_is_opened_and_no_other_name_is_served(front):
    upgrade = {"upgrade": "websocket", "connection": "upgrade", "sec-websocket-version": "13"}
    key = {"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}
    assert front.ask("/v1/health", headers=upgrade | key).status_code == 200
    assert front.ask("/v1/health", headers={"host": "elsewhere.org"}).status_code == 421
