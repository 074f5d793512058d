"""`index.json`: what an index is, and which run made it."""

import secrets
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from avgzsl.data.clips import ClipSet
from avgzsl.errors import DataError
from avgzsl.experiments.run import Run, run_id
from avgzsl.methods import Embeddings, present
from avgzsl.support import records
from avgzsl.support.confidential import Address, bare_address
from avgzsl.support.files import write_json
from avgzsl.types import MODALITIES, TestModality

FORMAT = 1
RECORD = "index.json"


def _bare(url: str) -> str:
    """What a record, which somebody else may have made, keeps of an address: what may be shown of it."""
    return bare_address(url) if url else url


class IndexRecord(BaseModel):
    """`run` is `run_id`; `parts` are the embeddings of `dimension` numbers that a row has; `id` names the index
    where several share an engine. `url` is where the engine was when the index was made: told, never called."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    format: int = Field(ge=1)
    id: str = Field(pattern="^[0-9a-f]{16}$")
    run: str
    method: str
    fingerprint: str
    engine: str
    url: Annotated[str, AfterValidator(_bare)] | None
    parts: tuple[Literal["audio", "video", "joint"], ...] = Field(min_length=1, max_length=2)
    dimension: int = Field(ge=1, le=1 << 20)
    decoder: int = Field(default=0, ge=0)
    """`media.version.DECODER` of the clips' features; older indexes did not say."""


def describe(run: Run, engine: str, url: Address | None, decoder: int) -> IndexRecord:
    """The record of a new index."""
    return IndexRecord(
        format=FORMAT,
        id=secrets.token_hex(8),
        run=run_id(run.method),
        method=run.config.method,
        fingerprint=run.config.data.fingerprint,
        engine=engine,
        url=None if url is None else str(url),
        decoder=decoder,
        **_shape(run),
    )


def require_shape(folder: Path, record: IndexRecord, run: Run) -> None:
    """Raises DataError unless rows are those that the run makes."""
    noted, made = record.model_dump(include={"parts", "dimension"}), _shape(run)
    if noted != made:
        raise DataError(f"{folder / RECORD}: says that rows are {noted}, and its run makes {made}; restore it")


def _shape(run: Run) -> dict[str, Any]:
    """The parts of a row, and how many numbers each has."""
    served = [m for m in MODALITIES if m in run.method.modalities or "both" in run.method.modalities]
    text = torch.ones(1, run.config.data.dimensions["text"])
    embedded = run.method.embed_text(text)
    parts = ("joint",) if no_clips(run).joint is not None else tuple(served)
    shown: tuple[TestModality, ...] = ("both",) if parts == ("joint",) else tuple(served)
    (width,) = {present(embedded.of(modality), modality).shape[1] for modality in shown}
    return {"parts": parts, "dimension": width}


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
        raise DataError(
            f"{folder}: is not an index (there is no {RECORD}); make one with `avgzsl index RUN STORE --out {folder}`"
        ) from problem
