"""A run as one folder to share: it recognises on its own, and says what it is."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from avgzsl import backbones, pack, predict
from avgzsl.archive.collection import open_index
from avgzsl.archive.creation import create
from avgzsl.archive.indexing import index, index_add
from avgzsl.data.clips import ClipSet, Dataset, Encoder
from avgzsl.errors import AvgzslError, RunError, WeightsError
from avgzsl.experiments import run as runs
from avgzsl.experiments.run import load_run
from avgzsl.experiments.train_evaluate import evaluate, save_results, train
from avgzsl.features.extract import extract
from avgzsl.methods import build
from avgzsl.recognition import encoders
from avgzsl.recognition.encoders import load_backbones, same_encoder
from avgzsl.recognition.portable import with_bare_names, with_card, with_weights
from avgzsl.recognition.recogniser import class_table, load_recogniser
from avgzsl.recognition.text_encoders import load_text_encoder
from avgzsl.reports.model_card import model_card
from avgzsl.support import trust
from avgzsl.support.weights import WeightFile, identify
from avgzsl.text.encoders import load as load_text
from avgzsl.types import EncoderChoice
from tests import clip_runs
from tests.conftest import SHARED
from tests.test_cards import sound_card

OF_CLIPS = EncoderChoice(audio="descriptors", video="descriptors", text="hashed-words:64")

WORDS = ("red", "green", "blue", "low", "high", "drum")


def write_vectors(path: Path, seed: int = 0) -> Path:
    """Word vectors in the .vec format."""
    rng = np.random.default_rng(seed)
    lines = [f"{word} {' '.join(f'{x:.5f}' for x in rng.standard_normal(32))}" for word in WORDS]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([f"{len(WORDS)} 32", *lines]) + "\n")
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return clip_runs.render(tmp_path_factory.mktemp("clip") / "clip.mp4", "red high")


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """Files that a machine has: word vectors, and words to use for some names."""
    folder = tmp_path_factory.mktemp("machine")
    write_vectors(folder / "vectors" / "words.vec")
    (folder / "other-words.csv").write_text("original,manual\nbang,high drum\n")
    return folder


@pytest.fixture(scope="module")
def run(source, tmp_path_factory) -> Path:
    """A run whose text encoder is those word vectors; evaluated."""
    folder = tmp_path_factory.mktemp("run")
    data = clip_runs.dataset(clip_runs.clips(folder / "clips"))
    text = load_text(f"words:{source / 'vectors' / 'words.vec'}", overrides=source / "other-words.csv")
    classes = replace(data.classes, text=text.encode(clip_runs.NAMES))
    encoders = {**data.encoders, "text": Encoder(text.spec, text.weights)}
    data = replace(
        data, classes=classes, encoders=encoders, source=str(folder / "clips"), notes=(f"{folder}/clips: n",)
    )
    trained = clip_runs.train(data, folder / "run")
    save_results(trained.folder, evaluate(trained, data))
    return trained.folder


def files_of(source: Path) -> list[Path]:
    """What the run names by their paths."""
    return [source / "vectors" / "words.vec", source / "other-words.csv"]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_packed_run_recognises_as_the_run_does(run, clip, tmp_path):
    files = pack(run, tmp_path / "packed")
    assert sorted(path.name for path in files) == [
        "README.md", "classes.safetensors", "config.json", "history.jsonl", "model.safetensors", "recognition.json",
        "results.json",
    ]  # fmt: skip
    assert set(files) == {tmp_path / "packed" / name for name in contents(tmp_path / "packed")}
    assert predict(tmp_path / "packed", [clip]) == predict(run, [clip])
    assert runs.run_id(runs.load_run(tmp_path / "packed").method) == runs.run_id(runs.load_run(run).method)


def test_no_path_of_the_machine_travels(run, source, tmp_path):
    pack(run, tmp_path / "packed", weights=True, named=files_of(source))
    for name, content in contents(tmp_path / "packed").items():
        assert str(run.parent).encode() not in content, name
        assert str(source).encode() not in content, name
        assert str(tmp_path).encode() not in content, name


def test_with_its_weights_it_encodes_new_names_anywhere(run, source, tmp_path, monkeypatch):
    pack(run, tmp_path / "packed", weights=True, named=files_of(source))
    names = ["green drum", "bang", "red low"]
    there = class_table(load_recogniser(run), names)
    hidden = source.rename(source.with_name("gone"))
    monkeypatch.chdir(tmp_path)
    try:
        assert torch.equal(class_table(load_recogniser(tmp_path / "packed"), names).text, there.text)
        assert pack(tmp_path / "packed", tmp_path / "again", weights=True)  # a packed run is a run
        assert torch.equal(class_table(load_recogniser(tmp_path / "again"), names).text, there.text)
    finally:
        hidden.rename(source)


def test_without_weights_they_are_looked_up_by_name(run, source, tmp_path, monkeypatch):
    pack(run, tmp_path / "packed")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError, match=r"words.vec are not there.*--models"):
        class_table(load_recogniser(tmp_path / "packed"), ["green drum"])
    models = tmp_path / "models"
    models.mkdir()
    (models / "words.vec").write_bytes((source / "vectors" / "words.vec").read_bytes())
    (models / "other-words.csv").write_bytes((source / "other-words.csv").read_bytes())
    found = class_table(load_recogniser(tmp_path / "packed", encoders=EncoderChoice(models=models)), ["green drum"])
    assert torch.equal(found.text, class_table(load_recogniser(run), ["green drum"]).text)
    write_vectors(models / "words.vec", seed=1)
    with pytest.raises(WeightsError, match="is not the text encoder of"):
        class_table(load_recogniser(tmp_path / "packed", encoders=EncoderChoice(models=models)), ["green drum"])


def test_weights_that_changed_or_went_are_not_packed(run, source, tmp_path):
    vectors = source / "vectors" / "words.vec"
    before = vectors.read_bytes()
    try:
        write_vectors(vectors, seed=1)
        with pytest.raises(WeightsError, match=r"the file words.vec .* that the run was trained with is not there"):
            pack(run, tmp_path / "packed", weights=True, named=files_of(source))
        vectors.unlink()
        with pytest.raises(WeightsError, match=r"words\.vec"):
            pack(run, tmp_path / "packed", weights=True, named=[source / "other-words.csv"])
    finally:
        vectors.write_bytes(before)
    assert list(tmp_path.iterdir()) == []


def test_the_layout_is_that_of_the_hubs_mixin(run, tmp_path):
    hub = pytest.importorskip("huggingface_hub")
    pack(run, tmp_path / "packed")

    class Net(torch.nn.Module, hub.PyTorchModelHubMixin):
        def __init__(self, method: str, settings: dict, data: dict) -> None:
            super().__init__()
            networks = build(method, settings=settings).build(data["dimensions"], torch.Generator())
            for name, child in networks.named_children():
                self.add_module(name, child)

    net = Net.from_pretrained(str(tmp_path / "packed"), strict=True)
    kept = load_file(run / "model.safetensors")
    assert net.state_dict().keys() == kept.keys()
    assert all(torch.equal(value, kept[name]) for name, value in net.state_dict().items())
    card = hub.ModelCard.load(tmp_path / "packed" / "README.md")
    assert card.data.library_name == "avgzsl"
    assert "pytorch_model_hub_mixin" in card.data.tags


def test_the_model_card_says_what_it_is(run, source, tmp_path):
    pack(run, tmp_path / "packed")
    card = (tmp_path / "packed" / "README.md").read_text()
    assert "Seen: red low, green low, green high, blue high" in card
    assert "Unseen: red high, blue low" in card
    row = next(r for r in json.loads((run / "results.json").read_text())["results"] if r["fusion"] == "attention")
    assert f"| avgzslnet (w/ attn) | both | {100 * row['S']:.2f} | {100 * row['U']:.2f} |" in card
    assert "Calibration: val" in card
    assert identify(source / "vectors" / "words.vec").sha256[:12] in card
    assert "Licences of its clips: not known" in card
    assert f"| both-attention | {row['gamma']:.4g} |" in card


def test_from_clips_to_a_packed_run_that_tells_their_licences(tmp_path):
    rows = ["path,label,split,seen,licence"]
    for name in clip_runs.NAMES:
        for split, seconds in (("train", 0.6), ("val", 0.5), ("test", 0.7)):
            path = f"{split}-{name.replace(' ', '-')}.mp4"
            clip_runs.render(tmp_path / path, name, seconds=seconds)
            seen = "no" if name in clip_runs.UNSEEN else "yes"
            rows.append(f"{path},{name},{split},{seen},{'own work' if split == 'test' else 'CC BY 4.0'}")
    (tmp_path / "clips.csv").write_text("\n".join(rows))
    extract(tmp_path, tmp_path / "store", manifest=tmp_path / "clips.csv", encoders=OF_CLIPS, workers=1)
    run = train(tmp_path / "store", out=tmp_path / "run", settings=clip_runs.QUICK, device="cpu")
    assert [encoder.spec for encoder in run.config.data.known_encoders] == [
        "descriptors", "descriptors", "hashed-words:64"
    ]  # fmt: skip
    own = (tmp_path / "run" / "README.md").read_text()
    assert "Licences of its clips: CC BY 4.0 (12); own work (6)." in own and "Not evaluated." in own
    save_results(run.folder, evaluate(run))
    own = (tmp_path / "run" / "README.md").read_text()
    assert "## Data\n\nstore, layout store," in own and str(tmp_path) not in own
    assert "Licences of its clips: CC BY 4.0 (12); own work (6)." in own and "| avgzslnet (w/ attn) | both |" in own
    pack(run.folder, tmp_path / "packed")
    assert "Licences of its clips: CC BY 4.0 (12); own work (6)." in (tmp_path / "packed" / "README.md").read_text()
    (result,) = predict(tmp_path / "packed", [tmp_path / "test-green-low.mp4"], ["green low", "purple high"])
    assert result.top[0].label == "green low"


def test_the_card_says_that_a_method_of_a_file_has_to_be_given(run):
    config = runs.read_config(run)
    assert "--method" not in model_card(config, None, None, {})
    card = model_card(config.model_copy(update={"method": "somebodys"}), None, None, {})
    assert "avgzsl predict FOLDER clip.mp4 --method FILE.py:Class\n" in card and "method `somebodys`" in card


def test_the_card_names_no_path_of_this_machine(run):
    config = runs.read_config(run)
    audio, video = Encoder("/home/me/cards/mine.yaml"), Encoder("yamnet:/home/me/models/y.tflite")
    text = replace(config.data.text[0], encoder=Encoder("word2vec:/home/me/models/words.bin"))
    update = {"path": "/home/me/store", "encoders": {"audio": audio, "video": video}, "text": (text,)}
    config = config.model_copy(update={"data": config.data.model_copy(update=update)})
    results = {"results": [], "provenance": {"notes": ["2 clips of /home/me/store are silent"]}}
    card = model_card(config, None, results, {})
    assert "home" not in card
    for said in ("store, layout", "| mine.yaml |", "| yamnet:y.tflite |", "| word2vec:words.bin |", "2 clips of store"):
        assert said in card
    relative = config.model_copy(update={"data": config.data.model_copy(update={"path": "."})})
    assert "2 clips of /home" in model_card(relative, None, results, {}).replace("\\", "")


def test_names_from_outside_stay_text_in_the_card(run):
    config = runs.read_config(run)
    data = config.data.model_copy(update={"seen": ["a|b", "<script>", "two\nlines", "[x](http://y)"]})
    card = model_card(config.model_copy(update={"data": data}), None, None, {"CC BY": 3, "own | work": 1})
    assert r"Seen: a\|b, \<script\>, two lines, \[x\](http://y)" in card
    assert r"Licences of its clips: CC BY (3); own \| work (1)." in card
    assert "Not evaluated." in card
    assert "not calibrated" in card


def test_a_folder_in_use_or_a_damaged_run_is_refused(run, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("years of work")
    with pytest.raises(RunError, match="is there already"):
        pack(run, tmp_path / "full")
    with pytest.raises(RunError, match="is not a run"):
        pack(tmp_path / "full", tmp_path / "out")
    copy = tmp_path / "copy"
    copy.mkdir()
    for name, content in contents(run).items():
        (copy / name).write_bytes(content)
    for damage in ("{", '{"results": [{}], "provenance": {}}', '{"results": [], "provenance": []}', "[]"):
        (copy / "results.json").write_text(damage)
        with pytest.raises(RunError, match="not the results of a run"):
            pack(copy, tmp_path / "out")
    (copy / "results.json").unlink()
    (copy / "recognition.json").write_text("{")
    with pytest.raises(RunError, match=r"recognition\.json: cannot be read"):
        pack(copy, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "full"]


def test_a_full_disk_leaves_nothing(run, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(trust.shutil, "copyfile", full)
    with pytest.raises(AvgzslError, match="No space left on device"):
        pack(run, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_cards_and_exported_models_travel(tmp_path):
    model = tmp_path / "there" / "net.tflite"
    model.parent.mkdir()
    model.write_bytes(b"weights")
    card = tmp_path / "there" / "mine.yaml"
    card.write_text("description: mine\n")
    encoder = Encoder(str(card), (identify(card), identify(model)))
    assert with_weights(encoder, "audio", tmp_path / "out", None, [card]) == encoder
    assert contents(tmp_path / "out") == {"net.tflite": b"weights"}  # its card travels by itself
    assert with_bare_names(encoder) == encoder
    assert with_card(encoder, tmp_path / "cards", tmp_path, None, [card]) == replace(encoder, spec="mine.yaml")
    packaged, weights = backbones._CARDS / "yamnet.yaml", (WeightFile("y.tflite", "a" * 64),)
    by_card = Encoder("yamnet.yaml", (identify(packaged), *weights))
    assert with_card(Encoder("yamnet", weights), tmp_path / "cards", tmp_path) == by_card
    assert same_encoder(by_card, Encoder("yamnet:moved/y.tflite", weights))
    for other in (Encoder("descriptors"), Encoder("yamnet:y.tflite", weights)):  # what no card tells
        assert with_card(other, tmp_path / "cards", tmp_path) == other
    assert sorted(contents(tmp_path / "cards")) == ["mine.yaml", "yamnet.yaml"]
    card.write_text("description: other\n")
    with pytest.raises(WeightsError, match="is not the card"):
        with_card(encoder, tmp_path / "cards", tmp_path / "there")


def train_on_card(folder: Path, audio: Encoder) -> Path:
    """A run whose sounds went through an encoder by a card, of 3 numbers, and whose pictures are descriptors."""
    data = clip_runs.dataset(clip_runs.clips(folder / "clips"))
    g = torch.Generator().manual_seed(0)

    def heard(clips: ClipSet) -> ClipSet:
        return replace(clips, audio=torch.randn(len(clips), 3, generator=g))

    made = Dataset.of(data.classes, {name: heard(clips) for name, clips in data.splits.items()})
    made = replace(data, splits=made.splits, fingerprint=made.fingerprint, encoders={**data.encoders, "audio": audio})
    return clip_runs.train(made, folder / "run", "least-squares").folder


def loaded_card(run: Path, models: Path | None = None):
    """The backbone by its card, as the run loads it."""
    return load_backbones(runs.load_run(run), ["audio"], EncoderChoice(models=models, device="cpu"))["audio"]


def test_a_packed_run_works_from_its_own_card(tmp_path, monkeypatch):
    (tmp_path / "there").mkdir()
    card, _ = sound_card(tmp_path / "there")
    model = card.with_name("sound.onnx")
    run = train_on_card(tmp_path, Encoder(str(card), (identify(card), identify(model))))
    noise = [np.random.default_rng(0).uniform(-0.5, 0.5, 800).astype(np.float32)]
    expected = loaded_card(run).embed(noise)
    pack(run, tmp_path / "light", named=[card])
    pack(run, tmp_path / "whole", weights=True, named=[card])
    (tmp_path / "there").rename(tmp_path / "models")
    monkeypatch.chdir(tmp_path / "clips")
    light, whole = {"cards/card.yaml"}, {"cards/card.yaml", "weights/sound.onnx"}
    pack(tmp_path / "whole", tmp_path / "again", weights=True)
    pack(tmp_path / "light", tmp_path / "lighter")
    for name, files, models in (
        ("light", light, tmp_path / "models"),
        ("lighter", light, tmp_path / "models"),
        ("whole", whole, None),
        ("again", whole, None),
    ):
        there = set(contents(tmp_path / name)) - set(contents(run)) - {"README.md"}
        assert there == files  # and nothing that nobody reads
        assert torch.equal(loaded_card(tmp_path / name, models).embed(noise), expected)
    with pytest.raises(WeightsError, match=r"sound\.onnx are not there"):
        loaded_card(tmp_path / "light")


def test_a_card_of_another_version_changes_no_packed_run(tmp_path, monkeypatch):
    cards, models = tmp_path / "packaged", tmp_path / "models"
    for folder in (cards, models):
        folder.mkdir()
    monkeypatch.setattr(backbones, "_CARDS", cards)
    monkeypatch.setattr(encoders, "_PACKAGED", cards)
    card, _ = sound_card(models)
    card.rename(cards / "ears.yaml")
    audio = Encoder("ears", (identify(models / "sound.onnx"),))
    run = train_on_card(tmp_path, audio)
    pack(run, tmp_path / "packed")
    packed = runs.read_config(tmp_path / "packed").data.encoders["audio"]
    assert packed.spec == "ears.yaml" and same_encoder(packed, audio)
    (cards / "ears.yaml").write_text((cards / "ears.yaml").read_text().replace("hop: 40", "hop: 50"))
    assert loaded_card(run, models).card.input.hop == 50
    assert loaded_card(tmp_path / "packed", models).card.input.hop == 40
    assert not same_encoder(packed, audio)
    with pytest.raises(WeightsError, match="ears: is not the audio encoder of"):
        load_backbones(runs.load_run(tmp_path / "packed"), ["audio"], EncoderChoice(audio="ears", models=models))


def test_an_index_of_a_packed_run_carries_its_weights_and_its_card(tmp_path, monkeypatch):
    (tmp_path / "there").mkdir()
    card, _ = sound_card(tmp_path / "there")
    audio = Encoder(str(card), (identify(card), identify(card.with_name("sound.onnx"))))
    pack(train_on_card(tmp_path, audio), tmp_path / "packed", weights=True, named=[card])
    index(tmp_path / "packed", tmp_path / "clips", tmp_path / "index", engine="memory")
    for name in ("there", "packed"):
        (tmp_path / name).rename(tmp_path / f"{name}-gone")
    (tmp_path / "index").rename(tmp_path / "moved")
    assert {"cards/card.yaml", "weights/sound.onnx"} <= set(contents(tmp_path / "moved" / "run"))
    monkeypatch.chdir(tmp_path)
    assert index_add("moved", tmp_path / "clips").kept == 6
    monkeypatch.chdir(tmp_path / "clips")
    clip_runs.render(tmp_path / "clips" / "more.mp4", "red high")
    assert index_add(tmp_path / "moved", tmp_path / "clips").added == 1
    assert loaded_card(open_index(tmp_path / "moved").run.folder).card.file == "sound.onnx"


def test_weights_by_a_spec_without_an_argument_are_looked_for(tmp_path):
    """Only those that come with an installed package are left to it."""
    weights = (WeightFile("kumar.pt", "a" * 64),)
    with pytest.raises(WeightsError, match=r"kumar: the file kumar\.pt .* or pack without weights"):
        with_weights(Encoder("kumar", weights), "audio", tmp_path, tmp_path)
    for spec in ("minilm", "minilm,overrides=names.csv"):
        assert with_weights(Encoder(spec, weights), "text", tmp_path, tmp_path) == Encoder(spec, weights)


def test_folders_and_names_of_the_hub_keep_their_shape(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "somewhere" / "clip-small"
    (folder / "1_Pooling").mkdir(parents=True)
    for name in ("model.safetensors", "config.json", "1_Pooling/config.json", "pytorch_model.bin", "flax.msgpack"):
        (folder / name).write_text(name)
    kept = ["1_Pooling/config.json", "config.json", "model.safetensors"]
    encoder = Encoder(f"clip:{folder}", tuple(replace(identify(folder / name), name=name) for name in kept))
    assert with_weights(encoder, "video", tmp_path / "out", None, [folder]).spec == "clip:clip-small"
    assert sorted(contents(tmp_path / "out" / "clip-small")) == kept
    models = tmp_path / "models" / "openai"
    models.mkdir(parents=True)
    folder.rename(models / "clip-small")
    named = replace(encoder, spec="clip:openai/clip-small")
    assert with_weights(named, "video", tmp_path / "hub", tmp_path / "models").spec == "clip:openai/clip-small"
    assert sorted(contents(tmp_path / "hub" / "openai" / "clip-small")) == kept
    assert with_bare_names(named).spec == "clip:openai/clip-small"
    assert with_bare_names(encoder).spec == "clip:clip-small"
    dotted = "sentence:BAAI/bge-small-en-v1.5"
    assert with_bare_names(Encoder(dotted)).spec == dotted
    assert with_bare_names(Encoder("hashed-words:64")).spec == "hashed-words:64"
    other = tmp_path / "other" / "clip-small"
    other.mkdir(parents=True)
    (other / "config.json").write_text("another")
    with pytest.raises(WeightsError, match="another file of that name"):
        with_weights(
            Encoder(f"clip:{other}", (identify(other / "config.json"),)), "video", tmp_path / "out", None, [other]
        )


def test_exported_models_by_the_names_of_their_cards(tmp_path):
    models = SHARED / "models"
    if not models.is_dir():
        pytest.skip(f"{models} is not there: weights are not part of the project")
    file = models / "mobilenet_v2_1.0_224_quant.tflite"
    encoder = Encoder("mobilenet-v2", (identify(file),))
    assert with_weights(encoder, "audio", tmp_path / "out", models) == encoder
    assert contents(tmp_path / "out") == {file.name: file.read_bytes()}
    with pytest.raises(WeightsError, match="pack without weights"):
        with_weights(replace(encoder, weights=(WeightFile(file.name, "a" * 64),)), "audio", tmp_path / "x", models)


def with_record(run: Path, copy: Path, **encoders: Encoder) -> Path:
    """A copy of the run whose record names other encoders, as somebody else may write it."""
    for name, content in contents(run).items():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes(content)
    config = json.loads((copy / "config.json").read_text())
    known = {
        kind: {"spec": one.spec, "weights": [vars(file) for file in one.weights]} for kind, one in encoders.items()
    }
    if "text" in known:
        config["data"]["text"][0]["encoder"] = known.pop("text")
    config["data"]["encoders"] |= known
    (copy / "config.json").write_text(json.dumps(config))
    return copy


SECRET = b"canary-55c0,1.0\n"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "secret.csv").write_bytes(SECRET)
    return tmp_path / "home" / "secret.csv"


def inside(folder: Path) -> bytes:
    return b"".join(contents(folder).values()) if folder.exists() else b""


@pytest.mark.parametrize("kind", ["file", "overrides", "folder", "card", "link", "relative", "hash unknown", "models"])
def test_a_run_of_somebody_else_takes_no_file_of_this_machine_along(run, secret, kind, tmp_path, monkeypatch):
    """Also not one whose hash it knows: the user did not name it."""
    monkeypatch.chdir(secret.parent)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "private.csv").write_bytes(SECRET)
    (secret.parent / "card.yaml").write_bytes(SECRET)
    known = (identify(secret),)
    encoder = {
        "file": Encoder(f"dict:{secret}", known),
        "overrides": Encoder(f"hashed-words:64,overrides={secret}", known),
        "folder": Encoder(f"sentence:{secret.parent}", known),
        "card": Encoder(str(secret.parent / "card.yaml"), (identify(secret.parent / "card.yaml"),)),
        "link": Encoder("dict:secret.csv", known),
        "relative": Encoder("dict:../home/secret.csv", known),
        "hash unknown": Encoder("dict:private.csv", ()),
        "models": Encoder("sentence:.", ()),
    }[kind]
    foreign = with_record(run, tmp_path / "foreign", **{"audio" if kind == "card" else "text": encoder})
    if kind == "link":
        (foreign / "weights").mkdir()
        (foreign / "weights" / "secret.csv").symlink_to(secret)
    for weights in (True, False):
        said, models = "", None if kind == "link" else tmp_path / "models"
        try:
            pack(foreign, tmp_path / f"out-{weights}", weights=weights, models=models)
        except AvgzslError as problem:
            said = str(problem)
        assert "canary" not in said
        assert SECRET not in inside(tmp_path / f"out-{weights}")
        assert "--with" in said or not weights or kind in ("link", "hash unknown", "models")


def test_a_named_file_is_packed_if_it_is_the_one_of_the_record(run, secret, tmp_path):
    foreign = with_record(run, tmp_path / "foreign", text=Encoder(f"dict:{secret}", (identify(secret),)))
    pack(foreign, tmp_path / "out", weights=True, named=[secret])
    assert (tmp_path / "out" / "weights" / "secret.csv").read_bytes() == SECRET
    assert runs.read_config(tmp_path / "out").data.known_encoders[-1].spec == "dict:secret.csv"
    other = with_record(run, tmp_path / "other", text=Encoder(f"dict:{secret}", (WeightFile("secret.csv", "a" * 64),)))
    with pytest.raises(WeightsError, match=r"the file secret\.csv .* that the run was trained with is not there"):
        pack(other, tmp_path / "out2", weights=True, named=[secret])
    with pytest.raises(WeightsError, match="was named to be packed, and is not there"):
        pack(foreign, tmp_path / "out2", weights=True, named=[tmp_path / "nowhere"])
    assert not (tmp_path / "out2").exists()


@pytest.mark.parametrize("name", ["../../planted", "/tmp/planted", "a/../../planted", "..", "", "a\nb", "..\\planted"])
def test_no_name_leads_out_of_the_packed_folder(run, name, tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    (models / "vectors.csv").write_bytes(SECRET)
    (tmp_path / "planted").write_bytes(SECRET)
    found = WeightFile(name, identify(models / "vectors.csv").sha256)
    foreign = with_record(run, tmp_path / "foreign", text=Encoder("dict:none.csv", (found,)))
    before = set(tmp_path.rglob("*"))
    with pytest.raises(WeightsError, match=r"names the file .*; expected a name inside its own folder"):
        pack(foreign, tmp_path / "deep" / "out", weights=True, models=models)
    assert set(tmp_path.rglob("*")) - before <= {tmp_path / "deep"}


@pytest.mark.parametrize("name", ["history.jsonl", "results.json", "recognition.json", "cards", "more.txt"])
def test_a_run_with_links_is_not_packed(run, secret, name, tmp_path):
    foreign = with_record(run, tmp_path / "foreign")
    (foreign / name).unlink(missing_ok=True)
    (foreign / name).symlink_to(secret.parent if name == "cards" else secret)
    with pytest.raises(RunError, match=f"{name}: is a link"):
        pack(foreign, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["history.jsonl", "recognition.json", "model.safetensors", "results.json"])
def test_a_file_of_holes_is_not_written_out(run, name, tmp_path):
    foreign = with_record(run, tmp_path / "foreign")
    with (foreign / name).open("wb") as stream:
        stream.write(b"{}")
        stream.truncate(1 << 40)
    with pytest.raises(AvgzslError, match=name):
        pack(foreign, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["history.jsonl", "README.md", "more.txt", "weights/more.csv", "weights/sub", "cards"])
def test_an_index_takes_nothing_along_that_a_link_in_a_run_leads_to(run, secret, name, tmp_path):
    foreign = with_record(run, tmp_path / "foreign")
    (foreign / name).unlink(missing_ok=True)
    (foreign / name).parent.mkdir(exist_ok=True)
    (foreign / name).symlink_to(secret.parent if name in ("cards", "weights/sub") else secret)
    created = create(tmp_path / "index", load_run(foreign), "memory")
    assert b"canary" not in inside(tmp_path / "index")
    assert (tmp_path / "index" / "run" / "model.safetensors").is_file()
    created.close()


def test_the_licences_of_another_store_are_not_told(tmp_path, run):
    """A record may name any store of this machine as its data."""
    clip_runs.render(tmp_path / "clips" / "a.mp4", "red high", seconds=0.5)
    (tmp_path / "clips.csv").write_text("path,label,split,seen,licence\na.mp4,red high,train,yes,canary-55c0\n")
    extract(tmp_path / "clips", tmp_path / "store", manifest=tmp_path / "clips.csv", encoders=OF_CLIPS, workers=1)
    foreign = with_record(run, tmp_path / "foreign")
    config = json.loads((foreign / "config.json").read_text())
    config["data"] |= {"layout": "store", "path": str(tmp_path / "store"), "class_split": "manifest"}
    (foreign / "config.json").write_text(json.dumps(config))
    pack(foreign, tmp_path / "out")
    assert b"canary" not in inside(tmp_path / "out")


@pytest.mark.parametrize("spec", ["dict:{}", "hashed-words:64,overrides={}", "sentence:{}", "{}.yaml"])
def test_a_run_opens_no_file_that_its_record_does_not_know(run, secret, spec, tmp_path, monkeypatch):
    """Not even to say what is wrong with it."""
    path = secret.parent if spec.startswith("sentence") else secret
    secret.with_name("secret.csv.yaml").write_bytes(SECRET)
    named = spec.format(path)
    foreign = with_record(run, tmp_path / "foreign", text=Encoder(named), audio=Encoder(named))
    loaded = runs.load_run(foreign)
    classes = runs.read_classes(loaded)
    load = {
        True: lambda: load_backbones(loaded, ["audio"], EncoderChoice()),
        False: lambda: load_text_encoder(loaded, classes, EncoderChoice()).encode(["a"]),
    }[spec.endswith("yaml")]
    with pytest.raises(WeightsError, match=r"is not the (text|audio) encoder of") as refused:
        load()
    assert "canary" not in str(refused.value)


def test_a_run_makes_nobody_ask_the_network(run, tmp_path, monkeypatch):
    hub = pytest.importorskip("huggingface_hub")
    asked: list[str] = []
    monkeypatch.setattr(hub.HfApi, "model_info", lambda self, name, **_: asked.append(name))
    foreign = runs.load_run(with_record(run, tmp_path / "foreign", text=Encoder("sentence:somebody/elses-model")))
    classes = runs.read_classes(foreign)
    with pytest.raises(WeightsError, match="nothing is fetched because a run names it"):
        load_text_encoder(foreign, classes, EncoderChoice()).encode(["a"])
    assert asked == []
    with pytest.raises(WeightsError, match="not to be had"):
        load_text_encoder(foreign, classes, EncoderChoice(text="sentence:somebody/elses-model")).encode(["a"])
    assert asked == ["somebody/elses-model"]
