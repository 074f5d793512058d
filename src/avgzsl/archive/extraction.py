"""Media files through the encoders of a run, into a store inside the index."""

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from avgzsl.archive.index_record import WHOLE, Cut
from avgzsl.errors import ConfigError, UnknownNameError
from avgzsl.experiments.run import Run
from avgzsl.features.extract import FAILURES, Extraction, extract
from avgzsl.features.journal import JOURNAL, open_journal
from avgzsl.features.manifest import read_clips
from avgzsl.recognition.encoders import clip_encoders, load_backbones, models_of, unit_rows
from avgzsl.support.progress import Progress
from avgzsl.support.registry import unknown
from avgzsl.types import MODALITIES, EncoderChoice, Modality


def extract_media(
    run: Run,
    clips: Path,
    stores: Path,
    *,
    encoders: EncoderChoice | None = None,
    split: str | None = None,
    manifest: Path | None = None,
    labels_from_folders: bool = False,
    cut: Cut = WHOLE,
    progress: Progress | None = None,
) -> Extraction:
    """Features of the media files in `clips`, or of those in a manifest; one store a folder of clips, which goes on.

    A `split` that none of them is in is an UnknownNameError before anything is extracted. `encoders` are for a run
    that does not know its own. Raises RunError, WeightsError when they are not those that the run was trained with,
    DataError, ConfigError.
    """
    encoders = encoders or EncoderChoice()
    if split is not None:
        splits = {row.split for row in read_clips(clips, manifest)}
        if split not in splits:
            raise UnknownNameError(f"{manifest or clips}: {unknown('split', split, filter(None, splits))}")
    specs = specs_of(run, encoders)
    store = stores / store_name(run, clips, specs)
    models = models_of(run, encoders.models)
    of_clips = replace(encoders, audio=specs.get("audio"), video=specs.get("video"), text=None, models=models)
    of_clips = replace(of_clips, unit=of_clips.unit and unit_rows(run, specs))
    return extract(
        clips,
        store,
        encoders=of_clips,
        manifest=manifest,
        labels_from_folders=labels_from_folders,
        window=cut.window,
        hop=cut.hop,
        keep_sequence=bool(run.config.data.sequences),
        progress=progress,
    )


def store_name(run: Run, clips: Path, specs: Mapping[Modality, str]) -> str:
    """What the store of a folder of clips is called, of encoders by these specs."""
    # a store is of encoders by one spec: of a run that moved with its cards it is another
    within = [spec for _, spec in sorted(specs.items()) if Path(spec).is_relative_to(run.folder.resolve())]
    return sha256("".join([str(clips.resolve()), *within]).encode()).hexdigest()[:16]


def specs_of(run: Run, encoders: EncoderChoice) -> dict[Modality, str]:
    """The encoders that the run's clips go through. Raises RunError, WeightsError, ConfigError."""
    chosen = clip_encoders(encoders)
    served = [m for m in MODALITIES if m in run.method.modalities or "both" in run.method.modalities]
    needed = [m for m in served if m in run.config.data.dimensions]
    if unused := [m for m in chosen if m not in needed]:
        raise ConfigError(f"{run.folder}: needs no {unused[0]} encoder; leave {chosen[unused[0]]} out")
    return {m: backbone.spec for m, backbone in load_backbones(run, needed, encoders).items()}


def has_extracted(stores: Path) -> bool:
    """Whether the features of any clip are there, or the list of those that failed.

    Raises RunError when another process is extracting.
    """
    if any(stores.glob(f"*/{FAILURES}")):
        return True
    for path in stores.glob(f"*/{JOURNAL}"):
        with open_journal(path) as journal:
            if not journal.is_empty():
                return True
    return False
