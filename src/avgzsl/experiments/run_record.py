"""The record of a run, its `config.json`: all that was asked for, on which data, and with what it was run."""

import platform
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_serializer, model_validator

import avgzsl
from avgzsl.data.clips import Dataset, Encoder, TextPart
from avgzsl.errors import AvgzslError, RunError
from avgzsl.features.folder_kinds import what_it_is
from avgzsl.methods import PLUGINS, Method, dimensions, settings_of
from avgzsl.support import records
from avgzsl.support.files import write_json
from avgzsl.support.temporary import leftovers
from avgzsl.types import DataChoice, Modality, TextOrder

FORMAT = 1
CONFIG = "config.json"
NO_DATA = "none"  # the layout and the class split of a run that saw no data
_LARGEST = 1 << 24  # numbers of a feature


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
    """Those of clips. In runs from before text had parts that of names stands here, too; read, it stands in `text`."""
    text: tuple[TextPart, ...] = ()
    text_asked: tuple[str, ...] = ()
    """The parts of the text as they were asked for; none were what the data brought."""
    models: str | None = None
    sequences: tuple[Modality, ...] = ()
    """The modalities whose steps the method read; written only where there are any."""

    @model_serializer(mode="wrap")
    def _brief(self, write: Callable[["DataRecord"], dict[str, Any]]) -> dict[str, Any]:
        """A run on vectors has the record that it always had."""
        fields: dict[str, Any] = write(self)
        return {name: value for name, value in fields.items() if name != "sequences" or value}

    @model_validator(mode="after")
    def _text_is_told(self) -> "DataRecord":
        names, width = self.encoders.pop("text", None), self.dimensions["text"]
        parts = self.text or (TextPart(width),)
        if names is not None:
            if len(parts) > 1 or parts[0].encoder is not None:
                raise ValueError("the encoder of text stands there twice")
            parts = (replace(parts[0], encoder=names),)
        if (given := sum(part.width for part in parts)) != width:
            raise ValueError(f"the parts of the text have {given} numbers, and its dimension is {width}")
        self.text = parts
        return self

    @model_validator(mode="after")
    def _paths_are_possible(self) -> "DataRecord":
        for encoder in self.known_encoders:
            for text in (encoder.spec, *(file.name for file in encoder.weights)):
                _require_possible(text)
        _require_possible(self.path)
        return self

    @property
    def known_encoders(self) -> list[Encoder]:
        """Those of clips, and of the parts of the text, that are known."""
        return [*self.encoders.values(), *(part.encoder for part in self.text if part.encoder is not None)]

    @property
    def choice(self) -> DataChoice:
        """How the data was read, and is read again."""
        return replace(self.own_choice, text=self.text_asked, models=self.models)

    @property
    def own_choice(self) -> DataChoice:
        """How the data was read, with the text that it brings."""
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

    @field_validator("settings")
    @classmethod
    def _text_scale_is_there(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """Runs from before there was a choice scaled the text as `normalise` said, where they had that."""
        scale = "raw" if settings.get("normalise") is False else "unit"
        return {"text_scale": scale, "text_prepare": "none", **settings}


def describe(method: Method, dataset: Dataset, seed: int, device: str) -> Config:
    """The record of a run that is about to start."""
    seen = dict(zip(dataset.classes.names, dataset.classes.seen.tolist(), strict=True))
    choice, train = dataset.choice or DataChoice(), dataset.split("train")
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
            dimensions=dimensions(train, dataset.classes),
            seen=[name for name in seen if seen[name]],
            unseen=[name for name in seen if not seen[name]],
            encoders={kind: encoder for kind, encoder in dataset.encoders.items() if kind != "text"},
            text=dataset.text_parts,
            text_asked=choice.parts,
            models=None if choice.models is None or not choice.parts else str(choice.models),
            sequences=tuple(train.sequences) if method.sequences else (),
        ),
        versions=_versions(method),
        git=_git_id(),
    )


def describe_untrained(
    method: Method,
    sizes: Mapping[str, int],
    encoders: Mapping[Modality, Encoder],
    text: tuple[TextPart, ...],
    fingerprint: str,
) -> Config:
    """The record of a run that saw no data: `sizes` are the dimensions of audio, video and text by `encoders`."""
    return Config(
        format=FORMAT,
        method=method.name,
        settings=settings_of(method),
        seed=0,
        device="cpu",
        data=DataRecord(
            path="",
            layout=NO_DATA,
            class_split=NO_DATA,
            fingerprint=fingerprint,
            drop_bad_rows=False,
            dimensions=dict(sizes),
            seen=[],
            unseen=[],
            encoders=dict(encoders),
            text=text,
        ),
        versions=_versions(method),
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


def read_config(folder: Path) -> Config:
    """Raises RunError for a folder that is no run, a config that is damaged, or one of a newer format."""
    remedy = "restore it or train again"
    try:
        return records.read_record(folder / CONFIG, Config, "a run's config", remedy, RunError, FORMAT)
    except (FileNotFoundError, NotADirectoryError) as problem:
        given = what_it_is(folder, "run") or "; make one with `avgzsl train`"
        raise RunError(f"{folder}: is not a run (there is no {CONFIG}){given}") from problem


def _versions(method: Method) -> dict[str, str]:
    return {
        "avgzsl": avgzsl.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        **PLUGINS.package_of(method.name),
    }


def _comparable(config: Config) -> dict[str, Any]:
    """What must be the same to go on with a run: all but the versions and the place of models, one key a setting."""
    content = config.model_dump(mode="json", exclude={"versions": True, "git": True, "data": {"models"}})
    return {**content.pop("settings"), **content.pop("data"), **content}


def _require_possible(path: str) -> None:
    """Raises ValueError for what no system takes as a path, and fails at with errors of its own."""
    if "\0" in path or len(path.encode()) > 4000 or any(len(part.encode()) > 255 for part in path.split("/")):
        raise ValueError(f"{path[:40]!r}… cannot be a path")


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
