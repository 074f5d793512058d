"""Which clips are tested, with which penalty."""

from dataclasses import replace

import pytest
import torch

from avgzsl.data.clips import Dataset, restrict
from avgzsl.errors import ConfigError, DataError, ModalityError
from avgzsl.experiments.protocol import (
    Mode,
    measure,
    modes,
    penalties,
    pseudo_unseen_folds,
    pseudo_unseen_penalties,
    score,
)
from avgzsl.experiments.train_evaluate import choose_modes
from avgzsl.experiments.trial import find_penalties, result_rows
from avgzsl.learning.training import Job
from avgzsl.methods import Method, build
from avgzsl.scores.metrics import class_accuracy, harmonic_mean
from avgzsl.scores.scoring import calibrate
from tests.worlds import world

AUDIO, VIDEO, BOTH = Mode("audio", "equal"), Mode("video", "equal"), Mode("both", "equal")


@pytest.fixture(scope="module")
def data() -> Dataset:
    return world(missing=0.3, noise=0.8)


@pytest.fixture(scope="module")
def method(data: Dataset) -> Method:
    return build("least-squares").fit(*data.training())


def test_modes_are_those_that_method_and_clips_allow(data, method):
    assert modes(method, data.split("test")) == [AUDIO, VIDEO, BOTH]
    clips = data.split("test")
    silent = replace(clips, audio=None, has_audio=torch.zeros(len(clips), dtype=torch.bool))
    assert modes(method, silent) == [VIDEO]


def test_a_clip_that_lacks_a_modality_is_scored_by_the_other_with_its_gamma(data, method):
    """Redone clip by clip, with the decision rule of methods 8.3 written out."""
    val, test, classes = data.split("val"), data.split("test"), data.classes
    gammas = penalties(method, val, classes, [BOTH])
    assert set(gammas) == {AUDIO, VIDEO, BOTH}
    assert len(set(gammas.values())) == 3
    (found,) = measure(method, test, classes, [BOTH], gammas)
    right = torch.zeros(len(classes)), torch.zeros(len(classes))
    for i in range(len(test)):
        clip = test.take(torch.tensor([i]))
        mode = BOTH if clip.has_audio and clip.has_video else AUDIO if clip.has_audio else VIDEO
        scores = method.scores(clip, classes.text, mode.modality)[0].double()
        best = {group: scores.masked_fill(classes.seen != group, -torch.inf) for group in (True, False)}
        group = bool(best[True].max() - best[False].max() > gammas[mode])
        right[0][clip.labels] += int(best[group].argmax()) == int(clip.labels)
        right[1][clip.labels] += 1
    accuracy = right[0] / right[1]
    s, u = float(accuracy[classes.seen].mean()), float(accuracy[~classes.seen].mean())
    assert pytest.approx(s) == found.classification.S
    assert pytest.approx(u) == found.classification.U
    assert pytest.approx(harmonic_mean(s, u)) == found.classification.HM


def test_each_clip_has_the_penalty_of_what_it_brings(data, method):
    """Of the mode for a clip with both, of its one modality for another; 0 where that is not known."""
    test, classes = data.split("test"), data.classes
    embeddings, text = method.embed_clips(test), method.embed_text(classes.text)
    for gammas in ({AUDIO: 0.25, VIDEO: -0.5, BOTH: 1.75}, {AUDIO: 0.25}, {VIDEO: -0.5, BOTH: 1.75}, {}):
        found = score(method, embeddings, text, test.labels, BOTH, gammas)
        expected = []
        for audio, video in zip(test.has_audio.tolist(), test.has_video.tolist(), strict=True):
            expected.append(gammas.get(BOTH if audio and video else AUDIO if audio else VIDEO, 0.0))
        assert found.gamma.dtype == torch.float64 and found.gamma.tolist() == expected
        for mode in (AUDIO, VIDEO):
            alone = score(method, embeddings, text, test.labels, mode, gammas)
            assert alone.gamma.tolist() == [gammas.get(mode, 0.0)] * len(alone.rows)
            assert torch.equal(alone.labels, test.labels[test.has(mode.modality)])
    assert int((test.has_audio & ~test.has_video).sum()) > 5 and int((test.has_video & ~test.has_audio).sum()) > 5


def test_attention_and_equal_weights_have_their_own_penalty():
    data = world(missing=0.3, noise=0.8)
    method = build("avgzslnet", settings={"epochs": 3, "batch_size": 64, "attention_epochs": 2})
    method.fit(*data.training())
    attended = Mode("both", "attention")
    gammas = {BOTH: 1.0, attended: 2.0, AUDIO: 3.0, VIDEO: 4.0}
    both = measure(method, data.split("test"), data.classes, [BOTH, attended], gammas)
    assert [one.gamma for one in both] == [1.0, 2.0]
    full = data.split("test").has_audio & data.split("test").has_video
    for one, gamma in zip(both, (1.0, 2.0), strict=True):
        assert set(one.scored.gamma[full].tolist()) == {gamma}


def test_every_mode_has_its_own_scores_and_penalty():
    """Of the clips that have what the mode needs, by the method's scores in that mode; attention is one more."""
    data = world(missing=0.3, noise=0.8)
    settings = {"epochs": 3, "batch_size": 64, "attention_epochs": 30, "attention_lr": 0.03}
    method = build("avgzslnet", settings=settings).fit(*data.training())
    val, classes = data.split("val"), data.classes
    there = modes(method, val)
    assert there == [AUDIO, VIDEO, BOTH, Mode("both", "attention")]
    gammas = penalties(method, val, classes, there)
    embeddings, text = method.embed_clips(val), method.embed_text(classes.text)
    for mode in there:
        full = val.where(val.has_audio & val.has_video if mode.modality == "both" else val.has(mode.modality))
        scores = method.scores(full, classes.text, *mode)
        assert gammas[mode] == pytest.approx(calibrate(scores, full.labels, classes.seen), abs=1e-5)
        found = score(method, embeddings, text, val.labels, mode, gammas)
        part = val if mode.modality == "both" else full
        assert torch.allclose(found.scores, method.scores(part, classes.text, *mode), atol=1e-5)
        assert torch.equal(found.labels, part.labels)
    assert len(set(gammas.values())) == 4


def test_folds_are_three_by_default(method):
    calls: list[tuple[int, int]] = []
    many = world(seen=9, unseen=2, clips=6)
    parts = many.split("train"), many.split("val"), many.classes
    assert int(many.classes.seen.sum()) // 2 == 4  # there could be four
    pseudo_unseen_penalties(method, *parts, [AUDIO], Job(), told=lambda *told: calls.append(told))
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_a_mode_without_a_clip_is_a_clear_error(data, method):
    test = data.split("test")
    deaf = replace(test, has_audio=torch.zeros(len(test), dtype=torch.bool))
    embeddings, text = method.embed_clips(deaf), method.embed_text(data.classes.text)
    with pytest.raises(ModalityError, match=f"no clip to test on audio: none of {len(test)} has"):
        score(method, embeddings, text, deaf.labels, AUDIO, {})
    none = replace(deaf, has_video=torch.zeros(len(test), dtype=torch.bool))
    with pytest.raises(ModalityError, match="no clip to test on both"):
        score(method, method.embed_clips(none), text, none.labels, BOTH, {})
    assert penalties(method, replace(data.split("val"), has_audio=deaf.has_audio), data.classes, [BOTH]).keys() == {
        VIDEO
    }


@pytest.mark.parametrize(("seen", "unseen", "held"), [(6, 3, 2), (8, 1, 1), (5, 1, 1), (9, 3, 2), (4, 4, 2)])
def test_folds_hold_out_other_seen_classes_each(seen, unseen, held):
    """Nothing of a held-out class is in a fold's training, nothing of an unseen class is in it at all."""
    data = world(seen=seen, unseen=unseen, clips=5)
    train, val, classes = data.split("train"), data.split("val"), data.classes
    kinds = dict(zip(classes.names, classes.seen.tolist(), strict=True))
    name_of = {
        clip: classes.names[label]
        for clips in (train, val)
        for clip, label in zip(clips.ids.tolist(), clips.labels.tolist(), strict=True)
    }
    texts = dict(zip(classes.names, classes.text, strict=True))
    out: list[str] = []
    folds = list(pseudo_unseen_folds(train, val, classes, 3, seed=4))
    assert len(folds) == min(3, seen // held)
    for clips, kept, val_clips, val_classes in folds:
        assert bool(kept.seen.all())
        left = [name for name, is_seen in kinds.items() if is_seen and name not in kept.names]
        assert len(left) == held
        assert not set(left) & set(out)
        out += left
        assert sorted(clips.ids) == sorted(clip for clip in train.ids if name_of[clip] in kept.names)
        assert [kept.names[label] for label in clips.labels] == [name_of[clip] for clip in clips.ids.tolist()]
        assert list(val_classes.names) == [name for name, is_seen in kinds.items() if is_seen]
        marks = dict(zip(val_classes.names, val_classes.seen.tolist(), strict=True))
        assert [name for name, mark in marks.items() if not mark] == left
        assert sorted(val_clips.ids) == sorted(clip for clip in val.ids if kinds[name_of[clip]])
        assert [val_classes.names[label] for label in val_clips.labels] == [name_of[i] for i in val_clips.ids.tolist()]
        for table in (kept, val_classes):
            assert all(torch.equal(texts[name], row) for name, row in zip(table.names, table.text, strict=True))


def held_out(data: Dataset, folds: int, seed: int) -> list[list[str]]:
    parts = pseudo_unseen_folds(data.split("train"), data.split("val"), data.classes, folds, seed)
    return [[name for name, seen in zip(t.names, t.seen.tolist(), strict=True) if not seen] for *_, t in parts]


def test_folds_hang_on_the_seed():
    data = world(seen=8, unseen=4, clips=4)
    assert held_out(data, 3, 0) == held_out(data, 3, 0)
    assert len({str(held_out(data, 3, seed)) for seed in range(6)}) > 3
    assert [len(held_out(data, n, 0)) for n in (1, 2, 9)] == [1, 2, 2]  # the odd two stay


def test_penalties_are_made_on_the_clips_that_have_the_mode(data, method):
    val, classes = data.split("val"), data.classes
    with_audio = val.where(val.has_audio)
    assert penalties(method, val, classes, [AUDIO]) == penalties(method, with_audio, classes, [AUDIO])


def test_single_modality_tests_only_the_clips_that_have_it(data, method):
    test = data.split("test")
    (found,) = measure(method, test, data.classes, [AUDIO], {})
    assert torch.equal(found.scored.rows, test.has_audio.nonzero().squeeze(1))


def test_oracle_is_an_upper_bound_and_none_is_zero(data, method):
    test, classes = data.split("test"), data.classes
    hm = {}
    for calibration in ("none", "val", "oracle"):
        gammas = find_penalties(method, data, "test", [BOTH], calibration)
        full = test.where(test.has_audio & test.has_video)
        hm[calibration] = measure(method, full, classes, [BOTH], gammas)[0].classification.HM
    assert hm["oracle"] >= max(hm.values())
    assert find_penalties(method, data, "test", [BOTH], "none") == {BOTH: 0.0}


def test_pseudo_unseen_uses_no_label_of_an_unseen_class(data, method):
    calls: list[tuple[int, int]] = []

    def found(train, val):
        return pseudo_unseen_penalties(
            method, train, val, data.classes, [BOTH], Job(), told=lambda done, total: calls.append((done, total))
        )

    train, val = data.split("train"), data.split("val")
    unseen = ~data.classes.seen
    scrambled = [
        replace(clips, audio=torch.where(unseen[clips.labels, None], -7.0, clips.audio)) for clips in (train, val)
    ]
    assert found(train, val) == found(*scrambled)
    assert calls[:3] == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("folds", [1, 2, 3])
def test_pseudo_unseen_is_the_mean_over_folds_fitted_without_the_held_out_classes(data, method, folds):
    """Redone fold by fold from the class names, each trained on nothing of those held out."""
    train, val, classes = data.split("train"), data.split("val"), data.classes
    job = Job(seed=7)
    found = pseudo_unseen_penalties(method, train, val, classes, [BOTH, AUDIO], job, folds=folds)
    expected: dict[Mode, list[float]] = {}
    for names in held_out(data, folds, 7):
        marks = torch.tensor([name not in names for name in classes.names])
        clips, table = restrict(train, classes, classes.seen & marks)
        fitted = build("least-squares").fit(clips, table)
        val_clips, val_table = restrict(val, replace(classes, seen=classes.seen & marks), classes.seen)
        for mode, gamma in penalties(fitted, val_clips, val_table, [BOTH, AUDIO]).items():
            expected.setdefault(mode, []).append(gamma)
    assert {len(values) for values in expected.values()} == {folds}
    assert found.keys() == expected.keys() == {AUDIO, VIDEO, BOTH}
    for mode, values in expected.items():
        assert found[mode] == pytest.approx(sum(values) / folds, abs=1e-9)
        assert folds == 1 or max(values) - min(values) > 1e-3  # else the last would do


def test_calibrating_without_unseen_clips_names_the_alternatives(data, method):
    val = data.split("val")
    seen_only = val.where(data.classes.seen[val.labels])
    with pytest.raises(DataError, match="pseudo-unseen"):
        penalties(method, seen_only, data.classes, [BOTH])
    few = world(seen=3, unseen=6)
    with pytest.raises(DataError, match="at least 3 seen classes"):
        pseudo_unseen_penalties(method, few.split("train"), few.split("val"), few.classes, [BOTH], Job())


def test_choosing_modes(data, method):
    there = modes(method, data.split("test"))
    assert choose_modes(method, there, "all", None) == there
    assert choose_modes(method, there, "both", "equal") == [BOTH]
    with pytest.raises(ConfigError, match="leave it out, or test modality both"):
        choose_modes(method, there, "audio", "equal")
    with pytest.raises(ModalityError, match="has no attention fusion"):
        choose_modes(method, there, "both", "attention")
    with pytest.raises(ModalityError, match="no clip can be tested on audio"):
        choose_modes(method, [VIDEO], "audio", None)


def test_rows_hold_fractions_by_class_name_and_none_for_what_is_not(data, method):
    clips, classes = data.split("test"), data.classes
    lost = clips.where(clips.labels != 4)
    (found,) = measure(method, lost, classes, [VIDEO], {VIDEO: -0.25})
    classified, retrieved = result_rows(found, data, "val")
    assert (classified["task"], retrieved["task"]) == ("classification", "retrieval")
    assert classified["gamma"] == -0.25
    assert classified["per_class"]["class 4"] is None
    assert list(classified["per_class"]) == list(classes.names)
    predictions = method.scores(lost.where(lost.has_video), classes.text, "video")
    zsl = predictions.masked_fill(classes.seen, -torch.inf).argmax(1)
    labels = lost.labels[lost.has_video]
    expected = class_accuracy(zsl, labels, len(classes))[~classes.seen].nanmean()
    assert classified["ZSL"] == pytest.approx(float(expected))
    assert retrieved["ZSL"] is None
    assert all(0 <= row[key] <= 1 for row in (classified, retrieved) for key in ("S", "U", "HM"))
