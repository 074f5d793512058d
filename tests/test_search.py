"""Words and clips to the clips of an index, against the method's own scores."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from avgzsl import cli
from avgzsl.archive.collection import open_index, view
from avgzsl.archive.hits import Hits
from avgzsl.archive.indexing import index, index_add, index_info, index_remove
from avgzsl.archive.results import Removed
from avgzsl.archive.retrieval import index_evaluate, index_gallery
from avgzsl.archive.search import open_searcher, search, words_point
from avgzsl.data.clips import ClipSet
from avgzsl.data.layouts import open_dataset
from avgzsl.errors import AvgzslError, ConfigError, DataError, MediaError, ModalityError, RunError, UnknownNameError
from avgzsl.experiments.run import load_run
from avgzsl.experiments.train_evaluate import evaluate, train
from avgzsl.scores.metrics import retrieval
from avgzsl.text.encoders import load as load_text
from avgzsl.types import EncoderChoice
from tests import clip_runs
from tests.small_set import feature_file, read_file, write_file, write_set
from tests.test_store import clips as stored_clips
from tests.test_store import make as write_store

NAMES = clip_runs.NAMES


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A clip a class, one without sound, and one that is none."""
    folder = tmp_path_factory.mktemp("clips")
    made = clip_runs.clips(folder)
    made["silent"] = clip_runs.render(folder / "silent.mp4", "blue high", sound=False)
    return made


@pytest.fixture(scope="module")
def run(files, tmp_path_factory) -> Path:
    made = {name: files[name] for name in NAMES}
    return clip_runs.train(clip_runs.dataset(made), tmp_path_factory.mktemp("runs") / "run").folder


@pytest.fixture(scope="module")
def archive(files, run, tmp_path_factory) -> Path:
    """An index made from the media files themselves."""
    folder = tmp_path_factory.mktemp("archive") / "index"
    (files["silent"].parent / "broken.mp4").write_text("no clip")
    added = index(run, files["silent"].parent, folder, engine="memory")
    assert (added.added, added.failed) == (7, 1)
    assert "broken.mp4" in added.failures.read_text()
    return folder


@pytest.fixture(scope="module")
def searcher(archive):
    return open_searcher(archive)


@pytest.fixture(scope="module")
def clips(files) -> ClipSet:
    """The features of the indexed files by direct calls."""
    rows = [clip_runs.features(files[name]) for name in NAMES]
    audio, video = (torch.from_numpy(np.stack([row[m] for row in rows])) for m in ("audio", "video"))
    return ClipSet(audio, video, torch.arange(len(NAMES)), np.array([files[name].name for name in NAMES]))


@pytest.mark.parametrize("phrase", [NAMES[0], clip_runs.UNSEEN[0], "a red thing", "low low high blue"])
@pytest.mark.parametrize(
    ("modality", "fusion"), [("both", "equal"), ("both", "attention"), ("audio", None), ("video", None), (None, None)]
)
def test_hits_are_those_of_the_methods_own_scores(phrase, modality, fusion, searcher, run, clips):
    text = load_text("hashed-words:64").encode([phrase])
    mode = (modality or "both", fusion or ("attention" if modality is None else "equal"))
    scores = load_run(run).method.scores(clips, text, *mode)[:, 0].tolist()  # without an index
    every = search(searcher, phrase, modality=modality, fusion=fusion, retrieval="plain")
    assert [hit.score for hit in every] == sorted((hit.score for hit in every), reverse=True)
    hits = [hit for hit in every if hit.id != "silent.mp4"]
    own = dict(zip(clips.ids.tolist(), scores, strict=True))
    assert {hit.id: hit.score for hit in hits} == pytest.approx(own, abs=1e-5)
    for hit in hits:
        assert hit.distance == pytest.approx(-hit.score)
        if mode[0] == "both":
            whole = sum(hit.weights[m] * hit.distances[m] for m in ("audio", "video"))
            assert whole == pytest.approx(hit.distance, abs=1e-5)
    by_default = search(searcher, phrase, modality=modality, fusion=fusion)  # of a run whose calibration chose a share
    assert [hit.score for hit in by_default] == sorted((hit.score for hit in by_default), reverse=True)
    plain = {hit.id: hit.score for hit in every}
    assert {hit.id: hit.score - hit.addend for hit in by_default} == pytest.approx(plain)


def test_a_clip_without_sound_is_found_by_its_picture_alone(searcher):
    hits = {hit.id: hit for hit in search(searcher, "blue high")}
    assert len(hits) == 7
    assert hits["silent.mp4"].distances["audio"] is None
    assert hits["silent.mp4"].weights == {"audio": None, "video": 1.0}
    assert "silent.mp4" not in {hit.id for hit in search(searcher, "blue high", modality="audio")}
    assert "silent.mp4" in {hit.id for hit in search(searcher, "blue high", modality="video")}


def test_without_is_arithmetic_of_unit_vectors(searcher, run):
    encode = load_text("hashed-words:64").encode
    a, b, c = (v / np.linalg.norm(v) for v in encode(["red low", "blue", "high"]).double().numpy())
    total = a + b - c
    expected = load_run(run).method.embed_text(torch.from_numpy(total / np.linalg.norm(total))[None].float()).joint[0]
    assert words_point(searcher, ["red low", "blue"], ["high"])[0].joint[0] == pytest.approx(expected, abs=1e-6)


def test_a_name_of_the_run_has_its_own_vector(searcher, run):
    expected = load_run(run).method.embed_text(searcher.words.classes.text[[3]]).joint[0]
    assert torch.equal(words_point(searcher, [NAMES[3]])[0].joint[0], expected)


def test_like_a_clip_by_each_of_its_modalities(searcher, files, run, clips):
    """Its sound among sounds and among pictures, in the common space."""
    embedded = load_run(run).method.embed_clips(clips)
    clip = NAMES.index("green low")
    for by, points in (("audio", embedded.audio), ("video", embedded.video)):
        for against, others in (("audio", embedded.audio), ("video", embedded.video)):
            hits = search(searcher, like=files["green low"], by=by, modality=against)
            own = dict(zip(clips.ids.tolist(), (others - points[clip]).norm(dim=1).tolist(), strict=True))
            found = {hit.id: hit.distance for hit in hits if hit.id != "silent.mp4"}
            assert found == pytest.approx(own, abs=1e-4)
            assert [hit.distance for hit in hits] == sorted(hit.distance for hit in hits)
    same = {"red-low.mp4", "green-low.mp4", "blue-low.mp4"}  # the same sound
    assert {hit.id for hit in search(searcher, like=files["green low"], by="audio", modality="audio", top=3)} == same
    with pytest.raises(ModalityError, match=r"silent\.mp4: has no audio to search by; it has video"):
        search(searcher, like=files["silent"], by="audio")
    found = search(searcher, like=files["silent"], modality="video", where="id = silent.mp4")
    assert found[0].distance == pytest.approx(0, abs=1e-4)


def test_clips_that_cannot_be_asked_with_are_named(searcher, files, tmp_path):
    for name, content in (("missing.mp4", None), ("text.mp4", "no clip"), ("empty.mp4", "")):
        if content is not None:
            (tmp_path / name).write_text(content)
        with pytest.raises(MediaError, match=name):
            search(searcher, like=tmp_path / name)


@pytest.mark.parametrize(
    ("asked", "kind", "said"),
    [
        ({"words": ""}, ConfigError, "query is empty"),
        ({"words": " \u3000 "}, ConfigError, "query is empty"),
        ({"words": "bell " * 2000}, ConfigError, "has 9999 characters"),
        ({"words": "be\x07ll"}, ConfigError, "U\\+0007"),
        ({"words": "\x1b[31mred"}, ConfigError, "U\\+001B"),
        ({"words": "..."}, DataError, "no word in"),
        ({"words": ()}, ConfigError, "give one of the two"),
        ({"words": "red", "like": "x.mp4"}, ConfigError, "give one of the two"),
        ({"without": ["red"]}, ConfigError, "needs words to look for"),
        ({"words": "red", "by": "audio"}, ConfigError, "what of a clip to ask with"),
        ({"words": "red", "without": ["Red"]}, ConfigError, "leaves nothing"),
        ({"words": "red", "top": 0}, ConfigError, "from 1 to"),
        ({"words": "red", "modality": "sound"}, UnknownNameError, "unknown modality 'sound'"),
        ({"words": "red", "modality": "audio", "fusion": "attention"}, ConfigError, "weighs audio against video"),
        ({"words": "red", "where": "duration <"}, ConfigError, "COLUMN OPERATOR VALUE"),
    ],
)
def test_a_query_that_says_nothing_is_refused(asked, kind, said, searcher):
    with pytest.raises(kind, match=said):
        search(searcher, **asked)


@pytest.mark.parametrize("phrase", ["جرس الكنيسة", "🔔", "церковный колокол", "red\u200dlow", "鐘"])
def test_any_script_is_a_query(phrase, searcher):
    assert len(search(searcher, phrase)) == 7


def test_conditions_and_files_that_have_gone(searcher, archive, run, tmp_path):
    clips = tmp_path / "more"
    clip_runs.render(clips.parent / "kept.mp4", "red low")
    clips.mkdir()
    clip_runs.render(clips / "long.mp4", "red low", seconds=2.0)
    copy = tmp_path / "index"
    shutil.copytree(archive, copy)
    assert index_add(copy, clips).added == 1
    one = open_searcher(copy)
    assert [hit.id for hit in search(one, "red low", where="duration > 1.5")] == ["long.mp4"]
    assert "long.mp4" not in [hit.id for hit in search(one, "red low", where="duration < 1.5")]
    (clips / "long.mp4").unlink()
    assert [hit.missing for hit in search(one, "red low", where="id = long.mp4")] == [True]
    clip_runs.render(clips / "silent.mp4", "red low")
    with pytest.raises(DataError, match=r"have the id 'silent\.mp4'"):
        index_add(copy, clips)


def test_retrieval_over_the_index_is_that_of_evaluate(tmp_path):
    data = write_set(tmp_path / "data")
    for modality in ("audio", "video"):  # clips of several classes that tie
        same, _ = read_file(feature_file(data, modality, "test", "dog"))
        for name in ("cat", "pig", "bus"):
            file = feature_file(data, modality, "test", name)
            write_file(file, np.concatenate([same[:3], read_file(file)[0][3:]]), read_file(file)[1])
    for method, engine in (("least-squares", "lancedb"), ("avgzslnet", "memory"), ("concat", "memory")):
        settings = {} if method == "least-squares" else {"epochs": 2, "batch_size": 32}
        run = train(data, method, out=tmp_path / method, settings=settings)
        index(run.folder, data, tmp_path / f"index-{method}", engine=engine, split="test")
        collection = open_index(tmp_path / f"index-{method}")
        dataset = open_dataset(data)
        measured = {one.scored.mode: one for one in evaluate(run, calibration="none").measured}
        assert set(measured) == set(collection.modes)
        for mode, one in measured.items():
            with view(collection) as seen:
                scored = index_gallery(seen, dataset.classes).score(mode, {})
            assert torch.equal(scored.labels, one.scored.labels)
            found = retrieval(scored.scores, scored.labels, dataset.classes.seen)
            assert (found.S, found.U, found.HM) == (one.retrieval.S, one.retrieval.U, one.retrieval.HM)
            assert torch.equal(found.per_class, one.retrieval.per_class)
        for c, name in enumerate(dataset.classes.names):  # and the hits themselves stand in that order
            hits = search(tmp_path / f"index-{method}", name, top=25, retrieval="plain")
            assert [hit.score for hit in hits] == pytest.approx(
                measured[collection.modes[-1]].scored.scores[:, c].sort(descending=True).values.tolist(), abs=1e-5
            )
    index_add(tmp_path / "index-concat", data, split="val")
    small = pytest.raises(DataError, match="none of the 2 classes")
    with view(open_index(tmp_path / "index-concat")) as seen, small:
        index_gallery(seen, dataset.classes.take(torch.arange(2)))


@pytest.fixture(scope="module")
def tied(tmp_path_factory) -> Path:
    """A store in which clips of several classes tie; those of an unseen class leave train for test."""
    made = stored_clips(lacking=False)
    for i in range(0, 18, 2):
        made[i] = made[i]._replace(audio=made[0].audio, video=made[0].video)
    return write_store(tmp_path_factory.mktemp("tied") / "store", made)


def assert_same_retrieval(run: Path, folder: Path) -> None:
    """What the index of all splits says of its test split is what `evaluate` says, to the last bit."""
    told = [row for row in evaluate(load_run(run), calibration="val").results if row["task"] == "retrieval"]
    for by in ("plain", "corrected"):
        rows = [row for row in told if row["retrieval"] == by]
        assert index_evaluate(folder, "test", retrieval=by).results == rows
        printed = avgzsl("index-evaluate", folder, "--split", "test", "--json", "--retrieval", by)
        assert json.loads(printed)["results"] == rows
        assert index_evaluate(folder, retrieval=by).results != rows
    assert index_evaluate(folder, "test").results == rows  # corrected, for the index has it


def test_the_test_split_of_an_index_of_all_is_measured_as_by_evaluate(tied, tmp_path):
    for name, source in (("store", tied), ("features", write_set(tmp_path / "data"))):
        run = train(source, "least-squares", out=tmp_path / f"run-{name}").folder
        index(run, source, tmp_path / f"index-{name}", engine="memory")
        hidden = source.rename(source.with_name("gone"))  # no data set is needed
        found = index_evaluate(tmp_path / f"index-{name}", "test")
        hidden.rename(source)
        assert found.unlabelled == 0 and found.split == "test"
        assert_same_retrieval(run, tmp_path / f"index-{name}")


def test_clips_without_a_label_are_not_counted_and_strange_ones_are_named(tied, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    run = train(tied, "least-squares", out=tmp_path / "run").folder
    made = stored_clips()
    for i in (0, 7):
        made[i] = made[i]._replace(about={**made[i].about, "label": None})
    index(run, write_store(tmp_path / "other", made), tmp_path / "index", engine="memory")
    found = index_evaluate(tmp_path / "index")
    assert (found.unlabelled, index_evaluate(tmp_path / "index", "val").unlabelled) == (2, 1)
    both = found.results[-1]
    assert (both["modality"], both["clips"]) == ("both", 16)
    printed = avgzsl("index-evaluate", tmp_path / "index")
    assert "2 clips without a label were not counted" in printed
    assert f"{100 * both['HM']:.2f}" in printed and "T→AV" in printed
    with pytest.raises(UnknownNameError, match="did you mean test"):
        index_evaluate(tmp_path / "index", "tset")
    made[1] = made[1]._replace(about={**made[1].about, "label": "gong", "split": "train"})
    index_add(tmp_path / "index", write_store(tmp_path / "strange", made[:2]))
    with pytest.raises(DataError, match="holds clips of gong, which is none of the 3 classes"):
        index_evaluate(tmp_path / "index")
    index(run, write_store(tmp_path / "unlabelled", made[:1]), tmp_path / "none", engine="memory")
    with pytest.raises(DataError, match="no clip has a label"):
        index_evaluate(tmp_path / "none")


def test_clips_that_cannot_be_measured_are_no_result(tied, tmp_path):
    settings = {"epochs": 1, "batch_size": 4}
    run = train(tied, "concat", out=tmp_path / "run", settings=settings).folder
    deaf = [clip._replace(audio=None) for clip in stored_clips(lacking=False)]
    index(run, write_store(tmp_path / "deaf", deaf), tmp_path / "index", engine="memory")
    with pytest.raises(ModalityError, match="index: has no features to test concat on both"):
        index_evaluate(tmp_path / "index")


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize(
    ("lines", "options", "said"),
    [
        ("path,label\nno.mp4,red low", {}, "things to mend"),
        ("path,split\nred-low.mp4,test", {"split": "val"}, "unknown split 'val'"),
        ("path\nred-low.mp4", {"encoders": EncoderChoice(audio="nothing")}, "unknown backbone 'nothing'"),
    ],
)
def test_media_that_are_refused_leave_no_index(lines, options, said, there, archive, run, files, tmp_path):
    (tmp_path / "m.csv").write_text(lines)
    folder = tmp_path / "index"
    if there:
        folder.mkdir()
    with pytest.raises(AvgzslError, match=said):
        index(run, files["red low"].parent, folder, manifest=tmp_path / "m.csv", **options)
    assert list(folder.iterdir()) == [] if there else not folder.exists()


def test_a_list_of_what_failed_stays_where_it_is_said_to_be(run, files, tmp_path):
    (tmp_path / "m.csv").write_text("path\nbroken.mp4")
    with pytest.raises(DataError, match=r"none of 1 clips gave features.*see failures\.csv") as told:
        index(run, files["red low"].parent, tmp_path / "index", manifest=tmp_path / "m.csv")
    listed = Path(str(told.value).partition(": ")[0]) / "failures.csv"
    assert "broken.mp4" in listed.read_text() and listed.is_relative_to(tmp_path / "index")
    shutil.copy(files["red low"], tmp_path / "broken.mp4")
    assert index(run, tmp_path, tmp_path / "index", manifest=tmp_path / "m.csv").added == 1  # and it goes on


def test_features_that_were_extracted_before_a_failure_stay(run, files, tmp_path, monkeypatch):
    def fails(*_):
        raise AvgzslError("no space left")

    clips = shutil.copytree(files["red low"].parent, tmp_path / "clips", ignore=lambda *_: ["broken.mp4"])
    with pytest.raises(AvgzslError, match="no space left"):  # the files are one batch, which is finished then
        index(run, clips, tmp_path / "index", progress=fails)
    monkeypatch.setattr("avgzsl.features.extract.Journal.add", fails)  # nothing is extracted again
    assert index(run, clips, tmp_path / "index").added == 7


def test_purge_erases_the_features_of_removed_files(run, files, tmp_path):
    """Those of the others are extracted again when they are added again."""
    clips = tmp_path / "clips"
    clips.mkdir()
    for name in ("red low", "blue high"):
        shutil.copy(files[name], clips)
    index(run, clips, tmp_path / "index", engine="memory")
    row = clip_runs.features(files["red low"])["audio"].astype("<f4").tobytes()

    def holding() -> list[Path]:
        return [file for file in (tmp_path / "index").rglob("*") if file.is_file() and row in file.read_bytes()]

    index_remove(tmp_path / "index", ["red-low.mp4"])
    assert any("stores" in file.parts for file in holding())
    assert index_remove(tmp_path / "index", purge=True) == Removed(0, 1)
    assert holding() == []
    (clips / "red-low.mp4").unlink()
    assert index_add(tmp_path / "index", clips).kept == 1
    assert holding() == [] and index_info(tmp_path / "index").clips == 1


def test_a_run_on_features_from_elsewhere_answers_with_its_classes_alone(tmp_path):
    data = write_set(tmp_path / "data")
    run = train(data, "least-squares", out=tmp_path / "run").folder
    index(run, data, tmp_path / "index", engine="memory")
    assert search(tmp_path / "index", "dog", top=3)[0].path is None
    with pytest.raises(RunError, match="--text"):
        search(tmp_path / "index", "church bell")
    with pytest.raises(RunError, match=r"--audio|--video"):
        search(tmp_path / "index", like=tmp_path / "x.mp4")
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.mp4").write_text("")
    with pytest.raises(RunError, match=r"--audio|--video"):
        index(run, tmp_path / "clips", tmp_path / "other")
    assert not (tmp_path / "other").exists()
    with pytest.raises(ConfigError, match="has no part in indexing"):
        index_add(tmp_path / "index", data, manifest=tmp_path / "m.csv")


def test_a_folder_a_collection_and_a_searcher_are_asked_alike(archive, searcher):
    hits = search(archive, "red low", top=3)
    assert len(hits) == 3
    assert search(open_index(archive), "red low", top=3) == hits == search(searcher, "red low", top=3)
    with pytest.raises(ConfigError, match="a searcher has encoders already"):
        search(searcher, "red low", encoders=EncoderChoice(models=Path("models")))
    with pytest.raises(ConfigError, match="is opened already"):
        open_searcher(open_index(archive), url="http://localhost:6333")
    assert index_info(open_index(archive)) == index_info(archive)


def test_hits_are_a_sequence_a_table_and_the_json_of_the_command(archive):
    hits = search(archive, "red low", top=3)
    assert isinstance(hits[1:], Hits) and list(hits[1:]) == [hits[1], hits[2]]
    rows = hits.rows()
    assert [row["rank"] for row in rows] == [1, 2, 3]
    assert [row["audio"] for row in rows] == [hit.distances["audio"] for hit in hits]
    assert json.loads(avgzsl("search", archive, "red low", "--top", 3, "--json")) == json.loads(json.dumps(hits.json()))
    assert list(hits.to_frame()["clip"]) == [hit.path for hit in hits]


def test_an_index_tells_its_steps_and_its_counts(run, files, tmp_path):
    steps, clips = [], files["red low"].parent
    added = index(run, clips, tmp_path / "index", engine="memory", progress=steps.append)
    assert list(dict.fromkeys(step.task for step in steps)) == ["extract", "index"]
    last = {step.task: step for step in steps}
    assert (last["extract"].done, last["extract"].failed) == (last["extract"].total, added.failed)
    assert (last["index"].done, last["index"].total) == (added.added, added.added)
    assert added.json() == {**added.rows()[0], "failures": str(added.failures)} and added.failures.is_file()
    assert json.loads(avgzsl("index-info", tmp_path / "index", "--json")) == index_info(tmp_path / "index").json()


def avgzsl(*arguments: object) -> str:
    ran = CliRunner().invoke(cli.app, list(map(str, arguments)))
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def test_the_commands(archive, run, files, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    folder = tmp_path / "index"
    shutil.copytree(archive, folder)
    hits = json.loads(
        avgzsl("search", folder, "red low", "--without", "blue", "-k", 3, "--modality", "video", "--json")
    )
    expected = search(folder, "red low", without=["blue"], top=3, modality="video")
    assert [hit["id"] for hit in hits] == [hit.id for hit in expected]
    assert set(hits[0]) >= {"id", "path", "start", "end", "label", "seen", "score", "distance", "distances", "weights"}
    printed = avgzsl("search", folder, "--like", files["red low"], "-k", 2, "--where", "duration < 10")
    assert "red-low.mp4" in printed
    told = avgzsl("index-info", folder).splitlines()
    assert f"name: {folder.name}" in told and any(line.startswith("clips: 7 (") for line in told)
    assert "engine: memory" in told and not any("_" in line.split(":")[0] for line in told)
    assert json.loads(avgzsl("index-info", folder, "--json"))["clips"] == 7
    assert "as it was written" in avgzsl("index-verify", folder)
    assert "1 clips removed, 1 erased" in avgzsl("index-remove", folder, "silent.mp4", "--purge")
    assert "rebuilt" in avgzsl("index-rebuild", folder)
    shutil.rmtree(folder / "engine")
    ran = CliRunner().invoke(cli.app, ["index-verify", str(folder)])
    assert ran.exit_code == 1 and "index-rebuild" in ran.output
    data = write_set(tmp_path / "data")
    other = train(data, "least-squares", out=tmp_path / "run").folder
    assert "25 clips added, 0 were there" in avgzsl("index", other, data, "--out", tmp_path / "b", "--split", "test")
    assert "20 clips added" in avgzsl("index-add", tmp_path / "b", data, "--split", "val")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("red", "--by", "audio"), "what of a clip to ask with"),
        (("red", "--audio", "descriptors"), "the audio encoder 'descriptors' has no part in a search for words"),
        (("red", "--video", "descriptors"), "the video encoder 'descriptors' has no part in a search for words"),
        (
            ("--like", "x.mp4", "--text", "hashed-words:64"),
            "encoder 'hashed-words:64' has no part in a search by a clip",
        ),
    ],
)
def test_an_option_without_a_part_is_refused(options, said, archive):
    ran = CliRunner().invoke(cli.app, ["search", str(archive), *options])
    assert isinstance(ran.exception, ConfigError) and said in str(ran.exception)


@pytest.mark.parametrize(
    ("asked", "encoders"),
    [
        ({"words": "red"}, EncoderChoice(audio="descriptors")),
        ({"words": "red"}, EncoderChoice(video="descriptors")),
        ({"like": "x.mp4"}, EncoderChoice(text="hashed-words:64")),
    ],
)
def test_an_encoder_without_a_part_is_refused_in_python_too(asked, encoders, archive):
    with pytest.raises(ConfigError, match="has no part in a search"):
        search(archive, **asked, encoders=encoders)


def test_names_of_files_move_no_cursor(archive, monkeypatch):
    from avgzsl.cli.hits_table import hit_columns
    from avgzsl.reports.terminal_table import table

    hits = [replace(hit, path="a\x1b[2Jb [red]") for hit in search(archive, "red low", top=1)]
    assert "a\\x1b[2Jb [red]" in table(hit_columns(hits), 200)
