"""Indexes made from embeddings, without training: a method that only compares. Used by the tests of the index."""

from pathlib import Path

import numpy as np
import torch

from avgzsl.archive import clip_database
from avgzsl.archive.clip_table import IndexedClip
from avgzsl.archive.collection import Collection, append, apply, writing
from avgzsl.archive.index_record import FORMAT, IndexRecord, write_record
from avgzsl.experiments.protocol import Mode
from avgzsl.experiments.run import Run
from avgzsl.experiments.run_record import Config
from avgzsl.methods import Embeddings, Method
from avgzsl.support.confidential import Address

SERVER = "http://localhost:6333"
MODES = [Mode("audio", "equal"), Mode("video", "equal"), Mode("both", "equal"), Mode("both", "attention")]


class Compares(Method):
    """A method whose clips are embedded already."""

    name = "compares"
    modalities = ("audio", "video", "both")
    fusions = ("equal", "attention")

    def __init__(self, similarity, modes=MODES):
        self.by = similarity
        self.modalities = tuple(dict.fromkeys(mode.modality for mode in modes))

    @property
    def similarity(self):
        return self.by

    def learn_from(self, train, classes, job): ...
    def embed_chunk(self, clips): ...
    def learned(self): ...
    def restore_learned(self, state, sizes): ...


def random_embeddings(n: int, d: int, seed: int) -> Embeddings:
    """Clusters with random weights; a fifth of the clips lacks audio, another video; the last rows repeat the first.

    Of every third clip, sound and picture lie in different clusters: far apart, for the bound to be loose.
    """
    g = torch.Generator().manual_seed(seed)
    centre = torch.randn(20, d, generator=g)
    place = torch.randint(20, (n,), generator=g)
    other = torch.where(torch.arange(n) % 3 == 0, torch.randint(20, (n,), generator=g), place)
    audio, video = (centre[c] + 0.4 * torch.randn(n, d, generator=g) for c in (place, other))
    lacking = torch.randint(5, (n,), generator=g)
    weight = torch.rand(n, generator=g)
    weight[::7] = (weight[::7] > 0.5).float()  # hard attention
    clips = Embeddings(audio, video, None, lacking != 0, lacking != 1, weight)
    tenth = n // 10
    for values in (clips.audio, clips.video, clips.has_audio, clips.has_video, clips.video_weight):
        values[-tenth:] = values[:tenth].clone()
    return clips


def clips_of(embeddings: Embeddings, first: int = 0, **known) -> list[IndexedClip]:
    flags = zip(embeddings.has_audio.tolist(), embeddings.has_video.tolist(), strict=True)
    return [
        IndexedClip(f"clip-{first + i}", f"hash-{first + i}", has_audio=audio, has_video=video, **known)
        for i, (audio, video) in enumerate(flags)
    ]


def collection_of(folder: Path, clips: Embeddings, similarity="mse", engine="memory", modes=MODES) -> Collection:
    """An index of these embeddings; all but the last ten clips are in the engine."""
    collection = empty_collection(folder, clips.audio.shape[1], similarity, engine, modes)
    rest = len(clips.has_audio) - 10
    with writing(collection) as db:
        for start in range(0, rest, 3000):
            part = rows(clips, range(start, min(start + 3000, rest)))
            append(collection, db, clips_of(part, start), part)
            apply(collection, db, enough=1)
        part = rows(clips, range(rest, rest + 10))
        append(collection, db, clips_of(part, rest), part)
    return collection


def empty_collection(folder: Path, d: int, similarity="mse", engine="memory", modes=MODES) -> Collection:
    url = SERVER if engine == "qdrant" else None
    record = IndexRecord(
        format=FORMAT, id="0" * 16, run="none", method="compares", fingerprint="none", engine=engine, url=url,
        parts=("audio", "video"), dimension=d,
    )  # fmt: skip
    clip_database.create(folder)
    write_record(folder, record)
    address = None if url is None else Address(url)
    return Collection(folder, record, Run(folder, Config.model_construct(), Compares(similarity, modes)), address)


def rows(clips: Embeddings, index) -> Embeddings:
    keep = torch.zeros(len(clips.has_audio), dtype=torch.bool)
    keep[list(index)] = True
    return clips.where(keep)


def brute_force(method: Method, clips: Embeddings, text, mode: Mode, k: int):
    """The k best of all clips that can be scored, by `Method.compare` of all at once; ties by position."""
    keep = clips.scorable(mode.modality)
    scores = method.compare(clips.where(keep), text, *mode)[:, 0].numpy()
    positions = keep.nonzero()[:, 0].numpy()
    order = np.lexsort((positions, -scores))[:k]
    return positions[order], scores[order]


def compared(method: Method, clips: Embeddings, text, mode: Mode) -> dict[str, float]:
    """The score of each clip that can be scored."""
    keep = clips.scorable(mode.modality)
    scores = method.compare(clips.where(keep), text, *mode)[:, 0].tolist()
    return {f"clip-{i}": score for i, score in zip(keep.nonzero()[:, 0].tolist(), scores, strict=True)}
