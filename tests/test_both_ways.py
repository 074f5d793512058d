"""The check of a division into validation and test, against loops over clips and penalties."""

from collections import defaultdict
from itertools import pairwise

import pytest

from avgzsl.data.clips import Dataset
from avgzsl.experiments import trial
from avgzsl.experiments.gallery import Gallery, gallery_of
from avgzsl.experiments.protocol import Mode
from avgzsl.learning.training import Job
from avgzsl.methods import build
from tests.worlds import world


@pytest.fixture(scope="module")
def data() -> Dataset:
    return world(noise=1.2, clips=10)


def slow_hm(gallery: Gallery, mode: Mode, penalty: float) -> float:
    """The harmonic mean of seen and unseen class-mean accuracy, clip by clip."""
    scored, seen = gallery.score(mode, {}), gallery.classes.seen.tolist()
    right = defaultdict(list)
    for scores, label in zip(scored.scores.tolist(), scored.labels.tolist(), strict=True):
        taken = [score - penalty * known for score, known in zip(scores, seen, strict=True)]
        right[label].append(taken.index(max(taken)) == label)
    means = {label: sum(hits) / len(hits) for label, hits in right.items()}
    groups = [[mean for label, mean in means.items() if seen[label] == known] for known in (True, False)]
    s, u = (sum(group) / len(group) for group in groups)
    return 2 * s * u / (s + u) if s + u else 0.0


def slow_penalties(gallery: Gallery, mode: Mode) -> list[float]:
    """Every penalty that is best, one between any two at which a clip changes its group."""
    scores, seen = gallery.score(mode, {}).scores, gallery.classes.seen
    gaps = sorted((scores[:, seen].amax(1) - scores[:, ~seen].amax(1)).tolist())
    tried = [gaps[0] - 1, *((a + b) / 2 for a, b in pairwise(gaps)), gaps[-1] + 1]
    found = {penalty: slow_hm(gallery, mode, penalty) for penalty in tried}
    return [penalty for penalty, hm in found.items() if hm == pytest.approx(max(found.values()), abs=1e-12)]


def test_both_ways_is_the_mean_of_the_two_crossed_figures(data):
    rows = trial.tested(data, "least-squares", {}, 0, "val", stretch=True)
    method = build("least-squares").fit(*data.training(), Job())
    test, val = (gallery_of(method, data.split(name), data.classes) for name in ("test", "val"))
    checked = crossed = 0
    for row in rows:
        if row["task"] != "classification" or row["stretch"] is not None:
            assert "both_ways" not in row
            continue
        mode = Mode(row["modality"], row["fusion"] or "equal")
        if mode.fusion != "equal":
            continue
        there = slow_hm(test, mode, row["gamma"])
        assert row["HM"] == pytest.approx(there, abs=1e-6)
        allowed = [(there + slow_hm(val, mode, penalty)) / 2 for penalty in slow_penalties(test, mode)]
        assert any(row["both_ways"] == pytest.approx(value, abs=1e-6) for value in allowed), (row, allowed)
        best = max(slow_hm(val, mode, penalty) for penalty in slow_penalties(val, mode))
        crossed += row["both_ways"] < (there + best) / 2 - 1e-6
        checked += 1
    assert checked == 3
    assert crossed > 0  # else a penalty might have met the clips on which it was chosen


@pytest.mark.parametrize("calibration", ["pseudo-unseen", "none", "oracle"])
def test_without_labels_of_validation_there_is_no_such_figure(data, calibration):
    assert not any("both_ways" in row for row in trial.tested(data, "least-squares", {}, 0, calibration, stretch=False))


def test_without_tested_clips_of_unseen_classes_there_is_no_way_back(data):
    seen = data.split("test").where(data.classes.seen[data.split("test").labels])
    lone = Dataset.of(data.classes, {**data.splits, "test": seen})
    rows = trial.tested(lone, "least-squares", {}, 0, "val", False)
    assert rows and not any("both_ways" in row for row in rows)
