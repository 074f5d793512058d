"""An index without a run, a list or a label: clips through frozen encoders, found by any words."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from avgzsl import backbones
from avgzsl.archive.collection import Collection, open_index
from avgzsl.archive.index_checks import checked_cut, require_made_so
from avgzsl.archive.index_record import RECORD
from avgzsl.archive.indexing import index, index_add
from avgzsl.archive.naming import named, require_name
from avgzsl.archive.results import Added
from avgzsl.data.clips import Encoder
from avgzsl.errors import RunError
from avgzsl.experiments.run_record import NO_DATA
from avgzsl.features.feature_store import is_store, open_store
from avgzsl.features.manifest import read_clips
from avgzsl.recognition.encoders import clip_encoders
from avgzsl.recognition.frozen_run import make_frozen_run
from avgzsl.recognition.local_encoders import local_encoders, usual_text
from avgzsl.support.arguments import as_path, check_arguments
from avgzsl.support.progress import Progress
from avgzsl.support.weights import nothing_fetched
from avgzsl.types import MODALITIES, EncoderChoice, Modality

WINDOW = 10.0  # seconds


def index_frozen(
    source: str | Path,
    out: str | Path,
    *,
    engine: str | None = None,
    url: str | None = None,
    encoders: EncoderChoice | None = None,
    window: float | None = None,
    hop: float | None = None,
    recall: float | None = None,
    manifest: str | Path | None = None,
    labels_from_folders: bool = False,
    prune: bool = False,
    name: str | None = None,
    progress: Progress | None = None,
    note: Callable[[str], None] = lambda _: None,
) -> Added:
    """Index the clips of `source`, a folder of media files or a store, without any training; an index there goes on.

    A new index takes the `encoders` that are named, else the best that are on this machine (`local_encoders`); nothing
    is fetched for those. `note` is told which, and what better ones would need. Longer media files are cut into windows
    of 10 s, or of `window` s every `hop` s. The other parameters are those of `index`.

    Raises what `index` raises, WeightsError where no encoder is there, RunError for an index of a trained run.
    """
    check_arguments(encoders=encoders, progress=progress)
    require_name(name)
    choice, source, folder = encoders or EncoderChoice(), Path(source), Path(out)
    if not is_store(source):
        read_clips(source, as_path(manifest))  # what is wrong there is told before any encoder is loaded
    cut = checked_cut(WINDOW if window is None and hop is not None else window, hop)
    more: dict[str, Any] = {
        "manifest": manifest,
        "labels_from_folders": labels_from_folders,
        "prune": prune,
        "progress": progress,
    }
    if (folder / RECORD).exists():
        collection = open_index(folder, url)
        _require_untrained(collection)
        require_made_so(collection, engine, cut, recall)
        return index_add(named(collection, name), source, encoders=encoders, **more)
    with tempfile.TemporaryDirectory(prefix="avgzsl-run-") as work:
        made, sizes = _of_store(source, choice) if is_store(source) else _of_media(choice, note)
        text = choice.parts or usual_text({m: encoder.spec for m, encoder in made.items()})
        run = make_frozen_run(Path(work) / "run", made, sizes, text, as_path(choice.models))
        note(f"sound and pictures go through {_named(made)}, words through {', '.join(text)}")
        of_clips = replace(choice, audio=None, video=None, text=())
        return index(
            run, source, folder, engine=engine, url=url, encoders=of_clips,
            window=WINDOW if cut.window is None else cut.window, hop=cut.hop, recall=recall, name=name, **more,
        )  # fmt: skip


def _of_media(
    choice: EncoderChoice, note: Callable[[str], None]
) -> tuple[dict[Modality, Encoder], dict[Modality, int]]:
    """The encoders that are named, else the best that are here, and how many numbers each gives."""
    named, models = clip_encoders(choice), as_path(choice.models)
    specs = named
    if not named:
        local = local_encoders(models)
        specs = dict(local.specs)
        if local.better is not None:
            note(local.better)
    with nothing_fetched(not named):
        loaded = {m: backbones.load(spec, m, device=choice.device, models=models) for m, spec in specs.items()}
    return (
        {m: Encoder(backbone.spec, backbone.weights) for m, backbone in loaded.items()},
        {m: backbone.dimension for m, backbone in loaded.items()},
    )


def _of_store(folder: Path, choice: EncoderChoice) -> tuple[dict[Modality, Encoder], dict[Modality, int]]:
    """What made the features of a store, or those of it that are named."""
    known = open_store(folder).record.encoders
    named = clip_encoders(choice)
    made: dict[Modality, Encoder] = {}
    sizes: dict[Modality, int] = {}
    for modality in MODALITIES:
        if modality in known:
            record = known[modality]
            made[modality] = Encoder(named.get(modality, record.spec), record.weights)
            sizes[modality] = record.dimension
    return made, sizes


def _named(encoders: dict[Modality, Encoder]) -> str:
    return " and ".join(f"{encoder.spec} ({'sound' if m == 'audio' else 'picture'})" for m, encoder in encoders.items())


def _require_untrained(collection: Collection) -> None:
    """Raises RunError for an index of a run that was trained."""
    if collection.run.config.data.layout != NO_DATA:
        raise RunError(
            f"{collection.folder}: is an index of a run of {collection.run.config.method} that saw data; add to it "
            "with `avgzsl index-add`, or choose another folder"
        )
