"""Addresses and keys show themselves nowhere: in no text of theirs, and after any error in no output, log or file."""

import copy
import json
import logging
import pickle
import pprint
import shutil
import threading
import traceback
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from avgzsl import cli, index, load_run, open_searcher, train
from avgzsl.archive.collection import Collection, open_index
from avgzsl.archive.engines import VARIABLE, address, open_engine
from avgzsl.archive.engines.qdrant import KEY
from avgzsl.archive.index_record import describe, read_record, write_record
from avgzsl.errors import AvgzslError, ConfigError
from avgzsl.server.access import access_of
from avgzsl.server.settings import Settings, read_settings
from avgzsl.support.confidential import Address, bare_address, key_from
from tests.small_set import write_set

SECRET = "s3cr3t-0123456789-abcdef"
WHOLE = f"https://me:{SECRET}@host:6333/{SECRET}?key={SECRET}#{SECRET}"


def test_an_address_shows_itself_bare_in_every_text():
    url = Address(WHOLE)
    texts = [str(url), repr(url), f"{url}", f"{url!r}", f"{url!a}", pprint.pformat([url]), str({url: url})]
    assert all(SECRET not in text and "https://host:6333" in text for text in texts)
    assert url.whole() == WHOLE and url == Address(WHOLE) and url != Address("https://host:6333")
    assert not hasattr(url, "__dict__")


def test_an_address_goes_into_no_file():
    for write in (pickle.dumps, copy.deepcopy, json.dumps):
        with pytest.raises(TypeError) as refused:
            write(Address(WHOLE))
        assert SECRET not in str(refused.value)


@pytest.mark.parametrize("key", [f"{SECRET}\n", f" {SECRET}", f"{SECRET}é", f"{SECRET}\x00"])
def test_a_key_that_no_header_can_hold_is_refused_and_not_shown(key, monkeypatch):
    """The library that sends it would show it: h11's `Illegal header value b'…'`."""
    if "\x00" in key:
        monkeypatch.setattr("os.environ", {KEY: key})  # no system lets it in
    else:
        monkeypatch.setenv(KEY, key)
    with pytest.raises(ConfigError, match=KEY) as refused:
        key_from(KEY)
    assert SECRET not in everything_of(refused.value)


def test_a_key_shows_itself_as_asterisks(monkeypatch):
    monkeypatch.setenv(KEY, SECRET)
    key = key_from(KEY)
    assert key.get_secret_value() == SECRET and SECRET not in f"{key} {key!r}"
    monkeypatch.setenv(KEY, "")
    assert key_from(KEY) is None


def everything_of(problem: BaseException) -> str:
    """What is printed of an error, also where nobody catches it, and what hangs on it."""
    return "".join(traceback.format_exception(problem)) + repr(problem) + repr(problem.args)


# -- engines at an address ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A data set, a run, and an index."""
    folder = tmp_path_factory.mktemp("made")
    run = train(write_set(folder / "set"), "least-squares", out=folder / "run")
    index(run, folder / "set", folder / "index", split="val", engine="memory")
    return folder


@pytest.fixture
def world(made, tmp_path) -> Path:
    """The same, its index with an engine at an address, which its maker wrote down with a secret."""
    shutil.copytree(made, tmp_path / "world")
    path = tmp_path / "world" / "index" / "index.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "engine": "qdrant", "url": "http://elsewhere:1"}))
    return tmp_path / "world"


class Echo(BaseHTTPRequestHandler):
    """Sends back whatever it is sent, in the phrase, in a header and in the body."""

    status, heard = 500, []

    def answer(self) -> None:
        self.heard.append(self.headers.get("api-key"))
        said = f"{self.headers.get('api-key')} {self.path}"
        if self.status == 0:
            self.wfile.write(f"{said}\r\n\r\n".encode())
            return
        self.send_response(self.status, said)
        self.send_header("content-length", str(len(said)))
        self.send_header("location", f"http://127.0.0.1:9/{said}")
        self.end_headers()
        self.wfile.write(said.encode())

    do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = answer

    def log_message(self, *_) -> None: ...


@pytest.fixture
def echo(monkeypatch):
    """A server that sends back what it hears; the user has a key, and an address that has a secret in its way."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}/{SECRET}"
    monkeypatch.setenv(KEY, SECRET)
    monkeypatch.setenv(VARIABLE, url)
    monkeypatch.setattr(Echo, "heard", [])
    yield url
    server.shutdown()
    thread.join()
    server.server_close()


COMMANDS = {
    "index": "index RUN SET --out NEW --engine qdrant",
    "index-add": "index-add INDEX SET --split test",
    "index-remove": "index-remove INDEX dog-val-0 --purge",
    "index-rebuild": "index-rebuild INDEX",
    "index-verify": "index-verify INDEX",
    "index-info": "index-info INDEX --json",
    "index-evaluate": "index-evaluate INDEX",
    "search": "search INDEX dog",
}
SILENT = ("index-info", "index-evaluate")  # these call nobody


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
@pytest.mark.parametrize(
    ("command", "status"),
    [(command, 500) for command in COMMANDS] + [("search", status) for status in (200, 204, 307, 400, 404, 422, 0)],
)
def test_no_output_log_or_file_has_key_or_address(command, status, world, echo, monkeypatch, caplog):
    monkeypatch.setattr(Echo, "status", status)
    places = {"RUN": world / "run", "SET": world / "set", "INDEX": world / "index", "NEW": world / "new"}
    with caplog.at_level(logging.INFO), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        ran = CliRunner().invoke(cli.app, [str(places.get(word, word)) for word in COMMANDS[command].split()])
    shown = ran.output + caplog.text + "".join(str(warning.message) for warning in warned)
    if ran.exception is not None:
        shown += everything_of(ran.exception)
    assert SECRET not in shown
    assert command in SILENT or set(Echo.heard) == {SECRET}  # it was sent, to its server alone
    assert_in_no_file(world)


def assert_in_no_file(folder: Path) -> None:
    for path in folder.rglob("*"):
        assert SECRET not in path.name
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
def test_a_server_that_is_not_there_says_why_and_no_more(world, monkeypatch):
    monkeypatch.setenv(KEY, SECRET)
    with pytest.raises(AvgzslError, match=r"http://127.0.0.1:9: Qdrant .*Connection refused") as refused:
        open_engine("qdrant", world, "name", 5, f"http://127.0.0.1:9/{SECRET}").count()
    assert SECRET not in everything_of(refused.value)


@pytest.mark.parametrize("url", [WHOLE, f"//{SECRET}", SECRET, f"http://h ost/{SECRET}", f"http://h:99999/{SECRET}"])
@pytest.mark.parametrize("kind", ["qdrant", "memory"])
def test_an_address_that_is_refused_is_not_shown(url, kind, world):
    for call in (lambda: open_engine(kind, world, "name", 5, url), lambda: open_searcher(world / "index", url=url)):
        with pytest.raises(ConfigError) as refused:
            call()
        assert SECRET not in everything_of(refused.value)


def test_nothing_that_is_open_shows_an_address(world, monkeypatch):
    monkeypatch.setenv(VARIABLE, f"http://host:6333/{SECRET}")
    given = open_index(world / "index", f"http://host:6333/{SECRET}")
    engine = given.engine(given.modes[0])
    assert given.address().whole().endswith(SECRET)
    for thing in (given, engine, address("qdrant", None), vars(engine), vars(given), open_searcher(given)):
        assert SECRET not in repr(thing) + str(thing)
    with pytest.raises(TypeError):
        pickle.dumps(given.url)


def test_a_record_keeps_the_bare_address_whoever_wrote_it(world, tmp_path):
    run = load_run(world / "run")
    ours = describe(run, "qdrant", Address(f"http://host:6333/{SECRET}"), 1)
    write_record(tmp_path, ours)
    assert read_record(tmp_path).url == ours.url == "http://host:6333"
    path = world / "index" / "index.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "url": WHOLE}))
    theirs = read_record(world / "index")
    assert theirs.url == bare_address(WHOLE) and SECRET not in repr(theirs) + theirs.model_dump_json()
    assert SECRET not in repr(Collection(world, theirs, run, Address(WHOLE)))


# -- the token of a server ---------------------------------------------------------------------------------------------


def test_no_setting_that_is_wrong_shows_the_token(monkeypatch):
    monkeypatch.setenv("AVGZSL_SERVE_TOKEN", SECRET)
    wrong = [{"port": "x"}, {"port": 99999}, {"media": (Path("nowhere"),)}, {"unheard_of": 1}, {"host": 5}]
    for given in (*wrong, {"token": SECRET[:5]}, {"token": f"{SECRET}\n"}, {"token": [SECRET]}):
        with pytest.raises(ConfigError) as refused:
            read_settings(**given)
        assert refused.value.__cause__ is None and SECRET[:5] not in everything_of(refused.value)
    monkeypatch.setenv("AVGZSL_SERVE_NAMES", SECRET)
    with pytest.raises(ConfigError) as refused:
        read_settings()
    assert SECRET not in str(refused.value)


def test_what_holds_the_token_does_not_show_it():
    settings = Settings(token=SecretStr(SECRET))
    access = access_of(settings)
    for thing in (settings, access, vars(access), settings.model_dump(), settings.model_dump_json()):
        assert SECRET not in repr(thing) + str(thing)
