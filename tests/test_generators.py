"""Generated data: the counts of the real thing, the same for a seed, and as hard as it should be."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from avgzsl.data.clips import ClipSet, Dataset
from avgzsl.data.inspection.inspect import inspect
from avgzsl.data.layouts import open_dataset
from avgzsl.errors import AvgzslError, ConfigError, DataError, UnknownNameError
from avgzsl.generators import audioset_zsl, generate, generators
from avgzsl.generators._clip_model import make_clips, make_world
from avgzsl.support.progress import Step

PUBLISHED = Path(__file__).parents[2] / "shared" / "data" / "benchmarks" / "AudioSetZSL"
SMALL = {"audio_dim": 12, "video_dim": 10, "text_dim": 8}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVGZSL_CACHE", str(tmp_path / "cache"))


def content(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_the_table_is_the_published_one() -> None:
    counts = audioset_zsl.counts()
    # totals of methods.md 0.2: the table there is counted independently of the csv
    assert [sum(column) for column in zip(*counts.values(), strict=True)] == [93865, 31271, 31280]
    assert len(counts) == 33


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="needs ../shared/data/benchmarks/AudioSetZSL")
def test_counts_and_lists_against_the_published_files(tmp_path: Path) -> None:
    with (PUBLISHED / "counts.csv").open() as stream:
        expected = {row["class"]: (int(row["trn"]), int(row["val"]), int(row["tst"])) for row in csv.DictReader(stream)}
    assert audioset_zsl.counts() == expected
    generate("audioset-zsl", tmp_path / "out", 0.001, **SMALL)
    for kind in ("all", "seen", "unseen"):
        ours, theirs = (root / "class-split" / f"{kind}_class.txt" for root in (tmp_path / "out", PUBLISHED))
        assert ours.read_text() == theirs.read_text().rstrip(",\n")


def test_it_reads_back_without_a_problem(tmp_path: Path) -> None:
    out = generate("audioset-zsl", tmp_path / "out", 0.002, 3, **SMALL)
    dataset = open_dataset(out)
    assert dataset.notes == ()
    assert int(dataset.classes.seen.sum()) == 23
    for split, column in (("train", 0), ("val", 1), ("test", 2)):
        clips = dataset.split(split)
        assert (clips.audio.shape[1], clips.video.shape[1], dataset.classes.text.shape[1]) == (12, 10, 8)
        expected = [max(5, round(counts[column] * 0.002)) for counts in audioset_zsl.counts().values()]
        assert torch.bincount(clips.labels).tolist() == expected
        assert float(clips.audio.min()) == 0.0
    report = inspect(out).json()
    assert report["problems"] == []
    assert not any("number for number" in remark for remark in report["remarks"])


def test_a_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    made = [
        content(generate("audioset-zsl", tmp_path / str(i), 0.001, seed, **SMALL)) for i, seed in enumerate((7, 7, 8))
    ]
    assert made[0] == made[1]
    differing = {path for path in made[0] if made[0][path] != made[2][path]}
    assert differing == {path for path in made[0] if "features" in path} | {"generated.txt"}  # which names the seed


def test_a_class_does_not_hang_on_the_size_of_another() -> None:
    world = make_world(0, ["a", "a", "b"], 8, {"audio": 12, "video": 10})
    before = make_clips(world, 2, 0, 9)
    make_clips(world, 1, 0, 500)
    after = make_clips(world, 2, 0, 9)
    assert all(np.array_equal(before[modality], after[modality]) for modality in before)
    other = make_clips(world, 2, 1, 9)
    assert not np.array_equal(before["audio"], other["audio"])


def test_progress_counts_classes(tmp_path: Path) -> None:
    said: list[tuple[int, int]] = []
    generate(
        "audioset-zsl", tmp_path / "out", 0.001, progress=lambda step: said.append((step.done, step.total)), **SMALL
    )
    assert said == [(i, 33) for i in range(1, 34)]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    generate("audioset-zsl", tmp_path / "out", 0.001, **SMALL)  # an empty folder is welcome
    before = content(tmp_path / "out")
    with pytest.raises(DataError, match="not an empty folder"):
        generate("audioset-zsl", tmp_path / "out", 0.001, 5, **SMALL)
    assert content(tmp_path / "out") == before


def test_whole_or_absent(tmp_path: Path) -> None:
    def stop(step: Step) -> None:
        if step.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate("audioset-zsl", tmp_path / "out", 0.001, progress=stop, **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AvgzslError, match="could not be written"):
        generate("audioset-zsl", tmp_path / "file" / "out", 0.001, **SMALL)


@pytest.mark.parametrize(
    ("scale", "seed", "options", "message"),
    [
        (0.0, 0, {}, "scale is 0"),
        (float("nan"), 0, {}, "scale is nan"),
        (0.1, -1, {}, "seed is -1"),
        (0.1, 0, {"audio_dim": 0}, "audio_dim is 0"),
    ],
)
def test_bad_numbers_are_named(tmp_path: Path, scale: float, seed: int, options: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        generate("audioset-zsl", tmp_path / "out", scale, seed, **options)
    assert list(tmp_path.iterdir()) == []


def test_kinds_are_listed_and_unknown_ones_named(tmp_path: Path) -> None:
    assert list(generators()) == ["audioset-zsl", "avca", "clips"]
    with pytest.raises(UnknownNameError, match="did you mean audioset-zsl"):
        generate("audioset", tmp_path / "out")


def ridge(dataset: Dataset, modality: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores of validation and test clips: features to text vectors by class-weighted least squares, then cosine."""
    unit = torch.nn.functional.normalize
    seen = dataset.classes.seen
    text = unit(dataset.classes.text)
    centre = text[seen].mean(0)
    train = dataset.split("train").where(seen[dataset.split("train").labels])
    weight = 1 / torch.bincount(train.labels, minlength=33)[train.labels].float()
    weight = (weight / weight.mean())[:, None]
    rows = unit(train.feature(modality))
    mean = (weight * rows).mean(0)
    gram = (weight * (rows - mean)).T @ (rows - mean) + torch.eye(rows.shape[1])
    matrix = torch.linalg.solve(gram, (weight * (rows - mean)).T @ (text[train.labels] - centre))

    def scores(clips: ClipSet) -> torch.Tensor:
        return unit((unit(clips.feature(modality)) - mean) @ matrix) @ unit(text - centre).T

    return scores(dataset.split("val")), scores(dataset.split("test"))


def recalls(predicted: torch.Tensor, labels: torch.Tensor, seen: torch.Tensor) -> tuple[float, float]:
    right = [(predicted[labels == c] == c).float().mean() for c in range(33)]
    return tuple(float(torch.stack([r for r, s in zip(right, seen, strict=True) if s == k]).mean()) for k in (1, 0))


def harmonic(pair: tuple[float, float]) -> float:
    return 2 * pair[0] * pair[1] / max(sum(pair), 1e-9)


@pytest.mark.parametrize("seed", [0, 1])
def test_it_is_as_hard_as_it_should_be(tmp_path: Path, seed: int) -> None:
    """A linear method: unseen classes above twice chance and well below seen ones; both modalities beat each."""
    dataset = open_dataset(generate("audioset-zsl", tmp_path / "out", 0.05, seed))
    seen = dataset.classes.seen
    val, test = dataset.split("val"), dataset.split("test")
    scores = {modality: ridge(dataset, modality) for modality in ("audio", "video")}
    scores["both"] = tuple(a + v for a, v in zip(*scores.values(), strict=True))
    found = {}
    for modality, (on_val, on_test) in scores.items():
        gap = on_val[:, seen].amax(1) - on_val[:, ~seen].amax(1)
        grid = torch.quantile(gap, torch.linspace(0, 1, 60))
        best = max(grid, key=lambda g: harmonic(recalls((on_val - g * seen).argmax(1), val.labels, seen)))
        s, u = recalls((on_test - best * seen).argmax(1), test.labels, seen)
        zsl = recalls(on_test.masked_fill(seen, -9).argmax(1), test.labels, seen)[1]
        found[modality] = (s, u, harmonic((s, u)), zsl)
    s, u, _, zsl = found["both"]
    assert 2 / 33 < u < 0.7 * s
    assert 0.2 < zsl < 0.7 * s
    assert found["both"][2] > max(found["video"][2], found["audio"][2])
