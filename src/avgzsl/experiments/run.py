"""A run on disk: one folder, each of its files whole or absent.

`config.json` says what was asked for and on which data; `classes.safetensors` has the classes and their text vectors;
`model.safetensors` is what was learned; `recognition.json` what validation says to recognition; `history.jsonl` has one
line an epoch; `results.json` the evaluation; `checkpoint.safetensors` is there while training is unfinished. With what
it holds, and the encoders that it names, a run recognises clips without its data.
Nothing in a run depends on when it was made, so that the same training gives the same bytes.
"""

import json
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

import avgzsl
from avgzsl.data.clips import ClassTable, ClipSet, Dataset, Encoder
from avgzsl.errors import AvgzslError, ConfigError, DataError, RunError
from avgzsl.experiments.run_method import class_of_run
from avgzsl.methods import PLUGINS, Method, MethodChoice, check_settings, dimensions, settings_of
from avgzsl.support import records
from avgzsl.support.files import write_bytes, write_json, write_text
from avgzsl.support.progress import Progress
from avgzsl.support.showing import Shown
from avgzsl.support.temporary import leftovers
from avgzsl.support.trust import parse_json, require_regular
from avgzsl.types import MODALITIES, Calibration, DataChoice, EncoderChoice, Fusion, TestModality, TextOrder

FORMAT = 1
_LARGEST = 1 << 24  # numbers of a feature
CONFIG, CLASSES, MODEL, HISTORY, RESULTS, CHECKPOINT = (
    "config.json",
    "classes.safetensors",
    "model.safetensors",
    "history.jsonl",
    "results.json",
    "checkpoint.safetensors",
)


def _require_possible(path: str) -> None:
    """Raises ValueError for what no system takes as a path, and fails at with errors of its own."""
    if "\0" in path or len(path.encode()) > 4000 or any(len(part.encode()) > 255 for part in path.split("/")):
        raise ValueError(f"{path[:40]!r}… cannot be a path")


class DataRecord(BaseModel):
    """Which data a run was trained on, and what its features and text vectors were made with, where that is known."""

    model_config = ConfigDict(extra="forbid")
    path: str
    layout: str
    class_split: str
    fingerprint: str
    drop_bad_rows: bool
    text_order: TextOrder = "right"  # runs from before there was a choice
    merge_spellings: bool = False
    dimensions: dict[str, Annotated[int, Field(ge=1, le=_LARGEST)]]
    seen: list[str]
    unseen: list[str]
    encoders: dict[Literal["audio", "video", "text"], Encoder] = {}  # none of features from elsewhere

    @model_validator(mode="after")
    def _paths_are_possible(self) -> "DataRecord":
        for encoder in self.encoders.values():
            for text in (encoder.spec, *(file.name for file in encoder.weights)):
                _require_possible(text)
        _require_possible(self.path)
        return self

    @property
    def choice(self) -> DataChoice:
        """How the data was read, and is read again."""
        return DataChoice(self.layout, self.class_split, self.drop_bad_rows, self.text_order, self.merge_spellings)

    @field_validator("dimensions")
    @classmethod
    def _text_is_there(cls, dimensions: dict[str, int]) -> dict[str, int]:
        if "text" not in dimensions or not dimensions.keys() <= {"audio", "video", "text"}:
            raise ValueError("expected the dimension of text, and of audio or video")
        return dimensions


class Config(BaseModel):
    """All that was asked for, and with what it was run."""

    model_config = ConfigDict(extra="forbid")
    format: int
    method: str
    settings: dict[str, Any]
    seed: int = Field(ge=-(2**63), lt=2**63)
    device: str
    data: DataRecord
    versions: dict[str, str]
    git: str | None


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
        reject: bool = False,
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
    ) -> "avgzsl.Evaluation":
        """What the run is worth on a split of its data; see `avgzsl.evaluate`."""
        return avgzsl.evaluate(
            self,
            data,
            split=split,
            modality=modality,
            fusion=fusion,
            calibration=calibration,
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
        manifest: Path | None = None,
        prune: bool = False,
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
            prune=prune,
            progress=progress,
        )

    def push_to_hub(
        self,
        repository: str,
        *,
        private: bool | None = None,
        weights: bool = False,
        models: Path | None = None,
        named: Sequence[str | Path] = (),
    ) -> str:
        """Upload the run, packed, to a repository of the hub; see `avgzsl.push_to_hub`."""
        return avgzsl.push_to_hub(self, repository, private=private, weights=weights, models=models, named=named)

    @classmethod
    def from_pretrained(cls, name: str | Path, *, revision: str | None = None) -> "Run":
        """The run in a folder or in a repository of the hub; see `avgzsl.from_pretrained`."""
        return avgzsl.from_pretrained(name, revision=revision)

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


def describe(method: Method, dataset: Dataset, seed: int, device: str) -> Config:
    """The record of a run that is about to start."""
    seen = dict(zip(dataset.classes.names, dataset.classes.seen.tolist(), strict=True))
    choice = dataset.choice or DataChoice()
    return Config(
        format=FORMAT,
        method=method.name,
        settings=settings_of(method),
        seed=seed,
        device=device,
        data=DataRecord(
            path=dataset.source,
            layout=dataset.layout,
            class_split=dataset.class_split,
            fingerprint=dataset.fingerprint,
            drop_bad_rows=choice.drop_bad_rows,
            text_order=choice.text_order,
            merge_spellings=choice.merge_spellings,
            dimensions=dimensions(dataset.split("train"), dataset.classes),
            seen=[name for name in seen if seen[name]],
            unseen=[name for name in seen if not seen[name]],
            encoders=dict(dataset.encoders),
        ),
        versions={
            "avgzsl": avgzsl.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            **PLUGINS.package_of(method.name),
        },
        git=_git_id(),
    )


def start(folder: Path, config: Config, resume: bool) -> None:
    """Make the folder and write the config. Raises RunError when another run is there, or the same and not `resume`."""
    path = folder / CONFIG
    if path.exists():
        if not resume:
            raise RunError(f"{folder}: holds a run already; resume it, or choose another folder")
        asked, recorded = _comparable(config), _comparable(read_config(folder))
        differ = [
            f"{key}: {recorded.get(key)!r} there, {value!r} asked"
            for key, value in asked.items()
            if value != recorded.get(key)
        ]
        if differ:
            raise RunError(f"{folder}: cannot be resumed with other settings:\n  " + "\n  ".join(differ))
        for half in leftovers(folder):
            half.unlink()
        return
    if folder.exists() and any(child.suffix != ".tmp" for child in folder.iterdir()):
        raise RunError(f"{folder}: is not empty and holds no run; choose another folder")
    write_json(path, config.model_dump(mode="json"))


def write_classes(folder: Path, classes: ClassTable) -> None:
    """Write the classes, unless they are there."""
    if not (folder / CLASSES).exists():
        tensors = {"text": classes.text.contiguous(), "seen": classes.seen}
        write_bytes(folder / CLASSES, save(tensors, {"names": json.dumps(classes.names)}))


def read_classes(run: Run) -> ClassTable:
    """The classes of a run, with their text vectors. Raises RunError when they are absent or damaged."""
    path, about = run.folder / CLASSES, run.config.data
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
        classes = ClassTable(names, text.clone(), seen.clone())
        of = dict(zip(classes.names, classes.seen.tolist(), strict=True))
        if of != dict.fromkeys(about.seen, True) | dict.fromkeys(about.unseen, False):
            raise DataError(f"its classes are not those of {CONFIG}")
        if classes.text.shape[1] != about.dimensions["text"]:
            raise DataError(f"text vectors of {classes.text.shape[1]} numbers, not {about.dimensions['text']}")
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


def read_config(folder: Path) -> Config:
    """Raises RunError for a folder that is no run, a config that is damaged, or one of a newer format."""
    remedy = "restore it or train again"
    try:
        return records.read_record(folder / CONFIG, Config, "a run's config", remedy, RunError, FORMAT)
    except (FileNotFoundError, NotADirectoryError) as problem:
        raise RunError(f"{folder}: is not a run (there is no {CONFIG}); make one with `avgzsl train`") from problem


def load_run(folder: str | Path | Run, method: MethodChoice | None = None) -> Run:
    """Read a finished run, which somebody else may have made.

    The run names its method; no file is ever imported for that name, only a method of this package or of an installed
    one. For a run of a method that is in a file, give `method`: `FILE.py:Class`, the class, or an object of it. A run
    that is read already is given back. Raises RunError for a run that is unfinished, whose method is not there, or
    whose model does not fit its config.
    """
    if isinstance(folder, Run):
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


def require_same_data(run: Run, dataset: Dataset) -> None:
    """Raises RunError when `dataset` is not the one that the run was trained on."""
    about = run.config.data
    if dataset.fingerprint != about.fingerprint:
        raise RunError(
            f"{dataset.source} ({dataset.class_split}): fingerprint {dataset.fingerprint[:12]}, but {run.folder} was "
            f"trained on {about.path} ({about.class_split}), {about.fingerprint[:12]}. Features, classes or word "
            "vectors differ: test on the data that the run was trained on, or train again on this"
        )


def _model_bytes(method: Method) -> bytes:
    # one key of metadata: safetensors writes several in no fixed order
    return save(method.state(), {"format": f"avgzsl-run-{FORMAT}"})


def _comparable(config: Config) -> dict[str, Any]:
    """What must be the same to go on with a run: all but the versions, one key a setting."""
    content = config.model_dump(mode="json", exclude={"versions", "git"})
    return {**content.pop("settings"), **content.pop("data"), **content}


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


def _git_id() -> str | None:
    """The commit of a source checkout, with `+` when files differ from it; None for an installed package."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(here), *arguments], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != here.parents[2].resolve():
            return None
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError, AvgzslError):
        return None
