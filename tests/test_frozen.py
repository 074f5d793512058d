"""Frozen encoders as a method, against loops over plain numbers."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from avgzsl import backbones
from avgzsl.backbones import LastLayer
from avgzsl.backbones._tagger import LabelHead
from avgzsl.data.clips import ClassTable, ClipSet, Dataset, Encoder, TextPart
from avgzsl.errors import ConfigError, DataError
from avgzsl.experiments.gallery import gallery_of
from avgzsl.experiments.protocol import Mode
from avgzsl.experiments.run import load_run
from avgzsl.experiments.train_evaluate import evaluate, train
from avgzsl.learning.training import Job
from avgzsl.methods import build, dimensions
from avgzsl.recognition.answers import answer
from avgzsl.support.weights import WeightFile
from avgzsl.testing.scores import all_scores, assert_same
from avgzsl.text import encoders as text_encoders
from avgzsl.text.labels import label_parts
from tests.worlds import world

CLIP, CLAP, WORDS = Encoder("clip"), Encoder("clap"), Encoder("hashed-words")
ENCODERS = {"audio": CLAP, "video": CLIP}
SIZES = (5, 6, 4)  # audio, video, and words that stand in neither space
PARTS = (TextPart(SIZES[2], encoder=WORDS), TextPart(SIZES[1], "video", CLIP), TextPart(SIZES[0], "audio", CLAP))


def data(seed=0, missing=0.3):
    """Clips in the spaces of two parts of their text; the first part is of neither."""
    base = world(seed, sizes=(SIZES[0], SIZES[1], sum(SIZES)), missing=missing)
    text = base.classes.text
    rows = {"video": text[:, SIZES[2] : SIZES[2] + SIZES[1]], "audio": text[:, SIZES[2] + SIZES[1] :]}
    g = torch.Generator().manual_seed(seed)

    def clips(split):
        features = {m: rows[m][split.labels] + 0.1 * torch.randn(split.feature(m).shape, generator=g) for m in rows}
        return replace(split, **features)

    classes = ClassTable(base.classes.names, text, base.classes.seen, PARTS)
    made = Dataset.of(classes, {name: clips(split) for name, split in base.splits.items()})
    return replace(made, encoders=ENCODERS)


def fitted(dataset, **settings):
    return build("frozen", settings=settings).fit(*dataset.training(), Job(encoders=dataset.encoders))


def unit(row):
    length = math.sqrt(sum(x * x for x in row))
    return [x / length for x in row]


def cosines(clips, classes, modality):
    """By loops: rows of clips that have the modality, columns of classes."""
    place, start = {"video": (1, SIZES[2]), "audio": (2, SIZES[2] + SIZES[1])}[modality]
    words = [unit(row[start : start + PARTS[place].width]) for row in classes.text.tolist()]
    features = clips.feature(modality)[clips.has(modality)].tolist()
    return [[sum(a * b for a, b in zip(unit(x), t, strict=True)) for t in words] for x in features]


def standard(rows):
    values = [value for row in rows for value in row]
    mean = math.fsum(values) / len(values)
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))


# shared spaces


@pytest.mark.parametrize("modality", ["audio", "video"])
def test_a_score_is_the_cosine_standardised_by_training_clips_and_seen_classes(modality):
    dataset = data()
    method, test = fitted(dataset), dataset.split("test")
    mean, deviation = standard(cosines(*dataset.training(), modality))
    has = test.where(test.has(modality))
    expected = [[(x - mean) / deviation for x in row] for row in cosines(has, dataset.classes, modality)]
    got = method.scores(has, dataset.classes.text, modality)
    assert got.tolist() == [pytest.approx(row, abs=1e-4) for row in expected]


def test_both_are_weighed_and_a_clip_with_one_has_that():
    dataset = data()
    method, test, text = fitted(dataset), dataset.split("test"), dataset.classes.text
    alone = {
        m: dict(
            zip(test.ids[test.has(m).numpy()], method.scores(test.where(test.has(m)), text, m).tolist(), strict=True)
        )
        for m in ("audio", "video")
    }
    got = method.scores(test, text, "both", "weighted", 0.8)
    for clip, row in zip(test.ids, got.tolist(), strict=True):
        sound, picture = alone["audio"].get(clip), alone["video"].get(clip)
        if sound and picture:
            assert row == pytest.approx([0.2 * a + 0.8 * v for a, v in zip(sound, picture, strict=True)], abs=1e-4)
        else:
            assert row == pytest.approx(sound or picture, abs=1e-5)
    assert torch.equal(method.scores(test, text, "both", "weighted"), method.scores(test, text, "both", "equal"))


def test_the_parts_of_the_space_are_found_by_their_encoders_wherever_they_stand():
    dataset = data()
    order = [2, 0, 1]
    starts = [0, *np.cumsum([part.width for part in PARTS]).tolist()]
    spans = [dataset.classes.text[:, a:b] for a, b in pairwise(starts)]
    turned = replace(
        dataset.classes, text=torch.cat([spans[i] for i in order], 1), parts=tuple(PARTS[i] for i in order)
    )
    other = fitted(replace(dataset, classes=turned))
    test = dataset.split("test")
    assert_same(all_scores_of(fitted(dataset), test, dataset.classes), all_scores_of(other, test, turned))


def all_scores_of(method, clips, classes):
    full = clips.where(clips.has_audio & clips.has_video)
    return all_scores(method, full, classes)


def test_a_folder_of_weights_that_moved_is_known_by_its_hashes():
    dataset = data()
    file = (WeightFile("model.safetensors", "a" * 64),)
    moved = (PARTS[0], replace(PARTS[1], encoder=Encoder("clip:/elsewhere", file)), PARTS[2])
    classes = replace(dataset.classes, parts=moved)
    other = replace(dataset, classes=classes, encoders={"audio": CLAP, "video": Encoder("clip:here", file)})
    assert fitted(other).modalities == ("audio", "video", "both")
    strange = replace(other, encoders={"audio": CLAP, "video": Encoder("clip:here", (WeightFile("x", "b" * 64),))})
    assert fitted(strange).modalities == ("audio",)


@pytest.mark.parametrize("scale", ["unit", "raw"])
def test_several_parts_of_one_space_count_by_their_mean(scale):
    dataset = data()
    more = torch.randn(len(dataset.classes), SIZES[1], generator=torch.Generator().manual_seed(4))
    classes = replace(dataset.classes, text=torch.cat([dataset.classes.text, more], 1), parts=(*PARTS, PARTS[1]))
    method = fitted(replace(dataset, classes=classes), text_scale=scale)
    text = method.embed_text(classes.text).video
    first = classes.text[:, SIZES[2] : SIZES[2] + SIZES[1]]
    for row, one, other in zip(text[:, :-1].tolist(), first.tolist(), more.tolist(), strict=True):
        assert unit(row) == pytest.approx(unit([a + b for a, b in zip(unit(one), unit(other), strict=True)]), abs=1e-5)


def test_what_is_frozen_is_a_run_like_any_other(tmp_path):
    dataset = data(missing=0.0)
    run = train(dataset, "frozen", out=tmp_path / "run")
    rows = evaluate(run, dataset).results
    weighted = [row for row in rows if row["fusion"] == "weighted" and row["task"] == "classification"]
    assert weighted[0]["HM"] > 0.8
    again = load_run(tmp_path / "run")
    test = dataset.split("test")
    assert_same(all_scores(run.method, test, dataset.classes), all_scores(again.method, test, dataset.classes))


def test_without_training_clips_the_clips_and_phrases_at_hand_standardise():
    dataset = data()
    sizes = {"audio": SIZES[0], "video": SIZES[1], "text": sum(SIZES)}
    method = build("frozen").read(sizes, ENCODERS, PARTS)
    clips = method.embed_clips(dataset.split("test"))
    plain = method.embed_text(dataset.classes.text)
    method.standardise(
        [clips.where(torch.arange(len(clips)) < 30), clips.where(torch.arange(len(clips)) >= 30)], dataset.classes.text
    )
    test, text = dataset.split("test"), dataset.classes.text
    for modality in ("audio", "video"):
        mean, deviation = standard(cosines(test, dataset.classes, modality))
        row = method.embed_text(text).of(modality)
        assert torch.allclose(row[:, :-1], plain.of(modality)[:, :-1] / deviation, atol=1e-4)
        assert row[:, -1].tolist() == pytest.approx([-mean / deviation] * len(text), abs=1e-4)
        assert torch.equal(clips.of(modality), method.embed_clips(test).of(modality)), "rows of clips stay"
    with pytest.raises(DataError, match="no clip"):
        method.standardise([], text)
    with pytest.raises(ConfigError, match="centred"):
        build("frozen", settings={"text_scale": "centred"}).read(sizes, ENCODERS, PARTS)


# what features allow


@pytest.mark.parametrize(
    ("encoders", "parts", "says"),
    [
        ({}, PARTS, "not known.*space=shared"),
        ({"audio": Encoder("descriptors"), "video": Encoder("descriptors")}, PARTS, "names no labels"),
        (ENCODERS, PARTS[:1], r"--text video=clip"),
    ],
)
def test_where_nothing_relates_features_to_words_it_says_why_and_what_to_do(encoders, parts, says):
    dataset = data()
    width = sum(part.width for part in parts)
    classes = replace(dataset.classes, text=dataset.classes.text[:, :width], parts=parts)
    with pytest.raises(ConfigError, match=f"(?s)nothing to compare.*{says}"):
        fitted(replace(dataset, classes=classes, encoders=encoders))


def test_one_modality_is_enough_and_the_other_is_told():
    dataset = data()
    method = fitted(replace(dataset, encoders={"audio": CLAP, "video": Encoder("descriptors")}))
    assert method.modalities == ("audio",)
    assert "descriptors" in method.left_out["video"]


def test_shared_needs_text_of_the_width_of_the_features():
    dataset = data()
    assert fitted(replace(dataset, encoders={}), space="shared").modalities == ("audio", "video", "both")
    classes = replace(dataset.classes, parts=(TextPart(sum(SIZES)),))
    with pytest.raises(ConfigError, match="audio features of 5 numbers and parts of the text of 15"):
        fitted(replace(dataset, classes=classes), space="shared")


# labels


LABELS = {
    "audio": ("bark, yap", "church bell", "rain (storm)"),
    "video": ("dog", "bell tower, belfry", "wet road", "sea"),
}
NAMES = ("dog bark", "bell", "rain storm", "sea road")


@pytest.fixture
def taggers(monkeypatch):
    """A sound tagger with a last layer, a picture tagger whose features are probabilities."""
    g = torch.Generator().manual_seed(2)
    layer = LastLayer(torch.randn(3, 5, generator=g), torch.randn(3, generator=g), "sigmoid")
    made = {
        "audio": LabelHead("hears", "audio", 5, LABELS["audio"], (), layer),
        "video": LabelHead("sees", "video", 4, LABELS["video"], (), None),
    }
    monkeypatch.setattr(backbones, "load_tagger", lambda spec, modality, models=None: made[modality])
    monkeypatch.setattr(backbones, "text_encoder_of", lambda spec, modality: "clip" if spec == "clip" else None)
    return made


def labelled(video="sees"):
    g = torch.Generator().manual_seed(1)
    text = text_encoders.load("hashed-words").encode(NAMES)
    parts = (TextPart(text.shape[1], encoder=WORDS),)
    if video == "clip":
        text = torch.cat([text, torch.randn(4, 4, generator=g)], 1)
        parts = (*parts, TextPart(4, "video", CLIP))
    labels = torch.arange(40) % 4
    clips = ClipSet(
        torch.randn(40, 5, generator=g),
        torch.rand(40, 4, generator=g),
        labels,
        np.array([str(i) for i in range(40)]),
        has_audio=torch.arange(40) % 5 != 0,
    )
    classes = ClassTable(NAMES, text, torch.tensor([True, True, False, True]), parts)
    dataset = Dataset.of(classes, {"train": clips, "val": clips, "test": clips})
    return replace(dataset, encoders={"audio": Encoder("hears"), "video": Encoder(video)})


def slow_weights(modality):
    """w(l|q) and kappa(q) by loops."""
    encoder = text_encoders.load("hashed-words")
    found = []
    for name in NAMES:
        phrase = unit(encoder.encode([name])[0].tolist())
        best = []
        for label in LABELS[modality]:
            parts = [unit(row) for row in encoder.encode(label_parts([label]).parts).tolist()]
            best.append(max(sum(a * b for a, b in zip(phrase, part, strict=True)) for part in parts))
        powers = [math.exp(30 * c) for c in best]
        found.append(([p / sum(powers) for p in powers], min(1.0, max(0.05, max(best)))))
    return found


def test_clips_by_labels_follow_the_rule_of_taggers(taggers):
    dataset = labelled()
    method, test = fitted(dataset), dataset.split("test")
    layer, heard, seen = taggers["audio"].layer, slow_weights("audio"), slow_weights("video")
    got = method.scores(test, dataset.classes.text, "both", "weighted").tolist()
    for i, row in enumerate(got):
        logits = [
            sum(w * x for w, x in zip(weights, test.audio[i].tolist(), strict=True)) + bias
            for weights, bias in zip(layer.weights.tolist(), layer.bias.tolist(), strict=True)
        ]
        sound = [math.sqrt(1 / (1 + math.exp(-value))) for value in logits]
        picture = [math.sqrt(p) for p in test.video[i].tolist()]
        for c, score in enumerate(row):
            (wa, ka), (wv, kv) = heard[c], seen[c]
            by_sound = sum(w * p for w, p in zip(wa, sound, strict=True))
            by_picture = sum(w * p for w, p in zip(wv, picture, strict=True))
            share = kv**2 / (ka**2 + kv**2) if bool(test.has_audio[i]) else 1.0
            assert score == pytest.approx((1 - share) * by_sound + share * by_picture, abs=1e-5), (i, c)
    assert method.labels("audio") == LABELS["audio"]


def test_an_answer_tells_what_each_modality_counted_for_the_nearest_class(taggers):
    dataset = labelled()
    method, classes, mode = fitted(dataset), dataset.classes, Mode("both", "weighted")
    clip = method.embed_clips(dataset.split("test").take(torch.tensor([1])))
    text = method.embed_text(classes.text)
    scores = method.compare(clip, text, *mode)[0]
    found = answer(method, clip, classes, text, mode, {}, {}, len(classes))
    nearest = classes.names.index(found.top[0].label)
    (_, heard), (_, seen) = slow_weights("audio")[nearest], slow_weights("video")[nearest]
    assert found.weights["video"] == pytest.approx(seen**2 / (heard**2 + seen**2), abs=1e-6)
    for one in found.top:
        above = float(scores[classes.names.index(one.label)] - scores.mean())
        assert one.support["audio"] + one.support["video"] == pytest.approx(above, abs=1e-6)


def test_other_weights_than_those_that_made_the_data_are_not_taken(taggers):
    made, other = (WeightFile("hears.tflite", letter * 64) for letter in "ab")
    dataset = labelled()
    known = {"audio": Encoder("hears", (made,)), "video": Encoder("sees")}
    taggers["audio"] = replace(taggers["audio"], weights=(made,))
    assert fitted(replace(dataset, encoders=known)).modalities == ("audio", "video", "both")
    taggers["audio"] = replace(taggers["audio"], weights=(other,))
    method = fitted(replace(dataset, encoders=known))
    assert method.modalities == ("video",)
    assert "other weights" in method.left_out["audio"]


def test_a_run_by_labels_needs_no_other_file(taggers, monkeypatch, tmp_path):
    dataset = labelled()
    run = train(dataset, "frozen", out=tmp_path / "run")

    def no(*_, **__):
        raise AssertionError("a file was asked for")

    monkeypatch.setattr(backbones, "load_tagger", no)
    monkeypatch.setattr(text_encoders, "load", no)
    again = load_run(tmp_path / "run").method
    both = dataset.split("test").where(dataset.split("test").has_audio)
    assert_same(all_scores(run.method, both, dataset.classes), all_scores(again, both, dataset.classes))
    assert again.labels("video") == LABELS["video"]
    state = run.method.state()
    state["video.part_of"] = state["video.part_of"] + 1
    with pytest.raises(ValueError, match="4 that are listed"):
        build("frozen").restore(state, dimensions(dataset.split("train"), dataset.classes))


def test_labels_beside_a_shared_space_are_standardised_as_that_is(taggers):
    dataset = labelled("clip")
    method, test = fitted(dataset), dataset.split("test")
    train_clips, classes = dataset.training()
    assert method.embed_text(dataset.classes.text).video_weight is None
    for modality in ("audio", "video"):
        has = train_clips.where(train_clips.has(modality))
        scores = method.scores(has, classes.text, modality)
        assert float(scores.mean()) == pytest.approx(0, abs=1e-4)
        assert float(scores.std(correction=0)) == pytest.approx(1, abs=1e-4)
    gallery = gallery_of(method, test, dataset.classes)
    assert [str(mode) for mode in gallery.modes] == ["audio", "video", "both-equal", "both-weighted"]
