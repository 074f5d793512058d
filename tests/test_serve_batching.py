"""Searches that wait are answered together: with the same answers, limits and ends as one by one."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from avgzsl.archive.indexing import index_add, index_remove
from avgzsl.errors import DataError
from avgzsl.server import batching
from avgzsl.server.batching import MOST, Together
from avgzsl.server.limits import WaitingLine
from avgzsl.server.problems import Refused
from tests.serve_world import SEEN, UNSEEN, application, client_of, world

QUESTIONS = [
    ("/v1/search", {"q": label, **more})
    for label in (*SEEN, *UNSEEN)
    for more in (
        {},
        {"modality": "audio"},
        {"modality": "video", "k": "3"},
        {"modality": "both", "retrieval": "plain"},
        {"where": "duration < 10 and split = test"},
        {"where": "label = 'nothing'"},
        {"not": SEEN[1] if label != SEEN[1] else SEEN[0]},
    )
] + [
    ("/v1/search", {"q": "🔔"}),
    ("/v1/search", {"q": SEEN[0], "where": "colour = red"}),
    ("/v1/search", {"q": SEEN[0], "not": SEEN[0]}),
    ("/v1/clips/like", {"id": "nobody"}),
    ("/v1/clips/like", {"id": "Glockenspiel, allein.wav", "by": "video"}),
]


def told(client, asked):
    path, params = asked
    answer = client.get(path, params=params)
    return answer.status_code, answer.json()


def test_many_at_once_are_told_what_each_is_told_alone(monkeypatch):
    with application(batching="off") as app:
        alone = client_of(app)
        ids = [clip["id"] for clip in alone.get("/v1/clips", params={"limit": 12}).json()["clips"]]
        asked = QUESTIONS + [("/v1/clips/like", {"id": id, "k": "4"}) for id in ids]
        expected = [told(alone, one) for one in asked]
    assert {status for status, _ in expected} == {200, 404, 422}
    sizes = []
    with application() as app, ThreadPoolExecutor(16) as users:
        archive, client = app.state.service.archive, client_of(app)
        many = archive.search_many
        monkeypatch.setattr(app.state.service.together, "_answer", lambda some: sizes.append(len(some)) or many(some))
        for _ in range(3):
            assert list(users.map(lambda one: told(client, one), asked)) == expected
    assert max(sizes) > 1


def test_searches_see_an_index_that_changes_as_it_is_before_or_after(tmp_path):
    clips = world() / "clips"
    with application(_copy(tmp_path)) as app, ThreadPoolExecutor(6) as users:
        client, asked = client_of(app), ("/v1/search", {"q": SEEN[0], "k": "50", "retrieval": "plain"})
        collection = app.state.service.archive.collection
        before = told(client, asked)[1]["hits"]
        gone = before[0]["clip"]["id"]
        ids = [hit["clip"]["id"] for hit in before]
        ended, seen = threading.Event(), []

        def ask():
            while not ended.is_set():
                seen.append([hit["clip"]["id"] for hit in told(client, asked)[1]["hits"]])

        asking = [users.submit(ask) for _ in range(6)]
        for _ in range(3):
            index_remove(collection.folder, [gone])
            assert gone not in [hit["clip"]["id"] for hit in told(client, asked)[1]["hits"]]
            assert client.get("/v1/info").json()["clips"] == len(ids) - 1
            index_add(collection.folder, clips, manifest=clips / "test.csv")
            assert client.get("/v1/info").json()["clips"] == len(ids)
        ended.set()
        for one in asking:
            one.result()
    assert seen and all(sorted(found) in (sorted(ids), sorted(set(ids) - {gone})) for found in seen)


def _copy(folder):
    import shutil

    return shutil.copytree(world() / "index", folder / "index")


class Held:
    """A line of one thread that is held until it is let go, and what it was asked together."""

    def __init__(self, waiting=64, threads=1):
        self.line, self.gate, self.asked = WaitingLine("test", threads, waiting), threading.Event(), []
        self.together = Together(self.line, self.answer)

    def answer(self, questions):
        self.asked.append(list(questions))
        if "soon" not in questions:
            self.gate.wait(30)
        if "breaks all" in questions:
            raise RuntimeError("broken")
        return [DataError(one) if one == "wrong" else one.upper() for one in questions]

    async def begun(self, *questions):
        """The tasks of these questions, the first of which is being answered."""
        tasks = [asyncio.create_task(self.together.run(questions[0]))]
        while not self.asked:
            await asyncio.sleep(0.001)
        tasks += [asyncio.create_task(self.together.run(one)) for one in questions[1:]]
        await asyncio.sleep(0)
        return tasks


def outcomes(*questions, waiting=64):
    held = Held(waiting)

    async def main():
        tasks = await held.begun(*questions)
        held.gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    found = asyncio.run(main())
    held.line.close()
    return held, [repr(one) if isinstance(one, Exception) else one for one in found]


def test_what_waits_is_answered_by_one_call_and_each_has_its_own_answer():
    held, found = outcomes("a", "b", "wrong", "c")
    assert held.asked == [["a"], ["b", "wrong", "c"]]
    assert found == ["A", "B", repr(DataError("wrong")), "C"]


def test_a_second_call_begins_only_for_who_has_waited_long(monkeypatch):
    held = Held(threads=2)
    monkeypatch.setattr(batching, "LONG", 3600.0)

    async def main():
        first, second = await held.begun("a", "b")
        await asyncio.sleep(0.05)
        assert held.asked == [["a"]]  # though a thread is free
        monkeypatch.setattr(batching, "LONG", 0.0)
        assert await held.together.run("soon") == "SOON" and not first.done()
        held.gate.set()
        return await first, await second

    assert asyncio.run(main()) == ("A", "B")
    assert held.asked == [["a"], ["b", "soon"]]
    held.line.close()


def test_no_call_has_more_than_it_may():
    held, found = outcomes("a", *map(str, range(MOST + 3)))
    assert [len(some) for some in held.asked] == [1, MOST, 3] and len(found) == MOST + 4


def test_what_breaks_a_call_spoils_no_other():
    held, found = outcomes("a", "b", "breaks all", "c")
    assert found == ["A", "B", repr(RuntimeError("broken")), "C"]
    assert held.asked[2:] == [["b"], ["breaks all"], ["c"]]


def test_who_finds_no_place_is_told_and_who_has_gone_leaves_his():
    held = Held(waiting=1)

    async def main():
        first, second = await held.begun("a", "b")
        with pytest.raises(Refused) as refused:
            await held.together.run("c")
        assert refused.value.status_code == 429
        second.cancel()
        await asyncio.sleep(0)
        third = asyncio.create_task(held.together.run("d"))
        await asyncio.sleep(0)
        held.gate.set()
        return await first, await third

    assert asyncio.run(main()) == ("A", "D")
    assert held.asked == [["a"], ["d"]]
    held.line.close()


def test_at_the_end_what_was_begun_is_answered_and_what_waits_is_not():
    held = Held()

    async def main():
        first, second = await held.begun("a", "b")
        held.line.stop()
        held.gate.set()
        assert await first == "A"
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(second, 30)

    asyncio.run(main())
    held.line.close()
