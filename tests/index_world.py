"""Indexes made from embeddings, without training: a method that only compares. Used by the tests of the index."""

from pathlib import Path

import numpy as np
import torch

from avgzsl.archive import clip_database
from avgzsl.archive.changing import append, apply, writing
from avgzsl.archive.clip_table import IndexedClip
from avgzsl.archive.collection import Collection
from avgzsl.archive.index_record import FORMAT, IndexRecord, write_record
from avgzsl.experiments.protocol import Mode
from avgzsl.experiments.run import Run
from avgzsl.experiments.run_record import Config
from avgzsl.methods import Embeddings, Method, TextEmbeddings
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
        self.fusions = tuple(mode.fusion for mode in modes if mode.modality == "both")

    @property
    def similarity(self):
        return self.by

    def learn_from(self, train, classes, job): ...
    def embed_chunk(self, clips): ...
    def learned(self): ...
    def restore_learned(self, state, sizes): ...


def random_embeddings(n: int, d: int, seed: int, of_video: int | None = None) -> Embeddings:
    """Clusters with random weights; a fifth of the clips lacks audio, another video; the last rows repeat the first.

    Of every third clip, sound and picture lie in different clusters: far apart, for the bound to be loose.
    """
    g = torch.Generator().manual_seed(seed)
    centre = torch.randn(20, d, generator=g)
    place = torch.randint(20, (n,), generator=g)
    other = torch.where(torch.arange(n) % 3 == 0, torch.randint(20, (n,), generator=g), place)
    audio, video = (centre[c] + 0.4 * torch.randn(n, d, generator=g) for c in (place, other))
    video = video if of_video is None else torch.cat([video] * (of_video // d + 1), 1)[:, :of_video] * 0.7
    lacking = torch.randint(5, (n,), generator=g)
    weight = torch.rand(n, generator=g)
    weight[::7] = (weight[::7] > 0.5).float()  # hard attention
    clips = Embeddings(audio, video, None, lacking != 0, lacking != 1, weight)
    tenth = n // 10
    for values in (clips.audio, clips.video, clips.has_audio, clips.has_video, clips.video_weight):
        values[-tenth:] = values[:tenth].clone()
    return clips


def here(t: torch.Tensor) -> TextEmbeddings:
    """A point of the one space in which text meets sound and picture."""
    return TextEmbeddings.shared(t[None])


def clips_of(embeddings: Embeddings, first: int = 0, **known) -> list[IndexedClip]:
    flags = zip(embeddings.has_audio.tolist(), embeddings.has_video.tolist(), strict=True)
    return [
        IndexedClip(f"clip-{first + i}", f"hash-{first + i}", has_audio=audio, has_video=video, **known)
        for i, (audio, video) in enumerate(flags)
    ]


def collection_of(
    folder: Path, clips: Embeddings, similarity="mse", engine="memory", modes=MODES, **known
) -> Collection:
    """An index of these embeddings; all but the last ten clips are in the engine. `known` is told by its record."""
    sizes = {"audio": clips.audio.shape[1], "video": clips.video.shape[1]}
    collection = empty_collection(folder, clips.audio.shape[1], similarity, engine, modes, dimensions=sizes, **known)
    if known.get("energy"):
        collection.__dict__["seen_text"] = seen_points(sizes, collection.record.joined)
    rest = len(clips.has_audio) - 10
    with writing(collection) as db:
        for start in range(0, rest, 3000):
            part = rows(clips, range(start, min(start + 3000, rest)))
            append(collection, db, clips_of(part, start), part)
            apply(collection, db, enough=1)
        part = rows(clips, range(rest, rest + 10))
        append(collection, db, clips_of(part, rest), part)
    return collection


def seen_points(sizes: dict[str, int], joined: bool) -> TextEmbeddings:
    """Seven seen classes, of which the energy term is."""
    g = torch.Generator().manual_seed(77)
    audio, video = (torch.randn(7, size, generator=g) for size in sizes.values())
    return TextEmbeddings(audio, video, None) if joined else TextEmbeddings.shared(audio)


def empty_collection(folder: Path, d: int, similarity="mse", engine="memory", modes=MODES, **known) -> Collection:
    url = known.pop("url", SERVER if engine == "qdrant" else None)
    record = IndexRecord(
        format=FORMAT, run="none", method="compares", fingerprint="none", engine=engine, url=url,
        **{"id": "0" * 16, "dimensions": {"audio": d, "video": d}, **known},
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
