"""Clips, hits and answers of the archive as the rows that the API gives."""

import math
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from avgzsl.archive.clip_table import IndexedClip
from avgzsl.archive.facets import Facets as ArchiveFacets
from avgzsl.archive.hits import Hit as ArchiveHit
from avgzsl.recognition.answers import Answer
from avgzsl.server.content_types import media_type
from avgzsl.server.handed_out import Folders, status
from avgzsl.server.schema import ClipRow, Facet, Facets, Hit, Part, Recognised, Seconds, Window
from avgzsl.types import Modality


def clip_row(clip: IndexedClip, seen: bool | None, allowed: Folders, file_seconds: float | None = None) -> ClipRow:
    """A clip; `seen` is the mark of its label, `allowed` the folders whose files are handed out."""
    file = status(clip.path, clip.file, allowed)
    return ClipRow(
        id=clip.id,
        name=clip.id if clip.path is None else Path(clip.path).name,
        label=clip.label,
        seen=seen,
        start=clip.start or 0.0,
        end=clip.end,
        split=clip.split,
        licence=clip.licence,
        source=clip.source,
        has_audio=clip.has_audio,
        has_video=clip.has_video,
        has_file=file == "shown",
        file=file,
        media_type=None if clip.path is None else media_type(clip.path),
        folder=clip.folder,
        file_seconds=file_seconds,
    )


def hit_row(clip: ClipRow, hit: ArchiveHit, windows: Iterable[ArchiveHit] = ()) -> Hit:
    """A hit, with what each modality says of it, and the clips that were found of its file."""

    def part(modality: Modality) -> Part | None:
        distance, weight = hit.distances[modality], hit.weights[modality]
        return None if distance is None or weight is None else Part(distance=distance, weight=weight)

    return Hit(
        clip=clip,
        score=hit.score,
        distance=hit.distance,
        audio=part("audio"),
        video=part("video"),
        evidence=hit.evidence,
        likely=hit.likely,
        because=None if hit.because is None else list(hit.because),
        windows=[_window(one) for one in sorted(windows, key=_time)],
    )


def _window(hit: ArchiveHit) -> Window:
    return Window(id=hit.id, start=hit.start or 0.0, end=hit.end, score=hit.score, likely=hit.likely)


def _time(hit: ArchiveHit) -> tuple[float, float]:
    return hit.start or 0.0, math.inf if hit.end is None else hit.end


def facets_row(found: ArchiveFacets) -> Facets:
    """The values of clips, kind by kind."""
    values = {
        kind: [Facet(value=v, clips=n) for v, n in getattr(found, kind)] for kind in ("labels", "folders", "splits")
    }
    seconds = Seconds(least=found.shortest, most=found.longest)
    return Facets(total=found.total, seconds=seconds, has_audio=found.has_audio, has_video=found.has_video, **values)


def recognised(answer: Answer, notes: list[str], *, has_classes: bool) -> Recognised:
    """An answer of the recognition, field by field as it is; without classes of the run nothing is seen or unseen."""
    told = asdict(answer)
    if not has_classes:
        told["top"] = [one | {"seen": None} for one in told["top"]]
    return Recognised.model_validate(told | {"notes": notes})
