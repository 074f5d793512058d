"""Media files through the encoders of a run, into a store inside the index."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from avgzsl.encoders import load_backbones, models_of
from avgzsl.errors import ConfigError
from avgzsl.features.extract import Extraction, extract
from avgzsl.runs import Run
from avgzsl.types import MODALITIES, Modality


def extracted(
    run: Run,
    clips: Path,
    stores: Path,
    told: Callable[[int, int], None] | None = None,
    *,
    manifest: Path | None = None,
    models: Path | None = None,
    device: str = "auto",
    audio: str | None = None,
    video: str | None = None,
) -> Extraction:
    """Features of the media files in `clips`, or of those in a manifest; one store a folder of clips, which goes on.

    `models` is the folder of weights, `audio` and `video` name the encoders of a run that does not know its own. Raises
    RunError, WeightsError when they are not those that the run was trained with, DataError, ConfigError.
    """
    specs = specs_of(run, models=models, device=device, audio=audio, video=video)
    folder = stores / sha256(str(clips.resolve()).encode()).hexdigest()[:16]
    return extract(
        clips,
        folder,
        manifest=manifest,
        audio=specs.get("audio"),
        video=specs.get("video"),
        models=models_of(run, models),
        device=device,
        told=None if told is None else lambda now: told(now.done, now.total),
    )


def specs_of(
    run: Run,
    *,
    models: Path | None = None,
    device: str = "auto",
    audio: str | None = None,
    video: str | None = None,
) -> dict[Modality, str]:
    """The encoders that the run's clips go through. Raises RunError, WeightsError, ConfigError."""
    given = {name: spec for name, spec in (("audio", audio), ("video", video)) if spec is not None}
    served = [m for m in MODALITIES if m in run.method.modalities or "both" in run.method.modalities]
    wanted = [m for m in served if m in run.config.data.dimensions]
    if strange := [name for name in given if name not in wanted]:
        raise ConfigError(f"{run.folder}: needs no {strange[0]} encoder; leave {given[strange[0]]} out")
    return {m: backbone.spec for m, backbone in load_backbones(run, wanted, given, models, device).items()}
