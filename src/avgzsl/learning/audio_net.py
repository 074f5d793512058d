"""Training of the audio network on the seen training clips of a manifest, as the paper does (section 4.2).

Weak labels: a clip has one, its time steps have none of their own. Adam, batches of clips of equal length and averaging
over time are those of the network's first author (WALNet). The paper names neither loss nor number of epochs.
"""

import os
import shutil
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from pydantic.dataclasses import dataclass as settings
from safetensors.torch import save
from torch import Generator, Tensor
from torch.nn.functional import binary_cross_entropy, cross_entropy, one_hot

import avgzsl
from avgzsl.backbones._kumar_network import KumarNet, fresh
from avgzsl.errors import ConfigError, DataError, RunError
from avgzsl.features.manifest import Row
from avgzsl.learning.audio_clips import Batch, Spectrograms, open_spectrograms, seen_training_rows, write_spectrograms
from avgzsl.learning.training import SETTINGS, Job, Schedule, Stage, train
from avgzsl.support.arguments import check_arguments
from avgzsl.support.device import pick_device
from avgzsl.support.files import write_bytes, write_json
from avgzsl.support.progress import Progress
from avgzsl.support.temporary import leftovers
from avgzsl.support.trust import read_json

WEIGHTS, RECORD = "kumar.safetensors", "kumar.json"
_CONFIG, _CHECKPOINT, _SPECTROGRAMS = "config.json", "checkpoint.safetensors", "spectrograms"
_FORMAT = 1

Loss = Literal["bce", "softmax"]


@settings(config=SETTINGS, kw_only=True, frozen=True)
class AudioNetSettings:
    """Hyper-parameters, which the record keeps."""

    loss: Loss = "bce"
    """bce: each class for itself, on the averaged probabilities; softmax: one class of all, on the averaged scores."""
    epochs: int = Field(default=20, ge=1)
    """Times that every clip is heard."""
    batch_size: int = Field(default=72, ge=1)
    """Clips in a step, at most: those of one length."""
    lr: float = Field(default=1e-3, gt=0, allow_inf_nan=False)
    """Learning rate of Adam."""


STANDARD = AudioNetSettings()


def clip_loss(scores: Float[Tensor, "b c s"], labels: Int[Tensor, " b"], loss: Loss) -> Float[Tensor, ""]:
    """Loss of class scores at s time steps against a label a clip, averaged over the batch (bce: and the classes).

    `bce` is Kumar et al. 2018, eq. 1, on the mean over time of the sigmoids; `softmax` is cross-entropy of the mean
    over time of the scores.
    """
    if loss == "softmax":
        return cross_entropy(scores.mean(2), labels)
    return binary_cross_entropy(scores.sigmoid().mean(2), one_hot(labels, scores.shape[1]).to(scores.dtype))


def train_audio_net(
    clips: Path | str,
    manifest: Path | str,
    out: Path | str,
    settings: AudioNetSettings = STANDARD,
    *,
    seed: int = 0,
    device: str = "auto",
    workers: int | None = None,
    resume: bool = False,
    checkpoint_seconds: float = 10.0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train the network of the backbone `kumar`; the weights go to `out`/kumar.safetensors, the record beside them.

    Only clips with split train and seen yes are heard; those that fail are left out, and the record says why. Until the
    end `out` also holds their spectrograms (44 kB a second of sound). With `resume` an interrupted training goes on,
    and ends in the same bytes as one that was not. `progress` hears of clips that were decoded, then of epochs.

    Parameters are many since each changes one thing of how the network is trained; `settings` are what is learned by.
    Raises DataError for a manifest that does not tell the seen training clips, or a class of which none can be heard;
    RunError when `out` holds something else; ConfigError for a device that is not there.
    """
    check_arguments(seed=seed, workers=workers, progress=progress)
    if not isinstance(settings, AudioNetSettings):
        raise ConfigError(f"settings is {settings!r}; expected AudioNetSettings(epochs=…)")
    root, folder, where = Path(clips), Path(out), pick_device(device)
    rows = seen_training_rows(Path(manifest), root)
    classes = sorted({str(row.label) for row in rows})
    config = {
        "format": _FORMAT,
        "settings": asdict(settings),
        "seed": seed,
        "device": where.type,
        "manifest": sha256(Path(manifest).read_bytes()).hexdigest(),
        "classes": classes,
        "versions": {"avgzsl": avgzsl.__version__, "torch": torch.__version__},
    }
    _start(folder, config, resume)
    if (folder / WEIGHTS).is_file():
        return _read(folder / RECORD)
    failures = write_spectrograms(rows, root, folder / _SPECTROGRAMS, workers or os.cpu_count() or 1, progress)
    labels = {i: classes.index(str(row.label)) for i, row in enumerate(rows) if i not in failures}
    _check_heard(rows, classes, labels, failures)
    sampler = open_spectrograms(folder / _SPECTROGRAMS, labels, settings.batch_size)
    job = Job(seed=seed, progress=progress, checkpoint=folder / _CHECKPOINT, checkpoint_seconds=checkpoint_seconds)
    network = _fit(sampler, len(classes), settings, job, where)
    reasons = {rows[i].id: reason for i, reason in failures.items()}
    return _finish(folder, network, config | {"clips": len(labels), "failures": reasons, "history": job.history})


def _fit(sampler: Spectrograms, n_classes: int, settings: AudioNetSettings, job: Job, device: torch.device) -> KumarNet:
    generator = Generator().manual_seed(job.seed)
    network = fresh(n_classes, generator).to(device).train()

    def loss(batch: Batch) -> dict[str, Tensor]:
        mel, labels = (part.to(device) for part in batch)
        return {settings.loss: clip_loss(network.logits(network.features(mel)), labels, settings.loss)}

    schedule = Schedule(
        optimiser="adam", lr=settings.lr, batch_size=settings.batch_size, epochs=settings.epochs, milestones=()
    )
    with torch.backends.cudnn.flags(enabled=True, deterministic=True, benchmark=False):
        train(Stage(0, "audio network", network, network, sampler, loss, schedule, generator), job)
    return network


def _start(folder: Path, config: dict[str, Any], resume: bool) -> None:
    path = folder / _CONFIG
    if not path.is_file():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise RunError(f"{folder}: is not empty and holds no training of an audio network; choose another folder")
        write_json(path, config)
        return
    if not resume:
        raise RunError(f"{folder}: holds a training already; resume it, or choose another folder")
    recorded = _read(path)
    differ = [
        f"{key}: {recorded.get(key)!r} there, {value!r} asked"
        for key, value in config.items()
        if value != recorded.get(key)
    ]
    if differ:
        raise RunError(f"{folder}: cannot be resumed with other settings:\n  " + "\n  ".join(differ))
    for unfinished in leftovers(folder):
        unfinished.unlink()


def _check_heard(rows: list[Row], classes: list[str], labels: dict[int, int], failures: dict[int, str]) -> None:
    lost = sorted(set(range(len(classes))) - set(labels.values()))
    if lost:
        names = ", ".join(classes[i] for i in lost)
        raise DataError(
            f"no clip of these classes can be heard: {names}; one of {len(failures)} failures of {len(rows)} clips: "
            f"{next(iter(failures.values()))}"
        )


def _finish(folder: Path, network: KumarNet, record: dict[str, Any]) -> dict[str, Any]:
    """The record first: where there are weights, the training is finished. What was needed to resume goes away."""
    data = save({key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()})
    record = record | {"weights": {"name": WEIGHTS, "sha256": sha256(data).hexdigest()}}
    write_json(folder / RECORD, record)
    write_bytes(folder / WEIGHTS, data)
    (folder / _CHECKPOINT).unlink(missing_ok=True)
    shutil.rmtree(folder / _SPECTROGRAMS, ignore_errors=True)
    return record


def _read(path: Path) -> dict[str, Any]:
    try:
        record = read_json(path, RunError)
    except (OSError, ValueError) as problem:
        raise RunError(f"{path}: cannot be read ({problem}); choose another folder") from problem
    if not isinstance(record, dict):
        raise RunError(f"{path}: not the record of a training; choose another folder")
    return record
