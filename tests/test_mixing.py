"""Trained and frozen scores mixed, against loops over plain numbers; and the rows that stand beside a run."""

import json
import math
from dataclasses import replace

import pytest
import torch

from avgzsl import backbones
from avgzsl.data.clips import Encoder
from avgzsl.errors import ConfigError
from avgzsl.experiments import baselines as beside
from avgzsl.experiments import costs
from avgzsl.experiments.baselines import baselines, did_not_help, write_baselines
from avgzsl.experiments.gallery import gallery_of
from avgzsl.experiments.mixing import MIXES, Pair, mixed
from avgzsl.experiments.numbers import choose_numbers
from avgzsl.experiments.protocol import Mode
from avgzsl.experiments.train_evaluate import evaluate, train
from avgzsl.learning.training import Job
from avgzsl.methods import build
from avgzsl.reports.pretraining import met_before, met_before_any
from avgzsl.scores.choosing import Problem
from avgzsl.scores.scoring import best_penalty
from tests.test_frozen import data


@pytest.fixture(scope="module")
def world():
    """Noisy, so that neither is always right."""
    dataset = data(3, missing=0.4)
    noise = torch.Generator().manual_seed(8)

    def noisy(clips):
        parts = {m: clips.feature(m) + 0.5 * torch.randn(clips.feature(m).shape, generator=noise) for m in MODALITIES}
        return replace(clips, **parts)

    classes = dataset.classes
    both = replace(classes, parts=tuple(replace(part, modality=None) for part in classes.parts))  # for any method
    return replace(dataset, classes=both, splits={name: noisy(clips) for name, clips in dataset.splits.items()})


MODALITIES = ("audio", "video")


def pairs(dataset):
    job = Job(encoders=dataset.encoders)
    trained, frozen = (build(name).fit(*dataset.training(), job) for name in ("least-squares", "frozen"))
    return [
        Pair(*(gallery_of(method, dataset.split(split), dataset.classes) for method in (trained, frozen)))
        for split in ("test", "val")
    ]


def deviation(scores):
    values = [value for row in scores.tolist() for value in row]
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))


def slow(known, mode, share):
    """Mixed scores of validation clips, and the two deviations."""
    own = Mode("both", "weighted") if mode.modality == "both" else mode
    weight = choose_numbers([known.frozen], [own])[own].weight
    first, second = known.trained.complete(mode), known.frozen.complete(own, weight)
    d = deviation(first.scores), deviation(second.scores)
    rows = [
        [(1 - share) * a / d[0] + share * b / d[1] for a, b in zip(x, y, strict=True)]
        for x, y in zip(first.scores.tolist(), second.scores.tolist(), strict=True)
    ]
    return Problem(torch.tensor(rows, dtype=torch.float64), first.labels, first.seen), d


@pytest.mark.parametrize("mode", [Mode("audio", "equal"), Mode("video", "equal"), Mode("both", "equal")])
def test_the_share_is_the_best_with_its_own_penalty(world, mode):
    tested, known = pairs(world)
    (found,) = mixed(tested, known, [mode])
    reached = {share: best_penalty(*slow(known, mode, share)[0]).HM for share in MIXES}
    top = max(reached.values())
    assert top - 1e-9 <= reached[found.mix.share]
    assert found.mix.share in MIXES
    problem, d = slow(known, mode, found.mix.share)
    assert found.mix.numbers.gamma == pytest.approx(best_penalty(*problem).gamma, abs=1e-4)
    assert (found.mix.trained_deviation, found.mix.frozen_deviation) == pytest.approx(d, rel=1e-5)


def test_a_clip_with_one_modality_is_mixed_as_those_of_that_modality(world):
    tested, known = pairs(world)
    modes = [Mode("audio", "equal"), Mode("video", "equal"), Mode("both", "equal")]
    sound, picture, both = mixed(tested, known, modes)
    place = {
        m: {row: i for i, row in enumerate(one.measured.scored.rows.tolist())}
        for m, one in (("audio", sound), ("video", picture))
    }
    alone = {"audio": sound.measured.scored, "video": picture.measured.scored}
    seen = 0
    embeddings = tested.trained.embeddings
    for i, row in enumerate(both.measured.scored.rows.tolist()):
        for modality in MODALITIES:
            if bool(embeddings.has(modality)[row]) and not bool(embeddings.has("both")[row]):
                where = place[modality][row]
                assert torch.allclose(both.measured.scored.scores[i], alone[modality].scores[where], atol=1e-5)
                assert both.measured.scored.gamma[i] == alone[modality].gamma[where]
                seen += 1
    assert seen > 20


@pytest.mark.parametrize(("share", "which"), [(0.0, "trained"), (1.0, "frozen")])
def test_none_and_all_of_the_frozen_scores_are_the_one_and_the_other(world, share, which, monkeypatch):
    monkeypatch.setattr("avgzsl.experiments.mixing.MIXES", (share,))
    tested, known = pairs(world)
    mode = Mode("audio", "equal")
    (found,) = mixed(tested, known, [mode])
    gallery, other = getattr(tested, which), getattr(known, which)
    (alone,) = gallery.measure([mode], choose_numbers([other], [mode]))
    assert pytest.approx(alone.classification.HM) == found.measured.classification.HM
    assert pytest.approx(alone.retrieval.HM) == found.measured.retrieval.HM


def test_without_known_clips_half_and_half_by_the_tested_ones(world):
    tested, _ = pairs(world)
    (found,) = mixed(tested, None, [Mode("audio", "equal")])
    assert (found.mix.share, found.mix.numbers) == (0.5, None)
    expected, _ = slow(tested, Mode("audio", "equal"), 0.5)
    assert torch.allclose(found.measured.scored.scores, expected.scores, atol=1e-5)


# beside a run


@pytest.fixture(scope="module")
def run(world, tmp_path_factory):
    return train(
        world, "avgzslnet", out=tmp_path_factory.mktemp("runs") / "run", settings={"epochs": 2, "milestones": ()}
    )


def test_rows_of_all_three_stand_beside_a_run_and_change_nothing_of_it(run, world):
    before = {file.name: file.read_bytes() for file in run.folder.iterdir()}
    evaluation = evaluate(run, world)
    found = baselines(run, evaluation, wanted=True)
    assert list(dict.fromkeys(row["model"] for row in found.results)) == ["least-squares", "frozen", "mixed"]
    assert {row["modality"] for row in found.results} == {"audio", "video", "both"}
    (file,) = write_baselines(run.folder, found)
    assert json.loads(file.read_text())["provenance"]["fingerprint"] == world.fingerprint
    file.unlink()
    assert {file.name: file.read_bytes() for file in run.folder.iterdir()} == before
    own = build("frozen").fit(*world.training(), Job(encoders=world.encoders))
    known, tested = (gallery_of(own, world.split(split), world.classes) for split in ("val", "test"))
    (expected,) = tested.measure([Mode("audio", "equal")], choose_numbers([known], [Mode("audio", "equal")]))
    row = next(row for row in found.results if (row["model"], row["modality"]) == ("frozen", "audio"))
    assert row["HM"] == expected.classification.HM
    again = baselines(run, evaluation, wanted=True)
    assert again.json() == found.json()


def test_only_the_modality_that_was_evaluated_is_told(run, world):
    found = baselines(run, evaluate(run, world, modality="audio"), wanted=True)
    assert {row["modality"] for row in found.results} == {"audio"}


def test_what_costs_more_than_a_tenth_waits_to_be_asked_for(run, world, monkeypatch):
    evaluation = evaluate(run, world)
    monkeypatch.setattr(beside, "baseline_seconds", lambda name, _: {"least-squares": 3.0, "frozen": 8.0}[name])

    def models(seconds, **more):
        found = baselines(run, evaluation, trained_seconds=seconds, **more)
        return [*dict.fromkeys(row["model"] for row in found.results)], found.notes

    assert models(29.0)[0] == []
    assert "no row least-squares: it would take some 3.0 s, and 2.9 s are" in models(29.0)[1][0]
    assert "--baselines" in models(29.0)[1][0]
    assert models(31.0)[0] == ["least-squares"]
    assert models(109.0)[0] == ["least-squares"], "together they count"
    assert models(111.0)[0] == ["least-squares", "frozen", "mixed"]
    assert models(111.0, evaluated_seconds=1.0)[0] == ["least-squares"], "each is evaluated, too"
    assert models(1e9, wanted=False) == ([], ())
    assert models(0.0, wanted=True)[0] == ["least-squares", "frozen", "mixed"]


def test_a_run_has_the_rows_again_that_its_training_made(run, world, monkeypatch, tmp_path):
    """What is estimated of a training is less than it took, and would leave rows out that stood beside it."""
    evaluation, costs = evaluate(run, world), {"least-squares": 3.0, "frozen": 8.0}
    monkeypatch.setattr(beside, "baseline_seconds", lambda name, _: costs[name])
    monkeypatch.setattr(beside, "training_seconds", lambda *_: 0.0)
    kept = replace(run, folder=tmp_path)
    first = baselines(kept, evaluation, trained_seconds=31.0)
    assert {row["model"] for row in first.results} == {"least-squares"}
    assert baselines(kept, evaluation).results == [], "nothing was kept yet"
    (file,) = beside.write_baselines(tmp_path, first)
    again = baselines(kept, evaluation, evaluated_seconds=60.0)
    assert again.results == first.results
    assert "no row frozen: it was left out when the run was trained; --baselines asks for it" in again.notes
    for damage in ("{", "[]", '{"results": [3]}'):
        file.write_text(damage)
        assert baselines(kept, evaluation).results == []


def test_where_features_allow_no_frozen_row_one_line_says_why(run, world):
    evaluation = replace(evaluate(run, world), dataset=replace(world, encoders={}))
    found = baselines(run, evaluation, wanted=True)
    assert {row["model"] for row in found.results} == {"least-squares"}
    (line, *_) = [note for note in found.notes if note.startswith("no row frozen")]
    assert "not known" in line and "\n" not in line
    unasked = baselines(run, evaluation, trained_seconds=0.0).notes
    assert line in unasked, "what cannot be is not told to be asked for"


def test_features_of_a_backbone_that_is_not_installed_have_no_frozen_row_and_all_else(run, world):
    encoders = world.encoders | {modality: Encoder("elsewhere", ()) for modality in MODALITIES}
    evaluation = replace(evaluate(run, world), dataset=replace(world, encoders=encoders))
    found = baselines(run, evaluation, trained_seconds=1e6)
    assert {row["model"] for row in found.results} == {"least-squares"}
    assert any(note.startswith("no row frozen") and "unknown backbone 'elsewhere'" in note for note in found.notes)


def test_a_run_that_is_a_baseline_is_not_set_beside_itself(world, tmp_path):
    frozen = train(world, "frozen", out=tmp_path / "run")
    found = baselines(frozen, evaluate(frozen, world), wanted=True)
    assert {row["model"] for row in found.results} == {"least-squares"}
    assert not [note for note in found.notes if "did not help" in note]


def test_pseudo_unseen_classes_mix_nothing(run, world):
    found = baselines(run, evaluate(run, world, calibration="pseudo-unseen"), wanted=True)
    assert {row["model"] for row in found.results} == {"least-squares", "frozen"}
    assert any(note.startswith("no row mixed: ") and "anew for each fold" in note for note in found.notes)


def test_a_sentence_says_when_training_did_not_help():
    def row(model, hm, modality="both", task="classification"):
        return {"model": model, "HM": hm, "modality": modality, "task": task, "fusion": "equal"}

    own = [row("x", 0.9, "audio"), row("x", 0.5), row("x", 0.1, task="retrieval")]
    others = [row("least-squares", 0.5), row("frozen", 0.499), row("mixed", 0.9), row("frozen", 0.95, "audio")]
    assert did_not_help("x", own, others) == (
        "training did not help: HM of both is 50.0 for x, and least-squares has 50.0"
    )
    assert did_not_help("x", own, [row("frozen", 0.499), row("mixed", 0.9)]) is None
    fusions = [{**row("x", 0.8), "fusion": "equal"}, {**row("x", 0.5), "fusion": "attention"}]
    assert "HM of both (attention) is 50.0 for x" in str(did_not_help("x", fusions, others))
    assert did_not_help("x", [row("x", None)], others) is None


def test_a_training_is_estimated_by_its_epochs_clips_and_weights(run, monkeypatch):
    monkeypatch.setattr(costs, "_rate", lambda dtype: 1e6)
    weights = sum(value.numel() for value in run.method.state().values())
    assert costs.training_seconds(run.method, 50) == pytest.approx(6 * weights * 50 * 2 / 1e6)
    assert costs.training_seconds(build("least-squares"), 50) == 0.0


# what encoders have met


def test_what_a_backbone_was_trained_on_is_told_where_it_is_known(monkeypatch):
    known = {"clap": "AudioSet", "gone": None}

    def trained_on(spec, models=None):
        if spec == "broken":
            raise ConfigError("not there")
        return known[spec]

    monkeypatch.setattr(backbones, "trained_on", trained_on)
    (line,) = met_before({"audio": Encoder("clap"), "video": Encoder("gone"), "text": Encoder("clap")})
    assert line.startswith("audio features are of clap, trained on AudioSet: ")
    assert met_before({"video": Encoder("broken")}) == met_before({}) == []
    assert met_before_any([{"audio": Encoder("clap")}, {"audio": Encoder("clap")}]) == [line]
