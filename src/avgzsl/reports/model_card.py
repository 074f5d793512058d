"""The model card of a run (Mitchell et al. 2019), in markdown with the header of the hub."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from avgzsl.data.clips import Encoder
from avgzsl.data.layouts import open_dataset
from avgzsl.errors import AvgzslError, RunError
from avgzsl.experiments.calibration import Recognition, read_recognition
from avgzsl.experiments.run import RESULTS
from avgzsl.experiments.run_record import Config, DataRecord, read_config
from avgzsl.methods import marked_label, methods
from avgzsl.recognition.encoders import CARD_SUFFIXES
from avgzsl.recognition.portable import with_bare_names
from avgzsl.reports.pretraining import met_before
from avgzsl.reports.tables import markdown
from avgzsl.support.files import write_text
from avgzsl.support.trust import read_json
from avgzsl.text.part_record import shown_part

README = "README.md"
_HEADER = """---
library_name: avgzsl
tags: [audio-visual, generalized-zero-shot-learning, model_hub_mixin, pytorch_model_hub_mixin]
---
"""
_USE = """## Use

    pip install avgzsl
    avgzsl predict FOLDER clip.mp4{method}
    avgzsl predict FOLDER clip.mp4 --classes "dog barking, church bell"{method}
"""
_INTENDED = """## Intended use and caveats

For research on recognising classes of video clips, by sound and picture, that no training clip was labelled with. It
tells which of the names given is nearest, and is right no more often than the results say; on clips, names or
encoders unlike those of its data, less often. Unseen classes are unseen by this model alone: the encoders may have met
them. Distances are no probabilities. Not for decisions about people.
"""


def write_model_card(folder: str | Path) -> Path:
    """Write the card of a run that was made here into its folder, as README.md, with the results that are there.

    Raises RunError for a folder that is no run or has damaged records.
    """
    folder = Path(folder)
    config = read_config(folder)
    card = model_card(config, read_recognition(folder), read_results(folder), licences(config.data, made_here=True))
    write_text(folder / README, card)
    return folder / README


def model_card(
    config: Config, recognition: Recognition | None, results: Mapping[str, Any] | None, licences: Mapping[str, int]
) -> str:
    """The card, which names data and encoders without the paths of this machine, for cards are passed on.

    `results` is the object of `results.json`, `licences` counts the clips of the data by licence.
    """
    data = config.data
    licensed = "; ".join(f"{_line(name)} ({count})" for name, count in licences.items())
    sizes = ", ".join(f"{name} {size}" for name, size in data.dimensions.items())
    parts = [
        f"{_HEADER}\n# {config.method}, {len(data.seen)} seen and {len(data.unseen)} unseen classes\n",
        f"Method `{config.method}` of avgzsl {config.versions.get('avgzsl', '')}, seed {config.seed}.\n",
        _use(config.method),
        f"## Data\n\n{_line(Path(data.path).name or 'data')}, layout {data.layout}, "
        f"class split {_line(data.class_split)}, fingerprint `{data.fingerprint[:12]}`; dimensions: {sizes}.\n",
        _encoders(data),
        _met_before(data),
        f"Licences of its clips: {licensed or 'not known'}.\n",
        f"## Classes\n\nSeen: {_names(data.seen)}\n\nUnseen: {_names(data.unseen)}\n",
        "## Results\n",
        _results(marked_label(config.method, config.settings), results, data.path),
        _calibration(recognition),
        _INTENDED,
    ]
    return "\n".join(parts)


def _use(method: str) -> str:
    """How the run is used; a method that is not found by its name is in a file that its user has to give."""
    if method in methods():
        return _USE.format(method="")
    return _USE.format(method=" --method FILE.py:Class") + f"\nFILE.py is the file of the method `{method}`.\n"


def licences(data: DataRecord, made_here: bool = False) -> dict[str, int]:
    """Clips by licence, the most frequent first, where the data is a store that is still there and tells.

    Unless the run was made here it has to be the very data: a run of somebody else could name any store here.
    """
    if data.layout != "store":
        return {}
    from avgzsl.features.feature_store import open_store

    try:
        if not made_here and _fingerprint(data) != data.fingerprint:
            return {}
        clips = open_store(Path(data.path)).clips
    except AvgzslError:  # moved, or no longer whole: then it cannot tell
        return {}
    column = next((name for name in ("licence", "license") if name in clips), None)
    return dict(Counter(str(value) for value in clips[column] if value).most_common()) if column else {}


def _fingerprint(data: DataRecord) -> str:
    """That of the data as it is now."""
    return open_dataset(
        data.path, layout=data.layout, class_split=data.class_split, drop_bad_rows=data.drop_bad_rows
    ).fingerprint


def read_results(folder: Path) -> dict[str, Any] | None:
    """The results of a run; None where it was not evaluated. Raises RunError for a file that is damaged."""
    path = folder / RESULTS
    if not path.exists():
        return None
    try:
        results = read_json(path, RunError)
        markdown(results["results"], "")
        if not isinstance(results["provenance"], dict):
            raise TypeError("its provenance is no object")
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as problem:
        raise RunError(
            f"{path}: not the results of a run ({problem}); remove it, and make it anew with `avgzsl evaluate`"
        ) from problem
    return dict(results)


def _encoders(data: DataRecord) -> str:
    if not data.known_encoders:
        return "What made its features and text vectors is not known; name it with --audio, --video and --text.\n"
    lines = ["| | encoder | weights (SHA-256) |", "|---|---|---|"]
    parts = [
        ("text", part.encoder, shown_part(replace(part, encoder=_bare(part.encoder))))
        for part in data.text
        if part.encoder is not None
    ]
    for kind, encoder, shown in [*((kind, one, _bare(one).spec) for kind, one in data.encoders.items()), *parts]:
        weights = ", ".join(f"{_line(file.name)} `{file.sha256[:12]}`" for file in encoder.weights) or "none"
        lines.append(f"| {kind} | {_line(shown)} | {weights} |")
    return "\n".join(lines) + "\n"


def _met_before(data: DataRecord) -> str:
    """What the encoders were trained on; a card is looked for where it lies, and named without that place."""
    lines = [
        line.replace(one.spec, _bare(one).spec)
        for kind, one in data.encoders.items()
        for line in met_before({kind: one})
    ]
    return "".join(f"{_line(line)}.\n" for line in lines)


def _bare(encoder: Encoder) -> Encoder:
    """The encoder, and its card if it has one, by names without the paths of this machine."""
    if encoder.spec.endswith(CARD_SUFFIXES):
        return replace(encoder, spec=Path(encoder.spec).name)
    return with_bare_names(encoder)


def without_path(text: str, path: str) -> str:
    """A sentence that may name a path, with the last part of it alone."""
    parts = Path(path).parts
    return text.replace(path, parts[-1]) if len(parts) > 1 else text


def _results(method: str, results: Mapping[str, Any] | None, path: str) -> str:
    if results is None:
        return "Not evaluated.\n"
    notes = [f"- {_line(without_path(note, path))}" for note in results["provenance"].get("notes", [])]
    split = results["provenance"].get("split", "test")
    tables = markdown(results["results"], method, _line(str(results["provenance"].get("generated", ""))))
    return "\n".join([f"On the {_line(split)} clips of its data.\n", tables, *notes, ""])


def _calibration(recognition: Recognition | None) -> str:
    if recognition is None or not recognition.modes:
        return "Recognition is not calibrated: there were no validation clips for it.\n"
    lines = ["Recognition takes from the validation clips, in units of score:\n", "| mode | gamma | threshold |"]
    lines += ["|---|---:|---:|"]
    for name, calibrated in recognition.modes.items():
        figures = (("–" if value is None else f"{value:.4g}") for value in (calibrated.gamma, calibrated.threshold))
        lines.append(f"| {name} | {' | '.join(figures)} |")
    return "\n".join(lines) + "\n"


def _names(names: list[str]) -> str:
    return ", ".join(map(_line, names)) or "none"


def _line(text: str) -> str:
    """Text from outside as one line of markdown that means only itself."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return "".join(f"\\{c}" if c in r"\`*_{}[]<>#|" else c for c in printable)
