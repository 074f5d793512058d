"""Which clips are tested, with which penalty."""

from dataclasses import replace

import pytest
import torch

from avgzsl.data import Dataset
from avgzsl.errors import ConfigError, DataError, ModalityError
from avgzsl.evaluation import class_accuracy, harmonic_mean
from avgzsl.experiment import choose_modes, find_penalties, result_rows
from avgzsl.methods import build
from avgzsl.methods.base import Method
from avgzsl.protocol import Mode, measure, modes, penalties, pseudo_unseen_penalties
from avgzsl.training import Job
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


def test_pseudo_unseen_is_the_mean_over_folds(data, method):
    folds = [
        pseudo_unseen_penalties(method, data.split("train"), data.split("val"), data.classes, [BOTH], Job(), folds=n)[
            BOTH
        ]
        for n in (1, 2)
    ]
    assert folds[0] != folds[1]


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
