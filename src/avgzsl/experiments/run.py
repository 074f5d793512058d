"""A run on disk: one folder, each of its files whole or absent.

`config.json` says what was asked for and on which data; `classes.safetensors` has the classes and their text vectors;
`model.safetensors` is what was learned; `recognition.json` what validation says to recognition; `history.jsonl` has one
line an epoch; `results.json` the evaluation; `checkpoint.safetensors` is there while training is unfinished. With what
it holds, and the encoders that it names, a run recognises clips without its data.
Nothing in a run depends on when it was made, so that the same training gives the same bytes.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

import avgzsl
from avgzsl.data.clips import ClassTable, ClipSet, Dataset
from avgzsl.errors import ConfigError, DataError, RunError
from avgzsl.experiments.run_method import class_of_run
from avgzsl.experiments.run_record import CONFIG, FORMAT, Config, read_config
from avgzsl.methods import Method, MethodChoice, check_settings
from avgzsl.support.files import write_bytes, write_text
from avgzsl.support.progress import Progress
from avgzsl.support.showing import Shown
from avgzsl.support.trust import parse_json, require_regular
from avgzsl.types import MODALITIES, Calibration, EncoderChoice, Fusion, TestModality

CLASSES, MODEL, HISTORY, RESULTS, CHECKPOINT = (
    "classes.safetensors",
    "model.safetensors",
    "history.jsonl",
    "results.json",
    "checkpoint.safetensors",
)


@dataclass(frozen=True, eq=False)
class Run(Shown):
    """A finished run, read back: its folder, what was asked for, and the method with what it learned.

    What one does with a run stands in rooms above this one: the calls go through the names of `avgzsl`, which load a
    room when it is first used, so that nothing here is imported from above.
    """

    folder: Path
    config: Config
    method: Method

    def predict(
        self,
        clips: Iterable[str | Path],
        classes: Sequence[str] | None = None,
        *,
        encoders: EncoderChoice | None = None,
        modality: TestModality | str | None = None,
        fusion: Fusion | None = None,
        top: int = 5,
        calibrated: bool = True,
        reject: bool | None = None,
        progress: Progress | None = None,
    ) -> "avgzsl.Predictions":
        """The classes nearest to clips. The parameters, and what it raises, are those of `avgzsl.predict`."""
        return avgzsl.predict(
            self,
            clips,
            classes,
            encoders=encoders,
            modality=modality,
            fusion=fusion,
            top=top,
            calibrated=calibrated,
            reject=reject,
            progress=progress,
        )

    def embed(
        self,
        clips: Iterable[str | Path],
        *,
        encoders: EncoderChoice | None = None,
        progress: Progress | None = None,
    ) -> "avgzsl.ClipEmbeddings":
        """Clips in the space in which the run compares; see `avgzsl.embed_clips`."""
        return avgzsl.embed_clips(self, clips, encoders=encoders, progress=progress)

    def evaluate(
        self,
        data: str | Path | Dataset | None = None,
        *,
        split: str = "test",
        modality: TestModality | str = "all",
        fusion: Fusion | None = None,
        calibration: Calibration = "val",
        stretch: bool = False,
        relabelled: str | Path | None = None,
        progress: Progress | None = None,
    ) -> "avgzsl.Evaluation":
        """What the run is worth on a split of its data; see `avgzsl.evaluate`."""
        return avgzsl.evaluate(
            self,
            data,
            split=split,
            modality=modality,
            fusion=fusion,
            calibration=calibration,
            stretch=stretch,
            relabelled=relabelled,
            progress=progress,
        )

    def index(
        self,
        source: str | Path,
        out: str | Path,
        *,
        engine: str | None = None,
        url: str | None = None,
        encoders: EncoderChoice | None = None,
        split: str | None = None,
        manifest: str | Path | None = None,
        labels_from_folders: bool = False,
        window: float | None = None,
        hop: float | None = None,
        recall: float | None = None,
        prune: bool = False,
        name: str | None = None,
        progress: Progress | None = None,
    ) -> "avgzsl.Added":
        """Clips into an index of this run. The parameters, and what it raises, are those of `avgzsl.index`."""
        return avgzsl.index(
            self,
            source,
            out,
            engine=engine,
            url=url,
            encoders=encoders,
            split=split,
            manifest=manifest,
            labels_from_folders=labels_from_folders,
            window=window,
            hop=hop,
            recall=recall,
            prune=prune,
            name=name,
            progress=progress,
        )

    def push_to_hub(
        self,
        repository: str,
        *,
        private: bool | None = None,
        weights: bool = False,
        models: str | Path | None = None,
        named: Sequence[str | Path] = (),
    ) -> str:
        """Upload the run, packed, to a repository of the hub; see `avgzsl.push_to_hub`."""
        return avgzsl.push_to_hub(self, repository, private=private, weights=weights, models=models, named=named)

    @classmethod
    def from_pretrained(
        cls, name: str | Path, *, revision: str | None = None, method: MethodChoice | None = None
    ) -> "Run":
        """The run in a folder or in a repository of the hub; see `avgzsl.from_pretrained`."""
        return avgzsl.from_pretrained(name, revision=revision, method=method)

    def rows(self) -> list[dict[str, Any]]:
        """One row: what was trained on what."""
        data = self.config.data
        return [
            {
                "run": str(self.folder),
                "method": self.config.method,
                "data": data.path,
                "class split": data.class_split,
                "seen": len(data.seen),
                "unseen": len(data.unseen),
                "seed": self.config.seed,
            }
        ]


def discard_start(folder: Path) -> None:
    """Take away what was written before a training that was refused at once: the same folder can be asked for again."""
    for name in (CONFIG, CLASSES):
        (folder / name).unlink(missing_ok=True)
    with suppress(OSError):  # it was there before, and holds what others wrote
        folder.rmdir()


def write_classes(folder: Path, classes: ClassTable) -> None:
    """Write the classes, unless they are there."""
    if not (folder / CLASSES).exists():
        tensors = {"text": classes.text.contiguous(), "seen": classes.seen}
        write_bytes(folder / CLASSES, save(tensors, {"names": json.dumps(classes.names)}))


def read_classes(run: Run) -> ClassTable:
    """The classes of a run, with their text vectors. Raises RunError when they are absent or damaged."""
    path, data = run.folder / CLASSES, run.config.data
    if not path.exists():
        raise RunError(
            f"{run.folder}: has no {CLASSES}, as runs of older versions; `avgzsl train … --resume` with the run's own "
            "settings adds it"
        )
    require_regular(path, RunError)
    try:
        with safe_open(path, "pt") as file:
            names = tuple(parse_json(file.metadata()["names"]))
            text, seen = file.get_tensor("text"), file.get_tensor("seen")
        if text.ndim != 2 or not text.is_floating_point() or seen.dtype != torch.bool:
            raise DataError(f"text of {text.dtype} {tuple(text.shape)}, seen of {seen.dtype}")
        classes = ClassTable(names, text.clone(), seen.clone(), data.text)
        marks = dict(zip(classes.names, classes.seen.tolist(), strict=True))
        if marks != dict.fromkeys(data.seen, True) | dict.fromkeys(data.unseen, False):
            raise DataError(f"its classes are not those of {CONFIG}")
    except (SafetensorError, OSError, LookupError, TypeError, ValueError, RuntimeError, DataError) as problem:
        raise RunError(f"{path}: not the run's classes ({problem}); restore it or train again") from problem
    return classes


def finish(folder: Path, method: Method) -> None:
    """Write the model; what was needed to resume goes away."""
    write_bytes(folder / MODEL, _model_bytes(method))
    (folder / CHECKPOINT).unlink(missing_ok=True)


def run_id(method: Method) -> str:
    """SHA-256 of what was learned: the same for the same training, wherever it lies."""
    return sha256(_model_bytes(method)).hexdigest()


def write_history(folder: Path, history: list[dict[str, Any]]) -> None:
    """One line of JSON an epoch."""
    write_text(folder / HISTORY, "".join(json.dumps(record) + "\n" for record in history))


def load_run(folder: str | Path | Run, method: MethodChoice | None = None) -> Run:
    """Read a finished run, which somebody else may have made.

    The run names its method; no file is ever imported for that name, only a method of this package or of an installed
    one. For a run of a method that is in a file, give `method`: `FILE.py:Class`, the class, or an object of it. A run
    that is read already is given back. Raises RunError for a run that is unfinished, whose method is not there or not
    the one that was given, or whose model does not fit its config.
    """
    if isinstance(folder, Run):
        if method is not None:  # raises for another one
            class_of_run(folder.folder / CONFIG, folder.config.method, folder.config.versions, method)
        return folder
    folder = Path(folder)
    config = read_config(folder)
    cls = class_of_run(folder / CONFIG, config.method, config.versions, method)
    path = folder / MODEL
    if not path.exists():
        raise RunError(f"{folder}: training is not finished; go on with `avgzsl train … --resume`")
    try:
        state, sizes = _read_model(path), config.data.dimensions
        restored = check_settings(cls, config.settings).restore(state, sizes)
        _try_out(restored, sizes)
        # now into memory: the file may be written over while the run is in use
        return Run(folder, config, restored.restore({name: value.clone() for name, value in state.items()}, sizes))
    except ConfigError as problem:
        raise RunError(f"{folder / CONFIG}: {problem}") from problem
    except (RuntimeError, LookupError, AttributeError, TypeError, ValueError, ArithmeticError, MemoryError) as problem:
        reason = " ".join(str(problem).split())[:300] or type(problem).__name__
        raise RunError(
            f"{path}: the model does not match {CONFIG} ({reason}); restore both, or train again"
        ) from problem


def _model_bytes(method: Method) -> bytes:
    # one key of metadata: safetensors writes several in no fixed order
    return save(method.state(), {"format": f"avgzsl-run-{FORMAT}"})


def _read_model(path: Path) -> Mapping[str, Tensor]:
    require_regular(path, RunError)
    try:
        return load_file(path)  # mapped: nothing is read before the shapes are known to be right
    except (SafetensorError, OSError) as problem:
        raise RunError(f"{path}: not a model ({problem}); restore it or train again") from problem


def _try_out(method: Method, sizes: Mapping[str, int]) -> None:
    """Embed one clip and one name of zeros: whatever was learned has to fit the dimensions."""
    features = {m: torch.zeros(1, sizes[m]) if m in sizes else None for m in MODALITIES}
    method.embed_clips(ClipSet(features["audio"], features["video"], torch.zeros(1, dtype=torch.long), np.zeros(1)))
    method.embed_text(torch.zeros(1, sizes["text"]))
