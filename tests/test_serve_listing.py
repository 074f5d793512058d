"""The list of clips with those of one file together, page by page, as it is by looking at all clips."""

import random

import pytest

from avgzsl.archive.changing import append, remove, writing
from avgzsl.archive.collection import view
from avgzsl.archive.where import parse
from avgzsl.errors import ConfigError
from avgzsl.server import listing
from avgzsl.server.contract import ListPlace
from tests.index_world import clips_of, empty_collection, random_embeddings

COUNT = 300


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    """Clips of files that lie in and behind each other, some of none, some without times."""
    g = random.Random(0)
    made = empty_collection(tmp_path_factory.mktemp("index"), 6)
    part = random_embeddings(COUNT, 6, seed=1)
    clips = []
    for i, clip in enumerate(clips_of(part)):
        start = g.choice([None, 0.0, 1.0, 2.0, 3.0])
        path = None if i % 7 == 0 else f"/films/{g.randint(0, 25) if i < 260 else 99}.mp4"
        end = None if start is None else start + g.choice([1.0, 2.0])
        clips.append(clip._replace(path=path, start=start, end=end, label=g.choice("abc")))
    with writing(made) as db:
        append(made, db, clips, part)
        remove(made, db, [clips[i].id for i in range(0, COUNT, 11)])
    return made


def in_time(clip):
    return clip.start or 0.0, clip.end is None, clip.end or 0.0


@pytest.mark.parametrize("where", [None, "label = a or b", "label = x"])
@pytest.mark.parametrize(
    ("sort", "descending"),
    [("indexed", False), ("indexed", True), ("duration", False), ("label", True), ("name", False)],
)
def test_pages_of_files_are_those_of_the_whole_list(collection, where, sort, descending, monkeypatch):
    monkeypatch.setattr("avgzsl.server.listing_files._AT_ONCE", 7)
    condition = () if where is None else parse(where)
    with view(collection) as seen:
        every = listing.page_of(seen, ListPlace(-1, 0, COUNT, sort, descending), condition)
        files = {}
        for position, clip in zip(every.positions.tolist(), seen.clips(every.positions), strict=True):
            files.setdefault(clip.path or position, []).append((position, clip))
        after, found = -1, []
        while after is not None:
            page, total = listing.files_of(seen, ListPlace(after, 0, 5, sort, descending, "file"), condition)
            assert total == every.total and len(page.files) == min(5, len(files) - len(found))
            found += page.files
            after = page.next
        assert [file.first for file in found] == [clips[0][0] for clips in files.values()]
        for file, clips in zip(found, files.values(), strict=True):
            ordered = sorted(clips, key=lambda one: (*in_time(one[1]), one[0]))
            assert file.clips.tolist() == [position for position, _ in ordered]


def test_of_a_long_file_a_few_clips_are_shown_and_the_first_one_among_them(collection, monkeypatch):
    monkeypatch.setattr(listing, "_WINDOWS", 4)
    with view(collection) as seen:
        page, _ = listing.files_of(seen, ListPlace(-1, 0, 200, group="file"), ())
        long = max(page.files, key=lambda file: len(file.clips))
        told = listing.file_row(seen, long)
        (first,) = seen.clips(long.clips[long.clips == long.first])
    assert told.clips == len(long.clips) > 20 and len(told.windows) in (4, 5)
    assert first.id in {one.id for one in told.windows}
    assert [one.start for one in told.windows] == sorted(one.start for one in told.windows)


def test_files_are_not_passed_over_by_number(collection):
    with view(collection) as seen, pytest.raises(ConfigError, match="offset=3 with group=file: ask for the next page"):
        listing.files_of(seen, ListPlace(-1, 3, 5, group="file"), ())
