"""Where the rate of a method goes by validation, it is looked at after each epoch, whoever fits the method."""

import json
from pathlib import Path
from typing import Any

import pytest

from avgzsl.data.clips import Dataset
from avgzsl.experiments import trial
from avgzsl.experiments.train_evaluate import train
from avgzsl.learning.training import Job
from avgzsl.methods import Method, build
from tests.worlds import world

FEW: dict[str, Any] = {"attention": "none", "epochs": 3, "lr": 1e-5, "milestones": ()}


@pytest.fixture(scope="module")
def data() -> Dataset:
    return world(0)


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Those of all fits."""
    seen: list[Job] = []
    fit = Method.fit

    def told(self: Any, train: Any, classes: Any, job: Any = None) -> Any:
        seen.append(job)
        return fit(self, train, classes, job)

    monkeypatch.setattr(Method, "fit", told)
    return seen


@pytest.mark.parametrize(
    ("plateau", "asked", "looked"), [(1, None, [1, 2, 3]), (0, None, [3]), (1, 10, [3]), (1, 2, [2, 3]), (1, 0, [])]
)
def test_a_run_is_looked_at_as_its_plateau_needs_unless_it_is_said(
    data: Dataset, plateau: int, asked: int | None, looked: list[int], tmp_path: Path
) -> None:
    settings = {**FEW, "plateau": plateau}
    train(data, "avgzslnet", out=tmp_path / "run", settings=settings, validate_every=asked)
    records = map(json.loads, (tmp_path / "run" / "history.jsonl").read_text().splitlines())
    assert [record["epoch"] for record in records if "val_HM" in record] == looked


@pytest.mark.parametrize("plateau", [0, 1])
def test_cells_of_the_benchmark_and_trials_of_the_tuning_look_after_each_epoch_where_val_may_be_seen(
    data: Dataset, plateau: int, jobs: list[Job]
) -> None:
    settings = {**FEW, "plateau": plateau}
    trial.tested(data, "avgzslnet", settings, 0, "val", False)
    trial.validation_hm(data, "avgzslnet", settings, "val", 1, 0)
    looked = len(jobs)
    trial.tested(data, "avgzslnet", settings, 0, "pseudo-unseen", False)
    trial.validation_hm(data, "avgzslnet", settings, "pseudo-unseen", 2, 0)
    assert (looked, len(jobs)) == (2, 2 + (1 + 3) + 2)
    for place, job in enumerate(jobs):
        assert (job.monitor is not None) == bool(plateau and place < looked), "no label of an unseen class is looked at"
        looks = [record for record in job.history if "val_HM" in record]
        assert len(looks) == (3 if plateau and place < looked else 0)


def test_a_cell_has_the_rate_that_its_looks_say(data: Dataset, jobs: list[Job]) -> None:
    """At such a rate nothing rises, so from the third epoch it is a tenth of it."""
    trial.tested(data, "avgzslnet", {**FEW, "plateau": 1, "epochs": 5, "lr": 1e-9}, 0, "val", False)
    assert [record["lr"] for record in jobs[0].history] == pytest.approx([1e-9] * 3 + [1e-10] * 2)
    assert build("clipclap").plateau == 3
