"""Generated AVCA features: published lists and vectors as they are, features made up, everything read back."""

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from avgzsl import cli
from avgzsl.data.inspection.inspect import inspect
from avgzsl.data.layouts import open_dataset
from avgzsl.errors import ConfigError, DataError
from avgzsl.generators import generate
from avgzsl.generators._clip_model import ATTRIBUTES, BLUR, world_of
from tests.small_avca import MANUAL, STAGES, count, vectors, write_avca, write_lists
from tests.small_set import read_file

PUBLISHED = Path(__file__).parents[2] / "shared" / "data" / "benchmarks"
needs_published = pytest.mark.skipif(not (PUBLISHED / "UCF").is_dir(), reason="needs ../shared/data/benchmarks")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVGZSL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def lists(tmp_path: Path) -> tuple[Path, Path]:
    """Folders like the published ones: class-split alone, and a folder of word vectors."""
    root = write_avca(tmp_path / "lists", ())
    (tmp_path / "w2v").mkdir()
    np.save(tmp_path / "w2v" / "a_other_normed.npy", np.array({"Zebra": np.ones(5, np.float32)}, dtype=object))
    np.save(tmp_path / "w2v" / "word_embeddings_tiny_normed.npy", np.array(vectors(), dtype=object))
    return root, tmp_path / "w2v"


@pytest.mark.parametrize(("features", "sizes"), [("main", (512, 512)), ("cls", (128, 4096))])
def test_it_reads_back_with_the_clips_of_the_lists(
    lists: tuple[Path, Path], tmp_path: Path, features: str, sizes: tuple[int, int]
) -> None:
    out = generate("avca", tmp_path / "out", 1.0, 3, splits=lists[0], w2v=lists[1], features=features)
    assert inspect(out).problems == []
    dataset = open_dataset(out, class_split=f"{features}_split")
    clips = dataset.split("test")
    assert (clips.audio.shape[1], clips.video.shape[1]) == sizes
    expected = {f"{c}-{stage}-{i}" for stage in STAGES if "test" in stage for c in STAGES[stage]
                for i in range(count(stage, c))}  # fmt: skip
    assert set(clips.ids.tolist()) == expected
    for clip, label in zip(clips.ids.tolist(), clips.labels.tolist(), strict=True):
        assert clip.partition("-")[0].casefold() == dataset.classes.names[label].casefold()
    for name, row in zip(dataset.classes.names, dataset.classes.text.numpy(), strict=True):
        assert np.array_equal(row, vectors()[MANUAL[name]])
    assert (out / "generated.txt").read_text().count("\n") == 1


def test_a_scale_takes_the_first_clips_and_the_lists_agree(tmp_path: Path, lists: tuple[Path, Path]) -> None:
    stage = lists[0] / "class-split" / "main_split" / "stage_1_train.csv"
    rows = "".join(f"clip-{i},{name},0\n" for i in range(40) for name in STAGES["stage_1_train"])
    stage.write_text("filename,label,label_code\n" + rows.replace("clip-", "c-"))
    rows = [line.split(",")[:2] for line in stage.read_text().splitlines()[1:]]
    stage.write_text("filename,label\n" + "".join(f"{clip}-{name},{name}\n" for clip, name in rows))
    out = generate("avca", tmp_path / "out", 0.2, splits=lists[0], w2v=lists[1])
    data = read_file(out / "features/main_features/audio/stage_1_train/Zebra.h5")
    assert data[1] == [f"c-{i}-Zebra" for i in range(8)]
    with (out / "class-split/main_split/stage_1_train.csv").open() as stream:
        made = [(row["filename"], row["label"]) for row in csv.DictReader(stream)]
    assert Counter(label for _, label in made) == dict.fromkeys(STAGES["stage_1_train"], 8)


def test_a_seed_gives_the_same_bytes(lists: tuple[Path, Path], tmp_path: Path) -> None:
    made = []
    for i, seed in enumerate((1, 1, 2)):
        out = generate("avca", tmp_path / str(i), 1.0, seed, splits=lists[0], w2v=lists[1])
        made.append({str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()})
    assert made[0] == made[1]
    differ = {path for path in made[0] if made[0][path] != made[2][path]}
    assert differ == {path for path in made[0] if path.endswith(".h5")} | {"generated.txt"}


def test_clips_outside_the_class_list_get_no_features(lists: tuple[Path, Path], tmp_path: Path) -> None:
    write_lists(lists[0], "cls", "stage_2_test_unseen", ("PlayDrum",), more=("Playground",))
    out = generate("avca", tmp_path / "out", 1.0, splits=lists[0], w2v=lists[1], features="cls")
    assert not list(out.rglob("Playground.h5"))
    dataset = open_dataset(out)
    assert "left out" in dataset.notes[0] and "Playground" in dataset.notes[0]


def test_a_train_list_that_is_not_published_is_made_up_and_said(lists: tuple[Path, Path], tmp_path: Path) -> None:
    folder = lists[0] / "class-split" / "main_split"
    (folder / "stage_1_train.csv").unlink()
    (folder / "stage_2_train.csv").unlink()
    out = generate("avca", tmp_path / "out", 1.0, splits=lists[0], w2v=lists[1])
    dataset = open_dataset(out, class_split="main_split/stage-1")
    val = Counter(dataset.split("val").labels[dataset.classes.seen[dataset.split("val").labels]].tolist())
    assert Counter(dataset.split("train").labels.tolist()) == {label: 9 * n for label, n in val.items()}
    assert all(clip.startswith("made-up-") for clip in dataset.split("train").ids.tolist())
    assert "there is no main_split/stage_1_train.csv" in (out / "generated.txt").read_text()
    (folder / "stage_2_test_seen.csv").unlink()
    with pytest.raises(DataError, match=r"stage_1_train.csv, stage_2_test_seen.csv not there.*only stage_1_train.csv"):
        generate("avca", tmp_path / "other", 1.0, splits=lists[0], w2v=lists[1])


def test_classes_look_as_their_words_say() -> None:
    """Correlation of attributes with the standardised image of the words is sqrt(1 - b^2), and kin come from words."""
    rng = np.random.default_rng(0)
    text = rng.standard_normal((400, 30)).astype(np.float32)
    text[1] = text[0]
    world = world_of(0, text, {"audio": 4, "video": 4})
    assert np.array_equal(world.text, text)
    assert np.allclose(world.attributes.var(0), 1, atol=0.25)
    fitted, *_ = np.linalg.lstsq(np.c_[text, np.ones(400)], world.attributes, rcond=None)
    left = world.attributes - np.c_[text, np.ones(400)] @ fitted
    assert left.var() == pytest.approx(BLUR**2 * (1 - 31 / 400), rel=0.05)
    near = np.square(world.attributes[0] - world.attributes[1]).sum()
    far = np.square(world.attributes[0] - world.attributes[2:]).sum(1).mean()
    assert near < 0.5 * far
    assert world.attributes.shape == (400, ATTRIBUTES)


def test_options_are_of_their_kind(lists: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="avca needs --splits, --w2v; give them too"):
        generate("avca", tmp_path / "out")
    with pytest.raises(ConfigError, match="audioset-zsl takes no option splits; it takes audio_dim"):
        generate("audioset-zsl", tmp_path / "out", splits=lists[0])
    with pytest.raises(ConfigError, match="scale is 0"):
        generate("avca", tmp_path / "out", 0.0, splits=lists[0], w2v=lists[1])
    with pytest.raises(DataError, match=r"no \.npy with vectors for all 9 classes"):
        generate("avca", tmp_path / "out", splits=lists[0], w2v=lists[1] / "a_other_normed.npy")
    assert not (tmp_path / "out").exists()


def test_the_command(lists: tuple[Path, Path], tmp_path: Path) -> None:
    def avgzsl(*arguments: object) -> tuple[str, BaseException | None]:
        ran = CliRunner().invoke(cli.app, list(map(str, arguments)))
        return ran.output, ran.exception

    where = ("--splits", lists[0], "--w2v", lists[1])
    printed, problem = avgzsl("generate", "avca", "--out", tmp_path / "out", *where, "--features", "cls")
    assert problem is None
    assert "Made up: every feature (cls, seed 0" in printed
    assert open_dataset(tmp_path / "out").class_split == "cls_split"
    _, problem = avgzsl("generate", "audioset-zsl", "--out", tmp_path / "other", "--w2v", lists[1])
    assert isinstance(problem, ConfigError)
    assert "audioset-zsl takes no option w2v" in str(problem)


@needs_published
def test_ucf_as_it_is_published(tmp_path: Path) -> None:
    out = generate("avca", tmp_path / "UCF", 0.01, splits=PUBLISHED / "UCF", w2v=PUBLISHED / "w2v")
    first, second = (open_dataset(out, class_split=name) for name in ("main_split/stage-1", "main_split"))
    assert [len(dataset.classes) for dataset in (first, second)] == [42, 51]
    assert torch.bincount(second.split("train").labels, minlength=51).count_nonzero() == 42
    assert (
        len(first.split("train")), len(first.split("val")), len(second.split("train")), len(second.split("test")),
    ) == (5 * 30, 5 * 42, 5 * (30 + 42), 5 * 51)  # fmt: skip
    listed = (PUBLISHED / "UCF/class-split/main_split/stage_1_train.csv").read_text()
    assert all(f"{clip}," in listed for clip in first.split("train").ids.tolist())
