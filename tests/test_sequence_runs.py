"""A run whose method reads sequences: what it records, new clips, an index, and that methods of vectors see means."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic.dataclasses import dataclass
from torch import Tensor

from avgzsl import embed_clips, evaluate, index, load_run, open_dataset, predict, search, split, train
from avgzsl.archive.collection import open_index
from avgzsl.archive.embeddings import mapped, unpack
from avgzsl.data.clips import ClassTable, ClipSet, Dataset, as_sequences
from avgzsl.errors import RunError
from avgzsl.experiments.run import Run
from avgzsl.features.extract import extract
from avgzsl.learning.training import SETTINGS, Job
from avgzsl.methods import Embeddings
from avgzsl.methods.least_squares import LeastSquares
from avgzsl.types import MODALITIES, EncoderChoice, Modality
from tests.small_clips import write_clip
from tests.small_weights import weights

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class Peaks(LeastSquares, name="peaks-of-steps"):
    """Least squares on the largest value over a clip's steps."""

    sequences = True

    def learn_from(self, train: ClipSet, classes: ClassTable, job: Job) -> None:
        super().learn_from(peaks(train), classes, job)

    def embed_chunk(self, clips: ClipSet) -> Embeddings:
        return super().embed_chunk(peaks(clips))


def peaks(clips: ClipSet) -> ClipSet:
    found: dict[str, Tensor] = {}
    for modality in MODALITIES:
        if (own := as_sequences(clips, modality)) is not None:
            x, mask = own.padded(torch.arange(len(clips)))
            largest = x.masked_fill(~mask[..., None], -torch.inf).amax(1)
            found[modality] = torch.where(mask.any(1)[:, None], largest, 0.0)
    return replace(clips, sequences={}, **found)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four classes of three clips, one of them without sound."""
    folder = tmp_path_factory.mktemp("clips")
    for number, name in enumerate(("bell", "drum", "flute", "horn")):
        for i in range(3):
            seed, heard = 5 * number + i, (number, i) != (0, 0)
            write_clip(folder / name / f"{i}.mp4", seed, 1.0 + 0.4 * i, sound=heard)
    return folder


def encoders(**more: Any) -> EncoderChoice:
    return EncoderChoice(audio=f"clap:{weights('clap')}", video=f"clip:{weights('clip')}", device="cpu", **more)


def store(root: Path, folder: Path, keep: bool) -> Path:
    choice = encoders(text="hashed-words")
    extract(root, folder, encoders=choice, labels_from_folders=True, workers=1, keep_sequence=keep)
    split(folder, unseen=0.25, val=0.0, test=0.34, name="one")
    return folder


@pytest.fixture(scope="module")
def kept(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return store(root, tmp_path_factory.mktemp("kept") / "store", True)


@pytest.fixture(scope="module")
def means(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return store(root, tmp_path_factory.mktemp("means") / "store", False)


@pytest.fixture(scope="module")
def run(kept: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(kept, Peaks, out=tmp_path_factory.mktemp("run") / "run", validate_every=0)


def all_clips(data: Dataset) -> ClipSet:
    """Every clip of a store in one set, in the order of the splits."""
    parts = [data.split(name) for name in data.splits]
    columns: dict[str, Any] = {
        name: torch.cat([getattr(part, name) for part in parts])
        for name in ("audio", "video", "labels", "has_audio", "has_video")
    }
    own: Mapping[Modality, Any] = {
        m: replace(
            parts[0].sequences[m],
            first=torch.cat([part.sequences[m].first for part in parts]),
            length=torch.cat([part.sequences[m].length for part in parts]),
        )
        for m in parts[0].sequences
    }
    return ClipSet(ids=np.concatenate([part.ids for part in parts]), sequences=own, **columns)


def same(one: Embeddings, other: Embeddings) -> bool:
    """Row by row, whatever is marked as absent."""
    return all(
        torch.equal(one.has(m), other.has(m))
        and torch.allclose(one.of(m)[one.has(m)], other.of(m)[other.has(m)], atol=1e-4)  # type: ignore[index]
        for m in MODALITIES
    )


def test_the_run_records_that_it_reads_sequences(run: Run) -> None:
    again = load_run(run.folder, Peaks)
    assert set(again.config.data.sequences) == {"audio", "video"}
    assert evaluate(again, calibration="none").results


def test_new_clips_are_embedded_with_their_steps(run: Run, root: Path, kept: Path) -> None:
    clips = all_clips(open_dataset(kept))
    files = [root / str(name) for name in clips.ids.tolist()]
    found = embed_clips(run, files, encoders=encoders()).embeddings
    assert same(found, run.method.embed_clips(clips))
    assert not same(found, run.method.embed_clips(replace(clips, sequences={})))
    assert not [row["error"] for row in predict(run, files[:3], encoders=encoders()).rows() if row.get("error")]


def embedded(folder: Path) -> list[list[float]]:
    """What an index holds, in no order."""
    collection = open_index(folder, method=Peaks)
    found = unpack(np.array(mapped(folder, 12, collection.record)), collection.record)
    collection.close()
    return rows_of(found)


def rows_of(found: Embeddings) -> list[list[float]]:
    has = torch.stack([found.has_audio, found.has_video], 1).float()
    parts = [torch.where(found.has(m)[:, None], found.of(m), 0.0) for m in MODALITIES]  # type: ignore[arg-type]
    return sorted([*row] for row in torch.cat([has, *parts], 1).tolist())


def test_an_index_of_a_store_or_of_files_embeds_whole_clips(run: Run, root: Path, kept: Path, tmp_path: Path) -> None:
    clips = all_clips(open_dataset(kept))
    expected = np.array(rows_of(run.method.embed_clips(clips)))
    index(run, kept, tmp_path / "store")
    np.testing.assert_allclose(embedded(tmp_path / "store"), expected, atol=1e-4)
    index(run, root, tmp_path / "files")
    np.testing.assert_allclose(embedded(tmp_path / "files"), expected, atol=1e-4)
    assert index(run, kept, tmp_path / "store").added == 0
    own = open_index(tmp_path / "files", method=Peaks)
    (nearest,) = search(own, like=root / "drum" / "1.mp4", by="video", modality="video", top=1).items
    assert nearest.path == str(root / "drum" / "1.mp4")
    assert nearest.score == pytest.approx(1, abs=1e-5)
    own.close()


def test_an_index_of_means_is_refused(run: Run, means: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"has audio and video as means alone, and .* extract the clips again with"):
        index(run, means, tmp_path / "index")
    assert not (tmp_path / "index").exists()


def test_methods_of_vectors_see_the_means_byte_for_byte(kept: Path, means: Path, tmp_path: Path) -> None:
    made = [train(data, "least-squares", out=tmp_path / data.parent.name, validate_every=0) for data in (kept, means)]
    for name in ("model.safetensors", "classes.safetensors"):
        one, other = ((run.folder / name).read_bytes() for run in made)
        assert one == other
    assert "sequences" not in (made[0].folder / "config.json").read_text()
    results = [evaluate(run, calibration="none").rows() for run in made]
    assert results[0] == results[1]
    index(made[0], kept, tmp_path / "index")
    assert index(made[0], kept, tmp_path / "index").added == 0


def test_a_method_of_sequences_takes_clips_that_are_vectors(means: Path, tmp_path: Path) -> None:
    """Each vector is one step: the peak is the vector itself."""
    run = train(means, Peaks, out=tmp_path / "run", validate_every=0)
    assert not run.config.data.sequences
    plain = train(means, LeastSquares, out=tmp_path / "plain", validate_every=0)
    clips = open_dataset(means).split("test")
    assert same(run.method.embed_clips(clips), plain.method.embed_clips(clips))
    assert LeastSquares.sequences is False


def test_resuming_asks_for_the_same_sequences(run: Run, kept: Path) -> None:
    assert train(kept, Peaks, out=run.folder, validate_every=0, resume=True).config == run.config
