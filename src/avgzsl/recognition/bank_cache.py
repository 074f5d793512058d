"""The bank's rows of text, kept in the user's cache: a few hundred phrases take a text encoder seconds.

A file is found by the encoders, their weights, prompts and all phrases, so that a change of any of them makes another.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

import avgzsl
from avgzsl.errors import AvgzslError
from avgzsl.support.files import write_bytes
from avgzsl.support.own_folders import cache_root
from avgzsl.text.part_record import TextPart


def bank_folder() -> Path:
    """Where they are: AVGZSL_CACHE, else the user's cache folder."""
    return cache_root() / "bank"


def kept_rows(
    parts: Sequence[TextPart], phrases: Sequence[str], encode: Callable[[], Float[Tensor, "b t"]]
) -> Float[Tensor, "b t"]:
    """The rows that `encode` gives, from the cache if they are there whole; what cannot be kept is encoded again."""
    told = json.dumps([avgzsl.__version__, [asdict(part) for part in parts], list(phrases)])
    path = bank_folder() / f"{sha256(told.encode()).hexdigest()}.safetensors"
    try:
        rows = load(path.read_bytes())["rows"]
        shape = len(phrases), sum(part.width for part in parts)
        if rows.shape == shape and bool(rows.isfinite().all()):
            return rows
    except (OSError, SafetensorError, LookupError):
        pass
    rows = encode().float().contiguous()
    with suppress(AvgzslError):
        write_bytes(path, save({"rows": rows}))
    return rows
