"""The whole way on rendered clips: render, extract, train, evaluate, recognise a clip of a phrase never seen, index."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avgzsl.archive.indexing import index
from avgzsl.errors import DataError
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
from avgzsl.types import EncoderChoice

PRESET = "realset"  # for about a thousand clips


@dataclass(frozen=True, eq=False)
class Demo(Shown):
    """What came of it: the figures, a clip recognised and its true class, and all that was written."""

    evaluation: Evaluation
    recognised: Result
    truth: str
    written: list[Path]

    def rows(self) -> Sequence[Mapping[str, Any]]:
        """Those of the evaluation."""
        return self.evaluation.rows()

    def json(self) -> dict[str, Any]:
        """The evaluation as in `results.json`, the class of the clip and what was written."""
        written = [str(path) for path in self.written]
        return {**self.evaluation.json(), "truth": self.truth, "written": written}


def demo(out: str | Path = "demo", *, scale: float = 0.02, seed: int = 0, progress: Progress | None = None) -> Demo:
    """Clips, store, run, report and index under `out`. Raises DataError if `out` is in use."""
    out = Path(out)
    if out.exists() and any(out.iterdir()):
        raise DataError(f"{out}: is not empty; remove it or choose another folder with --out")
    clips = generate("clips", out / "clips", scale=scale, seed=seed, progress=progress)
    store = extract(
        clips,
        out / "store",
        manifest=clips / "manifest.csv",
        encoders=EncoderChoice(audio="descriptors", video="descriptors", text="hashed-words"),
        progress=progress,
    ).store
    run = train(out / "store", preset=PRESET, out=out / "run", seed=seed, progress=progress)
    evaluation = evaluate(run)
    save_results(run.folder, evaluation)
    clip, truth = unseen_clip(store, evaluation)
    (recognised,) = predict(run, [clip])
    files = [*sorted(path for path in run.folder.iterdir() if path.is_file())]
    files += write_evaluation(evaluation, run.folder / "test-val")
    files += write_clip_report(out / "report", store, evaluation, recognised, truth)
    index(run, out / "store", out / "index", engine="memory", progress=progress)
    return Demo(evaluation, recognised, truth, [clips, out / "store", *files, out / "index"])


def unseen_clip(store: Store, evaluation: Evaluation) -> tuple[Path, str]:
    """The first clip of an unseen class in the split that was tested, and its class."""
    clips, classes = evaluation.dataset.split(evaluation.split), evaluation.dataset.classes
    first = int((~classes.seen[clips.labels]).nonzero()[0])
    row = store.clips["id"].index(clips.ids[first])
    return store.file(row), classes.names[int(clips.labels[first])]
