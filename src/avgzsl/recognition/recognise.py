"""A clip to its classes, for any list of names.

    for result in predict("run", ["clip.mp4"], ["dog barking", "church bell"]):
        print(result.path, result.top[0].label)

Names that the run knows have the vectors that it was trained or tested with; others are encoded by its text encoder.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from avgzsl.data.clips import ClassTable, ClipSet
from avgzsl.data.sequences import Sequences
from avgzsl.errors import AvgzslError, ConfigError, DataError, MediaError, RunError
from avgzsl.experiments.protocol import Mode
from avgzsl.experiments.run import Run
from avgzsl.features.embedding import Outcome, Task, embed_batch, requests
from avgzsl.features.manifest import list_folder
from avgzsl.media.needs import Span
from avgzsl.media.workers import Decoders
from avgzsl.methods import Embeddings
from avgzsl.recognition.answers import Answer, answer
from avgzsl.recognition.recogniser import Recogniser, asked_classes, class_table, load_recogniser
from avgzsl.recognition.results import Predictions, Result
from avgzsl.support.arguments import check_arguments, check_list
from avgzsl.support.progress import Progress, Step
from avgzsl.text.names import shown
from avgzsl.types import EncoderChoice, Fusion, Modality, TestModality


def predict(
    run: str | Path | Run | Recogniser,
    clips: Iterable[str | Path | Task],
    classes: Sequence[str] | None = None,
    *,
    encoders: EncoderChoice | None = None,
    modality: TestModality | str | None = None,
    fusion: Fusion | None = None,
    top: int = 5,
    calibrated: bool = True,
    reject: bool | None = None,
    progress: Progress | None = None,
) -> Predictions:
    """All that `recognise` says of clips; a run, or one in a folder, is loaded as by `load_recogniser`.

    There are more parameters than eight, for they are those of both calls, each given by its name. Raises as these,
    and ConfigError for encoders, a modality or a fusion of a recogniser, which has its own.
    """
    check_arguments(encoders=encoders, top=top, progress=progress)
    if isinstance(run, Recogniser):
        if encoders is not None or modality is not None or fusion is not None:
            raise ConfigError(
                f"{run.run.folder}: a recogniser has encoders, a modality and a fusion already; leave them out, or "
                "give the run instead"
            )
        recogniser = run
    else:
        recogniser = load_recogniser(run, encoders=encoders, modality=modality, fusion=fusion)
    table, notes = asked_classes(recogniser, classes)
    results = recognise(recogniser, clips, table, top=top, calibrated=calibrated, reject=reject, progress=progress)
    return Predictions(tuple(results), notes)


def recognise(
    recogniser: Recogniser,
    clips: Iterable[str | Path | Task],
    classes: Sequence[str] | ClassTable | None = None,
    *,
    top: int = 5,
    calibrated: bool = True,
    reject: bool | None = None,
    progress: Progress | None = None,
) -> Iterator[Result]:
    """The `top` nearest of `classes` (names, or a table of them; by default the run's) for each clip, in order, as soon
    as it is there.

    What is wrong with a clip is in its result. Classes that were seen in training are set back by the run's penalty if
    `calibrated`. Whether a clip's best class is too far for any is told where the run has a threshold; with `reject`
    True it must have one, and False (the default before 0.2.0) tells nothing. Raises ConfigError, DataError and
    RunError for what is wrong with the question.
    """
    check_arguments(top=top, progress=progress)
    if isinstance(clips, str | Path):
        raise ConfigError(f"one path, {shown([str(clips)])}, where clips should be; give a list of paths")
    check_list("clips", clips)
    if top < 1:
        raise ConfigError(f"top {top} was asked for; give a number from 1 on")
    method, thresholds = recogniser.run.method, _thresholds(recogniser, reject)
    table = classes if isinstance(classes, ClassTable) else class_table(recogniser, classes)
    text = method.embed_text(table.text)
    numbers = recogniser.recognition.numbers() if calibrated else {}
    tasks = [clip if isinstance(clip, Task) else Task(Path(clip), Span()) for clip in clips]

    def answered(clip: Embeddings) -> Answer:
        return answer(method, clip, table, text, recogniser.mode, numbers, thresholds, top)

    return _results(recogniser, tasks, answered, progress)


def _thresholds(recogniser: Recogniser, reject: bool | None) -> dict[Mode, float]:
    """Those of the run, unless none is asked for. Raises RunError where it must have one, and has none."""
    thresholds = {} if reject is False else recogniser.recognition.thresholds()
    if reject and not thresholds:
        raise RunError(
            f"{recogniser.run.folder}: has no reject threshold, for no validation clip was recognised; leave --reject "
            "out, or train with validation clips"
        )
    return thresholds


def _results(
    recogniser: Recogniser, clips: Sequence[Task], answered: Callable[[Embeddings], Answer], progress: Progress | None
) -> Iterator[Result]:
    """The result of each clip; what is wrong with one does not stop the others."""
    failed = 0
    for done, (clip, outcome) in enumerate(extract_clips(recogniser, clips), 1):
        path, span = str(clip.file), (clip.span.start, clip.span.end)
        try:
            result = Result(path, span, answer=answered(embed(recogniser, [outcome])))
        except AvgzslError as problem:
            result = Result(path, span, error=str(problem))
            failed += 1
        if progress is not None:
            progress(Step("predict", done, len(clips), failed=failed, item=path))
        yield result


def embed(recogniser: Recogniser, outcomes: Sequence[Outcome]) -> Embeddings:
    """Extracted clips in the space of the classes, n rows. Raises MediaError for one that could not be extracted."""
    for outcome in outcomes:
        if outcome.error is not None:
            raise MediaError(outcome.error)
    clips = ClipSet(
        audio=_rows(recogniser, outcomes, "audio"),
        video=_rows(recogniser, outcomes, "video"),
        labels=torch.zeros(len(outcomes), dtype=torch.long),
        ids=np.arange(len(outcomes)),
        has_audio=torch.tensor([outcome.audio is not None for outcome in outcomes]),
        has_video=torch.tensor([outcome.video is not None for outcome in outcomes]),
        sequences={m: _sequences(recogniser, outcomes, m) for m in recogniser.run.config.data.sequences},
    )
    return recogniser.run.method.embed_clips(clips)


def extract_clips(recogniser: Recogniser, clips: Iterable[str | Path | Task]) -> Iterator[tuple[Task, Outcome]]:
    """Each clip and its features, or why there are none; files are decoded in processes with limits."""
    tasks = [clip if isinstance(clip, Task) else Task(Path(clip), Span()) for clip in clips]
    if not tasks:
        return
    with Decoders(min(len(tasks), os.cpu_count() or 1)) as decoders:
        for task, decoded in zip(tasks, decoders.map(requests(tasks, recogniser.backbones)), strict=True):
            yield task, embed_batch([decoded], recogniser.backbones, recogniser.keep_sequence)[0]


def find_clips(paths: Iterable[str]) -> list[Path]:
    """Files as they are, the media files in folders, and what patterns such as `clips/*.mp4` match, in order of name.

    A file that is not there is kept: recognition says so in its place. Raises DataError for a folder without media
    files, or a pattern that matches nothing.
    """
    return [clip for path in paths for clip in _expanded(path)]


def _expanded(path: str) -> list[Path]:
    try:
        if path and Path(path).is_dir():
            return [Path(path, row.path) for row in list_folder(Path(path))]
        if Path(path).exists() or not set("*?[") & set(path):
            return [Path(path)]
        root = Path(path).anchor
        matching = sorted(match for match in Path(root).glob(path.removeprefix(root)) if match.is_file())
    except (OSError, ValueError) as problem:  # a name too long, `**` inside a name
        raise DataError(f"{shown([path])}: not a path or a pattern ({problem})") from problem
    if not matching:
        raise DataError(f"{path}: matches no file; give a file, a folder of clips, or another pattern")
    return matching


def _sequences(recogniser: Recogniser, outcomes: Sequence[Outcome], modality: Modality) -> Sequences:
    """The steps of clips, none of those that lack the modality."""
    nothing = torch.zeros(0, recogniser.run.config.data.dimensions[modality])
    kept = [outcome.sequences.get(modality) for outcome in outcomes]
    return Sequences.of(
        [nothing if own is None else torch.from_numpy(own.steps) for own in kept],
        [nothing[:, 0] if own is None else torch.from_numpy(own.times) for own in kept],
    )


def _rows(recogniser: Recogniser, outcomes: Sequence[Outcome], modality: Modality) -> Float[Tensor, "n d"] | None:
    """Feature rows, zeros for clips that lack the modality; None where the run was trained without it."""
    size = recogniser.run.config.data.dimensions.get(modality)
    if size is None:
        return None
    rows = [getattr(outcome, modality) for outcome in outcomes]
    return torch.from_numpy(np.stack([np.zeros(size, np.float32) if row is None else row for row in rows]))
