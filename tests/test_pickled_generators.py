"""Generated trees of TCaF and ClipClap: lists as published, features made up, read back, trained and tested."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize
from typer.testing import CliRunner

from avgzsl import cli
from avgzsl.data.inspection.inspect import inspect
from avgzsl.data.layouts import open_dataset
from avgzsl.data.layouts._avca_text import mislabelled
from avgzsl.experiments.two_stage import two_stage
from avgzsl.generators import generate
from avgzsl.generators._clip_model import make_clips, world_of
from tests.small_avca import MANUAL, STAGES, count, vectors, write_avca

PUBLISHED = Path(__file__).parents[2] / "shared" / "data" / "benchmarks"
needs_published = pytest.mark.skipif(not (PUBLISHED / "UCF").is_dir(), reason="needs ../shared/data/benchmarks")
DIMS = {"audio_dim": 24, "video_dim": 32}
FEW = {"epochs": 2, "batch_size": 16, "hidden": 8, "embedding": 6, "milestones": [1]}
FOLDER = "cls_features_non_averaged"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVGZSL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def lists(tmp_path: Path) -> dict[str, Path]:
    """Folders like the published ones: class-split alone, and a folder of word vectors."""
    root = write_avca(tmp_path / "lists", ())
    (tmp_path / "w2v").mkdir()
    np.save(tmp_path / "w2v" / "word_embeddings_tiny_normed.npy", np.array(vectors(), dtype=object))
    return {"splits": root, "w2v": tmp_path / "w2v"}


def content(path: Path) -> dict:
    return pickle.loads(path.read_bytes())  # noqa: S301 (our own)


@pytest.mark.parametrize("kind", ["tcaf", "clipclap"])
def test_it_reads_back_with_the_clips_of_the_lists(lists: dict[str, Path], tmp_path: Path, kind: str) -> None:
    out = generate(kind, tmp_path / "out", 1.0, 3, **lists, **DIMS)
    report = inspect(out)
    assert report.problems == []
    assert {name: about["dimension"] for name, about in report.modalities.items()} == {"audio": 24, "video": 32}
    clips = open_dataset(out, class_split="cls_split").split("test")
    expected = {f"{c}-{stage}-{i}" for stage in STAGES if "test" in stage for c in STAGES[stage]
                for i in range(count(stage, c))}  # fmt: skip
    assert set(clips.ids.tolist()) == expected
    assert "Made up: every feature" in (out / "generated.txt").read_text()


@pytest.mark.parametrize("kind", ["tcaf", "clipclap"])
def test_a_seed_gives_the_same_bytes(lists: dict[str, Path], tmp_path: Path, kind: str) -> None:
    made = []
    for i, seed in enumerate((1, 1, 2)):
        out = generate(kind, tmp_path / str(i), 1.0, seed, **lists, **DIMS)
        made.append({str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()})
    assert made[0] == made[1]
    differ = {path for path in made[0] if made[0][path] != made[2][path]}
    text = {path for path in made[0] if path.endswith(".npy")} if kind == "clipclap" else set()
    assert differ == {path for path in made[0] if path.endswith(".pkl")} | text | {"generated.txt"}


def test_sequences_last_as_long_as_their_clips_and_mean_what_vectors_do(lists: dict[str, Path], tmp_path: Path) -> None:
    out = generate("tcaf", tmp_path / "out", 1.0, 3, **lists, video_dim=400)
    path = out / "features" / FOLDER / "{}" / "stage_1_train" / "Archery.pkl"
    audio, video = (content(Path(str(path).format(modality))) for modality in ("audio", "video"))
    assert audio["video_names"] == video["video_names"] and video["fps"] == [25.0] * len(video["features"])
    assert audio["features"][0].shape[1] == 128
    for heard, seen in zip(audio["features"], video["features"], strict=True):
        assert abs(len(heard) * 0.96 - len(seen) * 0.64) < 0.96
        assert 2 / 0.64 - 1 <= len(seen) <= 10 / 0.64
        assert np.array_equal(heard, np.rint(heard)) and heard.min() >= 0 and heard.max() <= 255
    text = np.stack([vectors()[MANUAL[name]] for name in sorted(MANUAL)])
    world = world_of(3, text, {"audio": 128, "video": 400})
    rows = make_clips(world, sorted(MANUAL).index("Archery"), 0, len(video["features"]))["video"]
    for row, steps in zip(rows, video["features"], strict=True):
        assert np.corrcoef(row, steps.mean(0))[0, 1] > 0.95
    assert max(steps.mean(1).max() / steps.mean(1).min() for steps in video["features"]) > 1.5  # an event stands out


def test_text_lies_in_the_spaces_of_the_features(lists: dict[str, Path], tmp_path: Path) -> None:
    """So a clip is nearer to its own class than to another, without any training."""
    out = generate("clipclap", tmp_path / "out", 1.0, 3, **lists)
    dataset = open_dataset(out)
    assert [part.width for part in dataset.classes.parts] == [512, 1024]
    assert any("text of two parts: word_embeddings_tiny_normed.npy (512), then wavcaps_" in n for n in dataset.notes)
    clips = dataset.split("train")
    assert torch.allclose(clips.video.norm(dim=1), torch.ones(len(clips)), atol=1e-5)
    clip, clap = dataset.classes.text.split([512, 1024], dim=1)
    for rows, text in ((clips.video, clip), (clips.audio, clap)):
        cosine = normalize(rows, dim=1) @ normalize(text, dim=1).T
        own = cosine[torch.arange(len(clips)), clips.labels]
        assert (own > cosine.mean(1)).float().mean() > 0.8


def test_ucf_has_the_names_of_clip(lists: dict[str, Path], tmp_path: Path) -> None:
    folder = lists["splits"] / "class-split"
    (folder / "tiny_w2v_class_names.csv").rename(folder / "ucf_w2v_class_names.csv")
    out = generate("clipclap", tmp_path / "out", 1.0, **lists, **DIMS)
    keys = np.load(out / "features" / FOLDER / "text" / "wavcaps_word_embeddings_tiny_normed.npy", allow_pickle=True)
    assert "Play Piano" in keys.item() and "Playground" in keys.item() and "A Playground" not in keys.item()
    assert inspect(out).problems == []
    assert mislabelled(out)[0] == 0


@pytest.mark.parametrize("kind", ["tcaf", "clipclap"])
def test_it_trains_and_is_tested_in_two_stages(lists: dict[str, Path], tmp_path: Path, kind: str) -> None:
    out = generate(kind, tmp_path / "out", 1.0, **lists, **DIMS)
    found = two_stage(out, "avgzslnet", out=tmp_path / "run", settings={**FEW, "attention_epochs": 1})
    assert (tmp_path / "run" / "stage-2").is_dir()
    assert found.provenance["epochs"] in (1, 2)


def test_the_commands(lists: dict[str, Path], tmp_path: Path) -> None:
    where = ["--splits", str(lists["splits"]), "--w2v", str(lists["w2v"])]
    for kind, more in (("tcaf", ["--features", "main"]), ("clipclap", [])):
        ran = CliRunner().invoke(cli.app, ["generate", kind, "--out", str(tmp_path / kind), *where, *more])
        assert ran.exception is None and "Made up: every feature" in ran.output
    assert open_dataset(tmp_path / "tcaf").split("test").video.shape[1] == 512
    inspected = CliRunner().invoke(cli.app, ["inspect", str(tmp_path / "tcaf")])
    assert inspected.exception is None and "avca" in inspected.output


@needs_published
@pytest.mark.parametrize("kind", ["tcaf", "clipclap"])
def test_ucf_as_it_is_published(tmp_path: Path, kind: str) -> None:
    out = generate(kind, tmp_path / "UCF", 0.01, splits=PUBLISHED / "UCF", w2v=PUBLISHED / "w2v", **DIMS)
    first, second = (open_dataset(out, class_split=name) for name in ("cls_split/stage-1", "cls_split"))
    assert len(second.classes) == int(second.classes.seen.sum()) + 6
    assert torch.bincount(second.split("train").labels).count_nonzero() == int(second.classes.seen.sum())
    assert len(first.split("train")) == 5 * int(first.classes.seen.sum())
    assert inspect(out).problems == []
    assert mislabelled(out) == ((0, 101) if kind == "clipclap" else (79, 101))
