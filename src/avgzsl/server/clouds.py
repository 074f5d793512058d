"""Clips and class names of an index as points of one space, for the map (`projection`)."""

from collections.abc import Callable
from math import ceil
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from avgzsl.archive import clip_selection, clip_table
from avgzsl.archive.clip_counts import Kind
from avgzsl.archive.collection import Collection, View, view
from avgzsl.archive.fused import points, stars
from avgzsl.data.clips import ClassTable
from avgzsl.experiments.protocol import Mode
from avgzsl.methods import TextEmbeddings
from avgzsl.server.contract import Cloud
from avgzsl.server.map_schema import NamedBy

SAMPLE = 1500  # clips: t-SNE of as many takes 10 s on two cores, and of ten times as many ten times as long
_WIDEST = 128  # numbers of a point; of wider ones their principal components, so that 100,000 stay below 100 MB
_LOOKED_AT = 4  # times as many clips as a map draws, at most: some lack what it is of
_CHUNK = 4096


class Words(NamedTuple):
    """Words that clips can be compared with, what they are, and their text; empty where there are none."""

    names: tuple[str, ...] = ()
    named_by: NamedBy | None = None
    text: TextEmbeddings | None = None


def cloud_of(collection: Collection, mode: Mode, most: int, classes: ClassTable, words: Words) -> Cloud:
    """At most so many clips that can be scored in a mode, spread evenly over their order; and the names of classes.

    At most SAMPLE of them, which `most` changes only where it is smaller, stand for all.
    """
    space, method = collection.space(mode), collection.run.method
    texts = stars(method.embed_text(classes.text), space).float()
    with view(collection) as seen:
        total = sum(count for kind, count in seen.counts().items() if _is_scorable(collection, kind, mode))
        few = _scorable(seen, mode, min(most, SAMPLE), total)
        drawn = few
        if most > len(few) and total > len(few):
            others = np.setdiff1d(_scorable(seen, mode, most, total), few)
            drawn = np.union1d(few, _evenly(others, most - len(few)))
        clips = seen.embeddings(few)
        narrow = _narrowing(torch.cat([torch.from_numpy(points(clips, space)), texts]))
        chunks = [drawn[start : start + _CHUNK] for start in range(0, len(drawn), _CHUNK)]
        placed = [narrow(torch.from_numpy(points(seen.embeddings(chunk), space))) for chunk in chunks]
        named = clip_table.names_at(seen.db, drawn)
    fits = torch.zeros(len(few), 0)
    if words.text is not None and len(few):
        fits = method.compare(clips, words.text, *mode, collection.record.weight)
    return Cloud(
        modality=mode.modality,
        total=total,
        ids=[id for id, _ in named],
        labels=[label for _, label in named],
        points=torch.cat(placed) if placed else torch.zeros(0, texts.shape[1]),
        sample=torch.from_numpy(np.searchsorted(drawn, few)),
        classes=list(classes.names),
        seen=classes.seen.tolist(),
        texts=narrow(texts),
        words=list(words.names),
        named_by=words.named_by,
        fits=fits.float(),
    )


def _scorable(seen: View, mode: Mode, count: int, total: int) -> Int64[np.ndarray, " n"]:
    """At most so many positions, spread evenly, of the `total` clips that can be scored."""
    every = sum(seen.counts().values())
    if not total:
        return np.zeros(0, np.int64)
    looked_at = clip_selection.spread(seen.db, count * min(_LOOKED_AT, ceil(1.5 * every / total)))
    if total < every:
        chunks = [looked_at[start : start + _CHUNK] for start in range(0, len(looked_at), _CHUNK)]
        can = [seen.embeddings(chunk).scorable(mode.modality).numpy() for chunk in chunks]
        looked_at = looked_at[np.concatenate(can)]
    return _evenly(looked_at, count)


def _evenly(positions: Int64[np.ndarray, " n"], most: int) -> Int64[np.ndarray, " _m"]:
    """At most so many of them."""
    places = np.linspace(0, len(positions) - 1, min(most, len(positions)))
    chosen: np.ndarray = positions[np.unique(places.round().astype(int))]
    return chosen


def _narrowing(values: Float[Tensor, "n d"]) -> Callable[[Float[Tensor, "_m d"]], Float[Tensor, "_m _p"]]:
    """What takes rows to at most _WIDEST principal components of `values`."""
    if values.shape[1] <= _WIDEST or not len(values):
        return lambda rows: rows.float()
    mean = values.double().mean(0)
    centred = values.double() - mean
    basis = torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -_WIDEST:]
    return lambda rows: ((rows.double() - mean) @ basis).float()


def _is_scorable(collection: Collection, kind: Kind, mode: Mode) -> bool:
    """Whether clips of a kind can be scored in a mode (`Embeddings.scorable`)."""
    if mode.modality != "both":
        return kind.has_audio if mode.modality == "audio" else kind.has_video
    joint = "joint" in collection.record.parts
    return kind.has_audio and kind.has_video if joint else kind.has_audio or kind.has_video
