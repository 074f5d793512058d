"""What earlier code made is opened by the code as it is, and says the same: a store, runs, indexes, kept results.

Where this fails, something that users have on disk is lost to them. Mend the code, not what is expected; a format that
must change reads its older ones, too, and what the new one writes is kept beside these.
"""

import json
import re

import pytest

from tests.before_answers import ANSWERS, BENCHMARK, EXPECTED, TUNE, answer, avgzsl, unpack

NEAR = 2e-4  # the figures are kept to four decimals


@pytest.fixture
def kept(tmp_path):
    return unpack(tmp_path)


@pytest.fixture(scope="module")
def expected():
    return json.loads(EXPECTED.read_text())


SINCE = {"text_scale", "text_prepare", "compare_by"}  # what answers say more today


def apart(told):
    """What has to be the same to the letter, and what is measured."""
    figures = {way: one for way, one in told.items() if isinstance(one, float)}
    return {way: one for way, one in told.items() if way not in figures}, figures


def test_each_answer_is_expected(expected):
    assert expected.keys() == ANSWERS.keys()


@pytest.mark.parametrize("name", ANSWERS)
def test_it_says_what_it_said(name, kept, expected):
    if "lancedb" in name:
        pytest.importorskip("lancedb")
    (texts, figures), (texts_then, figures_then) = map(apart, (answer(name, kept), expected[name]))
    texts = {way: one for way, one in texts.items() if way in texts_then or way.split("/")[-1] not in SINCE}
    assert texts == texts_then
    figures = {way: one for way, one in figures.items() if way in figures_then or way.split("/")[-1] not in SINCE}
    assert figures == pytest.approx(figures_then, abs=NEAR)


@pytest.mark.parametrize("run", ["least-squares", "avgzslnet"])
def test_figures_are_those_that_the_run_keeps(run, kept, expected):
    rows = json.loads((kept / run / "results.json").read_text())["results"]
    assert [row["HM"] for row in rows] == pytest.approx(
        [expected[f"{run} evaluated"][f"/{i}/HM"] for i in range(len(rows))], abs=NEAR
    )


def test_kept_trials_are_used_or_left_aside_and_told(kept):
    trials = kept / "tuned" / "eszsl" / "trials.jsonl"
    there = trials.read_text().splitlines()
    told = avgzsl(kept, TUNE)
    now = trials.read_text().splitlines()
    assert now[: len(there)] == there
    assert len(now) == (2 * len(there) if f"{len(there)} trials" in told else len(there))


def test_kept_cells_are_used_or_left_aside_and_told(kept):
    def cells() -> dict[str, bytes]:
        found = (kept / "bench").rglob("*.json")
        return {str(file): file.read_bytes() for file in found if file.name != "results.json"}

    there = cells()
    told = avgzsl(kept, BENCHMARK)
    now = cells()
    assert there.items() <= now.items()
    assert len(now) == (2 * len(there) if f"{len(there)} cells" in told else len(there))


def test_no_path_of_the_machine_that_made_them_is_kept(kept):
    """Stores, runs and indexes record where their clips and data lay: in a folder that says nothing."""
    files = [file for file in kept.rglob("*") if file.is_file()]
    paths = {
        path for file in files for path in re.findall(rb"/(?:tmp|home|root|work|Users|usr)/[\w.-]+", file.read_bytes())
    }
    assert paths == {b"/tmp/archive"}
