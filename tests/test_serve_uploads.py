"""Uploads and their line: a place first, then the body; and the place is free again however that ends."""

import asyncio
import time

import pytest

from avgzsl.server.limits import WaitingLine
from avgzsl.server.problems import Refused
from tests.processes import PATIENCE
from tests.serve_world import HERE, SEEN, application, render

ENDS = {"whole": 200, "no clip": 422, "empty": 422, "too large": 413, "late": 503, "gone": 400, "cancelled": 503}


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return render(tmp_path_factory.mktemp("upload") / "own.mp4", SEEN[0], seed=7).read_bytes()


async def ask(app, path, receive, method="POST", query=b""):
    """The head of the answer."""
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "query_string": query, "scheme": "http"}
    await app({**scope, "headers": [(b"host", HERE.split("//")[1].encode())]}, receive, send)
    return sent[0]


def body(*pieces, then=None):
    """Sends these pieces, then waits for the event `then`, if there is one, then what was put there as `then.end`."""
    left = list(pieces)

    async def receive():
        if left:
            return {"type": "http.request", "body": left.pop(0), "more_body": True}
        if then is not None:
            await then.wait()
            return then.end
        return {"type": "http.request", "body": b"", "more_body": False}

    return receive


async def unread():
    raise AssertionError("it was read")


def lying(folder):
    return list(folder.rglob("avgzsl-upload-*"))


async def until(true):
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


def ended(how, clip):
    """The event at which a running upload ends, and how."""
    event, piece = asyncio.Event(), {"whole": clip[9:], "too large": clip + b"x"}.get(how, b"")
    event.end = {"type": "http.request", "body": piece, "more_body": False}
    if how == "gone":
        event.end = {"type": "http.disconnect"}
    return event


@pytest.mark.parametrize(("path", "how"), [("/v1/search", "whole"), *(("/v1/classify", how) for how in ENDS)])
def test_no_place_nothing_read_and_every_end_gives_the_place_back(clip, tmp_path, monkeypatch, path, how):
    monkeypatch.setattr("avgzsl.server.service._UPLOADS_WAITING", 0)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    limits, timeout = [], asyncio.timeout
    monkeypatch.setattr(asyncio, "timeout", lambda seconds: limits.append(timeout(seconds)) or limits[-1])

    async def main(app):
        end = ended(how, clip)
        begins = {"empty": (), "whole": (clip[:9],)}.get(how, (b"no clip",))
        running = asyncio.create_task(ask(app, path, body(*begins, then=end)))
        await until(lambda: lying(tmp_path))
        refused = await ask(app, path, unread)
        assert refused["status"] == 429 and int(dict(refused["headers"])[b"retry-after"]) > 0
        assert len(lying(tmp_path)) == 1
        shown = await ask(app, "/v1/clips/thumbnail", unread, "GET", b"id=red-square-low-drum/test-0.mp4")
        assert shown["status"] == 200  # uploads keep no other waiting
        if how == "cancelled":
            running.cancel()
        elif how == "late":
            limits[0].reschedule(0.0)  # the time of the first answer is over
        else:
            end.set()
        outcome = await running
        again = await ask(app, path, body(clip))
        return outcome, again

    with application(upload_bytes=len(clip), answer_seconds=60) as app:
        outcome, again = asyncio.run(main(app))
    assert outcome["status"] == ENDS[how]
    assert again["status"] == 200 and not lying(tmp_path)


def test_a_place_that_is_left_is_free_again():
    line = WaitingLine("test", 1, 0)

    async def main():
        with line.place(), pytest.raises(Refused, match="429"):
            await line.run(int)
        with pytest.raises(KeyError), line.place():
            raise KeyError
        with line.place() as place:
            return await place.run(int, "7")

    try:
        assert asyncio.run(main()) == 7 and asyncio.run(line.run(int, "8")) == 8
    finally:
        line.close()
