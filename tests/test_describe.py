"""`avgzsl describe`: a table of sentences, by hand or by a model, which is a small server here."""

import csv
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from avgzsl.cli import app
from avgzsl.data.describing import KEY, MODEL, PROMPT, URL, describe
from avgzsl.errors import ConfigError, DataError
from avgzsl.support import chat
from avgzsl.text.descriptions import read_descriptions
from tests.small_set import ORDER, write_set
from tests.test_store import make as make_store
from tests.test_store import write as write_store

SECRET = "sk-canary-41d7"
Reply = Callable[[str, int], tuple[int, str]]  # of the question, and how often it was asked before


class Server:
    """Speaks the chat protocol; `reply` says what it answers, `asked` what it was sent."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict]] = []
        self.reply: Reply = lambda question, _: (200, said(f"{named(question)} as one sees and hears it"))
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                question = content["messages"][0]["content"]
                before = sum(other["messages"][0]["content"] == question for _, _, other in server.asked)
                server.asked.append((self.path, self.headers["Authorization"], content))
                status, body = server.reply(question, before)
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: object) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()


def said(text: str) -> str:
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]})


def named(question: str) -> str:
    before, after = PROMPT.split("{}")
    return question.removeprefix(before).removesuffix(after)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, nothing_set: None) -> Iterator[Server]:
    made = Server()
    monkeypatch.setenv(URL, f"http://127.0.0.1:{made.http.server_port}/v1")
    monkeypatch.setenv(KEY, SECRET)
    monkeypatch.setenv(MODEL, "small-model")
    monkeypatch.setattr(chat, "WAITS", (0.0, 0.0))
    yield made
    made.http.shutdown()
    made.http.server_close()


@pytest.fixture(autouse=True, name="nothing_set")
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (URL, KEY, MODEL):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_set(tmp_path_factory.mktemp("data") / "set")


def rows(path: Path) -> list[list[str]]:
    return list(csv.reader(path.read_text().splitlines()))


def test_a_table_to_be_filled(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.csv"
    made = describe(data, out)
    assert rows(out) == [["label", "description"], *([name, ""] for name in ORDER)]
    assert made.empty == ORDER and made.filled == ()
    with pytest.raises(DataError, match="no sentence for 5 of 5"):
        read_descriptions(out).of(ORDER)


def test_what_is_filled_is_never_written_over(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.csv"
    out.write_text('name,source,description\nDog,me," it, barks "\nhorse,me,neighs\ncat,you,\n')
    made = describe(data, out)
    assert rows(out) == [
        ["name", "source", "description"],
        ["Dog", "me", " it, barks "], ["horse", "me", "neighs"], ["cat", "you", ""],
        *([name, "", ""] for name in ORDER if name not in ("dog", "cat")),
    ]  # fmt: skip
    assert set(made.empty) == {*ORDER} - {"dog"}


def test_a_table_of_other_columns_gets_one(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.csv"
    out.write_text("label,what\ndog,x\n")
    describe(data, out)
    assert rows(out)[:2] == [["label", "what", "description"], ["dog", "x", ""]]


def test_a_model_fills_the_empty_cells(data, tmp_path, server, caplog) -> None:
    out = tmp_path / "s.csv"
    out.write_text("label,description\ndog,it barks\n")
    heard = []
    made = describe(data, out, progress=heard.append)
    asked = [name for name in ORDER if name != "dog"]
    assert list(made.filled) == asked and made.empty == ()
    assert read_descriptions(out).of(ORDER)["pig"] == ("pig as one sees and hears it",)
    assert read_descriptions(out).of(ORDER)["dog"] == ("it barks",)
    assert [named(content["messages"][0]["content"]) for _, _, content in server.asked] == asked
    path, key, content = server.asked[0]
    assert path == "/v1/chat/completions" and key == f"Bearer {SECRET}"
    assert content.keys() == {"model", "messages"} and content["model"] == "small-model"
    assert [(step.done, step.total, step.item) for step in heard] == [(n, 4, name) for n, name in enumerate(asked, 1)]
    (entry,) = json.loads((tmp_path / "s.csv.prompt.json").read_text())
    address = f"http://127.0.0.1:{server.http.server_port}"
    assert entry == {"model": "small-model", "address": address, "prompt": PROMPT, "classes": asked}
    assert f"the names of 4 classes are sent to {address} (model small-model)" in caplog.text
    assert SECRET not in caplog.text + out.read_text() + str(entry)


def test_what_was_interrupted_goes_on(data, tmp_path, server) -> None:
    def stop(step) -> None:
        if step.done == 2:
            raise KeyboardInterrupt

    out = tmp_path / "s.csv"
    with pytest.raises(KeyboardInterrupt):
        describe(data, out, progress=stop)
    assert sum(bool(row[1]) for row in rows(out)[1:]) == 2
    made = describe(data, out)
    assert len(made.filled) == 3 and len(server.asked) == 5  # nobody is asked twice
    (entry,) = json.loads((tmp_path / "s.csv.prompt.json").read_text())
    assert entry["classes"] == list(ORDER)
    assert describe(data, out).filled == () and len(server.asked) == 5


def test_what_passes_is_asked_again(data, tmp_path, server) -> None:
    usual = server.reply
    server.reply = lambda question, before: usual(question, before) if before == 2 else (503, "busy")
    assert len(describe(data, tmp_path / "s.csv").filled) == 5 and len(server.asked) == 15


def test_one_class_that_fails_does_not_stop_the_others(data, tmp_path, server) -> None:
    answers = {"cat": (429, "slow down"), "bus": (200, "{}"), "pig": (200, said("  ")), "tram": (200, said("x" * 1001))}
    usual = server.reply
    server.reply = lambda question, before: answers.get(named(question)) or usual(question, before)
    made = describe(data, tmp_path / "s.csv")
    assert made.filled == ("dog",) and made.failures.keys() == answers.keys() == set(made.empty)
    assert "answers 429: slow down" in made.failures["cat"] and "chat protocol" in made.failures["bus"]
    assert "no sentence" in made.failures["pig"] and "1001 characters" in made.failures["tram"]


@pytest.mark.parametrize("status", [302, 401, 404])
def test_what_nothing_helps_ends_at_once_and_shows_no_key(data, tmp_path, server, status) -> None:
    server.reply = lambda *_: (status, f"no such key {SECRET}")
    with pytest.raises(ConfigError, match=f"answers {status}: no such key") as refused:
        describe(data, tmp_path / "s.csv")
    assert SECRET not in str(refused.value) and len(server.asked) == 1
    assert "small-model" in str(refused.value) and len(rows(tmp_path / "s.csv")) == 6


def test_an_address_that_is_not_there_is_told_bare(data, tmp_path, server, monkeypatch) -> None:
    server.http.shutdown()
    server.http.server_close()
    monkeypatch.setenv(URL, f"http://127.0.0.1:{server.http.server_port}/{SECRET}")
    made = describe(data, tmp_path / "s.csv")
    assert len(made.failures) == 5
    assert all("cannot be reached" in why and SECRET not in why for why in made.failures.values())


def test_an_answer_becomes_one_plain_line(data, tmp_path, server) -> None:
    server.reply = lambda question, _: (200, said('\n"=HYPERLINK(1)\n rings" '))
    describe(data, tmp_path / "s.csv")
    assert rows(tmp_path / "s.csv")[1][1] == "'=HYPERLINK(1) rings"  # no formula for a spreadsheet
    assert read_descriptions(tmp_path / "s.csv").of(["dog"])["dog"] == ("=HYPERLINK(1) rings",)


@pytest.mark.parametrize(
    ("set_to", "fault"),
    [
        ({URL: "https://x.org"}, f"not set: {KEY} and {MODEL}"),
        ({URL: "http://x.org/v1", KEY: SECRET, MODEL: "m"}, "http://x.org: would send the key readably"),
        ({URL: "file:///etc/passwd", KEY: SECRET, MODEL: "m"}, "expected http:// or https://"),
        ({URL: "https://x.org", KEY: "a\nb", MODEL: "m"}, "line end"),
    ],
)
def test_half_or_no_address_is_refused_before_anything_is_written(data, tmp_path, monkeypatch, set_to, fault) -> None:
    for variable, value in set_to.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=fault):
        describe(data, tmp_path / "s.csv")
    assert not (tmp_path / "s.csv").exists()


@pytest.mark.parametrize(
    ("content", "fault"), [("label,description\nDog,x\nDog,y\n", "two lines"), ("a,b\n", "column label or name")]
)
def test_a_table_that_is_none_stays_as_it_is(data, tmp_path, content, fault) -> None:
    out = tmp_path / "s.csv"
    out.write_text(content)
    with pytest.raises(DataError, match=fault):
        describe(data, out)
    assert out.read_text() == content


def test_the_command(data, tmp_path, server) -> None:
    out = tmp_path / "s.csv"
    server.reply = lambda question, before: (400, "no") if named(question) == "cat" else (200, said("it sounds"))
    ran = CliRunner().invoke(app, ["describe", str(data), "--out", str(out)])
    assert ran.exit_code == 1 and "4 classes described now, 1 have no sentence yet" in ran.stdout
    assert "cat: " in ran.stderr
    ran = CliRunner().invoke(
        app, ["describe", str(data), "--out", str(out), "--json"], env={URL: "", KEY: "", MODEL: ""}
    )
    assert ran.exit_code == 0 and json.loads(ran.stdout)["empty"] == ["cat"]


def test_a_store_is_described_before_its_classes_are_divided_or_encoded(tmp_path) -> None:
    store = make_store(tmp_path / "store", text=None)
    assert describe(store, tmp_path / "of-split.csv").empty == ("bell", "drum", "flute")
    (store / "splits" / "one.json").unlink()
    assert describe(store, tmp_path / "s.csv").empty == ("bell", "drum", "flute")


def test_a_store_without_labels_says_so(tmp_path) -> None:
    write_store(tmp_path / "store", tmp_path, {}, (), None, (), 0, iter(()))
    with pytest.raises(DataError, match=r"no clip has a label.*--labels-from-folders"):
        describe(tmp_path / "store", tmp_path / "s.csv")
    assert not (tmp_path / "s.csv").exists()
