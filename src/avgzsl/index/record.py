"""`index.json`: what an index is, and which run made it."""

import secrets
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from avgzsl import records
from avgzsl.data import ClipSet
from avgzsl.errors import DataError
from avgzsl.files import write_json
from avgzsl.methods.base import Embeddings
from avgzsl.runs import Run, run_id
from avgzsl.types import MODALITIES

FORMAT = 1
RECORD = "index.json"


class IndexRecord(BaseModel):
    """`run` is `runs.run_id`; `parts` are the embeddings of `dimension` numbers that a row has; `id` names the index
    where several share an engine."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    format: int
    id: str = Field(pattern="^[0-9a-f]{16}$")
    run: str
    method: str
    fingerprint: str
    engine: str
    url: str | None
    parts: tuple[Literal["audio", "video", "joint"], ...]
    dimension: int = Field(ge=1)
    decoder: int = Field(default=0, ge=0)
    """`media.version.DECODER` of the clips' features; older indexes did not say."""


def describe(run: Run, engine: str, url: str | None, decoder: int) -> IndexRecord:
    """The record of a new index."""
    nothing = no_clips(run)
    served = [m for m in MODALITIES if m in run.method.modalities or "both" in run.method.modalities]
    parts = ["joint"] if nothing.joint is not None else served
    text = torch.zeros(1, run.config.data.dimensions["text"])
    text[0, 0] = 1.0
    return IndexRecord(
        format=FORMAT,
        id=secrets.token_hex(8),
        run=run_id(run.method),
        method=run.config.method,
        fingerprint=run.config.data.fingerprint,
        engine=engine,
        url=url,
        parts=tuple(parts),
        dimension=run.method.embed_text(text).shape[1],
        decoder=decoder,
    )


def no_clips(run: Run) -> Embeddings:
    """Embeddings of no clips: which of them the method makes."""
    sizes = run.config.data.dimensions
    features = {m: torch.zeros(0, sizes[m]) if m in sizes else None for m in MODALITIES}
    nothing = ClipSet(features["audio"], features["video"], torch.zeros(0, dtype=torch.int64), np.zeros(0, "U1"))
    return run.method.embed_clips(nothing)


def write_record(folder: Path, record: IndexRecord) -> None:
    """Whole or not at all."""
    write_json(folder / RECORD, record.model_dump(mode="json"))


def read_record(folder: Path) -> IndexRecord:
    """Raises DataError for a folder that is no index, a record that is damaged, or one of a newer format."""
    try:
        return records.read_record(
            folder / RECORD, IndexRecord, "the record of an index", "restore it or index again", DataError, FORMAT
        )
    except (FileNotFoundError, NotADirectoryError) as problem:
        raise DataError(
            f"{folder}: is not an index (there is no {RECORD}); make one with `avgzsl index RUN STORE --out {folder}`"
        ) from problem
