"""Networks that turn frames or a waveform into a vector: one a file, or one a card.

Files are found by listing this folder and the entry points `avgzsl.backbones`; `BackbonePlugin` is their contract, and
`avgzsl.testing` has the suite of tests for it. A card is a YAML file in `cards/` or anywhere: an exported model and how
to feed it. A backbone is named by a spec: `NAME`, or `NAME:WEIGHTS` with a file, a folder or a name on the hub; or a
card's path.
"""

from pathlib import Path

from avgzsl.backbones._base import Backbone, BackbonePlugin, Tagger, check_clips
from avgzsl.backbones._cards import Activation, read_card
from avgzsl.backbones._exported import load_exported
from avgzsl.backbones._last_layer import LastLayer
from avgzsl.backbones._tagger import load_label_head
from avgzsl.errors import ConfigError, ModalityError, UnknownNameError
from avgzsl.support import registry
from avgzsl.support.device import pick_device
from avgzsl.support.registry import Plugins, keeps
from avgzsl.support.weights import identify, models_folder
from avgzsl.types import Modality

__all__ = [
    "Activation",
    "Backbone",
    "BackbonePlugin",
    "LastLayer",
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


def load(spec: str, modality: Modality, *, device: str = "auto", models: Path | None = None) -> Backbone:
    """The backbone of a spec, ready for clips of one modality; `models` is the folder where weights are looked for.

    Raises UnknownNameError with near matches, ModalityError for a modality that it does not serve, ConfigError for a
    bad card or device, WeightsError for weights that are not there or not those of the network.
    """
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


def text_encoder_of(spec: str, modality: Modality) -> str | None:
    """The text encoder whose words stand in one space with the features of a backbone's spec; None where none does."""
    name, _, weights = spec.partition(":")
    words = {("clip", "video"): "clip", ("clap", "audio"): "clap"}.get((name, modality))
    return words and (f"{words}:{weights}" if weights else words)


def trained_on(spec: str, models: Path | None = None) -> str | None:
    """One line: what the published weights of a backbone were trained on; None where that is not known, or nothing."""
    return None


def brings_weights(spec: str) -> bool:
    """Whether the weights of a spec come with the backbone's own package. Raises UnknownNameError, ConfigError."""
    name, _, weights = spec.partition(":")
    is_card = spec.endswith(_CARD_SUFFIXES) or name in _card_files()
    return not is_card and not weights and PLUGINS.load(name).BRINGS_WEIGHTS


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
    packed = models_folder(models) / Path(spec).name
    return packed if packed.is_file() and not Path(spec).is_file() else Path(spec)


def _card_files() -> dict[str, Path]:
    return {path.stem: path for path in sorted(_CARDS.glob("*.yaml"))}
