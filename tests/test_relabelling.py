"""Labels of others: a csv is read as written or refused, clips and classes are found, and all is scored by them."""

import csv
import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from avgzsl import cli
from avgzsl.data.clips import Dataset
from avgzsl.data.layouts import open_dataset
from avgzsl.data.relabelling import read_relabelling, relabelled_clips
from avgzsl.errors import DataError
from avgzsl.experiments.relabelled import LABELS
from avgzsl.experiments.train_evaluate import evaluate, train
from avgzsl.experiments.two_stage import two_stage
from avgzsl.reports.relabelled_tables import relabelled_sheets
from avgzsl.scores.metrics import classification
from avgzsl.scores.multi_label import multi_label_classification, multi_label_retrieval
from avgzsl.types import DataChoice
from tests.small_avca import write_avca
from tests.worlds import world

HEADER = "video_id,label,modality,background_music,static_image,voice_over\n"
LINES = (
    '--Bu2xe4OSo_000430,"bird chirping, tweeting",A,False,False,True\n'
    "--Bu2xe4OSo_000430,wind noise,AV,False,False,True\n"
    "-0pJqpNjft4_000267,cow lowing,V,False,True,False\n"
)
NAMES = ("cow lowing", "wind noise", "bird chirping, tweeting")
PUBLISHED = Path(__file__).parent.parent.parent / "shared" / "data" / "benchmarks" / "VGGSound" / "class-split"
REAL = Path(os.environ.get("AVGZSL_VGGSOUNDER", "vggsounder.csv"))


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "labels.csv", HEADER + LINES)


# reading


def test_a_csv_is_read_as_it_is_written(file):
    found = read_relabelling(file)
    assert found.labels == {
        "--Bu2xe4OSo_000430": {"bird chirping, tweeting": "A", "wind noise": "AV"},
        "-0pJqpNjft4_000267": {"cow lowing": "V"},
    }
    assert len(found.sha256) == 64


def test_columns_are_found_by_name_and_a_line_may_come_twice(tmp_path):
    text = "\ufefflabel,modality,video_id\nwind noise,AV,x\nwind noise,AV,x\n"
    assert read_relabelling(write(tmp_path / "a.csv", text)).labels == {"x": {"wind noise": "AV"}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no column video_id (columns: none)"),
        ("filename,label,label_code\nx,y,0\n", "no column video_id (columns: filename, label, label_code)"),
        (HEADER, "no lines below the header"),
        (HEADER + LINES + "x,wind noise,VA,,,\n", "line 5: modality is 'VA'; expected one of A, V, AV"),
        (HEADER + "x,wind noise\n", "line 2: modality is ''"),
        (HEADER + " ,wind noise,A,,,\n", "line 2: no video_id"),
        (HEADER + "x,,A,,,\n", "line 2: no label"),
        (HEADER + "x,dog,A,,,\nx,dog,AV,,,\n", "line 3: 'dog' of clip x is AV here and A before"),
        (HEADER + 'x,"dog,A,,,\n', "not readable as csv"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path, text, said):
    with pytest.raises(DataError) as refused:
        read_relabelling(write(tmp_path / "labels.csv", text))
    assert said in str(refused.value) and str(tmp_path / "labels.csv") in str(refused.value)


def test_what_is_no_text_file_is_refused(tmp_path):
    (tmp_path / "bytes.csv").write_bytes(b"video_id\xff")
    for place in (tmp_path / "missing.csv", tmp_path, tmp_path / "bytes.csv"):
        with pytest.raises(DataError, match=str(place)):
            read_relabelling(place)


# clips and classes


def test_clips_and_classes_are_found_in_their_order(file):
    ids = np.array(["-0pJqpNjft4_000267", "unknown", "--Bu2xe4OSo_000430"])
    found = relabelled_clips(read_relabelling(file), ids, NAMES, "here")
    assert found.listed.tolist() == [True, False, True]
    assert found.audible.tolist() == [[False] * 3, [False] * 3, [False, True, True]]
    assert found.visible.tolist() == [[True, False, False], [False] * 3, [False, True, False]]
    assert found.outside == {}


@pytest.mark.parametrize("written", ["{}.mp4", "test/{}.mp4", "a/b/{}"])
def test_clips_are_found_by_the_name_of_their_file(file, written):
    ids = np.array([written.format("--Bu2xe4OSo_000430")])
    assert relabelled_clips(read_relabelling(file), ids, NAMES, "here").carried.tolist() == [[False, True, True]]


def test_classes_are_found_in_another_spelling_and_others_are_counted(file):
    ids = np.array(["--Bu2xe4OSo_000430", "-0pJqpNjft4_000267"])
    file.write_text(file.read_text().replace("cow lowing", "cow-lowing"))
    found = relabelled_clips(read_relabelling(file), ids, ["Cow_Lowing", "air horn"], "here")
    assert found.carried.tolist() == [[False, False], [True, False]]
    assert found.outside == {"bird chirping, tweeting": 1, "wind noise": 1}
    assert found.listed.tolist() == [True, True]


def test_other_clips_and_other_classes_are_refused(file):
    with pytest.raises(DataError, match=r"has none of the 2 clips of here: their ids are like 'v_1', 'v_2', its own"):
        relabelled_clips(read_relabelling(file), np.array(["v_1", "v_2"]), NAMES, "here")
    with pytest.raises(DataError, match=r"no label of the 1 clips of here .* it has 'cow lowing', tested are 'dog'"):
        relabelled_clips(read_relabelling(file), np.array(["-0pJqpNjft4_000267"]), ["dog"], "here")


# scores


@pytest.fixture(scope="module")
def data() -> Dataset:
    return world(missing=0.2)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    return train(data, "least-squares", out=tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def marks(data) -> np.ndarray:
    """One of "", A, V, AV for every test clip and class; every fifth clip has no label, every seventh lost its own."""
    draw = np.random.default_rng(4)
    labels = data.split("test").labels.numpy()
    marks = draw.choice(["", "A", "V", "AV"], (len(labels), len(data.classes)), p=[0.85, 0.05, 0.04, 0.06])
    rows = np.arange(len(labels))
    marks[rows, labels] = draw.choice(["A", "V", "AV"], len(labels))
    marks[rows[::7], labels[::7]] = ""
    marks[::5] = ""
    return marks


@pytest.fixture(scope="module")
def csv_file(data, marks, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("labels") / "labels.csv"
    ids = data.split("test").ids
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(HEADER.strip().split(","))
        for i, c in zip(*np.nonzero(marks != ""), strict=True):
            writer.writerow([ids[i], data.classes.names[c], marks[i, c], False, False, False])
        writer.writerow([ids[0], "an unknown class", "AV", False, False, False])
        writer.writerow(["elsewhere", data.classes.names[0], "AV", False, False, False])
    return path


@pytest.fixture(scope="module")
def evaluation(run, data, csv_file):
    return evaluate(run, data, stretch=True, relabelled=csv_file)


def carried_by(marks: np.ndarray, labels: torch.Tensor, kind: str) -> torch.Tensor:
    wanted = {"all": ("A", "V", "AV"), "audible only": ("A",), "visible only": ("V",), "audible and visible": ("AV",)}
    if kind != "published":
        return torch.tensor(np.isin(marks, wanted[kind]))
    own = torch.nn.functional.one_hot(labels, marks.shape[1]).bool()
    return own & torch.tensor((marks != "").any(1))[:, None]


def test_every_row_is_what_the_marks_say(evaluation, marks, data):
    rows = iter(evaluation.relabelled.results)
    seen, labels = data.classes.seen, data.split("test").labels
    kinds = []
    for one in evaluation.measured:
        scored = one.scored
        for kind in LABELS:
            carried = carried_by(marks, labels, kind)[scored.rows]
            row = next(rows)
            kinds.append((row["modality"], row["labels"], row["task"], row["stretch"] is not None))
            expected = multi_label_classification(scored.scores, carried, seen, scored.gamma, scored.stretch)
            for name in ("S", "U", "HM", "ZSL", "hit", "F1"):
                value = getattr(expected, name)
                assert row[name] == (None if math.isnan(value) else value), (kind, name)
            assert row["clips"] == int(carried.any(1).sum()) > 0
            assert row["label_count"] == int(carried.sum())
            if one.stretched:
                continue
            plain = next(rows)
            assert plain["S"] == multi_label_retrieval(scored.scores, carried, seen).S
            assert (plain["retrieval"], plain["calibration"], plain["hit"]) == ("plain", None, None)
            moved = next(rows)
            assert (moved["retrieval"], moved["calibration"]) == ("corrected", "val")
    assert next(rows, None) is None
    assert {stretched for *_, stretched in kinds} == {False, True}


def test_published_is_the_one_label_on_the_same_clips(evaluation, marks, data):
    one = evaluation.measured[0].scored
    kept = torch.tensor((marks != "").any(1))[one.rows]
    expected = classification(one.scores[kept], one.labels[kept], data.classes.seen, one.gamma[kept])
    row = evaluation.relabelled.results[0]
    assert (row["labels"], row["S"], row["U"], row["ZSL"]) == ("published", expected.S, expected.U, expected.ZSL)
    assert row["clips"] == int(kept.sum()) < len(one.rows)


def test_counts_are_those_of_the_marks(evaluation, marks, data):
    clips, seen = data.split("test"), data.classes.seen.numpy()
    labels, counts = clips.labels.numpy(), evaluation.relabelled.counts
    labelled = (marks != "").any(1)
    own = marks[np.arange(len(labels)), labels] != ""
    for group, of in (("seen", seen[labels]), ("unseen", ~seen[labels])):
        assert counts[f"clips_{group}"] == of.sum()
        assert counts[f"labelled_{group}"] == (of & labelled).sum()
        assert counts[f"lost_label_{group}"] == (of & labelled & ~own).sum() > 0
    listed = labelled.copy()
    assert not listed[0]  # its only label is of an unknown class
    listed[0] = True
    assert counts["listed_seen"] + counts["listed_unseen"] == listed.sum()
    both = (marks[:, seen] != "").any(1) & (marks[:, ~seen] != "").any(1)
    assert counts["both_groups"] == both.sum() > 0
    assert (counts["labels"], counts["labels_outside"]) == ((marks != "").sum(), 1)
    assert any("'an unknown class'" in note for note in evaluation.relabelled.notes)


def test_other_rows_stay_as_they_are(evaluation, run, data):
    plain = evaluate(run, data, stretch=True)
    assert plain.json() == {key: value for key, value in evaluation.json().items() if key != "relabelled"}
    assert "relabelled" not in plain.json()


def test_tables_have_a_line_a_kind_of_labels(evaluation):
    first, second = relabelled_sheets(evaluation.relabelled, "least-squares")
    assert first.header[:3] == ("model", "test", "labels") and first.header[-3:] == ("hit", "F1", "clips")
    assert [line[2] for line in first.lines[:5]] == ["published", "all", "A only", "V only", "AV"]
    row = evaluation.relabelled.results[0]
    assert first.lines[0][3:] == (*(f"{100 * row[name]:.2f}" for name in ("S", "U", "HM", "ZSL", "hit", "F1")),
                                  f"{row['clips']}")  # fmt: skip
    assert "labels.csv" in first.title and second.lines[0][1] == "T→A"


def test_a_kind_that_no_clip_has_is_a_row_without_figures(run, data, tmp_path):
    clip, name = data.split("test").ids[0], data.classes.names[0]
    file = write(tmp_path / "one.csv", f"{HEADER}{clip},{name},A,,,\n")
    found = run.evaluate(data, relabelled=file).relabelled
    row = next(row for row in found.results if row["labels"] == "visible only")
    assert (row["clips"], row["S"], row["U"], row["hit"], row["F1"]) == (0, None, None, None, None)
    json.dumps(found.json(), allow_nan=False)


def test_another_file_is_refused_before_anything_is_measured(run, data, file, monkeypatch):
    monkeypatch.setattr("avgzsl.experiments.train_evaluate.gallery_of", None)
    with pytest.raises(DataError, match=r"labels\.csv: has none of the 216 clips of memory \(test\)"):
        evaluate(run, data, relabelled=file)


# on the command line, by the protocol in two stages


@pytest.fixture
def small_avca(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    monkeypatch.setenv("AVGZSL_CACHE", str(tmp_path / "cache"))
    root = write_avca(tmp_path / "Tiny", ("main",))
    clips = open_dataset(root, class_split="main_split").split("test").ids
    lines = "".join(f"{clip},{clip.split('-')[0]},{'A' if i % 2 else 'AV'},,,\n" for i, clip in enumerate(clips))
    return root, write(tmp_path / "labels.csv", HEADER + lines)


def test_two_stages_and_their_tables(small_avca, tmp_path):
    root, labels = small_avca
    out = tmp_path / "out"
    command = ["two-stage", root, "--method", "least-squares", "--out", out, "--vggsounder", labels]
    ran = CliRunner().invoke(cli.app, list(map(str, command)), catch_exceptions=False)
    assert ran.exit_code == 0
    assert "Table 3" in ran.output and "note: labels.csv has" in ran.output
    assert "**Table 4: retrieval by class name, by the labels of labels.csv, mAP (%)**" in (
        out / "test" / "tables.md"
    ).read_text(encoding="utf-8")
    found = json.loads((out / "results.json").read_text())
    assert found.keys() == {"results", "provenance", "relabelled"}
    published, single = found["relabelled"]["results"][0], found["results"][0]
    assert {name: published[name] for name in ("S", "U", "HM", "ZSL", "clips", "gamma")} == {
        name: single[name] for name in ("S", "U", "HM", "ZSL", "clips", "gamma")
    }


def test_two_stages_refuse_another_file_before_they_train(small_avca, file, tmp_path):
    with pytest.raises(DataError, match="has none of the"):
        two_stage(small_avca[0], "least-squares", out=tmp_path / "out", relabelled=file)
    assert not (tmp_path / "out").exists()


def test_evaluate_prints_them_beside_the_others(small_avca, tmp_path):
    root, labels = small_avca
    train(root, "least-squares", out=tmp_path / "run", choice=DataChoice(class_split="main_split"))
    command = ["evaluate", tmp_path / "run", "--calibration", "none", "--no-baselines", "--vggsounder", labels]
    ran = CliRunner().invoke(cli.app, list(map(str, command)), catch_exceptions=False)
    assert ran.exit_code == 0
    assert all(f"Table {place}" in ran.output for place in (1, 2, 3, 4))


# the real file (of the package vggsounder 1.0), where AVGZSL_VGGSOUNDER says where it is


@pytest.mark.skipif(not (REAL.is_file() and PUBLISHED.is_dir()), reason="needs AVGZSL_VGGSOUNDER and the clip lists")
def test_the_real_file_against_the_published_lists():
    found = read_relabelling(REAL)
    assert (len(found.labels), sum(map(len, found.labels.values()))) == (12_014, 29_509)
    names = (PUBLISHED / "all_class.txt").read_text().split("\n")
    names = [name.strip() for name in names if name.strip()]
    with (PUBLISHED / "main_split" / "stage_2_test_unseen.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    clips = relabelled_clips(found, np.array([row["filename"] for row in rows]), names, "VGGSound")
    assert (len(clips.listed), int(clips.listed.sum())) == (3_450, 2_694)
    assert not clips.outside
    own = torch.tensor([names.index(row["label"]) for row in rows])[:, None]
    kept = {
        "lost": int((clips.listed & ~clips.carried.gather(1, own).squeeze(1)).sum()),
        "A": int((clips.audible & ~clips.visible).gather(1, own).sum()),
        "V": int((clips.visible & ~clips.audible).gather(1, own).sum()),
        "AV": int((clips.audible & clips.visible).gather(1, own).sum()),
    }
    assert kept == {"lost": 576, "A": 544, "V": 37, "AV": 1_537}
