"""Media files through the encoders of a run, into a store inside the index."""

from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

from avgzsl.errors import ConfigError, UnknownNameError
from avgzsl.experiments.run import Run
from avgzsl.features.extract import FAILURES, Extraction, extract
from avgzsl.features.journal import JOURNAL, open_journal
from avgzsl.features.manifest import read_clips
from avgzsl.recognition.encoders import load_backbones, models_of
from avgzsl.support.registry import unknown
from avgzsl.types import MODALITIES, Modality


def extracted(
    run: Run,
    clips: Path,
    stores: Path,
    told: Callable[[int, int], None] | None = None,
    *,
    split: str | None = None,
    manifest: Path | None = None,
    models: Path | None = None,
    device: str = "auto",
    audio: str | None = None,
    video: str | None = None,
) -> Extraction:
    """Features of the media files in `clips`, or of those in a manifest; one store a folder of clips, which goes on.

    A `split` that none of them is in is an UnknownNameError before anything is extracted. `models` is the folder of
    weights, `audio` and `video` name the encoders of a run that does not know its own. Raises RunError, WeightsError
    when they are not those that the run was trained with, DataError, ConfigError.
    """
    if split is not None and split not in (there := {row.split for row in read_clips(clips, manifest)}):
        raise UnknownNameError(f"{manifest or clips}: {unknown('split', split, filter(None, there))}")
    specs = specs_of(run, models=models, device=device, audio=audio, video=video)
    return extract(
        clips,
        stores / store_name(run, clips, specs),
        manifest=manifest,
        audio=specs.get("audio"),
        video=specs.get("video"),
        models=models_of(run, models),
        device=device,
        told=None if told is None else lambda now: told(now.done, now.total),
    )


def store_name(run: Run, clips: Path, specs: Mapping[Modality, str]) -> str:
    """What the store of a folder of clips is called, of encoders by these specs."""
    # a store is of encoders by one spec: of a run that moved with its cards it is another
    within = [spec for _, spec in sorted(specs.items()) if Path(spec).is_relative_to(run.folder.resolve())]
    return sha256("".join([str(clips.resolve()), *within]).encode()).hexdigest()[:16]


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


def has_extracted(stores: Path) -> bool:
    """Whether the features of any clip are there, or the list of those that failed.

    Raises RunError when another process is extracting.
    """
    if any(stores.glob(f"*/{FAILURES}")):
        return True
    for path in stores.glob(f"*/{JOURNAL}"):
        with open_journal(path) as journal:
            if journal.connection.execute("select 1 from clips").fetchone():
                return True
    return False
