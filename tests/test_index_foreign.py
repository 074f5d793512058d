"""An index that somebody else made: it calls nobody, leads nowhere, runs nothing, and is read or refused by name."""

import json
import os
import shutil
import socket
import stat
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

from avgzsl import cli
from avgzsl.archive.engines import VARIABLE, address
from avgzsl.archive.indexing import index, index_add, index_info, index_rebuild, index_remove, index_verify
from avgzsl.archive.results import Removed
from avgzsl.archive.retrieval import index_evaluate
from avgzsl.archive.search import open_searcher, search
from avgzsl.errors import AvgzslError, ConfigError, DataError
from avgzsl.experiments.train_evaluate import train
from avgzsl.media.workers import Decoders
from avgzsl.server.contract import HitChoice, Search
from avgzsl.server.index_archive import open_archive
from avgzsl.support.confidential import bare_address
from tests.processes import PATIENCE
from tests.small_set import write_set

KEY = "a key that only its server may have"


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_set(tmp_path_factory.mktemp("data") / "set")


@pytest.fixture(scope="module")
def run(data, tmp_path_factory) -> Path:
    return train(data, "least-squares", out=tmp_path_factory.mktemp("runs") / "run").folder


@pytest.fixture(scope="module")
def made(data, run, tmp_path_factory) -> dict[str, Path]:
    """An index an engine on disk."""
    folder = tmp_path_factory.mktemp("made")
    for engine in ("memory", "lancedb"):
        index(run, data, folder / engine, split="val", engine=engine)
    return {engine: folder / engine for engine in ("memory", "lancedb")}


@pytest.fixture
def foreign(made, tmp_path):
    """A copy of an index, to be changed as its maker likes."""

    def copy(kind: str = "memory", **record) -> Path:
        folder = tmp_path / "foreign"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(made[kind], folder)
        change(folder, **record)
        return folder

    return copy


def change(folder: Path, **record) -> None:
    path = folder / "index.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **record}))


def caught(call) -> object:
    """What a call gives, or the named error that it ends in."""
    try:
        return call()
    except AvgzslError as problem:
        return problem


# -- where it is -------------------------------------------------------------------------------------------------------


class Listener:
    """Notes what anybody sends to it, and answers with an error, or with a redirection to another."""

    def __init__(self, to: str | None = None) -> None:
        self.heard: list[bytes] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.answer = b"HTTP/1.1 500 no\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        if to is not None:
            self.answer = b"HTTP/1.1 307 there\r\nlocation: %s/x\r\ncontent-length: 0\r\n\r\n" % to.encode()
        self.thread = threading.Thread(target=self.listen)
        self.thread.start()

    def listen(self) -> None:
        while True:
            caller, _ = self.socket.accept()
            with caller:
                caller.settimeout(PATIENCE)
                content = caller.recv(1 << 16)
                if content == b"end":
                    return
                self.heard.append(content)
                caller.sendall(self.answer)

    def close(self) -> None:
        with socket.create_connection(self.socket.getsockname()) as last:
            last.sendall(b"end")
        self.thread.join(PATIENCE)
        self.socket.close()


@pytest.fixture
def listening(monkeypatch):
    """Listeners; the user has a key."""
    monkeypatch.setenv("QDRANT_API_KEY", KEY)
    monkeypatch.delenv(VARIABLE, raising=False)
    open_ones = []

    def listen(to: str | None = None) -> Listener:
        open_ones.append(Listener(to))
        return open_ones[-1]

    yield listen
    for one in open_ones:
        one.close()


def serve(folder: Path, url: str | None) -> None:
    with Decoders(1) as decoders:
        archive = open_archive(folder, decoders, True, url=url)
        archive.search(Search(HitChoice(3, None, None), "dog"))


CALLS = {
    "search": lambda folder, data, url: search(open_searcher(folder, url=url), "dog"),
    "serve": lambda folder, data, url: serve(folder, url),
    "add": lambda folder, data, url: index_add(folder, data, split="test", url=url),
    "purge": lambda folder, data, url: index_remove(folder, ["dog-val-0"], purge=True, url=url),
    "rebuild": lambda folder, data, url: index_rebuild(folder, url=url),
    "verify": lambda folder, data, url: index_verify(folder, url=url),
}
COMMANDS = {
    "search": ("search", "FOLDER", "dog"),
    "serve": ("serve", "FOLDER", "--port", "0"),
    "add": ("index-add", "FOLDER", "DATA", "--split", "test"),
    "purge": ("index-remove", "FOLDER", "dog-val-0", "--purge"),
    "rebuild": ("index-rebuild", "FOLDER"),
    "verify": ("index-verify", "FOLDER"),
}


@pytest.mark.parametrize("call", CALLS)
def test_an_address_that_an_index_names_is_told_and_not_called(call, foreign, data, listening):
    theirs = listening()
    folder = foreign(engine="qdrant", url=theirs.url)
    with pytest.raises(ConfigError, match=f"needs a url.*{VARIABLE}.*The index names {theirs.url}"):
        CALLS[call](folder, data, None)
    given = [folder if word == "FOLDER" else data if word == "DATA" else word for word in COMMANDS[call]]
    ran = CliRunner().invoke(cli.app, list(map(str, given)))
    assert isinstance(ran.exception, ConfigError) and theirs.url in str(ran.exception)
    assert theirs.heard == []
    assert index_info(folder).clips == 20  # nothing was done by halves


def test_what_needs_no_engine_calls_none(foreign, listening):
    theirs = listening()
    folder = foreign(engine="qdrant", url=theirs.url)
    assert index_info(folder).json()["url"] == theirs.url
    assert index_evaluate(folder).unlabelled == 0
    assert index_remove(folder, ["dog-val-0"]) == Removed(1, 0)
    assert theirs.heard == []


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("by", ["call", "variable"])
def test_only_the_address_that_the_user_gave_is_called_and_no_other_that_it_sends_to(
    by, call, foreign, data, listening, monkeypatch
):
    theirs = listening()
    ours = listening(to=theirs.url)
    folder = foreign(engine="qdrant", url=theirs.url)
    if by == "variable":
        monkeypatch.setenv(VARIABLE, ours.url)
    assert ours.url in str(caught(lambda: CALLS[call](folder, data, ours.url if by == "call" else None)))
    assert ours.heard and all(KEY.encode() in asked for asked in ours.heard)
    assert theirs.heard == []


def test_the_same_address_written_otherwise_is_no_other_one(foreign, listening, monkeypatch):
    """What an index names counts for nothing, so no spelling of it does."""
    theirs = listening()
    port = theirs.url.rpartition(":")[2]
    for host in ("127.0.0.1", "127.1", "2130706433", "[::ffff:127.0.0.1]", "localhost", "LOCALHOST", "127.0.0.1."):
        with pytest.raises(ConfigError, match="needs a url"):
            search(open_searcher(foreign(engine="qdrant", url=f"http://{host}:{port}/")), "dog")
    assert theirs.heard == []


@pytest.mark.parametrize(
    "url",
    ["", "localhost:6333", "file:///etc/passwd", "ftp://127.0.0.1/", "http://", "http://[::1", "http://h:99999", "http:///x",
     "http://h ost", "http://h\x1b[2Jx", "http://h:0", "//h:1", "javascript:alert(1)", "unix:/tmp/x"],
)  # fmt: skip
def test_what_is_no_address_is_said_wherever_it_comes_from(url, foreign, data, monkeypatch):
    folder = foreign(engine="qdrant", url=url)
    monkeypatch.setenv(VARIABLE, url)
    with pytest.raises(ConfigError, match=r"expected one as http://localhost:6333|needs a url") as told:
        search(open_searcher(folder), "dog")
    assert str(told.value).isprintable()
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(ConfigError, match="needs a url") as told:
        search(open_searcher(folder), "dog")
    assert str(told.value).isprintable()


@pytest.mark.parametrize(
    "url", ["http://me:secret@h:1", "http://secret@h:1", "http://h:1?key=secret", "http://h:1/#secret"]
)
def test_a_secret_in_an_address_is_refused_and_shown_to_nobody(url, foreign, run, data, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="holds more than an address") as told:
        index(run, data, tmp_path / "new", engine="qdrant", url=url)
    assert "secret" not in str(told.value)
    folder = foreign(engine="qdrant", url=url)
    with pytest.raises(ConfigError, match="The index names http://h:1") as told:
        search(open_searcher(folder), "dog")
    assert "secret" not in str(told.value) + bare_address(url)
    with pytest.raises(ConfigError, match="takes no url") as told:
        address("memory", url)
    assert "secret" not in str(told.value)
    assert "secret" not in json.dumps(index_info(folder).json())
    ran = CliRunner().invoke(cli.app, ["index-info", str(folder)])
    assert ran.exit_code == 0 and "secret" not in ran.output


def test_an_engine_on_disk_has_no_use_for_an_address(foreign, monkeypatch):
    folder = foreign()
    with pytest.raises(ConfigError, match="takes no url"):
        open_searcher(folder, url="http://localhost:6333")
    monkeypatch.setenv(VARIABLE, "http://localhost:6333")  # of another index
    assert len(search(folder, "dog", top=3)) == 3


# -- links -------------------------------------------------------------------------------------------------------------


def inside(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def everything(folder: Path) -> dict[str, object]:
    """All that lies below a folder, links not followed."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else None
        found[str(path.relative_to(folder))] = (status.st_mode, status.st_mtime_ns, status.st_nlink, content)
    return found


def put_link(path: Path, kind: str, outside: Path) -> None:
    """Something else in place of what is there, which lies `outside` then."""
    aside = outside / path.name
    if path.exists():
        path.rename(aside)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    else:
        path.symlink_to(aside if kind == "link" else outside / "not there")


def use_in_all_ways(folder: Path, data: Path) -> list[str]:
    """What each call says of an index that is to be refused."""
    said = []
    for call in (
        lambda: search(folder, "dog"),
        lambda: index_info(folder),
        lambda: index_verify(folder),
        lambda: index_evaluate(folder),
        lambda: index_add(folder, data, split="test"),
        lambda: index_remove(folder, ["dog-val-0"], purge=True),
        lambda: index_rebuild(folder),
        lambda: index(folder / "run", data, folder),
    ):
        with pytest.raises(AvgzslError) as told:
            call()
        said.append(str(told.value))
    return said


@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "socket"])
@pytest.mark.parametrize("engine", ["memory", "lancedb"])
def test_nothing_in_an_index_is_a_link(engine, kind, made, foreign, data, tmp_path, monkeypatch):
    places = [place for place in inside(made[engine]) if place not in ("index.json", "run", "run/config.json")]
    places += [".writer.sqlite", "clips.sqlite-journal", "stores", "more", "index.json"]
    if engine == "lancedb":  # some deep ones
        places = [place for place in places if "/lancedb/" in place][::3]
    if kind in ("pipe", "socket"):
        places = places[::3]
    for number, place in enumerate(places):
        outside = tmp_path / f"outside-{number}"
        outside.mkdir()
        folder = foreign(engine)
        monkeypatch.chdir((folder / place).parent)
        put_link(folder / place, kind, outside)
        before = everything(outside), everything(folder)
        with pytest.raises(DataError, match=r"is a link|no plain file"):
            search(folder, "dog")
        if number % 5 == 0:
            use_in_all_ways(folder, data)
        assert (everything(outside), everything(folder)) == before, place


def test_the_folder_itself_may_be_a_link_of_the_user(foreign, data, run, tmp_path):
    (tmp_path / "mine").symlink_to(foreign())
    assert len(search(tmp_path / "mine", "dog", top=3)) == 3
    assert index_add(tmp_path / "mine", data, split="test").added == 25
    (tmp_path / "place").mkdir()
    (tmp_path / "new").symlink_to(tmp_path / "place")
    assert index(run, data, tmp_path / "new", split="val", engine="memory").added == 20
    assert index_verify(tmp_path / "new").rows() == []


@pytest.mark.parametrize("name", ["embeddings.f32", "clips.sqlite", ".writer.lock", "engine"])
def test_what_has_a_second_name_elsewhere_is_not_written_to(name, foreign, data, tmp_path):
    folder = foreign()
    paths = sorted((folder / name).iterdir()) if name == "engine" else [folder / name]
    for path in paths:
        os.link(path, tmp_path / path.name)
    before = everything(folder)
    assert len(search(folder, "dog", top=3)) == 3  # reading harms nobody
    assert before == everything(folder)
    kept = {path.name: path.read_bytes() for path in paths}
    for call in (
        lambda: index_add(folder, data, split="test"),
        lambda: index_remove(folder, ["dog-val-0"], purge=True),
    ):
        with pytest.raises(DataError, match=r"has 2 names \(hard links\).*copy of its own"):
            call()
    assert {path.name: (tmp_path / path.name).read_bytes() for path in paths} == kept
    shutil.copytree(folder, tmp_path / "copy")
    index_add(tmp_path / "copy", data, split="test")
    assert index_verify(tmp_path / "copy").rows() == []


@pytest.mark.parametrize("engine", ["memory", "lancedb"])
def test_a_search_writes_nothing(engine, foreign):
    folder = foreign(engine)
    before = everything(folder)
    search(folder, "dog")
    index_info(folder)
    index_evaluate(folder)
    index_verify(folder)
    assert everything(folder) == before


def test_a_search_makes_nothing_that_is_missing(foreign):
    for engine in ("memory", "lancedb"):
        folder = foreign(engine)
        shutil.rmtree(folder / "engine")
        before = everything(folder)
        with pytest.raises(DataError, match="is gone; make it anew with `avgzsl index-rebuild`"):
            search(folder, "dog")
        assert everything(folder) == before
        index_rebuild(folder)
        assert len(search(folder, "dog", top=3)) == 3
