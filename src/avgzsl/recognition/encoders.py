"""The encoders of a run: what new clips go through to meet the data that it was trained on (names: `text_encoders`).

A run trained on features that avgzsl extracted knows its encoders and the hashes of their weights, and takes no others.
One trained on features from elsewhere is told them, and only their dimensions can be checked. A packed run has cards of
its own, and maybe weights: they come first.
"""

from collections.abc import Iterable
from pathlib import Path

from avgzsl import backbones
from avgzsl.backbones import Backbone
from avgzsl.data.clips import Encoder
from avgzsl.errors import ConfigError, RunError, WeightsError
from avgzsl.experiments.run import Run
from avgzsl.support.arguments import as_path
from avgzsl.support.trust import is_plain_way
from avgzsl.support.weights import WeightFile, identify, nothing_fetched
from avgzsl.text.base import TextEncoder
from avgzsl.types import EncoderChoice, Modality

WEIGHTS, CARDS = "weights", "cards"  # in the folder of a packed run
CARD_SUFFIXES = (".yaml", ".yml")
OVERRIDES = ",overrides="
_PACKAGED = Path(backbones.__file__).parent / "cards"


def load_backbones(run: Run, modalities: Iterable[Modality], encoders: EncoderChoice) -> dict[Modality, Backbone]:
    """The backbone of each modality: the one chosen, else the run's own.

    Raises RunError, ConfigError, UnknownNameError, WeightsError.
    """
    chosen, models = clip_encoders(encoders), models_of(run, encoders.models)
    data, loaded = run.config.data, dict[Modality, Backbone]()
    for modality in modalities:
        spec = _spec(run, modality, chosen.get(modality))
        with nothing_fetched(modality not in chosen):
            backbone = backbones.load(
                spec,
                modality,
                device=encoders.device,
                models=models,
                precision=encoders.precision,
                unit=encoders.unit and unit_rows(run, [modality]),
            )
        check_encoder(run, modality, backbone, data.dimensions[modality], data.encoders.get(modality))
        loaded[modality] = backbone
    return loaded


def unit_rows(run: Run, modalities: Iterable[Modality]) -> bool:
    """Whether backbones that can give rows of unit length do so for this run: one of an older store knows others."""
    known = [run.config.data.encoders[m] for m in modalities if m in run.config.data.encoders]
    return not known or any(encoder.unit for encoder in known)


def clip_encoders(encoders: EncoderChoice) -> dict[Modality, str]:
    """The specs of the chosen backbones, by modality."""
    specs: dict[Modality, str | None] = {"audio": encoders.audio, "video": encoders.video}
    return {modality: spec for modality, spec in specs.items() if spec is not None}


def models_of(run: Run, models: str | Path | None) -> Path | None:
    """Where a run's encoders look for weights: in the folder given, else in its own, if it was packed with one."""
    packed = run.folder / WEIGHTS
    return packed if models is None and packed.is_dir() else as_path(models)


def spec_of(run: Run, encoder: Encoder) -> str:
    """The spec by which an encoder of the run is loaded: a packed run's card is in its own folder."""
    card = run.folder.resolve() / CARDS / Path(encoder.spec).name
    packed = encoder.spec == card.name and card.suffix in CARD_SUFFIXES and card.is_file()
    return str(card) if packed else encoder.spec


def arguments(spec: str) -> list[str]:
    """What a spec names besides an encoder: a card; a file, a folder or a name on the hub; overrides."""
    if spec.endswith(CARD_SUFFIXES):
        return [spec]
    named, _, overrides = spec.partition(OVERRIDES)
    return [argument for argument in (named.partition(":")[2], overrides) if argument]


def packaged_card(spec: str) -> Path | None:
    """The card that comes with avgzsl under the name in the spec, if one does."""
    name = spec.partition(":")[0]
    card = _PACKAGED / f"{name}.yaml"
    return card if is_plain_way(name) and card.is_file() else None


def same_encoder(first: Encoder, second: Encoder) -> bool:
    """Whether two encoders give the same vectors: by weights and card, wherever they lie; by spec where there are none.

    What a card says makes the features as much as the weights do. One that comes with avgzsl stands in no record.
    """
    return _identity(first) == _identity(second)


def _identity(encoder: Encoder) -> set[str]:
    card = packaged_card(encoder.spec)
    files = [*encoder.weights, *([] if card is None else [identify(card)])]
    return {file.sha256 for file in files} or {encoder.spec}


def _spec(run: Run, modality: Modality, chosen: str | None) -> str:
    known = run.config.data.encoders
    if chosen is not None:
        return chosen
    if modality not in known:
        raise RunError(
            f"{run.folder}: was trained on {modality} features from elsewhere (layout {run.config.data.layout}), and "
            f"does not know what made them; name the encoder that did with --{modality} (`avgzsl encoders` lists them)"
        )
    require_known(run, modality, known[modality])
    return spec_of(run, known[modality])


def require_known(run: Run, kind: str, encoder: Encoder) -> None:
    """Raises WeightsError for a path in a run's record that leads to a file which the record does not know by its hash.

    Somebody else may have made the run, and could name any file of this machine. One whose hash they know tells them
    nothing new; no other is read. Names without a folder are looked for among the models, too, and checked when loaded.
    """
    known = {file.sha256 for file in encoder.weights}
    for argument in arguments(encoder.spec):
        path = Path(argument)
        unknown_file = path.is_file() and identify(path).sha256 not in known
        if unknown_file or (path.is_dir() and not _known_folder(path, encoder)):
            raise WeightsError(
                f"{path}: is not the {kind} encoder of {run.folder}, whose record has {_hashes(encoder.weights)} "
                f"there; put that back, or name the encoder with --{kind}"
            )


def _known_folder(folder: Path, encoder: Encoder) -> bool:
    """Has the folder files of the names that the record knows, and all of them as it knows them?"""
    known = {file.name: file.sha256 for file in encoder.weights if is_plain_way(file.name)}
    present = [name for name in known if (folder / name).is_file()]
    return bool(present) and all(identify(folder / name).sha256 == known[name] for name in present)


def check_encoder(run: Run, kind: str, encoder: Backbone | TextEncoder, dimension: int, known: Encoder | None) -> None:
    """Raises unless it gives the run's `dimension`, and has the weights that the run knows, wherever they lie now.

    ConfigError for the former, WeightsError for the latter; nothing is `known` of features from elsewhere.
    """
    if encoder.dimension != dimension:
        raise ConfigError(
            f"{encoder.spec}: gives {encoder.dimension} numbers, but {run.folder} was trained on {kind} vectors of "
            f"{dimension}; name the encoder that made them"
        )
    if known is not None and not same_encoder(Encoder(encoder.spec, encoder.weights), known):
        raise WeightsError(
            f"{encoder.spec}: is not the {kind} encoder of {run.folder}. Here it is {_hashes(encoder.weights)}, there "
            f"{known.spec} with {_hashes(known.weights)}; put those weights back, or name their folder with --models"
        )


def _hashes(weights: Iterable[WeightFile]) -> str:
    return ", ".join(f"{file.name} {file.sha256[:12]}" for file in weights) or "no weights"
