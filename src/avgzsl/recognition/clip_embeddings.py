"""Clips in the space in which a run compares sound, picture and names of classes."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from avgzsl.errors import ConfigError
from avgzsl.experiments.run import Run
from avgzsl.features.embedding import Task
from avgzsl.media.needs import Span
from avgzsl.methods import Embeddings
from avgzsl.recognition.recognise import embed, extract_clips
from avgzsl.recognition.recogniser import Recogniser, load_recogniser
from avgzsl.support.arguments import check_arguments, check_list
from avgzsl.support.progress import Progress, Step
from avgzsl.support.showing import Shown
from avgzsl.text.names import shown
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

    What is wrong with a clip is in its `error`. Raises ConfigError for what is no list of clips, or an empty one, and
    what `load_recogniser` raises.
    """
    check_arguments(encoders=encoders, progress=progress)
    if isinstance(clips, str | Path):
        raise ConfigError(f"one path, {shown([str(clips)])}, where clips should be; give a list of paths")
    check_list("clips", clips)
    tasks = [clip if isinstance(clip, Task) else Task(Path(clip), Span()) for clip in clips]
    if not tasks:
        raise ConfigError("no clip was given; give one or more")
    recogniser = run if isinstance(run, Recogniser) else load_recogniser(run, encoders=encoders)
    outcomes, failed = [], 0
    for done, (clip, outcome) in enumerate(extract_clips(recogniser, tasks), 1):
        outcomes.append(outcome)
        failed += outcome.error is not None
        if progress is not None:
            progress(Step("embed", done, len(tasks), failed=failed, item=str(clip.file)))
    embeddings = embed(recogniser, [replace(outcome, error=None) for outcome in outcomes])
    return ClipEmbeddings(
        tuple(str(clip.file) for clip in tasks), embeddings, tuple(outcome.error for outcome in outcomes)
    )
