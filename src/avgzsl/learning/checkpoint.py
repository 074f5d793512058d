"""Where a training stands, in one safetensors file: it cannot run code, and is there whole or not at all."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from avgzsl.errors import RunError
from avgzsl.support.files import write_bytes
from avgzsl.support.trust import parse_json, require_regular

VERSION = "1"


@dataclass(frozen=True)
class Checkpoint:
    """Stage and epoch reached, the history so far, and tensors by group (module, optimiser, sampler, …) and name."""

    stage: int
    epoch: int
    finished: bool
    history: list[dict[str, Any]]
    tensors: dict[str, dict[str, Tensor]]


def write_checkpoint(path: Path, state: Checkpoint) -> None:
    """Replace `path` by this state in one step."""
    flat = {f"{group}:{name}": value for group, part in state.tensors.items() for name, value in part.items()}
    about = {"version": VERSION, "stage": state.stage, "epoch": state.epoch, "finished": state.finished}
    metadata = {"groups": list(state.tensors), "about": about, "history": state.history}
    data = {key: value.detach().cpu().contiguous() for key, value in flat.items()}
    write_bytes(path, save(data, {key: json.dumps(value) for key, value in metadata.items()}))


def read_checkpoint(path: Path) -> Checkpoint:
    """Raises RunError for a file that is not a checkpoint of this version."""
    require_regular(path, RunError)
    try:
        with safe_open(path, framework="pt") as stream:
            metadata = stream.metadata()
            tensors: dict[str, dict[str, Tensor]] = {group: {} for group in parse_json(metadata["groups"])}
            for key in stream.keys():  # noqa: SIM118 -- not a dict
                group, name = key.split(":", 1)
                tensors[group][name] = stream.get_tensor(key)
        about = parse_json(metadata["about"])
        history = parse_json(metadata["history"])
        version, reached = about["version"], (about["stage"], about["epoch"], about["finished"])
    except (SafetensorError, KeyError, TypeError, ValueError, OSError) as problem:
        raise RunError(f"{path}: not a checkpoint ({problem}); delete it to train from the start") from problem
    if version != VERSION:
        raise RunError(f"{path}: checkpoint format {version}, not {VERSION}; delete it to train from the start")
    return Checkpoint(*reached, history, tensors)
