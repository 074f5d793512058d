"""Clips and class names of an index as points of one space, for the map (`projection`)."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from avgzsl.archive import clip_selection
from avgzsl.archive.clip_counts import Kind
from avgzsl.archive.clip_table import IndexedClip
from avgzsl.archive.collection import Collection, view
from avgzsl.archive.fused import points, stars
from avgzsl.data.clips import ClassTable
from avgzsl.experiments.protocol import Mode
from avgzsl.server.contract import Cloud
from avgzsl.server.schema import ClipRow

_LOOKED_AT = 4  # times as many clips as a map draws: some lack what it is of


def cloud_of(
    collection: Collection,
    mode: Mode,
    most: int,
    classes: ClassTable,
    rows: Callable[[Sequence[IndexedClip]], list[ClipRow]],
) -> Cloud:
    """At most so many clips that can be scored in a mode, spread evenly over their order; and the names of classes."""
    with view(collection) as seen:
        looked_at = clip_selection.spread(seen.db, _LOOKED_AT * most)
        there = looked_at[seen.embeddings(looked_at).scorable(mode.modality).numpy()]
        spread = np.linspace(0, len(there) - 1, min(most, len(there)))
        drawn = there[np.unique(spread.round().astype(int))]
        clips, embeddings = seen.clips(drawn), seen.embeddings(drawn)
        total = sum(count for kind, count in seen.counts().items() if _is_scorable(collection, kind, mode))
    space = collection.space(mode)
    return Cloud(
        modality=mode.modality,
        total=total,
        clips=rows(clips),
        points=torch.from_numpy(points(embeddings, space)),
        texts=stars(collection.run.method.embed_text(classes.text), space),
        labels=list(classes.names),
        seen=classes.seen.tolist(),
    )


def _is_scorable(collection: Collection, kind: Kind, mode: Mode) -> bool:
    """Whether clips of a kind can be scored in a mode (`Embeddings.scorable`)."""
    if mode.modality != "both":
        return kind.has_audio if mode.modality == "audio" else kind.has_video
    joint = "joint" in collection.record.parts
    return kind.has_audio and kind.has_video if joint else kind.has_audio or kind.has_video
