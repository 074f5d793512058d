"""Evidence of hits, likely hits and the line, from the index to the exit code; against direct calls and slow sums."""

import json
import statistics
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from avgzsl import cli
from avgzsl.archive.clip_table import IndexedClip
from avgzsl.archive.indexing import index
from avgzsl.archive.judgement import PART_OF_NAME, judge
from avgzsl.archive.nearest import NearestClips
from avgzsl.archive.search import open_searcher, search
from avgzsl.data.clips import ClipSet
from avgzsl.errors import AvgzslError, ConfigError, DataError, RunError
from avgzsl.experiments import calibration
from avgzsl.experiments.calibration import (
    RECOGNITION,
    LinesRecord,
    ModeRecord,
    Recognition,
    lines_by_mode,
    read_recognition,
    write_recognition,
)
from avgzsl.experiments.gallery import gallery_of
from avgzsl.experiments.protocol import Mode
from avgzsl.experiments.run import load_run
from avgzsl.experiments.train_evaluate import train
from avgzsl.methods import Embeddings, TextEmbeddings
from avgzsl.recognition import bank
from avgzsl.recognition.bank import Bank, load_bank
from avgzsl.recognition.bank_cache import bank_folder, kept_rows
from avgzsl.scores.evidence import TAGGER_LINES, Z_LINES, Lines, choose_found
from avgzsl.text.bank import everyday_phrases
from avgzsl.text.encoders import load as load_text
from avgzsl.text.part_record import TextPart
from tests import clip_runs
from tests.index_world import Compares
from tests.serve_world import application, client_of
from tests.small_set import write_set

BOTH = Mode("both", "equal")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return clip_runs.clips(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="module")
def data(files):
    return clip_runs.dataset(files)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    return clip_runs.train(data, tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def archive(run, files, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("archive") / "index"
    index(run.folder, files["red low"].parent, folder, engine="memory")
    return folder


@pytest.fixture(scope="module")
def searcher(archive):
    return open_searcher(archive)


def avgzsl(*arguments: object):
    ran = CliRunner().invoke(cli.app, list(map(str, arguments)), env={"COLUMNS": "200"})
    if ran.exception is not None and not isinstance(ran.exception, SystemExit | AvgzslError):
        raise ran.exception
    return ran


@pytest.mark.parametrize("phrase", ["red low", "a low blue thing", "xyzzy"])
@pytest.mark.parametrize("modality", ["audio", "both"])
def test_evidence_is_the_first_hits_place_among_the_banks_scores(phrase, modality, searcher, run):
    hits = search(searcher, phrase, modality=modality, fusion="equal" if modality == "both" else None)
    encode, method = load_text("hashed-words:64").encode, load_run(run.folder).method
    with_ids = {}
    for hit in hits:
        rows = clip_runs.features(Path(hit.path))
        with_ids[hit.id] = {name: torch.from_numpy(row)[None] for name, row in rows.items()}
    first = with_ids[hits[0].id]
    clip = ClipSet(first["audio"], first["video"], torch.zeros(1, dtype=torch.long), np.array(["first"]))
    against = (method.scores(clip, encode(everyday_phrases()), modality, "equal")[0] + hits[0].addend).tolist()
    mean, deviation = statistics.fmean(against), statistics.stdev(against)
    assert [hit.evidence for hit in hits] == pytest.approx([(hit.score - mean) / deviation for hit in hits], abs=1e-3)
    assert [hit.evidence for hit in hits] == sorted((hit.evidence for hit in hits), reverse=True)


def test_hits_are_likely_by_the_lines_of_the_run_moved_to_the_archive(searcher, run):
    record = read_recognition(run.folder).lines["both-attention"]
    lines = Lines(record.found, record.share, Z_LINES.growth, Z_LINES.least, record.clips).at(6)
    for phrase in (*clip_runs.NAMES, "xyzzy", "a church bell"):
        hits = search(searcher, phrase)
        evidence = [hit.evidence for hit in hits]
        found = evidence[0] >= lines.found
        least = max(lines.least, lines.share * evidence[0])
        expected = [found and (rank == 0 or value >= least) for rank, value in enumerate(evidence)]
        assert [hit.likely for hit in hits] == expected
        assert hits.line == sum(expected) and list(hits.only_likely()) == list(hits[: hits.line])
    assert any(search(searcher, name).line for name in clip_runs.NAMES)
    assert search(searcher, "xyzzy").line == 0


def test_of_hits_of_a_clip_nothing_is_told(searcher, files):
    hits = search(searcher, like=files["red low"])
    assert {(hit.evidence, hit.likely, hit.because) for hit in hits} == {(None, None, None)}
    assert hits.line is None and hits.notes == ()
    with pytest.raises(ConfigError, match="nothing tells which hits are likely; ask by words"):
        hits.only_likely()


def test_a_closed_list_of_names_is_no_bank(tmp_path):
    data = write_set(tmp_path / "data")
    made = train(data, "least-squares", out=tmp_path / "run").folder
    assert "lines" not in json.loads((made / RECOGNITION).read_text())
    index(made, data, tmp_path / "index", engine="memory")
    hits = search(tmp_path / "index", "dog", top=3)
    assert [hit.likely for hit in hits] == [None] * 3
    assert hits.notes == ("whether it is there at all cannot be told: the run's text encoder is not at hand",)
    assert hits[:1].notes == ()  # a part of the hits is told of by its own
    ran = avgzsl("search", tmp_path / "index", "dog", "--only-likely")
    assert isinstance(ran.exception, ConfigError) and "cannot be told" in str(ran.exception)


def test_the_command_says_where_nothing_fits_and_draws_the_line(archive, files):
    ran = avgzsl("search", archive, "red low")
    hits = search(archive, "red low")
    assert ran.exit_code == 0 and 0 < hits.line < 6
    above, _, below = ran.output.partition("--- below this line: probably not here ---")
    assert [hit.id for hit in hits if hit.id in above] == [hit.id for hit in hits[: hits.line]]
    assert [hit.id for hit in hits if hit.id in below] == [hit.id for hit in hits[hits.line :]]
    likely = avgzsl("search", archive, "red low", "--only-likely", "--json")
    assert likely.exit_code == 0 and [row["id"] for row in json.loads(likely.output)] == [
        hit.id for hit in hits[: hits.line]
    ]
    nothing = avgzsl("search", archive, "xyzzy")
    assert nothing.exit_code == 0 and "nothing here fits ‘xyzzy’; the nearest clips" in nothing.output
    assert "below this line" not in nothing.output
    none = avgzsl("search", archive, "xyzzy", "--only-likely")
    assert (none.exit_code, none.output.strip()) == (3, "nothing here fits ‘xyzzy’")
    assert avgzsl("search", archive, "xyzzy", "--only-likely", "--json").output.strip() == "[]"
    assert avgzsl("search", archive, "red low", "--only-likely", "--where", "id = no").exit_code == 3
    refused = avgzsl("search", archive, "--only-likely", "--like", files["red low"])
    assert isinstance(refused.exception, ConfigError)


def test_hits_show_their_evidence_as_rows_and_json(archive):
    hits = search(archive, "red low", top=2)
    assert [(row["evidence"], row["likely"]) for row in hits.rows()] == [(hit.evidence, hit.likely) for hit in hits]
    assert hits.json()[0]["evidence"] == hits[0].evidence and hits.json()[0]["because"] is None
    assert "| evidence | likely |" in hits.table()


def found_by(scores: list[float]) -> tuple[NearestClips, TextEmbeddings]:
    """Clips of one number each, and a phrase that gives them these scores by inner product."""
    z, k = torch.tensor(scores)[:, None], len(scores)
    has = torch.ones(k, dtype=torch.bool)
    clips = [IndexedClip(f"c{i}", f"h{i}") for i in range(k)]
    nearest = NearestClips(clips, np.array(scores, np.float64), Embeddings(z, z, None, has, has), np.zeros(k), 276)
    return nearest, TextEmbeddings.shared(torch.ones(1, 1))


class Tagger(Compares):
    absolute = True

    def because(self, clips, text, modality):
        return [("Dog", "Bark")] * len(clips)

    def remark(self, text, modality):
        return "few labels fit this phrase"


def test_of_a_tagger_the_score_is_evidence_and_its_labels_are_the_reason():
    nearest, phrase = found_by([0.5, 0.3, 0.24, 0.1])
    said = judge(Tagger("dot"), Bank(None), TAGGER_LINES, nearest, phrase, BOTH)
    assert said.evidence == pytest.approx([0.5, 0.3, 0.24, 0.1])
    assert said.likely == [True, True, False, False]  # half of the first
    assert said.because[3] == ("Dog", "Bark") and said.notes == ("few labels fit this phrase",)
    assert judge(Tagger("dot"), Bank(None), TAGGER_LINES, found_by([0.34])[0], phrase, BOTH).likely == [False]


def test_what_retrieval_adds_to_scores_is_added_to_the_banks():
    """As the energy term does: evidence is that of the scores by which clips are ranked."""
    nearest, phrase = found_by([2.0, 1.5, 1.0])
    phrases = Bank(TextEmbeddings.shared(torch.linspace(-0.5, 0.5, 200)[:, None]))
    plain = judge(Compares("dot"), phrases, Z_LINES, nearest, phrase, BOTH)
    values = [2.0 * b for b in np.linspace(-0.5, 0.5, 200)]
    deviation = statistics.stdev(values)
    assert plain.evidence == pytest.approx([s / deviation for s in (2.0, 1.5, 1.0)], abs=1e-4)
    added = np.array([5.0, 4.8, 4.0], np.float32)
    corrected = nearest._replace(scores=nearest.scores + added, addends=added)
    said = judge(Compares("dot"), phrases, Z_LINES, corrected, phrase, BOTH)
    assert said.evidence == pytest.approx([s / deviation for s in (2.0, 1.3, 0.0)], abs=1e-4)


def test_a_run_whose_names_have_no_more_evidence_than_anything_tells_nothing():
    nearest, phrase = found_by([2.0])
    bank = Bank(TextEmbeddings.shared(torch.linspace(-0.5, 0.5, 200)[:, None]))
    said = judge(Compares("dot"), bank, Lines(0.9, 0.8, 0.3, 1.0, 20), nearest, phrase, BOTH)
    assert said.likely == [None] and "hardly more evidence than everyday phrases" in said.notes[0]
    assert judge(Compares("dot"), bank, Lines(1.0, 0.8, 0.3, 1.0, 20), nearest, phrase, BOTH).likely == [True]


def test_a_bank_whose_phrases_all_fit_alike_tells_nothing():
    nearest, phrase = found_by([1.0])
    said = judge(Compares("dot"), Bank(TextEmbeddings.shared(torch.ones(200, 1))), Z_LINES, nearest, phrase, BOTH)
    assert said.evidence == [None] and "nothing to hold it against" in said.notes[0]
    assert judge(Compares("dot"), Bank(None, "why"), Z_LINES, nearest, phrase, BOTH).notes[0].endswith("told: why")


def test_lines_are_chosen_on_validation_clips_with_slow_loops_beside(run, data):
    """The line found has the best balance that any number has; the record is that of the calibration."""
    encode, method, val = load_text("hashed-words:64").encode, run.method, data.splits["val"]
    lines = lines_by_mode(gallery_of(method, val, data.classes), method.embed_text(encode(everyday_phrases())), {})
    assert read_recognition(run.folder).lines == lines and set(lines) == set(read_recognition(run.folder).modes)
    names = method.scores(val, data.classes.text, "both", "equal").tolist()
    against = method.scores(val, encode(everyday_phrases()), "both", "equal").tolist()

    def first(column: list[float], rows: list[int]) -> float:
        best = max(rows, key=lambda row: column[row])
        return (column[best] - statistics.fmean(against[best])) / statistics.stdev(against[best])

    every = list(range(len(val)))
    columns = [[row[c] for row in names] for c in range(len(data.classes))]
    present = [first(column, every) for column in columns]
    near = [first(column, [i for i in every if val.labels[i] != c]) for c, column in enumerate(columns)]
    absent = [first([row[b] for row in against], every) for b in range(len(everyday_phrases()))]

    def balance(line: float) -> float:
        kept, refused = (statistics.fmean(value >= line for value in some) for some in (present, absent))
        return kept + 0.75 * (1 - refused) + 0.25 * statistics.fmean(value < line for value in near)

    best = max(balance(line) for line in np.linspace(min(absent), max(present), 2000))
    assert balance(lines["both-equal"].found) >= best - 0.002
    assert lines["both-equal"].clips == len(val)


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_names_asked_of_the_clips_of_other_classes_are_near_misses(absolute, seed):
    rng = np.random.default_rng(seed)
    right = torch.from_numpy(np.arange(40)[:, None] % 8 == np.arange(8))
    names, against = (
        torch.from_numpy(rng.normal(size=(40, 8))) + 0.8 * right,
        torch.from_numpy(rng.normal(size=(40, 150))),
    )
    against *= torch.from_numpy(rng.uniform(0.3, 1.5, (40, 1)))

    def first(column, rows) -> float:
        best = max(rows, key=lambda row: float(column[row]))
        place = against[best].tolist()
        return (
            float(column[best]) - 0
            if absolute
            else ((float(column[best]) - statistics.fmean(place)) / statistics.stdev(place))
        )

    present = [first(names[:, c], range(40)) for c in range(8)]
    near = [first(names[:, c], [row for row in range(40) if row % 8 != c]) for c in range(8)]
    absent = [first(against[:, b], range(40)) for b in range(150)]
    expected = choose_found(*(torch.tensor(some, dtype=torch.float64) for some in (present, absent, near)))
    assert calibration._choose(names, right, against, absolute)[0] == pytest.approx(expected, abs=1e-9)


def test_too_few_classes_choose_no_lines(run, data):
    val = data.splits["val"].take((data.splits["val"].labels < 4).nonzero().squeeze(1))
    phrases = run.method.embed_text(load_text("hashed-words:64").encode(everyday_phrases()))
    assert lines_by_mode(gallery_of(run.method, val, data.classes), phrases, {}) == {}


def test_records_without_lines_open_and_damaged_ones_are_refused(tmp_path, run):
    record = Recognition(modes={"audio": ModeRecord(gamma=0.5, threshold=-1.0)})
    write_recognition(tmp_path, record)
    assert "lines" not in json.loads((tmp_path / RECOGNITION).read_text())
    read = read_recognition(tmp_path)
    assert read.lines_of(Mode("audio", "equal"), run.method) == run.method.lines
    lined = record.model_copy(update={"lines": {"audio": LinesRecord(found=1.5, share=0.7, clips=9)}})
    write_recognition(tmp_path, lined)
    assert read_recognition(tmp_path) == lined
    assert read_recognition(tmp_path).lines_of(Mode("audio", "equal"), run.method) == Lines(1.5, 0.7, 0.3, 1.0, 9)
    for wrong in ({"found": "nan", "share": 1, "clips": 3}, {"found": 1, "share": 1, "clips": 0}, {"found": 1}):
        text = json.dumps({**json.loads((tmp_path / RECOGNITION).read_text()), "lines": {"audio": wrong}})
        (tmp_path / RECOGNITION).write_text(text)
        with pytest.raises(RunError, match="lines"):
            read_recognition(tmp_path)


def test_the_banks_rows_are_kept_and_a_damaged_file_is_made_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("AVGZSL_CACHE", str(tmp_path))
    parts, calls = (TextPart(4),), []

    def encode() -> torch.Tensor:
        calls.append(1)
        return torch.arange(12.0).reshape(3, 4)

    phrases = ["a", "b", "c"]
    for _ in range(2):
        assert torch.equal(kept_rows(parts, phrases, encode), torch.arange(12.0).reshape(3, 4))
        assert len(calls) == 1
    (file,) = bank_folder().iterdir()
    before = 1
    for damage in (b"", file.read_bytes()[:-3]):
        file.write_bytes(damage)
        assert torch.equal(kept_rows(parts, phrases, encode), torch.arange(12.0).reshape(3, 4))
        assert len(calls) == (before := before + 1)
    kept_rows((TextPart(4, "audio"),), phrases, encode)
    kept_rows(parts, phrases[:2], encode)
    assert len(calls) == before + 2 and len(list(bank_folder().iterdir())) == 3
    monkeypatch.setenv("AVGZSL_CACHE", str(file))  # no folder: nothing can be kept
    assert torch.equal(kept_rows(parts, phrases, encode), torch.arange(12.0).reshape(3, 4))


@pytest.mark.parametrize(("known", "has"), [(400, True), (40, False)])
def test_phrases_with_words_that_the_encoder_lacks_are_left_out(known, has, searcher, monkeypatch):
    phrases = list(everyday_phrases())[:known]

    def table(words, names):
        if unknown := [name for name in names if name not in phrases]:
            raise DataError(f"no vector for {unknown[0]}")
        return type("Table", (), {"text": torch.randn(len(names), 64)})

    monkeypatch.setattr(bank, "class_table", table)
    monkeypatch.setattr(bank, "kept_rows", lambda parts, phrases, encode: encode())
    made = load_bank(searcher.words)
    assert (made.text is not None) == has
    assert len(made.text) == 400 if has else "vectors for 40 of" in made.why


def test_words_of_a_name_are_not_told_as_if_nothing_fitted(archive, monkeypatch):
    record = read_recognition(archive / "run")
    high = {mode: line.model_copy(update={"found": 50.0}) for mode, line in record.lines.items()}
    for lines, told in ((high, True), ({}, False)):
        with monkeypatch.context() as patched:
            patched.setattr(
                "avgzsl.archive.search.read_recognition", lambda _, lines=lines: Recognition(modes={}, lines=lines)
            )
            searcher = open_searcher(archive)
            for phrase, part in (
                ("red", told),
                ("the Low", told),
                ("red low", False),
                ("xyzzy", False),
                ("red x", False),
            ):
                hits = search(searcher, phrase)
                assert hits.part_of_name == (part and hits.line == 0), phrase
                assert (PART_OF_NAME in hits.notes) == hits.part_of_name
            assert not search(searcher, ["red", "low"]).part_of_name
            assert not search(searcher, "red", without=["low"]).part_of_name
            if not told:
                continue
            said = avgzsl("search", archive, "red").output
            assert "no clip is above the line for ‘red’; the nearest clips" in said and "nothing here fits" not in said
            assert f"note: {PART_OF_NAME}" in said
            assert avgzsl("search", archive, "red", "--only-likely").exit_code == 3
            with application(archive) as app:
                ask = client_of(app).get
                for phrase, part in (("red", True), ("red low", False), ("xyzzy", False)):
                    answer = ask("/v1/search", params={"q": phrase}).json()
                    assert (answer["line"], answer["part_of_name"]) == (0, part)
                    assert (PART_OF_NAME in answer["notes"]) == part
                assert not ask("/v1/search", params={"q": "red", "not": "low"}).json()["part_of_name"]
