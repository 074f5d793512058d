"""The numbers of a calibration: which are chosen on which clips, and what they do to the rows of an evaluation."""

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from avgzsl.data.clips import Dataset
from avgzsl.errors import DataError
from avgzsl.experiments.cells import Cell, Comparison, Result
from avgzsl.experiments.gallery import gallery_of
from avgzsl.experiments.numbers import WEIGHTS, choose_numbers, validate
from avgzsl.experiments.protocol import Mode, Numbers
from avgzsl.experiments.train_evaluate import evaluate, train
from avgzsl.experiments.trial import measured_with, result_rows
from avgzsl.methods import Method, TextEmbeddings, build
from avgzsl.methods.least_squares import LeastSquares
from avgzsl.recognition.answers import answer
from avgzsl.reports.comparison import as_csv, as_sheet, measured_lines
from avgzsl.reports.published import TABLES
from avgzsl.reports.sheet import as_markdown
from avgzsl.reports.summary import summary_markdown
from avgzsl.reports.tables import markdown
from avgzsl.scores.choosing import STRETCHES, Problem, choose_energy, choose_stacking
from avgzsl.scores.metrics import retrieval
from tests.worlds import world

AUDIO, VIDEO, BOTH = Mode("audio", "equal"), Mode("video", "equal"), Mode("both", "equal")
WEIGHTED = Mode("both", "weighted")


class Weighing(LeastSquares):
    """Least squares with one weight of video for all clips."""

    fusions = ("equal", "weighted")


class TextWeighing(Weighing):
    """The text of a class says how much video counts for it."""

    def embed_text(self, text):
        return replace(super().embed_text(text), video_weight=torch.linspace(0, 1, len(text)))


@pytest.fixture(scope="module")
def data() -> Dataset:
    return world(missing=0.3, noise=0.8)


def fitted(data: Dataset, kind: type[Method] = Weighing) -> Method:
    method = kind()
    method.name = "weighing"
    return method.fit(*data.training())


def test_the_weight_is_the_best_of_the_grid(data):
    louder = {name: replace(clips, video=clips.video * 0 + clips.video.mean(0)) for name, clips in data.splits.items()}
    deaf = replace(data, splits={**data.splits, "val": louder["val"]})
    method = fitted(data)
    gallery = gallery_of(method, deaf.split("val"), data.classes)
    chosen = choose_numbers([gallery], [BOTH, WEIGHTED], energy=False)
    assert chosen[BOTH].weight is None
    val = deaf.split("val")
    full = val.where(val.has_audio & val.has_video)
    audio, video = (method.scores(full, data.classes.text, m) for m in ("audio", "video"))
    reached = {}
    for weight in WEIGHTS:
        stacking = choose_stacking([gallery.complete(WEIGHTED, weight)])
        scores = gallery.complete(WEIGHTED, weight).scores
        assert torch.allclose(scores, (1 - weight) * audio + weight * video, atol=1e-6)
        reached[weight] = stacking
    best = max(one.HM for one in reached.values())
    expected = next(weight for weight in WEIGHTS if best - 1e-12 <= reached[weight].HM)
    assert chosen[WEIGHTED] == Numbers(reached[expected].gamma, 0.0, expected)
    assert expected < 0.5, "the picture says nothing here"
    assert sorted(WEIGHTS) == [i / 10 for i in range(11)] and WEIGHTS[0] == 0.5


def test_the_weight_reaches_the_scores_and_an_answer(data):
    method, test = fitted(data), data.split("test")
    gallery = gallery_of(method, test, data.classes)
    numbers = {WEIGHTED: Numbers(0.1, 0.0, 0.2), AUDIO: Numbers(0.3)}
    scored = gallery.score(WEIGHTED, numbers)
    full = (test.has_audio & test.has_video)[scored.rows]
    both = test.where(test.has_audio & test.has_video)
    audio, video = (method.scores(both, data.classes.text, m) for m in ("audio", "video"))
    assert torch.allclose(scored.scores[full], 0.8 * audio + 0.2 * video, atol=1e-6)
    clip, text = method.embed_clips(both.take(torch.tensor([0]))), gallery.text
    told = answer(method, clip, data.classes, text, WEIGHTED, numbers, {}, 3)
    assert (told.weights, told.gamma, told.fusion) == ({"audio": 0.8, "video": 0.2}, 0.1, "weighted")
    assert told.top[0].score == pytest.approx(
        float(scored.scores[full][0][data.classes.names.index(told.top[0].label)])
    )


def test_where_the_text_says_the_weight_there_is_none_to_choose(data):
    method = fitted(data, TextWeighing)
    gallery = gallery_of(method, data.split("val"), data.classes)
    assert choose_numbers([gallery], [WEIGHTED])[WEIGHTED].weight is None


def test_penalty_and_stretch_are_chosen_together_on_seen_classes_as_the_method_knows_them(data):
    method = build("exemplars").fit(*data.training())
    val = gallery_of(method, data.split("val"), data.classes)
    plain, stretched = choose_numbers([val], [BOTH]), choose_numbers([val.to_stretch()], [BOTH])
    own = method.embed_classes(data.classes.text, data.classes.seen)
    for mode in (AUDIO, VIDEO, BOTH):
        has = val.embeddings.has(mode.modality)
        scores = method.compare(val.embeddings.where(has), own, *mode)
        expected = choose_stacking([Problem(scores, val.labels[has], data.classes.seen)], STRETCHES)
        assert (stretched[mode].gamma, stretched[mode].stretch) == expected[:2]
        assert plain[mode].stretch == 0.0
        problem = val.complete(mode)
        assert plain[mode].gamma == choose_stacking([problem]).gamma
        assert (plain[mode].energy_share, plain[mode].energy_temperature) == choose_energy([problem])
    assert any(one.stretch > 0 for one in stretched.values())


def test_the_stretch_decides_clip_by_clip(data):
    """A clip with one modality has the stretch and the penalty of that one."""
    method = build("exemplars").fit(*data.training())
    test, classes = data.split("test"), data.classes
    numbers = {BOTH: Numbers(0.2, 0.5), AUDIO: Numbers(-0.1, 1.0), VIDEO: Numbers(0.3, 2.0)}
    gallery = gallery_of(method, test, classes).to_stretch()
    (found,) = gallery.measure([BOTH], numbers)
    assert found.stretched and found.name == "both-equal-stretched"
    own = method.embed_classes(classes.text, classes.seen)
    right: dict[int, list[bool]] = {}
    for i in range(len(test)):
        clip = test.take(torch.tensor([i]))
        mode = BOTH if clip.has_audio and clip.has_video else AUDIO if clip.has_audio else VIDEO
        scores = method.compare(method.embed_clips(clip), own, *mode)[0].tolist()
        n = numbers[mode]
        moved = [
            (1 + n.stretch) * s - n.gamma if seen else s for s, seen in zip(scores, classes.seen.tolist(), strict=True)
        ]
        right.setdefault(int(clip.labels[0]), []).append(int(np.argmax(moved)) == int(clip.labels[0]))
    s, u = (np.mean([np.mean(v) for c, v in right.items() if bool(classes.seen[c]) is mark]) for mark in (True, False))
    assert (pytest.approx(s), pytest.approx(u)) == (found.classification.S, found.classification.U)


def test_corrected_retrieval_takes_off_each_clips_own_energy(data):
    method = build("least-squares").fit(*data.training())
    test, classes = data.split("test"), data.classes
    numbers = {
        mode: Numbers(energy_share=share, energy_temperature=tau)
        for mode, share, tau in ((BOTH, 0.5, 0.1), (AUDIO, 1.0, 0.5), (VIDEO, 0.25, 0.05))
    }
    (found,) = gallery_of(method, test, classes).measure([BOTH], numbers)
    rows = []
    for i in range(len(test)):
        clip = test.take(torch.tensor([i]))
        mode = BOTH if clip.has_audio and clip.has_video else AUDIO if clip.has_audio else VIDEO
        scores, n = method.scores(clip, classes.text, *mode)[0].tolist(), numbers[mode]
        total = sum(math.exp(s / n.energy_temperature) for s, m in zip(scores, classes.seen.tolist(), strict=True) if m)
        rows.append([s - n.energy_share * n.energy_temperature * math.log(total) for s in scores])
    expected = retrieval(torch.tensor(rows, dtype=torch.float64), test.labels, classes.seen)
    assert pytest.approx(expected.HM) == found.corrected.HM
    assert found.corrected.HM != found.retrieval.HM


def test_over_folds_the_mean_is_the_best(data):
    method = build("exemplars").fit(*data.training())
    galleries = [gallery_of(method, data.split(split), data.classes) for split in ("val", "test")]
    found = choose_numbers(galleries, [VIDEO])[VIDEO]
    problems = [gallery.complete(VIDEO) for gallery in galleries]
    assert found.gamma == choose_stacking(problems).gamma
    assert (found.energy_share, found.energy_temperature) == choose_energy(problems)
    silent = replace(data.split("test"), has_audio=torch.zeros(len(data.split("test")), dtype=torch.bool))
    mixed = [galleries[0], gallery_of(method, silent, data.classes)]
    assert choose_numbers(mixed, [AUDIO]) == choose_numbers(galleries[:1], [AUDIO])


def test_without_clips_to_choose_on_nothing_is_chosen_and_without_unseen_ones_it_is_an_error(data):
    method = build("least-squares").fit(*data.training())
    assert choose_numbers([], [BOTH]) == {}
    val = data.split("val")
    seen_only = gallery_of(method, val.where(data.classes.seen[val.labels]), data.classes)
    with pytest.raises(DataError, match="both seen and unseen"):
        choose_numbers([seen_only], [BOTH])


def test_a_look_at_validation_chooses_no_energy(data, monkeypatch):
    """It would take longer than all the rest of the look."""
    method = build("least-squares").fit(*data.training())
    monkeypatch.setattr("avgzsl.experiments.numbers.choose_energy", lambda problems: pytest.fail("it was chosen"))
    assert 0 < validate(method, data.split("val"), data.classes).HM < 1


# rows and tables


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    return train(data, "exemplars", out=tmp_path_factory.mktemp("runs") / "run")


def test_with_a_stretch_rows_come_once_more_and_the_others_stay(data, run):
    plain, both = evaluate(run, data), evaluate(run, data, stretch=True)
    more = [row for row in both.results if row["stretch"] is not None]
    assert [row for row in both.results if row["stretch"] is None] == plain.results
    assert [(row["task"], row["modality"]) for row in more] == [
        ("classification", m) for m in ("audio", "video", "both")
    ]
    assert [row["retrieval"] for row in plain.results] == [None, "plain", "corrected"] * 3
    assert plain.provenance["stretched"] == {}
    assert both.provenance["numbers"] == plain.provenance["numbers"]
    val = gallery_of(run.method, data.split("val"), data.classes).to_stretch()
    chosen = choose_numbers([val], [AUDIO, VIDEO, BOTH], energy=False)
    assert both.provenance["stretched"] == {str(mode): asdict(one) for mode, one in chosen.items()}
    assert [row["stretch"] for row in more] == [one.stretch for one in chosen.values()]
    told = markdown(both.results, "exemplars")
    assert told.count(", corrected)") + told.count("(corrected)") == 3
    assert "| exemplars (eq wt, corrected) | T→AV |" in told
    assert f"| exemplars (eq wt, stretch {chosen[BOTH].stretch:g}) | both |" in told
    assert "multiplied by 1 + stretch" in told and "Corrected: " in told


def test_without_a_calibration_there_is_no_corrected_row(data, run):
    rows = evaluate(run, data, calibration="none").results
    assert evaluate(run, data, calibration="none", stretch=True).results == rows
    assert {row["retrieval"] for row in rows} == {None, "plain"}
    assert "orrected" not in markdown(rows, "exemplars")


def results(data: Dataset, stretch: bool = True) -> Comparison:
    """Cells of two methods on two class splits."""
    found = []
    for label in ("avgzslnet", "exemplars"):
        for split in ("a", "b"):
            method = build("exemplars", settings={"rho": 0.5 if split == "a" else 1.0}).fit(*data.training())
            gallery = gallery_of(method, data.split("test"), data.classes)
            known = [gallery_of(method, data.split("val"), data.classes)]
            rows = result_rows(measured_with(gallery, known, gallery.modes, stretch)[0], data.classes.names, "val")
            found.append(Result(label, Cell(label, {}, split, 0, "val", "", "", stretch), rows))
    return Comparison(tuple(found))


def test_the_papers_tables_have_corrected_and_stretched_lines_that_nobody_published(data):
    cells = results(data)
    for name, mark, task, key in (
        ("table1", "stretched", "classification", "stretch"),
        ("table2", "corrected", "retrieval", "retrieval"),
    ):
        lines = measured_lines(TABLES[name], cells)
        (place,) = [i for i, one in enumerate(lines) if one.line[:3] == (f"exemplars, {mark}", "exemplars", "both")]
        plain, marked = lines[place - 1], lines[place]
        assert plain.line[:3] == ("exemplars", "exemplars", "both")
        assert all(math.isnan(value) for value in (*plain.line.published, *marked.line.published))
        for one, want in ((plain, False), (marked, True)):
            values = [
                100 * row["HM"]
                for result in cells
                if result.label == "exemplars"
                for row in result.rows
                if (row["task"], row["modality"]) == (task, "both") and (row[key] not in (None, "plain")) is want
            ]
            assert len(values) == one.runs == 2
            assert one.figures[2][0] == pytest.approx(np.mean(values))
        ours = next(one for one in lines if one.line.model == f"AVGZSLNet (eq wt), {mark}")
        assert math.isnan(ours.line.published[0]) and ours.figures is not None
        text = as_markdown(as_sheet(TABLES[name], lines))
        assert f"| exemplars, {mark} | " in text and "nan" not in text + as_csv(TABLES[name], lines)
    plain = results(data, stretch=False)
    assert not any("stretched" in one.line.model for one in measured_lines(TABLES["table1"], plain))


def test_a_benchmark_tells_them_apart_and_pairs_like_with_like(data):
    cells = results(data)
    text = summary_markdown(cells, "val", "avgzslnet")
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| exemplars")]
    names = [row[0].removeprefix("| ") for row in rows]
    assert names == ["exemplars"] * 3 + ["exemplars, stretched"] * 3 + ["exemplars", "exemplars, corrected"] * 3
    assert all(row[-1].startswith("+0.0 [") for row in rows[:6])  # the same method under two names
    assert all(result.figures == {"HM": [r["HM"] for r in result.rows if r["stretch"] is None][-3]} for result in cells)
    assert [row["stretch"] is None for row in cells.rows() if row["label"] == "exemplars"].count(False) == 6


def test_text_embeddings_of_a_method_that_knows_no_more_are_the_same(data):
    method = build("least-squares").fit(*data.training())
    known = method.embed_classes(data.classes.text, data.classes.seen)
    assert isinstance(known, TextEmbeddings)
    assert torch.equal(known.audio, method.embed_text(data.classes.text).audio)
