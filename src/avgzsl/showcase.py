"""The whole way on rendered clips: render, extract, train, evaluate, recognise a clip of a phrase never seen, index.

There are two runs. AVGZSLNet is trained, tabled and recognises a clip. What is searched is a linear map to the text,
for it is asked for single words: AVGZSLNet keeps what tells the phrases apart that it was trained on, a few words of
each are enough for that, and the map keeps whatever word a clip shows (docs/benchmarks.md has both).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avgzsl.archive.indexing import index
from avgzsl.archive.search import Searcher, open_searcher, search
from avgzsl.errors import DataError
from avgzsl.experiments.calibration import read_recognition, write_recognition
from avgzsl.experiments.run import Run
from avgzsl.experiments.train_evaluate import Evaluation, evaluate, save_results, train
from avgzsl.features.extract import extract
from avgzsl.features.feature_store import Store
from avgzsl.generators import generate
from avgzsl.recognition.recognise import predict
from avgzsl.recognition.results import Result
from avgzsl.reports.clip_report import write_clip_report
from avgzsl.reports.evaluation_files import write_evaluation
from avgzsl.support.progress import Progress
from avgzsl.support.showing import Shown
from avgzsl.text.names import STOP_WORDS
from avgzsl.types import EncoderChoice

PRESET = "realset"  # for about a thousand clips
BACKBONE, TEXT = "handcrafted", "hashed-words"
FINDER = "least-squares"
TOP, _ALL = 10, 10_000
TESTED = "split = test"
SHOWN_PHRASES, SHOWN_CLIPS = 4, 4  # as many clips as a phrase has in the split, at the scale of the demo


@dataclass(frozen=True)
class Found:
    """What the test clips of an index give to words: precision of each word alone, and first hits of phrases.

    `words` has the share of the first ten hits (of fewer, where fewer clips have the word) in whose name the word is;
    `phrases`, of each phrase that no training clip has, the name of its first hit.
    """

    words: Mapping[str, float]
    phrases: Mapping[str, str]

    @property
    def precision(self) -> float:
        """The mean over the words, 0 to 1."""
        return sum(self.words.values()) / max(len(self.words), 1)

    @property
    def right(self) -> int:
        """Phrases whose first hit is right."""
        return sum(phrase == first for phrase, first in self.phrases.items())


@dataclass(frozen=True, eq=False)
class Demo(Shown):
    """What came of it: the figures, what words find, a clip recognised and its true class, and all that was written."""

    evaluation: Evaluation
    found: Found
    recognised: Result
    truth: str
    written: list[Path]

    def rows(self) -> Sequence[Mapping[str, Any]]:
        """Those of the evaluation."""
        return self.evaluation.rows()

    def json(self) -> dict[str, Any]:
        """The evaluation as in `results.json`, what words find, the class of the clip and what was written."""
        written = [str(path) for path in self.written]
        found = {"words": dict(self.found.words), "phrases": dict(self.found.phrases)}
        return {**self.evaluation.json(), "found": found, "truth": self.truth, "written": written}


def demo(out: str | Path = "demo", *, scale: float = 0.02, seed: int = 0, progress: Progress | None = None) -> Demo:
    """Clips, store, two runs, report and index under `out`. Raises DataError if `out` is in use."""
    out = Path(out)
    if out.exists() and any(out.iterdir()):
        raise DataError(f"{out}: is not empty; remove it or choose another folder with --out")
    clips = generate("clips", out / "clips", scale=scale, seed=seed, progress=progress)
    store = extract(
        clips,
        out / "store",
        manifest=clips / "manifest.csv",
        encoders=EncoderChoice(audio=BACKBONE, video=BACKBONE, text=TEXT),
        progress=progress,
    ).store
    run = train(out / "store", preset=PRESET, out=out / "run", seed=seed, progress=progress)
    evaluation = evaluate(run)
    save_results(run.folder, evaluation)
    clip, truth = unseen_clip(store, evaluation)
    (recognised,) = predict(run, [clip])
    write_evaluation(evaluation, run.folder / "test-val")
    words = train(out / "store", FINDER, out=out / "words", seed=seed)
    take_lines_of_method(words)
    save_results(words.folder, evaluate(words))  # the page of the index tells them
    index(words, out / "store", out / "index", engine="memory", name="rendered clips", progress=progress)
    searcher = open_searcher(out / "index")
    shown = {phrase: first_clips(searcher, phrase) for phrase in unseen_phrases(evaluation)[:SHOWN_PHRASES]}
    report, *_ = write_clip_report(out / "report", store, evaluation, shown, recognised, truth)
    found = find(searcher, evaluation.dataset.classes.names, unseen_phrases(evaluation))
    written = [clips, out / "store", run.folder, words.folder, out / "index", report]
    return Demo(evaluation, found, recognised, truth, written)


def take_lines_of_method(run: Run) -> None:
    """Let hits be likely from the method's own line on, not from the one that validation chose.

    That one parts whole phrases from others that share half of their words: all that a single word finds lies below.
    """
    recognition = read_recognition(run.folder)
    if recognition is not None:
        write_recognition(run.folder, recognition.model_copy(update={"lines": {}}))


def unseen_phrases(evaluation: Evaluation) -> list[str]:
    """The names of the classes that no training clip has."""
    classes = evaluation.dataset.classes
    return [name for name, seen in zip(classes.names, classes.seen.tolist(), strict=True) if not seen]


def first_clips(searcher: Searcher, phrase: str) -> list[tuple[str, str, bool]]:
    """The test clips that a phrase finds first: id, name, and whether that is the phrase."""
    hits = search(searcher, phrase, top=SHOWN_CLIPS, where=TESTED)
    return [(hit.id, hit.label or "", hit.label == phrase) for hit in hits]


def find(searcher: Searcher, names: Sequence[str], phrases: Sequence[str]) -> Found:
    """Ask the test clips of an index for each word of the class names alone, and for phrases; as `avgzsl search`."""
    words = sorted({word for name in names for word in name.split()} - STOP_WORDS)
    return Found(
        {word: _precision(searcher, word) for word in words},
        {phrase: search(searcher, phrase, top=1, where=TESTED)[0].label or "" for phrase in phrases},
    )


def _precision(searcher: Searcher, word: str) -> float:
    """Of as many of the first hits as clips have the word, at most TOP."""
    right = [word in (hit.label or "").split() for hit in search(searcher, word, top=_ALL, where=TESTED)]
    wanted = min(TOP, sum(right))
    return sum(right[:wanted]) / max(wanted, 1)


def unseen_clip(store: Store, evaluation: Evaluation) -> tuple[Path, str]:
    """The first clip of an unseen class in the split that was tested, and its class."""
    clips, classes = evaluation.dataset.split(evaluation.split), evaluation.dataset.classes
    first = int((~classes.seen[clips.labels]).nonzero()[0])
    row = store.clips["id"].index(clips.ids[first])
    return store.file(row), classes.names[int(clips.labels[first])]
