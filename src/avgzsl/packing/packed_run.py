"""A run as one folder to share: what it learned, what it recognises with, and a model card.

The folder is a run: `predict` takes it as it is. It also has the layout of huggingface_hub's PyTorchModelHubMixin
(`config.json`, `model.safetensors`, `README.md`): the hub's upload and download work on it, and so does
`from_pretrained` of a module with the method's networks that takes `method`, `settings` and `data`. Paths of this
machine stay here.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from avgzsl.data.clips import Encoder
from avgzsl.errors import ConfigError, RunError, WeightsError
from avgzsl.experiments import run as runs
from avgzsl.experiments.calibration import RECOGNITION, read_recognition
from avgzsl.experiments.run_record import CONFIG
from avgzsl.recognition.encoders import CARDS, WEIGHTS, models_of, spec_of
from avgzsl.recognition.portable import EncoderKind, bare_part, with_bare_names, with_card, with_weights
from avgzsl.reports.model_card import README, licences, model_card, read_results, without_path
from avgzsl.support.arguments import check_list
from avgzsl.support.files import whole_folder, write_json, write_text
from avgzsl.support.trust import copy_regular, require_no_links

_AS_THEY_ARE = (runs.CLASSES, runs.MODEL, runs.HISTORY, RECOGNITION)


def pack(
    run: str | Path | runs.Run,
    out: str | Path,
    *,
    weights: bool = False,
    models: str | Path | None = None,
    named: Sequence[str | Path] = (),
) -> list[Path]:
    """Write a run, or the run in a folder, to the folder `out`, whole or not at all, and give back the files.

    With `weights`, those of its encoders come along, looked for where recognition looks for them, so that the folder
    recognises clips on any machine, offline. What a run names by a path is packed only if it lies in the folder of
    models or is `named`, too: somebody else may have made the run. Raises RunError, also for a run with links in it,
    ConfigError for a method that cannot be packed, and WeightsError for weights that are not there, not named, or not
    those that the run was trained with.
    """
    check_list("named", named)
    folder, target = run.folder if isinstance(run, runs.Run) else Path(run), Path(out)
    require_no_links(folder, RunError)
    method = type(run.method) if isinstance(run, runs.Run) else None
    loaded = runs.load_run(folder, method)  # anew: what is packed is what lies there
    if loaded.method.packable:
        raise ConfigError(f"{folder}: a run of {loaded.config.method} cannot be packed: {loaded.method.packable}")
    extra = [Path(path) for path in named]
    if missing := [path for path in extra if not path.exists()]:
        raise WeightsError(f"{missing[0]}: was named to be packed, and is not there; give its path as it is now")
    runs.read_classes(loaded)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise RunError(f"{target}: is there already; choose another folder")
    with whole_folder(target) as half:
        _fill(half, loaded, weights, models, extra)
    return sorted(path for path in target.rglob("*") if path.is_file())


def _fill(folder: Path, run: runs.Run, weights: bool, models: str | Path | None, named: list[Path]) -> None:
    data, library = run.config.data, models_of(run, models)

    def carried(known: Encoder, kind: EncoderKind) -> Encoder:
        encoder = replace(known, spec=spec_of(run, known))
        encoder = with_weights(encoder, kind, folder / WEIGHTS, library, named) if weights else with_bare_names(encoder)
        return with_card(encoder, folder / CARDS, run.folder / CARDS, library, named)

    text = (
        part if part.encoder is None else replace(part, encoder=carried(part.encoder, "text")) for part in data.text
    )
    here = {
        "path": Path(data.path).name,
        "encoders": {kind: carried(known, kind) for kind, known in data.encoders.items()},
        "text": tuple(text),
        "text_asked": tuple(bare_part(asked) for asked in data.text_asked),
        "models": None,
    }
    packed = data.model_copy(update=here)
    config = run.config.model_copy(update={"data": packed})
    for name in _AS_THEY_ARE:
        if (run.folder / name).exists():
            copy_regular(run.folder / name, folder / name, RunError)
    results = read_results(run.folder)
    if results is not None:
        notes = [without_path(note, data.path) for note in results["provenance"].get("notes", [])]
        results["provenance"] |= {"data": packed.model_dump(mode="json"), "notes": notes}
        write_json(folder / runs.RESULTS, results)
    write_json(folder / CONFIG, config.model_dump(mode="json"))
    write_text(folder / README, model_card(config, read_recognition(run.folder), results, licences(data)))
