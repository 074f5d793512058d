"""Networks that turn frames or a waveform into a vector: one a file, or one a card.

Files are found by listing this folder and the entry points `avgzsl.backbones`; `BackbonePlugin` is their contract, and
`avgzsl.testing` has the suite of tests for it. A card is a YAML file in `cards/` or anywhere: an exported model and how
to feed it. A backbone is named by a spec: `NAME`, or `NAME:WEIGHTS` with a file, a folder or a name on the hub; or a
card's path.
"""

from dataclasses import replace
from pathlib import Path
from typing import get_args

from avgzsl.backbones._base import (
    Backbone,
    BackbonePlugin,
    PreparingBackbone,
    Space,
    SteppingBackbone,
    Steps,
    Tagger,
    check_clips,
)
from avgzsl.backbones._cards import Activation, read_card
from avgzsl.backbones._exported import load_exported
from avgzsl.backbones._last_layer import LastLayer
from avgzsl.backbones._tagger import load_label_head
from avgzsl.backbones._transformers import TransformerBackbone
from avgzsl.errors import ConfigError, ModalityError, UnknownNameError
from avgzsl.support import registry
from avgzsl.support.device import pick_device
from avgzsl.support.registry import Plugins, keeps
from avgzsl.support.weights import identify, models_folders
from avgzsl.types import Modality, Precision

__all__ = [
    "Activation",
    "Backbone",
    "BackbonePlugin",
    "LastLayer",
    "PreparingBackbone",
    "SteppingBackbone",
    "Steps",
    "Tagger",
    "backbones",
    "brings_weights",
    "check_clips",
    "embedded",
    "load",
    "load_tagger",
    "text_encoder_of",
    "trained_on",
]

PLUGINS: Plugins[BackbonePlugin] = Plugins(__name__, "backbone", keeps(BackbonePlugin), "avgzsl.backbones")

_CARD_SUFFIXES = (".yaml", ".yml")
_CARDS = Path(__file__).parent / "cards"


def backbones() -> dict[str, str]:
    """Names of the backbones, modules and cards alike, each with one line about it."""
    modules = registry.descriptions(PLUGINS)
    cards = {name: read_card(path).description for name, path in _card_files().items()}
    return dict(sorted((modules | cards).items()))


def embedded() -> dict[str, tuple[Modality, ...]]:
    """The modalities that each backbone embeds, modules and cards alike."""
    modules = {name: plugin.MODALITIES for name, plugin in PLUGINS.load_all()[0].items()}
    cards: dict[str, tuple[Modality, ...]] = {name: (read_card(path).modality,) for name, path in _card_files().items()}
    return dict(sorted((modules | cards).items()))


def load(
    spec: str,
    modality: Modality,
    *,
    device: str = "auto",
    models: Path | None = None,
    precision: Precision = "float32",
    unit: bool = True,
) -> Backbone:
    """The backbone of a spec, ready for clips of one modality; `models` is the folder where weights are looked for.

    Without `unit`, rows in a space with words have the length that the network gives them, as in older stores.

    Raises UnknownNameError with near matches, ModalityError for a modality that it does not serve, ConfigError for a
    bad card or device or a precision that it lacks, WeightsError for weights that are not there or not those of the
    network.
    """
    if precision not in get_args(Precision):
        raise ConfigError(f"precision {precision!r}; expected {' or '.join(get_args(Precision))}")
    backbone = _load(spec, modality, device, models)
    if isinstance(backbone, TransformerBackbone):
        return replace(backbone, precision=precision, unit=backbone.unit and unit)
    if precision != "float32":
        raise ConfigError(
            f"backbone {spec}: works in float32 alone, and {precision} was asked for; only backbones of the "
            "transformers library can work in it. Leave the precision out, or choose another backbone"
        )
    return backbone


def _load(spec: str, modality: Modality, device: str, models: Path | None) -> Backbone:
    card, weights = _card_of(spec, models)
    if card is not None:
        own = (identify(card),) if spec.endswith(_CARD_SUFFIXES) else ()
        return load_exported(spec, card, modality, weights, device, models, own)
    name = spec.partition(":")[0]
    if name not in PLUGINS.names():
        raise UnknownNameError(registry.unknown("backbone", name, {*PLUGINS.names(), *_card_files()}))
    plugin = PLUGINS.load(name)
    if modality not in plugin.MODALITIES:
        raise ModalityError(f"backbone {name} embeds {' and '.join(plugin.MODALITIES)}, not {modality}")
    return plugin.load(modality, weights, pick_device(device), models)


def load_tagger(spec: str, modality: Modality, *, models: Path | None = None) -> Tagger | None:
    """What makes probabilities of labels of the features of a backbone's spec; None for one without labels.

    It takes the features as a store keeps them, those of earlier versions, too. Raises ConfigError for a bad card,
    ModalityError, WeightsError for weights or a list of labels that are not there or not those of the card.
    """
    card, weights = _card_of(spec, models)
    return None if card is None else load_label_head(spec, card, modality, weights, models)


def brings_weights(spec: str) -> bool:
    """Whether the weights of a spec come with the backbone's own package. Raises UnknownNameError, ConfigError."""
    name, _, weights = spec.partition(":")
    return not _is_card(spec) and not weights and PLUGINS.load(name).BRINGS_WEIGHTS


def text_encoder_of(spec: str, modality: Modality) -> str | None:
    """The spec of the text encoder in whose space the rows of a backbone's spec lie; None where there is none.

    Raises UnknownNameError, ConfigError.
    """
    if _is_card(spec):
        return None
    name, colon, weights = spec.partition(":")
    space: Space | None = getattr(PLUGINS.load(name), "TEXT", None)
    text = space if space is None or isinstance(space, str) else space.get(modality)
    return None if text is None else f"{text}{colon}{weights}"


def trained_on(spec: str, models: Path | None = None) -> str | None:
    """One line: what the published weights of a backbone were trained on; None where that is not known, or nothing.

    Raises UnknownNameError, ConfigError.
    """
    name = spec.partition(":")[0]
    if _is_card(spec):
        return read_card(_card_files().get(name) or _find_card(spec, models)).trained_on
    line: str | None = getattr(PLUGINS.load(name), "TRAINED_ON", None)
    return line


def _is_card(spec: str) -> bool:
    return spec.endswith(_CARD_SUFFIXES) or spec.partition(":")[0] in _card_files()


def _card_of(spec: str, models: Path | None) -> tuple[Path | None, str | None]:
    """The card that a spec names, None for a module's, and the weights that the spec names. Raises ConfigError."""
    if spec.endswith(_CARD_SUFFIXES):
        return _find_card(spec, models), None
    name, _, weights = spec.partition(":")
    card = _card_files().get(name)
    if card is not None and (places := PLUGINS.places(name)):
        raise ConfigError(
            f"backbone {name!r} is there more than once: the card {card} and {' and '.join(places)}; uninstall "
            "that package, or rename its backbone"
        )
    return card, weights or None


def _find_card(spec: str, models: Path | None) -> Path:
    places = [Path(spec), *(folder / Path(spec).name for folder in models_folders(models))]
    return next((place for place in places if place.is_file()), Path(spec))


def _card_files() -> dict[str, Path]:
    return {path.stem: path for path in sorted(_CARDS.glob("*.yaml"))}
