"""The two-stage protocol: what is chosen where, and that the test split is not looked at on the way."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from avgzsl import cli
from avgzsl.data.layouts import open_dataset
from avgzsl.errors import ConfigError, DataError, UnknownNameError
from avgzsl.experiments import run as runs
from avgzsl.experiments import train_evaluate as experiment
from avgzsl.experiments import two_stage as protocol
from avgzsl.experiments.gallery import gallery_of
from avgzsl.experiments.numbers import choose_numbers, validate
from avgzsl.experiments.protocol import Mode
from avgzsl.experiments.two_stage import GRIDS, best_epoch, find_numbers, grid_penalty, two_stage
from avgzsl.learning.training import Job
from avgzsl.methods import build
from avgzsl.scores.metrics import classification
from avgzsl.scores.scoring import calibrate
from avgzsl.types import DataChoice
from tests.small_avca import TEST, write_avca
from tests.small_set import change, write_set
from tests.worlds import world

FEW = {"epochs": 5, "batch_size": 16, "milestones": [2], "hidden": 8, "embedding": 6, "attention_epochs": 1}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVGZSL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_avca(tmp_path / "Tiny", ("main",))


def history(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


def state(folder: Path) -> dict[str, torch.Tensor]:
    return runs.load_run(folder).method.state()


def test_stages_by_hand(root: Path, tmp_path: Path) -> None:
    """Stage 1 for the epochs that were best and no more, stage 2 anew: the same weights, penalties and figures."""
    found = two_stage(root, out=tmp_path / "out", settings=FEW, seed=3)
    records = [record for record in history(tmp_path / "out" / "stage-1") if "val_HM" in record]
    assert [record["epoch"] for record in records] == [1, 2, 3, 4, 5]
    hms = [record["val_HM"] for record in records]
    epochs = 1 + hms.index(max(hms))
    assert found.provenance["epochs"] == epochs
    first = open_dataset(root, class_split="main_split/stage-1")
    second = open_dataset(root, class_split="main_split")
    fitted = []
    for dataset in (first, second):
        method = build("avgzslnet", settings={**FEW, "epochs": epochs})
        fitted.append(method.fit(*dataset.training(), Job(seed=3)))
    assert all(torch.equal(value, fitted[1].state()[key]) for key, value in state(tmp_path / "out/stage-2").items())
    networks = {k: v for k, v in state(tmp_path / "out/stage-1").items() if not k.startswith("attention")}
    assert all(torch.equal(value, fitted[0].state()[key]) for key, value in networks.items())
    one = runs.load_run(tmp_path / "out" / "stage-1").method
    validated = gallery_of(one, first.split("val"), first.classes)
    numbers = choose_numbers([validated], validated.modes)
    tested = gallery_of(fitted[1], second.split("test"), second.classes)
    assert len(tested.modes) == 4
    for measured in tested.measure(tested.modes, numbers):
        mode = measured.scored.mode
        row = next(
            row
            for row in found.results
            if (row["task"], row["modality"]) == ("classification", mode.modality)
            and row["fusion"] in (None, mode.fusion)
        )
        assert row["gamma"] == numbers[mode].gamma == found.provenance["gammas"][str(mode)]
        assert (row["S"], row["U"], row["HM"]) == (measured.classification.S, measured.classification.U,
                                                   measured.classification.HM)  # fmt: skip
    assert {row["calibration"] for row in found.results} == {"stage 1, per-modality", None}
    assert json.loads((tmp_path / "out" / "results.json").read_text()) == found.json()


def test_a_plateau_of_stage_2_is_one_of_stage_1s_validation_clips(root: Path, tmp_path: Path) -> None:
    """The published scheduler goes by clips that stage 2 trains on; without a plateau nothing is looked at."""
    few = {**FEW, "milestones": [], "plateau": 1, "epochs": 6, "optimiser": "adam", "lr": 1e-5}
    found = two_stage(root, out=tmp_path / "out", settings=few, seed=3)
    epochs = found.provenance["epochs"]
    first = open_dataset(root, class_split="main_split/stage-1")
    second = open_dataset(root, class_split="main_split")
    method = build("avgzslnet", settings={**few, "epochs": epochs})
    looked: list[float] = []

    def look() -> dict[str, float]:
        gallery = gallery_of(method, first.split("val"), first.classes)
        scored = gallery.score(Mode("both", "equal"), {})
        gamma = calibrate(scored.scores, scored.labels, first.classes.seen)
        looked.append(classification(scored.scores, scored.labels, first.classes.seen, gamma).HM)
        return {"val_HM": looked[-1]}

    method.fit(*second.training(), Job(seed=3, monitor=look, monitor_every=1))
    assert len(looked) == epochs
    assert [record["val_HM"] for record in history(tmp_path / "out/stage-2") if "val_HM" in record] == looked
    assert all(torch.equal(value, method.state()[key]) for key, value in state(tmp_path / "out/stage-2").items())
    two_stage(root, out=tmp_path / "other", settings=FEW)
    assert not any("val_HM" in record for record in history(tmp_path / "other/stage-2"))


def test_no_test_clip_is_looked_at(root: Path, tmp_path: Path) -> None:
    before = two_stage(root, out=tmp_path / "before", settings=FEW)
    for modality in ("audio", "video"):
        for stage in TEST:
            for path in (root / "features/main_features" / modality / stage).iterdir():
                change(path, lambda rows: rows[::-1] * 3 - 1)
    after = two_stage(root, out=tmp_path / "after", settings=FEW)
    assert before.provenance["gammas"] == after.provenance["gammas"]
    assert before.provenance["run"] == after.provenance["run"]
    assert before.results != after.results


def naive_grid(scores: np.ndarray, labels: np.ndarray, seen: np.ndarray, top: float = 3, steps: int = 15) -> float:
    """linspace(0, top, steps + 1), seen distances raised by it, recall by class in loops; the first best."""
    best, chosen = -1.0, None
    for step in range(steps + 1):
        beta = step * top / steps
        recall: dict[bool, list[float]] = {True: [], False: []}
        for c in range(len(seen)):
            of = [i for i in range(len(labels)) if labels[i] == c]
            if of:
                right = [np.argmin(-scores[i] + beta * seen) == c for i in of]
                recall[bool(seen[c])].append(sum(right) / len(of))
        s, u = np.mean(recall[True]), np.mean(recall[False])
        hm = 0.0 if s + u == 0 else 2 * s * u / (s + u)
        if hm > best + 1e-12:
            best, chosen = hm, beta
    return chosen


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("penalty", "top", "steps", "more"), [("avca-published", 3, 15, 0), ("clipclap-published", 5, 75, 1e-10 / 3)]
)
def test_the_published_penalty_is_the_mean_of_three_from_a_grid(
    penalty: str, top: float, steps: int, more: float, seed: int
) -> None:
    """In the published code both is the *sum* of the distances; here it is their mean, so its penalty is halved."""
    data = world(seed)
    method = build("avgzslnet", settings={**FEW, "attention": "none", "epochs": 20, "lr": 0.01, "margin": 9})
    method.fit(*data.training(), Job(seed=seed))
    val, seen = data.split("val"), data.classes.seen
    audio, video = (method.scores(val, data.classes.text, modality).double() for modality in ("audio", "video"))
    alone = (audio, video, audio + video)
    betas = [naive_grid(s.numpy(), val.labels.numpy(), seen.numpy(), top, steps) for s in alone]
    found = find_numbers(method, val, data.classes, penalty)
    mean = sum(betas) / 3 + more
    wanted = {Mode("audio", "equal"): mean, Mode("video", "equal"): mean, Mode("both", "equal"): mean / 2}
    assert found.keys() == wanted.keys()
    assert all(found[mode].gamma == pytest.approx(wanted[mode], rel=0, abs=1e-12) for mode in wanted)
    assert mean > 0


def test_of_hard_attention_both_is_the_modality_that_it_picks() -> None:
    """As in the AVCA benchmark's CJME: in the published penalty, and where a training is looked at after an epoch."""
    data = world(2)
    few = {"epochs": 3, "steps": 4, "batch_size": 16, "hidden": 8, "text_hidden": 8, "embedding": 6}
    method = build("cjme", "avca", {**few, "lr": 0.01})
    method.fit(*data.training(), Job(seed=2))
    val, seen = data.split("val"), data.classes.seen
    audio, video = (method.scores(val, data.classes.text, modality).double() for modality in ("audio", "video"))
    weight = method.embed_clips(val).video_weight
    assert 0 < weight.sum() < len(weight)
    picked = torch.where(weight[:, None] > 0.5, video, audio)
    betas = [naive_grid(s.numpy(), val.labels.numpy(), seen.numpy()) for s in (audio, video, picked)]
    found = find_numbers(method, val, data.classes, "avca-published")
    assert found[Mode("both", "attention")].gamma == pytest.approx(sum(betas) / 3, rel=0, abs=1e-12)
    best = classification(picked, val.labels, seen, calibrate(picked, val.labels, seen))
    assert abs(validate(method, val, data.classes).HM - best.HM) < 1e-12


@pytest.mark.parametrize(("penalty", "least"), [("avca-published", 1e-10), ("clipclap-published", 1e-10 / 3)])
def test_a_published_penalty_is_never_zero(penalty: str, least: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their codes take a penalty of 0 for none at all, and so add a trace."""
    monkeypatch.setattr(protocol, "grid_penalty", lambda *_: 0.0)
    data = world(0)
    method = build("least-squares").fit(*data.training())
    found = find_numbers(method, data.split("val"), data.classes, penalty)
    assert found[Mode("audio", "equal")].gamma == least


def test_the_grid_takes_the_first_best_and_is_never_better_than_the_exact_one() -> None:
    generator = torch.Generator().manual_seed(0)
    data = world(1)
    for _ in range(5):
        scores = torch.randn(60, len(data.classes), generator=generator, dtype=torch.float64) + data.classes.seen
        labels = torch.randint(len(data.classes), (60,), generator=generator)
        scores[torch.arange(60), labels] += 2
        gamma = grid_penalty(scores, labels, data.classes.seen, GRIDS["avca-published"])
        assert gamma == pytest.approx(naive_grid(scores.numpy(), labels.numpy(), data.classes.seen.numpy()))
        exact = calibrate(scores, labels, data.classes.seen)
        of_grid, best = (classification(scores, labels, data.classes.seen, g).HM for g in (gamma, exact))
        assert 0 < of_grid <= best + 1e-12


def test_best_epoch_is_the_first_of_the_best(tmp_path: Path) -> None:
    hms = [0.1, 0.3, None, 0.3, 0.2]
    records = [{"epoch": i + 1, **({} if hm is None else {"val_HM": hm})} for i, hm in enumerate(hms)]
    (tmp_path / "history.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    assert best_epoch(tmp_path) == 2
    (tmp_path / "history.jsonl").write_text("")
    assert best_epoch(tmp_path) is None


def test_a_method_without_epochs(root: Path, tmp_path: Path) -> None:
    found = two_stage(root, "least-squares", out=tmp_path / "out", choice=DataChoice(class_split="main_split"))
    assert found.provenance["epochs"] is None
    assert len(found.results) == 9


def test_resume_ends_in_the_same_place(root: Path, tmp_path: Path) -> None:
    whole = two_stage(root, out=tmp_path / "out", settings=FEW)
    shutil.rmtree(tmp_path / "out" / "stage-2")
    assert two_stage(root, out=tmp_path / "out", settings=FEW, resume=True).json() == whole.json()


def test_what_cannot_be_is_said(root: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no class split has a first stage"):
        two_stage(write_set(tmp_path / "set"), out=tmp_path / "out")
    with pytest.raises(UnknownNameError, match="did you mean main_split"):
        two_stage(root, out=tmp_path / "out", choice=DataChoice(class_split="main_splt"))
    with pytest.raises(UnknownNameError, match="unknown penalty"):
        two_stage(root, out=tmp_path / "out", penalty="best")
    assert not (tmp_path / "out").exists()


def test_text_order_goes_with_the_run(root: Path, tmp_path: Path) -> None:
    """train records it, evaluate reads the same data again; a run from before there was a choice is right."""
    settings = {"ridge": 0.1}
    run = experiment.train(root, "least-squares", out=tmp_path / "run", settings=settings,
                           choice=DataChoice(class_split="main_split/stage-1",
                                             text_order="avca-published"))  # fmt: skip
    assert run.config.data.text_order == "avca-published"
    found = experiment.evaluate(run, split="val")
    assert found.dataset.fingerprint == run.config.data.fingerprint
    assert found.provenance["data"]["text_order"] == "avca-published"
    right = experiment.train(root, "least-squares", out=tmp_path / "right", settings=settings,
                             choice=DataChoice(class_split="main_split/stage-1"))  # fmt: skip
    assert right.config.data.fingerprint != run.config.data.fingerprint
    path = tmp_path / "right" / "config.json"
    content = json.loads(path.read_text())
    del content["data"]["text_order"]
    path.write_text(json.dumps(content))
    old = runs.load_run(tmp_path / "right")
    assert old.config.data.text_order == "right"
    assert dataclasses.asdict(experiment.evaluate(old, split="val").measured[0].classification)["HM"] >= 0


def avgzsl(*arguments: object) -> tuple[int, str]:
    ran = CliRunner().invoke(cli.app, list(map(str, arguments)))
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    return ran.exit_code, ran.output


def test_commands(root: Path, tmp_path: Path) -> None:
    settings = [f"{key}={value}" for key, value in FEW.items() if key != "milestones"]
    code, printed = avgzsl("two-stage", root, "--out", tmp_path / "two", "--penalty", "avca-published",
                           "--text-order", "avca-published", *settings)  # fmt: skip
    assert code == 0
    assert "Calibration: stage 1, avca-published" in printed
    assert "published order" in " ".join(printed.split())
    assert (tmp_path / "two" / "test" / "tables.md").is_file()
    config = json.loads((tmp_path / "two" / "stage-2" / "config.json").read_text())
    assert config["data"]["text_order"] == "avca-published"
    code, printed = avgzsl("train", root, "--out", tmp_path / "run", "--method", "least-squares",
                           "--text-order", "avca-published")  # fmt: skip
    assert code == 0
    assert "trained, but not evaluated" in printed
    assert "two-stage" in printed
    code, printed = avgzsl("evaluate", tmp_path / "run", "--calibration", "none", "--out", tmp_path / "files")
    assert code == 0
    with pytest.raises(DataError, match="no validation clips to calibrate on"):
        experiment.evaluate(tmp_path / "run")
