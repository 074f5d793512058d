"""Clips in the space in which a run compares sound, picture and names of classes."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from avgzsl.experiments.run import Run
from avgzsl.features.embedding import Task
from avgzsl.methods import Embeddings
from avgzsl.recognition.recognise import as_tasks, embed, extract_clips
from avgzsl.recognition.recogniser import Recogniser, load_recogniser
from avgzsl.support.progress import Progress, Step
from avgzsl.support.showing import Shown
from avgzsl.types import EncoderChoice


@dataclass(frozen=True, eq=False)
class ClipEmbeddings(Shown):
    """The `embeddings` of n clips, a row each, in the order in which the clips were given.

    A clip that could not be read has an `error`, and in `embeddings` neither sound nor picture.
    """

    paths: tuple[str, ...]
    embeddings: Embeddings
    errors: tuple[str | None, ...]

    def rows(self) -> list[dict[str, Any]]:
        """One row a clip: what of it was embedded."""
        has = zip(self.embeddings.has_audio.tolist(), self.embeddings.has_video.tolist(), strict=True)
        return [
            {"path": path, "audio": audio, "video": video, "error": error}
            for path, error, (audio, video) in zip(self.paths, self.errors, has, strict=True)
        ]


def embed_clips(
    run: str | Path | Run | Recogniser,
    clips: Iterable[str | Path | Task],
    *,
    encoders: EncoderChoice | None = None,
    progress: Progress | None = None,
) -> ClipEmbeddings:
    """Clips through the run's encoders and its method; nothing is said of their classes.

    What is wrong with a clip is in its `error`. Raises ConfigError for what is no list of clips, and what
    `load_recogniser` raises.
    """
    recogniser = run if isinstance(run, Recogniser) else load_recogniser(run, encoders=encoders)
    tasks, outcomes = as_tasks(clips), []
    for _, outcome in extract_clips(recogniser, tasks):
        outcomes.append(outcome)
        if progress is not None:
            failed = sum(outcome.error is not None for outcome in outcomes)
            item = str(tasks[len(outcomes) - 1].file)
            progress(Step("embed", len(outcomes), len(tasks), failed=failed, item=item))
    errors = tuple(outcome.error for outcome in outcomes)
    embeddings = embed(recogniser, [replace(outcome, error=None) for outcome in outcomes])
    return ClipEmbeddings(tuple(str(task.file) for task in tasks), embeddings, errors)
