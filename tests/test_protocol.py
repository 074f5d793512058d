"""Which clips are tested, with which penalty."""

from dataclasses import replace

import pytest
import torch

from avgzsl.data.clips import Dataset, restrict
from avgzsl.errors import ConfigError, DataError, ModalityError, UnknownNameError
from avgzsl.experiments.gallery import Gallery, gallery_of
from avgzsl.experiments.numbers import choose_numbers, validate
from avgzsl.experiments.protocol import Mode, Numbers, choose_mode, choose_modes, served_modes
from avgzsl.experiments.pseudo_unseen import FOLDS, pseudo_unseen_folds, pseudo_unseen_galleries
from avgzsl.experiments.trial import calibration_galleries, measured_with, result_rows
from avgzsl.learning.training import Job
from avgzsl.methods import Method, build
from avgzsl.scores.metrics import class_accuracy, harmonic_mean
from avgzsl.scores.scoring import calibrate
from avgzsl.support.progress import Step
from tests.worlds import world

AUDIO, VIDEO, BOTH = Mode("audio", "equal"), Mode("video", "equal"), Mode("both", "equal")


def gammas_of(numbers: dict[Mode, Numbers]) -> dict[Mode, float]:
    return {mode: one.gamma for mode, one in numbers.items()}


def with_gammas(gammas: dict[Mode, float]) -> dict[Mode, Numbers]:
    return {mode: Numbers(gamma) for mode, gamma in gammas.items()}


@pytest.fixture(scope="module")
def data() -> Dataset:
    return world(missing=0.3, noise=0.8)


@pytest.fixture(scope="module")
def method(data: Dataset) -> Method:
    return build("least-squares").fit(*data.training())


def test_modes_are_those_that_method_and_clips_allow(data, method):
    assert gallery_of(method, data.split("test"), data.classes).modes == [AUDIO, VIDEO, BOTH]
    clips = data.split("test")
    silent = replace(clips, audio=None, has_audio=torch.zeros(len(clips), dtype=torch.bool))
    assert gallery_of(method, silent, data.classes).modes == [VIDEO]


def test_a_clip_that_lacks_a_modality_is_scored_by_the_other_with_its_gamma(data, method):
    """Redone clip by clip, with the decision rule of methods 8.3 written out."""
    val, test, classes = data.split("val"), data.split("test"), data.classes
    numbers = choose_numbers([gallery_of(method, val, classes)], [BOTH])
    gammas = gammas_of(numbers)
    assert set(gammas) == {AUDIO, VIDEO, BOTH}
    assert len(set(gammas.values())) == 3
    (found,) = gallery_of(method, test, classes).measure([BOTH], numbers)
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
        found = Gallery(method, embeddings, test.labels, data.classes, text).score(BOTH, with_gammas(gammas))
        expected = []
        for audio, video in zip(test.has_audio.tolist(), test.has_video.tolist(), strict=True):
            expected.append(gammas.get(BOTH if audio and video else AUDIO if audio else VIDEO, 0.0))
        assert found.gamma.dtype == torch.float64 and found.gamma.tolist() == expected
        for mode in (AUDIO, VIDEO):
            alone = Gallery(method, embeddings, test.labels, data.classes, text).score(mode, with_gammas(gammas))
            assert alone.gamma.tolist() == [gammas.get(mode, 0.0)] * len(alone.rows)
            assert torch.equal(alone.labels, test.labels[test.has(mode.modality)])
    assert int((test.has_audio & ~test.has_video).sum()) > 5 and int((test.has_video & ~test.has_audio).sum()) > 5


def test_attention_and_equal_weights_have_their_own_penalty():
    data = world(missing=0.3, noise=0.8)
    method = build("avgzslnet", settings={"epochs": 3, "batch_size": 64, "attention_epochs": 2})
    method.fit(*data.training())
    attended = Mode("both", "attention")
    gammas = {BOTH: 1.0, attended: 2.0, AUDIO: 3.0, VIDEO: 4.0}
    both = gallery_of(method, data.split("test"), data.classes).measure([BOTH, attended], with_gammas(gammas))
    assert [one.numbers.gamma for one in both] == [1.0, 2.0]
    full = data.split("test").has_audio & data.split("test").has_video
    for one, gamma in zip(both, (1.0, 2.0), strict=True):
        assert set(one.scored.gamma[full].tolist()) == {gamma}


def test_every_mode_has_its_own_scores_and_penalty():
    """Of the clips that have what the mode needs, by the method's scores in that mode; attention is one more."""
    data = world(missing=0.3, noise=0.8)
    settings = {"epochs": 3, "batch_size": 64, "attention_epochs": 30, "attention_lr": 0.03}
    method = build("avgzslnet", settings=settings).fit(*data.training())
    val, classes = data.split("val"), data.classes
    there = gallery_of(method, val, data.classes).modes
    assert there == [AUDIO, VIDEO, BOTH, Mode("both", "attention")]
    gammas = gammas_of(choose_numbers([gallery_of(method, val, classes)], there))
    embeddings, text = method.embed_clips(val), method.embed_text(classes.text)
    for mode in there:
        full = val.where(val.has_audio & val.has_video if mode.modality == "both" else val.has(mode.modality))
        scores = method.scores(full, classes.text, *mode)
        assert gammas[mode] == pytest.approx(calibrate(scores, full.labels, classes.seen), abs=1e-5)
        found = Gallery(method, embeddings, val.labels, data.classes, text).score(mode, with_gammas(gammas))
        part = val if mode.modality == "both" else full
        assert torch.allclose(found.scores, method.scores(part, classes.text, *mode), atol=1e-5)
        assert torch.equal(found.labels, part.labels)
    assert len(set(gammas.values())) == 4


def test_folds_are_three(method):
    steps: list[Step] = []
    many = world(seen=9, unseen=2, clips=6)
    assert int(many.classes.seen.sum()) // 2 == 4  # there could be four
    gallery = gallery_of(method, many.split("test"), many.classes)
    calibration_galleries(gallery, many, "pseudo-unseen", progress=steps.append)
    assert [(step.task, step.done, step.total) for step in steps] == [("pseudo-unseen folds", i, 3) for i in (1, 2, 3)]


def test_a_mode_without_a_clip_is_a_clear_error(data, method):
    test = data.split("test")
    deaf = replace(test, has_audio=torch.zeros(len(test), dtype=torch.bool))
    embeddings, text = method.embed_clips(deaf), method.embed_text(data.classes.text)
    with pytest.raises(ModalityError, match=f"no clip to test on audio: none of {len(test)} has"):
        Gallery(method, embeddings, deaf.labels, data.classes, text).score(AUDIO, {})
    none = replace(deaf, has_video=torch.zeros(len(test), dtype=torch.bool))
    with pytest.raises(ModalityError, match="no clip to test on both"):
        Gallery(method, method.embed_clips(none), none.labels, data.classes, text).score(BOTH, {})
    silent = replace(data.split("val"), has_audio=deaf.has_audio)
    assert choose_numbers([gallery_of(method, silent, data.classes)], [BOTH]).keys() == {VIDEO}


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
    every, some = gallery_of(method, val, classes), gallery_of(method, with_audio, classes)
    assert choose_numbers([every], [AUDIO]) == choose_numbers([some], [AUDIO])


def test_single_modality_tests_only_the_clips_that_have_it(data, method):
    test = data.split("test")
    (found,) = gallery_of(method, test, data.classes).measure([AUDIO], {})
    assert torch.equal(found.scored.rows, test.has_audio.nonzero().squeeze(1))
    assert found.numbers.gamma == 0.0  # of a mode without a penalty


def test_oracle_is_an_upper_bound_and_none_is_zero(data, method):
    test, classes = data.split("test"), data.classes
    hm = {}
    gallery = gallery_of(method, test, classes)
    complete = gallery_of(method, test.where(test.has_audio & test.has_video), classes)
    for calibration in ("none", "val", "oracle"):
        known = calibration_galleries(gallery, data, calibration)
        (found,), _ = measured_with(complete, known, [BOTH])
        hm[calibration] = found.classification.HM
    assert hm["oracle"] >= max(hm.values())
    (found,), numbers = measured_with(complete, [], [BOTH])
    assert calibration_galleries(gallery, data, "none") == []
    assert numbers == {} and found.numbers == Numbers() and found.corrected is None
    assert found.scored.gamma.tolist() == [0.0] * len(complete.labels)


def test_pseudo_unseen_uses_no_label_of_an_unseen_class(data, method):
    def found(train, val):
        folds = list(pseudo_unseen_folds(train, val, data.classes, FOLDS, 0))
        return choose_numbers(pseudo_unseen_galleries(method, folds, Job()), [BOTH])

    train, val = data.split("train"), data.split("val")
    unseen = ~data.classes.seen
    scrambled = [
        replace(clips, audio=torch.where(unseen[clips.labels, None], -7.0, clips.audio)) for clips in (train, val)
    ]
    assert found(train, val) == found(*scrambled)


@pytest.mark.parametrize("folds", [1, 2, 3])
def test_pseudo_unseen_is_the_mean_over_folds_fitted_without_the_held_out_classes(data, method, folds):
    """Redone fold by fold from the class names, each trained on nothing of those held out."""
    train, val, classes = data.split("train"), data.split("val"), data.classes
    parts = list(pseudo_unseen_folds(train, val, classes, folds, 7))
    found = gammas_of(choose_numbers(pseudo_unseen_galleries(method, parts, Job(seed=7)), [BOTH, AUDIO]))
    expected: dict[Mode, list[float]] = {}
    for names in held_out(data, folds, 7):
        marks = torch.tensor([name not in names for name in classes.names])
        clips, table = restrict(train, classes, classes.seen & marks)
        fitted = build("least-squares").fit(clips, table)
        val_clips, val_table = restrict(val, replace(classes, seen=classes.seen & marks), classes.seen)
        one = choose_numbers([gallery_of(fitted, val_clips, val_table)], [BOTH, AUDIO])
        for mode, gamma in gammas_of(one).items():
            expected.setdefault(mode, []).append(gamma)
    assert {len(values) for values in expected.values()} == {folds}
    assert found.keys() == expected.keys() == {AUDIO, VIDEO, BOTH}
    for mode, values in expected.items():
        assert found[mode] == pytest.approx(sum(values) / folds, abs=1e-9)
        assert folds == 1 or max(values) - min(values) > 1e-3  # else the last would do


def test_validation_is_of_the_fullest_mode_with_equal_weights_at_its_best_penalty(data, method):
    val, classes = data.split("val"), data.classes
    attended = build("avgzslnet", settings={"epochs": 3, "batch_size": 64, "attention_epochs": 2})
    for fitted in (method, attended.fit(*data.training())):
        gallery = gallery_of(fitted, val, classes)
        (expected,) = gallery.measure([BOTH], choose_numbers([gallery], [BOTH]))
        found = validate(fitted, val, classes)
        assert tuple(getattr(expected.classification, key) for key in ("S", "U", "HM")) == (found.S, found.U, found.HM)
    silent = replace(val, audio=None, has_audio=torch.zeros(len(val), dtype=torch.bool))
    with pytest.raises(
        ModalityError,
        match="validation clips: has no features to test audio-only on audio",
    ):
        validate(build("audio-only", settings={"epochs": 1}).fit(*data.training()), silent, classes)


def test_clips_are_embedded_once(data, method, monkeypatch):
    """By whatever is asked of a gallery, and in a look at validation."""
    embedded: list[int] = []
    embed = type(method).embed_clips

    def counted(self, clips):
        embedded.append(len(clips))
        return embed(self, clips)

    monkeypatch.setattr(type(method), "embed_clips", counted)
    val = data.split("val")
    validate(method, val, data.classes)
    assert embedded == [len(val)]
    choose_numbers(calibration_galleries(gallery_of(method, val, data.classes), data, "oracle"), [BOTH])
    assert embedded == [len(val)] * 2


def test_pseudo_unseen_fits_copies_by_the_job(data, method, monkeypatch):
    """So that its seed and device hold; the method itself stays as it is."""
    fit, jobs = type(method).fit, []

    def noted(self, train, classes, job=None):
        assert self is not method
        jobs.append(job)
        return fit(self, train, classes, job)

    monkeypatch.setattr(type(method), "fit", noted)
    job = Job(seed=5)
    folds = list(pseudo_unseen_folds(data.split("train"), data.split("val"), data.classes, 2, 5))
    pseudo_unseen_galleries(method, folds, job)
    assert jobs == [job, job]


def test_calibrating_without_unseen_clips_names_the_alternatives(data, method):
    val = data.split("val")
    seen_only = val.where(data.classes.seen[val.labels])
    with pytest.raises(DataError, match="pseudo-unseen"):
        choose_numbers([gallery_of(method, seen_only, data.classes)], [BOTH])
    few = world(seen=3, unseen=6)
    with pytest.raises(DataError, match="at least 3 seen classes"):
        calibration_galleries(gallery_of(method, few.split("test"), few.classes), few, "pseudo-unseen")


def test_choosing_modes(data, method):
    there = gallery_of(method, data.split("test"), data.classes).modes
    assert choose_modes(method, there, None, None, "clips") == there
    assert choose_modes(method, there, None, "equal", "clips") == there
    assert choose_modes(method, there, "both", "equal", "clips") == [BOTH]
    with pytest.raises(UnknownNameError, match="unknown modality 'vidio'; did you mean video"):
        choose_modes(method, there, "vidio", None, "clips")
    with pytest.raises(ConfigError, match="leave it out, or choose modality both"):
        choose_modes(method, there, "audio", "equal", "clips")
    for modality in (None, "both"):
        with pytest.raises(ModalityError, match="has no attention fusion"):
            choose_modes(method, there, modality, "attention", "clips")
    with pytest.raises(ModalityError, match="least-squares on audio; it can be tested on video"):
        choose_modes(method, [VIDEO], "audio", None, "clips")
    with pytest.raises(ModalityError, match="on audio or video or both; it can be tested on nothing"):
        choose_modes(method, [], None, None, "clips")


def test_choosing_one_mode_takes_the_fullest(data, method):
    attended = build("avgzslnet")
    assert served_modes(attended) == [AUDIO, VIDEO, BOTH, Mode("both", "attention")]
    assert served_modes(attended, ["video"]) == [VIDEO]
    assert served_modes(build("concat")) == [BOTH] and served_modes(build("concat"), ["video"]) == []
    for modality, fusion, expected in (
        (None, None, Mode("both", "attention")), (None, "equal", BOTH), ("both", "equal", BOTH), ("audio", None, AUDIO),
    ):  # fmt: skip
        assert choose_mode(attended, served_modes(attended), modality, fusion, "run") == expected
    with pytest.raises(ModalityError, match="run: has no features to test avgzslnet on both"):
        choose_mode(attended, [VIDEO], None, "equal", "run")


def test_rows_hold_fractions_by_class_name_and_none_for_what_is_not(data, method):
    clips, classes = data.split("test"), data.classes
    lost = clips.where(clips.labels != 4)
    (found,) = gallery_of(method, lost, classes).measure([VIDEO], {VIDEO: Numbers(-0.25)})
    classified, retrieved, moved = result_rows([found], classes.names, "val")
    assert (classified["task"], retrieved["task"], moved["task"]) == ("classification", "retrieval", "retrieval")
    assert (classified["retrieval"], retrieved["retrieval"], moved["retrieval"]) == (None, "plain", "corrected")
    assert (classified["calibration"], retrieved["calibration"], moved["calibration"]) == ("val", None, "val")
    assert {row["stretch"] for row in (classified, retrieved, moved)} == {None}
    assert moved["HM"] == retrieved["HM"]  # a share of 0 changes nothing
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
