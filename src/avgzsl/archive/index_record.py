"""`index.json`: what an index is, and which run made it."""

import secrets
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args

import numpy as np
import torch
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from avgzsl.archive.numbers import mode_energy, mode_weight
from avgzsl.data.clips import ClipSet
from avgzsl.errors import ConfigError, DataError
from avgzsl.experiments.calibration import ModeName
from avgzsl.experiments.protocol import Mode, served_modes
from avgzsl.experiments.run import Run, run_id
from avgzsl.features.folder_kinds import what_it_is
from avgzsl.methods import Embeddings, TextEmbeddings, present
from avgzsl.support import records
from avgzsl.support.confidential import Address, bare_address
from avgzsl.support.files import write_json
from avgzsl.types import MODALITIES, TestModality

FORMAT = 2
RECORD = "index.json"
_LONGEST_NAME = 100


def _bare(url: str) -> str:
    """What a record, which somebody else may have made, keeps of an address: what may be shown of it."""
    return bare_address(url) if url else url


def checked_name(name: str | None) -> str | None:
    """A name of an archive. Raises ValueError for one that cannot be shown in a line."""
    if name is not None and not (name.isprintable() and name.strip() and len(name) <= _LONGEST_NAME):
        raise ValueError(f"{name[:50]!r} is no name of an archive: give 1 to {_LONGEST_NAME} characters that print")
    return name


class EnergyRecord(BaseModel):
    """The share and the temperature of the energy term of a mode (`scores.energy`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    share: float = Field(ge=0, le=1)
    temperature: float = Field(gt=0, allow_inf_nan=False)


class IndexRecord(BaseModel):
    """`run` is `run_id`; `dimensions` are the numbers of each embedding that a row has, in their order; `id` names the
    index where several share an engine. `url` is where the engine was when the index was made: told, never called."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    format: int = Field(ge=1)
    id: str = Field(pattern="^[0-9a-f]{16}$")
    run: str
    method: str
    fingerprint: str
    engine: str
    url: Annotated[str, AfterValidator(_bare)] | None
    dimensions: dict[Literal["audio", "video", "joint"], Annotated[int, Field(ge=1, le=1 << 20)]]
    joined: bool = False
    """Whether sound and picture are compared with a text each: a fused vector then has both, side by side."""
    weighted_by_text: bool = False
    """Whether the text itself says how much video counts, in the fusion `weighted`."""
    weight: float = Field(default=0.5, ge=0, le=1)
    """How much video counts in the fusion `weighted`, where the text does not say it."""
    energy: dict[str, EnergyRecord] = {}
    """Of each mode whose corrected scores can be asked for: a row has an addend for each, in this order."""
    decoder: int = Field(default=0, ge=0)
    """`media.version.DECODER` of the clips' features; older indexes did not say."""
    window: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Seconds that longer media files are cut into; None where they are not cut."""
    hop: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Seconds from one piece to the next; None is the window."""
    name: Annotated[str | None, AfterValidator(checked_name)] = None
    """What people call it; None is its folder's name."""
    wanted_recall: float | None = Field(default=None, gt=0, le=1)
    """Of an approximate engine: what share of the ten nearest it is to find (`archive.recall`)."""

    @model_validator(mode="before")
    @classmethod
    def _of_one_dimension(cls, content: Any) -> Any:
        """Records of format 1 had `parts` of one `dimension`."""
        if not isinstance(content, dict) or content.get("format") != 1 or "dimensions" in content:
            return content
        content = dict(content)
        parts, dimension = content.pop("parts", None), content.pop("dimension", None)
        return content | {"dimensions": dict.fromkeys(parts, dimension) if isinstance(parts, list) else parts}

    @model_validator(mode="after")
    def _parts_are_possible(self) -> "IndexRecord":
        if self.parts not in (("audio",), ("video",), ("audio", "video"), ("joint",)):
            raise ValueError(
                f"expected dimensions of audio, of video, of both in this order, or of joint: {self.parts}"
            )
        if strange := self.energy.keys() - set(get_args(ModeName)):
            raise ValueError(f"{', '.join(sorted(strange))} is no mode that has an energy term")
        return self

    @property
    def parts(self) -> tuple[Literal["audio", "video", "joint"], ...]:
        """The embeddings that a row has, in their order."""
        return tuple(self.dimensions)


class Cut(NamedTuple):
    """How media files of an index are cut: see `IndexRecord`."""

    window: float | None = None
    hop: float | None = None


WHOLE = Cut()


def describe(
    run: Run, engine: str, url: Address | None, decoder: int, cut: Cut = WHOLE, recall: float | None = None
) -> IndexRecord:
    """The record of a new index. Raises ConfigError for a method that no index can serve."""
    require_searchable(run)
    return IndexRecord(
        format=FORMAT,
        id=secrets.token_hex(8),
        run=run_id(run.method),
        method=run.config.method,
        fingerprint=run.config.data.fingerprint,
        engine=engine,
        url=None if url is None else str(url),
        decoder=decoder,
        window=cut.window,
        hop=cut.hop,
        wanted_recall=recall,
        weight=mode_weight(run, Mode("both", "weighted")),
        energy=energy_of(run),
        **_shape(run),
    )


def energy_of(run: Run) -> dict[str, EnergyRecord]:
    """The numbers of every mode, with a share in at least one of them; nothing where no share or no seen class is."""
    numbers = {mode: mode_energy(run, mode) for mode in served_modes(run.method)}
    if not run.config.data.seen or not any(share for share, _ in numbers.values()):
        return {}
    return {str(mode): EnergyRecord(share=share, temperature=warmth) for mode, (share, warmth) in numbers.items()}


def require_searchable(run: Run) -> None:
    """Raises ConfigError, with the method's own reason, where no index can serve it."""
    if run.method.searchable:
        raise ConfigError(
            f"{run.folder}: {run.config.method} can be neither indexed nor searched with: {run.method.searchable}; "
            "`avgzsl predict --classes` recognises clips with it, and `avgzsl methods` says what can be searched"
        )


def require_shape(folder: Path, record: IndexRecord, run: Run) -> None:
    """Raises DataError unless rows are those that the run makes."""
    made = _shape(run)
    noted = record.model_dump(include=set(made))
    if noted != made:
        raise DataError(f"{folder / RECORD}: says that rows are {noted}, and its run makes {made}; restore it")


def _shape(run: Run) -> dict[str, Any]:
    """The parts of a row, how many numbers each has, and what the text says of them."""
    served = [m for m in MODALITIES if m in run.method.modalities or "both" in run.method.modalities]
    text = run.method.embed_text(torch.ones(1, run.config.data.dimensions["text"]))
    weighted = {"weighted_by_text": text.video_weight is not None}
    if no_clips(run).joint is not None:
        return {"dimensions": {"joint": _width(text, "both")}, "joined": False, **weighted}
    joined = len(served) > 1 and not text.one_space
    return {"dimensions": {m: _width(text, m) for m in served}, "joined": joined, **weighted}


def _width(text: TextEmbeddings, modality: TestModality) -> int:
    return present(text.of(modality), modality).shape[1]


def no_clips(run: Run) -> Embeddings:
    """Embeddings of no clips: which of them the method makes."""
    sizes = run.config.data.dimensions
    features = {m: torch.zeros(0, sizes[m]) if m in sizes else None for m in MODALITIES}
    nothing = ClipSet(features["audio"], features["video"], torch.zeros(0, dtype=torch.int64), np.zeros(0, "U1"))
    return run.method.embed_clips(nothing)


def write_record(folder: Path, record: IndexRecord, name: str = RECORD) -> None:
    """Write the record of an index, whole or not at all."""
    write_json(folder / name, record.model_dump(mode="json"))


def read_record(folder: Path) -> IndexRecord:
    """The record of an index.

    Raises DataError for a folder that is none, a record that is damaged, or one of a newer format.
    """
    try:
        return records.read_record(
            folder / RECORD, IndexRecord, "the record of an index", "restore it or index again", DataError, FORMAT
        )
    except (FileNotFoundError, NotADirectoryError) as problem:
        given = what_it_is(folder, "index") or f"; make one with `avgzsl index RUN STORE --out {folder}`"
        raise DataError(f"{folder}: is not an index (there is no {RECORD}){given}") from problem
