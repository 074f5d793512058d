"""Penalties and thresholds that recognition takes from validation: by slow loops, and what is kept on disk."""

import json
from dataclasses import replace

import pytest
import torch

from avgzsl.data.clips import Dataset
from avgzsl.errors import RunError
from avgzsl.experiments.calibration import (
    FORMAT,
    RECOGNITION,
    ModeRecord,
    Recognition,
    calibrate_recognition,
    read_recognition,
    write_recognition,
)
from avgzsl.experiments.gallery import REJECTED, gallery_of, reject_threshold
from avgzsl.experiments.numbers import choose_numbers
from avgzsl.experiments.protocol import Mode, Numbers
from avgzsl.experiments.train_evaluate import train
from avgzsl.methods import Method, build
from tests.worlds import world

AUDIO, VIDEO, BOTH = Mode("audio", "equal"), Mode("video", "equal"), Mode("both", "equal")
ATTENDED = Mode("both", "attention")
NEEDED = {"audio": ("audio",), "video": ("video",), "both": ("audio", "video")}


@pytest.fixture(scope="module")
def data() -> Dataset:
    return world(missing=0.3, noise=0.8, clips=12)


@pytest.fixture(scope="module")
def method(data: Dataset) -> Method:
    settings = {"epochs": 6, "batch_size": 64, "lr": 0.1, "milestones": (), "attention_epochs": 2}
    return build("avgzslnet", settings=settings).fit(*data.training())


def slow_thresholds(method: Method, val, classes, gammas) -> dict[Mode, float]:
    """Clip by clip: the score of each class that is found, and of these the last that leaves at most 5 % below it."""
    found, seen = {}, classes.seen.tolist()
    for mode in gallery_of(method, val, classes).modes:
        full = [i for i in range(len(val)) if all(bool(val.has(m)[i]) for m in NEEDED[mode.modality])]
        part, gamma = val.take(torch.tensor(full)), gammas.get(mode, 0.0)
        right = []
        for scores, label in zip(method.scores(part, classes.text, *mode).tolist(), part.labels.tolist(), strict=True):
            winner = max(range(len(scores)), key=lambda c: scores[c] - gamma * seen[c])
            right += [scores[winner]] if winner == label else []
        allowed = [one for one in right if sum(other < one for other in right) <= 0.05 * len(right)]
        found[mode] = max(allowed)
    return found


def test_penalties_and_thresholds_are_those_of_a_slow_loop(data, method):
    found = calibrate_recognition(method, data)
    val, classes = data.split("val"), data.classes
    gallery = gallery_of(method, val, classes)
    numbers = choose_numbers([gallery], gallery.modes)
    assert found.numbers() == numbers
    assert len({AUDIO, VIDEO, BOTH, ATTENDED} & found.numbers().keys()) == 4
    gammas = {mode: one.gamma for mode, one in numbers.items()}
    expected = slow_thresholds(method, val, classes, gammas)
    assert found.thresholds().keys() == expected.keys()
    for mode, value in expected.items():
        assert found.thresholds()[mode] == pytest.approx(value, abs=1e-5), mode
    assert len(set(found.thresholds().values())) == 4
    assert (found.format, found.rejected) == (FORMAT, REJECTED) == (1, 0.05)


def test_thresholds_without_penalties_are_those_of_plain_scores(data, method):
    val, classes = data.split("val"), data.classes
    found = gallery_of(method, val, classes).thresholds([VIDEO, BOTH], {})
    expected = slow_thresholds(method, val, classes, {})
    assert found == {mode: pytest.approx(expected[mode], abs=1e-5) for mode in (VIDEO, BOTH)}


@pytest.mark.parametrize(("count", "place"), [(1, 0), (2, 0), (19, 0), (20, 1), (39, 1), (40, 2), (100, 5), (101, 5)])
def test_the_threshold_is_the_score_that_all_but_a_twentieth_reach(count, place):
    """At most 5 % of the scores lie below it, and below the next one more than 5 %."""
    scores = torch.randn(count, generator=torch.Generator().manual_seed(count))
    found = reject_threshold(scores)
    assert found == sorted(scores.double().tolist())[place]
    below = [one for one in scores.tolist() if one < found]
    assert len(below) == place <= 0.05 * count < place + 1


def test_without_unseen_clips_there_is_no_penalty_but_a_threshold(data, method):
    val = data.split("val")
    for mark in (True, False):
        one_group = val.where(data.classes.seen[val.labels] == mark)
        found = calibrate_recognition(method, replace(data, splits={**data.splits, "val": one_group}))
        assert found.numbers() == {}
        assert found.thresholds().keys() == {AUDIO, VIDEO, BOTH, ATTENDED}
        expected = slow_thresholds(method, one_group, data.classes, {})
        assert found.thresholds()[BOTH] == pytest.approx(expected[BOTH], abs=1e-5)
        assert {one.gamma for one in found.modes.values()} == {None}


def test_without_validation_clips_there_is_nothing(data, method):
    val = data.split("val")
    none = val.where(torch.zeros(len(val), dtype=torch.bool))
    assert calibrate_recognition(method, replace(data, splits={**data.splits, "val": none})) is None
    rest = {name: clips for name, clips in data.splits.items() if name != "val"}
    assert calibrate_recognition(method, replace(data, splits=rest)) is None


def test_a_mode_in_which_no_class_is_found_has_no_threshold(data, method):
    val, classes = data.split("val"), data.classes
    scores = method.scores(val.where(val.has_video), classes.text, "video")
    worst = val.where(val.has_video)
    wrong = replace(worst, labels=scores.argmin(1))
    assert gallery_of(method, wrong, classes).thresholds([VIDEO], {}) == {}
    found = calibrate_recognition(method, replace(data, splits={**data.splits, "val": wrong}))
    assert found is None or found.modes["video"].threshold is None or found.numbers()[VIDEO].gamma != 0


def test_of_scores_that_are_not_finite_nothing_is_taken(data, method):
    broken = build("avgzslnet", settings={"attention": "none", "embedding": method.embedding})
    train, classes = data.training()
    sizes = {"audio": train.audio.shape[1], "video": train.video.shape[1], "text": classes.text.shape[1]}
    state = {key: value for key, value in method.state().items() if not key.startswith("attention")}
    broken.restore({**state, "text.bias": state["text.bias"] * torch.nan}, sizes)
    assert calibrate_recognition(broken, data) is None


def test_the_record_is_written_and_read_back(tmp_path):
    record = Recognition(
        modes={
            "audio": ModeRecord(gamma=0.5, threshold=-1.25),
            "both-equal": ModeRecord(gamma=None, threshold=-2.0),
            "both-attention": ModeRecord(gamma=0.25, threshold=None, energy_share=0.5, energy_temperature=2.0),
            "both-weighted": ModeRecord(gamma=0.5, threshold=-1.0, weight=0.3, stretch=1.5),
        }
    )
    assert read_recognition(tmp_path) is None
    write_recognition(tmp_path, record)
    assert json.loads((tmp_path / RECOGNITION).read_text()) == {
        "format": 1,
        "rejected": 0.05,
        "modes": {
            "audio": {"gamma": 0.5, "threshold": -1.25, **REST},
            "both-equal": {"gamma": None, "threshold": -2.0, **REST},
            "both-attention": {
                "gamma": 0.25,
                "threshold": None,
                **REST,
                "energy_share": 0.5,
                "energy_temperature": 2.0,
            },
            "both-weighted": {"gamma": 0.5, "threshold": -1.0, **REST, "weight": 0.3, "stretch": 1.5},
        },
    }
    again = read_recognition(tmp_path)
    assert again == record
    weighted = Mode("both", "weighted")
    assert again.numbers() == {
        AUDIO: Numbers(0.5),
        ATTENDED: Numbers(0.25, energy_share=0.5, energy_temperature=2.0),
        weighted: Numbers(0.5, 1.5, 0.3),
    }
    assert again.thresholds() == {AUDIO: -1.25, BOTH: -2.0, weighted: -1.0}


def test_a_record_of_gamma_and_threshold_alone_still_opens(tmp_path):
    (tmp_path / RECOGNITION).write_text(json.dumps(GOOD))
    assert read_recognition(tmp_path).numbers() == {AUDIO: Numbers(0.5)}


REST = {"stretch": 0.0, "weight": None, "energy_share": 0.0, "energy_temperature": 0.1}
GOOD = {"format": 1, "rejected": 0.05, "modes": {"audio": {"gamma": 0.5, "threshold": -1.0}}}


@pytest.mark.parametrize(
    "change",
    [
        {"more": 1},
        {"format": 2},
        {"modes": {"smell": {"gamma": 0.5, "threshold": -1.0}}},
        {"modes": {"audio": {"gamma": 0.5}}},
        {"modes": {"audio": {"gamma": 0.5, "threshold": -1.0, "more": 1}}},
        {"modes": {"audio": {"gamma": "much", "threshold": -1.0}}},
        {"modes": {"audio": {"gamma": 0.5, "threshold": -1.0, "stretch": -1.0}}},
        {"modes": {"audio": {"gamma": 0.5, "threshold": -1.0, "weight": 1.1}}},
        {"modes": {"audio": {"gamma": 0.5, "threshold": -1.0, "energy_share": -0.1}}},
        {"modes": {"audio": {"gamma": 0.5, "threshold": -1.0, "energy_temperature": 0.0}}},
    ],
    ids=str,
)
def test_a_record_that_is_none_is_a_clear_error(tmp_path, change):
    (tmp_path / RECOGNITION).write_text(json.dumps({**GOOD, **change}))
    with pytest.raises(RunError) as refused:
        read_recognition(tmp_path)
    assert str(refused.value).startswith(f"{tmp_path / RECOGNITION}: ")
    if "format" not in change:
        assert ": not the record of a calibration (" in str(refused.value)
        remedy = "restore it, or remove it and make it anew with `avgzsl train … --resume`"
        assert str(refused.value).endswith(remedy)


@pytest.mark.parametrize("value", ["NaN", "Infinity"])
def test_numbers_of_a_record_are_finite(tmp_path, value):
    (tmp_path / RECOGNITION).write_text(json.dumps(GOOD).replace("0.5", value).replace("-1.0", value))
    with pytest.raises(RunError, match="remove it and make it anew"):
        read_recognition(tmp_path)


def test_training_embeds_validation_clips_once_a_look_and_once_at_its_end(data, tmp_path, monkeypatch):
    """Numbers, thresholds and the lines of likely hits are chosen from the same embeddings."""
    settings = {"epochs": 4, "batch_size": 32, "lr": 0.01, "attention_epochs": 1}
    method, embedded = build("avgzslnet", settings=settings), []
    whole = type(method).embed_clips

    def counted(self, clips):
        embedded.append(len(clips))
        return whole(self, clips)

    monkeypatch.setattr(type(method), "embed_clips", counted)
    run = train(data, method, out=tmp_path / "run", validate_every=2)
    assert embedded == [len(data.split("val"))] * 3  # two looks, and the end
    assert read_recognition(run.folder) is not None
